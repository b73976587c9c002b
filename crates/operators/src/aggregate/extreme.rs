//! `MIN` and `MAX`: a slot per group while rows are only added, an ordered view where they may be
//! taken back. `FIRST_VALUE` and `LAST_VALUE` of added rows, which keep a value the same way.
//!
//! All skip nulls. As in Flink a NaN never wins against a value that is there, except in the ordered view, where it is
//! the largest. Text and bytes compare by their bytes.

use std::cmp::Ordering;

use arrow_array::builder::BinaryBuilder;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int64Array, PrimitiveArray};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, BytesColumn, Change, End, MergeInput, Running, SlotColumn, SlotShape,
    SlotType, SortedView, StateShape, View, ViewKind, ViewShape,
};
use flott_api::{Error, LogicalType, Result};
use flott_state::canonical::Canonical;

use super::cell::{Cell, Counted, counted_float, counted_int, counted_wide, slot};

/// Which of a group's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Smallest,
    Largest,
    First,
    Last,
}

impl Which {
    /// Whether it depends on the order of rows.
    pub(super) fn is_by_order(self) -> bool {
        matches!(self, Which::First | Which::Last)
    }

    /// Whether a new value replaces the old one.
    #[inline]
    fn wins<T: PartialOrd + ?Sized>(self, new: &T, old: &T) -> bool {
        match self {
            Which::Smallest => new.partial_cmp(old) == Some(Ordering::Less),
            Which::Largest => new.partial_cmp(old) == Some(Ordering::Greater),
            Which::First => false,
            Which::Last => true,
        }
    }
}

/// Keeps the winner of the slot's value and a new one.
#[inline]
fn contest<T: PartialOrd + Copy>(which: Which, slots: &mut Counted<'_, T>, group: usize, value: T) {
    if slots.counts[group] == 0 || which.wins(&value, &slots.values[group]) {
        slots.values[group] = value;
        slots.counts[group] = 1;
    }
}

fn shape(ty: SlotType) -> Vec<SlotShape> {
    vec![slot("value", ty), slot("present", SlotType::Int64)]
}

/// Integers, dates, times, booleans.
pub(super) struct IntExtreme(pub(super) Which);

impl Cell for IntExtreme {
    type Value = Int64Type;
    type Column = Int64Array;
    type Slots<'a> = Counted<'a, i64>;

    fn shape(&self) -> Vec<SlotShape> {
        shape(SlotType::Int64)
    }

    fn column(&self, canonical: Canonical) -> Option<Int64Array> {
        if let Canonical::Int(a) = canonical { Some(a) } else { None }
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, i64>> {
        counted_int(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, i64>, column: &Int64Array, group: usize, row: usize, _: bool) {
        if column.is_valid(row) {
            contest(self.0, slots, group, column.values()[row]);
        }
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, i64>, group: usize) -> Option<i64> {
        (slots.counts[group] != 0).then(|| slots.values[group])
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, i64>, group: usize, partial: &Counted<'_, i64>, from: usize, _: bool) {
        if partial.counts[from] != 0 {
            contest(self.0, slots, group, partial.values[from]);
        }
    }

    fn canonical(values: PrimitiveArray<Int64Type>) -> Canonical {
        Canonical::Int(values)
    }
}

/// Decimals and timestamps of precision 7 to 9.
pub(super) struct WideExtreme(pub(super) Which);

impl Cell for WideExtreme {
    type Value = Decimal128Type;
    type Column = Decimal128Array;
    type Slots<'a> = Counted<'a, i128>;

    fn shape(&self) -> Vec<SlotShape> {
        shape(SlotType::Int128)
    }

    fn column(&self, canonical: Canonical) -> Option<Decimal128Array> {
        if let Canonical::Wide(a) = canonical { Some(a) } else { None }
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, i128>> {
        counted_wide(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, i128>, column: &Decimal128Array, group: usize, row: usize, _: bool) {
        if column.is_valid(row) {
            contest(self.0, slots, group, column.values()[row]);
        }
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, i128>, group: usize) -> Option<i128> {
        (slots.counts[group] != 0).then(|| slots.values[group])
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, i128>, group: usize, partial: &Counted<'_, i128>, from: usize, _: bool) {
        if partial.counts[from] != 0 {
            contest(self.0, slots, group, partial.values[from]);
        }
    }

    fn canonical(values: PrimitiveArray<Decimal128Type>) -> Canonical {
        Canonical::Wide(values)
    }
}

/// `FLOAT` and `DOUBLE`.
pub(super) struct FloatExtreme(pub(super) Which);

impl Cell for FloatExtreme {
    type Value = Float64Type;
    type Column = Float64Array;
    type Slots<'a> = Counted<'a, f64>;

    fn shape(&self) -> Vec<SlotShape> {
        shape(SlotType::Float64)
    }

    fn column(&self, canonical: Canonical) -> Option<Float64Array> {
        if let Canonical::Float(a) = canonical { Some(a) } else { None }
    }

    fn slots<'a>(&self, slots: &'a mut [SlotColumn]) -> Option<Counted<'a, f64>> {
        counted_float(slots)
    }

    #[inline]
    fn apply(&self, slots: &mut Counted<'_, f64>, column: &Float64Array, group: usize, row: usize, _: bool) {
        if column.is_valid(row) {
            contest(self.0, slots, group, column.values()[row]);
        }
    }

    #[inline]
    fn value(&self, slots: &Counted<'_, f64>, group: usize) -> Option<f64> {
        (slots.counts[group] != 0).then(|| slots.values[group])
    }

    #[inline]
    fn merge(&self, slots: &mut Counted<'_, f64>, group: usize, partial: &Counted<'_, f64>, from: usize, _: bool) {
        if partial.counts[from] != 0 {
            contest(self.0, slots, group, partial.values[from]);
        }
    }

    fn canonical(values: PrimitiveArray<Float64Type>) -> Canonical {
        Canonical::Float(values)
    }
}

/// Text and bytes.
pub(super) struct BytesExtreme {
    pub(super) which: Which,
    pub(super) ty: DataType,
}

struct BytesSlots<'a> {
    values: &'a mut BytesColumn,
    present: &'a mut [i64],
}

impl<'a> BytesSlots<'a> {
    fn of(state: &'a mut AggregateState<'_>) -> Result<Self> {
        match state.slots {
            [SlotColumn::Bytes(values), SlotColumn::Int64(present)] => Ok(BytesSlots { values, present }),
            _ => Err(Error::internal("MIN or MAX got slots of another shape than its own")),
        }
    }

    fn get(&self, group: u32) -> Option<&[u8]> {
        (self.present[group as usize] != 0).then(|| self.values.get(group))
    }

    fn contest(&mut self, which: Which, group: u32, value: &[u8]) {
        let present = &mut self.present[group as usize];
        if *present == 0 || which.wins(value, self.values.get(group)) {
            self.values.set(group, value);
            *present = 1;
        }
    }
}

impl BytesExtreme {
    fn column(input: &AggregateInput<'_>) -> Result<BinaryArray> {
        match input.args {
            [arg] => match Canonical::of(arg)? {
                Canonical::Bytes(a) => Ok(a),
                _ => Err(Error::internal("MIN or MAX over bytes got another type")),
            },
            _ => Err(Error::internal("MIN or MAX takes one argument")),
        }
    }

    fn result(&self, mut builder: BinaryBuilder) -> Result<ArrayRef> {
        Canonical::Bytes(builder.finish()).into_column(&self.ty)
    }
}

impl Aggregate for BytesExtreme {
    fn shape(&self) -> StateShape {
        StateShape { slots: shape(SlotType::Bytes), views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let column = Self::column(input)?;
        let mut slots = BytesSlots::of(state)?;
        for (row, group) in input.groups.iter().enumerate() {
            if input.change(row) == Change::Add && column.is_valid(row) {
                slots.contest(self.which, *group, column.value(row));
            }
        }
        Ok(())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let column = Self::column(input)?;
        let mut slots = BytesSlots::of(state)?;
        let (mut before, mut after) = (BinaryBuilder::new(), BinaryBuilder::new());
        for (row, group) in input.groups.iter().enumerate() {
            before.append_option(slots.get(*group));
            if input.change(row) == Change::Add && column.is_valid(row) {
                slots.contest(self.which, *group, column.value(row));
            }
            after.append_option(slots.get(*group));
        }
        Ok(Running { before: self.result(before)?, after: self.result(after)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let slots = BytesSlots::of(state)?;
        let mut builder = BinaryBuilder::new();
        for group in groups {
            builder.append_option(slots.get(*group));
        }
        self.result(builder)
    }

    fn merges(&self) -> bool {
        !self.which.is_by_order()
    }

    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        let (partial, mut slots) = (BytesSlots::of(partial)?, BytesSlots::of(state)?);
        for (from, group) in input.from.iter().zip(input.groups) {
            if let Some(value) = partial.get(*from) {
                slots.contest(self.which, *group, value);
            }
        }
        Ok(())
    }
}

/// Over a changelog: all values, ordered.
pub(super) struct SortedExtreme {
    pub(super) end: End,
    pub(super) ty: LogicalType,
}

impl SortedExtreme {
    pub(super) fn view<'a>(state: &'a mut AggregateState<'_>) -> Result<&'a mut dyn SortedView> {
        match state.views {
            [View::Sorted(view)] => Ok(view.as_mut()),
            _ => Err(Error::internal("MIN or MAX got views of another shape than its own")),
        }
    }
}

impl Aggregate for SortedExtreme {
    fn shape(&self) -> StateShape {
        let view = ViewShape { name: "values", kind: ViewKind::Sorted, ty: self.ty.clone() };
        StateShape { slots: Vec::new(), views: vec![view] }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        Self::view(state)?.fold(input)
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        Self::view(state)?.running(input, self.end)
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        Self::view(state)?.value(groups, self.end)
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
        let entries = Self::view(partial)?.entries(input.from)?;
        let groups: Vec<u32> = entries.places.iter().map(|place| input.groups[*place as usize]).collect();
        let counts: Vec<i64> = entries.counts.iter().map(|count| if input.retract { -count } else { *count }).collect();
        // Values of an ordered view do not expire.
        Self::view(state)?.count(&entries.values, &groups, &counts, 0).map(|_| ())
    }
}
