//! The grammar of Flink's statements. Queries and expressions go to sqlparser, and come back settled and checked.

use sqlparser::ast::{Expr, Query};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::ast::{ClientCommand, Statement};
use super::cursor::{are_kws, is_kw, is_token, kw, word_at};
use super::error::{PResult, expected, fail, location_of};
use super::{check, encode};

mod alter;
mod create;
mod dml;
mod materialized;
mod object;
mod show;
mod table;
mod utility;

/// Parses one statement, without its semicolon.
pub(super) fn statement(p: &mut Parser<'_>) -> PResult<Statement> {
    if begins_query(p) {
        return query(p).map(Statement::Query);
    }
    let Some(word) = word_at(p, 0) else { return Err(unknown(p)) };
    match word.to_ascii_uppercase().as_str() {
        "INSERT" | "UPSERT" => dml::insert(p).map(|i| Statement::Insert(Box::new(i))),
        "EXECUTE" => dml::execute(p),
        "BEGIN" => dml::begin(p),
        "END" => {
            p.advance_token();
            Ok(Statement::EndStatementSet)
        }
        "DELETE" => dml::delete(p),
        "UPDATE" => dml::update(p),
        "TRUNCATE" => dml::truncate(p),
        "MERGE" => dml::merge(p),
        "CALL" => dml::call(p),
        "COMPILE" => dml::compile(p),
        "CREATE" => create::create(p),
        "REPLACE" => table::replace(p),
        "DROP" => create::drop(p),
        "ALTER" => alter::alter(p),
        "SHOW" => show::show(p).map(Statement::Show),
        _ => utility(p),
    }
}

/// The statements that only look at things or set the session.
fn utility(p: &mut Parser<'_>) -> PResult<Statement> {
    match word_at(p, 0).unwrap_or_default().to_ascii_uppercase().as_str() {
        "EXPLAIN" => utility::explain(p),
        "DESCRIBE" | "DESC" => utility::describe(p),
        "USE" => utility::use_(p),
        "LOAD" => utility::load(p),
        "UNLOAD" => utility::unload(p),
        "SET" => utility::set(p),
        "RESET" => utility::reset(p),
        "ADD" | "REMOVE" => utility::jar(p),
        "ANALYZE" => utility::analyze(p),
        "STOP" => utility::stop(p),
        _ => client(p),
    }
}

/// The shell's own commands.
fn client(p: &mut Parser<'_>) -> PResult<Statement> {
    let alone = matches!(p.peek_nth_token_ref(1).token, Token::EOF | Token::SemiColon);
    let command = match word_at(p, 0).unwrap_or_default().to_ascii_uppercase().as_str() {
        "HELP" if alone => ClientCommand::Help,
        "CLEAR" if alone => ClientCommand::Clear,
        "QUIT" | "EXIT" if alone => ClientCommand::Quit,
        _ => return Err(unknown(p)),
    };
    p.advance_token();
    Ok(Statement::Client(command))
}

/// The first words of all statements.
const FIRST_WORDS: &[&str] = &[
    "SELECT", "WITH", "VALUES", "INSERT", "UPSERT", "EXECUTE", "BEGIN", "DELETE", "UPDATE", "TRUNCATE", "CALL",
    "COMPILE", "CREATE", "REPLACE", "DROP", "ALTER", "SHOW", "EXPLAIN", "DESCRIBE", "USE", "LOAD", "UNLOAD", "SET",
    "RESET", "ADD", "REMOVE", "ANALYZE", "STOP", "HELP", "CLEAR", "QUIT", "EXIT",
];

fn unknown(p: &Parser<'_>) -> sqlparser::parser::ParserError {
    let word = word_at(p, 0).unwrap_or_default();
    match flott_api::error::nearest(word, FIRST_WORDS.iter().copied()) {
        Some(near) if !word.is_empty() && !near.eq_ignore_ascii_case(word) => {
            let message = format!("expected a statement, found '{word}'");
            fail(message, location_of(p.peek_token_ref()), format!("Did you mean {near}?"))
        }
        _ => expected(p, "a statement"),
    }
}

/// Whether a query begins here.
fn begins_query(p: &Parser<'_>) -> bool {
    let words = ["SELECT", "WITH", "VALUES"].iter().any(|w| is_kw(p, 0, w));
    words || (is_kw(p, 0, "TABLE") && word_at(p, 1).is_some()) || is_token(p, 0, &Token::LParen)
}

/// A query.
pub(super) fn query(p: &mut Parser<'_>) -> PResult<Box<Query>> {
    if !begins_query(p) {
        return Err(expected(p, "a query"));
    }
    let mut query = p.parse_query()?;
    encode::settle(&mut *query)?;
    check::check(&*query)?;
    Ok(query)
}

/// An expression.
pub(super) fn expression(p: &mut Parser<'_>) -> PResult<Expr> {
    let mut expr = p.parse_expr()?;
    encode::settle(&mut expr)?;
    check::check(&expr)?;
    Ok(expr)
}

/// `INTERVAL ..`, and nothing more.
fn interval(p: &mut Parser<'_>) -> PResult<Expr> {
    prefix_of(p, "INTERVAL", "an interval, as in INTERVAL '1' HOUR")
}

/// `TIMESTAMP '..'`, and nothing more.
fn timestamp(p: &mut Parser<'_>) -> PResult<Expr> {
    prefix_of(p, "TIMESTAMP", "a timestamp, as in TIMESTAMP '2024-01-01 00:00:00'")
}

fn prefix_of(p: &mut Parser<'_>, word: &str, what: &str) -> PResult<Expr> {
    if !is_kw(p, 0, word) {
        return Err(expected(p, what));
    }
    let expr = p.parse_prefix()?;
    check::check(&expr)?;
    Ok(expr)
}

/// A literal: the value of a partition.
fn literal(p: &mut Parser<'_>) -> PResult<Expr> {
    let expr = p.parse_prefix()?;
    let sign = |e: &Expr| matches!(e, Expr::UnaryOp { expr, .. } if matches!(**expr, Expr::Value(_)));
    if !matches!(expr, Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_)) && !sign(&expr) {
        return Err(expected(p, "a literal before this"));
    }
    check::check(&expr)?;
    Ok(expr)
}

/// `TEMPORARY [SYSTEM]`, if it follows.
fn scope(p: &mut Parser<'_>) -> super::ast::Scope {
    use super::ast::Scope;
    if !kw(p, "TEMPORARY") {
        Scope::Permanent
    } else if kw(p, "SYSTEM") {
        Scope::TemporarySystem
    } else {
        Scope::Temporary
    }
}

/// Whether one of these kinds of object is named next.
fn names_kind(p: &Parser<'_>, kind: &[&str]) -> bool {
    are_kws(p, kind)
}
