//! Columns that are being written: a view on an Arrow array with its Flink type, made once per batch, from which
//! encoders take single values without a dynamic call.

use std::ops::Range;

use arrow_array::types::{Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::types::{Float32Type, Float64Type, Time32MillisecondType};
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, PrimitiveArray, StringArray, StructArray};
use arrow_buffer::NullBuffer;
use flott_api::types::TimestampUnit;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::text::time::Moment;

/// The typed array of a column.
pub enum Cells {
    /// `NULL`
    Null,
    /// `BOOLEAN`
    Boolean(BooleanArray),
    /// `TINYINT`
    Int8(PrimitiveArray<Int8Type>),
    /// `SMALLINT`
    Int16(PrimitiveArray<Int16Type>),
    /// `INT`, intervals of months
    Int32(PrimitiveArray<Int32Type>),
    /// `BIGINT`, intervals of milliseconds
    Int64(PrimitiveArray<Int64Type>),
    /// `FLOAT`
    Float32(PrimitiveArray<Float32Type>),
    /// `DOUBLE`
    Float64(PrimitiveArray<Float64Type>),
    /// `DECIMAL`, with its scale
    Decimal(PrimitiveArray<Decimal128Type>, u8),
    /// `DATE`
    Date(PrimitiveArray<Date32Type>),
    /// `TIME`
    Time(PrimitiveArray<Time32MillisecondType>),
    /// Timestamps, and whether they are instants
    Moment(Moments, bool),
    /// Characters
    Text(StringArray),
    /// Bytes
    Bytes(BinaryArray),
    /// `ARRAY`
    Array(ListArray, Box<Cell>),
    /// `MAP` and `MULTISET`: entries, keys, values
    Map(ListArray, Box<Cell>, Box<Cell>),
    /// `ROW`
    Row(Vec<Cell>),
}

/// Timestamps by layout.
pub enum Moments {
    /// Precision 0 to 3
    Millis(PrimitiveArray<TimestampMillisecondType>),
    /// Precision 4 to 6
    Micros(PrimitiveArray<TimestampMicrosecondType>),
    /// Precision 7 to 9
    Nanos(PrimitiveArray<Int64Type>, PrimitiveArray<Int32Type>),
}

/// A column with its nulls.
pub struct Cell {
    /// Which values are null, if any is: the array itself would be asked by a dynamic call.
    nulls: Option<NullBuffer>,
    /// The values.
    pub cells: Cells,
}

impl Cell {
    /// The view of a column.
    ///
    /// # Errors
    /// If the array is not laid out as the type says.
    pub fn new(array: &ArrayRef, ty: &LogicalType) -> Result<Self> {
        Ok(Cell { nulls: array.nulls().cloned(), cells: cells(array, &ty.kind)? })
    }

    /// Which values are null, if any may be; never asked of `NULL`.
    pub fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }

    /// Whether the value is null.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.cells, Cells::Null) || self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

impl Moments {
    /// The timestamp of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Moment {
        match self {
            Moments::Millis(a) => of_units(a.value(row), 1000),
            Moments::Micros(a) => of_units(a.value(row), 1_000_000),
            Moments::Nanos(millis, nanos) => {
                let moment = of_units(millis.value(row), 1000);
                Moment { nanos: moment.nanos + nanos.value(row) as u32, ..moment }
            }
        }
    }
}

fn of_units(value: i64, per_second: i64) -> Moment {
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    Moment { seconds: value.div_euclid(per_second), nanos: nanos as u32 }
}

/// The rows of the child that belong to one row of a list.
#[inline]
pub fn element_range(list: &ListArray, row: usize) -> Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn typed<T: Array + Clone + 'static>(array: &ArrayRef) -> Result<T> {
    let wrong = || Error::internal(format!("a column has the Arrow type {} against its schema", array.data_type()));
    array.as_any().downcast_ref::<T>().cloned().ok_or_else(wrong)
}

fn cells(array: &ArrayRef, kind: &TypeKind) -> Result<Cells> {
    Ok(match kind {
        TypeKind::Null | TypeKind::Descriptor => Cells::Null,
        TypeKind::Boolean => Cells::Boolean(typed(array)?),
        TypeKind::TinyInt => Cells::Int8(typed(array)?),
        TypeKind::SmallInt => Cells::Int16(typed(array)?),
        TypeKind::Int | TypeKind::IntervalYearMonth => Cells::Int32(typed(array)?),
        TypeKind::BigInt | TypeKind::IntervalDayTime => Cells::Int64(typed(array)?),
        TypeKind::Float => Cells::Float32(typed(array)?),
        TypeKind::Double => Cells::Float64(typed(array)?),
        TypeKind::Decimal { scale, .. } => Cells::Decimal(typed(array)?, *scale),
        TypeKind::Date => Cells::Date(typed(array)?),
        TypeKind::Time(_) => Cells::Time(typed(array)?),
        TypeKind::Timestamp(p) => Cells::Moment(moments(array, *p)?, false),
        TypeKind::TimestampLtz(p) | TypeKind::TimestampTz(p) => Cells::Moment(moments(array, *p)?, true),
        TypeKind::Char(_) | TypeKind::Varchar(_) => Cells::Text(typed(array)?),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Variant | TypeKind::Bitmap | TypeKind::Raw { .. } => {
            Cells::Bytes(typed(array)?)
        }
        TypeKind::Array(element) => {
            let list: ListArray = typed(array)?;
            let child = Cell::new(list.values(), element)?;
            Cells::Array(list, Box::new(child))
        }
        TypeKind::Map(key, value) => map(array, key, value)?,
        TypeKind::Multiset(element) => map(array, element, &LogicalType::not_null(TypeKind::Int))?,
        TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => {
            let row: StructArray = typed(array)?;
            let children = row.columns().iter().zip(fields).map(|(c, f)| Cell::new(c, &f.ty));
            let children = children.collect::<Result<Vec<_>>>()?;
            Cells::Row(children)
        }
    })
}

fn map(array: &ArrayRef, key: &LogicalType, value: &LogicalType) -> Result<Cells> {
    let list: ListArray = typed(array)?;
    let entries: StructArray = typed(list.values())?;
    let (keys, values) = (Cell::new(entries.column(0), key)?, Cell::new(entries.column(1), value)?);
    Ok(Cells::Map(list, Box::new(keys), Box::new(values)))
}

fn moments(array: &ArrayRef, precision: u8) -> Result<Moments> {
    Ok(match TimestampUnit::of(precision) {
        TimestampUnit::Millis => Moments::Millis(typed(array)?),
        TimestampUnit::Micros => Moments::Micros(typed(array)?),
        TimestampUnit::MillisAndNanos => {
            let both: StructArray = typed(array)?;
            Moments::Nanos(typed(both.column(0))?, typed(both.column(1))?)
        }
    })
}
