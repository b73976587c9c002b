//! Batches to CSV lines, quoted where Jackson quotes.

use flott_api::{ChangeBatch, Result, Schema};

use super::CsvOptions;
use crate::cells::{Cell, Cells, element_range};
use crate::text::write::{DecimalStyle, decimal, float32, float64};
use crate::text::{base64, time};
use crate::{Encoded, Encoder, EncoderSpec};

/// Jackson does not look at longer texts and quotes them.
const CHECKED_CHARS_MAX: usize = 24;

/// Encodes CSV.
pub(super) struct CsvEncoder {
    options: CsvOptions,
    schema: Schema,
    line_ends: bool,
    /// Characters below this one are quoted.
    safe_from: u8,
    scratch: Vec<u8>,
}

impl CsvEncoder {
    /// An encoder of these columns.
    pub(super) fn new(options: CsvOptions, spec: &EncoderSpec) -> Self {
        let safe_from = options.field_delimiter.max(options.quote.unwrap_or(0)).max(b'\n') + 1;
        CsvEncoder { options, schema: spec.schema.clone(), line_ends: spec.line_ends, safe_from, scratch: Vec::new() }
    }

    fn field(&mut self, cell: &Cell, row: usize, out: &mut Vec<u8>) {
        if cell.is_null(row) {
            out.extend_from_slice(self.options.null_literal.as_deref().unwrap_or_default());
            return;
        }
        match &cell.cells {
            Cells::Text(a) => self.quoted(a.value(row).as_bytes(), out),
            Cells::Boolean(_)
            | Cells::Int8(_)
            | Cells::Int16(_)
            | Cells::Int32(_)
            | Cells::Int64(_)
            | Cells::Float32(_)
            | Cells::Float64(_)
            | Cells::Decimal(..) => self.value(&cell.cells, row, out),
            _ => {
                let mut scratch = std::mem::take(&mut self.scratch);
                scratch.clear();
                self.value(&cell.cells, row, &mut scratch);
                self.quoted(&scratch, out);
                self.scratch = scratch;
            }
        }
    }

    /// The value without quotes.
    fn value(&self, cells: &Cells, row: usize, out: &mut Vec<u8>) {
        let mut integer = itoa::Buffer::new();
        match cells {
            Cells::Null => {}
            Cells::Boolean(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Cells::Int8(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int16(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int32(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int64(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Float32(a) => float32(a.value(row), out),
            Cells::Float64(a) => float64(a.value(row), out),
            Cells::Decimal(a, scale) => decimal(a.value(row), *scale, self.decimal_style(), out),
            Cells::Date(a) => time::write_date(i64::from(a.value(row)), out),
            Cells::Time(a) => {
                time::write_time((a.value(row) / 1000) as u32, a.value(row) as u32 % 1000 * 1_000_000, out)
            }
            Cells::Moment(a, instant) => time::write_timestamp(a.get(row), b' ', *instant, out),
            Cells::Text(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Cells::Bytes(a) => base64::encode(a.value(row), out),
            Cells::Array(list, child) => self.elements(element_range(list, row).map(|i| (&**child, i)), out),
            Cells::Row(children) => self.elements(children.iter().map(|c| (c, row)), out),
            // `check` refuses maps.
            Cells::Map(..) => {}
        }
    }

    fn elements<'a>(&self, elements: impl Iterator<Item = (&'a Cell, usize)>, out: &mut Vec<u8>) {
        for (i, (cell, row)) in elements.enumerate() {
            if i > 0 {
                out.extend_from_slice(&self.options.array_delimiter);
            }
            if cell.is_null(row) {
                out.extend_from_slice(self.options.null_literal.as_deref().unwrap_or_default());
            } else {
                self.value(&cell.cells, row, out);
            }
        }
    }

    fn decimal_style(&self) -> DecimalStyle {
        if self.options.scientific_decimals { DecimalStyle::Scientific } else { DecimalStyle::Plain }
    }

    fn quoted(&self, text: &[u8], out: &mut Vec<u8>) {
        let Some(quote) = self.options.quote else {
            out.extend_from_slice(text);
            return;
        };
        if !self.must_quote(text) {
            out.extend_from_slice(text);
            return;
        }
        out.push(quote);
        let is_doubled = |byte: &u8| *byte == quote || Some(*byte) == self.options.escape;
        if text.iter().any(is_doubled) {
            for byte in text {
                out.extend(is_doubled(byte).then_some(*byte));
                out.push(*byte);
            }
        } else {
            out.extend_from_slice(text);
        }
        out.push(quote);
    }

    fn must_quote(&self, text: &[u8]) -> bool {
        // Jackson counts UTF-16 units; a text of fewer bytes has fewer of them.
        let long = text.len() > CHECKED_CHARS_MAX
            && str::from_utf8(text).is_ok_and(|t| t.encode_utf16().count() > CHECKED_CHARS_MAX);
        // All bytes are looked at, so that many are at a time.
        let escape = self.options.escape.unwrap_or(b'\\');
        long || text.iter().fold(false, |odd, b| odd | (*b < self.safe_from) | (*b == b'\\') | (*b == escape))
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let columns = batch.rows().columns().iter().zip(&self.schema.fields);
        let cells = columns.map(|(a, f)| Cell::new(a, &f.ty)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.len() {
            for (i, cell) in cells.iter().enumerate() {
                if i > 0 {
                    out.bytes.push(self.options.field_delimiter);
                }
                self.field(cell, row, &mut out.bytes);
            }
            if self.line_ends {
                out.bytes.push(b'\n');
            }
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}
