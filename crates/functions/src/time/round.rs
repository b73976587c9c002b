//! `FLOOR(x TO unit)` and `CEIL(x TO unit)` on dates and times. Weeks start on Sunday.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Time32MillisecondType};
use arrow_array::{Date32Array, Time32MillisecondArray};
use flott_api::{Error, Result, TypeKind};

use super::civil::{DAY_MS, Date, HOUR_MS, MINUTE_MS};
use super::moments::Moments;
use super::zone::ZoneCache;
use crate::registry::{Binding, Inference, Kernel, Signature};

/// A unit of time to round to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Years(i64),
    Months(i64),
    Week,
    Millis(i64),
}

impl Unit {
    fn parse(name: &str) -> Option<Unit> {
        Some(match name.to_lowercase().as_str() {
            "millennium" => Unit::Years(1000),
            "century" => Unit::Years(100),
            "decade" => Unit::Years(10),
            "year" => Unit::Months(12),
            "quarter" => Unit::Months(3),
            "month" => Unit::Months(1),
            "week" => Unit::Week,
            "day" => Unit::Millis(DAY_MS),
            "hour" => Unit::Millis(HOUR_MS),
            "minute" => Unit::Millis(MINUTE_MS),
            "second" => Unit::Millis(1000),
            "millisecond" => Unit::Millis(1),
            _ => return None,
        })
    }

    /// The last start of a unit at or before a local time.
    ///
    /// Flink takes the day of a time before 1970 by division towards 0, so it may be the next one.
    fn floor(self, millis: i64) -> i64 {
        let days = millis / DAY_MS;
        match self {
            Unit::Millis(size) => millis - millis.rem_euclid(size),
            // 1970-01-01 was a Thursday, the fourth day after Sunday.
            Unit::Week => (days - (days + 4).rem_euclid(7)) * DAY_MS,
            Unit::Months(size) => {
                let date = Date::of_days(days);
                let month = (date.month - 1) / size * size + 1;
                Date { month, day: 1, ..date }.days() * DAY_MS
            }
            Unit::Years(size) => {
                let year = Date::of_days(days).year;
                // The year 2000 ends a century and a millennium.
                let shift = i64::from(size > 10);
                let year = (year - shift).div_euclid(size) * size + shift;
                Date { year, month: 1, day: 1 }.days() * DAY_MS
            }
        }
    }

    /// The first start of a unit at or after a local time.
    fn ceil(self, millis: i64) -> i64 {
        let floor = self.floor(millis);
        if floor == millis {
            return floor;
        }
        let later = |months| Date::of_days(floor.div_euclid(DAY_MS)).plus_months(months).days() * DAY_MS;
        match self {
            Unit::Millis(size) => floor.saturating_add(size),
            Unit::Week => floor + 7 * DAY_MS,
            Unit::Months(size) => later(size),
            Unit::Years(size) => later(size * 12),
        }
    }
}

/// The types of `FLOOR(x TO unit)`: the argument's.
pub(crate) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let name = call.literal_text(1).ok_or_else(|| call.mismatch())?;
    let unit = Unit::parse(name);
    let unit = unit.ok_or_else(|| Error::unsupported(format!("unit '{name}' of function '{}'", call.name)))?;
    let time = &call.args[0];
    let fits = match time.kind {
        TypeKind::Time(_) => matches!(unit, Unit::Millis(size) if size < DAY_MS),
        TypeKind::Date => true,
        _ => time.kind.is_timestamp(),
    };
    if !fits {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(time.clone()))
}

/// The kernel of `FLOOR(x TO unit)` or `CEIL(x TO unit)`.
pub(crate) fn bind(binding: &Binding<'_>, up: bool) -> Result<Kernel> {
    let unit = binding.text(1).and_then(Unit::parse);
    let unit = unit.ok_or_else(|| Error::invalid(format!("the unit of '{}' is no constant", binding.name)))?;
    let round = move |millis| if up { unit.ceil(millis) } else { unit.floor(millis) };
    let (kind, zone) = (binding.args[0].kind.clone(), binding.zone);
    Ok(Box::new(move |args| {
        let array = args.operand(0)?.clone().into_array(args.rows)?;
        Ok(match kind {
            TypeKind::Date => {
                let to_days = |d: i32| round(i64::from(d) * DAY_MS).div_euclid(DAY_MS) as i32;
                let days: Date32Array = array.as_primitive::<Date32Type>().unary(to_days);
                Arc::new(days)
            }
            TypeKind::Time(_) => {
                // Rounded up it may be 24:00:00, as in Flink.
                let to_time = |t: i32| round(i64::from(t)) as i32;
                let times: Time32MillisecondArray = array.as_primitive::<Time32MillisecondType>().unary(to_time);
                Arc::new(times)
            }
            _ => {
                let Moments { millis, nulls, .. } = Moments::read(&array)?;
                let ltz = matches!(kind, TypeKind::TimestampLtz(_));
                let mut zone = ZoneCache::new(zone);
                let mut one = |millis: i64| match ltz {
                    true => {
                        let rounded = round(zone.local(millis));
                        zone.utc(rounded)
                    }
                    false => round(millis),
                };
                let millis = millis.iter().map(|&m| one(m)).collect();
                Moments { millis, nanos: None, nulls }.write(&kind)?
            }
        })
    }))
}
