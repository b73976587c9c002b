//! Joins of rows whose times are near each other.

use flott_api::Schema;
use flott_api::expr::Expr;
use serde::{Deserialize, Serialize};

use super::{JoinKind, Spec};

/// One side of a join by time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedJoinSide {
    /// What comes in.
    pub input: Schema,
    /// The columns that are compared, in the order of the other side's.
    pub keys: Vec<usize>,
    /// The column with the row's time.
    pub time: usize,
}

/// A join by equal keys, times that are near each other, and a condition. Inputs only insert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalJoinSpec {
    /// Which rows come: pairs, and those of one side or both without one.
    pub kind: JoinKind,
    /// The left side.
    pub left: TimedJoinSide,
    /// The right side.
    pub right: TimedJoinSide,
    /// Whether times are event time; else a row has the time at which it comes.
    pub is_rowtime: bool,
    /// The time of the left is at least that of the right plus this. Milliseconds.
    pub lower_ms: i64,
    /// The time of the left is at most that of the right plus this. Milliseconds. If it is below the lower bound there are
    /// no pairs.
    pub upper_ms: i64,
    /// For each key whether nulls are equal to each other; else a null is equal to nothing.
    pub nulls_meet: Vec<bool>,
    /// What must hold besides; over the columns of the left, then of the right.
    pub condition: Option<Expr>,
    /// The columns of the left, then of the right.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for IntervalJoinSpec {
    const KIND: &'static str = "interval-join-1";
}
