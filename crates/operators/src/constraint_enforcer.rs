//! Checks what a sink's columns promise: `NOT NULL`, and the lengths of text and bytes.
//!
//! Flink counterpart: `ConstraintEnforcer`. **State layout**: none. A null in a `NOT NULL` column fails
//! the job or drops the row (`table.exec.sink.not-null-enforcer`). A value too long for its column is
//! let through, cut (and `CHAR` and `BINARY` padded), or fails (`table.exec.sink.type-length-enforcer`).
//! What lies inside rows, arrays and maps is not looked at, which is Flink's default too.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::types::LENGTH_MAX;
use flott_api::{ChangeBatch, Error, Field, Result, TypeKind};
use flott_graph::spec::{ConstraintEnforcerSpec, NotNullEnforcer, TypeLengthEnforcer};

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;

/// See the module.
pub struct ConstraintEnforcer {
    spec: ConstraintEnforcerSpec,
    schema: SchemaRef,
}

impl FromSpec for ConstraintEnforcer {
    type Spec = ConstraintEnforcerSpec;

    fn from_spec(spec: ConstraintEnforcerSpec) -> Result<Self> {
        Ok(ConstraintEnforcer { schema: spec.input.arrow(), spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl flott_api::operator::Stateful for ConstraintEnforcer {}

#[async_trait]
impl Operator for ConstraintEnforcer {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let batch = self.lengths(self.nulls(batch)?)?;
        emit(batch, cx).await
    }
}

impl ConstraintEnforcer {
    fn nulls(&self, batch: ChangeBatch) -> Result<ChangeBatch> {
        let mut keep: Option<BooleanBuffer> = None;
        for (field, column) in self.spec.input.fields.iter().zip(batch.rows().columns()) {
            let Some(nulls) = column.nulls().filter(|n| !field.ty.nullable && n.null_count() > 0) else { continue };
            if self.spec.not_null == NotNullEnforcer::Error {
                return Err(self.null_error(field));
            }
            keep = Some(keep.map_or_else(|| nulls.inner().clone(), |k| &k & nulls.inner()));
        }
        match keep {
            Some(keep) => batch.filter(&BooleanArray::new(keep, None)),
            None => Ok(batch),
        }
    }

    fn null_error(&self, field: &Field) -> Error {
        let (name, table) = (&field.name, &self.spec.table);
        Error::data(format!(
            "column '{name}' of table '{table}' is NOT NULL, however, a null value is being written into it"
        ))
        .with_hint("Set 'table.exec.sink.not-null-enforcer' to 'DROP' to drop such records silently.")
    }

    fn lengths(&self, batch: ChangeBatch) -> Result<ChangeBatch> {
        if self.spec.type_length == TypeLengthEnforcer::Ignore || batch.is_empty() {
            return Ok(batch);
        }
        let each = self.spec.input.fields.iter().zip(batch.rows().columns());
        let columns = each.map(|(field, column)| self.length(field, column)).collect::<Result<Vec<_>>>()?;
        let rows = record_batch(&self.schema, columns, batch.len())?;
        batch.with_rows(rows)
    }

    fn length(&self, field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
        let (length, pad) = match field.ty.kind {
            TypeKind::Char(length) | TypeKind::Binary(length) => (length, true),
            TypeKind::Varchar(length) | TypeKind::Varbinary(length) if length < LENGTH_MAX => (length, false),
            _ => return Ok(Arc::clone(column)),
        };
        let limit = Limit { length: length as usize, pad };
        match column.as_string_opt::<i32>() {
            Some(text) if text.iter().flatten().any(|t| limit.breaks(t.chars().count())) => {
                self.fits(field, text.iter().flatten().any(|t| t.chars().count() > limit.length))?;
                Ok(Arc::new(text.iter().map(|t| t.map(|t| limit.text(t))).collect::<StringArray>()))
            }
            Some(_) => Ok(Arc::clone(column)),
            None => {
                let bytes =
                    column.as_binary_opt::<i32>().ok_or_else(|| Error::internal("a column lies as another type"))?;
                if !bytes.iter().flatten().any(|b| limit.breaks(b.len())) {
                    return Ok(Arc::clone(column));
                }
                self.fits(field, bytes.iter().flatten().any(|b| b.len() > limit.length))?;
                Ok(Arc::new(bytes.iter().map(|b| b.map(|b| limit.bytes(b))).collect::<BinaryArray>()))
            }
        }
    }

    fn fits(&self, field: &Field, too_long: bool) -> Result<()> {
        if self.spec.type_length == TypeLengthEnforcer::TrimPad || !too_long {
            return Ok(());
        }
        let (name, table) = (&field.name, &self.spec.table);
        Err(Error::data(format!("column '{name}' of table '{table}' is {}, however, a longer value is being written into it", field.ty.kind))
            .with_hint("Set 'table.exec.sink.type-length-enforcer' to 'TRIM_PAD' to cut such values, or to 'IGNORE' to let them through."))
    }
}

/// The length of a column's values: characters or bytes.
struct Limit {
    length: usize,
    pad: bool,
}

impl Limit {
    fn breaks(&self, length: usize) -> bool {
        length > self.length || (self.pad && length < self.length)
    }

    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match text.char_indices().nth(self.length) {
            Some((end, _)) => Cow::Borrowed(&text[..end]),
            None if self.pad => Cow::Owned(format!("{text:<width$}", width = self.length)),
            None => Cow::Borrowed(text),
        }
    }

    fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match bytes.get(..self.length) {
            Some(cut) => Cow::Borrowed(cut),
            None if self.pad => {
                let mut padded = bytes.to_vec();
                padded.resize(self.length, 0);
                Cow::Owned(padded)
            }
            None => Cow::Borrowed(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
