//! Rows under way: what an unaligned checkpoint holds of the channels that lead to a subtask.
//!
//! A subtask's rows lie in pieces of bytes, mostly one, each in the manifest if it is small, else in a file
//! that belongs to this checkpoint alone. Here is its envelope, as of every file of a checkpoint ([`super::codec`]:
//! magic, version, length, checksum); the content is the runtime's.

use bytes::Bytes;
use flott_api::object::ObjectStore;
use flott_api::{Error, Result};

use super::codec::{FileKind, checksum, content, damaged, encode_with};
use super::manifest::{InFlightPlace, InFlightSnapshot};

const IN_FLIGHT: FileKind = FileKind { name: "file of rows under way", magic: *b"FLKR", version: 1 };
/// What messages call bytes that lie in the manifest.
const IN_MANIFEST: &str = "in the manifest";

/// A piece with what `content` appends.
///
/// # Errors
/// If `content` gives one.
pub fn encode(content: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Bytes> {
    encode_with(IN_FLIGHT, content)
}

/// Where a piece lies that was put into a file.
pub fn in_file(path: String, bytes: &Bytes) -> InFlightPlace {
    InFlightPlace::File { path, checksum: checksum(bytes) }
}

/// The content of a piece that lies in the file at `path`, which messages name.
///
/// # Errors
/// `Corrupt` if the bytes are not as they were written, `Invalid` if a newer Flott wrote them.
pub fn decode<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a [u8]> {
    content(IN_FLIGHT, path, bytes)
}

/// Reads a piece and checks it; gives it whole, for [`decode`].
///
/// # Errors
/// `Corrupt`, naming the file, if it is missing, damaged or another one.
pub async fn read(objects: &dyn ObjectStore, path: &str, in_flight: &InFlightSnapshot) -> Result<Bytes> {
    let (bytes, checksum_told) = match &in_flight.place {
        InFlightPlace::Inline(bytes) => {
            decode(IN_MANIFEST, bytes)?;
            return Ok(bytes.clone());
        }
        InFlightPlace::File { checksum, .. } => (objects.get(path).await?, *checksum),
    };
    let Some(bytes) = bytes else {
        return Err(Error::corrupt(format!("{} '{path}' is missing", IN_FLIGHT.name)));
    };
    decode(path, &bytes)?;
    if checksum(&bytes) != checksum_told {
        return Err(damaged(IN_FLIGHT, path, "It is another one than the manifest names"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;
    use flott_api::object::PutMode;
    use flott_api::testing::{MemoryObjects, ready};

    use super::*;

    fn piece(text: &str) -> Bytes {
        encode(|out| {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        })
        .unwrap()
    }

    fn snapshot(place: InFlightPlace) -> InFlightSnapshot {
        InFlightSnapshot { edges: Vec::new(), rows: 1, bytes: 1, place }
    }

    #[test]
    fn a_piece_comes_back_and_every_flipped_bit_is_seen() {
        let good = piece("rows");
        assert_eq!(decode("x", &good).unwrap(), b"rows");
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 4;
            let error = decode("shared/1/x", &bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
            assert_eq!(error.message(), "file of rows under way 'shared/1/x' is damaged");
            assert_eq!(decode("x", &good[..at]).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_file_that_is_missing_or_another_one_is_named() {
        let memory = MemoryObjects::new();
        let (mine, other) = (piece("mine"), piece("other"));
        let named = snapshot(in_file("a".into(), &mine));
        let read = || ready(read(memory.as_ref(), "a", &named));
        assert_eq!(read().unwrap_err().message(), "file of rows under way 'a' is missing");
        ready(memory.put("a", other, PutMode::Overwrite)).unwrap();
        let error = read().unwrap_err();
        assert_eq!(
            (error.kind(), error.detail()),
            (ErrorKind::Corrupt, Some("It is another one than the manifest names."))
        );
        ready(memory.put("a", mine.clone(), PutMode::Overwrite)).unwrap();
        assert_eq!(read().unwrap(), mine);
    }

    #[test]
    fn what_lies_in_the_manifest_is_checked_too() {
        let memory = MemoryObjects::new();
        let good = snapshot(InFlightPlace::Inline(piece("rows")));
        assert_eq!(ready(read(memory.as_ref(), "", &good)).unwrap(), piece("rows"));
        let bad = snapshot(InFlightPlace::Inline(Bytes::from_static(b"rows")));
        assert_eq!(ready(read(memory.as_ref(), "", &bad)).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
