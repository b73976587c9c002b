//! Numbers and truth values: Java's narrowing, which never fails; decimals round half up.

use arrow_array::builder::Decimal128Builder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Int8Array, PrimitiveArray};
use arrow_buffer::BooleanBuffer;
use flott_api::{Error, Result, TypeKind};

use super::{Cast, arc};
use crate::arithmetic::{limit, power_of_ten, rescaled};
use crate::cast::parse_number::read_decimal;
use crate::format::number::{write_decimal, write_double, write_float};

/// The cast between two number types, of which one may be `BOOLEAN`.
pub(super) fn cast(from: &TypeKind, to: &TypeKind) -> Result<Cast> {
    use TypeKind::*;
    match (from, to) {
        (Boolean, to) => {
            let to_number = cast(&TinyInt, to)?;
            Ok(Box::new(move |a| to_number(&arc(from_boolean(a)))))
        }
        (from, Boolean) => to_boolean(from),
        (Decimal { scale, .. }, to) => from_decimal(u32::from(*scale), to),
        (from, Decimal { precision, scale }) => to_decimal(from, *precision, u32::from(*scale)),
        (TinyInt, to) => from_integer::<Int8Type>(to),
        (SmallInt, to) => from_integer::<Int16Type>(to),
        (Int, to) => from_integer::<Int32Type>(to),
        (BigInt, to) => from_integer::<Int64Type>(to),
        (Float, Double) => Ok(Box::new(|a| Ok(arc(map::<Float32Type, Float64Type>(a, f64::from))))),
        (Double, Float) => Ok(Box::new(|a| Ok(arc(map::<Float64Type, Float32Type>(a, |v| v as f32))))),
        (Float, to) => from_float::<Float32Type>(to, f64::from),
        (Double, to) => from_float::<Float64Type>(to, |v| v),
        _ => Err(unknown(from)),
    }
}

fn unknown(kind: &TypeKind) -> Error {
    Error::internal(format!("{kind} is no number"))
}

fn map<S: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    array: &ArrayRef,
    f: impl Fn(S::Native) -> T::Native,
) -> PrimitiveArray<T> {
    array.as_primitive::<S>().unary(f)
}

fn from_boolean(array: &ArrayRef) -> Int8Array {
    array.as_boolean().iter().map(|b| b.map(i8::from)).collect()
}

fn to_boolean(from: &TypeKind) -> Result<Cast> {
    fn non_zero<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<ArrayRef>
    where
        T::Native: PartialEq + Default,
    {
        let array = array.as_primitive::<T>();
        let values = array.values();
        let truths = BooleanBuffer::collect_bool(array.len(), |i| values[i] != T::Native::default());
        Ok(arc(BooleanArray::new(truths, array.nulls().cloned())))
    }
    Ok(Box::new(match from {
        TypeKind::TinyInt => non_zero::<Int8Type>,
        TypeKind::SmallInt => non_zero::<Int16Type>,
        TypeKind::Int => non_zero::<Int32Type>,
        TypeKind::BigInt => non_zero::<Int64Type>,
        TypeKind::Float => non_zero::<Float32Type>,
        TypeKind::Double => non_zero::<Float64Type>,
        TypeKind::Decimal { .. } => non_zero::<Decimal128Type>,
        other => return Err(unknown(other)),
    }))
}

fn from_integer<S: ArrowPrimitiveType>(to: &TypeKind) -> Result<Cast>
where
    S::Native: Into<i64>,
{
    Ok(match to {
        TypeKind::TinyInt => Box::new(|a| Ok(arc(map::<S, Int8Type>(a, |v| v.into() as i8)))),
        TypeKind::SmallInt => Box::new(|a| Ok(arc(map::<S, Int16Type>(a, |v| v.into() as i16)))),
        TypeKind::Int => Box::new(|a| Ok(arc(map::<S, Int32Type>(a, |v| v.into() as i32)))),
        TypeKind::BigInt => Box::new(|a| Ok(arc(map::<S, Int64Type>(a, Into::into)))),
        TypeKind::Float => Box::new(|a| Ok(arc(map::<S, Float32Type>(a, |v| v.into() as f32)))),
        TypeKind::Double => Box::new(|a| Ok(arc(map::<S, Float64Type>(a, |v| v.into() as f64)))),
        other => return Err(unknown(other)),
    })
}

/// Floats saturate at the ends of `INT` and `BIGINT`; narrower types then drop bits.
fn from_float<S: ArrowPrimitiveType>(to: &TypeKind, wide: fn(S::Native) -> f64) -> Result<Cast> {
    Ok(match to {
        TypeKind::TinyInt => Box::new(move |a| Ok(arc(map::<S, Int8Type>(a, |v| wide(v) as i32 as i8)))),
        TypeKind::SmallInt => Box::new(move |a| Ok(arc(map::<S, Int16Type>(a, |v| wide(v) as i32 as i16)))),
        TypeKind::Int => Box::new(move |a| Ok(arc(map::<S, Int32Type>(a, |v| wide(v) as i32)))),
        TypeKind::BigInt => Box::new(move |a| Ok(arc(map::<S, Int64Type>(a, |v| wide(v) as i64)))),
        other => return Err(unknown(other)),
    })
}

fn from_decimal(scale: u32, to: &TypeKind) -> Result<Cast> {
    let divisor = power_of_ten(scale);
    Ok(match to {
        TypeKind::TinyInt => Box::new(move |a| Ok(arc(map::<Decimal128Type, Int8Type>(a, |v| (v / divisor) as i8)))),
        TypeKind::SmallInt => Box::new(move |a| Ok(arc(map::<Decimal128Type, Int16Type>(a, |v| (v / divisor) as i16)))),
        TypeKind::Int => Box::new(move |a| Ok(arc(map::<Decimal128Type, Int32Type>(a, |v| (v / divisor) as i32)))),
        TypeKind::BigInt => Box::new(move |a| Ok(arc(map::<Decimal128Type, Int64Type>(a, |v| (v / divisor) as i64)))),
        TypeKind::Float => {
            Box::new(move |a| Ok(arc(map::<Decimal128Type, Float32Type>(a, |v| decimal_to_double(v, scale) as f32))))
        }
        TypeKind::Double => {
            Box::new(move |a| Ok(arc(map::<Decimal128Type, Float64Type>(a, |v| decimal_to_double(v, scale)))))
        }
        TypeKind::Decimal { precision, scale: to_scale } => {
            let (precision, to_scale) = (*precision, u32::from(*to_scale));
            Box::new(move |a| {
                let values = a.as_primitive::<Decimal128Type>();
                decimals(values.iter().map(|v| rescaled(v?, scale, precision, to_scale)), precision, to_scale)
            })
        }
        other => return Err(unknown(other)),
    })
}

/// The nearest double. Digits and power of ten are exact up to 2^53 and 10^22, and then one
/// division rounds correctly; else the text decides.
pub fn decimal_to_double(value: i128, scale: u32) -> f64 {
    const EXACT_MAX: u128 = 1 << 53;
    if scale <= 22 && value.unsigned_abs() <= EXACT_MAX {
        return value as f64 / power_of_ten(scale) as f64;
    }
    let mut text = String::with_capacity(48);
    write_decimal(value, scale, &mut text);
    text.parse().unwrap_or(f64::NAN)
}

fn to_decimal(from: &TypeKind, precision: u8, scale: u32) -> Result<Cast> {
    fn integers<S: ArrowPrimitiveType>(precision: u8, scale: u32) -> Cast
    where
        S::Native: Into<i64>,
    {
        let (factor, limit) = (power_of_ten(scale), limit(precision));
        // Every value of the type fits: no check per row, no null.
        let digits = u32::from(crate::typing::decimal::integer_digits(size_of::<S::Native>()));
        if digits + scale <= u32::from(precision) {
            return Box::new(move |a| {
                let values = map::<S, Decimal128Type>(a, |v| i128::from(v.into()) * factor);
                Ok(arc(values.with_precision_and_scale(precision, scale as i8)?))
            });
        }
        Box::new(move |a| {
            let values = a.as_primitive::<S>().iter();
            let scaled = |v: S::Native| i128::from(v.into()).checked_mul(factor).filter(|v| v.abs() < limit);
            decimals(values.map(|v| scaled(v?)), precision, scale)
        })
    }
    Ok(match from {
        TypeKind::TinyInt => integers::<Int8Type>(precision, scale),
        TypeKind::SmallInt => integers::<Int16Type>(precision, scale),
        TypeKind::Int => integers::<Int32Type>(precision, scale),
        TypeKind::BigInt => integers::<Int64Type>(precision, scale),
        TypeKind::Float => Box::new(move |a| {
            let write = |i: usize, out: &mut String| write_float(a.as_primitive::<Float32Type>().value(i), out);
            from_shortest(a, write, (precision, scale))
        }),
        TypeKind::Double => Box::new(move |a| {
            let write = |i: usize, out: &mut String| write_double(a.as_primitive::<Float64Type>().value(i), out);
            from_shortest(a, write, (precision, scale))
        }),
        other => return Err(unknown(other)),
    })
}

/// A float becomes the decimal that its shortest text shows.
fn from_shortest(
    array: &ArrayRef,
    write: impl Fn(usize, &mut String),
    (precision, scale): (u8, u32),
) -> Result<ArrayRef> {
    let mut text = String::new();
    let mut builder = Decimal128Builder::with_capacity(array.len());
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        write(row, &mut text);
        match read_decimal(&text) {
            Some(number) => builder.append_option(number.fit(precision, scale)),
            // Flink fails here under TRY_CAST too.
            None => return Err(Error::data(format!("cannot cast {text} to DECIMAL({precision}, {scale})"))),
        }
    }
    Ok(arc(builder.finish().with_precision_and_scale(precision, scale as i8)?))
}

fn decimals(values: impl Iterator<Item = Option<i128>>, precision: u8, scale: u32) -> Result<ArrayRef> {
    let array: Decimal128Array = values.collect();
    Ok(arc(array.with_precision_and_scale(precision, scale as i8)?))
}
