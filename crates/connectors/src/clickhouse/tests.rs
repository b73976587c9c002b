//! ClickHouse within the test: it keeps rows, and the tokens of inserts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott_api::env::Clock;
use flott_api::http::{HttpRequest, HttpResponse};
use flott_api::testing::{FakeWorld, SinkWorld, batch, ready, sink_contract};
use flott_api::{ChangeBatch, Field, LogicalType, Schema};

use super::*;
use crate::testing::{options, writer_context};
use crate::web::testing::{Double, answer, header, no_answer};

const HUSH: &str = "swordfish-77";

/// What happens to an insert.
#[derive(Clone, Copy)]
enum Fault {
    /// It is answered with a status and the number of an error.
    Error(u16, &'static str),
    /// Nobody is there.
    Gone,
    /// It is done, and the answer is lost.
    Lost,
}

#[derive(Default)]
struct Server {
    rows: Mutex<Vec<String>>,
    tokens: Mutex<BTreeSet<String>>,
    faults: Mutex<VecDeque<Fault>>,
}

impl Server {
    fn insert(&self, request: &HttpRequest) -> Result<HttpResponse> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            Some(Fault::Gone) => return no_answer(),
            Some(Fault::Error(status, code)) => {
                let headers = vec![("x-clickhouse-exception-code".to_owned(), code.to_owned())];
                let body = format!("Code: {code}. DB::Exception: {}", header(request, "Authorization").unwrap_or("-"));
                return Ok(HttpResponse { status, headers, body: Bytes::from(body) });
            }
            _ => {}
        }
        let token = request.url.split("insert_deduplication_token=").nth(1).unwrap().split('&').next().unwrap();
        if self.tokens.lock().unwrap().insert(token.to_owned()) {
            let body = std::str::from_utf8(&request.body).unwrap();
            self.rows.lock().unwrap().extend(body.lines().map(str::to_owned));
        }
        if matches!(fault, Some(Fault::Lost)) { no_answer() } else { answer(200, "") }
    }
}

fn schema() -> Schema {
    let not_null = LogicalType { nullable: false, ..LogicalType::new(TypeKind::Int) };
    let decimal = LogicalType::new(TypeKind::Decimal { precision: 30, scale: 2 });
    Schema::new(vec![Field::new("id", not_null), Field::new("d`x", decimal)])
}

fn spec(more: &[(&str, &str)]) -> SinkSpec {
    let mut all = vec![("url", "clickhouse://one:8123,two:8123"), ("table-name", "t"), ("sink.flush-interval", "0")];
    for (key, value) in more {
        all.retain(|(known, _)| known != key);
        all.push((*key, *value));
    }
    SinkSpec {
        connector: "clickhouse".to_owned(),
        table: "c.d.t".to_owned(),
        options: options(&all),
        schema: schema(),
        metadata: Vec::new(),
        partition_keys: Vec::new(),
        static_partition: BTreeMap::new(),
        primary_key: vec![0],
        changelog: ChangelogMode::INSERT_ONLY,
        overwrite: false,
        session_zone: "UTC".to_owned(),
    }
}

fn server(faults: &[Fault]) -> (Arc<Server>, Double) {
    let server = Arc::new(Server { faults: Mutex::new(faults.iter().copied().collect()), ..Server::default() });
    let double = {
        let server = Arc::clone(&server);
        Double::new(move |request| server.insert(request))
    };
    (server, double)
}

fn write(double: &Double, clock: &Arc<FakeWorld>, spec: &SinkSpec, rows: &str) -> Result<()> {
    let environment = double.environment(clock);
    let mut writer = ClickHouse.sink(spec)?.writer(writer_context(&environment, 1))?;
    ready(writer.write(batch(&spec.schema, rows)))?;
    ready(writer.prepare_commit(false)).map(drop)
}

const ROWS: &str = "+I | 1 | 1.50\n+I | 2 | NULL";

#[test]
fn the_contract_of_sinks() {
    let world = || {
        let (server, double) = server(&[]);
        SinkWorld {
            sink: Box::new(move || ClickHouse.sink(&spec(&[])).unwrap()),
            environment: double.environment(&FakeWorld::at(0)),
            visible: Box::new(move || server.rows.lock().unwrap().clone()),
            hidden: Box::new(|| 0),
        }
    };
    let batches = [batch(&schema(), "+I | 0 | 1\n+I | 1 | 1"), batch(&schema(), "+I | 2 | 1")];
    let rows = |batches: &[ChangeBatch]| {
        let count = batches.iter().map(ChangeBatch::len).sum::<usize>();
        (0..count).map(|id| format!("{{\"id\":{id},\"d`x\":1.00}}")).collect()
    };
    sink_contract(&world, &batches, &rows);
}

#[test]
fn an_insert_names_its_columns_and_itself() {
    let (server, double) = server(&[]);
    let user = [("username", "me"), ("password", HUSH), ("database-name", "shop")];
    write(&double, &FakeWorld::at(0), &spec(&user), &format!("{ROWS}\n+I | 3 | 10000000000000000000")).unwrap();
    let expected = [r#"{"id":1,"d`x":1.50}"#, r#"{"id":2,"d`x":null}"#, r#"{"id":3,"d`x":10000000000000000000.00}"#];
    let rows: Vec<String> = server.rows.lock().unwrap().clone();
    assert_eq!(rows, expected);
    let asked = &double.asked()[0];
    let statement = "http://one:8123/?query=INSERT%20INTO%20%60shop%60.%60t%60%20%28%60id%60%2C%20%60d%5C%60x%60%29%20FORMAT%20JSONEachRow&insert_deduplication_token=00000000000000000000000000000001-0-";
    assert!(asked.url.starts_with(statement) && !asked.url.contains(HUSH), "{}", asked.url);
    assert_eq!(header(asked, "authorization"), Some("Basic bWU6c3dvcmRmaXNoLTc3"));
}

#[test]
fn an_answer_that_was_lost_makes_no_second_row() {
    let (server, double) = server(&[Fault::Lost, Fault::Gone, Fault::Error(500, "252"), Fault::Error(200, "241")]);
    let clock = FakeWorld::at(0);
    write(&double, &clock, &spec(&[]), ROWS).unwrap();
    assert_eq!((server.rows.lock().unwrap().len(), double.asked().len(), clock.now_ms()), (2, 5, 7000));
    let hosts: Vec<bool> = double.asked().iter().map(|request| request.url.contains("one")).collect();
    assert!(hosts[0] && !hosts[1], "{hosts:?}");
}

#[test]
fn what_will_not_pass_fails_at_once_without_the_password() {
    let (_, double) = server(&[Fault::Error(500, "60")]);
    let user = [("username", "me"), ("password", HUSH)];
    let error = write(&double, &FakeWorld::at(0), &spec(&user), ROWS).unwrap_err();
    assert_eq!(double.asked().len(), 1);
    let shown = format!("{error:?} {error}");
    assert!(
        shown.contains("table 'c.d.t': ClickHouse has answered with status 500: Code: 60. DB::Exception: ****"),
        "{shown}"
    );
    assert!(!shown.contains(HUSH) && !crate::web::may_pass(&error), "{shown}");
    let (_, double) = server(&[Fault::Error(200, "60")]);
    assert!(write(&double, &FakeWorld::at(0), &spec(&[]), ROWS).is_err());
}

#[test]
fn later_versions_of_a_row_are_inserted_or_left_out() {
    let changes = "+I | 1 | 1\n-U | 1 | 1\n+U | 1 | 2\n-D | 1 | 2";
    let rows = |strategy: &str| {
        let (server, double) = server(&[]);
        let mut spec = spec(&[("sink.update-strategy", strategy)]);
        spec.changelog = ChangelogMode::UPSERT;
        write(&double, &FakeWorld::at(0), &spec, changes)?;
        let count = server.rows.lock().unwrap().len();
        Ok::<usize, Error>(count)
    };
    assert_eq!((rows("insert").unwrap(), rows("discard").unwrap()), (2, 1));
    let error = rows("update").unwrap_err();
    assert!(error.hint().unwrap().contains("ReplacingMergeTree"), "{error:?}");
}

#[test]
fn options_that_are_wrong_are_refused() {
    for (key, value, part) in [
        ("url", "host:8123", "none of ClickHouse"),
        ("url", "clickhouse://h?password=x", "parameter 'password' of option 'url'"),
        ("url", "clickhouse://", "names no host"),
        ("url", "clickhouse://me:hush@host", "a user or a password"),
        ("url", "clickhouse://me:1/hush@host", "a user or a password"),
        ("url", "clickhouse://me:1?hush@host", "a user or a password"),
        ("username", "me", "set together"),
        ("use-local", "true", "not supported yet"),
        ("sink.ignore-delete", "false", "not supported yet"),
        ("sink.partition-strategy", "hash", "not supported yet"),
        ("scan.partition.num", "3", "not supported yet"),
        ("sink.update-strategy", "merge", "'update', 'insert', 'discard'"),
        ("format", "json", "no option 'format'"),
    ] {
        let error =
            ClickHouseOptions::read(&spec(&[(key, value)]).options).err().unwrap_or_else(|| panic!("{key} is taken"));
        let said = format!("{} {}", error.message(), error.detail().unwrap_or(""));
        assert!(said.contains(part) && !said.contains("hush"), "{key} = {value}: {said}");
    }
    let read = ClickHouseOptions::read(&spec(&[("url", "jdbc:clickhouse://a:1, b:2/shop?ssl=true")]).options).unwrap();
    assert_eq!(
        (read.hosts, read.database),
        (vec!["https://a:1".to_owned(), "https://b:2".to_owned()], "shop".to_owned())
    );
    let bytes = Schema::new(vec![Field::new("b", LogicalType::new(TypeKind::Varbinary(7)))]);
    assert!(check(&bytes).is_err());
}
