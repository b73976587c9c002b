//! Aggregation by key and window: `GROUP BY window_start, window_end, ..`, and `GROUP BY TUMBLE(..)` and
//! `HOP(..)`.
//!
//! Flink counterpart: `WindowAggregate` over slices, and `GroupWindowAggregate`. A window's rows come out when the
//! watermark reaches its last millisecond (or the clock, for windows over processing time), windows in order of
//! their end, keys of a window in no order that means anything (in Flink by hash); they are never updated. Only
//! keys that have rows in the window come out. A row is late if the watermark in force at its place has reached the
//! last millisecond of its last window: it is counted and dropped; if some of its windows are out already, it
//! counts in the others. A row without a time is an error. Windows over processing time that are open at the end of
//! the input are dropped, as in Flink. Rows that come with their window ([`WindowTime::Attached`]) are aggregated
//! by that; sessions are [`session_aggregate`](crate::session_aggregate).
//!
//! What comes may be rows, or what [`local_window_aggregate`](crate::local_window_aggregate) has made of them: the states of
//! groups, which are put together. Then a late "row" is such a state, as in Flink.
//!
//! Rows are folded into slices, each the longest stretch of time of which every window has all or nothing. A
//! tumbling window is its slice. For those that overlap or grow there is a running state by key, the window that
//! came out last, which slices enter and leave ([`running`]): a slice is merged twice, however many windows have it.
//! A row costs the same in any window; a window costs the keys of the slice that enters, those of the slice that
//! leaves, and the rows that come out.
//!
//! **State layout**: state `windows`, by the slice's end and the key columns, with the parts of
//! [`GroupAggregate`](crate::group_aggregate); a slice that is over is cleared as a whole. List `windows` has the
//! ends of the open ones, `i64` little-endian. With shared slices also state `running`, the same by window and key
//! (windows that slide are one, those that grow have the end of the longest), list `running` of the windows that
//! grow, list `progress`: which key groups, both ends `u32`, have come to which window, `i64`; and, of windows that
//! slide, list `whole`: a byte a subtask, 1 if its state `running` is to be believed. If not, it is made anew from the
//! slices when the first window ends.
//!
//! The operator gets whole batches with their marks. That gives the same rows as slices of the batch do: what a row
//! belongs to is decided by row first, so behind the mark that ends a window no row of the batch belongs to it, and
//! all rows may be folded before the first window is emitted. Those of which some windows are out already are kept
//! back until their place.
//!
//! **What differs from Flink**: a row over processing time that comes in the very millisecond in which the clock
//! has ended a window that shares its slices counts as one of the next. A floating-point sum over windows that
//! overlap is rounded once, not at every slice. Of a key whose rows were all taken back and that then gets rows
//! with another time than what they take back, Flink may hold a window back.

mod progress;
mod running;
mod worth;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, TimeDomain, Timer};
use flott_api::state::{KeyedContainer, Redistribution, StateStore};
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_graph::spec::{WindowAggregateSpec, WindowTime};
use flott_state::codec::take_i64;
use flott_state::hot::{MapViewOptions, TtlOptions, WindowedState};

use crate::aggregate::groups::{Groups, Plan};
use crate::emit::record_batch;
use crate::factory::FromSpec;
use crate::watermark_assigner::null_rowtime;
use crate::window::Windows;
use crate::window::arrivals::{Arrivals, Behind, Emitted, Now, arrivals};
use crate::window::folding::{Incoming, with_rows};
use crate::window::outgoing::Outgoing;
use crate::window::property::{Bounds, property};
use crate::window::walk::{Walk, picked};
use running::{Running, next_due};

/// Name of the state, and of the list of open slices.
const WINDOWS: &str = "windows";

/// See the module.
pub struct WindowAggregate {
    plan: Plan,
    incoming: Incoming,
    /// Windows that will be over, by their end, each with the moment.
    open: BTreeMap<i64, i64>,
    /// Is there from `open` on, as is the store.
    slices: Option<WindowedState<Groups>>,
    store: Option<Arc<dyn StateStore>>,
    shared: Option<Running>,
    results: Results,
}

/// What goes out.
struct Results {
    spec: WindowAggregateSpec,
    windows: Windows,
    output: SchemaRef,
}

impl FromSpec for WindowAggregate {
    type Spec = WindowAggregateSpec;

    fn from_spec(spec: WindowAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + spec.aggregates.len() + spec.properties.len() {
            return Err(Error::internal("a window aggregation does not give its keys, aggregates and properties"));
        }
        let options = MapViewOptions { retract: !spec.input_changelog.is_insert_only(), ttl_ms: 0 };
        let plan = Plan::sliced(&spec.input, &spec.keys, &spec.aggregates, options)?;
        let (incoming, time) = match (spec.in_phases, &spec.time) {
            (false, time) => (Incoming::rows(&spec.keys), time.clone()),
            (true, WindowTime::Rowtime(_)) => (Incoming::states(spec.keys.len()), WindowTime::Rowtime(spec.keys.len())),
            (true, WindowTime::Attached(_)) => {
                (Incoming::states(spec.keys.len()), WindowTime::Attached(spec.keys.len()))
            }
            (true, WindowTime::Proctime) => return Err(Error::internal("windows over the clock have one phase")),
        };
        let windows = Windows::new(&spec.input, time, &spec.window, &spec.zone)?;
        let shared = windows.is_shared().then(|| Running::new(&spec, &windows, &plan, options)).transpose()?;
        Ok(WindowAggregate {
            plan,
            incoming,
            open: BTreeMap::new(),
            slices: None,
            store: None,
            shared,
            results: Results { output: spec.output.arrow(), windows, spec },
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

impl flott_api::operator::Stateful for WindowAggregate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let slices = self.slices.as_ref().ok_or_else(not_open)?;
        let windows = &self.results.windows;
        if !windows.is_event_time() || !slices.has_spilled() {
            return Ok(());
        }
        let now = Now { watermark: Watermark::MIN, processing_time_ms: 0, emitted: Emitted::Until(i64::MIN) };
        let Some(arrivals) = arrivals(batch, windows, &now)? else { return Ok(()) };
        for (slice_end_ms, rows) in arrivals.slices {
            let rows = rows.of(batch)?;
            slices.prefetch(slice_end_ms, &self.incoming.keys(rows.rows()), rows.len())?;
        }
        Ok(())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        let slices = self.slices.iter_mut().map(|s| s as &mut dyn KeyedContainer);
        slices.chain(self.shared.iter_mut().filter_map(Running::container)).collect()
    }
}

#[async_trait]
impl Operator for WindowAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let options = self.plan.state(WINDOWS, TtlOptions::default());
        self.slices = Some(WindowedState::open(cx, &options, self.plan.groups()?)?);
        self.store = Some(Arc::clone(&cx.state));
        self.shared.as_mut().map_or(Ok(()), |s| s.open(cx))
    }

    /// Opens the slices of the checkpoint, those of all subtasks: which of them has keys here is found out when
    /// their windows end.
    async fn start(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let store = Arc::clone(self.store.as_ref().ok_or_else(not_open)?);
        let growing = self.shared.as_mut().map_or(Ok(Vec::new()), |s| s.restore(store.as_ref()))?;
        for end_ms in growing {
            let first = self.results.windows.aligned().start(end_ms).saturating_add(1);
            self.go_on(first, end_ms, cx)?;
        }
        for item in store.list(WINDOWS).unwrap_or_default() {
            let slice_end_ms = take_i64(&mut &item[..])?;
            opened(&mut self.slices)?.restore(slice_end_ms)?;
            self.go_on(slice_end_ms, self.results.windows.last_window_end(slice_end_ms), cx)?;
        }
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.incoming.check(&batch, &self.results.spec.input_changelog)?;
        let arrivals = self.arrivals(&batch, cx)?.ok_or_else(|| null_rowtime(&self.time_column()))?;
        cx.metrics.num_late_records_dropped.add(arrivals.late);
        for (slice_end_ms, rows) in arrivals.slices {
            self.fold(slice_end_ms, &rows.of(&batch)?, cx).await?;
        }
        let mut outgoing = Outgoing::new(&self.results.output);
        let mut behind = arrivals.behind.into_iter().peekable();
        for (passed, mark) in batch.marks().iter().enumerate() {
            while let Some(rows) = behind.next_if(|rows| rows.marks <= passed) {
                self.fold_behind(rows, &batch, cx).await?;
            }
            self.pass(mark.watermark, &mut outgoing, cx).await?;
            outgoing.mark(mark.watermark);
        }
        for rows in behind {
            self.fold_behind(rows, &batch, cx).await?;
        }
        outgoing.flush(cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut outgoing = Outgoing::new(&self.results.output);
        self.pass(watermark, &mut outgoing, cx).await?;
        outgoing.flush(cx).await?;
        cx.output.emit_watermark(watermark).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut outgoing = Outgoing::new(&self.results.output);
        for timer in timers {
            self.fire(timer.at_ms, &mut outgoing, cx).await?;
        }
        outgoing.flush(cx).await
    }

    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        // Without rows no window comes out that would tell how far this instance has come.
        if let (Some(shared), true) = (&mut self.shared, self.results.windows.is_event_time())
            && let Some(end_ms) = self.results.windows.last_over(cx.watermark.0)?
        {
            let every_ms = self.results.windows.aligned().every_ms();
            let next = self.open.first_key_value().map_or(i64::MAX, |(next, _)| next.saturating_sub(every_ms));
            shared.progress_mut()?.advance(end_ms.min(next));
        }
        let store = self.store.as_ref().ok_or_else(not_open)?;
        let slices = self.slices.as_ref().ok_or_else(not_open)?;
        let items = slices.windows().map(|end_ms| Bytes::copy_from_slice(&end_ms.to_le_bytes()));
        store.set_list(WINDOWS, Redistribution::Union, items.collect());
        let first_ms = slices.windows().next();
        self.shared.as_mut().map_or(Ok(()), |s| s.save(store, first_ms))
    }
}

fn opened(slices: &mut Option<WindowedState<Groups>>) -> Result<&mut WindowedState<Groups>> {
    slices.as_mut().ok_or_else(not_open)
}

fn not_open() -> Error {
    Error::internal("a window aggregation was not opened")
}

impl WindowAggregate {
    fn arrivals(&self, batch: &ChangeBatch, cx: &OperatorContext<'_>) -> Result<Option<Arrivals>> {
        let (mut end_ms, mut by_row) = (i64::MIN, None);
        if let Some(shared) = &self.shared {
            end_ms = shared.progress()?.end_ms();
            by_row = shared.progress()?.by_row(&self.incoming.keys(batch.rows()), batch.len())?;
        }
        let emitted = by_row.as_deref().map_or(Emitted::Until(end_ms), Emitted::ByRow);
        let now = Now { watermark: cx.watermark, processing_time_ms: cx.processing_time_ms, emitted };
        arrivals(batch, &self.results.windows, &now)
    }

    /// Folds rows into their slice.
    async fn fold(&mut self, slice_end_ms: i64, rows: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if opened(&mut self.slices)?.begin(slice_end_ms)? {
            self.expect(self.results.windows.first_window_end(slice_end_ms), cx)?;
        }
        let slices = opened(&mut self.slices)?;
        let now_ms = cx.processing_time_ms;
        let groups = slices.assign(slice_end_ms, &self.incoming.keys(rows.rows()), rows.len(), now_ms).await?;
        self.incoming.fold(&self.plan, slices.entries_mut(slice_end_ms)?, (rows, &groups), now_ms)
    }

    /// Folds rows into a slice of which some windows are out: what it has given to the running state is taken
    /// back before, and given again.
    async fn fold_behind(&mut self, behind: Behind, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Behind { slice_end_ms, watermark, rows, .. } = behind;
        let rows = batch.take(&UInt32Array::from(rows))?;
        let now_ms = cx.processing_time_ms;
        let keys = self.incoming.keys(rows.rows());
        let WindowAggregate { plan, incoming, slices, shared, results, .. } = self;
        let shared = shared.as_mut().ok_or_else(|| Error::internal("a slice of one window outlived it"))?;
        if results.windows.aligned().slides() {
            let slices = opened(slices)?;
            shared.make_anew(slices, now_ms).await?;
            slices.begin(slice_end_ms)?;
            let groups = slices.assign(slice_end_ms, &keys, rows.len(), now_ms).await?;
            let mut touched = groups.clone();
            touched.sort_unstable();
            touched.dedup();
            let keyed = (slices.columns(slice_end_ms, &touched)?, touched);
            let entries = slices.entries_mut(slice_end_ms)?;
            shared.take_back(keyed.clone(), entries, now_ms).await?;
            incoming.fold(plan, entries, (&rows, &groups), now_ms)?;
            shared.give(keyed, entries, now_ms).await?;
        } else {
            let window = shared.window(slice_end_ms, &results.windows);
            let running = shared.running()?;
            running.begin(window)?;
            let groups = running.assign(window, &keys, rows.len(), now_ms).await?;
            incoming.fold(plan, running.entries_mut(window)?, (&rows, &groups), now_ms)?;
        }
        self.catch_up(slice_end_ms, watermark, cx)
    }

    /// Expects the first window of a slice that is not over; all before it are out.
    fn catch_up(&mut self, slice_end_ms: i64, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let shared = self.shared.as_mut().ok_or_else(not_open)?;
        let (windows, emitted) = (&self.results.windows, shared.progress()?.end_ms());
        let (first, last) = (windows.first_window_end(slice_end_ms), windows.last_window_end(slice_end_ms));
        let mut next = next_due(windows, (first, last), emitted)?;
        while let Some(end_ms) = next.filter(|end_ms| *end_ms < last) {
            // Behind a restore a window may be due that is not out.
            if self.open.contains_key(&end_ms) || windows.due_ms(end_ms)? > watermark.0 {
                break;
            }
            next = windows.aligned().next_window_end(end_ms);
        }
        let Some(end_ms) = next else { return Ok(()) };
        shared.progress_mut()?.advance(end_ms.saturating_sub(windows.aligned().every_ms()));
        self.expect(end_ms, cx)
    }

    /// Expects the first window behind those that are out, of a slice or of windows that grow to `last`.
    fn go_on(&mut self, first_slice_end_ms: i64, last: i64, cx: &mut OperatorContext<'_>) -> Result<()> {
        let windows = &self.results.windows;
        let Some(shared) = &self.shared else { return self.expect(last, cx) };
        let slice_end_ms = windows.slice_end(first_slice_end_ms.saturating_sub(1)).unwrap_or(first_slice_end_ms);
        let first = windows.first_window_end(slice_end_ms);
        match next_due(windows, (first, last), shared.progress()?.end_ms())? {
            Some(end_ms) => self.expect(end_ms, cx),
            None => Ok(()),
        }
    }

    /// Notes that a window will be over.
    fn expect(&mut self, end_ms: i64, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.open.contains_key(&end_ms) {
            return Ok(());
        }
        let due_ms = self.results.windows.due_ms(end_ms)?;
        if !self.results.windows.is_event_time() {
            cx.timers.register(Timer::of_instance(due_ms, TimeDomain::Processing));
        }
        self.open.insert(end_ms, due_ms);
        Ok(())
    }

    fn time_column(&self) -> String {
        let spec = &self.results.spec;
        match spec.time {
            WindowTime::Rowtime(column) | WindowTime::Attached(column) => spec.input.fields[column].name.clone(),
            WindowTime::Proctime => "PROCTIME()".to_owned(),
        }
    }

    /// Emits the windows that a watermark ends.
    async fn pass(&mut self, watermark: Watermark, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.results.windows.is_event_time() { self.fire(watermark.0, to, cx).await } else { Ok(()) }
    }

    /// Emits the windows that are over at this moment, and forgets what no other window needs.
    async fn fire(&mut self, at_ms: i64, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        while let Some(end_ms) = self.open.first_key_value().filter(|(_, due)| **due <= at_ms).map(|(end, _)| *end) {
            self.open.remove(&end_ms);
            self.fire_window(end_ms, to, cx).await?;
        }
        Ok(())
    }

    async fn fire_window(&mut self, end_ms: i64, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        let WindowAggregate { plan, slices, shared, results, .. } = self;
        let slices = opened(slices)?;
        let Some(shared) = shared else {
            results.emit((&mut *slices, &*plan), (end_ms, end_ms), to, cx).await?;
            slices.clear(end_ms);
            return Ok(());
        };
        // Behind a restore a window may be expected that all keys have passed.
        if end_ms <= shared.progress()?.end_ms() {
            return Ok(());
        }
        let now = (&results.windows, cx.processing_time_ms);
        shared.enter(slices, end_ms, now).await?;
        results.emit_shared(shared, end_ms, to, cx).await?;
        let any_left = shared.leave(slices, end_ms, now).await?;
        shared.progress_mut()?.advance(end_ms);
        match results.windows.aligned().next_window_end(end_ms).filter(|_| any_left) {
            Some(next) => self.expect(next, cx),
            None => Ok(()),
        }
    }
}

impl Results {
    /// Emits all keys of a window that have rows.
    async fn emit(
        &self,
        (state, plan): (&mut WindowedState<Groups>, &Plan),
        (window, end_ms): (i64, i64),
        to: &mut Outgoing,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let mut walk = Walk::default();
        while let Some(mut part) = walk.next(state, window).await? {
            let (keys, groups) = (std::mem::take(&mut part.keys), std::mem::take(&mut part.groups));
            let entries = part.entries(state, window)?;
            let rows = self.rows(end_ms, plan, (keys, groups), entries)?;
            to.push(rows, cx).await?;
        }
        Ok(())
    }

    /// Emits what the running state has for a window, without keys of which it is out already.
    async fn emit_shared(
        &self,
        shared: &mut Running,
        end_ms: i64,
        to: &mut Outgoing,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let (window, mut walk, mut keys) = (shared.window(end_ms, &self.windows), Walk::default(), 0);
        shared.running()?.begin(window)?;
        while let Some(mut part) = walk.next(shared.running()?, window).await? {
            let keyed = (std::mem::take(&mut part.keys), std::mem::take(&mut part.groups));
            let keyed = shared.progress()?.before(end_ms, keyed)?;
            keys += keyed.1.len();
            let rows = {
                let (plan, running) = shared.plan_and_running()?;
                self.rows(end_ms, plan, keyed, part.entries(running, window)?)?
            };
            to.push(rows, cx).await?;
        }
        shared.emitted(keys);
        Ok(())
    }

    /// Rows of a window: keys and values with the properties behind them.
    fn rows(
        &self,
        end_ms: i64,
        plan: &Plan,
        (mut keys, groups): (Vec<ArrayRef>, Vec<u32>),
        entries: &mut Groups,
    ) -> Result<RecordBatch> {
        let places = with_rows(&groups, entries);
        let mut live = groups;
        if places.len() < live.len() {
            live = places.iter().map(|place| live[*place as usize]).collect();
            keys = picked(&keys, places)?;
        }
        let mut columns = keys;
        columns.extend(entries.values(plan, &live)?);
        let types = &self.spec.output.fields[columns.len()..];
        let (starts, ends) = (vec![self.windows.aligned().start(end_ms); live.len()], vec![end_ms; live.len()]);
        let bounds = Bounds { starts: &starts, ends: &ends };
        for (kind, field) in self.spec.properties.iter().zip(types) {
            columns.push(property(*kind, &bounds, self.windows.clock(), &field.ty)?);
        }
        record_batch(&self.output, columns, live.len())
    }
}

#[cfg(test)]
mod tests;
