//! Value to count for each group: how `COUNT(DISTINCT x)` knows which values it has seen.
//!
//! Flink counterpart: the `MapView` of a distinct accumulator. **State layout**: a hash map per group
//! that has a value; counts are signed, as a retraction may come before what it retracts. With
//! `table.exec.state.ttl` each value also has the time of its last change, and one that has expired was
//! never seen. Over an insert-only stream a value changes only once, as in Flink, so it expires so long
//! after its first row, not its last.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use flott_api::aggregate::{AggregateInput, Change, Countable, CountedValues, MapView, SlotType};
use flott_api::{Error, Result};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::encoded::Encoding;
use super::expiry::{NOT_KNOWN, known_ms};
use super::held::{Float, Held};
use crate::canonical::form;
use crate::codec::{put_short, put_signed, take_short, take_signed};

/// What a view must be able to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapViewOptions {
    /// Whether rows may be taken back: decides from when on a value expires.
    pub retract: bool,
    /// After how many milliseconds a value expires; 0 for never.
    pub ttl_ms: i64,
}

/// An empty view over values of this type.
///
/// # Errors
/// If values of the type cannot be told apart.
pub fn map_view(ty: &DataType, options: MapViewOptions) -> Result<Box<dyn MapView>> {
    if options.ttl_ms > 0 { view::<Timed>(ty, options) } else { view::<i64>(ty, options) }
}

fn view<C: Count>(ty: &DataType, options: MapViewOptions) -> Result<Box<dyn MapView>> {
    match form(ty) {
        Some(SlotType::Int64) => Ok(Box::new(Counts::<i64, C>::new(ty, options))),
        Some(SlotType::Int128) => Ok(Box::new(Counts::<i128, C>::new(ty, options))),
        Some(SlotType::Float64) => Ok(Box::new(Counts::<Float, C>::new(ty, options))),
        Some(SlotType::Bytes) => Ok(Box::new(Counts::<Box<[u8]>, C>::new(ty, options))),
        None => Ok(Box::new(EncodedMap::<C>::new(ty, options, false)?)),
    }
}

/// The same with nulls among the values, which are equal to each other.
///
/// # Errors
/// If values of the type cannot be told apart.
pub fn map_view_with_nulls(ty: &DataType, options: MapViewOptions) -> Result<Box<dyn MapView>> {
    if options.ttl_ms > 0 {
        Ok(Box::new(EncodedMap::<Timed>::new(ty, options, true)?))
    } else {
        Ok(Box::new(EncodedMap::<i64>::new(ty, options, true)?))
    }
}

/// How often a value was seen.
trait Count: Copy + Send + 'static {
    fn new(count: i64, now_ms: i64) -> Self;
    /// The count; 0 if the value was last changed at `expired_ms` or before.
    fn get(self, expired_ms: i64) -> i64;
    /// Count and time of the last change, 0 if that is not known: the same bytes with and without expiry, so
    /// that it may be switched on and off.
    fn parts(self) -> (i64, i64);
}

impl Count for i64 {
    fn new(count: i64, _: i64) -> Self {
        count
    }

    fn get(self, _: i64) -> i64 {
        self
    }

    fn parts(self) -> (i64, i64) {
        (self, 0)
    }
}

/// A count that expires.
#[derive(Clone, Copy)]
struct Timed {
    count: i64,
    changed_ms: i64,
}

impl Count for Timed {
    fn new(count: i64, changed_ms: i64) -> Self {
        Timed { count, changed_ms: known_ms(changed_ms) }
    }

    fn get(self, expired_ms: i64) -> i64 {
        if self.changed_ms <= expired_ms { 0 } else { self.count }
    }

    fn parts(self) -> (i64, i64) {
        (self.count, self.changed_ms)
    }
}

type ValueCounts<V, C> = HashMap<V, C, FixedState>;

struct Counts<V, C> {
    ty: DataType,
    groups: Vec<ValueCounts<V, C>>,
    options: MapViewOptions,
    held_bytes: usize,
}

fn entry_bytes<V: Held, C>(key: &V::Key) -> usize {
    size_of::<(V, C)>() + size_of_val(key)
}

impl<V: Held, C: Count> Counts<V, C> {
    fn new(ty: &DataType, options: MapViewOptions) -> Self {
        Counts { ty: ty.clone(), groups: Vec::new(), options, held_bytes: 0 }
    }

    fn grow(&mut self, group: u32) {
        let group = group as usize;
        if group >= self.groups.len() {
            self.groups.resize_with(group + 1, ValueCounts::default);
        }
    }

    /// Adds `by` to a value's count, and answers the count before and after.
    fn add(&mut self, group: u32, key: &V::Key, by: i64, now_ms: i64) -> (i64, i64) {
        self.grow(group);
        let expired_ms = now_ms.saturating_sub(self.options.ttl_ms);
        let Some(count) = self.groups[group as usize].get_mut(key) else {
            self.insert(group, V::hold(key), C::new(by, now_ms), expired_ms);
            return (0, by);
        };
        let before = count.get(expired_ms);
        if before > 0 && !self.options.retract && self.options.ttl_ms > 0 {
            return (before, before + by);
        }
        *count = C::new(before + by, now_ms);
        if before + by == 0 {
            self.groups[group as usize].remove(key);
            self.held_bytes -= entry_bytes::<V, C>(key);
        }
        (before, before + by)
    }

    fn insert(&mut self, group: u32, value: V, count: C, expired_ms: i64) {
        self.held_bytes += entry_bytes::<V, C>(value.borrow());
        let values = &mut self.groups[group as usize];
        if self.options.ttl_ms > 0 && values.len() == values.capacity() {
            // Before it grows the map lets go of what has expired.
            let held_bytes = &mut self.held_bytes;
            values.retain(|value, count| {
                let stays = count.get(expired_ms) != 0;
                *held_bytes -= if stays { 0 } else { entry_bytes::<V, C>(value.borrow()) };
                stays
            });
        }
        values.insert(value, count);
    }
}

impl<V: Held, C: Count> Countable for Counts<V, C> {
    fn entries(&self, groups: &[u32]) -> Result<CountedValues> {
        let (mut builder, mut places, mut counts) = (V::Builder::default(), Vec::new(), Vec::new());
        for (place, group) in groups.iter().enumerate() {
            for (value, count) in self.groups.get(*group as usize).into_iter().flatten() {
                V::append(&mut builder, Some(value));
                places.push(place as u32);
                counts.push(count.parts().0);
            }
        }
        Ok(CountedValues { values: V::finish(builder).into_column(&self.ty)?, places, counts })
    }

    fn count(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64], now_ms: i64) -> Result<Vec<Change>> {
        let column = V::column(values)?;
        let one = |(row, (group, by)): (usize, (&u32, &i64))| match V::key(&column, row).filter(|_| *by != 0) {
            Some(key) => seen(self.add(*group, key, *by, now_ms)),
            None => Change::Skip,
        };
        Ok(groups.iter().zip(counts).enumerate().map(one).collect())
    }
}

/// What a value's count before and after means to a `DISTINCT` aggregate.
fn seen((before, after): (i64, i64)) -> Change {
    match (before > 0, after > 0) {
        (false, true) => Change::Add,
        (true, false) => Change::Retract,
        _ => Change::Skip,
    }
}

impl<V: Held, C: Count> MapView for Counts<V, C> {
    fn distinct(&mut self, input: &AggregateInput<'_>, now_ms: i64) -> Result<Vec<Change>> {
        let column = V::column(values(input)?)?;
        let mut seen = vec![Change::Skip; input.groups.len()];
        for (row, (group, seen)) in input.groups.iter().zip(&mut seen).enumerate() {
            let change = input.change(row);
            let (Some(key), false) = (V::key(&column, row), change == Change::Skip) else { continue };
            *seen = match change {
                Change::Retract if self.add(*group, key, -1, now_ms).1 == 0 => Change::Retract,
                Change::Add if self.add(*group, key, 1, now_ms).1 == 1 => Change::Add,
                _ => Change::Skip,
            };
        }
        Ok(seen)
    }

    fn clear(&mut self, group: u32) {
        let Some(values) = self.groups.get_mut(group as usize) else { return };
        let held: usize = values.keys().map(|v| entry_bytes::<V, C>(v.borrow())).sum();
        *values = ValueCounts::default();
        self.held_bytes -= held;
    }

    fn memory_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<ValueCounts<V, C>>() + self.held_bytes
    }

    fn save(&self, group: u32, out: &mut Vec<u8>) {
        let Some(values) = self.groups.get(group as usize) else {
            return put_short(out, 0);
        };
        let mut sorted: Vec<(&V, &C)> = values.iter().collect();
        sorted.sort_unstable_by_key(|(value, _)| *value);
        put_short(out, sorted.len() as u64);
        for (value, counted) in sorted {
            let (count, changed_ms) = counted.parts();
            value.put(out);
            put_signed(out, count);
            put_signed(out, changed_ms);
        }
    }

    fn load(&mut self, group: u32, input: &mut &[u8], now_ms: i64) -> Result<()> {
        self.grow(group);
        for _ in 0..take_short(input)? {
            let value = V::take(input)?;
            let (count, changed_ms) = (take_signed(input)?, take_signed(input)?);
            let changed_ms = if changed_ms == NOT_KNOWN { now_ms } else { changed_ms };
            self.insert(group, value, C::new(count, changed_ms), i64::MIN);
        }
        Ok(())
    }
}

/// Values of any type, by their bytes.
struct EncodedMap<C> {
    encoding: Encoding,
    counts: Counts<Box<[u8]>, C>,
    nulls: bool,
}

impl<C: Count> EncodedMap<C> {
    fn new(ty: &DataType, options: MapViewOptions, nulls: bool) -> Result<Self> {
        Ok(EncodedMap { encoding: Encoding::of(ty)?, counts: Counts::new(&DataType::Binary, options), nulls })
    }

    fn encoded(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let bytes = if self.nulls { self.encoding.encode_nulls(column) } else { self.encoding.encode(column) };
        Ok(Arc::new(bytes?))
    }
}

impl<C: Count> Countable for EncodedMap<C> {
    fn entries(&self, groups: &[u32]) -> Result<CountedValues> {
        let entries = self.counts.entries(groups)?;
        Ok(CountedValues { values: self.encoding.decode(entries.values.as_binary::<i32>().iter())?, ..entries })
    }

    fn count(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64], now_ms: i64) -> Result<Vec<Change>> {
        self.counts.count(&self.encoded(values)?, groups, counts, now_ms)
    }
}

impl<C: Count> MapView for EncodedMap<C> {
    fn distinct(&mut self, input: &AggregateInput<'_>, now_ms: i64) -> Result<Vec<Change>> {
        let values = [self.encoded(values(input)?)?];
        self.counts.distinct(&AggregateInput { args: &values, ..*input }, now_ms)
    }

    fn clear(&mut self, group: u32) {
        self.counts.clear(group);
    }

    fn memory_bytes(&self) -> usize {
        self.counts.memory_bytes()
    }

    fn save(&self, group: u32, out: &mut Vec<u8>) {
        self.counts.save(group, out);
    }

    fn load(&mut self, group: u32, input: &mut &[u8], now_ms: i64) -> Result<()> {
        self.counts.load(group, input, now_ms)
    }
}

/// The one argument of a view.
pub(super) fn values<'a>(input: &AggregateInput<'a>) -> Result<&'a ArrayRef> {
    match input.args {
        [values] if values.len() == input.groups.len() => Ok(values),
        _ => Err(Error::internal("a view takes one argument, a value a row")),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{Int32Array, ListArray, StringArray};

    use super::*;
    use Change::{Add, Retract, Skip};

    const FOR_EVER: MapViewOptions = MapViewOptions { retract: true, ttl_ms: 0 };

    fn distinct(view: &mut dyn MapView, values: &ArrayRef, groups: &[u32], now_ms: i64) -> Vec<Change> {
        let input = AggregateInput { args: std::slice::from_ref(values), groups, changes: None };
        view.distinct(&input, now_ms).unwrap()
    }

    #[test]
    fn the_first_counts_and_the_last_retracts() {
        let mut view = map_view(&DataType::Int32, FOR_EVER).unwrap();
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), Some(7), None, Some(7), Some(7), Some(7)]));
        let changes = [Add, Add, Add, Retract, Retract, Add];
        let input = AggregateInput { args: &[values], groups: &[0; 6], changes: Some(&changes) };
        assert_eq!(view.distinct(&input, 0).unwrap(), [Add, Skip, Skip, Skip, Retract, Add]);
    }

    #[test]
    fn groups_are_apart_and_survive_their_bytes() {
        let mut view = map_view(&DataType::Utf8, FOR_EVER).unwrap();
        let values: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b"]));
        assert_eq!(distinct(view.as_mut(), &values, &[0, 3, 3], 0), [Add, Add, Add]);
        let mut bytes = Vec::new();
        view.save(3, &mut bytes);
        let mut copy = map_view(&DataType::Utf8, FOR_EVER).unwrap();
        copy.load(5, &mut bytes.as_slice(), 0).unwrap();
        assert_eq!(distinct(copy.as_mut(), &values, &[5, 5, 1], 0), [Skip, Skip, Add]);
        assert!(copy.load(0, &mut &bytes[..bytes.len() - 1], 0).is_err());
    }

    #[test]
    fn views_are_put_into_each_other_and_taken_out_again() {
        let mut part = map_view(&DataType::Utf8, FOR_EVER).unwrap();
        let values: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b"]));
        distinct(part.as_mut(), &values, &[0, 3, 3], 0);
        let mut whole = map_view(&DataType::Utf8, FOR_EVER).unwrap();
        let mut move_in = |by: i64| {
            let entries = part.entries(&[3, 9, 0]).unwrap();
            let groups: Vec<u32> = entries.places.iter().map(|_| 7).collect();
            let counts: Vec<i64> = entries.counts.iter().map(|c| c * by).collect();
            let mut changes = whole.count(&entries.values, &groups, &counts, 0).unwrap();
            changes.sort_unstable_by_key(|c| *c as u8);
            changes
        };
        assert_eq!(move_in(1), [Skip, Add, Add]);
        assert_eq!(move_in(1), [Skip, Skip, Skip]);
        assert_eq!(move_in(-1), [Skip, Skip, Skip]);
        assert_eq!(move_in(-1), [Skip, Retract, Retract]);
        assert!(whole.entries(&[7]).unwrap().places.is_empty());
    }

    #[test]
    fn nulls_and_values_of_any_type_are_told_apart() {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, None, Some(7)]));
        let mut view = map_view_with_nulls(&DataType::Int32, FOR_EVER).unwrap();
        assert_eq!(distinct(view.as_mut(), &values, &[0; 4], 0), [Add, Add, Skip, Skip]);
        let entries = view.entries(&[0]).unwrap();
        assert_eq!((entries.values.null_count(), entries.values.len()), (1, 2));
        let list = || Some(vec![Some(1)]);
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([list(), None, list(), Some(vec![None])]);
        let mut view = map_view(lists.data_type(), FOR_EVER).unwrap();
        let lists: ArrayRef = Arc::new(lists);
        assert_eq!(distinct(view.as_mut(), &lists, &[0; 4], 0), [Add, Skip, Skip, Add]);
    }

    #[test]
    fn a_cleared_group_has_seen_nothing_and_takes_no_memory() {
        let mut view = map_view(&DataType::Utf8, FOR_EVER).unwrap();
        let values: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        distinct(view.as_mut(), &values, &[0], 0);
        let full = view.memory_bytes();
        view.clear(0);
        assert!(view.memory_bytes() < full);
        assert_eq!(distinct(view.as_mut(), &values, &[0], 0), [Add]);
    }

    #[test]
    fn a_value_expires_after_its_first_row_or_after_its_last_change() {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![7]));
        for (retract, at_1500) in [(false, Add), (true, Skip)] {
            let mut view = map_view(&DataType::Int32, MapViewOptions { retract, ttl_ms: 1000 }).unwrap();
            let mut at = |now_ms| distinct(view.as_mut(), &values, &[0], now_ms)[0];
            assert_eq!([at(0), at(999), at(1500)], [Add, Skip, at_1500]);
            assert_eq!(at(2500), Add);
        }
    }

    #[test]
    fn expired_values_give_their_memory_back() {
        let mut view = map_view(&DataType::Int32, MapViewOptions { retract: false, ttl_ms: 10 }).unwrap();
        for now_ms in 0..10_000 {
            let values: ArrayRef = Arc::new(Int32Array::from(vec![now_ms]));
            distinct(view.as_mut(), &values, &[0], i64::from(now_ms));
        }
        assert!(view.memory_bytes() < 4000, "{} bytes", view.memory_bytes());
    }
}
