//! What is written, byte for byte as recorded from Flink 2.3.0 (reading is tested on recordings by the filesystem
//! connector), and messages for what does not fit.

use flott_api::options::{OptionReader, Options};
use flott_api::testing::batch;
use flott_api::{Field, LogicalType, Schema, TypeKind};

use crate::{DecodeError, DecoderSpec, Encoded, EncoderSpec, Format, format};

fn csv(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (format!("csv.{k}"), v.to_string())).collect());
    format("csv", &OptionReader::new(&options, "test"), "").unwrap()
}

fn schema(kinds: &[TypeKind]) -> Schema {
    let field = |(i, kind): (usize, &TypeKind)| Field::new(format!("c{i}"), LogicalType::new(kind.clone()));
    Schema::new(kinds.iter().enumerate().map(field).collect())
}

fn written(pairs: &[(&str, &str)], schema: &Schema, rows: &str) -> String {
    let mut out = Encoded::default();
    let spec = EncoderSpec { schema: schema.clone(), line_ends: true };
    csv(pairs).encoder(&spec).unwrap().encode(&batch(schema, rows), &mut out).unwrap();
    String::from_utf8(out.bytes).unwrap()
}

#[test]
fn texts_are_quoted_where_flink_quotes_them() {
    let schema = schema(&[TypeKind::Varchar(99), TypeKind::Int]);
    let rows = "+I | x | 1\n+I | a,b | 2\n+I | a\"b | 3\n+I | '' | 4\n+I | NULL | NULL\n+I | #x | 8\n+I | a b | 9\n\
        +I | x;y | 10\n+I | ü | 11\n+I | a\\b | 12\n+I | -1 | 13";
    let plain = "x,1\n\"a,b\",2\n\"a\"\"b\",3\n,4\n,\n\"#x\",8\n\"a b\",9\nx;y,10\nü,11\n\"a\\b\",12\n-1,13\n";
    assert_eq!(written(&[], &schema, rows), plain);
    assert_eq!(written(&[("null-literal", "n/a")], &schema, rows), plain.replace("\n,\n", "\nn/a,n/a\n"));
    assert_eq!(written(&[("escape-character", "\\")], &schema, rows), plain.replace("a\\b", "a\\\\b"));
    let bare = "x,1\na,b,2\na\"b,3\n,4\n,\n#x,8\na b,9\nx;y,10\nü,11\na\\b,12\n-1,13\n";
    assert_eq!(written(&[("disable-quote-character", "true")], &schema, rows), bare);
    let bars = "'x'|1\n'a,b'|2\n'a\"b'|3\n|4\n|\n'#x'|8\n'a b'|9\n'x;y'|10\nü|11\n'a\\b'|12\n'-1'|13\n";
    assert_eq!(written(&[("field-delimiter", "|"), ("quote-character", "'")], &schema, rows), bars);
}

#[test]
fn texts_of_more_than_24_characters_are_quoted() {
    let schema = schema(&[TypeKind::Varchar(99)]);
    let rows = format!("+I | {}\n+I | {}", "x".repeat(24), "x".repeat(25));
    assert_eq!(written(&[], &schema, &rows), format!("{}\n\"{}\"\n", "x".repeat(24), "x".repeat(25)));
}

#[test]
fn every_type_is_written_as_flink_writes_it() {
    let decimal = |precision, scale| TypeKind::Decimal { precision, scale };
    let schema = schema(&[
        TypeKind::TinyInt,
        TypeKind::Double,
        TypeKind::Double,
        TypeKind::Float,
        decimal(10, 2),
        decimal(20, 10),
        TypeKind::Boolean,
        TypeKind::Date,
        TypeKind::Time(0),
        TypeKind::Time(3),
        TypeKind::Timestamp(3),
        TypeKind::Timestamp(9),
        TypeKind::TimestampLtz(3),
        TypeKind::Varbinary(9),
    ]);
    let row = "+I | 1 | 1e10 | NaN | 1.5 | 100.00 | 0.0000001000 | true | 18321 | 45296000 | 45296700 | 1582979696700 \
        | 1582979696123.456789 | 1582979696700 | abc";
    let expected = "1,1.0E10,NaN,1.5,1E+2,1E-7,true,2020-02-29,12:34:56,12:34:56.7,\"2020-02-29 12:34:56.7\",\
        \"2020-02-29 12:34:56.123456789\",\"2020-02-29 12:34:56.7Z\",YWJj\n";
    assert_eq!(written(&[], &schema, row), expected);
    let plain = expected.replace("1E+2,1E-7", "100,0.0000001");
    assert_eq!(written(&[("write-bigdecimal-in-scientific-notation", "false")], &schema, row), plain);
}

#[test]
fn messages_name_the_column() {
    let schema = schema(&[TypeKind::Varchar(9), TypeKind::Int, TypeKind::Date]);
    let spec =
        DecoderSpec { schema: schema.clone(), projection: vec![0, 1, 2], metadata: Vec::new(), dead_letters: false };
    let message = |text: &str| {
        let error = csv(&[]).decoder(&spec).unwrap().decode(text.as_bytes(), true).unwrap_err();
        let DecodeError::Record(bad) = error else { panic!() };
        format!("{}: {}", bad.at, bad.what)
    };
    let good = "x,1,2020-01-01\n";
    assert_eq!(message(&format!("{good}x,abc,2020-01-01\n")), "15: column 2 (c1): 'abc' is no INT");
    assert_eq!(message(&format!("{good}{good}x,1,\n")), "30: column 3 (c2): '' is no DATE");
    assert_eq!(message("x\n"), "0: column 2: the line has only 1 of 3 columns");
    assert_eq!(message("x,1,2020-01-01,y,z\n"), "0: column 4: there are only 3 columns, but here is 'y'");
    assert_eq!(message("\"x\"y\n"), "0: behind the closing quote of a field comes 'y' instead of a delimiter");
    assert_eq!(message("\"x,1\n"), "0: a quoted field has no closing quote");
}

#[test]
fn contradicting_options_are_refused() {
    for pairs in [
        &[("field-delimiter", ";;")][..],
        &[("quote-character", "ab")],
        &[("field-delimiter", "§")],
        &[("quote-character", "'"), ("disable-quote-character", "true")],
        &[("allow-comments", "maybe")],
    ] {
        let options = Options(pairs.iter().map(|(k, v)| (format!("csv.{k}"), v.to_string())).collect());
        assert!(format("csv", &OptionReader::new(&options, "test"), "").is_err(), "{pairs:?}");
    }
}

#[test]
fn what_was_skipped_is_the_same_however_the_lines_are_cut() {
    let int = |nullable| LogicalType::new(TypeKind::Int).with_nullable(nullable);
    let schema = Schema::new(vec![Field::new("a", int(true)), Field::new("b", int(false))]);
    let spec = DecoderSpec { schema, projection: vec![0, 1], metadata: Vec::new(), dead_letters: false };
    for cut in [0, 4] {
        let mut decoder = csv(&[("ignore-parse-errors", "true")]).decoder(&spec).unwrap();
        // The second line fails for the column that it lacks, so that its first is not counted, nor is what is behind it.
        let text = b"x,1\ny\nz,2\n";
        decoder.decode(&text[..cut], false).unwrap();
        assert!(matches!(decoder.decode(&text[cut..], true), Err(DecodeError::Record(_))));
        assert_eq!((decoder.rows(), decoder.take_skipped()), (1, 1), "cut at {cut}");
    }
}
