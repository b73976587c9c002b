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
    /// One of these: `A | B`.
    Alternatives(Vec<RowPattern>),
    /// These variables in any order: `PERMUTE(A, B)`.
    Permute(Vec<usize>),
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

impl RowPattern {
    /// Whether no row at all matches it.
    pub fn can_be_empty(&self) -> bool {
        match self {
            RowPattern::Variable(_) | RowPattern::Permute(_) => false,
            RowPattern::Sequence(parts) => parts.iter().all(RowPattern::can_be_empty),
            RowPattern::Alternatives(parts) => parts.iter().any(RowPattern::can_be_empty),
            RowPattern::Repeat { pattern, min, .. } => *min == 0 || pattern.can_be_empty(),
        }
    }

    /// The variables that may take its first row; some may be named twice.
    pub fn first(&self) -> Vec<usize> {
        match self {
            RowPattern::Variable(variable) => vec![*variable],
            RowPattern::Permute(variables) => variables.clone(),
            RowPattern::Alternatives(parts) => parts.iter().flat_map(RowPattern::first).collect(),
            RowPattern::Repeat { pattern, .. } => pattern.first(),
            RowPattern::Sequence(parts) => {
                let end = parts.iter().position(|p| !p.can_be_empty()).map_or(parts.len(), |p| p + 1);
                parts[..end].iter().flat_map(RowPattern::first).collect()
            }
        }
    }
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

/// What comes out of a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchRows {
    /// `ONE ROW PER MATCH`: the partition columns, then the measures of the whole match.
    One,
    /// `ALL ROWS PER MATCH`: each of its rows with these input columns, then the measures of the rows up to it.
    All(Vec<usize>),
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
    /// The same of the whole match, where others are of the rows up to the current one: `FINAL`, in a measure of
    /// [`MatchRows::All`].
    Final(Box<MatchOperand>),
    /// `CLASSIFIER()`: the name of the variable that took the last row.
    Classifier,
    /// `MATCH_NUMBER()`: the how manyth match of its partition it is, from 1.
    MatchNumber,
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

/// `MATCH_RECOGNIZE` over an insert-only input: finds patterns in the rows of each partition, in the
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
    pub rows: MatchRows,
    /// Computed of a match.
    pub measures: Vec<MatchExpr>,
    /// `table.local-time-zone`.
    pub session_zone: String,
    /// Columns of the input as `rows` says, then measures.
    pub output: Schema,
}

impl MatchRecognizeSpec {
    /// The input columns that come out.
    pub fn passed(&self) -> &[usize] {
        match &self.rows {
            MatchRows::One => &self.partition,
            MatchRows::All(columns) => columns,
        }
    }

    /// Whether matches are numbered.
    pub fn is_numbered(&self) -> bool {
        self.measures.iter().flat_map(|m| &m.operands).any(|o| *o == MatchOperand::MatchNumber)
    }
}

impl Spec for MatchRecognizeSpec {
    const KIND: &'static str = "match-recognize-2";
}
