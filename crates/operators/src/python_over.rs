//! Values of functions of pandas over windows of rows: what `OVER` asks for where it calls functions beside the job.
//!
//! Flink counterpart: `PythonOverAggregate`. Rows are sent once, with the bounds of all windows over them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, RecordBatch, UInt32Array};
use arrow_select::take::take;
use flott_api::function::{CallForm, FunctionCall};
use flott_api::{Error, Result, Schema};
use flott_graph::spec::{AggregateCall, aggregate_calls};

use crate::beside::{Beside, Caller, bounds, unnamed};

/// See the module.
pub struct PythonOver {
    beside: Beside,
    calls: usize,
    input: Schema,
    session_zone: String,
}

impl PythonOver {
    /// The functions beside the job among the calls, over columns of an input.
    ///
    /// # Errors
    /// If there are none, or one does not take all rows of a window at once.
    pub fn new(calls: &[AggregateCall], input: &Schema, session_zone: &str) -> Result<Self> {
        let calls: Vec<FunctionCall> = aggregate_calls(calls).into_iter().map(|(_, call)| call).collect();
        if calls.iter().any(|call| call.function.form != CallForm::Batch) {
            return Err(Error::internal("a function of rows is called over windows"));
        }
        Ok(PythonOver {
            beside: Beside::new(&calls, input)?,
            calls: calls.len(),
            input: input.clone(),
            session_zone: session_zone.to_owned(),
        })
    }

    /// Starts the process, before the first rows.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn begin(&mut self, caller: &Caller) -> Result<()> {
        self.open(caller);
        self.start().await
    }

    /// Learns who calls.
    pub(crate) fn open(&mut self, caller: &Caller) {
        self.beside.open(caller, &self.input, &self.session_zone);
    }

    /// Starts the process.
    pub(crate) async fn start(&mut self) -> Result<()> {
        self.beside.start().await
    }

    /// A column for each function, with a row for each window over the rows.
    ///
    /// # Errors
    /// If a function fails, or its process is gone.
    pub async fn values(&mut self, rows: &RecordBatch, windows: &[Range<usize>]) -> Result<Vec<ArrayRef>> {
        if windows.is_empty() {
            return Ok(self.beside.nothing());
        }
        // Each window stands in a row; there may be more of them if they are empty.
        let length = rows.num_rows().max(windows.len());
        let mut columns = self.beside.picked(rows);
        if length > rows.num_rows() {
            let places = (0..length as u32).map(|row| Some(row).filter(|row| (*row as usize) < rows.num_rows()));
            let places: UInt32Array = places.collect();
            columns = columns.iter().map(|column| Ok(take(column, &places, None)?)).collect::<Result<_>>()?;
        }
        columns.extend(bounds(windows.iter().cloned(), length)?);
        let counts: ArrayRef = Arc::new(Int8Array::from(vec![1; length]));
        columns.extend((0..self.calls).map(|_| Arc::clone(&counts)));
        let given = self.beside.aggregate(unnamed(columns, length)?).await?;
        if given.len() != self.calls || given.iter().any(|column| column.len() != windows.len()) {
            return Err(Error::internal("a process gave values of other windows than it was given"));
        }
        Ok(given)
    }

    /// There are no more rows.
    ///
    /// # Errors
    /// If a function fails to close what it has opened.
    pub async fn end(&mut self) -> Result<()> {
        self.beside.close().await
    }
}
