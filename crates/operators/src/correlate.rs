//! Joins each row with the rows that a table function gives for it: `CROSS JOIN UNNEST(..)`.
//!
//! Flink counterpart: `Correlate`. **State layout**: none. The function is evaluated for a whole batch; each row of the
//! result is a pair of a row of the batch and an element, and both sides are taken out of their columns at once. The
//! condition is evaluated on pairs; a row without any that passes comes with nulls, if such rows come. Rows keep their
//! kind, and what one row gives stays together, so an old row takes back just what it gave. A batch that gives more than
//! [`PAIRS_MAX`] pairs is worked on in halves.

mod joining;
mod pairs;

pub(crate) use joining::Joining;
pub(crate) use pairs::Elements;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::{CorrelateSpec, TableFunction};

use crate::emit::emit;
use crate::factory::FromSpec;

/// So many rows are made at a time.
const PAIRS_MAX: usize = 8 * BATCH_ROWS_MAX;

/// See the module.
pub struct Correlate {
    spec: CorrelateSpec,
    output: SchemaRef,
    compiled: Option<Compiled>,
}

struct Compiled {
    argument: CompiledExpr,
    condition: Option<CompiledExpr>,
}

impl FromSpec for Correlate {
    type Spec = CorrelateSpec;

    fn from_spec(spec: CorrelateSpec) -> Result<Self> {
        Ok(Correlate { output: spec.output.arrow(), spec, compiled: None })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for Correlate {}

#[async_trait]
impl Operator for Correlate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.compiled = Some(Compiled::of(&self.spec, &cx.environment)?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let mut open = vec![batch];
        while let Some(rows) = self.next(&mut open, &eval_cx)? {
            emit(rows, cx).await?;
        }
        Ok(())
    }
}

impl Compiled {
    fn of(spec: &CorrelateSpec, environment: &Environment) -> Result<Self> {
        let zone = spec.session_zone.clone();
        let cx = CompileContext { session_zone: zone, environment: Some(environment.clone()) };
        let condition = spec.condition.as_ref().map(|c| compile(c, &cx)).transpose()?;
        Ok(Compiled { argument: compile(spec.function.argument(), &cx)?, condition })
    }
}

impl Correlate {
    /// An opened one, for who runs no operators.
    ///
    /// # Errors
    /// If an expression of it cannot be compiled.
    pub fn new(spec: CorrelateSpec, environment: &Environment) -> Result<Self> {
        let compiled = Some(Compiled::of(&spec, environment)?);
        Ok(Correlate { output: spec.output.arrow(), spec, compiled })
    }

    /// The rows of the last of the open batches, or of its first part; nothing if none is open.
    ///
    /// # Errors
    /// If a row makes an expression fail.
    pub fn next(&self, open: &mut Vec<ChangeBatch>, cx: &EvalContext) -> Result<Option<ChangeBatch>> {
        while let Some(batch) = open.pop() {
            let rows = self.correlated(&batch, cx)?;
            if rows.is_some() {
                return Ok(rows);
            }
            // The later half lies below the earlier one.
            let half = batch.len() / 2;
            open.push(batch.slice(half, batch.len() - half));
            open.push(batch.slice(0, half));
        }
        Ok(None)
    }

    /// The rows of a batch; nothing if they are too many to be made at once.
    fn correlated(&self, batch: &ChangeBatch, cx: &EvalContext) -> Result<Option<ChangeBatch>> {
        let compiled = self.compiled.as_ref().ok_or_else(|| Error::internal("a correlate was not opened"))?;
        if batch.is_empty() {
            let rows = RecordBatch::new_empty(self.output.clone());
            return batch.clone().with_rows(rows).map(Some);
        }
        let argument = compiled.argument.evaluate(batch.rows(), cx)?;
        let elements = match &self.spec.function {
            TableFunction::Unnest { with_ordinality, collection } => {
                Elements::unnested(&argument, &collection.ty().kind, *with_ordinality)?
            }
            TableFunction::Repeat { .. } => Elements::repeated(&argument)?,
            TableFunction::User { .. } => {
                return Err(Error::internal("a correlate cannot call what runs beside the job"));
            }
        };
        if elements.len() > PAIRS_MAX && batch.len() > 1 {
            return Ok(None);
        }
        let Compiled { condition, .. } = compiled;
        let joining = Joining { condition: condition.as_ref(), outer: self.spec.outer, output: &self.output };
        joining.join(batch, &elements, cx).map(Some)
    }
}

#[cfg(test)]
mod tests;
