//! `ALTER` of views, databases, catalogs and models.

use flott_api::options::Options;
use flott_api::{Error, Result};

use super::names::{options, parts};
use super::{Outcome, Session};
use crate::catalog::{CatalogDefinition, Relation};
use crate::parser::ast::{
    AlterObject, AlterObjectAction, AlterView, AlterViewAction, ObjectKind, SqlOption, Text, name_location,
};

impl Session {
    /// `ALTER VIEW ..`.
    pub(super) fn alter_view(&mut self, alter: &AlterView) -> Result<Outcome> {
        let at = name_location(&alter.name);
        let path = self.catalogs.path(&parts(&alter.name)).map_err(|e| e.at(at))?;
        if self.catalogs.temporary(&path).is_some() {
            return Err(Error::invalid(format!("'{path}' is temporary and cannot be altered"))
                .at(at)
                .with_hint("Drop it and create it anew."));
        }
        let old = match self.catalogs.exact(&path, false).map_err(|e| e.at(at))? {
            Some(Relation::View(view)) => view,
            Some(Relation::Table(_)) => {
                return Err(Error::invalid(format!("'{path}' is a table")).at(at).with_hint("Use ALTER TABLE."));
            }
            None => return Err(self.missing(&path, "view").at(at)),
        };
        match &alter.action {
            AlterViewAction::RenameTo(to) => {
                let to = self.renamed(&path, to)?;
                self.catalogs.rename(&path, Relation::View(old), &to).map_err(|e| e.at(at))?;
            }
            AlterViewAction::As(query) => {
                let schema = self.view_schema(&path, query, &[]).map_err(|e| e.at(at))?;
                let view = self.view_of(query, schema, old.comment)?;
                self.replace_view(&path, Relation::View(view), false).map_err(|e| e.at(at))?;
            }
        }
        Ok(Outcome::Done { warning: None })
    }

    /// `ALTER` of a catalog, database or model.
    pub(super) fn alter_object(&mut self, alter: &AlterObject) -> Result<Outcome> {
        let at = name_location(&alter.name);
        match alter.kind {
            ObjectKind::Catalog => self.alter_catalog(&parts(&alter.name).join("."), &alter.action),
            ObjectKind::Database => {
                let (catalog, name) = self.database_path(&alter.name)?;
                self.alter_database(&catalog, &name, &alter.action)
            }
            ObjectKind::Model => self.alter_model(alter),
            ObjectKind::Connection => Err(Error::unsupported("ALTER CONNECTION")),
        }
        .map_err(|e| e.at(at))?;
        Ok(Outcome::Done { warning: None })
    }

    fn alter_database(&mut self, catalog: &str, name: &str, action: &AlterObjectAction) -> Result<()> {
        let mut database = self.catalogs.database(catalog, name)?;
        match action {
            AlterObjectAction::Set(given) => database.options.0.extend(options(given)?.0),
            _ => return Err(Error::unsupported("this ALTER DATABASE").with_hint("It takes SET ('key' = 'value').")),
        }
        self.catalogs.catalog_mut(catalog)?.put_database(name, Some(database))
    }

    fn alter_catalog(&mut self, name: &str, action: &AlterObjectAction) -> Result<()> {
        let mut definition: CatalogDefinition = self.catalogs.definition(name)?.clone();
        match action {
            AlterObjectAction::Set(given) => set(&mut definition.options, given)?,
            AlterObjectAction::Reset(keys) => reset(&mut definition.options, keys)?,
            AlterObjectAction::Comment(comment) => definition.comment = Some(comment.value.clone()),
            AlterObjectAction::RenameTo(_) => return Err(Error::unsupported("renaming a catalog")),
        }
        self.catalogs.alter_catalog(name, definition)
    }
}

/// The option that makes a catalog what it is.
const TYPE: &str = "type";

fn set(all: &mut Options, given: &[SqlOption]) -> Result<()> {
    if let Some(kind) = given.iter().find(|o| o.key.value == TYPE && all.0.get(TYPE) != Some(&o.value.value)) {
        return Err(Error::invalid("a catalog cannot change its type").at(kind.key.at));
    }
    all.0.extend(options(given)?.0);
    Ok(())
}

fn reset(all: &mut Options, keys: &[Text]) -> Result<()> {
    if keys.is_empty() {
        return Err(Error::invalid("RESET names no option").with_hint("Write RESET ('key')."));
    }
    for key in keys {
        if key.value == TYPE {
            return Err(Error::invalid("a catalog needs its type").at(key.at));
        }
        all.0.remove(&key.value);
    }
    Ok(())
}
