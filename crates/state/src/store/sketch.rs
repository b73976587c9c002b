//! How many different keys some segments have together, without a look into them: whether a merge of them would leave
//! anything out.
//!
//! Of the hashes of its keys a segment keeps the smallest. Hashes are spread evenly, so how many different ones lie below
//! a bound tells how many there are in all; with some hundred the error is a few percent.

/// So many hashes are kept.
const KEPT: usize = 512;

/// What is known of a segment that was written here.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    /// The smallest hashes, those up to `bound`; ascending once it is [finished](Sketch::finished).
    hashes: Vec<u64>,
    bound: u64,
    /// Bytes of all keys and values, as they were before they were compressed.
    pub(super) plain_bytes: u64,
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch { hashes: Vec::new(), bound: u64::MAX, plain_bytes: 0 }
    }
}

impl Sketch {
    /// Adds an entry.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, bytes: usize) {
        self.plain_bytes += bytes as u64;
        if hash <= self.bound {
            self.hashes.push(hash);
            if self.hashes.len() >= 2 * KEPT {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        if self.hashes.len() > KEPT {
            self.hashes.truncate(KEPT);
            self.bound = self.hashes[KEPT - 1];
        }
    }

    /// The sketch when all entries were added.
    pub(super) fn finished(mut self) -> Self {
        self.shrink();
        self.hashes.shrink_to_fit();
        self
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<u64>() + size_of::<Sketch>()
    }
}

/// How many different keys segments have together, about.
pub(super) fn different<'a>(sketches: impl Iterator<Item = &'a Sketch>) -> u64 {
    let (mut bound, mut hashes) = (u64::MAX, Vec::new());
    for sketch in sketches {
        bound = bound.min(sketch.bound);
        hashes.extend_from_slice(&sketch.hashes);
    }
    hashes.sort_unstable();
    hashes.dedup();
    let below = hashes.partition_point(|hash| *hash <= bound) as u64;
    if bound == u64::MAX { below } else { (u128::from(below) * u128::from(u64::MAX) / u128::from(bound.max(1))) as u64 }
}

#[cfg(test)]
mod tests {
    use super::super::format::key_hash;
    use super::*;

    fn of(keys: std::ops::Range<u64>) -> Sketch {
        let mut sketch = Sketch::default();
        keys.for_each(|key| sketch.add(key_hash(&key.to_le_bytes()), 10));
        sketch.finished()
    }

    #[test]
    fn what_segments_share_is_counted_once() {
        let cases: [(&[(u64, u64)], u64); 6] = [
            (&[(0, 100)], 100),
            (&[(0, 100), (50, 150)], 150),
            (&[(0, 100_000)], 100_000),
            (&[(0, 100_000), (50_000, 150_000), (0, 10)], 150_000),
            (&[(0, 100_000), (100_000, 200_000)], 200_000),
            (&[(0, 1000), (0, 100_000), (0, 100_000)], 100_000),
        ];
        for (keys, different_keys) in cases {
            let sketches: Vec<Sketch> = keys.iter().map(|(from, to)| of(*from..*to)).collect();
            let found = different(sketches.iter());
            assert!(found.abs_diff(different_keys) * 8 <= different_keys, "{found} of {keys:?}");
            assert_eq!(sketches[0].plain_bytes, 10 * (keys[0].1 - keys[0].0));
            assert!(sketches.iter().all(|sketch| sketch.memory_bytes() < 5000));
        }
        assert_eq!(different([].into_iter()), 0);
    }
}
