//! `ALTER TABLE`: checks which table it is, and hands each change to the one who knows it.

use flott_api::{Error, Result};

use super::alter_columns::{add, drop_columns, modify, rename_column};
use super::declare::{Expressions, distribution, is_distributed_by, physical};
use super::names::{location_of, options, parts};
use super::{Outcome, Session};
use crate::catalog::{CatalogTable, ObjectPath, Relation};
use crate::parser::ast::{
    AlterSchema, AlterTable, AlterTableAction, ColumnDef, Distribution, SqlOption, Text, name_location,
};

impl Session {
    /// `ALTER TABLE ..`.
    pub(super) fn alter_table(&mut self, alter: &AlterTable) -> Result<Outcome> {
        let at = name_location(&alter.name);
        let path = self.catalogs.path(&parts(&alter.name)).map_err(|e| e.at(at))?;
        if self.catalogs.temporary(&path).is_some() {
            return Err(Error::invalid(format!("'{path}' is temporary and cannot be altered"))
                .at(at)
                .with_hint("Drop it and create it anew."));
        }
        let table = match self.catalogs.exact(&path, false).map_err(|e| e.at(at))? {
            Some(Relation::Table(table)) => table,
            Some(Relation::View(_)) => {
                return Err(Error::invalid(format!("'{path}' is a view")).at(at).with_hint("Use ALTER VIEW."));
            }
            None if alter.if_exists => return Ok(Outcome::Done { warning: None }),
            None => return Err(self.missing(&path, "table").at(at)),
        };
        if let AlterTableAction::RenameTo(to) = &alter.action {
            let to = self.renamed(&path, to)?;
            self.catalogs.rename(&path, Relation::Table(table), &to).map_err(|e| e.at(at))?;
            return Ok(Outcome::Done { warning: None });
        }
        let (table, warning) = self.altered(&path, table, &alter.action).map_err(|e| e.at(at))?;
        self.catalogs.put(&path, Relation::Table(table), false).map_err(|e| e.at(at))?;
        Ok(Outcome::Done { warning })
    }

    /// The table after a change, and what the user should know.
    fn altered(
        &self,
        path: &ObjectPath,
        mut table: CatalogTable,
        action: &AlterTableAction,
    ) -> Result<(CatalogTable, Option<String>)> {
        let mut warning = None;
        match action {
            AlterTableAction::Add(schema) => {
                add(&mut table, schema)?;
                self.settle_altered(&mut table, schema)?;
            }
            AlterTableAction::Modify(schema) => {
                modify(&mut table, schema)?;
                self.settle_altered(&mut table, schema)?;
            }
            AlterTableAction::DropColumns(columns) => drop_columns(&mut table, columns)?,
            AlterTableAction::RenameColumn { from, to } => rename_column(&mut table, from, to)?,
            AlterTableAction::DropPrimaryKey => {
                table.primary_key.take().ok_or_else(|| none(path, "primary key"))?;
            }
            AlterTableAction::DropConstraint(name) => match &table.primary_key {
                Some(key) if key.name == name.value => table.primary_key = None,
                Some(key) => {
                    return Err(none(path, &format!("constraint '{}'", name.value))
                        .at(location_of(name))
                        .with_hint(format!("Its only constraint is '{}'.", key.name)));
                }
                None => return Err(none(path, &format!("constraint '{}'", name.value)).at(location_of(name))),
            },
            AlterTableAction::DropWatermark => {
                table.watermark.take().ok_or_else(|| none(path, "watermark"))?;
            }
            AlterTableAction::DropDistribution => {
                table.distribution.take().ok_or_else(|| none(path, "distribution"))?;
            }
            AlterTableAction::AddDistribution(def) => distribute(path, &mut table, def, false)?,
            AlterTableAction::ModifyDistribution(def) => distribute(path, &mut table, def, true)?,
            AlterTableAction::Set(given) => set(&mut table, given)?,
            AlterTableAction::Reset(keys) => warning = reset(path, &mut table, keys)?,
            AlterTableAction::AddPartitions { .. } => return Err(no_partitions("ADD PARTITION")),
            AlterTableAction::DropPartitions { .. } => return Err(no_partitions("DROP PARTITION")),
            AlterTableAction::RenameTo(_) => return Err(Error::internal("a renamed table is no changed one")),
        }
        Ok((table, warning))
    }

    /// Types computed columns anew: their own expression may have changed, or what they read.
    fn settle_altered(&self, table: &mut CatalogTable, schema: &AlterSchema) -> Result<()> {
        let columns: Vec<ColumnDef> = schema.columns.iter().map(|c| c.column.clone()).collect();
        self.settle(table, Expressions { columns: &columns, watermark: schema.watermark.as_ref() })
    }

    /// The new name of a table or view, which stays in its database.
    pub(super) fn renamed(&self, path: &ObjectPath, to: &sqlparser::ast::ObjectName) -> Result<ObjectPath> {
        let at = name_location(to);
        let name = parts(to);
        let new = match name.as_slice() {
            [object] => ObjectPath { object: object.clone(), ..path.clone() },
            _ => self.catalogs.path(&name).map_err(|e| e.at(at))?,
        };
        if (&new.catalog, &new.database) != (&path.catalog, &path.database) {
            return Err(Error::invalid(format!("'{path}' cannot move to '{new}'"))
                .at(at)
                .with_detail("Renaming keeps catalog and database."));
        }
        if self.catalogs.exact(&new, false).map_err(|e| e.at(at))?.is_some() {
            return Err(Error::invalid(format!("table or view '{new}' exists already")).at(at));
        }
        Ok(new)
    }

    /// The error for what does not exist, with the name that was meant.
    pub(super) fn missing(&self, path: &ObjectPath, kind: &str) -> Error {
        let names = self.catalogs.names(&path.catalog, &path.database).unwrap_or_default();
        let error = Error::invalid(format!("{kind} '{path}' does not exist"));
        crate::catalog::suggest(error, &path.object, names.iter().map(String::as_str))
    }
}

fn none(path: &ObjectPath, what: &str) -> Error {
    Error::invalid(format!("table '{path}' has no {what}"))
}

fn no_partitions(what: &str) -> Error {
    Error::unsupported(format!("ALTER TABLE .. {what}"))
        .with_detail("The catalogs here keep no list of partitions: a filesystem table finds them in its folders.")
}

fn distribute(path: &ObjectPath, table: &mut CatalogTable, def: &Distribution, modify: bool) -> Result<()> {
    match (&table.distribution, modify) {
        (Some(_), false) => {
            return Err(Error::invalid(format!("table '{path}' has a distribution already"))
                .with_hint("Use MODIFY DISTRIBUTION."));
        }
        (None, true) => return Err(none(path, "distribution").with_hint("Use ADD DISTRIBUTION.")),
        _ => {}
    }
    for name in &def.columns {
        physical(table, name, "distribution")?;
    }
    table.distribution = Some(distribution(def));
    Ok(())
}

fn set(table: &mut CatalogTable, given: &[SqlOption]) -> Result<()> {
    table.options.0.extend(options(given)?.0);
    Ok(())
}

fn reset(path: &ObjectPath, table: &mut CatalogTable, keys: &[Text]) -> Result<Option<String>> {
    if keys.is_empty() {
        return Err(Error::invalid("RESET names no option").with_hint("Write RESET ('key')."));
    }
    let missing: Vec<String> = keys
        .iter()
        .filter(|key| table.options.0.remove(&key.value).is_none())
        .map(|key| format!("'{}'", key.value))
        .collect();
    Ok((!missing.is_empty()).then(|| format!("table '{path}' had no option {}", missing.join(", "))))
}

/// Whether something of the table stands on a column, in words.
pub(super) fn use_of_column(table: &CatalogTable, name: &str) -> Option<String> {
    if table.partition_keys.iter().any(|k| k == name) {
        return Some("a partition column".to_owned());
    }
    if is_distributed_by(table, name) {
        return Some("a column of the distribution".to_owned());
    }
    let watermark = table.watermark.as_ref()?;
    let read = super::text::columns_of(&watermark.expression).is_ok_and(|columns| columns.contains(name));
    (watermark.column == name || read).then(|| "used by the watermark".to_owned())
}
