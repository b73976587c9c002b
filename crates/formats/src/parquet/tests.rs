//! Files written and read back, by ranges and with skipped rows.

use std::io::Cursor;
use std::sync::Arc;

use ::parquet::basic::Type as PhysicalType;
use ::parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaData, RowGroupMetaData};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, ListArray, Time32MillisecondArray, Time64MicrosecondArray,
    TimestampMillisecondArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field as ArrowField;
use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines};
use flott_api::{ChangeBatch, Error, ErrorKind, Field, LogicalType, Result, Schema, TypeKind};

use super::convert::from_file;
use super::read::check_places;
use crate::{DecoderSpec, Encoded, EncoderSpec, Format, Layout, format};

fn parquet(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
    format("parquet", &OptionReader::new(&options, "test"), "").unwrap()
}

fn schema() -> Schema {
    let kinds = [
        ("a", TypeKind::BigInt),
        ("b", TypeKind::Varchar(9)),
        ("c", TypeKind::Decimal { precision: 30, scale: 2 }),
        ("d", TypeKind::Timestamp(3)),
        ("e", TypeKind::TimestampLtz(6)),
        ("f", TypeKind::Timestamp(9)),
        ("g", TypeKind::Boolean),
        ("h", TypeKind::TinyInt),
        ("i", TypeKind::Date),
        ("j", TypeKind::Time(3)),
        ("k", TypeKind::Binary(2)),
        ("l", TypeKind::Float),
    ];
    Schema::new(kinds.map(|(n, k)| Field::new(n, LogicalType::new(k))).to_vec())
}

const ROWS: &str = "+I | 1 | x | -1.50 | -1500 | 1500000 | -5.3 | true | -7 | 18000 | 5000 | ab | 1.5\n\
    +I | NULL | '' | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL";

fn written(format: &dyn Format, schema: &Schema, batches: &[ChangeBatch]) -> Vec<u8> {
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
    let format = parquet(&[]);
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

fn text(batches: &[ChangeBatch]) -> String {
    batches.iter().flat_map(lines).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_type_comes_back() {
    let rows = batch(&schema(), ROWS);
    let all: Vec<usize> = (0..schema().len()).collect();
    for compression in ["SNAPPY", "UNCOMPRESSED", "GZIP", "ZSTD", "LZ4_RAW"] {
        let file = written(&*parquet(&[("parquet.compression", compression)]), &schema(), std::slice::from_ref(&rows));
        assert_eq!(text(&read(&schema(), &all, file.clone(), 0..u64::MAX, 0).unwrap()), ROWS, "{compression}");
        // What is skipped is not decompressed; the library then looks at pages in another order.
        let second = ROWS.lines().nth(1).unwrap();
        assert_eq!(text(&read(&schema(), &all, file, 0..u64::MAX, 1).unwrap()), second, "{compression}");
    }
}

#[test]
fn nested_types_come_back() {
    let int = || Box::new(LogicalType::new(TypeKind::Int));
    let row = TypeKind::Row(vec![Field::new("x", *int()), Field::new("y", LogicalType::new(TypeKind::Timestamp(9)))]);
    let kinds = [
        TypeKind::Array(Box::new(LogicalType::new(row))),
        TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::new(TypeKind::Array(int())))),
        TypeKind::Multiset(Box::new(LogicalType::string())),
    ];
    let schema = Schema::new(kinds.map(|k| Field::new("c", LogicalType::new(k))).to_vec());
    let names = ["a", "b", "m"];
    let fields = schema.fields.into_iter().zip(names).map(|(f, n)| Field::new(n, f.ty)).collect();
    let schema = Schema::new(fields);
    let json = br#"{"a":[{"x":1,"y":"2020-01-01 00:00:00.123456789"},null],"b":{"k":[1,null],"l":null},"m":{"q":2}}
{"a":[],"b":{},"m":null}
"#;
    let options = Options::default();
    let decoder = format("json", &OptionReader::new(&options, "test"), "").unwrap();
    let spec =
        DecoderSpec { schema: schema.clone(), projection: vec![0, 1, 2], metadata: Vec::new(), dead_letters: false };
    let mut decoder = decoder.decoder(&spec).unwrap();
    assert_eq!(decoder.decode(json, true).unwrap(), json.len());
    let rows = decoder.take().unwrap();
    let file = written(&*parquet(&[]), &schema, std::slice::from_ref(&rows));
    let back = read(&schema, &[0, 1, 2], file, 0..u64::MAX, 0).unwrap();
    assert_eq!(back[0].rows(), rows.rows());
}

#[test]
fn ranges_and_skipped_rows_give_each_row_once() {
    let schema =
        Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int)), Field::new("b", LogicalType::string())]);
    let table = |from: i32| (from..from + 5000).map(|i| format!("+I | {i} | text{i}\n")).collect::<String>();
    let batches: Vec<ChangeBatch> = (0..6).map(|i| batch(&schema, &table(i * 5000))).collect();
    let file = written(
        &*parquet(&[("parquet.block.size", "64kb"), ("parquet.enable.dictionary", "false")]),
        &schema,
        &batches,
    );
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
    assert!(parts_with_rows > 1, "the file must have several row groups");
    let rest = read(&schema, &[0], file.clone(), 0..u64::MAX, 29_998).unwrap();
    assert_eq!(text(&rest), "+I | 29998\n+I | 29999");
    let counted: usize = read(&schema, &[], file, 0..u64::MAX, 0).unwrap().iter().map(ChangeBatch::len).sum();
    assert_eq!(counted, 30_000);
}

#[test]
fn columns_are_found_by_name_and_missing_ones_are_null() {
    let of = |names: &[(&str, TypeKind)]| {
        Schema::new(names.iter().map(|(n, k)| Field::new(*n, LogicalType::new(k.clone()))).collect())
    };
    let file = written(
        &*parquet(&[]),
        &of(&[("a", TypeKind::Int), ("b", TypeKind::BigInt)]),
        &[batch(&of(&[("a", TypeKind::Int), ("b", TypeKind::BigInt)]), "+I | 1 | 2")],
    );
    let other = of(&[("b", TypeKind::Int), ("z", TypeKind::Varchar(3)), ("a", TypeKind::BigInt)]);
    assert_eq!(text(&read(&other, &[0, 1, 2], file.clone(), 0..u64::MAX, 0).unwrap()), "+I | 2 | NULL | 1");
    let wrong = read(&of(&[("a", TypeKind::Date)]), &[0], file, 0..u64::MAX, 0).unwrap_err();
    assert_eq!(wrong.message(), "column 'a': the file has the type Int32, which is no DATE");
}

#[test]
fn damaged_files_are_errors() {
    let rows = batch(&schema(), ROWS);
    let file = written(&*parquet(&[]), &schema(), &[rows]);
    let all: Vec<usize> = (0..schema().len()).collect();
    assert!(read(&schema(), &all, Vec::new(), 0..u64::MAX, 0).is_err());
    assert!(read(&schema(), &all, b"no parquet file at all".to_vec(), 0..u64::MAX, 0).is_err());
    for length in (0..file.len()).step_by(97) {
        assert!(read(&schema(), &all, file[..length].to_vec(), 0..u64::MAX, 0).is_err(), "{length}");
    }
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_an_error_of_the_file() {
    let rows = batch(&schema(), ROWS);
    let all: Vec<usize> = (0..schema().len()).collect();
    let mut refused = 0;
    let file = written(&*parquet(&[]), &schema(), &[rows]);
    for at in 0..file.len() {
        for change in [0x01, 0x40, 0xff] {
            let mut damaged = file.clone();
            damaged[at] ^= change;
            if let Err(e) = read(&schema(), &all, damaged, 0..u64::MAX, 0) {
                assert_eq!(e.kind(), ErrorKind::Data, "byte {at}: {e:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > file.len() / 2, "{refused} of {} bytes", file.len());
}

#[test]
fn places_outside_of_the_file_are_found_before_they_are_read() {
    let ty = Type::primitive_type_builder("a", PhysicalType::INT32).build().unwrap();
    let root = Type::group_type_builder("root").with_fields(vec![Arc::new(ty)]).build().unwrap();
    let columns = Arc::new(SchemaDescriptor::new(Arc::new(root)));
    let told = |rows: i64, data: i64, dictionary: Option<i64>, bytes: i64| {
        let column = ColumnChunkMetaData::builder(columns.column(0)).set_data_page_offset(data);
        let column = column.set_dictionary_page_offset(dictionary).set_total_compressed_size(bytes);
        let group = RowGroupMetaData::builder(columns.clone()).set_num_rows(rows);
        let group = group.set_column_metadata(vec![column.build().unwrap()]).build().unwrap();
        let file = FileMetaData::new(1, rows, None, None, columns.clone(), None);
        let checked = check_places(&ParquetMetaData::new(file, vec![group]), 100);
        checked.map_or_else(|e| e.message().to_owned(), |()| "good".to_owned())
    };
    let lies = "the parquet file is damaged: column 'a' of row group 0 does not lie in it";
    assert_eq!(told(1, 4, None, 96), "good");
    assert_eq!(told(1, 50, Some(4), 96), "good");
    assert_eq!(told(1, 4, None, 97), lies);
    assert_eq!(told(1, -1, None, 10), lies);
    assert_eq!(told(1, -1, Some(4), 10), lies);
    assert_eq!(told(1, 4, Some(-4), 10), lies);
    assert_eq!(told(1, 4, None, -1), lies);
    assert_eq!(told(1, i64::MAX, None, i64::MAX), lies);
    assert_eq!(told(-1, 4, None, 10), "the parquet file is damaged: row group 0 has -1 rows");
}

#[test]
fn values_outside_of_their_type_are_refused() {
    let told = |array: ArrayRef, kind: TypeKind| {
        from_file(&array, &LogicalType::new(kind)).map_or_else(|e| e.message().to_owned(), |a| format!("{a:?}"))
    };
    let times = |values: Vec<Option<i32>>| Arc::new(Time32MillisecondArray::from(values)) as ArrayRef;
    assert!(told(times(vec![Some(86_399_999), None]), TypeKind::Time(3)).contains("23:59:59.999"));
    let wrong = "the file has the value 86400000 ms, which is no TIME(3)";
    assert_eq!(told(times(vec![Some(86_400_000)]), TypeKind::Time(3)), wrong);
    let micros = |value: i64| Arc::new(Time64MicrosecondArray::from(vec![value])) as ArrayRef;
    assert_eq!(told(micros(-1), TypeKind::Time(0)), "the file has the value -1 ms, which is no TIME(0)");
    // It would be a time of the day if only its lower bits counted.
    let wrong = "the file has the value 2147483647 ms, which is no TIME(3)";
    assert_eq!(told(micros((1 << 32) * 1000 + 5000), TypeKind::Time(3)), wrong);

    let millis = |value: i64| Arc::new(TimestampMillisecondArray::from(vec![Some(value), None])) as ArrayRef;
    assert!(told(millis(i64::MAX), TypeKind::Timestamp(3)).contains("PrimitiveArray"));
    let wrong = format!("the timestamp {} of the file is out of range", i64::MAX);
    assert_eq!(told(millis(i64::MAX), TypeKind::Timestamp(6)), wrong);

    let decimals = Arc::new(Decimal128Array::from(vec![-100_000]).with_precision_and_scale(5, 2).unwrap());
    let wrong = "the file has the value -100000 (unscaled), which is no DECIMAL(5, 2)";
    assert_eq!(told(decimals.clone(), TypeKind::Decimal { precision: 5, scale: 2 }), wrong);
    let element = Box::new(LogicalType::new(TypeKind::Decimal { precision: 5, scale: 2 }));
    let field = Arc::new(ArrowField::new("element", decimals.data_type().clone(), true));
    let list = ListArray::new(field, OffsetBuffer::from_lengths([1]), decimals, None);
    assert_eq!(told(Arc::new(list), TypeKind::Array(element)), wrong);
}

#[test]
fn what_is_not_written_is_refused() {
    for (key, value) in
        [("parquet.utc-timezone", "false"), ("parquet.write.int64.timestamp", "false"), ("parquet.compression", "LZO")]
    {
        let options = Options([(key.to_owned(), value.to_owned())].into());
        assert!(format("parquet", &OptionReader::new(&options, "test"), "").is_err(), "{key}");
    }
}
