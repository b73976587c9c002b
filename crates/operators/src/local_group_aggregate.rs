//! The first phase of an aggregation by key in two: the rows of a mini-batch become one row a key, before they go over
//! the network.
//!
//! Flink counterpart: `LocalGroupAggregate` (`MiniBatchLocalGroupAggFunction`). A row that comes out has the key and, in
//! one column of bytes, the state of the group (`aggregate::groups::partial`); [`GlobalGroupAggregate`] puts them
//! together. Retractions are counted as they come, also of rows that are not in the mini-batch.
//!
//! **State layout**: none, as a mini-batch ends before a checkpoint.
//!
//! [`GlobalGroupAggregate`]: crate::global_group_aggregate::GlobalGroupAggregate

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::aggregate::Change;
use flott_api::operator::{EventTime, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Error, Result, RowKind, Watermark};
use flott_graph::spec::LocalGroupAggregateSpec;
use flott_state::hot::{GroupEntries, GroupTable, MapViewOptions};

use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::emit::{emit, record_batch};
use crate::factory::FromSpec;
use crate::mini_batch::MiniBatch;

/// See the module.
pub struct LocalGroupAggregate {
    plan: Plan,
    mini_batch: MiniBatch,
    output: SchemaRef,
}

impl FromSpec for LocalGroupAggregate {
    type Spec = LocalGroupAggregateSpec;

    fn from_spec(spec: LocalGroupAggregateSpec) -> Result<Self> {
        if spec.output.len() != spec.keys.len() + 1 {
            return Err(Error::internal("a first phase of an aggregation does not give its keys and bytes"));
        }
        let options = MapViewOptions { retract: !spec.input_changelog.is_insert_only(), ttl_ms: 0 };
        let plan = Plan::new(&spec.input, &spec.keys, &spec.aggregates, options)?;
        plan.check_merges(&spec.aggregates)?;
        Ok(LocalGroupAggregate {
            plan,
            mini_batch: MiniBatch::new(spec.mini_batch_rows_max),
            output: spec.output.arrow(),
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl Stateful for LocalGroupAggregate {}

#[async_trait]
impl Operator for LocalGroupAggregate {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut rest = Some(batch);
        while let Some(batch) = &rest {
            rest = self.mini_batch.take(batch);
            if self.mini_batch.is_full() {
                self.end_mini_batch(cx).await?;
            }
        }
        Ok(())
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await?;
        cx.output.emit_watermark(watermark).await
    }

    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await
    }
}

impl LocalGroupAggregate {
    async fn end_mini_batch(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        for batches in self.mini_batch.end(usize::MAX) {
            emit(self.aggregate(&batches)?, cx).await?;
        }
        Ok(())
    }

    /// What is known of each key of some rows.
    pub(crate) fn aggregate(&self, batches: &[ChangeBatch]) -> Result<ChangeBatch> {
        let mut table = GroupTable::new(self.plan.key_types())?;
        let mut groups = self.plan.groups()?;
        for batch in batches {
            let of_rows = table.assign(&self.plan.keys(batch.rows()), batch.len())?;
            groups.grow(table.end());
            let changes = changes(batch);
            groups.count(&of_rows, changes.as_deref());
            let rows = Rows { columns: batch.rows(), groups: &of_rows, changes: changes.as_deref(), now_ms: 0 };
            groups.fold(&self.plan, &rows)?;
        }
        self.written(&table, &groups)
    }

    /// The keys, in the order in which they came, with what is known of each.
    fn written(&self, table: &GroupTable, groups: &Groups) -> Result<ChangeBatch> {
        let numbers = table.groups();
        let mut columns = table.columns(&numbers)?;
        columns.push(Arc::new(groups.partial(&numbers)?));
        Ok(ChangeBatch::inserts(record_batch(&self.output, columns, numbers.len())?))
    }
}

/// What the rows of a batch do.
pub(crate) fn changes(batch: &ChangeBatch) -> Option<Vec<Change>> {
    let change = |kind: RowKind| if kind.is_retract() { Change::Retract } else { Change::Add };
    batch.kinds().map(|kinds| kinds.iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use arrow_array::BinaryArray;
    use flott_api::expr::FunctionId;
    use flott_api::table::ChangelogMode;
    use flott_api::testing::{Case, batch, check, lines};
    use flott_api::{Field, LogicalType, Schema, TypeKind};
    use flott_graph::spec::AggregateCall;

    use super::*;

    fn spec(function: &str) -> LocalGroupAggregateSpec {
        let field = |name: &str, kind| Field::new(name, LogicalType::new(kind));
        let int = LogicalType::new(TypeKind::Int);
        let function = FunctionId::new(function);
        LocalGroupAggregateSpec {
            input: Schema::new(vec![field("k", TypeKind::Varchar(9)), field("x", TypeKind::Int)]),
            keys: vec![0],
            aggregates: vec![AggregateCall { function, args: vec![1], filter: None, distinct: false, ty: int }],
            input_changelog: ChangelogMode::ALL,
            mini_batch_rows_max: 4,
            output: Schema::new(vec![field("k", TypeKind::Varchar(9)), Field::new("bytes", LogicalType::bytes())]),
        }
    }

    #[test]
    fn a_key_comes_once_a_mini_batch_and_a_mini_batch_ends_by_size_or_watermark() {
        let spec = spec("sum");
        let script =
            "+I | a | 1\n+I | b | 2\n-D | a | 7\nwm 1\n+I | a | 1\n+I | NULL | 1\n-U | a | 1\n+U | a | 2\n+I | b | 1";
        let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
        let answer = check(&case, || Box::new(LocalGroupAggregate::from_spec(spec.clone()).unwrap()));
        let keys: Vec<&str> = answer.lines().map(|l| l.rsplit_once(" | ").map_or(l, |(keys, _)| keys)).collect();
        assert_eq!(keys, ["+I | a", "+I | b", "wm 1", "+I | a", "+I | NULL", "+I | b"]);
    }

    #[test]
    fn the_bytes_are_the_number_of_rows_and_the_state() {
        let spec = spec("sum");
        let local = LocalGroupAggregate::from_spec(spec.clone()).unwrap();
        let rows = [batch(&spec.input, "+I | a | 1\n-D | a | 7"), batch(&spec.input, "-D | a | 2")];
        let written = local.aggregate(&rows).unwrap();
        assert_eq!(lines(&written).len(), 1);
        let bytes = written.rows().column(1);
        let bytes: &BinaryArray = bytes.as_any().downcast_ref().unwrap();
        let mut whole = local.plan.groups().unwrap();
        whole.grow(1);
        let mut partial = local.plan.read_partial(bytes, 0).unwrap();
        whole.take_up(&local.plan, &mut partial, (&[0], &[vec![0]]), 0).unwrap();
        assert_eq!(whole.rows, [-1]);
        let cut = BinaryArray::from_iter_values([&bytes.value(0)[..2]]);
        assert!(local.plan.read_partial(&cut, 0).is_err());
    }

    #[test]
    fn what_cannot_be_put_together_is_refused() {
        let error = LocalGroupAggregate::from_spec(spec("last_value")).err().unwrap();
        assert!(error.message().contains("'LAST_VALUE'"), "{error}");
    }
}
