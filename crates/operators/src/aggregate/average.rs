//! `AVG`. Its sum is a `BIGINT` that wraps, a `DECIMAL(38, s)` or a `DOUBLE`; the average of integers
//! is cut towards zero, that of decimals rounded half up, and one that does not fit is null.

use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, Decimal128Array, Float64Array, Int64Array, PrimitiveArray};
use flott_api::aggregate::{SlotColumn, SlotShape, SlotType};
use flott_state::canonical::Canonical;

use super::cell::{Cell, Counted, counted_float, counted_int, counted_wide, slot};
use super::sum::{DECIMAL_END, OVERFLOWED, SumFloat, SumInt, stepped};

const SUM: SumInt = SumInt { of_none_is_zero: false };
const FLOAT_SUM: SumFloat = SumFloat { single: false, of_none_is_zero: false };

/// Over integers.
pub(super) struct AverageInt;

impl Cell for AverageInt {
    type Value = Int64Type;
    type Column = Int64Array;
    type Slots<'a> = Counted<'a, i64>;

    fn shape(&self) -> Vec<SlotShape> {
        SUM.shape()
    }

    fn column(&self, canonical: Canonical) -> Option<Int64Array> {
        SUM.column(canonical)
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, i64>> {
        counted_int(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, i64>, column: &Int64Array, group: usize, row: usize, add: bool) {
        SUM.apply(slots, column, group, row, add);
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, i64>, group: usize) -> Option<i64> {
        match slots.counts[group] {
            0 => None,
            count => Some(slots.values[group].wrapping_div(count)),
        }
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, i64>, group: usize, partial: &Counted<'_, i64>, from: usize, add: bool) {
        SUM.merge(slots, group, partial, from, add);
    }

    fn canonical(values: PrimitiveArray<Int64Type>) -> Canonical {
        Canonical::Int(values)
    }
}

/// Over decimals; the result has `digits` more digits behind the point than the argument.
pub(super) struct AverageDecimal {
    pub(super) digits: u32,
}

/// `sum / count` with more digits, rounded half up.
pub(super) fn divided(sum: i128, count: i64, digits: u32) -> Option<i128> {
    let scale = 10_i128.pow(digits);
    let count = i128::from(count);
    let (whole, rest) = (sum / count, sum % count);
    // The rest is below 2^63 and the scale at most 10^6, so only the whole part can overflow.
    let scaled = rest.checked_mul(scale)?;
    let (fraction, rest) = (scaled / count, scaled % count);
    let up = if 2 * rest.abs() >= count.abs() { (rest.signum() * count.signum()) as i64 } else { 0 };
    let result = whole.checked_mul(scale)?.checked_add(fraction)?.checked_add(i128::from(up))?;
    (result.abs() < DECIMAL_END).then_some(result)
}

impl Cell for AverageDecimal {
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
        // Unlike SUM, the average stays null once its sum did not fit.
        if *sum != OVERFLOWED {
            *sum = stepped(*sum, column.values()[row], add);
        }
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, i128>, group: usize) -> Option<i128> {
        match (slots.values[group], slots.counts[group]) {
            (OVERFLOWED, _) | (_, 0) => None,
            (sum, count) => divided(sum, count, self.digits),
        }
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, i128>, group: usize, partial: &Counted<'_, i128>, from: usize, add: bool) {
        let sum = &mut slots.values[group];
        slots.counts[group] += if add { partial.counts[from] } else { -partial.counts[from] };
        *sum = match (*sum, partial.values[from]) {
            (OVERFLOWED, _) | (_, OVERFLOWED) => OVERFLOWED,
            (sum, value) => stepped(sum, value, add),
        };
    }

    fn canonical(values: PrimitiveArray<Decimal128Type>) -> Canonical {
        Canonical::Wide(values)
    }
}

/// Over `FLOAT` and `DOUBLE`.
pub(super) struct AverageFloat;

impl Cell for AverageFloat {
    type Value = Float64Type;
    type Column = Float64Array;
    type Slots<'a> = Counted<'a, f64>;

    fn shape(&self) -> Vec<SlotShape> {
        FLOAT_SUM.shape()
    }

    fn column(&self, canonical: Canonical) -> Option<Float64Array> {
        FLOAT_SUM.column(canonical)
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, f64>> {
        counted_float(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, f64>, column: &Float64Array, group: usize, row: usize, add: bool) {
        FLOAT_SUM.apply(slots, column, group, row, add);
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, f64>, group: usize) -> Option<f64> {
        match slots.counts[group] {
            0 => None,
            count => Some(slots.values[group] / count as f64),
        }
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, f64>, group: usize, partial: &Counted<'_, f64>, from: usize, add: bool) {
        FLOAT_SUM.merge(slots, group, partial, from, add);
    }

    fn canonical(values: PrimitiveArray<Float64Type>) -> Canonical {
        Canonical::Float(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_up_away_from_zero() {
        assert_eq!(divided(5, 3, 6), Some(1_666_667));
        assert_eq!(divided(-5, 3, 6), Some(-1_666_667));
        assert_eq!(divided(1, 8, 2), Some(13));
        assert_eq!(divided(-1, 8, 2), Some(-13));
        assert_eq!(divided(1, -8, 2), Some(-13));
        assert_eq!(divided(7, 1, 0), Some(7));
        assert_eq!(divided(DECIMAL_END - 1, 1, 0), Some(DECIMAL_END - 1));
        assert_eq!(divided(DECIMAL_END - 1, 1, 6), None);
        assert_eq!(divided(DECIMAL_END - 1, i64::MAX, 6), Some(10_842_021_724_855_044_341_250_022));
    }
}
