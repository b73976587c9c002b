//! Rows times grouping sets.

use flott_api::Schema;
use serde::{Deserialize, Serialize};

use super::Spec;

/// What a column of an expanded row is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpandColumn {
    /// An input column.
    Input(usize),
    /// Null: the column is no key of this grouping set.
    Null,
    /// The number of the grouping set (`$e`), a `BIGINT`.
    Id(i64),
}

/// Gives each row once for each grouping set: Flink's `Expand`. Row kinds stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpandSpec {
    /// What comes in.
    pub input: Schema,
    /// The columns for each grouping set, in the order in which a row's copies go out.
    pub projections: Vec<Vec<ExpandColumn>>,
    /// What goes out.
    pub output: Schema,
}

impl Spec for ExpandSpec {
    const KIND: &'static str = "expand-1";
}
