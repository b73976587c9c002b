//! Patterns of dates and times (`yyyy-MM-dd HH:mm:ss.SSS`), for writing and reading, as Java's
//! formatters have them. A letter that is not supported is refused.

use std::fmt::Write;
use std::ops::Range;

use flott_api::{Error, Result};

use super::civil::{DAY_MS, Date, HOUR_MS, MINUTE_MS, days_of_month, weekday};
use crate::format::put;
use crate::operand::TextWriter;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Year(usize),
    Month(usize),
    /// A month's name; short or long.
    MonthName(bool),
    Day(usize),
    DayOfYear(usize),
    WeekdayName(bool),
    Hour24(usize),
    Hour12(usize),
    /// 1 to 24.
    HourFrom1(usize),
    /// 0 to 11.
    Hour12From0(usize),
    Quarter(usize),
    Minute(usize),
    Second(usize),
    /// The first digits of the fraction of a second.
    Fraction(usize),
    AmPm,
}

/// A pattern that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Understands a pattern.
    pub(crate) fn parse(pattern: &str) -> Result<Pattern> {
        let mut pieces = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                pieces.push(Piece::Text(quoted(&mut chars)));
                continue;
            }
            if !c.is_ascii_alphabetic() {
                pieces.push(Piece::Text(c.to_string()));
                continue;
            }
            let mut count = 1;
            while chars.next_if_eq(&c).is_some() {
                count += 1;
            }
            pieces.push(letter(c, count).ok_or_else(|| {
                Error::unsupported(format!("letter '{c}' of the date pattern '{pattern}'"))
                    .with_hint("Supported letters are y, Q, M, d, D, E, H, h, k, K, m, s, S and a.")
            })?);
        }
        Ok(Pattern { pieces })
    }

    /// Writes a local time.
    pub(crate) fn write(&self, millis: i64, nanos: i32, out: &mut dyn Write) {
        let days = millis.div_euclid(DAY_MS);
        let (date, within_day) = (Date::of_days(days), millis.rem_euclid(DAY_MS));
        let hour = within_day / HOUR_MS;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => put(out, text),
                Piece::Year(2) => padded(out, date.year.rem_euclid(100), 2),
                Piece::Year(width) => padded(out, date.year, *width),
                Piece::Month(width) => padded(out, date.month, *width),
                Piece::MonthName(long) => put(out, name(MONTHS[(date.month - 1) as usize], *long)),
                Piece::Day(width) => padded(out, date.day, *width),
                Piece::DayOfYear(width) => padded(out, date.day_of_year(), *width),
                Piece::WeekdayName(long) => put(out, name(WEEKDAYS[weekday(days) as usize], *long)),
                Piece::Hour24(width) => padded(out, hour, *width),
                Piece::Hour12(width) => padded(out, (hour + 11) % 12 + 1, *width),
                Piece::HourFrom1(width) => padded(out, (hour + 23) % 24 + 1, *width),
                Piece::Hour12From0(width) => padded(out, hour % 12, *width),
                Piece::Quarter(width) => padded(out, (date.month + 2) / 3, *width),
                Piece::Minute(width) => padded(out, within_day / MINUTE_MS % 60, *width),
                Piece::Second(width) => padded(out, within_day / 1000 % 60, *width),
                Piece::Fraction(width) => {
                    let nanos = within_day % 1000 * 1_000_000 + i64::from(nanos);
                    padded(out, nanos / 10_i64.pow(9 - *width as u32), *width);
                }
                Piece::AmPm => put(out, if hour < 12 { "AM" } else { "PM" }),
            }
        }
    }

    /// For how long a text stays the same, at most, from a multiple of that on; none if every moment has its own.
    fn unit_ms(&self) -> Option<i64> {
        let unit = |piece: &Piece| match piece {
            Piece::Fraction(_) => None,
            Piece::Second(_) => Some(1000),
            Piece::Minute(_) => Some(MINUTE_MS),
            Piece::Hour24(_) | Piece::Hour12(_) | Piece::HourFrom1(_) | Piece::Hour12From0(_) | Piece::AmPm => {
                Some(HOUR_MS)
            }
            _ => Some(DAY_MS),
        };
        self.pieces.iter().map(unit).try_fold(DAY_MS, |finest, unit| Some(finest.min(unit?)))
    }

    /// Reads a whole text: local milliseconds and nanoseconds within the last. Java's
    /// `DateTimeFormatter`.
    pub(crate) fn read(&self, text: &str) -> Option<(i64, i32)> {
        let reader = self.reader(text, false)?;
        reader.rest.is_empty().then(|| reader.found.moment())?
    }

    /// Reads the beginning of a text. Numbers may be of any length and beyond their range: month 13
    /// is January of the next year. Java's `SimpleDateFormat`.
    pub(crate) fn read_leniently(&self, text: &str) -> Option<i64> {
        Some(self.reader(text, true)?.found.lenient_millis())
    }

    fn reader<'t>(&self, text: &'t str, lenient: bool) -> Option<Reader<'t>> {
        let mut reader = Reader { rest: text, found: Found::default(), lenient };
        for (i, piece) in self.pieces.iter().enumerate() {
            // A number directly before another one takes no more digits than it has letters.
            let adjacent = self.pieces.get(i + 1).is_some_and(|next| !matches!(next, Piece::Text(_) | Piece::AmPm));
            reader.piece(piece, adjacent)?;
        }
        Some(reader)
    }
}

/// Writes times in the order of rows. Neighbours mostly show the same minute or day: the text is copied then.
pub(crate) struct Repeating<'p> {
    pattern: &'p Pattern,
    unit_ms: Option<i64>,
    /// The times that the text of the last row stands for, and where it lies.
    shown: Range<i64>,
    written: Range<usize>,
}

impl<'p> Repeating<'p> {
    /// Nothing is written yet.
    pub(crate) fn new(pattern: &'p Pattern) -> Self {
        Repeating { pattern, unit_ms: pattern.unit_ms(), shown: 0..0, written: 0..0 }
    }

    /// Writes a local time as a row of its own.
    #[inline]
    pub(crate) fn write(&mut self, millis: i64, nanos: i32, out: &mut TextWriter) {
        if self.shown.contains(&millis) {
            return out.push_again(self.written.clone());
        }
        let start = out.place();
        self.pattern.write(millis, nanos, out);
        self.written = start..out.place();
        let from = self.unit_ms.and_then(|unit| Some((unit, millis.checked_sub(millis.rem_euclid(unit))?)));
        self.shown = from.map_or(0..0, |(unit, from)| from..from.saturating_add(unit));
    }
}

/// A number with at least so many characters.
fn padded(out: &mut dyn Write, value: i64, width: usize) {
    const ZEROS: &str = "00000000000000000000";
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value.unsigned_abs());
    if value < 0 {
        put(out, "-");
    }
    put(out, &ZEROS[..width.saturating_sub(digits.len() + usize::from(value < 0)).min(ZEROS.len())]);
    put(out, digits);
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    if chars.next_if_eq(&'\'').is_some() {
        return "'".into();
    }
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => text.push('\''),
            '\'' => break,
            c => text.push(c),
        }
    }
    text
}

fn letter(c: char, count: usize) -> Option<Piece> {
    let small = count <= 2;
    Some(match c {
        'y' | 'u' if count <= 4 => Piece::Year(count),
        'M' | 'L' if small => Piece::Month(count),
        'M' | 'L' if count <= 4 => Piece::MonthName(count == 4),
        'd' if small => Piece::Day(count),
        'D' if count <= 3 => Piece::DayOfYear(count),
        'E' if count <= 4 => Piece::WeekdayName(count == 4),
        'H' if small => Piece::Hour24(count),
        'h' if small => Piece::Hour12(count),
        'k' if small => Piece::HourFrom1(count),
        'K' if small => Piece::Hour12From0(count),
        'Q' | 'q' if small => Piece::Quarter(count),
        'm' if small => Piece::Minute(count),
        's' if small => Piece::Second(count),
        'S' if count <= 9 => Piece::Fraction(count),
        'a' if count == 1 => Piece::AmPm,
        _ => return None,
    })
}

fn name(full: &'static str, long: bool) -> &'static str {
    if long { full } else { &full[..3] }
}

/// From here on two digits mean the last century where Java's `SimpleDateFormat` reads: it takes the
/// years from 80 before to 20 after now, here 2026.
const LENIENT_CENTURY_END: i64 = 46;

/// The parts that a text had.
struct Found {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    hour12: Option<i64>,
    afternoon: bool,
    minute: i64,
    second: i64,
    nanos: i64,
}

impl Default for Found {
    fn default() -> Self {
        Found {
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            hour: 0,
            hour12: None,
            afternoon: false,
            minute: 0,
            second: 0,
            nanos: 0,
        }
    }
}

impl Found {
    fn hour(&self) -> i64 {
        match self.hour12 {
            Some(hour) => hour % 12 + if self.afternoon { 12 } else { 0 },
            None => self.hour,
        }
    }

    fn lenient_millis(&self) -> i64 {
        let start = Date { year: self.year, month: 1, day: 1 };
        let days = match self.day_of_year {
            Some(nth) => start.days() + nth - 1,
            None => start.plus_months(self.month - 1).days() + self.day - 1,
        };
        let clock = self.hour() * HOUR_MS + self.minute * MINUTE_MS + self.second * 1000;
        days * DAY_MS + clock + self.nanos / 1_000_000
    }

    fn moment(&self) -> Option<(i64, i32)> {
        let hour = self.hour();
        let in_range = (1..=12).contains(&self.month) && (1..=31).contains(&self.day);
        if !in_range || hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let day = self.day.min(days_of_month(self.year, self.month));
        let date = Date { year: self.year, month: self.month, day };
        let days = match self.day_of_year {
            Some(nth) => Date { month: 1, day: 1, ..date }.days() + nth - 1,
            None => date.days(),
        };
        let clock = hour * HOUR_MS + self.minute * MINUTE_MS + self.second * 1000;
        Some((days * DAY_MS + clock + self.nanos / 1_000_000, (self.nanos % 1_000_000) as i32))
    }
}

struct Reader<'t> {
    rest: &'t str,
    found: Found,
    lenient: bool,
}

impl Reader<'_> {
    fn piece(&mut self, piece: &Piece, adjacent: bool) -> Option<()> {
        match piece {
            Piece::Text(text) => self.rest = self.rest.strip_prefix(text.as_str())?,
            Piece::Year(2) => {
                let digits = self.rest.len();
                let year = self.number(2, self.lenient && !adjacent)?;
                self.found.year = match digits - self.rest.len() {
                    2 if self.lenient && year >= LENIENT_CENTURY_END => 1900 + year,
                    2 => 2000 + year,
                    _ => year,
                };
            }
            Piece::Year(width) => {
                self.found.year = self.number(*width, !adjacent && (self.lenient || *width < 4))?;
            }
            Piece::Month(width) => self.found.month = self.number(*width, !adjacent)?,
            Piece::MonthName(long) => self.found.month = self.name(&MONTHS, *long)? + 1,
            Piece::Day(width) => self.found.day = self.number(*width, !adjacent)?,
            Piece::DayOfYear(width) => self.found.day_of_year = Some(self.number(*width, !adjacent)?),
            Piece::WeekdayName(long) => drop(self.name(&WEEKDAYS, *long)?),
            Piece::Hour24(width) => self.found.hour = self.number(*width, !adjacent)?,
            Piece::Hour12(width) => self.found.hour12 = Some(self.number(*width, !adjacent)?),
            Piece::HourFrom1(width) => self.found.hour = self.number(*width, !adjacent)? % 24,
            Piece::Hour12From0(width) => self.found.hour12 = Some(self.number(*width, !adjacent)?),
            // It must be there, and says nothing that the month does not say better.
            Piece::Quarter(width) => drop(self.number(*width, !adjacent)?),
            Piece::Minute(width) => self.found.minute = self.number(*width, !adjacent)?,
            Piece::Second(width) => self.found.second = self.number(*width, !adjacent)?,
            Piece::Fraction(width) => {
                self.found.nanos = self.number(*width, false)? * 10_i64.pow(9 - *width as u32);
            }
            Piece::AmPm => {
                let (half, rest) = self.rest.split_at_checked(2)?;
                self.found.afternoon = half.eq_ignore_ascii_case("PM");
                (self.found.afternoon || half.eq_ignore_ascii_case("AM")).then_some(())?;
                self.rest = rest;
            }
        }
        Some(())
    }

    /// As many digits as letters; a single letter stands for any number of them.
    fn number(&mut self, width: usize, flexible: bool) -> Option<i64> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let taken = if flexible && (width == 1 || self.lenient) { digits.min(9) } else { width };
        if taken == 0 || digits < taken {
            return None;
        }
        let (number, rest) = self.rest.split_at(taken);
        self.rest = rest;
        number.parse().ok()
    }

    fn name(&mut self, names: &[&'static str], long: bool) -> Option<i64> {
        let index = names.iter().position(|n| self.rest.starts_with(name(n, long)))?;
        self.rest = &self.rest[name(names[index], long).len()..];
        Some(index as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_as_rust_does_it() {
        for value in [0, 7, -5, 42, -1234, 12_345, i64::MAX, i64::MIN] {
            for width in 0..10 {
                let mut out = String::new();
                padded(&mut out, value, width);
                assert_eq!(out, format!("{value:0width$}"));
            }
        }
    }

    #[test]
    fn what_repeats_is_what_would_be_written() {
        let moment = 1_582_979_696_789; // 2020-02-29 12:34:56.789
        for pattern in ["yyyy-MM-dd", "HH:mm", "h a", "ss", "ss.SSS", "D", "", "'x'"] {
            let pattern = Pattern::parse(pattern).unwrap();
            let mut repeating = Repeating::new(&pattern);
            let times =
                [0, 1, 210, 211, 3_210, 3_211, 63_211, 63_211, -1, 3_600_000, 86_400_000, 86_400_001, i64::MIN / 2];
            let times: Vec<i64> = times.into_iter().map(|t| moment + t).chain([-1, 0, 1, -DAY_MS]).collect();
            let mut out = TextWriter::new(times.len());
            for time in &times {
                repeating.write(*time, 0, &mut out);
                out.end(true).unwrap();
            }
            let written = out.finish().unwrap();
            let written: &arrow_array::StringArray = arrow_array::cast::AsArray::as_string(&written);
            for (time, text) in times.iter().zip(written) {
                let mut expected = String::new();
                pattern.write(*time, 0, &mut expected);
                assert_eq!(text, Some(expected.as_str()), "{pattern:?} of {time}");
            }
        }
    }

    #[test]
    fn patterns_write_and_read() {
        let moment = 1_582_979_696_789; // 2020-02-29 12:34:56.789
        for (pattern, expected) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2020-02-29 12:34:56.789"),
            ("dd.MM.yy h:mm a", "29.02.20 12:34 PM"),
            ("EEE, d MMMM yyyy 'at' H''", "Sat, 29 February 2020 at 12'"),
            ("yyyyMMdd", "20200229"),
            ("DDD", "060"),
        ] {
            let mut out = String::new();
            Pattern::parse(pattern).unwrap().write(moment, 0, &mut out);
            assert_eq!(out, expected);
        }
        let read = |pattern, text| Pattern::parse(pattern).unwrap().read(text);
        assert_eq!(read("yyyy-MM-dd HH:mm:ss.SSS", "2020-02-29 12:34:56.789"), Some((moment, 0)));
        assert_eq!(read("yyyyMMdd", "20200229"), Some((1_582_934_400_000, 0)));
        assert_eq!(read("d.M.yyyy", "9.2.1970"), Some((39 * DAY_MS, 0)));
        for bad in ["2020-02-29x", "2020-2-29", "", "2020-13-01"] {
            assert_eq!(read("yyyy-MM-dd", bad), None, "{bad}");
        }
        assert_eq!(
            Pattern::parse("ww").unwrap_err().message(),
            "letter 'w' of the date pattern 'ww' is not supported yet"
        );
    }
}
