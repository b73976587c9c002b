//! The last row of each group, kept in columns: what `ChangelogNormalize` remembers.
//!
//! Flink counterpart: a `ValueState<RowData>`. **State layout**: a list of batches that shrinks like a
//! log-structured merge, and for each group the place of its row. A replaced row stays in its batch
//! until the dead ones outnumber the living.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take_record_batch;
use flott_api::{Error, Result};

use super::region::GroupEntries;
use super::values::{Values, take_part};
use crate::codec::damaged;
use crate::row::{self, RowEncoder};

/// Batches are merged while the result has at most so many rows.
const CHUNK_ROWS_MAX: usize = 1 << 16;
/// Fewer dead rows than this are never worth a compaction.
const DEAD_ROWS_MIN: usize = 1 << 12;

/// Where a row lies: batch and row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    chunk: u32,
    row: u32,
}

/// The last row of each group.
#[derive(Debug)]
pub struct RowStore {
    schema: SchemaRef,
    chunks: Vec<Chunk>,
    places: Vec<Option<Place>>,
    rows: usize,
    live: usize,
}

#[derive(Debug)]
struct Chunk {
    rows: RecordBatch,
    /// The group that each row belonged to when it was written.
    groups: Vec<u32>,
}

impl RowStore {
    /// A store for rows of this schema.
    pub fn new(schema: SchemaRef) -> Self {
        RowStore { schema, chunks: Vec::new(), places: Vec::new(), rows: 0, live: 0 }
    }

    /// Where the row of a group lies, if it has one. Places hold until the next [`put`](RowStore::put).
    pub fn place(&self, group: u32) -> Option<Place> {
        self.places.get(group as usize).copied().flatten()
    }

    /// The place of a row of the batch that [`rows`](RowStore::rows) is given besides the store.
    pub fn place_in_batch(&self, row: usize) -> Place {
        Place { chunk: self.chunks.len() as u32, row: row as u32 }
    }

    /// The rows at these places; `batch` is the one that [`place_in_batch`](RowStore::place_in_batch) means.
    ///
    /// # Errors
    /// If the batch has other columns.
    pub fn rows(&self, places: &[Place], batch: &RecordBatch) -> Result<RecordBatch> {
        let chunks: Vec<&RecordBatch> = self.chunks.iter().map(|c| &c.rows).chain([batch]).collect();
        let indices: Vec<(usize, usize)> = places.iter().map(|p| (p.chunk as usize, p.row as usize)).collect();
        Ok(interleave_record_batch(&chunks, &indices)?)
    }

    /// Makes each row the last one of its group. No group may come twice.
    ///
    /// # Errors
    /// If there is not a row a group.
    pub fn put(&mut self, groups: Vec<u32>, rows: RecordBatch) -> Result<()> {
        if groups.len() != rows.num_rows() {
            return Err(Error::internal("the row store got not as many groups as rows"));
        }
        if groups.is_empty() {
            return Ok(());
        }
        let end = groups.iter().max().map_or(0, |g| *g as usize + 1);
        self.places.resize(self.places.len().max(end), None);
        let chunk = self.chunks.len() as u32;
        for (row, group) in groups.iter().enumerate() {
            self.live += usize::from(self.places[*group as usize].is_none());
            self.places[*group as usize] = Some(Place { chunk, row: row as u32 });
        }
        self.rows += groups.len();
        self.chunks.push(Chunk { rows, groups });
        self.merge_tail()?;
        if self.rows - self.live > self.live.max(DEAD_ROWS_MIN) { self.compact() } else { Ok(()) }
    }

    /// Forgets the row of a group.
    pub fn remove(&mut self, group: u32) {
        if let Some(place) = self.places.get_mut(group as usize) {
            self.live -= usize::from(place.take().is_some());
        }
    }

    /// Keeps the number of batches logarithmic: a batch is merged into the one before it unless that
    /// one is twice as long.
    fn merge_tail(&mut self) -> Result<()> {
        while let [.., before, last] = self.chunks.as_slice() {
            let (kept, added) = (before.groups.len(), last.groups.len());
            if kept >= 2 * added || kept + added > CHUNK_ROWS_MAX {
                break;
            }
            let rows = concat_batches(&self.schema, [&before.rows, &last.rows])?;
            let groups = [before.groups.as_slice(), last.groups.as_slice()].concat();
            let (from, to) = (self.chunks.len() as u32 - 1, self.chunks.len() as u32 - 2);
            for (row, group) in groups[kept..].iter().enumerate() {
                let place = &mut self.places[*group as usize];
                if *place == Some(Place { chunk: from, row: row as u32 }) {
                    *place = Some(Place { chunk: to, row: (kept + row) as u32 });
                }
            }
            self.chunks.truncate(to as usize);
            self.chunks.push(Chunk { rows, groups });
        }
        Ok(())
    }

    /// Rewrites all batches without their dead rows, and joins what is left of them: else a store of
    /// rows that are replaced forever would be made of ever more, ever shorter batches.
    fn compact(&mut self) -> Result<()> {
        let chunks = std::mem::take(&mut self.chunks);
        let (mut joined, mut joined_rows) = (Vec::new(), 0);
        for (number, chunk) in chunks.into_iter().enumerate() {
            let alive = |row: &usize| {
                self.places[chunk.groups[*row] as usize] == Some(Place { chunk: number as u32, row: *row as u32 })
            };
            let kept: Vec<u32> = (0..chunk.groups.len()).filter(alive).map(|r| r as u32).collect();
            if joined_rows + kept.len() > CHUNK_ROWS_MAX {
                self.join(std::mem::take(&mut joined))?;
                joined_rows = 0;
            }
            joined_rows += kept.len();
            let groups = kept.iter().map(|r| chunk.groups[*r as usize]).collect();
            let rows = take_record_batch(&chunk.rows, &UInt32Array::from(kept))?;
            joined.push(Chunk { rows, groups });
        }
        self.join(joined)?;
        for (number, chunk) in self.chunks.iter().enumerate() {
            for (row, group) in chunk.groups.iter().enumerate() {
                self.places[*group as usize] = Some(Place { chunk: number as u32, row: row as u32 });
            }
        }
        self.rows = self.live;
        Ok(())
    }

    /// Appends these batches as one; the places of their rows are still to be noted.
    fn join(&mut self, parts: Vec<Chunk>) -> Result<()> {
        let groups = parts.iter().flat_map(|c| &c.groups).copied().collect::<Vec<_>>();
        if !groups.is_empty() {
            let rows = concat_batches(&self.schema, parts.iter().map(|c| &c.rows))?;
            self.chunks.push(Chunk { rows, groups });
        }
        Ok(())
    }
}

/// An entry's one part is its row.
impl GroupEntries for RowStore {
    fn fresh(&self) -> Result<Self> {
        Ok(RowStore::new(self.schema.clone()))
    }

    fn grow(&mut self, end: usize) {
        self.places.resize(self.places.len().max(end), None);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        let places: Option<Vec<Place>> = groups.iter().map(|g| self.place(*g)).collect();
        let places = places.ok_or_else(|| Error::internal("a key has no row"))?;
        let rows = self.rows(&places, &RecordBatch::new_empty(self.schema.clone()))?;
        let encoder = RowEncoder::new(&rows)?;
        for row in 0..rows.num_rows() {
            values.part(|out| encoder.encode(row, out));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        let mut rows = Vec::with_capacity(values.len());
        for mut value in values.iter().copied() {
            rows.push(take_part(&mut value)?);
            if !value.is_empty() {
                return Err(damaged("a row has more than one part"));
            }
        }
        self.put(groups.to_vec(), row::decode(&self.schema, &rows)?)
    }

    fn clear(&mut self, group: u32) {
        self.remove(group);
    }

    fn memory_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|c| c.rows.get_array_memory_size() + c.groups.len() * 4).sum();
        chunks + self.places.len() * size_of::<Option<Place>>()
    }

    fn slot_bytes(&self) -> usize {
        size_of::<Option<Place>>()
    }
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
        let mut store = RowStore::new(empty.schema());
        let mut model: BTreeMap<u32, i64> = BTreeMap::new();
        let mut chunks_max = 0;
        for step in 0..6000i64 {
            let group = ((step * 7919) % 997) as u32;
            if step % 5 == 4 {
                store.remove(group);
                model.remove(&group);
            } else {
                store.put(vec![group, group + 1000], rows(vec![step, -step])).unwrap();
                model.extend([(group, step), (group + 1000, -step)]);
            }
            chunks_max = chunks_max.max(store.chunks.len());
        }
        let places: Vec<Place> = model.keys().map(|g| store.place(*g).unwrap()).collect();
        let found = store.rows(&places, &empty).unwrap();
        let found: Vec<i64> = found.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(found, model.values().copied().collect::<Vec<_>>());
        assert!(chunks_max < 20, "{chunks_max} batches");
        assert!(store.rows < 2 * model.len() + DEAD_ROWS_MIN + 2, "{} rows for {}", store.rows, model.len());
        assert!(store.memory_bytes() > 0);
        assert_eq!(store.place(99_999), None);
    }

    #[test]
    fn rows_that_are_replaced_forever_lie_in_few_batches() {
        let mut store = RowStore::new(rows(Vec::new()).schema());
        let groups: u32 = 3 * CHUNK_ROWS_MAX as u32 / 2;
        let mut state = 1u32;
        for step in 0..400 {
            let begin = state % groups;
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) >> 3;
            let some: Vec<u32> = (0..8192).map(|i| (begin + i * 11) % groups).collect();
            store.put(some, rows(vec![step; 8192])).unwrap();
        }
        assert!(store.rows < 2 * store.live + DEAD_ROWS_MIN, "{} rows for {}", store.rows, store.live);
        assert!(store.chunks.len() < 20, "{} batches", store.chunks.len());
    }
}
