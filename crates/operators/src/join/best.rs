//! Pairs that only matter if they are the best of their partition so far: the others are left out before the columns of
//! their rows are copied.
//!
//! The planner says so where the one reader of an inner join of insertions is a `Rank` that keeps the first row. What is
//! known here is forgotten with the process, and when partitions become many: then some pairs come out that the reader
//! drops itself, and nothing that it would keep is ever left out.

use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;
use flott_api::{Error, Result};
use flott_graph::spec::JoinBest;
use flott_state::hot::GroupTable;
use flott_state::key::{KeyOrder, SortKeys};

use crate::sorting::key_order;

/// All is forgotten when so many partitions are known.
const PARTITIONS_MAX: usize = 1 << 16;

/// See the module.
pub(super) struct Best {
    partition: Vec<usize>,
    order: Vec<(usize, KeyOrder)>,
    partitions: GroupTable,
    /// The sort key of the best pair of each partition; nothing before the first one.
    best: Vec<Option<Vec<u8>>>,
    keys: SortKeys,
}

impl Best {
    /// Over pairs with columns of these types.
    pub(super) fn new(spec: &JoinBest, types: &[DataType]) -> Result<Self> {
        if spec.partition.iter().chain(spec.order.iter().map(|f| &f.column)).any(|c| *c >= types.len()) {
            return Err(Error::internal("the best pair of a join is told by a column that there is not"));
        }
        Ok(Best {
            partitions: GroupTable::new(spec.partition.iter().map(|c| types[*c].clone()).collect())?,
            partition: spec.partition.clone(),
            order: key_order(&spec.order),
            best: Vec::new(),
            keys: SortKeys::default(),
        })
    }

    /// Which of so many pairs are better than all before them of their partition; `column` gives one of theirs.
    pub(super) fn passing(&mut self, count: usize, column: impl Fn(usize) -> Result<ArrayRef>) -> Result<BooleanArray> {
        if self.partitions.len() > PARTITIONS_MAX {
            self.partitions = GroupTable::new(self.partitions.types().to_vec())?;
            self.best.clear();
        }
        let partition = self.partition.iter().map(|c| column(*c)).collect::<Result<Vec<_>>>()?;
        let order = self.order.iter().map(|(c, order)| Ok((column(*c)?, *order))).collect::<Result<Vec<_>>>()?;
        let groups = self.partitions.assign(&partition, count)?;
        self.keys.encode(&order, count)?;
        self.best.resize(self.partitions.end(), None);
        let passing = groups.into_iter().enumerate().map(|(pair, group)| {
            let key = self.keys.get(pair);
            match &mut self.best[group as usize] {
                Some(best) if key >= best.as_slice() => false,
                best => {
                    let kept = best.get_or_insert_default();
                    kept.clear();
                    kept.extend_from_slice(key);
                    true
                }
            }
        });
        Ok(BooleanArray::from(passing.collect::<Vec<bool>>()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use flott_graph::spec::SortField;

    use super::*;

    fn passing(best: &mut Best, pairs: &[(&str, Option<i64>, i64)]) -> Vec<bool> {
        let columns: [ArrayRef; 3] = [
            Arc::new(Int64Array::from_iter_values(pairs.iter().map(|p| p.2))),
            Arc::new(StringArray::from_iter_values(pairs.iter().map(|p| p.0))),
            Arc::new(pairs.iter().map(|p| p.1).collect::<Int64Array>()),
        ];
        let passing = best.passing(pairs.len(), |column| Ok(columns[column].clone())).unwrap();
        passing.iter().map(Option::unwrap).collect()
    }

    /// By the second column; the third one descending with nulls last, then the first one.
    fn best() -> Best {
        let by = |column, descending| SortField { column, descending, nulls_last: true };
        let spec = JoinBest { partition: vec![1], order: vec![by(2, true), by(0, false)] };
        Best::new(&spec, &[DataType::Int64, DataType::Utf8, DataType::Int64]).unwrap()
    }

    #[test]
    fn only_what_is_better_than_all_before_it_passes() {
        let mut best = best();
        let pairs = [("a", None, 5), ("a", Some(1), 5), ("b", Some(0), 5), ("a", Some(1), 5), ("a", Some(1), 4)];
        assert_eq!(passing(&mut best, &pairs), [true, true, true, false, true]);
        let pairs = [("a", Some(1), 4), ("a", None, 0), ("b", Some(7), 9), ("c", None, 9), ("a", Some(2), 9)];
        assert_eq!(passing(&mut best, &pairs), [false, false, true, true, true]);
    }

    #[test]
    fn many_partitions_are_forgotten() {
        let mut best = best();
        assert_eq!(passing(&mut best, &[("x", Some(9), 0)]), [true]);
        assert_eq!(passing(&mut best, &[("x", Some(8), 0)]), [false]);
        let names: Vec<String> = (0..PARTITIONS_MAX).map(|n| n.to_string()).collect();
        let many: Vec<_> = names.iter().map(|n| (n.as_str(), Some(1), 0)).collect();
        assert!(passing(&mut best, &many).into_iter().all(|passes| passes));
        assert_eq!(passing(&mut best, &[("x", Some(8), 0), ("x", Some(8), 0)]), [true, false]);
    }

    #[test]
    fn a_column_that_is_not_there_is_refused() {
        let spec = JoinBest { partition: vec![3], order: Vec::new() };
        assert!(Best::new(&spec, &[DataType::Int64]).is_err());
    }
}
