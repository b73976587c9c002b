//! Values of any type as bytes: for aggregates that keep values and never look into them.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use flott_api::Result;
use flott_state::row::{self, RowEncoder};

/// How values of one type are written.
pub(super) struct Written {
    schema: SchemaRef,
}

/// A null as it is written.
pub(super) const NULL: &[u8] = &[0];

impl Written {
    pub(super) fn new(ty: &DataType) -> Result<Self> {
        row::check_type(ty)?;
        Ok(Written { schema: Arc::new(Schema::new(vec![Field::new("value", ty.clone(), true)])) })
    }

    /// Writes the values of a column.
    pub(super) fn encoder(&self, column: &ArrayRef) -> Result<RowEncoder> {
        RowEncoder::new(&RecordBatch::try_new(self.schema.clone(), vec![column.clone()])?)
    }

    /// The column of values that were written.
    pub(super) fn column(&self, values: &Values) -> Result<ArrayRef> {
        let start = |i: usize| if i == 0 { 0 } else { values.ends[i - 1] };
        let rows: Vec<&[u8]> = values.ends.iter().enumerate().map(|(i, end)| &values.bytes[start(i)..*end]).collect();
        Ok(row::decode(&self.schema, &rows)?.column(0).clone())
    }
}

/// Written values, one behind the other.
#[derive(Default)]
pub(super) struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        self.bytes.extend_from_slice(value.unwrap_or(NULL));
        self.ends.push(self.bytes.len());
    }
}
