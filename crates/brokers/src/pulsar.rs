//! `'connector' = 'pulsar'`: topics of Apache Pulsar as tables.
//!
//! Flink counterpart: the table connector of `flink-connector-pulsar`, with its options. **Reading**: a split is a partition,
//! with the place of the last message that is out; a restart goes on exactly behind it, by a durable exclusive subscription
//! that is acknowledged when the checkpoint that has the messages is complete. **Writing**: batches, each acknowledged by the
//! broker before it counts as written, at least once; or exactly once by a transaction for each checkpoint.
//!
//! It does not: read shared subscriptions, topics that keep nothing, messages in chunks or encrypted ones; know schemas of
//! Pulsar's registry; make topics other than by writing to them, as the broker allows it.

mod batch;
mod client;
mod cluster;
mod compression;
mod consumer;
mod failure;
mod frame;
mod options;
mod place;
mod producer;
mod proto;
mod routing;
mod sink;
mod source;
mod transaction;

use flott_api::Result;
use flott_api::sink::Sink;
use flott_api::source::Source;
use flott_api::table::{
    ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use prost::Message as _;

use crate::messages::{About, MessagePlace, Metadata, offered};
use crate::payloads::{Beside, Writable, description};
use options::PulsarOptions;

/// Under Flink's keys; `key` is ours.
const METADATA: Metadata = &[
    ("topic", About::Address),
    ("message_size", About::Size),
    ("producer_name", About::Producer),
    ("message_id", About::Place),
    ("sequenceId", About::Sequence),
    ("publish_time", About::Published),
    ("event_time", About::EventTime),
    ("properties", About::Properties),
    ("key", About::Key),
];
const WRITABLE: Writable = &[("event_time", Beside::Time), ("properties", Beside::Properties), ("key", Beside::Text)];

/// The bytes of a message id, as Pulsar's own clients write it.
pub(crate) fn message_id(place: MessagePlace) -> Vec<u8> {
    let some = |number: i32| (number >= 0).then_some(number);
    let id = proto::MessageIdData {
        ledger: place.ledger,
        entry: place.entry.cast_unsigned(),
        partition: some(place.partition),
        batch_index: some(place.index),
        batch_size: some(place.index).map(|_| place.count),
    };
    id.encode_to_vec()
}

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PulsarTable;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "pulsar",
    about: "topics of Apache Pulsar",
    source: true,
    sink: true,
    format: true,
    options: &[options::OPTIONS],
};

impl TableFactory for PulsarTable {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = PulsarOptions::read(&table.options, &table.schema)?;
        Ok(SourceDescription {
            changelog: options.format.changelog(),
            boundedness: options.boundedness(),
            metadata: offered(METADATA, &*options.format),
            push_downs: PushDowns { projection: true, watermark: true, ..PushDowns::default() },
            parallelism: None,
            dead_letters: options.format.dead_letter_table().map(str::to_owned),
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = PulsarOptions::read(&table.options, &table.schema)?;
        Ok(description(&*options.format, WRITABLE, options.sink.parallelism))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::PulsarSource::new(spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(sink::PulsarSink::new(spec)?))
    }
}
