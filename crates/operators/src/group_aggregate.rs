//! The running aggregation of a stream by key: `GROUP BY` without a window, and `SELECT DISTINCT`.
//!
//! Flink counterpart: `GroupAggregate`. Each input row gives what Flink's operator gives for it: `+I`
//! for the first row of a group, nothing if no result changed (unless state expires), else `-U` (if
//! anybody needs it) and `+U`, and `-D` when the last row is taken back. A retraction for a group that
//! does not exist is dropped. Without keys all rows are one group, of which nothing is said before its
//! first row.
//!
//! **State layout**: state `groups`, by the key columns; a part with the number of the group's rows, and
//! one for each aggregate (slots and views) and each set of values that `DISTINCT` has seen. A group is
//! written whole, so one with very many distinct values is dear at every checkpoint in which it
//! changed. A batch is worked on in columns: keys to group numbers, then what each row does to its
//! group, then each aggregate's value before and after each row, then the changes.

mod output;
mod steps;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, RowKind};
use flott_graph::spec::GroupAggregateSpec;
use flott_state::hot::{KeyedState, MapViewOptions, TtlOptions};

use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::emit::emit;
use crate::factory::FromSpec;
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
            plan,
            state: None,
            ttl: TtlOptions::after(spec.state_ttl_ms),
            output: spec.output.arrow(),
            emit_update_before: spec.emit_update_before,
            retract,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
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
        let mut from = 0;
        while from < batch.len() || batch.is_empty() {
            let state = self.state.as_mut().ok_or_else(not_open)?;
            let rows = state.entries_mut().rows_at_once(&self.plan).min(batch.len() - from);
            let output = self.aggregate(&batch.slice(from, rows), cx.processing_time_ms).await?;
            emit(output, cx).await?;
            from += rows.max(1);
        }
        Ok(())
    }
}

impl GroupAggregate {
    async fn aggregate(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        if !self.retract && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("an aggregation over an insert-only stream got a retraction"));
        }
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
}

fn not_open() -> Error {
    Error::internal("an aggregation was not opened")
}

#[cfg(test)]
mod tests;
