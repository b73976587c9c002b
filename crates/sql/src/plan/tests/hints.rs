//! Hints behind SELECT beside what real Flink 2.3 did with them (crates/e2e/oracle/hints).

use expect_test::expect;
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

/// The statements of a script of which we say something else than Flink, by number.
fn different([sql, recorded]: [&str; 2]) -> Vec<(usize, String)> {
    let answers = answers(recorded);
    let sql = sql.replace("default_catalog", "cat").replace("default_database", "db");
    let (mut tables, mut found, mut compared) = (String::new(), Vec::new(), 0);
    for (index, parsed) in parse_script(&sql).enumerate() {
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
    let text = |(number, how): (usize, String)| format!("{number}: {how}\n");
    expect![[r#""#]].assert_eq(&different(STATE_TTL).into_iter().map(text).collect::<String>());
}

#[test]
fn join_hints_are_checked_as_by_flink() {
    let text = |(number, how): (usize, String)| format!("{number}: {how}\n");
    expect![[r#""#]].assert_eq(&different(JOIN_HINTS).into_iter().map(text).collect::<String>());
}

#[test]
fn what_is_wrong_with_a_hint_is_told() {
    let world = World::new();
    let refusals = [
        "SELECT /*+ STATE_TTL('x' = '1d') */ a, COUNT(*) FROM t GROUP BY a",
        "SELECT /*+ STATE_TTL('t' = 'soon') */ a, COUNT(*) FROM t GROUP BY a",
        "SELECT /*+ STATE_TTL(t) */ a, COUNT(*) FROM t GROUP BY a",
        "SELECT /*+ BROADCAST */ t.a FROM t JOIN app ON t.a = app.a",
        "SELECT /*+ BROADCAST(t, x) */ t.a FROM t JOIN app ON t.a = app.a",
        "SELECT /*+ LOOKUP('async' = 'true') */ t.a FROM t JOIN app ON t.a = app.a",
        "SELECT /*+ MULTI_JOIN(t, app) */ t.a FROM t JOIN app ON t.a = app.a",
        "SELECT /*+ OPTIONS('a' = 'b') */ a FROM t",
        "SELECT /*+ FAST */ a FROM t",
        "SELECT (SELECT /*+ STATE_TTL('app' = '1d') */ MAX(app.a) FROM app WHERE app.a = t.a) FROM t",
    ];
    let told: Vec<String> = refusals.iter().map(|sql| format!("{sql}\n  {}", world.refusal(sql))).collect();
    expect![[r#""#]].assert_eq(&told.join("\n"));
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
