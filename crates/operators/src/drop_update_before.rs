//! Drops `-U` in front of a sink that only needs the new content of a row.
//!
//! Flink counterpart: `DropUpdateBefore`. **State layout**: none.

use arrow_array::BooleanArray;
use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::{ChangeBatch, Result, RowKind};
use flott_graph::spec::DropUpdateBeforeSpec;

use crate::emit::emit;
use crate::factory::FromSpec;

/// See the module.
pub struct DropUpdateBefore;

impl FromSpec for DropUpdateBefore {
    type Spec = DropUpdateBeforeSpec;

    fn from_spec(_: DropUpdateBeforeSpec) -> Result<Self> {
        Ok(DropUpdateBefore)
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl flott_api::operator::Stateful for DropUpdateBefore {}

#[async_trait]
impl Operator for DropUpdateBefore {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some(kinds) = batch.kinds() else { return emit(batch, cx).await };
        let keep: BooleanArray = kinds.iter().map(|k| Some(k != RowKind::UpdateBefore)).collect();
        emit(batch.filter(&keep)?, cx).await
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{Case, check};
    use flott_api::{Field, LogicalType, Schema, TypeKind};

    use super::*;

    #[test]
    fn only_minus_u_goes() {
        let input = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let script = "+I | 1\n-U | 1\nwm 5\n+U | 2\n-D | 2\n-U | 3\nwm 6";
        let case = Case { input: &input, event_time: EventTime::Indifferent, script };
        let answer = check(&case, || Box::new(DropUpdateBefore));
        assert_eq!(answer, "+I | 1\nwm 5\n+U | 2\n-D | 2\nwm 6");
    }
}
