//! Connector `rabbitmq`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use flott_api::testing::{SinkWorld, batch, lines, sink_contract, source_contract};
use flott_api::{ChangeBatch, ErrorKind, Schema, TypeKind};

use crate::server::{self, Server, certificate, definitions, own, pause, silent, wait_until};
use crate::world::{Reading, Table, field, users};

/// A queue of its own.
fn table(server: &Server) -> Table {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    at(server.port, &format!("q{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
}

fn at(port: u16, queue: &str) -> Table {
    let options = [("host", "127.0.0.1"), ("port", &*port.to_string()), ("queue", queue), ("format", "json")];
    Table::new("rabbitmq", users(), &[]).with(&options)
}

fn write(table: &Table, rows: &str) {
    table.writer().put(table.rows(rows)).unwrap();
}

/// Rows whose correlation ids are `prefix` and their number.
fn write_with_ids(table: &Table, rows: std::ops::Range<usize>) {
    let schema = table.sink_spec(&["correlation-id"]).schema;
    let rows: Vec<String> = rows.map(|n| format!("+I | {n} | n | id{n}")).collect();
    table.writer_with(&["correlation-id"]).put(batch(&schema, &rows.join("\n"))).unwrap();
}

fn exactly(table: &Table) -> Table {
    table.clone().with(&[("scan.correlation-ids", "true")])
}

fn bounded(table: &Table) -> Table {
    exactly(table).with(&[("scan.bounded.mode", "latest-offset")])
}

/// The broker takes messages back when it has seen that their reader is gone.
fn gone(server: &Server, table: &Table, reading: Reading) {
    drop(reading);
    nobody_reads(server, table);
}

fn nobody_reads(server: &Server, table: &Table) {
    for queue in table.options.0["queue"].split(';') {
        wait_until("the broker has seen that a reader is gone", || server.queue(queue).1 == 0);
    }
}

#[test]
fn what_is_written_is_read_and_acknowledged_at_checkpoints() {
    let Some(server) = server::rabbitmq("what_is_written_is_read_and_acknowledged") else { return };
    let table = table(server);
    write(&table, "+I | 1 | a\n+I | 2 | b\n+I | 3 | c");
    let mut reading = table.reading(&[]).unwrap();
    assert_eq!(reading.take(3).unwrap(), ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"]);
    let splits = reading.checkpoint(1);
    write(&table, "+I | 4 | d");
    assert_eq!(reading.take(1).unwrap(), ["+I | 4 | d"]);
    reading.begin_checkpoint(2);
    gone(server, &table, reading);
    write(&table, "+I | 5 | e");
    let mut reading = table.reading_of(splits, &["routing-key", "redelivered"]).unwrap();
    let rows = reading.take(2).unwrap();
    let queue = &table.options.0["queue"];
    assert!(rows[0].contains("| 4 | d") && rows[0].contains(queue) && rows[0].ends_with("true"), "{rows:?}");
    assert!(rows[1].contains("| 5 | e") && rows[1].ends_with("false"), "{rows:?}");
}

#[test]
fn by_correlation_ids_each_message_comes_once() {
    let Some(server) = server::rabbitmq("by_correlation_ids_each_message_comes_once") else { return };
    let table = exactly(&table(server));
    write_with_ids(&table, 0..6);
    let mut reading = table.reading(&["correlation-id"]).unwrap();
    let rows = reading.take(6).unwrap();
    assert!(rows[5].ends_with("id5"), "{rows:?}");
    // The checkpoint is durable, and the process dies before the broker hears of it.
    let splits = reading.begin_checkpoint(1);
    gone(server, &table, reading);
    write_with_ids(&table, 4..8);
    let mut reading = table.reading_of(splits, &[]).unwrap();
    assert_eq!(reading.take(2).unwrap(), ["+I | 6 | n", "+I | 7 | n"], "what came again is left out");
    assert!(reading.is_quiet(300));
    let splits = reading.checkpoint(2);
    assert!(reading.is_quiet(300));
    gone(server, &table, reading);
    let mut reading = table.reading_of(splits, &[]).unwrap();
    assert!(reading.is_quiet(300), "all was acknowledged");
    write(&table, "+I | 9 | without");
    let error = reading.next().unwrap_err();
    assert_eq!(error.message(), "a message has no correlation id, or one that is no UTF-8");
}

#[test]
fn a_queue_is_read_to_its_end_and_keeps_the_contract() {
    let Some(server) = server::rabbitmq("a_queue_is_read_to_its_end") else { return };
    let (first, second) = (table(server), table(server));
    write_with_ids(&first, 0..4);
    write_with_ids(&second, 10..12);
    let queues = format!("{};{}", first.options.0["queue"], second.options.0["queue"]);
    let both = bounded(&first).with(&[("queue", &queues)]);
    let environment = || {
        // The reader before has just gone.
        nobody_reads(server, &both);
        both.environment.clone()
    };
    source_contract(&|| both.source(&["correlation-id"]), &environment);
    nobody_reads(server, &both);
    let mut rows = both.read(&[]).unwrap();
    rows.sort();
    assert_eq!(rows.len(), 6);
}

#[test]
fn a_bounded_read_ends_when_its_last_messages_are_acknowledged() {
    let Some(server) = server::rabbitmq("a_bounded_read_ends_when_its_last") else { return };
    let table = table(server);
    write_with_ids(&table, 0..6);
    let mut reading = bounded(&table).reading(&[]).unwrap();
    reading.checkpoint(1);
    // The broker sends them, too, and they are none of this read.
    write_with_ids(&table, 6..8);
    assert_eq!(reading.take(6).unwrap().len(), 6);
    assert!(!reading.ends_within(300), "its messages wait for a checkpoint");
    assert_eq!(reading.begin_checkpoint(2).len(), 1);
    assert!(!reading.ends_within(300));
    reading.complete(2).unwrap();
    assert!(reading.ends_within(10_000));
    assert!(reading.begin_checkpoint(3).is_empty());
    gone(server, &table, reading);
    let mut reading = table.reading(&[]).unwrap();
    assert_eq!(reading.take(2).unwrap(), ["+I | 6 | n", "+I | 7 | n"]);
    assert!(reading.is_quiet(300));
}

#[test]
fn a_queue_that_has_ended_is_acknowledged_while_another_one_is_read() {
    let Some(server) = server::rabbitmq("a_queue_that_has_ended_is_acknowledged") else { return };
    let (short, long) = (table(server), table(server));
    write_with_ids(&short, 0..1);
    write_with_ids(&long, 10..13);
    let queues = format!("{};{}", short.options.0["queue"], long.options.0["queue"]);
    let both = bounded(&short).with(&[("queue", &queues), ("scan.prefetch-count", "1")]);
    let mut reading = both.reading(&[]).unwrap();
    assert_eq!(reading.take(2).unwrap().len(), 2);
    // Where no checkpoint was begun, none is waited for: the end is told, here or already before.
    assert!(reading.is_quiet(300) && reading.is_quiet(300));
    for checkpoint in 1..4 {
        assert_eq!(reading.checkpoint(checkpoint).len(), 1, "only one is not at its end");
        if checkpoint < 3 {
            assert_eq!(reading.take(1).unwrap().len(), 1);
        }
    }
    assert!(reading.ends_within(10_000));
    gone(server, &both, reading);
    for table in [short, long] {
        assert!(table.reading(&[]).unwrap().is_quiet(300), "nothing is left");
    }
}

#[test]
fn a_bounded_read_whose_broker_dies_at_its_end_leaves_the_messages_there() {
    let Some(mut server) = own("rabbitmq", "a_bounded_read_whose_broker_dies", &definitions()) else { return };
    let table = at(server.port, "q1");
    write_with_ids(&table, 0..3);
    let mut reading = bounded(&table).reading(&[]).unwrap();
    reading.checkpoint(1);
    reading.take(3).unwrap();
    reading.begin_checkpoint(2);
    assert!(!reading.ends_within(300));
    server.terminate();
    assert!(reading.ends_within(10_000));
    reading.complete(2).unwrap();
    drop(reading);
    server.restart();
    assert_eq!(table.reading(&[]).unwrap().take(3).unwrap().len(), 3);
}

#[test]
fn what_is_acknowledged_on_receipt_does_not_come_again() {
    let Some(server) = server::rabbitmq("what_is_acknowledged_on_receipt") else { return };
    let table = table(server).with(&[("scan.acknowledge", "receipt")]);
    write(&table, "+I | 1 | a");
    let mut reading = table.reading(&[]).unwrap();
    reading.take(1).unwrap();
    reading.checkpoint(1);
    gone(server, &table, reading);
    let mut reading = table.reading(&[]).unwrap();
    assert!(reading.is_quiet(300));
}

#[test]
fn more_messages_pass_than_may_wait_for_a_checkpoint() {
    let Some(server) = server::rabbitmq("more_messages_pass_than_may_wait") else { return };
    let table = table(server).with(&[("scan.prefetch-count", "100")]);
    const ROWS: usize = 20_000;
    let mut writer = table.writer();
    for part in 0..4 {
        let rows: Vec<String> = (0..ROWS / 4).map(|n| format!("+I | {} | n", part * (ROWS / 4) + n)).collect();
        writer.put(table.rows(&rows.join("\n"))).unwrap();
    }
    let mut reading = table.reading(&[]).unwrap();
    let (mut rows, mut checkpoint) = (Vec::new(), 0);
    while rows.len() < ROWS {
        rows.extend(reading.soon(10_000).expect("more come when some are acknowledged"));
        checkpoint += 1;
        reading.checkpoint(checkpoint);
    }
    let number = |line: &String| line.split(" | ").nth(1).unwrap().trim().parse::<usize>().unwrap();
    assert!(rows.iter().map(number).eq(0..ROWS));
    // Without a checkpoint it stops at what may wait.
    write(&table, &(0..300).map(|n| format!("+I | {n} | n")).collect::<Vec<_>>().join("\n"));
    let mut few = 0;
    while let Some(more) = reading.soon(500) {
        few += more.len();
    }
    assert_eq!(few, 100);
    // A message of several frames.
    let large = self::table(server);
    let long = "x".repeat(400_000);
    write(&large, &format!("+I | 1 | {long}"));
    assert!(large.reading(&[]).unwrap().take(1).unwrap()[0].ends_with(&long));
}

/// What a full queue refuses is sent again, and with it all that came behind: the last change of a key comes last.
#[test]
fn changes_that_are_refused_come_in_their_order() {
    let Some(server) = server::rabbitmq("changes_that_are_refused_come_in_their_order") else { return };
    const ROWS: usize = 900;
    let table = Table { primary_key: vec![0], ..at(server.port, "small") };
    let table = table.with(&[("format", "debezium-json"), ("scan.prefetch-count", "50")]);
    let rows: Vec<String> = (0..ROWS).map(|n| format!("{} | 7 | n{n}", if n == 0 { "+I" } else { "+U" })).collect();
    let mut writer = table.writer();
    let mut read = std::thread::scope(|scope| {
        let writing = scope.spawn(|| writer.put(table.rows(&rows.join("\n"))).unwrap());
        let (mut reading, mut read, mut checkpoint) = (table.reading(&[]).unwrap(), Vec::new(), 0);
        loop {
            let done = writing.is_finished();
            match reading.soon(500) {
                Some(more) => read.extend(more),
                None if done => break read,
                None => {}
            }
            checkpoint += 1;
            reading.checkpoint(checkpoint);
        }
    });
    let all = read.len();
    // Of each only where it came last.
    let mut seen = BTreeSet::new();
    read.reverse();
    read.retain(|row| seen.insert(row.clone()));
    read.reverse();
    let number = |row: &String| row.rsplit('n').next().unwrap().trim().parse::<usize>().unwrap();
    assert!(read.iter().map(number).eq(0..ROWS), "{read:?}");
    assert!(all > ROWS, "some were refused, and others behind them were not");
}

fn sink_world(server: &'static Server) -> SinkWorld {
    let table = table(server);
    let (sink, queue) = (table.sink(), table.options.0["queue"].clone());
    let reading = std::cell::RefCell::new((table.reading(&[]).unwrap(), Vec::new()));
    SinkWorld {
        sink: Box::new(move || Box::new(sink.clone())),
        environment: table.environment.clone(),
        visible: Box::new(move || {
            let (reading, seen) = &mut *reading.borrow_mut();
            loop {
                match reading.soon(300) {
                    Some(more) => seen.extend(more),
                    None if server.queue(&queue) == (0, 1) => return seen.clone(),
                    None => {}
                }
            }
        }),
        hidden: Box::new(|| 0),
    }
}

#[test]
fn the_sink_keeps_the_contract() {
    let Some(server) = server::rabbitmq("the_sink_keeps_the_contract") else { return };
    let rows = |table: &str| batch(&Schema::new(users()), table);
    let batches = [rows("+I | 1 | a\n+I | 1 | a"), rows("+I | 3 | c")];
    let all = |batches: &[ChangeBatch]| batches.iter().flat_map(lines).collect::<Vec<_>>();
    sink_contract(&|| sink_world(server), &batches, &all);
}

#[test]
fn what_cannot_be_is_told() {
    let Some(server) = server::rabbitmq("what_cannot_be_is_told") else { return };
    let missing = at(server.port, "nothing");
    let error = missing.reading(&[]).map(drop).unwrap_err();
    assert!(error.message().contains("no queue 'nothing'") && error.message().ends_with("(404)"), "{error}");
    let error = missing.writer().put(missing.rows("+I | 1 | a")).unwrap_err();
    assert!(error.message().contains("no queue takes a message with routing key 'nothing'"), "{error}");
    missing.clone().with(&[("sink.unroutable", "drop")]).writer().put(missing.rows("+I | 1 | a")).unwrap();
    let exchange = missing.clone().with(&[("exchange", "none"), ("routing-key", "k")]);
    let error = exchange.writer().put(missing.rows("+I | 1 | a")).unwrap_err();
    assert!(error.message().contains("no exchange 'none'"), "{error}");
    let table = table(server);
    write(&table, "+I | 1 | a");
    let numbers = Table { fields: vec![field("name", TypeKind::Int)], ..table.clone() };
    let error = numbers.reading(&[]).unwrap().next().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let queue = &table.options.0["queue"];
    assert!(error.message().starts_with(&format!("queue '{queue}', routing key '{queue}': ")), "{error}");
}

/// The broker is killed while rows are written and read: all come. It is restarted while they are read, and readers die as well:
/// by their ids each is read once. (One that is killed then forgets acknowledgements that it has not written to its disk.)
#[test]
fn reading_and_writing_outlive_a_broker_that_is_killed() {
    let Some(mut server) = own("rabbitmq", "reading_and_writing_outlive", &definitions()) else { return };
    const ROWS: usize = 4000;
    let written = at(server.port, "q1");
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for part in 0..ROWS / 100 {
                write_with_ids(&written, part * 100..(part + 1) * 100);
                pause(20);
            }
        });
        let reading = scope.spawn(|| {
            let mut reading = written.reading(&[]).unwrap();
            let (mut distinct, mut checkpoint) = (BTreeSet::new(), 0);
            while distinct.len() < ROWS {
                distinct.extend(reading.soon(120_000).expect("there is more"));
                checkpoint += 1;
                reading.checkpoint(checkpoint);
            }
        });
        pause(400);
        server.kill();
        server.restart();
        writing.join().unwrap();
        reading.join().unwrap();
    });
    let table = exactly(&at(server.port, "q2"));
    write_with_ids(&table, 0..ROWS);
    let (rows, splits) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_with_deaths(&table, ROWS));
        pause(300);
        server.terminate();
        server.restart();
        reading.join().unwrap()
    });
    let distinct: BTreeSet<&String> = rows.iter().collect();
    assert_eq!((distinct.len(), rows.len()), (ROWS, ROWS));
    assert!(table.reading_of(splits, &[]).unwrap().is_quiet(500), "nothing is left");
}

/// Reads with a checkpoint behind each batch, of which some do not complete, and a new reader from time to time.
fn read_with_deaths(table: &Table, rows_max: usize) -> (Vec<String>, Vec<flott_api::source::Split>) {
    let few = table.clone().with(&[("scan.prefetch-count", "50")]);
    let mut reading = few.reading(&[]).unwrap();
    let (mut rows, mut checkpoint) = (Vec::new(), 0);
    while rows.len() < rows_max {
        rows.extend(reading.soon(120_000).expect("there is more"));
        checkpoint += 1;
        let splits = reading.begin_checkpoint(checkpoint);
        if checkpoint % 7 == 0 {
            // It is durable, and nobody was told.
            reading = few.reading_of(splits, &[]).unwrap();
        } else {
            reading.complete(checkpoint).unwrap();
        }
        pause(5);
    }
    let splits = reading.checkpoint(checkpoint + 1);
    (rows, splits)
}

#[test]
fn who_may_come_in_is_told_and_no_password_shown() {
    let Some(server) = server::rabbitmq("who_may_come_in_is_told") else { return };
    let base = table(server).with(&[("connection.max-retry-timeout", "1 s")]);
    let told = |options: &[(&str, &str)]| {
        let table = base.clone().with(options);
        let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
        assert!(!format!("{error:?}").contains("wrong-one"), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        error.message().to_owned()
    };
    assert!(told(&[("username", "anna"), ("password", "wrong-one")]).contains("does not let this job in"));
    assert!(told(&[("virtual-host", "none")]).contains("vhost none not found"));
    write(&base.clone().with(&[("username", "guest"), ("password", "guest")]), "+I | 1 | a");
}

#[test]
fn a_broker_that_stalls_is_written_to_again() {
    let Some(server) = own("rabbitmq", "a_broker_that_stalls_is_written_to_again", &definitions()) else { return };
    let table = at(server.port, "q1");
    let hasty = table.clone().with(&[("connection.timeout", "700 ms")]);
    let mut writer = hasty.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    server.stalled(1500, || writer.put(table.rows("+I | 2 | b")).unwrap());
    let rows = table.reading(&[]).unwrap().take(2).unwrap();
    assert_eq!(rows[..2], ["+I | 1 | a", "+I | 2 | b"], "at least once");
}

#[test]
fn a_broker_that_never_answers_is_told() {
    let (_listener, port) = silent();
    let table = at(port, "q").with(&[("connection.timeout", "200 ms"), ("connection.max-retry-timeout", "500 ms")]);
    let error = table.reading(&[]).map(drop).unwrap_err();
    assert_eq!(error.message(), format!("connector 'rabbitmq': 127.0.0.1:{port} does not answer"));
    let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
    assert_eq!(error.message(), format!("table 'c.d.t': 127.0.0.1:{port} does not answer"));
}

#[test]
fn tls_is_made_and_certificates_are_checked() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    certificate(folder.path(), "server");
    certificate(folder.path(), "other");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut settings = definitions();
    settings.extend([
        "listeners.tcp = none".to_owned(),
        "listeners.ssl.1 = 127.0.0.1:PORT_HERE".to_owned(),
        format!("ssl_options.cacertfile = {}", file("server.crt")),
        format!("ssl_options.certfile = {}", file("server.crt")),
        format!("ssl_options.keyfile = {}", file("server.key")),
        "ssl_options.verify = verify_none".to_owned(),
    ]);
    let Some(server) = own("rabbitmq", "tls_is_made_and_certificates_are_checked", &settings) else { return };
    let base = at(server.port, "q1").with(&[("connection.max-retry-timeout", "1 s"), ("tls.enabled", "true")]);
    let put = |ca: &str| {
        let table = base.clone().with(&[("tls.ca-location", &file(ca))]);
        table.writer().put(table.rows("+I | 1 | a"))
    };
    put("server.crt").unwrap();
    let error = put("other.crt").unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
}
