//! Row kinds: what a change does to the table it belongs to.

use std::fmt;

use arrow_buffer::ScalarBuffer;

/// Flink's four row kinds, with Flink's byte values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum RowKind {
    /// `+I`
    Insert = 0,
    /// `-U`: retracts a row that an `+U` will replace.
    UpdateBefore = 1,
    /// `+U`: adds the row's new content.
    UpdateAfter = 2,
    /// `-D`
    Delete = 3,
}

impl RowKind {
    /// The kind of a byte that [`RowKinds`] holds.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(RowKind::Insert),
            1 => Some(RowKind::UpdateBefore),
            2 => Some(RowKind::UpdateAfter),
            3 => Some(RowKind::Delete),
            _ => None,
        }
    }

    /// `+I`, `-U`, `+U` or `-D`.
    pub fn short(self) -> &'static str {
        match self {
            RowKind::Insert => "+I",
            RowKind::UpdateBefore => "-U",
            RowKind::UpdateAfter => "+U",
            RowKind::Delete => "-D",
        }
    }

    /// Whether it takes a row away: `-U` and `-D`.
    pub fn is_retract(self) -> bool {
        matches!(self, RowKind::UpdateBefore | RowKind::Delete)
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// The kinds of a batch's rows, a byte a row; slices share memory.
#[derive(Clone, Debug, PartialEq)]
pub struct RowKinds(ScalarBuffer<u8>);

impl RowKinds {
    /// Kinds from a vector.
    pub fn new(kinds: Vec<RowKind>) -> Self {
        RowKinds(kinds.into_iter().map(|k| k as u8).collect::<Vec<u8>>().into())
    }

    /// Kinds from bytes, or nothing if one of them is no kind.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.iter().all(|b| *b <= RowKind::Delete as u8).then(|| RowKinds(bytes.into()))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kind of row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn get(&self, row: usize) -> RowKind {
        RowKind::from_byte(self.0[row]).unwrap_or(RowKind::Insert)
    }

    /// The bytes, one a row.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The kinds in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RowKind> + '_ {
        self.0.iter().map(|b| RowKind::from_byte(*b).unwrap_or(RowKind::Insert))
    }

    /// Rows `offset .. offset + length`, without a copy.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        RowKinds(self.0.slice(offset, length))
    }

    /// The kinds of these rows, in this order.
    #[must_use]
    pub fn take(&self, rows: impl Iterator<Item = usize>) -> Self {
        RowKinds(rows.map(|r| self.0[r]).collect::<Vec<u8>>().into())
    }

    /// Whether all are `+I`.
    pub fn is_insert_only(&self) -> bool {
        self.0.iter().all(|b| *b == RowKind::Insert as u8)
    }
}
