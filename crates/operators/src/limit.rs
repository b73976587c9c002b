//! The first rows of a stream: `LIMIT` and `OFFSET` without an order, over an insert-only input.
//!
//! Flink counterpart: `Limit`. **State layout**: list `seen` with how many rows have come, `u64`
//! little-endian. It runs with parallelism 1; what follows the last row is read and dropped.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::{Redistribution, StateStore};
use flott_api::{ChangeBatch, Error, Mark, Result};
use flott_graph::spec::LimitSpec;
use flott_state::codec::take_array;

use crate::emit::emit;
use crate::factory::FromSpec;

/// See the module.
pub struct Limit {
    first: u64,
    end: u64,
    seen: u64,
    store: Option<Arc<dyn StateStore>>,
}

const SEEN: &str = "seen";

impl FromSpec for Limit {
    type Spec = LimitSpec;

    fn from_spec(spec: LimitSpec) -> Result<Self> {
        Ok(Limit { first: spec.offset, end: spec.offset.saturating_add(spec.limit), seen: 0, store: None })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl flott_api::operator::Stateful for Limit {}

#[async_trait]
impl Operator for Limit {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        for item in cx.state.list(SEEN).unwrap_or_default() {
            self.seen += u64::from_le_bytes(take_array(&mut &item[..])?);
        }
        self.store = Some(Arc::clone(&cx.state));
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if batch.kinds().is_some() {
            return Err(Error::internal("a limit without an order got an update"));
        }
        let from = self.first.saturating_sub(self.seen).min(batch.len() as u64);
        let to = self.end.saturating_sub(self.seen).min(batch.len() as u64).max(from);
        self.seen += batch.len() as u64;
        emit(cut(&batch, from as usize, to as usize)?, cx).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let store = self.store.as_ref().ok_or_else(|| Error::internal("a limit was not opened"))?;
        let seen = Bytes::copy_from_slice(&self.seen.to_le_bytes());
        store.set_list(SEEN, Redistribution::Split, vec![seen]);
        Ok(())
    }
}

/// Rows `from .. to` with all marks: those before the first row or behind the last one move there.
fn cut(batch: &ChangeBatch, from: usize, to: usize) -> Result<ChangeBatch> {
    if (from, to) == (0, batch.len()) {
        return Ok(batch.clone());
    }
    let place = |mark: &Mark| Mark { row: (mark.row as usize).clamp(from, to) as u32 - from as u32, ..*mark };
    let marks = batch.marks().iter().map(place).collect();
    batch.slice(from, to - from).without_marks().with_marks(marks)
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check_restorable};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    #[test]
    fn offset_and_limit_count_rows_over_batches_and_restarts() {
        let input = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let script = "+I | 1\n+I | 2\nwm 1\n+I | 3\nwm 2\n+I | 4\n+I | 5\nwm 3\n+I | 6";
        let case = Case { input: &input, event_time: EventTime::Indifferent, script };
        let limit = |offset, limit| {
            let spec = LimitSpec { offset, limit, input: input.clone() };
            check_restorable(&case, None, || Limit::from_spec(spec.clone()).unwrap())
        };
        assert_eq!(limit(1, 3), "+I | 2\nwm 1\n+I | 3\nwm 2\n+I | 4\nwm 3");
        assert_eq!(limit(0, 0), "wm 3");
        assert_eq!(limit(5, u64::MAX), "wm 3\n+I | 6");
    }
}
