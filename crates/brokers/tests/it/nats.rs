//! Connector `nats`. What tests ask of the server beside tables goes through a client of a few lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BinaryArray, ListArray, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use flott_api::testing::{SinkWorld, batch, lines, sink_contract, source_contract};
use flott_api::{ChangeBatch, ErrorKind, Schema, TypeKind};

use crate::server::{self, Server, certificate, own, pause, silent};
use crate::world::{Table, field, users};

/// Asks JetStream, and gives its answer as JSON.
fn ask(server: &Server, question: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let hello = "CONNECT {\"verbose\":false,\"headers\":true,\"protocol\":1,\"no_responders\":true}\r\nSUB inbox 1\r\n";
    let question = format!("{hello}PUB $JS.API.{question} inbox {}\r\n{body}\r\n", body.len());
    stream.write_all(question.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the server has closed the connection");
        if line.starts_with("MSG ") || line.starts_with("HMSG ") {
            let length: usize = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
            let mut answer = vec![0; length];
            reader.read_exact(&mut answer).unwrap();
            return String::from_utf8(answer).unwrap();
        }
    }
}

fn create(server: &Server, stream: &str, subjects: &str, more: &str) {
    let config = format!("{{\"name\":\"{stream}\",\"subjects\":[{subjects}],\"storage\":\"file\"{more}}}");
    for _ in 0..100 {
        let answer = ask(server, &format!("STREAM.CREATE.{stream}"), &config);
        if answer.contains("\"created\"") {
            return;
        }
        // JetStream begins a little later than the server.
        pause(50);
    }
    panic!("stream {stream} cannot be created");
}

/// A stream of its own: its name, and the subject `name.x`.
fn table(server: &Server) -> (Table, String) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let stream = format!("s{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    create(server, &stream, &format!("\"{stream}.>\""), "");
    (named(server, &stream), stream)
}

fn named(server: &Server, stream: &str) -> Table {
    let subject = format!("{stream}.x");
    Table::new("nats", users(), &[]).with(&[
        ("host", "127.0.0.1"),
        ("port", &server.port.to_string()),
        ("stream", stream),
        ("subject", &subject),
        ("format", "json"),
        ("scan.bounded.mode", "latest-offset"),
    ])
}

fn write(table: &Table, rows: &str) {
    table.writer().put(table.rows(rows)).unwrap();
}

/// A map of one row.
fn headers(pairs: &[(&str, &[u8])]) -> ArrayRef {
    let names: StringArray = pairs.iter().map(|(name, _)| Some(*name)).collect();
    let values: BinaryArray = pairs.iter().map(|(_, value)| Some(*value)).collect();
    let table = Table::new("nats", users(), &[]).with(&[("host", "h"), ("format", "json"), ("subject", "s")]);
    let ty = table.sink_spec(&["headers"]).schema.fields[2].ty.arrow();
    let DataType::List(entry) = ty else { panic!("a map is no list") };
    let DataType::Struct(fields) = entry.data_type() else { panic!("an entry is no structure") };
    let entries = StructArray::try_new(fields.clone(), vec![Arc::new(names), Arc::new(values)], None).unwrap();
    let offsets = OffsetBuffer::from_lengths([pairs.len()]);
    Arc::new(ListArray::try_new(entry, offsets, Arc::new(entries), None).unwrap())
}

#[test]
fn what_is_written_is_read_with_what_is_told_beside() {
    let Some(server) = server::nats("what_is_written_is_read_with_what_is_told_beside") else { return };
    let (table, stream) = table(server);
    assert!(table.read(&[]).unwrap().is_empty(), "an empty stream ends at once");
    write(&table, "+I | 1 | a\n+I | 2 | b");
    let mut writer = table.writer_with(&["subject", "headers"]);
    let spec = table.sink_spec(&["subject", "headers"]);
    let plain = batch(&Schema::new(spec.schema.fields[..3].to_vec()), &format!("+I | 3 | c | {stream}.other"));
    let mut columns = plain.rows().columns().to_vec();
    columns.push(headers(&[("kind", b"odd"), ("kind", b"even"), ("a", b"")]));
    let rows = arrow_array::RecordBatch::try_new(spec.schema.arrow(), columns).unwrap();
    writer.put(ChangeBatch::inserts(rows)).unwrap();
    let all = table.clone().with(&[("subject", &format!("{stream}.>"))]);
    let read = all.read(&["subject", "sequence"]).unwrap();
    let expected = [("1 | a", "x | 1"), ("2 | b", "x | 2"), ("3 | c", "other | 3")];
    assert_eq!(read.len(), 3);
    for (line, (row, rest)) in read.iter().zip(expected) {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line, format!("+I | {row} | {stream}.{rest}"));
    }
    let mut reading = all.reading(&["headers"]).unwrap();
    // The third one need not come with the others.
    let mut before = 0;
    let told = loop {
        let told = reading.batch().unwrap();
        if before + told.len() > 2 {
            break told;
        }
        before += told.len();
    };
    let column = told.rows().column(2).as_list::<i32>().value(2 - before);
    let names = column.as_struct().column(0).as_string::<i32>();
    let values = column.as_struct().column(1).as_binary::<i32>();
    let pairs: Vec<_> = names.iter().zip(values).filter(|(name, _)| !name.unwrap().starts_with("Nats-")).collect();
    assert_eq!(pairs, [(Some("kind"), Some(&b"even"[..])), (Some("a"), Some(&b""[..]))]);
    let timed = table.read(&["timestamp"]).unwrap();
    let millis: i64 = timed[0].rsplit(' ').next().unwrap().parse().unwrap();
    let now = table.environment.clock.now_ms();
    assert!((now - 60_000..=now).contains(&millis), "{timed:?}");
}

#[test]
fn reading_begins_and_ends_where_the_options_say() {
    let Some(server) = server::nats("reading_begins_and_ends_where_the_options_say") else { return };
    let (table, stream) = table(server);
    write(&table, "+I | 1 | a\n+I | 2 | b\n+I | 3 | c");
    let of = |pairs: &[(&str, &str)]| table.clone().with(pairs).read(&[]).unwrap();
    assert_eq!(of(&[("scan.startup.mode", "sequence"), ("scan.startup.sequence", "2")]), ["+I | 2 | b", "+I | 3 | c"]);
    assert_eq!(of(&[("scan.bounded.mode", "sequence"), ("scan.bounded.sequence", "2")]).len(), 2);
    assert_eq!(of(&[("scan.bounded.mode", "sequence"), ("scan.bounded.sequence", "99")]).len(), 3);
    assert!(of(&[("scan.startup.mode", "latest-offset")]).is_empty());
    assert_eq!(of(&[("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", "0")]).len(), 3);
    let never = [("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", "9000000000000")];
    assert!(of(&never).is_empty());
    // Several subjects are several splits, which share the stream.
    let other = table.clone().with(&[("subject", &format!("{stream}.y"))]);
    write(&other, "+I | 4 | d");
    let both = table.clone().with(&[("subject", &format!("{stream}.x; {stream}.y"))]);
    let mut rows = both.read(&[]).unwrap();
    rows.sort();
    assert_eq!(rows.len(), 4);
    // Without an end, what comes later is read, too.
    let endless = table.clone().with(&[("scan.bounded.mode", "unbounded"), ("scan.startup.mode", "latest-offset")]);
    let mut reading = endless.reading(&[]).unwrap();
    assert!(reading.is_quiet(300));
    write(&table, "+I | 5 | e");
    assert_eq!(reading.take(1).unwrap(), ["+I | 5 | e"]);
}

#[test]
fn the_source_keeps_the_contract() {
    let Some(server) = server::nats("the_source_keeps_the_contract") else { return };
    let (table, stream) = table(server);
    let rows: Vec<String> = (0..30).map(|n| format!("+I | {n} | x")).collect();
    write(&table, &rows.join("\n"));
    write(&table.clone().with(&[("subject", &format!("{stream}.y"))]), "+I | 7 | y\n+I | 8 | z");
    let both = table.with(&[("subject", &format!("{stream}.x;{stream}.y"))]);
    source_contract(&|| both.source(&["sequence"]), &|| both.environment.clone());
}

#[test]
fn large_streams_are_read_whole_and_in_order() {
    let Some(server) = server::nats("large_streams_are_read_whole_and_in_order") else { return };
    let (table, _) = table(server);
    let mut writer = table.writer();
    for part in 0..4 {
        let rows: Vec<String> = (0..5000).map(|n| format!("+I | {} | name", part * 5000 + n)).collect();
        writer.put(table.rows(&rows.join("\n"))).unwrap();
    }
    // One that is larger than a pull, between others.
    let long = "x".repeat(700_000);
    for n in 0..3 {
        writer.put(table.rows(&format!("+I | {} | {long}", 20_000 + n))).unwrap();
    }
    let read = table.read(&[]).unwrap();
    assert_eq!(read.len(), 20_003);
    let number = |line: &String| line.split(" | ").nth(1).unwrap().trim().parse::<usize>().unwrap();
    assert!(read.iter().map(number).eq(0..20_003));
}

fn sink_world(server: &'static Server) -> SinkWorld {
    let (table, _) = table(server);
    let sink = table.sink();
    SinkWorld {
        sink: Box::new(move || Box::new(sink.clone())),
        environment: table.environment.clone(),
        visible: Box::new(move || table.read(&[]).unwrap()),
        hidden: Box::new(|| 0),
    }
}

#[test]
fn the_sink_keeps_the_contract() {
    let Some(server) = server::nats("the_sink_keeps_the_contract") else { return };
    let rows = |table: &str| batch(&Schema::new(users()), table);
    let batches = [rows("+I | 1 | a\n+I | 1 | a"), rows("+I | 3 | c")];
    let all = |batches: &[ChangeBatch]| batches.iter().flat_map(lines).collect::<Vec<_>>();
    sink_contract(&|| sink_world(server), &batches, &all);
}

#[test]
fn an_id_of_the_row_is_taken_once() {
    let Some(server) = server::nats("an_id_of_the_row_is_taken_once") else { return };
    let (table, _) = table(server);
    for _ in 0..2 {
        let mut writer = table.writer_with(&["message-id"]);
        let schema = table.sink_spec(&["message-id"]).schema;
        writer.put(batch(&schema, "+I | 1 | a | id1\n+I | 1 | a | id2\n+I | 2 | b | id1")).unwrap();
    }
    assert_eq!(table.read(&[]).unwrap(), ["+I | 1 | a", "+I | 1 | a"]);
}

#[test]
fn what_cannot_be_is_told() {
    let Some(server) = server::nats("what_cannot_be_is_told") else { return };
    let missing = named(server, "nothing").with(&[("connection.max-retry-timeout", "300 ms")]);
    let error = missing.read(&[]).unwrap_err();
    assert_eq!(error.message(), "connector 'nats': stream 'nothing': JetStream answers stream not found (404)");
    let error = missing.writer().put(missing.rows("+I | 1 | a")).unwrap_err();
    assert!(error.message().contains("no stream of JetStream takes messages of subject 'nothing.x'"), "{error}");
    let (table, stream) = table(server);
    let other = table.clone().with(&[("stream", "another")]);
    let error = other.writer().put(table.rows("+I | 1 | a")).unwrap_err();
    assert!(error.message().contains("expected stream does not match"), "{error}");
    // A record that does not fit.
    write(&table, "+I | 1 | a\n+I | 2 | b");
    let numbers = Table { fields: vec![field("name", TypeKind::Int)], ..table.clone() };
    let error = numbers.read(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().starts_with(&format!("stream '{stream}', sequence 1: ")), "{error}");
    let kept = Table { fields: vec![field("name", TypeKind::Int)], ..table.clone() };
    let kept = kept.with(&[("json.dead-letter.table", "dead")]);
    let context = kept.context();
    assert_eq!(kept.factory().describe_source(&context).unwrap().dead_letters.as_deref(), Some("dead"));
    let dead = flott_api::table::dead_letter_columns();
    let mut spec = kept.source_spec(&[]);
    spec.metadata = dead.iter().map(|c| (c.key.clone(), c.ty.clone())).collect();
    let rows = kept.read_spec(&spec).unwrap();
    assert!(rows.len() == 2 && rows[1].ends_with(&format!("stream '{stream}', sequence 2")), "{rows:?}");
}

#[test]
fn messages_that_are_gone_are_missed() {
    let Some(server) = server::nats("messages_that_are_gone_are_missed") else { return };
    let (table, stream) = table(server);
    write(&table, "+I | 1 | a\n+I | 2 | b\n+I | 3 | c");
    let filtered = table.clone();
    let mut whole = table.clone();
    whole.options.0.remove("subject");
    let mut reading = whole.clone().with(&[("scan.bounded.mode", "unbounded")]).reading(&[]).unwrap();
    assert_eq!(reading.take(3).unwrap().len(), 3);
    let from_first = [("scan.startup.mode", "sequence"), ("scan.startup.sequence", "1")];
    let mut first = whole.clone().with(&from_first);
    ask(server, &format!("STREAM.PURGE.{stream}"), "{\"seq\":3}");
    let error = first.read(&[]).unwrap_err();
    assert!(error.message().contains("has no messages before sequence 3 any more, and 1 is next"), "{error}");
    first = first.with(&[("scan.lost-messages", "log")]);
    assert_eq!(first.read(&[]).unwrap(), ["+I | 3 | c"]);
    // What is gone need not have been of the filter.
    assert_eq!(filtered.with(&from_first).read(&[]).unwrap(), ["+I | 3 | c"]);
    // Another stream of the same name.
    let splits = reading.begin_checkpoint(1);
    ask(server, &format!("STREAM.DELETE.{stream}"), "");
    create(server, &stream, &format!("\"{stream}.>\""), "");
    write(&table, "+I | 9 | z");
    let error = whole.reading_of(splits, &[]).unwrap().next().unwrap_err();
    assert_eq!(error.message(), format!("stream '{stream}' was deleted and created again"));
}

fn write_many(table: &Table, rows: usize) {
    let rows: Vec<String> = (1..=rows).map(|n| format!("+I | {n} | n")).collect();
    write(table, &rows.join("\n"));
}

/// A stream without its filter, and without an end.
fn endless(table: &Table) -> Table {
    let mut whole = table.clone().with(&[("scan.bounded.mode", "unbounded")]);
    whole.options.0.remove("subject");
    whole
}

#[test]
fn a_reader_that_is_overtaken_says_so() {
    let Some(server) = server::nats("a_reader_that_is_overtaken_says_so") else { return };
    let (table, stream) = table(server);
    const ROWS: usize = 5000;
    write_many(&table, ROWS);
    let strict = endless(&table);
    let mut failing = strict.reading(&[]).unwrap();
    let mut going_on = strict.clone().with(&[("scan.lost-messages", "log")]).reading(&[]).unwrap();
    failing.take(1).unwrap();
    let mut rows = going_on.take(1).unwrap();
    // Both have pulled some, and their consumers live.
    ask(server, &format!("STREAM.PURGE.{stream}"), "{\"seq\":4901}");
    let error = loop {
        match failing.next() {
            Ok(rows) => assert!(!rows.unwrap().last().unwrap().contains("| 5000 |"), "it came to the end"),
            Err(e) => break e,
        }
    };
    assert!(error.message().contains("has no messages before sequence 4901 any more, and "), "{error}");
    assert_eq!(error.kind(), ErrorKind::External { retry: false });
    while !rows.last().unwrap().contains("| 5000 |") {
        rows.extend(going_on.next().unwrap().unwrap());
    }
    assert!(rows.len() < ROWS && rows[rows.len() - 100].contains("| 4901 |"), "{}", rows.len());
    // Messages that were deleted one by one were not overtaken.
    let (table, stream) = self::table(server);
    write_many(&table, 30);
    for sequence in [5, 6, 10, 29] {
        ask(server, &format!("STREAM.MSG.DELETE.{stream}"), &format!("{{\"seq\":{sequence},\"no_erase\":true}}"));
    }
    assert_eq!(endless(&table).reading(&[]).unwrap().take(26).unwrap().len(), 26);
}

#[test]
fn a_bounded_read_ends_when_what_was_to_come_is_removed() {
    let Some(server) = server::nats("a_bounded_read_ends_when_what_was_to_come_is_removed") else { return };
    let (table, stream) = table(server);
    write_many(&table, 5000);
    let whole = endless(&table).with(&[("scan.bounded.mode", "latest-offset")]);
    let (mut filtered, mut strict) = (table.reading(&[]).unwrap(), whole.reading(&[]).unwrap());
    let mut lenient = whole.clone().with(&[("scan.lost-messages", "log")]).reading(&[]).unwrap();
    for reading in [&mut filtered, &mut strict, &mut lenient] {
        reading.take(1).unwrap();
    }
    ask(server, &format!("STREAM.PURGE.{stream}"), "");
    for reading in [&mut filtered, &mut strict, &mut lenient] {
        while reading.soon(300).is_some() {}
    }
    assert!(filtered.ends_within(30_000));
    assert!(lenient.ends_within(30_000));
    let error = strict.next().unwrap_err();
    assert!(error.message().contains("has no messages before sequence 5001 any more, and "), "{error}");
}

/// The server is killed while rows are written and read; all are there, in order, and none is there twice.
#[test]
fn reading_and_writing_outlive_a_server_that_is_killed() {
    let Some(mut server) = own("nats", "reading_and_writing_outlive", &[]) else { return };
    let (table, _) = table(&server);
    const ROWS: usize = 30_000;
    let endless = table.clone().with(&[("scan.bounded.mode", "unbounded")]);
    let mut reading = endless.reading(&[]).unwrap();
    let (done, read) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut writer = table.writer();
            for part in 0..ROWS / 500 {
                let rows: Vec<String> = (0..500).map(|n| format!("+I | {} | n", part * 500 + n)).collect();
                writer.put(table.rows(&rows.join("\n"))).unwrap();
                pause(20);
            }
        });
        let reading = scope.spawn(|| reading.take(ROWS).unwrap());
        for _ in 0..3 {
            pause(400);
            server.kill();
            server.restart();
        }
        (writing.join(), reading.join().unwrap())
    });
    done.unwrap();
    let number = |line: &String| line.split(" | ").nth(1).unwrap().trim().parse::<usize>().unwrap();
    assert_eq!(read.len(), ROWS);
    assert!(read.iter().map(number).eq(0..ROWS));
}

#[test]
fn who_may_come_in_is_told_and_no_password_shown() {
    let settings = ["authorization { user: anna, password: \"let-me-in\" }".to_owned()];
    let Some(server) = own("nats", "who_may_come_in_is_told", &settings) else { return };
    let base = named(&server, "s").with(&[("connection.max-retry-timeout", "1 s")]);
    let told = |options: &[(&str, &str)]| base.clone().with(options).read(&[]).unwrap_err();
    for wrong in [&[][..], &[("username", "anna"), ("password", "wrong-one")], &[("token", "wrong-one")]] {
        let error = told(wrong);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains("does not let this job in"), "{error}");
        assert!(!format!("{error:?}").contains("wrong-one"), "{error:?}");
    }
    let error = told(&[("username", "anna"), ("password", "let-me-in")]);
    assert!(error.message().contains("stream not found"), "{error}");
}

#[test]
fn a_server_that_stalls_is_written_to_once() {
    let Some(server) = own("nats", "a_server_that_stalls_is_written_to_once", &[]) else { return };
    let (table, _) = table(&server);
    let table = table.with(&[("connection.timeout", "500 ms")]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    server.stalled(1200, || writer.put(table.rows("+I | 2 | b\n+I | 3 | c")).unwrap());
    assert_eq!(table.read(&[]).unwrap(), ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"]);
}

#[test]
fn a_server_that_never_answers_is_told() {
    let (_listener, port) = silent();
    let table = Table::new("nats", users(), &[]).with(&[
        ("host", "127.0.0.1"),
        ("port", &port.to_string()),
        ("stream", "s"),
        ("subject", "s.x"),
        ("format", "json"),
        ("connection.timeout", "200 ms"),
        ("connection.max-retry-timeout", "500 ms"),
    ]);
    let error = table.read(&[]).unwrap_err();
    assert_eq!(error.message(), format!("connector 'nats': 127.0.0.1:{port} does not answer"));
    let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
    assert_eq!(error.message(), format!("table 'c.d.t': 127.0.0.1:{port} does not answer"));
    assert!(error.detail().unwrap().starts_with("It was tried again for"), "{error:?}");
}

#[test]
fn tls_is_made_and_certificates_are_checked() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    certificate(folder.path(), "server");
    certificate(folder.path(), "other");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let tls = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", handshake_first: true }}",
        file("server.crt"),
        file("server.key")
    );
    let Some(server) = own("nats", "tls_is_made_and_certificates_are_checked", &[tls]) else { return };
    let base = named(&server, "s").with(&[("connection.max-retry-timeout", "1 s"), ("tls.enabled", "true")]);
    let read = |ca: &str| base.clone().with(&[("tls.ca-location", &file(ca))]).read(&[]).unwrap_err().to_string();
    assert!(read("server.crt").contains("stream not found"), "{}", read("server.crt"));
    assert!(read("other.crt").contains("invalid peer certificate"), "{}", read("other.crt"));
}
