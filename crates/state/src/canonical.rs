//! The four forms in which containers and aggregates hold values, so that each loop is written four
//! times at most and not once per type: integers, wide integers, floating point, bytes.
//!
//! The way there and back keeps the value. For `BIGINT`, `DECIMAL`, `DOUBLE` and `BYTES` it copies
//! nothing; other types are converted a column at a time.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, PrimitiveArray, StringArray,
    StructArray,
};
use arrow_schema::{DataType, TimeUnit};
use flott_api::aggregate::SlotType;
use flott_api::types::arrow::nano_fields;
use flott_api::{Error, Result};

const NANOS_PER_MILLI: i128 = 1_000_000;

/// A column in one of the four forms.
#[derive(Clone, Debug)]
pub enum Canonical {
    /// Booleans, integers, dates, times, timestamps of precision up to 6.
    Int(Int64Array),
    /// Decimals, unscaled, and timestamps of precision 7 to 9 in nanoseconds.
    Wide(Decimal128Array),
    /// `FLOAT` and `DOUBLE`.
    Float(Float64Array),
    /// Text and bytes.
    Bytes(BinaryArray),
}

/// Which form a column of this Arrow type has; nothing if it has none.
pub fn form(ty: &DataType) -> Option<SlotType> {
    match ty {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Time32(TimeUnit::Millisecond)
        | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _) => Some(SlotType::Int64),
        DataType::Decimal128(_, _) => Some(SlotType::Int128),
        DataType::Struct(fields) if *fields == nano_fields() => Some(SlotType::Int128),
        DataType::Float32 | DataType::Float64 => Some(SlotType::Float64),
        DataType::Utf8 | DataType::Binary => Some(SlotType::Bytes),
        _ => None,
    }
}

fn no_form(ty: &DataType) -> Error {
    Error::internal(format!("values of type {ty} have no canonical form"))
}

impl Canonical {
    /// The canonical form of a column.
    ///
    /// # Errors
    /// If its type has none.
    pub fn of(column: &ArrayRef) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Boolean => {
                let a = column.as_boolean();
                Canonical::Int(Int64Array::new(a.values().iter().map(i64::from).collect(), a.nulls().cloned()))
            }
            DataType::Int8 => widened::<Int8Type>(column),
            DataType::Int16 => widened::<Int16Type>(column),
            DataType::Int32 => widened::<Int32Type>(column),
            DataType::Date32 => widened::<Date32Type>(column),
            DataType::Time32(TimeUnit::Millisecond) => widened::<Time32MillisecondType>(column),
            DataType::Int64 => Canonical::Int(column.as_primitive().clone()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Canonical::Int(column.as_primitive::<TimestampMillisecondType>().reinterpret_cast())
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Canonical::Int(column.as_primitive::<TimestampMicrosecondType>().reinterpret_cast())
            }
            DataType::Decimal128(_, _) => Canonical::Wide(column.as_primitive().clone()),
            DataType::Struct(fields) if *fields == nano_fields() => Canonical::Wide(nanos(column.as_struct())),
            DataType::Float32 => Canonical::Float(column.as_primitive::<Float32Type>().unary(f64::from)),
            DataType::Float64 => Canonical::Float(column.as_primitive().clone()),
            DataType::Utf8 => Canonical::Bytes(BinaryArray::from(column.as_string::<i32>().clone())),
            DataType::Binary => Canonical::Bytes(column.as_binary().clone()),
            other => return Err(no_form(other)),
        })
    }

    /// The column of type `ty` that has this form. Integers too large for the type wrap around.
    ///
    /// # Errors
    /// If the type has another form.
    pub fn into_column(self, ty: &DataType) -> Result<ArrayRef> {
        Ok(match (self, ty) {
            (Canonical::Int(a), DataType::Boolean) => {
                Arc::new(BooleanArray::new(a.values().iter().map(|v| *v != 0).collect(), a.nulls().cloned()))
            }
            (Canonical::Int(a), DataType::Int8) => narrowed::<Int8Type>(&a, |v| v as i8),
            (Canonical::Int(a), DataType::Int16) => narrowed::<Int16Type>(&a, |v| v as i16),
            (Canonical::Int(a), DataType::Int32) => narrowed::<Int32Type>(&a, |v| v as i32),
            (Canonical::Int(a), DataType::Date32) => narrowed::<Date32Type>(&a, |v| v as i32),
            (Canonical::Int(a), DataType::Time32(TimeUnit::Millisecond)) => {
                narrowed::<Time32MillisecondType>(&a, |v| v as i32)
            }
            (Canonical::Int(a), DataType::Int64) => Arc::new(a),
            (Canonical::Int(a), DataType::Timestamp(TimeUnit::Millisecond, _)) => {
                Arc::new(a.reinterpret_cast::<TimestampMillisecondType>().with_data_type(ty.clone()))
            }
            (Canonical::Int(a), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                Arc::new(a.reinterpret_cast::<TimestampMicrosecondType>().with_data_type(ty.clone()))
            }
            (Canonical::Wide(a), DataType::Decimal128(_, _)) => Arc::new(a.with_data_type(ty.clone())),
            (Canonical::Wide(a), DataType::Struct(fields)) if *fields == nano_fields() => Arc::new(from_nanos(&a)),
            (Canonical::Float(a), DataType::Float32) => Arc::new(a.unary::<_, Float32Type>(|v| v as f32)),
            (Canonical::Float(a), DataType::Float64) => Arc::new(a),
            (Canonical::Bytes(a), DataType::Utf8) => Arc::new(text(a)?),
            (Canonical::Bytes(a), DataType::Binary) => Arc::new(a),
            (_, other) => return Err(no_form(other)),
        })
    }
}

fn widened<T: ArrowPrimitiveType>(column: &ArrayRef) -> Canonical
where
    i64: From<T::Native>,
{
    Canonical::Int(column.as_primitive::<T>().unary::<_, Int64Type>(i64::from))
}

fn narrowed<T: ArrowPrimitiveType>(values: &Int64Array, narrow: impl Fn(i64) -> T::Native) -> ArrayRef {
    Arc::new(values.unary::<_, T>(narrow))
}

fn nanos(column: &StructArray) -> Decimal128Array {
    let millis = column.column(0).as_primitive::<Int64Type>();
    let nanos = column.column(1).as_primitive::<Int32Type>();
    let values = millis.values().iter().zip(nanos.values());
    PrimitiveArray::<Decimal128Type>::new(
        values.map(|(m, n)| i128::from(*m) * NANOS_PER_MILLI + i128::from(*n)).collect(),
        column.nulls().cloned(),
    )
}

fn from_nanos(values: &Decimal128Array) -> StructArray {
    let millis: Int64Array = values.values().iter().map(|v| v.div_euclid(NANOS_PER_MILLI) as i64).collect();
    let nanos: PrimitiveArray<Int32Type> =
        values.values().iter().map(|v| v.rem_euclid(NANOS_PER_MILLI) as i32).collect();
    StructArray::new(nano_fields(), vec![Arc::new(millis), Arc::new(nanos)], values.nulls().cloned())
}

fn text(bytes: BinaryArray) -> Result<StringArray> {
    let (offsets, values, nulls) = bytes.into_parts();
    Ok(StringArray::try_new(offsets, values, nulls)?)
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{batch, lines};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    #[test]
    fn every_form_keeps_its_values() {
        let cases = [
            (TypeKind::Boolean, "true", SlotType::Int64),
            (TypeKind::TinyInt, "-128", SlotType::Int64),
            (TypeKind::SmallInt, "-3", SlotType::Int64),
            (TypeKind::Int, "2147483647", SlotType::Int64),
            (TypeKind::BigInt, "-9223372036854775808", SlotType::Int64),
            (TypeKind::Date, "-1", SlotType::Int64),
            (TypeKind::Time(3), "86399999", SlotType::Int64),
            (TypeKind::Timestamp(3), "-7", SlotType::Int64),
            (TypeKind::TimestampLtz(6), "7", SlotType::Int64),
            (TypeKind::TimestampLtz(9), "-5.7", SlotType::Int128),
            (TypeKind::Decimal { precision: 38, scale: 2 }, "-1.05", SlotType::Int128),
            (TypeKind::Float, "1.5", SlotType::Float64),
            (TypeKind::Double, "-0", SlotType::Float64),
            (TypeKind::Varchar(3), "aé", SlotType::Bytes),
            (TypeKind::Binary(3), "abc", SlotType::Bytes),
        ];
        for (kind, value, expected) in cases {
            let schema = Schema::new(vec![Field::new("c", LogicalType::new(kind))]);
            let table = batch(&schema, &format!("+I | {value}\n+I | NULL"));
            let column = table.rows().column(0);
            assert_eq!(form(column.data_type()), Some(expected));
            let back = Canonical::of(column).unwrap().into_column(column.data_type()).unwrap();
            assert_eq!(&back, column, "{}", lines(&table).join(" "));
        }
    }

    #[test]
    fn a_list_has_no_form() {
        let ty = TypeKind::Array(Box::new(LogicalType::string())).arrow();
        assert_eq!(form(&ty), None);
        assert!(Canonical::of(&arrow_array::new_empty_array(&ty)).is_err());
    }
}
