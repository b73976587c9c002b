//! What waits, goes out, and goes out again.

use std::sync::Arc;

use super::*;
use crate::batch::{Compression, take_batch};
use crate::client::Partition;
use crate::options::Partitioner;

const MS: u64 = NS_PER_MS;

fn settings() -> ProducerSettings {
    ProducerSettings {
        acks: -1,
        idempotent: true,
        compression: Compression::None,
        batch_bytes: 300,
        request_bytes_max: 1000,
        linger_ms: 5,
        buffer_bytes: 10_000,
        delivery_timeout_ms: 100,
        transaction_timeout_ms: None,
        ignore_keys: false,
    }
}

fn topic(partitions: i32, leader: Option<i32>) -> Topic {
    let partitions = (0..partitions).map(|index| Partition { index, leader }).collect();
    Topic { name: "t".into(), id: 1, error: None, internal: false, partitions }
}

fn state(buffer: Option<Buffer>) -> State {
    let mut state = State::new(Chooser::new(Partitioner::Fixed, false, 0), settings(), buffer);
    state.learn(&topic(1, Some(7)));
    let producer = batch::Producer { id: 3, epoch: 1, transactional: false };
    state.begin(Sender { producer, acks: -1, transactional_id: None, first_protocol: false });
    state
}

fn push(state: &mut State, key: &str, value: &str, now_ns: u64) {
    let record = NewRecord {
        topic: "t",
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        timestamp: 0,
        headers: &[],
        now_ns,
    };
    state.push(record).unwrap();
}

fn records_of(outgoing: &Outgoing) -> Vec<String> {
    let batch = take_batch(&mut outgoing.bytes.clone(), true).unwrap().unwrap();
    let mut records = batch.open().unwrap();
    let mut values = Vec::new();
    while let Some(record) = records.next().unwrap() {
        values.push(String::from_utf8_lossy(record.value.unwrap().of_bytes(&records.bytes)).into_owned());
    }
    values
}

#[test]
fn a_record_waits_for_others_unless_it_is_flushed() {
    let mut state = state(None);
    push(&mut state, "a", "1", 0);
    assert_eq!(state.due(MS), (BTreeSet::new(), Some(5 * MS)));
    assert_eq!(state.due(5 * MS).0, BTreeSet::from([7]));
    state.set_flushing(true).unwrap();
    assert_eq!(state.due(MS).0, BTreeSet::from([7]));
    assert!(!state.is_idle());
    let batches = state.take(7, MS, 1000).unwrap();
    assert_eq!(records_of(&batches[0]), ["1"]);
    // While it is under way nothing else of the partition goes out.
    push(&mut state, "a", "2", MS);
    assert!(state.due(MS).0.is_empty() && state.take(7, MS, 1000).unwrap().is_empty());
    state.note(batches[0].at, Outcome::Sent, MS);
    let batches = state.take(7, MS, 1000).unwrap();
    assert_eq!(records_of(&batches[0]), ["2"]);
    state.note(batches[0].at, Outcome::Sent, MS);
    assert!(state.is_idle());
    assert_eq!(state.buffered_bytes(), 0);
}

#[test]
fn a_batch_that_failed_goes_out_again_as_it_was() {
    let mut state = state(None);
    state.set_flushing(true).unwrap();
    push(&mut state, "a", "1", 0);
    let first = state.take(7, 0, 1000).unwrap();
    push(&mut state, "a", "2", 0);
    let again = Outcome::Again { moved: true, why: "x".to_owned(), not_before_ns: 10 * MS };
    state.note(first[0].at, again, MS);
    assert_eq!(state.leaderless(), [Arc::from("t")]);
    state.learn(&topic(2, Some(8)));
    assert!(state.take(8, 9 * MS, 1000).unwrap().is_empty(), "it waits");
    let second = state.take(8, 10 * MS, 1000).unwrap();
    assert_eq!(second[0].bytes, first[0].bytes, "under the same number");
    let again = Outcome::Again { moved: false, why: "NotEnoughReplicas".to_owned(), not_before_ns: 0 };
    state.note(second[0].at, again, 100 * MS);
    let failure = state.take_failure().unwrap();
    assert_eq!(failure.message(), "topic 't', partition 0: records cannot be written: NotEnoughReplicas");
}

#[test]
fn a_batch_that_is_full_is_followed_by_another() {
    let mut state = state(None);
    for i in 0..20 {
        push(&mut state, "a", &format!("value {i}"), 0);
    }
    let (mut all, mut batches) = (Vec::new(), 0);
    state.set_flushing(true).unwrap();
    while !state.is_idle() {
        let taken = state.take(7, 0, 1000).unwrap();
        all.extend(records_of(&taken[0]));
        batches += 1;
        state.note(taken[0].at, Outcome::Sent, 0);
    }
    assert!(batches > 1, "{batches}");
    assert_eq!(all, (0..20).map(|i| format!("value {i}")).collect::<Vec<_>>());
}

#[test]
fn of_what_is_held_back_the_last_of_each_key_goes_out() {
    let mut state = state(Some(Buffer { rows_max: 3, interval_ms: 50 }));
    push(&mut state, "a", "1", MS);
    push(&mut state, "b", "1", MS);
    push(&mut state, "a", "2", 2 * MS);
    assert_eq!((state.held_until_ns(), state.is_idle(), state.appended()), (Some(51 * MS), false, 0));
    state.release().unwrap();
    assert_eq!(state.appended(), 2);
    for key in ["a", "b", "c"] {
        push(&mut state, key, "3", 3 * MS);
    }
    assert_eq!((state.appended(), state.held_until_ns()), (5, None), "three keys are enough");
}

#[test]
fn numbers_go_on_from_their_begin() {
    assert_eq!(next_sequence(i32::MAX - 1, 2), 0);
    assert_eq!(next_sequence(0, 5), 5);
}
