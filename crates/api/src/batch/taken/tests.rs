//! Taken columns against arrow-select's.

use arrow_array::types::Decimal128Type;
use arrow_array::{
    BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, NullArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_schema::{Field, Fields};

use super::*;

const ROWS: usize = 1000;

fn texts_of(length: impl Fn(usize) -> Option<usize>) -> StringArray {
    // Two bytes a letter, and another one in each row.
    let text = |row: usize| length(row).map(|n| "äöü".chars().cycle().skip(row).take(n).collect::<String>());
    (0..ROWS).map(text).collect()
}

fn columns() -> Vec<ArrayRef> {
    let missing = |row: usize| !row.is_multiple_of(7);
    let fields = [Field::new("a", DataType::Utf8, true)].into_iter().collect::<Fields>();
    let text = texts_of(|row| Some(row % 40));
    let lengths = [0, 1, 15, 16, 17, STEPPED_BYTES_MAX / 2, STEPPED_BYTES_MAX / 2 + 1, 5000];
    let nulls = NullBuffer::from((0..ROWS).map(missing).collect::<Vec<_>>());
    vec![
        Arc::new(Int64Array::from_iter_values(0..ROWS as i64)),
        Arc::new((0..ROWS).map(|row| missing(row).then_some(row as f64)).collect::<Float64Array>()),
        Arc::new(Date32Array::from_iter_values(0..ROWS as i32)),
        Arc::new(TimestampMillisecondArray::from_iter_values(0..ROWS as i64).with_timezone("UTC")),
        Arc::new(Decimal128Array::from_iter_values(0..ROWS as i128).with_precision_and_scale(9, 2).unwrap()),
        Arc::new((0..ROWS).map(|row| missing(row).then_some(row % 3 == 0)).collect::<BooleanArray>()),
        Arc::new(texts_of(|row| missing(row).then_some(row % 40))),
        Arc::new(texts_of(|row| Some(lengths[row % lengths.len()]))),
        Arc::new(texts_of(|_| None)),
        Arc::new(BinaryArray::from(texts_of(|row| missing(row).then_some(row % 9)))),
        Arc::new(StructArray::new(fields, vec![Arc::new(text)], Some(nulls))),
        Arc::new(NullArray::new(ROWS)),
    ]
}

fn check(columns: &[ArrayRef], rows: &[u32]) {
    let found = taken_columns(columns, rows).unwrap();
    for (found, column) in found.iter().zip(columns) {
        let expected = take(column, &UInt32Array::from(rows.to_vec()), None).unwrap();
        found.to_data().validate_full().unwrap();
        assert_eq!(found, &expected);
        assert_eq!(found.data_type(), column.data_type());
        assert_eq!(found.null_count(), expected.null_count());
    }
}

#[test]
fn rows_are_those_of_arrow() {
    let columns = columns();
    let any: Vec<u32> = (0..3 * ROWS as u32).map(|n| n.wrapping_mul(2_654_435_761) % ROWS as u32).collect();
    let rising: Vec<u32> = (0..ROWS as u32).filter(|row| row % 3 != 1).collect();
    let all: Vec<u32> = (0..ROWS as u32).collect();
    let present: Vec<u32> = (0..ROWS as u32).filter(|row| row % 7 != 0).collect();
    let repeated: Vec<u32> = (0..ROWS as u32).flat_map(|row| [row, row, row + 1 - row / 999]).collect();
    for rows in [&any, &rising, &all, &present, &repeated, &vec![ROWS as u32 - 1], &vec![]] {
        check(&columns, rows);
    }
    let part: Vec<ArrayRef> = columns.iter().map(|column| column.slice(13, 500)).collect();
    check(&part, &[0, 499, 7, 7, 498]);
}

#[test]
fn columns_with_the_same_nulls_share_those_of_the_result() {
    let nulls = NullBuffer::from((0..ROWS).map(|row| row % 2 == 0).collect::<Vec<_>>());
    let other = NullBuffer::from((0..ROWS).map(|row| row % 2 == 0).collect::<Vec<_>>());
    let of = |nulls: &NullBuffer| -> ArrayRef { Arc::new(Int64Array::new(vec![5; ROWS].into(), Some(nulls.clone()))) };
    let column = || of(&nulls);
    let (same, part) = ([column(), column()], [column().slice(1, 9), column().slice(0, 9)]);
    let place = |array: &ArrayRef| array.nulls().unwrap().inner().values().as_ptr();
    let found = taken_columns(&same, &[0, 1, 2]).unwrap();
    assert_eq!(place(&found[0]), place(&found[1]));
    let found = taken_columns(&[column(), of(&other)], &[0, 1, 2]).unwrap();
    assert_eq!(place(&found[0]), place(&found[1]), "nulls are the same wherever they lie");
    let found = taken_columns(&part, &[0, 1, 2]).unwrap();
    assert_eq!((found[0].null_count(), found[1].null_count()), (2, 1));
    let valid = taken_columns(&same, &[0, 2]).unwrap();
    assert!(valid.iter().all(|column| column.nulls().is_none()));
}

#[test]
fn a_row_that_is_not_there_is_an_error() {
    let columns = columns();
    assert!(taken_columns(&columns, &[3, ROWS as u32]).is_err());
    assert!(taken_columns(&[columns[0].slice(0, 2)], &[2]).is_err());
    assert!(taken_columns(&[], &[2]).unwrap().is_empty());
    let decimal = taken_columns(&columns[4..5], &[2]).unwrap();
    assert_eq!(decimal[0].as_primitive::<Decimal128Type>().value_as_string(0), "0.02");
}
