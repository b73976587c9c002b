//! The sink: files that stay hidden until they are committed.

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{Error, Result, Schema};
use flott_formats::{EncoderSpec, Format};

use super::committer::FileCommitter;
use super::names::SinkTag;
use super::options::FileOptions;
use super::partition_commit::PartitionCommit;
use super::stored_schema;
use super::writer::FileWriter;

/// What writers and committer share.
pub(super) struct Shared {
    pub(super) options: FileOptions,
    pub(super) partition_keys: Vec<String>,
    pub(super) overwrite: bool,
    pub(super) tag: SinkTag,
    pub(super) format: Box<dyn Format>,
    pub(super) schema: Schema,
    pub(super) stored: EncoderSpec,
    /// Places of the columns that lie in the files.
    pub(super) stored_columns: Vec<usize>,
    /// Places of the partition columns, in the order of the keys.
    pub(super) partition_columns: Vec<usize>,
    pub(super) zone: String,
}

impl Shared {
    /// How partitions are completed, if the table has any and it is asked for.
    pub(super) fn partition_commit(&self) -> Option<&PartitionCommit> {
        self.options.partition_commit.as_ref().filter(|_| !self.partition_keys.is_empty())
    }
}

/// Writes files.
pub(super) struct FileSink {
    shared: Arc<Shared>,
}

impl FileSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SinkSpec) -> Result<Self> {
        let (options, format) = FileOptions::read(&spec.options)?;
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'filesystem' cannot write metadata '{key}'")));
        }
        if !format.changelog().covers(spec.changelog) {
            let message = format!("table '{}' cannot take updates and deletions", spec.table);
            return Err(Error::invalid(message).with_hint("Format 'debezium-json' can."));
        }
        let schema = stored_schema(&spec.schema, &spec.partition_keys)?;
        format.check(&schema)?;
        let is_key = |i: &usize| spec.partition_keys.contains(&spec.schema.fields[*i].name);
        let place = |key: &String| {
            spec.schema.index_of(key).ok_or_else(|| Error::internal("a partition column is missing in a sink"))
        };
        Ok(FileSink {
            shared: Arc::new(Shared {
                overwrite: spec.overwrite,
                tag: SinkTag::of(spec),
                options,
                format,
                schema: spec.schema.clone(),
                stored: EncoderSpec { schema, line_ends: true },
                stored_columns: (0..spec.schema.len()).filter(|i| !is_key(i)).collect(),
                partition_columns: spec.partition_keys.iter().map(place).collect::<Result<_>>()?,
                partition_keys: spec.partition_keys.clone(),
                zone: spec.session_zone.clone(),
            }),
        })
    }
}

impl Sink for FileSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(FileWriter::new(self.shared.clone(), &cx)))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(FileCommitter::new(self.shared.clone(), environment.clone()))))
    }
}
