//! How timestamps lie in files: seconds from the start of 2015 in the zone of the writer, and nanoseconds, of what a
//! clock on a wall shows there. Days before 15 October 1582 are counted in the Julian calendar, as Java's old classes do,
//! which Flink goes through; dates are counted as they are.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeZone};

use crate::protobuf::wire::Taken;

/// 2015-01-01 00:00:00.
const BASE_SECONDS: i64 = 1_420_070_400;
const DAY_MILLIS: i64 = 86_400_000;
/// The first day of the Gregorian calendar.
const GREGORIAN_DAY: i64 = -141_427;
/// 1900-01-01 00:00:00: before it Java's zones have the offset that they begin with.
const ZONES_BEGIN_SECONDS: i64 = -2_208_988_800;
/// After it they repeat their last rule.
const ZONES_END_YEAR: i32 = 2037;
/// With more nanoseconds than these, seconds before 1970 are rounded towards it.
const NANOS_OF_MILLI_MAX: u32 = 999_999;

/// The zone of a writer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Zone {
    Fixed { seconds: i64 },
    Named(chrono_tz::Tz),
}

impl Zone {
    /// The zone of that name, as Java has it. Writers without one are old, and taken as UTC.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn of(name: &str) -> Taken<Self> {
        if matches!(name, "" | "UTC" | "GMT" | "Z" | "Etc/UTC" | "Etc/GMT") {
            return Ok(Zone::Fixed { seconds: 0 });
        }
        let fixed = ["GMT", "UTC", ""].iter().find_map(|prefix| offset(name.strip_prefix(prefix)?));
        if let Some(seconds) = fixed {
            return Ok(Zone::Fixed { seconds });
        }
        let named = name.parse().map(Zone::Named);
        named.map_err(|_| format!("the time zone '{name}' of its writer is not known"))
    }

    fn offset_at(self, utc_seconds: i64) -> i64 {
        match self {
            Zone::Fixed { seconds } => seconds,
            Zone::Named(zone) => {
                let moment = DateTime::from_timestamp(utc_seconds.max(ZONES_BEGIN_SECONDS), 0).unwrap_or_default();
                let moment = in_tables(moment.naive_utc());
                i64::from(zone.offset_from_utc_datetime(&moment).fix().local_minus_utc())
            }
        }
    }

    /// The seconds that a file of this zone counts from.
    pub(super) fn base(self) -> i64 {
        BASE_SECONDS - self.offset_at(BASE_SECONDS)
    }

    /// What the clock shows, in milliseconds and nanoseconds of them, at so many seconds (since 1970) and nanoseconds of
    /// a file; nothing if that is too far away.
    pub(super) fn read(self, seconds: i64, nanos: u32) -> Option<(i64, i32)> {
        let mut millis = seconds.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))?;
        if millis < 0 && nanos > NANOS_OF_MILLI_MAX {
            millis = millis.checked_sub(1000)?;
        }
        let local = millis.checked_add(self.offset_at(millis.div_euclid(1000)) * 1000)?;
        let day = local.div_euclid(DAY_MILLIS);
        let moved = if day < GREGORIAN_DAY { (gregorian_day(julian_date(day)) - day) * DAY_MILLIS } else { 0 };
        Some((local.checked_add(moved)?, (nanos % 1_000_000) as i32))
    }
}

/// The same day of a year with the same weekdays, of those that zones have in their tables: the last rule goes on.
fn in_tables(moment: NaiveDateTime) -> NaiveDateTime {
    if moment.year() <= ZONES_END_YEAR {
        return moment;
    }
    let first = |year| NaiveDate::from_yo_opt(year, 1).map(|day| (day.weekday(), day.leap_year()));
    let twin = (ZONES_END_YEAR - 27..=ZONES_END_YEAR).find(|year| first(*year) == first(moment.year()));
    let day = twin.and_then(|year| NaiveDate::from_yo_opt(year, moment.ordinal()));
    day.map_or(moment, |day| day.and_time(moment.time()))
}

/// `+01:00` in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (hours.parse::<u8>().ok().map(i64::from)? * 3600 + minutes.parse::<u8>().ok().map(i64::from)? * 60))
}

/// What a file in UTC has for a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Milliseconds since 1970.
    pub(super) millis: i64,
    /// Seconds from the base.
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

impl Stored {
    /// For milliseconds and nanoseconds of them.
    ///
    /// # Errors
    /// If a reader could not tell what the clock showed.
    pub(super) fn of(local: i64, nanos: u32) -> Result<Self, &'static str> {
        const FAR: &str = "a timestamp lies too far away";
        let day = local.div_euclid(DAY_MILLIS);
        let mut millis = local;
        if day < GREGORIAN_DAY {
            let stored_day = julian_day(gregorian_date(day));
            if stored_day >= GREGORIAN_DAY {
                return Err("a timestamp lies in the ten days of October 1582 that ORC's calendar does not have");
            }
            millis = local.checked_add((stored_day - day) * DAY_MILLIS).ok_or(FAR)?;
        }
        let mut seconds = millis.div_euclid(1000);
        let nanos = millis.rem_euclid(1000) as u32 * 1_000_000 + nanos;
        if seconds < 0 && nanos > NANOS_OF_MILLI_MAX {
            seconds += 1;
            if seconds == 0 {
                return Err("a timestamp lies in the last second before 1970, which ORC cannot tell from the next");
            }
        }
        Ok(Stored { millis, seconds: seconds - BASE_SECONDS, nanos })
    }
}

/// Nanoseconds as files have them: without the zeros at their end, whose number stands in the lowest bits.
pub(super) fn pack_nanos(nanos: u32) -> i64 {
    let (mut rest, mut zeros) = (nanos, 0);
    if nanos == 0 || !nanos.is_multiple_of(100) {
        return i64::from(nanos) << 3;
    }
    while rest.is_multiple_of(10) && zeros < 8 {
        rest /= 10;
        zeros += 1;
    }
    i64::from(rest) << 3 | (zeros - 1)
}

/// The nanoseconds that were packed, if they are less than a second.
pub(super) fn unpack_nanos(packed: i64) -> Option<u32> {
    const FACTORS: [u64; 8] = [1, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    let (rest, zeros) = (packed as u64 >> 3, (packed & 7) as usize);
    rest.checked_mul(FACTORS[zeros]).filter(|n| *n < 1_000_000_000).map(|n| n as u32)
}

/// A year that begins in March, so that the leap day is its last, and the day in it.
type Date = (i64, i64);

/// Days of 400 Gregorian years, and of 4 Julian ones.
const CYCLE: i64 = 146_097;
const JULIAN_CYCLE: i64 = 1461;
/// From 1 March of the year 0 to 1970, in either calendar.
const EPOCH: i64 = 719_468;
const JULIAN_EPOCH: i64 = 719_470;

fn gregorian_date(day: i64) -> Date {
    let (cycle, rest) = ((day + EPOCH).div_euclid(CYCLE), (day + EPOCH).rem_euclid(CYCLE));
    let year = (rest - rest / 1460 + rest / 36_524 - rest / 146_096) / 365;
    (cycle * 400 + year, rest - (year * 365 + year / 4 - year / 100))
}

fn gregorian_day((year, day): Date) -> i64 {
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    cycle * CYCLE + year * 365 + year / 4 - year / 100 + day - EPOCH
}

fn julian_date(day: i64) -> Date {
    let (cycle, rest) = ((day + JULIAN_EPOCH).div_euclid(JULIAN_CYCLE), (day + JULIAN_EPOCH).rem_euclid(JULIAN_CYCLE));
    let year = (rest / 365).min(3);
    (cycle * 4 + year, rest - year * 365)
}

fn julian_day((year, day): Date) -> i64 {
    let (cycle, year) = (year.div_euclid(4), year.rem_euclid(4));
    cycle * JULIAN_CYCLE + year * 365 + day - JULIAN_EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_meet_in_1582() {
        assert_eq!(julian_date(GREGORIAN_DAY).0, 1582);
        assert_eq!(gregorian_day(julian_date(GREGORIAN_DAY)) + 10, GREGORIAN_DAY);
        for day in (-800_000..GREGORIAN_DAY).step_by(97) {
            assert_eq!(gregorian_day(gregorian_date(day)), day);
            assert_eq!(julian_day(julian_date(day)), day);
        }
        // 1 January of the year 1 is two days earlier in the Julian calendar.
        assert_eq!(julian_day(gregorian_date(-719_162)), -719_164);
    }

    #[test]
    fn clocks_come_back_unless_files_cannot_have_them() {
        let utc = Zone::Fixed { seconds: 0 };
        for millis in [0, 1, 999, -1000, -1001, -1500, -1999, -2000, -62_135_596_800_000, 253_402_300_799_999] {
            for (millis, nanos) in [(millis, 0), (millis, 999_999), (millis - 11_644_473_600_000, 1)] {
                let stored = Stored::of(millis, nanos).unwrap();
                assert_eq!(
                    utc.read(stored.seconds + utc.base(), stored.nanos),
                    Some((millis, nanos as i32)),
                    "{millis}"
                );
            }
        }
        assert!(Stored::of(-500, 0).unwrap_err().contains("before 1970"));
        assert_eq!(Stored::of(-1000, 999_999).unwrap().seconds, -1 - BASE_SECONDS);
        for day in [GREGORIAN_DAY - 10, GREGORIAN_DAY - 1] {
            assert!(Stored::of(day * DAY_MILLIS, 0).unwrap_err().contains("October 1582"));
        }
        assert!(
            Stored::of(GREGORIAN_DAY * DAY_MILLIS, 0).is_ok()
                && Stored::of((GREGORIAN_DAY - 11) * DAY_MILLIS, 0).is_ok()
        );
        assert!(Stored::of(i64::MIN, 0).is_err());
        assert_eq!(utc.read(i64::MAX, 0), None);
        assert_eq!(utc.read(i64::MIN / 1000 - 1, 0), None);
    }

    #[test]
    fn nanoseconds_are_packed_by_their_zeros() {
        for (nanos, packed) in [(0, 0), (1000, 0xa), (100_000, 0xc), (10, 80), (100, 9), (900_000_000, 79), (7, 56)] {
            assert_eq!((pack_nanos(nanos), unpack_nanos(packed)), (packed, Some(nanos)));
        }
        assert_eq!(unpack_nanos(1_000_000_000 << 3), None);
        assert_eq!(unpack_nanos(-1), None);
    }

    #[test]
    fn zones_are_named_as_java_names_them() {
        assert_eq!(Zone::of("GMT+01:30"), Ok(Zone::Fixed { seconds: 5400 }));
        assert_eq!(Zone::of("-08:00"), Ok(Zone::Fixed { seconds: -28_800 }));
        let vienna = Zone::of("Europe/Vienna").unwrap();
        assert_eq!((vienna.base(), vienna.read(1_625_097_600, 0)), (BASE_SECONDS - 3600, Some((1_625_104_800_000, 0))));
        assert!(Zone::of("Mars/Olympus").unwrap_err().contains("'Mars/Olympus'"));
    }
}
