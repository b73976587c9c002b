//! Catalogs: what tables, views and databases there are, and what is known of each.

mod catalogs;
mod definitions;
mod file;
mod memory;
pub mod table;

pub(crate) use catalogs::suggest;
pub use catalogs::{Catalogs, Found};
pub use definitions::CatalogDefinition;
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

    /// The tables and views of a database, by name.
    ///
    /// # Errors
    /// If the place they are kept in cannot be read.
    fn relations(&self, database: &str) -> Result<Vec<String>>;

    /// A table or view.
    ///
    /// # Errors
    /// If the place it is kept in cannot be read.
    fn relation(&self, database: &str, name: &str) -> Result<Option<Relation>>;

    /// Creates or replaces a table or view; nothing drops it.
    ///
    /// # Errors
    /// If the place it is kept in cannot be written.
    fn put_relation(&mut self, database: &str, name: &str, relation: Option<Relation>) -> Result<()>;
}

/// What is known of a database besides its tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// `COMMENT`.
    pub comment: Option<String>,
    /// `WITH`.
    pub options: Options,
}
