//! Columns of Arrow as arrays of PostgreSQL, in its binary form.

use std::error::Error as StdError;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type};

use crate::columns::Kind;

const EPOCH_DAYS: i32 = 10_957;
const EPOCH_US: i64 = 946_684_800_000_000;
const MICROS_OF_MILLI: i64 = 1000;
const DIGIT_DECIMALS: u32 = 4;
const NUMERIC_NEGATIVE: u16 = 0x4000;

/// A column as a parameter.
#[derive(Debug)]
pub(super) struct ArrayParameter {
    pub(super) column: ArrayRef,
    pub(super) kind: Kind,
}

/// The type of an array of a kind.
pub(super) fn array_type(kind: Kind) -> Type {
    match kind {
        Kind::Bool => Type::BOOL_ARRAY,
        Kind::I8 | Kind::I16 => Type::INT2_ARRAY,
        Kind::I32 => Type::INT4_ARRAY,
        Kind::I64 => Type::INT8_ARRAY,
        Kind::F32 => Type::FLOAT4_ARRAY,
        Kind::F64 => Type::FLOAT8_ARRAY,
        Kind::Decimal { .. } => Type::NUMERIC_ARRAY,
        Kind::Text => Type::TEXT_ARRAY,
        Kind::Bytes => Type::BYTEA_ARRAY,
        Kind::Date => Type::DATE_ARRAY,
        Kind::Time => Type::TIME_ARRAY,
        Kind::Timestamp { .. } => Type::TIMESTAMP_ARRAY,
        Kind::Ltz { .. } => Type::TIMESTAMPTZ_ARRAY,
    }
}

fn element_type(kind: Kind) -> Type {
    match kind {
        Kind::Bool => Type::BOOL,
        Kind::I8 | Kind::I16 => Type::INT2,
        Kind::I32 => Type::INT4,
        Kind::I64 => Type::INT8,
        Kind::F32 => Type::FLOAT4,
        Kind::F64 => Type::FLOAT8,
        Kind::Decimal { .. } => Type::NUMERIC,
        Kind::Text => Type::TEXT,
        Kind::Bytes => Type::BYTEA,
        Kind::Date => Type::DATE,
        Kind::Time => Type::TIME,
        Kind::Timestamp { .. } => Type::TIMESTAMP,
        Kind::Ltz { .. } => Type::TIMESTAMPTZ,
    }
}

impl ToSql for ArrayParameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let rows = i32::try_from(self.column.len())?;
        // One dimension, and whether there are nulls; then the type, the length, and the number of the first.
        out.put_i32(1);
        out.put_i32(i32::from(self.column.null_count() > 0));
        out.put_u32(element_type(self.kind).oid());
        out.put_i32(rows);
        out.put_i32(1);
        self.elements(out)?;
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

impl ArrayParameter {
    fn elements(&self, out: &mut BytesMut) -> Result<(), Box<dyn StdError + Sync + Send>> {
        let column = &self.column;
        match self.kind {
            Kind::Bool => {
                let values = column.as_boolean_opt().ok_or(OTHER_TYPE)?;
                each(column, out, |row, out| fixed(out, &[u8::from(values.value(row))]));
            }
            Kind::I8 => numbers::<Int8Type>(column, out, |v, out| fixed(out, &i16::from(v).to_be_bytes()))?,
            Kind::I16 => numbers::<Int16Type>(column, out, |v, out| fixed(out, &v.to_be_bytes()))?,
            Kind::I32 => numbers::<Int32Type>(column, out, |v, out| fixed(out, &v.to_be_bytes()))?,
            Kind::I64 => numbers::<Int64Type>(column, out, |v, out| fixed(out, &v.to_be_bytes()))?,
            Kind::F32 => numbers::<Float32Type>(column, out, |v, out| fixed(out, &v.to_be_bytes()))?,
            Kind::F64 => numbers::<Float64Type>(column, out, |v, out| fixed(out, &v.to_be_bytes()))?,
            Kind::Decimal { scale, .. } => {
                let mut bytes = Vec::new();
                numbers::<Decimal128Type>(column, out, |v, out| {
                    bytes.clear();
                    numeric_bytes(v, scale.into(), &mut bytes);
                    fixed(out, &bytes);
                })?;
            }
            Kind::Text => {
                let values = column.as_string_opt::<i32>().ok_or(OTHER_TYPE)?;
                each(column, out, |row, out| fixed(out, values.value(row).as_bytes()));
            }
            Kind::Bytes => {
                let values = column.as_binary_opt::<i32>().ok_or(OTHER_TYPE)?;
                each(column, out, |row, out| fixed(out, values.value(row)));
            }
            Kind::Date => numbers::<Date32Type>(column, out, |v, out| {
                fixed(out, &v.saturating_sub(EPOCH_DAYS).to_be_bytes());
            })?,
            Kind::Time => numbers::<Time32MillisecondType>(column, out, |v, out| {
                fixed(out, &(i64::from(v) * MICROS_OF_MILLI).to_be_bytes());
            })?,
            Kind::Timestamp { micros } | Kind::Ltz { micros } => {
                let put = |v: i64, out: &mut BytesMut| fixed(out, &v.saturating_sub(EPOCH_US).to_be_bytes());
                match micros {
                    true => numbers::<TimestampMicrosecondType>(column, out, put)?,
                    false => numbers::<TimestampMillisecondType>(column, out, |v, out| {
                        put(v.saturating_mul(MICROS_OF_MILLI), out);
                    })?,
                }
            }
        }
        Ok(())
    }
}

const OTHER_TYPE: &str = "a column has another type than was declared";

/// A value with its length.
fn fixed(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

fn each(column: &ArrayRef, out: &mut BytesMut, mut put: impl FnMut(usize, &mut BytesMut)) {
    for row in 0..column.len() {
        match column.is_null(row) {
            true => out.put_i32(-1),
            false => put(row, out),
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    out: &mut BytesMut,
    mut put: impl FnMut(T::Native, &mut BytesMut),
) -> Result<(), &'static str> {
    let values = column.as_primitive_opt::<T>().ok_or(OTHER_TYPE)?;
    each(column, out, |row, out| put(values.value(row), out));
    Ok(())
}

/// A decimal as a numeric: digits of four decimals, of which the point falls between two.
pub(super) fn numeric_bytes(unscaled: i128, scale: u32, out: &mut Vec<u8>) {
    let base = 10u128.pow(DIGIT_DECIMALS);
    let mut left = unscaled.unsigned_abs();
    // From the end: the last digit may have less than four decimals behind the point.
    let (mut digits, mut count) = ([0u16; 16], 0);
    let short = scale % DIGIT_DECIMALS;
    if short > 0 {
        let part = 10u128.pow(short);
        digits[0] = ((left % part) * 10u128.pow(DIGIT_DECIMALS - short)) as u16;
        left /= part;
        count = 1;
    }
    while left > 0 {
        digits[count] = (left % base) as u16;
        left /= base;
        count += 1;
    }
    let behind_point = scale.div_ceil(DIGIT_DECIMALS) as i16;
    let sign = if unscaled < 0 { NUMERIC_NEGATIVE } else { 0 };
    out.extend_from_slice(&(count as i16).to_be_bytes());
    out.extend_from_slice(&(count as i16 - behind_point - 1).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(scale as i16).to_be_bytes());
    digits[..count].iter().rev().for_each(|digit| out.extend_from_slice(&digit.to_be_bytes()));
}
