//! Calls functions that run in a process beside the job, once a batch, and appends what they give.
//!
//! Flink counterpart: `PythonCalc`, `AsyncPythonCalc`. **State layout**: none. A batch waits for its answer, so a barrier waits for
//! at most one; what is behind the last checkpoint is computed again behind a restart. Only the columns that are arguments go
//! there. Row kinds and marks stay with their rows.

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::function::{CallArgument, FunctionCall, FunctionCalls, FunctionProcess};
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::spec::PythonCalcSpec;

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;

/// See the module.
pub struct PythonCalc {
    spec: PythonCalcSpec,
    output: SchemaRef,
    /// The input columns that are arguments.
    sent: Vec<usize>,
    opened: Option<Opened>,
    process: Option<Box<dyn FunctionProcess>>,
}

struct Opened {
    calls: FunctionCalls,
    environment: Environment,
}

impl FromSpec for PythonCalc {
    type Spec = PythonCalcSpec;

    fn from_spec(spec: PythonCalcSpec) -> Result<Self> {
        let language = spec.calls.first().map(|call| call.function.language);
        if language.is_none() || spec.calls.iter().any(|call| Some(call.function.language) != language) {
            return Err(Error::internal("a node of calls has none, or those of several languages"));
        }
        let mut sent = Vec::new();
        spec.calls.iter().for_each(|call| columns(call, &mut sent));
        sent.sort_unstable();
        sent.dedup();
        let last = sent.last().into_iter().chain(&spec.forwarded).max();
        if last.is_some_and(|column| *column >= spec.input.len()) {
            return Err(Error::internal("a node of calls reads columns that there are not"));
        }
        Ok(PythonCalc { output: spec.output.arrow(), spec, sent, opened: None, process: None })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for PythonCalc {}

#[async_trait]
impl Operator for PythonCalc {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let calls = FunctionCalls {
            calls: self.spec.calls.iter().map(|call| renumbered(call, &self.sent)).collect(),
            arguments: self.sent.iter().map(|column| self.spec.input.fields[*column].ty.clone()).collect(),
            subtask: cx.subtask,
            max_parallelism: cx.max_parallelism,
            session_zone: self.spec.session_zone.clone(),
        };
        self.opened = Some(Opened { calls, environment: cx.environment.clone() });
        Ok(())
    }

    async fn start(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let Opened { calls, environment } =
            self.opened.take().ok_or_else(|| Error::internal("a node of calls was not opened"))?;
        let host = environment.functions.get(calls.calls[0].function.language)?;
        self.process = Some(host.start(&calls, &environment).await?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let process = self.process.as_mut().ok_or_else(|| Error::internal("a node of calls was not started"))?;
        let mut columns: Vec<_> =
            self.spec.forwarded.iter().map(|column| batch.rows().column(*column).clone()).collect();
        // A batch of marks alone needs no answer.
        if batch.is_empty() {
            let results = self.spec.calls.iter().map(|call| call.function.returns.arrow());
            columns.extend(results.map(|ty| arrow_array::new_empty_array(&ty)));
        } else {
            columns.extend(process.call(batch.rows().project(&self.sent)?).await?);
        }
        let rows = record_batch(&self.output, columns, batch.len())?;
        emit(batch.with_rows(rows)?, cx).await
    }

    async fn finish(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        match &mut self.process {
            Some(process) => process.close().await,
            None => Ok(()),
        }
    }
}

/// The input columns that are arguments of a call, or of calls within it.
fn columns(call: &FunctionCall, found: &mut Vec<usize>) {
    for argument in &call.args {
        match argument {
            CallArgument::Column(column) => found.push(*column),
            CallArgument::Call(inner) => columns(inner, found),
        }
    }
}

/// The same call over the columns that are sent.
fn renumbered(call: &FunctionCall, sent: &[usize]) -> FunctionCall {
    let argument = |argument: &CallArgument| match argument {
        CallArgument::Column(column) => CallArgument::Column(sent.partition_point(|before| before < column)),
        CallArgument::Call(inner) => CallArgument::Call(Box::new(renumbered(inner, sent))),
    };
    FunctionCall { args: call.args.iter().map(argument).collect(), ..call.clone() }
}

#[cfg(test)]
mod tests;
