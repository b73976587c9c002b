//! Joins each row with what a table was at the row's time: `FOR SYSTEM_TIME AS OF l.rowtime`.
//!
//! Flink counterpart: `TemporalJoin` (`TemporalRowTimeJoinOperator`). Rows of the left wait until the watermark reaches
//! their time: then the versions of the right up to it are known. A version is valid from its own time to that of the next
//! one of its key; one that retracts is no row. A row comes with its version and its own kind; if there is none, or the
//! condition does not hold, it comes with nulls in a left join. Rows that are due together come in the order in which they
//! came. Of versions that the watermark has passed only the last is kept; a late row finds that one, or none. A second
//! version of one time replaces the first.
//!
//! A row of the left without a time, or with a null in a key that has no equal, has no version and does not wait; such a
//! row of the right is none.
//!
//! **State layout**: states `left` and `right`, by the join key; their one part is a
//! [`RowMultiMap`](flott_state::hot::RowMultiMap). That of the left is in the order in which rows came, with their times; a
//! row's tag is its kind. That of the right is in the order of times; a row's tag is 1 if it retracts. A key has a timer for
//! the earliest row that waits, and one for the second version. With a time to live, what is known of a key is forgotten when
//! nothing came for it for so long, also rows that wait.

mod due;
mod side;

use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful, TimeDomain, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result, RowKind, RowKinds};
use flott_functions::EvalContext;
use flott_graph::spec::{JoinKind, TemporalJoinSpec};
use flott_state::hot::NO_ROW;
use foldhash::HashSet;

use self::due::Due;
use self::side::{Arrival, Side};
use crate::emit::emit;
use crate::factory::FromSpec;
use crate::joined::Joined;
use crate::key_timers::KeyTimers;

/// So many rows are emitted together, and those of one key.
const ROWS_MAX: usize = 4 * BATCH_ROWS_MAX;

/// See the module.
pub struct TemporalJoin {
    is_left_join: bool,
    left: Side,
    right: Side,
    joined: Joined,
    /// Is there from `open` on.
    timers: Option<KeyTimers>,
}

impl FromSpec for TemporalJoin {
    type Spec = TemporalJoinSpec;

    fn from_spec(spec: TemporalJoinSpec) -> Result<Self> {
        let count = spec.nulls_meet.len();
        if spec.left.keys.len() != count || spec.right.keys.len() != count {
            return Err(Error::internal("a temporal join compares other numbers of columns on its sides"));
        }
        let is_left_join = match spec.kind {
            JoinKind::Inner => false,
            JoinKind::Left => true,
            kind => return Err(Error::internal(format!("a temporal join of kind {kind:?}"))),
        };
        let inputs = [&spec.left.input, &spec.right.input];
        Ok(TemporalJoin {
            is_left_join,
            left: Side::new("left", &spec.left, (&spec.nulls_meet, spec.state_ttl_ms))?,
            right: Side::new("right", &spec.right, (&spec.nulls_meet, spec.state_ttl_ms))?,
            joined: Joined::new(inputs, &spec.output, (spec.condition, spec.session_zone)),
            timers: None,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl Stateful for TemporalJoin {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        let side = if input == 0 { &self.left } else { &self.right };
        side.prefetch(batch)
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        [&mut self.left, &mut self.right].into_iter().filter_map(Side::container).collect()
    }
}

#[async_trait]
impl Operator for TemporalJoin {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.timers = Some(KeyTimers::new(cx, self.left.key_types(), TimeDomain::Event));
        self.joined.open(cx)?;
        self.left.open(cx)?;
        self.right.open(cx)
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let (own, other) = match input {
            0 => (&mut self.left, &mut self.right),
            1 => (&mut self.right, &mut self.left),
            _ => return Err(Error::internal(format!("a temporal join has no input {input}"))),
        };
        let arrival = own.arrive(&batch, now_ms).await?;
        other.keep_alive(&arrival, now_ms).await?;
        let due = if input == 0 { own.wait(&batch, &arrival)? } else { own.version(&batch, &arrival)? };
        let timers = self.timers.as_ref().ok_or_else(not_open)?;
        timers.register(&arrival.keys, &due, cx.timers)?;
        if input == 0 && self.is_left_join {
            self.emit_timeless(&batch, &arrival, cx).await?;
        }
        self.left.expire(now_ms)?;
        self.right.expire(now_ms)
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let (now_ms, watermark) = (cx.processing_time_ms, cx.watermark.0);
        let keys = self.timers.as_ref().ok_or_else(not_open)?.keys(timers)?;
        let left = self.left.find(&keys, timers.len(), now_ms).await?;
        let right = self.right.find(&keys, timers.len(), now_ms).await?;
        let (mut due, mut again, mut seen) = (Due::default(), Vec::new(), HashSet::default());
        for (row, (left, right)) in left.into_iter().zip(right).enumerate() {
            // Several timers of a key may be due.
            if !seen.insert((left, right)) {
                continue;
            }
            if let Some(group) = left {
                let next = self.left.due(group, watermark, |waiting, at| {
                    due.push(waiting, right.map_or(NO_ROW, |versions| self.right.version_at(versions, at)));
                });
                again.extend(next.map(|at| (row, at)));
                due.leave(group);
            }
            if let Some(versions) = right {
                due.clean(versions, row);
            }
            if due.len() >= ROWS_MAX {
                self.finish(std::mem::take(&mut due), &mut again, cx).await?;
            }
        }
        self.finish(due, &mut again, cx).await?;
        self.timers.as_ref().ok_or_else(not_open)?.register(&keys, &again, cx.timers)
    }
}

fn not_open() -> Error {
    Error::internal("a temporal join was not opened")
}

impl TemporalJoin {
    /// Emits rows that are due, and forgets them and the versions that nobody asks for any more.
    async fn finish(
        &mut self,
        mut due: Due,
        again: &mut Vec<(usize, i64)>,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let (waiting, versions) = due.pairs();
        let columns = || Ok([self.left.columns(&waiting)?, self.right.columns(&versions)?].concat());
        let passing = self.joined.passing(waiting.len(), columns, &eval_cx)?;
        due.keep(passing.as_ref(), self.is_left_join);
        if !due.waiting.is_empty() {
            let columns = [self.left.columns(&due.waiting)?, self.right.columns(&due.versions)?].concat();
            let (rows, _, _) = self.joined.inserts(columns, due.waiting.len())?.into_parts();
            let kinds = self.left.kinds(&due.waiting)?;
            emit(ChangeBatch::new(rows, Some(kinds))?, cx).await?;
        }
        for group in &due.left {
            self.left.forget_due(*group, cx.watermark.0, cx.processing_time_ms)?;
        }
        for (group, row) in &due.right {
            let next = self.right.forget_old(*group, cx.watermark.0, cx.processing_time_ms)?;
            again.extend(next.map(|at| (*row, at)));
        }
        Ok(())
    }

    /// Rows that can have no version come at once.
    async fn emit_timeless(
        &mut self,
        batch: &ChangeBatch,
        arrival: &Arrival,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let rows = arrival.timeless();
        if rows.is_empty() {
            return Ok(());
        }
        let taken = batch.take(&rows.into())?;
        let nulls = self.right.columns(&vec![NO_ROW; taken.len()])?;
        let (rows, kinds, _) = taken.into_parts();
        let columns = [rows.columns().to_vec(), nulls].concat();
        let (rows, _, _) = self.joined.inserts(columns, rows.num_rows())?.into_parts();
        emit(ChangeBatch::new(rows, kinds)?, cx).await
    }
}

/// The number that stands for a row kind in a tag.
fn tag_of(kind: RowKind) -> i32 {
    match kind {
        RowKind::Insert => 0,
        RowKind::UpdateBefore => 1,
        RowKind::UpdateAfter => 2,
        RowKind::Delete => 3,
    }
}

fn kind_of(tag: i32) -> Result<RowKind> {
    [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete]
        .get(usize::try_from(tag).unwrap_or(usize::MAX))
        .copied()
        .ok_or_else(|| Error::corrupt(format!("a row that waits in a temporal join has the kind {tag}")))
}

impl Side {
    /// The kinds of rows that wait.
    fn kinds(&self, waiting: &[u32]) -> Result<RowKinds> {
        let rows = self.rows()?;
        let kinds = waiting.iter().map(|row| kind_of(rows.tag(*row))).collect::<Result<Vec<_>>>()?;
        Ok(RowKinds::new(kinds))
    }
}

#[cfg(test)]
mod tests;
