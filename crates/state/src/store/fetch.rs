//! Looks up many keys at once: the newest layer first, each over all keys that are still open.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::Result;
use flott_api::state::{KeyBatch, StateNumber};
use futures::future::try_join_all;

use super::block::Block;
use super::format::{STATE_BYTES, group_of, key_hash, namespace_of, state_of};
use super::index::{BlockRef, Directory, PartIndex};
use super::io::Io;
use super::layers::{Layers, Sealed, Shared};
use super::memtable::{Found, Memtable};
use super::prefetch::{Prefetched, Taken};
use super::segment::Segment;
use crate::filter;

/// Blocks that are read together: so much of a look lies in memory beside the cache.
const WINDOW_BLOCKS: usize = 2048;
/// Directories that are read at the same time.
const READS_MAX: usize = 8;
/// A value that is a smaller share of its block is copied, so that it does not hold the block in memory.
const SLICE_SHARE: usize = 8;

/// A look for some keys.
struct Lookup {
    /// Full keys, one behind the other, ascending.
    keys: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<u64>,
    /// The keys that no layer has decided on yet, ascending.
    open: Vec<u32>,
    values: Vec<Option<Bytes>>,
    /// Values that were copied, and whose they are.
    copied: Vec<u8>,
    copies: Vec<(u32, Range<usize>)>,
}

/// A key and the block that may have it.
struct Candidate {
    key: u32,
    part: usize,
    block: usize,
}

/// The value of each key, where possible from what was prefetched.
pub(super) async fn fetch(shared: &Shared, state: StateNumber, keys: &KeyBatch) -> Result<Vec<Option<Bytes>>> {
    let mut lookup = Lookup::new(state, keys);
    let (layers, prefetched) = loop {
        let waits = {
            let mut layers = shared.lock();
            match layers.take_prefetched(state, keys) {
                Taken::Wait(done) => done,
                Taken::Found(found) => break (lookup.below(&layers), Some(found)),
                Taken::Nothing => break (lookup.below(&layers), None),
            }
        };
        // Whatever became of it, look again.
        _ = waits.await;
    };
    lookup.all(shared, layers, prefetched.as_deref()).await
}

/// The value of each key, whatever was prefetched.
pub(super) async fn look_up(shared: &Shared, state: StateNumber, keys: &KeyBatch) -> Result<Vec<Option<Bytes>>> {
    let mut lookup = Lookup::new(state, keys);
    let layers = lookup.below(&shared.lock());
    lookup.all(shared, layers, None).await
}

/// What lies below the memtable that takes writes, at one moment.
struct Below {
    sealed: VecDeque<Sealed>,
    segments: Arc<Vec<Arc<Segment>>>,
}

/// Reads what is not known yet, several at a time: after a restore that is all of them.
pub(super) async fn read_directories(io: &Io, segments: &[Arc<Segment>]) -> Result<()> {
    let mut reads = Vec::new();
    for segment in segments {
        if segment.known_directory().is_none() {
            reads.push(segment.directory(io));
        }
        if reads.len() == READS_MAX {
            try_join_all(std::mem::take(&mut reads)).await?;
        }
    }
    try_join_all(reads).await.map(drop)
}

impl Lookup {
    fn new(state: StateNumber, batch: &KeyBatch) -> Self {
        let count = batch.len();
        let (mut keys, mut ends, mut hashes) = (Vec::new(), Vec::with_capacity(count), Vec::with_capacity(count));
        for index in 0..count {
            let start = keys.len();
            keys.extend_from_slice(&state.0.to_be_bytes());
            keys.extend_from_slice(batch.get(index));
            ends.push(keys.len());
            hashes.push(key_hash(&keys[start..]));
        }
        // A key without a key group is nowhere.
        let shortest = STATE_BYTES + size_of::<u16>();
        let open = (0..count).filter(|i| batch.get(*i).len() + STATE_BYTES >= shortest).map(|i| i as u32).collect();
        let values = vec![None; count];
        Lookup { keys, ends, hashes, open, values, copied: Vec::new(), copies: Vec::new() }
    }

    #[inline]
    fn key(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.keys[start..self.ends[index]]
    }

    /// Looks into the memtable that takes writes; what lies below it.
    fn below(&mut self, layers: &Layers) -> Below {
        self.memtable(&layers.active);
        Below { sealed: layers.sealed.clone(), segments: Arc::clone(&layers.segments) }
    }

    async fn all(
        mut self,
        shared: &Shared,
        below: Below,
        prefetched: Option<&Prefetched>,
    ) -> Result<Vec<Option<Bytes>>> {
        below.sealed.iter().for_each(|sealed| self.memtable(&sealed.table));
        if let Some(prefetched) = prefetched {
            self.prefetched(prefetched);
        }
        if !self.open.is_empty() {
            read_directories(&shared.io, &below.segments).await?;
        }
        for segment in below.segments.iter() {
            if self.open.is_empty() {
                break;
            }
            self.segment(&shared.io, segment).await?;
        }
        Ok(self.finish())
    }

    fn prefetched(&mut self, prefetched: &Prefetched) {
        let (mut open, mut at) = (std::mem::take(&mut self.open), 0);
        open.retain(|index| {
            let key = &self.key(*index)[STATE_BYTES..];
            at = prefetched.seek(key, at);
            let Some(found) = prefetched.get(key, at) else { return true };
            self.values[*index as usize] = found.clone();
            false
        });
        self.open = open;
    }

    fn memtable(&mut self, table: &Memtable) {
        if table.is_empty() {
            return;
        }
        let mut open = std::mem::take(&mut self.open);
        open.retain(|index| match table.get(self.key(*index), self.hashes[*index as usize]) {
            Found::Value(value) => {
                self.copy(*index, value);
                false
            }
            Found::Gone => false,
            Found::Nothing => true,
        });
        self.open = open;
    }

    fn copy(&mut self, index: u32, value: &[u8]) {
        let start = self.copied.len();
        self.copied.extend_from_slice(value);
        self.copies.push((index, start..self.copied.len()));
    }

    async fn segment(&mut self, io: &Io, segment: &Segment) -> Result<()> {
        let directory = segment.directory(io).await?;
        let own = self.own(segment.groups());
        if own.is_empty() {
            return Ok(());
        }
        let inside = self.inside(&own, &directory);
        // Which of `open` are decided on.
        let mut decided = vec![false; self.open.len()];
        let mut from = inside.start;
        while from < inside.end {
            from = self.window(io, segment, &directory, from..inside.end, &mut decided).await?;
        }
        if !directory.clears.is_empty() {
            for place in own {
                decided[place] |= self.is_cleared(&directory, self.open[place]);
            }
        }
        let mut decided = decided.into_iter();
        self.open.retain(|_| !decided.next().unwrap_or(false));
        Ok(())
    }

    /// Places of the open keys in these key groups.
    fn own(&self, groups: &Range<u32>) -> Range<usize> {
        let start = self.open.partition_point(|index| group_of(self.key(*index)) < groups.start);
        let end = self.open.partition_point(|index| group_of(self.key(*index)) < groups.end);
        start..end.max(start)
    }

    /// Of these, the places of the keys between the first and the last of a segment.
    fn inside(&self, own: &Range<usize>, directory: &Directory) -> Range<usize> {
        let open = &self.open[own.clone()];
        let start = open.partition_point(|index| self.key(*index) < &directory.first_key[..]);
        let end = open.partition_point(|index| self.key(*index) <= directory.last_key());
        own.start + start..own.start + end.max(start)
    }

    fn is_cleared(&self, directory: &Directory, index: u32) -> bool {
        let key = self.key(index);
        namespace_of(key).is_some_and(|namespace| directory.clears(state_of(key), &namespace, group_of(key)))
    }

    /// Looks for the first of these open keys, as many as one reading allows; where the rest begins.
    async fn window(
        &mut self,
        io: &Io,
        segment: &Segment,
        directory: &Directory,
        places: Range<usize>,
        decided: &mut [bool],
    ) -> Result<usize> {
        let (wanted, upto) = self.parts_of(directory, places.clone());
        let parts = segment.parts(io, directory, &wanted).await?;
        let (candidates, upto) = self.candidates(directory, &wanted, &parts, places.start..upto);
        let mut blocks: Vec<BlockRef<'_>> = Vec::new();
        for candidate in &candidates {
            let block = parts[candidate.part].block(candidate.block);
            if blocks.last().is_none_or(|last| last.section().offset != block.section().offset) {
                blocks.push(block);
            }
        }
        let offsets: Vec<u64> = blocks.iter().map(|block| block.section().offset).collect();
        let blocks = segment.blocks(io, &blocks).await?;
        let (mut at, mut from) = (0, 0);
        for candidate in candidates {
            let offset = parts[candidate.part].block(candidate.block).section().offset;
            if offsets[at] != offset {
                (at, from) = (at + 1, 0);
            }
            let index = self.open[candidate.key as usize];
            from = blocks[at].seek(self.key(index), from);
            if from < blocks[at].len() && blocks[at].key(from) == self.key(index) {
                self.take(index, &blocks[at], from);
                decided[candidate.key as usize] = true;
            }
        }
        Ok(upto)
    }

    /// The parts in which these keys may be, about as many as one reading allows, and where the rest begins.
    fn parts_of(&self, directory: &Directory, places: Range<usize>) -> (Vec<usize>, usize) {
        let (mut parts, mut place) = (Vec::new(), places.start);
        while place < places.end && parts.len() < WINDOW_BLOCKS {
            let key = self.key(self.open[place]);
            let part = directory.parts.partition_point(|part| part.last_key < key);
            let Some(found) = directory.parts.get(part) else { break };
            parts.push(part);
            place += self.open[place..places.end].partition_point(|index| self.key(*index) <= &found.last_key[..]);
        }
        (parts, place)
    }

    /// The keys that pass the filters, with their blocks, and where the rest begins.
    fn candidates(
        &self,
        directory: &Directory,
        wanted: &[usize],
        parts: &[Arc<PartIndex>],
        places: Range<usize>,
    ) -> (Vec<Candidate>, usize) {
        let (mut candidates, mut part, mut block) = (Vec::<Candidate>::new(), 0, 0);
        let mut blocks = 0;
        for place in places.clone() {
            let index = self.open[place];
            let key = self.key(index);
            while part < parts.len() && directory.parts[wanted[part]].last_key < key {
                (part, block) = (part + 1, 0);
            }
            let Some(found) = parts.get(part) else { break };
            if !filter::may_contain(&found.filter, self.hashes[index as usize]) {
                continue;
            }
            block = found.seek(key, block);
            if candidates.last().is_none_or(|last| (last.part, last.block) != (part, block)) {
                if blocks == WINDOW_BLOCKS {
                    return (candidates, place);
                }
                blocks += 1;
            }
            candidates.push(Candidate { key: place as u32, part, block });
        }
        (candidates, places.end)
    }

    fn take(&mut self, index: u32, block: &Block, entry: usize) {
        match block.value(entry) {
            Some(value) if value.len() * SLICE_SHARE < block.byte_len() => self.copy(index, value),
            Some(_) => self.values[index as usize] = block.value_bytes(entry),
            None => {}
        }
    }

    fn finish(mut self) -> Vec<Option<Bytes>> {
        let copied = Bytes::from(self.copied);
        for (index, range) in self.copies {
            self.values[index as usize] = Some(copied.slice(range));
        }
        self.values
    }
}
