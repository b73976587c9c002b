//! What is written, byte for byte as recorded from Flink 2.3.0 (reading is tested on recordings by the filesystem
//! connector), and messages for what does not fit.

use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines};
use flott_api::{ChangeBatch, Field, LogicalType, Result, Schema, TypeKind};

use crate::{DecodeError, DecoderSpec, Encoded, EncoderSpec, Format, format};

fn json(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (format!("json.{k}"), v.to_string())).collect());
    format("json", &OptionReader::new(&options, "test"), "").unwrap()
}

fn schema(kinds: &[TypeKind]) -> Schema {
    let field = |(i, kind): (usize, &TypeKind)| Field::new(format!("c{i}"), LogicalType::new(kind.clone()));
    Schema::new(kinds.iter().enumerate().map(field).collect())
}

fn written(pairs: &[(&str, &str)], schema: &Schema, rows: &ChangeBatch) -> Result<String> {
    let mut out = Encoded::default();
    let spec = EncoderSpec { schema: schema.clone(), line_ends: true };
    json(pairs).encoder(&spec)?.encode(rows, &mut out)?;
    Ok(String::from_utf8(out.bytes).unwrap())
}

fn read(schema: &Schema, text: &str) -> ChangeBatch {
    let spec = DecoderSpec {
        schema: schema.clone(),
        projection: (0..schema.len()).collect(),
        metadata: Vec::new(),
        dead_letters: false,
    };
    let mut decoder = json(&[]).decoder(&spec).unwrap();
    decoder.decode(text.as_bytes(), true).unwrap();
    decoder.take().unwrap()
}

#[test]
fn every_type_is_written_as_flink_writes_it() {
    let decimal = |precision, scale| TypeKind::Decimal { precision, scale };
    let schema = schema(&[
        TypeKind::TinyInt,
        TypeKind::Double,
        TypeKind::Double,
        decimal(10, 2),
        decimal(20, 10),
        TypeKind::Boolean,
        TypeKind::Date,
        TypeKind::Time(3),
        TypeKind::Timestamp(3),
        TypeKind::TimestampLtz(3),
        TypeKind::Varbinary(9),
    ]);
    let row =
        "+I | 1 | 1e10 | NaN | 100.00 | 0.0000001000 | true | 18321 | 45296700 | 1582979696700 | 1582979696700 | abc";
    let rows = batch(&schema, row);
    let expected = "{\"c0\":1,\"c1\":1.0E10,\"c2\":\"NaN\",\"c3\":1E+2,\"c4\":1E-7,\"c5\":true,\"c6\":\"2020-02-29\",\
        \"c7\":\"12:34:56.7\",\"c8\":\"2020-02-29 12:34:56.7\",\"c9\":\"2020-02-29 12:34:56.7Z\",\"c10\":\"YWJj\"}\n";
    assert_eq!(written(&[], &schema, &rows).unwrap(), expected);
    let plain = expected.replace("1E+2", "100.00").replace("1E-7", "0.0000001000");
    assert_eq!(written(&[("encode.decimal-as-plain-number", "true")], &schema, &rows).unwrap(), plain);
    let iso = expected.replace("29 12", "29T12");
    assert_eq!(written(&[("timestamp-format.standard", "ISO-8601")], &schema, &rows).unwrap(), iso);
}

#[test]
fn strings_are_escaped_as_flink_escapes_them() {
    let schema = schema(&[TypeKind::Varchar(99)]);
    let text = r#"{"c0":"a\"b"}
{"c0":"a\\b/"}
{"c0":"\t\n"}
{"c0":"ü\uD83D\uDE00"}
"#;
    let controls = "{\"c0\":\"\\u0001\\b\\f\u{7f}\u{2028}\\u001F\"}\n";
    let text = format!("{text}{controls}");
    assert_eq!(written(&[], &schema, &read(&schema, &text)).unwrap(), text);
}

#[test]
fn nested_values_and_nulls() {
    let int = || LogicalType::new(TypeKind::Int);
    let row = TypeKind::Row(vec![Field::new("x", int()), Field::new("y", LogicalType::string())]);
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(int()));
    let schema = schema(&[TypeKind::Array(Box::new(int())), row, map, TypeKind::Int]);
    let text = "{\"c0\":[1,2,null],\"c1\":{\"x\":1,\"y\":null},\"c2\":{\"a\":1,\"b\":null},\"c3\":null}\n";
    let rows = read(&schema, text);
    assert_eq!(written(&[], &schema, &rows).unwrap(), text);
    let short = "{\"c0\":[1,2,null],\"c1\":{\"x\":1},\"c2\":{\"a\":1,\"b\":null}}\n";
    assert_eq!(written(&[("encode.ignore-null-fields", "true")], &schema, &rows).unwrap(), short);
}

#[test]
fn null_keys_follow_their_mode() {
    use arrow_array::{ArrayRef, Int32Array, ListArray, RecordBatch, StringArray, StructArray};
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::DataType;
    use std::sync::Arc;

    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::new(TypeKind::Int)));
    let schema = schema(&[map]);
    let DataType::List(field) = schema.fields[0].ty.arrow() else { panic!() };
    let DataType::Struct(fields) = field.data_type().clone() else { panic!() };
    let keys: ArrayRef = Arc::new(StringArray::from(vec![None, Some("b")]));
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let entries = StructArray::new(fields, vec![keys, values], None);
    let list = ListArray::new(field, OffsetBuffer::from_lengths([2]), Arc::new(entries), None);
    let rows = ChangeBatch::inserts(RecordBatch::try_new(schema.arrow(), vec![Arc::new(list)]).unwrap());
    let mode = |mode: &str| written(&[("map-null-key.mode", mode), ("map-null-key.literal", "nul")], &schema, &rows);
    assert!(mode("FAIL").unwrap_err().message().contains("null key"));
    assert_eq!(mode("DROP").unwrap(), "{\"c0\":{\"b\":2}}\n");
    assert_eq!(mode("LITERAL").unwrap(), "{\"c0\":{\"nul\":1,\"b\":2}}\n");
    assert_eq!(
        written(&[("map-null-key.mode", "LITERAL")], &schema, &rows).unwrap(),
        "{\"c0\":{\"null\":1,\"b\":2}}\n"
    );
}

#[test]
fn messages_name_the_field() {
    let schema = schema(&[TypeKind::Varchar(9), TypeKind::Int]);
    let spec = DecoderSpec { schema, projection: vec![0, 1], metadata: Vec::new(), dead_letters: false };
    let message = |text: &str| {
        let error = json(&[]).decoder(&spec).unwrap().decode(text.as_bytes(), true).unwrap_err();
        let DecodeError::Record(bad) = error else { panic!() };
        format!("{}: {}", bad.at, bad.what)
    };
    assert_eq!(message("{\"c1\":1}\n{\"c1\":\"abc\"}\n"), "9: field 'c1': 'abc' is no INT");
    assert_eq!(message("{\"c1\":[1]}\n"), "0: field 'c1': [1] is no INT");
    assert_eq!(message("{\"c1\":1\n"), "0: byte 8: the text ends inside an object or array");
    assert_eq!(message("7\n"), "0: the record is no JSON object");
}

#[test]
fn a_decimal_with_too_many_digits_does_not_fit_where_it_may_not_be_null() {
    let told = |nullable: bool| {
        let ty = LogicalType::new(TypeKind::Decimal { precision: 3, scale: 0 }).with_nullable(nullable);
        let spec = DecoderSpec {
            schema: schema(&[TypeKind::Row(vec![Field::new("d", ty)])]),
            projection: vec![0],
            metadata: Vec::new(),
            dead_letters: false,
        };
        json(&[]).decoder(&spec).unwrap().decode(b"{\"c0\":{\"d\":1000}}\n", true)
    };
    assert_eq!(told(true).unwrap(), 18);
    let Err(DecodeError::Record(bad)) = told(false) else { panic!("it fits") };
    assert_eq!(bad.what, "field 'c0': 1000 is no DECIMAL(3, 0) NOT NULL");
}

#[test]
fn of_a_doubled_key_the_last_value_counts() {
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::new(TypeKind::Int)));
    let schema = schema(&[TypeKind::Int, map]);
    let rows = read(&schema, "{\"c0\":1,\"c1\":{\"a\":1,\"b\":2,\"a\" : 3},\"c0\":2}");
    assert_eq!(lines(&rows), ["+I | 2 | [(b, 2), (a, 3)]"]);
    let many: Vec<String> = (0..40).map(|i| format!("\"k{}\":{i}", i % 39)).collect();
    let rows = read(&schema, &format!("{{\"c1\":{{{}}}}}", many.join(",")));
    assert!(lines(&rows)[0].ends_with("(k38, 38), (k0, 39)]"), "{:?}", lines(&rows));
}

#[test]
fn of_an_array_each_object_is_a_row() {
    let schema = schema(&[TypeKind::Int]);
    let rows = |pairs: &[(&str, &str)], text: &str| {
        let spec =
            DecoderSpec { schema: schema.clone(), projection: vec![0], metadata: Vec::new(), dead_letters: false };
        let mut decoder = json(pairs).decoder(&spec).unwrap();
        let good = decoder.decode(text.as_bytes(), true).is_ok();
        let rows = if decoder.rows() > 0 { lines(&decoder.take().unwrap()) } else { Vec::new() };
        (good, rows.join(", "))
    };
    let lenient = ("ignore-parse-errors", "true");
    let tree = ("decode.json-parser.enabled", "false");
    let both = "+I | 1, +I | 2".to_owned();
    for pairs in [&[][..], &[lenient], &[tree], &[lenient, tree]] {
        assert_eq!(rows(pairs, r#"[{"c0":1},null,{"c0":2}]"#), (true, both.clone()), "{pairs:?}");
    }
    for pairs in [&[lenient][..], &[lenient, tree]] {
        assert_eq!(rows(pairs, r#"[{"c0":1},7,{"c0":2},[3]]"#), (true, both.clone()), "{pairs:?}");
    }
    assert!(!rows(&[], r#"[{"c0":1},7]"#).0);
    // The objects before what is no JSON are read one by one, or only as a tree.
    assert_eq!(rows(&[lenient], r#"[{"c0":1},{"c0":2},x]"#), (true, both));
    assert_eq!(rows(&[lenient, tree], r#"[{"c0":1},{"c0":2},x]"#), (true, String::new()));
}

#[test]
fn a_tree_gives_what_flinks_tree_gives() {
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::string()));
    let kinds = [TypeKind::Varchar(99), TypeKind::Boolean, TypeKind::Varbinary(9), map, TypeKind::Double];
    let row = |kinds: &[TypeKind], text: &str| {
        let schema = schema(kinds);
        let projection = (0..schema.len()).collect();
        let spec = DecoderSpec { schema, projection, metadata: Vec::new(), dead_letters: false };
        let mut decoder = json(&[("decode.json-parser.enabled", "false")]).decoder(&spec).unwrap();
        decoder.decode(text.as_bytes(), true).unwrap();
        lines(&decoder.take().unwrap()).join("")
    };
    let text = r#"{"c0":1e2,"c1":[1],"c2":7,"c3":5,"c4":-0}"#;
    assert_eq!(row(&kinds, text), "+I | 100.0 | false | NULL | [] | 0");
    let nested = r#"{"c0":{"x": [1.50, -0, 1e400]},"c4":-0.0}"#;
    assert_eq!(row(&kinds, nested), "+I | {\"x\":[1.5,0,\"Infinity\"]} | NULL | NULL | NULL | -0");
    let exact = [TypeKind::Varchar(99), TypeKind::Double, TypeKind::Decimal { precision: 5, scale: 2 }];
    assert_eq!(row(&exact, r#"{"c0":[100.0, 1.50],"c1":-0.0,"c2":1}"#), "+I | [1E+2,1.5] | 0 | 1.00");
}

#[test]
fn the_end_of_a_day_is_its_start() {
    let schema = schema(&[TypeKind::Time(3)]);
    assert_eq!(lines(&read(&schema, r#"{"c0":"24:00:00"}"#)), lines(&read(&schema, r#"{"c0":"00:00:00"}"#)));
    let rows = lines(&read(&schema, "{\"c0\":\"24:00:00.000\"}\n{\"c0\":\"12:34:56.5\"}"));
    assert_eq!(rows, ["+I | 0", "+I | 45296500"]);
}
