//! Rows by position, in columns: what all that remembers whole rows lays them in.
//!
//! Positions count through a list of batches. The batches behind the last large one are merged by many at once, so that
//! a row is copied once on its way into a large batch if it came with thousands of others, and never more than a few
//! times; a merge moves no position. What is dead leaves only when the owner has all rewritten
//! ([`keep`](RowChunks::keep), [`reorder`](RowChunks::reorder)). In large batches equal texts are kept once
//! ([`ChunkColumn`]).

use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use flott_api::{Error, Result};

use super::chunk_column::{ChunkColumn, Part, gathered};
use crate::row::RowEncoder;

/// A batch is large with so many rows, and is not merged again.
pub(super) const CHUNK_ROWS_MAX: usize = 1 << 16;
/// Or with so many bytes: a column of texts may not have more than 2 GB.
const CHUNK_BYTES_MAX: usize = 1 << 26;
/// What a batch may take beside its rows, for being one.
const BESIDE_BYTES: usize = 1 << 13;
/// So many batches of about one size become one.
const MERGED_TOGETHER: usize = 16;

/// The position of no row.
pub(super) const NOWHERE: u32 = u32::MAX;

/// See the module.
#[derive(Debug)]
pub(super) struct RowChunks {
    schema: SchemaRef,
    /// The columns by which a row is known, if rows are looked for.
    identity: Option<Vec<usize>>,
    chunks: Vec<Chunk>,
    /// The position of each batch's first row.
    starts: Vec<u32>,
    /// How many batches are large.
    closed: usize,
    rows: u32,
    memory_bytes: usize,
}

struct Chunk {
    columns: Vec<ChunkColumn>,
    rows: usize,
    /// How often its rows were merged, at most.
    merges: u32,
    /// Bytes of its rows, if each has its own.
    bytes: usize,
    memory_bytes: usize,
    /// Writes what a row is known by.
    identity: Option<RowEncoder>,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk").field("rows", &self.rows).field("merges", &self.merges).finish()
    }
}

impl RowChunks {
    /// No rows, of this schema.
    pub(super) fn new(schema: SchemaRef, identity: Option<Vec<usize>>) -> Self {
        let (chunks, starts) = (Vec::new(), Vec::new());
        RowChunks { schema, identity, chunks, starts, closed: 0, rows: 0, memory_bytes: 0 }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows lie there: the position of the next one.
    pub(super) fn len(&self) -> usize {
        self.rows as usize
    }

    /// In how many batches.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes of memory that they take, about.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Lays down a batch behind the others; it can be taken back until batches are [merged](RowChunks::merge).
    pub(super) fn push(&mut self, rows: RecordBatch) -> Result<()> {
        let bytes = row_bytes(&rows);
        // A small part of a large batch would keep it from being freed.
        let is_part = rows.get_array_memory_size() > 2 * bytes + BESIDE_BYTES;
        let rows = if is_part { copied(&rows)? } else { rows };
        let columns = rows.columns().iter().map(|c| ChunkColumn::Plain(c.clone())).collect();
        self.add((columns, rows.num_rows()), bytes, 0)
    }

    fn add(&mut self, (columns, rows): (Vec<ChunkColumn>, usize), bytes: usize, merges: u32) -> Result<()> {
        let identity = self.identity.as_ref().map(|known_by| self.encoder(&columns, known_by, rows)).transpose()?;
        let added = u32::try_from(rows).ok().and_then(|added| self.rows.checked_add(added));
        let end = added.filter(|end| *end < NOWHERE).ok_or_else(too_many)?;
        self.starts.push(self.rows);
        self.rows = end;
        let memory_bytes = columns.iter().map(ChunkColumn::memory_bytes).sum();
        self.memory_bytes += memory_bytes;
        self.chunks.push(Chunk { columns, rows, merges, bytes, memory_bytes, identity });
        Ok(())
    }

    fn encoder(&self, columns: &[ChunkColumn], known_by: &[usize], rows: usize) -> Result<RowEncoder> {
        let arrays = known_by.iter().map(|c| columns[*c].array()).collect::<Result<Vec<_>>>()?;
        RowEncoder::new(&batch(&self.schema.project(known_by)?.into(), arrays, rows)?)
    }

    /// Columns that were laid down in pieces; of a batch that is not merged again, in little memory.
    fn whole(&self, pieces: impl Fn(usize) -> Result<Vec<ArrayRef>>, is_last: bool) -> Result<Vec<ChunkColumn>> {
        let of = |column: usize| {
            // What a row is known by is compared with it, where it lies.
            let is_compared = self.identity.as_ref().is_some_and(|known_by| known_by.contains(&column));
            let pieces = pieces(column)?;
            if is_last && !is_compared { ChunkColumn::small(&pieces) } else { ChunkColumn::plain(&pieces) }
        };
        (0..self.schema.fields().len()).map(of).collect()
    }

    /// Takes the last batch back.
    pub(super) fn pop(&mut self) {
        if let Some(last) = self.chunks.pop() {
            self.rows = self.starts.pop().unwrap_or(0);
            self.closed = self.closed.min(self.chunks.len());
            self.memory_bytes -= last.memory_bytes;
        }
    }

    /// The position of the first row of the batch that was laid down last.
    pub(super) fn last_start(&self) -> u32 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Keeps the number of batches low; no position moves.
    pub(super) fn merge(&mut self) -> Result<()> {
        let open = &self.chunks[self.closed..];
        let Some(last) = open.last() else { return Ok(()) };
        let rows = self.rows - self.starts[self.closed];
        let is_large = |rows: usize, bytes: usize| rows >= CHUNK_ROWS_MAX || bytes >= CHUNK_BYTES_MAX;
        if is_large(rows as usize, open.iter().map(|c| c.bytes).sum()) {
            // One that is large alone is as good as it is.
            let alone = is_large(2 * last.rows, 2 * last.bytes);
            let end = self.chunks.len() - usize::from(alone);
            self.merge_range(self.closed..end, true)?;
            self.closed = self.chunks.len();
            return Ok(());
        }
        loop {
            let open = &self.chunks[self.closed..];
            let merges = open.last().map_or(0, |c| c.merges);
            let equal = open.iter().rev().take_while(|c| c.merges == merges).count();
            if equal < MERGED_TOGETHER {
                return Ok(());
            }
            self.merge_range(self.chunks.len() - equal..self.chunks.len(), false)?;
        }
    }

    fn merge_range(&mut self, Range { start, end }: Range<usize>, is_last: bool) -> Result<()> {
        if end - start < 2 {
            return Ok(());
        }
        let (behind, merged) = (self.chunks.split_off(end), self.chunks.split_off(start));
        self.rows = self.starts[start];
        self.starts.truncate(start);
        self.memory_bytes = self.chunks.iter().map(|c| c.memory_bytes).sum();
        let pieces = |column: usize| merged.iter().map(|c| c.columns[column].array()).collect::<Result<Vec<_>>>();
        let columns = self.whole(pieces, is_last)?;
        let (rows, bytes) = (merged.iter().map(|c| c.rows).sum(), merged.iter().map(|c| c.bytes).sum());
        let merges = merged.iter().map(|c| c.merges).max().unwrap_or(0) + 1;
        drop(merged);
        self.add((columns, rows), bytes, merges)?;
        behind.into_iter().try_for_each(|c| self.add((c.columns, c.rows), c.bytes, c.merges))
    }

    /// Batch and row of a position.
    #[inline]
    fn place(&self, position: u32) -> (usize, usize) {
        let chunk = self.starts.partition_point(|start| *start <= position) - 1;
        (chunk, (position - self.starts[chunk]) as usize)
    }

    /// The rows at these positions; those from [`len`](RowChunks::len) on are in `rows`.
    pub(super) fn rows(&self, positions: impl Iterator<Item = u32>, rows: &RecordBatch) -> Result<RecordBatch> {
        let place = |position: u32| match position.checked_sub(self.rows) {
            Some(row) => (self.chunks.len(), row as usize),
            None => self.place(position),
        };
        let places: Vec<(usize, usize)> = positions.map(place).collect();
        let of = |column: usize| {
            let chunks = self.chunks.iter().map(|c| Part::from(&c.columns[column]));
            gathered(&chunks.chain([Part::from(rows.column(column))]).collect::<Vec<_>>(), &places)
        };
        let columns = (0..self.schema.fields().len()).map(of).collect::<Result<Vec<_>>>()?;
        batch(&self.schema, columns, places.len())
    }

    /// Some columns of the rows at these positions, nulls for [`NOWHERE`].
    pub(super) fn columns(&self, columns: Range<usize>, positions: impl Iterator<Item = u32>) -> Result<Vec<ArrayRef>> {
        let (nowhere, mut missing) = ((self.chunks.len(), 0), false);
        let place = |position: u32| match position {
            NOWHERE => {
                missing = true;
                nowhere
            }
            position => self.place(position),
        };
        let places: Vec<(usize, usize)> = positions.map(place).collect();
        let of = |column: usize| -> Result<ArrayRef> {
            // Nulls cost as much as they are looked at, so there are none among the batches without need.
            let null =
                (missing || self.chunks.is_empty()).then(|| new_null_array(self.schema.field(column).data_type(), 1));
            let chunks = self.chunks.iter().map(|c| Part::from(&c.columns[column]));
            gathered(&chunks.chain(null.iter().map(Part::from)).collect::<Vec<_>>(), &places)
        };
        columns.map(of).collect()
    }

    /// Appends what the row at a position is known by.
    #[inline]
    pub(super) fn encode_identity(&self, position: u32, out: &mut Vec<u8>) {
        let (chunk, row) = self.place(position);
        if let Some(encoder) = &self.chunks[chunk].identity {
            encoder.encode(row, out);
        }
    }

    /// Rewrites all batches with these rows, of ascending positions, and no others: the first gets position 0, and so
    /// on. The old batches go one by one, so that not all is there twice.
    pub(super) fn keep(&mut self, positions: impl Iterator<Item = u32>) -> Result<()> {
        let (chunks, starts, rows) = (std::mem::take(&mut self.chunks), std::mem::take(&mut self.starts), self.rows);
        (self.rows, self.closed, self.memory_bytes) = (0, 0, 0);
        let ends = starts.iter().skip(1).copied().chain([rows]);
        let (mut old, mut places, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut positions = positions.peekable();
        for ((chunk, start), end) in chunks.into_iter().zip(&starts).zip(ends) {
            let before = places.len();
            while let Some(position) = positions.next_if(|position| *position < end) {
                places.push((old.len(), (position - start) as usize));
            }
            if places.len() > before {
                bytes += chunk.bytes / chunk.rows * (places.len() - before);
                old.push(chunk);
            }
            if places.len() >= CHUNK_ROWS_MAX || bytes >= CHUNK_BYTES_MAX {
                self.add_kept(&std::mem::take(&mut old), &std::mem::take(&mut places), true)?;
                (self.closed, bytes) = (self.chunks.len(), 0);
            }
        }
        self.add_kept(&old, &places, false)
    }

    fn add_kept(&mut self, old: &[Chunk], places: &[(usize, usize)], is_last: bool) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let bytes = std::cell::Cell::new(0);
        let pieces = |column: usize| {
            let parts: Vec<Part<'_>> = old.iter().map(|c| Part::from(&c.columns[column])).collect();
            let values = gathered(&parts, places)?;
            bytes.set(bytes.get() + column_bytes(&values));
            Ok(vec![values])
        };
        let columns = self.whole(pieces, is_last)?;
        self.add((columns, places.len()), bytes.get(), 1)
    }

    /// The same with positions in any order.
    pub(super) fn reorder(&mut self, positions: &[u32]) -> Result<()> {
        let mut rewritten = RowChunks::new(self.schema.clone(), self.identity.clone());
        let (mut places, mut bytes) = (Vec::new(), 0);
        for position in positions {
            let place = self.place(*position);
            let chunk = &self.chunks[place.0];
            bytes += chunk.bytes / chunk.rows;
            places.push(place);
            if places.len() >= CHUNK_ROWS_MAX || bytes >= CHUNK_BYTES_MAX {
                rewritten.add_kept(&self.chunks, &std::mem::take(&mut places), true)?;
                (rewritten.closed, bytes) = (rewritten.chunks.len(), 0);
            }
        }
        rewritten.add_kept(&self.chunks, &places, false)?;
        *self = rewritten;
        Ok(())
    }
}

fn too_many() -> Error {
    Error::unsupported("more than 4 billion rows in one state of a subtask")
        .with_hint("Raise the parallelism, or give the state a time to live.")
}

/// Bytes of the rows themselves, without what lies beside them in the same memory.
fn row_bytes(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(column_bytes).sum()
}

fn column_bytes(column: &ArrayRef) -> usize {
    column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
}

/// The same rows in memory of their own.
fn copied(rows: &RecordBatch) -> Result<RecordBatch> {
    let all = UInt32Array::from_iter_values(0..rows.num_rows() as u32);
    let columns = rows.columns().iter().map(|c| take(c, &all, None)).collect::<Result<Vec<_>, _>>()?;
    batch(&rows.schema(), columns, rows.num_rows())
}

/// A batch, also of no columns.
fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringArray};

    use super::*;

    fn rows(values: Range<i64>) -> RecordBatch {
        let texts: StringArray = values.clone().map(|v| (v % 7 != 0).then(|| format!("text {v}"))).collect();
        let numbers = Int64Array::from_iter_values(values);
        let columns = [("a", Arc::new(numbers) as ArrayRef, false), ("b", Arc::new(texts) as ArrayRef, true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn check(chunks: &RowChunks, model: &[i64]) {
        assert_eq!(chunks.len(), model.len());
        let positions = (0..model.len() as u32).rev().step_by(3);
        let found = chunks.rows(positions.clone(), &rows(0..0)).unwrap();
        for (position, (number, text)) in positions
            .zip(found.column(0).as_primitive::<Int64Type>().values().iter().zip(found.column(1).as_string::<i32>()))
        {
            let value = model[position as usize];
            assert_eq!((*number, text.map(str::to_owned)), (value, (value % 7 != 0).then(|| format!("text {value}"))));
        }
    }

    #[test]
    fn batches_of_any_size_become_few_and_no_position_moves() {
        for size in [1usize, 700, 8192, 40_000, 150_000] {
            let mut chunks = RowChunks::new(rows(0..0).schema(), None);
            let (mut model, mut most) = (Vec::new(), 0);
            while model.len() < (300 * size).min(400_000) {
                let begin = model.len() as i64;
                chunks.push(rows(begin..begin + size as i64)).unwrap();
                model.extend(begin..begin + size as i64);
                chunks.merge().unwrap();
                most = most.max(chunks.count());
            }
            check(&chunks, &model);
            assert!(most <= 3 * MERGED_TOGETHER + model.len() / CHUNK_ROWS_MAX, "{most} batches of {size}");
            let copies = chunks.chunks.iter().map(|c| c.merges).max().unwrap();
            assert!(
                copies <= [2, 2, 1, 1, 0][[1, 700, 8192, 40_000, 150_000].iter().position(|s| *s == size).unwrap()]
            );
            let memory: usize = chunks.chunks.iter().map(|c| c.memory_bytes).sum();
            assert_eq!(chunks.memory_bytes(), memory);
        }
    }

    #[test]
    fn large_rows_lie_in_batches_that_a_column_can_hold() {
        let text = "x".repeat(1 << 20);
        let wide = || {
            RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec![text.as_str()])) as ArrayRef)]).unwrap()
        };
        let mut chunks = RowChunks::new(wide().schema(), None);
        for _ in 0..200 {
            chunks.push(wide()).unwrap();
            chunks.merge().unwrap();
        }
        assert!(chunks.chunks.iter().all(|c| c.bytes <= CHUNK_BYTES_MAX + (1 << 21)));
        assert_eq!((chunks.closed, chunks.len()), (3, 200));
        chunks.keep(0..150).unwrap();
        assert_eq!((chunks.count(), chunks.len()), (3, 150));
    }

    #[test]
    fn what_stays_is_rewritten_in_order_or_in_another_one() {
        let mut chunks = RowChunks::new(rows(0..0).schema(), None);
        for batch in 0..60 {
            chunks.push(rows(batch * 5000..(batch + 1) * 5000)).unwrap();
            chunks.merge().unwrap();
        }
        chunks.keep((0..300_000).filter(|p| p % 3 == 0)).unwrap();
        let model: Vec<i64> = (0..300_000).step_by(3).collect();
        check(&chunks, &model);
        assert!(chunks.count() <= 2 && chunks.closed == chunks.count() - 1, "{chunks:?}");
        let order: Vec<u32> = (0..100_000).rev().step_by(2).collect();
        chunks.reorder(&order).unwrap();
        check(&chunks, &order.iter().map(|p| model[*p as usize]).collect::<Vec<_>>());
        chunks.keep(std::iter::empty()).unwrap();
        assert_eq!((chunks.len(), chunks.count(), chunks.memory_bytes()), (0, 0, 0));
    }

    #[test]
    fn a_part_of_a_batch_does_not_keep_the_whole_one() {
        let mut chunks = RowChunks::new(rows(0..0).schema(), None);
        chunks.push(rows(0..8192).slice(4000, 10)).unwrap();
        check(&chunks, &(4000..4010).collect::<Vec<_>>());
        assert!(chunks.memory_bytes() < 4096, "{} bytes", chunks.memory_bytes());
        chunks.pop();
        assert_eq!((chunks.len(), chunks.memory_bytes()), (0, 0));
    }

    #[test]
    fn equal_texts_of_large_batches_lie_there_once() {
        let texts = |begin: i64| {
            let text = |v: i64| (v % 7 != 0).then(|| format!("https://a.long.name/of/a/page?number={}", v * v % 97));
            let texts: StringArray = (begin..begin + 8192).map(text).collect();
            RecordBatch::try_from_iter([("a", Arc::new(texts) as ArrayRef)]).unwrap()
        };
        for known_by in [None, Some(vec![0])] {
            let mut chunks = RowChunks::new(texts(0).schema(), known_by.clone());
            for batch in 0..20 {
                chunks.push(texts(batch * 8192)).unwrap();
                chunks.merge().unwrap();
            }
            let is_small = chunks.memory_bytes() < 3_500_000;
            assert_eq!(is_small, known_by.is_none(), "{} bytes", chunks.memory_bytes());
            let check = |chunks: &RowChunks, positions: &[u32]| {
                let rows = chunks.rows(positions.iter().copied(), &texts(0)).unwrap();
                let columns = chunks.columns(0..1, positions.iter().copied()).unwrap();
                assert_eq!(rows.column(0), &columns[0]);
                rows.column(0).as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect::<Vec<_>>()
            };
            let whole = check(&chunks, &(0..20 * 8192).collect::<Vec<_>>());
            let all: Vec<_> = (0..20)
                .flat_map(|b| {
                    texts(b * 8192)
                        .column(0)
                        .as_string::<i32>()
                        .iter()
                        .map(|t| t.map(str::to_owned))
                        .collect::<Vec<_>>()
                })
                .collect();
            assert!(whole == all);
            chunks.keep((0..20 * 8192).filter(|p| p % 2 == 0)).unwrap();
            let kept = check(&chunks, &(0..10 * 8192).collect::<Vec<_>>());
            assert!(kept.iter().eq(all.iter().step_by(2)));
            chunks.reorder(&(0..10 * 8192).rev().collect::<Vec<_>>()).unwrap();
            assert!(check(&chunks, &(0..10 * 8192).rev().collect::<Vec<_>>()) == kept);
        }
    }

    #[test]
    fn rows_may_have_no_columns() {
        let empty = |rows| batch(&Arc::new(arrow_schema::Schema::empty()), Vec::new(), rows).unwrap();
        let mut chunks = RowChunks::new(empty(0).schema(), None);
        for _ in 0..40 {
            chunks.push(empty(3)).unwrap();
            chunks.merge().unwrap();
        }
        assert_eq!(chunks.rows([0, 119, 120].into_iter(), &empty(1)).unwrap().num_rows(), 3);
        chunks.keep((0..120).step_by(2)).unwrap();
        assert_eq!(chunks.len(), 60);
    }
}
