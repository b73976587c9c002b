//! Tests of the parser: what is printed for what was written, what is refused and how, scripts, limits.
//!
//! Every accepted statement is printed and parsed again, and must be the same tree.

use super::*;

mod limits;
mod queries;
mod refusals;
mod scripts;
mod statements;
mod types;
mod views;

/// The canonical text of a statement, which must mean the same.
fn canonical(sql: &str) -> String {
    let statement = parse_statement(sql).unwrap_or_else(|e| panic!("{sql}\n{:?}: {e}", e.location()));
    let printed = statement.to_string();
    let again = parse_statement(&printed).unwrap_or_else(|e| panic!("{sql}\n{printed}\n{:?}: {e}", e.location()));
    assert_eq!(again, statement, "{sql}\n{printed}");
    printed
}

/// Statements that are canonical already.
fn check_same(statements: &[&str]) {
    for sql in statements {
        assert_eq!(canonical(sql), *sql);
    }
}

/// Statements and their canonical text.
fn check(statements: &[(&str, &str)]) {
    for (sql, printed) in statements {
        assert_eq!(canonical(sql), *printed);
    }
}

/// `line:column: message (hint)` of a text that is refused.
fn refusal(sql: &str) -> String {
    match parse_statement(sql) {
        Ok(statement) => panic!("accepted: {sql}\n{statement}"),
        Err(error) => {
            let at = error.location().map(|l| l.to_string()).unwrap_or_default();
            let hint = error.hint().map(|h| format!(" ({h})")).unwrap_or_default();
            format!("{at}: {}{hint}", error.message())
        }
    }
}

/// The refusals of several texts, for one expectation.
fn refusals(statements: &[&str]) -> String {
    statements.iter().map(|sql| format!("{sql}\n    {}\n", refusal(sql))).collect()
}
