//! Every type there and back, also nested, sliced and damaged.

use arrow_array::Int32Array;
use arrow_array::builder::{Int32Builder, ListBuilder};
use flott_api::testing::batch;
use flott_api::{ErrorKind, Field, LogicalType, Schema, TypeKind};

use super::*;

fn nullable(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

/// Every kind of column that lies flat, with a value as text.
fn flat() -> Vec<(TypeKind, &'static str)> {
    vec![
        (TypeKind::Boolean, "true"),
        (TypeKind::TinyInt, "-128"),
        (TypeKind::SmallInt, "-3"),
        (TypeKind::Int, "2147483647"),
        (TypeKind::BigInt, "-9223372036854775808"),
        (TypeKind::Date, "-1"),
        (TypeKind::Time(3), "86399999"),
        (TypeKind::Timestamp(3), "-7"),
        (TypeKind::TimestampLtz(6), "7"),
        (TypeKind::TimestampLtz(9), "-5.7"),
        (TypeKind::Decimal { precision: 38, scale: 2 }, "-1.05"),
        (TypeKind::Float, "1.5"),
        (TypeKind::Double, "-0"),
        (TypeKind::Varchar(3), "aé"),
        (TypeKind::Binary(3), "abc"),
    ]
}

fn encoded(rows: &RecordBatch) -> Vec<Vec<u8>> {
    let encoder = RowEncoder::new(rows).unwrap();
    let encode = |row| {
        let mut out = Vec::new();
        encoder.encode(row, &mut out);
        out
    };
    (0..rows.num_rows()).map(encode).collect()
}

fn back(rows: &RecordBatch) -> RecordBatch {
    let encoded = encoded(rows);
    decode(&rows.schema(), &encoded.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
}

#[test]
fn flat_values_keep_every_bit_and_a_slice_is_read_from_its_begin() {
    let fields = flat().into_iter().map(|(kind, _)| Field::new("c", nullable(kind))).collect();
    let cells: Vec<&str> = flat().into_iter().map(|(_, value)| value).collect();
    let nulls = vec!["NULL"; cells.len()].join(" | ");
    let cells = cells.join(" | ");
    let rows = batch(&Schema::new(fields), &format!("+I | {cells}\n+I | {nulls}\n+I | {cells}"));
    assert_eq!(back(rows.rows()), *rows.rows());
    let slice = rows.rows().slice(1, 2);
    assert_eq!(back(&slice), slice);
    let none = rows.rows().slice(1, 0);
    assert_eq!(back(&none), none);
}

fn one_column(kind: &TypeKind, column: ArrayRef) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("c", nullable(kind.clone()))]).arrow();
    RecordBatch::try_new(schema, vec![column]).unwrap()
}

fn numbers(rows: &[Option<Vec<Option<i32>>>], kind: &TypeKind) -> ArrayRef {
    let DataType::List(field) = kind.arrow() else { panic!("no list") };
    let mut builder = ListBuilder::new(Int32Builder::new()).with_field(field);
    rows.iter().for_each(|row| builder.append_option(row.clone()));
    Arc::new(builder.finish())
}

#[test]
fn arrays_keep_nulls_empty_ones_and_order() {
    let kind = TypeKind::Array(Box::new(nullable(TypeKind::Int)));
    let rows = [Some(vec![Some(3), None, Some(1)]), None, Some(Vec::new()), Some(vec![Some(-1)])];
    let rows = one_column(&kind, numbers(&rows, &kind));
    assert_eq!(back(&rows), rows);
    assert_eq!(back(&rows.slice(2, 2)), rows.slice(2, 2));
}

#[test]
fn maps_multisets_rows_and_what_they_hold_come_back() {
    let array = TypeKind::Array(Box::new(nullable(TypeKind::Int)));
    let values = numbers(&[Some(vec![Some(1)]), None, Some(Vec::new())], &array);
    let keys: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
    let map = TypeKind::Map(Box::new(nullable(TypeKind::Varchar(3))), Box::new(nullable(array)));
    let multiset = TypeKind::Multiset(Box::new(nullable(TypeKind::Varchar(3))));
    let counts: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    for (kind, values) in [(map, values), (multiset, counts)] {
        let DataType::List(field) = kind.arrow() else { panic!("no list") };
        let DataType::Struct(fields) = field.data_type() else { panic!("no entries") };
        let entries = StructArray::new(fields.clone(), vec![keys.clone(), values], None);
        let nulls = NullBuffer::from(vec![true, false, true, true]);
        let offsets = OffsetBuffer::new(vec![0, 2, 2, 2, 3].into());
        let rows = one_column(&kind, Arc::new(ListArray::new(field.clone(), offsets, Arc::new(entries), Some(nulls))));
        assert_eq!(back(&rows), rows);
    }
    let inner = TypeKind::Row(vec![Field::new("t", nullable(TypeKind::Timestamp(9)))]);
    let kind = TypeKind::Row(vec![
        Field::new("i", LogicalType::not_null(TypeKind::Int)),
        Field::new("r", nullable(inner)),
        Field::new("n", nullable(TypeKind::Null)),
    ]);
    let DataType::Struct(fields) = kind.arrow() else { panic!("no row") };
    let DataType::Struct(inner_fields) = fields[1].data_type() else { panic!("no row") };
    let nanos =
        batch(&Schema::new(vec![Field::new("t", nullable(TypeKind::Timestamp(9)))]), "+I | 1.5\n+I | NULL\n+I | 2");
    let inner =
        StructArray::new(inner_fields.clone(), nanos.rows().columns().to_vec(), Some(vec![true, true, false].into()));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(vec![1, 2, 3])), Arc::new(inner), Arc::new(NullArray::new(3))];
    let row = StructArray::new(fields.clone(), columns, Some(vec![true, true, true].into()));
    let rows = one_column(&kind, Arc::new(row));
    assert_eq!(back(&rows), rows);
}

#[test]
fn damaged_rows_are_errors() {
    let kind = TypeKind::Array(Box::new(nullable(TypeKind::Int)));
    let rows = one_column(&kind, numbers(&[Some(vec![Some(3), None])], &kind));
    let good = encoded(&rows).remove(0);
    for cut in 0..good.len() {
        let error = decode(&rows.schema(), &[&good[..cut]]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {cut}");
    }
    let long = [good.as_slice(), &[0]].concat();
    assert!(decode(&rows.schema(), &[&long]).is_err());
    // A list that says it has more elements than there can be.
    assert!(decode(&rows.schema(), &[&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]]).is_err());
    let text = Schema::new(vec![Field::new("c", nullable(TypeKind::Varchar(3)))]).arrow();
    assert_eq!(decode(&text, &[&[1, 1, 0xff]]).unwrap_err().kind(), ErrorKind::Corrupt);
    let flag = Schema::new(vec![Field::new("c", nullable(TypeKind::Boolean))]).arrow();
    assert!(decode(&flag, &[&[1, 2]]).is_err());
    assert!(decode(&flag, &[&[7]]).is_err());
}

#[test]
fn every_logical_type_has_an_encoding() {
    let text = || Box::new(nullable(TypeKind::Varchar(3)));
    let nested = [
        TypeKind::Array(text()),
        TypeKind::Map(text(), text()),
        TypeKind::Multiset(text()),
        TypeKind::Row(vec![Field::new("a", *text())]),
        TypeKind::Variant,
        TypeKind::Bitmap,
        TypeKind::IntervalDayTime,
        TypeKind::IntervalYearMonth,
        TypeKind::Null,
    ];
    for kind in flat().into_iter().map(|(kind, _)| kind).chain(nested) {
        check_type(&kind.arrow()).unwrap();
    }
}
