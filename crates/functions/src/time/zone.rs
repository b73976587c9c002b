//! The session time zone: local time to UTC and back, by Java's rules for gaps and overlaps.

use chrono::{NaiveDateTime, Offset, TimeZone};
use flott_api::{Error, Result};

use super::civil::DAY_MS;

/// A time zone by name (`Europe/Berlin`) or offset (`GMT+08:00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// A constant offset in milliseconds; UTC is 0.
    Fixed(i64),
    Named(chrono_tz::Tz),
}

impl Zone {
    /// The zone that the option `table.local-time-zone` names.
    pub(crate) fn parse(name: &str) -> Result<Zone> {
        if matches!(name, "UTC" | "Z" | "GMT" | "Etc/UTC" | "UTC+00:00" | "GMT+00:00") {
            return Ok(Zone::Fixed(0));
        }
        if let Some(offset) = offset(name) {
            return Ok(Zone::Fixed(offset));
        }
        name.parse().map(Zone::Named).map_err(|_| {
            Error::invalid(format!("time zone '{name}' does not exist"))
                .with_hint("Use a name such as 'Europe/Berlin', or an offset such as 'GMT+08:00'.")
        })
    }
}

fn offset(name: &str) -> Option<i64> {
    let rest = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC")).unwrap_or(name);
    let (sign, rest) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minutes = hours * 60 + minutes;
    (hours >= 0 && (0..=18 * 60).contains(&minutes)).then_some(sign * minutes * 60_000)
}

/// Converts the times of one batch. It remembers the offset of the last day asked for, since the
/// times of a batch lie close together and a search in the zone's table per row is dear.
pub(crate) struct ZoneCache {
    zone: Zone,
    day: i64,
    /// The offset of the remembered day, if it holds from one end to the other.
    offset: Option<i64>,
}

impl ZoneCache {
    pub(crate) fn new(zone: Zone) -> Self {
        ZoneCache { zone, day: i64::MIN, offset: None }
    }

    /// The local time of a UTC time.
    #[inline]
    pub(crate) fn local(&mut self, utc: i64) -> i64 {
        utc.saturating_add(self.offset_at(utc))
    }

    /// The UTC time of a local time. In an overlap it is the earlier one; a time in a gap is moved
    /// on by the length of the gap.
    pub(crate) fn utc(&mut self, local: i64) -> i64 {
        // No offset is a day long, so the offsets a day before and after are those around a change.
        let before = self.offset_at(local.saturating_sub(DAY_MS));
        let after = self.offset_at(local.saturating_add(DAY_MS));
        let earlier = local.saturating_sub(before);
        if before == after || self.offset_at(earlier) == before {
            return earlier;
        }
        let later = local.saturating_sub(after);
        if self.offset_at(later) == after { later } else { earlier }
    }

    /// The same with the later time in an overlap, which is what Java's `Calendar` takes.
    pub(crate) fn utc_later(&mut self, local: i64) -> i64 {
        let before = self.offset_at(local.saturating_sub(DAY_MS));
        let after = self.offset_at(local.saturating_add(DAY_MS));
        let later = local.saturating_sub(after);
        if self.offset_at(later) == after { later } else { local.saturating_sub(before) }
    }

    #[inline]
    fn offset_at(&mut self, utc: i64) -> i64 {
        let tz = match self.zone {
            Zone::Fixed(offset) => return offset,
            Zone::Named(tz) => tz,
        };
        let day = utc.div_euclid(DAY_MS);
        if day != self.day {
            let start = lookup(tz, day.saturating_mul(DAY_MS));
            self.day = day;
            self.offset = (start == lookup(tz, day.saturating_add(1).saturating_mul(DAY_MS) - 1)).then_some(start);
        }
        self.offset.unwrap_or_else(|| lookup(tz, utc))
    }
}

/// Beyond the years that chrono knows, the zone counts as UTC.
fn lookup(tz: chrono_tz::Tz, utc: i64) -> i64 {
    match chrono::DateTime::from_timestamp_millis(utc) {
        Some(time) => offset_of(tz, &time.naive_utc()),
        None => 0,
    }
}

fn offset_of(tz: chrono_tz::Tz, utc: &NaiveDateTime) -> i64 {
    i64::from(tz.offset_from_utc_datetime(utc).fix().local_minus_utc()) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN_SUMMER_2024: i64 = 1_711_846_800_000; // 2024-03-31 01:00:00 UTC
    const BERLIN_WINTER_2024: i64 = 1_729_990_800_000; // 2024-10-27 01:00:00 UTC
    const HOUR: i64 = 3_600_000;

    fn berlin() -> ZoneCache {
        ZoneCache::new(Zone::parse("Europe/Berlin").unwrap())
    }

    #[test]
    fn a_gap_moves_on_and_an_overlap_takes_the_earlier() {
        let mut zone = berlin();
        // 02:30 does not exist and becomes 03:30, which is 01:30 UTC.
        assert_eq!(zone.utc(BERLIN_SUMMER_2024 + HOUR + HOUR / 2), BERLIN_SUMMER_2024 + HOUR / 2);
        assert_eq!(zone.local(BERLIN_SUMMER_2024), BERLIN_SUMMER_2024 + 2 * HOUR);
        // 02:30 comes twice; the first is summer time, 00:30 UTC.
        assert_eq!(zone.utc(BERLIN_WINTER_2024 + HOUR + HOUR / 2), BERLIN_WINTER_2024 - HOUR / 2);
    }

    #[test]
    fn unambiguous_times_come_back() {
        let mut zone = berlin();
        for i in 0..800 {
            let utc = BERLIN_SUMMER_2024 + (i - 400) * 5 * HOUR;
            let local = zone.local(utc);
            assert_eq!(local - utc, if utc < BERLIN_SUMMER_2024 { HOUR } else { 2 * HOUR });
            assert_eq!(zone.utc(local), utc);
        }
    }

    #[test]
    fn offsets_and_names_parse() {
        assert_eq!(Zone::parse("GMT+08:00").unwrap(), Zone::Fixed(8 * HOUR));
        assert_eq!(Zone::parse("-03:30").unwrap(), Zone::Fixed(-7 * HOUR / 2));
        assert_eq!(Zone::parse("Mars").unwrap_err().message(), "time zone 'Mars' does not exist");
    }
}
