//! `properties.*`: the settings of Kafka's own client, by their names there.
//!
//! Those that decide what is read, written or trusted are honoured; those that only tune the Java client are accepted and
//! have no effect; others are refused by name.

use flott_api::options::{OptionReader, Options};
use flott_api::{Error, Result};

use super::security::Security;
use crate::batch::Compression;

/// What settings begin with.
const PREFIX: &str = "properties.";

/// Settings of the Java client that mean nothing here: it has other threads, buffers and classes.
const WITHOUT_EFFECT: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.include.jmx.reporter",
    "client.dns.lookup",
    "client.id.prefix",
    "client.rack",
    "connections.max.idle.ms",
    "enable.auto.commit",
    "enable.metrics.push",
    "exclude.internal.topics",
    "flink.partition-discovery.interval-millis",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "interceptor.classes",
    "internal.leave.group.on.close",
    "key.deserializer",
    "key.serializer",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.poll.interval.ms",
    "max.poll.records",
    "metadata.max.idle.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partition.assignment.strategy",
    "partition.discovery.interval.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "receive.buffer.bytes",
    "register.consumer.metrics",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retries",
    "security.providers",
    "send.buffer.bytes",
    "session.timeout.ms",
    "socket.connection.setup.timeout.max.ms",
    "value.deserializer",
    "value.serializer",
];

/// What both sides need.
#[derive(Clone)]
pub(crate) struct ClientSettings {
    /// Where to ask first.
    pub(crate) bootstrap: Vec<(String, u16)>,
    pub(crate) client_id: String,
    pub(crate) security: Security,
    /// An answer must have come after so long.
    pub(crate) request_timeout_ms: u64,
    /// So long is something tried that the job cannot begin without.
    pub(crate) api_timeout_ms: u64,
    pub(crate) connect_timeout_ms: u64,
    /// Before the second try; then twice as long each time.
    pub(crate) backoff_ms: u64,
    pub(crate) backoff_ms_max: u64,
    /// What is known of the cluster is asked for again after so long.
    pub(crate) metadata_max_age_ms: u64,
}

/// What happens when an offset does not exist, or there is none to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OffsetReset {
    Earliest,
    Latest,
    /// The job fails.
    None,
}

/// What a source needs.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerSettings {
    pub(crate) group_id: Option<String>,
    /// What the user says of offsets that do not exist; nothing if nothing is said.
    pub(crate) reset: Option<OffsetReset>,
    pub(crate) read_committed: bool,
    /// Whether offsets are committed to the group when a checkpoint is complete.
    pub(crate) commit_on_checkpoint: bool,
    pub(crate) check_crcs: bool,
    pub(crate) fetch_wait_ms_max: u32,
    pub(crate) fetch_bytes_min: u32,
    pub(crate) fetch_bytes_max: u32,
    pub(crate) partition_bytes_max: u32,
}

/// What a sink needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProducerSettings {
    /// How many replicas must have a record: all (-1), the leader (1), or nobody is asked (0).
    pub(crate) acks: i16,
    pub(crate) idempotent: bool,
    pub(crate) compression: Compression,
    /// A batch is ended when it has so many bytes.
    pub(crate) batch_bytes: usize,
    /// A larger record is refused.
    pub(crate) request_bytes_max: usize,
    /// So long does a record wait for others.
    pub(crate) linger_ms: u64,
    /// So many bytes may wait to be sent.
    pub(crate) buffer_bytes: usize,
    /// A record that is not written after so long fails the job.
    pub(crate) delivery_timeout_ms: u64,
    /// An open transaction is aborted by the broker after so long; nothing if the user says nothing.
    pub(crate) transaction_timeout_ms: Option<u32>,
    pub(crate) ignore_keys: bool,
}

/// The settings of the client, read.
#[derive(Clone)]
pub(crate) struct Properties {
    pub(crate) client: ClientSettings,
    pub(crate) consumer: ConsumerSettings,
    pub(crate) producer: ProducerSettings,
}

impl Properties {
    /// Reads all that begins with `properties.`.
    ///
    /// # Errors
    /// If one is wrong or none of Kafka's.
    pub(crate) fn read(options: &Options, reader: &OptionReader<'_>) -> Result<Self> {
        let security = Security::read(reader)?;
        let properties =
            Properties { client: client(reader, security)?, consumer: consumer(reader)?, producer: producer(reader)? };
        for name in WITHOUT_EFFECT {
            reader.allow(&format!("{PREFIX}{name}"));
        }
        refuse_classes(options)?;
        Ok(properties)
    }
}

/// Classes of Java cannot be run.
fn refuse_classes(options: &Options) -> Result<()> {
    for key in ["properties.partitioner.class", "properties.ssl.engine.factory.class"] {
        if options.0.contains_key(key) {
            return Err(Error::invalid(format!("option '{key}' names a class of Java"))
                .with_detail("There is no Java here.")
                .with_hint("The partition of a record is chosen by 'sink.partitioner'."));
        }
    }
    Ok(())
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn number(reader: &OptionReader<'_>, name: &str, default: u64) -> Result<u64> {
    reader.value_or(&key(name), default)
}

fn client(reader: &OptionReader<'_>, security: Security) -> Result<ClientSettings> {
    let servers = reader.required("properties.bootstrap.servers")?;
    let bootstrap =
        servers.split([',', ';']).map(str::trim).filter(|s| !s.is_empty()).map(address).collect::<Result<Vec<_>>>()?;
    if bootstrap.is_empty() {
        return Err(Error::invalid("option 'properties.bootstrap.servers' names no server"));
    }
    Ok(ClientSettings {
        bootstrap,
        client_id: reader.text("properties.client.id").unwrap_or("flott").to_owned(),
        security,
        request_timeout_ms: number(reader, "request.timeout.ms", 30_000)?.max(1),
        api_timeout_ms: number(reader, "default.api.timeout.ms", 60_000)?,
        connect_timeout_ms: number(reader, "socket.connection.setup.timeout.ms", 10_000)?.max(1),
        backoff_ms: number(reader, "retry.backoff.ms", 100)?.max(1),
        backoff_ms_max: number(reader, "retry.backoff.max.ms", 1000)?.max(1),
        metadata_max_age_ms: number(reader, "metadata.max.age.ms", 300_000)?.max(1),
    })
}

/// `host:port`, also `[::1]:9092` and `PLAINTEXT://host:port`.
fn address(text: &str) -> Result<(String, u16)> {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let split = bare.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match split {
        Some((host, port)) if !host.is_empty() => Ok((host.trim_matches(['[', ']']).to_owned(), port)),
        _ => Err(Error::invalid(format!("option 'properties.bootstrap.servers' has '{text}'"))
            .with_hint("It is a list such as 'host:9092,other:9092'.")),
    }
}

fn consumer(reader: &OptionReader<'_>) -> Result<ConsumerSettings> {
    let resets = [
        ("earliest", Some(OffsetReset::Earliest)),
        ("latest", Some(OffsetReset::Latest)),
        ("none", Some(OffsetReset::None)),
    ];
    let levels = [("read_uncommitted", false), ("read_committed", true)];
    Ok(ConsumerSettings {
        group_id: reader.text("properties.group.id").map(str::to_owned),
        reset: reader.choice("properties.auto.offset.reset", &resets, None)?,
        read_committed: reader.choice("properties.isolation.level", &levels, false)?,
        commit_on_checkpoint: reader.value_or("properties.commit.offsets.on.checkpoint", true)?,
        check_crcs: reader.value_or("properties.check.crcs", true)?,
        fetch_wait_ms_max: reader.value_or("properties.fetch.max.wait.ms", 500)?,
        fetch_bytes_min: reader.value_or("properties.fetch.min.bytes", 1)?,
        fetch_bytes_max: positive(reader, "fetch.max.bytes", 16 << 20)?,
        partition_bytes_max: positive(reader, "max.partition.fetch.bytes", 1 << 20)?,
    })
}

/// A number of bytes that the protocol can say.
fn positive(reader: &OptionReader<'_>, name: &str, default: u32) -> Result<u32> {
    let bytes = reader.value_or(&key(name), default)?;
    if bytes == 0 || bytes > i32::MAX as u32 {
        return Err(Error::invalid(format!("option '{PREFIX}{name}' must be between 1 and {}", i32::MAX)));
    }
    Ok(bytes)
}

fn producer(reader: &OptionReader<'_>) -> Result<ProducerSettings> {
    let acks = [("all", -1), ("-1", -1), ("1", 1), ("0", 0)];
    let acks = reader.choice("properties.acks", &acks, -1)?;
    let asked = reader.value::<bool>("properties.enable.idempotence")?;
    if asked == Some(true) && acks != -1 {
        return Err(Error::invalid(
            "option 'properties.acks' must be 'all' with 'properties.enable.idempotence' = 'true'",
        ));
    }
    let compression = reader.choice("properties.compression.type", &Compression::NAMES, Compression::None)?;
    for level in ["gzip", "lz4", "zstd"] {
        if reader.text(&key(&format!("compression.{level}.level"))).is_some() {
            return Err(Error::unsupported(format!("option 'properties.compression.{level}.level'")));
        }
    }
    Ok(ProducerSettings {
        acks,
        idempotent: asked.unwrap_or(acks == -1),
        compression,
        batch_bytes: positive(reader, "batch.size", 256 << 10)? as usize,
        request_bytes_max: positive(reader, "max.request.size", 1 << 20)? as usize,
        linger_ms: number(reader, "linger.ms", 5)?,
        buffer_bytes: positive(reader, "buffer.memory", 32 << 20)? as usize,
        delivery_timeout_ms: number(reader, "delivery.timeout.ms", 120_000)?,
        transaction_timeout_ms: reader.value::<u32>("properties.transaction.timeout.ms")?,
        ignore_keys: reader.value_or("properties.partitioner.ignore.keys", false)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Properties> {
        let pairs = pairs.iter().map(|(k, v)| (format!("properties.{k}"), (*v).to_owned()));
        let options = Options(pairs.collect());
        let reader = OptionReader::new(&options, "a test");
        let properties = Properties::read(&options, &reader)?;
        reader.finish()?;
        Ok(properties)
    }

    fn message(pairs: &[(&str, &str)]) -> String {
        read(pairs).err().unwrap().message().to_owned()
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        let read = |text| read(&[("bootstrap.servers", text)]).map(|p| p.client.bootstrap);
        let host = |name: &str, port| (name.to_owned(), port);
        assert_eq!(read("a:1, PLAINTEXT://b:2;[::1]:3").unwrap(), [host("a", 1), host("b", 2), host("::1", 3)]);
        for wrong in ["", ",", "a", "a:", ":1", "a:99999", "a:b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_have_the_defaults_of_kafka_and_are_checked() {
        let servers = ("bootstrap.servers", "a:1");
        let read_all = read(&[servers]).unwrap();
        assert_eq!((read_all.producer.acks, read_all.producer.idempotent), (-1, true));
        assert!(!read_all.consumer.read_committed && read_all.consumer.reset.is_none());
        assert!(!read(&[servers, ("acks", "1")]).unwrap().producer.idempotent);
        assert_eq!(message(&[]), "a test needs option 'properties.bootstrap.servers'");
        let acks = [servers, ("acks", "1"), ("enable.idempotence", "true")];
        assert!(message(&acks).contains("must be 'all'"));
        assert!(message(&[servers, ("batch.size", "0")]).contains("between 1 and"));
        assert!(message(&[servers, ("partitioner.class", "x")]).contains("a class of Java"));
        assert_eq!(message(&[servers, ("isolation.leve", "x")]), "a test has no option 'properties.isolation.leve'");
        assert!(read(&[servers, ("max.poll.records", "7")]).is_ok());
    }
}
