//! Models as catalogs keep them.

use flott_api::options::Options;
use serde::{Deserialize, Serialize};

use super::Column;

/// The option that says whose model it is.
const PROVIDER: &str = "provider";

/// A model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CatalogModel {
    /// `INPUT (..)`; physical columns.
    pub input: Vec<Column>,
    /// `OUTPUT (..)`; physical columns and metadata.
    pub output: Vec<Column>,
    /// `COMMENT`.
    pub comment: Option<String>,
    /// `WITH`, with `provider`.
    pub options: Options,
}

impl CatalogModel {
    /// Whose model it is.
    pub fn provider(&self) -> Option<&str> {
        self.options.0.get(PROVIDER).map(String::as_str)
    }

    /// The options without `provider`.
    pub fn provider_options(&self) -> Options {
        let mut options = self.options.clone();
        options.0.remove(PROVIDER);
        options
    }
}
