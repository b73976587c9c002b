//! Lookup joins: their nodes as Flink shows them, and what is refused.

use std::path::Path;

use super::*;

/// Plans of Flink, with its statements.
fn recorded() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/oracle/lookup");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let script: String = read("plans.sql").lines().filter(|l| !l.starts_with("--")).map(|l| format!("{l}\n")).collect();
    let statements = script.split(";\n").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
    let answers = read("plans.out");
    let answer = |number: usize| {
        let begin = answers.find(&format!("== {number} ")).unwrap();
        let rest = &answers[begin..];
        rest[..rest.find(&format!("\n== {} ", number + 1)).unwrap_or(rest.len())].to_owned()
    };
    statements.enumerate().map(|(i, statement)| (statement, answer(i + 1))).collect()
}

/// The lines of lookup joins in the physical plan of an answer.
fn nodes(answer: &str) -> Vec<String> {
    let plan = answer.split("== Optimized Physical Plan ==").nth(1).unwrap_or_default();
    let plan = plan.split("== Optimized Execution Plan ==").next().unwrap_or_default();
    let lines = plan.lines().filter_map(|line| line.find("LookupJoin(").map(|at| line[at..].to_owned()));
    // The type of a constant text is not shown here.
    let plain = |line: String| line.replace(":VARCHAR(2147483647) CHARACTER SET \"UTF-16LE\"", "");
    lines.map(|line| plain(line.replace("default_catalog.default_database", "cat.db"))).collect()
}

/// The tables of the recording, those of files behind a connector of these tests.
fn world(statements: &[(String, String)]) -> World {
    let mut world = World::new();
    for (statement, _) in statements.iter().filter(|(s, _)| s.starts_with("CREATE TABLE")) {
        let source = if statement.contains("debezium-json") { "I,UB,UA,D" } else { "I" };
        let fake = format!("'connector' = 'fake', 'push' = 'projection', 'source' = '{source}', 'sink' = 'I,UB,UA,D'");
        let statement = ["filesystem", "datagen", "print"]
            .iter()
            .fold(statement.clone(), |text, connector| text.replace(&format!("'connector' = '{connector}'"), &fake));
        world.and(&format!("{statement};"));
    }
    world
}

/// What differs: a part of the statement, and why.
const DIFFERENT: [(&str, &str); 5] = [
    ("r0.big < r.rate", "what is compared with a wider number is shown with its cast"),
    ("ON p.amount = s.big", "a key that is cast is called as any that is computed"),
    ("FROM changing c JOIN rates", "an old row whose new one has no partner is taken back"),
    ("LOOKUP('table'='r', 'speed'='10')", "an option that the hint has not is refused"),
    ("IS NOT DISTINCT FROM", "nulls that are equal are no key"),
];

#[test]
fn nodes_are_shown_as_flink_shows_them() {
    let statements = recorded();
    let world = world(&statements);
    let mut compared = 0;
    for (statement, answer) in statements.iter().filter(|(s, _)| s.starts_with("EXPLAIN")) {
        let (details, sql) = match statement.strip_prefix("EXPLAIN CHANGELOG_MODE ") {
            Some(sql) => (vec![ast::ExplainDetail::ChangelogMode], sql),
            None => (Vec::new(), &statement["EXPLAIN ".len()..]),
        };
        let wanted = nodes(answer);
        let known = DIFFERENT.iter().any(|(part, _)| sql.contains(part));
        if sql.contains("VIEW") || wanted.is_empty() || known {
            continue;
        }
        let parsed = parse_statement(sql).unwrap();
        let shown = crate::plan::explain(&world, &parsed, &details);
        let shown = shown.unwrap_or_else(|error| panic!("{sql}: {}", super::shown(&error)));
        assert_eq!(nodes(&shown), wanted, "{sql}\n{shown}");
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn what_flink_refuses_is_refused() {
    let statements = recorded();
    let world = world(&statements);
    let mut refused = 0;
    for (statement, answer) in statements.iter().filter(|(s, a)| s.starts_with("EXPLAIN") && a.contains("\nerror: ")) {
        let sql = statement.trim_start_matches("EXPLAIN ").trim_start_matches("CHANGELOG_MODE ");
        // Views are made of nothing here.
        if sql.contains("better") || sql.contains("grouped") {
            continue;
        }
        let planned = parse_statement(sql).and_then(|parsed| crate::plan::explain(&world, &parsed, &[]));
        assert!(planned.is_err(), "{sql} is refused by Flink: {answer}");
        refused += 1;
    }
    assert!(refused > 15, "{refused}");
}
