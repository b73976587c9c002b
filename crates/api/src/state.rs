//! State, as operators and the runtime see it: what lies below the containers, and what a container
//! promises at a checkpoint.
//!
//! The containers themselves are `flott_state::hot`; the one store is `flott_state::store`. Every key
//! begins with its key group as `u16`, big-endian, so a rescale takes ranges of keys and moves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{BoxFuture, Result};

/// A state of an operator: what a restore compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDescriptor {
    /// Its lasting name within the operator.
    pub name: String,
    /// The types of its keys, as Flink writes them.
    pub key: String,
    /// What an entry holds, part by part: a migration adds and drops parts by name.
    pub parts: Vec<StatePart>,
    /// The version of the encoding of keys and values.
    pub version: u16,
    /// Whether behind the key group every key has a namespace of 8 bytes (a window), which can be cleared
    /// as a whole.
    pub namespaced: bool,
    /// `table.exec.state.ttl`, 0 for never. May change with every restore.
    pub ttl_ms: i64,
}

/// A part of an entry's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatePart {
    /// Its lasting name: `rows`, or the fingerprint of an aggregate.
    pub name: String,
    /// Its type.
    pub ty: String,
}

/// A state within the store of one operator instance; the same number in all of its subtasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StateNumber(pub u16);

/// What the store knows of a state that is declared.
#[derive(Clone, Debug)]
pub struct DeclaredState {
    /// How to call it from now on.
    pub number: StateNumber,
    /// The descriptor under which the restored entries were written; nothing if there are none.
    pub restored: Option<StateDescriptor>,
}

/// What a write does to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WriteKind {
    /// The key has this value.
    Put = 0,
    /// The key has no value.
    Delete = 1,
    /// The key is a namespace of 8 bytes: no key group has anything in it. Counts for what was written
    /// before it.
    ClearNamespace = 2,
}

/// Writes, one behind the other in two runs of bytes.
#[derive(Clone, Debug, Default)]
pub struct EntryBatch {
    bytes: Vec<u8>,
    /// For each write where its key ends, where its value ends, and its kind.
    ends: Vec<(u32, u32, WriteKind)>,
}

impl EntryBatch {
    /// How many writes.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all writes and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a write; `key` and `value` append to the bytes.
    pub fn push(&mut self, kind: WriteKind, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        key(&mut self.bytes);
        let key_end = self.bytes.len() as u32;
        value(&mut self.bytes);
        self.ends.push((key_end, self.bytes.len() as u32, kind));
    }

    /// A write: kind, key, value.
    pub fn get(&self, index: usize) -> (WriteKind, &[u8], &[u8]) {
        let start = if index == 0 { 0 } else { self.ends[index - 1].1 as usize };
        let (key_end, end, kind) = self.ends[index];
        (kind, &self.bytes[start..key_end as usize], &self.bytes[key_end as usize..end as usize])
    }
}

/// Keys to look up, ascending and without doubles.
#[derive(Clone, Debug, Default)]
pub struct KeyBatch {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl KeyBatch {
    /// How many keys.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a key, which must be larger than the last one.
    pub fn push(&mut self, key: &[u8]) {
        debug_assert!(self.is_empty() || self.get(self.len() - 1) < key, "keys ascend");
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len() as u32);
    }

    /// A key.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }
}

/// Some entries of a scan.
#[derive(Clone, Debug, Default)]
pub struct ScanPage {
    /// Key and value, ascending.
    pub entries: Vec<(Bytes, Bytes)>,
    /// Where to go on; nothing at the end.
    pub next: Option<Bytes>,
}

/// How the items of a list come to the subtasks of a restored operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redistribution {
    /// Each item to one subtask, evenly.
    Split,
    /// All items of all subtasks to everybody.
    Union,
    /// Every subtask wrote the same items, and everybody gets one copy.
    Broadcast,
}

/// What lies below the containers of one operator instance. Handles are shared; it works one call at a
/// time.
pub trait StateStore: Send + Sync {
    /// Makes a state known. Every subtask declares the same states in the same order, at `open`.
    ///
    /// # Errors
    /// If the name is declared already.
    fn declare(&self, descriptor: &StateDescriptor) -> Result<DeclaredState>;

    /// Takes writes, in order. They are seen at once, and belong to the next checkpoint. Waits while too
    /// much is not yet stored.
    fn write<'a>(&'a self, state: StateNumber, batch: &'a EntryBatch) -> BoxFuture<'a, Result<()>>;

    /// The value of each key, nothing where it has none.
    fn fetch<'a>(&'a self, state: StateNumber, keys: &'a KeyBatch) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>>;

    /// Entries from `from` on whose keys begin with `prefix`, about `entries_max` of them. Writes
    /// between two pages may be seen or not.
    fn scan<'a>(
        &'a self,
        state: StateNumber,
        prefix: &'a [u8],
        from: &'a [u8],
        entries_max: usize,
    ) -> BoxFuture<'a, Result<ScanPage>>;

    /// Says that these keys will be fetched soon: what they need is loaded beside the caller.
    fn prefetch(&self, state: StateNumber, keys: KeyBatch);

    /// The restored items of a list; nothing if it was not in the checkpoint.
    fn list(&self, name: &str) -> Option<Vec<Bytes>>;

    /// Sets the items of a list: what the next checkpoints have of it.
    fn set_list(&self, name: &str, redistribution: Redistribution, items: Vec<Bytes>);
}

/// Containers at a checkpoint. An operator with keyed state lends them to the runtime.
#[async_trait]
pub trait KeyedContainer: Send {
    /// A barrier has passed: what changes from now on belongs to the next checkpoint. Takes no time.
    /// Never called before `drain` has answered `true` for the one before.
    fn close_epoch(&mut self);

    /// Writes about `entries_max` of the closed epoch's changed entries to the store; whether all are
    /// there now. An entry that changes before it is written is written first, as it was.
    async fn drain(&mut self, entries_max: usize) -> Result<bool>;

    /// Gives memory back if the budget is used up, cold entries first. Changed ones are written for that,
    /// those of the open epoch too: so it is not called between the moment when `drain` has answered
    /// `true` and the begin of the checkpoint. While an epoch is still being drained it writes nothing of
    /// the one behind it.
    async fn relieve(&mut self) -> Result<()>;

    /// Gives memory back, while an epoch is being drained, by what the store has already: nothing is written. It does
    /// what it can; the default is nothing.
    async fn shed(&mut self) -> Result<()> {
        Ok(())
    }

    /// Bytes of memory that it takes, about.
    fn memory_bytes(&self) -> usize;
}

/// Hot state keeps this part of the memory, however much lies beside it.
const HOT_PART_MIN: usize = 4;
/// Beyond this part more than there is, whoever adds to it must wait.
const OVERDRAWN_PART: usize = 4;

/// The memory that all state of a process may take: hot state, and beside it what its stores need.
#[derive(Debug)]
pub struct StateMemory {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
    /// What stores need: buffers, caches, files on their way.
    beside_bytes: AtomicUsize,
    owners: AtomicUsize,
    /// Whether state that does not fit goes to the store; if not, it is an error (`hashmap`).
    spills: bool,
}

impl StateMemory {
    /// A budget.
    pub fn new(limit_bytes: usize, spills: bool) -> Arc<Self> {
        let [used_bytes, peak_bytes, beside_bytes, owners] = [0; 4].map(AtomicUsize::new);
        Arc::new(StateMemory { limit_bytes, used_bytes, peak_bytes, beside_bytes, owners, spills })
    }

    /// The budget.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// What hot state uses of it.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// The most that hot state ever used.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    /// What is left of it for hot state. Where none may leave, the stores have only what a checkpoint is about to write.
    fn hot_bytes_max(&self) -> usize {
        if !self.spills {
            return self.limit_bytes;
        }
        let beside_bytes = self.beside_bytes.load(Ordering::Relaxed);
        self.limit_bytes.saturating_sub(beside_bytes).max(self.limit_bytes / HOT_PART_MIN)
    }

    /// Whether much more is used than there is.
    pub fn is_overdrawn(&self) -> bool {
        self.spills && self.used_bytes() > self.hot_bytes_max().saturating_add(self.limit_bytes / OVERDRAWN_PART)
    }

    /// Whether state that does not fit goes to the store.
    pub fn spills(&self) -> bool {
        self.spills
    }
}

/// One owner's part of the [`StateMemory`]; gives it back when dropped.
#[derive(Debug)]
pub struct MemoryShare {
    memory: Arc<StateMemory>,
    bytes: usize,
    /// Whether it is hot state.
    is_hot: bool,
}

impl MemoryShare {
    /// A share of nothing yet.
    pub fn new(memory: Arc<StateMemory>) -> Self {
        memory.owners.fetch_add(1, Ordering::Relaxed);
        MemoryShare { memory, bytes: 0, is_hot: true }
    }

    /// A share of nothing yet, for what lies beside hot state: it is never asked to give back.
    pub fn beside(memory: Arc<StateMemory>) -> Self {
        MemoryShare { memory, bytes: 0, is_hot: false }
    }

    /// Says how much is taken now.
    pub fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        let sum = if self.is_hot { &self.memory.used_bytes } else { &self.memory.beside_bytes };
        if bytes >= before {
            let sum_before = sum.fetch_add(bytes - before, Ordering::Relaxed);
            if self.is_hot {
                self.memory.peak_bytes.fetch_max(sum_before + (bytes - before), Ordering::Relaxed);
            }
        } else {
            sum.fetch_sub(before - bytes, Ordering::Relaxed);
        }
    }

    /// How many bytes this owner should give back: nothing while all fits; otherwise what it has above
    /// an even share, and no more than what is missing.
    pub fn excess_bytes(&self) -> usize {
        if !self.is_hot {
            return 0;
        }
        let hot_bytes_max = self.memory.hot_bytes_max();
        let missing = self.memory.used_bytes().saturating_sub(hot_bytes_max);
        let owners = self.memory.owners.load(Ordering::Relaxed).max(1);
        missing.min(self.bytes.saturating_sub(hot_bytes_max / owners))
    }

    /// The budget.
    pub fn memory(&self) -> &Arc<StateMemory> {
        &self.memory
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.set(0);
        if self.is_hot {
            self.memory.owners.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_keys_lie_one_behind_the_other() {
        let mut batch = EntryBatch::default();
        batch.push(WriteKind::Put, |k| k.extend(b"ab"), |v| v.extend(b"cde"));
        batch.push(WriteKind::Delete, |k| k.extend(b"f"), |_| {});
        assert_eq!(batch.get(0), (WriteKind::Put, b"ab".as_slice(), b"cde".as_slice()));
        assert_eq!(batch.get(1), (WriteKind::Delete, b"f".as_slice(), b"".as_slice()));
        let mut keys = KeyBatch::default();
        keys.push(b"");
        keys.push(b"a");
        keys.push(b"aa");
        assert_eq!((keys.get(0), keys.get(1), keys.get(2)), (b"".as_slice(), b"a".as_slice(), b"aa".as_slice()));
    }

    #[test]
    fn who_has_more_than_an_even_share_gives_back() {
        let memory = StateMemory::new(100, true);
        let (mut large, mut small) = (MemoryShare::new(Arc::clone(&memory)), MemoryShare::new(Arc::clone(&memory)));
        large.set(90);
        small.set(10);
        assert_eq!((large.excess_bytes(), small.excess_bytes()), (0, 0));
        small.set(30);
        assert_eq!((large.excess_bytes(), small.excess_bytes()), (20, 0));
        drop(small);
        assert_eq!((memory.used_bytes(), memory.peak_bytes(), large.excess_bytes()), (90, 120, 0));
    }

    #[test]
    fn what_lies_beside_hot_state_is_taken_from_it_but_not_all() {
        let memory = StateMemory::new(100, true);
        let (mut hot, mut beside) = (MemoryShare::new(Arc::clone(&memory)), MemoryShare::beside(Arc::clone(&memory)));
        hot.set(90);
        beside.set(30);
        assert_eq!((hot.excess_bytes(), beside.excess_bytes(), memory.is_overdrawn()), (20, 0, false));
        beside.set(1000);
        assert_eq!((hot.excess_bytes(), memory.is_overdrawn()), (65, true));
        drop(beside);
        assert_eq!((hot.excess_bytes(), memory.used_bytes(), memory.is_overdrawn()), (0, 90, false));
        assert_eq!(memory.peak_bytes(), 90);
        let memory = StateMemory::new(100, false);
        let (mut hot, mut beside) = (MemoryShare::new(Arc::clone(&memory)), MemoryShare::beside(Arc::clone(&memory)));
        hot.set(100);
        beside.set(1000);
        assert_eq!((hot.excess_bytes(), memory.is_overdrawn()), (0, false));
    }
}
