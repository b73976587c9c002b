//! Joins of several inputs in one operator, by a key that all of them share.

use flott_api::Schema;
use flott_api::expr::Expr;
use serde::{Deserialize, Serialize};

use super::{JoinKind, JoinSide, Spec};

/// How an input behind the first is joined with those before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiJoinStep {
    /// Inner or left.
    pub kind: JoinKind,
    /// Which inputs before it must have a row that is not filled with nulls: those whose keys its own is compared with.
    pub needs: Vec<usize>,
    /// What must hold besides equal keys, all of it; over the columns of all inputs up to this one.
    pub conditions: Vec<Expr>,
}

/// A join of two or more inputs, of any changes, from left to right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiJoinSpec {
    /// What is joined; the keys of each are the columns that all rows of a result have in common, a null being equal to
    /// nothing. Without any all rows may meet.
    pub inputs: Vec<JoinSide>,
    /// How each input but the first is joined.
    pub steps: Vec<MultiJoinStep>,
    /// The columns of all inputs, one behind the other.
    pub output: Schema,
    /// `table.local-time-zone`, an IANA name or an offset.
    pub session_zone: String,
}

impl Spec for MultiJoinSpec {
    const KIND: &'static str = "multi-join-1";
}
