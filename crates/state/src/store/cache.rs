//! The block cache: decoded blocks and indexes of segments, shared by all stores of a process.
//!
//! What to give up is chosen by a clock: a hand goes round, spares what was used since it last came by, and
//! takes the first that was not. New entries start unused, so one long scan does not push out what is in use.

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

    /// A number for a file that nobody else has.
    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn block(&self, file: u64, offset: u64) -> Option<Arc<Block>> {
        match self.get((file, offset)) {
            Some(Cached::Block(block)) => Some(block),
            _ => None,
        }
    }

    pub(super) fn part(&self, file: u64, offset: u64) -> Option<Arc<PartIndex>> {
        match self.get((file, offset)) {
            Some(Cached::Part(part)) => Some(part),
            _ => None,
        }
    }

    fn get(&self, key: (u64, u64)) -> Option<Cached> {
        let mut slots = self.lock();
        let place = *slots.places.get(&key)?;
        let slot = &mut slots.slots[place];
        slot.used = true;
        Some(slot.item.clone())
    }

    /// Keeps an item of a file, by where it lies there. What is larger than the whole cache is not kept.
    pub(super) fn insert(&self, file: u64, offset: u64, item: Cached) {
        let bytes = size_of::<Slot>() + item.memory_bytes();
        let mut slots = self.lock();
        if bytes > self.limit_bytes || slots.places.contains_key(&(file, offset)) {
            return;
        }
        while slots.used_bytes + bytes > self.limit_bytes {
            slots.evict();
        }
        let place = slots.slots.len();
        slots.slots.push(Slot { key: (file, offset), item, bytes, used: false });
        slots.places.insert((file, offset), place);
        slots.used_bytes += bytes;
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
        let slot = self.slots.swap_remove(self.hand);
        self.places.remove(&slot.key);
        self.used_bytes -= slot.bytes;
        if let Some(moved) = self.slots.get(self.hand) {
            self.places.insert(moved.key, self.hand);
        }
        // What took its place is the newest: its turn comes when the hand has gone round.
        self.hand += 1;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn item() -> Cached {
        Cached::Part(Arc::new(PartIndex::of_filter(Bytes::from(vec![0; 100]))))
    }

    #[test]
    fn what_is_used_stays_and_the_bound_holds() {
        let bytes = size_of::<Slot>() + item().memory_bytes();
        let cache = BlockCache::new(bytes * 4);
        for offset in 0..4 {
            cache.insert(0, offset, item());
        }
        assert!(cache.part(0, 1).is_some() && cache.block(0, 1).is_none());
        for offset in 4..40 {
            cache.insert(0, offset, item());
            assert!(cache.part(0, 1).is_some(), "{offset}");
            assert!(cache.used_bytes() <= cache.limit_bytes());
        }
        let left = (0..40).filter(|offset| cache.part(0, *offset).is_some()).count();
        assert_eq!((left, cache.used_bytes()), (4, bytes * 4));
    }

    #[test]
    fn what_can_never_fit_is_not_kept() {
        let cache = BlockCache::new(50);
        cache.insert(0, 0, item());
        assert_eq!(cache.used_bytes(), 0);
    }
}
