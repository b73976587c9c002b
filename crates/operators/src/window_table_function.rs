//! Appends `window_start`, `window_end` and `window_time` to each row: `TABLE(TUMBLE(..))` alone.
//!
//! Flink counterpart: `WindowTableFunctionOperator`. **State layout**: none. Late rows are kept, rows
//! without a time are dropped, both as in Flink. Row kinds and marks stay with their rows.

use arrow_array::{Array, BooleanArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::spec::{WindowProperty, WindowTableFunctionSpec};

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;
use crate::window::Windows;
use crate::window_aggregate::property;

/// The columns that are appended, in order.
const PROPERTIES: [WindowProperty; 3] = [WindowProperty::Start, WindowProperty::End, WindowProperty::Time];

/// See the module.
pub struct WindowTableFunction {
    spec: WindowTableFunctionSpec,
    output: SchemaRef,
    windows: Windows,
}

impl FromSpec for WindowTableFunction {
    type Spec = WindowTableFunctionSpec;

    fn from_spec(spec: WindowTableFunctionSpec) -> Result<Self> {
        if spec.output.len() != spec.input.len() + PROPERTIES.len() {
            return Err(Error::internal("a window table function does not append three columns"));
        }
        let windows = Windows::new(&spec.input, spec.time.clone(), &spec.window, &spec.zone)?;
        Ok(WindowTableFunction { output: spec.output.arrow(), windows, spec })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl flott_api::operator::Stateful for WindowTableFunction {}

#[async_trait]
impl Operator for WindowTableFunction {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let batch = self.append(batch, cx.processing_time_ms)?;
        emit(batch, cx).await
    }
}

impl WindowTableFunction {
    /// The windows of a specification, for who runs no operators.
    ///
    /// # Errors
    /// If the windows are impossible.
    pub fn new(spec: WindowTableFunctionSpec) -> Result<Self> {
        Self::from_spec(spec)
    }

    /// The rows of a batch with the columns of their windows.
    ///
    /// # Errors
    /// If the batch is not of the declared types.
    pub fn append(&self, batch: ChangeBatch, processing_time_ms: i64) -> Result<ChangeBatch> {
        let times = self.windows.times(batch.rows(), processing_time_ms)?;
        let (batch, times) = match times.nulls() {
            Some(present) if present.null_count() > 0 => {
                let present = BooleanArray::new(present.inner().clone(), None);
                (batch.filter(&present)?, times.iter().flatten().collect())
            }
            _ => (batch, times),
        };
        let ends: Vec<i64> = times.values().iter().map(|t| self.windows.end_ms(*t)).collect();
        let mut columns = batch.rows().columns().to_vec();
        let appended = &self.spec.output.fields[columns.len()..];
        for (kind, field) in PROPERTIES.iter().zip(appended) {
            columns.push(property(*kind, &ends, &self.windows, &field.ty)?);
        }
        let rows = record_batch(&self.output, columns, batch.len())?;
        batch.with_rows(rows)
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check};
    use flott_api::{Field, LogicalType, Schema, TypeKind};
    use flott_graph::spec::{WindowKind, WindowTime};

    use super::*;

    fn spec(time: TypeKind, zone: &str) -> WindowTableFunctionSpec {
        let input = Schema::new(vec![Field::new("ts", LogicalType::new(time.clone()))]);
        let mut output = input.clone();
        for kind in [TypeKind::Timestamp(3), TypeKind::Timestamp(3), time] {
            output.fields.push(Field::new("w", LogicalType::not_null(kind)));
        }
        let window = WindowKind::Tumble { size_ms: 10_000, offset_ms: 0 };
        WindowTableFunctionSpec { input, time: WindowTime::Rowtime(0), window, zone: zone.to_owned(), output }
    }

    fn run(spec: &WindowTableFunctionSpec, script: &str) -> String {
        let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
        check(&case, || Box::new(WindowTableFunction::from_spec(spec.clone()).unwrap()))
    }

    #[test]
    fn late_rows_stay_and_rows_without_time_go() {
        let answer = run(&spec(TypeKind::Timestamp(3), "UTC"), "+I | 10500\nwm 30000\n-D | 9999\n+I | NULL\nwm 40000");
        assert_eq!(answer, "+I | 10500 | 10000 | 20000 | 19999\nwm 30000\n-D | 9999 | 0 | 10000 | 9999\nwm 40000");
    }

    #[test]
    fn with_a_local_time_zone_start_and_end_are_wall_time_and_window_time_is_a_moment() {
        let answer = run(&spec(TypeKind::TimestampLtz(3), "GMT+01:00"), "+I | 500");
        assert_eq!(answer, "+I | 500 | 3600000 | 3610000 | 9999");
    }
}
