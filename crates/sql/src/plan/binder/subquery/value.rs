//! A query that stands for a value: one aggregate, or the only row, which is joined on the left.
//!
//! Where no row is for an outer row, what is computed of the aggregates is computed of nothing: counts are 0 then.

use flott_api::expr::{Expr, Value as Constant};
use flott_api::{Error, LogicalType, Result};
use flott_graph::spec::{AggregateCall, JoinKind};
use sqlparser::ast::{Query, Select, SelectItem};

use super::correlated::{Answers, Pair, Paired, own_applied, paired};
use super::{Inner, nullable, shifted, simple, simple_aggregate};
use crate::plan::binder::aggregate::{Aggregates, Grouping, OverRows};
use crate::plan::binder::grouping_sets::Keys;
use crate::plan::binder::{Binder, call, combine, refuse};
use crate::plan::rel::{Op, Rel};
use crate::plan::scope::Scope;

/// The value of the only row; an error if there are several.
const SINGLE_VALUE: &str = "single_value";

/// The one value of a query, to be joined.
struct Value {
    /// One row, or one for each outer row that it is compared with.
    rel: Rel,
    /// What they are compared by, over the outer columns and those of `rel`.
    condition: Option<Expr>,
    /// The value, over the same.
    value: Expr,
}

impl Binder<'_> {
    /// Joins the one value of a query: null if it has no row.
    pub(super) fn the_value(&self, left: Rel, scope: &Scope, query: &Query) -> Result<(Rel, Expr)> {
        let joined = match simple_aggregate(query).or_else(|| simple(query)) {
            Some(select) => self.correlated_value((&left, scope), select)?,
            None => match self.bind_query(query) {
                Ok(rel) => {
                    let rel = single(rel)?;
                    let value = nullable(shifted(rel.column(0), left.columns.len()));
                    Value { rel, condition: None, value }
                }
                // A name that means nothing inside may be one of the query around it.
                Err(error) => match self.answers((&left, scope), query)? {
                    Some(answers) => only_answer(answers, left.columns.len())?,
                    None => return Err(error),
                },
            },
        };
        let Value { rel: right, condition, value } = joined;
        Ok((left.join(right, JoinKind::Left, condition), value))
    }

    /// One aggregate, or the value of the only row, of rows that may be compared with outer ones: they are grouped by what
    /// is compared.
    fn correlated_value(&self, (left, outer): (&Rel, &Scope), select: &Select) -> Result<Value> {
        let outer_width = left.columns.len();
        refuse::clause(!select.optimizer_hints.is_empty(), "a hint in a query that stands for a value")?;
        let Inner { rel, scope, conditions, .. } = self.correlated((left, outer), select, false)?;
        let (rel, of_both) = own_applied(rel, conditions, outer_width)?;
        let Paired { rel, pairs } = paired(left, rel, of_both)?;
        let keys = pairs.iter().map(|pair| pair.own.clone()).collect();
        let (grouped, value) = self.one_aggregate(rel, &scope, keys, select)?;
        let counts = counts_of(&value, &grouped, pairs.len());
        let is_plain = matches!(value, Expr::Column { .. }) && counts.is_empty();
        let keys = (0..pairs.len()).map(|k| (grouped.column(k), format!("$key{k}")));
        // Where nothing is compared there is a group, once there was a row. Where there is none for an outer row, the value
        // is computed of nothing.
        let (items, above) = match is_plain || pairs.is_empty() {
            true => (vec![(value.clone(), "EXPR$0".to_owned())], None),
            false => {
                let column = |c: usize| (grouped.column(c), grouped.columns[c].name.clone());
                ((pairs.len()..grouped.columns.len()).map(column).collect(), Some(value))
            }
        };
        let named = keys.chain(items).collect();
        let right = grouped.project(named);
        let compared = |(k, pair): (usize, &Pair)| pair.compared(shifted(right.column(k), outer_width));
        let equal = pairs.iter().enumerate().map(compared).collect::<Result<Vec<_>>>()?;
        let condition = if equal.is_empty() { None } else { Some(combine("and", equal)?) };
        let value = match above {
            Some(value) => of_nothing(value, &counts, outer_width)?,
            None => nullable(shifted(right.column(pairs.len()), outer_width)),
        };
        Ok(Value { rel: right, condition, value })
    }

    /// Rows grouped by these keys, and the one item of a SELECT over the groups.
    fn one_aggregate(&self, rel: Rel, scope: &Scope, keys: Vec<Expr>, select: &Select) -> Result<(Rel, Expr)> {
        let item = match select.projection.as_slice() {
            [SelectItem::UnnamedExpr(ast) | SelectItem::ExprWithAlias { expr: ast, .. }] => ast,
            items => return Err(several_columns(items.len())),
        };
        let mut aggregates = Aggregates::default();
        aggregates.grouped = !keys.is_empty();
        let mut binder = self.exprs_with_aggregates(scope, "SELECT", &mut aggregates);
        let mut expr = binder.bind(item)?;
        let places = std::mem::take(&mut binder.places);
        refuse::clause(!aggregates.overs.is_empty(), "OVER in a correlated subquery")?;
        if aggregates.is_empty() {
            expr = aggregates.add(SINGLE_VALUE, vec![expr], None, false)?;
        }
        let item = OverRows { expr, name: "EXPR$0".to_owned(), places };
        let grouping = Grouping { scope, keys: Keys::plain(keys), aggregates, ttl: None };
        let value = self.folded(grouping.over_groups(&item)?)?;
        Ok((grouping.apply(rel, std::slice::from_ref(&item)), value))
    }
}

/// The counts that a value is computed of: of no row they are 0 and not null.
fn counts_of(value: &Expr, grouped: &Rel, keys: usize) -> Vec<usize> {
    let Op::Aggregate { calls, .. } = &grouped.op else { return Vec::new() };
    let counts = |c: &usize| c.checked_sub(keys).and_then(|c| calls.get(c)).is_some_and(|c| c.function.name == "count");
    value.columns().into_iter().filter(counts).collect()
}

/// A value over groups that may be missing, with counts that are 0 then.
fn of_nothing(value: Expr, counts: &[usize], outer_width: usize) -> Result<Expr> {
    let mut wrong = None;
    let value = value.transform(&mut |e| match e {
        Expr::Column { index, ty } => {
            let column = Expr::column(index + outer_width, ty.clone().with_nullable(true));
            if !counts.contains(&index) {
                return column;
            }
            let zero = Expr::literal(Constant::Int(0), ty);
            call("coalesce", vec![column.clone(), zero]).unwrap_or_else(|error| {
                wrong = Some(error);
                column
            })
        }
        Expr::Call { function, args, ty } if function.name != "coalesce" => {
            let nullable = ty.nullable || args.iter().any(|a| a.ty().nullable);
            Expr::Call { function, args, ty: ty.with_nullable(nullable) }
        }
        Expr::Cast { input, ty, try_cast } => {
            let nullable = ty.nullable || input.ty().nullable;
            Expr::Cast { input, ty: ty.with_nullable(nullable), try_cast }
        }
        other => other,
    });
    match wrong {
        Some(error) => Err(error),
        // Its type is that of a value that may be missing, as in Flink.
        None => Ok(nullable(value)),
    }
}

/// The one answer to each outer row: that there are not more is checked while it runs.
fn only_answer(answers: Answers, outer_width: usize) -> Result<Value> {
    if answers.items != 1 {
        return Err(several_columns(answers.items));
    }
    let answers = if answers.is_single { answers } else { Answers { rel: one_each(&answers)?, ..answers } };
    let conditions = answers.conditions(outer_width)?;
    let value = nullable(shifted(answers.rel.column(0), outer_width));
    Ok(Value { condition: Some(combine("and", conditions)?), value, rel: answers.rel })
}

/// The answers with a check that each outer row has one.
fn one_each(answers: &Answers) -> Result<Rel> {
    let rel = &answers.rel;
    let keys: Vec<usize> = (1..=answers.pairs.len()).collect();
    let grouped = rel.clone().aggregate(keys.clone(), vec![single_value(&rel.columns[0].ty)?]);
    let order: Vec<usize> = [keys.len()].into_iter().chain(0..keys.len()).collect();
    Ok(grouped.pick(&order))
}

fn single_value(ty: &LogicalType) -> Result<(AggregateCall, String)> {
    let resolved = flott_functions::aggregate_type(SINGLE_VALUE, std::slice::from_ref(ty), false)?;
    let ty = resolved.ty.with_nullable(true);
    Ok((AggregateCall { function: resolved.id, args: vec![0], filter: None, distinct: false, ty }, "$f0".to_owned()))
}

fn several_columns(number: usize) -> Error {
    Error::invalid(format!("a query that stands for a value has {number} columns"))
}

/// A query of one column, and its only row: that there are not more is checked while it runs.
fn single(rel: Rel) -> Result<Rel> {
    if rel.columns.len() != 1 {
        return Err(several_columns(rel.columns.len()));
    }
    // No more than one row can come of these.
    let aggregates_all = |rel: &Rel| matches!(&rel.op, Op::Aggregate { keys, .. } if keys.is_empty());
    let below = matches!(&rel.op, Op::Project { .. }) && rel.inputs.first().is_some_and(aggregates_all);
    if aggregates_all(&rel) || below {
        return Ok(rel);
    }
    let value = single_value(&rel.columns[0].ty)?;
    Ok(rel.aggregate(Vec::new(), vec![value]))
}
