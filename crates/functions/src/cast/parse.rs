//! Text to dates and times.

use arrow_array::{Array, ArrayRef, Date32Array, Time32MillisecondArray};
use arrow_buffer::NullBuffer;
use flott_api::{Error, Result, TypeKind};

use super::{Cast, Mode, arc, bad_text, parsed, strings};
use crate::time::civil::{DAY_MS, Date, HOUR_MS, MINUTE_MS, days_of_month};
use crate::time::moments::Moments;
use crate::time::zone::{Zone, ZoneCache};

/// The cast of a text to a date, time or timestamp.
pub(super) fn from_text(to: &TypeKind, mode: Mode) -> Result<Cast> {
    let lenient = mode.lenient;
    Ok(match to {
        TypeKind::Date => Box::new(move |a| {
            let why = |t: &str| format!("for input string: '{t}': no date");
            Ok(arc(parsed::<_, Date32Array>(a, lenient, read_date, why)?))
        }),
        TypeKind::Time(precision) => {
            let precision = *precision;
            Box::new(move |a| {
                let why = |t: &str| format!("invalid time format: '{t}'. Expected format: HH:mm:ss[.fff]");
                Ok(arc(parsed::<_, Time32MillisecondArray>(a, lenient, |t| read_time(t, precision), why)?))
            })
        }
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            let to = to.clone();
            let zone = matches!(to, TypeKind::TimestampLtz(_)).then_some(mode.zone);
            Box::new(move |a| timestamps(a, &to, zone, lenient))
        }
        other => return Err(Error::internal(format!("{other} is no time"))),
    })
}

fn timestamps(array: &ArrayRef, to: &TypeKind, zone: Option<Zone>, lenient: bool) -> Result<ArrayRef> {
    let texts = strings(array)?;
    let mut zone = zone.map(ZoneCache::new);
    let (mut millis, mut nanos) = (Vec::with_capacity(texts.len()), Vec::with_capacity(texts.len()));
    let mut valid = Vec::with_capacity(texts.len());
    // A text is cut as it stands, also before 1970; a timestamp would be cut towards it.
    let step = match to {
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => 10_i64.pow(3 - u32::from(*p).min(3)),
        _ => 1,
    };
    for text in texts {
        let read = text.and_then(read_timestamp);
        if let (None, Some(text), false) = (read, text, lenient) {
            return Err(bad_text(text, format!("text '{text}' could not be parsed as {to}")));
        }
        valid.push(read.is_some());
        let (local, nano) = read.unwrap_or((0, 0));
        let local = local - local.rem_euclid(step);
        millis.push(zone.as_mut().map_or(local, |z| z.utc(local)));
        nanos.push(nano);
    }
    let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
    Moments { millis: millis.into(), nanos: Some(nanos.into()), nulls }.write(to)
}

fn number(text: &str, digits_max: usize) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.bytes().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
}

/// `2020-2-9`, `2020-02`, `2020`; what follows a blank is ignored.
pub(crate) fn read_date(text: &str) -> Option<i32> {
    let text = match text.find(' ') {
        Some(end) if end > 0 => &text[..end],
        _ => text,
    };
    let mut parts = text.splitn(3, '-').map(|part| number(part.trim_matches(' '), 9));
    let year = parts.next()??;
    let month = parts.next().unwrap_or(Some(1))?;
    let day = parts.next().unwrap_or(Some(1))?;
    let date = Date { year, month, day };
    (year <= 9999 && date.exists()).then(|| date.days() as i32)
}

/// `12`, `12:34`, `1:2:3`, `12:34:56.789`; digits beyond the precision are cut, after the fourth one has rounded the third.
pub(crate) fn read_time(text: &str, precision: u8) -> Option<i32> {
    let text = text.trim_matches(' ');
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.splitn(3, ':').map(|part| number(part, 2));
    let hour = parts.next()??;
    let minute = parts.next().unwrap_or(Some(0))?;
    let second = parts.next().unwrap_or(Some(0))?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let rounded = (read_fraction(fraction)? + 500_000) / 1_000_000;
    let step = 10_i64.pow(3 - u32::from(precision.min(3)));
    // Flink's rounding goes on to 24:00:00, which is no time.
    let millis = (hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + rounded).min(DAY_MS - 1);
    Some((millis / step * step) as i32)
}

/// Up to nine digits as nanoseconds.
fn read_fraction(digits: &str) -> Option<i64> {
    if digits.is_empty() {
        return Some(0);
    }
    Some(number(digits, 9)? * 10_i64.pow(9 - digits.len() as u32))
}

/// `2020-2-9 1:2:3.456`, or a date alone: local milliseconds, and nanoseconds within the last.
///
/// A day up to 31 that the month does not have becomes its last; `24:00:00` is the next midnight.
pub(crate) fn read_timestamp(text: &str) -> Option<(i64, i32)> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let days = read_strict_date(date)?;
    let (millis, nanos) = time.map_or(Some((0, 0)), read_clock)?;
    Some((days * DAY_MS + millis, nanos))
}

fn read_strict_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next().filter(|y| y.len() == 4).and_then(|y| number(y, 4)).filter(|y| *y > 0)?;
    let month = number(parts.next()?, 2).filter(|m| (1..=12).contains(m))?;
    let day = number(parts.next()?, 2).filter(|d| (1..=31).contains(d))?;
    Some(Date { year, month, day: day.min(days_of_month(year, month)) }.days())
}

fn read_clock(text: &str) -> Option<(i64, i32)> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, read_fraction(fraction)?),
        None => (text, 0),
    };
    let mut parts = clock.splitn(3, ':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let midnight = hour == 24 && minute == 0 && second == 0 && fraction == 0;
    if !midnight && (hour > 23 || minute > 59 || second > 59) {
        return None;
    }
    let millis = hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + fraction / 1_000_000;
    Some((millis, (fraction % 1_000_000) as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_read_as_flink_reads_them() {
        let day = |y, m, d| Some(Date { year: y, month: m, day: d }.days() as i32);
        assert_eq!(read_date(" 2020-2-9"), day(2020, 2, 9));
        assert_eq!(read_date("2020-02"), day(2020, 2, 1));
        assert_eq!(read_date("2020-02-29 12:00:00"), day(2020, 2, 29));
        assert_eq!(read_date("2021-02-29"), None);
        assert_eq!(read_date("2020-02-29T12:00:00"), None);
        assert_eq!(read_date("-0001-01-01"), None);
        assert_eq!(read_time("1:2:3", 0), Some(3_723_000));
        assert_eq!(read_time("12:34:56.789", 0), Some(45_296_000));
        assert_eq!(read_time("12:34:56.7895", 3), Some(45_296_790));
        assert_eq!(read_time("12:34:56.9995", 0), Some(45_297_000));
        assert_eq!(read_time("23:59:59.9999999", 3), Some(86_399_999));
        assert_eq!(read_time("24:00:00", 0), None);
    }

    #[test]
    fn timestamps_are_strict_but_for_the_last_days() {
        let at = read_timestamp;
        assert_eq!(at("1970-1-2 0:0:0.0000005"), Some((DAY_MS, 500)));
        assert_eq!(at("2021-02-29 00:00:00"), at("2021-02-28"));
        assert_eq!(at("2020-02-29 24:00:00"), at("2020-03-01"));
        for bad in [
            "2020-02-29T12:34:56",
            "2020-02-29 12:34",
            " 2020-02-29",
            "12:34:56",
            "",
            "2020-02-29 12:34:56Z",
            "0000-01-01",
        ] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
