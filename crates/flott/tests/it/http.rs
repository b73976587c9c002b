//! Services that speak HTTP, over real sockets: keys that are looked up, rows that are sent, a stream load that is committed
//! exactly once while its job is killed, and certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::flott::{Ran, flott, results_of, run};
use crate::ledger::{Checkpoints, generated, pause};

/// One that is looked for where it must not be.
const HUSH: &str = "swordfish-77";

/// What was asked.
struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Status, more headers, and body; no status hangs up without a word.
type Said = (u16, String, String);

/// Answers requests on a port of its own, each connection in a thread, as long as the test runs.
#[expect(clippy::disallowed_methods, reason = "a service lives beside the processes of a test")]
fn service(answers: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answers = Arc::clone(&answers);
            // A client that was killed in the middle of something is no failure of the test.
            std::thread::spawn(move || drop(serve(stream.unwrap(), &*answers)));
        }
    });
    port
}

fn serve(stream: TcpStream, answers: &dyn Fn(&Asked) -> Said) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        if headers.get("expect").is_some_and(|expected| expected == "100-continue") {
            write!(writer, "HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let (status, more, body) = answers(&Asked { method, path, headers, body: String::from_utf8(body).unwrap() });
        if status == 0 {
            return Ok(());
        }
        write!(writer, "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len())?;
    }
}

fn said(status: u16, body: impl Into<String>) -> Said {
    (status, String::new(), body.into())
}

#[test]
fn keys_are_looked_up_several_at_once() {
    let (under_way, most, busy) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let most_seen = Arc::clone(&most);
    let port = service(move |asked| {
        most_seen.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        pause(20);
        under_way.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(asked.headers["authorization"], "Basic bWU6c3dvcmRmaXNoLTc3");
        if busy.fetch_add(1, Ordering::SeqCst) < 2 {
            return said(503, "later");
        }
        match asked.path.strip_prefix("/people?id=").unwrap() {
            "13" => said(404, ""),
            id => said(200, format!("{{\"id\": {id}, \"name\": \"p{id}\"}}")),
        }
    });
    let tables = format!(
        "CREATE TABLE ids (id BIGINT, now AS PROCTIME()) WITH ({});
         CREATE TABLE people (id BIGINT, name STRING) WITH (
           'connector' = 'http', 'url' = 'http://127.0.0.1:{port}/people', 'format' = 'json', 'asyncPolling' = 'true',
           'http.source.lookup.retry-strategy.fixed-delay.delay' = '10 ms',
           'http.source.lookup.ignored-response-codes' = '404',
           'http.source.lookup.header.Authorization' = 'me:{HUSH}');",
        generated(100, 100_000),
    );
    let query = "SELECT i.id, p.name FROM ids AS i LEFT JOIN people FOR SYSTEM_TIME AS OF i.now AS p ON i.id = p.id;";
    let found = results_of(&format!("{tables} {query}"));
    assert!(found.contains("p12") && found.contains("p100") && found.contains("NULL"), "{found}");
    assert!(!found.contains("p13"), "{found}");
    assert!(most.load(Ordering::SeqCst) > 5, "so many were under way at once: {most:?}");
    let shown = results_of(&format!("{tables} SHOW CREATE TABLE people; EXPLAIN {query}"));
    assert!(shown.contains("Authorization' = '****'") && !shown.contains(HUSH), "{shown}");
    let scanned = run(&["run", "-e", &format!("{tables} SELECT * FROM people;")]);
    assert!(scanned.stderr.contains("can only be looked up in"), "{scanned:?}");
}

#[test]
fn rows_are_sent_also_when_an_answer_is_lost() {
    let rows = Arc::new(Mutex::new(Vec::new()));
    let (taken, requests) = (Arc::clone(&rows), AtomicUsize::new(0));
    let port = service(move |asked| {
        assert_eq!((asked.method.as_str(), asked.headers["content-type"].as_str()), ("POST", "application/json"));
        let sent: Vec<serde_json::Value> = serde_json::from_str(&asked.body).unwrap();
        taken.lock().unwrap().extend(sent);
        said(if requests.fetch_add(1, Ordering::SeqCst) == 1 { 0 } else { 204 }, "")
    });
    results_of(&format!(
        "CREATE TABLE ids (id BIGINT) WITH ({});
         CREATE TABLE there (id BIGINT, name STRING) WITH ('connector' = 'http-sink', 'url' = 'http://127.0.0.1:{port}/rows',
           'format' = 'json', 'http.sink.request.batch.size' = '300');
         INSERT INTO there SELECT id, 'n' || CAST(id AS STRING) FROM ids;",
        generated(1000, 100_000),
    ));
    let rows = rows.lock().unwrap();
    let ids: BTreeSet<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    // The request whose answer was lost came twice.
    assert_eq!((ids.len(), rows.len()), (1000, 1300));
    assert_eq!(rows[0].to_string(), r#"{"id":1,"name":"n1"}"#);
}

/// Doris, as far as a load in two phases needs it: the front end sends loads to the back end, here itself.
#[derive(Default)]
struct Doris {
    /// State and rows of each label.
    transactions: Mutex<BTreeMap<String, (&'static str, Vec<serde_json::Value>)>>,
    commits: AtomicUsize,
}

impl Doris {
    fn answer(&self, asked: &Asked) -> Said {
        let mut transactions = self.transactions.lock().unwrap();
        if let Some(label) = asked.path.strip_prefix("/api/db/get_load_state?label=") {
            let state = transactions.get(label).map_or("UNKNOWN", |(state, _)| state);
            return said(200, format!("{{\"data\": \"{state}\"}}"));
        }
        let label = asked.headers.get("label").cloned().unwrap_or_default();
        let ok = || said(200, r#"{"Status": "Success"}"#);
        match (asked.path.as_str(), asked.headers.get("txn_operation").map(String::as_str)) {
            ("/api/db/t/_stream_load", _) if asked.body.is_empty() => {
                let location = format!("location: http://root:{HUSH}@{}/be/load\r\n", asked.headers["host"]);
                (307, location, String::new())
            }
            ("/be/load", _) => {
                if transactions.get(&label).is_some_and(|(state, _)| *state != "ABORTED") {
                    return said(200, r#"{"Status": "Label Already Exists"}"#);
                }
                assert_eq!(asked.headers["two_phase_commit"], "true");
                transactions.insert(label, ("PRECOMMITTED", serde_json::from_str(&asked.body).unwrap()));
                ok()
            }
            (_, Some(operation)) => match (transactions.get_mut(&label), operation) {
                (Some(transaction), "commit") if transaction.0 == "PRECOMMITTED" => {
                    transaction.0 = "VISIBLE";
                    // Each fifth answer is lost.
                    if self.commits.fetch_add(1, Ordering::SeqCst) % 5 == 2 { said(0, "") } else { ok() }
                }
                (Some(transaction), "abort") if transaction.0 == "PRECOMMITTED" => {
                    transaction.0 = "ABORTED";
                    ok()
                }
                _ => said(200, r#"{"status": "Fail", "msg": "not pre-committed"}"#),
            },
            (path, None) => panic!("there is no '{path}'"),
        }
    }

    fn count(&self, wanted: &str) -> usize {
        self.transactions.lock().unwrap().values().filter(|(state, _)| *state == wanted).count()
    }
}

/// A job that loads exactly once is killed again and again; in the end each row is there once.
#[test]
fn no_kill_loses_or_doubles_a_row_of_a_stream_load() {
    const KILLS: u64 = 5;
    const RATE: u64 = 5000;
    const ROWS: u64 = RATE * 5;
    let doris = Arc::new(Doris::default());
    let answers = Arc::clone(&doris);
    let port = service(move |asked| answers.answer(asked));
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::local(folder.path());
    let script = |parallelism: u64| {
        format!(
            "{} SET 'parallelism.default' = '{parallelism}'; CREATE TABLE ids (id BIGINT) WITH ({});
             CREATE TABLE there (id BIGINT) WITH ('connector' = 'doris', 'fenodes' = '127.0.0.1:{port}',
               'table.identifier' = 'db.t', 'username' = 'root', 'password' = '{HUSH}', 'sink.max-retries' = '5');
             INSERT INTO there SELECT id FROM ids;",
            checkpoints.settings(),
            generated(ROWS, RATE),
        )
    };
    let resumed = |parallelism: u64| flott(&["run", "--from", "latest", "-e", &script(parallelism)]);
    for kill in 0..KILLS {
        let before = checkpoints.records();
        let mut child = resumed(1 + kill % 3).spawn().unwrap();
        while checkpoints.records() < before + 2 && child.try_wait().unwrap().is_none() {
            pause(5);
        }
        pause(37 * kill);
        if child.try_wait().unwrap().is_some() {
            panic!("the job ended before kill {kill}: {:?}", Ran::from(child.wait_with_output().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = Ran::from(resumed(2).output().unwrap());
    assert_eq!(last.code, Some(0), "{last:?}");
    assert!(!format!("{last:?}").contains(HUSH), "{last:?}");
    let transactions = doris.transactions.lock().unwrap();
    let visible = transactions.values().filter(|(state, _)| *state == "VISIBLE").flat_map(|(_, rows)| rows);
    let ids: Vec<u64> = visible.map(|row| row["id"].as_u64().unwrap()).collect();
    drop(transactions);
    assert_eq!((ids.iter().collect::<BTreeSet<_>>().len() as u64, ids.len() as u64), (ROWS, ROWS));
    assert_eq!(doris.count("PRECOMMITTED"), 0, "what no checkpoint has was rolled back");
    assert!(doris.commits.load(Ordering::SeqCst) > 5);
}

/// A key and a certificate that it has signed itself; nothing where there is no OpenSSL.
fn certificate(folder: &Path) -> Option<()> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=flott"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    command.arg("-keyout").arg(folder.join("key.pem")).arg("-out").arg(folder.join("cert.pem"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok().filter(|status| status.success()).map(drop)
}

#[test]
fn certificates_are_checked_unless_one_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    if certificate(folder.path()).is_none() {
        eprintln!("certificates_are_checked_unless_one_says_otherwise: LEFT OUT, there is no OpenSSL");
        return;
    }
    std::fs::write(folder.path().join("people?id=1"), "{\"id\": 1, \"name\": \"one\"}").unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    // It serves the files of its folder.
    let mut server = Command::new("openssl");
    server.args(["s_server", "-cert", "cert.pem", "-key", "key.pem", "-WWW", "-quiet", "-accept", &port.to_string()]);
    let mut server = server.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        pause(20);
    }
    let ran = |more: &str| {
        run(&[
            "run",
            "-e",
            &format!(
                "CREATE TABLE ids (id BIGINT, now AS PROCTIME()) WITH ({});
                 CREATE TABLE people (id BIGINT, name STRING) WITH ('connector' = 'http', 'format' = 'json',
                   'url' = 'https://127.0.0.1:{port}/people', 'lookup.max-retries' = '0' {more});
                 SELECT p.name FROM ids AS i JOIN people FOR SYSTEM_TIME AS OF i.now AS p ON i.id = p.id;",
                generated(1, 1000)
            ),
        ])
    };
    let path = folder.path().join("cert.pem");
    let refused = ran("");
    let named = ran(&format!(", 'http.security.cert.server' = '{}'", path.display()));
    let anyone = ran(", 'http.security.cert.server.allowSelfSigned' = 'true'");
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(refused.code != Some(0) && refused.stderr.contains("certificate"), "{refused:?}");
    assert!(named.code == Some(0) && named.stdout.contains("one"), "{named:?}");
    assert!(anyone.code == Some(0) && anyone.stdout.contains("one"), "{anyone:?}");
}
