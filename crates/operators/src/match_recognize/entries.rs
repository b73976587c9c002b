//! What is remembered of a partition: rows that wait for their time, and partial matches.

use std::sync::Arc;

use flott_api::state::StatePart;
use flott_api::{Result, Schema};
use flott_cep::{Matcher, Nfa};
use flott_graph::spec::SortField;
use flott_state::hot::{GroupEntries, Values, take_part};

use crate::timed_rows::{self, TimedRows};

/// When the partition's next rows are due.
pub(super) const DUE: usize = 0;
const MOMENTS: [&str; 1] = ["due"];

/// What is kept of a row that a variable took.
pub(super) type Stored = Arc<[u8]>;

/// See the module.
pub(super) struct MatchEntries {
    pub(super) waiting: TimedRows<1>,
    matchers: Vec<Option<Box<Matcher<Stored>>>>,
    nfa: Arc<Nfa>,
    /// How many matches each partition had; nothing if nobody asks.
    numbers: Option<Vec<i64>>,
    /// Bytes of each matcher as they were counted last, and of all of them.
    counted_bytes: Vec<usize>,
    held_bytes: usize,
}

/// The parts of an entry.
pub(super) fn parts(waiting: &Schema, order: &[SortField], matches: String, is_numbered: bool) -> Vec<StatePart> {
    let mut parts = timed_rows::parts(waiting, order, &MOMENTS);
    parts.push(StatePart { name: "matches-1".to_owned(), ty: matches });
    if is_numbered {
        parts.push(StatePart { name: "number-1".to_owned(), ty: "BIGINT".to_owned() });
    }
    parts
}

impl MatchEntries {
    pub(super) fn new(waiting: &Schema, order: &[SortField], nfa: Arc<Nfa>, is_numbered: bool) -> Result<Self> {
        let waiting = TimedRows::new(waiting, order)?;
        let numbers = is_numbered.then(Vec::new);
        Ok(MatchEntries { waiting, matchers: Vec::new(), nfa, numbers, counted_bytes: Vec::new(), held_bytes: 0 })
    }

    /// Counts a match of a partition: its number, from 1; 0 if nobody asks.
    pub(super) fn number(&mut self, group: u32) -> i64 {
        let Some(number) = self.numbers.as_mut().map(|n| &mut n[group as usize]) else { return 0 };
        *number += 1;
        *number
    }

    fn number_of(&self, group: u32) -> i64 {
        self.numbers.as_ref().map_or(0, |n| n[group as usize])
    }

    /// The matcher of a partition, if anything was taken there.
    pub(super) fn matcher(&self, group: u32) -> Option<&Matcher<Stored>> {
        self.matchers[group as usize].as_deref()
    }

    /// When the time of a partition's first partial match is over, if it has one and its time ends.
    pub(super) fn over_at(&self, group: u32) -> Option<i64> {
        self.matcher(group)?.over_at(&self.nfa)
    }

    /// The matcher of a partition, to go on with.
    pub(super) fn matcher_mut(&mut self, group: u32) -> &mut Matcher<Stored> {
        self.matchers[group as usize].get_or_insert_with(|| Box::new(Matcher::new(&self.nfa)))
    }

    /// Counts what a partition takes now, and forgets a matcher that remembers nothing. Whether nothing is left of the
    /// partition.
    pub(super) fn settle(&mut self, group: u32) -> bool {
        let matcher = &mut self.matchers[group as usize];
        if matcher.as_ref().is_some_and(|m| m.is_idle()) {
            *matcher = None;
        }
        let bytes = matcher.as_ref().map_or(0, |m| size_of::<Matcher<Stored>>() + m.memory_bytes());
        self.count(group, bytes);
        self.matchers[group as usize].is_none() && self.waiting.rows.is_empty(group) && self.number_of(group) == 0
    }

    fn count(&mut self, group: u32, bytes: usize) {
        let before = std::mem::replace(&mut self.counted_bytes[group as usize], bytes);
        self.held_bytes = self.held_bytes + bytes - before;
    }
}

/// How many bytes a kept row takes, about.
pub(super) fn stored_bytes(stored: &Stored) -> usize {
    stored.len() + 2 * size_of::<usize>()
}

/// The parts of the waiting rows; the partial matches, nothing if none was begun; and how many matches there were, if they are
/// numbered: 8 bytes, the low one first.
impl GroupEntries for MatchEntries {
    fn fresh(&self) -> Result<Self> {
        Ok(MatchEntries {
            waiting: self.waiting.fresh()?,
            matchers: Vec::new(),
            nfa: Arc::clone(&self.nfa),
            numbers: self.numbers.as_ref().map(|_| Vec::new()),
            counted_bytes: Vec::new(),
            held_bytes: 0,
        })
    }

    fn grow(&mut self, end: usize) {
        self.waiting.grow(end);
        self.matchers.resize_with(self.matchers.len().max(end), || None);
        self.counted_bytes.resize(self.counted_bytes.len().max(end), 0);
        if let Some(numbers) = &mut self.numbers {
            numbers.resize(numbers.len().max(end), 0);
        }
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        let mut waiting = Values::default();
        self.waiting.save(groups, &mut waiting)?;
        for (place, group) in groups.iter().enumerate() {
            values.append(waiting.get(place));
            values.part(|out| {
                if let Some(matcher) = self.matcher(*group) {
                    matcher.save(out, |stored, out| out.extend_from_slice(stored));
                }
            });
            if self.numbers.is_some() {
                values.part(|out| out.extend_from_slice(&self.number_of(*group).to_le_bytes()));
            }
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], now_ms: i64) -> Result<()> {
        let mut waiting = Vec::with_capacity(values.len());
        for (group, value) in groups.iter().zip(values) {
            let mut rest = *value;
            for _ in 0..=MOMENTS.len() {
                take_part(&mut rest)?;
            }
            waiting.push(&value[..value.len() - rest.len()]);
            let matches = take_part(&mut rest)?;
            if let Some(numbers) = &mut self.numbers {
                let number = <[u8; size_of::<i64>()]>::try_from(take_part(&mut rest)?);
                numbers[*group as usize] =
                    number.map(i64::from_le_bytes).map_err(|_| flott_state::codec::damaged("a number of matches"))?;
            }
            if !rest.is_empty() {
                return Err(flott_state::codec::damaged("a partition of a pattern has too many parts"));
            }
            if !matches.is_empty() {
                let matcher = Matcher::load(&self.nfa, matches, |bytes| {
                    let stored = Stored::from(bytes);
                    let bytes = stored_bytes(&stored);
                    Ok((stored, bytes))
                })?;
                self.matchers[*group as usize] = Some(Box::new(matcher));
                self.settle(*group);
            }
        }
        self.waiting.load(groups, &waiting, now_ms)
    }

    fn clear(&mut self, group: u32) {
        self.waiting.clear(group);
        self.matchers[group as usize] = None;
        if let Some(numbers) = &mut self.numbers {
            numbers[group as usize] = 0;
        }
        self.count(group, 0);
    }

    fn memory_bytes(&self) -> usize {
        let slots = self.matchers.len() * (size_of::<Option<Box<Matcher<Stored>>>>() + size_of::<usize>());
        let numbers = self.numbers.as_ref().map_or(0, |n| n.capacity() * size_of::<i64>());
        self.waiting.memory_bytes() + slots + numbers + self.held_bytes
    }

    fn slot_bytes(&self) -> usize {
        self.waiting.slot_bytes() + size_of::<Option<Box<Matcher<Stored>>>>() + size_of::<usize>()
    }
}
