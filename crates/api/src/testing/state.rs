//! A state store that is a map: what containers and operators are tested on.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::state::{
    DeclaredState, EntryBatch, KeyBatch, Redistribution, ScanPage, StateDescriptor, StateNumber, StateStore, WriteKind,
};
use crate::{BoxFuture, Error, Result};

const NAMESPACE: Range<usize> = 2..10;

/// What a fake store holds, and what a checkpoint of it is.
#[derive(Clone, Debug, Default)]
pub struct FakeSnapshot {
    /// The states in the order of their declaration.
    pub states: Vec<StateDescriptor>,
    /// The entries of each state.
    pub entries: Vec<BTreeMap<Vec<u8>, Bytes>>,
    /// The lists.
    pub lists: BTreeMap<String, (Redistribution, Vec<Bytes>)>,
}

impl FakeSnapshot {
    /// What subtask `index` of `parallelism`, which owns these key groups, gets of the snapshots of all subtasks.
    pub fn redistributed(parts: &[FakeSnapshot], key_groups: &Range<u32>, (index, parallelism): (u32, u32)) -> Self {
        let mut all = FakeSnapshot::default();
        for part in parts {
            all.states.clone_from(&part.states);
            all.entries.resize(all.entries.len().max(part.entries.len()), BTreeMap::new());
            for (to, from) in all.entries.iter_mut().zip(&part.entries) {
                let own = from.iter().filter(|(key, _)| key_groups.contains(&group_of(key)));
                to.extend(own.map(|(key, value)| (key.clone(), value.clone())));
            }
            for (name, (redistribution, items)) in &part.lists {
                let (_, to) = all.lists.entry(name.clone()).or_insert((*redistribution, Vec::new()));
                match redistribution {
                    Redistribution::Broadcast => to.clone_from(items),
                    Redistribution::Split | Redistribution::Union => to.extend(items.iter().cloned()),
                }
            }
        }
        for (redistribution, items) in all.lists.values_mut() {
            if *redistribution == Redistribution::Split {
                let mut number = 0;
                items.retain(|_| {
                    number += 1;
                    (number - 1) % parallelism == index
                });
            }
        }
        all
    }
}

fn group_of(key: &[u8]) -> u32 {
    u32::from(u16::from_be_bytes([key[0], key[1]]))
}

/// A store in memory. Its state is what was written; what containers still hold is not in it.
#[derive(Debug, Default)]
pub struct FakeStateStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: FakeSnapshot,
    restored: FakeSnapshot,
    fetches: u64,
    prefetched: usize,
}

impl FakeStateStore {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A store with what a checkpoint had.
    pub fn restored(snapshot: FakeSnapshot) -> Arc<Self> {
        let now = FakeSnapshot { lists: snapshot.lists.clone(), ..FakeSnapshot::default() };
        Arc::new(FakeStateStore { state: Mutex::new(State { now, restored: snapshot, fetches: 0, prefetched: 0 }) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was written.
    pub fn snapshot(&self) -> FakeSnapshot {
        self.lock().now.clone()
    }

    /// How many keys it was told of that will be looked up.
    pub fn prefetched(&self) -> usize {
        self.lock().prefetched
    }

    /// How often keys were looked up.
    pub fn fetches(&self) -> u64 {
        self.lock().fetches
    }
}

impl StateStore for FakeStateStore {
    fn declare(&self, descriptor: &StateDescriptor) -> Result<DeclaredState> {
        let mut state = self.lock();
        if state.now.states.iter().any(|s| s.name == descriptor.name) {
            return Err(Error::internal(format!("state '{}' is declared twice", descriptor.name)));
        }
        let found = state.restored.states.iter().position(|s| s.name == descriptor.name);
        let entries = found.map(|at| std::mem::take(&mut state.restored.entries[at])).unwrap_or_default();
        let number = StateNumber(state.now.states.len() as u16);
        state.now.states.push(descriptor.clone());
        state.now.entries.push(entries);
        Ok(DeclaredState { number, restored: found.map(|at| state.restored.states[at].clone()) })
    }

    fn write<'a>(&'a self, state: StateNumber, batch: &'a EntryBatch) -> BoxFuture<'a, Result<()>> {
        let mut all = self.lock();
        let entries = &mut all.now.entries[state.0 as usize];
        for index in 0..batch.len() {
            match batch.get(index) {
                (WriteKind::Put, key, value) => drop(entries.insert(key.to_vec(), Bytes::copy_from_slice(value))),
                (WriteKind::Delete, key, _) => drop(entries.remove(key)),
                (WriteKind::ClearNamespace, namespace, _) => entries.retain(|key, _| key[NAMESPACE] != *namespace),
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn fetch<'a>(&'a self, state: StateNumber, keys: &'a KeyBatch) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        let mut all = self.lock();
        all.fetches += 1;
        let entries = &all.now.entries[state.0 as usize];
        let values = (0..keys.len()).map(|i| entries.get(keys.get(i)).cloned()).collect();
        Box::pin(async { Ok(values) })
    }

    fn scan<'a>(
        &'a self,
        state: StateNumber,
        prefix: &'a [u8],
        from: &'a [u8],
        entries_max: usize,
    ) -> BoxFuture<'a, Result<ScanPage>> {
        let all = self.lock();
        let begin = from.max(prefix).to_vec();
        let mut found = all.now.entries[state.0 as usize].range(begin..).take_while(|(key, _)| key.starts_with(prefix));
        let entry = |(key, value): (&Vec<u8>, &Bytes)| (Bytes::copy_from_slice(key), value.clone());
        let entries = found.by_ref().take(entries_max.max(1)).map(entry).collect();
        let next = found.next().map(|(key, _)| Bytes::copy_from_slice(key));
        Box::pin(async { Ok(ScanPage { entries, next }) })
    }

    fn prefetch(&self, _: StateNumber, keys: KeyBatch) {
        self.lock().prefetched += keys.len();
    }

    fn list(&self, name: &str) -> Option<Vec<Bytes>> {
        self.lock().restored.lists.get(name).map(|(_, items)| items.clone())
    }

    fn set_list(&self, name: &str, redistribution: Redistribution, items: Vec<Bytes>) {
        self.lock().now.lists.insert(name.to_owned(), (redistribution, items));
    }
}
