//! Joins several inputs that share a key in one operator, whatever changes come.
//!
//! Flink counterpart: `StreamingMultiJoinOperator`. The inputs are joined from left to right, each by an inner or a left
//! join. Each input's rows are remembered once, by the key that all inputs share; what a chain of joins would remember
//! between them is found anew. A row that comes meets the combinations of the inputs before its own, and these the rows
//! of those behind, with its own kind. Where its input may be missing, the first row that a combination meets takes back
//! what it gave with nulls, and the loss of the last one brings that again.
//!
//! All rows of a batch come from one input, and the other inputs do not change meanwhile: so combinations of many rows are
//! made at once, input by input, and tested in columns. They are made in pieces of [`PIECE`], depth first, so that
//! memory is bounded by the number of inputs, however many there are; what comes out is in the order of the rows.
//! A condition between the row that came and inputs before its own is tested as soon as what it reads is there.
//!
//! **State layout**: states `input-0`, `input-1` and so on, by the shared key; their one part is a [`RowMultiMap`]. A row
//! with a null in the key has no equal and is not remembered. What expires are all rows of a key together.
//!
//! **Does not:** look rows up by equal columns that are not shared by all inputs: these are tested like any condition.

mod check;
mod combinations;
mod matches;
mod output;
mod walk;

use std::ops::Range;

use async_trait::async_trait;
use flott_api::expr::Expr;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::state::KeyedContainer;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};
use flott_functions::{CompileContext, EvalContext};
use flott_graph::spec::{JoinKind, JoinSide, MultiJoinSpec};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use self::check::Level;
use self::matches::Effects;
use self::output::Outgoing;
use self::walk::Walk;
use crate::factory::FromSpec;
use crate::join::side::{Arrival, Remembering, Side};

/// So many combinations are made before they are tested.
const PIECE: usize = if cfg!(test) { 3 } else { BATCH_ROWS_MAX };
/// Of the rows of one key that are counted among themselves so many come together: each is tested with those behind it.
const COUNTED_TOGETHER: usize = if cfg!(test) { 2 } else { 32 };

/// See the module.
pub struct MultiJoin {
    spec: MultiJoinSpec,
    sides: Vec<Side>,
    /// How each input is joined with those before it. Is there from `open` on.
    levels: Vec<Level>,
}

impl FromSpec for MultiJoin {
    type Spec = MultiJoinSpec;

    fn from_spec(spec: MultiJoinSpec) -> Result<Self> {
        check_spec(&spec)?;
        let kept = Remembering { counts_partners: false, rows_expire: false };
        let side = |(at, side): (usize, &JoinSide)| {
            Side::new(&format!("input-{at}"), side, &vec![false; side.keys.len()], kept)
        };
        let sides = spec.inputs.iter().enumerate().map(side).collect::<Result<_>>()?;
        Ok(MultiJoin { spec, sides, levels: Vec::new() })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

fn check_spec(spec: &MultiJoinSpec) -> Result<()> {
    let wrong = |what: &str| Err(Error::internal(format!("a join of {} inputs {what}", spec.inputs.len())));
    if spec.inputs.len() < 2 || spec.steps.len() + 1 != spec.inputs.len() {
        return wrong("with another number of steps");
    }
    let keys = spec.inputs[0].keys.len();
    if spec.inputs.iter().any(|input| input.keys.len() != keys) {
        return wrong("compares other numbers of columns");
    }
    let widths: Vec<usize> = spec.inputs.iter().map(|input| input.input.len()).collect();
    if spec.output.len() != widths.iter().sum::<usize>() {
        return wrong("gives other columns");
    }
    let mut width = widths[0];
    for (at, step) in spec.steps.iter().enumerate() {
        width += widths[at + 1];
        let read = step.conditions.iter().flat_map(Expr::columns);
        if read.into_iter().any(|column| column >= width) || step.needs.iter().any(|needed| *needed > at) {
            return wrong("reads what comes later");
        }
        if !matches!(step.kind, JoinKind::Inner | JoinKind::Left) {
            return wrong("that is neither inner nor left");
        }
    }
    Ok(())
}

impl Stateful for MultiJoin {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        let keys = self.side(input)?.keys(batch);
        self.sides.iter().try_for_each(|side| side.prefetch(&keys, batch.len()))
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.sides.iter_mut().filter_map(Side::container).collect()
    }
}

#[async_trait]
impl Operator for MultiJoin {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let zone = self.spec.session_zone.clone();
        let compile_cx = CompileContext { session_zone: zone, environment: Some(cx.environment.clone()) };
        self.levels = Level::all(&self.spec, &compile_cx)?;
        self.sides.iter_mut().try_for_each(|side| side.open(cx))
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let keys = self.side(input)?.keys(&batch);
        let arrival = self.sides[input].arrive(&batch, now_ms).await?;
        let mut groups = Vec::with_capacity(self.sides.len());
        for (at, side) in self.sides.iter_mut().enumerate() {
            groups.push(match at == input {
                true => (0..batch.len()).map(|row| arrival.group(row)).collect(),
                false => side.partners(&keys, &arrival, now_ms).await?,
            });
        }
        let meeting = Meeting { input, batch: &batch, groups: &groups };
        let mut outgoing = Outgoing::new(&self.spec.output, self.sides.len());
        let mut begin = 0;
        while begin < batch.len() {
            let end = self.counted_together(&meeting, begin);
            let effects = self.remember(&meeting, &arrival, (begin..end, now_ms))?;
            self.join(&meeting, &effects, (&mut outgoing, cx)).await?;
            begin = end;
        }
        outgoing.finish(&self.sides, &meeting, cx).await?;
        self.sides[input].forget_empty(&arrival)?;
        self.sides.iter_mut().try_for_each(|side| side.expire(now_ms))
    }
}

/// The rows of a batch and what they meet.
struct Meeting<'a> {
    /// The input that they come from.
    input: usize,
    batch: &'a ChangeBatch,
    /// For each input the group of each row; nothing where it has none, or the row has no equal.
    groups: &'a [Vec<Option<u32>>],
}

impl MultiJoin {
    fn side(&self, input: usize) -> Result<&Side> {
        self.sides.get(input).ok_or_else(|| Error::internal(format!("a join has no input {input}")))
    }

    /// How far the rows from `begin` on may be taken together.
    fn counted_together(&self, meeting: &Meeting<'_>, begin: usize) -> usize {
        if !self.levels[meeting.input].tests_for_nulls() {
            return meeting.batch.len();
        }
        let groups = &meeting.groups[meeting.input][begin..];
        let mut counts: HashMap<u32, usize, FixedState> = HashMap::default();
        let full = groups.iter().position(|group| {
            group.is_some_and(|group| {
                let count = counts.entry(group).or_default();
                *count += 1;
                *count > COUNTED_TOGETHER
            })
        });
        full.map_or(meeting.batch.len(), |at| begin + at)
    }

    /// Remembers some rows, and what each has changed.
    fn remember(
        &mut self,
        meeting: &Meeting<'_>,
        arrival: &Arrival,
        (rows, now_ms): (Range<usize>, i64),
    ) -> Result<Effects> {
        let is_left = self.levels[meeting.input].is_left();
        let side = &mut self.sides[meeting.input];
        let mut effects = Effects::before(rows.clone(), meeting, if is_left { Some(side.rows()?) } else { None });
        let part = meeting.batch.slice(rows.start, rows.len());
        let mut coming = side.changing(&part)?;
        for (at, row) in rows.enumerate() {
            let Some(group) = arrival.group(row) else { continue };
            let effect = if part.kind(at).is_retract() {
                if coming.retract(group, at, now_ms) { -1 } else { 0 }
            } else if coming.add(group, at, 0, now_ms) {
                0
            } else {
                1
            };
            effects.note(row, effect);
        }
        coming.finish()?;
        Ok(effects)
    }

    /// Makes the combinations of rows that are remembered, and emits them.
    async fn join(
        &self,
        meeting: &Meeting<'_>,
        effects: &Effects,
        (outgoing, cx): (&mut Outgoing, &mut OperatorContext<'_>),
    ) -> Result<()> {
        let eval = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let maps = self.sides.iter().map(Side::rows).collect::<Result<Vec<_>>>()?;
        let mut walk = Walk::new(meeting, (&maps, &self.levels), (effects, &eval));
        while let Some(found) = walk.next()? {
            outgoing.add(found);
            if outgoing.is_full() {
                outgoing.flush(&self.sides, meeting, cx).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
