//! The loops of all aggregates whose state is a number or two per group.
//!
//! A [`Cell`] says what one row does to one group; [`Cells`] makes an [`Aggregate`] of it. All calls
//! are resolved at compile time, so the loops over rows are as tight as if written for each aggregate.

use arrow_array::builder::PrimitiveBuilder;
use arrow_array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, Change, MergeInput, Running, SlotColumn, SlotShape, SlotType, StateShape,
};
use flott_api::{Error, Result};
use flott_state::canonical::Canonical;

/// What differs between aggregates.
pub(super) trait Cell: Send + Sync + 'static {
    /// The form in which results are computed.
    type Value: ArrowPrimitiveType;
    /// The argument.
    type Column;
    /// The slots, borrowed for a call.
    type Slots<'a>;

    /// The slots that it needs.
    fn shape(&self) -> Vec<SlotShape>;
    /// The argument in the form that `apply` reads.
    fn column(&self, canonical: Canonical) -> Option<Self::Column>;
    /// The slots with their types.
    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Self::Slots<'a>>;
    /// One row that counts or no longer counts. Nulls are its own business.
    fn apply(&self, slots: &mut Self::Slots<'_>, column: &Self::Column, group: usize, row: usize, add: bool);
    /// The value of one group.
    fn value(&self, slots: &Self::Slots<'_>, group: usize) -> Option<<Self::Value as ArrowPrimitiveType>::Native>;
    /// Takes up the state of a group of other slots, or takes it back.
    fn merge(&self, slots: &mut Self::Slots<'_>, group: usize, partial: &Self::Slots<'_>, from: usize, add: bool);
    /// A column of results.
    fn canonical(values: PrimitiveArray<Self::Value>) -> Canonical;
}

/// A [`Cell`] as an [`Aggregate`] with results of type `ty`.
pub(super) struct Cells<C> {
    cell: C,
    ty: DataType,
    merges: bool,
}

impl<C: Cell> Cells<C> {
    pub(super) fn new(cell: C, ty: DataType) -> Self {
        Cells { cell, ty, merges: true }
    }

    /// Whether groups can be merged: not if the order of rows counts.
    pub(super) fn merging(self, merges: bool) -> Self {
        Cells { merges, ..self }
    }

    fn column(&self, input: &AggregateInput<'_>) -> Result<C::Column> {
        let [arg] = input.args else { return Err(wrong_argument()) };
        self.cell.column(Canonical::of(arg)?).ok_or_else(wrong_argument)
    }

    fn result(&self, mut builder: PrimitiveBuilder<C::Value>) -> Result<ArrayRef> {
        C::canonical(builder.finish()).into_column(&self.ty)
    }
}

fn wrong_argument() -> Error {
    Error::internal("an aggregate got an argument of another type than planned")
}

fn wrong_slots() -> Error {
    Error::internal("an aggregate got slots of another shape than its own")
}

#[inline]
fn change<C: Cell>(
    cell: &C,
    slots: &mut C::Slots<'_>,
    column: &C::Column,
    (group, row): (usize, usize),
    change: Change,
) {
    match change {
        Change::Skip => {}
        Change::Add => cell.apply(slots, column, group, row, true),
        Change::Retract => cell.apply(slots, column, group, row, false),
    }
}

impl<C: Cell> Aggregate for Cells<C> {
    fn shape(&self) -> StateShape {
        StateShape { slots: self.cell.shape(), views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let column = self.column(input)?;
        let mut slots = self.cell.slots(state.slots).ok_or_else(wrong_slots)?;
        for (row, group) in input.groups.iter().enumerate() {
            change(&self.cell, &mut slots, &column, (*group as usize, row), input.change(row));
        }
        Ok(())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let column = self.column(input)?;
        let mut slots = self.cell.slots(state.slots).ok_or_else(wrong_slots)?;
        let rows = input.groups.len();
        let mut before = PrimitiveBuilder::<C::Value>::with_capacity(rows);
        let mut after = PrimitiveBuilder::<C::Value>::with_capacity(rows);
        for (row, group) in input.groups.iter().enumerate() {
            let group = *group as usize;
            before.append_option(self.cell.value(&slots, group));
            change(&self.cell, &mut slots, &column, (group, row), input.change(row));
            after.append_option(self.cell.value(&slots, group));
        }
        Ok(Running { before: self.result(before)?, after: self.result(after)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let slots = self.cell.slots(state.slots).ok_or_else(wrong_slots)?;
        let mut builder = PrimitiveBuilder::<C::Value>::with_capacity(groups.len());
        for group in groups {
            builder.append_option(self.cell.value(&slots, *group as usize));
        }
        self.result(builder)
    }

    fn merges(&self) -> bool {
        self.merges
    }

    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        let mut slots = self.cell.slots(state.slots).ok_or_else(wrong_slots)?;
        let partial = self.cell.slots(partial.slots).ok_or_else(wrong_slots)?;
        for (from, group) in input.from.iter().zip(input.groups) {
            self.cell.merge(&mut slots, *group as usize, &partial, *from as usize, !input.retract);
        }
        Ok(())
    }
}

/// A named slot.
pub(super) fn slot(name: &'static str, ty: SlotType) -> SlotShape {
    SlotShape { name, ty }
}

/// A number and a count per group.
pub(super) struct Counted<'a, T> {
    pub(super) values: &'a mut [T],
    pub(super) counts: &'a mut [i64],
}

/// An integer and a count.
pub(super) fn counted_int(slots: &mut [SlotColumn]) -> Option<Counted<'_, i64>> {
    match slots {
        [SlotColumn::Int64(values), SlotColumn::Int64(counts)] => Some(Counted { values, counts }),
        _ => None,
    }
}

/// A decimal and a count.
pub(super) fn counted_wide(slots: &mut [SlotColumn]) -> Option<Counted<'_, i128>> {
    match slots {
        [SlotColumn::Int128(values), SlotColumn::Int64(counts)] => Some(Counted { values, counts }),
        _ => None,
    }
}

/// A floating-point number and a count.
pub(super) fn counted_float(slots: &mut [SlotColumn]) -> Option<Counted<'_, f64>> {
    match slots {
        [SlotColumn::Float64(values), SlotColumn::Int64(counts)] => Some(Counted { values, counts }),
        _ => None,
    }
}
