//! Lookups: rows of a table outside that have a key, asked for while a job runs.
//!
//! A connector whose table can be looked up in gives a [`LookupFactory`]: it first describes what can be done, and a
//! subtask then opens a [`LookupTable`] from a [`LookupSpec`]. Keys are asked for a batch at a time. What is kept of the
//! answers ([`LookupCache`]) is not the connector's business: the operator does it for all of them.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::env::Environment;
use crate::options::{ConfigOption, Millis, OptionReader, OptionTable};
use crate::table::{SourceDescription, SourceSpec, TableContext, TableFactory};
use crate::{Error, Result};

/// What looking up in a table is like.
#[derive(Clone, Debug)]
pub struct LookupDescription {
    /// Its rows: only insertions; metadata columns and the push-down of a projection are as those of a source.
    pub rows: SourceDescription,
    /// Whether keys can be asked for one after the other.
    pub sync: bool,
    /// Whether several keys can be under way at once.
    pub asynchronous: bool,
    /// What is kept of the answers, as its options say.
    pub cache: LookupCache,
}

/// What a subtask opens a table from, to look up in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LookupSpec {
    /// The table, with the columns that are wanted.
    pub table: SourceSpec,
    /// The columns of the key, among the columns that are wanted.
    pub keys: Vec<usize>,
    /// How many keys may be under way at once; nothing if they are asked for one after the other.
    pub in_flight_max: Option<u32>,
    /// What is kept of the answers.
    pub cache: LookupCache,
}

/// What is kept of the answers to lookups, by each subtask, in memory and in no checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LookupCache {
    /// Nothing.
    #[default]
    None,
    /// The rows of keys that were asked for.
    Partial(PartialCache),
    /// All rows of the table, which is read whole.
    Full(Reload),
}

/// How long the rows of a key are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialCache {
    /// So many keys; those that were not asked for of late go first.
    pub keys_max: Option<u64>,
    /// So long behind the last time that the key was asked for.
    pub after_access_ms: Option<u64>,
    /// So long behind the answer.
    pub after_write_ms: Option<u64>,
    /// Whether it is kept that a key has no rows.
    pub missing_keys: bool,
}

/// When a table that was read whole is read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reload {
    /// Never.
    #[default]
    Never,
    /// Again and again.
    Periodic {
        /// The time between.
        interval_ms: u64,
        /// Whether it counts from begin to begin, not from end to begin.
        fixed_rate: bool,
    },
    /// At a time of day.
    Timed {
        /// The time, in milliseconds of the day in UTC.
        at_ms: u64,
        /// On every so many days.
        days: u64,
    },
}

/// Rows that were found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The rows, of the columns that were wanted.
    pub rows: RecordBatch,
    /// For each row which of the keys it has: its place among those that were asked for. Never falls.
    pub keys: Vec<u32>,
}

/// A table that is looked up in, by one subtask.
#[async_trait]
pub trait LookupTable: Send {
    /// The rows that have these keys. A key comes as often as it is asked for, and none has a null. The future is
    /// dropped when it takes longer than is allowed.
    async fn lookup(&mut self, keys: &RecordBatch) -> Result<Found>;
}

/// A connector whose tables can be looked up in.
pub trait LookupFactory: Send + Sync {
    /// What looking up would be like. Checks all options.
    ///
    /// # Errors
    /// If it cannot be looked up in, or an option is wrong or unknown.
    fn describe(&self, table: &TableContext) -> Result<LookupDescription>;

    /// Opens a table whose rows are not all kept ([`LookupCache::Full`] reads it as a source).
    ///
    /// # Errors
    /// If the specification is not usable.
    fn open(&self, spec: &LookupSpec, environment: &Environment) -> Result<Box<dyn LookupTable>>;
}

/// Where an operator finds the connector of a table that it looks up in.
pub trait Connectors: Send + Sync {
    /// The connector of this name.
    ///
    /// # Errors
    /// If there is none.
    fn connector(&self, identifier: &str) -> Result<&dyn TableFactory>;
}

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

const CACHES: &[&str] = &["NONE", "PARTIAL", "FULL"];
const ABOUT_CACHE: &str =
    "What is kept of the answers: nothing, the rows of keys that were asked for, or the whole table.";
/// The choice of a cache for connectors that keep nothing unless they are told to.
pub const LOOKUP_CACHE_NONE: OptionTable = &[ConfigOption::choice("lookup.cache", CACHES, ABOUT_CACHE).or("NONE")];
/// The choice of a cache for connectors that must keep all.
pub const LOOKUP_CACHE_FULL: OptionTable = &[ConfigOption::choice("lookup.cache", CACHES, ABOUT_CACHE).or("FULL")];

/// The options of caches, once one is chosen.
pub const LOOKUP_CACHE: OptionTable = &[
    ConfigOption::number("lookup.partial-cache.max-rows", "How many keys are kept; without it all are."),
    ConfigOption::duration("lookup.partial-cache.expire-after-access", "How long a key is kept behind its last use."),
    ConfigOption::duration("lookup.partial-cache.expire-after-write", "How long a key is kept behind its answer."),
    ConfigOption::flag("lookup.partial-cache.cache-missing-key", "Whether it is kept that a key has no rows.")
        .or("true"),
    ConfigOption::choice("lookup.full-cache.reload-strategy", &["PERIODIC", "TIMED"], "When the table is read again.")
        .or("PERIODIC"),
    ConfigOption::duration(
        "lookup.full-cache.periodic-reload.interval",
        "The time between two readings; without it there is one.",
    ),
    ConfigOption::choice(
        "lookup.full-cache.periodic-reload.schedule-mode",
        &["FIXED_DELAY", "FIXED_RATE"],
        "Whether the time counts from the end of a reading, or from its begin.",
    )
    .or("FIXED_DELAY"),
    ConfigOption::text(
        "lookup.full-cache.timed-reload.iso-time",
        "The time of day, with an offset: `10:15Z`, `10:15:30+02:00`.",
    ),
    ConfigOption::number("lookup.full-cache.timed-reload.interval-in-days", "On every so many days.").or("1"),
];

impl LookupCache {
    /// The tables of its options, where `default` is what holds without any.
    fn options(default: &LookupCache) -> (OptionTable, OptionTable) {
        let which = if matches!(default, LookupCache::Full(_)) { LOOKUP_CACHE_FULL } else { LOOKUP_CACHE_NONE };
        (which, LOOKUP_CACHE)
    }

    /// Reads the options `lookup.cache` and `lookup.partial-cache.*`, and of [`LookupCache::Full`] those of
    /// `lookup.full-cache.*`; without `lookup.cache` it is `default`.
    ///
    /// # Errors
    /// If one is wrong, or says something of another cache than the one that was chosen.
    pub fn read(reader: &OptionReader<'_>, default: LookupCache) -> Result<Self> {
        let (which, more) = LookupCache::options(&default);
        reader.section("", which);
        reader.section("", more);
        let default_name = match default {
            LookupCache::None => "NONE",
            LookupCache::Partial(_) => "PARTIAL",
            LookupCache::Full(_) => "FULL",
        };
        let names = [("NONE", "NONE"), ("PARTIAL", "PARTIAL"), ("FULL", "FULL")];
        let chosen = reader.choice("lookup.cache", &names, default_name)?;
        let partial = PartialCache::read(reader)?;
        let full = Reload::read(reader)?;
        let unused = |given: bool, prefix: &str| {
            if given {
                return Err(Error::invalid(format!("option '{prefix}' of a table with 'lookup.cache' = '{chosen}'")));
            }
            Ok(())
        };
        match chosen {
            "PARTIAL" => {
                unused(full.is_some(), "lookup.full-cache.*")?;
                let none =
                    PartialCache { keys_max: None, after_access_ms: None, after_write_ms: None, missing_keys: true };
                Ok(LookupCache::Partial(partial.unwrap_or(none)))
            }
            "FULL" => {
                unused(partial.is_some(), "lookup.partial-cache.*")?;
                Ok(LookupCache::Full(full.unwrap_or_default()))
            }
            _ => {
                unused(partial.is_some(), "lookup.partial-cache.*")?;
                unused(full.is_some(), "lookup.full-cache.*")?;
                Ok(LookupCache::None)
            }
        }
    }
}

impl PartialCache {
    /// Nothing if no option of it is set.
    fn read(reader: &OptionReader<'_>) -> Result<Option<Self>> {
        let millis = |key: &str| Ok::<_, Error>(reader.value::<Millis>(key)?.map(|m| m.0));
        let keys_max = reader.value::<u64>("lookup.partial-cache.max-rows")?;
        let after_access_ms = millis("lookup.partial-cache.expire-after-access")?;
        let after_write_ms = millis("lookup.partial-cache.expire-after-write")?;
        let missing_keys = reader.value::<bool>("lookup.partial-cache.cache-missing-key")?;
        let given =
            keys_max.is_some() || after_access_ms.is_some() || after_write_ms.is_some() || missing_keys.is_some();
        let missing_keys = missing_keys.unwrap_or(true);
        Ok(given.then_some(PartialCache { keys_max, after_access_ms, after_write_ms, missing_keys }))
    }
}

impl Reload {
    /// Nothing if no option of it is set.
    fn read(reader: &OptionReader<'_>) -> Result<Option<Self>> {
        let strategies = [("PERIODIC", Some(false)), ("TIMED", Some(true))];
        let timed = reader.choice("lookup.full-cache.reload-strategy", &strategies, None)?;
        let interval = reader.value::<Millis>("lookup.full-cache.periodic-reload.interval")?;
        let modes = [("FIXED_DELAY", Some(false)), ("FIXED_RATE", Some(true))];
        let rate = reader.choice("lookup.full-cache.periodic-reload.schedule-mode", &modes, None)?;
        let time = reader.text("lookup.full-cache.timed-reload.iso-time");
        let days = reader.value::<u64>("lookup.full-cache.timed-reload.interval-in-days")?;
        let (periodic_given, timed_given) = (interval.is_some() || rate.is_some(), time.is_some() || days.is_some());
        let other = |given: bool, other: &str| {
            let message = format!("option 'lookup.full-cache.{other}-reload.*' of another reload strategy");
            if given { Err(Error::invalid(message)) } else { Ok(()) }
        };
        match timed {
            Some(true) => {
                other(periodic_given, "periodic")?;
                let time = time.ok_or_else(|| needed("lookup.full-cache.timed-reload.iso-time"))?;
                let days = days.unwrap_or(1).max(1);
                Ok(Some(Reload::Timed { at_ms: time_of_day(time)?, days }))
            }
            Some(false) | None if periodic_given || timed.is_some() => {
                other(timed_given, "timed")?;
                match interval {
                    Some(Millis(interval_ms)) if interval_ms > 0 => {
                        Ok(Some(Reload::Periodic { interval_ms, fixed_rate: rate.unwrap_or(false) }))
                    }
                    _ => Err(needed("lookup.full-cache.periodic-reload.interval")),
                }
            }
            _ => other(timed_given, "timed").map(|()| None),
        }
    }

    /// When a table that began to be read at `began_ms`, and had been read at `ended_ms`, is due again.
    pub fn next_ms(self, began_ms: i64, ended_ms: i64) -> Option<i64> {
        match self {
            Reload::Never => None,
            Reload::Periodic { interval_ms, fixed_rate: true } => Some(began_ms.saturating_add_unsigned(interval_ms)),
            Reload::Periodic { interval_ms, fixed_rate: false } => Some(ended_ms.saturating_add_unsigned(interval_ms)),
            Reload::Timed { at_ms, days } => {
                let midnight = began_ms.div_euclid(DAY_MS as i64).saturating_mul(DAY_MS as i64);
                let today = midnight.saturating_add_unsigned(at_ms);
                let wait = if today > began_ms { 0 } else { days.saturating_mul(DAY_MS) };
                Some(today.saturating_add_unsigned(wait))
            }
        }
    }
}

fn needed(key: &str) -> Error {
    Error::invalid(format!("'lookup.cache' = 'FULL' needs option '{key}' for its reload strategy"))
        .with_hint("It must be longer than nothing.")
}

/// `10:15Z`, `10:15:30+02:00`: milliseconds of the day in UTC.
fn time_of_day(text: &str) -> Result<u64> {
    let wrong = || {
        Error::invalid(format!("option 'lookup.full-cache.timed-reload.iso-time' has the value '{text}'"))
            .with_hint("It is a time with an offset, such as '10:15Z' or '10:15:30+02:00'.")
    };
    let zone = text.find(['Z', '+', '-']).ok_or_else(wrong)?;
    let (time, offset) = text.split_at(zone);
    let offset_ms = match offset.split_at(1) {
        ("Z", "") => 0,
        ("+", offset) => DAY_MS - clock(offset, 18).ok_or_else(wrong)?,
        ("-", offset) => clock(offset, 18).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    Ok((clock(time, 23).ok_or_else(wrong)? + offset_ms) % DAY_MS)
}

/// `10:15` or `10:15:30` in milliseconds.
fn clock(text: &str, hours_max: u64) -> Option<u64> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |at: usize, max: u64| -> Option<u64> {
        let part = parts.get(at)?;
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|n| digits && *n <= max)
    };
    let seconds = if parts.len() == 3 { number(2, 59)? } else { 0 };
    let whole = (number(0, hours_max)? * 60 + number(1, 59)?) * MINUTE_MS + seconds * 1000;
    matches!(parts.len(), 2 | 3).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn read(pairs: &[(&str, &str)]) -> std::result::Result<LookupCache, String> {
        let options = Options(pairs.iter().map(|(k, v)| (format!("lookup.{k}"), (*v).to_owned())).collect());
        let reader = OptionReader::new(&options, "a test");
        let cache = LookupCache::read(&reader, LookupCache::None).map_err(|e| e.message().to_owned())?;
        reader.finish().map_err(|e| e.message().to_owned())?;
        Ok(cache)
    }

    #[test]
    fn caches_are_read_with_the_options_of_their_kind() {
        assert_eq!(read(&[]), Ok(LookupCache::None));
        let partial = PartialCache {
            keys_max: Some(7),
            after_access_ms: Some(1000),
            after_write_ms: Some(2),
            missing_keys: false,
        };
        let given = [
            ("cache", "partial"),
            ("partial-cache.max-rows", "7"),
            ("partial-cache.expire-after-access", "1 s"),
            ("partial-cache.expire-after-write", "2 ms"),
            ("partial-cache.cache-missing-key", "false"),
        ];
        assert_eq!(read(&given), Ok(LookupCache::Partial(partial)));
        assert_eq!(read(&[("cache", "FULL")]), Ok(LookupCache::Full(Reload::Never)));
        let message = read(&[("partial-cache.max-rows", "7")]).unwrap_err();
        assert_eq!(message, "option 'lookup.partial-cache.*' of a table with 'lookup.cache' = 'NONE'");
        let message = read(&[("cache", "PARTIAL"), ("full-cache.reload-strategy", "TIMED")]).unwrap_err();
        assert!(message.contains("needs option 'lookup.full-cache.timed-reload.iso-time'"), "{message}");
    }

    #[test]
    fn reloads_are_due_by_interval_or_by_the_time_of_day() {
        let full = |pairs: &[(&str, &str)]| {
            let mut all = vec![("cache", "FULL")];
            all.extend_from_slice(pairs);
            read(&all)
        };
        let interval = ("full-cache.periodic-reload.interval", "10 s");
        let rate = ("full-cache.periodic-reload.schedule-mode", "FIXED_RATE");
        let periodic = |fixed_rate| Reload::Periodic { interval_ms: 10_000, fixed_rate };
        assert_eq!(full(&[interval]), Ok(LookupCache::Full(periodic(false))));
        assert_eq!(full(&[interval, rate]), Ok(LookupCache::Full(periodic(true))));
        assert_eq!(periodic(false).next_ms(1000, 3000), Some(13_000));
        assert_eq!(periodic(true).next_ms(1000, 3000), Some(11_000));
        let timed = [("full-cache.reload-strategy", "TIMED"), ("full-cache.timed-reload.iso-time", "01:30+02:00")];
        let at_ms = 23 * 3_600_000 + 30 * 60_000;
        assert_eq!(full(&timed), Ok(LookupCache::Full(Reload::Timed { at_ms, days: 1 })));
        let timed = Reload::Timed { at_ms, days: 2 };
        assert_eq!(timed.next_ms(0, 5), Some(at_ms as i64));
        assert_eq!(timed.next_ms(at_ms as i64, 5), Some((at_ms + 2 * DAY_MS) as i64));
        assert_eq!(Reload::Never.next_ms(0, 0), None);
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for text in ["", "10", "10:15", "24:00Z", "1:15Z", "10:60Z", "10:15:61Z", "10:15Zx", "10:15+19:00", "aa:bbZ"] {
            assert!(time_of_day(text).is_err(), "{text}");
        }
        assert_eq!(time_of_day("00:00:01-01:00").unwrap(), 3_601_000);
    }
}
