//! Rows by number, kept in columns: what [`RowStore`](super::RowStore) and
//! [`RowMultiMap`](super::RowMultiMap) lay their rows in.
//!
//! A list of batches that shrinks like a log-structured merge, and for each number the place of its row. A
//! replaced or removed row stays in its batch until the dead ones outnumber the living.

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::interleave::{interleave, interleave_record_batch};
use arrow_select::take::take;
use flott_api::Result;

use crate::row::RowEncoder;

/// Batches are merged while the result has at most so many rows.
pub(super) const CHUNK_ROWS_MAX: usize = 1 << 16;
/// Fewer dead rows than this are never worth a compaction.
pub(super) const DEAD_ROWS_MIN: usize = 1 << 12;
/// The number of a row of a batch that nobody has.
const NOBODY: u32 = u32::MAX;

/// Where a row lies: batch and row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(super) chunk: u32,
    pub(super) row: u32,
}

/// Where numbers without a row lie.
const NOWHERE: Place = Place { chunk: u32::MAX, row: 0 };

/// Rows by number.
pub(super) struct RowArena {
    schema: SchemaRef,
    /// The columns by which a row is known, if rows are looked for.
    identity: Option<Vec<usize>>,
    chunks: Vec<Chunk>,
    places: Vec<Place>,
    rows: usize,
    live: usize,
}

struct Chunk {
    rows: RecordBatch,
    /// The number that each row was given.
    numbers: Vec<u32>,
    /// Writes what a row is known by.
    identity: Option<RowEncoder>,
}

impl RowArena {
    /// An arena for rows of this schema.
    pub(super) fn new(schema: SchemaRef, identity: Option<Vec<usize>>) -> Self {
        RowArena { schema, identity, chunks: Vec::new(), places: Vec::new(), rows: 0, live: 0 }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many numbers have a row.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// How many rows lie there, and in how many batches.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.rows, self.chunks.len())
    }

    /// Makes room for numbers below `end`.
    pub(super) fn grow(&mut self, end: usize) {
        self.places.resize(self.places.len().max(end), NOWHERE);
    }

    /// Where the row of a number lies, if it has one. Holds until rows are added.
    pub(super) fn place(&self, number: u32) -> Option<Place> {
        self.places.get(number as usize).copied().filter(|p| *p != NOWHERE)
    }

    /// The place of a row of the batch that [`rows`](RowArena::rows) is given besides the arena.
    pub(super) fn place_in_batch(&self, row: usize) -> Place {
        Place { chunk: self.chunks.len() as u32, row: row as u32 }
    }

    /// The rows at these places; `batch` is the one that [`place_in_batch`](RowArena::place_in_batch) means.
    pub(super) fn rows(&self, places: &[Place], batch: &RecordBatch) -> Result<RecordBatch> {
        let chunks: Vec<&RecordBatch> = self.chunks.iter().map(|c| &c.rows).chain([batch]).collect();
        let indices: Vec<(usize, usize)> = places.iter().map(|p| (p.chunk as usize, p.row as usize)).collect();
        Ok(interleave_record_batch(&chunks, &indices)?)
    }

    /// One column of the rows of these numbers, null for those that have none.
    pub(super) fn column(&self, column: usize, numbers: &[u32]) -> Result<ArrayRef> {
        let ty = self.schema.field(column).data_type();
        let null = new_null_array(ty, 1);
        let mut arrays: Vec<&dyn Array> = self.chunks.iter().map(|c| c.rows.column(column).as_ref()).collect();
        arrays.push(null.as_ref());
        let nowhere = (self.chunks.len(), 0);
        let index = |n: &u32| self.place(*n).map_or(nowhere, |p| (p.chunk as usize, p.row as usize));
        let indices: Vec<(usize, usize)> = numbers.iter().map(index).collect();
        Ok(interleave(&arrays, &indices)?)
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
        self.rows += rows.num_rows();
        let numbers = vec![NOBODY; rows.num_rows()];
        self.push(rows, numbers)
    }

    /// Gives a row of the batch that was laid down last to a number.
    #[inline]
    pub(super) fn bind(&mut self, number: u32, row: usize) {
        self.grow(number as usize + 1);
        let chunk = self.chunks.len() - 1;
        let place = &mut self.places[number as usize];
        self.live += usize::from(*place == NOWHERE);
        *place = Place { chunk: chunk as u32, row: row as u32 };
        self.chunks[chunk].numbers[row] = number;
    }

    /// Has all rows of the batch that was laid down last.
    pub(super) fn end(&mut self) -> Result<()> {
        self.drop_tail();
        self.merge_tail()?;
        if self.rows - self.live > self.live.max(DEAD_ROWS_MIN) { self.compact() } else { Ok(()) }
    }

    /// Forgets the row of a number.
    pub(super) fn remove(&mut self, number: u32) {
        if let Some(place) = self.places.get_mut(number as usize) {
            self.live -= usize::from(*place != NOWHERE);
            *place = NOWHERE;
        }
    }

    /// Appends what the row of a number is known by.
    #[inline]
    pub(super) fn encode_identity(&self, number: u32, out: &mut Vec<u8>) {
        let Some(place) = self.place(number) else { return };
        if let Some(encoder) = &self.chunks[place.chunk as usize].identity {
            encoder.encode(place.row as usize, out);
        }
    }

    /// Appends what a row of the batch that was laid down last is known by.
    #[inline]
    pub(super) fn encode_begun(&self, row: usize, out: &mut Vec<u8>) {
        if let Some(encoder) = self.chunks.last().and_then(|c| c.identity.as_ref()) {
            encoder.encode(row, out);
        }
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|c| c.rows.get_array_memory_size() + c.numbers.len() * 4).sum();
        chunks + self.places.len() * size_of::<Place>()
    }

    fn push(&mut self, rows: RecordBatch, numbers: Vec<u32>) -> Result<()> {
        let identity = match &self.identity {
            Some(columns) => Some(RowEncoder::new(&rows.project(columns)?)?),
            None => None,
        };
        self.chunks.push(Chunk { rows, numbers, identity });
        Ok(())
    }

    fn is_alive(&self, chunk: usize, row: usize) -> bool {
        let number = self.chunks[chunk].numbers[row];
        number != NOBODY && self.places[number as usize] == Place { chunk: chunk as u32, row: row as u32 }
    }

    /// Takes the last batch back if nobody has a row of it.
    fn drop_tail(&mut self) {
        let Some(last) = self.chunks.last() else { return };
        if last.numbers.iter().all(|n| *n == NOBODY) {
            self.rows -= last.numbers.len();
            self.chunks.pop();
        }
    }

    /// Keeps the number of batches logarithmic: a batch is merged into the one before it unless that
    /// one is twice as long.
    fn merge_tail(&mut self) -> Result<()> {
        while let [.., before, last] = self.chunks.as_slice() {
            let (kept, added) = (before.numbers.len(), last.numbers.len());
            if kept >= 2 * added || kept + added > CHUNK_ROWS_MAX {
                break;
            }
            let rows = concat_batches(&self.schema, [&before.rows, &last.rows])?;
            let numbers = [before.numbers.as_slice(), last.numbers.as_slice()].concat();
            let (from, to) = (self.chunks.len() - 1, self.chunks.len() - 2);
            for row in 0..added {
                if self.is_alive(from, row) {
                    let number = self.chunks[from].numbers[row];
                    self.places[number as usize] = Place { chunk: to as u32, row: (kept + row) as u32 };
                }
            }
            self.chunks.truncate(to);
            self.push(rows, numbers)?;
        }
        Ok(())
    }

    /// Rewrites all batches without their dead rows, and joins what is left of them: else an arena of
    /// rows that are replaced forever would be made of ever more, ever shorter batches.
    fn compact(&mut self) -> Result<()> {
        let kept: Vec<Vec<u32>> = (0..self.chunks.len())
            .map(|c| (0..self.chunks[c].numbers.len()).filter(|r| self.is_alive(c, *r)).map(|r| r as u32).collect())
            .collect();
        let chunks = std::mem::take(&mut self.chunks);
        let (mut joined, mut joined_rows) = (Vec::new(), 0);
        for (chunk, kept) in chunks.into_iter().zip(kept) {
            if joined_rows + kept.len() > CHUNK_ROWS_MAX {
                self.join(std::mem::take(&mut joined))?;
                joined_rows = 0;
            }
            joined_rows += kept.len();
            let numbers: Vec<u32> = kept.iter().map(|r| chunk.numbers[*r as usize]).collect();
            joined.push((taken(&chunk.rows, kept)?, numbers));
        }
        self.join(joined)?;
        for (number, chunk) in self.chunks.iter().enumerate() {
            for (row, owner) in chunk.numbers.iter().enumerate() {
                self.places[*owner as usize] = Place { chunk: number as u32, row: row as u32 };
            }
        }
        self.rows = self.live;
        Ok(())
    }

    /// Appends these batches as one; the places of their rows are still to be noted.
    fn join(&mut self, parts: Vec<(RecordBatch, Vec<u32>)>) -> Result<()> {
        let numbers: Vec<u32> = parts.iter().flat_map(|(_, numbers)| numbers).copied().collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let rows = concat_batches(&self.schema, parts.iter().map(|(rows, _)| rows))?;
        self.push(rows, numbers)
    }
}

/// These rows of a batch, also of one without columns.
fn taken(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let rows = UInt32Array::from(rows);
    let columns = batch.columns().iter().map(|c| take(c, &rows, None)).collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

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
        assert!(chunks_max < 20, "{chunks_max} batches");
        let size = store.size().0;
        assert!(size < 2 * model.len() + DEAD_ROWS_MIN + 2, "{size} rows for {}", model.len());
        assert!(store.memory_bytes() > 0);
        assert_eq!(store.place(99_999), None);
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
        assert!(chunks < 20, "{chunks} batches");
    }
}
