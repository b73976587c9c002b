//! What works on rows that come partition by partition, in their order: where partitions begin, and `ROW_NUMBER`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow_ord::partition::partition;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use arrow_select::take::take;
use flott_api::Result;

use crate::columns;
use crate::error::released;
use crate::exec::Transform;

/// Knows where a partition begins, also across batches.
#[derive(Default)]
pub(crate) struct Runs {
    /// The last row's values.
    last: Option<Vec<ArrayRef>>,
    /// Whether a row has come.
    begun: bool,
}

/// Rows of one partition behind each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) rows: Range<usize>,
    /// Whether its first row is the first one of its partition.
    pub(crate) begins: bool,
}

impl Runs {
    /// Cuts the next rows.
    pub(crate) fn cut(&mut self, values: &[ArrayRef], rows: usize) -> Result<Vec<Run>> {
        if rows == 0 {
            return Ok(Vec::new());
        }
        let begins = !std::mem::replace(&mut self.begun, true);
        if values.is_empty() {
            return Ok(vec![Run { rows: 0..rows, begins }]);
        }
        let before = self.last.replace(values.iter().map(|v| v.slice(rows - 1, 1)).collect());
        let shift = usize::from(before.is_some());
        let compared: Vec<ArrayRef> = match before {
            Some(before) => {
                let pairs = before.iter().zip(values);
                pairs.map(|(a, b)| concat(&[a.as_ref(), b.as_ref()])).collect::<Result<_, _>>()?
            }
            None => values.to_vec(),
        };
        let runs = partition(&compared)?.ranges().into_iter();
        let moved =
            runs.map(|run| Run { begins: run.start >= shift, rows: run.start.saturating_sub(shift)..run.end - shift });
        Ok(moved.filter(|run| !run.rows.is_empty()).collect())
    }
}

/// The values of columns.
pub(crate) fn picked(rows: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|c| Arc::clone(rows.column(*c))).collect()
}

/// Keeps the rows of each partition whose number is in a range.
pub(crate) struct Rank {
    pub(crate) partition: Vec<usize>,
    /// The first number that comes, and the last one.
    pub(crate) range: (u64, u64),
    pub(crate) emit_rank: bool,
    pub(crate) output: SchemaRef,
    pub(crate) runs: Runs,
    /// The number of the last row.
    pub(crate) number: u64,
}

impl Transform for Rank {
    fn push(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let (mut kept, mut numbers) = (Vec::new(), Vec::new());
        for run in self.runs.cut(&picked(&rows, &self.partition), rows.num_rows())? {
            let first = if run.begins { 1 } else { self.number + 1 };
            self.number = first + run.rows.len() as u64 - 1;
            for (row, number) in run.rows.zip(first..).filter(|(_, n)| (self.range.0..=self.range.1).contains(n)) {
                kept.push(row as u64);
                numbers.push(number as i64);
            }
        }
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let places = UInt64Array::from(kept);
        let mut values = rows.columns().iter().map(|c| take(c, &places, None)).collect::<Result<Vec<_>, _>>()?;
        let count = numbers.len();
        if self.emit_rank {
            values.push(Arc::new(Int64Array::from(numbers)));
        }
        Ok(vec![columns::batch(&self.output, values, count).map_err(released)?])
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int32Array;

    use super::*;

    fn column(values: &[Option<i32>]) -> Vec<ArrayRef> {
        vec![Arc::new(Int32Array::from(values.to_vec()))]
    }

    fn run(rows: Range<usize>, begins: bool) -> Run {
        Run { rows, begins }
    }

    #[test]
    fn a_partition_goes_on_across_batches() {
        let mut runs = Runs::default();
        let first = runs.cut(&column(&[None, None, Some(1)]), 3).unwrap();
        assert_eq!(first, [run(0..2, true), run(2..3, true)]);
        let second = runs.cut(&column(&[Some(1), Some(2)]), 2).unwrap();
        assert_eq!(second, [run(0..1, false), run(1..2, true)]);
        assert_eq!(runs.cut(&column(&[Some(3)]), 1).unwrap(), [run(0..1, true)]);
        assert!(runs.cut(&column(&[]), 0).unwrap().is_empty());
    }

    #[test]
    fn without_columns_all_rows_are_one_partition() {
        let mut runs = Runs::default();
        assert_eq!(runs.cut(&[], 2).unwrap(), [run(0..2, true)]);
        assert_eq!(runs.cut(&[], 1).unwrap(), [run(0..1, false)]);
    }
}
