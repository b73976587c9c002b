//! Changes of every kind, metadata, and what is written, as recorded from Flink 2.3.0.

use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use crate::{DecodeError, DecoderSpec, Encoded, EncoderSpec, Format, format};

fn debezium(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (format!("debezium-json.{k}"), v.to_string())).collect());
    format("debezium-json", &OptionReader::new(&options, "test"), "").unwrap()
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", LogicalType::new(TypeKind::Int)), Field::new("v", LogicalType::string())])
}

fn decoded(format: &dyn Format, metadata: &[&str], text: &str) -> Result<Vec<String>, String> {
    let offered = format.metadata();
    let ty = |key: &&str| offered.iter().find(|m| m.key == **key).map(|m| (m.key.clone(), m.ty.clone())).unwrap();
    let metadata = metadata.iter().map(ty).collect();
    let mut decoder = format.decoder(&DecoderSpec { schema: schema(), projection: vec![0, 1], metadata }).unwrap();
    match decoder.decode(text.as_bytes(), true) {
        Ok(_) => Ok(lines(&decoder.take().unwrap())),
        Err(DecodeError::Record(bad)) => Err(bad.what),
        Err(DecodeError::Other(e)) => Err(e.to_string()),
    }
}

#[test]
fn metadata_comes_from_the_envelope() {
    let source = r#"{"db":"d","table":"t","ts_ms":7,"x":1}"#;
    let event = format!(r#"{{"before":null,"after":{{"id":2,"v":"b"}},"op":"r","ts_ms":5,"source":{source}}}"#);
    let keys = [
        "ingestion-timestamp",
        "source.timestamp",
        "source.database",
        "source.schema",
        "source.table",
        "source.properties",
    ];
    let rows = decoded(&*debezium(&[]), &keys, &event).unwrap();
    assert_eq!(rows, ["+I | 2 | b | 5 | 7 | d | NULL | t | [(db, d), (table, t), (ts_ms, 7), (x, 1)]"]);
    let wrapped = format!("{{\"schema\":{{\"s\":1}},\"payload\":{event}}}");
    let format = debezium(&[("schema-include", "true")]);
    assert_eq!(decoded(&*format, &["schema"], &wrapped).unwrap(), ["+I | 2 | b | {\"s\":1}"]);
}

#[test]
fn messages_say_what_is_wrong_with_an_event() {
    let what = |event: &str| decoded(&*debezium(&[]), &[], event).unwrap_err();
    assert_eq!(what(r#"{"after":{"id":1},"op":"q"}"#), "'op' is 'q' instead of c, r, u or d");
    assert_eq!(what(r#"{"after":{"id":1}}"#), "the event has no 'op'");
    let before = "'before' of a -U event is null; a Postgres table needs REPLICA IDENTITY FULL";
    assert_eq!(what(r#"{"before":null,"after":{"id":1},"op":"u"}"#), before);
    assert_eq!(what(r#"{"after":{"id":"x"},"op":"c"}"#), "field 'id': 'x' is no INT");
}

#[test]
fn an_update_that_fails_half_way_leaves_nothing() {
    let events = "{\"before\":{\"id\":1},\"after\":null,\"op\":\"u\"}\n{\"after\":{\"id\":2},\"op\":\"c\"}\n";
    let rows = decoded(&*debezium(&[("ignore-parse-errors", "true")]), &[], events).unwrap();
    assert_eq!(rows, ["+I | 2 | NULL"]);
}

#[test]
fn changes_are_written_as_creation_and_deletion() {
    let written = |pairs: &[(&str, &str)]| {
        let mut out = Encoded::default();
        let mut encoder = debezium(pairs).encoder(&EncoderSpec { schema: schema(), line_ends: true }).unwrap();
        let rows = batch(&schema(), "+I | 1 | a\n-U | 1 | a\n+U | 2 | NULL\n-D | 2 | NULL");
        encoder.encode(&rows, &mut out).unwrap();
        String::from_utf8(out.bytes).unwrap()
    };
    let all = r#"{"before":null,"after":{"id":1,"v":"a"},"op":"c"}
{"before":{"id":1,"v":"a"},"after":null,"op":"d"}
{"before":null,"after":{"id":2,"v":null},"op":"c"}
{"before":{"id":2,"v":null},"after":null,"op":"d"}
"#;
    assert_eq!(written(&[]), all);
    let short = r#"{"after":{"id":1,"v":"a"},"op":"c"}
{"before":{"id":1,"v":"a"},"op":"d"}
{"after":{"id":2},"op":"c"}
{"before":{"id":2},"op":"d"}
"#;
    assert_eq!(written(&[("encode.ignore-null-fields", "true")]), short);
}

#[test]
fn a_sink_cannot_include_the_schema() {
    let format = debezium(&[("schema-include", "true")]);
    assert!(format.encoder(&EncoderSpec { schema: schema(), line_ends: true }).is_err());
}
