//! `CREATE MATERIALIZED TABLE` and `ALTER MATERIALIZED TABLE`.

use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::alter::{Dropped, dropped, schema as alter_schema};
use super::{dml, interval, query, table, timestamp};
use crate::parser::ast::{
    AlterMaterializedTable, AlterMaterializedTableAction as Action, CreateMaterializedTable, RefreshMode, StartMode,
    Statement, TableSchema,
};
use crate::parser::cursor::{
    comment, expect, expect_kw, expect_kws, is_kw, is_token, keys, kw, name, one_of, options, with_options,
};
use crate::parser::error::PResult;

/// `MATERIALIZED TABLE ..`, behind `CREATE [OR ALTER]`. The clauses have a fixed order.
pub(super) fn create(p: &mut Parser<'_>, or_alter: bool) -> PResult<Statement> {
    expect_kws(p, &["MATERIALIZED", "TABLE"])?;
    let name = name(p)?;
    let schema = if is_token(p, 0, &Token::LParen) { table::schema(p)? } else { TableSchema::default() };
    let comment = comment(p)?;
    let distribution = if kw(p, "DISTRIBUTED") { Some(table::distribution(p)?) } else { None };
    let partitioned_by = table::partitioned_by(p)?;
    let options = with_options(p)?;
    let start_mode = if clause(p, "START_MODE")? { Some(start_mode(p)?) } else { None };
    let freshness = if clause(p, "FRESHNESS")? { Some(interval(p)?) } else { None };
    let refresh_mode = if clause(p, "REFRESH_MODE")? { Some(refresh_mode(p)?) } else { None };
    expect_kw(p, "AS")?;
    let query = query(p)?;
    Ok(Statement::CreateMaterializedTable(Box::new(CreateMaterializedTable {
        or_alter,
        name,
        schema,
        comment,
        distribution,
        partitioned_by,
        options,
        start_mode,
        freshness,
        refresh_mode,
        query,
    })))
}

/// `WORD =`, if the word follows.
fn clause(p: &mut Parser<'_>, word: &str) -> PResult<bool> {
    if !kw(p, word) {
        return Ok(false);
    }
    expect(p, &Token::Eq)?;
    Ok(true)
}

fn start_mode(p: &mut Parser<'_>) -> PResult<StartMode> {
    let words = [
        "FROM_BEGINNING",
        "FROM_NOW",
        "FROM_TIMESTAMP",
        "RESUME_OR_FROM_BEGINNING",
        "RESUME_OR_FROM_NOW",
        "RESUME_OR_FROM_TIMESTAMP",
    ];
    let word = one_of(p, &words)?;
    let resume = word >= 3;
    Ok(match word % 3 {
        0 => StartMode::FromBeginning { resume },
        1 => {
            let mut ago = None;
            if p.consume_token(&Token::LParen) {
                ago = Some(interval(p)?);
                expect(p, &Token::RParen)?;
            }
            StartMode::FromNow { resume, ago }
        }
        _ => {
            expect(p, &Token::LParen)?;
            let timestamp = timestamp(p)?;
            expect(p, &Token::RParen)?;
            StartMode::FromTimestamp { resume, timestamp }
        }
    })
}

fn refresh_mode(p: &mut Parser<'_>) -> PResult<RefreshMode> {
    let modes = [RefreshMode::Full, RefreshMode::Continuous];
    Ok(modes[one_of(p, &["FULL", "CONTINUOUS"])?])
}

/// What follows `ALTER MATERIALIZED TABLE`.
pub(super) fn alter(p: &mut Parser<'_>) -> PResult<Statement> {
    let name = name(p)?;
    let words = ["ADD", "AS", "DROP", "RESET", "SET", "MODIFY", "SUSPEND", "REFRESH", "RESUME"];
    let action = match one_of(p, &words)? {
        0 if kw(p, "DISTRIBUTION") => Action::AddDistribution(table::distribution(p)?),
        0 => Action::Add(alter_schema(p)?),
        1 => Action::As(query(p)?),
        2 => drop(p)?,
        3 => Action::Reset(keys(p)?),
        4 => set(p)?,
        5 if kw(p, "DISTRIBUTION") => Action::ModifyDistribution(table::distribution(p)?),
        5 => Action::Modify(alter_schema(p)?),
        6 => Action::Suspend,
        7 if is_kw(p, 0, "PARTITION") => Action::Refresh(Some(dml::partition(p)?)),
        7 => Action::Refresh(None),
        _ => Action::Resume(with_options(p)?),
    };
    Ok(Statement::AlterMaterializedTable(Box::new(AlterMaterializedTable { name, action })))
}

fn set(p: &mut Parser<'_>) -> PResult<Action> {
    if is_token(p, 0, &Token::LParen) {
        return options(p).map(Action::Set);
    }
    let word = one_of(p, &["FRESHNESS", "REFRESH_MODE"])?;
    expect(p, &Token::Eq)?;
    match word {
        0 => interval(p).map(|i| Action::SetFreshness(Box::new(i))),
        _ => refresh_mode(p).map(Action::SetRefreshMode),
    }
}

fn drop(p: &mut Parser<'_>) -> PResult<Action> {
    Ok(match dropped(p)? {
        Dropped::Columns(columns) => Action::DropColumns(columns),
        Dropped::PrimaryKey => Action::DropPrimaryKey,
        Dropped::Constraint(name) => Action::DropConstraint(name),
        Dropped::Watermark => Action::DropWatermark,
        Dropped::Distribution => Action::DropDistribution,
    })
}
