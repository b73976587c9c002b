//! Merges entries of several ages into one ascending sequence in which the newest wins.
//!
//! It does no I/O: when an input has run dry it says which one, and goes on when it was fed.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::block::Block;
use super::format::{Namespace, group_of, namespace_of, state_of};
use super::index::Clear;
use super::memtable::{Copies, Memtable, Row, head_of};

/// Entries of one age, or of ages that share no key, ascending.
pub(super) enum Input {
    /// A memtable that nobody writes to any more.
    Memtable(Staged),
    /// Entries that were copied out.
    Rows { rows: Vec<Row>, at: usize, age: u32 },
    /// Blocks of segments, as they are fed.
    Blocks { fed: VecDeque<Fed>, at: usize, ended: bool },
}

/// A block with what is to be known of its segment.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) block: Arc<Block>,
    /// The key groups for which the segment counts.
    pub(super) groups: Range<u32>,
    /// 0 is the newest.
    pub(super) age: u32,
}

impl Input {
    pub(super) fn memtable(table: Arc<Memtable>, age: u32) -> Self {
        Input::Memtable(Staged::new(table, age))
    }

    pub(super) fn blocks() -> Self {
        Input::Blocks { fed: VecDeque::new(), at: 0, ended: false }
    }

    /// Moves to the first entry that is not below `key`.
    pub(super) fn seek(&mut self, key: &[u8]) {
        match self {
            Input::Memtable(staged) => staged.seek(key),
            Input::Rows { rows, at, .. } => *at = rows.partition_point(|row| row.0 < key),
            Input::Blocks { fed, at, .. } => *at = fed.front().map_or(0, |first| first.block.seek(key, 0)),
        }
    }

    fn key(&self) -> Option<&[u8]> {
        match self {
            Input::Memtable(staged) => staged.key(),
            Input::Rows { rows, at, .. } => rows.get(*at).map(|row| row.0.as_ref()),
            Input::Blocks { fed, at, .. } => fed.front().map(|first| first.block.key(*at)),
        }
    }

    fn value(&self) -> Option<&[u8]> {
        match self {
            Input::Memtable(staged) => staged.value(),
            Input::Rows { rows, at, .. } => rows[*at].1.as_deref(),
            Input::Blocks { fed, at, .. } => fed.front().and_then(|first| first.block.value(*at)),
        }
    }

    fn age(&self) -> u32 {
        match self {
            Input::Memtable(staged) => staged.age,
            Input::Rows { age, .. } => *age,
            Input::Blocks { fed, .. } => fed.front().map_or(0, |first| first.age),
        }
    }

    fn advance(&mut self) {
        match self {
            Input::Memtable(staged) => staged.advance(),
            Input::Rows { at, .. } => *at += 1,
            Input::Blocks { fed, at, .. } => {
                *at += 1;
                if fed.front().is_some_and(|first| *at >= first.block.len()) {
                    fed.pop_front();
                    *at = 0;
                }
            }
        }
    }

    /// Goes on to an entry of a key group for which its segment counts.
    fn skip_foreign(&mut self) {
        while let Input::Blocks { fed, at, .. } = self
            && let Some(first) = fed.front()
            && !first.groups.contains(&group_of(first.block.key(*at)))
        {
            self.advance();
        }
    }

    fn is_dry(&self) -> bool {
        matches!(self, Input::Blocks { fed, ended, .. } if fed.is_empty() && !ended)
    }
}

/// Entries of a memtable in order. Small ones are copied out some together: they lie anywhere in it, and the processor
/// waits for the memory of many at once.
pub(super) struct Staged {
    table: Arc<Memtable>,
    order: Arc<[u32]>,
    /// How many of `order` were staged before these.
    from: usize,
    copies: Option<Copies>,
    at: usize,
    age: u32,
}

const STAGED_ENTRIES: usize = 64;
/// Entries of so many bytes on average are read where they lie.
const LARGE_BYTES: usize = 512;

impl Staged {
    fn new(table: Arc<Memtable>, age: u32) -> Self {
        let order = Arc::clone(table.order());
        let copies = (table.entry_bytes() < LARGE_BYTES).then(Copies::default);
        let mut staged = Staged { table, order, from: 0, copies, at: 0, age };
        staged.stage();
        staged
    }

    fn stage(&mut self) {
        self.from += std::mem::take(&mut self.at);
        if let Some(copies) = &mut self.copies {
            let next = &self.order[self.from..self.order.len().min(self.from + STAGED_ENTRIES)];
            self.table.copy_to(next, copies);
        }
    }

    fn seek(&mut self, key: &[u8]) {
        (self.from, self.at) = (self.order.partition_point(|entry| self.table.key(*entry) < key), 0);
        self.stage();
    }

    #[inline]
    fn key(&self) -> Option<&[u8]> {
        match &self.copies {
            Some(copies) => copies.key(self.at),
            None => self.order.get(self.from + self.at).map(|entry| self.table.key(*entry)),
        }
    }

    #[inline]
    fn value(&self) -> Option<&[u8]> {
        match &self.copies {
            Some(copies) => copies.value(self.at),
            None => self.order.get(self.from + self.at).and_then(|entry| self.table.value(*entry)),
        }
    }

    #[inline]
    fn advance(&mut self) {
        self.at += 1;
        if self.copies.as_ref().is_some_and(|copies| self.at == copies.len()) {
            self.stage();
        }
    }
}

/// Which namespaces are cleared, and since when.
#[derive(Debug, Default)]
pub(super) struct Clears {
    /// Sorted, with the age of whoever cleared.
    clears: Vec<(Clear, u32)>,
}

impl Clears {
    /// Of the clears of all ages.
    pub(super) fn new(mut clears: Vec<(Clear, u32)>) -> Self {
        clears.sort();
        Clears { clears }
    }

    /// Whether an entry of this age counts no more.
    #[inline]
    fn hide(&self, key: &[u8], age: u32) -> bool {
        !self.clears.is_empty() && namespace_of(key).is_some_and(|namespace| self.hides(key, &namespace, age))
    }

    fn hides(&self, key: &[u8], namespace: &Namespace, age: u32) -> bool {
        let (state, group) = (state_of(key), group_of(key));
        let first = self.clears.partition_point(|(c, _)| (c.state, &c.namespace) < (state, namespace));
        let mut same = self.clears[first..].iter().take_while(|(c, _)| (c.state, &c.namespace) == (state, namespace));
        same.any(|(c, since)| *since < age && (c.from_group..c.to_group).contains(&group))
    }

    /// All of them, cut to some key groups: what a merged file says.
    pub(super) fn merged(&self, groups: &Range<u32>) -> Vec<Clear> {
        let cut = self.clears.iter().map(|(clear, _)| Clear {
            from_group: clear.from_group.max(groups.start),
            to_group: clear.to_group.min(groups.end),
            ..clear.clone()
        });
        let mut merged: Vec<Clear> = cut.filter(|clear| clear.from_group < clear.to_group).collect();
        merged.sort();
        merged.dedup();
        merged
    }
}

pub(super) struct Merger {
    /// The newest first.
    inputs: Vec<Input>,
    heads: Vec<u128>,
    /// Which inputs have an entry.
    live: Vec<bool>,
    /// Whose `heads` are no longer true.
    stale: Vec<usize>,
    clears: Clears,
}

/// What a merger comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This input has the next entry.
    Entry(usize),
    /// This input must be fed first.
    Dry(usize),
    End,
}

/// No key has this head unless its first 16 bytes are all ones; then the full comparison decides.
const NO_HEAD: u128 = u128::MAX;

impl Merger {
    /// Merges inputs, the newest first.
    pub(super) fn new(inputs: Vec<Input>, clears: Clears) -> Self {
        let (heads, live) = (vec![NO_HEAD; inputs.len()], vec![false; inputs.len()]);
        let stale = (0..inputs.len()).collect();
        Merger { inputs, heads, live, stale, clears }
    }

    /// Gives an input its next blocks; none at its end.
    pub(super) fn feed(&mut self, input: usize, blocks: Vec<Fed>) {
        if let Input::Blocks { fed, ended, .. } = &mut self.inputs[input] {
            *ended = blocks.is_empty();
            fed.extend(blocks);
        }
    }

    /// Moves an input that was just fed for the first time.
    pub(super) fn seek(&mut self, input: usize, key: &[u8]) {
        self.inputs[input].seek(key);
    }

    /// Finds the next entry.
    #[inline]
    pub(super) fn step(&mut self) -> Step {
        while let Some(input) = self.stale.last().copied() {
            self.inputs[input].skip_foreign();
            if self.inputs[input].is_dry() {
                return Step::Dry(input);
            }
            let key = self.inputs[input].key();
            self.live[input] = key.is_some();
            self.heads[input] = key.map_or(NO_HEAD, head_of);
            self.stale.pop();
        }
        let Some(mut best) = self.live.iter().position(|live| *live) else {
            return Step::End;
        };
        for other in best + 1..self.inputs.len() {
            if self.is_below(other, best) {
                best = other;
            }
        }
        Step::Entry(best)
    }

    fn is_below(&self, a: usize, b: usize) -> bool {
        if self.heads[a] != self.heads[b] {
            return self.heads[a] < self.heads[b];
        }
        matches!((self.inputs[a].key(), self.inputs[b].key()), (Some(a), Some(b)) if a < b)
    }

    /// The entry at the front of an input; nothing for a value if it is deleted or cleared.
    #[inline]
    pub(super) fn entry(&self, input: usize) -> (&[u8], Option<&[u8]>) {
        let front = &self.inputs[input];
        let key = front.key().unwrap_or_default();
        let hidden = self.clears.hide(key, front.age());
        (key, if hidden { None } else { front.value() })
    }

    /// The same, and nothing at all if it is cleared.
    #[inline]
    pub(super) fn uncleared(&self, input: usize) -> Option<(&[u8], Option<&[u8]>)> {
        let front = &self.inputs[input];
        let key = front.key()?;
        (!self.clears.hide(key, front.age())).then(|| (key, front.value()))
    }

    /// Leaves the entry of `input`, and those of the same key in older ones.
    #[inline]
    pub(super) fn pop(&mut self, input: usize) {
        for other in input + 1..self.inputs.len() {
            if self.heads[other] == self.heads[input] && self.inputs[other].key() == self.inputs[input].key() {
                self.inputs[other].advance();
                self.stale.push(other);
            }
        }
        self.inputs[input].advance();
        self.stale.push(input);
    }

    pub(super) fn clears(&self) -> &Clears {
        &self.clears
    }
}
