//! What writers hand to the committer.
//!
//! Version 1 was a finished file. Version 2 is a file or, for a table whose partitions are committed, the moment of the
//! checkpoint as a writer saw it. Both are read.

use bytes::Bytes;
use flott_api::sink::Committable;
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 2;
/// The fields of a file, beside the version.
const VERSION_OF_FILES: u32 = 1;

/// A finished file that is not visible yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingFile {
    /// Its hidden name.
    pub(super) from: String,
    /// The name it gets.
    pub(super) to: String,
    /// Its partition folder, empty without partitions.
    pub(super) folder: String,
}

/// The time of a checkpoint at a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// Milliseconds since the epoch.
    pub(super) now_ms: i64,
    /// Its watermark.
    pub(super) watermark_ms: i64,
}

/// A committable, read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Payload {
    File(PendingFile),
    Moment(Moment),
}

#[derive(Serialize, Deserialize)]
struct Versioned {
    version: u32,
    #[serde(flatten)]
    payload: Payload,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

impl Payload {
    /// It as a committable of this name.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn encode(self, id: String) -> Result<Committable> {
        let bytes = serde_json::to_vec(&Versioned { version: VERSION, payload: self });
        let bytes = bytes.map_err(|e| Error::internal("a committable cannot be written").with_source(e))?;
        Ok(Committable { id, payload: Bytes::from(bytes) })
    }

    /// Reads a committable of any version.
    ///
    /// # Errors
    /// If it is damaged or from a later version.
    pub(super) fn decode(committable: &Committable) -> Result<Self> {
        let damaged = |e| Error::corrupt(format!("committable '{}' is damaged", committable.id)).with_source(e);
        let bytes = &committable.payload;
        match serde_json::from_slice::<Head>(bytes).map_err(damaged)?.version {
            VERSION => Ok(serde_json::from_slice::<Versioned>(bytes).map_err(damaged)?.payload),
            VERSION_OF_FILES => serde_json::from_slice(bytes).map(Payload::File).map_err(damaged),
            other => Err(Error::corrupt(format!("committable '{}' has the unknown version {other}", committable.id))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committable(payload: &str) -> Committable {
        Committable { id: "c".to_owned(), payload: Bytes::copy_from_slice(payload.as_bytes()) }
    }

    fn file() -> PendingFile {
        PendingFile { from: "/t/.p".to_owned(), to: "/t/p".to_owned(), folder: "d=1/".to_owned() }
    }

    #[test]
    fn both_kinds_come_back_and_the_first_version_is_read() {
        for payload in [Payload::File(file()), Payload::Moment(Moment { now_ms: 5, watermark_ms: i64::MIN })] {
            let committable = payload.clone().encode("c".to_owned()).unwrap();
            assert_eq!(Payload::decode(&committable).unwrap(), payload);
        }
        let first = committable(r#"{"version":1,"from":"/t/.p","to":"/t/p","folder":"d=1/"}"#);
        assert_eq!(Payload::decode(&first).unwrap(), Payload::File(file()));
    }

    #[test]
    fn bytes_that_are_none_are_refused() {
        let message = |text: &str| Payload::decode(&committable(text)).unwrap_err().message().to_owned();
        assert_eq!(message(r#"{"version":3}"#), "committable 'c' has the unknown version 3");
        for damaged in ["", "{}", r#"{"version":2}"#, r#"{"version":1,"from":"x"}"#, r#"{"version":2,"moment":{}}"#] {
            assert_eq!(message(damaged), "committable 'c' is damaged", "{damaged}");
        }
    }
}
