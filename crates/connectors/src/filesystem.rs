//! `'connector' = 'filesystem'`: files of a folder as a table, counterpart of Flink's connector of that name.
//!
//! Reading: all files below `path` (or the one file), compressed ones by their extension, in splits; bounded, or
//! watching for new files with `source.monitor-interval`. A split's position is a byte offset and the rows behind it that
//! were read, and restarts go on exactly there.
//!
//! Writing: exactly-once. Files are hidden until a checkpoint is complete (or the input has ended), and are then made
//! visible by renaming them, so that no row is seen twice or lost, whenever a process ends. Before a restored job goes on,
//! what its earlier attempts have begun and no checkpoint knows is deleted. Partition columns are folders `k=v` and not in
//! the files. `sink.partition-commit.*` writes a success file when a partition is complete, by the clock or by the
//! watermark ([`partition_commit`]).
//!
//! Looking up (`FOR SYSTEM_TIME AS OF` processing time): all files are read whole into the memory of each subtask, as with
//! `'lookup.cache' = 'FULL'`, which is the default, and again as `lookup.full-cache.*` says; without these options once.
//! Flink cannot look up in files.
//!
//! **State**: readers have the positions of their splits, the enumerator the paths that it has seen and the splits that
//! nobody has. Writers have none. What is still to be made visible lies in the checkpoint, and a partition that waits for
//! its success file is marked by an empty hidden file in its folder.
//!
//! Differences to Flink:
//! - A checkpoint ends all open files. Flink does this for bulk formats (parquet), and keeps files of row formats (csv,
//!   json, raw) open over checkpoints, so here rows are seen earlier, in more and smaller files.
//! - The rolling policy is looked at with every batch and at checkpoints, so `sink.rolling-policy.check-interval` only has
//!   to be valid: an idle file is ended by the next checkpoint at the latest, and cannot be seen sooner anyway.
//! - `INSERT OVERWRITE` also works in a streaming job, where Flink refuses it. What was there goes with the first
//!   checkpoint that has rows for its table or partition; files of the job itself stay.
//! - With trigger `process-time`, a partition's age counts from the checkpoint that has its first file.
//! - A partition without a time fails trigger `partition-time` when its first row comes, and not at the checkpoint.
//! - There is no compaction.

mod blocking;
mod committable;
mod committer;
mod compression;
mod cursor;
mod enumerator;
mod names;
mod options;
mod origins;
mod partition;
mod partition_commit;
mod reader;
mod sink;
mod source;
mod split;
mod writer;

use flott_api::env::Environment;
use flott_api::lookup::{
    LOOKUP_CACHE, LOOKUP_CACHE_FULL, LookupCache, LookupDescription, LookupFactory, LookupSpec, LookupTable,
};
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ConnectorDescription, MetadataColumn, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};

use options::FileOptions;

/// The connector.
#[derive(Debug)]
pub struct FileSystemTable;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "filesystem",
    about: "files of a folder or an object store",
    source: true,
    sink: true,
    format: true,
    options: &[options::OPTIONS, LOOKUP_CACHE_FULL, LOOKUP_CACHE],
};

impl TableFactory for FileSystemTable {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
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
            dead_letters: format.dead_letter_table().map(str::to_owned),
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let (options, format) = FileOptions::read(&table.options)?;
        let stored = stored_schema(&table.schema, &table.partition_keys)?;
        // Some options are only for reading.
        drop(format.encoder(&flott_formats::EncoderSpec { schema: stored, line_ends: true })?);
        Ok(SinkDescription {
            changelog: format.changelog(),
            needs_update_before: format.changelog().contains(flott_api::RowKind::UpdateBefore),
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

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        Some(self)
    }
}

impl LookupFactory for FileSystemTable {
    fn describe(&self, table: &TableContext) -> Result<LookupDescription> {
        let rows = self.describe_source(table)?;
        let (options, _) = FileOptions::read(&table.options)?;
        if !rows.changelog.is_insert_only() {
            return Err(Error::unsupported(format!("a lookup in files of format '{}'", options.format))
                .with_detail("Its records are changes, and a file has no key to find them by."));
        }
        if options.boundedness() != Boundedness::Bounded {
            return Err(Error::unsupported("a lookup in files with option 'source.monitor-interval'")
                .with_hint("With 'lookup.full-cache.periodic-reload.interval' files are read again."));
        }
        if !matches!(options.lookup, LookupCache::Full(_)) {
            return Err(Error::invalid("a lookup in files without 'lookup.cache' = 'FULL'")
                .with_detail("A file cannot be asked for a key, so it is read whole."));
        }
        Ok(LookupDescription { rows, sync: true, asynchronous: false, cache: options.lookup })
    }

    fn open(&self, spec: &LookupSpec, _: &Environment) -> Result<Box<dyn LookupTable>> {
        Err(Error::internal(format!("the files of table '{}' are asked for a key", spec.table.table)))
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
mod dead_letters_tests;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod sink_tests;
#[cfg(test)]
mod source_tests;
#[cfg(test)]
mod tests;
