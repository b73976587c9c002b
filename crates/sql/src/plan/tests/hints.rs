//! Hints behind SELECT beside what real Flink 2.3 did with them (crates/e2e/oracle/hints).

use flott_graph::Role;

use super::oracle::{answers, world};
use super::{World, shown};
use crate::parser::ast::Statement;
use crate::parser::parse_script;

const STATE_TTL: [&str; 2] = [
    include_str!("../../../../e2e/oracle/hints/state_ttl.sql"),
    include_str!("../../../../e2e/oracle/hints/state_ttl.out"),
];
const JOIN_HINTS: [&str; 2] = [
    include_str!("../../../../e2e/oracle/hints/join_hints.sql"),
    include_str!("../../../../e2e/oracle/hints/join_hints.out"),
];

/// Each node of the physical plan that a hint says something of, and what.
fn hinted(explained: &str) -> Vec<String> {
    let plan = explained.split("== Optimized Physical Plan ==\n").nth(1).unwrap_or_default();
    let lines = plan.lines().take_while(|line| !line.starts_with("=="));
    let node = |line: &str| {
        let (line, hint) = line.split_once("stateTtlHints=")?;
        let name = line.trim_start_matches([':', '+', '-', ' ']).split('(').next()?;
        let hint = hint.split("]]]").next()?.replace("inheritPath:[0] ", "");
        Some(format!("{name} {hint}"))
    };
    lines.filter_map(node).collect()
}

/// Flink splits at any parallelism.
const SPLIT_AS_FLINK: &str = "SET 'table.optimizer.distinct-agg.split.min-parallelism' = '1';\n";

/// The statements of a script of which we say something else than Flink, by number.
fn different([sql, recorded]: [&str; 2]) -> Vec<(usize, String)> {
    let answers = answers(recorded);
    let sql = sql.replace("default_catalog", "cat").replace("default_database", "db");
    let (mut tables, mut found, mut compared) = (SPLIT_AS_FLINK.to_owned(), Vec::new(), 0);
    // One by one: a script ends where it does not parse.
    let statements =
        sql.split(";\n").filter(|text| text.lines().any(|line| !line.is_empty() && !line.starts_with("--")));
    for (index, text) in statements.enumerate() {
        let Some(parsed) = parse_script(text).next() else { continue };
        let explain = match parsed.map(|p| p.statement) {
            Ok(Statement::Explain(explain)) => explain,
            Ok(statement @ (Statement::CreateTable(_) | Statement::CreateView(_) | Statement::Set(_))) => {
                tables.push_str(&format!("{statement};\n"));
                continue;
            }
            Ok(_) => continue,
            Err(_) if answers[index].starts_with("error") => continue,
            Err(error) => panic!("{}", shown(&error)),
        };
        let flink = &answers[index];
        let ours = match world(&tables).explain_statement(&explain.statement, &explain.details) {
            Ok(_) if flink.starts_with("error") => Some("Flink refuses it".to_owned()),
            Err(error) if !flink.starts_with("error") => Some(shown(&error)),
            Ok(ours) if hinted(&ours) != hinted(flink) => Some(format!("{:?}, not {:?}", hinted(&ours), hinted(flink))),
            _ => None,
        };
        found.extend(ours.map(|ours| (index + 1, ours)));
        compared += 1;
    }
    assert!(compared > 20, "statements were lost");
    found
}

#[test]
fn plans_keep_state_as_long_as_flinks() {
    let found = different(STATE_TTL);
    let numbers: Vec<usize> = found.iter().map(|(number, _)| *number).collect();
    // They stand in the wrong place.
    assert_eq!(numbers, [53, 54], "{found:#?}");
}

#[test]
fn join_hints_are_checked_as_by_flink() {
    let found = different(JOIN_HINTS);
    let numbers: Vec<usize> = found.iter().map(|(number, _)| *number).collect();
    // In the wrong place; and a hint of Flink's own planner.
    assert_eq!(numbers, [27, 36], "{found:#?}");
}

#[test]
fn what_is_wrong_with_a_hint_is_told() {
    let world = World::new();
    let refusals = [
        (
            "/*+ STATE_TTL('x' = '1d') */ a, COUNT(*) FROM t GROUP BY a",
            "the hint STATE_TTL names 'x', which is no table",
        ),
        ("/*+ STATE_TTL('t' = 'soon') */ a, COUNT(*) FROM t GROUP BY a", "the hint STATE_TTL has the time 'soon'"),
        ("/*+ STATE_TTL(t) */ a, COUNT(*) FROM t GROUP BY a", "the hint STATE_TTL takes tables and times"),
        ("/*+ BROADCAST */ t.a FROM t JOIN app ON t.a = app.a", "the hint BROADCAST takes tables"),
        ("/*+ BROADCAST(t, x) */ t.a FROM t JOIN app ON t.a = app.a", "the hint BROADCAST names 'x'"),
        ("/*+ LOOKUP('async' = 'true') */ t.a FROM t JOIN app ON t.a = app.a", "the hint LOOKUP has no option 'table'"),
        ("/*+ MULTI_JOIN */ t.a FROM t JOIN app ON t.a = app.a", "the hint MULTI_JOIN takes tables"),
        ("/*+ MULTI_JOIN(t, x) */ t.a FROM t JOIN app ON t.a = app.a", "the hint MULTI_JOIN names 'x'"),
        ("/*+ OPTIONS('a' = 'b') */ a FROM t", "the hint OPTIONS stands behind SELECT"),
        ("/*+ FAST */ a FROM t", "there is no hint 'FAST'"),
        ("(SELECT /*+ STATE_TTL('app' = '1d') */ MAX(app.a) FROM app WHERE app.a = t.a) FROM t", "a hint in a query"),
    ];
    for (query, told) in refusals {
        let refusal = world.refusal(&format!("SELECT {query}"));
        assert!(refusal.starts_with("1:") && refusal.contains(told), "{query}: {refusal}");
    }
}

/// The first value of a key in the specifications of a job.
fn in_specs(world: &World, sql: &str, pointer: &[&str]) -> Vec<String> {
    let graph = world.job(sql).unwrap().graph;
    let value = |role: &Role| match role {
        Role::Operator { spec, .. } => {
            pointer.iter().try_fold(spec, |value, key| value.get(key)).map(ToString::to_string)
        }
        _ => None,
    };
    graph.nodes.iter().filter_map(|node| value(&node.role)).collect()
}

#[test]
fn operators_are_told_and_keep_their_names() {
    let mut world = World::new();
    world.and("SET 'table.exec.state.ttl' = '3 h';");
    let join = "SELECT /*+ STATE_TTL('t' = '1 min') */ t.a FROM t JOIN app ON t.a = app.a";
    assert_eq!(in_specs(&world, join, &["left", "state_ttl_ms"]), ["60000"]);
    assert_eq!(in_specs(&world, join, &["right", "state_ttl_ms"]), ["10800000"]);
    let groups = "SELECT /*+ STATE_TTL('t' = '0s') */ a, COUNT(*) FROM t GROUP BY a";
    assert_eq!(in_specs(&world, groups, &["state_ttl_ms"]), ["0"]);
    let plain = "SELECT a, COUNT(*) FROM t GROUP BY a";
    assert_eq!(in_specs(&world, plain, &["state_ttl_ms"]), ["10800000"]);
    let uids = |sql: &str| world.job(sql).unwrap().graph.nodes.iter().map(|n| n.uid.clone()).collect::<Vec<_>>();
    assert_eq!(uids(groups), uids(plain), "another time to live finds the state of before");
}

#[test]
fn every_aggregate_takes_a_time_to_live() {
    let mut world = World::new();
    world.and("SET 'table.exec.state.ttl' = '3 h';");
    for groups in [
        "SELECT b, COLLECT(a), PERCENTILE(a, 0.5), COUNT(DISTINCT a), LISTAGG(b) FROM t GROUP BY b",
        "SELECT MIN(n), MAX(n) FROM (SELECT b, COUNT(*) AS n FROM t GROUP BY b)",
    ] {
        let ttl = in_specs(&world, groups, &["state_ttl_ms"]);
        assert!(!ttl.is_empty() && ttl.iter().all(|ttl| ttl == "10800000"), "{groups}: {ttl:?}");
    }
}
