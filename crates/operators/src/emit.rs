//! Batches on their way out: in pieces of the largest size, with marks in their place.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use flott_api::operator::OperatorContext;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Mark, Result};

/// Emits a batch of any length.
pub(crate) async fn emit(batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
    if batch.is_empty() && batch.marks().is_empty() {
        return Ok(());
    }
    if batch.len() <= BATCH_ROWS_MAX {
        return cx.output.emit(batch).await;
    }
    for from in (0..batch.len()).step_by(BATCH_ROWS_MAX) {
        cx.output.emit(batch.slice(from, BATCH_ROWS_MAX.min(batch.len() - from))).await?;
    }
    Ok(())
}

/// A record batch, also of no columns.
pub(crate) fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// Marks by their place among the rows that came out: `before(row)` is how many output rows belong to
/// input rows before `row`. Of marks without a row between them the last one stays.
pub(crate) fn replace_marks(marks: &[Mark], before: impl Fn(usize) -> usize) -> Vec<Mark> {
    let mut placed: Vec<Mark> = Vec::with_capacity(marks.len());
    for mark in marks {
        let mark = Mark { row: before(mark.row as usize) as u32, ..*mark };
        match placed.last_mut() {
            Some(last) if last.row == mark.row => *last = mark,
            _ => placed.push(mark),
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use flott_api::Watermark;

    use super::*;

    #[test]
    fn marks_move_with_their_rows_and_the_last_of_one_place_stays() {
        let marks = [(0, 1), (1, 2), (2, 3)].map(|(row, w)| Mark { row, watermark: Watermark(w) });
        let placed = replace_marks(&marks, |row| row / 2 * 3);
        let expected = [(0, 2), (3, 3)].map(|(row, w)| Mark { row, watermark: Watermark(w) });
        assert_eq!(placed, expected);
    }
}
