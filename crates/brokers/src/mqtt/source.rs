//! Reading: one session of the broker.
//!
//! **State**: none but the name of the session; what is not acknowledged lies at the broker. A message is acknowledged when
//! the checkpoint behind it is complete. When only the connection was lost, the broker sends again what it waits for under the
//! same ids: what is out already is known by its id and its bytes, and not given out again. A broker that has forgotten some of
//! its messages gives their ids to others, so each message has a number of our own, too: one is never acknowledged for another.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::CheckpointId;
use flott_api::source::{Boundedness, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{BoxFuture, Result};
use foldhash::fast::RandomState;

use super::METADATA;
use super::client::Client;
use super::options::MqttOptions;
use super::packet::{Packet, Publish, acknowledge, matches};
use crate::link::Lasting;
use crate::messages::{Message, RowLayout};
use crate::reader::{Acknowledges, BYTES_MAX, Feed, MESSAGES_MAX, MessageReader, Pending, single_split};

/// Reads a session.
pub(super) struct MqttSource {
    shared: Arc<Shared>,
}

struct Shared {
    options: MqttOptions,
    layout: Arc<RowLayout>,
    /// Without one of the user it is of this process alone.
    client_id: Option<String>,
}

impl MqttSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SourceSpec) -> Result<Self> {
        let options = MqttOptions::read(&spec.options, &spec.schema)?;
        options.check_source()?;
        let layout = Arc::new(RowLayout::of(spec, METADATA)?);
        let client_id = options.client_id.clone();
        Ok(MqttSource { shared: Arc::new(Shared { options, layout, client_id }) })
    }
}

impl Source for MqttSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn enumerator(&self, _: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        single_split(restored, "session")
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let (shared, environment) = (Arc::clone(&self.shared), cx.environment.clone());
        let open = move |split: &Split| {
            let lasting = Lasting::new(&environment, shared.options.retry_ms);
            let feed = MqttFeed {
                client_id: shared.client_id.clone().unwrap_or(format!("flott-{:016x}", environment.rng.next_u64())),
                shared: Arc::clone(&shared),
                environment: environment.clone(),
                split: split.clone(),
                lasting,
                open: HashMap::default(),
                pending: Pending::default(),
                numbered: 0,
                hasher: RandomState::default(),
            };
            Ok(Box::new(feed) as Box<dyn Feed>)
        };
        let shared = &self.shared;
        Ok(Box::new(MessageReader::new(&shared.layout, &*shared.options.format, cx, Box::new(open))?))
    }
}

/// A message that the broker waits for the acknowledgement of.
struct Unacknowledged {
    number: u64,
    hash: u64,
    /// Its checkpoint is complete, and there was no connection to say so.
    due: bool,
}

/// The messages of the session.
struct MqttFeed {
    shared: Arc<Shared>,
    environment: Environment,
    client_id: String,
    split: Split,
    lasting: Lasting<Session>,
    open: HashMap<u16, Unacknowledged, RandomState>,
    pending: Pending<Place>,
    /// How many messages were given out that wait for an acknowledgement.
    numbered: u64,
    hasher: RandomState,
}

/// What a message is known by between its arrival and its acknowledgement.
#[derive(Clone, Copy)]
struct Place {
    id: u16,
    number: u64,
}

impl Place {
    fn pack(self) -> u64 {
        self.number << u16::BITS | u64::from(self.id)
    }

    fn unpack(packed: u64) -> Self {
        Place { id: packed as u16, number: packed >> u16::BITS }
    }
}

struct Session {
    client: Client,
    /// Messages that came before the subscription was answered.
    early: Vec<Packet>,
    /// Whether this connection was looked at before.
    seen: bool,
}

fn open(shared: Arc<Shared>, environment: Environment, client_id: String) -> BoxFuture<'static, Result<Session>> {
    Box::pin(async move {
        let options = &shared.options;
        let mut client = Client::open(&environment, &options.access, &client_id, options.scan_qos == 0).await?;
        let mut early = Vec::new();
        client.subscribe(&options.topics, options.scan_qos, &mut early).await?;
        Ok(Session { client, early, seen: false })
    })
}

impl Session {
    /// Packets that have come; waits until there are some.
    async fn publishes(&mut self) -> Result<Vec<Publish>> {
        let (mut publishes, mut bytes) = (Vec::new(), 0);
        loop {
            for packet in self.early.drain(..) {
                if let Packet::Publish(publish) = packet {
                    publishes.push(publish);
                }
            }
            while publishes.len() < MESSAGES_MAX && bytes < BYTES_MAX {
                match self.client.take()? {
                    Some(Packet::Publish(publish)) => {
                        bytes += publish.payload.len();
                        publishes.push(publish);
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            if !publishes.is_empty() {
                return Ok(publishes);
            }
            self.client.fill().await?;
        }
    }
}

impl MqttFeed {
    /// Whether a message is new; acknowledges what need not wait for a checkpoint.
    fn is_new(&mut self, publish: &Publish, acknowledged: &mut Vec<u8>) -> bool {
        let topic = String::from_utf8_lossy(&publish.topic);
        // The broker keeps subscriptions of the session that the options do not name any more.
        let wanted = self.shared.options.topics.iter().any(|filter| matches(filter, &topic));
        if publish.qos == 0 {
            return wanted;
        }
        if !wanted || self.shared.options.on_receipt {
            acknowledge(acknowledged, publish.id);
            return wanted;
        }
        let hash = self.hasher.hash_one((&publish.topic, &publish.payload));
        match self.open.get(&publish.id) {
            Some(open) if publish.again && open.hash == hash => {
                if open.due {
                    acknowledge(acknowledged, publish.id);
                    self.open.remove(&publish.id);
                }
                false
            }
            _ => {
                self.numbered += 1;
                self.open.insert(publish.id, Unacknowledged { number: self.numbered, hash, due: false });
                true
            }
        }
    }
}

#[async_trait]
impl Feed for MqttFeed {
    async fn messages(&mut self) -> Result<Option<Vec<Message>>> {
        loop {
            let (shared, environment, id) = (&self.shared, &self.environment, &self.client_id);
            let session = self.lasting.get(|| open(Arc::clone(shared), environment.clone(), id.clone())).await?;
            if !std::mem::replace(&mut session.seen, true) && !session.client.known {
                // Its ids mean nothing any more.
                self.open.clear();
                self.pending.clear();
            }
            let publishes = match session.publishes().await {
                Ok(publishes) => publishes,
                Err(e) => {
                    self.lasting.failed(e)?;
                    continue;
                }
            };
            // From here on nothing is awaited.
            self.lasting.works();
            let (mut messages, mut acknowledged) = (Vec::new(), Vec::new());
            for publish in publishes {
                if self.is_new(&publish, &mut acknowledged) {
                    let place = Place { id: publish.id, number: self.numbered };
                    messages.push(Message {
                        payload: publish.payload,
                        address: publish.topic,
                        sequence: place.pack(),
                        again: publish.again,
                        qos: publish.qos,
                        ..Message::default()
                    });
                }
            }
            if let Some(session) = self.lasting.opened()
                && let Err(e) = session.client.send(acknowledged)
            {
                // They come again.
                tracing::debug!("acknowledgements are lost: {e}");
            }
            if !messages.is_empty() {
                return Ok(Some(messages));
            }
        }
    }

    fn snapshot(&self) -> Result<Split> {
        Ok(self.split.clone())
    }

    fn place(&self, message: &Message) -> String {
        format!("topic '{}', client '{}'", String::from_utf8_lossy(&message.address), self.client_id)
    }
}

impl Acknowledges for MqttFeed {
    fn emitted(&mut self, messages: &[Message]) {
        if !self.shared.options.on_receipt {
            self.pending.extend(messages.iter().filter(|m| m.qos > 0).map(|m| Place::unpack(m.sequence)));
        }
    }

    fn barrier(&mut self, checkpoint: CheckpointId) {
        self.pending.barrier(checkpoint);
    }

    fn complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let mut places = self.pending.complete(checkpoint);
        places.retain(|place| self.open.get(&place.id).is_some_and(|open| open.number == place.number));
        let mut packets = Vec::new();
        places.iter().for_each(|place| acknowledge(&mut packets, place.id));
        let sent = self.lasting.opened().is_some_and(|session| session.client.send(packets).is_ok());
        for Place { id, .. } in places {
            match self.open.get_mut(&id) {
                Some(open) if !sent => open.due = true,
                _ => drop(self.open.remove(&id)),
            }
        }
        Ok(())
    }
}
