//! Functions as catalogs keep them.

use flott_api::function::UserFunction;
use flott_api::{LogicalType, Schema};
use serde::{Deserialize, Serialize};

/// A function that a user has created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CatalogFunction {
    /// An expression over its parameters.
    Sql(SqlFunction),
    /// Something in another language.
    External(UserFunction),
}

/// A function whose calls become its expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SqlFunction {
    /// Its parameters.
    pub parameters: Schema,
    /// The type of its result.
    pub returns: LogicalType,
    /// The expression, with functions of catalogs in full.
    pub body: String,
}
