//! Bytes in runs, and truth values as the bits of such bytes.

use super::stream::{Chunks, Stream};
use crate::protobuf::wire::Taken;

const LITERALS_MAX: usize = 128;
const REPEAT_MIN: usize = 3;
const REPEAT_MAX: usize = 130;
/// Bytes are encoded when so many wait.
const PENDING_MAX: usize = 8 << 10;

/// A stream of bytes.
#[derive(Default)]
pub(super) struct ByteRuns {
    pub(super) stream: Stream,
    pub(super) pending: Vec<u8>,
}

impl ByteRuns {
    /// Encodes what waits if that is much. To be called when bytes were pushed into `pending`.
    pub(super) fn pushed(&mut self, chunks: &mut Chunks) -> Taken<()> {
        if self.pending.len() < PENDING_MAX { Ok(()) } else { self.flush(chunks) }
    }

    /// Encodes all, so that the next byte begins a run.
    pub(super) fn flush(&mut self, chunks: &mut Chunks) -> Taken<()> {
        encode(&self.pending, &mut self.stream.open);
        self.pending.clear();
        self.stream.pack(chunks)
    }

    /// Appends where a run begins.
    pub(super) fn position(&self, chunks: &Chunks, out: &mut Vec<u64>) {
        self.stream.position(chunks, out);
        out.push(0);
    }

    /// How many bytes it has by now, about.
    pub(super) fn held(&self) -> usize {
        self.stream.held() + self.pending.len()
    }
}

fn encode(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(first) = bytes.first() {
        let repeat = bytes.iter().take(REPEAT_MAX).take_while(|b| *b == first).count();
        if repeat >= REPEAT_MIN {
            out.push((repeat - REPEAT_MIN) as u8);
            out.push(*first);
            bytes = &bytes[repeat..];
        } else {
            let literals = bytes.windows(REPEAT_MIN).position(|w| w.iter().all(|b| *b == w[0]));
            let literals = literals.unwrap_or(bytes.len()).min(LITERALS_MAX);
            out.push((256 - literals) as u8);
            out.extend_from_slice(&bytes[..literals]);
            bytes = &bytes[literals..];
        }
    }
}

/// A stream of truth values.
#[derive(Default)]
pub(super) struct Bits {
    pub(super) bytes: ByteRuns,
    /// The last byte, of which `used` bits are set.
    current: u8,
    used: u32,
}

impl Bits {
    /// Appends values.
    pub(super) fn push(&mut self, values: impl Iterator<Item = bool>, chunks: &mut Chunks) -> Taken<()> {
        for value in values {
            self.current |= u8::from(value) << (7 - self.used);
            self.used += 1;
            if self.used == 8 {
                self.bytes.pending.push(self.current);
                (self.current, self.used) = (0, 0);
            }
        }
        self.bytes.pushed(chunks)
    }

    /// Appends `true` so many times.
    pub(super) fn push_true(&mut self, mut count: usize, chunks: &mut Chunks) -> Taken<()> {
        let first = count.min((8 - self.used as usize) % 8);
        self.push(std::iter::repeat_n(true, first), chunks)?;
        count -= first;
        self.bytes.pending.resize(self.bytes.pending.len() + count / 8, 0xff);
        self.push(std::iter::repeat_n(true, count % 8), chunks)
    }

    /// Encodes all full bytes, so that the one which is begun starts a run.
    pub(super) fn flush(&mut self, chunks: &mut Chunks) -> Taken<()> {
        self.bytes.flush(chunks)
    }

    /// Appends where the run begins, and the bit in its first byte.
    pub(super) fn position(&self, chunks: &Chunks, out: &mut Vec<u64>) {
        self.bytes.position(chunks, out);
        out.push(u64::from(self.used));
    }

    /// All bytes.
    pub(super) fn end(mut self, chunks: &mut Chunks) -> Taken<Vec<u8>> {
        if self.used > 0 {
            self.bytes.pending.push(self.current);
        }
        self.bytes.flush(chunks)?;
        self.bytes.stream.end(chunks)
    }
}
