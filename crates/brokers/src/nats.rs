//! `'connector' = 'nats'`: streams of NATS JetStream as tables.
//!
//! Flink counterpart: none of its own. **Reading**: a split is a stream, or a filter of its subjects, with the sequence
//! of the next message; a restart goes on exactly there. Nothing is acknowledged: consumers are made anew at each start,
//! and JetStream keeps messages as the stream says. **Writing**: each message is acknowledged by JetStream before the batch
//! counts as written, at least once; messages that are sent again while a writer lives have the same `Nats-Msg-Id`, and so
//! have those of a restart whose `message-id` comes from the row.
//!
//! It does not: subscribe without JetStream, log in by NKey or JWT, upgrade a connection to TLS behind its greeting (the
//! server must have `handshake_first`).

mod client;
mod options;
mod protocol;
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
use options::NatsOptions;

const METADATA: Metadata = &[
    ("subject", About::Address),
    ("sequence", About::Sequence),
    ("timestamp", About::Timestamp),
    ("headers", About::Headers),
];
const WRITABLE: Writable = &[("subject", Beside::Text), ("message-id", Beside::Text), ("headers", Beside::Headers)];

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NatsTable;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "nats",
    about: "streams of NATS JetStream",
    source: true,
    sink: true,
    format: true,
    options: &[ACCESS, options::OPTIONS],
};

impl TableFactory for NatsTable {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = NatsOptions::read(&table.options, &table.schema)?;
        options.stream_to_read()?;
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
        let options = NatsOptions::read(&table.options, &table.schema)?;
        Ok(description(&*options.format, WRITABLE, options.sink_parallelism))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::NatsSource::new(spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(sink::NatsSink::new(spec)?))
    }
}
