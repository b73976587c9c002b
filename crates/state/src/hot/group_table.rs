//! Key to group number: numbers are dense, so that everything else about a key lies in columns.
//!
//! Flink counterpart: the keyed state backend's current key. **State layout**: one integer column
//! hashes its values, one text or bytes column its bytes, anything else the encoding of
//! [`key`](mod@crate::key). Numbers of forgotten keys are given out again.

use std::hash::BuildHasher;

use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array};
use arrow_schema::DataType;
use flott_api::aggregate::SlotType;
use flott_api::{Error, Result};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::paged::Paged;
use crate::canonical::{Canonical, form};
use crate::key::{EncodedKeys, check_type, decode};

const SEED: u64 = 0x666c_6f74_7420_6774;

/// Numbers keys.
#[derive(Debug)]
pub struct GroupTable {
    types: Vec<DataType>,
    keys: Keys,
    numbers: Numbers,
}

/// Which numbers are given out.
#[derive(Debug, Default)]
struct Numbers {
    end: u32,
    free: Vec<u32>,
}

impl Numbers {
    fn next(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.end += 1;
            self.end - 1
        })
    }
}

#[derive(Debug)]
enum Keys {
    /// No key column: all rows are one group.
    One(Option<u32>),
    /// One column of integers.
    Int(IntKeys),
    /// One column of bytes, or encoded keys.
    Bytes(BytesKeys),
}

#[derive(Debug, Default)]
struct IntKeys {
    /// Numbers by the hashes of their keys. The keys lie beside, for the many tables that are larger than the caches.
    table: HashTable<u32>,
    null: Option<u32>,
    keys: Paged<i64>,
}

#[derive(Debug, Default)]
struct BytesKeys {
    table: HashTable<(u64, u32)>,
    null: Option<u32>,
    keys: Vec<Box<[u8]>>,
    /// Bytes of all keys.
    held_bytes: usize,
    /// The batch's keys while it is worked on; `None` if keys are the bytes of the one column.
    encoded: Option<EncodedKeys>,
}

#[inline]
fn hash_int(key: i64) -> u64 {
    FixedState::with_seed(SEED).hash_one(key)
}

#[inline]
fn hash_bytes(key: &[u8]) -> u64 {
    FixedState::with_seed(SEED).hash_one(key)
}

impl GroupTable {
    /// The Arrow types of the keys.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// A table for keys of these Arrow types.
    ///
    /// # Errors
    /// If a type cannot be part of a key.
    pub fn new(types: Vec<DataType>) -> Result<Self> {
        types.iter().try_for_each(check_type)?;
        let keys = match types.as_slice() {
            [] => Keys::One(None),
            [ty] if form(ty) == Some(SlotType::Int64) => Keys::Int(IntKeys::default()),
            [ty] if form(ty) == Some(SlotType::Bytes) => Keys::Bytes(BytesKeys::default()),
            _ => Keys::Bytes(BytesKeys { encoded: Some(EncodedKeys::default()), ..BytesKeys::default() }),
        };
        Ok(GroupTable { types, keys, numbers: Numbers::default() })
    }

    /// One more than the largest number ever given out: the length that columns must have.
    pub fn end(&self) -> usize {
        self.numbers.end as usize
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        match &self.keys {
            Keys::One(group) => usize::from(group.is_some()),
            Keys::Int(k) => k.table.len() + usize::from(k.null.is_some()),
            Keys::Bytes(k) => k.table.len() + usize::from(k.null.is_some()),
        }
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory it takes, about.
    pub fn memory_bytes(&self) -> usize {
        match &self.keys {
            Keys::One(_) => 0,
            Keys::Int(k) => k.table.allocation_size() + k.keys.memory_bytes(),
            Keys::Bytes(k) => k.table.allocation_size() + k.keys.len() * size_of::<Box<[u8]>>() + k.held_bytes,
        }
    }

    /// How many numbers have no group, and are given out again before any other.
    pub fn vacant(&self) -> usize {
        self.numbers.free.len()
    }

    /// Bytes of memory that a number takes, whether it is given out or not.
    pub fn slot_bytes(&self) -> usize {
        match &self.keys {
            Keys::One(_) => 0,
            Keys::Int(_) => size_of::<i64>() + size_of::<u32>(),
            Keys::Bytes(_) => size_of::<Box<[u8]>>() + size_of::<(u64, u32)>(),
        }
    }

    /// The number of each row's key; new keys get one. `columns` are the key columns.
    ///
    /// # Errors
    /// If the columns are not of the table's types.
    pub fn assign(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        let numbers = &mut self.numbers;
        match &mut self.keys {
            Keys::One(group) => Ok(vec![*group.get_or_insert_with(|| numbers.next()); rows]),
            Keys::Int(keys) => match Canonical::of(first(columns)?)? {
                Canonical::Int(values) => Ok(keys.assign(&values, numbers)),
                _ => Err(wrong_columns()),
            },
            Keys::Bytes(keys) => match keys.encoded.take() {
                Some(mut encoded) => {
                    encoded.encode(columns, rows)?;
                    let groups = (0..rows).map(|row| keys.group_of(encoded.get(row), numbers)).collect();
                    keys.encoded = Some(encoded);
                    Ok(groups)
                }
                None => match Canonical::of(first(columns)?)? {
                    Canonical::Bytes(values) => Ok(keys.assign(&values, numbers)),
                    _ => Err(wrong_columns()),
                },
            },
        }
    }

    /// The number of each row's key, where it has one; none is given out.
    ///
    /// # Errors
    /// If the columns are not of the table's types.
    pub fn find(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>> {
        match &self.keys {
            Keys::One(group) => Ok(vec![*group; rows]),
            Keys::Int(keys) => match Canonical::of(first(columns)?)? {
                Canonical::Int(values) => Ok(values.iter().map(|key| keys.find(key)).collect()),
                _ => Err(wrong_columns()),
            },
            Keys::Bytes(keys) if keys.encoded.is_some() => {
                let mut encoded = EncodedKeys::default();
                encoded.encode(columns, rows)?;
                Ok((0..rows).map(|row| keys.find(Some(encoded.get(row)))).collect())
            }
            Keys::Bytes(keys) => match Canonical::of(first(columns)?)? {
                Canonical::Bytes(values) => Ok(values.iter().map(|key| keys.find(key)).collect()),
                _ => Err(wrong_columns()),
            },
        }
    }

    /// Gives the key of `group` a fresh number. The old one has no key then and must be released.
    pub fn renew(&mut self, group: u32) -> u32 {
        let new = self.numbers.next();
        match &mut self.keys {
            Keys::One(bound) => *bound = Some(new),
            Keys::Int(keys) => keys.rebind(group, new),
            Keys::Bytes(keys) => keys.rebind(group, new),
        }
        new
    }

    /// Forgets the key of `group`, and gives the number out again later.
    pub fn remove(&mut self, group: u32) {
        match &mut self.keys {
            Keys::One(bound) => *bound = None,
            Keys::Int(keys) => keys.unbind(group),
            Keys::Bytes(keys) => keys.unbind(group),
        }
        self.release(group);
    }

    /// Gives out again later a number that has no key.
    pub fn release(&mut self, group: u32) {
        self.numbers.free.push(group);
    }

    /// The key columns of these groups.
    ///
    /// # Errors
    /// If a key cannot be read; a bug.
    pub fn columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.keys {
            Keys::One(_) => Ok(Vec::new()),
            Keys::Int(k) => {
                let key = |g: &u32| (Some(*g) != k.null).then(|| k.keys[*g as usize]);
                let values: Int64Array = groups.iter().map(key).collect();
                Ok(vec![Canonical::Int(values).into_column(&self.types[0])?])
            }
            Keys::Bytes(k) if k.encoded.is_some() => {
                let keys: Vec<&[u8]> = groups.iter().map(|g| &*k.keys[*g as usize]).collect();
                decode(&self.types, &keys)
            }
            Keys::Bytes(k) => {
                let key = |g: &u32| (Some(*g) != k.null).then(|| &*k.keys[*g as usize]);
                let values = BinaryArray::from_iter(groups.iter().map(key));
                Ok(vec![Canonical::Bytes(values).into_column(&self.types[0])?])
            }
        }
    }

    /// The numbers that have a key, ascending.
    pub fn groups(&self) -> Vec<u32> {
        let mut groups: Vec<u32> = match &self.keys {
            Keys::One(group) => group.iter().copied().collect(),
            Keys::Int(k) => k.table.iter().copied().chain(k.null).collect(),
            Keys::Bytes(k) => k.table.iter().map(|(_, g)| *g).chain(k.null).collect(),
        };
        groups.sort_unstable();
        groups
    }
}

fn first(columns: &[ArrayRef]) -> Result<&ArrayRef> {
    columns.first().ok_or_else(wrong_columns)
}

fn wrong_columns() -> Error {
    Error::internal("the key columns are not of the types of the group table")
}

impl IntKeys {
    fn assign(&mut self, values: &Int64Array, numbers: &mut Numbers) -> Vec<u32> {
        if values.null_count() == 0 {
            return values.values().iter().map(|key| self.group_of(*key, numbers)).collect();
        }
        let group = |key: Option<i64>| match key {
            Some(key) => self.group_of(key, numbers),
            None => self.null_group(numbers),
        };
        values.iter().map(group).collect()
    }

    #[inline]
    fn group_of(&mut self, key: i64, numbers: &mut Numbers) -> u32 {
        let (hash, keys) = (hash_int(key), &self.keys);
        if let Some(group) = self.table.find(hash, |g| keys[*g as usize] == key) {
            return *group;
        }
        let group = numbers.next();
        self.table.insert_unique(hash, group, |g| hash_int(keys[*g as usize]));
        self.note(group, key);
        group
    }

    fn find(&self, key: Option<i64>) -> Option<u32> {
        let Some(key) = key else { return self.null };
        self.table.find(hash_int(key), |g| self.keys[*g as usize] == key).copied()
    }

    fn null_group(&mut self, numbers: &mut Numbers) -> u32 {
        if let Some(group) = self.null {
            return group;
        }
        let group = numbers.next();
        self.null = Some(group);
        self.note(group, 0);
        group
    }

    fn note(&mut self, group: u32, key: i64) {
        let group = group as usize;
        self.keys.grow(group + 1, 0);
        self.keys[group] = key;
    }

    fn rebind(&mut self, group: u32, new: u32) {
        let key = self.keys[group as usize];
        self.note(new, key);
        if self.null == Some(group) {
            self.null = Some(new);
        } else if let Some(entry) = self.table.find_mut(hash_int(key), |g| *g == group) {
            *entry = new;
        }
    }

    fn unbind(&mut self, group: u32) {
        if self.null == Some(group) {
            self.null = None;
        } else if let Ok(entry) = self.table.find_entry(hash_int(self.keys[group as usize]), |g| *g == group) {
            entry.remove();
        }
    }
}

impl BytesKeys {
    fn assign(&mut self, values: &BinaryArray, numbers: &mut Numbers) -> Vec<u32> {
        let group = |key: Option<&[u8]>| match key {
            Some(key) => self.group_of(key, numbers),
            None => self.null_group(numbers),
        };
        values.iter().map(group).collect()
    }

    #[inline]
    fn group_of(&mut self, key: &[u8], numbers: &mut Numbers) -> u32 {
        let hash = hash_bytes(key);
        let keys = &self.keys;
        if let Some((_, group)) = self.table.find(hash, |(h, g)| *h == hash && &*keys[*g as usize] == key) {
            return *group;
        }
        let group = numbers.next();
        self.table.insert_unique(hash, (hash, group), |(h, _)| *h);
        self.note(group, key.into());
        group
    }

    fn find(&self, key: Option<&[u8]>) -> Option<u32> {
        let Some(key) = key else { return self.null };
        let (hash, keys) = (hash_bytes(key), &self.keys);
        self.table.find(hash, |(h, g)| *h == hash && &*keys[*g as usize] == key).map(|(_, group)| *group)
    }

    fn null_group(&mut self, numbers: &mut Numbers) -> u32 {
        if let Some(group) = self.null {
            return group;
        }
        let group = numbers.next();
        self.null = Some(group);
        self.note(group, Box::default());
        group
    }

    fn note(&mut self, group: u32, key: Box<[u8]>) {
        let group = group as usize;
        self.keys.resize(self.keys.len().max(group + 1), Box::default());
        self.held_bytes += key.len();
        self.keys[group] = key;
    }

    fn rebind(&mut self, group: u32, new: u32) {
        let key = std::mem::take(&mut self.keys[group as usize]);
        let hash = hash_bytes(&key);
        self.held_bytes -= key.len();
        self.note(new, key);
        if self.null == Some(group) {
            self.null = Some(new);
        } else if let Some(entry) = self.table.find_mut(hash, |(_, g)| *g == group) {
            entry.1 = new;
        }
    }

    fn unbind(&mut self, group: u32) {
        let key = std::mem::take(&mut self.keys[group as usize]);
        self.held_bytes -= key.len();
        if self.null == Some(group) {
            self.null = None;
        } else if let Ok(entry) = self.table.find_entry(hash_bytes(&key), |(_, g)| *g == group) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests;
