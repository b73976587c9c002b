//! Makes columns: each row of a column has its own stream of random numbers.

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    ListArray, PrimitiveArray, StringArray, StructArray, Time32MillisecondArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use flott_api::types::TimestampUnit;
use flott_api::types::arrow::nano_fields;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::fields::{Node, Values};

/// SplitMix64 (Sebastiano Vigna, public domain): one word of state, so a column of streams is a column of words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Stream {
    /// The stream of one row of one column.
    pub(super) fn new(seed: u64, column: u64, row: u64) -> Self {
        let mut of_column = Stream(seed ^ column.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Stream(Stream(of_column.next() ^ row.wrapping_mul(STEP)).next())
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to below 1.
    #[inline]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `bound`, or any word if it is 2^64.
    #[inline]
    fn below(&mut self, bound: u128) -> u64 {
        ((u128::from(self.next()) * bound) >> 64) as u64
    }
}

/// The rows to be made.
pub(super) struct Rows {
    /// The number of the first.
    pub(super) first: u64,
    /// Milliseconds since the epoch.
    pub(super) now_ms: i64,
}

/// Makes a column with a row for each stream.
///
/// # Errors
/// If the values do not fit an array.
pub(super) fn column(node: &Node, streams: &mut [Stream], rows: &Rows) -> Result<ArrayRef> {
    let nulls = (node.null_rate > 0.0).then(|| {
        let valid: Vec<bool> = streams.iter_mut().map(|s| s.unit() >= node.null_rate).collect();
        NullBuffer::from(valid)
    });
    match &node.values {
        Values::Integer { min, max } => {
            let bound = (i128::from(*max) - i128::from(*min)) as u128 + 1;
            let values = streams.iter_mut().map(|s| min.wrapping_add(s.below(bound) as i64));
            integers(&node.ty, values, nulls)
        }
        Values::Sequence { start, .. } => sequence(&node.ty, start.wrapping_add_unsigned(rows.first), streams.len()),
        Values::Float { min, max } => {
            // Half and half, because the distance of the ends may be infinite.
            let values = streams.iter_mut().map(|s| {
                let share = s.unit();
                (min * (1.0 - share) + max * share).clamp(*min, *max)
            });
            Ok(floats(&node.ty, values, nulls))
        }
        Values::Decimal { min, max } => {
            let bound = (max - min) as f64 + 1.0;
            let value = |s: &mut Stream| (min + (s.unit() * bound) as i128).min(*max);
            let values: Vec<i128> = streams.iter_mut().map(value).collect();
            Ok(Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(node.ty.arrow())))
        }
        Values::Text { length, variable } => text(&node.ty, (*length, *variable), streams, nulls),
        Values::Boolean => {
            let values: Vec<bool> = streams.iter_mut().map(|s| s.next() >> 63 == 1).collect();
            Ok(Arc::new(BooleanArray::new(values.into(), nulls)))
        }
        Values::Past { max_ms } => {
            let ago = |s: &mut Stream| s.below(u128::from(*max_ms) + 1) as i64;
            let millis: Vec<i64> = streams.iter_mut().map(|s| rows.now_ms.saturating_sub(ago(s))).collect();
            timestamps(&node.ty, millis, nulls)
        }
        Values::Now => Ok(now(&node.ty, rows.now_ms, streams.len())),
        Values::Array { length, element } => {
            let child = column(element, &mut child_streams(streams, *length), rows)?;
            list(&node.ty, *length, streams.len(), child)
        }
        Values::Map { length, key, value } => {
            let keys = column(key, &mut child_streams(streams, *length), rows)?;
            let values = column(value, &mut child_streams(streams, *length), rows)?;
            let DataType::List(entry) = node.ty.arrow() else { return Err(no_such_type(&node.ty)) };
            let DataType::Struct(fields) = entry.data_type() else { return Err(no_such_type(&node.ty)) };
            let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
            list(&node.ty, *length, streams.len(), Arc::new(entries))
        }
        Values::Row(children) => {
            let DataType::Struct(fields) = node.ty.arrow() else { return Err(no_such_type(&node.ty)) };
            let columns = children.iter().map(|c| column(c, streams, rows)).collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields, columns, None, streams.len())?))
        }
    }
}

fn no_such_type(ty: &LogicalType) -> Error {
    Error::internal(format!("datagen cannot make a column of type {ty}"))
}

fn child_streams(streams: &mut [Stream], length: u32) -> Vec<Stream> {
    streams.iter_mut().flat_map(|s| (0..length).map(|_| Stream(s.next())).collect::<Vec<_>>()).collect()
}

fn primitive<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.collect::<Vec<_>>().into(), nulls))
}

fn integers(ty: &LogicalType, values: impl Iterator<Item = i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    Ok(match &ty.kind {
        TypeKind::TinyInt => primitive::<Int8Type>(values.map(|v| v as i8), nulls),
        TypeKind::SmallInt => primitive::<Int16Type>(values.map(|v| v as i16), nulls),
        TypeKind::Int => primitive::<Int32Type>(values.map(|v| v as i32), nulls),
        TypeKind::BigInt => primitive::<Int64Type>(values, nulls),
        _ => return Err(no_such_type(ty)),
    })
}

fn floats(ty: &LogicalType, values: impl Iterator<Item = f64>, nulls: Option<NullBuffer>) -> ArrayRef {
    match ty.kind {
        TypeKind::Float => Arc::new(Float32Array::new(values.map(|v| v as f32).collect::<Vec<_>>().into(), nulls)),
        _ => Arc::new(Float64Array::new(values.collect::<Vec<_>>().into(), nulls)),
    }
}

fn sequence(ty: &LogicalType, first: i64, rows: usize) -> Result<ArrayRef> {
    let values = (0..rows as i64).map(|i| first.wrapping_add(i));
    Ok(match &ty.kind {
        TypeKind::Float | TypeKind::Double => floats(ty, values.map(|v| v as f64), None),
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            Arc::new(StringArray::from_iter_values(values.map(|v| v.to_string())))
        }
        TypeKind::Decimal { scale, .. } => {
            let unit = 10_i128.pow(u32::from(*scale));
            let values: Vec<i128> = values.map(|v| i128::from(v) * unit).collect();
            Arc::new(Decimal128Array::new(values.into(), None).with_data_type(ty.arrow()))
        }
        _ => return integers(ty, values, None),
    })
}

fn text(
    ty: &LogicalType,
    (length, variable): (u32, bool),
    streams: &mut [Stream],
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let characters = ty.kind.is_character();
    let mut bytes = Vec::with_capacity(streams.len() * length as usize);
    let mut ends = Vec::with_capacity(streams.len() + 1);
    ends.push(0);
    for stream in streams {
        let count = if variable { 1 + stream.below(u128::from(length)) as usize } else { length as usize };
        let end = bytes.len() + count;
        while bytes.len() < end {
            let word = stream.next();
            let random = word.to_le_bytes();
            let hex = random.iter().flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
            let left = end - bytes.len();
            if characters { bytes.extend(hex.take(left)) } else { bytes.extend(random.into_iter().take(left)) }
        }
        ends.push(i32::try_from(bytes.len()).map_err(|_| Error::invalid("a batch of datagen texts is too long"))?);
    }
    let (offsets, bytes) = (OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(bytes));
    if characters {
        return Ok(Arc::new(StringArray::try_new(offsets, bytes, nulls)?));
    }
    Ok(Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?))
}

fn timestamps(ty: &LogicalType, millis: Vec<i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let (TypeKind::Timestamp(precision) | TypeKind::TimestampLtz(precision)) = ty.kind else {
        return Err(no_such_type(ty));
    };
    let second = if precision == 0 { 1000 } else { 1 };
    let cut = millis.into_iter().map(|ms| ms - ms.rem_euclid(second));
    Ok(match TimestampUnit::of(precision) {
        TimestampUnit::Millis => {
            let values = cut.collect::<Vec<_>>().into();
            Arc::new(PrimitiveArray::<TimestampMillisecondType>::new(values, nulls).with_data_type(ty.arrow()))
        }
        TimestampUnit::Micros => {
            let values = cut.map(|ms| ms.saturating_mul(1000)).collect::<Vec<_>>().into();
            Arc::new(PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls).with_data_type(ty.arrow()))
        }
        TimestampUnit::MillisAndNanos => {
            let millis: Vec<i64> = cut.collect();
            let nanos = primitive::<Int32Type>(std::iter::repeat_n(0, millis.len()), None);
            let columns = vec![primitive::<Int64Type>(millis.into_iter(), None), nanos];
            Arc::new(StructArray::try_new(nano_fields(), columns, nulls)?)
        }
    })
}

fn now(ty: &LogicalType, now_ms: i64, rows: usize) -> ArrayRef {
    const DAY_MS: i64 = 86_400_000;
    let of_day = now_ms.rem_euclid(DAY_MS) as i32;
    match ty.kind {
        TypeKind::Time(precision) => {
            let unit = 10_i32.pow(3 - u32::from(precision.min(3)));
            Arc::new(Time32MillisecondArray::from_iter_values(std::iter::repeat_n(of_day - of_day % unit, rows)))
        }
        _ => Arc::new(Date32Array::from_iter_values(std::iter::repeat_n(now_ms.div_euclid(DAY_MS) as i32, rows))),
    }
}

fn list(ty: &LogicalType, length: u32, rows: usize, child: ArrayRef) -> Result<ArrayRef> {
    let DataType::List(field) = ty.arrow() else { return Err(no_such_type(ty)) };
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(length as usize, rows));
    Ok(Arc::new(ListArray::try_new(field, offsets, child, None)?))
}
