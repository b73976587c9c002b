//! Joins each row with the rows that a table outside has for its key at that moment:
//! `JOIN t FOR SYSTEM_TIME AS OF o.proctime ON o.key = t.key`.
//!
//! Flink counterpart: `LookupJoin`, with `AsyncWaitOperator` where keys are asked for at once. **State layout**: none;
//! what is kept of the answers is in memory only, and asked for again behind a restore. The keys of a batch are asked for
//! together, and its rows go on when all answers are there: in the order in which they came, whatever order the answers
//! came in. A null in a key has no rows. What was found passes the filter of the table, then the condition of pairs; a row
//! without any comes with nulls, if such rows come.
//!
//! A change is looked up like any row: what an old row takes back is what the table has now, as in Flink unless it is told
//! to resolve updates that depend on time (`table.optimizer.non-deterministic-update.strategy`), which is not built.

mod answers;
mod full;
mod lookup;
mod partial;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::{Field, Schema as ArrowSchema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use async_trait::async_trait;
use flott_api::lookup::Found;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::LookupJoinSpec;

use self::lookup::Lookup;
use crate::emit::{emit, record_batch, replace_marks};
use crate::factory::FromSpec;
use crate::joined::{Joined, taken};

/// So many pairs are made at a time.
const PAIRS_MAX: usize = 8 * BATCH_ROWS_MAX;

/// See the module.
pub struct LookupJoin {
    spec: LookupJoinSpec,
    output: SchemaRef,
    joined: Joined,
    opened: Option<Opened>,
}

struct Opened {
    lookup: Lookup,
    keys: Vec<CompiledExpr>,
    key_schema: SchemaRef,
    filter: Option<CompiledExpr>,
    projection: Vec<CompiledExpr>,
    projected: SchemaRef,
}

impl FromSpec for LookupJoin {
    type Spec = LookupJoinSpec;

    fn from_spec(spec: LookupJoinSpec) -> Result<Self> {
        let mut projected = spec.output.clone();
        projected.fields.drain(..spec.input.len().min(projected.fields.len()));
        let condition = (spec.condition.clone(), spec.session_zone.clone());
        let joined = Joined::new([&spec.input, &projected], &spec.output, condition);
        Ok(LookupJoin { output: spec.output.arrow(), joined, spec, opened: None })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for LookupJoin {}

#[async_trait]
impl Operator for LookupJoin {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let spec = &self.spec;
        let compile_cx =
            CompileContext { session_zone: spec.session_zone.clone(), environment: Some(cx.environment.clone()) };
        let all = |exprs: &[_]| exprs.iter().map(|e| compile(e, &compile_cx)).collect::<Result<Vec<_>>>();
        let fields = |exprs: &[flott_api::expr::Expr]| {
            let fields = exprs.iter().map(|e| Field::new("", e.ty().arrow(), true)).collect::<Vec<_>>();
            Arc::new(ArrowSchema::new(fields))
        };
        self.opened = Some(Opened {
            lookup: Lookup::open(spec, cx)?,
            keys: all(&spec.keys)?,
            key_schema: fields(&spec.keys),
            filter: spec.filter.as_ref().map(|f| compile(f, &compile_cx)).transpose()?,
            projection: all(&spec.projection)?,
            projected: fields(&spec.projection),
        });
        self.joined.open(cx)
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let opened = self.opened.as_mut().ok_or_else(|| Error::internal("a lookup join was not opened"))?;
        let found = opened.find(&batch, &eval_cx).await?;
        let pieces = pieces(&found.keys, batch.len());
        for rows in pieces {
            let joined = self.joined(&batch.slice(rows.start, rows.len()), part(&found, rows), &eval_cx)?;
            emit(joined, cx).await?;
        }
        Ok(())
    }
}

impl Opened {
    /// What the table has for the rows of a batch, after its filter and projection.
    async fn find(&mut self, batch: &ChangeBatch, cx: &EvalContext) -> Result<Found> {
        let nothing = || Found { rows: RecordBatch::new_empty(self.projected.clone()), keys: Vec::new() };
        if batch.is_empty() {
            return Ok(nothing());
        }
        let keys = self.keys.iter().map(|key| key.evaluate(batch.rows(), cx)).collect::<Result<Vec<_>>>()?;
        let asking = without_nulls(&keys, batch.len());
        if asking.as_ref().is_some_and(Vec::is_empty) {
            return Ok(nothing());
        }
        let keys = record_batch(&self.key_schema, keys, batch.len())?;
        let found = match asking {
            None => self.lookup.find(&keys, cx.processing_time_ms).await?,
            Some(which) => {
                let found = self.lookup.find(&answers::taken(&keys, &which)?, cx.processing_time_ms).await?;
                answers::placed(found, &which)
            }
        };
        self.selected(found, cx)
    }

    fn selected(&self, found: Found, cx: &EvalContext) -> Result<Found> {
        let mut found = found;
        if let Some(filter) = self.filter.as_ref().filter(|_| !found.keys.is_empty()) {
            let passes = filter.evaluate_predicate(&found.rows, cx)?;
            let passes: BooleanArray =
                (0..passes.len()).map(|at| Some(passes.is_valid(at) && passes.value(at))).collect();
            let rows = filter_record_batch(&found.rows, &passes)?;
            let keys = found.keys.iter().zip(passes.values()).filter(|(_, passes)| *passes).map(|(key, _)| *key);
            found = Found { keys: keys.collect(), rows };
        }
        if found.keys.is_empty() {
            return Ok(Found { rows: RecordBatch::new_empty(self.projected.clone()), keys: Vec::new() });
        }
        let columns = self.projection.iter().map(|e| e.evaluate(&found.rows, cx)).collect::<Result<Vec<_>>>()?;
        Ok(Found { rows: record_batch(&self.projected, columns, found.keys.len())?, keys: found.keys })
    }
}

impl LookupJoin {
    /// The rows of a batch with those that were found for them.
    fn joined(&self, batch: &ChangeBatch, found: Found, cx: &EvalContext) -> Result<ChangeBatch> {
        let mut rows = found.keys;
        let mut partners: Vec<Option<u32>> = (0..rows.len() as u32).map(Some).collect();
        let columns = |rows: &[u32], partners: &[Option<u32>]| -> Result<Vec<ArrayRef>> {
            let mut columns = taken(batch.rows(), &UInt32Array::from(rows.to_vec()))?;
            columns.extend(taken(&found.rows, &UInt32Array::from(partners.to_vec()))?);
            Ok(columns)
        };
        if let Some(passing) = self.joined.passing(rows.len(), || columns(&rows, &partners), cx)? {
            let passes = |at: &usize| passing.is_valid(*at) && passing.value(*at);
            let kept: Vec<usize> = (0..rows.len()).filter(passes).collect();
            partners = kept.iter().map(|at| partners[*at]).collect();
            rows = kept.iter().map(|at| rows[*at]).collect();
        }
        if self.spec.kind.keeps_left() {
            (rows, partners) = with_missing((rows, partners), batch.len());
        }
        let joined = record_batch(&self.output, columns(&rows, &partners)?, rows.len())?;
        let kinds = batch.kinds().map(|kinds| kinds.take(rows.iter().map(|row| *row as usize)));
        let before = |row: usize| rows.partition_point(|r| (*r as usize) < row);
        ChangeBatch::new(joined, kinds)?.with_marks(replace_marks(batch.marks(), before))
    }
}

/// The rows of a batch that have no null in their key; nothing if all have none.
fn without_nulls(keys: &[ArrayRef], rows: usize) -> Option<Vec<u32>> {
    if keys.iter().all(|key| key.null_count() == 0) {
        return None;
    }
    let whole = |row: &u32| keys.iter().all(|key| key.is_valid(*row as usize));
    Some((0..rows as u32).filter(whole).collect())
}

/// Ranges of a batch's rows with as many pairs as are made at a time, or one row each.
fn pieces(keys: &[u32], rows: usize) -> Vec<Range<usize>> {
    let (mut pieces, mut begin, mut done) = (Vec::new(), 0, 0);
    while done + PAIRS_MAX < keys.len() {
        // The row of the first pair that is too much begins the next piece, unless it fills this one alone.
        let end = (keys[done + PAIRS_MAX] as usize).max(begin + 1);
        pieces.push(begin..end);
        begin = end;
        done = keys.partition_point(|key| (*key as usize) < end);
    }
    if begin < rows || rows == 0 {
        pieces.push(begin..rows);
    }
    pieces
}

/// What was found for some rows, as if they were all.
fn part(found: &Found, rows: Range<usize>) -> Found {
    let begin = found.keys.partition_point(|key| (*key as usize) < rows.start);
    let end = found.keys.partition_point(|key| (*key as usize) < rows.end);
    let keys = found.keys[begin..end].iter().map(|key| key - rows.start as u32).collect();
    Found { rows: found.rows.slice(begin, end - begin), keys }
}

/// With a pair without a partner for each row that has none.
fn with_missing((rows, partners): (Vec<u32>, Vec<Option<u32>>), all: usize) -> (Vec<u32>, Vec<Option<u32>>) {
    let mut pairs = (Vec::with_capacity(rows.len().max(all)), Vec::with_capacity(rows.len().max(all)));
    let mut next = 0;
    for row in 0..all as u32 {
        let begin = next;
        while rows.get(next) == Some(&row) {
            next += 1;
        }
        pairs.0.extend(std::iter::repeat_n(row, (next - begin).max(1)));
        match &partners[begin..next] {
            [] => pairs.1.push(None),
            found => pairs.1.extend_from_slice(found),
        }
    }
    pairs
}

#[cfg(test)]
mod tests;
