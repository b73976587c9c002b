//! Exchanges: before operators whose rows must meet, by key or all in one place.

use super::{Distribution, Node, Op};

/// Puts in the exchanges.
pub(super) fn distribute(mut node: Node) -> Node {
    node.inputs = node.inputs.into_iter().map(distribute).collect();
    let required = match &node.op {
        Op::GroupAggregate { keys, .. } => by(keys),
        Op::WindowAggregate(aggregate) => by(&aggregate.keys),
        Op::ChangelogNormalize { keys } => by(keys),
        Op::Limit { .. } => Distribution::Single,
        _ => return node,
    };
    node.inputs = node.inputs.into_iter().map(|input| exchange(input, required.clone())).collect();
    node
}

fn by(keys: &[usize]) -> Distribution {
    if keys.is_empty() { Distribution::Single } else { Distribution::Hash(keys.to_vec()) }
}

/// The node behind an exchange.
pub(super) fn exchange(node: Node, distribution: Distribution) -> Node {
    Node {
        op: Op::Exchange(distribution),
        columns: node.columns.clone(),
        changelog: node.changelog,
        upsert_keys: node.upsert_keys.clone(),
        inputs: vec![node],
    }
}
