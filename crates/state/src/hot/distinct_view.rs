//! Which values each group has seen, for all calls under `DISTINCT` over the same columns, whatever their `FILTER`s.
//!
//! Flink counterpart: the `MapView` of a distinct accumulator, which its aggregates share too. **State layout**: a part for
//! each filter: the number of values, then each value with its count and the time of its last change (0: not known),
//! ascending. Where rows only come and nothing expires, it is only known that a value came: its count is 1. With
//! `table.exec.state.ttl` each value has the time of its last change, and one that has expired was never seen. Over an
//! insert-only stream a value changes only once, as in Flink, so it expires so long after its first row, not its last.
//!
//! Between the phases of an aggregation a group's values go once, each with what is known of it under all filters
//! ([`DistinctView::write`], [`DistinctReader`]).

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use flott_api::aggregate::{Change, SlotType};
use flott_api::{Error, Result};

use super::encoded::Encoding;
use super::expiry::NOT_KNOWN;
use super::held::{Float, Held};
use super::map_view::MapViewOptions;
use super::seen::{Bits, Clock, Counted, FILTERS_MAX, Seen, Timed};
use super::value_table::ValueTable;
use crate::canonical::form;
use crate::codec::{damaged, put_short, put_signed, take_short, take_signed};

/// What a view is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinctShape {
    /// The type of the values.
    pub ty: DataType,
    /// Whether a null is one.
    pub nulls: bool,
    /// How many filters there are: up to [`FILTERS_MAX`].
    pub filters: usize,
    /// Whether it must be known how often a value came although rows are not taken back.
    pub counted: bool,
}

impl DistinctShape {
    fn has_bits(&self, options: MapViewOptions) -> bool {
        !self.counted && !options.retract && options.ttl_ms == 0
    }
}

/// Values with what is known of them.
pub struct DistinctEntries {
    /// The values, a row each.
    pub values: ArrayRef,
    /// Which of the groups that were asked for each row belongs to: its position among them.
    pub places: Vec<u32>,
    /// What is known of each.
    pub seen: SeenEntries,
}

/// What is known of values.
pub enum SeenEntries {
    /// Under which filters each was seen, a bit each.
    Bits(Vec<u8>),
    /// How often each was seen: the counts under all filters, value by value.
    Counts(Vec<i64>),
}

/// Values that came or went.
pub struct DistinctRows<'a> {
    /// The values.
    pub values: &'a ArrayRef,
    /// The group of each.
    pub groups: &'a [u32],
    /// How each counts.
    pub by: By<'a>,
}

/// How rows count.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// Once, where they do: under these filters, a bit each.
    Rows(&'a [u8], Option<&'a [Change]>),
    /// So often: a count for each filter, row by row.
    Counts(&'a [i64]),
}

/// What rows changed: under which filters a value is there since it and was not before, or the other way round; a bit each.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    added: Vec<u8>,
    /// Empty if no row can have removed one.
    removed: Vec<u8>,
}

impl Changed {
    /// What the rows do to an aggregate behind this filter.
    pub fn under(&self, filter: usize) -> Vec<Change> {
        let change = |row: usize, added: u8| match (added >> filter & 1, self.removed.get(row)) {
            (1, _) => Change::Add,
            (_, Some(removed)) if removed >> filter & 1 == 1 => Change::Retract,
            _ => Change::Skip,
        };
        self.added.iter().enumerate().map(|(row, added)| change(row, *added)).collect()
    }
}

/// See the module.
pub trait DistinctView: Send {
    /// Counts values, row by row. `now_ms` is processing time, by which values expire.
    ///
    /// # Errors
    /// If the values are of another type than the view's.
    fn count(&mut self, rows: &DistinctRows<'_>, now_ms: i64) -> Result<Changed>;

    /// All values of these groups, in the order in which they came.
    ///
    /// # Errors
    /// If the column cannot be built.
    fn entries(&self, groups: &[u32]) -> Result<DistinctEntries>;

    /// Forgets one group.
    fn clear(&mut self, group: u32);

    /// Bytes of memory it takes, about.
    fn memory_bytes(&self) -> usize;

    /// Appends what one group has seen under a filter to `out`.
    fn save(&self, group: u32, filter: usize, out: &mut Vec<u8>);

    /// Reads what [`save`](DistinctView::save) wrote and moves `input` behind it. A value written without a time
    /// counts as changed now.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn load(&mut self, group: u32, filter: usize, input: &mut &[u8], now_ms: i64) -> Result<()>;

    /// Appends what one group has seen under all filters to `out`, for a [`DistinctReader`].
    fn write(&self, group: u32, out: &mut Vec<u8>);
}

/// Reads what [`DistinctView::write`] wrote.
pub trait DistinctReader {
    /// Reads a group, and moves `input` behind it.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn read(&mut self, place: u32, input: &mut &[u8]) -> Result<()>;

    /// What was read.
    ///
    /// # Errors
    /// If the column cannot be built.
    fn end(self: Box<Self>) -> Result<DistinctEntries>;
}

/// An empty view.
///
/// # Errors
/// If values of the type cannot be told apart.
pub fn distinct_view(shape: &DistinctShape, options: MapViewOptions) -> Result<Box<dyn DistinctView>> {
    match shape.filters {
        _ if shape.has_bits(options) => of_values::<Bits>(shape, options),
        1 if options.ttl_ms > 0 => of_values::<Counted<Timed, 1>>(shape, options),
        1 => of_values::<Counted<i64, 1>>(shape, options),
        2 if options.ttl_ms > 0 => of_values::<Counted<Timed, 2>>(shape, options),
        2 => of_values::<Counted<i64, 2>>(shape, options),
        3..=4 if options.ttl_ms > 0 => of_values::<Counted<Timed, 4>>(shape, options),
        3..=4 => of_values::<Counted<i64, 4>>(shape, options),
        _ if options.ttl_ms > 0 => of_values::<Counted<Timed, FILTERS_MAX>>(shape, options),
        _ => of_values::<Counted<i64, FILTERS_MAX>>(shape, options),
    }
}

fn of_values<S: Seen>(shape: &DistinctShape, options: MapViewOptions) -> Result<Box<dyn DistinctView>> {
    if shape.filters > FILTERS_MAX {
        return Err(Error::internal("a view of values has more filters than it can"));
    }
    Ok(match form(&shape.ty).filter(|_| !shape.nulls) {
        Some(SlotType::Int64) => Box::new(Values::<i64, S>::new(shape, options)),
        Some(SlotType::Int128) => Box::new(Values::<i128, S>::new(shape, options)),
        Some(SlotType::Float64) => Box::new(Values::<Float, S>::new(shape, options)),
        Some(SlotType::Bytes) => Box::new(Values::<Box<[u8]>, S>::new(shape, options)),
        None => Box::new(EncodedValues::<S>::new(shape, options)?),
    })
}

/// An empty reader of what a view of this shape writes.
///
/// # Errors
/// If values of the type cannot be told apart.
pub fn distinct_reader(shape: &DistinctShape, options: MapViewOptions) -> Result<Box<dyn DistinctReader>> {
    let bits = shape.has_bits(options);
    Ok(match form(&shape.ty).filter(|_| !shape.nulls) {
        Some(SlotType::Int64) => Box::new(Reading::<i64>::new(shape, bits)),
        Some(SlotType::Int128) => Box::new(Reading::<i128>::new(shape, bits)),
        Some(SlotType::Float64) => Box::new(Reading::<Float>::new(shape, bits)),
        Some(SlotType::Bytes) => Box::new(Reading::<Box<[u8]>>::new(shape, bits)),
        None => {
            let bytes = DistinctShape { ty: DataType::Binary, ..shape.clone() };
            Box::new(EncodedReading { encoding: Encoding::of(&shape.ty)?, bytes: Reading::new(&bytes, bits) })
        }
    })
}

/// Values in one of the four forms.
pub(super) struct Values<V, S> {
    shape: DistinctShape,
    options: MapViewOptions,
    table: ValueTable<V, S>,
}

impl<V: Held, S: Seen> Values<V, S> {
    pub(super) fn new(shape: &DistinctShape, options: MapViewOptions) -> Self {
        Values { shape: shape.clone(), options, table: ValueTable::new() }
    }

    fn clock(&self, now_ms: i64) -> Clock {
        let MapViewOptions { retract, ttl_ms } = self.options;
        Clock { now_ms, expired_ms: now_ms.saturating_sub(ttl_ms), by_first_row: ttl_ms > 0 && !retract }
    }

    fn sees_bits(&self) -> bool {
        self.shape.has_bits(self.options)
    }

    fn count_rows(
        &mut self,
        rows: &DistinctRows<'_>,
        (filters, changes): (&[u8], Option<&[Change]>),
        clock: Clock,
    ) -> Result<Changed> {
        let column = V::column(rows.values)?;
        let mut added = vec![0; rows.groups.len()];
        let mut removed = if takes_back(&rows.by) { vec![0; rows.groups.len()] } else { Vec::new() };
        for (row, (group, filters)) in rows.groups.iter().zip(filters).enumerate() {
            let by = match changes.map_or(Change::Add, |changes| changes[row]) {
                Change::Add => 1,
                Change::Skip => continue,
                Change::Retract => -1,
            };
            let (Some(key), true) = (V::key(&column, row), *filters != 0) else { continue };
            let changed = self.table.change(*group, key, clock.expired_ms, |seen| seen.see(*filters, by, clock));
            added[row] = changed[0];
            if changed[1] != 0 {
                removed[row] = changed[1];
            }
        }
        Ok(Changed { added, removed })
    }

    fn count_counts(&mut self, rows: &DistinctRows<'_>, counts: &[i64], clock: Clock) -> Result<Changed> {
        let column = V::column(rows.values)?;
        let mut changed = Changed { added: vec![0; rows.groups.len()], removed: vec![0; rows.groups.len()] };
        for (row, (group, counts)) in rows.groups.iter().zip(counts.chunks_exact(self.shape.filters)).enumerate() {
            let Some(key) = V::key(&column, row) else { continue };
            [changed.added[row], changed.removed[row]] = self.table.change(*group, key, clock.expired_ms, |seen| {
                let mut changed = [0, 0];
                for (filter, by) in counts.iter().enumerate().filter(|(_, by)| **by != 0) {
                    let of_filter = seen.see(1 << filter, *by, clock);
                    changed = [changed[0] | of_filter[0], changed[1] | of_filter[1]];
                }
                changed
            });
        }
        Ok(changed)
    }
}

impl<V: Held, S: Seen> DistinctView for Values<V, S> {
    fn count(&mut self, rows: &DistinctRows<'_>, now_ms: i64) -> Result<Changed> {
        let clock = self.clock(now_ms);
        if self.options.ttl_ms > 0 {
            self.table.sweep(clock.expired_ms);
        }
        self.table.shrink();
        match rows.by {
            By::Rows(_, Some(_)) | By::Counts(_) if self.sees_bits() && takes_back(&rows.by) => {
                Err(Error::internal("a view of values that only come was told that one goes"))
            }
            By::Rows(filters, changes) => self.count_rows(rows, (filters, changes), clock),
            By::Counts(counts) => self.count_counts(rows, counts, clock),
        }
    }

    fn entries(&self, groups: &[u32]) -> Result<DistinctEntries> {
        let (mut values, mut places, mut bits, mut counts) =
            (V::Builder::default(), Vec::new(), Vec::new(), Vec::new());
        let (mut of_group, filters, sees_bits) = (Vec::new(), 0..self.shape.filters, self.sees_bits());
        for (place, group) in groups.iter().enumerate() {
            of_group.clear();
            of_group.extend(self.table.group(*group));
            for (value, seen) in of_group.iter().copied().rev() {
                V::append(&mut values, Some(value));
                places.push(place as u32);
                match sees_bits {
                    true => bits.push(all_bits(seen, filters.end)),
                    false => counts.extend(filters.clone().map(|filter| seen.get(filter).0)),
                }
            }
        }
        let values = V::finish(values).into_column(&self.shape.ty)?;
        let seen = if sees_bits { SeenEntries::Bits(bits) } else { SeenEntries::Counts(counts) };
        Ok(DistinctEntries { values, places, seen })
    }

    fn clear(&mut self, group: u32) {
        self.table.clear(group);
    }

    fn memory_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    fn save(&self, group: u32, filter: usize, out: &mut Vec<u8>) {
        let counted = self.table.group(group).map(|(value, seen)| (value, seen.get(filter)));
        let mut sorted: Vec<(&V, (i64, i64))> = counted.filter(|(_, (count, _))| *count != 0).collect();
        sorted.sort_unstable_by_key(|(value, _)| *value);
        put_short(out, sorted.len() as u64);
        for (value, (count, changed_ms)) in sorted {
            value.put(out);
            put_signed(out, count);
            put_signed(out, changed_ms);
        }
    }

    fn load(&mut self, group: u32, filter: usize, input: &mut &[u8], now_ms: i64) -> Result<()> {
        for _ in 0..take_short(input)? {
            let value = V::take(input)?;
            let (count, changed_ms) = (take_signed(input)?, take_signed(input)?);
            let changed_ms = if changed_ms == NOT_KNOWN { now_ms } else { changed_ms };
            self.table.change(group, value.borrow(), i64::MIN, |seen| seen.set(filter, count, changed_ms));
        }
        Ok(())
    }

    fn write(&self, group: u32, out: &mut Vec<u8>) {
        let of_group: Vec<(&V, &S)> = self.table.group(group).collect();
        put_short(out, of_group.len() as u64);
        for (value, seen) in of_group.into_iter().rev() {
            value.put(out);
            match self.sees_bits() {
                true => put_short(out, u64::from(all_bits(seen, self.shape.filters))),
                false => (0..self.shape.filters).for_each(|filter| put_signed(out, seen.get(filter).0)),
            }
        }
    }
}

/// Under which filters a value is there.
fn all_bits<S: Seen>(seen: &S, filters: usize) -> u8 {
    (0..filters).map(|filter| u8::from(seen.get(filter).0 > 0) << filter).sum()
}

fn takes_back(by: &By<'_>) -> bool {
    match by {
        By::Rows(_, changes) => changes.is_some_and(|changes| changes.contains(&Change::Retract)),
        By::Counts(counts) => counts.iter().any(|count| *count < 0),
    }
}

/// Values of any type, by their bytes.
struct EncodedValues<S> {
    encoding: Encoding,
    bytes: Values<Box<[u8]>, S>,
}

impl<S: Seen> EncodedValues<S> {
    fn new(shape: &DistinctShape, options: MapViewOptions) -> Result<Self> {
        let bytes = DistinctShape { ty: DataType::Binary, ..shape.clone() };
        Ok(EncodedValues { encoding: Encoding::of(&shape.ty)?, bytes: Values::new(&bytes, options) })
    }
}

impl<S: Seen> DistinctView for EncodedValues<S> {
    fn count(&mut self, rows: &DistinctRows<'_>, now_ms: i64) -> Result<Changed> {
        let nulls = self.bytes.shape.nulls;
        let bytes = if nulls { self.encoding.encode_nulls(rows.values) } else { self.encoding.encode(rows.values) };
        let values: ArrayRef = Arc::new(bytes?);
        self.bytes.count(&DistinctRows { values: &values, ..*rows }, now_ms)
    }

    fn entries(&self, groups: &[u32]) -> Result<DistinctEntries> {
        decoded(&self.encoding, self.bytes.entries(groups)?)
    }

    fn clear(&mut self, group: u32) {
        self.bytes.clear(group);
    }

    fn memory_bytes(&self) -> usize {
        self.bytes.memory_bytes()
    }

    fn save(&self, group: u32, filter: usize, out: &mut Vec<u8>) {
        self.bytes.save(group, filter, out);
    }

    fn load(&mut self, group: u32, filter: usize, input: &mut &[u8], now_ms: i64) -> Result<()> {
        self.bytes.load(group, filter, input, now_ms)
    }

    fn write(&self, group: u32, out: &mut Vec<u8>) {
        self.bytes.write(group, out);
    }
}

fn decoded(encoding: &Encoding, entries: DistinctEntries) -> Result<DistinctEntries> {
    Ok(DistinctEntries { values: encoding.decode(entries.values.as_binary::<i32>().iter())?, ..entries })
}

/// What was read so far.
struct Reading<V: Held> {
    shape: DistinctShape,
    values: V::Builder,
    places: Vec<u32>,
    seen: SeenEntries,
}

impl<V: Held> Reading<V> {
    fn new(shape: &DistinctShape, bits: bool) -> Self {
        let seen = if bits { SeenEntries::Bits(Vec::new()) } else { SeenEntries::Counts(Vec::new()) };
        Reading { shape: shape.clone(), values: V::Builder::default(), places: Vec::new(), seen }
    }
}

impl<V: Held> DistinctReader for Reading<V> {
    fn read(&mut self, place: u32, input: &mut &[u8]) -> Result<()> {
        for _ in 0..take_short(input)? {
            V::append(&mut self.values, Some(&V::take(input)?));
            self.places.push(place);
            match &mut self.seen {
                SeenEntries::Bits(bits) => {
                    bits.push(u8::try_from(take_short(input)?).map_err(|_| damaged("it has too many filters"))?);
                }
                SeenEntries::Counts(counts) => {
                    for _ in 0..self.shape.filters {
                        counts.push(take_signed(input)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<DistinctEntries> {
        let Reading { shape, values, places, seen } = *self;
        Ok(DistinctEntries { values: V::finish(values).into_column(&shape.ty)?, places, seen })
    }
}

/// The same of values by their bytes.
struct EncodedReading {
    encoding: Encoding,
    bytes: Reading<Box<[u8]>>,
}

impl DistinctReader for EncodedReading {
    fn read(&mut self, place: u32, input: &mut &[u8]) -> Result<()> {
        self.bytes.read(place, input)
    }

    fn end(self: Box<Self>) -> Result<DistinctEntries> {
        let EncodedReading { encoding, bytes } = *self;
        decoded(&encoding, Box::new(bytes).end()?)
    }
}

#[cfg(test)]
mod tests;
