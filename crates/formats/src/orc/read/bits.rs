//! Bytes in runs, and truth values as the bits of such bytes, the highest first.

use super::stream::{Stream, ended};
use crate::protobuf::wire::Taken;

/// A stream of bytes.
pub(super) struct ByteRuns {
    stream: Stream,
    /// What is left of the run, and its byte if it repeats one.
    left: usize,
    repeats: Option<u8>,
}

impl ByteRuns {
    /// Reads this stream.
    pub(super) fn new(stream: Stream) -> Self {
        ByteRuns { stream, left: 0, repeats: None }
    }

    /// Appends so many bytes.
    pub(super) fn read(&mut self, mut count: usize, out: &mut Vec<u8>) -> Taken<()> {
        while count > 0 {
            if self.left == 0 {
                let header = usize::from(self.stream.byte()?);
                (self.left, self.repeats) =
                    if header < 128 { (header + 3, Some(self.stream.byte()?)) } else { (256 - header, None) };
            }
            let piece = count.min(self.left);
            match self.repeats {
                Some(byte) => out.resize(out.len() + piece, byte),
                None => self.stream.copy(piece, out)?,
            }
            self.left -= piece;
            count -= piece;
        }
        Ok(())
    }
}

/// A stream of truth values.
pub(super) struct Bits {
    bytes: ByteRuns,
    /// A byte whose last `left` bits were not given yet.
    current: u8,
    left: usize,
    scratch: Vec<u8>,
}

impl Bits {
    /// Reads this stream.
    pub(super) fn new(stream: Stream) -> Self {
        Bits { bytes: ByteRuns::new(stream), current: 0, left: 0, scratch: Vec::new() }
    }

    /// Appends so many values.
    pub(super) fn read(&mut self, mut count: usize, out: &mut Vec<bool>) -> Taken<()> {
        count -= self.give(count, out);
        self.scratch.clear();
        self.bytes.read(count / 8, &mut self.scratch)?;
        for byte in &self.scratch {
            out.extend_from_slice(&[7, 6, 5, 4, 3, 2, 1, 0].map(|bit| byte >> bit & 1 == 1));
        }
        if !count.is_multiple_of(8) {
            self.scratch.clear();
            self.bytes.read(1, &mut self.scratch)?;
            let Some(byte) = self.scratch.first() else { return ended() };
            (self.current, self.left) = (*byte, 8);
            self.give(count % 8, out);
        }
        Ok(())
    }

    /// Gives of the current byte what is there, and says how many that were.
    fn give(&mut self, count: usize, out: &mut Vec<bool>) -> usize {
        let piece = count.min(self.left);
        for _ in 0..piece {
            self.left -= 1;
            out.push(self.current >> self.left & 1 == 1);
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::plain;
    use super::*;

    #[test]
    fn runs_of_bytes_and_bits_are_read_in_pieces_of_any_size() {
        let (mut bytes, mut out) = (ByteRuns::new(plain(&[0x61, 0, 0xfe, 0x44, 0x45])), Vec::new());
        for piece in [1, 98, 2, 1] {
            bytes.read(piece, &mut out).unwrap();
        }
        assert_eq!(out, [&[0; 100][..], &[0x44, 0x45]].concat());
        assert!(bytes.read(1, &mut out).is_err());
        let expected: Vec<bool> = (0..32).map(|i| [0x80_u8, 0x01, 0x01, 0x01][i / 8] >> (7 - i % 8) & 1 == 1).collect();
        for piece in [1, 3, 7, 8, 9, 32] {
            let (mut bits, mut out) = (Bits::new(plain(&[0xff, 0x80, 0, 1])), Vec::new());
            while out.len() < 32 {
                bits.read(piece.min(32 - out.len()), &mut out).unwrap();
            }
            assert_eq!(out, expected, "{piece}");
            assert!(bits.read(1, &mut out).is_err());
        }
    }
}
