//! Builds a string column: the bytes of all rows lie one behind the other, and a row is written in pieces.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use flott_api::{Error, Result};

/// Builds a string column; a row is written in pieces.
pub(crate) struct TextWriter {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    valid: NullBufferBuilder,
    /// Something did not fit into the column.
    too_long: bool,
}

/// Arrow counts the bytes of a string column in 32 bits.
const COLUMN_BYTES_MAX: usize = i32::MAX as usize;

/// The bytes that a row is taken to have before anything is known.
const ROW_BYTES: usize = 8;

impl TextWriter {
    pub(crate) fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        let bytes = Vec::with_capacity(rows * ROW_BYTES);
        TextWriter { bytes, offsets, valid: NullBufferBuilder::new(rows), too_long: false }
    }

    #[inline]
    pub(crate) fn push(&mut self, piece: &str) {
        if piece.len() <= COLUMN_BYTES_MAX - self.bytes.len() {
            self.bytes.extend_from_slice(piece.as_bytes());
        } else {
            self.too_long = true;
        }
    }

    #[inline]
    pub(crate) fn push_char(&mut self, c: char) {
        match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() && self.bytes.len() < COLUMN_BYTES_MAX => self.bytes.push(byte),
            _ => self.push(c.encode_utf8(&mut [0; 4])),
        }
    }

    /// Writes a piece so many times, unless the column could not hold it.
    pub(crate) fn push_repeated(&mut self, piece: &str, times: usize) {
        match piece.len().checked_mul(times) {
            Some(bytes) if bytes <= COLUMN_BYTES_MAX - self.bytes.len() => {
                (0..times).for_each(|_| self.bytes.extend_from_slice(piece.as_bytes()));
            }
            _ => self.too_long = true,
        }
    }

    /// Where the next piece begins.
    pub(crate) fn place(&self) -> usize {
        self.bytes.len()
    }

    /// Writes again what lies between two places that were the ends of rows.
    #[inline]
    pub(crate) fn push_again(&mut self, written: Range<usize>) {
        if written.len() <= COLUMN_BYTES_MAX - self.bytes.len() {
            self.bytes.extend_from_within(written);
        } else {
            self.too_long = true;
        }
    }

    /// Ends the row.
    #[inline]
    pub(crate) fn end(&mut self, valid: bool) -> Result<()> {
        if self.too_long {
            return Err(Error::data("a string result is longer than 2 GiB"));
        }
        if !valid {
            let start = self.offsets.last().map_or(0, |start| *start as usize);
            self.bytes.truncate(start);
        }
        self.valid.append(valid);
        self.offsets.push(self.bytes.len() as i32);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(self.bytes), self.valid.finish())?))
    }
}

impl Write for TextWriter {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.push(s);
        Ok(())
    }
}
