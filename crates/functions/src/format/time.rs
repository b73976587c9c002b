//! Dates, times and intervals as text.

use std::fmt::Write;

use super::{put, put_fmt};
use crate::time::civil::{DAY_MS, Date, HOUR_MS, MINUTE_MS};

/// Two digits.
fn put2(out: &mut dyn Write, value: i64) {
    let value = value.clamp(0, 99) as u8;
    let digits = [b'0' + value / 10, b'0' + value % 10];
    put(out, std::str::from_utf8(&digits).unwrap_or_default());
}

fn put4(out: &mut dyn Write, value: i64) {
    match value {
        0..=9999 => {
            put2(out, value / 100);
            put2(out, value % 100);
        }
        _ => put_fmt(out, format_args!("{value:04}")),
    }
}

/// `2020-02-29`
pub(crate) fn write_date(days: i64, out: &mut dyn Write) {
    let date = Date::of_days(days);
    put4(out, date.year);
    put(out, "-");
    put2(out, date.month);
    put(out, "-");
    put2(out, date.day);
}

fn write_clock(millis: i64, out: &mut dyn Write) {
    put2(out, millis / HOUR_MS);
    put(out, ":");
    put2(out, millis / MINUTE_MS % 60);
    put(out, ":");
    put2(out, millis / 1000 % 60);
}

/// `12:34:56`, with a fraction if the type has one: trailing zeros are cut but for one digit.
pub(crate) fn write_time(millis: i64, precision: u8, out: &mut dyn Write) {
    write_clock(millis, out);
    if precision == 0 {
        return;
    }
    let digits = [b'0' + (millis % 1000 / 100) as u8, b'0' + (millis % 100 / 10) as u8, b'0' + (millis % 10) as u8];
    let shown = usize::from(precision.min(3));
    let len = (1..=shown).rev().find(|&n| n == 1 || digits[n - 1] != b'0').unwrap_or(1);
    put(out, ".");
    put(out, std::str::from_utf8(&digits[..len]).unwrap_or_default());
}

/// `2020-02-29 12:34:56.700`: all digits of the precision.
pub(crate) fn write_timestamp(local_millis: i64, nanos: i32, precision: u8, out: &mut dyn Write) {
    write_date(local_millis.div_euclid(DAY_MS), out);
    put(out, " ");
    let within_day = local_millis.rem_euclid(DAY_MS);
    write_clock(within_day, out);
    if precision > 0 {
        put(out, ".");
        put(out, fraction(within_day, nanos, &mut [0; 9], usize::from(precision)));
    }
}

/// The first digits of the fraction of a second.
fn fraction(millis: i64, nanos: i32, buffer: &mut [u8; 9], digits: usize) -> &str {
    let mut rest = millis.rem_euclid(1000) * 1_000_000 + i64::from(nanos);
    for digit in buffer.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    std::str::from_utf8(&buffer[..digits.min(9)]).unwrap_or_default()
}

/// `LocalTime.toString`: seconds only if not 0, a fraction in groups of three.
pub(crate) fn write_java_time(millis: i64, nanos: i32, out: &mut dyn Write) {
    let millis = millis.rem_euclid(DAY_MS);
    put2(out, millis / HOUR_MS);
    put(out, ":");
    put2(out, millis / MINUTE_MS % 60);
    write_java_seconds(millis, nanos, false, out);
}

fn write_java_seconds(millis: i64, nanos: i32, always: bool, out: &mut dyn Write) {
    let (seconds, part) = (millis / 1000 % 60, millis % 1000);
    if !always && seconds == 0 && part == 0 && nanos == 0 {
        return;
    }
    put(out, ":");
    put2(out, seconds);
    let digits = match (part, nanos) {
        (0, 0) => return,
        (_, 0) => 3,
        (_, n) if n % 1000 == 0 => 6,
        _ => 9,
    };
    put(out, ".");
    put(out, fraction(part, nanos, &mut [0; 9], digits));
}

/// `LocalDateTime.toString`, or with local time zone `Instant.toString`: UTC, seconds always, `Z`.
pub(crate) fn write_java_timestamp(millis: i64, nanos: i32, instant: bool, out: &mut dyn Write) {
    write_date(millis.div_euclid(DAY_MS), out);
    put(out, "T");
    let within_day = millis.rem_euclid(DAY_MS);
    match instant {
        false => write_java_time(within_day, nanos, out),
        true => {
            put2(out, within_day / HOUR_MS);
            put(out, ":");
            put2(out, within_day / MINUTE_MS % 60);
            write_java_seconds(within_day, nanos, true, out);
            put(out, "Z");
        }
    }
}

/// `2020-02-29T12:34:56.7`: seconds always, a fraction without the zeros at its end, `Z` for an instant.
pub(crate) fn write_iso_timestamp(millis: i64, nanos: i32, instant: bool, out: &mut dyn Write) {
    write_date(millis.div_euclid(DAY_MS), out);
    put(out, "T");
    let within_day = millis.rem_euclid(DAY_MS);
    write_clock(within_day, out);
    let mut buffer = [0; 9];
    let fraction = fraction(within_day, nanos, &mut buffer, 9).trim_end_matches('0');
    if !fraction.is_empty() {
        put(out, ".");
        put(out, fraction);
    }
    put(out, if instant { "Z" } else { "" });
}

/// `+1-02`, or Java's `P1Y2M`.
pub(crate) fn write_months(months: i64, java: bool, out: &mut dyn Write) {
    let (years, rest) = (months / 12, months % 12);
    if java {
        return match (years, rest) {
            (0, 0) => put(out, "P0D"),
            (0, m) => put_fmt(out, format_args!("P{m}M")),
            (y, 0) => put_fmt(out, format_args!("P{y}Y")),
            (y, m) => put_fmt(out, format_args!("P{y}Y{m}M")),
        };
    }
    put_fmt(out, format_args!("{}{}-{:02}", if months < 0 { '-' } else { '+' }, years.abs(), rest.abs()));
}

/// `+1 02:03:04.567`, or Java's `PT26H3M4.567S`.
pub(crate) fn write_day_time(millis: i64, java: bool, out: &mut dyn Write) {
    if java {
        return write_duration(millis, out);
    }
    put(out, if millis < 0 { "-" } else { "+" });
    let size = millis.unsigned_abs() as i128;
    put_fmt(out, format_args!("{} ", size / i128::from(DAY_MS)));
    let within_day = (size % i128::from(DAY_MS)) as i64;
    write_clock(within_day, out);
    put_fmt(out, format_args!(".{:03}", within_day % 1000));
}

/// `Duration.toString`: every part has the sign.
fn write_duration(millis: i64, out: &mut dyn Write) {
    if millis == 0 {
        return put(out, "PT0S");
    }
    let (hours, minutes, rest) = (millis / HOUR_MS, millis / MINUTE_MS % 60, millis % MINUTE_MS);
    put(out, "PT");
    if hours != 0 {
        put_fmt(out, format_args!("{hours}H"));
    }
    if minutes != 0 {
        put_fmt(out, format_args!("{minutes}M"));
    }
    if rest != 0 {
        let (seconds, part) = (rest / 1000, rest % 1000);
        let sign = if rest < 0 && seconds == 0 { "-" } else { "" };
        put_fmt(out, format_args!("{sign}{seconds}"));
        if part != 0 {
            let digits = format!("{:03}", part.abs());
            put_fmt(out, format_args!(".{}", digits.trim_end_matches('0')));
        }
        put(out, "S");
    }
}
