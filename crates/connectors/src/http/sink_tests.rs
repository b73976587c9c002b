//! A service within the test that takes rows: what is sent, and what becomes of what it answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use flott_api::env::Clock;
use flott_api::http::HttpMethod;
use flott_api::testing::{FakeWorld, SinkWorld, batch, ready, sink_contract};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};
use serde_json::Value;

use super::*;
use crate::testing::{options, writer_context};
use crate::web::testing::{Double, answer, header, no_answer};

/// Rows that were taken. Status 0 is no answer, and 1 an answer that is lost.
#[derive(Default)]
struct Taken {
    rows: Mutex<Vec<String>>,
    statuses: Mutex<VecDeque<u16>>,
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", LogicalType::new(TypeKind::Int)), Field::new("name", LogicalType::string())])
}

fn service(statuses: &[u16]) -> (Arc<Taken>, Double) {
    let taken = Arc::new(Taken { statuses: Mutex::new(statuses.iter().copied().collect()), ..Taken::default() });
    let double = {
        let taken = Arc::clone(&taken);
        Double::new(move |request| {
            let status = taken.statuses.lock().unwrap().pop_front().unwrap_or(200);
            if status == 0 {
                return no_answer();
            }
            if status < 300 {
                let rows = match serde_json::from_slice(&request.body).unwrap() {
                    Value::Array(rows) => rows,
                    row => vec![row],
                };
                taken.rows.lock().unwrap().extend(rows.iter().map(Value::to_string));
            }
            if status == 1 { no_answer() } else { answer(status, header(request, "Authorization").unwrap_or("-")) }
        })
    };
    (taken, double)
}

fn spec(more: &[(&str, &str)]) -> SinkSpec {
    let mut all = vec![("url", "http://host/rows"), ("format", "json"), ("sink.flush-buffer.timeout", "0")];
    for (key, value) in more {
        all.retain(|(known, _)| known != key);
        all.push((*key, *value));
    }
    SinkSpec {
        connector: "http-sink".to_owned(),
        table: "c.d.rows".to_owned(),
        options: options(&all),
        schema: schema(),
        metadata: Vec::new(),
        partition_keys: Vec::new(),
        static_partition: BTreeMap::new(),
        primary_key: Vec::new(),
        changelog: ChangelogMode::INSERT_ONLY,
        overwrite: false,
        session_zone: "UTC".to_owned(),
    }
}

fn write(double: &Double, clock: &Arc<FakeWorld>, more: &[(&str, &str)], rows: &str) -> Result<()> {
    let environment = double.environment(clock);
    let mut writer = HttpSinkTable.sink(&spec(more)).unwrap().writer(writer_context(&environment, 1))?;
    ready(writer.write(batch(&schema(), rows)))?;
    ready(writer.prepare_commit(false)).map(drop)
}

const ROWS: &str = "+I | 1 | a\n+I | 2 | b\n+I | 3 | c";

fn bodies(double: &Double) -> Vec<String> {
    double.asked().iter().map(|request| String::from_utf8(request.body.to_vec()).unwrap()).collect()
}

#[test]
fn the_contract_of_sinks() {
    for mode in ["single", "batch"] {
        let world = || {
            let (taken, double) = service(&[]);
            SinkWorld {
                sink: Box::new(move || HttpSinkTable.sink(&spec(&[("http.sink.writer.request.mode", mode)])).unwrap()),
                environment: double.environment(&FakeWorld::at(0)),
                visible: Box::new(move || taken.rows.lock().unwrap().clone()),
                hidden: Box::new(|| 0),
            }
        };
        let batches = [batch(&schema(), "+I | 0 | x\n+I | 1 | x"), batch(&schema(), "+I | 2 | x")];
        let rows = |batches: &[ChangeBatch]| {
            let count = batches.iter().map(ChangeBatch::len).sum::<usize>();
            (0..count).map(|id| format!("{{\"id\":{id},\"name\":\"x\"}}")).collect()
        };
        sink_contract(&world, &batches, &rows);
    }
}

#[test]
fn rows_are_sent_as_arrays_with_bounds() {
    let (_, double) = service(&[]);
    write(&double, &FakeWorld::at(0), &[("http.sink.request.batch.size", "2")], ROWS).unwrap();
    assert_eq!(bodies(&double), [r#"[{"id":1,"name":"a"},{"id":2,"name":"b"}]"#, r#"[{"id":3,"name":"c"}]"#]);
    let asked = &double.asked()[0];
    assert_eq!((asked.method, header(asked, "content-type")), (HttpMethod::Post, Some("application/json")));
    let (_, double) = service(&[]);
    write(&double, &FakeWorld::at(0), &[("sink.flush-buffer.size", "45 b")], ROWS).unwrap();
    assert_eq!(double.asked().len(), 2);
}

#[test]
fn rows_may_be_sent_each_by_itself() {
    let single = [
        ("gid.connector.http.sink.writer.request.mode", "single"),
        ("insert-method", "PUT"),
        ("gid.connector.http.sink.header.X-Of", "me"),
    ];
    let (_, double) = service(&[]);
    write(&double, &FakeWorld::at(0), &single, ROWS).unwrap();
    assert_eq!(bodies(&double), [r#"{"id":1,"name":"a"}"#, r#"{"id":2,"name":"b"}"#, r#"{"id":3,"name":"c"}"#]);
    let asked = &double.asked()[0];
    assert_eq!((asked.method, header(asked, "x-of")), (HttpMethod::Put, Some("me")));
}

#[test]
fn what_is_busy_is_asked_again_and_an_error_fails() {
    let (taken, double) = service(&[429, 0, 503]);
    let clock = FakeWorld::at(0);
    write(&double, &clock, &[], ROWS).unwrap();
    assert_eq!((taken.rows.lock().unwrap().len(), double.asked().len(), clock.now_ms()), (3, 4, 7000));
    let (_, double) = service(&[400]);
    let error = write(&double, &FakeWorld::at(0), &[], ROWS).unwrap_err();
    assert_eq!(error.message(), "table 'c.d.rows': http://host/rows was answered with status 400: -");
    assert_eq!(double.asked().len(), 1);
    // Nobody goes where it says.
    let (_, double) = service(&[302]);
    assert!(write(&double, &FakeWorld::at(0), &[], ROWS).is_err());
    let (_, double) = service(&[503; 9]);
    let error = write(&double, &FakeWorld::at(0), &[("http.sink.max-retries", "1")], ROWS).unwrap_err();
    assert!(crate::web::may_pass(&error), "{error:?}");
    assert_eq!(double.asked().len(), 2);
    for (codes, excluded, is_error) in [
        ("4XX", "", true),
        ("4XX", "404", false),
        ("5XX", "", false),
        ("404", "", true),
        ("404", "4XX", false),
        ("4XX", "4XX,!404", true),
        ("4XX", "4XX,!403", false),
        ("4XX,!404", "403", false),
    ] {
        let (_, double) = service(&[404]);
        let options = [("http.sink.error.code", codes), ("http.sink.error.code.exclude", excluded)];
        let written = write(&double, &FakeWorld::at(0), &options, ROWS);
        assert_eq!(written.is_err(), is_error, "{codes} but {excluded}: {written:?}");
    }
}

#[test]
fn a_request_whose_answer_was_lost_is_sent_again() {
    let (taken, double) = service(&[1]);
    write(&double, &FakeWorld::at(0), &[], "+I | 1 | a").unwrap();
    assert_eq!(*taken.rows.lock().unwrap(), [r#"{"id":1,"name":"a"}"#; 2]);
}

#[test]
fn what_is_secret_goes_into_headers_and_nowhere_else() {
    let (_, double) = service(&[403]);
    let header = [("http.sink.header.Authorization", "me:swordfish-77")];
    let error = write(&double, &FakeWorld::at(0), &header, ROWS).unwrap_err();
    let shown = format!("{error:?} {error}");
    assert!(shown.contains("status 403: ****"), "{shown}");
    assert!(!shown.contains("swordfish") && !shown.contains("bWU6c3dvcmRmaXNoLTc3"), "{shown}");
}

#[test]
fn options_that_are_wrong_are_refused() {
    for (key, value, part) in [
        ("insert-method", "GET", "'POST', 'PUT'"),
        ("sink.batch.max-size", "0", "at least 1"),
        ("http.sink.error.code.exclude", "!404", "no exception of anything"),
        ("http.sink.writer.thread-pool.size", "4", "not supported yet"),
        ("http.sink.request-callback", "x", "classes of Java"),
        ("http.logging.level", "MAX", "is never logged"),
        ("format", "csv", "'http.sink.writer.request.mode' = 'single'"),
        ("format", "orc", "no messages"),
        ("json.dead-letter.table", "t", "not supported yet"),
        ("lookup-method", "GET", "no option 'lookup-method'"),
    ] {
        let error = SinkOptions::read(&spec(&[(key, value)]).options).err().unwrap_or_else(|| panic!("{key} is taken"));
        let said = format!("{} {} {}", error.message(), error.detail().unwrap_or(""), error.hint().unwrap_or(""));
        assert!(said.contains(part), "{key} = {value}: {said}");
    }
    let changes = SinkOptions::read(&spec(&[("format", "debezium-json")]).options).unwrap();
    assert!(!changes.format.changelog().is_insert_only());
}
