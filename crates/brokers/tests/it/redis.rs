//! Connector `redis`.

use std::sync::atomic::{AtomicU32, Ordering};

use flott_api::testing::{SinkWorld, batch, lines, sink_contract};
use flott_api::types::Field;
use flott_api::{ChangeBatch, ErrorKind, LogicalType, Schema, TypeKind};

use crate::server::{self, Server, certificate, own, pause, silent};
use crate::world::{Table, field, users};

/// A table of a server, with a prefix of its own.
fn table(server: &Server, fields: Vec<Field>, key: &[usize]) -> Table {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("t{}:", NUMBER.fetch_add(1, Ordering::Relaxed));
    let table = Table::new("redis", fields, key).with(&[("host", "127.0.0.1"), ("port", &server.port.to_string())]);
    if key.is_empty() { table.with(&[("key", &prefix)]) } else { table.with(&[("key.prefix", &prefix)]) }
}

fn key_of(table: &Table, rest: &str) -> String {
    let options = &table.options.0;
    format!("{}{rest}", options.get("key.prefix").or(options.get("key")).unwrap())
}

fn keys(fields: &[Field], rows: &str) -> arrow_array::RecordBatch {
    batch(&Schema::new(fields.to_vec()), rows).rows().clone()
}

fn people() -> Vec<Field> {
    let text = LogicalType::string;
    vec![
        field("id", TypeKind::BigInt),
        Field::new("region", text()),
        Field::new("name", text()),
        field("born", TypeKind::Date),
        field("score", TypeKind::Double),
    ]
}

#[test]
fn hashes_are_written_and_looked_up() {
    let Some(server) = server::redis("hashes_are_written_and_looked_up") else { return };
    let table = table(server, people(), &[0, 1]);
    let mut writer = table.writer();
    let rows = "+I | 1 | eu | anna | 7306 | 1.5\n+I | 2 | us | NULL | NULL | NULL\n+I | 3 | eu | b | NULL | 2.0";
    writer.put(table.rows(rows)).unwrap();
    writer.put(table.rows("+U | 3 | eu | c | 10957 | NULL\n+I | 4 | eu | d | NULL | NULL")).unwrap();
    let hash = server.redis_cli(&["HGETALL", &key_of(&table, "3:eu")]);
    assert_eq!(hash, ["name", "c", "born", "2000-01-01"], "what became null is no field");
    let asked = keys(&people()[..2], "+I | 3 | eu\n+I | 9 | eu\n+I | 1 | eu\n+I | 3 | eu\n+I | 2 | us");
    let mut lookup = table.lookup(&[0, 1, 2, 3, 4], &[0, 1]).unwrap();
    let found = table.find(&mut *lookup, &asked).unwrap();
    let found: Vec<String> = found.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "0: +I | 3 | eu | c | 10957 | NULL",
        "2: +I | 1 | eu | anna | 7306 | 1.5",
        "3: +I | 3 | eu | c | 10957 | NULL",
    ];
    assert_eq!(found, expected, "a row of nulls is no hash");
    // A part of the columns, in another order, and none but the key.
    let mut lookup = table.lookup(&[4, 1, 0], &[2, 1]).unwrap();
    let by_id = keys(&people()[..2], "+I | 1 | eu");
    assert_eq!(table.find(&mut *lookup, &by_id).unwrap().len(), 1);
    let mut lookup = table.lookup(&[0, 1], &[0, 1]).unwrap();
    assert_eq!(table.find(&mut *lookup, &asked).unwrap().len(), 3);
    let passing = table.clone().with(&[("ttl", "10 min")]);
    passing.writer().put(table.rows("+I | 8 | eu | h | NULL | NULL")).unwrap();
    let ttl: i64 = server.redis_cli(&["PTTL", &key_of(&table, "8:eu")])[0].parse().unwrap();
    assert!((590_000..=600_000).contains(&ttl), "{ttl}");
    // Deleted, and of several changes of one key the last one counts.
    writer
        .put(
            table.rows("-D | 1 | eu | anna | 7306 | 1.5\n+I | 5 | eu | x | NULL | NULL\n-D | 5 | eu | x | NULL | NULL"),
        )
        .unwrap();
    writer.put(table.rows("-U | 4 | eu | d | NULL | NULL\n+U | 4 | eu | e | NULL | NULL")).unwrap();
    let mut lookup = table.lookup(&[0, 1, 2], &[0, 1]).unwrap();
    let asked = keys(&people()[..2], "+I | 1 | eu\n+I | 5 | eu\n+I | 4 | eu");
    assert_eq!(table.find(&mut *lookup, &asked).unwrap(), ["2: +I | 4 | eu | e"]);
}

#[test]
fn strings_are_written_and_looked_up_many_at_once() {
    let Some(server) = server::redis("strings_are_written_and_looked_up_many_at_once") else { return };
    let plain = table(server, users(), &[0]).with(&[("command", "SET")]);
    let mut writer = plain.writer();
    let rows: Vec<String> = (0..5000).map(|n| format!("+I | {n} | name{n}")).collect();
    writer.put(plain.rows(&rows.join("\n"))).unwrap();
    let asked: Vec<String> = (0..6000).rev().map(|n| format!("+I | {n}")).collect();
    let mut lookup = plain.lookup(&[1, 0], &[1]).unwrap();
    let found = plain.find(&mut *lookup, &keys(&users()[..1], &asked.join("\n"))).unwrap();
    assert_eq!((found.len(), found[0].as_str()), (5000, "1000: +I | name4999 | 4999"));
    writer.put(plain.rows("+U | 1 | NULL\n-D | 2 | name2")).unwrap();
    let found = plain.find(&mut *lookup, &keys(&users()[..1], "+I | 1\n+I | 2\n+I | 3")).unwrap();
    assert_eq!(found, ["2: +I | name3 | 3"]);
    // By a format, and wrong values.
    let json = table(server, people(), &[0]).with(&[("command", "SET"), ("format", "json"), ("ttl", "1 h")]);
    json.writer().put(json.rows("+I | 1 | eu | anna | 7306 | 1.5\n+I | 2 | us | b | NULL | NULL")).unwrap();
    let text = server.redis_cli(&["GET", &key_of(&json, "1")]);
    assert_eq!(text, [r#"{"region":"eu","name":"anna","born":"1990-01-02","score":1.5}"#]);
    let ttl: u64 = server.redis_cli(&["PTTL", &key_of(&json, "1")])[0].parse().unwrap();
    assert!((3_500_000..=3_600_000).contains(&ttl), "{ttl}");
    let mut lookup = json.lookup(&[2, 0], &[1]).unwrap();
    let found = json.find(&mut *lookup, &keys(&people()[..1], "+I | 2\n+I | 7\n+I | 1")).unwrap();
    assert_eq!(found, ["0: +I | b | 2", "2: +I | anna | 1"]);
    server.redis_cli(&["SET", &key_of(&json, "7"), "{nothing"]);
    let error = json.find(&mut *lookup, &keys(&people()[..1], "+I | 2\n+I | 7")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains(&format!("key '{}'", key_of(&json, "7"))), "{error}");
}

#[test]
fn what_does_not_fit_is_told() {
    let Some(server) = server::redis("what_does_not_fit_is_told") else { return };
    let hashes = table(server, vec![field("id", TypeKind::Int), field("age", TypeKind::Int)], &[0]);
    server.redis_cli(&["HSET", &key_of(&hashes, "1"), "age", "old"]);
    let asked = keys(&hashes.fields[..1], "+I | 1");
    let mut lookup = hashes.lookup(&[0, 1], &[0]).unwrap();
    let error = hashes.find(&mut *lookup, &asked).unwrap_err();
    let key = key_of(&hashes, "1");
    assert_eq!(error.message(), format!("a lookup in table 'c.d.t': key '{key}': the value of column 'age' is no INT"));
    server.redis_cli(&["DEL", &key]);
    server.redis_cli(&["SET", &key, "text"]);
    let error = hashes.find(&mut *lookup, &asked).unwrap_err();
    assert!(error.message().contains("WRONGTYPE") && error.kind() == ErrorKind::External { retry: false }, "{error}");
    let error = hashes.lookup(&[0, 1], &[1]).map(drop).unwrap_err();
    assert!(error.message().contains("does not name the whole key and nothing else"), "{error}");
    let error = hashes.factory().describe_source(&hashes.context()).unwrap_err();
    assert_eq!(error.message(), "a table of connector 'redis' cannot be read as a whole");
    let pairs = table(server, people(), &[0, 1]).with(&[("key.delimiter", "-")]);
    let error = pairs.writer().put(pairs.rows("+I | -1 | eu | a | NULL | NULL")).unwrap_err();
    assert!(error.message().contains("would be that of another row, too"), "{error}");
}

#[test]
fn rows_are_appended() {
    let Some(server) = server::redis("rows_are_appended") else { return };
    let of = |options: &[(&str, &str)]| table(server, users(), &[]).with(options);
    let right = of(&[("command", "RPUSH"), ("format", "json")]);
    right.writer().put(right.rows("+I | 1 | a\n+I | 1 | a\n+I | 2 | NULL")).unwrap();
    let list = server.redis_cli(&["LRANGE", &key_of(&right, ""), "0", "-1"]);
    assert_eq!(list, [r#"{"id":1,"name":"a"}"#, r#"{"id":1,"name":"a"}"#, r#"{"id":2,"name":null}"#]);
    let left = of(&[("command", "LPUSH"), ("format", "csv")]);
    left.writer().put(left.rows("+I | 1 | a\n+I | 2 | b")).unwrap();
    assert_eq!(server.redis_cli(&["LRANGE", &key_of(&left, ""), "0", "-1"]), ["2,b", "1,a"]);
    let stream = of(&[("command", "XADD"), ("sink.stream.max-length", "1000")]);
    stream.writer().put(stream.rows("+I | 1 | a\n+I | 2 | NULL")).unwrap();
    let entries = server.redis_cli(&["XRANGE", &key_of(&stream, ""), "-", "+"]).join(" ");
    assert!(entries.contains("id 1 name a") && entries.ends_with("id 2"), "{entries}");
    let channel = of(&[("command", "PUBLISH"), ("format", "json")]);
    channel.writer().put(channel.rows("+I | 1 | a")).unwrap();
    let null = Table { fields: vec![users()[1].clone()], ..of(&[("command", "RPUSH")]) };
    let error = null.writer().put(null.rows("+I | NULL")).unwrap_err();
    assert!(error.message().contains("a value for RPUSH is null"), "{error}");
}

/// A sink with the eyes of the server itself.
fn sink_world(server: &'static Server, key: &[usize]) -> SinkWorld {
    let table = table(server, users(), key);
    let table = if key.is_empty() { table.with(&[("command", "RPUSH"), ("format", "csv")]) } else { table };
    let sink = table.sink();
    let (environment, all) = (table.environment.clone(), key_of(&table, ""));
    let keyed = !key.is_empty();
    SinkWorld {
        sink: Box::new(move || Box::new(sink.clone())),
        environment,
        visible: Box::new(move || {
            let _: &Table = &table;
            if !keyed {
                return server.redis_cli(&["LRANGE", &all, "0", "-1"]);
            }
            let keys = server.redis_cli(&["KEYS", &format!("{all}*")]);
            let row = |key: &String| {
                let name = server.redis_cli(&["HGET", key, "name"]);
                format!("{},{}", &key[all.len()..], name.first().map_or("", |n| n))
            };
            keys.iter().map(row).collect()
        }),
        hidden: Box::new(|| 0),
    }
}

fn rows_of(batches: &[ChangeBatch]) -> Vec<String> {
    let line = |line: String| line.trim_start_matches("+I | ").trim_end().replace(" | ", ",");
    batches.iter().flat_map(lines).map(line).collect()
}

#[test]
fn the_sinks_keep_the_contract() {
    let Some(server) = server::redis("the_sinks_keep_the_contract") else { return };
    let rows = |table: &str| batch(&Schema::new(users()), table);
    let batches = [rows("+I | 1 | a\n+I | 2 | b"), rows("+I | 3 | it's")];
    sink_contract(&|| sink_world(server, &[0]), &batches, &rows_of);
    let batches = [rows("+I | 1 | a\n+I | 1 | a"), rows("+I | 3 | c")];
    sink_contract(&|| sink_world(server, &[]), &batches, &rows_of);
}

#[test]
fn who_may_come_in_is_told_and_no_password_shown() {
    let settings = ["requirepass hush-hush", "user anna on >let-me-in ~* +@all"].map(str::to_owned);
    let Some(server) = own("redis", "who_may_come_in_is_told", &settings) else { return };
    let base = table(&server, users(), &[0]).with(&[("sink.max-retries", "0")]);
    let put = |options: &[(&str, &str)]| {
        let table = base.clone().with(options);
        table.writer().put(table.rows("+I | 1 | a"))
    };
    let shown = |options: &[(&str, &str)]| {
        let error = put(options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        let text = format!("{error:?}");
        assert!(!text.contains("wrong-one"), "{text}");
        error.message().to_owned()
    };
    assert!(shown(&[]).contains("NOAUTH"));
    assert!(shown(&[("password", "wrong-one")]).contains("refuses the user or the password"));
    let anna = [("username", "anna"), ("password", "wrong-one")];
    assert!(shown(&anna).contains("refuses the user or the password"));
    assert!(shown(&[("password", "hush-hush"), ("database", "99")]).contains("has no database 99"));
    put(&[("password", "hush-hush"), ("database", "3")]).unwrap();
    put(&[("username", "anna"), ("password", "let-me-in")]).unwrap();
    let found = server.redis_cli(&["--no-auth-warning", "-a", "hush-hush", "-n", "3", "DBSIZE"]);
    assert_eq!(found, ["1"]);
}

#[test]
fn a_lookup_and_a_sink_outlive_a_server_that_was_killed() {
    let Some(mut server) = own("redis", "a_lookup_and_a_sink_outlive", &[]) else { return };
    let retries = [("sink.max-retries", "8"), ("lookup.max-retries", "8")];
    let table = table(&server, users(), &[0]).with(&retries);
    let (mut writer, mut lookup) = (table.writer(), table.lookup(&[0, 1], &[0]).unwrap());
    let asked = keys(&users()[..1], "+I | 1\n+I | 2");
    writer.put(table.rows("+I | 1 | a")).unwrap();
    assert_eq!(table.find(&mut *lookup, &asked).unwrap().len(), 1);
    server.kill();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| writer.put(table.rows("+I | 2 | b")));
        pause(1500);
        server.restart();
        writing.join().unwrap().unwrap();
    });
    assert_eq!(table.find(&mut *lookup, &asked).unwrap(), ["0: +I | 1 | a", "1: +I | 2 | b"]);
    // If it stays away, that is said, in time.
    server.kill();
    let hasty = table.clone().with(&[("sink.max-retries", "1")]);
    let error = hasty.writer().put(table.rows("+I | 3 | c")).unwrap_err();
    assert_eq!((error.kind(), error.detail()), (ErrorKind::External { retry: true }, Some("It was tried once more.")));
}

#[test]
fn a_server_that_stalls_is_asked_again() {
    let Some(server) = own("redis", "a_server_that_stalls_is_asked_again", &[]) else { return };
    let table = table(&server, users(), &[0]).with(&[("connection.timeout", "500 ms")]);
    let (mut writer, mut lookup) = (table.writer(), table.lookup(&[0, 1], &[0]).unwrap());
    let asked = keys(&users()[..1], "+I | 1\n+I | 2");
    writer.put(table.rows("+I | 1 | a")).unwrap();
    assert_eq!(table.find(&mut *lookup, &asked).unwrap().len(), 1);
    server.stalled(1200, || writer.put(table.rows("+I | 2 | b")).unwrap());
    server.stalled(1200, || assert_eq!(table.find(&mut *lookup, &asked).unwrap().len(), 2));
}

#[test]
fn a_server_that_never_answers_is_told() {
    let (_listener, port) = silent();
    let options = [("host", "127.0.0.1"), ("port", &*port.to_string()), ("connection.timeout", "200 ms")];
    let table = Table::new("redis", users(), &[0]).with(&options).with(&[("lookup.max-retries", "1")]);
    let mut lookup = table.lookup(&[0, 1], &[0]).unwrap();
    let error = table.find(&mut *lookup, &keys(&users()[..1], "+I | 1")).unwrap_err();
    assert_eq!(error.message(), format!("a lookup in table 'c.d.t': 127.0.0.1:{port} does not answer"));
    assert_eq!(error.detail(), Some("It was tried once more."));
}

#[test]
fn tls_is_made_and_certificates_are_checked() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    certificate(folder.path(), "server");
    certificate(folder.path(), "other");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let settings = [
        format!("tls-cert-file {}", file("server.crt")),
        format!("tls-key-file {}", file("server.key")),
        format!("tls-ca-cert-file {}", file("server.crt")),
        "tls-auth-clients no".to_owned(),
        "port 0".to_owned(),
    ];
    // The last line of a setting counts: the plain port becomes that of TLS.
    let Some(server) = own_tls(&settings) else { return };
    let base = Table::new("redis", users(), &[0]);
    let base = base.with(&[("host", "127.0.0.1"), ("port", &server.port.to_string()), ("sink.max-retries", "0")]);
    let put = |ca: &str| {
        let table = base.clone().with(&[("tls.enabled", "true"), ("tls.ca-location", &file(ca))]);
        table.writer().put(table.rows("+I | 1 | a"))
    };
    put("server.crt").unwrap();
    let error = put("other.crt").unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    let plain = base.writer().put(base.rows("+I | 1 | a")).unwrap_err();
    assert!(!plain.message().is_empty());
}

fn own_tls(settings: &[String]) -> Option<Server> {
    let more = settings.to_vec();
    own("redis", "tls_is_made_and_certificates_are_checked", &[&more[..], &["tls-port PORT_HERE".to_owned()]].concat())
}

#[test]
fn a_cluster_is_refused() {
    let settings = ["cluster-enabled yes".to_owned()];
    let Some(server) = own("redis", "a_cluster_is_refused", &settings) else { return };
    let table = table(&server, users(), &[0]);
    let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
    assert!(error.message().contains("a cluster of Redis"), "{error}");
}
