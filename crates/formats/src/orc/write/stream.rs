//! The bytes of a stream that is being written, compressed chunk by chunk.

use crate::orc::codec::{Codec, Packer};
use crate::protobuf::wire::Taken;

/// A stream.
#[derive(Default)]
pub(super) struct Stream {
    /// Chunks that are compressed.
    packed: Vec<u8>,
    /// What no chunk has yet.
    pub(super) open: Vec<u8>,
}

/// What makes chunks, for all streams of a file.
pub(super) struct Chunks {
    packer: Packer,
    bytes: usize,
}

impl Chunks {
    /// Chunks of so many bytes.
    pub(super) fn new(codec: Codec, bytes: usize) -> Self {
        Chunks { packer: Packer::new(codec), bytes }
    }

    fn compress(&self) -> bool {
        self.packer.codec() != Codec::None
    }

    /// A message in chunks.
    pub(super) fn message(&mut self, message: Vec<u8>) -> Taken<Vec<u8>> {
        Stream { packed: Vec::new(), open: message }.end(self)
    }
}

impl Stream {
    /// Compresses the chunks that are full.
    pub(super) fn pack(&mut self, chunks: &mut Chunks) -> Taken<()> {
        if !chunks.compress() || self.open.len() < chunks.bytes {
            return Ok(());
        }
        let full = self.open.len() / chunks.bytes * chunks.bytes;
        for chunk in self.open[..full].chunks(chunks.bytes) {
            chunks.packer.pack(chunk, &mut self.packed)?;
        }
        self.open.drain(..full);
        Ok(())
    }

    /// Appends where the stream stands: the start of the chunk, and the byte in it. Nothing may be full.
    pub(super) fn position(&self, chunks: &Chunks, out: &mut Vec<u64>) {
        if chunks.compress() {
            out.push(self.packed.len() as u64);
        }
        out.push(self.open.len() as u64);
    }

    /// All bytes.
    pub(super) fn end(mut self, chunks: &mut Chunks) -> Taken<Vec<u8>> {
        if !chunks.compress() {
            return Ok(self.open);
        }
        self.pack(chunks)?;
        if !self.open.is_empty() {
            chunks.packer.pack(&self.open, &mut self.packed)?;
        }
        Ok(self.packed)
    }

    /// How many bytes it has by now.
    pub(super) fn held(&self) -> usize {
        self.packed.len() + self.open.len()
    }
}
