//! What a checkpoint knows of the state of one operator instance: names, files, and what is small
//! enough to lie in the manifest itself.

use std::ops::Range;

use bytes::Bytes;
use flott_api::state::{Redistribution, StateDescriptor, StateNumber};
use serde::{Deserialize, Serialize};

/// The state of one operator instance, complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSnapshot {
    /// The key groups that the instance owned.
    pub key_groups: Range<u32>,
    /// Its states, by number.
    pub states: Vec<NamedState>,
    /// Its files, the newest first.
    pub files: Vec<StateFile>,
    /// Writes that lie in no file, encoded as a file is. Newer than all files.
    pub inline: Option<InlineState>,
    /// Its lists, by name.
    pub lists: Vec<ListState>,
}

/// A state and its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedState {
    /// Its number in the files.
    pub number: StateNumber,
    /// Under which its entries were written.
    pub descriptor: StateDescriptor,
}

/// A file with entries of one instance; never changed once it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Its path in the directory of the job, or its URI if it lies elsewhere
    /// (`checkpoint::RoutingObjects` takes both).
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// How many entries.
    pub entries: u64,
    /// The key groups for which the file counts: those of the instance when it was written, cut by every
    /// rescale since.
    pub key_groups: Range<u32>,
    /// The checksum of the file's footer, which has those of all else.
    pub checksum: u32,
}

/// Small state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineState {
    /// What the file would hold.
    #[serde(with = "base64_text")]
    pub bytes: Bytes,
    /// The key groups for which it counts.
    pub key_groups: Range<u32>,
}

/// A list of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// Its lasting name within the operator.
    pub name: String,
    /// How a restore spreads it.
    pub redistribution: Redistribution,
    /// Its items.
    #[serde(with = "base64_texts")]
    pub items: Vec<Bytes>,
}

/// Bytes as text, in formats that have no bytes.
pub mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes them.
    ///
    /// # Errors
    /// If the format does.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// Reads them.
    ///
    /// # Errors
    /// If they are no base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
    }
}

/// The same for several.
pub mod base64_texts {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Text(#[serde(with = "super::base64_text")] Bytes);

    /// Writes them.
    ///
    /// # Errors
    /// If the format does.
    pub fn serialize<S: Serializer>(items: &[Bytes], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(items.iter().map(|b| Text(b.clone())))
    }

    /// Reads them.
    ///
    /// # Errors
    /// If one is no base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
        Ok(Vec::<Text>::deserialize(deserializer)?.into_iter().map(|t| t.0).collect())
    }
}
