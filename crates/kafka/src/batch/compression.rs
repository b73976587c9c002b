//! How the records of a batch are compressed.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression as Level;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

/// Records that would take more are refused: a few bytes can say that they are a great many.
const RECORDS_BYTES_MAX: u64 = 512 << 20;
/// Snappy's stream, as Java's library writes it: this, two versions, and blocks behind their lengths.
const SNAPPY_MAGIC: &[u8] = b"\x82SNAPPY\0";
const SNAPPY_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const SNAPPY_BLOCK_BYTES: usize = 32 * 1024;
const ZSTD_LEVEL: i32 = 3;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Compression {
    /// Not at all.
    #[default]
    None,
    /// `gzip`
    Gzip,
    /// `snappy`
    Snappy,
    /// `lz4`
    Lz4,
    /// `zstd`
    Zstd,
}

impl Compression {
    /// The names that `compression.type` may have.
    pub(crate) const NAMES: [(&'static str, Compression); 5] = [
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ];

    /// Its number in a batch.
    pub(super) fn attributes(self) -> i16 {
        self as i16
    }

    /// That of this number.
    pub(super) fn of_attributes(number: i16) -> Result<Self, String> {
        let known = Compression::NAMES.iter().find(|(_, c)| c.attributes() == number);
        known.map(|(_, c)| *c).ok_or_else(|| format!("compression {number} is not known"))
    }

    /// The bytes as they were.
    pub(super) fn decompress(self, bytes: &Bytes) -> Result<Bytes, String> {
        match self {
            Compression::None => Ok(bytes.clone()),
            Compression::Gzip => read_all(flate2::read::MultiGzDecoder::new(&bytes[..])),
            Compression::Snappy => unsnappy(bytes),
            Compression::Lz4 => read_all(FrameDecoder::new(&bytes[..])),
            Compression::Zstd => read_all(zstd::Decoder::new(&bytes[..]).map_err(undone)?),
        }
    }

    /// Appends the bytes compressed.
    pub(super) fn compress(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("records cannot be compressed: {e}");
        match self {
            Compression::None => out.extend_from_slice(bytes),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(out, Level::default());
                encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(failed)?;
            }
            Compression::Snappy => snappy(bytes, out).map_err(|e| format!("records cannot be compressed: {e}"))?,
            Compression::Lz4 => {
                let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
                let mut encoder = FrameEncoder::with_frame_info(info, out);
                encoder.write_all(bytes).map_err(failed)?;
                encoder.finish().map_err(|e| format!("records cannot be compressed: {e}"))?;
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL).map_err(failed)?;
                encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn undone(e: impl std::fmt::Display) -> String {
    format!("records cannot be decompressed: {e}")
}

fn read_all(reader: impl Read) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    reader.take(RECORDS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(undone)?;
    if bytes.len() as u64 > RECORDS_BYTES_MAX {
        return Err(too_many());
    }
    Ok(Bytes::from(bytes))
}

fn too_many() -> String {
    format!("its records take more than {RECORDS_BYTES_MAX} bytes")
}

/// With Java's frame or as one block, as other libraries write it.
fn unsnappy(bytes: &[u8]) -> Result<Bytes, String> {
    let Some(mut rest) = bytes.strip_prefix(SNAPPY_MAGIC).and_then(|b| b.get(SNAPPY_VERSIONS.len()..)) else {
        let length = snap::raw::decompress_len(bytes).map_err(undone)?;
        if length as u64 > RECORDS_BYTES_MAX {
            return Err(too_many());
        }
        return snap::raw::Decoder::new().decompress_vec(bytes).map(Bytes::from).map_err(undone);
    };
    let (mut out, mut decoder) = (Vec::new(), snap::raw::Decoder::new());
    while !rest.is_empty() {
        let cut = || undone("a block is cut");
        let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (block, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(cut)?;
        let start = out.len();
        let length = snap::raw::decompress_len(block).map_err(undone)?;
        if (start + length) as u64 > RECORDS_BYTES_MAX {
            return Err(too_many());
        }
        out.resize(start + length, 0);
        decoder.decompress(block, &mut out[start..]).map_err(undone)?;
        rest = behind;
    }
    Ok(Bytes::from(out))
}

fn snappy(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), snap::Error> {
    out.extend_from_slice(SNAPPY_MAGIC);
    out.extend_from_slice(&SNAPPY_VERSIONS);
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(SNAPPY_BLOCK_BYTES) {
        let at = out.len();
        out.resize(at + 4 + snap::raw::max_compress_len(block.len()), 0);
        let length = encoder.compress(block, &mut out[at + 4..])?;
        out[at..at + 4].copy_from_slice(&(length as u32).to_be_bytes());
        out.truncate(at + 4 + length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(compression: Compression, bytes: &[u8]) {
        let mut out = Vec::new();
        compression.compress(bytes, &mut out).unwrap();
        let back = compression.decompress(&Bytes::from(out.clone())).unwrap();
        assert_eq!(&back[..], bytes, "{compression:?}");
        for cut in [0, out.len().min(1), out.len() / 2, out.len().saturating_sub(1)] {
            // Cut bytes are an error or something else, and no panic.
            drop(compression.decompress(&Bytes::copy_from_slice(&out[..cut])));
        }
    }

    #[test]
    fn all_ways_lead_back() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|i| (i % 977).to_le_bytes()).collect();
        for (_, compression) in Compression::NAMES {
            round(compression, &text);
            round(compression, b"");
        }
    }

    #[test]
    fn snappy_without_a_frame_is_read() {
        let block = snap::raw::Encoder::new().compress_vec(b"hello hello hello").unwrap();
        assert_eq!(&unsnappy(&block).unwrap()[..], b"hello hello hello");
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(unsnappy(&bomb).is_err());
    }
}
