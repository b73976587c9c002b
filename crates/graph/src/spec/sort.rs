//! Order: by columns, and by time.

use flott_api::Schema;
use serde::{Deserialize, Serialize};

use super::Spec;

/// A column of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortField {
    /// An input column.
    pub column: usize,
    /// Whether large values come first.
    pub descending: bool,
    /// Whether nulls come behind all values.
    pub nulls_last: bool,
}

/// The time by which a stream is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortTime {
    /// Processing time: rows of one millisecond are sorted by the other columns.
    Proctime,
    /// A rowtime column of the input, ascending.
    Rowtime(usize),
}

/// `ORDER BY time, ..` over an insert-only input. It runs with parallelism 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemporalSortSpec {
    /// What comes in; goes out unchanged.
    pub input: Schema,
    /// The time.
    pub time: SortTime,
    /// The order of rows of one time.
    pub order: Vec<SortField>,
}

impl Spec for TemporalSortSpec {
    const KIND: &'static str = "temporal-sort-1";
}
