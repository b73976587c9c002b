//! Whether somebody needs `-U`: asked from the sink down to the nodes that make it.
//!
//! A sink that takes all kinds gets `-U`. One that takes upserts by its key gets none, so the operators need not make
//! any. A filter by other columns than the key needs `-U`: without it nobody would delete the row that no longer passes.

use flott_api::{Error, Result, RowKind};

use super::{Node, Op, Sink};
use crate::plan::print;
use crate::plan::rel::Column;

/// Settles the row kinds of all nodes for a sink.
pub(super) fn satisfy(root: Node, sink: &Sink) -> Result<Node> {
    if !root.changelog.contains(RowKind::UpdateAfter) {
        let root = settle(root, true);
        return accepted(root, sink);
    }
    if sink.accepts.contains(RowKind::UpdateBefore) {
        return accepted(settle(root, true), sink);
    }
    if !sink.accepts.contains(RowKind::UpdateAfter) {
        return accepted(settle(root, true), sink);
    }
    if sink.is_collect() {
        // EXPLAIN of a query: nobody reads.
        let before = !can_leave_out(&root);
        return Ok(settle(root, before));
    }
    if sink.primary_key.is_empty() {
        // Without a key `-U` means nothing to the sink.
        let keyless = if can_leave_out(&root) { settle(root, false) } else { drop_before(settle(root, true)) };
        return accepted(keyless, sink);
    }
    check_key(&root, sink)?;
    if !can_leave_out(&root) {
        return Err(Error::unsupported(format!("a filter of updates before the upsert sink '{}'", sink.name)).with_detail(
            "The filter reads columns that are not part of the key, so rows that no longer pass it must be deleted.",
        ));
    }
    accepted(settle(root, false), sink)
}

/// The updates must replace the rows that the sink's key names.
fn check_key(root: &Node, sink: &Sink) -> Result<()> {
    let sorted = |key: &[usize]| {
        let mut key = key.to_vec();
        key.sort_unstable();
        key
    };
    if root.upsert_keys.iter().any(|key| sorted(key) == sorted(&sink.primary_key)) {
        return Ok(());
    }
    let names = |columns: &[Column], key: &[usize]| {
        key.iter().map(|&k| columns[k].name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let have: Vec<String> = root.upsert_keys.iter().map(|k| format!("({})", names(&root.columns, k))).collect();
    let have = if have.is_empty() { "no key".to_owned() } else { have.join(" or ") };
    Err(Error::unsupported(format!("the primary key of '{}' for this query's updates", sink.name))
        .with_detail(format!(
            "The query updates by {have}, the table by ({}).",
            names(&sink.columns, &sink.primary_key)
        ))
        .with_hint("Make the primary key of the table the key of the query."))
}

/// Whether the node can give its updates without `-U`.
fn can_leave_out(node: &Node) -> bool {
    match &node.op {
        Op::Calc { condition, .. } => {
            let input = &node.inputs[0];
            let by_key = condition.as_ref().is_none_or(|c| {
                let columns = c.columns();
                input.upsert_keys.iter().any(|key| columns.iter().all(|column| key.contains(column)))
            });
            (by_key || !input.changelog.contains(RowKind::UpdateAfter)) && can_leave_out(input)
        }
        Op::Union | Op::Watermark { .. } | Op::Limit { .. } | Op::Window { .. } | Op::Exchange(_) => {
            node.inputs.iter().all(can_leave_out)
        }
        Op::Source(_)
        | Op::Values(_)
        | Op::GroupAggregate { .. }
        | Op::WindowAggregate(_)
        | Op::ChangelogNormalize { .. }
        | Op::DropUpdateBefore => true,
    }
}

/// Gives every node the kinds that it will really emit.
fn settle(mut node: Node, before: bool) -> Node {
    // What retracts needs to be told what to retract.
    let below = match &node.op {
        Op::GroupAggregate { .. } | Op::WindowAggregate(_) => true,
        _ => before,
    };
    node.inputs = node.inputs.into_iter().map(|input| settle(input, below)).collect();
    match &node.op {
        // An upsert source stays as it is below its ChangelogNormalize.
        Op::Source(_) if !before && node.changelog.contains(RowKind::UpdateBefore) => drop_before(node),
        _ if before => node,
        _ => {
            node.changelog = node.changelog.without(RowKind::UpdateBefore);
            node
        }
    }
}

fn drop_before(source: Node) -> Node {
    Node {
        op: Op::DropUpdateBefore,
        columns: source.columns.clone(),
        changelog: source.changelog.without(RowKind::UpdateBefore),
        upsert_keys: source.upsert_keys.clone(),
        inputs: vec![source],
    }
}

fn accepted(root: Node, sink: &Sink) -> Result<Node> {
    if sink.accepts.covers(root.changelog) {
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

/// The lowest node that gives what the sink refuses.
fn origin<'n>(node: &'n Node, sink: &Sink) -> &'n Node {
    match node.inputs.iter().find(|input| !sink.accepts.covers(input.changelog)) {
        Some(input) => origin(input, sink),
        None => node,
    }
}
