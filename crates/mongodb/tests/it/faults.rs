//! Servers that end or say nothing, answers that are lost, users that are refused.

use std::sync::atomic::{AtomicU32, Ordering};

use bson::{Document, doc};
use flott_api::testing::lines;
use flott_api::{ErrorKind, TypeKind};

use crate::double::{Answer, Double, error};
use crate::server::{free_port, own, pause};
use crate::world::{Table, field, users};

const RETRY: ErrorKind = ErrorKind::External { retry: true };

#[test]
fn a_scan_goes_on_behind_a_server_that_was_killed() {
    let Some(mut server) = own("a_scan_goes_on_behind_a_server_that_was_killed", |_| Vec::new()) else { return };
    let uri = format!("mongodb://127.0.0.1:{}/?serverSelectionTimeoutMS=2000", server.port);
    let table = Table::at(&uri, users(), &[]).with(&[("scan.fetch-size", "50")]);
    let documents: Vec<Document> = (0..2000).map(|n| doc! { "_id": n, "name": format!("name{n}") }).collect();
    table.insert(&documents);
    let spec = table.source_spec();
    let mut reading = table.reading(&spec, table.splits(&spec).unwrap()).unwrap();
    let mut rows = Vec::new();
    for _ in 0..5 {
        rows.extend(lines(&reading.next().unwrap().unwrap()));
    }
    server.kill();
    // What was read ahead still comes.
    let error = loop {
        match reading.next() {
            Ok(batch) => rows.extend(lines(&batch.expect("the collection has more"))),
            Err(e) => break e,
        }
    };
    assert_eq!(error.kind(), RETRY, "{error}");
    assert!(rows.len() < 2000, "it was killed while there was more");
    let splits = reading.reader.snapshot().unwrap();
    server.restart();
    rows.extend(table.reading(&spec, splits).unwrap().rest().unwrap());
    assert_eq!(rows, (0..2000).map(|n| format!("+I | {n} | name{n}")).collect::<Vec<_>>());
}

/// The server ends while rows wait; it comes back while they are tried again.
#[test]
fn a_sink_outlives_a_server_that_was_killed() {
    let Some(mut server) = own("a_sink_outlives_a_server_that_was_killed", |_| Vec::new()) else { return };
    let uri = format!("mongodb://127.0.0.1:{}/?serverSelectionTimeoutMS=300", server.port);
    let retries = [("sink.max-retries", "60"), ("sink.retry.interval", "10 ms"), ("sink.buffer-flush.interval", "0")];
    let keyed = Table::at(&uri, users(), &[0]).with(&retries);
    let inserts = Table::at(&uri, vec![field("n", TypeKind::Int)], &[]).with(&retries);
    let (mut of_keyed, mut of_inserts) = (keyed.writer(), inserts.writer());
    of_keyed.put(keyed.rows("+I | 1 | a")).unwrap();
    of_keyed.checkpoint().unwrap();
    of_keyed.put(keyed.rows("+I | 2 | b\n-D | 1 | a")).unwrap();
    of_inserts.put(inserts.rows("+I | 1\n+I | 2")).unwrap();
    server.kill();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| (of_keyed.checkpoint(), of_inserts.checkpoint()));
        pause(1000);
        assert!(!writing.is_finished(), "it is tried again");
        server.restart();
        let (keyed, inserts) = writing.join().unwrap();
        keyed.unwrap();
        inserts.unwrap();
    });
    assert_eq!(keyed.documents(), [doc! { "_id": 2, "name": "b" }]);
    assert_eq!(inserts.documents().len(), 2);
    // And if it stays away, that is said.
    let hasty = keyed.clone().with(&[("sink.max-retries", "1")]);
    let mut writer = hasty.writer();
    writer.put(hasty.rows("+I | 3 | c")).unwrap();
    server.kill();
    let error = writer.checkpoint().unwrap_err();
    assert_eq!((error.kind(), error.detail()), (RETRY, Some("It was tried once more.")), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let Some(server) = own("a_server_that_says_nothing_is_not_waited_for", |_| Vec::new()) else { return };
    let uri = format!("mongodb://127.0.0.1:{}/?socketTimeoutMS=500", server.port);
    let table = Table::at(&uri, users(), &[0]).with(&[("sink.max-retries", "0"), ("sink.buffer-flush.interval", "0")]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    writer.checkpoint().unwrap();
    writer.put(table.rows("+I | 2 | b")).unwrap();
    let error = server.stalled(|| writer.checkpoint().unwrap_err());
    assert_eq!(error.kind(), RETRY);
    assert!(error.message().ends_with("did not answer within 500 ms"), "{error}");
    // Asked again, it answers.
    (0..50).take_while(|_| writer.checkpoint().is_err()).for_each(|_| pause(100));
    assert_eq!(table.documents().len(), 2);
}

/// A question that takes the server longer than an answer may: it is waited for while the server answers others.
#[test]
fn a_slow_answer_is_waited_for_as_long_as_the_server_lives() {
    let double = Double::new(|_| {
        // Twice what is waited for, by the clock that goes faster.
        pause(7000);
        Answer::Is(doc! { "ok": 1, "n": 1 })
    });
    let options = [("sink.max-retries", "0"), ("sink.buffer-flush.interval", "0")];
    let table = Table::new(double.port, users(), &[0]).with(&options).hasty();
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(double.asked("update").len(), 1, "it was asked once");
    let Some(server) = own("a_slow_answer_is_waited_for_as_long_as_the_server_lives", |_| Vec::new()) else { return };
    let table = Table::new(server.port, users(), &[0]).with(&options).hasty();
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    writer.checkpoint().unwrap();
    writer.put(table.rows("+I | 2 | b")).unwrap();
    let error = server.stalled(|| writer.checkpoint().unwrap_err());
    assert_eq!(error.kind(), RETRY);
    assert!(error.message().ends_with("did not answer within 60000 ms"), "{error}");
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let flags = ["--test-enable-new-auth", "--setup-database=flott", "--setup-username=me", "--setup-password=right"];
    let flags = |_: &std::path::Path| flags.map(str::to_owned).to_vec();
    let Some(server) = own("a_wrong_password_is_told_and_not_shown", flags) else { return };
    let at = |user: &str| Table::at(&format!("mongodb://{user}127.0.0.1:{}/flott", server.port), users(), &[0]);
    let right = at("me:right@");
    let mut writer = right.writer();
    writer.put(right.rows("+I | 1 | a")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(right.read().unwrap(), ["+I | 1 | a"]);
    let wrong = at("me:hush-hush@");
    let mut writer = wrong.writer();
    writer.put(wrong.rows("+I | 1 | a")).unwrap();
    let asked = wrong.rows("+I | 1 | a").rows().project(&[0]).unwrap();
    let lookup = wrong.find(&mut *wrong.lookup(&[0, 1], &[0]).unwrap(), &asked).unwrap_err();
    for error in [writer.checkpoint().unwrap_err(), wrong.read().unwrap_err(), lookup] {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.hint().unwrap().contains("'uri'"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

/// A key and a certificate that it has signed itself.
fn certificate(folder: &std::path::Path) {
    let mut command = std::process::Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=flott"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    command.arg("-keyout").arg(folder.join("server.key")).arg("-out").arg(folder.join("server.crt"));
    assert!(command.output().unwrap().status.success());
}

#[test]
fn a_server_is_trusted_by_its_certificate() {
    let port = free_port();
    let mut authority = String::new();
    let flags = |folder: &std::path::Path| {
        certificate(folder);
        let file = |name: &str| folder.join(name).display().to_string();
        authority = file("server.crt");
        let (key, address) = (file("server.key"), format!("--listen-tls=127.0.0.1:{port}"));
        vec![address, format!("--listen-tls-cert-file={authority}"), format!("--listen-tls-key-file={key}")]
    };
    let Some(_server) = own("a_server_is_trusted_by_its_certificate", flags) else { return };
    let start = format!("mongodb://127.0.0.1:{port}/?tls=true&serverSelectionTimeoutMS=3000");
    let table = Table::at(&format!("{start}&tlsCAFile={authority}"), users(), &[0]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(table.read().unwrap(), ["+I | 1 | a"]);
    let stranger = table.clone().with(&[("uri", &start)]);
    let error = stranger.read().unwrap_err();
    assert!(error.message().contains("certificate"), "{error}");
    let plain = table.with(&[("uri", &start.replace("tls=true&", ""))]);
    assert_eq!(plain.read().unwrap_err().kind(), RETRY, "a server that wants TLS does not answer without");
}

/// The server inserts some rows, and its answer is lost: the others come, and none twice.
#[test]
fn a_lost_answer_doubles_no_row() {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    let taken =
        |at: i32| doc! { "index": at, "code": 11000, "keyPattern": { "_id": 1 }, "errmsg": "E11000 duplicate key" };
    let double = Double::new(move |_| match TRIES.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::HangUp,
        1 => Answer::Is(doc! { "ok": 1, "n": 1, "writeErrors": [taken(0), taken(1)] }),
        _ => Answer::Is(doc! { "ok": 1, "n": 0, "writeErrors": [taken(0)] }),
    });
    let options = [
        ("sink.retry.interval", "1 ms"),
        ("sink.buffer-flush.interval", "0"),
        ("sink.bypass-document-validation", "true"),
    ];
    let table = Table::new(double.port, vec![field("n", TypeKind::Int)], &[]).with(&options);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1\n+I | 2\n+I | 3")).unwrap();
    writer.checkpoint().unwrap();
    let asked = double.asked("insert");
    assert_eq!(asked.len(), 2, "it was asked again");
    assert_eq!(asked[0].get("documents"), asked[1].get("documents"), "with the same ids");
    let ordered = |at: usize| asked[at].get_bool("ordered").unwrap();
    assert!(ordered(0) && !ordered(1), "those that are there keep out no others");
    assert!(asked[0].get_bool("bypassDocumentValidation").unwrap());
    // A key that is there at the first try is somebody else's.
    writer.put(table.rows("+I | 4")).unwrap();
    let error = writer.checkpoint().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_told() {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    let double = Double::new(|command| match TRIES.fetch_add(1, Ordering::SeqCst) {
        0 => error(10107, "not primary"),
        1 => Answer::Is(
            doc! { "ok": 1, "n": 1, "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" } },
        ),
        2 => Answer::Is(doc! { "ok": 1, "n": 1 }),
        _ => {
            assert!(command.contains_key("update"));
            Answer::Is(
                doc! { "ok": 1, "writeErrors": [{ "index": 0, "code": 121, "errmsg": "Document failed validation" }] },
            )
        }
    });
    let uri = format!("mongodb://127.0.0.1:{}/?w=majority&wtimeoutMS=700&journal=true", double.port);
    let options = [("sink.retry.interval", "1 ms"), ("sink.buffer-flush.interval", "0"), ("ordered-writes", "false")];
    let table = Table::at(&uri, users(), &[0]).with(&options);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    writer.checkpoint().unwrap();
    let asked = double.asked("update");
    assert_eq!(asked.len(), 3);
    assert!(!asked[0].get_bool("ordered").unwrap());
    let concern = asked[0].get_document("writeConcern").unwrap();
    assert_eq!(concern, &doc! { "w": "majority", "j": true, "wtimeout": 700_i64 });
    writer.put(table.rows("+I | 2 | b")).unwrap();
    let error = writer.checkpoint().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("Document failed validation (121)"), "{error}");
    let unsure = Table::at(&format!("mongodb://127.0.0.1:{}/?w=0", double.port), users(), &[0]).with(&options);
    let mut writer = unsure.writer();
    writer.put(unsure.rows("+I | 1 | a")).unwrap();
    assert!(writer.checkpoint().unwrap_err().message().contains("'w=0'"));
}
