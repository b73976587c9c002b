//! Which keys the store below a container may have: so that a key which is new costs no look there.
//!
//! A list of filters, each for four times as many keys as the one before it. A key that leaves the store stays in it; when
//! it has become too large, or if there was a checkpoint, nothing is known and every key is looked for.

use crate::filter;

/// Keys of the first filter.
const KEYS_MIN: usize = 1 << 12;
/// Each filter is so many times as large as the one before it: a key that is in none is looked for in all.
const GROWTH: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) enum Spilled {
    /// The store may have any key.
    Unknown,
    /// The store has no key that is not in one of the filters.
    Filters(Vec<Filter>),
}

#[derive(Debug)]
pub(super) struct Filter {
    bytes: Box<[u8]>,
    /// How many more keys it takes.
    room: usize,
}

impl Spilled {
    /// Nothing, unless there was a checkpoint.
    pub(super) fn new(restored: bool) -> Self {
        if restored { Spilled::Unknown } else { Spilled::Filters(Vec::new()) }
    }

    /// Whether the store may have any entry.
    pub(super) fn is_any(&self) -> bool {
        !matches!(self, Spilled::Filters(filters) if filters.is_empty())
    }

    /// Whether the store may have the key with this hash.
    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        match self {
            Spilled::Unknown => true,
            Spilled::Filters(filters) => filters.iter().rev().any(|f| filter::may_contain(&f.bytes, hash)),
        }
    }

    /// Whether it matters which keys are spilled.
    pub(super) fn is_known(&self) -> bool {
        matches!(self, Spilled::Filters(_))
    }

    /// Notes keys that the store has or will have; gives up beyond `bytes_max`.
    pub(super) fn add(&mut self, hashes: impl Iterator<Item = u64>, bytes_max: usize) {
        for hash in hashes {
            let Spilled::Filters(filters) = self else { return };
            if filters.last().is_none_or(|last| last.room == 0) {
                let left = bytes_max.saturating_sub(Self::bytes_of(filters));
                let keys = (KEYS_MIN * GROWTH.pow(filters.len() as u32)).min(filter::keys_in(left));
                if keys < KEYS_MIN {
                    *self = Spilled::Unknown;
                    return;
                }
                filters.push(Filter { bytes: vec![0; filter::bytes_for(keys)].into(), room: keys });
            }
            if let Some(last) = filters.last_mut() {
                filter::add(&mut last.bytes, hash);
                last.room -= 1;
            }
        }
    }

    fn bytes_of(filters: &[Filter]) -> usize {
        filters.iter().map(|f| f.bytes.len()).sum()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Spilled::Unknown => 0,
            Spilled::Filters(filters) => Self::bytes_of(filters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: u64) -> u64 {
        (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    #[test]
    fn what_was_spilled_is_known_and_little_else() {
        let mut spilled = Spilled::new(false);
        assert!(!spilled.is_any() && !spilled.may_have(hash(1)));
        spilled.add((0..100_000).map(hash), usize::MAX);
        assert!((0..100_000).all(|key| spilled.may_have(hash(key))));
        let wrong = (100_000..200_000).filter(|key| spilled.may_have(hash(*key))).count();
        assert!(wrong < 8_000, "{wrong} of 100000");
        assert!(spilled.memory_bytes() < 500_000, "{} bytes", spilled.memory_bytes());
    }

    #[test]
    fn beyond_its_bound_and_after_a_restore_any_key_may_be_there() {
        let mut spilled = Spilled::new(false);
        spilled.add((0..100_000).map(hash), 90_000);
        assert!(!spilled.is_known() && spilled.may_have(hash(200_000)) && spilled.is_any());
        assert_eq!(spilled.memory_bytes(), 0);
        assert!(Spilled::new(true).may_have(hash(1)));
    }
}
