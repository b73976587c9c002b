//! Row patterns: `MATCH_RECOGNIZE`.

use flott_api::expr::{Expr, FunctionId};
use flott_api::{LogicalType, Schema};
use serde::{Deserialize, Serialize};

use super::Spec;
use super::sort::{SortField, SortTime};

/// A pattern over variables, each by its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowPattern {
    /// A row that the variable takes.
    Variable(usize),
    /// One after the other.
    Sequence(Vec<RowPattern>),
    /// The same several times.
    Repeat {
        /// What.
        pattern: Box<RowPattern>,
        /// At least.
        min: u32,
        /// At most; nothing for any number.
        max: Option<u32>,
        /// Whether what follows takes no row that this could take.
        greedy: bool,
    },
}

/// Where the next match may begin: `AFTER MATCH SKIP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchSkip {
    /// `TO NEXT ROW`
    ToNextRow,
    /// `PAST LAST ROW`
    PastLastRow,
    /// `TO FIRST v`
    ToFirst(usize),
    /// `TO LAST v`
    ToLast(usize),
}

/// A value that an expression over a match reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MatchOperand {
    /// A column of one of the rows that a variable took; null if it took not as many. In the condition of a variable the current
    /// row is its last one.
    Row {
        /// The variable; nothing for all rows of the match.
        variable: Option<usize>,
        /// Whether rows are counted from the first one (`FIRST`) or from the last one (`LAST`).
        from_first: bool,
        /// How many rows further on.
        offset: u32,
        /// An input column.
        column: usize,
    },
    /// An aggregate over the rows that a variable took.
    Aggregate {
        /// The variable; nothing for all rows of the match.
        variable: Option<usize>,
        /// The function; `count` without arguments is `COUNT(*)`.
        function: FunctionId,
        /// Its arguments over the input columns.
        args: Vec<Expr>,
        /// The result's type.
        ty: LogicalType,
    },
    /// `MATCH_ROWTIME()`: when the match was found, in event time. In a condition the time of the current row.
    Rowtime {
        /// Its type.
        ty: LogicalType,
    },
}

/// An expression over a match. Its columns are its operands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchExpr {
    /// What it reads.
    pub operands: Vec<MatchOperand>,
    /// The expression.
    pub expr: Expr,
}

/// A variable of a pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatternVariable {
    /// Its name.
    pub name: String,
    /// The condition that its rows fulfil; nothing for any row.
    pub condition: Option<MatchExpr>,
}

/// `MATCH_RECOGNIZE` with `ONE ROW PER MATCH` over an insert-only input: finds patterns in the rows of each partition, in the
/// order of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchRecognizeSpec {
    /// What comes in.
    pub input: Schema,
    /// The partition columns; none for one partition of all rows.
    pub partition: Vec<usize>,
    /// The time by which rows are ordered, ascending.
    pub time: SortTime,
    /// The order of rows of one time.
    pub order: Vec<SortField>,
    /// The variables.
    pub variables: Vec<PatternVariable>,
    /// The pattern.
    pub pattern: RowPattern,
    /// Where the next match may begin.
    pub skip: MatchSkip,
    /// `WITHIN`: a match takes less time than this. Milliseconds; nothing for any time.
    pub within_ms: Option<i64>,
    /// What comes out of a match.
    pub measures: Vec<MatchExpr>,
    /// `table.local-time-zone`.
    pub session_zone: String,
    /// Partition columns, then measures.
    pub output: Schema,
}

impl Spec for MatchRecognizeSpec {
    const KIND: &'static str = "match-recognize-1";
}
