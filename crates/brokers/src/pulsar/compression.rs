//! How the bytes of a batch are compressed.

use std::io::{Read, Write};

use bytes::Bytes;
use flott_api::{Error, Result};

use super::frame::MESSAGE_BYTES_MAX;

const ZSTD_LEVEL: i32 = 3;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Compression {
    #[default]
    None = 0,
    Lz4 = 1,
    Zlib = 2,
    Zstd = 3,
    Snappy = 4,
}

impl Compression {
    /// The names that `pulsar.producer.compressionType` may have.
    pub(super) const NAMES: [(&'static str, Compression); 5] = [
        ("NONE", Compression::None),
        ("LZ4", Compression::Lz4),
        ("ZLIB", Compression::Zlib),
        ("ZSTD", Compression::Zstd),
        ("SNAPPY", Compression::Snappy),
    ];

    /// That of the number in the metadata of a message.
    ///
    /// # Errors
    /// If there is none of it.
    pub(super) fn of_number(number: i32) -> Result<Self> {
        let known = Compression::NAMES.iter().find(|(_, compression)| *compression as i32 == number);
        known.map(|(_, compression)| *compression).ok_or_else(|| {
            Error::external(format!("a message of Pulsar has the compression {number}, which is not known"))
        })
    }

    /// The bytes compressed.
    ///
    /// # Errors
    /// If the library fails.
    pub(super) fn compress(self, bytes: &[u8]) -> Result<Vec<u8>> {
        let failed = |e: &dyn std::fmt::Display| Error::internal(format!("a batch cannot be compressed: {e}"));
        match self {
            Compression::None => Ok(bytes.to_vec()),
            Compression::Lz4 => Ok(lz4_flex::block::compress(bytes)),
            Compression::Zlib => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|e| failed(&e))
            }
            Compression::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL).map_err(|e| failed(&e)),
            Compression::Snappy => snap::raw::Encoder::new().compress_vec(bytes).map_err(|e| failed(&e)),
        }
    }

    /// The bytes as they were, of which there are `size`.
    ///
    /// # Errors
    /// If they are not, or it would be too many.
    pub(super) fn decompress(self, bytes: Bytes, size: usize) -> Result<Bytes> {
        if self == Compression::None {
            return Ok(bytes);
        }
        if size > MESSAGE_BYTES_MAX {
            return Err(Error::external(format!(
                "a message of Pulsar says that it has {size} bytes when it is unpacked"
            ))
            .with_detail(format!("It may have {MESSAGE_BYTES_MAX}.")));
        }
        let damaged = |e: &dyn std::fmt::Display| {
            Error::external("a message of Pulsar cannot be decompressed").with_detail(format!("{self:?}: {e}."))
        };
        let mut out = vec![0; size];
        let length = match self {
            Compression::None => 0,
            Compression::Lz4 => lz4_flex::block::decompress_into(&bytes, &mut out).map_err(|e| damaged(&e))?,
            Compression::Zlib => {
                let mut decoder = flate2::read::ZlibDecoder::new(&bytes[..]);
                decoder.read_exact(&mut out).map_err(|e| damaged(&e))?;
                // What is behind its end, if anything is.
                size + decoder.read(&mut [0]).map_err(|e| damaged(&e))?
            }
            Compression::Zstd => zstd::bulk::decompress_to_buffer(&bytes, &mut out).map_err(|e| damaged(&e))?,
            Compression::Snappy => {
                let told = snap::raw::decompress_len(&bytes).map_err(|e| damaged(&e))?;
                if told != size {
                    return Err(damaged(&format_args!("it has {told} bytes and not {size}")));
                }
                snap::raw::Decoder::new().decompress(&bytes, &mut out).map_err(|e| damaged(&e))?
            }
        };
        if length != size {
            return Err(damaged(&format_args!("it has {length} bytes and not {size}")));
        }
        Ok(Bytes::from(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_is_the_same_again() {
        let bytes: Vec<u8> = (0..5000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for (name, compression) in Compression::NAMES {
            let packed = Bytes::from(compression.compress(&bytes).unwrap());
            assert_eq!(compression.decompress(packed.clone(), bytes.len()).unwrap(), bytes, "{name}");
            assert_eq!(Compression::of_number(compression as i32).unwrap(), compression);
            if compression != Compression::None {
                assert!(packed.len() < bytes.len() / 2, "{name}");
                for wrong in [0, bytes.len() - 1, bytes.len() + 1, usize::MAX] {
                    assert!(compression.decompress(packed.clone(), wrong).is_err(), "{name} {wrong}");
                }
                assert!(compression.decompress(packed.slice(..packed.len() / 2), bytes.len()).is_err(), "{name}");
            }
        }
        assert!(Compression::of_number(5).is_err());
    }
}
