//! The values of all groups in one hash table, each with what is known of it.
//!
//! A group costs four bytes before it has a value, and as much as its values do then: there may be very many groups with few
//! of them, and few with very many. The entries of a group are linked in both directions, so that a group is walked and
//! forgotten without looking at others, and a value goes at once. Entries lie in pages, so that they are not copied when
//! there are more of them; the table holds their places, and a part of their hashes, by which it grows without looking at
//! them. When more entries are without use than with one, the others move together.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::held::Held;
use super::seen::Seen;

const SEED: u64 = 0x666c_6f74_7420_7661;
/// No entry.
const NONE: u32 = u32::MAX;
/// Entries of a page, as a power of two.
const PAGE_BITS: u32 = 12;
const PAGE: usize = 1 << PAGE_BITS;
/// So few entries without use are never worth a move.
const UNUSED_MIN: usize = 64;
/// From how many entries on it is looked for those that are over.
const SWEPT_FROM: usize = 32;
/// Spreads a part of a hash over all bits of one.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

struct Entry<V, S> {
    value: V,
    group: u32,
    next: u32,
    before: u32,
    seen: S,
}

/// See the module.
pub(super) struct ValueTable<V, S> {
    /// A part of the hash, and the place of the entry.
    index: HashTable<(u32, u32)>,
    pages: Vec<Vec<Entry<V, S>>>,
    /// The newest entry of each group.
    heads: Vec<u32>,
    /// The first of the entries that are not used, and how many those are.
    free: u32,
    unused: usize,
    /// Bytes of values that do not lie in their entries.
    held_bytes: usize,
    /// From how many entries on it is looked again for those that are over.
    swept_from: usize,
}

#[inline]
fn part_of_hash<K: std::hash::Hash + ?Sized>(group: u32, key: &K) -> u32 {
    (FixedState::with_seed(SEED).hash_one((group, key)) >> u32::BITS) as u32
}

#[inline]
fn spread(part: u32) -> u64 {
    u64::from(part).wrapping_mul(SPREAD)
}

fn bytes_apart<V: Held>(key: &V::Key) -> usize {
    if V::APART { size_of_val(key) } else { 0 }
}

fn at<V, S>(pages: &[Vec<Entry<V, S>>], place: u32) -> &Entry<V, S> {
    &pages[(place >> PAGE_BITS) as usize][place as usize & (PAGE - 1)]
}

impl<V: Held, S: Seen> ValueTable<V, S> {
    pub(super) fn new() -> Self {
        ValueTable {
            index: HashTable::new(),
            pages: Vec::new(),
            heads: Vec::new(),
            free: NONE,
            unused: 0,
            held_bytes: 0,
            swept_from: SWEPT_FROM,
        }
    }

    fn at_mut(&mut self, place: u32) -> &mut Entry<V, S> {
        &mut self.pages[(place >> PAGE_BITS) as usize][place as usize & (PAGE - 1)]
    }

    /// Changes what is known of a group's value, of which nothing is if it is new.
    #[inline]
    pub(super) fn change<R>(&mut self, group: u32, key: &V::Key, expired_ms: i64, by: impl FnOnce(&mut S) -> R) -> R {
        let part = part_of_hash(group, key);
        let pages = &self.pages;
        let is_it = |(of, place): &(u32, u32)| {
            *of == part && {
                let entry = at(pages, *place);
                let value: &V::Key = entry.value.borrow();
                entry.group == group && value == key
            }
        };
        let Some((_, place)) = self.index.find(spread(part), is_it) else {
            let mut seen = S::default();
            let result = by(&mut seen);
            if !seen.is_over(expired_ms) {
                self.insert((group, part), V::hold(key), seen);
            }
            return result;
        };
        let place = *place;
        let entry = self.at_mut(place);
        let result = by(&mut entry.seen);
        if entry.seen.is_over(expired_ms) {
            self.remove(place);
        }
        result
    }

    fn insert(&mut self, (group, part): (u32, u32), value: V, seen: S) {
        self.held_bytes += bytes_apart::<V>(value.borrow());
        if group as usize >= self.heads.len() {
            self.heads.resize(group as usize + 1, NONE);
        }
        let next = self.heads[group as usize];
        let entry = Entry { value, group, next, before: NONE, seen };
        let place = if self.free == NONE { self.push(entry) } else { self.reuse(entry) };
        if next != NONE {
            self.at_mut(next).before = place;
        }
        self.heads[group as usize] = place;
        self.index.insert_unique(spread(part), (part, place), |(part, _)| spread(*part));
    }

    fn push(&mut self, entry: Entry<V, S>) -> u32 {
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            // Most tables are small: the first page grows as it is needed.
            let entries = if self.pages.is_empty() { 0 } else { PAGE };
            self.pages.push(Vec::with_capacity(entries));
        }
        let page = self.pages.len() - 1;
        self.pages[page].push(entry);
        (page << PAGE_BITS | (self.pages[page].len() - 1)) as u32
    }

    fn reuse(&mut self, entry: Entry<V, S>) -> u32 {
        let place = self.free;
        let free = std::mem::replace(self.at_mut(place), entry);
        self.free = free.next;
        self.unused -= 1;
        place
    }

    fn remove(&mut self, place: u32) {
        let Entry { group, next, before, .. } = *at(&self.pages, place);
        match before {
            NONE => self.heads[group as usize] = next,
            before => self.at_mut(before).next = next,
        }
        if next != NONE {
            self.at_mut(next).before = before;
        }
        self.give_back(place);
    }

    /// Takes an entry out of the table, whatever links to it.
    fn give_back(&mut self, place: u32) {
        let entry = at(&self.pages, place);
        let part = part_of_hash::<V::Key>(entry.group, entry.value.borrow());
        if let Ok(found) = self.index.find_entry(spread(part), |(_, p)| *p == place) {
            found.remove();
        }
        let free = self.free;
        let entry = self.at_mut(place);
        let value = std::mem::take(&mut entry.value);
        entry.next = free;
        self.free = place;
        self.unused += 1;
        self.held_bytes -= bytes_apart::<V>(value.borrow());
    }

    /// The values of a group, the newest first.
    pub(super) fn group(&self, group: u32) -> impl Iterator<Item = (&V, &S)> {
        let mut next = self.heads.get(group as usize).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let entry = (next != NONE).then(|| at(&self.pages, next))?;
            next = entry.next;
            Some((&entry.value, &entry.seen))
        })
    }

    /// Forgets the values of a group.
    pub(super) fn clear(&mut self, group: u32) {
        let Some(head) = self.heads.get_mut(group as usize) else { return };
        let mut place = std::mem::replace(head, NONE);
        while place != NONE {
            let next = at(&self.pages, place).next;
            self.give_back(place);
            place = next;
        }
        self.shrink();
    }

    /// Gives the memory of entries without use back, where they are the most.
    pub(super) fn shrink(&mut self) {
        if self.unused <= self.index.len().max(UNUSED_MIN) {
            return;
        }
        let mut moved = ValueTable { swept_from: self.swept_from, ..ValueTable::new() };
        moved.heads.resize(self.heads.len(), NONE);
        for group in 0..self.heads.len() {
            let (mut oldest, mut next) = (NONE, self.heads[group]);
            while next != NONE {
                (oldest, next) = (next, at(&self.pages, next).next);
            }
            while oldest != NONE {
                let entry = self.at_mut(oldest);
                let (value, seen, before) = (std::mem::take(&mut entry.value), entry.seen, entry.before);
                let part = part_of_hash::<V::Key>(group as u32, value.borrow());
                moved.insert((group as u32, part), value, seen);
                oldest = before;
            }
        }
        *self = moved;
    }

    /// Forgets what is over, now and then: before it would hold twice as much as the last time.
    pub(super) fn sweep(&mut self, expired_ms: i64) {
        if self.index.len() < self.swept_from {
            return;
        }
        for group in 0..self.heads.len() {
            let mut place = self.heads[group];
            while place != NONE {
                let (next, is_over) = (at(&self.pages, place).next, at(&self.pages, place).seen.is_over(expired_ms));
                if is_over {
                    self.remove(place);
                }
                place = next;
            }
        }
        self.swept_from = SWEPT_FROM.max(2 * self.index.len());
    }

    /// Bytes of memory it takes, about. Entries that are not used count too.
    pub(super) fn memory_bytes(&self) -> usize {
        let entries = self.pages.len().saturating_sub(1) * PAGE + self.pages.last().map_or(0, Vec::len);
        let heads = self.heads.len() * size_of::<u32>();
        entries * size_of::<Entry<V, S>>() + heads + self.index.allocation_size() + self.held_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::{Bits, Clock, Counted};
    use super::*;

    const FOR_EVER: Clock = Clock { now_ms: 0, expired_ms: i64::MIN, by_first_row: false };

    fn values<S: Seen>(table: &ValueTable<i64, S>, group: u32) -> Vec<i64> {
        table.group(group).map(|(value, _)| *value).collect()
    }

    #[test]
    fn groups_have_their_own_values_over_many_pages() {
        let mut table = ValueTable::<i64, Bits>::new();
        for value in 0..3 * PAGE as i64 {
            let group = (value % 3) as u32;
            assert_eq!(table.change(group, &value, 0, |seen| seen.see(1, 1, FOR_EVER)), [1, 0]);
            assert_eq!(table.change(group, &value, 0, |seen| seen.see(3, 1, FOR_EVER)), [2, 0]);
        }
        let expected: Vec<i64> = (0..PAGE as i64).map(|i| 3 * i + 1).rev().collect();
        assert_eq!(values(&table, 1), expected);
        table.clear(1);
        assert!(values(&table, 1).is_empty() && values(&table, 9).is_empty());
        assert_eq!(values(&table, 2).len(), PAGE);
        let pages = table.pages.len();
        (0..PAGE as i64).for_each(|value| _ = table.change(7, &value, 0, |seen| seen.see(1, 1, FOR_EVER)));
        assert_eq!((table.pages.len(), values(&table, 7).len()), (pages, PAGE));
    }

    #[test]
    fn a_value_leaves_the_middle_the_begin_and_the_end_of_its_group() {
        let mut table = ValueTable::<i64, Counted<i64, 1>>::new();
        let mut add = |value: i64, by: i64| {
            table.change(0, &value, i64::MIN, |seen| seen.see(1, by, FOR_EVER));
            values(&table, 0)
        };
        (0..5).for_each(|value| _ = add(value, 1));
        assert_eq!(add(2, -1), [4, 3, 1, 0]);
        assert_eq!(add(4, -1), [3, 1, 0]);
        assert_eq!(add(0, -1), [3, 1]);
        assert_eq!(add(9, 1), [9, 3, 1]);
        assert_eq!([add(3, -1), add(9, -1), add(1, -1)], [vec![9, 1], vec![1], vec![]]);
        assert_eq!(add(5, -1), [5]);
        assert_eq!(add(5, 1), [0; 0]);
    }

    #[test]
    fn memory_comes_back_and_what_stays_keeps_its_order() {
        let mut table = ValueTable::<i64, Counted<i64, 1>>::new();
        for value in 0..2 * PAGE as i64 {
            let group = (value % 64) as u32;
            table.change(group, &value, i64::MIN, |seen| seen.see(1, 1 + value, FOR_EVER));
        }
        let (full, left) = (table.memory_bytes(), values(&table, 63));
        (0..63).for_each(|group| table.clear(group));
        assert!(table.memory_bytes() < full / 10, "{} of {full} bytes", table.memory_bytes());
        assert_eq!(values(&table, 63), left);
        assert!(table.group(63).all(|(value, seen)| seen.get(0).0 == 1 + value));
        assert_eq!(table.change(63, &63, i64::MIN, |seen| seen.see(1, -64, FOR_EVER)), [0, 1]);
        assert_eq!(values(&table, 63), left[..left.len() - 1]);
        table.clear(63);
        assert!(table.memory_bytes() < UNUSED_MIN * 64 + full / 100, "{} bytes", table.memory_bytes());
    }

    #[test]
    fn bytes_are_counted_and_given_back() {
        let mut table = ValueTable::<Box<[u8]>, Bits>::new();
        let empty = table.held_bytes;
        table.change(0, &[7; 1000][..], 0, |seen| seen.see(1, 1, FOR_EVER));
        assert!(table.held_bytes > empty + 900);
        table.clear(0);
        assert_eq!(table.held_bytes, empty);
    }
}
