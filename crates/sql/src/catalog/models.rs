//! Models that users have created: in the catalogs, and temporary ones. A model may have the name of a table.

use flott_api::{Error, Result};

use super::catalogs::{Catalogs, exists, suggest};
use super::{CatalogModel, Object, ObjectKind, ObjectPath};

/// A model that a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundModel {
    /// Its full name.
    pub path: ObjectPath,
    /// What it is.
    pub model: CatalogModel,
    /// Whether it is temporary.
    pub temporary: bool,
}

impl Catalogs {
    /// The model that a name stands for: a temporary one first.
    ///
    /// # Errors
    /// If a catalog cannot be read, or the name has too many parts.
    pub fn find_model(&self, name: &[String]) -> Result<Option<FoundModel>> {
        let path = self.path(name)?;
        for temporary in [true, false] {
            if let Some(model) = self.exact_model(&path, temporary)? {
                return Ok(Some(FoundModel { path, model, temporary }));
            }
        }
        Ok(None)
    }

    /// The model of that name: the temporary one, or the one of the catalog even where a temporary one hides it.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    pub fn exact_model(&self, path: &ObjectPath, temporary: bool) -> Result<Option<CatalogModel>> {
        if temporary {
            return Ok(self.models.get(path).cloned());
        }
        Ok(self.kept(path, ObjectKind::Model)?.and_then(Object::model))
    }

    /// Creates a model.
    ///
    /// # Errors
    /// If there is one of that name, or its database does not exist.
    pub fn create_model(
        &mut self,
        path: &ObjectPath,
        model: CatalogModel,
        temporary: bool,
        if_not_exists: bool,
    ) -> Result<()> {
        if !temporary {
            self.database(&path.catalog, &path.database)?;
        }
        if self.exact_model(path, temporary)?.is_some() {
            return if if_not_exists { Ok(()) } else { Err(exists("model", &path.to_string())) };
        }
        self.put_model(path, Some(model), temporary)
    }

    /// Creates or replaces a model; nothing drops it.
    ///
    /// # Errors
    /// If the catalog cannot be written.
    pub fn put_model(&mut self, path: &ObjectPath, model: Option<CatalogModel>, temporary: bool) -> Result<()> {
        match (temporary, model) {
            (true, Some(model)) => drop(self.models.insert(path.clone(), model)),
            (true, None) => drop(self.models.remove(path)),
            (false, model) => self.keep(path, ObjectKind::Model, model.map(Object::Model))?,
        }
        Ok(())
    }

    /// The models of a database, by name; temporary ones are not listed, as in Flink.
    ///
    /// # Errors
    /// If there is no such database, or it cannot be read.
    pub fn model_names(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        self.database(catalog, database)?;
        self.catalog(catalog)?.names(database, ObjectKind::Model)
    }

    /// The error for a model that does not exist, with the name that was meant.
    pub fn no_model(&self, path: &ObjectPath) -> Error {
        let error = Error::invalid(format!("model '{path}' does not exist"));
        let mut names = self.model_names(&path.catalog, &path.database).unwrap_or_default();
        let here = |p: &&ObjectPath| (&p.catalog, &p.database) == (&path.catalog, &path.database);
        names.extend(self.models.keys().filter(here).map(|p| p.object.clone()));
        suggest(error, &path.object, names.iter().map(String::as_str))
    }
}
