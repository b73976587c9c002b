//! `flott state show`: entries of keyed states as rows.
//!
//! A key is read by the types of its state; a value is shown in hex, for only its operator knows what it means.

use std::fmt::Write;

use flott_api::state::StateDescriptor;
use flott_api::{Error, LogicalType, Result};
use flott_functions::{TextStyle, format_value};
use flott_sql::parser::ast::SqlType;
use flott_sql::session::TextTable;
use flott_state::key;

const COLUMNS: [&str; 6] = ["uid", "state", "key group", "window", "key", "value"];

/// The part of a key that is its key group.
const KEY_GROUP_BYTES: usize = 2;
/// The part of a key that is its namespace, where there is one.
const NAMESPACE_BYTES: usize = 8;

/// Rows of a `state show`.
pub struct Entries {
    zone: String,
    rows_max: u64,
    rows: Vec<Vec<Option<String>>>,
}

impl Entries {
    /// No rows yet; no more than `rows_max` will come.
    pub fn new(zone: &str, rows_max: u64) -> Self {
        Entries { zone: zone.to_owned(), rows_max, rows: Vec::new() }
    }

    /// Whether no more rows are wanted.
    pub fn is_full(&self) -> bool {
        self.rows.len() as u64 >= self.rows_max
    }

    /// Adds entries of a state, key and value, as far as there is room.
    ///
    /// # Errors
    /// If a key is not of the state's types.
    pub fn put(&mut self, uid: &str, descriptor: &StateDescriptor, entries: &[(&[u8], &[u8])]) -> Result<()> {
        let room = self.rows_max.saturating_sub(self.rows.len() as u64);
        let entries = &entries[..entries.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        let keys: Vec<Key<'_>> = entries.iter().map(|(key, _)| Key::of(key, descriptor)).collect::<Result<_>>()?;
        let texts = key_texts(&keys, &key_types(&descriptor.key)?, &self.zone)
            .map_err(|e| e.context(format!("state '{}' of operator '{uid}'", descriptor.name)))?;
        for ((key, text), (_, value)) in keys.iter().zip(texts).zip(entries) {
            self.rows.push(vec![
                Some(uid.to_owned()),
                Some(descriptor.name.clone()),
                Some(key.group.to_string()),
                key.namespace.map(|n| n.to_string()),
                Some(text),
                Some(hex(value)),
            ]);
        }
        Ok(())
    }

    /// The rows.
    pub fn into_table(self) -> TextTable {
        TextTable::of(&COLUMNS, self.rows)
    }
}

/// The parts of a key of the store.
struct Key<'k> {
    group: u16,
    namespace: Option<i64>,
    columns: &'k [u8],
}

impl<'k> Key<'k> {
    fn of(bytes: &'k [u8], descriptor: &StateDescriptor) -> Result<Self> {
        let short = || Error::corrupt(format!("a key of state '{}' is too short", descriptor.name));
        let (group, mut columns) = bytes.split_first_chunk::<KEY_GROUP_BYTES>().ok_or_else(short)?;
        let mut namespace = None;
        if descriptor.namespaced {
            let (window, rest) = columns.split_first_chunk::<NAMESPACE_BYTES>().ok_or_else(short)?;
            // Big-endian with its sign flipped, so that it sorts.
            namespace = Some((u64::from_be_bytes(*window) ^ (1 << 63)) as i64);
            columns = rest;
        }
        Ok(Key { group: u16::from_be_bytes(*group), namespace, columns })
    }
}

/// The columns of each key as text: `1, abc`.
fn key_texts(keys: &[Key<'_>], types: &[LogicalType], zone: &str) -> Result<Vec<String>> {
    let arrow: Vec<_> = types.iter().map(LogicalType::arrow).collect();
    let bytes: Vec<&[u8]> = keys.iter().map(|k| k.columns).collect();
    let columns = key::decode(&arrow, &bytes)?;
    let text = |row: usize| {
        let mut text = String::new();
        for (i, (column, ty)) in columns.iter().zip(types).enumerate() {
            text.push_str(if i > 0 { ", " } else { "" });
            format_value(column.as_ref(), row, ty, zone, TextStyle::Cell, &mut text)?;
        }
        Ok(text)
    };
    (0..keys.len()).map(text).collect()
}

/// The types of `INT, ROW<a INT, b STRING>`.
fn key_types(text: &str) -> Result<Vec<LogicalType>> {
    let mut types = Vec::new();
    let (mut depth, mut from) = (0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                types.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    types.push(&text[from..]);
    let types = types.into_iter().map(str::trim).filter(|ty| !ty.is_empty());
    types.map(|ty| SqlType::parse(ty)?.to_logical()).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, StringArray};
    use flott_api::ErrorKind;

    use super::*;

    fn descriptor(key: &str, namespaced: bool) -> StateDescriptor {
        StateDescriptor { name: "groups".into(), key: key.into(), parts: Vec::new(), version: 1, namespaced, ttl_ms: 0 }
    }

    fn keys(namespace: Option<i64>) -> Vec<Vec<u8>> {
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(-1), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a, b", ""]));
        let mut encoded = key::EncodedKeys::default();
        encoded.encode(&[ints, texts], 2).unwrap();
        let prefix = |row: usize| {
            let mut bytes = vec![0, 7 + row as u8];
            namespace.iter().for_each(|n| bytes.extend((*n as u64 ^ (1 << 63)).to_be_bytes()));
            bytes
        };
        (0..2).map(|row| [prefix(row).as_slice(), encoded.get(row)].concat()).collect()
    }

    fn rows(entries: Entries) -> Vec<String> {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".into());
        entries.into_table().rows.iter().map(|r| r.iter().map(cell).collect::<Vec<_>>().join(" | ")).collect()
    }

    #[test]
    fn keys_are_read_by_their_types() {
        let mut entries = Entries::new("UTC", 10);
        let plain = keys(None);
        let pairs: Vec<(&[u8], &[u8])> = plain.iter().map(|k| (k.as_slice(), [0x0a, 0xff].as_slice())).collect();
        entries.put("u1", &descriptor("INT, STRING", false), &pairs).unwrap();
        let windowed = keys(Some(-60_000));
        entries.put("u2", &descriptor("INT, VARCHAR(9)", true), &[(&windowed[0], b"")]).unwrap();
        assert_eq!(
            rows(entries),
            [
                "u1 | groups | 7 | - | -1, a, b | 0aff",
                "u1 | groups | 8 | - | NULL,  | 0aff",
                "u2 | groups | 7 | -60000 | -1, a, b | "
            ]
        );
    }

    #[test]
    fn no_more_rows_than_wanted_come() {
        let mut entries = Entries::new("UTC", 1);
        let plain = keys(None);
        let pairs: Vec<(&[u8], &[u8])> = plain.iter().map(|k| (k.as_slice(), b"".as_slice())).collect();
        assert!(!entries.is_full());
        entries.put("u", &descriptor("INT, STRING", false), &pairs).unwrap();
        assert!(entries.is_full());
        assert_eq!(rows(entries).len(), 1);
    }

    #[test]
    fn damaged_keys_are_errors() {
        let mut entries = Entries::new("UTC", 10);
        for wrong in [b"".as_slice(), b"\x00", b"\x00\x01", b"\x00\x01\x01\x00", b"\x00\x01\x09"] {
            let error = entries.put("u", &descriptor("INT", false), &[(wrong, b"")]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{wrong:?}");
        }
        assert!(entries.put("u", &descriptor("INT", true), &[(b"\x00\x01\x01", b"")]).is_err());
        assert!(entries.put("u", &descriptor("NO TYPE", false), &[(b"\x00\x01", b"")]).is_err());
    }

    #[test]
    fn types_within_types_are_not_cut() {
        let texts = |key: &str| key_types(key).unwrap().iter().map(|t| t.kind.to_string()).collect::<Vec<_>>();
        assert_eq!(texts("DECIMAL(10, 2), ROW<a INT, b STRING>, DATE").len(), 3);
        assert_eq!(texts(""), Vec::<String>::new());
    }
}
