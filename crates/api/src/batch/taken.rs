//! Columns of some rows, copied: what an exchange does with nearly all that goes through it.
//!
//! As `take` of arrow-select, but texts of rows that follow each other are copied at once, short ones in steps of one size
//! instead of by a call each, and columns with the same nulls, as the fields of a row have them, share those of the result.

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
    let (mut runs, mut nulls) = (Runs::new(rows), Nulls::default());
    columns.iter().map(|column| taken(column, &mut runs, &mut nulls)).collect()
}

fn taken<'a>(column: &'a ArrayRef, runs: &mut Runs<'_>, nulls: &mut Nulls<'a>) -> Result<ArrayRef> {
    let (array, rows) = (column.as_ref(), runs.rows);
    downcast_primitive_array!(
        array => Ok(primitive(array, rows, nulls.of(column, rows))),
        DataType::Utf8 => Ok(Arc::new(texts(array.as_string(), runs, nulls.of(column, rows))?)),
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            let (offsets, values) = copied(array.value_offsets(), array.value_data(), runs)?;
            Ok(Arc::new(BinaryArray::new(offsets, values, nulls.of(column, rows))))
        }
        _ => Ok(take(array, &UInt32Array::from(rows.to_vec()), None)?)
    )
}

/// Rows, and where they follow each other: of two halves of a batch, a row is mostly behind another one of its half.
struct Runs<'r> {
    rows: &'r [u32],
    /// From a first row to the one behind a last row; empty until the first column of texts asks.
    runs: Vec<(u32, u32)>,
}

impl<'r> Runs<'r> {
    fn new(rows: &'r [u32]) -> Self {
        Runs { rows, runs: Vec::new() }
    }

    fn get(&mut self) -> &[(u32, u32)] {
        if self.runs.is_empty() {
            self.runs.reserve(self.rows.len());
            let mut rows = self.rows.iter().copied();
            let Some(first) = rows.next() else { return &self.runs };
            let mut run = (first, first + 1);
            for row in rows {
                if row != run.1 {
                    self.runs.push(std::mem::replace(&mut run, (row, row)));
                }
                run.1 = row + 1;
            }
            self.runs.push(run);
        }
        &self.runs
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, rows: &[u32], nulls: Option<NullBuffer>) -> ArrayRef {
    let values = array.values();
    let taken: Vec<T::Native> = rows.iter().map(|row| values[*row as usize]).collect();
    Arc::new(PrimitiveArray::<T>::new(taken.into(), nulls).with_data_type(array.data_type().clone()))
}

#[expect(unsafe_code, reason = "to look at all texts again would cost as much as to copy them")]
fn texts(array: &StringArray, runs: &mut Runs<'_>, nulls: Option<NullBuffer>) -> Result<StringArray> {
    let (offsets, values) = copied(array.value_offsets(), array.value_data(), runs)?;
    // SAFETY: `copied` puts whole values one behind the other, each from offset to offset, and all were texts before;
    // there are as many nulls as rows.
    Ok(unsafe { StringArray::new_unchecked(offsets, values, nulls) })
}

/// The values of these rows, one behind the other.
fn copied(offsets: &[i32], values: &[u8], runs: &mut Runs<'_>) -> Result<(OffsetBuffer<i32>, Buffer)> {
    let rows = runs.rows;
    let values = copied_values(offsets, values, runs.get())?;
    let mut end = 0;
    let mut ends = Vec::with_capacity(rows.len() + 1);
    ends.push(end);
    ends.extend(rows.iter().map(|row| {
        end += offsets[*row as usize + 1] - offsets[*row as usize];
        end
    }));
    Ok((OffsetBuffer::new(ends.into()), Buffer::from_vec(values)))
}

#[expect(unsafe_code, reason = "to clear the memory first would be to write it twice")]
fn copied_values(offsets: &[i32], values: &[u8], runs: &[(u32, u32)]) -> Result<Vec<u8>> {
    let places = |(first, behind): &(u32, u32)| (offsets[*first as usize] as usize, offsets[*behind as usize] as usize);
    let bytes: usize = runs.iter().map(places).map(|(from, to)| to - from).sum();
    if bytes > i32::MAX as usize {
        return Err(too_large());
    }
    let mut copied = Vec::with_capacity(bytes + STEP);
    let room = copied.spare_capacity_mut();
    let mut at = 0;
    for (from, to) in runs.iter().map(places) {
        let stepped = (to - from).next_multiple_of(STEP);
        match values.get(from..from + stepped) {
            // What is copied too much is written over by the next values.
            Some(values) if stepped <= STEPPED_BYTES_MAX => {
                let (steps, _) = room[at..at + stepped].as_chunks_mut::<STEP>();
                for (copy, step) in steps.iter_mut().zip(values.as_chunks::<STEP>().0) {
                    copy.write_copy_of_slice(step);
                }
            }
            _ => _ = room[at..at + (to - from)].write_copy_of_slice(&values[from..to]),
        }
        at += to - from;
    }
    // SAFETY: each run was written behind the one before it, and all of them are `at` bytes.
    unsafe { copied.set_len(at) };
    Ok(copied)
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
        // Each field of a row has a copy of the row's. To compare them is 64 times less than to look at each row.
        let are_same = |other: &NullBuffer| {
            let place = |nulls: &NullBuffer| (nulls.inner().values().as_ptr(), nulls.offset());
            place(other) == place(nulls) || other == nulls
        };
        if let Some((_, taken)) = self.seen.iter().find(|(seen, _)| are_same(seen)) {
            return taken.clone();
        }
        let (bits, offset) = (nulls.inner().values(), nulls.offset());
        let bit = |row: &u32| {
            let at = offset + *row as usize;
            bits[at / 8] >> (at % 8) & 1
        };
        // Mostly those that a filter keeps have no nulls, and need none.
        let all = rows.iter().fold(1, |all, row| all & bit(row));
        let taken =
            (all == 0).then(|| NullBuffer::new(BooleanBuffer::collect_bool(rows.len(), |row| bit(&rows[row]) == 1)));
        self.seen.push((nulls, taken.clone()));
        taken
    }
}

#[cfg(test)]
mod tests;
