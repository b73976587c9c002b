//! Rows to entries, entries to partitions.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::sink::{Committable, SinkWriter, WriterContext};
use flott_api::{BoxFuture, ChangeBatch, Error, Result};

use super::super::batch::{BatchBuilder, Outgoing, OutgoingKey};
use super::super::cluster::Cluster;
use super::super::place::partition_name;
use super::super::producer::{Entry, Partition, Producers};
use super::super::proto::MessageMetadata;
use super::super::routing::Routing;
use super::super::transaction::{Pending, Transactions};
use super::Shared;
use crate::link::{Lasting, is_passing};
use crate::payloads::{PayloadEncoder, properties_at, text_at, time_at};

/// See the module.
pub(super) struct PulsarWriter {
    shared: Arc<Shared>,
    environment: Environment,
    value: PayloadEncoder,
    key: Option<PayloadEncoder>,
    /// Found once: keys must not go to other partitions while this writes.
    partitions: Vec<Partition>,
    builders: Vec<BatchBuilder>,
    lasting: Lasting<Opened>,
    /// Whose turn it is.
    turn: usize,
    transactions: Option<Transactions>,
}

/// Producers, with what they left of the partitions that they were made for.
struct Opened {
    producers: Producers,
    partitions: Vec<Partition>,
}

impl PulsarWriter {
    pub(super) fn new(shared: &Arc<Shared>, cx: WriterContext) -> Result<Self> {
        let key = match (&shared.key, &shared.options.key) {
            (Some(layout), Some(key)) => Some(PayloadEncoder::new(layout, &*key.format)?),
            _ => None,
        };
        let environment = cx.environment;
        let transactions = shared.has_transactions().then(|| {
            let sink = &shared.options.sink;
            Transactions::new(shared.cluster(&environment), sink.transaction_ms, shared.options.retry_ms, cx.restored)
        });
        Ok(PulsarWriter {
            value: PayloadEncoder::new(&shared.layout, &*shared.options.format)?,
            key,
            partitions: Vec::new(),
            builders: Vec::new(),
            lasting: Lasting::new(&environment, shared.options.retry_ms),
            // Subtasks begin at different ones.
            turn: cx.subtask.index as usize,
            transactions: transactions.transpose()?,
            shared: Arc::clone(shared),
            environment,
        })
    }

    /// Opens producers, and finds partitions the first time.
    async fn open(&mut self) -> Result<()> {
        if self.lasting.opened().is_some() {
            return Ok(());
        }
        let (shared, environment) = (&self.shared, &self.environment);
        let (cluster, transactions) = (shared.cluster(environment), shared.has_transactions());
        let known: Vec<Partition> = self.partitions.iter().map(Partition::again).collect();
        let topics = shared.options.topics.clone();
        let open = || -> BoxFuture<'static, Result<Opened>> {
            let (cluster, known, topics) =
                (cluster.clone(), known.iter().map(Partition::again).collect(), topics.clone());
            Box::pin(async move {
                let mut partitions = find(&cluster, &topics, known).await?;
                let producers = Producers::open(cluster, &mut partitions, transactions).await?;
                Ok(Opened { producers, partitions })
            })
        };
        let opened = self.lasting.get(open).await?;
        self.partitions = std::mem::take(&mut opened.partitions);
        self.builders.resize_with(self.partitions.len(), BatchBuilder::default);
        Ok(())
    }

    async fn write_rows(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.open().await?;
        self.value.encode(batch, &self.environment).await?;
        if let Some(key) = &mut self.key {
            key.encode(&ChangeBatch::inserts(batch.rows().clone()), &self.environment).await?;
        }
        let mut entries = self.entries(batch)?;
        let transaction = match &mut self.transactions {
            Some(transactions) => {
                let touched =
                    (0..self.partitions.len()).filter(|at| entries.iter().any(|entry| entry.partition == *at));
                let touched: Vec<String> = touched.map(|at| self.partitions[at].topic.clone()).collect();
                Some(transactions.begin(&touched).await?)
            }
            None => None,
        };
        loop {
            self.open().await?;
            let Some(opened) = self.lasting.opened() else { continue };
            match opened.producers.write(&self.partitions, &mut entries, transaction).await {
                Ok(()) => {
                    self.lasting.works();
                    if let (Some(transactions), Some(last)) = (&mut self.transactions, entries.last()) {
                        transactions.written(&self.partitions[last.partition].topic, last.place);
                    }
                    return Ok(());
                }
                // Nobody can tell which of them are in the transaction.
                Err(e) if transaction.is_some() && is_passing(&e) => {
                    return Err(e.with_detail("Its transaction is given up: the job goes on from its last checkpoint."));
                }
                Err(e) => self.lasting.failed(e)?,
            }
        }
    }

    /// The entries of a batch of rows, in order for each partition.
    fn entries(&mut self, batch: &ChangeBatch) -> Result<Vec<Entry>> {
        let shared = Arc::clone(&self.shared);
        let now_ms = self.environment.clock.now_ms().max(0).cast_unsigned();
        let deliver_at =
            (shared.options.sink.delay_ms > 0).then(|| (now_ms + shared.options.sink.delay_ms).cast_signed());
        let stamp = |mut metadata: MessageMetadata| {
            (metadata.publish_time, metadata.deliver_at) = (now_ms, deliver_at);
            metadata
        };
        let compression = shared.options.sink.compression;
        let (mut entries, rows) = (Vec::new(), batch.rows());
        let [of_key, of_time, of_properties] = ["key", "event_time", "properties"].map(|key| shared.layout.place(key));
        for row in 0..batch.len() {
            let bytes = self.key.as_ref().map(|key| OutgoingKey::Bytes(key.get(row)));
            let message = Outgoing {
                key: bytes.or_else(|| text_at(rows, of_key, row).map(OutgoingKey::Text)),
                event_ms: event_time(rows, of_time, row)?,
                properties: properties_at(rows, of_properties, row),
                payload: self.value.get(row),
            };
            let partition = route(shared.options.sink.routing, &message, self.partitions.len(), &mut self.turn);
            let (builder, state) = (&mut self.builders[partition], &mut self.partitions[partition]);
            let mut entry = |(metadata, payload)| {
                entries.push(Entry { partition, metadata: stamp(metadata), payload, acknowledged: false, place: None });
            };
            let Some((messages_max, bytes_max)) = shared.options.sink.batch else {
                let (mut metadata, payload) = message.alone(compression)?;
                metadata.sequence_id = state.next;
                state.next += 1;
                entry((metadata, payload));
                self.turn = self.turn.wrapping_add(1);
                continue;
            };
            if builder.messages() > 0 && builder.bytes() + message.bytes() > bytes_max {
                entry(builder.finish(compression)?);
            }
            builder.add(&message, state.next);
            state.next += 1;
            if builder.messages() >= messages_max {
                entry(builder.finish(compression)?);
                self.turn = self.turn.wrapping_add(1);
            }
        }
        for (partition, builder) in self.builders.iter_mut().enumerate().filter(|(_, builder)| builder.messages() > 0) {
            let (metadata, payload) = builder.finish(compression)?;
            entries.push(Entry { partition, metadata: stamp(metadata), payload, acknowledged: false, place: None });
        }
        // The next rows go to the next partition.
        self.turn = self.turn.wrapping_add(1);
        Ok(entries)
    }
}

/// The partitions of topics, unless they are known.
async fn find(cluster: &Cluster, topics: &[String], known: Vec<Partition>) -> Result<Vec<Partition>> {
    if !known.is_empty() {
        return Ok(known);
    }
    let (mut client, mut found) = (cluster.any().await?, Vec::new());
    for topic in topics {
        match cluster.partitions(&mut client, topic, true).await? {
            Some(count) => found.extend((0..count).map(|partition| Partition::new(partition_name(topic, partition)))),
            None => found.push(Partition::new(topic.clone())),
        }
    }
    Ok(found)
}

/// The event time of a row, which Pulsar keeps without a sign.
fn event_time(rows: &RecordBatch, column: Option<usize>, row: usize) -> Result<Option<i64>> {
    let time = time_at(rows, column, row);
    match time {
        Some(ms) if ms < 0 => Err(Error::data(format!("an 'event_time' of {ms} ms is before 1970"))
            .with_hint("Messages of Pulsar have none before 1970: write NULL instead.")),
        _ => Ok(time),
    }
}

/// Which partition a message goes to. In turn, batches are filled and not torn apart; without batches each message is one.
fn route(routing: Routing, message: &Outgoing<'_>, partitions: usize, turn: &mut usize) -> usize {
    match (routing, message.key) {
        (Routing::KeyHash(hash), Some(key)) => hash.partition(&key.text(), partitions as u32) as usize,
        _ => *turn % partitions.max(1),
    }
}

#[async_trait]
impl SinkWriter for PulsarWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.write_rows(&batch).await;
        written.map_err(|e| e.context(format!("table '{}'", self.shared.table)))
    }

    async fn prepare_commit(&mut self, end_of_input: bool) -> Result<Vec<Committable>> {
        let Some(transactions) = &mut self.transactions else { return Ok(Vec::new()) };
        let pending = transactions.hand_over(end_of_input).await;
        let pending = pending.map_err(|e| e.context(format!("table '{}'", self.shared.table)))?;
        pending.iter().map(Pending::committable).collect()
    }

    fn snapshot(&mut self) -> Result<bytes::Bytes> {
        match &self.transactions {
            Some(transactions) => transactions.snapshot(),
            None => Ok(bytes::Bytes::new()),
        }
    }

    async fn abort(&mut self) {
        if let Some(transactions) = &mut self.transactions {
            transactions.abort().await;
        }
    }
}
