//! Rows that are seen once, by transactions.

use flott_api::ids::{CheckpointId, JobId, Subtask};
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::testing::ready;

use super::{admin, admin_done, endless, named, number, partitioned, shared, topic, write};
use crate::server::{Server, own, pause, wait_until};
use crate::world::Table;

fn exactly_once(server: &Server, topic: &str) -> Table {
    named(server, topic).with(&[("pulsar.sink.deliveryGuarantee", "exactly-once")])
}

fn writer(table: &Table, restored: Vec<bytes::Bytes>) -> Box<dyn SinkWriter> {
    let (environment, metrics) = (table.environment.clone(), std::sync::Arc::default());
    let subtask = Subtask { index: 0, parallelism: 1 };
    table.sink().writer(WriterContext { job: JobId(7), restored, subtask, environment, metrics }).unwrap()
}

fn committer(table: &Table) -> Box<dyn Committer> {
    table.sink().committer(&table.environment).unwrap().unwrap()
}

fn put(table: &Table, writer: &mut dyn SinkWriter, rows: &str) {
    ready(writer.write(table.rows(rows))).unwrap();
}

/// What is handed over at a checkpoint, and the writer's state.
fn checkpoint(writer: &mut dyn SinkWriter) -> (Vec<Committable>, bytes::Bytes) {
    (ready(writer.prepare_commit(false)).unwrap(), writer.snapshot().unwrap())
}

fn commit(table: &Table, committables: &[Committable]) -> flott_api::Result<()> {
    ready(committer(table).commit(Some(CheckpointId(1)), committables.to_vec()))
}

/// Rows as soon as so many are to be seen.
fn seen(table: &Table, rows: usize) -> Vec<String> {
    let (mut reading, mut all) = (endless(table).reading(&[]).unwrap(), Vec::new());
    while all.len() < rows {
        all.extend(reading.soon(120_000).expect("readers are held up by an open transaction"));
    }
    all.sort_by_key(|line| number(line));
    all
}

#[test]
fn rows_are_seen_when_they_are_committed_and_a_commit_is_one_however_often() {
    let Some(server) = shared("rows_are_seen_when_they_are_committed") else { return };
    let table = exactly_once(server, &partitioned(server, 2));
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a\n+I | 2 | b");
    put(&table, &mut *one, "+I | 3 | c");
    let (first, _) = checkpoint(&mut *one);
    assert_eq!(first.len(), 1);
    put(&table, &mut *one, "+I | 4 | d");
    let mut reading = endless(&table).reading(&[]).unwrap();
    assert!(reading.is_quiet(500), "nothing is seen before it is committed");
    // Another process commits, and commits again, since it does not know whether it did.
    for _ in 0..3 {
        commit(&table, &first).unwrap();
    }
    let mut rows = reading.take(3).unwrap();
    rows.sort();
    assert_eq!(rows, ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"]);
    assert!(reading.is_quiet(300), "the next one is not committed");
    let (second, _) = checkpoint(&mut *one);
    let (third, _) = checkpoint(&mut *one);
    assert!(third.is_empty(), "nothing was written");
    commit(&table, &second).unwrap();
    assert_eq!(reading.take(1).unwrap(), ["+I | 4 | d"]);
    // The end hands over all.
    put(&table, &mut *one, "+I | 5 | e");
    let last = ready(one.prepare_commit(true)).unwrap();
    commit(&table, &last).unwrap();
    assert_eq!(seen(&table, 5).len(), 5);
}

/// The broker begins to read some entries before the one that it is asked for.
#[test]
fn a_commit_of_several_entries_is_one_however_often() {
    let Some(server) = shared("a_commit_of_several_entries_is_one_however_often") else { return };
    let table = exactly_once(server, &topic(server)).with(&[("pulsar.producer.batchingMaxMessages", "2")]);
    write(&named(server, table.options.0["topics"].as_str()), "+I | 0 | before\n+I | 1 | it");
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 2 | a\n+I | 3 | b\n+I | 4 | c");
    put(&table, &mut *one, "+I | 5 | d\n+I | 6 | e");
    let (first, _) = checkpoint(&mut *one);
    for _ in 0..3 {
        commit(&table, &first).unwrap();
    }
    let rows = seen(&table, 7);
    assert!(rows.iter().map(|line| number(line)).eq(0..7), "{rows:?}");
}

/// All have read and acknowledged what was committed, and its ledger is gone.
#[test]
fn what_is_no_longer_kept_was_committed() {
    let Some(server) = shared("what_is_no_longer_kept_was_committed") else { return };
    let name = topic(server);
    let table = exactly_once(server, &name);
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    let first = ready(one.prepare_commit(true)).unwrap();
    commit(&table, &first).unwrap();
    let payload = String::from_utf8(first[0].payload.to_vec()).unwrap();
    let ledger = payload.split("\"ledger\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let of = |what: &str| format!("persistent/public/default/{name}/{what}");
    let is_kept = || admin(server, "GET", &of("internalStats"), "").1.contains(&format!("\"ledgerId\":{ledger},"));
    assert!(is_kept());
    // Nobody reads it, and there is no retention: a topic that is loaded again has another ledger.
    for rows in ["", "+I | 2 | b"] {
        admin_done(server, "PUT", &of("unload"), "");
        if !rows.is_empty() {
            write(&named(server, &name), rows);
        }
        admin_done(server, "POST", &of("trim"), "");
        wait_until("its ledger is gone", || !is_kept());
        commit(&table, &first).unwrap();
    }
}

#[test]
fn what_was_aborted_is_told() {
    let Some(server) = shared("what_was_aborted_is_told") else { return };
    let table = exactly_once(server, &topic(server))
        .with(&[("pulsar.client.operationTimeoutMs", "5000"), ("connection.max-retry-timeout", "1 s")]);
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    let first = ready(one.prepare_commit(true)).unwrap();
    ready(committer(&table).discard(first.clone())).unwrap();
    // Nothing is behind it: it might be held up.
    let error = commit(&table, &first).unwrap_err();
    assert!(error.message().ends_with("nobody can tell whether it was committed"), "{error:?}");
    assert!(error.hint().unwrap().contains("was aborted"), "{error:?}");
    write(&named(server, table.options.0["topics"].as_str()), "+I | 2 | b");
    let error = commit(&table, &first).unwrap_err();
    assert!(error.message().contains("rows of checkpoint 1 for table 'c.d.t' are lost"), "{error:?}");
}

/// Another transaction, which is open, holds up readers: nothing is said to be lost that will be seen.
#[test]
fn what_is_held_up_is_not_taken_for_lost() {
    let Some(server) = shared("what_is_held_up_is_not_taken_for_lost") else { return };
    let table = exactly_once(server, &topic(server))
        .with(&[("pulsar.client.operationTimeoutMs", "5000"), ("connection.max-retry-timeout", "1 s")]);
    let (mut older, mut one) = (writer(&table, Vec::new()), writer(&table, Vec::new()));
    put(&table, &mut *older, "+I | 1 | a");
    put(&table, &mut *one, "+I | 2 | b");
    let (first, _) = checkpoint(&mut *one);
    commit(&table, &first).unwrap();
    let error = commit(&table, &first).unwrap_err();
    assert!(error.message().ends_with("nobody can tell whether it was committed"), "{error:?}");
    ready(older.abort());
    commit(&table, &first).unwrap();
    assert_eq!(seen(&table, 1), ["+I | 2 | b"]);
}

/// The last entries of the topic are given to nobody.
#[test]
fn a_bounded_read_ends_behind_what_was_aborted() {
    let Some(server) = shared("a_bounded_read_ends_behind_what_was_aborted") else { return };
    let table = exactly_once(server, &topic(server));
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    ready(one.abort());
    assert!(table.reading(&[]).unwrap().ends_within(60_000));
    write(&named(server, table.options.0["topics"].as_str()), "+I | 2 | b");
    let mut two = writer(&table, Vec::new());
    put(&table, &mut *two, "+I | 3 | c");
    ready(two.abort());
    let mut reading = table.reading(&[]).unwrap();
    assert_eq!(reading.take(1).unwrap(), ["+I | 2 | b"]);
    assert!(reading.ends_within(60_000));
}

/// A checkpoint does not become complete with what is lost.
#[test]
fn a_transaction_that_timed_out_before_its_checkpoint_fails_it() {
    let Some(server) = shared("a_transaction_that_timed_out_before_its_checkpoint_fails_it") else { return };
    const LIMIT_MS: u64 = 5000;
    let table =
        exactly_once(server, &topic(server)).with(&[("pulsar.sink.transactionTimeoutMillis", &LIMIT_MS.to_string())]);
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    pause(LIMIT_MS);
    let error = ready(one.prepare_commit(false)).unwrap_err();
    assert!(error.message().ends_with("has timed out before its checkpoint"), "{error:?}");
    assert!(error.hint().unwrap().contains("pulsar.sink.transactionTimeoutMillis"), "{error:?}");
}

/// The process dies with a checkpoint that is complete and not committed, one that is not complete, and rows behind it.
#[test]
fn what_no_checkpoint_has_is_given_up_and_holds_up_nobody() {
    let Some(server) = shared("what_no_checkpoint_has_is_given_up") else { return };
    let table = exactly_once(server, &topic(server));
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    let (first, state) = checkpoint(&mut *one);
    put(&table, &mut *one, "+I | 2 | lost");
    let (_lost, _) = checkpoint(&mut *one);
    put(&table, &mut *one, "+I | 3 | lost, too");
    // As with a kill, nothing of it runs any more.
    std::mem::forget(one);
    commit(&table, &first).unwrap();
    let mut two = writer(&table, vec![state]);
    put(&table, &mut *two, "+I | 2 | b\n+I | 3 | c");
    let (second, _) = checkpoint(&mut *two);
    commit(&table, &second).unwrap();
    assert_eq!(seen(&table, 3), ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"]);
}

#[test]
fn an_abort_and_a_discard_leave_nothing() {
    let Some(server) = shared("an_abort_and_a_discard_leave_nothing") else { return };
    let table = exactly_once(server, &topic(server));
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    let (handed_over, _) = checkpoint(&mut *one);
    put(&table, &mut *one, "+I | 2 | b");
    ready(one.abort());
    ready(committer(&table).discard(handed_over.clone())).unwrap();
    ready(committer(&table).discard(handed_over)).unwrap();
    write(&named(server, table.options.0["topics"].as_str()), "+I | 3 | c");
    assert_eq!(seen(&table, 1), ["+I | 3 | c"]);
}

#[test]
fn a_transaction_that_timed_out_is_told() {
    let Some(server) = shared("a_transaction_that_timed_out_is_told") else { return };
    let name = topic(server);
    let table = exactly_once(server, &name)
        .with(&[("pulsar.sink.transactionTimeoutMillis", "15000"), ("pulsar.client.operationTimeoutMs", "5000")]);
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    let late = ready(one.prepare_commit(true)).unwrap();
    // What is behind it is held up for so long.
    write(&named(server, &name), "+I | 2 | b");
    assert_eq!(seen(&table, 1), ["+I | 2 | b"]);
    let error = commit(&table, &late).unwrap_err();
    assert!(
        error.message().starts_with("table 'c.d.t': rows of checkpoint 1 for table 'c.d.t' are lost: transaction ("),
        "{error:?}"
    );
    assert!(error.detail().unwrap().contains("pulsar.sink.transactionTimeoutMillis"), "{error:?}");
}

/// The broker is killed in the middle of a transaction, and between a checkpoint and its commit.
#[test]
fn a_broker_that_is_killed_loses_and_doubles_nothing() {
    let Some(mut server) = own("pulsar", "a_broker_that_is_killed_loses_and_doubles_nothing", &[]) else { return };
    let name = topic(&server);
    let table = exactly_once(&server, &name).with(&[("connection.max-retry-timeout", "300 s")]);
    let mut one = writer(&table, Vec::new());
    put(&table, &mut *one, "+I | 1 | a");
    let (first, state) = checkpoint(&mut *one);
    put(&table, &mut *one, "+I | 2 | b");
    server.kill();
    server.restart();
    commit(&table, &first).unwrap();
    // Nobody can tell what of a batch is in the transaction whose connection is lost: the job goes on from its checkpoint.
    let error = ready(one.write(table.rows("+I | 3 | c"))).unwrap_err();
    assert!(error.detail().unwrap().contains("Its transaction is given up"), "{error:?}");
    ready(one.abort());
    let mut two = writer(&table, vec![state]);
    put(&table, &mut *two, "+I | 2 | b\n+I | 3 | c");
    let (second, _) = checkpoint(&mut *two);
    server.kill();
    server.restart();
    commit(&table, &second).unwrap();
    commit(&table, &second).unwrap();
    pause(0);
    assert_eq!(seen(&table, 3), ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"]);
}
