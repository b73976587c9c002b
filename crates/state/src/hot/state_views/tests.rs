//! Values, lists and maps: what is put is there, what is over is not, what was saved is loaded.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, StringArray};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

const VALUE: usize = 0;
const LIST: usize = 1;
const MAP: usize = 2;

fn shapes() -> Vec<StateShape> {
    let n = || Field::new("n", LogicalType::new(TypeKind::BigInt));
    let k = || Field::new("k", LogicalType::new(TypeKind::Varchar(9)));
    let shape = |name: &str, kind, fields, ttl_ms| StateShape {
        name: name.to_owned(),
        kind,
        schema: Schema::new(fields),
        ttl_ms,
    };
    vec![
        shape("value", StateKind::Value, vec![n()], None),
        shape("list", StateKind::List, vec![n()], Some(10)),
        shape("map", StateKind::Map { key_columns: 1 }, vec![k(), n()], Some(10)),
    ]
}

fn views() -> StateViews {
    let mut views = StateViews::new(&shapes(), 0).unwrap();
    views.grow(3);
    views
}

fn numbers(values: &[Option<i64>]) -> RecordBatch {
    RecordBatch::try_new(shapes()[VALUE].schema.arrow(), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
}

fn entries(rows: &[(Option<&str>, i64)]) -> RecordBatch {
    let (keys, values): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(keys)), Arc::new(Int64Array::from(values))];
    RecordBatch::try_new(shapes()[MAP].schema.arrow(), columns).unwrap()
}

fn keys(keys: &[Option<&str>]) -> Vec<ArrayRef> {
    vec![Arc::new(StringArray::from(keys.to_vec()))]
}

/// `0:a=1 0:NULL=2`
fn shown(rows: &StateRows) -> String {
    let last = rows.rows.num_columns() - 1;
    let numbers = rows.rows.column(last).as_primitive::<Int64Type>();
    let cell = |row: usize| {
        let number = numbers.iter().nth(row).flatten().map_or("NULL".to_owned(), |n| n.to_string());
        if last == 0 {
            return format!("{}:{number}", rows.of[row]);
        }
        let key = rows.rows.column(0).as_string::<i32>().iter().nth(row).flatten().unwrap_or("NULL");
        format!("{}:{key}={number}", rows.of[row])
    };
    (0..rows.rows.num_rows()).map(cell).collect::<Vec<_>>().join(" ")
}

fn filled() -> StateViews {
    let mut views = views();
    views.put(VALUE, &[0, 1, 0], &numbers(&[Some(1), None, Some(3)]), 5).unwrap();
    views.put(LIST, &[0, 2, 0], &numbers(&[Some(1), Some(2), None]), 5).unwrap();
    views.put(LIST, &[0], &numbers(&[Some(4)]), 8).unwrap();
    views.put(MAP, &[0, 0, 0, 1], &entries(&[(Some("b"), 1), (None, 2), (Some("b"), 3), (Some("b"), 4)]), 5).unwrap();
    views
}

#[test]
fn values_are_replaced_lists_grow_and_maps_have_one_row_a_key() {
    let mut views = filled();
    assert_eq!(shown(&views.read(VALUE, &[1, 0, 2, 0], 9).unwrap()), "0:NULL 1:3 3:3");
    assert_eq!(shown(&views.read(LIST, &[0, 1, 2], 9).unwrap()), "0:1 0:NULL 0:4 2:2");
    assert_eq!(shown(&views.read(MAP, &[0, 1], 9).unwrap()), "0:NULL=2 0:b=3 1:b=4");
    let asked = keys(&[Some("b"), Some("x"), None]);
    assert_eq!(shown(&views.find(MAP, &[1, 0, 0], &asked, 9).unwrap()), "0:b=4 2:NULL=2");
    views.remove(MAP, &[0, 0], &keys(&[Some("b"), Some("y")])).unwrap();
    assert_eq!(shown(&views.read(MAP, &[0, 1], 9).unwrap()), "0:NULL=2 1:b=4");
    views.forget(LIST, &[0]).unwrap();
    assert_eq!(shown(&views.read(LIST, &[0, 2], 9).unwrap()), "1:2");
    assert!(views.find(LIST, &[0], &keys(&[None]), 9).is_err());
    assert!(views.put(MAP, &[0], &numbers(&[Some(1)]), 9).is_err());
    assert!(views.read(3, &[0], 9).is_err());
}

#[test]
fn rows_are_over_one_by_one() {
    let mut views = filled();
    assert_eq!(views.longest_ttl_ms(), 0, "the value never goes");
    assert_eq!(shown(&views.read(LIST, &[0], 15).unwrap()), "0:4");
    assert_eq!(shown(&views.read(MAP, &[0], 14).unwrap()), "0:NULL=2 0:b=3");
    assert_eq!(shown(&views.read(MAP, &[0], 15).unwrap()), "");
    views.put(MAP, &[0], &entries(&[(Some("b"), 9)]), 14).unwrap();
    assert_eq!(shown(&views.read(MAP, &[0], 15).unwrap()), "0:b=9");
    let before = views.memory_bytes();
    (0..3).for_each(|group| views.drop_expired(group, 15).unwrap());
    assert!(views.memory_bytes() < before);
    assert_eq!(shown(&views.read(VALUE, &[0, 1], 1000).unwrap()), "0:3 1:NULL");
    assert!(views.is_vacant(2) && !views.is_vacant(0));
}

#[test]
fn memory_is_counted_to_the_byte() {
    let mut views = filled();
    let held: usize = views.cells.iter().map(Cell::bytes).sum();
    assert_eq!(views.held_bytes, held);
    views.remove(MAP, &[0], &keys(&[None])).unwrap();
    views.put(VALUE, &[1], &numbers(&[Some(7)]), 9).unwrap();
    assert_eq!(views.held_bytes, views.cells.iter().map(Cell::bytes).sum::<usize>());
    (0..3).for_each(|group| views.clear(group));
    assert_eq!(views.held_bytes, 0);
}

#[test]
fn what_was_saved_is_loaded_and_damage_is_told() {
    let views = filled();
    let mut values = Values::default();
    views.save(&[0, 1, 2], &mut values).unwrap();
    let mut other = views.fresh().unwrap();
    other.grow(3);
    other.load(&[2, 1, 0], &[values.get(0), values.get(1), values.get(2)], 0).unwrap();
    assert_eq!(shown(&other.read(VALUE, &[2, 1], 9).unwrap()), "0:3 1:NULL");
    assert_eq!(shown(&other.read(LIST, &[2, 1, 0], 9).unwrap()), "0:1 0:NULL 0:4 2:2");
    assert_eq!(shown(&other.read(MAP, &[2, 1], 9).unwrap()), "0:NULL=2 0:b=3 1:b=4");
    let bytes = values.get(0);
    for length in 0..bytes.len() {
        assert!(other.load(&[0], &[&bytes[..length]], 0).is_err(), "{length}");
    }
    assert!(other.load(&[0], &[&[bytes, &[0]].concat()], 0).is_err());
    for at in 0..bytes.len() {
        let mut broken = bytes.to_vec();
        broken[at] ^= 0x81;
        if let Err(error) = other.load(&[0], &[&broken], 0) {
            assert!(!error.message().is_empty());
        }
    }
}

#[test]
fn a_map_without_a_key_is_refused() {
    let mut shapes = shapes();
    shapes[MAP].kind = StateKind::Map { key_columns: 0 };
    assert!(StateViews::new(&shapes, 0).is_err());
}
