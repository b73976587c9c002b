//! Rows by number: what [`RowStore`](super::RowStore) and [`RowMultiMap`](super::RowMultiMap) lay their rows in.
//!
//! The rows lie in [`RowChunks`], and for each number there is the position of its row. A replaced or removed row stays
//! where it is until the dead ones outnumber the living, in its batch or in all together.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use flott_api::{Error, Result};

use super::paged::Paged;
use super::row_chunks::{NOWHERE, RowChunks};

/// Fewer dead rows than this are never worth a compaction.
pub(super) const DEAD_ROWS_MIN: usize = 1 << 12;

/// Where a row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// Rows by number.
pub(super) struct RowArena {
    chunks: RowChunks,
    /// The position of the row of each number.
    positions: Paged<u32>,
    live: usize,
    /// How many rows of the batch that was laid down last have been given to a number.
    bound: usize,
}

impl RowArena {
    /// An arena for rows of this schema.
    pub(super) fn new(schema: SchemaRef, identity: Option<Vec<usize>>) -> Self {
        RowArena { chunks: RowChunks::new(schema, identity), positions: Paged::new(), live: 0, bound: 0 }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.chunks.schema()
    }

    /// How many numbers have a row.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// How many rows lie there, and in how many batches.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.chunks.len(), self.chunks.count())
    }

    /// Makes room for numbers below `end`.
    pub(super) fn grow(&mut self, end: usize) {
        self.positions.grow(end, NOWHERE);
    }

    /// The position of the row of a number, or [`NOWHERE`].
    #[inline]
    fn position(&self, number: u32) -> u32 {
        self.positions.get(number as usize).unwrap_or(NOWHERE)
    }

    /// Where the row of a number lies, if it has one. Holds until rows are added.
    pub(super) fn place(&self, number: u32) -> Option<Place> {
        Some(self.position(number)).filter(|p| *p != NOWHERE).map(Place)
    }

    /// The place of a row of the batch that [`rows`](RowArena::rows) is given besides the arena.
    pub(super) fn place_in_batch(&self, row: usize) -> Place {
        Place(self.chunks.end() + row as u32)
    }

    /// The rows at these places; `batch` is the one that [`place_in_batch`](RowArena::place_in_batch) means.
    pub(super) fn rows(&self, places: &[Place], batch: &RecordBatch) -> Result<RecordBatch> {
        self.chunks.rows(places.iter().map(|p| p.0), batch)
    }

    /// Some columns of the rows of these numbers, nulls for those that have none.
    pub(super) fn columns(&self, columns: Range<usize>, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        self.chunks.columns(columns, numbers.iter().map(|n| self.position(*n)))
    }

    /// One column of the rows of these numbers, null for those that have none.
    pub(super) fn column(&self, column: usize, numbers: &[u32]) -> Result<ArrayRef> {
        let mut columns = self.columns(column..column + 1, numbers)?;
        columns.pop().ok_or_else(|| Error::internal("a row has no such column"))
    }

    /// Makes each row the row of its number. No number may come twice.
    pub(super) fn put(&mut self, numbers: &[u32], rows: RecordBatch) -> Result<()> {
        if numbers.is_empty() {
            return Ok(());
        }
        self.begin(rows)?;
        for (row, number) in numbers.iter().enumerate() {
            self.bind(*number, row);
        }
        self.end()
    }

    /// Lays down a batch whose rows belong to nobody yet.
    pub(super) fn begin(&mut self, rows: RecordBatch) -> Result<()> {
        self.bound = 0;
        self.chunks.push(rows)
    }

    /// Gives a row of the batch that was laid down last to a number.
    #[inline]
    pub(super) fn bind(&mut self, number: u32, row: usize) {
        let place = self.chunks.last_start() + row as u32;
        self.bound += 1;
        if number as usize == self.positions.len() {
            self.positions.push(place);
            self.live += 1;
            return;
        }
        self.grow(number as usize + 1);
        match std::mem::replace(&mut self.positions[number as usize], place) {
            NOWHERE => self.live += 1,
            old => self.chunks.bury(old),
        }
    }

    /// Has all rows of the batch that was laid down last.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.bound {
            0 => self.chunks.pop(),
            bound => self.chunks.waste(bound),
        }
        self.chunks.merge()?;
        self.tidy()
    }

    /// Gives back what dead rows take, where it is much.
    fn tidy(&mut self) -> Result<()> {
        self.pack(&self.chunks.sparse())?;
        let dead = self.chunks.len() - self.live;
        if dead > self.live.max(DEAD_ROWS_MIN) { self.compact() } else { Ok(()) }
    }

    /// The same after many rows were removed, because memory is scarce; between two batches.
    pub(super) fn give_back(&mut self) -> Result<()> {
        if let Some(span) = self.chunks.sparse_open() {
            self.pack(&[span])?;
        }
        self.tidy()
    }

    /// Forgets the row of a number.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(position) = self.positions.get_mut(number as usize) else { return };
        match std::mem::replace(position, NOWHERE) {
            NOWHERE => {}
            old => {
                self.live -= 1;
                self.chunks.bury(old);
            }
        }
    }

    /// Appends what the row of a number is known by.
    #[inline]
    pub(super) fn encode_identity(&self, number: u32, out: &mut Vec<u8>) {
        match self.position(number) {
            NOWHERE => {}
            position => self.chunks.encode_identity(position, out),
        }
    }

    /// Appends what a row of the batch that was laid down last is known by.
    #[inline]
    pub(super) fn encode_begun(&self, row: usize, out: &mut Vec<u8>) {
        self.chunks.encode_identity(self.chunks.last_start() + row as u32, out);
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        self.chunks.memory_bytes() + self.positions.memory_bytes()
    }

    /// The rows in these spans that somebody has, ascending: the position and the number of each.
    fn held(&self, spans: &[Range<u32>]) -> Vec<(u32, u32)> {
        let is_inside = |position: u32| {
            let at = spans.partition_point(|span| span.end <= position);
            spans.get(at).is_some_and(|span| span.start <= position)
        };
        let numbered = self.positions.iter().zip(0u32..);
        let mut held: Vec<(u32, u32)> = numbered.filter(|(position, _)| is_inside(*position)).collect();
        held.sort_unstable();
        held
    }

    /// Rewrites the batches in these spans without their dead rows.
    fn pack(&mut self, spans: &[Range<u32>]) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        let held = self.held(spans);
        let mut rest = held.as_slice();
        for span in spans {
            let (inside, behind) = rest.split_at(rest.partition_point(|(position, _)| *position < span.end));
            self.chunks.pack(span, inside.iter().map(|(position, _)| *position))?;
            for (position, (_, number)) in (span.start..).zip(inside) {
                self.positions[*number as usize] = position;
            }
            rest = behind;
        }
        let moved = self.chunks.close_gaps();
        if !moved.is_empty() {
            for number in 0..self.positions.len() {
                let position = &mut self.positions[number];
                if *position != NOWHERE {
                    *position -= moved[moved.partition_point(|(start, _)| *start <= *position) - 1].1;
                }
            }
        }
        Ok(())
    }

    /// Rewrites all batches without their dead rows.
    fn compact(&mut self) -> Result<()> {
        let held = self.held(std::slice::from_ref(&(0..NOWHERE)));
        self.chunks.keep(held.iter().map(|(position, _)| *position))?;
        for (position, (_, number)) in (0..).zip(held) {
            self.positions[number as usize] = position;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::super::row_chunks::CHUNK_ROWS_MAX;
    use super::*;

    fn rows(values: Vec<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(values)) as _)]).unwrap()
    }

    #[test]
    fn the_last_row_of_each_group_stays_through_merges_and_compactions() {
        let empty = rows(Vec::new());
        let mut store = RowArena::new(empty.schema(), None);
        let mut model: BTreeMap<u32, i64> = BTreeMap::new();
        let mut chunks_max = 0;
        for step in 0..6000i64 {
            let group = ((step * 7919) % 997) as u32;
            if step % 5 == 4 {
                store.remove(group);
                model.remove(&group);
            } else {
                store.put(&[group, group + 1000], rows(vec![step, -step])).unwrap();
                model.extend([(group, step), (group + 1000, -step)]);
            }
            chunks_max = chunks_max.max(store.size().1);
        }
        let places: Vec<Place> = model.keys().map(|g| store.place(*g).unwrap()).collect();
        let found = store.rows(&places, &empty).unwrap();
        let found: Vec<i64> = found.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(found, model.values().copied().collect::<Vec<_>>());
        assert!(chunks_max < 64, "{chunks_max} batches");
        let size = store.size().0;
        assert!(size < 2 * model.len() + DEAD_ROWS_MIN + 2, "{size} rows for {}", model.len());
        assert!(store.memory_bytes() > 0);
        assert_eq!(store.place(99_999), None);
    }

    #[test]
    fn old_rows_leave_batch_by_batch_and_what_stays_moves_together() {
        const BATCH: u32 = 8192;
        let mut store = RowArena::new(rows(Vec::new()).schema(), None);
        let (mut live, mut ends) = (Vec::new(), Vec::new());
        for step in 0..220 {
            let new: Vec<u32> = (step * BATCH..(step + 1) * BATCH).collect();
            store.put(&new, rows(new.iter().map(|n| i64::from(*n) * 3).collect())).unwrap();
            live.extend(new);
            // Of what came some batches ago, little stays.
            let old = step.saturating_sub(4) * BATCH;
            let is_gone = |n: u32| step > 4 && n.wrapping_sub(old) < BATCH && !n.is_multiple_of(50);
            live.iter().filter(|n| is_gone(**n)).for_each(|n| store.remove(*n));
            live.retain(|n| !is_gone(*n));
            if step % 3 == 0 {
                store.give_back().unwrap();
            }
            let (size, batches) = store.size();
            assert_eq!(store.live(), live.len());
            assert!(size <= 2 * live.len() + CHUNK_ROWS_MAX, "{size} rows for {}", live.len());
            assert!(batches < 32, "{batches} batches");
            ends.push(store.chunks.end());
        }
        assert!(!ends.is_sorted(), "gaps are closed");
        let found = store.column(0, &live).unwrap();
        let found = found.as_primitive::<Int64Type>().values().iter();
        assert!(found.eq(live.iter().map(|n| i64::from(*n) * 3).collect::<Vec<_>>().iter()));
        live.iter().for_each(|n| store.remove(*n));
        store.give_back().unwrap();
        assert_eq!((store.size().0, store.live()), (0, 0));
        store.put(&[7], rows(vec![5])).unwrap();
        assert_eq!(store.column(0, &[7]).unwrap().as_primitive::<Int64Type>().values(), &[5]);
    }

    #[test]
    fn rows_that_are_replaced_forever_lie_in_few_batches() {
        let mut store = RowArena::new(rows(Vec::new()).schema(), None);
        let groups: u32 = 3 * CHUNK_ROWS_MAX as u32 / 2;
        let mut state = 1u32;
        for step in 0..400 {
            let begin = state % groups;
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) >> 3;
            let some: Vec<u32> = (0..8192).map(|i| (begin + i * 11) % groups).collect();
            store.put(&some, rows(vec![step; 8192])).unwrap();
        }
        let (size, chunks) = store.size();
        assert!(size < 2 * store.live() + DEAD_ROWS_MIN, "{size} rows for {}", store.live());
        assert!(chunks < 64, "{chunks} batches");
    }
}
