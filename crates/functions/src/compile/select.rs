//! `CASE` over numbers and times that are there already: each row's value is chosen, without a list of rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, PrimitiveArray, downcast_primitive};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use flott_api::Result;

use crate::operand::Operand;

/// A branch: the rows where its condition holds, and its result for all rows.
pub(super) struct Choice {
    pub(super) taken: BooleanBuffer,
    pub(super) result: Operand,
}

/// The result of the first choice that a row takes, or the other one; nothing if they are not of one primitive type.
pub(super) fn select(choices: &[Choice], otherwise: &Operand, rows: usize) -> Result<Option<Operand>> {
    let ty = otherwise.array.data_type();
    if choices.iter().any(|choice| choice.result.array.data_type() != ty || choice.taken.len() != rows) {
        return Ok(None);
    }
    macro_rules! values {
        ($t:ty) => {
            Some(selected::<$t>(choices, otherwise, rows)?)
        };
    }
    let array = downcast_primitive! {
        ty => (values),
        _ => None
    };
    Ok(array.map(Operand::column))
}

fn selected<T: ArrowPrimitiveType>(choices: &[Choice], otherwise: &Operand, rows: usize) -> Result<ArrayRef> {
    let mut values = match otherwise.constant {
        true => vec![otherwise.array.as_primitive::<T>().values()[0]; rows],
        false => otherwise.array.as_primitive::<T>().values().to_vec(),
    };
    let mut valid = validity(otherwise, rows);
    // The last branch first, so that the first one has its way.
    for choice in choices.iter().rev() {
        let result = choice.result.array.as_primitive::<T>().values();
        match choice.result.constant {
            true => overwrite(&mut values, &choice.taken, |_| result[0]),
            false => overwrite(&mut values, &choice.taken, |row| result[row]),
        }
        let result_valid = validity(&choice.result, rows);
        if valid.is_some() || result_valid.is_some() {
            let or_all = |valid: Option<BooleanBuffer>| valid.unwrap_or_else(|| BooleanBuffer::new_set(rows));
            valid = Some(&(&choice.taken & &or_all(result_valid)) | &(&!&choice.taken & &or_all(valid)));
        }
    }
    let nulls = valid.map(NullBuffer::new).filter(|nulls| nulls.null_count() > 0);
    let array = PrimitiveArray::<T>::try_new(values.into(), nulls)?;
    Ok(Arc::new(array.with_data_type(otherwise.array.data_type().clone())))
}

/// Which rows are not null, if some may be.
fn validity(operand: &Operand, rows: usize) -> Option<BooleanBuffer> {
    match operand.constant {
        true => operand.array.is_null(0).then(|| BooleanBuffer::new_unset(rows)),
        false => operand.array.nulls().map(|nulls| nulls.inner().clone()),
    }
}

/// Puts other values where they are taken, 64 rows at a time.
#[inline]
fn overwrite<V: Copy>(values: &mut [V], taken: &BooleanBuffer, value: impl Fn(usize) -> V) {
    let chunks = taken.bit_chunks();
    for (chunk, bits) in chunks.iter_padded().take(values.len().div_ceil(64)).enumerate() {
        let first = chunk * 64;
        let end = values.len().min(first + 64);
        match bits {
            0 => {}
            u64::MAX => (first..end).for_each(|row| values[row] = value(row)),
            bits => {
                for (bit, old) in values[first..end].iter_mut().enumerate() {
                    let new = value(first + bit);
                    *old = if bits >> bit & 1 == 1 { new } else { *old };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, Int64Array, TimestampMillisecondArray};

    use super::*;

    fn choice(taken: impl Fn(usize) -> bool, rows: usize, result: Operand) -> Choice {
        Choice { taken: BooleanBuffer::collect_bool(rows, taken), result }
    }

    #[test]
    fn the_first_choice_wins_and_nulls_stay_with_their_rows() {
        for rows in [0, 1, 63, 64, 65, 200] {
            let of = |nth: i64, null: usize| {
                let values = (0..rows).map(move |i| (i % null != 1).then_some(nth * 1000 + i as i64));
                Operand::column(Arc::new(values.collect::<Int64Array>()))
            };
            let seven: ArrayRef = Arc::new(Int64Array::from(vec![7]));
            let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
            let choices = [
                choice(|i| i % 3 == 0, rows, of(1, 5)),
                choice(|i| i % 2 == 0, rows, Operand::constant(seven)),
                choice(|i| i % 7 == 0, rows, Operand::constant(null)),
            ];
            let selected = select(&choices, &of(2, 4), rows).unwrap().unwrap();
            let expected: Int64Array = (0..rows)
                .map(|i| match i {
                    i if i % 3 == 0 => (i % 5 != 1).then_some(1000 + i as i64),
                    i if i % 2 == 0 => Some(7),
                    i if i % 7 == 0 => None,
                    i => (i % 4 != 1).then_some(2000 + i as i64),
                })
                .collect();
            assert_eq!(selected.array.as_primitive(), &expected, "{rows} rows");
        }
    }

    #[test]
    fn slices_and_types_are_kept() {
        let times = TimestampMillisecondArray::from((0..100).collect::<Vec<i64>>()).with_timezone("UTC");
        let column = |from: usize| Operand::column(Arc::new(times.slice(from, 50)));
        let truths = BooleanArray::from((0..100).map(|i| i % 2 == 0).collect::<Vec<_>>()).slice(3, 50);
        let choices = [Choice { taken: truths.values().clone(), result: column(7) }];
        let selected = select(&choices, &column(20), 50).unwrap().unwrap();
        assert_eq!(selected.array.data_type(), times.data_type());
        assert_eq!(selected.array.null_count(), 0);
        let values = selected.array.as_primitive::<arrow_array::types::TimestampMillisecondType>().values();
        (0..50).for_each(|i| assert_eq!(values[i], if i % 2 == 1 { 7 } else { 20 } + i as i64));
        let other: ArrayRef = Arc::new(Int64Array::from(vec![0; 50]));
        assert!(select(&choices, &Operand::column(other), 50).unwrap().is_none());
    }
}
