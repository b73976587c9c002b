//! Writing: with QoS 1 the broker has every message before a batch counts as written.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{BoxFuture, ChangeBatch, Error, Result};

use super::WRITABLE;
use super::client::Client;
use super::options::MqttOptions;
use super::packet::{PING, Packet, is_topic, publish};
use crate::link::Lasting;
use crate::payloads::{PayloadEncoder, PayloadLayout, text_at};

/// So many messages, and about so many bytes, are under way without an acknowledgement; brokers take no more.
const WINDOW_MESSAGES: usize = 20;
const WINDOW_BYTES: usize = 512 << 10;

/// A table to write.
pub(super) struct MqttSink {
    shared: Arc<Shared>,
}

struct Shared {
    options: MqttOptions,
    layout: PayloadLayout,
    table: String,
    /// Nothing if each row says its own.
    topic: Option<String>,
}

impl MqttSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SinkSpec) -> Result<Self> {
        let physical = spec.schema.len() - spec.metadata.len();
        let schema = spec.schema.project(&(0..physical).collect::<Vec<_>>());
        let options = MqttOptions::read(&spec.options, &schema)?;
        let layout = PayloadLayout::of(spec, &*options.format, WRITABLE)?;
        let topic = options.topic_to_write(layout.place("topic").is_some())?.map(str::to_owned);
        Ok(MqttSink { shared: Arc::new(Shared { layout, topic, table: spec.table.clone(), options }) })
    }
}

impl Sink for MqttSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let shared = Arc::clone(&self.shared);
        let environment = cx.environment;
        // A session of its own: one of the same name would end it.
        let client_id = match &shared.options.client_id {
            Some(id) => format!("{id}-sink-{}", cx.subtask.index),
            None => format!("flott-{:016x}", environment.rng.next_u64()),
        };
        Ok(Box::new(MqttWriter {
            encoder: PayloadEncoder::new(&shared.layout, &*shared.options.format)?,
            lasting: Lasting::new(&environment, shared.options.retry_ms),
            client_id,
            shared,
            environment,
        }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct MqttWriter {
    shared: Arc<Shared>,
    encoder: PayloadEncoder,
    lasting: Lasting<Client>,
    environment: Environment,
    client_id: String,
}

/// A message of a batch.
struct Outgoing<'a> {
    topic: &'a str,
    payload: &'a [u8],
    acknowledged: bool,
}

impl MqttWriter {
    async fn write_rows(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.encoder.encode(batch, &self.environment).await?;
        let shared = Arc::clone(&self.shared);
        let MqttWriter { encoder, lasting, environment, client_id, .. } = self;
        let outgoing = (0..batch.len()).map(|row| {
            let topic = match &shared.topic {
                Some(topic) => topic,
                None => text_at(batch.rows(), shared.layout.place("topic"), row)
                    .filter(|topic| is_topic(topic))
                    .ok_or_else(|| {
                        Error::data("metadata column 'topic' is null or no topic")
                            .with_detail("It says which topic the row goes to.")
                    })?,
            };
            Ok(Outgoing { topic, payload: encoder.get(row), acknowledged: false })
        });
        let mut outgoing = outgoing.collect::<Result<Vec<_>>>()?;
        loop {
            let open = || -> BoxFuture<'static, Result<Client>> {
                let (environment, shared, id) = (environment.clone(), Arc::clone(&shared), client_id.clone());
                Box::pin(async move { Client::open(&environment, &shared.options.access, &id, true).await })
            };
            let client = lasting.get(open).await?;
            match publish_all(client, &mut outgoing, &shared.options).await {
                Ok(()) => {
                    lasting.works();
                    return Ok(());
                }
                Err(e) => lasting.failed(e)?,
            }
        }
    }
}

/// Sends what is not acknowledged, and waits until all is.
async fn publish_all(client: &mut Client, outgoing: &mut [Outgoing<'_>], options: &MqttOptions) -> Result<()> {
    let mut waiting: HashMap<u16, usize> = HashMap::new();
    let (mut next, mut bytes, mut packets, mut id) = (0, 0, Vec::new(), 0_u16);
    let (mut asked, mut answered) = (false, false);
    loop {
        while next < outgoing.len() && waiting.len() < WINDOW_MESSAGES && bytes < WINDOW_BYTES {
            let message = &mut outgoing[next];
            if !message.acknowledged {
                // Ids of a batch are used in turn; those under way are far fewer than there are.
                id = id.checked_add(1).unwrap_or(1);
                let of_packet = (options.sink_qos > 0).then_some(id);
                publish(&mut packets, message.topic, of_packet, options.retain, message.payload);
                if options.sink_qos > 0 {
                    waiting.insert(id, next);
                    bytes += message.payload.len();
                } else {
                    message.acknowledged = true;
                }
            }
            next += 1;
            if packets.len() >= WINDOW_BYTES {
                break;
            }
        }
        if next == outgoing.len() && options.sink_qos == 0 && !asked {
            // Nothing is acknowledged; but when this is answered, the broker has read what was before it.
            packets.extend_from_slice(PING);
            asked = true;
        }
        client.send(std::mem::take(&mut packets))?;
        while let Some(packet) = client.take()? {
            answered |= packet == Packet::Pong;
            let Packet::Acknowledged { id } = packet else { continue };
            let Some(at) = waiting.remove(&id) else { continue };
            bytes -= outgoing[at].payload.len();
            outgoing[at].acknowledged = true;
        }
        let more = next < outgoing.len();
        if waiting.is_empty() && !more && (answered || !asked) {
            return Ok(());
        }
        let room = more && waiting.len() < WINDOW_MESSAGES / 2 && bytes < WINDOW_BYTES;
        if !room {
            client.fill_soon().await?;
        }
    }
}

#[async_trait]
impl SinkWriter for MqttWriter {
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
