//! The small pieces of which keys and values are written: fixed numbers, short numbers, bytes.
//!
//! All of it is persisted: what is here may be added to, and never changed.

use flott_api::{Error, Result};

const CONTINUES: u8 = 0x80;
const BITS_PER_BYTE: u32 = 7;

/// The error for bytes that cannot be read.
pub fn damaged(why: &str) -> Error {
    Error::corrupt("an entry of state is damaged").with_detail(format!("It cannot be read: {why}."))
}

/// Appends a length and bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_short(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a number in 7 bits a byte, the low ones first: a byte for what is below 128.
pub fn put_short(out: &mut Vec<u8>, mut value: u64) {
    while value >= u64::from(CONTINUES) {
        out.push(value as u8 | CONTINUES);
        value >>= BITS_PER_BYTE;
    }
    out.push(value as u8);
}

/// The same for a number with a sign, small ones of both signs being short.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_short(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Reads what [`put_bytes`] wrote.
///
/// # Errors
/// If the input ends too early.
pub fn take_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = take_short(input)?;
    take(input, usize::try_from(length).unwrap_or(usize::MAX))
}

/// Reads what [`put_short`] wrote.
///
/// # Errors
/// If the input ends too early or the number is too large.
pub fn take_short(input: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(BITS_PER_BYTE as usize) {
        let [byte] = take_array(input)?;
        let bits = u64::from(byte & !CONTINUES);
        if shift + BITS_PER_BYTE > u64::BITS && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & CONTINUES == 0 {
            return Ok(value);
        }
    }
    Err(damaged("a number is too large"))
}

/// Reads what [`put_signed`] wrote.
///
/// # Errors
/// If the input ends too early or the number is too large.
pub fn take_signed(input: &mut &[u8]) -> Result<i64> {
    take_short(input).map(|v| (v >> 1) as i64 ^ -((v & 1) as i64))
}

/// Reads a fixed number of bytes.
///
/// # Errors
/// If the input ends too early.
pub fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length).ok_or_else(|| damaged("it ends too early"))?;
    *input = rest;
    Ok(taken)
}

/// Reads a fixed number of bytes.
///
/// # Errors
/// If the input ends too early.
pub fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, rest) = input.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
    *input = rest;
    Ok(*taken)
}

/// Reads a number.
///
/// # Errors
/// If the input ends too early.
pub fn take_i64(input: &mut &[u8]) -> Result<i64> {
    take_array(input).map(i64::from_le_bytes)
}

/// A number whose bytes, big-endian, compare as it does.
pub fn flipped(value: i64) -> u64 {
    value as u64 ^ (1 << 63)
}

/// The other way.
pub fn unflipped(value: u64) -> i64 {
    (value ^ (1 << 63)) as i64
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;

    use super::*;

    #[test]
    fn numbers_come_back_and_small_ones_are_short() {
        for value in [0, 1, -1, 63, -64, 64, 127, 128, i64::MAX, i64::MIN, 1 << 40] {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            put_short(&mut out, value as u64);
            put_bytes(&mut out, &value.to_le_bytes());
            let mut input = out.as_slice();
            assert_eq!(take_signed(&mut input).unwrap(), value);
            assert_eq!(take_short(&mut input).unwrap(), value as u64);
            assert_eq!(take_bytes(&mut input).unwrap(), value.to_le_bytes());
            assert!(input.is_empty());
            assert_eq!(unflipped(flipped(value)), value);
        }
        let mut out = Vec::new();
        put_signed(&mut out, -64);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn what_is_no_number_is_damaged() {
        for bad in [&[0xff; 11][..], &[0x80], &[], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]] {
            assert_eq!(take_short(&mut &*bad).unwrap_err().kind(), ErrorKind::Corrupt, "{bad:?}");
        }
        assert_eq!(take_bytes(&mut [9u8, 1].as_slice()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
