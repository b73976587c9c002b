//! How the values of columns change when their rows are updated, and what aggregates need not take back by that.
//!
//! Flink counterpart: `FlinkRelMdModifiedMonotonicity`, which Flink calls modified monotonicity. Where Flink takes rows
//! for lasting that may go, or a value for rising that may fall (the counts of rows that are deleted, aggregates under
//! `DISTINCT` or `FILTER` over updates, comparisons with the sides exchanged), nothing is known here: its plans leave
//! values behind.

use flott_api::expr::{Expr, FunctionId};
use flott_api::{RowKind, TypeKind};
use flott_graph::spec::{AggregateCall, JoinKind, RankRange};

use super::nodes::{Calc, GroupAggregate, Join, Rank, carried};
use super::sign::{Sign, sign_where};
use super::{Node, Op};
use crate::plan::optimize::{conjuncts, is_immutable};

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

/// The columns of a node whose rows never go for good; nothing if they may.
type Trends = Option<Vec<Trend>>;

/// How the values of a column of a node change.
pub(super) fn trend(node: &Node, column: usize) -> Trend {
    trends(node).and_then(|trends| trends.get(column).copied()).unwrap_or(Trend::Any)
}

/// The plan with `MIN` and `MAX` that take nothing back, where values only get better.
pub(super) fn take_nothing_back(node: Node) -> Node {
    let Node { mut op, inputs, columns, changelog, upsert_keys } = node;
    let inputs: Vec<Node> = inputs.into_iter().map(take_nothing_back).collect();
    if let (Op::GroupAggregate(aggregate), [input]) = (&mut op, inputs.as_slice())
        && !input.changelog.is_insert_only()
        && let Some(trends) = of_groups(aggregate, input)
    {
        let results = trends.into_iter().skip(aggregate.keys.len());
        aggregate.calls.iter_mut().zip(results).for_each(|(call, trend)| take_no_value_back(call, trend));
    }
    Node { op, inputs, columns, changelog, upsert_keys }
}

fn take_no_value_back(call: &mut AggregateCall, trend: Trend) {
    match (call.function.name.as_str(), trend) {
        ("max", Trend::Rises) => call.function = FunctionId::new("$max_of_rising"),
        ("min", Trend::Falls) => call.function = FunctionId::new("$min_of_falling"),
        _ => {}
    }
}

fn all(node: &Node, trend: Trend) -> Trends {
    Some(vec![trend; node.columns.len()])
}

fn trends(node: &Node) -> Trends {
    let input = || node.inputs.first();
    match &node.op {
        Op::Source(_) if node.changelog.is_insert_only() => all(node, Trend::Stays),
        Op::Source(_) if !node.changelog.contains(RowKind::Delete) => all(node, Trend::Any),
        Op::Exchange(_) => trends(input()?),
        Op::Calc(calc) => of_calc(calc, input()?),
        Op::GroupAggregate(aggregate) => of_groups(aggregate, input()?),
        Op::Join(join) => of_pairs(join, &node.inputs),
        Op::Union(_) => of_all(node),
        Op::Rank(rank) => of_first_rows(rank, input()?, node.columns.len()),
        Op::IntervalJoin(_) | Op::OverAggregate(_) | Op::Predict(_) if node.changelog.is_insert_only() => {
            all(node, Trend::Stays)
        }
        Op::Correlate(_)
        | Op::DropUpdateBefore(_)
        | Op::Expand(_)
        | Op::LookupJoin(_)
        | Op::PythonCorrelate(_)
        | Op::Watermark(_) => {
            let below = trends(input()?)?;
            all(node, if only_stay(&below) { Trend::Stays } else { Trend::Any })
        }
        _ => None,
    }
}

fn only_stay(trends: &[Trend]) -> bool {
    trends.iter().all(|trend| *trend == Trend::Stays)
}

fn of_calc(calc: &Calc, input: &Node) -> Trends {
    let below = trends(input)?;
    if only_stay(&below) {
        return Some(vec![Trend::Stays; calc.exprs.len()]);
    }
    // A row that passed once must pass for ever.
    let lasts = calc.condition.iter().cloned().flat_map(conjuncts).all(|part| stays_true(&part, &below));
    lasts.then(|| calc.exprs.iter().map(|expr| of_expr(expr, &below)).collect())
}

fn of_expr(expr: &Expr, below: &[Trend]) -> Trend {
    match expr {
        Expr::Literal { .. } => Trend::Stays,
        Expr::Cast { input, ty, .. } if is_integer(&input.ty().kind) && is_integer(&ty.kind) => of_expr(input, below),
        expr => carried(expr).and_then(|column| below.get(column).copied()).unwrap_or(Trend::Any),
    }
}

fn is_integer(kind: &TypeKind) -> bool {
    matches!(kind, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt)
}

/// Whether a condition that is true of a row remains so: it reads what stays, or asks what rises to be above what stays.
fn stays_true(condition: &Expr, below: &[Trend]) -> bool {
    let stays = |expr: &Expr| expr.columns().iter().all(|column| below.get(*column) == Some(&Trend::Stays));
    let Expr::Call { function, args, .. } = condition else { return stays(condition) };
    match (function.name.as_str(), args.as_slice()) {
        _ if stays(condition) => true,
        ("and" | "or", parts) => parts.iter().all(|part| stays_true(part, below)),
        (">" | ">=", [value, bound]) => of_expr(value, below) == Trend::Rises && stays(bound),
        ("<" | "<=", [value, bound]) => of_expr(value, below) == Trend::Falls && stays(bound),
        _ => false,
    }
}

fn of_groups(aggregate: &GroupAggregate, input: &Node) -> Trends {
    let below = trends(input)?;
    if aggregate.keys.iter().any(|key| below[*key] != Trend::Stays) {
        return None;
    }
    let keys = aggregate.keys.iter().map(|_| Trend::Stays);
    Some(keys.chain(aggregate.calls.iter().map(|call| of_call(call, &below, input))).collect())
}

fn of_call(call: &AggregateCall, below: &[Trend], input: &Node) -> Trend {
    let alone = of_call_of_lasting(call, input);
    if only_stay(below) {
        return alone;
    }
    if call.filter.is_some_and(|filter| !keeps_passing(input, filter, below)) {
        return Trend::Any;
    }
    let counts = |arg: &usize| below[*arg] == Trend::Stays || !input.columns[*arg].ty.nullable;
    match (call.function.name.as_str(), call.args.as_slice()) {
        ("count", args) if call.distinct && args.iter().any(|arg| below[*arg] != Trend::Stays) => Trend::Any,
        ("count", args) if args.iter().all(counts) => alone,
        ("sum" | "$sum0", _) if call.distinct => Trend::Any,
        ("max" | "min" | "sum" | "$sum0", [arg]) if below[*arg] == alone => alone,
        _ => Trend::Any,
    }
}

/// Whether a filter, which is a column, is of what stays.
fn keeps_passing(input: &Node, filter: usize, below: &[Trend]) -> bool {
    match (&input.op, input.inputs.as_slice()) {
        (Op::Exchange(_), [rows]) => keeps_passing(rows, filter, below),
        (Op::Calc(calc), [rows]) => match (calc.exprs.get(filter), trends(rows)) {
            (Some(expr), Some(trends)) => {
                is_immutable(expr) && expr.columns().iter().all(|column| trends[*column] == Trend::Stays)
            }
            _ => false,
        },
        _ => below[filter] == Trend::Stays,
    }
}

/// How an aggregate changes with more rows, whose values do not change.
fn of_call_of_lasting(call: &AggregateCall, input: &Node) -> Trend {
    match (call.function.name.as_str(), call.args.as_slice()) {
        ("count" | "max", _) => Trend::Rises,
        ("min", _) => Trend::Falls,
        ("sum" | "$sum0", [arg]) => match sign_where(input, *arg, call.filter) {
            Some(Sign::NotNegative) => Trend::Rises,
            Some(Sign::NotPositive) => Trend::Falls,
            None => Trend::Any,
        },
        _ => Trend::Any,
    }
}

fn of_pairs(join: &Join, inputs: &[Node]) -> Trends {
    let [left, right] = inputs else { return None };
    if matches!(join.kind, JoinKind::Anti | JoinKind::Full) {
        return None;
    }
    let below = [trends(left)?, trends(right)?];
    let keys_stay = below.iter().zip(&join.keys).all(|(trends, keys)| keys.iter().all(|k| trends[*k] == Trend::Stays));
    let lasts = below.iter().all(|trends| only_stay(trends)) || join.is_by_keys_only();
    if !keys_stay || !lasts {
        return None;
    }
    let [mut of_left, mut of_right] = below;
    // A row that found no partner has nulls until one comes.
    if join.kind.keeps_left() {
        of_right.fill(Trend::Any);
    }
    if join.kind.keeps_right() {
        of_left.fill(Trend::Any);
    }
    if join.kind != JoinKind::Semi {
        of_left.append(&mut of_right);
    }
    Some(of_left)
}

fn of_all(node: &Node) -> Trends {
    let below = node.inputs.iter().map(trends).collect::<Option<Vec<_>>>()?;
    let first = below.first()?;
    match below.iter().all(|trends| trends == first) {
        true => Some(first.clone()),
        false => all(node, Trend::Any),
    }
}

/// Of the first rows of a partition the key stays, and the value that they are ordered by first gets better.
fn of_first_rows(rank: &Rank, input: &Node, width: usize) -> Trends {
    let below = trends(input)?;
    let of = &rank.of;
    if rank.sort_limit || of.partition.iter().any(|column| below[*column] != Trend::Stays) {
        return None;
    }
    if rank.keeps_first_by_time(input) {
        return Some(vec![Trend::Stays; width]);
    }
    let of_keys = || {
        let trend = |column| if of.partition.contains(&column) { Trend::Stays } else { Trend::Any };
        (0..width).map(trend).collect::<Vec<_>>()
    };
    // Flink knows no more of one row of each partition.
    if rank.keeps_one() {
        return only_stay(&below).then(of_keys);
    }
    let RankRange::Constant { .. } = of.range else { return None };
    let mut trends = of_keys();
    if let Some(field) = of.order.first() {
        trends[field.column] = match (below[field.column], field.descending) {
            (Trend::Rises | Trend::Stays, true) => Trend::Rises,
            (Trend::Falls | Trend::Stays, false) => Trend::Falls,
            _ => Trend::Any,
        };
    }
    of.partition.iter().for_each(|column| trends[*column] = Trend::Stays);
    if of.emit_rank {
        trends[width - 1] = Trend::Stays;
    }
    Some(trends)
}
