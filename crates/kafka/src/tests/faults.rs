//! Faults: a broker that dies and comes back, and topics that are not what they were.

use flott_api::ErrorKind;
use flott_api::ids::JobId;
use flott_api::testing::batch;

use super::broker::{eventually, own, shared};
use super::table::{JOB, Reading, TestTable};
use crate::client::external;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_loses_and_doubles_nothing() {
    let Some(mut broker) = own("a_broker_that_dies") else { return };
    let exactly = [
        ("sink.delivery-guarantee", "exactly-once"),
        ("sink.transactional-id-prefix", "dying"),
        ("properties.isolation.level", "read_committed"),
        ("scan.bounded.mode", "unbounded"),
    ];
    let table = TestTable::json(&broker, "dying", &exactly);
    broker.create(&table.environment, "dying", 2).await;
    let mut committer = table.restored(&[]).await.unwrap();
    let mut writer = table.writer();
    let mut reading = Reading::begin(&table, table.source(&[]).unwrap()).await.unwrap();
    let (mut rows, mut expected) = (Vec::new(), Vec::new());
    for round in 0..4 {
        let ids = round * 1000..(round + 1) * 1000;
        let text: Vec<String> = ids.map(|i| format!("+I | {i} | x")).collect();
        writer.write(batch(&table.schema, &text[..500].join("\n"))).await.unwrap();
        expected.extend(text.iter().cloned());
        // It dies with rows under way, or with a transaction that is prepared, and comes back meanwhile.
        match round {
            1 => broker.kill(),
            3 => {
                writer.write(batch(&table.schema, &text[500..].join("\n"))).await.unwrap();
                let prepared = writer.prepare_commit(false).await.unwrap();
                broker.kill();
                broker.restart();
                committer = table.restored(&prepared).await.unwrap();
                continue;
            }
            _ => {}
        }
        writer.write(batch(&table.schema, &text[500..].join("\n"))).await.unwrap();
        if round == 1 {
            broker.restart();
        }
        let prepared = writer.prepare_commit(false).await.unwrap();
        committer.commit(None, prepared).await.unwrap();
        // Not before its rows are seen does the next round begin: a broker that dies while it writes the marks of a commit
        // may forget them (docs/kafka.md).
        while rows.len() < expected.len() {
            rows.extend(reading.next().await.unwrap().unwrap().1);
        }
    }
    while rows.len() < expected.len() {
        rows.extend(reading.next().await.unwrap().unwrap().1);
    }
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
    // Nothing more comes.
    let bounded = table.with("scan.bounded.mode", "latest-offset");
    assert_eq!(bounded.read().await.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_does_not_exist_is_an_error_unless_it_may_be_reset() {
    let Some(broker) = shared("an_offset_that_does_not_exist") else { return };
    let table = TestTable::json(broker, "out-of-range", &[]);
    table.write("+I | 1 | a\n+I | 2 | b").await;
    let beyond = table.with("scan.startup.mode", "specific-offsets");
    let beyond = beyond.with("scan.startup.specific-offsets", "partition:0,offset:99");
    let beyond = beyond.with("scan.bounded.mode", "specific-offsets");
    let beyond = beyond.with("scan.bounded.specific-offsets", "partition:0,offset:100");
    let error = beyond.read_with(&[]).await.unwrap_err();
    assert_eq!(error.message(), "topic 'out-of-range', partition 0 has no offset 99");
    assert!(error.detail().unwrap().starts_with("It ends before"), "{error:?}");
    let reset = beyond.with("properties.auto.offset.reset", "earliest");
    let reset = reset.with("scan.bounded.mode", "unbounded");
    let mut reading = Reading::begin(&reset, reset.source(&[]).unwrap()).await.unwrap();
    assert_eq!(reading.next().await.unwrap().unwrap().1, ["+I | 1 | a", "+I | 2 | b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_again_is_not_taken_for_the_old_one() {
    let Some(broker) = shared("a_topic_that_was_made_again") else { return };
    let table = TestTable::json(broker, "again", &[("scan.bounded.mode", "unbounded")]);
    table.write("+I | 1 | a\n+I | 2 | b").await;
    let mut reading = Reading::begin(&table, table.source(&[]).unwrap()).await.unwrap();
    assert_eq!(reading.next().await.unwrap().unwrap().1.len(), 2);
    broker.delete(&table.environment, "again").await;
    broker.create(&table.environment, "again", 1).await;
    let error = reading.next().await.unwrap_err();
    assert_eq!(error.message(), "topic 'again' was deleted and created again");
    let reset = table.clone().with("properties.auto.offset.reset", "earliest");
    let splits = reading.reader.snapshot().unwrap();
    let mut reading = Reading::of(&reset, reset.source(&[]).unwrap(), splits).unwrap();
    table.write("+I | 3 | c").await;
    assert_eq!(reading.next().await.unwrap().unwrap().1, ["+I | 3 | c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_protocol_of_transactions_is_spoken_too() {
    // Without KIP-890 partitions are told before they are written.
    let Some(broker) = own("the_first_protocol") else { return };
    let exactly = [
        ("sink.delivery-guarantee", "exactly-once"),
        ("sink.transactional-id-prefix", "first"),
        ("properties.isolation.level", "read_committed"),
    ];
    let table = TestTable::json(&broker, "first", &exactly);
    broker.create(&table.environment, "first", 2).await;
    broker.downgrade_transactions(&table.environment).await;
    let mut writer = table.writer();
    writer.write(batch(&table.schema, "+I | 1 | a\n+I | 2 | b")).await.unwrap();
    let prepared = writer.prepare_commit(false).await.unwrap();
    assert!(String::from_utf8_lossy(&prepared[0].payload).contains("\"protocol\":1"), "the fault has fired");
    for _ in 0..2 {
        drop(table.restored(&prepared).await.unwrap());
    }
    let mut lost = table.writer_of(JobId(0x88), 0);
    lost.write(batch(&table.schema, "+I | 3 | aborted")).await.unwrap();
    lost.abort().await;
    eventually(&table.environment, async || match table.read_with(&[]).await?.len() {
        2 => Ok(()),
        n => Err(external(format!("{n} rows"))),
    })
    .await;
}

/// It leads the topic of transactions before it knows them, the later the more partitions it has to look after first.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_has_just_started_hides_no_open_transaction() {
    let Some(mut broker) = own("a_broker_that_has_just_started") else { return };
    let more = [("sink.delivery-guarantee", "exactly-once"), ("sink.transactional-id-prefix", "hidden")];
    let table = TestTable::json(&broker, "hidden", &more);
    broker.create(&table.environment, "many", 300).await;
    drop(table.restored(&[]).await.unwrap());
    let mut writer = table.writer();
    writer.write(batch(&table.schema, "+I | 1 | a")).await.unwrap();
    let open = writer.prepare_commit(false).await.unwrap()[0].id.clone();
    let prefix = table.sink(&[]).unwrap().names_prefix(JOB);
    broker.kill();
    broker.restart();
    let mut cluster = broker.cluster(&table.environment);
    // Asked again and again, for the moment is short.
    let found = loop {
        match cluster.unfinished_transactions(&prefix).await {
            Ok(found) => break found,
            Err(e) => assert_eq!(e.kind(), ErrorKind::External { retry: true }, "{e:?}"),
        }
        table.environment.clock.sleep_ms(5).await;
    };
    assert!(found.contains(&open), "{found:?}");
}
