//! Connector `mqtt`. The contract suite of sources is not run: a session of a broker has no positions to go back to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

use flott_api::testing::{SinkWorld, batch, lines, sink_contract};
use flott_api::{ChangeBatch, ErrorKind, Schema, TypeKind};

use crate::server::{self, Server, certificate, own, pause, silent};
use crate::world::{Reading, Table, field, users};

/// A topic and a session of their own.
fn table(server: &Server) -> (Table, String) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    (at(server.port, &name), name)
}

fn at(port: u16, name: &str) -> Table {
    Table::new("mqtt", users(), &[]).with(&[
        ("host", "127.0.0.1"),
        ("port", &port.to_string()),
        ("topic", &format!("{name}/x")),
        ("client-id", name),
        ("format", "json"),
    ])
}

fn write(table: &Table, rows: &str) {
    table.writer().put(table.rows(rows)).unwrap();
}

/// A reader whose session the broker has: it gets what is written.
fn begun(table: &Table) -> Reading {
    let mut reading = table.reading(&[]).unwrap();
    begin(&mut reading, table);
    reading
}

/// Writes to `table` until the last that was written comes, and has that acknowledged.
fn begin(reading: &mut Reading, table: &Table) {
    let mut writer = table.writer();
    for number in 0..200 {
        let mark = format!("+I | {number} | mark");
        writer.put(table.rows(&mark)).unwrap();
        while let Some(rows) = reading.soon(300) {
            if rows.last().unwrap().starts_with(&mark) {
                reading.checkpoint(0);
                assert!(reading.is_quiet(300));
                return;
            }
        }
    }
    panic!("the broker has no session of the reader");
}

#[test]
fn what_is_written_is_read_and_acknowledged_at_checkpoints() {
    let Some(server) = server::mosquitto("what_is_written_is_read_and_acknowledged") else { return };
    let (table, _) = table(server);
    let mut reading = begun(&table);
    write(&table, "+I | 1 | a\n+I | 2 | b\n+I | 3 | c");
    assert_eq!(reading.take(3).unwrap(), ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"]);
    let splits = reading.checkpoint(1);
    write(&table, "+I | 4 | d");
    assert_eq!(reading.take(1).unwrap(), ["+I | 4 | d"]);
    reading.begin_checkpoint(2);
    // It dies; what came while nobody read is there, and what no checkpoint has comes again.
    pause(1000);
    drop(reading);
    write(&table, "+I | 5 | e");
    let mut reading = table.reading_of(splits, &["topic", "qos", "duplicate"]).unwrap();
    let rows = reading.take(2).unwrap();
    let topic = table.options.0["topic"].clone();
    assert!(rows[0].starts_with("+I | 4 | d") && rows[0].contains(&topic) && rows[0].ends_with("true"), "{rows:?}");
    assert!(rows[1].starts_with("+I | 5 | e") && rows[1].ends_with("false"), "{rows:?}");
}

#[test]
fn what_is_acknowledged_on_receipt_does_not_come_again() {
    let Some(server) = server::mosquitto("what_is_acknowledged_on_receipt") else { return };
    let (table, _) = table(server);
    let table = table.with(&[("scan.acknowledge", "receipt")]);
    let mut reading = begun(&table);
    write(&table, "+I | 1 | a");
    reading.take(1).unwrap();
    pause(1000);
    drop(reading);
    let mut reading = table.reading(&[]).unwrap();
    assert!(reading.is_quiet(500));
    // QoS 0 needs no session.
    let (mut plain, _) = self::table(server);
    plain.options.0.remove("client-id");
    let plain = plain.with(&[("scan.qos", "0"), ("sink.qos", "0")]);
    let mut reading = begun(&plain);
    write(&plain, "+I | 1 | a");
    assert_eq!(reading.take(1).unwrap(), ["+I | 1 | a"]);
}

#[test]
fn topics_are_filtered_and_told() {
    let Some(server) = server::mosquitto("topics_are_filtered_and_told") else { return };
    let (table, name) = table(server);
    let both = table.clone().with(&[("topic", &format!("{name}/+/heat; {name}/z"))]);
    let mut reading = both.reading(&["topic"]).unwrap();
    begin(&mut reading, &table.clone().with(&[("topic", &format!("{name}/z"))]));
    let mut writer = both.writer_with(&["topic"]);
    let schema = both.sink_spec(&["topic"]).schema;
    let rows = format!("+I | 1 | a | {name}/k/heat\n+I | 2 | b | {name}/k/cold\n+I | 3 | c | {name}/z");
    writer.put(batch(&schema, &rows)).unwrap();
    let read = reading.take(2).unwrap();
    assert!(read[0].contains("k/heat") && read[1].contains("/z"), "{read:?}");
    let error = writer.put(batch(&schema, "+I | 1 | a | x/#")).unwrap_err();
    assert_eq!(error.message(), "table 'c.d.t': metadata column 'topic' is null or no topic");
    // The session keeps a subscription that the table does not name any more.
    reading.checkpoint(1);
    pause(1000);
    drop(reading);
    let one = table.clone().with(&[("topic", &format!("{name}/z"))]);
    let mut reading = begun(&one);
    writer.put(batch(&schema, &rows)).unwrap();
    assert_eq!(reading.take(1).unwrap(), ["+I | 3 | c"]);
    assert!(reading.is_quiet(300));
}

#[test]
fn many_messages_pass_with_checkpoints_between() {
    let Some(server) = server::mosquitto("many_messages_pass") else { return };
    let (table, _) = table(server);
    const ROWS: usize = 10_000;
    let mut reading = begun(&table);
    let rows = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = table.writer();
            for part in 0..ROWS / 500 {
                let rows: Vec<String> = (0..500).map(|n| format!("+I | {} | n", part * 500 + n)).collect();
                writer.put(table.rows(&rows.join("\n"))).unwrap();
            }
        });
        let (mut rows, mut checkpoint) = (Vec::new(), 0);
        while rows.len() < ROWS {
            rows.extend(reading.next().unwrap().unwrap());
            checkpoint += 1;
            reading.checkpoint(checkpoint);
        }
        rows
    });
    let number = |line: &String| line.split(" | ").nth(1).unwrap().trim().parse::<usize>().unwrap();
    assert!(rows.iter().map(number).eq(0..ROWS));
}

fn sink_world(server: &'static Server) -> SinkWorld {
    let (table, _) = table(server);
    let sink = table.sink();
    // A reader that nobody acknowledges for sees each message once while it lives.
    let reading = std::cell::RefCell::new((begun(&table), Vec::new()));
    SinkWorld {
        sink: Box::new(move || Box::new(sink.clone())),
        environment: table.environment.clone(),
        visible: Box::new(move || {
            let (reading, seen) = &mut *reading.borrow_mut();
            while let Some(more) = reading.soon(300) {
                seen.extend(more);
            }
            seen.clone()
        }),
        hidden: Box::new(|| 0),
    }
}

#[test]
fn the_sink_keeps_the_contract() {
    let Some(server) = server::mosquitto("the_sink_keeps_the_contract") else { return };
    let rows = |table: &str| batch(&Schema::new(users()), table);
    let batches = [rows("+I | 1 | a\n+I | 1 | a"), rows("+I | 3 | c")];
    let all = |batches: &[ChangeBatch]| batches.iter().flat_map(lines).collect::<Vec<_>>();
    sink_contract(&|| sink_world(server), &batches, &all);
}

/// The broker is killed while rows are written and read with checkpoints. None is lost.
#[test]
fn reading_and_writing_outlive_a_broker_that_is_killed() {
    let Some(mut server) = own("mosquitto", "reading_and_writing_outlive", &[]) else { return };
    let (table, _) = table(&server);
    const ROWS: usize = 4000;
    let mut reading = begun(&table);
    // Mosquitto writes what it has to disk once a second: the session is there before the first kill.
    pause(1500);
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = table.writer();
            for part in 0..ROWS / 100 {
                let rows: Vec<String> = (0..100).map(|n| format!("+I | {} | n", part * 100 + n)).collect();
                writer.put(table.rows(&rows.join("\n"))).unwrap();
                pause(60);
            }
        });
        let reading = scope.spawn(|| {
            let (mut seen, mut checkpoint, mut all) = (std::collections::BTreeSet::new(), 0, 0);
            while seen.len() < ROWS {
                let Some(rows) = reading.soon(20_000) else { break };
                all += rows.len();
                seen.extend(rows);
                checkpoint += 1;
                reading.checkpoint(checkpoint);
            }
            (seen, all)
        });
        pause(800);
        // Mosquitto's own disk is only as new as its last save, so it ends as on a stop of the machine's service.
        server.terminate();
        pause(300);
        server.restart();
        reading.join().unwrap()
    });
    assert_eq!(seen.0.len(), ROWS, "{} came", seen.1);
}

#[test]
fn who_may_come_in_is_told_and_no_password_shown() {
    let Some(server) = own("mosquitto", "who_may_come_in_is_told", &["allow_anonymous false".to_owned()]) else {
        return;
    };
    let base = at(server.port, "s").with(&[("connection.max-retry-timeout", "1 s")]);
    for wrong in [&[][..], &[("username", "anna"), ("password", "wrong-one")]] {
        let table = base.clone().with(wrong);
        let error = table.reading(&[]).unwrap().next().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains("does not let this job in"), "{error}");
        assert!(!format!("{error:?}").contains("wrong-one"), "{error:?}");
        let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
        assert!(error.message().contains("does not let this job in"), "{error}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let Some(server) = server::mosquitto("what_does_not_fit_is_told") else { return };
    let (table, name) = table(server);
    let numbers = Table { fields: vec![field("name", TypeKind::Int)], ..table.clone() };
    drop(begun(&table));
    write(&table, "+I | 1 | a");
    let error = numbers.reading(&[]).unwrap().next().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().starts_with(&format!("topic '{name}/x', client '{name}': ")), "{error}");
}

#[test]
fn a_broker_that_stalls_is_written_to_again() {
    let Some(server) = own("mosquitto", "a_broker_that_stalls_is_written_to_again", &[]) else { return };
    let (table, _) = table(&server);
    let mut reading = begun(&table);
    let hasty = table.clone().with(&[("connection.timeout", "500 ms")]);
    let mut writer = hasty.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    server.stalled(1200, || writer.put(table.rows("+I | 2 | b")).unwrap());
    let rows = reading.take(2).unwrap();
    assert_eq!(rows[..2], ["+I | 1 | a", "+I | 2 | b"], "at least once");
}

fn packet(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut body = vec![0; head[1].into()];
    stream.read_exact(&mut body)?;
    Ok([&head[..], &body].concat())
}

/// Lets a reader in, and sends it a message whose id is 1.
fn let_in(listener: &TcpListener, known: bool, payload: &str) -> TcpStream {
    let mut stream = listener.accept().unwrap().0;
    packet(&mut stream).unwrap();
    stream.write_all(&[0x20, 2, known.into(), 0]).unwrap();
    let asked = packet(&mut stream).unwrap();
    let mut answer = vec![0x90, 3, asked[2], asked[3], 1];
    answer.extend([0x32, 7 + payload.len() as u8, 0, 3, b's', b'/', b'x', 0, 1]);
    answer.extend(payload.as_bytes());
    stream.write_all(&answer).unwrap();
    stream
}

/// A broker that comes back with a session of an older save gives ids again that it had given before.
#[test]
fn an_id_that_another_message_has_now_is_not_acknowledged_for_it() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let table = at(listener.local_addr().unwrap().port(), "s");
    let mut reading = table.reading(&[]).unwrap();
    let life = |reading: &mut Reading, known: bool, payload: &str| {
        std::thread::scope(|scope| {
            let stream = scope.spawn(|| let_in(&listener, known, payload));
            let rows = reading.take(1).unwrap();
            (stream.join().unwrap(), rows)
        })
    };
    let (stream, rows) = life(&mut reading, false, r#"{"id":1,"name":"a"}"#);
    assert_eq!(rows, ["+I | 1 | a"]);
    reading.begin_checkpoint(1);
    drop(stream);
    let (mut stream, rows) = life(&mut reading, true, r#"{"id":2,"name":"b"}"#);
    assert_eq!(rows, ["+I | 2 | b"]);
    reading.complete(1).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let heard = packet(&mut stream);
    assert!(heard.is_err(), "no checkpoint has it, and this came: {heard:?}");
    reading.checkpoint(2);
    assert_eq!(packet(&mut stream).unwrap(), [0x40, 2, 0, 1]);
}

#[test]
fn a_broker_that_never_answers_is_told() {
    let (_listener, port) = silent();
    let table = at(port, "s").with(&[("connection.timeout", "200 ms"), ("connection.max-retry-timeout", "500 ms")]);
    let error = table.reading(&[]).unwrap().next().unwrap_err();
    assert_eq!(error.message(), format!("127.0.0.1:{port} does not answer"));
    let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
    assert_eq!(error.message(), format!("table 'c.d.t': 127.0.0.1:{port} does not answer"));
}

#[test]
fn tls_is_made_and_certificates_are_checked() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    certificate(folder.path(), "server");
    certificate(folder.path(), "other");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let settings = [format!("certfile {}", file("server.crt")), format!("keyfile {}", file("server.key"))];
    let Some(server) = own("mosquitto", "tls_is_made_and_certificates_are_checked", &settings) else { return };
    let base = at(server.port, "s").with(&[("connection.max-retry-timeout", "1 s"), ("tls.enabled", "true")]);
    let put = |ca: &str| {
        let table = base.clone().with(&[("tls.ca-location", &file(ca))]);
        table.writer().put(table.rows("+I | 1 | a"))
    };
    put("server.crt").unwrap();
    let error = put("other.crt").unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
}
