//! `EXPLAIN`, `DESCRIBE`, `USE`, modules, `SET`, jars, `ANALYZE`, `STOP JOB`.

use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{dml, literal};
use crate::parser::ast::{Analyze, AnalyzeColumns, AnalyzePartition, Describe, Explain, ExplainDetail, Statement, Use};
use crate::parser::cursor::{
    commas, expect_kw, expect_kws, ident, is_kw, kw, kws, list, name, one_of, option, text, with_options, word_at,
};
use crate::parser::error::{PResult, fail, location_of};

/// `EXPLAIN ..`.
pub(super) fn explain(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "EXPLAIN")?;
    let mut details = Vec::new();
    if !kws(p, &["PLAN", "FOR"]) && explain_detail(p).is_some() {
        details = commas(p, |p| {
            let detail = explain_detail(p);
            one_of(p, EXPLAIN_DETAILS).map(|_| detail)
        })?;
    }
    let statement = match is_kw(p, 0, "STATEMENT") {
        true => Statement::StatementSet(dml::statement_set(p)?),
        false => dml::query_or_insert(p)?,
    };
    let details = details.into_iter().flatten().collect();
    Ok(Statement::Explain(Box::new(Explain { details, statement: Box::new(statement) })))
}

const EXPLAIN_DETAILS: &[&str] = &["ESTIMATED_COST", "CHANGELOG_MODE", "PLAN_ADVICE", "JSON_EXECUTION_PLAN"];

/// The detail that is named next.
fn explain_detail(p: &Parser<'_>) -> Option<ExplainDetail> {
    let details = [
        ExplainDetail::EstimatedCost,
        ExplainDetail::ChangelogMode,
        ExplainDetail::PlanAdvice,
        ExplainDetail::JsonExecutionPlan,
    ];
    EXPLAIN_DETAILS.iter().position(|d| is_kw(p, 0, d)).map(|i| details[i])
}

/// `{DESCRIBE | DESC} ..`. The kinds are no reserved words: alone, one is a table's name.
pub(super) fn describe(p: &mut Parser<'_>) -> PResult<Statement> {
    p.advance_token();
    if kw(p, "JOB") {
        return text(p).map(|id| Statement::Describe(Describe::Job(id)));
    }
    let kinds = ["CATALOG", "DATABASE", "FUNCTION", "MODEL", "CONNECTION"];
    let names_more = matches!(p.peek_nth_token_ref(1).token, Token::Word(_));
    let kind = kinds.iter().position(|k| is_kw(p, 0, k)).filter(|_| names_more);
    if kind.is_some() {
        p.advance_token();
    }
    let extended = kw(p, "EXTENDED");
    Ok(Statement::Describe(match kind {
        Some(0) => Describe::Catalog { extended, name: ident(p)? },
        Some(1) => Describe::Database { extended, name: name(p)? },
        Some(2) => Describe::Function { extended, name: name(p)? },
        Some(3) => Describe::Model { extended, name: name(p)? },
        Some(_) => Describe::Connection { extended, name: name(p)? },
        None => Describe::Table { extended, name: name(p)? },
    }))
}

/// `USE ..`.
pub(super) fn use_(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "USE")?;
    Ok(Statement::Use(if is_kw(p, 0, "CATALOG") && matches!(p.peek_nth_token_ref(1).token, Token::Word(_)) {
        expect_kw(p, "CATALOG")?;
        Use::Catalog(ident(p)?)
    } else if kw(p, "MODULES") {
        Use::Modules(commas(p, ident)?)
    } else {
        Use::Database(name(p)?)
    }))
}

/// `LOAD MODULE m [WITH (..)]`.
pub(super) fn load(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kws(p, &["LOAD", "MODULE"])?;
    Ok(Statement::LoadModule { name: ident(p)?, options: with_options(p)? })
}

/// `UNLOAD MODULE m`.
pub(super) fn unload(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kws(p, &["UNLOAD", "MODULE"])?;
    ident(p).map(Statement::UnloadModule)
}

/// Whether the statement ends here.
fn ends(p: &Parser<'_>) -> bool {
    matches!(p.peek_token_ref().token, Token::EOF | Token::SemiColon)
}

/// `SET ['k' = 'v']`.
pub(super) fn set(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "SET")?;
    if ends(p) {
        return Ok(Statement::Set(None));
    }
    if word_at(p, 0).is_some() {
        let at = location_of(p.peek_token_ref());
        return Err(fail("key of SET is not in quotes", at, "Write SET 'key' = 'value'."));
    }
    option(p).map(|o| Statement::Set(Some(o)))
}

/// `RESET ['k']`.
pub(super) fn reset(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "RESET")?;
    if ends(p) {
        return Ok(Statement::Reset(None));
    }
    text(p).map(|k| Statement::Reset(Some(k)))
}

/// `ADD JAR 'p'`, `REMOVE JAR 'p'`.
pub(super) fn jar(p: &mut Parser<'_>) -> PResult<Statement> {
    let add = one_of(p, &["ADD", "REMOVE"])? == 0;
    expect_kw(p, "JAR")?;
    let path = text(p)?;
    Ok(if add { Statement::AddJar(path) } else { Statement::RemoveJar(path) })
}

/// `ANALYZE TABLE ..`.
pub(super) fn analyze(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kws(p, &["ANALYZE", "TABLE"])?;
    let table = name(p)?;
    let partition = if kw(p, "PARTITION") { list(p, analyze_partition)? } else { Vec::new() };
    expect_kws(p, &["COMPUTE", "STATISTICS"])?;
    let columns = if !kw(p, "FOR") {
        AnalyzeColumns::None
    } else if kws(p, &["ALL", "COLUMNS"]) {
        AnalyzeColumns::All
    } else {
        expect_kw(p, "COLUMNS")?;
        AnalyzeColumns::Some(commas(p, ident)?)
    };
    Ok(Statement::Analyze(Analyze { table, partition, columns }))
}

fn analyze_partition(p: &mut Parser<'_>) -> PResult<AnalyzePartition> {
    let column = ident(p)?;
    let value = if p.consume_token(&Token::Eq) { Some(literal(p)?) } else { None };
    Ok(AnalyzePartition { column, value })
}

/// `STOP JOB 'id' ..`.
pub(super) fn stop(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kws(p, &["STOP", "JOB"])?;
    let job = text(p)?;
    let savepoint = kws(p, &["WITH", "SAVEPOINT"]);
    let at = location_of(p.peek_token_ref());
    let drain = kws(p, &["WITH", "DRAIN"]);
    if drain && !savepoint {
        return Err(fail("WITH DRAIN stands only behind WITH SAVEPOINT", at, ""));
    }
    Ok(Statement::StopJob { job, savepoint, drain })
}
