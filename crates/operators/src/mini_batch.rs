//! The changes of a mini-batch, kept until it ends: when so many came, at a watermark, before a checkpoint, or at the
//! end of the input. It ends also when its rows take much memory, however many it may have.

use flott_api::ChangeBatch;

/// A mini-batch with so many bytes ends.
const BYTES_MAX: usize = 64 << 20;

/// Changes that wait for the end of their mini-batch.
pub(crate) struct MiniBatch {
    rows_max: usize,
    rows: usize,
    bytes: usize,
    batches: Vec<ChangeBatch>,
}

impl MiniBatch {
    /// An empty one, of no more rows than this.
    pub(crate) fn new(rows_max: u64) -> Self {
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX).max(1);
        MiniBatch { rows_max, rows: 0, bytes: 0, batches: Vec::new() }
    }

    /// Takes as many rows as it still may have, and answers those that are left.
    pub(crate) fn take(&mut self, batch: &ChangeBatch) -> Option<ChangeBatch> {
        let rows = batch.len().min(self.rows_max - self.rows);
        if rows > 0 {
            let taken = batch.slice(0, rows);
            self.bytes += taken.byte_size();
            self.rows += rows;
            self.batches.push(taken);
        }
        (rows < batch.len()).then(|| batch.slice(rows, batch.len() - rows))
    }

    /// Whether it has all rows that it may have, or all memory.
    pub(crate) fn is_full(&self) -> bool {
        self.rows == self.rows_max || self.bytes >= BYTES_MAX
    }

    /// Ends it: its changes in order, no more than so many together.
    pub(crate) fn end(&mut self, rows_max: usize) -> Vec<Vec<ChangeBatch>> {
        (self.rows, self.bytes) = (0, 0);
        let (mut pieces, mut piece, mut room) = (Vec::new(), Vec::new(), rows_max);
        for batch in self.batches.drain(..) {
            let mut from = 0;
            while from < batch.len() {
                let rows = room.min(batch.len() - from);
                piece.push(batch.slice(from, rows));
                (from, room) = (from + rows, room - rows);
                if room == 0 {
                    pieces.push(std::mem::take(&mut piece));
                    room = rows_max;
                }
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::batch;
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    fn ints(count: usize) -> ChangeBatch {
        let schema = Schema::new(vec![Field::new("x", LogicalType::new(TypeKind::Int))]);
        batch(&schema, &vec!["+I | 1"; count].join("\n"))
    }

    fn lengths(pieces: &[Vec<ChangeBatch>]) -> Vec<Vec<usize>> {
        pieces.iter().map(|piece| piece.iter().map(ChangeBatch::len).collect()).collect()
    }

    #[test]
    fn a_full_one_leaves_the_rest_to_the_next() {
        let mut bundle = MiniBatch::new(5);
        assert!(bundle.take(&ints(3)).is_none() && !bundle.is_full());
        let rest = bundle.take(&ints(4)).unwrap();
        assert!(bundle.is_full());
        assert_eq!(bundle.take(&rest).unwrap().len(), 2);
        assert_eq!(lengths(&bundle.end(usize::MAX)), [vec![3, 2]]);
        assert!(bundle.take(&rest).is_none() && !bundle.is_full());
        assert_eq!(lengths(&bundle.end(usize::MAX)), [vec![2]]);
        assert!(bundle.end(usize::MAX).is_empty());
    }

    #[test]
    fn it_ends_when_its_rows_take_much_memory() {
        let schema = Schema::new(vec![Field::new("x", LogicalType::string())]);
        let wide = batch(&schema, &format!("+I | {}", "x".repeat(BYTES_MAX / 4)));
        let mut bundle = MiniBatch::new(u64::MAX);
        for _ in 0..3 {
            assert!(bundle.take(&wide).is_none() && !bundle.is_full());
        }
        assert!(bundle.take(&wide).is_none() && bundle.is_full());
        assert_eq!(lengths(&bundle.end(usize::MAX)), [vec![1; 4]]);
        assert!(!bundle.is_full());
    }

    #[test]
    fn it_comes_in_pieces_where_they_must_be_small() {
        let mut bundle = MiniBatch::new(100);
        bundle.take(&ints(3));
        bundle.take(&ints(4));
        assert_eq!(lengths(&bundle.end(2)), [vec![2], vec![1, 1], vec![2], vec![1]]);
    }
}
