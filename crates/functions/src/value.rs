//! Between the constants of a plan and arrays.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, Time32MillisecondArray, new_null_array,
};
use flott_api::expr::Value;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::Operand;
use crate::time::moments::Moments;

/// A column that holds a constant in every row.
///
/// # Errors
/// If the value is none of this type.
pub fn literal_array(value: &Value, ty: &LogicalType, rows: usize) -> Result<ArrayRef> {
    if *value == Value::Null {
        return Ok(new_null_array(&ty.arrow(), rows));
    }
    let one = one(value, &ty.kind)?;
    match rows {
        1 => Ok(one),
        _ => Operand::constant(one).into_array(rows),
    }
}

fn one(value: &Value, kind: &TypeKind) -> Result<ArrayRef> {
    use TypeKind::*;
    let wrong = || Error::internal(format!("{value:?} is no value of type {kind}"));
    Ok(match (value, kind) {
        (Value::Boolean(b), Boolean) => Arc::new(BooleanArray::from(vec![*b])),
        (Value::Int(i), _) => integer(*i, kind).ok_or_else(wrong)?,
        (Value::Decimal(d), Decimal { precision, scale }) => {
            Arc::new(Decimal128Array::from(vec![*d]).with_precision_and_scale(*precision, *scale as i8)?)
        }
        (Value::DoubleBits(bits), Float) => Arc::new(Float32Array::from(vec![f64::from_bits(*bits) as f32])),
        (Value::DoubleBits(bits), Double) => Arc::new(Float64Array::from(vec![f64::from_bits(*bits)])),
        (Value::String(s), Char(_) | Varchar(_)) => Arc::new(StringArray::from(vec![s.as_str()])),
        (Value::Bytes(b), Binary(_) | Varbinary(_)) => Arc::new(BinaryArray::from(vec![b.as_slice()])),
        (Value::Timestamp { millis, nanos }, Timestamp(_) | TimestampLtz(_)) => {
            let nanos = Some(vec![*nanos as i32].into());
            Moments { millis: vec![*millis].into(), nanos, nulls: None }.write(kind)?
        }
        _ => return Err(wrong()),
    })
}

fn integer(value: i64, kind: &TypeKind) -> Option<ArrayRef> {
    Some(match kind {
        TypeKind::TinyInt => Arc::new(Int8Array::from(vec![i8::try_from(value).ok()?])),
        TypeKind::SmallInt => Arc::new(Int16Array::from(vec![i16::try_from(value).ok()?])),
        TypeKind::Int | TypeKind::IntervalYearMonth => Arc::new(Int32Array::from(vec![i32::try_from(value).ok()?])),
        TypeKind::BigInt | TypeKind::IntervalDayTime => Arc::new(Int64Array::from(vec![value])),
        TypeKind::Date => Arc::new(Date32Array::from(vec![i32::try_from(value).ok()?])),
        TypeKind::Time(_) => Arc::new(Time32MillisecondArray::from(vec![i32::try_from(value).ok()?])),
        _ => return None,
    })
}

/// The value of one row.
///
/// # Errors
/// If the column is not of this type, or the type has no constants (arrays, maps, rows).
pub fn value_at(array: &dyn Array, row: usize, ty: &LogicalType) -> Result<Value> {
    use TypeKind::*;
    if array.is_null(row) || ty.kind == Null {
        return Ok(Value::Null);
    }
    if *array.data_type() != ty.arrow() {
        return Err(Error::internal(format!("{} is no column of type {ty}", array.data_type())));
    }
    Ok(match &ty.kind {
        Boolean => Value::Boolean(array.as_boolean().value(row)),
        TinyInt => Value::Int(array.as_primitive::<Int8Type>().value(row).into()),
        SmallInt => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        Int | IntervalYearMonth => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        BigInt | IntervalDayTime => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        Date => Value::Int(array.as_primitive::<Date32Type>().value(row).into()),
        Time(_) => Value::Int(array.as_primitive::<Time32MillisecondType>().value(row).into()),
        Decimal { .. } => Value::Decimal(array.as_primitive::<Decimal128Type>().value(row)),
        Float => Value::double(array.as_primitive::<Float32Type>().value(row).into()),
        Double => Value::double(array.as_primitive::<Float64Type>().value(row)),
        Char(_) | Varchar(_) => Value::String(array.as_string::<i32>().value(row).to_owned()),
        Binary(_) | Varbinary(_) => Value::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        Timestamp(_) | TimestampLtz(_) => {
            let one = Moments::read(array.slice(row, 1).as_ref())?;
            Value::Timestamp { millis: one.millis[0], nanos: one.nanos(0) as u32 }
        }
        other => return Err(Error::internal(format!("type {other} has no constants"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_come_back() {
        use TypeKind::*;
        for (value, kind) in [
            (Value::Boolean(true), Boolean),
            (Value::Int(-5), TinyInt),
            (Value::Int(1 << 40), BigInt),
            (Value::Int(18_321), Date),
            (Value::Int(-14), IntervalYearMonth),
            (Value::Decimal(12_345), Decimal { precision: 10, scale: 2 }),
            (Value::double(0.5), Float),
            (Value::String("x".into()), Varchar(9)),
            (Value::Bytes(vec![1, 255]), Binary(2)),
            (Value::Timestamp { millis: -1, nanos: 0 }, Timestamp(3)),
            (Value::Timestamp { millis: -1, nanos: 123_000 }, TimestampLtz(6)),
            (Value::Timestamp { millis: 7, nanos: 123_456 }, Timestamp(9)),
            (Value::Null, Int),
        ] {
            let ty = LogicalType::new(kind);
            let array = literal_array(&value, &ty, 3).unwrap();
            assert_eq!((array.len(), array.data_type()), (3, &ty.arrow()));
            assert_eq!(value_at(&array, 2, &ty).unwrap(), value);
        }
        assert!(literal_array(&Value::Int(300), &LogicalType::new(TinyInt), 1).is_err());
    }
}
