//! What the tests of containers share: entries that are one number, chance, and the store's view of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use flott_api::ids::Subtask;
use flott_api::operator::OpenContext;
use flott_api::state::{StateMemory, StatePart};
use flott_api::testing::{FakeSnapshot, FakeStateStore, FakeWorld, open_context_with};
use flott_api::{LogicalType, Result, TypeKind};

use super::link::KeyedStateOptions;
use super::region::GroupEntries;
use super::values::{Values, take_part};
use super::{TtlOptions, link};
use crate::codec::{flipped, put_signed, take_array, take_i64, take_signed, unflipped};

/// A number for each group.
#[derive(Debug, Default)]
pub(super) struct Numbers(pub(super) Vec<i64>);

impl GroupEntries for Numbers {
    fn fresh(&self) -> Result<Self> {
        Ok(Numbers::default())
    }

    fn grow(&mut self, end: usize) {
        self.0.resize(self.0.len().max(end), 0);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for group in groups {
            values.part(|out| put_signed(out, self.0[*group as usize]));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            assert_eq!(self.0[*group as usize], 0, "only a fresh group is loaded");
            self.0[*group as usize] = take_signed(&mut take_part(&mut value)?)?;
        }
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        self.0[group as usize] = 0;
    }

    fn memory_bytes(&self) -> usize {
        self.0.len() * size_of::<i64>()
    }

    fn slot_bytes(&self) -> usize {
        size_of::<i64>()
    }
}

pub(super) fn options(ttl: TtlOptions) -> KeyedStateOptions {
    KeyedStateOptions {
        name: "numbers".to_owned(),
        keys: vec![LogicalType::new(TypeKind::BigInt)],
        parts: vec![StatePart { name: "number".to_owned(), ty: "BIGINT".to_owned() }],
        ttl,
    }
}

pub(super) fn context(store: &Arc<FakeStateStore>, memory: Arc<StateMemory>) -> OpenContext {
    let one = Subtask { index: 0, parallelism: 1 };
    OpenContext { memory, ..open_context_with(&FakeWorld::at(0), one, 16, store.clone()) }
}

pub(super) fn column(keys: &[i64]) -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from(keys.to_vec()))]
}

/// The entries of a snapshot by window (0 without) and key.
pub(super) fn stored(snapshot: &FakeSnapshot, windowed: bool) -> BTreeMap<(i64, i64), i64> {
    let entry = |(key, value): (&Vec<u8>, &bytes::Bytes)| {
        assert!(link::key_group_of(key).is_some_and(|g| g.0 < 16));
        let mut key = &key[2..];
        let window = if windowed { unflipped(u64::from_be_bytes(take_array(&mut key).unwrap())) } else { 0 };
        let [1, bytes @ ..] = key else { panic!("not one key column that is there") };
        let key = unflipped(u64::from_be_bytes(bytes.try_into().unwrap()));
        assert_eq!(flipped(key).to_be_bytes(), bytes);
        let mut value = &value[..];
        take_i64(&mut value).unwrap();
        let [0] = take_array(&mut value).unwrap() else { panic!("not the first layout") };
        ((window, key), take_signed(&mut take_part(&mut value).unwrap()).unwrap())
    };
    snapshot.entries[0].iter().map(entry).collect()
}

/// Chance from a seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}
