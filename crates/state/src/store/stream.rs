//! Reads the blocks of segments that share no key one after the other.

use std::ops::Range;
use std::sync::Arc;

use flott_api::Result;

use super::format::{group_of, state_of};
use super::index::{BlockRef, Clear, Directory, PartIndex};
use super::io::Io;
use super::merge::Fed;
use super::segment::Segment;

/// A segment with its age; 0 is the newest.
#[derive(Clone)]
pub(super) struct Aged {
    pub(super) segment: Arc<Segment>,
    pub(super) age: u32,
}

impl Aged {
    /// What it clears, for the key groups for which it counts. Its directory is known.
    pub(super) fn clears(&self) -> Vec<(Clear, u32)> {
        let groups = self.segment.groups();
        let clears = self.segment.known_directory().map_or(&[][..], |directory| &directory.clears);
        let cut = |clear: &Clear| Clear {
            from_group: clear.from_group.max(groups.start),
            to_group: clear.to_group.min(groups.end),
            ..clear.clone()
        };
        clears.iter().map(|clear| (cut(clear), self.age)).collect()
    }
}

/// Above every full key: no state has the number 65535.
pub(super) const END: [u8; 2] = [0xff, 0xff];

/// How blocks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of them, once: past the cache, a part at a time.
    Once,
    /// From somewhere on, perhaps not far: through the cache, ever more at a time.
    Cached,
}

/// What of some segments is still to be read.
pub(super) struct BlockStream {
    /// The next one last.
    segments: Vec<Aged>,
    part: usize,
    block: usize,
    range: Range<Vec<u8>>,
    reading: Reading,
    /// Blocks to read at a time.
    ahead: usize,
}

const AHEAD_BLOCKS_MAX: usize = 64;

impl BlockStream {
    /// The blocks with keys in a range, of segments that ascend.
    pub(super) fn new(mut segments: Vec<Aged>, range: Range<Vec<u8>>, reading: Reading) -> Self {
        segments.reverse();
        let ahead = if reading == Reading::Once { AHEAD_BLOCKS_MAX } else { 1 };
        BlockStream { segments, part: 0, block: 0, range, reading, ahead }
    }

    /// The next blocks; none at the end.
    pub(super) async fn next(&mut self, io: &Io) -> Result<Vec<Fed>> {
        while let Some(next) = self.segments.last().cloned() {
            let directory = next.segment.directory(io).await?;
            let start = &self.range.start;
            self.part += directory.parts[self.part..].partition_point(|part| part.last_key < *start);
            while self.part < directory.parts.len() && is_foreign(&directory, self.part, next.segment.groups()) {
                (self.part, self.block) = (self.part + 1, 0);
            }
            if self.part >= directory.parts.len() || self.is_above(&directory) {
                self.segments.pop();
                (self.part, self.block) = (0, 0);
                continue;
            }
            let blocks = self.read_part(io, &next, &directory).await?;
            if !blocks.is_empty() {
                return Ok(blocks);
            }
        }
        Ok(Vec::new())
    }

    /// Whether nothing of the part can be below the end of the range.
    fn is_above(&self, directory: &Directory) -> bool {
        let below = match self.part.checked_sub(1) {
            Some(before) => &directory.parts[before].last_key,
            None => &directory.first_key,
        };
        *below >= self.range.end
    }

    async fn read_part(&mut self, io: &Io, next: &Aged, directory: &Directory) -> Result<Vec<Fed>> {
        let parts = next.segment.parts(io, directory, &[self.part]).await?;
        let Some(index) = parts.first() else { return Ok(Vec::new()) };
        let start = &self.range.start;
        self.block = index.seek(start, self.block);
        let upto = index.len().min(self.block + self.ahead);
        // The first block whose last key is not below the end is the last that can have any of the range.
        let end = index.seek(&self.range.end, self.block).min(upto);
        let blocks = self.read_blocks(io, next, index, self.block..upto.min(end + 1)).await?;
        self.ahead = (self.ahead * 2).min(AHEAD_BLOCKS_MAX);
        self.block = upto;
        if end < upto {
            self.segments.clear();
        } else if upto == index.len() {
            (self.part, self.block) = (self.part + 1, 0);
        }
        Ok(blocks)
    }

    async fn read_blocks(
        &self,
        io: &Io,
        next: &Aged,
        index: &Arc<PartIndex>,
        wanted: Range<usize>,
    ) -> Result<Vec<Fed>> {
        let fed = |block| Fed { block, groups: next.segment.groups().clone(), age: next.age };
        if self.reading == Reading::Cached {
            let wanted: Vec<BlockRef<'_>> = wanted.map(|at| index.block(at)).collect();
            return Ok(next.segment.blocks(io, &wanted).await?.into_iter().map(fed).collect());
        }
        let stored = next.segment.stored_blocks(io, index, wanted.clone()).await?;
        let (segment, index) = (Arc::clone(&next.segment), Arc::clone(index));
        let decode = move || {
            let blocks = wanted.zip(&stored).map(|(at, bytes)| segment.decode(index.block(at), bytes, true));
            blocks.map(|block| block.map(Arc::new)).collect::<Result<Vec<_>>>()
        };
        Ok(io.blocking(decode).await?.into_iter().map(fed).collect())
    }
}

/// Whether a part lies outside of the key groups for which its segment counts, as far as its keys tell.
fn is_foreign(directory: &Directory, part: usize, groups: &Range<u32>) -> bool {
    let last = &directory.parts[part].last_key;
    let first = match part.checked_sub(1) {
        Some(before) => &directory.parts[before].last_key,
        None => &directory.first_key,
    };
    state_of(first) == state_of(last) && (group_of(first) >= groups.end || group_of(last) < groups.start)
}

/// Cuts segments, the newest first, into runs of neighbours that share no key. All directories are known.
pub(super) fn runs(segments: &[Aged]) -> Vec<Vec<Aged>> {
    let mut runs: Vec<Vec<Aged>> = Vec::new();
    for aged in segments {
        match runs.last_mut() {
            Some(run) if run.iter().all(|other| are_apart(&other.segment, &aged.segment)) => run.push(aged.clone()),
            _ => runs.push(vec![aged.clone()]),
        }
    }
    for run in &mut runs {
        run.sort_by(|a, b| first_key(&a.segment).cmp(first_key(&b.segment)));
    }
    runs
}

fn first_key(segment: &Segment) -> &[u8] {
    segment.known_directory().map_or(&[], |directory| &directory.first_key)
}

fn are_apart(a: &Segment, b: &Segment) -> bool {
    let (Some(a), Some(b)) = (a.known_directory(), b.known_directory()) else { return false };
    // A file of clears alone joins no run: it has no place among the others.
    let known = !a.parts.is_empty() && !b.parts.is_empty();
    known && (a.last_key() < &b.first_key[..] || b.last_key() < &a.first_key[..])
}
