//! The messages of a split.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::CheckpointId;
use flott_api::source::Split;
use flott_api::{BoxFuture, Error, Result};

use super::super::batch::unpack;
use super::super::consumer::{Arrival, Begin, Consumer, Subscription, Target};
use super::super::place::Place;
use super::{End, PulsarSplit, Shared};
use crate::link::Lasting;
use crate::messages::Message;
use crate::reader::{Acknowledges, BYTES_MAX, Feed, MESSAGES_MAX};
use crate::splits::SplitState;

/// When nothing comes for so long before the end of a split, the broker is asked whether anything still will.
const IDLE_MS: u64 = 2000;
const NS_PER_MS: u64 = 1_000_000;

/// See the module.
pub(super) struct PulsarFeed {
    shared: Arc<Shared>,
    environment: Environment,
    /// As far as its messages are out.
    split: PulsarSplit,
    /// As far as they have come.
    next: Place,
    /// The last one that has come.
    last: Option<Place>,
    ended: bool,
    lasting: Lasting<Session>,
    /// Positions at checkpoints that are not complete.
    pending: VecDeque<(CheckpointId, Place)>,
    /// Up to here they are acknowledged.
    acknowledged: Place,
}

impl PulsarFeed {
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment, split: PulsarSplit) -> Self {
        let lasting = Lasting::new(environment, shared.options.retry_ms);
        let (next, ended) = (split.position, split.ends_at(split.position));
        PulsarFeed {
            shared,
            environment: environment.clone(),
            acknowledged: split.position,
            split,
            next,
            last: None,
            ended,
            lasting,
            pending: VecDeque::new(),
        }
    }
}

/// The place of a message, which of the last one of its entry is all of the entry.
fn position(message: &Message) -> Place {
    let place = Place::from_message(message.place);
    if place.index + 1 >= place.count { place.whole() } else { place }
}

/// Where a split is when this message is out: behind the last one that has come, all is out that came with it and is no row.
fn behind(out: Place, last: Option<Place>, next: Place) -> Place {
    if last == Some(out) { next } else { out }
}

#[async_trait]
impl Feed for PulsarFeed {
    async fn messages(&mut self) -> Result<Option<Vec<Message>>> {
        while !self.ended {
            let wanted = PulsarSplit { position: self.next, ..self.split.clone() };
            let (shared, environment) = (&self.shared, &self.environment);
            let session = self.lasting.get(|| open(Arc::clone(shared), environment.clone(), wanted.clone())).await?;
            match session.messages().await {
                Ok(messages) => {
                    self.ended = session.ended;
                    self.next = session.split.position;
                    self.lasting.works();
                    if let Some(last) = messages.last() {
                        self.last = Some(position(last));
                        return Ok(Some(messages));
                    }
                    // All that came before is out, and what came now are no rows.
                    self.split.position = self.next;
                }
                Err(e) => self.lasting.failed(e)?,
            }
        }
        Ok(None)
    }

    fn snapshot(&self) -> Result<Split> {
        self.split.encode()
    }

    fn place(&self, message: &Message) -> String {
        format!("topic '{}', message {}", self.split.topic, Place::from_message(message.place))
    }
}

#[async_trait]
impl Acknowledges for PulsarFeed {
    fn emitted(&mut self, messages: &[Message]) {
        if let Some(last) = messages.last() {
            self.split.position = behind(position(last), self.last, self.next);
        }
    }

    fn barrier(&mut self, checkpoint: CheckpointId) {
        self.pending.push_back((checkpoint, self.split.position));
    }

    /// Acknowledgements are for others to see, and let the broker remove messages: one that is lost is made up by the next.
    fn complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let mut complete = None;
        while let Some((_, position)) = self.pending.pop_front_if(|(id, _)| *id <= checkpoint) {
            complete = Some(position);
        }
        let Some(position) = complete.filter(|position| *position > self.acknowledged) else { return Ok(()) };
        self.acknowledged = position;
        if let (Some(session), Some(entry)) = (self.lasting.opened(), position.last_whole_entry())
            && let Err(e) = session.consumer.acknowledge(entry)
        {
            tracing::debug!("topic '{}': an acknowledgement is lost: {e}", self.split.topic);
        }
        Ok(())
    }

    /// The last messages are acknowledged when their checkpoint is complete.
    async fn settle(&mut self) -> Result<()> {
        if self.acknowledged < self.split.position {
            std::future::pending::<()>().await;
        }
        while let Some(session) = self.lasting.opened().filter(|session| session.consumer.is_acknowledging()) {
            let heard = match session.consumer.take() {
                Ok(Some(_)) => Ok(()),
                Ok(None) => session.consumer.client.fill().await,
                Err(e) => Err(e),
            };
            if let Err(e) = heard {
                let topic = &self.split.topic;
                tracing::warn!(
                    "topic '{topic}' is read to its end, and its last messages may stay in the backlog: {e}"
                );
                break;
            }
        }
        Ok(())
    }
}

/// A consumer over one connection.
struct Session {
    consumer: Consumer,
    /// With the position as far as its messages have come.
    split: PulsarSplit,
    address: Bytes,
    environment: Environment,
    /// When the last message came, or the broker was asked.
    heard_ns: u64,
    ended: bool,
    /// Whether anybody looks at properties.
    properties: bool,
    /// So many messages may be under way.
    queue: u32,
    /// So many have come since more were allowed.
    used: u32,
}

fn open(shared: Arc<Shared>, environment: Environment, split: PulsarSplit) -> BoxFuture<'static, Result<Session>> {
    Box::pin(async move {
        let cluster = shared.cluster(&environment);
        let options = &shared.options.source;
        let (topic, name) = (split.topic.clone(), split.subscription.clone());
        let subscription = Subscription { topic, name, begin: Begin::Earliest };
        let mut consumer = Consumer::open(&cluster, subscription).await?;
        go_back(&mut consumer, &split, options.fail_on_loss).await?;
        consumer.allow(options.queue)?;
        Ok(Session {
            consumer,
            address: Bytes::from(split.topic.clone().into_bytes()),
            heard_ns: environment.clock.monotonic_ns(),
            environment,
            ended: split.ends_at(split.position),
            split,
            properties: shared.layout.has_headers(),
            queue: options.queue,
            used: 0,
        })
    })
}

/// Sets the subscription back if it is behind the wanted position: an older checkpoint was restored, or limits took messages.
async fn go_back(consumer: &mut Consumer, split: &PulsarSplit, fail_on_loss: bool) -> Result<()> {
    let before = consumer.places().await?.mark_delete;
    if before.whole() <= split.position {
        return Ok(());
    }
    consumer.seek(&Target::Entry(split.position)).await?;
    let after = consumer.places().await?.mark_delete;
    if after.whole() <= split.position {
        return Ok(());
    }
    // The ledger of the position is gone, and the subscription was at the begin of the next one: so it is where all of a ledger
    // was read that had its time. Nobody can tell whether this one had more behind the position.
    if after.entry < 0 && before.whole() == after.whole() {
        tracing::info!(
            "topic '{}': the ledger of {} is gone, and it is read on behind {after}",
            split.topic,
            split.position
        );
        return Ok(());
    }
    let PulsarSplit { topic, position, .. } = split;
    let message = format!("topic '{topic}': messages behind {position} are gone, and the next one is behind {after}");
    if fail_on_loss {
        return Err(Error::external(message)
            .with_detail("They were acknowledged, or fell to a limit or a time to live, before this job has read them.")
            .with_hint("Set 'pulsar.source.verifyInitialOffsets' = 'WARN_ON_MISMATCH' to go on without them."));
    }
    tracing::warn!("{message}");
    Ok(())
}

impl Session {
    /// Messages that have come; waits until there are some. None are lost when the future is dropped: what was taken is
    /// returned without waiting.
    async fn messages(&mut self) -> Result<Vec<Message>> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        loop {
            while !self.ended && messages.len() < MESSAGES_MAX && bytes < BYTES_MAX {
                match self.consumer.take()? {
                    Some(Arrival::Message(place, content)) => {
                        let (before, packed) = (messages.len(), content.len());
                        self.accept(place, content, &mut messages)?;
                        let unpacked = messages[before..].iter().map(|message| message.payload.len()).sum::<usize>();
                        bytes += packed.max(unpacked);
                        self.heard_ns = self.environment.clock.monotonic_ns();
                    }
                    Some(Arrival::MarkDelete(place)) => self.ended = self.split.ends_at(place.whole()),
                    Some(Arrival::EndOfTopic) => self.ended = true,
                    None => break,
                }
            }
            if self.used > self.queue / 2 {
                self.consumer.allow(std::mem::take(&mut self.used))?;
            }
            if self.ended || !messages.is_empty() {
                return Ok(messages);
            }
            self.wait().await?;
        }
    }

    async fn wait(&mut self) -> Result<()> {
        if self.split.end.is_none() {
            return self.consumer.client.fill().await;
        }
        // What only shows that the broker lives is nothing that comes.
        let now_ns = self.environment.clock.monotonic_ns();
        let idle_ms = now_ns.saturating_sub(self.heard_ns) / NS_PER_MS;
        if idle_ms < IDLE_MS {
            self.consumer.client.fill_within(IDLE_MS - idle_ms).await?;
            return Ok(());
        }
        self.heard_ns = now_ns;
        if self.consumer.is_asked() { Ok(()) } else { self.consumer.ask_places() }
    }

    /// Takes an entry apart, and leaves out what was there before, or is behind the end.
    fn accept(&mut self, place: Place, content: Bytes, messages: &mut Vec<Message>) -> Result<()> {
        let unpacked = unpack(content, place, &self.address, self.properties);
        let unpacked = unpacked.map_err(|e| e.context(format!("topic '{}', message {place}", self.split.topic)))?;
        self.used = self.used.saturating_add(unpacked.permits);
        let is_late = matches!(self.split.end, Some(End::PublishMs(ms)) if unpacked.publish_ms.cast_unsigned() >= ms);
        if is_late {
            self.ended = true;
            return Ok(());
        }
        for message in unpacked.messages {
            let at = Place::from_message(message.place);
            if at <= self.split.position {
                continue;
            }
            if self.ends_before(at) {
                self.ended = true;
                return Ok(());
            }
            self.split.position = position(&message);
            messages.push(message);
        }
        // All of the entry was seen, also what gives no message.
        self.split.position = self.split.position.max(place.whole());
        self.ended = self.split.ends_at(self.split.position);
        Ok(())
    }

    fn ends_before(&self, place: Place) -> bool {
        match self.split.end {
            Some(End::Behind(last)) => place > last,
            Some(End::Before(next)) => place >= next,
            Some(End::PublishMs(_)) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_without_rows_are_out_with_the_last_one_that_has_some() {
        let place = |entry, index, count| Place { ledger: 1, entry, index, count, partition: -1 };
        let (last, next) = (place(4, 1, 3), place(6, 0, 0).whole());
        assert_eq!(behind(place(4, 0, 3), Some(last), next), place(4, 0, 3), "more is to come");
        assert_eq!(behind(last, Some(last), next), next);
        assert_eq!(behind(last, None, next), last);
    }
}
