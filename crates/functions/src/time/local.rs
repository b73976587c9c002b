//! Local times outside of SQL: a connector reads what stands in the name of a partition.
//!
//! [`LocalTimeFormat`] is a pattern of Java's formatters, or Flink's default for partitions, which takes
//! `2020-1-31`, `2020-1-31 8:05:00` and fractions of a second, and lets every part run over as Java's
//! lenient formatters do. [`TimeZone`] says which moment a local time is.

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Time32MillisecondType};
use arrow_array::{Array, StringArray};
use flott_api::{Error, Result, TypeKind};

use super::civil::{DAY_MS, Date, HOUR_MS, MINUTE_MS};
use super::moments::Moments;
use super::pattern::Pattern;
use super::zone::{Zone, ZoneCache};
use crate::format::time::write_timestamp;

/// How local times are written.
#[derive(Clone, Debug)]
pub struct LocalTimeFormat(Option<Pattern>);

impl LocalTimeFormat {
    /// A pattern such as `yyyyMMdd HH`; without one the default.
    ///
    /// # Errors
    /// If the pattern has a letter that is not supported.
    pub fn parse(pattern: Option<&str>) -> Result<Self> {
        Ok(LocalTimeFormat(pattern.map(Pattern::parse).transpose()?))
    }

    /// The local time of a text in milliseconds since the epoch's local begin; nothing if it is none.
    pub fn read(&self, text: &str) -> Option<i64> {
        match &self.0 {
            Some(pattern) => pattern.read(text).map(|(millis, _)| millis),
            None => read_default(text),
        }
    }

    /// Appends a local time: milliseconds since the epoch's local begin, and nanoseconds within the last. The default is
    /// written as `yyyy-MM-dd HH:mm:ss`.
    pub fn write(&self, local_ms: i64, nanos: i32, out: &mut String) {
        match &self.0 {
            Some(pattern) => pattern.write(local_ms, nanos, out),
            None => write_timestamp(local_ms, nanos, 0, out),
        }
    }

    /// The dates, times and timestamps of a column as texts, moments as local times of the zone; null where it is null.
    ///
    /// # Errors
    /// If they are none.
    pub fn write_column(&self, column: &dyn Array, kind: &TypeKind, zone: TimeZone) -> Result<StringArray> {
        let mut texts = StringBuilder::with_capacity(column.len(), column.len() * 16);
        let mut zone = ZoneCache::new(zone.0);
        let mut add = |row: usize, local_ms: i64, nanos: i32| {
            if column.is_null(row) {
                texts.append_null();
                return;
            }
            match &self.0 {
                Some(pattern) => pattern.write(local_ms, nanos, &mut texts),
                None => write_timestamp(local_ms, nanos, 0, &mut texts),
            }
            texts.append_value("");
        };
        match kind {
            TypeKind::Date => {
                let days = column.as_primitive::<Date32Type>().values();
                days.iter().enumerate().for_each(|(row, days)| add(row, i64::from(*days) * DAY_MS, 0));
            }
            TypeKind::Time(_) => {
                let times = column.as_primitive::<Time32MillisecondType>().values();
                times.iter().enumerate().for_each(|(row, millis)| add(row, i64::from(*millis), 0));
            }
            TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
                let moments = Moments::read(column)?;
                for (row, millis) in moments.millis.iter().enumerate() {
                    let instant = matches!(kind, TypeKind::TimestampLtz(_));
                    let local_ms = if instant { zone.local(*millis) } else { *millis };
                    add(row, local_ms, moments.nanos(row));
                }
            }
            kind => return Err(Error::internal(format!("a value of type {kind} is no date or time"))),
        }
        Ok(texts.finish())
    }
}

/// A time zone.
#[derive(Clone, Copy, Debug)]
pub struct TimeZone(Zone);

impl TimeZone {
    /// A zone by name (`Europe/Berlin`) or offset (`GMT+08:00`).
    ///
    /// # Errors
    /// If there is no such zone.
    pub fn parse(name: &str) -> Result<Self> {
        Zone::parse(name).map(TimeZone)
    }

    /// When it is that local time; milliseconds since the epoch. In an overlap it is the earlier moment, and a time
    /// in a gap is moved on by the gap.
    pub fn moment(&self, local_ms: i64) -> i64 {
        ZoneCache::new(self.0).utc(local_ms)
    }

    /// Which local time it is at a moment; both in milliseconds since the epoch.
    pub fn local(&self, moment_ms: i64) -> i64 {
        ZoneCache::new(self.0).local(moment_ms)
    }
}

/// `y-M-d`, or `y-M-d H:m:s` with a fraction or without.
fn read_default(text: &str) -> Option<i64> {
    let (date, clock) = match text.split_once(' ') {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let (negative, date) = date.strip_prefix('-').map_or((false, date), |rest| (true, rest));
    let [year, month, day] = numbers(date, '-', [10, 2, 2])?;
    let first = Date { year: if negative { -year } else { year }, month: 1, day: 1 };
    // A month or day too many goes over into the next year or month.
    let days = first.plus_months(month - 1).days() + day - 1;
    let clock_ms = clock.map_or(Some(0), read_clock)?;
    days.checked_mul(DAY_MS)?.checked_add(clock_ms)
}

fn read_clock(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let nanos: i64 = number(fraction, 9).map(|n| n * 10_i64.pow(9 - fraction.len() as u32))?;
    Some(hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + nanos / 1_000_000)
}

/// Three numbers with so many digits at most.
fn numbers(text: &str, separator: char, digits_max: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut next = |max: usize| number(parts.next()?, max);
    let numbers = [next(digits_max[0])?, next(digits_max[1])?, next(digits_max[2])?];
    parts.next().is_none().then_some(numbers)
}

fn number(text: &str, digits_max: usize) -> Option<i64> {
    let fits = (1..=digits_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_takes_dates_and_times_and_lets_parts_run_over() {
        let read = |text: &str| LocalTimeFormat::parse(None).unwrap().read(text);
        let day_ms = 1_590_364_800_000; // 2020-05-25
        for (text, expected) in [
            ("2020-05-25", Some(day_ms)),
            ("2020-5-25", Some(day_ms)),
            ("2020-04-55", Some(day_ms)),
            ("2019-17-25", Some(day_ms)),
            ("2020-05-25 0:0:0", Some(day_ms)),
            ("2020-05-24 24:00:00", Some(day_ms)),
            ("2020-05-25 10:09:08", Some(day_ms + 36_548_000)),
            ("2020-05-25 10:09:08.7", Some(day_ms + 36_548_700)),
            ("2020-05-25 10:09:08.7654321", Some(day_ms + 36_548_765)),
            ("-1-01-01", Some(-62_198_755_200_000)),
            ("2020-05-25 10:09", None),
            ("2020-05-25 10", None),
            ("2020-05", None),
            ("20200525", None),
            ("2020-05-25 ", None),
            ("2020-05-25 10:09:08.", None),
            ("2020-05-25 10:09:08.1234567890", None),
            ("2020-005-25", None),
            ("2020-05-25T10:09:08", None),
            ("__DEFAULT_PARTITION__", None),
            ("9999999999-01-01", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_is_javas() {
        let format = LocalTimeFormat::parse(Some("yyyyMMdd HH")).unwrap();
        assert_eq!(format.read("20200525 03"), Some(1_590_364_800_000 + 3 * HOUR_MS));
        assert_eq!(format.read("2020-05-25"), None);
        assert!(LocalTimeFormat::parse(Some("XYZ")).is_err());
    }

    #[test]
    fn a_zone_says_when_it_is() {
        let at = |zone: &str| TimeZone::parse(zone).unwrap().moment(1_590_364_800_000);
        assert_eq!(at("UTC"), 1_590_364_800_000);
        assert_eq!(at("Asia/Shanghai"), 1_590_364_800_000 - 8 * HOUR_MS);
        assert_eq!(at("GMT-01:00"), 1_590_364_800_000 + HOUR_MS);
        assert!(TimeZone::parse("Mars/Olympus").is_err());
        assert_eq!(TimeZone::parse("Asia/Shanghai").unwrap().local(0), 8 * HOUR_MS);
    }

    #[test]
    fn a_local_time_is_written_by_its_pattern() {
        let written = |pattern| {
            let mut out = String::new();
            LocalTimeFormat::parse(pattern).unwrap().write(1_590_364_800_000 + 3 * HOUR_MS, 0, &mut out);
            out
        };
        assert_eq!(written(Some("yyyy_MM_dd")), "2020_05_25");
        assert_eq!(written(None), "2020-05-25 03:00:00");
        let days = arrow_array::Date32Array::from(vec![Some(0), None, Some(59)]);
        let format = LocalTimeFormat::parse(Some("dd.MM.")).unwrap();
        let texts = format.write_column(&days, &TypeKind::Date, TimeZone::parse("UTC").unwrap()).unwrap();
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("01.01."), None, Some("01.03.")]);
    }
}
