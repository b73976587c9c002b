//! Parts of a table's definition: from the statement to what a catalog keeps, checked where they stand in the text.

use std::collections::BTreeSet;

use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::Ident;

use super::Session;
use super::names::{location_of, options};
use super::text::{expression, quoted};
use crate::catalog::{CatalogTable, Column, ColumnKind, PrimaryKey, Watermark};
use crate::parser::ast::{self, ConstraintKind, CreateTable, Distribution, TableConstraint, TableSchema, WatermarkDef};
use crate::plan;

/// What stands in the parentheses of a `CREATE TABLE` and behind them. Computed columns have no type yet.
///
/// # Errors
/// If a part is wrong in itself.
pub(super) fn declared(create: &CreateTable) -> Result<CatalogTable> {
    let columns = create.schema.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = create.schema.columns.iter().find(|c| !seen.insert(c.name.value.as_str())) {
        return Err(
            Error::invalid(format!("column '{}' is declared twice", twice.name.value)).at(location_of(&twice.name))
        );
    }
    let mut table = CatalogTable {
        columns,
        watermark: create.schema.watermark.as_ref().map(watermark).transpose()?,
        primary_key: None,
        partition_keys: create.partitioned_by.iter().map(|c| c.value.clone()).collect(),
        distribution: create.distribution.as_ref().map(distribution),
        options: options(&create.options)?,
        comment: create.comment.as_ref().map(|c| c.value.clone()),
    };
    for constraint in constraints(&create.schema) {
        let key = primary_key(constraint)?;
        if table.primary_key.replace(key).is_some() {
            return Err(Error::invalid("there are two primary keys").at(place_of(constraint)));
        }
    }
    Ok(table)
}

/// Constraints on their own and behind columns.
fn constraints(schema: &TableSchema) -> impl Iterator<Item = &TableConstraint> {
    let in_columns = schema.columns.iter().filter_map(|c| match &c.kind {
        ast::ColumnKind::Physical { constraint, .. } => constraint.as_ref(),
        _ => None,
    });
    schema.constraints.iter().chain(in_columns)
}

fn place_of(constraint: &TableConstraint) -> flott_api::Location {
    constraint.columns.first().map(location_of).unwrap_or_default()
}

/// A column. A computed one gets its type when all columns are known.
///
/// # Errors
/// If its type does not exist.
pub(super) fn column(def: &ast::ColumnDef) -> Result<Column> {
    let at = location_of(&def.name);
    let (kind, ty) = match &def.kind {
        ast::ColumnKind::Physical { data_type, .. } => {
            (ColumnKind::Physical, data_type.to_logical().map_err(|e| e.at(at))?)
        }
        ast::ColumnKind::Metadata { data_type, key, is_virtual } => {
            let key = key.as_ref().map(|k| k.value.clone());
            (ColumnKind::Metadata { key, is_virtual: *is_virtual }, data_type.to_logical().map_err(|e| e.at(at))?)
        }
        ast::ColumnKind::Computed(expr) => {
            (ColumnKind::Computed { expression: expression(expr) }, LogicalType::new(TypeKind::Null))
        }
    };
    Ok(Column { name: def.name.value.clone(), kind, ty, comment: def.comment.as_ref().map(|c| c.value.clone()) })
}

/// A watermark.
///
/// # Errors
/// If it is on a nested field.
pub(super) fn watermark(def: &WatermarkDef) -> Result<Watermark> {
    match def.column.as_slice() {
        [column] => Ok(Watermark { column: column.value.clone(), expression: expression(&def.expr) }),
        parts => {
            Err(Error::unsupported("a watermark on a nested field")
                .at(parts.first().map(location_of).unwrap_or_default()))
        }
    }
}

/// A primary key; whether its columns exist is checked with the whole table.
///
/// # Errors
/// If it is `UNIQUE` or to be enforced, or names a column twice.
pub(super) fn primary_key(constraint: &TableConstraint) -> Result<PrimaryKey> {
    let at = place_of(constraint);
    if constraint.kind == ConstraintKind::Unique {
        return Err(Error::invalid("UNIQUE constraints are not supported").at(at));
    }
    if constraint.enforced != Some(false) {
        return Err(Error::invalid("a primary key must be NOT ENFORCED")
            .at(at)
            .with_detail("Tables lie outside, so nobody here can enforce it.")
            .with_hint("Add NOT ENFORCED behind the columns."));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = constraint.columns.iter().find(|c| !seen.insert(c.value.as_str())) {
        return Err(Error::invalid(format!("key column '{}' is named twice", twice.value)).at(location_of(twice)));
    }
    let columns: Vec<String> = constraint.columns.iter().map(|c| c.value.clone()).collect();
    let name = constraint.name.as_ref().map_or_else(|| format!("PK_{}", columns.join("_")), |n| n.value.clone());
    Ok(PrimaryKey { name, columns })
}

/// `DISTRIBUTED ..` as a catalog keeps it.
pub(super) fn distribution(def: &Distribution) -> String {
    let mut quoted = def.clone();
    quoted.columns.iter_mut().for_each(|c| c.quote_style = Some('`'));
    format!("DISTRIBUTED{quoted}")
}

/// Whether a table's rows are distributed by a column.
pub(super) fn is_distributed_by(table: &CatalogTable, column: &str) -> bool {
    table.distribution.as_ref().is_some_and(|d| d.contains(&quoted(column)))
}

/// Checks that the columns of key, partitions and distribution exist, and makes those of the key `NOT NULL`.
///
/// # Errors
/// Names the column where it stands.
pub(super) fn check_named_columns(table: &mut CatalogTable, create: &CreateTable) -> Result<()> {
    for name in &create.partitioned_by {
        physical(table, name, "partition")?;
    }
    for name in create.distribution.iter().flat_map(|d| &d.columns) {
        physical(table, name, "distribution")?;
    }
    for constraint in constraints(&create.schema) {
        check_key(table, constraint)?;
    }
    Ok(())
}

/// Checks that the columns of a key exist, and makes them `NOT NULL`.
///
/// # Errors
/// Names the column where it stands.
pub(super) fn check_key(table: &mut CatalogTable, constraint: &TableConstraint) -> Result<()> {
    for name in &constraint.columns {
        physical(table, name, "key")?.ty.nullable = false;
    }
    Ok(())
}

/// The physical column of that name.
pub(super) fn physical<'t>(table: &'t mut CatalogTable, name: &Ident, role: &str) -> Result<&'t mut Column> {
    let physical = table.columns.iter().filter(|c| c.is_physical()).map(|c| c.name.clone()).collect::<Vec<_>>();
    match table.columns.iter_mut().find(|c| c.name == name.value) {
        Some(column) if column.is_physical() => Ok(column),
        Some(_) => Err(Error::invalid(format!("{role} column '{}' is not a physical column", name.value))
            .at(location_of(name))
            .with_detail("Only columns that the connector stores can be used here.")),
        None => {
            let error = Error::invalid(format!("{role} column '{}' does not exist", name.value)).at(location_of(name));
            Err(crate::catalog::suggest(error, &name.value, physical.iter().map(String::as_str)))
        }
    }
}

/// Expressions of a statement: bound once where they stand in the text, so that errors have a place.
#[derive(Clone, Copy)]
pub(super) struct Expressions<'a> {
    /// Columns, of which the computed ones count.
    pub(super) columns: &'a [ast::ColumnDef],
    /// The watermark.
    pub(super) watermark: Option<&'a WatermarkDef>,
}

impl<'a> Expressions<'a> {
    /// Those of a `CREATE TABLE`.
    pub(super) fn of(schema: &'a TableSchema) -> Self {
        Expressions { columns: &schema.columns, watermark: schema.watermark.as_ref() }
    }
}

impl Session {
    /// Checks a table's expressions and types its computed columns.
    ///
    /// # Errors
    /// If an expression is wrong.
    pub(super) fn settle(&self, table: &mut CatalogTable, expressions: Expressions<'_>) -> Result<()> {
        let stored = table.columns.iter().filter(|c| !matches!(c.kind, ColumnKind::Computed { .. }));
        let stored = flott_api::Schema::new(stored.map(|c| flott_api::Field::new(&c.name, c.ty.clone())).collect());
        for def in expressions.columns {
            if let ast::ColumnKind::Computed(expr) = &def.kind {
                let typed = plan::bind_scalar(self, expr, &stored).map_err(|e| e.at(location_of(&def.name)))?;
                if let Some(column) = table.columns.iter_mut().find(|c| c.name == def.name.value) {
                    column.ty = typed.ty().clone();
                    // Functions of catalogs in full, so that it means the same in any session.
                    let full = plan::expand_expression(self, expr)?;
                    column.kind = ColumnKind::Computed { expression: expression(&full) };
                }
            }
        }
        let at = expressions.watermark.and_then(|w| w.column.first()).map(location_of);
        let place = |e: Error| if let Some(at) = at { e.at(at) } else { e };
        if let Some(def) = expressions.watermark
            && def.column.iter().all(|name| table.columns.iter().any(|c| c.name == name.value))
        {
            plan::bind_scalar(self, &def.expr, &table.schema()).map_err(place)?;
            if let Some(watermark) = &mut table.watermark {
                watermark.expression = expression(&plan::expand_expression(self, &def.expr)?);
            }
        }
        let columns = plan::table_columns(self, table).map_err(place)?;
        for (column, typed) in table.columns.iter_mut().zip(columns) {
            column.ty = typed.ty;
        }
        Ok(())
    }
}
