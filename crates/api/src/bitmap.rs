//! Values of type `BITMAP`: sets of 32-bit integers, compressed.
//!
//! Flink counterpart: `RoaringBitmapData`. A column holds them as bytes of the portable format of
//! <https://github.com/RoaringBitmap/RoaringFormatSpec>, which is what `BITMAP_TO_BYTES` gives. Every set has one form
//! there, whatever it was made of: equal sets have equal bytes, so that keys and `DISTINCT` may compare bytes. A run of
//! values is written as such where that is shorter than its values one by one.
//!
//! Order is that of unsigned integers: -1 is the last value.
//!
//! [`BitmapCounts`] counts how often each value came: how aggregates survive a retraction.

mod counts;

use std::fmt;

use roaring::RoaringBitmap;

use crate::{Error, Result};

pub use counts::BitmapCounts;

/// What a text is cut behind, in bytes; Flink's is.
const TEXT_BYTES: usize = 0x8_0000;

/// Bytes of memory that 65,536 neighbouring values take besides themselves.
const CONTAINER_BYTES: usize = 40;

/// Bytes of 65,536 neighbouring values that lie as bits.
const BITS_BYTES: usize = 8192;

/// The first two bytes where some values lie as runs.
const COOKIE_WITH_RUNS: u32 = 12347;

/// The first four bytes where none do.
const COOKIE: u32 = 12346;

/// A set of 32-bit integers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bitmap {
    set: RoaringBitmap,
}

impl Bitmap {
    /// The set that bytes of the portable format say. What lies behind it is not looked at.
    ///
    /// # Errors
    /// If the bytes say none.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        // Counts are believed no further than there are bytes: 65,536 containers are read one by one.
        let set = RoaringBitmap::deserialize_from(bytes).map_err(|e| malformed().with_detail(format!("{e}.")))?;
        Ok(Bitmap { set })
    }

    /// Appends the one form of the set in the portable format.
    pub fn write(&mut self, out: &mut Vec<u8>) {
        self.set.optimize();
        let start = out.len();
        self.put(out);
        let short_runs = short_runs(&out[start..]);
        if !short_runs.is_empty() {
            short_runs.into_iter().for_each(|key| self.spell_out(key));
            out.truncate(start);
            self.put(out);
        }
    }

    /// Appends it in the portable format, in the form that it has in memory.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.reserve(self.set.serialized_size());
        self.set.serialize_into(out).expect("bytes in memory take all that is written");
    }

    /// Lets the values with these upper 16 bits lie one by one.
    fn spell_out(&mut self, key: u16) {
        let range = u32::from(key) << 16..=u32::from(key) << 16 | 0xffff;
        let values: Vec<u32> = self.set.range(range.clone()).collect();
        self.set.remove_range(range);
        values.into_iter().for_each(|value| _ = self.set.insert(value));
    }

    /// Adds a value; whether it was not there.
    #[inline]
    pub fn insert(&mut self, value: i32) -> bool {
        self.set.insert(value as u32)
    }

    /// Takes a value out; whether it was there.
    #[inline]
    pub fn remove(&mut self, value: i32) -> bool {
        self.set.remove(value as u32)
    }

    /// Whether the value is there.
    pub fn contains(&self, value: i32) -> bool {
        self.set.contains(value as u32)
    }

    /// Keeps what is in both.
    pub fn and(&mut self, other: &Bitmap) {
        self.set &= &other.set;
    }

    /// Adds what the other one has.
    pub fn or(&mut self, other: &Bitmap) {
        self.set |= &other.set;
    }

    /// Keeps what is in one of both and not in the other.
    pub fn xor(&mut self, other: &Bitmap) {
        self.set ^= &other.set;
    }

    /// Takes out what the other one has.
    pub fn and_not(&mut self, other: &Bitmap) {
        self.set -= &other.set;
    }

    /// How many values there are: up to 2^32.
    pub fn len(&self) -> u64 {
        self.set.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The values, as unsigned integers ascend.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.set.iter().map(|value| value as i32)
    }

    /// Bytes of memory it takes, about.
    pub fn memory_bytes(&self) -> usize {
        let s = self.set.statistics();
        // Of arrays it says the double.
        let values = s.n_bytes_array_containers as usize / 2 + s.n_bytes_run_containers as usize;
        values + s.n_bitset_containers as usize * BITS_BYTES + s.n_containers as usize * CONTAINER_BYTES
    }

    /// Bytes that [`put`](Bitmap::put) appends.
    pub fn serialized_bytes(&self) -> usize {
        self.set.serialized_size()
    }
}

/// The values as unsigned numbers, `{1,2,4294967295}`; behind half a mebibyte it says `...`.
impl fmt::Display for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        let mut bytes = 1;
        for (place, value) in self.set.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
                bytes += 1;
                if bytes > TEXT_BYTES {
                    f.write_str("...")?;
                    break;
                }
            }
            write!(f, "{value}")?;
            bytes += 1 + value.checked_ilog10().unwrap_or(0) as usize;
        }
        f.write_str("}")
    }
}

/// How many values the bitmap of these bytes has, which their head says.
///
/// # Errors
/// If the head is no bitmap's.
pub fn cardinality(bytes: &[u8]) -> Result<u64> {
    let head = Head::read(bytes).ok_or_else(malformed)?;
    Ok(head.descriptions.as_chunks::<4>().0.iter().map(|of| u64::from(u16::from_le_bytes([of[2], of[3]])) + 1).sum())
}

fn malformed() -> Error {
    Error::data("the bytes are no bitmap").with_hint("A BITMAP is read from the portable format of Roaring bitmaps.")
}

/// What comes before the values.
struct Head<'a> {
    /// Which containers are runs, a bit each; none if none is.
    runs: &'a [u8],
    /// Of each container its key and its cardinality less one, 16 bits each.
    descriptions: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Head<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (cookie, rest) = bytes.split_first_chunk::<4>()?;
        let cookie = u32::from_le_bytes(*cookie);
        let (containers, runs, rest) = match cookie {
            COOKIE => {
                let (containers, rest) = rest.split_first_chunk::<4>()?;
                (u32::from_le_bytes(*containers) as usize, &[][..], rest)
            }
            _ if cookie & 0xffff == COOKIE_WITH_RUNS => {
                let containers = (cookie >> 16) as usize + 1;
                let (runs, rest) = rest.split_at_checked(containers.div_ceil(8))?;
                (containers, runs, rest)
            }
            _ => return None,
        };
        let (descriptions, rest) = rest.split_at_checked(containers.checked_mul(4)?)?;
        let offsets = if runs.is_empty() || containers >= 4 { containers * 4 } else { 0 };
        Some(Head { runs, descriptions, rest: rest.get(offsets..)? })
    }
}

/// The keys of containers that are written as runs, and would be as short as values one by one.
fn short_runs(bytes: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    let Some(Head { runs, descriptions, mut rest }) = Head::read(bytes).filter(|head| !head.runs.is_empty()) else {
        return found;
    };
    for (i, of) in descriptions.as_chunks::<4>().0.iter().enumerate() {
        let (key, values) = (u16::from_le_bytes([of[0], of[1]]), usize::from(u16::from_le_bytes([of[2], of[3]])) + 1);
        let bytes = match runs[i / 8] & 1 << (i % 8) != 0 {
            true => {
                let Some(number) = rest.first_chunk::<2>() else { return found };
                let bytes = 2 + 4 * usize::from(u16::from_le_bytes(*number));
                if bytes == 2 * values {
                    found.push(key);
                }
                bytes
            }
            false => BITS_BYTES.min(2 * values),
        };
        rest = rest.get(bytes..).unwrap_or_default();
    }
    found
}

impl FromIterator<i32> for Bitmap {
    fn from_iter<I: IntoIterator<Item = i32>>(values: I) -> Self {
        Bitmap { set: values.into_iter().map(|value| value as u32).collect() }
    }
}

#[cfg(test)]
mod tests;
