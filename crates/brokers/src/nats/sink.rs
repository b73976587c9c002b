//! Writing: every message is acknowledged by JetStream before a batch counts as written.
//!
//! A message that is sent again, since its acknowledgement did not come, has the same `Nats-Msg-Id`, by which JetStream
//! drops it if it has it, as long as the `duplicate_window` of the stream is open. The id is of the row (`message-id`), or
//! else of this writer, and then a restart does not know it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{BoxFuture, ChangeBatch, Error, Result};
use serde::Deserialize;

use super::WRITABLE;
use super::client::Client;
use super::options::NatsOptions;
use super::protocol::{Delivery, is_subject};
use crate::link::{Lasting, passing};
use crate::payloads::{PayloadEncoder, PayloadLayout, headers_at, text_at};

/// So many messages, and about so many bytes, are under way without an acknowledgement.
const WINDOW_MESSAGES: usize = 512;
const WINDOW_BYTES: usize = 512 << 10;

/// A table to write.
pub(super) struct NatsSink {
    shared: Arc<Shared>,
}

struct Shared {
    options: NatsOptions,
    layout: PayloadLayout,
    table: String,
    /// Nothing if each row says its own.
    subject: Option<String>,
}

impl NatsSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SinkSpec) -> Result<Self> {
        let physical = spec.schema.len() - spec.metadata.len();
        let schema = spec.schema.project(&(0..physical).collect::<Vec<_>>());
        let options = NatsOptions::read(&spec.options, &schema)?;
        let layout = PayloadLayout::of(spec, &*options.format, WRITABLE)?;
        let subject = options.subject_to_write(layout.place("subject").is_some())?.map(str::to_owned);
        Ok(NatsSink { shared: Arc::new(Shared { layout, subject, table: spec.table.clone(), options }) })
    }
}

impl Sink for NatsSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let shared = Arc::clone(&self.shared);
        let environment = cx.environment;
        Ok(Box::new(NatsWriter {
            encoder: PayloadEncoder::new(&shared.layout, &*shared.options.format)?,
            lasting: Lasting::new(&environment, shared.options.retry_ms),
            ids: format!("{:016x}", environment.rng.next_u64()),
            written: 0,
            shared,
            environment,
        }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct NatsWriter {
    shared: Arc<Shared>,
    encoder: PayloadEncoder,
    lasting: Lasting<Client>,
    environment: Environment,
    /// What ids of this writer begin with.
    ids: String,
    written: u64,
}

/// A message of a batch.
struct Outgoing<'a> {
    subject: &'a str,
    /// Where its headers are among those of the batch.
    headers: Range<usize>,
    payload: &'a [u8],
    acknowledged: bool,
}

#[derive(Deserialize)]
struct Acknowledgement {
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u16,
    #[serde(default)]
    description: String,
}

fn header(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<()> {
    let whole = |bytes: &[u8]| !bytes.iter().any(|b| matches!(b, b'\r' | b'\n'));
    if name.is_empty() || name.contains(':') || !whole(name.as_bytes()) || !whole(value) {
        return Err(Error::data(format!("header '{name}' cannot be written"))
            .with_detail("A header of NATS has no line ends, and its name no colon."));
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

impl NatsWriter {
    async fn write_rows(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.encoder.encode(batch, &self.environment).await?;
        let shared = Arc::clone(&self.shared);
        let NatsWriter { encoder, lasting, environment, ids, written, .. } = self;
        let (mut outgoing, mut headers) = (Vec::with_capacity(batch.len()), Vec::new());
        for row in 0..batch.len() {
            let start = headers.len();
            let subject = subject(&shared, batch, row)?;
            put_headers(&shared, batch, row, (ids.as_str(), *written + row as u64), &mut headers)?;
            let (headers, payload) = (start..headers.len(), encoder.get(row));
            outgoing.push(Outgoing { subject, headers, payload, acknowledged: false });
        }
        *written += batch.len() as u64;
        loop {
            let open = || -> BoxFuture<'static, Result<Client>> {
                let (environment, shared) = (environment.clone(), Arc::clone(&shared));
                Box::pin(async move { Client::open(&environment, &shared.options.identity).await })
            };
            let client = lasting.get(open).await?;
            let timeout_ms = shared.options.identity.access.timeout_ms;
            match publish(client, &mut outgoing, &headers, timeout_ms).await {
                Ok(()) => {
                    lasting.works();
                    return Ok(());
                }
                Err(e) => lasting.failed(e)?,
            }
        }
    }
}

/// The subject of a row.
fn subject<'a>(shared: &'a Shared, batch: &'a ChangeBatch, row: usize) -> Result<&'a str> {
    if let Some(subject) = &shared.subject {
        return Ok(subject);
    }
    let subject = text_at(batch.rows(), shared.layout.place("subject"), row).filter(|subject| is_subject(subject));
    subject.ok_or_else(|| {
        Error::data("metadata column 'subject' is null or no subject")
            .with_detail("It says which subject the row goes to.")
    })
}

/// Appends the headers of a row, with its id, or else one of this writer.
fn put_headers(
    shared: &Shared,
    batch: &ChangeBatch,
    row: usize,
    (ids, number): (&str, u64),
    out: &mut Vec<u8>,
) -> Result<()> {
    let (layout, rows) = (&shared.layout, batch.rows());
    out.extend_from_slice(b"NATS/1.0\r\n");
    match text_at(rows, layout.place("message-id"), row) {
        Some(id) => header(out, "Nats-Msg-Id", id.as_bytes())?,
        None => {
            let mut digits = itoa::Buffer::new();
            for part in ["Nats-Msg-Id: ", ids, "-", digits.format(number), "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    if let Some(stream) = &shared.options.stream {
        header(out, "Nats-Expected-Stream", stream.as_bytes())?;
    }
    for (name, value) in headers_at(rows, layout.place("headers"), row) {
        if name.starts_with("Nats-") {
            return Err(Error::data(format!("header '{name}' is one of JetStream"))
                .with_detail("Those that begin with 'Nats-' change what the server does with a message."));
        }
        header(out, name, value)?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Sends what is not acknowledged, and waits until all is.
async fn publish(client: &mut Client, outgoing: &mut [Outgoing<'_>], headers: &[u8], timeout_ms: u64) -> Result<()> {
    let mut waiting: HashMap<u64, usize> = HashMap::new();
    let (mut next, mut bytes, mut frame) = (0, 0, Vec::new());
    loop {
        while next < outgoing.len() && waiting.len() < WINDOW_MESSAGES && bytes < WINDOW_BYTES {
            let message = &outgoing[next];
            if !message.acknowledged {
                let of_message = &headers[message.headers.clone()];
                let number = client.publish(&mut frame, message.subject, of_message, message.payload);
                waiting.insert(number, next);
                bytes += message.payload.len();
            }
            next += 1;
        }
        if !frame.is_empty() {
            client.send(std::mem::take(&mut frame))?;
        }
        if waiting.is_empty() {
            return Ok(());
        }
        while let Some(answer) = client.take()? {
            let Some(at) = client.number_of(&answer).and_then(|number| waiting.remove(&number)) else { continue };
            bytes -= outgoing[at].payload.len();
            accepted(&answer, outgoing[at].subject)?;
            outgoing[at].acknowledged = true;
        }
        let room = next < outgoing.len() && waiting.len() < WINDOW_MESSAGES / 2 && bytes < WINDOW_BYTES;
        if !waiting.is_empty() && !room && !client.fill_within(timeout_ms).await? {
            return Err(passing("JetStream does not acknowledge messages"));
        }
    }
}

fn accepted(answer: &Delivery, subject: &str) -> Result<()> {
    if let Some((503, _)) = answer.status() {
        return Err(passing(format!("no stream of JetStream takes messages of subject '{subject}'"))
            .with_hint("Create a stream with this subject; a server that has just started may still load it."));
    }
    let acknowledgement: Acknowledgement = serde_json::from_slice(&answer.payload)
        .map_err(|_| Error::external("an acknowledgement of JetStream makes no sense"))?;
    match acknowledgement.error {
        None => Ok(()),
        Some(Refusal { code, description }) => {
            let message = format!("a message for subject '{subject}' is refused: {description} ({code})");
            Err(if code >= 500 { passing(message) } else { Error::external(message) })
        }
    }
}

#[async_trait]
impl SinkWriter for NatsWriter {
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
