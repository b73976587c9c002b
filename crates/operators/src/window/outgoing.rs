//! Rows on their way out, collected until they are worth a batch, with the watermarks between them; and what all operators
//! do that emit whole windows when a watermark ends them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use flott_api::operator::OperatorContext;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Mark, Result, Watermark};

use crate::emit::{emit, replace_marks};

/// From this size on batches cost so little per row that copying two of them into one does not pay.
const ROWS_ENOUGH: usize = 1024;

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

    /// Adds rows, and emits all if they are many. Windows that are a batch each stay so: all rows of one go the same way where
    /// their key is the window, and nothing of them is copied.
    pub(crate) async fn push(&mut self, rows: RecordBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.rows.min(rows.num_rows()) >= ROWS_ENOUGH {
            self.flush(cx).await?;
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int32Array;
    use arrow_schema::{DataType, Field, Schema};
    use flott_api::metrics::OperatorMetrics;
    use flott_api::testing::{Emitted, FakeTimers, RecordedOutput, ready};

    use super::*;

    /// A batch that came out.
    struct Sent {
        rows: usize,
        values: *const u8,
        marks: Vec<(u32, i64)>,
    }

    fn sent(windows: &[RecordBatch]) -> Vec<Sent> {
        let (mut output, mut timers, metrics) =
            (RecordedOutput::default(), FakeTimers::default(), OperatorMetrics::default());
        let mut cx = OperatorContext {
            output: &mut output,
            timers: &mut timers,
            processing_time_ms: 0,
            watermark: Watermark(0),
            metrics: &metrics,
        };
        let mut outgoing = Outgoing::new(&windows[0].schema());
        for (rows, end_ms) in windows.iter().zip(1..) {
            ready(outgoing.push(rows.clone(), &mut cx)).unwrap();
            outgoing.mark(Watermark(end_ms));
        }
        ready(outgoing.flush(&mut cx)).unwrap();
        let batches = output.emitted.into_iter().map(|emitted| match emitted {
            Emitted::Batch(batch) => {
                let marks = batch.marks().iter().map(|mark| (mark.row, mark.watermark.0)).collect();
                Sent { rows: batch.len(), values: address(batch.rows()), marks }
            }
            Emitted::Watermark(_) => panic!("a watermark without its rows"),
        });
        batches.collect()
    }

    fn window(rows: usize) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("x", DataType::Int32, false)]);
        let values = Int32Array::from_iter_values(0..rows as i32);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values)]).unwrap()
    }

    fn address(rows: &RecordBatch) -> *const u8 {
        rows.column(0).to_data().buffers()[0].as_ptr()
    }

    #[test]
    fn large_windows_are_batches_of_their_own_that_nobody_copies_and_small_ones_become_one() {
        let windows = [2000, 3000, 10, 5, 8000].map(window);
        let sent = sent(&windows);
        let sizes: Vec<_> = sent.iter().map(|batch| batch.rows).collect();
        assert_eq!(sizes, [2000, 3015, 8000]);
        let marks: Vec<_> = sent.iter().map(|batch| batch.marks.as_slice()).collect();
        assert_eq!(marks, [&[(2000, 1)][..], &[(3000, 2), (3010, 3), (3015, 4)], &[(8000, 5)]]);
        assert_eq!(sent[0].values, address(&windows[0]));
        assert_eq!(sent[2].values, address(&windows[4]));
    }
}
