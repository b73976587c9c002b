//! The process beside the job that an operator calls, and what it is sent: the columns that are arguments and no other.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, RecordBatchOptions};
use arrow_schema::Field;
use flott_api::env::Environment;
use flott_api::function::{CallArgument, FunctionCall, FunctionCalls, FunctionProcess};
use flott_api::ids::Subtask;
use flott_api::operator::OpenContext;
use flott_api::{ChangeBatch, Error, Result, Schema};

use crate::group_aggregate::joined;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Which instance.
    pub subtask: Subtask,
    /// The number of key groups.
    pub max_parallelism: u32,
    /// The world, with the hosts of languages.
    pub environment: Environment,
}

impl From<&OpenContext> for Caller {
    fn from(cx: &OpenContext) -> Self {
        Caller { subtask: cx.subtask, max_parallelism: cx.max_parallelism, environment: cx.environment.clone() }
    }
}

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
    pub(crate) fn open(&mut self, caller: &Caller, input: &Schema, session_zone: &str) {
        let calls = FunctionCalls {
            calls: self.calls.clone(),
            arguments: self.sent.iter().map(|column| input.fields[*column].ty.clone()).collect(),
            subtask: caller.subtask,
            max_parallelism: caller.max_parallelism,
            session_zone: session_zone.to_owned(),
        };
        self.opened = Some(Opened { calls, environment: caller.environment.clone() });
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
            return Ok(self.nothing());
        }
        process.call(batch.rows().project(&self.sent)?).await
    }

    /// What calls give for no rows.
    pub(crate) fn nothing(&self) -> Vec<ArrayRef> {
        let results = self.calls.iter().map(|call| call.function.returns.arrow());
        results.map(|ty| arrow_array::new_empty_array(&ty)).collect()
    }

    /// The columns that are arguments, of several batches behind each other.
    pub(crate) fn arguments(&self, batches: &[ChangeBatch]) -> Result<Vec<ArrayRef>> {
        joined(batches.iter().map(|batch| self.picked(batch.rows())))
    }

    /// The columns that are arguments.
    pub(crate) fn picked(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.sent.iter().map(|column| rows.column(*column).clone()).collect()
    }

    /// The input columns that are arguments.
    pub(crate) fn sent(&self) -> &[usize] {
        &self.sent
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

/// Columns that only their places tell apart.
pub(crate) fn unnamed(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields = columns.iter().map(|column| Field::new("", column.data_type().clone(), true)).collect::<Vec<_>>();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(arrow_schema::Schema::new(fields)), columns, &options)?)
}

/// Which rows the values of functions are over that take whole columns, for batches of so many rows.
pub(crate) fn bounds(windows: impl Iterator<Item = Range<usize>>, rows: usize) -> Result<[ArrayRef; 2]> {
    let too_many = |_| Error::data("a function of pandas was to be given more than 2147483647 rows at once");
    let (mut from, mut to) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for window in windows {
        from.push(Some(i32::try_from(window.start).map_err(too_many)?));
        to.push(Some(i32::try_from(window.end).map_err(too_many)?));
    }
    if from.len() > rows {
        return Err(Error::internal("there are more values of functions than rows"));
    }
    from.resize(rows, None);
    to.resize(rows, None);
    Ok([Arc::new(Int32Array::from(from)), Arc::new(Int32Array::from(to))])
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
