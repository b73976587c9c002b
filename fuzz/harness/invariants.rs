//! What holds for every batch and every error, and how two ways of reading are compared.

use arrow_array::{Array, RecordBatch};
use flott_api::{ChangeBatch, Error, ErrorKind, RowKind, Schema};

/// What a decoder may take besides its share of the input.
const BYTES_MIN: usize = 256 << 20;
/// And for each byte of it: a line of three bytes is a row of many columns.
const BYTES_PER_BYTE: usize = 4096;

/// What was read.
#[derive(Default)]
pub(super) struct Rows {
    batches: Vec<RecordBatch>,
    pub(super) kinds: Vec<RowKind>,
    bytes: usize,
}

impl Rows {
    /// Takes a batch of that schema, which came from an input of so many bytes.
    pub(super) fn take(&mut self, batch: &ChangeBatch, schema: &Schema, input_bytes: usize) {
        check(batch, schema);
        self.bytes += batch.byte_size();
        let most = BYTES_MIN + BYTES_PER_BYTE * input_bytes;
        assert!(self.bytes <= most, "{} bytes of rows came from {input_bytes} bytes", self.bytes);
        self.kinds.extend((0..batch.len()).map(|row| batch.kind(row)));
        self.batches.push(batch.rows().clone());
    }

    /// They, as they came.
    pub(super) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Asserts that the same rows, from row `skip` of the others on, came another way; the last columns may differ.
    pub(super) fn assert_same(&self, others: &Rows, skip: usize, last: usize, way: &str) {
        assert_eq!(self.kinds.as_slice(), others.kinds.get(skip..).unwrap_or_default(), "the kinds of rows read {way}");
        let (Some(first), Some(_)) = (self.batches.first(), others.batches.first()) else { return };
        let joined = |rows: &Rows| {
            arrow_select::concat::concat_batches(&first.schema(), &rows.batches).expect("all batches have one schema")
        };
        let (ours, theirs) = (joined(self), joined(others));
        let theirs = theirs.slice(skip, theirs.num_rows() - skip);
        let columns = ours.num_columns() - last;
        for (at, (a, b)) in ours.columns().iter().zip(theirs.columns()).take(columns).enumerate() {
            assert!(a.to_data() == b.to_data(), "column {at} read {way}: {a:?} instead of {b:?}");
        }
    }
}

/// Asserts that a batch is of the schema, and whole.
fn check(batch: &ChangeBatch, schema: &Schema) {
    assert_eq!(batch.rows().schema(), schema.arrow(), "the schema of a batch");
    assert!(!batch.is_empty(), "a batch without rows");
    for (column, field) in batch.rows().columns().iter().zip(&schema.fields) {
        assert_eq!(column.len(), batch.len(), "the length of column '{}'", field.name);
        if let Err(e) = column.to_data().validate_full() {
            panic!("column '{}' of type {}: {e}", field.name, field.ty);
        }
    }
}

/// Asserts that an error is about the bytes.
pub(super) fn check_error(error: &Error) {
    assert!(error.kind() != ErrorKind::Internal, "bytes of any kind are no bug of ours: {error:?}");
    assert!(!error.message().is_empty(), "an error says what is wrong");
}
