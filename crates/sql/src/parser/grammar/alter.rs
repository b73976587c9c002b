//! `ALTER TABLE`, `ALTER VIEW`, and the way to the other `ALTER`s.

use sqlparser::ast::Ident;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::table::{column, constraint, distribution, is_constraint, is_watermark, watermark};
use super::{dml, materialized, object, query, scope};
use crate::parser::ast::{
    AddColumn, AlterSchema, AlterTable, AlterTableAction, AlterView, AlterViewAction, ColumnPosition, ObjectKind,
    PartitionAdd, Scope, Statement,
};
use crate::parser::cursor::{
    commas, expect, expect_kw, expect_kws, ident, idents, if_exists, if_not_exists, is_kw, is_token, keys, kw, kws,
    list, name, one_of, options, with_options,
};
use crate::parser::error::{PResult, expected, fail, location_of};

/// `ALTER ..`.
pub(super) fn alter(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "ALTER")?;
    let scope = scope(p);
    if scope != Scope::Permanent || is_kw(p, 0, "FUNCTION") {
        return object::alter_function(p, scope);
    }
    if kws(p, &["MATERIALIZED", "TABLE"]) {
        return materialized::alter(p);
    }
    match one_of(p, &["TABLE", "VIEW", "CATALOG", "DATABASE", "MODEL", "CONNECTION"])? {
        0 => table(p),
        1 => view(p),
        2 => object::alter(p, ObjectKind::Catalog),
        3 => object::alter(p, ObjectKind::Database),
        4 => object::alter(p, ObjectKind::Model),
        _ => object::alter(p, ObjectKind::Connection),
    }
}

fn view(p: &mut Parser<'_>) -> PResult<Statement> {
    let name_of_view = name(p)?;
    let action = match one_of(p, &["RENAME", "AS"])? {
        0 => {
            expect_kw(p, "TO")?;
            AlterViewAction::RenameTo(name(p)?)
        }
        _ => AlterViewAction::As(query(p)?),
    };
    Ok(Statement::AlterView(AlterView { name: name_of_view, action }))
}

fn table(p: &mut Parser<'_>) -> PResult<Statement> {
    let if_exists = if_exists(p);
    let name = name(p)?;
    let action = match one_of(p, &["ADD", "MODIFY", "DROP", "RENAME", "SET", "RESET"])? {
        0 => add(p)?,
        1 if kw(p, "DISTRIBUTION") => AlterTableAction::ModifyDistribution(distribution(p)?),
        1 => AlterTableAction::Modify(schema(p)?),
        2 => drop(p)?,
        3 => rename(p)?,
        4 => AlterTableAction::Set(options(p)?),
        _ => AlterTableAction::Reset(keys(p)?),
    };
    Ok(Statement::AlterTable(Box::new(AlterTable { if_exists, name, action })))
}

fn add(p: &mut Parser<'_>) -> PResult<AlterTableAction> {
    if kw(p, "DISTRIBUTION") {
        return distribution(p).map(AlterTableAction::AddDistribution);
    }
    let if_not_exists = if_not_exists(p);
    if !if_not_exists && !is_kw(p, 0, "PARTITION") {
        return schema(p).map(AlterTableAction::Add);
    }
    let mut partitions = Vec::new();
    while is_kw(p, 0, "PARTITION") || partitions.is_empty() {
        partitions.push(PartitionAdd { partition: dml::partition(p)?, options: with_options(p)? });
    }
    Ok(AlterTableAction::AddPartitions { if_not_exists, partitions })
}

fn drop(p: &mut Parser<'_>) -> PResult<AlterTableAction> {
    let if_exists = if_exists(p);
    if if_exists || is_kw(p, 0, "PARTITION") {
        let partitions = commas(p, dml::partition)?;
        return Ok(AlterTableAction::DropPartitions { if_exists, partitions });
    }
    Ok(match dropped(p)? {
        Dropped::Columns(columns) => AlterTableAction::DropColumns(columns),
        Dropped::PrimaryKey => AlterTableAction::DropPrimaryKey,
        Dropped::Constraint(name) => AlterTableAction::DropConstraint(name),
        Dropped::Watermark => AlterTableAction::DropWatermark,
        Dropped::Distribution => AlterTableAction::DropDistribution,
    })
}

/// What a `DROP` of a table's part names.
pub(super) enum Dropped {
    /// Columns.
    Columns(Vec<Vec<Ident>>),
    /// The primary key.
    PrimaryKey,
    /// A constraint.
    Constraint(Ident),
    /// The watermark.
    Watermark,
    /// The distribution.
    Distribution,
}

/// What follows `DROP`, for tables and materialized tables.
pub(super) fn dropped(p: &mut Parser<'_>) -> PResult<Dropped> {
    if kw(p, "PRIMARY") {
        expect_kw(p, "KEY")?;
        Ok(Dropped::PrimaryKey)
    } else if kw(p, "CONSTRAINT") {
        ident(p).map(Dropped::Constraint)
    } else if kw(p, "WATERMARK") {
        Ok(Dropped::Watermark)
    } else if kw(p, "DISTRIBUTION") {
        Ok(Dropped::Distribution)
    } else if is_token(p, 0, &Token::LParen) {
        list(p, idents).map(Dropped::Columns)
    } else {
        Ok(Dropped::Columns(vec![idents(p)?]))
    }
}

fn rename(p: &mut Parser<'_>) -> PResult<AlterTableAction> {
    if kw(p, "TO") {
        return name(p).map(AlterTableAction::RenameTo);
    }
    let from = idents(p)?;
    expect_kws(p, &["TO"])?;
    Ok(AlterTableAction::RenameColumn { from, to: ident(p)? })
}

/// One component, or several in parentheses.
pub(super) fn schema(p: &mut Parser<'_>) -> PResult<AlterSchema> {
    let mut schema = AlterSchema::default();
    if !p.consume_token(&Token::LParen) {
        component(p, &mut schema)?;
        return Ok(schema);
    }
    loop {
        component(p, &mut schema)?;
        if !p.consume_token(&Token::Comma) {
            expect(p, &Token::RParen)?;
            return Ok(schema);
        }
    }
}

fn component(p: &mut Parser<'_>, schema: &mut AlterSchema) -> PResult<()> {
    if is_constraint(p) {
        schema.constraints.push(constraint(p)?);
        return Ok(());
    }
    if is_watermark(p) {
        let at = location_of(p.peek_token_ref());
        if schema.watermark.replace(watermark(p)?).is_some() {
            return Err(fail("table has more than one watermark", at, ""));
        }
        return Ok(());
    }
    let mut parents = idents(p)?;
    let Some(name) = parents.pop() else { return Err(expected(p, "a column name")) };
    let column = column(p, name)?;
    let position = if kw(p, "FIRST") {
        Some(ColumnPosition::First)
    } else if kw(p, "AFTER") {
        Some(ColumnPosition::After(idents(p)?))
    } else {
        None
    };
    schema.columns.push(AddColumn { parents, column, position });
    Ok(())
}
