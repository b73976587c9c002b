//! Answers of a table: which rows were found for which keys, put together and taken apart.

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use flott_api::lookup::Found;
use flott_api::{Error, Result};

/// Checks what a connector answers for so many keys.
pub(super) fn checked(found: Found, keys: usize) -> Result<Found> {
    let in_order = found.keys.is_sorted() && found.keys.last().is_none_or(|last| (*last as usize) < keys);
    if !in_order || found.keys.len() != found.rows.num_rows() {
        return Err(Error::internal("a lookup answered keys that were not asked for, or in another order"));
    }
    Ok(found)
}

/// The keys of so many that have no row.
pub(super) fn missing(found: &[u32], keys: usize) -> Vec<u32> {
    let mut next = found.iter().copied().peekable();
    let without = |key: &u32| {
        let mut has = false;
        while next.next_if_eq(key).is_some() {
            has = true;
        }
        !has
    };
    (0..keys as u32).filter(without).collect()
}

/// Some of the keys.
pub(super) fn taken(keys: &RecordBatch, which: &[u32]) -> Result<RecordBatch> {
    Ok(take_record_batch(keys, &UInt32Array::from(which.to_vec()))?)
}

/// An answer for some keys among all: theirs are the places in `which`.
pub(super) fn placed(found: Found, which: &[u32]) -> Found {
    let keys = found.keys.iter().map(|key| which[*key as usize]).collect();
    Found { keys, ..found }
}

/// Answers for different keys as one.
pub(super) fn united(first: Found, second: Found) -> Result<Found> {
    if second.keys.is_empty() {
        return Ok(first);
    }
    if first.keys.is_empty() {
        return Ok(second);
    }
    let rows = concat_batches(&first.rows.schema(), [&first.rows, &second.rows])?;
    let keys: Vec<u32> = first.keys.into_iter().chain(second.keys).collect();
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    // The rows of a key stay in their order.
    order.sort_by_key(|at| keys[*at as usize]);
    let keys = order.iter().map(|at| keys[*at as usize]).collect();
    Ok(Found { rows: take_record_batch(&rows, &UInt32Array::from(order))?, keys })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int32Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;

    use super::*;

    fn found(pairs: &[(u32, i32)]) -> Found {
        let column = Arc::new(Int32Array::from_iter_values(pairs.iter().map(|p| p.1))) as _;
        Found { rows: RecordBatch::try_from_iter([("a", column)]).unwrap(), keys: pairs.iter().map(|p| p.0).collect() }
    }

    #[test]
    fn answers_are_united_in_the_order_of_keys() {
        let second = placed(found(&[(0, 7), (0, 8), (1, 9)]), &[1, 4]);
        let all = united(found(&[(0, 1), (2, 2), (2, 3)]), second).unwrap();
        assert_eq!(all.keys, [0, 1, 1, 2, 2, 4]);
        assert_eq!(all.rows.column(0).as_primitive::<Int32Type>().values(), &[1, 7, 8, 2, 3, 9]);
        assert_eq!(missing(&all.keys, 7), [3, 5, 6]);
    }

    #[test]
    fn answers_for_other_keys_are_refused() {
        assert!(checked(found(&[(0, 1), (2, 2)]), 3).is_ok());
        assert!(checked(found(&[(0, 1), (2, 2)]), 2).is_err());
        assert!(checked(found(&[(1, 1), (0, 2)]), 2).is_err());
        assert!(checked(Found { keys: vec![0], ..found(&[]) }, 2).is_err());
    }
}
