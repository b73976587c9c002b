//! The memtable: what was written and lies in no file yet.
//!
//! Keys and values lie one behind the other in one run of bytes; a hash index finds them, and they are sorted only
//! when the memtable is flushed or scanned. A cleared namespace is one marker with its moment: what was written
//! before is hidden, here and in everything older.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flott_api::state::{EntryBatch, StateNumber, WriteKind};
use flott_api::{Error, Result};
use hashbrown::HashTable;

use super::format::{KEY_BYTES_MIN, NAMESPACE, Namespace, group_of, key_hash, namespace_of, state_of};
use super::index::Clear;

/// The length that says "deleted".
const DELETED: u32 = u32::MAX;
/// About what a clear takes in memory.
const CLEAR_BYTES: usize = 64;
/// So many entries, and this share of the sorted ones, are looked through rather than sorted in.
const TAIL_ENTRIES_MIN: usize = 4096;
const TAIL_SHARE: usize = 16;

/// What the store knows of a state that is written to.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) state: StateNumber,
    pub(super) namespaced: bool,
    pub(super) groups: &'a Range<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Memtable {
    bytes: Vec<u8>,
    entries: Vec<Place>,
    index: HashTable<u32>,
    /// The moment of the last clear of a namespace.
    clears: BTreeMap<(u16, Namespace), u32>,
    /// Rises with every write.
    moment: u32,
    /// The first of `entries`, sorted by key, as far as somebody scanned.
    sorted: Vec<u32>,
    /// All of `entries`, sorted by key, once nothing is written any more.
    order: OnceLock<Arc<[u32]>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    key_length: u32,
    value_length: u32,
    moment: u32,
    hash: u32,
}

/// Entries that were copied out of a memtable.
#[derive(Debug, Default)]
pub(super) struct Copies {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Copies {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    #[inline]
    pub(super) fn key(&self, at: usize) -> Option<&[u8]> {
        self.places.get(at).map(|place| place.key(&self.bytes))
    }

    #[inline]
    pub(super) fn value(&self, at: usize) -> Option<&[u8]> {
        self.places.get(at).and_then(|place| place.value(&self.bytes))
    }
}

/// What a memtable says of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Value(&'a [u8]),
    /// It has no value, whatever is older.
    Gone,
    /// Look in what is older.
    Nothing,
}

/// An entry, copied out: nothing for a value means deleted.
pub(super) type Row = (Bytes, Option<Bytes>);

impl Memtable {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.clears.is_empty()
    }

    /// Bytes of memory, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let entry = size_of::<Place>() + size_of::<u32>() * 2;
        self.bytes.len() + self.entries.len() * entry + self.clears.len() * CLEAR_BYTES
    }

    /// Bytes of key and value of an entry, on average.
    pub(super) fn entry_bytes(&self) -> usize {
        self.bytes.len() / self.entries.len().max(1)
    }

    /// Whether it has taken all that it can.
    pub(super) fn is_full(&self, limit_bytes: usize) -> bool {
        self.memory_bytes() >= limit_bytes || self.moment == u32::MAX
    }

    /// Takes writes from `from` on until it has `limit_bytes`; how many of the batch are taken then. At least one is.
    pub(super) fn extend(
        &mut self,
        target: Target<'_>,
        batch: &EntryBatch,
        from: usize,
        limit_bytes: usize,
    ) -> Result<usize> {
        for index in from..batch.len() {
            let (kind, key, value) = batch.get(index);
            match kind {
                WriteKind::Put => self.put(target, key, Some(value))?,
                WriteKind::Delete => self.put(target, key, None)?,
                WriteKind::ClearNamespace => self.clear(target, key)?,
            }
            if self.is_full(limit_bytes) {
                return Ok(index + 1);
            }
        }
        Ok(batch.len())
    }

    #[inline]
    fn put(&mut self, target: Target<'_>, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&target.state.0.to_be_bytes());
        self.bytes.extend_from_slice(key);
        let full = &self.bytes[start..];
        let shortest = if target.namespaced { NAMESPACE.end } else { KEY_BYTES_MIN };
        if full.len() < shortest || !target.groups.contains(&group_of(full)) {
            self.bytes.truncate(start);
            return Err(foreign_key(target, key));
        }
        let (hash, key_length) = (key_hash(full), full.len() as u32);
        let value_length = value.map_or(DELETED, |value| value.len() as u32);
        self.moment += 1;
        let (entries, bytes) = (&mut self.entries, &mut self.bytes);
        let same = |at: &u32| {
            let place = &entries[*at as usize];
            place.hash == hash as u32 && place.key(bytes) == &bytes[start..]
        };
        if let Some(at) = self.index.find(spread(hash as u32), same) {
            let place = &mut entries[*at as usize];
            if place.put_in_place(bytes, value) {
                bytes.truncate(start);
            } else {
                place.start = start as u32;
                bytes.extend_from_slice(value.unwrap_or_default());
            }
            (place.value_length, place.moment) = (value_length, self.moment);
            return Ok(());
        }
        bytes.extend_from_slice(value.unwrap_or_default());
        let place = Place { start: start as u32, key_length, value_length, moment: self.moment, hash: hash as u32 };
        let at = entries.len() as u32;
        entries.push(place);
        self.index.insert_unique(spread(hash as u32), at, |at| spread(self.entries[*at as usize].hash));
        Ok(())
    }

    fn clear(&mut self, target: Target<'_>, namespace: &[u8]) -> Result<()> {
        let Ok(namespace) = namespace.try_into() else {
            return Err(Error::internal(format!("a namespace of {} bytes is cleared, not of 8", namespace.len())));
        };
        if !target.namespaced {
            return Err(Error::internal(format!("state {} has no namespaces to clear", target.state.0)));
        }
        self.moment += 1;
        self.clears.insert((target.state.0, namespace), self.moment);
        Ok(())
    }

    /// What it says of a full key.
    #[inline]
    pub(super) fn get(&self, key: &[u8], hash: u64) -> Found<'_> {
        let same = |at: &u32| {
            let place = &self.entries[*at as usize];
            place.hash == hash as u32 && place.key(&self.bytes) == key
        };
        match self.index.find(spread(hash as u32), same) {
            Some(at) if self.is_visible(&self.entries[*at as usize]) => {
                self.entries[*at as usize].value(&self.bytes).map_or(Found::Gone, Found::Value)
            }
            _ if self.cleared_at(key).is_some() => Found::Gone,
            _ => Found::Nothing,
        }
    }

    fn cleared_at(&self, key: &[u8]) -> Option<u32> {
        if self.clears.is_empty() {
            return None;
        }
        self.clears.get(&(state_of(key), namespace_of(key)?)).copied()
    }

    fn is_visible(&self, place: &Place) -> bool {
        self.clears.is_empty() || self.cleared_at(place.key(&self.bytes)).is_none_or(|moment| moment < place.moment)
    }

    /// What it clears in everything older.
    pub(super) fn clears(&self, groups: &Range<u32>) -> Vec<Clear> {
        let clear = |(state, namespace): &(u16, Namespace)| Clear {
            state: *state,
            namespace: *namespace,
            from_group: groups.start,
            to_group: groups.end,
        };
        self.clears.keys().map(clear).collect()
    }

    /// All entries that count, sorted. Nothing may be written afterwards.
    pub(super) fn order(&self) -> &Arc<[u32]> {
        self.order.get_or_init(|| {
            let visible = (0..self.entries.len() as u32).filter(|at| self.is_visible(&self.entries[*at as usize]));
            self.sort(visible).into()
        })
    }

    fn sort(&self, places: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut keyed: Vec<(u128, u32)> = places.map(|at| (head_of(self.key(at)), at)).collect();
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.key(a.1).cmp(self.key(b.1))));
        keyed.into_iter().map(|(_, at)| at).collect()
    }

    #[inline]
    pub(super) fn key(&self, at: u32) -> &[u8] {
        self.entries[at as usize].key(&self.bytes)
    }

    #[inline]
    pub(super) fn value(&self, at: u32) -> Option<&[u8]> {
        self.entries[at as usize].value(&self.bytes)
    }

    /// Copies entries, in place of what was copied before.
    pub(super) fn copy_to(&self, entries: &[u32], copies: &mut Copies) {
        copies.bytes.clear();
        copies.places.clear();
        copies.places.extend(entries.iter().map(|at| self.entries[*at as usize]));
        for place in &mut copies.places {
            let start = copies.bytes.len() as u32;
            let value_length = if place.value_length == DELETED { 0 } else { place.value_length };
            let end = place.start as usize + place.key_length as usize + value_length as usize;
            copies.bytes.extend_from_slice(&self.bytes[place.start as usize..end]);
            place.start = start;
        }
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn emptied(mut self) -> Self {
        self.bytes.clear();
        self.entries.clear();
        self.index.clear();
        Memtable { bytes: self.bytes, entries: self.entries, index: self.index, ..Memtable::default() }
    }

    /// Bytes of memory that it has, used or not.
    pub(super) fn capacity_bytes(&self) -> usize {
        let entries = self.entries.capacity() * size_of::<Place>();
        self.bytes.capacity() + entries + self.index.capacity() * size_of::<u32>()
    }

    /// Entries in a range of full keys, copied out, deletions too, at most `entries_max`; whether these are all.
    pub(super) fn rows(&mut self, range: &Range<Vec<u8>>, entries_max: usize) -> (Vec<Row>, bool) {
        let inside = |key: &[u8]| range.start.as_slice() <= key && key < range.end.as_slice();
        let tail = self.entries.len() - self.sorted.len();
        if tail > TAIL_ENTRIES_MIN + self.sorted.len() / TAIL_SHARE {
            self.sorted = self.sort(0..self.entries.len() as u32);
        }
        let tail = self.sort((self.sorted.len() as u32..self.entries.len() as u32).filter(|at| inside(self.key(*at))));
        let from = self.sorted.partition_point(|at| self.key(*at) < range.start.as_slice());
        let mut sorted = self.sorted[from..].iter().copied().take_while(|at| inside(self.key(*at))).peekable();
        let mut tail = tail.into_iter().peekable();
        let mut merged = std::iter::from_fn(|| match (sorted.peek(), tail.peek()) {
            (Some(a), Some(b)) if self.key(*a) > self.key(*b) => tail.next(),
            (None, _) => tail.next(),
            _ => sorted.next(),
        })
        .filter(|at| self.is_visible(&self.entries[*at as usize]));
        let picked: Vec<u32> = merged.by_ref().take(entries_max).collect();
        let all = merged.next().is_none();
        (self.copy(&picked), all)
    }

    fn copy(&self, places: &[u32]) -> Vec<Row> {
        let mut bytes = Vec::new();
        for at in places {
            bytes.extend_from_slice(self.key(*at));
            bytes.extend_from_slice(self.value(*at).unwrap_or_default());
        }
        let mut bytes = Bytes::from(bytes);
        let row = |at: &u32| {
            let key = bytes.split_to(self.key(*at).len());
            (key, self.value(*at).map(|value| bytes.split_to(value.len())))
        };
        places.iter().map(row).collect()
    }
}

/// The first bytes of a full key as a number, which sorts as they do.
#[inline]
pub(super) fn head_of(key: &[u8]) -> u128 {
    if let Some(head) = key.first_chunk::<16>() {
        return u128::from_be_bytes(*head);
    }
    let mut head = [0; 16];
    head[..key.len()].copy_from_slice(key);
    u128::from_be_bytes(head)
}

/// The table takes its tag from the upper bits and its place from the lower ones.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Place {
    #[inline]
    fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.start as usize + self.key_length as usize]
    }

    #[inline]
    fn value<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.start as usize + self.key_length as usize;
        (self.value_length != DELETED).then(|| &bytes[start..start + self.value_length as usize])
    }

    /// Puts a new value where the old one lies, if it fits.
    fn put_in_place(&self, bytes: &mut [u8], value: Option<&[u8]>) -> bool {
        let Some(value) = value else { return true };
        if self.value_length == DELETED || value.len() > self.value_length as usize {
            return false;
        }
        let start = self.start as usize + self.key_length as usize;
        bytes[start..start + value.len()].copy_from_slice(value);
        true
    }
}

fn foreign_key(target: Target<'_>, key: &[u8]) -> Error {
    let (state, groups) = (target.state.0, target.groups);
    match key.first_chunk::<2>() {
        Some(group) if key.len() + 2 >= KEY_BYTES_MIN && !groups.contains(&u32::from(u16::from_be_bytes(*group))) => {
            let group = u16::from_be_bytes(*group);
            Error::internal(format!("state {state} got a key of group {group}, which is not one of {groups:?}"))
        }
        _ => Error::internal(format!("state {state} got a key of {} bytes, which is too short", key.len())),
    }
}

#[cfg(test)]
mod tests;
