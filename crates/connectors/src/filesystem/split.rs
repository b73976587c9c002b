//! A split: a file, or a range of one, with how far it was read.

use bytes::Bytes;
use flott_api::env::FileStatus;
use flott_api::source::Split;
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

/// The version of the encoding.
const VERSION: u32 = 1;

/// How far a split was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Bytes of the (decompressed) file before the next record; 0 in files that are read as a whole.
    pub(super) offset: u64,
    /// Rows from there on that were emitted already.
    pub(super) rows: u64,
}

/// What lies in a split's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSplit {
    version: u32,
    /// The file.
    pub(super) path: String,
    /// Its length, as it was found.
    pub(super) size: u64,
    /// When it was changed last, in milliseconds since the epoch.
    pub(super) modified_ms: i64,
    /// The records that begin in this range of bytes; an end of `None` is the end of the file.
    pub(super) start: u64,
    /// Where the range ends.
    pub(super) end: Option<u64>,
    /// How far it was read.
    pub(super) position: Position,
}

impl FileSplit {
    /// The whole file, not yet read.
    pub(super) fn whole(file: &FileStatus) -> Self {
        FileSplit::range(file, 0, None)
    }

    /// A range, not yet read.
    pub(super) fn range(file: &FileStatus, start: u64, end: Option<u64>) -> Self {
        FileSplit {
            version: VERSION,
            path: file.path.clone(),
            size: file.size,
            modified_ms: file.modified_ms,
            start,
            end,
            position: Position::default(),
        }
    }

    /// Its lasting name.
    pub(super) fn id(&self) -> String {
        match (self.start, self.end) {
            (0, None) => self.path.clone(),
            (start, end) => format!("{}@{start}-{}", self.path, end.map_or(String::new(), |e| e.to_string())),
        }
    }

    /// The split as others carry it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn encode(&self) -> Result<Split> {
        let state =
            serde_json::to_vec(self).map_err(|e| Error::internal("a split cannot be written").with_source(e))?;
        Ok(Split { id: self.id(), state: Bytes::from(state) })
    }

    /// Reads a split.
    ///
    /// # Errors
    /// If it is of another version or damaged.
    pub(super) fn decode(split: &Split) -> Result<Self> {
        let damaged = |e| Error::corrupt(format!("split '{}' is damaged", split.id)).with_source(e);
        let read: FileSplit = serde_json::from_slice(&split.state).map_err(damaged)?;
        if read.version != VERSION {
            return Err(Error::corrupt(format!("split '{}' has the unknown version {}", split.id, read.version)));
        }
        Ok(read)
    }
}
