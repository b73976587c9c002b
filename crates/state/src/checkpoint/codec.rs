//! How manifests, records of the ownership log and rows under way lie in bytes.
//!
//! Layout, little-endian: magic (4 bytes), version `u16`, length of the content `u64`, the content (in
//! JSON, but for [rows under way](super::in_flight)), CRC-32 of all before. Magic, version and checksum stay where they are in all versions, so that
//! a file of a newer Flott is told from a damaged one.

use bytes::Bytes;
use flott_api::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::manifest::Manifest;
use crate::crc::crc32;

const VERSION_BYTES: usize = 2;
const LENGTH_BYTES: usize = 8;
const CRC_BYTES: usize = 4;
const MAGIC_BYTES: usize = 4;
const CONTENT_AT: usize = MAGIC_BYTES + VERSION_BYTES + LENGTH_BYTES;

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileKind {
    /// How it is called in messages.
    pub(super) name: &'static str,
    pub(super) magic: [u8; MAGIC_BYTES],
    /// The version that is written, and the newest that is read.
    pub(super) version: u16,
}

/// Version 2 has rows under way ([`InFlightSnapshot`](super::manifest::InFlightSnapshot)).
const MANIFEST: FileKind = FileKind { name: "checkpoint manifest", magic: *b"FLKM", version: 2 };

/// A manifest as bytes.
///
/// # Errors
/// If it cannot be written as JSON, which no manifest that can be built is.
pub fn encode_manifest(manifest: &Manifest) -> Result<Bytes> {
    encode(MANIFEST, manifest)
}

/// A manifest from the bytes of the file at `path`, which messages name.
///
/// # Errors
/// `Corrupt` if the bytes are not as they were written, `Invalid` if a newer Flott wrote them.
pub fn decode_manifest(path: &str, bytes: &[u8]) -> Result<Manifest> {
    decode(MANIFEST, path, bytes)
}

/// The checksum with which an encoded file ends.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    bytes.last_chunk().map_or(0, |crc: &[u8; CRC_BYTES]| u32::from_le_bytes(*crc))
}

pub(super) fn encode<T: Serialize>(kind: FileKind, value: &T) -> Result<Bytes> {
    encode_with(kind, |bytes| {
        serde_json::to_writer(bytes, value)
            .map_err(|e| Error::internal(format!("a {} cannot be encoded", kind.name)).with_source(e))
    })
}

/// A file with what `content` appends.
pub(super) fn encode_with(kind: FileKind, content: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Bytes> {
    let mut bytes = kind.magic.to_vec();
    bytes.extend_from_slice(&kind.version.to_le_bytes());
    bytes.extend_from_slice(&[0; LENGTH_BYTES]);
    content(&mut bytes)?;
    let length = (bytes.len() - CONTENT_AT) as u64;
    bytes[CONTENT_AT - LENGTH_BYTES..CONTENT_AT].copy_from_slice(&length.to_le_bytes());
    let crc = crc32(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes.into())
}

pub(super) fn decode<T: DeserializeOwned>(kind: FileKind, path: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(content(kind, path, bytes)?)
        .map_err(|e| damaged(kind, path, "Its content has another form").with_source(e))
}

/// The content of a file, once all else of it is checked.
pub(super) fn content<'a>(kind: FileKind, path: &str, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let damaged = |why: &str| damaged(kind, path, why);
    if bytes.len() < CONTENT_AT + CRC_BYTES {
        return Err(damaged("It is too short"));
    }
    if !bytes.starts_with(&kind.magic) {
        return Err(damaged("It does not begin as one"));
    }
    let (body, crc) = bytes.split_at(bytes.len() - CRC_BYTES);
    if crc32(body).to_le_bytes() != crc {
        return Err(damaged("Its checksum is wrong"));
    }
    let version = u16::from_le_bytes([body[MAGIC_BYTES], body[MAGIC_BYTES + 1]]);
    if version > kind.version {
        return Err(Error::invalid(format!("{} '{path}' was written by a newer Flott", kind.name))
            .with_detail(format!("It has version {version}; this Flott reads up to version {}.", kind.version)));
    }
    let content = &body[CONTENT_AT..];
    let length = body[MAGIC_BYTES + VERSION_BYTES..].first_chunk().map(|b| u64::from_le_bytes(*b));
    if length != Some(content.len() as u64) {
        return Err(damaged("It is shorter or longer than it says"));
    }
    Ok(content)
}

pub(super) fn damaged(kind: FileKind, path: &str, why: &str) -> Error {
    Error::corrupt(format!("{} '{path}' is damaged", kind.name)).with_detail(format!("{why}."))
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;

    use super::*;
    use crate::checkpoint::testing::manifest;

    #[test]
    fn a_manifest_comes_back_as_it_was() {
        let manifest = manifest(7, 3, &[("shared/3/a.seg", 10), ("s3://b/c/d.seg", 5)]);
        let bytes = encode_manifest(&manifest).unwrap();
        assert_eq!(decode_manifest("chk-7/_metadata", &bytes).unwrap(), manifest);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen_and_the_path_is_named() {
        let good = encode_manifest(&manifest(7, 3, &[("shared/3/a.seg", 10)])).unwrap();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.to_vec();
                bad[at] ^= 1 << bit;
                let error = decode_manifest("x/chk-7/_metadata", &bad).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
                assert_eq!(error.message(), "checkpoint manifest 'x/chk-7/_metadata' is damaged");
            }
            assert_eq!(decode_manifest("x", &good[..at]).unwrap_err().kind(), ErrorKind::Corrupt, "cut at {at}");
        }
        let longer = [&good[..], b"x"].concat();
        assert_eq!(decode_manifest("x", &longer).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let newer = FileKind { version: MANIFEST.version + 1, ..MANIFEST };
        let error = decode_manifest("a/_metadata", &encode(newer, &"anything").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.message(), "checkpoint manifest 'a/_metadata' was written by a newer Flott");
    }

    #[test]
    fn content_of_another_form_is_damage() {
        let error = decode_manifest("a/_metadata", &encode(MANIFEST, &"anything").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}
