//! Documents as rows: straight from their bytes into columns, by Flink's table of types.
//!
//! **Difference.** Where Flink lets a number that is too large run over, it is an error here that names the field.

mod value;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_schema::SchemaRef;
use bson::{Bson, RawDocument};
use flott_api::{BATCH_ROWS_MAX, Error, Field, Result, Schema};
use flott_formats::columns::Column;

use crate::kinds::{ID, Misfit};

/// A batch is handed on when its documents have so many bytes.
const BYTES_MAX: usize = 16 << 20;
/// So much of an `_id` is shown.
const SHOWN_MAX: usize = 60;

/// Rows that documents become.
pub(crate) struct Decoder {
    fields: Vec<Field>,
    columns: Vec<Column>,
    schema: SchemaRef,
    rows: usize,
    bytes: usize,
}

impl Decoder {
    /// Of these columns.
    pub(crate) fn new(schema: &Schema) -> Self {
        let columns = schema.fields.iter().map(|f| Column::new(&f.ty)).collect();
        Decoder { fields: schema.fields.clone(), columns, schema: schema.arrow(), rows: 0, bytes: 0 }
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether it is time to hand the batch on.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// Adds a document.
    ///
    /// # Errors
    /// Names the field that does not fit, and the document.
    pub(crate) fn push(&mut self, document: &RawDocument) -> Result<()> {
        put_fields(&self.fields, &mut self.columns, self.rows, document).map_err(|misfit| {
            let id = document.get(ID).ok().flatten().and_then(|id| Bson::try_from(id).ok());
            let id = id.map_or("without _id".to_owned(), |id| format!("with _id {}", shown(&id.to_string())));
            Error::data(format!("{} in the document {id}", misfit.told()))
        })?;
        self.rows += 1;
        self.bytes += document.as_bytes().len();
        Ok(())
    }

    /// The rows; none are left.
    ///
    /// # Errors
    /// If a null lies where a nested type says `NOT NULL`.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let columns = self.columns.iter_mut().map(Column::take).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        self.bytes = 0;
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_owned(),
    }
}

/// Puts the fields of a document into the columns of their names. What is missing is null; of a doubled field the first
/// one counts.
fn put_fields(
    fields: &[Field],
    columns: &mut [Column],
    row: usize,
    document: &RawDocument,
) -> std::result::Result<(), Misfit> {
    // Documents mostly have their fields in the order in which they were asked for.
    let mut expected = 0;
    for element in document.iter_elements() {
        let element = element?;
        let name = element.key().as_str();
        let found = match fields.get(expected) {
            Some(field) if field.name == name => Some(expected),
            _ => fields.iter().position(|f| f.name == name),
        };
        let Some(at) = found else { continue };
        expected = at + 1;
        if columns[at].len() == row {
            let put = element.value().map_err(Misfit::from).and_then(|v| value::put(&mut columns[at], v));
            put.map_err(|misfit| misfit.within(name))?;
        }
    }
    for (field, column) in fields.iter().zip(columns) {
        if column.len() == row {
            value::put_null(column, "missing").map_err(|misfit| misfit.within(&field.name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
