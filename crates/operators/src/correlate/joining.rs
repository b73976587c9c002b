//! Rows beside the elements that were given for each.

use arrow_array::{BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use flott_api::{ChangeBatch, Result};
use flott_functions::{CompiledExpr, EvalContext};

use super::pairs::{Elements, Pairs};
use crate::emit::{record_batch, replace_marks};

/// How rows and elements become pairs.
pub(crate) struct Joining<'a> {
    /// Only pairs where it is true count.
    pub(crate) condition: Option<&'a CompiledExpr>,
    /// Whether a row without a pair comes with nulls.
    pub(crate) outer: bool,
    /// The columns of rows, then of elements.
    pub(crate) output: &'a SchemaRef,
}

impl Joining<'_> {
    /// The pairs with the kinds of their rows, and the marks in their place.
    pub(crate) fn join(&self, batch: &ChangeBatch, elements: &Elements, cx: &EvalContext) -> Result<ChangeBatch> {
        let mut pairs = elements.pairs();
        if let Some(condition) = self.condition {
            let rows = self.rows(batch, elements, &pairs)?;
            pairs.keep(&passing(condition, &rows, cx)?);
        }
        if self.outer {
            pairs = pairs.with_missing(batch.len());
        }
        let rows = self.rows(batch, elements, &pairs)?;
        let kinds = batch.kinds().map(|kinds| kinds.take(pairs.rows.iter().map(|r| *r as usize)));
        let before = |row: usize| pairs.rows.partition_point(|r| (*r as usize) < row);
        let marks = replace_marks(batch.marks(), before);
        ChangeBatch::new(rows, kinds)?.with_marks(marks)
    }

    fn rows(&self, batch: &ChangeBatch, elements: &Elements, pairs: &Pairs) -> Result<RecordBatch> {
        let of_rows = UInt32Array::from(pairs.rows.clone());
        let of_elements = UInt32Array::from(pairs.elements.clone());
        let mut columns = Vec::with_capacity(self.output.fields().len());
        for column in batch.rows().columns() {
            columns.push(take(column, &of_rows, None)?);
        }
        columns.extend(elements.columns(&of_elements, &pairs.ordinals)?);
        record_batch(self.output, columns, pairs.rows.len())
    }
}

fn passing(condition: &CompiledExpr, rows: &RecordBatch, cx: &EvalContext) -> Result<BooleanArray> {
    if rows.num_rows() == 0 {
        Ok(BooleanArray::from(Vec::<bool>::new()))
    } else {
        condition.evaluate_predicate(rows, cx)
    }
}
