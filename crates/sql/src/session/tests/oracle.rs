//! What real Flink 2.3 answered to the same scripts (crates/e2e/oracle/plan).

use flott_api::{LogicalType, TypeKind};

use super::{Outcome, TextTable, session, shown};
use crate::parser::{is_incomplete, parse_script};

const DDL: (&str, &str) =
    (include_str!("../../../../e2e/oracle/plan/ddl.sql"), include_str!("../../../../e2e/oracle/plan/ddl.out"));
const MISTAKES: (&str, &str) = (
    include_str!("../../../../e2e/oracle/plan/mistakes.sql"),
    include_str!("../../../../e2e/oracle/plan/mistakes.out"),
);

const MODELS: (&str, &str) =
    (include_str!("../../../../e2e/oracle/model/ddl.sql"), include_str!("../../../../e2e/oracle/model/ddl.out"));

/// What Flink answered to each statement, in order.
fn answers(recorded: &str) -> Vec<String> {
    let mut answers: Vec<String> = Vec::new();
    for line in recorded.lines() {
        let number = line.strip_prefix("== ").and_then(|rest| rest.split(' ').next());
        if number.is_some_and(|number| number.parse::<usize>().is_ok()) {
            answers.push(String::new());
        } else if let Some(answer) = answers.last_mut() {
            answer.push_str(line);
            answer.push('\n');
        }
    }
    answers
}

/// The statements of a script as texts, also those that do not parse.
fn statements(script: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut text = String::new();
    for line in script.lines() {
        text.push_str(line);
        text.push('\n');
        if line.trim_end().ends_with(';') && !is_incomplete(&text) || line.contains("SELECT `a FROM") {
            statements.push(std::mem::take(&mut text));
        }
    }
    statements
}

/// An answer in the recording's form. Errors are only errors: their words are ours.
fn recorded(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { .. } => "OK".to_owned(),
        Outcome::Job(_) => "job".to_owned(),
        Outcome::Text(text) => text.clone(),
        Outcome::Table(table) => rows(table),
        other => format!("{other:?}"),
    }
}

fn rows(table: &TextTable) -> String {
    let boolean = LogicalType::new(TypeKind::Boolean);
    let column = |f: &flott_api::Field| format!("{} {}", f.name, if f.ty == boolean { "BOOLEAN" } else { "STRING" });
    let header = table.schema.fields.iter().map(column).collect::<Vec<_>>().join(", ");
    let mut text = format!("schema: {header}\n");
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|c| c.clone().unwrap_or_else(|| "<NULL>".to_owned())).collect();
        text.push_str(&format!("+I[{}]\n", cells.join(", ")));
    }
    text
}

/// The same for what Flink recorded.
fn expected(answer: &str) -> String {
    let is_rows = |answer: &str| answer.starts_with("schema: ") && answer.contains(" name STRING");
    match answer {
        answer if answer.starts_with("error") => "error".to_owned(),
        answer if answer.starts_with("ok") => "job".to_owned(),
        answer if answer.starts_with("schema: ") && !is_rows(answer) && !answer.contains("jars") => "job".to_owned(),
        answer => answer.to_owned(),
    }
}

/// Runs a script beside its recording; `different` says which answers differ, and why.
fn compare((script, out): (&str, &str), different: &[(usize, &str)]) {
    let (statements, answers) = (statements(script), answers(out));
    assert_eq!(statements.len(), answers.len(), "the statements of the script and its answers");
    let mut session = session();
    let mut wrong = String::new();
    for (index, (statement, answer)) in statements.iter().zip(&answers).enumerate() {
        let parsed = parse_script(statement).next().unwrap();
        let result = parsed.and_then(|parsed| session.execute(&parsed.statement));
        let why = result.as_ref().err().map(shown).unwrap_or_default();
        let ours = result.as_ref().map_or_else(|_| "error".to_owned(), recorded);
        let theirs = expected(answer);
        let reason = different.iter().find(|(number, _)| *number == index + 1).map(|(_, reason)| reason);
        if (ours.trim() == theirs.trim()) == reason.is_some() {
            wrong.push_str(&format!("{} {statement}ours: {ours}\n{why}\ntheirs: {theirs}{reason:?}\n\n", index + 1));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where we answer otherwise, and why.
const DDL_DIFFERENT: [(usize, &str); 2] = [
    (28, "Flink parses DESCRIBE DATABASE and cannot answer it"),
    (29, "Flink parses DESCRIBE DATABASE EXTENDED and cannot answer it"),
];

const MISTAKES_DIFFERENT: [(usize, &str); 5] = [
    (37, "a null for a NOT NULL column is found when the job runs"),
    (42, "a precision that does not exist is refused when it is declared"),
    (43, "a precision that does not exist is refused when it is declared"),
    (67, "a time zone is checked when it is set"),
    (68, "the wrong time zone was not set"),
];

const MODELS_DIFFERENT: [(usize, &str); 0] = [];

#[test]
fn models() {
    compare(MODELS, &MODELS_DIFFERENT);
}

#[test]
fn ddl() {
    compare(DDL, &DDL_DIFFERENT);
}

#[test]
fn mistakes() {
    compare(MISTAKES, &MISTAKES_DIFFERENT);
}
