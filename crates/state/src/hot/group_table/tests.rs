//! The group table against what a plain map of texts would do.

use std::collections::HashMap;

use flott_api::testing::{batch, lines};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

fn schema(kinds: &[TypeKind]) -> Schema {
    Schema::new(kinds.iter().map(|k| Field::new("k", LogicalType::new(k.clone()))).collect())
}

fn table(schema: &Schema) -> GroupTable {
    GroupTable::new(schema.fields.iter().map(|f| f.ty.arrow()).collect()).unwrap()
}

fn assign(table: &mut GroupTable, schema: &Schema, text: &str) -> Vec<u32> {
    let rows = batch(schema, text).rows().clone();
    table.assign(rows.columns(), rows.num_rows()).unwrap()
}

fn keys(table: &GroupTable, schema: &Schema, groups: &[u32]) -> Vec<String> {
    let columns = table.columns(groups).unwrap();
    let rows = arrow_array::RecordBatch::try_new(schema.arrow(), columns).unwrap();
    lines(&flott_api::ChangeBatch::inserts(rows))
}

#[test]
fn every_kind_of_key_is_numbered_and_comes_back() {
    let decimal = TypeKind::Decimal { precision: 9, scale: 1 };
    let cases: [(&[TypeKind], [&str; 4]); 4] = [
        (&[TypeKind::Int], ["1", "-1", "NULL", "0"]),
        (&[TypeKind::Varchar(9)], ["a", "''", "NULL", "b"]),
        (&[decimal], ["1.0", "-1.0", "NULL", "0.5"]),
        (&[TypeKind::BigInt, TypeKind::Varchar(9)], ["1 | a", "1 | NULL", "NULL | a", "2 | b"]),
    ];
    for (kinds, [a, b, c, d]) in cases {
        let schema = schema(kinds);
        let mut table = table(&schema);
        let text = format!("+I | {a}\n+I | {b}\n+I | {a}\n+I | {c}\n+I | {c}");
        assert_eq!(assign(&mut table, &schema, &text), [0, 1, 0, 2, 2]);
        assert_eq!(keys(&table, &schema, &[2, 0, 1]), [c, a, b].map(|k| format!("+I | {k}")));
        let looked_for = batch(&schema, &format!("+I | {c}\n+I | {d}\n+I | {b}")).rows().clone();
        assert_eq!(table.find(looked_for.columns(), 3).unwrap(), [Some(2), None, Some(1)]);
        table.remove(0);
        table.remove(2);
        assert_eq!((table.groups(), table.len()), (vec![1], 1));
        assert_eq!(assign(&mut table, &schema, &format!("+I | {b}\n+I | {d}\n+I | {c}")), [1, 2, 0]);
        assert_eq!(keys(&table, &schema, &[0, 2]), [c, d].map(|k| format!("+I | {k}")));
    }
}

#[test]
fn a_renewed_key_has_a_fresh_number() {
    for kind in [TypeKind::Int, TypeKind::Varchar(9), TypeKind::Double] {
        let schema = schema(&[kind]);
        let mut table = table(&schema);
        assert_eq!(assign(&mut table, &schema, "+I | 7\n+I | NULL"), [0, 1]);
        assert_eq!((table.renew(0), table.renew(1)), (2, 3));
        table.release(0);
        assert_eq!(assign(&mut table, &schema, "+I | 7\n+I | NULL\n+I | 8"), [2, 3, 0]);
        assert_eq!(keys(&table, &schema, &[2, 3]), ["+I | 7", "+I | NULL"]);
    }
}

#[test]
fn without_key_columns_all_rows_are_one_group() {
    let mut table = GroupTable::new(Vec::new()).unwrap();
    assert!(table.is_empty());
    assert_eq!(table.find(&[], 2).unwrap(), [None, None]);
    assert_eq!(table.assign(&[], 3).unwrap(), [0, 0, 0]);
    assert_eq!((table.len(), table.end()), (1, 1));
    table.remove(0);
    assert!(table.is_empty());
}

#[test]
fn many_keys_that_come_and_go_keep_their_numbers() {
    let schema = schema(&[TypeKind::BigInt, TypeKind::Int]);
    let mut table = table(&schema);
    let mut model: HashMap<u64, u32> = HashMap::new();
    let mut state = 1u64;
    for _ in 0..5000 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let key = (state >> 33) % 300;
        if state >> 62 == 0 {
            if let Some(group) = model.remove(&key) {
                table.remove(group);
            }
            continue;
        }
        let group = assign(&mut table, &schema, &format!("+I | {key} | {}", key % 7))[0];
        assert_eq!(*model.entry(key).or_insert(group), group);
    }
    let mut groups: Vec<u32> = model.values().copied().collect();
    groups.sort_unstable();
    assert_eq!(table.groups(), groups);
    assert!(table.end() <= 300);
    assert!(table.memory_bytes() > 0);
}
