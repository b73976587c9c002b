//! Blocks: some entries one behind the other, the unit of reading, checking and caching.
//!
//! Layout: codec `u8` (0 plain, 1 LZ4 behind the plain length as `u32` little-endian), payload. The payload is
//! entries in ascending order: length of the full key (varint), 0 for a deletion or length of the value plus one
//! (varint), key, value. The checksum of a block lies in the index.

use bytes::Bytes;
use flott_api::{Error, Result};
use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress as decompress_block, get_maximum_output_size,
};

use super::format::{Input, KEY_BYTES_MIN, Parsed, put_varint};

const PLAIN: u8 = 0;
const LZ4: u8 = 1;
const LZ4_HEADER_BYTES: usize = 5;
/// No run of LZ4 grows by more than this factor, so a longer length is a lie.
const LZ4_RATIO_MAX: usize = 255;

/// A block, checked and ready for looks.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Bytes,
    entries: Box<[Place]>,
}

/// Where an entry lies. `end` is 0 for a deletion; a value never ends there, because its key lies before it.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: u32,
    value: u32,
    end: u32,
}

impl Block {
    /// Reads a stored block. It holds on to `stored` only if that is `owned` by it and nothing larger.
    pub(super) fn decode(stored: &Bytes, owned: bool) -> Parsed<Block> {
        let bytes = match *stored.first().ok_or("a block is empty")? {
            PLAIN if owned => stored.slice(1..),
            PLAIN => Bytes::copy_from_slice(&stored[1..]),
            LZ4 => decompress(&stored[1..])?,
            _ => return Err("a block has an unknown codec"),
        };
        let entries = places(&bytes)?;
        Ok(Block { bytes, entries })
    }

    /// How many entries; at least one.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Place>() + size_of::<Block>()
    }

    /// Bytes of the entries.
    pub(super) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(super) fn key(&self, index: usize) -> &[u8] {
        let place = self.entries[index];
        &self.bytes[place.key as usize..place.value as usize]
    }

    /// The value; nothing for a deletion.
    #[inline]
    pub(super) fn value(&self, index: usize) -> Option<&[u8]> {
        let place = self.entries[index];
        (place.end != 0).then(|| &self.bytes[place.value as usize..place.end as usize])
    }

    /// The same without a copy.
    pub(super) fn value_bytes(&self, index: usize) -> Option<Bytes> {
        let place = self.entries[index];
        (place.end != 0).then(|| self.bytes.slice(place.value as usize..place.end as usize))
    }

    /// The first entry from `from` on whose key is not below `key`.
    #[inline]
    pub(super) fn seek(&self, key: &[u8], from: usize) -> usize {
        let (mut low, mut high) = (from, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.key(middle) < key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

fn decompress(stored: &[u8]) -> Parsed<Bytes> {
    let (length, payload) = stored.split_first_chunk::<4>().ok_or("a block is cut off")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > payload.len().saturating_mul(LZ4_RATIO_MAX) {
        return Err("a block's length is wrong");
    }
    match decompress_block(payload, length) {
        Ok(plain) if plain.len() == length => Ok(plain.into()),
        _ => Err("a block cannot be decompressed"),
    }
}

fn places(bytes: &[u8]) -> Parsed<Box<[Place]>> {
    if bytes.len() > u32::MAX as usize {
        return Err("a block is too long");
    }
    let mut input = Input::new(bytes);
    let mut places = Vec::with_capacity(bytes.len() / 64 + 1);
    while input.rest() > 0 {
        let (key_length, tag) = (input.varint()?, input.varint()?);
        if key_length < KEY_BYTES_MIN as u64 {
            return Err("a key is too short");
        }
        let key = input.position() as u32;
        input.take(key_length)?;
        let value = input.position() as u32;
        input.take(tag.saturating_sub(1))?;
        let end = if tag == 0 { 0 } else { input.position() as u32 };
        places.push(Place { key, value, end });
    }
    if places.is_empty() { Err("a block has no entry") } else { Ok(places.into()) }
}

/// How blocks are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// As they are.
    Plain,
    /// Compressed, where that makes them smaller.
    Lz4,
}

/// Gathers entries, and writes them as a block.
pub(super) struct BlockWriter {
    /// The block before it is compressed; one that stays plain is gathered where it is to lie.
    gathered: Vec<u8>,
    /// What compressing needs, if blocks are.
    table: Option<CompressTable>,
    /// Plain bytes of the block so far.
    bytes: usize,
    last_key: Vec<u8>,
}

impl BlockWriter {
    pub(super) fn new(block_bytes: usize, codec: Codec) -> Self {
        let table = (codec == Codec::Lz4).then(CompressTable::default);
        let gathered = Vec::with_capacity(table.as_ref().map_or(0, |_| block_bytes + block_bytes / 4));
        BlockWriter { gathered, table, bytes: 0, last_key: Vec::new() }
    }

    /// Adds an entry to the block that will be the next one of `out`.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
        let out = if self.table.is_some() { &mut self.gathered } else { out };
        if self.bytes == 0 && self.table.is_none() {
            out.push(PLAIN);
        }
        let start = out.len();
        put_varint(out, key.len() as u64);
        put_varint(out, value.map_or(0, |v| v.len() as u64 + 1));
        out.extend_from_slice(key);
        out.extend_from_slice(value.unwrap_or_default());
        self.bytes += out.len() - start;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
    }

    /// Plain bytes of the block so far.
    pub(super) fn byte_len(&self) -> usize {
        self.bytes
    }

    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Ends the block, all of which is then in `out`, and begins the next one.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let length = u32::try_from(self.bytes).map_err(|_| too_long())?;
        self.bytes = 0;
        let Some(table) = &mut self.table else { return Ok(()) };
        if !compress(&self.gathered, length, table, out)? {
            out.push(PLAIN);
            out.extend_from_slice(&self.gathered);
        }
        self.gathered.clear();
        Ok(())
    }
}

/// Appends a block compressed, unless that gains too little.
fn compress(plain: &[u8], length: u32, table: &mut CompressTable, out: &mut Vec<u8>) -> Result<bool> {
    let start = out.len();
    out.resize(start + LZ4_HEADER_BYTES + get_maximum_output_size(plain.len()), 0);
    let compressed = compress_into_with_table(plain, &mut out[start + LZ4_HEADER_BYTES..], table)
        .map_err(|e| Error::internal("a block cannot be compressed").with_source(e))?;
    if compressed + compressed / 8 + LZ4_HEADER_BYTES >= plain.len() {
        out.truncate(start);
        return Ok(false);
    }
    out[start] = LZ4;
    out[start + 1..start + LZ4_HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    out.truncate(start + LZ4_HEADER_BYTES + compressed);
    Ok(true)
}

fn too_long() -> Error {
    Error::invalid("an entry of state is larger than 4 GB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(entries: &[(&[u8], Option<&[u8]>)]) -> Bytes {
        let mut writer = BlockWriter::new(100, Codec::Lz4);
        let mut out = Vec::new();
        for (key, value) in entries {
            writer.push(key, *value, &mut out);
        }
        writer.finish(&mut out).unwrap();
        out.into()
    }

    fn read(block: &Block) -> Vec<(&[u8], Option<&[u8]>)> {
        (0..block.len()).map(|i| (block.key(i), block.value(i))).collect()
    }

    #[test]
    fn entries_come_back_plain_and_compressed() {
        let long = [7; 500];
        for (value, codec) in [(b"v".as_slice(), PLAIN), (long.as_slice(), LZ4)] {
            let entries = [(b"0001".as_slice(), Some(value)), (b"00015", None), (b"0002", Some(b"".as_slice()))];
            let stored = stored(&entries);
            assert_eq!(stored[0], codec);
            for owned in [true, false] {
                let block = Block::decode(&stored, owned).unwrap();
                assert_eq!(read(&block), entries);
                assert_eq!(block.value_bytes(0).unwrap(), value);
                assert_eq!(block.value_bytes(1), None);
            }
        }
    }

    #[test]
    fn seeking_finds_the_first_key_that_is_not_below() {
        let block = Block::decode(&stored(&[(b"0001", None), (b"0003", None), (b"0005", None)]), true).unwrap();
        for (key, at) in [(b"0000", 0), (b"0001", 0), (b"0002", 1), (b"0005", 2), (b"0006", 3)] {
            assert_eq!(block.seek(key, 0), at);
        }
        assert_eq!(block.seek(b"0000", 2), 2);
    }

    #[test]
    fn no_bytes_panic() {
        let long = [7; 300];
        for stored in [stored(&[(b"0001", Some(b"v")), (b"0002", None)]), stored(&[(b"0001", Some(&long))])] {
            for length in 0..stored.len() {
                drop(Block::decode(&stored.slice(..length), true));
            }
            for at in 0..stored.len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut bytes = stored.to_vec();
                    bytes[at] ^= flip;
                    drop(Block::decode(&bytes.into(), true));
                }
            }
        }
        assert!(Block::decode(&Bytes::new(), true).is_err());
        assert!(Block::decode(&Bytes::from_static(&[LZ4, 255, 255, 255, 255, 0]), true).is_err());
    }
}
