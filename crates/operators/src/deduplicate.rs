//! One row per key: the first or the last one, by processing time or by rowtime.
//!
//! Flink counterpart: `Deduplicate`. The first row by processing time comes once and stays. The last row is updated:
//! `+I` for the first row of a key (`+U` if nobody minds), then `-U` of the old row (if anybody needs it) and `+U`; by
//! processing time a row equal to the old one gives nothing (unless state expires). By rowtime the last of equal times
//! stays for the last row, the first one for the first row. The first row by rowtime either is corrected by an
//! earlier one, or comes when the watermark has passed it and is final; a row behind the watermark is late then, counted
//! and dropped. Over updates only the last row by processing time can be kept: a row that is taken back gives `-D` of
//! the row that was there.
//!
//! **State layout**: by the key columns. `seen`: whether the first row came. `rows`: the row that stays, whole.
//! `waiting`: the first row that waits for the watermark, which does not expire.

mod first;
mod on_watermark;
mod replace;

use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, RowKind};
use flott_graph::spec::{DeduplicateKeep, DeduplicateSpec, DeduplicateTime};
use flott_state::hot::GroupTable;

use crate::factory::FromSpec;
use first::First;
use on_watermark::OnWatermark;
use replace::Replace;

/// See the module.
pub struct Deduplicate {
    way: Way,
    /// Whether rows may be taken back.
    retracts: bool,
}

enum Way {
    First(Box<First>),
    OnWatermark(Box<OnWatermark>),
    Replace(Box<Replace>),
}

impl FromSpec for Deduplicate {
    type Spec = DeduplicateSpec;

    fn from_spec(spec: DeduplicateSpec) -> Result<Self> {
        let columns = spec.input.len();
        let rowtime = if let DeduplicateTime::Rowtime(column) = spec.time { Some(column) } else { None };
        if spec.keys.iter().chain(&rowtime).any(|column| *column >= columns) {
            return Err(Error::internal("a deduplication reads a column that its input does not have"));
        }
        let retracts = !spec.input_changelog.is_insert_only();
        if retracts && (spec.keep, spec.time) != (DeduplicateKeep::Last, DeduplicateTime::Proctime) {
            return Err(Error::unsupported("deduplication of updates by rowtime, or for the first row"));
        }
        // Refuses what cannot be kept now and not with the first row.
        GroupTable::new(spec.keys.iter().map(|k| spec.input.fields[*k].ty.arrow()).collect())?;
        let way = match (spec.keep, rowtime) {
            (DeduplicateKeep::First, None) => Way::First(Box::new(First::new(&spec))),
            (DeduplicateKeep::FirstOnWatermark, Some(column)) => {
                Way::OnWatermark(Box::new(OnWatermark::new(spec, column)?))
            }
            (DeduplicateKeep::FirstOnWatermark, None) => {
                return Err(Error::internal("processing time has no watermark that a first row could wait for"));
            }
            (DeduplicateKeep::First | DeduplicateKeep::Last, _) => Way::Replace(Box::new(Replace::new(spec)?)),
        };
        Ok(Deduplicate { way, retracts })
    }

    fn event_time(&self) -> EventTime {
        match self.way {
            Way::OnWatermark(_) => EventTime::Sliced,
            Way::First(_) | Way::Replace(_) => EventTime::Indifferent,
        }
    }
}

impl flott_api::operator::Stateful for Deduplicate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        match &self.way {
            Way::First(way) => way.prefetch(batch),
            Way::OnWatermark(way) => way.prefetch(batch),
            Way::Replace(way) => way.prefetch(batch),
        }
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        match &mut self.way {
            Way::First(way) => way.containers(),
            Way::OnWatermark(way) => way.containers(),
            Way::Replace(way) => way.containers(),
        }
    }
}

#[async_trait]
impl Operator for Deduplicate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        match &mut self.way {
            Way::First(way) => way.open(cx),
            Way::OnWatermark(way) => way.open(cx),
            Way::Replace(way) => way.open(cx),
        }
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if !self.retracts && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("a deduplication of an insert-only stream got a retraction"));
        }
        match &mut self.way {
            Way::First(way) => way.process(&batch, cx).await,
            Way::OnWatermark(way) => way.process(&batch, cx).await,
            Way::Replace(way) => way.process(&batch, cx).await,
        }
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        match &mut self.way {
            Way::OnWatermark(way) => way.fire(timers, cx).await,
            Way::First(_) | Way::Replace(_) => Err(Error::internal("a deduplication set no timers")),
        }
    }
}

fn not_open() -> Error {
    Error::internal("a deduplication was not opened")
}

#[cfg(test)]
mod tests;
