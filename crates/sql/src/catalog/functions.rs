//! Functions that users have created: in the catalogs, and temporary ones, of a catalog or of the system.
//!
//! Their names are of lower case, whatever is written, as Flink's. A name alone means a temporary function of the system,
//! then a built-in one, then one of the database in use, temporary ones first; a name with its database only these.

use std::collections::BTreeMap;
use std::fmt;

use flott_api::{Error, Result};

use super::catalogs::{Catalogs, exists, suggest};
use super::{CatalogFunction, Object, ObjectKind, ObjectPath};

/// Temporary functions.
#[derive(Debug, Default)]
pub(super) struct TemporaryFunctions {
    of_system: BTreeMap<String, CatalogFunction>,
    of_catalogs: BTreeMap<ObjectPath, CatalogFunction>,
}

impl TemporaryFunctions {
    pub(super) fn forget_catalog(&mut self, name: &str) {
        self.of_catalogs.retain(|path, _| path.catalog != name);
    }
}

/// Where a function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionPath {
    /// Temporary, before all others.
    System(String),
    /// Temporary, of a catalog.
    Temporary(ObjectPath),
    /// In a catalog.
    Kept(ObjectPath),
}

impl fmt::Display for FunctionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FunctionPath::System(name) => f.write_str(name),
            FunctionPath::Temporary(path) | FunctionPath::Kept(path) => write!(f, "{path}"),
        }
    }
}

/// A function that a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundFunction {
    /// Where it is.
    pub path: FunctionPath,
    /// What it is.
    pub function: CatalogFunction,
}

impl Catalogs {
    /// The function that a name stands for, where `is_built_in` says of a name alone that it is one of ours.
    ///
    /// # Errors
    /// If a catalog cannot be read, or the name has too many parts.
    pub fn find_function(&self, name: &[String], is_built_in: bool) -> Result<Option<FoundFunction>> {
        if let [alone] = name {
            let path = FunctionPath::System(alone.to_lowercase());
            if let Some(function) = self.exact_function(&path)? {
                return Ok(Some(FoundFunction { path, function }));
            }
            if is_built_in {
                return Ok(None);
            }
        }
        let path = self.function_path(name)?;
        for path in [FunctionPath::Temporary(path.clone()), FunctionPath::Kept(path)] {
            if let Some(function) = self.exact_function(&path)? {
                return Ok(Some(FoundFunction { path, function }));
            }
        }
        Ok(None)
    }

    /// The full name of a function of a catalog.
    ///
    /// # Errors
    /// If it has more than three parts.
    pub fn function_path(&self, name: &[String]) -> Result<ObjectPath> {
        let path = self.path(name)?;
        Ok(ObjectPath { object: path.object.to_lowercase(), ..path })
    }

    /// The function that is there.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    pub fn exact_function(&self, path: &FunctionPath) -> Result<Option<CatalogFunction>> {
        Ok(match path {
            FunctionPath::System(name) => self.functions.of_system.get(name).cloned(),
            FunctionPath::Temporary(path) => self.functions.of_catalogs.get(path).cloned(),
            FunctionPath::Kept(path) => self.kept(path, ObjectKind::Function)?.and_then(Object::function),
        })
    }

    /// Creates a function.
    ///
    /// # Errors
    /// If there is one, or its database does not exist.
    pub fn create_function(
        &mut self,
        path: &FunctionPath,
        function: CatalogFunction,
        if_not_exists: bool,
    ) -> Result<()> {
        if let FunctionPath::Kept(path) = path {
            self.database(&path.catalog, &path.database)?;
        }
        if self.exact_function(path)?.is_some() {
            return if if_not_exists { Ok(()) } else { Err(exists("function", &path.to_string())) };
        }
        match path {
            FunctionPath::System(name) => drop(self.functions.of_system.insert(name.clone(), function)),
            FunctionPath::Temporary(path) => drop(self.functions.of_catalogs.insert(path.clone(), function)),
            FunctionPath::Kept(path) => self.keep(path, ObjectKind::Function, Some(Object::Function(function)))?,
        }
        Ok(())
    }

    /// Drops a function.
    ///
    /// # Errors
    /// If there is none.
    pub fn drop_function(&mut self, path: &FunctionPath, if_exists: bool) -> Result<()> {
        if self.exact_function(path)?.is_none() {
            return if if_exists { Ok(()) } else { Err(self.no_function(path)) };
        }
        match path {
            FunctionPath::System(name) => drop(self.functions.of_system.remove(name)),
            FunctionPath::Temporary(path) => drop(self.functions.of_catalogs.remove(path)),
            FunctionPath::Kept(path) => self.keep(path, ObjectKind::Function, None)?,
        }
        Ok(())
    }

    fn no_function(&self, path: &FunctionPath) -> Error {
        let (kind, of) = match path {
            FunctionPath::System(_) => ("temporary system function", None),
            FunctionPath::Temporary(of) => ("temporary function", Some(of)),
            FunctionPath::Kept(of) => ("function", Some(of)),
        };
        let error = Error::invalid(format!("{kind} '{path}' does not exist"));
        let Some(of) = of else {
            return suggest(error, &path.to_string(), self.functions.of_system.keys().map(String::as_str));
        };
        let names = self.function_names(&of.catalog, &of.database).unwrap_or_default();
        suggest(error, &of.object, names.iter().map(String::as_str))
    }

    /// The functions that users have created and that can be seen from a database, by name.
    ///
    /// # Errors
    /// If there is no such database, or it cannot be read.
    pub fn function_names(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        self.database(catalog, database)?;
        let mut names = self.catalog(catalog)?.names(database, ObjectKind::Function)?;
        let here = |path: &&ObjectPath| path.catalog == catalog && path.database == database;
        names.extend(self.functions.of_catalogs.keys().filter(here).map(|path| path.object.clone()));
        names.extend(self.functions.of_system.keys().cloned());
        names.sort();
        names.dedup();
        Ok(names)
    }
}
