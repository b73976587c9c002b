//! What rows hash to: not the hash of key groups, but one that a few lines of Java give as well.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use flott_api::{Error, Result};

/// What a null counts as: the letters "null".
const NULL: u64 = 0x6e75_6c6c;

/// The hash of each row.
pub(super) fn hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0; rows];
    for column in columns {
        for (hash, value) in hashes.iter_mut().zip(values(column)?) {
            *hash = mix(*hash ^ value);
        }
    }
    Ok(hashes)
}

/// The bits of numbers, times in milliseconds, or of what texts and decimals hash to.
fn values(column: &ArrayRef) -> Result<Vec<u64>> {
    let each = |value: &dyn Fn(usize) -> u64| {
        (0..column.len()).map(|row| if column.is_null(row) { NULL } else { value(row) }).collect()
    };
    Ok(match column.data_type() {
        DataType::Int64 => each(&|row| column.as_primitive::<Int64Type>().value(row) as u64),
        DataType::Int32 => each(&|row| i64::from(column.as_primitive::<Int32Type>().value(row)) as u64),
        DataType::Date32 => each(&|row| i64::from(column.as_primitive::<Date32Type>().value(row)) as u64),
        DataType::Boolean => each(&|row| u64::from(column.as_boolean().value(row))),
        DataType::Float64 => each(&|row| column.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            each(&|row| column.as_primitive::<TimestampMillisecondType>().value(row) as u64)
        }
        DataType::Decimal128(..) => each(&|row| column.as_primitive::<Decimal128Type>().value(row) as u64),
        DataType::Utf8 => each(&|row| text(column.as_string::<i32>().value(row))),
        other => return Err(Error::invalid(format!("the sink of the measurement cannot hash {other}"))),
    })
}

/// FNV-1a, as its authors give it.
fn text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The last steps of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(bits: u64) -> u64 {
    let mut z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
