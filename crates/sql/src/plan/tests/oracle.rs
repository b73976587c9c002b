//! EXPLAIN beside what real Flink 2.3 printed (crates/e2e/oracle/plan/explain.*).

use crate::parser::ast::Statement;
use crate::parser::parse_script;

use super::World;

/// A script of `agg/` and its recording.
macro_rules! script {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../../e2e/oracle/agg/", $name, ".sql")),
            include_str!(concat!("../../../../e2e/oracle/agg/", $name, ".out")),
        )
    };
}

const STATEMENTS: &str = include_str!("../../../../e2e/oracle/plan/explain.sql");
const RECORDED: &str = include_str!("../../../../e2e/oracle/plan/explain.out");

/// What Flink answered to each statement, in order.
pub(super) fn answers(recorded: &str) -> Vec<String> {
    let mut answers: Vec<String> = Vec::new();
    for line in recorded.lines() {
        let rest = line.strip_prefix("== ").unwrap_or_default();
        if rest.split(' ').next().is_some_and(|number| number.parse::<usize>().is_ok()) {
            answers.push(String::new());
        } else if let Some(answer) = answers.last_mut() {
            answer.push_str(line);
            answer.push('\n');
        }
    }
    answers
}

/// The tables of the script, with connectors that claim what Flink's do.
pub(super) fn world(script: &str) -> World {
    let faked = script
        .replace("'connector' = 'filesystem'", "'connector' = 'fake', 'push' = 'projection,filter'")
        .replace("'connector' = 'datagen'", "'connector' = 'fake'")
        .replace("'connector' = 'print'", "'connector' = 'fake', 'sink' = 'I,UB,UA,D'")
        .replace("'connector' = 'blackhole'", "'connector' = 'fake', 'sink' = 'I,UA,D'");
    World::of(&faked)
}

/// Statements whose plan is another one here, and why.
const DIFFERENT: [(usize, &str); 4] = [
    (16, "LIMIT is not pushed into sources, projections are"),
    (24, "bounds of windows that nobody reads are not made"),
    (25, "there are no costs"),
    (28, "two inserts into one table stay two sinks"),
];

#[test]
fn explain_prints_what_flink_prints() {
    let mut tables = String::new();
    let answers = answers(RECORDED);
    let mut compared = 0;
    for (index, parsed) in parse_script(STATEMENTS).enumerate() {
        let statement = parsed.unwrap().statement;
        let Statement::Explain(explain) = &statement else {
            tables.push_str(&format!("{statement};\n"));
            continue;
        };
        let wanted = answers[index].replace("default_catalog", "cat").replace("default_database", "db");
        if wanted.starts_with("error") {
            continue;
        }
        let ours = world(&tables).explain_statement(&explain.statement, &explain.details);
        let ours = ours.unwrap_or_else(|e| super::shown(&e));
        match DIFFERENT.iter().find(|(number, _)| *number == index + 1) {
            Some((number, why)) => assert_ne!(ours.trim(), wanted.trim(), "{number} is no longer different: {why}"),
            None => assert_eq!(ours.trim(), wanted.trim(), "{statement}"),
        }
        compared += 1;
    }
    assert_eq!(compared, 24, "statements were lost");
}

/// Explained plans that Flink warns of, or may: functions that change, over updates. They are refused.
const WARNED: [usize; 7] = [14, 17, 18, 19, 20, 21, 37];

/// The physical plan, and what is advised below it.
fn advised(explained: &str) -> &str {
    let from = explained.find("== Optimized Physical Plan With Advice ==").unwrap_or_default();
    let rest = &explained[from..];
    rest.find("== Optimized Execution Plan ==").map_or(rest, |end| &rest[..end])
}

#[test]
fn advice_is_what_flink_advises() {
    let script = include_str!("../../../../e2e/oracle/plan/advice.sql");
    let script = &script.replace("'format' = 'debezium-json'", "'source' = 'I,UB,UA,D'");
    let answers = answers(include_str!("../../../../e2e/oracle/plan/advice.out"));
    let (mut before, mut compared) = (String::new(), 0);
    for (index, parsed) in parse_script(script).enumerate() {
        let statement = parsed.unwrap().statement;
        let Statement::Explain(explain) = &statement else {
            before.push_str(&format!("{statement};\n"));
            continue;
        };
        let ours = world(&before).explain_statement(&explain.statement, &explain.details);
        if WARNED.contains(&(index + 1)) {
            assert!(super::shown(&ours.unwrap_err()).contains("PLAN_ADVICE"), "{statement}");
            continue;
        }
        let wanted = answers[index].replace("default_catalog", "cat").replace("default_database", "db");
        // A key of an input counts as one behind its exchange there.
        if !wanted.starts_with("error") && index + 1 != 13 {
            let ours = ours.unwrap_or_else(|e| super::shown(&e));
            assert_eq!(advised(&ours).trim(), advised(&wanted).trim(), "{}: {statement}", index + 1);
            compared += 1;
        }
    }
    assert_eq!(compared, 15, "statements were lost");
}

/// Scripts of queries with the columns that Flink gave them.
const SCRIPTS: [(&str, &str, &str); 12] = [
    script!("basic"),
    script!("global"),
    script!("having_filter_distinct"),
    script!("nested"),
    script!("others"),
    script!("overflow"),
    script!("query"),
    script!("statement_sets"),
    script!("time_attributes"),
    script!("types"),
    script!("watermarks"),
    script!("windows"),
];

/// Queries that Flink runs and we refuse, or whose columns differ: script, number, why.
const OTHER_COLUMNS: [(&str, usize, &str); 1] =
    [("watermarks", 20, "the greatest rowtime is shown as an ordinary timestamp, which it is")];

#[test]
fn queries_have_flinks_columns() {
    let compared: usize =
        SCRIPTS.iter().map(|(name, statements, recorded)| compare(name, statements, &answers(recorded))).sum();
    assert!(compared > 100, "only {compared} queries were compared");
}

/// Binds the queries of a script beside Flink's answers; gives their number.
fn compare(name: &str, statements: &str, answers: &[String]) -> usize {
    let (mut tables, mut compared) = (String::new(), 0);
    let mut parser = parse_script(statements);
    for (index, answer) in answers.iter().enumerate() {
        // The scripts end with what the parser refuses.
        let Some(Ok(parsed)) = parser.next() else { return compared };
        let text = &statements[parsed.text_range.clone()];
        match parsed.statement {
            Statement::CreateTable(_) | Statement::CreateView(_) if answer.starts_with("OK") => {
                tables.push_str(&format!("{text};\n"));
            }
            Statement::Query(_) => {
                check_columns((name, index + 1), text, &world(&tables), answer);
                compared += 1;
            }
            _ => {}
        }
    }
    compared
}

fn check_columns(of: (&str, usize), text: &str, world: &World, answer: &str) {
    let known = OTHER_COLUMNS.iter().any(|(script, number, _)| (*script, *number) == of);
    let ours = world.bound(text);
    match answer.lines().next().and_then(|line| line.strip_prefix("schema: ")) {
        Some(theirs) if known => assert_ne!(ours.ok().as_deref(), Some(theirs), "{of:?} is no longer different"),
        Some(theirs) => assert_eq!(ours.unwrap_or_else(|e| super::shown(&e)), theirs, "{of:?}: {text}"),
        // What Flink refuses while it runs is a query with columns all the same.
        None => assert!(ours.is_err() || world.job(text).is_err(), "Flink refuses {of:?}: {text}"),
    }
}
