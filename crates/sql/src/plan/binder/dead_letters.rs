//! The option `<format>.dead-letter.table`: which tables may have it, and which table it may name.

use flott_api::expr::Expr;
use flott_api::table::{
    DEAD_LETTER_CAUSE, DEAD_LETTER_ORIGIN, DEAD_LETTER_RAW, SourceDescription, dead_letter_columns,
};
use flott_api::types::LENGTH_MAX;
use flott_api::{Error, Result, RowKind, TypeKind};
use sqlparser::ast::Expr as Ast;

use super::Binder;
use super::expr::call;
use crate::catalog::{CatalogTable, ColumnKind, ObjectPath, Relation};
use crate::plan::expand::parse_expression;
use crate::plan::rel::{Column, Op, Rel, Scan};
use crate::plan::stream::Sink;

/// The columns of a table of dead letters, and what goes into each.
static COLUMNS: [(&str, TypeKind, &str); 3] = [
    ("raw", TypeKind::Varbinary(LENGTH_MAX), DEAD_LETTER_RAW),
    ("cause", TypeKind::Varchar(LENGTH_MAX), DEAD_LETTER_CAUSE),
    ("origin", TypeKind::Varchar(LENGTH_MAX), DEAD_LETTER_ORIGIN),
];
const COLUMNS_TEXT: &str = "`raw` BYTES, cause STRING, origin STRING";
/// How the option ends, whatever the format.
const OPTION_END: &str = ".dead-letter.table";

impl Binder<'_> {
    /// Whether a table with dead letters can be read here.
    pub(super) fn check_dead_letters(
        &self,
        path: &ObjectPath,
        description: &SourceDescription,
        is_lookup: bool,
    ) -> Result<()> {
        let refused = |what: &str| {
            Err(Error::unsupported(format!("option '<format>{OPTION_END}' {what}"))
                .with_detail(format!("Table '{path}' has it."))
                .with_hint("Remove the option."))
        };
        let modes = description.changelog;
        match description.dead_letters {
            None => Ok(()),
            Some(_) if is_lookup => refused("of a table that is looked up in"),
            Some(_) if self.settings.batch.is_on => refused("in batch mode"),
            Some(_) if modes.contains(RowKind::UpdateAfter) && !modes.contains(RowKind::UpdateBefore) => {
                refused("of a table that gives updates without the rows before")
            }
            Some(_) => Ok(()),
        }
    }

    /// What reads only the dead letters of a table, and the table that they go to.
    pub(in crate::plan) fn dead_letters(&self, scan: Scan, columns: Vec<Column>) -> Result<(Rel, Sink)> {
        let name = scan.description.dead_letters.clone().unwrap_or_default();
        let of = scan.path.clone();
        let (path, table) = self.dead_letter_table(&of, &name)?;
        let rel = letters(scan, columns)?;
        let place = |column: &str| {
            let (.., key) = COLUMNS.iter().find(|(name, ..)| *name == column)?;
            rel.columns.iter().position(|c| c.name == *key)
        };
        let names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
        let places: Option<Vec<usize>> = names.iter().map(|name| place(name)).collect();
        let places = places.ok_or_else(|| Error::internal("a dead letter without its columns"))?;
        let rel = rel.pick(&places).renamed(&names);
        self.insert_all(&path, &table, rel)
    }

    /// The table of that name, as a statement in the catalog and database of `of` would find it.
    fn dead_letter_table(&self, of: &ObjectPath, name: &str) -> Result<(ObjectPath, CatalogTable)> {
        let wrong = |text: String| {
            Error::invalid(text).with_detail(format!("Table '{of}' names it as '<format>{OPTION_END}'."))
        };
        let Some(mut parts) = parts_of(name) else {
            return Err(wrong(format!("'{name}' is no name of a table")));
        };
        let qualified = [&of.catalog, &of.database];
        let missing = qualified.iter().take(3 - parts.len()).map(|part| (*part).clone());
        parts = missing.chain(parts).collect();
        match self.cx.relation(&parts)? {
            None => Err(wrong(format!("table '{}' does not exist", parts.join(".")))
                .with_hint(format!("CREATE TABLE {name} ({COLUMNS_TEXT}) WITH (..)."))),
            Some((path, Relation::View(_))) => Err(wrong(format!("view '{path}' cannot be written"))),
            Some((path, Relation::Table(table))) => {
                check_columns(&path, &table)
                    .map_err(|what| wrong(what).with_hint(format!("It must have: {COLUMNS_TEXT}.")))?;
                if table.options.0.keys().any(|key| key.ends_with(OPTION_END)) {
                    return Err(wrong(format!("table '{path}' of dead letters has dead letters itself")));
                }
                Ok((path, table))
            }
        }
    }
}

/// The parts of a name: one to three.
fn parts_of(name: &str) -> Option<Vec<String>> {
    let parts = match parse_expression(name).ok()? {
        Ast::Identifier(part) => vec![part.value],
        Ast::CompoundIdentifier(parts) => parts.into_iter().map(|part| part.value).collect(),
        _ => return None,
    };
    (parts.len() <= 3).then_some(parts)
}

fn check_columns(path: &ObjectPath, table: &CatalogTable) -> Result<(), String> {
    for (name, kind, _) in &COLUMNS {
        match table.columns.iter().find(|c| c.name == *name) {
            None => return Err(format!("table '{path}' of dead letters has no column '{name}'")),
            Some(c) if !matches!(c.kind, ColumnKind::Physical) || c.ty.kind != *kind => {
                return Err(format!("column '{name}' of table '{path}' of dead letters has type {}", c.ty));
            }
            Some(_) => {}
        }
    }
    let other = table.columns.iter().find(|c| COLUMNS.iter().all(|(name, ..)| c.name != *name));
    other.map_or(Ok(()), |c| Err(format!("table '{path}' of dead letters has a column '{}'", c.name)))
}

/// The scan as the first pipeline has it, with all columns of dead letters, and nothing but these.
fn letters(mut scan: Scan, mut columns: Vec<Column>) -> Result<Rel> {
    for offered in dead_letter_columns() {
        let column = (offered.key, offered.ty);
        if !scan.metadata.contains(&column) {
            columns.push(Column::new(&column.0, column.1.clone()));
            scan.metadata.push(column);
        }
    }
    let rel = Rel { op: Op::Scan(Box::new(scan)), inputs: Vec::new(), columns };
    only(rel, "is not null")
}

/// The rows whose cause is null, or those whose cause is not.
fn only(rel: Rel, test: &str) -> Result<Rel> {
    let cause = rel.columns.iter().position(|c| c.name == DEAD_LETTER_CAUSE);
    let cause = cause.ok_or_else(|| Error::internal("a scan with dead letters has no cause"))?;
    let condition = call(test, vec![rel.column(cause)])?;
    Ok(rel.filter(condition))
}

/// The rows of a scan that are none: its first columns as the table declares them.
pub(super) fn without_dead_letters(rel: Rel, declared: Vec<Column>) -> Result<Rel> {
    let exprs = declared.iter().enumerate().map(|(i, c)| (Expr::column(i, c.ty.clone()), c.name.clone())).collect();
    // What is NOT NULL in the table is so again.
    Ok(Rel { columns: declared, ..only(rel, "is null")?.project(exprs) })
}
