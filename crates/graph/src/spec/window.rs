//! Windows and the operators over them.

use flott_api::Schema;
use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use serde::{Deserialize, Serialize};

use super::{AggregateCall, JoinKind, SortField, Spec};

/// How time is cut into windows. All lengths are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowKind {
    /// `TUMBLE`: windows that touch each other.
    Tumble {
        /// Length.
        size_ms: i64,
        /// Shift of the windows against the epoch.
        offset_ms: i64,
    },
    /// `HOP`: a window of full length begins at every slide.
    Hop {
        /// Length.
        size_ms: i64,
        /// From the start of a window to that of the next.
        slide_ms: i64,
        /// Shift of the windows against the epoch.
        offset_ms: i64,
    },
    /// `CUMULATE`: windows with one start grow by steps to their full length.
    Cumulate {
        /// Length of the longest.
        max_size_ms: i64,
        /// From the end of a window to that of the next.
        step_ms: i64,
        /// Shift of the windows against the epoch.
        offset_ms: i64,
    },
    /// `SESSION`: a window ends when nothing came for a while.
    Session {
        /// For how long.
        gap_ms: i64,
        /// Each combination of these input columns has sessions of its own; for an aggregation its keys.
        keys: Vec<usize>,
    },
}

impl WindowKind {
    /// Whether a window's place is known from the clock alone.
    pub fn is_aligned(&self) -> bool {
        !matches!(self, WindowKind::Session { .. })
    }

    /// The columns by whose values sessions are told apart.
    pub fn keys(&self) -> &[usize] {
        match self {
            WindowKind::Session { keys, .. } => keys,
            WindowKind::Tumble { .. } | WindowKind::Hop { .. } | WindowKind::Cumulate { .. } => &[],
        }
    }
}

/// What tells which window a row lies in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowTime {
    /// A rowtime column of the input.
    Rowtime(usize),
    /// Processing time.
    Proctime,
    /// The input is that of windows already: this column, a `TIMESTAMP(3)`, is the end of the row's window
    /// (`window_end`). The time is event time.
    Attached(usize),
}

impl WindowTime {
    /// The input column that it is.
    pub fn column(&self) -> Option<usize> {
        match self {
            WindowTime::Rowtime(column) | WindowTime::Attached(column) => Some(*column),
            WindowTime::Proctime => None,
        }
    }

    /// The same with its column elsewhere.
    #[must_use]
    pub fn moved(self, place: impl FnOnce(usize) -> usize) -> Self {
        match self {
            WindowTime::Rowtime(column) => WindowTime::Rowtime(place(column)),
            WindowTime::Proctime => WindowTime::Proctime,
            WindowTime::Attached(column) => WindowTime::Attached(place(column)),
        }
    }
}

/// A window table function without aggregation: appends `window_start`, `window_end` and
/// `window_time` to each row, once for each of its windows. Rows of a session come when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowTableFunctionSpec {
    /// What comes in.
    pub input: Schema,
    /// The time column.
    pub time: WindowTime,
    /// The windows.
    pub window: WindowKind,
    /// The zone in which days begin: the session's for `TIMESTAMP_LTZ`, `UTC` for `TIMESTAMP`.
    pub zone: String,
    /// Input columns, then the three.
    pub output: Schema,
}

impl Spec for WindowTableFunctionSpec {
    const KIND: &'static str = "window-table-function-1";
}

/// A property of the window that the aggregation emits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowProperty {
    /// `window_start`
    Start,
    /// `window_end`
    End,
    /// `window_time`: the end less one millisecond.
    Time,
}

/// `GROUP BY window_start, window_end, ..` over a window table function, and `GROUP BY TUMBLE(..)` and its
/// kin. Emits keys, results, then window properties, when the watermark passes the window's end; append-only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowAggregateSpec {
    /// What comes in.
    pub input: Schema,
    /// The time column.
    pub time: WindowTime,
    /// The windows.
    pub window: WindowKind,
    /// The zone in which days begin: the session's for `TIMESTAMP_LTZ`, `UTC` for `TIMESTAMP`.
    pub zone: String,
    /// The key columns besides the window.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// What the input may hold: decides whether retraction must be possible. Plans written before there was
    /// this field had insertions only.
    #[serde(default = "insert_only")]
    pub input_changelog: ChangelogMode,
    /// Whether a first phase reads `input`: then what comes is what that gives.
    #[serde(default)]
    pub in_phases: bool,
    /// The window properties to emit, in order.
    pub properties: Vec<WindowProperty>,
    /// Keys, results, properties.
    pub output: Schema,
}

/// The first phase of a [`WindowAggregateSpec`] over event time: aggregates the rows of a batch by key and slice, and emits what
/// the aggregates remember. Keeps nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalWindowAggregateSpec {
    /// What comes in.
    pub input: Schema,
    /// The time column.
    pub time: WindowTime,
    /// The windows.
    pub window: WindowKind,
    /// The zone in which days begin.
    pub zone: String,
    /// The key columns besides the window.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// What the input may hold: decides whether retraction must be possible.
    pub input_changelog: ChangelogMode,
    /// The keys, the time of a row of the slice, one column of bytes.
    pub output: Schema,
}

impl Spec for LocalWindowAggregateSpec {
    const KIND: &'static str = "local-window-aggregate-1";
}

fn insert_only() -> ChangelogMode {
    ChangelogMode::INSERT_ONLY
}

impl Spec for WindowAggregateSpec {
    const KIND: &'static str = "window-aggregate-1";
}

/// The first rows of each window and key by `ROW_NUMBER()`, when the window is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowRankSpec {
    /// What comes in: insertions only.
    pub input: Schema,
    /// The column with the end of the row's window.
    pub window_end: usize,
    /// The zone in which days begin.
    pub zone: String,
    /// The partition's columns besides the window.
    pub keys: Vec<usize>,
    /// The order; of equal rows the one that came first is first.
    pub order: Vec<SortField>,
    /// The first rank that is emitted, from 1.
    pub rank_start: u64,
    /// The last one.
    pub rank_end: u64,
    /// Whether the rank is emitted, as a `BIGINT` behind the input's columns.
    pub emit_rank: bool,
    /// What goes out.
    pub output: Schema,
}

impl Spec for WindowRankSpec {
    const KIND: &'static str = "window-rank-1";
}

/// The first or last row of each window and key by rowtime, when the window is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowDeduplicateSpec {
    /// What comes in, insertions only; goes out unchanged.
    pub input: Schema,
    /// The column with the end of the row's window.
    pub window_end: usize,
    /// The zone in which days begin.
    pub zone: String,
    /// The partition's columns besides the window.
    pub keys: Vec<usize>,
    /// The rowtime.
    pub rowtime: usize,
    /// Whether the last row stays: the later one of equal times. Else the first: the earlier one of equal times.
    pub keep_last: bool,
}

impl Spec for WindowDeduplicateSpec {
    const KIND: &'static str = "window-deduplicate-1";
}

/// One input of a window join.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowJoinInput {
    /// What comes in: insertions only.
    pub schema: Schema,
    /// The column with the end of the row's window.
    pub window_end: usize,
    /// The columns that must be equal, in the order of the other side's.
    pub keys: Vec<usize>,
}

/// Joins the rows of equal windows and keys, when the window is over; append-only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowJoinSpec {
    /// Input 0.
    pub left: WindowJoinInput,
    /// Input 1.
    pub right: WindowJoinInput,
    /// For each key whether null equals nothing (`=`), not even null (`IS NOT DISTINCT FROM`).
    pub filter_nulls: Vec<bool>,
    /// What else must be true of a pair: over the columns of the left row and then of the right one.
    pub condition: Option<Expr>,
    /// Which rows it gives.
    pub kind: JoinKind,
    /// The zone in which days begin.
    pub zone: String,
    /// `table.local-time-zone`, for the condition.
    pub session_zone: String,
    /// Left columns, then right ones; left ones alone for semi and anti.
    pub output: Schema,
}

impl Spec for WindowJoinSpec {
    const KIND: &'static str = "window-join-1";
}
