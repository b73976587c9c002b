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

/// Gaps between batches are closed if there are so many positions, and so many for each row.
const GAPS_MIN: usize = 1 << 20;
const GAPS_PER_ROW: usize = 8;

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
    /// The position of the next row.
    end: u32,
    /// How many rows lie there, dead ones too.
    rows: usize,
    memory_bytes: usize,
}

struct Chunk {
    columns: Vec<ChunkColumn>,
    rows: usize,
    /// How many of them nobody has any more.
    dead: usize,
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
        RowChunks { schema, identity, chunks, starts, closed: 0, end: 0, rows: 0, memory_bytes: 0 }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows lie there.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The position of the next row.
    pub(super) fn end(&self) -> u32 {
        self.end
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
        let chunk = self.chunk((columns, rows.num_rows()), bytes, 0)?;
        self.add(chunk)
    }

    fn chunk(&self, (columns, rows): (Vec<ChunkColumn>, usize), bytes: usize, merges: u32) -> Result<Chunk> {
        let identity = self.identity.as_ref().map(|known_by| self.encoder(&columns, known_by, rows)).transpose()?;
        let memory_bytes = columns.iter().map(ChunkColumn::memory_bytes).sum();
        Ok(Chunk { columns, rows, dead: 0, merges, bytes, memory_bytes, identity })
    }

    fn add(&mut self, chunk: Chunk) -> Result<()> {
        let added = u32::try_from(chunk.rows).ok().and_then(|added| self.end.checked_add(added));
        let end = added.filter(|end| *end < NOWHERE).ok_or_else(too_many)?;
        self.starts.push(self.end);
        self.end = end;
        self.rows += chunk.rows;
        self.memory_bytes += chunk.memory_bytes;
        self.chunks.push(chunk);
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
            self.end = self.starts.pop().unwrap_or(0);
            self.rows -= last.rows;
            self.closed = self.closed.min(self.chunks.len());
            self.memory_bytes -= last.memory_bytes;
        }
    }

    /// Says that nobody has the row at a position any more. It lies there until its batch is rewritten.
    #[inline]
    pub(super) fn bury(&mut self, position: u32) {
        let (chunk, _) = self.place(position);
        self.chunks[chunk].dead += 1;
    }

    /// The position of the first row of the batch that was laid down last.
    pub(super) fn last_start(&self) -> u32 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Says that of the rows of the batch that was laid down last only so many were given to somebody.
    pub(super) fn waste(&mut self, given: usize) {
        if let Some(last) = self.chunks.last_mut() {
            last.dead += last.rows.saturating_sub(given);
        }
    }

    /// Keeps the number of batches low; no position moves.
    pub(super) fn merge(&mut self) -> Result<()> {
        let open = &self.chunks[self.closed..];
        let Some(last) = open.last() else { return Ok(()) };
        let rows = self.end - self.starts[self.closed];
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
            let equal = || open.iter().rev().take(MERGED_TOGETHER).take_while(|c| c.merges == merges);
            let (rows, bytes) = equal().fold((0, 0), |(rows, bytes), c| (rows + c.rows, bytes + c.bytes));
            // What will be a large batch soon is copied then, and not before too.
            if equal().count() < MERGED_TOGETHER || is_large(2 * rows, 2 * bytes) {
                return Ok(());
            }
            self.merge_range(self.chunks.len() - MERGED_TOGETHER..self.chunks.len(), false)?;
        }
    }

    fn merge_range(&mut self, Range { start, end }: Range<usize>, is_last: bool) -> Result<()> {
        if end - start < 2 {
            return Ok(());
        }
        let (behind, merged) = (self.chunks.split_off(end), self.chunks.split_off(start));
        self.end = self.starts[start];
        self.starts.truncate(start);
        let left = merged.iter().chain(&behind);
        (self.rows, self.memory_bytes) =
            left.fold((self.rows, self.memory_bytes), |(rows, bytes), c| (rows - c.rows, bytes - c.memory_bytes));
        let pieces = |column: usize| merged.iter().map(|c| c.columns[column].array()).collect::<Result<Vec<_>>>();
        let columns = self.whole(pieces, is_last)?;
        let (rows, bytes) = (merged.iter().map(|c| c.rows).sum(), merged.iter().map(|c| c.bytes).sum());
        let (dead, merges) = (merged.iter().map(|c| c.dead).sum(), merged.iter().map(|c| c.merges).max());
        drop(merged);
        let chunk = self.chunk((columns, rows), bytes, merges.unwrap_or(0) + 1)?;
        self.add(Chunk { dead, ..chunk })?;
        behind.into_iter().try_for_each(|c| self.add(c))
    }

    /// The batches that are not large yet, if most of what is in them is dead: the positions that should be packed.
    pub(super) fn sparse_open(&self) -> Option<Range<u32>> {
        let open = &self.chunks[self.closed..];
        let (rows, dead) = open.iter().fold((0, 0), |(rows, dead), c| (rows + c.rows, dead + c.dead));
        (rows > 0 && dead * 2 > rows).then(|| self.starts[self.closed]..self.end)
    }

    /// Large batches of which most is dead, each with the small ones beside it: the positions that should be packed,
    /// ascending.
    pub(super) fn sparse(&self) -> Vec<Range<u32>> {
        let live = |at: usize| self.chunks[at].rows - self.chunks[at].dead;
        let mut spans = Vec::new();
        let mut at = 0;
        while at < self.closed {
            let chunk = &self.chunks[at];
            if chunk.dead * 2 <= chunk.rows {
                at += 1;
                continue;
            }
            let (first, mut rows) = (self.before(at, spans.last()), live(at));
            rows += (first..at).map(live).sum::<usize>();
            at += 1;
            while at < self.closed && rows + live(at) <= CHUNK_ROWS_MAX / 2 && self.is_small(at) {
                rows += live(at);
                at += 1;
            }
            spans.push(self.starts[first]..self.span_end(at - 1));
        }
        spans
    }

    /// The batch before this one if both together are small, or this one.
    fn before(&self, at: usize, taken: Option<&Range<u32>>) -> usize {
        let Some(before) = at.checked_sub(1) else { return at };
        let is_free = taken.is_none_or(|span| span.end <= self.starts[before]);
        let rows = [before, at].map(|c| self.chunks[c].rows - self.chunks[c].dead);
        if is_free && self.is_small(before) && rows[0] + rows[1] <= CHUNK_ROWS_MAX / 2 { before } else { at }
    }

    /// Whether little is in a large batch.
    fn is_small(&self, at: usize) -> bool {
        let chunk = &self.chunks[at];
        chunk.bytes / chunk.rows.max(1) * (chunk.rows - chunk.dead) <= CHUNK_BYTES_MAX / 4
    }

    fn span_end(&self, at: usize) -> u32 {
        self.starts[at] + self.chunks[at].rows as u32
    }

    /// Rewrites the batches in a span with the rows at these positions, ascending, and no others: the first gets the
    /// position where the span begins, and so on. No position outside of it moves.
    pub(super) fn pack(&mut self, span: &Range<u32>, positions: impl Iterator<Item = u32>) -> Result<()> {
        let first = self.starts.partition_point(|start| *start < span.start);
        let end = self.starts.partition_point(|start| *start < span.end);
        let place = |position| {
            let (chunk, row) = self.place(position);
            (chunk - first, row)
        };
        let places: Vec<(usize, usize)> = positions.map(place).collect();
        let is_large = first < self.closed;
        let packed = self.gathered(&self.chunks[first..end], &places, is_large)?;
        let start = packed.iter().map(|_| span.start).collect::<Vec<_>>();
        self.starts.splice(first..end, start);
        self.rows += places.len();
        self.memory_bytes += packed.as_ref().map_or(0, |chunk| chunk.memory_bytes);
        if is_large {
            self.closed = self.closed - (end - first) + packed.iter().count();
        } else {
            // Nothing lies behind, and those that come must follow at once, or they could not be merged.
            self.end = span.start + places.len() as u32;
        }
        for old in self.chunks.splice(first..end, packed) {
            self.rows -= old.rows;
            self.memory_bytes -= old.memory_bytes;
        }
        Ok(())
    }

    /// Closes the gaps between batches if there is far more of them than of rows. Where each batch began, and by how
    /// much it has moved; nothing if all stays.
    pub(super) fn close_gaps(&mut self) -> Vec<(u32, u32)> {
        if (self.end as usize) < GAPS_MIN || self.end as usize / GAPS_PER_ROW < self.rows {
            return Vec::new();
        }
        let starts = std::mem::take(&mut self.starts);
        self.end = 0;
        for chunk in &self.chunks {
            self.starts.push(self.end);
            self.end += chunk.rows as u32;
        }
        starts.iter().zip(&self.starts).map(|(old, new)| (*old, old - new)).collect()
    }

    /// Batch and row of a position.
    #[inline]
    fn place(&self, position: u32) -> (usize, usize) {
        let chunk = self.starts.partition_point(|start| *start <= position) - 1;
        (chunk, (position - self.starts[chunk]) as usize)
    }

    /// The rows at these positions; those from [`end`](RowChunks::end) on are in `rows`.
    pub(super) fn rows(&self, positions: impl Iterator<Item = u32>, rows: &RecordBatch) -> Result<RecordBatch> {
        let place = |position: u32| match position.checked_sub(self.end) {
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
        let (chunks, starts, end) = (std::mem::take(&mut self.chunks), std::mem::take(&mut self.starts), self.end);
        (self.end, self.rows, self.closed, self.memory_bytes) = (0, 0, 0, 0);
        let ends = starts.iter().skip(1).copied().chain([end]);
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
        let kept = self.gathered(old, places, is_last)?;
        kept.into_iter().try_for_each(|chunk| self.add(chunk))
    }

    /// A batch of the rows at these places, if there are any.
    fn gathered(&self, old: &[Chunk], places: &[(usize, usize)], is_last: bool) -> Result<Option<Chunk>> {
        if places.is_empty() {
            return Ok(None);
        }
        let bytes = std::cell::Cell::new(0);
        let pieces = |column: usize| {
            let parts: Vec<Part<'_>> = old.iter().map(|c| Part::from(&c.columns[column])).collect();
            let values = gathered(&parts, places)?;
            bytes.set(bytes.get() + column_bytes(&values));
            Ok(vec![values])
        };
        let columns = self.whole(pieces, is_last)?;
        self.chunk((columns, places.len()), bytes.get(), 1).map(Some)
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
mod tests;
