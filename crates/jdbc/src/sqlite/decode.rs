//! Values of SQLite, into the builders of columns.

use flott_api::{Error, Result};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::columns::{Builder, Builders};
use crate::decimal::decimal;
use crate::time::{parse_date, parse_time, parse_timestamp};

/// Puts a row into the builders.
///
/// # Errors
/// If a value is none that the column can have.
pub(super) fn decode_row(row: &Row<'_>, names: &[String], builders: &mut Builders) -> Result<()> {
    for (at, builder) in builders.columns_mut().iter_mut().enumerate() {
        let value = row.get_ref(at).map_err(|e| Error::internal("a row has too few columns").with_source(e))?;
        put(builder, value).map_err(|what| {
            let name = names.get(at).map_or("", String::as_str);
            Error::data(format!("column '{name}' has a value that {what}"))
        })?;
    }
    builders.end_row();
    Ok(())
}

fn put(builder: &mut Builder, value: ValueRef<'_>) -> std::result::Result<(), &'static str> {
    let text = || match value {
        ValueRef::Text(text) => std::str::from_utf8(text).map_err(|_| "is no UTF-8"),
        _ => Err("is no text"),
    };
    let number = || match value {
        ValueRef::Real(v) => Ok(v),
        ValueRef::Integer(v) => Ok(v as f64),
        _ => Err("is no number"),
    };
    if matches!(value, ValueRef::Null) {
        builder.null();
        return Ok(());
    }
    match builder {
        Builder::Bool(to) => match value {
            ValueRef::Integer(v) => to.append_value(v != 0),
            _ => return Err("is no truth value"),
        },
        Builder::I8(_) | Builder::I16(_) | Builder::I32(_) | Builder::I64(_) => match value {
            ValueRef::Integer(v) if builder.integer(v) => {}
            ValueRef::Integer(_) => return Err("is too large for its type here"),
            _ => return Err("is no whole number"),
        },
        Builder::F32(to) => to.append_value(number()? as f32),
        Builder::F64(to) => to.append_value(number()?),
        Builder::Text(to) => to.append_value(text()?),
        Builder::Bytes(to) => match value {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => to.append_value(bytes),
            _ => return Err("is no bytes"),
        },
        Builder::Date(to) => to.append_value(parse_date(text()?).ok_or("is no date")?),
        Builder::Time(_) => builder.micros(parse_time(text()?).ok_or("is no time")?),
        Builder::Millis(_) | Builder::Micros(_) => {
            builder.micros(parse_timestamp(text()?).ok_or("is no date with time")?);
        }
        Builder::Decimal { scale, .. } => {
            let wanted = u32::from(*scale);
            let found = match value {
                ValueRef::Integer(v) => Some((i128::from(v), 0)),
                // The shortest digits that mean this number, which are those that were written.
                ValueRef::Real(v) => decimal(v.to_string().as_bytes(), wanted)?,
                _ => decimal(text()?.as_bytes(), wanted)?,
            };
            match found {
                Some((unscaled, scale)) => builder.decimal(unscaled, scale),
                None => builder.null(),
            }
        }
    }
    Ok(())
}
