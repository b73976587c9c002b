//! The rows that an expression sees: those of a batch, or some of them.

use std::borrow::Cow;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use flott_api::{Error, Result};

/// Some rows.
pub(super) struct Rows<'a> {
    columns: Cow<'a, [ArrayRef]>,
    len: usize,
}

impl<'a> Rows<'a> {
    /// All rows of a batch.
    pub(super) fn of(batch: &'a RecordBatch) -> Self {
        Rows { columns: Cow::Borrowed(batch.columns()), len: batch.num_rows() }
    }

    /// One row without columns: what a constant is computed on.
    pub(super) fn one() -> Self {
        Rows { columns: Cow::Borrowed(&[]), len: 1 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn column(&self, index: usize) -> Result<ArrayRef> {
        self.columns.get(index).cloned().ok_or_else(|| Error::internal(format!("the batch has no column {index}")))
    }

    /// The rows at these positions. Only the needed columns are gathered; the others keep all rows
    /// and must not be read.
    pub(super) fn take(&self, positions: &[u32], needed: &[usize]) -> Result<Rows<'static>> {
        let positions = UInt32Array::from(positions.to_vec());
        let mut columns = self.columns.to_vec();
        for &index in needed {
            if let Some(column) = columns.get_mut(index) {
                *column = arrow_select::take::take(column, &positions, None)?;
            }
        }
        Ok(Rows { columns: Cow::Owned(columns), len: positions.values().len() })
    }
}
