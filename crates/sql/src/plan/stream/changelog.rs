//! Which updates are needed: asked from the sink down to the nodes that make them, as Flink infers its `UpdateKind`.
//!
//! A sink that takes all kinds gets `-U`. One that takes upserts asks for none, so that operators need not make any;
//! where that cannot be (a filter hides updates, the query's key is another), it gets `-U` all the same and takes it as
//! a deletion by key. A source's needless `-U` is dropped right behind it.

use flott_api::{Error, Result, RowKind};

use super::nodes::DropUpdateBefore;
use super::op::{Alternative, StreamOp, Updates};
use super::{Node, Op, Sink};
use crate::plan::print;

/// Settles the row kinds of all nodes for a sink.
pub(super) fn satisfy(root: &Node, sink: &Sink) -> Result<Node> {
    let settled = wanted(root, sink).iter().find_map(|updates| satisfied(root, *updates));
    let settled = settled.ok_or_else(|| {
        Error::unsupported("these updates").with_detail(format!("No plan gives what '{}' needs.", sink.name))
    })?;
    accepted(settled, sink)
}

/// What the sink asks for, best first.
fn wanted(root: &Node, sink: &Sink) -> &'static [Updates] {
    let upserts = sink.accepts.contains(RowKind::UpdateAfter) && !sink.accepts.contains(RowKind::UpdateBefore);
    let keyless = sink.is_collect() || sink.primary_key.is_empty();
    let same =
        |key: &Vec<usize>| key.len() == sink.primary_key.len() && key.iter().all(|k| sink.primary_key.contains(k));
    if upserts && (keyless || root.upsert_keys.iter().any(same)) {
        return &[Updates::OnlyAfter, Updates::BeforeAndAfter];
    }
    // A part of the key may stay while the rest changes: then the old row must go.
    &[Updates::BeforeAndAfter]
}

/// The node with the updates that are wanted, in the first way that its inputs can satisfy.
fn satisfied(node: &Node, wanted: Updates) -> Option<Node> {
    node.op.alternatives(&node.inputs, wanted).into_iter().find_map(|way| in_this_way(node, way, wanted))
}

fn in_this_way(node: &Node, way: Alternative, wanted: Updates) -> Option<Node> {
    let inputs = node.inputs.iter().zip(way.asks).map(|(input, asked)| satisfied(input, asked));
    let inputs = inputs.collect::<Option<Vec<_>>>()?;
    let op = way.becomes.unwrap_or_else(|| node.op.clone());
    let mut settled = Node::new(op, inputs, node.columns.clone()).ok()?;
    if wanted == Updates::BeforeAndAfter || !settled.changelog.contains(RowKind::UpdateBefore) {
        return Some(settled);
    }
    if let Op::Source(_) = settled.op {
        let changelog = settled.changelog.without(RowKind::UpdateBefore);
        return Some(Node { changelog, ..settled.behind(Op::DropUpdateBefore(DropUpdateBefore)) });
    }
    settled.changelog = settled.changelog.without(RowKind::UpdateBefore);
    Some(settled)
}

fn accepted(root: Node, sink: &Sink) -> Result<Node> {
    if sink.materialize || takes(sink, &root) {
        return Ok(root);
    }
    let refused = [(RowKind::UpdateAfter, "updates"), (RowKind::Delete, "deletes")];
    let kinds: Vec<&str> = refused
        .into_iter()
        .filter(|(kind, _)| root.changelog.contains(*kind) && !sink.accepts.contains(*kind))
        .map(|(_, name)| name)
        .collect();
    let origin = origin(&root, sink);
    Err(Error::invalid(format!("table '{}' does not take the {} of this query", sink.name, kinds.join(" and ")))
        .with_detail(format!("They come from {}.", print::node(origin)))
        .with_hint("Write to a connector that takes updates (print, upsert sinks), or aggregate in windows, which only insert."))
}

/// Whether the sink takes all that the node gives. One that takes `+U` takes `-U` too.
fn takes(sink: &Sink, node: &Node) -> bool {
    let upserts = sink.accepts.contains(RowKind::UpdateAfter);
    let given = if upserts { node.changelog.without(RowKind::UpdateBefore) } else { node.changelog };
    sink.accepts.covers(given)
}

/// The lowest node that gives what the sink refuses.
fn origin<'n>(node: &'n Node, sink: &Sink) -> &'n Node {
    match node.inputs.iter().find(|input| !takes(sink, input)) {
        Some(input) => origin(input, sink),
        None => node,
    }
}
