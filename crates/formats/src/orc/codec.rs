//! How the chunks of a stream are compressed: each has three bytes in front, its length and whether it is stored as it is.

use crate::orc::proto::codec;
use crate::protobuf::wire::Taken;

/// A chunk may not have more bytes: its length has 23 bits.
pub(super) const CHUNK_BYTES_MAX: usize = (1 << 23) - 1;
/// What Java's writer takes.
pub(super) const CHUNK_BYTES: usize = 256 << 10;
/// The bytes in front of a chunk.
pub(super) const HEADER_BYTES: usize = 3;

/// What a writer is asked for; speed, as Java's does.
const ZLIB_LEVEL: u32 = 3;
const ZSTD_LEVEL: i32 = 3;

/// A way of compressing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Zlib,
    Snappy,
    Lzo,
    Lz4,
    Zstd,
}

const CODECS: [(u64, Codec, &str); 6] = [
    (codec::NONE, Codec::None, "NONE"),
    (codec::ZLIB, Codec::Zlib, "ZLIB"),
    (codec::SNAPPY, Codec::Snappy, "SNAPPY"),
    (codec::LZO, Codec::Lzo, "LZO"),
    (codec::LZ4, Codec::Lz4, "LZ4"),
    (codec::ZSTD, Codec::Zstd, "ZSTD"),
];

impl Codec {
    /// The codec of that number in a file.
    pub(super) fn of(number: u64) -> Option<Self> {
        CODECS.iter().find(|(known, ..)| *known == number).map(|(_, codec, _)| *codec)
    }

    /// Its number in a file.
    pub(super) fn number(self) -> u64 {
        CODECS.iter().find(|(_, codec, _)| *codec == self).map_or(codec::NONE, |(number, ..)| *number)
    }

    /// What options call it.
    pub(super) fn name(self) -> &'static str {
        CODECS.iter().find(|(_, codec, _)| *codec == self).map_or("NONE", |(.., name)| name)
    }
}

/// Opens the chunks of a file.
pub(super) struct Opener {
    codec: Codec,
    chunk_bytes: usize,
    zlib: Option<flate2::Decompress>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Opener {
    /// For chunks of at most so many bytes.
    pub(super) fn new(codec: Codec, chunk_bytes: usize) -> Self {
        Opener { codec, chunk_bytes, zlib: None, zstd: None }
    }

    /// The codec.
    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Appends what a chunk holds to `out`.
    ///
    /// # Errors
    /// If the chunk is damaged, or larger than the file says that chunks are.
    pub(super) fn open(&mut self, packed: &[u8], out: &mut Vec<u8>) -> Taken<()> {
        let start = out.len();
        if self.codec == Codec::Lzo {
            super::lzo::decompress(packed, self.chunk_bytes, out)?;
            return Ok(());
        }
        out.resize(start + self.chunk_bytes, 0);
        let length = self.open_into(packed, &mut out[start..]);
        out.truncate(start + *length.as_ref().unwrap_or(&0));
        length.map(drop)
    }

    fn open_into(&mut self, packed: &[u8], out: &mut [u8]) -> Taken<usize> {
        let damaged = || format!("a chunk cannot be decompressed with {}", self.codec.name());
        match self.codec {
            Codec::Zlib => {
                let zlib = self.zlib.get_or_insert_with(|| flate2::Decompress::new(false));
                zlib.reset(false);
                let status = zlib.decompress(packed, out, flate2::FlushDecompress::Finish);
                match status {
                    Ok(flate2::Status::StreamEnd) => Ok(zlib.total_out() as usize),
                    _ => Err(damaged()),
                }
            }
            Codec::Snappy => {
                snap::raw::Decoder::new().decompress(packed, out).map_err(|e| format!("{}: {e}", damaged()))
            }
            Codec::Lz4 => lz4_flex::block::decompress_into(packed, out).map_err(|e| format!("{}: {e}", damaged())),
            Codec::Zstd => {
                let message = damaged();
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    None => {
                        let made = zstd::bulk::Decompressor::new().map_err(|e| format!("{message}: {e}"))?;
                        self.zstd.insert(made)
                    }
                };
                zstd.decompress_to_buffer(packed, out).map_err(|e| format!("{message}: {e}"))
            }
            Codec::None | Codec::Lzo => Err(damaged()),
        }
    }
}

/// Makes chunks.
pub(super) struct Packer {
    codec: Codec,
    packed: Vec<u8>,
    zlib: Option<flate2::Compress>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Packer {
    /// For this codec.
    pub(super) fn new(codec: Codec) -> Self {
        Packer { codec, packed: Vec::new(), zlib: None, zstd: None }
    }

    /// The codec.
    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Appends a chunk of these bytes, as they are where compressing does not help.
    ///
    /// # Errors
    /// If the library fails.
    pub(super) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Taken<()> {
        let smaller = self.compress(bytes)? < bytes.len();
        let chunk = if smaller { &self.packed } else { bytes };
        let header = (chunk.len() << 1 | usize::from(!smaller)) as u32;
        out.extend_from_slice(&header.to_le_bytes()[..HEADER_BYTES]);
        out.extend_from_slice(chunk);
        Ok(())
    }

    /// Compresses into `packed`, and says how long that is.
    fn compress(&mut self, bytes: &[u8]) -> Taken<usize> {
        let failed = |e: &dyn std::fmt::Display| format!("a chunk cannot be compressed: {e}");
        self.packed.clear();
        match self.codec {
            Codec::None | Codec::Lzo => return Ok(usize::MAX),
            Codec::Zlib => {
                let level = flate2::Compression::new(ZLIB_LEVEL);
                let zlib = self.zlib.get_or_insert_with(|| flate2::Compress::new(level, false));
                zlib.reset();
                // What needs more is stored as it is.
                self.packed.reserve(bytes.len());
                let status = zlib.compress_vec(bytes, &mut self.packed, flate2::FlushCompress::Finish);
                if !matches!(status.map_err(|e| failed(&e))?, flate2::Status::StreamEnd) {
                    return Ok(usize::MAX);
                }
            }
            Codec::Snappy => {
                self.packed.resize(snap::raw::max_compress_len(bytes.len()), 0);
                let length = snap::raw::Encoder::new().compress(bytes, &mut self.packed).map_err(|e| failed(&e))?;
                self.packed.truncate(length);
            }
            Codec::Lz4 => {
                self.packed.resize(lz4_flex::block::get_maximum_output_size(bytes.len()), 0);
                let length = lz4_flex::block::compress_into(bytes, &mut self.packed).map_err(|e| failed(&e))?;
                self.packed.truncate(length);
            }
            Codec::Zstd => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    None => self.zstd.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(|e| failed(&e))?),
                };
                self.packed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
                zstd.compress_to_buffer(bytes, &mut self.packed).map_err(|e| failed(&e))?;
            }
        }
        Ok(self.packed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_reads_what_it_writes_and_nothing_else() {
        let data: Vec<u8> = (0..20_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for (number, codec, name) in CODECS {
            assert_eq!((Codec::of(number), codec.number(), codec.name()), (Some(codec), number, name));
            if matches!(codec, Codec::None | Codec::Lzo) {
                continue;
            }
            let (mut packer, mut opener) = (Packer::new(codec), Opener::new(codec, data.len()));
            for _ in 0..2 {
                let mut chunk = Vec::new();
                packer.pack(&data, &mut chunk).unwrap();
                assert!(chunk.len() < data.len() && chunk[0] & 1 == 0, "{name}");
                let mut again = b"before".to_vec();
                opener.open(&chunk[HEADER_BYTES..], &mut again).unwrap();
                assert_eq!(again[6..], data, "{name}");
                // Nothing in a block of LZ4 says where it ends.
                if codec != Codec::Lz4 {
                    assert!(opener.open(&chunk[HEADER_BYTES..chunk.len() / 2], &mut again).is_err(), "{name}");
                    assert!(opener.open(b"no such chunk", &mut again).is_err(), "{name}");
                }
                assert_eq!(again.len(), 6 + data.len(), "{name}");
                let mut small = Opener::new(codec, data.len() - 1);
                assert!(small.open(&chunk[HEADER_BYTES..], &mut again).is_err(), "{name}");
            }
            let mut chunk = Vec::new();
            packer.pack(&[1, 99, 7], &mut chunk).unwrap();
            assert_eq!(chunk, [7, 0, 0, 1, 99, 7], "{name}: stored");
        }
    }
}
