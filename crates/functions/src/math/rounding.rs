//! `FLOOR`, `CEIL`, `ROUND` and `TRUNCATE`. Floats are rounded by the decimal digits that they
//! show, halves away from zero; `FLOOR(x TO unit)` rounds times.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, Decimal128Array, PrimitiveArray};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::arithmetic::{limit, power_of_ten};
use crate::operand::Args;
use crate::registry::{Binding, Inference, Kernel, Signature};
use crate::time;
use crate::typing::decimal::{Digits, rounded};

/// `FLOOR(x)`: a decimal loses its scale; with a unit, times are rounded.
pub(super) fn infer_whole(call: &Inference<'_>) -> Result<Signature> {
    if call.args.len() == 2 {
        return time::round_infer(call);
    }
    call.arity(1, 1)?;
    let arg = &call.args[0];
    match arg.kind {
        TypeKind::Decimal { precision, .. } => {
            Ok(call.unchanged(LogicalType::decimal(precision, 0).with_nullable(arg.nullable)))
        }
        _ if arg.kind.is_numeric() => Ok(call.unchanged(arg.clone())),
        _ => Err(call.mismatch()),
    }
}

pub(super) fn bind_floor(binding: &Binding<'_>) -> Result<Kernel> {
    bind_whole(binding, false)
}

pub(super) fn bind_ceil(binding: &Binding<'_>) -> Result<Kernel> {
    bind_whole(binding, true)
}

fn bind_whole(binding: &Binding<'_>, up: bool) -> Result<Kernel> {
    if binding.args.len() == 2 {
        return time::round_bind(binding, up);
    }
    Ok(match &binding.args[0].kind {
        TypeKind::Float => Box::new(move |a| {
            let f = if up { f32::ceil } else { f32::floor };
            Ok(Arc::new(a.numbers::<Float32Type>(0)?.array.unary::<_, Float32Type>(f)))
        }),
        TypeKind::Double => Box::new(move |a| {
            let f = if up { f64::ceil } else { f64::floor };
            Ok(Arc::new(a.numbers::<Float64Type>(0)?.array.unary::<_, Float64Type>(f)))
        }),
        TypeKind::Decimal { precision, scale } => {
            let (precision, one) = (*precision, power_of_ten(u32::from(*scale)));
            let whole = move |v: i128| if up { -(-v).div_euclid(one) } else { v.div_euclid(one) };
            Box::new(move |a| {
                let array = a.numbers::<Decimal128Type>(0)?.array;
                let values: Decimal128Array = array.unary(whole);
                Ok(Arc::new(values.with_precision_and_scale(precision, 0)?))
            })
        }
        _ => Box::new(|a| Ok(a.operand(0)?.array.clone())),
    })
}

/// `ROUND(x[, digits])`: a decimal gets the scale that a constant number of digits gives it.
pub(super) fn infer_digits(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 2)?;
    let arg = &call.args[0];
    if !arg.kind.is_numeric() || call.args.get(1).is_some_and(|d| !d.kind.is_integer()) {
        return Err(call.mismatch());
    }
    let digits = if call.args.len() == 1 { Some(0) } else { call.literal_int(1) };
    let kind = match (Digits::of(&arg.kind), digits) {
        (Some(shape), Some(digits)) if matches!(arg.kind, TypeKind::Decimal { .. }) => {
            rounded(shape, digits.clamp(-100, 100) as i32).kind()
        }
        _ => arg.kind.clone(),
    };
    let mut args = vec![arg.clone()];
    args.extend(call.args.get(1).map(|d| LogicalType { kind: TypeKind::Int, nullable: d.nullable }));
    Ok(Signature { args, ty: LogicalType { kind, nullable: call.nullable() } })
}

pub(super) fn bind_round(binding: &Binding<'_>) -> Result<Kernel> {
    bind_digits(binding, true)
}

pub(super) fn bind_truncate(binding: &Binding<'_>) -> Result<Kernel> {
    bind_digits(binding, false)
}

fn bind_digits(binding: &Binding<'_>, half_up: bool) -> Result<Kernel> {
    fn integers<T: ArrowPrimitiveType>(half_up: bool) -> Kernel
    where
        T::Native: Into<i64> + From<i8>,
        i128: Narrow<T::Native>,
    {
        Box::new(move |a| {
            let values = a.numbers::<T>(0)?;
            each(a, |row, digits| Some(whole(values.get(row).into().into(), digits, half_up).narrow()))
                .map(|v: PrimitiveArray<T>| Arc::new(v) as ArrayRef)
        })
    }
    Ok(match (&binding.args[0].kind, &binding.ty.kind) {
        (TypeKind::TinyInt, _) => integers::<Int8Type>(half_up),
        (TypeKind::SmallInt, _) => integers::<Int16Type>(half_up),
        (TypeKind::Int, _) => integers::<Int32Type>(half_up),
        (TypeKind::BigInt, _) => integers::<Int64Type>(half_up),
        (TypeKind::Float, _) => Box::new(move |a| {
            let values = a.numbers::<Float32Type>(0)?;
            finite(values.array.iter().flatten().all(f32::is_finite))?;
            let mut text = ryu::Buffer::new();
            let mut round =
                |v: f32, digits| shown(text.format_finite(v), digits, half_up).map_or(v, |t| t.parse().unwrap_or(v));
            let array: PrimitiveArray<Float32Type> = each(a, |row, digits| Some(round(values.get(row), digits)))?;
            Ok(Arc::new(array))
        }),
        (TypeKind::Double, _) => Box::new(move |a| {
            let values = a.numbers::<Float64Type>(0)?;
            finite(values.array.iter().flatten().all(f64::is_finite))?;
            let mut text = ryu::Buffer::new();
            let mut round =
                |v: f64, digits| shown(text.format_finite(v), digits, half_up).map_or(v, |t| t.parse().unwrap_or(v));
            let array: PrimitiveArray<Float64Type> = each(a, |row, digits| Some(round(values.get(row), digits)))?;
            Ok(Arc::new(array))
        }),
        (TypeKind::Decimal { scale, .. }, TypeKind::Decimal { precision, scale: to }) => {
            decimals(i32::from(*scale), *precision, i32::from(*to), half_up)
        }
        (other, _) => return Err(Error::internal(format!("{other} cannot be rounded"))),
    })
}

fn finite(all: bool) -> Result<()> {
    if all { Ok(()) } else { Err(Error::data("NaN and Infinity cannot be rounded to digits")) }
}

/// Calls `f` with the number of digits of each row.
fn each<T: ArrowPrimitiveType>(
    args: &Args<'_>,
    mut f: impl FnMut(usize, i32) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>> {
    let digits = if args.has(1) { Some(args.numbers::<Int32Type>(1)?) } else { None };
    let array = args.each_number::<T>(|row| Ok(f(row, digits.as_ref().map_or(0, |d| d.get(row)))))?;
    Ok(array.as_primitive::<T>().clone())
}

/// The low bits, as Java narrows.
trait Narrow<T> {
    fn narrow(self) -> T;
}

macro_rules! narrow {
    ($($t:ty),*) => { $(impl Narrow<$t> for i128 { fn narrow(self) -> $t { self as $t } })* };
}
narrow!(i8, i16, i32, i64);

/// A whole number rounded to so many digits; negative ones count before the point.
fn whole(value: i128, digits: i32, half_up: bool) -> i128 {
    match digits {
        0.. => value,
        // No integer has that many digits, and no decimal.
        i32::MIN..=-39 => 0,
        _ => {
            let unit = power_of_ten(digits.unsigned_abs());
            divided(value, unit, half_up).checked_mul(unit).unwrap_or(0)
        }
    }
}

fn divided(value: i128, unit: i128, half_up: bool) -> i128 {
    let (q, r) = (value / unit, value % unit);
    let away = half_up && r.unsigned_abs() >= unit.unsigned_abs() - r.unsigned_abs();
    if away { q + value.signum() } else { q }
}

fn decimals(scale: i32, precision: u8, to: i32, half_up: bool) -> Kernel {
    Box::new(move |a| {
        let values = a.numbers::<Decimal128Type>(0)?;
        let limit = limit(precision);
        let array: Decimal128Array = each(a, |row, digits| {
            let value = values.get(row);
            let kept = digits.min(scale);
            // Rounded at the digit asked for, then shown with the scale of the result.
            let dropped = scale.saturating_sub(kept);
            let value = if dropped > 38 { 0 } else { divided(value, power_of_ten(dropped.unsigned_abs()), half_up) };
            let shift = to.saturating_sub(kept);
            let value = match shift {
                0.. => value.checked_mul(power_of_ten(shift.unsigned_abs()))?,
                _ => value / power_of_ten(shift.unsigned_abs()),
            };
            (value.abs() < limit).then_some(value)
        })?;
        Ok(Arc::new(array.with_precision_and_scale(precision, to as i8)?))
    })
}

/// The shortest text of a float rounded to so many digits; none if it has no more than that.
fn shown(text: &str, digits: i32, half_up: bool) -> Option<String> {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<i32>().ok()? - fraction.len() as i32;
    let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    let dropped = exponent.saturating_add(digits).checked_neg().unwrap_or(i32::MAX);
    if dropped <= 0 {
        return None;
    }
    let kept = if dropped > 38 { 0 } else { divided(unscaled, power_of_ten(dropped.unsigned_abs()), half_up) };
    Some(format!("{kept}e{}", digits.saturating_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_round_by_their_text() {
        let round =
            |v: f64, digits| shown(ryu::Buffer::new().format_finite(v), digits, true).map(|t| t.parse().unwrap());
        assert_eq!(round(2.555, 2), Some(2.56));
        assert_eq!(round(-2.5, 0), Some(-3.0));
        assert_eq!(round(1e300, 2), None);
        assert_eq!(round(1234.5, -2), Some(1200.0));
        assert_eq!(round(0.5, i32::MIN), Some(0.0));
    }

    #[test]
    fn whole_numbers_round_before_the_point() {
        assert_eq!([whole(1250, -2, true), whole(-1250, -2, true), whole(1299, -2, false)], [1300, -1300, 1200]);
        assert_eq!(whole(5, -100, true), 0);
    }
}
