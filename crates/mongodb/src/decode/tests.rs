//! Documents as rows.

use std::str::FromStr;

use bson::{Bson, Decimal128, Document, RawDocumentBuf, doc};
use flott_api::testing::lines;
use flott_api::types::Field;
use flott_api::{ChangeBatch, LogicalType, Schema, TypeKind};

use super::Decoder;

fn read(kind: TypeKind, value: impl Into<Bson>) -> Result<String, String> {
    let schema = Schema::new(vec![Field::new("c", LogicalType::new(kind))]);
    let mut decoder = Decoder::new(&schema);
    let document = RawDocumentBuf::try_from(&doc! { "_id": 7, "x": "not asked for", "c": value.into() }).unwrap();
    decoder.push(&document).map_err(|e| e.message().to_owned())?;
    let rows = lines(&ChangeBatch::inserts(decoder.finish().unwrap()));
    Ok(rows[0].strip_prefix("+I | ").unwrap().to_owned())
}

fn decimal(text: &str) -> Decimal128 {
    Decimal128::from_str(text).unwrap()
}

fn stamp(time: u32) -> bson::Timestamp {
    bson::Timestamp { time, increment: 3 }
}

fn millis(millis: i64) -> bson::DateTime {
    bson::DateTime::from_millis(millis)
}

#[test]
fn numbers_are_read_from_all_that_flink_takes() {
    let ok = |kind, value: Bson, expected: &str| assert_eq!(read(kind, value), Ok(expected.to_owned()));
    ok(TypeKind::Int, Bson::Int64(5), "5");
    ok(TypeKind::Int, Bson::Double(-3.9), "-3");
    ok(TypeKind::Int, decimal("7.9").into(), "7");
    ok(TypeKind::Int, true.into(), "1");
    ok(TypeKind::Int, "-12".into(), "-12");
    ok(TypeKind::Int, millis(-1).into(), "-1");
    ok(TypeKind::BigInt, millis(1500).into(), "1500");
    ok(TypeKind::BigInt, stamp(2).into(), "2000");
    ok(TypeKind::BigInt, Bson::Null, "NULL");
    ok(TypeKind::BigInt, Bson::Undefined, "NULL");
    ok(TypeKind::BigInt, decimal("NaN").into(), "NULL");
    ok(TypeKind::TinyInt, Bson::Int32(-128), "-128");
    ok(TypeKind::SmallInt, "300".into(), "300");
    ok(TypeKind::Double, decimal("0.1").into(), "0.1");
    ok(TypeKind::Double, Bson::Int32(2), "2");
    ok(TypeKind::Float, "1.5".into(), "1.5");
    ok(TypeKind::Boolean, "TRUE".into(), "true");
    ok(TypeKind::Boolean, Bson::Int64(2), "false");
    let money = || TypeKind::Decimal { precision: 5, scale: 2 };
    ok(money(), decimal("1.005").into(), "1.01");
    ok(money(), Bson::Double(2.5), "2.50");
    ok(money(), "-3.1".into(), "-3.10");
    ok(money(), Bson::Int64(1000), "NULL");
}

#[test]
fn what_does_not_fit_names_the_field() {
    let told = |kind, value: Bson| read(kind, value).unwrap_err();
    let large = "field 'c' is too large for its type here in the document with _id 7";
    for (kind, value) in [
        (TypeKind::Int, Bson::Int64(1 << 40)),
        (TypeKind::TinyInt, Bson::Int32(128)),
        (TypeKind::BigInt, Bson::Double(f64::NAN)),
        (TypeKind::BigInt, decimal("1E30").into()),
        (TypeKind::BigInt, decimal("Infinity").into()),
        (TypeKind::Timestamp(6), millis(i64::MAX).into()),
    ] {
        assert_eq!(told(kind, value), large);
    }
    let cannot = "field 'c' is a double that cannot be SMALLINT in the document with _id 7";
    assert_eq!(told(TypeKind::SmallInt, Bson::Double(1.0)), cannot);
    assert!(told(TypeKind::Int, "x".into()).contains("is a string that cannot be INT"));
    assert!(told(TypeKind::decimal_5_2(), decimal("Infinity").into()).contains("is infinite"));
    let inner = TypeKind::Row(vec![Field::new(
        "a",
        LogicalType::new(TypeKind::Array(Box::new(LogicalType::new(TypeKind::Int)))),
    )]);
    assert!(told(inner.clone(), Bson::Document(doc! { "a": [1, "x"] })).starts_with("field 'c.a.1' is a string"));
    assert!(told(inner, 1.into()).contains("is an int that cannot be ROW"));
    let strict = TypeKind::Row(vec![Field::new("a", LogicalType::not_null(TypeKind::Int))]);
    assert!(
        told(strict, Bson::Document(Document::new()))
            .starts_with("field 'c.a' is missing, but INT NOT NULL has no null")
    );
}

trait Decimals {
    fn decimal_5_2() -> TypeKind {
        TypeKind::Decimal { precision: 5, scale: 2 }
    }
}

impl Decimals for TypeKind {}

#[test]
fn times_and_nested_values_are_read() {
    let ok = |kind, value: Bson, expected: &str| assert_eq!(read(kind, value), Ok(expected.to_owned()));
    ok(TypeKind::TimestampLtz(3), millis(-1).into(), "-1");
    ok(TypeKind::TimestampLtz(0), stamp(5).into(), "5000");
    ok(TypeKind::Timestamp(6), millis(7).into(), "7000");
    let int = || Box::new(LogicalType::new(TypeKind::Int));
    ok(TypeKind::Array(int()), vec![Bson::Int32(1), Bson::Null].into(), "[1, NULL]");
    let map = TypeKind::Map(Box::new(LogicalType::string()), int());
    let entries = read(map, doc! { "x": 1, "y": 2 }).unwrap();
    assert!(entries.contains('x') && entries.contains('2'), "{entries}");
    let row =
        TypeKind::Row(vec![Field::new("b", LogicalType::string()), Field::new("a", LogicalType::new(TypeKind::Int))]);
    let row = read(row, doc! { "a": 1, "b": "t", "c": 9 }).unwrap();
    assert!(row.contains('t') && row.contains('1') && !row.contains('9'), "{row}");
}

#[test]
fn strings_are_read_from_anything() {
    let text = |value: Bson| read(TypeKind::Varchar(u32::MAX >> 1), value).unwrap();
    let id = bson::oid::ObjectId::from_bytes([0xab; 12]);
    assert_eq!(text(id.into()), "abababababababababababab");
    assert_eq!(text(Bson::Double(1e10)), "1.0E10");
    assert_eq!(text(decimal("1.50").into()), "1.50");
    assert_eq!(text(millis(0).into()), "1970-01-01T00:00:00Z");
    let binary = |subtype, bytes: Vec<u8>| Bson::Binary(bson::Binary { subtype, bytes });
    assert_eq!(text(binary(bson::spec::BinarySubtype::Generic, vec![1, 255])), "01ff");
    let uuid = binary(bson::spec::BinarySubtype::Uuid, (0..16).collect());
    assert_eq!(text(uuid), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    let nested =
        doc! { "a": [1, Bson::Int64(2), 0.5, "q\"\n"], "o": id, "d": millis(1), "n": Bson::Null, "t": stamp(1) };
    assert_eq!(
        text(nested.into()),
        "{\"a\": [1, 2, 0.5, \"q\\\"\\n\"], \"o\": {\"$oid\": \"abababababababababababab\"}, \
         \"d\": {\"$date\": \"1970-01-01T00:00:00.001Z\"}, \"n\": null, \"t\": {\"$timestamp\": {\"t\": 1, \"i\": 3}}}"
    );
}

#[test]
fn of_a_doubled_field_the_first_one_counts() {
    let schema = Schema::new(vec![Field::new("c", LogicalType::new(TypeKind::Int))]);
    let mut doubled = RawDocumentBuf::new();
    doubled.append(bson::raw::cstr!("c"), 1);
    doubled.append(bson::raw::cstr!("c"), 2);
    let mut decoder = Decoder::new(&schema);
    decoder.push(&doubled).unwrap();
    assert_eq!(lines(&ChangeBatch::inserts(decoder.finish().unwrap())), ["+I | 1"]);
}

/// Whatever byte is wrong, it is an error or another value.
#[test]
fn damaged_documents_do_no_harm() {
    let row = vec![Field::new("t", LogicalType::string()), Field::new("n", LogicalType::new(TypeKind::Int))];
    let array = TypeKind::Array(Box::new(LogicalType::string()));
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::new(TypeKind::Double)));
    let kinds = [TypeKind::Row(row), array, map, TypeKind::Varchar(u32::MAX >> 1), TypeKind::BigInt];
    let names = ["r", "a", "m", "s", "l"];
    let fields = names.iter().zip(kinds).map(|(name, kind)| Field::new(*name, LogicalType::new(kind)));
    let schema = Schema::new(fields.collect());
    let document = doc! { "r": { "t": "text", "n": 1 }, "a": ["x", 1, { "k": [1] }], "m": { "k": 0.5 },
    "s": { "d": millis(1), "b": decimal("1.5"), "q": bson::Regex { pattern: "p".try_into().unwrap(), options: "i".try_into().unwrap() } },
    "l": stamp(7) };
    let bytes = RawDocumentBuf::try_from(&document).unwrap().into_bytes();
    let mut read = 0;
    for at in 0..bytes.len() {
        for wrong in [0, 1, 5, 13, 127, 255] {
            let mut damaged = bytes.clone();
            damaged[at] = wrong;
            let Ok(damaged) = RawDocumentBuf::from_bytes(damaged) else { continue };
            let mut decoder = Decoder::new(&schema);
            if decoder.push(&damaged).is_ok() {
                read += usize::from(decoder.finish().is_ok());
            }
        }
    }
    assert!(read > bytes.len(), "many of them are other values");
}
