//! The writer of one subtask.
//!
//! **State**: none. A transaction that is in the checkpoint lies there as a committable; others are found by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use flott_api::sink::{Committable, SinkWriter, WriterContext};
use flott_api::{ChangeBatch, Error, Result};

use super::committable::Pending;
use super::partitioner::Chooser;
use super::producer::{NewRecord, Producer, ProducerParts, Sender};
use super::records::{RecordEncoder, headers, topic};
use super::{Shared, names};
use crate::batch;
use crate::client::{
    Cluster, Code, Ended, Patience, ProducerEpoch, Topic, TopicPartition, TransactionVersion, refused,
};
use crate::options::{Delivery, Topics};

/// An open transaction is aborted by the broker after so long, if it allows it: as long as Flink asks for.
const TRANSACTION_TIMEOUT_MS: u32 = 60 * 60_000;
/// Brokers allow this unless they are told otherwise.
const TRANSACTION_TIMEOUT_MS_USUAL: u32 = 15 * 60_000;
/// So long is it tried to abort a transaction of a job that has failed.
const ABORT_MS: u64 = 5000;

/// See the module.
pub(super) struct KafkaWriter {
    shared: Arc<Shared>,
    cx: WriterContext,
    encoder: RecordEncoder,
    producer: Producer,
    cluster: Cluster,
    sender: Begun,
    transaction_timeout_ms: Option<u32>,
}

/// As whom records are sent.
enum Begun {
    Not,
    /// By a producer without transactions.
    Plain,
    Transaction(Open),
}

/// A transaction that is open.
struct Open {
    id: String,
    producer: ProducerEpoch,
    protocol: TransactionVersion,
    /// How many partitions of topics the first protocol was told.
    told: BTreeMap<Arc<str>, usize>,
}

impl KafkaWriter {
    /// A writer that has written nothing.
    ///
    /// # Errors
    /// If a format cannot hold its columns.
    pub(super) fn new(shared: Arc<Shared>, cx: WriterContext) -> Result<Self> {
        let options = &shared.options;
        let client = Arc::new(options.properties.client.clone());
        let settings = options.properties.producer;
        let chooser = Chooser::new(options.sink.partitioner, settings.ignore_keys, cx.subtask.index);
        let parts = ProducerParts {
            environment: cx.environment.clone(),
            client: Arc::clone(&client),
            settings,
            buffer: options.sink.buffer,
        };
        Ok(KafkaWriter {
            encoder: RecordEncoder::new(&shared.layout, options)?,
            producer: Producer::start(parts, chooser),
            cluster: Cluster::new(&cx.environment, &client),
            sender: Begun::Not,
            transaction_timeout_ms: settings.transaction_timeout_ms,
            shared,
            cx,
        })
    }

    fn patience(&self) -> Patience {
        let settings = self.cluster.settings();
        Patience::new(&self.cx.environment, settings, Some(settings.api_timeout_ms))
    }

    /// The topics that the rows go to.
    fn topics_of(&self, batch: &ChangeBatch) -> Result<BTreeSet<Arc<str>>> {
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        for row in 0..batch.len() {
            let Some(name) = topic(&self.shared.layout, batch.rows(), row)? else {
                return self.single_topic().map(|name| BTreeSet::from([name]));
            };
            if !names.contains(name) {
                if !self.shared.options.topics.has(name) {
                    return Err(Error::data(format!("metadata column 'topic' is '{name}'"))
                        .with_detail("Options 'topic' and 'topic-pattern' do not allow it."));
                }
                names.insert(name.into());
            }
        }
        Ok(names)
    }

    fn single_topic(&self) -> Result<Arc<str>> {
        match &self.shared.options.topics {
            Topics::Named(names) if names.len() == 1 => Ok(Arc::clone(&names[0])),
            _ => Err(Error::internal("a row does not say which topic it goes to")),
        }
    }

    /// Asks for the partitions of a topic, which may have to be made first.
    async fn learn(&mut self, name: &Arc<str>) -> Result<()> {
        if self.producer.knows(name) {
            return Ok(());
        }
        let mut patience = self.patience();
        loop {
            match self.find(name).await {
                Ok(topic) => {
                    self.producer.learn(&topic);
                    return Ok(());
                }
                Err(e) => patience.after(e).await?,
            }
        }
    }

    async fn find(&mut self, name: &Arc<str>) -> Result<Topic> {
        let topics = self.cluster.topics(Some(std::slice::from_ref(name)), true).await?;
        let topic = topics.into_iter().find(|topic| topic.name == *name);
        let topic = topic.ok_or_else(|| crate::client::external(format!("topic '{name}' is not known")))?;
        match topic.error {
            Some(code) => Err(refused(code, &format!("topic '{name}' cannot be written"))
                .with_hint("Check option 'topic', and that the topic exists or the brokers may create it.")),
            None if topic.partitions.is_empty() => {
                Err(crate::client::external(format!("topic '{name}' has no partitions")))
            }
            None => Ok(topic),
        }
    }

    /// Begins to send, or a transaction, unless one is open.
    async fn begin(&mut self) -> Result<()> {
        let settings = self.shared.options.properties.producer;
        match (&self.sender, self.shared.options.sink.delivery) {
            (Begun::Transaction(_) | Begun::Plain, _) => Ok(()),
            (Begun::Not, Delivery::ExactlyOnce) => self.begin_transaction().await,
            (Begun::Not, _) => {
                let mut producer = batch::Producer::UNKNOWN;
                if settings.idempotent {
                    let ProducerEpoch { id, epoch } = self.init(None).await?;
                    producer = batch::Producer { id, epoch, transactional: false };
                }
                self.sender = Begun::Plain;
                self.producer.begin(Sender {
                    producer,
                    acks: settings.acks,
                    transactional_id: None,
                    first_protocol: false,
                });
                Ok(())
            }
        }
    }

    async fn begin_transaction(&mut self) -> Result<()> {
        let rng = Arc::clone(&self.cx.environment.rng);
        let id = names::name(&self.shared.names_prefix(self.cx.job), self.cx.subtask, rng.as_ref());
        let producer = self.init(Some(&id)).await?;
        let protocol = self.cluster.transaction_version().await?;
        self.producer.begin(Sender {
            producer: batch::Producer { id: producer.id, epoch: producer.epoch, transactional: true },
            acks: -1,
            transactional_id: Some(id.as_str().into()),
            first_protocol: protocol == TransactionVersion::First,
        });
        self.sender = Begun::Transaction(Open { id, producer, protocol, told: BTreeMap::new() });
        Ok(())
    }

    /// Asks for a producer. The longest time that the broker allows is taken for transactions, up to what Flink asks for.
    async fn init(&mut self, id: Option<&str>) -> Result<ProducerEpoch> {
        let mut patience = self.patience();
        loop {
            let timeout_ms = self.transaction_timeout_ms.unwrap_or(TRANSACTION_TIMEOUT_MS);
            match self.cluster.init_producer(id, timeout_ms).await {
                Ok(producer) => return Ok(producer),
                Err((Some(Code::InvalidTransactionTimeout), e)) => {
                    if self.transaction_timeout_ms.is_some() {
                        return Err(e.with_hint("Lower 'properties.transaction.timeout.ms', or raise the brokers' 'transaction.max.timeout.ms'."));
                    }
                    tracing::warn!(
                        "the brokers allow no transactions of {TRANSACTION_TIMEOUT_MS} ms: they are aborted after \
                         {TRANSACTION_TIMEOUT_MS_USUAL} ms, and a job must be back by then"
                    );
                    self.transaction_timeout_ms = Some(TRANSACTION_TIMEOUT_MS_USUAL);
                }
                Err((_, e)) => patience.after(e).await?,
            }
        }
    }

    /// Tells the first protocol which partitions the open transaction will write: all of a topic.
    async fn tell(&mut self, topics: &BTreeSet<Arc<str>>) -> Result<()> {
        let mut patience = self.patience();
        let Begun::Transaction(open) = &mut self.sender else { return Ok(()) };
        if open.protocol == TransactionVersion::Second {
            return Ok(());
        }
        for topic in topics {
            let all = self.producer.partitions(topic);
            // There may be more than before.
            if open.told.get(topic) == Some(&all.len()) {
                continue;
            }
            let count = all.len();
            let of_topic = |partition| TopicPartition { topic: Arc::clone(topic), partition };
            let partitions: Vec<TopicPartition> = all.into_iter().map(of_topic).collect();
            while let Err(e) = self.cluster.add_partitions(&open.id, open.producer, &partitions).await {
                patience.after(e).await?;
            }
            open.told.insert(Arc::clone(topic), count);
        }
        Ok(())
    }
}

#[async_trait]
impl SinkWriter for KafkaWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.producer.room().await?;
        self.encoder.encode(&self.shared.layout, &batch, &self.cx.environment).await?;
        let topics = self.topics_of(&batch)?;
        for topic in &topics {
            self.learn(topic).await?;
        }
        self.begin().await?;
        self.tell(&topics).await?;
        let clock = &self.cx.environment.clock;
        let (now_ms, now_ns) = (clock.now_ms(), clock.monotonic_ns());
        let layout = &self.shared.layout;
        let single = self.single_topic().ok();
        let rows = batch.rows();
        self.producer.append(|state| {
            let mut of_row = Vec::new();
            for row in 0..batch.len() {
                let record = self.encoder.record(layout, &batch, row);
                headers(layout, rows, row, &mut of_row);
                let topic = match topic(layout, rows, row)? {
                    Some(topic) => topic,
                    None => single.as_deref().unwrap_or_default(),
                };
                let timestamp = record.timestamp.unwrap_or(now_ms);
                let (key, value, headers) = (record.key, record.value, &of_row);
                state.push(NewRecord { topic, key, value, timestamp, headers, now_ns })?;
            }
            Ok(())
        })
    }

    async fn prepare_commit(&mut self, end_of_input: bool) -> Result<Vec<Committable>> {
        let delivery = self.shared.options.sink.delivery;
        if delivery == Delivery::None && !end_of_input {
            return Ok(Vec::new());
        }
        self.producer.flush().await?;
        // A transaction without records is not open for the broker, and goes on.
        if delivery != Delivery::ExactlyOnce || self.producer.written() == 0 {
            return Ok(Vec::new());
        }
        match std::mem::replace(&mut self.sender, Begun::Not) {
            Begun::Transaction(Open { id, producer, protocol, .. }) => {
                // Nothing may count as written before the next one begins.
                self.producer.begin(Sender::NOBODY);
                Ok(vec![Pending { id, producer, protocol }.encode()?])
            }
            Begun::Not | Begun::Plain => Ok(Vec::new()),
        }
    }

    async fn abort(&mut self) {
        let written = self.producer.written();
        self.producer.stop();
        let Begun::Transaction(open) = std::mem::replace(&mut self.sender, Begun::Not) else { return };
        if written == 0 {
            return;
        }
        let late = self.cx.environment.clock.sleep_ms(ABORT_MS);
        let ending = self.cluster.end_transaction(&open.id, open.producer, open.protocol, false);
        let ended = tokio::select! {
            ended = ending => ended,
            () = late => Err(crate::client::external("it took too long")),
        };
        match ended {
            Ok(Ended::Done) => {}
            // The restored job aborts it, or the broker in the end.
            Ok(Ended::Refused(code)) => tracing::warn!("transaction '{}' is left open: {code}", open.id),
            Err(e) => tracing::warn!("transaction '{}' is left open: {e}", open.id),
        }
    }
}
