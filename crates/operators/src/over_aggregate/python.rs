//! `OVER` with functions of pandas among the calls: each row is given what they make of all rows of its frame.
//!
//! Flink counterpart: `PythonOverAggregate`, with frames that begin so many rows or so much time before the row. When rows come out
//! and when they are forgotten is as without such functions, and so is the state: functions remember nothing.

use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::spec::PythonOverAggregateSpec;

use super::entries::Over;
use super::{OverAggregate, Way};
use crate::beside::Caller;
use crate::factory::FromSpec;
use crate::python_over::PythonOver;

/// See the module.
pub struct PythonOverAggregate(OverAggregate);

impl PythonOverAggregate {
    fn over(&mut self) -> &mut Over {
        match &mut self.0.way {
            Way::AtOnce(way) => &mut way.over,
            Way::Waiting(way) => &mut way.over,
            Way::ByColumns(way) => &mut way.over,
        }
    }

    fn beside(&mut self) -> Result<&mut PythonOver> {
        self.over().beside.as_mut().ok_or_else(|| Error::internal("an OVER aggregation calls nothing beside the job"))
    }
}

impl FromSpec for PythonOverAggregate {
    type Spec = PythonOverAggregateSpec;

    fn from_spec(PythonOverAggregateSpec { over, session_zone }: PythonOverAggregateSpec) -> Result<Self> {
        if over.frame.is_unbounded() {
            return Err(Error::unsupported("an OVER of all rows before a row with functions of pandas, in a stream"));
        }
        let beside = PythonOver::new(&over.aggregates, &over.input, &session_zone)?;
        let mut operator = PythonOverAggregate(OverAggregate::from_spec(over)?);
        operator.over().beside = Some(beside);
        Ok(operator)
    }

    fn event_time(&self) -> EventTime {
        self.0.event_time()
    }
}

impl Stateful for PythonOverAggregate {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        self.0.prefetch(input, batch)
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.0.containers()
    }
}

#[async_trait]
impl Operator for PythonOverAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.0.open(cx)?;
        self.beside()?.open(&Caller::from(cx));
        Ok(())
    }

    async fn start(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.beside()?.start().await
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.0.process_batch(input, batch, cx).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        self.0.on_timers(timers, cx).await
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.0.finish(cx).await?;
        self.beside()?.end().await
    }
}

#[cfg(test)]
mod tests;
