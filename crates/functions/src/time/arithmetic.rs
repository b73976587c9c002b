//! Dates and times with intervals: `ts + INTERVAL '1' DAY`, `TIMESTAMPADD`, `TIMESTAMPDIFF`.
//!
//! Months move within the calendar (31 January plus a month is the end of February); days and less
//! are milliseconds. A `TIME` goes around at midnight.

use std::sync::Arc;

use arrow_array::types::{Date32Type, Int32Type, Int64Type, Time32MillisecondType};
use arrow_array::{Array, ArrayRef, Date32Array, Int32Array, Int64Array, Time32MillisecondArray};
use arrow_buffer::NullBuffer;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::civil::{DAY_MS, Date, HOUR_MS, MINUTE_MS};
use super::moments::Moments;
use super::zone::{Zone, ZoneCache};
use crate::arithmetic::Operator;
use crate::operand::{Args, Operand};
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};

/// `TIMESTAMPADD('MONTH', n, time)`
pub(super) const TIMESTAMP_ADD: Function = Function::new("timestampadd", Infer::By(infer_add), Body::Bound(bind_add));
/// `TIMESTAMPDIFF('DAY', from, to)`
pub(super) const TIMESTAMP_DIFF: Function =
    Function::new("timestampdiff", Infer::By(infer_difference), Body::Bound(bind_difference));
/// `(a - b) DAY`: an interval between two dates or timestamps.
pub(super) const MINUS_DATES: Function = Function::new("minus_dates", Infer::By(infer_minus), Body::Bound(bind_minus));

/// The types of `+` and `-` where one side is no number.
pub(crate) fn infer_plus_minus(call: &Inference<'_>) -> Result<Signature> {
    let (a, b) = (&call.args[0], &call.args[1]);
    let nullable = call.nullable();
    let moved = |kind: &TypeKind| kind.is_timestamp() || matches!(kind, TypeKind::Date | TypeKind::Time(_));
    let ty = match (&a.kind, &b.kind) {
        (x, y) if x.is_interval() && x == y => a,
        (x, y) if moved(x) && y.is_interval() => a,
        (x, y) if call.name == "+" && x.is_interval() && moved(y) => b,
        _ => return Err(call.mismatch()),
    };
    Ok(call.unchanged(ty.clone().with_nullable(nullable)))
}

/// The kernel of an operator with an interval on one side.
pub(crate) fn bind(binding: &Binding<'_>, operator: Operator) -> Result<Kernel> {
    let (a, b) = (&binding.args[0].kind, &binding.args[1].kind);
    if a.is_interval() && b.is_interval() {
        return Ok(match operator {
            Operator::Subtract => Box::new(|a| Ok(arrow_arith::numeric::sub_wrapping(a.operand(0)?, a.operand(1)?)?)),
            _ => Box::new(|a| Ok(arrow_arith::numeric::add_wrapping(a.operand(0)?, a.operand(1)?)?)),
        });
    }
    if operator == Operator::Multiply {
        return Ok(multiply(if a.is_interval() { 0 } else { 1 }, binding.ty.kind == TypeKind::IntervalYearMonth));
    }
    let (time, interval) = if b.is_interval() { (0, 1) } else { (1, 0) };
    let sign = if operator == Operator::Subtract { -1 } else { 1 };
    let kind = binding.args[time].kind.clone();
    let months = binding.args[interval].kind == TypeKind::IntervalYearMonth;
    let zone = binding.zone;
    Ok(Box::new(move |args| {
        let steps = args.operand(interval)?;
        let step = Step { steps: int64(steps)?, stride: steps.stride(), sign, months };
        moved(args, args.operand(time)?, &kind, &step, zone)
    }))
}

fn multiply(interval: usize, months: bool) -> Kernel {
    Box::new(move |args| {
        let factor = args.numbers::<Int64Type>(1 - interval)?;
        let nulls = args.nulls();
        if months {
            let steps = args.numbers::<Int32Type>(interval)?;
            let values = (0..args.rows).map(|i| i64::from(steps.get(i)).wrapping_mul(factor.get(i)) as i32).collect();
            return Ok(Arc::new(Int32Array::try_new(values, nulls)?));
        }
        let steps = args.numbers::<Int64Type>(interval)?;
        let values = (0..args.rows).map(|i| steps.get(i).wrapping_mul(factor.get(i))).collect();
        Ok(Arc::new(Int64Array::try_new(values, nulls)?))
    })
}

/// How far each row moves.
struct Step {
    steps: Int64Array,
    stride: usize,
    sign: i64,
    months: bool,
}

impl Step {
    fn get(&self, row: usize) -> i64 {
        self.steps.value(row * self.stride).wrapping_mul(self.sign)
    }
}

fn int64(operand: &Operand) -> Result<Int64Array> {
    use arrow_array::cast::AsArray;
    let array = arrow_cast::cast(&operand.array, &arrow_schema::DataType::Int64)?;
    Ok(array.as_primitive::<Int64Type>().clone())
}

fn moved(args: &Args<'_>, time: &Operand, kind: &TypeKind, step: &Step, zone: Zone) -> Result<ArrayRef> {
    let nulls = args.nulls();
    let array = time.clone().into_array(args.rows)?;
    match kind {
        TypeKind::Date => {
            let days = date_column(&array)?;
            let values = days.values().iter().enumerate().map(|(i, &d)| move_date(d, step, i)).collect();
            Ok(Arc::new(Date32Array::try_new(values, nulls)?))
        }
        // A time of day has no months.
        TypeKind::Time(_) if step.months => Ok(array),
        TypeKind::Time(_) => {
            use arrow_array::cast::AsArray;
            let times = array.as_primitive::<Time32MillisecondType>();
            let move_time = |(i, &t): (usize, &i32)| i64::from(t).wrapping_add(step.get(i)).rem_euclid(DAY_MS) as i32;
            let values = times.values().iter().enumerate().map(move_time).collect();
            Ok(Arc::new(Time32MillisecondArray::try_new(values, nulls)?))
        }
        _ => move_timestamps(Moments::read(&array)?, nulls, step, kind, zone),
    }
}

fn move_date(days: i32, step: &Step, row: usize) -> i32 {
    let days = i64::from(days);
    match step.months {
        true => Date::of_days(days).plus_months(bounded_months(step.get(row))).days() as i32,
        false => days.saturating_add(step.get(row).div_euclid(DAY_MS)) as i32,
    }
}

/// More months than any timestamp has would only overflow the calendar.
fn bounded_months(months: i64) -> i64 {
    months.clamp(-(1 << 40), 1 << 40)
}

fn move_timestamps(
    moments: Moments,
    nulls: Option<NullBuffer>,
    step: &Step,
    kind: &TypeKind,
    zone: Zone,
) -> Result<ArrayRef> {
    // Months are counted in local time.
    let mut local = matches!(kind, TypeKind::TimestampLtz(_)).then(|| ZoneCache::new(zone));
    let mut row = 0;
    let moments = moments.map_millis(|millis| {
        let by = step.get(row);
        row += 1;
        if !step.months {
            return millis.wrapping_add(by);
        }
        match &mut local {
            Some(zone) => {
                let moved = plus_months(zone.local(millis), by);
                zone.utc(moved)
            }
            None => plus_months(millis, by),
        }
    });
    Moments { nulls, ..moments }.write(kind)
}

/// A local time so many months later.
fn plus_months(millis: i64, months: i64) -> i64 {
    let (days, rest) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    Date::of_days(days).plus_months(bounded_months(months)).days().wrapping_mul(DAY_MS).wrapping_add(rest)
}

fn date_column(array: &dyn Array) -> Result<&Date32Array> {
    use arrow_array::cast::AsArray;
    array.as_primitive_opt::<Date32Type>().ok_or_else(|| Error::internal("an argument is no date"))
}

/// A unit of `TIMESTAMPADD`: so many months, or so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Millis(i64),
}

impl Unit {
    fn parse(name: &str) -> Option<Unit> {
        let name = name.to_uppercase();
        Some(match name.strip_prefix("SQL_TSI_").unwrap_or(&name) {
            "YEAR" => Unit::Months(12),
            "QUARTER" => Unit::Months(3),
            "MONTH" => Unit::Months(1),
            "WEEK" => Unit::Millis(7 * DAY_MS),
            "DAY" => Unit::Millis(DAY_MS),
            "HOUR" => Unit::Millis(HOUR_MS),
            "MINUTE" => Unit::Millis(MINUTE_MS),
            "SECOND" => Unit::Millis(1000),
            _ => return None,
        })
    }
}

fn unit(call: &Inference<'_>) -> Result<Unit> {
    let name = call.literal_text(0).ok_or_else(|| Error::invalid(format!("the unit of '{}' is missing", call.name)))?;
    Unit::parse(name).ok_or_else(|| Error::unsupported(format!("unit '{name}' of function '{}'", call.name)))
}

fn is_day_or_moment(kind: &TypeKind) -> bool {
    kind.is_timestamp() || *kind == TypeKind::Date
}

fn infer_add(call: &Inference<'_>) -> Result<Signature> {
    call.arity(3, 3)?;
    let unit = unit(call)?;
    let (count, time) = (&call.args[1], &call.args[2]);
    let is_time = matches!(time.kind, TypeKind::Time(_));
    if !count.kind.is_integer() || !(is_time || is_day_or_moment(&time.kind)) {
        return Err(call.mismatch());
    }
    let nullable = count.nullable || time.nullable;
    // A part of a day makes a date a timestamp.
    let within_day = matches!(unit, Unit::Millis(ms) if ms < DAY_MS);
    let kind = match time.kind {
        TypeKind::Date if within_day => TypeKind::Timestamp(6),
        _ => time.kind.clone(),
    };
    let args = vec![
        call.args[0].clone(),
        LogicalType { kind: TypeKind::BigInt, nullable: count.nullable },
        LogicalType { kind: kind.clone(), nullable: time.nullable },
    ];
    Ok(Signature { args, ty: LogicalType { kind, nullable } })
}

fn bound_unit(binding: &Binding<'_>) -> Result<Unit> {
    let unit = binding.text(0).and_then(Unit::parse);
    unit.ok_or_else(|| Error::invalid(format!("the unit of '{}' is not constant", binding.name)))
}

fn bind_add(binding: &Binding<'_>) -> Result<Kernel> {
    let unit = bound_unit(binding)?;
    let (sign, months) = match unit {
        Unit::Months(n) => (n, true),
        Unit::Millis(n) => (n, false),
    };
    let (kind, zone) = (binding.ty.kind.clone(), binding.zone);
    Ok(Box::new(move |args| {
        let count = args.operand(1)?;
        let step = Step { steps: int64(count)?, stride: count.stride(), sign, months };
        moved(args, args.operand(2)?, &kind, &step, zone)
    }))
}

fn infer_difference(call: &Inference<'_>) -> Result<Signature> {
    call.arity(3, 3)?;
    unit(call)?;
    if !call.args[1..].iter().all(|a| is_day_or_moment(&a.kind)) {
        return Err(call.mismatch());
    }
    let nullable = call.args[1].nullable || call.args[2].nullable;
    Ok(call.unchanged(LogicalType { kind: TypeKind::Int, nullable }))
}

fn bind_difference(binding: &Binding<'_>) -> Result<Kernel> {
    let unit = bound_unit(binding)?;
    let kinds = [binding.args[1].kind.clone(), binding.args[2].kind.clone()];
    let zone = binding.zone;
    Ok(Box::new(move |args| {
        let from = local_millis(args.operand(1)?, &kinds[0], args.rows, zone)?;
        let to = local_millis(args.operand(2)?, &kinds[1], args.rows, zone)?;
        let between = |(from, to): (&i64, &i64)| match unit {
            Unit::Months(n) => (months_between(*from, *to) / n) as i32,
            Unit::Millis(n) => (to.wrapping_sub(*from) / n) as i32,
        };
        let values = from.iter().zip(&to).map(between).collect();
        Ok(Arc::new(Int32Array::try_new(values, args.nulls())?))
    }))
}

fn infer_minus(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let (a, b) = (&call.args[0].kind, &call.args[1].kind);
    let is_time = matches!(a, TypeKind::Time(_)) || is_day_or_moment(a);
    let same = is_time && std::mem::discriminant(a) == std::mem::discriminant(b);
    if !same {
        return Err(call
            .mismatch()
            .with_hint("Subtract a date from a date, or a timestamp from one of the same kind."));
    }
    Ok(call.unchanged(LogicalType { kind: TypeKind::IntervalDayTime, nullable: call.nullable() }))
}

fn bind_minus(binding: &Binding<'_>) -> Result<Kernel> {
    let kinds = [binding.args[0].kind.clone(), binding.args[1].kind.clone()];
    let zone = binding.zone;
    Ok(Box::new(move |args| {
        let a = local_millis(args.operand(0)?, &kinds[0], args.rows, zone)?;
        let b = local_millis(args.operand(1)?, &kinds[1], args.rows, zone)?;
        let values = a.iter().zip(&b).map(|(a, b)| a.wrapping_sub(*b)).collect();
        Ok(Arc::new(Int64Array::try_new(values, args.nulls())?))
    }))
}

/// A date or timestamp as milliseconds of local time.
fn local_millis(operand: &Operand, kind: &TypeKind, rows: usize, zone: Zone) -> Result<Vec<i64>> {
    let array = operand.clone().into_array(rows)?;
    if *kind == TypeKind::Date {
        return Ok(date_column(&array)?.values().iter().map(|&d| i64::from(d) * DAY_MS).collect());
    }
    if let TypeKind::Time(_) = kind {
        use arrow_array::cast::AsArray;
        let times = array.as_primitive_opt::<Time32MillisecondType>();
        let times = times.ok_or_else(|| Error::internal("an argument is no time"))?;
        return Ok(times.values().iter().map(|&t| i64::from(t)).collect());
    }
    let millis = Moments::read(&array)?.millis;
    if !matches!(kind, TypeKind::TimestampLtz(_)) {
        return Ok(millis.to_vec());
    }
    let mut zone = ZoneCache::new(zone);
    Ok(millis.iter().map(|&m| zone.local(m)).collect())
}

/// Whole months from one local time to another, as Flink counts them: whole months between the dates, and one less where
/// these lead to the last date and its time of day is the earlier one; also backwards, where it is one more then.
fn months_between(from: i64, to: i64) -> i64 {
    let (a, b) = (from.div_euclid(DAY_MS), to.div_euclid(DAY_MS));
    let months = if a <= b { months_between_dates(a, b) } else { -months_between_dates(b, a) };
    let leads_there = Date::of_days(a).plus_months(months).days() == b;
    let is_earlier = to.rem_euclid(DAY_MS) < from.rem_euclid(DAY_MS);
    if leads_there && is_earlier { months - 1 } else { months }
}

/// Whole months from one day to a later one.
fn months_between_dates(from: i64, to: i64) -> i64 {
    let (a, b) = (Date::of_days(from), Date::of_days(to));
    let months = (b.year - a.year) * 12 + b.month - a.month;
    // A month is whole if moving on by it does not go past the end.
    if a.plus_months(months).days() > to { months - 1 } else { months }
}
