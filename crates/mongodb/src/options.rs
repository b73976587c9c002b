//! The options of a table, under Flink's names.

use flott_api::lookup::LookupCache;
use flott_api::options::{ConfigOption, MemorySize, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::{Error, Result};

use crate::DESCRIPTION;
use crate::uri::Uri;

const FETCH_ROWS: u32 = 2048;
const PARTITION_BYTES: u64 = 64 << 20;
const SAMPLES: u32 = 10;
const RETRIES: u32 = 3;
const RETRY_MS: u64 = 1000;
const FLUSH_ROWS: u64 = 1000;
const FLUSH_MS: u64 = 1000;

/// What may be set.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::text(
        "uri",
        "Where. What is secret in it is shown nowhere: not in errors, plans, logs or `SHOW CREATE TABLE`.",
    )
    .needed(),
    ConfigOption::text("database", "The database.").needed(),
    ConfigOption::text("collection", "The collection.").needed(),
    ConfigOption::number("scan.fetch-size", "So many documents come in one answer; else 2048."),
    ConfigOption::flag(
        "scan.cursor.no-timeout",
        "The server keeps a cursor that nobody asks for ten minutes. FerretDB does not know it and needs `false`.",
    )
    .or("true"),
    ConfigOption::choice(
        "scan.partition.strategy",
        &["default", "single", "sample", "split-vector", "sharded", "pagination"],
        "How the collection is cut: see below.",
    )
    .or("default"),
    ConfigOption::memory("scan.partition.size", "Bytes of a split.").or("64 mb"),
    ConfigOption::number("scan.partition.samples", "Samples of a split, with `sample`; else 10."),
    ConfigOption::number("scan.partition.record-size", "Documents of a split; needed with `pagination`."),
    ConfigOption::choice("filter.handling.policy", &["always", "never"], "`never`: no filter goes to the server.")
        .or("always"),
    ConfigOption::number("lookup.max-retries", "How often a lookup that failed is asked again.").or("3"),
    ConfigOption::duration("lookup.retry.interval", "The n-th time after n of these.").or("1 s"),
    ConfigOption::number(
        "sink.buffer-flush.max-rows",
        "Rows are written as soon as there are so many. `0` or `-1`: their number does not matter.",
    )
    .or("1000"),
    ConfigOption::duration("sink.buffer-flush.interval", "Rows wait no longer. `0` or `-1`: as long as it takes.")
        .or("1 s"),
    ConfigOption::number("sink.max-retries", "How often a writing that failed is tried again.").or("3"),
    ConfigOption::duration("sink.retry.interval", "The n-th time after n of these.").or("1 s"),
    SINK_PARALLELISM,
    ConfigOption::choice(
        "sink.delivery-guarantee",
        &["at-least-once", "none"],
        "`none` is the same here; `exactly-once` is refused, as in Flink.",
    )
    .or("at-least-once"),
    ConfigOption::flag("ordered-writes", "Nothing is written behind a row of a request that was refused.").or("true"),
    ConfigOption::flag("sink.bypass-document-validation", "Whether the server leaves its rules for documents aside."),
];

/// All options, checked.
#[derive(Clone, Debug)]
pub(crate) struct MongoOptions {
    pub(crate) place: Place,
    pub(crate) scan: ScanOptions,
    pub(crate) lookup_cache: LookupCache,
    pub(crate) lookup_retry: Retry,
    pub(crate) sink: SinkOptions,
}

/// Which collection, and where.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) uri: Uri,
    pub(crate) database: String,
    pub(crate) collection: String,
}

impl Place {
    /// `database.collection`, as MongoDB writes it.
    pub(crate) fn namespace(&self) -> String {
        format!("{}.{}", self.database, self.collection)
    }
}

/// How often something is tried again, and how long before the first time; each further one waits as much longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    pub(crate) times: u32,
    pub(crate) interval_ms: u64,
}

impl Retry {
    /// Never again.
    pub(crate) const NEVER: Retry = Retry { times: 0, interval_ms: 0 };
}

/// How a collection is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanOptions {
    /// So many documents come at once.
    pub(crate) fetch_rows: u32,
    /// Whether the server keeps a cursor that nobody asks.
    pub(crate) keep_cursor: bool,
    pub(crate) strategy: Strategy,
    /// Whether filters go to the server.
    pub(crate) filters: bool,
}

/// How a collection is cut into splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// `Sharded` or `SplitVector`, as the collection is.
    Default {
        bytes: u64,
    },
    Single,
    Sample {
        bytes: u64,
        samples: u32,
    },
    SplitVector {
        bytes: u64,
    },
    Sharded,
    Pagination {
        rows: u32,
    },
}

/// How a collection is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkOptions {
    /// So many rows are written at once; nothing if their number does not matter.
    pub(crate) rows_max: Option<u64>,
    /// So long they may wait.
    pub(crate) interval_ms: Option<u64>,
    /// Whether nothing is written behind a row of a request that failed.
    pub(crate) ordered: bool,
    /// Whether the server leaves its rules for documents aside, if that is said.
    pub(crate) bypass_validation: Option<bool>,
    pub(crate) retry: Retry,
    pub(crate) parallelism: Option<u32>,
}

impl MongoOptions {
    /// Reads all options.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing.
    pub(crate) fn read(options: &Options) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        let read = MongoOptions {
            place: Place::read(&reader)?,
            scan: ScanOptions::read(&reader)?,
            lookup_cache: LookupCache::read(&reader, LookupCache::None)?,
            lookup_retry: retry(&reader, "lookup.max-retries", "lookup.retry.interval")?,
            sink: SinkOptions::read(&reader)?,
        };
        reader.finish()?;
        Ok(read)
    }
}

impl Place {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let name = |key: &str| {
            let name = reader.required(key)?;
            if name.is_empty() || name.contains('\0') || (key == "database" && name.contains(['.', '/', ' ', '"', '$']))
            {
                return Err(Error::invalid(format!("option '{key}' has the value '{name}', which is no name")));
            }
            Ok(name.to_owned())
        };
        let uri = Uri::parse(reader.required("uri")?)?;
        Ok(Place { uri, database: name("database")?, collection: name("collection")? })
    }
}

impl ScanOptions {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let never = reader.choice("filter.handling.policy", &[("always", false), ("never", true)], false)?;
        Ok(ScanOptions {
            fetch_rows: at_least_one(reader, "scan.fetch-size")?.unwrap_or(FETCH_ROWS),
            keep_cursor: reader.value_or("scan.cursor.no-timeout", true)?,
            strategy: Strategy::read(reader)?,
            filters: !never,
        })
    }
}

impl Strategy {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let MemorySize(bytes) = reader.value_or("scan.partition.size", MemorySize(PARTITION_BYTES))?;
        let samples = at_least_one(reader, "scan.partition.samples")?.unwrap_or(SAMPLES);
        let rows = at_least_one(reader, "scan.partition.record-size")?;
        if bytes == 0 {
            return Err(Error::invalid("option 'scan.partition.size' must be at least 1 byte"));
        }
        // Where rows are not given it is another strategy, or an error.
        let pagination = Strategy::Pagination { rows: rows.unwrap_or(0) };
        let strategies = [
            ("default", Strategy::Default { bytes }),
            ("single", Strategy::Single),
            ("sample", Strategy::Sample { bytes, samples }),
            ("split-vector", Strategy::SplitVector { bytes }),
            ("sharded", Strategy::Sharded),
            ("pagination", pagination),
        ];
        let chosen = reader.choice("scan.partition.strategy", &strategies, Strategy::Default { bytes })?;
        if chosen == pagination && rows.is_none() {
            return Err(Error::invalid(
                "'scan.partition.strategy' = 'pagination' needs option 'scan.partition.record-size'",
            )
            .with_hint("It says how many documents a split has."));
        }
        Ok(chosen)
    }
}

impl SinkOptions {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        // Without it, Flink's 'none' loses what waits at a checkpoint: nobody is worse off if it is written.
        let guarantees = [("none", false), ("at-least-once", false), ("exactly-once", true)];
        if reader.choice("sink.delivery-guarantee", &guarantees, false)? {
            return Err(Error::unsupported("'sink.delivery-guarantee' = 'exactly-once' of connector 'mongodb'")
                .with_hint("With a primary key 'at-least-once' has the same rows in the end."));
        }
        // Flink turns both off with -1.
        let rows: i64 = reader.value_or("sink.buffer-flush.max-rows", FLUSH_ROWS as i64)?;
        let interval = match reader.text("sink.buffer-flush.interval") {
            Some("-1") => None,
            _ => Some(reader.value_or("sink.buffer-flush.interval", Millis(FLUSH_MS))?.0),
        };
        Ok(SinkOptions {
            rows_max: u64::try_from(rows).ok().filter(|rows| *rows > 0),
            interval_ms: interval.filter(|ms| *ms > 0),
            ordered: reader.value_or("ordered-writes", true)?,
            bypass_validation: reader.value("sink.bypass-document-validation")?,
            retry: retry(reader, "sink.max-retries", "sink.retry.interval")?,
            parallelism: at_least_one(reader, "sink.parallelism")?,
        })
    }
}

fn retry(reader: &OptionReader<'_>, times: &str, interval: &str) -> Result<Retry> {
    let Millis(interval_ms) = reader.value_or(interval, Millis(RETRY_MS))?;
    Ok(Retry { times: reader.value_or(times, RETRIES)?, interval_ms })
}

fn at_least_one(reader: &OptionReader<'_>, key: &str) -> Result<Option<u32>> {
    match reader.value::<u32>(key)? {
        Some(0) => Err(Error::invalid(format!("option '{key}' must be at least 1"))),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> std::result::Result<MongoOptions, String> {
        let needed = [("uri", "mongodb://u:hush@h:1"), ("database", "d"), ("collection", "c.x")];
        let all = needed.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        MongoOptions::read(&Options(all.collect())).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn options_are_flinks() {
        let options = read(&[]).unwrap();
        assert_eq!(options.scan.strategy, Strategy::Default { bytes: 64 << 20 });
        assert_eq!((options.scan.fetch_rows, options.scan.keep_cursor, options.scan.filters), (2048, true, true));
        assert_eq!((options.sink.rows_max, options.sink.interval_ms), (Some(1000), Some(1000)));
        assert_eq!((options.sink.retry.times, options.lookup_retry.interval_ms), (3, 1000));
        assert_eq!(options.place.namespace(), "d.c.x");
        assert!(!format!("{options:?}").contains("hush"), "{options:?}");
        let given =
            [("scan.partition.strategy", "sample"), ("scan.partition.size", "1mb"), ("scan.partition.samples", "3")];
        assert_eq!(read(&given).unwrap().scan.strategy, Strategy::Sample { bytes: 1 << 20, samples: 3 });
        let off = [("sink.buffer-flush.max-rows", "-1"), ("sink.buffer-flush.interval", "-1")];
        assert_eq!((read(&off).unwrap().sink.rows_max, read(&off).unwrap().sink.interval_ms), (None, None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let told = |more: &[(&str, &str)]| read(more).unwrap_err();
        assert!(told(&[("scan.partition.strategy", "pagination")]).contains("'scan.partition.record-size'"));
        assert!(told(&[("sink.delivery-guarantee", "exactly-once")]).contains("'exactly-once'"));
        assert!(told(&[("scan.fetch-size", "0")]).contains("'scan.fetch-size' must be at least 1"));
        assert!(told(&[("sink.paralelism", "1")]).contains("has no option 'sink.paralelism'"));
        assert!(told(&[("database", "a/b")]).contains("which is no name"));
        assert!(!told(&[("uri", "mongo://u:hush@h")]).contains("hush"));
    }
}
