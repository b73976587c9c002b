//! Mini-batches, put into a plan whose row kinds are settled: who ends them, and aggregation in two phases.
//!
//! Flink counterparts: `MiniBatchIntervalInferRule`, `TwoStageOptimizedAggregateRule` and `IncrementalAggregateRule`.
//! Mini-batches end by the clock, unless somebody needs the watermark: then by that. They are ended right behind what
//! makes the watermark, or behind the source.

use flott_api::{LogicalType, Result};
use flott_graph::spec::{AggregateCall, MiniBatchMode};

use super::nodes::{
    Distribution, Exchange, GlobalGroupAggregate, IncrementalGroupAggregate, LocalGroupAggregate, MiniBatchAssigner,
};
use super::{Node, Op, Pipeline};
use crate::plan::context::MiniBatches;
use crate::plan::rel::{Column, schema};
use crate::plan::{Settings, TimeAttribute};

/// The pipelines with mini-batches, where they are enabled.
pub(in crate::plan) fn with_mini_batches(settings: &Settings, pipelines: Vec<Pipeline>) -> Result<Vec<Pipeline>> {
    let Some(mini_batches) = settings.mini_batches else { return Ok(pipelines) };
    let interval_ms = mini_batches.interval_ms()?;
    let assigned = |pipeline: Pipeline| {
        let root = in_phases(pipeline.root, &mini_batches)?;
        let place = Place { interval_ms, mode: MiniBatchMode::Proctime, wanted: false };
        Ok(Pipeline { root: place.assigned(root), ..pipeline })
    };
    pipelines.into_iter().map(assigned).collect()
}

/// The plan with aggregations that put rows together, in two phases where that can be.
fn in_phases(mut node: Node, mini_batches: &MiniBatches) -> Result<Node> {
    node.inputs = node.inputs.into_iter().map(|input| in_phases(input, mini_batches)).collect::<Result<_>>()?;
    let Op::GroupAggregate(aggregate) = &mut node.op else { return Ok(node) };
    let rows_max = mini_batches.rows_max()?;
    aggregate.mini_batch_rows_max = Some(rows_max);
    let only_insertions = node.inputs.iter().all(|input| input.changelog.is_insert_only());
    if !mini_batches.two_phases || !aggregate.calls.iter().all(|call| is_put_together(call, only_insertions)) {
        return Ok(node);
    }
    let whole = aggregate.clone();
    let Some(Node { op: Op::Exchange(_), inputs, .. }) = node.inputs.pop() else { return Ok(node) };
    let Some(rows) = inputs.into_iter().next() else { return Ok(node) };
    let keys: Vec<usize> = (0..whole.keys.len()).collect();
    let local = LocalGroupAggregate { whole, rows_changelog: rows.changelog, rows_max };
    let global = GlobalGroupAggregate { local: local.clone(), rows: schema(&rows.columns) };
    let mut columns = local.whole.keys.iter().map(|key| rows.columns[*key].clone()).collect::<Vec<_>>();
    columns.push(Column::new("$partial", LogicalType::bytes().with_nullable(false)));
    let local = match rows.op {
        Op::GlobalGroupAggregate(by_part) if mini_batches.incremental && by_part.is_partial() => {
            let between = (rows.columns, rows.changelog);
            let both = IncrementalGroupAggregate { by_part: *by_part, between, by_key: local };
            Node::new(Op::IncrementalGroupAggregate(Box::new(both)), rows.inputs, columns)?
        }
        op => Node::new(Op::LocalGroupAggregate(Box::new(local)), vec![Node { op, ..rows }], columns)?,
    };
    let exchange = local.behind(Op::Exchange(Exchange { distribution: Distribution::by(&keys) }));
    Ok(Node { op: Op::GlobalGroupAggregate(Box::new(global)), inputs: vec![exchange], ..node })
}

/// Whether a node groups in one phase and could in two.
pub(in crate::plan) fn may_have_two_phases(node: &Node) -> bool {
    let only_insertions = node.inputs.iter().all(|input| input.changelog.is_insert_only());
    match &node.op {
        Op::GroupAggregate(aggregate) => aggregate.calls.iter().all(|call| is_put_together(call, only_insertions)),
        _ => false,
    }
}

/// Whether what is known of some rows can be put together with what is known of others. Flink has no way for these.
pub(super) fn is_put_together(call: &AggregateCall, only_insertions: bool) -> bool {
    let name = call.function.name.as_str();
    // A row that goes changes a variance by where the mean was, which the first phase does not know. (Flink loses it.)
    let needs_the_mean = name == "$welford_m2$1" && !only_insertions;
    let is_of_user = call.function.user.is_some();
    !is_of_user
        && !matches!(name, "first_value" | "last_value")
        && !name.starts_with("json_arrayagg")
        && !needs_the_mean
}

/// Where mini-batches are ended.
#[derive(Clone, Copy)]
struct Place {
    interval_ms: i64,
    mode: MiniBatchMode,
    /// Whether somebody who may put rows together reads from here.
    wanted: bool,
}

impl Place {
    fn assigned(self, node: Node) -> Node {
        let here = self.wanted && matches!(node.op, Op::Source(_) | Op::Watermark(_));
        if here || matches!(node.op, Op::Watermark(_)) {
            return if here { self.behind(node) } else { node };
        }
        let below = Place {
            mode: if needs_watermark(&node) { MiniBatchMode::Rowtime } else { self.mode },
            wanted: self.wanted || !only_passes_on(&node.op),
            ..self
        };
        Node { inputs: node.inputs.into_iter().map(|input| below.assigned(input)).collect(), ..node }
    }

    fn behind(self, node: Node) -> Node {
        let assigner = MiniBatchAssigner { interval_ms: self.interval_ms, mode: self.mode };
        node.behind(Op::MiniBatchAssigner(assigner))
    }
}

/// Whether a node works on each row by itself.
fn only_passes_on(op: &Op) -> bool {
    matches!(op, Op::Calc(_) | Op::Exchange(_) | Op::Expand(_) | Op::Union(_) | Op::DropUpdateBefore(_))
}

/// Whether a node works by the watermark: it has rows with event time, and is not one that takes no notice of it.
fn needs_watermark(node: &Node) -> bool {
    let has_rowtime = |input: &Node| input.columns.iter().any(|c| c.time == Some(TimeAttribute::Rowtime));
    let indifferent = matches!(
        node.op,
        Op::ChangelogNormalize(_)
            | Op::Correlate(_)
            | Op::FromChangelog(_)
            | Op::GlobalGroupAggregate(_)
            | Op::GroupAggregate(_)
            | Op::IncrementalGroupAggregate(_)
            | Op::Join(_)
            | Op::Limit(_)
            | Op::LocalGroupAggregate(_)
            | Op::MultiJoin(_)
            | Op::LookupJoin(_)
            | Op::Predict(_)
            | Op::PythonCalc(_)
            | Op::PythonCorrelate(_)
            | Op::ToChangelog(_)
    );
    !only_passes_on(&node.op) && !indifferent && node.inputs.iter().any(has_rowtime)
}
