//! Keys of Redis: a prefix, and the texts of the key's columns with a delimiter between.

use arrow_array::RecordBatch;
use flott_api::types::Field;
use flott_api::{Error, Result};
use flott_formats::TextCells;

use super::options::RedisOptions;

/// The keys of a batch, one behind the other.
#[derive(Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Rows whose texts hold the delimiter, which would make their keys those of other rows.
    ambiguous: Vec<u32>,
}

impl Keys {
    /// Of all rows; `columns` are the places of the key's columns, in the order of the key, and their fields.
    ///
    /// # Errors
    /// If a column is not laid out as its type says, or null.
    pub(super) fn of(rows: &RecordBatch, columns: &[(usize, &Field)], options: &RedisOptions) -> Result<Self> {
        let cells = columns.iter().map(|(place, field)| TextCells::new(rows.column(*place), &field.ty));
        let cells = cells.collect::<Result<Vec<_>>>()?;
        let delimiter = options.delimiter.as_bytes();
        let mut keys = Keys::default();
        for row in 0..rows.num_rows() {
            keys.bytes.extend_from_slice(options.prefix.as_bytes());
            let mut ambiguous = false;
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    keys.bytes.extend_from_slice(delimiter);
                }
                let start = keys.bytes.len();
                if !cell.write(row, &mut keys.bytes) {
                    return Err(Error::data(format!("column '{}' of a key is null", columns[at].1.name)));
                }
                // The last column may hold it: what is before says where it begins.
                let more = at + 1 < cells.len();
                ambiguous |= more && memchr::memmem::find(&keys.bytes[start..], delimiter).is_some();
            }
            if ambiguous {
                keys.ambiguous.push(row as u32);
            }
            keys.ends.push(keys.bytes.len());
        }
        Ok(keys)
    }

    /// The key of a row.
    pub(super) fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the key of a row could be that of another one.
    pub(super) fn is_ambiguous(&self, row: usize) -> bool {
        self.ambiguous.binary_search(&(row as u32)).is_ok()
    }

    /// The first such row.
    pub(super) fn first_ambiguous(&self) -> Option<usize> {
        self.ambiguous.first().map(|row| *row as usize)
    }
}
