//! What is waited for: models, and functions that run in a process beside the job.
//!
//! Each run has a process of its own, which starts with the first rows and ends with the run. Behind a failure the whole query
//! begins anew, and so does the process.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use flott_api::{BoxFuture, ChangeBatch, Result};
use flott_functions::EvalContext;
use flott_operators::beside::Caller;
use flott_operators::ml_predict_table_function::Model;
use flott_operators::python_calc::PythonCalc;
use flott_operators::python_correlate::PythonCorrelate;
use flott_operators::python_group_aggregate::{Run, SortedGroups};

use crate::columns::relabelled;
use crate::error::released;
use crate::exec::Waiting;
use crate::ordered::{self, Runs, picked};

/// Appends what a model answers.
pub(crate) struct Predicted {
    pub(crate) model: Arc<Model>,
    pub(crate) output: SchemaRef,
    pub(crate) moment: EvalContext,
}

impl Waiting for Predicted {
    fn push(&mut self, rows: RecordBatch) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            let (batch, mut out) = (ChangeBatch::inserts(rows), Vec::new());
            let mut asked = self.model.ask(&batch, &self.moment)?;
            while let Some(rows) = asked.next().await? {
                out.push(relabelled(&self.output, rows.rows()).map_err(released)?);
            }
            Ok(out)
        })
    }
}

/// Who calls, until it has called.
pub(crate) struct Starting(Option<Caller>);

impl Starting {
    pub(crate) fn new(caller: Caller) -> Self {
        Starting(Some(caller))
    }

    /// The caller, the first time.
    pub(crate) fn take(&mut self) -> Option<Caller> {
        self.0.take()
    }

    /// Whether the process runs.
    pub(crate) fn has_started(&self) -> bool {
        self.0.is_none()
    }
}

/// Appends what functions give.
pub(crate) struct Called {
    pub(crate) calc: PythonCalc,
    pub(crate) output: SchemaRef,
    pub(crate) starting: Starting,
}

impl Waiting for Called {
    fn push(&mut self, rows: RecordBatch) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            if let Some(caller) = self.starting.take() {
                self.calc.begin(&caller).await?;
            }
            let called = self.calc.called(ChangeBatch::inserts(rows)).await?;
            Ok(vec![relabelled(&self.output, called.rows()).map_err(released)?])
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            if self.starting.has_started() {
                self.calc.end().await?;
            }
            Ok(Vec::new())
        })
    }
}

/// Joins rows with those that a function gives.
pub(crate) struct Correlated {
    pub(crate) correlate: PythonCorrelate,
    pub(crate) output: SchemaRef,
    pub(crate) starting: Starting,
    pub(crate) moment: EvalContext,
}

impl Waiting for Correlated {
    fn push(&mut self, rows: RecordBatch) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            if let Some(caller) = self.starting.take() {
                self.correlate.begin(&caller).await?;
            }
            let joined = self.correlate.joined(ChangeBatch::inserts(rows), &self.moment).await?;
            Ok(vec![relabelled(&self.output, joined.rows()).map_err(released)?])
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            if self.starting.has_started() {
                self.correlate.end().await?;
            }
            Ok(Vec::new())
        })
    }
}

/// Groups rows that come group by group.
pub(crate) struct Grouped {
    pub(crate) groups: SortedGroups,
    pub(crate) keys: Vec<usize>,
    pub(crate) runs: Runs,
    pub(crate) starting: Starting,
}

impl Grouped {
    async fn start(&mut self) -> Result<()> {
        match self.starting.take() {
            Some(caller) => self.groups.begin(&caller).await,
            None => Ok(()),
        }
    }
}

impl Waiting for Grouped {
    fn push(&mut self, rows: RecordBatch) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            self.start().await?;
            let runs = self.runs.cut(&picked(&rows, &self.keys), rows.num_rows())?;
            let run = |ordered::Run { rows, begins }| Run { rows, begins };
            let runs: Vec<Run> = runs.into_iter().map(run).collect();
            Ok(self.groups.push(&rows, &runs).await?.into_iter().collect())
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        Box::pin(async move {
            // Without keys there is a group also of no rows.
            if self.keys.is_empty() {
                self.start().await?;
            }
            match self.starting.has_started() {
                true => Ok(self.groups.finish().await?.into_iter().collect()),
                false => Ok(Vec::new()),
            }
        })
    }

    fn memory_bytes(&self) -> usize {
        self.groups.memory_bytes()
    }
}
