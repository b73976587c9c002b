//! Constant rows: `VALUES`, and a `SELECT` without `FROM`.
//!
//! Flink counterpart: `Values`. **State layout**: list `emitted`, with an item once the rows are out. It
//! has no input, so it emits them in `finish`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::{Redistribution, StateStore};
use flott_api::{ChangeBatch, Error, Result};
use flott_functions::literal_array;
use flott_graph::spec::ValuesSpec;

use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;

/// See the module.
pub struct Values {
    rows: ChangeBatch,
    emitted: bool,
    store: Option<Arc<dyn StateStore>>,
}

const EMITTED: &str = "emitted";

impl FromSpec for Values {
    type Spec = ValuesSpec;

    fn from_spec(spec: ValuesSpec) -> Result<Self> {
        if spec.rows.iter().any(|r| r.len() != spec.output.len()) {
            return Err(Error::internal("a row of constants has not as many values as columns"));
        }
        let schema: SchemaRef = spec.output.arrow();
        let columns = (0..spec.output.len()).map(|c| column(&spec, c)).collect::<Result<_>>()?;
        let rows = ChangeBatch::inserts(record_batch(&schema, columns, spec.rows.len())?);
        Ok(Values { rows, emitted: false, store: None })
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

impl flott_api::operator::Stateful for Values {}

#[async_trait]
impl Operator for Values {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.emitted = cx.state.list(EMITTED).is_some_and(|items| !items.is_empty());
        self.store = Some(Arc::clone(&cx.state));
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, _: ChangeBatch, _: &mut OperatorContext<'_>) -> Result<()> {
        Err(Error::internal("constant rows have no input"))
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let store = self.store.as_ref().ok_or_else(|| Error::internal("constant rows were not opened"))?;
        store.set_list(EMITTED, Redistribution::Union, vec![Bytes::new(); usize::from(self.emitted)]);
        Ok(())
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if std::mem::replace(&mut self.emitted, true) {
            return Ok(());
        }
        emit(self.rows.clone(), cx).await
    }
}

#[cfg(test)]
mod tests {
    use flott_api::expr::Value;
    use flott_api::testing::{Case, check_restorable};
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
        check_restorable(&case, None, || Values::from_spec(spec(rows.clone())).unwrap())
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
