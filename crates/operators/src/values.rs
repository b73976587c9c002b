//! Constant rows: `VALUES`, and a `SELECT` without `FROM`.
//!
//! Flink counterpart: `Values`. **State layout**: none. It has no input, so it emits its rows in
//! `finish`.

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::{ChangeBatch, Error, Result};
use flott_functions::literal_array;
use flott_graph::spec::ValuesSpec;

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;

/// See the module.
pub struct Values {
    rows: ChangeBatch,
}

impl FromSpec for Values {
    type Spec = ValuesSpec;

    fn from_spec(spec: ValuesSpec) -> Result<Self> {
        if spec.rows.iter().any(|r| r.len() != spec.output.len()) {
            return Err(Error::internal("a row of constants has not as many values as columns"));
        }
        let schema: SchemaRef = spec.output.arrow();
        let columns = (0..spec.output.len()).map(|c| column(&spec, c)).collect::<Result<_>>()?;
        Ok(Values { rows: ChangeBatch::inserts(record_batch(&schema, columns, spec.rows.len())?) })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

fn column(spec: &ValuesSpec, column: usize) -> Result<ArrayRef> {
    let ty = &spec.output.fields[column].ty;
    let values = spec.rows.iter().map(|r| literal_array(&r[column], ty, 1)).collect::<Result<Vec<_>>>()?;
    let values: Vec<&dyn arrow_array::Array> = values.iter().map(|v| v.as_ref()).collect();
    if values.is_empty() { Ok(arrow_array::new_empty_array(&ty.arrow())) } else { Ok(concat(&values)?) }
}

#[async_trait]
impl Operator for Values {
    async fn process_batch(&mut self, _: usize, _: ChangeBatch, _: &mut OperatorContext<'_>) -> Result<()> {
        Err(Error::internal("constant rows have no input"))
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        emit(self.rows.clone(), cx).await
    }
}

#[cfg(test)]
mod tests {
    use flott_api::expr::Value;
    use flott_api::testing::{Case, check};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    fn spec(rows: Vec<Vec<Value>>) -> ValuesSpec {
        let fields = vec![
            Field::new("a", LogicalType::new(TypeKind::Int)),
            Field::new("b", LogicalType::new(TypeKind::Varchar(9))),
        ];
        ValuesSpec { rows, output: Schema::new(fields) }
    }

    fn run(rows: Vec<Vec<Value>>) -> String {
        let empty = Schema::default();
        let case = Case { input: &empty, event_time: EventTime::Indifferent, script: "" };
        check(&case, || Box::new(Values::from_spec(spec(rows.clone())).unwrap()))
    }

    #[test]
    fn rows_come_once_and_in_order() {
        let rows = vec![vec![Value::Int(1), Value::String("a".into())], vec![Value::Null, Value::Null]];
        assert_eq!(run(rows), "+I | 1 | a\n+I | NULL | NULL");
        assert_eq!(run(Vec::new()), "");
    }

    #[test]
    fn many_rows_come_in_batches_of_the_largest_size() {
        let rows = (0..20_000).map(|i| vec![Value::Int(i), Value::Null]).collect();
        assert_eq!(run(rows).lines().count(), 20_000);
    }

    #[test]
    fn a_ragged_row_is_refused() {
        assert!(Values::from_spec(spec(vec![vec![Value::Int(1)]])).is_err());
    }
}
