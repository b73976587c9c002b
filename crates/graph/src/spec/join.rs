//! Joins of rows that are kept as long as they may meet others.

use flott_api::Schema;
use flott_api::expr::Expr;
use serde::{Deserialize, Serialize};

use super::{JoinKind, SortField, Spec};

/// How the rows of an input are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinInput {
    /// There is one for each join key: a unique key is part of it.
    UniqueByJoinKey,
    /// By these columns.
    Unique(Vec<usize>),
    /// Not: equal rows are counted.
    NotUnique,
    /// Not, and none is ever taken back.
    InsertOnly,
}

/// One side of a join.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinSide {
    /// What comes in.
    pub input: Schema,
    /// The columns that are compared, in the order of the other side's.
    pub keys: Vec<usize>,
    /// How rows are told apart.
    pub rows: JoinInput,
    /// `table.exec.state.ttl`, 0 for never. Milliseconds.
    pub state_ttl_ms: i64,
}

/// A join by equal keys and a condition, of any changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinSpec {
    /// Which rows come.
    pub kind: JoinKind,
    /// The left side.
    pub left: JoinSide,
    /// The right side.
    pub right: JoinSide,
    /// For each key whether nulls are equal to each other; else a null is equal to nothing.
    pub nulls_meet: Vec<bool>,
    /// What must hold besides equal keys; over the columns of the left, then of the right.
    pub condition: Option<Expr>,
    /// The columns of the left, then of the right unless only the left's come.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
    /// Which pairs matter, if not all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<JoinBest>,
}

/// Pairs that only matter if they are better than all before them: the others may be left out. The columns are those of
/// the left, then of the right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinBest {
    /// By what they are compared with each other.
    pub partition: Vec<usize>,
    /// What the better one has first.
    pub order: Vec<SortField>,
}

impl Spec for JoinSpec {
    const KIND: &'static str = "join-1";
}
