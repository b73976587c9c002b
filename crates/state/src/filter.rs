//! Filters: whether a part of a segment, or the store below a container, can have a key at all.
//!
//! A Bloom filter in lines of 64 bytes. A key's bits lie in one line, so a look costs one miss of the
//! processor's cache; at 10 bits a key about one absent key of a hundred passes.
//! Layout: the lines, one behind the other. The line of a hash is its upper half, scaled to the number of lines.

const BITS_PER_KEY: usize = 10;
const LINE_BYTES: usize = 64;
const PROBES: u32 = 7;
/// Spreads the lower half of the hash over the bits that choose within a line.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Appends the filter of these hashes; of none it is empty.
pub(crate) fn build(hashes: &[u64], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes_for(hashes.len()), 0);
    hashes.iter().for_each(|hash| add(&mut out[start..], *hash));
}

/// Bytes of a filter of so many keys.
pub(crate) fn bytes_for(keys: usize) -> usize {
    (keys * BITS_PER_KEY).div_ceil(LINE_BYTES * 8) * LINE_BYTES
}

/// How many keys a filter of at most so many bytes is for.
pub(crate) fn keys_in(bytes: usize) -> usize {
    bytes / LINE_BYTES * (LINE_BYTES * 8 / BITS_PER_KEY)
}

/// Adds a key to a filter that is not empty.
#[inline]
pub(crate) fn add(filter: &mut [u8], hash: u64) {
    let line = line_of(hash, filter.len() / LINE_BYTES);
    let line = &mut filter[line * LINE_BYTES..(line + 1) * LINE_BYTES];
    for bit in bits(hash) {
        line[bit >> 3] |= 1 << (bit & 7);
    }
}

/// Whether the bytes can be a filter.
pub(crate) fn check(filter: &[u8]) -> Result<(), &'static str> {
    if filter.len().is_multiple_of(LINE_BYTES) { Ok(()) } else { Err("a filter has an odd length") }
}

/// Whether the key with this hash may be among those that it was built of.
#[inline]
pub(crate) fn may_contain(filter: &[u8], hash: u64) -> bool {
    let lines = filter.len() / LINE_BYTES;
    if lines == 0 {
        return false;
    }
    let line = line_of(hash, lines);
    let line = &filter[line * LINE_BYTES..(line + 1) * LINE_BYTES];
    bits(hash).all(|bit| line[bit >> 3] & (1 << (bit & 7)) != 0)
}

#[inline]
fn line_of(hash: u64, lines: usize) -> usize {
    (((hash >> 32) * lines as u64) >> 32) as usize
}

#[inline]
fn bits(hash: u64) -> impl Iterator<Item = usize> {
    let spread = (hash & 0xffff_ffff).wrapping_mul(SPREAD);
    (0..PROBES).map(move |probe| ((spread >> (probe * 9)) & 511) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    #[test]
    fn what_was_put_is_found_and_little_else() {
        let hash = |n: u32| (u64::from(n) + 1).wrapping_mul(STEP).rotate_left(29).wrapping_mul(STEP);
        let hashes: Vec<u64> = (0..10_000).map(hash).collect();
        let mut filter = vec![7];
        build(&hashes, &mut filter);
        let filter = &filter[1..];
        check(filter).unwrap();
        assert!(hashes.iter().all(|h| may_contain(filter, *h)));
        let wrong = (10_000..110_000).filter(|n| may_contain(filter, hash(*n))).count();
        assert!((300..2_000).contains(&wrong), "{wrong} of 100000");
    }

    #[test]
    fn an_empty_filter_has_nothing() {
        let mut filter = Vec::new();
        build(&[], &mut filter);
        assert!(filter.is_empty() && !may_contain(&filter, 7));
        assert!(check(&[0; 63]).is_err());
    }
}
