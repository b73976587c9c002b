//! The id of a row's document: the columns of its primary key as texts.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, Int32Array, Int64Array, RecordBatch, StringArray};
use flott_api::{Error, Field, Result, Schema, TypeKind};

use super::Flavour;
use super::index::java_texts;

/// Whether a column may be part of a key, as in Flink: a value without a text that names it may not.
///
/// # Errors
/// If it may not.
pub(super) fn check(flavour: Flavour, field: Option<&Field>) -> Result<()> {
    let field = field.ok_or_else(|| Error::internal("a column of the primary key is no column"))?;
    let kind = &field.ty.kind;
    let is_interval = matches!(kind, TypeKind::IntervalYearMonth | TypeKind::IntervalDayTime);
    let is_time = kind.is_timestamp() || matches!(kind, TypeKind::Date | TypeKind::Time(_));
    if kind.is_character() || kind.is_numeric() || is_time || is_interval || *kind == TypeKind::Boolean {
        return Ok(());
    }
    let connector = flavour.identifier();
    Err(Error::invalid(format!("column '{}' of type {kind} is part of the primary key", field.name)).with_detail(
        format!("Connector '{connector}' makes the id of a document of it, and such a value has no text."),
    ))
}

/// The ids of a batch.
pub(super) struct Ids<'b> {
    columns: Vec<Texts<'b>>,
    delimiter: &'b str,
}

enum Texts<'b> {
    Borrowed(&'b StringArray),
    Int(&'b Int32Array),
    BigInt(&'b Int64Array),
    Made(StringArray),
}

impl<'b> Ids<'b> {
    /// The ids that these columns make.
    ///
    /// # Errors
    /// If there is a null in them.
    pub(super) fn of(rows: &'b RecordBatch, schema: &Schema, keys: &[usize], delimiter: &'b str) -> Result<Self> {
        let texts = |key: &usize| {
            let (column, field) = (rows.column(*key), &schema.fields[*key]);
            if column.null_count() > 0 {
                return Err(Error::data(format!("column '{}' of the primary key is null", field.name)));
            }
            Ok(match &field.ty.kind {
                TypeKind::Char(_) | TypeKind::Varchar(_) => Texts::Borrowed(column.as_string()),
                TypeKind::Int => Texts::Int(column.as_primitive::<Int32Type>()),
                TypeKind::BigInt => Texts::BigInt(column.as_primitive::<Int64Type>()),
                kind => Texts::Made(java_texts(column.as_ref(), kind)?),
            })
        };
        Ok(Ids { columns: keys.iter().map(texts).collect::<Result<_>>()?, delimiter })
    }

    /// Writes the id of a row.
    pub(super) fn write(&self, row: usize, out: &mut String) {
        let mut number = itoa::Buffer::new();
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push_str(self.delimiter);
            }
            out.push_str(match column {
                Texts::Borrowed(texts) => texts.value(row),
                Texts::Made(texts) => texts.value(row),
                Texts::Int(numbers) => number.format(numbers.value(row)),
                Texts::BigInt(numbers) => number.format(numbers.value(row)),
            });
        }
    }
}
