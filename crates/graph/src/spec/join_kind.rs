//! What becomes of rows that meet no other.

use serde::{Deserialize, Serialize};

/// Which rows a join gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and rows of the left without one, with nulls.
    Left,
    /// Pairs, and rows of the right without one, with nulls.
    Right,
    /// Pairs, and all rows without one, with nulls.
    Full,
    /// Rows of the left that have a pair.
    Semi,
    /// Rows of the left that have none.
    Anti,
}

impl JoinKind {
    /// Whether a row of the left may come without one of the right, whose columns are null then.
    pub fn keeps_left(self) -> bool {
        matches!(self, JoinKind::Left | JoinKind::Full)
    }

    /// Whether a row of the right may come without one of the left, whose columns are null then.
    pub fn keeps_right(self) -> bool {
        matches!(self, JoinKind::Right | JoinKind::Full)
    }

    /// Whether only rows of the left come.
    pub fn is_left_only(self) -> bool {
        matches!(self, JoinKind::Semi | JoinKind::Anti)
    }
}
