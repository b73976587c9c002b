//! `CREATE` of tables, views, databases and catalogs.

use std::collections::BTreeSet;

use flott_api::{Error, Result, Schema};
use sqlparser::ast::{Ident, Query};

use super::declare::{Expressions, check_named_columns, declared};
use super::like::merge_like;
use super::names::{location_of, options, parts};
use super::overlay::Overlay;
use super::text::quoted;
use super::view_text::expanded;
use super::{Outcome, Session};
use crate::catalog::{CatalogDefinition, CatalogTable, CatalogView, Database, ObjectPath, Relation};
use crate::parser::ast::{
    CreateCatalog, CreateDatabase, CreateTable, CreateTableKind, CreateView, TableTail, name_location,
};
use crate::plan;

impl Session {
    /// `CREATE TABLE` in all its forms.
    pub(super) fn create_table(&mut self, create: &CreateTable) -> Result<Outcome> {
        let at = name_location(&create.name);
        let path = self.catalogs.path(&parts(&create.name)).map_err(|e| e.at(at))?;
        match (&create.tail, create.kind) {
            (Some(TableTail::As(query)), CreateTableKind::Create) => self.create_table_as(create, &path, query),
            (Some(TableTail::As(query)), _) => self.replace_table_as(create, &path, query),
            (_, CreateTableKind::Create) => {
                let table = self.table_of(create)?;
                let relation = Relation::Table(table);
                let created = self.catalogs.create(&path, relation, create.temporary, create.if_not_exists);
                created.map_err(|e| e.at(at))?;
                Ok(Outcome::Done { warning: None })
            }
            _ => Err(Error::invalid("REPLACE TABLE needs a query").at(at).with_hint("Add AS SELECT ...")),
        }
    }

    /// The table that the statement declares, with what `LIKE` takes over.
    fn table_of(&self, create: &CreateTable) -> Result<CatalogTable> {
        if let Some(column) = create.schema.reorder.first() {
            return Err(Error::invalid(format!("column '{}' has no type", column.value))
                .at(location_of(column))
                .with_hint("Column names without types are for CREATE TABLE .. AS."));
        }
        let mut table = declared(create)?;
        if let Some(TableTail::Like(like)) = &create.tail {
            let at = name_location(&like.source);
            let source = match self.found(&parts(&like.source)).map_err(|e| e.at(at))?.relation {
                Relation::Table(source) => source,
                Relation::View(_) => {
                    return Err(Error::invalid(format!("'{}' is a view, and LIKE needs a table", like.source)).at(at));
                }
            };
            table = merge_like(table, source, like, &create.schema.columns)?;
        }
        check_named_columns(&mut table, create)?;
        // Expressions are typed last: they may use columns that LIKE brought.
        self.settle(&mut table, Expressions::of(&create.schema))?;
        Ok(table)
    }

    /// `CREATE VIEW`.
    pub(super) fn create_view(&mut self, create: &CreateView) -> Result<Outcome> {
        let at = name_location(&create.name);
        let path = self.catalogs.path(&parts(&create.name)).map_err(|e| e.at(at))?;
        let schema = self.view_schema(&path, &create.query, &create.columns).map_err(|e| e.at(at))?;
        let comment = create.comment.as_ref().map(|c| c.value.clone());
        let relation = Relation::View(self.view_of(&create.query, schema, comment)?);
        if create.or_replace {
            self.replace_view(&path, relation, create.temporary).map_err(|e| e.at(at))?;
        } else {
            self.catalogs.create(&path, relation, create.temporary, create.if_not_exists).map_err(|e| e.at(at))?;
        }
        Ok(Outcome::Done { warning: None })
    }

    /// The columns of a view, under the names it gives them.
    pub(super) fn view_schema(&self, path: &ObjectPath, query: &Query, names: &[Ident]) -> Result<Schema> {
        let mut schema = plan::bind_query(self, query)?.schema();
        if !names.is_empty() && names.len() != schema.len() {
            let columns: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
            return Err(Error::invalid(format!(
                "view '{path}' has {} names for {} columns",
                names.len(),
                schema.len()
            ))
            .at(location_of(&names[0]))
            .with_detail(format!("The columns of its query are: {}.", columns.join(", "))));
        }
        for (field, name) in schema.fields.iter_mut().zip(names) {
            field.name.clone_from(&name.value);
        }
        let mut seen = BTreeSet::new();
        match schema.fields.iter().find(|f| !seen.insert(f.name.as_str())) {
            Some(twice) => Err(Error::invalid(format!("view '{path}' has two columns '{}'", twice.name))
                .with_hint("Give one of them another name with AS.")),
            None => Ok(schema),
        }
    }

    /// A view as a catalog keeps it.
    pub(super) fn view_of(&self, query: &Query, schema: Schema, comment: Option<String>) -> Result<CatalogView> {
        let original = crate::parser::ast::query_text(query);
        Ok(CatalogView { original, expanded: expanded(self, query)?, schema, comment })
    }

    /// Puts a view in the place of another one.
    pub(super) fn replace_view(&mut self, path: &ObjectPath, relation: Relation, temporary: bool) -> Result<()> {
        if let Some(Relation::Table(_)) = self.catalogs.exact(path, temporary)? {
            return Err(Error::invalid(format!("'{path}' is a table, and cannot become a view")));
        }
        // It may read the one that it replaces, or a view that does.
        let name = [&path.catalog, &path.database, &path.object].map(|part| quoted(part)).join(".");
        let query = crate::parser::parse_query(&format!("SELECT * FROM {name}"))?;
        let after = Overlay { session: self, path, relation: Some(&relation) };
        if plan::bind_query(&after, &query).is_err() {
            // Its query was bound before, so what is new is that it finds itself below.
            return Err(Error::invalid(format!("view '{path}' would read itself")));
        }
        self.catalogs.put(path, relation, temporary)
    }

    /// `CREATE CATALOG`.
    pub(super) fn create_catalog(&mut self, create: &CreateCatalog) -> Result<Outcome> {
        let comment = create.comment.as_ref().map(|c| c.value.clone());
        let definition = CatalogDefinition { options: options(&create.options)?, comment };
        let created = self.catalogs.create_catalog(&create.name.value, definition, create.if_not_exists);
        created.map_err(|e| e.at(location_of(&create.name)))?;
        Ok(Outcome::Done { warning: None })
    }

    /// `CREATE DATABASE`.
    pub(super) fn create_database(&mut self, create: &CreateDatabase) -> Result<Outcome> {
        let at = name_location(&create.name);
        let (catalog, name) = self.database_path(&create.name)?;
        let in_catalog = self.catalogs.catalog_mut(&catalog).map_err(|e| e.at(at))?;
        if in_catalog.database(&name).map_err(|e| e.at(at))?.is_some() {
            return match create.if_not_exists {
                true => Ok(Outcome::Done { warning: None }),
                false => Err(Error::invalid(format!("database '{catalog}.{name}' exists already")).at(at)),
            };
        }
        let comment = create.comment.as_ref().map(|c| c.value.clone());
        let database = Database { comment, options: options(&create.options)? };
        in_catalog.put_database(&name, Some(database)).map_err(|e| e.at(at))?;
        Ok(Outcome::Done { warning: None })
    }
}
