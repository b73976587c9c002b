//! Numbers of variable length, the sign in the lowest bit, as Protobuf's `sint32` and `sint64`.

use super::Span;

/// Reads, and never beyond the end.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Input { bytes, at }
    }

    /// Where the next byte lies.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn unsigned(&mut self, bytes_max: u32) -> Option<u64> {
        let mut value = 0u64;
        for shift in 0..bytes_max {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift * 7)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn varint(&mut self) -> Option<i32> {
        let value = u32::try_from(self.unsigned(5)?).ok()?;
        Some((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    pub(super) fn varlong(&mut self) -> Option<i64> {
        let value = self.unsigned(10)?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A length and so many bytes before `end`; a length of -1 is a null, the inner nothing.
    #[expect(
        clippy::option_option,
        reason = "the outer one says that the bytes are damaged, the inner one is the null"
    )]
    pub(super) fn nullable(&mut self, end: usize) -> Option<Option<Span>> {
        let length = self.varint()?;
        if length == -1 {
            return Some(None);
        }
        let start = self.at;
        self.at = start.checked_add(usize::try_from(length).ok()?).filter(|behind| *behind <= end)?;
        Span::of(start, self.at).map(Some)
    }
}

/// Appends a number.
pub(super) fn put(value: i64, out: &mut Vec<u8>) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes a number takes.
pub(super) fn size(value: i64) -> usize {
    let value = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_take_what_their_size_says() {
        for value in [0, 1, -1, 63, -64, 64, 300, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put(value, &mut out);
            assert_eq!(out.len(), size(value), "{value}");
            assert_eq!(Input::new(&out, 0).varlong(), Some(value));
            assert_eq!(Input::new(&out, 0).varint(), i32::try_from(value).ok(), "{value}");
            assert_eq!(Input::new(&out[..out.len() - 1], 0).varlong(), None, "cut");
        }
        assert_eq!(Input::new(&[0xff; 11], 0).varlong(), None);
    }
}
