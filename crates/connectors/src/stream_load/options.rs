//! The options of a table, under the names of the databases' own connectors for Flink.

use flott_api::options::{ConfigOption, MemorySize, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::{Error, Result};
use flott_formats::Format;

use super::Brand;
use crate::web::again::Again;
use crate::web::secret::Secret;
use crate::web::{basic, checked_url, parallelism};

const RETRIES: u32 = 3;
const WAIT_MS: u64 = 1000;
const DORIS_ROWS: u64 = 50_000;
const DORIS_BYTES: u64 = 10 << 20;
const DORIS_INTERVAL_MS: u64 = 10_000;
const DORIS_CONNECT_MS: u64 = 30_000;
const STARROCKS_ROWS: u64 = 500_000;
const STARROCKS_BYTES: u64 = 90 << 20;
const STARROCKS_INTERVAL_MS: u64 = 300_000;
const STARROCKS_CONNECT_MS: u64 = 1000;
/// A load lies in memory as a whole.
const BYTES_MAX: u64 = 256 << 20;
/// How long a load may take: both databases give one up after that.
const LOAD_MS: u64 = 600_000;
/// Headers of a load that are not the user's to set.
const OURS: [&str; 12] = [
    "label",
    "two_phase_commit",
    "columns",
    "hidden_columns",
    "strip_outer_array",
    "read_json_by_line",
    "authorization",
    "expect",
    "db",
    "table",
    "merge_type",
    "jsonpaths",
];

/// What both may set.
pub(super) const COMMON: OptionTable = &[
    ConfigOption::text("username", "Who comes.").needed(),
    ConfigOption::text("password", "It is shown nowhere; it goes to the back ends that a front end names, but not from `https` to `http`: that fails.").needed(),
    ConfigOption::text("jdbc-url", "Taken, and not needed: nothing here speaks MySQL."),
    ConfigOption::text("sink.label-prefix", "What labels begin with; else `flott`."),
    ConfigOption::number("sink.max-retries", "How often a load is tried again, after one second, then twice as long.").or("3"),
    ConfigOption::flag("sink.ignore.update-before", "Whether a `-U` is left out (Flink: `true`). One comes only where the plan cannot do without, and then its row has to go.").or("false"),
    ConfigOption::keys("sink.properties.*", "Headers of a load, such as `max_filter_ratio`. `format` is `json`; separators of CSV are refused."),
    SINK_PARALLELISM,
];

/// What `doris` may set.
pub(super) const DORIS: OptionTable = &[
    ConfigOption::text("fenodes", "Front ends, with `,` between; they say which back end takes a load.").needed(),
    ConfigOption::text("benodes", "Back ends that loads go to at once."),
    ConfigOption::flag("auto-redirect", "`false` needs `benodes`.").or("true"),
    ConfigOption::text("table.identifier", "`database.table`").needed(),
    ConfigOption::flag("sink.enable-2pc", "Whether a load is a transaction: exactly once, see above.").or("true"),
    ConfigOption::flag("sink.enable.batch-mode", "Whether rows are loaded as they come: at least once.").or("false"),
    ConfigOption::choice(
        "sink.write-mode",
        &["STREAM_LOAD", "STREAM_LOAD_BATCH"],
        "The same by another name, and the one that counts.",
    )
    .or("STREAM_LOAD"),
    ConfigOption::flag("sink.ignore.commit-error", "`true` is refused: rows would be lost without a word.").or("false"),
    ConfigOption::number("sink.buffer-flush.max-rows", "Rows of a load.").or("50000"),
    ConfigOption::memory("sink.buffer-flush.max-bytes", "Bytes of a load, which lies in memory: at most 256 MB.")
        .or("10 mb"),
    ConfigOption::duration("sink.buffer-flush.interval", "How long rows wait, if not for a checkpoint.").or("10 s"),
    ConfigOption::flag("sink.enable-delete", "`false`: deletions are left out.").or("true"),
    ConfigOption::number("doris.request.connect.timeout.ms", "How long connecting may take.").or("30000"),
    ConfigOption::number("doris.request.read.timeout.ms", "How long a load may take.").or("600000"),
];

/// What `starrocks` may set.
pub(super) const STARROCKS: OptionTable = &[
    ConfigOption::text("load-url", "Front ends, with `;` between; they say which back end takes a load.").needed(),
    ConfigOption::text("database-name", "The database.").needed(),
    ConfigOption::text("table-name", "The table.").needed(),
    ConfigOption::choice("sink.semantic", &["at-least-once", "exactly-once"], "See above.").or("at-least-once"),
    ConfigOption::choice("sink.version", &["AUTO", "V1", "V2"], "`V1` has no exactly once.").or("AUTO"),
    ConfigOption::number("sink.buffer-flush.max-rows", "Rows of a load.").or("500000"),
    ConfigOption::memory("sink.buffer-flush.max-bytes", "Bytes of a load, which lies in memory: at most 256 MB.")
        .or("90 mb"),
    ConfigOption::number("sink.buffer-flush.interval-ms", "How long rows wait, if not for a checkpoint.").or("300000"),
    ConfigOption::number("sink.connect.timeout-ms", "How long connecting may take.").or("1000"),
];

/// All options, checked.
pub(super) struct LoadOptions {
    pub(super) brand: Brand,
    /// Front ends, which say where to load to.
    pub(super) front: Vec<String>,
    /// Back ends, if loads go to these at once.
    pub(super) back: Vec<String>,
    pub(super) database: String,
    pub(super) table: String,
    pub(super) authorization: Secret,
    pub(super) exactly_once: bool,
    /// What labels begin with.
    pub(super) prefix: String,
    pub(super) rows_max: usize,
    pub(super) bytes_max: usize,
    /// How long rows may wait, where they need not wait for a checkpoint.
    pub(super) interval_ms: Option<u64>,
    pub(super) again: Again,
    pub(super) connect_ms: u64,
    pub(super) timeout_ms: u64,
    /// Whether deletions are loaded.
    pub(super) deletes: bool,
    /// Whether what an update takes back is left out.
    pub(super) ignores_update_before: bool,
    /// Headers of the user.
    pub(super) properties: Vec<(String, String)>,
    pub(super) format: Box<dyn Format>,
    pub(super) parallelism: Option<u32>,
}

impl LoadOptions {
    /// Reads all options.
    ///
    /// # Errors
    /// If one is wrong, unknown, missing or not supported.
    pub(super) fn read(brand: Brand, options: &Options) -> Result<Self> {
        let reader = brand.description().reader(options);
        let username = reader.required("username")?;
        let authorization = basic(username, reader.required("password")?);
        // For the MySQL port, which rows that are written do not need.
        reader.text("jdbc-url");
        let common = LoadOptions {
            brand,
            front: Vec::new(),
            back: Vec::new(),
            database: String::new(),
            table: String::new(),
            authorization,
            exactly_once: false,
            prefix: prefix(reader.text("sink.label-prefix").unwrap_or_default())?,
            rows_max: 0,
            bytes_max: 0,
            interval_ms: None,
            again: Again::doubling(reader.value_or("sink.max-retries", RETRIES)?, WAIT_MS),
            connect_ms: 0,
            timeout_ms: LOAD_MS,
            deletes: true,
            ignores_update_before: reader.value_or("sink.ignore.update-before", false)?,
            properties: properties(&reader)?,
            format: format()?,
            parallelism: parallelism(&reader)?,
        };
        let read = match brand {
            Brand::Doris => doris(common, &reader)?,
            Brand::StarRocks => starrocks(common, &reader)?,
        };
        reader.finish()?;
        if read.rows_max == 0 || read.bytes_max == 0 || read.bytes_max as u64 > BYTES_MAX {
            return Err(Error::invalid("options 'sink.buffer-flush.max-rows' and '.max-bytes' are out of their range")
                .with_detail(format!(
                    "Both are more than 0, and there are at most {BYTES_MAX} bytes: a load lies in memory."
                )));
        }
        Ok(read)
    }
}

fn doris(common: LoadOptions, reader: &OptionReader<'_>) -> Result<LoadOptions> {
    let identifier = reader.required("table.identifier")?;
    let Some((database, table)) = identifier.split_once('.').filter(|(db, table)| !db.is_empty() && !table.is_empty())
    else {
        return Err(Error::invalid(format!("option 'table.identifier' has the value '{identifier}'"))
            .with_hint("It is 'database.table'."));
    };
    let back = hosts("benodes", reader.text("benodes").unwrap_or_default(), ',')?;
    let redirected = reader.value_or("auto-redirect", true)?;
    if !redirected && back.is_empty() {
        return Err(Error::invalid("'auto-redirect' = 'false' without option 'benodes'"));
    }
    let two_phases = reader.value_or("sink.enable-2pc", true)?;
    let batch_mode = reader.value_or("sink.enable.batch-mode", false)?;
    let modes = [("STREAM_LOAD", false), ("STREAM_LOAD_BATCH", true)];
    let batch_mode = reader.chosen("sink.write-mode", &modes)?.unwrap_or(batch_mode);
    if reader.value_or("sink.ignore.commit-error", false)? {
        return Err(
            Error::unsupported("'sink.ignore.commit-error' = 'true'").with_detail("Rows would be lost without a word.")
        );
    }
    let Millis(interval_ms) = reader.value_or("sink.buffer-flush.interval", Millis(DORIS_INTERVAL_MS))?;
    Ok(LoadOptions {
        front: needed(hosts("fenodes", reader.required("fenodes")?, ',')?, "fenodes")?,
        back,
        database: database.to_owned(),
        table: table.to_owned(),
        exactly_once: two_phases && !batch_mode,
        rows_max: size(reader.value_or("sink.buffer-flush.max-rows", DORIS_ROWS)?),
        bytes_max: size(reader.value_or("sink.buffer-flush.max-bytes", MemorySize(DORIS_BYTES))?.0),
        interval_ms: Some(interval_ms).filter(|ms| *ms > 0),
        connect_ms: reader.value_or("doris.request.connect.timeout.ms", DORIS_CONNECT_MS)?.max(1),
        timeout_ms: reader.value_or("doris.request.read.timeout.ms", LOAD_MS)?.max(1),
        deletes: reader.value_or("sink.enable-delete", true)?,
        ..common
    })
}

fn starrocks(common: LoadOptions, reader: &OptionReader<'_>) -> Result<LoadOptions> {
    let semantics = [("at-least-once", false), ("exactly-once", true)];
    let exactly_once = reader.choice("sink.semantic", &semantics, false)?;
    let versions = [("AUTO", 0), ("V1", 1), ("V2", 2)];
    if reader.choice("sink.version", &versions, 0)? == 1 && exactly_once {
        return Err(Error::invalid("'sink.version' = 'V1' with 'sink.semantic' = 'exactly-once'")
            .with_hint("Exactly once needs the transactions of StarRocks 2.4 and later: 'V2' or 'AUTO'."));
    }
    let interval_ms: u64 = reader.value_or("sink.buffer-flush.interval-ms", STARROCKS_INTERVAL_MS)?;
    Ok(LoadOptions {
        front: needed(hosts("load-url", reader.required("load-url")?, ';')?, "load-url")?,
        database: reader.required("database-name")?.to_owned(),
        table: reader.required("table-name")?.to_owned(),
        exactly_once,
        rows_max: size(reader.value_or("sink.buffer-flush.max-rows", STARROCKS_ROWS)?),
        bytes_max: size(reader.value_or("sink.buffer-flush.max-bytes", MemorySize(STARROCKS_BYTES))?.0),
        interval_ms: Some(interval_ms).filter(|ms| *ms > 0),
        connect_ms: reader.value_or("sink.connect.timeout-ms", STARROCKS_CONNECT_MS)?.max(1),
        ..common
    })
}

fn size(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Addresses, with `http://` or without.
fn hosts(key: &str, text: &str, separator: char) -> Result<Vec<String>> {
    let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
    let url = |part: &str| if part.contains("://") { part.to_owned() } else { format!("http://{part}") };
    parts.map(|part| checked_url(key, &url(part))).collect()
}

fn needed(hosts: Vec<String>, key: &str) -> Result<Vec<String>> {
    if hosts.is_empty() { Err(Error::invalid(format!("option '{key}' names no host"))) } else { Ok(hosts) }
}

/// What labels may have.
fn prefix(prefix: &str) -> Result<String> {
    let fits =
        prefix.len() <= 50 && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':'));
    if fits {
        return Ok(if prefix.is_empty() { "flott".to_owned() } else { prefix.to_owned() });
    }
    Err(Error::invalid(format!("option 'sink.label-prefix' has the value '{prefix}'"))
        .with_hint("A label has letters, digits, '-', '_' and ':', and its prefix at most 50 of them."))
}

/// Headers of a load, as the user has named them.
fn properties(reader: &OptionReader<'_>) -> Result<Vec<(String, String)>> {
    let mut properties = Vec::new();
    for (name, value) in reader.with_prefix("sink.properties.").0 {
        let key = format!("sink.properties.{name}");
        let lower = name.to_lowercase();
        if OURS.contains(&lower.as_str()) {
            return Err(Error::unsupported(format!("option '{key}'")).with_detail("It is set for each load."));
        }
        match (lower.as_str(), value.to_lowercase().as_str()) {
            ("format", "json") => continue,
            ("format" | "column_separator" | "line_delimiter" | "row_delimiter" | "escape_delimiters", _) => {
                return Err(Error::unsupported(format!("option '{key}' with the value '{}'", value.escape_default()))
                    .with_hint(
                        "Rows are always sent as JSON: leave it out, or set 'sink.properties.format' = 'json'.",
                    ));
            }
            _ if name.is_empty() || value.bytes().any(|b| b.is_ascii_control()) => {
                return Err(Error::invalid(format!("option '{key}' is no header")));
            }
            _ => properties.push((name, value)),
        }
    }
    Ok(properties)
}

/// Decimals with all their digits.
fn format() -> Result<Box<dyn Format>> {
    let options = Options([("json.encode.decimal-as-plain-number".to_owned(), "true".to_owned())].into());
    flott_formats::format("json", &OptionReader::new(&options, "stream load"), "")
}
