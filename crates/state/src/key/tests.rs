//! Golden vectors of the key encoding: they may never change, because keys are persisted.

use expect_test::expect;
use flott_api::testing::batch;
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::*;

fn columns(kinds: &[TypeKind], text: &str) -> (Vec<ArrayRef>, usize) {
    let fields = kinds.iter().map(|k| Field::new("c", LogicalType::new(k.clone()))).collect();
    let rows = batch(&Schema::new(fields), text).rows().clone();
    (rows.columns().to_vec(), rows.num_rows())
}

fn encoded(kinds: &[TypeKind], text: &str) -> Vec<Vec<u8>> {
    let (columns, rows) = columns(kinds, text);
    let mut keys = EncodedKeys::default();
    keys.encode(&columns, rows).unwrap();
    (0..rows).map(|r| keys.get(r).to_vec()).collect()
}

fn hex(keys: &[Vec<u8>]) -> String {
    let key = |k: &Vec<u8>| k.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join("");
    keys.iter().map(key).collect::<Vec<_>>().join("\n")
}

const DECIMAL: TypeKind = TypeKind::Decimal { precision: 9, scale: 1 };

#[test]
fn golden_vectors_of_version_1() {
    assert_eq!(VERSION, 1);
    let kinds = [TypeKind::Int, TypeKind::Varchar(9), DECIMAL, TypeKind::Double, TypeKind::Boolean];
    let text =
        "+I | 1 | ab | 1.5 | 0.5 | true\n+I | NULL | '' | -0.1 | -0.0 | false\n+I | -1 | NULL | NULL | NaN | NULL";
    let keys = encoded(&kinds, text);
    let golden = expect![[r#"
        0180000000000000010161620000018000000000000000000000000000000f01bfe0000000000000018000000000000001
        00010000017fffffffffffffffffffffffffffffff017fffffffffffffff018000000000000000
        017fffffffffffffff000001fff800000000000000"#]];
    golden.assert_eq(&hex(&keys));
}

#[test]
fn bytes_compare_as_the_values_do() {
    for (kind, ascending) in [
        (TypeKind::BigInt, "NULL -9223372036854775808 -1 0 1 9223372036854775807"),
        (TypeKind::Double, "NULL -inf -1.5 -0.5 0 0.5 1.5 inf NaN"),
        (TypeKind::Varchar(9), "NULL '' a a\0 a\0b aa b é"),
        (DECIMAL, "NULL -1.1 -1.0 0.0 0.1 9.9"),
        (TypeKind::TimestampLtz(9), "NULL -5.3 -5.4 5.3 5.4"),
    ] {
        let rows: Vec<String> = ascending.split(' ').map(|v| format!("+I | {v}")).collect();
        let keys = encoded(std::slice::from_ref(&kind), &rows.join("\n"));
        assert!(keys.is_sorted_by(|a, b| a < b), "{kind}: {}", hex(&keys));
    }
}

#[test]
fn keys_come_back_as_columns() {
    let kinds = [TypeKind::SmallInt, TypeKind::Varchar(9), DECIMAL, TypeKind::Float, TypeKind::Timestamp(9)];
    let text =
        "+I | 1 | a\0b | 1.5 | 0.5 | 7.9\n+I | NULL | NULL | NULL | NULL | NULL\n+I | -1 | '' | -0.1 | -2 | -7.9";
    let (columns, _) = columns(&kinds, text);
    let keys = encoded(&kinds, text);
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let types: Vec<DataType> = kinds.iter().map(TypeKind::arrow).collect();
    assert_eq!(decode(&types, &keys).unwrap(), columns);
}

#[test]
fn rows_are_keys_too() {
    let (fields, _) = columns(&[TypeKind::Int, TypeKind::Varchar(9)], "+I | 1 | a\n+I | 2 | b\n+I | NULL | NULL");
    let ty = TypeKind::Row(vec![
        Field::new("a", LogicalType::new(TypeKind::Int)),
        Field::new("b", LogicalType::new(TypeKind::Varchar(9))),
    ])
    .arrow();
    let DataType::Struct(names) = &ty else { panic!("a row lies as a struct") };
    let nulls = NullBuffer::from(vec![true, false, true]);
    let row: ArrayRef = Arc::new(StructArray::new(names.clone(), fields, Some(nulls)));
    let mut keys = EncodedKeys::default();
    keys.encode(std::slice::from_ref(&row), 3).unwrap();
    let keys: Vec<&[u8]> = (0..3).map(|r| keys.get(r)).collect();
    let back = decode(std::slice::from_ref(&ty), &keys).unwrap();
    assert_eq!(back[0].as_struct().nulls(), row.nulls());
    assert_eq!(back[0].slice(0, 1).as_ref(), row.slice(0, 1).as_ref());
    assert_eq!(back[0].slice(2, 1).as_ref(), row.slice(2, 1).as_ref());
}

#[test]
fn damaged_keys_are_errors_and_lists_are_refused() {
    let ty = [TypeKind::Varchar(9).arrow()];
    for bad in [&[2u8][..], &[1], &[1, b'a'], &[1, 0, 7], &[0, 0]] {
        assert!(decode(&ty, &[bad]).is_err(), "{bad:?}");
    }
    let list = TypeKind::Array(Box::new(LogicalType::string())).arrow();
    assert_eq!(check_type(&list).unwrap_err().message(), "a key of type ARRAY, MAP or MULTISET is not supported yet");
}
