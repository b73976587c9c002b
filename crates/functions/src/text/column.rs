//! What can be done to the bytes of a whole column, without looking at its rows one by one.
//!
//! The bytes of nulls are changed like the others; nobody sees them.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use flott_api::Result;

/// The bytes of all rows, one behind the other.
pub(super) fn bytes_of(texts: &StringArray) -> &[u8] {
    let offsets = texts.value_offsets();
    &texts.value_data()[offsets[0] as usize..offsets[texts.len()] as usize]
}

/// Whether every character is one byte.
pub(super) fn is_ascii(texts: &StringArray) -> bool {
    bytes_of(texts).is_ascii()
}

/// Where each row ends among [`bytes_of`] them all.
fn ends(texts: &StringArray) -> impl Iterator<Item = usize> {
    let offsets = texts.value_offsets();
    let first = offsets[0];
    offsets[1..].iter().map(move |end| (end - first) as usize)
}

/// The texts with other bytes, as many in each row.
pub(super) fn of_same_lengths(texts: &StringArray, change: impl Fn(&mut [u8])) -> Result<ArrayRef> {
    let mut bytes = bytes_of(texts).to_vec();
    change(&mut bytes);
    let offsets = match texts.value_offsets()[0] {
        0 => texts.offsets().clone(),
        first => OffsetBuffer::new(texts.value_offsets().iter().map(|o| o - first).collect()),
    };
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), texts.nulls().cloned())?))
}

/// How many bytes each row has.
pub(super) fn byte_lengths(texts: &StringArray) -> Result<ArrayRef> {
    let lengths: ScalarBuffer<i32> = texts.value_offsets().windows(2).map(|row| row[1] - row[0]).collect();
    Ok(Arc::new(PrimitiveArray::<Int32Type>::try_new(lengths, texts.nulls().cloned())?))
}

/// The texts with another character of one byte, or none, wherever one of one byte was.
pub(super) fn with_byte_replaced(texts: &StringArray, from: u8, to: Option<u8>) -> Result<ArrayRef> {
    let all = bytes_of(texts);
    let mut found = Found::of(from, texts);
    let (mut bytes, mut offsets) = (Vec::with_capacity(all.len()), Vec::with_capacity(texts.len() + 1));
    offsets.push(0);
    let mut rest = 0;
    for end in ends(texts) {
        while let Some(at) = found.before(end) {
            bytes.extend_from_slice(&all[rest..at]);
            bytes.extend(to);
            rest = at + 1;
        }
        // What is left of the row is copied with the next piece.
        offsets.push((bytes.len() + end - rest) as i32);
    }
    bytes.extend_from_slice(&all[rest..]);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), texts.nulls().cloned())?))
}

/// Calls with each row and the piece of it that has so many separators of one byte before it, if there is one.
pub(super) fn each_piece<'t>(
    texts: &'t StringArray,
    separator: u8,
    index: usize,
    mut f: impl FnMut(usize, Option<&'t str>) -> Result<()>,
) -> Result<()> {
    let mut found = Found::of(separator, texts);
    let mut start = 0;
    for (row, end) in ends(texts).enumerate() {
        let (mut from, mut to, mut count) = (start, None, 0);
        found.seek(start);
        while let Some(at) = found.before(end) {
            if count == index {
                to = Some(at);
                break;
            }
            (from, count) = (at + 1, count + 1);
        }
        let piece = from - start..to.unwrap_or(end) - start;
        f(row, (count == index).then(|| &texts.value(row)[piece]))?;
        start = end;
    }
    Ok(())
}

/// Bytes that are looked at together.
const WORD_BYTES: usize = size_of::<u64>();

/// Where a byte is in a column: eight bytes are looked at together, since what is looked for is mostly near.
struct Found<'t> {
    bytes: &'t [u8],
    /// The byte eight times.
    wanted: u64,
    /// The word that is looked at, and in it the highest bit of each byte that is still to be told.
    word: usize,
    marks: u64,
    /// Where the next word begins.
    next: usize,
}

impl<'t> Found<'t> {
    fn of(byte: u8, texts: &'t StringArray) -> Self {
        Found { bytes: bytes_of(texts), wanted: u64::from_ne_bytes([byte; WORD_BYTES]), word: 0, marks: 0, next: 0 }
    }

    /// Goes on at a place.
    fn seek(&mut self, place: usize) {
        (self.next, self.marks) = (place, 0);
    }

    /// The next place, if it is before this one.
    #[inline]
    fn before(&mut self, end: usize) -> Option<usize> {
        while self.marks == 0 {
            if self.next >= end {
                return None;
            }
            (self.word, self.next) = (self.next, self.next + WORD_BYTES);
            self.marks = zeros(self.load() ^ self.wanted);
        }
        let place = self.word + self.marks.trailing_zeros() as usize / 8;
        if place >= end {
            return None;
        }
        self.marks &= self.marks - 1;
        Some(place)
    }

    /// The word, with anything behind the end of all bytes: no row reaches there.
    #[inline]
    fn load(&self) -> u64 {
        let rest = &self.bytes[self.word..];
        u64::from_le_bytes(rest.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [0; WORD_BYTES];
            padded[..rest.len()].copy_from_slice(rest);
            padded
        }))
    }
}

/// The highest bit of each byte that is 0.
fn zeros(word: u64) -> u64 {
    const LOW_BITS: u64 = u64::from_ne_bytes([0x7f; WORD_BYTES]);
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;

    /// A slice that begins within the buffers, with nulls that have bytes.
    fn texts() -> StringArray {
        let all = StringArray::from(vec!["skip,ped", "a,b,,c", "", "hidden,x", ",", "plain", "out"]);
        let nulls = arrow_buffer::NullBuffer::from(vec![true, true, true, false, true, true, true]);
        StringArray::new(all.offsets().clone(), all.values().clone(), Some(nulls)).slice(1, 5)
    }

    fn shown(array: &ArrayRef) -> Vec<Option<String>> {
        array.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect()
    }

    #[test]
    fn a_slice_with_nulls_is_changed_as_its_rows_are() {
        let texts = texts();
        let some = |text: &str| Some(text.to_owned());
        let upper = of_same_lengths(&texts, |bytes| bytes.make_ascii_uppercase()).unwrap();
        assert_eq!(shown(&upper), [some("A,B,,C"), some(""), None, some(","), some("PLAIN")]);
        let without = with_byte_replaced(&texts, b',', None).unwrap();
        assert_eq!(shown(&without), [some("abc"), some(""), None, some(""), some("plain")]);
        let other = with_byte_replaced(&texts, b',', Some(b';')).unwrap();
        assert_eq!(shown(&other), [some("a;b;;c"), some(""), None, some(";"), some("plain")]);
        let lengths = byte_lengths(&texts).unwrap();
        assert_eq!(lengths.as_primitive::<Int32Type>().iter().flatten().collect::<Vec<_>>(), [6, 0, 1, 5]);
    }

    #[test]
    fn every_place_of_a_byte_is_found() {
        let mut state = 7_u32;
        let mut text = String::new();
        for _ in 0..2000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(['a', '/', '.', '0', 'é', '\u{1}', '\0', '/'][(state >> 24) as usize % 8]);
        }
        for length in (0..40).chain([text.len()]) {
            let Some(part) = text.get(..length) else { continue };
            let texts = StringArray::from(vec![part]);
            for byte in [b'/', b'.', 0, 1, b'x'] {
                let mut found = Found::of(byte, &texts);
                let places: Vec<usize> = std::iter::from_fn(|| found.before(length)).collect();
                let expected: Vec<usize> = (0..length).filter(|at| part.as_bytes()[*at] == byte).collect();
                assert_eq!(places, expected, "{byte} in {length} bytes");
            }
        }
    }

    #[test]
    fn pieces_are_those_of_split() {
        let texts = texts();
        for index in 0..5 {
            let mut pieces = Vec::new();
            each_piece(&texts, b',', index, |row, piece| {
                assert_eq!(piece, texts.value(row).split(',').nth(index), "piece {index} of row {row}");
                pieces.push(piece);
                Ok(())
            })
            .unwrap();
            assert_eq!(pieces.len(), texts.len());
        }
        let none = StringArray::new_null(0);
        each_piece(&none, b',', 0, |_, _| unreachable!("there is no row")).unwrap();
    }
}
