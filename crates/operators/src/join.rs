//! Joins the rows of two inputs by equal keys and a condition, whatever changes come.
//!
//! Flink counterpart: `StreamingJoinOperator` and `StreamingSemiAntiJoinOperator`. Each side's rows are remembered by the
//! join key. A row that comes meets those of the other side: it gives a pair with each, with its own kind; where rows
//! without a partner come with nulls, the first partner takes that row back and the loss of the last one brings it again.
//! For that each row of such a side knows how many partners it has. A semi join gives a row of the left with its first
//! partner, an anti join until then.
//!
//! All rows of a batch come from one input, and the other side's rows do not change meanwhile: so all pairs are found
//! first, the condition is evaluated for them at once, and what is emitted is taken out of columns. Only the counts of
//! partners go row by row. Pairs are made some [`PAIRS_MAX`] at a time.
//!
//! **State layout**: states `left` and `right`, by the join key; their one part is a [`RowMultiMap`], a row's tag being
//! the number of its partners. A row with a null in a key that has no equal is not remembered.
//!
//! **Does not:** spill a part of the rows of one key.

mod best;
mod output;
mod pairs;
pub(crate) mod side;

use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::state::KeyedContainer;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result, RowKind};
use flott_functions::{CompileContext, EvalContext};
use flott_graph::spec::{JoinKind, JoinSpec};
use flott_state::hot::{NO_ROW, RowMultiMap};

use self::output::{Changes, Layout};
use self::pairs::Pairs;
use self::side::{Arrival, Remembering, Side};
use crate::emit::emit;
use crate::factory::FromSpec;

/// So many pairs are made before they are tested and emitted; a row's pairs are made together.
const PAIRS_MAX: usize = 4 * BATCH_ROWS_MAX;

/// See the module.
pub struct Join {
    spec: JoinSpec,
    sides: [Side; 2],
    layout: Layout,
}

impl FromSpec for Join {
    type Spec = JoinSpec;

    fn from_spec(spec: JoinSpec) -> Result<Self> {
        let (kind, count) = (spec.kind, spec.nulls_meet.len());
        if spec.left.keys.len() != count || spec.right.keys.len() != count {
            return Err(Error::internal("a join compares other numbers of columns on its sides"));
        }
        // Who comes without a partner, or because of one, counts its partners.
        let counts_left = kind.keeps_left() || kind.is_left_only();
        let each = |counts_partners| Remembering { counts_partners, rows_expire: true };
        let sides = [
            Side::new("left", &spec.left, &spec.nulls_meet, each(counts_left))?,
            Side::new("right", &spec.right, &spec.nulls_meet, each(kind.keeps_right()))?,
        ];
        let layout = Layout::new(&spec)?;
        Ok(Join { spec, sides, layout })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for Join {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        let keys = self.side(input)?.keys(batch);
        self.sides.iter().try_for_each(|side| side.prefetch(&keys, batch.len()))
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.sides.iter_mut().filter_map(Side::container).collect()
    }
}

#[async_trait]
impl Operator for Join {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let zone = self.spec.session_zone.clone();
        let compile_cx = CompileContext { session_zone: zone, environment: Some(cx.environment.clone()) };
        self.layout.open(self.spec.condition.as_ref(), &compile_cx)?;
        self.sides.iter_mut().try_for_each(|side| side.open(cx))
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let eval_cx = EvalContext { processing_time_ms: now_ms, watermark: cx.watermark.0 };
        self.side(input)?;
        let [left, right] = &mut self.sides;
        let (own, other) = if input == 0 { (left, right) } else { (right, left) };
        let arrival = own.arrive(&batch, now_ms).await?;
        let partners = other.partners(&own.keys(&batch), &arrival, now_ms).await?;
        let mut step = Step { kind: self.spec.kind, is_left: input == 0, own, other, now_ms };
        let mut begin = 0;
        while begin < batch.len() {
            let mut pairs = Pairs::collect(&partners, step.other.rows()?, (begin, PAIRS_MAX), now_ms);
            self.layout.test(&mut pairs, &batch, step.other.rows()?, (step.is_left, &eval_cx))?;
            let end = pairs.end();
            let changes = step.changes(&batch, &arrival, (&partners, &pairs))?;
            let part = batch.slice(begin, end - begin);
            let rows = self.layout.rows(changes, (&batch, &part), step.other.rows()?, step.is_left)?;
            emit(rows, cx).await?;
            begin = end;
        }
        step.own.forget_empty(&arrival)?;
        self.sides.iter_mut().try_for_each(|side| side.expire(now_ms))
    }
}

impl Join {
    fn side(&self, input: usize) -> Result<&Side> {
        self.sides.get(input).ok_or_else(|| Error::internal(format!("a join has no input {input}")))
    }
}

/// Rows of one input meet those of the other.
struct Step<'a> {
    kind: JoinKind,
    is_left: bool,
    own: &'a mut Side,
    other: &'a mut Side,
    now_ms: i64,
}

impl Step<'_> {
    /// What the rows of some pairs give, and what is remembered of them.
    fn changes(
        &mut self,
        batch: &ChangeBatch,
        arrival: &Arrival,
        (partners, pairs): (&[Option<u32>], &Pairs),
    ) -> Result<Changes> {
        let mut changes = Changes::default();
        let mut coming = self.own.changing(batch)?;
        for row in pairs.rows() {
            changes.begin_row();
            let matched = pairs.of(row);
            let kind = batch.kind(row);
            let replaced = match arrival.group(row) {
                None => false,
                Some(group) if kind.is_retract() => {
                    coming.retract(group, row, self.now_ms);
                    false
                }
                Some(group) => coming.add(group, row, pairs.count_of(row), self.now_ms),
            };
            if let (Some(group), false) = (partners[row], matched.is_empty()) {
                self.other.set_changed(group, self.now_ms);
            }
            let meeting = Meeting { kind: self.kind, is_left: self.is_left, row, row_kind: kind, replaced };
            meeting.run(matched, self.other, (self.now_ms, &mut changes))?;
        }
        coming.finish()?;
        changes.end();
        Ok(changes)
    }
}

/// A row and its partners.
struct Meeting {
    kind: JoinKind,
    is_left: bool,
    row: usize,
    row_kind: RowKind,
    /// Whether it took the place of a row with the same partners.
    replaced: bool,
}

impl Meeting {
    fn run(&self, matched: &[u32], other: &mut Side, to: (i64, &mut Changes)) -> Result<()> {
        match (self.kind.is_left_only(), self.is_left) {
            (false, _) => self.outer(matched, other, to),
            (true, true) => {
                if matched.is_empty() == (self.kind == JoinKind::Anti) {
                    to.1.push(self.row as u32, NO_ROW, self.row_kind);
                }
                Ok(())
            }
            (true, false) => self.semi(matched, other, to),
        }
    }

    /// Inner and outer joins.
    fn outer(&self, matched: &[u32], other: &mut Side, (now_ms, changes): (i64, &mut Changes)) -> Result<()> {
        let (keeps_own, keeps_other) = match self.is_left {
            true => (self.kind.keeps_left(), self.kind.keeps_right()),
            false => (self.kind.keeps_right(), self.kind.keeps_left()),
        };
        let retracts = self.row_kind.is_retract();
        if matched.is_empty() {
            if keeps_own {
                changes.push(self.row as u32, NO_ROW, if retracts { RowKind::Delete } else { RowKind::Insert });
            }
            return Ok(());
        }
        if keeps_other && !retracts && !self.replaced {
            each_partner(matched, other.rows_mut()?, |rows, partner, count| {
                if rows.tag(partner) == 0 {
                    (0..count).for_each(|_| changes.push(NO_ROW, partner, RowKind::Delete));
                }
                rows.set_tag(partner, rows.tag(partner) + 1, now_ms);
            });
        }
        let kind = match (keeps_own || keeps_other && !retracts, retracts) {
            (true, true) => RowKind::Delete,
            (true, false) => RowKind::Insert,
            (false, _) => self.row_kind,
        };
        matched.iter().for_each(|partner| changes.push(self.row as u32, *partner, kind));
        if keeps_other && retracts {
            each_partner(matched, other.rows_mut()?, |rows, partner, count| {
                if rows.tag(partner) == 1 {
                    (0..count).for_each(|_| changes.push(NO_ROW, partner, RowKind::Insert));
                }
                rows.set_tag(partner, rows.tag(partner) - 1, now_ms);
            });
        }
        Ok(())
    }

    /// A row of the right of a semi or anti join: rows of the left come and go by it.
    fn semi(&self, matched: &[u32], other: &mut Side, (now_ms, changes): (i64, &mut Changes)) -> Result<()> {
        let (retracts, is_anti) = (self.row_kind.is_retract(), self.kind == JoinKind::Anti);
        if self.replaced {
            return Ok(());
        }
        each_partner(matched, other.rows_mut()?, |rows, partner, count| {
            let (edge, change) = if retracts { (1, -1) } else { (0, 1) };
            let kind = match (is_anti, retracts) {
                (false, _) => self.row_kind,
                (true, false) => RowKind::Delete,
                (true, true) => RowKind::Insert,
            };
            if rows.tag(partner) == edge {
                (0..count).for_each(|_| changes.push(NO_ROW, partner, kind));
            }
            rows.set_tag(partner, rows.tag(partner) + change, now_ms);
        });
        Ok(())
    }
}

/// Visits each partner once, with how often it is among the pairs.
fn each_partner(matched: &[u32], rows: &mut RowMultiMap, mut visit: impl FnMut(&mut RowMultiMap, u32, usize)) {
    for same in matched.chunk_by(|a, b| a == b) {
        visit(rows, same[0], same.len());
    }
}

#[cfg(test)]
mod tests;
