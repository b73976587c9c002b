//! The process beside the job that an operator calls, and what it is sent: the columns that are arguments and no other.

use arrow_array::{ArrayRef, RecordBatch};
use flott_api::env::Environment;
use flott_api::function::{CallArgument, FunctionCall, FunctionCalls, FunctionProcess};
use flott_api::operator::OpenContext;
use flott_api::{ChangeBatch, Error, Result, Schema};

use crate::group_aggregate::joined;

/// See the module.
pub(crate) struct Beside {
    calls: Vec<FunctionCall>,
    /// The input columns that are arguments.
    sent: Vec<usize>,
    opened: Option<Opened>,
    process: Option<Box<dyn FunctionProcess>>,
}

struct Opened {
    calls: FunctionCalls,
    environment: Environment,
}

impl Beside {
    /// Calls over columns of an input, all of one language.
    ///
    /// # Errors
    /// If there are none, or they are not of one language, or read what there is not.
    pub(crate) fn new(calls: &[FunctionCall], input: &Schema) -> Result<Self> {
        let language = calls.first().map(|call| call.function.language);
        if language.is_none() || calls.iter().any(|call| Some(call.function.language) != language) {
            return Err(Error::internal("a node of calls has none, or those of several languages"));
        }
        let mut sent = Vec::new();
        calls.iter().for_each(|call| columns(call, &mut sent));
        sent.sort_unstable();
        sent.dedup();
        if sent.last().is_some_and(|column| *column >= input.len()) {
            return Err(Error::internal("a node of calls reads columns that there are not"));
        }
        let calls = calls.iter().map(|call| renumbered(call, &sent)).collect();
        Ok(Beside { calls, sent, opened: None, process: None })
    }

    /// Learns who calls.
    pub(crate) fn open(&mut self, cx: &OpenContext, input: &Schema, session_zone: &str) {
        let calls = FunctionCalls {
            calls: self.calls.clone(),
            arguments: self.sent.iter().map(|column| input.fields[*column].ty.clone()).collect(),
            subtask: cx.subtask,
            max_parallelism: cx.max_parallelism,
            session_zone: session_zone.to_owned(),
        };
        self.opened = Some(Opened { calls, environment: cx.environment.clone() });
    }

    /// Starts the process.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let Opened { calls, environment } =
            self.opened.take().ok_or_else(|| Error::internal("a node of calls was not opened"))?;
        let host = environment.functions.get(calls.calls[0].function.language)?;
        self.process = Some(host.start(&calls, &environment).await?);
        Ok(())
    }

    /// A column for each call. Rows of marks alone need no answer.
    pub(crate) async fn call(&mut self, batch: &ChangeBatch) -> Result<Vec<ArrayRef>> {
        let process = self.process.as_mut().ok_or_else(|| Error::internal("a node of calls was not started"))?;
        if batch.is_empty() {
            let results = self.calls.iter().map(|call| call.function.returns.arrow());
            return Ok(results.map(|ty| arrow_array::new_empty_array(&ty)).collect());
        }
        process.call(batch.rows().project(&self.sent)?).await
    }

    /// The columns that are arguments, of several batches behind each other.
    pub(crate) fn arguments(&self, batches: &[ChangeBatch]) -> Result<Vec<ArrayRef>> {
        let of = |batch: &ChangeBatch| self.sent.iter().map(|column| batch.rows().column(*column).clone()).collect();
        joined(batches.iter().map(of))
    }

    /// What aggregate functions give for rows that are laid out as [`FunctionProcess::call`] wants them.
    pub(crate) async fn aggregate(&mut self, rows: RecordBatch) -> Result<Vec<ArrayRef>> {
        let process = self.process.as_mut().ok_or_else(|| Error::internal("a node of calls was not started"))?;
        process.call(rows).await
    }

    /// There are no more rows.
    pub(crate) async fn close(&mut self) -> Result<()> {
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
