//! What a checkpoint has of a scan.

use bson::{Binary, Bson, Document, RawDocumentBuf, doc};
use bytes::Bytes;
use flott_api::source::Split;
use flott_api::{Error, Result};

use crate::bounds::Range;
use crate::splits::{Chunk, Piece};

const VERSION: i32 = 1;

/// A split with how far it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) index: u64,
    pub(super) piece: Piece,
    /// The last `_id` that was read, if there is an order of them.
    pub(super) last: Option<Bson>,
    /// How many documents were read.
    pub(super) rows: u64,
}

/// What an enumerator remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whether the collection has been cut.
    pub(super) found: bool,
    /// The splits that nobody has.
    pub(super) waiting: Vec<Split>,
}

fn bytes_of(document: &Document) -> Result<Bytes> {
    let raw = RawDocumentBuf::try_from(document);
    raw.map(|raw| raw.into_bytes().into()).map_err(|e| Error::internal("a split cannot be written").with_source(e))
}

fn document_of(bytes: &[u8], whose: &str) -> Result<Document> {
    let damaged = |e| Error::corrupt(format!("{whose} is damaged")).with_source(e);
    let raw = RawDocumentBuf::from_bytes(bytes.to_vec()).map_err(damaged)?;
    let document = Document::try_from(raw).map_err(damaged)?;
    if document.get("version") != Some(&Bson::Int32(VERSION)) {
        return Err(Error::corrupt(format!("{whose} has an unknown version")));
    }
    Ok(document)
}

impl State {
    /// Of which nothing was read.
    pub(super) fn new(index: usize, piece: Piece) -> Self {
        State { index: index as u64, piece, last: None, rows: 0 }
    }

    /// As bytes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn encode(&self) -> Result<Split> {
        let mut document = doc! { "version": VERSION, "index": self.index as i64, "rows": self.rows as i64 };
        let optional = match &self.piece {
            Piece::Range(range) => vec![("from", range.from.clone()), ("until", range.until.clone())],
            Piece::Chunk(chunk) => vec![
                ("min", Some(chunk.min.clone().into())),
                ("max", Some(chunk.max.clone().into())),
                ("key", Some(chunk.key.clone().into())),
            ],
        };
        for (name, value) in optional.into_iter().chain([("last", self.last.clone())]) {
            // An `_id` may be null.
            if let Some(value) = value {
                document.insert(name, value);
            }
        }
        Ok(Split { id: self.index.to_string(), state: bytes_of(&document)? })
    }

    /// From bytes.
    ///
    /// # Errors
    /// If they are damaged, or of another version.
    pub(super) fn decode(split: &Split) -> Result<Self> {
        let whose = format!("split '{}' of a collection", split.id);
        let mut document = document_of(&split.state, &whose)?;
        let number = |name: &str| document.get_i64(name).ok().and_then(|n| u64::try_from(n).ok());
        let damaged = || Error::corrupt(format!("{whose} is damaged"));
        let (index, rows) = (number("index").ok_or_else(damaged)?, number("rows").ok_or_else(damaged)?);
        let part = |name: &str| document.get_document(name).ok().cloned();
        let piece = match (part("min"), part("max"), part("key")) {
            (Some(min), Some(max), Some(key)) => Piece::Chunk(Chunk { min, max, key }),
            (None, None, None) => {
                Piece::Range(Range { from: document.remove("from"), until: document.remove("until") })
            }
            _ => return Err(damaged()),
        };
        Ok(State { index, piece, last: document.remove("last"), rows })
    }
}

impl Memory {
    /// As bytes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn encode(&self) -> Result<Bytes> {
        let subtype = bson::spec::BinarySubtype::Generic;
        let split = |s: &Split| doc! { "id": &s.id, "state": Binary { subtype, bytes: s.state.to_vec() } };
        let waiting: Vec<Document> = self.waiting.iter().map(split).collect();
        bytes_of(&doc! { "version": VERSION, "found": self.found, "waiting": waiting })
    }

    /// From bytes.
    ///
    /// # Errors
    /// If they are damaged, or of another version.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let document = document_of(bytes, "the state of an enumerator")?;
        let split = |value: &Bson| {
            let split = value.as_document()?;
            let state = split.get_binary_generic("state").ok()?;
            Some(Split { id: split.get_str("id").ok()?.to_owned(), state: Bytes::copy_from_slice(state) })
        };
        let waiting = document.get_array("waiting").ok().and_then(|all| all.iter().map(split).collect());
        let (Some(waiting), Ok(found)) = (waiting, document.get_bool("found")) else {
            return Err(Error::corrupt("the state of an enumerator is damaged"));
        };
        Ok(Memory { found, waiting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_come_back_as_they_were() {
        let range = Range { from: Some(Bson::Null), until: Some("x".into()) };
        let chunk = Chunk { min: doc! { "a": Bson::MinKey }, max: doc! { "a": 1 }, key: doc! { "a": "hashed" } };
        let id = bson::oid::ObjectId::from_bytes([7; 12]);
        let states = [
            State::new(0, Piece::Range(Range::default())),
            State { index: 3, piece: Piece::Range(range), last: Some(Bson::Null), rows: 9 },
            State { index: 4, piece: Piece::Chunk(chunk), last: Some(id.into()), rows: 1 },
        ];
        for state in &states {
            assert_eq!(&State::decode(&state.encode().unwrap()).unwrap(), state);
        }
        let waiting = vec![states[1].encode().unwrap()];
        let memory = Memory::decode(&Memory { found: true, waiting: waiting.clone() }.encode().unwrap()).unwrap();
        assert_eq!((memory.found, memory.waiting), (true, waiting));
    }

    #[test]
    fn damaged_states_are_refused() {
        let split = |state: Vec<u8>| State::decode(&Split { id: "1".to_owned(), state: state.into() });
        assert_eq!(split(vec![1, 2]).unwrap_err().message(), "split '1' of a collection is damaged");
        let other = bytes_of(&doc! { "version": 9 }).unwrap();
        assert!(split(other.to_vec()).unwrap_err().message().contains("unknown version"));
        let half = bytes_of(&doc! { "version": 1, "index": 1_i64, "rows": 1_i64, "min": {} }).unwrap();
        assert!(split(half.to_vec()).is_err());
        assert!(Memory::decode(&half).is_err());
    }
}
