//! Which partition a record goes to.

use crate::options::Partitioner;

/// Chooses partitions, as one subtask.
pub(super) struct Chooser {
    partitioner: Partitioner,
    ignore_keys: bool,
    subtask: u32,
    /// The next one of those that come in turn.
    next: u32,
}

impl Chooser {
    pub(super) fn new(partitioner: Partitioner, ignore_keys: bool, subtask: u32) -> Self {
        // Subtasks do not all begin with the same partition.
        Chooser { partitioner, ignore_keys, subtask, next: subtask }
    }

    /// The partition of a record, of so many.
    pub(super) fn choose(&self, key: Option<&[u8]>, partitions: u32) -> u32 {
        match (self.partitioner, key) {
            (Partitioner::Default, Some(key)) if !self.ignore_keys => (murmur2(key) & 0x7fff_ffff) % partitions,
            (Partitioner::Fixed, _) => self.subtask % partitions,
            (Partitioner::Default | Partitioner::RoundRobin, _) => self.next % partitions,
        }
    }

    /// A record was given to one in turn, or, by default, a batch has become full there.
    pub(super) fn advance(&mut self) {
        self.next = self.next.wrapping_add(1);
    }

    /// Whether each record goes to another partition than the one before it.
    pub(super) fn turns_by_record(&self) -> bool {
        self.partitioner == Partitioner::RoundRobin
    }
}

/// The hash that Kafka's clients agree on for keys: MurmurHash2 (Austin Appleby, public domain) of 32 bits, with this seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs that Kafka's own tests have.
    #[test]
    fn keys_hash_as_in_kafka() {
        let expected: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in expected {
            assert_eq!(murmur2(key) as i32, hash, "{key:?}");
        }
    }

    #[test]
    fn partitions_are_chosen_by_key_by_subtask_or_in_turn() {
        let by_key = Chooser::new(Partitioner::Default, false, 3);
        assert_eq!(by_key.choose(Some(b"abc"), 7), 479_470_107 % 7);
        assert_eq!(by_key.choose(None, 4), 3);
        assert_eq!(Chooser::new(Partitioner::Default, true, 3).choose(Some(b"abc"), 4), 3);
        assert_eq!(Chooser::new(Partitioner::Fixed, false, 5).choose(Some(b"abc"), 4), 1);
        let mut turns = Chooser::new(Partitioner::RoundRobin, false, 0);
        let mut chosen = Vec::new();
        for _ in 0..4 {
            chosen.push(turns.choose(Some(b"abc"), 3));
            turns.advance();
        }
        assert_eq!(chosen, [0, 1, 2, 0]);
    }
}
