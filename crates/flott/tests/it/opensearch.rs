//! Rows in the indexes of a real search engine, also while jobs and the engine are killed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::flott::{Ran, flott, results_of, run};
use crate::ledger::{Checkpoints, generated, pause};

/// Fetching it may be part of the first start.
const START_MS_MAX: u64 = 5 * 60 * 1000;
const POLL_MS: u64 = 100;
/// Starts the engine, and kills it when the test closes its input, or dies.
const KEEPER: &str = r#""$0" run opensearch "$1" "$2" </dev/null & pid=$!; read -r _; kill -9 $pid; wait $pid"#;
/// One that is looked for where it must not be.
const HUSH: &str = "swordfish-77";

/// An engine for one test.
struct Engine {
    port: u16,
    folder: tempfile::TempDir,
    keeper: Option<Child>,
}

/// An engine; nothing if the user leaves these tests out.
fn engine(test: &str) -> Option<Engine> {
    let without = std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default();
    if without.split_whitespace().any(|service| service == "opensearch") {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names opensearch\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut engine = Engine { port: two_free_ports(), folder, keeper: None };
    engine.restart();
    Some(engine)
}

/// The first of two ports where nobody listens now.
fn two_free_ports() -> u16 {
    loop {
        let first = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if first < u16::MAX && TcpListener::bind(("127.0.0.1", first + 1)).is_ok() {
            return first;
        }
    }
}

impl Engine {
    /// Starts it with the data that it has, under the same port.
    fn restart(&mut self) {
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/services");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER]).arg(script).arg(self.port.to_string()).arg(self.folder.path());
        self.keeper = Some(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("sh can be run"));
        for _ in 0..START_MS_MAX / POLL_MS {
            if self.ask("GET", "/_cluster/health", "").is_ok_and(|health| health["status"].is_string()) {
                return;
            }
            if let Some(status) = self.keeper.as_mut().and_then(|keeper| keeper.try_wait().unwrap()) {
                let log = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
                panic!("OpenSearch ended while it started ({status}): {log}");
            }
            pause(POLL_MS);
        }
        panic!("OpenSearch did not start in {START_MS_MAX} ms");
    }

    /// Ends it without a warning to anybody.
    fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        serde_json::from_str(body).map_err(std::io::Error::other)
    }

    /// All documents of an index by id, up to 10,000.
    fn documents(&self, index: &str) -> Vec<(String, Value)> {
        self.ask("POST", &format!("/{index}/_refresh"), "").unwrap();
        let found = self.ask("GET", &format!("/{index}/_search?size=10000"), "").unwrap();
        let hits = found["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{found}"));
        let mut all: Vec<_> =
            hits.iter().map(|hit| (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn with(&self, index: &str, more: &str) -> String {
        let port = self.port;
        // The first host is one where nobody is.
        format!(
            "WITH ('connector' = 'opensearch', 'hosts' = 'http://127.0.0.1:1;http://127.0.0.1:{port}', 'index' = '{index}'{more})"
        )
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn rows_are_documents() {
    let Some(engine) = engine("rows_are_documents") else { return };
    let user = format!(", 'username' = 'me', 'password' = '{HUSH}'");
    let tables = format!(
        "CREATE TABLE changes (id INT, name STRING, born DATE, more ROW<a BIGINT, b ARRAY<STRING>>,
           PRIMARY KEY (id, name) NOT ENFORCED) {};
         CREATE TABLE totals (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) {};
         CREATE TABLE days (id INT, born DATE) {};",
        engine.with("changes", &user),
        engine.with("totals", ""),
        engine.with("days-{born|yyyy.MM}", ""),
    );
    results_of(&format!(
        "{tables} INSERT INTO changes VALUES (1, 'ü\"', DATE '2024-02-03', ROW(CAST(7 AS BIGINT), ARRAY['x', 'y'])),
           (2, 'b', CAST(NULL AS DATE), CAST(NULL AS ROW<a BIGINT, b ARRAY<STRING>>));
         INSERT INTO totals SELECT k, COUNT(*) FROM (VALUES (1), (2), (1)) AS t(k) GROUP BY k HAVING COUNT(*) <> 1 OR k = 1;
         INSERT INTO days VALUES (1, DATE '2024-02-03'), (2, DATE '2024-02-04'), (3, DATE '2024-03-01');"
    ));
    let ids = |index: &str| engine.documents(index).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids("changes"), ["1_ü\"", "2_b"]);
    let first = engine.documents("changes").swap_remove(0).1;
    assert_eq!(first.to_string(), r#"{"id":1,"name":"ü\"","born":"2024-02-03","more":{"a":7,"b":["x","y"]}}"#);
    assert_eq!(engine.documents("totals"), [("1".to_owned(), serde_json::json!({"k": 1, "n": 2}))]);
    assert_eq!((engine.documents("days-2024.02").len(), engine.documents("days-2024.03").len()), (2, 1));
    let shown = results_of(&format!(
        "{tables} SHOW CREATE TABLE changes; EXPLAIN INSERT INTO changes SELECT * FROM (VALUES (1, 'x', DATE '2024-01-01', CAST(NULL AS ROW<a BIGINT, b ARRAY<STRING>>))) AS t;"
    ));
    assert!(shown.contains("'password' = '****'") && !shown.contains(HUSH), "{shown}");
    // The mapping says that it is a number.
    let wrong = tables.replace("k INT, n BIGINT", "k INT, n STRING");
    let refused = run(&["run", "-e", &format!("{wrong} INSERT INTO totals VALUES (5, 'many'), (6, '6');")]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("1 of 2 documents were refused: index \"totals\" and id \"5\""), "{refused:?}");
    assert!(refused.stderr.contains("failed to parse field [n] of type [long]"), "{refused:?}");
    assert!(!format!("{refused:?}").contains(HUSH), "{refused:?}");
    let read = run(&["run", "-e", &format!("{tables} SELECT * FROM totals;")]);
    assert!(read.stderr.contains("can only be written or looked up in"), "{read:?}");
    let found = results_of(&format!(
        "{tables} CREATE TABLE ids (id BIGINT, now AS PROCTIME()) WITH ({});
         SELECT i.id, c.more FROM ids AS i LEFT JOIN changes FOR SYSTEM_TIME AS OF i.now AS c ON CAST(i.id AS INT) = c.id;",
        generated(3, 1000)
    ));
    let rows = found.lines().filter(|line| line.contains("[x, y]") || line.contains("NULL")).count();
    assert_eq!(rows, 3, "{found}");
}

/// Jobs are killed, and so is the engine; in the end each document is there with what it must have.
#[test]
fn no_kill_loses_a_document() {
    const KILLS: u64 = 3;
    const RATE: u64 = 2000;
    const ROWS: u64 = RATE * 8;
    let Some(mut engine) = engine("no_kill_loses_a_document") else { return };
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::local(folder.path());
    let again = ", 'sink.bulk-flush.backoff.strategy' = 'CONSTANT', 'sink.bulk-flush.backoff.max-retries' = '600',
        'sink.bulk-flush.backoff.delay' = '100 ms', 'sink.bulk-flush.interval' = '200 ms'";
    let script = format!(
        "{} CREATE TABLE ids (id BIGINT, account AS CAST(id * 7919 % 97 AS INT)) WITH ({});
         CREATE TABLE events (id BIGINT, account INT, PRIMARY KEY (id) NOT ENFORCED) {};
         CREATE TABLE totals (account INT, n BIGINT, total BIGINT, PRIMARY KEY (account) NOT ENFORCED) {};
         EXECUTE STATEMENT SET BEGIN
           INSERT INTO events SELECT id, account FROM ids;
           INSERT INTO totals SELECT account, COUNT(*), SUM(id) FROM ids GROUP BY account;
         END;",
        checkpoints.settings(),
        generated(ROWS, RATE),
        engine.with("events", again),
        engine.with("totals", again),
    );
    let resumed = || flott(&["run", "--from", "latest", "-e", &script]);
    let mut mid_run = 0;
    for kill in 0..KILLS {
        let before = checkpoints.records();
        let mut child = resumed().spawn().unwrap();
        while checkpoints.records() < before + 2 && child.try_wait().unwrap().is_none() {
            pause(5);
        }
        if kill % 2 == 0 {
            engine.kill();
            pause(300);
            let held = checkpoints.records();
            engine.restart();
            // The job waits for the engine, and goes on.
            while checkpoints.records() < held + 2 && child.try_wait().unwrap().is_none() {
                pause(5);
            }
        }
        pause(50 * kill);
        if child.try_wait().unwrap().is_some() {
            let ran = Ran::from(child.wait_with_output().unwrap());
            assert_eq!(ran.code, Some(0), "{ran:?}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        mid_run += 1;
    }
    assert!(mid_run > 0, "no kill came while the job ran");
    let last = Ran::from(resumed().output().unwrap());
    assert_eq!(last.code, Some(0), "{last:?}");
    engine.ask("POST", "/events/_refresh", "").unwrap();
    assert_eq!(engine.ask("GET", "/events/_count", "").unwrap()["count"], ROWS);
    let (mut n, mut total) = (0, 0);
    for (id, document) in engine.documents("totals") {
        assert_eq!(document["account"].to_string(), id);
        n += document["n"].as_u64().unwrap();
        total += document["total"].as_u64().unwrap();
    }
    assert_eq!((n, total), (ROWS, ROWS * (ROWS + 1) / 2));
}
