//! The options of a table, under Flink's names.

use std::fmt;
use std::sync::Arc;

use flott_api::lookup::{LookupCache, PartialCache};
use flott_api::options::{ConfigOption, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::{Error, Result, Schema};

use crate::DESCRIPTION;
use crate::columns::Kind;
use crate::url::JdbcUrl;

const CONNECT_MS: u64 = 60_000;
const RETRIES: u32 = 3;
const FLUSH_ROWS: u64 = 100;
const FLUSH_MS: u64 = 1000;
/// Each split is a question of its own.
const SPLITS_MAX: u64 = 100_000;
const TTL_MS: u64 = 10_000;

/// All options, checked.
#[derive(Clone, Debug)]
pub(crate) struct JdbcOptions {
    pub(crate) access: Access,
    /// The table's name in the database.
    pub(crate) table: String,
    pub(crate) scan: ScanOptions,
    pub(crate) lookup_cache: LookupCache,
    pub(crate) lookup_retries: u32,
    pub(crate) sink: SinkOptions,
}

/// Where the database is and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) url: JdbcUrl,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// How long connecting may take.
    pub(crate) connect_ms: u64,
}

/// How a table is read.
#[derive(Clone, Debug)]
pub(crate) struct ScanOptions {
    pub(crate) partition: Option<Partition>,
    pub(crate) fetch_size: u32,
    pub(crate) auto_commit: bool,
    /// Whether filters go to the database.
    pub(crate) filters: bool,
}

/// A number column whose ranges are read in parallel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) column: String,
    pub(crate) splits: u64,
    pub(crate) lower: i64,
    pub(crate) upper: i64,
}

/// What may be set.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::text("url", "Where the database is: see above.").needed(),
    ConfigOption::text("table-name", "The table, which may be `schema.table` in PostgreSQL.").needed(),
    ConfigOption::text("username", "Who asks."),
    ConfigOption::text("password", "It is shown nowhere; in a URL it is refused."),
    ConfigOption::text(
        "driver",
        "The name of a driver's class, as Flink's tables have it: one of this database is taken and means nothing.",
    ),
    ConfigOption::text("compatible-mode", "Refused: for OceanBase."),
    ConfigOption::duration("connection.max-retry-timeout", "How long connecting may take; at least a second.").or("60 s"),
    ConfigOption::text(
        "scan.partition.column",
        "A number column by whose ranges the table is read in parallel; all four or none. Rows outside of the bounds, and those where it is null, are not read, as in Flink.",
    ),
    ConfigOption::number("scan.partition.num", "How many ranges."),
    ConfigOption::number("scan.partition.lower-bound", "Where the first one begins."),
    ConfigOption::number("scan.partition.upper-bound", "Where the last one ends."),
    ConfigOption::number(
        "scan.fetch-size",
        "Rows that are fetched at once by a cursor, in PostgreSQL; with 0, and in other databases, rows flow as they are taken.",
    )
    .or("0"),
    ConfigOption::flag("scan.auto-commit", "With `false` reading is a transaction of its own.").or("true"),
    ConfigOption::choice("filter.handling.policy", &["always", "never"], "`never`: no filter goes to the database.")
        .or("always"),
    ConfigOption::number("lookup.cache.max-rows", "What Flink called `lookup.partial-cache.max-rows` before."),
    ConfigOption::duration("lookup.cache.ttl", "And `lookup.partial-cache.expire-after-write`.").or("10 s"),
    ConfigOption::flag("lookup.cache.caching-missing-key", "And `lookup.partial-cache.cache-missing-key`.").or("true"),
    ConfigOption::number("lookup.max-retries", "How often a lookup that failed is asked again.").or("3"),
    ConfigOption::number(
        "sink.buffer-flush.max-rows",
        "Rows are written as soon as there are so many; a batch that comes at once is written at once. `0`: their number does not matter.",
    )
    .or("100"),
    ConfigOption::duration("sink.buffer-flush.interval", "Rows wait no longer. `0`: as long as it takes.").or("1 s"),
    ConfigOption::number(
        "sink.max-retries",
        "How often a writing that failed is tried again, over a new connection; the n-th time after n seconds, as in Flink.",
    )
    .or("3"),
    ConfigOption::choice("sink.delivery-guarantee", &["at-least-once", "exactly-once"], "Ours: see below.")
        .or("at-least-once"),
    SINK_PARALLELISM,
];

/// How a table is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkOptions {
    /// So many rows are written at once; nothing if their number does not matter.
    pub(crate) rows_max: Option<u64>,
    /// So long they may wait.
    pub(crate) interval_ms: Option<u64>,
    pub(crate) retries: u32,
    pub(crate) parallelism: Option<u32>,
    pub(crate) exactly_once: bool,
}

/// What is not shown.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// A secret.
    pub(crate) fn new(text: &str) -> Self {
        Secret(text.into())
    }

    /// For the database, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl JdbcOptions {
    /// Reads all options of a table with these columns.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing.
    pub(crate) fn read(options: &Options, schema: &Schema) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        let access = Access::read(&reader)?;
        if let Some(mode) = reader.text("compatible-mode") {
            return Err(Error::invalid(format!("option 'compatible-mode' has the value '{mode}'"))
                .with_detail("It is for OceanBase, in Flink too, which is not supported yet."));
        }
        let read = JdbcOptions {
            table: reader.required("table-name")?.to_owned(),
            scan: ScanOptions::read(&reader, schema)?,
            lookup_cache: lookup_cache(&reader)?,
            lookup_retries: reader.value_or("lookup.max-retries", RETRIES)?,
            sink: SinkOptions::read(&reader)?,
            access,
        };
        reader.finish()?;
        Ok(read)
    }
}

impl Access {
    /// Of a catalog, whose URL names no database.
    ///
    /// # Errors
    /// If one is wrong or missing.
    pub(crate) fn of_catalog(reader: &OptionReader<'_>) -> Result<Self> {
        let url = JdbcUrl::parse(reader.required("base-url")?)?;
        if !url.database.is_empty() {
            return Err(Error::invalid("option 'base-url' names a database")
                .with_hint("It ends with the port; option 'default-database' names the database."));
        }
        let username = Some(reader.required("username")?.to_owned());
        let password = Some(Secret::new(reader.required("password")?));
        Ok(Access { url, username, password, connect_ms: CONNECT_MS })
    }

    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let url = JdbcUrl::parse(reader.required("url")?)?;
        if let Some(class) = reader.text("driver") {
            url.check_driver(class)?;
        }
        let username = reader.text("username").map(str::to_owned);
        let password = reader.text("password").map(Secret::new);
        if password.is_some() && username.is_none() {
            return Err(Error::invalid("option 'password' without option 'username'"));
        }
        let Millis(connect_ms) = reader.value_or("connection.max-retry-timeout", Millis(CONNECT_MS))?;
        if connect_ms < 1000 {
            return Err(Error::invalid("option 'connection.max-retry-timeout' must be at least one second"));
        }
        Ok(Access { url, username, password, connect_ms })
    }
}

impl ScanOptions {
    fn read(reader: &OptionReader<'_>, schema: &Schema) -> Result<Self> {
        let never = reader.choice("filter.handling.policy", &[("always", false), ("never", true)], false)?;
        Ok(ScanOptions {
            partition: Partition::read(reader, schema)?,
            fetch_size: reader.value_or("scan.fetch-size", 0)?,
            auto_commit: reader.value_or("scan.auto-commit", true)?,
            filters: !never,
        })
    }
}

impl Partition {
    fn read(reader: &OptionReader<'_>, schema: &Schema) -> Result<Option<Self>> {
        let column = reader.text("scan.partition.column");
        let splits = reader.value::<u64>("scan.partition.num")?;
        let lower = reader.value::<i64>("scan.partition.lower-bound")?;
        let upper = reader.value::<i64>("scan.partition.upper-bound")?;
        let (column, splits, lower, upper) = match (column, splits, lower, upper) {
            (None, None, None, None) => return Ok(None),
            (Some(column), Some(splits), Some(lower), Some(upper)) => (column.to_owned(), splits, lower, upper),
            _ => {
                return Err(Error::invalid("some of the options 'scan.partition.*' are missing").with_hint(
                    "Set 'column', 'num', 'lower-bound' and 'upper-bound' behind 'scan.partition.', or none of them.",
                ));
            }
        };
        if !(1..=SPLITS_MAX).contains(&splits) || lower > upper {
            return Err(Error::invalid("options 'scan.partition.*' describe no range").with_detail(format!(
                "'num' must be from 1 to {SPLITS_MAX}, and 'lower-bound' not above 'upper-bound'."
            )));
        }
        let field = schema.fields.iter().find(|f| f.name == column);
        let field =
            field.ok_or_else(|| Error::invalid(format!("partition column '{column}' is no column of the table")))?;
        let kind = Kind::of(field)?;
        if kind.integer_bytes().is_none() && !matches!(kind, Kind::Decimal { .. } | Kind::F32 | Kind::F64) {
            return Err(Error::invalid(format!("partition column '{column}' of type {} is no number", field.ty))
                .with_detail("Its bounds are numbers."));
        }
        Ok(Some(Partition { column, splits, lower, upper }))
    }

    /// The ranges, both ends included, as Flink cuts them: as equal as can be, the longer ones first.
    pub(crate) fn ranges(&self) -> Vec<(i64, i64)> {
        let all = i128::from(self.upper) - i128::from(self.lower) + 1;
        let splits = i128::from(self.splits).min(all);
        let longest = (all + splits - 1) / splits;
        let longer = all - (longest - 1) * splits;
        let mut start = i128::from(self.lower);
        let range = |at: i128| {
            let end = start + longest - 1 - i128::from(at >= longer);
            let range = (start as i64, end as i64);
            start = end + 1;
            range
        };
        (0..splits).map(range).collect()
    }
}

/// `lookup.cache`, or what it was called before: `lookup.cache.max-rows`, `.ttl` and `.caching-missing-key`.
fn lookup_cache(reader: &OptionReader<'_>) -> Result<LookupCache> {
    let keys_max = reader.value::<i64>("lookup.cache.max-rows")?;
    let ttl = reader.value::<Millis>("lookup.cache.ttl")?;
    let missing_keys = reader.value::<bool>("lookup.cache.caching-missing-key")?;
    let cache = LookupCache::read(reader, LookupCache::None)?;
    if keys_max.is_none() && ttl.is_none() && missing_keys.is_none() {
        return Ok(cache);
    }
    if cache != LookupCache::None {
        return Err(Error::invalid("options 'lookup.cache.max-rows' and 'lookup.cache.ttl' beside 'lookup.cache'")
            .with_hint(
                "The new names are 'lookup.partial-cache.max-rows' and 'lookup.partial-cache.expire-after-write'.",
            ));
    }
    let (Some(keys_max), Some(Millis(ttl_ms))) = (keys_max, ttl.or(keys_max.map(|_| Millis(TTL_MS)))) else {
        return Err(Error::invalid("option 'lookup.cache.max-rows' is missing beside the others of 'lookup.cache.*'"));
    };
    let Some(keys_max) = u64::try_from(keys_max).ok().filter(|rows| *rows > 0 && ttl_ms > 0) else {
        return Ok(LookupCache::None);
    };
    Ok(LookupCache::Partial(PartialCache {
        keys_max: Some(keys_max),
        after_access_ms: None,
        after_write_ms: Some(ttl_ms),
        missing_keys: missing_keys.unwrap_or(true),
    }))
}

impl SinkOptions {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let rows_max: u64 = reader.value_or("sink.buffer-flush.max-rows", FLUSH_ROWS)?;
        let Millis(interval_ms) = reader.value_or("sink.buffer-flush.interval", Millis(FLUSH_MS))?;
        let guarantees = [("at-least-once", false), ("exactly-once", true)];
        let parallelism = reader.value("sink.parallelism")?;
        if parallelism == Some(0) {
            return Err(Error::invalid("option 'sink.parallelism' must be at least 1"));
        }
        Ok(SinkOptions {
            rows_max: Some(rows_max).filter(|rows| *rows > 0),
            interval_ms: Some(interval_ms).filter(|ms| *ms > 0),
            retries: reader.value_or("sink.max-retries", RETRIES)?,
            parallelism,
            exactly_once: reader.choice("sink.delivery-guarantee", &guarantees, false)?,
        })
    }
}

#[cfg(test)]
mod tests;
