//! Files written and read back, by ranges and with skipped rows, and what is refused.

mod damage;
mod flink;
pub(super) mod random;

use std::io::Cursor;

use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines};
use flott_api::types::LENGTH_MAX;
use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, Schema, TypeKind};

use crate::{DecoderSpec, Encoded, EncoderSpec, Format, Layout, format};

pub(super) fn orc(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
    format("orc", &OptionReader::new(&options, "test"), "").unwrap()
}

fn schema_of(columns: &[(&str, TypeKind)]) -> Schema {
    Schema::new(columns.iter().map(|(n, k)| Field::new(*n, LogicalType::new(k.clone()))).collect())
}

pub(super) fn written(format: &dyn Format, schema: &Schema, batches: &[ChangeBatch]) -> Vec<u8> {
    let spec = EncoderSpec { schema: schema.clone(), line_ends: true };
    let (mut encoder, mut out) = (format.encoder(&spec).unwrap(), Encoded::default());
    for batch in batches {
        encoder.encode(batch, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out.bytes
}

fn read(
    schema: &Schema,
    projection: &[usize],
    file: Vec<u8>,
    range: std::ops::Range<u64>,
    skip: u64,
) -> Result<Vec<ChangeBatch>> {
    let format = orc(&[]);
    let Layout::File(files) = format.layout() else { return Err(Error::internal("not a file format")) };
    let spec = DecoderSpec {
        schema: schema.clone(),
        projection: projection.to_vec(),
        metadata: Vec::new(),
        dead_letters: false,
    };
    let mut reader = files.reader(Box::new(Cursor::new(file)), &spec, range, skip)?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        batches.push(batch);
    }
    Ok(batches)
}

fn read_all(schema: &Schema, file: Vec<u8>) -> Result<Vec<ChangeBatch>> {
    let all: Vec<usize> = (0..schema.len()).collect();
    read(schema, &all, file, 0..u64::MAX, 0)
}

fn text(batches: &[ChangeBatch]) -> String {
    batches.iter().flat_map(lines).collect::<Vec<_>>().join("\n")
}

#[test]
fn ranges_and_skipped_rows_give_each_row_once() {
    let schema = schema_of(&[("a", TypeKind::Int), ("b", TypeKind::Varchar(LENGTH_MAX))]);
    let table = |from: i32| (from..from + 5000).map(|i| format!("+I | {i} | text{i}\n")).collect::<String>();
    let batches: Vec<ChangeBatch> = (0..6).map(|i| batch(&schema, &table(i * 5000))).collect();
    let format = orc(&[("orc.stripe.size", "65536"), ("orc.compress", "NONE")]);
    let file = written(&*format, &schema, &batches);
    let length = file.len() as u64;
    let expected: Vec<String> = (0..30_000).map(|i| format!("+I | {i}")).collect();
    let mut found = Vec::new();
    let mut parts_with_rows = 0;
    for part in 0..4 {
        let end = if part == 3 { u64::MAX } else { length / 4 * (part + 1) };
        let rows = read(&schema, &[0], file.clone(), length / 4 * part..end, 0).unwrap();
        parts_with_rows += usize::from(!rows.is_empty());
        found.extend(rows.iter().flat_map(lines));
    }
    assert_eq!(found, expected);
    assert!(parts_with_rows > 1, "the file must have several stripes");
    for skip in [1, 4999, 5000, 12_345, 29_998] {
        let rest = read(&schema, &[0], file.clone(), 0..u64::MAX, skip as u64).unwrap();
        assert_eq!(rest.iter().flat_map(lines).collect::<Vec<_>>(), expected[skip..], "{skip}");
    }
    let counted: usize = read(&schema, &[], file, 0..u64::MAX, 0).unwrap().iter().map(ChangeBatch::len).sum();
    assert_eq!(counted, 30_000);
}

#[test]
fn columns_are_found_by_name_and_missing_ones_are_null() {
    let own = schema_of(&[("a", TypeKind::Int), ("b", TypeKind::BigInt), ("f", TypeKind::Float)]);
    let file = written(&*orc(&[]), &own, &[batch(&own, "+I | 1 | 2 | 0.1")]);
    let kinds =
        [("b", TypeKind::TinyInt), ("z", TypeKind::Varchar(3)), ("a", TypeKind::BigInt), ("f", TypeKind::Double)];
    let other = schema_of(&kinds);
    assert_eq!(text(&read_all(&other, file.clone()).unwrap()), "+I | 2 | NULL | 1 | 0.1");
    let wrong = read_all(&schema_of(&[("a", TypeKind::Date)]), file).unwrap_err();
    assert_eq!(wrong.message(), "column 'a': the file has the type int, which is not read as DATE");
}

#[test]
fn columns_without_names_are_found_by_place() {
    let own = schema_of(&[("_col0", TypeKind::Int), ("_col1", TypeKind::Int)]);
    let file = written(&*orc(&[]), &own, &[batch(&own, "+I | 1 | 2")]);
    let named = schema_of(&[("x", TypeKind::Int), ("y", TypeKind::Int)]);
    assert_eq!(text(&read(&named, &[1], file, 0..u64::MAX, 0).unwrap()), "+I | 2");
}

#[test]
fn types_of_the_file_that_would_lose_values_are_refused() {
    let int = || LogicalType::new(TypeKind::Int);
    let row = |name: &str| TypeKind::Row(vec![Field::new(name, int())]);
    let decimal = |precision, scale| TypeKind::Decimal { precision, scale };
    let array = |ty| TypeKind::Array(Box::new(LogicalType::new(ty)));
    for (file, table, name) in [
        (decimal(10, 2), decimal(10, 1), "decimal(10,2)"),
        (decimal(10, 2), decimal(9, 2), "decimal(10,2)"),
        (TypeKind::Varchar(5), TypeKind::Int, "varchar(5)"),
        (TypeKind::Double, TypeKind::Float, "double"),
        (array(row("x")), array(TypeKind::Int), "struct<x:int>"),
        (array(row("x")), array(row("y")), "struct<x:int>"),
        (TypeKind::Boolean, TypeKind::TinyInt, "boolean"),
    ] {
        let written = written(&*orc(&[]), &schema_of(&[("a", file)]), &[]);
        let refused = read_all(&schema_of(&[("a", table)]), written).unwrap_err();
        assert!(refused.message().starts_with(&format!("column 'a': the file has the type {name}")), "{refused}");
    }
    let big = schema_of(&[("a", TypeKind::Int)]);
    let file = written(&*orc(&[]), &big, &[batch(&big, "+I | 1\n+I | 300")]);
    let refused = read_all(&schema_of(&[("a", TypeKind::TinyInt)]), file).unwrap_err();
    assert!(refused.message().contains("column 'a': the ORC file is damaged: 300 does not fit"), "{refused}");
}

#[test]
fn texts_get_the_length_of_their_type() {
    let own = schema_of(&[("c", TypeKind::Char(4)), ("v", TypeKind::Varchar(3)), ("s", TypeKind::Varchar(LENGTH_MAX))]);
    let rows = "+I | ab | zażółć | zażółć\n+I | zażółć | x | y";
    let file = written(&*orc(&[]), &own, &[batch(&own, rows)]);
    assert_eq!(text(&read_all(&own, file.clone()).unwrap()), "+I | ab | zaż | zażółć\n+I | zażó | x | y");
    let other = schema_of(&[("s", TypeKind::Char(4)), ("c", TypeKind::Varchar(2))]);
    assert_eq!(text(&read_all(&other, file).unwrap()), "+I | zażó | ab\n+I | y | za");
}

#[test]
fn a_file_without_rows_is_read() {
    let schema = schema_of(&[("a", TypeKind::Int)]);
    assert!(read_all(&schema, written(&*orc(&[]), &schema, &[])).unwrap().is_empty());
}

#[test]
fn a_null_where_none_may_be_is_an_error() {
    let nullable = schema_of(&[("a", TypeKind::Int)]);
    let file = written(&*orc(&[]), &nullable, &[batch(&nullable, "+I | NULL")]);
    let strict = Schema::new(vec![Field::new("a", LogicalType::not_null(TypeKind::Int))]);
    assert_eq!(read_all(&strict, file).unwrap_err().message(), "field 'a' is NULL, but it is INT NOT NULL");
}

#[test]
fn what_no_reader_could_tell_is_not_written() {
    let schema = schema_of(&[("t", TypeKind::Timestamp(3))]);
    let spec = EncoderSpec { schema: schema.clone(), line_ends: true };
    let mut encoder = orc(&[]).encoder(&spec).unwrap();
    let refused = encoder.encode(&batch(&schema, "+I | -500"), &mut Encoded::default()).unwrap_err();
    assert!(refused.message().starts_with("column 't': a timestamp lies in the last second before 1970"), "{refused}");
}

#[test]
fn options_that_are_not_built_are_refused() {
    let refused = |key: &str, value: &str| {
        let options = Options([(key.to_owned(), value.to_owned())].into());
        format("orc", &OptionReader::new(&options, "test"), "").err().map(|e| e.message().to_owned())
    };
    assert_eq!(
        refused("orc.bloom.filter.columns", "a").unwrap(),
        "option 'orc.bloom.filter.columns' is not supported yet"
    );
    for (key, value) in [
        ("orc.compress", "LZO"),
        ("orc.compress.size", "0"),
        ("orc.compress.size", "8388608"),
        ("orc.row.index.stride", "999"),
        ("orc.stripe.size", "2147483648"),
        ("orc.stripe.size", "64 mb"),
    ] {
        let message = refused(key, value).unwrap();
        assert!(message.starts_with(&format!("option '{key}' has the value '{value}'")), "{message}");
    }
    assert_eq!(refused("orc.row.index.stride", "0"), None);
}

#[test]
fn types_that_flink_has_not_are_refused() {
    let int = || Box::new(LogicalType::new(TypeKind::Int));
    for (kind, name) in [
        (TypeKind::Time(0), "TIME(0)"),
        (TypeKind::TimestampLtz(3), "TIMESTAMP_LTZ(3)"),
        (TypeKind::Multiset(int()), "MULTISET<INT>"),
        (TypeKind::Varbinary(5), "VARBINARY(5)"),
        (TypeKind::Binary(5), "BINARY(5)"),
        (TypeKind::Variant, "VARIANT"),
        (TypeKind::Array(Box::new(LogicalType::new(TypeKind::Time(0)))), "ARRAY<TIME(0)>"),
    ] {
        let refused = orc(&[]).check(&schema_of(&[("x", kind)])).unwrap_err();
        assert!(refused.message().starts_with(&format!("type {name} of column 'x' in format 'orc'")), "{refused}");
    }
    orc(&[]).check(&schema_of(&[("x", TypeKind::Varbinary(LENGTH_MAX))])).unwrap();
}
