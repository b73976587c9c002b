//! A process that makes calls for one subtask: a batch goes there, its answer is waited for.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat;
use flott_api::env::{Environment, Spawner};
use flott_api::function::{FunctionCalls, FunctionProcess};
use flott_api::program::RunningProgram;
use flott_api::{BoxFuture, Error, LogicalType, Result};
use serde::Deserialize;

use crate::connection::Connection;
use crate::frame::{answered, sent};
use crate::opening;
use crate::settings::Defaults;

/// What Python says of the calls that it has opened.
#[derive(Deserialize)]
struct Opened {
    /// Whether some function is of pandas, whose batches the user bounds.
    pandas: bool,
}

/// See the module.
pub(crate) struct PythonProcess {
    /// Gone while a batch is under way, and for good if its future was dropped then.
    calls: Option<Calls>,
    program: Arc<dyn RunningProgram>,
    spawner: Arc<dyn Spawner>,
    subject: String,
}

impl PythonProcess {
    pub(crate) async fn start(calls: &FunctionCalls, defaults: &Defaults, environment: &Environment) -> Result<Self> {
        let settings = opening::settings(calls, defaults)?;
        let subject = opening::subject(&calls.calls);
        let message = opening::message(calls)?;
        let (types, results) = types(calls)?;
        let per_row = !calls.aggregate();
        let (programs, named) = (Arc::clone(&environment.programs), subject.clone());
        let spawner = Arc::clone(&environment.spawner);
        let opened = blocking(spawner.as_ref(), move || {
            let connection = Connection::start(programs.as_ref(), &settings, named)?;
            Calls::open(connection, &message.to_string(), (types, results, per_row), settings.pandas_rows)
        });
        let calls = opened.await?;
        Ok(PythonProcess { program: calls.connection.program(), calls: Some(calls), spawner, subject })
    }

    /// Does blocking work with the calls elsewhere.
    async fn with_calls<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Calls) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(mut calls) = self.calls.take() else {
            return Err(Error::internal(format!("{} were called again behind a failure", self.subject)));
        };
        let done = blocking(self.spawner.as_ref(), move || {
            let done = work(&mut calls);
            (calls, done)
        });
        let (calls, done) = done.await;
        // Behind an error nobody knows what Python is at.
        self.calls = done.is_ok().then_some(calls);
        done
    }
}

impl Drop for PythonProcess {
    fn drop(&mut self) {
        self.program.kill();
    }
}

impl FunctionProcess for PythonProcess {
    fn call(&mut self, arguments: RecordBatch) -> BoxFuture<'_, Result<Vec<ArrayRef>>> {
        Box::pin(self.with_calls(move |calls| calls.call(&arguments)))
    }

    fn close(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.with_calls(Calls::close))
    }
}

/// The result of blocking work that is done elsewhere.
async fn blocking<T: Send + 'static>(spawner: &dyn Spawner, work: impl FnOnce() -> T + Send + 'static) -> T {
    let slot = Arc::new(Mutex::new(None));
    let filled = Arc::clone(&slot);
    let fill = move || *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(work());
    spawner.blocking(Box::new(fill)).await;
    let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    result.expect("blocking work is done when its future is")
}

/// The schema of what is sent, and the types of what is given.
fn types(calls: &FunctionCalls) -> Result<(SchemaRef, Vec<DataType>)> {
    let fields = calls.sent()?.iter().map(|ty| Field::new("", ty.arrow(), true)).collect::<Vec<_>>();
    Ok((Arc::new(Schema::new(fields)), calls.given()?.iter().map(LogicalType::arrow).collect()))
}

/// The calls of a process that has opened them. All of it blocks.
struct Calls {
    connection: Connection,
    writer: StreamWriter<Vec<u8>>,
    reader: StreamDecoder,
    arguments: SchemaRef,
    results: Vec<DataType>,
    /// Whether there is a result for each row.
    per_row: bool,
    rows_max: usize,
}

impl Calls {
    fn open(
        mut connection: Connection,
        message: &str,
        (arguments, results, per_row): (SchemaRef, Vec<DataType>, bool),
        pandas_rows: usize,
    ) -> Result<Self> {
        connection.send(sent::OPEN, message)?;
        let answer = connection.receive(answered::OPENED)?;
        let opened: Opened = serde_json::from_slice(&answer)
            .map_err(|e| connection.unclear("Python has opened something else".to_owned()).with_source(e))?;
        let mut schema = connection.receive(answered::SCHEMA)?;
        let mut reader = StreamDecoder::new();
        reader.decode(&mut schema)?;
        let mut writer = StreamWriter::try_new(Vec::new(), &arguments)?;
        connection.send(sent::SCHEMA, std::mem::take(writer.get_mut()))?;
        // What one value is made of is not parted.
        let rows_max = if opened.pandas && per_row { pandas_rows } else { usize::MAX };
        Ok(Calls { connection, writer, reader, arguments, results, per_row, rows_max })
    }

    /// A column for each call.
    fn call(&mut self, arguments: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let rows = arguments.num_rows();
        if rows == 0 {
            return Ok(self.results.iter().map(arrow_array::new_empty_array).collect());
        }
        if rows <= self.rows_max {
            return self.call_once(arguments);
        }
        let mut pieces = Vec::new();
        for from in (0..rows).step_by(self.rows_max) {
            pieces.push(self.call_once(&arguments.slice(from, self.rows_max.min(rows - from)))?);
        }
        let column = |at: usize| -> Result<ArrayRef> {
            let parts: Vec<&dyn arrow_array::Array> = pieces.iter().map(|piece| piece[at].as_ref()).collect();
            Ok(concat(&parts)?)
        };
        (0..self.results.len()).map(column).collect()
    }

    fn call_once(&mut self, arguments: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let rows = arguments.num_rows();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.arguments);
        let batch = RecordBatch::try_new_with_options(schema, arguments.columns().to_vec(), &options)?;
        self.writer.write(&batch)?;
        let bytes = std::mem::take(self.writer.get_mut());
        self.connection.send(sent::BATCH, &bytes)?;
        *self.writer.get_mut() = emptied(bytes);
        let mut answer = self.connection.receive(answered::BATCH)?;
        let unreadable = |e| self.connection.unclear("Python's results cannot be read".to_owned()).with_source(e);
        let batch = self.reader.decode(&mut answer).map_err(unreadable)?;
        let batch = batch.ok_or_else(|| self.connection.unclear("Python's results have an open end".to_owned()))?;
        let types = batch.columns().iter().map(|column| column.data_type());
        if (self.per_row && batch.num_rows() != rows) || !types.eq(&self.results) {
            return Err(self.connection.unclear("Python's results have other types or rows".to_owned()));
        }
        Ok(batch.columns().to_vec())
    }

    fn close(&mut self) -> Result<()> {
        self.connection.send(sent::CLOSE, b"")?;
        self.connection.receive(answered::CLOSED).map(drop)
    }
}

/// Its memory again, for the next batch.
fn emptied(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    bytes
}
