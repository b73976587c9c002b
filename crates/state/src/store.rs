//! The store of one operator instance: where state lies that does not fit into memory, and what checkpoints are
//! made of. Flink's counterpart is the RocksDB or ForSt backend; what users notice is that a restore moves no bytes.
//!
//! Writes go to a memtable; full memtables become files on object storage, sorted and never changed; files are merged
//! in the background. A look asks the newest layer first. A checkpoint is the list of files, with what is small
//! enough encoded in the checkpoint itself; a rescale gives every new instance the same files, each cut to
//! its key groups.
//!
//! Reading order: what a file is ([`index`], [`block`], [`filter`](mod@crate::filter), written by [`writer`]), how it is read
//! ([`segment`], [`cache`], [`io`]); what was written last ([`memtable`]); the layers and who waits for them ([`layers`]);
//! looks ([`fetch`], [`scan`], [`prefetch`]); merging ([`merge`], [`stream`], [`rewrite`], and when: [`sketch`]), of which
//! [`flush`] and [`compaction`] are made; taking over a checkpoint ([`restore`]); reading a file only to see that it is whole ([`verify`]).
//!
//! Full key: state `u16` big-endian, key. A key begins with its key group `u16` big-endian; in a state with namespaces
//! follow 8 bytes of namespace. Every value begins with the time of its last change, `i64` little-endian in milliseconds,
//! 0 if that is not known: compaction drops entries whose time to live is over. Fetch and scan do not judge.
//!
//! *Invariants.* The store never deletes a file; it tells which ones it needs no more. Newer layers come first, and no
//! layer moves past another that shares a key with it. What a checkpoint has names only files that are durable.

mod block;
mod cache;
mod compaction;
mod fetch;
mod flush;
mod format;
mod index;
mod io;
mod layers;
mod memtable;
mod merge;
mod prefetch;
mod restore;
mod rewrite;
mod scan;
mod segment;
mod sketch;
mod stream;
mod verify;
mod writer;

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::Subtask;
use flott_api::object::ObjectStore;
use flott_api::state::{
    DeclaredState, EntryBatch, KeyBatch, Redistribution, ScanPage, StateDescriptor, StateNumber, StateStore,
};
use flott_api::{BoxFuture, Error, Result};
use futures::channel::oneshot;

use self::io::{Counters, Io};
use self::layers::{Layers, PendingCheckpoint, Settings, Shared};
use self::memtable::Target;
use self::restore::{Lists, States};
use self::segment::{Discarded, Segment};
use crate::handle::{ListState, StoreSnapshot};

pub use self::cache::BlockCache;
pub use self::layers::SEGMENT_SUFFIX;
pub use self::restore::spread_lists;
pub use self::verify::verify_file;

const MEMTABLE_BYTES: usize = 32 << 20;
/// Places in a memtable are 32 bits.
const MEMTABLE_BYTES_MAX: usize = 1 << 30;
/// Memtables that may wait to be flushed before writers wait.
const WAITING_MEMTABLES: usize = 2;
const INLINE_BYTES_MAX: usize = 1 << 20;
const BLOCK_BYTES: usize = 4 << 10;
const SEGMENT_BYTES_MAX: usize = 64 << 20;

/// What a store is opened with.
#[derive(Clone)]
pub struct StoreOptions {
    /// Where the files lie.
    pub objects: Arc<dyn ObjectStore>,
    /// Clock and tasks.
    pub environment: Environment,
    /// The begin of the paths of new files; no other instance or attempt has the same.
    pub file_prefix: String,
    /// The key groups that the instance owns.
    pub key_groups: Range<u32>,
    /// Which instance it is: lists are spread by it.
    pub subtask: Subtask,
    /// Shared by all stores of the process.
    pub cache: Arc<BlockCache>,
    /// A memtable of so many bytes is flushed.
    pub memtable_bytes: usize,
    /// Writes of a checkpoint that take no more lie in the checkpoint itself.
    pub inline_bytes_max: usize,
    /// Plain bytes of a block, about.
    pub block_bytes: usize,
    /// Bytes of a file, about.
    pub segment_bytes_max: usize,
}

impl StoreOptions {
    /// Options with the usual sizes.
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        environment: Environment,
        file_prefix: String,
        (subtask, key_groups): (Subtask, Range<u32>),
        cache: Arc<BlockCache>,
    ) -> Self {
        StoreOptions {
            objects,
            environment,
            file_prefix,
            key_groups,
            subtask,
            cache,
            memtable_bytes: MEMTABLE_BYTES,
            inline_bytes_max: INLINE_BYTES_MAX,
            block_bytes: BLOCK_BYTES,
            segment_bytes_max: SEGMENT_BYTES_MAX,
        }
    }
}

/// What a store has done and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Bytes of all files that were written, by flushes and compactions.
    pub written_bytes: u64,
    /// Bytes that were read from files.
    pub read_bytes: u64,
    /// Bytes that compactions have written.
    pub compacted_bytes: u64,
    /// Files in use.
    pub files: u64,
    /// Bytes of those files.
    pub file_bytes: u64,
    /// Bytes of memtables.
    pub memtable_bytes: u64,
}

/// The store of one operator instance.
pub struct SegmentStore {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for SegmentStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentStore").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// Background work ends with the store.
impl Drop for SegmentStore {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl SegmentStore {
    /// Opens a store with the state of some checkpointed instances of its operator: of all of them, so that lists are
    /// spread over all subtasks. Nothing is read.
    ///
    /// # Errors
    /// If the snapshots do not agree on their states.
    pub fn open(options: StoreOptions, restored: &[StoreSnapshot]) -> Result<Arc<Self>> {
        let io = Io {
            objects: options.objects,
            environment: options.environment,
            cache: options.cache,
            counters: Counters::default(),
        };
        let settings = Settings {
            file_prefix: options.file_prefix,
            key_groups: options.key_groups,
            memtable_bytes: options.memtable_bytes.min(MEMTABLE_BYTES_MAX),
            inline_bytes_max: options.inline_bytes_max,
            block_bytes: options.block_bytes,
            segment_bytes_max: options.segment_bytes_max,
        };
        let discarded = Discarded::default();
        let groups = &settings.key_groups;
        let inline = restore::inline(restored, groups).into_iter();
        let inline = inline.map(|state| Segment::inline(&io, state.bytes, state.key_groups, &discarded));
        let files = restore::files(restored, groups).into_iter();
        let files = files.map(|file| Segment::restored(&io, file, &discarded));
        let layers = Layers {
            states: States::restored(restored)?,
            lists: Lists::restored(restored, options.subtask.index, options.subtask.parallelism),
            segments: Arc::new(inline.chain(files).collect()),
            is_checkpointed: !restored.is_empty(),
            ..Layers::default()
        };
        Ok(Arc::new(SegmentStore { shared: Shared::new(io, settings, discarded, layers) }))
    }

    /// Takes a checkpoint of all that was written before the call. The future is ready when all of it is durable; it need
    /// not be awaited before the next writes or the next checkpoint.
    pub fn checkpoint(&self) -> BoxFuture<'static, Result<StoreSnapshot>> {
        let (reply, receiver) = oneshot::channel();
        {
            let mut layers = self.shared.lock();
            if let Some(failure) = layers.failure.take() {
                return Box::pin(std::future::ready(Err(failure)));
            }
            layers.spare = None;
            layers.is_checkpointed = true;
            layers.seal();
            let (states, lists) = (layers.states.named(), layers.lists.named());
            let pending = PendingCheckpoint { upto: layers.last_sealed, states, lists, reply };
            layers.checkpoints.push_back(pending);
        }
        flush::start(&self.shared);
        Box::pin(async move { receiver.await.map_err(|_| Error::cancelled("the store was closed"))? })
    }

    /// Files that the store has stopped to use since the last call. They may be deleted once no retained checkpoint
    /// names them.
    pub fn take_discarded(&self) -> Vec<String> {
        let mut paths = std::mem::take(&mut *self.shared.discarded.lock().unwrap_or_else(PoisonError::into_inner));
        // After a rescale a file may be there twice, with other key groups.
        let segments = Arc::clone(&self.shared.lock().segments);
        paths.retain(|path| segments.iter().all(|segment| segment.path() != path));
        paths
    }

    /// What the store has done and has.
    pub fn metrics(&self) -> StoreMetrics {
        let counters = &self.shared.io.counters;
        let layers = self.shared.lock();
        let files = layers.segments.iter().filter_map(|segment| segment.file());
        StoreMetrics {
            written_bytes: counters.written_bytes.load(Ordering::Relaxed),
            read_bytes: counters.read_bytes.load(Ordering::Relaxed),
            compacted_bytes: counters.compacted_bytes.load(Ordering::Relaxed),
            files: files.clone().count() as u64,
            file_bytes: files.map(|file| file.size).sum(),
            memtable_bytes: (layers.active.memory_bytes() + layers.sealed_bytes()) as u64,
        }
    }

    /// Whether some writes will not have to wait until others are stored.
    pub fn has_room(&self) -> bool {
        let settings = &self.shared.settings;
        self.shared.lock().sealed_bytes() < settings.memtable_bytes * WAITING_MEMTABLES
    }

    /// Bytes of memory, about, without the shared cache.
    pub fn memory_bytes(&self) -> usize {
        let layers = self.shared.lock();
        // Whoever writes a file has all of it in memory.
        let writing = [&layers.flush, &layers.compaction].into_iter().filter(|work| work.is_running()).count();
        let files = writing * self.shared.settings.segment_bytes_max;
        let segments: usize = layers.segments.iter().map(|segment| segment.memory_bytes()).sum();
        let spare = layers.spare.as_ref().map_or(0, |table| table.capacity_bytes());
        layers.active.memory_bytes()
            + layers.sealed_bytes()
            + spare
            + files
            + segments
            + layers.prefetches.memory_bytes()
    }

    /// Takes writes from `from` on; how many are taken then, and whether the memtable is full and must wait.
    fn extend(&self, state: StateNumber, batch: &EntryBatch, from: usize) -> Result<(usize, Option<Wait>)> {
        let settings = &self.shared.settings;
        let mut layers = self.shared.lock();
        if let Some(failure) = layers.failure.take() {
            return Err(failure);
        }
        let Some(namespaced) = layers.states.namespaced(state) else {
            return Err(Error::internal(format!("state {} was not declared", state.0)));
        };
        let target = Target { state, namespaced, groups: &settings.key_groups };
        let mut upto = from;
        if !layers.active.is_full(settings.memtable_bytes) {
            upto = layers.active.extend(target, batch, from, settings.memtable_bytes)?;
        }
        if !layers.active.is_full(settings.memtable_bytes) {
            return Ok((upto, None));
        }
        if layers.sealed_bytes() < settings.memtable_bytes * WAITING_MEMTABLES {
            layers.seal();
            return Ok((upto, Some(Wait::Not)));
        }
        let (sender, receiver) = oneshot::channel();
        if upto < batch.len() {
            layers.waiters.push(sender);
        }
        Ok((upto, Some(Wait::For(receiver))))
    }

    async fn write_all(&self, state: StateNumber, batch: &EntryBatch) -> Result<()> {
        let mut at = 0;
        while at < batch.len() {
            let (upto, wait) = self.extend(state, batch, at)?;
            at = upto;
            if wait.is_some() {
                flush::start(&self.shared);
            }
            if let (Some(Wait::For(memory)), true) = (wait, at < batch.len()) {
                memory.await.map_err(|_| Error::cancelled("the store was closed"))?;
            }
        }
        Ok(())
    }
}

/// What a writer does after its memtable is full.
enum Wait {
    Not,
    For(oneshot::Receiver<()>),
}

impl StateStore for SegmentStore {
    fn declare(&self, descriptor: &StateDescriptor) -> Result<DeclaredState> {
        let (number, restored) = self.shared.lock().states.declare(descriptor)?;
        Ok(DeclaredState { number, restored })
    }

    fn write<'a>(&'a self, state: StateNumber, batch: &'a EntryBatch) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.write_all(state, batch))
    }

    fn fetch<'a>(&'a self, state: StateNumber, keys: &'a KeyBatch) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(fetch::fetch(&self.shared, state, keys))
    }

    fn scan<'a>(
        &'a self,
        state: StateNumber,
        prefix: &'a [u8],
        from: &'a [u8],
        entries_max: usize,
    ) -> BoxFuture<'a, Result<ScanPage>> {
        Box::pin(scan::scan(&self.shared, state, prefix, from, entries_max))
    }

    fn prefetch(&self, state: StateNumber, keys: KeyBatch) {
        prefetch::prefetch(&self.shared, state, keys);
    }

    fn list(&self, name: &str) -> Option<Vec<Bytes>> {
        self.shared.lock().lists.get(name)
    }

    fn set_list(&self, name: &str, redistribution: Redistribution, items: Vec<Bytes>) {
        self.shared.lock().lists.set(ListState { name: name.to_owned(), redistribution, items });
    }
}

#[cfg(test)]
mod tests;
