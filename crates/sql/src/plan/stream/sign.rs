//! Whether the values of a column are all on one side of zero: a sum of such values only grows, or only falls.
//!
//! Flink counterparts: `FlinkRelMdColumnInterval` and `FlinkRelMdFilteredColumnInterval`, of which this is what matters
//! to sums. It is found from constants, `CASE` of constants, counts, and comparisons with constants in filters.

use std::cmp::Ordering;

use flott_api::expr::{Expr, Value};

use super::{Node, Op};
use crate::plan::optimize::conjuncts;

/// Which side of zero values are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Zero or more.
    NotNegative,
    /// Zero or less.
    NotPositive,
}

/// The sign of a column of those rows of a node that pass a filter, which is one of its columns.
pub(super) fn sign_where(node: &Node, column: usize, filter: Option<usize>) -> Option<Sign> {
    let of_filter = || match &below_exchange(node).op {
        Op::Calc(calc) => {
            let value = calc.exprs.get(column)?;
            conjuncts(calc.exprs.get(filter?)?.clone()).iter().find_map(|part| bounded(part, value))
        }
        _ => None,
    };
    sign(node, column).or_else(of_filter)
}

fn below_exchange(node: &Node) -> &Node {
    match (&node.op, node.inputs.as_slice()) {
        (Op::Exchange(_), [input]) => input,
        _ => node,
    }
}

fn sign(node: &Node, column: usize) -> Option<Sign> {
    let input = || node.inputs.first();
    match &node.op {
        Op::Exchange(_) | Op::Rank(_) => sign(input()?, column),
        Op::Calc(calc) => {
            let expr = calc.exprs.get(column)?;
            let of_filter = || {
                let parts = calc.condition.iter().cloned().flat_map(conjuncts);
                parts.into_iter().find_map(|part| bounded(&part, expr))
            };
            of_expr(expr, input()?).or_else(of_filter)
        }
        Op::GroupAggregate(aggregate) => match column.checked_sub(aggregate.keys.len()) {
            None => sign(input()?, aggregate.keys[column]),
            Some(call) => {
                let call = aggregate.calls.get(call)?;
                match (call.function.name.as_str(), call.args.as_slice()) {
                    ("count", _) => Some(Sign::NotNegative),
                    ("sum" | "$sum0", [arg]) => sign(input()?, *arg),
                    _ => None,
                }
            }
        },
        Op::Join(_) => {
            let left = input()?;
            match column.checked_sub(left.columns.len()) {
                None => sign(left, column),
                Some(column) => sign(node.inputs.get(1)?, column),
            }
        }
        Op::Union(_) => {
            let mut signs = node.inputs.iter().map(|input| sign(input, column));
            let first = signs.next()??;
            signs.all(|sign| sign == Some(first)).then_some(first)
        }
        _ => None,
    }
}

fn of_expr(expr: &Expr, input: &Node) -> Option<Sign> {
    match expr {
        Expr::Column { index, .. } => sign(input, *index),
        Expr::Literal { value, .. } => Some(match against_zero(value)? {
            Ordering::Less => Sign::NotPositive,
            Ordering::Equal | Ordering::Greater => Sign::NotNegative,
        }),
        Expr::Case { branches, otherwise, .. } => {
            let results = branches.iter().map(|(_, result)| result).chain([otherwise.as_ref()]);
            let mut signs = results.map(|result| of_expr(result, input));
            let first = signs.next()??;
            signs.all(|sign| sign == Some(first)).then_some(first)
        }
        _ => None,
    }
}

fn against_zero(value: &Value) -> Option<Ordering> {
    match value {
        Value::Int(value) => Some(value.cmp(&0)),
        Value::Decimal(value) => Some(value.cmp(&0)),
        Value::DoubleBits(bits) => f64::from_bits(*bits).partial_cmp(&0.0),
        _ => None,
    }
}

/// The sign that a comparison with a constant leaves to a value.
fn bounded(condition: &Expr, value: &Expr) -> Option<Sign> {
    let Expr::Call { function, args, .. } = condition else { return None };
    let (name, bound) = match (function.name.as_str(), args.as_slice()) {
        ("is true", [inner]) => return bounded(inner, value),
        (name, [of, Expr::Literal { value: bound, .. }]) if of == value => (name, bound),
        (">", [Expr::Literal { value: bound, .. }, of]) if of == value => ("<", bound),
        (">=", [Expr::Literal { value: bound, .. }, of]) if of == value => ("<=", bound),
        ("<", [Expr::Literal { value: bound, .. }, of]) if of == value => (">", bound),
        ("<=", [Expr::Literal { value: bound, .. }, of]) if of == value => (">=", bound),
        _ => return None,
    };
    match (name, against_zero(bound)?) {
        (">" | ">=" | "=", Ordering::Greater | Ordering::Equal) => Some(Sign::NotNegative),
        ("<" | "<=" | "=", Ordering::Less | Ordering::Equal) => Some(Sign::NotPositive),
        _ => None,
    }
}
