//! Columns into memory, and out of it again.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, StringArray, make_array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::kernel::Layout;
use crate::lane::Lane;

/// Days of the years 1 to 9999 since the epoch.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;
const DAY_MS: i64 = 86_400_000;

/// The bytes of a column of texts or bytes, of all its rows.
pub(crate) fn bytes(column: &ArrayRef) -> &[u8] {
    let (offsets, values) = places(column);
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    &values[first as usize..last as usize]
}

/// Where the values of a column of texts or bytes begin and end.
pub(crate) fn offsets(column: &ArrayRef) -> &[i32] {
    places(column).0
}

fn places(column: &ArrayRef) -> (&[i32], &[u8]) {
    match column.as_string_opt::<i32>() {
        Some(texts) => (texts.value_offsets(), texts.value_data()),
        None => column.as_binary_opt::<i32>().map_or((&[], &[]), |bytes| (bytes.value_offsets(), bytes.value_data())),
    }
}

/// Writes pointer and length of each value, which lie behind each other from an address on. A null has none.
pub(crate) fn write_places(memory: &mut [u8], at: usize, column: &ArrayRef, base: u32) {
    let offsets = places(column).0;
    let first = offsets.first().copied().unwrap_or(0);
    for (row, place) in memory[at..at + 8 * column.len()].chunks_exact_mut(8).enumerate() {
        let (begin, end) = (offsets[row], offsets[row + 1]);
        let length = if column.is_null(row) { 0 } else { end - begin };
        place[..4].copy_from_slice(&(base + (begin - first) as u32).to_le_bytes());
        place[4..].copy_from_slice(&(length as u32).to_le_bytes());
    }
}

/// Writes a column of numbers as it lies. A null is zero.
pub(crate) fn write_column(memory: &mut [u8], at: usize, column: &ArrayRef, lane: Lane) {
    let width = lane.argument_bytes() as usize;
    let memory = &mut memory[at..at + width * column.len()];
    if let Some(truths) = column.as_boolean_opt() {
        memory.iter_mut().zip(truths.values()).for_each(|(byte, truth)| *byte = u8::from(truth));
    } else {
        let data = column.to_data();
        let begin = data.offset() * width;
        memory.copy_from_slice(&data.buffers()[0].as_slice()[begin..begin + memory.len()]);
    }
    if let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) {
        let rows = memory.chunks_exact_mut(width).zip(nulls);
        rows.filter(|(_, valid)| !valid).for_each(|(value, _)| value.fill(0));
    }
}

/// Writes 1 for each null.
pub(crate) fn write_nulls(memory: &mut [u8], column: &ArrayRef) {
    match column.nulls() {
        Some(nulls) => memory.iter_mut().zip(nulls).for_each(|(byte, valid)| *byte = u8::from(!valid)),
        None => memory.fill(0),
    }
}

/// Writes 1 for each row that has no null in any argument.
pub(crate) fn write_called(memory: &mut [u8], columns: &[ArrayRef]) {
    memory.fill(1);
    for nulls in columns.iter().filter_map(|column| column.nulls()).filter(|nulls| nulls.null_count() > 0) {
        memory.iter_mut().zip(nulls).for_each(|(byte, valid)| *byte &= u8::from(valid));
    }
}

/// The results of a batch, piece by piece.
pub(crate) struct Results<'a> {
    name: &'a str,
    ty: &'a LogicalType,
    lane: Lane,
    called: Vec<u8>,
    /// Numbers as they lie; of bytes, the values.
    bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl<'a> Results<'a> {
    pub(crate) fn new(name: &'a str, ty: &'a LogicalType, lane: Lane, rows: usize) -> Self {
        let bytes = if lane == Lane::Bytes { 0 } else { rows * lane.result_bytes() as usize };
        let (called, bytes) = (Vec::with_capacity(rows), Vec::with_capacity(bytes));
        Results { name, ty, lane, called, bytes, offsets: vec![0] }
    }

    /// Takes what the loop has left.
    pub(crate) fn add(&mut self, memory: &[u8], layout: &Layout, rows: usize) -> Result<()> {
        self.called.extend_from_slice(&memory[layout.called(rows)]);
        let results = &memory[layout.results..layout.results + rows * self.lane.result_bytes() as usize];
        if self.lane != Lane::Bytes {
            self.bytes.extend_from_slice(results);
            return Ok(());
        }
        let base = self.bytes.len();
        let ends = || results.chunks_exact(4).map(|end| u32::from_le_bytes([end[0], end[1], end[2], end[3]]) as usize);
        let all = ends().next_back().unwrap_or(0);
        if i32::try_from(base + all).is_err() {
            return Err(Error::data(format!("function '{}' gave more than 2 GB for one batch", self.name)));
        }
        self.offsets.extend(ends().map(|end| (base + end) as i32));
        self.bytes.extend_from_slice(&memory[layout.bytes..layout.bytes + all]);
        Ok(())
    }

    /// The column. So many rows were not called, as an argument was null.
    pub(crate) fn finish(mut self, uncalled: usize) -> Result<ArrayRef> {
        let nulls: Option<NullBuffer> =
            self.called.contains(&0).then(|| self.called.iter().map(|called| *called != 0).collect());
        if !self.ty.nullable && nulls.as_ref().map_or(0, NullBuffer::null_count) > uncalled {
            return Err(Error::data(format!("function '{}' gave null, and RETURNS {}", self.name, self.ty)));
        }
        if self.lane == Lane::Bytes {
            return self.of_bytes(nulls);
        }
        // What a row has that was not called is whatever was there.
        if let Some(nulls) = &nulls {
            let rows = self.bytes.chunks_exact_mut(self.lane.result_bytes() as usize).zip(nulls);
            rows.filter(|(_, valid)| !valid).for_each(|(value, _)| value.fill(0));
        }
        let array: ArrayRef = match self.lane {
            Lane::Truth => Arc::new(BooleanArray::new(self.narrow().map(|truth| truth != 0).collect(), nulls)),
            Lane::I8 => Arc::new(Int8Array::new(self.narrowed()?.into(), nulls)),
            Lane::I16 => Arc::new(Int16Array::new(self.narrowed()?.into(), nulls)),
            Lane::I128 => self.decimal(nulls)?,
            Lane::F32 => Arc::new(Float32Array::new(self.numbers(f32::from_le_bytes).collect(), nulls)),
            Lane::F64 => Arc::new(Float64Array::new(self.numbers(f64::from_le_bytes).collect(), nulls)),
            Lane::I64 => Arc::new(Int64Array::new(self.wide().map(|n| self.checked(n)).collect::<Result<_>>()?, nulls)),
            Lane::I32 | Lane::Bytes => {
                let numbers = self.narrow().map(|n| self.checked(n.into()).map(|_| n));
                Arc::new(Int32Array::new(numbers.collect::<Result<_>>()?, nulls))
            }
        };
        let data = array.to_data().into_builder().data_type(self.ty.arrow());
        Ok(make_array(data.build()?))
    }

    fn numbers<T, const N: usize>(&self, number: fn([u8; N]) -> T) -> impl Iterator<Item = T> {
        self.bytes.as_chunks::<N>().0.iter().map(move |bytes| number(*bytes))
    }

    fn narrow(&self) -> impl Iterator<Item = i32> {
        self.numbers(i32::from_le_bytes)
    }

    fn wide(&self) -> impl Iterator<Item = i64> {
        self.numbers(i64::from_le_bytes)
    }

    fn narrowed<T: TryFrom<i32>>(&self) -> Result<Vec<T>> {
        self.narrow().map(|n| T::try_from(n).map_err(|_| self.no_value())).collect()
    }

    /// A number that may stand for a value of the type.
    fn checked(&self, number: i64) -> Result<i64> {
        let within = |per_day: i64| DAYS.contains(&number.div_euclid(per_day));
        let fits = match self.ty.kind {
            TypeKind::Date => within(1),
            TypeKind::Time(_) => (0..DAY_MS).contains(&number),
            TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3) => within(DAY_MS),
            TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => within(DAY_MS * 1000),
            _ => true,
        };
        if fits { Ok(number) } else { Err(self.no_value()) }
    }

    fn decimal(&self, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let TypeKind::Decimal { precision, scale } = self.ty.kind else {
            return Err(Error::internal(format!("a decimal as {}", self.ty)));
        };
        let bound = 10_i64.pow(precision.into());
        let checked = |n: i64| if (1 - bound..bound).contains(&n) { Ok(i128::from(n)) } else { Err(self.no_value()) };
        let numbers = self.wide().map(checked).collect::<Result<Vec<i128>>>()?;
        Ok(Arc::new(Decimal128Array::new(numbers.into(), nulls).with_precision_and_scale(precision, scale as i8)?))
    }

    fn of_bytes(self, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(self.offsets.into());
        let values = Buffer::from_vec(self.bytes);
        if self.ty.arrow() == DataType::Binary {
            return Ok(Arc::new(BinaryArray::try_new(offsets, values, nulls)?));
        }
        let texts = StringArray::try_new(offsets, values, nulls);
        Ok(Arc::new(texts.map_err(|_| Error::data(format!("function '{}' gave text that is no UTF-8", self.name)))?))
    }

    fn no_value(&self) -> Error {
        Error::data(format!("function '{}' gave a number that is no {}", self.name, self.ty.kind))
    }
}
