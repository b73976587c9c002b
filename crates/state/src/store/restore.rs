//! What a new instance takes over from checkpoints: no more than metadata moves.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use flott_api::state::{Redistribution, StateDescriptor, StateNumber};
use flott_api::{Error, Result};

use super::format::cut;
use crate::handle::{InlineState, ListState, NamedState, StateFile, StoreSnapshot};

/// The states of an operator by number, with what is known of each.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    known: BTreeMap<u16, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    descriptor: StateDescriptor,
    declared: bool,
}

impl States {
    /// The states of some snapshots of one operator, which must agree.
    pub(super) fn restored(snapshots: &[StoreSnapshot]) -> Result<Self> {
        let mut states = States::default();
        for state in snapshots.iter().flat_map(|snapshot| &snapshot.states) {
            let known = Known { descriptor: state.descriptor.clone(), declared: false };
            let before = states.known.insert(state.number.0, known);
            if before.is_some_and(|before| before.descriptor != state.descriptor) {
                return Err(disagree(&state.descriptor.name));
            }
        }
        let mut names: Vec<&str> = states.known.values().map(|known| known.descriptor.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(disagree(twice[0]));
        }
        Ok(states)
    }

    /// The number of a state, and its descriptor of old.
    pub(super) fn declare(&mut self, descriptor: &StateDescriptor) -> Result<(StateNumber, Option<StateDescriptor>)> {
        let found = self.known.iter_mut().find(|(_, known)| known.descriptor.name == descriptor.name);
        if let Some((number, known)) = found {
            if known.declared {
                return Err(Error::internal(format!("state '{}' is declared twice", descriptor.name)));
            }
            known.declared = true;
            let restored = std::mem::replace(&mut known.descriptor, descriptor.clone());
            return Ok((StateNumber(*number), Some(restored)));
        }
        let number = self.known.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        if number == u16::MAX {
            return Err(Error::invalid("an operator has more than 65535 states"));
        }
        self.known.insert(number, Known { descriptor: descriptor.clone(), declared: true });
        Ok((StateNumber(number), None))
    }

    /// Whether entries of a state have namespaces; nothing if it was not declared.
    pub(super) fn namespaced(&self, state: StateNumber) -> Option<bool> {
        self.known.get(&state.0).filter(|known| known.declared).map(|known| known.descriptor.namespaced)
    }

    /// By state: how long its entries live. Those that nobody declared live on.
    pub(super) fn ttl_ms(&self) -> Vec<i64> {
        let states = self.known.last_key_value().map_or(0, |(last, _)| *last as usize + 1);
        let mut ttl_ms = vec![0; states];
        for (number, known) in self.known.iter().filter(|(_, known)| known.declared) {
            ttl_ms[*number as usize] = known.descriptor.ttl_ms;
        }
        ttl_ms
    }

    /// As a checkpoint has them.
    pub(super) fn named(&self) -> Vec<NamedState> {
        let named = |(number, known): (&u16, &Known)| NamedState {
            number: StateNumber(*number),
            descriptor: known.descriptor.clone(),
        };
        self.known.iter().map(named).collect()
    }
}

fn disagree(state: &str) -> Error {
    Error::corrupt(format!("the subtasks of a checkpoint do not agree on state '{state}'"))
}

/// The files that have anything for these key groups, the newest first.
pub(super) fn files(snapshots: &[StoreSnapshot], groups: &Range<u32>) -> Vec<StateFile> {
    let files = snapshots.iter().flat_map(|snapshot| &snapshot.files);
    let own = files.map(|file| StateFile { key_groups: cut(&file.key_groups, groups), ..file.clone() });
    own.filter(|file| !file.key_groups.is_empty()).collect()
}

/// The inline states that have anything for these key groups.
pub(super) fn inline(snapshots: &[StoreSnapshot], groups: &Range<u32>) -> Vec<InlineState> {
    let inline = snapshots.iter().filter_map(|snapshot| snapshot.inline.as_ref());
    let own = inline.map(|state| InlineState { key_groups: cut(&state.key_groups, groups), ..state.clone() });
    own.filter(|state| !state.key_groups.is_empty()).collect()
}

/// The lists that subtask `index` of `parallelism` gets of the snapshots of all subtasks, by name.
pub fn spread_lists(all: &[StoreSnapshot], index: u32, parallelism: u32) -> Vec<ListState> {
    let mut lists: BTreeMap<&str, ListState> = BTreeMap::new();
    for list in all.iter().flat_map(|snapshot| &snapshot.lists) {
        let (name, redistribution) = (list.name.clone(), list.redistribution);
        let empty = ListState { name, redistribution, items: Vec::new() };
        let spread = lists.entry(&list.name).or_insert(empty);
        match redistribution {
            Redistribution::Split | Redistribution::Union => spread.items.extend(list.items.iter().cloned()),
            Redistribution::Broadcast if spread.items.is_empty() => spread.items.clone_from(&list.items),
            Redistribution::Broadcast => {}
        }
    }
    let own = |mut list: ListState| {
        if list.redistribution == Redistribution::Split {
            list.items = share(list.items, index, parallelism);
        }
        list
    };
    lists.into_values().map(own).collect()
}

/// Every so many-th item.
fn share(items: Vec<Bytes>, index: u32, parallelism: u32) -> Vec<Bytes> {
    items.into_iter().skip(index as usize).step_by(parallelism.max(1) as usize).collect()
}

/// The lists of one instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    restored: BTreeMap<String, Vec<Bytes>>,
    now: BTreeMap<String, ListState>,
}

impl Lists {
    pub(super) fn restored(all: &[StoreSnapshot], index: u32, parallelism: u32) -> Self {
        let mut lists = Lists::default();
        for mut list in spread_lists(all, index, parallelism) {
            lists.restored.insert(list.name.clone(), list.items.clone());
            if list.redistribution == Redistribution::Union {
                // Everybody got all: if everybody kept all, the next restore had every item many times.
                list.items = share(list.items, index, parallelism);
            }
            lists.now.insert(list.name.clone(), list);
        }
        lists
    }

    pub(super) fn get(&self, name: &str) -> Option<Vec<Bytes>> {
        self.restored.get(name).cloned()
    }

    pub(super) fn set(&mut self, list: ListState) {
        self.now.insert(list.name.clone(), list);
    }

    pub(super) fn named(&self) -> Vec<ListState> {
        self.now.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;

    use super::*;

    fn descriptor(name: &str) -> StateDescriptor {
        let (name, key) = (name.to_owned(), "INT".to_owned());
        StateDescriptor { name, key, parts: Vec::new(), version: 1, namespaced: false, ttl_ms: 5 }
    }

    fn snapshot(states: &[(u16, &str)]) -> StoreSnapshot {
        let named =
            |(number, name): &(u16, &str)| NamedState { number: StateNumber(*number), descriptor: descriptor(name) };
        StoreSnapshot { states: states.iter().map(named).collect(), ..StoreSnapshot::default() }
    }

    #[test]
    fn a_known_name_keeps_its_number_and_a_new_one_gets_the_next() {
        let snapshots = [snapshot(&[(0, "a"), (3, "b")]), snapshot(&[(3, "b")])];
        let mut states = States::restored(&snapshots).unwrap();
        assert_eq!(states.ttl_ms(), [0; 4]);
        assert_eq!(states.declare(&descriptor("b")).unwrap(), (StateNumber(3), Some(descriptor("b"))));
        assert_eq!(states.declare(&descriptor("c")).unwrap(), (StateNumber(4), None));
        assert_eq!(states.declare(&descriptor("b")).unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!((states.namespaced(StateNumber(0)), states.namespaced(StateNumber(3))), (None, Some(false)));
        assert_eq!(states.ttl_ms(), [0, 0, 0, 5, 5]);
        assert_eq!(states.named().len(), 3);
    }

    #[test]
    fn subtasks_that_do_not_agree_are_refused() {
        for other in [snapshot(&[(0, "b")]), snapshot(&[(1, "a")])] {
            let error = States::restored(&[snapshot(&[(0, "a")]), other]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    fn with_list(redistribution: Redistribution, items: &[&'static str]) -> StoreSnapshot {
        let items = items.iter().map(|item| Bytes::from_static(item.as_bytes())).collect();
        let list = ListState { name: "l".to_owned(), redistribution, items };
        StoreSnapshot { lists: vec![list], ..StoreSnapshot::default() }
    }

    #[test]
    fn lists_are_spread_as_they_say() {
        let spread = |redistribution, index, parallelism| {
            let all = [with_list(redistribution, &["a", "b", "c"]), with_list(redistribution, &["d"])];
            spread_lists(&all, index, parallelism).remove(0).items
        };
        assert_eq!(spread(Redistribution::Split, 0, 3), ["a", "d"]);
        assert_eq!(spread(Redistribution::Split, 2, 3), ["c"]);
        assert_eq!(spread(Redistribution::Union, 2, 3), ["a", "b", "c", "d"]);
        assert_eq!(spread(Redistribution::Broadcast, 2, 3), ["a", "b", "c"]);
    }

    #[test]
    fn a_list_that_nobody_sets_again_stays_as_it_was() {
        for redistribution in [Redistribution::Split, Redistribution::Union, Redistribution::Broadcast] {
            let all = [with_list(redistribution, &["a", "b", "c"]), with_list(redistribution, &["d"])];
            let next: Vec<StoreSnapshot> = (0..3)
                .map(|i| StoreSnapshot { lists: Lists::restored(&all, i, 3).named(), ..StoreSnapshot::default() })
                .collect();
            let sorted = |all| {
                let mut items: Vec<Bytes> = (0..2).flat_map(|i| spread_lists(all, i, 2).remove(0).items).collect();
                items.sort();
                items
            };
            assert_eq!(sorted(&next), sorted(&all), "{redistribution:?}");
        }
    }
}
