//! Flink's tableau: a grid with right-aligned cells and a column `op` for the row kind.
//!
//! Columns of a query are as wide as their type may get, so that rows can be shown as they come; columns of an answer to
//! `SHOW` are as wide as what they hold. A cell that is too wide ends in `...`. Widths count a wide character twice.

use flott_api::{ChangeBatch, LogicalType, Result, Schema, TypeKind};
use flott_sql::session::TextTable;
use unicode_width::UnicodeWidthChar;

use super::cells::Cells;
use super::{Ending, RowsWriter, View};

/// The column of row kinds.
const OP: &str = "op";
/// What a null looks like.
pub(super) const NULL: &str = "<NULL>";
/// What ends a cell that was cut.
const CUT: &str = "...";

/// Writes changes as a tableau.
pub(super) struct Tableau {
    cells: Cells,
    widths: Vec<usize>,
    rows: u64,
    cell: String,
}

impl Tableau {
    pub(super) fn new(view: &View, schema: &Schema) -> Self {
        let column = |name: &str, ty: &LogicalType| {
            let by_type = type_width(&ty.kind).unwrap_or(view.column_width_max);
            name.encode_utf16().count().max(by_type).max(NULL.len())
        };
        let mut widths = vec![OP.len()];
        widths.extend(schema.fields.iter().map(|f| column(&f.name, &f.ty)));
        Tableau { cells: Cells::new(schema, &view.zone), widths, rows: 0, cell: String::new() }
    }

    fn header(&self, out: &mut String) {
        put_border(&self.widths, out);
        let names = self.cells.schema.fields.iter().map(|f| f.name.as_str());
        put_row(std::iter::once(OP).chain(names), &self.widths, out);
        put_border(&self.widths, out);
    }
}

impl RowsWriter for Tableau {
    fn rows(&mut self, batch: &ChangeBatch, out: &mut String) -> Result<()> {
        if self.rows == 0 && !batch.is_empty() {
            self.header(out);
        }
        for row in 0..batch.len() {
            out.push('|');
            put_cell(batch.kind(row).short(), self.widths[0], out);
            for column in 0..self.cells.schema.len() {
                self.cell.clear();
                let is_null = !self.cells.put(batch, row, column, &mut self.cell)?;
                put_cell(if is_null { NULL } else { &self.cell }, self.widths[column + 1], out);
            }
            out.push('\n');
        }
        self.rows += batch.len() as u64;
        Ok(())
    }

    fn end(&mut self, ending: Ending, out: &mut String) {
        if self.rows > 0 {
            put_border(&self.widths, out);
        }
        put_ending(ending, self.rows, out);
    }
}

/// The line behind a result of so many rows.
pub(super) fn put_ending(ending: Ending, count: u64, out: &mut String) {
    let rows = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    let end = match (ending, count) {
        (Ending::Complete, 0) => "Empty set".to_owned(),
        (Ending::Complete, _) => format!("{rows} in set"),
        (Ending::Terminated, _) => format!("Query terminated, received a total of {rows}"),
        (Ending::Failed, _) => return,
    };
    out.push_str(&end);
    out.push('\n');
}

/// How wide a value of a type may get, by Flink's table; nothing for types whose values have no bound.
pub(super) fn type_width(kind: &TypeKind) -> Option<usize> {
    const TIMESTAMP: usize = "9999-12-31 23:59:59".len();
    Some(match kind {
        // Digits and a sign.
        TypeKind::TinyInt => 3 + 1,
        TypeKind::SmallInt => 5 + 1,
        TypeKind::Int => 10 + 1,
        TypeKind::BigInt => 19 + 1,
        TypeKind::Decimal { precision, .. } => usize::from(*precision) + "-.".len(),
        TypeKind::Boolean => "FALSE".len(),
        TypeKind::Date => "9999-12-31".len(),
        TypeKind::Time(0) => "23:59:59".len(),
        TypeKind::Time(precision) => "23:59:59.".len() + usize::from(*precision),
        TypeKind::Timestamp(p) | TypeKind::TimestampLtz(p) => match p {
            0 => TIMESTAMP,
            1..=3 => TIMESTAMP + ".123".len(),
            4..=6 => TIMESTAMP + ".123456".len(),
            _ => TIMESTAMP + ".123456789".len(),
        },
        _ => return None,
    })
}

/// The answer to `SHOW` and the like; a null is empty there.
pub(super) fn text_table(table: &TextTable) -> String {
    if table.rows.is_empty() {
        return "Empty set\n".to_owned();
    }
    let names: Vec<&str> = table.schema.fields.iter().map(|f| f.name.as_str()).collect();
    let rows: Vec<Vec<&str>> =
        table.rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect()).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(w, cell)| *w = (*w).max(width(cell)));
    }
    let mut out = String::new();
    put_border(&widths, &mut out);
    put_row(names, &widths, &mut out);
    put_border(&widths, &mut out);
    rows.iter().for_each(|row| put_row(row.iter().copied(), &widths, &mut out));
    put_border(&widths, &mut out);
    out.push_str(&if rows.len() == 1 { "1 row in set\n".to_owned() } else { format!("{} rows in set\n", rows.len()) });
    out
}

pub(super) fn put_border(widths: &[usize], out: &mut String) {
    out.push('+');
    for width in widths {
        out.extend(std::iter::repeat_n('-', width + 2));
        out.push('+');
    }
    out.push('\n');
}

pub(super) fn put_row<'a>(cells: impl IntoIterator<Item = &'a str>, widths: &[usize], out: &mut String) {
    out.push('|');
    cells.into_iter().zip(widths).for_each(|(cell, width)| put_cell(cell, *width, out));
    out.push('\n');
}

fn put_cell(text: &str, wide: usize, out: &mut String) {
    out.push(' ');
    let has = width(text);
    if has <= wide {
        out.extend(std::iter::repeat_n(' ', wide - has));
        out.push_str(text);
    } else {
        put_cut(text, wide.saturating_sub(CUT.len()), out);
        out.push_str(CUT);
    }
    out.push_str(" |");
}

/// As much of a text as fits, padded where half of a wide character would.
fn put_cut(text: &str, wide: usize, out: &mut String) {
    let (mut taken, mut end) = (0, 0);
    for (i, c) in text.char_indices() {
        if taken + char_width(c) > wide {
            break;
        }
        taken += char_width(c);
        end = i + c.len_utf8();
    }
    out.extend(std::iter::repeat_n(' ', wide - taken));
    out.push_str(&text[..end]);
}

pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char_width).sum() }
}

/// As Flink counts: one, or two for a full-width character.
fn char_width(c: char) -> usize {
    if c.width() == Some(2) { 2 } else { 1 }
}
