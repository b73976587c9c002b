//! Row patterns.

use flott_api::expr::Expr;
use flott_graph::spec::{MatchExpr, MatchOperand, MatchRows, MatchSkip, PatternVariable, RowPattern, SortField};

use super::{Column, PROCTIME};

/// A row pattern: `MATCH_RECOGNIZE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The partition columns.
    pub partition: Vec<usize>,
    /// The time column by which rows are ordered.
    pub time: usize,
    /// The order of rows of one time.
    pub order: Vec<SortField>,
    /// The variables.
    pub variables: Vec<PatternVariable>,
    /// The pattern.
    pub pattern: RowPattern,
    /// Where the next match may begin.
    pub skip: MatchSkip,
    /// A match takes less time than this; milliseconds.
    pub within_ms: Option<i64>,
    /// What comes out of a match.
    pub rows: MatchRows,
    /// Computed of a match.
    pub measures: Vec<MatchExpr>,
}

impl Match {
    /// The input columns that come out.
    pub fn passed(&self) -> &[usize] {
        match &self.rows {
            MatchRows::One => &self.partition,
            MatchRows::All(columns) => columns,
        }
    }

    /// What carries time behind it: `MATCH_ROWTIME()` and `MATCH_PROCTIME()`. The rowtime of a row of the match is only typed as
    /// one, as in Flink: when the match is found it is late. So are all its rows that come out.
    pub fn timed(&self, mut columns: Vec<Column>) -> Vec<Column> {
        for (place, column) in columns.iter_mut().enumerate() {
            let measure = place.checked_sub(self.passed().len()).and_then(|m| self.measures.get(m));
            let is_time = measure.is_some_and(|m| match &m.expr {
                Expr::Column { index, .. } => matches!(m.operands.get(*index), Some(MatchOperand::Rowtime { .. })),
                Expr::Call { function, .. } => function.name == PROCTIME,
                _ => false,
            });
            column.time = column.time.filter(|_| is_time);
        }
        columns
    }

    /// The expressions over a match, measures first.
    pub fn expressions(&self) -> impl Iterator<Item = &MatchExpr> {
        self.measures.iter().chain(self.variables.iter().filter_map(|v| v.condition.as_ref()))
    }
}
