//! Joins rows of two inputs that have equal keys and times near each other.
//!
//! Flink counterpart: `IntervalJoin` (`RowTimeIntervalJoin`, `ProcTimeIntervalJoin`). A row meets those of the other side
//! that came before it and are remembered, and is remembered itself while others that it may meet can still come: until
//! the watermark (or the clock) has passed its time by the width of the interval on its side. Where rows without a partner
//! come with nulls they do then. A row that comes when none for it can come any more still meets what is remembered.
//!
//! Pairs come later than the times in them: watermarks are held back by the width of the interval.
//!
//! As in Flink a key has one timer for each side, set for the row that came first and, when that one is forgotten, for the
//! earliest that is left. So a row that came behind a later one is forgotten only with that, or when a row of the other
//! side comes; a late row may meet it until then. Unlike Flink what a late row meets does not depend on other keys, and
//! times before 1970 are times as any other. A row without a time, or with a null in a key that has no equal, is not
//! remembered: it has no partner.
//!
//! **State layout**: states `left` and `right`, by the join key; their one part is a
//! [`RowMultiMap`](flott_state::hot::RowMultiMap) in the order of times. A row's time is that by which it is joined, its tag
//! says whether it had a partner (1) and whether the timer of its side is set for it (2). An interval that no two times
//! can be in has no state.

mod bounds;
mod cache;
mod pairs;

use arrow_array::{ArrayRef, BooleanArray, UInt32Array};
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful, TimeDomain, Timer};
use flott_api::state::KeyedContainer;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result, Watermark};
use flott_functions::EvalContext;
use flott_graph::spec::IntervalJoinSpec;
use flott_state::hot::NO_ROW;
use foldhash::HashSet;

use self::bounds::Bounds;
use self::cache::{Arrivals, Cache};
use self::pairs::{Output, Pairs};
use crate::emit::emit;
use crate::factory::FromSpec;
use crate::joined::{Joined, ordered, taken};
use crate::key_timers::KeyTimers;

/// So many pairs are made before they are tested and emitted. Which are pairs is known of all of a row at once, as numbers
/// of rows; their columns never are of more.
const PAIRS_MAX: usize = 4 * BATCH_ROWS_MAX;

/// See the module.
pub struct IntervalJoin {
    bounds: Bounds,
    is_rowtime: bool,
    caches: [Cache; 2],
    joined: Joined,
    /// Is there from `open` on.
    timers: Option<KeyTimers>,
}

impl FromSpec for IntervalJoin {
    type Spec = IntervalJoinSpec;

    fn from_spec(spec: IntervalJoinSpec) -> Result<Self> {
        let (kind, count) = (spec.kind, spec.nulls_meet.len());
        if spec.left.keys.len() != count || spec.right.keys.len() != count {
            return Err(Error::internal("an interval join compares other numbers of columns on its sides"));
        }
        if kind.is_left_only() {
            return Err(Error::internal("an interval join that only gives rows of the left"));
        }
        let bounds = Bounds { lower_ms: spec.lower_ms, upper_ms: spec.upper_ms };
        let caches = [
            Cache::new(true, &spec, bounds, kind.keeps_left())?,
            Cache::new(false, &spec, bounds, kind.keeps_right())?,
        ];
        let inputs = [&spec.left.input, &spec.right.input];
        let joined = Joined::new(inputs, &spec.output, (spec.condition, spec.session_zone));
        Ok(IntervalJoin { bounds, is_rowtime: spec.is_rowtime, caches, joined, timers: None })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl Stateful for IntervalJoin {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        let keys = self.cache(input)?.keys(batch);
        self.caches.iter().try_for_each(|cache| cache.prefetch(&keys, batch.len()))
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.caches.iter_mut().filter_map(Cache::container).collect()
    }
}

#[async_trait]
impl Operator for IntervalJoin {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let domain = if self.is_rowtime { TimeDomain::Event } else { TimeDomain::Processing };
        self.timers = Some(KeyTimers::new(cx, self.caches[0].key_types(), domain));
        self.joined.open(cx)?;
        self.caches.iter_mut().try_for_each(|cache| cache.open(cx))
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if batch.kinds().is_some() {
            return Err(Error::internal("an interval join got an update"));
        }
        let now_ms = cx.processing_time_ms;
        let operator_ms = if self.is_rowtime { cx.watermark.0 } else { now_ms };
        let arrivals = self.cache(input)?.arrivals(&batch, operator_ms, now_ms)?;
        let mut emitted = vec![false; batch.len()];
        self.meet((input, &batch), &arrivals, &mut emitted, (operator_ms, cx)).await?;
        let timers = self.timers.as_ref().ok_or_else(not_open)?;
        let due = self.caches[input].keep(&batch, &arrivals, (&emitted, now_ms)).await?;
        timers.register(&arrivals.keys, &due, cx.timers)
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let held_back = match watermark {
            Watermark::MAX => Watermark::MAX,
            Watermark(at) if self.is_rowtime => Watermark(at.saturating_sub(self.bounds.delay_ms())),
            other => other,
        };
        cx.output.emit_watermark(held_back).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let keys = self.timers.as_ref().ok_or_else(not_open)?.keys(timers)?;
        let mut groups = [Vec::new(), Vec::new()];
        for (cache, groups) in self.caches.iter_mut().zip(&mut groups) {
            *groups = cache.find(&keys, timers.len(), cx.processing_time_ms).await?;
        }
        let mut seen = HashSet::default();
        let mut leaving: Vec<Leaving> = Vec::new();
        for (at, timer) in timers.iter().enumerate() {
            for (side, groups) in groups.iter().enumerate() {
                let Some(group) = groups[at].filter(|group| self.caches[side].is_due(*group, timer.at_ms)) else {
                    continue;
                };
                // What was forgotten by an earlier timer must be gone before the next one of its key.
                if !seen.insert((side, group)) {
                    self.forget(std::mem::take(&mut leaving), &keys, cx).await?;
                    seen.clear();
                    seen.insert((side, group));
                }
                leaving.push(Leaving { side, group, row: at, operator_ms: timer.at_ms });
            }
        }
        self.forget(leaving, &keys, cx).await
    }
}

/// Rows of a key that are over at a time.
struct Leaving {
    side: usize,
    group: u32,
    /// The timer.
    row: usize,
    operator_ms: i64,
}

fn not_open() -> Error {
    Error::internal("an interval join was not opened")
}

impl IntervalJoin {
    fn cache(&self, input: usize) -> Result<&Cache> {
        self.caches.get(input).ok_or_else(|| Error::internal(format!("an interval join has no input {input}")))
    }

    /// Emits what rows give when they come; says which of them had a partner.
    async fn meet(
        &mut self,
        (input, batch): (usize, &ChangeBatch),
        arrivals: &Arrivals,
        emitted: &mut [bool],
        (operator_ms, cx): (i64, &mut OperatorContext<'_>),
    ) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let eval_cx = EvalContext { processing_time_ms: now_ms, watermark: cx.watermark.0 };
        let groups = self.caches[1 - input].partners(arrivals, now_ms).await?;
        let mut begin = 0;
        while begin < batch.len() {
            let other = &self.caches[1 - input];
            let mut pairs = Pairs::collect((&groups, arrivals), other, (begin, PAIRS_MAX), operator_ms)?;
            if let Some(passing) = self.passing((input, batch), &pairs, &eval_cx)? {
                pairs.keep(&passing);
            }
            let output = self.output(input, &pairs, arrivals, emitted)?;
            for (own, other) in output.own.chunks(PAIRS_MAX).zip(output.other.chunks(PAIRS_MAX)) {
                let columns = self.columns(input, batch, UInt32Array::from(own.to_vec()), other)?;
                emit(self.joined.inserts(columns, other.len())?, cx).await?;
            }
            if let Some((row, group)) = pairs.leaving {
                let due = self.caches[1 - input].forget(group, operator_ms)?;
                let due: Vec<(usize, i64)> = due.map(|at| (row, at)).into_iter().collect();
                self.timers.as_ref().ok_or_else(not_open)?.register(&arrivals.keys, &due, cx.timers)?;
            }
            begin = pairs.end();
        }
        Ok(())
    }

    /// For which pairs the condition holds; nothing if there is none, or no pair.
    fn passing(
        &self,
        (input, batch): (usize, &ChangeBatch),
        pairs: &Pairs,
        eval_cx: &EvalContext,
    ) -> Result<Option<BooleanArray>> {
        let (rows, partners) = pairs.both();
        let mut passing = Vec::new();
        for (rows, partners) in rows.chunks(PAIRS_MAX).zip(partners.chunks(PAIRS_MAX)) {
            let columns = || self.columns(input, batch, UInt32Array::from(rows.to_vec()), partners);
            let Some(of_them) = self.joined.passing(partners.len(), columns, eval_cx)? else { return Ok(None) };
            passing.extend(&of_them);
        }
        Ok((!passing.is_empty()).then(|| BooleanArray::from(passing)))
    }

    /// What pairs give, and rows that will have none.
    fn output(&mut self, input: usize, pairs: &Pairs, arrivals: &Arrivals, emitted: &mut [bool]) -> Result<Output> {
        let mut output = Output::default();
        let keeps_own = self.caches[input].is_outer();
        let other = &mut self.caches[1 - input];
        for row in pairs.rows() {
            for partner in pairs.of(row) {
                output.push(Some(row), *partner);
                other.set_emitted(*partner)?;
                emitted[row] = true;
            }
            if row + 1 == pairs.end() {
                for gone in &pairs.expired {
                    if other.comes_alone(*gone)? {
                        output.push(None, *gone);
                    }
                }
            }
            if keeps_own && !emitted[row] && !arrivals.stays(row) {
                output.push(Some(row), NO_ROW);
            }
        }
        Ok(output)
    }

    fn columns(&self, input: usize, batch: &ChangeBatch, own: UInt32Array, other: &[u32]) -> Result<Vec<ArrayRef>> {
        let other = self.caches[1 - input].columns(other)?;
        Ok(ordered(taken(batch.rows(), &own)?, other, input == 0))
    }

    /// Forgets rows that are over; those without a partner come with nulls.
    async fn forget(&mut self, leaving: Vec<Leaving>, keys: &[ArrayRef], cx: &mut OperatorContext<'_>) -> Result<()> {
        if leaving.is_empty() {
            return Ok(());
        }
        let mut alone = [Vec::new(), Vec::new()];
        for Leaving { side, group, operator_ms, .. } in &leaving {
            let cache = &self.caches[*side];
            for row in cache.expired(*group, *operator_ms)? {
                if cache.comes_alone(row)? {
                    alone[*side].push(row);
                    alone[1 - side].push(NO_ROW);
                }
            }
        }
        for (left, right) in alone[0].chunks(PAIRS_MAX).zip(alone[1].chunks(PAIRS_MAX)) {
            let columns = ordered(self.caches[0].columns(left)?, self.caches[1].columns(right)?, true);
            emit(self.joined.inserts(columns, left.len())?, cx).await?;
        }
        let mut due = Vec::new();
        for Leaving { side, group, row, operator_ms } in leaving {
            due.extend(self.caches[side].forget(group, operator_ms)?.map(|at| (row, at)));
        }
        self.timers.as_ref().ok_or_else(not_open)?.register(keys, &due, cx.timers)
    }
}

#[cfg(test)]
mod tests;
