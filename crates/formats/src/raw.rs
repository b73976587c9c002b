//! `'format' = 'raw'`: a table of one column whose bytes are the record. In a file every line is a record.
//!
//! Text in UTF-8 (bytes that are none become U+FFFD), US-ASCII or ISO-8859-1; numbers as Java's bytes of fixed length.

use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::table::ChangelogMode;
use flott_api::{ChangeBatch, Error, Field, Result, RowKind, Schema, TypeKind};

use crate::cells::{Cell, Cells};
use crate::column::{Columns, Values};
use crate::records::{self, Records};
use crate::{
    DecodeError, Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec, Format, Layout, dead_letters, type_refused,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
}

#[derive(Clone, Copy)]
struct Raw {
    charset: Charset,
    little_endian: bool,
}

struct RawFormat {
    raw: Raw,
    dead_letters: Option<String>,
}

/// Its options.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::choice("charset", &["UTF-8", "US-ASCII", "ISO-8859-1"], "How texts are bytes.").or("UTF-8"),
    ConfigOption::choice("endianness", &["big-endian", "little-endian"], "How numbers are bytes.").or("big-endian"),
];

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let charsets = [
        ("UTF-8", Charset::Utf8),
        ("UTF8", Charset::Utf8),
        ("US-ASCII", Charset::Ascii),
        ("ASCII", Charset::Ascii),
        ("ISO-8859-1", Charset::Latin1),
        ("latin1", Charset::Latin1),
    ];
    let orders = [("big-endian", false), ("little-endian", true)];
    let raw = Raw {
        charset: options.choice(&format!("{prefix}charset"), &charsets, Charset::Utf8)?,
        little_endian: options.choice(&format!("{prefix}endianness"), &orders, false)?,
    };
    Ok(Box::new(RawFormat { raw, dead_letters: dead_letters::table(options, prefix, false)? }))
}

impl Format for RawFormat {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        let [field] = schema.fields.as_slice() else {
            let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
            return Err(Error::invalid("format 'raw' holds a single column").with_detail(format!(
                "The table has {}: {}.",
                names.len(),
                names.join(", ")
            )));
        };
        let kind = &field.ty.kind;
        let number = kind.is_integer() || kind.is_approximate();
        let good = kind.is_character() || kind.is_binary() || number || *kind == TypeKind::Boolean;
        if good { Ok(()) } else { Err(type_refused("raw", &field.name, &field.ty)) }
    }

    fn dead_letter_table(&self) -> Option<&str> {
        self.dead_letters.as_deref()
    }

    fn layout(&self) -> Layout<'_> {
        Layout::Records { splittable: true }
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        self.check(&spec.schema)?;
        let columns = Columns::of(spec);
        Ok(Box::new(RawDecoder { raw: self.raw, field: spec.schema.fields[0].clone(), columns }))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(RawEncoder { raw: self.raw, field: spec.schema.fields[0].clone(), line_ends: spec.line_ends }))
    }
}

impl Raw {
    fn number<const N: usize>(self, bytes: &[u8]) -> Option<[u8; N]> {
        let mut number: [u8; N] = bytes.try_into().ok()?;
        if self.little_endian {
            number.reverse();
        }
        Some(number)
    }

    fn write_number<const N: usize>(self, mut big_endian: [u8; N], out: &mut Vec<u8>) {
        if self.little_endian {
            big_endian.reverse();
        }
        out.extend_from_slice(&big_endian);
    }
}

struct RawDecoder {
    raw: Raw,
    field: Field,
    /// The one column, or none if only rows are counted.
    columns: Columns,
}

impl Records for RawDecoder {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>) {
        (&mut self.columns, None)
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), String> {
        let raw = self.raw;
        for column in &mut self.columns.columns {
            let good = match &mut column.values {
                Values::Bytes { utf8: false, .. } => {
                    column.push_bytes(bytes);
                    continue;
                }
                Values::Bytes { .. } => {
                    let text = match raw.charset {
                        Charset::Utf8 => String::from_utf8_lossy(bytes),
                        Charset::Ascii => {
                            bytes.iter().map(|b| if b.is_ascii() { *b as char } else { '\u{fffd}' }).collect()
                        }
                        Charset::Latin1 => bytes.iter().map(|b| *b as char).collect(),
                    };
                    column.push_bytes(text.as_bytes());
                    continue;
                }
                Values::Boolean(v) => raw.number::<1>(bytes).map(|b| v.push(b[0] != 0)),
                Values::Int8(v) => raw.number(bytes).map(|b| v.push(i8::from_be_bytes(b))),
                Values::Int16(v) => raw.number(bytes).map(|b| v.push(i16::from_be_bytes(b))),
                Values::Int32(v) => raw.number(bytes).map(|b| v.push(i32::from_be_bytes(b))),
                Values::Int64(v) => raw.number(bytes).map(|b| v.push(i64::from_be_bytes(b))),
                Values::Float32(v) => raw.number(bytes).map(|b| v.push(f32::from_be_bytes(b))),
                Values::Float64(v) => raw.number(bytes).map(|b| v.push(f64::from_be_bytes(b))),
                _ => None,
            };
            if good.is_none() {
                let ty = self.field.ty.clone().with_nullable(true);
                return Err(format!("column 1 ({}): {} bytes are no {ty}", self.field.name, bytes.len()));
            }
            column.pushed();
        }
        self.columns.added(1);
        Ok(())
    }
}

impl Decoder for RawDecoder {
    fn decode(&mut self, window: &[u8], end: bool) -> Result<usize, DecodeError> {
        records::lines(self, window, end)
    }

    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
        records::messages(self, messages, rows)
    }

    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn take(&mut self) -> Result<ChangeBatch> {
        Ok(ChangeBatch::inserts(self.columns.take()?))
    }

    fn take_skipped(&mut self) -> u64 {
        self.columns.take_dead_letters()
    }
}

struct RawEncoder {
    raw: Raw,
    field: Field,
    line_ends: bool,
}

impl RawEncoder {
    fn write(&self, cells: &Cells, row: usize, out: &mut Vec<u8>) {
        match cells {
            Cells::Text(a) => match self.raw.charset {
                Charset::Utf8 => out.extend_from_slice(a.value(row).as_bytes()),
                Charset::Ascii => out.extend(a.value(row).chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' })),
                Charset::Latin1 => out.extend(a.value(row).chars().map(|c| u8::try_from(c).unwrap_or(b'?'))),
            },
            Cells::Bytes(a) => out.extend_from_slice(a.value(row)),
            Cells::Boolean(a) => out.push(u8::from(a.value(row))),
            Cells::Int8(a) => self.raw.write_number(a.value(row).to_be_bytes(), out),
            Cells::Int16(a) => self.raw.write_number(a.value(row).to_be_bytes(), out),
            Cells::Int32(a) => self.raw.write_number(a.value(row).to_be_bytes(), out),
            Cells::Int64(a) => self.raw.write_number(a.value(row).to_be_bytes(), out),
            Cells::Float32(a) => self.raw.write_number(a.value(row).to_be_bytes(), out),
            Cells::Float64(a) => self.raw.write_number(a.value(row).to_be_bytes(), out),
            // `check` refuses all others.
            _ => {}
        }
    }
}

impl Encoder for RawEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let cell = Cell::new(batch.rows().column(0), &self.field.ty)?;
        for row in 0..batch.len() {
            if cell.is_null(row) {
                return Err(Error::data(format!("format 'raw' cannot write NULL (column '{}')", self.field.name)));
            }
            self.write(&cell.cells, row, &mut out.bytes);
            if self.line_ends {
                out.bytes.push(b'\n');
            }
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}
