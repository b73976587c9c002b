//! The first rows of each window and key in some order: `ROW_NUMBER()` over rows that come with their window.
//!
//! Flink counterpart: `WindowRank`. The rows come out when the watermark reaches the last millisecond of their
//! window, in their order, with their rank if it is asked for. Of rows that are equal in the order the one that
//! came first is first. Input are insertions; a row whose window is over is counted and dropped.
//!
//! **State layout**: state `rows`, by the window's end and the key columns: the rows, at most about twice as many
//! as there are ranks ([`RowLists`]); a window that is over is cleared as a whole. List `windows` has the ends of
//! the open ones, `i64` little-endian. Batches come whole with their marks; which row is late is decided by row.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_schema::{SchemaRef, SortOptions};
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::{KeyedContainer, StatePart, StateStore};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, LogicalType, Result, Watermark};
use flott_graph::spec::WindowRankSpec;
use flott_state::hot::{GroupTable, KeyedStateOptions, RowLists, TtlOptions, WindowedState};
use flott_state::row;

use crate::changelog_normalize::row_type;
use crate::emit::record_batch;
use crate::factory::FromSpec;
use crate::window::attached::{Attached, OpenWindows};
use crate::window::outgoing::{EmitsWindows, Outgoing, pass_marks, pass_watermark};
use crate::window::walk::Walk;

const STATE: &str = "rows";
/// A list is cut back to its ranks when it has twice as many rows, and so many more.
const SPARE_ROWS: usize = 64;

/// See the module.
pub struct WindowRank {
    spec: WindowRankSpec,
    attached: Attached,
    options: KeyedStateOptions,
    open: OpenWindows,
    output: SchemaRef,
    /// Is there from `open` on, as is the store.
    state: Option<WindowedState<RowLists>>,
    store: Option<Arc<dyn StateStore>>,
}

impl FromSpec for WindowRank {
    type Spec = WindowRankSpec;

    fn from_spec(spec: WindowRankSpec) -> Result<Self> {
        let width = spec.input.len() + usize::from(spec.emit_rank);
        let columns = spec.keys.iter().chain(spec.order.iter().map(|o| &o.column));
        if spec.output.len() != width || columns.into_iter().any(|c| *c >= spec.input.len()) {
            return Err(Error::internal("a window rank does not fit its columns"));
        }
        if spec.rank_start == 0 || spec.rank_end < spec.rank_start {
            return Err(Error::internal("a window rank has no ranks"));
        }
        Ok(WindowRank {
            attached: Attached::new(&spec.input, spec.window_end, &spec.zone)?,
            options: kept_rows(STATE, &spec.input, &spec.keys)?,
            open: OpenWindows::default(),
            output: spec.output.arrow(),
            state: None,
            store: None,
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

/// A state of whole rows by key; refuses now what cannot be kept.
pub(crate) fn kept_rows(name: &str, input: &flott_api::Schema, keys: &[usize]) -> Result<KeyedStateOptions> {
    let keys: Vec<LogicalType> = keys.iter().map(|k| input.fields[*k].ty.clone()).collect();
    GroupTable::new(keys.iter().map(LogicalType::arrow).collect())?;
    input.arrow().fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
    let parts = vec![StatePart { name: format!("rows-{}", row::VERSION), ty: row_type(input) }];
    Ok(KeyedStateOptions { name: name.to_owned(), keys, parts, ttl: TtlOptions::default() })
}

fn not_open() -> Error {
    Error::internal("a window rank was not opened")
}

impl flott_api::operator::Stateful for WindowRank {
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
impl Operator for WindowRank {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(WindowedState::open(cx, &self.options, RowLists::new(self.spec.input.arrow()))?);
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
impl EmitsWindows for WindowRank {
    fn output(&self) -> &SchemaRef {
        &self.output
    }

    async fn pass(&mut self, watermark: Watermark, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        while let Some(end_ms) = self.open.take_due(watermark) {
            let mut walk = Walk::default();
            while let Some(mut part) = walk.next(state, end_ms).await? {
                let groups = std::mem::take(&mut part.groups);
                let mut from = 0;
                while from < groups.len() {
                    let lists = part.entries(state, end_ms)?;
                    let until = worth_a_batch(&groups, from, lists);
                    let rows = ranked(&self.spec, lists, &groups[from..until], &self.output)?;
                    to.push(rows, cx).await?;
                    from = until;
                }
            }
            state.clear(end_ms);
        }
        Ok(())
    }
}

impl WindowRank {
    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.spec.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    /// Takes rows into their window.
    async fn keep(&mut self, end_ms: i64, rows: &ChangeBatch, now_ms: i64) -> Result<()> {
        let keys = self.keys(rows);
        let state = self.state.as_mut().ok_or_else(not_open)?;
        if state.begin(end_ms)? {
            self.open.expect(end_ms, &self.attached)?;
        }
        let groups = state.assign(end_ms, &keys, rows.len(), now_ms).await?;
        let lists = state.entries_mut(end_ms)?;
        lists.append(&groups, rows.rows().clone())?;
        let ranks = usize::try_from(self.spec.rank_end).unwrap_or(usize::MAX);
        let limit = ranks.saturating_mul(2).saturating_add(SPARE_ROWS);
        let mut long: Vec<u32> = groups.into_iter().filter(|g| lists.list(*g).len() > limit).collect();
        long.sort_unstable();
        long.dedup();
        for group in long {
            let mut numbers = ordered(&self.spec, lists, &[group])?.numbers;
            numbers.truncate(ranks);
            lists.set_list(group, numbers);
        }
        Ok(())
    }
}

/// The end of the next groups that have a batch of rows together.
fn worth_a_batch(groups: &[u32], from: usize, lists: &RowLists) -> usize {
    let (mut until, mut rows) = (from, 0);
    while until < groups.len() && rows < BATCH_ROWS_MAX {
        rows += lists.list(groups[until]).len();
        until += 1;
    }
    until
}

/// Rows of some groups, group by group in the order of their ranks.
struct Ordered {
    numbers: Vec<u32>,
    /// For each row which of the groups it is of.
    owners: Vec<u32>,
}

fn ordered(spec: &WindowRankSpec, lists: &RowLists, groups: &[u32]) -> Result<Ordered> {
    let (mut numbers, mut owners) = (Vec::new(), Vec::new());
    for (owner, group) in groups.iter().enumerate() {
        numbers.extend_from_slice(lists.list(*group));
        owners.resize(numbers.len(), owner as u32);
    }
    let rows = lists.rows(&numbers)?;
    let plain = |values: ArrayRef| SortColumn { values, options: None };
    let mut columns = vec![plain(Arc::new(UInt32Array::from(owners.clone())))];
    columns.extend(spec.order.iter().map(|order| SortColumn {
        values: rows.column(order.column).clone(),
        options: Some(SortOptions { descending: order.descending, nulls_first: !order.nulls_last }),
    }));
    // The sort need not be stable: what came first is said by its place.
    columns.push(plain(Arc::new(UInt32Array::from_iter_values(0..numbers.len() as u32))));
    let order = lexsort_to_indices(&columns, None)?;
    let at = |values: &[u32]| order.values().iter().map(|place| values[*place as usize]).collect();
    Ok(Ordered { numbers: at(&numbers), owners: at(&owners) })
}

/// The rows of these groups that have a rank that is asked for.
fn ranked(spec: &WindowRankSpec, lists: &RowLists, groups: &[u32], output: &SchemaRef) -> Result<RecordBatch> {
    let Ordered { numbers, owners } = ordered(spec, lists, groups)?;
    let (mut picked, mut ranks) = (Vec::new(), Vec::new());
    let (mut owner, mut rank) = (u32::MAX, 0);
    for (number, of) in numbers.into_iter().zip(owners) {
        rank = if of == owner { rank + 1 } else { 1 };
        owner = of;
        if (spec.rank_start..=spec.rank_end).contains(&rank) {
            picked.push(number);
            ranks.push(rank as i64);
        }
    }
    let mut columns = lists.rows(&picked)?.columns().to_vec();
    if spec.emit_rank {
        columns.push(Arc::new(Int64Array::from(ranks)));
    }
    record_batch(output, columns, picked.len())
}

#[cfg(test)]
mod tests;
