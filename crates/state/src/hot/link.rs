//! What a container knows of the store below it: its number, its key groups, how keys are written.
//!
//! A key is its key group as `u16` big-endian, the namespace (a window's end, `i64` big-endian with its
//! sign flipped) if the state has namespaces, and the memcomparable encoding of the key columns.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use flott_api::key_group::{KeyGroup, hash_keys, key_group};
use flott_api::operator::OpenContext;
use flott_api::state::{
    EntryBatch, KeyBatch, MemoryShare, ScanPage, StateDescriptor, StateNumber, StatePart, StateStore,
};
use flott_api::{Error, LogicalType, Result};
use twox_hash::XxHash64;

use super::expiry::TtlOptions;
use super::values::{self, Layouts};
use crate::codec::flipped;
use crate::key::{self, EncodedKeys};

const KEY_GROUP_BYTES: usize = 2;
/// Of hashes that live as long as the process.
const SPILLED_SEED: u64 = 0x666c_6f74;
/// What of the memory for hot state the keys of one container that are spilled may take.
const FILTER_PART: usize = 16;
/// How many entries a page of a scan has, about.
const PAGE_ENTRIES: usize = 1024;

/// What a keyed state is.
#[derive(Clone, Debug)]
pub struct KeyedStateOptions {
    /// Its lasting name within the operator.
    pub name: String,
    /// The types of its key columns.
    pub keys: Vec<LogicalType>,
    /// What an entry holds, part by part.
    pub parts: Vec<StatePart>,
    /// When entries expire.
    pub ttl: TtlOptions,
}

impl KeyedStateOptions {
    fn descriptor(&self, namespaced: bool) -> StateDescriptor {
        let keys: Vec<String> = self.keys.iter().map(|k| k.kind.to_string()).collect();
        StateDescriptor {
            name: self.name.clone(),
            key: keys.join(", "),
            parts: self.parts.clone(),
            version: key::VERSION << 8 | values::VERSION,
            namespaced,
            ttl_ms: self.ttl.ttl_ms,
        }
    }

    /// The Arrow types of its key columns.
    pub(super) fn key_types(&self) -> Vec<DataType> {
        self.keys.iter().map(LogicalType::arrow).collect()
    }
}

/// A state of the store.
pub(super) struct Link {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) number: StateNumber,
    pub(super) max_parallelism: u32,
    pub(super) key_groups: Range<u32>,
    pub(super) layouts: Layouts,
    /// Whether there was a checkpoint, so that the store may have entries from the begin.
    pub(super) restored: bool,
    /// Beyond so many bytes it is not known any more which keys are spilled.
    pub(super) filter_bytes_max: usize,
}

impl Link {
    /// Declares the state, and compares it with the restored one.
    pub(super) fn open(cx: &OpenContext, options: &KeyedStateOptions, namespaced: bool) -> Result<Self> {
        let descriptor = options.descriptor(namespaced);
        let declared = cx.state.declare(&descriptor)?;
        Ok(Link {
            layouts: Layouts::open(cx.state.as_ref(), &descriptor, declared.restored.as_ref())?,
            store: Arc::clone(&cx.state),
            number: declared.number,
            max_parallelism: cx.max_parallelism,
            key_groups: cx.key_groups.clone(),
            restored: declared.restored.is_some(),
            filter_bytes_max: cx.memory.limit_bytes() / FILTER_PART,
        })
    }

    /// The store's keys of rows with these key columns.
    pub(super) fn keys(&self, namespace: Option<i64>, columns: &[ArrayRef], rows: usize) -> Result<StoreKeys> {
        let hashes = hash_keys(columns, rows)?;
        let mut encoded = EncodedKeys::default();
        encoded.encode(columns, rows)?;
        let mut keys = StoreKeys { bytes: Vec::new(), ends: Vec::with_capacity(rows) };
        for (row, hash) in hashes.iter().enumerate() {
            put_prefix(key_group(*hash, self.max_parallelism), namespace, &mut keys.bytes);
            keys.bytes.extend_from_slice(encoded.get(row));
            keys.ends.push(keys.bytes.len());
        }
        Ok(keys)
    }

    /// Writes a batch, if there is anything in it, and empties it.
    pub(super) async fn write(&self, batch: &mut EntryBatch) -> Result<()> {
        if !batch.is_empty() {
            self.store.write(self.number, batch).await?;
            batch.clear();
        }
        Ok(())
    }

    /// The next page of a namespace that is not empty; nothing at the end.
    pub(super) async fn next_page(&self, namespace: Option<i64>, cursor: &mut Cursor) -> Result<Option<Found>> {
        while let Some(key_group) = self.key_groups.clone().nth(cursor.key_groups_done) {
            let mut prefix = Vec::new();
            put_prefix(KeyGroup(key_group), namespace, &mut prefix);
            let from = std::mem::take(&mut cursor.from);
            let page = self.store.scan(self.number, &prefix, &from, PAGE_ENTRIES).await?;
            match &page.next {
                Some(next) => cursor.from = next.to_vec(),
                None => cursor.key_groups_done += 1,
            }
            if !page.entries.is_empty() {
                return Ok(Some(Found { page, prefix_bytes: prefix.len() }));
            }
        }
        Ok(None)
    }
}

/// A page of a scan.
pub(super) struct Found {
    pub(super) page: ScanPage,
    prefix_bytes: usize,
}

impl Found {
    /// The encoded keys of the page.
    pub(super) fn keys(&self) -> Vec<&[u8]> {
        self.page.entries.iter().map(|(key, _)| &key[self.prefix_bytes..]).collect()
    }
}

/// Where a walk through the entries in the store goes on.
#[derive(Debug, Default)]
pub struct Cursor {
    key_groups_done: usize,
    from: Vec<u8>,
}

fn put_prefix(key_group: KeyGroup, namespace: Option<i64>, out: &mut Vec<u8>) {
    // Max parallelism is at most 2^15.
    out.extend_from_slice(&(key_group.0 as u16).to_be_bytes());
    if let Some(namespace) = namespace {
        out.extend_from_slice(&flipped(namespace).to_be_bytes());
    }
}

/// The store's keys of some rows.
pub(super) struct StoreKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl StoreKeys {
    pub(super) fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// For [`Spilled`](super::spilled::Spilled).
    #[inline]
    pub(super) fn hash(&self, row: usize) -> u64 {
        XxHash64::oneshot(SPILLED_SEED, self.get(row))
    }

    /// The rows in order of their keys, each key once, and those keys; without those of which the hash says that they
    /// need not be looked for.
    pub(super) fn sorted(&self, may_be_there: impl Fn(u64) -> bool) -> (Vec<usize>, KeyBatch) {
        let mut rows: Vec<usize> = (0..self.ends.len()).filter(|row| may_be_there(self.hash(*row))).collect();
        rows.sort_unstable_by_key(|row| self.get(*row));
        rows.dedup_by_key(|row| self.get(*row));
        let mut keys = KeyBatch::default();
        rows.iter().for_each(|row| keys.push(self.get(*row)));
        (rows, keys)
    }
}

/// The key group of a store key.
pub(super) fn key_group_of(key: &[u8]) -> Option<KeyGroup> {
    let (bytes, _) = key.split_first_chunk::<KEY_GROUP_BYTES>()?;
    Some(KeyGroup(u32::from(u16::from_be_bytes(*bytes))))
}

/// How many bytes must be given back; an error if what does not fit may not go to the store.
pub(super) fn excess_bytes(share: &MemoryShare) -> Result<usize> {
    let excess = share.excess_bytes();
    if excess == 0 || share.memory().spills() {
        return Ok(excess);
    }
    let limit = share.memory().limit_bytes();
    Err(Error::external("keyed state does not fit into memory")
        .with_detail(format!(
            "State backend 'hashmap' keeps all of it there, and 'taskmanager.memory.managed.size' is {limit} bytes."
        ))
        .with_hint("Raise 'taskmanager.memory.managed.size', or set 'state.backend.type' = 'rocksdb'."))
}
