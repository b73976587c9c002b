//! The tableau of batch mode: no column `op`, and columns as wide as what they hold.
//!
//! Flink waits for all rows to know how wide that is. Here the first [`MEASURED_ROWS`] say it, so that a long result needs
//! no more memory than a short one; a later cell that is wider is cut.

use flott_api::{ChangeBatch, Result, Schema};

use super::cells::Cells;
use super::tableau::{NULL, put_border, put_ending, put_row, width};
use super::{Ending, RowsWriter, View};

/// So many rows are waited for.
const MEASURED_ROWS: usize = 10_000;

/// Writes final rows as a tableau.
pub(super) struct FinalRows {
    cells: Cells,
    width_max: usize,
    /// Rows that wait for the widths.
    waiting: Vec<Vec<String>>,
    /// Is there when the header is.
    widths: Option<Vec<usize>>,
    rows: u64,
}

impl FinalRows {
    pub(super) fn new(view: &View, schema: &Schema) -> Self {
        let cells = Cells::new(schema, &view.zone);
        FinalRows { cells, width_max: view.column_width_max, waiting: Vec::new(), widths: None, rows: 0 }
    }

    fn row(&self, batch: &ChangeBatch, row: usize) -> Result<Vec<String>> {
        let cell = |column| {
            let mut cell = String::new();
            let is_null = !self.cells.put(batch, row, column, &mut cell)?;
            Ok(if is_null { NULL.to_owned() } else { cell })
        };
        (0..self.cells.schema.len()).map(cell).collect()
    }

    /// Writes what waits, behind the header if that is not there yet.
    fn flush(&mut self, out: &mut String) {
        let names: Vec<&str> = self.cells.schema.fields.iter().map(|f| f.name.as_str()).collect();
        let (waiting, most) = (std::mem::take(&mut self.waiting), self.width_max);
        let widths = self.widths.get_or_insert_with(|| {
            let widest = |column: usize| waiting.iter().map(|row| width(&row[column])).max().unwrap_or(0);
            let widths: Vec<usize> =
                (names.iter().enumerate()).map(|(i, name)| width(name).max(widest(i)).min(most)).collect();
            put_border(&widths, out);
            put_row(names.iter().copied(), &widths, out);
            put_border(&widths, out);
            widths
        });
        waiting.iter().for_each(|row| put_row(row.iter().map(String::as_str), widths, out));
    }
}

impl RowsWriter for FinalRows {
    fn rows(&mut self, batch: &ChangeBatch, out: &mut String) -> Result<()> {
        for row in 0..batch.len() {
            self.waiting.push(self.row(batch, row)?);
        }
        self.rows += batch.len() as u64;
        if self.widths.is_some() || self.waiting.len() >= MEASURED_ROWS {
            self.flush(out);
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending, out: &mut String) {
        if self.rows > 0 {
            self.flush(out);
            self.widths.iter().for_each(|widths| put_border(widths, out));
        }
        put_ending(ending, self.rows, out);
    }
}
