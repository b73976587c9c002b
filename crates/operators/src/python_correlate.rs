//! Joins each row with the rows that a table function gives for it in a process beside the job.
//!
//! Flink counterpart: `PythonCorrelate`. **State layout**: none. A batch waits for its answers, so a barrier waits for at most one;
//! what is behind the last checkpoint is computed again behind a restart. So few rows are sent at once that the rows which they
//! become need not fit into a batch: the function may give thousands for one. What one row gives stays together and has its kind.

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Error, Result};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::PythonCorrelateSpec;

use crate::beside::{Beside, Caller};
use crate::correlate::{Elements, Joining};
use crate::emit::emit;
use crate::factory::FromSpec;

/// So many rows are sent at once.
pub const ROWS_MAX: usize = 512;

/// See the module.
pub struct PythonCorrelate {
    spec: PythonCorrelateSpec,
    output: SchemaRef,
    beside: Beside,
    condition: Option<CompiledExpr>,
}

impl FromSpec for PythonCorrelate {
    type Spec = PythonCorrelateSpec;

    fn from_spec(spec: PythonCorrelateSpec) -> Result<Self> {
        if spec.forwarded.iter().any(|column| *column >= spec.input.len()) {
            return Err(Error::internal("a node of calls forwards columns that there are not"));
        }
        let columns = spec.call.function.columns()?.len();
        if spec.output.len() != spec.forwarded.len() + columns {
            return Err(Error::internal("a table function gives other columns than are expected"));
        }
        let beside = Beside::new(std::slice::from_ref(&spec.call), &spec.input)?;
        Ok(PythonCorrelate { output: spec.output.arrow(), beside, condition: None, spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for PythonCorrelate {}

#[async_trait]
impl Operator for PythonCorrelate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.open_for(&Caller::from(cx))
    }

    async fn start(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.beside.start().await
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut from = 0;
        // A batch of marks alone is a piece, too.
        while from == 0 || from < batch.len() {
            let rows = ROWS_MAX.min(batch.len() - from);
            let piece = if rows == batch.len() { batch.clone() } else { batch.slice(from, rows) };
            let eval = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
            let joined = self.joined(piece, &eval).await?;
            emit(joined, cx).await?;
            from += rows.max(1);
        }
        Ok(())
    }

    async fn finish(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.end().await
    }
}

impl PythonCorrelate {
    fn open_for(&mut self, caller: &Caller) -> Result<()> {
        let zone = self.spec.session_zone.clone();
        let compiling = CompileContext { session_zone: zone, environment: Some(caller.environment.clone()) };
        self.condition = self.spec.condition.as_ref().map(|c| compile(c, &compiling)).transpose()?;
        self.beside.open(caller, &self.spec.input, &self.spec.session_zone);
        Ok(())
    }

    /// Starts the process, before the first rows of a bounded query.
    ///
    /// # Errors
    /// If it does not start, or the condition cannot be compiled.
    pub async fn begin(&mut self, caller: &Caller) -> Result<()> {
        self.open_for(caller)?;
        self.beside.start().await
    }

    /// Rows, [`ROWS_MAX`] at most, with those that the function gives for each.
    ///
    /// # Errors
    /// If the function fails, or its process is gone.
    pub async fn joined(&mut self, batch: ChangeBatch, eval: &EvalContext) -> Result<ChangeBatch> {
        let given = self.beside.call(&batch).await?;
        let given = given.first().ok_or_else(|| Error::internal("a call gave no column"))?;
        let forwarded = batch.rows().project(&self.spec.forwarded)?;
        let batch = batch.with_rows(forwarded)?;
        let joining = Joining { condition: self.condition.as_ref(), outer: self.spec.outer, output: &self.output };
        let elements = Elements::unnested(given, &self.spec.call.function.returns.kind, false)?;
        joining.join(&batch, &elements, eval)
    }

    /// There are no more rows.
    ///
    /// # Errors
    /// If the function fails to close what it has opened.
    pub async fn end(&mut self) -> Result<()> {
        self.beside.close().await
    }
}

#[cfg(test)]
mod tests;
