//! `EXTRACT(unit FROM x)` and its short forms `YEAR(x)`, `HOUR(x)`, ..
//!
//! Of a `TIMESTAMP_LTZ` it is the part that the clock on the wall of the session's zone shows.
//! Sunday is day 1 of `DOW` and Monday of `ISODOW`; weeks are ISO weeks.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, Time32MillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array};
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::civil::{DAY_MS, Date, HOUR_MS, MINUTE_MS, weekday};
use super::moments::Moments;
use super::zone::{Zone, ZoneCache};
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};

pub(super) const EXTRACT: Function = Function::new("extract", Infer::By(infer_extract), Body::Bound(bind_extract));
pub(super) const YEAR: Function = short("year");
pub(super) const QUARTER: Function = short("quarter");
pub(super) const MONTH: Function = short("month");
pub(super) const WEEK: Function = short("week");
pub(super) const DAY_OF_YEAR: Function = short("dayofyear");
pub(super) const DAY_OF_MONTH: Function = short("dayofmonth");
pub(super) const DAY_OF_WEEK: Function = short("dayofweek");
pub(super) const HOUR: Function = short("hour");
pub(super) const MINUTE: Function = short("minute");
pub(super) const SECOND: Function = short("second");

const fn short(name: &'static str) -> Function {
    Function::new(name, Infer::By(infer_short), Body::Bound(bind_short))
}

/// What is taken out of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
}

impl Part {
    fn parse(name: &str) -> Option<Part> {
        Some(match name.to_lowercase().as_str() {
            "millennium" => Part::Millennium,
            "century" => Part::Century,
            "decade" => Part::Decade,
            "year" => Part::Year,
            "isoyear" => Part::IsoYear,
            "quarter" => Part::Quarter,
            "month" => Part::Month,
            "week" => Part::Week,
            "day" | "dayofmonth" => Part::Day,
            "doy" | "dayofyear" => Part::DayOfYear,
            "dow" | "dayofweek" => Part::DayOfWeek,
            "isodow" => Part::IsoDayOfWeek,
            "hour" => Part::Hour,
            "minute" => Part::Minute,
            "second" => Part::Second,
            "millisecond" => Part::Millisecond,
            "microsecond" => Part::Microsecond,
            "nanosecond" => Part::Nanosecond,
            "epoch" => Part::Epoch,
            _ => return None,
        })
    }

    fn is_of_day(self) -> bool {
        self.unit().is_some()
    }

    fn is_below_millis(self) -> bool {
        matches!(self, Part::Microsecond | Part::Nanosecond)
    }

    /// What is counted, and within what, in milliseconds.
    fn unit(self) -> Option<(i64, i64)> {
        Some(match self {
            Part::Hour => (HOUR_MS, DAY_MS),
            Part::Minute => (MINUTE_MS, HOUR_MS),
            Part::Second => (1000, MINUTE_MS),
            Part::Millisecond | Part::Microsecond | Part::Nanosecond => (1, 1000),
            _ => return None,
        })
    }

    /// The part of a local time. Flink counts towards the epoch, not downwards, so that parts of a
    /// time before 1970 may be negative or those of the next day.
    fn of(self, millis: i64, nanos: i32) -> i64 {
        match (self, self.unit()) {
            (Part::Microsecond, _) => millis % 1000 * 1000 + i64::from(nanos / 1000),
            (Part::Nanosecond, _) => millis % 1000 * 1_000_000 + i64::from(nanos),
            (_, Some((unit, within))) => millis % within / unit,
            (Part::Epoch, _) => millis / 1000,
            _ => self.of_days(millis / DAY_MS),
        }
    }

    /// The part of an interval of months or milliseconds.
    fn of_interval(self, months: bool) -> Option<fn(i64) -> i64> {
        Some(match (self, months) {
            (Part::Year, true) => |m| m / 12,
            (Part::Quarter, true) => |m| m % 12 / 3 + 1,
            (Part::Month, true) => |m| m % 12,
            (Part::Day, false) => |m| m / DAY_MS,
            (Part::Hour, false) => |m| m % DAY_MS / HOUR_MS,
            (Part::Minute, false) => |m| m % HOUR_MS / MINUTE_MS,
            (Part::Second, false) => |m| m % MINUTE_MS / 1000,
            (Part::Millisecond, false) => |m| m % 1000,
            _ => return None,
        })
    }

    fn of_days(self, days: i64) -> i64 {
        let date = Date::of_days(days);
        let rounded_up =
            |year: i64, size: i64| if year > 0 { (year + size - 1) / size } else { (year - size + 1) / size };
        match self {
            Part::Millennium => rounded_up(date.year, 1000),
            Part::Century => rounded_up(date.year, 100),
            Part::Decade => date.year.div_euclid(10),
            Part::Year => date.year,
            Part::IsoYear => date.iso_year(),
            Part::Quarter => (date.month + 2) / 3,
            Part::Month => date.month,
            Part::Week => date.iso_week(),
            Part::DayOfYear => date.day_of_year(),
            Part::DayOfWeek => (weekday(days) + 1) % 7 + 1,
            Part::IsoDayOfWeek => weekday(days) + 1,
            _ => date.day,
        }
    }
}

fn infer_extract(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let name = call.literal_text(0).ok_or_else(|| Error::invalid("the unit of EXTRACT is missing"))?;
    let part =
        Part::parse(name).ok_or_else(|| Error::unsupported(format!("EXTRACT({} FROM ..)", name.to_uppercase())))?;
    typed(call, part, &call.args[1])
}

fn infer_short(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let part = Part::parse(call.name).ok_or_else(|| call.mismatch())?;
    typed(call, part, &call.args[0])
}

fn typed(call: &Inference<'_>, part: Part, time: &LogicalType) -> Result<Signature> {
    let has_part = match time.kind {
        TypeKind::Time(_) => part.is_of_day() && !part.is_below_millis(),
        TypeKind::Date => part != Part::Millisecond && !part.is_below_millis(),
        TypeKind::IntervalYearMonth => part.of_interval(true).is_some(),
        TypeKind::IntervalDayTime => part.of_interval(false).is_some(),
        _ => time.kind.is_timestamp(),
    };
    if !has_part {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(LogicalType { kind: TypeKind::BigInt, nullable: time.nullable }))
}

fn bind_extract(binding: &Binding<'_>) -> Result<Kernel> {
    let part =
        binding.text(0).and_then(Part::parse).ok_or_else(|| Error::invalid("the unit of EXTRACT is no constant"))?;
    Ok(kernel(part, 1, &binding.args[1].kind, binding.zone))
}

fn bind_short(binding: &Binding<'_>) -> Result<Kernel> {
    let part = Part::parse(binding.name).ok_or_else(|| Error::internal("an unknown part"))?;
    Ok(kernel(part, 0, &binding.args[0].kind, binding.zone))
}

fn kernel(part: Part, index: usize, kind: &TypeKind, zone: Zone) -> Kernel {
    let kind = kind.clone();
    Box::new(move |args| {
        let operand = args.operand(index)?;
        let array = operand.clone().into_array(args.rows)?;
        let (values, nulls) = match kind {
            TypeKind::Date if part == Part::Epoch => (map_days(&array, |d| d * DAY_MS / 1000)?, array.nulls().cloned()),
            TypeKind::Date if part.is_of_day() => (map_days(&array, |_| 0)?, array.nulls().cloned()),
            TypeKind::Date => (map_days(&array, |d| part.of_days(d))?, array.nulls().cloned()),
            TypeKind::Time(_) => (map_times(&array, part)?, array.nulls().cloned()),
            TypeKind::IntervalYearMonth | TypeKind::IntervalDayTime => {
                let of = part.of_interval(kind == TypeKind::IntervalYearMonth);
                let of = of.ok_or_else(|| Error::internal("an interval has no such part"))?;
                let numbers = arrow_cast::cast(&array, &arrow_schema::DataType::Int64)?;
                (numbers.as_primitive::<Int64Type>().values().iter().map(|&v| of(v)).collect(), array.nulls().cloned())
            }
            _ => (of_moments(&Moments::read(&array)?, part, &kind, zone), array.nulls().cloned()),
        };
        Ok(Arc::new(Int64Array::try_new(values.into(), nulls)?))
    })
}

fn of_moments(moments: &Moments, part: Part, kind: &TypeKind, zone: Zone) -> Vec<i64> {
    let local = matches!(kind, TypeKind::TimestampLtz(_));
    // Seconds since the epoch do not depend on a zone.
    let mut zone = ZoneCache::new(if local && part != Part::Epoch { zone } else { Zone::Fixed(0) });
    // A division by what is known here is a multiplication.
    match part {
        Part::Hour => moments.millis.iter().map(|&m| zone.local(m) % DAY_MS / HOUR_MS).collect(),
        Part::Minute => moments.millis.iter().map(|&m| zone.local(m) % HOUR_MS / MINUTE_MS).collect(),
        Part::Second => moments.millis.iter().map(|&m| zone.local(m) % MINUTE_MS / 1000).collect(),
        _ => {
            let one = |(row, &millis): (usize, &i64)| part.of(zone.local(millis), moments.nanos(row));
            moments.millis.iter().enumerate().map(one).collect()
        }
    }
}

fn map_days(array: &ArrayRef, f: impl Fn(i64) -> i64) -> Result<Vec<i64>> {
    let days = array.as_primitive_opt::<Date32Type>().ok_or_else(|| Error::internal("a date has another layout"))?;
    Ok(days.values().iter().map(|&d| f(d.into())).collect())
}

fn map_times(array: &ArrayRef, part: Part) -> Result<Vec<i64>> {
    let wrong = || Error::internal("a time has another layout");
    let times = array.as_primitive_opt::<Time32MillisecondType>().ok_or_else(wrong)?;
    Ok(times.values().iter().map(|&t| part.of(t.into(), 0)).collect())
}
