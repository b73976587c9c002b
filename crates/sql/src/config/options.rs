//! The keys that Flott reads.

use flott_api::options::{FromOption, MemorySize, Millis};
use flott_api::{Error, Result};

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number in a range.
    Integer(i64, i64),
    /// A duration.
    Duration,
    /// A number of bytes.
    Memory,
    /// One of these, whatever the case.
    Choice(&'static [&'static str]),
    /// A time zone: `default`, an IANA name or `GMT+08:00`.
    TimeZone,
}

/// A key that Flott reads.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The key.
    pub key: &'static str,
    /// Its default, if it has one.
    pub default: Option<&'static str>,
    /// What its value may be.
    pub kind: OptionKind,
    /// What it does, in a sentence.
    pub description: &'static str,
}

const fn option(
    key: &'static str,
    default: Option<&'static str>,
    kind: OptionKind,
    description: &'static str,
) -> OptionSpec {
    OptionSpec { key, default, kind, description }
}

use OptionKind::{Boolean, Choice, Duration, Integer, Memory, Text, TimeZone};

/// The largest parallelism.
const PARALLELISM_MAX: i64 = 1 << 15;

/// All keys that Flott reads, by name.
pub const OPTIONS: &[OptionSpec] = &[
    option("execution.runtime-mode", Some("STREAMING"), Choice(&["STREAMING"]), "How jobs run."),
    option("fs.s3a.access.key", None, Text, "As 's3.access-key', in Hadoop's spelling."),
    option("fs.s3a.endpoint", None, Text, "As 's3.endpoint', in Hadoop's spelling."),
    option("fs.s3a.endpoint.region", None, Text, "As 's3.region', in Hadoop's spelling."),
    option("fs.s3a.path.style.access", None, Boolean, "As 's3.path-style-access', in Hadoop's spelling."),
    option("fs.s3a.secret.key", None, Text, "As 's3.secret-key', in Hadoop's spelling."),
    option("fs.s3a.session.token", None, Text, "The token that belongs to temporary keys of S3."),
    option("parallelism.default", Some("1"), Integer(1, PARALLELISM_MAX), "Instances of each operator."),
    option(
        "pipeline.auto-watermark-interval",
        Some("200 ms"),
        Duration,
        "A watermark is emitted where it exceeds the last one by more than this.",
    ),
    option(
        "pipeline.max-parallelism",
        None,
        Integer(1, PARALLELISM_MAX),
        "Key groups; by default made from the parallelism.",
    ),
    option("pipeline.name", None, Text, "The job's name; by default made from its tables."),
    option(
        "pipeline.operator-chaining.enabled",
        Some("true"),
        Boolean,
        "Whether operators that forward to each other share a task.",
    ),
    option("s3.access-key", None, Text, "The key for S3; without it AWS's environment variables count."),
    option("s3.endpoint", None, Text, "The address of an S3 server that is not AWS's."),
    option("s3.path-style-access", None, Boolean, "Whether buckets are paths; by default if there is an endpoint."),
    option("s3.path.style.access", None, Boolean, "As 's3.path-style-access', the older spelling."),
    option("s3.region", None, Text, "The region of the buckets."),
    option("s3.secret-key", None, Text, "The secret of the key for S3."),
    option(
        "sql-client.execution.result-mode",
        Some("TABLEAU"),
        Choice(&["TABLE", "CHANGELOG", "TABLEAU"]),
        "How the shell shows a query's result.",
    ),
    option("sql-client.verbose", Some("false"), Boolean, "Whether errors show what lies below them."),
    option("sql.parser.max-chain", Some("1000"), Integer(10, 100_000), "How many operators may follow each other."),
    option("sql.parser.max-depth", Some("128"), Integer(10, 2_000), "How deep expressions and queries may nest."),
    option("sql.parser.max-length", Some("64 mb"), Memory, "How long a script may be."),
    option(
        "table.builtin-catalog-name",
        Some("default_catalog"),
        Text,
        "The name of the catalog that a session begins with.",
    ),
    option(
        "table.builtin-database-name",
        Some("default_database"),
        Text,
        "The name of the database that a session begins with.",
    ),
    option("table.catalog-store.file.path", None, Text, "The folder of the catalog store of kind 'file'."),
    option(
        "table.catalog-store.kind",
        Some("generic_in_memory"),
        Choice(&["generic_in_memory", "file"]),
        "Where definitions of catalogs are kept.",
    ),
    option("table.display.max-column-width", Some("30"), Integer(1, 1_000_000), "The widest a column is shown."),
    option("table.dml-sync", Some("false"), Boolean, "Whether an INSERT waits for its job."),
    option(
        "table.exec.sink.not-null-enforcer",
        Some("ERROR"),
        Choice(&["ERROR", "DROP"]),
        "What becomes of a null in a NOT NULL column of a sink.",
    ),
    option(
        "table.exec.sink.type-length-enforcer",
        Some("IGNORE"),
        Choice(&["IGNORE", "TRIM_PAD", "ERROR"]),
        "What becomes of text or bytes that are too long for their column of a sink.",
    ),
    option(
        "table.exec.source.idle-timeout",
        Some("0 ms"),
        Duration,
        "After this long without rows a source no longer holds back watermarks; 0 means never.",
    ),
    option(
        "table.exec.state.ttl",
        Some("0 ms"),
        Duration,
        "How long state is kept after its last change; 0 is for ever.",
    ),
    option("table.local-time-zone", Some("default"), TimeZone, "The session's time zone."),
    option("table.sql-dialect", Some("default"), Choice(&["default"]), "The dialect of SQL."),
];

/// The option of a key.
pub(super) fn find(key: &str) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|o| o.key == key)
}

impl OptionSpec {
    /// Checks a value.
    pub(super) fn check(&self, value: &str) -> Result<()> {
        let expected = match self.kind {
            Text => return Ok(()),
            Boolean if bool::from_option(value).is_some() => return Ok(()),
            Integer(min, max) if i64::from_option(value).is_some_and(|n| (min..=max).contains(&n)) => return Ok(()),
            Duration if Millis::from_option(value).is_some() => return Ok(()),
            Memory if MemorySize::from_option(value).is_some() => return Ok(()),
            Choice(choices) if choices.iter().any(|c| c.eq_ignore_ascii_case(value)) => return Ok(()),
            TimeZone if value == "default" || is_zone(value) => return Ok(()),
            Boolean => "true or false".to_owned(),
            Integer(min, max) => format!("a whole number from {min} to {max}"),
            Duration => "a duration such as '10 s'".to_owned(),
            Memory => "a number of bytes such as '64 mb'".to_owned(),
            Choice(choices) => choices.join(" or "),
            TimeZone => "'default', a zone such as 'Europe/Berlin', or an offset such as 'GMT+08:00'".to_owned(),
        };
        Err(Error::invalid(format!("option '{}' cannot be '{value}'", self.key))
            .with_detail(format!("It must be {expected}.")))
    }
}

/// An IANA name, or an offset in Java's form.
fn is_zone(value: &str) -> bool {
    value.parse::<chrono_tz::Tz>().is_ok() || is_offset(value)
}

/// `GMT+08:00`, `UTC-3`, `+08:00`, `Z`.
fn is_offset(value: &str) -> bool {
    let offset = value.strip_prefix("GMT").or_else(|| value.strip_prefix("UTC")).unwrap_or(value);
    if offset == "Z" || (offset.is_empty() && !value.is_empty()) {
        return true;
    }
    let Some(digits) = offset.strip_prefix(['+', '-']) else { return false };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let number = |text: &str, max: u32| text.len() <= 2 && text.parse::<u32>().is_ok_and(|n| n <= max);
    number(hours, 18) && number(minutes, 59)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_its_defaults_are_valid() {
        assert!(OPTIONS.is_sorted_by_key(|o| o.key));
        for option in OPTIONS {
            assert!(option.default.is_none_or(|value| option.check(value).is_ok()), "{}", option.key);
        }
    }

    #[test]
    fn zones() {
        for zone in ["UTC", "Asia/Shanghai", "GMT+08:00", "+02:00", "GMT-3"] {
            assert!(is_zone(zone), "{zone}");
        }
        assert!(!is_zone("GMT+99:00"));
        assert!(!is_zone("Nowhere"));
    }
}
