//! How the values of a column change when a row of it is updated: what Flink calls modified monotonicity.

use flott_api::expr::Expr;

use super::nodes::{Calc, carried};
use super::{Node, Op};

/// How a value changes with the updates of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trend {
    /// Never.
    Stays,
    /// It never becomes smaller.
    Rises,
    /// It never becomes larger.
    Falls,
    /// Any way, or nobody knows.
    Any,
}

/// How the values of a column of a node change.
pub(super) fn trend(node: &Node, column: usize) -> Trend {
    let of_input = |column| node.inputs.first().map_or(Trend::Any, |input| trend(input, column));
    match &node.op {
        Op::DropUpdateBefore(_) | Op::Exchange(_) | Op::Watermark(_) => of_input(column),
        Op::Calc(Calc { exprs, .. }) => match exprs.get(column) {
            Some(Expr::Literal { .. }) => Trend::Stays,
            Some(expr) => carried(expr).map_or(Trend::Any, of_input),
            None => Trend::Any,
        },
        Op::GroupAggregate(aggregate) => {
            let only_grows = node.inputs.iter().all(|input| input.changelog.is_insert_only());
            let call = column.checked_sub(aggregate.keys.len()).and_then(|call| aggregate.calls.get(call));
            match call.map(|call| call.function.name.as_str()) {
                None => Trend::Stays,
                Some("count" | "max") if only_grows => Trend::Rises,
                Some("min") if only_grows => Trend::Falls,
                Some(_) => Trend::Any,
            }
        }
        _ => Trend::Any,
    }
}
