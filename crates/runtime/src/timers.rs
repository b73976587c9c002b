//! The timers of one operator instance, kept in memory in order of their time.
//!
//! Event-time timers fire when the watermark reaches them, processing-time timers when the clock
//! does. They are handed out in slices of [`TIMERS_PER_CALL_MAX`], so that a watermark which fires
//! millions of windows does not need the memory for all of them twice. A timer that is set while
//! timers fire, and is due already, fires in a later slice of the same watermark.

use std::collections::BTreeSet;

use bytes::Bytes;
use flott_api::key_group::KeyGroup;
use flott_api::operator::{TimeDomain, Timer, Timers};

/// How many timers an operator gets in one call.
pub(crate) const TIMERS_PER_CALL_MAX: usize = 8192;

/// What orders timers of one domain, and tells them apart.
type Place = (i64, Option<KeyGroup>, Bytes);

/// Timers of both times.
#[derive(Debug, Default)]
pub(crate) struct TimerQueue {
    event: BTreeSet<Place>,
    processing: BTreeSet<Place>,
}

impl TimerQueue {
    /// Takes timers out that are due at `until_ms`, in order; no more than one call's.
    pub(crate) fn take_due(&mut self, domain: TimeDomain, until_ms: i64) -> Vec<Timer> {
        let timers = self.of(domain);
        let mut due = Vec::new();
        while due.len() < TIMERS_PER_CALL_MAX && timers.first().is_some_and(|(at_ms, ..)| *at_ms <= until_ms) {
            let first = timers.pop_first();
            due.extend(first.map(|(at_ms, key_group, payload)| Timer { at_ms, domain, key_group, payload }));
        }
        due
    }

    /// When the next processing-time timer is due.
    pub(crate) fn next_processing_ms(&self) -> Option<i64> {
        self.processing.first().map(|(at_ms, ..)| *at_ms)
    }

    fn of(&mut self, domain: TimeDomain) -> &mut BTreeSet<Place> {
        match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        }
    }
}

impl Timers for TimerQueue {
    fn register(&mut self, timer: Timer) {
        self.of(timer.domain).insert((timer.at_ms, timer.key_group, timer.payload));
    }

    fn delete(&mut self, timer: &Timer) {
        self.of(timer.domain).remove(&(timer.at_ms, timer.key_group, timer.payload.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(at_ms: i64, domain: TimeDomain, payload: &'static str) -> Timer {
        Timer { at_ms, domain, key_group: None, payload: Bytes::from_static(payload.as_bytes()) }
    }

    #[test]
    fn timers_fire_once_in_order_of_their_time() {
        use TimeDomain::{Event, Processing};
        let mut queue = TimerQueue::default();
        for (at, payload) in [(5, "b"), (3, "z"), (5, "a"), (5, "a"), (9, "c"), (4, "gone")] {
            queue.register(timer(at, Event, payload));
        }
        queue.register(timer(2, Processing, "p"));
        queue.delete(&timer(4, Event, "gone"));
        queue.delete(&timer(4, Event, "never set"));
        assert_eq!(queue.next_processing_ms(), Some(2));
        let due = queue.take_due(Event, 5);
        assert_eq!(due, [timer(3, Event, "z"), timer(5, Event, "a"), timer(5, Event, "b")]);
        assert_eq!(queue.take_due(Event, 8), []);
        assert_eq!(queue.take_due(Event, i64::MAX), [timer(9, Event, "c")]);
        assert_eq!(queue.take_due(Processing, 2), [timer(2, Processing, "p")]);
        assert_eq!(queue.next_processing_ms(), None);
    }

    #[test]
    fn many_timers_come_in_slices() {
        let mut queue = TimerQueue::default();
        for at in 0..10_000 {
            queue.register(timer(at, TimeDomain::Event, ""));
        }
        assert_eq!(queue.take_due(TimeDomain::Event, i64::MAX).len(), TIMERS_PER_CALL_MAX);
        assert_eq!(queue.take_due(TimeDomain::Event, i64::MAX).len(), 10_000 - TIMERS_PER_CALL_MAX);
    }
}
