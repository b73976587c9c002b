//! Between the columns of a parquet file and ours: timestamps in any unit, maps, and numbers of other widths.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Float64Array, ListArray, MapArray, PrimitiveArray, StringArray, StructArray,
    new_null_array,
};
use arrow_schema::{ArrowError, DataType, Field as ArrowField, FieldRef, Fields, SchemaRef, TimeUnit};
use flott_api::types::TimestampUnit;
use flott_api::types::arrow::nano_fields;
use flott_api::{Error, Field, LogicalType, Result, Schema, TypeKind};

const DAY_MILLIS: i32 = 86_400_000;

/// The Arrow schema of a file with these columns. All are nullable: `NOT NULL` is enforced before the sink.
pub(super) fn file_schema(schema: &Schema) -> SchemaRef {
    let fields: Fields = schema.fields.iter().map(|f| ArrowField::new(&f.name, file_type(&f.ty), true)).collect();
    Arc::new(arrow_schema::Schema::new(fields))
}

fn file_field(name: &str, ty: &LogicalType) -> FieldRef {
    Arc::new(ArrowField::new(name, file_type(ty), ty.nullable))
}

fn file_type(ty: &LogicalType) -> DataType {
    match &ty.kind {
        TypeKind::Timestamp(p) if *p > 6 => DataType::Timestamp(TimeUnit::Nanosecond, None),
        TypeKind::TimestampLtz(p) if *p > 6 => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        TypeKind::Array(element) => DataType::List(file_field("element", element)),
        TypeKind::Map(key, value) => map_type(key, value),
        TypeKind::Multiset(element) => map_type(element, &LogicalType::not_null(TypeKind::Int)),
        TypeKind::Row(fields) => DataType::Struct(fields.iter().map(|f| file_field(&f.name, &f.ty)).collect()),
        _ => ty.arrow(),
    }
}

fn map_type(key: &LogicalType, value: &LogicalType) -> DataType {
    let entry = Fields::from(vec![file_field("key", &key.clone().with_nullable(false)), file_field("value", value)]);
    DataType::Map(Arc::new(ArrowField::new("key_value", DataType::Struct(entry), false)), false)
}

/// Our column as the file has it.
///
/// # Errors
/// If a map has a null key, or a timestamp does not fit 64 bits of nanoseconds.
pub(super) fn to_file(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef> {
    match (&ty.kind, file_type(ty)) {
        (TypeKind::Array(element), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            let child = to_file(list.values(), element)?;
            Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), child, list.nulls().cloned())?))
        }
        (TypeKind::Map(key, value), DataType::Map(field, _)) => map_to_file(array, key, value, field),
        (TypeKind::Multiset(element), DataType::Map(field, _)) => {
            map_to_file(array, element, &LogicalType::not_null(TypeKind::Int), field)
        }
        (TypeKind::Row(fields), DataType::Struct(file_fields)) => {
            let row = array.as_struct();
            let children = row.columns().iter().zip(fields).map(|(c, f)| to_file(c, &f.ty));
            let children = children.collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(file_fields, children, row.nulls().cloned())?))
        }
        (TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_), file @ DataType::Timestamp(TimeUnit::Nanosecond, _)) => {
            let both = array.as_struct();
            let (millis, nanos) =
                (both.column(0).as_primitive::<Int64Type>(), both.column(1).as_primitive::<Int32Type>());
            let mut values = Vec::with_capacity(array.len());
            for row in 0..array.len() {
                let value = if array.is_null(row) { Some(0) } else { nanos_of(millis.value(row), nanos.value(row)) };
                values.push(value.ok_or_else(|| {
                    Error::data("a timestamp lies outside of the years 1677 to 2262")
                        .with_detail("Parquet has 64 bits for nanoseconds.".to_owned())
                })?);
            }
            let column = PrimitiveArray::<TimestampNanosecondType>::new(values.into(), array.nulls().cloned());
            Ok(Arc::new(column.with_data_type(file)))
        }
        _ => Ok(array.clone()),
    }
}

fn nanos_of(millis: i64, nanos: i32) -> Option<i64> {
    millis.checked_mul(1_000_000)?.checked_add(nanos.into())
}

fn map_to_file(array: &ArrayRef, key: &LogicalType, value: &LogicalType, field: FieldRef) -> Result<ArrayRef> {
    let list = array.as_list::<i32>();
    let entries = list.values().as_struct();
    if entries.column(0).null_count() > 0 {
        return Err(Error::data("format 'parquet' cannot write a map with a null key"));
    }
    let DataType::Struct(fields) = field.data_type() else { return Err(Error::internal("a map has no entries")) };
    let children = vec![to_file(entries.column(0), key)?, to_file(entries.column(1), value)?];
    let entries = StructArray::try_new(fields.clone(), children, None)?;
    Ok(Arc::new(MapArray::try_new(field.clone(), list.offsets().clone(), entries, list.nulls().cloned(), false)?))
}

/// The file's column as ours.
///
/// # Errors
/// If the file's type cannot be read as this one.
pub(super) fn from_file(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef> {
    let target = ty.arrow();
    let read = match &ty.kind {
        TypeKind::Array(element) => return list(array, element, ty),
        TypeKind::Map(key, value) => return map(array, key, value, ty),
        TypeKind::Multiset(element) => return map(array, element, &LogicalType::not_null(TypeKind::Int), ty),
        TypeKind::Row(fields) => return row(array, fields, ty),
        // A struct would be a timestamp that says its nanoseconds itself: no file is written so.
        _ if *array.data_type() == target && !target.is_nested() => Some(array.clone()),
        TypeKind::TinyInt => narrowed::<Int8Type>(array),
        TypeKind::SmallInt => narrowed::<Int16Type>(array),
        TypeKind::Int => narrowed::<Int32Type>(array),
        TypeKind::BigInt => narrowed::<Int64Type>(array),
        TypeKind::Double => double(array),
        TypeKind::Decimal { scale, .. } => decimal(array, *scale, &target),
        TypeKind::Char(_) | TypeKind::Varchar(_) => text(array),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => bytes(array),
        TypeKind::Time(_) => time(array),
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => timestamp(array, *p, &target)?,
        _ => None,
    };
    let read = read.ok_or_else(|| mismatch(array, ty))?;
    check_values(&read, ty)?;
    Ok(read)
}

/// Checks what Arrow's type does not say: that times lie within a day, and that decimals have no more digits.
fn check_values(array: &ArrayRef, ty: &LogicalType) -> Result<()> {
    let wrong = match &ty.kind {
        TypeKind::Time(_) => {
            let mut times = array.as_primitive::<Time32MillisecondType>().iter().flatten();
            times.find(|millis| !(0..DAY_MILLIS).contains(millis)).map(|millis| format!("{millis} ms"))
        }
        TypeKind::Decimal { precision, .. } => {
            let column = array.as_primitive::<Decimal128Type>();
            let largest = 10_i128.pow(u32::from((*precision).min(38))) - 1;
            let mut values = column.iter().flatten();
            values
                .find(|value| value.unsigned_abs() > largest.unsigned_abs())
                .map(|value| format!("{value} (unscaled)"))
        }
        _ => None,
    };
    wrong.map_or(Ok(()), |value| Err(Error::data(format!("the file has the value {value}, which is no {ty}"))))
}

fn mismatch(array: &ArrayRef, ty: &LogicalType) -> Error {
    Error::data(format!("the file has the type {}, which is no {ty}", array.data_type()))
}

/// Integers of any width, if all values fit.
fn narrowed<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<ArrayRef>
where
    T::Native: TryFrom<i64>,
{
    let wide: Vec<i64> = match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().values().iter().map(|v| i64::from(*v)).collect(),
        DataType::Int16 => array.as_primitive::<Int16Type>().values().iter().map(|v| i64::from(*v)).collect(),
        DataType::Int32 => array.as_primitive::<Int32Type>().values().iter().map(|v| i64::from(*v)).collect(),
        DataType::Int64 => array.as_primitive::<Int64Type>().values().to_vec(),
        _ => return None,
    };
    let fit = |(row, value): (usize, i64)| {
        if array.is_null(row) { Some(T::Native::default()) } else { T::Native::try_from(value).ok() }
    };
    let values: Option<Vec<T::Native>> = wide.into_iter().enumerate().map(fit).collect();
    Some(Arc::new(PrimitiveArray::<T>::new(values?.into(), array.nulls().cloned())))
}

fn double(array: &ArrayRef) -> Option<ArrayRef> {
    let floats = array.as_primitive_opt::<Float32Type>()?;
    let values: Vec<f64> = floats.values().iter().map(|v| f64::from(*v)).collect();
    Some(Arc::new(Float64Array::new(values.into(), array.nulls().cloned())))
}

/// A decimal of the same scale and any precision.
fn decimal(array: &ArrayRef, scale: u8, target: &DataType) -> Option<ArrayRef> {
    let column = array.as_primitive_opt::<Decimal128Type>()?;
    let DataType::Decimal128(precision, _) = target else { return None };
    let same = column.scale() == scale as i8 && column.precision() <= *precision;
    same.then(|| Arc::new(column.clone().with_data_type(target.clone())) as ArrayRef)
}

fn text(array: &ArrayRef) -> Option<ArrayRef> {
    let bytes = array.as_binary_opt::<i32>()?;
    Some(Arc::new(StringArray::try_from_binary(bytes.clone()).ok()?))
}

fn bytes(array: &ArrayRef) -> Option<ArrayRef> {
    if let Some(text) = array.as_string_opt::<i32>() {
        return Some(Arc::new(BinaryArray::from(text.clone())));
    }
    let fixed = array.as_fixed_size_binary_opt()?;
    Some(Arc::new(fixed.iter().collect::<BinaryArray>()))
}

fn time(array: &ArrayRef) -> Option<ArrayRef> {
    // What does not fit lies outside of a day, which is found next.
    let to_millis = |values: &[i64], per_milli: i64| {
        let values: Vec<i32> =
            values.iter().map(|v| (v.div_euclid(per_milli)).try_into().unwrap_or(i32::MAX)).collect();
        Arc::new(PrimitiveArray::<Time32MillisecondType>::new(values.into(), array.nulls().cloned())) as ArrayRef
    };
    if let Some(micros) = array.as_primitive_opt::<Time64MicrosecondType>() {
        return Some(to_millis(micros.values(), 1000));
    }
    array.as_primitive_opt::<Time64NanosecondType>().map(|nanos| to_millis(nanos.values(), 1_000_000))
}

/// A timestamp of any unit, cut to the precision.
///
/// # Errors
/// If one is too far away for the unit of the column.
fn timestamp(array: &ArrayRef, precision: u8, target: &DataType) -> Result<Option<ArrayRef>> {
    let (values, per_second): (&[i64], i64) = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => (array.as_primitive::<TimestampSecondType>().values(), 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().values(), 1000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            (array.as_primitive::<TimestampMicrosecondType>().values(), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            (array.as_primitive::<TimestampNanosecondType>().values(), 1_000_000_000)
        }
        _ => return Ok(None),
    };
    let nulls = array.nulls().cloned();
    let scaled = |wanted: i64| -> Result<Vec<i64>> {
        let scale = |(row, value): (usize, &i64)| {
            if wanted < per_second {
                return Ok(value.div_euclid(per_second / wanted));
            }
            let scaled = value.checked_mul(wanted / per_second).or_else(|| array.is_null(row).then_some(0));
            scaled.ok_or_else(|| Error::data(format!("the timestamp {value} of the file is out of range")))
        };
        values.iter().enumerate().map(scale).collect()
    };
    Ok(Some(match TimestampUnit::of(precision) {
        TimestampUnit::Millis => {
            let column = PrimitiveArray::<TimestampMillisecondType>::new(scaled(1000)?.into(), nulls);
            Arc::new(column.with_data_type(target.clone()))
        }
        TimestampUnit::Micros => {
            let column = PrimitiveArray::<TimestampMicrosecondType>::new(scaled(1_000_000)?.into(), nulls);
            Arc::new(column.with_data_type(target.clone()))
        }
        TimestampUnit::MillisAndNanos => {
            let per_milli = per_second / 1000;
            let nanos = |value: &i64| match per_milli {
                0 | 1 => 0,
                _ => (value.rem_euclid(per_milli) * (1_000_000 / per_milli)) as i32,
            };
            let nanos: Vec<i32> = values.iter().map(nanos).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(PrimitiveArray::<Int64Type>::new(scaled(1000)?.into(), None)),
                Arc::new(PrimitiveArray::<Int32Type>::new(nanos.into(), None)),
            ];
            Arc::new(StructArray::try_new(nano_fields(), columns, nulls)?)
        }
    }))
}

fn list(array: &ArrayRef, element: &LogicalType, ty: &LogicalType) -> Result<ArrayRef> {
    let (Some(list), DataType::List(field)) = (array.as_list_opt::<i32>(), ty.arrow()) else {
        return Err(mismatch(array, ty));
    };
    let child = from_file(list.values(), element)?;
    let list = ListArray::try_new(field, list.offsets().clone(), child, list.nulls().cloned());
    Ok(Arc::new(list.map_err(null_in_not_null)?))
}

fn map(array: &ArrayRef, key: &LogicalType, value: &LogicalType, ty: &LogicalType) -> Result<ArrayRef> {
    let (Some(map), DataType::List(field)) = (array.as_map_opt(), ty.arrow()) else {
        return Err(mismatch(array, ty));
    };
    let DataType::Struct(fields) = field.data_type() else { return Err(mismatch(array, ty)) };
    let children = vec![from_file(map.keys(), key)?, from_file(map.values(), value)?];
    let entries = StructArray::try_new(fields.clone(), children, None).map_err(null_in_not_null)?;
    Ok(Arc::new(ListArray::try_new(field, map.offsets().clone(), Arc::new(entries), map.nulls().cloned())?))
}

/// The fields by name; one that the file does not have is null.
fn row(array: &ArrayRef, fields: &[Field], ty: &LogicalType) -> Result<ArrayRef> {
    let (Some(row), DataType::Struct(ours)) = (array.as_struct_opt(), ty.arrow()) else {
        return Err(mismatch(array, ty));
    };
    let child = |field: &Field| match row.column_by_name(&field.name) {
        Some(column) => from_file(column, &field.ty),
        None => Ok(new_null_array(&field.ty.arrow(), row.len())),
    };
    let children = fields.iter().map(child).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new(ours, children, row.nulls().cloned()).map_err(null_in_not_null)?))
}

/// Types and lengths are right by then.
fn null_in_not_null(e: ArrowError) -> Error {
    Error::data("a null lies where the type says NOT NULL").with_source(e)
}
