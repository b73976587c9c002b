//! Rows on their way out, collected until they are worth a batch, with the watermarks between them; and what all operators
//! do that emit whole windows when a watermark ends them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use flott_api::operator::OperatorContext;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Mark, Result, Watermark};

use crate::emit::{emit, replace_marks};

/// What is not emitted yet.
pub(crate) struct Outgoing {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    marks: Vec<Mark>,
}

impl Outgoing {
    pub(crate) fn new(schema: &SchemaRef) -> Self {
        Outgoing { schema: schema.clone(), batches: Vec::new(), rows: 0, marks: Vec::new() }
    }

    /// Adds rows, and emits all if they are many.
    pub(crate) async fn push(&mut self, rows: RecordBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.rows += rows.num_rows();
        self.batches.push(rows);
        if self.rows >= BATCH_ROWS_MAX { self.flush(cx).await } else { Ok(()) }
    }

    /// Puts a watermark behind what there is.
    pub(crate) fn mark(&mut self, watermark: Watermark) {
        self.marks.push(Mark { row: self.rows as u32, watermark });
    }

    /// Emits all there is.
    pub(crate) async fn flush(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.rows = 0;
        let marks = replace_marks(&std::mem::take(&mut self.marks), |row| row);
        let rows = concat_batches(&self.schema, &std::mem::take(&mut self.batches))?;
        emit(ChangeBatch::inserts(rows).with_marks(marks)?, cx).await
    }
}

/// An operator that emits windows when a watermark ends them.
#[async_trait]
pub(crate) trait EmitsWindows {
    /// The columns that it emits.
    fn output(&self) -> &SchemaRef;

    /// Emits the windows that a watermark ends.
    async fn pass(&mut self, watermark: Watermark, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()>;
}

/// Emits what the watermarks in a batch end, each before its watermark.
pub(crate) async fn pass_marks(
    operator: &mut impl EmitsWindows,
    batch: &ChangeBatch,
    cx: &mut OperatorContext<'_>,
) -> Result<()> {
    let mut outgoing = Outgoing::new(operator.output());
    for mark in batch.marks() {
        operator.pass(mark.watermark, &mut outgoing, cx).await?;
        outgoing.mark(mark.watermark);
    }
    outgoing.flush(cx).await
}

/// Emits what a watermark ends, then the watermark.
pub(crate) async fn pass_watermark(
    operator: &mut impl EmitsWindows,
    watermark: Watermark,
    cx: &mut OperatorContext<'_>,
) -> Result<()> {
    let mut outgoing = Outgoing::new(operator.output());
    operator.pass(watermark, &mut outgoing, cx).await?;
    outgoing.flush(cx).await?;
    cx.output.emit_watermark(watermark).await
}
