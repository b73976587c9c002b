//! Writing: rows to records, records to partitions, exactly once if that is asked for.
//!
//! With `exactly-once` each subtask writes the records of a checkpoint in one transaction of Kafka. At the barrier they are
//! all in Kafka, unseen; the name of the transaction, its producer and its epoch go into the checkpoint, and when that is
//! complete the committer ends the transaction, whichever process it runs in. A name is never used twice, so the outcome
//! of an end whose answer was lost can be asked for and is never assumed.

mod committable;
mod committer;
mod names;
mod partitioner;
mod producer;
mod records;
mod writer;

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::ids::JobId;
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{Error, Result};

use crate::options::{Delivery, Kind, Table, TableOptions, Topics};
use committer::KafkaCommitter;
use records::RecordLayout;
use writer::KafkaWriter;

pub(crate) use records::sink_metadata;

/// What writers and committer share.
pub(crate) struct Shared {
    options: TableOptions,
    layout: RecordLayout,
    table: String,
    /// What its transactions are known by within the job.
    tag: String,
}

impl Shared {
    /// What the names of its transactions begin with.
    pub(crate) fn names_prefix(&self, job: JobId) -> String {
        let prefix = self.options.sink.transactional_id_prefix.as_deref().unwrap_or_default();
        names::prefix_of(prefix, job, &self.tag)
    }
}

/// Writes topics.
pub(crate) struct KafkaSink {
    shared: Arc<Shared>,
}

impl KafkaSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(crate) fn new(kind: Kind, spec: &SinkSpec) -> Result<Self> {
        let columns = spec.schema.len() - spec.metadata.len();
        let mut schema = spec.schema.clone();
        schema.fields.truncate(columns);
        let table = Table { options: &spec.options, schema: &schema, primary_key: &spec.primary_key };
        let options = TableOptions::read(kind, &table)?;
        let layout = RecordLayout::of(kind, &options, spec, &schema)?;
        let has_topic = spec.metadata.iter().any(|key| key == "topic");
        match &options.topics {
            Topics::Matching(_) if !has_topic => {
                return Err(Error::invalid(format!("table '{}' does not say which topic to write", spec.table))
                    .with_hint("Set option 'topic', or write the metadata column 'topic' for each row."));
            }
            Topics::Named(names) if names.len() > 1 && !has_topic => {
                return Err(Error::invalid(format!(
                    "table '{}' names several topics and not which to write",
                    spec.table
                ))
                .with_hint("Set one in option 'topic', or write the metadata column 'topic' for each row."));
            }
            _ => {}
        }
        Ok(KafkaSink {
            shared: Arc::new(Shared { options, layout, table: spec.table.clone(), tag: names::tag_of(spec)? }),
        })
    }
}

#[cfg(test)]
impl KafkaSink {
    pub(crate) fn names_prefix(&self, job: JobId) -> String {
        self.shared.names_prefix(job)
    }
}

impl Sink for KafkaSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(KafkaWriter::new(Arc::clone(&self.shared), cx)?))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        if self.shared.options.sink.delivery != Delivery::ExactlyOnce {
            return Ok(None);
        }
        Ok(Some(Box::new(KafkaCommitter::new(Arc::clone(&self.shared), environment))))
    }
}
