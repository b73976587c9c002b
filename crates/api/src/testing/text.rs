//! Rows from text and back: `+I | 1 | a`. Dates, times and timestamps are written as the number that
//! lies in the column; `NULL` is null, `''` an empty string and `{1,2}` a bitmap.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Decimal128Builder, Int32Builder, Int64Builder, PrimitiveBuilder,
    StringBuilder, StructBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, TimeUnit};

use crate::bitmap::Bitmap;
use crate::types::arrow::nano_fields;
use crate::{ChangeBatch, RowKind, RowKinds, Schema};

/// One change as text: its kind and its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The row kind.
    pub kind: RowKind,
    /// The cells, trimmed.
    pub cells: Vec<String>,
}

impl Line {
    /// Reads `+I | 1 | a`.
    ///
    /// # Panics
    /// If the kind is none.
    pub fn parse(line: &str) -> Self {
        let mut cells = line.split('|').map(|c| c.trim().to_owned());
        let kind = match cells.next().as_deref() {
            Some("+I") => RowKind::Insert,
            Some("-U") => RowKind::UpdateBefore,
            Some("+U") => RowKind::UpdateAfter,
            Some("-D") => RowKind::Delete,
            other => panic!("{other:?} is no row kind in '{line}'"),
        };
        Line { kind, cells: cells.collect() }
    }
}

/// A batch from a table of text, a change a line; empty lines are left out.
///
/// # Panics
/// If a line does not fit the schema.
pub fn batch(schema: &Schema, table: &str) -> ChangeBatch {
    let lines: Vec<Line> = table.lines().map(str::trim).filter(|l| !l.is_empty()).map(Line::parse).collect();
    batch_of(schema, &lines)
}

/// A batch of lines.
///
/// # Panics
/// If a line does not fit the schema.
pub fn batch_of(schema: &Schema, lines: &[Line]) -> ChangeBatch {
    for line in lines {
        assert_eq!(line.cells.len(), schema.len(), "cells of {line:?}");
    }
    let column = |i: usize| {
        let cells: Vec<Option<&str>> =
            lines.iter().map(|l| Some(l.cells[i].as_str()).filter(|c| *c != "NULL")).collect();
        array(&schema.fields[i].ty.arrow(), &cells)
    };
    let columns = (0..schema.len()).map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
    let rows = RecordBatch::try_new_with_options(schema.arrow(), columns, &options).expect("cells fit the schema");
    let kinds = RowKinds::new(lines.iter().map(|l| l.kind).collect());
    ChangeBatch::new(rows, Some(kinds)).expect("a kind a row")
}

/// The changes of a batch as text.
pub fn lines(batch: &ChangeBatch) -> Vec<String> {
    let row = |r: usize| {
        let cells = batch.rows().columns().iter().map(|c| cell(c.as_ref(), r));
        std::iter::once(batch.kind(r).short().to_owned()).chain(cells).collect::<Vec<_>>().join(" | ")
    };
    (0..batch.len()).map(row).collect()
}

fn number<T: std::str::FromStr>(cell: &str) -> T {
    cell.parse().unwrap_or_else(|_| panic!("'{cell}' is no number of the column's type"))
}

fn primitive<T: ArrowPrimitiveType>(ty: &DataType, cells: &[Option<&str>]) -> ArrayRef
where
    T::Native: std::str::FromStr,
{
    let mut builder = PrimitiveBuilder::<T>::new().with_data_type(ty.clone());
    builder.extend(cells.iter().map(|c| c.map(number::<T::Native>)));
    Arc::new(builder.finish())
}

fn array(ty: &DataType, cells: &[Option<&str>]) -> ArrayRef {
    match ty {
        DataType::Boolean => finish(BooleanBuilder::new(), cells, |b, c| b.append_option(c.map(|c| c == "true"))),
        DataType::Int8 => primitive::<Int8Type>(ty, cells),
        DataType::Int16 => primitive::<Int16Type>(ty, cells),
        DataType::Int32 => primitive::<Int32Type>(ty, cells),
        DataType::Int64 => primitive::<Int64Type>(ty, cells),
        DataType::Float32 => primitive::<Float32Type>(ty, cells),
        DataType::Float64 => primitive::<Float64Type>(ty, cells),
        DataType::Date32 => primitive::<Date32Type>(ty, cells),
        DataType::Time32(_) => primitive::<Time32MillisecondType>(ty, cells),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive::<TimestampMillisecondType>(ty, cells),
        DataType::Timestamp(_, _) => primitive::<TimestampMicrosecondType>(ty, cells),
        DataType::Decimal128(_, scale) => {
            let builder = Decimal128Builder::new().with_data_type(ty.clone());
            finish(builder, cells, |b, c| b.append_option(c.map(|c| unscaled(c, *scale as usize))))
        }
        DataType::Utf8 => finish(StringBuilder::new(), cells, |b, c| b.append_option(c.map(unquoted))),
        DataType::Binary => finish(BinaryBuilder::new(), cells, |b, c| b.append_option(c.map(bytes))),
        DataType::Struct(fields) if *fields == nano_fields() => nanos(cells),
        DataType::Null => arrow_array::new_null_array(&DataType::Null, cells.len()),
        other => panic!("text cannot be made a column of type {other}"),
    }
}

fn finish<B: ArrayBuilder>(mut builder: B, cells: &[Option<&str>], append: impl Fn(&mut B, Option<&str>)) -> ArrayRef {
    for cell in cells {
        append(&mut builder, *cell);
    }
    builder.finish()
}

/// Timestamps of precision 7 to 9 are written as `millis.nanos`.
fn nanos(cells: &[Option<&str>]) -> ArrayRef {
    let mut builder = StructBuilder::from_fields(nano_fields(), cells.len());
    for cell in cells {
        let (millis, nanos) = cell.unwrap_or("0").split_once('.').unwrap_or((cell.unwrap_or("0"), "0"));
        builder.field_builder::<Int64Builder>(0).expect("millis").append_value(number(millis));
        builder.field_builder::<Int32Builder>(1).expect("nanos").append_value(number(nanos));
        builder.append(cell.is_some());
    }
    Arc::new(builder.finish())
}

fn unquoted(cell: &str) -> &str {
    if cell == "''" { "" } else { cell }
}

/// The bytes of a text, or those of a bitmap `{1,2}`.
fn bytes(cell: &str) -> Vec<u8> {
    let Some(values) = cell.strip_prefix('{').and_then(|cell| cell.strip_suffix('}')) else {
        return unquoted(cell).as_bytes().to_vec();
    };
    let mut bytes = Vec::new();
    let values = values.split(',').filter(|value| !value.is_empty());
    values.map(|value| number::<u32>(value) as i32).collect::<Bitmap>().write(&mut bytes);
    bytes
}

fn shown_bytes(bytes: &[u8]) -> String {
    match Bitmap::read(bytes) {
        Ok(bitmap) => bitmap.to_string(),
        Err(_) => quoted(&String::from_utf8_lossy(bytes)),
    }
}

fn unscaled(cell: &str, scale: usize) -> i128 {
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    number(&format!("{whole}{fraction:0<scale$}"))
}

fn cell(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int8 => shown::<Int8Type>(column, row),
        DataType::Int16 => shown::<Int16Type>(column, row),
        DataType::Int32 => shown::<Int32Type>(column, row),
        DataType::Int64 => shown::<Int64Type>(column, row),
        DataType::Float32 => shown::<Float32Type>(column, row),
        DataType::Float64 => shown::<Float64Type>(column, row),
        DataType::Date32 => shown::<Date32Type>(column, row),
        DataType::Time32(_) => shown::<Time32MillisecondType>(column, row),
        DataType::Timestamp(TimeUnit::Millisecond, _) => shown::<TimestampMillisecondType>(column, row),
        DataType::Timestamp(_, _) => shown::<TimestampMicrosecondType>(column, row),
        DataType::Decimal128(_, _) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Utf8 => quoted(column.as_string::<i32>().value(row)),
        DataType::Binary => shown_bytes(column.as_binary::<i32>().value(row)),
        DataType::Struct(fields) => {
            let cells: Vec<String> = column.as_struct().columns().iter().map(|c| cell(c.as_ref(), row)).collect();
            if *fields == nano_fields() { cells.join(".") } else { format!("({})", cells.join(", ")) }
        }
        DataType::List(_) => {
            let values = column.as_list::<i32>().value(row);
            let cells: Vec<String> = (0..values.len()).map(|r| cell(values.as_ref(), r)).collect();
            format!("[{}]", cells.join(", "))
        }
        other => panic!("a column of type {other} cannot be shown"),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "''".to_owned() } else { text.to_owned() }
}

fn shown<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> String
where
    T::Native: std::fmt::Display,
{
    column.as_primitive::<T>().value(row).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, LogicalType, TypeKind};

    #[test]
    fn text_survives_the_round_trip() {
        let kinds = [
            TypeKind::BigInt,
            TypeKind::Varchar(9),
            TypeKind::Decimal { precision: 5, scale: 2 },
            TypeKind::Boolean,
            TypeKind::Timestamp(3),
            TypeKind::TimestampLtz(9),
            TypeKind::Double,
            TypeKind::Bitmap,
        ];
        let schema = Schema::new(kinds.map(|k| Field::new("c", LogicalType::new(k))).to_vec());
        let text = "+I | 1 | a | 1.50 | true | 7 | 5.3 | 0.5 | {1,4294967295}\n\
            -U | NULL | '' | -0.05 | false | NULL | NULL | NULL | {}";
        assert_eq!(lines(&batch(&schema, text)).join("\n"), text);
    }
}
