//! `SHOW ..`.

use sqlparser::parser::Parser;

use super::dml;
use crate::parser::ast::{Show, ShowCreateKind, ShowFilter, ShowNamespace, ShowTablesKind};
use crate::parser::cursor::{alternatives, expect_kw, expect_kws, is_kw, kw, kws, name, one_of, text};
use crate::parser::error::{PResult, expected};

/// `SHOW ..`.
pub(super) fn show(p: &mut Parser<'_>) -> PResult<Show> {
    expect_kw(p, "SHOW")?;
    if kw(p, "CREATE") {
        return create(p);
    }
    if kw(p, "CURRENT") {
        return Ok([Show::CurrentCatalog, Show::CurrentDatabase][one_of(p, &["CATALOG", "DATABASE"])?].clone());
    }
    if kws(p, &["MATERIALIZED", "TABLES"]) {
        return tables(p, ShowTablesKind::MaterializedTables);
    }
    if kws(p, &["USER", "FUNCTIONS"]) {
        return functions(p, true);
    }
    if kws(p, &["FULL", "MODULES"]) {
        return Ok(Show::Modules { full: true });
    }
    let words = [
        "TABLES",
        "VIEWS",
        "CATALOGS",
        "DATABASES",
        "COLUMNS",
        "PARTITIONS",
        "FUNCTIONS",
        "PROCEDURES",
        "MODELS",
        "CONNECTIONS",
        "MODULES",
        "JARS",
        "JOBS",
    ];
    match one_of(p, &words)? {
        0 => tables(p, ShowTablesKind::Tables),
        1 => tables(p, ShowTablesKind::Views),
        2 => Ok(Show::Catalogs(filter(p, false)?)),
        3 => Ok(Show::Databases { from: namespace(p)?, filter: filter(p, true)? }),
        4 => columns(p),
        5 => partitions(p),
        6 => functions(p, false),
        7 => Ok(Show::Procedures { from: namespace(p)?, filter: filter(p, true)? }),
        8 => Ok(Show::Models { from: namespace(p)?, filter: filter(p, false)? }),
        9 => Ok(Show::Connections { from: namespace(p)?, filter: filter(p, false)? }),
        10 => Ok(Show::Modules { full: false }),
        11 => Ok(Show::Jars),
        _ => Ok(Show::Jobs),
    }
}

fn tables(p: &mut Parser<'_>, kind: ShowTablesKind) -> PResult<Show> {
    Ok(Show::Tables { kind, from: namespace(p)?, filter: filter(p, false)? })
}

fn functions(p: &mut Parser<'_>, user: bool) -> PResult<Show> {
    Ok(Show::Functions { user, from: namespace(p)?, filter: filter(p, true)? })
}

fn columns(p: &mut Parser<'_>) -> PResult<Show> {
    let Some(table) = namespace(p)? else { return Err(expected(p, &alternatives(&["FROM", "IN"]))) };
    Ok(Show::Columns { table, filter: filter(p, false)? })
}

fn partitions(p: &mut Parser<'_>) -> PResult<Show> {
    let table = name(p)?;
    let partition = if is_kw(p, 0, "PARTITION") { Some(dml::partition(p)?) } else { None };
    Ok(Show::Partitions { table, partition })
}

/// `{FROM | IN} name`, if it follows.
fn namespace(p: &mut Parser<'_>) -> PResult<Option<ShowNamespace>> {
    let is_in = is_kw(p, 0, "IN");
    if !is_in && !is_kw(p, 0, "FROM") {
        return Ok(None);
    }
    p.advance_token();
    Ok(Some(ShowNamespace { is_in, name: name(p)? }))
}

/// `[NOT] {LIKE | ILIKE} 'p'`, if it follows.
fn filter(p: &mut Parser<'_>, ilike: bool) -> PResult<Option<ShowFilter>> {
    let negated = kw(p, "NOT");
    let ignore_case = ilike && kw(p, "ILIKE");
    if !ignore_case && !kw(p, "LIKE") {
        let words: &[&str] = if ilike { &["LIKE", "ILIKE"] } else { &["LIKE"] };
        return if negated { Err(expected(p, &alternatives(words))) } else { Ok(None) };
    }
    Ok(Some(ShowFilter { negated, ignore_case, pattern: text(p)? }))
}

/// What follows `SHOW CREATE`.
fn create(p: &mut Parser<'_>) -> PResult<Show> {
    let kind = if kw(p, "OR") {
        expect_kws(p, &["ALTER", "MATERIALIZED", "TABLE"])?;
        ShowCreateKind::MaterializedTable { or_alter: true }
    } else if kw(p, "MATERIALIZED") {
        expect_kw(p, "TABLE")?;
        ShowCreateKind::MaterializedTable { or_alter: false }
    } else {
        let kinds = [
            ShowCreateKind::Table,
            ShowCreateKind::View,
            ShowCreateKind::Catalog,
            ShowCreateKind::Model,
            ShowCreateKind::Connection,
        ];
        kinds[one_of(p, &["TABLE", "VIEW", "CATALOG", "MODEL", "CONNECTION"])?]
    };
    Ok(Show::Create { kind, name: name(p)? })
}
