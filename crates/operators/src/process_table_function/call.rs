//! The keys of a call by numbers from 0 on, and the states that are lent for it.

use std::collections::HashMap;

use arrow_array::{ArrayRef, RecordBatch};
use flott_api::process::{ProcessState, StateRows};
use flott_api::{Error, Result};
use flott_state::hot::{KeyedState, StateViews};

/// The keys of a call, numbered as they come first.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The key of each row.
    pub(super) of_rows: Vec<u32>,
    /// The group of each key.
    pub(super) groups: Vec<u32>,
}

impl Keys {
    pub(super) fn of(groups: &[u32]) -> Self {
        let mut keys = Keys { of_rows: Vec::with_capacity(groups.len()), groups: Vec::new() };
        let mut numbers: HashMap<u32, u32> = HashMap::new();
        for group in groups {
            let number = *numbers.entry(*group).or_insert_with(|| {
                keys.groups.push(*group);
                keys.groups.len() as u32 - 1
            });
            keys.of_rows.push(number);
        }
        keys
    }

    /// The first row of each key.
    pub(super) fn first_rows(&self) -> Vec<usize> {
        let mut first = Vec::with_capacity(self.groups.len());
        for (row, key) in self.of_rows.iter().enumerate() {
            if *key as usize == first.len() {
                first.push(row);
            }
        }
        first
    }

    fn groups_of(&self, keys: &[u32]) -> Result<Vec<u32>> {
        let group = |key: &u32| {
            let found = self.groups.get(*key as usize).copied();
            found.ok_or_else(|| Error::internal(format!("a call has no key number {key}")))
        };
        keys.iter().map(group).collect()
    }
}

/// The states of the keys of a call. What is about to change is touched first, and nothing else.
pub(super) struct Lent<'a> {
    pub(super) state: Option<&'a mut KeyedState<StateViews>>,
    /// How many of the states are the function's.
    pub(super) states: usize,
    pub(super) keys: &'a Keys,
    pub(super) now_ms: i64,
}

fn no_state(state: usize) -> Error {
    Error::internal(format!("a process table function has no state number {state}"))
}

impl Lent<'_> {
    fn reading(&self, state: usize) -> Result<&StateViews> {
        let held = self.state.as_ref().filter(|_| state < self.states);
        Ok(held.ok_or_else(|| no_state(state))?.entries())
    }

    fn changing(&mut self, state: usize, groups: &[u32]) -> Result<&mut StateViews> {
        let held = self.state.as_mut().filter(|_| state < self.states).ok_or_else(|| no_state(state))?;
        held.touch(groups)?;
        Ok(held.entries_mut())
    }
}

impl ProcessState for Lent<'_> {
    fn read(&self, state: usize, keys: &[u32]) -> Result<StateRows> {
        self.reading(state)?.read(state, &self.keys.groups_of(keys)?, self.now_ms)
    }

    fn find(&self, state: usize, keys: &[u32], map_keys: &[ArrayRef]) -> Result<StateRows> {
        self.reading(state)?.find(state, &self.keys.groups_of(keys)?, map_keys, self.now_ms)
    }

    fn put(&mut self, state: usize, keys: &[u32], rows: &RecordBatch) -> Result<()> {
        let (groups, now_ms) = (self.keys.groups_of(keys)?, self.now_ms);
        self.changing(state, &groups)?.put(state, &groups, rows, now_ms)
    }

    fn remove(&mut self, state: usize, keys: &[u32], map_keys: &[ArrayRef]) -> Result<()> {
        let groups = self.keys.groups_of(keys)?;
        self.changing(state, &groups)?.remove(state, &groups, map_keys)
    }

    fn clear(&mut self, state: usize, keys: &[u32]) -> Result<()> {
        let groups = self.keys.groups_of(keys)?;
        self.changing(state, &groups)?.forget(state, &groups)
    }
}
