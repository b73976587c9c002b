//! `OVER`: each row with the values of aggregates over itself and the rows before it.
//!
//! Flink counterpart: `OverAggregate`, one function for each of these:
//!
//! * By processing time a row comes out at once, with the values of the rows so far (all of them, or the last few); rows
//!   within a time come out when their millisecond is over, all of it with the same values. What waits for
//!   that at the end of the input comes out then (Flink drops it).
//! * By rowtime a row waits for the watermark. With `RANGE` all rows of one time have the same values. A row is late, counted and
//!   dropped, if the watermark has reached it; in frames that move only if a row of its key with its time, or a later
//!   one, came out (as in Flink also if it is of 1970 or before). Frames within a time forget a key half as long after they are
//!   empty.
//! * By other columns each row has its place at once, and every change updates the rows behind it, of a `RANGE` also those
//!   beside it: `-U`, `+U` where the aggregates have changed. A row that is taken back gives `-D`.
//!
//! Where rows leave the frame the aggregates are stepped back, as in Flink, so a sum of floating-point numbers
//! has the same last digits.
//!
//! **State layout**: state `over`, by the partition columns: the parts of
//! [`GroupAggregate`](crate::group_aggregate); the rows that wait, are in the frame, or (by other columns) all of them; the times of the last
//! row that came out and of the cleanups, and how many rows of the frame came out.
//!
//! With `table.exec.state.ttl` a key that waits for nothing is forgotten.

mod at_once;
mod by_columns;
mod entries;
mod frames;
mod places;
mod python;
mod steps;
mod waiting;

use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, RowKind};
use flott_graph::spec::{OverAggregateSpec, OverFrame, OverOrder};

use crate::factory::FromSpec;
use at_once::AtOnce;
use by_columns::ByColumns;
pub use python::PythonOverAggregate;
use waiting::Waiting;

/// See the module.
pub struct OverAggregate {
    way: Way,
    /// Whether rows may be taken back.
    retracts: bool,
}

enum Way {
    AtOnce(AtOnce),
    Waiting(Waiting),
    ByColumns(ByColumns),
}

impl FromSpec for OverAggregate {
    type Spec = OverAggregateSpec;

    fn from_spec(spec: OverAggregateSpec) -> Result<Self> {
        let columns = spec.input.len();
        if spec.output.len() != columns + spec.aggregates.len() || spec.partition.iter().any(|c| *c >= columns) {
            return Err(Error::internal("an OVER aggregation does not give its input and its aggregates"));
        }
        let retracts = !spec.input_changelog.is_insert_only();
        if retracts && !matches!(spec.order, OverOrder::Columns(_)) {
            return Err(Error::unsupported("an OVER aggregation by time of a stream with updates"));
        }
        let way = match (&spec.order, spec.frame) {
            (OverOrder::Columns(_), OverFrame::Rows { preceding: None } | OverFrame::Range { preceding_ms: None }) => {
                Way::ByColumns(ByColumns::new(spec)?)
            }
            (OverOrder::Columns(_), _) => {
                return Err(Error::unsupported(
                    "a frame of so many rows, or so much time, in an order that is not by time",
                ));
            }
            (OverOrder::Rowtime(column), _) if *column >= columns => {
                return Err(Error::internal("the rowtime of an OVER aggregation is no input column"));
            }
            (OverOrder::Proctime, OverFrame::Rows { .. } | OverFrame::Range { preceding_ms: None }) => {
                Way::AtOnce(AtOnce::new(spec)?)
            }
            (OverOrder::Proctime | OverOrder::Rowtime(_), _) => Way::Waiting(Waiting::new(spec)?),
        };
        Ok(OverAggregate { way, retracts })
    }

    fn event_time(&self) -> EventTime {
        match self.way {
            Way::AtOnce(_) => EventTime::Indifferent,
            Way::Waiting(_) | Way::ByColumns(_) => EventTime::Sliced,
        }
    }
}

impl flott_api::operator::Stateful for OverAggregate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        match &self.way {
            Way::AtOnce(way) => way.over.prefetch(batch),
            Way::Waiting(way) => way.over.prefetch(batch),
            Way::ByColumns(way) => way.over.prefetch(batch),
        }
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        match &mut self.way {
            Way::AtOnce(way) => way.over.containers(),
            Way::Waiting(way) => way.over.containers(),
            Way::ByColumns(way) => way.over.containers(),
        }
    }
}

#[async_trait]
impl Operator for OverAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        match &mut self.way {
            Way::AtOnce(way) => way.over.open(cx),
            Way::Waiting(way) => way.open(cx),
            Way::ByColumns(way) => way.over.open(cx),
        }
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if !self.retracts && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("an OVER aggregation of an insert-only stream got a retraction"));
        }
        match &mut self.way {
            Way::AtOnce(way) => way.process(&batch, cx).await,
            Way::Waiting(way) => way.process(&batch, cx).await,
            Way::ByColumns(way) => way.process(&batch, cx).await,
        }
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        match &mut self.way {
            Way::Waiting(way) => way.fire(timers, cx).await,
            Way::AtOnce(_) | Way::ByColumns(_) => Err(Error::internal("an OVER aggregation set no timers")),
        }
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        match &mut self.way {
            Way::Waiting(way) => way.finish(cx).await,
            Way::AtOnce(_) | Way::ByColumns(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
