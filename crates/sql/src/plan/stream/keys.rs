//! Upsert keys: which columns name the row that an update replaces.

use flott_api::expr::Expr;

use super::{Node, Op};

/// More keys than this are not kept: they only serve to match a sink's.
const KEYS_MAX: usize = 8;

/// The keys of a node's result.
pub(super) fn upsert_keys(op: &Op, inputs: &[Node]) -> Vec<Vec<usize>> {
    let input = inputs.first();
    let same = || input.map(|node| node.upsert_keys.clone()).unwrap_or_default();
    match op {
        Op::Source(scan) => {
            let key: Option<Vec<usize>> =
                scan.primary_key.iter().map(|k| scan.projection.iter().position(|p| p == k)).collect();
            key.filter(|k| !k.is_empty()).into_iter().collect()
        }
        Op::Values(_) | Op::Union => Vec::new(),
        Op::Calc { exprs, .. } => input.map(|node| projected(&node.upsert_keys, exprs)).unwrap_or_default(),
        Op::GroupAggregate { keys, .. } => vec![(0..keys.len()).collect()],
        Op::WindowAggregate(aggregate) => {
            let properties = aggregate.keys.len() + aggregate.calls.len();
            let window = (0..aggregate.properties.len()).map(|i| properties + i);
            vec![(0..aggregate.keys.len()).chain(window).collect()]
        }
        Op::ChangelogNormalize { keys } => vec![keys.clone()],
        Op::Watermark { .. } | Op::Window { .. } | Op::Limit { .. } | Op::DropUpdateBefore | Op::Exchange(_) => same(),
    }
}

/// The keys whose columns all come through a projection unchanged.
fn projected(keys: &[Vec<usize>], exprs: &[Expr]) -> Vec<Vec<usize>> {
    let position =
        |column: &usize| exprs.iter().position(|e| matches!(e, Expr::Column { index, .. } if index == column));
    let through = |key: &Vec<usize>| key.iter().map(position).collect::<Option<Vec<usize>>>();
    keys.iter().filter_map(through).take(KEYS_MAX).collect()
}
