//! What a view holds: one Rust type per canonical form, so that the loops of the views are typed.

use std::borrow::Borrow;
use std::hash::Hash;

use arrow_array::builder::{BinaryBuilder, Decimal128Builder, Float64Builder, Int64Builder};
use arrow_array::{Array, ArrayRef, BinaryArray, Decimal128Array, Int64Array};
use arrow_buffer::NullBuffer;
use flott_api::{Error, Result};

use crate::canonical::Canonical;
use crate::codec::{put_bytes, put_signed, take_array, take_bytes, take_i64, take_signed};

/// A value as a view holds it.
pub(super) trait Held: Ord + Hash + Default + Borrow<Self::Key> + Send + 'static {
    /// How a column gives it, without an allocation.
    type Key: Ord + Hash + ?Sized;
    /// The column.
    type Column;
    /// Builds a column.
    type Builder: Default;
    /// Whether its bytes lie elsewhere.
    const APART: bool = false;

    /// The canonical column of an array.
    fn column(array: &ArrayRef) -> Result<Self::Column>;
    /// A row's value, or nothing if it is null.
    fn key(column: &Self::Column, row: usize) -> Option<&Self::Key>;
    /// Keeps a value.
    fn hold(key: &Self::Key) -> Self;
    /// Appends a value to a column.
    fn append(builder: &mut Self::Builder, value: Option<&Self>);
    /// The column.
    fn finish(builder: Self::Builder) -> Canonical;
    /// Appends the value's bytes.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads what `put` wrote.
    fn take(input: &mut &[u8]) -> Result<Self>
    where
        Self: Sized;
}

fn wrong_type(array: &ArrayRef) -> Error {
    Error::internal(format!("a view got values of type {}, not its own", array.data_type()))
}

impl Held for i64 {
    type Key = i64;
    type Column = Int64Array;
    type Builder = Int64Builder;

    fn column(array: &ArrayRef) -> Result<Int64Array> {
        match Canonical::of(array)? {
            Canonical::Int(a) => Ok(a),
            _ => Err(wrong_type(array)),
        }
    }

    #[inline]
    fn key(column: &Int64Array, row: usize) -> Option<&i64> {
        column.is_valid(row).then(|| &column.values()[row])
    }

    fn hold(key: &i64) -> i64 {
        *key
    }

    fn append(builder: &mut Int64Builder, value: Option<&i64>) {
        builder.append_option(value.copied());
    }

    fn finish(mut builder: Int64Builder) -> Canonical {
        Canonical::Int(builder.finish())
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_signed(out, *self);
    }

    fn take(input: &mut &[u8]) -> Result<i64> {
        take_signed(input)
    }
}

impl Held for i128 {
    type Key = i128;
    type Column = Decimal128Array;
    type Builder = Decimal128Builder;

    fn column(array: &ArrayRef) -> Result<Decimal128Array> {
        match Canonical::of(array)? {
            Canonical::Wide(a) => Ok(a),
            _ => Err(wrong_type(array)),
        }
    }

    #[inline]
    fn key(column: &Decimal128Array, row: usize) -> Option<&i128> {
        column.is_valid(row).then(|| &column.values()[row])
    }

    fn hold(key: &i128) -> i128 {
        *key
    }

    fn append(builder: &mut Decimal128Builder, value: Option<&i128>) {
        builder.append_option(value.copied());
    }

    fn finish(mut builder: Decimal128Builder) -> Canonical {
        Canonical::Wide(builder.finish())
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(input: &mut &[u8]) -> Result<i128> {
        take_array(input).map(i128::from_le_bytes)
    }
}

/// A floating-point number, ordered as Java's `Double.compareTo`: `-0.0` below `0.0`, NaN on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Float(i64);

impl Float {
    fn of(value: f64) -> Self {
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() } as i64;
        Float(bits ^ (((bits >> 63) as u64) >> 1) as i64)
    }

    fn value(self) -> f64 {
        f64::from_bits((self.0 ^ (((self.0 >> 63) as u64) >> 1) as i64) as u64)
    }
}

impl Held for Float {
    type Key = Float;
    type Column = (Vec<Float>, Option<NullBuffer>);
    type Builder = Float64Builder;

    fn column(array: &ArrayRef) -> Result<Self::Column> {
        match Canonical::of(array)? {
            Canonical::Float(a) => Ok((a.values().iter().map(|v| Float::of(*v)).collect(), a.nulls().cloned())),
            _ => Err(wrong_type(array)),
        }
    }

    #[inline]
    fn key((values, nulls): &Self::Column, row: usize) -> Option<&Float> {
        nulls.as_ref().is_none_or(|n| n.is_valid(row)).then(|| &values[row])
    }

    fn hold(key: &Float) -> Float {
        *key
    }

    fn append(builder: &mut Float64Builder, value: Option<&Float>) {
        builder.append_option(value.map(|v| v.value()));
    }

    fn finish(mut builder: Float64Builder) -> Canonical {
        Canonical::Float(builder.finish())
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn take(input: &mut &[u8]) -> Result<Float> {
        take_i64(input).map(Float)
    }
}

impl Held for Box<[u8]> {
    type Key = [u8];
    type Column = BinaryArray;
    type Builder = BinaryBuilder;
    const APART: bool = true;

    fn column(array: &ArrayRef) -> Result<BinaryArray> {
        match Canonical::of(array)? {
            Canonical::Bytes(a) => Ok(a),
            _ => Err(wrong_type(array)),
        }
    }

    #[inline]
    fn key(column: &BinaryArray, row: usize) -> Option<&[u8]> {
        column.is_valid(row).then(|| column.value(row))
    }

    fn hold(key: &[u8]) -> Self {
        key.into()
    }

    fn append(builder: &mut BinaryBuilder, value: Option<&Self>) {
        builder.append_option(value);
    }

    fn finish(mut builder: BinaryBuilder) -> Canonical {
        Canonical::Bytes(builder.finish())
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self);
    }

    fn take(input: &mut &[u8]) -> Result<Self> {
        take_bytes(input).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_ordered_as_in_java() {
        let ascending = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1.5, f64::INFINITY, f64::NAN];
        let held: Vec<Float> = ascending.iter().map(|v| Float::of(*v)).collect();
        assert!(held.is_sorted_by(|a, b| a < b));
        assert_eq!(Float::of(-f64::NAN), Float::of(f64::NAN));
        for (value, held) in ascending.iter().zip(held) {
            assert_eq!(held.value().to_bits(), Float::of(*value).value().to_bits());
            assert!(held.value() == *value || value.is_nan());
        }
    }
}
