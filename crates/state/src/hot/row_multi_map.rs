//! The rows of each group: what joins remember of an input.
//!
//! Flink counterpart: `JoinRecordStateView` and `OuterJoinRecordStateView` in their three forms
//! ([`RowIdentity`]), and the caches of interval and temporal joins. Each row has a number, by which it is
//! looked at; rows of a group are a list, in the order in which they came or in that of their times. Beside
//! a row there may be a *count* of equal ones, a *tag* (how many rows it is joined with, or what the operator
//! likes), and a *time* (of its last change if rows expire, or what the operator likes).
//!
//! **State layout**: the one part of an entry is the number of its rows, and for each row, in the order of the
//! list, its bytes as [`row`](mod@crate::row) writes them with their length before them, its count, its tag and its
//! time. It is the same with every identity, so that a query may get to know a unique key and keep its state.
//! A group is one entry for now: one of millions of rows is as dear to write, and to load, as it is large.

mod adding;
mod index;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use flott_api::Result;
use flott_api::state::StatePart;

use super::expiry::{NOT_KNOWN, TtlOptions, known_ms};
use super::paged::Paged;
use super::region::GroupEntries;
use super::row_arena::RowArena;
use super::row_chunks::CHUNK_ROWS_MAX;
use super::values::{Values, take_part};
use crate::codec::{damaged, put_bytes, put_short, put_signed, take_bytes, take_short, take_signed};
use crate::row::{self, RowEncoder};
pub use adding::Adding;
use index::RowIndex;

/// The number of no row: behind the last one of a group.
pub const NO_ROW: u32 = u32::MAX;

/// How a row is found again in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowIdentity {
    /// A group has one row: the join key contains a unique key.
    Group,
    /// These columns are unique in a group.
    Columns(Vec<usize>),
    /// By all it has: equal rows are one, and counted.
    WholeRow,
    /// Never: rows only come, and go by number. Equal ones are apart.
    None,
}

/// What a multimap holds.
#[derive(Clone, Debug)]
pub struct RowMultiMapOptions {
    /// The columns of the rows.
    pub schema: SchemaRef,
    /// How rows are found again.
    pub identity: RowIdentity,
    /// Whether rows have tags; else all are 0.
    pub tagged: bool,
    /// Whether rows have times also if they do not expire.
    pub timed: bool,
    /// When a row expires that was not changed, each by itself.
    pub ttl_ms: i64,
}

impl RowMultiMapOptions {
    /// The part of a state that such a multimap is; `meaning` says what tags and times are.
    ///
    /// # Errors
    /// If rows with such columns cannot be written down.
    pub fn part(&self, meaning: &str) -> Result<StatePart> {
        let fields = self.schema.fields();
        fields.iter().try_for_each(|f| row::check_type(f.data_type()))?;
        let columns: Vec<String> = fields.iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
        Ok(StatePart {
            name: format!("{meaning}-{}", row::VERSION),
            ty: format!("MULTISET<ROW<{}>>", columns.join(", ")),
        })
    }
}

/// Where a row is in the list of its group.
#[derive(Clone, Copy, Debug)]
struct Link {
    group: u32,
    previous: u32,
    next: u32,
}

/// The first and the last row of a group.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

const EMPTY: Ends = Ends { first: NO_ROW, last: NO_ROW };

/// See the module.
pub struct RowMultiMap {
    options: RowMultiMapOptions,
    ttl: TtlOptions,
    arena: RowArena,
    index: Option<RowIndex>,
    groups: Paged<Ends>,
    links: Paged<Link>,
    /// Empty unless equal rows are counted.
    counts: Paged<u32>,
    /// Empty unless rows are tagged.
    tags: Paged<i32>,
    /// Empty unless rows have times.
    times: Paged<i64>,
    /// Numbers without a row.
    free: Vec<u32>,
    scratch: Vec<u8>,
}

impl RowMultiMap {
    /// An empty one.
    pub fn new(mut options: RowMultiMapOptions) -> Self {
        options.schema = nullable(&options.schema);
        let identity = match &options.identity {
            RowIdentity::Group | RowIdentity::None => None,
            RowIdentity::Columns(columns) => Some(columns.clone()),
            RowIdentity::WholeRow => Some((0..options.schema.fields().len()).collect()),
        };
        RowMultiMap {
            ttl: TtlOptions::after(options.ttl_ms),
            index: identity.is_some().then(RowIndex::default),
            arena: RowArena::new(options.schema.clone(), identity),
            options,
            groups: Paged::new(),
            links: Paged::new(),
            counts: Paged::new(),
            tags: Paged::new(),
            times: Paged::new(),
            free: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The first row of a group, or [`NO_ROW`].
    #[inline]
    pub fn first(&self, group: u32) -> u32 {
        self.groups.get(group as usize).map_or(NO_ROW, |ends| ends.first)
    }

    /// The last row of a group, or [`NO_ROW`].
    #[inline]
    pub fn last(&self, group: u32) -> u32 {
        self.groups.get(group as usize).map_or(NO_ROW, |ends| ends.last)
    }

    /// The row behind this one in its group, or [`NO_ROW`].
    #[inline]
    pub fn next(&self, row: u32) -> u32 {
        self.links[row as usize].next
    }

    /// The row before this one in its group, or [`NO_ROW`].
    #[inline]
    pub fn previous(&self, row: u32) -> u32 {
        self.links[row as usize].previous
    }

    /// The group of a row.
    #[inline]
    pub fn group(&self, row: u32) -> u32 {
        self.links[row as usize].group
    }

    /// How many equal rows this one stands for.
    #[inline]
    pub fn count(&self, row: u32) -> u32 {
        self.counts.get(row as usize).unwrap_or(1)
    }

    /// The row's tag.
    #[inline]
    pub fn tag(&self, row: u32) -> i32 {
        self.tags.get(row as usize).unwrap_or(0)
    }

    /// Sets the tag of a row of a touched group; a change as any other for its time to live.
    #[inline]
    pub fn set_tag(&mut self, row: u32, tag: i32, now_ms: i64) {
        self.tags[row as usize] = tag;
        self.set_changed(row, now_ms);
    }

    /// The row's time.
    #[inline]
    pub fn time(&self, row: u32) -> i64 {
        self.times.get(row as usize).unwrap_or(NOT_KNOWN)
    }

    /// Whether a row is over, and not to be seen any more.
    #[inline]
    pub fn is_expired(&self, row: u32, now_ms: i64) -> bool {
        self.ttl.is_on() && self.ttl.is_over(self.time(row), now_ms)
    }

    /// One column of these rows; null for [`NO_ROW`].
    ///
    /// # Errors
    /// If Arrow fails; a bug.
    pub fn column(&self, column: usize, rows: &[u32]) -> Result<ArrayRef> {
        self.arena.column(column, rows)
    }

    /// The columns of these rows; nulls for [`NO_ROW`].
    ///
    /// # Errors
    /// If Arrow fails; a bug.
    pub fn columns(&self, rows: &[u32]) -> Result<Vec<ArrayRef>> {
        self.arena.columns(0..self.options.schema.fields().len(), rows)
    }

    /// Begins to change the rows of touched groups by those of a batch.
    ///
    /// # Errors
    /// If the batch has other columns.
    pub fn adding(&mut self, rows: &RecordBatch) -> Result<Adding<'_>> {
        Adding::new(self, rows)
    }

    /// Forgets a row of a touched group.
    pub fn remove(&mut self, row: u32) {
        if let Some(index) = &mut self.index {
            self.scratch.clear();
            self.arena.encode_identity(row, &mut self.scratch);
            index.remove(RowIndex::hash(self.links[row as usize].group, &self.scratch), row);
        }
        self.unlink(row);
        self.arena.remove(row);
        self.free.push(row);
    }

    fn set_changed(&mut self, row: u32, now_ms: i64) {
        if self.ttl.is_on() {
            self.times[row as usize] = known_ms(now_ms);
        }
    }

    /// A number for a new row.
    fn number(&mut self) -> u32 {
        if let Some(number) = self.free.pop() {
            return number;
        }
        let number = self.links.len() as u32;
        self.links.push(Link { group: 0, previous: NO_ROW, next: NO_ROW });
        if self.options.identity == RowIdentity::WholeRow {
            self.counts.push(1);
        }
        if self.options.tagged {
            self.tags.push(0);
        }
        if self.options.timed || self.ttl.is_on() {
            self.times.push(NOT_KNOWN);
        }
        number
    }

    /// Notes what is known of a new row besides itself.
    fn note(&mut self, row: u32, count: u32, tag: i32, time: i64) {
        set(&mut self.counts, row, count);
        set(&mut self.tags, row, tag);
        set(&mut self.times, row, time);
    }

    /// Puts a new row into its group's list, behind `previous` or as the first one.
    fn link(&mut self, row: u32, group: u32, previous: u32) {
        let ends = &mut self.groups[group as usize];
        let next = if previous == NO_ROW { ends.first } else { self.links[previous as usize].next };
        match previous {
            NO_ROW => ends.first = row,
            previous => self.links[previous as usize].next = row,
        }
        match next {
            NO_ROW => ends.last = row,
            next => self.links[next as usize].previous = row,
        }
        self.links[row as usize] = Link { group, previous, next };
    }

    fn unlink(&mut self, row: u32) {
        let Link { group, previous, next } = self.links[row as usize];
        let ends = &mut self.groups[group as usize];
        match previous {
            NO_ROW => ends.first = next,
            previous => self.links[previous as usize].next = next,
        }
        match next {
            NO_ROW => ends.last = previous,
            next => self.links[next as usize].previous = previous,
        }
    }

    /// The rows of these groups, in order, with the number of rows of each.
    fn numbers(&self, groups: &[u32]) -> (Vec<u32>, Vec<usize>) {
        let (mut numbers, mut lengths) = (Vec::new(), Vec::with_capacity(groups.len()));
        for group in groups {
            let begin = numbers.len();
            let mut row = self.first(*group);
            while row != NO_ROW {
                numbers.push(row);
                row = self.next(row);
            }
            lengths.push(numbers.len() - begin);
        }
        (numbers, lengths)
    }

    fn save_some(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        let (numbers, lengths) = self.numbers(groups);
        let columns = self.columns(&numbers)?;
        let encoder = RowEncoder::new(&batch(&self.options.schema, columns, numbers.len())?)?;
        let (mut next, mut row_bytes) = (0, Vec::new());
        for length in lengths {
            values.part(|out| {
                put_short(out, length as u64);
                for number in &numbers[next..next + length] {
                    row_bytes.clear();
                    encoder.encode(next, &mut row_bytes);
                    put_bytes(out, &row_bytes);
                    put_short(out, u64::from(self.count(*number)));
                    put_signed(out, i64::from(self.tag(*number)));
                    put_signed(out, self.time(*number));
                    next += 1;
                }
            });
            values.end();
        }
        Ok(())
    }
}

/// A row as it was saved.
struct Saved<'a> {
    group: u32,
    bytes: &'a [u8],
    count: u32,
    tag: i32,
    time: i64,
}

impl<'a> Saved<'a> {
    fn read(group: u32, input: &mut &'a [u8]) -> Result<Self> {
        let (bytes, count) = (take_bytes(input)?, take_short(input)?);
        let (tag, time) = (take_signed(input)?, take_signed(input)?);
        let count = u32::try_from(count).ok().filter(|c| *c > 0).ok_or_else(|| damaged("a row has no count"))?;
        let tag = i32::try_from(tag).map_err(|_| damaged("a row's tag is too large"))?;
        Ok(Saved { group, bytes, count, tag, time })
    }
}

impl GroupEntries for RowMultiMap {
    fn fresh(&self) -> Result<Self> {
        Ok(RowMultiMap::new(self.options.clone()))
    }

    fn grow(&mut self, end: usize) {
        self.groups.grow(end, EMPTY);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        // So many groups at once that their rows are about a batch of the arena.
        let (mut begin, mut rows) = (0, 0);
        for (at, group) in groups.iter().enumerate() {
            let mut row = self.first(*group);
            while row != NO_ROW {
                rows += 1;
                row = self.next(row);
            }
            if rows >= CHUNK_ROWS_MAX {
                self.save_some(&groups[begin..=at], values)?;
                (begin, rows) = (at + 1, 0);
            }
        }
        self.save_some(&groups[begin..], values)
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], now_ms: i64) -> Result<()> {
        if groups.is_empty() {
            return self.arena.give_back();
        }
        let mut saved = Vec::new();
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            let mut part = take_part(&mut value)?;
            for _ in 0..take_short(&mut part)? {
                saved.push(Saved::read(*group, &mut part)?);
            }
            if !part.is_empty() || !value.is_empty() {
                return Err(damaged("a group of rows is too long"));
            }
        }
        self.load_rows(saved, now_ms)
    }

    fn clear(&mut self, group: u32) {
        let mut row = self.first(group);
        while row != NO_ROW {
            let next = self.next(row);
            self.remove(row);
            row = next;
        }
    }

    fn memory_bytes(&self) -> usize {
        let rows = self.links.memory_bytes() + self.counts.memory_bytes();
        let beside = self.tags.memory_bytes() + self.times.memory_bytes();
        let index = self.index.as_ref().map_or(0, RowIndex::memory_bytes);
        self.arena.memory_bytes() + self.groups.memory_bytes() + rows + beside + index
    }

    fn slot_bytes(&self) -> usize {
        size_of::<Ends>()
    }
}

impl RowMultiMap {
    fn load_rows(&mut self, mut saved: Vec<Saved<'_>>, now_ms: i64) -> Result<()> {
        if self.ttl.is_on() {
            saved.iter_mut().for_each(|s| s.time = if s.time == NOT_KNOWN { now_ms } else { s.time });
            saved.retain(|s| !self.ttl.is_over(s.time, now_ms));
        }
        let counted = self.options.identity == RowIdentity::WholeRow;
        // Where equal rows are apart, a row that was counted becomes as many.
        let times = |s: &Saved<'_>| if counted { 1 } else { s.count as usize };
        let bytes: Vec<&[u8]> = saved.iter().flat_map(|s| std::iter::repeat_n(s.bytes, times(s))).collect();
        let rows = row::decode(&self.options.schema, &bytes)?;
        let mut adding = self.adding(&rows)?;
        let mut row = 0;
        for saved in &saved {
            for _ in 0..times(saved) {
                adding.restore(row, saved);
                row += 1;
            }
        }
        adding.finish()
    }
}

/// Sets a value of those that rows have, if they do.
fn set<T: Copy>(values: &mut Paged<T>, row: u32, value: T) {
    if let Some(place) = values.get_mut(row as usize) {
        *place = value;
    }
}

/// The same columns, all of which may be null: a type says `NOT NULL` in Flink also where a null may come.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    let field = |f: &Arc<Field>| f.as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

#[cfg(test)]
mod tests;
