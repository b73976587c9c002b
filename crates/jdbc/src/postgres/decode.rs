//! Rows of PostgreSQL's binary protocol, into the builders of columns.

use std::error::Error as StdError;

use flott_api::{Error, Result};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::columns::{Builder, Builders};
use crate::decimal::Digits;

/// 2000-01-01, where PostgreSQL's time begins.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_US: i64 = 946_684_800_000_000;
/// A numeric is written in digits of four decimals.
const GROUP_MAX: u16 = 9999;
const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_POSITIVE: u16 = 0;

/// The bytes of a value; none of a null.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Puts a row into the builders, beginning with its column `first`.
///
/// # Errors
/// If a value is none that the column can have.
pub(super) fn decode_row(row: &Row, first: usize, builders: &mut Builders) -> Result<()> {
    for (at, builder) in builders.columns_mut().iter_mut().enumerate() {
        let place = at + first;
        let Raw(raw) = row.try_get(place).map_err(|e| Error::internal("a row has too few columns").with_source(e))?;
        let Some(raw) = raw else {
            builder.null();
            continue;
        };
        put(builder, raw).map_err(|what| {
            let name = row.columns().get(place).map_or("", |c| c.name());
            Error::data(format!("column '{name}' has a value that {what}"))
        })?;
    }
    builders.end_row();
    Ok(())
}

/// The number of a key: the first column of an answer to a lookup, counted from 1 there and from 0 here.
///
/// # Errors
/// If there is none.
pub(super) fn decode_ordinal(row: &Row) -> Result<u32> {
    let Raw(raw) = row.try_get(0).map_err(|e| Error::internal("a row has no number").with_source(e))?;
    let number = raw.and_then(integer).and_then(|n| u32::try_from(n - 1).ok());
    number.ok_or_else(|| Error::internal("the number of a key is no number"))
}

fn integer(raw: &[u8]) -> Option<i64> {
    match raw.len() {
        2 => Some(i16::from_be_bytes(raw.try_into().ok()?).into()),
        4 => Some(i32::from_be_bytes(raw.try_into().ok()?).into()),
        8 => Some(i64::from_be_bytes(raw.try_into().ok()?)),
        _ => None,
    }
}

const BROKEN: &str = "is damaged";
const INFINITE: &str = "is infinite";

fn put(builder: &mut Builder, raw: &[u8]) -> std::result::Result<(), &'static str> {
    match builder {
        Builder::Bool(to) => to.append_value(raw.first().is_some_and(|b| *b != 0)),
        Builder::I8(_) | Builder::I16(_) | Builder::I32(_) | Builder::I64(_) => {
            if !builder.integer(integer(raw).ok_or(BROKEN)?) {
                return Err("is too large for its type here");
            }
        }
        Builder::F32(to) => to.append_value(f32::from_be_bytes(raw.try_into().map_err(|_| BROKEN)?)),
        Builder::F64(to) => to.append_value(f64::from_be_bytes(raw.try_into().map_err(|_| BROKEN)?)),
        Builder::Text(to) => to.append_value(std::str::from_utf8(raw).map_err(|_| "is no UTF-8")?),
        Builder::Bytes(to) => to.append_value(raw),
        Builder::Date(to) => {
            let days = i32::from_be_bytes(raw.try_into().map_err(|_| BROKEN)?);
            if matches!(days, i32::MAX | i32::MIN) {
                return Err(INFINITE);
            }
            to.append_value(days.saturating_add(EPOCH_DAYS));
        }
        Builder::Time(_) => builder.micros(integer(raw).ok_or(BROKEN)?),
        Builder::Millis(_) | Builder::Micros(_) => {
            let micros = integer(raw).ok_or(BROKEN)?;
            if matches!(micros, i64::MAX | i64::MIN) {
                return Err(INFINITE);
            }
            builder.micros(micros.saturating_add(EPOCH_US));
        }
        Builder::Decimal { scale, .. } => match numeric(raw, u32::from(*scale))? {
            Some((unscaled, scale)) => builder.decimal(unscaled, scale),
            // More digits than any column here has.
            None => builder.null(),
        },
    }
    Ok(())
}

/// A numeric as a number without a point, and how many of its digits come behind the point, at most as many as are wanted;
/// nothing if it is too large.
fn numeric(raw: &[u8], wanted: u32) -> std::result::Result<Option<(i128, u32)>, &'static str> {
    let (header, digits) = raw.split_at_checked(8).ok_or(BROKEN)?;
    let part = |at: usize| i16::from_be_bytes([header[at], header[at + 1]]);
    let (count, weight, sign) = (part(0), i32::from(part(2)), part(4) as u16);
    if !matches!(sign, NUMERIC_POSITIVE | NUMERIC_NEGATIVE) {
        return Err("is no finite number");
    }
    if digits.len() != count as usize * 2 {
        return Err(BROKEN);
    }
    let mut number = Digits::new(wanted);
    let mut push = |group: u16, place: i32| {
        // Four decimals, of which the first counts most.
        let decimals = [group / 1000, group / 100 % 10, group / 10 % 10, group % 10];
        decimals.iter().try_for_each(|decimal| number.push(*decimal as u8, place < 0))
    };
    // Groups of four decimals; the one of place 0 stands before the point.
    let groups = digits.chunks_exact(2).map(|group| u16::from_be_bytes([group[0], group[1]]));
    if groups.clone().any(|group| group > GROUP_MAX) {
        return Err(BROKEN);
    }
    let between = (weight + 1..0).rev().take(wanted as usize / 4 + 1).map(|place| (0, place));
    let written = groups.zip(0..).map(|(group, at)| (group, weight - at));
    let last = weight + 1 - i32::from(count);
    let zeros = (0..last.max(0)).map(|at| (0, last - 1 - at));
    if between.chain(written).chain(zeros).try_for_each(|(group, place)| push(group, place)).is_none() {
        return Ok(None);
    }
    Ok(Some(number.finish(sign == NUMERIC_NEGATIVE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::encode::numeric_bytes;

    #[test]
    fn numerics_are_read_as_they_are_written() {
        for (value, scale) in [(0, 0), (1, 0), (-1, 3), (10_000, 0), (123_456_789, 4), (-999_999, 6), (1, 38), (5, 5)] {
            let mut bytes = Vec::new();
            numeric_bytes(value, scale, &mut bytes);
            let (unscaled, read_scale) = numeric(&bytes, 38).unwrap().unwrap();
            // 1.50 and 1.5 are the same number.
            let factor = 10i128.pow(u32::from(scale as u8).abs_diff(read_scale));
            let same = if read_scale > u32::from(scale as u8) {
                unscaled == value * factor
            } else {
                unscaled * factor == value
            };
            assert!(same || value == 0, "{value} with {scale}: {unscaled} with {read_scale}");
        }
    }

    #[test]
    fn nan_is_refused_and_what_is_too_large_is_null() {
        let nan = [0, 0, 0, 0, 0xc0, 0, 0, 0];
        assert_eq!(numeric(&nan, 2), Err("is no finite number"));
        assert_eq!(numeric(&nan[..3], 2), Err(BROKEN));
        // 2000000000000000000.123456789012345678, of which PostgreSQL sends 20 decimals behind the point.
        let long = [0, 10, 0, 4, 0, 0, 0, 18, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 4, 210, 22, 46, 35, 52, 13, 128, 30, 120];
        let read = numeric(&long, 18).unwrap().unwrap();
        assert_eq!(read, (2_000_000_000_000_000_000_123_456_789_012_345_678, 18));
        // 10 to the 40th.
        let large = [0, 1, 0, 10, 0, 0, 0, 0, 0, 1];
        assert_eq!(numeric(&large, 2), Ok(None));
    }
}
