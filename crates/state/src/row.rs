//! Rows as bytes: an encoding for values of every type, of our own and versioned, because it is persisted.
//!
//! It keeps every bit and has no order; for keys there is [`key`](mod@crate::key). Each value begins with
//! `00` for null or `01`; then, in version 1:
//!
//! | Arrow type | bytes |
//! |---|---|
//! | `Boolean` | one |
//! | numbers, dates, times, timestamps, decimals | as they lie in Arrow, little-endian, at their width |
//! | `Utf8`, `Binary` | length (7 bits a byte, the low ones first), bytes |
//! | `List` | number of elements, the same way, and the elements |
//! | `Struct` | the fields |
//! | `Null` | nothing |
//!
//! A row is its columns, one after the other.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, NullArray, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringArray, StructArray,
};
use arrow_buffer::{Buffer, MutableBuffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields, SchemaRef, TimeUnit};
use flott_api::{Error, Result};

use crate::codec::{damaged, put_bytes, put_short, take, take_array, take_bytes, take_short};

/// Rises when the encoding changes.
pub const VERSION: u16 = 1;

const NULL: u8 = 0;
const PRESENT: u8 = 1;

/// Whether rows with a column of this type can be written down.
///
/// # Errors
/// If they cannot.
pub fn check_type(ty: &DataType) -> Result<()> {
    Builder::new(ty).map(|_| ())
}

fn no_encoding(ty: &DataType) -> Error {
    Error::internal(format!("values of type {ty} have no encoding as state"))
}

/// How many bytes a value takes; nothing if that differs.
fn width(ty: &DataType) -> Option<usize> {
    match ty {
        DataType::Int8 => Some(1),
        DataType::Int16 => Some(2),
        DataType::Int32 | DataType::Float32 | DataType::Date32 | DataType::Time32(TimeUnit::Millisecond) => Some(4),
        DataType::Int64 | DataType::Float64 | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _) => {
            Some(8)
        }
        DataType::Decimal128(_, _) => Some(16),
        _ => None,
    }
}

/// The columns of a batch, ready to be written row by row.
pub struct RowEncoder {
    columns: Vec<Column>,
}

impl RowEncoder {
    /// An encoder of these rows.
    ///
    /// # Errors
    /// If a column's type has no encoding.
    pub fn new(rows: &RecordBatch) -> Result<Self> {
        Ok(RowEncoder { columns: rows.columns().iter().map(Column::of).collect::<Result<_>>()? })
    }

    /// Appends a row.
    pub fn encode(&self, row: usize, out: &mut Vec<u8>) {
        self.columns.iter().for_each(|c| c.encode(row, out));
    }
}

struct Column {
    nulls: Option<NullBuffer>,
    values: ColumnValues,
}

enum ColumnValues {
    Null,
    Boolean(BooleanArray),
    Fixed { width: usize, offset: usize, bytes: Buffer },
    Bytes(BinaryArray),
    List(OffsetBuffer<i32>, Box<Column>),
    Struct(Vec<Column>),
}

impl Column {
    fn of(array: &ArrayRef) -> Result<Self> {
        let values = match array.data_type() {
            DataType::Null => ColumnValues::Null,
            DataType::Boolean => ColumnValues::Boolean(array.as_boolean().clone()),
            DataType::Utf8 => ColumnValues::Bytes(BinaryArray::from(array.as_string::<i32>().clone())),
            DataType::Binary => ColumnValues::Bytes(array.as_binary().clone()),
            DataType::List(_) => {
                let list: &ListArray = array.as_list();
                ColumnValues::List(list.offsets().clone(), Box::new(Column::of(list.values())?))
            }
            DataType::Struct(_) => {
                ColumnValues::Struct(array.as_struct().columns().iter().map(Column::of).collect::<Result<_>>()?)
            }
            ty => {
                let width = width(ty).ok_or_else(|| no_encoding(ty))?;
                let data = array.to_data();
                ColumnValues::Fixed { width, offset: data.offset(), bytes: data.buffers()[0].clone() }
            }
        };
        Ok(Column { nulls: array.nulls().cloned(), values })
    }

    fn encode(&self, row: usize, out: &mut Vec<u8>) {
        if matches!(self.values, ColumnValues::Null) || self.nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            return out.push(NULL);
        }
        out.push(PRESENT);
        match &self.values {
            ColumnValues::Null => {}
            ColumnValues::Boolean(a) => out.push(u8::from(a.value(row))),
            ColumnValues::Fixed { width, offset, bytes } => {
                let start = (offset + row) * width;
                out.extend_from_slice(&bytes[start..start + width]);
            }
            ColumnValues::Bytes(a) => put_bytes(out, a.value(row)),
            ColumnValues::List(offsets, elements) => {
                let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
                put_short(out, (to - from) as u64);
                (from..to).for_each(|element| elements.encode(element, out));
            }
            ColumnValues::Struct(fields) => fields.iter().for_each(|f| f.encode(row, out)),
        }
    }
}

/// The rows that [`RowEncoder::encode`] wrote.
///
/// # Errors
/// If the bytes are no rows of this schema.
pub fn decode(schema: &SchemaRef, rows: &[&[u8]]) -> Result<RecordBatch> {
    let builders = schema.fields().iter().map(|f| Builder::new(f.data_type()));
    let mut builders = builders.collect::<Result<Vec<_>>>()?;
    for row in rows {
        let mut input = *row;
        builders.iter_mut().try_for_each(|b| b.read(&mut input))?;
        if !input.is_empty() {
            return Err(damaged("a row is too long"));
        }
    }
    let columns = builders.into_iter().map(Builder::finish).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

struct Builder {
    ty: DataType,
    nulls: NullBufferBuilder,
    values: Values,
}

enum Values {
    Null,
    Boolean(BooleanBuilder),
    Fixed(usize, MutableBuffer),
    Bytes(BinaryBuilder),
    List { field: FieldRef, offsets: Vec<i32>, elements: Box<Builder> },
    Struct(Fields, Vec<Builder>),
}

impl Builder {
    fn new(ty: &DataType) -> Result<Self> {
        let values = match ty {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(BooleanBuilder::new()),
            DataType::Utf8 | DataType::Binary => Values::Bytes(BinaryBuilder::new()),
            DataType::List(field) => {
                let elements = Box::new(Builder::new(field.data_type())?);
                Values::List { field: field.clone(), offsets: vec![0], elements }
            }
            DataType::Struct(fields) => {
                let builders = fields.iter().map(|f| Builder::new(f.data_type())).collect::<Result<_>>()?;
                Values::Struct(fields.clone(), builders)
            }
            ty => Values::Fixed(width(ty).ok_or_else(|| no_encoding(ty))?, MutableBuffer::new(0)),
        };
        Ok(Builder { ty: ty.clone(), nulls: NullBufferBuilder::new(0), values })
    }

    fn read(&mut self, input: &mut &[u8]) -> Result<()> {
        match take_array(input)? {
            [NULL] => self.append_null(),
            [PRESENT] => self.read_value(input)?,
            _ => return Err(damaged("a value has a wrong marker")),
        }
        Ok(())
    }

    fn read_value(&mut self, input: &mut &[u8]) -> Result<()> {
        self.nulls.append_non_null();
        match &mut self.values {
            Values::Null => return Err(damaged("a value is of the type that has none")),
            Values::Boolean(b) => match take_array(input)? {
                [value @ (0 | 1)] => b.append_value(value == 1),
                _ => return Err(damaged("a boolean is neither true nor false")),
            },
            Values::Fixed(width, bytes) => bytes.extend_from_slice(take(input, *width)?),
            Values::Bytes(b) => b.append_value(take_bytes(input)?),
            Values::List { offsets, elements, .. } => {
                let count = take_short(input)?;
                for _ in 0..count {
                    elements.read(input)?;
                }
                offsets.push(end_of(offsets, count)?);
            }
            Values::Struct(_, builders) => builders.iter_mut().try_for_each(|b| b.read(input))?,
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.nulls.append_null();
        match &mut self.values {
            Values::Null => {}
            Values::Boolean(b) => b.append_value(false),
            Values::Fixed(width, bytes) => bytes.extend_zeros(*width),
            Values::Bytes(b) => b.append_value([]),
            Values::List { offsets, .. } => offsets.push(offsets[offsets.len() - 1]),
            Values::Struct(_, builders) => builders.iter_mut().for_each(Builder::append_null),
        }
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let rows = self.nulls.len();
        let nulls = self.nulls.finish();
        Ok(match self.values {
            Values::Null => Arc::new(NullArray::new(rows)),
            Values::Boolean(mut b) => Arc::new(BooleanArray::new(b.finish().values().clone(), nulls)),
            Values::Fixed(_, bytes) => fixed(&self.ty, bytes.into(), nulls)?,
            Values::Bytes(mut b) => {
                let (offsets, bytes, _) = b.finish().into_parts();
                match self.ty {
                    DataType::Utf8 => Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(no_array)?),
                    _ => Arc::new(BinaryArray::try_new(offsets, bytes, nulls).map_err(no_array)?),
                }
            }
            Values::List { field, offsets, elements } => {
                let offsets = OffsetBuffer::new(offsets.into());
                Arc::new(ListArray::try_new(field, offsets, elements.finish()?, nulls).map_err(no_array)?)
            }
            Values::Struct(fields, builders) => {
                let columns = builders.into_iter().map(Builder::finish).collect::<Result<_>>()?;
                Arc::new(StructArray::try_new_with_length(fields, columns, nulls, rows).map_err(no_array)?)
            }
        })
    }
}

fn end_of(offsets: &[i32], count: u64) -> Result<i32> {
    let start = offsets.last().copied().unwrap_or(0);
    let end = i32::try_from(count).ok().and_then(|c| start.checked_add(c));
    end.ok_or_else(|| damaged("a list is too long"))
}

/// Text that is no UTF-8, or a null where none may be.
fn no_array(e: arrow_schema::ArrowError) -> Error {
    damaged("its values are none of their type").with_source(e)
}

fn fixed(ty: &DataType, bytes: Buffer, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    Ok(match ty {
        DataType::Int8 => primitive::<Int8Type>(ty, bytes, nulls),
        DataType::Int16 => primitive::<Int16Type>(ty, bytes, nulls),
        DataType::Int32 => primitive::<Int32Type>(ty, bytes, nulls),
        DataType::Int64 => primitive::<Int64Type>(ty, bytes, nulls),
        DataType::Float32 => primitive::<Float32Type>(ty, bytes, nulls),
        DataType::Float64 => primitive::<Float64Type>(ty, bytes, nulls),
        DataType::Date32 => primitive::<Date32Type>(ty, bytes, nulls),
        DataType::Time32(TimeUnit::Millisecond) => primitive::<Time32MillisecondType>(ty, bytes, nulls),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive::<TimestampMillisecondType>(ty, bytes, nulls),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(ty, bytes, nulls),
        DataType::Decimal128(_, _) => primitive::<Decimal128Type>(ty, bytes, nulls),
        other => return Err(no_encoding(other)),
    })
}

fn primitive<T: ArrowPrimitiveType>(ty: &DataType, bytes: Buffer, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(bytes), nulls).with_data_type(ty.clone()))
}

#[cfg(test)]
mod tests;
