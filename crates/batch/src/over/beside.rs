//! Functions of pandas over frames: each is given all rows of a frame, in a process beside the job.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_select::take::take;
use flott_api::{BoxFuture, Result};
use flott_operators::python_over::PythonOver;

use super::{Framed, Given, Over, PlacedFrame};
use crate::columns;
use crate::error::released;
use crate::exec::Waiting;
use crate::waiting::Starting;

/// An `OVER` with such functions among its calls.
pub(crate) struct OverBeside {
    over: Over,
    calls: PythonOver,
    starting: Starting,
    /// The frame that all rows had last, and its values.
    last: Option<(PlacedFrame, Vec<ArrayRef>)>,
}

impl OverBeside {
    pub(crate) fn new(over: Over, calls: PythonOver, starting: Starting) -> Self {
        OverBeside { over, calls, starting, last: None }
    }

    /// The values of frames. Rows of a large partition that all have one frame come one batch after the other.
    async fn values(&mut self, framed: &Framed) -> Result<Vec<ArrayRef>> {
        if let (Some((known, values)), Some(only)) = (&self.last, &framed.only)
            && known == only
        {
            return Ok(values.clone());
        }
        let values = self.calls.values(&framed.rows, &framed.windows).await?;
        self.last = framed.only.clone().map(|only| (only, values.clone()));
        Ok(values)
    }

    async fn called(&mut self, given: Vec<Given>) -> Result<Vec<RecordBatch>> {
        let mut out = Vec::with_capacity(given.len());
        for Given { rows, values, framed } in given {
            if let Some(caller) = self.starting.take() {
                self.calls.begin(&caller).await?;
            }
            let told = self.values(&framed).await?;
            let mut told = told.iter().map(|values| take(values, &framed.at, None));
            let mut here = values.into_iter().map(Ok);
            let count = rows.num_rows();
            let mut all = rows.columns().to_vec();
            for beside in self.over.beside.clone() {
                let value = if beside { told.next() } else { here.next() };
                all.extend(value.transpose()?);
            }
            out.push(columns::batch(&self.over.output, all, count).map_err(released)?);
        }
        Ok(out)
    }
}

impl Waiting for OverBeside {
    fn push(&mut self, rows: RecordBatch) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            let given = self.over.taken(&rows)?;
            self.called(given).await
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            let given = self.over.rest()?;
            let rows = self.called(given).await?;
            if self.starting.has_started() {
                self.calls.end().await?;
            }
            Ok(rows)
        })
    }

    fn memory_bytes(&self) -> usize {
        self.over.bytes()
    }
}
