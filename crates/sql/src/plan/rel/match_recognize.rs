//! Row patterns.

use flott_api::expr::Expr;
use flott_graph::spec::{MatchExpr, MatchOperand, MatchSkip, PatternVariable, RowPattern, SortField};

use crate::plan::optimize::remapped;

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
    pub measures: Vec<MatchExpr>,
}

impl Match {
    /// The expressions over a match, measures first.
    pub fn expressions(&self) -> impl Iterator<Item = &MatchExpr> {
        self.measures.iter().chain(self.variables.iter().filter_map(|v| v.condition.as_ref()))
    }

    /// The input columns that it reads.
    pub fn reads(&self) -> Vec<usize> {
        let mut columns = self.partition.clone();
        columns.push(self.time);
        columns.extend(self.order.iter().map(|f| f.column));
        for operand in self.expressions().flat_map(|e| &e.operands) {
            match operand {
                MatchOperand::Row { column, .. } => columns.push(*column),
                MatchOperand::Aggregate { args, .. } => columns.extend(args.iter().flat_map(Expr::columns)),
                MatchOperand::Rowtime { .. } => {}
            }
        }
        columns
    }

    /// The same over columns in other places.
    #[must_use]
    pub fn moved(mut self, place: &impl Fn(usize) -> usize) -> Self {
        let columns = self.partition.iter_mut().chain([&mut self.time]);
        columns.chain(self.order.iter_mut().map(|f| &mut f.column)).for_each(|column| *column = place(*column));
        let conditions = self.variables.iter_mut().filter_map(|v| v.condition.as_mut());
        for operand in self.measures.iter_mut().chain(conditions).flat_map(|e| &mut e.operands) {
            match operand {
                MatchOperand::Row { column, .. } => *column = place(*column),
                MatchOperand::Aggregate { args, .. } => {
                    for arg in args {
                        *arg = remapped(arg.clone(), place);
                    }
                }
                MatchOperand::Rowtime { .. } => {}
            }
        }
        self
    }
}
