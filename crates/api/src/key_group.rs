//! Key groups: the unit in which keyed state is spread and moved.
//!
//! A key's group is a frozen hash over its typed values, modulo max parallelism. Frozen means: the
//! golden vectors below may never change, because checkpoints are cut by them. The hash is over
//! values, not over an encoding, so keys may be encoded anew without moving.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};

use crate::{Error, Result};

/// A key group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyGroup(pub u32);

/// The largest max parallelism.
pub const PARALLELISM_MAX: u32 = 1 << 15;

const NULL_HASH: u64 = 0x6e75_6c6c_6e75_6c6c;
const SEED: u64 = 0x666c_6f74_7420_6b67;

/// Flink's default for max parallelism: 1.5 times parallelism as a power of two, 128 to 32768.
pub fn default_max_parallelism(parallelism: u32) -> u32 {
    let wanted = u64::from(parallelism) + u64::from(parallelism) / 2;
    (wanted.next_power_of_two().clamp(128, u64::from(PARALLELISM_MAX))) as u32
}

/// The key groups that a subtask owns: a contiguous range, as in Flink.
pub fn range_of_subtask(max_parallelism: u32, parallelism: u32, subtask: u32) -> Range<u32> {
    let (max, p, i) = (u64::from(max_parallelism), u64::from(parallelism), u64::from(subtask));
    let start = (i * max).div_ceil(p);
    let end = ((i + 1) * max).div_ceil(p);
    start as u32..end as u32
}

/// The subtask that owns a key group.
pub fn subtask_of(group: KeyGroup, max_parallelism: u32, parallelism: u32) -> u32 {
    (u64::from(group.0) * u64::from(parallelism) / u64::from(max_parallelism)) as u32
}

/// The key group of a hash.
pub fn key_group(hash: u64, max_parallelism: u32) -> KeyGroup {
    // The high bits are the best mixed ones; multiply-shift maps them without a division.
    KeyGroup(((u128::from(hash) * u128::from(max_parallelism)) >> 64) as u32)
}

/// The hash of each row's key, over all key columns. No column at all gives every row the same key.
///
/// # Errors
/// If a column's type cannot be a key.
pub fn hash_keys(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![SEED; rows];
    for column in columns {
        hash_column(column.as_ref(), &mut hashes)?;
    }
    Ok(hashes)
}

/// The hash of all rows where they have one key and that is seen at once, as rows of one window have.
///
/// # Errors
/// If a column's type cannot be a key.
pub fn hash_of_all(columns: &[ArrayRef], rows: usize) -> Result<Option<u64>> {
    if rows == 0 || !columns.iter().all(|column| is_one_value(column.as_ref())) {
        return Ok(None);
    }
    let first: Vec<ArrayRef> = columns.iter().map(|column| column.slice(0, 1)).collect();
    Ok(hash_keys(&first, 1)?.pop())
}

/// Whether all rows have the same value; not asked of types that are dear to compare.
fn is_one_value(column: &dyn Array) -> bool {
    fn of<T: ArrowPrimitiveType>(column: &dyn Array) -> bool {
        let values = column.as_primitive::<T>().values();
        column.null_count() == 0 && values.iter().all(|value| *value == values[0])
    }
    match column.data_type() {
        DataType::Int32 => of::<Int32Type>(column),
        DataType::Int64 => of::<Int64Type>(column),
        DataType::Date32 => of::<Date32Type>(column),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(column),
        _ => false,
    }
}

/// Mixes one value into a hash. The finaliser of MurmurHash3 (Austin Appleby, public domain).
#[inline]
fn mix(hash: u64, value: u64) -> u64 {
    let mut h = (hash.rotate_left(31) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

fn mix_bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0u8; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(hash, u64::from_le_bytes(last)), bytes.len() as u64)
}

fn hash_column(column: &dyn Array, hashes: &mut [u64]) -> Result<()> {
    match column.data_type() {
        DataType::Null => hash_with(column, hashes, |_, h| mix(h, NULL_HASH)),
        DataType::Boolean => {
            let a = column.as_boolean();
            hash_with(column, hashes, |row, h| mix(h, u64::from(a.value(row))));
        }
        DataType::Int8 => hash_primitive::<Int8Type>(column, hashes, |v| v as u64),
        DataType::Int16 => hash_primitive::<Int16Type>(column, hashes, |v| v as u64),
        DataType::Int32 => hash_primitive::<Int32Type>(column, hashes, |v| v as u64),
        DataType::Int64 => hash_primitive::<Int64Type>(column, hashes, |v| v as u64),
        DataType::Date32 => hash_primitive::<Date32Type>(column, hashes, |v| v as u64),
        DataType::Time32(TimeUnit::Millisecond) => {
            hash_primitive::<Time32MillisecondType>(column, hashes, |v| v as u64);
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            hash_primitive::<TimestampMillisecondType>(column, hashes, |v| v as u64);
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            hash_primitive::<TimestampMicrosecondType>(column, hashes, |v| v as u64);
        }
        DataType::Float32 => hash_primitive::<Float32Type>(column, hashes, |v| float_bits(f64::from(v))),
        DataType::Float64 => hash_primitive::<Float64Type>(column, hashes, float_bits),
        DataType::Decimal128(_, _) => {
            let a = column.as_primitive::<Decimal128Type>();
            hash_with(column, hashes, |row, h| {
                let v = a.value(row);
                mix(mix(h, v as u64), (v >> 64) as u64)
            });
        }
        DataType::Utf8 => {
            let a = column.as_string::<i32>();
            hash_with(column, hashes, |row, h| mix_bytes(h, a.value(row).as_bytes()));
        }
        DataType::Binary => {
            let a = column.as_binary::<i32>();
            hash_with(column, hashes, |row, h| mix_bytes(h, a.value(row)));
        }
        DataType::Struct(_) => {
            let a = column.as_struct();
            let mut inner = hash_keys(a.columns(), a.len())?;
            hash_with(column, hashes, |row, h| mix(h, std::mem::take(&mut inner[row])));
        }
        DataType::List(_) => hash_list(column, hashes)?,
        other => return Err(Error::invalid(format!("a column of type {other} cannot be a key"))),
    }
    Ok(())
}

fn hash_list(column: &dyn Array, hashes: &mut [u64]) -> Result<()> {
    let a = column.as_list::<i32>();
    let values = a.values();
    let inner = hash_keys(std::slice::from_ref(values), values.len())?;
    hash_with(column, hashes, |row, h| {
        let (from, to) = (a.value_offsets()[row] as usize, a.value_offsets()[row + 1] as usize);
        let all = inner[from..to].iter().fold(h, |h, v| mix(h, *v));
        mix(all, (to - from) as u64)
    });
    Ok(())
}

fn float_bits(v: f64) -> u64 {
    // As in Flink: every NaN is one key, and -0.0 is another than 0.0.
    if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() }
}

fn hash_primitive<T: ArrowPrimitiveType>(column: &dyn Array, hashes: &mut [u64], bits: impl Fn(T::Native) -> u64) {
    let values = column.as_primitive::<T>();
    if column.null_count() == 0 {
        for (hash, value) in hashes.iter_mut().zip(values.values()) {
            *hash = mix(*hash, bits(*value));
        }
        return;
    }
    hash_with(column, hashes, |row, h| mix(h, bits(values.value(row))));
}

fn hash_with(column: &dyn Array, hashes: &mut [u64], mut hash: impl FnMut(usize, u64) -> u64) {
    for (row, h) in hashes.iter_mut().enumerate() {
        *h = if column.is_null(row) { mix(*h, NULL_HASH) } else { hash(row, *h) };
    }
}

#[cfg(test)]
mod tests;
