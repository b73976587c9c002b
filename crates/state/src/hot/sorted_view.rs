//! Value to count for each group, ordered: how `MIN` and `MAX` find the next value after a retraction.
//!
//! Flink counterpart: the `MapView` of `MinWithRetractAggFunction`, which scans the whole map where
//! this takes the first entry. **State layout**: an ordered map per group; counts are signed, as a
//! retraction may come before what it retracts, and only values with a positive count are seen.

use std::collections::BTreeMap;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use flott_api::aggregate::{AggregateInput, Change, Countable, CountedValues, End, Running, SlotType, SortedView};
use flott_api::{Error, Result};

use super::held::{Float, Held};
use super::map_view::values;
use crate::canonical::form;
use crate::codec::{put_short, put_signed, take_short, take_signed};

/// An empty view over values of this type.
///
/// # Errors
/// If values of the type have no order.
pub fn sorted_view(ty: &DataType) -> Result<Box<dyn SortedView>> {
    match form(ty) {
        Some(SlotType::Int64) => Ok(Box::new(Sorted::<i64>::new(ty))),
        Some(SlotType::Int128) => Ok(Box::new(Sorted::<i128>::new(ty))),
        Some(SlotType::Float64) => Ok(Box::new(Sorted::<Float>::new(ty))),
        Some(SlotType::Bytes) => Ok(Box::new(Sorted::<Box<[u8]>>::new(ty))),
        None => Err(Error::unsupported(format!("MIN or MAX over values that lie as {ty}"))),
    }
}

struct Sorted<V> {
    ty: DataType,
    groups: Vec<BTreeMap<V, i64>>,
    held_bytes: usize,
}

impl<V: Held> Sorted<V> {
    fn new(ty: &DataType) -> Self {
        Sorted { ty: ty.clone(), groups: Vec::new(), held_bytes: 0 }
    }

    fn grow(&mut self, groups: &[u32]) {
        let end = groups.iter().max().map_or(0, |g| *g as usize + 1);
        if end > self.groups.len() {
            self.groups.resize_with(end, BTreeMap::new);
        }
    }

    fn add(&mut self, group: u32, key: &V::Key, by: i64) {
        let values = &mut self.groups[group as usize];
        let entry_bytes = size_of::<(V, i64)>() + size_of_val(key);
        let Some(count) = values.get_mut(key) else {
            values.insert(V::hold(key), by);
            self.held_bytes += entry_bytes;
            return;
        };
        *count += by;
        if *count == 0 {
            values.remove(key);
            self.held_bytes -= entry_bytes;
        }
    }

    fn apply(&mut self, group: u32, key: Option<&V::Key>, change: Change) {
        match (key, change) {
            (Some(key), Change::Add) => self.add(group, key, 1),
            (Some(key), Change::Retract) => self.add(group, key, -1),
            (None, _) | (_, Change::Skip) => {}
        }
    }

    fn end(&self, group: u32, end: End) -> Option<&V> {
        let values = self.groups.get(group as usize)?;
        let mut entries = values.iter();
        let seen = |(_, count): &(&V, &i64)| **count > 0;
        let found = match end {
            End::First => entries.find(seen),
            End::Last => entries.rfind(seen),
        };
        found.map(|(value, _)| value)
    }

    fn column(&self, builder: V::Builder) -> Result<ArrayRef> {
        V::finish(builder).into_column(&self.ty)
    }
}

impl<V: Held> Countable for Sorted<V> {
    fn entries(&self, groups: &[u32]) -> Result<CountedValues> {
        let (mut builder, mut places, mut counts) = (V::Builder::default(), Vec::new(), Vec::new());
        for (place, group) in groups.iter().enumerate() {
            for (value, count) in self.groups.get(*group as usize).into_iter().flatten() {
                V::append(&mut builder, Some(value));
                places.push(place as u32);
                counts.push(*count);
            }
        }
        Ok(CountedValues { values: self.column(builder)?, places, counts })
    }

    /// No `DISTINCT` aggregate looks at an ordered view, so it answers that nothing has changed.
    fn count(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64], _: i64) -> Result<Vec<Change>> {
        let column = V::column(values)?;
        self.grow(groups);
        for (row, (group, by)) in groups.iter().zip(counts).enumerate() {
            if let Some(key) = V::key(&column, row).filter(|_| *by != 0) {
                self.add(*group, key, *by);
            }
        }
        Ok(vec![Change::Skip; groups.len()])
    }
}

impl<V: Held> SortedView for Sorted<V> {
    fn fold(&mut self, input: &AggregateInput<'_>) -> Result<()> {
        let column = V::column(values(input)?)?;
        self.grow(input.groups);
        for (row, group) in input.groups.iter().enumerate() {
            self.apply(*group, V::key(&column, row), input.change(row));
        }
        Ok(())
    }

    fn running(&mut self, input: &AggregateInput<'_>, end: End) -> Result<Running> {
        let column = V::column(values(input)?)?;
        self.grow(input.groups);
        let (mut before, mut after) = (V::Builder::default(), V::Builder::default());
        for (row, group) in input.groups.iter().enumerate() {
            V::append(&mut before, self.end(*group, end));
            self.apply(*group, V::key(&column, row), input.change(row));
            V::append(&mut after, self.end(*group, end));
        }
        Ok(Running { before: self.column(before)?, after: self.column(after)? })
    }

    fn value(&self, groups: &[u32], end: End) -> Result<ArrayRef> {
        let mut builder = V::Builder::default();
        for group in groups {
            V::append(&mut builder, self.end(*group, end));
        }
        self.column(builder)
    }

    fn clear(&mut self, group: u32) {
        let Some(values) = self.groups.get_mut(group as usize) else { return };
        let held: usize = values.keys().map(|v| size_of::<(V, i64)>() + size_of_val(v.borrow())).sum();
        values.clear();
        self.held_bytes -= held;
    }

    fn memory_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<BTreeMap<V, i64>>() + self.held_bytes
    }

    fn save(&self, group: u32, out: &mut Vec<u8>) {
        let Some(values) = self.groups.get(group as usize) else {
            return put_short(out, 0);
        };
        put_short(out, values.len() as u64);
        for (value, count) in values {
            value.put(out);
            put_signed(out, *count);
        }
    }

    fn load(&mut self, group: u32, input: &mut &[u8]) -> Result<()> {
        self.grow(&[group]);
        for _ in 0..take_short(input)? {
            let value = V::take(input)?;
            let count = take_signed(input)?;
            self.add(group, value.borrow(), count);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Array, Int64Array, StringArray};

    use super::*;
    use Change::{Add, Retract};

    #[test]
    fn the_next_value_follows_a_retracted_one() {
        let mut view = sorted_view(&DataType::Int64).unwrap();
        let args: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![Some(5), Some(3), Some(3), None, Some(3), Some(3)]))];
        let changes = [Add, Add, Add, Add, Retract, Retract];
        let input = AggregateInput { args: &args, groups: &[0; 6], changes: Some(&changes) };
        let running = view.running(&input, End::First).unwrap();
        let expected: ArrayRef = Arc::new(Int64Array::from(vec![5, 3, 3, 3, 3, 5]));
        assert_eq!(&running.after, &expected);
        let before: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(5), Some(3), Some(3), Some(3), Some(3)]));
        assert_eq!(&running.before, &before);
    }

    #[test]
    fn a_retraction_may_come_first() {
        let mut view = sorted_view(&DataType::Int64).unwrap();
        let args: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![9, 4, 9]))];
        let changes = [Retract, Add, Add];
        view.fold(&AggregateInput { args: &args, groups: &[0; 3], changes: Some(&changes) }).unwrap();
        let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(4), None]));
        assert_eq!(&view.value(&[0, 7], End::Last).unwrap(), &expected);
    }

    #[test]
    fn views_are_put_into_each_other_and_taken_out_again() {
        let mut part = sorted_view(&DataType::Int64).unwrap();
        let args: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![9, 4, 4]))];
        part.fold(&AggregateInput { args: &args, groups: &[0, 0, 2], changes: None }).unwrap();
        let mut whole = sorted_view(&DataType::Int64).unwrap();
        let mut last = |groups: &[u32], by: i64| {
            let entries = part.entries(groups).unwrap();
            let counts: Vec<i64> = entries.counts.iter().map(|c| c * by).collect();
            whole.count(&entries.values, &vec![1; counts.len()], &counts, 0).unwrap();
            whole.value(&[1], End::Last).unwrap()
        };
        let value = |v: Option<i64>| -> ArrayRef { Arc::new(Int64Array::from(vec![v])) };
        assert_eq!(&last(&[0, 2], 1), &value(Some(9)));
        assert_eq!(&last(&[0], -1), &value(Some(4)));
        assert_eq!(&last(&[2], -1), &value(None));
    }

    #[test]
    fn text_survives_its_bytes_and_a_clear() {
        let mut view = sorted_view(&DataType::Utf8).unwrap();
        let args: [ArrayRef; 1] = [Arc::new(StringArray::from(vec!["b", "a", "c"]))];
        view.fold(&AggregateInput { args: &args, groups: &[0, 2, 2], changes: None }).unwrap();
        let mut bytes = Vec::new();
        view.save(2, &mut bytes);
        let mut copy = sorted_view(&DataType::Utf8).unwrap();
        copy.load(1, &mut bytes.as_slice()).unwrap();
        let expected: ArrayRef = Arc::new(StringArray::from(vec![Some("c"), None]));
        assert_eq!(&copy.value(&[1, 0], End::Last).unwrap(), &expected);
        let full = copy.memory_bytes();
        copy.clear(1);
        assert!(copy.memory_bytes() < full);
        assert_eq!(copy.value(&[1], End::First).unwrap().null_count(), 1);
    }
}
