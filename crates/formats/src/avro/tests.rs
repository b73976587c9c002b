//! Messages and files written and read back, in batches of any size; files of Flink; schemas resolved; damaged bytes.

use std::io::Cursor;
use std::ops::Range;

use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines};
use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, Schema, TypeKind};

use super::datum::{RowPlan, Table};
use super::input::Input;
use super::schema::AvroSchema;
use super::types::Timestamps;
use crate::column::Columns;
use crate::{DecodeError, DecoderSpec, Encoded, EncoderSpec, Format, Layout, format};

fn avro(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (format!("avro.{k}"), v.to_string())).collect());
    let reader = OptionReader::new(&options, "test");
    let format = format("avro", &reader, "").unwrap();
    reader.finish().unwrap();
    format
}

fn nullable(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

fn row(fields: Vec<(&str, LogicalType)>) -> LogicalType {
    nullable(TypeKind::Row(fields.into_iter().map(|(n, t)| Field::new(n, t)).collect()))
}

fn schema_of(fields: Vec<(&str, LogicalType)>) -> Schema {
    Schema::new(fields.into_iter().map(|(n, t)| Field::new(n, t)).collect())
}

/// Every type that Avro holds.
fn schema() -> Schema {
    let int = || nullable(TypeKind::Int);
    let strings = || LogicalType::string();
    schema_of(vec![
        ("b", nullable(TypeKind::Boolean)),
        ("ti", nullable(TypeKind::TinyInt)),
        ("si", nullable(TypeKind::SmallInt)),
        ("i", int()),
        ("bi", nullable(TypeKind::BigInt)),
        ("f", nullable(TypeKind::Float)),
        ("d", nullable(TypeKind::Double)),
        ("s", strings()),
        ("c", nullable(TypeKind::Char(3))),
        ("vb", nullable(TypeKind::Varbinary(i32::MAX as u32))),
        ("bn", nullable(TypeKind::Binary(2))),
        ("dt", nullable(TypeKind::Date)),
        ("tm", nullable(TypeKind::Time(3))),
        ("ts", nullable(TypeKind::Timestamp(3))),
        ("dc", nullable(TypeKind::Decimal { precision: 10, scale: 2 })),
        ("dz", nullable(TypeKind::Decimal { precision: 38, scale: 0 })),
        ("arr", nullable(TypeKind::Array(Box::new(int())))),
        ("m", nullable(TypeKind::Map(Box::new(LogicalType::string()), Box::new(int())))),
        ("ms", nullable(TypeKind::Multiset(Box::new(LogicalType::string())))),
        (
            "r",
            row(vec![("x", int()), ("y", row(vec![("z", LogicalType::not_null(TypeKind::Varchar(i32::MAX as u32)))]))]),
        ),
        ("ar", nullable(TypeKind::Array(Box::new(row(vec![("k", int())]))))),
        ("nn", LogicalType::not_null(TypeKind::Int)),
    ])
}

/// What Flink wrote of `schema()`, without compression.
const TYPES: &[u8] = include_bytes!("../../../e2e/data/avro/types.avro");

fn written(format: &dyn Format, schema: &Schema, batches: &[ChangeBatch]) -> Vec<u8> {
    let spec = EncoderSpec { schema: schema.clone(), line_ends: true };
    let (mut encoder, mut out) = (format.encoder(&spec).unwrap(), Encoded::default());
    for batch in batches {
        encoder.encode(batch, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out.bytes
}

fn read_with(
    format: &dyn Format,
    schema: &Schema,
    projection: &[usize],
    file: &[u8],
    range: Range<u64>,
    skip: u64,
) -> Result<Vec<ChangeBatch>> {
    let Layout::File(files) = format.layout() else { return Err(Error::internal("not a file format")) };
    let spec = DecoderSpec {
        schema: schema.clone(),
        projection: projection.to_vec(),
        metadata: Vec::new(),
        dead_letters: false,
    };
    let mut reader = files.reader(Box::new(Cursor::new(file.to_vec())), &spec, range, skip)?;
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch()? {
        rows.push(batch);
    }
    Ok(rows)
}

fn read(schema: &Schema, file: &[u8]) -> Result<Vec<ChangeBatch>> {
    let all: Vec<usize> = (0..schema.len()).collect();
    read_with(&*avro(&[]), schema, &all, file, 0..u64::MAX, 0)
}

fn text(batches: &[ChangeBatch]) -> Vec<String> {
    batches.iter().flat_map(lines).collect()
}

fn messages(format: &dyn Format, schema: &Schema, rows: &[ChangeBatch]) -> Vec<Vec<u8>> {
    let mut encoder = format.encoder(&EncoderSpec { schema: schema.clone(), line_ends: false }).unwrap();
    let mut out = Encoded::default();
    rows.iter().for_each(|rows| encoder.encode(rows, &mut out).unwrap());
    let starts = std::iter::once(&0).chain(&out.ends);
    starts.zip(&out.ends).map(|(start, end)| out.bytes[*start..*end].to_vec()).collect()
}

fn decoded(format: &dyn Format, schema: &Schema, messages: &[Vec<u8>], per_call: usize) -> Result<Vec<String>, String> {
    let projection = (0..schema.len()).collect();
    let spec = DecoderSpec { schema: schema.clone(), projection, metadata: Vec::new(), dead_letters: false };
    let mut decoder = format.decoder(&spec).unwrap();
    let mut rows = Vec::new();
    for piece in messages.chunks(per_call) {
        let piece: Vec<&[u8]> = piece.iter().map(Vec::as_slice).collect();
        let mut counts = Vec::new();
        decoder.decode_messages(&piece, &mut counts).map_err(|e| match e {
            DecodeError::Record(bad) => bad.what,
            DecodeError::Other(e) => e.to_string(),
        })?;
        assert_eq!(counts, vec![1; piece.len()]);
        rows.extend(lines(&decoder.take().unwrap()));
    }
    Ok(rows)
}

/// Rows of one datum of a writer's schema, read into columns.
fn resolved(writer: &str, data: &[u8], schema: &Schema) -> Result<Vec<String>, String> {
    let writer = AvroSchema::parse(writer).unwrap();
    let projection: Vec<usize> = (0..schema.len()).collect();
    let table = Table::new(schema, &projection, Timestamps::Legacy);
    let plan = RowPlan::new(&writer, writer.root, &table, None);
    let mut columns = Columns::new(schema);
    let mut input = Input::new(data);
    assert!(plan.row(&writer, &mut input, &mut columns.columns)?);
    assert_eq!(input.at(), data.len(), "bytes are left");
    columns.added(1);
    Ok(lines(&ChangeBatch::inserts(columns.take().unwrap())))
}

fn one(field: &str) -> String {
    format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{field}}}]}}"#)
}

fn rows_of_types() -> Vec<ChangeBatch> {
    read(&schema(), TYPES).unwrap()
}

/// A file with another marker.
fn unmarked(file: &[u8]) -> Vec<u8> {
    let marker: [u8; 16] = *file.last_chunk().unwrap();
    let mut file = file.to_vec();
    while let Some(at) = memchr::memmem::find(&file, &marker) {
        file[at..at + 16].copy_from_slice(&[0; 16]);
    }
    file
}

#[test]
fn flinks_file_of_every_type_is_read_and_written_again_in_its_bytes() {
    let rows = rows_of_types();
    let shown = text(&rows);
    assert_eq!(shown[0], format!("+I{} | 0", " | NULL".repeat(21)));
    let tail = "| -1 | 86399999 | -1 | -12345.67 | 12345678901234567890123456789012345678 \
                | [1, NULL, 3] | [(k, 7)] | NULL | (5, (q)) | [(8)] | 42";
    assert!(
        shown[1].starts_with("+I | true | -128 | 32767 | -2147483648 | 9223372036854775807 | 1.5 | 225"),
        "{shown:?}"
    );
    assert!(shown[1].ends_with(tail), "{shown:?}");
    let ours = written(&*avro(&[("codec", "null")]), &schema(), &rows);
    assert!(unmarked(&ours) == unmarked(TYPES), "{}", String::from_utf8_lossy(&ours));
}

#[test]
fn messages_come_back_in_batches_of_any_size() {
    let (format, schema, rows) = (avro(&[]), schema(), rows_of_types());
    let mut all = messages(&*format, &schema, &rows);
    for _ in 0..4 {
        all.extend(all.clone());
    }
    let whole = decoded(&*format, &schema, &all, usize::MAX).unwrap();
    assert_eq!(whole[..2], text(&rows));
    for per_call in [1, 7] {
        assert_eq!(decoded(&*format, &schema, &all, per_call).unwrap(), whole);
    }
}

fn numbered(count: i32) -> (Schema, Vec<ChangeBatch>) {
    let schema = schema_of(vec![("id", LogicalType::not_null(TypeKind::Int)), ("s", LogicalType::string())]);
    let lines: Vec<String> = (1..=count).map(|i| format!("+I | {i} | {}", "x".repeat(i as usize % 70))).collect();
    let batches = lines.chunks(1000).map(|piece| batch(&schema, &piece.join("\n"))).collect();
    (schema, batches)
}

#[test]
fn every_codec_of_flink_is_read() {
    let (schema, expected) = numbered(3000);
    let schema = schema_of(schema.fields.iter().map(|f| (f.name.as_str(), f.ty.clone().with_nullable(true))).collect());
    let files: [(&str, &[u8]); 5] = [
        ("bzip2", include_bytes!("../../../e2e/data/avro/bzip2.avro")),
        ("deflate", include_bytes!("../../../e2e/data/avro/deflate.avro")),
        ("snappy", include_bytes!("../../../e2e/data/avro/snappy.avro")),
        ("xz", include_bytes!("../../../e2e/data/avro/xz.avro")),
        ("zstandard", include_bytes!("../../../e2e/data/avro/zstandard.avro")),
    ];
    let expected: Vec<String> = text(&expected).iter().map(|l| l.trim_end().to_owned()).collect();
    for (codec, file) in files {
        let rows: Vec<String> = text(&read(&schema, file).unwrap());
        assert_eq!(rows.len(), 3000, "{codec}");
        assert_eq!(rows[7], expected[7], "{codec}");
        assert_eq!(rows[2998], expected[2998], "{codec}");
    }
}

#[test]
fn ranges_that_cover_a_file_read_each_row_once_and_positions_go_on() {
    let (schema, batches) = numbered(9000);
    let all = text(&batches);
    for codec in ["null", "snappy", "deflate"] {
        let format = avro(&[("codec", codec)]);
        let file = written(&*format, &schema, &batches);
        for pieces in [1, 2, 3, 7, 50] {
            let size = file.len() as u64 / pieces + 1;
            let mut rows = Vec::new();
            for piece in 0..pieces {
                let range = piece * size..(piece + 1) * size;
                rows.extend(text(&read_with(&*format, &schema, &[0, 1], &file, range, 0).unwrap()));
            }
            assert!(rows == all, "{codec} in {pieces} pieces");
        }
        for skip in [1, 1999, 8999, 9000] {
            let rows = text(&read_with(&*format, &schema, &[0, 1], &file, 0..u64::MAX, skip).unwrap());
            assert!(rows == all[skip as usize..], "{codec} behind {skip}");
        }
        let turned = text(&read_with(&*format, &schema, &[1], &file, 0..u64::MAX, 8998).unwrap());
        assert_eq!(turned.len(), 2);
    }
}

#[test]
fn equal_rows_make_equal_files_and_no_rows_a_header() {
    let (schema, batches) = numbered(20);
    let format = avro(&[]);
    assert_eq!(written(&*format, &schema, &batches), written(&*format, &schema, &batches));
    let empty = written(&*format, &schema, &[]);
    assert!(empty.starts_with(b"Obj\x01"));
    assert!(read(&schema, &empty).unwrap().is_empty());
}

#[test]
fn columns_are_found_by_name_and_widened() {
    let fields = vec![
        ("r", row(vec![("y", row(vec![("z", LogicalType::string())])), ("w", nullable(TypeKind::Int))])),
        ("bi", nullable(TypeKind::Double)),
        ("i", nullable(TypeKind::BigInt)),
        ("missing", LogicalType::string()),
        ("s", nullable(TypeKind::Varbinary(i32::MAX as u32))),
        ("vb", nullable(TypeKind::Array(Box::new(nullable(TypeKind::Int))))),
    ];
    let rows = read(&schema_of(fields[..5].to_vec()), TYPES).unwrap();
    assert_eq!(
        text(&rows),
        [
            "+I | NULL | NULL | NULL | NULL | NULL",
            "+I | ((q), NULL) | 9223372036854776000 | -2147483648 | NULL | Grüße"
        ]
    );
    let error = read(&schema_of(fields), TYPES).unwrap_err();
    assert!(error.to_string().contains("field 'vb': an Avro bytes is no ARRAY<INT>"), "{error}");
}

#[test]
fn what_the_writer_does_not_have_or_has_otherwise_is_told() {
    let what = |name: &str, ty: LogicalType| read(&schema_of(vec![(name, ty)]), TYPES).unwrap_err().to_string();
    let missing = what("missing", LogicalType::not_null(TypeKind::Int));
    assert!(missing.contains("field 'missing' is missing in the writer's schema, but it is INT NOT NULL"), "{missing}");
    let null = what("i", LogicalType::not_null(TypeKind::Int));
    assert!(null.contains("field 'i': a null where the type is INT NOT NULL"), "{null}");
    let scale = what("dc", nullable(TypeKind::Decimal { precision: 10, scale: 3 }));
    assert!(scale.contains("an Avro decimal of scale 2 is no DECIMAL(10, 3)"), "{scale}");
    let narrow = read(&schema_of(vec![("dc", nullable(TypeKind::Decimal { precision: 4, scale: 2 }))]), TYPES).unwrap();
    assert_eq!(text(&narrow), ["+I | NULL", "+I | NULL"]);
}

#[test]
fn unions_enums_fixeds_and_units_are_resolved() {
    let text_column = schema_of(vec![("a", LogicalType::string())]);
    let read = |field: &str, data: &[u8], schema: &Schema| resolved(&one(field), data, schema);
    let many = r#"["int","string","null"]"#;
    assert_eq!(read(many, &[2, 2, b'x'], &text_column).unwrap(), ["+I | x"]);
    assert_eq!(read(many, &[4], &text_column).unwrap(), ["+I | NULL"]);
    assert_eq!(read(many, &[0, 2], &text_column).unwrap_err(), "field 'a': an Avro int is no STRING");
    assert_eq!(read(many, &[6], &text_column).unwrap_err(), "field 'a': branch 3 of 3 does not exist");
    let symbols = r#"{"type":"enum","name":"e","symbols":["A","B"]}"#;
    assert_eq!(read(symbols, &[2], &text_column).unwrap(), ["+I | B"]);
    assert_eq!(read(symbols, &[4], &text_column).unwrap_err(), "field 'a': symbol 2 of 2 does not exist");
    let decimal = schema_of(vec![("a", nullable(TypeKind::Decimal { precision: 5, scale: 1 }))]);
    let fixed = r#"{"type":"fixed","name":"f","size":3,"logicalType":"decimal","precision":5,"scale":1}"#;
    assert_eq!(read(fixed, &[0xff, 0xff, 0x85], &decimal).unwrap(), ["+I | -12.3"]);
    let time = schema_of(vec![("a", nullable(TypeKind::Time(3)))]);
    assert_eq!(read(r#""int""#, &[2], &time).unwrap(), ["+I | 1"]);
    assert_eq!(read(r#""int""#, &[1], &time).unwrap_err(), "field 'a': -1 is no time of a day in milliseconds");
    let millis = schema_of(vec![("a", nullable(TypeKind::Timestamp(3)))]);
    let micros = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
    assert_eq!(read(micros, &[0xa0, 0x9c, 1], &millis).unwrap(), ["+I | 10"]);
    assert_eq!(read(r#""long""#, &[0xa0, 0x9c, 1], &millis).unwrap(), ["+I | 10000"]);
}

#[test]
fn a_decimal_with_too_many_digits_is_null_where_it_may_be() {
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":0}"#;
    let inner = format!(r#"{{"type":"record","name":"S","fields":[{{"name":"d","type":{decimal}}}]}}"#);
    let writer = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"r","type":{inner}}}]}}"#);
    let told = |nullable: bool| {
        let ty = LogicalType::new(TypeKind::Decimal { precision: 3, scale: 0 }).with_nullable(nullable);
        resolved(&writer, &[4, 3, 0xe8], &schema_of(vec![("r", row(vec![("d", ty)]))]))
    };
    assert!(told(true).is_ok());
    let what = "field 'r': field 'd': a decimal has too many digits, or none, for DECIMAL(3, 0) NOT NULL";
    assert_eq!(told(false).unwrap_err(), what);
}

#[test]
fn a_plan_has_an_end_though_unions_multiply() {
    let mut ty = nullable(TypeKind::Int);
    let branch = |depth: usize, i: usize| {
        let inner = if depth == 0 { "\"int\"".to_owned() } else { format!("[{}]", names(depth - 1)) };
        format!(r#"{{"type":"record","name":"r{depth}_{i}","fields":[{{"name":"a","type":{inner}}}]}}"#)
    };
    let mut types = Vec::new();
    for depth in 0..4 {
        types.extend((0..40).map(|i| branch(depth, i)));
        ty = row(vec![("a", ty)]);
    }
    let all = format!(
        r#"{{"type":"record","name":"r","fields":[{{"name":"t","type":[{}]}},{{"name":"a","type":[{}]}}]}}"#,
        types.join(","),
        names(3)
    );
    let schema = schema_of(vec![("a", ty)]);
    assert_eq!(resolved(&all, &[0, 0, 0, 0, 0, 0, 14], &schema).unwrap(), ["+I | ((((7))))"]);
    let error = resolved(&all, &[0, 0, 78, 78, 78, 78, 14], &schema).unwrap_err();
    assert!(error.ends_with("the writer's schema has too many unions"), "{error}");
}

fn names(depth: usize) -> String {
    (0..40).map(|i| format!("\"r{depth}_{i}\"")).collect::<Vec<_>>().join(",")
}

#[test]
fn of_a_key_that_comes_twice_the_last_value_counts() {
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(nullable(TypeKind::Int)));
    let schema = schema_of(vec![("a", nullable(map))]);
    let entries = [4, 2, b'a', 2, 2, b'b', 4, 1, 8, 2, b'a', 6, 0];
    assert_eq!(
        resolved(&one(r#"{"type":"map","values":"int"}"#), &entries, &schema).unwrap(),
        ["+I | [(b, 2), (a, 3)]"]
    );
}

#[test]
fn timestamps_lie_as_the_mapping_says() {
    let kinds = [TypeKind::Timestamp(3), TypeKind::Timestamp(6), TypeKind::TimestampLtz(3), TypeKind::TimestampLtz(6)];
    let schema =
        Schema::new(kinds.iter().enumerate().map(|(i, k)| Field::new(format!("c{i}"), nullable(k.clone()))).collect());
    let rows = batch(&schema, "+I | -1500 | -1500001 | 7 | 7000001");
    let format = avro(&[("timestamp_mapping.legacy", "false")]);
    let all: Vec<usize> = (0..4).collect();
    let file = written(&*format, &schema, std::slice::from_ref(&rows));
    assert_eq!(text(&read_with(&*format, &schema, &all, &file, 0..u64::MAX, 0).unwrap()), lines(&rows));
    let header = String::from_utf8_lossy(&file);
    for logical in ["\"local-timestamp-millis", "\"local-timestamp-micros", "\"timestamp-millis", "\"timestamp-micros"]
    {
        assert!(header.contains(logical), "{logical}");
    }
    let refused = avro(&[]).check(&schema).unwrap_err();
    assert!(refused.message().contains("type TIMESTAMP(6) of column 'c1' in format 'avro'"), "{refused}");
}

#[test]
fn columns_and_options_that_avro_does_not_have_are_refused() {
    let int = || nullable(TypeKind::Int);
    let map = nullable(TypeKind::Map(Box::new(int()), Box::new(int())));
    for (name, ty) in [("m", map), ("a-b", int()), ("1a", int()), ("r", row(vec![("x y", int())]))] {
        assert!(avro(&[]).check(&schema_of(vec![(name, ty)])).is_err(), "{name}");
    }
    let made = |key: &str, value: &str| {
        let options = Options([(format!("avro.{key}"), value.to_owned())].into());
        format("avro", &OptionReader::new(&options, "test"), "").err().unwrap().to_string()
    };
    assert!(made("encoding", "json").contains("'avro.encoding' = 'json'"));
    assert!(made("codec", "foo").contains("no codec of Avro"));
    assert!(made("timestamp_mapping.legacy", "maybe").contains("timestamp_mapping.legacy"));
}

/// What Flink reads in `crates/e2e/oracle/avro/files.sql`: written anew with `FLOTT_WRITE_AVRO` set.
#[test]
fn files_that_flink_has_read_are_still_what_is_written() {
    let (numbered_schema, numbers) = numbered(3000);
    let files = [
        ("flott.avro", written(&*avro(&[]), &schema(), &rows_of_types())),
        ("flott_deflate.avro", written(&*avro(&[("codec", "deflate")]), &numbered_schema, &numbers)),
        ("none.avro", written(&*avro(&[]), &numbered_schema, &[])),
    ];
    for (name, bytes) in files {
        let path = format!("{}/../e2e/data/avro/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("FLOTT_WRITE_AVRO").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        if name.contains("deflate") {
            // How well it is compressed is the library's affair.
            assert_eq!(text(&read(&numbered_schema, &kept).unwrap()), text(&numbers));
        } else {
            assert!(unmarked(&kept) == unmarked(&bytes), "{name}");
        }
    }
}

/// SplitMix64 (Sebastiano Vigna, public domain).
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ (z >> 27)) as usize >> 8
}

#[test]
fn damaged_bytes_are_errors_and_no_panics() {
    let (format, schema, mut state) = (avro(&[]), schema(), 7);
    let good = messages(&*format, &schema, &rows_of_types());
    let mut errors = 0;
    for round in 0..3000 {
        let mut message = good[round % 2].clone();
        for _ in 0..1 + random(&mut state) % 3 {
            let at = random(&mut state) % message.len();
            message[at] = random(&mut state) as u8;
        }
        message.truncate(message.len() - random(&mut state) % 2 * (random(&mut state) % message.len()));
        errors += usize::from(decoded(&*format, &schema, &[message], 1).is_err());
    }
    assert!(errors > 500, "{errors}");
    let mut errors = 0;
    for _ in 0..2000 {
        let mut file = TYPES.to_vec();
        let at = random(&mut state) % file.len();
        file[at] ^= 1 << (random(&mut state) % 8);
        file.truncate(file.len() - random(&mut state) % 2 * (random(&mut state) % file.len()));
        errors += usize::from(read(&schema, &file).is_err());
    }
    assert!(errors > 500, "{errors}");
}

#[test]
fn a_bad_message_leaves_the_rows_before_it() {
    let (format, schema) = (avro(&[]), schema_of(vec![("a", LogicalType::string()), ("b", LogicalType::string())]));
    let spec = DecoderSpec { schema, projection: vec![0, 1], metadata: Vec::new(), dead_letters: false };
    let mut decoder = format.decoder(&spec).unwrap();
    let bad: [&[u8]; 2] = [&[2, 2, b'x', 0], &[2, 2, b'y', 2, 2, 0xff]];
    let error = decoder.decode_messages(&bad, &mut Vec::new()).unwrap_err();
    let DecodeError::Record(bad) = error else { panic!("{error:?}") };
    assert_eq!((bad.at, bad.what.as_str()), (1, "field 'b': a string is no UTF-8"));
    assert_eq!(lines(&decoder.take().unwrap()), ["+I | x | NULL"]);
}

#[test]
fn blocks_that_lie_are_refused() {
    let schema = schema_of(vec![("a", nullable(TypeKind::Int))]);
    let header = |json: &str| {
        let mut file = b"Obj\x01\x02\x16avro.schema".to_vec();
        super::write::bytes(json.as_bytes(), &mut file);
        file.push(0);
        file.extend([9; 16]);
        file
    };
    let with_block = |json: &str, count: i64, data: &[u8], marker: u8| {
        let mut file = header(json);
        super::write::long(count, &mut file);
        super::write::bytes(data, &mut file);
        file.extend([marker; 16]);
        read(&schema, &file)
    };
    let empty = r#"{"type":"record","name":"r","fields":[]}"#;
    let told = |result: Result<Vec<ChangeBatch>>| result.unwrap_err().to_string();
    assert_eq!(text(&with_block(empty, 3, &[], 9).unwrap()), ["+I | NULL"; 3]);
    assert!(told(with_block(empty, 1 << 60, &[], 9)).contains("elements in 0 bytes"));
    assert!(told(with_block(empty, -1, &[], 9)).contains("-1 records"));
    assert!(told(with_block(&one("\"int\""), 1, &[2], 8)).contains("no marker"));
    assert!(told(with_block(&one("\"int\""), 5, &[2], 9)).contains("5 elements in 1 bytes"));
    assert!(told(with_block(&one("\"int\""), 1, &[2, 2], 9)).contains("1 bytes are left"));
    assert!(told(with_block("7", 1, &[2], 9)).contains("Avro schema"));
    assert!(told(read(&schema, b"PAR1")).contains("no Avro object container"));
    assert!(told(read(&schema, b"")).contains("no header"));
}
