//! The calendar: days since 1970-01-01 and back, proleptic Gregorian, and parts of a date.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Milliseconds of an hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of a minute.
pub(crate) const MINUTE_MS: i64 = 60_000;

/// Year, month (1 to 12) and day (1 to 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

const DAYS_OF_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_EPOCH: i64 = 719_468;

impl Date {
    /// The date so many days after 1970-01-01. Years start in March here, so that the leap day is
    /// the last one.
    pub(crate) fn of_days(days: i64) -> Date {
        let shifted = days + DAYS_BEFORE_EPOCH;
        let era = shifted.div_euclid(DAYS_OF_ERA);
        let day_of_era = shifted.rem_euclid(DAYS_OF_ERA);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Date { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01.
    pub(crate) fn days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_OF_ERA + day_of_era - DAYS_BEFORE_EPOCH
    }

    /// Whether there is such a day.
    pub(crate) fn exists(self) -> bool {
        (1..=12).contains(&self.month) && (1..=days_of_month(self.year, self.month)).contains(&self.day)
    }

    /// The date so many months later; a day beyond the month's end becomes its last.
    pub(crate) fn plus_months(self, months: i64) -> Date {
        let index = self.year * 12 + self.month - 1 + months;
        let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
        Date { year, month, day: self.day.min(days_of_month(year, month)) }
    }

    /// 1 on the first of January.
    pub(crate) fn day_of_year(self) -> i64 {
        self.days() - Date { month: 1, day: 1, ..self }.days() + 1
    }

    /// The number of the ISO week.
    pub(crate) fn iso_week(self) -> i64 {
        // The week belongs to the year that has its Thursday.
        let days = self.days();
        let thursday = Date::of_days(days - (days + 3).rem_euclid(7) + 3);
        (thursday.day_of_year() - 1) / 7 + 1
    }

    /// The year of the ISO week.
    pub(crate) fn iso_year(self) -> i64 {
        let days = self.days();
        Date::of_days(days - (days + 3).rem_euclid(7) + 3).year
    }
}

/// 28 to 31.
pub(crate) fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 0 on a Monday.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..800_000).step_by(97) {
            let date = Date::of_days(days);
            assert!(date.exists(), "{days}");
            assert_eq!(date.days(), days);
        }
        assert_eq!(Date::of_days(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(Date::of_days(18_321), Date { year: 2020, month: 2, day: 29 });
    }

    #[test]
    fn weeks_are_iso_weeks() {
        let week = |year, month, day| Date { year, month, day }.iso_week();
        assert_eq!([week(2021, 1, 1), week(2021, 1, 4), week(2020, 12, 31), week(2024, 12, 30)], [53, 1, 53, 1]);
        assert_eq!(weekday(Date { year: 2020, month: 2, day: 29 }.days()), 5);
    }
}
