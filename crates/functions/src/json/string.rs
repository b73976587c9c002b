//! `JSON_STRING`: a value as the text of a JSON value. The planner also puts it around what `JSON_OBJECTAGG` and
//! `JSON_ARRAYAGG` collect.
//!
//! Numbers are written as Java's `BigDecimal` writes them, timestamps as ISO 8601, bytes as base64, rows and maps as
//! objects, variants as they are. A null is SQL's null at the top and JSON's below. Dates, times and intervals are refused, as in Flink.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray,
};
use arrow_buffer::NullBuffer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flott_api::variant::java_order;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use crate::format::number::{write_double, write_java_decimal};
use crate::format::time::write_iso_timestamp;
use crate::format::{boolean, put, put_fmt};
use crate::registry::{Binding, Inference, Kernel, Signature};
use crate::time::moments::Moments;

const NULL: &str = "null";

pub(super) fn infer_json_string(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    check(&call.args[0].kind).map_err(|why| call.mismatch_because(why))?;
    Ok(call.unchanged(LogicalType::string().with_nullable(call.nullable())))
}

/// Refuses what has no JSON.
pub(super) fn check(kind: &TypeKind) -> std::result::Result<(), String> {
    match kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Binary(_) | TypeKind::Varbinary(_) => Ok(()),
        TypeKind::Boolean | TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) | TypeKind::Null | TypeKind::Variant => {
            Ok(())
        }
        kind if kind.is_numeric() => Ok(()),
        TypeKind::Array(element) => check(&element.kind),
        TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => {
            fields.iter().try_for_each(|f| check(&f.ty.kind))
        }
        TypeKind::Map(key, value) => key_check(key).and_then(|()| check(&value.kind)),
        TypeKind::Multiset(element) => key_check(element),
        other => Err(format!("A value of type {other} cannot be converted into JSON.")),
    }
}

fn key_check(key: &LogicalType) -> std::result::Result<(), String> {
    match key.kind.is_character() {
        true => Ok(()),
        false => Err(format!("The keys of a JSON object are texts, and these are of type {}.", key.kind)),
    }
}

pub(super) fn bind_json_string(binding: &Binding<'_>) -> Result<Kernel> {
    let ty = binding.args.first().cloned().ok_or_else(|| Error::internal("JSON_STRING got no argument"))?;
    Ok(Box::new(move |args| {
        let operand = args.operand(0)?;
        let column = Column::of(&operand.array, &ty.kind)?;
        let (stride, mut builder, mut text) = (operand.stride(), StringBuilder::new(), String::new());
        for row in 0..args.rows {
            if column.is_null(row * stride) {
                builder.append_null();
                continue;
            }
            text.clear();
            column.write(row * stride, &mut text)?;
            builder.append_value(&text);
        }
        Ok(Arc::new(builder.finish()))
    }))
}

/// A column with its type known, so that a value is written without asking for it.
pub(super) struct Column {
    nulls: Option<NullBuffer>,
    values: Values,
}

enum Values {
    Null,
    Text(StringArray),
    Boolean(BooleanArray),
    Integer(Int64Array),
    Double(Float64Array),
    Decimal(Decimal128Array, u32),
    Timestamp(Moments, bool),
    Bytes(BinaryArray),
    Variant(BinaryArray),
    Array(ListArray, Box<Column>),
    Map(ListArray, StringArray, Box<Column>),
    /// The fields with their names, quoted.
    Row(Vec<(String, Column)>),
}

impl Column {
    pub(super) fn of(array: &ArrayRef, kind: &TypeKind) -> Result<Self> {
        let values = match kind {
            TypeKind::Null => Values::Null,
            TypeKind::Char(_) | TypeKind::Varchar(_) => Values::Text(array.as_string().clone()),
            TypeKind::Boolean => Values::Boolean(array.as_boolean().clone()),
            TypeKind::TinyInt => Values::Integer(array.as_primitive::<Int8Type>().unary(i64::from)),
            TypeKind::SmallInt => Values::Integer(array.as_primitive::<Int16Type>().unary(i64::from)),
            TypeKind::Int => Values::Integer(array.as_primitive::<Int32Type>().unary(i64::from)),
            TypeKind::BigInt => Values::Integer(array.as_primitive::<Int64Type>().clone()),
            TypeKind::Float => Values::Double(array.as_primitive::<Float32Type>().unary(f64::from)),
            TypeKind::Double => Values::Double(array.as_primitive::<Float64Type>().clone()),
            TypeKind::Decimal { scale, .. } => Values::Decimal(array.as_primitive().clone(), u32::from(*scale)),
            TypeKind::Timestamp(_) => Values::Timestamp(Moments::read(array)?, false),
            TypeKind::TimestampLtz(_) => Values::Timestamp(Moments::read(array)?, true),
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => Values::Bytes(array.as_binary().clone()),
            TypeKind::Variant => Values::Variant(array.as_binary().clone()),
            TypeKind::Array(element) => {
                let list: &ListArray = array.as_list();
                Values::Array(list.clone(), Box::new(Column::of(list.values(), &element.kind)?))
            }
            TypeKind::Map(_, value) => map(array, &value.kind)?,
            TypeKind::Multiset(_) => map(array, &TypeKind::Int)?,
            TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => row(array, fields)?,
            other => return Err(Error::internal(format!("a value of type {other} was to become JSON"))),
        };
        Ok(Column { nulls: array.nulls().cloned(), values })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.as_ref().is_some_and(|n| n.is_null(row))
    }

    /// The text of a row, if it is one.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match &self.values {
            Values::Text(texts) if !self.is_null(row) => Some(texts.value(row)),
            _ => None,
        }
    }

    pub(super) fn write(&self, row: usize, out: &mut String) -> Result<()> {
        if self.is_null(row) {
            put(out, NULL);
            return Ok(());
        }
        match &self.values {
            Values::Null => put(out, NULL),
            Values::Text(a) => write_text(a.value(row), out),
            Values::Boolean(a) => put(out, boolean(a.value(row), true)),
            Values::Integer(a) => put(out, itoa::Buffer::new().format(a.value(row))),
            Values::Double(a) => write_number(a.value(row), out),
            Values::Decimal(a, scale) => write_java_decimal(a.value(row), *scale, out),
            Values::Timestamp(moments, instant) => {
                put(out, "\"");
                write_iso_timestamp(moments.millis[row], moments.nanos(row), *instant, out);
                put(out, "\"");
            }
            Values::Bytes(a) => put_fmt(out, format_args!("\"{}\"", STANDARD.encode(a.value(row)))),
            Values::Variant(a) => return crate::variant::write_text(a.value(row), out),
            Values::Array(lists, elements) => return write_array(lists, elements, row, out),
            Values::Map(maps, keys, values) => return write_map(maps, (keys, values), row, out),
            Values::Row(fields) => return write_row(fields, row, out),
        }
        Ok(())
    }
}

fn map(array: &ArrayRef, value: &TypeKind) -> Result<Values> {
    let maps: &ListArray = array.as_list();
    let entries = maps.values().as_struct();
    let values = Box::new(Column::of(entries.column(1), value)?);
    Ok(Values::Map(maps.clone(), entries.column(0).as_string().clone(), values))
}

fn row(array: &ArrayRef, fields: &[Field]) -> Result<Values> {
    let field = |(column, field): (&ArrayRef, &Field)| {
        let mut name = String::new();
        write_text(&field.name, &mut name);
        Ok((name, Column::of(column, &field.ty.kind)?))
    };
    let mut columns: Vec<(String, Column)> =
        array.as_struct().columns().iter().zip(fields).map(field).collect::<Result<_>>()?;
    columns.sort_by(|a, b| java_order(&a.0, &b.0));
    Ok(Values::Row(columns))
}

fn range(lists: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = lists.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn write_array(lists: &ListArray, elements: &Column, row: usize, out: &mut String) -> Result<()> {
    put(out, "[");
    for (i, element) in range(lists, row).enumerate() {
        put(out, if i > 0 { "," } else { "" });
        elements.write(element, out)?;
    }
    put(out, "]");
    Ok(())
}

fn write_map(maps: &ListArray, (keys, values): (&StringArray, &Column), row: usize, out: &mut String) -> Result<()> {
    let entries = range(maps, row);
    if entries.clone().any(|entry| keys.is_null(entry)) {
        return Err(Error::data("a key of a map is null, which a JSON object cannot have"));
    }
    let mut order: Vec<usize> = entries.collect();
    if !order.is_sorted_by(|a, b| java_order(keys.value(*a), keys.value(*b)).is_le()) {
        order.sort_by(|a, b| java_order(keys.value(*a), keys.value(*b)));
    }
    put(out, "{");
    for (i, entry) in order.into_iter().enumerate() {
        put(out, if i > 0 { "," } else { "" });
        write_text(keys.value(entry), out);
        put(out, ":");
        values.write(entry, out)?;
    }
    put(out, "}");
    Ok(())
}

fn write_row(fields: &[(String, Column)], row: usize, out: &mut String) -> Result<()> {
    put(out, "{");
    for (i, (name, column)) in fields.iter().enumerate() {
        put_fmt(out, format_args!("{}{name}:", if i > 0 { "," } else { "" }));
        column.write(row, out)?;
    }
    put(out, "}");
    Ok(())
}

/// See [`write_text`].
pub fn write_json_text(text: &str, out: &mut String) {
    write_text(text, out);
}

/// Writes a JSON string, with the escapes that it must have.
pub(crate) fn write_text(text: &str, out: &mut dyn Write) {
    put(out, "\"");
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\')) {
        put(out, &rest[..at]);
        // What was found is one byte long.
        match rest.as_bytes()[at] {
            b'"' => put(out, "\\\""),
            b'\\' => put(out, "\\\\"),
            b'\n' => put(out, "\\n"),
            b'\r' => put(out, "\\r"),
            b'\t' => put(out, "\\t"),
            0x08 => put(out, "\\b"),
            0x0c => put(out, "\\f"),
            control => put_fmt(out, format_args!("\\u{control:04X}")),
        }
        rest = &rest[at + 1..];
    }
    put(out, rest);
    put(out, "\"");
}

/// `BigDecimal.valueOf(..).toString()`: the digits of the shortest text, with an exponent only where the number is
/// large, or below a millionth. What is no number is a text.
fn write_number(value: f64, out: &mut String) {
    let mut text = String::new();
    write_double(value, &mut text);
    if !value.is_finite() {
        return put_fmt(out, format_args!("\"{text}\""));
    }
    let unsigned = text.trim_start_matches('-');
    let (mantissa, exponent) = unsigned.split_once('E').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = match all.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let scale = fraction.len() as i64 - exponent.parse::<i64>().unwrap_or(0);
    put(out, if value < 0.0 { "-" } else { "" });
    write_scaled(digits, scale, out);
}

/// `digits * 10^-scale`
pub(super) fn write_scaled(digits: &str, scale: i64, out: &mut String) {
    let exponent = digits.len() as i64 - 1 - scale;
    if scale < 0 || exponent < -6 {
        put(out, &digits[..1]);
        if digits.len() > 1 {
            put_fmt(out, format_args!(".{}", &digits[1..]));
        }
        return put_fmt(out, format_args!("E{exponent:+}"));
    }
    match digits.len().checked_sub(scale as usize) {
        _ if scale == 0 => put(out, digits),
        Some(whole) if whole > 0 => put_fmt(out, format_args!("{}.{}", &digits[..whole], &digits[whole..])),
        _ => put_fmt(out, format_args!("0.{digits:0>width$}", width = scale as usize)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> String {
        let mut out = String::new();
        write_number(value, &mut out);
        out
    }

    #[test]
    fn numbers_are_those_recorded_from_flink() {
        for (value, text) in [
            (2.5, "2.5"),
            (10.0, "10.0"),
            (1e-4, "0.00010"),
            (1.5e-6, "0.0000015"),
            (1.5e-7, "1.5E-7"),
            (1e7, "1.0E+7"),
            (123_456_789.0, "123456789"),
            (-0.0, "0.0"),
            (-2.5e10, "-2.5E+10"),
            (f64::from(1e-5_f32), "0.000009999999747378752"),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NAN, "\"NaN\""),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn texts_are_quoted() {
        let mut out = String::new();
        write_text("q\"\\/\t\n\u{1f}é\u{2028}", &mut out);
        assert_eq!(out, "\"q\\\"\\\\/\\t\\n\\u001Fé\u{2028}\"");
    }
}
