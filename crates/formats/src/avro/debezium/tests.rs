//! Events of every kind, as Debezium writes them, and as Flink does.

use std::sync::Arc;

use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines, ready};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use crate::avro::registry::fake::FakeRegistry;
use crate::{DecodeError, DecoderSpec, Encoded, EncoderSpec, Format, format};

fn debezium(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let prefix = "debezium-avro-confluent";
    let mut options = Options(pairs.iter().map(|(k, v)| (format!("{prefix}.{k}"), v.to_string())).collect());
    options.0.insert(format!("{prefix}.url"), "http://registry".to_owned());
    format(prefix, &OptionReader::new(&options, "test"), "").unwrap()
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", LogicalType::not_null(TypeKind::Int)), Field::new("s", LogicalType::string())])
}

/// As Debezium names and orders them.
const EVENT: &str = r#"{"type":"record","name":"Envelope","namespace":"shop.items","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"int"},{"name":"s","type":["null","string"],"default":null}]}],"default":null},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"db","type":"string"}]}},
    {"name":"op","type":"string"},
    {"name":"ts_ms","type":["null","long"],"default":null}]}"#;

/// An event with this id before and after.
fn event(before: Option<u8>, after: Option<u8>, op: u8) -> Vec<u8> {
    let mut event = vec![0, 0, 0, 0, 1];
    for image in [before, after] {
        match image {
            Some(id) => event.extend([2, id * 2, 2, 2, b'v']),
            None => event.push(0),
        }
    }
    event.extend([4, b'd', b'b', 2, op, 2, 20]);
    event
}

fn decoded(fake: &Arc<FakeRegistry>, messages: &[&[u8]], per_call: usize) -> Result<Vec<String>, String> {
    let spec = DecoderSpec { schema: schema(), projection: vec![0, 1], metadata: Vec::new(), dead_letters: false };
    let mut decoder = debezium(&[]).decoder(&spec).unwrap();
    let (environment, mut rows, mut counts) = (fake.environment(), Vec::new(), Vec::new());
    for piece in messages.chunks(per_call) {
        ready(decoder.prepare(&environment, piece)).map_err(|e| e.to_string())?;
        decoder.decode_messages(piece, &mut counts).map_err(|e| match e {
            DecodeError::Record(bad) => bad.what,
            DecodeError::Other(e) => e.to_string(),
        })?;
        if decoder.rows() > 0 {
            rows.extend(lines(&decoder.take().unwrap()));
        }
    }
    assert_eq!(counts.iter().sum::<u32>() as usize, rows.len());
    assert_eq!(counts.len(), messages.len());
    Ok(rows)
}

#[test]
fn events_are_changes() {
    let fake = FakeRegistry::with(&[EVENT]);
    let events = [
        event(None, Some(1), b'r'),
        event(None, Some(2), b'c'),
        event(Some(2), Some(3), b'u'),
        Vec::new(),
        event(Some(1), None, b'd'),
    ];
    let events: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    for per_call in [1, 7, usize::MAX] {
        let rows = decoded(&fake, &events, per_call).unwrap();
        assert_eq!(rows, ["+I | 1 | v", "+I | 2 | v", "-U | 2 | v", "+U | 3 | v", "-D | 1 | v"]);
    }
}

#[test]
fn what_is_wrong_with_an_event_is_told() {
    let fake = FakeRegistry::with(&[EVENT, "\"int\""]);
    let told = |event: &[u8]| decoded(&fake, &[event], 1).unwrap_err();
    assert_eq!(told(&event(Some(1), None, b'c')), "'after' of a +I event is null");
    let before = "'before' of a -U event is null; a Postgres table needs REPLICA IDENTITY FULL";
    assert_eq!(told(&event(None, Some(1), b'u')), before);
    assert_eq!(told(&event(Some(1), Some(1), b'x')), "'op' is 'x' instead of c, r, u or d");
    assert_eq!(told(&[0, 0, 0, 0, 2, 0]), "the writer's schema is the Avro type int instead of a record");
    let good = event(Some(1), Some(2), b'u');
    for length in 5..good.len() - 2 {
        assert!(told(&good[..length]).contains("end within"), "{length}");
    }
}

#[test]
fn changes_are_written_as_creation_and_deletion_under_flinks_schema() {
    let fake = FakeRegistry::with(&[]);
    let format = debezium(&[("subject", "s")]);
    let mut encoder = format.encoder(&EncoderSpec { schema: schema(), line_ends: false }).unwrap();
    ready(encoder.open(&fake.environment())).unwrap();
    let mut out = Encoded::default();
    encoder.encode(&batch(&schema(), "+I | 1 | a\n-U | 1 | a\n+U | 2 | NULL\n-D | 2 | NULL"), &mut out).unwrap();
    let starts = std::iter::once(&0).chain(&out.ends);
    let messages: Vec<&[u8]> = starts.zip(&out.ends).map(|(start, end)| &out.bytes[*start..*end]).collect();
    let created: &[u8] = &[0, 0, 0, 0, 1, 2, 0, 2, 2, 2, 2, b'a', 2, 2, b'c'];
    let deleted: &[u8] = &[0, 0, 0, 0, 1, 2, 2, 2, 2, 2, b'a', 0, 2, 2, b'd'];
    assert_eq!(messages[..2], [created, deleted]);
    let rows = decoded(&fake, &messages, 3).unwrap();
    assert_eq!(rows, ["+I | 1 | a", "-D | 1 | a", "+I | 2 | NULL", "-D | 2 | NULL"]);
    let record = |name: &str| {
        format!(
            r#"["null",{{"type":"record","name":"{name}","fields":[{{"name":"id","type":"int"}},{{"name":"s","type":["null","string"],"default":null}}]}}]"#
        )
    };
    let expected = format!(
        r#"["null",{{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[{{"name":"before","type":{},"default":null}},{{"name":"after","type":{},"default":null}},{{"name":"op","type":["null","string"],"default":null}}]}}]"#,
        record("record_before"),
        record("record_after")
    );
    assert_eq!(fake.schemas.lock().unwrap()[0], expected);
}

#[test]
fn a_given_schema_is_that_of_an_event() {
    let row = r#"{"type":"record","name":"NAME","fields":[{"name":"id","type":"int"},{"name":"s","type":["null","string"]}]}"#;
    let field = |name: &str| format!(r#"{{"name":"{name}","type":["null",{}]}}"#, row.replace("NAME", name));
    let op = r#"{"name":"op","type":["null",{"type":"enum","name":"o","symbols":["c","d"]}]}"#;
    let given = format!(r#"{{"type":"record","name":"e","fields":[{},{},{op}]}}"#, field("before"), field("after"));
    let fake = FakeRegistry::with(&[]);
    let format = debezium(&[("subject", "s"), ("schema", &given)]);
    let mut encoder = format.encoder(&EncoderSpec { schema: schema(), line_ends: false }).unwrap();
    ready(encoder.open(&fake.environment())).unwrap();
    let mut out = Encoded::default();
    encoder.encode(&batch(&schema(), "-D | 1 | a"), &mut out).unwrap();
    assert_eq!(out.bytes, [0, 0, 0, 0, 1, 2, 2, 2, 2, b'a', 0, 2, 2]);
    assert_eq!(decoded(&fake, &[&out.bytes], 1).unwrap(), ["-D | 1 | a"]);
    assert!(debezium(&[("schema", row)]).check(&schema()).unwrap_err().message().contains("another than that"));
}

#[test]
fn there_are_no_metadata_columns() {
    assert!(debezium(&[]).metadata().is_empty());
}
