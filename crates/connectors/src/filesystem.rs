//! `'connector' = 'filesystem'`: files of a folder as a table, counterpart of Flink's connector of that name.
//!
//! Reading: all files below `path` (or the one file), compressed ones by their extension, in splits; bounded, or
//! watching for new files with `source.monitor-interval`. A split's position is a byte offset, and restarts go on
//! exactly there. Writing: hidden files that a checkpoint (or the end of the input) makes visible by renaming them, so
//! that no row is seen twice or lost. Partition columns are folders `k=v` and not in the files.
//!
//! Differences to Flink: a checkpoint ends all open files in every format; there is no compaction, and partitions are
//! committed as soon as they are visible (`process-time` without delay). The rolling policy is looked at with every
//! batch, so its `check-interval` only has to be valid.

mod blocking;
mod committer;
mod compression;
mod cursor;
mod enumerator;
mod options;
mod partition;
mod reader;
mod sink;
mod source;
mod split;

use flott_api::source::Source;
use flott_api::table::{
    MetadataColumn, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext, TableFactory,
};
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};

use options::FileOptions;

/// The connector.
#[derive(Debug)]
pub struct FileSystemTable;

impl TableFactory for FileSystemTable {
    fn identifier(&self) -> &'static str {
        "filesystem"
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let (options, format) = FileOptions::read(&table.options)?;
        format.check(&stored_schema(&table.schema, &table.partition_keys)?)?;
        Ok(SourceDescription {
            changelog: format.changelog(),
            boundedness: options.boundedness(),
            metadata: metadata(),
            push_downs: PushDowns { projection: true, limit: true, ..PushDowns::default() },
            parallelism: None,
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let (options, format) = FileOptions::read(&table.options)?;
        let stored = stored_schema(&table.schema, &table.partition_keys)?;
        // Some options are only for reading.
        drop(format.encoder(&flott_formats::EncoderSpec { schema: stored, line_ends: true })?);
        Ok(SinkDescription {
            changelog: format.changelog(),
            metadata: Vec::new(),
            overwrite: true,
            parallelism: options.sink_parallelism,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::FileSource::new(spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn flott_api::sink::Sink>> {
        Ok(Box::new(sink::FileSink::new(spec)?))
    }
}

/// The columns that lie in the files: all but the partition columns.
fn stored_schema(schema: &Schema, partition_keys: &[String]) -> Result<Schema> {
    for key in partition_keys {
        if schema.index_of(key).is_none() {
            return Err(Error::invalid(format!("partition column '{key}' does not exist in the table")));
        }
    }
    let stored: Vec<_> = schema.fields.iter().filter(|f| !partition_keys.contains(&f.name)).cloned().collect();
    if stored.is_empty() {
        return Err(Error::invalid("a table of connector 'filesystem' needs a column that is no partition column"));
    }
    Ok(Schema::new(stored))
}

const FILE_PATH: &str = "file.path";
const FILE_NAME: &str = "file.name";
const FILE_SIZE: &str = "file.size";
const FILE_TIME: &str = "file.modification-time";

fn metadata() -> Vec<MetadataColumn> {
    let text = LogicalType::string().with_nullable(false);
    let columns = [
        (FILE_PATH, text.clone()),
        (FILE_NAME, text),
        (FILE_SIZE, LogicalType::not_null(TypeKind::BigInt)),
        (FILE_TIME, LogicalType::not_null(TypeKind::TimestampLtz(3))),
    ];
    columns.into_iter().map(|(key, ty)| MetadataColumn { key: key.to_owned(), ty }).collect()
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
