//! Calls functions that run in a process beside the job, once a batch, and appends what they give.
//!
//! Flink counterpart: `PythonCalc`, `AsyncPythonCalc`. **State layout**: none. A batch waits for its answer, so a barrier waits for
//! at most one; what is behind the last checkpoint is computed again behind a restart. Only the columns that are arguments go
//! there. Row kinds and marks stay with their rows.

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::spec::PythonCalcSpec;

use crate::beside::{Beside, Caller};
use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;

/// See the module.
pub struct PythonCalc {
    spec: PythonCalcSpec,
    output: SchemaRef,
    beside: Beside,
}

impl FromSpec for PythonCalc {
    type Spec = PythonCalcSpec;

    fn from_spec(spec: PythonCalcSpec) -> Result<Self> {
        if spec.forwarded.iter().any(|column| *column >= spec.input.len()) {
            return Err(Error::internal("a node of calls forwards columns that there are not"));
        }
        Ok(PythonCalc { output: spec.output.arrow(), beside: Beside::new(&spec.calls, &spec.input)?, spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for PythonCalc {}

#[async_trait]
impl Operator for PythonCalc {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.beside.open(&Caller::from(cx), &self.spec.input, &self.spec.session_zone);
        Ok(())
    }

    async fn start(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.beside.start().await
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let called = self.called(batch).await?;
        emit(called, cx).await
    }

    async fn finish(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.end().await
    }
}

/// What bounded queries do with it.
impl PythonCalc {
    /// Starts the process, before the first rows.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn begin(&mut self, caller: &Caller) -> Result<()> {
        self.beside.open(caller, &self.spec.input, &self.spec.session_zone);
        self.beside.start().await
    }

    /// The rows with what functions give.
    ///
    /// # Errors
    /// If a function fails, or its process is gone.
    pub async fn called(&mut self, batch: ChangeBatch) -> Result<ChangeBatch> {
        let mut columns: Vec<_> =
            self.spec.forwarded.iter().map(|column| batch.rows().column(*column).clone()).collect();
        columns.extend(self.beside.call(&batch).await?);
        let rows = record_batch(&self.output, columns, batch.len())?;
        batch.with_rows(rows)
    }

    /// There are no more rows.
    ///
    /// # Errors
    /// If a function fails to close what it has opened.
    pub async fn end(&mut self) -> Result<()> {
        self.beside.close().await
    }
}

#[cfg(test)]
mod tests;
