//! The second phase of an aggregation by key in two: puts together what [`LocalGroupAggregate`] made of the rows.
//!
//! Flink counterpart: `GlobalGroupAggregate` (`MiniBatchGlobalGroupAggFunction`). It has mini-batches of its own, and a
//! group gives one change in each (`group_aggregate::bundled`).
//!
//! **State layout**: as that of `GroupAggregate`.
//!
//! [`LocalGroupAggregate`]: crate::local_group_aggregate::LocalGroupAggregate

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_graph::spec::GlobalGroupAggregateSpec;
use flott_state::hot::{KeyedState, MapViewOptions, TtlOptions};

use crate::aggregate::groups::{Groups, Plan};
use crate::emit::emit;
use crate::factory::FromSpec;
use crate::group_aggregate::bundled::Bundled;
use crate::group_aggregate::joined;
use crate::mini_batch::MiniBatch;

const STATE: &str = "groups";

/// See the module.
pub struct GlobalGroupAggregate {
    plan: Plan,
    keys: usize,
    /// Is there from `open` on.
    state: Option<KeyedState<Groups>>,
    ttl: TtlOptions,
    output: SchemaRef,
    emit_update_before: bool,
    mini_batch: MiniBatch,
}

impl FromSpec for GlobalGroupAggregate {
    type Spec = GlobalGroupAggregateSpec;

    fn from_spec(spec: GlobalGroupAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + spec.aggregates.len() {
            return Err(Error::internal("an aggregation does not give its keys and its aggregates"));
        }
        let retract = !spec.rows_changelog.is_insert_only();
        let options = MapViewOptions { retract, ttl_ms: spec.state_ttl_ms };
        let plan = Plan::new(&spec.rows, &spec.keys, &spec.aggregates, options)?;
        plan.check_merges(&spec.aggregates)?;
        Ok(GlobalGroupAggregate {
            plan,
            keys: spec.keys.len(),
            state: None,
            ttl: TtlOptions::after(spec.state_ttl_ms),
            output: spec.output.arrow(),
            emit_update_before: spec.emit_update_before,
            mini_batch: MiniBatch::new(spec.mini_batch_rows_max),
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl Stateful for GlobalGroupAggregate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        state.prefetch(self.key_columns(batch)?, batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for GlobalGroupAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.plan.state(STATE, self.ttl), self.plan.groups()?)?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut rest = Some(batch);
        while let Some(batch) = &rest {
            rest = self.mini_batch.take(batch);
            if self.mini_batch.is_full() {
                self.end_mini_batch(cx).await?;
            }
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

impl GlobalGroupAggregate {
    fn key_columns<'a>(&self, batch: &'a ChangeBatch) -> Result<&'a [ArrayRef]> {
        let columns = batch.rows().columns();
        if columns.len() != self.keys + 1 || batch.kinds().is_some() {
            return Err(Error::internal("a second phase of an aggregation got rows that the first one does not give"));
        }
        Ok(&columns[..self.keys])
    }

    /// Keeps rows, as many as the mini-batch may still have, and answers those that are left.
    pub(crate) fn take(&mut self, batch: &ChangeBatch) -> Option<ChangeBatch> {
        self.mini_batch.take(batch)
    }

    /// Whether the mini-batch must end.
    pub(crate) fn is_full(&self) -> bool {
        self.mini_batch.is_full()
    }

    /// Ends the mini-batch and gives what changed.
    pub(crate) async fn changes(&mut self, now_ms: i64) -> Result<Vec<ChangeBatch>> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let rows_at_once = state.entries_mut().rows_at_once(&self.plan);
        let mut changes = Vec::new();
        for batches in self.mini_batch.end(rows_at_once) {
            changes.push(self.merge(&batches, now_ms).await?);
        }
        Ok(changes)
    }

    async fn end_mini_batch(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let rows_at_once = state.entries_mut().rows_at_once(&self.plan);
        for batches in self.mini_batch.end(rows_at_once) {
            let output = self.merge(&batches, cx.processing_time_ms).await?;
            emit(output, cx).await?;
        }
        Ok(())
    }

    async fn merge(&mut self, batches: &[ChangeBatch], now_ms: i64) -> Result<ChangeBatch> {
        for batch in batches {
            self.key_columns(batch)?;
        }
        let columns = joined(batches.iter().map(|b| b.rows().columns().to_vec()))?;
        let (keys, parts) = columns.split_at(self.keys);
        let bytes: &BinaryArray = parts[0].as_binary_opt::<i32>().ok_or_else(no_bytes)?;
        let mut partial = self.plan.read_partial(bytes, now_ms)?;
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(keys, bytes.len(), now_ms).await?;
        state.touch(&groups)?;
        let bundled = Bundled::begin(&groups, &self.plan, state, now_ms)?;
        let groups: Vec<u32> = (0..bytes.len()).map(|row| bundled.group(row)).collect();
        state.entries_mut().take_up(&self.plan, &mut partial, (&groups, &bundled.rounds()), now_ms)?;
        bundled.end(&self.plan, state, (keys, self.emit_update_before, &self.output), now_ms)
    }
}

fn no_bytes() -> Error {
    Error::internal("the first phase of an aggregation gave no bytes")
}

fn not_open() -> Error {
    Error::internal("an aggregation was not opened")
}

#[cfg(test)]
mod tests;
