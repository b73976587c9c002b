//! Aggregation by key and session: `SESSION` with `GROUP BY window_start, window_end, ..`, and
//! `GROUP BY SESSION(..)`.
//!
//! Flink counterpart: `WindowAggregate` over `UnslicingWindowOperator`, and `GroupWindowAggregate`. A session of a
//! key begins with a row and is over when for as long as the gap nothing came, by event time or processing time; a
//! row that touches two of them makes one of both. Its row comes out when the watermark reaches its last
//! millisecond, `window_end` being its last row's time and the gap. Rows may be taken back, which makes no session
//! shorter; a session without rows does not come out. A row is late if no open session has room for it and one
//! of its own would be over: it is counted and dropped. A row without a time is an error.
//!
//! **State layout**: state `sessions`, by the key columns: a part with the sessions
//! ([`Sessions`](flott_state::hot::Sessions)), then the parts of [`GroupAggregate`](crate::group_aggregate), each for
//! all sessions of the key. A timer for each session, as `window::sessions` describes.

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Timer};
use flott_api::state::{KeyedContainer, StatePart};
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::spec::{WindowAggregateSpec, WindowKind, WindowTime};
use flott_state::hot::{KeyedState, MapViewOptions, Sessions, TtlOptions};

use crate::aggregate::groups::{Groups, Plan};
use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;
use crate::watermark_assigner::null_rowtime;
use crate::window::folding::{check_changelog, fold, with_rows};
use crate::window::property::{Bounds, property};
use crate::window::sessions::{Over, Run, SessionWindows, each_once, forget_empty, release};

const STATE: &str = "sessions";

/// See the module.
pub struct SessionAggregate {
    spec: WindowAggregateSpec,
    plan: Plan,
    windows: SessionWindows,
    output: SchemaRef,
    /// Is there from `open` on.
    state: Option<KeyedState<Sessions<Groups>>>,
}

impl FromSpec for SessionAggregate {
    type Spec = WindowAggregateSpec;

    fn from_spec(spec: WindowAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + spec.aggregates.len() + spec.properties.len() {
            return Err(Error::internal("a window aggregation does not give its keys, aggregates and properties"));
        }
        if matches!(&spec.window, WindowKind::Session { keys, .. } if *keys != spec.keys) {
            return Err(Error::internal("the sessions of an aggregation are not those of its keys"));
        }
        let options = MapViewOptions { retract: !spec.input_changelog.is_insert_only(), ttl_ms: 0 };
        let plan = Plan::new(&spec.input, &spec.keys, &spec.aggregates, options)?;
        plan.check_merges(&spec.aggregates)?;
        let windows = SessionWindows::new(&spec.input, &spec.time, &spec.window, &spec.zone)?;
        Ok(SessionAggregate { plan, windows, output: spec.output.arrow(), state: None, spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

fn not_open() -> Error {
    Error::internal("a session aggregation was not opened")
}

impl flott_api::operator::Stateful for SessionAggregate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        self.state.as_ref().ok_or_else(not_open)?.prefetch(&self.windows.keys(batch), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

/// The first part of a key's value.
pub(crate) fn sessions_part() -> StatePart {
    StatePart { name: "sessions".to_owned(), ty: "start, end, timer".to_owned() }
}

#[async_trait]
impl Operator for SessionAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.windows.open(cx.max_parallelism);
        let mut options = self.plan.state(STATE, TtlOptions::default());
        options.parts.insert(0, sessions_part());
        self.state = Some(KeyedState::open(cx, &options, Sessions::new(self.plan.groups()?))?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        check_changelog(&batch, &self.spec.input_changelog)?;
        if self.windows.times(&batch, cx.processing_time_ms)?.null_count() > 0 {
            return Err(null_rowtime(&self.time_column()));
        }
        let now_ms = cx.processing_time_ms;
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(&self.windows.keys(&batch), batch.len(), now_ms).await?;
        state.touch(&groups)?;
        let runs = self.windows.place((&batch, &groups), state.entries_mut(), cx)?;
        for run in runs {
            run_through(&self.plan, state.entries_mut(), (&batch, run), now_ms)?;
        }
        forget_empty(state, &each_once(groups))
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let (over, groups) = self.windows.over(timers, state, cx).await?;
        let rows = self.rows(&over)?;
        let state = self.state.as_mut().ok_or_else(not_open)?;
        release(state.entries_mut(), &over);
        forget_empty(state, &groups)?;
        emit(ChangeBatch::inserts(rows), cx).await
    }
}

/// Folds rows into their sessions, then makes one of two.
fn run_through(
    plan: &Plan,
    sessions: &mut Sessions<Groups>,
    (batch, run): (&ChangeBatch, Run),
    now_ms: i64,
) -> Result<()> {
    let Run { rows, slots, merged } = run;
    if !rows.is_empty() {
        let rows = if rows.len() == batch.len() { batch.clone() } else { batch.take(&UInt32Array::from(rows))? };
        fold(plan, sessions.slots_mut(), (&rows, &slots), now_ms)?;
    }
    let Some((from, into)) = merged else { return Ok(()) };
    sessions.slots_mut().merge_within(plan, (from, into), now_ms)?;
    sessions.release(from);
    Ok(())
}

impl SessionAggregate {
    fn time_column(&self) -> String {
        match self.spec.time {
            WindowTime::Rowtime(column) | WindowTime::Attached(column) => self.spec.input.fields[column].name.clone(),
            WindowTime::Proctime => "PROCTIME()".to_owned(),
        }
    }

    /// The rows of sessions that are over: keys and values with the properties behind them.
    fn rows(&mut self, over: &[Over]) -> Result<RecordBatch> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let slots: Vec<u32> = over.iter().map(|over| over.session.slot).collect();
        let places = with_rows(&slots, state.entries_mut().slots_mut());
        let over: Vec<Over> = places.iter().map(|place| over[*place as usize]).collect();
        let slots: Vec<u32> = over.iter().map(|over| over.session.slot).collect();
        let groups: Vec<u32> = over.iter().map(|over| over.group).collect();
        let mut columns = state.columns(&groups)?;
        columns.extend(state.entries_mut().slots_mut().values(&self.plan, &slots)?);
        let starts: Vec<i64> = over.iter().map(|over| over.session.start_ms).collect();
        let ends: Vec<i64> = over.iter().map(|over| over.session.end_ms).collect();
        let bounds = Bounds { starts: &starts, ends: &ends };
        let types = &self.spec.output.fields[columns.len()..];
        for (kind, field) in self.spec.properties.iter().zip(types) {
            columns.push(property(*kind, &bounds, self.windows.clock(), &field.ty)?);
        }
        record_batch(&self.output, columns, over.len())
    }
}

#[cfg(test)]
mod tests;
