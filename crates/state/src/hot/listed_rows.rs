//! A list of rows for each group, in the order in which they came: what the sink materializer remembers.
//!
//! Flink counterpart: a `ValueState<List<RowData>>`. A row is two byte strings, what it is known by and the rest; a list
//! is one buffer of them. Made for short lists: it is searched from the begin.
//!
//! **State layout**: the one part of an entry is the list's buffer: for each row what it is known by and then the row,
//! each with its length before it.

use flott_api::Result;

use super::region::GroupEntries;
use super::values::{Values, take_part};
use crate::codec::{damaged, put_bytes, take_bytes};

/// See the module.
#[derive(Debug, Default)]
pub struct ListedRows {
    lists: Vec<Vec<u8>>,
    held_bytes: usize,
}

/// A row of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// What it is known by.
    pub identity: &'a [u8],
    /// The row.
    pub row: &'a [u8],
}

impl<'a> Listed<'a> {
    fn take(list: &mut &'a [u8]) -> Result<Self> {
        Ok(Listed { identity: take_bytes(list)?, row: take_bytes(list)? })
    }

    fn put(self, out: &mut Vec<u8>) {
        put_bytes(out, self.identity);
        put_bytes(out, self.row);
    }
}

impl ListedRows {
    /// The rows of a group.
    pub fn rows(&self, group: u32) -> impl Iterator<Item = Listed<'_>> {
        let mut rest = self.lists.get(group as usize).map(Vec::as_slice).unwrap_or_default();
        std::iter::from_fn(move || if rest.is_empty() { None } else { Listed::take(&mut rest).ok() })
    }

    /// Appends a row.
    pub fn push(&mut self, group: u32, row: Listed<'_>) {
        let list = &mut self.lists[group as usize];
        let before = list.capacity();
        row.put(list);
        self.held_bytes += list.capacity() - before;
    }

    /// Puts another row, or none, in the place of one.
    pub fn replace(&mut self, group: u32, place: usize, row: Option<Listed<'_>>) {
        let mut bytes = Vec::new();
        for (at, listed) in self.rows(group).enumerate() {
            match row {
                _ if at != place => listed.put(&mut bytes),
                Some(row) => row.put(&mut bytes),
                None => {}
            }
        }
        self.set(group, bytes);
    }

    fn set(&mut self, group: u32, bytes: Vec<u8>) {
        self.held_bytes += bytes.capacity();
        let old = std::mem::replace(&mut self.lists[group as usize], bytes);
        self.held_bytes -= old.capacity();
    }
}

impl GroupEntries for ListedRows {
    fn fresh(&self) -> Result<Self> {
        Ok(ListedRows::default())
    }

    fn grow(&mut self, end: usize) {
        self.lists.resize(self.lists.len().max(end), Vec::new());
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for group in groups {
            values.part(|out| out.extend_from_slice(&self.lists[*group as usize]));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            let list = take_part(&mut value)?;
            let mut rest = list;
            while !rest.is_empty() {
                Listed::take(&mut rest)?;
            }
            if !value.is_empty() {
                return Err(damaged("a list of rows is too long"));
            }
            self.set(*group, list.to_vec());
        }
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        self.set(group, Vec::new());
    }

    fn memory_bytes(&self) -> usize {
        self.lists.len() * size_of::<Vec<u8>>() + self.held_bytes
    }

    fn slot_bytes(&self) -> usize {
        size_of::<Vec<u8>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed<'a>(identity: &'a str, row: &'a str) -> Listed<'a> {
        Listed { identity: identity.as_bytes(), row: row.as_bytes() }
    }

    fn shown(lists: &ListedRows, group: u32) -> String {
        let text = |l: Listed<'_>| format!("{}{}", String::from_utf8_lossy(l.identity), String::from_utf8_lossy(l.row));
        lists.rows(group).map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rows_come_are_replaced_and_leave_in_their_order() {
        let mut lists = ListedRows::default();
        lists.grow(2);
        for (identity, row) in [("a", "1"), ("", ""), ("b", "2"), ("c", "3")] {
            lists.push(1, listed(identity, row));
        }
        assert_eq!((shown(&lists, 0), shown(&lists, 1)), (String::new(), "a1  b2 c3".to_owned()));
        lists.replace(1, 2, Some(listed("d", "44")));
        lists.replace(1, 1, None);
        assert_eq!(shown(&lists, 1), "a1 d44 c3");
        lists.clear(1);
        assert_eq!((shown(&lists, 1), lists.held_bytes), (String::new(), 0));
    }

    #[test]
    fn what_was_saved_is_loaded_and_damage_is_told() {
        let mut lists = ListedRows::default();
        lists.grow(2);
        lists.push(0, listed("a", "1"));
        lists.push(0, listed("b", &"x".repeat(300)));
        let mut values = Values::default();
        lists.save(&[0, 1], &mut values).unwrap();
        let mut other = lists.fresh().unwrap();
        other.grow(2);
        other.load(&[1, 0], &[values.get(0), values.get(1)], 0).unwrap();
        assert_eq!((shown(&other, 1), shown(&other, 0)), (shown(&lists, 0), String::new()));
        let bytes = values.get(0);
        for length in 0..bytes.len() {
            assert!(other.load(&[0], &[&bytes[..length]], 0).is_err(), "{length}");
        }
        assert!(other.load(&[0], &[&[bytes, &[1]].concat()], 0).is_err());
    }
}
