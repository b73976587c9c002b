//! One specification per kind of operator. `sql` writes them, `operators` reads them.

use flott_api::expr::{Expr, FunctionId, Value};
use flott_api::table::ChangelogMode;
use flott_api::{Error, LogicalType, Result, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Role, json};

mod batch;
mod changelog;
mod conflict;
mod correlate;
mod expand;
mod interval_join;
mod join;
mod join_kind;
mod lookup_join;
mod match_recognize;
mod mini_batch;
mod ml_predict;
mod multi_join;
mod over;
mod process;
mod python_calc;
mod rank;
mod sink;
mod sort;
mod temporal_join;
mod window;

pub use batch::{BatchNode, BatchOp, BatchPlan};
pub use changelog::{FromChangelogSpec, ToChangelogSpec};
pub use conflict::{SinkConflict, WatermarkCompactingSinkMaterializerSpec, WatermarkTimestampAssignerSpec};
pub use correlate::{CorrelateSpec, TableFunction};
pub use expand::{ExpandColumn, ExpandSpec};
pub use interval_join::{IntervalJoinSpec, TimedJoinSide};
pub use join::{JoinBest, JoinInput, JoinSide, JoinSpec};
pub use join_kind::JoinKind;
pub use lookup_join::{LookupJoinSpec, LookupRetry};
pub use match_recognize::{
    MatchExpr, MatchOperand, MatchRecognizeSpec, MatchRows, MatchSkip, PatternVariable, RowPattern,
};
pub use mini_batch::{
    GlobalGroupAggregateSpec, IncrementalGroupAggregateSpec, LocalGroupAggregateSpec, MiniBatchAssignerSpec,
    MiniBatchMode,
};
pub use ml_predict::{AsyncPredict, MlPredictTableFunctionSpec};
pub use multi_join::{MultiJoinSpec, MultiJoinStep};
pub use over::{Frame, FrameBound, FrameUnit, OverAggregateSpec, OverFrame, OverOrder};
pub use process::ProcessTableFunctionSpec;
pub use python_calc::{
    PythonCalcSpec, PythonCorrelateSpec, PythonGroupAggregateSpec, PythonOverAggregateSpec, aggregate_calls,
};
pub use rank::{DeduplicateKeep, DeduplicateSpec, DeduplicateTime, RankRange, RankSpec, RankStrategy};
pub use sink::SinkUpsertMaterializerSpec;
pub use sort::{SortField, SortTime, TemporalSortSpec};
pub use temporal_join::TemporalJoinSpec;
pub use window::{
    LocalWindowAggregateSpec, WindowAggregateSpec, WindowDeduplicateSpec, WindowJoinInput, WindowJoinSpec, WindowKind,
    WindowProperty, WindowRankSpec, WindowTableFunctionSpec, WindowTime,
};

/// A specification with the name of its operator.
pub trait Spec: Serialize + DeserializeOwned {
    /// The operator's kind, a lasting name with a version: `calc-1`.
    const KIND: &'static str;

    /// The node role of it.
    ///
    /// # Errors
    /// If it cannot be written; a bug.
    fn role(&self) -> Result<Role> {
        let spec = serde_json::to_value(self)
            .map_err(|e| Error::internal(format!("a '{}' cannot be written", Self::KIND)).with_source(e))?;
        Ok(Role::Operator { kind: Self::KIND.to_owned(), spec })
    }

    /// Reads the bytes of a specification.
    ///
    /// # Errors
    /// If they are none.
    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        json::read(bytes).map_err(|e| {
            Error::corrupt(format!("the specification of a '{}' cannot be read", Self::KIND)).with_source(e)
        })
    }
}

/// Filters and projects: Flink's `Calc`. Expressions read the input columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalcSpec {
    /// What comes in.
    pub input: Schema,
    /// Rows where it is not true are dropped.
    pub condition: Option<Expr>,
    /// The output columns.
    pub projection: Vec<Expr>,
    /// Their names and types.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for CalcSpec {
    const KIND: &'static str = "calc-1";
}

/// Constant rows. Emits them in `finish`: it has no input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValuesSpec {
    /// The rows, a value a column.
    pub rows: Vec<Vec<Value>>,
    /// The columns.
    pub output: Schema,
}

impl Spec for ValuesSpec {
    const KIND: &'static str = "values-1";
}

/// Computes the watermark of each row and emits it where Flink would.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatermarkAssignerSpec {
    /// What comes in; goes out unchanged.
    pub input: Schema,
    /// The rowtime column; a row whose rowtime is null is an error, as in Flink.
    pub rowtime: usize,
    /// The watermark; a null is ignored.
    pub watermark: Expr,
    /// `pipeline.auto-watermark-interval`: a mark is set where the watermark exceeds the last one by
    /// more than this. Milliseconds.
    pub interval_ms: i64,
    /// `scan.watermark.emit.strategy` = `on-event`: a mark is set behind each row that raises the watermark.
    #[serde(default)]
    pub on_event: bool,
    /// `scan.watermark.idle-timeout` or `table.exec.source.idle-timeout`, 0 for never. Milliseconds of processing time.
    pub idle_timeout_ms: i64,
    /// Whether it keeps time for each split of the source at the head of its chain.
    pub per_split: bool,
    /// `table.local-time-zone`.
    pub session_zone: String,
}

impl Spec for WatermarkAssignerSpec {
    const KIND: &'static str = "watermark-assigner-1";
}

/// One aggregate call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AggregateCall {
    /// `count`, `sum`, `avg`, `min`, `max`; `count` without arguments is `COUNT(*)`.
    pub function: FunctionId,
    /// Input columns.
    pub args: Vec<usize>,
    /// A boolean input column: only rows where it is true count.
    pub filter: Option<usize>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// The result's type.
    pub ty: LogicalType,
}

/// Unbounded `GROUP BY`: keys, then aggregates. No aggregate at all is `SELECT DISTINCT`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupAggregateSpec {
    /// What comes in.
    pub input: Schema,
    /// The key columns; none means one group for all rows.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// What the input may hold: decides whether retraction must be possible.
    pub input_changelog: ChangelogMode,
    /// Whether somebody below needs `-U`.
    pub emit_update_before: bool,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
    /// The rows of a mini-batch change each group once: how many there may be (`table.exec.mini-batch.size`). Nothing
    /// where each row changes its group.
    #[serde(default)]
    pub mini_batch_rows_max: Option<u64>,
    /// Keys, then results.
    pub output: Schema,
}

impl Spec for GroupAggregateSpec {
    const KIND: &'static str = "group-aggregate-1";
}

/// `LIMIT` and `OFFSET` without an order, over an insert-only input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitSpec {
    /// Rows to skip.
    pub offset: u64,
    /// Rows to let through after them.
    pub limit: u64,
    /// What comes in; goes out unchanged.
    pub input: Schema,
}

impl Spec for LimitSpec {
    const KIND: &'static str = "limit-1";
}

/// What to do with a null in a `NOT NULL` column of a sink (`table.exec.sink.not-null-enforcer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotNullEnforcer {
    /// Fail.
    Error,
    /// Drop the row.
    Drop,
}

/// What to do with text or bytes too long for their column (`table.exec.sink.type-length-enforcer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TypeLengthEnforcer {
    /// Write them as they are.
    Ignore,
    /// Cut, and pad `CHAR` and `BINARY`.
    TrimPad,
    /// Fail.
    Error,
}

/// Checks what a sink's columns promise, before the sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConstraintEnforcerSpec {
    /// What comes in; goes out unchanged. `NOT NULL` columns are checked.
    pub input: Schema,
    /// The table, for messages.
    pub table: String,
    /// For nulls.
    pub not_null: NotNullEnforcer,
    /// For lengths.
    pub type_length: TypeLengthEnforcer,
}

impl Spec for ConstraintEnforcerSpec {
    const KIND: &'static str = "constraint-enforcer-1";
}

/// Drops `-U`: for sinks that only need the new content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropUpdateBeforeSpec {}

impl Spec for DropUpdateBeforeSpec {
    const KIND: &'static str = "drop-update-before-1";
}

/// Makes an upsert stream into a full changelog by remembering each key's last row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangelogNormalizeSpec {
    /// What comes in; goes out unchanged.
    pub input: Schema,
    /// The primary key.
    pub keys: Vec<usize>,
    /// Whether somebody below needs `-U`.
    pub emit_update_before: bool,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
}

impl Spec for ChangelogNormalizeSpec {
    const KIND: &'static str = "changelog-normalize-1";
}
