//! The first or the last row of each window and key by its time, over rows that come with their window.
//!
//! Flink counterpart: `WindowDeduplicate`. The row comes out when the watermark reaches the last millisecond of its
//! window. Of rows with one time the first that came is the first, the last that came the last. Input are
//! insertions; a row whose window is over is counted and dropped, one without a time is an error.
//!
//! **State layout**: state `rows`, by the window's end and the key columns: the one row that is kept
//! ([`RowStore`]); a window that is over is cleared as a whole. List `windows` has the ends of the open ones, `i64`
//! little-endian. Batches come whole with their marks; which row is late is decided by row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::{KeyedContainer, StateStore};
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_graph::spec::WindowDeduplicateSpec;
use flott_state::hot::{KeyedStateOptions, Place, RowStore, WindowedState};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::factory::FromSpec;
use crate::watermark_assigner::null_rowtime;
use crate::window::attached::{Attached, OpenWindows};
use crate::window::outgoing::{EmitsWindows, Outgoing, pass_marks, pass_watermark};
use crate::window::time::millis;
use crate::window::walk::Walk;
use crate::window_rank::kept_rows;

const STATE: &str = "rows";

/// See the module.
pub struct WindowDeduplicate {
    spec: WindowDeduplicateSpec,
    attached: Attached,
    options: KeyedStateOptions,
    open: OpenWindows,
    schema: SchemaRef,
    /// Is there from `open` on, as is the store.
    state: Option<WindowedState<RowStore>>,
    store: Option<Arc<dyn StateStore>>,
}

impl FromSpec for WindowDeduplicate {
    type Spec = WindowDeduplicateSpec;

    fn from_spec(spec: WindowDeduplicateSpec) -> Result<Self> {
        if spec.keys.iter().chain([&spec.rowtime]).any(|c| *c >= spec.input.len()) {
            return Err(Error::internal("a window deduplication does not fit its columns"));
        }
        Ok(WindowDeduplicate {
            attached: Attached::new(&spec.input, spec.window_end, &spec.zone)?,
            options: kept_rows(STATE, &spec.input, &spec.keys)?,
            open: OpenWindows::default(),
            schema: spec.input.arrow(),
            state: None,
            store: None,
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

fn not_open() -> Error {
    Error::internal("a window deduplication was not opened")
}

impl flott_api::operator::Stateful for WindowDeduplicate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        if !state.has_spilled() {
            return Ok(());
        }
        for (end_ms, rows) in self.attached.all(batch)? {
            let rows = rows.of(batch)?;
            state.prefetch(end_ms, &self.keys(&rows), rows.len())?;
        }
        Ok(())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for WindowDeduplicate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(WindowedState::open(cx, &self.options, RowStore::new(self.schema.clone()))?);
        self.store = Some(Arc::clone(&cx.state));
        Ok(())
    }

    async fn start(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let store = self.store.as_ref().ok_or_else(not_open)?;
        for end_ms in OpenWindows::restored(store)? {
            self.state.as_mut().ok_or_else(not_open)?.restore(end_ms)?;
            self.open.expect(end_ms, &self.attached)?;
        }
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if batch.rows().column(self.spec.rowtime).null_count() > 0 {
            return Err(null_rowtime(&self.spec.input.fields[self.spec.rowtime].name));
        }
        for (end_ms, rows) in self.attached.arrivals(&batch, cx)? {
            self.keep(end_ms, &rows.of(&batch)?, cx.processing_time_ms).await?;
        }
        pass_marks(self, &batch, cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        pass_watermark(self, watermark, cx).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.open.save(self.store.as_ref().ok_or_else(not_open)?);
        Ok(())
    }
}

#[async_trait]
impl EmitsWindows for WindowDeduplicate {
    fn output(&self) -> &SchemaRef {
        &self.schema
    }

    async fn pass(&mut self, watermark: Watermark, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let empty = arrow_array::RecordBatch::new_empty(self.schema.clone());
        while let Some(end_ms) = self.open.take_due(watermark) {
            let mut walk = Walk::default();
            while let Some(mut part) = walk.next(state, end_ms).await? {
                let groups = std::mem::take(&mut part.groups);
                let store = part.entries(state, end_ms)?;
                let places: Vec<Place> = groups.iter().filter_map(|g| store.place(*g)).collect();
                to.push(store.rows(&places, &empty)?, cx).await?;
            }
            state.clear(end_ms);
        }
        Ok(())
    }
}

impl WindowDeduplicate {
    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.spec.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    /// Takes rows into their window.
    async fn keep(&mut self, end_ms: i64, rows: &ChangeBatch, now_ms: i64) -> Result<()> {
        let keys = self.keys(rows);
        let times = millis(rows.rows().column(self.spec.rowtime))?;
        let state = self.state.as_mut().ok_or_else(not_open)?;
        if state.begin(end_ms)? {
            self.open.expect(end_ms, &self.attached)?;
        }
        let groups = state.assign(end_ms, &keys, rows.len(), now_ms).await?;
        let store = state.entries_mut(end_ms)?;
        let kept = kept_times(store, &groups, self.spec.rowtime)?;
        let (groups, places): (Vec<u32>, Vec<u32>) =
            winners(&groups, &times, kept, self.spec.keep_last).into_iter().unzip();
        store.put(groups, rows.take(&UInt32Array::from(places))?.rows().clone())
    }
}

/// The time of the row that each of these groups has.
fn kept_times(store: &RowStore, groups: &[u32], rowtime: usize) -> Result<HashMap<u32, i64, FixedState>> {
    let mut owners: Vec<u32> = groups.to_vec();
    owners.sort_unstable();
    owners.dedup();
    owners.retain(|g| store.place(*g).is_some());
    let times = millis(&store.column(rowtime, &owners)?)?;
    Ok(owners.into_iter().zip(times.values().iter().copied()).collect())
}

/// Which rows replace what their groups have.
fn winners(
    groups: &[u32],
    times: &Int64Array,
    mut best: HashMap<u32, i64, FixedState>,
    keep_last: bool,
) -> HashMap<u32, u32, FixedState> {
    let mut rows: HashMap<u32, u32, FixedState> = HashMap::default();
    for (row, (group, time)) in groups.iter().zip(times.values()).enumerate() {
        let wins = best.get(group).is_none_or(|kept| if keep_last { time >= kept } else { time < kept });
        if wins {
            best.insert(*group, *time);
            rows.insert(*group, row as u32);
        }
    }
    rows
}

#[cfg(test)]
mod tests;
