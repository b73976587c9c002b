//! The first rows of a stream: `LIMIT` and `OFFSET` without an order, over an insert-only input.
//!
//! Flink counterpart: `Limit`. **State layout**: how many rows have come. It runs with parallelism 1;
//! what follows the last row is read and dropped.

use std::ops::Range;

use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::{ChangeBatch, Error, Mark, Result};
use flott_graph::spec::LimitSpec;
use flott_state::snapshot::{SnapshotWriter, entries, take_u64};

use crate::emit::emit;
use crate::factory::FromSpec;

/// See the module.
pub struct Limit {
    first: u64,
    end: u64,
    seen: u64,
}

const STATE: &str = "limit-1";

impl FromSpec for Limit {
    type Spec = LimitSpec;

    fn from_spec(spec: LimitSpec) -> Result<Self> {
        Ok(Limit { first: spec.offset, end: spec.offset.saturating_add(spec.limit), seen: 0 })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

#[async_trait]
impl Operator for Limit {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if batch.kinds().is_some() {
            return Err(Error::internal("a limit without an order got an update"));
        }
        let from = self.first.saturating_sub(self.seen).min(batch.len() as u64);
        let to = self.end.saturating_sub(self.seen).min(batch.len() as u64).max(from);
        self.seen += batch.len() as u64;
        emit(cut(&batch, from as usize, to as usize)?, cx).await
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

impl Limit {
    /// Its state as bytes.
    ///
    /// # Errors
    /// Never today.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let mut writer = SnapshotWriter::new(STATE);
        writer.entry(0, |out| out.extend_from_slice(&self.seen.to_le_bytes()));
        Ok(writer.finish())
    }

    /// Takes the state out of snapshots.
    ///
    /// # Errors
    /// If one is damaged.
    pub fn restore(&mut self, parts: &[Vec<u8>], key_groups: Range<u32>) -> Result<()> {
        for part in parts {
            for mut entry in entries(part, STATE, &key_groups)? {
                self.seen += take_u64(&mut entry)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, Restorable, check_restorable};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    impl Restorable for Limit {
        fn snapshot(&self) -> Result<Vec<u8>> {
            self.snapshot()
        }

        fn restore(&mut self, parts: &[Vec<u8>], key_groups: Range<u32>) -> Result<()> {
            self.restore(parts, key_groups)
        }
    }

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
