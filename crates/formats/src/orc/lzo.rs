//! Opens what LZO1X has compressed. Nothing writes it here: no library of ours does, and everybody reads another codec.
//!
//! The data are instructions: runs of bytes as they are, and copies of what was written before. The two lowest bits of a
//! copy say how many bytes as they are follow it, and that number (or that a long run came) decides what the next
//! instruction below 16 means.

use crate::protobuf::wire::Taken;

/// A long run of literals came last.
const AFTER_RUN: usize = 4;
/// The distance that ends the data.
const END: usize = 16_384;

struct Packed<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn damaged<T>() -> Taken<T> {
    Err("a chunk cannot be decompressed with LZO".to_owned())
}

impl Packed<'_> {
    fn byte(&mut self) -> Taken<usize> {
        let Some(byte) = self.bytes.get(self.at) else { return damaged() };
        self.at += 1;
        Ok(usize::from(*byte))
    }

    /// A length whose bits in the instruction are these, or, if they are all zero, follow in bytes.
    fn length(&mut self, bits: usize, most: usize) -> Taken<usize> {
        if bits != 0 {
            return Ok(bits);
        }
        let mut length = most;
        loop {
            match self.byte()? {
                // Each takes a byte of the input, so this ends, and does not overflow.
                0 => length += 255,
                last => return Ok(length + last),
            }
        }
    }

    fn literals(&mut self, count: usize, end: usize, out: &mut Vec<u8>) -> Taken<()> {
        let Some(run) = self.bytes[self.at..].get(..count) else { return damaged() };
        if out.len() + count > end {
            return damaged();
        }
        out.extend_from_slice(run);
        self.at += count;
        Ok(())
    }

    /// Distance and length of a copy, and how many literals follow it.
    fn copy(&mut self, code: usize, state: usize) -> Taken<(usize, usize, usize)> {
        Ok(match code {
            0..=15 => {
                let near = (code >> 2 & 3) + (self.byte()? << 2);
                let (distance, length) = if state == AFTER_RUN { (near + 2049, 3) } else { (near + 1, 2) };
                (distance, length, code & 3)
            }
            16..=31 => {
                let length = 2 + self.length(code & 7, 7)?;
                let far = self.byte()? | self.byte()? << 8;
                (END + ((code & 8) << 11) + (far >> 2), length, far & 3)
            }
            32..=63 => {
                let length = 2 + self.length(code & 31, 31)?;
                let far = self.byte()? | self.byte()? << 8;
                ((far >> 2) + 1, length, far & 3)
            }
            _ => {
                let length = if code < 128 { 3 + (code >> 5 & 1) } else { 5 + (code >> 5 & 3) };
                ((self.byte()? << 3) + (code >> 2 & 7) + 1, length, code & 3)
            }
        })
    }
}

/// Appends what was compressed, at most so many bytes.
///
/// # Errors
/// If the data are damaged or longer.
pub(super) fn decompress(packed: &[u8], most: usize, out: &mut Vec<u8>) -> Taken<()> {
    let start = out.len();
    let read = instructions(&mut Packed { bytes: packed, at: 0 }, most, out);
    if read.is_err() {
        out.truncate(start);
    }
    read
}

fn instructions(packed: &mut Packed<'_>, most: usize, out: &mut Vec<u8>) -> Taken<()> {
    let (start, end) = (out.len(), out.len() + most);
    let mut state = 0;
    let first = packed.bytes.first().map_or(0, |b| usize::from(*b));
    if first > 17 {
        packed.at = 1;
        packed.literals(first - 17, end, out)?;
        state = (first - 17).min(AFTER_RUN);
    }
    loop {
        let code = packed.byte()?;
        if code < 16 && state == 0 {
            let count = 3 + packed.length(code, 15)?;
            packed.literals(count, end, out)?;
            state = AFTER_RUN;
            continue;
        }
        let (distance, length, literals) = packed.copy(code, state)?;
        if distance == END && (16..=31).contains(&code) {
            return if packed.at == packed.bytes.len() { Ok(()) } else { damaged() };
        }
        if distance > out.len() - start || out.len() + length > end {
            return damaged();
        }
        let from = out.len() - distance;
        // What is copied may overlap what it writes.
        for at in from..from + length {
            out.push(out[at]);
        }
        packed.literals(literals, end, out)?;
        state = literals;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(packed: &[u8], most: usize) -> Taken<String> {
        let mut out = b"before".to_vec();
        decompress(packed, most, &mut out)?;
        Ok(String::from_utf8_lossy(&out[6..]).into_owned())
    }

    #[test]
    fn runs_and_copies_are_opened() {
        // Four literals, a copy of 6 at distance 4, and the end.
        let packed = [21, b'a', b'b', b'c', b'd', 0b1010_1100, 0, 17, 0, 0];
        assert_eq!(opened(&packed, 100), Ok("abcdabcdab".to_owned()));
        assert!(opened(&packed, 9).is_err());
        for cut in 0..packed.len() {
            assert!(opened(&packed[..cut], 100).is_err(), "{cut}");
        }
        assert!(opened(&[21, b'a', b'b', b'c', b'd', 0b1011_0000, 0, 17, 0, 0], 100).is_err(), "before the start");
        // A run of 18 + 1 and a long copy of 2 + 31 + 5.
        let long = [&[0, 1][..], &[b'x'; 19], &[32, 5, 0, 0, 17, 0, 0]].concat();
        assert_eq!(opened(&long, 100), Ok("x".repeat(19 + 38)));
    }
}
