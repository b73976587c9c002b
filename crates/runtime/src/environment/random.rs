//! Randomness: SplitMix64 (Sebastiano Vigna, public domain) over an atomic counter, seeded by the
//! operating system. Good for ids and `RAND()`, not for secrets.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use flott_api::env::Rng;

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator that all threads share; the same seed gives the same numbers.
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
    /// Makes the 64 bits of `state` a window into more than 2^64 sequences.
    key: u64,
}

impl SeededRandom {
    /// Repeatable numbers.
    pub fn from_seed(seed: u64) -> Self {
        SeededRandom { state: AtomicU64::new(seed), key: 0 }
    }

    /// Numbers that nobody can foresee: the standard library asks the operating system for the keys
    /// of its hash maps.
    pub fn from_system() -> Self {
        let random = |salt: u64| RandomState::new().hash_one(salt);
        SeededRandom { state: AtomicU64::new(random(1)), key: random(2) }
    }
}

impl Rng for SeededRandom {
    fn next_u64(&self) -> u64 {
        let state = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        finalise(finalise(state) ^ self.key)
    }
}

fn finalise(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let take = |rng: SeededRandom| (0..100).map(|_| rng.next_u64()).collect::<Vec<_>>();
        assert_eq!(take(SeededRandom::from_seed(7)), take(SeededRandom::from_seed(7)));
        assert_ne!(take(SeededRandom::from_system()), take(SeededRandom::from_system()));
        assert_eq!(take(SeededRandom::from_seed(0)).into_iter().collect::<BTreeSet<_>>().len(), 100);
    }
}
