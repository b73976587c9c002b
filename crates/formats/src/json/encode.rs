//! Batches to JSON objects, byte for byte as Flink (Jackson) writes them.

use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, TypeKind};

use super::{JsonOptions, NullKey};
use crate::cells::{Cell, Cells, element_range};
use crate::text::write::{DecimalStyle, decimal, exact_decimal, float32, float64};
use crate::text::{base64, time};
use crate::{Encoded, Encoder, EncoderSpec};

/// What is known of a type before the first row: the keys of its objects, escaped and with their colon.
struct Plan {
    keys: Vec<Vec<u8>>,
    children: Vec<Plan>,
}

impl Plan {
    fn of(ty: &LogicalType) -> Self {
        match &ty.kind {
            TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => Plan::of_fields(fields),
            TypeKind::Array(child) | TypeKind::Map(_, child) => {
                Plan { keys: Vec::new(), children: vec![Plan::of(child)] }
            }
            TypeKind::Multiset(_) => {
                Plan { keys: Vec::new(), children: vec![Plan { keys: Vec::new(), children: Vec::new() }] }
            }
            _ => Plan { keys: Vec::new(), children: Vec::new() },
        }
    }

    fn of_fields(fields: &[Field]) -> Self {
        let key = |field: &Field| {
            let mut key = Vec::new();
            write_string(field.name.as_bytes(), &mut key);
            key.push(b':');
            key
        };
        Plan { keys: fields.iter().map(key).collect(), children: fields.iter().map(|f| Plan::of(&f.ty)).collect() }
    }
}

/// Writes rows as JSON objects.
pub(crate) struct RowWriter {
    options: JsonOptions,
    fields: Vec<Field>,
    plan: Plan,
}

impl RowWriter {
    /// A writer of rows with these fields.
    pub(crate) fn new(options: JsonOptions, fields: &[Field]) -> Self {
        RowWriter { options, fields: fields.to_vec(), plan: Plan::of_fields(fields) }
    }

    /// The columns of a batch.
    ///
    /// # Errors
    /// If an array is not laid out as its type says.
    pub(crate) fn cells(&self, batch: &ChangeBatch) -> Result<Vec<Cell>> {
        batch.rows().columns().iter().zip(&self.fields).map(|(array, field)| Cell::new(array, &field.ty)).collect()
    }

    /// Appends one row.
    ///
    /// # Errors
    /// If a map has a null key and the options do not say what to do then.
    pub(crate) fn row(&self, cells: &[Cell], row: usize, out: &mut Vec<u8>) -> Result<()> {
        self.object(cells, &self.plan, row, out)
    }

    fn object(&self, cells: &[Cell], plan: &Plan, row: usize, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        let mut first = true;
        for ((cell, key), child) in cells.iter().zip(&plan.keys).zip(&plan.children) {
            let null = cell.is_null(row);
            if null && self.options.ignore_null_fields {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(key);
            self.value(cell, child, row, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn value(&self, cell: &Cell, plan: &Plan, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if cell.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match (&cell.cells, plan.children.first()) {
            (Cells::Row(children), _) => self.object(children, plan, row, out),
            (Cells::Array(list, child), Some(plan)) => {
                out.push(b'[');
                for (i, element) in element_range(list, row).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.value(child, plan, element, out)?;
                }
                out.push(b']');
                Ok(())
            }
            (Cells::Map(list, keys, values), Some(plan)) => self.map(keys, values, plan, element_range(list, row), out),
            (cells, _) => {
                self.scalar(cells, row, out);
                Ok(())
            }
        }
    }

    fn map(
        &self,
        keys: &Cell,
        values: &Cell,
        plan: &Plan,
        entries: std::ops::Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.push(b'{');
        let mut first = true;
        for entry in entries {
            let key = match (&keys.cells, keys.is_null(entry), &self.options.null_key) {
                (_, true, NullKey::Drop) => continue,
                (_, true, NullKey::Literal(literal)) => literal.as_str(),
                (Cells::Text(texts), false, _) => texts.value(entry),
                _ => return Err(null_key()),
            };
            if !first {
                out.push(b',');
            }
            first = false;
            write_string(key.as_bytes(), out);
            out.push(b':');
            self.value(values, plan, entry, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn scalar(&self, cells: &Cells, row: usize, out: &mut Vec<u8>) {
        let mut integer = itoa::Buffer::new();
        let separator = if self.options.iso_timestamps { b'T' } else { b' ' };
        match cells {
            Cells::Boolean(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Cells::Int8(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int16(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int32(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Int64(a) => out.extend_from_slice(integer.format(a.value(row)).as_bytes()),
            Cells::Float32(a) => quoted_if(!a.value(row).is_finite(), out, |out| float32(a.value(row), out)),
            Cells::Float64(a) => quoted_if(!a.value(row).is_finite(), out, |out| float64(a.value(row), out)),
            Cells::Decimal(a, scale) if self.options.plain_decimals => exact_decimal(a.value(row), *scale, out),
            Cells::Decimal(a, scale) => decimal(a.value(row), *scale, DecimalStyle::Scientific, out),
            Cells::Date(a) => quoted_if(true, out, |out| time::write_date(i64::from(a.value(row)), out)),
            Cells::Time(a) => quoted_if(true, out, |out| {
                let millis = a.value(row) as u32;
                time::write_time(millis / 1000, millis % 1000 * 1_000_000, out);
            }),
            Cells::Moment(a, instant) => {
                quoted_if(true, out, |out| time::write_timestamp(a.get(row), separator, *instant, out));
            }
            Cells::Text(a) => write_string(a.value(row).as_bytes(), out),
            Cells::Bytes(a) => quoted_if(true, out, |out| base64::encode(a.value(row), out)),
            Cells::Null | Cells::Array(..) | Cells::Map(..) | Cells::Row(..) => out.extend_from_slice(b"null"),
        }
    }
}

fn null_key() -> Error {
    Error::data("format 'json' cannot write a map with a null key")
        .with_hint("Set 'map-null-key.mode' to 'DROP' or 'LITERAL'.")
}

fn quoted_if(quoted: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if quoted {
        out.push(b'"');
    }
    write(out);
    if quoted {
        out.push(b'"');
    }
}

/// Appends a JSON string. Characters beyond 16 bits become two escapes, as Jackson writes them.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut copied = 0;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if (0x20..0xf0).contains(&byte) && byte != b'"' && byte != b'\\' {
            at += 1;
            continue;
        }
        out.extend_from_slice(&text[copied..at]);
        at += write_escape(&text[at..], out);
        copied = at;
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

/// Appends the escape of the first character, and returns how many bytes that is.
fn write_escape(text: &[u8], out: &mut Vec<u8>) -> usize {
    let short = match text[0] {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        control @ 0..0x20 => {
            write_unit(u16::from(control), out);
            return 1;
        }
        _ => {
            let character = text.get(..4).and_then(|four| str::from_utf8(four).ok()).and_then(|s| s.chars().next());
            let mut units = [0; 2];
            let units = character.unwrap_or('\u{10ffff}').encode_utf16(&mut units);
            units.iter().for_each(|unit| write_unit(*unit, out));
            return 4.min(text.len());
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

fn write_unit(unit: u16, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX[usize::from(unit >> shift & 15)]);
    }
}

/// Encodes JSON.
pub(super) struct JsonEncoder {
    writer: RowWriter,
    line_ends: bool,
}

impl JsonEncoder {
    /// An encoder of these columns.
    pub(super) fn new(options: JsonOptions, spec: &EncoderSpec) -> Self {
        JsonEncoder { writer: RowWriter::new(options, &spec.schema.fields), line_ends: spec.line_ends }
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let cells = self.writer.cells(batch)?;
        for row in 0..batch.len() {
            self.writer.row(&cells, row, &mut out.bytes)?;
            if self.line_ends {
                out.bytes.push(b'\n');
            }
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}
