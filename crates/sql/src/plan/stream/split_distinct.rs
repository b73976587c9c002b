//! Aggregates under `DISTINCT` in two steps: first by key and by a part of the values, then by key. So the values of a
//! key with very many of them lie in several groups, and on several subtasks.
//!
//! Flink counterpart: `SplitAggregateRule`, with its conditions: all aggregates can be computed so, and one is under
//! `DISTINCT`. Where aggregates are over values of several columns, each row goes out once for each of them (`Expand`).

use flott_api::expr::{Expr, Value};
use flott_api::{LogicalType, Result, TypeKind};
use flott_graph::spec::{AggregateCall, ExpandColumn};

use super::nodes::{Calc, Distribution, Exchange, Expand, GroupAggregate, Part};
use super::{Node, Op};
use crate::plan::binder::call;
use crate::plan::optimize::aggregate_of;
use crate::plan::rel::Column;

/// The plan with aggregations split, where that can be.
pub(super) fn split(node: Node, buckets: i32) -> Result<Node> {
    let Node { op, inputs, columns, .. } = node;
    let inputs = inputs.into_iter().map(|input| split(input, buckets)).collect::<Result<Vec<_>>>()?;
    if let (Op::GroupAggregate(whole), [Node { op: Op::Exchange(_), inputs: rows, .. }]) = (&op, inputs.as_slice())
        && let [rows] = rows.as_slice()
        && let Some(split) = Split::of(whole, rows)
    {
        return split.applied(rows.clone(), columns, buckets);
    }
    Node::new(op, inputs, columns)
}

/// An aggregation that is split.
struct Split<'a> {
    whole: &'a GroupAggregate,
    /// The columns whose values are cut into parts, ascending; a column with the number of the part for each is behind
    /// those of the rows.
    cut: Vec<usize>,
    /// How many columns the rows have.
    width: usize,
}

/// Which parts an aggregate is grouped by besides the key: positions in [`Split::cut`].
type Parts = Vec<usize>;

fn is_splittable(call: &AggregateCall) -> bool {
    match call.function.name.as_str() {
        "avg" | "count" | "max" | "min" | "single_value" | "sum" | "$sum0" => true,
        "first_value" | "last_value" | "listagg" => call.args.len() == 1,
        _ => false,
    }
}

/// Whether it is computed by parts of its values. Those that must keep all values are, too.
fn is_by_parts(call: &AggregateCall) -> bool {
    call.distinct || matches!(call.function.name.as_str(), "first_value" | "last_value" | "max" | "min")
}

/// What is computed of the rows, and what of that.
fn steps(call: &AggregateCall) -> &'static [(&'static str, &'static str)] {
    match call.function.name.as_str() {
        "avg" => &[("$sum0", "$sum0"), ("count", "$sum0")],
        "count" => &[("count", "$sum0")],
        "first_value" => &[("first_value", "first_value")],
        "last_value" => &[("last_value", "last_value")],
        "listagg" => &[("listagg", "listagg")],
        "max" => &[("max", "max")],
        "min" => &[("min", "min")],
        "single_value" => &[("single_value", "single_value")],
        "sum" => &[("sum", "sum")],
        _ => &[("$sum0", "$sum0")],
    }
}

fn types(columns: &[Column]) -> Vec<LogicalType> {
    columns.iter().map(|c| c.ty.clone()).collect()
}

fn references(columns: &[Column]) -> Vec<Expr> {
    Calc::identity(columns).exprs
}

impl<'a> Split<'a> {
    fn of(whole: &'a GroupAggregate, rows: &Node) -> Option<Self> {
        if !whole.calls.iter().all(is_splittable) || !whole.calls.iter().any(|c| c.distinct) {
            return None;
        }
        let args = whole.calls.iter().filter(|c| is_by_parts(c)).flat_map(|c| &c.args);
        let mut cut: Vec<usize> = args.filter(|arg| !whole.keys.contains(arg)).copied().collect();
        cut.sort_unstable();
        cut.dedup();
        let column = |index: &usize| Expr::column(*index, rows.columns[*index].ty.clone());
        // Flink has no code for the hash of a nested value.
        let have_hashes = cut.iter().all(|index| call("hash_code", vec![column(index)]).is_ok());
        have_hashes.then_some(Split { whole, cut, width: rows.columns.len() })
    }

    fn applied(&self, rows: Node, columns: Vec<Column>, buckets: i32) -> Result<Node> {
        let rows = self.with_parts(rows, buckets)?;
        let (rows, filters) = self.expanded(rows)?;
        let partial = self.partial(rows, &filters)?;
        self.finished(self.last(partial)?, columns)
    }

    /// The rows with the part that each value is in: `MOD(HASH_CODE(x), 1024)`.
    fn with_parts(&self, rows: Node, buckets: i32) -> Result<Node> {
        if self.cut.is_empty() {
            return Ok(rows);
        }
        let (mut exprs, mut columns) = (references(&rows.columns), rows.columns.clone());
        for index in &self.cut {
            let hash = call("hash_code", vec![exprs[*index].clone()])?;
            let buckets = Expr::literal(Value::Int(i64::from(buckets)), LogicalType::not_null(TypeKind::Int));
            let part = call("mod", vec![hash, buckets])?;
            columns.push(Column::new(format!("$f{}", columns.len()), part.ty().clone()));
            exprs.push(part);
        }
        Node::new(Op::Calc(Calc { condition: None, exprs }), vec![rows], columns)
    }

    fn parts(&self, call: &AggregateCall) -> Parts {
        if !is_by_parts(call) {
            return Vec::new();
        }
        let mut parts: Parts = call.args.iter().filter_map(|arg| self.cut.iter().position(|c| c == arg)).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// All sets of parts that aggregates are grouped by, larger ones before those that they hold.
    fn sets(&self) -> Vec<Parts> {
        let mut sets: Vec<Parts> = self.whole.calls.iter().map(|c| self.parts(c)).collect();
        sets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        sets.dedup();
        sets
    }

    /// Flink's number of a set: a bit for each part that is not in it, the last part the lowest.
    fn number(&self, set: &Parts) -> i64 {
        let last = self.cut.len().saturating_sub(1);
        (0..self.cut.len()).filter(|part| !set.contains(part)).map(|part| 1 << (last - part)).sum()
    }

    /// Where several sets are needed, the rows for each of them; and which rows each aggregate counts.
    fn expanded(&self, rows: Node) -> Result<(Node, Vec<Option<usize>>)> {
        let sets = self.sets();
        let mut by_parts: Vec<Parts> =
            self.whole.calls.iter().filter(|c| is_by_parts(c)).map(|c| self.parts(c)).collect();
        by_parts.sort_unstable();
        by_parts.dedup();
        if by_parts.len() < 2 {
            return Ok((rows, self.whole.calls.iter().map(|c| c.filter).collect()));
        }
        let mut columns = rows.columns.clone();
        columns[self.width..].iter_mut().for_each(|part| part.ty.nullable = true);
        columns.push(Column::new("$e", LogicalType::not_null(TypeKind::BigInt)));
        let projections = sets.iter().map(|set| self.projection(set)).collect();
        let expanded = Node::new(Op::Expand(Expand { projections }), vec![rows], columns)?;
        self.filtered(expanded)
    }

    fn projection(&self, set: &Parts) -> Vec<ExpandColumn> {
        let rows = (0..self.width).map(ExpandColumn::Input);
        let part = |part: usize| match set.contains(&part) {
            true => ExpandColumn::Input(self.width + part),
            false => ExpandColumn::Null,
        };
        rows.chain((0..self.cut.len()).map(part)).chain([ExpandColumn::Id(self.number(set))]).collect()
    }

    /// Conditions in the place of the number: an aggregate counts the rows of its set that pass its own `FILTER`.
    fn filtered(&self, expanded: Node) -> Result<(Node, Vec<Option<usize>>)> {
        let (mut exprs, mut columns) = (references(&expanded.columns), expanded.columns.clone());
        let (Some(number), _) = (exprs.pop(), columns.pop()) else { return Ok((expanded, Vec::new())) };
        let mut known: Vec<(i64, Option<usize>, usize)> = Vec::new();
        let mut filters = Vec::new();
        for aggregate in &self.whole.calls {
            let set = self.number(&self.parts(aggregate));
            if let Some((.., place)) = known.iter().find(|(s, filter, _)| (*s, *filter) == (set, aggregate.filter)) {
                filters.push(Some(*place));
                continue;
            }
            let literal = Expr::literal(Value::Int(set), LogicalType::not_null(TypeKind::BigInt));
            let mut condition = call("=", vec![number.clone(), literal])?;
            if let Some(filter) = aggregate.filter {
                condition = call("and", vec![condition, exprs[filter].clone()])?;
            }
            known.push((set, aggregate.filter, exprs.len()));
            filters.push(Some(exprs.len()));
            columns.push(Column::new(format!("$g_{set}"), condition.ty().clone()));
            exprs.push(condition);
        }
        let node = Node::new(Op::Calc(Calc { condition: None, exprs }), vec![expanded], columns)?;
        Ok((node, filters))
    }

    /// One of the two steps. Both keep state as long as the whole would.
    fn part(&self, part: Part, keys: Vec<usize>, calls: Vec<AggregateCall>) -> GroupAggregate {
        GroupAggregate { part, ttl: self.whole.ttl.clone(), ..GroupAggregate::whole(keys, calls) }
    }

    /// By key and part.
    fn partial(&self, rows: Node, filters: &[Option<usize>]) -> Result<Node> {
        let parts = self.width..self.width + self.cut.len();
        let keys: Vec<usize> = self.whole.keys.iter().copied().chain(parts).collect();
        let input = types(&rows.columns);
        let mut calls = Vec::new();
        for (call, filter) in self.whole.calls.iter().zip(filters) {
            let call = AggregateCall { filter: *filter, ..call.clone() };
            for (name, _) in steps(&call) {
                calls.push(aggregate_of(name, &call, &input, !keys.is_empty())?);
            }
        }
        grouped(rows, self.part(Part::Partial, keys, calls))
    }

    /// By key.
    fn last(&self, partial: Node) -> Result<Node> {
        let keys: Vec<usize> = (0..self.whole.keys.len()).collect();
        let input = types(&partial.columns);
        let names = self.whole.calls.iter().flat_map(steps).map(|(_, name)| *name);
        let calls = names.zip(self.whole.keys.len() + self.cut.len()..).map(|(name, column)| {
            let ty = input[column].clone();
            let function = flott_api::expr::FunctionId::new(name);
            let call = AggregateCall { function, args: vec![column], filter: None, distinct: false, ty };
            aggregate_of(name, &call, &input, !keys.is_empty())
        });
        let calls = calls.collect::<Result<_>>()?;
        grouped(partial, self.part(Part::Final, keys, calls))
    }

    /// The columns of the whole aggregation: an average is a sum over a count.
    fn finished(&self, last: Node, columns: Vec<Column>) -> Result<Node> {
        let mut found = references(&last.columns).into_iter();
        let mut exprs: Vec<Expr> = found.by_ref().take(self.whole.keys.len()).collect();
        for aggregate in &self.whole.calls {
            let (Some(value), of) = (found.next(), &aggregate.ty) else { continue };
            let value = match (steps(aggregate).len(), found.as_slice().first().cloned()) {
                (2, Some(count)) => {
                    found.next();
                    quotient(value, count)?
                }
                _ => value,
            };
            exprs.push(match value.ty().same_kind(of) {
                true => value,
                false => Expr::Cast { input: Box::new(value), ty: of.clone(), try_cast: false },
            });
        }
        if exprs.iter().enumerate().all(|(i, e)| matches!(e, Expr::Column { index, .. } if *index == i)) {
            return Ok(Node { columns, ..last });
        }
        Node::new(Op::Calc(Calc { condition: None, exprs }), vec![last], columns)
    }
}

/// The sum over the count; null where that is zero.
fn quotient(sum: Expr, count: Expr) -> Result<Expr> {
    let zero = Expr::literal(Value::Int(0), LogicalType::not_null(TypeKind::BigInt));
    let is_zero = call("=", vec![count.clone(), zero])?;
    let otherwise = call("/", vec![sum, count])?;
    let ty = otherwise.ty().clone().with_nullable(true);
    let none = Expr::literal(Value::Null, ty.clone());
    Ok(Expr::Case { branches: vec![(is_zero, none)], otherwise: Box::new(otherwise), ty })
}

fn grouped(rows: Node, aggregate: GroupAggregate) -> Result<Node> {
    let mut columns: Vec<Column> = aggregate.keys.iter().map(|key| rows.columns[*key].clone()).collect();
    for call in &aggregate.calls {
        columns.push(Column::new(format!("$f{}", columns.len()), call.ty.clone()));
    }
    let exchange = Exchange { distribution: Distribution::by(&aggregate.keys) };
    Node::new(Op::GroupAggregate(aggregate), vec![rows.behind(Op::Exchange(exchange))], columns)
}
