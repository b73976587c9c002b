//! Exactly once: what the runtime asks of every sink, and what Kafka adds.

use flott_api::ErrorKind;
use flott_api::ids::JobId;
use flott_api::testing::batch;

use super::broker::{Broker, eventually, shared};
use super::table::{JOB, TestTable};
use crate::client::external;

fn table(broker: &Broker, topic: &str, more: &[(&str, &str)]) -> TestTable {
    let mut all = vec![
        ("sink.delivery-guarantee", "exactly-once"),
        ("sink.transactional-id-prefix", topic),
        ("properties.isolation.level", "read_committed"),
    ];
    all.extend_from_slice(more);
    TestTable::json(broker, topic, &all)
}

/// So many rows come to be seen, and no other.
async fn sees(table: &TestTable, expected: &[&str]) {
    eventually(&table.environment, async || match table.read().await {
        rows if rows == expected => Ok(()),
        rows => Err(external(format!("{rows:?} and not {expected:?}"))),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_checkpoint_is_seen_once_wherever_a_process_dies() {
    let Some(broker) = shared("each_checkpoint_is_seen_once") else { return };
    let table = table(broker, "seen-once", &[]);
    let mut committer = table.restored(&[]).await.unwrap();
    for (i, expected) in
        [["+I | 0 | x"].as_slice(), &["+I | 0 | x", "+I | 1 | x"], &["+I | 0 | x", "+I | 1 | x", "+I | 2 | x"]]
            .iter()
            .enumerate()
    {
        let mut writer = table.writer();
        writer.write(batch(&table.schema, &format!("+I | {i} | x"))).await.unwrap();
        let prepared = writer.prepare_commit(i == 2).await.unwrap();
        assert_eq!(prepared.len(), 1);
        sees(&table, &expected[..i]).await;
        committer.commit(None, prepared.clone()).await.unwrap();
        sees(&table, expected).await;
        // The next process commits it again, more than once.
        drop(writer);
        committer = table.restored(&prepared).await.unwrap();
        committer.commit(None, prepared).await.unwrap();
        sees(&table, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_checkpoint_has_is_aborted_and_others_are_left_alone() {
    let Some(broker) = shared("what_no_checkpoint_has") else { return };
    let table = table(broker, "aborted", &[]);
    let mut other = table.writer_of(JobId(0x99), 0);
    other.write(batch(&table.schema, "+I | 9 | other")).await.unwrap();
    let theirs = other.prepare_commit(false).await.unwrap();
    let mut writer = table.writer();
    writer.write(batch(&table.schema, "+I | 1 | a")).await.unwrap();
    let first = writer.prepare_commit(false).await.unwrap();
    writer.write(batch(&table.schema, "+I | 2 | lost")).await.unwrap();
    let _lost = writer.prepare_commit(false).await.unwrap();
    writer.write(batch(&table.schema, "+I | 3 | lost")).await.unwrap();
    // As with a kill, nothing of it runs any more, and nobody has aborted anything.
    std::mem::forget(writer);
    let prefix = table.sink(&[]).unwrap().names_prefix(JOB);
    let mut cluster = broker.cluster(&table.environment);
    eventually(&table.environment, async || match cluster.unfinished_transactions(&prefix).await?.len() {
        3 => Ok(()),
        n => Err(external(format!("{n} are open"))),
    })
    .await;
    let mut committer = table.restored(&first).await.unwrap();
    assert!(cluster.unfinished_transactions(&prefix).await.unwrap().is_empty(), "nothing lingers");
    committer.commit(None, theirs).await.unwrap();
    sees(&table, &["+I | 1 | a", "+I | 9 | other"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_without_rows_is_none() {
    let Some(broker) = shared("a_transaction_without_rows") else { return };
    let table = table(broker, "empty", &[]);
    let mut writer = table.writer();
    assert!(writer.prepare_commit(false).await.unwrap().is_empty());
    writer.write(batch(&table.schema, "+I | 1 | a")).await.unwrap();
    let prepared = writer.prepare_commit(false).await.unwrap();
    assert!(writer.prepare_commit(true).await.unwrap().is_empty());
    drop(table.restored(&prepared).await.unwrap());
    sees(&table, &["+I | 1 | a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_has_timed_out_is_told_as_lost() {
    let Some(broker) = shared("a_transaction_that_has_timed_out") else { return };
    let table = table(broker, "timed-out", &[("properties.transaction.timeout.ms", "1000")]);
    let mut writer = table.writer();
    writer.write(batch(&table.schema, "+I | 1 | a")).await.unwrap();
    let prepared = writer.prepare_commit(false).await.unwrap();
    let mut cluster = broker.cluster(&table.environment);
    let prefix = table.sink(&[]).unwrap().names_prefix(JOB);
    eventually(&table.environment, async || match cluster.unfinished_transactions(&prefix).await?.len() {
        0 => Ok(()),
        _ => Err(external("it is still open")),
    })
    .await;
    let error = table.restored(&prepared).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::External { retry: false });
    assert!(error.message().contains("for table 'c.d.t' are lost: transaction 'timed-out-"), "{error:?}");
    let going_on = table.clone().with("sink.lost-transactions", "log");
    drop(going_on.restored(&prepared).await.unwrap());
    sees(&table, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_that_the_brokers_do_not_allow_is_told() {
    let Some(broker) = shared("a_time_out_that_the_brokers") else { return };
    let table = table(broker, "too-long", &[("properties.transaction.timeout.ms", "99999999")]);
    let error = table.writer().write(batch(&table.schema, "+I | 1 | a")).await.unwrap_err();
    assert!(error.message().contains("Kafka answers INVALID_TRANSACTION_TIMEOUT"), "{error:?}");
    assert!(error.hint().unwrap().contains("properties.transaction.timeout.ms"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_on_their_way_from_a_dead_process_open_nothing() {
    let Some(broker) = shared("records_on_their_way") else { return };
    let table = table(broker, "late", &[("properties.linger.ms", "600000")]);
    let mut dead = table.writer();
    dead.write(batch(&table.schema, "+I | 1 | late")).await.unwrap();
    // Nothing is in Kafka yet; the next process restores, and only then the record comes.
    let mut cluster = broker.cluster(&table.environment);
    let prefix = table.sink(&[]).unwrap().names_prefix(JOB);
    assert_eq!(cluster.unfinished_transactions(&prefix).await.unwrap().len(), 1);
    drop(table.restored(&[]).await.unwrap());
    let error = dead.prepare_commit(false).await.unwrap_err();
    assert!(error.message().contains("Kafka answers INVALID_PRODUCER_EPOCH"), "{error:?}");
    assert!(cluster.unfinished_transactions(&prefix).await.unwrap().is_empty(), "nothing lingers");
}
