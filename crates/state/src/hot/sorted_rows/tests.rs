//! Sorted rows against a sorted vector, through the store, with names, and with damaged bytes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use flott_api::ErrorKind;
use flott_api::state::{KeyedContainer, StateMemory, StatePart};
use flott_api::testing::{FakeStateStore, batch, lines, ready};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use super::*;
use crate::hot::testing::{Chance, column, context, options};
use crate::hot::{KeyedState, KeyedStateOptions, TtlOptions};

const DESCENDING: KeyOrder = KeyOrder { descending: true, nulls_last: false };

/// Columns `k BIGINT, s STRING`.
fn schema() -> Schema {
    let fields = [("k", TypeKind::BigInt), ("s", TypeKind::Varchar(9))];
    Schema::new(fields.map(|(n, k)| Field::new(n, LogicalType::new(k))).to_vec())
}

fn rows(text: &str) -> RecordBatch {
    batch(&schema(), text).rows().clone()
}

fn by_k(order: KeyOrder) -> SortedRows {
    let mut sorted = SortedRows::new(schema().arrow(), vec![(0, order)]).unwrap();
    sorted.grow(2);
    sorted
}

fn all(sorted: &mut SortedRows, group: u32) -> Vec<String> {
    sorted.begin(&rows("")).unwrap();
    let mut refs = Vec::new();
    sorted.range(group, 0..usize::MAX, &mut refs);
    lines(&ChangeBatch::inserts(sorted.rows(&refs).unwrap())).iter().map(|l| l[5..].to_owned()).collect()
}

fn insert(sorted: &mut SortedRows, group: u32, text: &str) {
    let batch = rows(text);
    sorted.begin(&batch).unwrap();
    (0..batch.num_rows()).for_each(|row| sorted.insert(group, row).unwrap());
}

#[test]
fn equal_keys_stay_in_the_order_in_which_rows_come() {
    let mut sorted = by_k(DESCENDING);
    insert(&mut sorted, 0, "+I | 2 | a\n+I | NULL | b\n+I | 3 | c\n+I | 2 | d");
    insert(&mut sorted, 1, "+I | 9 | z");
    insert(&mut sorted, 0, "+I | 2 | e\n+I | 3 | f");
    assert_eq!(all(&mut sorted, 0), ["NULL | b", "3 | c", "3 | f", "2 | a", "2 | d", "2 | e"]);
    assert_eq!(all(&mut sorted, 1), ["9 | z"]);
    let batch = rows("+I | 2 | x\n+I | 1 | x\n+I | NULL | x\n+I | 3 | c");
    sorted.begin(&batch).unwrap();
    assert_eq!([0, 1, 2, 3].map(|row| sorted.rank(0, row)), [6, 6, 1, 3]);
    assert_eq!([0, 1, 2, 3].map(|row| sorted.is_before_last(0, row)), [false, false, true, true]);
    assert_eq!([0, 3].map(|row| sorted.find_equal(0, row).unwrap()), [None, Some(1)]);
}

#[test]
fn a_row_stands_for_itself_whatever_happens_to_it() {
    let mut sorted = by_k(KeyOrder::default());
    insert(&mut sorted, 0, "+I | 1 | a\n+I | 2 | b\n+I | 3 | c");
    sorted.begin(&rows("+I | 2 | new")).unwrap();
    let before = sorted.nth(0, 1).unwrap();
    sorted.insert(0, 0).unwrap();
    assert_eq!(sorted.nth(0, 2), Some(RowRef::of_batch(0)));
    assert_eq!(sorted.remove(0, 1).unwrap(), before);
    sorted.truncate(0, 2);
    assert_eq!((sorted.nth(0, 2), sorted.remove(0, 2).is_err()), (None, true));
    let mut refs = vec![before];
    sorted.take_first(0, 9, &mut refs);
    assert!(sorted.is_empty(0));
    let found = lines(&ChangeBatch::inserts(sorted.rows(&refs).unwrap()));
    assert_eq!(found, ["+I | 2 | b", "+I | 1 | a", "+I | 2 | new"]);
}

#[test]
fn rows_up_to_a_key_come_out() {
    let mut sorted = by_k(KeyOrder::default());
    insert(&mut sorted, 0, "+I | 5 | a\n+I | 1 | b\n+I | 3 | c\n+I | 3 | d\n+I | 4 | e");
    let mut keys = SortKeys::default();
    keys.encode(&[(column(&[3])[0].clone(), KeyOrder::default())], 1).unwrap();
    sorted.begin(&rows("")).unwrap();
    let mut refs = Vec::new();
    sorted.take_through(0, keys.get(0), &mut refs);
    let found = lines(&ChangeBatch::inserts(sorted.rows(&refs).unwrap()));
    assert_eq!(found, ["+I | 1 | b", "+I | 3 | c", "+I | 3 | d"]);
    assert_eq!(all(&mut sorted, 0), ["4 | e", "5 | a"]);
}

#[test]
fn a_name_finds_its_row() {
    let mut sorted = SortedRows::named(schema().arrow(), vec![(0, DESCENDING)], vec![1]).unwrap();
    sorted.grow(1);
    insert(&mut sorted, 0, "+I | 1 | a\n+I | 2 | b\n+I | 2 | c");
    let full = sorted.memory_bytes();
    let batch = rows("+I | 2 | c\n+I | 3 | a\n+I | 0 | d");
    sorted.begin(&batch).unwrap();
    assert_eq!([0, 1, 2].map(|row| sorted.find_named(0, row)), [Some(1), Some(2), None]);
    assert!(sorted.compare(0, 1, 2).is_lt() && sorted.compare(0, 0, 1).is_eq() && sorted.compare(0, 2, 2).is_gt());
    sorted.replace(0, 1, 0).unwrap();
    sorted.remove(0, 2).unwrap();
    sorted.insert(0, 1).unwrap();
    assert_eq!(all(&mut sorted, 0), ["3 | a", "2 | b", "2 | c"]);
    assert_eq!(sorted.memory_bytes(), full);
    sorted.truncate(0, 0);
    assert_eq!(sorted.memory_bytes(), sorted.slot_bytes());
    sorted.begin(&batch).unwrap();
    assert_eq!(sorted.find_named(0, 1), None);
}

#[test]
fn a_saved_group_keeps_its_order_and_damage_is_found() {
    let mut sorted = SortedRows::named(schema().arrow(), vec![(0, DESCENDING)], vec![1]).unwrap();
    sorted.grow(1);
    insert(&mut sorted, 0, "+I | 1 | a\n+I | 2 | c\n+I | 2 | b");
    let mut values = Values::default();
    sorted.save(&[0], &mut values).unwrap();
    let mut copy = sorted.fresh().unwrap();
    copy.grow(4);
    copy.load(&[3], &[values.get(0)], 0).unwrap();
    assert_eq!(all(&mut copy, 3), ["2 | c", "2 | b", "1 | a"]);
    copy.begin(&rows("+I | 7 | b")).unwrap();
    assert_eq!(copy.find_named(3, 0), Some(1));
    copy.clear(3);
    assert_eq!(copy.memory_bytes(), 4 * copy.slot_bytes());
    let bytes = values.get(0);
    for cut in 0..bytes.len() {
        assert_eq!(copy.load(&[0], &[&bytes[..cut]], 0).unwrap_err().kind(), ErrorKind::Corrupt, "cut at {cut}");
    }
    assert!(copy.load(&[0], &[&[bytes, b"x"].concat()], 0).is_err());
}

#[test]
fn columns_without_an_order_are_refused() {
    let list = TypeKind::Array(Box::new(LogicalType::new(TypeKind::Int)));
    let schema = Schema::new(vec![Field::new("l", LogicalType::new(list))]);
    let error = SortedRows::new(schema.arrow(), vec![(0, DESCENDING)]).err().unwrap();
    assert!(error.message().contains("ARRAY"), "{}", error.message());
    assert!(SortedRows::new(schema.arrow(), vec![(1, DESCENDING)]).is_err());
    assert!(SortedRows::new(schema.arrow(), Vec::new()).is_ok());
}

/// The rows of each key, as a model has them.
type Model = std::collections::BTreeMap<i64, Vec<(i64, i64)>>;

/// Plays chance to a state that gives its memory back all the time, and goes on from a checkpoint now and then.
#[test]
fn the_store_gives_back_what_was_evicted() {
    let fields = ["key", "order", "id"].map(|n| Field::new(n, LogicalType::new(TypeKind::BigInt)));
    let schema = Schema::new(fields.to_vec());
    let options = KeyedStateOptions {
        parts: vec![StatePart { name: "rows".to_owned(), ty: "x".to_owned() }],
        ..options(TtlOptions::default())
    };
    let empty = || SortedRows::new(schema.arrow(), vec![(1, KeyOrder::default())]).unwrap();
    let mut store = FakeStateStore::new();
    let open = |store: &Arc<FakeStateStore>| {
        KeyedState::open(&context(store, StateMemory::new(1, true)), &options, empty()).unwrap()
    };
    let (mut state, mut model, mut chance) = (open(&store), Model::new(), Chance::new(7));
    for step in 0..600 {
        let (key, order) = (chance.below(20) as i64, chance.below(5) as i64);
        let text = format!("+I | {key} | {order} | {step}");
        let rows = batch(&schema, &text).rows().clone();
        let groups = ready(state.assign(&column(&[key]), 1, 0)).unwrap();
        state.touch(&groups).unwrap();
        let (sorted, list) = (state.entries_mut(), model.entry(key).or_default());
        sorted.begin(&rows).unwrap();
        if chance.below(3) == 0 && !list.is_empty() {
            let at = chance.below(list.len() as u64) as usize;
            sorted.remove(groups[0], at).unwrap();
            list.remove(at);
        } else {
            let at = sorted.rank(groups[0], 0);
            assert_eq!(at, list.partition_point(|(o, _)| *o <= order));
            sorted.insert(groups[0], 0).unwrap();
            list.insert(at, (order, step));
        }
        ready(state.relieve()).unwrap();
        if step % 100 == 99 {
            state.close_epoch();
            while !ready(state.drain(3)).unwrap() {}
            store = FakeStateStore::restored(store.snapshot());
            state = open(&store);
        }
    }
    for (key, list) in model {
        let groups = ready(state.assign(&column(&[key]), 1, 0)).unwrap();
        let sorted = state.entries_mut();
        sorted.begin(&RecordBatch::new_empty(schema.arrow())).unwrap();
        let mut refs = Vec::new();
        sorted.range(groups[0], 0..usize::MAX, &mut refs);
        let found = sorted.rows(&refs).unwrap();
        let ids = found.column(2).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(ids, list.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    }
}
