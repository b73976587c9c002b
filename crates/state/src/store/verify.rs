//! Reads a whole state file and checks every byte of it, from the checksum in the checkpoint down to each block.

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::object::ObjectStore;
use flott_api::{Error, Result};

use super::cache::BlockCache;
use super::io::{Counters, Io};
use super::segment::{Discarded, Segment};
use crate::handle::StateFile;

/// Nothing is looked at twice.
const CACHE_BYTES: usize = 1 << 20;

/// Checks that a file is the one that a checkpoint means, and whole.
///
/// # Errors
/// `Corrupt` if it is not; of another kind if the store fails or a newer Flott wrote it.
pub async fn verify_file(objects: Arc<dyn ObjectStore>, environment: &Environment, file: StateFile) -> Result<()> {
    let (path, expected) = (file.path.clone(), file.entries);
    let (environment, cache) = (environment.clone(), BlockCache::new(CACHE_BYTES));
    let io = Io { objects, environment, cache, counters: Counters::default() };
    let segment = Segment::restored(&io, file, &Discarded::default());
    let directory = segment.directory(&io).await?;
    let mut entries = 0;
    for part in 0..directory.parts.len() {
        for index in segment.parts(&io, &directory, &[part]).await? {
            let stored = segment.stored_blocks(&io, &index, 0..index.len()).await?;
            for (at, bytes) in stored.iter().enumerate() {
                entries += segment.decode(index.block(at), bytes, false)?.len() as u64;
            }
        }
    }
    if entries == expected {
        return Ok(());
    }
    Err(Error::corrupt(format!("state file '{path}' is damaged"))
        .with_detail(format!("It has {entries} entries instead of {expected}.")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use flott_api::ErrorKind;
    use flott_api::object::PutMode;
    use flott_api::testing::{FakeWorld, MemoryObjects, ready};

    use super::super::block::Codec;
    use super::*;
    use crate::store::writer::SegmentWriter;

    /// A file of several blocks, and what a checkpoint says of it.
    fn written() -> (Bytes, StateFile) {
        let mut writer = SegmentWriter::new(256, Codec::Lz4, 4096);
        for number in 0..200_u16 {
            let key = [&[0, 0, 0, 1], &number.to_be_bytes()[..]].concat();
            writer.push(&key, (number % 7 != 0).then_some(b"the value of it".as_slice())).unwrap();
        }
        let encoded = writer.finish(Vec::new(), 0..128).unwrap();
        let (path, size, entries) = ("a.seg".to_owned(), encoded.bytes.len() as u64, encoded.entries);
        let file = StateFile { path, size, entries, key_groups: 0..128, checksum: encoded.checksum };
        (encoded.bytes, file)
    }

    fn verified(bytes: Bytes, file: &StateFile) -> Result<()> {
        let objects = MemoryObjects::new();
        ready(objects.put(&file.path, bytes, PutMode::Create)).unwrap();
        ready(verify_file(objects, &FakeWorld::at(0).environment(), file.clone()))
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (bytes, file) = written();
        verified(bytes.clone(), &file).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << (at % 8);
            // A version that is newer is told apart only if its footer is whole.
            assert_eq!(verified(flipped.into(), &file).unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        }
        let other = StateFile { entries: file.entries + 1, ..file };
        assert!(verified(bytes, &other).unwrap_err().detail().unwrap().starts_with("It has 200 entries"));
    }
}
