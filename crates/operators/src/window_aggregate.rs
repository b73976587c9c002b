//! Aggregation by key and tumbling window: `GROUP BY window_start, window_end, ..`.
//!
//! Flink counterpart: `WindowAggregate` over slices. A window's rows come out when the watermark
//! reaches its last millisecond (or the clock, for windows over processing time), windows in order of
//! their end, keys of a window in order of their first row (in Flink by hash); they are never
//! updated. A row is late if the watermark in force at its place has reached the last millisecond of
//! its window: it is counted and dropped. A row without a time is an error. Windows over processing
//! time that are open at the end of the input are dropped, as in Flink.
//!
//! What a window has only in the store comes behind what it has in memory.
//!
//! **State layout**: state `windows`, by the window's end and the key columns, with the parts of
//! [`GroupAggregate`](crate::group_aggregate); a window that is over is cleared as a whole. List
//! `windows` has the ends of the open ones, `i64` little-endian. The operator gets whole batches with
//! their marks. That gives the same rows as slices do: lateness is decided per row first, so behind the
//! mark that ends a window no row of the batch belongs to it, and all rows may be folded before the
//! first window is emitted.

mod arrivals;
mod outgoing;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::aggregate::Change;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, TimeDomain, Timer};
use flott_api::state::{KeyedContainer, Redistribution, StateStore};
use flott_api::{ChangeBatch, Error, LogicalType, Result, RowKind, TypeKind, Watermark};
use flott_graph::spec::{WindowAggregateSpec, WindowProperty, WindowTime};
use flott_state::codec::take_i64;
use flott_state::hot::{Cursor, MapViewOptions, TtlOptions, WindowedState};

use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::emit::record_batch;
use crate::factory::FromSpec;
use crate::watermark_assigner::null_rowtime;
use crate::window::Windows;
use crate::window::time::from_millis;
use arrivals::{Arrivals, arrivals};
use outgoing::Outgoing;

/// Name of the state, and of the list of open windows.
const WINDOWS: &str = "windows";

/// See the module.
pub struct WindowAggregate {
    spec: WindowAggregateSpec,
    plan: Plan,
    windows: Windows,
    output: SchemaRef,
    /// Open windows by their end, each with the moment at which it is over.
    open: BTreeMap<i64, i64>,
    /// Is there from `open` on, as is the store.
    state: Option<WindowedState<Groups>>,
    store: Option<Arc<dyn StateStore>>,
}

impl FromSpec for WindowAggregate {
    type Spec = WindowAggregateSpec;

    fn from_spec(spec: WindowAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + spec.aggregates.len() + spec.properties.len() {
            return Err(Error::internal("a window aggregation does not give its keys, aggregates and properties"));
        }
        let options = MapViewOptions { retract: !spec.input_changelog.is_insert_only(), ttl_ms: 0 };
        Ok(WindowAggregate {
            plan: Plan::new(&spec.input, &spec.keys, &spec.aggregates, options)?,
            windows: Windows::new(&spec.input, spec.time.clone(), &spec.window, &spec.zone)?,
            output: spec.output.arrow(),
            open: BTreeMap::new(),
            state: None,
            store: None,
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

impl flott_api::operator::Stateful for WindowAggregate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        if !self.windows.is_event_time() || !state.has_spilled() {
            return Ok(());
        }
        let Some(arrivals) = arrivals(batch, &self.windows, (Watermark::MIN, 0))? else { return Ok(()) };
        for (end_ms, rows) in arrivals.windows {
            let rows = rows.of(batch)?;
            state.prefetch(end_ms, &self.plan.keys(rows.rows()), rows.len())?;
        }
        Ok(())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for WindowAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let options = self.plan.state(WINDOWS, TtlOptions::default());
        self.state = Some(WindowedState::open(cx, &options, self.plan.groups()?)?);
        self.store = Some(Arc::clone(&cx.state));
        Ok(())
    }

    /// Opens the windows of the checkpoint, those of all subtasks: which of them has keys here is found
    /// out when they end.
    async fn start(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let items = self.store.as_ref().and_then(|s| s.list(WINDOWS)).unwrap_or_default();
        for item in items {
            let end_ms = take_i64(&mut &item[..])?;
            opened(&mut self.state)?.restore(end_ms)?;
            self.note_open(end_ms, cx)?;
        }
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now = (cx.watermark, cx.processing_time_ms);
        let arrivals = arrivals(&batch, &self.windows, now)?.ok_or_else(|| null_rowtime(&self.time_column()))?;
        cx.metrics.num_late_records_dropped.add(arrivals.late);
        self.fold(&batch, arrivals, cx).await?;
        let mut outgoing = Outgoing::new(&self.output);
        for mark in batch.marks() {
            self.pass(mark.watermark, &mut outgoing, cx).await?;
            outgoing.mark(mark.watermark);
        }
        outgoing.flush(cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut outgoing = Outgoing::new(&self.output);
        self.pass(watermark, &mut outgoing, cx).await?;
        outgoing.flush(cx).await?;
        cx.output.emit_watermark(watermark).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut outgoing = Outgoing::new(&self.output);
        for timer in timers {
            self.fire(timer.at_ms, &mut outgoing, cx).await?;
        }
        outgoing.flush(cx).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let store = self.store.as_ref().ok_or_else(not_open)?;
        let items = self.open.keys().map(|end_ms| Bytes::copy_from_slice(&end_ms.to_le_bytes()));
        store.set_list(WINDOWS, Redistribution::Union, items.collect());
        Ok(())
    }
}

fn opened(state: &mut Option<WindowedState<Groups>>) -> Result<&mut WindowedState<Groups>> {
    state.as_mut().ok_or_else(not_open)
}

fn not_open() -> Error {
    Error::internal("a window aggregation was not opened")
}

impl WindowAggregate {
    /// Folds the rows that are in time into their windows.
    async fn fold(&mut self, batch: &ChangeBatch, arrivals: Arrivals, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.spec.input_changelog.is_insert_only()
            && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract))
        {
            return Err(Error::internal("a window aggregation over an insert-only stream got a retraction"));
        }
        let now_ms = cx.processing_time_ms;
        for (end_ms, rows) in arrivals.windows {
            if opened(&mut self.state)?.begin(end_ms)? {
                self.note_open(end_ms, cx)?;
            }
            let rows = rows.of(batch)?;
            let keys = self.plan.keys(rows.rows());
            let state = opened(&mut self.state)?;
            let groups = state.assign(end_ms, &keys, rows.len(), now_ms).await?;
            let entries = state.entries_mut(end_ms)?;
            let changes = rows.kinds().map(|k| k.iter().map(change).collect::<Vec<_>>());
            count(&mut entries.rows, &groups, changes.as_deref());
            let rows = Rows { columns: rows.rows(), groups: &groups, changes: changes.as_deref(), now_ms };
            entries.fold(&self.plan, &rows)?;
        }
        Ok(())
    }

    fn note_open(&mut self, end_ms: i64, cx: &mut OperatorContext<'_>) -> Result<()> {
        let due_ms = self.windows.due_ms(end_ms)?;
        if !self.windows.is_event_time() {
            cx.timers.register(Timer::of_instance(due_ms, TimeDomain::Processing));
        }
        self.open.insert(end_ms, due_ms);
        Ok(())
    }

    fn time_column(&self) -> String {
        match self.spec.time {
            WindowTime::Rowtime(column) => self.spec.input.fields[column].name.clone(),
            WindowTime::Proctime => "PROCTIME()".to_owned(),
        }
    }

    /// Emits the windows that a watermark ends.
    async fn pass(&mut self, watermark: Watermark, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.windows.is_event_time() { self.fire(watermark.0, to, cx).await } else { Ok(()) }
    }

    /// Emits the windows that are over at this moment, and forgets them.
    async fn fire(&mut self, at_ms: i64, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        while let Some(end_ms) = self.open.first_key_value().filter(|(_, due)| **due <= at_ms).map(|(end, _)| *end) {
            self.open.remove(&end_ms);
            self.emit_window(end_ms, to, cx).await?;
            opened(&mut self.state)?.clear(end_ms);
        }
        Ok(())
    }

    async fn emit_window(&mut self, end_ms: i64, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        let state = opened(&mut self.state)?;
        // No group of a window is ever removed, so the numbers tell the order of the first rows.
        let groups = with_rows(state.resident(end_ms)?, state.entries_mut(end_ms)?);
        let mut columns = state.columns(end_ms, &groups)?;
        columns.extend(state.entries_mut(end_ms)?.values(&self.plan, &groups)?);
        to.push(self.rows(end_ms, columns, groups.len())?, cx).await?;
        let mut cursor = Cursor::default();
        while let Some(mut page) = opened(&mut self.state)?.next_page(end_ms, &mut cursor).await? {
            let groups = with_rows((0..page.len as u32).collect(), &page.entries);
            let numbers = UInt32Array::from(groups.clone());
            let mut columns = page.keys.iter().map(|k| take(k, &numbers, None)).collect::<Result<Vec<_>, _>>()?;
            columns.extend(page.entries.values(&self.plan, &groups)?);
            to.push(self.rows(end_ms, columns, groups.len())?, cx).await?;
        }
        Ok(())
    }

    /// Rows of a window: keys and values with the properties behind them.
    fn rows(&self, end_ms: i64, mut columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let types = &self.spec.output.fields[columns.len()..];
        for (kind, field) in self.spec.properties.iter().zip(types) {
            columns.push(property(*kind, &vec![end_ms; rows], &self.windows, &field.ty)?);
        }
        record_batch(&self.output, columns, rows)
    }
}

/// The groups that are not taken back to the last row.
fn with_rows(mut groups: Vec<u32>, entries: &Groups) -> Vec<u32> {
    groups.retain(|g| entries.rows[*g as usize] != 0);
    groups
}

fn change(kind: RowKind) -> Change {
    if kind.is_retract() { Change::Retract } else { Change::Add }
}

/// Counts the rows of each group up and down.
fn count(rows: &mut [i64], groups: &[u32], changes: Option<&[Change]>) {
    for (row, group) in groups.iter().enumerate() {
        rows[*group as usize] += if changes.is_some_and(|c| c[row] == Change::Retract) { -1 } else { 1 };
    }
}

/// A window property for windows with these ends.
pub(crate) fn property(kind: WindowProperty, ends: &[i64], windows: &Windows, ty: &LogicalType) -> Result<ArrayRef> {
    let values = match kind {
        WindowProperty::Start => ends.iter().map(|end| windows.start_ms(*end)).collect(),
        WindowProperty::End => ends.to_vec(),
        WindowProperty::Time => {
            let last: Int64Array = ends.iter().map(|end| Some(end.saturating_sub(1))).collect();
            let is_moment = matches!(ty.kind, TypeKind::TimestampLtz(_));
            let last = if is_moment { windows.clock().utc(last)? } else { last };
            last.values().to_vec()
        }
    };
    from_millis(values, ty)
}

#[cfg(test)]
mod tests;
