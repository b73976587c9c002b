//! Appends `window_start`, `window_end` and `window_time` to each row of a session, when it is over:
//! `TABLE(SESSION(..))` without an aggregation.
//!
//! Flink counterpart: `UnalignedWindowTableFunctionOperator`. Rows of a session come in the order in which they
//! came in, with their row kinds: what is taken back within a session is not taken out of it. Late rows
//! are counted and dropped, as [`session_aggregate`](crate::session_aggregate) says; rows without a time are
//! dropped.
//!
//! **State layout**: state `sessions`, by the key columns: a part with the sessions
//! ([`Sessions`](flott_state::hot::Sessions)) and one with the rows of all of them
//! ([`RowLists`](flott_state::hot::RowLists)), each row with two columns more: its row kind, and its number among
//! the rows of its key. A timer for each session, as `window::sessions` describes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int8Array, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Timer};
use flott_api::state::{KeyedContainer, StatePart};
use flott_api::{ChangeBatch, Error, Field, LogicalType, Result, RowKind, RowKinds, Schema, TypeKind};
use flott_graph::spec::WindowTableFunctionSpec;
use flott_state::codec::damaged;
use flott_state::hot::{GroupTable, KeyedState, KeyedStateOptions, RowLists, Sessions, TtlOptions};
use flott_state::row;

use crate::changelog_normalize::row_type;
use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;
use crate::session_aggregate::sessions_part;
use crate::window::property::{Bounds, property};
use crate::window::sessions::{Over, Run, SessionWindows, each_once, forget_empty, release};
use crate::window_table_function::PROPERTIES;

const STATE: &str = "sessions";

/// See the module.
pub struct SessionTableFunction {
    spec: WindowTableFunctionSpec,
    windows: SessionWindows,
    options: KeyedStateOptions,
    /// A row as it is kept.
    kept: SchemaRef,
    output: SchemaRef,
    /// Is there from `open` on.
    state: Option<KeyedState<Sessions<RowLists>>>,
}

impl FromSpec for SessionTableFunction {
    type Spec = WindowTableFunctionSpec;

    fn from_spec(spec: WindowTableFunctionSpec) -> Result<Self> {
        if spec.output.len() != spec.input.len() + PROPERTIES.len() {
            return Err(Error::internal("a window table function does not append three columns"));
        }
        let windows = SessionWindows::new(&spec.input, &spec.time, &spec.window, &spec.zone)?;
        let mut kept: Schema = spec.input.clone();
        kept.fields.push(Field::new("$kind", LogicalType::not_null(TypeKind::TinyInt)));
        kept.fields.push(Field::new("$number", LogicalType::not_null(TypeKind::BigInt)));
        let keys: Vec<LogicalType> = windows.key_columns().iter().map(|k| spec.input.fields[*k].ty.clone()).collect();
        // Refuses what cannot be kept now and not with the first row.
        GroupTable::new(keys.iter().map(LogicalType::arrow).collect())?;
        kept.arrow().fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        let rows = StatePart { name: format!("rows-{}", row::VERSION), ty: row_type(&kept) };
        let parts = vec![sessions_part(), rows];
        Ok(SessionTableFunction {
            options: KeyedStateOptions { name: STATE.to_owned(), keys, parts, ttl: TtlOptions::default() },
            windows,
            kept: kept.arrow(),
            output: spec.output.arrow(),
            state: None,
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

fn not_open() -> Error {
    Error::internal("a window table function was not opened")
}

impl flott_api::operator::Stateful for SessionTableFunction {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        self.state.as_ref().ok_or_else(not_open)?.prefetch(&self.windows.keys(batch), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for SessionTableFunction {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.windows.open(cx.max_parallelism);
        let sessions = Sessions::new(RowLists::new(self.kept.clone()));
        self.state = Some(KeyedState::open(cx, &self.options, sessions)?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let times = self.windows.times(&batch, cx.processing_time_ms)?;
        let batch = match times.nulls().filter(|n| n.null_count() > 0) {
            Some(present) => batch.filter(&BooleanArray::new(present.inner().clone(), None))?,
            None => batch,
        };
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(&self.windows.keys(&batch), batch.len(), cx.processing_time_ms).await?;
        state.touch(&groups)?;
        let sessions = state.entries_mut();
        let runs = self.windows.place((&batch, &groups), sessions, cx)?;
        for Run { rows, slots, merged } in runs {
            let rows = kept(&self.kept, &batch, (rows, &groups), sessions)?;
            sessions.slots_mut().append(&slots, rows)?;
            if let Some((from, into)) = merged {
                sessions.slots_mut().merge(from, into);
                sessions.release(from);
            }
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
        emit(rows, cx).await
    }
}

/// Rows of a batch with their kinds and numbers.
fn kept(
    schema: &SchemaRef,
    batch: &ChangeBatch,
    (rows, groups): (Vec<u32>, &[u32]),
    sessions: &mut Sessions<RowLists>,
) -> Result<RecordBatch> {
    let numbers: Int64Array = rows.iter().map(|r| Some(sessions.next_arrival(groups[*r as usize]))).collect();
    let kinds: Int8Array = rows.iter().map(|r| Some(batch.kind(*r as usize) as i8)).collect();
    let rows = batch.take(&UInt32Array::from(rows))?;
    let mut columns = rows.rows().columns().to_vec();
    columns.extend([Arc::new(kinds) as ArrayRef, Arc::new(numbers)]);
    record_batch(schema, columns, rows.len())
}

impl SessionTableFunction {
    /// The rows of sessions that are over.
    fn rows(&mut self, over: &[Over]) -> Result<ChangeBatch> {
        let lists = self.state.as_mut().ok_or_else(not_open)?.entries_mut().slots_mut();
        let (mut numbers, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for Over { session, .. } in over {
            let list = lists.list(session.slot);
            numbers.extend(in_order(lists, list)?);
            starts.resize(numbers.len(), session.start_ms);
            ends.resize(numbers.len(), session.end_ms);
        }
        let rows = lists.rows(&numbers)?;
        let width = self.spec.input.len();
        let mut columns = rows.columns()[..width].to_vec();
        let bounds = Bounds { starts: &starts, ends: &ends };
        for (kind, field) in PROPERTIES.iter().zip(&self.spec.output.fields[width..]) {
            columns.push(property(*kind, &bounds, self.windows.clock(), &field.ty)?);
        }
        let kinds = rows.column(width).as_primitive::<Int8Type>().values().iter().map(|kind| row_kind(*kind));
        let kinds = kinds.collect::<Result<Vec<_>>>()?;
        ChangeBatch::new(record_batch(&self.output, columns, numbers.len())?, Some(RowKinds::new(kinds)))
    }
}

/// Rows in the order in which they came: a session that was made of two has them one behind the other.
fn in_order(lists: &RowLists, list: &[u32]) -> Result<Vec<u32>> {
    let rows = lists.rows(list)?;
    let arrivals = rows.column(rows.num_columns() - 1).as_primitive::<Int64Type>().values();
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by_key(|place| arrivals[*place]);
    Ok(order.into_iter().map(|place| list[place]).collect())
}

fn row_kind(kind: i8) -> Result<RowKind> {
    u8::try_from(kind)
        .ok()
        .and_then(RowKind::from_byte)
        .ok_or_else(|| damaged("the row kind of a row in a session is none"))
}

#[cfg(test)]
mod tests;
