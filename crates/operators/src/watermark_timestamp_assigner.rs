//! Appends to each row the watermark that was in force when it passed.
//!
//! Flink counterpart: `WatermarkTimestampAssigner`, which sets the timestamp of a record. It stands before the exchange to a
//! [`WatermarkCompactingSinkMaterializer`](crate::watermark_compacting_sink_materializer): subtasks before it may be
//! ahead of each other, and a row must wait for the watermark of the subtask that it comes from. **State layout**: none.

use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Result, Watermark};
use flott_graph::spec::WatermarkTimestampAssignerSpec;

use crate::emit::record_batch;
use crate::factory::FromSpec;

/// See the module.
pub struct WatermarkTimestampAssigner {
    schema: SchemaRef,
}

impl FromSpec for WatermarkTimestampAssigner {
    type Spec = WatermarkTimestampAssignerSpec;

    fn from_spec(spec: WatermarkTimestampAssignerSpec) -> Result<Self> {
        Ok(WatermarkTimestampAssigner { schema: spec.output().arrow() })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

impl Stateful for WatermarkTimestampAssigner {}

#[async_trait]
impl Operator for WatermarkTimestampAssigner {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut columns = batch.rows().columns().to_vec();
        columns.push(Arc::new(stamps(&batch, cx.watermark)));
        let rows = record_batch(&self.schema, columns, batch.len())?;
        cx.output.emit(batch.with_rows(rows)?).await
    }
}

/// For each row the last watermark before it.
fn stamps(batch: &ChangeBatch, in_force: Watermark) -> Int64Array {
    let mut stamps = Vec::with_capacity(batch.len());
    let mut watermark = in_force;
    for mark in batch.marks() {
        stamps.resize(mark.row as usize, watermark.0);
        watermark = watermark.max(mark.watermark);
    }
    stamps.resize(batch.len(), watermark.0);
    Int64Array::from(stamps)
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check_restorable};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    #[test]
    fn a_row_has_the_watermark_before_it() {
        let input = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let script = "+I | 1\nwm 10\n-U | NULL\n+U | 3\nwm 30\n-D | 4\nwm 40";
        let case = Case { input: &input, event_time: EventTime::WholeWithMarks, script };
        let spec = WatermarkTimestampAssignerSpec { input: input.clone() };
        let answer = check_restorable(&case, None, || WatermarkTimestampAssigner::from_spec(spec.clone()).unwrap());
        let least = i64::MIN;
        let expected = format!("+I | 1 | {least}\nwm 10\n-U | NULL | 10\n+U | 3 | 10\nwm 30\n-D | 4 | 30\nwm 40");
        assert_eq!(answer, expected);
    }
}
