//! Commits a table once all of its writers are done, all committables together.
//!
//! Several sinks of a job may write the same table (a statement set). They commit after the last of
//! them; sinks with the same specification share a committer.

use flott_api::sink::{Committable, Committer};
use flott_api::table::SinkSpec;
use flott_api::{Error, Result};
use flott_graph::{JobGraph, NodeId, Role};
use tokio::sync::mpsc;

use crate::Plugins;

/// What a writer hands over at its end.
#[derive(Debug)]
pub(crate) struct WriterDone {
    /// The position of its sink's specification among those of the table.
    pub(crate) part: usize,
    pub(crate) committables: Vec<Committable>,
}

/// The sinks of one table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableSinks {
    pub(crate) table: String,
    /// The distinct specifications, each with the nodes that have it.
    pub(crate) parts: Vec<(SinkSpec, Vec<NodeId>)>,
    /// Writers of all nodes.
    pub(crate) writers: usize,
}

impl TableSinks {
    /// The position of a node's specification.
    pub(crate) fn part_of(&self, node: NodeId) -> Option<usize> {
        self.parts.iter().position(|(_, nodes)| nodes.contains(&node))
    }

    /// The node that speaks for the table in messages.
    pub(crate) fn first_node(&self) -> Option<NodeId> {
        self.parts.first().and_then(|(_, nodes)| nodes.first()).copied()
    }
}

/// The tables that a job writes.
pub(crate) fn tables(graph: &JobGraph) -> Vec<TableSinks> {
    let mut tables: Vec<TableSinks> = Vec::new();
    for id in graph.node_ids() {
        let node = graph.node(id);
        let Role::Sink(spec) = &node.role else { continue };
        let position = tables.iter().position(|t| t.table == spec.table).unwrap_or(tables.len());
        if position == tables.len() {
            tables.push(TableSinks { table: spec.table.clone(), parts: Vec::new(), writers: 0 });
        }
        let table = &mut tables[position];
        table.writers += node.parallelism as usize;
        match table.parts.iter_mut().find(|(known, _)| known == spec) {
            Some((_, nodes)) => nodes.push(id),
            None => table.parts.push((spec.clone(), vec![id])),
        }
    }
    tables
}

struct Part {
    committer: Option<Box<dyn Committer>>,
    committables: Vec<Committable>,
}

/// Waits for all writers of a table, then commits.
pub(crate) async fn run(sinks: TableSinks, mut done: mpsc::Receiver<WriterDone>, plugins: &Plugins) -> Result<()> {
    let mut parts = Vec::with_capacity(sinks.parts.len());
    for (spec, _) in &sinks.parts {
        let committer = plugins.table(&spec.connector)?.sink(spec)?.committer(&plugins.environment)?;
        parts.push(Part { committer, committables: Vec::new() });
    }
    for _ in 0..sinks.writers {
        let writer = done.recv().await.ok_or_else(|| Error::cancelled("a writer is gone"))?;
        parts[writer.part].committables.extend(writer.committables);
    }
    for part in &mut parts {
        commit(part, &sinks.table).await?;
    }
    for committer in parts.iter_mut().filter_map(|p| p.committer.as_mut()) {
        committer.finish().await?;
    }
    Ok(())
}

async fn commit(part: &mut Part, table: &str) -> Result<()> {
    let committables = std::mem::take(&mut part.committables);
    match &mut part.committer {
        Some(committer) => committer.commit(None, committables).await,
        None if committables.is_empty() => Ok(()),
        None => Err(Error::internal(format!("table '{table}' has committables and no committer"))),
    }
}
