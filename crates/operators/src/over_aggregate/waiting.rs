//! By rowtime, or within a processing time: rows wait until their time is over.

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array};
use flott_api::operator::{OpenContext, OperatorContext, TimeDomain, Timer};
use flott_api::{ChangeBatch, Field, LogicalType, Result, TypeKind};
use flott_graph::spec::{OverAggregateSpec, OverFrame, OverOrder, SortField};
use flott_state::hot::{GroupEntries, TtlOptions};

use super::entries::{CLEANUP, EXPIRES, LAST, Over, OverEntries, not_open};
use super::steps::Steps;
use crate::emit::{emit, record_batch};
use crate::key_timers::KeyTimers;
use crate::timed_rows::{NEVER, key_of_moment};
use crate::watermark_assigner::null_rowtime;
use crate::window::time::{from_millis, millis};

/// Flink keeps what it need not for half as long again, so that it sets fewer timers.
const fn and_half(ms: i64) -> i64 {
    ms.saturating_add(ms / 2)
}

/// See the module.
pub(super) struct Waiting {
    pub(super) over: Over,
    /// The rowtime column; nothing for processing time.
    rowtime: Option<usize>,
    /// The column by which rows wait, and its type.
    time: (usize, LogicalType),
    frame: OverFrame,
    /// Of rows: both are there from `open` on.
    timers: Option<KeyTimers>,
    /// Of keys that expire.
    expiring: Option<KeyTimers>,
}

impl Waiting {
    pub(super) fn new(spec: OverAggregateSpec) -> Result<Self> {
        let rowtime = if let OverOrder::Rowtime(column) = spec.order { Some(column) } else { None };
        let mut kept = spec.input.clone();
        let column = rowtime.unwrap_or_else(|| {
            // The time at which a row came is not in it.
            kept.fields.push(Field::new("$arrival", LogicalType::new(TypeKind::TimestampLtz(3))));
            kept.len() - 1
        });
        let time = (column, kept.fields[column].ty.clone());
        let frame = spec.frame;
        let moves = !matches!(frame, OverFrame::Rows { preceding: None } | OverFrame::Range { preceding_ms: None });
        let order = vec![SortField { column, descending: false, nulls_last: false }];
        let over = Over::new(spec, kept, order, moves, TtlOptions::default())?;
        Ok(Waiting { over, rowtime, time, frame, timers: None, expiring: None })
    }

    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.over.open(cx)?;
        let types: Vec<_> = self.over.spec.partition.iter().map(|c| self.over.kept.fields[*c].ty.arrow()).collect();
        let domain = if self.rowtime.is_some() { TimeDomain::Event } else { TimeDomain::Processing };
        self.timers = Some(KeyTimers::new(cx, types.clone(), domain));
        self.expiring = Some(KeyTimers::new(cx, types, TimeDomain::Processing));
        Ok(())
    }

    /// How far back a frame within a time reaches.
    fn reach_ms(&self) -> Option<i64> {
        if let OverFrame::Range { preceding_ms } = self.frame { preceding_ms } else { None }
    }

    /// Whether keys expire by processing time; frames within a time forget them by their own.
    fn ttl_ms(&self) -> Option<i64> {
        Some(self.over.spec.state_ttl_ms).filter(|ttl| *ttl > 1 && self.reach_ms().is_none())
    }

    fn is_unbounded(&self) -> bool {
        matches!(self.frame, OverFrame::Rows { preceding: None } | OverFrame::Range { preceding_ms: None })
    }

    /// Rows wait.
    pub(super) async fn process(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (mut batch, now_ms) = (self.with_time(batch, cx.processing_time_ms)?, cx.processing_time_ms);
        if self.rowtime.is_some() && self.is_unbounded() {
            batch = self.not_late(&batch, cx)?;
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys = self.over.plan.keys(&batch);
        let groups = self.over.groups(&keys, batch.num_rows(), now_ms).await?;
        self.expire_later(&keys, (0..).zip(groups.iter().copied()), cx)?;
        let times = millis(batch.column(self.time.0))?;
        let (lateness, reach_ms) = (self.rowtime.is_some() && !self.is_unbounded(), self.reach_ms());
        let entries = self.over.entries()?;
        entries.timed.rows.begin(&batch)?;
        let (mut at, mut late) = (Vec::new(), 0);
        for (row, group) in groups.iter().enumerate() {
            let time_ms = times.value(row);
            // As in Flink a key of which nothing came out has last had the time 0.
            let last_ms = Some(entries.timed.moments(*group)[LAST]).filter(|last| *last != NEVER).unwrap_or(0);
            if lateness && time_ms <= last_ms {
                late += 1;
                continue;
            }
            entries.timed.rows.insert(*group, row)?;
            at.push((row, if self.rowtime.is_some() { time_ms } else { time_ms + 1 }));
            at.extend(reach_ms.and_then(|reach| forget_later(entries, *group, time_ms, reach)).map(|at| (row, at)));
        }
        cx.metrics.num_late_records_dropped.add(late);
        at.dedup();
        self.timers.as_ref().ok_or_else(not_open)?.register(&keys, &at, cx.timers)
    }

    /// The batch with the time by which its rows wait.
    fn with_time(&self, batch: &ChangeBatch, now_ms: i64) -> Result<RecordBatch> {
        let rows = batch.rows();
        match self.rowtime {
            Some(column) if rows.column(column).null_count() > 0 => {
                Err(null_rowtime(&self.over.spec.input.fields[column].name))
            }
            Some(_) => Ok(rows.clone()),
            None => {
                let arrival = from_millis(vec![now_ms; rows.num_rows()], &self.time.1)?;
                let columns = [rows.columns(), &[arrival]].concat();
                record_batch(&self.over.kept.arrow(), columns, rows.num_rows())
            }
        }
    }

    /// The rows that the watermark has not reached; the others are counted.
    fn not_late(&self, batch: &RecordBatch, cx: &mut OperatorContext<'_>) -> Result<RecordBatch> {
        let times: Int64Array = millis(batch.column(self.time.0))?;
        let watermark = cx.watermark.0;
        let kept: UInt32Array =
            (0..).zip(times.values()).filter(|(_, time)| **time > watermark).map(|(row, _)| Some(row)).collect();
        cx.metrics.num_late_records_dropped.add((batch.num_rows() - kept.len()) as u64);
        Ok(arrow_select::take::take_record_batch(batch, &kept)?)
    }

    /// With a time to live: a key expires after one and a half of it, unless it is used.
    fn expire_later(
        &mut self,
        keys: &[ArrayRef],
        groups: impl Iterator<Item = (usize, u32)>,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let (Some(ttl_ms), now_ms) = (self.ttl_ms(), cx.processing_time_ms) else { return Ok(()) };
        let (entries, mut at) = (self.over.entries()?, Vec::new());
        for (row, group) in groups {
            let expires_ms = &mut entries.timed.moments_mut(group)[EXPIRES];
            if *expires_ms == NEVER || now_ms + ttl_ms > *expires_ms {
                *expires_ms = now_ms + and_half(ttl_ms);
                at.push((row, *expires_ms));
            }
        }
        self.expiring.as_ref().ok_or_else(not_open)?.register(keys, &at, cx.timers)
    }

    /// Times are over: their rows come out.
    pub(super) async fn fire(&mut self, due: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let keys = self.timers.as_ref().ok_or_else(not_open)?.keys(due)?;
        let groups = self.over.groups(&keys, due.len(), now_ms).await?;
        let rows = RecordBatch::new_empty(self.over.kept.arrow());
        self.over.entries()?.timed.rows.begin(&rows)?;
        let (mut steps, mut used, mut cleared) = (self.over.steps(), Vec::new(), Vec::new());
        for (row, (timer, group)) in due.iter().zip(&groups).enumerate() {
            let expiring = self.rowtime.is_some() && timer.domain == TimeDomain::Processing;
            if expiring && self.over.entries()?.timed.moments(*group)[EXPIRES] != timer.at_ms {
                // The key was used since.
            } else if self.is_over(timer, *group, expiring)? {
                if steps.has(*group) {
                    let taken = std::mem::replace(&mut steps, self.over.steps());
                    self.emit(taken, cx).await?;
                }
                self.over.entries()?.clear(*group);
                cleared.push(*group);
            } else {
                used.push((row, *group));
                if !expiring {
                    self.release(*group, timer.at_ms, &mut steps)?;
                }
            }
        }
        self.emit(steps, cx).await?;
        self.expire_later(&keys, used.into_iter(), cx)?;
        self.forget(cleared)
    }

    /// Whether a key is to be forgotten: it waits for nothing and its time to live is over, or its frame within a time has been
    /// empty for long enough.
    fn is_over(&mut self, timer: &Timer, group: u32, expiring: bool) -> Result<bool> {
        let entries = self.over.entries()?;
        if expiring {
            return Ok(entries.timed.rows.len(group) == entries.in_frame(group));
        }
        let cleanup_ms = entries.timed.moments(group)[CLEANUP];
        Ok(cleanup_ms != NEVER && cleanup_ms <= timer.at_ms)
    }

    fn forget(&mut self, mut cleared: Vec<u32>) -> Result<()> {
        cleared.sort_unstable();
        cleared.dedup();
        cleared.into_iter().try_for_each(|group| self.over.state()?.remove(group))
    }

    /// The rows of a group up to a time come out.
    fn release(&mut self, group: u32, at_ms: i64, steps: &mut Steps) -> Result<()> {
        let time_ms = if self.rowtime.is_some() { at_ms } else { at_ms - 1 };
        let through = key_of_moment(time_ms, &self.time.1)?;
        let (frame, is_unbounded) = (self.frame, self.is_unbounded());
        let oldest = match self.reach_ms() {
            Some(reach) => Some(key_of_moment(time_ms.saturating_sub(reach).saturating_sub(1), &self.time.1)?),
            None => None,
        };
        let entries = self.over.entries()?;
        let due = entries.timed.rows.count_through(group, &through);
        match frame {
            OverFrame::Rows { preceding: Some(rows) } => {
                let frame = usize::try_from(rows).unwrap_or(usize::MAX).saturating_add(1);
                slide(entries, group, (due, frame), steps)?;
            }
            OverFrame::Range { preceding_ms: Some(_) } => {
                let oldest = oldest.unwrap_or_default();
                reach(entries, group, (due, &oldest), steps);
            }
            OverFrame::Rows { preceding: None } => {
                let mut rows = Vec::new();
                entries.timed.rows.take_first(group, due, &mut rows);
                for row in rows {
                    steps.add(group, row);
                    steps.emit(row);
                }
            }
            OverFrame::Range { preceding_ms: None } => {
                let mut rows = Vec::new();
                entries.timed.rows.take_first(group, due, &mut rows);
                rows.iter().for_each(|row| steps.add(group, *row));
                rows.iter().for_each(|row| steps.emit(*row));
            }
        }
        if !is_unbounded && self.rowtime.is_some() {
            entries.timed.moments_mut(group)[LAST] = time_ms;
        }
        Ok(())
    }

    async fn emit(&mut self, steps: Steps, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (rows, values) = self.over.take(steps, cx.processing_time_ms).await?;
        let rows = self.over.rows(&rows, values)?;
        emit(ChangeBatch::inserts(rows), cx).await
    }

    /// At the end of the input the millisecond of the last rows is over.
    pub(super) async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.rowtime.is_some() {
            return Ok(());
        }
        let at_ms = cx.processing_time_ms.saturating_add(1);
        let mut steps = self.over.steps();
        self.over.load_all(cx.processing_time_ms).await?;
        let groups = self.over.state()?.resident();
        self.over.state()?.touch(&groups)?;
        let rows = RecordBatch::new_empty(self.over.kept.arrow());
        self.over.entries()?.timed.rows.begin(&rows)?;
        for group in groups {
            let entries = self.over.entries()?;
            if entries.timed.rows.len(group) > entries.in_frame(group) {
                self.release(group, at_ms, &mut steps)?;
            }
        }
        self.emit(steps, cx).await
    }
}

/// Says when a frame within a time is to be forgotten if no row comes; nothing if that is known.
fn forget_later(entries: &mut OverEntries, group: u32, time_ms: i64, reach_ms: i64) -> Option<i64> {
    let cleanup_ms = &mut entries.timed.moments_mut(group)[CLEANUP];
    let at_least = time_ms.saturating_add(reach_ms).saturating_add(1);
    if *cleanup_ms != NEVER && *cleanup_ms >= at_least {
        return None;
    }
    *cleanup_ms = time_ms.saturating_add(and_half(reach_ms)).saturating_add(1);
    Some(*cleanup_ms)
}

/// Rows come into a frame of so many rows one by one, and each lets the oldest one out.
fn slide(entries: &mut OverEntries, group: u32, (due, frame): (usize, usize), steps: &mut Steps) -> Result<()> {
    let mut in_frame = entries.in_frame(group);
    steps.begin(entries, group, in_frame);
    let rows = &mut entries.timed.rows;
    let coming = due.saturating_sub(in_frame);
    for _ in 0..coming {
        let Some(next) = rows.nth(group, in_frame) else { break };
        if in_frame >= frame {
            steps.retract(group, rows.remove(group, 0)?);
        } else {
            in_frame += 1;
        }
        steps.add(group, next);
        steps.emit(next);
    }
    entries.set_in_frame(group, in_frame);
    Ok(())
}

/// Rows come into a frame within a time together, behind those that are too old for it.
fn reach(entries: &mut OverEntries, group: u32, (due, oldest): (usize, &[u8]), steps: &mut Steps) {
    let mut in_frame = entries.in_frame(group);
    steps.begin(entries, group, in_frame);
    let rows = &mut entries.timed.rows;
    let mut new = Vec::new();
    rows.range(group, in_frame..due, &mut new);
    if new.is_empty() {
        return;
    }
    let mut old = Vec::new();
    let leave = rows.count_through(group, oldest).min(in_frame);
    rows.take_first(group, leave, &mut old);
    old.into_iter().for_each(|row| steps.retract(group, row));
    new.iter().for_each(|row| steps.add(group, *row));
    new.iter().for_each(|row| steps.emit(*row));
    in_frame = in_frame - leave + new.len();
    entries.set_in_frame(group, in_frame);
}
