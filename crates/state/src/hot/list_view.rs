//! The values of each group in the order in which they came: how `ARRAY_AGG` gives them all, and how `FIRST_VALUE`,
//! `LAST_VALUE` and `LISTAGG` find what is left after a retraction.
//!
//! Flink counterpart: the `ListView` of `ListAggWithRetractAggFunction` and the two maps of
//! `FirstValueWithRetractAggFunction`. A retraction takes the first equal value out. Flink's searches the whole list
//! for it, this one keeps an index from its first retraction on, and one of what is missing. Flink's forgets a retraction that comes before what
//! it retracts, until it merges lists; here the value is missing from then on, and is not appended when it comes.
//!
//! **State layout**: a group's values in order, then what is missing, each with its number first; a value lies in the
//! encoding of [`row`](mod@crate::row), so it may be of any type, and null.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use flott_api::Result;
use flott_api::aggregate::{AggregateInput, Change, ListView, Part, Running};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::encoded::{Encoding, check_length};
use super::map_view::values;
use super::sizes::Sizes;
use crate::codec::{put_bytes, put_short, take_bytes, take_short};

/// Bytes of memory that a value takes besides its own, with its number and its place in the index.
const ENTRY_BYTES: usize = 48;

/// An empty view over values of this type.
///
/// # Errors
/// If values of the type cannot be kept.
pub fn list_view(ty: &DataType) -> Result<Box<dyn ListView>> {
    Ok(Box::new(Lists {
        encoding: Encoding::of(ty)?,
        element: ty.clone(),
        groups: Vec::new(),
        held_bytes: 0,
        sizes: Sizes::new(),
    }))
}

struct Lists {
    encoding: Encoding,
    element: DataType,
    groups: Vec<List>,
    held_bytes: usize,
    sizes: Sizes,
}

/// The values of one group.
#[derive(Default)]
struct List {
    values: Numbered,
    missing: Numbered,
    held_bytes: usize,
}

/// Values by their numbers, which ascend as they come.
#[derive(Default)]
struct Numbered {
    values: BTreeMap<u64, Box<[u8]>>,
    next: u64,
    /// Hash to the numbers of the values that have it, ascending; there once one was taken out.
    index: Option<HashMap<u64, VecDeque<u64>, FixedState>>,
}

fn hash(value: &[u8]) -> u64 {
    FixedState::default().hash_one(value)
}

fn entry_bytes(value: &[u8]) -> usize {
    ENTRY_BYTES + value.len()
}

impl List {
    fn apply(&mut self, value: &[u8], change: Change) {
        match change {
            Change::Skip => {}
            Change::Add => self.add(value),
            Change::Retract => self.retract(value),
        }
    }

    fn add(&mut self, value: &[u8]) {
        if self.missing.take_out(value) {
            self.held_bytes -= entry_bytes(value);
            return;
        }
        self.held_bytes += entry_bytes(value);
        self.values.append(value.into());
    }

    fn retract(&mut self, value: &[u8]) {
        if self.values.take_out(value) {
            self.held_bytes -= entry_bytes(value);
            return;
        }
        self.held_bytes += entry_bytes(value);
        self.missing.append(value.into());
    }
}

impl Numbered {
    fn append(&mut self, value: Box<[u8]>) {
        if let Some(index) = &mut self.index {
            index.entry(hash(&value)).or_default().push_back(self.next);
        }
        self.values.insert(self.next, value);
        self.next += 1;
    }

    /// Whether there was an equal value: the first of them goes.
    fn take_out(&mut self, value: &[u8]) -> bool {
        !self.values.is_empty() && self.unindexed(value).is_some_and(|number| self.values.remove(&number).is_some())
    }

    /// The number of the first equal value, which the index forgets.
    fn unindexed(&mut self, value: &[u8]) -> Option<u64> {
        let index = self.index.get_or_insert_with(|| {
            let mut index: HashMap<u64, VecDeque<u64>, FixedState> = HashMap::default();
            self.values.iter().for_each(|(number, value)| index.entry(hash(value)).or_default().push_back(*number));
            index
        });
        let numbers = index.get_mut(&hash(value))?;
        let place = numbers.iter().position(|number| self.values.get(number).is_some_and(|held| **held == *value))?;
        let number = numbers.remove(place);
        if numbers.is_empty() {
            index.remove(&hash(value));
        }
        number
    }

    fn save(&self, out: &mut Vec<u8>) {
        put_short(out, self.values.len() as u64);
        self.values.values().for_each(|value| put_bytes(out, value));
    }

    /// Appends what was saved; gives the bytes that it takes.
    fn load(&mut self, input: &mut &[u8]) -> Result<usize> {
        let mut bytes = 0;
        for _ in 0..take_short(input)? {
            let value = take_bytes(input)?;
            bytes += entry_bytes(value);
            self.append(value.into());
        }
        Ok(bytes)
    }
}

impl Lists {
    fn grow(&mut self, groups: &[u32]) {
        let end = groups.iter().max().map_or(0, |g| *g as usize + 1);
        if end > self.groups.len() {
            self.groups.resize_with(end, List::default);
        }
    }

    fn apply(&mut self, group: u32, value: &[u8], change: Change) {
        let list = &mut self.groups[group as usize];
        let before = list.held_bytes;
        list.apply(value, change);
        self.held_bytes += list.held_bytes;
        self.held_bytes -= before;
        self.sizes.moved(before, list.held_bytes);
    }
}

/// Parts of lists, value by value.
struct Picked {
    part: Part,
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
    /// How many values there are up to the end of each list.
    counts: Vec<usize>,
}

impl Picked {
    fn new(part: Part) -> Self {
        Picked { part, bytes: Vec::new(), ends: Vec::new(), counts: Vec::new() }
    }

    fn push(&mut self, list: Option<&List>) {
        match (self.part, list) {
            (Part::First, list) => self.value(list.and_then(|l| l.values.values.first_key_value()).map(|(_, v)| &**v)),
            (Part::Last, list) => self.value(list.and_then(|l| l.values.values.last_key_value()).map(|(_, v)| &**v)),
            (Part::All, Some(list)) => list.values.values.values().for_each(|v| self.value(Some(v))),
            (Part::Missing, Some(list)) => list.missing.values.values().for_each(|v| self.value(Some(v))),
            (Part::All | Part::Missing, None) => {}
        }
        self.counts.push(self.ends.len());
    }

    /// Nothing is as long as nothing: every value that is there has a byte at least.
    fn value(&mut self, value: Option<&[u8]>) {
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.ends.push(self.bytes.len());
    }

    fn finish(self, encoding: &Encoding, element: &DataType) -> Result<ArrayRef> {
        let mut start = 0;
        let values = self.ends.iter().map(|end| {
            let value = &self.bytes[start..*end];
            start = *end;
            Some(value).filter(|v| !v.is_empty())
        });
        let values = encoding.decode(values)?;
        if matches!(self.part, Part::First | Part::Last) {
            return Ok(values);
        }
        check_length(self.ends.len())?;
        let field = Arc::new(Field::new("element", element.clone(), true));
        let offsets = std::iter::once(0).chain(self.counts.iter().map(|c| *c as i32)).collect::<Vec<_>>();
        Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::new(offsets.into()), values, None)?))
    }
}

impl ListView for Lists {
    fn fold(&mut self, input: &AggregateInput<'_>) -> Result<()> {
        let encoder = self.encoding.encoder(values(input)?)?;
        self.grow(input.groups);
        let mut value = Vec::new();
        for (row, group) in input.groups.iter().enumerate() {
            value.clear();
            encoder.encode(row, &mut value);
            self.apply(*group, &value, input.change(row));
        }
        Ok(())
    }

    fn running(&mut self, input: &AggregateInput<'_>, part: Part) -> Result<Running> {
        let encoder = self.encoding.encoder(values(input)?)?;
        self.grow(input.groups);
        let (mut before, mut after, mut value) = (Picked::new(part), Picked::new(part), Vec::new());
        for (row, group) in input.groups.iter().enumerate() {
            before.push(self.groups.get(*group as usize));
            value.clear();
            encoder.encode(row, &mut value);
            self.apply(*group, &value, input.change(row));
            after.push(self.groups.get(*group as usize));
        }
        let finish = |picked: Picked| picked.finish(&self.encoding, &self.element);
        Ok(Running { before: finish(before)?, after: finish(after)? })
    }

    fn value(&self, groups: &[u32], part: Part) -> Result<ArrayRef> {
        let mut picked = Picked::new(part);
        groups.iter().for_each(|group| picked.push(self.groups.get(*group as usize)));
        picked.finish(&self.encoding, &self.element)
    }

    fn clear(&mut self, group: u32) {
        let Some(list) = self.groups.get_mut(group as usize) else { return };
        let before = std::mem::take(list).held_bytes;
        self.held_bytes -= before;
        self.sizes.moved(before, 0);
    }

    fn memory_bytes(&self) -> (usize, usize) {
        (self.groups.capacity() * size_of::<List>() + self.held_bytes, self.sizes.largest())
    }

    fn save(&self, group: u32, out: &mut Vec<u8>) {
        let Some(list) = self.groups.get(group as usize) else {
            put_short(out, 0);
            return put_short(out, 0);
        };
        list.values.save(out);
        list.missing.save(out);
    }

    fn load(&mut self, group: u32, input: &mut &[u8]) -> Result<()> {
        self.grow(&[group]);
        let list = &mut self.groups[group as usize];
        let before = list.held_bytes;
        list.held_bytes += list.values.load(input)? + list.missing.load(input)?;
        self.held_bytes += list.held_bytes - before;
        self.sizes.moved(before, list.held_bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use arrow_array::{Array, Int32Array, StringArray};

    use super::*;
    use Change::{Add, Retract};

    fn input<'a>(values: &'a ArrayRef, groups: &'a [u32], changes: Option<&'a [Change]>) -> AggregateInput<'a> {
        AggregateInput { args: std::slice::from_ref(values), groups, changes }
    }

    fn ints(values: &[Option<i32>]) -> ArrayRef {
        Arc::new(Int32Array::from(values.to_vec()))
    }

    fn lists(values: &[&[Option<i32>]]) -> ArrayRef {
        let lists = values.iter().map(|l| Some(l.to_vec()));
        let (_, offsets, values, _) = ListArray::from_iter_primitive::<Int32Type, _, _>(lists).into_parts();
        let field = Arc::new(Field::new("element", DataType::Int32, true));
        Arc::new(ListArray::new(field, offsets, values, None))
    }

    #[test]
    fn a_retraction_takes_the_first_equal_value_out() {
        let mut view = list_view(&DataType::Int32).unwrap();
        let values = ints(&[Some(1), Some(2), None, Some(1), Some(1), None]);
        let changes = [Add, Add, Add, Add, Retract, Retract];
        let running = view.running(&input(&values, &[0; 6], Some(&changes)), Part::All).unwrap();
        let expected: [&[Option<i32>]; 6] = [
            &[Some(1)],
            &[Some(1), Some(2)],
            &[Some(1), Some(2), None],
            &[Some(1), Some(2), None, Some(1)],
            &[Some(2), None, Some(1)],
            &[Some(2), Some(1)],
        ];
        assert_eq!(&running.after, &lists(&expected));
        assert_eq!(&running.before.slice(1, 5), &running.after.slice(0, 5));
        assert_eq!(&view.value(&[0, 7], Part::First).unwrap(), &ints(&[Some(2), None]));
        assert_eq!(&view.value(&[0, 7], Part::Last).unwrap(), &ints(&[Some(1), None]));
    }

    #[test]
    fn what_is_missing_is_not_appended_when_it_comes() {
        let mut view = list_view(&DataType::Int32).unwrap();
        let values = ints(&[Some(9), Some(4), Some(9), Some(9)]);
        view.fold(&input(&values.slice(0, 2), &[0; 2], Some(&[Retract, Add]))).unwrap();
        assert_eq!(&view.value(&[0], Part::Missing).unwrap(), &lists(&[&[Some(9)]]));
        view.fold(&input(&values.slice(2, 2), &[0; 2], None)).unwrap();
        assert_eq!(&view.value(&[0, 1], Part::All).unwrap(), &lists(&[&[Some(4), Some(9)], &[]]));
    }

    #[test]
    fn of_equal_values_that_are_missing_each_comes_once() {
        let mut view = list_view(&DataType::Int32).unwrap();
        let values = ints(&[Some(1), Some(2), Some(1), Some(2), Some(1), Some(1)]);
        let changes = [Retract, Retract, Retract, Add, Add, Add];
        view.fold(&input(&values, &[0; 6], Some(&changes))).unwrap();
        assert_eq!(&view.value(&[0], Part::Missing).unwrap(), &lists(&[&[]]));
        assert_eq!(&view.value(&[0], Part::All).unwrap(), &lists(&[&[]]));
        view.fold(&input(&values, &[0; 6], None)).unwrap();
        assert_eq!(&view.value(&[0], Part::First).unwrap(), &ints(&[Some(1)]));
    }

    /// A search through all of them for each would take very long.
    #[test]
    fn what_comes_is_found_among_many_that_are_missing() {
        const MANY: i32 = 100_000;
        let mut view = list_view(&DataType::Int32).unwrap();
        let values: ArrayRef = Arc::new(Int32Array::from_iter_values(0..MANY));
        let reversed: ArrayRef = Arc::new(Int32Array::from_iter_values((0..MANY).rev()));
        let groups = vec![0; MANY as usize];
        view.fold(&input(&values, &groups, Some(&vec![Retract; MANY as usize]))).unwrap();
        assert!(view.memory_bytes().1 > MANY as usize);
        assert_eq!(view.value(&[0], Part::Missing).unwrap().as_list::<i32>().value(0).len(), MANY as usize);
        view.fold(&input(&reversed, &groups, None)).unwrap();
        assert_eq!(&view.value(&[0], Part::Missing).unwrap(), &lists(&[&[]]));
        assert_eq!(view.memory_bytes().1, 0, "the longest list is forgotten when it is short");
    }

    #[test]
    fn lists_survive_their_bytes_and_give_their_memory_back() {
        let mut view = list_view(&DataType::Utf8).unwrap();
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("z"), Some("b")]));
        view.fold(&input(&values, &[2; 5], Some(&[Add, Add, Add, Retract, Add]))).unwrap();
        let mut bytes = Vec::new();
        view.save(2, &mut bytes);
        let mut copy = list_view(&DataType::Utf8).unwrap();
        let empty = copy.memory_bytes().0;
        copy.load(0, &mut bytes.as_slice()).unwrap();
        for part in [Part::All, Part::Missing, Part::First, Part::Last] {
            assert_eq!(&copy.value(&[0], part).unwrap(), &view.value(&[2], part).unwrap());
        }
        copy.fold(&input(&values.slice(4, 1), &[0], Some(&[Retract]))).unwrap();
        assert!(copy.value(&[0], Part::First).unwrap().is_null(0));
        copy.clear(0);
        assert!(copy.memory_bytes().0 <= empty + 4 * size_of::<List>());
        assert_eq!(copy.memory_bytes().1, 0);
        for end in 0..bytes.len() {
            assert!(list_view(&DataType::Utf8).unwrap().load(0, &mut &bytes[..end]).is_err());
        }
    }
}
