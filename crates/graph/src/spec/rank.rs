//! Ranking: Top-N by a sort key, and deduplication by time.

use flott_api::Schema;
use flott_api::table::ChangelogMode;
use serde::{Deserialize, Serialize};

use super::Spec;
use super::sort::SortField;

/// What a ranking may assume of its input, and so what it must remember: Flink's `RankProcessStrategy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RankStrategy {
    /// Insertions only, in the order of processing time: the first rows stay. The order has no column.
    AppendFirst,
    /// Insertions only: what falls out of the ranks never comes back.
    AppendFast,
    /// Upserts whose sort key only gets better: what falls out of the ranks only comes back with a row of its own.
    UpdateFast {
        /// The upsert key of the input: with the partition columns it names a row. No columns: the input has one row.
        keys: Vec<usize>,
    },
    /// Any changelog: all rows are remembered.
    Retract,
}

/// Which ranks come out, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RankRange {
    /// From one rank to another, both included.
    Constant {
        /// The first one.
        start: u64,
        /// The last one.
        end: u64,
    },
    /// From 1 to what this integer column has in the first row of a partition.
    Variable {
        /// The column.
        end_column: usize,
    },
}

/// `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) <= n`, and without partition columns `ORDER BY .. LIMIT n`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankSpec {
    /// What comes in.
    pub input: Schema,
    /// The partition columns; none for one ranking of all rows.
    pub partition: Vec<usize>,
    /// The order within a partition; none for the order in which rows come.
    pub order: Vec<SortField>,
    /// What may be assumed of the input.
    pub strategy: RankStrategy,
    /// Which ranks come out.
    pub range: RankRange,
    /// Whether the rank comes out too, behind the input columns as `BIGINT`.
    pub emit_rank: bool,
    /// Whether somebody below needs `-U`.
    pub emit_update_before: bool,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
    /// The input columns, and the rank if it comes out.
    pub output: Schema,
}

impl Spec for RankSpec {
    const KIND: &'static str = "rank-1";
}

/// The time by which rows are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeduplicateTime {
    /// Processing time: the order in which rows come.
    Proctime,
    /// A rowtime column of the input.
    Rowtime(usize),
}

/// Which row of a key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeduplicateKeep {
    /// The first one, corrected when an earlier one comes.
    First,
    /// The first one, emitted when the watermark has passed it and never corrected. Only by rowtime.
    FirstOnWatermark,
    /// The last one.
    Last,
}

/// `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY time) = 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeduplicateSpec {
    /// What comes in; goes out unchanged.
    pub input: Schema,
    /// The columns that make rows duplicates; none for one row of all.
    pub keys: Vec<usize>,
    /// The time.
    pub time: DeduplicateTime,
    /// Columns of processing time: rows that differ in nothing else are equal.
    pub proctime_columns: Vec<usize>,
    /// Which row stays.
    pub keep: DeduplicateKeep,
    /// What the input may hold: updates only if the last row by processing time stays.
    pub input_changelog: ChangelogMode,
    /// Whether somebody below needs `-U`.
    pub emit_update_before: bool,
    /// Whether the first row of a key must come as `+I` (`table.exec.insert-and-updateafter-sensitive`); if not, and
    /// nobody needs `-U`, it comes as `+U`.
    pub emit_insert: bool,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
}

impl Spec for DeduplicateSpec {
    const KIND: &'static str = "deduplicate-1";
}
