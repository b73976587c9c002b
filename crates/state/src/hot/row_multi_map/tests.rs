//! A multimap against lists of rows, in every form; its bytes; what expires.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, StringArray};
use arrow_schema::DataType;
use flott_api::state::{KeyedContainer, StateMemory};
use flott_api::testing::{FakeStateStore, ready};
use flott_api::{LogicalType, TypeKind};

use super::*;
use crate::hot::testing::{Chance, column, context};
use crate::hot::{KeyedState, KeyedStateOptions};

/// A row: a unique column in some forms, and text or null.
type Row = (i64, Option<String>);
/// A row with its count and its tag.
type Entry = (Row, u32, i32);

fn schema() -> SchemaRef {
    let fields = [Field::new("u", DataType::Int64, false), Field::new("v", DataType::Utf8, true)];
    Arc::new(Schema::new(fields.to_vec()))
}

fn options(identity: RowIdentity) -> RowMultiMapOptions {
    RowMultiMapOptions { schema: schema(), identity, tagged: true, timed: false, ttl_ms: 0 }
}

fn rows(rows: &[Row]) -> RecordBatch {
    let u = Int64Array::from_iter_values(rows.iter().map(|r| r.0));
    let v = StringArray::from_iter(rows.iter().map(|r| r.1.as_deref()));
    RecordBatch::try_new(schema(), vec![Arc::new(u), Arc::new(v)]).unwrap()
}

fn row(u: i64, v: &str) -> Row {
    (u, Some(v.to_owned()).filter(|v| !v.is_empty()))
}

/// What a group holds, in order, without what has expired.
fn list(map: &RowMultiMap, group: u32, now_ms: i64) -> Vec<Entry> {
    let (numbers, _) = map.numbers(&[group]);
    let mut backwards = vec![map.last(group)];
    while let Some(row) = backwards.last().copied().filter(|r| *r != NO_ROW) {
        backwards.push(map.previous(row));
    }
    backwards.pop();
    backwards.reverse();
    assert_eq!(numbers, backwards, "the list is the same both ways");
    let (u, v) = (map.column(0, &numbers).unwrap(), map.column(1, &numbers).unwrap());
    let (u, v) = (u.as_primitive::<Int64Type>(), v.as_string::<i32>());
    let entry = |(at, n): (usize, &u32)| {
        let text = v.iter().nth(at).flatten().map(str::to_owned);
        (!map.is_expired(*n, now_ms)).then(|| ((u.value(at), text), map.count(*n), map.tag(*n)))
    };
    numbers.iter().enumerate().filter_map(entry).collect()
}

/// A list as the form wants it.
fn model_add(list: &mut Vec<Entry>, identity: &RowIdentity, row: &Row, tag: i32) {
    match identity {
        RowIdentity::None => {}
        RowIdentity::Group => list.clear(),
        RowIdentity::Columns(_) => list.retain(|(r, ..)| r.0 != row.0),
        RowIdentity::WholeRow => {
            if let Some(same) = list.iter_mut().find(|(r, ..)| r == row) {
                (same.1, same.2) = (same.1 + 1, tag);
                return;
            }
        }
    }
    list.push((row.clone(), 1, tag));
}

fn model_retract(list: &mut Vec<Entry>, identity: &RowIdentity, row: &Row) {
    let is_it = |r: &Row| match identity {
        RowIdentity::Group => true,
        RowIdentity::Columns(_) => r.0 == row.0,
        RowIdentity::WholeRow => r == row,
        RowIdentity::None => false,
    };
    let Some(at) = list.iter().position(|(r, ..)| is_it(r)) else { return };
    list[at].1 -= 1;
    if list[at].1 == 0 {
        list.remove(at);
    }
}

fn identities() -> [RowIdentity; 4] {
    [RowIdentity::Group, RowIdentity::Columns(vec![0]), RowIdentity::WholeRow, RowIdentity::None]
}

/// A keyed state of multimaps on a store, and lists beside it.
struct Trial {
    identity: RowIdentity,
    state: KeyedState<RowMultiMap>,
    model: BTreeMap<i64, Vec<Entry>>,
}

impl Trial {
    fn new(identity: RowIdentity, store: &Arc<FakeStateStore>, memory_bytes: usize) -> Self {
        let options = options(identity.clone());
        let state = KeyedStateOptions {
            name: "rows".to_owned(),
            keys: vec![LogicalType::new(TypeKind::BigInt)],
            parts: vec![options.part("rows").unwrap()],
            ttl: TtlOptions::default(),
        };
        let cx = context(store, StateMemory::new(memory_bytes, true));
        let state = KeyedState::open(&cx, &state, RowMultiMap::new(options)).unwrap();
        Trial { identity, state, model: BTreeMap::new() }
    }

    /// A batch of additions and retractions, as a join makes them.
    fn batch(&mut self, chance: &mut Chance) {
        let some: Vec<(i64, Row, bool, i32)> = (0..1 + chance.below(40))
            .map(|_| {
                let row =
                    (chance.below(6) as i64, Some("x".repeat(chance.below(3) as usize)).filter(|v| !v.is_empty()));
                (chance.below(9) as i64, row, chance.below(3) == 0, chance.below(5) as i32)
            })
            .collect();
        let keys: Vec<i64> = some.iter().map(|s| s.0).collect();
        let groups = ready(self.state.assign(&column(&keys), keys.len(), 0)).unwrap();
        self.state.touch(&groups).unwrap();
        let batch = rows(&some.iter().map(|s| s.1.clone()).collect::<Vec<_>>());
        let mut adding = self.state.entries_mut().adding(&batch).unwrap();
        for (at, (key, row, retracts, tag)) in some.iter().enumerate() {
            let list = self.model.entry(*key).or_default();
            if *retracts {
                model_retract(list, &self.identity, row);
                adding.retract(groups[at], at, 0);
            } else {
                model_add(list, &self.identity, row, *tag);
                adding.add(groups[at], at, *tag, 0);
            }
        }
        adding.finish().unwrap();
        for group in groups.into_iter().collect::<std::collections::BTreeSet<_>>() {
            if self.state.entries().first(group) == NO_ROW {
                self.state.remove(group).unwrap();
            }
        }
    }

    fn compare(&mut self) {
        self.model.retain(|_, list| !list.is_empty());
        let keys: Vec<i64> = (0..9).collect();
        let groups = ready(self.state.find(&column(&keys), keys.len(), 0)).unwrap();
        for (key, group) in keys.iter().zip(groups) {
            let found = group.map(|g| list(self.state.entries(), g, 0)).unwrap_or_default();
            assert_eq!(found, self.model.get(key).cloned().unwrap_or_default(), "key {key}");
        }
    }

    fn checkpoint(&mut self) {
        self.state.close_epoch();
        while !ready(self.state.drain(1)).unwrap() {}
    }
}

#[test]
fn every_form_holds_what_lists_hold_whatever_happens_to_the_state() {
    for (seed, identity) in (0..60).zip(identities().into_iter().cycle()) {
        let mut chance = Chance::new(seed + 1);
        let store = FakeStateStore::new();
        let memory_bytes = if seed % 3 == 0 { 1 } else { usize::MAX };
        let mut trial = Trial::new(identity.clone(), &store, memory_bytes);
        for _ in 0..30 {
            trial.batch(&mut chance);
            trial.compare();
            if chance.below(4) == 0 {
                trial.checkpoint();
            }
            ready(trial.state.relieve()).unwrap();
        }
        trial.checkpoint();
        let restored = FakeStateStore::restored(store.snapshot());
        let model = trial.model;
        let mut trial = Trial { model, ..Trial::new(identity, &restored, usize::MAX) };
        trial.compare();
        trial.batch(&mut chance);
        trial.compare();
    }
}

#[test]
fn a_key_that_is_looked_up_takes_no_place() {
    let mut trial = Trial::new(RowIdentity::None, &FakeStateStore::new(), usize::MAX);
    assert_eq!(ready(trial.state.find(&column(&[1, 2]), 2, 0)).unwrap(), [None, None]);
    assert!(trial.state.is_empty());
}

fn multimap(options: RowMultiMapOptions) -> RowMultiMap {
    let mut map = RowMultiMap::new(options);
    map.grow(4);
    map
}

fn add(map: &mut RowMultiMap, group: u32, some: &[Row], now_ms: i64) {
    let mut adding = map.adding(&rows(some)).unwrap();
    for at in 0..some.len() {
        adding.add(group, at, 0, now_ms);
    }
    adding.finish().unwrap();
}

fn saved(map: &RowMultiMap, groups: &[u32]) -> Vec<Vec<u8>> {
    let mut values = Values::default();
    map.save(groups, &mut values).unwrap();
    (0..values.len()).map(|i| values.get(i).to_vec()).collect()
}

#[test]
fn a_query_may_get_to_know_a_unique_key_and_lose_it() {
    let mut counted = multimap(options(RowIdentity::WholeRow));
    add(&mut counted, 1, &[row(1, "a"), row(2, "b"), row(1, "a")], 0);
    let bytes = saved(&counted, &[1]);
    let read = |identity| {
        let mut map = multimap(options(identity));
        map.load(&[3], &[&bytes[0]], 0).unwrap();
        list(&map, 3, 0)
    };
    assert_eq!(read(RowIdentity::WholeRow), [(row(1, "a"), 2, 0), (row(2, "b"), 1, 0)]);
    assert_eq!(read(RowIdentity::None), [(row(1, "a"), 1, 0), (row(1, "a"), 1, 0), (row(2, "b"), 1, 0)]);
    assert_eq!(read(RowIdentity::Columns(vec![0])).len(), 2);
    let mut apart = multimap(options(RowIdentity::None));
    add(&mut apart, 0, &[row(1, "a"), row(1, "a")], 0);
    let mut back = multimap(options(RowIdentity::WholeRow));
    back.load(&[0], &[&saved(&apart, &[0])[0]], 0).unwrap();
    assert_eq!(list(&back, 0, 0), [(row(1, "a"), 2, 0)]);
}

#[test]
fn damaged_bytes_are_corrupt_and_do_not_panic() {
    let mut map = multimap(options(RowIdentity::WholeRow));
    add(&mut map, 0, &[row(1, "a"), row(2, "")], 0);
    let bytes = saved(&map, &[0]).remove(0);
    for at in 0..bytes.len() {
        assert!(multimap(options(RowIdentity::None)).load(&[0], &[&bytes[..at]], 0).is_err(), "cut at {at}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x80;
        _ = multimap(options(RowIdentity::None)).load(&[0], &[&flipped], 0);
    }
}

#[test]
fn each_row_expires_by_itself_and_a_change_keeps_it() {
    let with_ttl = RowMultiMapOptions { ttl_ms: 10, ..options(RowIdentity::WholeRow) };
    let mut map = multimap(with_ttl.clone());
    add(&mut map, 0, &[row(1, "a"), row(2, "b")], 1);
    add(&mut map, 0, &[row(2, "b"), row(3, "c")], 5);
    assert_eq!(list(&map, 0, 10).len(), 3);
    assert_eq!(list(&map, 0, 11), [(row(2, "b"), 2, 0), (row(3, "c"), 1, 0)]);
    map.set_tag(map.last(0), 7, 12);
    assert_eq!(list(&map, 0, 15), [(row(3, "c"), 1, 7)]);
    // What has expired counts no more, can not be taken back, and leaves when others come.
    add(&mut map, 0, &[row(2, "b")], 15);
    assert_eq!(list(&map, 0, 15), [(row(3, "c"), 1, 7), (row(2, "b"), 1, 0)]);
    assert_eq!(map.numbers(&[0]).0.len(), 2);
    let mut late = multimap(with_ttl);
    late.load(&[0], &[&saved(&map, &[0])[0]], 23).unwrap();
    assert_eq!(list(&late, 0, 23), [(row(2, "b"), 1, 0)]);
    let batch = rows(&[row(2, "b")]);
    let mut adding = late.adding(&batch).unwrap();
    assert!(!adding.retract(0, 0, 25));
    assert!(adding.retract(0, 0, 24));
    adding.finish().unwrap();
}

#[test]
fn rows_by_time_stay_in_the_order_of_their_times() {
    let mut map = multimap(RowMultiMapOptions { timed: true, ..options(RowIdentity::None) });
    let some = [row(5, "a"), row(2, "b"), row(9, "c"), row(5, "d")];
    let batch = rows(&some);
    let mut adding = map.adding(&batch).unwrap();
    for (at, row) in some.iter().enumerate() {
        adding.add_by_time(1, at, 0, row.0);
    }
    adding.finish().unwrap();
    let order: Vec<Row> = list(&map, 1, 0).into_iter().map(|e| e.0).collect();
    assert_eq!(order, [row(2, "b"), row(5, "a"), row(5, "d"), row(9, "c")]);
    assert_eq!((map.time(map.first(1)), map.time(map.last(1))), (2, 9));
    let mut back = multimap(RowMultiMapOptions { timed: true, ..options(RowIdentity::None) });
    back.load(&[0], &[&saved(&map, &[1])[0]], 0).unwrap();
    assert_eq!(list(&back, 0, 0), list(&map, 1, 0));
    assert_eq!(back.time(back.last(0)), 9);
}

#[test]
fn rows_without_columns_are_counted() {
    let none = Arc::new(Schema::empty());
    let options = RowMultiMapOptions { schema: none.clone(), ..options(RowIdentity::WholeRow) };
    let mut map = multimap(options.clone());
    let batch = batch(&none, Vec::new(), 2).unwrap();
    let mut adding = map.adding(&batch).unwrap();
    for at in 0..2 {
        adding.add(0, at, 0, 0);
    }
    adding.finish().unwrap();
    assert_eq!(map.count(map.first(0)), 2);
    let mut back = multimap(options);
    back.load(&[0], &[&saved(&map, &[0])[0]], 0).unwrap();
    assert_eq!(back.count(back.first(0)), 2);
}

#[test]
fn a_group_that_leaves_gives_its_rows_numbers_to_others() {
    let mut map = multimap(options(RowIdentity::Columns(vec![0])));
    for round in 0..50 {
        add(&mut map, round % 4, &[row(1, "a"), row(2, "b")], 0);
        map.clear(round % 4);
    }
    assert!(map.links.len() <= 2, "{} numbers", map.links.len());
    assert_eq!(map.first(0), NO_ROW);
}

#[test]
fn what_leaves_memory_is_given_back_at_once_and_little_else_leaves() {
    const LIMIT: usize = 1 << 20;
    const KEYS: i64 = 500;
    let mut trial = Trial::new(RowIdentity::None, &FakeStateStore::new(), LIMIT);
    let mut full = false;
    for step in 0..80 {
        let keys: Vec<i64> = (step * KEYS..(step + 1) * KEYS).collect();
        let groups = ready(trial.state.assign(&column(&keys), keys.len(), 0)).unwrap();
        trial.state.touch(&groups).unwrap();
        let new: Vec<Row> = keys.iter().map(|key| row(*key, &"x".repeat(100))).collect();
        let batch = rows(&new);
        let mut adding = trial.state.entries_mut().adding(&batch).unwrap();
        (0..new.len()).for_each(|at| _ = adding.add(groups[at], at, 0, 0));
        adding.finish().unwrap();
        ready(trial.state.relieve()).unwrap();
        let bytes = trial.state.memory_bytes();
        full |= bytes > LIMIT * 3 / 4;
        assert!(!full || (LIMIT / 3..LIMIT * 3 / 2).contains(&bytes), "{bytes} bytes after step {step}");
    }
    assert!(full && (trial.state.len() as i64) < 40 * KEYS);
    let found = ready(trial.state.find(&column(&[3, 80 * KEYS - 1]), 2, 0)).unwrap();
    for (group, key) in found.into_iter().zip([3, 80 * KEYS - 1]) {
        assert_eq!(list(trial.state.entries(), group.unwrap(), 0), [(row(key, &"x".repeat(100)), 1, 0)]);
    }
}
