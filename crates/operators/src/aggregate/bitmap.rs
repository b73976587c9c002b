//! Aggregates of bitmaps: `BITMAP_BUILD_AGG` makes one of integers, `BITMAP_AND_AGG`, `BITMAP_OR_AGG` and
//! `BITMAP_XOR_AGG` put bitmaps together; each has a sister that gives only the number of values.
//!
//! Flink counterparts: `AbstractBitmapBuildAggFunction` and its kin, each with and without retraction.
//!
//! **State**: the bitmap of the group, as it is in memory, and how many arguments were not null. Where rows may be
//! taken back there are counts of values beside it, except for `XOR`, which is its own inverse. Flink keeps a map with
//! the count of each value; here the counts are bitmaps too, so that a whole argument is counted at once.
//!
//! A window that slides counts the bitmaps of its slices in the same way. Nulls are skipped; a bitmap of no value is
//! null where it was built of integers, and is what it is elsewhere. Unlike Flink's, counts do not expire by themselves
//! but with their group.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array};
use arrow_select::take::take;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, Change, MergeInput, PerGroup, Running, SlotColumn, SlotType, StateShape,
    View, ViewKind, ViewShape,
};
use flott_api::bitmap::{Bitmap, BitmapCounts};
use flott_api::{Error, LogicalType, Result, TypeKind};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::cell::slot;

/// What becomes of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Integers are values.
    Build,
    And,
    Or,
    Xor,
}

/// One of the eight.
pub(super) struct BitmapAggregate {
    how: How,
    /// Whether it gives the number of values.
    cardinality: bool,
    /// Whether rows, or slices, may be taken back.
    retract: bool,
}

/// The state of all groups, lent.
struct Lent<'a> {
    /// How many arguments were not null.
    numbers: &'a mut [i64],
    bitmaps: &'a mut [Bitmap],
    counts: Option<&'a mut [BitmapCounts]>,
}

/// What a row does to a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    None,
    /// It has a value more.
    Longer,
    /// It has a value less.
    Shorter,
    /// That is not known.
    Any,
}

/// The arguments.
enum Values<'a> {
    Ints(&'a Int32Array),
    Bitmaps(&'a BinaryArray),
}

impl BitmapAggregate {
    /// The aggregate of that name, if it is one of them.
    pub(super) fn of(name: &str, retract: bool) -> Option<Self> {
        let name = name.strip_prefix("bitmap_")?.strip_suffix("_agg")?;
        let (name, cardinality) = match name.strip_suffix("_cardinality") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let how = match name {
            "build" => How::Build,
            "and" => How::And,
            "or" => How::Or,
            "xor" => How::Xor,
            _ => return None,
        };
        Some(BitmapAggregate { how, cardinality, retract })
    }

    fn has_counts(&self) -> bool {
        self.retract && self.how != How::Xor
    }

    /// Lends the state of these groups for a while.
    fn lend<R>(
        &self,
        groups: &[u32],
        state: &mut AggregateState<'_>,
        work: impl FnOnce(&mut Lent<'_>) -> Result<R>,
    ) -> Result<R> {
        match (&mut *state.slots, &mut *state.views) {
            ([SlotColumn::Int64(numbers)], [View::Bitmap(bitmaps)]) if !self.has_counts() => {
                bitmaps.edit(groups, |bitmaps| work(&mut Lent { numbers, bitmaps, counts: None }))
            }
            ([SlotColumn::Int64(numbers)], [View::Bitmap(bitmaps), View::BitmapCounts(counts)]) => bitmaps
                .edit(groups, |bitmaps| {
                    counts.edit(groups, |counts| work(&mut Lent { numbers, bitmaps, counts: Some(counts) }))
                }),
            _ => Err(other_shape()),
        }
    }

    fn values<'a>(&self, input: &AggregateInput<'a>) -> Result<Values<'a>> {
        let args: &'a [ArrayRef] = input.args;
        let values = match (self.how, args) {
            (How::Build, [arg]) => arg.as_primitive_opt::<Int32Type>().map(Values::Ints),
            (_, [arg]) => arg.as_binary_opt::<i32>().map(Values::Bitmaps),
            _ => None,
        };
        values.ok_or_else(|| Error::internal("an aggregate of bitmaps got values of another type"))
    }

    /// What a row does to its group's bitmap.
    fn apply(
        &self,
        lent: &mut Lent<'_>,
        values: &Values<'_>,
        (row, group): (usize, u32),
        change: Change,
    ) -> Result<Effect> {
        let up = change == Change::Add;
        match values {
            _ if change == Change::Skip => Ok(Effect::None),
            Values::Ints(ints) if ints.is_valid(row) => lent.put_one(group, ints.value(row), up),
            Values::Bitmaps(bitmaps) if bitmaps.is_valid(row) => {
                self.put(lent, group, &Bitmap::read(bitmaps.value(row))?, up)?;
                Ok(Effect::Any)
            }
            _ => Ok(Effect::None),
        }
    }

    /// Puts a bitmap to that of the group, or takes it back.
    fn put(&self, lent: &mut Lent<'_>, group: u32, bitmap: &Bitmap, up: bool) -> Result<()> {
        let group = group as usize;
        lent.numbers[group] += if up { 1 } else { -1 };
        let held = &mut lent.bitmaps[group];
        match (&mut lent.counts, self.how) {
            (_, How::Xor) => held.xor(bitmap),
            (None, _) if !up => return Err(Error::internal("an aggregate of bitmaps that are only added lost one")),
            (None, How::And) if lent.numbers[group] == 1 => held.clone_from(bitmap),
            (None, How::And) => held.and(bitmap),
            (None, How::Or | How::Build) => held.or(bitmap),
            (Some(counts), How::And) => counts[group].count(bitmap, up),
            (Some(counts), How::Or | How::Build) => {
                counts[group].count(bitmap, up);
                held.and_not(bitmap);
                held.or(&counts[group].positive_of(bitmap));
            }
        }
        Ok(())
    }

    /// What is in all of several bitmaps is known once all were counted.
    fn settle(&self, lent: &mut Lent<'_>, group: u32) {
        let group = group as usize;
        if let (How::And, Some(counts)) = (self.how, &lent.counts) {
            lent.bitmaps[group] = counts[group].exactly(lent.numbers[group]);
        }
    }

    /// Whether the group has a value that is not null.
    fn is_there(&self, lent: &Lent<'_>, group: u32) -> bool {
        match self.how {
            How::Build => !lent.bitmaps[group as usize].is_empty(),
            _ => lent.numbers[group as usize] > 0,
        }
    }

    fn count_of(&self, lent: &Lent<'_>, group: u32) -> Option<i64> {
        self.is_there(lent, group).then(|| lent.bitmaps[group as usize].len() as i64)
    }

    fn running_counts(&self, input: &AggregateInput<'_>, lent: &mut Lent<'_>) -> Result<Running> {
        let values = self.values(input)?;
        let rows = input.groups.len();
        let (mut before, mut after) = (Int64Builder::with_capacity(rows), Int64Builder::with_capacity(rows));
        let mut current: HashMap<u32, Option<i64>, FixedState> = HashMap::default();
        for (row, group) in input.groups.iter().enumerate() {
            let now = current.entry(*group).or_insert_with(|| self.count_of(lent, *group));
            before.append_option(*now);
            match self.apply(lent, &values, (row, *group), input.change(row))? {
                Effect::None => {}
                // Only integers say so, and a bitmap without any is null.
                Effect::Longer => *now = Some(now.unwrap_or(0) + 1),
                Effect::Shorter => *now = now.map(|count| count - 1).filter(|count| *count > 0),
                Effect::Any => {
                    self.settle(lent, *group);
                    *now = self.count_of(lent, *group);
                }
            }
            after.append_option(*now);
        }
        Ok(Running { before: Arc::new(before.finish()), after: Arc::new(after.finish()) })
    }

    fn running_bitmaps(&self, input: &AggregateInput<'_>, lent: &mut Lent<'_>) -> Result<Running> {
        let values = self.values(input)?;
        let mut out = Written::default();
        let (mut before, mut after) = (UInt32Builder::new(), UInt32Builder::new());
        let mut current: HashMap<u32, Option<u32>, FixedState> = HashMap::default();
        for (row, group) in input.groups.iter().enumerate() {
            let now = match current.get(group) {
                Some(now) => *now,
                None => self.written(lent, *group, &mut out)?,
            };
            before.append_option(now);
            let now = match self.apply(lent, &values, (row, *group), input.change(row))? {
                Effect::None => now,
                _ => {
                    self.settle(lent, *group);
                    self.written(lent, *group, &mut out)?
                }
            };
            current.insert(*group, now);
            after.append_option(now);
        }
        let written = out.builder.finish();
        Ok(Running { before: take(&written, &before.finish(), None)?, after: take(&written, &after.finish(), None)? })
    }

    /// Writes the bitmap of a group; its place among those that were.
    fn written(&self, lent: &mut Lent<'_>, group: u32, out: &mut Written) -> Result<Option<u32>> {
        if !self.is_there(lent, group) {
            return Ok(None);
        }
        out.push(&mut lent.bitmaps[group as usize])?;
        Ok(Some(out.count - 1))
    }

    /// Takes up a group of the same shape.
    fn take_up(&self, lent: &mut Lent<'_>, partial: &Partial<'_>, (from, group): (u32, u32), up: bool) {
        let (number, group) = (partial.numbers[from as usize], group as usize);
        let was_there = lent.numbers[group] > 0;
        lent.numbers[group] += if up { number } else { -number };
        let held = &mut lent.bitmaps[group];
        if let (Some(counts), Some(theirs)) = (&mut lent.counts, partial.counts) {
            let Some(theirs) = theirs.get(from) else { return };
            counts[group].add(theirs, up);
            if self.how != How::And {
                let touched = theirs.counted();
                held.and_not(&touched);
                held.or(&counts[group].positive_of(&touched));
            }
            return;
        }
        let Some(bitmap) = partial.bitmaps.get(from) else { return };
        match self.how {
            How::Build | How::Or => held.or(bitmap),
            How::Xor => held.xor(bitmap),
            How::And if number == 0 => {}
            How::And if was_there => held.and(bitmap),
            How::And => held.clone_from(bitmap),
        }
    }
}

impl Lent<'_> {
    /// Counts an integer up, or down.
    fn put_one(&mut self, group: u32, value: i32, up: bool) -> Result<Effect> {
        let group = group as usize;
        self.numbers[group] += if up { 1 } else { -1 };
        let held = &mut self.bitmaps[group];
        let (before, after) = match &mut self.counts {
            None if up => return Ok(if held.insert(value) { Effect::Longer } else { Effect::None }),
            None => return Err(Error::internal("a bitmap of integers that are only added lost one")),
            Some(counts) => counts[group].count_one(value, up),
        };
        Ok(match (before, after) {
            (false, true) => {
                held.insert(value);
                Effect::Longer
            }
            (true, false) => {
                held.remove(value);
                Effect::Shorter
            }
            _ => Effect::None,
        })
    }
}

/// Groups that are put to others.
struct Partial<'a> {
    numbers: &'a [i64],
    bitmaps: &'a PerGroup<Bitmap>,
    counts: Option<&'a PerGroup<BitmapCounts>>,
}

impl<'a> Partial<'a> {
    fn of(state: &'a AggregateState<'_>) -> Result<Self> {
        match (&*state.slots, &*state.views) {
            ([SlotColumn::Int64(numbers)], [View::Bitmap(bitmaps)]) => Ok(Partial { numbers, bitmaps, counts: None }),
            ([SlotColumn::Int64(numbers)], [View::Bitmap(bitmaps), View::BitmapCounts(counts)]) => {
                Ok(Partial { numbers, bitmaps, counts: Some(counts) })
            }
            _ => Err(other_shape()),
        }
    }
}

fn other_shape() -> Error {
    Error::internal("an aggregate of bitmaps got state of another shape than its own")
}

/// Bitmaps on their way into a column.
#[derive(Default)]
struct Written {
    builder: BinaryBuilder,
    bytes: Vec<u8>,
    total: usize,
    count: u32,
}

impl Written {
    fn push(&mut self, bitmap: &mut Bitmap) -> Result<()> {
        self.bytes.clear();
        bitmap.write(&mut self.bytes);
        self.total += self.bytes.len();
        if self.total > i32::MAX as usize {
            return Err(Error::data("the bitmaps of an aggregate are too long")
                .with_detail(format!("A column holds up to {} bytes.", i32::MAX))
                .with_hint("Group by more columns."));
        }
        self.builder.append_value(&self.bytes);
        self.count += 1;
        Ok(())
    }
}

impl Aggregate for BitmapAggregate {
    fn shape(&self) -> StateShape {
        let view = |name, kind| ViewShape { name, kind, ty: LogicalType::new(TypeKind::Bitmap) };
        let mut views = vec![view("bitmap", ViewKind::Bitmap)];
        if self.has_counts() {
            views.push(view("counts", ViewKind::BitmapCounts));
        }
        StateShape { slots: vec![slot("arguments", SlotType::Int64)], views }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let values = self.values(input)?;
        self.lend(input.groups, state, |lent| {
            for (row, group) in input.groups.iter().enumerate() {
                self.apply(lent, &values, (row, *group), input.change(row))?;
            }
            if self.how == How::And && lent.counts.is_some() {
                let mut groups = input.groups.to_vec();
                groups.sort_unstable();
                groups.dedup();
                groups.into_iter().for_each(|group| self.settle(lent, group));
            }
            Ok(())
        })
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        self.lend(input.groups, state, |lent| match self.cardinality {
            true => self.running_counts(input, lent),
            false => self.running_bitmaps(input, lent),
        })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        self.lend(groups, state, |lent| {
            if self.cardinality {
                let mut counts = Int64Builder::with_capacity(groups.len());
                groups.iter().for_each(|group| counts.append_option(self.count_of(lent, *group)));
                return Ok(Arc::new(counts.finish()) as ArrayRef);
            }
            let mut out = Written::default();
            for group in groups {
                if self.written(lent, *group, &mut out)?.is_none() {
                    out.builder.append_null();
                }
            }
            Ok(Arc::new(out.builder.finish()) as ArrayRef)
        })
    }

    fn value_bytes(&self, state: &AggregateState<'_>) -> usize {
        match &*state.views {
            [View::Bitmap(bitmaps), ..] if !self.cardinality => bitmaps.memory_bytes().1,
            _ => 0,
        }
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
        let partial = Partial::of(partial)?;
        let of_slices = partial.counts.is_none() && self.has_counts();
        let up = !input.retract;
        self.lend(input.groups, state, |lent| {
            for (from, group) in input.from.iter().zip(input.groups) {
                match partial.bitmaps.get(*from) {
                    // A slice counts as one bitmap, if it has any.
                    Some(slice) if of_slices && partial.numbers[*from as usize] > 0 => {
                        self.put(lent, *group, slice, up)?;
                    }
                    _ if of_slices => {}
                    _ => self.take_up(lent, &partial, (*from, *group), up),
                }
                self.settle(lent, *group);
            }
            Ok(())
        })
    }
}
