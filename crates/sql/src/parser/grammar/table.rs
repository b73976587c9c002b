//! `CREATE TABLE` and its parts.

use sqlparser::ast::Ident;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{expression, query};
use crate::parser::ast::{
    ColumnDef, ColumnKind, ConstraintKind, CreateTable, CreateTableKind, Distribution, DistributionKind, LikeFeature,
    LikeMerge, LikeOption, Statement, TableConstraint, TableLike, TableSchema, TableTail, WatermarkDef, ident_location,
};
use crate::parser::cursor::{
    alternatives, comment, expect, expect_kw, expect_kws, ident, idents, if_not_exists, integer, is_kw, is_token, kw,
    kws, list, name, one_of, text, with_options,
};
use crate::parser::error::{PResult, expected, fail, location_of};
use crate::parser::type_grammar::data_type;

/// `REPLACE TABLE ..`.
pub(super) fn replace(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "REPLACE")?;
    create(p, CreateTableKind::Replace, false)
}

/// `TABLE ..`, behind `CREATE` and its modifiers.
pub(super) fn create(p: &mut Parser<'_>, kind: CreateTableKind, temporary: bool) -> PResult<Statement> {
    expect_kw(p, "TABLE")?;
    let if_not_exists = kind == CreateTableKind::Create && if_not_exists(p);
    let name = name(p)?;
    let schema = if is_token(p, 0, &Token::LParen) { schema(p)? } else { TableSchema::default() };
    let comment = comment(p)?;
    let distribution = if kw(p, "DISTRIBUTED") { Some(distribution(p)?) } else { None };
    let partitioned_by = partitioned_by(p)?;
    let options = with_options(p)?;
    let tail = tail(p)?;
    let table = CreateTable {
        kind,
        temporary,
        if_not_exists,
        name,
        schema,
        comment,
        distribution,
        partitioned_by,
        options,
        tail,
    };
    check(&table, p)?;
    Ok(Statement::CreateTable(Box::new(table)))
}

/// What the forms of the statement ask of each other.
fn check(table: &CreateTable, p: &Parser<'_>) -> PResult<()> {
    let is_as = matches!(table.tail, Some(TableTail::As(_)));
    if table.kind != CreateTableKind::Create && !is_as {
        return Err(expected(p, "AS and a query, which REPLACE TABLE needs"));
    }
    match table.schema.reorder.first() {
        Some(column) if !is_as => {
            let hint = "Give each column a type, or add AS and a query.";
            Err(fail("column has no type", ident_location(column), hint))
        }
        _ => Ok(()),
    }
}

/// `PARTITIONED BY (..)`, if it follows.
pub(super) fn partitioned_by(p: &mut Parser<'_>) -> PResult<Vec<Ident>> {
    if !kw(p, "PARTITIONED") {
        return Ok(Vec::new());
    }
    expect_kw(p, "BY")?;
    list(p, ident)
}

/// `LIKE ..` or `AS ..`, if it follows.
fn tail(p: &mut Parser<'_>) -> PResult<Option<TableTail>> {
    if kw(p, "AS") {
        return Ok(Some(TableTail::As(query(p)?)));
    }
    if !kw(p, "LIKE") {
        return Ok(None);
    }
    let source = name(p)?;
    let mut options = Vec::new();
    if p.consume_token(&Token::LParen) {
        while !p.consume_token(&Token::RParen) {
            options.push(like_option(p)?);
        }
    }
    Ok(Some(TableTail::Like(TableLike { source, options })))
}

/// `INCLUDING ALL` and its like. Whole features cannot be overwritten.
fn like_option(p: &mut Parser<'_>) -> PResult<LikeOption> {
    let merges = [LikeMerge::Including, LikeMerge::Excluding, LikeMerge::Overwriting];
    let merge = merges[one_of(p, &["INCLUDING", "EXCLUDING", "OVERWRITING"])?];
    let words = [
        ("GENERATED", LikeFeature::Generated),
        ("METADATA", LikeFeature::Metadata),
        ("OPTIONS", LikeFeature::Options),
        ("WATERMARKS", LikeFeature::Watermarks),
        ("ALL", LikeFeature::All),
        ("CONSTRAINTS", LikeFeature::Constraints),
        ("DISTRIBUTION", LikeFeature::Distribution),
        ("PARTITIONS", LikeFeature::Partitions),
    ];
    const OVERWRITABLE: usize = 4;
    let count = if merge == LikeMerge::Overwriting { OVERWRITABLE } else { words.len() };
    let names: Vec<&str> = words[..count].iter().map(|w| w.0).collect();
    Ok(LikeOption { merge, feature: words[one_of(p, &names)?].1 })
}

/// `(column | constraint | watermark, ..)`, or `(name, ..)`.
pub(super) fn schema(p: &mut Parser<'_>) -> PResult<TableSchema> {
    let mut schema = TableSchema::default();
    expect(p, &Token::LParen)?;
    loop {
        element(p, &mut schema)?;
        if p.consume_token(&Token::RParen) {
            break;
        }
        if !p.consume_token(&Token::Comma) {
            return Err(expected(p, "',' or ')'"));
        }
    }
    let mixed = !schema.columns.is_empty() || schema.watermark.is_some() || !schema.constraints.is_empty();
    if !schema.reorder.is_empty() && mixed {
        let at = ident_location(&schema.reorder[0]);
        return Err(fail("column has no type", at, "Give all columns a type, or none."));
    }
    Ok(schema)
}

fn element(p: &mut Parser<'_>, schema: &mut TableSchema) -> PResult<()> {
    if is_constraint(p) {
        schema.constraints.push(constraint(p)?);
    } else if is_watermark(p) {
        let at = location_of(p.peek_token_ref());
        let watermark = watermark(p)?;
        if schema.watermark.replace(watermark).is_some() {
            return Err(fail("table has more than one watermark", at, ""));
        }
    } else if matches!(p.peek_nth_token_ref(1).token, Token::Comma | Token::RParen) {
        schema.reorder.push(ident(p)?);
    } else {
        let name = ident(p)?;
        schema.columns.push(column(p, name)?);
    }
    Ok(())
}

/// Whether a table constraint comes next.
pub(super) fn is_constraint(p: &Parser<'_>) -> bool {
    is_kw(p, 0, "CONSTRAINT") || is_kw(p, 0, "PRIMARY") || is_kw(p, 0, "UNIQUE")
}

/// Whether a watermark comes next.
pub(super) fn is_watermark(p: &Parser<'_>) -> bool {
    is_kw(p, 0, "WATERMARK")
}

/// What follows a column's name.
pub(super) fn column(p: &mut Parser<'_>, name: Ident) -> PResult<ColumnDef> {
    let kind = if kw(p, "AS") {
        ColumnKind::Computed(Box::new(expression(p)?))
    } else {
        let data_type = data_type(p)?;
        if kw(p, "METADATA") {
            let key = if kw(p, "FROM") { Some(text(p)?) } else { None };
            ColumnKind::Metadata { data_type, key, is_virtual: kw(p, "VIRTUAL") }
        } else {
            let constraint = if is_constraint(p) { Some(column_constraint(p, &name)?) } else { None };
            ColumnKind::Physical { data_type, constraint }
        }
    };
    let comment = comment(p)?;
    Ok(ColumnDef { name, kind, comment })
}

/// `[CONSTRAINT n] {PRIMARY KEY | UNIQUE}`.
fn constraint_head(p: &mut Parser<'_>) -> PResult<(Option<Ident>, ConstraintKind)> {
    let name = if kw(p, "CONSTRAINT") { Some(ident(p)?) } else { None };
    if kw(p, "UNIQUE") {
        return Ok((name, ConstraintKind::Unique));
    }
    if !is_kw(p, 0, "PRIMARY") {
        return Err(expected(p, &alternatives(&["PRIMARY KEY", "UNIQUE"])));
    }
    expect_kws(p, &["PRIMARY", "KEY"])?;
    Ok((name, ConstraintKind::PrimaryKey))
}

/// `[[NOT] ENFORCED]`.
fn enforced(p: &mut Parser<'_>) -> Option<bool> {
    if kws(p, &["NOT", "ENFORCED"]) { Some(false) } else { kw(p, "ENFORCED").then_some(true) }
}

fn column_constraint(p: &mut Parser<'_>, column: &Ident) -> PResult<TableConstraint> {
    let (name, kind) = constraint_head(p)?;
    Ok(TableConstraint { name, kind, columns: vec![column.clone()], enforced: enforced(p) })
}

/// `[CONSTRAINT n] {PRIMARY KEY | UNIQUE} (c, ..) [[NOT] ENFORCED]`.
pub(super) fn constraint(p: &mut Parser<'_>) -> PResult<TableConstraint> {
    let (name, kind) = constraint_head(p)?;
    let columns = list(p, ident)?;
    Ok(TableConstraint { name, kind, columns, enforced: enforced(p) })
}

/// `WATERMARK FOR c AS expr`.
pub(super) fn watermark(p: &mut Parser<'_>) -> PResult<WatermarkDef> {
    expect_kws(p, &["WATERMARK", "FOR"])?;
    let column = idents(p)?;
    expect_kw(p, "AS")?;
    Ok(WatermarkDef { column, expr: Box::new(expression(p)?) })
}

/// What follows `DISTRIBUTED` or `DISTRIBUTION`.
pub(super) fn distribution(p: &mut Parser<'_>) -> PResult<Distribution> {
    let mut distribution = Distribution { kind: None, columns: Vec::new(), buckets: None };
    if kw(p, "BY") {
        distribution.kind = if kw(p, "HASH") {
            Some(DistributionKind::Hash)
        } else {
            kw(p, "RANGE").then_some(DistributionKind::Range)
        };
        distribution.columns = list(p, ident)?;
    } else if !is_kw(p, 0, "INTO") {
        return Err(expected(p, &alternatives(&["BY", "INTO"])));
    }
    if kw(p, "INTO") {
        distribution.buckets = Some(integer(p)?);
        expect_kw(p, "BUCKETS")?;
    }
    Ok(distribution)
}
