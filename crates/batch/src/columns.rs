//! Columns on their way through DataFusion: named by position, and nullable, whatever their types promise.
//!
//! Flink's types promise more than its rows keep (an outer join below a `NOT NULL`), and DataFusion believes a schema. What
//! is promised is put back at the end, where the sink checks it.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use datafusion_common::Result;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;

/// The name of a column within the tree.
pub(crate) fn name(position: usize) -> String {
    format!("c{position}")
}

/// The columns of a node within the tree.
pub(crate) fn loose(schema: &flott_api::Schema) -> SchemaRef {
    let fields = schema.fields.iter().enumerate();
    Arc::new(Schema::new(fields.map(|(i, f)| Field::new(name(i), f.ty.arrow(), true)).collect::<Vec<_>>()))
}

/// The same columns, each of which may be null.
pub(crate) fn nullable(schema: &flott_api::Schema) -> flott_api::Schema {
    let field = |field: &flott_api::Field| flott_api::Field::new(&field.name, field.ty.clone().with_nullable(true));
    flott_api::Schema::new(schema.fields.iter().map(field).collect())
}

/// Rows under a schema, also of no columns.
pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// A batch under another schema of the same types.
pub(crate) fn relabelled(schema: &SchemaRef, rows: &RecordBatch) -> Result<RecordBatch> {
    batch(schema, rows.columns().to_vec(), rows.num_rows())
}

/// A column of an operator's rows.
pub(crate) fn column(schema: &Schema, position: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(schema.field(position).name(), position))
}
