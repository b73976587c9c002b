//! Headers of answers as a column: for each name its values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Fields};
use flott_api::{Error, LogicalType, Result, TypeKind};

/// `MAP<STRING, ARRAY<STRING>>`
pub(crate) fn headers_type() -> LogicalType {
    let texts = LogicalType::new(TypeKind::Array(Box::new(LogicalType::string())));
    LogicalType::new(TypeKind::Map(Box::new(LogicalType::string()), Box::new(texts)))
}

/// Headers of rows: for each name its values.
#[derive(Default)]
pub(crate) struct Headers {
    names: StringBuilder,
    values: ListBuilder<StringBuilder>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Headers {
    /// Those of a row; nothing is null.
    pub(crate) fn push(&mut self, headers: Option<&[(String, String)]>) {
        let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in headers.unwrap_or_default() {
            by_name.entry(name).or_default().push(value);
        }
        self.lengths.push(by_name.len());
        self.valid.push(headers.is_some());
        for (name, values) in by_name {
            self.names.append_value(name);
            values.iter().for_each(|value| self.values.values().append_value(value));
            self.values.append(true);
        }
    }

    /// The column of all rows.
    ///
    /// # Errors
    /// If the type is not [`headers_type`].
    pub(crate) fn array(&self, ty: &LogicalType) -> Result<ArrayRef> {
        let wrong = || Error::internal("the headers of an answer are no map of lists");
        let DataType::List(entry) = ty.arrow() else { return Err(wrong()) };
        let DataType::Struct(fields) = entry.data_type() else { return Err(wrong()) };
        let [_, value] = fields.as_ref() else { return Err(wrong()) };
        let DataType::List(element) = value.data_type() else { return Err(wrong()) };
        let (names, lists) = (Arc::new(self.names.finish_cloned()) as ArrayRef, self.values.finish_cloned());
        let (_, offsets, values, nulls) = lists.into_parts();
        let lists = ListArray::try_new(Arc::clone(element), offsets, values, nulls)?;
        let entries = StructArray::try_new(Fields::clone(fields), vec![names, Arc::new(lists)], None)?;
        let offsets = OffsetBuffer::from_lengths(self.lengths.iter().copied());
        let nulls = NullBuffer::from(self.valid.clone());
        Ok(Arc::new(ListArray::try_new(entry, offsets, Arc::new(entries), Some(nulls))?))
    }
}
