//! Aggregation of each row with those before it: `OVER`.

use flott_api::Schema;
use flott_api::table::ChangelogMode;
use serde::{Deserialize, Serialize};

use super::sort::SortField;
use super::{AggregateCall, Spec};

/// By what rows are ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverOrder {
    /// Processing time: the order in which rows come.
    Proctime,
    /// A rowtime column of the input, ascending.
    Rowtime(usize),
    /// Any columns, none for rows that are all equal. The frame begins with the first row, and the input may be updated.
    Columns(Vec<SortField>),
}

/// Which rows before the current one count. The frame ends with the current row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverFrame {
    /// `ROWS`: so many rows before it, or all.
    Rows {
        /// How many; nothing for `UNBOUNDED`.
        preceding: Option<u64>,
    },
    /// `RANGE`: rows whose time is at most so long before it, or all; and those of the same time, or the same place in the
    /// order.
    Range {
        /// Milliseconds; nothing for `UNBOUNDED`.
        preceding_ms: Option<i64>,
    },
}

/// `f(..) OVER (PARTITION BY .. ORDER BY .. ROWS | RANGE ..)`: each input row with the values of the aggregates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverAggregateSpec {
    /// What comes in.
    pub input: Schema,
    /// The partition columns; none for one partition of all rows.
    pub partition: Vec<usize>,
    /// The order.
    pub order: OverOrder,
    /// The frame.
    pub frame: OverFrame,
    /// The aggregates: those of a grouping, and `row_number`, `rank`, `dense_rank` (the arguments are the columns of the
    /// order) and `lag`.
    pub aggregates: Vec<AggregateCall>,
    /// What the input may hold: updates only if the order is by columns.
    pub input_changelog: ChangelogMode,
    /// Whether somebody below needs `-U`.
    pub emit_update_before: bool,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
    /// Input columns, then results.
    pub output: Schema,
}

impl Spec for OverAggregateSpec {
    const KIND: &'static str = "over-aggregate-1";
}
