//! One value of BSON as a value of a column.

use bson::RawBsonRef as Raw;
use flott_api::TypeKind;
use flott_formats::columns::{Column, Decimal, Values, decimal, float32, float64, integer, write_float64};

use crate::decimal::{Parts, parts, rescaled};
use crate::kinds::{Misfit, type_name};
use crate::text::{object_id, put_text};

type Put = Result<(), Misfit>;

const MILLIS_OF_SECOND: i64 = 1000;
const MICROS_OF_MILLI: i64 = 1000;

/// Adds a null, if the column takes one.
pub(super) fn put_null(column: &mut Column, what: &str) -> Put {
    if !column.ty.nullable {
        return Err(Misfit::new(format!("is {what}, but {} has no null", column.ty)));
    }
    column.push_null();
    Ok(())
}

/// Adds a value, as Flink converts it.
pub(super) fn put(column: &mut Column, value: Raw<'_>) -> Put {
    match value {
        Raw::Null | Raw::Undefined => return put_null(column, "null"),
        Raw::Decimal128(d) if parts(d) == Parts::NotANumber => return put_null(column, "no number"),
        _ => {}
    }
    match &column.ty.kind {
        TypeKind::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            return put_decimal(column, value, precision, scale);
        }
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => return put_time(column, value),
        TypeKind::Char(_) | TypeKind::Varchar(_) => return put_string(column, value),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            let Raw::Binary(binary) = value else { return Err(misfit(column, &value)) };
            return if column.push_bytes(binary.bytes) { Ok(()) } else { Err(no_room()) };
        }
        TypeKind::Array(_) => return put_array(column, value),
        TypeKind::Map(..) => return put_map(column, value),
        TypeKind::Row(_) => return put_row(column, value),
        _ => {}
    }
    let wrong = || misfit_of(&column.ty.to_string(), &value);
    match &mut column.values {
        Values::Boolean(to) => to.push(boolean(&value).ok_or_else(wrong)?),
        Values::Int8(to) => to.push(small(&value).map_err(|e| e.unwrap_or_else(wrong))?),
        Values::Int16(to) => to.push(small(&value).map_err(|e| e.unwrap_or_else(wrong))?),
        Values::Int32(to) => to.push(whole(&value, 1).map_err(|e| e.unwrap_or_else(wrong))?),
        Values::Int64(to) => to.push(whole(&value, MILLIS_OF_SECOND).map_err(|e| e.unwrap_or_else(wrong))?),
        // Of a decimal the text is read, so that it is rounded once.
        Values::Float32(to) => to.push(match value {
            Raw::Int32(n) => n as f32,
            Raw::Int64(n) => n as f32,
            Raw::Double(n) => n as f32,
            Raw::Decimal128(d) => float32(d.to_string().as_bytes()).ok_or_else(wrong)?,
            Raw::Boolean(b) => f32::from(u8::from(b)),
            Raw::String(text) => float32(text.trim().as_bytes()).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        }),
        Values::Float64(to) => to.push(double(&value).ok_or_else(wrong)?),
        _ => return Err(wrong()),
    }
    column.pushed();
    Ok(())
}

fn misfit(column: &Column, value: &Raw<'_>) -> Misfit {
    misfit_of(&column.ty.to_string(), value)
}

fn misfit_of(ty: &str, value: &Raw<'_>) -> Misfit {
    Misfit::new(format!("is {} that cannot be {ty}", type_name(value)))
}

fn no_room() -> Misfit {
    Misfit::new("is too long: a batch of a column has at most 2 GB")
}

fn too_large() -> Misfit {
    Misfit::new("is too large for its type here")
}

fn boolean(value: &Raw<'_>) -> Option<bool> {
    Some(match value {
        Raw::Boolean(b) => *b,
        Raw::Int32(n) => *n == 1,
        Raw::Int64(n) => *n == 1,
        Raw::String(text) => text.eq_ignore_ascii_case("true"),
        _ => return None,
    })
}

/// `TINYINT` and `SMALLINT`, which Flink makes of fewer types; nothing if it is not of one of them.
fn small<T: TryFrom<i64>>(value: &Raw<'_>) -> Result<T, Option<Misfit>> {
    let number = match value {
        Raw::Boolean(b) => i64::from(*b),
        Raw::Int32(n) => i64::from(*n),
        Raw::Int64(n) => *n,
        Raw::String(text) => integer(text.as_bytes()).ok_or(None)?,
        _ => return Err(None),
    };
    T::try_from(number).map_err(|_| Some(too_large()))
}

/// `INT` and `BIGINT`; a second of a time is so many units of the former. Nothing if it is of no type that can be one.
fn whole<T: TryFrom<i64>>(value: &Raw<'_>, second: i64) -> Result<T, Option<Misfit>> {
    let number = match value {
        Raw::Int32(n) => Some(i64::from(*n)),
        Raw::Int64(n) => Some(*n),
        Raw::Double(n) => cut(*n),
        Raw::Decimal128(d) => match parts(*d) {
            Parts::Finite { digits, exponent } => cut_decimal(digits, exponent),
            _ => None,
        },
        Raw::Boolean(b) => Some(i64::from(*b)),
        Raw::DateTime(time) => Some(time.timestamp_millis().div_euclid(MILLIS_OF_SECOND / second)),
        Raw::Timestamp(time) => Some(i64::from(time.time) * second),
        Raw::String(text) => Some(integer(text.as_bytes()).ok_or(None)?),
        _ => return Err(None),
    };
    number.and_then(|n| T::try_from(n).ok()).ok_or_else(|| Some(too_large()))
}

/// Without its fraction, if it is a number of 64 bits.
fn cut(value: f64) -> Option<i64> {
    // 2^63 itself is no i64 any more.
    (value >= i64::MIN as f64 && value < i64::MAX as f64).then_some(value as i64)
}

fn cut_decimal(digits: i128, exponent: i32) -> Option<i64> {
    let factor = 10_i128.checked_pow(exponent.unsigned_abs());
    let number = match (exponent >= 0, factor) {
        _ if digits == 0 => 0,
        (true, factor) => digits.checked_mul(factor?)?,
        (false, Some(factor)) => digits / factor,
        (false, None) => 0,
    };
    i64::try_from(number).ok()
}

fn double(value: &Raw<'_>) -> Option<f64> {
    Some(match value {
        Raw::Int32(n) => f64::from(*n),
        Raw::Int64(n) => *n as f64,
        Raw::Double(n) => *n,
        Raw::Decimal128(d) => float64(d.to_string().as_bytes())?,
        Raw::Boolean(b) => f64::from(u8::from(*b)),
        Raw::String(text) => float64(text.trim().as_bytes())?,
        _ => return None,
    })
}

/// Rounded half up; null if the column has no room for it, as in Flink.
fn put_decimal(column: &mut Column, value: Raw<'_>, precision: u8, scale: u8) -> Put {
    let of_digits = |digits, exponent| match rescaled(digits, exponent, scale) {
        Some(n) if n.unsigned_abs() < 10_u128.pow(precision.into()) => Decimal::Value(n),
        _ => Decimal::Overflow,
    };
    let found = match value {
        Raw::Int32(n) => of_digits(n.into(), 0),
        Raw::Int64(n) => of_digits(n.into(), 0),
        Raw::Decimal128(d) => match parts(d) {
            Parts::Finite { digits, exponent } => of_digits(digits, exponent),
            _ => return Err(Misfit::new("is infinite: no DECIMAL is")),
        },
        Raw::Double(n) => {
            let mut text = Vec::new();
            write_float64(n, &mut text);
            decimal(&text, precision, scale)
        }
        Raw::String(text) => decimal(text.as_bytes(), precision, scale),
        _ => Decimal::Malformed,
    };
    match (found, &mut column.values) {
        (Decimal::Value(n), Values::Decimal(to)) => {
            to.push(n);
            column.pushed();
            Ok(())
        }
        (Decimal::Overflow, _) => put_null(column, "too large"),
        _ => Err(misfit(column, &value)),
    }
}

fn put_time(column: &mut Column, value: Raw<'_>) -> Put {
    let millis = match value {
        Raw::DateTime(time) => time.timestamp_millis(),
        Raw::Timestamp(time) => i64::from(time.time) * MILLIS_OF_SECOND,
        _ => return Err(misfit(column, &value)),
    };
    let micros = matches!(column.ty.kind, TypeKind::Timestamp(4..=6) | TypeKind::TimestampLtz(4..=6));
    match &mut column.values {
        Values::Int64(to) if micros => to.push(millis.checked_mul(MICROS_OF_MILLI).ok_or_else(too_large)?),
        Values::Int64(to) => to.push(millis),
        Values::Nanos { millis: to, nanos } => {
            to.push(millis);
            nanos.push(0);
        }
        _ => return Err(misfit(column, &value)),
    }
    column.pushed();
    Ok(())
}

fn put_string(column: &mut Column, value: Raw<'_>) -> Put {
    let room = match value {
        Raw::String(text) => column.push_bytes(text.as_bytes()),
        Raw::ObjectId(id) => column.push_bytes(&object_id(id)),
        _ => {
            let mut text = Vec::new();
            if !put_text(&value, &mut text)? {
                return Err(misfit(column, &value));
            }
            column.push_bytes(&text)
        }
    };
    if room { Ok(()) } else { Err(no_room()) }
}

fn put_array(column: &mut Column, value: Raw<'_>) -> Put {
    let (Raw::Array(array), Values::List { ends, child }) = (&value, &mut column.values) else {
        return Err(misfit(column, &value));
    };
    for (at, element) in array.into_iter().enumerate() {
        let put_in = element.map_err(Misfit::from).and_then(|element| put(child, element));
        put_in.map_err(|misfit| misfit.within(&at.to_string()))?;
    }
    ends.push(i32::try_from(child.len()).map_err(|_| no_room())?);
    column.pushed();
    Ok(())
}

fn put_map(column: &mut Column, value: Raw<'_>) -> Put {
    let (Raw::Document(document), Values::List { ends, child }) = (&value, &mut column.values) else {
        return Err(misfit(column, &value));
    };
    for element in document.iter_elements() {
        let element = element?;
        let Values::Row(entry) = &mut child.values else { return Err(Misfit::new("has no entries")) };
        let [keys, values] = entry.as_mut_slice() else { return Err(Misfit::new("has no entries")) };
        let name = element.key().as_str();
        if !keys.push_bytes(name.as_bytes()) {
            return Err(no_room());
        }
        let put_in = element.value().map_err(Misfit::from).and_then(|value| put(values, value));
        put_in.map_err(|misfit| misfit.within(name))?;
        child.pushed();
    }
    ends.push(i32::try_from(child.len()).map_err(|_| no_room())?);
    column.pushed();
    Ok(())
}

fn put_row(column: &mut Column, value: Raw<'_>) -> Put {
    let row = column.len();
    let Raw::Document(document) = &value else { return Err(misfit(column, &value)) };
    let (TypeKind::Row(fields), Values::Row(children)) = (&column.ty.kind, &mut column.values) else {
        return Err(misfit(column, &value));
    };
    super::put_fields(fields, children, row, document)?;
    column.pushed();
    Ok(())
}
