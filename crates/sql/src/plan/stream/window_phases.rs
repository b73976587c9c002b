//! Aggregation by window in two phases, put into a plan whose row kinds are settled.
//!
//! Flink counterpart: `TwoStageOptimizedWindowAggregateRule`. It needs no mini-batches, as a window comes out once, whatever was
//! put together before.

use flott_api::{LogicalType, Result};
use flott_graph::spec::WindowTime;

use super::mini_batch::is_put_together;
use super::nodes::{Distribution, Exchange, GlobalWindowAggregate, LocalWindowAggregate};
use super::{Node, Op, Pipeline};
use crate::plan::Settings;
use crate::plan::rel::{Column, schema};

/// The pipelines with windows in two phases, where that can be and is not unwanted.
pub(in crate::plan) fn with_window_phases(settings: &Settings, pipelines: Vec<Pipeline>) -> Result<Vec<Pipeline>> {
    if !settings.two_phases {
        return Ok(pipelines);
    }
    let phased = |pipeline: Pipeline| Ok(Pipeline { root: in_phases(pipeline.root)?, ..pipeline });
    pipelines.into_iter().map(phased).collect()
}

fn in_phases(mut node: Node) -> Result<Node> {
    node.inputs = node.inputs.into_iter().map(in_phases).collect::<Result<_>>()?;
    let Op::WindowAggregate(whole) = &node.op else { return Ok(node) };
    let only_insertions = node.inputs.iter().all(|input| input.changelog.is_insert_only());
    let put_together = whole.calls.iter().all(|call| is_put_together(call, only_insertions));
    let (Some(time), true) = (whole.time.column(), put_together && !whole.of_group && whole.window.is_aligned()) else {
        return Ok(node);
    };
    let whole = whole.as_ref().clone();
    // Where rows of a key are together already, nothing is sent.
    if !matches!(node.inputs.as_slice(), [Node { op: Op::Exchange(_), .. }]) {
        return Ok(node);
    }
    let Some(rows) = node.inputs.pop().and_then(|exchange| exchange.inputs.into_iter().next()) else {
        return Ok(node);
    };
    let keys: Vec<usize> = (0..whole.keys.len()).collect();
    let mut columns: Vec<Column> = whole.keys.iter().map(|key| rows.columns[*key].clone()).collect();
    let name = if matches!(whole.time, WindowTime::Attached(_)) { "$window_end" } else { "$slice_end" };
    columns.push(Column { name: name.to_owned(), ..rows.columns[time].clone() });
    columns.push(Column::new("$partial", LogicalType::bytes().with_nullable(false)));
    let local = LocalWindowAggregate { whole, rows_changelog: rows.changelog };
    let global = GlobalWindowAggregate { local: local.clone(), rows: schema(&rows.columns) };
    let local = Node::new(Op::LocalWindowAggregate(Box::new(local)), vec![rows], columns)?;
    let exchange = local.behind(Op::Exchange(Exchange { distribution: Distribution::by(&keys) }));
    Ok(Node { op: Op::GlobalWindowAggregate(Box::new(global)), inputs: vec![exchange], ..node })
}
