//! The rows of each group in the order of a sort key: what `Rank`, `OverAggregate` and `TemporalSort` remember.
//!
//! Flink counterpart: the `MapState` of sort key to list of rows, with the `SortedMap` beside it or the buffer on the
//! heap. Rows with equal sort keys stay in the order in which they came.
//!
//! The order of work for a batch is [`begin`](SortedRows::begin), then insertions, removals and walks, then
//! [`rows`](SortedRows::rows): what an operation finds are [`RowRef`]s, numbers that stand for a row until the next
//! `begin`. A row of the batch is never copied on the way to the output, and one that was there before is decoded
//! once, however often the batch moves it.
//!
//! **State layout**: in memory a sorted list for each group; an entry has the sort key (as
//! [`SortKeys`], with a number of arrival behind it) and the row as [`row`](mod@crate::row) writes it. In the store a
//! group is **one entry** for now, its rows in order: a group of very many rows is as dear at every checkpoint in which
//! it changed as it is large. Sort keys and numbers of arrival are not written; they are found anew.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use flott_api::{Error, Result};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::region::GroupEntries;
use super::sorted_list::{Entry, SortedList, Spot};
use super::values::{Values, take_part};
use crate::codec::{damaged, put_bytes, put_short, take_bytes, take_short};
use crate::key::{EncodedKeys, KeyOrder, SortKeys};
use crate::row::{self, RowEncoder};

/// What marks a [`RowRef`] as a row that was there before the batch.
const STORED: u32 = 1 << 31;
/// Behind every number of arrival.
const AFTER_ALL: [u8; 8] = u64::MAX.to_be_bytes();

/// Stands for a row until the next batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef(u32);

impl RowRef {
    /// A row of the batch.
    pub fn of_batch(row: usize) -> Self {
        RowRef(row as u32)
    }
}

/// From the name of a row to its whole key.
type Names = HashMap<Box<[u8]>, Box<[u8]>, FixedState>;

/// See the module.
pub struct SortedRows {
    schema: SchemaRef,
    order: Vec<(usize, KeyOrder)>,
    /// The columns that name a row within its group; none if rows have no name.
    named_by: Vec<usize>,
    groups: Vec<SortedList>,
    /// Of each group, if rows have names.
    names: Vec<Names>,
    held_bytes: usize,
    /// The number of arrival of the next row.
    arrival: u64,
    batch: Batch,
}

/// The batch that is worked on.
#[derive(Default)]
struct Batch {
    number: u32,
    rows: Option<RecordBatch>,
    encoder: Option<RowEncoder>,
    keys: SortKeys,
    names: EncodedKeys,
    /// Rows from before it that were looked at.
    picked: Vec<u8>,
    picked_ends: Vec<usize>,
    key: Vec<u8>,
    row: Vec<u8>,
}

impl Batch {
    fn key(&self, row: usize) -> &[u8] {
        self.keys.get(row)
    }

    fn name(&self, row: usize, named: bool) -> &[u8] {
        if named { self.names.get(row) } else { &[] }
    }

    /// The row's sort key with what comes behind it among equal ones.
    fn with_arrival(&mut self, row: usize, arrival: [u8; 8]) -> &[u8] {
        self.key.clear();
        self.key.extend_from_slice(self.keys.get(row));
        self.key.extend_from_slice(&arrival);
        &self.key
    }

    fn encode(&mut self, row: usize) -> Result<()> {
        let encoder = self.encoder.as_ref().ok_or_else(no_batch)?;
        self.row.clear();
        encoder.encode(row, &mut self.row);
        Ok(())
    }

    /// A row from before the batch that was looked at.
    fn picked(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.picked_ends[number - 1] };
        &self.picked[start..self.picked_ends[number]]
    }

    /// What stands for an entry.
    fn pick(&mut self, entry: &mut Entry) -> RowRef {
        if entry.seen.0 != self.number {
            self.picked.extend_from_slice(entry.row());
            entry.seen = (self.number, self.picked_ends.len() as u32 | STORED);
            self.picked_ends.push(self.picked.len());
        }
        RowRef(entry.seen.1)
    }
}

fn no_batch() -> Error {
    Error::internal("sorted rows were changed without a batch")
}

impl SortedRows {
    /// Groups of rows of this schema in this order: columns, the first one first; none for the order in which rows come.
    ///
    /// # Errors
    /// If a column has no order, or a row cannot be written down.
    pub fn new(schema: SchemaRef, order: Vec<(usize, KeyOrder)>) -> Result<Self> {
        Self::named(schema, order, Vec::new())
    }

    /// The same, where these columns name a row within its group: no two rows have the same name.
    ///
    /// # Errors
    /// If a column has no order, or a row cannot be written down.
    pub fn named(schema: SchemaRef, order: Vec<(usize, KeyOrder)>, named_by: Vec<usize>) -> Result<Self> {
        schema.fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        for column in order.iter().map(|(column, _)| column).chain(&named_by) {
            let field = schema.fields().get(*column);
            crate::key::check_type(field.ok_or_else(|| Error::internal("a sort column does not exist"))?.data_type())?;
        }
        Ok(SortedRows {
            schema,
            order,
            named_by,
            groups: Vec::new(),
            names: Vec::new(),
            held_bytes: 0,
            arrival: 0,
            batch: Batch::default(),
        })
    }

    fn is_named(&self) -> bool {
        !self.named_by.is_empty()
    }

    /// Takes up a batch: its rows can be inserted and removed, and what was found in the one before is forgotten.
    ///
    /// # Errors
    /// If the batch has other columns.
    pub fn begin(&mut self, rows: &RecordBatch) -> Result<()> {
        let count = rows.num_rows();
        let order: Vec<(ArrayRef, KeyOrder)> = self.order.iter().map(|(c, o)| (rows.column(*c).clone(), *o)).collect();
        let batch = &mut self.batch;
        batch.keys.encode(&order, count)?;
        if !self.named_by.is_empty() {
            let names: Vec<ArrayRef> = self.named_by.iter().map(|c| rows.column(*c).clone()).collect();
            batch.names.encode(&names, count)?;
        }
        batch.encoder = Some(RowEncoder::new(rows)?);
        batch.rows = Some(rows.clone());
        batch.number = batch.number.checked_add(1).unwrap_or(1);
        batch.picked.clear();
        batch.picked_ends.clear();
        Ok(())
    }

    /// How many rows a group has.
    pub fn len(&self, group: u32) -> usize {
        self.groups[group as usize].len()
    }

    /// Whether a group has no row.
    pub fn is_empty(&self, group: u32) -> bool {
        self.len(group) == 0
    }

    /// Whether a row of the batch comes before the last row of a group; not if their sort keys are equal.
    pub fn is_before_last(&self, group: u32, row: usize) -> bool {
        let last = self.groups[group as usize].last();
        last.is_some_and(|last| self.batch.key(row) < sort_key(last.key()))
    }

    /// How many rows of a group come before a row of the batch; those with an equal sort key do.
    pub fn rank(&mut self, group: u32, row: usize) -> usize {
        let list = &self.groups[group as usize];
        list.rank(list.find(self.batch.with_arrival(row, AFTER_ALL)))
    }

    /// Inserts a row of the batch, behind those with an equal sort key.
    ///
    /// # Errors
    /// If there is no batch.
    pub fn insert(&mut self, group: u32, row: usize) -> Result<()> {
        self.batch.encode(row)?;
        let arrival = self.arrival.to_be_bytes();
        self.arrival += 1;
        self.batch.with_arrival(row, arrival);
        let batch = &self.batch;
        let name = batch.name(row, !self.named_by.is_empty());
        let entry = Entry::new(&batch.key, name, &batch.row, (batch.number, row as u32));
        self.add(group, entry);
        Ok(())
    }

    fn add(&mut self, group: u32, entry: Entry) {
        self.held_bytes += entry.memory_bytes();
        if self.is_named() {
            self.held_bytes += name_bytes(&entry);
            self.names[group as usize].insert(entry.name().into(), entry.key().into());
        }
        self.groups[group as usize].insert(entry);
    }

    fn forget(&mut self, group: u32, entry: &Entry) {
        self.held_bytes -= entry.memory_bytes();
        if self.is_named() {
            self.held_bytes -= name_bytes(entry);
            self.names[group as usize].remove(entry.name());
        }
    }

    /// Where the first row of a group lies that is equal to a row of the batch.
    ///
    /// # Errors
    /// If there is no batch.
    pub fn find_equal(&mut self, group: u32, row: usize) -> Result<Option<usize>> {
        self.batch.encode(row)?;
        let (list, batch) = (&self.groups[group as usize], &self.batch);
        let first = list.find(batch.key(row));
        let equals = list.from(first).take_while(|e| sort_key(e.key()) == batch.key(row));
        let found = equals.enumerate().find(|(_, e)| e.row() == batch.row.as_slice());
        Ok(found.map(|(place, _)| list.rank(first) + place))
    }

    /// Where the row of a group lies that has the name of a row of the batch.
    pub fn find_named(&self, group: u32, row: usize) -> Option<usize> {
        let key = self.names.get(group as usize)?.get(self.batch.name(row, self.is_named()))?;
        let list = &self.groups[group as usize];
        Some(list.rank(list.find(key)))
    }

    /// Compares the sort key of a row of the batch with that of the row at this place.
    pub fn compare(&self, group: u32, row: usize, rank: usize) -> std::cmp::Ordering {
        let list = &self.groups[group as usize];
        let there = list.get(list.spot(rank)).map_or(&[] as &[u8], |e| sort_key(e.key()));
        self.batch.key(row).cmp(there)
    }

    /// Puts a row of the batch with the same sort key and name in the place of another one.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn replace(&mut self, group: u32, rank: usize, row: usize) -> Result<()> {
        self.batch.encode(row)?;
        let list = &mut self.groups[group as usize];
        let entry = list.get_mut(list.spot(rank)).ok_or_else(no_row)?;
        let seen = (self.batch.number, row as u32);
        let new = Entry::new(entry.key(), entry.name(), &self.batch.row, seen);
        self.held_bytes = self.held_bytes + new.memory_bytes() - entry.memory_bytes();
        *entry = new;
        Ok(())
    }

    /// Takes out the row at this place.
    ///
    /// # Errors
    /// If there is none.
    pub fn remove(&mut self, group: u32, rank: usize) -> Result<RowRef> {
        let list = &mut self.groups[group as usize];
        let mut entry = list.remove(list.spot(rank)).ok_or_else(no_row)?;
        self.forget(group, &entry);
        Ok(self.batch.pick(&mut entry))
    }

    /// Appends what stands for the rows at these places, as far as there are rows.
    pub fn range(&mut self, group: u32, ranks: Range<usize>, out: &mut Vec<RowRef>) {
        let list = &mut self.groups[group as usize];
        let from = list.spot(ranks.start);
        let batch = &mut self.batch;
        out.extend(list.entries_from(from).take(ranks.len()).map(|entry| batch.pick(entry)));
    }

    /// The row at this place.
    pub fn nth(&mut self, group: u32, rank: usize) -> Option<RowRef> {
        let list = &mut self.groups[group as usize];
        let spot = list.spot(rank);
        list.get_mut(spot).map(|entry| self.batch.pick(entry))
    }

    /// Forgets all rows behind the first `rows`.
    pub fn truncate(&mut self, group: u32, rows: usize) {
        while self.len(group) > rows {
            let list = &mut self.groups[group as usize];
            let Some(entry) = list.remove(list.spot(list.len() - 1)) else { return };
            self.forget(group, &entry);
        }
    }

    /// How many rows right before this place have the sort key of a row of the batch.
    pub fn equal_before(&self, group: u32, rank: usize, row: usize) -> usize {
        let list = &self.groups[group as usize];
        rank - list.rank(list.find(self.batch.key(row))).min(rank)
    }

    /// For each place of a group the last place with the same sort key.
    pub fn equal_ends(&self, group: u32) -> Vec<u32> {
        let list = &self.groups[group as usize];
        let keys: Vec<&[u8]> = list.from(list.spot(0)).map(|e| sort_key(e.key())).collect();
        let mut ends = vec![0; keys.len()];
        let mut end = keys.len().saturating_sub(1);
        for place in (0..keys.len()).rev() {
            if keys[place] != keys[end] {
                end = place;
            }
            ends[place] = end as u32;
        }
        ends
    }

    /// How many rows of a group come up to this sort key.
    pub fn count_through(&self, group: u32, key: &[u8]) -> usize {
        self.groups[group as usize].rank(self.behind(group, key))
    }

    /// Takes out the rows of a group up to this sort key, and appends what stands for them.
    pub fn take_through(&mut self, group: u32, key: &[u8], out: &mut Vec<RowRef>) {
        let spot = self.behind(group, key);
        self.take(group, spot, out);
    }

    /// Takes out the first so many rows of a group, and appends what stands for them.
    pub fn take_first(&mut self, group: u32, rows: usize, out: &mut Vec<RowRef>) {
        let list = &self.groups[group as usize];
        self.take(group, list.spot(rows.min(list.len())), out);
    }

    fn take(&mut self, group: u32, end: Spot, out: &mut Vec<RowRef>) {
        for mut entry in self.groups[group as usize].split_before(end) {
            self.forget(group, &entry);
            out.push(self.batch.pick(&mut entry));
        }
    }

    /// The place behind the last row with this sort key.
    fn behind(&self, group: u32, key: &[u8]) -> Spot {
        self.groups[group as usize].find(&[key, &AFTER_ALL].concat())
    }

    /// The rows that these stand for.
    ///
    /// # Errors
    /// If a row of the state is damaged.
    pub fn rows(&self, refs: &[RowRef]) -> Result<RecordBatch> {
        let batch = self.batch.rows.as_ref().ok_or_else(no_batch)?;
        if self.schema.fields().is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(refs.len()));
            return Ok(RecordBatch::try_new_with_options(self.schema.clone(), Vec::new(), &options)?);
        }
        // Only what is asked for is decoded, each row once.
        let (mut decoded, mut stored) = (vec![u32::MAX; self.batch.picked_ends.len()], Vec::new());
        let mut places = Vec::with_capacity(refs.len());
        for RowRef(row) in refs {
            if row & STORED == 0 {
                places.push((1, *row as usize));
                continue;
            }
            let place = &mut decoded[(row & !STORED) as usize];
            if *place == u32::MAX {
                *place = stored.len() as u32;
                stored.push(self.batch.picked((row & !STORED) as usize));
            }
            places.push((0, *place as usize));
        }
        let stored = row::decode(&self.schema, &stored)?;
        Ok(interleave_record_batch(&[&stored, batch], &places)?)
    }
}

fn no_row() -> Error {
    Error::internal("a group has no row at this place")
}

/// A key without its number of arrival.
fn sort_key(key: &[u8]) -> &[u8] {
    &key[..key.len() - AFTER_ALL.len()]
}

fn name_bytes(entry: &Entry) -> usize {
    2 * size_of::<Box<[u8]>>() + entry.name().len() + entry.key().len()
}

/// An entry's one part has the number of rows and the rows in order, each with its length before it.
impl GroupEntries for SortedRows {
    fn fresh(&self) -> Result<Self> {
        SortedRows::named(self.schema.clone(), self.order.clone(), self.named_by.clone())
    }

    fn grow(&mut self, end: usize) {
        if end > self.groups.len() {
            self.groups.resize_with(end, SortedList::default);
            if self.is_named() {
                self.names.resize_with(end, Names::default);
            }
        }
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for group in groups {
            values.part(|out| self.save_group(*group, out));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        let mut parts = Vec::with_capacity(values.len());
        for mut value in values.iter().copied() {
            parts.push(take_part(&mut value)?);
            if !value.is_empty() {
                return Err(damaged("sorted rows have more than one part"));
            }
        }
        self.load_groups(groups, &parts)
    }

    fn clear(&mut self, group: u32) {
        let list = std::mem::take(&mut self.groups[group as usize]);
        for entry in list.from(list.spot(0)) {
            self.held_bytes -= entry.memory_bytes() + if self.is_named() { name_bytes(entry) } else { 0 };
        }
        if let Some(names) = self.names.get_mut(group as usize) {
            *names = Names::default();
        }
    }

    fn memory_bytes(&self) -> usize {
        self.groups.len() * self.slot_bytes() + self.held_bytes
    }

    fn slot_bytes(&self) -> usize {
        size_of::<SortedList>() + if self.is_named() { size_of::<Names>() } else { 0 }
    }
}

impl SortedRows {
    /// Appends the rows of a group: for containers that have this one inside.
    pub fn save_group(&self, group: u32, out: &mut Vec<u8>) {
        let list = &self.groups[group as usize];
        put_short(out, list.len() as u64);
        list.from(list.spot(0)).for_each(|entry| put_bytes(out, entry.row()));
    }

    /// Reads what [`save_group`](SortedRows::save_group) wrote into fresh groups.
    ///
    /// # Errors
    /// If the bytes are damaged.
    pub fn load_groups(&mut self, groups: &[u32], parts: &[&[u8]]) -> Result<()> {
        let (mut owners, mut rows): (Vec<u32>, Vec<&[u8]>) = (Vec::new(), Vec::new());
        for (group, mut part) in groups.iter().zip(parts.iter().copied()) {
            for _ in 0..take_short(&mut part)? {
                rows.push(take_bytes(&mut part)?);
                owners.push(*group);
            }
            if !part.is_empty() {
                return Err(damaged("sorted rows are too long"));
            }
        }
        let decoded = row::decode(&self.schema, &rows)?;
        let column = |c: &usize| decoded.column(*c).clone();
        let order: Vec<(ArrayRef, KeyOrder)> = self.order.iter().map(|(c, o)| (column(c), *o)).collect();
        let (mut keys, mut names) = (SortKeys::default(), EncodedKeys::default());
        keys.encode(&order, rows.len())?;
        names.encode(&self.named_by.iter().map(column).collect::<Vec<_>>(), rows.len())?;
        for (row, (group, bytes)) in owners.iter().zip(&rows).enumerate() {
            let key = [keys.get(row), &self.arrival.to_be_bytes()].concat();
            self.arrival += 1;
            self.add(*group, Entry::new(&key, names.get(row), bytes, (0, 0)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
