//! The block cache: decoded blocks and indexes of segments, shared by all stores of a process.
//!
//! What to give up is chosen by a clock: a hand goes round, spares what was used since it last came by, and
//! takes the first that was not. New entries start unused, so one long scan does not push out what is in use. What is kept of a
//! file goes with it: else the cache would fill up with what nobody can ask for any more.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flott_api::state::{MemoryShare, StateMemory};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::block::Block;
use super::index::PartIndex;

/// Decoded blocks, bounded in bytes.
#[derive(Debug)]
pub struct BlockCache {
    limit_bytes: usize,
    ids: AtomicU64,
    slots: Mutex<Slots>,
    /// The part of the memory for state that it may take.
    _share: Option<MemoryShare>,
}

#[derive(Debug, Default)]
struct Slots {
    places: HashMap<(u64, u64), usize, FixedState>,
    /// The keys in order: those of a file are neighbours.
    keys: BTreeSet<(u64, u64)>,
    slots: Vec<Slot>,
    hand: usize,
    used_bytes: usize,
}

#[derive(Debug)]
struct Slot {
    key: (u64, u64),
    item: Cached,
    bytes: usize,
    used: bool,
}

/// What is kept of one file, for as long as this lives.
#[derive(Debug)]
pub(super) struct CachedFile {
    cache: Arc<BlockCache>,
    id: u64,
}

/// What is cached.
#[derive(Clone, Debug)]
pub(super) enum Cached {
    Block(Arc<Block>),
    Part(Arc<PartIndex>),
}

impl BlockCache {
    /// A cache of at most so many bytes.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self::of(limit_bytes, None))
    }

    /// The same, as a part of the memory for state.
    pub fn within(memory: &Arc<StateMemory>, limit_bytes: usize) -> Arc<Self> {
        let mut share = MemoryShare::beside(Arc::clone(memory));
        share.set(limit_bytes);
        Arc::new(Self::of(limit_bytes, Some(share)))
    }

    fn of(limit_bytes: usize, share: Option<MemoryShare>) -> Self {
        BlockCache { limit_bytes, ids: AtomicU64::new(0), slots: Mutex::default(), _share: share }
    }

    /// Bytes of all that it holds.
    pub fn used_bytes(&self) -> usize {
        self.lock().used_bytes
    }

    /// The most that it holds.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For one file, of which nothing is kept yet.
    pub(super) fn file(self: &Arc<Self>) -> CachedFile {
        CachedFile { cache: Arc::clone(self), id: self.ids.fetch_add(1, Ordering::Relaxed) }
    }

    fn get(&self, key: (u64, u64)) -> Option<Cached> {
        let mut slots = self.lock();
        let place = *slots.places.get(&key)?;
        let slot = &mut slots.slots[place];
        slot.used = true;
        Some(slot.item.clone())
    }

    fn insert(&self, key: (u64, u64), item: Cached) {
        // The key is there twice more, in both of its orders.
        let bytes = size_of::<Slot>() + 2 * size_of_val(&key) + item.memory_bytes();
        let mut slots = self.lock();
        if bytes > self.limit_bytes || slots.places.contains_key(&key) {
            return;
        }
        while slots.used_bytes + bytes > self.limit_bytes {
            slots.evict();
        }
        let place = slots.slots.len();
        slots.slots.push(Slot { key, item, bytes, used: false });
        slots.places.insert(key, place);
        slots.keys.insert(key);
        slots.used_bytes += bytes;
    }
}

impl CachedFile {
    pub(super) fn block(&self, offset: u64) -> Option<Arc<Block>> {
        match self.cache.get((self.id, offset)) {
            Some(Cached::Block(block)) => Some(block),
            _ => None,
        }
    }

    pub(super) fn part(&self, offset: u64) -> Option<Arc<PartIndex>> {
        match self.cache.get((self.id, offset)) {
            Some(Cached::Part(part)) => Some(part),
            _ => None,
        }
    }

    /// Keeps an item by where it lies in the file. What is larger than the whole cache is not kept.
    pub(super) fn insert(&self, offset: u64, item: Cached) {
        self.cache.insert((self.id, offset), item);
    }
}

impl Drop for CachedFile {
    fn drop(&mut self) {
        let mut slots = self.cache.lock();
        let keys: Vec<_> = slots.keys.range((self.id, 0)..=(self.id, u64::MAX)).copied().collect();
        for key in keys {
            if let Some(place) = slots.places.get(&key).copied() {
                slots.remove(place);
            }
        }
    }
}

impl Cached {
    fn memory_bytes(&self) -> usize {
        match self {
            Cached::Block(block) => block.memory_bytes(),
            Cached::Part(part) => part.memory_bytes(),
        }
    }
}

impl Slots {
    /// Gives up one item; there is one.
    fn evict(&mut self) {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = &mut self.slots[self.hand];
            if !std::mem::take(&mut slot.used) {
                break;
            }
            self.hand += 1;
        }
        self.remove(self.hand);
        // What took its place is the newest: its turn comes when the hand has gone round.
        self.hand += 1;
    }

    fn remove(&mut self, place: usize) {
        let slot = self.slots.swap_remove(place);
        self.places.remove(&slot.key);
        self.keys.remove(&slot.key);
        self.used_bytes -= slot.bytes;
        if let Some(moved) = self.slots.get(place) {
            self.places.insert(moved.key, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn item() -> Cached {
        Cached::Part(Arc::new(PartIndex::of_filter(Bytes::from(vec![0; 100]))))
    }

    fn item_bytes() -> usize {
        size_of::<Slot>() + 32 + item().memory_bytes()
    }

    #[test]
    fn what_is_used_stays_and_the_bound_holds() {
        let cache = BlockCache::new(item_bytes() * 4);
        let file = cache.file();
        for offset in 0..4 {
            file.insert(offset, item());
        }
        assert!(file.part(1).is_some() && file.block(1).is_none());
        for offset in 4..40 {
            file.insert(offset, item());
            assert!(file.part(1).is_some(), "{offset}");
            assert!(cache.used_bytes() <= cache.limit_bytes());
        }
        let left = (0..40).filter(|offset| file.part(*offset).is_some()).count();
        assert_eq!((left, cache.used_bytes()), (4, item_bytes() * 4));
    }

    #[test]
    fn what_is_kept_of_a_file_goes_with_it() {
        let cache = BlockCache::new(item_bytes() * 10);
        let files = [cache.file(), cache.file(), cache.file()];
        for (file, items) in files.iter().zip([3, 4, 3]) {
            (0..items).for_each(|offset| file.insert(offset, item()));
        }
        let [first, second, third] = files;
        drop(second);
        assert_eq!(cache.used_bytes(), item_bytes() * 6);
        assert!((0..3).all(|offset| first.part(offset).is_some() && third.part(offset).is_some()));
        // There is room again, and the clock goes round what is left.
        (3..20).for_each(|offset| third.insert(offset, item()));
        assert_eq!(cache.used_bytes(), item_bytes() * 10);
        drop((first, third));
        assert_eq!((cache.used_bytes(), cache.lock().keys.len()), (0, 0));
    }

    #[test]
    fn what_can_never_fit_is_not_kept() {
        let cache = BlockCache::new(50);
        cache.file().insert(0, item());
        assert_eq!(cache.used_bytes(), 0);
    }
}
