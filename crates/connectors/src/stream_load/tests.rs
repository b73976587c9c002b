//! Doris and StarRocks within the test: front ends that send whoever loads to a back end, labels that are taken once,
//! transactions that are prepared, committed and given up, and answers that are lost.
//!
//! Written by what the databases' documentation and sources say of these requests; no real server was at hand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott_api::http::{HttpMethod, HttpRequest, HttpResponse};
use flott_api::ids::{JobId, Subtask};
use flott_api::sink::{Committable, SinkWriter, WriterContext};
use flott_api::testing::{FakeWorld, SinkWorld, batch, ready, sink_contract};
use flott_api::{ChangeBatch, Field, LogicalType, Schema};
use serde_json::{Value, json};

use super::labels::{Prepared, tag_of};
use super::*;
use crate::testing::options;
use crate::web::testing::{Double, answer, header, no_answer};

const HUSH: &str = "swordfish-77";
const JOB: JobId = JobId(7);

/// What happens to a request whose path has this in it.
#[derive(Clone)]
struct Fault {
    path: &'static str,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Status(u16),
    /// It is done, and the answer is lost.
    Lost,
    Gone,
    /// It fails, with this message.
    Fails(&'static str),
}

struct Transaction {
    state: &'static str,
    rows: Vec<Value>,
}

/// A database.
struct Server {
    brand: Brand,
    transactions: Mutex<BTreeMap<String, Transaction>>,
    /// Rows of transactions in the order in which they were committed.
    visible: Mutex<Vec<Value>>,
    faults: Mutex<VecDeque<Fault>>,
}

impl Server {
    fn new(brand: Brand) -> Arc<Self> {
        let (transactions, visible, faults) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Server { brand, transactions, visible, faults })
    }

    fn double(self: &Arc<Self>) -> Double {
        let server = Arc::clone(self);
        Double::new(move |request| server.answer(request))
    }

    fn fault(&self, path: &'static str, what: What) {
        self.faults.lock().unwrap().push_back(Fault { path, what });
    }

    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse> {
        assert_eq!(header(request, "authorization"), Some("Basic cm9vdDpzd29yZGZpc2gtNzc="));
        let mut faults = self.faults.lock().unwrap();
        let hit = faults.iter().position(|fault| request.url.contains(fault.path));
        let what = hit.and_then(|at| faults.remove(at)).map(|fault| fault.what);
        drop(faults);
        match what {
            Some(What::Status(status)) => return answer(status, header(request, "authorization").unwrap()),
            Some(What::Gone) => return no_answer(),
            Some(What::Fails(why)) => return answer(200, json!({"Status": "Fail", "Message": why}).to_string()),
            _ => {}
        }
        let (host, path) = request.url.trim_start_matches("http://").split_once('/').unwrap();
        let answered = if path.contains("get_load_state") {
            self.load_state(path)
        } else if host == "fe:8030"
            && (path.contains("_stream_load") && !path.contains("2pc") || path.contains("transaction"))
        {
            assert!(request.body.is_empty(), "a front end reads no rows");
            let place = format!("http://root:{HUSH}@be:8040/{path}");
            return Ok(HttpResponse { status: 307, headers: vec![("location".to_owned(), place)], body: Bytes::new() });
        } else {
            self.at_back(request, path)
        };
        if what == Some(What::Lost) { no_answer() } else { answered }
    }

    fn load_state(&self, path: &str) -> Result<HttpResponse> {
        let label = path.split("label=").nth(1).unwrap();
        let state = self.transactions.lock().unwrap().get(label).map_or("UNKNOWN", |t| t.state);
        answer(200, match self.brand {
            Brand::Doris => json!({"msg": "success", "code": 0, "data": if state == "PREPARED" { "PRECOMMITTED" } else { state }}),
            Brand::StarRocks => json!({"state": state, "status": "OK"}),
        }.to_string())
    }

    fn at_back(&self, request: &HttpRequest, path: &str) -> Result<HttpResponse> {
        let label = header(request, "label").unwrap().to_owned();
        let said = match (path, header(request, "txn_operation")) {
            ("api/db/_stream_load_2pc", Some(operation)) => self.end(&label, operation == "commit"),
            ("api/transaction/commit", _) => self.end(&label, true),
            ("api/transaction/rollback", _) => self.end(&label, false),
            ("api/transaction/begin", _) => self.begin(&label, "PREPARE"),
            ("api/transaction/load", _) => self.rows(&label, request),
            ("api/transaction/prepare", _) => self.to(&label, "PREPARED"),
            ("api/db/t/_stream_load", _) => self.stream_load(&label, request),
            _ => panic!("there is no '{path}'"),
        };
        answer(200, said.to_string())
    }

    fn begin(&self, label: &str, state: &'static str) -> Value {
        let mut transactions = self.transactions.lock().unwrap();
        // The label of one that was rolled back may be used again.
        if transactions.get(label).is_some_and(|t| t.state != "ABORTED") {
            let said = if self.brand == Brand::Doris { "Label Already Exists" } else { "LABEL_ALREADY_EXISTS" };
            return json!({"Status": said, "Message": "label is there"});
        }
        transactions.insert(label.to_owned(), Transaction { state, rows: Vec::new() });
        json!({"Status": if self.brand == Brand::Doris { "Success" } else { "OK" }})
    }

    fn stream_load(&self, label: &str, request: &HttpRequest) -> Value {
        let said = self.begin(label, "PREPARE");
        if said["Message"].is_string() {
            return said;
        }
        self.rows(label, request);
        if header(request, "two_phase_commit") == Some("true") {
            assert_eq!(self.brand, Brand::Doris);
            self.to(label, "PREPARED");
        } else {
            self.to(label, "PREPARED");
            self.end(label, true);
        }
        said
    }

    fn rows(&self, label: &str, request: &HttpRequest) -> Value {
        let Value::Array(rows) = serde_json::from_slice(&request.body).unwrap() else { panic!("no array") };
        assert_eq!(header(request, "strip_outer_array"), Some("true"));
        let has_op = rows[0].as_object().unwrap().keys().any(|key| key.starts_with("__"));
        assert_eq!(has_op, header(request, "hidden_columns").or(header(request, "columns")).is_some());
        self.transactions.lock().unwrap().get_mut(label).unwrap().rows.extend(rows);
        json!({"Status": "OK"})
    }

    fn to(&self, label: &str, state: &'static str) -> Value {
        self.transactions.lock().unwrap().get_mut(label).unwrap().state = state;
        json!({"Status": "OK"})
    }

    fn end(&self, label: &str, commits: bool) -> Value {
        let mut transactions = self.transactions.lock().unwrap();
        match transactions.get_mut(label) {
            Some(t) if t.state == "PREPARED" && commits => {
                t.state = "VISIBLE";
                self.visible.lock().unwrap().extend(t.rows.clone());
                json!({"status": "Success", "msg": "committed"})
            }
            Some(t) if matches!(t.state, "PREPARED" | "PREPARE") && !commits => {
                t.state = "ABORTED";
                json!({"status": "Success", "msg": "rolled back"})
            }
            Some(t) => json!({"status": "Fail", "msg": format!("transaction is {}", t.state)}),
            None => json!({"status": "Fail", "msg": "transaction not found"}),
        }
    }

    fn rows_visible(&self) -> Vec<String> {
        self.visible.lock().unwrap().iter().map(Value::to_string).collect()
    }

    fn hidden(&self) -> usize {
        self.transactions.lock().unwrap().values().filter(|t| matches!(t.state, "PREPARED" | "PREPARE")).count()
    }

    fn states(&self) -> Vec<String> {
        let short = |label: &String| label.rsplitn(3, '_').take(2).collect::<Vec<_>>().join("<");
        self.transactions.lock().unwrap().iter().map(|(label, t)| format!("{} {}", short(label), t.state)).collect()
    }
}

fn schema() -> Schema {
    let not_null = LogicalType { nullable: false, ..LogicalType::new(TypeKind::Int) };
    Schema::new(vec![Field::new("id", not_null), Field::new("name", LogicalType::string())])
}

fn given(brand: Brand, more: &[(&str, &str)]) -> flott_api::options::Options {
    let mut all = match brand {
        Brand::Doris => vec![("fenodes", "fe:8030"), ("table.identifier", "db.t")],
        Brand::StarRocks => vec![
            ("load-url", "fe:8030"),
            ("database-name", "db"),
            ("table-name", "t"),
            ("jdbc-url", "jdbc:mysql://fe:9030"),
            ("sink.semantic", "exactly-once"),
        ],
    };
    all.extend([("username", "root"), ("password", HUSH)]);
    for (key, value) in more {
        all.retain(|(known, _)| known != key);
        all.push((*key, *value));
    }
    options(&all)
}

fn spec(brand: Brand, keyed: bool, more: &[(&str, &str)]) -> SinkSpec {
    SinkSpec {
        connector: brand.identifier().to_owned(),
        table: "c.d.t".to_owned(),
        options: given(brand, more),
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

fn writer(double: &Double, spec: &SinkSpec, restored: Vec<Bytes>) -> Box<dyn SinkWriter> {
    let environment = double.environment(&FakeWorld::at(0));
    let (subtask, metrics) = (Subtask { index: 0, parallelism: 1 }, Arc::default());
    let brand = if spec.connector == "doris" { StreamLoad::DORIS } else { StreamLoad::STARROCKS };
    brand.sink(spec).unwrap().writer(WriterContext { job: JOB, restored, subtask, environment, metrics }).unwrap()
}

fn checkpoint(writer: &mut dyn SinkWriter, rows: &str) -> Result<Vec<Committable>> {
    ready(writer.write(batch(&schema(), rows)))?;
    ready(writer.prepare_commit(false))
}

fn committer(double: &Double, spec: &SinkSpec) -> Box<dyn flott_api::sink::Committer> {
    let environment = double.environment(&FakeWorld::at(0));
    let brand = if spec.connector == "doris" { StreamLoad::DORIS } else { StreamLoad::STARROCKS };
    brand.sink(spec).unwrap().committer(&environment).unwrap().unwrap()
}

const BRANDS: [Brand; 2] = [Brand::Doris, Brand::StarRocks];

#[test]
fn the_contract_of_sinks() {
    for brand in BRANDS {
        for once in [true, false] {
            let world = || {
                let server = Server::new(brand);
                let environment = server.double().environment(&FakeWorld::at(0));
                let seen = Arc::clone(&server);
                let semantic = match brand {
                    Brand::Doris => ("sink.enable-2pc", if once { "true" } else { "false" }),
                    Brand::StarRocks => ("sink.semantic", if once { "exactly-once" } else { "at-least-once" }),
                };
                let intervals = [("sink.buffer-flush.interval", "0"), ("sink.buffer-flush.interval-ms", "0")];
                let interval = intervals[usize::from(brand == Brand::StarRocks)];
                let connector = StreamLoad(brand);
                SinkWorld {
                    sink: Box::new(move || connector.sink(&spec(brand, false, &[semantic, interval])).unwrap()),
                    environment,
                    visible: Box::new(move || seen.rows_visible()),
                    hidden: Box::new(move || server.hidden()),
                }
            };
            let batches = [batch(&schema(), "+I | 1 | a\n+I | 2 | b"), batch(&schema(), "+I | 3 | c")];
            let rows = |batches: &[ChangeBatch]| {
                let of = |batch: &ChangeBatch| match batch.len() {
                    2 => vec![r#"{"id":1,"name":"a"}"#.to_owned(), r#"{"id":2,"name":"b"}"#.to_owned()],
                    _ => vec![r#"{"id":3,"name":"c"}"#.to_owned()],
                };
                batches.iter().flat_map(of).collect()
            };
            sink_contract(&world, &batches, &rows);
        }
    }
}

#[test]
fn each_row_says_what_becomes_of_it() {
    for (brand, name) in [(Brand::Doris, "__DORIS_DELETE_SIGN__"), (Brand::StarRocks, "__op")] {
        let server = Server::new(brand);
        let (double, spec) = (server.double(), spec(brand, true, &[("sink.properties.strict_mode", "true")]));
        let prepared =
            checkpoint(&mut *writer(&double, &spec, vec![]), "+I | 1 | a\n+U | 1 | b\n-D | 2 | NULL").unwrap();
        ready(committer(&double, &spec).commit(None, prepared)).unwrap();
        let row = |id: u32, name_is: &str, op: u32| format!("{{\"id\":{id},\"name\":{name_is},\"{name}\":{op}}}");
        assert_eq!(server.rows_visible(), [row(1, "\"a\"", 0), row(1, "\"b\"", 0), row(2, "null", 1)]);
        let load = double.asked().into_iter().find(|request| !request.body.is_empty()).unwrap();
        assert!(load.url.starts_with("http://be:8040/api/") && load.method == HttpMethod::Put, "{}", load.url);
        assert_eq!((header(&load, "strict_mode"), header(&load, "format")), (Some("true"), Some("json")));
    }
    let server = Server::new(Brand::Doris);
    let spec = spec(Brand::Doris, true, &[("sink.enable-delete", "false"), ("benodes", "be:8040")]);
    let prepared = checkpoint(&mut *writer(&server.double(), &spec, vec![]), "+I | 1 | a\n-D | 2 | b").unwrap();
    ready(committer(&server.double(), &spec).commit(None, prepared)).unwrap();
    assert_eq!(server.rows_visible(), [r#"{"id":1,"name":"a"}"#]);
}

#[test]
fn loads_have_bounds_and_are_committed_in_order() {
    let server = Server::new(Brand::Doris);
    let (double, spec) = (server.double(), spec(Brand::Doris, false, &[("sink.buffer-flush.max-rows", "2")]));
    let rows: Vec<String> = (0..5).map(|id| format!("+I | {id} | x")).collect();
    let prepared = checkpoint(&mut *writer(&double, &spec, vec![]), &rows.join("\n")).unwrap();
    assert_eq!((Prepared::of(&prepared[0]).unwrap().labels.len(), server.hidden()), (3, 3));
    ready(committer(&double, &spec).commit(None, prepared)).unwrap();
    let ids: Vec<Value> = server.visible.lock().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4].map(Value::from));
}

/// Every request of a load and of a commit is lost once, or finds nobody.
#[test]
fn whatever_is_lost_rows_are_there_once() {
    for brand in BRANDS {
        let paths: &[&str] = match brand {
            Brand::Doris => {
                &["be:8040/api/db/t/_stream_load", "fe:8030/api/db/t/_stream_load", "_2pc", "get_load_state"]
            }
            Brand::StarRocks => &[
                "be:8040/api/transaction/begin",
                "be:8040/api/transaction/load",
                "be:8040/api/transaction/prepare",
                "be:8040/api/transaction/commit",
                "get_load_state",
                "fe:8030/api/transaction/begin",
            ],
        };
        for path in paths {
            for what in [What::Lost, What::Gone, What::Status(503), What::Fails("rpc timed out")] {
                // In the first transaction of a lineage, and in a later one.
                for number in 0..2 {
                    let server = Server::new(brand);
                    let (double, spec) = (server.double(), spec(brand, false, &[]));
                    let (mut writer, mut committer) = (writer(&double, &spec, vec![]), committer(&double, &spec));
                    for n in 0..=number {
                        if n == number {
                            server.fault(path, what);
                        }
                        let prepared = checkpoint(&mut *writer, &format!("+I | {n} | x")).unwrap();
                        ready(committer.commit(None, prepared)).unwrap();
                    }
                    let fired = server.faults.lock().unwrap().is_empty();
                    // A writer that has its lineage asks for no state.
                    assert!(fired || (*path == "get_load_state" && number == 1), "{path} {what:?} {number}");
                    assert_eq!(
                        server.rows_visible().len(),
                        number + 1,
                        "{path} {what:?} {number}: {:?}",
                        server.states()
                    );
                }
            }
        }
    }
}

#[test]
fn what_no_checkpoint_has_is_rolled_back_in_every_lineage() {
    let server = Server::new(Brand::StarRocks);
    let (double, spec) = (server.double(), spec(Brand::StarRocks, false, &[]));
    let mut first = writer(&double, &spec, vec![]);
    let mut second = writer(&double, &spec, vec![]);
    let mut restored = checkpoint(&mut *first, "+I | 1 | a").unwrap();
    restored.extend(checkpoint(&mut *second, "+I | 2 | a").unwrap());
    ready(committer(&double, &spec).commit(None, restored.clone())).unwrap();
    let state = first.snapshot().unwrap();
    // Behind the checkpoint: both go on, and a third one begins.
    for writer in [&mut first, &mut second, &mut writer(&double, &spec, vec![])] {
        checkpoint(&mut **writer, "+I | 8 | lost").unwrap();
        checkpoint(&mut **writer, "+I | 9 | lost").unwrap();
    }
    assert_eq!(server.hidden(), 6);
    ready(committer(&double, &spec).recover(JOB, &restored)).unwrap();
    assert_eq!(server.hidden(), 0, "{:?}", server.states());
    // One goes on in its lineage, under the same labels, and one takes a new lineage.
    let mut prepared = checkpoint(&mut *writer(&double, &spec, vec![state]), "+I | 3 | b").unwrap();
    prepared.extend(checkpoint(&mut *writer(&double, &spec, vec![]), "+I | 4 | b").unwrap());
    ready(committer(&double, &spec).commit(None, prepared)).unwrap();
    let states =
        ["0<0 VISIBLE", "1<0 VISIBLE", "0<1 VISIBLE", "1<1 ABORTED", "2<1 ABORTED", "0<2 VISIBLE", "1<2 ABORTED"];
    let found = server.states();
    assert!(states.iter().all(|state| found.contains(&(*state).to_owned())), "{found:?}");
    assert_eq!((server.rows_visible().len(), server.hidden()), (4, 0));
}

/// Two `INSERT`s into one table, of which the other one has other columns or other changes.
#[test]
fn sinks_of_one_table_leave_the_transactions_of_each_other_alone() {
    let one = spec(Brand::Doris, true, &[]);
    let other_columns = SinkSpec { schema: one.schema.project(&[0]), ..one.clone() };
    let other_changes = SinkSpec { changelog: ChangelogMode::INSERT_ONLY, ..one.clone() };
    for other in [other_columns, other_changes] {
        let server = Server::new(Brand::Doris);
        let double = server.double();
        let of_one = checkpoint(&mut *writer(&double, &one, vec![]), "+I | 1 | a").unwrap();
        let mut of_other = writer(&double, &other, vec![]);
        ready(
            of_other.write(batch(&other.schema, if other.schema.fields.len() == 1 { "+I | 2" } else { "+I | 2 | b" })),
        )
        .unwrap();
        let of_other = ready(of_other.prepare_commit(false)).unwrap();
        for (spec, restored) in [(&one, of_one), (&other, of_other)] {
            ready(committer(&double, spec).recover(JOB, &restored)).unwrap();
            ready(committer(&double, spec).commit(None, restored)).unwrap();
        }
        assert_eq!((server.rows_visible().len(), server.hidden()), (2, 0), "{:?}", server.states());
    }
}

#[test]
fn a_sink_is_known_again_when_its_password_and_times_are_others() {
    let one = spec(Brand::Doris, false, &[]);
    let mended =
        [("sink.max-retries", "9"), ("doris.request.read.timeout.ms", "9"), ("username", "me"), ("password", "x")];
    assert_eq!(tag_of(&one).unwrap(), tag_of(&spec(Brand::Doris, false, &mended)).unwrap());
    let elsewhere = spec(Brand::Doris, false, &[("table.identifier", "db.u")]);
    assert_ne!(tag_of(&one).unwrap(), tag_of(&elsewhere).unwrap());
}

#[test]
fn a_transaction_that_the_database_gave_up_is_told() {
    for brand in BRANDS {
        let server = Server::new(brand);
        let (double, spec) = (server.double(), spec(brand, false, &[]));
        let prepared = checkpoint(&mut *writer(&double, &spec, vec![]), "+I | 1 | a").unwrap();
        server.transactions.lock().unwrap().values_mut().for_each(|t| t.state = "ABORTED");
        let error = ready(committer(&double, &spec).commit(None, prepared)).unwrap_err();
        assert!(error.message().contains("cannot be committed: it is Aborted"), "{error:?}");
        assert!(!crate::web::may_pass(&error));
    }
}

#[test]
fn a_load_that_fails_is_told_without_the_password() {
    for (what, part) in [
        (What::Status(401), "options 'username' and 'password'"),
        (What::Fails("too many filtered rows"), "tried 3 times more"),
        (What::Fails("unknown table"), "unknown table"),
    ] {
        let server = Server::new(Brand::Doris);
        let (double, spec) = (server.double(), spec(Brand::Doris, false, &[]));
        (0..9).for_each(|_| server.fault("be:8040", what));
        let error = checkpoint(&mut *writer(&double, &spec, vec![]), "+I | 1 | a").unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(shown.contains(part) && shown.contains("table 'c.d.t'"), "{shown}");
        assert!(!shown.contains(HUSH) && !shown.contains("cm9vdDpzd29y"), "{shown}");
    }
}

#[test]
fn rows_of_a_load_that_failed_wait_for_the_next_one() {
    for once in ["true", "false"] {
        let server = Server::new(Brand::Doris);
        let options = [("sink.enable-2pc", once), ("sink.max-retries", "0"), ("sink.buffer-flush.interval", "0")];
        let (double, spec) = (server.double(), spec(Brand::Doris, false, &options));
        let mut writer = writer(&double, &spec, vec![]);
        server.fault("be:8040", What::Fails("unknown table"));
        checkpoint(&mut *writer, "+I | 1 | a\n+I | 2 | b").unwrap_err();
        let prepared = ready(writer.prepare_commit(false)).unwrap();
        if once == "true" {
            ready(committer(&double, &spec).commit(None, prepared)).unwrap();
        }
        assert_eq!(server.rows_visible().len(), 2, "{:?}", server.states());
    }
}

fn sent_to(location: &'static str) -> Double {
    Double::new(move |request| {
        if request.url.contains("get_load_state") {
            return answer(200, json!({"data": "UNKNOWN"}).to_string());
        }
        if !request.url.contains("//fe:8030/") {
            return answer(200, json!({"Status": "Success"}).to_string());
        }
        let headers = vec![("location".to_owned(), location.to_owned())];
        Ok(HttpResponse { status: 307, headers, body: Bytes::new() })
    })
}

#[test]
fn nobody_goes_from_https_to_http() {
    for (front, location, place) in [
        ("https://fe:8030", "http://be:8040/api/db/t/_stream_load", None),
        ("https://fe:8030", "https://be:8040/api/db/t/_stream_load", Some("https://be:8040/api/db/t/_stream_load")),
        ("http://fe:8030", "https://be:8040/api/db/t/_stream_load", Some("https://be:8040/api/db/t/_stream_load")),
        ("http://fe:8030", "http://root:a/b@be:8040/api/db/t/x", Some("http://be:8040/api/db/t/x")),
    ] {
        let (double, spec) = (sent_to(location), spec(Brand::Doris, false, &[("fenodes", front)]));
        let loaded = checkpoint(&mut *writer(&double, &spec, vec![]), "+I | 1 | a");
        let at_back = double.asked().into_iter().map(|request| request.url).find(|url| !url.contains("//fe:"));
        assert_eq!(at_back.as_deref(), place, "{front} {location}");
        if let Err(e) = &loaded {
            assert!(e.message().contains("from https to http") && !crate::web::may_pass(e), "{e:?}");
        }
        assert_eq!(loaded.is_ok(), place.is_some(), "{loaded:?}");
    }
}

#[test]
fn options_that_are_wrong_are_refused() {
    let said = |brand: Brand, key: &str, value: &str| {
        let error = LoadOptions::read(brand, &given(brand, &[(key, value)])).err();
        error.map_or_else(
            || "taken".to_owned(),
            |e| format!("{} {} {}", e.message(), e.detail().unwrap_or(""), e.hint().unwrap_or("")),
        )
    };
    for (key, value, part) in [
        ("table.identifier", "t", "'database.table'"),
        ("fenodes", ",", "names no host"),
        ("auto-redirect", "false", "without option 'benodes'"),
        ("sink.ignore.commit-error", "true", "lost without a word"),
        ("sink.label-prefix", "a b", "at most 50"),
        ("sink.buffer-flush.max-bytes", "1 gb", "lies in memory"),
        ("sink.properties.format", "csv", "always sent as JSON"),
        ("sink.properties.label", "x", "set for each load"),
        ("sink.check-interval", "1", "no option 'sink.check-interval'"),
        ("lookup.cache.max-rows", "1", "no option"),
    ] {
        let said = said(Brand::Doris, key, value);
        assert!(said.contains(part), "{key} = {value}: {said}");
    }
    assert!(said(Brand::StarRocks, "sink.version", "V1").contains("StarRocks 2.4"));
    assert_eq!(said(Brand::StarRocks, "sink.version", "V2"), "taken");
    assert_eq!(said(Brand::Doris, "sink.properties.format", "JSON"), "taken");
    assert_eq!(said(Brand::Doris, "jdbc-url", "jdbc:mysql://fe:9030"), "taken");
    let moments = Schema::new(vec![Field::new("ts", LogicalType::new(TypeKind::TimestampLtz(3)))]);
    assert_eq!(check(Brand::Doris, &moments).unwrap_err().hint(), Some("CAST it to TIMESTAMP."));
}
