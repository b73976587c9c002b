//! `COUNT(*)` and `COUNT(x)`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::NullBuffer;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, Change, MergeInput, Running, SlotColumn, SlotType, StateShape,
};
use flott_api::{Error, Result};

use super::cell::slot;

/// Counts rows, or those whose argument is not null.
pub(super) struct Count {
    pub(super) of_column: bool,
}

fn counts<'a>(state: &'a mut AggregateState<'_>) -> Result<&'a mut [i64]> {
    match state.slots {
        [SlotColumn::Int64(counts)] => Ok(counts),
        _ => Err(Error::internal("COUNT got slots of another shape than its own")),
    }
}

impl Count {
    /// Which rows are null; nothing if none is, or if all rows count.
    fn nulls<'a>(&self, input: &AggregateInput<'a>) -> Option<&'a NullBuffer> {
        let args: &'a [ArrayRef] = input.args;
        args.first().filter(|_| self.of_column).and_then(|a| a.nulls()).filter(|n| n.null_count() > 0)
    }
}

#[inline]
fn step(input: &AggregateInput<'_>, nulls: Option<&NullBuffer>, row: usize) -> i64 {
    if nulls.is_some_and(|n| n.is_null(row)) {
        return 0;
    }
    match input.change(row) {
        Change::Skip => 0,
        Change::Add => 1,
        Change::Retract => -1,
    }
}

impl Aggregate for Count {
    fn shape(&self) -> StateShape {
        StateShape { slots: vec![slot("count", SlotType::Int64)], views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let counts = counts(state)?;
        let nulls = self.nulls(input);
        for (row, group) in input.groups.iter().enumerate() {
            counts[*group as usize] += step(input, nulls, row);
        }
        Ok(())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let counts = counts(state)?;
        let nulls = self.nulls(input);
        let mut before = Vec::with_capacity(input.groups.len());
        let mut after = Vec::with_capacity(input.groups.len());
        for (row, group) in input.groups.iter().enumerate() {
            let count = &mut counts[*group as usize];
            before.push(*count);
            *count += step(input, nulls, row);
            after.push(*count);
        }
        Ok(Running { before: Arc::new(Int64Array::from(before)), after: Arc::new(Int64Array::from(after)) })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let counts = counts(state)?;
        Ok(Arc::new(groups.iter().map(|g| Some(counts[*g as usize])).collect::<Int64Array>()))
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
        let (partial, counts) = (counts(partial)?, counts(state)?);
        let sign = if input.retract { -1 } else { 1 };
        for (from, group) in input.from.iter().zip(input.groups) {
            counts[*group as usize] += sign * partial[*from as usize];
        }
        Ok(())
    }
}
