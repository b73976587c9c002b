//! Files that Flink 2.3 wrote (`../flink/write.sql`, `../flink/zone.sql`) give the rows that it reads in them.

use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use flott_api::options::{OptionReader, Options};
use flott_api::testing::lines;
use flott_api::types::LENGTH_MAX;
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use super::{orc, read, read_all, schema_of, text, written};
use crate::{DecoderSpec, format};

fn bytes(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/orc/flink");
    std::fs::read(folder.join(name)).unwrap()
}

/// A file and its columns.
pub(super) fn file(name: &str) -> (Schema, Vec<u8>) {
    let schema = match name {
        "zone" => schema_of(&[("id", TypeKind::Int), ("t", TypeKind::Timestamp(9))]),
        _ if name.starts_with("types") => types(),
        _ => many(),
    };
    (schema, bytes(&format!("{name}.orc")))
}

fn of(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

fn array(element: LogicalType) -> TypeKind {
    TypeKind::Array(Box::new(element))
}

fn types() -> Schema {
    let inner = TypeKind::Row(vec![Field::new("w", of(TypeKind::Timestamp(3)))]);
    let row =
        vec![Field::new("x", of(TypeKind::Int)), Field::new("y", LogicalType::string()), Field::new("z", of(inner))];
    let nested = vec![Field::new("k", of(TypeKind::BigInt)), Field::new("v", of(array(LogicalType::string())))];
    let map = |key, value| TypeKind::Map(Box::new(key), Box::new(value));
    schema_of(&[
        ("id", TypeKind::Int),
        ("bo", TypeKind::Boolean),
        ("ti", TypeKind::TinyInt),
        ("si", TypeKind::SmallInt),
        ("i", TypeKind::Int),
        ("bi", TypeKind::BigInt),
        ("f", TypeKind::Float),
        ("d", TypeKind::Double),
        ("de", TypeKind::Decimal { precision: 10, scale: 2 }),
        ("big", TypeKind::Decimal { precision: 38, scale: 18 }),
        ("c", TypeKind::Char(5)),
        ("vc", TypeKind::Varchar(7)),
        ("s", TypeKind::Varchar(LENGTH_MAX)),
        ("b", TypeKind::Varbinary(LENGTH_MAX)),
        ("da", TypeKind::Date),
        ("t0", TypeKind::Timestamp(0)),
        ("t3", TypeKind::Timestamp(3)),
        ("t6", TypeKind::Timestamp(6)),
        ("t9", TypeKind::Timestamp(9)),
        ("a", array(of(TypeKind::Int))),
        ("m", map(LogicalType::string(), of(TypeKind::Int))),
        ("r", TypeKind::Row(row)),
        ("n", array(of(TypeKind::Row(nested)))),
        ("q", map(of(TypeKind::Int), of(TypeKind::Decimal { precision: 5, scale: 1 }))),
    ])
}

fn many() -> Schema {
    schema_of(&[
        ("id", TypeKind::BigInt),
        ("same", TypeKind::Int),
        ("step", TypeKind::BigInt),
        ("big", TypeKind::BigInt),
        ("odd", TypeKind::BigInt),
        ("small", TypeKind::SmallInt),
        ("ups", TypeKind::BigInt),
        ("word", TypeKind::Varchar(LENGTH_MAX)),
        ("text", TypeKind::Varchar(LENGTH_MAX)),
        ("yes", TypeKind::Boolean),
        ("tiny", TypeKind::TinyInt),
        ("price", TypeKind::Decimal { precision: 12, scale: 3 }),
        ("moment", TypeKind::Timestamp(9)),
        ("l", array(of(TypeKind::Int))),
    ])
}

/// The rows of a recording of Flink's.
fn recorded(name: &str, schema: &Schema) -> ChangeBatch {
    let options = Options::default();
    let json = format("json", &OptionReader::new(&options, "test"), "").unwrap();
    let projection = (0..schema.len()).collect();
    let spec = DecoderSpec { schema: schema.clone(), projection, metadata: Vec::new(), dead_letters: false };
    let mut decoder = json.decoder(&spec).unwrap();
    let text = bytes(name);
    assert_eq!(decoder.decode(&text, true).unwrap(), text.len());
    decoder.take().unwrap()
}

fn sorted(batch: &ChangeBatch) -> RecordBatch {
    let ids = batch.rows().column(0).as_primitive::<Int32Type>();
    let mut order: Vec<u32> = (0..batch.len() as u32).collect();
    order.sort_by_key(|row| ids.value(*row as usize));
    batch.take(&order.into()).unwrap().rows().clone()
}

#[test]
fn every_type_is_read_from_every_codec() {
    let all = types();
    let in_json = all.project(&(0..all.len() - 1).collect::<Vec<_>>());
    let expected = sorted(&recorded("types.json", &in_json));
    for codec in ["none", "zlib", "snappy", "lzo", "lz4"] {
        let (schema, file) = file(&format!("types_{codec}"));
        let batches = read_all(&schema, file).unwrap();
        assert_eq!(batches.len(), 1);
        let rows = sorted(&batches[0]);
        for (place, field) in in_json.fields.iter().enumerate() {
            assert_eq!(rows.column(place), expected.column(place), "{codec}: {}", field.name);
        }
        let q = rows.column(in_json.len());
        let entries = q.as_list::<i32>().values().as_struct();
        assert_eq!(entries.column(0).as_primitive::<Int32Type>().values(), &[1, 1, -5, 5], "{codec}");
        let values: Vec<_> = entries.column(1).as_primitive::<Decimal128Type>().iter().collect();
        assert_eq!(values, [Some(15), None, Some(99_999), Some(-99_999)], "{codec}");
        let found: Vec<bool> = (0..4).map(|row| q.is_valid(row)).collect();
        assert_eq!(found, [true, false, true, true], "{codec}");
    }
}

#[test]
fn clocks_of_another_zone_are_read() {
    let (schema, file) = file("zone");
    let expected = sorted(&recorded("zone.json", &schema));
    assert_eq!(sorted(&read_all(&schema, file).unwrap()[0]), expected);
}

/// What Flink reads in `crates/e2e/oracle/format/orc_flott.sql`: its own rows, written by us; anew with `FLOTT_WRITE_ORC`
/// set.
#[test]
fn files_that_flink_has_read_are_still_what_is_written() {
    let rows = |name: &str| {
        let (schema, file) = file(name);
        let batches = read_all(&schema, file).unwrap();
        (schema, batches)
    };
    let (types, of_types) = rows("types_none");
    let (many, of_many) = rows("many");
    let of_many = vec![of_many[0].slice(0, 3000)];
    let small: &[(&str, &str)] =
        &[("orc.stripe.size", "50000"), ("orc.row.index.stride", "1000"), ("orc.compress.size", "3000")];
    for (name, options, schema, batches) in [
        ("none", &[("orc.compress", "NONE")][..], &types, &of_types),
        ("zlib", &[("orc.compress", "ZLIB")], &types, &of_types),
        ("snappy", &[("orc.compress", "SNAPPY")], &types, &of_types),
        ("lz4", &[("orc.compress", "LZ4")], &types, &of_types),
        ("many", small, &many, &of_many),
    ] {
        let bytes = written(&*orc(options), schema, batches);
        let path = format!("{}/../e2e/data/orc/flott_{name}.orc", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("FLOTT_WRITE_ORC").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        // How well it is compressed is the library's affair.
        assert!(name != "none" || kept == bytes, "{name}");
        assert_eq!(text(&read_all(schema, kept).unwrap()), text(batches), "{name}");
    }
}

/// What the statement in `write.sql` made of each number.
fn check_many(batch: &RecordBatch, first: i64) {
    let long = |column: usize| batch.column(column).as_primitive::<Int64Type>();
    let (word, text) = (batch.column(7).as_string::<i32>(), batch.column(8).as_string::<i32>());
    let lists = batch.column(13).as_list::<i32>();
    for row in 0..batch.num_rows() {
        let id = first + row as i64;
        let big = if id % 100 == 37 { 1_000_000_000_000 + id } else { id * 31 % 17 };
        // MOD is an INT to Flink.
        let odd = i64::from(((id * 48_271 % 2_147_483_647) as i32).wrapping_mul(40_000).wrapping_sub(7));
        let numbers = [id, id * 13 - 5000, big, odd, id * id];
        assert_eq!([0, 2, 3, 4, 6].map(|column| long(column).value(row)), numbers, "{id}");
        assert_eq!(batch.column(1).as_primitive::<Int32Type>().value(row), 7);
        assert_eq!(batch.column(5).as_primitive::<Int16Type>().value(row), (id * 7 % 1000) as i16, "{id}");
        assert_eq!(word.value(row), format!("word {}", id * id % 13));
        assert_eq!(text.is_null(row), id % 5 == 3, "{id}");
        assert!(text.is_null(row) || text.value(row) == format!("text {id}"), "{id}");
        assert_eq!(batch.column(9).as_boolean().value(row), id % 3 == 0, "{id}");
        assert_eq!(batch.column(10).as_primitive::<Int8Type>().value(row), (id % 100 / 30) as i8, "{id}");
        assert_eq!(batch.column(11).as_primitive::<Decimal128Type>().value(row), i128::from(id % 777 * 125), "{id}");
        let millis = batch.column(12).as_struct().column(0).as_primitive::<Int64Type>();
        assert_eq!(millis.value(row), 946_684_800_000 + id * 1_000_000, "{id}");
        assert_eq!(lists.is_valid(row), id % 4 == 0, "{id}");
        if lists.is_valid(row) {
            let list = lists.value(row);
            assert_eq!(list.as_primitive::<Int32Type>().values(), &[id as i32, (id % 3) as i32], "{id}");
        }
    }
}

#[test]
fn many_rows_are_read_in_both_versions_of_runs() {
    for (name, rows) in [("many", 5600), ("many_old", 1000)] {
        let (schema, file) = file(name);
        let mut next = 0;
        for batch in read_all(&schema, file.clone()).unwrap() {
            check_many(batch.rows(), next);
            next += batch.len() as i64;
        }
        assert_eq!(next, rows, "{name}");
        let tail = read(&schema, &[0], file, 0..u64::MAX, rows as u64 - 2).unwrap();
        assert_eq!(tail.iter().flat_map(lines).collect::<Vec<_>>().len(), 2, "{name}");
    }
}
