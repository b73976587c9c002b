//! Columns to messages, the fields by number as Google's libraries write them.

use flott_api::{Error, Result};

use super::plan::{Enumeration, Field, Kind, Message, Scalar};
use super::wire::{BYTES, begin, end, put_bits, put_bytes, put_varint};
use crate::cells::{Cell, Cells, element_range};

/// Writes rows as messages.
pub(super) struct Writer {
    /// What stands for a null in a list or map of strings.
    pub(super) null_text: String,
}

fn misfit() -> Error {
    Error::internal("a column does not have the layout of its Protobuf message")
}

/// Refuses messages that no row could become.
///
/// # Errors
/// Names the required field that has no column.
pub(super) fn check_complete(message: &Message) -> Result<()> {
    for field in &message.fields {
        if field.required && field.column.is_none() {
            return Err(Error::invalid(format!("the required field '{}' has no column", field.name))
                .with_hint("Add the column, or make the field optional."));
        }
        if let Kind::Message(inner) | Kind::Map(inner) = &field.kind {
            check_complete(inner).map_err(|e| e.context(format!("field '{}'", field.name)))?;
        }
    }
    Ok(())
}

impl Writer {
    /// Appends a row of columns as a message.
    ///
    /// # Errors
    /// If a value cannot be written.
    pub(super) fn message(&self, message: &Message, cells: &[Cell], row: usize, out: &mut Vec<u8>) -> Result<()> {
        for field in &message.fields {
            let Some(place) = field.column else { continue };
            let cell = cells.get(place).ok_or_else(misfit)?;
            if cell.is_null(row) {
                if field.required {
                    return Err(Error::data(format!("the required field '{}' is null", field.name)));
                }
                continue;
            }
            if field.oneof.is_some() && is_driven_out(message, field, cells, row) {
                continue;
            }
            self.field(field, cell, row, out).map_err(|e| e.context(format!("field '{}'", field.name)))?;
        }
        Ok(())
    }

    fn field(&self, field: &Field, cell: &Cell, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match (&field.kind, &cell.cells) {
            (Kind::Map(entry), Cells::Map(list, keys, values)) => {
                let [key, value] = entry.fields.as_slice() else { return Err(misfit()) };
                for i in element_range(list, row) {
                    put_key(field, BYTES, out);
                    let start = begin(out);
                    put_key(key, key.wire, out);
                    self.value(&key.kind, keys, i, out)?;
                    put_key(value, value.wire, out);
                    self.value(&value.kind, values, i, out)?;
                    end(start, out);
                }
            }
            (kind, Cells::Array(list, child)) if field.repeated && field.packed => {
                let elements = element_range(list, row);
                if elements.is_empty() {
                    return Ok(());
                }
                put_key(field, BYTES, out);
                let start = begin(out);
                for i in elements {
                    self.value(kind, child, i, out)?;
                }
                end(start, out);
            }
            (kind, Cells::Array(list, child)) if field.repeated => {
                for i in element_range(list, row) {
                    put_key(field, field.wire, out);
                    self.value(kind, child, i, out)?;
                }
            }
            (kind, _) => {
                if field.presence || !is_default(kind, cell, row)? {
                    put_key(field, field.wire, out);
                    self.value(kind, cell, row, out)?;
                }
            }
        }
        Ok(())
    }

    /// A value without its key. Lists and maps cannot have nulls: they get defaults.
    fn value(&self, kind: &Kind, cell: &Cell, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let null = cell.is_null(row);
        match (kind, &cell.cells) {
            (Kind::Scalar(scalar), _) if null => put_bits(scalar.wire(), 0, out),
            (Kind::Scalar(scalar), cells) => put_bits(scalar.wire(), bits(*scalar, cells, row)?, out),
            (Kind::Enum(values), _) if null => put_varint(i64::from(values.first) as u64, out),
            (Kind::Enum(values), cells) => put_varint(i64::from(number(values, cells, row)?) as u64, out),
            (Kind::Text(_), _) if null => put_bytes(self.null_text.as_bytes(), out),
            (Kind::Text(_), Cells::Text(a)) => put_bytes(a.value(row).as_bytes(), out),
            (Kind::Bytes, _) if null => out.push(0),
            (Kind::Bytes, Cells::Bytes(a)) => put_bytes(a.value(row), out),
            (Kind::Message(message), _) if null => {
                if let Some(field) = message.fields.iter().find(|f| f.required) {
                    return Err(Error::data(format!(
                        "a null stands for a message whose field '{}' is required",
                        field.name
                    )));
                }
                out.push(0);
            }
            (Kind::Message(message), Cells::Row(children)) => {
                let start = begin(out);
                self.message(message, children, row, out)?;
                end(start, out);
            }
            _ => return Err(misfit()),
        }
        Ok(())
    }
}

#[inline]
fn put_key(field: &Field, wire: u8, out: &mut Vec<u8>) {
    put_varint(u64::from(field.number) << 3 | u64::from(wire), out);
}

/// Whether a later column of the same `oneof` has a value: the last one counts.
fn is_driven_out(message: &Message, field: &Field, cells: &[Cell], row: usize) -> bool {
    message.fields.iter().any(|other| {
        let later = other.column > field.column && other.oneof == field.oneof;
        later && other.column.is_some_and(|place| !cells[place].is_null(row))
    })
}

/// Whether a value is what a field without presence is read as where it is not there.
fn is_default(kind: &Kind, cell: &Cell, row: usize) -> Result<bool> {
    Ok(match (kind, &cell.cells) {
        (Kind::Scalar(scalar), cells) => bits(*scalar, cells, row)? == 0,
        (Kind::Enum(values), cells) => number(values, cells, row)? == 0,
        (_, Cells::Text(a)) => a.value(row).is_empty(),
        (_, Cells::Bytes(a)) => a.value(row).is_empty(),
        _ => false,
    })
}

/// A number as it lies on the wire.
#[inline]
fn bits(scalar: Scalar, cells: &Cells, row: usize) -> Result<u64> {
    Ok(match (cells, scalar) {
        (Cells::Boolean(a), _) => u64::from(a.value(row)),
        (Cells::Int32(a), Scalar::Sint32) => {
            let v = a.value(row);
            u64::from(((v << 1) ^ (v >> 31)) as u32)
        }
        (Cells::Int32(a), Scalar::Int32) => i64::from(a.value(row)) as u64,
        (Cells::Int32(a), _) => u64::from(a.value(row) as u32),
        (Cells::Int64(a), Scalar::Sint64) => {
            let v = a.value(row);
            ((v << 1) ^ (v >> 63)) as u64
        }
        (Cells::Int64(a), _) => a.value(row) as u64,
        (Cells::Float32(a), _) => u64::from(a.value(row).to_bits()),
        (Cells::Float64(a), _) => a.value(row).to_bits(),
        _ => return Err(misfit()),
    })
}

/// The number of an enum's value; one that the enum does not have is written as its first, as in Flink.
#[inline]
fn number(values: &Enumeration, cells: &Cells, row: usize) -> Result<i32> {
    let number = match cells {
        Cells::Text(a) => return Ok(values.number(a.value(row)).unwrap_or(values.first)),
        Cells::Int32(a) => a.value(row),
        // As Java narrows it.
        Cells::Int64(a) => a.value(row) as i32,
        _ => return Err(misfit()),
    };
    Ok(if values.name(number).is_some() { number } else { values.first })
}
