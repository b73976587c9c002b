//! The running aggregation of a stream by key: `GROUP BY` without a window, and `SELECT DISTINCT`.
//!
//! Flink counterpart: `GroupAggregate`. Each input row gives what Flink's operator gives for it: `+I`
//! for the first row of a group, nothing if no result changed (unless state expires), else `-U` (if
//! anybody needs it) and `+U`, and `-D` when the last row is taken back. A retraction for a group that
//! does not exist is dropped. Without keys all rows are one group, of which nothing is said before its
//! first row.
//!
//! **State layout**: per group the number of its rows, slots and views of its aggregates, and with
//! `table.exec.state.ttl` the time of the last change. A batch is worked on in columns: keys to group
//! numbers, then what each row does to its group, then each aggregate's value before and after each
//! row, then the changes.

mod output;
mod steps;

use std::ops::Range;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::{ChangeBatch, Error, Result, RowKind};
use flott_graph::spec::GroupAggregateSpec;
use flott_state::hot::MapViewOptions;
use flott_state::snapshot::{SnapshotWriter, take_i64};

use crate::aggregate::groups::{Groups, Plan, Rows, all_entries};
use crate::emit::emit;
use crate::expiry::Expiry;
use crate::factory::FromSpec;
use output::Changes;
use steps::Steps;

/// See the module.
pub struct GroupAggregate {
    plan: Plan,
    groups: Groups,
    expiry: Expiry,
    output: SchemaRef,
    emit_update_before: bool,
    /// Whether rows may be taken back; if not, aggregates forget what that would need.
    retract: bool,
    max_parallelism: u32,
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
        if spec.state_ttl_ms > 0 && plan.keeps_order() {
            return Err(Error::unsupported("'table.exec.state.ttl' for MIN or MAX over updates")
                .with_detail("Flink lets each value below them expire by itself.")
                .with_hint("Set 'table.exec.state.ttl' to 0, or group by a window."));
        }
        Ok(GroupAggregate {
            groups: plan.groups()?,
            plan,
            expiry: Expiry::new(spec.state_ttl_ms),
            output: spec.output.arrow(),
            emit_update_before: spec.emit_update_before,
            retract,
            max_parallelism: 1,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

#[async_trait]
impl Operator for GroupAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.max_parallelism = cx.max_parallelism;
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let batch = self.aggregate(&batch, cx.processing_time_ms)?;
        emit(batch, cx).await
    }
}

impl GroupAggregate {
    fn aggregate(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        if !self.retract && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("an aggregation over an insert-only stream got a retraction"));
        }
        let keys = self.plan.keys(batch.rows());
        let assigned = self.groups.table.assign(&keys, batch.len())?;
        let mut steps = Steps::take(batch, assigned, &mut self.groups, &mut self.expiry, now_ms);
        self.groups.grow();
        let rows = Rows { columns: batch.rows(), groups: &steps.groups, changes: steps.changes.as_deref(), now_ms };
        let running = self.groups.running(&self.plan, &rows)?;
        let changes =
            Changes { keys, running, emit_update_before: self.emit_update_before, emit_unchanged: self.expiry.is_on() };
        let output = changes.batch(&steps.effects, batch.marks(), &self.output)?;
        steps.forget(&mut self.groups);
        for group in self.expiry.sweep(now_ms) {
            if self.groups.rows[group as usize] != 0 {
                self.groups.clear(group);
                self.groups.table.remove(group);
            }
        }
        Ok(output)
    }

    /// Bytes of memory that the state takes, about.
    pub fn memory_bytes(&self) -> usize {
        self.groups.memory_bytes()
    }

    /// Its state as bytes.
    ///
    /// # Errors
    /// If a key cannot be written; a bug.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let mut writer = SnapshotWriter::new(self.plan.name());
        self.groups.save(&mut writer, self.max_parallelism, |group, out| {
            out.extend_from_slice(&self.expiry.changed_ms(group).to_le_bytes());
        })?;
        Ok(writer.finish())
    }

    /// Takes the keys of these key groups out of snapshots.
    ///
    /// # Errors
    /// If a snapshot is damaged, or of other keys or aggregates.
    pub fn restore(&mut self, parts: &[Vec<u8>], key_groups: Range<u32>) -> Result<()> {
        for mut entry in all_entries(&self.plan, parts, &key_groups)? {
            let changed_ms = take_i64(&mut entry)?;
            let group = self.groups.load(&self.plan, &mut entry)?;
            self.expiry.set(group, changed_ms);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
