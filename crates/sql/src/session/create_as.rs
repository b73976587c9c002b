//! `CREATE TABLE .. AS` and `[CREATE OR] REPLACE TABLE .. AS`: a table and the job that fills it.
//!
//! The job is planned before the catalog changes, so a query that cannot be planned leaves no table behind. As in
//! Flink the rest is not atomic: when the job fails later, the table stays.

use flott_api::{Error, Result};
use sqlparser::ast::{Ident, Query};

use super::declare::{Expressions, check_named_columns, declared};
use super::insert::check_distribution;
use super::names::location_of;
use super::overlay::Overlay;
use super::{JobKind, Outcome, Session};
use crate::catalog::{CatalogTable, Column, ColumnKind, ObjectPath, Relation};
use crate::parser::ast::{CreateTable, CreateTableKind, Insert, InsertKind, name_location};
use crate::plan;

impl Session {
    /// `CREATE TABLE .. AS`.
    pub(super) fn create_table_as(
        &mut self,
        create: &CreateTable,
        path: &ObjectPath,
        query: &Query,
    ) -> Result<Outcome> {
        let at = name_location(&create.name);
        self.check_place(create, path).map_err(|e| e.at(at))?;
        let relation = Relation::Table(self.table_as(create, query)?);
        if self.catalogs.exact(path, create.temporary).map_err(|e| e.at(at))?.is_some() {
            // It says so, unless IF NOT EXISTS is there; then nothing is written.
            self.catalogs.create(path, relation, create.temporary, create.if_not_exists).map_err(|e| e.at(at))?;
            return Ok(Outcome::Done { warning: None });
        }
        self.fill(create, path, relation, query)
    }

    /// `[CREATE OR] REPLACE TABLE .. AS`.
    pub(super) fn replace_table_as(
        &mut self,
        create: &CreateTable,
        path: &ObjectPath,
        query: &Query,
    ) -> Result<Outcome> {
        let at = name_location(&create.name);
        self.check_place(create, path).map_err(|e| e.at(at))?;
        match self.catalogs.exact(path, create.temporary).map_err(|e| e.at(at))? {
            Some(Relation::View(_)) => return Err(Error::invalid(format!("'{path}' is a view")).at(at)),
            None if create.kind == CreateTableKind::Replace => {
                let hint = "CREATE OR REPLACE TABLE creates it.";
                return Err(Error::invalid(format!("table '{path}' does not exist")).at(at).with_hint(hint));
            }
            _ => {}
        }
        let relation = Relation::Table(self.table_as(create, query)?);
        let without = Overlay { session: self, path, relation: None };
        if plan::bind_query(&without, query).is_err() {
            return Err(Error::unsupported("REPLACE TABLE by a query that reads the table itself")
                .at(at)
                .with_hint("Write into another table first."));
        }
        self.fill(create, path, relation, query)
    }

    /// Checks that the table can be made there and then be meant by its name.
    fn check_place(&self, create: &CreateTable, path: &ObjectPath) -> Result<()> {
        if create.temporary {
            return Ok(());
        }
        self.catalogs.database(&path.catalog, &path.database)?;
        match self.catalogs.temporary(path) {
            Some(_) => {
                Err(Error::invalid(format!("there is a temporary table or view '{path}', which would hide the table"))
                    .with_hint("Drop that one first."))
            }
            None => Ok(()),
        }
    }

    /// Plans the `INSERT`, and only then changes the catalog.
    fn fill(&mut self, create: &CreateTable, path: &ObjectPath, relation: Relation, query: &Query) -> Result<Outcome> {
        if let Relation::Table(table) = &relation {
            check_distribution(path, table).map_err(|e| e.at(name_location(&create.name)))?;
        }
        let insert = self.insert_of(create, query)?;
        let after = Overlay { session: self, path, relation: Some(&relation) };
        let planned = plan::plan_insert(&after, &[insert]).map_err(|e| e.at(name_location(&create.name)))?;
        self.catalogs.put(path, relation, create.temporary).map_err(|e| e.at(name_location(&create.name)))?;
        Ok(Outcome::job(planned, JobKind::Insert { tables: vec![path.to_string()] }))
    }

    /// The query's columns into those of the table with the same names.
    fn insert_of(&self, create: &CreateTable, query: &Query) -> Result<Insert> {
        let fields = plan::bind_query(self, query)?.schema().fields;
        Ok(Insert {
            kind: InsertKind::Into,
            table: create.name.clone(),
            hints: Vec::new(),
            partition: None,
            columns: fields.into_iter().map(|f| vec![Ident::with_quote('`', f.name)]).collect(),
            source: Box::new(query.clone()),
            on_conflict: None,
        })
    }

    /// The table: the query's columns behind the declared ones; equal names are one column of the declared type in the
    /// query's place.
    fn table_as(&self, create: &CreateTable, query: &Query) -> Result<CatalogTable> {
        let found = plan::bind_query(self, query)?.schema();
        let mut table = declared(create)?;
        let mut of_query: Vec<Column> = Vec::new();
        for field in found.fields {
            if of_query.iter().any(|c| c.name == field.name) {
                return Err(Error::invalid(format!("the query has two columns '{}'", field.name))
                    .at(name_location(&create.name))
                    .with_hint("Give one of them another name with AS."));
            }
            let declared = table.columns.iter().position(|c| c.name == field.name);
            let column = match declared {
                Some(index) => table.columns.remove(index),
                None => Column { name: field.name, kind: ColumnKind::Physical, ty: field.ty, comment: None },
            };
            if !column.is_persisted() {
                let at =
                    create.schema.columns.iter().find(|c| c.name.value == column.name).map(|c| location_of(&c.name));
                return Err(Error::invalid(format!("column '{}' is not stored, and the query writes it", column.name))
                    .at(at.unwrap_or_default()));
            }
            of_query.push(column);
        }
        table.columns.extend(of_query);
        reorder(&mut table, &create.schema.reorder)?;
        check_key_of_query(&table, create)?;
        check_named_columns(&mut table, create)?;
        self.settle(&mut table, Expressions::of(&create.schema))?;
        Ok(table)
    }
}

/// A key may be declared over columns of the query, if they are never null.
fn check_key_of_query(table: &CatalogTable, create: &CreateTable) -> Result<()> {
    for name in create.schema.constraints.iter().flat_map(|c| &c.columns) {
        let declared = create.schema.columns.iter().any(|c| c.name.value == name.value);
        let nullable = table.columns.iter().any(|c| c.name == name.value && c.ty.nullable);
        if nullable && !declared {
            return Err(Error::invalid(format!("key column '{}' of the query may be null", name.value))
                .at(location_of(name))
                .with_hint("Declare the column as NOT NULL in the table."));
        }
    }
    Ok(())
}

/// `(a, b)` before `AS`: all columns, in that order.
fn reorder(table: &mut CatalogTable, order: &[Ident]) -> Result<()> {
    if order.is_empty() {
        return Ok(());
    }
    if order.len() != table.columns.len() {
        return Err(Error::invalid(format!(
            "the list has {} of the query's {} columns",
            order.len(),
            table.columns.len()
        ))
        .at(location_of(&order[0])));
    }
    let mut ordered = Vec::with_capacity(order.len());
    for name in order {
        let index = table.columns.iter().position(|c| c.name == name.value);
        let Some(index) = index else {
            let error = Error::invalid(format!("the query has no column '{}'", name.value)).at(location_of(name));
            return Err(crate::catalog::suggest(error, &name.value, table.columns.iter().map(|c| c.name.as_str())));
        };
        ordered.push(table.columns.remove(index));
    }
    table.columns = ordered;
    Ok(())
}
