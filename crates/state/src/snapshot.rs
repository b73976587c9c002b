//! How state is written down: one run of bytes with a version and a checksum, an entry per key.
//!
//! Layout, little-endian: magic `FLKS`, version `u16`, name of the state (`u32` length, bytes), number
//! of entries `u64`, entries, CRC-32 of all before. An entry is key group `u32`, length `u32`, bytes.
//! Every entry names its key group, so a reader takes the groups that it owns and skips the others:
//! that is all that a rescale needs.

use std::ops::Range;

use flott_api::{Error, Result};

pub(crate) use crate::crc::crc32;

const MAGIC: [u8; 4] = *b"FLKS";
/// Rises when the layout changes.
pub const VERSION: u16 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Writes a snapshot, an entry at a time.
#[derive(Debug)]
pub struct SnapshotWriter {
    bytes: Vec<u8>,
    count_at: usize,
    entries: u64,
}

impl SnapshotWriter {
    /// A snapshot of the state with this name: what it is, and all that gives its bytes meaning.
    pub fn new(name: &str) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        put_bytes(&mut bytes, name.as_bytes());
        let count_at = bytes.len();
        bytes.extend_from_slice(&0u64.to_le_bytes());
        SnapshotWriter { bytes, count_at, entries: 0 }
    }

    /// Adds one key's entry, which `write` appends.
    pub fn entry(&mut self, key_group: u32, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(&key_group.to_le_bytes());
        let length_at = self.bytes.len();
        self.bytes.extend_from_slice(&0u32.to_le_bytes());
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = (self.bytes.len() - start) as u32;
        self.bytes[length_at..start].copy_from_slice(&length.to_le_bytes());
        self.entries += 1;
    }

    /// The snapshot.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[self.count_at..self.count_at + 8].copy_from_slice(&self.entries.to_le_bytes());
        let checksum = crc32(&self.bytes);
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        self.bytes
    }
}

/// The entries of a snapshot that lie in `key_groups`.
///
/// # Errors
/// If the snapshot is damaged, of another version, or of another state.
pub fn entries<'a>(snapshot: &'a [u8], name: &str, key_groups: &Range<u32>) -> Result<Vec<&'a [u8]>> {
    let split = snapshot.len().checked_sub(CHECKSUM_BYTES).ok_or_else(|| damaged("it is too short"))?;
    let (mut body, checksum) = snapshot.split_at(split);
    if !body.starts_with(&MAGIC) {
        return Err(damaged("it does not begin as one"));
    }
    if crc32(body).to_le_bytes() != checksum {
        return Err(damaged("its checksum is wrong"));
    }
    take(&mut body, MAGIC.len())?;
    let version = u16::from_le_bytes(take_array(&mut body)?);
    if version != VERSION {
        return Err(Error::invalid(format!("a state snapshot has version {version}"))
            .with_detail(format!("This Flott reads version {VERSION}.")));
    }
    let found = take_bytes(&mut body)?;
    if found != name.as_bytes() {
        let found = String::from_utf8_lossy(found);
        return Err(Error::invalid(format!("the state is '{found}', not '{name}'"))
            .with_hint("State can only be restored into an operator of the same keys and aggregates."));
    }
    let count = take_u64(&mut body)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let key_group = take_u32(&mut body)?;
        let entry = take_bytes(&mut body)?;
        if key_groups.contains(&key_group) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// The error for bytes that cannot be read.
pub fn damaged(why: &str) -> Error {
    Error::corrupt("a state snapshot is damaged").with_detail(format!("It cannot be read: {why}."))
}

/// Appends a length and bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads what [`put_bytes`] wrote.
///
/// # Errors
/// If the input ends too early.
pub fn take_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = take_u32(input)? as usize;
    take(input, length)
}

/// Reads a fixed number of bytes.
///
/// # Errors
/// If the input ends too early.
pub fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length).ok_or_else(|| damaged("an entry ends too early"))?;
    *input = rest;
    Ok(taken)
}

/// Reads a fixed number of bytes.
///
/// # Errors
/// If the input ends too early.
pub fn take_array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, rest) = input.split_first_chunk().ok_or_else(|| damaged("an entry ends too early"))?;
    *input = rest;
    Ok(*taken)
}

/// Reads a number.
///
/// # Errors
/// If the input ends too early.
pub fn take_u32(input: &mut &[u8]) -> Result<u32> {
    take_array(input).map(u32::from_le_bytes)
}

/// Reads a number.
///
/// # Errors
/// If the input ends too early.
pub fn take_u64(input: &mut &[u8]) -> Result<u64> {
    take_array(input).map(u64::from_le_bytes)
}

/// Reads a number.
///
/// # Errors
/// If the input ends too early.
pub fn take_i64(input: &mut &[u8]) -> Result<i64> {
    take_array(input).map(i64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;

    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = SnapshotWriter::new("sum");
        writer.entry(3, |out| out.extend_from_slice(b"three"));
        writer.entry(9, |out| out.extend_from_slice(b"nine"));
        writer.finish()
    }

    #[test]
    fn a_reader_gets_the_key_groups_it_owns() {
        assert_eq!(entries(&sample(), "sum", &(0..128)).unwrap(), [b"three".as_slice(), b"nine"]);
        assert_eq!(entries(&sample(), "sum", &(4..10)).unwrap(), [b"nine".as_slice()]);
    }

    #[test]
    fn every_damaged_byte_is_seen() {
        let good = sample();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(entries(&bad, "sum", &(0..128)).unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
            assert!(entries(&good[..at], "sum", &(0..128)).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_state_is_refused_by_name() {
        let error = entries(&sample(), "max", &(0..128)).unwrap_err();
        assert_eq!(error.message(), "the state is 'sum', not 'max'");
    }
}
