//! Operators of our own in DataFusion's tree: rows that begin here, rows that are made of rows, inputs one behind the other.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use flott_api::BoxFuture;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::columns::relabelled;
use crate::error::carried;

/// Where rows begin.
pub(crate) type Open = Arc<dyn Fn() -> flott_api::Result<RowStream> + Send + Sync>;

/// Rows, one batch behind the other.
pub(crate) type RowStream = std::pin::Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Makes rows of rows, batch by batch.
pub(crate) trait Transform: Send {
    /// What follows from a batch.
    ///
    /// # Errors
    /// If the batch cannot be worked on.
    fn push(&mut self, rows: RecordBatch) -> flott_api::Result<Vec<RecordBatch>>;

    /// What is left when no batch follows.
    ///
    /// # Errors
    /// If it cannot be made.
    fn finish(&mut self) -> flott_api::Result<Vec<RecordBatch>> {
        Ok(Vec::new())
    }

    /// What it remembers.
    fn memory_bytes(&self) -> usize {
        0
    }
}

/// A new transformation, for one run.
pub(crate) type Begin = Arc<dyn Fn() -> flott_api::Result<Box<dyn Transform>> + Send + Sync>;

/// Makes rows of rows, batch by batch, and waits for others to do so.
pub(crate) trait Waiting: Send {
    /// What follows from a batch.
    ///
    /// # Errors
    /// If the batch cannot be worked on.
    fn push(&mut self, rows: RecordBatch) -> BoxFuture<'_, flott_api::Result<Vec<RecordBatch>>>;

    /// What is left when no batch follows.
    ///
    /// # Errors
    /// If it cannot be made.
    fn finish(&mut self) -> BoxFuture<'_, flott_api::Result<Vec<RecordBatch>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// What it remembers.
    fn memory_bytes(&self) -> usize {
        0
    }
}

/// A new one, for one run.
pub(crate) type BeginWaiting = Arc<dyn Fn() -> flott_api::Result<Box<dyn Waiting>> + Send + Sync>;

/// What an operator of our own does.
#[derive(Clone)]
enum Work {
    Open(Open),
    Transform(Begin),
    Wait(BeginWaiting),
    /// All rows of the first input, then those of the next.
    Concat,
}

/// An operator of our own.
pub(crate) struct Own {
    name: &'static str,
    work: Work,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

impl Own {
    /// Rows that begin here.
    pub(crate) fn leaf(name: &'static str, output: SchemaRef, open: Open) -> Arc<dyn ExecutionPlan> {
        Self::node(name, Work::Open(open), Vec::new(), output)
    }

    /// Rows made of those of an input.
    pub(crate) fn transform(
        name: &'static str,
        input: Arc<dyn ExecutionPlan>,
        output: SchemaRef,
        begin: Begin,
    ) -> Arc<dyn ExecutionPlan> {
        Self::node(name, Work::Transform(begin), vec![input], output)
    }

    /// Rows made of those of an input, one batch after the other, for each of which is waited.
    pub(crate) fn wait(
        name: &'static str,
        input: Arc<dyn ExecutionPlan>,
        output: SchemaRef,
        begin: BeginWaiting,
    ) -> Arc<dyn ExecutionPlan> {
        Self::node(name, Work::Wait(begin), vec![input], output)
    }

    /// The inputs one behind the other, so that their order is no accident.
    pub(crate) fn concat(inputs: Vec<Arc<dyn ExecutionPlan>>, output: SchemaRef) -> Arc<dyn ExecutionPlan> {
        Self::node("Union", Work::Concat, inputs, output)
    }

    fn node(
        name: &'static str,
        work: Work,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        output: SchemaRef,
    ) -> Arc<dyn ExecutionPlan> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(output),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Arc::new(Own { name, work, inputs, properties: Arc::new(properties) })
    }

    fn input(&self, context: &Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.inputs.first().map(|input| input.execute(0, Arc::clone(context))).transpose()?;
        input.ok_or_else(|| DataFusionError::Internal(format!("{} reads nothing", self.name)))
    }

    fn rows(&self, context: &Arc<TaskContext>) -> Result<RowStream> {
        Ok(match &self.work {
            Work::Open(open) => open().map_err(carried)?,
            Work::Transform(begin) => transformed(
                self.input(context)?,
                begin().map_err(carried)?,
                MemoryConsumer::new(self.name).register(context.memory_pool()),
            ),
            Work::Wait(begin) => waited(
                self.input(context)?,
                begin().map_err(carried)?,
                MemoryConsumer::new(self.name).register(context.memory_pool()),
            ),
            Work::Concat => {
                // An input is opened when the one before it has ended: until then it takes no memory.
                let (inputs, context) = (self.inputs.clone(), Arc::clone(context));
                let streams = stream::iter(inputs).map(move |input| input.execute(0, Arc::clone(&context)));
                let schema = self.schema();
                let rows = streams.try_flatten();
                Box::pin(rows.map(move |rows| relabelled(&schema, &rows?)))
            }
        })
    }
}

/// The rows of a transformation, whose memory is that of its query.
fn transformed(
    input: SendableRecordBatchStream,
    transform: Box<dyn Transform>,
    memory: MemoryReservation,
) -> RowStream {
    let state = (input, Some((transform, memory)));
    let rows = stream::try_unfold(state, |(mut input, transform)| async move {
        let Some((mut transform, memory)) = transform else { return Ok::<_, DataFusionError>(None) };
        match input.next().await.transpose()? {
            Some(rows) => {
                let rows = transform.push(rows).map_err(carried)?;
                memory.try_resize(transform.memory_bytes())?;
                Ok(Some((rows, (input, Some((transform, memory))))))
            }
            None => Ok(Some((transform.finish().map_err(carried)?, (input, None)))),
        }
    });
    Box::pin(rows.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten())
}

/// The same where others are waited for.
fn waited(input: SendableRecordBatchStream, waiting: Box<dyn Waiting>, memory: MemoryReservation) -> RowStream {
    let rows = stream::try_unfold((input, Some((waiting, memory))), |(mut input, waiting)| async move {
        let Some((mut waiting, memory)) = waiting else { return Ok::<_, DataFusionError>(None) };
        match input.next().await.transpose()? {
            Some(rows) => {
                let rows = waiting.push(rows).await.map_err(carried)?;
                memory.try_resize(waiting.memory_bytes())?;
                Ok(Some((rows, (input, Some((waiting, memory))))))
            }
            None => Ok(Some((waiting.finish().await.map_err(carried)?, (input, None)))),
        }
    });
    Box::pin(rows.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten())
}

impl ExecutionPlan for Own {
    fn name(&self) -> &str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let properties = Arc::clone(&self.properties);
        Ok(Arc::new(Own { name: self.name, work: self.work.clone(), inputs, properties }))
    }

    fn with_new_children(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let properties = Arc::clone(&self.properties);
        Ok(Arc::new(Own { name: self.name, work: self.work.clone(), inputs, properties }))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), self.rows(&context)?)))
    }
}

impl DisplayAs for Own {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name).field("inputs", &self.inputs).finish()
    }
}
