//! Reading: where it begins and ends, what a record tells, and going on from any place.

use flott_api::source::SplitEnumerator;
use flott_api::{ErrorKind, LogicalType, TypeKind};

use super::broker::{eventually, shared};
use super::table::{Reading, TestTable};
use crate::client::external;
use crate::source::KafkaSource;
use flott_api::source::Source;

const ROWS: &str = "+I | 1 | a\n+I | 2 | b\n+I | 3 | c";

fn ids(from: i32, to: i32) -> Vec<String> {
    let mut rows: Vec<String> = (from..to).map(|i| format!("+I | {i} | name {i}")).collect();
    rows.sort();
    rows
}

fn text(from: i32, to: i32) -> String {
    ids(from, to).join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_whichever_way_it_is_compressed() {
    let Some(broker) = shared("what_is_written_is_read") else { return };
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("compressed-{compression}");
        let table = TestTable::json(broker, &topic, &[("properties.compression.type", compression)]);
        table.write(&text(0, 3000)).await;
        assert_eq!(table.read().await, ids(0, 3000), "{compression}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_wherever_it_was() {
    let Some(broker) = shared("a_reader_goes_on_wherever_it_was") else { return };
    let table = TestTable::json(broker, "going-on", &[("properties.batch.size", "600")]);
    broker.create(&table.environment, "going-on", 3).await;
    for from in [0, 100, 200] {
        table.write(&text(from, from + 100)).await;
    }
    let mut reading = Reading::begin(&table, table.source(&[]).unwrap()).await.unwrap();
    let mut rows = Vec::new();
    while let Some((_, read)) = reading.next().await.unwrap() {
        rows.extend(read);
        reading.restart();
    }
    rows.sort();
    assert_eq!(rows, ids(0, 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_tells_where_it_lies_and_when_it_was_written() {
    let Some(broker) = shared("a_record_tells") else { return };
    let table = TestTable::json(broker, "told", &[]);
    table.write(ROWS).await;
    let all = ["topic", "partition", "offset", "leader-epoch", "timestamp-type", "headers"];
    let mut rows = table.read_with(&all).await.unwrap();
    rows.sort();
    assert_eq!(
        rows,
        [
            "+I | 1 | a | told | 0 | 0 | 0 | CreateTime | []",
            "+I | 2 | b | told | 0 | 1 | 0 | CreateTime | []",
            "+I | 3 | c | told | 0 | 2 | 0 | CreateTime | []",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_begins_and_ends_where_the_options_say() {
    let Some(broker) = shared("reading_begins_and_ends") else { return };
    let table = TestTable::json(broker, "places", &[("properties.group.id", "places")]);
    table.write(ROWS).await;
    let of = |pairs: &[(&str, &str)]| {
        let table = pairs.iter().fold(table.clone(), |table, (key, value)| table.with(&format!("scan.{key}"), value));
        async move { table.read().await }
    };
    let from_second = [("startup.mode", "specific-offsets"), ("startup.specific-offsets", "partition:0,offset:1")];
    assert_eq!(of(&from_second).await, ["+I | 2 | b", "+I | 3 | c"]);
    let to_second = [("bounded.mode", "specific-offsets"), ("bounded.specific-offsets", "partition:0,offset:2")];
    assert_eq!(of(&to_second).await, ["+I | 1 | a", "+I | 2 | b"]);
    assert_eq!(of(&[("startup.mode", "latest-offset")]).await, [""; 0]);
    let at_once = [("startup.mode", "timestamp"), ("startup.timestamp-millis", "0")];
    assert_eq!(of(&at_once).await.len(), 3);
    let never = [("startup.mode", "timestamp"), ("startup.timestamp-millis", "9000000000000")];
    assert_eq!(of(&never).await, [""; 0]);
    let ends = [("bounded.mode", "timestamp"), ("bounded.timestamp-millis", "0")];
    assert_eq!(of(&ends).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_where_its_last_checkpoint_was() {
    let Some(broker) = shared("a_group_is_where") else { return };
    let table = TestTable::json(broker, "grouped", &[("properties.group.id", "grouped")]);
    table.write(ROWS).await;
    let by_group = table.clone().with("scan.startup.mode", "group-offsets");
    let error = by_group.read_with(&[]).await.unwrap_err();
    assert_eq!(error.message(), "consumer group 'grouped' has no offset for topic 'grouped', partition 0");
    assert!(error.hint().unwrap().contains("properties.auto.offset.reset"));
    let earliest = by_group.clone().with("properties.auto.offset.reset", "earliest");
    assert_eq!(earliest.read().await.len(), 3);
    // A checkpoint behind two rows, which completes.
    let two = table.clone().with("scan.bounded.mode", "specific-offsets");
    let two = two.with("scan.bounded.specific-offsets", "partition:0,offset:2");
    let mut reading = Reading::begin(&two, two.source(&[]).unwrap()).await.unwrap();
    assert_eq!(reading.next().await.unwrap().unwrap().1.len(), 2);
    let (other, checkpoint) = (flott_api::ids::CheckpointId(1), flott_api::ids::CheckpointId(2));
    for id in [other, checkpoint] {
        reading.reader.snapshot().unwrap();
        reading.reader.barrier(id);
    }
    reading.reader.checkpoint_complete(checkpoint).await.unwrap();
    eventually(&table.environment, async || match by_group.read_with(&[]).await?.as_slice() {
        [third] if third == "+I | 3 | c" => Ok(()),
        other => Err(external(format!("{other:?}"))),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_committed_is_read_if_that_is_asked_for() {
    let Some(broker) = shared("only_what_is_committed") else { return };
    let exactly = [("sink.delivery-guarantee", "exactly-once"), ("sink.transactional-id-prefix", "committed")];
    let table = TestTable::json(broker, "committed", &exactly);
    let committed = table.clone().with("properties.isolation.level", "read_committed");
    let mut committer = table.restored(&[]).await.unwrap();
    let mut writer = table.writer();
    writer.write(flott_api::testing::batch(&table.schema, "+I | 1 | a")).await.unwrap();
    let first = writer.prepare_commit(false).await.unwrap();
    committer.commit(None, first).await.unwrap();
    writer.write(flott_api::testing::batch(&table.schema, "+I | 2 | aborted")).await.unwrap();
    // It is in Kafka, and then it is aborted.
    eventually(&table.environment, async || match table.read_with(&[]).await?.len() {
        2 => Ok(()),
        n => Err(external(format!("{n} rows"))),
    })
    .await;
    writer.abort().await;
    let mut writer = table.writer();
    writer.write(flott_api::testing::batch(&table.schema, "+I | 3 | c")).await.unwrap();
    let third = writer.prepare_commit(true).await.unwrap();
    assert_eq!(committed.read().await, ["+I | 1 | a"], "an open transaction is not seen");
    committer.commit(None, third).await.unwrap();
    eventually(&table.environment, async || match committed.read_with(&[]).await?.len() {
        2 => Ok(()),
        n => Err(external(format!("{n} rows"))),
    })
    .await;
    assert_eq!(committed.read().await, ["+I | 1 | a", "+I | 3 | c"]);
    assert_eq!(table.read().await.len(), 3, "without it everything is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_added_are_found_and_read_from_their_begin() {
    let Some(broker) = shared("partitions_that_are_added") else { return };
    let more = [
        ("scan.bounded.mode", "unbounded"),
        ("scan.startup.mode", "latest-offset"),
        ("scan.topic-partition-discovery.interval", "100 ms"),
    ];
    let table = TestTable::json(broker, "growing", &more);
    broker.create(&table.environment, "growing", 1).await;
    let source: KafkaSource = table.source(&[]).unwrap();
    let mut enumerator: Box<dyn SplitEnumerator> = source.enumerator(&table.environment, None).unwrap();
    assert_eq!(enumerator.discover().await.unwrap().splits.len(), 1);
    broker.grow(&table.environment, "growing", 3).await;
    let mut found = Vec::new();
    while found.len() < 2 {
        found.extend(enumerator.discover().await.unwrap().splits);
    }
    let ids: Vec<&str> = found.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["growing-1", "growing-2"]);
    // A restored enumerator knows them, and what was given back to it.
    enumerator.add_back(vec![found[1].clone()]);
    let snapshot = enumerator.snapshot().unwrap();
    let mut restored = source.enumerator(&table.environment, Some(snapshot)).unwrap();
    assert_eq!(restored.discover().await.unwrap().splits, [found[1].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_fit_is_named_by_its_place() {
    let Some(broker) = shared("a_record_that_does_not_fit") else { return };
    let raw = TestTable::json(broker, "misfits", &[("format", "raw")]);
    let raw =
        TestTable { schema: flott_api::Schema::new(vec![flott_api::Field::new("line", LogicalType::string())]), ..raw };
    raw.write("+I | {\"id\": 1, \"name\": \"a\"}\n+I | {\"id\": \n+I | {\"id\": 3}").await;
    let table = TestTable::json(broker, "misfits", &[]);
    let mut reading = Reading::begin(&table, table.source(&[]).unwrap()).await.unwrap();
    assert_eq!(reading.next().await.unwrap().unwrap().1, ["+I | 1 | a"], "what is before it comes out");
    let error = reading.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().starts_with("topic 'misfits', partition 0, offset 1: "), "{error:?}");
    let skipping = table.clone().with("json.ignore-parse-errors", "true");
    assert_eq!(skipping.read().await, ["+I | 1 | a", "+I | 3 | NULL"]);
    let dead = table.with("json.dead-letter.table", "dead");
    let letters = flott_api::table::dead_letter_columns().into_iter().map(|c| (c.key, c.ty)).collect();
    let mut reading = Reading::begin(&dead, dead.source_of(letters).unwrap()).await.unwrap();
    let mut rows = Vec::new();
    while let Some((_, read)) = reading.next().await.unwrap() {
        rows.extend(read);
    }
    assert_eq!(rows.len(), 3);
    assert!(
        rows[1].starts_with("+I | NULL | NULL | ") && rows[1].ends_with(" | topic 'misfits', partition 0, offset 1"),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_or_is_not_there_is_told() {
    let Some(broker) = shared("what_cannot_be_reached") else { return };
    let quick = [("properties.default.api.timeout.ms", "300"), ("properties.retry.backoff.ms", "50")];
    let table = TestTable::json(broker, "no-such-topic", &quick);
    let error = table.read_with(&[]).await.unwrap_err();
    assert!(
        error.message().starts_with("topic 'no-such-topic' cannot be read: Kafka answers UNKNOWN_TOPIC_OR_PARTITION"),
        "{error:?}"
    );
    let away = table.with("properties.bootstrap.servers", "127.0.0.1:1");
    let error = away.read_with(&[]).await.unwrap_err();
    assert_eq!(error.message(), "no broker of 127.0.0.1:1 can be used");
    assert!(error.detail().unwrap().contains("no connection to 127.0.0.1:1"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_prefixes_are_read_as_columns() {
    let Some(broker) = shared("keys_and_prefixes") else { return };
    let keyed = [
        ("key.format", "json"),
        ("key.fields", "k_id"),
        ("key.fields-prefix", "k_"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let mut table = TestTable::json(broker, "keyed", &keyed);
    table.schema.fields[0].name = "k_id".to_owned();
    table.write(ROWS).await;
    assert_eq!(table.read().await, ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"]);
    // The bytes of the key and the value, side by side.
    let raw = [("key.format", "raw"), ("key.fields", "k"), ("value.fields-include", "EXCEPT_KEY"), ("format", "raw")];
    let mut raw = TestTable::json(broker, "keyed", &raw);
    let text = || LogicalType::new(TypeKind::Varchar(flott_api::types::LENGTH_MAX));
    raw.schema = flott_api::Schema::new(vec![flott_api::Field::new("k", text()), flott_api::Field::new("v", text())]);
    assert_eq!(raw.read().await[0], "+I | {\"id\":1} | {\"name\":\"a\"}");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_partitions_goes_on_when_it_is_interrupted() {
    let Some(broker) = shared("looking_for_partitions_goes_on") else { return };
    let table = TestTable::json(broker, "interrupted", &[]);
    table.write("+I | 1 | a").await;
    let mut enumerator = table.source(&[]).unwrap().enumerator(&table.environment, None).unwrap();
    // As often as a checkpoint could come at most.
    let mut interruptions = 0;
    let found = loop {
        assert!(interruptions < 100_000, "it never comes to an end");
        tokio::select! {
            biased;
            found = enumerator.discover() => break found.unwrap(),
            () = std::future::ready(()) => interruptions += 1,
        }
        table.environment.clock.sleep_ms(1).await;
    };
    assert!(interruptions > 0, "it was interrupted");
    assert_eq!(found.splits.len(), 1);
}
