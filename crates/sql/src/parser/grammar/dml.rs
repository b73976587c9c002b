//! Statements that write.

use sqlparser::ast::{Expr, FunctionArg, Ident};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{begins_query, expression, literal, query};
use crate::parser::ast::view::Hint;
use crate::parser::ast::{
    Call, CompilePlan, ConflictAction, Delete, Insert, InsertKind, Partition, PlanSource, Statement, Update,
};
use crate::parser::cursor::{
    alternatives, commas, expect, expect_kw, expect_kws, ident, idents, if_not_exists, is_kw, is_token, kw, kws, list,
    name, one_of, text, word_at,
};
use crate::parser::encode::HINTS;
use crate::parser::error::{PResult, expected, fail, location_of};
use crate::parser::lexer::is_keyword;
use crate::parser::{check, encode};

/// `INSERT ..` or `UPSERT ..`.
pub(super) fn insert(p: &mut Parser<'_>) -> PResult<Insert> {
    let kind = if kw(p, "UPSERT") {
        expect_kw(p, "INTO")?;
        InsertKind::Upsert
    } else if kw(p, "INSERT") {
        [InsertKind::Into, InsertKind::Overwrite][one_of(p, &["INTO", "OVERWRITE"])?]
    } else {
        return Err(expected(p, &alternatives(&["INSERT", "UPSERT"])));
    };
    let table = sink_name(p)?;
    let hints = hints(p)?;
    let partition = if is_kw(p, 0, "PARTITION") { Some(partition(p)?) } else { None };
    let columns = if is_token(p, 0, &Token::LParen) && !is_query_in_parens(p) { list(p, idents)? } else { Vec::new() };
    let source = query(p)?;
    let on_conflict = on_conflict(p)?;
    Ok(Insert { kind, table, hints, partition, columns, source, on_conflict })
}

/// The sink's name, which ends before the marker of its hints.
fn sink_name(p: &mut Parser<'_>) -> PResult<sqlparser::ast::ObjectName> {
    let mut parts = vec![ident(p)?];
    while is_token(p, 0, &Token::Period) && word_at(p, 1) != Some(HINTS) {
        p.advance_token();
        parts.push(ident(p)?);
    }
    Ok(sqlparser::ast::ObjectName::from(parts))
}

/// `/*+ .. */`, if it follows.
fn hints(p: &mut Parser<'_>) -> PResult<Vec<Hint>> {
    if word_at(p, 1) != Some(HINTS) {
        return Ok(Vec::new());
    }
    p.advance_token();
    p.advance_token();
    let hint = |p: &mut Parser<'_>| {
        let at = location_of(p.peek_token_ref());
        let expr = p.parse_expr()?;
        Hint::of(&expr).map_err(|e| fail(e.message(), at, e.hint().unwrap_or_default()))
    };
    list(p, hint)
}

/// Whether the parentheses ahead hold a query, and not a list of columns.
fn is_query_in_parens(p: &Parser<'_>) -> bool {
    let mut n = 1;
    while is_token(p, n, &Token::LParen) {
        n += 1;
    }
    [Keyword::SELECT, Keyword::WITH, Keyword::VALUES, Keyword::TABLE]
        .iter()
        .any(|k| is_keyword(&p.peek_nth_token_ref(n).token, *k))
}

/// `PARTITION (k = v, ..)`.
pub(super) fn partition(p: &mut Parser<'_>) -> PResult<Partition> {
    expect_kw(p, "PARTITION")?;
    let value = |p: &mut Parser<'_>| {
        let column = ident(p)?;
        expect(p, &Token::Eq)?;
        Ok((column, literal(p)?))
    };
    list(p, value).map(Partition)
}

/// `ON CONFLICT DO ..`, if it follows.
fn on_conflict(p: &mut Parser<'_>) -> PResult<Option<ConflictAction>> {
    if !kw(p, "ON") {
        return Ok(None);
    }
    expect_kws(p, &["CONFLICT", "DO"])?;
    let actions = [ConflictAction::Nothing, ConflictAction::Error, ConflictAction::Deduplicate];
    Ok(Some(actions[one_of(p, &["NOTHING", "ERROR", "DEDUPLICATE"])?]))
}

/// `EXECUTE ..`.
pub(super) fn execute(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "EXECUTE")?;
    if kw(p, "PLAN") {
        return text(p).map(Statement::ExecutePlan);
    }
    if is_kw(p, 0, "STATEMENT") {
        return statement_set(p).map(Statement::StatementSet);
    }
    query_or_insert(p)
}

/// A query or an `INSERT`.
pub(super) fn query_or_insert(p: &mut Parser<'_>) -> PResult<Statement> {
    if begins_query(p) {
        return query(p).map(Statement::Query);
    }
    if is_kw(p, 0, "INSERT") || is_kw(p, 0, "UPSERT") {
        return insert(p).map(|i| Statement::Insert(Box::new(i)));
    }
    Err(expected(p, "a query, INSERT or STATEMENT SET"))
}

/// `STATEMENT SET BEGIN ins; .. END`.
pub(super) fn statement_set(p: &mut Parser<'_>) -> PResult<Vec<Insert>> {
    expect_kws(p, &["STATEMENT", "SET", "BEGIN"])?;
    inserts(p)
}

/// `ins; .. END`, at least one.
fn inserts(p: &mut Parser<'_>) -> PResult<Vec<Insert>> {
    let mut inserts = Vec::new();
    while inserts.is_empty() || !kw(p, "END") {
        if !is_kw(p, 0, "INSERT") && !is_kw(p, 0, "UPSERT") {
            let more: &[&str] = if inserts.is_empty() { &["INSERT"] } else { &["INSERT", "END"] };
            return Err(expected(p, &alternatives(more)));
        }
        inserts.push(insert(p)?);
        expect(p, &Token::SemiColon)?;
    }
    Ok(inserts)
}

/// `BEGIN STATEMENT SET`: with inserts and `END` behind it the whole set, alone the gateway's form.
pub(super) fn begin(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kws(p, &["BEGIN", "STATEMENT", "SET"])?;
    let semicolon = is_token(p, 0, &Token::SemiColon);
    let next = &p.peek_nth_token_ref(usize::from(semicolon)).token;
    if *next == Token::EOF {
        return Ok(Statement::BeginStatementSet);
    }
    expect(p, &Token::SemiColon)?;
    inserts(p).map(Statement::StatementSet)
}

/// `[AS] alias`, if it follows.
fn alias(p: &mut Parser<'_>, stop: &str) -> PResult<Option<Ident>> {
    let explicit = kw(p, "AS");
    let follows = matches!(p.peek_token_ref().token, Token::Word(_)) && !is_kw(p, 0, stop);
    if explicit || follows { ident(p).map(Some) } else { Ok(None) }
}

/// `WHERE ..`, if it follows.
fn condition(p: &mut Parser<'_>) -> PResult<Option<Expr>> {
    if kw(p, "WHERE") { expression(p).map(Some) } else { Ok(None) }
}

/// `DELETE FROM ..`.
pub(super) fn delete(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kws(p, &["DELETE", "FROM"])?;
    let table = name(p)?;
    let alias = alias(p, "WHERE")?;
    let condition = condition(p)?;
    Ok(Statement::Delete(Box::new(Delete { table, alias, condition })))
}

/// `UPDATE ..`.
pub(super) fn update(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "UPDATE")?;
    let table = name(p)?;
    let alias = alias(p, "SET")?;
    expect_kw(p, "SET")?;
    let assignments = commas(p, |p| {
        let column = ident(p)?;
        expect(p, &Token::Eq)?;
        Ok((column, expression(p)?))
    })?;
    let condition = condition(p)?;
    Ok(Statement::Update(Box::new(Update { table, alias, assignments, condition })))
}

/// `TRUNCATE TABLE t`.
pub(super) fn truncate(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kws(p, &["TRUNCATE", "TABLE"])?;
    name(p).map(Statement::Truncate)
}

/// `MERGE INTO ..`.
pub(super) fn merge(p: &mut Parser<'_>) -> PResult<Statement> {
    let token = p.next_token();
    let mut merge = p.parse_merge(token)?;
    encode::settle(&mut merge)?;
    check::check(&merge)?;
    Ok(Statement::Merge(Box::new(merge)))
}

/// `CALL proc(..)`.
pub(super) fn call(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "CALL")?;
    let procedure = name(p)?;
    expect(p, &Token::LParen)?;
    let mut args: Vec<FunctionArg> = p.parse_optional_args()?;
    encode::settle(&mut args)?;
    check::check_arguments(&args)?;
    Ok(Statement::Call(Call { procedure, args }))
}

/// `COMPILE ..`.
pub(super) fn compile(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "COMPILE")?;
    let execute = kws(p, &["AND", "EXECUTE"]);
    expect_kw(p, "PLAN")?;
    let file = text(p)?;
    let if_not_exists = !execute && if_not_exists(p);
    expect_kw(p, "FOR")?;
    let source = match is_kw(p, 0, "STATEMENT") {
        true => PlanSource::StatementSet(statement_set(p)?),
        false => PlanSource::Insert(Box::new(insert(p)?)),
    };
    Ok(Statement::CompilePlan(Box::new(CompilePlan { execute, file, if_not_exists, source })))
}
