//! The changes of a batch, collected row by row as numbers that stand for rows, and made columns at the end.

use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_schema::SchemaRef;
use flott_api::{ChangeBatch, Mark, Result, RowKind, RowKinds};
use flott_state::hot::{RowRef, SortedRows};

use crate::emit::{record_batch, replace_marks};

/// See the module.
pub(super) struct Changes {
    rows: Vec<RowRef>,
    ranks: Vec<i64>,
    kinds: Vec<u8>,
    /// How many changes come out for the rows before each one.
    before: Vec<usize>,
    /// The first rank that comes out.
    start: usize,
    emit_update_before: bool,
}

impl Changes {
    pub(super) fn new(start: usize, emit_update_before: bool, rows: usize) -> Self {
        Changes {
            rows: Vec::new(),
            ranks: Vec::new(),
            kinds: Vec::new(),
            before: Vec::with_capacity(rows + 1),
            start,
            emit_update_before,
        }
    }

    /// What follows belongs to the next row of the batch.
    pub(super) fn next(&mut self) {
        self.before.push(self.rows.len());
    }

    fn push(&mut self, kind: RowKind, row: RowRef, rank: usize) {
        if rank >= self.start {
            self.rows.push(row);
            self.ranks.push(rank as i64);
            self.kinds.push(kind as u8);
        }
    }

    /// A row has this rank.
    pub(super) fn insert(&mut self, row: RowRef, rank: usize) {
        self.push(RowKind::Insert, row, rank);
    }

    /// Nobody has this rank any more; the row had it.
    pub(super) fn delete(&mut self, row: RowRef, rank: usize) {
        self.push(RowKind::Delete, row, rank);
    }

    /// A row has this rank no more.
    pub(super) fn update_before(&mut self, row: RowRef, rank: usize) {
        if self.emit_update_before {
            self.push(RowKind::UpdateBefore, row, rank);
        }
    }

    /// A row has this rank now.
    pub(super) fn update_after(&mut self, row: RowRef, rank: usize) {
        self.push(RowKind::UpdateAfter, row, rank);
    }

    /// The batch of changes; with the rank behind the columns if there is an `output` that has it.
    pub(super) fn batch(
        mut self,
        rows: &SortedRows,
        marks: &[Mark],
        output: Option<&SchemaRef>,
    ) -> Result<ChangeBatch> {
        self.next();
        let mut batch = rows.rows(&self.rows)?;
        if let Some(output) = output {
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(Int64Array::from(self.ranks)));
            batch = record_batch(output, columns, batch.num_rows())?;
        }
        let marks = replace_marks(marks, |row| self.before[row]);
        ChangeBatch::new(batch, RowKinds::from_bytes(self.kinds))?.with_marks(marks)
    }
}
