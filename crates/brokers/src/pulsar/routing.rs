//! Which partition a message goes to.

/// How partitions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routing {
    /// One after the other.
    RoundRobin,
    /// By the message's key.
    KeyHash(KeyHash),
}

/// How a key is hashed, as Pulsar's own clients do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyHash {
    Murmur3,
    Java,
}

impl KeyHash {
    /// The partition of a key.
    pub(super) fn partition(self, key: &str, partitions: u32) -> u32 {
        let hash = match self {
            KeyHash::Murmur3 => murmur3(key.as_bytes()),
            KeyHash::Java => {
                key.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
            }
        };
        // Pulsar's hashes are not negative.
        (hash & 0x7fff_ffff) % partitions.max(1)
    }
}

/// MurmurHash3 of 32 bits, with the seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mix = |k: u32| k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = 0_u32;
    let (chunks, rest) = bytes.as_chunks::<4>();
    for chunk in chunks {
        hash ^= mix(u32::from_le_bytes(*chunk));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = rest.iter().rev().fold(0_u32, |tail, byte| tail << 8 | u32::from(*byte));
    hash ^= mix(tail) ^ bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known values of the algorithms: others must find a key where we put it.
    #[test]
    fn hashes_are_those_of_the_algorithms() {
        let known =
            [("", 0), ("a", 0x3c25_69b2), ("abc", 0xb3dd_93fa), ("hello", 0x248b_fa47), ("hello, world", 0x149b_bb7f)];
        for (text, hash) in known {
            assert_eq!(murmur3(text.as_bytes()), hash, "{text}");
        }
        assert_eq!(KeyHash::Java.partition("hello", u32::MAX), 99_162_322);
        assert_eq!(KeyHash::Murmur3.partition("hello", 7), 0x248b_fa47 % 7);
        assert_eq!(KeyHash::Murmur3.partition("abc", 1 << 31), 0x33dd_93fa);
    }
}
