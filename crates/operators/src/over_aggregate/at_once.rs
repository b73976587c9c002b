//! By processing time: each row comes out as it comes in.

use flott_api::operator::OperatorContext;
use flott_api::{ChangeBatch, Result};
use flott_graph::spec::{OverAggregateSpec, OverFrame};
use flott_state::hot::{RowRef, TtlOptions};

use super::entries::Over;
use super::steps::Steps;
use crate::aggregate::groups::Rows;
use crate::emit::emit;

/// See the module.
pub(super) struct AtOnce {
    pub(super) over: Over,
    /// How many rows a frame has; nothing for all.
    frame: Option<usize>,
}

impl AtOnce {
    pub(super) fn new(spec: OverAggregateSpec) -> Result<Self> {
        let frame = match spec.frame {
            OverFrame::Rows { preceding: Some(rows) } => Some(usize::try_from(rows).unwrap_or(usize::MAX)),
            OverFrame::Rows { preceding: None } | OverFrame::Range { .. } => None,
        };
        let frame = frame.map(|rows| rows.saturating_add(1));
        let (kept, ttl) = (spec.input.clone(), TtlOptions::after(spec.state_ttl_ms));
        Ok(AtOnce { over: Over::new(spec, kept, Vec::new(), frame.is_some(), ttl)?, frame })
    }

    pub(super) async fn process(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (keys, now_ms) = (self.over.plan.keys(batch.rows()), cx.processing_time_ms);
        let groups = self.over.groups(&keys, batch.len(), now_ms).await?;
        let values = match self.frame {
            Some(frame) => {
                let steps = self.slide(batch, &groups, frame)?;
                self.over.take(steps, now_ms).await?.1
            }
            None => {
                let rows = Rows { columns: batch.rows(), groups: &groups, changes: None, now_ms };
                self.over.running(&rows)?.into_iter().map(|r| r.after).collect()
            }
        };
        let rows = self.over.rows(batch.rows(), values)?;
        emit(ChangeBatch::inserts(rows).with_marks(batch.marks().to_vec())?, cx).await
    }

    /// Each row comes into the frame of its partition, behind the row that leaves it for that.
    fn slide(&mut self, batch: &ChangeBatch, groups: &[u32], frame: usize) -> Result<Steps> {
        let mut steps = self.over.steps();
        let entries = self.over.entries()?;
        entries.timed.rows.begin(batch.rows())?;
        for (row, group) in groups.iter().enumerate() {
            let in_frame = entries.timed.rows.len(*group);
            steps.begin(entries, *group, in_frame);
            let rows = &mut entries.timed.rows;
            if rows.len(*group) >= frame {
                steps.retract(*group, rows.remove(*group, 0)?);
            }
            rows.insert(*group, row)?;
            steps.add(*group, RowRef::of_batch(row));
            steps.emit(RowRef::of_batch(row));
        }
        Ok(steps)
    }
}
