//! Which messages of a queue are out, which are acknowledged, and which may come again.
//!
//! Tags count the messages of one connection. What comes again over a new one is known by its correlation id, from the moment
//! that a message is handed on until it is certain that the broker has heard its acknowledgement. Where that is not certain
//! (the connection broke, the job was restored), ids are kept until a message has come and is out that never came before, for
//! the broker first sends what comes again; and for some minutes, in which it may still hold what it had sent to a client that it does
//! not know to be dead. All of these are in a complete checkpoint, so such a message is acknowledged when it comes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::{Clock, Environment};
use flott_api::ids::CheckpointId;
use flott_api::{Error, Result};
use foldhash::fast::RandomState;
use hashbrown::HashSet;

use crate::messages::Message;
use crate::rabbitmq::client::Delivery;

/// A broker knows a client to be dead after two missed heartbeats at the latest.
const OLD_NS: u64 = 180_000_000_000;

/// See the module.
pub(super) struct Book {
    clock: Arc<dyn Clock>,
    /// Whether messages are known by their ids.
    by_id: bool,
    /// Counts the connections.
    generation: u64,
    /// The tag of the message that came last.
    delivered: u64,
    acknowledged: u64,
    /// Behind that one, those that were acknowledged alone.
    alone: BTreeSet<u64>,
    /// That of the first one that never came before.
    fresh: Option<u64>,
    /// Messages that are handed on and not out.
    handed: VecDeque<(u64, Option<Bytes>)>,
    /// All ids that may come again, and those that are handed on.
    known: HashSet<Bytes, RandomState>,
    /// Ids that are out since the last barrier.
    now: Vec<Bytes>,
    marks: VecDeque<Mark>,
    /// Ids whose acknowledgements were sent, and are not known to be heard.
    sent: VecDeque<Vec<Bytes>>,
    /// Of what completed last.
    completed: Vec<Bytes>,
    /// Ids of complete checkpoints of which it is not known whether they will come again, and since when.
    old: HashSet<Bytes, RandomState>,
    old_since_ns: u64,
}

/// A message that has come.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the largest variant")]
pub(super) enum Arrival {
    New(Message),
    /// It is out, and its checkpoint is not complete.
    Known,
    /// It is in a complete checkpoint: it may be acknowledged at once, by its tag.
    Durable(u64),
}

/// What was out at a barrier.
struct Mark {
    checkpoint: CheckpointId,
    generation: u64,
    tag: u64,
    ids: Vec<Bytes>,
}

impl Book {
    /// A queue whose messages with these ids are out.
    pub(super) fn new(by_id: bool, ids: Vec<String>, environment: &Environment) -> Self {
        let old: HashSet<Bytes, RandomState> = ids.into_iter().map(Bytes::from).collect();
        Book {
            clock: Arc::clone(&environment.clock),
            by_id,
            generation: 0,
            delivered: 0,
            acknowledged: 0,
            alone: BTreeSet::new(),
            fresh: None,
            handed: VecDeque::new(),
            known: old.iter().cloned().collect(),
            now: Vec::new(),
            marks: VecDeque::new(),
            sent: VecDeque::new(),
            completed: Vec::new(),
            old,
            old_since_ns: environment.clock.monotonic_ns(),
        }
    }

    /// A new connection: all that is not acknowledged comes again.
    pub(super) fn reopened(&mut self) {
        self.generation += 1;
        (self.delivered, self.acknowledged, self.fresh) = (0, 0, None);
        self.alone.clear();
        // What was handed on is out by now; otherwise it would have to come again.
        for id in self.handed.drain(..).filter_map(|(_, id)| id) {
            self.known.remove(&id);
        }
        self.old.extend(std::mem::take(&mut self.sent).into_iter().flatten());
        self.old.extend(std::mem::take(&mut self.completed));
        self.old_since_ns = self.clock.monotonic_ns();
    }

    /// A message has come.
    ///
    /// # Errors
    /// If it has no id, and needs one.
    pub(super) fn delivered(&mut self, delivery: Delivery) -> Result<Arrival> {
        self.delivered = delivery.tag;
        if !delivery.again {
            self.fresh.get_or_insert(delivery.tag);
        }
        let id = delivery.properties.correlation_id;
        if self.by_id {
            let id = id.as_ref().filter(|id| str::from_utf8(id).is_ok_and(|id| !id.is_empty())).ok_or_else(|| {
                Error::data("a message has no correlation id, or one that is no UTF-8")
                    .with_detail("By it a message is known that comes again.")
                    .with_hint("Set 'scan.correlation-ids' = 'false' to read at least once.")
            })?;
            if self.old.contains(id) {
                self.alone.insert(delivery.tag);
                return Ok(Arrival::Durable(delivery.tag));
            }
            if !self.known.insert(id.clone()) {
                return Ok(Arrival::Known);
            }
        }
        self.handed.push_back((delivery.tag, id.clone()));
        Ok(Arrival::New(Message {
            payload: delivery.payload,
            address: delivery.routing_key,
            sequence: delivery.tag,
            timestamp_ms: delivery.properties.timestamp_s.map(|s| s.saturating_mul(1000)),
            id,
            again: delivery.again,
            headers: delivery.properties.headers,
            ..Message::default()
        }))
    }

    /// So many of those that were handed on first are out.
    pub(super) fn emitted(&mut self, messages: usize) {
        let out = self.handed.drain(..messages.min(self.handed.len()));
        let ids = out.filter_map(|(_, id)| id);
        if self.by_id {
            self.now.extend(ids);
        }
    }

    /// Up to which message of this connection all are out.
    fn out(&self) -> u64 {
        self.handed.front().map_or(self.delivered, |(tag, _)| tag - 1)
    }

    /// What is out is in this checkpoint.
    pub(super) fn barrier(&mut self, checkpoint: CheckpointId) {
        let (tag, mut ids) = (self.out(), std::mem::take(&mut self.now));
        let aged = self.clock.monotonic_ns().saturating_sub(self.old_since_ns) >= OLD_NS;
        if aged && self.fresh.is_some_and(|fresh| fresh <= tag) {
            ids.extend(std::mem::take(&mut self.old));
        }
        self.marks.push_back(Mark { checkpoint, generation: self.generation, tag, ids });
    }

    /// The checkpoint is complete: up to which message all may be acknowledged, if there are such.
    pub(super) fn complete(&mut self, checkpoint: CheckpointId) -> Option<u64> {
        let mut last = None;
        while self.marks.front().is_some_and(|mark| mark.checkpoint <= checkpoint) {
            let Some(mark) = self.marks.pop_front() else { break };
            if mark.generation == self.generation {
                self.completed.extend(mark.ids);
                last = Some(mark.tag);
            } else {
                // They come again, or have done so.
                self.old.extend(mark.ids);
            }
        }
        // The broker does not know a tag any more that was acknowledged alone.
        let open = |tag: &u64| !self.alone.contains(tag);
        (self.acknowledged + 1..=last?).rev().find(open)
    }

    /// That was said to the broker, or could not be.
    pub(super) fn acknowledged(&mut self, tag: u64, sent: bool) {
        let ids = std::mem::take(&mut self.completed);
        if sent {
            self.acknowledged = tag;
            self.alone = self.alone.split_off(&tag);
            self.sent.push_back(ids);
        } else {
            self.old.extend(ids);
        }
    }

    /// The broker has heard the acknowledgement that was sent first.
    pub(super) fn heard(&mut self) {
        for id in self.sent.pop_front().unwrap_or_default() {
            self.known.remove(&id);
        }
    }

    /// Whether the broker has heard the acknowledgements of all that is out, as far as it is known by ids.
    pub(super) fn is_settled(&self) -> bool {
        let marked = self.marks.iter().any(|mark| !mark.ids.is_empty());
        !marked && self.now.is_empty() && self.sent.is_empty() && self.completed.is_empty()
    }

    /// How many messages the broker waits for.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.delivered - self.acknowledged - self.alone.len() as u64
    }

    /// Ids of messages that are out, and may come again.
    pub(super) fn ids(&self) -> Vec<String> {
        let handed: HashSet<&Bytes, RandomState> = self.handed.iter().filter_map(|(_, id)| id.as_ref()).collect();
        let out = self.known.iter().filter(|id| !handed.contains(id));
        let mut ids: Vec<String> = out.map(|id| String::from_utf8_lossy(id).into_owned()).collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::FakeWorld;

    use super::*;
    use crate::rabbitmq::amqp::Properties;

    fn book(ids: &[&str]) -> Book {
        let world = FakeWorld::at(0);
        Book::new(true, ids.iter().map(|id| (*id).to_owned()).collect(), &world.environment())
    }

    fn deliver(book: &mut Book, tag: u64, id: &'static str, again: bool) -> bool {
        let properties =
            Properties { correlation_id: Some(Bytes::from_static(id.as_bytes())), ..Properties::default() };
        matches!(book.delivered(Delivery { tag, again, properties, ..Delivery::default() }).unwrap(), Arrival::New(_))
    }

    #[test]
    fn what_is_out_is_known_until_its_acknowledgement_was_heard() {
        let mut book = book(&[]);
        book.reopened();
        assert!(deliver(&mut book, 1, "a", false) && deliver(&mut book, 2, "b", false));
        assert!(!deliver(&mut book, 3, "a", false), "an id is taken once");
        book.emitted(1);
        assert_eq!(book.ids(), ["a"], "what is handed on is not out");
        book.barrier(CheckpointId(1));
        book.emitted(1);
        assert_eq!(book.complete(CheckpointId(1)), Some(1));
        book.acknowledged(1, true);
        assert_eq!(book.ids(), ["a", "b"]);
        book.heard();
        assert_eq!(book.ids(), ["b"]);
        book.barrier(CheckpointId(2));
        assert_eq!(book.complete(CheckpointId(2)), Some(3), "with the one that was left out");
    }

    #[test]
    fn what_comes_again_is_left_out() {
        let mut book = book(&["a", "b"]);
        book.reopened();
        assert!(!deliver(&mut book, 1, "a", true) && deliver(&mut book, 2, "c", false));
        book.emitted(1);
        book.barrier(CheckpointId(1));
        // The connection breaks before the checkpoint is complete.
        book.reopened();
        assert_eq!(book.complete(CheckpointId(1)), None);
        assert!(!deliver(&mut book, 1, "a", true) && !deliver(&mut book, 2, "c", true));
        assert_eq!(book.ids(), ["a", "b", "c"]);
        book.barrier(CheckpointId(2));
        assert_eq!(book.complete(CheckpointId(2)), None, "both were acknowledged alone");
        assert!(deliver(&mut book, 3, "d", false));
        book.emitted(1);
        book.barrier(CheckpointId(3));
        assert_eq!(book.complete(CheckpointId(3)), Some(3));
        book.acknowledged(3, false);
        assert_eq!(book.ids(), ["a", "b", "c", "d"], "what could not be said may come again");
    }
}
