//! The job graph: nodes, edges, parallelism, names that last.

use std::fmt::Write as _;

use expect_test::expect;
use flott_graph::{JobGraph, Role};

use super::World;

/// A line a node: number, kind, parallelism, whether stateful, the edges into it.
fn shape(graph: &JobGraph) -> String {
    let mut out = format!("{} {:?}\n", graph.name, graph.factories);
    for id in graph.node_ids() {
        let node = graph.node(id);
        let kind = match &node.role {
            Role::Source(source) => format!("source {}", source.table),
            Role::Operator { kind, .. } => kind.clone(),
            Role::Sink(sink) => format!("sink {}", sink.table),
        };
        let state = if node.stateful { " stateful" } else { "" };
        write!(out, "{} {kind} x{}/{}{state}", id.0, node.parallelism, node.max_parallelism).unwrap();
        for edge in graph.inputs(id) {
            write!(out, " <- {} {:?}", edge.from.0, edge.partitioning).unwrap();
        }
        out.push('\n');
    }
    out
}

pub(super) fn job(world: &World, sql: &str) -> String {
    match world.job(sql) {
        Ok(job) => shape(&job.graph),
        Err(error) => super::shown(&error),
    }
}

#[test]
fn simple_jobs() {
    let world = World::new();
    expect![[r#"
        collect ["$collect"]
        0 values-1 x1/128
        1 calc-1 x1/128 <- 0 Forward
        2 sink *anonymous_collect* x1/128 <- 1 Forward
    "#]]
    .assert_eq(&job(&world, "SELECT 1"));
    expect![[r#"
        insert-into_cat.db.app ["fake"]
        0 source cat.db.t x1/128
        1 calc-1 x1/128 <- 0 Forward
        2 sink cat.db.app x1/128 <- 1 Forward
    "#]]
    .assert_eq(&job(&world, "INSERT INTO app SELECT a, b FROM t WHERE a > 1"));
    expect![[r#"
        collect ["$collect", "fake"]
        0 source cat.db.clicks x1/128
        1 watermark-assigner-1 x1/128 <- 0 Forward
        2 calc-1 x1/128 <- 1 Forward
        3 group-aggregate-1 x1/128 stateful <- 2 Hash { columns: [0] }
        4 sink *anonymous_collect* x1/128 <- 3 Forward
    "#]]
    .assert_eq(&job(&world, "SELECT who, COUNT(*) FROM clicks GROUP BY who"));
    expect![[r#"
        collect ["$collect", "fake"]
        0 source cat.db.t x1/128
        1 calc-1 x1/128 <- 0 Forward
        2 limit-1 x1/128 stateful <- 1 Forward
        3 group-aggregate-1 x1/128 stateful <- 2 Forward
        4 sink *anonymous_collect* x1/128 <- 3 Forward
    "#]]
    .assert_eq(&job(&world, "SELECT COUNT(*) FROM (SELECT a FROM t LIMIT 3)"));
    expect![[r#"
        collect ["$collect", "fake"]
        0 source cat.db.t x1/128
        1 calc-1 x1/128 <- 0 Forward
        2 values-1 x1/128
        3 calc-1 x1/128 <- 2 Forward
        4 sink *anonymous_collect* x1/128 <- 1 Forward <- 3 Forward
    "#]]
    .assert_eq(&job(&world, "SELECT a, b FROM t UNION ALL VALUES (1, 'x')"));
}

#[test]
fn parallelism_follows_the_exchanges() {
    let mut world = World::new();
    world.and(
        "SET 'parallelism.default' = '4'; SET 'pipeline.name' = 'mine';
         CREATE TABLE two (k INT, v STRING) WITH ('connector' = 'fake', 'scan' = '2');
         CREATE TABLE three (k INT, v BIGINT) WITH ('connector' = 'fake', 'sink' = 'I,UB,UA,D', 'sink-parallelism' = '3');",
    );
    expect![[r#"
        mine ["fake"]
        0 source cat.db.two x2/128
        1 calc-1 x4/128 <- 0 Rebalance
        2 group-aggregate-1 x4/128 stateful <- 1 Hash { columns: [0] }
        3 sink cat.db.three x3/128 <- 2 Hash { columns: [0] }
    "#]]
    .assert_eq(&job(&world, "INSERT INTO three SELECT k, COUNT(*) FROM two WHERE v <> 'x' GROUP BY k"));
    // Updates without a key: what one subtask says stays together.
    for query in ["SELECT CAST(1 AS INT), COUNT(*) FROM two", "SELECT k + 1, COUNT(*) FROM two GROUP BY k"] {
        let graph = job(&world, &format!("INSERT INTO three {query}"));
        assert!(graph.lines().last().is_some_and(|sink| sink.contains("x3/128") && sink.contains("Pinned")), "{graph}");
    }
    world.and("SET 'pipeline.max-parallelism' = '2';");
    expect![[r#"
        option 'pipeline.max-parallelism' has the value 2
          It must be between the parallelism (4) and 32768."#]]
    .assert_eq(&job(&world, "INSERT INTO three SELECT k, COUNT(*) FROM two GROUP BY k"));
}

#[test]
fn equal_parts_of_a_statement_set_are_one() {
    let world = World::new();
    expect![[r#"
        insert-into_cat.db.app,cat.db.ret,cat.db.ret ["fake"]
        0 source cat.db.t x1/128
        1 calc-1 x1/128 <- 0 Forward
        2 sink cat.db.app x1/128 <- 1 Forward
        3 calc-1 x1/128 <- 0 Forward
        4 group-aggregate-1 x1/128 stateful <- 3 Hash { columns: [0] }
        5 sink cat.db.ret x1/128 <- 4 Forward
        6 sink cat.db.ret x1/128 <- 4 Forward
    "#]].assert_eq(&job(
        &world,
        "EXECUTE STATEMENT SET BEGIN INSERT INTO app SELECT a, b FROM t; INSERT INTO ret SELECT a, MAX(b) FROM t GROUP BY a; INSERT INTO ret SELECT a, MAX(b) FROM t GROUP BY a; END",
    ));
    // A table that is read twice is read once, with the columns of both.
    expect![[r#"
        insert-into_cat.db.app,cat.db.ret,cat.db.app ["fake"]
        0 source cat.db.pushed x1/128
        1 calc-1 x1/128 <- 0 Forward
        2 sink cat.db.app x1/128 <- 1 Forward
        3 calc-1 x1/128 <- 0 Forward
        4 group-aggregate-1 x1/128 stateful <- 3 Hash { columns: [0] }
        5 calc-1 x1/128 <- 4 Forward
        6 sink cat.db.ret x1/128 <- 5 Forward
        7 source cat.db.pushed x1/128
        8 calc-1 x1/128 <- 7 Forward
        9 sink cat.db.app x1/128 <- 8 Forward
    "#]].assert_eq(&job(
        &world,
        "EXECUTE STATEMENT SET BEGIN INSERT INTO app SELECT a, b FROM pushed; INSERT INTO ret SELECT CAST(MAX(c) AS INT), b FROM pushed GROUP BY b; INSERT INTO app SELECT a, 'x' FROM pushed WHERE a > 3; END",
    ));
    // Both sides of a union are one source, read twice only if nothing lies between.
    expect![[r#"
        collect ["$collect", "fake"]
        0 source cat.db.t x1/128
        1 source cat.db.t x1/128
        2 sink *anonymous_collect* x1/128 <- 0 Forward <- 1 Forward
    "#]]
    .assert_eq(&job(&world, "SELECT * FROM t UNION ALL SELECT * FROM t"));
}

#[test]
fn not_null_columns_are_enforced() {
    let mut world = World::new();
    world.and("CREATE TABLE need (a INT NOT NULL, b VARCHAR(3)) WITH ('connector' = 'fake');");
    expect![[r#"
        insert-into_cat.db.need ["fake"]
        0 source cat.db.clicks x1/128
        1 watermark-assigner-1 x1/128 <- 0 Forward
        2 calc-1 x1/128 <- 1 Forward
        3 constraint-enforcer-1 x1/128 <- 2 Forward
        4 sink cat.db.need x1/128 <- 3 Forward
    "#]]
    .assert_eq(&job(&world, "INSERT INTO need SELECT x, who FROM clicks"));
    world
        .and("SET 'table.exec.sink.type-length-enforcer' = 'ERROR'; SET 'table.exec.sink.not-null-enforcer' = 'drop';");
    let graph = world.job("INSERT INTO need SELECT x, who FROM clicks").unwrap().graph;
    let Role::Operator { spec, .. } = &graph.nodes[graph.nodes.len() - 2].role else { panic!("no enforcer") };
    expect![[r#""Drop" "Error""#]].assert_eq(&format!("{} {}", spec["not_null"], spec["type_length"]));
}

#[test]
fn a_graph_survives_its_bytes() {
    let world = World::new();
    let graph = world.job("SELECT who, COUNT(*) FROM clicks WHERE x > 1 GROUP BY who").unwrap().graph;
    assert_eq!(JobGraph::from_bytes(&graph.to_bytes().unwrap()).unwrap(), graph);
}

#[test]
fn settings_reach_the_specifications() {
    let mut world = World::new();
    world.and(
        "SET 'pipeline.auto-watermark-interval' = '0 ms'; SET 'table.exec.source.idle-timeout' = '5 s';
         SET 'table.exec.state.ttl' = '1 h'; SET 'table.local-time-zone' = 'Asia/Tokyo';",
    );
    let graph = world.job("SELECT t, COUNT(*) FROM ltz GROUP BY t").unwrap().graph;
    let spec = |kind: &str, key: &str| {
        let found = graph.nodes.iter().find_map(|n| match &n.role {
            Role::Operator { kind: k, spec } if k == kind => Some(spec[key].to_string()),
            _ => None,
        });
        found.unwrap_or_else(|| format!("no {kind}"))
    };
    assert_eq!(spec("watermark-assigner-1", "interval_ms"), "0");
    assert_eq!(spec("watermark-assigner-1", "idle_timeout_ms"), "5000");
    assert_eq!(spec("group-aggregate-1", "state_ttl_ms"), "3600000");
    assert_eq!(spec("calc-1", "session_zone"), "\"Asia/Tokyo\"");
    world.and("SET 'table.exec.legacy-cast-behaviour' = 'ENABLED';");
    expect!["the value 'ENABLED' of option 'table.exec.legacy-cast-behaviour' is not supported yet"]
        .assert_eq(&job(&world, "SELECT 1"));
}
