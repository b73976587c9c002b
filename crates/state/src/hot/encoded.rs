//! Values of any type as bytes, for what only tells values apart: the encoding of [`row`](mod@crate::row), one value each.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use flott_api::{Error, Result};

use crate::row::{RowEncoder, check_type, decode};

/// What a null is written as.
const NULL: [u8; 1] = [0];

/// The way of one type to bytes and back.
#[derive(Clone, Debug)]
pub struct Encoding {
    schema: SchemaRef,
}

impl Encoding {
    /// The encoding of values of this type.
    ///
    /// # Errors
    /// If they have none.
    pub fn of(ty: &DataType) -> Result<Self> {
        check_type(ty)?;
        Ok(Encoding { schema: Arc::new(Schema::new(vec![Field::new("value", ty.clone(), true)])) })
    }

    /// Writes rows of this column one by one.
    ///
    /// # Errors
    /// If the column is of another type.
    pub fn encoder(&self, column: &ArrayRef) -> Result<RowEncoder> {
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), vec![Arc::clone(column)]);
        RowEncoder::new(&rows.map_err(|e| Error::internal("a view got values of another type").with_source(e))?)
    }

    /// The bytes of a column; a null stays one.
    ///
    /// # Errors
    /// If the column is of another type, or its bytes do not fit into one.
    pub fn encode(&self, column: &ArrayRef) -> Result<BinaryArray> {
        self.written(column, |row| column.is_null(row))
    }

    /// The same, with bytes for nulls too.
    ///
    /// # Errors
    /// If the column is of another type, or its bytes do not fit into one.
    pub fn encode_nulls(&self, column: &ArrayRef) -> Result<BinaryArray> {
        self.written(column, |_| false)
    }

    fn written(&self, column: &ArrayRef, is_null: impl Fn(usize) -> bool) -> Result<BinaryArray> {
        let encoder = self.encoder(column)?;
        let (mut builder, mut bytes, mut total) = (BinaryBuilder::new(), Vec::new(), 0);
        for row in 0..column.len() {
            if is_null(row) {
                builder.append_null();
                continue;
            }
            bytes.clear();
            encoder.encode(row, &mut bytes);
            total += bytes.len();
            check_length(total)?;
            builder.append_value(&bytes);
        }
        Ok(builder.finish())
    }

    /// The column of these bytes; nothing is a null.
    ///
    /// # Errors
    /// If they are damaged, or do not fit into a column.
    pub fn decode<'a>(&self, values: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef> {
        let rows: Vec<&[u8]> = values.map(|value| value.unwrap_or(&NULL)).collect();
        check_length(rows.iter().map(|row| row.len()).sum())?;
        Ok(Arc::clone(decode(&self.schema, &rows)?.column(0)))
    }
}

/// Refuses what no column of Arrow takes.
pub(super) fn check_length(bytes: usize) -> Result<()> {
    match i32::try_from(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid("the values of an aggregate are too long")
            .with_detail(format!("A column holds up to {} bytes.", i32::MAX))
            .with_hint("Group by more columns, or aggregate fewer rows.")),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{Int32Array, ListArray};

    use super::*;

    #[test]
    fn values_of_any_type_come_back_and_nulls_may_have_bytes() {
        let list = || Some(vec![Some(1), None]);
        let columns: [ArrayRef; 2] = [
            Arc::new(Int32Array::from(vec![Some(7), None, Some(7)])),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([list(), None, list()])),
        ];
        for column in columns {
            let encoding = Encoding::of(column.data_type()).unwrap();
            let bytes = encoding.encode(&column).unwrap();
            assert!(bytes.is_null(1) && bytes.value(0) == bytes.value(2));
            assert_eq!(&encoding.decode(bytes.iter()).unwrap(), &column);
            let bytes = encoding.encode_nulls(&column).unwrap();
            assert_eq!((bytes.null_count(), bytes.value(1)), (0, &NULL[..]));
            assert_eq!(&encoding.decode(bytes.iter()).unwrap(), &column);
        }
    }

    #[test]
    fn what_is_too_long_for_a_column_is_refused() {
        check_length(i32::MAX as usize).unwrap();
        assert!(check_length(i32::MAX as usize + 1).unwrap_err().hint().is_some());
    }
}
