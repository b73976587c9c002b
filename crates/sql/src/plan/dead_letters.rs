//! Dead letters: records that a table's format cannot read, in a table of their own.
//!
//! Such a record is a row of the scan that has only a cause. The binder filters it out right above the scan; here each
//! table that is read with the option gets a second pipeline, which keeps nothing else and writes the table that the
//! option names, as if the user had added it to the statement set. Both read one scan, so every record is read once, and
//! a checkpoint parts rows and dead letters alike.

use std::collections::HashSet;

use flott_api::{Error, Result};
use flott_graph::{JobGraph, Role};

use super::binder::Binder;
use super::rel::{Column, Scan};
use super::stream::{self, Node, Op, Pipeline, identity};
use super::{PlanContext, Settings};

/// The pipelines with those of dead letters behind them.
///
/// # Errors
/// If a table of dead letters does not exist or cannot take them.
pub(super) fn with_dead_letters(
    cx: &dyn PlanContext,
    settings: &Settings,
    mut pipelines: Vec<Pipeline>,
) -> Result<Vec<Pipeline>> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for pipeline in &pipelines {
        collect(&pipeline.root, &mut seen, &mut found);
    }
    for (scan, columns) in found {
        let of = scan.path.to_string();
        let (rel, sink) = Binder::new(cx, settings).dead_letters(scan, columns)?;
        pipelines.push(stream::plan_dead_letters(rel, sink, of)?);
    }
    Ok(pipelines)
}

/// The tables with dead letters that are read, each way of reading once.
fn collect(node: &Node, seen: &mut HashSet<String>, found: &mut Vec<(Scan, Vec<Column>)>) {
    node.inputs.iter().for_each(|input| collect(input, seen, found));
    if let Op::Source(scan) = &node.op
        && scan.description.dead_letters.is_some()
        && seen.insert(identity(scan))
    {
        found.push((scan.as_ref().clone(), node.columns.clone()));
    }
}

/// Whether a table with dead letters is read by one node: by two, each record would be a dead letter twice.
///
/// # Errors
/// If it is read by more.
pub(super) fn check_read_once(graph: &JobGraph) -> Result<()> {
    let mut seen = HashSet::new();
    for node in &graph.nodes {
        if let Role::Source(spec) = &node.role
            && spec.has_dead_letters()
            && !seen.insert((&spec.table, &spec.options.0))
        {
            return Err(Error::internal(format!("table '{}' is read twice beside its dead letters", spec.table)));
        }
    }
    Ok(())
}
