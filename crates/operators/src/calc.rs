//! Filters and projects: `WHERE` and the expressions of `SELECT`.
//!
//! Flink counterpart: `Calc`. **State layout**: none. The condition is evaluated first, then only the
//! columns that the projection reads are filtered, then the projection is evaluated on what is left,
//! so that it cannot fail on a row that the condition drops. A projection that is a column costs
//! nothing. Row kinds and marks stay with their rows.

use arrow_array::{Array, BooleanArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::expr::Expr;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::{ChangeBatch, Error, Result};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::CalcSpec;

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;

/// The function whose value depends on the watermark in force at the row.
const CURRENT_WATERMARK: &str = "current_watermark";

/// See the module.
pub struct Calc {
    spec: CalcSpec,
    output: SchemaRef,
    compiled: Option<Compiled>,
}

struct Compiled {
    condition: Option<CompiledExpr>,
    /// The input columns that the projection reads, in the order in which it sees them.
    columns: Vec<usize>,
    projection: Vec<CompiledExpr>,
}

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
        let mut columns: Vec<usize> = spec.projection.iter().flat_map(Expr::columns).collect();
        columns.sort_unstable();
        columns.dedup();
        let place = |index: usize| columns.binary_search(&index).unwrap_or(usize::MAX);
        let narrowed = |expr: &Expr| {
            expr.clone().transform(&mut |e| match e {
                Expr::Column { index, ty } => Expr::Column { index: place(index), ty },
                other => other,
            })
        };
        Ok(Compiled {
            condition: spec.condition.as_ref().map(|c| compile(c, cx)).transpose()?,
            projection: spec.projection.iter().map(|e| compile(&narrowed(e), cx)).collect::<Result<_>>()?,
            columns,
        })
    }

    fn evaluate(&self, batch: ChangeBatch, output: &SchemaRef, cx: &EvalContext) -> Result<ChangeBatch> {
        let keep = match &self.condition {
            Some(condition) => Some(condition.evaluate_predicate(batch.rows(), cx)?),
            None => None,
        };
        let rows = batch.rows().project(&self.columns)?;
        let batch = batch.with_rows(rows)?;
        let batch = match keep {
            Some(keep) if !all_true(&keep) => batch.filter(&keep)?,
            _ => batch,
        };
        let columns = if batch.is_empty() {
            output.fields().iter().map(|f| arrow_array::new_empty_array(f.data_type())).collect()
        } else {
            self.projection.iter().map(|e| e.evaluate(batch.rows(), cx)).collect::<Result<_>>()?
        };
        let rows = record_batch(output, columns, batch.len())?;
        batch.with_rows(rows)
    }
}

fn all_true(keep: &BooleanArray) -> bool {
    keep.null_count() == 0 && !keep.has_false()
}

#[cfg(test)]
mod tests;
