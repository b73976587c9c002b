//! The bytes of a stream, chunk by chunk: no more than what is asked for is decompressed ahead.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};

use crate::orc::codec::{Codec, HEADER_BYTES, Opener};
use crate::protobuf::wire::Taken;

/// Pieces of a stream that is not compressed.
const PIECE_BYTES: usize = 64 << 10;
/// What a footer may become when it is decompressed.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// What opens the chunks of a file; its streams share it.
pub(super) type Chunks = Arc<Mutex<Opener>>;

/// A stream that is read from its front.
pub(super) struct Stream {
    /// What is not in `buffer` yet.
    source: Bytes,
    /// Nothing if the stream is not compressed.
    chunks: Option<Chunks>,
    buffer: Vec<u8>,
    at: usize,
}

pub(super) fn ended<T>() -> Taken<T> {
    Err("a stream ends within its values".to_owned())
}

impl Stream {
    /// A stream of these bytes.
    pub(super) fn new(source: Bytes, chunks: &Chunks) -> Self {
        let compressed = chunks.lock().unwrap_or_else(PoisonError::into_inner).codec() != Codec::None;
        Stream { source, chunks: compressed.then(|| Arc::clone(chunks)), buffer: Vec::new(), at: 0 }
    }

    /// The whole of a message.
    pub(super) fn message(source: Bytes, chunks: &Chunks) -> Taken<Vec<u8>> {
        let mut stream = Stream::new(source, chunks);
        while stream.fill()? {
            if stream.buffer.len() > MESSAGE_BYTES_MAX {
                return Err(format!("a message has more than {MESSAGE_BYTES_MAX} bytes when it is decompressed"));
            }
        }
        Ok(stream.buffer)
    }

    /// Passes over what was ready.
    #[inline]
    pub(super) fn pass(&mut self, count: usize) {
        self.at += count;
    }

    /// Makes more ready, behind what is; `false` if the stream has ended.
    pub(super) fn fill(&mut self) -> Taken<bool> {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        if self.source.is_empty() {
            return Ok(false);
        }
        let Some(chunks) = &self.chunks else {
            let piece = self.source.split_to(self.source.len().min(PIECE_BYTES));
            self.buffer.extend_from_slice(&piece);
            return Ok(true);
        };
        let Some([a, b, c]) = self.source.first_chunk::<HEADER_BYTES>().copied() else { return ended() };
        let (length, stored) = (usize::from(a >> 1) | usize::from(b) << 7 | usize::from(c) << 15, a & 1 == 1);
        self.source.advance(HEADER_BYTES);
        if length > self.source.len() {
            return Err("a chunk is longer than its stream".to_owned());
        }
        let chunk = self.source.split_to(length);
        if stored {
            self.buffer.extend_from_slice(&chunk);
        } else {
            chunks.lock().unwrap_or_else(PoisonError::into_inner).open(&chunk, &mut self.buffer)?;
        }
        Ok(true)
    }

    /// At least so many bytes.
    #[inline]
    pub(super) fn need(&mut self, count: usize) -> Taken<&[u8]> {
        while self.buffer.len() - self.at < count {
            if !self.fill()? {
                return ended();
            }
        }
        Ok(&self.buffer[self.at..])
    }

    /// The next byte.
    #[inline]
    pub(super) fn byte(&mut self) -> Taken<u8> {
        let byte = self.need(1)?[0];
        self.at += 1;
        Ok(byte)
    }

    /// The next bytes.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Taken<[u8; N]> {
        let Some(taken) = self.need(N)?.first_chunk::<N>().copied() else { return ended() };
        self.at += N;
        Ok(taken)
    }

    /// A number of so many bytes, the highest first.
    pub(super) fn big_endian(&mut self, count: usize) -> Taken<u64> {
        let bytes = &self.need(count)?[..count];
        let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.at += count;
        Ok(number)
    }

    /// A number of seven bits a byte.
    #[inline]
    pub(super) fn varint(&mut self) -> Taken<u64> {
        let mut bits = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(bits);
            }
        }
        Err("a number has more than 10 bytes".to_owned())
    }

    /// A number of seven bits a byte and up to 128 bits, whose lowest says the sign.
    #[inline]
    pub(super) fn varint_128(&mut self) -> Taken<i128> {
        let mut bits = 0_u128;
        for shift in (0..133).step_by(7) {
            let byte = self.byte()?;
            bits |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((bits >> 1) as i128 ^ -((bits & 1) as i128));
            }
        }
        Err("a decimal has more than 19 bytes".to_owned())
    }

    /// Appends so many bytes.
    pub(super) fn copy(&mut self, mut count: usize, out: &mut Vec<u8>) -> Taken<()> {
        while count > 0 {
            if self.at == self.buffer.len() && !self.fill()? {
                return ended();
            }
            let piece = count.min(self.buffer.len() - self.at);
            out.extend_from_slice(&self.buffer[self.at..self.at + piece]);
            self.at += piece;
            count -= piece;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) fn plain(bytes: &[u8]) -> Stream {
    let chunks = Arc::new(Mutex::new(Opener::new(Codec::None, 0)));
    Stream::new(Bytes::copy_from_slice(bytes), &chunks)
}
