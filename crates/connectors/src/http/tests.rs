//! A service within the test: how keys are asked for, and what becomes of its answers.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flott_api::env::Clock;
use flott_api::http::{HttpMethod, HttpRequest};
use flott_api::lookup::{LookupCache, LookupSpec};
use flott_api::testing::{FakeWorld, batch, lines, ready};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use super::*;
use crate::testing::options;
use crate::web::testing::{Double, answer, header, no_answer};

const HUSH: &str = "swordfish-77";

fn schema() -> Schema {
    let int = LogicalType::new(TypeKind::Int);
    Schema::new(vec![Field::new("id", int.clone()), Field::new("name", LogicalType::string()), Field::new("age", int)])
}

fn spec(keys: &[usize], more: &[(&str, &str)]) -> LookupSpec {
    let mut all = vec![("url", "http://host/client"), ("format", "json"), ("json.ignore-parse-errors", "false")];
    for (key, value) in more {
        all.retain(|(known, _)| known != key);
        all.push((*key, *value));
    }
    let table = SourceSpec {
        connector: "http".to_owned(),
        table: "c.d.people".to_owned(),
        options: options(&all),
        schema: schema(),
        projection: vec![0, 1, 2],
        read_fields: Vec::new(),
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    };
    LookupSpec { table, keys: keys.to_vec(), in_flight_max: Some(10), cache: LookupCache::None }
}

/// What keys (rows in text) find, each row behind the place of its key.
fn look(double: &Double, clock: &Arc<FakeWorld>, spec: &LookupSpec, keys: &str) -> Result<Vec<String>> {
    let mut table = HttpTable::FLINK.open(spec, &double.environment(clock))?;
    let keys = batch(&schema().project(&spec.keys), keys);
    let found = ready(table.lookup(keys.rows()))?;
    let rows = lines(&ChangeBatch::inserts(found.rows));
    Ok(found.keys.iter().zip(rows).map(|(key, row)| format!("{key}: {}", row.trim_start_matches("+I | "))).collect())
}

fn urls(double: &Double) -> Vec<String> {
    double.asked().iter().map(|request| request.url.trim_start_matches("http://host").to_owned()).collect()
}

/// A person of the id that stands in the URL.
fn person(request: &HttpRequest) -> Result<flott_api::http::HttpResponse> {
    let id = request.url.split("id=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    match id {
        "4" => answer(404, "nobody"),
        "5" => answer(200, " "),
        id => answer(200, format!("{{\"id\": {id}, \"name\": \"p{id}\", \"age\": {id}0, \"more\": [1]}}")),
    }
}

#[test]
fn keys_are_asked_for_one_by_one_and_equal_ones_once() {
    let double = Double::new(person);
    let spec = spec(&[0], &[("http.source.lookup.ignored-response-codes", "404")]);
    let keys = "+I | 2\n+I | 4\n+I | 1\n+I | 2\n+I | 5";
    let found = look(&double, &FakeWorld::at(0), &spec, keys).unwrap();
    assert_eq!(found, ["0: 2 | p2 | 20", "2: 1 | p1 | 10", "3: 2 | p2 | 20"]);
    assert_eq!(urls(&double), ["/client?id=2", "/client?id=4", "/client?id=1", "/client?id=5"]);
    assert!(double.asked().iter().all(|request| request.method == HttpMethod::Get && request.body.is_empty()));
}

#[test]
fn texts_are_escaped_in_a_url() {
    let double = Double::new(person);
    let spec = spec(&[0, 1], &[("url", "http://host/a?b=c")]);
    look(&double, &FakeWorld::at(0), &spec, "+I | 1 | x y&ü").unwrap();
    assert_eq!(urls(&double), ["/a?b=c&id=1&name=x%20y%26%C3%BC"]);
}

#[test]
fn with_post_the_key_is_the_body() {
    let double = Double::new(|_| answer(201, "{\"id\": 1, \"name\": \"x\"}"));
    let method = ("lookup-method", "POST");
    let found = look(&double, &FakeWorld::at(0), &spec(&[0, 1], &[method]), "+I | 1 | \"q\"").unwrap();
    assert_eq!(found, ["0: 1 | x | NULL"]);
    let asked = &double.asked()[0];
    assert_eq!((asked.method, asked.url.as_str()), (HttpMethod::Post, "http://host/client"));
    assert_eq!(asked.body, r#"{"id":1,"name":"\"q\""}"#);
    assert_eq!(header(asked, "content-type"), Some("application/json"));
}

#[test]
fn columns_may_stand_in_path_query_and_body() {
    let double = Double::new(|_| answer(200, "{}"));
    let parts = [
        ("url", "http://host/people/{who}/x"),
        ("lookup-method", "PUT"),
        ("http.request.url-map", "who:name"),
        ("http.request.query-param-fields", "id"),
        ("http.request.body-fields", "id;age"),
    ];
    look(&double, &FakeWorld::at(0), &spec(&[0, 1, 2], &parts), "+I | 1 | a/b | 7").unwrap();
    assert_eq!(urls(&double), ["/people/a%2Fb/x?id=1"]);
    assert_eq!(double.asked()[0].body, r#"{"id":1,"age":7}"#);
    let refused = |keys: &[usize]| look(&double, &FakeWorld::at(0), &spec(keys, &parts), "").unwrap_err();
    assert_eq!(refused(&[0, 1]).message(), "the join has no condition for column 'age', which a request needs");
    let only_id = [("http.request.query-param-fields", "id")];
    let error = look(&double, &FakeWorld::at(0), &spec(&[0, 1], &only_id), "").unwrap_err();
    assert!(error.message().contains("column 'name', which no part of a request says"), "{error:?}");
}

#[test]
fn an_answer_may_be_an_array_of_rows() {
    let many = |body: &'static str| {
        let double = Double::new(move |request| answer(200, if request.url.ends_with('1') { body } else { "[]" }));
        let spec = spec(&[0], &[("http.source.lookup.result-type", "array")]);
        look(&double, &FakeWorld::at(0), &spec, "+I | 2\n+I | 1")
    };
    let found = many(r#"[{"id": 1, "name": "a"}, {"id": 1, "name": "b", "age": 12345678901234567890}]"#);
    assert!(found.is_err(), "a number that does not fit is an error: {found:?}");
    let found = many(r#" [{"id": 1, "name": "a"}, {"id": 1, "name": "b", "age": 9}]"#).unwrap();
    assert_eq!(found, ["1: 1 | a | NULL", "1: 1 | b | 9"]);
    let error = many("{\"id\": 1}").unwrap_err();
    assert!(error.message().contains("table 'c.d.people': an answer of http://host/client is no array"), "{error:?}");
}

#[test]
fn what_may_pass_is_asked_again() {
    let answers = Arc::new(AtomicUsize::new(0));
    let double = {
        let answers = Arc::clone(&answers);
        Double::new(move |request| match answers.fetch_add(1, Ordering::SeqCst) {
            0 => no_answer(),
            1 | 2 => answer(503, "later"),
            _ => person(request),
        })
    };
    let strategy = [
        ("http.source.lookup.retry-strategy.type", "exponential-delay"),
        ("http.source.lookup.retry-strategy.exponential-delay.backoff-multiplier", "2"),
    ];
    let clock = FakeWorld::at(0);
    let found = look(&double, &clock, &spec(&[0], &strategy), "+I | 1").unwrap();
    assert_eq!((found.len(), double.asked().len(), clock.now_ms()), (1, 4, 7000));
    answers.store(1, Ordering::SeqCst);
    let few = [("lookup.max-retries", "1")];
    let error = look(&double, &FakeWorld::at(0), &spec(&[0], &few), "+I | 1").unwrap_err();
    assert_eq!(error.hint(), Some("It was tried once more."));
    assert!(crate::web::may_pass(&error), "{error:?}");
    answers.store(1, Ordering::SeqCst);
    let none = [("http.source.lookup.retry-codes", "500")];
    let error = look(&double, &FakeWorld::at(0), &spec(&[0], &none), "+I | 1").unwrap_err();
    assert_eq!(
        error.message(),
        "a lookup in table 'c.d.people': http://host/client was answered with status 503: later"
    );
    assert!(!crate::web::may_pass(&error), "{error:?}");
}

#[test]
fn a_job_may_go_on_where_there_is_no_answer() {
    let double = Double::new(|request| match request.url.as_str() {
        "http://host/client?id=1" => answer(200, "{\"id\": 1}").map(|mut said| {
            said.headers.push(("x-a".to_owned(), "b".to_owned()));
            said
        }),
        "http://host/client?id=2" => answer(500, "broken"),
        "http://host/client?id=3" => no_answer(),
        "http://host/client?id=4" => answer(200, "no JSON"),
        _ => answer(200, "{\"id\": 5, \"name\": \"five\"}"),
    });
    let continues = ("http.source.lookup.continue-on-error", "true");
    let mut asked = spec(&[0], &[continues, ("lookup.max-retries", "1")]);
    let keys = "+I | 5\n+I | 4\n+I | 3\n+I | 2\n+I | 1";
    let few = look(&double, &FakeWorld::at(0), &asked, keys).unwrap();
    assert_eq!(few, ["0: 5 | five | NULL", "4: 1 | NULL | NULL"]);
    let columns = metadata::columns().into_iter().filter(|column| column.key != "http-headers-map");
    asked.table.metadata = columns.map(|column| (column.key, column.ty)).collect();
    asked.table.projection = vec![0];
    let found = look(&double, &FakeWorld::at(0), &asked, keys).unwrap();
    assert_eq!(found[0], "0: 5 | NULL | 200 | SUCCESS");
    assert!(
        found[1].starts_with("1: NULL | a lookup in table 'c.d.people': an answer of http://host/client, "),
        "{found:?}"
    );
    assert!(found[1].ends_with(" | 200 | UNABLE_TO_DESERIALIZE_RESPONSE"), "{found:?}");
    let failed = "a lookup in table 'c.d.people': ";
    assert_eq!(found[2], format!("2: NULL | {failed}the HTTP request failed | NULL | EXCEPTION"));
    let status = "http://host/client was answered with status 500: broken | 500 | HTTP_ERROR_STATUS";
    assert_eq!((found[3].as_str(), found.len()), (format!("3: NULL | {failed}{status}").as_str(), 5));
    asked.table.metadata = vec![("http-headers-map".to_owned(), crate::web::headers::headers_type())];
    let found = look(&double, &FakeWorld::at(0), &asked, "+I | 3\n+I | 1").unwrap();
    assert_eq!(found, ["0: NULL | NULL", "1: 1 | [(x-a, [b])]"]);
}

#[test]
fn what_is_secret_goes_into_headers_and_nowhere_else() {
    let double = Double::new(|request| {
        answer(
            401,
            format!("no: {} {}", header(request, "Authorization").unwrap(), header(request, "X-Api-Key").unwrap()),
        )
    });
    let user = format!("me:{HUSH}");
    let headers = [
        ("url", "http://host/client?key=hidden"),
        ("http.source.lookup.header.Authorization", user.as_str()),
        ("http.source.lookup.header.X-Api-Key", HUSH),
        ("http.source.lookup.header.Origin", "*"),
    ];
    let error = look(&double, &FakeWorld::at(0), &spec(&[0], &headers), "+I | 1").unwrap_err();
    let asked = &double.asked()[0];
    assert_eq!(header(asked, "authorization"), Some("Basic bWU6c3dvcmRmaXNoLTc3"));
    assert_eq!(header(asked, "origin"), Some("*"));
    let shown = format!("{error:?} {error}");
    for secret in [HUSH, "bWU6c3dvcmRmaXNoLTc3", "hidden"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let raw = [
        ("http.source.lookup.header.Authorization", "Token t"),
        ("http.source.lookup.use-raw-authorization-header", "true"),
    ];
    let double = Double::new(person);
    look(&double, &FakeWorld::at(0), &spec(&[0], &raw), "+I | 1").unwrap();
    assert_eq!(header(&double.asked()[0], "authorization"), Some("Token t"));
}

#[test]
fn a_client_is_told_of_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, key) = (file("ca.pem", "-----BEGIN CERTIFICATE-----"), file("key.pem", "-----BEGIN PRIVATE KEY-----"));
    let environment = crate::testing::environment();
    let seen = Mutex::new(Vec::new());
    let settings = |more: &[(&str, &str)]| {
        let spec = spec(&[0], more);
        let options = LookupOptions::read(&FLINK, &spec.table.options, &spec.table.schema).unwrap();
        options.access.settings(&environment).map(|settings| seen.lock().unwrap().push(settings))
    };
    settings(&[
        ("http.security.cert.server", &format!("{ca},{ca}")),
        ("http.security.cert.server.allowSelfSigned", "true"),
    ])
    .unwrap();
    settings(&[("http.security.cert.client", &ca), ("http.security.key.client", &key)]).unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen[0].keeps_redirects
            && seen[0].trusts_anyone
            && seen[0].trust.authorities.as_ref().is_some_and(|pem| pem.len() == 56)
    );
    let identity = seen[1].trust.identity.as_ref().unwrap();
    assert!(!seen[1].trusts_anyone && identity.ends_with(b"-----BEGIN PRIVATE KEY-----\n"), "{identity:?}");
    drop(seen);
    let error = |more: &[(&str, &str)]| {
        let spec = spec(&[0], more);
        let options = LookupOptions::read(&FLINK, &spec.table.options, &spec.table.schema).unwrap();
        options.access.settings(&environment).err().unwrap().message().to_owned()
    };
    assert!(error(&[("http.security.cert.server", "/nothing/there")]).contains("cannot be read"));
    let der = file("ca.der", "0x");
    assert!(error(&[("http.security.cert.server", &der)]).contains("which is no PEM"));
}

#[test]
fn options_that_are_wrong_are_refused() {
    let said = |connector: HttpTable, key: &str, value: &str| {
        let spec = spec(&[0], &[(key, value)]).table;
        let table = TableContext {
            path: spec.table,
            schema: spec.schema,
            partition_keys: Vec::new(),
            primary_key: Vec::new(),
            options: spec.options,
            session_zone: spec.session_zone,
        };
        let error = connector.describe(&table).err();
        error.map_or_else(
            || "taken".to_owned(),
            |e| format!("{} {} {}", e.message(), e.detail().unwrap_or(""), e.hint().unwrap_or("")),
        )
    };
    for (key, value, part) in [
        ("url", "host/path", "no URL of HTTP"),
        ("lookup-method", "PATCH", "'GET', 'POST', 'PUT'"),
        ("lookup.cache", "FULL", "cannot be read whole"),
        ("http.source.lookup.proxy.host", "p", "not supported yet"),
        ("http.security.oidc.token.request", "x", "not supported yet"),
        ("http.source.lookup.http-version", "HTTP_2", "not supported yet"),
        ("http.source.lookup.request-callback", "x", "classes of Java"),
        ("http.source.lookup.request.timeout", "0", "more than 0"),
        ("http.source.lookup.success-codes", "2YY", "no status"),
        ("http.source.lookup.header.a b", "x", "names no header"),
        ("http.source.lookup.header.a", "x\r\ny", "character that none may have"),
        ("http.request.query-param-fields", "nope", "column 'nope'"),
        ("http.request.body-fields", "id", "which has no body"),
        ("http.security.cert.client", "x", "set together"),
        ("format", "debezium-json", "has changes"),
        ("format", "parquet", "no messages"),
        ("lookup-request.format", "csv", "It is 'json'"),
        ("gid.connector.http.source.lookup.success-codes", "2XX", "no option 'gid."),
    ] {
        let said = said(HttpTable::FLINK, key, value);
        assert!(said.contains(part), "{key} = {value}: {said}");
    }
    assert_eq!(said(HttpTable::GETINDATA, "gid.connector.http.source.lookup.success-codes", "2XX"), "taken");
    assert_eq!(said(HttpTable::FLINK, "lookup-request.format.json.encode.decimal-as-plain-number", "true"), "taken");
    assert_eq!(said(HttpTable::FLINK, "http.source.lookup.http-version", "HTTP_1_1"), "taken");
}
