//! Checks in debug builds what an operator promised: columns of its output's types, watermarks that
//! rise, batches of the right size, nothing after its end. A broken promise is a bug in Flott.

use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result, Schema, Watermark};

/// The promises of one operator instance.
#[derive(Debug)]
pub(crate) struct Checker {
    types: Vec<arrow_schema::DataType>,
    watermark: Watermark,
    finished: bool,
}

impl Checker {
    /// An operator that emits these columns.
    pub(crate) fn new(output: &Schema) -> Self {
        if cfg!(debug_assertions) { Checker::checking(output) } else { Checker::checking(&Schema::default()) }
    }

    fn checking(output: &Schema) -> Self {
        let types = output.arrow().fields().iter().map(|f| f.data_type().clone()).collect();
        Checker { types, watermark: Watermark::MIN, finished: false }
    }

    /// A batch is emitted.
    pub(crate) fn on_batch(&mut self, batch: &ChangeBatch) -> Result<()> {
        if cfg!(debug_assertions) { self.check_batch(batch) } else { Ok(()) }
    }

    /// A watermark is emitted.
    pub(crate) fn on_watermark(&mut self, watermark: Watermark) -> Result<()> {
        if cfg!(debug_assertions) { self.check_watermark(watermark) } else { Ok(()) }
    }

    /// The operator has finished.
    pub(crate) fn on_finish(&mut self) {
        self.finished = true;
    }

    fn check_batch(&mut self, batch: &ChangeBatch) -> Result<()> {
        if self.finished {
            return Err(Error::internal("rows are emitted after the end"));
        }
        if batch.len() > BATCH_ROWS_MAX {
            return Err(Error::internal(format!("a batch of {} rows is emitted", batch.len())));
        }
        self.check_types(batch)?;
        batch.marks().iter().try_for_each(|m| self.check_watermark(m.watermark))
    }

    fn check_types(&self, batch: &ChangeBatch) -> Result<()> {
        let types = batch.types();
        if types.len() != self.types.len() {
            return Err(Error::internal(format!("{} columns are emitted, not {}", types.len(), self.types.len())));
        }
        let wrong = types.zip(&self.types).enumerate().find(|(_, (emitted, ty))| !emitted.equals_datatype(ty));
        wrong.map_or(Ok(()), |(i, (emitted, ty))| {
            Err(Error::internal(format!("column {i} is emitted as {emitted}, not {ty}")))
        })
    }

    fn check_watermark(&mut self, watermark: Watermark) -> Result<()> {
        if watermark < self.watermark {
            return Err(Error::internal(format!("a watermark falls from {} to {}", self.watermark.0, watermark.0)));
        }
        self.watermark = watermark;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rows::{batch, schema};

    fn message(checked: Result<()>) -> String {
        checked.unwrap_err().to_string()
    }

    #[test]
    fn broken_promises_are_named() {
        let mut checker = Checker::checking(&schema());
        checker.check_batch(&batch([1], &[(0, 5)])).unwrap();
        assert_eq!(message(checker.check_watermark(Watermark(4))), "a watermark falls from 5 to 4");
        assert_eq!(message(checker.check_batch(&batch([1], &[(1, 3)]))), "a watermark falls from 5 to 3");
        let mut other = Checker::checking(&Schema::default());
        assert_eq!(message(other.check_batch(&batch([1], &[]))), "1 columns are emitted, not 0");
        let large = batch(0..8193, &[]);
        assert_eq!(message(checker.check_batch(&large)), "a batch of 8193 rows is emitted");
        checker.on_finish();
        assert_eq!(message(checker.check_batch(&batch([1], &[]))), "rows are emitted after the end");
    }
}
