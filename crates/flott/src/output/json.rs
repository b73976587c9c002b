//! A JSON object a line; `op` comes first.
//!
//! Numbers, booleans, arrays, rows (objects) and maps (objects by the key's text) are JSON's own; bytes are base64, as in
//! Flink's format `json`; what JSON has no word for (times, intervals, `NaN`) is its SQL text.

use std::fmt::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use flott_api::{ChangeBatch, Field, LogicalType, Result, Schema, TypeKind};
use flott_functions::{TextStyle, format_value};
use flott_sql::session::TextTable;

use super::{Ending, RowsWriter, View};

/// Writes changes as JSON.
pub(super) struct Json {
    schema: Schema,
    /// The columns' names with quotes, comma and colon.
    keys: Vec<String>,
    zone: String,
}

impl Json {
    pub(super) fn new(view: &View, schema: &Schema) -> Self {
        let key = |field: &Field| {
            let mut key = ",".to_owned();
            put_text(&field.name, &mut key);
            key.push(':');
            key
        };
        Json { schema: schema.clone(), keys: schema.fields.iter().map(key).collect(), zone: view.zone.clone() }
    }
}

impl RowsWriter for Json {
    fn rows(&mut self, batch: &ChangeBatch, out: &mut String) -> Result<()> {
        for row in 0..batch.len() {
            out.push_str("{\"op\":\"");
            out.push_str(batch.kind(row).short());
            out.push('"');
            for (column, key) in self.keys.iter().enumerate() {
                out.push_str(key);
                put_value(batch.rows().column(column), row, &self.schema.fields[column].ty, &self.zone, out)?;
            }
            out.push_str("}\n");
        }
        Ok(())
    }

    fn end(&mut self, _: Ending, _: &mut String) {}
}

fn put_value(array: &dyn Array, row: usize, ty: &LogicalType, zone: &str, out: &mut String) -> Result<()> {
    if ty.kind == TypeKind::Null || array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match &ty.kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => put_text(array.as_string::<i32>().value(row), out),
        TypeKind::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        kind if kind.is_exact() => format_value(array, row, ty, zone, TextStyle::Cell, out)?,
        TypeKind::Float | TypeKind::Double => put_approximate(array, row, ty, out)?,
        TypeKind::Array(element) => {
            let values = array.as_list::<i32>().value(row);
            put_list(values.as_ref(), element, zone, out)?;
        }
        TypeKind::Map(key, value) => put_map(array, row, (key, value), zone, out)?,
        TypeKind::Multiset(element) => {
            put_map(array, row, (element, &LogicalType::not_null(TypeKind::Int)), zone, out)?;
        }
        TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => put_row(array, row, fields, zone, out)?,
        kind => match array.as_binary_opt::<i32>() {
            Some(bytes) if kind.is_binary() || matches!(kind, TypeKind::Raw { .. }) => {
                put_base64(bytes.value(row), out)
            }
            _ => put_as_text(array, row, ty, zone, out)?,
        },
    }
    Ok(())
}

/// JSON has no `NaN` and no infinity: these are text.
fn put_approximate(array: &dyn Array, row: usize, ty: &LogicalType, out: &mut String) -> Result<()> {
    let begin = out.len();
    format_value(array, row, ty, "UTC", TextStyle::Cell, out)?;
    if out[begin..].ends_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    out.insert(begin, '"');
    out.push('"');
    Ok(())
}

fn put_list(values: &dyn Array, element: &LogicalType, zone: &str, out: &mut String) -> Result<()> {
    out.push('[');
    for i in 0..values.len() {
        if i > 0 {
            out.push(',');
        }
        put_value(values, i, element, zone, out)?;
    }
    out.push(']');
    Ok(())
}

fn put_map(
    array: &dyn Array,
    row: usize,
    (key, value): (&LogicalType, &LogicalType),
    zone: &str,
    out: &mut String,
) -> Result<()> {
    let entries = array.as_list::<i32>().value(row);
    let entries = entries.as_struct();
    out.push('{');
    for i in 0..entries.len() {
        if i > 0 {
            out.push(',');
        }
        put_as_text(entries.column(0).as_ref(), i, key, zone, out)?;
        out.push(':');
        put_value(entries.column(1).as_ref(), i, value, zone, out)?;
    }
    out.push('}');
    Ok(())
}

fn put_row(array: &dyn Array, row: usize, fields: &[Field], zone: &str, out: &mut String) -> Result<()> {
    out.push('{');
    for (i, (column, field)) in array.as_struct().columns().iter().zip(fields).enumerate() {
        if i > 0 {
            out.push(',');
        }
        put_text(&field.name, out);
        out.push(':');
        put_value(column.as_ref(), row, &field.ty, zone, out)?;
    }
    out.push('}');
    Ok(())
}

fn put_as_text(array: &dyn Array, row: usize, ty: &LogicalType, zone: &str, out: &mut String) -> Result<()> {
    let mut text = String::new();
    format_value(array, row, ty, zone, TextStyle::Cell, &mut text)?;
    put_text(&text, out);
    Ok(())
}

/// A JSON string.
fn put_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (i, c) in text.char_indices() {
        if c >= ' ' && c != '"' && c != '\\' {
            continue;
        }
        out.push_str(&text[plain..i]);
        plain = i + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a string cannot fail.
            c => _ = write!(out, "\\u{:04x}", c as u32),
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

fn put_base64(bytes: &[u8], out: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            out.push(if digit <= group.len() { ALPHABET[index as usize] as char } else { '=' });
        }
    }
    out.push('"');
}

pub(super) fn text_table(table: &TextTable) -> String {
    let mut out = String::new();
    for row in &table.rows {
        out.push('{');
        for (column, (cell, field)) in row.iter().zip(&table.schema.fields).enumerate() {
            if column > 0 {
                out.push(',');
            }
            put_text(&field.name, &mut out);
            out.push(':');
            match cell {
                Some(cell) => put_text(cell, &mut out),
                None => out.push_str("null"),
            }
        }
        out.push_str("}\n");
    }
    out
}
