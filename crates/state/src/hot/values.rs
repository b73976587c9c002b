//! What the value of an entry looks like, and how one of other parts is read.
//!
//! Layout, version 1: time of the last change `i64` little-endian in milliseconds (0: not known), the
//! number of the layout in one byte, then each part with its length before it. A layout is a list of
//! parts; all under which a state was ever written lie in a list beside it, as the store keeps entries
//! as they are until they change. So a job may drop and reorder the parts of an entry (the aggregates of
//! a query) and keep the rest; it may not add one, because what a new part would be of the rows before
//! is not known.

use std::borrow::Cow;

use bytes::Bytes;
use flott_api::state::{Redistribution, StateDescriptor, StatePart, StateStore};
use flott_api::{Error, Result};

use crate::codec::{damaged, put_bytes, put_short, take_array, take_bytes, take_i64};

/// Rises when the layout of values changes.
pub(super) const VERSION: u16 = 1;

/// Values of several groups, one behind the other, each in the parts of its state.
#[derive(Debug, Default)]
pub struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    /// Adds a part to the last value.
    pub fn part(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let length_at = self.bytes.len();
        // Room for a length of one byte; most are.
        self.bytes.push(0);
        write(&mut self.bytes);
        let length = self.bytes.len() - length_at - 1;
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.bytes[length_at] = short,
            _ => {
                let mut prefix = Vec::new();
                put_short(&mut prefix, length as u64);
                self.bytes.splice(length_at..=length_at, prefix);
            }
        }
    }

    /// Adds all parts of another value to the last one.
    pub fn append(&mut self, parts: &[u8]) {
        self.bytes.extend_from_slice(parts);
    }

    /// Ends a value.
    pub fn end(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// A value.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Reads the next part of a value.
///
/// # Errors
/// If there is none.
pub fn take_part<'a>(value: &mut &'a [u8]) -> Result<&'a [u8]> {
    take_bytes(value)
}

/// An entry as it lies in the store.
pub(super) struct Stored<'a> {
    pub(super) changed_ms: i64,
    /// The parts, in today's order.
    pub(super) parts: Cow<'a, [u8]>,
}

/// The layouts of a state.
#[derive(Debug)]
pub(super) struct Layouts {
    current: u8,
    /// For each layout how it differs; nothing if it is today's.
    moves: Vec<Option<Moves>>,
}

/// How an older layout becomes today's.
#[derive(Debug)]
struct Moves {
    /// Where each of today's parts lies.
    places: Vec<usize>,
    /// How many parts there are.
    parts: usize,
}

impl Layouts {
    /// Compares today's state with what was restored, and notes today's layout.
    pub(super) fn open(
        store: &dyn StateStore,
        descriptor: &StateDescriptor,
        restored: Option<&StateDescriptor>,
    ) -> Result<Self> {
        let mut known = Vec::new();
        if let Some(restored) = restored {
            compare(descriptor, restored)?;
            known = match store.list(&list_name(descriptor)) {
                Some(items) => items.iter().map(|i| read_parts(i)).collect::<Result<_>>()?,
                None => vec![restored.parts.clone()],
            };
        }
        let current = known.iter().position(|l| *l == descriptor.parts).unwrap_or_else(|| {
            known.push(descriptor.parts.clone());
            known.len() - 1
        });
        let too_many = |_| Error::unsupported("a state whose parts have changed more than 255 times");
        let current = u8::try_from(current).map_err(too_many)?;
        let items = known.iter().map(|l| write_parts(l)).collect::<Result<_>>()?;
        store.set_list(&list_name(descriptor), Redistribution::Broadcast, items);
        let moves = known.iter().map(|l| moves(&descriptor.parts, l)).collect();
        Ok(Layouts { current, moves })
    }

    /// Writes what comes before the parts.
    pub(super) fn begin(&self, changed_ms: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&changed_ms.to_le_bytes());
        out.push(self.current);
    }

    /// Reads a value.
    pub(super) fn read<'a>(&self, mut value: &'a [u8]) -> Result<Stored<'a>> {
        let changed_ms = take_i64(&mut value)?;
        let [layout] = take_array(&mut value)?;
        let moves = self.moves.get(usize::from(layout)).ok_or_else(|| damaged("its layout is not known"))?;
        let Some(moves) = moves else { return Ok(Stored { changed_ms, parts: Cow::Borrowed(value) }) };
        let mut parts = Vec::new();
        while !value.is_empty() {
            parts.push(take_bytes(&mut value)?);
        }
        if parts.len() != moves.parts {
            return Err(damaged("it has not the parts of its layout"));
        }
        let mut moved = Vec::new();
        for place in &moves.places {
            put_bytes(&mut moved, parts.get(*place).ok_or_else(|| damaged("a part is missing"))?);
        }
        Ok(Stored { changed_ms, parts: Cow::Owned(moved) })
    }
}

fn list_name(descriptor: &StateDescriptor) -> String {
    format!("layouts of {}", descriptor.name)
}

fn write_parts(parts: &[StatePart]) -> Result<Bytes> {
    let written = serde_json::to_vec(parts);
    written.map(Bytes::from).map_err(|e| Error::internal("the parts of a state cannot be written").with_source(e))
}

fn read_parts(item: &[u8]) -> Result<Vec<StatePart>> {
    serde_json::from_slice(item).map_err(|e| Error::corrupt("the parts of a state cannot be read").with_source(e))
}

/// Where today's parts lie in a layout; nothing if all lie where they do today. A layout that lacks one is
/// older than a part that was dropped and is there again: nothing written in it was restored.
fn moves(today: &[StatePart], layout: &[StatePart]) -> Option<Moves> {
    let place = |part: &StatePart| layout.iter().position(|p| p == part).unwrap_or(usize::MAX);
    (today != layout).then(|| Moves { places: today.iter().map(place).collect(), parts: layout.len() })
}

/// Whether a state can take up the restored one.
fn compare(today: &StateDescriptor, restored: &StateDescriptor) -> Result<()> {
    let detail = if today.key != restored.key {
        format!("Its keys were ({}) and are ({}).", restored.key, today.key)
    } else if today.version != restored.version {
        format!("It was written in version {}, and this Flott reads version {}.", restored.version, today.version)
    } else if today.namespaced != restored.namespaced {
        "It was by window or is now.".to_owned()
    } else {
        let missing: Vec<_> = today.parts.iter().filter(|p| !restored.parts.contains(p)).map(shown).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let had: Vec<_> = restored.parts.iter().map(shown).collect();
        let missing = missing.join(", ");
        format!("It had [{}]; of what is new, [{missing}], nothing is known for the rows before.", had.join(", "))
    };
    Err(Error::invalid(format!("state '{}' of the checkpoint is not that of the operator", today.name))
        .with_detail(detail)
        .with_hint("Start the changed query without the checkpoint, or go back to the query that wrote it."))
}

fn shown(part: &StatePart) -> String {
    format!("{} as {}", part.name, part.ty)
}

#[cfg(test)]
mod tests {
    use flott_api::testing::FakeStateStore;

    use super::*;

    fn descriptor(parts: &[&str]) -> StateDescriptor {
        let part = |name: &&str| StatePart { name: (*name).to_owned(), ty: "x".to_owned() };
        StateDescriptor {
            name: "groups".to_owned(),
            key: "INT".to_owned(),
            parts: parts.iter().map(part).collect(),
            version: 1,
            namespaced: false,
            ttl_ms: 0,
        }
    }

    fn written(layouts: &Layouts, parts: &[&[u8]]) -> Vec<u8> {
        let mut values = Values::default();
        parts.iter().for_each(|p| values.part(|out| out.extend_from_slice(p)));
        values.end();
        let mut out = Vec::new();
        layouts.begin(7, &mut out);
        out.extend_from_slice(values.get(0));
        out
    }

    fn read(layouts: &Layouts, value: &[u8]) -> Vec<Vec<u8>> {
        let stored = layouts.read(value).unwrap();
        assert_eq!(stored.changed_ms, 7);
        let mut rest = &*stored.parts;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            parts.push(take_part(&mut rest).unwrap().to_vec());
        }
        parts
    }

    #[test]
    fn parts_are_dropped_and_reordered_and_old_values_stay_readable() {
        let long = vec![9u8; 300];
        let store = FakeStateStore::new();
        let (abc, ca) = (descriptor(&["a", "b", "c"]), descriptor(&["c", "a"]));
        let first = Layouts::open(store.as_ref(), &abc, None).unwrap();
        let old = written(&first, &[b"A", &long, b""]);
        let store = FakeStateStore::restored(store.snapshot());
        let second = Layouts::open(store.as_ref(), &ca, Some(&abc)).unwrap();
        assert_eq!(read(&second, &old), [b"".to_vec(), b"A".to_vec()]);
        let new = written(&second, &[b"C", b"A2"]);
        assert_eq!(read(&second, &new), [b"C".to_vec(), b"A2".to_vec()]);
        let store = FakeStateStore::restored(store.snapshot());
        let third = Layouts::open(store.as_ref(), &descriptor(&["a"]), Some(&ca)).unwrap();
        assert_eq!((read(&third, &old), read(&third, &new)), (vec![b"A".to_vec()], vec![b"A2".to_vec()]));
        for cut in 0..old.len() {
            assert!(third.read(&old[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn other_keys_and_new_parts_are_refused_with_a_diff() {
        let store = FakeStateStore::new();
        let mut other = descriptor(&["a"]);
        other.key = "BIGINT".to_owned();
        let error = Layouts::open(store.as_ref(), &other, Some(&descriptor(&["a"]))).unwrap_err();
        assert_eq!(error.detail(), Some("Its keys were (INT) and are (BIGINT)."));
        let error = Layouts::open(store.as_ref(), &descriptor(&["a", "b"]), Some(&descriptor(&["a"]))).unwrap_err();
        assert_eq!(error.kind(), flott_api::ErrorKind::Invalid);
        assert!(error.detail().unwrap().starts_with("It had [a as x]; of what is new, [b as x],"));
    }
}
