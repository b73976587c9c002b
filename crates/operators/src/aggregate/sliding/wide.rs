//! Sums and averages of decimals that may pass 38 digits on their way.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Decimal128Array};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, Change, MergeInput, Running, SlotColumn, SlotType, StateShape,
};
use flott_api::{Error, Result};

use super::super::average::divided;
use super::super::cell::slot;
use super::super::sum::{DECIMAL_END, OVERFLOWED};
use super::no_running;

/// `SUM`, `$SUM0`, `AVG` of decimals: 192 bits of sum, the number of values, and the number of slices whose own
/// sum did not fit.
pub(super) struct WideSum {
    /// Of an average: how many more digits behind the point it has than the argument.
    pub(super) digits: Option<u32>,
    pub(super) of_none_is_zero: bool,
    pub(super) ty: DataType,
}

struct Slots<'a> {
    low: &'a mut [i128],
    high: &'a mut [i64],
    counts: &'a mut [i64],
    lost: &'a mut [i64],
}

impl<'a> Slots<'a> {
    fn of(state: &'a mut AggregateState<'_>) -> Result<Self> {
        match state.slots {
            [SlotColumn::Int128(low), SlotColumn::Int64(high), SlotColumn::Int64(counts), SlotColumn::Int64(lost)] => {
                Ok(Slots { low, high, counts, lost })
            }
            _ => Err(Error::internal("a decimal sum got slots of another shape than its own")),
        }
    }

    /// Adds a number, or takes it away, without ever losing a digit: 2^64 slices of 38 digits have room.
    #[inline]
    fn add(&mut self, group: usize, value: i128, add: bool) {
        let (low, sign) = (self.low[group] as u128, i64::from(value < 0));
        let (sum, carry) = if add { low.overflowing_add(value as u128) } else { low.overflowing_sub(value as u128) };
        self.low[group] = sum as i128;
        let by = i64::from(carry) - sign;
        self.high[group] = if add { self.high[group].wrapping_add(by) } else { self.high[group].wrapping_sub(by) };
    }

    /// The sum, if it has at most 38 digits.
    fn sum(&self, group: usize) -> Option<i128> {
        let low = self.low[group];
        // The high part is the sign of the low one, widened.
        let is_narrow = i128::from(self.high[group]) == low >> 127;
        let fits = is_narrow && low.unsigned_abs() < DECIMAL_END.unsigned_abs();
        (fits && self.lost[group] == 0).then_some(low)
    }
}

impl Aggregate for WideSum {
    fn shape(&self) -> StateShape {
        let slots = vec![
            slot("sum", SlotType::Int128),
            slot("sum above 128 bits", SlotType::Int64),
            slot("count", SlotType::Int64),
            slot("slices that did not fit", SlotType::Int64),
        ];
        StateShape { slots, views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let mut slots = Slots::of(state)?;
        let column = match input.args {
            [arg] => arg.as_primitive_opt::<Decimal128Type>(),
            _ => None,
        };
        let column = column.ok_or_else(|| Error::internal("a decimal sum got values of another type"))?;
        for (row, group) in input.groups.iter().enumerate().filter(|(row, _)| column.is_valid(*row)) {
            let add = match input.change(row) {
                Change::Skip => continue,
                change => change == Change::Add,
            };
            slots.add(*group as usize, column.value(row), add);
            slots.counts[*group as usize] += if add { 1 } else { -1 };
        }
        Ok(())
    }

    fn running(&self, _: &AggregateInput<'_>, _: &mut AggregateState<'_>) -> Result<Running> {
        no_running()
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let slots = Slots::of(state)?;
        let value = |group: &u32| {
            let group = *group as usize;
            match (slots.counts[group], self.digits) {
                (0, Some(_)) => None,
                (count, Some(digits)) => slots.sum(group).and_then(|sum| divided(sum, count, digits)),
                (0, None) if !self.of_none_is_zero => None,
                (_, None) => slots.sum(group),
            }
        };
        let values: Decimal128Array = groups.iter().map(value).collect();
        Ok(Arc::new(values.with_data_type(self.ty.clone())))
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
        let [SlotColumn::Int128(sums), SlotColumn::Int64(counts)] = &*partial.slots else {
            return Err(Error::internal("a decimal sum got slices of another shape"));
        };
        let mut slots = Slots::of(state)?;
        let (add, sign) = (!input.retract, if input.retract { -1 } else { 1 });
        for (from, group) in input.from.iter().zip(input.groups) {
            let (from, group) = (*from as usize, *group as usize);
            slots.counts[group] += sign * counts[from];
            match sums[from] {
                OVERFLOWED => slots.lost[group] += sign,
                sum => slots.add(group, sum, add),
            }
        }
        Ok(())
    }
}
