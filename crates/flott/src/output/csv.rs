//! CSV with a header; `op` comes first. A null is an empty field, an empty text is `""`.

use flott_api::{ChangeBatch, Result, Schema};
use flott_sql::session::TextTable;

use super::cells::Cells;
use super::{Ending, RowsWriter, View};

/// Writes changes as CSV.
pub(super) struct Csv {
    cells: Cells,
    cell: String,
    has_header: bool,
}

impl Csv {
    pub(super) fn new(view: &View, schema: &Schema) -> Self {
        Csv { cells: Cells::new(schema, &view.zone), cell: String::new(), has_header: false }
    }

    fn header(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.has_header, true) {
            out.push_str("op");
            self.cells.schema.fields.iter().for_each(|field| {
                out.push(',');
                put_quoted(&field.name, out);
            });
            out.push('\n');
        }
    }
}

impl RowsWriter for Csv {
    fn rows(&mut self, batch: &ChangeBatch, out: &mut String) -> Result<()> {
        self.header(out);
        for row in 0..batch.len() {
            out.push_str(batch.kind(row).short());
            for column in 0..self.cells.schema.len() {
                out.push(',');
                self.cell.clear();
                if self.cells.put(batch, row, column, &mut self.cell)? {
                    put_quoted(&self.cell, out);
                }
            }
            out.push('\n');
        }
        Ok(())
    }

    fn end(&mut self, _: Ending, out: &mut String) {
        self.header(out);
    }
}

/// RFC 4180: quotes only where they are needed, doubled inside.
fn put_quoted(text: &str, out: &mut String) {
    if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for part in text.split_inclusive('"') {
        out.push_str(part);
        if part.ends_with('"') {
            out.push('"');
        }
    }
    out.push('"');
}

pub(super) fn text_table(table: &TextTable) -> String {
    let mut out = String::new();
    let names: Vec<Option<String>> = table.schema.fields.iter().map(|f| Some(f.name.clone())).collect();
    for row in std::iter::once(&names).chain(&table.rows) {
        for (column, cell) in row.iter().enumerate() {
            if column > 0 {
                out.push(',');
            }
            if let Some(cell) = cell {
                put_quoted(cell, &mut out);
            }
        }
        out.push('\n');
    }
    out
}
