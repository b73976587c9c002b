//! Rows on their way out, collected until they are worth a batch, with the watermarks between them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
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
