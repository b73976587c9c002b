//! Filters and projects: `WHERE` and the expressions of `SELECT`.
//!
//! Flink counterpart: `Calc`. **State layout**: none. The condition is evaluated first, then only what
//! the projection reads is filtered, then the projection is evaluated on what is left, so that it cannot
//! fail on a row that the condition drops. A projection that is a column costs nothing, and if all are, the rows that are
//! left are not copied here but where they are looked at: behind an exchange, when it cuts them anyway. Fields of rows
//! are taken out of them first, so neither a filter nor a branch copies a whole row for one field. What is
//! written several times is computed once ([`repeated`]). Row kinds and marks stay with their rows.

mod repeated;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{Field, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use flott_api::expr::Expr;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::{ChangeBatch, Error, Result};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::CalcSpec;

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;
use repeated::Repeated;

/// The function whose value depends on the watermark in force at the row.
const CURRENT_WATERMARK: &str = "current_watermark";

/// What is left of a batch is not copied at once if at most so many rows lie in memory for each that is left.
const ROWS_PER_KEPT_MAX: usize = 4;

/// See the module.
pub struct Calc {
    spec: CalcSpec,
    output: SchemaRef,
    compiled: Option<Compiled>,
}

struct Compiled {
    reads: Reads,
    /// What the condition has in common with itself or with the projection.
    before: Repeated,
    condition: Option<CompiledExpr>,
    /// The columns so far that the projection reads.
    kept: Vec<usize>,
    /// What the projection has in common with itself.
    after: Repeated,
    projection: Vec<CompiledExpr>,
    /// The columns so far that are the projection, if it is nothing but columns.
    columns: Option<Vec<usize>>,
}

/// What expressions read, as the columns that they then see: input columns, and fields of rows in them.
struct Reads(Vec<CompiledExpr>);

impl FromSpec for Calc {
    type Spec = CalcSpec;

    fn from_spec(spec: CalcSpec) -> Result<Self> {
        Ok(Calc { output: spec.output.arrow(), spec, compiled: None })
    }

    fn event_time(&self) -> EventTime {
        let mut reads_watermark = false;
        for expr in self.spec.projection.iter().chain(&self.spec.condition) {
            expr.visit(&mut |e| {
                reads_watermark |= matches!(e, Expr::Call { function, .. } if function.name == CURRENT_WATERMARK);
            });
        }
        if reads_watermark { EventTime::Sliced } else { EventTime::Indifferent }
    }
}

impl flott_api::operator::Stateful for Calc {}

#[async_trait]
impl Operator for Calc {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let compile_cx =
            CompileContext { session_zone: self.spec.session_zone.clone(), environment: Some(cx.environment.clone()) };
        self.compiled = Some(Compiled::of(&self.spec, &compile_cx)?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let compiled = self.compiled.as_ref().ok_or_else(|| Error::internal("a calc was not opened"))?;
        let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let batch = compiled.evaluate(batch, &self.output, &eval_cx)?;
        emit(batch, cx).await
    }
}

impl Compiled {
    fn of(spec: &CalcSpec, cx: &CompileContext) -> Result<Self> {
        let expressions: Vec<Expr> = spec.condition.iter().chain(&spec.projection).cloned().collect();
        let (reads, mut condition) = Reads::of_all(&expressions, cx)?;
        let projection = condition.split_off(usize::from(spec.condition.is_some()));
        let before = Repeated::of(&condition, if condition.is_empty() { &[] } else { &projection }, reads.0.len(), cx)?;
        let condition = condition.pop().map(|e| compile(&before.put_into(&e), cx)).transpose()?;
        let projection: Vec<Expr> = projection.iter().map(|e| before.put_into(e)).collect();
        let kept: Vec<usize> =
            (0..before.width()).filter(|c| projection.iter().any(|e| e.columns().contains(c))).collect();
        let place = |column: usize| kept.iter().position(|kept| *kept == column);
        let mut moved = |e: Expr| match e {
            Expr::Column { index, ty } => Expr::column(place(index).unwrap_or(index), ty),
            other => other,
        };
        let projection: Vec<Expr> = projection.into_iter().map(|e| e.transform(&mut moved)).collect();
        let column = |e: &Expr| match e {
            Expr::Column { index, .. } => kept.get(*index).copied(),
            _ => None,
        };
        let columns = projection.iter().map(column).collect();
        let after = Repeated::of(&projection, &[], kept.len(), cx)?;
        let projection = projection.iter().map(|e| compile(&after.put_into(e), cx)).collect::<Result<_>>()?;
        Ok(Compiled { reads, before, condition, kept, after, projection, columns })
    }

    fn evaluate(&self, batch: ChangeBatch, output: &SchemaRef, cx: &EvalContext) -> Result<ChangeBatch> {
        let rows = self.before.extend(self.reads.of(batch.rows(), cx)?, cx)?;
        let keep = self.condition.as_ref().map(|c| c.evaluate_predicate(&rows, cx)).transpose()?;
        if let (Some(columns), Some(keep)) = (&self.columns, &keep)
            && let Some(whole) = whole(columns.iter().map(|c| rows.column(*c)), output, keep)
        {
            return batch.with_rows(whole?)?.filter_late(keep);
        }
        let kept = self.kept.iter().map(|c| rows.column(*c).clone()).collect();
        let batch = batch.with_rows(unnamed(kept, rows.num_rows())?)?;
        let batch = match keep {
            Some(keep) if !all_true(&keep) => batch.filter(&keep)?,
            _ => batch,
        };
        let columns = if batch.is_empty() {
            output.fields().iter().map(|f| arrow_array::new_empty_array(f.data_type())).collect()
        } else {
            let rows = self.after.extend(batch.rows().clone(), cx)?;
            self.projection.iter().map(|e| e.evaluate(&rows, cx)).collect::<Result<_>>()?
        };
        let rows = record_batch(output, columns, batch.len())?;
        batch.with_rows(rows)
    }
}

impl Reads {
    /// What expressions read, and the expressions over that.
    fn of_all(expressions: &[Expr], cx: &CompileContext) -> Result<(Self, Vec<Expr>)> {
        let mut reads: Vec<Expr> = Vec::new();
        expressions.iter().for_each(|e| collect_reads(e, &mut reads));
        let place = |e: &Expr| reads.iter().position(|r| r == e);
        let narrowed =
            |expr: &Expr| expr.clone().replace(&mut |e| place(e).map(|place| Expr::column(place, e.ty().clone())));
        let narrowed = expressions.iter().map(narrowed).collect();
        Ok((Reads(reads.iter().map(|e| compile(e, cx)).collect::<Result<_>>()?), narrowed))
    }

    /// What is read of a batch; nothing is copied.
    fn of(&self, rows: &RecordBatch, cx: &EvalContext) -> Result<RecordBatch> {
        unnamed(self.0.iter().map(|e| e.evaluate(rows, cx)).collect::<Result<_>>()?, rows.num_rows())
    }
}

fn unnamed(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields: Fields = columns.iter().map(|c| Field::new("", c.data_type().clone(), true)).collect();
    record_batch(&Arc::new(Schema::new(fields)), columns, rows)
}

/// Whether an expression is a column, or a field of a row in a column: it is there already and cannot fail.
fn is_read(expr: &Expr) -> bool {
    match expr {
        Expr::Column { .. } => true,
        Expr::Field { input, .. } => is_read(input),
        _ => false,
    }
}

/// Adds what an expression reads and is not among the reads yet.
fn collect_reads(expr: &Expr, reads: &mut Vec<Expr>) {
    if !is_read(expr) {
        expr.children().into_iter().for_each(|e| collect_reads(e, reads));
    } else if !reads.contains(expr) {
        reads.push(expr.clone());
    }
}

/// The columns of an output before a filter, if that leaves enough of their rows.
fn whole<'a>(
    columns: impl Iterator<Item = &'a ArrayRef> + Clone,
    output: &SchemaRef,
    keep: &BooleanArray,
) -> Option<Result<RecordBatch>> {
    let fits = |(column, field): (&ArrayRef, &Arc<Field>)| field.is_nullable() || column.null_count() == 0;
    let (kept, rows) = (keep.true_count(), keep.len());
    let is_worth_it = kept < rows && kept * ROWS_PER_KEPT_MAX >= rows && columns.clone().zip(output.fields()).all(fits);
    is_worth_it.then(|| record_batch(output, columns.cloned().collect(), rows))
}

fn all_true(keep: &BooleanArray) -> bool {
    keep.null_count() == 0 && !keep.has_false()
}

#[cfg(test)]
mod tests;
