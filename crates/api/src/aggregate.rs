//! Aggregate functions: what they remember of a group and how they fold rows into it.
//!
//! An [`Aggregate`] is pure: it describes its state ([`StateShape`]) and works on arrays. The operator
//! owns the containers, tells which rows count ([`Change`]: filters, `DISTINCT` and retractions are
//! resolved before), and lends slots and views for the length of a call. Calls through `dyn` happen
//! once per batch; the loops inside are typed.

use arrow_array::ArrayRef;

use crate::bitmap::{Bitmap, BitmapCounts};
use crate::{Error, LogicalType, Result};

/// What a row does to an aggregate of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    /// Nothing: filtered out, or a duplicate under `DISTINCT`.
    Skip,
    /// It counts.
    Add,
    /// An earlier row no longer counts.
    Retract,
}

/// How a slot lies in memory. Every fresh slot is zero or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotType {
    /// Integers, dates, times, flags.
    Int64,
    /// Decimals, unscaled.
    Int128,
    /// Floating-point numbers.
    Float64,
    /// Text and bytes.
    Bytes,
}

/// One slot of all groups: a typed column that the group's number indexes.
#[derive(Clone, Debug, PartialEq)]
pub enum SlotColumn {
    /// See [`SlotType::Int64`].
    Int64(Vec<i64>),
    /// See [`SlotType::Int128`].
    Int128(Vec<i128>),
    /// See [`SlotType::Float64`].
    Float64(Vec<f64>),
    /// See [`SlotType::Bytes`].
    Bytes(BytesColumn),
}

/// Bytes of all groups. It knows what they take, so that nobody has to walk through them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BytesColumn {
    values: Vec<Vec<u8>>,
    held_bytes: usize,
    longest: usize,
}

impl BytesColumn {
    /// The bytes of a group.
    #[inline]
    pub fn get(&self, group: u32) -> &[u8] {
        &self.values[group as usize]
    }

    /// Replaces the bytes of a group. They keep their memory: a new value rarely allocates.
    #[inline]
    pub fn set(&mut self, group: u32, value: &[u8]) {
        let slot = &mut self.values[group as usize];
        let before = slot.capacity();
        slot.clear();
        slot.extend_from_slice(value);
        self.held_bytes += slot.capacity() - before;
    }

    /// Puts bytes behind those of a group.
    #[inline]
    pub fn append(&mut self, group: u32, more: &[u8]) {
        let slot = &mut self.values[group as usize];
        let before = slot.capacity();
        slot.extend_from_slice(more);
        self.held_bytes += slot.capacity() - before;
        self.longest = self.longest.max(slot.len());
    }

    /// How many bytes the longest value has that a group ever had by [`append`](BytesColumn::append).
    pub fn longest(&self) -> usize {
        self.longest
    }

    fn clear(&mut self, group: u32) {
        let slot = std::mem::take(&mut self.values[group as usize]);
        self.held_bytes -= slot.capacity();
    }
}

impl SlotColumn {
    /// A column without groups.
    pub fn new(ty: SlotType) -> Self {
        match ty {
            SlotType::Int64 => SlotColumn::Int64(Vec::new()),
            SlotType::Int128 => SlotColumn::Int128(Vec::new()),
            SlotType::Float64 => SlotColumn::Float64(Vec::new()),
            SlotType::Bytes => SlotColumn::Bytes(BytesColumn::default()),
        }
    }

    /// Makes room for groups below `groups`; never shrinks.
    pub fn grow(&mut self, groups: usize) {
        match self {
            SlotColumn::Int64(v) => v.resize(groups.max(v.len()), 0),
            SlotColumn::Int128(v) => v.resize(groups.max(v.len()), 0),
            SlotColumn::Float64(v) => v.resize(groups.max(v.len()), 0.0),
            SlotColumn::Bytes(v) => v.values.resize(groups.max(v.values.len()), Vec::new()),
        }
    }

    /// Makes the slot of one group fresh.
    pub fn clear(&mut self, group: u32) {
        match self {
            SlotColumn::Int64(v) => v[group as usize] = 0,
            SlotColumn::Int128(v) => v[group as usize] = 0,
            SlotColumn::Float64(v) => v[group as usize] = 0.0,
            SlotColumn::Bytes(v) => v.clear(group),
        }
    }

    /// Bytes of memory that a group takes, whether it holds anything or not.
    pub fn slot_bytes(&self) -> usize {
        match self {
            SlotColumn::Int64(_) => size_of::<i64>(),
            SlotColumn::Int128(_) => size_of::<i128>(),
            SlotColumn::Float64(_) => size_of::<f64>(),
            SlotColumn::Bytes(_) => size_of::<Vec<u8>>(),
        }
    }

    /// Bytes of memory it takes; room for more takes none before it is used.
    pub fn memory_bytes(&self) -> usize {
        match self {
            SlotColumn::Int64(v) => v.len() * size_of::<i64>(),
            SlotColumn::Int128(v) => v.len() * size_of::<i128>(),
            SlotColumn::Float64(v) => v.len() * size_of::<f64>(),
            SlotColumn::Bytes(v) => v.values.len() * size_of::<Vec<u8>>() + v.held_bytes,
        }
    }
}

/// A named slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotShape {
    /// Its lasting name within the aggregate.
    pub name: &'static str,
    /// How it lies in memory.
    pub ty: SlotType,
}

/// A named view: a collection per group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewShape {
    /// Its lasting name within the aggregate.
    pub name: &'static str,
    /// Which collection.
    pub kind: ViewKind,
    /// The type of its values.
    pub ty: LogicalType,
}

/// The collections that a view may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewKind {
    /// Value to count, unordered: [`MapView`].
    Map,
    /// Value to count, ordered by value: [`SortedView`].
    Sorted,
    /// Values in the order in which they came: [`ListView`].
    List,
    /// A set of integers: [`Bitmap`].
    Bitmap,
    /// How often each integer came: [`BitmapCounts`].
    BitmapCounts,
}

/// All that an aggregate remembers of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateShape {
    /// Fixed slots.
    pub slots: Vec<SlotShape>,
    /// Collections.
    pub views: Vec<ViewShape>,
}

/// Rows for an aggregate.
#[derive(Clone, Copy)]
pub struct AggregateInput<'a> {
    /// The arguments, a column each.
    pub args: &'a [ArrayRef],
    /// The group of each row.
    pub groups: &'a [u32],
    /// What each row does; `None` means that all count.
    pub changes: Option<&'a [Change]>,
}

impl AggregateInput<'_> {
    /// What row `row` does.
    #[inline]
    pub fn change(&self, row: usize) -> Change {
        self.changes.map_or(Change::Add, |c| c[row])
    }
}

/// Groups whose state other groups take up.
#[derive(Clone, Copy)]
pub struct MergeInput<'a> {
    /// The groups of the partial state.
    pub from: &'a [u32],
    /// For each of them the group that takes it up.
    pub groups: &'a [u32],
    /// Whether it is taken back instead: what was taken up before no longer counts.
    pub retract: bool,
}

/// The containers that the operator lends, in the order of the [`StateShape`].
pub struct AggregateState<'a> {
    /// The slots.
    pub slots: &'a mut [SlotColumn],
    /// The collections.
    pub views: &'a mut [View],
}

/// A lent collection.
pub enum View {
    /// See [`ViewKind::Map`].
    Map(Box<dyn MapView>),
    /// See [`ViewKind::Sorted`].
    Sorted(Box<dyn SortedView>),
    /// See [`ViewKind::List`].
    List(Box<dyn ListView>),
    /// See [`ViewKind::Bitmap`].
    Bitmap(PerGroup<Bitmap>),
    /// See [`ViewKind::BitmapCounts`].
    BitmapCounts(PerGroup<BitmapCounts>),
}

/// A value that knows what memory it takes.
pub trait Measured: Default {
    /// Bytes of memory, about.
    fn memory_bytes(&self) -> usize;
}

impl Measured for Bitmap {
    fn memory_bytes(&self) -> usize {
        Bitmap::memory_bytes(self)
    }
}

impl Measured for BitmapCounts {
    fn memory_bytes(&self) -> usize {
        BitmapCounts::memory_bytes(self)
    }
}

/// Stands for the bytes of a value that is to be measured.
const UNKNOWN: usize = usize::MAX;

/// A value of each group, as it is in memory. It knows what they all take, so that nobody has to walk through them.
#[derive(Debug, Default)]
pub struct PerGroup<T> {
    values: Vec<T>,
    /// What each value took when it was last measured.
    bytes: Vec<usize>,
    held_bytes: usize,
    largest: usize,
}

impl<T: Measured> PerGroup<T> {
    /// The value of a group, if it ever had one.
    pub fn get(&self, group: u32) -> Option<&T> {
        self.values.get(group as usize)
    }

    /// Lends the values, by group, to change those of these groups; each of them is measured once behind that.
    ///
    /// # Errors
    /// What the change says.
    pub fn edit<R>(&mut self, groups: &[u32], change: impl FnOnce(&mut [T]) -> Result<R>) -> Result<R> {
        let end = groups.iter().max().map_or(0, |group| *group as usize + 1);
        if end > self.values.len() {
            self.values.resize_with(end, T::default);
            self.bytes.resize(end, 0);
        }
        let result = change(&mut self.values);
        for group in groups {
            let bytes = std::mem::replace(&mut self.bytes[*group as usize], UNKNOWN);
            self.held_bytes -= if bytes == UNKNOWN { 0 } else { bytes };
        }
        for group in groups {
            let group = *group as usize;
            if self.bytes[group] == UNKNOWN {
                self.bytes[group] = self.values[group].memory_bytes();
                self.held_bytes += self.bytes[group];
                self.largest = self.largest.max(self.bytes[group]);
            }
        }
        result
    }

    /// Forgets the value of a group.
    pub fn clear(&mut self, group: u32) {
        if let Some(value) = self.values.get_mut(group as usize) {
            *value = T::default();
            self.held_bytes -= std::mem::take(&mut self.bytes[group as usize]);
        }
    }

    /// Bytes of memory: what they take, about, and the most that one of them ever took.
    pub fn memory_bytes(&self) -> (usize, usize) {
        (self.values.len() * (size_of::<T>() + size_of::<usize>()) + self.held_bytes, self.largest)
    }
}

/// The values of some groups, with their counts.
#[derive(Clone, Debug)]
pub struct CountedValues {
    /// The values, a row each.
    pub values: ArrayRef,
    /// Which of the groups that were asked for each row belongs to: its position among them.
    pub places: Vec<u32>,
    /// The count of each row.
    pub counts: Vec<i64>,
}

/// A collection of values with counts, that can be put into another one.
pub trait Countable: Send {
    /// All values of these groups, with their counts.
    ///
    /// # Errors
    /// If the column cannot be built.
    fn entries(&self, groups: &[u32]) -> Result<CountedValues>;

    /// Adds counts to values of groups, a row each, and answers what a `DISTINCT` aggregate sees: a value
    /// whose count becomes positive counts, one whose count was positive and is no longer retracts. `now_ms` is
    /// processing time.
    ///
    /// # Errors
    /// If the values are of another type than the view's.
    fn count(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64], now_ms: i64) -> Result<Vec<Change>>;

    /// Adds such counts row by row, and answers all values of the row's group before and after each; only an
    /// ordered view can.
    ///
    /// # Errors
    /// If the values are of another type than the view's, or too many for a column.
    fn around(&mut self, values: &ArrayRef, groups: &[u32], counts: &[i64]) -> Result<[CountedValues; 2]> {
        let _: (&ArrayRef, &[u32], &[i64]) = (values, groups, counts);
        Err(Error::internal("a view without an order was asked for its values in order"))
    }
}

/// Value to count for each group; how `DISTINCT` knows what it has seen.
pub trait MapView: Countable {
    /// Counts the values of the rows up and down, and answers what a `DISTINCT` aggregate sees: the
    /// first of equal values counts, the last one's retraction retracts. A null is skipped. `input` has
    /// the values as its one argument; `now_ms` is processing time, by which values expire.
    ///
    /// # Errors
    /// If the values are of another type than the view's.
    fn distinct(&mut self, input: &AggregateInput<'_>, now_ms: i64) -> Result<Vec<Change>>;

    /// Forgets one group.
    fn clear(&mut self, group: u32);

    /// Bytes of memory it takes, about.
    fn memory_bytes(&self) -> usize;

    /// Appends one group's entries to `out`.
    fn save(&self, group: u32, out: &mut Vec<u8>);

    /// Reads what [`save`](MapView::save) wrote and moves `input` behind it. A value written without a time
    /// counts as changed now.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn load(&mut self, group: u32, input: &mut &[u8], now_ms: i64) -> Result<()>;
}

/// Which end of an ordered collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The smallest value.
    First,
    /// The largest value.
    Last,
}

/// Value to count for each group, ordered by value; how `MIN` and `MAX` survive a retraction.
pub trait SortedView: Countable {
    /// Counts the values of the rows up and down. A null is skipped.
    ///
    /// # Errors
    /// If the values are of another type than the view's.
    fn fold(&mut self, input: &AggregateInput<'_>) -> Result<()>;

    /// The same, with the value at that end before and after each row.
    ///
    /// # Errors
    /// If the values are of another type than the view's.
    fn running(&mut self, input: &AggregateInput<'_>, end: End) -> Result<Running>;

    /// The value at that end for each group; null where there is none.
    ///
    /// # Errors
    /// If the array cannot be built.
    fn value(&self, groups: &[u32], end: End) -> Result<ArrayRef>;

    /// Forgets one group.
    fn clear(&mut self, group: u32);

    /// Bytes of memory: what it takes, about, and what no group takes more than.
    fn memory_bytes(&self) -> (usize, usize);

    /// Appends one group's entries to `out`.
    fn save(&self, group: u32, out: &mut Vec<u8>);

    /// Reads what [`save`](SortedView::save) wrote and moves `input` behind it.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn load(&mut self, group: u32, input: &mut &[u8]) -> Result<()>;
}

/// What of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The value that came first; null where there is none.
    First,
    /// The value that came last; null where there is none.
    Last,
    /// All values, as an Arrow list that is never null.
    All,
    /// What was taken back and had not come, as an Arrow list.
    Missing,
}

/// The values of each group in the order in which they came, nulls among them; how `ARRAY_AGG` gives them,
/// and how `FIRST_VALUE`, `LAST_VALUE` and `LISTAGG` survive a retraction.
pub trait ListView: Send {
    /// Appends what counts, and takes the first value out that equals a retracted one. Where there is none, it
    /// is missing, and the next one that comes is not appended.
    ///
    /// # Errors
    /// If the values are of another type than the view's.
    fn fold(&mut self, input: &AggregateInput<'_>) -> Result<()>;

    /// The same, with a part of the list before and after each row.
    ///
    /// # Errors
    /// If the values are of another type than the view's, or the lists too long for a column.
    fn running(&mut self, input: &AggregateInput<'_>, part: Part) -> Result<Running>;

    /// A part of each of these groups' lists.
    ///
    /// # Errors
    /// If the lists are too long for a column.
    fn value(&self, groups: &[u32], part: Part) -> Result<ArrayRef>;

    /// Forgets one group.
    fn clear(&mut self, group: u32);

    /// Bytes of memory: what it takes, about, and what no list takes more than.
    fn memory_bytes(&self) -> (usize, usize);

    /// Appends one group's values to `out`.
    fn save(&self, group: u32, out: &mut Vec<u8>);

    /// Reads what [`save`](ListView::save) wrote and moves `input` behind it.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn load(&mut self, group: u32, input: &mut &[u8]) -> Result<()>;
}

/// An aggregate's value around each row of a batch.
#[derive(Clone, Debug)]
pub struct Running {
    /// Before the row.
    pub before: ArrayRef,
    /// After it.
    pub after: ArrayRef,
}

/// An aggregate function over given argument types.
///
/// Rows with [`Change::Skip`] leave the group as it is; nulls are the aggregate's own business.
pub trait Aggregate: Send + Sync {
    /// What it remembers.
    fn shape(&self) -> StateShape;

    /// Folds rows into their groups: for windows, where only the end counts.
    ///
    /// # Errors
    /// If the arguments are not of the declared types.
    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()>;

    /// Folds rows into their groups in their order, with the value around each row: for changelogs.
    ///
    /// # Errors
    /// If the arguments are not of the declared types.
    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running>;

    /// The value of each of these groups.
    ///
    /// # Errors
    /// If the array cannot be built.
    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef>;

    /// About how many bytes the value of one group may take, where it grows with the group's rows. Who asks for
    /// values row by row takes fewer rows at once then.
    fn value_bytes(&self, state: &AggregateState<'_>) -> usize {
        let _: &AggregateState<'_> = state;
        0
    }

    /// Whether [`merge`](Aggregate::merge) can do its work: windows that share slices and those that grow
    /// together need it.
    fn merges(&self) -> bool {
        false
    }

    /// Takes up the state of other groups, as if their rows had come behind the own ones; or takes it back, if
    /// the aggregate is one for rows that may be taken back. No group comes twice in `input.groups`.
    ///
    /// # Errors
    /// If the aggregate cannot, or the state is of another shape.
    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        let _: (&MergeInput<'_>, &mut AggregateState<'_>, &mut AggregateState<'_>) = (input, partial, state);
        Err(Error::internal("an aggregate that cannot be merged was to be"))
    }
}
