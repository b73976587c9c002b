//! Rows of a batch come into their groups, or take equal ones out.

use arrow_array::RecordBatch;
use flott_api::Result;

use super::index::RowIndex;
use super::{NO_ROW, RowIdentity, RowMultiMap, Saved, batch};

/// With each new row so many expired ones leave at most, from the begin of the list: so lists do not grow by what
/// nobody sees.
const EXPIRED_PER_ROW: usize = 2;

/// A batch whose rows change a multimap, row by row.
pub struct Adding<'a> {
    map: &'a mut RowMultiMap,
    identity: Vec<u8>,
    other: Vec<u8>,
}

impl<'a> Adding<'a> {
    pub(super) fn new(map: &'a mut RowMultiMap, rows: &RecordBatch) -> Result<Self> {
        let rows = batch(&map.options.schema, rows.columns().to_vec(), rows.num_rows())?;
        map.arena.begin(rows)?;
        Ok(Adding { map, identity: Vec::new(), other: Vec::new() })
    }

    /// The multimap as it is now.
    pub fn map(&self) -> &RowMultiMap {
        self.map
    }

    /// Adds a row of the batch to a group. It replaces one of the same identity, or is counted with an equal one
    /// whose tag it sets; else it becomes the last of the list. Whether it replaced one.
    pub fn add(&mut self, group: u32, row: usize, tag: i32, now_ms: i64) -> bool {
        self.drop_expired(group, now_ms);
        let (found, hash) = self.find(group, row);
        let mut replaced = false;
        if let Some(old) = found {
            let is_there = !self.map.is_expired(old, now_ms);
            if self.map.options.identity == RowIdentity::WholeRow && is_there {
                let count = self.map.count(old) + 1;
                self.map.note(old, count, tag, self.map.time(old));
                self.map.set_changed(old, now_ms);
                return false;
            }
            self.map.remove(old);
            replaced = is_there;
        }
        let last = self.map.last(group);
        let number = self.insert(group, row, hash, last);
        self.map.note(number, 1, tag, 0);
        self.map.set_changed(number, now_ms);
        replaced
    }

    /// Adds a row of the batch behind the rows of its group that are not later.
    pub fn add_by_time(&mut self, group: u32, row: usize, tag: i32, time: i64) -> u32 {
        let mut previous = self.map.last(group);
        while previous != NO_ROW && self.map.time(previous) > time {
            previous = self.map.previous(previous);
        }
        let number = self.insert(group, row, None, previous);
        self.map.note(number, 1, tag, time);
        number
    }

    /// Adds a row of the batch behind all rows of its group, whatever its time.
    pub fn add_last(&mut self, group: u32, row: usize, tag: i32, time: i64) -> u32 {
        let number = self.insert(group, row, None, self.map.last(group));
        self.map.note(number, 1, tag, time);
        number
    }

    /// Takes the row that has the identity of this row of the batch out of a group, once; whether there was one.
    pub fn retract(&mut self, group: u32, row: usize, now_ms: i64) -> bool {
        let Some(old) = self.find(group, row).0.filter(|old| !self.map.is_expired(*old, now_ms)) else {
            return false;
        };
        match self.map.count(old) {
            1 => self.map.remove(old),
            count => {
                self.map.note(old, count - 1, self.map.tag(old), self.map.time(old));
                self.map.set_changed(old, now_ms);
            }
        }
        true
    }

    /// Forgets a row that was there, or was just added.
    pub fn remove(&mut self, number: u32) {
        self.map.remove(number);
    }

    /// Has all rows of the batch.
    ///
    /// # Errors
    /// If Arrow fails; a bug.
    pub fn finish(self) -> Result<()> {
        self.map.arena.end()
    }

    /// Takes up a row that was saved; one that is there already is counted or replaced.
    pub(super) fn restore(&mut self, row: usize, saved: &Saved<'_>) {
        let (found, hash) = self.find(saved.group, row);
        if let Some(old) = found {
            if self.map.options.identity == RowIdentity::WholeRow {
                let count = self.map.count(old) + saved.count;
                return self.map.note(old, count, saved.tag, saved.time.max(self.map.time(old)));
            }
            self.map.remove(old);
        }
        let last = self.map.last(saved.group);
        let number = self.insert(saved.group, row, hash, last);
        self.map.note(number, saved.count, saved.tag, saved.time);
    }

    fn insert(&mut self, group: u32, row: usize, hash: Option<u64>, previous: u32) -> u32 {
        let number = self.map.number();
        self.map.arena.bind(number, row);
        self.map.link(number, group, previous);
        if let (Some(index), Some(hash)) = (&mut self.map.index, hash) {
            index.insert(hash, number);
        }
        number
    }

    /// The row of a group that has the identity of a row of the batch, and its hash if rows are looked for by one.
    fn find(&mut self, group: u32, row: usize) -> (Option<u32>, Option<u64>) {
        let map = &*self.map;
        let Some(index) = &map.index else {
            let only = map.first(group);
            return (Some(only).filter(|r| *r != NO_ROW && map.options.identity == RowIdentity::Group), None);
        };
        self.identity.clear();
        map.arena.encode_begun(row, &mut self.identity);
        let hash = RowIndex::hash(group, &self.identity);
        let (identity, other) = (&self.identity, &mut self.other);
        let found = index.find(hash, |number| {
            other.clear();
            map.arena.encode_identity(number, other);
            map.group(number) == group && other == identity
        });
        (found, Some(hash))
    }

    fn drop_expired(&mut self, group: u32, now_ms: i64) {
        for _ in 0..EXPIRED_PER_ROW {
            let first = self.map.first(group);
            if first == NO_ROW || !self.map.is_expired(first, now_ms) {
                return;
            }
            self.map.remove(first);
        }
    }
}
