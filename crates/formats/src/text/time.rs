//! Dates, times and timestamps as Flink's formats write and read them.

/// A point on the time line (or on a wall clock without a zone): seconds since the epoch and nanoseconds within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since the epoch.
    pub seconds: i64,
    /// 0 to 999 999 999.
    pub nanos: u32,
}

const DAY_SECONDS: i64 = 86_400;

impl Moment {
    /// Milliseconds since the epoch, cut; nothing if they do not fit: a year may have nine digits.
    pub fn millis(self) -> Option<i64> {
        self.seconds.checked_mul(1000)?.checked_add(i64::from(self.nanos / 1_000_000))
    }

    /// Microseconds since the epoch, cut; nothing if they do not fit.
    pub fn micros(self) -> Option<i64> {
        self.seconds.checked_mul(1_000_000)?.checked_add(i64::from(self.nanos / 1000))
    }

    /// The moment without fraction digits beyond `precision`.
    #[must_use]
    pub fn cut(self, precision: u8) -> Self {
        let unit = 10_u32.pow(9 - u32::from(precision.min(9)));
        Moment { nanos: self.nanos - self.nanos % unit, ..self }
    }
}

/// Days since the epoch of a date of the proleptic Gregorian calendar. Months count from 1; days may run over.
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (i64::from(month) + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day since the epoch.
pub(crate) fn date_of(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

/// The length of a month.
fn month_days(year: i64, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Takes `digits` digits from the front.
#[inline]
fn take_number(text: &mut &[u8], digits: usize) -> Option<u32> {
    let (number, rest) = text.split_at_checked(digits)?;
    let mut value = 0;
    for byte in number {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u32::from(digit);
    }
    *text = rest;
    Some(value)
}

#[inline]
fn take_byte(text: &mut &[u8], expected: u8) -> Option<()> {
    let (first, rest) = text.split_first()?;
    *text = rest;
    (*first == expected).then_some(())
}

/// `yyyy-MM-dd`; a year may have a sign, and more than four digits with a `+`.
fn take_date(text: &mut &[u8]) -> Option<(i64, u32, u32)> {
    let sign = match text.first()? {
        b'-' => -1,
        b'+' => 1,
        _ => 0,
    };
    if sign != 0 {
        *text = &text[1..];
    }
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(4..=9).contains(&digits) || (digits > 4 && sign == 0) {
        return None;
    }
    let year = i64::from(take_number(text, digits)?) * if sign < 0 { -1 } else { 1 };
    take_byte(text, b'-')?;
    let month = take_number(text, 2)?;
    take_byte(text, b'-')?;
    let day = take_number(text, 2)?;
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some((year, month, day))
}

/// The fraction after a point: up to nine digits, also none.
fn take_fraction(text: &mut &[u8]) -> u32 {
    let [b'.', rest @ ..] = text else { return 0 };
    let digits = rest.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
    let mut fraction = rest;
    let value = take_number(&mut fraction, digits).unwrap_or(0);
    *text = fraction;
    value * 10_u32.pow(9 - digits as u32)
}

/// `yyyy-MM-dd`, strict.
pub(crate) fn iso_date(text: &[u8]) -> Option<i32> {
    let mut rest = text;
    let (year, month, day) = take_date(&mut rest)?;
    let good = rest.is_empty() && day <= month_days(year, month);
    i32::try_from(days_of(year, month, day)).ok().filter(|_| good)
}

/// A date as `java.sql.Date.valueOf` reads it: `yyyy-[m]m-[d]d`, with days 29 to 31 running over into the next month.
pub(crate) fn sql_date(text: &[u8]) -> Option<i32> {
    let mut rest = text;
    let year = take_number(&mut rest, 4)?;
    take_byte(&mut rest, b'-')?;
    let month = take_short_number(&mut rest)?;
    take_byte(&mut rest, b'-')?;
    let day = take_short_number(&mut rest)?;
    let good = rest.is_empty() && (1..=12).contains(&month) && (1..=31).contains(&day);
    i32::try_from(days_of(i64::from(year), month, day)).ok().filter(|_| good)
}

fn take_short_number(text: &mut &[u8]) -> Option<u32> {
    let digits = text.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 { None } else { take_number(text, digits) }
}

/// `HH:mm[:ss[.fff]]` in milliseconds, cut to `precision`; `zulu` wants a `Z` behind it.
pub(crate) fn iso_time(text: &[u8], precision: u8, zulu: bool) -> Option<i32> {
    let mut rest = text;
    let hour = take_number(&mut rest, 2)?;
    take_byte(&mut rest, b':')?;
    let minute = take_number(&mut rest, 2)?;
    let (mut second, mut nanos) = (0, 0);
    if rest.first() == Some(&b':') {
        rest = &rest[1..];
        second = take_number(&mut rest, 2)?;
        nanos = take_fraction(&mut rest);
    }
    if zulu {
        take_byte(&mut rest, b'Z')?;
    }
    if !rest.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = Moment { seconds: 0, nanos }.cut(precision).nanos;
    Some(((hour * 60 + minute) * 60 + second) as i32 * 1000 + (nanos / 1_000_000) as i32)
}

/// What a timestamp's text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// What stands between date and time.
    pub(crate) separator: u8,
    /// Whether there is a `Z` at the end.
    pub(crate) zulu: bool,
    /// Whether the seconds may be left out, and the day must exist (ISO 8601).
    pub(crate) strict: bool,
}

/// `yyyy-MM-dd HH:mm:ss[.fffffffff]`. Unless strict, a day that the month does not have is its last one, and
/// `24:00:00` is the start of the next day.
pub(crate) fn timestamp(text: &[u8], shape: Shape) -> Option<Moment> {
    let mut rest = text;
    let (year, month, day) = take_date(&mut rest)?;
    take_byte(&mut rest, shape.separator)?;
    let hour = take_number(&mut rest, 2)?;
    take_byte(&mut rest, b':')?;
    let minute = take_number(&mut rest, 2)?;
    let (mut second, mut nanos) = (0, 0);
    if !shape.strict || rest.first() == Some(&b':') {
        take_byte(&mut rest, b':')?;
        second = take_number(&mut rest, 2)?;
        nanos = take_fraction(&mut rest);
    }
    if shape.zulu {
        take_byte(&mut rest, b'Z')?;
    }
    let midnight = hour == 24 && minute == 0 && second == 0 && nanos == 0 && !shape.strict;
    let last = month_days(year, month);
    if !rest.is_empty() || (hour > 23 && !midnight) || minute > 59 || second > 59 || (shape.strict && day > last) {
        return None;
    }
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Some(Moment { seconds: days_of(year, month, day.min(last)) * DAY_SECONDS + seconds, nanos })
}

/// `yyyy-[m]m-[d]d[ [h]h:[m]m:[s]s[.fffffffff]]`, as Flink reads a time that no format is given for. A day that the month
/// does not have is its last one.
pub(crate) fn short_timestamp(text: &[u8]) -> Option<Moment> {
    let mut rest = text;
    let year = i64::from(take_number(&mut rest, 4)?);
    take_byte(&mut rest, b'-')?;
    let month = take_short_number(&mut rest).filter(|m| (1..=12).contains(m))?;
    take_byte(&mut rest, b'-')?;
    let day = take_short_number(&mut rest).filter(|d| (1..=31).contains(d))?;
    let (mut seconds, mut nanos) = (0, 0);
    if !rest.is_empty() {
        take_byte(&mut rest, b' ')?;
        let hour = take_short_number(&mut rest)?;
        take_byte(&mut rest, b':')?;
        let minute = take_short_number(&mut rest)?;
        take_byte(&mut rest, b':')?;
        let second = take_short_number(&mut rest)?;
        nanos = take_fraction(&mut rest);
        let midnight = hour == 24 && minute == 0 && second == 0 && nanos == 0;
        if !rest.is_empty() || (hour > 23 && !midnight) || minute > 59 || second > 59 {
            return None;
        }
        seconds = i64::from((hour * 60 + minute) * 60 + second);
    }
    let day = day.min(month_days(year, month));
    Some(Moment { seconds: days_of(year, month, day) * DAY_SECONDS + seconds, nanos })
}

/// Appends a year as Java does: at least four digits, a `+` before more.
fn write_year(year: i64, out: &mut Vec<u8>) {
    match year {
        ..0 => out.push(b'-'),
        10_000.. => out.push(b'+'),
        _ => {}
    }
    let year = year.unsigned_abs();
    if year < 10_000 {
        write_padded::<4>(year as u32, out);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(year).as_bytes());
    }
}

/// Appends the last `WIDTH` digits.
fn write_padded<const WIDTH: usize>(value: u32, out: &mut Vec<u8>) {
    let mut digits = [b'0'; WIDTH];
    let mut value = value;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Two digits.
fn two(value: u32) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

/// Appends `yyyy-MM-dd`.
pub(crate) fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = date_of(days);
    let ([m, n], [d, e]) = (two(month), two(day));
    match u32::try_from(year) {
        Ok(year @ ..10_000) => {
            let ([c, b], [x, y]) = (two(year / 100), two(year));
            out.extend_from_slice(&[c, b, x, y, b'-', m, n, b'-', d, e]);
        }
        _ => {
            write_year(year, out);
            out.extend_from_slice(&[b'-', m, n, b'-', d, e]);
        }
    }
}

/// Appends `HH:mm:ss[.f..]` with only as many fraction digits as it needs.
pub(crate) fn write_time(second_of_day: u32, nanos: u32, out: &mut Vec<u8>) {
    let ([h, i], [m, n]) = (two(second_of_day / 3600), two(second_of_day / 60 % 60));
    let [s, t] = two(second_of_day % 60);
    out.extend_from_slice(&[h, i, b':', m, n, b':', s, t]);
    if nanos > 0 {
        out.push(b'.');
        write_padded::<9>(nanos, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Appends a timestamp with only as many fraction digits as it needs.
pub fn write_timestamp(moment: Moment, separator: u8, zulu: bool, out: &mut Vec<u8>) {
    write_date(moment.seconds.div_euclid(DAY_SECONDS), out);
    out.push(separator);
    write_time(moment.seconds.rem_euclid(DAY_SECONDS) as u32, moment.nanos, out);
    if zulu {
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: Shape = Shape { separator: b' ', zulu: false, strict: false };

    fn round(text: &str) -> Option<String> {
        let mut out = Vec::new();
        write_timestamp(timestamp(text.as_bytes(), SQL)?, b' ', false, &mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn timestamps_read_as_flink_reads_them() {
        let cases = [
            ("2020-02-29 12:34:56", Some("2020-02-29 12:34:56")),
            ("2020-02-29 12:34:56.1", Some("2020-02-29 12:34:56.1")),
            ("2020-02-29 12:34:56.123456789", Some("2020-02-29 12:34:56.123456789")),
            ("2020-02-29 12:34:56.1234567891", None),
            ("2020-02-29 12:34", None),
            ("2020-02-29", None),
            ("2020-02-29T12:34:56", None),
            ("2020-2-9 1:2:3", None),
            ("2021-02-29 12:34:56", Some("2021-02-28 12:34:56")),
            ("2020-02-29 24:00:00", Some("2020-03-01 00:00:00")),
            ("2020-02-29 24:00:01", None),
            ("10000-01-01 00:00:00", None),
            ("+10000-01-01 00:00:00", Some("+10000-01-01 00:00:00")),
            ("-0001-01-01 00:00:00", Some("-0001-01-01 00:00:00")),
            ("1969-12-31 23:59:59.5", Some("1969-12-31 23:59:59.5")),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(round(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn short_timestamps_read_as_flink_reads_them() {
        let second = |text: &str| short_timestamp(text.as_bytes()).map(|m| (m.seconds, m.nanos));
        assert_eq!(second("2020-05-13 15:40:06.000000"), Some((1_589_384_406, 0)));
        assert_eq!(second("2020-05-13 15:40:06.1"), Some((1_589_384_406, 100_000_000)));
        assert_eq!(second("2020-05-13"), Some((1_589_328_000, 0)));
        assert_eq!(second("2020-02-30 15:40:06"), Some((1_582_990_806, 0)));
        assert_eq!(second("2020-5-3 15:40:06"), Some((1_588_520_406, 0)));
        assert_eq!(second("2020-05-13 5:40:06"), Some((1_589_348_406, 0)));
        assert_eq!(second("2020-05-13 24:00:00"), Some((1_589_414_400, 0)));
        for text in ["2020-05-13T15:40:06", "2020-05-13 15:40", "2020-05-13 15:40:06Z", " 2020-05-13", "x", ""] {
            assert_eq!(second(text), None, "{text}");
        }
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(sql_date(b"2021-02-29"), iso_date(b"2021-03-01"));
        assert_eq!(sql_date(b"2020-2-9"), iso_date(b"2020-02-09"));
        assert_eq!(iso_date(b"2021-02-29"), None);
        assert_eq!(iso_date(b"1970-01-01"), Some(0));
        assert_eq!(sql_date(b" 2020-02-29 "), None);
        assert_eq!(iso_time(b"12:34", 0, false), Some(45_240_000));
        assert_eq!(iso_time(b"12:34:56.7891", 3, false), Some(45_296_789));
        assert_eq!(iso_time(b"12:34:56.789", 0, false), Some(45_296_000));
        assert_eq!(iso_time(b"24:00:00", 0, false), None);
        assert_eq!(iso_time(b"1:2:3", 0, false), None);
    }

    #[test]
    fn every_day_of_a_long_time_converts_both_ways() {
        for days in (-1_000_000..1_000_000).step_by(17) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
    }
}
