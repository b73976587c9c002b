//! `IN` and `EXISTS` where a truth value is wanted: below `OR`, in the list, in `CASE`.
//!
//! At the top of `WHERE` they choose rows, which is a semi join. Here every row stays and gets a value: it is joined with
//! the distinct values of the query, and for `IN`, which is not known where something is null, with their numbers.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::{AggregateCall, JoinKind};
use sqlparser::ast::{Expr as Ast, Query};

use super::correlated::{Pair, Paired, own_applied, paired};
use super::{Inner, has_query, moved, nullable, shifted};
use crate::plan::binder::{Binder, call, combine};
use crate::plan::rel::Rel;
use crate::plan::scope::Scope;

/// Rows with what was found for them, and the truth over these columns.
type Answered = (Rel, Expr);

impl Binder<'_> {
    /// Whether the query has a row.
    pub(super) fn exists(&self, left: Rel, scope: &Scope, query: &Query) -> Result<Answered> {
        let Inner { rel, conditions, .. } = self.rows_of((&left, scope), query, false)?;
        has_pair(left, rel, conditions)
    }

    /// Whether the value is among those of the query: true, false, or not known.
    pub(super) fn is_in(&self, left: Rel, scope: &Scope, (value, query): (&Ast, &Query)) -> Result<Answered> {
        if has_query(value) {
            return Err(Error::unsupported("IN of a query, below OR or as a value"));
        }
        let inner = self.rows_of((&left, scope), query, true)?;
        let reads_outer = |e: &Expr| e.columns().iter().any(|c| *c < left.columns.len());
        let is_correlated = inner.conditions.iter().chain(&inner.items).any(reads_outer);
        if is_correlated || matches!(value, Ast::Tuple(_)) {
            return self.is_among(left, (scope, value), inner);
        }
        let query = self.bind_query(query)?;
        let [item] = query.columns.as_slice() else {
            return Err(Error::invalid(format!(
                "IN compares a value with the {} columns of a query",
                query.columns.len()
            )));
        };
        let item = Expr::column(0, item.ty.clone());
        let value = self.exprs(scope, "IN").bind(value)?;
        let may_be_unknown = value.ty().nullable || item.ty().nullable;
        let (rel, is_found) = found(left, query.clone(), &[Pair::equal(value.clone(), item)])?;
        if !may_be_unknown {
            return Ok((rel, is_found));
        }
        let counts = [counted(Vec::new())?, counted(vec![0])?];
        let first = rel.columns.len();
        let rel = rel.join(query.aggregate(Vec::new(), Vec::from(counts)), JoinKind::Left, None);
        let (all, known) = (nullable(rel.column(first)), nullable(rel.column(first + 1)));
        let boolean = LogicalType::new(TypeKind::Boolean);
        let unknown = || Expr::literal(Value::Null, boolean.clone());
        let has_rows = call("is true", vec![call(">", vec![all.clone(), zero()])?])?;
        let branches = vec![
            (is_found, truth(true)),
            (call("not", vec![has_rows])?, truth(false)),
            (call("is null", vec![value])?, unknown()),
            (call("is true", vec![call("<", vec![known, all])?])?, unknown()),
        ];
        Ok((rel, Expr::Case { branches, otherwise: Box::new(truth(false)), ty: boolean }))
    }
}

impl Binder<'_> {
    /// `IN` by two questions: is there an equal row, and if not, one of which it is not known.
    fn is_among(&self, left: Rel, (scope, value): (&Scope, &Ast), inner: Inner) -> Result<Answered> {
        let Inner { rel: right, conditions, items, .. } = inner;
        let equal = self.in_condition(scope, value, items, false)?;
        let with = |more: Vec<Expr>| conditions.iter().cloned().chain(more).collect::<Vec<_>>();
        let may_be_unknown = equal.iter().any(|e| e.ty().nullable);
        let possible = equal.iter().map(|e| call("is not false", vec![e.clone()])).collect::<Result<Vec<_>>>()?;
        let width = left.columns.len();
        let (rel, is_found) = has_pair(left, right.clone(), with(equal))?;
        if !may_be_unknown {
            return Ok((rel, is_found));
        }
        let added = rel.columns.len() - width;
        let behind = |e| moved(e, |c| if c < width { c } else { c + added });
        let (rel, is_possible) = has_pair(rel, right, with(possible).into_iter().map(behind).collect())?;
        let boolean = LogicalType::new(TypeKind::Boolean);
        let unknown = Expr::literal(Value::Null, boolean.clone());
        let branches = vec![(is_found, truth(true)), (is_possible, unknown)];
        Ok((rel, Expr::Case { branches, otherwise: Box::new(truth(false)), ty: boolean }))
    }
}

/// The rows, each with whether there is one on the right for which the conditions hold.
fn has_pair(left: Rel, right: Rel, conditions: Vec<Expr>) -> Result<Answered> {
    let (right, of_both) = own_applied(right, conditions, left.columns.len())?;
    if of_both.is_empty() {
        return is_not_empty(left, right);
    }
    let Paired { rel, pairs } = paired(&left, right, of_both)?;
    found(left, rel, &pairs)
}

/// The rows, joined with the distinct values on the right, and whether there was one.
fn found(left: Rel, right: Rel, pairs: &[Pair]) -> Result<Answered> {
    let (width, keys) = (left.columns.len(), pairs.len());
    let named = pairs.iter().enumerate().map(|(k, pair)| (pair.own.clone(), format!("$key{k}"))).collect();
    let distinct = right.project(named).aggregate((0..keys).collect(), Vec::new());
    let columns = (0..keys).map(|k| (distinct.column(k), format!("$key{k}")));
    let columns = columns.chain([(truth(true), "$found".to_owned())]).collect();
    let right = distinct.project(columns);
    let compared = |(k, pair): (usize, &Pair)| pair.compared(shifted(right.column(k), width));
    let equal = pairs.iter().enumerate().map(compared).collect::<Result<Vec<_>>>()?;
    let rel = left.join(right, JoinKind::Left, Some(combine("and", equal)?));
    let is_found = call("is not null", vec![nullable(rel.column(width + keys))])?;
    Ok((rel, is_found))
}

/// The rows, each with whether there is a row on the right.
fn is_not_empty(left: Rel, right: Rel) -> Result<Answered> {
    let width = left.columns.len();
    let rel = left.join(right.aggregate(Vec::new(), vec![counted(Vec::new())?]), JoinKind::Left, None);
    let number = nullable(rel.column(width));
    let some = call("is true", vec![call(">", vec![number, zero()])?])?;
    Ok((rel, some))
}

pub(super) fn counted(args: Vec<usize>) -> Result<(AggregateCall, String)> {
    let resolved = flott_functions::aggregate_type("count", &[], false)?;
    let name = if args.is_empty() { "$all" } else { "$known" };
    let call = AggregateCall { function: resolved.id, args, filter: None, distinct: false, ty: resolved.ty };
    Ok((call, name.to_owned()))
}

pub(super) fn zero() -> Expr {
    Expr::literal(Value::Int(0), LogicalType::not_null(TypeKind::BigInt))
}

pub(super) fn truth(value: bool) -> Expr {
    Expr::literal(Value::Boolean(value), LogicalType::not_null(TypeKind::Boolean))
}
