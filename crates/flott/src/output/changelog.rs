//! Result mode `CHANGELOG`: a line a change, as Flink prints a row: `-U[a, 1]`.

use flott_api::{ChangeBatch, Result, Schema};

use super::cells::Cells;
use super::{Ending, RowsWriter, View};

/// Writes changes as lines.
pub(super) struct Changelog {
    cells: Cells,
}

impl Changelog {
    pub(super) fn new(view: &View, schema: &Schema) -> Self {
        Changelog { cells: Cells::new(schema, &view.zone) }
    }
}

impl RowsWriter for Changelog {
    fn rows(&mut self, batch: &ChangeBatch, out: &mut String) -> Result<()> {
        for row in 0..batch.len() {
            out.push_str(batch.kind(row).short());
            for column in 0..self.cells.schema.len() {
                out.push_str(if column == 0 { "[" } else { ", " });
                if !self.cells.put(batch, row, column, out)? {
                    out.push_str("<NULL>");
                }
            }
            out.push_str("]\n");
        }
        Ok(())
    }

    fn end(&mut self, _: Ending, _: &mut String) {}
}
