//! Keys as bytes: a memcomparable encoding of our own, versioned because it is persisted.
//!
//! The bytes of two keys compare as the keys do, null first. Each value begins with `00` for null or
//! `01`; then, in version 1:
//!
//! | values | bytes |
//! |---|---|
//! | booleans, integers, dates, times, timestamps up to precision 6 | `i64`, big-endian, sign bit flipped |
//! | decimals (unscaled), timestamps of precision 7 to 9 (nanoseconds) | `i128`, the same way |
//! | `FLOAT`, `DOUBLE` | `f64` bits in total order; two zeros, one NaN |
//! | text and bytes | `00` written as `00 FF`, closed by `00 00` |
//! | rows | their fields, one after the other |
//! | the type `NULL` | nothing |
//!
//! All integers have one width, so that a key column may be widened and keep its state.

mod ordered;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int64Array, PrimitiveArray, StructArray,
    new_null_array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Fields};
use flott_api::aggregate::SlotType;
use flott_api::{Error, Result};

use crate::canonical::{Canonical, form};
use crate::codec::{damaged, flipped, take_array, unflipped};

pub use ordered::{KeyOrder, SortKeys};

/// Rises when the encoding changes.
pub const VERSION: u16 = 1;

const NULL: u8 = 0;
const PRESENT: u8 = 1;
const ESCAPE: u8 = 0;
const ESCAPED_ZERO: u8 = 0xff;
const END: u8 = 0;

/// Whether a column of this type can be part of a key.
///
/// # Errors
/// If it cannot.
pub fn check_type(ty: &DataType) -> Result<()> {
    match ty {
        DataType::Null => Ok(()),
        _ if form(ty).is_some() => Ok(()),
        DataType::Struct(fields) => fields.iter().try_for_each(|f| check_type(f.data_type())),
        DataType::List(_) => Err(Error::unsupported("a key of type ARRAY, MAP or MULTISET")),
        other => Err(Error::unsupported(format!("a key whose values lie as {other}"))),
    }
}

/// Encoded keys, one behind the other.
#[derive(Debug, Default)]
pub struct EncodedKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl EncodedKeys {
    /// The key of one row.
    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// Encodes `rows` rows of these columns; what was there before is forgotten, its memory kept.
    ///
    /// # Errors
    /// If a column's type cannot be a key.
    pub fn encode(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let columns = columns.iter().map(KeyColumn::of).collect::<Result<Vec<_>>>()?;
        self.bytes.clear();
        self.ends.clear();
        for row in 0..rows {
            for column in &columns {
                column.encode(row, &mut self.bytes);
            }
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }
}

enum KeyColumn {
    Null,
    Flat(Canonical),
    Row(Vec<KeyColumn>, Option<NullBuffer>),
}

impl KeyColumn {
    fn of(column: &ArrayRef) -> Result<Self> {
        match column.data_type() {
            DataType::Null => Ok(KeyColumn::Null),
            ty if form(ty).is_some() => Canonical::of(column).map(KeyColumn::Flat),
            DataType::Struct(_) => {
                let row = column.as_struct();
                let fields = row.columns().iter().map(KeyColumn::of).collect::<Result<_>>()?;
                Ok(KeyColumn::Row(fields, row.nulls().cloned()))
            }
            other => check_type(other).map(|()| KeyColumn::Null),
        }
    }

    fn encode(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            KeyColumn::Null => out.push(NULL),
            KeyColumn::Flat(Canonical::Int(a)) => {
                marked(a, row, out, |out| out.extend_from_slice(&flipped(a.value(row)).to_be_bytes()));
            }
            KeyColumn::Flat(Canonical::Wide(a)) => {
                marked(a, row, out, |out| out.extend_from_slice(&flipped_wide(a.value(row)).to_be_bytes()));
            }
            KeyColumn::Flat(Canonical::Float(a)) => {
                marked(a, row, out, |out| out.extend_from_slice(&ordered_bits(a.value(row)).to_be_bytes()));
            }
            KeyColumn::Flat(Canonical::Bytes(a)) => marked(a, row, out, |out| escape(a.value(row), out)),
            KeyColumn::Row(_, nulls) if nulls.as_ref().is_some_and(|n| n.is_null(row)) => out.push(NULL),
            KeyColumn::Row(fields, _) => {
                out.push(PRESENT);
                fields.iter().for_each(|f| f.encode(row, out));
            }
        }
    }
}

#[inline]
fn marked(array: &impl Array, row: usize, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    if array.is_null(row) {
        return out.push(NULL);
    }
    out.push(PRESENT);
    encode(out);
}

fn flipped_wide(value: i128) -> u128 {
    value as u128 ^ (1 << 127)
}

/// Bits that compare as unsigned integers the way the numbers do. As in Flink there is one NaN, and -0.0 is another
/// key than 0.0.
fn ordered_bits(value: f64) -> u64 {
    let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

fn from_ordered_bits(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.contains(&ESCAPE) {
        for byte in bytes {
            out.push(*byte);
            if *byte == ESCAPE {
                out.push(ESCAPED_ZERO);
            }
        }
    } else {
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(&[ESCAPE, END]);
}

fn unescape(input: &mut &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let at = input.iter().position(|b| *b == ESCAPE).ok_or_else(|| damaged("a key ends too early"))?;
        out.extend_from_slice(&input[..at]);
        *input = &input[at + 1..];
        match take_array(input)? {
            [ESCAPED_ZERO] => out.push(ESCAPE),
            [END] => return Ok(out),
            _ => return Err(damaged("a key has a wrong escape")),
        }
    }
}

/// The columns of encoded keys; the other way round than [`EncodedKeys::encode`].
///
/// # Errors
/// If the bytes are no keys of these types.
pub fn decode(types: &[DataType], keys: &[&[u8]]) -> Result<Vec<ArrayRef>> {
    let mut inputs = keys.to_vec();
    let present = vec![true; keys.len()];
    let columns = types.iter().map(|ty| decode_column(ty, &mut inputs, &present)).collect::<Result<_>>()?;
    match inputs.iter().all(|i| i.is_empty()) {
        true => Ok(columns),
        false => Err(damaged("a key is too long")),
    }
}

fn decode_column(ty: &DataType, inputs: &mut [&[u8]], present: &[bool]) -> Result<ArrayRef> {
    let mut there = present.to_vec();
    for (input, there) in inputs.iter_mut().zip(&mut there).filter(|(_, t)| **t) {
        *there = match take_array(input)? {
            [NULL] => false,
            [PRESENT] => true,
            _ => return Err(damaged("a key has a wrong marker")),
        };
    }
    let Some(form) = form(ty) else {
        return match ty {
            DataType::Struct(fields) => decode_row(fields, inputs, &there),
            DataType::Null => Ok(new_null_array(ty, inputs.len())),
            other => Err(Error::internal(format!("a key has a column of type {other}"))),
        };
    };
    let canonical = match form {
        SlotType::Int64 => Canonical::Int(Int64Array::from(decode_with(inputs, &there, |input| {
            take_array(input).map(|b| unflipped(u64::from_be_bytes(b)))
        })?)),
        SlotType::Int128 => {
            Canonical::Wide(PrimitiveArray::<Decimal128Type>::from(decode_with(inputs, &there, |input| {
                take_array(input).map(|b| flipped_wide(u128::from_be_bytes(b) as i128) as i128)
            })?) as Decimal128Array)
        }
        SlotType::Float64 => Canonical::Float(Float64Array::from(decode_with(inputs, &there, |input| {
            take_array(input).map(|b| from_ordered_bits(u64::from_be_bytes(b)))
        })?)),
        SlotType::Bytes => Canonical::Bytes(BinaryArray::from_iter(decode_with(inputs, &there, unescape)?)),
    };
    canonical.into_column(ty)
}

fn decode_with<T>(
    inputs: &mut [&[u8]],
    there: &[bool],
    mut read: impl FnMut(&mut &[u8]) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let each = inputs.iter_mut().zip(there);
    each.map(|(input, there)| there.then(|| read(input)).transpose()).collect()
}

fn decode_row(fields: &Fields, inputs: &mut [&[u8]], there: &[bool]) -> Result<ArrayRef> {
    let column = |f: &Arc<arrow_schema::Field>| decode_column(f.data_type(), inputs, there);
    let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, Some(NullBuffer::from(there.to_vec())))?))
}

#[cfg(test)]
mod tests;
