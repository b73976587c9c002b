//! Looks up many keys at once: the newest layer first, each over all keys that are still open.
//!
//! Segments are asked together, because storage may be far away: first for the filters of all that may have a key, then
//! for the newest block that may have it, of all keys at the same time, and then for all others of the keys that were not
//! there. So a look waits for storage three times at most, however many segments there are.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::state::{KeyBatch, StateNumber};
use flott_api::{Error, Result};
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

/// Keys that are looked for together in segments: the blocks of so many lie in memory beside the cache.
const WINDOW_KEYS: usize = 2048;
/// Fewer are looked for together where they lie in more parts than this,
const WINDOW_PARTS: usize = 2048;
/// but not fewer than so many.
const WINDOW_KEYS_MIN: usize = 64;
/// Directories that are read at the same time.
const READS_MAX: usize = 8;
/// To look into a segment at all takes as long as to look for so many keys in it.
const LOOK_KEYS: usize = 8;
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

/// A segment that is asked for some of the keys.
struct Probe<'a> {
    segment: &'a Segment,
    directory: &'a Directory,
    /// The places of the keys for which it counts.
    own: Range<usize>,
    /// Of these, the places of those between its first and its last key.
    inside: Range<usize>,
    /// The parts in which they may be, ascending.
    wanted: Vec<usize>,
    parts: Vec<Arc<PartIndex>>,
}

/// A key and a block that may have it.
#[derive(Clone, Copy)]
struct Candidate {
    place: usize,
    probe: usize,
    part: usize,
    block: usize,
    /// Whether no newer block may have it.
    is_newest: bool,
}

impl Probe<'_> {
    fn block(&self, candidate: &Candidate) -> BlockRef<'_> {
        self.parts[candidate.part].block(candidate.block)
    }
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
        let mut from = 0;
        while from < self.open.len() {
            from = self.window(&shared.io, &below.segments, from).await?;
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

    /// Looks for the open keys from a place on, as many as is good together; where the rest begins.
    async fn window(&mut self, io: &Io, segments: &[Arc<Segment>], from: usize) -> Result<usize> {
        let mut keys = WINDOW_KEYS.min(self.open.len() - from);
        let mut probes = self.probes(segments, from..from + keys)?;
        while keys > WINDOW_KEYS_MIN && probes.iter().map(|probe| probe.wanted.len()).sum::<usize>() > WINDOW_PARTS {
            keys /= 2;
            probes = self.probes(segments, from..from + keys)?;
        }
        let mut reads = Vec::with_capacity(probes.len());
        for probe in &probes {
            probe.segment.note_looks(probe.inside.len() + LOOK_KEYS);
            reads.push(probe.segment.parts(io, probe.directory, &probe.wanted));
        }
        let parts = try_join_all(reads).await?;
        probes.iter_mut().zip(parts).for_each(|(probe, parts)| probe.parts = parts);
        let candidates = self.candidates(&probes, from..from + keys);
        let mut decided = vec![false; keys];
        for newest in [true, false] {
            let is_wanted = |c: &&Candidate| c.is_newest == newest && !decided[c.place - from];
            let wanted: Vec<Candidate> = candidates.iter().filter(is_wanted).copied().collect();
            self.read(io, &probes, &wanted, (&mut decided, from)).await?;
        }
        Ok(from + keys)
    }

    /// What the segments, the newest first, are asked for: the open keys at these places.
    fn probes<'a>(&self, segments: &'a [Arc<Segment>], places: Range<usize>) -> Result<Vec<Probe<'a>>> {
        let mut probes = Vec::new();
        for segment in segments {
            let directory = segment.known_directory();
            let directory = directory.ok_or_else(|| Error::internal("the directory of a segment was not read"))?;
            let own = self.own(segment.groups(), &places);
            let inside = self.inside(&own, directory);
            if !inside.is_empty() || !own.is_empty() && !directory.clears.is_empty() {
                let wanted = self.parts_of(directory, inside.clone());
                probes.push(Probe { segment, directory, own, inside, wanted, parts: Vec::new() });
            }
        }
        Ok(probes)
    }

    /// Of these places, those of keys in some key groups.
    fn own(&self, groups: &Range<u32>, places: &Range<usize>) -> Range<usize> {
        let open = &self.open[places.clone()];
        let start = open.partition_point(|index| group_of(self.key(*index)) < groups.start);
        let end = open.partition_point(|index| group_of(self.key(*index)) < groups.end);
        places.start + start..places.start + end.max(start)
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

    /// The parts in which these keys may be.
    fn parts_of(&self, directory: &Directory, places: Range<usize>) -> Vec<usize> {
        let (mut parts, mut place) = (Vec::new(), places.start);
        while place < places.end {
            let key = self.key(self.open[place]);
            let part = directory.parts.partition_point(|part| part.last_key < key);
            let Some(found) = directory.parts.get(part) else { break };
            parts.push(part);
            place += self.open[place..places.end].partition_point(|index| self.key(*index) <= &found.last_key[..]);
        }
        parts
    }

    /// The blocks of which the filters say that they may have a key, segment by segment, the newest first. What a
    /// newer segment has cleared is not looked for in older ones.
    fn candidates(&self, probes: &[Probe<'_>], places: Range<usize>) -> Vec<Candidate> {
        let (mut candidates, mut seen) = (Vec::new(), vec![false; places.len()]);
        let mut cleared = seen.clone();
        for (at, probe) in probes.iter().enumerate() {
            let (mut part, mut block) = (0, 0);
            for place in probe.inside.clone().filter(|place| !cleared[place - places.start]) {
                let index = self.open[place];
                let key = self.key(index);
                while part < probe.parts.len() && probe.directory.parts[probe.wanted[part]].last_key < key {
                    (part, block) = (part + 1, 0);
                }
                let Some(found) = probe.parts.get(part) else { break };
                if filter::may_contain(&found.filter, self.hashes[index as usize]) {
                    block = found.seek(key, block);
                    let is_newest = !std::mem::replace(&mut seen[place - places.start], true);
                    candidates.push(Candidate { place, probe: at, part, block, is_newest });
                }
            }
            if !probe.directory.clears.is_empty() {
                for place in probe.own.clone() {
                    cleared[place - places.start] |= self.is_cleared(probe.directory, self.open[place]);
                }
            }
        }
        candidates
    }

    /// Reads blocks of several segments at the same time, and takes from the newest what they have of their keys.
    /// `decided` tells of which keys from a place on the values are known.
    async fn read(
        &mut self,
        io: &Io,
        probes: &[Probe<'_>],
        candidates: &[Candidate],
        (decided, from): (&mut [bool], usize),
    ) -> Result<()> {
        let of_one = |a: &Candidate, b: &Candidate| a.probe == b.probe;
        let mut wanted: Vec<(&Segment, Vec<BlockRef<'_>>)> = Vec::new();
        for of_segment in candidates.chunk_by(of_one) {
            let probe = &probes[of_segment[0].probe];
            let mut blocks: Vec<BlockRef<'_>> = of_segment.iter().map(|candidate| probe.block(candidate)).collect();
            blocks.dedup_by_key(|block| block.section().offset);
            wanted.push((probe.segment, blocks));
        }
        let mut reads = Vec::with_capacity(wanted.len());
        for (segment, blocks) in &wanted {
            reads.push(segment.blocks(io, blocks));
        }
        let read = try_join_all(reads).await?;
        for (of_segment, ((_, places), blocks)) in candidates.chunk_by(of_one).zip(wanted.iter().zip(&read)) {
            let (mut at, mut entry) = (0, 0);
            for candidate in of_segment {
                let offset = probes[candidate.probe].block(candidate).section().offset;
                if places[at].section().offset != offset {
                    (at, entry) = (at + 1, 0);
                }
                let index = self.open[candidate.place];
                entry = blocks[at].seek(self.key(index), entry);
                let is_there = entry < blocks[at].len() && blocks[at].key(entry) == self.key(index);
                if is_there && !std::mem::replace(&mut decided[candidate.place - from], true) {
                    self.take(index, &blocks[at], entry);
                }
            }
        }
        Ok(())
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
