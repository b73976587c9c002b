//! `'connector' = 'webhook'`: requests that others send to this job as a table.
//!
//! Flink counterpart: none. One subtask listens on an address and reads the bodies of the requests that come to a path. **A
//! request is answered with 200 when the checkpoint that has its rows is complete**, so a sender that repeats what was not
//! answered loses nothing: at least once. A body that does not fit is answered with 400 and fails nobody but its sender.
//!
//! It does not: several tables on one port, HTTP/2, positions (what was not answered must be sent again).

mod door;
mod options;
mod source;

use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::{Error, Result};

use crate::messages::{About, Metadata, offered};
use options::WebhookOptions;

const METADATA: Metadata = &[("query", About::Address), ("timestamp", About::Timestamp), ("headers", About::Headers)];

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WebhookTable;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "webhook",
    about: "HTTP requests that are sent to this job",
    source: true,
    sink: false,
    format: true,
    options: &[options::OPTIONS],
};

fn unwritable(table: &str) -> Error {
    Error::invalid(format!("table '{table}' of connector 'webhook' cannot be written"))
        .with_hint("The connector that sends requests is 'http-sink'.")
}

impl TableFactory for WebhookTable {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = WebhookOptions::read(&table.options, &table.schema)?;
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
        Err(unwritable(&table.path))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::WebhookSource::new(spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(unwritable(&spec.table))
    }
}
