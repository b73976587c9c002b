//! Columns between a database and Arrow: which types can cross, and the builders that rows are decoded into.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int8Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time32MillisecondBuilder, TimestampMicrosecondBuilder,
    TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use flott_api::types::{Field, TimestampUnit, arrow::UTC};
use flott_api::{BATCH_ROWS_MAX, Error, Result, Schema, TypeKind};

/// Databases keep microseconds.
const TIMESTAMP_PRECISION_MAX: u8 = 6;
const MICROS_OF_MILLI: i64 = 1000;

/// The types whose values cross between a database and Flott.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    Decimal { precision: u8, scale: u8 },
    Text,
    Bytes,
    Date,
    Time,
    Timestamp { micros: bool },
    Ltz { micros: bool },
}

impl Kind {
    /// The kind of a column.
    ///
    /// # Errors
    /// If no database keeps such a type.
    pub(crate) fn of(field: &Field) -> Result<Self> {
        let micros = |precision: u8| TimestampUnit::of(precision) == TimestampUnit::Micros;
        Ok(match field.ty.kind {
            TypeKind::Boolean => Kind::Bool,
            TypeKind::TinyInt => Kind::I8,
            TypeKind::SmallInt => Kind::I16,
            TypeKind::Int => Kind::I32,
            TypeKind::BigInt => Kind::I64,
            TypeKind::Float => Kind::F32,
            TypeKind::Double => Kind::F64,
            TypeKind::Decimal { precision, scale } => Kind::Decimal { precision, scale },
            TypeKind::Char(_) | TypeKind::Varchar(_) => Kind::Text,
            TypeKind::Varbinary(_) => Kind::Bytes,
            TypeKind::Date => Kind::Date,
            TypeKind::Time(_) => Kind::Time,
            TypeKind::Timestamp(p) if p <= TIMESTAMP_PRECISION_MAX => Kind::Timestamp { micros: micros(p) },
            TypeKind::TimestampLtz(p) if p <= TIMESTAMP_PRECISION_MAX => Kind::Ltz { micros: micros(p) },
            TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => return Err(too_precise(field)),
            _ => return Err(unsupported(field)),
        })
    }

    /// The kinds of all columns.
    ///
    /// # Errors
    /// Names the first column that cannot cross.
    pub(crate) fn of_all(schema: &Schema) -> Result<Vec<Self>> {
        schema.fields.iter().map(Kind::of).collect()
    }

    /// Whether it is a whole number, and of how many bytes.
    pub(crate) fn integer_bytes(self) -> Option<usize> {
        match self {
            Kind::I8 => Some(1),
            Kind::I16 => Some(2),
            Kind::I32 => Some(4),
            Kind::I64 => Some(8),
            _ => None,
        }
    }
}

fn too_precise(field: &Field) -> Error {
    let message = format!("column '{}' of type {} of connector 'jdbc'", field.name, field.ty);
    Error::unsupported(message).with_detail("The precision of a timestamp is 0 to 6: databases keep microseconds.")
}

fn unsupported(field: &Field) -> Error {
    Error::unsupported(format!("column '{}' of type {} of connector 'jdbc'", field.name, field.ty))
        .with_hint("The types that databases and Flott exchange are listed in docs/jdbc.md.")
}

/// The builder of one column. The database's own decoder puts values in.
pub(crate) enum Builder {
    Bool(BooleanBuilder),
    I8(Int8Builder),
    I16(Int16Builder),
    I32(Int32Builder),
    I64(Int64Builder),
    F32(Float32Builder),
    F64(Float64Builder),
    Decimal { to: Decimal128Builder, precision: u8, scale: u8 },
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time32MillisecondBuilder),
    Millis(TimestampMillisecondBuilder),
    Micros(TimestampMicrosecondBuilder),
}

/// Calls the same method of every builder.
macro_rules! each {
    ($builder:expr, $to:ident => $call:expr) => {
        match $builder {
            Builder::Bool($to) => $call,
            Builder::I8($to) => $call,
            Builder::I16($to) => $call,
            Builder::I32($to) => $call,
            Builder::I64($to) => $call,
            Builder::F32($to) => $call,
            Builder::F64($to) => $call,
            Builder::Decimal { to: $to, .. } => $call,
            Builder::Text($to) => $call,
            Builder::Bytes($to) => $call,
            Builder::Date($to) => $call,
            Builder::Time($to) => $call,
            Builder::Millis($to) => $call,
            Builder::Micros($to) => $call,
        }
    };
}

impl Builder {
    fn new(kind: Kind) -> Result<Self> {
        Ok(match kind {
            Kind::Bool => Builder::Bool(BooleanBuilder::new()),
            Kind::I8 => Builder::I8(Int8Builder::new()),
            Kind::I16 => Builder::I16(Int16Builder::new()),
            Kind::I32 => Builder::I32(Int32Builder::new()),
            Kind::I64 => Builder::I64(Int64Builder::new()),
            Kind::F32 => Builder::F32(Float32Builder::new()),
            Kind::F64 => Builder::F64(Float64Builder::new()),
            Kind::Decimal { precision, scale } => {
                let to = Decimal128Builder::new().with_precision_and_scale(precision, scale as i8)?;
                Builder::Decimal { to, precision, scale }
            }
            Kind::Text => Builder::Text(StringBuilder::new()),
            Kind::Bytes => Builder::Bytes(BinaryBuilder::new()),
            Kind::Date => Builder::Date(Date32Builder::new()),
            Kind::Time => Builder::Time(Time32MillisecondBuilder::new()),
            Kind::Timestamp { micros: false } => Builder::Millis(TimestampMillisecondBuilder::new()),
            Kind::Timestamp { micros: true } => Builder::Micros(TimestampMicrosecondBuilder::new()),
            Kind::Ltz { micros: false } => Builder::Millis(TimestampMillisecondBuilder::new().with_timezone(UTC)),
            Kind::Ltz { micros: true } => Builder::Micros(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
        })
    }

    /// A null.
    pub(crate) fn null(&mut self) {
        each!(self, to => to.append_null());
    }

    /// A time in microseconds; the builder cuts off what its type has no room for.
    pub(crate) fn micros(&mut self, micros: i64) {
        match self {
            Builder::Millis(to) => to.append_value(micros.div_euclid(MICROS_OF_MILLI)),
            Builder::Micros(to) => to.append_value(micros),
            Builder::Time(to) => to.append_value((micros / MICROS_OF_MILLI) as i32),
            _ => self.null(),
        }
    }

    /// A whole number; whether its type has room for it.
    pub(crate) fn integer(&mut self, value: i64) -> bool {
        fn put<T: TryFrom<i64>>(value: i64, put: impl FnOnce(T)) -> bool {
            T::try_from(value).map(put).is_ok()
        }
        match self {
            Builder::I8(to) => put(value, |v| to.append_value(v)),
            Builder::I16(to) => put(value, |v| to.append_value(v)),
            Builder::I32(to) => put(value, |v| to.append_value(v)),
            Builder::I64(to) => put(value, |v| to.append_value(v)),
            _ => false,
        }
    }

    /// A decimal with its own scale: rounded half up to that of the column, and null if it has no room for it, as in
    /// Flink.
    pub(crate) fn decimal(&mut self, unscaled: i128, scale: u32) {
        let Builder::Decimal { to, precision, scale: wanted } = self else { return };
        match rescaled(unscaled, scale, u32::from(*wanted))
            .filter(|v| v.unsigned_abs() < 10u128.pow((*precision).into()))
        {
            Some(value) => to.append_value(value),
            None => to.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        each!(self, to => Arc::new(to.finish()) as ArrayRef)
    }
}

/// A number with another scale; nothing if it is too large.
fn rescaled(unscaled: i128, from: u32, to: u32) -> Option<i128> {
    if to >= from {
        return unscaled.checked_mul(10i128.checked_pow(to - from)?);
    }
    let Some(factor) = 10i128.checked_pow(from - to) else { return Some(0) };
    let (whole, rest) = (unscaled / factor, unscaled % factor);
    let up = rest.unsigned_abs() >= factor.unsigned_abs() - rest.unsigned_abs();
    Some(whole + if up { unscaled.signum() } else { 0 })
}

/// The builders of all columns of a batch.
pub(crate) struct Builders {
    schema: SchemaRef,
    columns: Vec<Builder>,
    rows: usize,
}

impl Builders {
    /// Empty ones.
    ///
    /// # Errors
    /// If a column cannot cross.
    pub(crate) fn new(schema: &Schema) -> Result<Self> {
        let columns = Kind::of_all(schema)?.into_iter().map(Builder::new).collect::<Result<_>>()?;
        Ok(Builders { schema: schema.arrow(), columns, rows: 0 })
    }

    /// Of all columns; a row must be put into each of them.
    pub(crate) fn columns_mut(&mut self) -> &mut [Builder] {
        &mut self.columns
    }

    /// A row was put into all columns.
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether it is time to hand the batch on.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS_MAX
    }

    /// The rows; empty builders are left.
    ///
    /// # Errors
    /// If the columns are not equally long, which is a bug of a decoder.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let columns = self.columns.iter_mut().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_up_and_too_large_ones_are_null() {
        assert_eq!(rescaled(125, 2, 1), Some(13));
        assert_eq!(rescaled(-125, 2, 1), Some(-13));
        assert_eq!(rescaled(124, 2, 1), Some(12));
        assert_eq!(rescaled(12, 1, 3), Some(1200));
        assert_eq!(rescaled(i128::MAX, 0, 5), None);
        let mut builder = Builder::new(Kind::Decimal { precision: 3, scale: 1 }).unwrap();
        builder.decimal(9994, 2);
        builder.decimal(9995, 2);
        let column = builder.finish();
        assert_eq!(column.null_count(), 1);
    }

    #[test]
    fn integers_without_room_are_told() {
        let mut builder = Builder::new(Kind::I8).unwrap();
        assert!(builder.integer(-128));
        assert!(!builder.integer(128));
    }
}
