//! Rows of MySQL's binary protocol, into the builders of columns.

use flott_api::{Error, Result};
use mysql_async::{Row, Value};

use crate::columns::{Builder, Builders};
use crate::decimal::decimal;
use crate::time::days;

const DAY_US: i64 = 86_400_000_000;

/// Puts a row into the builders.
///
/// # Errors
/// If a value is none that the column can have.
pub(super) fn decode_row(row: &Row, builders: &mut Builders) -> Result<()> {
    for (at, builder) in builders.columns_mut().iter_mut().enumerate() {
        match row.as_ref(at) {
            None => return Err(Error::internal("a row has too few columns")),
            Some(Value::NULL) => builder.null(),
            Some(value) => put(builder, value).map_err(|what| {
                let name = row.columns_ref().get(at).map(|c| c.name_str().into_owned()).unwrap_or_default();
                Error::data(format!("column '{name}' has a value that {what}"))
            })?,
        }
    }
    builders.end_row();
    Ok(())
}

const OTHER: &str = "is of another type than its column";
/// `0000-00-00` and dates without a day or a month.
const NO_DATE: &str = "is no date of the calendar";

fn put(builder: &mut Builder, value: &Value) -> std::result::Result<(), &'static str> {
    match (&mut *builder, value) {
        (Builder::Bool(to), value) => to.append_value(match value {
            Value::Int(n) => *n != 0,
            Value::UInt(n) => *n != 0,
            Value::Bytes(bits) => bits.iter().any(|b| *b != 0),
            _ => return Err(OTHER),
        }),
        (Builder::F32(to), Value::Float(v)) => to.append_value(*v),
        (Builder::F64(to), Value::Float(v)) => to.append_value(f64::from(*v)),
        (Builder::F64(to), Value::Double(v)) => to.append_value(*v),
        (Builder::Text(to), Value::Bytes(v)) => {
            to.append_value(std::str::from_utf8(v).map_err(|_| "is no UTF-8")?);
        }
        (Builder::Bytes(to), Value::Bytes(v)) => to.append_value(v),
        (Builder::Date(to), Value::Date(year, month, day, ..)) => {
            to.append_value(day_of(*year, *month, *day)?);
        }
        (Builder::Time(_), Value::Time(negative, days, hours, minutes, seconds, micros)) => {
            if *negative || *days > 0 {
                return Err("is no time of a day");
            }
            builder.micros(of_day(*hours, *minutes, *seconds, *micros));
        }
        (Builder::Millis(_) | Builder::Micros(_), Value::Date(y, mo, d, h, mi, s, us)) => {
            let day = i64::from(day_of(*y, *mo, *d)?);
            builder.micros(day * DAY_US + of_day(*h, *mi, *s, *us));
        }
        (Builder::Decimal { scale, .. }, value) => {
            let (unscaled, scale) = match value {
                Value::Int(n) => (i128::from(*n), 0),
                Value::UInt(n) => (i128::from(*n), 0),
                Value::Bytes(text) => match decimal(text, u32::from(*scale))? {
                    Some(number) => number,
                    None => {
                        builder.null();
                        return Ok(());
                    }
                },
                _ => return Err(OTHER),
            };
            builder.decimal(unscaled, scale);
        }
        (Builder::I8(_) | Builder::I16(_) | Builder::I32(_) | Builder::I64(_), value) => {
            let number = match value {
                Value::Int(n) => Some(*n),
                Value::UInt(n) => i64::try_from(*n).ok(),
                _ => return Err(OTHER),
            };
            if !number.is_some_and(|n| builder.integer(n)) {
                return Err("is too large for its type here");
            }
        }
        _ => return Err(OTHER),
    }
    Ok(())
}

fn of_day(hours: u8, minutes: u8, seconds: u8, micros: u32) -> i64 {
    ((i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * 1_000_000 + i64::from(micros)
}

fn day_of(year: u16, month: u8, day: u8) -> std::result::Result<i32, &'static str> {
    if month == 0 || day == 0 {
        return Err(NO_DATE);
    }
    i32::try_from(days(year.into(), month.into(), day.into())).map_err(|_| NO_DATE)
}
