//! Timers in their order, and in checkpoints, against a set.

use std::sync::Arc;

use flott_api::ids::Subtask;
use flott_api::state::StateMemory;
use flott_api::testing::{FakeSnapshot, FakeStateStore, FakeWorld, open_context_with, ready};

use super::*;
use crate::hot::testing::{Chance, context};

fn timer(at_ms: i64, domain: TimeDomain, payload: &'static str) -> Timer {
    Timer { at_ms, domain, key_group: None, payload: Bytes::from_static(payload.as_bytes()) }
}

fn keyed(at_ms: i64, domain: TimeDomain, key_group: u32) -> Timer {
    Timer { at_ms, domain, key_group: Some(KeyGroup(key_group)), payload: Bytes::from(vec![key_group as u8; 3]) }
}

fn open(store: &Arc<FakeStateStore>) -> TimerQueue {
    ready(TimerQueue::open(&context(store, StateMemory::new(usize::MAX, true)))).unwrap()
}

#[test]
fn timers_fire_once_in_order_of_their_time_and_in_slices() {
    use TimeDomain::{Event, Processing};
    let mut queue = open(&FakeStateStore::new());
    for (at, payload) in [(5, "b"), (3, "z"), (5, "a"), (5, "a"), (9, "c"), (4, "gone")] {
        queue.register(timer(at, Event, payload));
    }
    queue.register(timer(2, Processing, "p"));
    queue.delete(&timer(4, Event, "gone"));
    queue.delete(&timer(4, Event, "never set"));
    assert_eq!((queue.next_processing_ms(), queue.len()), (Some(2), 5));
    assert_eq!(queue.take_due(Event, 5, 2), [timer(3, Event, "z"), timer(5, Event, "a")]);
    assert_eq!(queue.take_due(Event, 5, 2), [timer(5, Event, "b")]);
    assert_eq!(queue.take_due(Event, 8, 9), []);
    assert_eq!(queue.take_due(Event, i64::MAX, 9), [timer(9, Event, "c")]);
    assert_eq!(queue.take_due(Processing, 2, 9), [timer(2, Processing, "p")]);
    assert!(queue.is_empty() && queue.next_processing_ms().is_none());
}

fn all(queue: &mut TimerQueue) -> Vec<Timer> {
    let due = |queue: &mut TimerQueue, domain| queue.take_due(domain, i64::MAX, usize::MAX);
    [due(queue, TimeDomain::Event), due(queue, TimeDomain::Processing)].concat()
}

fn restored(snapshot: FakeSnapshot) -> Vec<Timer> {
    all(&mut open(&FakeStateStore::restored(snapshot)))
}

#[test]
fn timers_of_keys_move_with_their_key_groups_and_others_are_not_kept() {
    let store = FakeStateStore::new();
    let mut queue = open(&store);
    for (at_ms, key_group) in [(-5, 0), (7, 7), (7, 8), (9, 15)] {
        queue.register(keyed(at_ms, TimeDomain::Event, key_group));
    }
    queue.register(timer(1, TimeDomain::Event, "of the instance"));
    queue.close_epoch();
    while !ready(queue.drain(1)).unwrap() {}
    let snapshot = store.snapshot();
    let part = |index: u32, parallelism: u32| {
        let subtask = Subtask { index, parallelism };
        let store = FakeStateStore::restored(snapshot.clone());
        all(&mut ready(TimerQueue::open(&open_context_with(&FakeWorld::at(0), subtask, 16, store))).unwrap())
    };
    assert_eq!(part(0, 2), [keyed(-5, TimeDomain::Event, 0), keyed(7, TimeDomain::Event, 7)]);
    assert_eq!(part(1, 2), [keyed(7, TimeDomain::Event, 8), keyed(9, TimeDomain::Event, 15)]);
}

#[test]
fn a_timer_that_came_and_went_within_an_epoch_is_not_written() {
    let store = FakeStateStore::new();
    let mut queue = open(&store);
    queue.register(keyed(5, TimeDomain::Event, 1));
    queue.take_due(TimeDomain::Event, 5, 1);
    assert!(queue.open.is_empty());
    queue.close_epoch();
    assert!(ready(queue.drain(1)).unwrap());
    assert!(store.snapshot().entries[0].is_empty());
}

#[test]
fn whatever_happens_the_store_has_the_timers_of_the_barrier() {
    for seed in 1..40 {
        let (store, mut chance) = (FakeStateStore::new(), Chance::new(seed));
        let mut queue = open(&store);
        let mut barrier: Option<Vec<Timer>> = None;
        let mut model: BTreeSet<(TimeDomain, i64, u32)> = BTreeSet::new();
        let timers = |model: &BTreeSet<(TimeDomain, i64, u32)>| -> Vec<Timer> {
            model.iter().map(|(domain, at_ms, group)| keyed(*at_ms, *domain, *group)).collect()
        };
        for _ in 0..400 {
            let domain = if chance.below(2) == 0 { TimeDomain::Event } else { TimeDomain::Processing };
            let (at_ms, group) = (chance.below(6) as i64 - 3, chance.below(4) as u32);
            match chance.below(8) {
                0..3 => {
                    queue.register(keyed(at_ms, domain, group));
                    model.insert((domain, at_ms, group));
                }
                3 => {
                    queue.delete(&keyed(at_ms, domain, group));
                    model.remove(&(domain, at_ms, group));
                }
                4 => {
                    let due = queue.take_due(domain, at_ms, usize::MAX);
                    let expected = timers(&model).into_iter().filter(|t| t.domain == domain && t.at_ms <= at_ms);
                    assert_eq!(due, expected.collect::<Vec<_>>());
                    model.retain(|(d, at, _)| *d != domain || *at > at_ms);
                }
                5 if barrier.is_none() => {
                    queue.close_epoch();
                    barrier = Some(timers(&model));
                }
                _ if barrier.is_some() && ready(queue.drain(1)).unwrap() => {
                    assert_eq!(Some(restored(store.snapshot())), barrier.take(), "seed {seed}");
                }
                _ => {}
            }
        }
        assert_eq!(all(&mut queue), timers(&model));
        assert_eq!(queue.payload_bytes, 0);
    }
}

#[test]
fn damaged_timers_are_errors() {
    let good = [&7u16.to_be_bytes()[..], &[0], &flipped(5).to_be_bytes(), b"payload"].concat();
    assert!(decode(&Bytes::from(good.clone())).is_ok());
    for cut in 0..11 {
        assert!(decode(&Bytes::copy_from_slice(&good[..cut])).is_err(), "cut at {cut}");
    }
    let other = [&good[..2], &[9], &good[3..]].concat();
    assert!(decode(&Bytes::from(other)).is_err());
}
