//! Aggregates whose state is a count of each value, in order: `COLLECT` and `PERCENTILE`.
//!
//! Flink counterparts: `CollectAggFunction`, `PercentileAggFunction`. A multiset comes out ordered by its values
//! (Flink's order is that of a hash table). Values with a count below one, which only retractions that come too early
//! bring about, are not seen.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_select::filter::filter;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, BytesColumn, Change, CountedValues, MergeInput, Running, SlotColumn,
    SlotType, SortedView, StateShape, View, ViewKind, ViewShape,
};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_state::canonical::Canonical;

use super::cell::slot;
use super::double::Doubles;

fn view(views: &mut [View]) -> Result<&mut dyn SortedView> {
    match views {
        [View::Sorted(view)] => Ok(view.as_mut()),
        _ => Err(Error::internal("an aggregate of counts got views of another shape than its own")),
    }
}

fn value_bytes(state: &AggregateState<'_>) -> usize {
    match &*state.views {
        [View::Sorted(view)] => view.memory_bytes().1,
        _ => 0,
    }
}

/// Takes up the counts of groups, or takes them back.
fn merge(input: &MergeInput<'_>, partial: &mut [View], into: &mut [View]) -> Result<()> {
    let entries = view(partial)?.entries(input.from)?;
    let groups: Vec<u32> = entries.places.iter().map(|place| input.groups[*place as usize]).collect();
    let counts: Vec<i64> = entries.counts.iter().map(|count| if input.retract { -count } else { *count }).collect();
    // Values of an ordered view do not expire.
    view(into)?.count(&entries.values, &groups, &counts, 0).map(|_| ())
}

/// How often each row counts.
fn counts(input: &AggregateInput<'_>) -> Vec<i64> {
    let by = |row| match input.change(row) {
        Change::Skip => 0,
        Change::Add => 1,
        Change::Retract => -1,
    };
    (0..input.groups.len()).map(by).collect()
}

/// `COLLECT`: a multiset of the values that are not null.
pub(super) struct Collect {
    pub(super) element: LogicalType,
    pub(super) ty: DataType,
}

impl Collect {
    /// The multisets of so many groups.
    fn multisets(&self, entries: &CountedValues, groups: usize) -> Result<ArrayRef> {
        let DataType::List(entry) = &self.ty else { return Err(not_a_multiset()) };
        let DataType::Struct(fields) = entry.data_type() else { return Err(not_a_multiset()) };
        let seen: BooleanArray = entries.counts.iter().map(|count| Some(*count > 0)).collect();
        let values = filter(&entries.values, &seen)?;
        let counts: Int32Array = entries.counts.iter().filter(|count| **count > 0).map(|c| Some(*c as i32)).collect();
        let mut lengths = vec![0; groups];
        let places = entries.places.iter().zip(&entries.counts).filter(|(_, count)| **count > 0);
        places.for_each(|(place, _)| lengths[*place as usize] += 1);
        let entries = StructArray::try_new(fields.clone(), vec![values, Arc::new(counts)], None)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(Arc::clone(entry), offsets, Arc::new(entries), None)?))
    }
}

fn not_a_multiset() -> Error {
    Error::internal("COLLECT gives another type than a multiset")
}

fn one_argument<'a>(input: &AggregateInput<'a>) -> Result<&'a ArrayRef> {
    let args: &'a [ArrayRef] = input.args;
    args.first().ok_or_else(|| Error::internal("an aggregate of counts got no argument"))
}

impl Aggregate for Collect {
    fn shape(&self) -> StateShape {
        let view = ViewShape { name: "values", kind: ViewKind::Sorted, ty: self.element.clone() };
        StateShape { slots: Vec::new(), views: vec![view] }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        view(state.views)?.fold(input)
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let rows = input.groups.len();
        let [before, after] = view(state.views)?.around(one_argument(input)?, input.groups, &counts(input))?;
        Ok(Running { before: self.multisets(&before, rows)?, after: self.multisets(&after, rows)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        self.multisets(&view(state.views)?.entries(groups)?, groups.len())
    }

    fn value_bytes(&self, state: &AggregateState<'_>) -> usize {
        value_bytes(state)
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
        merge(input, partial.views, state.views)
    }
}

/// `PERCENTILE`: values at places of the ordered group, between two of them in proportion.
pub(super) struct Percentile {
    pub(super) doubles: Doubles,
    /// Whether it gives an array for an array of places.
    pub(super) several: bool,
}

/// The arguments as numbers.
struct Samples {
    values: ArrayRef,
    counts: Vec<i64>,
}

impl Percentile {
    fn samples(&self, input: &AggregateInput<'_>) -> Result<Samples> {
        let values = self.doubles.column(Canonical::of(one_argument(input)?)?);
        let values = values.ok_or_else(|| Error::internal("PERCENTILE got values that are no numbers"))?;
        let mut by = counts(input);
        if let Some(frequency) = input.args.get(2) {
            let Canonical::Int(frequency) = Canonical::of(frequency)? else {
                return Err(Error::internal("the frequency of a PERCENTILE is no integer"));
            };
            by.iter_mut().enumerate().for_each(|(row, by)| *by *= weight(&frequency, row));
        }
        Ok(Samples { values: Arc::new(values), counts: by })
    }

    /// Remembers the places, which are the same for all rows.
    fn note_places(&self, input: &AggregateInput<'_>, slots: &mut [SlotColumn]) -> Result<()> {
        let places = input.args.get(1).ok_or_else(|| Error::internal("PERCENTILE got no place"))?;
        let slot = places_slot(slots)?;
        let mut bytes = Vec::new();
        for (row, group) in input.groups.iter().enumerate() {
            if input.change(row) != Change::Add || !slot.get(*group).is_empty() {
                continue;
            }
            if bytes.is_empty() {
                bytes = written(&self.places(places, row)?);
            }
            slot.set(*group, &bytes);
        }
        Ok(())
    }

    fn places(&self, places: &ArrayRef, row: usize) -> Result<Vec<f64>> {
        let of = |array: &ArrayRef| Some(array.as_primitive_opt::<Float64Type>()?.values().to_vec());
        let found = match self.several {
            true => places.as_list_opt::<i32>().and_then(|lists| of(&lists.value(row))),
            false => of(&places.slice(row, 1)),
        };
        found.ok_or_else(|| Error::internal("the place of a PERCENTILE is no DOUBLE"))
    }

    /// The percentiles of so many groups; `places` gives what was noted of each.
    fn result<'p>(
        &self,
        entries: &CountedValues,
        groups: usize,
        places: impl Fn(usize) -> &'p [u8],
    ) -> Result<ArrayRef> {
        let values: &Float64Array = entries.values.as_primitive();
        let (mut start, mut sample) = (0, Sample::default());
        let mut singles = Float64Builder::with_capacity(groups);
        let mut arrays = ListBuilder::new(Float64Builder::new());
        for group in 0..groups {
            let end = start + entries.places[start..].iter().take_while(|place| **place as usize == group).count();
            sample.take(&values.values()[start..end], &entries.counts[start..end]);
            start = end;
            let wanted = read(places(group));
            let known = !wanted.is_empty() && sample.total() > 0;
            match self.several {
                true => arrays.append_option(known.then(|| wanted.iter().map(|p| Some(sample.at(*p))))),
                false => singles.append_option(wanted.first().filter(|_| known).map(|p| sample.at(*p))),
            }
        }
        if !self.several {
            return Ok(Arc::new(singles.finish()));
        }
        let (_, offsets, values, nulls) = arrays.finish().into_parts();
        let ty = TypeKind::Array(Box::new(LogicalType::new(TypeKind::Double))).arrow();
        let DataType::List(field) = ty else { return Err(Error::internal("an array is no list")) };
        Ok(Arc::new(ListArray::try_new(field, offsets, values, nulls)?))
    }
}

/// How often a row counts: not at all without a frequency above zero.
fn weight(frequency: &Int64Array, row: usize) -> i64 {
    if frequency.is_valid(row) { frequency.value(row).max(0) } else { 0 }
}

fn places_slot(slots: &mut [SlotColumn]) -> Result<&mut BytesColumn> {
    match slots {
        [SlotColumn::Bytes(places)] => Ok(places),
        _ => Err(Error::internal("PERCENTILE got slots of another shape than its own")),
    }
}

fn written(places: &[f64]) -> Vec<u8> {
    places.iter().flat_map(|place| place.to_le_bytes()).collect()
}

fn read(places: &[u8]) -> Vec<f64> {
    places.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

/// The ordered values of a group, each once, and how many there are up to each.
#[derive(Default)]
struct Sample {
    values: Vec<f64>,
    up_to: Vec<i64>,
}

impl Sample {
    fn take(&mut self, values: &[f64], counts: &[i64]) {
        self.values.clear();
        self.up_to.clear();
        let mut total = 0_i64;
        for (value, count) in values.iter().zip(counts).filter(|(_, count)| **count > 0) {
            total = total.saturating_add(*count);
            self.values.push(*value);
            self.up_to.push(total);
        }
    }

    fn total(&self) -> i64 {
        self.up_to.last().copied().unwrap_or(0)
    }

    /// The value at a place between 0 and 1, where there is a value.
    fn at(&self, place: f64) -> f64 {
        let position = place * (self.total() - 1) as f64 + 1.0;
        let (lower, higher) = (position.floor() as i64, position.ceil() as i64);
        let found = self.up_to.partition_point(|up_to| *up_to < lower).min(self.values.len() - 1);
        if self.up_to[found] >= higher || found + 1 == self.values.len() {
            return self.values[found];
        }
        (higher as f64 - position) * self.values[found] + (position - lower as f64) * self.values[found + 1]
    }
}

impl Aggregate for Percentile {
    fn shape(&self) -> StateShape {
        let view = ViewShape { name: "values", kind: ViewKind::Sorted, ty: LogicalType::new(TypeKind::Double) };
        StateShape { slots: vec![slot("places", SlotType::Bytes)], views: vec![view] }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        self.note_places(input, state.slots)?;
        let Samples { values, counts } = self.samples(input)?;
        // Values of an ordered view do not expire.
        view(state.views)?.count(&values, input.groups, &counts, 0).map(|_| ())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        self.note_places(input, state.slots)?;
        let Samples { values, counts } = self.samples(input)?;
        let [before, after] = view(state.views)?.around(&values, input.groups, &counts)?;
        let slot = places_slot(state.slots)?;
        let result = |entries| self.result(entries, input.groups.len(), |row| slot.get(input.groups[row]));
        Ok(Running { before: result(&before)?, after: result(&after)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let entries = view(state.views)?.entries(groups)?;
        let slot = places_slot(state.slots)?;
        self.result(&entries, groups.len(), |group| slot.get(groups[group]))
    }

    fn value_bytes(&self, state: &AggregateState<'_>) -> usize {
        value_bytes(state)
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
        merge(input, partial.views, state.views)?;
        let (partial, slot) = (places_slot(partial.slots)?, places_slot(state.slots)?);
        for (from, group) in input.from.iter().zip(input.groups) {
            if slot.get(*group).is_empty() {
                slot.set(*group, partial.get(*from));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_between_two_values_is_in_proportion() {
        let mut sample = Sample::default();
        sample.take(&[1.0, 4.0, 10.0], &[2, 1, 2]);
        let at = [0.0, 0.25, 0.3, 0.5, 0.6, 0.9, 1.0].map(|place| sample.at(place));
        assert_eq!(at, [1.0, 1.0, 1.6000000000000005, 4.0, 6.3999999999999995, 10.0, 10.0]);
        sample.take(&[7.0, 9.0], &[-1, 1]);
        assert_eq!((sample.total(), sample.at(0.5)), (1, 9.0));
    }

    #[test]
    fn places_survive_their_bytes() {
        assert_eq!(read(&written(&[0.5, 1.0])), [0.5, 1.0]);
        assert!(read(&[1, 2, 3]).is_empty());
    }
}
