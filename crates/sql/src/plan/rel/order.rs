//! Rows by an order: each with values over those before it, the first ones of each partition, all of them one behind the
//! other.

use flott_graph::spec::{AggregateCall, Frame, RankRange, SortField};

use super::{Column, Op, Rel};

/// Calls over rows of the partition of each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// The partition columns.
    pub partition: Vec<usize>,
    /// The order within a partition.
    pub order: Vec<SortField>,
    /// Which rows count.
    pub frame: Frame,
    /// The calls.
    pub calls: Vec<AggregateCall>,
}

/// The first rows of each partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Rank {
    /// The partition columns.
    pub partition: Vec<usize>,
    /// The order within a partition.
    pub order: Vec<SortField>,
    /// Which ranks come.
    pub range: RankRange,
    /// Whether the rank is a column behind those of the input.
    pub emit_rank: bool,
}

/// Rows in an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// The order.
    pub order: Vec<SortField>,
    /// How many are skipped, and how many come then; nothing for all.
    pub limit: Option<(u64, u64)>,
}

impl Rel {
    /// Appends the values of calls over the partition of each row.
    #[must_use]
    pub fn over(self, over: Over) -> Rel {
        let named = |(i, call): (usize, &AggregateCall)| Column::new(format!("w0$o{i}"), call.ty.clone());
        let results: Vec<Column> = over.calls.iter().enumerate().map(named).collect();
        let columns = self.columns.iter().cloned().chain(results).collect();
        Rel { op: Op::Over(Box::new(over)), inputs: vec![self], columns }
    }

    /// Only the first rows of each partition; `rank` is the column of their rank if it comes.
    #[must_use]
    pub fn ranked(self, rank: Rank, rank_column: Option<Column>) -> Rel {
        let columns = self.columns.iter().cloned().chain(rank_column).collect();
        Rel { op: Op::Rank(Box::new(rank)), inputs: vec![self], columns }
    }

    /// Rows in an order.
    #[must_use]
    pub fn sort(self, sort: Sort) -> Rel {
        Rel { columns: self.columns.clone(), op: Op::Sort(Box::new(sort)), inputs: vec![self] }
    }
}

impl Over {
    /// The input columns that it reads.
    pub fn reads(&self) -> impl Iterator<Item = usize> + '_ {
        let of_calls = self.calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter));
        self.partition.iter().copied().chain(self.order.iter().map(|o| o.column)).chain(of_calls)
    }
}

impl Rank {
    /// The input columns that it reads.
    pub fn reads(&self) -> impl Iterator<Item = usize> + '_ {
        let end = match self.range {
            RankRange::Constant { .. } => None,
            RankRange::Variable { end_column } => Some(end_column),
        };
        self.partition.iter().copied().chain(self.order.iter().map(|o| o.column)).chain(end)
    }
}
