//! Reading: a server whose requests are messages.
//!
//! **State**: none; what was not answered is its sender's. A request is answered when the checkpoint behind its rows is
//! complete, and with 503 if the reader goes before.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::HttpServer;
use flott_api::ids::CheckpointId;
use flott_api::source::{Boundedness, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{Error, ErrorKind, Result};
use flott_formats::Format;
use foldhash::fast::RandomState;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::METADATA;
use super::door::{Answer, Arrival, Door};
use super::options::WebhookOptions;
use crate::messages::{Message, RowLayout};
use crate::reader::{Acknowledges, BYTES_MAX, Feed, MESSAGES_MAX, MessageReader, Pending, single_split};

/// A reader before may still hold the port for a moment, but no longer.
const PORT_WAIT_MS: u64 = 100;
const PORT_WAIT_MS_MAX: i64 = 10_000;

/// Reads what comes to an address.
pub(super) struct WebhookSource {
    options: Arc<WebhookOptions>,
    layout: Arc<RowLayout>,
}

impl WebhookSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SourceSpec) -> Result<Self> {
        let options = Arc::new(WebhookOptions::read(&spec.options, &spec.schema)?);
        Ok(WebhookSource { options, layout: Arc::new(RowLayout::of(spec, METADATA)?) })
    }
}

impl Source for WebhookSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn enumerator(&self, _: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        single_split(restored, "address")
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let (options, environment) = (Arc::clone(&self.options), cx.environment.clone());
        let has_headers = self.layout.has_headers();
        let open = move |split: &Split| {
            let feed = WebhookFeed {
                options: Arc::clone(&options),
                environment: environment.clone(),
                split: split.clone(),
                listening: None,
                waits_since_ms: None,
                has_headers,
                open: HashMap::default(),
                numbered: 0,
                pending: Pending::default(),
            };
            Ok(Box::new(feed) as Box<dyn Feed>)
        };
        Ok(Box::new(MessageReader::new(&self.layout, &*self.options.format, cx, Box::new(open))?))
    }
}

/// The requests to the address.
struct WebhookFeed {
    options: Arc<WebhookOptions>,
    environment: Environment,
    split: Split,
    listening: Option<(Box<dyn HttpServer>, Receiver<Arrival>)>,
    /// Since when the port is not free. Reading is dropped and begun anew while it waits.
    waits_since_ms: Option<i64>,
    has_headers: bool,
    /// Those without an answer, by their numbers.
    open: HashMap<u64, oneshot::Sender<Answer>, RandomState>,
    numbered: u64,
    pending: Pending<u64>,
}

impl WebhookFeed {
    /// Begins to listen.
    async fn listen(&mut self) -> Result<()> {
        let serving = self.options.serving(&self.environment)?;
        loop {
            let (door, arrived) = Door::new(&self.options, &self.environment.clock);
            match self.environment.http.serve(&serving, Arc::new(door)).await {
                Ok(server) => {
                    tracing::info!("connector 'webhook' listens on '{}', port {}", serving.address, server.port());
                    self.listening = Some((server, arrived));
                    return Ok(());
                }
                Err(e) if e.kind() == (ErrorKind::External { retry: true }) => {
                    let now_ms = self.environment.clock.now_ms();
                    if self.waits_since_ms.is_none() {
                        tracing::warn!("connector 'webhook' waits for '{}': {e}", serving.address);
                    }
                    if now_ms - *self.waits_since_ms.get_or_insert(now_ms) > PORT_WAIT_MS_MAX {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
            self.environment.clock.sleep_ms(PORT_WAIT_MS).await;
        }
    }

    /// Gives requests their numbers.
    fn messages_of(&mut self, arrived: Vec<Arrival>) -> Vec<Message> {
        let has_headers = self.has_headers;
        let (open, numbered) = (&mut self.open, &mut self.numbered);
        let message = |arrival: Arrival| {
            let Arrival { request, at_ms, answer, room } = arrival;
            // A batch of messages has bounds of its own.
            drop(room);
            *numbered += 1;
            open.insert(*numbered, answer);
            let headers = if has_headers { request.headers } else { Vec::new() };
            Message {
                payload: request.body,
                address: request.query.into(),
                sequence: *numbered,
                timestamp_ms: Some(at_ms),
                headers: headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
                ..Message::default()
            }
        };
        arrived.into_iter().map(message).collect()
    }

    /// Forgets those whose senders wait no longer, where no checkpoint completes.
    fn forget_the_gone(&mut self) {
        if self.open.len() > 2 * self.options.connections_max as usize {
            self.open.retain(|_, sender| !sender.is_closed());
            let open = &self.open;
            self.pending.retain(|number| open.contains_key(number));
        }
    }

    fn answer(&mut self, number: u64, answer: Answer) {
        if let Some(sender) = self.open.remove(&number) {
            // Whoever waits no longer sends it again.
            drop(sender.send(answer));
        }
    }
}

#[async_trait]
impl Feed for WebhookFeed {
    async fn messages(&mut self) -> Result<Option<Vec<Message>>> {
        if self.listening.is_none() {
            self.listen().await?;
        }
        let Some((_, arrivals)) = &mut self.listening else { return Ok(None) };
        // Whoever was told to send it again, or has hung up, will.
        let first = loop {
            let arrival = arrivals.recv().await.ok_or_else(|| Error::internal("the server of a webhook has gone"))?;
            if !arrival.answer.is_closed() {
                break arrival;
            }
        };
        // From here on nothing is awaited.
        let mut bytes = first.request.body.len();
        let mut arrived = vec![first];
        while arrived.len() < MESSAGES_MAX && bytes < BYTES_MAX {
            let Ok(arrival) = arrivals.try_recv() else { break };
            if !arrival.answer.is_closed() {
                bytes += arrival.request.body.len();
                arrived.push(arrival);
            }
        }
        self.forget_the_gone();
        Ok(Some(self.messages_of(arrived)))
    }

    fn refuse(&mut self, message: &Message, failure: &Error) -> Option<&dyn Format> {
        self.answer(message.sequence, Answer::Refused(failure.message().to_owned()));
        Some(&*self.options.format)
    }

    fn snapshot(&self) -> Result<Split> {
        Ok(self.split.clone())
    }

    fn place(&self, _: &Message) -> String {
        format!("a request to '{}'", self.options.path)
    }
}

impl Acknowledges for WebhookFeed {
    fn emitted(&mut self, messages: &[Message]) {
        let numbers = messages.iter().map(|message| message.sequence);
        if self.options.on_receipt {
            numbers.for_each(|number| self.answer(number, Answer::Taken));
        } else {
            self.pending.extend(numbers);
        }
    }

    fn barrier(&mut self, checkpoint: CheckpointId) {
        self.pending.barrier(checkpoint);
    }

    fn complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        for number in self.pending.complete(checkpoint) {
            self.answer(number, Answer::Taken);
        }
        Ok(())
    }
}
