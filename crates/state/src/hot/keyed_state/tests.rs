//! A state against a map, whatever happens to it: barriers, slow drains, evictions, restores.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use flott_api::state::StateMemory;
use flott_api::testing::{FakeStateStore, ready};
use flott_api::{ErrorKind, Result};

use super::*;
use crate::hot::testing::{Chance, Numbers, column, context, options, stored};
use crate::hot::{TtlOptions, TtlUpdate, TtlVisibility};

const KEYS: u64 = 40;

fn open(store: &Arc<FakeStateStore>, ttl: TtlOptions, limit_bytes: usize) -> Result<KeyedState<Numbers>> {
    KeyedState::open(&context(store, StateMemory::new(limit_bytes, true)), &options(ttl), Numbers::default())
}

fn assign(state: &mut KeyedState<Numbers>, keys: &[i64], now_ms: i64) -> Vec<u32> {
    ready(state.assign(&column(keys), keys.len(), now_ms)).unwrap()
}

/// Adds 1 to each key, as an operator would.
fn add(state: &mut KeyedState<Numbers>, keys: &[i64], now_ms: i64) {
    let groups = assign(state, keys, now_ms);
    state.touch(&groups).unwrap();
    for group in groups {
        state.entries_mut().0[group as usize] += 1;
        state.set_changed(group, now_ms);
    }
}

fn number(state: &mut KeyedState<Numbers>, key: i64, now_ms: i64) -> i64 {
    let group = assign(state, &[key], now_ms)[0];
    if state.is_expired(group, now_ms) { 0 } else { state.entries().0[group as usize] }
}

fn checkpoint(state: &mut KeyedState<Numbers>) {
    state.close_epoch();
    while !ready(state.drain(1)).unwrap() {}
}

/// All entries, as a walk finds them.
fn walk(state: &mut KeyedState<Numbers>) -> BTreeMap<i64, i64> {
    let groups = state.resident();
    let keys = state.columns(&groups).unwrap();
    let keys = keys[0].as_primitive::<Int64Type>().values().to_vec();
    let mut all: BTreeMap<i64, i64> =
        keys.into_iter().zip(groups.iter().map(|g| state.entries().0[*g as usize])).collect();
    let mut cursor = Cursor::default();
    while let Some(page) = ready(state.next_page(&mut cursor, 0)).unwrap() {
        let keys = page.keys[0].as_primitive::<Int64Type>();
        for (key, number) in keys.values().iter().zip(page.entries.0) {
            assert_eq!(all.insert(*key, number), None, "key {key} comes twice");
        }
    }
    all
}

/// A state, what it should be, and what it should have been at the barrier.
struct Trial {
    store: Arc<FakeStateStore>,
    state: KeyedState<Numbers>,
    model: BTreeMap<i64, i64>,
    barrier: Option<BTreeMap<i64, i64>>,
    limit_bytes: usize,
    checkpoints: usize,
}

impl Trial {
    fn new(limit_bytes: usize) -> Self {
        let store = FakeStateStore::new();
        let state = open(&store, TtlOptions::default(), limit_bytes).unwrap();
        Trial { store, state, model: BTreeMap::new(), barrier: None, limit_bytes, checkpoints: 0 }
    }

    fn step(&mut self, chance: &mut Chance) {
        match chance.below(11) {
            0..4 => self.change(chance),
            4 if self.barrier.is_none() => {
                self.state.close_epoch();
                self.barrier = Some(self.model.clone());
            }
            5..7 => self.drain(1 + chance.below(3) as usize),
            7 if self.barrier.is_none() && chance.below(8) == 0 => self.restart(),
            8 => ready(self.state.relieve()).unwrap(),
            9 => self.shed(),
            _ => assert_eq!(walk(&mut self.state), self.model),
        }
    }

    /// A batch in which keys come, change, end and begin again.
    fn change(&mut self, chance: &mut Chance) {
        let keys: Vec<i64> = (0..=chance.below(6)).map(|_| chance.below(KEYS) as i64).collect();
        let groups = assign(&mut self.state, &keys, 0);
        self.state.touch(&groups).unwrap();
        let mut now: BTreeMap<i64, u32> = keys.iter().copied().zip(groups).collect();
        let mut old = Vec::new();
        for key in keys {
            let group = now[&key];
            if chance.below(3) == 0 && self.model.remove(&key).is_some() {
                // It ends, and the next row of the key begins anew.
                old.push(group);
                now.insert(key, self.state.renew(group));
            } else {
                self.state.entries_mut().0[group as usize] += 1;
                *self.model.entry(key).or_insert(0) += 1;
            }
        }
        old.into_iter().for_each(|group| self.state.release(group));
        for (key, group) in now {
            assert_eq!(self.state.entries().0[group as usize], self.model.get(&key).copied().unwrap_or(0), "key {key}");
            if !self.model.contains_key(&key) {
                self.state.remove(group).unwrap();
            }
        }
    }

    fn drain(&mut self, entries_max: usize) {
        let Some(barrier) = &self.barrier else { return };
        if ready(self.state.drain(entries_max)).unwrap() {
            let in_store = stored(&self.store.snapshot(), false);
            let expected: BTreeMap<(i64, i64), i64> = barrier.iter().map(|(k, v)| ((0, *k), *v)).collect();
            assert_eq!(in_store, expected, "the store is not as it was at the barrier");
            self.barrier = None;
            self.checkpoints += 1;
        }
    }

    /// At any time, also when all is drained and nothing of it is sealed yet.
    fn shed(&mut self) {
        let before = stored(&self.store.snapshot(), false);
        ready(self.state.shed()).unwrap();
        assert_eq!(stored(&self.store.snapshot(), false), before, "nothing is written");
    }

    fn restart(&mut self) {
        self.state.close_epoch();
        self.barrier = Some(self.model.clone());
        while self.barrier.is_some() {
            self.drain(2);
        }
        self.store = FakeStateStore::restored(self.store.snapshot());
        self.state = open(&self.store, TtlOptions::default(), self.limit_bytes).unwrap();
    }
}

#[test]
fn whatever_happens_the_store_is_as_at_the_barrier_and_the_state_as_a_map() {
    for limit_bytes in [usize::MAX, 1, 900] {
        let mut checkpoints = 0;
        for seed in 1..30 {
            let (mut trial, mut chance) = (Trial::new(limit_bytes), Chance::new(seed));
            (0..300).for_each(|_| trial.step(&mut chance));
            assert_eq!(walk(&mut trial.state), trial.model, "seed {seed}, {limit_bytes} bytes");
            checkpoints += trial.checkpoints;
        }
        assert!(checkpoints > 100, "{checkpoints} checkpoints");
    }
}

#[test]
fn while_all_is_in_memory_nothing_is_fetched() {
    let store = FakeStateStore::new();
    let mut state = open(&store, TtlOptions::default(), usize::MAX).unwrap();
    add(&mut state, &[1, 2, 3], 0);
    checkpoint(&mut state);
    add(&mut state, &[3, 4], 0);
    assert_eq!(store.fetches(), 0);
    let store = FakeStateStore::restored(store.snapshot());
    let mut state = open(&store, TtlOptions::default(), usize::MAX).unwrap();
    add(&mut state, &[3, 1, 9], 0);
    add(&mut state, &[3, 1, 9], 0);
    assert_eq!((store.fetches(), number(&mut state, 3, 0)), (1, 3));
}

#[test]
fn the_store_hears_early_of_keys_that_are_not_in_memory() {
    let store = FakeStateStore::new();
    let mut state = open(&store, TtlOptions::default(), usize::MAX).unwrap();
    add(&mut state, &[1, 2], 0);
    state.prefetch(&column(&[1, 5]), 2).unwrap();
    assert_eq!(store.prefetched(), 0, "all that there is is in memory");
    checkpoint(&mut state);
    let store = FakeStateStore::restored(store.snapshot());
    let mut state = open(&store, TtlOptions::default(), usize::MAX).unwrap();
    add(&mut state, &[1], 0);
    state.prefetch(&column(&[1, 5, 2, 5, 2]), 5).unwrap();
    assert_eq!(store.prefetched(), 2);
}

#[test]
fn what_was_looked_at_last_is_evicted_last() {
    let store = FakeStateStore::new();
    let mut state = open(&store, TtlOptions::default(), usize::MAX).unwrap();
    let many: Vec<i64> = (0..1000).collect();
    add(&mut state, &many, 0);
    let bytes = state.memory_bytes();
    // The first round takes the marks of all, the second finds none that were looked at since.
    state.share = MemoryShare::new(StateMemory::new(bytes * 9 / 10, true));
    ready(state.relieve()).unwrap();
    assert!((850..=900).contains(&state.len()), "{} keys", state.len());
    let kept = walk_keys(&state);
    let hot: Vec<i64> = kept.iter().copied().step_by(100).collect();
    add(&mut state, &hot, 0);
    state.share = MemoryShare::new(StateMemory::new(state.memory_bytes() / 2, true));
    ready(state.relieve()).unwrap();
    let kept = walk_keys(&state);
    assert!(kept.len() < 460 && hot.iter().all(|k| kept.contains(k)), "{} keys", kept.len());
    assert!(state.memory_bytes() < bytes * 3 / 4, "{} bytes of {bytes}", state.memory_bytes());
    assert_eq!(number(&mut state, 999, 0), 1);
}

#[test]
fn beside_a_checkpoint_what_the_store_has_is_shed_and_what_has_changed_stays() {
    let store = FakeStateStore::new();
    let mut state = open(&store, TtlOptions::default(), usize::MAX).unwrap();
    add(&mut state, &(0..1000).collect::<Vec<_>>(), 0);
    checkpoint(&mut state);
    add(&mut state, &(900..1000).collect::<Vec<_>>(), 0);
    state.close_epoch();
    add(&mut state, &(800..900).collect::<Vec<_>>(), 0);
    let bytes = state.memory_bytes();
    state.share = MemoryShare::new(StateMemory::new(bytes * 9 / 10, true));
    (0..20).for_each(|_| ready(state.shed()).unwrap());
    assert!((600..950).contains(&state.len()), "{} keys: no more than is missing", state.len());
    state.share = MemoryShare::new(StateMemory::new(1, true));
    (0..100).for_each(|_| ready(state.shed()).unwrap());
    assert_eq!(walk_keys(&state).into_iter().collect::<std::collections::BTreeSet<_>>(), (800..1000).collect());
    while !ready(state.drain(7)).unwrap() {}
    assert_eq!(stored(&store.snapshot(), false)[&(0, 950)], 2);
    assert_eq!((number(&mut state, 0, 0), number(&mut state, 850, 0), number(&mut state, 950, 0)), (1, 2, 2));
}

fn walk_keys(state: &KeyedState<Numbers>) -> Vec<i64> {
    state.columns(&state.resident()).unwrap()[0].as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn a_backend_that_does_not_spill_fails_with_what_to_do() {
    let store = FakeStateStore::new();
    let cx = context(&store, StateMemory::new(10, false));
    let mut state = KeyedState::open(&cx, &options(TtlOptions::default()), Numbers::default()).unwrap();
    ready(state.relieve()).unwrap();
    add(&mut state, &(0..100).collect::<Vec<_>>(), 0);
    let error = ready(state.relieve()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: false });
    assert!(error.hint().unwrap().contains("'state.backend.type' = 'rocksdb'"));
    assert!(error.detail().unwrap().contains("'taskmanager.memory.managed.size' is 10 bytes"));
}

#[test]
fn numbers_that_come_and_go_without_a_checkpoint_take_no_memory() {
    let mut state = open(&FakeStateStore::new(), TtlOptions::default(), usize::MAX).unwrap();
    let mut sizes = Vec::new();
    for key in 0..2000 {
        add(&mut state, &[key], 0);
        let group = assign(&mut state, &[key], 0)[0];
        state.remove(group).unwrap();
        sizes.push(state.memory_bytes());
    }
    assert_eq!((sizes[200], state.len()), (sizes[1999], 0));
}

#[test]
fn a_removed_key_is_removed_from_the_store_and_not_found_before_that() {
    let store = FakeStateStore::new();
    let mut state = open(&store, TtlOptions::default(), 1).unwrap();
    add(&mut state, &[1, 2], 0);
    ready(state.relieve()).unwrap();
    assert_eq!((state.len(), stored(&store.snapshot(), false).len()), (0, 2));
    let group = assign(&mut state, &[1], 0)[0];
    state.touch(&[group]).unwrap();
    state.remove(group).unwrap();
    assert_eq!(number(&mut state, 1, 0), 0);
    assert_eq!(walk(&mut state), BTreeMap::from([(2, 1)]));
    checkpoint(&mut state);
    assert_eq!(stored(&store.snapshot(), false), BTreeMap::from([((0, 2), 1)]));
    assert!(state.is_empty());
}

fn timed(ttl_ms: i64, update: TtlUpdate, visibility: TtlVisibility) -> TtlOptions {
    TtlOptions { ttl_ms, update, visibility }
}

#[test]
fn reading_starts_the_time_anew_where_it_should() {
    for (update, at_1500) in [(TtlUpdate::OnCreateAndWrite, 0), (TtlUpdate::OnReadAndWrite, 1)] {
        let store = FakeStateStore::new();
        let ttl = timed(1000, update, TtlVisibility::NeverReturnExpired);
        let mut state = open(&store, ttl, usize::MAX).unwrap();
        add(&mut state, &[1], 100);
        checkpoint(&mut state);
        let groups = assign(&mut state, &[1], 900);
        state.read(&groups, 900).unwrap();
        assert_eq!(number(&mut state, 1, 1500), at_1500);
        // The time of the read is part of the checkpoint.
        checkpoint(&mut state);
        let mut restored = open(&FakeStateStore::restored(store.snapshot()), ttl, usize::MAX).unwrap();
        assert_eq!(number(&mut restored, 1, 1500), at_1500);
    }
}

#[test]
fn what_is_over_is_swept_in_memory_and_removed_from_the_store() {
    let store = FakeStateStore::new();
    let ttl = timed(1000, TtlUpdate::OnCreateAndWrite, TtlVisibility::ReturnExpiredIfNotCleanedUp);
    let mut state = open(&store, ttl, usize::MAX).unwrap();
    add(&mut state, &[1, 2], 100);
    checkpoint(&mut state);
    add(&mut state, &[2], 900);
    state.close_epoch();
    assert_eq!(number(&mut state, 1, 5000), 1, "it is seen until it is swept");
    state.expire(1100).unwrap();
    assert_eq!((number(&mut state, 1, 1100), number(&mut state, 2, 1100)), (0, 2));
    while !ready(state.drain(1)).unwrap() {}
    assert_eq!(stored(&store.snapshot(), false).len(), 2, "the sweep belongs to the next epoch");
    checkpoint(&mut state);
    assert_eq!(stored(&store.snapshot(), false), BTreeMap::from([((0, 2), 2)]));
}

#[test]
fn an_expired_entry_is_not_loaded_and_its_successor_takes_its_place() {
    let store = FakeStateStore::new();
    let mut state = open(&store, TtlOptions::after(1000), usize::MAX).unwrap();
    add(&mut state, &[1, 2], 100);
    checkpoint(&mut state);
    let store = FakeStateStore::restored(store.snapshot());
    let mut state = open(&store, TtlOptions::after(1000), usize::MAX).unwrap();
    add(&mut state, &[1], 1100);
    assert_eq!((number(&mut state, 1, 1100), number(&mut state, 2, 1099)), (1, 1));
    // It never was, says the operator: then there is a tombstone for what is in the store.
    let group = assign(&mut state, &[1], 1100)[0];
    state.remove(group).unwrap();
    checkpoint(&mut state);
    assert_eq!(stored(&store.snapshot(), false), BTreeMap::from([((0, 2), 1)]));
}

#[test]
fn damaged_entries_are_errors() {
    let store = FakeStateStore::new();
    let mut state = open(&store, TtlOptions::default(), usize::MAX).unwrap();
    add(&mut state, &[1], 0);
    checkpoint(&mut state);
    let good = store.snapshot();
    let (key, value) = good.entries[0].iter().next().unwrap();
    for cut in 0..value.len() {
        let mut bad = good.clone();
        bad.entries[0].insert(key.clone(), value.slice(..cut));
        let mut state = open(&FakeStateStore::restored(bad), TtlOptions::default(), usize::MAX).unwrap();
        let error = ready(state.assign(&column(&[1]), 1, 0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {cut}");
        assert!(ready(state.next_page(&mut Cursor::default(), 0)).map(|p| p.is_none()).unwrap_or(true));
    }
}
