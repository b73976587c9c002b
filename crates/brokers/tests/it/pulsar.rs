//! Connector `pulsar`. What tests ask of the server beside tables goes to its web service.

mod exactly_once;
mod faults;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, ListArray, RecordBatch, StringArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use flott_api::env::Clock;
use flott_api::testing::{SinkWorld, batch, lines, sink_contract, source_contract};
use flott_api::{ChangeBatch, ErrorKind, Field, LogicalType, Schema, TypeKind};
use flott_runtime::environment::SystemClock;

use crate::server::{self, Server, pause};
use crate::world::{Table, field, users};

/// A request that is not answered for so long, never is.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// A server that can do something, can do it after so long, however busy the machine is.
const DONE_MAX: Duration = Duration::from_secs(120);

/// Asks the web service: the status, and what it answers.
fn admin(server: &Server, method: &str, path: &str, body: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", server.port + 1)) else { return (0, String::new()) };
    stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    let request = format!(
        "{method} /admin/v2/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, answer)
}

/// Asks until it is done: the namespace is made a little later than the server answers.
fn admin_done(server: &Server, method: &str, path: &str, body: &str) {
    admin_tried(server, method, path, body).unwrap();
}

fn admin_tried(server: &Server, method: &str, path: &str, body: &str) -> Result<(), String> {
    let clock = SystemClock::new();
    let started_ns = clock.monotonic_ns();
    loop {
        let last = admin(server, method, path, body);
        if matches!(last.0, 200..=299 | 409) {
            return Ok(());
        }
        if clock.monotonic_ns() - started_ns > DONE_MAX.as_nanos() as u64 {
            return Err(format!("{method} {path}: {last:?}; {}", server.complaint()));
        }
        pause(100);
    }
}

/// The server that all tests share, when it has made its first topic.
fn shared(test: &str) -> Option<&'static Server> {
    server::pulsar(test, |server| admin_tried(server, "PUT", "persistent/public/default/first", ""))
}

fn own_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A topic of its own: its name.
fn topic(server: &Server) -> String {
    let name = own_name();
    admin_done(server, "PUT", &format!("persistent/public/default/{name}"), "");
    name
}

/// A topic of its own with so many partitions.
fn partitioned(server: &Server, partitions: u32) -> String {
    let name = own_name();
    admin_done(server, "PUT", &format!("persistent/public/default/{name}/partitions"), &partitions.to_string());
    name
}

fn named(server: &Server, topic: &str) -> Table {
    Table::new("pulsar", users(), &[]).with(&[
        ("service-url", &format!("pulsar://127.0.0.1:{}", server.port)),
        ("topics", topic),
        ("format", "json"),
        ("source.stop.at-message-id", "latest"),
    ])
}

fn endless(table: &Table) -> Table {
    table.clone().with(&[("source.stop.at-message-id", "never")])
}

fn write(table: &Table, rows: &str) {
    table.writer().put(table.rows(rows)).unwrap();
}

fn write_many(table: &Table, rows: std::ops::Range<usize>) {
    let rows: Vec<String> = rows.map(|n| format!("+I | {n} | n")).collect();
    write(table, &rows.join("\n"));
}

fn number(line: &str) -> usize {
    line.split(" | ").nth(1).unwrap().trim().parse().unwrap()
}

/// A map of one row.
fn properties(table: &Table, pairs: &[(&str, &str)]) -> ArrayRef {
    let names: StringArray = pairs.iter().map(|(name, _)| Some(*name)).collect();
    let values: StringArray = pairs.iter().map(|(_, value)| Some(*value)).collect();
    let ty = table.sink_spec(&["properties"]).schema.fields[2].ty.arrow();
    let DataType::List(entry) = ty else { panic!("a map is no list") };
    let DataType::Struct(fields) = entry.data_type() else { panic!("an entry is no structure") };
    let entries = StructArray::try_new(fields.clone(), vec![Arc::new(names), Arc::new(values)], None).unwrap();
    let offsets = OffsetBuffer::from_lengths([pairs.len()]);
    Arc::new(ListArray::try_new(entry, offsets, Arc::new(entries), None).unwrap())
}

#[test]
fn what_is_written_is_read_with_what_is_told_beside() {
    let Some(server) = shared("what_is_written_is_read_with_what_is_told_beside") else { return };
    let name = topic(server);
    let table = named(server, &name);
    assert!(table.read(&[]).unwrap().is_empty(), "an empty topic ends at once");
    let spec = table.sink_spec(&["key", "event_time", "properties"]);
    let plain = batch(&Schema::new(spec.schema.fields[..4].to_vec()), "+I | 3 | c | k1 | 1000");
    let mut columns = plain.rows().columns().to_vec();
    columns.push(properties(&table, &[("kind", "odd"), ("a", "")]));
    let rows = RecordBatch::try_new(spec.schema.arrow(), columns).unwrap();
    table.writer_with(&["key", "event_time", "properties"]).put(ChangeBatch::inserts(rows)).unwrap();
    let before = batch(&Schema::new([&users()[..], &spec.schema.fields[3..4]].concat()), "+I | 3 | c | -1");
    let error = table.writer_with(&["event_time"]).put(before).unwrap_err();
    assert!(error.message().ends_with("an 'event_time' of -1 ms is before 1970"), "{error}");
    write(&table, "+I | 4 | d");
    let told = table.read(&["topic", "key", "event_time", "sequenceId", "message_size"]).unwrap();
    let told: Vec<String> = told.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let whole = format!("persistent://public/default/{name}");
    assert_eq!(told[0], format!("+I | 3 | c | {whole} | k1 | 1000 | 0 | 19"));
    assert_eq!(told[1], format!("+I | 4 | d | {whole} | NULL | 0 | 0 | 19"));
    let mut reading = table.reading(&["properties", "producer_name", "message_id", "publish_time"]).unwrap();
    let first = reading.batch().unwrap();
    let map = first.rows().column(2).as_list::<i32>().value(0);
    let names = map.as_struct().column(0).as_string::<i32>();
    let values = map.as_struct().column(1).as_string::<i32>();
    let pairs: Vec<_> = names.iter().zip(values).collect();
    assert_eq!(pairs, [(Some("kind"), Some("odd")), (Some("a"), Some(""))]);
    assert!(first.rows().column(3).as_string::<i32>().value(0).contains("standalone"), "the broker names producers");
    // Ledger, entry, and that it is the first of a batch of one.
    let id = first.rows().column(4).as_binary::<i32>().value(0);
    assert!(id[0] == 8 && id.ends_with(&[0x10, 0, 0x20, 0, 0x30, 1]), "{id:?}");
    let millis = first.rows().column(5).as_primitive::<arrow_array::types::TimestampMillisecondType>().value(0);
    let now = table.environment.clock.now_ms();
    assert!((now - 600_000..=now).contains(&millis), "{millis}");
}

#[test]
fn keys_are_columns() {
    let Some(server) = shared("keys_are_columns") else { return };
    let name = partitioned(server, 3);
    let table = named(server, &name).with(&[
        ("key.format", "raw"),
        ("key.fields", "name"),
        ("sink.topic-routing-mode", "message-key-hash"),
    ]);
    let rows: Vec<String> = (0..300).map(|n| format!("+I | {n} | key{}", n % 7)).collect();
    write(&table, &rows.join("\n"));
    let values = Table { fields: vec![field("id", TypeKind::Int)], ..named(server, &name) };
    write(&values, "+I | 300");
    let mut read = table.read(&["topic"]).unwrap();
    read.sort_by_key(|line| number(line));
    assert_eq!(read.len(), 301);
    assert!(read[300].starts_with("+I | 300 | NULL | "), "{}", read[300]);
    let mut of_keys = std::collections::BTreeMap::new();
    for (n, line) in read.iter().take(300).enumerate() {
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        assert_eq!(parts[2], format!("key{}", n % 7));
        assert_eq!(
            *of_keys.entry(parts[2].to_owned()).or_insert(parts[3].to_owned()),
            parts[3],
            "a key is in one partition"
        );
    }
    let partitions: std::collections::BTreeSet<&String> = of_keys.values().collect();
    assert!(partitions.len() > 1, "{of_keys:?}");
    // The value has what is not in the key, and a column of either can be read alone.
    assert_eq!(values.read(&[]).unwrap().len(), 301);
    let mut spec = table.source_spec(&[]);
    spec.projection = vec![1];
    let keys = table.read_spec(&spec).unwrap();
    assert_eq!((keys.len(), keys.iter().filter(|line| line.as_str() == "+I | key3").count()), (301, 43));
}

/// The ledger of a message id: a number in groups of seven bits.
fn ledger_of(id: &[u8]) -> u64 {
    let groups = id[1..].iter().zip(0..);
    let last = id[1..].iter().position(|byte| byte & 0x80 == 0).unwrap();
    groups.take(last + 1).fold(0, |all, (byte, at)| all | (u64::from(byte & 0x7f) << (7 * at)))
}

#[test]
fn reading_begins_and_ends_where_the_options_say() {
    let Some(server) = shared("reading_begins_and_ends_where_the_options_say") else { return };
    let name = topic(server);
    let table = named(server, &name);
    for (id, row) in ["+I | 1 | a", "+I | 2 | b\n+I | 3 | c", "+I | 4 | d"].iter().enumerate() {
        pause(if id > 0 { 20 } else { 0 });
        write(&table, row);
    }
    let told = table.read(&["publish_time"]).unwrap();
    let time = |n: usize| told[n].rsplit(' ').next().unwrap().to_owned();
    let mut reading = table.reading(&["message_id"]).unwrap();
    let first = reading.batch().unwrap();
    let bytes = first.rows().column(2).as_binary::<i32>().value(0).to_vec();
    let ledger = ledger_of(&bytes);
    let of = |pairs: &[(&str, &str)]| {
        let mut table = table.clone();
        if pairs.iter().any(|(key, _)| key.starts_with("source.stop.")) {
            table.options.0.remove("source.stop.at-message-id");
        }
        let rows = table.with(pairs).read(&[]).unwrap();
        rows.iter().map(|line| number(line)).collect::<Vec<_>>()
    };
    let id = |entry: u32| format!("{ledger}:{entry}:-1");
    assert_eq!(of(&[("source.start.message-id", &id(1))]), [2, 3, 4]);
    assert_eq!(of(&[("source.start.publish-time", &time(1))]), [2, 3, 4]);
    assert_eq!(of(&[("source.start.publish-time", "9000000000000")]), [0; 0]);
    assert_eq!(of(&[("source.start.message-id", "latest")]), [0; 0]);
    assert_eq!(of(&[("source.stop.at-message-id", &id(1))]), [1]);
    assert_eq!(of(&[("source.stop.at-message-id", &id(3))]), [1, 2, 3, 4]);
    assert_eq!(of(&[("source.stop.after-message-id", &id(1))]), [1, 2, 3]);
    assert_eq!(of(&[("source.stop.at-publish-time", &time(3))]), [1, 2, 3]);
    // Without an end, what comes later is read, too.
    let mut reading = endless(&table).with(&[("source.start.message-id", "latest")]).reading(&[]).unwrap();
    assert!(reading.is_quiet(300));
    write(&table, "+I | 5 | e");
    assert_eq!(reading.take(1).unwrap(), ["+I | 5 | e"]);
    // A subscription that is there goes on where it is, unless it is to be reset.
    let again = table.clone().with(&[("source.subscription-name", "mine")]);
    let mut reading = again.reading(&[]).unwrap();
    assert_eq!(reading.take(5).unwrap().len(), 5);
    reading.checkpoint(1);
    assert!(reading.ends_within(30_000), "a split ends when its acknowledgement is with the broker");
    drop(reading);
    assert!(again.read(&[]).unwrap().is_empty());
    assert_eq!(again.with(&[("pulsar.source.resetSubscriptionCursor", "true")]).read(&[]).unwrap().len(), 5);
}

#[test]
fn the_source_keeps_the_contract() {
    let Some(server) = shared("the_source_keeps_the_contract") else { return };
    let table = named(server, &partitioned(server, 2)).with(&[("pulsar.producer.batchingMaxMessages", "4")]);
    let rows: Vec<String> = (0..30).map(|n| format!("+I | {n} | x")).collect();
    let mut writer = table.writer();
    rows.chunks(6).for_each(|rows| writer.put(table.rows(&rows.join("\n"))).unwrap());
    source_contract(&|| table.source(&["message_id", "topic"]), &|| table.environment.clone());
}

fn sink_world(server: &'static Server) -> SinkWorld {
    let table = named(server, &topic(server));
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
    let Some(server) = shared("the_sink_keeps_the_contract") else { return };
    let rows = |table: &str| batch(&Schema::new(users()), table);
    let batches = [rows("+I | 1 | a\n+I | 1 | a"), rows("+I | 3 | c")];
    let all = |batches: &[ChangeBatch]| batches.iter().flat_map(lines).collect::<Vec<_>>();
    sink_contract(&|| sink_world(server), &batches, &all);
}

#[test]
fn large_topics_are_read_whole_and_in_order_however_they_are_compressed() {
    let Some(server) = shared("large_topics_are_read_whole") else { return };
    let table = named(server, &topic(server)).with(&[("pulsar.consumer.receiverQueueSize", "100")]);
    let kinds = ["NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"];
    for (part, compression) in kinds.iter().enumerate() {
        let table = table.clone().with(&[("pulsar.producer.compressionType", compression)]);
        write_many(&table, part * 4000..(part + 1) * 4000);
    }
    // Without batches, and ones that are larger than a batch.
    let single = table.clone().with(&[("pulsar.producer.batchingEnabled", "false")]);
    write_many(&single, 20_000..20_500);
    let long = "x".repeat(700_000);
    for n in 20_500..20_503 {
        write(&table, &format!("+I | {n} | {long}"));
    }
    let read = table.read(&[]).unwrap();
    assert_eq!(read.len(), 20_503);
    assert!(read.iter().map(|line| number(line)).eq(0..20_503));
}

#[test]
fn messages_are_acknowledged_with_their_checkpoint_and_an_older_one_reads_them_again() {
    let Some(server) = shared("messages_are_acknowledged_with_their_checkpoint") else { return };
    let name = topic(server);
    let table = named(server, &name).with(&[("source.subscription-name", "mine")]);
    let endless = endless(&table);
    let backlog = || {
        let (_, stats) =
            admin(server, "GET", &format!("persistent/public/default/{name}/stats?getPreciseBacklog=true"), "");
        let of = stats.split("\"mine\":").nth(1).unwrap().split("\"msgBacklog\":").nth(1).unwrap().to_owned();
        of.split(',').next().unwrap().parse::<u32>().unwrap()
    };
    let single = table.clone().with(&[("pulsar.producer.batchingEnabled", "false")]);
    write_many(&single, 0..10);
    let mut reading = endless.reading(&[]).unwrap();
    assert_eq!(reading.take(10).unwrap().len(), 10);
    let first = reading.begin_checkpoint(1);
    assert_eq!(backlog(), 10);
    reading.complete(1).unwrap();
    let wait = |wanted: u32| {
        (0..600)
            .find(|_| {
                backlog() == wanted || {
                    pause(50);
                    false
                }
            })
            .expect("the backlog shrinks")
    };
    wait(0);
    write_many(&single, 10..20);
    assert_eq!(reading.take(10).unwrap().len(), 10);
    let second = reading.checkpoint(2);
    wait(0);
    write_many(&single, 20..25);
    drop(reading);
    // Nothing was acknowledged behind the second one, and all behind the first one.
    for (splits, rows) in [(second, 20..25), (first, 10..25)] {
        let mut reading = endless.reading_of(splits, &[]).unwrap();
        let read = reading.take(rows.len()).unwrap();
        assert!(read.iter().map(|line| number(line)).eq(rows), "{read:?}");
        assert!(reading.is_quiet(200));
    }
}

#[test]
fn a_checkpoint_may_lie_within_a_batch() {
    let Some(server) = shared("a_checkpoint_may_lie_within_a_batch") else { return };
    let name = topic(server);
    // One entry of 5000 messages with two rows each: a batch of rows ends within it.
    let raw = Table { fields: vec![Field::new("event", LogicalType::string())], ..named(server, &name) };
    let raw = raw.with(&[
        ("format", "raw"),
        ("pulsar.producer.batchingMaxMessages", "8192"),
        ("pulsar.producer.batchingMaxBytes", "4000000"),
    ]);
    let row = |n: usize, name: &str| format!("{{\"id\":{n},\"name\":\"{name}\"}}");
    let events: Vec<String> = (0..5000)
        .map(|n| format!("+I | {{\"before\":{},\"after\":{},\"op\":\"u\"}}", row(n, "a"), row(n, "b")))
        .collect();
    write(&raw, &events.join("\n"));
    let table =
        endless(&named(server, &name)).with(&[("format", "debezium-json"), ("source.subscription-name", "mine")]);
    let mut reading = table.reading(&["message_id"]).unwrap();
    let first = reading.next().unwrap().unwrap();
    assert!(first.len() < 10_000 && first.len().is_multiple_of(2), "{}", first.len());
    let splits = reading.checkpoint(1);
    drop(reading);
    let rest = table.reading_of(splits, &["message_id"]).unwrap().take(10_000 - first.len()).unwrap();
    let rows = first.iter().chain(&rest).map(|line| number(line));
    assert!(rows.eq((0..5000).flat_map(|n| [n, n])), "each row is there once, in order");
}

#[test]
fn new_partitions_are_found() {
    let Some(server) = shared("new_partitions_are_found") else { return };
    let name = partitioned(server, 1);
    let table = endless(&named(server, &name))
        .with(&[("pulsar.source.partitionDiscoveryIntervalMs", "100"), ("source.start.message-id", "latest")]);
    let source = table.factory().source(&table.source_spec(&[])).unwrap();
    let mut enumerator = source.enumerator(&table.environment, None).unwrap();
    let runtime = Arc::clone(&table.runtime);
    let found = runtime.block_on(enumerator.discover()).unwrap();
    assert_eq!((found.splits.len(), found.finished), (1, false));
    admin_done(server, "POST", &format!("persistent/public/default/{name}/partitions"), "3");
    // What is in a new partition before it is found is read, too.
    let last = format!("{name}-partition-2");
    write(&named(server, &last), "+I | 7 | g");
    let snapshot = enumerator.snapshot().unwrap();
    let mut enumerator = source.enumerator(&table.environment, Some(snapshot)).unwrap();
    let more = runtime.block_on(enumerator.discover()).unwrap();
    let names: Vec<&str> = more.splits.iter().map(|split| split.id.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, [format!("{name}-partition-1"), last]);
    let mut reading = table.reading_of(more.splits, &[]).unwrap();
    assert_eq!(reading.take(1).unwrap(), ["+I | 7 | g"]);
}

#[test]
fn what_cannot_be_is_told() {
    let Some(server) = shared("what_cannot_be_is_told") else { return };
    let name = topic(server);
    let table = named(server, &name).with(&[("connection.max-retry-timeout", "500 ms")]);
    let missing = table.clone().with(&[("topics", "nothing")]);
    let error = missing.read(&[]).unwrap_err();
    assert!(
        error.message().starts_with("connector 'pulsar': topic 'persistent://public/default/nothing': Pulsar answers "),
        "{error}"
    );
    assert!(error.message().ends_with("(TopicNotFound, 11)"), "{error}");
    // Somebody else reads the subscription.
    let mine = endless(&table).with(&[("source.subscription-name", "mine")]);
    write(&table, "+I | 1 | a");
    let mut reading = mine.reading(&[]).unwrap();
    assert_eq!(reading.take(1).unwrap(), ["+I | 1 | a"]);
    // One that does not answer for some seconds is taken for dead, and loses it.
    let error = std::thread::scope(|scope| {
        let other = scope.spawn(|| mine.reading(&[]).err());
        while !other.is_finished() {
            assert!(reading.is_quiet(100));
        }
        other.join().unwrap().expect("two read an exclusive subscription")
    });
    assert!(error.message().contains("(ConsumerBusy, 5)"), "{error}");
    drop(reading);
    // A row that is larger than the broker takes fails at once, and not the connection.
    let long = "x".repeat(6 << 20);
    let error = table.writer().put(table.rows(&format!("+I | 1 | {long}"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("is larger than the 5242880 that the broker takes"), "{error}");
    // An id says nothing of several partitions.
    let two = partitioned(server, 2);
    let ids = table.clone().with(&[("topics", &two), ("source.start.message-id", "1:0:-1")]);
    assert!(ids.read(&[]).unwrap_err().message().contains("with 2 partitions"));
    // A record that does not fit.
    write(&table, "+I | 2 | b\n+I | 3 | c");
    let numbers = Table { fields: vec![field("name", TypeKind::Int)], ..table.clone() };
    let error = numbers.read(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().starts_with(&format!("topic 'persistent://public/default/{name}', message ")), "{error}");
    let kept = Table { fields: vec![field("name", TypeKind::Int)], ..table.clone() };
    let kept = kept.with(&[("json.dead-letter.table", "dead")]);
    let dead = flott_api::table::dead_letter_columns();
    let mut spec = kept.source_spec(&[]);
    spec.metadata = dead.iter().map(|c| (c.key.clone(), c.ty.clone())).collect();
    let rows = kept.read_spec(&spec).unwrap();
    assert!(rows.len() == 3 && rows[1].contains("message ") && rows[2].ends_with(":1:1"), "{rows:?}");
}

#[test]
fn delayed_messages_come_later_to_who_waits_for_them() {
    let Some(server) = shared("delayed_messages_come_later") else { return };
    let table = named(server, &topic(server));
    // An exclusive subscription gets them at once; they have their time.
    write(&table.clone().with(&[("sink.message-delay-interval", "1 h")]), "+I | 1 | a\n+I | 2 | b");
    assert_eq!(table.read(&[]).unwrap(), ["+I | 1 | a", "+I | 2 | b"]);
}

#[test]
fn a_terminated_topic_ends() {
    let Some(server) = shared("a_terminated_topic_ends") else { return };
    let name = topic(server);
    let table = named(server, &name);
    write(&table, "+I | 1 | a");
    let mut reading = endless(&table).reading(&[]).unwrap();
    assert_eq!(reading.take(1).unwrap(), ["+I | 1 | a"]);
    admin_done(server, "POST", &format!("persistent/public/default/{name}/terminate"), "");
    // The broker says so when all is acknowledged.
    reading.checkpoint(1);
    assert!(reading.ends_within(30_000));
    let error = table
        .with(&[("connection.max-retry-timeout", "500 ms")])
        .writer()
        .put(batch(&Schema::new(users()), "+I | 2 | b"));
    assert!(error.unwrap_err().message().contains("TopicTerminated"));
}
