//! `'connector' = 'rabbitmq'`: queues of RabbitMQ as tables.
//!
//! Flink counterpart: `RMQSource` and `RMQSink` of its RabbitMQ connector, which has no tables. **Reading**: a split is a
//! queue; messages are acknowledged when the checkpoint that has them is complete. At least once, or exactly once if every
//! message has a correlation id of its own: then those that come again are known. **Writing**: persistent messages with
//! publisher confirms, at least once.
//!
//! It does not: make queues, exchanges and bindings, read streams of RabbitMQ by their offsets, speak AMQP 1.0.

mod amqp;
mod client;
mod options;
mod sink;
mod source;

use flott_api::Result;
use flott_api::sink::Sink;
use flott_api::source::Source;
use flott_api::table::{
    ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};

use crate::access::OPTIONS as ACCESS;
use crate::messages::{About, Metadata, offered};
use crate::payloads::{Beside, Writable, description};
use options::RabbitOptions;

const METADATA: Metadata = &[
    ("routing-key", About::Address),
    ("correlation-id", About::Id),
    ("timestamp", About::Timestamp),
    ("redelivered", About::Again),
    ("headers", About::Headers),
];
const WRITABLE: Writable =
    &[("routing-key", Beside::Text), ("correlation-id", Beside::Text), ("headers", Beside::Headers)];

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RabbitTable;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "rabbitmq",
    about: "queues of RabbitMQ",
    source: true,
    sink: true,
    format: true,
    options: &[ACCESS, options::OPTIONS],
};

impl TableFactory for RabbitTable {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = RabbitOptions::read(&table.options, &table.schema)?;
        options.check_source()?;
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
        let options = RabbitOptions::read(&table.options, &table.schema)?;
        Ok(description(&*options.format, WRITABLE, options.sink_parallelism))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::RabbitSource::new(spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(sink::RabbitSink::new(spec)?))
    }
}
