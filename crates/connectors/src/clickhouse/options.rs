//! The options of a table, under the names of the community's connector.

use flott_api::options::{ConfigOption, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::{Error, Result};
use flott_formats::Format;

use super::DESCRIPTION;
use crate::web::again::Again;
use crate::web::secret::Secret;
use crate::web::{checked_url, parallelism, user};

const BATCH_ROWS: u64 = 1000;
const INTERVAL_MS: u64 = 1000;
const RETRIES: u32 = 3;
const WAIT_MS: u64 = 1000;

/// What becomes of a row that replaces another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Updates {
    /// None may come.
    Refused,
    /// It is inserted.
    Inserted,
    /// It is left out.
    Discarded,
}

/// What may be set.
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::text("url", "`clickhouse://`, `http://` or `https://`, addresses of the HTTP port with commas between, perhaps `/database`, and `?ssl=true`. One that does not answer is left alone for 10 seconds, then longer.").needed(),
    ConfigOption::text("database-name", "The database; else that of the URL, or `default`."),
    ConfigOption::text("table-name", "The table, which must be there.").needed(),
    ConfigOption::text("username", "Who comes; both this and the next one or none."),
    ConfigOption::text("password", "It is shown nowhere."),
    ConfigOption::number("sink.batch-size", "Rows wait until there are so many; a batch that comes at once is inserted at once.").or("1000"),
    ConfigOption::duration("sink.flush-interval", "Rows wait no longer; `0`: as long as it takes.").or("1 s"),
    ConfigOption::number("sink.max-retries", "How often an insert is tried again, after one second, then twice as long: if nobody answers, or ClickHouse has too many queries or parts, too little memory, a timeout or a table that is read-only for the moment.").or("3"),
    ConfigOption::choice("sink.update-strategy", &["update", "insert", "discard"], "What becomes of a row that replaces another one: `insert` inserts it, for a `ReplacingMergeTree` to merge; `discard` leaves it out; `update` is refused as soon as such rows may come, for ClickHouse would rewrite the table.").or("update"),
    ConfigOption::flag("sink.ignore-delete", "Deletions are left out, as in Flink; the log says so. `false` is refused.").or("true"),
    SINK_PARALLELISM,
    ConfigOption::flag("use-local", "`true` is refused.").or("false"),
    ConfigOption::text("sink.partition-strategy", "Others than `balanced` are refused."),
    ConfigOption::flag("sink.sharding.use-table-definition", "`true` is refused.").or("false"),
    ConfigOption::text("sink.partition-key", "Refused."),
    ConfigOption::text("scan.partition.column", "Refused."),
    ConfigOption::text("scan.partition.num", "Refused."),
    ConfigOption::text("scan.partition.lower-bound", "Refused."),
    ConfigOption::text("scan.partition.upper-bound", "Refused."),
];

/// All options, checked.
pub(super) struct ClickHouseOptions {
    /// At least one address.
    pub(super) hosts: Vec<String>,
    pub(super) authorization: Option<Secret>,
    pub(super) database: String,
    pub(super) table: String,
    pub(super) rows_max: usize,
    pub(super) interval_ms: Option<u64>,
    pub(super) again: Again,
    pub(super) updates: Updates,
    pub(super) parallelism: Option<u32>,
    /// JSON as ClickHouse reads it.
    pub(super) format: Box<dyn Format>,
}

impl ClickHouseOptions {
    /// Reads all options.
    ///
    /// # Errors
    /// If one is wrong, unknown, missing or not supported.
    pub(super) fn read(options: &Options) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        refuse(&reader)?;
        let (hosts, path) = hosts(reader.required("url")?)?;
        let database = reader.text("database-name").map(str::to_owned).or(path).unwrap_or_else(|| "default".to_owned());
        let rows_max: u64 = reader.value_or("sink.batch-size", BATCH_ROWS)?;
        let Millis(interval_ms) = reader.value_or("sink.flush-interval", Millis(INTERVAL_MS))?;
        let strategies = [("update", Updates::Refused), ("insert", Updates::Inserted), ("discard", Updates::Discarded)];
        let read = ClickHouseOptions {
            hosts,
            authorization: user(&reader)?,
            database,
            table: reader.required("table-name")?.to_owned(),
            rows_max: usize::try_from(rows_max).unwrap_or(usize::MAX).max(1),
            interval_ms: Some(interval_ms).filter(|ms| *ms > 0),
            again: Again::doubling(reader.value_or("sink.max-retries", RETRIES)?, WAIT_MS),
            updates: reader.choice("sink.update-strategy", &strategies, Updates::Refused)?,
            parallelism: parallelism(&reader)?,
            format: format()?,
        };
        reader.finish()?;
        Ok(read)
    }
}

/// Decimals as ClickHouse reads them.
fn format() -> Result<Box<dyn Format>> {
    let options = [("json.encode.decimal-as-plain-number", "true"), ("json.map-null-key.mode", "FAIL")];
    let options = Options(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    flott_formats::format("json", &OptionReader::new(&options, "connector 'clickhouse'"), "")
}

fn refuse(reader: &OptionReader<'_>) -> Result<()> {
    if reader.value_or("use-local", false)? {
        return Err(Error::unsupported("'use-local' = 'true'").with_hint("Name the addresses of the shard in 'url'."));
    }
    if !reader.value_or("sink.ignore-delete", true)? {
        return Err(Error::unsupported("'sink.ignore-delete' = 'false'")
            .with_hint("ClickHouse deletes by rewriting; insert a row that says so instead."));
    }
    if reader.value_or("sink.sharding.use-table-definition", false)? {
        return Err(Error::unsupported("'sink.sharding.use-table-definition' = 'true'"));
    }
    if reader.text("sink.partition-strategy").is_some_and(|strategy| !strategy.eq_ignore_ascii_case("balanced")) {
        return Err(Error::unsupported("a 'sink.partition-strategy' that is not 'balanced'"));
    }
    for key in [
        "sink.partition-key",
        "scan.partition.column",
        "scan.partition.num",
        "scan.partition.lower-bound",
        "scan.partition.upper-bound",
    ] {
        if reader.text(key).is_some() {
            return Err(Error::unsupported(format!("option '{key}'")));
        }
    }
    Ok(())
}

/// Addresses with commas between, and the database that stands behind them: `clickhouse://one:8123,two:8123/db?ssl=true`,
/// or `http://..` and `https://..`.
fn hosts(url: &str) -> Result<(Vec<String>, Option<String>)> {
    let url = url.trim();
    let rest = url.strip_prefix("jdbc:").unwrap_or(url);
    let scheme = rest.split_once("://");
    let Some((scheme, rest)) = scheme.filter(|(scheme, _)| matches!(*scheme, "clickhouse" | "ch" | "http" | "https"))
    else {
        return Err(Error::invalid("option 'url' is none of ClickHouse").with_hint("Write 'clickhouse://host:8123'."));
    };
    if rest.contains('@') {
        return Err(Error::invalid("option 'url' has a user or a password in its URL")
            .with_hint("Who asks is told by options 'username' and 'password', which are not shown."));
    }
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let mut encrypted = scheme == "https";
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        // The value of another one may be secret.
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name, value) {
            ("ssl", "true") => encrypted = true,
            ("ssl", "false") => {}
            _ => return Err(Error::unsupported(format!("parameter '{name}' of option 'url'"))),
        }
    }
    let (names, database) = rest.split_once('/').unwrap_or((rest, ""));
    let scheme = if encrypted { "https" } else { "http" };
    let host = |name: &str| checked_url("url", &format!("{scheme}://{}", name.trim()));
    let hosts = names.split(',').filter(|name| !name.trim().is_empty()).map(host).collect::<Result<Vec<_>>>()?;
    if hosts.is_empty() {
        return Err(Error::invalid("option 'url' names no host"));
    }
    Ok((hosts, Some(database.to_owned()).filter(|database| !database.is_empty())))
}
