//! Columns of some rows, copied: what an exchange does with nearly all that goes through it.
//!
//! As `take` of arrow-select, but short texts are copied in steps of one size instead of by a call each, and columns with
//! the same nulls, as the fields of a row have them, share those of the result.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, PrimitiveArray, StringArray, UInt32Array,
    downcast_primitive_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use arrow_select::take::take;

use crate::{Error, Result};

/// So many bytes are copied at once; what is too much is cut off again.
const STEP: usize = 32;
/// A longer value is copied by one call.
const STEPPED_BYTES_MAX: usize = 8 * STEP;

/// The columns of these rows, in this order.
///
/// # Errors
/// If a row does not exist, or a column of texts would have more than 2 GB.
pub fn taken_columns(columns: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let last = rows.iter().max().map_or(0, |row| *row as usize + 1);
    if columns.iter().any(|column| column.len() < last) {
        return Err(Error::internal("a row is taken that is not there"));
    }
    let mut nulls = Nulls::default();
    columns.iter().map(|column| taken(column, rows, &mut nulls)).collect()
}

fn taken<'a>(column: &'a ArrayRef, rows: &[u32], nulls: &mut Nulls<'a>) -> Result<ArrayRef> {
    let array = column.as_ref();
    downcast_primitive_array!(
        array => Ok(primitive(array, rows, nulls.of(column, rows))),
        DataType::Utf8 => Ok(Arc::new(texts(array.as_string(), rows, nulls.of(column, rows))?)),
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            let (offsets, values) = copied(array.value_offsets(), array.value_data(), rows)?;
            Ok(Arc::new(BinaryArray::new(offsets, values, nulls.of(column, rows))))
        }
        _ => Ok(take(array, &UInt32Array::from(rows.to_vec()), None)?)
    )
}

fn primitive<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, rows: &[u32], nulls: Option<NullBuffer>) -> ArrayRef {
    let values = array.values();
    let taken: Vec<T::Native> = rows.iter().map(|row| values[*row as usize]).collect();
    Arc::new(PrimitiveArray::<T>::new(taken.into(), nulls).with_data_type(array.data_type().clone()))
}

#[expect(unsafe_code, reason = "to look at all texts again would cost as much as to copy them")]
fn texts(array: &StringArray, rows: &[u32], nulls: Option<NullBuffer>) -> Result<StringArray> {
    let (offsets, values) = copied(array.value_offsets(), array.value_data(), rows)?;
    // SAFETY: `copied` puts whole values one behind the other, each from offset to offset, and all were texts before;
    // there are as many nulls as rows.
    Ok(unsafe { StringArray::new_unchecked(offsets, values, nulls) })
}

/// The values of these rows, one behind the other.
fn copied(offsets: &[i32], values: &[u8], rows: &[u32]) -> Result<(OffsetBuffer<i32>, Buffer)> {
    let mut ends = Vec::with_capacity(rows.len() + 1);
    let mut end = 0i32;
    ends.push(end);
    for row in rows {
        let row = *row as usize;
        end = end.checked_add(offsets[row + 1] - offsets[row]).ok_or_else(too_large)?;
        ends.push(end);
    }
    let mut taken = Vec::with_capacity(end as usize + STEP);
    for row in rows {
        let row = *row as usize;
        append(&mut taken, values, offsets[row] as usize, offsets[row + 1] as usize);
    }
    Ok((OffsetBuffer::new(ends.into()), Buffer::from_vec(taken)))
}

#[inline]
fn append(taken: &mut Vec<u8>, values: &[u8], from: usize, to: usize) {
    let end = taken.len() + (to - from);
    if to - from > STEPPED_BYTES_MAX {
        taken.extend_from_slice(&values[from..to]);
        return;
    }
    let mut at = from;
    while at < to {
        match values[at..].first_chunk::<STEP>() {
            Some(step) => taken.extend_from_slice(step),
            None => taken.extend_from_slice(&values[at..]),
        }
        at += STEP;
    }
    taken.truncate(end);
}

fn too_large() -> Error {
    Error::invalid("texts of one batch take more than 2 GB").with_hint("Split the rows, or their texts, at the source.")
}

/// The nulls of columns that were taken.
#[derive(Default)]
struct Nulls<'a> {
    seen: Vec<(&'a NullBuffer, Option<NullBuffer>)>,
}

impl<'a> Nulls<'a> {
    fn of(&mut self, column: &'a ArrayRef, rows: &[u32]) -> Option<NullBuffer> {
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0)?;
        let are_same = |other: &NullBuffer| {
            let place = |nulls: &NullBuffer| (nulls.inner().values().as_ptr(), nulls.offset(), nulls.len());
            place(other) == place(nulls)
        };
        if let Some((_, taken)) = self.seen.iter().find(|(seen, _)| are_same(seen)) {
            return taken.clone();
        }
        let taken = BooleanBuffer::collect_bool(rows.len(), |row| nulls.is_valid(rows[row] as usize));
        let taken = Some(NullBuffer::new(taken)).filter(|taken| taken.null_count() > 0);
        self.seen.push((nulls, taken.clone()));
        taken
    }
}

#[cfg(test)]
mod tests;
