//! The first phase of an aggregation by key and window in two: the rows of a batch become one row a key and slice, before they
//! go over the network.
//!
//! Flink counterpart: `LocalWindowAggregate` (`LocalSlicingWindowAggOperator`, which collects for longer: until the watermark
//! passes or its memory is full). A row that comes out has the key, the time of one of its rows, by which the second phase finds
//! the slice, and in one column of bytes the state of the group (`aggregate::groups::partial`);
//! [`WindowAggregate`](crate::window_aggregate) puts them together. Whether a row is late is decided there: the watermark here
//! may be ahead of the one there. So rows of slices of which no window can be over come before all watermarks of the batch, and
//! all others between the same two as they came.
//!
//! Where hardly two rows have one key, rows are not looked up but become a state each: that is what looking them up would
//! come to.
//!
//! **State layout**: none, as nothing is kept from one batch to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_graph::spec::LocalWindowAggregateSpec;
use flott_state::hot::{GroupEntries, GroupTable, MapViewOptions};

use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::emit::record_batch;
use crate::factory::FromSpec;
use crate::local_group_aggregate::changes;
use crate::watermark_assigner::null_rowtime;
use crate::window::Windows;
use crate::window::arrivals::{SliceRows, Slices};
use crate::window::folding::check_changelog;
use crate::window::outgoing::Outgoing;

/// Of so many rows at least it is worth to see how many keys they have.
const SAMPLE_ROWS_MIN: usize = 64;
/// So many batches are taken as the last one was that was looked at.
const BATCHES_PER_SAMPLE: u32 = 32;
/// With more keys for each 16 rows, looking rows up saves nothing.
const KEYS_OF_16_ROWS_MAX: usize = 14;

/// See the module.
pub struct LocalWindowAggregate {
    spec: LocalWindowAggregateSpec,
    plan: Plan,
    windows: Windows,
    time: usize,
    output: SchemaRef,
    /// For so many batches rows are not looked up.
    apart: u32,
}

/// Rows of one slice.
struct Part {
    /// How many marks of the batch come before them.
    marks: usize,
    rows: SliceRows,
}

impl FromSpec for LocalWindowAggregate {
    type Spec = LocalWindowAggregateSpec;

    fn from_spec(spec: LocalWindowAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + 2 {
            return Err(Error::internal(
                "a first phase of a window aggregation does not give its keys, time and bytes",
            ));
        }
        let options = MapViewOptions { retract: !spec.input_changelog.is_insert_only(), ttl_ms: 0 };
        let plan = Plan::sliced(&spec.input, &spec.keys, &spec.aggregates, options)?;
        plan.check_merges(&spec.aggregates)?;
        let windows = Windows::new(&spec.input, spec.time.clone(), &spec.window, &spec.zone)?;
        let time = spec.time.column().ok_or_else(|| Error::internal("windows over the clock have one phase"))?;
        Ok(LocalWindowAggregate { plan, windows, time, output: spec.output.arrow(), apart: 0, spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

impl Stateful for LocalWindowAggregate {}

#[async_trait]
impl Operator for LocalWindowAggregate {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        check_changelog(&batch, &self.spec.input_changelog)?;
        let (parts, outside) = self.parts(&batch, cx.watermark)?;
        // They lie in no window, whatever the watermark.
        cx.metrics.num_late_records_dropped.add(outside);
        let mut outgoing = Outgoing::new(&self.output);
        let mut marks = batch.marks().iter();
        let mut passed = 0;
        for part in parts {
            while passed < part.marks {
                marks.next().into_iter().for_each(|mark| outgoing.mark(mark.watermark));
                passed += 1;
            }
            let rows = self.aggregate(part.rows.of(&batch)?)?;
            outgoing.push(rows, cx).await?;
        }
        marks.for_each(|mark| outgoing.mark(mark.watermark));
        outgoing.flush(cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit_watermark(watermark).await
    }
}

impl LocalWindowAggregate {
    /// The rows of a batch by slice and by the marks that they must stay behind, and how many lie in no window.
    fn parts(&self, batch: &ChangeBatch, watermark: Watermark) -> Result<(Vec<Part>, u64)> {
        let times = self.windows.times(batch.rows(), 0)?;
        if times.null_count() > 0 {
            return Err(null_rowtime(&self.spec.input.fields[self.time].name));
        }
        let last = batch.last_watermark().map_or(watermark, |mark| mark.max(watermark));
        let mut slices = Slices::new(&self.windows);
        if slices.all_are_one(times.values(), last.0)? {
            return Ok((vec![Part { marks: 0, rows: SliceRows::All }], 0));
        }
        let mut parts: BTreeMap<(usize, i64), Vec<u32>> = BTreeMap::new();
        let (mut passed, mut outside) = (0, 0);
        for (row, time) in (0..).zip(times.values()) {
            while batch.marks().get(passed).is_some_and(|mark| mark.row <= row) {
                passed += 1;
            }
            let Some(slice) = slices.of(*time)? else {
                outside += 1;
                continue;
            };
            let behind = if slice.first_due_ms > last.0 { 0 } else { passed };
            parts.entry((behind, slice.end_ms)).or_default().push(row);
        }
        let part = |((marks, _), rows)| Part { marks, rows: SliceRows::Some(rows) };
        Ok((parts.into_iter().map(part).collect(), outside))
    }

    /// What is known of each key of the rows of one slice.
    fn aggregate(&mut self, batch: ChangeBatch) -> Result<RecordBatch> {
        let (rows, keys) = (batch.rows(), self.plan.keys(batch.rows()));
        let mut groups = self.plan.groups()?;
        if self.apart > 0 && batch.len() >= SAMPLE_ROWS_MIN {
            self.apart -= 1;
            let own: Vec<u32> = (0..batch.len() as u32).collect();
            groups.grow(batch.len());
            self.fold(&mut groups, &batch, &own)?;
            return self.written(keys, rows.column(self.time).clone(), &groups, &own);
        }
        let mut table = GroupTable::new(self.plan.key_types())?;
        let of_rows = table.assign(&keys, batch.len())?;
        groups.grow(table.end());
        self.fold(&mut groups, &batch, &of_rows)?;
        let numbers = table.groups();
        if batch.len() >= SAMPLE_ROWS_MIN && numbers.len() * 16 > batch.len() * KEYS_OF_16_ROWS_MAX {
            self.apart = BATCHES_PER_SAMPLE;
        }
        let time = take(rows.column(self.time), &UInt32Array::from(vec![0; numbers.len()]), None)?;
        self.written(table.columns(&numbers)?, time, &groups, &numbers)
    }

    fn fold(&self, groups: &mut Groups, batch: &ChangeBatch, of_rows: &[u32]) -> Result<()> {
        let changes = changes(batch);
        groups.count(of_rows, changes.as_deref());
        let rows = Rows { columns: batch.rows(), groups: of_rows, changes: changes.as_deref(), now_ms: 0 };
        groups.fold(&self.plan, &rows)
    }

    fn written(&self, keys: Vec<ArrayRef>, time: ArrayRef, groups: &Groups, numbers: &[u32]) -> Result<RecordBatch> {
        let mut columns = keys;
        columns.push(time);
        columns.push(Arc::new(groups.partial(numbers)?));
        record_batch(&self.output, columns, numbers.len())
    }
}

#[cfg(test)]
mod tests;
