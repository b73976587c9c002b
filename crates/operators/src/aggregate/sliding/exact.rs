//! Sums and averages of floating-point numbers without rounding, so that what was added can be taken away.
//!
//! A sum is kept as numbers of falling size that do not overlap, whose sum it is (Shewchuk, "Adaptive Precision
//! Floating-Point Arithmetic", 1997); adding one number to them loses nothing. Only the result is rounded, once.
//! Flink adds the sums of all slices of a window anew for each window, and rounds at every step: its result may
//! differ in the last digits, with two slices it is the same.
//!
//! Infinities and NaN are counted. A sum beyond the largest number stays infinite for as long as its key has
//! rows in the window.

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, BytesColumn, Change, MergeInput, Running, SlotColumn, SlotType,
    StateShape,
};
use flott_api::{Error, Result};
use flott_state::canonical::Canonical;

use super::super::cell::slot;
use super::no_running;

/// `SUM`, `$SUM0`, `AVG` of `FLOAT` and `DOUBLE`.
pub(super) struct ExactSum {
    pub(super) average: bool,
    pub(super) of_none_is_zero: bool,
    pub(super) ty: DataType,
}

struct Slots<'a> {
    terms: &'a mut BytesColumn,
    counts: &'a mut [i64],
    nans: &'a mut [i64],
    infinite: &'a mut [i64],
    negative_infinite: &'a mut [i64],
    scratch: Vec<f64>,
}

impl<'a> Slots<'a> {
    fn of(state: &'a mut AggregateState<'_>) -> Result<Self> {
        match state.slots {
            [
                SlotColumn::Bytes(terms),
                SlotColumn::Int64(counts),
                SlotColumn::Int64(nans),
                SlotColumn::Int64(infinite),
                SlotColumn::Int64(negative_infinite),
            ] => Ok(Slots { terms, counts, nans, infinite, negative_infinite, scratch: Vec::new() }),
            _ => Err(Error::internal("a floating-point sum got slots of another shape than its own")),
        }
    }

    /// Adds a number, or takes it away.
    fn add(&mut self, group: u32, value: f64, add: bool) {
        let (at, sign) = (group as usize, if add { 1 } else { -1 });
        if value.is_nan() {
            self.nans[at] += sign;
        } else if value == f64::INFINITY {
            self.infinite[at] += sign;
        } else if value == f64::NEG_INFINITY {
            self.negative_infinite[at] += sign;
        } else if value != 0.0 {
            self.add_finite(group, if add { value } else { -value });
        }
    }

    fn add_finite(&mut self, group: u32, value: f64) {
        self.scratch.clear();
        self.scratch.extend(terms(self.terms.get(group)));
        match grow(&mut self.scratch, value) {
            Some(overflow) if overflow > 0.0 => self.infinite[group as usize] += 1,
            Some(_) => self.negative_infinite[group as usize] += 1,
            None => {}
        }
        // On the stack for all but sums of numbers of very different size.
        let mut bytes = [0; 8 * 8];
        let length = self.scratch.len() * 8;
        let encoded = self.scratch.iter().flat_map(|term| term.to_le_bytes());
        match bytes.get_mut(..length) {
            Some(room) => {
                room.iter_mut().zip(encoded).for_each(|(to, byte)| *to = byte);
                self.terms.set(group, room);
            }
            None => self.terms.set(group, &encoded.collect::<Vec<_>>()),
        }
    }

    fn sum(&self, group: u32) -> f64 {
        let at = group as usize;
        match (self.nans[at] > 0, self.infinite[at] > 0, self.negative_infinite[at] > 0) {
            (true, _, _) | (_, true, true) => f64::NAN,
            (_, true, _) => f64::INFINITY,
            (_, _, true) => f64::NEG_INFINITY,
            _ => rounded(&terms(self.terms.get(group)).collect::<Vec<_>>()),
        }
    }
}

fn terms(bytes: &[u8]) -> impl Iterator<Item = f64> {
    let (chunks, _) = bytes.as_chunks::<8>();
    chunks.iter().map(|chunk| f64::from_le_bytes(*chunk))
}

/// Adds a number to terms of rising size that do not overlap. If the sum passes the largest number no term
/// stays, and it answers the infinity.
fn grow(terms: &mut Vec<f64>, mut value: f64) -> Option<f64> {
    let mut kept = 0;
    for at in 0..terms.len() {
        let (large, small) = if value.abs() < terms[at].abs() { (terms[at], value) } else { (value, terms[at]) };
        let sum = large + small;
        if sum.is_infinite() {
            terms.clear();
            return Some(sum);
        }
        let lost = small - (sum - large);
        if lost != 0.0 {
            terms[kept] = lost;
            kept += 1;
        }
        value = sum;
    }
    terms.truncate(kept);
    if value != 0.0 {
        terms.push(value);
    }
    None
}

/// The number next to the sum of terms of rising size that do not overlap; the even one of two.
fn rounded(terms: &[f64]) -> f64 {
    let mut rest = terms.iter().rev();
    let Some(mut sum) = rest.next().copied() else { return 0.0 };
    while let Some(term) = rest.next() {
        let before = sum;
        sum = before + term;
        let lost = term - (sum - before);
        if lost == 0.0 {
            continue;
        }
        // What is lost may be exactly half a digit: then the next term decides which way it goes.
        if let Some(next) = rest.next().filter(|next| (lost < 0.0) == (**next < 0.0)) {
            let twice = lost * 2.0;
            let other = sum + twice;
            debug_assert!(*next != 0.0, "no term is zero");
            if twice == other - sum {
                sum = other;
            }
        }
        break;
    }
    sum
}

impl Aggregate for ExactSum {
    fn shape(&self) -> StateShape {
        let slots = vec![
            slot("terms", SlotType::Bytes),
            slot("count", SlotType::Int64),
            slot("NaN", SlotType::Int64),
            slot("infinite", SlotType::Int64),
            slot("negative infinite", SlotType::Int64),
        ];
        StateShape { slots, views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let mut slots = Slots::of(state)?;
        let column = match input.args {
            [arg] => Canonical::of(arg)?,
            _ => return Err(Error::internal("a floating-point sum takes one argument")),
        };
        let Canonical::Float(column) = column else {
            return Err(Error::internal("a floating-point sum got values of another type"));
        };
        for (row, group) in input.groups.iter().enumerate().filter(|(row, _)| column.is_valid(*row)) {
            let add = match input.change(row) {
                Change::Skip => continue,
                change => change == Change::Add,
            };
            slots.add(*group, column.value(row), add);
            slots.counts[*group as usize] += if add { 1 } else { -1 };
        }
        Ok(())
    }

    fn running(&self, _: &AggregateInput<'_>, _: &mut AggregateState<'_>) -> Result<Running> {
        no_running()
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let slots = Slots::of(state)?;
        let value = |group: &u32| match slots.counts[*group as usize] {
            0 if self.average || !self.of_none_is_zero => None,
            count if self.average => Some(slots.sum(*group) / count as f64),
            _ => Some(slots.sum(*group)),
        };
        Canonical::Float(groups.iter().map(value).collect::<Float64Array>()).into_column(&self.ty)
    }

    fn merges(&self) -> bool {
        true
    }

    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        let [SlotColumn::Float64(sums), SlotColumn::Int64(counts)] = &*partial.slots else {
            return Err(Error::internal("a floating-point sum got slices of another shape"));
        };
        let mut slots = Slots::of(state)?;
        for (from, group) in input.from.iter().zip(input.groups) {
            let (sum, count) = (sums[*from as usize], counts[*from as usize]);
            slots.add(*group, sum, !input.retract);
            slots.counts[*group as usize] += if input.retract { -count } else { count };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_the_result_is_rounded_once() {
        let mut terms = Vec::new();
        for value in [1e100, 1.0, 1e-100, -1e100] {
            assert_eq!(grow(&mut terms, value), None);
        }
        assert_eq!(rounded(&terms), 1.0);
        grow(&mut terms, -1.0);
        assert_eq!(terms, [1e-100]);
        grow(&mut terms, -1e-100);
        assert_eq!((terms.len(), rounded(&terms)), (0, 0.0));
        let mut tenths = Vec::new();
        (0..10).for_each(|_| _ = grow(&mut tenths, 0.1));
        assert_eq!(rounded(&tenths), 1.0);
    }

    #[test]
    fn half_a_digit_goes_where_the_rest_is() {
        // 2^53 + 1 lies between two numbers, and the even one is below; any more puts it above.
        let mut terms = Vec::new();
        for value in [9_007_199_254_740_992.0, 1.0] {
            grow(&mut terms, value);
        }
        assert_eq!(rounded(&terms), 9_007_199_254_740_992.0);
        grow(&mut terms, 1e-30);
        assert_eq!(rounded(&terms), 9_007_199_254_740_994.0);
    }

    #[test]
    fn a_sum_beyond_the_largest_number_is_infinite() {
        let mut terms = vec![f64::MAX];
        assert_eq!(grow(&mut terms, f64::MAX), Some(f64::INFINITY));
        assert!(terms.is_empty());
    }
}
