//! The options of a table, under the names that Flink's connector for Pulsar gives them.

mod client;

use std::sync::Arc;

use flott_api::options::{ConfigOption, FromOption, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::source::Boundedness;
use flott_api::{Error, Result, Schema};
use flott_formats::{Format, Layout};

pub(super) use client::{Auth, ClientOptions, broker_url};

use super::DESCRIPTION;
use super::compression::Compression;
use super::place::{Place, topic_name};
use super::routing::{KeyHash, Routing};
use crate::payloads::sink_parallelism;

const RETRY_MS: u64 = 60_000;
const DISCOVERY_MS: i64 = 300_000;
const QUEUE: u32 = 1000;
const QUEUE_MAX: u32 = 100_000;
const BATCH_MESSAGES: u32 = 1000;
const BATCH_BYTES: u32 = 128 << 10;
const TRANSACTION_MS: u64 = 3 * 3_600_000;

/// All of them, under Flink's keys.
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::text(
        "service-url",
        "`pulsar://host:6650`, with TLS `pulsar+ssl://host:6651`; several hosts are parted by `,`.",
    )
    .needed(),
    ConfigOption::text(
        "topics",
        "Topics, or partitions of them, parted by `;`: `name`, `tenant/namespace/name`, `persistent://...`. Topics that keep nothing (`non-persistent://`) are refused.",
    )
    .needed(),
    ConfigOption::text("format", "Or `value.format`: one of them is needed. Also formats of changes such as `debezium-json`."),
    ConfigOption::text("value.format", "The same as `format`; its options begin with `value.` then."),
    ConfigOption::text("key.format", "The format of keys, with `key.fields`."),
    ConfigOption::text(
        "key.fields",
        "Columns, parted by `;`, that lie in the keys of messages, and, as in Flink, not in their values.",
    ),
    ConfigOption::flag("explicit", "`false`, which maps schemas of topics to tables, is not supported.").or("true"),
    ConfigOption::text(
        "source.subscription-name",
        "The subscription. Without it one is named by chance; its name lies in the checkpoint, and it stays at the broker with its backlog when the job is gone, as Flink's does.",
    ),
    ConfigOption::choice(
        "source.subscription-type",
        &["Exclusive"],
        "Others are refused: their messages have no place to go on from.",
    )
    .or("Exclusive"),
    ConfigOption::text(
        "source.start.message-id",
        "Or `latest`, or `ledger:entry:partition` (`12:2:-1`), which is the first one that is read. `earliest` and `latest` say where a new subscription begins; one that is there goes on where it is. An id, or a time, is always gone to.",
    )
    .or("earliest"),
    ConfigOption::number(
        "source.start.publish-time",
        "Milliseconds: begins with the first message that was published then or later.",
    ),
    ConfigOption::flag(
        "pulsar.source.resetSubscriptionCursor",
        "Whether a job without a checkpoint also sets a subscription that is there to `earliest` or `latest`.",
    )
    .or("false"),
    ConfigOption::text(
        "source.stop.at-message-id",
        "Or `latest`: the last message that there is at the begin; or an id, which is not read any more. A table with an end is a bounded one.",
    )
    .or("never"),
    ConfigOption::text("source.stop.after-message-id", "An id, which is the last one that is read."),
    ConfigOption::number(
        "source.stop.at-publish-time",
        "Milliseconds: ends before the first message that was published then or later.",
    ),
    ConfigOption::number(
        "pulsar.source.partitionDiscoveryIntervalMs",
        "How often new partitions are looked for, which are read from their begin; 0 for never.",
    )
    .or("300000"),
    ConfigOption::choice(
        "pulsar.source.verifyInitialOffsets",
        &["FAIL_ON_MISMATCH", "WARN_ON_MISMATCH"],
        "What happens if messages behind a checkpoint are gone: `WARN_ON_MISMATCH`, which is Flink's default, goes on without them.",
    )
    .or("FAIL_ON_MISMATCH"),
    ConfigOption::number("pulsar.consumer.receiverQueueSize", "So many messages of a partition may be under way.").or("1000"),
    ConfigOption::choice("sink.topic-routing-mode", &["round-robin", "message-key-hash"], "Which partition a message goes to.")
        .or("round-robin"),
    ConfigOption::text("sink.custom-topic-router", "Not supported: a class of Java."),
    ConfigOption::choice(
        "pulsar.sink.messageKeyHash",
        &["murmur-3-32-hash", "java-hash"],
        "How `message-key-hash` hashes.",
    )
    .or("murmur-3-32-hash"),
    ConfigOption::duration(
        "sink.message-delay-interval",
        "Shared subscriptions get a message so much later. Messages are then in no batches.",
    )
    .or("0 s"),
    ConfigOption::choice(
        "pulsar.sink.deliveryGuarantee",
        &["none", "at-least-once", "exactly-once"],
        "`none` is no less than `at-least-once` here; `exactly-once` is by transactions, and needs checkpoints.",
    )
    .or("at-least-once"),
    ConfigOption::number(
        "pulsar.sink.transactionTimeoutMillis",
        "How long a transaction may be open: longer than two checkpoint intervals and the time that a job may be down.",
    )
    .or("10800000"),
    ConfigOption::choice(
        "pulsar.producer.compressionType",
        &["NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"],
        "How batches are compressed.",
    )
    .or("NONE"),
    ConfigOption::flag("pulsar.producer.batchingEnabled", "Whether messages are written in batches.").or("true"),
    ConfigOption::number("pulsar.producer.batchingMaxMessages", "How many messages a batch may have.").or("1000"),
    ConfigOption::number("pulsar.producer.batchingMaxBytes", "How many bytes a batch may have.").or("131072"),
    SINK_PARALLELISM,
    ConfigOption::text(
        "pulsar.client.authPluginClassName",
        "`AuthenticationToken`, `AuthenticationBasic` or `AuthenticationTls`, with or without `org.apache.pulsar.client.impl.auth.` before it.",
    ),
    ConfigOption::text(
        "pulsar.client.authParams",
        "For a token `token:...` or `file:///...`; for a password `{\"userId\": .., \"password\": ..}`. They are shown nowhere.",
    ),
    ConfigOption::text("pulsar.client.authParamMap", "The same as `pulsar.client.authParams`."),
    ConfigOption::text("pulsar.client.tlsTrustCertsFilePath", "A PEM file of authorities to trust; without it whom the machine trusts."),
    ConfigOption::text("pulsar.client.tlsCertificateFilePath", "A PEM file of the client's certificates."),
    ConfigOption::text("pulsar.client.tlsKeyFilePath", "A PEM file of its key."),
    ConfigOption::flag(
        "pulsar.client.tlsHostnameVerificationEnable",
        "Whether the broker's certificate must name its host. Flink's default is `false`.",
    )
    .or("true"),
    ConfigOption::flag("pulsar.client.tlsAllowInsecureConnection", "`true` is not supported.").or("false"),
    ConfigOption::number(
        "pulsar.client.operationTimeoutMs",
        "How long connecting, and any answer, may take.",
    )
    .or("30000"),
    ConfigOption::number("pulsar.client.keepAliveIntervalSeconds", "How often each side hears of the other.").or("30"),
    ConfigOption::text("pulsar.client.listenerName", "Which of their addresses brokers are to name."),
    ConfigOption::duration("connection.max-retry-timeout", "How long what fails is tried again before the job fails.")
        .or("60 s"),
];

/// Where reading begins that begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Earliest,
    Latest,
    /// With this message.
    Id(Place),
    /// With the first one that was published then or later.
    PublishMs(u64),
}

/// Where reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Never,
    /// Behind the last message that there is at the begin.
    Latest,
    /// Before this one.
    At(Place),
    /// Behind this one.
    After(Place),
    /// Before the first one that was published then or later.
    PublishMs(u64),
}

/// How often messages may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    AtLeastOnce,
    ExactlyOnce,
}

/// All options, checked.
pub(super) struct PulsarOptions {
    pub(super) client: Arc<ClientOptions>,
    pub(super) retry_ms: u64,
    /// Their whole names.
    pub(super) topics: Vec<String>,
    pub(super) format: Box<dyn Format>,
    pub(super) key: Option<KeyOptions>,
    pub(super) source: SourceOptions,
    pub(super) sink: SinkOptions,
}

/// Columns that lie in keys.
pub(super) struct KeyOptions {
    pub(super) format: Box<dyn Format>,
    /// Their places in the table.
    pub(super) columns: Vec<usize>,
}

/// What is for reading.
#[derive(Debug)]
pub(super) struct SourceOptions {
    pub(super) subscription: Option<String>,
    pub(super) start: Start,
    pub(super) stop: Stop,
    /// Whether a subscription that is there is set to where reading begins.
    pub(super) reset: bool,
    /// Nothing if new partitions are not looked for.
    pub(super) discovery_ms: Option<u64>,
    /// Whether messages that are gone before they were read fail the job.
    pub(super) fail_on_loss: bool,
    /// So many messages may be under way.
    pub(super) queue: u32,
}

/// What is for writing.
#[derive(Debug)]
pub(super) struct SinkOptions {
    pub(super) routing: Routing,
    pub(super) delay_ms: u64,
    pub(super) compression: Compression,
    /// How many messages a batch may have, and how many bytes; nothing if there are none.
    pub(super) batch: Option<(usize, usize)>,
    pub(super) delivery: Delivery,
    pub(super) transaction_ms: u64,
    pub(super) parallelism: Option<u32>,
}

impl PulsarOptions {
    /// Reads them.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing, or a format cannot hold its columns.
    pub(super) fn read(options: &Options, schema: &Schema) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        let client = ClientOptions::read(&reader)?;
        let Millis(retry_ms) = reader.value_or("connection.max-retry-timeout", Millis(RETRY_MS))?;
        let read = PulsarOptions {
            client: Arc::new(client),
            retry_ms,
            topics: topics(reader.required("topics")?)?,
            format: value_format(&reader)?,
            key: KeyOptions::read(&reader, schema)?,
            source: SourceOptions::read(&reader)?,
            sink: SinkOptions::read(&reader)?,
        };
        if !reader.value_or("explicit", true)? {
            return Err(Error::unsupported("option 'explicit' = 'false'")
                .with_detail("It maps the schema of a topic to a table, in a catalog that is not there."));
        }
        reader.finish()?;
        if let Some(key) = &read.key {
            key.format.check(&schema.project(&key.columns))?;
        }
        read.format.check(&schema.project(&read.value_columns(schema.len())))?;
        Ok(read)
    }

    /// The columns that lie in values, as Flink has it those that are not in keys.
    pub(super) fn value_columns(&self, all: usize) -> Vec<usize> {
        let key = self.key.as_ref().map_or(&[][..], |key| &key.columns);
        (0..all).filter(|column| !key.contains(column)).collect()
    }

    /// Whether reading it ends.
    pub(super) fn boundedness(&self) -> Boundedness {
        if self.source.stop == Stop::Never { Boundedness::Unbounded } else { Boundedness::Bounded }
    }
}

fn topics(text: &str) -> Result<Vec<String>> {
    let names = text.split(';').map(str::trim).filter(|name| !name.is_empty());
    let all = names.map(topic_name).collect::<Result<Vec<_>>>()?;
    if all.is_empty() {
        return Err(Error::invalid("option 'topics' names no topic"));
    }
    for (at, topic) in all.iter().enumerate() {
        if all[at + 1..].contains(topic) {
            return Err(Error::invalid(format!("option 'topics' names '{topic}' twice")));
        }
    }
    Ok(all)
}

fn format(reader: &OptionReader<'_>, name: &str, prefix: &str) -> Result<Box<dyn Format>> {
    let format = flott_formats::format(name, reader, prefix)?;
    if let Layout::File(_) = format.layout() {
        return Err(Error::invalid(format!("format '{name}' cannot be used for messages of connector 'pulsar'"))
            .with_detail("It holds a whole file and no single rows."));
    }
    Ok(format)
}

fn value_format(reader: &OptionReader<'_>) -> Result<Box<dyn Format>> {
    match (reader.text("format"), reader.text("value.format")) {
        (Some(_), Some(_)) => {
            Err(Error::invalid("options 'format' and 'value.format' are the same one; give one of them"))
        }
        (None, Some(name)) => format(reader, name, "value."),
        _ => format(reader, reader.required("format")?, ""),
    }
}

impl KeyOptions {
    fn read(reader: &OptionReader<'_>, schema: &Schema) -> Result<Option<Self>> {
        let named = reader.text("key.fields").unwrap_or_default();
        let mut columns = Vec::new();
        for name in named.split(';').map(str::trim).filter(|name| !name.is_empty()) {
            let place = schema.index_of(name).ok_or_else(|| {
                Error::invalid(format!("option 'key.fields' names column '{name}', which does not exist"))
                    .with_hint("It is a list such as 'a;b' of columns that lie in the messages.")
            })?;
            if columns.contains(&place) {
                return Err(Error::invalid(format!("option 'key.fields' names column '{name}' twice")));
            }
            columns.push(place);
        }
        match (reader.text("key.format"), columns.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Err(Error::invalid("option 'key.fields' needs option 'key.format'")),
            (Some(_), true) => Err(Error::invalid("option 'key.format' needs option 'key.fields'")),
            (Some(name), false) => {
                let format = format(reader, name, "key.")?;
                if !format.changelog().is_insert_only() {
                    return Err(Error::invalid(format!("format '{name}' cannot be used for keys: it holds changes")));
                }
                if format.dead_letter_table().is_some() {
                    return Err(Error::invalid(format!("option 'key.{name}.dead-letter.table' of a key"))
                        .with_hint("Give it for the value: the raw bytes there are those of the value."));
                }
                Ok(Some(KeyOptions { format, columns }))
            }
        }
    }
}

impl SourceOptions {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let subscription = reader.text("source.subscription-name").map(str::to_owned);
        if subscription.as_ref().is_some_and(String::is_empty) {
            return Err(Error::invalid("option 'source.subscription-name' is empty"));
        }
        let kinds = ["Exclusive", "Shared", "Failover", "Key_Shared"].map(|kind| (kind, kind));
        let kind = reader.choice("source.subscription-type", &kinds, "Exclusive")?;
        if kind != "Exclusive" {
            return Err(Error::unsupported(format!("option 'source.subscription-type' = '{kind}'"))
                .with_detail("Its messages come in no order, and no place in the topic says which of them were read.")
                .with_hint("With 'Exclusive' each partition is read by one subtask, and exactly once."));
        }
        let every_ms: i64 = reader.value_or("pulsar.source.partitionDiscoveryIntervalMs", DISCOVERY_MS)?;
        let verify = [("FAIL_ON_MISMATCH", true), ("WARN_ON_MISMATCH", false)];
        Ok(SourceOptions {
            subscription,
            start: start(reader)?,
            stop: stop(reader)?,
            reset: reader.value_or("pulsar.source.resetSubscriptionCursor", false)?,
            discovery_ms: u64::try_from(every_ms).ok().filter(|ms| *ms > 0),
            fail_on_loss: reader.choice("pulsar.source.verifyInitialOffsets", &verify, true)?,
            queue: ranged(reader, "pulsar.consumer.receiverQueueSize", QUEUE, QUEUE_MAX)?,
        })
    }
}

/// A number from 1 to `most`.
fn ranged(reader: &OptionReader<'_>, key: &str, default: u32, most: u32) -> Result<u32> {
    let value = reader.value_or(key, default)?;
    if value == 0 || value > most {
        return Err(Error::invalid(format!("option '{key}' must be from 1 to {most}")));
    }
    Ok(value)
}

/// Of several options that exclude each other the one that is set.
fn only_one(reader: &OptionReader<'_>, keys: &[&'static str]) -> Result<()> {
    let set: Vec<&str> = keys.iter().filter(|key| reader.text(key).is_some()).copied().collect();
    match set[..] {
        [one, other, ..] => Err(Error::invalid(format!("options '{one}' and '{other}' exclude each other"))),
        _ => Ok(()),
    }
}

fn start(reader: &OptionReader<'_>) -> Result<Start> {
    let (of_id, of_time) = ("source.start.message-id", "source.start.publish-time");
    only_one(reader, &[of_id, of_time])?;
    if let Some(time) = time(reader, of_time)? {
        return Ok(Start::PublishMs(time));
    }
    match reader.text(of_id) {
        None | Some("earliest") => Ok(Start::Earliest),
        Some("latest") => Ok(Start::Latest),
        Some(id) => Place::parse(of_id, id).map(Start::Id),
    }
}

fn stop(reader: &OptionReader<'_>) -> Result<Stop> {
    let keys = ["source.stop.at-message-id", "source.stop.after-message-id", "source.stop.at-publish-time"];
    only_one(reader, &keys)?;
    let [at, after, of_time] = keys;
    if let Some(time) = time(reader, of_time)? {
        return Ok(Stop::PublishMs(time));
    }
    match (reader.text(at), reader.text(after)) {
        (Some("latest"), _) => Ok(Stop::Latest),
        (None | Some("never"), None) => Ok(Stop::Never),
        (Some(id), _) => Place::parse(at, id).map(Stop::At),
        (None, Some(id)) => Place::parse(after, id).map(Stop::After),
    }
}

fn time(reader: &OptionReader<'_>, key: &'static str) -> Result<Option<u64>> {
    reader.value::<u64>(key)
}

impl SinkOptions {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        if reader.text("sink.custom-topic-router").is_some() {
            return Err(Error::unsupported("option 'sink.custom-topic-router'")
                .with_detail("It is a class of Java.")
                .with_hint("Use 'sink.topic-routing-mode' = 'message-key-hash'."));
        }
        let hashes = [("murmur-3-32-hash", KeyHash::Murmur3), ("java-hash", KeyHash::Java)];
        let hash = reader.choice("pulsar.sink.messageKeyHash", &hashes, KeyHash::Murmur3)?;
        let modes = [("round-robin", Routing::RoundRobin), ("message-key-hash", Routing::KeyHash(hash))];
        let delays: Millis = reader.value_or("sink.message-delay-interval", Millis(0))?;
        let messages = ranged(reader, "pulsar.producer.batchingMaxMessages", BATCH_MESSAGES, u16::MAX.into())?;
        let bytes = ranged(reader, "pulsar.producer.batchingMaxBytes", BATCH_BYTES, 4 << 20)?;
        let batching = reader.value_or("pulsar.producer.batchingEnabled", true)?;
        let deliveries = [
            // What is promised is never less.
            ("none", Delivery::AtLeastOnce),
            ("at-least-once", Delivery::AtLeastOnce),
            ("exactly-once", Delivery::ExactlyOnce),
        ];
        let transaction_ms = reader.value_or("pulsar.sink.transactionTimeoutMillis", TRANSACTION_MS)?;
        if transaction_ms < 1000 {
            return Err(Error::invalid("option 'pulsar.sink.transactionTimeoutMillis' must be at least 1000"));
        }
        Ok(SinkOptions {
            routing: reader.choice("sink.topic-routing-mode", &modes, Routing::RoundRobin)?,
            delay_ms: delays.0,
            compression: reader.choice("pulsar.producer.compressionType", &Compression::NAMES, Compression::None)?,
            // A broker delays messages one by one.
            batch: (batching && delays.0 == 0).then_some((messages as usize, bytes as usize)),
            delivery: reader.choice("pulsar.sink.deliveryGuarantee", &deliveries, Delivery::AtLeastOnce)?,
            transaction_ms,
            parallelism: sink_parallelism(reader)?,
        })
    }
}

/// A number of some type, for people who write it wrong.
pub(super) fn number<T: FromOption + PartialOrd>(
    reader: &OptionReader<'_>,
    key: &str,
    default: T,
    least: T,
) -> Result<T> {
    let value = reader.value_or(key, default)?;
    if value < least { Err(Error::invalid(format!("option '{key}' is too small"))) } else { Ok(value) }
}

#[cfg(test)]
mod tests;
