//! The parts of an aggregation under `DISTINCT` in the middle: puts together what the first phase made of the rows by key
//! and part of the values, and at once aggregates what changed there by key, for the last phase.
//!
//! Flink counterpart: `IncrementalGroupAggregate` (`MiniBatchIncrementalGroupAggFunction`). It is the second phase of the
//! one aggregation and the first phase of the other ([`GlobalGroupAggregate`], [`LocalGroupAggregate`]), without a mini-batch
//! and a channel in between: what a group by part gave before is taken back, what it gives now is added, and a key comes
//! out once a mini-batch.
//!
//! **State layout**: that of [`GlobalGroupAggregate`].

use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Result, Watermark};
use flott_graph::spec::IncrementalGroupAggregateSpec;

use crate::emit::emit;
use crate::factory::FromSpec;
use crate::global_group_aggregate::GlobalGroupAggregate;
use crate::local_group_aggregate::LocalGroupAggregate;

/// See the module.
pub struct IncrementalGroupAggregate {
    by_part: GlobalGroupAggregate,
    by_key: LocalGroupAggregate,
}

impl FromSpec for IncrementalGroupAggregate {
    type Spec = IncrementalGroupAggregateSpec;

    fn from_spec(spec: IncrementalGroupAggregateSpec) -> Result<Self> {
        let by_part = GlobalGroupAggregate::from_spec(spec.by_part)?;
        Ok(IncrementalGroupAggregate { by_part, by_key: LocalGroupAggregate::from_spec(spec.by_key)? })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl Stateful for IncrementalGroupAggregate {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        self.by_part.prefetch(input, batch)
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.by_part.containers()
    }
}

#[async_trait]
impl Operator for IncrementalGroupAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.by_part.open(cx)
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut rest = Some(batch);
        while let Some(batch) = &rest {
            rest = self.by_part.take(batch);
            if self.by_part.is_full() {
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

impl IncrementalGroupAggregate {
    async fn end_mini_batch(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changes = self.by_part.changes(cx.processing_time_ms).await?;
        emit(self.by_key.aggregate(&changes)?, cx).await
    }
}

#[cfg(test)]
mod tests;
