//! The timers of one operator instance: in memory in order of their time, and in its checkpoints.
//!
//! Flink counterpart: `InternalTimerServiceImpl`. A timer with a key group is part of the state and moves
//! with its key; one without is the instance's own and set anew when it starts. **State layout**: a key
//! is the key group `u16` big-endian, the time domain in a byte, the time `i64` big-endian with its sign
//! flipped, and the payload; the value is a time of change that is not known, and nothing else.
//!
//! A change is noted with whether the timer was set when its epoch began. So one that is set and fires
//! within an epoch is never written. All timers are in memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::key_group::KeyGroup;
use flott_api::operator::{OpenContext, TimeDomain, Timer, Timers};
use flott_api::state::{EntryBatch, KeyedContainer, MemoryShare, StateDescriptor, StateNumber, StateStore, WriteKind};
use flott_api::{Error, Result};

use super::expiry::NOT_KNOWN;
use super::link::{excess_bytes, key_group_of};
use crate::codec::{damaged, flipped, take_array, unflipped};

const STATE: &str = "timers";
const VERSION: u16 = 1;
/// A page of the scan at the begin.
const PAGE_ENTRIES: usize = 4096;
/// What a timer takes besides its payload: its place in a tree.
const TIMER_BYTES: usize = 64;
const EVENT: u8 = 0;
const PROCESSING: u8 = 1;

/// What orders timers of one domain, and tells them apart.
type Place = (i64, Option<KeyGroup>, Bytes);

/// A timer in the store.
type Key = (TimeDomain, i64, KeyGroup, Bytes);

/// Timers of both times.
pub struct TimerQueue {
    event: BTreeSet<Place>,
    processing: BTreeSet<Place>,
    payload_bytes: usize,
    /// What has changed in the open epoch, and whether it was set at its begin.
    open: BTreeMap<Key, bool>,
    /// The same for the closed one, as far as it is not written.
    closed: BTreeMap<Key, bool>,
    pending: EntryBatch,
    store: std::sync::Arc<dyn StateStore>,
    number: StateNumber,
    share: MemoryShare,
}

impl TimerQueue {
    /// A queue with the timers of the checkpoint.
    ///
    /// # Errors
    /// If the store fails or a timer is damaged.
    pub async fn open(cx: &OpenContext) -> Result<Self> {
        let descriptor = StateDescriptor {
            name: STATE.to_owned(),
            key: String::new(),
            parts: Vec::new(),
            version: VERSION,
            namespaced: false,
            ttl_ms: 0,
        };
        let declared = cx.state.declare(&descriptor)?;
        let mut queue = TimerQueue {
            event: BTreeSet::new(),
            processing: BTreeSet::new(),
            payload_bytes: 0,
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
            pending: EntryBatch::default(),
            store: std::sync::Arc::clone(&cx.state),
            number: declared.number,
            share: MemoryShare::new(cx.memory.clone()),
        };
        match declared.restored {
            Some(restored) if restored.version != VERSION => {
                Err(Error::invalid("the timers of the checkpoint cannot be read").with_detail(format!(
                    "They are written in version {}, and this Flott reads version {VERSION}.",
                    restored.version
                )))
            }
            Some(_) => queue.restore(cx).await.map(|()| queue),
            None => Ok(queue),
        }
    }

    async fn restore(&mut self, cx: &OpenContext) -> Result<()> {
        for key_group in cx.key_groups.clone() {
            let prefix = (key_group as u16).to_be_bytes();
            let mut from = Some(Bytes::new());
            while let Some(begin) = from {
                let page = self.store.scan(self.number, &prefix, &begin, PAGE_ENTRIES).await?;
                for (key, _) in &page.entries {
                    let (domain, at_ms, key_group, payload) = decode(key)?;
                    self.insert(domain, (at_ms, Some(key_group), payload));
                }
                from = page.next;
            }
        }
        Ok(())
    }

    /// Takes timers out that are due at `until_ms`, in order; no more than `timers_max`.
    pub fn take_due(&mut self, domain: TimeDomain, until_ms: i64, timers_max: usize) -> Vec<Timer> {
        let mut due = Vec::new();
        while due.len() < timers_max {
            let Some((at_ms, key_group, payload)) = self.of(domain).first().filter(|t| t.0 <= until_ms).cloned() else {
                break;
            };
            let timer = Timer { at_ms, domain, key_group, payload };
            self.delete(&timer);
            due.push(timer);
        }
        due
    }

    /// When the next processing-time timer is due.
    pub fn next_processing_ms(&self) -> Option<i64> {
        self.processing.first().map(|(at_ms, ..)| *at_ms)
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.event.len() + self.processing.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn of(&mut self, domain: TimeDomain) -> &mut BTreeSet<Place> {
        match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        }
    }

    fn insert(&mut self, domain: TimeDomain, place: Place) -> bool {
        let payload_bytes = place.2.len();
        let new = self.of(domain).insert(place);
        self.payload_bytes += if new { payload_bytes } else { 0 };
        new
    }

    /// Notes that a timer with a key has come or gone; `before` is whether it was set.
    fn note(&mut self, timer: &Timer, before: bool) {
        let Some(key_group) = timer.key_group else { return };
        let key = (timer.domain, timer.at_ms, key_group, timer.payload.clone());
        if let Some(at_begin) = self.closed.remove(&key) {
            write(&mut self.pending, &key, (at_begin, before));
        }
        // What is as it was at the begin of the epoch again has not changed.
        if self.open.get(&key).is_some_and(|at_begin| *at_begin != before) {
            self.open.remove(&key);
        } else {
            self.open.insert(key, before);
        }
    }

    fn is_set(&self, (domain, at_ms, key_group, payload): &Key) -> bool {
        let timers = match domain {
            TimeDomain::Event => &self.event,
            TimeDomain::Processing => &self.processing,
        };
        timers.contains(&(*at_ms, Some(*key_group), payload.clone()))
    }
}

impl Timers for TimerQueue {
    fn register(&mut self, timer: Timer) {
        if self.insert(timer.domain, (timer.at_ms, timer.key_group, timer.payload.clone())) {
            self.note(&timer, false);
        }
    }

    fn delete(&mut self, timer: &Timer) {
        if self.of(timer.domain).remove(&(timer.at_ms, timer.key_group, timer.payload.clone())) {
            self.payload_bytes -= timer.payload.len();
            self.note(timer, true);
        }
    }
}

/// Writes a timer that is set `now` and was or was not before.
fn write(batch: &mut EntryBatch, key: &Key, (before, now): (bool, bool)) {
    match (before, now) {
        (false, true) => {
            batch.push(WriteKind::Put, |out| encode(key, out), |out| out.extend_from_slice(&NOT_KNOWN.to_le_bytes()))
        }
        (true, false) => batch.push(WriteKind::Delete, |out| encode(key, out), |_| {}),
        _ => {}
    }
}

fn encode((domain, at_ms, key_group, payload): &Key, out: &mut Vec<u8>) {
    out.extend_from_slice(&(key_group.0 as u16).to_be_bytes());
    out.push(match domain {
        TimeDomain::Event => EVENT,
        TimeDomain::Processing => PROCESSING,
    });
    out.extend_from_slice(&flipped(*at_ms).to_be_bytes());
    out.extend_from_slice(payload);
}

fn decode(key: &Bytes) -> Result<Key> {
    let mut input = &key[..];
    let key_group = key_group_of(input).ok_or_else(|| damaged("a timer ends too early"))?;
    let [_, _, domain] = take_array(&mut input)?;
    let domain = match domain {
        EVENT => TimeDomain::Event,
        PROCESSING => TimeDomain::Processing,
        _ => return Err(damaged("a timer waits for no time that there is")),
    };
    let at_ms = unflipped(u64::from_be_bytes(take_array(&mut input)?));
    Ok((domain, at_ms, key_group, key.slice_ref(input)))
}

#[async_trait]
impl KeyedContainer for TimerQueue {
    fn close_epoch(&mut self) {
        debug_assert!(self.closed.is_empty(), "an epoch is closed when the one before it is drained");
        std::mem::swap(&mut self.open, &mut self.closed);
    }

    async fn drain(&mut self, entries_max: usize) -> Result<bool> {
        while self.pending.len() < entries_max {
            let Some((key, before)) = self.closed.pop_first() else { break };
            let now = self.is_set(&key);
            write(&mut self.pending, &key, (before, now));
        }
        if !self.pending.is_empty() {
            self.store.write(self.number, &self.pending).await?;
            self.pending.clear();
        }
        Ok(self.closed.is_empty())
    }

    /// Timers stay in memory; this only says how much they take, and fails where that may not be more
    /// than there is.
    async fn relieve(&mut self) -> Result<()> {
        self.share.set(self.memory_bytes());
        excess_bytes(&self.share).map(|_| ())
    }

    fn memory_bytes(&self) -> usize {
        let timers = self.len() + self.open.len() + self.closed.len();
        timers * TIMER_BYTES + self.payload_bytes + self.pending.byte_len()
    }
}

#[cfg(test)]
mod tests;
