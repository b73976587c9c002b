//! The source `$batch`: one split, whose reader runs the plan in its options.
//!
//! **Does not:** remember how far it is: a job in batch mode takes no checkpoints, and begins anew after a failure.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion_execution::SendableRecordBatchStream;
use datafusion_physical_plan::ExecutionPlan;
use flott_api::env::Environment;
use flott_api::sink::Sink;
use flott_api::source::{
    Boundedness, Discovery, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader,
};
use flott_api::table::{
    ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext, TableFactory,
};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};
use flott_graph::spec::BatchPlan;
use futures::StreamExt;

use crate::build::{Builder, Tables};
use crate::columns::relabelled;
use crate::error::released;
use crate::expression::Compiler;
use crate::resources::{batch_rows, memory_bytes, task_context};

/// The name of the only split.
const SPLIT: &str = "query";

/// Makes the source `$batch`.
pub struct BatchFactory {
    tables: Arc<Tables>,
    memory_bytes: usize,
}

impl BatchFactory {
    /// A factory of queries over these connectors, which may take so much memory each if their job does not say.
    pub fn new(tables: impl IntoIterator<Item = (&'static str, Arc<dyn TableFactory>)>, memory_bytes: usize) -> Self {
        BatchFactory { tables: Arc::new(tables.into_iter().collect()), memory_bytes }
    }
}

fn internal() -> Error {
    Error::invalid(format!("connector '{}' is not for tables", BatchPlan::CONNECTOR))
}

impl TableFactory for BatchFactory {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal(BatchPlan::CONNECTOR) }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(internal())
    }

    fn describe_sink(&self, _: &TableContext) -> Result<SinkDescription> {
        Err(internal())
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        let text = spec.options.0.get(BatchPlan::OPTION);
        let text = text.ok_or_else(|| Error::internal("a batch plan is not in the options of its source"))?;
        Ok(Box::new(Query {
            plan: Arc::new(BatchPlan::from_text(text)?),
            output: spec.output_schema().arrow(),
            tables: Arc::clone(&self.tables),
            memory_bytes: self.memory_bytes,
        }))
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(internal())
    }
}

struct Query {
    plan: Arc<BatchPlan>,
    output: SchemaRef,
    tables: Arc<Tables>,
    memory_bytes: usize,
}

impl Source for Query {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &Environment, _: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(OneSplit { given: false, returned: Vec::new() }))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let running = Running::start(&self.plan, &self.tables, cx, self.memory_bytes)?;
        Ok(Box::new(Reader { running, output: Arc::clone(&self.output), rest: None, open: false }))
    }
}

/// Gives the only split to whoever asks first.
struct OneSplit {
    given: bool,
    returned: Vec<Split>,
}

#[async_trait]
impl SplitEnumerator for OneSplit {
    async fn discover(&mut self) -> Result<Discovery> {
        let mut splits = std::mem::take(&mut self.returned);
        if !std::mem::replace(&mut self.given, true) {
            splits.push(Split { id: SPLIT.to_owned(), state: Bytes::new() });
        }
        Ok(Discovery { splits, finished: true })
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.returned.extend(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }
}

/// A plan at work.
pub(crate) struct Running {
    tree: Arc<dyn ExecutionPlan>,
    rows: SendableRecordBatchStream,
}

impl Running {
    /// Starts it: from here on it is the query's moment.
    pub(crate) fn start(plan: &BatchPlan, tables: &Tables, cx: ReaderContext, default_bytes: usize) -> Result<Self> {
        let compiler = Compiler {
            session_zone: plan.session_zone.clone(),
            now_ms: cx.environment.clock.now_ms(),
            environment: cx.environment.clone(),
        };
        let bytes = memory_bytes(plan, default_bytes);
        let builder = Builder { compiler, tables, reader: cx, batch_rows: batch_rows(bytes) };
        let tree = builder.tree(&plan.root)?;
        let rows = tree.execute(0, task_context(plan, bytes)?).map_err(released)?;
        Ok(Running { tree, rows })
    }

    /// The next rows.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.rows.next().await.transpose().map_err(released)
    }

    /// How many files were spilled so far, and their bytes.
    pub(crate) fn spilled(&self) -> (usize, usize) {
        spilled(&self.tree)
    }
}

fn spilled(tree: &Arc<dyn ExecutionPlan>) -> (usize, usize) {
    let own = tree.metrics().map_or((0, 0), |m| (m.spill_count().unwrap_or(0), m.spilled_bytes().unwrap_or(0)));
    tree.children().into_iter().map(spilled).fold(own, |(files, bytes), (f, b)| (files + f, bytes + b))
}

struct Reader {
    running: Running,
    output: SchemaRef,
    /// What is left of a batch that was too long.
    rest: Option<RecordBatch>,
    open: bool,
}

#[async_trait]
impl SplitReader for Reader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.open |= !splits.is_empty();
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        loop {
            let rows = match self.rest.take() {
                Some(rows) => Some(rows),
                None => self.running.next().await?,
            };
            let Some(rows) = rows else { break };
            if rows.num_rows() == 0 {
                continue;
            }
            let count = rows.num_rows().min(BATCH_ROWS_MAX);
            if rows.num_rows() > count {
                self.rest = Some(rows.slice(count, rows.num_rows() - count));
            }
            let rows = relabelled(&self.output, &rows.slice(0, count)).map_err(released)?;
            return Ok(ReadEvent::Batch { split: SPLIT.to_owned(), batch: ChangeBatch::inserts(rows) });
        }
        self.open = false;
        let (files, bytes) = self.running.spilled();
        tracing::debug!(files, bytes, "a bounded query has ended; this was spilled");
        Ok(ReadEvent::Finished { split: SPLIT.to_owned() })
    }

    /// A checkpoint in the middle would have rows that come again.
    fn snapshot(&mut self) -> Result<Vec<Split>> {
        match self.open {
            false => Ok(Vec::new()),
            true => Err(Error::invalid("a job in batch mode takes no checkpoint and no savepoint")
                .with_hint("SET 'execution.runtime-mode' = 'streaming'.")),
        }
    }

    fn pause_split(&mut self, _: &str, _: bool) {}
}
