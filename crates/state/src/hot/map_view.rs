//! Value to count for each group, for an aggregate that keeps one: a [`DistinctView`] without a filter.
//!
//! Flink counterpart: the `MapView` of an accumulator. **State layout**: that of a [`DistinctView`] of counts.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use flott_api::aggregate::{AggregateInput, Change, Countable, CountedValues, MapView};
use flott_api::{Error, Result};

use super::distinct_view::{By, DistinctRows, DistinctShape, DistinctView, SeenEntries, distinct_view};

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
    let shape = DistinctShape { ty: ty.clone(), nulls: false, filters: 1, counted: true };
    Ok(Box::new(Map(distinct_view(&shape, options)?)))
}

struct Map(Box<dyn DistinctView>);

impl Countable for Map {
    fn entries(&self, groups: &[u32]) -> Result<CountedValues> {
        let entries = self.0.entries(groups)?;
        let SeenEntries::Counts(counts) = entries.seen else {
            return Err(Error::internal("a view of counts has none"));
        };
        Ok(CountedValues { values: entries.values, places: entries.places, counts })
    }

    fn count(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64], now_ms: i64) -> Result<Vec<Change>> {
        let rows = DistinctRows { values, groups, by: By::Counts(counts) };
        Ok(self.0.count(&rows, now_ms)?.under(0))
    }
}

impl MapView for Map {
    fn distinct(&mut self, input: &AggregateInput<'_>, now_ms: i64) -> Result<Vec<Change>> {
        let filters = vec![1; input.groups.len()];
        let by = By::Rows(&filters, input.changes);
        Ok(self.0.count(&DistinctRows { values: values(input)?, groups: input.groups, by }, now_ms)?.under(0))
    }

    fn clear(&mut self, group: u32) {
        self.0.clear(group);
    }

    fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }

    fn save(&self, group: u32, out: &mut Vec<u8>) {
        self.0.save(group, 0, out);
    }

    fn load(&mut self, group: u32, input: &mut &[u8], now_ms: i64) -> Result<()> {
        self.0.load(group, 0, input, now_ms)
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
    use std::sync::Arc;

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
    fn values_of_any_type_are_told_apart() {
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
