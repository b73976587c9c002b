//! `ALTER TABLE` on columns, key and watermark: `ADD`, `MODIFY`, `DROP`, `RENAME`.

use std::collections::BTreeSet;

use flott_api::{Error, Location, Result};
use sqlparser::ast::Ident;

use super::alter::use_of_column;
use super::declare::{check_key, column, physical, primary_key, watermark};
use super::names::location_of;
use super::text::columns_of;
use crate::catalog::{CatalogTable, Column, ColumnKind};
use crate::parser::ast::{self, AddColumn, AlterSchema, ColumnPosition, TableConstraint};

/// `ADD`: what is not there yet.
pub(super) fn add(table: &mut CatalogTable, schema: &AlterSchema) -> Result<()> {
    for added in &schema.columns {
        let new = plain(added)?;
        if position_of(table, &new.name).is_some() {
            return Err(Error::invalid(format!("column '{}' exists already", new.name))
                .at(location_of(&added.column.name))
                .with_hint("MODIFY changes it."));
        }
        let index = match &added.position {
            Some(position) => place(table, position)?,
            None => table.columns.len(),
        };
        table.columns.insert(index, new);
    }
    if let Some(def) = &schema.watermark {
        if let Some(old) = &table.watermark {
            return Err(already("watermark", &format!("on column '{}'", old.column)).at(def
                .column
                .first()
                .map(location_of)
                .unwrap_or_default()));
        }
        table.watermark = Some(watermark(def)?);
    }
    for constraint in constraints(schema) {
        if let Some(old) = &table.primary_key {
            return Err(already("primary key", &format!("'{}'", old.name)).at(place_of(constraint)));
        }
        table.primary_key = Some(primary_key(constraint)?);
        check_key(table, constraint)?;
    }
    Ok(())
}

/// `MODIFY`: what is there already.
pub(super) fn modify(table: &mut CatalogTable, schema: &AlterSchema) -> Result<()> {
    for changed in &schema.columns {
        let new = plain(changed)?;
        let Some(old) = position_of(table, &new.name) else {
            return Err(unknown(table, &changed.column.name).with_hint("ADD makes a new column."));
        };
        check_kind(table, &new).map_err(|e| e.at(location_of(&changed.column.name)))?;
        match &changed.position {
            None => table.columns[old] = new,
            Some(position) => {
                table.columns.remove(old);
                let index = place(table, position)?;
                table.columns.insert(index, new);
            }
        }
    }
    if let Some(def) = &schema.watermark {
        if table.watermark.is_none() {
            return Err(Error::invalid("the table has no watermark").with_hint("Use ADD WATERMARK."));
        }
        table.watermark = Some(watermark(def)?);
    }
    for constraint in constraints(schema) {
        if table.primary_key.is_none() {
            return Err(Error::invalid("the table has no primary key")
                .at(place_of(constraint))
                .with_hint("Use ADD PRIMARY KEY."));
        }
        table.primary_key = Some(primary_key(constraint)?);
        check_key(table, constraint)?;
    }
    // Whatever type was written: a key is never null.
    let key: Vec<Ident> =
        table.primary_key.iter().flat_map(|k| &k.columns).map(|name| Ident::new(name.clone())).collect();
    let never_null = |name: &Ident| physical(table, name, "key").map(|column| column.ty.nullable = false);
    key.iter().try_for_each(never_null).map_err(|e| e.with_location(None))
}

/// `DROP`: columns that nothing else stands on, unless it is dropped with them.
pub(super) fn drop_columns(table: &mut CatalogTable, names: &[Vec<Ident>]) -> Result<()> {
    let mut dropped = BTreeSet::new();
    for name in names {
        let name = single(name, "dropping")?;
        if position_of(table, &name.value).is_none() {
            return Err(unknown(table, name));
        }
        if !dropped.insert(name.value.as_str()) {
            return Err(Error::invalid(format!("column '{}' is named twice", name.value)).at(location_of(name)));
        }
    }
    for name in names {
        let name = single(name, "dropping")?;
        check_unused(table, name, &dropped, "dropped")?;
        if table.primary_key.iter().any(|k| k.columns.contains(&name.value)) {
            return Err(in_use(&name.value, "part of the primary key", "dropped").at(location_of(name)));
        }
    }
    table.columns.retain(|c| !dropped.contains(c.name.as_str()));
    match table.columns.is_empty() {
        true => Err(Error::invalid("the table would have no column")),
        false => Ok(()),
    }
}

/// `RENAME c TO d`.
pub(super) fn rename_column(table: &mut CatalogTable, from: &[Ident], to: &Ident) -> Result<()> {
    let from = single(from, "renaming")?;
    let Some(index) = position_of(table, &from.value) else { return Err(unknown(table, from)) };
    if position_of(table, &to.value).is_some() {
        return Err(Error::invalid(format!("column '{}' exists already", to.value)).at(location_of(to)));
    }
    check_unused(table, from, &BTreeSet::new(), "renamed")?;
    let column = &mut table.columns[index];
    if let ColumnKind::Metadata { key, .. } = &mut column.kind {
        // Without a key it is read by its name, which is another one now.
        key.get_or_insert_with(|| from.value.clone());
    }
    column.name.clone_from(&to.value);
    for key in table.primary_key.iter_mut().flat_map(|k| &mut k.columns).filter(|k| **k == from.value) {
        key.clone_from(&to.value);
    }
    Ok(())
}

/// A column that is not inside a row.
fn plain(added: &AddColumn) -> Result<Column> {
    match added.parents.first() {
        Some(parent) => Err(Error::unsupported("changing a field inside a row").at(location_of(parent))),
        None => column(&added.column),
    }
}

/// The only part of a column's name.
fn single<'i>(name: &'i [Ident], doing: &str) -> Result<&'i Ident> {
    match name {
        [name] => Ok(name),
        parts => {
            let at = parts.first().map(location_of).unwrap_or_default();
            Err(Error::unsupported(format!("{doing} a field inside a row")).at(at))
        }
    }
}

fn position_of(table: &CatalogTable, name: &str) -> Option<usize> {
    table.columns.iter().position(|c| c.name == name)
}

/// The index that a position means.
fn place(table: &CatalogTable, position: &ColumnPosition) -> Result<usize> {
    match position {
        ColumnPosition::First => Ok(0),
        ColumnPosition::After(name) => {
            let name = single(name, "a place behind")?;
            position_of(table, &name.value).map(|index| index + 1).ok_or_else(|| unknown(table, name))
        }
    }
}

/// Constraints on their own and behind columns.
fn constraints(schema: &AlterSchema) -> impl Iterator<Item = &TableConstraint> {
    let in_columns = schema.columns.iter().filter_map(|c| match &c.column.kind {
        ast::ColumnKind::Physical { constraint, .. } => constraint.as_ref(),
        _ => None,
    });
    schema.constraints.iter().chain(in_columns)
}

/// A column of the partitions or the distribution stays a stored one.
fn check_kind(table: &CatalogTable, new: &Column) -> Result<()> {
    let stored = table.partition_keys.contains(&new.name) || super::declare::is_distributed_by(table, &new.name);
    match stored && !new.is_physical() {
        true => Err(Error::invalid(format!("column '{}' must stay one that is stored", new.name))
            .with_detail("Partitions or the distribution stand on it.")),
        false => Ok(()),
    }
}

/// Checks that nothing but what goes too reads a column.
fn check_unused(table: &CatalogTable, name: &Ident, going: &BTreeSet<&str>, verb: &str) -> Result<()> {
    let at = location_of(name);
    for other in table.columns.iter().filter(|c| !going.contains(c.name.as_str())) {
        if let ColumnKind::Computed { expression } = &other.kind
            && columns_of(expression)?.contains(&name.value)
        {
            return Err(in_use(&name.value, &format!("used by the computed column '{}'", other.name), verb).at(at));
        }
    }
    match use_of_column(table, &name.value) {
        Some(used) => Err(in_use(&name.value, &used, verb).at(at)),
        None => Ok(()),
    }
}

fn in_use(name: &str, used: &str, verb: &str) -> Error {
    Error::invalid(format!("column '{name}' cannot be {verb}")).with_detail(format!("It is {used}."))
}

fn unknown(table: &CatalogTable, name: &Ident) -> Error {
    let error = Error::invalid(format!("column '{}' does not exist", name.value)).at(location_of(name));
    crate::catalog::suggest(error, &name.value, table.columns.iter().map(|c| c.name.as_str()))
}

fn already(what: &str, which: &str) -> Error {
    Error::invalid(format!("the table has a {what} already"))
        .with_detail(format!("It is {which}."))
        .with_hint("Drop it first, or use MODIFY.")
}

fn place_of(constraint: &TableConstraint) -> Location {
    constraint.columns.first().map(location_of).unwrap_or_default()
}
