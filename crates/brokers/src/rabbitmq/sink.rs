//! Writing: the broker confirms every message before a batch counts as written.
//!
//! What was not confirmed is sent again. Of a changelog all behind it is, too: the last change of a key must be the last one
//! that comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{BoxFuture, ChangeBatch, Error, Result};

use super::WRITABLE;
use super::amqp::{CHANNEL, Method, Publication, method, publish};
use super::client::{Client, Event};
use super::options::RabbitOptions;
use crate::link::{Lasting, passing};
use crate::payloads::{PayloadEncoder, PayloadLayout, headers_at, text_at};

/// So many messages, and about so many bytes, are under way without a confirmation.
const WINDOW_MESSAGES: usize = 1000;
const WINDOW_BYTES: usize = 512 << 10;
const NAME_BYTES_MAX: usize = 255;

/// A table to write.
pub(super) struct RabbitSink {
    shared: Arc<Shared>,
}

struct Shared {
    options: RabbitOptions,
    layout: PayloadLayout,
    table: String,
    /// Nothing if each row says its own.
    routing_key: Option<String>,
    /// Whether later rows take back earlier ones.
    ordered: bool,
}

impl RabbitSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SinkSpec) -> Result<Self> {
        let physical = spec.schema.len() - spec.metadata.len();
        let schema = spec.schema.project(&(0..physical).collect::<Vec<_>>());
        let options = RabbitOptions::read(&spec.options, &schema)?;
        let layout = PayloadLayout::of(spec, &*options.format, WRITABLE)?;
        let routing_key = options.key_to_write(layout.place("routing-key").is_some())?.map(str::to_owned);
        let (table, ordered) = (spec.table.clone(), !spec.changelog.is_insert_only());
        Ok(RabbitSink { shared: Arc::new(Shared { layout, routing_key, table, ordered, options }) })
    }
}

impl Sink for RabbitSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let shared = Arc::clone(&self.shared);
        let environment = cx.environment;
        Ok(Box::new(RabbitWriter {
            encoder: PayloadEncoder::new(&shared.layout, &*shared.options.format)?,
            lasting: Lasting::new(&environment, shared.options.retry_ms),
            shared,
            environment,
        }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct RabbitWriter {
    shared: Arc<Shared>,
    encoder: PayloadEncoder,
    lasting: Lasting<Session>,
    environment: Environment,
}

struct Session {
    client: Client,
    /// How many messages were published over this connection: the broker numbers them so, too.
    published: u64,
}

/// A message of a batch.
struct Outgoing<'a> {
    routing_key: &'a str,
    correlation_id: Option<&'a str>,
    headers: Vec<(&'a str, &'a [u8])>,
    payload: &'a [u8],
    confirmed: bool,
}

fn open(shared: Arc<Shared>, environment: Environment) -> BoxFuture<'static, Result<Session>> {
    Box::pin(async move {
        let mut client = Client::open(&environment, &shared.options).await?;
        client.send(Method::new(method::CONFIRM_SELECT).octet(0).frame(CHANNEL))?;
        client.answer(method::CONFIRM_SELECT_OK).await?;
        Ok(Session { client, published: 0 })
    })
}

impl RabbitWriter {
    async fn write_rows(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.encoder.encode(batch, &self.environment).await?;
        let shared = Arc::clone(&self.shared);
        let RabbitWriter { encoder, lasting, environment, .. } = self;
        let outgoing = (0..batch.len()).map(|row| outgoing(&shared, batch, row, encoder.get(row)));
        let mut outgoing = outgoing.collect::<Result<Vec<_>>>()?;
        let mut done = 0;
        loop {
            let session = lasting.get(|| open(Arc::clone(&shared), environment.clone())).await?;
            match publish_all(session, &mut outgoing, &shared.options).await {
                Ok(()) => {
                    lasting.works();
                    return Ok(());
                }
                Err(e) => {
                    if shared.ordered {
                        repeat_behind_gap(&mut outgoing);
                    }
                    // A queue that takes some of them each time is slow, and not broken.
                    let confirmed = outgoing.iter().filter(|message| message.confirmed).count();
                    if confirmed > done {
                        lasting.works();
                    }
                    done = confirmed;
                    lasting.failed(e)?;
                }
            }
        }
    }
}

/// All behind the first message that is not confirmed is to be sent again.
fn repeat_behind_gap(outgoing: &mut [Outgoing<'_>]) {
    outgoing.iter_mut().skip_while(|message| message.confirmed).for_each(|message| message.confirmed = false);
}

fn outgoing<'a>(shared: &'a Shared, batch: &'a ChangeBatch, row: usize, payload: &'a [u8]) -> Result<Outgoing<'a>> {
    let (layout, rows) = (&shared.layout, batch.rows());
    let short = |what: &str, text: &str| {
        let long = text.len() > NAME_BYTES_MAX;
        if long { Err(Error::data(format!("a {what} is longer than {NAME_BYTES_MAX} bytes"))) } else { Ok(()) }
    };
    let routing_key = match &shared.routing_key {
        Some(key) => key,
        None => text_at(rows, layout.place("routing-key"), row).ok_or_else(|| {
            Error::data("metadata column 'routing-key' is null").with_detail("It says where the row goes to.")
        })?,
    };
    short("routing key", routing_key)?;
    let correlation_id = text_at(rows, layout.place("correlation-id"), row);
    correlation_id.map_or(Ok(()), |id| short("correlation id", id))?;
    let headers = headers_at(rows, layout.place("headers"), row);
    headers.iter().try_for_each(|(name, _)| short("name of a header", name))?;
    Ok(Outgoing { routing_key, correlation_id, headers, payload, confirmed: false })
}

/// Sends what is not confirmed, and waits until all is. When one is refused, no more are sent, but what is under way is
/// waited for: what the broker has need not be sent again.
async fn publish_all(session: &mut Session, outgoing: &mut [Outgoing<'_>], options: &RabbitOptions) -> Result<()> {
    let Session { client, published } = session;
    let mut waiting: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut next, mut bytes, mut frames, mut refused) = (0, 0, Vec::new(), false);
    loop {
        while !refused && next < outgoing.len() && waiting.len() < WINDOW_MESSAGES && bytes < WINDOW_BYTES {
            let message = &outgoing[next];
            if !message.confirmed {
                let publication = Publication {
                    exchange: &options.exchange,
                    routing_key: message.routing_key,
                    mandatory: options.fail_unroutable,
                    correlation_id: message.correlation_id,
                    headers: &message.headers,
                    payload: message.payload,
                };
                publish(&publication, client.frame_max, &mut frames);
                *published += 1;
                waiting.insert(*published, next);
                bytes += message.payload.len();
            }
            next += 1;
        }
        client.send(std::mem::take(&mut frames))?;
        if waiting.is_empty() {
            return if refused { Err(passing("RabbitMQ could not take a message")) } else { Ok(()) };
        }
        while let Some(event) = client.take()? {
            match event {
                Event::Confirmed { tag, multiple, taken } => {
                    for at in heard(&mut waiting, tag, multiple).into_values() {
                        bytes -= outgoing[at].payload.len();
                        outgoing[at].confirmed = taken;
                    }
                    refused |= !taken;
                }
                Event::Returned { routing_key, why } => {
                    let key = String::from_utf8_lossy(&routing_key).into_owned();
                    let message = format!("no queue takes a message with routing key '{key}': {why}");
                    return Err(Error::external(message)
                        .with_hint("Bind a queue, or set 'sink.unroutable' = 'drop' if such messages may get lost."));
                }
                Event::Delivery(_) | Event::Answer(..) => {}
            }
        }
        let room = !refused && next < outgoing.len() && waiting.len() < WINDOW_MESSAGES / 2 && bytes < WINDOW_BYTES;
        if !waiting.is_empty() && !room {
            client.fill_soon().await?;
        }
    }
}

/// Takes out what the broker speaks of.
fn heard(waiting: &mut BTreeMap<u64, usize>, tag: u64, multiple: bool) -> BTreeMap<u64, usize> {
    if !multiple {
        return waiting.remove_entry(&tag).into_iter().collect();
    }
    let later = waiting.split_off(&(tag + 1));
    std::mem::replace(waiting, later)
}

#[async_trait]
impl SinkWriter for RabbitWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.write_rows(&batch).await;
        written.map_err(|e| e.context(format!("table '{}'", self.shared.table)))
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_changelog_all_behind_a_gap_is_repeated() {
        let message = |confirmed| Outgoing {
            routing_key: "k",
            correlation_id: None,
            headers: Vec::new(),
            payload: b"",
            confirmed,
        };
        let mut outgoing = [true, true, false, true, false, true].map(message);
        repeat_behind_gap(&mut outgoing);
        assert_eq!(outgoing.map(|m| m.confirmed), [true, true, false, false, false, false]);
    }
}
