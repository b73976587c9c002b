//! Value to count for each group, ordered: how `MIN` and `MAX` find the next value after a retraction.
//!
//! Flink counterpart: the `MapView` of `MinWithRetractAggFunction`, which scans the whole map where
//! this takes the first entry. **State layout**: an ordered map per group; counts are signed, as a
//! retraction may come before what it retracts, and only values with a positive count are seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use flott_api::Result;
use flott_api::aggregate::{AggregateInput, Change, Countable, CountedValues, End, Running, SlotType, SortedView};

use super::encoded::{Encoding, check_length};
use super::held::{Float, Held};
use super::map_view::values;
use super::sizes::Sizes;
use crate::canonical::form;
use crate::codec::{put_short, put_signed, take_short, take_signed};

/// An empty view over values of this type. Those that have no order of their own are ordered by their bytes as
/// state: for what only wants the same order each time.
///
/// # Errors
/// If values of the type cannot be kept.
pub fn sorted_view(ty: &DataType) -> Result<Box<dyn SortedView>> {
    match form(ty) {
        Some(SlotType::Int64) => Ok(Box::new(Sorted::<i64>::new(ty))),
        Some(SlotType::Int128) => Ok(Box::new(Sorted::<i128>::new(ty))),
        Some(SlotType::Float64) => Ok(Box::new(Sorted::<Float>::new(ty))),
        Some(SlotType::Bytes) => Ok(Box::new(Sorted::<Box<[u8]>>::new(ty))),
        None => Ok(Box::new(EncodedSorted { encoding: Encoding::of(ty)?, values: Sorted::new(&DataType::Binary) })),
    }
}

struct Sorted<V> {
    ty: DataType,
    groups: Vec<Group<V>>,
    held_bytes: usize,
    sizes: Sizes,
}

/// The values of one group.
struct Group<V> {
    values: BTreeMap<V, i64>,
    held_bytes: usize,
}

impl<V> Group<V> {
    fn new() -> Self {
        Group { values: BTreeMap::new(), held_bytes: 0 }
    }
}

impl<V: Held> Group<V> {
    fn add(&mut self, key: &V::Key, by: i64) {
        let entry_bytes = size_of::<(V, i64)>() + size_of_val(key);
        let Some(count) = self.values.get_mut(key) else {
            self.values.insert(V::hold(key), by);
            self.held_bytes += entry_bytes;
            return;
        };
        // A number of times that a user gives may be any: as in Flink it wraps.
        *count = count.wrapping_add(by);
        if *count == 0 {
            self.values.remove(key);
            self.held_bytes -= entry_bytes;
        }
    }
}

impl<V: Held> Sorted<V> {
    fn new(ty: &DataType) -> Self {
        Sorted { ty: ty.clone(), groups: Vec::new(), held_bytes: 0, sizes: Sizes::new() }
    }

    fn grow(&mut self, groups: &[u32]) {
        let end = groups.iter().max().map_or(0, |g| *g as usize + 1);
        if end > self.groups.len() {
            self.groups.resize_with(end, Group::new);
        }
    }

    fn add(&mut self, group: u32, key: &V::Key, by: i64) {
        let group = &mut self.groups[group as usize];
        let before = group.held_bytes;
        group.add(key, by);
        self.held_bytes += group.held_bytes;
        self.held_bytes -= before;
        self.sizes.moved(before, group.held_bytes);
    }

    fn apply(&mut self, group: u32, key: Option<&V::Key>, change: Change) {
        match (key, change) {
            (Some(key), Change::Add) => self.add(group, key, 1),
            (Some(key), Change::Retract) => self.add(group, key, -1),
            (None, _) | (_, Change::Skip) => {}
        }
    }

    fn end(&self, group: u32, end: End) -> Option<&V> {
        let mut entries = self.groups.get(group as usize)?.values.iter();
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
        let mut entries = Entries::<V>::default();
        for (place, group) in groups.iter().enumerate() {
            entries.push(place, self.groups.get(*group as usize))?;
        }
        entries.finish(&self.ty)
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

    fn around(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64]) -> Result<[CountedValues; 2]> {
        let column = V::column(values)?;
        self.grow(groups);
        let (mut before, mut after) = (Entries::<V>::default(), Entries::<V>::default());
        for (row, (group, by)) in groups.iter().zip(counts).enumerate() {
            before.push(row, self.groups.get(*group as usize))?;
            if let Some(key) = V::key(&column, row).filter(|_| *by != 0) {
                self.add(*group, key, *by);
            }
            after.push(row, self.groups.get(*group as usize))?;
        }
        Ok([before.finish(&self.ty)?, after.finish(&self.ty)?])
    }
}

/// Values with counts on their way into columns.
struct Entries<V: Held> {
    values: V::Builder,
    places: Vec<u32>,
    counts: Vec<i64>,
    bytes: usize,
}

impl<V: Held> Default for Entries<V> {
    fn default() -> Self {
        Entries { values: V::Builder::default(), places: Vec::new(), counts: Vec::new(), bytes: 0 }
    }
}

impl<V: Held> Entries<V> {
    fn push(&mut self, place: usize, group: Option<&Group<V>>) -> Result<()> {
        for (value, count) in group.into_iter().flat_map(|group| &group.values) {
            self.bytes += size_of_val::<V::Key>(value.borrow());
            V::append(&mut self.values, Some(value));
            self.places.push(place as u32);
            self.counts.push(*count);
            check_length(self.bytes)?;
        }
        Ok(())
    }

    fn finish(self, ty: &DataType) -> Result<CountedValues> {
        let values = V::finish(self.values).into_column(ty)?;
        Ok(CountedValues { values, places: self.places, counts: self.counts })
    }
}

/// Values of any type, by their bytes.
struct EncodedSorted {
    encoding: Encoding,
    values: Sorted<Box<[u8]>>,
}

impl EncodedSorted {
    fn encoded(&self, column: &ArrayRef) -> Result<ArrayRef> {
        Ok(Arc::new(self.encoding.encode(column)?))
    }

    fn decoded(&self, column: &ArrayRef) -> Result<ArrayRef> {
        self.encoding.decode(column.as_binary::<i32>().iter())
    }

    fn decoded_entries(&self, entries: CountedValues) -> Result<CountedValues> {
        Ok(CountedValues { values: self.decoded(&entries.values)?, ..entries })
    }
}

impl Countable for EncodedSorted {
    fn entries(&self, groups: &[u32]) -> Result<CountedValues> {
        self.decoded_entries(self.values.entries(groups)?)
    }

    fn count(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64], now_ms: i64) -> Result<Vec<Change>> {
        self.values.count(&self.encoded(values)?, groups, counts, now_ms)
    }

    fn around(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64]) -> Result<[CountedValues; 2]> {
        let [before, after] = self.values.around(&self.encoded(values)?, groups, counts)?;
        Ok([self.decoded_entries(before)?, self.decoded_entries(after)?])
    }
}

impl SortedView for EncodedSorted {
    fn fold(&mut self, input: &AggregateInput<'_>) -> Result<()> {
        let values = [self.encoded(values(input)?)?];
        self.values.fold(&AggregateInput { args: &values, ..*input })
    }

    fn running(&mut self, input: &AggregateInput<'_>, end: End) -> Result<Running> {
        let values = [self.encoded(values(input)?)?];
        let running = self.values.running(&AggregateInput { args: &values, ..*input }, end)?;
        Ok(Running { before: self.decoded(&running.before)?, after: self.decoded(&running.after)? })
    }

    fn value(&self, groups: &[u32], end: End) -> Result<ArrayRef> {
        self.decoded(&self.values.value(groups, end)?)
    }

    fn clear(&mut self, group: u32) {
        self.values.clear(group);
    }

    fn memory_bytes(&self) -> (usize, usize) {
        self.values.memory_bytes()
    }

    fn save(&self, group: u32, out: &mut Vec<u8>) {
        self.values.save(group, out);
    }

    fn load(&mut self, group: u32, input: &mut &[u8]) -> Result<()> {
        self.values.load(group, input)
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
        let Some(group) = self.groups.get_mut(group as usize) else { return };
        let before = std::mem::replace(group, Group::new()).held_bytes;
        self.held_bytes -= before;
        self.sizes.moved(before, 0);
    }

    fn memory_bytes(&self) -> (usize, usize) {
        (self.groups.capacity() * size_of::<Group<V>>() + self.held_bytes, self.sizes.largest())
    }

    fn save(&self, group: u32, out: &mut Vec<u8>) {
        let Some(Group { values, .. }) = self.groups.get(group as usize) else {
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
    use arrow_array::types::Int32Type;
    use arrow_array::{Array, Int64Array, ListArray, StringArray};

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
    fn the_values_around_each_row_are_ordered() {
        let mut view = sorted_view(&DataType::Int64).unwrap();
        let values: ArrayRef = Arc::new(Int64Array::from(vec![9, 4, 9]));
        let [before, after] = view.around(&values, &[0; 3], &[1, 2, -1]).unwrap();
        let expected: ArrayRef = Arc::new(Int64Array::from(vec![9, 4, 9, 4]));
        assert_eq!((&after.values, after.places, after.counts), (&expected, vec![0, 1, 1, 2], vec![1, 2, 1, 2]));
        assert_eq!((&before.values, before.places), (&expected.slice(0, 3), vec![1, 2, 2]));
    }

    #[test]
    fn values_without_an_order_have_that_of_their_bytes() {
        let list = |v: i32| Some(vec![Some(v)]);
        let values = ListArray::from_iter_primitive::<Int32Type, _, _>([list(2), None, list(1), list(2)]);
        let mut view = sorted_view(values.data_type()).unwrap();
        let values: ArrayRef = Arc::new(values);
        view.fold(&AggregateInput { args: std::slice::from_ref(&values), groups: &[0; 4], changes: None }).unwrap();
        let entries = view.entries(&[0]).unwrap();
        let expected: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([list(1), list(2)]));
        assert_eq!((&entries.values, entries.counts), (&expected, vec![1, 2]));
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
        let (full, _) = copy.memory_bytes();
        copy.clear(1);
        let (empty, largest) = copy.memory_bytes();
        assert!(empty < full && largest == 0);
        assert_eq!(copy.value(&[1], End::First).unwrap().null_count(), 1);
    }
    #[test]
    fn many_small_groups_have_no_large_one() {
        let mut view = sorted_view(&DataType::Int64).unwrap();
        let groups: Vec<u32> = (0..10_000).collect();
        let args: [ArrayRef; 1] = [Arc::new(Int64Array::from_iter_values(0..10_000))];
        view.fold(&AggregateInput { args: &args, groups: &groups, changes: None }).unwrap();
        let (all, largest) = view.memory_bytes();
        assert!(all > 100_000 && largest < 100, "{all} bytes, and one group {largest}");
        // One group grows and shrinks again.
        view.fold(&AggregateInput { args: &args, groups: &[7; 10_000], changes: None }).unwrap();
        assert!(view.memory_bytes().1 > 100_000);
        view.fold(&AggregateInput { args: &args, groups: &[7; 10_000], changes: Some(&[Retract; 10_000]) }).unwrap();
        assert!(view.memory_bytes().1 < 100);
    }
}
