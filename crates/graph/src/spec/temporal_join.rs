//! Joins with what a table was at the time of a row.

use flott_api::Schema;
use flott_api::expr::Expr;
use serde::{Deserialize, Serialize};

use super::{JoinKind, Spec, TimedJoinSide};

/// A join of each row of the left with the version of the right that was valid at its time, by event time. The right has
/// one row for each key at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemporalJoinSpec {
    /// [`Inner`](JoinKind::Inner) or [`Left`](JoinKind::Left).
    pub kind: JoinKind,
    /// The rows, of any changes.
    pub left: TimedJoinSide,
    /// The versions: a row is valid from its time on; what retracts one ends it at its own time.
    pub right: TimedJoinSide,
    /// For each key whether nulls are equal to each other; else a null is equal to nothing.
    pub nulls_meet: Vec<bool>,
    /// What must hold besides; over the columns of the left, then of the right. Where it does not there is no version.
    pub condition: Option<Expr>,
    /// The columns of the left, then of the right.
    pub output: Schema,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for TemporalJoinSpec {
    const KIND: &'static str = "temporal-join-1";
}
