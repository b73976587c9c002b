//! Columns that are being read: every decoder writes its values straight into these, and they become
//! Arrow arrays without a copy of the values.
//!
//! A column can be cut back (`truncate`), so that a row which turns out to be malformed half-way leaves nothing.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, ListArray, NullArray, PrimitiveArray, RecordBatch, RecordBatchOptions,
    StringArray, StructArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use flott_api::types::TimestampUnit;
use flott_api::types::arrow::nano_fields;
use flott_api::{Error, Field, LogicalType, Result, Schema, TypeKind};

use crate::DecoderSpec;
use crate::dead_letters::DeadLetters;

/// The values of a column, by their layout.
pub enum Values {
    /// `NULL`
    Null,
    /// `BOOLEAN`
    Boolean(Vec<bool>),
    /// `TINYINT`
    Int8(Vec<i8>),
    /// `SMALLINT`
    Int16(Vec<i16>),
    /// `INT`, `DATE`, `TIME`, year-month intervals
    Int32(Vec<i32>),
    /// `BIGINT`, day-time intervals, timestamps of precision 0 to 6
    Int64(Vec<i64>),
    /// `FLOAT`
    Float32(Vec<f32>),
    /// `DOUBLE`
    Float64(Vec<f64>),
    /// `DECIMAL`, unscaled
    Decimal(Vec<i128>),
    /// Timestamps of precision 7 to 9
    Nanos { millis: Vec<i64>, nanos: Vec<i32> },
    /// Characters and bytes
    Bytes { ends: Vec<i32>, data: Vec<u8>, utf8: bool },
    /// `ARRAY`, `MAP`, `MULTISET`; the child of the latter two is a row of key and value
    List { ends: Vec<i32>, child: Box<Column> },
    /// `ROW`
    Row(Vec<Column>),
}

/// A column that is being read.
pub struct Column {
    /// Its type.
    pub ty: LogicalType,
    /// What it has so far; rows that are null have some value too.
    pub values: Values,
    valid: Vec<bool>,
    nulls: usize,
}

impl Column {
    /// An empty column.
    pub fn new(ty: &LogicalType) -> Self {
        Column { ty: ty.clone(), values: Values::of(&ty.kind), valid: Vec::new(), nulls: 0 }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.valid.is_empty()
    }

    /// Whether that row is null.
    pub fn is_null(&self, row: usize) -> bool {
        !self.valid[row]
    }

    /// Counts the value that was just pushed into `values`.
    #[inline]
    pub fn pushed(&mut self) {
        self.valid.push(true);
    }

    /// Adds a null.
    pub fn push_null(&mut self) {
        self.valid.push(false);
        self.nulls += 1;
        match &mut self.values {
            Values::Null => {}
            Values::Boolean(v) => v.push(false),
            Values::Int8(v) => v.push(0),
            Values::Int16(v) => v.push(0),
            Values::Int32(v) => v.push(0),
            Values::Int64(v) => v.push(0),
            Values::Float32(v) => v.push(0.0),
            Values::Float64(v) => v.push(0.0),
            Values::Decimal(v) => v.push(0),
            Values::Nanos { millis, nanos } => {
                millis.push(0);
                nanos.push(0);
            }
            Values::Bytes { ends, data, .. } => ends.push(data.len() as i32),
            Values::List { ends, child } => ends.push(child.len() as i32),
            Values::Row(children) => children.iter_mut().for_each(Column::push_null),
        }
    }

    /// Adds bytes (of a character column: UTF-8), and says whether there was room.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) -> bool {
        let Values::Bytes { ends, data, .. } = &mut self.values else { return false };
        if data.len() + value.len() > i32::MAX as usize {
            return false;
        }
        data.extend_from_slice(value);
        ends.push(data.len() as i32);
        self.valid.push(true);
        true
    }

    /// Counts `rows` values that were just pushed into `values`, of which those are null that are not `valid`.
    pub fn extended(&mut self, rows: usize, valid: Option<&[bool]>) {
        match valid {
            Some(valid) => {
                self.nulls += valid.iter().filter(|v| !**v).count();
                self.valid.extend_from_slice(valid);
            }
            None => self.valid.resize(self.valid.len() + rows, true),
        }
    }

    /// Makes a row null.
    fn nullify(&mut self, row: usize) {
        self.nulls += usize::from(std::mem::take(&mut self.valid[row]));
    }

    /// Drops all rows from `rows` on, also those of children that were pushed without their parent.
    pub fn truncate(&mut self, rows: usize) {
        if rows < self.valid.len() {
            self.nulls -= self.valid[rows..].iter().filter(|v| !**v).count();
            self.valid.truncate(rows);
        }
        match &mut self.values {
            Values::Null => {}
            Values::Boolean(v) => v.truncate(rows),
            Values::Int8(v) => v.truncate(rows),
            Values::Int16(v) => v.truncate(rows),
            Values::Int32(v) => v.truncate(rows),
            Values::Int64(v) => v.truncate(rows),
            Values::Float32(v) => v.truncate(rows),
            Values::Float64(v) => v.truncate(rows),
            Values::Decimal(v) => v.truncate(rows),
            Values::Nanos { millis, nanos } => {
                millis.truncate(rows);
                nanos.truncate(rows);
            }
            Values::Bytes { ends, data, .. } => {
                ends.truncate(rows + 1);
                data.truncate(ends[ends.len() - 1] as usize);
            }
            Values::List { ends, child } => {
                ends.truncate(rows + 1);
                child.truncate(ends[ends.len() - 1] as usize);
            }
            Values::Row(children) => children.iter_mut().for_each(|c| c.truncate(rows)),
        }
    }

    /// The array of all rows; the column is empty then.
    ///
    /// # Errors
    /// If a null lies where a nested type says `NOT NULL`.
    pub fn take(&mut self) -> Result<ArrayRef> {
        let nulls = self.take_nulls();
        let length = self.len();
        self.valid.clear();
        let data_type = self.ty.arrow();
        let values = std::mem::replace(&mut self.values, Values::of(&self.ty.kind));
        Ok(match values {
            Values::Null => Arc::new(NullArray::new(length)),
            Values::Boolean(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v), nulls)),
            Values::Int8(v) => primitive::<Int8Type>(v, nulls, &data_type),
            Values::Int16(v) => primitive::<Int16Type>(v, nulls, &data_type),
            Values::Int32(v) => int32(v, nulls, &data_type),
            Values::Int64(v) => int64(v, nulls, &data_type),
            Values::Float32(v) => primitive::<Float32Type>(v, nulls, &data_type),
            Values::Float64(v) => primitive::<Float64Type>(v, nulls, &data_type),
            Values::Decimal(v) => primitive::<Decimal128Type>(v, nulls, &data_type),
            Values::Nanos { millis, nanos } => {
                let children: Vec<ArrayRef> = vec![
                    primitive::<Int64Type>(millis, None, &DataType::Int64),
                    primitive::<Int32Type>(nanos, None, &DataType::Int32),
                ];
                Arc::new(StructArray::try_new(nano_fields(), children, nulls)?)
            }
            Values::Bytes { ends, data, utf8 } => bytes(ends, data, utf8, nulls)?,
            Values::List { ends, child } => list(ends, *child, nulls, &data_type)?,
            Values::Row(children) => row(children, nulls, &data_type, length)?,
        })
    }

    fn take_nulls(&mut self) -> Option<NullBuffer> {
        let nulls = (self.nulls > 0).then(|| NullBuffer::from(self.valid.as_slice()));
        self.nulls = 0;
        nulls
    }
}

impl Values {
    fn of(kind: &TypeKind) -> Self {
        match kind {
            TypeKind::Null | TypeKind::Descriptor => Values::Null,
            TypeKind::Boolean => Values::Boolean(Vec::new()),
            TypeKind::TinyInt => Values::Int8(Vec::new()),
            TypeKind::SmallInt => Values::Int16(Vec::new()),
            TypeKind::Int | TypeKind::Date | TypeKind::Time(_) | TypeKind::IntervalYearMonth => {
                Values::Int32(Vec::new())
            }
            TypeKind::BigInt | TypeKind::IntervalDayTime => Values::Int64(Vec::new()),
            TypeKind::Float => Values::Float32(Vec::new()),
            TypeKind::Double => Values::Float64(Vec::new()),
            TypeKind::Decimal { .. } => Values::Decimal(Vec::new()),
            TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) | TypeKind::TimestampTz(p) => {
                match TimestampUnit::of(*p) {
                    TimestampUnit::MillisAndNanos => Values::Nanos { millis: Vec::new(), nanos: Vec::new() },
                    TimestampUnit::Millis | TimestampUnit::Micros => Values::Int64(Vec::new()),
                }
            }
            TypeKind::Char(_) | TypeKind::Varchar(_) => Values::Bytes { ends: vec![0], data: Vec::new(), utf8: true },
            TypeKind::Binary(_)
            | TypeKind::Varbinary(_)
            | TypeKind::Variant
            | TypeKind::Bitmap
            | TypeKind::Raw { .. } => Values::Bytes { ends: vec![0], data: Vec::new(), utf8: false },
            TypeKind::Array(element) => Values::List { ends: vec![0], child: Box::new(Column::new(element)) },
            TypeKind::Map(key, value) => entries(key, value),
            TypeKind::Multiset(element) => entries(element, &LogicalType::not_null(TypeKind::Int)),
            TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => {
                Values::Row(fields.iter().map(|f| Column::new(&f.ty)).collect())
            }
        }
    }
}

fn entries(key: &LogicalType, value: &LogicalType) -> Values {
    let fields = vec![Field::new("key", key.clone()), Field::new("value", value.clone())];
    let entry = LogicalType::not_null(TypeKind::Row(fields));
    Values::List { ends: vec![0], child: Box::new(Column::new(&entry)) }
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>, ty: &DataType) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls).with_data_type(ty.clone()))
}

fn int32(values: Vec<i32>, nulls: Option<NullBuffer>, ty: &DataType) -> ArrayRef {
    use arrow_array::types::{Date32Type, Time32MillisecondType};
    match ty {
        DataType::Date32 => primitive::<Date32Type>(values, nulls, ty),
        DataType::Time32(_) => primitive::<Time32MillisecondType>(values, nulls, ty),
        _ => primitive::<Int32Type>(values, nulls, ty),
    }
}

fn int64(values: Vec<i64>, nulls: Option<NullBuffer>, ty: &DataType) -> ArrayRef {
    use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType};
    use arrow_schema::TimeUnit;
    match ty {
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive::<TimestampMillisecondType>(values, nulls, ty),
        DataType::Timestamp(_, _) => primitive::<TimestampMicrosecondType>(values, nulls, ty),
        _ => primitive::<Int64Type>(values, nulls, ty),
    }
}

fn bytes(ends: Vec<i32>, data: Vec<u8>, utf8: bool, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    let data = Buffer::from_vec(data);
    if utf8 {
        let text = StringArray::try_new(offsets, data, nulls);
        return Ok(Arc::new(text.map_err(|e| Error::data("a text is no UTF-8").with_source(e))?));
    }
    Ok(Arc::new(BinaryArray::try_new(offsets, data, nulls)?))
}

fn list(ends: Vec<i32>, mut child: Column, nulls: Option<NullBuffer>, ty: &DataType) -> Result<ArrayRef> {
    let DataType::List(field) = ty else { return Err(Error::internal("a list column has no list type")) };
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    let array = ListArray::try_new(field.clone(), offsets, child.take()?, nulls);
    Ok(Arc::new(array.map_err(|e| null_in_not_null(&child.ty, e))?))
}

fn row(children: Vec<Column>, nulls: Option<NullBuffer>, ty: &DataType, rows: usize) -> Result<ArrayRef> {
    let DataType::Struct(fields) = ty else { return Err(Error::internal("a row column has no struct type")) };
    if fields.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(rows, nulls)));
    }
    let ty = LogicalType::new(TypeKind::Null);
    let arrays = children.into_iter().map(|mut c| c.take()).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), arrays, nulls).map_err(|e| null_in_not_null(&ty, e))?))
}

fn null_in_not_null(ty: &LogicalType, e: arrow_schema::ArrowError) -> Error {
    let detail = match ty.kind {
        TypeKind::Null => "A field of a ROW is declared NOT NULL, but the data has none.".to_owned(),
        _ => format!("An element of type {ty} is missing in the data."),
    };
    Error::data("a null lies where the type says NOT NULL").with_detail(detail).with_source(e)
}

/// The columns of a batch that is being read.
pub(crate) struct Columns {
    /// One for each column asked for.
    pub(crate) columns: Vec<Column>,
    schema: arrow_schema::SchemaRef,
    rows: usize,
    /// Positions of those that are `NOT NULL`.
    not_null: Vec<usize>,
    /// What the records were that do not fit, if they are kept.
    dead_letters: Option<DeadLetters>,
}

impl Columns {
    /// Empty columns of these types.
    pub(crate) fn new(schema: &Schema) -> Self {
        let columns = schema.fields.iter().map(|f| Column::new(&f.ty)).collect();
        let not_null = (0..schema.len()).filter(|&c| !schema.fields[c].ty.nullable).collect();
        Columns { columns, schema: schema.arrow(), rows: 0, not_null, dead_letters: None }
    }

    /// The columns that a decoder emits.
    pub(crate) fn of(spec: &DecoderSpec) -> Self {
        let dead_letters = spec.dead_letters.then(DeadLetters::new);
        Columns { schema: spec.output_schema().arrow(), dead_letters, ..Columns::new(&spec.table_schema()) }
    }

    /// The number of complete rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Says that every column got `rows` more.
    pub(crate) fn added(&mut self, rows: usize) {
        self.rows += rows;
        debug_assert!(self.columns.iter().all(|c| c.len() == self.rows), "columns of one batch differ in length");
    }

    /// Drops all rows from `rows` on.
    pub(crate) fn cut(&mut self, rows: usize) {
        self.rows = rows;
        self.roll_back();
    }

    /// Drops what an incomplete row left.
    pub(crate) fn roll_back(&mut self) {
        let rows = self.rows;
        self.columns.iter_mut().for_each(|c| c.truncate(rows));
        if let Some(dead_letters) = &mut self.dead_letters {
            dead_letters.truncate(rows);
        }
    }

    /// What is null in the rows from `first` on and may not be.
    pub(crate) fn missing(&self, first: usize) -> Option<String> {
        let has_null = |c: &&usize| (first..self.rows).any(|row| self.columns[**c].is_null(row));
        let column = *self.not_null.iter().find(has_null)?;
        Some(format!("field '{}' is NULL, but it is {}", self.schema.field(column).name(), self.columns[column].ty))
    }

    /// Whether records that do not fit are kept.
    pub(crate) fn keeps_dead_letters(&self) -> bool {
        self.dead_letters.is_some()
    }

    /// How many records were kept that do not fit, since the last call.
    pub(crate) fn take_dead_letters(&mut self) -> u64 {
        self.dead_letters.as_mut().map_or(0, |d| std::mem::take(&mut d.count))
    }

    /// Says that the decoder is done with so many bytes of its window.
    pub(crate) fn took(&mut self, bytes: usize) {
        if let Some(dead_letters) = &mut self.dead_letters {
            dead_letters.taken += bytes as u64;
        }
    }

    /// Adds a record that does not fit as a row, if such are kept and there is room.
    pub(crate) fn push_dead(&mut self, record: &[u8], cause: &str, at: Place) -> bool {
        if self.dead_letters.is_none() {
            return false;
        }
        self.roll_back();
        self.columns.iter_mut().for_each(Column::push_null);
        self.added(1);
        let kept = self.mark_dead(self.rows - 1, record, cause, at);
        if !kept {
            self.cut(self.rows - 1);
        }
        kept
    }

    /// Says that a row is a record that does not fit. No row behind it may be one yet.
    pub(crate) fn mark_dead(&mut self, row: usize, record: &[u8], cause: &str, at: Place) -> bool {
        let Some(dead_letters) = &mut self.dead_letters else { return false };
        self.columns.iter_mut().for_each(|c| c.nullify(row));
        let place = match at {
            Place::Byte(offset) => dead_letters.taken + offset as u64,
            Place::Message(number) => number as u64,
        };
        dead_letters.push(row, record, cause, place)
    }

    /// All rows; the columns are empty then.
    ///
    /// # Errors
    /// If a null lies where a nested type says `NOT NULL`.
    pub(crate) fn take(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let mut arrays = self.columns.iter_mut().map(Column::take).collect::<Result<Vec<_>>>()?;
        if let Some(dead_letters) = &mut self.dead_letters {
            for column in dead_letters.filled(rows) {
                arrays.push(column.take()?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// It begins at this byte of the window.
    Byte(usize),
    /// It is the message of this number.
    Message(usize),
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::*;

    #[test]
    fn a_cut_back_column_has_what_it_had() {
        let int = LogicalType::new(TypeKind::Int);
        let ty = LogicalType::new(TypeKind::Array(Box::new(int)));
        let mut column = Column::new(&ty);
        column.push_null();
        let Values::List { child, .. } = &mut column.values else { panic!() };
        child.push_null();
        child.push_null();
        column.truncate(1);
        column.push_null();
        let array = column.take().unwrap();
        assert_eq!((array.len(), array.null_count()), (2, 2));
        assert_eq!(column.len(), 0);
    }

    #[test]
    fn a_null_in_a_not_null_field_is_an_error_and_no_panic() {
        let field = Field::new("x", LogicalType::not_null(TypeKind::Int));
        let schema = Schema::new(vec![Field::new("r", LogicalType::new(TypeKind::Row(vec![field])))]);
        let mut columns = Columns::new(&schema);
        let Values::Row(children) = &mut columns.columns[0].values else { panic!() };
        children[0].push_null();
        columns.columns[0].pushed();
        columns.added(1);
        assert!(columns.take().unwrap_err().message().contains("NOT NULL"));
    }
}
