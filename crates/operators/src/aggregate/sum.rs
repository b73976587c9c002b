//! `SUM`, and `$SUM0`, which the planner writes and whose sum of nothing is zero.
//!
//! As in Flink integers wrap around, a `FLOAT` sum is rounded at every step, and a decimal sum that
//! does not fit becomes null and goes on from there with the next value (`$SUM0`: stays null). The sum
//! is null while no more non-null values were added than taken back.

use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, Decimal128Array, Float64Array, Int64Array, PrimitiveArray};
use flott_api::aggregate::{SlotColumn, SlotShape, SlotType};
use flott_state::canonical::Canonical;

use super::cell::{Cell, Counted, counted_float, counted_int, counted_wide, slot};

/// The first number that no `DECIMAL(38, s)` holds.
pub(super) const DECIMAL_END: i128 = 10_i128.pow(38);
/// A decimal sum that did not fit. It is no sum: those have 38 digits.
pub(super) const OVERFLOWED: i128 = i128::MIN;

/// Over integers. The narrower result types wrap when the column is built.
pub(super) struct SumInt {
    pub(super) of_none_is_zero: bool,
}

impl Cell for SumInt {
    type Value = Int64Type;
    type Column = Int64Array;
    type Slots<'a> = Counted<'a, i64>;

    fn shape(&self) -> Vec<SlotShape> {
        vec![slot("sum", SlotType::Int64), slot("count", SlotType::Int64)]
    }

    fn column(&self, canonical: Canonical) -> Option<Int64Array> {
        if let Canonical::Int(a) = canonical { Some(a) } else { None }
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, i64>> {
        counted_int(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, i64>, column: &Int64Array, group: usize, row: usize, add: bool) {
        if column.is_null(row) {
            return;
        }
        let (value, sum) = (column.values()[row], &mut slots.values[group]);
        *sum = if add { sum.wrapping_add(value) } else { sum.wrapping_sub(value) };
        slots.counts[group] += if add { 1 } else { -1 };
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, i64>, group: usize) -> Option<i64> {
        (slots.counts[group] != 0 || self.of_none_is_zero).then(|| slots.values[group])
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, i64>, group: usize, partial: &Counted<'_, i64>, from: usize, add: bool) {
        let (value, sum) = (partial.values[from], &mut slots.values[group]);
        *sum = if add { sum.wrapping_add(value) } else { sum.wrapping_sub(value) };
        slots.counts[group] += if add { partial.counts[from] } else { -partial.counts[from] };
    }

    fn canonical(values: PrimitiveArray<Int64Type>) -> Canonical {
        Canonical::Int(values)
    }
}

/// Over decimals.
pub(super) struct SumDecimal {
    pub(super) of_none_is_zero: bool,
}

/// The sum after one more step, or [`OVERFLOWED`].
#[inline]
pub(super) fn stepped(sum: i128, value: i128, add: bool) -> i128 {
    let next = if add { sum.checked_add(value) } else { sum.checked_sub(value) };
    next.filter(|n| n.unsigned_abs() < DECIMAL_END.unsigned_abs()).unwrap_or(OVERFLOWED)
}

impl Cell for SumDecimal {
    type Value = Decimal128Type;
    type Column = Decimal128Array;
    type Slots<'a> = Counted<'a, i128>;

    fn shape(&self) -> Vec<SlotShape> {
        vec![slot("sum", SlotType::Int128), slot("count", SlotType::Int64)]
    }

    fn column(&self, canonical: Canonical) -> Option<Decimal128Array> {
        if let Canonical::Wide(a) = canonical { Some(a) } else { None }
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, i128>> {
        counted_wide(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, i128>, column: &Decimal128Array, group: usize, row: usize, add: bool) {
        if column.is_null(row) {
            return;
        }
        let sum = &mut slots.values[group];
        slots.counts[group] += if add { 1 } else { -1 };
        *sum = match *sum {
            OVERFLOWED if self.of_none_is_zero => OVERFLOWED,
            OVERFLOWED => stepped(0, column.values()[row], add),
            sum => stepped(sum, column.values()[row], add),
        };
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, i128>, group: usize) -> Option<i128> {
        let some = slots.counts[group] != 0 || self.of_none_is_zero;
        Some(slots.values[group]).filter(|sum| some && *sum != OVERFLOWED)
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, i128>, group: usize, partial: &Counted<'_, i128>, from: usize, add: bool) {
        let sum = &mut slots.values[group];
        slots.counts[group] += if add { partial.counts[from] } else { -partial.counts[from] };
        *sum = match (*sum, partial.values[from]) {
            (OVERFLOWED, _) | (_, OVERFLOWED) if self.of_none_is_zero => OVERFLOWED,
            (OVERFLOWED, value) => value,
            (sum, OVERFLOWED) => sum,
            (sum, value) => stepped(sum, value, add),
        };
    }

    fn canonical(values: PrimitiveArray<Decimal128Type>) -> Canonical {
        Canonical::Wide(values)
    }
}

/// Over `FLOAT` (`single`) and `DOUBLE`.
pub(super) struct SumFloat {
    pub(super) single: bool,
    pub(super) of_none_is_zero: bool,
}

impl Cell for SumFloat {
    type Value = Float64Type;
    type Column = Float64Array;
    type Slots<'a> = Counted<'a, f64>;

    fn shape(&self) -> Vec<SlotShape> {
        vec![slot("sum", SlotType::Float64), slot("count", SlotType::Int64)]
    }

    fn column(&self, canonical: Canonical) -> Option<Float64Array> {
        if let Canonical::Float(a) = canonical { Some(a) } else { None }
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, f64>> {
        counted_float(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, f64>, column: &Float64Array, group: usize, row: usize, add: bool) {
        if column.is_null(row) {
            return;
        }
        let (value, sum) = (column.values()[row], &mut slots.values[group]);
        let next = if add { *sum + value } else { *sum - value };
        *sum = if self.single { f64::from(next as f32) } else { next };
        slots.counts[group] += if add { 1 } else { -1 };
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, f64>, group: usize) -> Option<f64> {
        (slots.counts[group] != 0 || self.of_none_is_zero).then(|| slots.values[group])
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, f64>, group: usize, partial: &Counted<'_, f64>, from: usize, add: bool) {
        let (value, sum) = (partial.values[from], &mut slots.values[group]);
        let next = if add { *sum + value } else { *sum - value };
        *sum = if self.single { f64::from(next as f32) } else { next };
        slots.counts[group] += if add { partial.counts[from] } else { -partial.counts[from] };
    }

    fn canonical(values: PrimitiveArray<Float64Type>) -> Canonical {
        Canonical::Float(values)
    }
}
