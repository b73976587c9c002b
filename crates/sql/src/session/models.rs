//! `CREATE MODEL`, `ALTER MODEL`, `DROP MODEL`, `SHOW MODELS` and `DESCRIBE MODEL`.
//!
//! No provider is asked before a model is used, as no connector is before its table is.

use std::collections::BTreeSet;

use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::ObjectName;

use super::describe::{nullable_text, type_text};
use super::names::{location_of, options, parts};
use super::{Outcome, Session, TextTable};
use crate::catalog::{CatalogModel, Column, ColumnKind, FoundModel, ObjectPath};
use crate::parser::ast::{
    AlterObject, AlterObjectAction, ColumnDef, ColumnKind as Declared, CreateModel, Text, name_location,
};

impl Session {
    /// `CREATE MODEL`.
    pub(super) fn create_model(&mut self, create: &CreateModel) -> Result<Outcome> {
        let at = name_location(&create.name);
        let path = self.catalogs.path(&parts(&create.name)).map_err(|e| e.at(at))?;
        let model = declared(create).map_err(|e| e.at(at))?;
        let created = self.catalogs.create_model(&path, model, create.temporary, create.if_not_exists);
        created.map_err(|e| e.at(at))?;
        Ok(Outcome::Done { warning: None })
    }

    /// `ALTER MODEL`.
    pub(super) fn alter_model(&mut self, alter: &AlterObject) -> Result<()> {
        let path = self.catalogs.path(&parts(&alter.name))?;
        if self.catalogs.exact_model(&path, true)?.is_some() {
            return Err(Error::invalid(format!("model '{path}' is temporary and cannot be altered"))
                .with_hint("Drop it and create it anew."));
        }
        let Some(mut model) = self.catalogs.exact_model(&path, false)? else {
            return if alter.if_exists { Ok(()) } else { Err(self.catalogs.no_model(&path)) };
        };
        match &alter.action {
            AlterObjectAction::Set(given) if given.is_empty() => {
                return Err(Error::invalid("SET names no option").with_hint("Write SET ('key' = 'value')."));
            }
            AlterObjectAction::Set(given) => model.options.0.extend(options(given)?.0),
            AlterObjectAction::Reset(keys) => reset(&mut model, keys)?,
            AlterObjectAction::RenameTo(to) => return self.rename_model(&path, model, to),
            AlterObjectAction::Comment(_) => return Err(Error::unsupported("COMMENT in ALTER MODEL")),
        }
        self.catalogs.put_model(&path, Some(model), false)
    }

    fn rename_model(&mut self, path: &ObjectPath, model: CatalogModel, to: &ObjectName) -> Result<()> {
        let at = name_location(to);
        let name = parts(to);
        let new = match name.as_slice() {
            [object] => ObjectPath { object: object.clone(), ..path.clone() },
            _ => self.catalogs.path(&name).map_err(|e| e.at(at))?,
        };
        if (&new.catalog, &new.database) != (&path.catalog, &path.database) {
            return Err(Error::invalid(format!("model '{path}' cannot move to '{new}'"))
                .at(at)
                .with_detail("Renaming keeps catalog and database."));
        }
        self.catalogs.create_model(&new, model, false, false).map_err(|e| e.at(at))?;
        self.catalogs.put_model(path, None, false)
    }

    /// `DROP MODEL`.
    pub(super) fn drop_model(&mut self, name: &[String], temporary: bool, if_exists: bool) -> Result<()> {
        let path = self.catalogs.path(name)?;
        if self.catalogs.exact_model(&path, temporary)?.is_some() {
            return self.catalogs.put_model(&path, None, temporary);
        }
        if if_exists {
            return Ok(());
        }
        let other = self.catalogs.exact_model(&path, !temporary)?.is_some();
        Err(match (temporary, other) {
            (true, true) => Error::invalid(format!("there is no temporary model '{path}'"))
                .with_hint("There is a permanent one of that name: leave TEMPORARY out to drop it."),
            (false, true) => Error::invalid(format!("model '{path}' does not exist"))
                .with_hint("There is a temporary one of that name: write DROP TEMPORARY MODEL to drop it."),
            (_, false) => self.catalogs.no_model(&path),
        })
    }

    /// The model of a name, or an error that suggests another.
    pub(super) fn found_model(&self, name: &ObjectName) -> Result<FoundModel> {
        let (at, name) = (name_location(name), parts(name));
        let found = self.catalogs.find_model(&name).map_err(|e| e.at(at))?;
        match found {
            Some(found) => Ok(found),
            None => {
                let path = self.catalogs.path(&name).map_err(|e| e.at(at))?;
                Err(self.catalogs.no_model(&path).at(at))
            }
        }
    }

    /// `DESCRIBE MODEL`.
    pub(super) fn describe_model(&self, name: &ObjectName) -> Result<Outcome> {
        let FoundModel { model, .. } = self.found_model(name)?;
        let sides = model.input.iter().map(|c| (c, "TRUE")).chain(model.output.iter().map(|c| (c, "FALSE")));
        let row = |(column, is_input): (&Column, &str)| {
            vec![
                Some(column.name.clone()),
                Some(type_text(&column.ty, None)),
                Some(nullable_text(&column.ty)),
                Some(is_input.to_owned()),
                column.comment.clone(),
            ]
        };
        let mut rows: Vec<_> = sides.map(row).collect();
        let mut names = vec!["name", "type", "null", "is input", "comment"];
        // As of a table, there are comments only where somebody wrote one.
        if rows.iter().all(|row| row[4].is_none()) {
            names.pop();
            rows.iter_mut().for_each(|row| drop(row.pop()));
        }
        let mut table = TextTable::of(&names, rows);
        for column in [2, 3] {
            table.schema.fields[column].ty = LogicalType::new(TypeKind::Boolean);
        }
        Ok(Outcome::Table(table))
    }
}

fn reset(model: &mut CatalogModel, keys: &[Text]) -> Result<()> {
    if keys.is_empty() {
        return Err(Error::invalid("RESET names no option").with_hint("Write RESET ('key')."));
    }
    keys.iter().for_each(|key| drop(model.options.0.remove(&key.value)));
    Ok(())
}

/// The model that the statement declares.
fn declared(create: &CreateModel) -> Result<CatalogModel> {
    if create.query.is_some() {
        return Err(Error::unsupported("CREATE MODEL .. AS"));
    }
    if create.options.is_empty() {
        return Err(
            Error::invalid("a model needs options").with_hint("Say whose it is: WITH ('provider' = 'openai', ..).")
        );
    }
    let (given, missing) = match (create.input.is_empty(), create.output.is_empty()) {
        (true, false) => ("OUTPUT", "INPUT"),
        (false, true) => ("INPUT", "OUTPUT"),
        _ => ("", ""),
    };
    if !missing.is_empty() {
        return Err(Error::invalid(format!("the model has {given} and no {missing}")));
    }
    Ok(CatalogModel {
        input: columns(&create.input, "INPUT")?,
        output: columns(&create.output, "OUTPUT")?,
        comment: create.comment.as_ref().map(|c| c.value.clone()),
        options: options(&create.options)?,
    })
}

fn columns(declared: &[ColumnDef], side: &str) -> Result<Vec<Column>> {
    let mut names = BTreeSet::new();
    let mut columns = Vec::with_capacity(declared.len());
    for column in declared {
        let at = location_of(&column.name);
        let name = &column.name.value;
        if !names.insert(name.as_str()) {
            return Err(Error::invalid(format!("two columns of {side} are called '{name}'")).at(at));
        }
        let (kind, ty) = match &column.kind {
            Declared::Physical { data_type, .. } => (ColumnKind::Physical, data_type),
            Declared::Metadata { data_type, key, is_virtual } => {
                let key = key.as_ref().map(|k| k.value.clone());
                (ColumnKind::Metadata { key, is_virtual: *is_virtual }, data_type)
            }
            Declared::Computed(_) => return Err(Error::internal("a column of a model is computed")),
        };
        columns.push(Column {
            name: name.clone(),
            kind,
            ty: ty.to_logical().map_err(|e| e.at(at))?,
            comment: column.comment.as_ref().map(|c| c.value.clone()),
        });
    }
    Ok(columns)
}
