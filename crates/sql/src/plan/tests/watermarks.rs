//! Options of a table's watermark: where they go, what they look like, and what is wrong with them.

use expect_test::expect;
use flott_graph::spec::{Spec, WatermarkAssignerSpec};
use flott_graph::{JobGraph, Role};

use super::World;
use super::graph::job;

/// A world with `w`, whose watermark has these options.
fn world(options: &str) -> World {
    let mut world = World::new();
    world.and(&format!(
        "CREATE TABLE w (ts TIMESTAMP(3), x INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'fake'{options});"
    ));
    world
}

const ALIGNED: &str = ", 'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '1 min'";

fn graph(world: &World, sql: &str) -> JobGraph {
    world.job(sql).unwrap_or_else(|error| panic!("{}", super::shown(&error))).graph
}

/// Interval, whether on event, idle timeout of each watermark.
fn assigners(graph: &JobGraph) -> Vec<(i64, bool, i64)> {
    let specs = graph.nodes.iter().filter_map(|node| match &node.role {
        Role::Operator { kind, spec } if kind == WatermarkAssignerSpec::KIND => Some(spec.to_string()),
        _ => None,
    });
    let specs = specs.map(|spec| WatermarkAssignerSpec::from_bytes(spec.as_bytes()).unwrap());
    specs.map(|spec| (spec.interval_ms, spec.on_event, spec.idle_timeout_ms)).collect()
}

/// Group, drift and interval of each source that waits for others.
fn alignments(graph: &JobGraph) -> Vec<(String, i64, u64)> {
    let all = graph.nodes.iter().filter_map(|node| node.alignment.clone());
    all.map(|a| (a.group, a.max_drift_ms, a.update_interval_ms)).collect()
}

#[test]
fn what_a_table_says_goes_before_what_the_job_says() {
    let of = |options: &str| {
        let mut world = world(options);
        world.and("SET 'table.exec.source.idle-timeout' = '5 s';");
        assigners(&graph(&world, "SELECT x FROM w"))
    };
    assert_eq!(of(""), [(200, false, 5000)]);
    assert_eq!(of(", 'scan.watermark.emit.strategy' = 'On-Event'"), [(200, true, 5000)]);
    assert_eq!(of(", 'scan.watermark.emit.strategy' = 'on-periodic'"), [(200, false, 5000)]);
    assert_eq!(of(", 'scan.watermark.idle-timeout' = '7 s'"), [(200, false, 7000)]);
    assert_eq!(of(", 'scan.watermark.idle-timeout' = '0'"), [(200, false, 0)]);
}

#[test]
fn hints_set_them_too_and_connectors_never_see_them() {
    let world = world(ALIGNED);
    let hint = "/*+ OPTIONS('scan.watermark.idle-timeout' = '3 s', 'scan.watermark.alignment.max-drift' = '5 s',
        'scan.watermark.alignment.update-interval' = '100 ms', 'scan' = '1') */";
    let graph = graph(&world, &format!("SELECT x FROM w {hint}"));
    assert_eq!(assigners(&graph), [(200, false, 3000)]);
    assert_eq!(alignments(&graph), [("g".to_owned(), 5000, 100)]);
    let Role::Source(source) = &graph.nodes[0].role else { panic!("no source") };
    assert_eq!(source.options.0.keys().collect::<Vec<_>>(), ["scan"]);
    assert_eq!(JobGraph::from_bytes(&graph.to_bytes().unwrap()).unwrap(), graph);
}

#[test]
fn plans_show_what_is_set() {
    let shown = |options: &str| world(options).plan("SELECT x FROM w");
    expect![[r#"
        Calc(select=[x])
        +- WatermarkAssigner(rowtime=[ts], watermark=[ts])
           +- TableSourceScan(table=[[cat, db, w]], fields=[ts, x])
    "#]]
    .assert_eq(&shown(""));
    let all = format!("{ALIGNED}, 'scan.watermark.idle-timeout' = '7 s', 'scan.watermark.emit.strategy' = 'on-event'");
    expect![[r#"
        Calc(select=[x])
        +- WatermarkAssigner(rowtime=[ts], watermark=[ts], idletimeout=[7000], watermarkEmitStrategy=[on-event], watermarkAlignment=[g, PT1M, PT1S])
           +- TableSourceScan(table=[[cat, db, w]], fields=[ts, x])
    "#]]
    .assert_eq(&shown(&all));
    assert!(shown(ALIGNED).contains(", watermarkEmitStrategy=[on-periodic], watermarkAlignment=[g, PT1M, PT1S])"));
}

#[test]
fn what_is_wrong_is_told_wherever_the_table_is_used() {
    let told = |options: &str| world(options).refusal("SELECT x FROM w");
    expect![[r#"
        1:15: table 'cat.db.w': option 'scan.watermark.alignment.max-drift' is missing
          Sources wait for each other only where 'scan.watermark.alignment.group' and 'scan.watermark.alignment.max-drift' are set."#]]
    .assert_eq(&told(", 'scan.watermark.alignment.group' = 'g'"));
    for alone in ["'scan.watermark.alignment.max-drift' = '1 s'", "'scan.watermark.alignment.update-interval' = '1 s'"]
    {
        let told = told(&format!(", {alone}"));
        assert!(told.contains("option 'scan.watermark.alignment.group' is missing"), "{told}");
    }
    expect![[r#"
        1:15: table 'cat.db.w': option 'scan.watermark.alignment.update-interval' is less than a millisecond
          It says how often a source hears how far it may read; 1 s is usual."#]]
    .assert_eq(&told(&format!("{ALIGNED}, 'scan.watermark.alignment.update-interval' = '0 s'")));
    expect![[r#"
        1:15: table 'cat.db.w': option 'scan.watermark.emit.strategy' has the value 'sometimes'
          It may be 'on-event', 'on-periodic'."#]]
    .assert_eq(&told(", 'scan.watermark.emit.strategy' = 'sometimes'"));
    let empty = told(", 'scan.watermark.alignment.group' = '', 'scan.watermark.alignment.max-drift' = '1 s'");
    assert!(empty.contains("option 'scan.watermark.alignment.group' is empty"), "{empty}");
    let wrong = told(", 'scan.watermark.idle-timeout' = 'soon'");
    assert!(wrong.contains("has the value 'soon', which is no duration"), "{wrong}");
    let mut never = world(", 'scan.watermark.emit.strategy' = 'on-periodic'");
    never.and("SET 'pipeline.auto-watermark-interval' = '0';");
    expect![[r#"
        1:15: table 'cat.db.w': option 'scan.watermark.emit.strategy' asks for a watermark by the clock
          Option 'pipeline.auto-watermark-interval' is 0, which is never.
          Set an interval, as in SET 'pipeline.auto-watermark-interval' = '200 ms'."#]]
    .assert_eq(&never.refusal("SELECT x FROM w"));
    // Also where it is written, or read without a watermark.
    let written = world(", 'scan.watermark.alignment.group' = 'g'").refusal("INSERT INTO w SELECT ts, x FROM clicks");
    assert!(written.contains("max-drift' is missing"), "{written}");
    let none = World::new().refusal("SELECT a FROM app /*+ OPTIONS('scan.watermark.idle-timeout' = '1 s') */");
    expect![[r#"
        1:15: table 'cat.db.app': option 'scan.watermark.idle-timeout' is set, and there is no watermark
          Declare one, as in WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, or leave the option out."#]]
    .assert_eq(&none);
    let unknown = world(", 'scan.watermark.idle' = '1 s'");
    let graph = graph(&unknown, "SELECT x FROM w");
    let Role::Source(source) = &graph.nodes[0].role else { panic!("no source") };
    assert!(source.options.0.contains_key("scan.watermark.idle"), "the connector refuses it, as other options");
}

#[test]
fn batch_mode_has_no_watermark_and_takes_the_table_all_the_same() {
    let mut world = world(&format!("{ALIGNED}, 'ends' = 'yes'"));
    world.and("SET 'execution.runtime-mode' = 'batch';");
    assert_eq!(world.refusal("SELECT x FROM w"), "accepted");
    let wrong = world.refusal("SELECT x FROM w /*+ OPTIONS('scan.watermark.idle-timeout' = 'soon') */");
    assert!(wrong.contains("'soon'"), "{wrong}");
}

#[test]
fn a_source_that_waits_is_read_for_one_watermark() {
    let world = world(ALIGNED);
    // Two queries that read the same.
    expect![[r#"
        insert-into_cat.db.app,cat.db.app ["fake"]
        0 source cat.db.w x1/128
        1 watermark-assigner-1 x1/128 <- 0 Forward
        2 calc-1 x1/128 <- 1 Forward
        3 sink cat.db.app x1/128 <- 2 Forward
        4 calc-1 x1/128 <- 1 Forward
        5 sink cat.db.app x1/128 <- 4 Forward
    "#]]
    .assert_eq(&job(
        &world,
        "EXECUTE STATEMENT SET BEGIN INSERT INTO app SELECT x, 'a' FROM w; INSERT INTO app SELECT x, 'b' FROM w; END",
    ));
    // And two that do not, and would otherwise read it once.
    let both = "EXECUTE STATEMENT SET BEGIN INSERT INTO app SELECT x, 'a' FROM w;
        INSERT INTO app SELECT x, 'b' FROM w /*+ OPTIONS('scan.watermark.alignment.max-drift' = '9 s') */; END";
    expect![[r#"
        insert-into_cat.db.app,cat.db.app ["fake"]
        0 source cat.db.w x1/128
        1 watermark-assigner-1 x1/128 <- 0 Forward
        2 calc-1 x1/128 <- 1 Forward
        3 sink cat.db.app x1/128 <- 2 Forward
        4 source cat.db.w x1/128
        5 watermark-assigner-1 x1/128 <- 4 Forward
        6 calc-1 x1/128 <- 5 Forward
        7 sink cat.db.app x1/128 <- 6 Forward
    "#]]
    .assert_eq(&job(&world, both));
    let drifts: Vec<i64> = alignments(&graph(&world, both)).into_iter().map(|(_, drift, _)| drift).collect();
    assert_eq!(drifts, [60_000, 9000]);
    let uids: std::collections::BTreeSet<_> = graph(&world, both).nodes.into_iter().map(|node| node.uid.0).collect();
    assert_eq!(uids.len(), 8);
}

/// Else each would be made in a task of its own, which does not know the splits.
#[test]
fn a_source_whose_time_is_kept_by_split_is_read_for_one_watermark() {
    let world = world(", 'push' = 'watermark'");
    let both = "EXECUTE STATEMENT SET BEGIN INSERT INTO app SELECT x, 'a' FROM w;
        INSERT INTO app SELECT x, 'b' FROM w /*+ OPTIONS('scan.watermark.idle-timeout' = '9 s') */; END";
    let graph = graph(&world, both);
    let sources = graph.nodes.iter().filter(|node| matches!(node.role, Role::Source(_))).count();
    assert_eq!(sources, 2);
}

#[test]
fn watermarks_by_split_are_made_in_the_task_of_the_source() {
    for options in [ALIGNED, ", 'push' = 'watermark'"] {
        let mut world = World::new();
        world.and(&format!(
            "SET 'parallelism.default' = '4';
             CREATE TABLE w (t BIGINT, x INT, ts AS TO_TIMESTAMP_LTZ(t, 3), WATERMARK FOR ts AS ts)
               WITH ('connector' = 'fake', 'scan' = '2'{options});"
        ));
        expect![[r#"
            insert-into_cat.db.app ["fake"]
            0 source cat.db.w x2/128
            1 calc-1 x2/128 <- 0 Forward
            2 watermark-assigner-1 x2/128 <- 1 Forward
            3 calc-1 x4/128 <- 2 Rebalance
            4 sink cat.db.app x4/128 <- 3 Forward
        "#]]
        .assert_eq(&job(&world, "INSERT INTO app SELECT x, 'a' FROM w WHERE x > 1"));
    }
}

#[test]
fn what_cannot_wait_is_refused() {
    let mut world = World::new();
    world.and(&format!(
        "CREATE TABLE u (id INT NOT NULL, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (id) NOT ENFORCED)
           WITH ('connector' = 'fake', 'source' = 'I,UA,D'{ALIGNED});
         CREATE TABLE l (ts TIMESTAMP(3), x INT, WATERMARK FOR ts AS ts)
           WITH ('connector' = 'fake', 'x.dead-letter.table' = 'bad'{ALIGNED});
         CREATE TABLE bad (`raw` BYTES, cause STRING, origin STRING) WITH ('connector' = 'fake');"
    ));
    expect![[r#"
        option 'scan.watermark.alignment.group' of table 'cat.db.u' is not supported yet
          It gives updates without what was before, which is found by key before there is time."#]]
    .assert_eq(&world.refusal("INSERT INTO ret SELECT id, 'a' FROM u"));
    let dead = world.refusal("INSERT INTO app SELECT x, 'a' FROM l");
    assert!(dead.contains("Its records that cannot be read go to another table."), "{dead}");
}
