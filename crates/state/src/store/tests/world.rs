//! Stores with tiny sizes, so that a few hundred writes give many files, and the faults of their storage.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use flott_api::ErrorKind;
use flott_api::object::{ObjectStatus, PutMode, PutOutcome};
use flott_api::state::WriteKind;
use flott_api::testing::{FakeWorld, MemoryObjects, SimExecutor};

use super::super::*;

pub(super) const GROUPS: u32 = 12;

/// What the block cache of a store holds.
pub(super) const CACHE_BYTES: usize = 20_000;

/// An executor with its storage.
pub(super) struct World {
    pub(super) executor: Arc<SimExecutor>,
    pub(super) objects: Arc<MemoryObjects>,
    pub(super) faults: Arc<Faulty>,
    environment: Environment,
    attempts: AtomicU64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let (executor, fake) = (SimExecutor::new(seed), FakeWorld::at(0));
        let objects = MemoryObjects::new();
        let environment = executor.environment(&fake);
        let faults = Arc::new(Faulty {
            objects: Arc::clone(&objects),
            environment: environment.clone(),
            next: Mutex::default(),
            share: AtomicU64::new(0),
            fired: AtomicU64::new(0),
        });
        World { executor, objects, faults, environment, attempts: AtomicU64::new(0) }
    }

    pub(super) fn options(&self, index: u32, parallelism: u32) -> StoreOptions {
        let subtask = Subtask { index, parallelism };
        let groups = index * GROUPS / parallelism..(index + 1) * GROUPS / parallelism;
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("shared/{attempt}-{index}-");
        let cache = BlockCache::new(CACHE_BYTES);
        let objects = Arc::clone(&self.faults) as _;
        let usual = StoreOptions::new(objects, self.environment.clone(), prefix, (subtask, groups), cache);
        StoreOptions { memtable_bytes: 3000, inline_bytes_max: 600, block_bytes: 150, segment_bytes_max: 3000, ..usual }
    }

    pub(super) fn open(&self, index: u32, parallelism: u32, restored: &[StoreSnapshot]) -> Arc<SegmentStore> {
        let store = SegmentStore::open(self.options(index, parallelism), restored).unwrap();
        for state in 0..2 {
            assert_eq!(store.declare(&descriptor(state)).unwrap().number, StateNumber(state));
        }
        store
    }
}

/// State 0 is plain, state 1 has namespaces.
pub(super) fn descriptor(state: u16) -> StateDescriptor {
    StateDescriptor {
        name: format!("state {state}"),
        key: "INT".to_owned(),
        parts: Vec::new(),
        version: 1,
        namespaced: state == 1,
        ttl_ms: 0,
    }
}

/// A key of a group.
pub(super) fn key(group: u32, rest: &[u8]) -> Vec<u8> {
    [&(group as u16).to_be_bytes(), rest].concat()
}

pub(super) fn batch(writes: &[(WriteKind, Vec<u8>, Vec<u8>)]) -> EntryBatch {
    let mut batch = EntryBatch::default();
    for (kind, key, value) in writes {
        batch.push(*kind, |k| k.extend_from_slice(key), |v| v.extend_from_slice(value));
    }
    batch
}

pub(super) fn put(key: Vec<u8>, value: &[u8]) -> (WriteKind, Vec<u8>, Vec<u8>) {
    (WriteKind::Put, key, value.to_vec())
}

/// Bytes that cannot be compressed, the same for the same seed.
pub(super) fn noise(seed: u32, length: usize) -> Vec<u8> {
    let words = (0..length as u64).map(|n| format::key_hash(&[u64::from(seed), n].map(u64::to_le_bytes).concat()));
    words.map(|word| word as u8).collect()
}

pub(super) fn keys(keys: &[Vec<u8>]) -> KeyBatch {
    let mut batch = KeyBatch::default();
    keys.iter().for_each(|key| batch.push(key));
    batch
}

/// All entries of a state, page by page.
pub(super) async fn scan_all(
    store: &SegmentStore,
    state: u16,
    prefix: &[u8],
    from: &[u8],
    page: usize,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let (mut all, mut from) = (Vec::new(), from.to_vec());
    loop {
        let page = store.scan(StateNumber(state), prefix, &from, page).await?;
        all.extend(page.entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
        match page.next {
            Some(next) => from = next.to_vec(),
            None => return Ok(all),
        }
    }
}

/// The state as it should be.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) states: [BTreeMap<Vec<u8>, Vec<u8>>; 2],
}

impl Model {
    pub(super) fn write(&mut self, state: u16, writes: &[(WriteKind, Vec<u8>, Vec<u8>)]) {
        let entries = &mut self.states[state as usize];
        for (kind, key, value) in writes {
            match kind {
                WriteKind::Put => drop(entries.insert(key.clone(), value.clone())),
                WriteKind::Delete => drop(entries.remove(key)),
                WriteKind::ClearNamespace => entries.retain(|k, _| k[2..10] != key[..]),
            }
        }
    }
}

/// What the next call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails and nothing happens.
    Before,
    /// It happens and seems to fail.
    After,
    /// It fails, and there is no use in trying again.
    Final,
}

/// Storage that is slow, and fails as it is told or by chance.
pub(super) struct Faulty {
    pub(super) objects: Arc<MemoryObjects>,
    environment: Environment,
    pub(super) next: Mutex<Vec<Fault>>,
    /// Of 100 calls so many fail, before or after the effect.
    pub(super) share: AtomicU64,
    pub(super) fired: AtomicU64,
}

impl Faulty {
    async fn fault(&self) -> Option<Fault> {
        self.environment.clock.sleep_ms(self.environment.rng.next_u64() % 3).await;
        let told = self.next.lock().unwrap().pop();
        let random = self.environment.rng.next_u64();
        let by_chance = random % 100 < self.share.load(Ordering::Relaxed);
        let chance = if random & 0x1000 == 0 { Fault::Before } else { Fault::After };
        let fault = told.or(by_chance.then_some(chance));
        self.fired.fetch_add(u64::from(fault.is_some()), Ordering::Relaxed);
        fault
    }

    async fn call<T>(&self, work: BoxFuture<'_, Result<T>>) -> Result<T> {
        match self.fault().await {
            None => work.await,
            Some(Fault::Before) => Err(Error::new(ErrorKind::External { retry: true }, "planted fault before")),
            Some(Fault::Final) => Err(Error::external("planted fault, final")),
            Some(Fault::After) => {
                work.await?;
                Err(Error::new(ErrorKind::External { retry: true }, "planted fault after"))
            }
        }
    }
}

impl ObjectStore for Faulty {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move { self.call(Box::pin(async move { self.objects.put(path, bytes, mode).await })).await })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(self.call(self.objects.get(path)))
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(self.call(self.objects.get_ranges(path, ranges)))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(self.call(self.objects.list(prefix)))
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.call(Box::pin(async move { self.objects.delete(path).await })).await })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.call(Box::pin(async move { self.objects.copy(from, to).await })).await })
    }
}
