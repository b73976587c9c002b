//! Rows of each group in the order in which they came, kept in columns: what a window remembers that needs its
//! rows and not a sum of them.
//!
//! Flink counterpart: a `ListState<RowData>`. **State layout**: the rows lie in [`RowChunks`], and for each group there
//! is a list of the positions of its rows, their numbers. A row that no group has any more stays where it is until the
//! dead ones outnumber the living. In the store the rows of a group are one value, written whole when one of them comes
//! or goes: their number, then each as [`row`](mod@crate::row) writes it.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use flott_api::{Error, Result};

use super::region::GroupEntries;
use super::row_arena::DEAD_ROWS_MIN;
use super::row_chunks::RowChunks;
use super::sessions::PartedEntries;
use super::values::{Values, take_part};
use crate::codec::{damaged, put_bytes, put_short, take_bytes, take_short};
use crate::row::{self, RowEncoder};

/// The rows of each group.
#[derive(Debug)]
pub struct RowLists {
    chunks: RowChunks,
    lists: Vec<Vec<u32>>,
    live: usize,
}

impl RowLists {
    /// Lists of rows of this schema.
    pub fn new(schema: SchemaRef) -> Self {
        RowLists { chunks: RowChunks::new(schema, None), lists: Vec::new(), live: 0 }
    }

    /// The columns of a row.
    pub fn schema(&self) -> &SchemaRef {
        self.chunks.schema()
    }

    /// The numbers of a group's rows, in order. They hold until rows are put in.
    pub fn list(&self, group: u32) -> &[u32] {
        self.lists.get(group as usize).map_or(&[], Vec::as_slice)
    }

    /// Puts rows behind those of their groups.
    ///
    /// # Errors
    /// If there is not a row a group, or the rows are of another schema.
    pub fn append(&mut self, groups: &[u32], rows: RecordBatch) -> Result<()> {
        if groups.len() != rows.num_rows() {
            return Err(Error::internal("lists of rows got not as many groups as rows"));
        }
        if groups.is_empty() {
            return self.tidy();
        }
        let end = groups.iter().max().map_or(0, |g| *g as usize + 1);
        self.grow(end);
        self.chunks.push(rows)?;
        for (number, group) in (self.chunks.last_start()..).zip(groups) {
            self.lists[*group as usize].push(number);
        }
        self.live += groups.len();
        self.chunks.merge()?;
        self.tidy()
    }

    /// Gives back what dead rows take, if it is much.
    fn tidy(&mut self) -> Result<()> {
        let dead = self.chunks.len() - self.live;
        if dead > self.live.max(DEAD_ROWS_MIN) { self.compact() } else { Ok(()) }
    }

    /// The rows of these numbers.
    ///
    /// # Errors
    /// If a batch has other columns; a bug.
    pub fn rows(&self, numbers: &[u32]) -> Result<RecordBatch> {
        self.chunks.rows(numbers.iter().copied(), &RecordBatch::new_empty(self.schema().clone()))
    }

    /// Gives a group another list of its rows: fewer, or in another order.
    pub fn set_list(&mut self, group: u32, numbers: Vec<u32>) {
        self.grow(group as usize + 1);
        self.live = self.live + numbers.len() - self.lists[group as usize].len();
        self.lists[group as usize] = numbers;
    }

    /// Puts the rows of a group behind those of another one.
    pub fn merge(&mut self, from: u32, into: u32) {
        self.grow(from.max(into) as usize + 1);
        let moved = std::mem::take(&mut self.lists[from as usize]);
        self.lists[into as usize].extend(moved);
    }

    /// Rewrites all batches without their dead rows, group by group.
    fn compact(&mut self) -> Result<()> {
        let numbers: Vec<u32> = self.lists.iter().flatten().copied().collect();
        self.chunks.reorder(&numbers)?;
        for (next, number) in self.lists.iter_mut().flatten().enumerate() {
            *number = next as u32;
        }
        Ok(())
    }

    fn encode(&self, group: u32, out: &mut Vec<u8>) -> Result<()> {
        let rows = self.rows(self.list(group))?;
        let encoder = RowEncoder::new(&rows)?;
        put_short(out, rows.num_rows() as u64);
        let mut bytes = Vec::new();
        for row in 0..rows.num_rows() {
            bytes.clear();
            encoder.encode(row, &mut bytes);
            put_bytes(out, &bytes);
        }
        Ok(())
    }
}

/// An entry's one part are its rows.
impl GroupEntries for RowLists {
    fn fresh(&self) -> Result<Self> {
        Ok(RowLists::new(self.schema().clone()))
    }

    fn grow(&mut self, end: usize) {
        self.lists.resize_with(self.lists.len().max(end), Vec::new);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        let mut bytes = Vec::new();
        for group in groups {
            bytes.clear();
            self.encode(*group, &mut bytes)?;
            values.part(|out| out.extend_from_slice(&bytes));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        let (mut owners, mut rows) = (Vec::new(), Vec::new());
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            let mut part = take_part(&mut value)?;
            for _ in 0..take_short(&mut part)? {
                owners.push(*group);
                rows.push(take_bytes(&mut part)?);
            }
            if !part.is_empty() || !value.is_empty() {
                return Err(damaged("a list of rows is too long"));
            }
        }
        self.append(&owners, row::decode(self.schema(), &rows)?)
    }

    fn clear(&mut self, group: u32) {
        if let Some(list) = self.lists.get_mut(group as usize) {
            self.live -= std::mem::take(list).len();
        }
    }

    fn memory_bytes(&self) -> usize {
        self.chunks.memory_bytes() + self.live * size_of::<u32>() + self.lists.len() * size_of::<Vec<u32>>()
    }

    fn slot_bytes(&self) -> usize {
        size_of::<Vec<u32>>()
    }
}

impl PartedEntries for RowLists {
    fn parts(&self) -> usize {
        1
    }

    fn save_part(&self, _: usize, group: u32, out: &mut Vec<u8>) -> Result<()> {
        self.encode(group, out)
    }

    fn load_part(&mut self, _: usize, group: u32, (input, _): (&mut &[u8], i64)) -> Result<()> {
        let mut rows = Vec::new();
        for _ in 0..take_short(input)? {
            rows.push(take_bytes(input)?);
        }
        self.append(&vec![group; rows.len()], row::decode(self.schema(), &rows)?)
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
    use crate::hot::testing::Chance;

    fn rows(values: Vec<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(values)) as _)]).unwrap()
    }

    fn values(lists: &RowLists, group: u32) -> Vec<i64> {
        let rows = lists.rows(lists.list(group)).unwrap();
        rows.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_keep_their_order_through_merges_and_compactions() {
        let mut lists = RowLists::new(rows(Vec::new()).schema());
        let mut model: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        let mut chance = Chance::new(7);
        let mut chunks_max = 0;
        for step in 0..4000i64 {
            let group = chance.below(50) as u32;
            match chance.below(8) {
                0 => {
                    lists.clear(group);
                    model.remove(&group);
                }
                1 => {
                    let into = (group + 1) % 50;
                    lists.merge(group, into);
                    let moved = model.remove(&group).unwrap_or_default();
                    model.entry(into).or_default().extend(moved);
                }
                2 => {
                    let kept: Vec<u32> = lists.list(group).iter().rev().take(2).copied().collect();
                    lists.set_list(group, kept);
                    let list = model.entry(group).or_default();
                    *list = list.iter().rev().take(2).copied().collect();
                }
                _ => {
                    lists.append(&[group, 7, group], rows(vec![step, -step, step + 1])).unwrap();
                    for (group, value) in [(group, step), (7, -step), (group, step + 1)] {
                        model.entry(group).or_default().push(value);
                    }
                }
            }
            chunks_max = chunks_max.max(lists.chunks.count());
        }
        for group in 0..50 {
            assert_eq!(values(&lists, group), model.remove(&group).unwrap_or_default(), "group {group}");
        }
        assert!(chunks_max < 64, "{chunks_max} batches");
        assert!(lists.chunks.len() <= 2 * lists.live.max(DEAD_ROWS_MIN) + 3, "{:?} for {}", lists.chunks, lists.live);
    }

    #[test]
    fn lists_survive_their_bytes() {
        let mut lists = RowLists::new(rows(Vec::new()).schema());
        lists.append(&[3, 0, 3], rows(vec![1, 2, 3])).unwrap();
        let mut saved = Values::default();
        lists.save(&[3, 1, 0], &mut saved).unwrap();
        let mut copy = lists.fresh().unwrap();
        copy.grow(3);
        let bytes: Vec<&[u8]> = (0..3).map(|i| saved.get(i)).collect();
        copy.load(&[0, 1, 2], &bytes, 0).unwrap();
        assert_eq!([0, 1, 2].map(|g| values(&copy, g)), [vec![1, 3], vec![], vec![2]]);
        for cut in 0..bytes[0].len() {
            assert!(lists.fresh().unwrap().load(&[0], &[&bytes[0][..cut]], 0).is_err(), "cut at {cut}");
        }
        assert!(copy.memory_bytes() > 0);
    }
}
