//! The running aggregation of a stream by key: `GROUP BY` without a window, and `SELECT DISTINCT`.
//!
//! Flink counterpart: `GroupAggregate`. Each input row gives what Flink's operator gives for it: `+I`
//! for the first row of a group, nothing if no result changed (unless state expires), else `-U` (if
//! anybody needs it) and `+U`, and `-D` when the last row is taken back. A retraction for a group that
//! does not exist is dropped. Without keys all rows are one group, of which nothing is said before its
//! first row. With mini-batches a group gives one change for all rows of a mini-batch (`bundled`); a retraction for a
//! group that does not exist is dropped there too, unless a row came before it.
//!
//! **State layout**: state `groups`, by the key columns; a part with the number of the group's rows, and
//! one for each aggregate (slots and views) and each set of values that `DISTINCT` has seen. A group is
//! written whole, so one with very many distinct values is dear at every checkpoint in which it
//! changed. A batch is worked on in columns: keys to group numbers, then what each row does to its
//! group, then each aggregate's value before and after each row, then the changes.

pub(crate) mod bundled;
mod output;
mod steps;

use arrow_array::{Array, ArrayRef};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, RowKind, Watermark};
use flott_graph::spec::GroupAggregateSpec;
use flott_state::hot::{KeyedState, MapViewOptions, TtlOptions};

use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::emit::emit;
use crate::factory::FromSpec;
use crate::mini_batch::MiniBatch;
use bundled::Bundled;
use output::Changes;
use steps::Steps;

const STATE: &str = "groups";

/// See the module.
pub struct GroupAggregate {
    plan: Plan,
    /// Is there from `open` on.
    state: Option<KeyedState<Groups>>,
    ttl: TtlOptions,
    output: SchemaRef,
    emit_update_before: bool,
    /// Whether rows may be taken back; if not, aggregates forget what that would need.
    retract: bool,
    /// The rows that came since the last one ended; nothing if each row gives its changes at once.
    mini_batch: Option<MiniBatch>,
}

impl FromSpec for GroupAggregate {
    type Spec = GroupAggregateSpec;

    fn from_spec(spec: GroupAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + spec.aggregates.len() {
            return Err(Error::internal("an aggregation does not give its keys and its aggregates"));
        }
        let retract = !spec.input_changelog.is_insert_only();
        let options = MapViewOptions { retract, ttl_ms: spec.state_ttl_ms };
        let plan = Plan::new(&spec.input, &spec.keys, &spec.aggregates, options)?;
        Ok(GroupAggregate {
            plan,
            state: None,
            ttl: TtlOptions::after(spec.state_ttl_ms),
            output: spec.output.arrow(),
            emit_update_before: spec.emit_update_before,
            retract,
            mini_batch: spec.mini_batch_rows_max.map(MiniBatch::new),
        })
    }

    fn event_time(&self) -> EventTime {
        if self.mini_batch.is_some() { EventTime::Sliced } else { EventTime::Indifferent }
    }
}

impl flott_api::operator::Stateful for GroupAggregate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        state.prefetch(&self.plan.keys(batch.rows()), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for GroupAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.plan.state(STATE, self.ttl), self.plan.groups()?)?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.mini_batch.is_some() {
            return self.collect(batch, cx).await;
        }
        let (mut from, at_most) = (0, self.plan.rows_by_arguments(batch.rows()));
        while from < batch.len() {
            let state = self.state.as_mut().ok_or_else(not_open)?;
            let rows = state.entries_mut().rows_at_once(&self.plan).min(at_most).min(batch.len() - from);
            let output = self.aggregate(&batch.slice(from, rows), cx.processing_time_ms).await?;
            emit(output, cx).await?;
            from += rows.max(1);
        }
        Ok(())
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await?;
        cx.output.emit_watermark(watermark).await
    }

    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await
    }
}

impl GroupAggregate {
    fn check(&self, batch: &ChangeBatch) -> Result<()> {
        if !self.retract && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("an aggregation over an insert-only stream got a retraction"));
        }
        Ok(())
    }

    async fn aggregate(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        self.check(batch)?;
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let keys = self.plan.keys(batch.rows());
        let assigned = state.assign(&keys, batch.len(), now_ms).await?;
        state.touch(&assigned)?;
        let mut steps = Steps::take(batch, assigned, state, now_ms);
        let rows = Rows { columns: batch.rows(), groups: &steps.groups, changes: steps.changes.as_deref(), now_ms };
        let running = state.entries_mut().running(&self.plan, &rows)?;
        let changes =
            Changes { keys, running, emit_update_before: self.emit_update_before, emit_unchanged: state.expires() };
        let output = changes.batch(&steps.effects, batch.marks(), &self.output)?;
        steps.forget(state)?;
        state.expire(now_ms)?;
        Ok(output)
    }

    /// Keeps rows until their mini-batch ends, which it does when it is full.
    async fn collect(&mut self, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.check(&batch)?;
        let mut rest = Some(batch);
        while let (Some(batch), Some(mini_batch)) = (&rest, &mut self.mini_batch) {
            rest = mini_batch.take(batch);
            if mini_batch.is_full() {
                self.end_mini_batch(cx).await?;
            }
        }
        Ok(())
    }

    async fn end_mini_batch(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (Some(mini_batch), Some(state)) = (&mut self.mini_batch, &mut self.state) else { return Ok(()) };
        let rows_at_once = state.entries_mut().rows_at_once(&self.plan);
        for piece in mini_batch.end(rows_at_once) {
            let output = self.aggregate_bundle(&piece, cx.processing_time_ms).await?;
            emit(output, cx).await?;
        }
        Ok(())
    }

    async fn aggregate_bundle(&mut self, batches: &[ChangeBatch], now_ms: i64) -> Result<ChangeBatch> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let keys = joined(batches.iter().map(|b| self.plan.keys(b.rows())))?;
        let rows = batches.iter().map(ChangeBatch::len).sum();
        let assigned = state.assign(&keys, rows, now_ms).await?;
        state.touch(&assigned)?;
        let bundled = Bundled::begin(&assigned, &self.plan, state, now_ms)?;
        let groups: Vec<u32> = (0..rows).map(|row| bundled.group(row)).collect();
        let changes = bundled.effective(batches.iter().flat_map(retracts));
        let entries = state.entries_mut();
        entries.count(&groups, Some(&changes));
        let mut from = 0;
        for batch in batches {
            let range = from..from + batch.len();
            let (groups, changes) = (&groups[range.clone()], Some(&changes[range]));
            entries.fold(&self.plan, &Rows { columns: batch.rows(), groups, changes, now_ms })?;
            from += batch.len();
        }
        bundled.end(&self.plan, state, (&keys, self.emit_update_before, &self.output), now_ms)
    }
}

/// Whether each row takes one back.
pub(crate) fn retracts(batch: &ChangeBatch) -> impl Iterator<Item = bool> {
    (0..batch.len()).map(|row| batch.kind(row).is_retract())
}

/// The columns of several batches, one behind the other.
pub(crate) fn joined(batches: impl Iterator<Item = Vec<ArrayRef>>) -> Result<Vec<ArrayRef>> {
    let batches: Vec<Vec<ArrayRef>> = batches.collect();
    let column = |i: usize| {
        let parts: Vec<&dyn Array> = batches.iter().map(|columns| columns[i].as_ref()).collect();
        Ok(concat(&parts)?)
    };
    (0..batches.first().map_or(0, Vec::len)).map(column).collect()
}

fn not_open() -> Error {
    Error::internal("an aggregation was not opened")
}

#[cfg(test)]
mod tests;
