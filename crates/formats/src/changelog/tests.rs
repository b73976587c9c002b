//! Changes of every kind, metadata, and what is written, as recorded from Flink 2.3.0.

use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use crate::{DecodeError, DecoderSpec, Encoded, EncoderSpec, Format, format};

fn made(name: &str, pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (format!("{name}.{k}"), v.to_string())).collect());
    let reader = OptionReader::new(&options, "test");
    let format = format(name, &reader, "").unwrap();
    reader.finish().unwrap();
    format
}

fn debezium(pairs: &[(&str, &str)]) -> Box<dyn Format> {
    made("debezium-json", pairs)
}

fn ignoring(name: &str) -> Box<dyn Format> {
    made(name, &[("ignore-parse-errors", "true")])
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", LogicalType::new(TypeKind::Int)), Field::new("v", LogicalType::string())])
}

fn decoded(format: &dyn Format, metadata: &[&str], text: &str) -> Result<Vec<String>, String> {
    let offered = format.metadata();
    let ty = |key: &&str| offered.iter().find(|m| m.key == **key).map(|m| (m.key.clone(), m.ty.clone())).unwrap();
    let metadata = metadata.iter().map(ty).collect();
    let mut decoder = format
        .decoder(&DecoderSpec { schema: schema(), projection: vec![0, 1], metadata, dead_letters: false })
        .unwrap();
    match decoder.decode(text.as_bytes(), true) {
        Ok(_) if decoder.rows() == 0 => Ok(Vec::new()),
        Ok(_) => Ok(lines(&decoder.take().unwrap())),
        Err(DecodeError::Record(bad)) => Err(bad.what),
        Err(DecodeError::Other(e)) => Err(e.to_string()),
    }
}

fn all_metadata(format: &dyn Format, event: &str) -> Result<Vec<String>, String> {
    let keys: Vec<String> = format.metadata().into_iter().map(|m| m.key).collect();
    decoded(format, &keys.iter().map(String::as_str).collect::<Vec<_>>(), &event.replace('\n', " "))
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
fn each_format_writes_its_own_events() {
    let written = |name: &str, pairs: &[(&str, &str)]| {
        let mut out = Encoded::default();
        let mut encoder = made(name, pairs).encoder(&EncoderSpec { schema: schema(), line_ends: true }).unwrap();
        encoder.encode(&batch(&schema(), "+U | 1 | NULL\n-U | 1 | NULL"), &mut out).unwrap();
        String::from_utf8(out.bytes).unwrap()
    };
    let canal = r#"{"data":[{"id":1,"v":null}],"type":"INSERT"}
{"data":[{"id":1,"v":null}],"type":"DELETE"}
"#;
    let maxwell = r#"{"data":{"id":1,"v":null},"type":"insert"}
{"data":{"id":1,"v":null},"type":"delete"}
"#;
    let ogg = r#"{"before":null,"after":{"id":1,"v":null},"op_type":"I"}
{"before":{"id":1,"v":null},"after":null,"op_type":"D"}
"#;
    let short = [("encode.ignore-null-fields", "true")];
    for (name, all) in [("canal-json", canal), ("maxwell-json", maxwell), ("ogg-json", ogg)] {
        assert_eq!(written(name, &[]), all, "{name}");
        let without = all.replace(",\"v\":null", "").replace("\"before\":null,", "").replace(",\"after\":null", "");
        assert_eq!(written(name, &short), without, "{name}");
    }
}

#[test]
fn a_sink_cannot_include_the_schema() {
    let format = debezium(&[("schema-include", "true")]);
    assert!(format.encoder(&EncoderSpec { schema: schema(), line_ends: true }).is_err());
}

/// Events with metadata, and what Flink 2.3.0 made of them (recorded from its schemas, as its file connector reads no
/// metadata of a format). Maps have the order of the event here.
#[test]
fn metadata_of_debezium() {
    let event = |rest: &str| all_metadata(&*debezium(&[]), &format!(r#"{{"after":{{"id":1}},"op":"c"{rest}}}"#));
    let source = r#"{"db":"d\"q","table":"t","schema":null,"ts_ms":7,"x":[1, 2]}"#;
    let rows = event(&format!(r#","ts_ms":5,"schema":{{"s": 1}},"source":{source}"#)).unwrap();
    let properties = "[(db, d\"q), (table, t), (schema, NULL), (ts_ms, 7), (x, [1,2])]";
    assert_eq!(rows, [format!("+I | 1 | NULL | {{\"s\":1}} | 5 | 7 | d\"q | NULL | t | {properties}")]);
    assert_eq!(event(r#","source":5"#).unwrap(), ["+I | 1 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | []"]);
    let bad = |rest: &str, what: &str| assert_eq!(event(rest).unwrap_err(), what);
    bad(r#","source":{"ts_ms":" 7"}"#, "metadata 'source.timestamp': ' 7' is no BIGINT");
    bad(r#","source":{"ts_ms":1.5}"#, "metadata 'source.timestamp': '1.5' is no BIGINT");
    bad(r#","ts_ms":"x""#, "metadata 'ingestion-timestamp': 'x' is no BIGINT");
}

#[test]
fn the_schema_lies_beside_the_payload() {
    let format = debezium(&[("schema-include", "true")]);
    let event = |text: &str| decoded(&*format, &["schema", "ingestion-timestamp"], text);
    let rows = event(r#"{"schema":{"s": 1},"payload":{"after":{"id":1},"op":"c","ts_ms":5,"schema":"inner"}}"#);
    assert_eq!(rows.unwrap(), ["+I | 1 | NULL | {\"s\":1} | 5"]);
    let rows = event(r#"{"schema":"a\\b","payload":{"after":{"id":1},"op":"c"}}"#);
    assert_eq!(rows.unwrap(), ["+I | 1 | NULL | a\\b | NULL"]);
    for missing in [r#"{"after":{"id":1},"op":"c"}"#, r#"{"payload":null}"#] {
        assert_eq!(event(missing).unwrap_err(), "the event has no 'payload'");
    }
    assert!(event(r#"{"payload":7}"#).is_err());
}

#[test]
fn metadata_of_canal() {
    let start = r#"{"data":[{"id":1},{"id":2}],"type":"INSERT""#;
    let strict = made("canal-json", &[]);
    let event = |rest: &str| all_metadata(&*strict, &format!("{start}{rest}}}"));
    let both = |row: &str| [format!("+I | 1 | NULL | {row}"), format!("+I | 2 | NULL | {row}")];
    let all = r#","database":"d\u00e4","table":"t","sqlType":{"id":4,"x":"12","n":null},"pkNames":["id",null,3],
        "ts":1589373515477,"es":"-1500""#;
    let expected = "dä | t | [(id, 4), (x, 12), (n, NULL)] | [id, NULL, 3] | 1589373515477 | -1500";
    assert_eq!(event(all).unwrap(), both(expected));
    assert_eq!(event("").unwrap(), both("NULL | NULL | NULL | NULL | NULL | NULL"));
    let odd = r#","database":null,"table":{"a": [1]},"sqlType":7,"pkNames":null,"ts":1.5,"es":null"#;
    assert_eq!(event(odd).unwrap(), both("NULL | {\"a\":[1]} | [] | NULL | 1 | NULL"));
    let ends = format!(r#","ts":{},"es":{}"#, i64::MAX, i64::MIN);
    assert_eq!(event(&ends).unwrap(), both(&format!("NULL | NULL | NULL | NULL | {} | {}", i64::MAX, i64::MIN)));
    let lenient = ignoring("canal-json");
    let cases = [
        (r#","sqlType":{"id":"x"}"#, "NULL | NULL | [(id, NULL)] | NULL | NULL | NULL"),
        (r#","pkNames":"id""#, "NULL | NULL | NULL | NULL | NULL | NULL"),
        (r#","ts":"abc""#, "NULL | NULL | NULL | NULL | NULL | NULL"),
    ];
    for (rest, row) in cases {
        assert!(event(rest).unwrap_err().starts_with("metadata '"), "{rest}");
        assert_eq!(all_metadata(&*lenient, &format!("{start}{rest}}}")).unwrap(), both(row), "{rest}");
    }
}

#[test]
fn metadata_of_maxwell() {
    let format = made("maxwell-json", &[]);
    let event =
        |rest: &str| all_metadata(&*format, &format!(r#"{{"data":{{"id":1}},"type":"insert"{rest}}}"#)).unwrap();
    let all = r#","database":"d","table":"t","primary_key_columns":["id"],"ts":1596684904"#;
    assert_eq!(event(all), ["+I | 1 | NULL | d | t | [id] | 1596684904000"]);
    assert_eq!(event(""), ["+I | 1 | NULL | NULL | NULL | NULL | NULL"]);
    // Java's multiplication runs over.
    assert_eq!(event(r#","ts":9223372036854775807"#), ["+I | 1 | NULL | NULL | NULL | NULL | -1000"]);
    let update = r#"{"data":{"id":1},"old":{"id":2},"type":"update","ts":-1}"#;
    let rows = all_metadata(&*format, update).unwrap();
    assert_eq!(rows, ["-U | 2 | NULL | NULL | NULL | NULL | -1000", "+U | 1 | NULL | NULL | NULL | NULL | -1000"]);
}

#[test]
fn metadata_of_ogg() {
    let format = made("ogg-json", &[]);
    let event = |rest: &str| all_metadata(&*format, &format!(r#"{{"after":{{"id":1}},"op_type":"I"{rest}}}"#));
    let all = r#","table":"OGG.T","primary_keys":["id","v"],"current_ts":"2020-05-13T15:40:07.413000",
        "op_ts":"2020-05-13 15:40:06.000000""#;
    let row = "+I | 1 | NULL | OGG.T | [id, v] | 1589384407413000 | 1589384406000000";
    assert_eq!(event(all).unwrap(), [row]);
    assert_eq!(event("").unwrap(), ["+I | 1 | NULL | NULL | NULL | NULL | NULL"]);
    for (current, micros) in [
        ("2020-05-13T15:40:07.413", "NULL"),
        ("2020-05-13 15:40:07.413000", "1589384407413000"),
        ("2020-05-13T15:40:07", "NULL"),
        ("2020-05-13T15:40:07.4130001", "NULL"),
        ("2020-02-30T15:40:07.413000", "1582990807413000"),
    ] {
        let rows = event(&format!(r#","current_ts":"{current}""#)).unwrap();
        assert_eq!(rows, [format!("+I | 1 | NULL | NULL | NULL | {micros} | NULL")], "{current}");
    }
    for bad in ["\"2020-05-13T15:40:06\"", "\"x\"", "1589384406000", "\"2020-05-13 15:40:06Z\""] {
        let what = event(&format!(r#","op_ts":{bad}"#)).unwrap_err();
        assert_eq!(what, format!("metadata 'event-timestamp': '{}' is no TIMESTAMP", bad.replace('"', "")));
        let lenient = all_metadata(&*ignoring("ogg-json"), &format!(r#"{{"after":{{}},"op_type":"I","op_ts":{bad}}}"#));
        assert_eq!(lenient.unwrap(), Vec::<String>::new());
    }
}

#[test]
fn what_is_old_is_what_the_old_row_itself_has() {
    let canal = made("canal-json", &[]);
    let event =
        r#"{"data":[{"id":1,"v":"a"},{"id":2,"v":"b"}],"old":[{"v":null},{"id":3,"v":"x","v":"y"}],"type":"UPDATE"}"#;
    let rows = decoded(&*canal, &[], event).unwrap();
    assert_eq!(rows, ["-U | 1 | NULL", "+U | 1 | a", "-U | 3 | y", "+U | 2 | b"]);
    // Flink finds the 'v' of the first old row, and takes the second's for null, too.
    let event = r#"{"data":[{"id":1,"v":"a"},{"id":2,"v":"b"}],"old":[{"v":null},{"id":3}],"type":"UPDATE"}"#;
    let rows = decoded(&*canal, &[], event).unwrap();
    assert_eq!(rows, ["-U | 1 | NULL", "+U | 1 | a", "-U | 3 | b", "+U | 2 | b"]);
    let maxwell = made("maxwell-json", &[]);
    let event = r#"{"old":{"w":{"v":1}},"data":{"id":1,"v":"a"},"type":"update"}"#;
    assert_eq!(decoded(&*maxwell, &[], event).unwrap(), ["-U | 1 | a", "+U | 1 | a"]);
}

#[test]
fn the_rows_before_a_bad_one_are_taken_where_such_are_skipped() {
    let insert = r#"{"data":[{"id":1},{"id":2},null,{"id":3}],"type":"INSERT"}"#;
    let update = r#"{"data":[{"id":1},{"id":2}],"old":[{"id":0}],"type":"UPDATE"}"#;
    let strict = made("canal-json", &[]);
    assert_eq!(decoded(&*strict, &[], insert).unwrap_err(), "'data' of a +I event is null");
    assert_eq!(decoded(&*strict, &[], update).unwrap_err(), "'old' has fewer rows than 'data'");
    let lenient = ignoring("canal-json");
    let spec = DecoderSpec { schema: schema(), projection: vec![0], metadata: Vec::new(), dead_letters: false };
    let mut decoder = lenient.decoder(&spec).unwrap();
    let (mut rows, messages) = (Vec::new(), [insert.as_bytes(), update.as_bytes(), b"", b"x"]);
    decoder.decode_messages(&messages, &mut rows).unwrap();
    assert_eq!((rows, decoder.take_skipped()), (vec![2, 2, 0, 0], 3));
    assert_eq!(lines(&decoder.take().unwrap()), ["+I | 1", "+I | 2", "-U | 0", "+U | 1"]);
}

#[test]
fn a_bad_message_is_named_and_leaves_nothing() {
    let messages: [&[u8]; 2] = [br#"{"data":{"id":1},"type":"insert"}"#, br#"{"data":{"id":"x"},"type":"insert"}"#];
    let spec = DecoderSpec { schema: schema(), projection: vec![0], metadata: Vec::new(), dead_letters: false };
    let mut decoder = made("maxwell-json", &[]).decoder(&spec).unwrap();
    let error = decoder.decode_messages(&messages, &mut Vec::new()).unwrap_err();
    let DecodeError::Record(bad) = error else { panic!() };
    assert_eq!((bad.at, bad.what.as_str()), (1, "field 'id': 'x' is no INT"));
    assert_eq!(lines(&decoder.take().unwrap()), ["+I | 1"]);
}

#[test]
fn events_of_other_tables_are_skipped_before_anything_is_read() {
    let only = made("canal-json", &[("database.include", "shop|sh"), ("table.include", "t\\d")]);
    let event = |rest: &str| decoded(&*only, &[], &format!(r#"{{"data":[{{"id":1}}],"type":"INSERT"{rest}}}"#));
    let nothing = Ok(Vec::new());
    assert_eq!(event(r#","database":"shop","table":"t1""#).unwrap(), ["+I | 1 | NULL"]);
    assert_eq!(event(r#","database":"shop","table":"t12""#), nothing);
    assert_eq!(event(r#","database":"shopping","table":"t1""#), nothing);
    assert_eq!(event(r#","database":"x""#), nothing);
    assert_eq!(event(r#","database":"sh""#).unwrap_err(), "the event has no 'table'");
    let bad = r#"{"data":7,"type":"?","database":"x"}"#;
    assert_eq!(decoded(&*only, &[], bad), nothing);
    let broken = r#"{"data":[{"id":1}],"database":"x""#;
    assert!(decoded(&*only, &[], broken).is_err());
}

#[test]
fn the_error_of_a_pattern_names_the_option() {
    let error = |pattern: &str| {
        let options = Options([("canal-json.table.include".to_owned(), pattern.to_owned())].into_iter().collect());
        format("canal-json", &OptionReader::new(&options, "test"), "").err().unwrap()
    };
    assert_eq!(error("(").message(), "option 'canal-json.table.include' is no pattern: '('");
    let error = error("a(?=b)");
    assert!(error.message().contains("'a(?=b)' of option 'canal-json.table.include'"), "{}", error.message());
    assert_eq!(error.detail(), Some("It has a group with '(?'."));
}

#[test]
fn one_event_in_an_array_is_one() {
    for (name, op) in [("debezium-json", r#""op":"c""#), ("ogg-json", r#""op_type":"I""#)] {
        let event = format!(r#"{{"after":{{"id":1}},{op}}}"#);
        let rows = |text: String| decoded(&*made(name, &[]), &[], &text);
        assert_eq!(rows(format!("[{event}]")).unwrap(), ["+I | 1 | NULL"]);
        assert_eq!(rows(format!("[{event},{event}]")).unwrap_err(), "the array has not one event");
        assert_eq!(rows("[]".to_owned()).unwrap_err(), "the array has not one event");
    }
    for name in ["canal-json", "maxwell-json"] {
        assert_eq!(decoded(&*made(name, &[]), &[], "[{}]").unwrap_err(), "the record is no JSON object");
    }
}

#[test]
fn each_format_has_the_options_that_flink_gives_it() {
    let unknown = |name: &str, option: &str| {
        let options = Options([(format!("{name}.{option}"), "true".to_owned())].into_iter().collect());
        let reader = OptionReader::new(&options, "test");
        format(name, &reader, "").unwrap();
        reader.finish().is_err()
    };
    for name in ["canal-json", "debezium-json", "maxwell-json", "ogg-json"] {
        for option in ["ignore-parse-errors", "encode.decimal-as-plain-number", "encode.ignore-null-fields"] {
            assert!(!unknown(name, option), "{name}.{option}");
        }
        for option in ["fail-on-missing-field", "decode.json-parser.enabled"] {
            assert!(unknown(name, option), "{name}.{option}");
        }
        assert_eq!(unknown(name, "schema-include"), name != "debezium-json");
        assert_eq!(unknown(name, "database.include"), name != "canal-json");
    }
}
