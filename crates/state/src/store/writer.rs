//! Writes a segment from entries in ascending order; its layout is told in [`super::index`].

use std::ops::Range;

use bytes::Bytes;
use flott_api::Result;

use super::block::{BlockWriter, Codec};
use super::format::{checksum, key_hash};
use super::index::{BlockEntry, Clear, Directory, Footer, Part, Section};
use super::sketch::Sketch;
use crate::filter;

/// Blocks to a part: with blocks of 4 KB, a part has 1 MB, a filter of some 20 KB and an index of 8 KB.
const PART_BLOCKS: usize = 256;

/// A segment as it will lie in a file.
pub(super) struct EncodedSegment {
    pub(super) bytes: Bytes,
    pub(super) entries: u64,
    pub(super) checksum: u32,
    pub(super) directory: Directory,
    pub(super) sketch: Sketch,
}

pub(super) struct SegmentWriter {
    block_bytes: usize,
    out: Vec<u8>,
    block: BlockWriter,
    block_offset: usize,
    /// Of the part's keys.
    hashes: Vec<u64>,
    part_offset: u64,
    part_blocks: Vec<BlockEntry>,
    parts: Vec<PendingPart>,
    filters: Vec<u8>,
    indexes: Vec<u8>,
    first_key: Bytes,
    entries: u64,
    deletions: u64,
    sketch: Sketch,
}

/// A part whose filter and index are not in the file yet: where they begin and end in their own runs of bytes.
struct PendingPart {
    offset: u64,
    filter: Range<usize>,
    index: Range<usize>,
    last_key: Bytes,
}

impl SegmentWriter {
    /// A writer of a segment of about `expected_bytes`.
    pub(super) fn new(block_bytes: usize, codec: Codec, expected_bytes: usize) -> Self {
        SegmentWriter {
            block_bytes,
            out: Vec::with_capacity(expected_bytes),
            block: BlockWriter::new(block_bytes, codec),
            block_offset: 0,
            hashes: Vec::new(),
            part_offset: 0,
            part_blocks: Vec::new(),
            parts: Vec::new(),
            filters: Vec::new(),
            indexes: Vec::new(),
            first_key: Bytes::new(),
            entries: 0,
            deletions: 0,
            sketch: Sketch::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes of the file so far, about.
    pub(super) fn byte_len(&self) -> usize {
        self.block_offset + self.block.byte_len() + self.filters.len() + self.indexes.len()
    }

    /// Adds an entry; its key is above the last one's.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        if self.entries == 0 {
            self.first_key = Bytes::copy_from_slice(key);
        }
        self.block.push(key, value, &mut self.out);
        let hash = key_hash(key);
        self.hashes.push(hash);
        self.sketch.add(hash, key.len() + value.map_or(0, <[u8]>::len));
        self.entries += 1;
        self.deletions += u64::from(value.is_none());
        if self.block.byte_len() >= self.block_bytes {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        let (offset, last_key) = (self.block_offset, Bytes::copy_from_slice(self.block.last_key()));
        self.block.finish(&mut self.out)?;
        let section = section(&self.out, offset..self.out.len());
        self.block_offset = self.out.len();
        self.part_blocks.push(BlockEntry { section, last_key });
        if self.part_blocks.len() == PART_BLOCKS {
            self.end_part();
        }
        Ok(())
    }

    fn end_part(&mut self) {
        let (filter, index) = (self.filters.len(), self.indexes.len());
        let Some(last) = self.part_blocks.last() else { return };
        let last_key = last.last_key.clone();
        filter::build(&self.hashes, &mut self.filters);
        self.part_blocks.iter().for_each(|block| block.put(&mut self.indexes));
        let (filter, index) = (filter..self.filters.len(), index..self.indexes.len());
        self.parts.push(PendingPart { offset: self.part_offset, filter, index, last_key });
        self.part_offset = self.out.len() as u64;
        self.part_blocks.clear();
        self.hashes.clear();
    }

    /// The segment, with what it clears in all that is older.
    pub(super) fn finish(mut self, clears: Vec<Clear>, groups: Range<u32>) -> Result<EncodedSegment> {
        if self.block.byte_len() > 0 {
            self.end_block()?;
        }
        self.end_part();
        let filters = self.out.len();
        self.out.extend_from_slice(&self.filters);
        let indexes = self.out.len();
        self.out.extend_from_slice(&self.indexes);
        let part = |part: PendingPart| Part {
            offset: part.offset,
            filter: section(&self.out, filters + part.filter.start..filters + part.filter.end),
            index: section(&self.out, indexes + part.index.start..indexes + part.index.end),
            last_key: part.last_key,
        };
        let parts = self.parts.into_iter().map(part).collect();
        let directory = Directory { groups, deletions: self.deletions, first_key: self.first_key, clears, parts };
        let offset = self.out.len();
        directory.put(&mut self.out);
        let section = section(&self.out, offset..self.out.len());
        let checksum = Footer { directory: section, entries: self.entries }.put(&mut self.out);
        let sketch = self.sketch.finished();
        Ok(EncodedSegment { bytes: self.out.into(), entries: self.entries, checksum, directory, sketch })
    }
}

fn section(out: &[u8], range: Range<usize>) -> Section {
    let bytes = &out[range.clone()];
    Section { offset: range.start as u64, length: bytes.len() as u32, checksum: checksum(bytes) }
}
