//! The options of the filesystem connector. A table has one set for reading and writing, so both read all of them.

use flott_api::lookup::{LookupCache, Reload};
use flott_api::options::{ConfigOption, MemorySize, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::source::Boundedness;
use flott_api::{Error, Result};
use flott_formats::{Format, Layout};
use regex::Regex;

use super::DESCRIPTION;
use super::partition_commit::PartitionCommit;

/// What may be set.
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::text("path", "A file or a folder, also as a URI: `s3://bucket/folder`.").needed(),
    ConfigOption::text("format", "The format of the files.").needed(),
    ConfigOption::duration(
        "source.monitor-interval",
        "How often new files are looked for; without it the table is what there is.",
    ),
    ConfigOption::text("source.path.regex-pattern", "A pattern of the whole paths of files that are read."),
    ConfigOption::choice("source.report-statistics", &["ALL", "NONE"], "Flink's; both do the same here.").or("ALL"),
    ConfigOption::text("partition.default-name", "The folder of rows whose partition column is null or empty.")
        .or("__DEFAULT_PARTITION__"),
    ConfigOption::memory("sink.rolling-policy.file-size", "A file ends when it has become this large.").or("128 mb"),
    ConfigOption::duration("sink.rolling-policy.rollover-interval", "And when it has been open so long.").or("30 min"),
    ConfigOption::duration(
        "sink.rolling-policy.inactivity-interval",
        "And when nothing was written to it for so long.",
    )
    .or("30 min"),
    ConfigOption::duration(
        "sink.rolling-policy.check-interval",
        "Flink's; the times are kept to the row here. At most a day.",
    )
    .or("1 min"),
    SINK_PARALLELISM,
    ConfigOption::text(
        "sink.partition-commit.policy.kind",
        "`success-file`: a partition that is complete gets a file that says so. `metastore` and `custom` are refused.",
    ),
    ConfigOption::choice(
        "sink.partition-commit.trigger",
        &["process-time", "partition-time"],
        "When a partition is complete: so long behind its first row, or when the watermark is so far behind its time.",
    )
    .or("process-time"),
    ConfigOption::duration("sink.partition-commit.delay", "How long.").or("0 s"),
    ConfigOption::text("sink.partition-commit.success-file.name", "The name of the file.").or("_SUCCESS"),
    ConfigOption::text("sink.partition-commit.watermark-time-zone", "The zone of the times of partitions.").or("UTC"),
    ConfigOption::choice("partition.time-extractor.kind", &["default"], "`custom` is refused.").or("default"),
    ConfigOption::text(
        "partition.time-extractor.timestamp-pattern",
        "The time of a partition, with `$column` for its values; without it its first value is the time.",
    ),
    ConfigOption::text("partition.time-extractor.timestamp-formatter", "A pattern of Java for that time."),
    ConfigOption::flag("auto-compaction", "`true` is refused.").or("false"),
    ConfigOption::flag("sink.shuffle-by-partition.enable", "`true` is refused.").or("false"),
    ConfigOption::text("compaction.file-size", "Refused."),
    ConfigOption::text("compaction.parallelism", "Refused."),
    ConfigOption::text("partition.time-extractor.class", "Refused."),
    ConfigOption::text("sink.partition-commit.policy.class", "Refused."),
    ConfigOption::text("sink.partition-commit.policy.class.parameters", "Refused."),
];

/// The options, checked.
#[derive(Clone, Debug)]
pub(super) struct FileOptions {
    /// File or folder.
    pub(super) path: String,
    /// How often to look for new files; without it the table is bounded.
    pub(super) monitor_ms: Option<u64>,
    /// Files whose path does not match as a whole are left out.
    pub(super) pattern: Option<Regex>,
    /// The folder of rows whose partition column is null or empty.
    pub(super) default_partition: String,
    /// `csv`, for what depends on it.
    pub(super) format: String,
    /// A file is ended when it has become this large.
    pub(super) file_bytes: u64,
    /// A file is ended when it has been open that long.
    pub(super) rollover_ms: u64,
    /// A file is ended when nothing was written to it for that long.
    pub(super) inactivity_ms: u64,
    /// `sink.parallelism`
    pub(super) sink_parallelism: Option<u32>,
    /// When and how partitions are completed, if that is asked for.
    pub(super) partition_commit: Option<PartitionCommit>,
    /// What a lookup keeps of the files.
    pub(super) lookup: LookupCache,
}

/// Options that say more than Flott does yet.
const REFUSED: &[&str] = &[
    "compaction.file-size",
    "compaction.parallelism",
    "partition.time-extractor.class",
    "sink.partition-commit.policy.class",
    "sink.partition-commit.policy.class.parameters",
];

impl FileOptions {
    /// Reads the options and makes the format.
    ///
    /// # Errors
    /// If one is wrong, unknown or not supported.
    pub(super) fn read(options: &Options) -> Result<(Self, Box<dyn Format>)> {
        let reader = DESCRIPTION.reader(options);
        let path = reader.required("path")?.to_owned();
        let identifier = reader.required("format")?.to_owned();
        let format = flott_formats::format(&identifier, &reader, "")?;
        if matches!(format.layout(), Layout::Messages) {
            return Err(Error::invalid(format!("format '{identifier}' cannot be used for files"))
                .with_detail("Its records do not say where they end, and a line feed may stand within them.")
                .with_hint("Use it for messages, or format 'avro' for files."));
        }
        if format.dead_letter_table().is_some() && !matches!(format.layout(), Layout::Records { .. }) {
            return Err(Error::invalid(format!("option '{identifier}.dead-letter.table' cannot be used for files"))
                .with_detail(format!("A file of format '{identifier}' can be read as a whole, or cannot.")));
        }
        refuse(&reader)?;
        let day_ms = 86_400_000;
        let read = FileOptions {
            path,
            monitor_ms: reader.value::<Millis>("source.monitor-interval")?.map(|m| m.0),
            pattern: pattern(&reader)?,
            default_partition: reader.text("partition.default-name").unwrap_or("__DEFAULT_PARTITION__").to_owned(),
            format: identifier,
            file_bytes: reader.value_or("sink.rolling-policy.file-size", MemorySize(128 << 20))?.0.max(1),
            rollover_ms: reader.value_or("sink.rolling-policy.rollover-interval", Millis(30 * 60_000))?.0,
            inactivity_ms: reader.value_or("sink.rolling-policy.inactivity-interval", Millis(30 * 60_000))?.0,
            sink_parallelism: reader.value("sink.parallelism")?,
            partition_commit: PartitionCommit::read(&reader)?,
            lookup: LookupCache::read(&reader, LookupCache::Full(Reload::Never))?,
        };
        let check_ms = reader.value_or("sink.rolling-policy.check-interval", Millis(60_000))?.0;
        if check_ms > day_ms {
            return Err(Error::unsupported("'sink.rolling-policy.check-interval' of more than a day"));
        }
        let statistics = [("ALL", ()), ("NONE", ())];
        // There are no statistics to report; both choices give the same plan.
        reader.choice("source.report-statistics", &statistics, ())?;
        reader.finish()?;
        read.check()?;
        Ok((read, format))
    }

    fn check(&self) -> Result<()> {
        if self.path.is_empty() {
            return Err(Error::invalid("option 'path' is empty"));
        }
        if self.monitor_ms == Some(0) {
            return Err(Error::invalid("option 'source.monitor-interval' must be longer than 0"));
        }
        if self.sink_parallelism == Some(0) {
            return Err(Error::invalid("option 'sink.parallelism' must be at least 1"));
        }
        Ok(())
    }

    /// Whether the table ends.
    pub(super) fn boundedness(&self) -> Boundedness {
        if self.monitor_ms.is_some() { Boundedness::Unbounded } else { Boundedness::Bounded }
    }
}

fn pattern(reader: &OptionReader<'_>) -> Result<Option<Regex>> {
    let Some(text) = reader.text("source.path.regex-pattern") else { return Ok(None) };
    let whole = Regex::new(&format!("^(?:{text})$"));
    let wrong =
        |e| Error::invalid(format!("option 'source.path.regex-pattern' is no pattern: '{text}'")).with_source(e);
    whole.map(Some).map_err(wrong)
}

fn refuse(reader: &OptionReader<'_>) -> Result<()> {
    let refused = |key: &str| Err(Error::unsupported(format!("option '{key}' of connector 'filesystem'")));
    for key in REFUSED {
        if reader.text(key).is_some() {
            return refused(key);
        }
    }
    for key in ["auto-compaction", "sink.shuffle-by-partition.enable"] {
        if reader.value_or(key, false)? {
            return refused(key);
        }
    }
    let kinds = [("default", true), ("custom", false)];
    if !reader.choice("partition.time-extractor.kind", &kinds, true)? {
        return refused("partition.time-extractor.kind' = 'custom");
    }
    Ok(())
}
