//! `CREATE ..` and `DROP ..`: what is created, and the statements without a file of their own.

use sqlparser::ast::{ObjectName, ObjectNamePart};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{materialized, names_kind, object, query, scope, table};
use crate::parser::ast::{
    CreateCatalog, CreateDatabase, CreateTableKind, CreateView, Drop, DropKind, Scope, Statement,
};
use crate::parser::cursor::{
    alternatives, comment, expect_kw, ident, if_exists, if_not_exists, is_kw, is_token, kw, kws, list, name,
    with_options,
};
use crate::parser::error::{PResult, expected};

/// `CREATE ..`.
pub(super) fn create(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "CREATE")?;
    if kws(p, &["OR", "ALTER"]) {
        return materialized::create(p, true);
    }
    if kws(p, &["OR", "REPLACE"]) {
        let temporary = kw(p, "TEMPORARY");
        return match is_kw(p, 0, "VIEW") {
            true => view(p, true, temporary),
            false if temporary => Err(expected(p, "VIEW")),
            false => table::create(p, CreateTableKind::CreateOrReplace, false),
        };
    }
    if is_kw(p, 0, "MATERIALIZED") {
        return materialized::create(p, false);
    }
    let scope = scope(p);
    let temporary = scope == Scope::Temporary;
    let system = scope == Scope::TemporarySystem;
    if names_kind(p, &["FUNCTION"]) {
        object::create_function(p, scope)
    } else if names_kind(p, &["CONNECTION"]) {
        object::create_connection(p, scope)
    } else if system {
        Err(expected(p, &alternatives(&["FUNCTION", "CONNECTION"])))
    } else if names_kind(p, &["TABLE"]) {
        table::create(p, CreateTableKind::Create, temporary)
    } else if names_kind(p, &["VIEW"]) {
        view(p, false, temporary)
    } else if names_kind(p, &["MODEL"]) {
        object::create_model(p, temporary)
    } else if temporary {
        Err(expected(p, &alternatives(&["TABLE", "VIEW", "FUNCTION", "MODEL", "CONNECTION"])))
    } else if names_kind(p, &["CATALOG"]) {
        catalog(p)
    } else if names_kind(p, &["DATABASE"]) {
        database(p)
    } else {
        let kinds = ["TABLE", "VIEW", "MATERIALIZED TABLE", "FUNCTION", "MODEL", "CONNECTION", "CATALOG", "DATABASE"];
        Err(expected(p, &alternatives(&kinds)))
    }
}

fn view(p: &mut Parser<'_>, or_replace: bool, temporary: bool) -> PResult<Statement> {
    expect_kw(p, "VIEW")?;
    let if_not_exists = if_not_exists(p);
    let name = name(p)?;
    let columns = if is_token(p, 0, &Token::LParen) { list(p, ident)? } else { Vec::new() };
    let comment = comment(p)?;
    expect_kw(p, "AS")?;
    let query = query(p)?;
    let view = CreateView { or_replace, temporary, if_not_exists, name, columns, comment, query };
    Ok(Statement::CreateView(Box::new(view)))
}

fn catalog(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "CATALOG")?;
    let if_not_exists = if_not_exists(p);
    let name = ident(p)?;
    let comment = comment(p)?;
    let options = with_options(p)?;
    Ok(Statement::CreateCatalog(CreateCatalog { if_not_exists, name, comment, options }))
}

fn database(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "DATABASE")?;
    let if_not_exists = if_not_exists(p);
    let name = name(p)?;
    let comment = comment(p)?;
    let options = with_options(p)?;
    Ok(Statement::CreateDatabase(CreateDatabase { if_not_exists, name, comment, options }))
}

/// `DROP ..`.
pub(super) fn drop(p: &mut Parser<'_>) -> PResult<Statement> {
    expect_kw(p, "DROP")?;
    let scope = scope(p);
    let kind = drop_kind(p, scope)?;
    let if_exists = if_exists(p);
    let name = match kind {
        DropKind::Catalog => ObjectName(vec![ObjectNamePart::Identifier(ident(p)?)]),
        _ => name(p)?,
    };
    let cascade = kind == DropKind::Database && !kw(p, "RESTRICT") && kw(p, "CASCADE");
    Ok(Statement::Drop(Drop { kind, scope, if_exists, name, cascade }))
}

/// The kind that is dropped, of those that the scope allows.
fn drop_kind(p: &mut Parser<'_>, scope: Scope) -> PResult<DropKind> {
    if scope == Scope::Permanent && kws(p, &["MATERIALIZED", "TABLE"]) {
        return Ok(DropKind::MaterializedTable);
    }
    let kinds = [
        ("FUNCTION", DropKind::Function),
        ("CONNECTION", DropKind::Connection),
        ("TABLE", DropKind::Table),
        ("VIEW", DropKind::View),
        ("MODEL", DropKind::Model),
        ("CATALOG", DropKind::Catalog),
        ("DATABASE", DropKind::Database),
    ];
    // Of system scope, of the session, of the catalog.
    let count = match scope {
        Scope::TemporarySystem => 2,
        Scope::Temporary => 5,
        Scope::Permanent => kinds.len(),
    };
    let words: Vec<&str> = kinds[..count].iter().map(|k| k.0).collect();
    Ok(kinds[crate::parser::cursor::one_of(p, &words)?].1)
}
