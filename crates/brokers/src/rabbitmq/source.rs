//! Reading: a split is a queue, which one subtask reads.
//!
//! **State**: of a split what may come again: the correlation ids of messages that are out, as long as it is not certain that
//! the broker has their acknowledgement ([`book`]); and of a queue that is read to its end, how many are still to come.

mod book;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::CheckpointId;
use flott_api::source::{Boundedness, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{BoxFuture, Error, Result};
use serde::{Deserialize, Serialize};

use self::book::{Arrival, Book};
use super::METADATA;
use super::amqp::{CHANNEL, Method, method};
use super::client::{Client, Event};
use super::options::RabbitOptions;
use crate::link::Lasting;
use crate::messages::{Message, RowLayout};
use crate::reader::{Acknowledges, BYTES_MAX, Feed, MESSAGES_MAX, MessageReader};
use crate::splits::{Enumerator, Finder, Found, Known, SplitState, VERSION};

/// Reads queues.
pub(super) struct RabbitSource {
    shared: Arc<Shared>,
}

struct Shared {
    options: RabbitOptions,
    layout: Arc<RowLayout>,
}

/// What lies in a split's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct QueueSplit {
    version: u32,
    queue: String,
    /// Messages that are still to come of one that is read to its end.
    left: Option<u64>,
    /// Correlation ids of messages that are out, and may come again.
    ids: Vec<String>,
}

impl SplitState for QueueSplit {
    fn version(&self) -> u32 {
        self.version
    }

    fn id(&self) -> String {
        self.queue.clone()
    }
}

impl RabbitSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SourceSpec) -> Result<Self> {
        let options = RabbitOptions::read(&spec.options, &spec.schema)?;
        options.check_source()?;
        let layout = Arc::new(RowLayout::of(spec, METADATA)?);
        Ok(RabbitSource { shared: Arc::new(Shared { options, layout }) })
    }
}

impl Source for RabbitSource {
    fn boundedness(&self) -> Boundedness {
        self.shared.options.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Enumerator::boxed(Arc::new(QueueFinder { shared: Arc::clone(&self.shared) }), environment, restored)
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let (shared, environment) = (Arc::clone(&self.shared), cx.environment.clone());
        let open = move |split: &Split| {
            let QueueSplit { queue, left, ids, .. } = QueueSplit::decode(split)?;
            let options = &shared.options;
            let book = Book::new(options.correlation_ids, ids, &environment);
            let lasting = Lasting::new(&environment, options.retry_ms);
            let (shared, environment) = (Arc::clone(&shared), environment.clone());
            Ok(Box::new(QueueFeed { shared, environment, queue, left, book, lasting, warned: false }) as Box<dyn Feed>)
        };
        let shared = &self.shared;
        Ok(Box::new(MessageReader::new(&shared.layout, &*shared.options.format, cx, Box::new(open))?))
    }
}

/// Asks once how long the queues are, if they are read to their end.
struct QueueFinder {
    shared: Arc<Shared>,
}

#[async_trait]
impl Finder for QueueFinder {
    fn connector(&self) -> &'static str {
        "rabbitmq"
    }

    fn retry_ms(&self) -> u64 {
        self.shared.options.retry_ms
    }

    async fn find(&self, environment: &Environment, _: &Known) -> Result<Found> {
        let options = &self.shared.options;
        let mut client = Client::open(environment, options).await?;
        let mut splits = Vec::new();
        for queue in &options.queues {
            let waiting = client.waiting(queue).await?;
            let left = options.bounded.then_some(waiting);
            splits.push(QueueSplit { version: VERSION, queue: queue.clone(), left, ids: Vec::new() }.encode()?);
        }
        Ok(Found { splits, note: None })
    }
}

/// The messages of a queue.
struct QueueFeed {
    shared: Arc<Shared>,
    environment: Environment,
    queue: String,
    left: Option<u64>,
    book: Book,
    lasting: Lasting<Session>,
    /// Whether it was said that messages wait for a checkpoint.
    warned: bool,
}

struct Session {
    client: Client,
    /// Whether this connection was looked at before.
    seen: bool,
    /// What went wrong behind messages that are not out yet.
    failure: Option<Error>,
}

fn open(shared: Arc<Shared>, environment: Environment, queue: String) -> BoxFuture<'static, Result<Session>> {
    Box::pin(async move {
        let options = &shared.options;
        let mut client = Client::open(&environment, options).await?;
        // So that one that is missing is told as that.
        client.waiting(&queue).await?;
        client.send(qos(options.prefetch))?;
        client.answer(method::QOS_OK).await?;
        const NO_ACKNOWLEDGEMENTS: u8 = 2;
        let flags = if options.on_receipt { NO_ACKNOWLEDGEMENTS } else { 0 };
        let consume = Method::new(method::CONSUME).short(0).short_text(queue.as_bytes()).short_text(b"flott");
        client.send(consume.octet(flags).long_text(b"").frame(CHANNEL))?;
        client.answer(method::CONSUME_OK).await?;
        Ok(Session { client, seen: false, failure: None })
    })
}

/// How many messages may be without an acknowledgement. Asked again, its answer says that all before was heard.
fn qos(prefetch: u16) -> Vec<u8> {
    Method::new(method::QOS).long(0).short(prefetch).octet(0).frame(CHANNEL)
}

impl QueueFeed {
    /// Takes what has come, without waiting. What goes wrong behind messages that came is told when these are out.
    fn take(&mut self) -> Result<Vec<Message>> {
        let (mut messages, mut bytes, mut acknowledged) = (Vec::new(), 0, Vec::new());
        let Some(session) = self.lasting.opened() else { return Ok(messages) };
        if !std::mem::replace(&mut session.seen, true) {
            self.book.reopened();
        }
        if let Some(failure) = session.failure.take() {
            return Err(failure);
        }
        let most = self.left.map_or(MESSAGES_MAX, |left| MESSAGES_MAX.min(usize::try_from(left).unwrap_or(usize::MAX)));
        while messages.len() < most && bytes < BYTES_MAX {
            let arrival = match session.client.take() {
                Ok(Some(Event::Delivery(delivery))) => self.book.delivered(delivery),
                Ok(Some(Event::Answer(method::QOS_OK, _))) => {
                    self.book.heard();
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => break,
                Err(e) => Err(e),
            };
            match arrival {
                Ok(Arrival::New(message)) => {
                    bytes += message.payload.len();
                    messages.push(message);
                }
                Ok(Arrival::Known) => {}
                Ok(Arrival::Durable(tag)) => {
                    Method::new(method::ACK).longlong(tag).octet(0).write(CHANNEL, &mut acknowledged);
                }
                Err(e) if messages.is_empty() => return Err(e),
                Err(e) => {
                    session.failure = Some(e);
                    break;
                }
            }
        }
        if let Err(e) = session.client.send(acknowledged) {
            // They come again.
            tracing::debug!("acknowledgements are lost: {e}");
        }
        Ok(messages)
    }

    /// Without checkpoints nothing flows behind the first messages: that should not look like an idle queue.
    fn warn(&mut self) {
        let full = self.book.unacknowledged() >= u64::from(self.shared.options.prefetch);
        if full && !self.warned && !self.shared.options.on_receipt {
            let count = self.shared.options.prefetch;
            tracing::warn!(
                "queue '{}': {count} messages wait for a checkpoint to complete, and no more come until then; \
                 'scan.prefetch-count' says how many may wait",
                self.queue
            );
        }
        self.warned |= full;
    }
}

#[async_trait]
impl Feed for QueueFeed {
    async fn messages(&mut self) -> Result<Option<Vec<Message>>> {
        while self.left != Some(0) {
            let (shared, environment, queue) = (&self.shared, &self.environment, &self.queue);
            self.lasting.get(|| open(Arc::clone(shared), environment.clone(), queue.clone())).await?;
            let failure = match self.take() {
                Ok(messages) if !messages.is_empty() => {
                    self.lasting.works();
                    return Ok(Some(messages));
                }
                Ok(_) => {
                    self.warn();
                    let Some(session) = self.lasting.opened() else { continue };
                    match session.client.fill().await {
                        Ok(()) => continue,
                        Err(e) => e,
                    }
                }
                Err(e) => e,
            };
            self.lasting.failed(failure)?;
        }
        Ok(None)
    }

    fn snapshot(&self) -> Result<Split> {
        let ids = self.book.ids();
        QueueSplit { version: VERSION, queue: self.queue.clone(), left: self.left, ids }.encode()
    }

    fn place(&self, message: &Message) -> String {
        let key = String::from_utf8_lossy(&message.address);
        match &message.id {
            Some(id) => {
                format!("queue '{}', routing key '{key}', correlation id '{}'", self.queue, String::from_utf8_lossy(id))
            }
            None => format!("queue '{}', routing key '{key}'", self.queue),
        }
    }
}

#[async_trait]
impl Acknowledges for QueueFeed {
    /// What the broker sends beyond the end goes back to the queue when the connection closes, and so does what waits for its
    /// checkpoint when the connection breaks: nobody could tell any more what of the queue is to be taken once more.
    async fn settle(&mut self) -> Result<()> {
        if !self.book.is_settled() && !std::mem::replace(&mut self.warned, true) {
            tracing::info!("queue '{}' is read to its end, and its last messages wait for a checkpoint", self.queue);
        }
        while !self.book.is_settled() {
            let Some(session) = self.lasting.opened() else { break };
            let heard = match session.client.take() {
                Ok(Some(Event::Answer(method::QOS_OK, _))) => {
                    self.book.heard();
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => session.client.fill().await,
                Err(e) => Err(e),
            };
            if let Err(e) = heard {
                tracing::warn!(
                    "queue '{}' is read to its end, and its last messages stay there, since they could not be \
                     acknowledged: {e}",
                    self.queue
                );
                break;
            }
        }
        Ok(())
    }

    fn emitted(&mut self, messages: &[Message]) {
        self.book.emitted(messages.len());
        self.left = self.left.map(|left| left.saturating_sub(messages.len() as u64));
    }

    fn barrier(&mut self, checkpoint: CheckpointId) {
        self.book.barrier(checkpoint);
    }

    fn complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let Some(tag) = self.book.complete(checkpoint) else { return Ok(()) };
        if self.shared.options.on_receipt {
            return Ok(());
        }
        let mut frames = Method::new(method::ACK).longlong(tag).octet(1).frame(CHANNEL);
        frames.extend_from_slice(&qos(self.shared.options.prefetch));
        let sent = self.lasting.opened().is_some_and(|session| session.seen && session.client.send(frames).is_ok());
        self.book.acknowledged(tag, sent);
        Ok(())
    }
}
