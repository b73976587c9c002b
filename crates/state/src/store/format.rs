//! What all parts of a segment file are made of: hashes, numbers of variable length, the full key.
//!
//! Everything here is persisted. XXH64 gives checksums (its low half) and the hashes of keys.

use std::ops::Range;

use flott_api::Error;
use flott_api::state::StateNumber;
use twox_hash::XxHash64;

/// Bytes of a state's number before every key.
pub(super) const STATE_BYTES: usize = 2;
/// Bytes of the state's number and the key group: no full key is shorter.
pub(super) const KEY_BYTES_MIN: usize = 4;
/// Where the namespace lies in the full key of a state that has one.
pub(super) const NAMESPACE: Range<usize> = 4..12;

const CHECKSUM_SEED: u64 = 0x666c_6f74_7420_7365;
const KEY_SEED: u64 = 0;

/// A namespace of a state.
pub(super) type Namespace = [u8; 8];

/// Why bytes cannot be read; becomes the detail of an error that names the file.
pub(super) type Parsed<T> = Result<T, &'static str>;

/// The checksum of a part of a file.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    XxHash64::oneshot(CHECKSUM_SEED, bytes) as u32
}

/// The hash of a full key, for filters and memtables.
#[inline]
pub(super) fn key_hash(key: &[u8]) -> u64 {
    XxHash64::oneshot(KEY_SEED, key)
}

/// The key group of a full key.
#[inline]
pub(super) fn group_of(key: &[u8]) -> u32 {
    u32::from(u16::from_be_bytes([key[2], key[3]]))
}

/// The state of a full key.
#[inline]
pub(super) fn state_of(key: &[u8]) -> u16 {
    u16::from_be_bytes([key[0], key[1]])
}

/// The namespace of a full key, if it is long enough to have one.
#[inline]
pub(super) fn namespace_of(key: &[u8]) -> Option<Namespace> {
    key.get(NAMESPACE).and_then(|bytes| bytes.try_into().ok())
}

/// The full key of a key.
pub(super) fn full_key(state: StateNumber, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(STATE_BYTES + key.len());
    full.extend_from_slice(&state.0.to_be_bytes());
    full.extend_from_slice(key);
    full
}

/// The smallest key above all that begin with `prefix`; nothing if there is none.
pub(super) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut above = prefix[..=last].to_vec();
    above[last] += 1;
    Some(above)
}

/// The part that two ranges share; empty if there is none.
pub(super) fn cut(a: &Range<u32>, b: &Range<u32>) -> Range<u32> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// A file that cannot be trusted.
pub(super) fn damaged(path: &str, why: &str) -> Error {
    Error::corrupt(format!("state file '{path}' is damaged")).with_detail(format!("{}.", sentence(why)))
}

fn sentence(why: &str) -> String {
    let mut chars = why.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Appends a number of variable length (LEB128).
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes behind their length.
pub(super) fn put_slice(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what was put, and never behind the end.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Parsed<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or("a number is cut off")?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is too long")
    }

    /// How many items follow, each of which takes at least a byte.
    pub(super) fn count(&mut self) -> Parsed<usize> {
        let count = self.varint()?;
        if count > self.rest() as u64 { Err("a count is too large") } else { Ok(count as usize) }
    }

    #[inline]
    pub(super) fn take(&mut self, bytes: u64) -> Parsed<&'a [u8]> {
        if bytes > self.rest() as u64 {
            return Err("an item is cut off");
        }
        let start = self.at;
        self.at += bytes as usize;
        Ok(&self.bytes[start..self.at])
    }

    pub(super) fn slice(&mut self) -> Parsed<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        self.take(N as u64)?.try_into().map_err(|_| "an item is cut off")
    }

    pub(super) fn u16(&mut self) -> Parsed<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Parsed<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Parsed<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn end(&self) -> Parsed<()> {
        if self.rest() == 0 { Ok(()) } else { Err("there are bytes too many") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_frozen() {
        assert_eq!((checksum(b""), checksum(b"flott")), (CHECKSUM_OF_NOTHING, CHECKSUM_OF_FLOTT));
        assert_eq!((key_hash(b""), key_hash(b"flott")), (0xef46_db37_51d8_e999, HASH_OF_FLOTT));
    }

    const CHECKSUM_OF_NOTHING: u32 = 419_325_091;
    const CHECKSUM_OF_FLOTT: u32 = 2_686_823_337;
    const HASH_OF_FLOTT: u64 = 16_168_793_725_451_908_959;

    #[test]
    fn numbers_read_as_they_were_put() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut input = Input::new(&out);
            assert_eq!((input.varint(), input.rest()), (Ok(value), 0));
            assert!(Input::new(&out[..out.len() - 1]).varint().is_err());
        }
        assert!(Input::new(&[0x80; 11]).varint().is_err());
    }

    #[test]
    fn the_successor_is_above_all_with_the_prefix() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(successor(&[255, 255]), None);
        assert_eq!(successor(b""), None);
    }
}
