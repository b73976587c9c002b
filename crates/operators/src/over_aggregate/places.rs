//! The rows of a partition in their places, with their values, while a batch changes them.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use arrow_select::take::{take, take_record_batch};
use flott_api::{Error, Result, RowKind};
use flott_graph::spec::{AggregateCall, OverAggregateSpec};
use flott_state::canonical::Canonical;
use flott_state::hot::{GroupEntries, MapViewOptions, RowRef};

use super::entries::OverEntries;
use crate::aggregate::groups::{Plan, Rows};

/// A column of values for each aggregate.
pub(super) type Values = Vec<ArrayRef>;

/// What comes out for a change: a row, its kind, and its value: before (0) or after (1) the change, and in which place.
pub(super) type Change = Vec<(RowRef, RowKind, (usize, usize))>;

/// Aggregates whose state says more than their value: any row that counts changes all behind it, as in Flink.
const DEEPER_THAN_VALUES: [&str; 7] = ["avg", "stddev_pop", "stddev_samp", "stddev", "var_pop", "var_samp", "variance"];

/// The rows of a partition.
pub(super) struct Partition {
    /// The rows that were there before the batch.
    there: Vec<RowRef>,
    /// The columns that aggregates read: of those rows, then of the batch.
    columns: RecordBatch,
    /// Which of these rows has each place.
    order: Vec<u32>,
    /// The values in each place.
    pub(super) values: Values,
}

impl Partition {
    pub(super) fn new(there: Vec<RowRef>, columns: RecordBatch) -> Self {
        let order = (0..there.len() as u32).collect();
        Partition { there, columns, order, values: Vec::new() }
    }

    fn row(&self, place: usize) -> RowRef {
        let row = self.order[place] as usize;
        self.there.get(row).copied().unwrap_or_else(|| RowRef::of_batch(row - self.there.len()))
    }

    /// A row of the batch gets this place.
    pub(super) fn insert(&mut self, place: usize, row: usize) {
        self.order.insert(place, (self.there.len() + row) as u32);
    }

    /// The row in this place goes.
    pub(super) fn remove(&mut self, place: usize) -> RowRef {
        let row = self.row(place);
        self.order.remove(place);
        row
    }

    /// The places, before and after, of rows whose values may have changed by an insertion: those `beside` the place
    /// come first.
    pub(super) fn moved_by_insertion(&self, place: usize, beside: usize) -> Vec<(usize, usize)> {
        let before = (place - beside..place).map(|p| (p, p));
        before.chain((place..self.order.len() - 1).map(|p| (p, p + 1))).collect()
    }

    /// The same by a removal. Those `beside` the place may be before and behind it.
    pub(super) fn moved_by_removal(&self, place: usize, beside: usize) -> Vec<(usize, usize)> {
        let before = (place - beside..place).map(|p| (p, p));
        before.chain((place..self.order.len()).map(|p| (p + 1, p))).collect()
    }

    /// What comes out for an insertion: updates of the rows beside it, the row, updates of those behind it.
    pub(super) fn insertion(&self, (place, beside): (usize, usize), kind: RowKind, changed: &[bool]) -> Change {
        let moved = self.moved_by_insertion(place, beside);
        let mut change = self.updates(&moved[..beside], &changed[..beside]);
        change.push((self.row(place), kind, (1, place)));
        change.extend(self.updates(&moved[beside..], &changed[beside..]));
        change
    }

    /// The same for a removal.
    pub(super) fn removal(&self, (place, beside): (usize, usize), gone: RowRef, changed: &[bool]) -> Change {
        let moved = self.moved_by_removal(place, beside);
        let mut change = self.updates(&moved[..beside], &changed[..beside]);
        change.push((gone, RowKind::Delete, (0, place)));
        change.extend(self.updates(&moved[beside..], &changed[beside..]));
        change
    }

    fn updates(&self, moved: &[(usize, usize)], changed: &[bool]) -> Change {
        let mut updates = Change::new();
        for ((before, after), _) in moved.iter().zip(changed).filter(|(_, changed)| **changed) {
            updates.push((self.row(*after), RowKind::UpdateBefore, (0, *before)));
            updates.push((self.row(*after), RowKind::UpdateAfter, (1, *after)));
        }
        updates
    }
}

/// The aggregates over the columns that they read, and nothing else.
pub(super) struct Projected {
    /// Those columns of the input.
    columns: Vec<usize>,
    plan: Plan,
    calls: Vec<AggregateCall>,
}

impl Projected {
    pub(super) fn new(spec: &OverAggregateSpec) -> Result<Self> {
        let mut columns: Vec<usize> =
            spec.aggregates.iter().flat_map(|call| call.args.iter().chain(&call.filter)).copied().collect();
        columns.sort_unstable();
        columns.dedup();
        if columns.last().is_some_and(|c| *c >= spec.input.len()) {
            return Err(Error::internal("an OVER aggregation reads a column that its input does not have"));
        }
        let place = |column: usize| columns.binary_search(&column).unwrap_or_default();
        let moved = |call: &AggregateCall| AggregateCall {
            args: call.args.iter().map(|c| place(*c)).collect(),
            filter: call.filter.map(place),
            ..call.clone()
        };
        let calls: Vec<AggregateCall> = spec.aggregates.iter().map(moved).collect();
        let options = MapViewOptions { retract: false, ttl_ms: 0 };
        let plan = Plan::new(&spec.input.project(&columns), &[], &calls, options)?;
        Ok(Projected { plan, calls: spec.aggregates.clone(), columns })
    }

    /// The columns of rows that are there, then of a batch.
    pub(super) fn joined(&self, there: &RecordBatch, batch: &RecordBatch) -> Result<RecordBatch> {
        let (there, batch) = (there.project(&self.columns)?, batch.project(&self.columns)?);
        Ok(concat_batches(&there.schema(), [&there, &batch])?)
    }

    /// Computes the values of all places anew; answers those of before. The aggregates of the group are those of all rows
    /// then. In a range the values of a row are those behind the last row beside it.
    pub(super) fn recompute(
        &self,
        entries: &mut OverEntries,
        group: u32,
        partition: &mut Partition,
        (is_range, now_ms): (bool, i64),
    ) -> Result<Values> {
        entries.aggregates.clear(group);
        let order = UInt32Array::from(partition.order.clone());
        let rows = taken(&partition.columns, &order)?;
        let groups = vec![group; order.len()];
        let rows = Rows { columns: &rows, groups: &groups, changes: None, now_ms };
        let running = entries.aggregates.running(&self.plan, &rows)?;
        let mut values: Values = running.into_iter().map(|r| r.after).collect();
        if is_range {
            let ends = UInt32Array::from(entries.timed.rows.equal_ends(group));
            values = values.iter().map(|v| take(v, &ends, None)).collect::<Result<_, _>>()?;
        }
        Ok(std::mem::replace(&mut partition.values, values))
    }

    /// For pairs of places before and after a change, whether the aggregates of that place have changed. `row` is the
    /// row of the batch that came or went.
    pub(super) fn changed(
        &self,
        before: &Values,
        after: &Values,
        moved: &[(usize, usize)],
        (batch, row): (&RecordBatch, usize),
    ) -> Result<Vec<bool>> {
        let (from, to): (Vec<u32>, Vec<u32>) = moved.iter().map(|(b, a)| (*b as u32, *a as u32)).unzip();
        let (from, to) = (UInt32Array::from(from), UInt32Array::from(to));
        let mut changed = vec![false; moved.len()];
        for ((call, before), after) in self.calls.iter().zip(before).zip(after) {
            if is_deeper(call) && counts(call, batch, row) {
                return Ok(vec![true; moved.len()]);
            }
            let same = same(&take(before, &from, None)?, &take(after, &to, None)?)?;
            changed.iter_mut().zip(same.values()).for_each(|(changed, same)| *changed |= !same);
        }
        Ok(changed)
    }
}

/// Rows of a batch, which may have no columns.
fn taken(batch: &RecordBatch, rows: &UInt32Array) -> Result<RecordBatch> {
    if batch.num_columns() == 0 {
        return crate::emit::record_batch(&batch.schema(), Vec::new(), rows.len());
    }
    Ok(take_record_batch(batch, rows)?)
}

fn is_deeper(call: &AggregateCall) -> bool {
    !call.distinct && DEEPER_THAN_VALUES.contains(&call.function.name.as_str())
}

/// Whether a row counts for an aggregate.
fn counts(call: &AggregateCall, batch: &RecordBatch, row: usize) -> bool {
    let passes = |filter: usize| {
        let filter = batch.column(filter).as_boolean_opt();
        filter.is_some_and(|f| f.is_valid(row) && f.value(row))
    };
    call.args.iter().all(|arg| batch.column(*arg).is_valid(row)) && call.filter.is_none_or(passes)
}

/// Where values are equal; nulls are, and a NaN is.
fn same(before: &ArrayRef, after: &ArrayRef) -> Result<BooleanArray> {
    match before.data_type() {
        DataType::Struct(_) => match (Canonical::of(before)?, Canonical::of(after)?) {
            (Canonical::Wide(before), Canonical::Wide(after)) => Ok(not_distinct(&before, &after)?),
            _ => Err(Error::internal("the values of an aggregate cannot be compared")),
        },
        _ => Ok(not_distinct(before, after)?),
    }
}
