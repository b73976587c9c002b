//! How a segment is found in: footer, directory and the indexes of its parts.
//!
//! A segment is, in this order: blocks, filters, indexes, directory, footer. Its blocks are cut into parts of some
//! hundreds; each part has a filter over all of its keys and an index of its blocks, which are read when a key of the
//! part is wanted. The directory names the parts. Each level has the checksums of the one below, and the footer's
//! own lies in the checkpoint, so the checkpoint vouches for every byte.
//!
//! Footer, little-endian, 40 bytes: directory's offset `u64`, length `u32`, checksum `u32`; entries `u64`;
//! zero `u32`; zero `u16`, version `u16`, magic `FLSG`, checksum of the 36 bytes before. Whatever a later
//! version puts elsewhere, its file ends with these 40 bytes so, or this one could not tell newer from damaged.

use std::ops::Range;

use bytes::Bytes;
use flott_api::{Error, Result};

use super::format::{Input, KEY_BYTES_MIN, Namespace, Parsed, checksum, damaged, put_slice, put_varint};

const MAGIC: [u8; 4] = *b"FLSG";
/// Rises when the layout changes.
pub(super) const VERSION: u16 = 1;
pub(super) const FOOTER_BYTES: usize = 40;

/// Where bytes lie in a file, and their checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) checksum: u32,
}

impl Section {
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.length)
    }

    /// The bytes, if they are the ones.
    pub(super) fn check(&self, bytes: &[u8]) -> Parsed<()> {
        if checksum(bytes) == self.checksum { Ok(()) } else { Err("a checksum is wrong") }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.offset);
        put_varint(out, u64::from(self.length));
        out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    fn take(input: &mut Input<'_>, size: u64) -> Parsed<Section> {
        let offset = input.varint()?;
        let length = u32::try_from(input.varint()?).map_err(|_| "a section is too long")?;
        let checksum = input.u32()?;
        if offset.checked_add(u64::from(length)).is_none_or(|end| end > size) {
            return Err("a section lies behind the end");
        }
        Ok(Section { offset, length, checksum })
    }
}

/// The last bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) directory: Section,
    pub(super) entries: u64,
}

impl Footer {
    /// Appends the footer; its checksum.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> u32 {
        let start = out.len();
        out.extend_from_slice(&self.directory.offset.to_le_bytes());
        out.extend_from_slice(&self.directory.length.to_le_bytes());
        out.extend_from_slice(&self.directory.checksum.to_le_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        let sum = checksum(&out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
        sum
    }

    /// Reads the footer of a file of `size` bytes from its last bytes. `expected` is its checksum, where it is known.
    pub(super) fn read(path: &str, tail: &[u8], size: u64, expected: Option<u32>) -> Result<Footer> {
        let Some(bytes) = tail.last_chunk::<FOOTER_BYTES>() else {
            return Err(damaged(path, "it is too short"));
        };
        let parsed = parse_footer(bytes, size).map_err(|why| damaged(path, why))?;
        let (sum, version, footer) = parsed;
        if version > VERSION {
            return Err(Error::invalid(format!("state file '{path}' has version {version}"))
                .with_detail(format!("This Flott reads state files up to version {VERSION}."))
                .with_hint("Restore with the Flott that wrote it, or a newer one."));
        }
        if expected.is_some_and(|expected| expected != sum) {
            return Err(damaged(path, "it is not the file that the checkpoint means"));
        }
        footer.map_err(|why| damaged(path, why))
    }
}

fn parse_footer(bytes: &[u8; FOOTER_BYTES], size: u64) -> Parsed<(u32, u16, Parsed<Footer>)> {
    let mut input = Input::new(bytes);
    let (offset, length, directory_sum) = (input.u64()?, input.u32()?, input.u32()?);
    let (entries, _) = (input.u64()?, input.take(6)?);
    let version = input.u16()?;
    if input.array()? != MAGIC {
        return Err("it does not end as a state file does");
    }
    let sum = input.u32()?;
    if checksum(&bytes[..FOOTER_BYTES - 4]) != sum {
        return Err("the footer's checksum is wrong");
    }
    let inside = offset.checked_add(u64::from(length)).is_some_and(|end| end <= size - FOOTER_BYTES as u64);
    let directory = Section { offset, length, checksum: directory_sum };
    let footer = if inside { Ok(Footer { directory, entries }) } else { Err("the directory lies behind the end") };
    Ok((sum, version, footer))
}

/// A namespace of a state that was cleared, for all that is older than the file which says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clear {
    pub(super) state: u16,
    pub(super) namespace: Namespace,
    /// The key groups of whoever cleared it: others may still have it.
    pub(super) from_group: u32,
    pub(super) to_group: u32,
}

/// Some hundred blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where its first block begins; they lie one behind the other.
    pub(super) offset: u64,
    pub(super) filter: Section,
    pub(super) index: Section,
    pub(super) last_key: Bytes,
}

/// What a file is and where its parts lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// The key groups of its writer.
    pub(super) groups: Range<u32>,
    /// How many of its entries are deletions.
    pub(super) deletions: u64,
    pub(super) first_key: Bytes,
    /// Ascending.
    pub(super) clears: Vec<Clear>,
    pub(super) parts: Vec<Part>,
}

impl Directory {
    /// The largest key; empty if there is none.
    pub(super) fn last_key(&self) -> &[u8] {
        self.parts.last().map_or(&[], |part| &part.last_key)
    }

    /// Whether a namespace is cleared for a key group in everything older.
    pub(super) fn clears(&self, state: u16, namespace: &Namespace, group: u32) -> bool {
        let first = self.clears.partition_point(|c| (c.state, &c.namespace) < (state, namespace));
        let same = self.clears[first..].iter().take_while(|c| (c.state, &c.namespace) == (state, namespace));
        same.into_iter().any(|c| (c.from_group..c.to_group).contains(&group))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let keys: usize = self.parts.iter().map(|part| part.last_key.len()).sum();
        keys + self.parts.len() * size_of::<Part>() + self.clears.len() * size_of::<Clear>() + size_of::<Directory>()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.groups.start));
        put_varint(out, u64::from(self.groups.end));
        put_varint(out, self.deletions);
        put_slice(out, &self.first_key);
        put_varint(out, self.clears.len() as u64);
        for clear in &self.clears {
            out.extend_from_slice(&clear.state.to_le_bytes());
            out.extend_from_slice(&clear.namespace);
            put_varint(out, u64::from(clear.from_group));
            put_varint(out, u64::from(clear.to_group));
        }
        put_varint(out, self.parts.len() as u64);
        for part in &self.parts {
            put_varint(out, part.offset);
            part.filter.put(out);
            part.index.put(out);
            put_slice(out, &part.last_key);
        }
    }

    /// Reads a directory of a file of `size` bytes.
    pub(super) fn read(bytes: &[u8], size: u64) -> Parsed<Directory> {
        let mut input = Input::new(bytes);
        let groups = group(&mut input)?..group(&mut input)?;
        let deletions = input.varint()?;
        let first_key = key(&mut input)?;
        let mut clears = Vec::new();
        for _ in 0..input.count()? {
            let (state, namespace) = (input.u16()?, input.array()?);
            clears.push(Clear { state, namespace, from_group: group(&mut input)?, to_group: group(&mut input)? });
        }
        let mut parts = Vec::new();
        for _ in 0..input.count()? {
            let offset = input.varint()?;
            let (filter, index) = (Section::take(&mut input, size)?, Section::take(&mut input, size)?);
            parts.push(Part { offset, filter, index, last_key: key(&mut input)? });
        }
        input.end()?;
        if !clears.is_sorted() || !parts.is_sorted_by(|a, b| a.last_key < b.last_key) {
            return Err("the directory is not sorted");
        }
        if parts.iter().any(|part| part.last_key.len() < KEY_BYTES_MIN || part.last_key < first_key) {
            return Err("the directory has wrong keys");
        }
        Ok(Directory { groups, deletions, first_key, clears, parts })
    }
}

fn group(input: &mut Input<'_>) -> Parsed<u32> {
    u32::try_from(input.varint()?).map_err(|_| "a key group is too large")
}

fn key(input: &mut Input<'_>) -> Parsed<Bytes> {
    input.slice().map(Bytes::copy_from_slice)
}

/// The blocks of a part.
#[derive(Debug)]
pub(super) struct PartIndex {
    blocks: Vec<BlockPlace>,
    /// As it lies in the file: the keys are in here.
    bytes: Bytes,
    pub(super) filter: Bytes,
}

/// A block, and where its last key lies in the index.
#[derive(Clone, Copy, Debug)]
struct BlockPlace {
    section: Section,
    key: u32,
    key_length: u32,
}

/// A block of an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockRef<'a> {
    pub(super) index: &'a PartIndex,
    pub(super) at: usize,
}

impl<'a> BlockRef<'a> {
    pub(super) fn section(self) -> &'a Section {
        &self.index.blocks[self.at].section
    }

    pub(super) fn last_key(self) -> &'a [u8] {
        self.index.last_key(self.at)
    }
}

/// A block to be put into an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub(super) section: Section,
    pub(super) last_key: Bytes,
}

impl BlockEntry {
    /// Appends it; the blocks of a part follow each other, so no offset is needed.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.section.length));
        out.extend_from_slice(&self.section.checksum.to_le_bytes());
        put_slice(out, &self.last_key);
    }
}

impl PartIndex {
    /// Reads the index of a part, of a file of `size` bytes.
    pub(super) fn read(part: &Part, index: &[u8], filter: Bytes, size: u64) -> Parsed<PartIndex> {
        part.index.check(index)?;
        part.filter.check(&filter)?;
        crate::filter::check(&filter)?;
        // One copy for all keys: the index may be a slice of something large.
        let bytes = Bytes::copy_from_slice(index);
        let mut input = Input::new(&bytes);
        let (mut blocks, mut offset) = (Vec::new(), part.offset);
        while input.rest() > 0 {
            let length = u32::try_from(input.varint()?).map_err(|_| "a block is too long")?;
            let checksum = input.u32()?;
            let key_length = input.slice()?.len();
            let key = input.position() - key_length;
            let section = Section { offset, length, checksum };
            blocks.push(BlockPlace { section, key: key as u32, key_length: key_length as u32 });
            offset += u64::from(length);
        }
        let index = PartIndex { blocks, bytes, filter };
        let sorted = (1..index.len()).all(|at| index.last_key(at - 1) < index.last_key(at));
        if !sorted || offset > size || index.len() == 0 || index.last_key(index.len() - 1) != part.last_key {
            return Err("an index has wrong blocks");
        }
        Ok(index)
    }

    /// How many blocks; at least one.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn block(&self, at: usize) -> BlockRef<'_> {
        BlockRef { index: self, at }
    }

    #[inline]
    fn last_key(&self, at: usize) -> &[u8] {
        let place = self.blocks[at];
        &self.bytes[place.key as usize..place.key as usize + place.key_length as usize]
    }

    /// The first block from `from` on whose last key is not below `key`.
    #[inline]
    pub(super) fn seek(&self, key: &[u8], from: usize) -> usize {
        let (mut low, mut high) = (from, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.last_key(middle) < key { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.blocks.len() * size_of::<BlockPlace>() + self.filter.len() + size_of::<PartIndex>()
    }

    /// An index of nothing but a filter.
    #[cfg(test)]
    pub(super) fn of_filter(filter: Bytes) -> Self {
        PartIndex { blocks: Vec::new(), bytes: Bytes::new(), filter }
    }
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;

    use super::*;

    fn section(offset: u64) -> Section {
        Section { offset, length: 10, checksum: 7 }
    }

    fn directory() -> Directory {
        let clear = |state, from_group| Clear { state, namespace: *b"12345678", from_group, to_group: from_group + 10 };
        let part = |key: &'static [u8]| Part {
            offset: 0,
            filter: section(20),
            index: section(30),
            last_key: Bytes::from_static(key),
        };
        Directory {
            groups: 3..300,
            deletions: 5,
            first_key: Bytes::from_static(b"0000"),
            clears: vec![clear(1, 0), clear(1, 50), clear(2, 0)],
            parts: vec![part(b"0001"), part(b"0002x")],
        }
    }

    #[test]
    fn a_directory_reads_as_it_was_put() {
        let mut bytes = Vec::new();
        directory().put(&mut bytes);
        assert_eq!(Directory::read(&bytes, 100), Ok(directory()));
        assert!(Directory::read(&bytes, 39).is_err());
        for length in 0..bytes.len() {
            assert!(Directory::read(&bytes[..length], 100).is_err());
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                drop(Directory::read(&damaged, 100));
            }
        }
    }

    #[test]
    fn a_clear_counts_for_its_key_groups() {
        let directory = directory();
        let clears = |state, group| directory.clears(state, b"12345678", group);
        assert_eq!([clears(1, 0), clears(1, 9), clears(1, 10), clears(1, 55)], [true, true, false, true]);
        assert_eq!([clears(2, 5), clears(2, 55), clears(0, 0), clears(3, 0)], [true, false, false, false]);
        assert!(!directory.clears(1, b"12345679", 0));
    }

    #[test]
    fn a_footer_tells_damage_from_what_is_newer() {
        let mut bytes = vec![0; 60];
        let footer = Footer { directory: section(40), entries: 3 };
        let sum = footer.put(&mut bytes);
        let read = |bytes: &[u8], sum| Footer::read("a", bytes, bytes.len() as u64, sum);
        assert_eq!(read(&bytes, Some(sum)).unwrap(), footer);
        assert_eq!(read(&bytes, Some(sum + 1)).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(read(&bytes[..39], None).unwrap_err().kind(), ErrorKind::Corrupt);
        for at in 60..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(read(&damaged, None).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        let mut newer = bytes.clone();
        newer[90] = 2;
        let sum = checksum(&newer[60..96]);
        newer[96..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(read(&newer, None).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
