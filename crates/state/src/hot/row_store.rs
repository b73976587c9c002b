//! The last row of each group, kept in columns: what `ChangelogNormalize` remembers.
//!
//! Flink counterpart: a `ValueState<RowData>`. **State layout**: the rows lie in a `RowArena`, a group's row
//! under the group's number.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use flott_api::{Error, Result};

use super::region::GroupEntries;
use super::row_arena::{Place, RowArena};
use super::values::{Values, take_part};
use crate::codec::damaged;
use crate::row::{self, RowEncoder};

/// The last row of each group.
pub struct RowStore {
    arena: RowArena,
}

impl RowStore {
    /// A store for rows of this schema.
    pub fn new(schema: SchemaRef) -> Self {
        RowStore { arena: RowArena::new(schema, None) }
    }

    /// Where the row of a group lies, if it has one. Places hold until the next [`put`](RowStore::put).
    pub fn place(&self, group: u32) -> Option<Place> {
        self.arena.place(group)
    }

    /// The place of a row of the batch that [`rows`](RowStore::rows) is given besides the store.
    pub fn place_in_batch(&self, row: usize) -> Place {
        self.arena.place_in_batch(row)
    }

    /// The rows at these places; `batch` is the one that [`place_in_batch`](RowStore::place_in_batch) means.
    ///
    /// # Errors
    /// If the batch has other columns.
    pub fn rows(&self, places: &[Place], batch: &RecordBatch) -> Result<RecordBatch> {
        self.arena.rows(places, batch)
    }

    /// One column of the rows of these groups, null for those that have none.
    ///
    /// # Errors
    /// If rows have no such column; a bug.
    pub fn column(&self, column: usize, groups: &[u32]) -> Result<ArrayRef> {
        self.arena.column(column, groups)
    }

    /// Makes each row the last one of its group. No group may come twice.
    ///
    /// # Errors
    /// If there is not a row a group.
    pub fn put(&mut self, groups: Vec<u32>, rows: RecordBatch) -> Result<()> {
        if groups.len() != rows.num_rows() {
            return Err(Error::internal("the row store got not as many groups as rows"));
        }
        self.arena.put(&groups, rows)
    }

    /// Forgets the row of a group.
    pub fn remove(&mut self, group: u32) {
        self.arena.remove(group);
    }
}

/// An entry's one part is its row.
impl GroupEntries for RowStore {
    fn fresh(&self) -> Result<Self> {
        Ok(RowStore::new(self.arena.schema().clone()))
    }

    fn grow(&mut self, end: usize) {
        self.arena.grow(end);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        let places: Option<Vec<Place>> = groups.iter().map(|g| self.place(*g)).collect();
        let places = places.ok_or_else(|| Error::internal("a key has no row"))?;
        let rows = self.rows(&places, &RecordBatch::new_empty(self.arena.schema().clone()))?;
        let encoder = RowEncoder::new(&rows)?;
        for row in 0..rows.num_rows() {
            values.part(|out| encoder.encode(row, out));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        if groups.is_empty() {
            return self.arena.give_back();
        }
        let mut rows = Vec::with_capacity(values.len());
        for mut value in values.iter().copied() {
            rows.push(take_part(&mut value)?);
            if !value.is_empty() {
                return Err(damaged("a row has more than one part"));
            }
        }
        self.put(groups.to_vec(), row::decode(self.arena.schema(), &rows)?)
    }

    fn clear(&mut self, group: u32) {
        self.remove(group);
    }

    fn memory_bytes(&self) -> usize {
        self.arena.memory_bytes()
    }

    fn slot_bytes(&self) -> usize {
        size_of::<Place>()
    }
}
