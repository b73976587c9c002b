//! A join by equal columns, which chooses how: a hash table of the right side, and if that does not fit into memory, both
//! sides in the order of the columns.
//!
//! The right side is the one that is kept: in `facts JOIN dimension` it is the small one, and nothing is known of sizes.
//! A hash table is complete before the first row goes out, so a join that begins anew has given nothing yet; its inputs are
//! read a second time. Sorting spills.
//!
//! **Does not:** sort by columns that DataFusion's merge cannot compare (`TIME`, `TIMESTAMP_LTZ`, intervals): there the job
//! fails when the table does not fit.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::{DataType, SortOptions};
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, JoinType, NullEquality, Result};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion_physical_plan::execution_plan::reset_plan_states;
use datafusion_physical_plan::joins::utils::JoinFilter;
use datafusion_physical_plan::joins::{HashJoinExec, JoinOn, PartitionMode, SortMergeJoinExec};
use datafusion_physical_plan::metrics::MetricsSet;
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions};
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::{carried, is_out_of_memory, released};

type Tree = Arc<dyn ExecutionPlan>;

/// What pairs have in common.
#[derive(Clone)]
pub(super) struct Equality {
    pub(super) on: JoinOn,
    pub(super) filter: Option<JoinFilter>,
    pub(super) kind: JoinType,
    pub(super) nulls: NullEquality,
}

impl Equality {
    fn by_hash(&self, left: Tree, right: Tree) -> Result<Tree> {
        let mode = PartitionMode::CollectLeft;
        let (on, filter) = (self.on.clone(), self.filter.clone());
        HashJoinExec::try_new(left, right, on, filter, &self.kind, None, mode, self.nulls, false)?.swap_inputs(mode)
    }

    /// The join, with both sorts behind it.
    fn by_order(&self, left: Tree, right: Tree) -> Result<[Tree; 3]> {
        let (of_left, of_right) = self.on.iter().cloned().unzip();
        let (left, right) = (in_order(of_left, left)?, in_order(of_right, right)?);
        let (on, filter) = (self.on.clone(), self.filter.clone());
        let orders = vec![SortOptions::default(); on.len()];
        let (l, r) = (Arc::clone(&left), Arc::clone(&right));
        let join = SortMergeJoinExec::try_new(l, r, on, filter, self.kind, orders, self.nulls)?;
        Ok([Arc::new(join), left, right])
    }

    fn can_order(&self, left: &Tree) -> bool {
        let schema = left.schema();
        self.on.iter().all(|(column, _)| column.data_type(&schema).is_ok_and(|ty| is_ordered(&ty)))
    }
}

/// Whether the merge can compare columns of a type.
fn is_ordered(ty: &DataType) -> bool {
    match ty {
        DataType::Boolean | DataType::Utf8 | DataType::Binary | DataType::FixedSizeBinary(_) => true,
        DataType::Date32 | DataType::Timestamp(_, None) | DataType::Decimal128(..) => true,
        other => other.is_integer() || other.is_floating(),
    }
}

fn in_order(columns: Vec<Arc<dyn PhysicalExpr>>, input: Tree) -> Result<Tree> {
    let fields = columns.into_iter().map(|expr| PhysicalSortExpr { expr, options: SortOptions::default() });
    let order = LexOrdering::new(fields);
    let order = order.ok_or_else(|| DataFusionError::Internal("a join without columns".to_owned()))?;
    Ok(Arc::new(SortExec::new(order, input)))
}

/// See the module.
pub(super) struct EqualJoin {
    equality: Equality,
    inputs: [Tree; 2],
    properties: Arc<PlanProperties>,
    /// What runs by order, for its metrics.
    ordered: Arc<Mutex<Vec<Tree>>>,
}

impl EqualJoin {
    /// The join of two inputs.
    pub(super) fn tree(equality: Equality, left: Tree, right: Tree) -> flott_api::Result<Tree> {
        let by_hash = equality.by_hash(Arc::clone(&left), Arc::clone(&right)).map_err(released)?;
        let properties = Arc::clone(by_hash.properties());
        Ok(Arc::new(EqualJoin { equality, inputs: [left, right], properties, ordered: Arc::default() }))
    }

    fn over(&self, inputs: Vec<Tree>) -> Result<Tree> {
        let two = |_| DataFusionError::Internal("a join has two inputs".to_owned());
        let (equality, properties) = (self.equality.clone(), Arc::clone(&self.properties));
        let inputs = inputs.try_into().map_err(two)?;
        Ok(Arc::new(EqualJoin { equality, inputs, properties, ordered: Arc::default() }))
    }
}

/// What it takes to begin anew.
struct Anew {
    equality: Equality,
    inputs: [Tree; 2],
    context: Arc<TaskContext>,
    ordered: Arc<Mutex<Vec<Tree>>>,
}

impl Anew {
    fn by_order(self) -> Result<SendableRecordBatchStream> {
        tracing::debug!("a hash table does not fit into memory: its join begins anew, by order");
        let [left, right] = self.inputs;
        let trees = self.equality.by_order(reset_plan_states(left)?, reset_plan_states(right)?)?;
        let rows = trees[0].execute(0, self.context)?;
        *self.ordered.lock().unwrap_or_else(PoisonError::into_inner) = trees.into();
        // Whoever reads this join must not think that its own table was too large.
        let schema = rows.schema();
        let rows = rows.map_err(|error| if is_out_of_memory(&error) { carried(released(error)) } else { error });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

impl ExecutionPlan for EqualJoin {
    fn name(&self) -> &str {
        "Join"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Tree> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(self: Arc<Self>, inputs: Vec<Tree>, _: ReplaceChildrenOptions) -> Result<Tree> {
        self.over(inputs)
    }

    fn with_new_children(self: Arc<Self>, inputs: Vec<Tree>) -> Result<Tree> {
        self.over(inputs)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let [left, right] = &self.inputs;
        let by_hash = self.equality.by_hash(Arc::clone(left), Arc::clone(right))?;
        let rows = by_hash.execute(0, Arc::clone(&context))?;
        let (equality, inputs) = (self.equality.clone(), self.inputs.clone());
        let anew = self.equality.can_order(left).then(|| Anew {
            equality,
            inputs,
            context,
            ordered: Arc::clone(&self.ordered),
        });
        let rows = stream::try_unfold((rows, anew), |(mut rows, anew)| async move {
            let next = match (rows.next().await, anew) {
                (Some(Err(error)), Some(anew)) if is_out_of_memory(&error) => {
                    // What it holds of memory goes first.
                    drop(rows);
                    rows = anew.by_order()?;
                    rows.next().await
                }
                (next, _) => next,
            };
            Ok(next.transpose()?.map(|next| (next, (rows, None))))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    /// Those of the sorts and the merge, if it runs so.
    fn metrics(&self) -> Option<MetricsSet> {
        let mut all = MetricsSet::new();
        for tree in self.ordered.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            tree.metrics().iter().flat_map(MetricsSet::iter).for_each(|metric| all.push(Arc::clone(metric)));
        }
        Some(all)
    }
}

impl DisplayAs for EqualJoin {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Join")
    }
}

impl fmt::Debug for EqualJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("inputs", &self.inputs).finish()
    }
}
