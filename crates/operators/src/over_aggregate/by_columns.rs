//! By other columns than time: every change updates the rows behind it.

use arrow_array::{Array, RecordBatch};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use flott_api::operator::OperatorContext;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Result, RowKind, RowKinds};
use flott_graph::spec::{OverAggregateSpec, OverFrame, OverOrder};
use flott_state::hot::{RowRef, TtlOptions};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::entries::Over;
use super::places::{Change, Partition, Projected, Values};
use crate::aggregate::groups::Rows;
use crate::emit::emit;

/// See the module.
pub(super) struct ByColumns {
    pub(super) over: Over,
    projected: Projected,
    /// Whether rows with an equal place in the order have equal values.
    is_range: bool,
    /// Whether somebody below needs `-U`.
    emit_update_before: bool,
}

/// Partitions that the batch has looked at.
type Open = HashMap<u32, Partition, FixedState>;

/// The rows that come out, with the values of each change.
#[derive(Default)]
struct Outgoing {
    rows: Vec<RowRef>,
    kinds: Vec<u8>,
    values: Vec<Values>,
}

impl Outgoing {
    /// Appends a change: rows with their kind, and where their values lie among those before and after it.
    fn push(&mut self, change: &Change, before: &Values, after: &Values) -> Result<()> {
        self.rows.extend(change.iter().map(|(row, ..)| *row));
        self.kinds.extend(change.iter().map(|(_, kind, _)| *kind as u8));
        let places: Vec<(usize, usize)> = change.iter().map(|(.., place)| *place).collect();
        let values = before.iter().zip(after).map(|(before, after)| {
            let sides: [&dyn Array; 2] = [before.as_ref(), after.as_ref()];
            Ok(interleave(&sides, &places)?)
        });
        self.values.push(values.collect::<Result<_>>()?);
        Ok(())
    }

    /// One column for each aggregate.
    fn columns(&self, aggregates: usize) -> Result<Values> {
        let column = |aggregate: usize| {
            let parts: Vec<&dyn Array> = self.values.iter().map(|v| v[aggregate].as_ref()).collect();
            Ok(concat(&parts)?)
        };
        (0..aggregates).map(column).collect()
    }
}

impl ByColumns {
    pub(super) fn new(spec: OverAggregateSpec) -> Result<Self> {
        let order = if let OverOrder::Columns(order) = &spec.order { order.clone() } else { Vec::new() };
        let (projected, is_range) = (Projected::new(&spec)?, matches!(spec.frame, OverFrame::Range { .. }));
        let (kept, ttl) = (spec.input.clone(), TtlOptions::after(spec.state_ttl_ms));
        let emit_update_before = spec.emit_update_before;
        Ok(ByColumns { over: Over::new(spec, kept, order, false, ttl)?, projected, is_range, emit_update_before })
    }

    /// The part of a change that somebody needs.
    fn needed(&self, mut change: Change) -> Change {
        change.retain(|(_, kind, _)| self.emit_update_before || *kind != RowKind::UpdateBefore);
        change
    }

    pub(super) async fn process(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (keys, now_ms) = (self.over.plan.keys(batch.rows()), cx.processing_time_ms);
        let groups = self.over.groups(&keys, batch.len(), now_ms).await?;
        self.over.entries()?.timed.rows.begin(batch.rows())?;
        let mut open: Open = HashMap::default();
        let mut outgoing = Outgoing::default();
        for (row, group) in groups.iter().enumerate() {
            if batch.kind(row).is_retract() {
                self.retract(batch, (*group, row), &mut open, &mut outgoing, now_ms)?;
            } else {
                self.add(batch, (*group, row), &mut open, &mut outgoing, now_ms)?;
            }
            if outgoing.rows.len() >= BATCH_ROWS_MAX {
                self.emit(std::mem::take(&mut outgoing), cx).await?;
            }
        }
        self.emit(outgoing, cx).await?;
        self.forget_empty(groups)
    }

    async fn emit(&mut self, outgoing: Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        if outgoing.rows.is_empty() {
            return Ok(());
        }
        let rows = self.over.entries()?.timed.rows.rows(&outgoing.rows)?;
        let values = outgoing.columns(self.over.spec.aggregates.len())?;
        let rows = self.over.rows(&rows, values)?;
        emit(ChangeBatch::new(rows, RowKinds::from_bytes(outgoing.kinds))?, cx).await
    }

    fn add(
        &mut self,
        batch: &ChangeBatch,
        (group, row): (u32, usize),
        open: &mut Open,
        outgoing: &mut Outgoing,
        now_ms: i64,
    ) -> Result<()> {
        let rows = &mut self.over.entries()?.timed.rows;
        let place = rows.rank(group, row);
        if place == rows.len(group) && !open.contains_key(&group) {
            return self.append(batch, (group, row), outgoing, now_ms);
        }
        let partition = self.open(batch, group, open, now_ms)?;
        let rows = &mut self.over.entries()?.timed.rows;
        let beside = if self.is_range { rows.equal_before(group, place, row) } else { 0 };
        rows.insert(group, row)?;
        partition.insert(place, row);
        let before = self.projected.recompute(self.over.entries()?, group, partition, (self.is_range, now_ms))?;
        let moved = partition.moved_by_insertion(place, beside);
        let changed = self.projected.changed(&before, &partition.values, &moved, (batch.rows(), row))?;
        let change = partition.insertion((place, beside), batch.kind(row), &changed);
        outgoing.push(&self.needed(change), &before, &partition.values)
    }

    /// A row behind all others of a partition that nobody has looked at: its aggregates know all that is needed.
    fn append(
        &mut self,
        batch: &ChangeBatch,
        (group, row): (u32, usize),
        outgoing: &mut Outgoing,
        now_ms: i64,
    ) -> Result<()> {
        let rows = &mut self.over.entries()?.timed.rows;
        let end = rows.len(group);
        let beside = if self.is_range { rows.equal_before(group, end, row) } else { 0 };
        let mut peers = Vec::new();
        rows.range(group, end - beside..end, &mut peers);
        rows.insert(group, row)?;
        let columns = batch.rows().slice(row, 1);
        let running = self.over.running(&Rows { columns: &columns, groups: &[group], changes: None, now_ms })?;
        let (before, after): (Values, Values) = running.into_iter().map(|r| (r.before, r.after)).unzip();
        let changed = self.projected.changed(&before, &after, &[(0, 0)], (batch.rows(), row))?[0];
        let mut change = Change::new();
        for peer in peers.into_iter().filter(|_| changed) {
            change.push((peer, RowKind::UpdateBefore, (0, 0)));
            change.push((peer, RowKind::UpdateAfter, (1, 0)));
        }
        change.push((RowRef::of_batch(row), batch.kind(row), (1, 0)));
        outgoing.push(&self.needed(change), &before, &after)
    }

    fn retract(
        &mut self,
        batch: &ChangeBatch,
        (group, row): (u32, usize),
        open: &mut Open,
        outgoing: &mut Outgoing,
        now_ms: i64,
    ) -> Result<()> {
        // A row that is not there has expired.
        let Some(place) = self.over.entries()?.timed.rows.find_equal(group, row)? else { return Ok(()) };
        let partition = self.open(batch, group, open, now_ms)?;
        let rows = &mut self.over.entries()?.timed.rows;
        let beside = if self.is_range { rows.equal_before(group, place, row) } else { 0 };
        rows.remove(group, place)?;
        let gone = partition.remove(place);
        let before = self.projected.recompute(self.over.entries()?, group, partition, (self.is_range, now_ms))?;
        let moved = partition.moved_by_removal(place, beside);
        let changed = self.projected.changed(&before, &partition.values, &moved, (batch.rows(), row))?;
        let change = partition.removal((place, beside), gone, &changed);
        outgoing.push(&self.needed(change), &before, &partition.values)
    }

    /// The partition with all its rows and their values.
    fn open<'a>(
        &mut self,
        batch: &ChangeBatch,
        group: u32,
        open: &'a mut Open,
        now_ms: i64,
    ) -> Result<&'a mut Partition> {
        if !open.contains_key(&group) {
            let entries = self.over.entries()?;
            let mut rows = Vec::new();
            entries.timed.rows.range(group, 0..usize::MAX, &mut rows);
            let there: RecordBatch = entries.timed.rows.rows(&rows)?;
            let mut partition = Partition::new(rows, self.projected.joined(&there, batch.rows())?);
            self.projected.recompute(entries, group, &mut partition, (self.is_range, now_ms))?;
            open.insert(group, partition);
        }
        open.get_mut(&group).ok_or_else(super::entries::not_open)
    }

    /// Forgets the partitions that have no rows now.
    fn forget_empty(&mut self, mut groups: Vec<u32>) -> Result<()> {
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            if self.over.entries()?.timed.rows.is_empty(group) {
                self.over.state()?.remove(group)?;
            }
        }
        Ok(())
    }
}
