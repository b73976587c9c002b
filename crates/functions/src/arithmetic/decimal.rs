//! Decimals: exact intermediate results, rounded half up to the scale of the result; null where the
//! result has more digits than its type.
//!
//! Where the digits of the sides cannot overflow 128 bits the loops stay in 128 bits; else 256.

use std::sync::Arc;

use arrow_array::builder::Decimal128Builder;
use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, Decimal128Array};
use arrow_buffer::i256;
use flott_api::{Error, Result, TypeKind};

use super::{Operator, division_by_zero};
use crate::operand::{Args, zipped};
use crate::registry::{Binding, Kernel};

/// The most digits that never overflow 128 bits when two such numbers are added.
const SAFE_DIGITS: u32 = 37;

/// 10 to a power up to 38.
pub(crate) fn power_of_ten(exponent: u32) -> i128 {
    10_i128.pow(exponent.min(38))
}

/// The first number with too many digits for a precision.
pub(crate) fn limit(precision: u8) -> i128 {
    power_of_ten(u32::from(precision))
}

fn wide_power(exponent: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(exponent)
}

/// Precision and scale.
#[derive(Clone, Copy)]
struct Shape {
    precision: u8,
    scale: u32,
}

fn shape(kind: &TypeKind) -> Result<Shape> {
    match kind {
        TypeKind::Decimal { precision, scale } => Ok(Shape { precision: *precision, scale: u32::from(*scale) }),
        // A remainder without digits after the point has the divisor's type.
        kind if kind.is_integer() => Ok(Shape { precision: 38, scale: 0 }),
        other => Err(Error::internal(format!("{other} is no decimal"))),
    }
}

/// A kernel on two decimals.
pub(super) fn bind(binding: &Binding<'_>, operator: Operator) -> Result<Kernel> {
    let (a, b) = (shape(&binding.args[0].kind)?, shape(&binding.args[1].kind)?);
    let to = shape(&binding.ty.kind)?;
    let kernel: Kernel = match operator {
        Operator::Add | Operator::Subtract => sum(a, b, to, operator == Operator::Subtract),
        Operator::Multiply => product(a, b, to),
        Operator::Divide => Box::new(move |args| rows(args, to, |x, y| quotient(x, y, (a, b, to)))),
        Operator::Remainder => Box::new(move |args| rows(args, to, |x, y| remainder(x, y, (a, b, to)))),
    };
    let arrow = binding.ty.arrow();
    match binding.ty.kind.is_integer() {
        false => Ok(kernel),
        true => Ok(Box::new(move |args| Ok(arrow_cast::cast(&kernel(args)?, &arrow)?))),
    }
}

fn sum(a: Shape, b: Shape, to: Shape, subtract: bool) -> Kernel {
    let scale = a.scale.max(b.scale);
    let digits = |side: Shape| u32::from(side.precision) - side.scale + scale;
    let (up_a, up_b) = (scale - a.scale, scale - b.scale);
    if digits(a).max(digits(b)) <= SAFE_DIGITS && scale == to.scale {
        let (up_a, up_b) = (power_of_ten(up_a), power_of_ten(up_b) * if subtract { -1 } else { 1 });
        return Box::new(move |args| plain_rows(args, to, |x, y| x * up_a + y * up_b));
    }
    let (up_a, up_b) = (wide_power(up_a), wide_power(up_b));
    Box::new(move |args| {
        rows(args, to, |x, y| {
            let (x, y) = (i256::from_i128(x).wrapping_mul(up_a), i256::from_i128(y).wrapping_mul(up_b));
            let sum = if subtract { x.wrapping_sub(y) } else { x.wrapping_add(y) };
            Ok(fitted(sum, scale, to))
        })
    })
}

fn product(a: Shape, b: Shape, to: Shape) -> Kernel {
    let scale = a.scale + b.scale;
    if scale == to.scale && u32::from(a.precision) + u32::from(b.precision) <= SAFE_DIGITS {
        return Box::new(move |args| plain_rows(args, to, |x, y| x * y));
    }
    Box::new(move |args| {
        rows(args, to, |x, y| Ok(fitted(i256::from_i128(x).wrapping_mul(i256::from_i128(y)), scale, to)))
    })
}

/// Long division: the quotient so far, then one more digit at a time, so that nothing overflows.
fn quotient(x: i128, y: i128, (a, b, to): (Shape, Shape, Shape)) -> Result<Option<i128>> {
    if y == 0 {
        return Err(division_by_zero());
    }
    let negative = (x < 0) != (y < 0);
    let (x, y) = (x.unsigned_abs(), y.unsigned_abs());
    let shift = i64::from(to.scale) + i64::from(b.scale) - i64::from(a.scale);
    if shift < 0 {
        let divisor = i256::from_i128(y as i128).wrapping_mul(wide_power(shift.unsigned_abs() as u32));
        return Ok(within(half_up(i256::from_i128(x as i128), divisor), to.precision).map(|q| signed(q, negative)));
    }
    if let Some(x) = x.checked_mul(10_u128.checked_pow(shift as u32).unwrap_or(u128::MAX)).filter(|_| shift <= 38) {
        let (q, r) = (x / y, x % y);
        let q = q + u128::from(r >= y - r);
        return Ok((q < limit(to.precision) as u128).then(|| signed(q as i128, negative)));
    }
    let limit = limit(to.precision) as u128;
    let (mut q, mut r) = (x / y, x % y);
    for _ in 0..shift {
        if q >= limit / 10 {
            return Ok(None);
        }
        // The remainder is below 10^38, so ten times as much may need more than 128 bits.
        let next = i256::from_i128(r as i128).wrapping_mul(i256::from_i128(10));
        let divisor = i256::from_i128(y as i128);
        let digit = next.wrapping_div(divisor).as_i128() as u128;
        r = next.wrapping_rem(divisor).as_i128() as u128;
        q = q * 10 + digit;
    }
    let q = q + u128::from(r >= y - r);
    Ok((q < limit).then(|| signed(q as i128, negative)))
}

fn signed(value: i128, negative: bool) -> i128 {
    if negative { -value } else { value }
}

fn remainder(x: i128, y: i128, (a, b, to): (Shape, Shape, Shape)) -> Result<Option<i128>> {
    if y == 0 {
        return Err(division_by_zero());
    }
    let scale = a.scale.max(b.scale);
    let x = i256::from_i128(x).wrapping_mul(wide_power(scale - a.scale));
    let y = i256::from_i128(y).wrapping_mul(wide_power(scale - b.scale));
    Ok(fitted(x.wrapping_rem(y), scale, to))
}

/// The number with another scale, if it has not too many digits then.
fn fitted(value: i256, scale: u32, to: Shape) -> Option<i128> {
    let value = match to.scale >= scale {
        true => value.checked_mul(wide_power(to.scale - scale))?,
        false => half_up(value, wide_power(scale - to.scale)),
    };
    within(value, to.precision)
}

fn within(value: i256, precision: u8) -> Option<i128> {
    value.to_i128().filter(|v| v.abs() < limit(precision))
}

/// Division rounded to the nearest, halves away from zero; the divisor is positive.
fn half_up(value: i256, divisor: i256) -> i256 {
    let (q, r) = (value.wrapping_div(divisor), value.wrapping_rem(divisor));
    let magnitude = if r.is_negative() { r.wrapping_neg() } else { r };
    match magnitude >= divisor.wrapping_sub(magnitude) {
        true if value.is_negative() => q.wrapping_sub(i256::ONE),
        true => q.wrapping_add(i256::ONE),
        false => q,
    }
}

/// A decimal with another scale, rounded half up; none if it has too many digits for the precision.
pub(crate) fn rescaled(value: i128, scale: u32, to_precision: u8, to_scale: u32) -> Option<i128> {
    if to_scale == scale {
        return (value.abs() < limit(to_precision)).then_some(value);
    }
    fitted(i256::from_i128(value), scale, Shape { precision: to_precision, scale: to_scale })
}

fn plain_rows(args: &Args<'_>, to: Shape, f: impl Fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let (a, b) = (args.numbers::<Decimal128Type>(0)?, args.numbers::<Decimal128Type>(1)?);
    let values = zipped(&a, &b, args.rows, f);
    let array = Decimal128Array::try_new(values.into(), args.nulls())?;
    Ok(Arc::new(array.with_precision_and_scale(to.precision, to.scale as i8)?))
}

fn rows(args: &Args<'_>, to: Shape, f: impl Fn(i128, i128) -> Result<Option<i128>>) -> Result<ArrayRef> {
    let (a, b) = (args.numbers::<Decimal128Type>(0)?, args.numbers::<Decimal128Type>(1)?);
    let nulls = args.nulls();
    let mut builder = Decimal128Builder::with_capacity(args.rows);
    for row in 0..args.rows {
        match nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
            true => builder.append_option(f(a.get(row), b.get(row))?),
            false => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish().with_precision_and_scale(to.precision, to.scale as i8)?))
}
