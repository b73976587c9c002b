//! Messages with schemas in a registry: evolution, defaults, and what is wrong with a message.

use std::sync::Arc;

use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines, ready};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use crate::avro::registry::fake::FakeRegistry;
use crate::{DecodeError, Decoder, DecoderSpec, Encoded, EncoderSpec, Format, format};

fn confluent(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let mut options = Options(pairs.iter().map(|(k, v)| (format!("avro-confluent.{k}"), v.to_string())).collect());
    options.0.insert("avro-confluent.url".to_owned(), "http://registry".to_owned());
    let reader = OptionReader::new(&options, "test");
    let format = format("avro-confluent", &reader, "").unwrap();
    reader.finish().unwrap();
    format
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", LogicalType::not_null(TypeKind::Int)), Field::new("s", LogicalType::string())])
}

fn decoder(format: &dyn Format, schema: &Schema, projection: &[usize]) -> Box<dyn Decoder> {
    let spec = DecoderSpec {
        schema: schema.clone(),
        projection: projection.to_vec(),
        metadata: Vec::new(),
        dead_letters: false,
    };
    format.decoder(&spec).unwrap()
}

/// Rows of messages, given so many at a time.
fn decoded(
    fake: &Arc<FakeRegistry>,
    decoder: &mut dyn Decoder,
    messages: &[&[u8]],
    per_call: usize,
) -> Result<Vec<String>, String> {
    let environment = fake.environment();
    let mut rows = Vec::new();
    for piece in messages.chunks(per_call) {
        ready(decoder.prepare(&environment, piece)).map_err(|e| e.to_string())?;
        decoder.decode_messages(piece, &mut Vec::new()).map_err(|e| match e {
            DecodeError::Record(bad) => format!("{}: {}", bad.at, bad.what),
            DecodeError::Other(e) => e.to_string(),
        })?;
        if decoder.rows() > 0 {
            rows.extend(lines(&decoder.take().unwrap()));
        }
    }
    Ok(rows)
}

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#)
}

#[test]
fn writers_may_change_and_each_is_asked_for_once() {
    let old = record(r#"{"name":"id","type":"int"}"#);
    let new = record(
        r#"{"name":"more","type":{"type":"array","items":"long"}},{"name":"s","type":"string"},{"name":"id","type":"int"}"#,
    );
    let fake = FakeRegistry::with(&[&old, &new]);
    let messages: [&[u8]; 5] = [
        &[0, 0, 0, 0, 1, 2],
        &[0, 0, 0, 0, 2, 2, 8, 0, 2, b'x', 4],
        &[],
        &[0, 0, 0, 0, 1, 6],
        &[0, 0, 0, 0, 2, 0, 0, 8],
    ];
    let rows = ["+I | 1 | NULL", "+I | 2 | x", "+I | 3 | NULL", "+I | 4 | ''"];
    for per_call in [1, 7, usize::MAX] {
        let mut decoder = decoder(&*confluent(&[]), &schema(), &[0, 1]);
        assert_eq!(decoded(&fake, &mut *decoder, &messages, per_call).unwrap(), rows);
        assert_eq!(fake.asked().len(), 2);
    }
    let mut turned = decoder(&*confluent(&[]), &schema(), &[1]);
    assert_eq!(decoded(&fake, &mut *turned, &messages[..2], 9).unwrap(), ["+I | NULL", "+I | x"]);
}

#[test]
fn what_is_wrong_with_a_message_is_told_with_its_place() {
    let fake = FakeRegistry::with(&[&record(r#"{"name":"id","type":"string"}"#), "{}", r#"["null","int"]"#]);
    let told = |message: &[u8]| {
        let mut decoder = decoder(&*confluent(&[]), &schema(), &[0, 1]);
        decoded(&fake, &mut *decoder, &[&[], message], 9).unwrap_err()
    };
    assert_eq!(told(&[1, 0, 0, 0, 1]), "1: the message begins with the byte 1 instead of 0");
    assert_eq!(told(&[0, 0]), "1: a message of 2 bytes has no number of a schema");
    assert_eq!(told(&[0, 0, 0, 0, 1, 0]), "1: field 'id': an Avro string is no INT NOT NULL");
    assert!(told(&[0, 0, 0, 0, 2, 0]).starts_with("1: schema 2 of the registry: an Avro type has no 'type'"));
    assert!(told(&[0, 0, 0, 0, 3, 0]).contains("the Avro type int instead of a record"));
    assert!(told(&[0, 0, 0, 0, 9]).starts_with("1: schema 9 is not in the registry"));
    let mut unprepared = decoder(&*confluent(&[]), &schema(), &[0, 1]);
    let error = unprepared.decode_messages(&[&[0, 0, 0, 0, 1, 0]], &mut Vec::new()).unwrap_err();
    assert!(format!("{error:?}").contains("schema 1 was not fetched"));
}

fn written(fake: &Arc<FakeRegistry>, format: &dyn Format, rows: &str) -> Vec<Vec<u8>> {
    let mut encoder = format.encoder(&EncoderSpec { schema: schema(), line_ends: false }).unwrap();
    ready(encoder.open(&fake.environment())).unwrap();
    let mut out = Encoded::default();
    encoder.encode(&batch(&schema(), rows), &mut out).unwrap();
    let starts = std::iter::once(&0).chain(&out.ends);
    starts.zip(&out.ends).map(|(start, end)| out.bytes[*start..*end].to_vec()).collect()
}

#[test]
fn a_sink_registers_flinks_schema_and_its_messages_name_it() {
    let fake = FakeRegistry::with(&["\"int\""]);
    let messages = written(&fake, &*confluent(&[("subject", "t-value")]), "+I | 1 | a\n+I | -1 | NULL");
    assert_eq!(messages, [vec![0, 0, 0, 0, 2, 2, 2, 2, b'a'], vec![0, 0, 0, 0, 2, 1, 0]]);
    assert_eq!(
        fake.schemas.lock().unwrap()[1],
        r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[{"name":"id","type":"int"},{"name":"s","type":["null","string"],"default":null}]}"#
    );
    assert_eq!(fake.asked(), ["Post http://registry/subjects/t-value/versions"]);
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let mut decoder = decoder(&*confluent(&[]), &schema(), &[0, 1]);
    assert_eq!(decoded(&fake, &mut *decoder, &messages, 9).unwrap(), ["+I | 1 | a", "+I | -1 | NULL"]);
}

#[test]
fn a_sink_needs_a_subject_and_to_be_opened() {
    let spec = EncoderSpec { schema: schema(), line_ends: false };
    let error = confluent(&[]).encoder(&spec).err().unwrap();
    assert_eq!(error.message(), "option 'avro-confluent.subject' is missing");
    let mut encoder = confluent(&[("schema-registry.subject", "s")]).encoder(&spec).unwrap();
    let rows = batch(&schema(), "+I | 1 | a");
    assert!(encoder.encode(&rows, &mut Encoded::default()).unwrap_err().message().contains("was not opened"));
}

const GIVEN: &str = r#"["null", {"type":"record","name":"mine","fields":[
    {"name":"id","type":"int"},
    {"name":"s","type":["string","null"],"default":"none","aliases":["old_s"]}]}]"#;

#[test]
fn a_given_schema_is_written_and_its_defaults_and_aliases_are_read() {
    let (fake, given) = (FakeRegistry::with(&[]), confluent(&[("schema", GIVEN), ("subject", "s")]));
    let messages = written(&fake, &*given, "+I | 1 | a\n+I | 2 | NULL");
    assert_eq!(messages, [vec![0, 0, 0, 0, 1, 2, 2, 0, 2, b'a'], vec![0, 0, 0, 0, 1, 2, 4, 2]]);
    assert!(fake.schemas.lock().unwrap()[0].starts_with(r#"["null",{"type":"record","name":"mine","fields":[{"name""#));
    let bare = record(r#"{"name":"id","type":"int"}"#);
    let old = record(r#"{"name":"old_s","type":"string"},{"name":"id","type":"int"}"#);
    let fake = FakeRegistry::with(&[&bare, &old]);
    let mut decoder = decoder(&*given, &schema(), &[0, 1]);
    let messages: [&[u8]; 2] = [&[0, 0, 0, 0, 1, 2], &[0, 0, 0, 0, 2, 2, b'x', 4]];
    assert_eq!(decoded(&fake, &mut *decoder, &messages, 9).unwrap(), ["+I | 1 | none", "+I | 2 | x"]);
}

#[test]
fn a_given_schema_is_that_of_the_table() {
    let told = |fields: &str| confluent(&[("schema", &record(fields))]).check(&schema()).unwrap_err().to_string();
    let id = r#"{"name":"id","type":"int"}"#;
    assert!(told(id).contains("'avro-confluent.schema' is another than that of the table"));
    assert!(told(&format!(r#"{id},{{"name":"s","type":"string"}}"#)).contains("another"));
    assert!(told(&format!(r#"{{"name":"s","type":["null","string"]}},{id}"#)).contains("another"));
    let fitting = record(&format!(r#"{id},{{"name":"s","type":["null","string"]}}"#));
    confluent(&[("schema-registry.schema", &fitting)]).check(&schema()).unwrap();
}

/// As Flink 2.3 registered it, with its connector `filesystem`, to which rows may be null.
const FLINKS_SCHEMA: &str = r#"["null",{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[{"name":"id","type":"int"},{"name":"s","type":["null","string"],"default":null},{"name":"ts","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},{"name":"r","type":["null",{"type":"record","name":"record_r","fields":[{"name":"x","type":["null","int"],"default":null}]}],"default":null},{"name":"m","type":["null",{"type":"map","values":["null","int"]}],"default":null}]}]"#;
const FLINKS_MESSAGE: [u8; 27] =
    [0, 0, 0, 0, 1, 2, 2, 2, 2, 0x61, 2, 0x86, 0xb4, 0xae, 0xc3, 0xec, 0x5b, 2, 2, 0x0e, 2, 2, 2, 0x6b, 2, 2, 0];

#[test]
fn what_flink_wrote_is_read() {
    let int = LogicalType::new(TypeKind::Int);
    let row = TypeKind::Row(vec![Field::new("x", int.clone())]);
    let map = TypeKind::Map(Box::new(LogicalType::string()), Box::new(int));
    let mut columns = schema();
    for (name, kind) in [("ts", TypeKind::Timestamp(3)), ("r", row), ("m", map)] {
        columns.fields.push(Field::new(name, LogicalType::new(kind)));
    }
    let fake = FakeRegistry::with(&[FLINKS_SCHEMA]);
    let mut decoder = decoder(&*confluent(&[]), &columns, &[0, 1, 2, 3, 4]);
    let rows = decoded(&fake, &mut *decoder, &[&FLINKS_MESSAGE], 1).unwrap();
    assert_eq!(rows, ["+I | 1 | a | 1577934245123 | (7) | [(k, 1)]"]);
}
