//! `DROP` of tables, views, databases, catalogs and what is in them.

use flott_api::{Error, Result};

use super::names::parts;
use super::{Outcome, Session};
use crate::catalog::{ObjectKind, Relation};
use crate::parser::ast::{Drop, DropKind, Scope, name_location};

impl Session {
    /// `DROP ..`.
    pub(super) fn drop_object(&mut self, drop: &Drop) -> Result<Outcome> {
        let name = parts(&drop.name);
        let temporary = drop.scope != Scope::Permanent;
        let done = match drop.kind {
            DropKind::Table => self.drop_relation(&name, temporary, drop.if_exists, true),
            DropKind::View => self.drop_relation(&name, temporary, drop.if_exists, false),
            DropKind::Database => {
                let (catalog, database) = self.database_path(&drop.name)?;
                self.drop_database(&catalog, &database, drop)
            }
            DropKind::Catalog => self.catalogs.drop_catalog(&name.join("."), drop.if_exists),
            DropKind::Function => self.drop_function(drop.scope, &drop.name, drop.if_exists),
            DropKind::Model => self.drop_model(&name, temporary, drop.if_exists),
            other => Err(Error::unsupported(format!("DROP {other}"))),
        };
        done.map_err(|e| e.at(name_location(&drop.name)))?;
        Ok(Outcome::Done { warning: None })
    }

    fn drop_relation(&mut self, name: &[String], temporary: bool, if_exists: bool, table: bool) -> Result<()> {
        let path = self.catalogs.path(name)?;
        let kind = if table { "table" } else { "view" };
        let is_kind = |relation: &Relation| matches!(relation, Relation::Table(_)) == table;
        if !temporary && self.catalogs.temporary(&path).is_some_and(is_kind) {
            return Err(Error::invalid(format!("there is a temporary {kind} '{path}'"))
                .with_hint(format!("Drop that one first, with DROP TEMPORARY {}.", kind.to_uppercase())));
        }
        let there = self.catalogs.exact(&path, temporary)?;
        if there.as_ref().is_some_and(is_kind) {
            return self.catalogs.remove(&path, temporary);
        }
        if if_exists {
            return Ok(());
        }
        let error = match (there, temporary) {
            (Some(Relation::View(_)), _) => Error::invalid(format!("'{path}' is a view")).with_hint("Use DROP VIEW."),
            (Some(Relation::Table(_)), _) => {
                Error::invalid(format!("'{path}' is a table")).with_hint("Use DROP TABLE.")
            }
            (None, true) if self.catalogs.exact(&path, false)?.is_some() => {
                Error::invalid(format!("there is no temporary {kind} '{path}'"))
                    .with_hint("There is a permanent object of that name: leave TEMPORARY out to drop it.")
            }
            (None, true) => self.missing(&path, &format!("temporary {kind}")),
            (None, false) => self.missing(&path, kind),
        };
        Err(error)
    }

    fn drop_database(&mut self, catalog: &str, database: &str, drop: &Drop) -> Result<()> {
        if self.catalogs.catalog(catalog)?.database(database)?.is_none() && drop.if_exists {
            return Ok(());
        }
        self.catalogs.database(catalog, database)?;
        if self.catalogs.current_catalog() == catalog && self.catalogs.current_database() == database {
            return Err(Error::invalid(format!("database '{catalog}.{database}' is in use"))
                .with_hint("Change to another one with USE first."));
        }
        if !drop.cascade && !self.is_empty(catalog, database)? {
            return Err(Error::invalid(format!("database '{catalog}.{database}' is not empty"))
                .with_hint("Add CASCADE to drop its tables, views, functions and models as well."));
        }
        self.catalogs.catalog_mut(catalog)?.put_database(database, None)
    }

    fn is_empty(&self, catalog: &str, database: &str) -> Result<bool> {
        let catalog = self.catalogs.catalog(catalog)?;
        let kinds = [ObjectKind::Relation, ObjectKind::Function, ObjectKind::Model];
        let counts = kinds.map(|kind| catalog.names(database, kind).map(|names| names.len()));
        Ok(counts.into_iter().sum::<Result<usize>>()? == 0)
    }
}
