//! The aggregates of an operator, and the containers with their state: what `GroupAggregate` and
//! `WindowAggregate` share.
//!
//! [`Plan`] is fixed; [`Groups`] is the state of one set of keys. For each batch the plan finds out per
//! call which rows count (`FILTER`, then `DISTINCT`), and lends the call its slots and views. Calls
//! with equal arguments share the view that knows which values were seen, and behind which filters.

mod distinct;
mod entries;
mod partial;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, BytesColumn, Change, MergeInput, PerGroup, Running, SlotColumn, StateShape, View,
    ViewKind,
};
use flott_api::state::StatePart;
use flott_api::{Error, LogicalType, Result, Schema};
use flott_graph::spec::AggregateCall;
use flott_state::hot::{
    Changed, DistinctShape, DistinctView, GroupEntries, GroupTable, KeyedStateOptions, MapViewOptions, PartedEntries,
    TtlOptions, distinct_view, list_view, map_view, sorted_view,
};

use super::{function, sliding};
use distinct::{Distinct, SeenPart};
pub use partial::Partial;

/// Bytes of the values around a batch's rows; one row's may be more.
const VALUES_BYTES: usize = 64 << 20;

/// Bytes by which an integer makes a bitmap longer, at most.
const INTEGER_BYTES: usize = 10;

/// What becomes of the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// They are folded in.
    Folded,
    /// The same, but for functions of users: who owns their process folds rows into them.
    Beside,
    /// They are folded in, and what comes of them may be put into the state of a window and taken out again.
    Sliced,
    /// They come as the state of slices, and leave with them.
    Sliding,
}

/// The keys and aggregates of an operator.
pub struct Plan {
    keys: Vec<usize>,
    key_types: Vec<LogicalType>,
    calls: Vec<Call>,
    /// The columns of all filters.
    filters: Vec<usize>,
    distinct: Vec<Distinct>,
    /// The parts of the state with what was seen under `DISTINCT`, in the order of the calls.
    seen: Vec<SeenPart>,
    options: MapViewOptions,
}

struct Call {
    function: Box<dyn Aggregate>,
    shape: StateShape,
    args: Vec<usize>,
    /// Which of [`Plan::filters`].
    filter: Option<usize>,
    /// Which of [`Plan::seen`] decides.
    distinct: Option<usize>,
    /// Names its part of the state.
    fingerprint: String,
    /// Whether it runs beside the job.
    beside: bool,
}

/// The state of one set of keys.
pub struct Groups {
    /// How many rows each group has: those added less those taken back.
    pub rows: Vec<i64>,
    calls: Vec<CallState>,
    distinct: Vec<Box<dyn DistinctView>>,
    kind: Arc<Kind>,
}

/// Which containers a plan needs.
struct Kind {
    calls: Vec<StateShape>,
    distinct: Vec<DistinctShape>,
    /// View and filter of each part of what was seen.
    seen: Vec<(usize, usize)>,
    options: MapViewOptions,
}

struct CallState {
    slots: Vec<SlotColumn>,
    views: Vec<View>,
}

/// Rows for the aggregates: all input columns, the group of each row and what it does.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The input columns.
    pub columns: &'a RecordBatch,
    /// The group of each row.
    pub groups: &'a [u32],
    /// What each row does; `None` means that all count.
    pub changes: Option<&'a [Change]>,
    /// Processing time.
    pub now_ms: i64,
}

impl Plan {
    /// The plan of these keys and calls over this input.
    ///
    /// # Errors
    /// If an aggregate or a key type is not supported.
    pub fn new(input: &Schema, keys: &[usize], calls: &[AggregateCall], options: MapViewOptions) -> Result<Self> {
        Self::of(input, keys, calls, (options, Life::Folded))
    }

    /// The same, where functions of users may be among the calls: the operator folds rows into them.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with_beside(
        input: &Schema,
        keys: &[usize],
        calls: &[AggregateCall],
        options: MapViewOptions,
    ) -> Result<Self> {
        Self::of(input, keys, calls, (options, Life::Beside))
    }

    /// The same for slices, whose groups windows take up and may let go.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn sliced(input: &Schema, keys: &[usize], calls: &[AggregateCall], options: MapViewOptions) -> Result<Self> {
        Self::of(input, keys, calls, (options, Life::Sliced))
    }

    /// The plan of a window that slides over slices that have the state of [`Plan::sliced`] of the same calls.
    ///
    /// # Errors
    /// If an aggregate cannot slide.
    pub fn sliding(input: &Schema, keys: &[usize], calls: &[AggregateCall], options: MapViewOptions) -> Result<Self> {
        Self::of(input, keys, calls, (options, Life::Sliding))
    }

    fn of(
        input: &Schema,
        keys: &[usize],
        calls: &[AggregateCall],
        (options, life): (MapViewOptions, Life),
    ) -> Result<Self> {
        let mut plan = Plan {
            key_types: keys.iter().map(|k| column_type(input, *k).cloned()).collect::<Result<_>>()?,
            keys: keys.to_vec(),
            calls: Vec::new(),
            filters: Vec::new(),
            distinct: Vec::new(),
            seen: Vec::new(),
            options,
        };
        for call in calls {
            plan.add(input, call, life)?;
        }
        // Refuses what cannot be kept now and not with the first row.
        plan.groups()?;
        GroupTable::new(plan.key_types())?;
        Ok(plan)
    }

    fn add(&mut self, input: &Schema, call: &AggregateCall, life: Life) -> Result<()> {
        let args = call.args.iter().map(|a| column_type(input, *a).cloned()).collect::<Result<Vec<_>>>()?;
        if let Some(filter) = call.filter {
            column_type(input, filter)?;
        }
        let function = match life {
            Life::Folded | Life::Sliced => function(call, &args, self.options.retract)?,
            Life::Beside => match super::beside(call) {
                Some(beside) => beside,
                None => function(call, &args, self.options.retract)?,
            },
            // Of values that come with the first slice and go with the last one too.
            Life::Sliding => {
                sliding(call, &args, self.options.retract || call.distinct)?.ok_or_else(|| unmerged(call))?
            }
        };
        let filter = call.filter.map(|column| self.filter(column));
        let counted = matches!(life, Life::Sliced | Life::Sliding);
        let distinct = if call.distinct { Some(self.share(input, call, (&args, counted), filter)?) } else { None };
        let (shape, args) = (function.shape(), call.args.clone());
        let sliding = if life == Life::Sliding { "sliding " } else { "" };
        let fingerprint = format!("{sliding}{}", fingerprint(input, call));
        let beside = call.function.user.is_some();
        self.calls.push(Call { shape, function, args, filter, distinct, fingerprint, beside });
        Ok(())
    }

    fn filter(&mut self, column: usize) -> usize {
        self.filters.iter().position(|filter| *filter == column).unwrap_or_else(|| {
            self.filters.push(column);
            self.filters.len() - 1
        })
    }

    /// The state of this plan, by its keys.
    pub fn state(&self, name: &str, ttl: TtlOptions) -> KeyedStateOptions {
        KeyedStateOptions { name: name.to_owned(), keys: self.key_types.clone(), parts: self.parts(), ttl }
    }

    /// What an entry holds, in the order in which it is written. Of equal calls each has its own part.
    fn parts(&self) -> Vec<StatePart> {
        let mut parts = vec![StatePart { name: "rows".to_owned(), ty: "count".to_owned() }];
        let calls = self.calls.iter().map(|c| (c.fingerprint.clone(), shown(&c.shape)));
        let distinct = self.seen.iter().map(|seen| (seen.fingerprint.clone(), "value to count".to_owned()));
        for (fingerprint, ty) in calls.chain(distinct) {
            let equal = |p: &&StatePart| p.name.split(" #").next() == Some(fingerprint.as_str());
            let name = match parts.iter().filter(equal).count() {
                0 => fingerprint,
                before => format!("{fingerprint} #{}", before + 1),
            };
            parts.push(StatePart { name, ty });
        }
        parts
    }

    /// Refuses aggregates whose groups cannot be merged.
    ///
    /// # Errors
    /// If there is one.
    pub fn check_merges(&self, calls: &[AggregateCall]) -> Result<()> {
        match self.calls.iter().zip(calls).find(|(planned, _)| !planned.function.merges()) {
            Some((_, call)) => Err(unmerged(call)),
            None => Ok(()),
        }
    }

    /// How many of these rows may be given values around each at once, as far as their arguments say: a bitmap that is
    /// put together of others may grow by each of them.
    pub fn rows_by_arguments(&self, rows: &RecordBatch) -> usize {
        let of_bitmaps = |call: &&Call| call.shape.views.iter().any(|view| view.kind == ViewKind::Bitmap);
        let columns = self.calls.iter().filter(of_bitmaps).flat_map(|call| &call.args);
        let bytes = columns.map(|column| match rows.column(*column).as_binary_opt::<i32>() {
            Some(bitmaps) => (bitmaps.value_offsets()[bitmaps.len()] - bitmaps.value_offsets()[0]) as usize,
            None => INTEGER_BYTES * rows.num_rows(),
        });
        let bytes = bytes.max().and_then(|bytes| bytes.checked_div(rows.num_rows())).unwrap_or(0);
        VALUES_BYTES.checked_div(bytes).map_or(usize::MAX, |rows| rows.isqrt().max(1))
    }

    /// The key columns of a batch.
    pub fn keys(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| rows.column(*k).clone()).collect()
    }

    /// The types of the key columns.
    pub fn key_types(&self) -> Vec<DataType> {
        self.key_types.iter().map(LogicalType::arrow).collect()
    }

    /// Empty containers.
    ///
    /// # Errors
    /// If a type cannot be kept.
    pub fn groups(&self) -> Result<Groups> {
        Groups::new(Arc::new(Kind {
            calls: self.calls.iter().map(|c| c.shape.clone()).collect(),
            distinct: self.distinct.iter().map(Distinct::shape).collect(),
            seen: self.seen.iter().map(|seen| (seen.view, seen.filter)).collect(),
            options: self.options,
        }))
    }
}

fn unmerged(call: &AggregateCall) -> Error {
    let name = call.function.name.to_uppercase();
    Error::unsupported(format!("aggregate function '{name}' over parts that are put together"))
        .with_detail("They are aggregated apart, and this function has no way to put them together.")
}

fn column_type(input: &Schema, column: usize) -> Result<&LogicalType> {
    let field = input.fields.get(column).map(|f| &f.ty);
    field.ok_or_else(|| Error::internal("an aggregation reads a column that its input does not have"))
}

fn all_named(input: &Schema, columns: &[usize]) -> String {
    columns.iter().map(|column| named(input, *column)).collect::<Vec<_>>().join(", ")
}

fn named(input: &Schema, column: usize) -> String {
    input.fields.get(column).map_or_else(String::new, |f| format!("{} {}", f.name, f.ty.kind))
}

fn filter_of(input: &Schema, call: &AggregateCall) -> String {
    call.filter.map_or_else(String::new, |f| format!(" FILTER {}", named(input, f)))
}

/// What gives an aggregate's state its meaning: `sum-1(DISTINCT x INT) FILTER f BOOLEAN`.
fn fingerprint(input: &Schema, call: &AggregateCall) -> String {
    let args: Vec<String> = call.args.iter().map(|a| named(input, *a)).collect();
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let (function, filter) = (&call.function, filter_of(input, call));
    if let Some(user) = &call.function.user {
        let remembered = user.accumulator.as_ref().map(ToString::to_string).unwrap_or_default();
        return format!("{}-{} with {remembered}({distinct}{}){filter}", user.language, user.entry, args.join(", "));
    }
    format!("{}-{}({distinct}{}){filter}", function.name, function.version, args.join(", "))
}

/// How the state of an aggregate lies: a change of it is another state.
fn shown(shape: &StateShape) -> String {
    let slots = shape.slots.iter().map(|s| format!("{} {:?}", s.name, s.ty));
    let views = shape.views.iter().map(|v| format!("{} {:?} of {}", v.name, v.kind, v.ty.kind));
    slots.chain(views).collect::<Vec<_>>().join(", ")
}

impl Groups {
    fn new(kind: Arc<Kind>) -> Result<Self> {
        let calls = kind.calls.iter().map(|shape| {
            let slots = shape.slots.iter().map(|s| SlotColumn::new(s.ty)).collect();
            let views = shape.views.iter().map(|v| match v.kind {
                ViewKind::Map => map_view(&v.ty.arrow(), kind.options).map(View::Map),
                ViewKind::Sorted => sorted_view(&v.ty.arrow()).map(View::Sorted),
                ViewKind::List => list_view(&v.ty.arrow()).map(View::List),
                ViewKind::Bitmap => Ok(View::Bitmap(PerGroup::default())),
                ViewKind::BitmapCounts => Ok(View::BitmapCounts(PerGroup::default())),
            });
            Ok(CallState { slots, views: views.collect::<Result<_>>()? })
        });
        let calls = calls.collect::<Result<_>>()?;
        let distinct = kind.distinct.iter().map(|d| distinct_view(d, kind.options)).collect::<Result<_>>()?;
        Ok(Groups { rows: Vec::new(), calls, distinct, kind })
    }

    /// Counts the rows of each group up and down.
    pub fn count(&mut self, groups: &[u32], changes: Option<&[Change]>) {
        for (row, group) in groups.iter().enumerate() {
            self.rows[*group as usize] += match changes.map_or(Change::Add, |c| c[row]) {
                Change::Add => 1,
                Change::Skip => 0,
                Change::Retract => -1,
            };
        }
    }

    /// Folds rows into their groups.
    ///
    /// # Errors
    /// If the rows do not fit the plan.
    pub fn fold(&mut self, plan: &Plan, rows: &Rows<'_>) -> Result<()> {
        let seen = self.seen(plan, rows)?;
        for (call, state) in plan.calls.iter().zip(&mut self.calls) {
            let changes = call.changes(plan, &seen);
            let args = call.args(rows);
            call.function.fold(&input(&args, rows, &changes), &mut state.lend())?;
        }
        Ok(())
    }

    /// Folds rows into their groups, but for the calls that run beside the job. For each of those it gives what the rows do to
    /// it.
    ///
    /// # Errors
    /// If the rows do not fit the plan.
    pub fn fold_here(&mut self, plan: &Plan, rows: &Rows<'_>) -> Result<Vec<Vec<Change>>> {
        let seen = self.seen(plan, rows)?;
        let mut beside = Vec::new();
        for (call, state) in plan.calls.iter().zip(&mut self.calls) {
            let changes = call.changes(plan, &seen);
            if call.beside {
                let all = || rows.changes.map_or_else(|| vec![Change::Add; rows.groups.len()], <[Change]>::to_vec);
                beside.push(changes.unwrap_or_else(all));
                continue;
            }
            let args = call.args(rows);
            call.function.fold(&input(&args, rows, &changes), &mut state.lend())?;
        }
        Ok(beside)
    }

    /// The accumulators of a call that runs beside the job.
    ///
    /// # Errors
    /// If it does not.
    pub fn accumulators(&mut self, call: usize) -> Result<&mut BytesColumn> {
        match self.calls.get_mut(call).map(|call| call.slots.as_mut_slice()) {
            Some([SlotColumn::Bytes(bytes)]) => Ok(bytes),
            _ => Err(Error::internal("an aggregate has no accumulator of bytes")),
        }
    }

    /// Folds rows into their groups in order, with each call's value around each row.
    ///
    /// # Errors
    /// If the rows do not fit the plan.
    pub fn running(&mut self, plan: &Plan, rows: &Rows<'_>) -> Result<Vec<Running>> {
        let seen = self.seen(plan, rows)?;
        let calls = plan.calls.iter().zip(&mut self.calls).map(|(call, state)| {
            let changes = call.changes(plan, &seen);
            let args = call.args(rows);
            call.function.running(&input(&args, rows, &changes), &mut state.lend())
        });
        calls.collect()
    }

    /// Takes up the state of groups of `partial`, or takes it back; no group comes twice in `input.groups`.
    /// `partial` is of the same plan, or of the one whose slices this one slides over.
    ///
    /// # Errors
    /// If an aggregate cannot be merged.
    pub fn merge(&mut self, plan: &Plan, partial: &mut Groups, input: &MergeInput<'_>, now_ms: i64) -> Result<()> {
        for (view, from) in partial.distinct.iter().enumerate() {
            self.take_up_values(plan, view, &from.entries(input.from)?, (input, now_ms))?;
        }
        self.merge_rows_and_calls(plan, partial, input)
    }

    /// The same, but for calls under `DISTINCT`.
    fn merge_rows_and_calls(&mut self, plan: &Plan, partial: &mut Groups, input: &MergeInput<'_>) -> Result<()> {
        let sign = if input.retract { -1 } else { 1 };
        for (from, group) in input.from.iter().zip(input.groups) {
            self.rows[*group as usize] += sign * partial.rows[*from as usize];
        }
        for ((call, state), partial) in plan.calls.iter().zip(&mut self.calls).zip(&mut partial.calls) {
            if call.distinct.is_none() {
                call.function.merge(input, &mut partial.lend(), &mut state.lend())?;
            }
        }
        Ok(())
    }

    /// Takes up the state of one group into another one. It takes the way through bytes: meant for what is rare.
    ///
    /// # Errors
    /// If an aggregate cannot be merged.
    pub fn merge_within(&mut self, plan: &Plan, (from, into): (u32, u32), now_ms: i64) -> Result<()> {
        let mut partial = self.fresh()?;
        partial.grow(1);
        let mut bytes = Vec::new();
        for part in 0..self.parts() {
            bytes.clear();
            self.put_part(part, from, &mut bytes);
            partial.load_part(part, 0, (&mut &bytes[..], now_ms))?;
        }
        self.merge(plan, &mut partial, &MergeInput { from: &[0], groups: &[into], retract: false }, now_ms)
    }

    /// How many rows may be given values around each at once, so that the values are no larger than they should be.
    pub fn rows_at_once(&mut self, plan: &Plan) -> usize {
        let calls = plan.calls.iter().zip(&mut self.calls);
        let bytes: usize = calls.map(|(call, state)| call.function.value_bytes(&state.lend())).sum();
        VALUES_BYTES.checked_div(bytes).map_or(usize::MAX, |rows| rows.max(1))
    }

    /// Each call's value for these groups.
    ///
    /// # Errors
    /// If an array cannot be built.
    pub fn values(&mut self, plan: &Plan, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let calls = plan.calls.iter().zip(&mut self.calls);
        calls.map(|(call, state)| call.function.value(groups, &mut state.lend())).collect()
    }

    /// Which rows pass the filters, and what the distinct views let through.
    fn seen(&mut self, plan: &Plan, rows: &Rows<'_>) -> Result<Seen> {
        let filtered = plan.filters.iter().map(|filter| filtered(rows, *filter)).collect::<Result<Vec<_>>>()?;
        let views = plan.distinct.iter().zip(&mut self.distinct);
        let changed = views.map(|(distinct, view)| distinct.see(view.as_mut(), rows, &filtered));
        Ok(Seen { changed: changed.collect::<Result<_>>()?, filtered })
    }
}

/// What the rows of a batch do.
struct Seen {
    /// Behind each filter of the plan.
    filtered: Vec<Vec<Change>>,
    /// To each view of values under `DISTINCT`.
    changed: Vec<Changed>,
}

fn input<'a>(args: &'a [ArrayRef], rows: &Rows<'a>, changes: &'a Option<Vec<Change>>) -> AggregateInput<'a> {
    AggregateInput { args, groups: rows.groups, changes: changes.as_deref().or(rows.changes) }
}

impl Call {
    fn args(&self, rows: &Rows<'_>) -> Vec<ArrayRef> {
        self.args.iter().map(|a| rows.columns.column(*a).clone()).collect()
    }

    /// What each row does to this call, if that differs from what it does to the group.
    fn changes(&self, plan: &Plan, seen: &Seen) -> Option<Vec<Change>> {
        match (self.distinct, self.filter) {
            (Some(part), _) => Some(plan.seen[part].of(&seen.changed)),
            (None, Some(filter)) => Some(seen.filtered[filter].clone()),
            (None, None) => None,
        }
    }
}

/// What each row does behind a `FILTER`: nothing where the filter is not true.
fn filtered(rows: &Rows<'_>, filter: usize) -> Result<Vec<Change>> {
    let column = rows.columns.column(filter);
    let passes =
        column.as_boolean_opt().ok_or_else(|| Error::internal("the FILTER of an aggregate is no condition"))?;
    let change = |row: usize, passes: bool| match passes {
        true => rows.changes.map_or(Change::Add, |c| c[row]),
        false => Change::Skip,
    };
    let passing = match passes.nulls() {
        Some(nulls) => passes.values() & nulls.inner(),
        None => passes.values().clone(),
    };
    Ok(passing.iter().enumerate().map(|(row, passes)| change(row, passes)).collect())
}
