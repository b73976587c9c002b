//! Days and microseconds as the texts that databases read.

const DAY_US: i64 = 86_400_000_000;

/// `1970-01-01` and the years around it, by the civil calendar.
pub(crate) fn date_text(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `12:30:00.000001`.
pub(crate) fn time_text(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:06}", seconds % 60, micros % 1_000_000)
}

/// `1970-01-01 12:30:00.000001`.
pub(crate) fn timestamp_text(micros: i64) -> String {
    format!("{} {}", date_text(micros.div_euclid(DAY_US)), time_text(micros.rem_euclid(DAY_US)))
}

/// Year, month and day of a day since 1970-01-01. The year begins in March, so that the leap day is its last.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    const MARCH_0_DAYS: i64 = 719_468;
    let shifted = days + MARCH_0_DAYS;
    let (era, of_era) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day of a date since 1970-01-01.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A date such as `1970-01-01`.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u16>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day);
    i32::try_from(days(year.into(), month.into(), day.into())).ok().filter(|_| fits)
}

/// A time such as `12:30`, `12:30:00` or `12:30:00.5`, in microseconds.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.splitn(3, ':');
    let mut number = |most: u8| parts.next().map_or(Some(0), |part| part.parse::<u8>().ok().filter(|n| *n <= most));
    let (hours, minutes, seconds) = (number(23)?, number(59)?, number(59)?);
    let digits = fraction.get(..fraction.len().min(6))?;
    let micros: i64 = if digits.is_empty() { 0 } else { digits.parse::<u32>().ok()?.into() };
    let micros = micros * 10i64.pow(6 - digits.len() as u32);
    Some(((i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * 1_000_000 + micros)
}

/// `1970-01-01 12:30:00`, also with a `T` between, or without a time; in microseconds.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    Some(i64::from(parse_date(date)?) * DAY_US + parse_time(time)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_are_written() {
        for micros in [0, -1, 951_782_400_000_001, 253_402_300_799_999_999] {
            assert_eq!(parse_timestamp(&timestamp_text(micros)), Some(micros));
        }
        assert_eq!(parse_timestamp("1970-01-02T00:00Z"), Some(DAY_US));
        assert_eq!(parse_time("00:00:00.5"), Some(500_000));
        for text in ["", "1970", "1970-13-01", "1970-01-01 25:00", "x"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_of_the_civil_calendar() {
        for (day, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (11_016, "2000-02-29"), (-719_162, "0001-01-01")] {
            assert_eq!(date_text(day), text);
        }
        assert_eq!(timestamp_text(-1), "1969-12-31 23:59:59.999999");
        for day in (-800_000..800_000).step_by(97) {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }
}
