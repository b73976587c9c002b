//! How the blocks of a file are compressed.

use std::io::Read;

use flott_api::options::OptionReader;
use flott_api::{Error, Result};

use super::BLOCK_BYTES_MAX;

/// A way of compressing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::avro) enum Codec {
    Null,
    Deflate,
    Snappy,
    Bzip2,
    Xz,
    Zstandard,
}

const CODECS: [(&str, Codec); 6] = [
    ("null", Codec::Null),
    ("deflate", Codec::Deflate),
    ("snappy", Codec::Snappy),
    ("bzip2", Codec::Bzip2),
    ("xz", Codec::Xz),
    ("zstandard", Codec::Zstandard),
];

/// As Java's `CodecFactory` takes it.
const XZ_LEVEL: u32 = 6;
const ZSTANDARD_LEVEL: i32 = 3;

impl Codec {
    /// The codec that an option names.
    ///
    /// # Errors
    /// If there is none of that name.
    pub(in crate::avro) fn read(options: &OptionReader<'_>, key: &str) -> Result<Self> {
        let Some(name) = options.text(key) else { return Ok(Codec::Snappy) };
        Codec::of(name.as_bytes()).ok_or_else(|| {
            let names: Vec<&str> = CODECS.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!("option '{key}' is '{name}', which is no codec of Avro"))
                .with_hint(format!("The codecs are: {}.", names.join(", ")))
        })
    }

    /// The codec that a file names.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        CODECS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, codec)| *codec)
    }

    /// What a file calls it.
    pub(super) fn name(self) -> &'static str {
        CODECS.iter().find(|(_, codec)| *codec == self).map_or("null", |(name, _)| name)
    }

    /// Appends the compressed data.
    ///
    /// # Errors
    /// If they cannot be compressed.
    pub(super) fn compress(self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let failed = |e: std::io::Error| Error::internal("an Avro block cannot be compressed").with_source(e);
        match self {
            Codec::Null => out.extend_from_slice(data),
            Codec::Deflate => {
                append(flate2::read::DeflateEncoder::new(data, flate2::Compression::default()), out).map_err(failed)?
            }
            Codec::Bzip2 => {
                append(bzip2::read::BzEncoder::new(data, bzip2::Compression::best()), out).map_err(failed)?
            }
            Codec::Xz => append(xz2::read::XzEncoder::new(data, XZ_LEVEL), out).map_err(failed)?,
            Codec::Zstandard => {
                append(zstd::stream::read::Encoder::new(data, ZSTANDARD_LEVEL).map_err(failed)?, out)
                    .map_err(failed)?;
            }
            Codec::Snappy => {
                let packed = snap::raw::Encoder::new().compress_vec(data);
                let packed =
                    packed.map_err(|e| Error::internal("an Avro block cannot be compressed").with_source(e))?;
                out.extend_from_slice(&packed);
                out.extend_from_slice(&crc32fast::hash(data).to_be_bytes());
            }
        }
        Ok(())
    }

    /// The data of a block, in place of what is in `out`.
    ///
    /// # Errors
    /// If they are damaged, or too large.
    pub(super) fn decompress(self, packed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let damaged = |e: std::io::Error| {
            Error::data(format!("a block cannot be decompressed with {}", self.name())).with_source(e)
        };
        match self {
            Codec::Null => out.extend_from_slice(packed),
            Codec::Deflate => bounded(flate2::read::DeflateDecoder::new(packed), out).map_err(damaged)?,
            Codec::Bzip2 => bounded(bzip2::read::MultiBzDecoder::new(packed), out).map_err(damaged)?,
            Codec::Xz => {
                // What a block says of its dictionary is allocated before the first byte.
                let stream = xz2::stream::Stream::new_stream_decoder(BLOCK_BYTES_MAX as u64, xz2::stream::CONCATENATED);
                let stream = stream.map_err(|e| damaged(e.into()))?;
                bounded(xz2::read::XzDecoder::new_stream(packed, stream), out).map_err(damaged)?;
            }
            Codec::Zstandard => {
                bounded(zstd::stream::read::Decoder::new(packed).map_err(damaged)?, out).map_err(damaged)?;
            }
            Codec::Snappy => unsnap(packed, out)?,
        }
        if out.len() > BLOCK_BYTES_MAX {
            return Err(Error::data(format!("a block has more than {BLOCK_BYTES_MAX} bytes when it is decompressed")));
        }
        Ok(())
    }
}

fn append(mut input: impl Read, out: &mut Vec<u8>) -> std::io::Result<()> {
    input.read_to_end(out).map(drop)
}

/// Reads one byte more than there may be, at most.
fn bounded(input: impl Read, out: &mut Vec<u8>) -> std::io::Result<()> {
    append(input.take(BLOCK_BYTES_MAX as u64 + 1), out)
}

/// Snappy without frames, and a checksum of what was compressed.
fn unsnap(packed: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let damaged = || Error::data("a block cannot be decompressed with snappy");
    let (packed, checksum) = packed.split_last_chunk::<4>().ok_or_else(damaged)?;
    let length = snap::raw::decompress_len(packed).map_err(|e| damaged().with_source(e))?;
    if length > BLOCK_BYTES_MAX {
        return Err(Error::data(format!("a block has more than {BLOCK_BYTES_MAX} bytes when it is decompressed")));
    }
    out.resize(length, 0);
    let written = snap::raw::Decoder::new().decompress(packed, out).map_err(|e| damaged().with_source(e))?;
    out.truncate(written);
    if crc32fast::hash(out) != u32::from_be_bytes(*checksum) {
        return Err(damaged().with_detail("Its checksum is another."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_reads_what_it_writes_and_nothing_else() {
        let data: Vec<u8> = (0..20_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for (name, codec) in CODECS {
            let (mut packed, mut again) = (Vec::new(), Vec::new());
            codec.compress(&data, &mut packed).unwrap();
            codec.decompress(&packed, &mut again).unwrap();
            assert_eq!(again, data, "{name}");
            assert_eq!((Codec::of(name.as_bytes()), codec.name()), (Some(codec), name));
            if codec != Codec::Null {
                assert!(packed.len() < data.len(), "{name}");
                let half = codec.decompress(&packed[..packed.len() / 2], &mut again);
                assert!(half.is_err(), "{name}");
                assert!(codec.decompress(b"no such block", &mut again).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn a_dictionary_larger_than_a_block_may_be_is_not_allocated() {
        let (mut packed, mut again) = (Vec::new(), Vec::new());
        Codec::Xz.compress(b"a few bytes", &mut packed).unwrap();
        // The header of the block: its size, its flags, LZMA2, one byte of properties (the dictionary), zeros, a checksum.
        assert_eq!(packed[12..16], [2, 0, 0x21, 1]);
        packed[16] = 40;
        let checksum = crc32fast::hash(&packed[12..20]).to_le_bytes();
        packed[20..24].copy_from_slice(&checksum);
        assert!(Codec::Xz.decompress(&packed, &mut again).is_err());
        packed[16] = 22;
        let checksum = crc32fast::hash(&packed[12..20]).to_le_bytes();
        packed[20..24].copy_from_slice(&checksum);
        Codec::Xz.decompress(&packed, &mut again).unwrap();
        assert_eq!(again, b"a few bytes");
    }
}
