//! Mini-batches: who says where one ends, and aggregation in two phases.

use flott_api::Schema;
use flott_api::table::ChangelogMode;
use serde::{Deserialize, Serialize};

use super::{AggregateCall, Spec};

/// What ends a mini-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MiniBatchMode {
    /// The clock.
    Proctime,
    /// The watermark.
    Rowtime,
}

/// Lets a watermark through, or makes one, every so often: operators behind it work on all rows between two of them at
/// once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MiniBatchAssignerSpec {
    /// `table.exec.mini-batch.allow-latency`, in milliseconds.
    pub interval_ms: i64,
    /// What ends one.
    pub mode: MiniBatchMode,
}

impl Spec for MiniBatchAssignerSpec {
    const KIND: &'static str = "mini-batch-assigner-1";
}

/// The first phase of a `GROUP BY`: aggregates the rows of a mini-batch by their keys, and emits what the aggregates
/// remember of each key. Keeps nothing from one mini-batch to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalGroupAggregateSpec {
    /// What comes in.
    pub input: Schema,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// What the input may hold: decides whether retraction must be possible.
    pub input_changelog: ChangelogMode,
    /// `table.exec.mini-batch.size`: a mini-batch has no more rows.
    pub mini_batch_rows_max: u64,
    /// The keys, then one column of bytes.
    pub output: Schema,
}

impl Spec for LocalGroupAggregateSpec {
    const KIND: &'static str = "local-group-aggregate-1";
}

/// The second phase: puts together what the first one emits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlobalGroupAggregateSpec {
    /// What the first phase reads.
    pub rows: Schema,
    /// The key columns there. What comes in has them first, and then one column of bytes.
    pub keys: Vec<usize>,
    /// The aggregates over those rows.
    pub aggregates: Vec<AggregateCall>,
    /// What the rows may be.
    pub rows_changelog: ChangelogMode,
    /// `table.exec.mini-batch.size`: a mini-batch has no more rows.
    pub mini_batch_rows_max: u64,
    /// Whether somebody below needs `-U`.
    pub emit_update_before: bool,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
    /// Keys, then results.
    pub output: Schema,
}

/// The second phase of one `GROUP BY` and the first one of another over what it gives, in one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncrementalGroupAggregateSpec {
    /// The second phase, by key and part of the values under `DISTINCT`.
    pub by_part: GlobalGroupAggregateSpec,
    /// The first phase, by key.
    pub by_key: LocalGroupAggregateSpec,
}

impl Spec for IncrementalGroupAggregateSpec {
    const KIND: &'static str = "incremental-group-aggregate-1";
}

impl Spec for GlobalGroupAggregateSpec {
    const KIND: &'static str = "global-group-aggregate-1";
}
