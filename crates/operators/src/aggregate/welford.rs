//! `$WELFORD_M2$1`, which the planner writes: the sum of the squared distances from the mean, of which variances and
//! deviations are made with a `COUNT`.
//!
//! Flink counterpart: `WelfordM2AggFunction`, with its arithmetic step by step, so that the last digit is the same.
//! Like there the result is null for a sum below zero, which only unmatched retractions bring about.

use arrow_array::types::Float64Type;
use arrow_array::{Array, Float64Array, PrimitiveArray};
use flott_api::aggregate::{SlotColumn, SlotShape, SlotType};
use flott_state::canonical::Canonical;

use super::cell::{Cell, slot};
use super::double::Doubles;

/// Over numbers.
pub(super) struct Welford(pub(super) Doubles);

/// The three numbers of each group.
pub(super) struct Moments<'a> {
    counts: &'a mut [i64],
    means: &'a mut [f64],
    squares: &'a mut [f64],
}

impl Moments<'_> {
    fn add(&mut self, group: usize, value: f64) {
        let count = &mut self.counts[group];
        *count += 1;
        if *count <= 0 {
            return;
        }
        let from_old = value - self.means[group];
        self.means[group] += from_old / *count as f64;
        self.squares[group] += from_old * (value - self.means[group]);
    }

    fn retract(&mut self, group: usize, value: f64) {
        let count = &mut self.counts[group];
        *count -= 1;
        if *count <= 0 {
            self.empty_at_zero(group);
            return;
        }
        let from_old = value - self.means[group];
        self.means[group] -= from_old / *count as f64;
        self.squares[group] -= (value - self.means[group]) * from_old;
    }

    fn empty_at_zero(&mut self, group: usize) {
        if self.counts[group] == 0 {
            (self.means[group], self.squares[group]) = (0.0, 0.0);
        }
    }

    /// Takes up another group.
    fn take(&mut self, group: usize, (count, mean, squares): (i64, f64, f64)) {
        let own = self.counts[group];
        if count <= 0 || own == 0 {
            self.counts[group] += count;
            if count > 0 {
                (self.means[group], self.squares[group]) = (mean, squares);
            }
            return self.empty_at_zero(group);
        }
        let total = own + count;
        let apart = mean - self.means[group];
        self.squares[group] += squares + own as f64 * count as f64 / total as f64 * apart * apart;
        self.means[group] += count as f64 / total as f64 * apart;
        self.counts[group] = total;
    }

    /// Takes another group back.
    fn give(&mut self, group: usize, (count, mean, squares): (i64, f64, f64)) {
        let total = self.counts[group];
        let rest = total - count;
        self.counts[group] = rest;
        if count > 0 && rest > 0 {
            let before = (total as f64 * self.means[group] - count as f64 * mean) / rest as f64;
            let apart = mean - before;
            self.squares[group] -= squares + rest as f64 * count as f64 / total as f64 * apart * apart;
            self.means[group] = before;
        }
        self.empty_at_zero(group);
    }
}

impl Cell for Welford {
    type Value = Float64Type;
    type Column = Float64Array;
    type Slots<'a> = Moments<'a>;

    fn shape(&self) -> Vec<SlotShape> {
        vec![slot("count", SlotType::Int64), slot("mean", SlotType::Float64), slot("squares", SlotType::Float64)]
    }

    fn column(&self, canonical: Canonical) -> Option<Float64Array> {
        self.0.column(canonical)
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Moments<'a>> {
        match slots {
            [SlotColumn::Int64(counts), SlotColumn::Float64(means), SlotColumn::Float64(squares)] => {
                Some(Moments { counts, means, squares })
            }
            _ => None,
        }
    }

    #[inline]
    fn apply(&self, slots: &mut Moments<'_>, column: &Float64Array, group: usize, row: usize, add: bool) {
        if column.is_null(row) {
            return;
        }
        match add {
            true => slots.add(group, column.value(row)),
            false => slots.retract(group, column.value(row)),
        }
    }

    #[inline]
    fn value(&self, slots: &Moments<'_>, group: usize) -> Option<f64> {
        let squares = slots.squares[group];
        // A NaN is a value: it is not below zero.
        (slots.counts[group] > 0 && (squares >= 0.0 || squares.is_nan())).then_some(squares)
    }

    #[inline]
    fn merge(&self, slots: &mut Moments<'_>, group: usize, partial: &Moments<'_>, from: usize, add: bool) {
        let other = (partial.counts[from], partial.means[from], partial.squares[from]);
        if add { slots.take(group, other) } else { slots.give(group, other) }
    }

    fn canonical(values: PrimitiveArray<Float64Type>) -> Canonical {
        Canonical::Float(values)
    }
}
