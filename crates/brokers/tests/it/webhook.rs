//! Connector `webhook`, as those see it who send. The contract suite of sources is not run: there are no positions to go back to.

use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpMethod, HttpRequest, HttpResponse, HttpSettings};
use flott_api::net::TlsTrust;
use tokio::task::JoinHandle;

use crate::server::certificate;
use crate::world::{Reading, Table, users};

/// What stands for the status of a request whose connection was lost.
const UNANSWERED: u16 = 0;

/// A table on a port that is free now.
fn table(more: &[(&str, &str)]) -> Table {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    Table::new("webhook", users(), &[]).with(&[("listen", &address), ("path", "/in"), ("format", "json")]).with(more)
}

async fn ask(
    environment: Environment,
    scheme: &str,
    request: (HttpMethod, String),
    headers: &[(&str, &str)],
    body: &str,
) -> HttpResponse {
    let settings = HttpSettings { trusts_anyone: scheme == "https", ..HttpSettings::from(TlsTrust::default()) };
    let client = environment.http.client(&settings).unwrap();
    let (method, url) = request;
    let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let request = HttpRequest {
        method,
        url: format!("{scheme}://{url}"),
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        timeout_ms: 60_000,
    };
    // The server may not listen yet.
    for _ in 0..600 {
        match client.send(request.clone()).await {
            Ok(response) => return response,
            Err(e) if e.detail().is_some_and(|detail| detail.contains("Connection refused")) => {
                environment.clock.sleep_ms(50).await;
            }
            Err(_) => return HttpResponse { status: UNANSWERED, headers: Vec::new(), body: Bytes::new() },
        }
    }
    panic!("nobody listens");
}

/// Sends a body, and gives what will be answered.
fn send(
    table: &Table,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> JoinHandle<HttpResponse> {
    let url = format!("{}{}?from=test", table.options.0["listen"], table.options.0["path"]);
    let environment = table.environment.clone();
    table.runtime.spawn(async move { ask(environment, "http", (HttpMethod::Post, url), headers, body).await })
}

fn status(table: &Table, answer: JoinHandle<HttpResponse>) -> u16 {
    table.runtime.block_on(answer).unwrap().status
}

/// Lets the server listen; there is nothing to read yet.
fn begun(table: &Table, metadata: &[&str]) -> Reading {
    let mut reading = table.reading(metadata).unwrap();
    assert!(reading.is_quiet(300));
    reading
}

#[test]
fn a_request_is_answered_when_its_checkpoint_is_complete() {
    let table = table(&[]);
    let mut reading = begun(&table, &["query", "headers"]);
    let answer = send(&table, &[("x-kind", "k")], r#"{"id":1,"name":"a"}"#);
    let rows = reading.take(1).unwrap();
    assert!(rows[0].starts_with("+I | 1 | a | from=test | ") && rows[0].contains("(x-kind, k)"), "{rows:?}");
    reading.begin_checkpoint(1);
    let late = send(&table, &[], r#"{"id":2,"name":"b"}"#);
    assert!(reading.take(1).unwrap()[0].starts_with("+I | 2 | b"));
    assert!(!answer.is_finished());
    reading.complete(1).unwrap();
    assert_eq!(status(&table, answer), 200);
    assert!(!late.is_finished(), "it is in no checkpoint");
    // The job dies: its sender must send it again.
    drop(reading);
    assert!([UNANSWERED, 503].contains(&status(&table, late)));
    let mut reading = begun(&table, &[]);
    let again = send(&table, &[], r#"{"id":2,"name":"b"}"#);
    assert_eq!(reading.take(1).unwrap(), ["+I | 2 | b"]);
    reading.checkpoint(2);
    assert_eq!(status(&table, again), 200);
}

#[test]
fn a_body_that_does_not_fit_is_its_senders_mistake() {
    let table = table(&[("scan.acknowledge", "receipt")]);
    let mut reading = begun(&table, &[]);
    let bad = send(&table, &[], r#"{"id":"x"}"#);
    let good = send(&table, &[], r#"{"id":3,"name":"c"}"#);
    assert_eq!(reading.take(1).unwrap(), ["+I | 3 | c"]);
    while !bad.is_finished() {
        assert!(reading.is_quiet(100));
    }
    assert_eq!(status(&table, good), 200);
    let bad = table.runtime.block_on(bad).unwrap();
    assert_eq!(bad.status, 400);
    assert!(String::from_utf8_lossy(&bad.body).starts_with("a request to '/in': "), "{bad:?}");
}

#[test]
fn only_who_may_come_comes_in() {
    let table = table(&[
        ("token", "open sesame"),
        ("signature.secret", "key"),
        ("signature.header", "X-Hub-Signature-256"),
        ("signature.prefix", "sha256="),
        ("scan.acknowledge", "receipt"),
        ("max-body-size", "100"),
    ]);
    let mut reading = begun(&table, &[]);
    const BODY: &str = r#"{"id":1,"name":"a"}"#;
    // HMAC-SHA256 of the body with "key", by openssl.
    const SIGNED: (&str, &str) =
        ("x-hub-signature-256", "sha256=9a3b09e5da5ac67aa2888e53bf74845e541f3d16754156724436322afa393284");
    let long: &'static str = Box::leak("x".repeat(200).into_boxed_str());
    type Headers = &'static [(&'static str, &'static str)];
    let asked: [(Headers, &'static str, u16); 5] = [
        (&[("authorization", "Bearer open sesame"), SIGNED], BODY, 200),
        (&[SIGNED], BODY, 401),
        (&[("authorization", "Bearer open sesam"), SIGNED], BODY, 401),
        (&[("authorization", "Bearer open sesame"), SIGNED], r#"{"id":2,"name":"a"}"#, 401),
        (&[("authorization", "Bearer open sesame"), SIGNED], long, 413),
    ];
    for (headers, body, expected) in asked {
        let answer = send(&table, headers, body);
        if expected == 200 {
            assert_eq!(reading.take(1).unwrap(), ["+I | 1 | a"]);
        }
        assert!(reading.is_quiet(100));
        assert_eq!(status(&table, answer), expected, "{headers:?} {body}");
    }
    let address = &table.options.0["listen"];
    for (method, path, expected) in [(HttpMethod::Put, "in", 405), (HttpMethod::Post, "out", 404)] {
        let asked = ask(table.environment.clone(), "http", (method, format!("{address}/{path}")), &[], BODY);
        assert_eq!(table.runtime.block_on(asked).status, expected);
    }
}

#[test]
fn what_waits_too_long_or_is_too_much_is_refused() {
    let table = table(&[("response-timeout", "300 ms"), ("max-waiting-size", "100"), ("max-body-size", "100")]);
    let mut reading = begun(&table, &[]);
    let answer = send(&table, &[], r#"{"id":1,"name":"a"}"#);
    assert_eq!(reading.take(1).unwrap(), ["+I | 1 | a"]);
    let answer = table.runtime.block_on(answer).unwrap();
    assert_eq!((answer.status, &answer.body[..]), (503, &b"no checkpoint has it yet"[..]));
    assert!(answer.headers.iter().any(|(name, _)| name == "retry-after"));
    // Nobody reads: bodies wait until there is no room for more.
    const LONG: &str = r#"{"id":1,"name":"abcdefghijklmnopqrstuvwxyz"}"#;
    let answers: Vec<_> = (0..5).map(|_| send(&table, &[], LONG)).collect();
    let bodies = answers.into_iter().map(|answer| table.runtime.block_on(answer).unwrap().body);
    let refused = bodies.filter(|body| body == "too much waits").count();
    assert_eq!(refused, 3);
}

#[test]
fn connections_are_encrypted_with_a_certificate() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    certificate(folder.path(), "server");
    let file = |end: &str| folder.path().join(format!("server.{end}")).to_str().unwrap().to_owned();
    let tls = [("tls.certificate-location", &*file("crt")), ("tls.key-location", &*file("key"))];
    let table = table(&tls).with(&[("scan.acknowledge", "receipt")]);
    let mut reading = begun(&table, &[]);
    let url = format!("{}/in", table.options.0["listen"]);
    let environment = table.environment.clone();
    let answer = table
        .runtime
        .spawn(async move { ask(environment, "https", (HttpMethod::Post, url), &[], r#"{"id":1,"name":"a"}"#).await });
    assert_eq!(reading.take(1).unwrap(), ["+I | 1 | a"]);
    assert_eq!(status(&table, answer), 200);
    let plain = std::net::TcpStream::connect(&table.options.0["listen"]).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut plain, mut answer) = (plain, Vec::new());
    std::io::Write::write_all(&mut plain, b"POST /in HTTP/1.1\r\nContent-Length: 0\r\n\r\n").unwrap();
    drop(std::io::Read::read_to_end(&mut plain, &mut answer));
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut reading = table(&[("listen", &address)]).reading(&[]).unwrap();
    // Each order drops what waits.
    assert!((0..5).all(|_| reading.is_quiet(150)));
    let error = reading.next().unwrap_err();
    assert_eq!(error.message(), format!("nobody can listen on '{address}'"));
}
