//! `'connector' = 'mqtt'`: topics of a broker of MQTT 3.1.1 as tables.
//!
//! Flink counterpart: none of its own. **Reading**: one session of the broker, read by one subtask, without an end. With
//! QoS 1 a message is acknowledged when the checkpoint that has it is complete, so a restart gets all that is not: at least
//! once. How many messages may lie between two checkpoints is the broker's window of messages in flight. With QoS 0, or
//! acknowledged on receipt, a restart misses some. **Writing**: with QoS 1 the broker has each message before the batch
//! counts as written, at least once.
//!
//! It does not: QoS 2, shared subscriptions, properties of MQTT 5, WebSockets.

mod client;
mod options;
mod packet;
mod sink;
mod source;

use flott_api::Result;
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};

use crate::access::OPTIONS as ACCESS;
use crate::messages::{About, Metadata, offered};
use crate::payloads::{Beside, Writable, description};
use options::MqttOptions;

const METADATA: Metadata = &[("topic", About::Address), ("qos", About::Qos), ("duplicate", About::Again)];
const WRITABLE: Writable = &[("topic", Beside::Text)];

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MqttTable;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "mqtt",
    about: "topics of an MQTT broker",
    source: true,
    sink: true,
    format: true,
    options: &[ACCESS, options::OPTIONS],
};

impl TableFactory for MqttTable {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = MqttOptions::read(&table.options, &table.schema)?;
        options.check_source()?;
        Ok(SourceDescription {
            changelog: options.format.changelog(),
            boundedness: Boundedness::Unbounded,
            metadata: offered(METADATA, &*options.format),
            push_downs: PushDowns { projection: true, watermark: true, ..PushDowns::default() },
            parallelism: None,
            dead_letters: options.format.dead_letter_table().map(str::to_owned),
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let options = MqttOptions::read(&table.options, &table.schema)?;
        Ok(description(&*options.format, WRITABLE, options.sink_parallelism))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::MqttSource::new(spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(sink::MqttSink::new(spec)?))
    }
}
