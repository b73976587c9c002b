//! Batch mode: what becomes a plan of a bounded job, and what is refused.

use expect_test::expect;
use flott_graph::Role;
use flott_graph::spec::{BatchNode, BatchOp, BatchPlan};

use super::World;
use crate::parser::ast::ExplainDetail;

fn world() -> World {
    let mut world = World::new();
    world.and(
        "CREATE TABLE l (k INT, v STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
           WITH ('connector' = 'fake', 'ends' = 'true', 'format' = 'csv');
         CREATE TABLE r (k INT, x INT) WITH ('connector' = 'fake', 'ends' = 'true');
         SET 'execution.runtime-mode' = 'batch'; SET 'taskmanager.memory.managed.size' = '1 mb';
         SET 'io.tmp.dirs' = 'file:///a,/b';",
    );
    world
}

/// The plan in the only source of the job.
fn plan(sql: &str) -> BatchPlan {
    let graph = world().job(sql).unwrap().graph;
    let Role::Source(source) = &graph.nodes[0].role else { panic!("a batch job begins with its query") };
    assert_eq!((source.connector.as_str(), graph.nodes[0].parallelism), (BatchPlan::CONNECTOR, 1));
    BatchPlan::from_text(&source.options.0[BatchPlan::OPTION]).unwrap()
}

/// The names of its operations, those of inputs in parentheses.
fn outline(node: &BatchNode) -> String {
    let debug = format!("{:?}", node.op);
    let name = debug.split([' ', '(']).next().unwrap_or_default();
    let inputs: Vec<String> = node.inputs.iter().map(outline).collect();
    if inputs.is_empty() { name.to_owned() } else { format!("{name}({})", inputs.join(", ")) }
}

fn shape(sql: &str) -> String {
    outline(&plan(sql).root)
}

#[test]
fn rows_are_ordered_as_a_whole_and_watermarks_are_gone() {
    assert_eq!(shape("SELECT k, v, ts FROM l ORDER BY v DESC"), "Sort(Scan)");
    assert_eq!(shape("SELECT k, COUNT(*) FROM r GROUP BY k"), "Aggregate(Project(Scan))");
    assert_eq!(shape("SELECT k, x FROM r UNION ALL SELECT x, k FROM r"), "Union(Scan, Project(Scan))");
    let windows = "SELECT window_end, SUM(k) FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '1' SECOND))
                   GROUP BY window_start, window_end";
    assert_eq!(shape(windows), "Project(Aggregate(Project(Window(Scan))))");
}

#[test]
fn what_a_stream_cannot_limit_or_combine_is_planned() {
    let ranked = "SELECT x FROM (SELECT x, RANK() OVER (PARTITION BY k ORDER BY x) AS n FROM r) WHERE n <= 2";
    assert_eq!(shape(ranked), "Project(Filter(Over(Scan)))");
    let from = "SELECT x FROM (SELECT x, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x) AS n FROM r) WHERE n > 2";
    assert_eq!(shape(from), "Project(Filter(Over(Scan)))");
    let first = "SELECT x FROM (SELECT x, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x) AS n FROM r) WHERE n <= 2";
    assert_eq!(shape(first), "Project(Rank(Scan))");
    let two =
        "SELECT SUM(x) OVER (PARTITION BY k ORDER BY x), COUNT(*) OVER (ORDER BY x), MAX(x) OVER (ORDER BY x) FROM r";
    assert_eq!(shape(two), "Project(Over(Project(Over(Scan))))");
}

#[test]
fn a_query_is_told_what_it_may_take_and_what_its_job_needs() {
    let plan = plan("SELECT k, v, ts FROM l");
    assert_eq!((plan.memory_bytes, plan.spill_directory.as_deref()), (Some(1 << 20), Some("/a")));
    let job = world().job("SELECT k, v, ts FROM l").unwrap();
    assert_eq!(job.graph.factories, ["$batch", "$collect", "csv", "fake"]);
}

fn join(on: &str) -> (Vec<usize>, Vec<usize>, bool, bool) {
    let mut node = plan(&format!("SELECT l.v, r.x FROM l LEFT JOIN r ON {on}")).root;
    loop {
        if let BatchOp::Join { keys: [left, right], nulls_meet, condition, .. } = node.op {
            return (left, right, nulls_meet, condition.is_some());
        }
        node = node.inputs.pop().unwrap();
    }
}

#[test]
fn equal_columns_are_keys_whose_nulls_all_meet_or_none() {
    assert_eq!(join("l.k = r.k"), (vec![0], vec![0], false, false));
    assert_eq!(join("l.k IS NOT DISTINCT FROM r.k"), (vec![0], vec![0], true, false));
    let (left, right, nulls_meet, has_condition) = join("l.k = r.k AND l.k IS NOT DISTINCT FROM r.x");
    assert_eq!((left.len(), right.len(), nulls_meet, has_condition), (1, 1, false, true));
    let (left, _, _, has_condition) = join("l.k < r.k");
    assert_eq!((left.len(), has_condition), (0, true));
}

#[test]
fn what_has_no_end_or_gives_changes_is_refused() {
    let mut world = world();
    world.and(
        "CREATE TABLE ended (id INT NOT NULL, v STRING, PRIMARY KEY (id) NOT ENFORCED)
           WITH ('connector' = 'fake', 'ends' = 'true', 'source' = 'I,UB,UA,D');",
    );
    let refusal = |sql: &str| world.refusal(sql).lines().next().unwrap_or_default().to_owned();
    assert!(refusal("SELECT a FROM t").ends_with("table 'cat.db.t' is unbounded and cannot be read in batch mode"));
    assert!(
        refusal("SELECT v FROM ended").ends_with("table 'cat.db.ended' gives changes and cannot be read in batch mode")
    );
}

#[test]
fn a_plan_is_explained_as_it_runs() {
    let sql = "SELECT l.v, n, SUM(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM l
               JOIN (SELECT x, COUNT(*) AS n FROM r WHERE k > 1 GROUP BY x) AS g ON l.k = g.x ORDER BY l.v LIMIT 3";
    expect![[r#"
        == Abstract Syntax Tree ==
        LogicalSort(sort0=[$0], dir0=[ASC-nulls-first], fetch=[3])
        +- LogicalProject(v=[$1], n=[$4], s=[$5])
           +- LogicalWindow(window#0=[window(partition {} order by [$4 ASC] ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING aggs [SUM($4)])])
              +- LogicalJoin(condition=[=($0, $3)], joinType=[inner])
                 :- LogicalWatermarkAssigner(rowtime=[ts], watermark=[$2])
                 :  +- LogicalTableScan(table=[[cat, db, l]])
                 +- LogicalAggregate(group=[{0}], n=[COUNT()])
                    +- LogicalProject(x=[$1])
                       +- LogicalFilter(condition=[>($0, 1)])
                          +- LogicalTableScan(table=[[cat, db, r]])

        == Optimized Physical Plan ==
        Sort(orderBy=[v ASC], offset=[0], fetch=[3], changelogMode=[I])
        +- OverAggregate(orderBy=[n ASC], window=[ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING], select=[SUM(n) AS w0$o0], changelogMode=[I])
           +- Project(select=[v, n], changelogMode=[I])
              +- Join(joinType=[inner], on=[k = x], changelogMode=[I])
                 :- Project(select=[k, v], changelogMode=[I])
                 :  +- TableSourceScan(table=[cat.db.l], fields=[k, v, ts], changelogMode=[I])
                 +- Aggregate(groupBy=[x], select=[x, COUNT(*) AS n], changelogMode=[I])
                    +- Project(select=[x], changelogMode=[I])
                       +- Filter(where=[>(k, 1)], changelogMode=[I])
                          +- TableSourceScan(table=[cat.db.r], fields=[k, x], changelogMode=[I])

        == Optimized Execution Plan ==
        Sort(orderBy=[v ASC], offset=[0], fetch=[3])
        +- OverAggregate(orderBy=[n ASC], window=[ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING], select=[SUM(n) AS w0$o0])
           +- Project(select=[v, n])
              +- Join(joinType=[inner], on=[k = x])
                 :- Project(select=[k, v])
                 :  +- TableSourceScan(table=[cat.db.l], fields=[k, v, ts])
                 +- Aggregate(groupBy=[x], select=[x, COUNT(*) AS n])
                    +- Project(select=[x])
                       +- Filter(where=[(k > 1)])
                          +- TableSourceScan(table=[cat.db.r], fields=[k, x])
    "#]].assert_eq(&world().explain(sql, &[ExplainDetail::ChangelogMode]).unwrap());
    let insert = world().explain("SELECT k FROM r UNION ALL SELECT k FROM r", &[]).unwrap();
    assert!(!insert.contains("Reused"), "each runs for itself: {insert}");
}

#[test]
fn functions_and_frames_that_look_ahead_are_planned() {
    for call in [
        "LEAD(x, 2, 0) OVER (ORDER BY k)",
        "LEAD(x) OVER (PARTITION BY k)",
        "NTILE(3) OVER (ORDER BY k)",
        "CUME_DIST() OVER (ORDER BY k)",
        "PERCENT_RANK() OVER (ORDER BY k)",
        "SUM(x) OVER (ORDER BY k ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)",
        "SUM(x) OVER (ORDER BY k RANGE BETWEEN 1.5 PRECEDING AND 1 FOLLOWING)",
    ] {
        assert_eq!(shape(&format!("SELECT {call} FROM r")).matches("Over").count(), 1, "{call}");
    }
    let refusal = |call: &str| {
        let told = world().refusal(&format!("SELECT {call} FROM r"));
        told.lines().next().unwrap_or_default().to_owned()
    };
    let refusals = [
        "LEAD(x) OVER (ORDER BY k ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        "NTILE(0) OVER (ORDER BY k)",
        "NTILE(x) OVER (ORDER BY k)",
        "RANK() OVER (PARTITION BY k)",
        "CUME_DIST(x) OVER (ORDER BY k)",
        "LEAD(x, k) OVER (ORDER BY k)",
        "LEAD(x) IGNORE NULLS OVER (ORDER BY k)",
        "SUM(DISTINCT x) OVER (ORDER BY k)",
        "SUM(x) OVER (ORDER BY k ROWS BETWEEN CURRENT ROW AND 1 PRECEDING)",
        "SUM(x) OVER (ORDER BY k ROWS BETWEEN UNBOUNDED FOLLOWING AND CURRENT ROW)",
        "SUM(x) OVER (ORDER BY k ROWS BETWEEN x PRECEDING AND CURRENT ROW)",
        "SUM(x) OVER (ORDER BY k, x RANGE BETWEEN 1 PRECEDING AND CURRENT ROW)",
        "SUM(x) OVER (ORDER BY k RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW)",
    ]
    .map(refusal)
    .join("\n");
    expect![[r#"
        1:8: function 'LEAD' takes no frame
        1:8: the argument of NTILE is no whole number above 0
        1:8: the argument of NTILE is no whole number above 0
        1:8: function 'RANK' needs an order
        1:8: function 'CUME_DIST' takes no arguments
        1:8: the offset of LEAD is no whole number that is not negative
        1:8: IGNORE NULLS is not supported yet
        1:8: DISTINCT in this call with OVER is not supported yet
        1:8: a frame that ends before it begins
        1:8: a frame that begins with UNBOUNDED FOLLOWING
        1:45: the rows before a row are no whole number that is not negative
        1:49: a frame of RANGE with a distance needs an order by one column
        1:55: a frame of RANGE with a distance of type INTERVAL SECOND(3) over an order by INT"#]]
    .assert_eq(&refusals);
}
