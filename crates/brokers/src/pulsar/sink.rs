//! Writing: the broker has each entry before a batch counts as written.
//!
//! What has no receipt is sent again, in the same order, by a producer of the same name and with the same numbers. With
//! `exactly-once` nothing is sent again within a transaction: a receipt that is lost ends the transaction, and the job goes on
//! from its checkpoint.

mod committer;
mod writer;

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{Error, Result};

use super::WRITABLE;
use super::cluster::Cluster;
use super::options::{Delivery, PulsarOptions};
use super::routing::Routing;
use crate::payloads::PayloadLayout;
use committer::PulsarCommitter;
use writer::PulsarWriter;

/// A table to write.
pub(super) struct PulsarSink {
    shared: Arc<Shared>,
}

struct Shared {
    options: PulsarOptions,
    layout: PayloadLayout,
    key: Option<PayloadLayout>,
    table: String,
}

impl Shared {
    fn cluster(&self, environment: &Environment) -> Cluster {
        Cluster { options: Arc::clone(&self.options.client), environment: environment.clone() }
    }

    fn has_transactions(&self) -> bool {
        self.options.sink.delivery == Delivery::ExactlyOnce
    }
}

impl PulsarSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SinkSpec) -> Result<Self> {
        let physical = spec.schema.len() - spec.metadata.len();
        let schema = spec.schema.project(&(0..physical).collect::<Vec<_>>());
        let options = PulsarOptions::read(&spec.options, &schema)?;
        let columns = options.value_columns(physical);
        let layout = PayloadLayout::of_columns(spec, &*options.format, WRITABLE, columns)?;
        let key = options.key.as_ref().map(|key| layout.key(spec, key.columns.clone()));
        let has_key = layout.place("key").is_some();
        if key.is_some() && has_key {
            return Err(Error::invalid("option 'key.fields' and a column with METADATA FROM 'key' exclude each other"));
        }
        if matches!(options.sink.routing, Routing::KeyHash(_)) && key.is_none() && !has_key {
            return Err(Error::invalid("option 'sink.topic-routing-mode' = 'message-key-hash' without keys")
                .with_hint("Set 'key.format' and 'key.fields', or add a column with METADATA FROM 'key'."));
        }
        Ok(PulsarSink { shared: Arc::new(Shared { layout, key, table: spec.table.clone(), options }) })
    }
}

impl Sink for PulsarSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(PulsarWriter::new(&self.shared, cx)?))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        if !self.shared.has_transactions() {
            return Ok(None);
        }
        Ok(Some(Box::new(PulsarCommitter::new(Arc::clone(&self.shared), environment))))
    }
}
