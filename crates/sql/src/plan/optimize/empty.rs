//! Rule: what can have no row is not read.
//!
//! As in Flink, a count over nothing is then known while planning: `SELECT COUNT(*) FROM t WHERE FALSE` gives 0, where a
//! stream that only happens to be empty gives no row at all.

use flott_api::Result;
use flott_api::expr::{Expr, Value};
use flott_graph::spec::{AggregateCall, JoinKind};

use super::bottom_up;
use crate::plan::rel::{Column, Join, Op, Rel};

/// Replaces what is empty, in the whole tree.
pub(super) fn empty(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| Ok(without_rows(rel)))
}

fn without_rows(mut rel: Rel) -> Rel {
    let nothing = |columns: Vec<Column>| Rel::values(Vec::new(), columns);
    let empty_input = rel.inputs.first().is_some_and(is_empty);
    match &rel.op {
        Op::Filter { condition } if empty_input || is_never(condition) => nothing(rel.columns),
        Op::Limit { offset: _, limit } if empty_input || *limit == 0 => nothing(rel.columns),
        Op::Aggregate { keys, calls, .. } if empty_input && keys.is_empty() => {
            let row = calls.iter().map(over_nothing).collect();
            Rel::values(vec![row], rel.columns)
        }
        Op::Sort(sort) if empty_input || sort.limit.is_some_and(|(_, rows)| rows == 0) => nothing(rel.columns),
        Op::Project { .. }
        | Op::Watermark { .. }
        | Op::Window { .. }
        | Op::Aggregate { .. }
        | Op::Expand { .. }
        | Op::Over(_)
            if empty_input =>
        {
            nothing(rel.columns)
        }
        Op::Join(join) if join.kind == JoinKind::Inner && (no_pairs(join, &rel) || empty_input) => nothing(rel.columns),
        Op::Join(join) if join.kind == JoinKind::Left && empty_input => nothing(rel.columns),
        Op::Join(join) if join.kind == JoinKind::Left && no_pairs(join, &rel) => without_partners(rel),
        Op::Union => {
            rel.inputs.retain(|input| !is_empty(input));
            match rel.inputs.len() {
                0 => nothing(rel.columns),
                // One side alone may have other types than the union: a projection of its own keeps them.
                1 if !same_types(&rel) => rel,
                1 => rel.inputs.pop().unwrap_or_else(|| nothing(rel.columns)),
                _ => rel,
            }
        }
        _ => rel,
    }
}

fn is_empty(rel: &Rel) -> bool {
    matches!(&rel.op, Op::Values { rows } if rows.is_empty())
}

/// Whether a condition is a constant that is not true.
fn is_never(condition: &Expr) -> bool {
    matches!(condition, Expr::Literal { value: Value::Null | Value::Boolean(false), .. })
}

/// Whether no row of the left has a partner.
fn no_pairs(join: &Join, rel: &Rel) -> bool {
    join.condition.as_ref().is_some_and(is_never) || rel.inputs.get(1).is_some_and(is_empty)
}

/// The rows of the left, with nulls for what no row of the right is there for. A time is none if it is always null: such
/// a join stays.
fn without_partners(mut rel: Rel) -> Rel {
    let Some(left) = rel.inputs.first() else { return rel };
    let of_right = &rel.columns[left.columns.len()..];
    if of_right.iter().any(|column| column.time.is_some() || column.window.is_some()) {
        return rel;
    }
    let kept = left.columns.iter().enumerate().map(|(at, column)| Expr::column(at, column.ty.clone()));
    let nulls = of_right.iter().map(|column| Expr::literal(Value::Null, column.ty.clone()));
    rel.op = Op::Project { exprs: kept.chain(nulls).collect() };
    rel.inputs.truncate(1);
    rel
}

fn same_types(union: &Rel) -> bool {
    union.inputs.iter().all(|input| input.columns.iter().zip(&union.columns).all(|(a, b)| a.ty == b.ty))
}

/// What an aggregate of no rows is.
fn over_nothing(call: &AggregateCall) -> Value {
    if call.function.name == "count" { Value::Int(0) } else { Value::Null }
}
