//! Pairs of the rows of two sides, tried and emitted a batch at a time.

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use flott_api::operator::OperatorContext;
use flott_api::{BATCH_ROWS_MAX, Result};
use flott_functions::{CompiledExpr, EvalContext};
use flott_graph::spec::JoinKind;
use flott_state::hot::RowLists;

use super::RIGHT;
use crate::emit::record_batch;
use crate::window::outgoing::Outgoing;

/// A key of the left side, and the group of the right one that equals it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairing {
    pub(super) left: u32,
    pub(super) right: Option<u32>,
}

/// The rows of both sides.
pub(super) struct Sides<'a> {
    pub(super) left: &'a mut RowLists,
    pub(super) right: &'a mut RowLists,
}

/// What a pair must be, and what becomes of it.
pub(super) struct Matcher {
    kind: JoinKind,
    condition: Option<CompiledExpr>,
    schemas: [SchemaRef; 2],
    /// The columns that the condition reads.
    pair: SchemaRef,
    output: SchemaRef,
}

/// The rows of some keys, one behind the other.
#[derive(Default)]
struct Flat {
    numbers: Vec<u32>,
    matched: Vec<bool>,
}

impl Flat {
    fn add(&mut self, list: &[u32]) -> std::ops::Range<usize> {
        let from = self.numbers.len();
        self.numbers.extend_from_slice(list);
        self.matched.resize(self.numbers.len(), false);
        from..self.numbers.len()
    }

    /// The rows that are in a pair, or those that are in none.
    fn of(&self, matched: bool) -> Vec<u32> {
        let rows = self.numbers.iter().zip(&self.matched).filter(|(_, m)| **m == matched);
        rows.map(|(number, _)| *number).collect()
    }
}

impl Matcher {
    pub(super) fn new(
        kind: JoinKind,
        condition: Option<CompiledExpr>,
        schemas: [SchemaRef; 2],
        output: SchemaRef,
    ) -> Self {
        let fields = schemas.iter().flat_map(|s| s.fields().iter().cloned());
        let pair = SchemaRef::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
        Matcher { kind, condition, schemas, pair, output }
    }

    fn emits_pairs(&self) -> bool {
        !matches!(self.kind, JoinKind::Semi | JoinKind::Anti)
    }

    /// Whether right rows without a left one are asked for.
    pub(super) fn keeps_right(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full)
    }

    /// Emits what these keys give.
    pub(super) async fn join(
        &self,
        keys: &[Pairing],
        sides: &mut Sides<'_>,
        to: &mut Outgoing,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let (mut left, mut right) = (Flat::default(), Flat::default());
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for key in keys {
            let lefts = left.add(sides.left.list(key.left));
            let rights = right.add(key.right.map_or(&[], |group| sides.right.list(group)));
            if self.condition.is_none() && !self.emits_pairs() {
                left.matched[lefts].fill(!rights.is_empty());
                continue;
            }
            for l in lefts {
                for r in rights.clone() {
                    pairs.push((l as u32, r as u32));
                    if pairs.len() == BATCH_ROWS_MAX {
                        self.pairs(&mut pairs, (&mut left, &mut right), sides, to, cx).await?;
                    }
                }
            }
            if left.numbers.len() + right.numbers.len() >= BATCH_ROWS_MAX {
                self.pairs(&mut pairs, (&mut left, &mut right), sides, to, cx).await?;
                self.unpaired((&left, &right), sides, to, cx).await?;
                (left, right) = (Flat::default(), Flat::default());
            }
        }
        self.pairs(&mut pairs, (&mut left, &mut right), sides, to, cx).await?;
        self.unpaired((&left, &right), sides, to, cx).await
    }

    /// Tries pairs, notes whose rows are in one, and emits them.
    async fn pairs(
        &self,
        pairs: &mut Vec<(u32, u32)>,
        (left, right): (&mut Flat, &mut Flat),
        sides: &Sides<'_>,
        to: &mut Outgoing,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        let lefts: Vec<u32> = pairs.iter().map(|(l, _)| left.numbers[*l as usize]).collect();
        let rights: Vec<u32> = pairs.iter().map(|(_, r)| right.numbers[*r as usize]).collect();
        let columns = [sides.left.rows(&lefts)?.columns(), sides.right.rows(&rights)?.columns()].concat();
        let mut rows = record_batch(&self.pair, columns, pairs.len())?;
        let mut keep = None;
        if let Some(condition) = &self.condition {
            let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
            let passes = condition.evaluate_predicate(&rows, &eval_cx)?;
            rows = filter_record_batch(&rows, &passes)?;
            keep = Some(passes);
        }
        for (place, (l, r)) in pairs.drain(..).enumerate() {
            if keep.as_ref().is_none_or(|k| k.is_valid(place) && k.value(place)) {
                left.matched[l as usize] = true;
                right.matched[r as usize] = true;
            }
        }
        if self.emits_pairs() {
            let (columns, length) = (rows.columns().to_vec(), rows.num_rows());
            to.push(record_batch(&self.output, columns, length)?, cx).await?;
        }
        Ok(())
    }

    /// Emits what is known only when all pairs were tried.
    async fn unpaired(
        &self,
        (left, right): (&Flat, &Flat),
        sides: &Sides<'_>,
        to: &mut Outgoing,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        match self.kind {
            JoinKind::Semi => to.push(self.left(sides.left.rows(&left.of(true))?)?, cx).await?,
            JoinKind::Anti => to.push(self.left(sides.left.rows(&left.of(false))?)?, cx).await?,
            JoinKind::Left | JoinKind::Full => {
                to.push(self.padded(0, sides.left.rows(&left.of(false))?)?, cx).await?;
            }
            JoinKind::Inner | JoinKind::Right => {}
        }
        if self.keeps_right() {
            to.push(self.padded(RIGHT, sides.right.rows(&right.of(false))?)?, cx).await?;
        }
        Ok(())
    }

    /// Emits the rows of groups that the other side does not have.
    pub(super) async fn alone(
        &self,
        side: usize,
        groups: &[u32],
        lists: &RowLists,
        to: &mut Outgoing,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let numbers: Vec<u32> = groups.iter().flat_map(|group| lists.list(*group)).copied().collect();
        for numbers in numbers.chunks(BATCH_ROWS_MAX) {
            to.push(self.padded(side, lists.rows(numbers)?)?, cx).await?;
        }
        Ok(())
    }

    /// Left rows alone.
    fn left(&self, rows: RecordBatch) -> Result<RecordBatch> {
        record_batch(&self.output, rows.columns().to_vec(), rows.num_rows())
    }

    /// Rows of one side with nulls for the other one.
    fn padded(&self, side: usize, rows: RecordBatch) -> Result<RecordBatch> {
        let length = rows.num_rows();
        let nulls = self.schemas[1 - side].fields().iter().map(|f| new_null_array(f.data_type(), length));
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        if side == RIGHT {
            columns.splice(0..0, nulls);
        } else {
            columns.extend(nulls);
        }
        record_batch(&self.output, columns, length)
    }
}
