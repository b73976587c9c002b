//! The text of cells, as Flink's `CAST(x AS STRING)` gives it.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use flott_api::{ChangeBatch, Field, Result, Schema, TypeKind};
use flott_functions::{TextStyle, format_value};

/// Reads the cells of a result.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    pub(super) schema: Schema,
    pub(super) zone: String,
}

impl Cells {
    pub(super) fn new(schema: &Schema, zone: &str) -> Self {
        Cells { schema: schema.clone(), zone: zone.to_owned() }
    }

    /// Appends the text of a cell; nothing, and `false`, if it is null.
    pub(super) fn put(&self, batch: &ChangeBatch, row: usize, column: usize, out: &mut String) -> Result<bool> {
        let array = batch.rows().column(column);
        let field = &self.schema.fields[column];
        if field.ty.kind == TypeKind::Null || array.is_null(row) {
            return Ok(false);
        }
        put_value(array.as_ref(), row, field, &self.zone, out)?;
        Ok(true)
    }
}

/// Appends the text of a value that is not null.
fn put_value(array: &dyn Array, row: usize, field: &Field, zone: &str, out: &mut String) -> Result<()> {
    if let (TypeKind::Char(_) | TypeKind::Varchar(_), Some(text)) = (&field.ty.kind, array.as_string_opt::<i32>()) {
        out.push_str(text.value(row));
        return Ok(());
    }
    format_value(array, row, &field.ty, zone, TextStyle::Cell, out)
}
