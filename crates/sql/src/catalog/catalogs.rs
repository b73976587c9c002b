//! All catalogs of a session, its temporary tables, and what names without a catalog mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::env::FileSystems;
use flott_api::error::nearest;
use flott_api::{Error, Result};

use super::definitions::{CatalogDefinition, CatalogStore};
use super::functions::TemporaryFunctions;
use super::{Catalog, CatalogModel, Database, Object, ObjectKind, ObjectPath, Relation};
use crate::session::Connectors;

struct Open {
    catalog: Box<dyn Catalog>,
    default_database: String,
    definition: CatalogDefinition,
}

/// The catalogs of a session.
pub struct Catalogs {
    files: Arc<dyn FileSystems>,
    /// They know types of catalogs, too.
    connectors: Arc<dyn Connectors>,
    open: BTreeMap<String, Open>,
    temporary: BTreeMap<ObjectPath, Relation>,
    pub(super) functions: TemporaryFunctions,
    /// Temporary ones.
    pub(super) models: BTreeMap<ObjectPath, CatalogModel>,
    store_folder: Option<String>,
    builtin_catalog: String,
    current_catalog: String,
    current_database: String,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its full name.
    pub path: ObjectPath,
    /// What it is.
    pub relation: Relation,
    /// Whether it is temporary.
    pub temporary: bool,
}

impl Catalogs {
    /// The catalogs that a session begins with: the built-in one, and those in the catalog store.
    ///
    /// # Errors
    /// If the store cannot be read, or a catalog in it cannot be opened.
    pub fn new(
        files: Arc<dyn FileSystems>,
        connectors: Arc<dyn Connectors>,
        [builtin_catalog, builtin_database]: [&str; 2],
        store_folder: Option<String>,
    ) -> Result<Self> {
        let mut catalogs = Catalogs {
            files,
            connectors,
            open: BTreeMap::new(),
            temporary: BTreeMap::new(),
            functions: TemporaryFunctions::default(),
            models: BTreeMap::new(),
            store_folder,
            builtin_catalog: builtin_catalog.to_owned(),
            current_catalog: builtin_catalog.to_owned(),
            current_database: builtin_database.to_owned(),
        };
        let options = [("type", "generic_in_memory"), ("default-database", builtin_database)];
        let mut builtin = CatalogDefinition::default();
        builtin.options.0.extend(options.map(|(k, v)| (k.to_owned(), v.to_owned())));
        catalogs.open(builtin_catalog, builtin)?;
        if let Some(store) = catalogs.store() {
            for (name, definition) in store.load()? {
                catalogs.open(&name, definition)?;
            }
        }
        Ok(catalogs)
    }

    fn store(&self) -> Option<CatalogStore> {
        self.store_folder.as_ref().map(|folder| CatalogStore::new(Arc::clone(&self.files), folder))
    }

    fn open(&mut self, name: &str, definition: CatalogDefinition) -> Result<()> {
        let (catalog, default_database) = definition.open(name, self.files.as_ref(), self.connectors.as_ref())?;
        self.open.insert(name.to_owned(), Open { catalog, default_database, definition });
        Ok(())
    }

    /// `CREATE CATALOG`.
    ///
    /// # Errors
    /// If there is one of that name, or its options are wrong.
    pub fn create_catalog(&mut self, name: &str, definition: CatalogDefinition, if_not_exists: bool) -> Result<()> {
        if self.open.contains_key(name) {
            return if if_not_exists { Ok(()) } else { Err(exists("catalog", name)) };
        }
        self.open(name, definition.clone())?;
        let stored = self.store().map_or(Ok(()), |store| store.store(name, &definition));
        if stored.is_err() {
            self.open.remove(name);
        }
        stored
    }

    /// `ALTER CATALOG`: other options, another comment. What is in it stays.
    ///
    /// # Errors
    /// If there is none of that name, or its options are wrong; then it is as before.
    pub fn alter_catalog(&mut self, name: &str, definition: CatalogDefinition) -> Result<()> {
        let old = self.open.get(name).ok_or_else(|| self.no_catalog(name))?;
        if old.definition.options == definition.options {
            // Only the comment.
        } else if old.catalog.is_kept() {
            let (catalog, default_database) = definition.open(name, self.files.as_ref(), self.connectors.as_ref())?;
            self.store_definition(name, &definition)?;
            self.open.insert(name.to_owned(), Open { catalog, default_database, definition });
            return Ok(());
        } else {
            return Err(Error::unsupported(format!(
                "changing the options of catalog '{name}', which lives in memory,"
            ))
            .with_detail("It would be opened anew, and its tables would be gone."));
        }
        self.store_definition(name, &definition)?;
        if let Some(open) = self.open.get_mut(name) {
            open.definition = definition;
        }
        Ok(())
    }

    fn store_definition(&self, name: &str, definition: &CatalogDefinition) -> Result<()> {
        // The built-in catalog is made anew by every session.
        match self.store().filter(|_| name != self.builtin_catalog) {
            Some(store) => store.store(name, definition),
            None => Ok(()),
        }
    }

    /// `DROP CATALOG`.
    ///
    /// # Errors
    /// If there is none of that name, or it is in use.
    pub fn drop_catalog(&mut self, name: &str, if_exists: bool) -> Result<()> {
        if !self.open.contains_key(name) {
            return if if_exists { Ok(()) } else { Err(self.no_catalog(name)) };
        }
        if self.current_catalog == name {
            return Err(Error::invalid(format!("catalog '{name}' is in use"))
                .with_hint("Change to another one with USE CATALOG first."));
        }
        if let Some(store) = self.store() {
            store.remove(name)?;
        }
        self.open.remove(name);
        self.temporary.retain(|path, _| path.catalog != name);
        self.functions.forget_catalog(name);
        self.models.retain(|path, _| path.catalog != name);
        Ok(())
    }

    /// The names of all catalogs.
    pub fn catalog_names(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }

    /// What `CREATE CATALOG` said of a catalog.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn definition(&self, name: &str) -> Result<&CatalogDefinition> {
        self.open.get(name).map(|o| &o.definition).ok_or_else(|| self.no_catalog(name))
    }

    /// `USE CATALOG`.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn use_catalog(&mut self, name: &str) -> Result<()> {
        let open = self.open.get(name).ok_or_else(|| self.no_catalog(name))?;
        self.current_database = open.default_database.clone();
        self.current_catalog = name.to_owned();
        Ok(())
    }

    /// `USE catalog.database`.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn use_database(&mut self, catalog: &str, name: &str) -> Result<()> {
        self.database(catalog, name)?;
        self.current_catalog = catalog.to_owned();
        self.current_database = name.to_owned();
        Ok(())
    }

    /// The catalog in use.
    pub fn current_catalog(&self) -> &str {
        &self.current_catalog
    }

    /// The database in use.
    pub fn current_database(&self) -> &str {
        &self.current_database
    }

    /// A catalog, to read.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn catalog(&self, name: &str) -> Result<&dyn Catalog> {
        self.open.get(name).map(|o| o.catalog.as_ref()).ok_or_else(|| self.no_catalog(name))
    }

    /// A catalog, to change.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn catalog_mut(&mut self, name: &str) -> Result<&mut Box<dyn Catalog>> {
        if !self.open.contains_key(name) {
            return Err(self.no_catalog(name));
        }
        self.open.get_mut(name).map(|o| &mut o.catalog).ok_or_else(|| Error::internal("a catalog has gone"))
    }

    /// A database.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn database(&self, catalog: &str, name: &str) -> Result<Database> {
        let in_catalog = self.catalog(catalog)?;
        match in_catalog.database(name)? {
            Some(database) => Ok(database),
            None => {
                let names = in_catalog.databases()?;
                let error = Error::invalid(format!("database '{catalog}.{name}' does not exist"));
                Err(suggest(error, name, names.iter().map(String::as_str)))
            }
        }
    }

    /// The full name of a name of one to three parts.
    ///
    /// # Errors
    /// If it has more parts.
    pub fn path(&self, name: &[String]) -> Result<ObjectPath> {
        let (catalog, database, object) = match name {
            [object] => (&self.current_catalog, &self.current_database, object),
            [database, object] => (&self.current_catalog, database, object),
            [catalog, database, object] => (catalog, database, object),
            _ => return Err(Error::invalid(format!("'{}' is not a name of one to three parts", name.join(".")))),
        };
        Ok(ObjectPath { catalog: catalog.clone(), database: database.clone(), object: object.clone() })
    }

    /// What a name stands for: a temporary object first, then one of the catalogs.
    ///
    /// # Errors
    /// If a catalog cannot be read. A name that stands for nothing is none.
    pub fn find(&self, name: &[String]) -> Result<Option<Found>> {
        let path = self.path(name)?;
        if let Some(relation) = self.temporary.get(&path) {
            return Ok(Some(Found { path, relation: relation.clone(), temporary: true }));
        }
        let relation = self.kept(&path, ObjectKind::Relation)?.and_then(Object::relation);
        Ok(relation.map(|relation| Found { path, relation, temporary: false }))
    }

    /// The names that a `FROM` may use without qualification, for suggestions.
    pub fn names_here(&self) -> Vec<String> {
        self.names(&self.current_catalog, &self.current_database).unwrap_or_default()
    }

    /// All tables and views of a database, temporary ones too, by name.
    ///
    /// # Errors
    /// If there is no such database, or it cannot be read.
    pub fn names(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        self.database(catalog, database)?;
        let mut names = self.catalog(catalog)?.names(database, ObjectKind::Relation)?;
        let here = |p: &&ObjectPath| p.catalog == catalog && p.database == database;
        names.extend(self.temporary.keys().filter(here).map(|p| p.object.clone()));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Creates a table or view.
    ///
    /// # Errors
    /// If there is one of that name, or its database does not exist.
    pub fn create(
        &mut self,
        path: &ObjectPath,
        relation: Relation,
        temporary: bool,
        if_not_exists: bool,
    ) -> Result<()> {
        if !temporary {
            self.database(&path.catalog, &path.database)?;
        }
        if self.exact(path, temporary)?.is_some() {
            return if if_not_exists { Ok(()) } else { Err(exists("table or view", &path.to_string())) };
        }
        self.put(path, relation, temporary)
    }

    /// The table or view of that name: the temporary one, or the one of the catalog even where a temporary one hides it.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    pub fn exact(&self, path: &ObjectPath, temporary: bool) -> Result<Option<Relation>> {
        if temporary {
            return Ok(self.temporary.get(path).cloned());
        }
        Ok(self.kept(path, ObjectKind::Relation)?.and_then(Object::relation))
    }

    /// What a catalog has under a name.
    pub(super) fn kept(&self, path: &ObjectPath, kind: ObjectKind) -> Result<Option<Object>> {
        match self.open.get(&path.catalog) {
            Some(open) => open.catalog.object(&path.database, kind, &path.object),
            None => Ok(None),
        }
    }

    /// Puts something under a name of a catalog, or takes it away.
    pub(super) fn keep(&mut self, path: &ObjectPath, kind: ObjectKind, object: Option<Object>) -> Result<()> {
        self.catalog_mut(&path.catalog)?.put_object(&path.database, kind, &path.object, object)
    }

    /// Renames a table or view of a catalog, within its database.
    ///
    /// # Errors
    /// If there is one of the new name, or the catalog cannot be written.
    pub fn rename(&mut self, path: &ObjectPath, relation: Relation, to: &ObjectPath) -> Result<()> {
        self.create(to, relation, false, false)?;
        self.remove(path, false)
    }

    /// Creates or replaces a table or view.
    ///
    /// # Errors
    /// If its database does not exist, or the catalog cannot be written.
    pub fn put(&mut self, path: &ObjectPath, relation: Relation, temporary: bool) -> Result<()> {
        if temporary {
            self.temporary.insert(path.clone(), relation);
            return Ok(());
        }
        self.database(&path.catalog, &path.database)?;
        self.keep(path, ObjectKind::Relation, Some(Object::Relation(relation)))
    }

    /// Drops a table or view.
    ///
    /// # Errors
    /// If the catalog cannot be written.
    pub fn remove(&mut self, path: &ObjectPath, temporary: bool) -> Result<()> {
        if temporary {
            self.temporary.remove(path);
            return Ok(());
        }
        self.keep(path, ObjectKind::Relation, None)
    }

    /// The temporary object of that name.
    pub fn temporary(&self, path: &ObjectPath) -> Option<&Relation> {
        self.temporary.get(path)
    }

    fn no_catalog(&self, name: &str) -> Error {
        let error = Error::invalid(format!("catalog '{name}' does not exist"));
        suggest(error, name, self.open.keys().map(String::as_str))
    }
}

pub(super) fn exists(kind: &str, name: &str) -> Error {
    Error::invalid(format!("{kind} '{name}' exists already"))
}

/// Adds the name that was meant.
pub(crate) fn suggest<'a>(error: Error, name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
    match nearest(name, names) {
        Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
        None => error,
    }
}
