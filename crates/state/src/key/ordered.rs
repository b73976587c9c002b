//! Sort keys as bytes: rows compare as `ORDER BY` has it, whatever its directions and places of nulls.
//!
//! It is the encoding of [`key`](mod@super) with the bytes of a value turned round where the order descends,
//! and another marker where nulls come last. Unlike there, and as in Flink's comparators, `-0.0` is as large as
//! `0.0`. Sort keys are never persisted: whoever loads rows encodes them again.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use flott_api::Result;

use super::{KeyColumn, NULL, PRESENT};

/// The marker of a null that comes behind all values.
const NULL_LAST: u8 = PRESENT + 1;

/// How one column of a sort key is ordered. The default is ascending with nulls first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyOrder {
    /// Whether large values come first.
    pub descending: bool,
    /// Whether nulls come behind all values.
    pub nulls_last: bool,
}

/// Sort keys of rows, one behind the other. No key begins with another one, unless they are equal.
#[derive(Debug, Default)]
pub struct SortKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl SortKeys {
    /// The sort key of one row.
    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// Encodes `rows` rows of these columns; what was there before is forgotten, its memory kept.
    ///
    /// # Errors
    /// If a column's type has no order.
    pub fn encode(&mut self, columns: &[(ArrayRef, KeyOrder)], rows: usize) -> Result<()> {
        let column = |(array, order): &(ArrayRef, KeyOrder)| Ok((KeyColumn::of(&unsigned_zeros(array))?, *order));
        let columns = columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        self.bytes.clear();
        self.ends.clear();
        for row in 0..rows {
            for (column, order) in &columns {
                encode(column, *order, row, &mut self.bytes);
            }
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }
}

fn encode(column: &KeyColumn, order: KeyOrder, row: usize, out: &mut Vec<u8>) {
    let start = out.len();
    column.encode(row, out);
    if out[start] == NULL {
        out[start] = if order.nulls_last { NULL_LAST } else { NULL };
    } else if order.descending {
        out[start + 1..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// The column with `0.0` for `-0.0`.
fn unsigned_zeros(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| v + 0.0)),
        DataType::Float64 => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| v + 0.0)),
        _ => column.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, Int32Array, StringArray};

    use super::*;

    fn order(descending: bool, nulls_last: bool) -> KeyOrder {
        KeyOrder { descending, nulls_last }
    }

    fn sorted(columns: &[(ArrayRef, KeyOrder)]) -> Vec<usize> {
        let rows = columns[0].0.len();
        let mut keys = SortKeys::default();
        keys.encode(columns, rows).unwrap();
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_key(|row| keys.get(*row));
        order
    }

    #[test]
    fn rows_compare_in_both_directions_with_nulls_at_both_ends() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(5), None, Some(-7), Some(9)]));
        assert_eq!(sorted(&[(numbers.clone(), order(false, false))]), [1, 2, 0, 3]);
        assert_eq!(sorted(&[(numbers.clone(), order(false, true))]), [2, 0, 3, 1]);
        assert_eq!(sorted(&[(numbers.clone(), order(true, false))]), [1, 3, 0, 2]);
        assert_eq!(sorted(&[(numbers, order(true, true))]), [3, 0, 2, 1]);
    }

    #[test]
    fn text_of_any_length_descends_and_later_columns_break_ties() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "", "ab", "a\0", "a", "b"]));
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5, 6]));
        let by_number = (number.clone(), order(false, false));
        assert_eq!(sorted(&[(text.clone(), order(true, false)), by_number]), [5, 2, 3, 0, 4, 1]);
        let by_number = (number, order(true, false));
        assert_eq!(sorted(&[(text, order(false, false)), by_number]), [1, 4, 0, 3, 2, 5]);
    }

    #[test]
    fn zeros_are_equal_and_a_nan_is_the_largest() {
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 0.0, -0.0, f64::INFINITY, -1.0]));
        assert_eq!(sorted(&[(numbers.clone(), order(false, false))]), [4, 1, 2, 3, 0]);
        assert_eq!(sorted(&[(numbers, order(true, false))]), [0, 3, 1, 2, 4]);
    }
}
