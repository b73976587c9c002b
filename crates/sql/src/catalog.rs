//! Catalogs: what tables, views and databases there are, and what is known of each.

mod catalogs;
mod definitions;
mod file;
mod function;
mod functions;
mod memory;
mod model;
mod models;
pub mod table;

pub(crate) use catalogs::suggest;
pub use catalogs::{Catalogs, Found};
pub use definitions::CatalogDefinition;
pub use function::{CatalogFunction, SqlFunction};
pub use functions::{FoundFunction, FunctionPath};
pub use model::CatalogModel;
pub use models::FoundModel;
pub use table::{CatalogTable, CatalogView, Column, ColumnKind, ObjectPath, PrimaryKey, Relation, Watermark};

use flott_api::Result;
use flott_api::options::Options;
use serde::{Deserialize, Serialize};

/// Where databases and their tables are kept.
///
/// Names are any text, also with slashes and dots.
pub trait Catalog: Send {
    /// Whether what is in it outlives the session, so that it can be opened anew.
    fn is_kept(&self) -> bool;

    /// The databases, by name.
    ///
    /// # Errors
    /// If the place they are kept in cannot be read.
    fn databases(&self) -> Result<Vec<String>>;

    /// One database.
    ///
    /// # Errors
    /// If the place it is kept in cannot be read.
    fn database(&self, name: &str) -> Result<Option<Database>>;

    /// Creates a database, or replaces what is known of it; nothing drops it with all in it.
    ///
    /// # Errors
    /// If the place it is kept in cannot be written.
    fn put_database(&mut self, name: &str, database: Option<Database>) -> Result<()>;

    /// The objects of a kind in a database, by name.
    ///
    /// # Errors
    /// If the place they are kept in cannot be read.
    fn names(&self, database: &str, kind: ObjectKind) -> Result<Vec<String>>;

    /// An object of a kind.
    ///
    /// # Errors
    /// If the place it is kept in cannot be read.
    fn object(&self, database: &str, kind: ObjectKind, name: &str) -> Result<Option<Object>>;

    /// Creates or replaces an object of a kind; nothing drops it.
    ///
    /// # Errors
    /// If the place it is kept in cannot be written.
    fn put_object(&mut self, database: &str, kind: ObjectKind, name: &str, object: Option<Object>) -> Result<()>;
}

/// What a database has names for: a table, a function and a model may have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// Tables and views.
    Relation,
    /// Functions.
    Function,
    /// Models.
    Model,
}

/// What a name of a database stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A table or view.
    Relation(Relation),
    /// A function.
    Function(CatalogFunction),
    /// A model.
    Model(CatalogModel),
}

impl Object {
    /// The table or view that it is.
    pub fn relation(self) -> Option<Relation> {
        match self {
            Object::Relation(relation) => Some(relation),
            Object::Function(_) | Object::Model(_) => None,
        }
    }

    /// The function that it is.
    pub fn function(self) -> Option<CatalogFunction> {
        match self {
            Object::Function(function) => Some(function),
            Object::Relation(_) | Object::Model(_) => None,
        }
    }

    /// The model that it is.
    pub fn model(self) -> Option<CatalogModel> {
        match self {
            Object::Model(model) => Some(model),
            Object::Relation(_) | Object::Function(_) => None,
        }
    }
}

/// What is known of a database besides its tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// `COMMENT`.
    pub comment: Option<String>,
    /// `WITH`.
    pub options: Options,
}
