//! One value for a whole batch, from its text: partition columns, whose value stands in the path.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::column::{Column, Values};
use crate::text::number;
use crate::text::time::{Shape, iso_time, sql_date, timestamp};

/// A column of `rows` times the value that `text` stands for; without a text it is NULL.
///
/// # Errors
/// If the text is no value of the type.
pub fn constant_column(ty: &LogicalType, text: Option<&str>, rows: usize) -> Result<ArrayRef> {
    let mut column = Column::new(ty);
    match text {
        None => column.push_null(),
        Some(text) if push(&mut column, text.as_bytes()) => {}
        Some(text) => return Err(Error::data(format!("'{text}' is no {}", ty.clone().with_nullable(true)))),
    }
    let one = column.take()?;
    let zeros = UInt32Array::from(vec![0; rows]);
    Ok(take(&one, &zeros, None)?)
}

/// As Flink reads what it wrote into a path itself: Java's texts, with SQL's timestamps beside.
pub(crate) fn push(column: &mut Column, text: &[u8]) -> bool {
    let local = Shape { separator: b' ', zulu: false, strict: false };
    let iso = Shape { separator: b'T', zulu: false, strict: true };
    let good = match (&mut column.values, &column.ty.kind) {
        (Values::Bytes { .. }, _) => return column.push_bytes(text),
        (Values::Boolean(v), _) if text.eq_ignore_ascii_case(b"true") => some(v, Some(true)),
        (Values::Boolean(v), _) if text.eq_ignore_ascii_case(b"false") => some(v, Some(false)),
        (Values::Int8(v), _) => some(v, number::integer(text)),
        (Values::Int16(v), _) => some(v, number::integer(text)),
        (Values::Int32(v), TypeKind::Int) => some(v, number::integer(text)),
        (Values::Int64(v), TypeKind::BigInt) => some(v, number::integer(text)),
        (Values::Float32(v), _) => some(v, number::float32(text)),
        (Values::Float64(v), _) => some(v, number::float64(text)),
        (Values::Int32(v), TypeKind::Date) => some(v, sql_date(text)),
        (Values::Int32(v), TypeKind::Time(p)) => some(v, iso_time(text, *p, false)),
        (Values::Decimal(_), TypeKind::Decimal { precision, scale }) => {
            let value = number::decimal(text, *precision, *scale);
            return column.push_decimal(value);
        }
        (_, TypeKind::TimestampLtz(p)) if text.ends_with(b"Z") => {
            let precision = *p;
            return timestamp(text, Shape { zulu: true, ..iso }).is_some_and(|m| column.push_moment(m, precision));
        }
        (_, TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p)) => {
            let precision = *p;
            let moment = timestamp(text, local).or_else(|| timestamp(text, iso));
            return moment.is_some_and(|m| column.push_moment(m, precision));
        }
        _ => false,
    };
    if good {
        column.pushed();
    }
    good
}

fn some<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    value.map(|v| values.push(v)).is_some()
}
