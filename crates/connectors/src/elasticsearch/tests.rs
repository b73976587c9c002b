//! A service within the test: what becomes of rows, what is asked again, and what is told of what was refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use flott_api::http::{HttpRequest, HttpResponse};
use flott_api::sink::SinkWriter;
use flott_api::testing::{FakeWorld, SinkWorld, batch, ready, sink_contract};
use flott_api::{ChangeBatch, Field, LogicalType, Schema};
use serde_json::{Value, json};

use super::*;
use crate::testing::{options, writer_context};
use crate::web::testing::{Double, answer, header, no_answer};

const HUSH: &str = "swordfish-77";

/// What happens to a request.
#[derive(Clone, Copy)]
enum Fault {
    /// It is answered with this status.
    Status(u16),
    /// Its first change is answered with this status, and not done.
    FirstItem(u16),
    /// Nobody is there.
    Gone,
    /// It is done, and the answer is lost.
    Lost,
}

/// Documents by index and id.
#[derive(Default)]
struct Index {
    documents: Mutex<BTreeMap<String, Value>>,
    faults: Mutex<VecDeque<Fault>>,
}

impl Index {
    fn bulk(&self, request: &HttpRequest) -> Result<HttpResponse> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            Some(Fault::Status(status)) => {
                return answer(status, format!("busy, {}", header(request, "Authorization").unwrap_or("-")));
            }
            Some(Fault::Gone) => return no_answer(),
            _ => {}
        }
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(body.ends_with('\n'));
        let mut lines = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut items = Vec::new();
        while let Some(action) = lines.next() {
            let (op, target) = action.as_object().unwrap().iter().next().unwrap();
            let document = (op != "delete").then(|| lines.next().unwrap());
            let mut status = match fault {
                Some(Fault::FirstItem(status)) if items.is_empty() => status,
                _ => 200,
            };
            let failure =
                json!({"type": "some_exception", "reason": "because", "caused_by": {"type": "x", "reason": "y"}});
            if document.as_ref().is_some_and(|d| d.pointer("/doc/name").unwrap_or(&d["name"]) == "bad") {
                status = 400;
            }
            if status < 300 {
                self.apply(op, target, document);
            }
            items.push(json!({op: if status < 300 { json!({"status": status}) } else { json!({"status": status, "error": failure}) }}));
        }
        let errors = items.iter().any(|item| item.to_string().contains("error"));
        if matches!(fault, Some(Fault::Lost)) {
            no_answer()
        } else {
            answer(200, json!({"errors": errors, "items": items}).to_string())
        }
    }

    fn apply(&self, op: &str, target: &Value, document: Option<Value>) {
        let mut documents = self.documents.lock().unwrap();
        let made = format!("made-{:03}", documents.len());
        let id = target["_id"].as_str().unwrap_or(&made);
        let name = format!("{}/{id}", target["_index"].as_str().unwrap());
        match op {
            "delete" => drop(documents.remove(&name)),
            "index" => drop(documents.insert(name, document.unwrap())),
            _ => {
                let document = document.unwrap();
                assert_eq!(document["doc_as_upsert"], true);
                let there = documents.entry(name).or_insert_with(|| json!({}));
                there.as_object_mut().unwrap().extend(document["doc"].as_object().unwrap().clone());
            }
        }
    }

    fn all(&self) -> Vec<String> {
        self.documents.lock().unwrap().iter().map(|(name, document)| format!("{name} {document}")).collect()
    }
}

fn schema() -> Schema {
    let not_null = LogicalType { nullable: false, ..LogicalType::new(flott_api::TypeKind::Int) };
    Schema::new(vec![Field::new("id", not_null), Field::new("name", LogicalType::string())])
}

fn spec(keyed: bool, more: &[(&str, &str)]) -> SinkSpec {
    let mut all =
        vec![("hosts", "http://one:9200;http://two:9200"), ("index", "users"), ("sink.bulk-flush.interval", "0")];
    all.extend_from_slice(more);
    SinkSpec {
        connector: "elasticsearch-7".to_owned(),
        table: "c.d.users".to_owned(),
        options: options(&all),
        schema: schema(),
        metadata: Vec::new(),
        partition_keys: Vec::new(),
        static_partition: BTreeMap::new(),
        primary_key: if keyed { vec![0] } else { Vec::new() },
        changelog: if keyed { ChangelogMode::UPSERT } else { ChangelogMode::INSERT_ONLY },
        overwrite: false,
        session_zone: "UTC".to_owned(),
    }
}

/// A sink and its service.
struct World {
    index: Arc<Index>,
    double: Double,
    clock: Arc<FakeWorld>,
    spec: SinkSpec,
}

impl World {
    fn new(keyed: bool, more: &[(&str, &str)], faults: &[Fault]) -> Self {
        let index = Arc::new(Index::default());
        index.faults.lock().unwrap().extend(faults);
        let double = {
            let index = Arc::clone(&index);
            Double::new(move |request| index.bulk(request))
        };
        World { index, double, clock: FakeWorld::at(0), spec: spec(keyed, more) }
    }

    fn writer(&self) -> Box<dyn SinkWriter> {
        let sink = Elasticsearch::SEVEN.sink(&self.spec).unwrap();
        sink.writer(writer_context(&self.double.environment(&self.clock), 1)).unwrap()
    }

    /// Writes rows and a checkpoint.
    fn write(&self, rows: &str) -> Result<()> {
        let mut writer = self.writer();
        ready(writer.write(batch(&self.spec.schema, rows)))?;
        ready(writer.prepare_commit(false)).map(drop)
    }

    fn hosts(&self) -> Vec<String> {
        let host =
            |request: HttpRequest| request.url.trim_start_matches("http://").split(':').next().unwrap().to_owned();
        self.double.asked().into_iter().map(host).collect()
    }
}

const AGAIN: [(&str, &str); 3] = [
    ("sink.bulk-flush.backoff.strategy", "EXPONENTIAL"),
    ("sink.bulk-flush.backoff.max-retries", "3"),
    ("sink.bulk-flush.backoff.delay", "1 s"),
];

fn contract(keyed: bool) {
    let world = || {
        let world = World::new(keyed, &[], &[]);
        let environment = world.double.environment(&world.clock);
        let (index, spec) = (Arc::clone(&world.index), world.spec);
        SinkWorld {
            sink: Box::new(move || Elasticsearch::SEVEN.sink(&spec).unwrap()),
            environment,
            visible: Box::new(move || index.all()),
            hidden: Box::new(|| 0),
        }
    };
    let batches = [batch(&schema(), "+I | 1 | a\n+I | 2 | b"), batch(&schema(), "+I | 3 | c")];
    let rows = |batches: &[ChangeBatch]| {
        let count = batches.iter().map(ChangeBatch::len).sum::<usize>();
        let id = |row: usize| if keyed { (row + 1).to_string() } else { format!("made-{row:03}") };
        let names = ["a", "b", "c"];
        let row = |row: usize| format!("users/{} {}", id(row), json!({"id": row + 1, "name": names[row]}));
        (0..count).map(row).collect()
    };
    sink_contract(&world, &batches, &rows);
}

#[test]
fn the_contract_of_sinks() {
    contract(true);
    contract(false);
}

#[test]
fn changes_become_documents() {
    let world = World::new(true, &[], &[]);
    world.write("+I | 1 | a\n+I | 2 | b").unwrap();
    world.index.documents.lock().unwrap().get_mut("users/1").unwrap()["theirs"] = json!(7);
    world.write("+U | 1 | x\n-D | 2 | b\n-D | 9 | z").unwrap();
    assert_eq!(world.index.all(), ["users/1 {\"id\":1,\"name\":\"x\",\"theirs\":7}"]);
    world.write("-D | 1 | x\n+I | 1 | y").unwrap();
    assert_eq!(world.index.all(), ["users/1 {\"id\":1,\"name\":\"y\"}"]);
    assert_eq!(world.double.asked()[0].url, "http://one:9200/_bulk?filter_path=errors,items.*.status,items.*.error");
}

#[test]
fn what_is_busy_is_asked_again_and_overtaken_by_nothing() {
    let faults = [Fault::Status(429), Fault::FirstItem(429), Fault::FirstItem(503)];
    let world = World::new(true, &AGAIN, &faults);
    world.write("+I | 1 | a\n+I | 2 | b\n+U | 1 | c").unwrap();
    assert_eq!(world.index.all(), ["users/1 {\"id\":1,\"name\":\"c\"}", "users/2 {\"id\":2,\"name\":\"b\"}"]);
    let lines = |request: &HttpRequest| request.body.iter().filter(|b| **b == b'\n').count();
    assert_eq!(world.double.asked().iter().map(lines).collect::<Vec<_>>(), [4, 4, 2, 2]);
    // It has waited 1, 2 and 4 seconds.
    assert_eq!(flott_api::env::Clock::now_ms(&*world.clock), 7000);
}

#[test]
fn without_a_strategy_nothing_is_asked_again() {
    let world = World::new(true, &[], &[Fault::FirstItem(429)]);
    let error = world.write("+I | 1 | a").unwrap_err();
    assert!(crate::web::may_pass(&error), "{error:?}");
    assert_eq!(world.double.asked().len(), 1);
    let world = World::new(true, &AGAIN, &[Fault::Status(429); 4]);
    let error = world.write("+I | 1 | a").unwrap_err();
    assert_eq!(error.hint(), Some("It was tried 3 times more."));
    assert_eq!(world.double.asked().len(), 4);
}

#[test]
fn a_document_that_is_refused_is_told_with_its_reason() {
    let world = World::new(true, &AGAIN, &[]);
    let error = world.write("+I | 1 | a\n+I | 2 | bad").unwrap_err();
    let expected = "table 'c.d.users': 1 of 2 documents were refused: index \"users\" and id \"2\", status 400, \
        some_exception: because (x: y)";
    assert_eq!(error.message(), expected);
    assert!(!crate::web::may_pass(&error));
    assert_eq!(world.double.asked().len(), 1);
}

/// Without ids those that were taken would be there twice.
#[test]
fn what_was_not_taken_waits_and_the_others_are_not_sent_again() {
    for status in [429, 400] {
        let world = World::new(false, &[], &[Fault::FirstItem(status)]);
        let mut writer = world.writer();
        ready(writer.write(batch(&schema(), "+I | 1 | a\n+I | 2 | b"))).unwrap();
        ready(writer.prepare_commit(false)).unwrap_err();
        ready(writer.prepare_commit(false)).unwrap();
        let documents = ["users/made-000 {\"id\":2,\"name\":\"b\"}", "users/made-001 {\"id\":1,\"name\":\"a\"}"];
        assert_eq!(world.index.all(), documents);
    }
}

#[test]
fn an_answer_that_was_lost_makes_no_second_document() {
    let world = World::new(true, &AGAIN, &[Fault::Lost]);
    world.write("+I | 1 | a\n-D | 5 | q").unwrap();
    assert_eq!(world.index.all(), ["users/1 {\"id\":1,\"name\":\"a\"}"]);
    assert_eq!(world.double.asked().len(), 2);
}

#[test]
fn a_host_that_is_down_is_skipped() {
    let world = World::new(true, &[], &[Fault::Gone]);
    let mut writer = world.writer();
    for id in 1..=3 {
        ready(writer.write(batch(&schema(), &format!("+I | {id} | a")))).unwrap();
        ready(writer.prepare_commit(false)).unwrap();
    }
    assert_eq!(world.hosts(), ["one", "two", "two", "two"]);
    let world = World::new(true, &[], &[Fault::Gone, Fault::Status(503)]);
    let error = world.write("+I | 1 | a").unwrap_err();
    assert_eq!(world.hosts(), ["one", "two"]);
    assert!(error.message().contains("status 503"), "{error:?}");
}

#[test]
fn requests_have_bounds() {
    let rows: Vec<String> = (0..10).map(|id| format!("+I | {id} | {}", "x".repeat(100))).collect();
    let sizes = |more: &[(&str, &str)]| {
        let world = World::new(true, more, &[]);
        let mut writer = world.writer();
        ready(writer.write(batch(&schema(), &rows.join("\n")))).unwrap();
        let before = world.double.asked().len();
        ready(writer.prepare_commit(false)).unwrap();
        (before, world.double.asked().len(), world.index.all().len())
    };
    assert_eq!(sizes(&[("sink.bulk-flush.max-actions", "4")]), (2, 3, 10));
    assert_eq!(sizes(&[("sink.bulk-flush.max-actions", "0"), ("sink.bulk-flush.max-size", "500 b")]), (2, 3, 10));
    assert_eq!(sizes(&[("sink.bulk-flush.max-actions", "-1"), ("sink.bulk-flush.max-size", "-1")]), (0, 1, 10));
}

#[test]
fn the_password_goes_into_a_header_and_nowhere_else() {
    let user = [("username", "me"), ("password", HUSH), ("connection.path-prefix", "/v1/")];
    let world = World::new(true, &user, &[Fault::Status(401)]);
    let error = world.write("+I | 1 | a").unwrap_err();
    let asked = &world.double.asked()[0];
    let sent = header(asked, "authorization").unwrap();
    assert!(sent.starts_with("Basic ") && asked.url.starts_with("http://one:9200/v1/_bulk"), "{}", asked.url);
    // The service has said the header back.
    let shown = format!("{error:?} {error}");
    assert!(shown.contains("status 401: busy, ****") && !shown.contains(HUSH) && !shown.contains(sent), "{shown}");
}

fn refused(connector: Elasticsearch, more: &[(&str, &str)]) -> String {
    let spec = spec(true, more);
    let table = TableContext {
        path: spec.table,
        schema: spec.schema,
        partition_keys: Vec::new(),
        primary_key: vec!["id".to_owned()],
        options: spec.options,
        session_zone: spec.session_zone,
    };
    let error = connector.describe_sink(&table).err();
    error.map_or_else(
        || "taken".to_owned(),
        |e| format!("{} {} {}", e.message(), e.detail().unwrap_or(""), e.hint().unwrap_or("")),
    )
}

#[test]
fn options_that_are_wrong_are_refused() {
    let seven = |key, value| refused(Elasticsearch::SEVEN, &[(key, value)]);
    for (key, value, part) in [
        ("hosts", "localhost:9200", "no URL of HTTP"),
        ("hosts", "http://a:1/path", "connection.path-prefix"),
        ("hosts", ";", "names no host"),
        ("index", "a-{id}-{name}", "one part in braces"),
        ("index", "a-{nope}", "column 'nope'"),
        ("index", "a-{name|yyyy}", "of type STRING"),
        ("index", "a-{now()}", "is missing behind '|'"),
        ("sink.delivery-guarantee", "exactly-once", "no transactions"),
        ("sink.delivery-guarantee", "none", "not supported yet"),
        ("sink.bulk-flush.backoff.delay", "1 s", "without 'sink.bulk-flush.backoff.strategy'"),
        ("sink.bulk-flush.max-actions", "-2", "less than -1"),
        ("username", "me", "set together"),
        ("format", "csv", "format 'csv' of documents"),
        ("sink.parallelism", "0", "at least 1"),
        ("lookup.cash", "PARTIAL", "no option 'lookup.cash'"),
        ("allow-insecure", "true", "no option 'allow-insecure'"),
        ("socket.timeout", "0", "more than 0"),
    ] {
        let said = seven(key, value);
        assert!(said.contains(part), "{key} = {value}: {said}");
    }
    assert_eq!(seven("connection.skip-verify-ssl", "true"), "taken");
    assert_eq!(seven("connection.request-timeout", "1 s"), "taken");
    assert_eq!(refused(Elasticsearch::OPENSEARCH, &[("allow-insecure", "true")]), "taken");
    assert_eq!(refused(Elasticsearch::EIGHT, &[("sink.bulk-flush.max-in-flight-actions", "5")]), "taken");
    let said = refused(Elasticsearch::EIGHT, &[("ssl.certificate-fingerprint", "ab")]);
    assert!(said.contains("ssl.certificate-fingerprint"), "{said}");
    let said = refused(Elasticsearch::EIGHT, &[("sink.bulk-flush.backoff.strategy", "CONSTANT")]);
    assert!(said.contains("no option"), "{said}");
}

#[test]
fn an_index_may_have_a_part_of_the_row_or_of_the_clock() {
    let names = |pattern: &str| {
        let world = World::new(true, &[("index", pattern)], &[]);
        world.clock.set_now(1_590_364_800_000);
        world.write("+I | 1 | a\n+I | 2 | NULL").unwrap();
        let name = |line: &String| line.split('/').next().unwrap().to_owned();
        world.index.all().iter().map(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("all"), "all all");
    assert_eq!(names("u-{id}"), "u-1 u-2");
    assert_eq!(names("{name}-x"), "a-x null-x");
    assert_eq!(names("l-{ now( ) |yyyy.MM.dd}"), "l-2020.05.25 l-2020.05.25");
    let table = |pattern| refused(Elasticsearch::SEVEN, &[("index", pattern)]);
    assert_eq!(table("l-{NOW()|yyyy}"), "taken");
}

#[test]
fn a_deletion_must_say_which_index() {
    let world = World::new(true, &[("index", "u-{name}")], &[]);
    world.write("+I | 1 | a\n+I | 2 | NULL\n-D | 1 | a").unwrap();
    assert_eq!(world.index.all(), ["u-null/2 {\"id\":2,\"name\":null}"]);
    let error = world.write("-D | 2 | NULL").unwrap_err();
    let expected = "table 'c.d.users': a deletion has null in column 'name', which option 'index' names";
    assert_eq!((error.message(), world.index.all().len()), (expected, 1));
}

#[test]
fn dates_and_times_are_written_by_their_patterns() {
    use arrow_array::{ArrayRef, Date32Array, Int32Array, RecordBatch, TimestampMillisecondArray};
    use flott_api::TypeKind;
    let schema = Schema::new(vec![
        Field::new("day", LogicalType::new(TypeKind::Date)),
        Field::new("ts", LogicalType::new(TypeKind::Timestamp(3))),
        Field::new("n", LogicalType::new(TypeKind::Int)),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![Some(59), None])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(3_600_000), Some(0)])),
        Arc::new(Int32Array::from(vec![1, 2])),
    ];
    let rows = RecordBatch::try_new(schema.arrow(), columns).unwrap();
    let names = |pattern: &str| {
        let index = index::Index::parse(pattern, &schema, "UTC").unwrap();
        let parts = index.parts(&rows, 0).unwrap();
        let name = |row| {
            let mut name = String::new();
            index.write(&parts, row, &mut name);
            name
        };
        [name(0), name(1)]
    };
    assert_eq!(names("d-{day|yyyy-MM}"), ["d-1970-03", "d-null"]);
    assert_eq!(names("d-{day|}"), ["d-1970_03_01", "d-null"]);
    assert_eq!(names("d-{day}"), ["d-59", "d-null"]);
    assert_eq!(names("t-{ts|HH}"), ["t-01", "t-00"]);
    assert_eq!(names("t-{ts}"), ["t-1970-01-01T01:00", "t-1970-01-01T00:00"]);
}
