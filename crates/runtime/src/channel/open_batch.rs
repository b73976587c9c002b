//! The open batch of a channel: small batches that become one when the receiver takes them.
//!
//! An exchange over n channels cuts each batch in n. Here the pieces grow together again, so that a
//! loaded pipeline works on large batches; an idle one takes each piece as it comes, so no row waits
//! for a timer. Columns are copied once, by the receiver; a batch that came alone is not copied.

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Mark, Result, RowKind, RowKinds, Watermark};

use super::SizedBatch;

/// From this size on a batch costs so little per row that copying it to save a call does not pay.
const ROWS_ENOUGH: usize = 1024;
/// What a batch takes beside its values, roughly. Without it, rows without columns (`COUNT(*)`) would
/// need no credit, and single rows too little.
pub(super) const PART_BYTES: usize = 256;

/// Batches on their way to become one.
#[derive(Clone, Debug)]
pub(crate) struct OpenBatch {
    parts: Vec<(RecordBatch, Option<RowKinds>)>,
    marks: Vec<Mark>,
    rows: usize,
    bytes: usize,
}

impl OpenBatch {
    pub(crate) fn new(first: SizedBatch) -> Self {
        let mut open = OpenBatch { parts: Vec::with_capacity(1), marks: Vec::new(), rows: 0, bytes: 0 };
        open.push(first);
        open
    }

    /// Whether it may and should grow by this batch.
    pub(crate) fn takes(&self, batch: &ChangeBatch) -> bool {
        self.rows + batch.len() <= BATCH_ROWS_MAX && (self.rows < ROWS_ENOUGH || batch.len() < ROWS_ENOUGH)
    }

    pub(crate) fn push(&mut self, next: SizedBatch) {
        let (rows, kinds, marks) = next.batch.into_parts();
        let before = self.rows as u32;
        for mark in marks {
            self.push_mark(Mark { row: before + mark.row, watermark: mark.watermark });
        }
        self.rows += rows.num_rows();
        self.bytes += next.bytes;
        self.parts.push((rows, kinds));
    }

    /// A watermark behind all rows so far.
    pub(crate) fn push_watermark(&mut self, watermark: Watermark) {
        self.push_mark(Mark { row: self.rows as u32, watermark });
    }

    /// Of two marks in the same place only the later one matters.
    fn push_mark(&mut self, mark: Mark) {
        match self.marks.last_mut() {
            Some(last) if mark.watermark <= last.watermark => {}
            Some(last) if last.row == mark.row => last.watermark = mark.watermark,
            _ => self.marks.push(mark),
        }
    }

    /// What it takes of the channel's credit.
    pub(crate) fn credit(&self) -> usize {
        self.bytes + self.parts.len() * PART_BYTES
    }

    /// The one batch.
    pub(crate) fn close(mut self) -> Result<SizedBatch> {
        let kinds = self.kinds();
        let rows = if self.parts.len() == 1 {
            self.parts.swap_remove(0).0
        } else {
            let schema = self.parts[0].0.schema();
            concat_batches(&schema, self.parts.iter().map(|(rows, _)| rows))?
        };
        let batch = ChangeBatch::new(rows, kinds)?.with_marks(self.marks)?;
        Ok(SizedBatch { batch, bytes: self.bytes })
    }

    fn kinds(&mut self) -> Option<RowKinds> {
        if self.parts.len() == 1 {
            return self.parts[0].1.take();
        }
        if self.parts.iter().all(|(_, kinds)| kinds.is_none()) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.rows);
        for (rows, kinds) in &self.parts {
            match kinds {
                Some(kinds) => bytes.extend_from_slice(kinds.bytes()),
                None => bytes.resize(bytes.len() + rows.num_rows(), RowKind::Insert as u8),
            }
        }
        RowKinds::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rows::{batch, batch_of_kinds, values};

    fn open(parts: Vec<ChangeBatch>) -> OpenBatch {
        let mut parts = parts.into_iter().map(SizedBatch::measure);
        let mut open = OpenBatch::new(parts.next().unwrap());
        parts.for_each(|p| open.push(p));
        open
    }

    #[test]
    fn rows_kinds_and_marks_keep_their_order() {
        let mut open = open(vec![
            batch([1, 2], &[(0, 10), (2, 20)]),
            batch_of_kinds([3], &[RowKind::Delete]),
            batch([4], &[(0, 30)]),
        ]);
        open.push_watermark(Watermark(40));
        open.push_watermark(Watermark(35));
        open.push_watermark(Watermark(50));
        let closed = open.close().unwrap().batch;
        assert_eq!(values(&closed), [1, 2, 3, 4]);
        let kinds: Vec<_> = (0..4).map(|r| closed.kind(r)).collect();
        assert_eq!(kinds, [RowKind::Insert, RowKind::Insert, RowKind::Delete, RowKind::Insert]);
        let marks: Vec<_> = closed.marks().iter().map(|m| (m.row, m.watermark.0)).collect();
        assert_eq!(marks, [(0, 10), (2, 20), (3, 30), (4, 50)]);
    }

    #[test]
    fn a_lone_batch_is_not_copied() {
        let alone = batch([1, 2, 3], &[]);
        let column = alone.rows().column(0).to_data().buffers()[0].as_ptr();
        let closed = open(vec![alone]).close().unwrap().batch;
        assert_eq!(closed.rows().column(0).to_data().buffers()[0].as_ptr(), column);
    }

    #[test]
    fn it_never_grows_over_the_most_rows_and_large_batches_are_not_copied() {
        let full = open(vec![batch(0..BATCH_ROWS_MAX as i64, &[])]);
        assert!(!full.takes(&batch([1], &[])));
        let small = open(vec![batch([1], &[])]);
        assert!(small.takes(&batch(0..5000, &[])));
        assert!(!small.takes(&batch(0..BATCH_ROWS_MAX as i64, &[])));
        assert!(!open(vec![batch(0..2000, &[])]).takes(&batch(0..2000, &[])));
    }
}
