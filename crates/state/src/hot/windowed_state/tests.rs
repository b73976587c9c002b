//! Windows that begin, end and begin again, against a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use flott_api::state::StateMemory;
use flott_api::testing::{FakeStateStore, ready};

use super::*;
use crate::hot::testing::{Chance, Numbers, column, context, options, stored};

type Model = BTreeMap<(i64, i64), i64>;

struct Trial {
    store: Arc<FakeStateStore>,
    state: WindowedState<Numbers>,
    model: Model,
    open: Vec<i64>,
    barrier: Option<(Model, Vec<i64>)>,
    limit_bytes: usize,
}

fn open(store: &Arc<FakeStateStore>, limit_bytes: usize) -> WindowedState<Numbers> {
    let cx = context(store, StateMemory::new(limit_bytes, true));
    WindowedState::open(&cx, &options(TtlOptions::default()), Numbers::default()).unwrap()
}

impl Trial {
    fn new(limit_bytes: usize) -> Self {
        let store = FakeStateStore::new();
        let state = open(&store, limit_bytes);
        Trial { store, state, model: Model::new(), open: Vec::new(), barrier: None, limit_bytes }
    }

    fn step(&mut self, chance: &mut Chance) {
        match chance.below(11) {
            0..4 => self.change(chance),
            4 if self.barrier.is_none() => {
                self.state.close_epoch();
                self.barrier = Some((self.model.clone(), self.open.clone()));
            }
            5..7 => self.drain(1 + chance.below(3) as usize),
            7 if self.barrier.is_none() && chance.below(8) == 0 => self.restart(),
            8 => ready(self.state.relieve()).unwrap(),
            9 if !self.open.is_empty() => self.fire(chance),
            _ => {}
        }
    }

    fn change(&mut self, chance: &mut Chance) {
        let window = chance.below(4) as i64 * 10 - 10;
        let keys: Vec<i64> = (0..=chance.below(4)).map(|_| chance.below(8) as i64).collect();
        if self.state.begin(window).unwrap() {
            self.open.push(window);
        }
        let groups = ready(self.state.assign(window, &column(&keys), keys.len(), 0)).unwrap();
        for (key, group) in keys.iter().zip(groups) {
            self.state.entries_mut(window).unwrap().0[group as usize] += 1;
            *self.model.entry((window, *key)).or_insert(0) += 1;
        }
    }

    /// Takes a window out, and compares all that it holds.
    fn fire(&mut self, chance: &mut Chance) {
        let window = self.open.remove(chance.below(self.open.len() as u64) as usize);
        let groups = self.state.resident(window).unwrap();
        let keys = self.state.columns(window, &groups).unwrap();
        let numbers = &self.state.entries_mut(window).unwrap().0;
        let mut got: BTreeMap<i64, i64> = keys[0]
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .zip(&groups)
            .map(|(key, group)| (*key, numbers[*group as usize]))
            .collect();
        let mut cursor = Cursor::default();
        while let Some(page) = ready(self.state.next_page(window, &mut cursor)).unwrap() {
            let keys = page.keys[0].as_primitive::<Int64Type>();
            got.extend(keys.values().iter().copied().zip(page.entries.0));
        }
        let expected: BTreeMap<i64, i64> =
            self.model.iter().filter(|((w, _), _)| *w == window).map(|((_, k), v)| (*k, *v)).collect();
        assert_eq!(got, expected, "window {window}");
        self.state.clear(window);
        self.model.retain(|(w, _), _| *w != window);
    }

    fn drain(&mut self, entries_max: usize) {
        let Some((barrier, _)) = &self.barrier else { return };
        if ready(self.state.drain(entries_max)).unwrap() {
            assert_eq!(stored(&self.store.snapshot(), true), *barrier, "the store is not as it was at the barrier");
            self.barrier = None;
        }
    }

    fn restart(&mut self) {
        self.state.close_epoch();
        self.barrier = Some((self.model.clone(), self.open.clone()));
        while self.barrier.is_some() {
            self.drain(2);
        }
        self.store = FakeStateStore::restored(self.store.snapshot());
        self.state = open(&self.store, self.limit_bytes);
        self.open.iter().for_each(|window| self.state.restore(*window).unwrap());
    }
}

#[test]
fn windows_that_begin_again_hold_only_what_is_theirs() {
    for limit_bytes in [usize::MAX, 1, 700] {
        for seed in 1..40 {
            let (mut trial, mut chance) = (Trial::new(limit_bytes), Chance::new(seed));
            (0..300).for_each(|_| trial.step(&mut chance));
            while !trial.open.is_empty() {
                trial.fire(&mut chance);
            }
            while trial.barrier.is_some() {
                trial.drain(9);
            }
            trial.restart();
            assert!(trial.store.snapshot().entries[0].is_empty());
        }
    }
}

#[test]
fn a_window_that_was_never_stored_needs_no_write_and_gives_its_memory_back() {
    let mut trial = Trial::new(usize::MAX);
    let before = trial.state.memory_bytes();
    trial.state.begin(10).unwrap();
    ready(trial.state.assign(10, &column(&[1, 2, 3]), 3, 0)).unwrap();
    assert!(trial.state.memory_bytes() > before);
    trial.state.clear(10);
    assert_eq!((trial.state.memory_bytes(), trial.state.cleared[0].len()), (before, 0));
    assert!(trial.state.entries_mut(10).is_err());
}

#[test]
fn what_is_not_kept_is_in_no_checkpoint_and_all_of_it_where_it_is_kept_again() {
    for limit_bytes in [usize::MAX, 1] {
        let (mut trial, mut chance) = (Trial::new(limit_bytes), Chance::new(limit_bytes as u64 | 7));
        let mut is_kept = true;
        for round in 0..60 {
            (0..5).for_each(|_| trial.change(&mut chance));
            if chance.below(2) == 0 {
                ready(trial.state.relieve()).unwrap();
            }
            if round % 3 == 0 {
                is_kept = !is_kept;
                trial.state.set_kept(is_kept);
            }
            let before = stored(&trial.store.snapshot(), true);
            trial.state.close_epoch();
            while !ready(trial.state.drain(3)).unwrap() {}
            let after = stored(&trial.store.snapshot(), true);
            assert_eq!(after, if is_kept { trial.model.clone() } else { before }, "round {round}, kept: {is_kept}");
        }
        while !trial.open.is_empty() {
            trial.fire(&mut chance);
        }
    }
}

#[test]
fn a_window_that_begins_anew_has_nothing_of_the_checkpoint() {
    let (mut trial, mut chance) = (Trial::new(usize::MAX), Chance::new(5));
    (0..20).for_each(|_| trial.change(&mut chance));
    trial.restart();
    trial.store = FakeStateStore::restored(trial.store.snapshot());
    let mut state = open(&trial.store, usize::MAX);
    state.set_kept(false);
    trial.open.iter().for_each(|window| state.begin_anew(*window).unwrap());
    assert!(trial.open.iter().all(|window| state.resident(*window).unwrap().is_empty()) && !state.has_spilled());
    assert!(!trial.store.snapshot().entries[0].is_empty());
    state.close_epoch();
    assert!(ready(state.drain(9)).unwrap());
    assert!(trial.store.snapshot().entries[0].is_empty());
}
