//! Batches of one BIGINT column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use flott_api::{ChangeBatch, Field, LogicalType, Mark, RowKind, RowKinds, Schema, TypeKind, Watermark};

pub(crate) fn schema() -> Schema {
    Schema::new(vec![Field::new("v", LogicalType::new(TypeKind::BigInt))])
}

pub(crate) fn batch(values: impl IntoIterator<Item = i64>, marks: &[(u32, i64)]) -> ChangeBatch {
    let column = Arc::new(Int64Array::from_iter_values(values));
    let rows = RecordBatch::try_new(schema().arrow(), vec![column]).unwrap();
    let marks = marks.iter().map(|(row, w)| Mark { row: *row, watermark: Watermark(*w) });
    ChangeBatch::inserts(rows).with_marks(marks.collect()).unwrap()
}

pub(crate) fn batch_of_kinds(values: impl IntoIterator<Item = i64>, kinds: &[RowKind]) -> ChangeBatch {
    let rows = batch(values, &[]).into_parts().0;
    ChangeBatch::new(rows, Some(RowKinds::new(kinds.to_vec()))).unwrap()
}

pub(crate) fn values(batch: &ChangeBatch) -> Vec<i64> {
    batch.rows().column(0).as_primitive::<Int64Type>().values().to_vec()
}
