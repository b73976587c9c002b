//! `x < ANY (SELECT ..)` and `x < ALL (SELECT ..)`: by the smallest and the largest value of the query, and how many of its
//! rows have one.
//!
//! `ANY` is not known, unless it is true, where the value or one of the query is null. `ALL` is that no row is the opposite.
//! `= ANY` is `IN`, and `<> ALL` is `NOT IN`.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::{AggregateCall, JoinKind};
use sqlparser::ast::{BinaryOperator, Expr as Ast, Query};

use super::correlated::{Paired, own_applied, paired};
use super::truth::{counted, truth, zero};
use super::{Inner, has_query, negate, nullable, shifted, unshifted};
use crate::plan::binder::{Binder, call, combine};
use crate::plan::rel::Rel;
use crate::plan::scope::Scope;

/// A comparison of a value with one or all rows of a query.
pub(super) struct Quantified<'a> {
    value: &'a Ast,
    op: &'a BinaryOperator,
    query: &'a Query,
    all: bool,
}

impl<'a> Quantified<'a> {
    /// The comparison that an expression is.
    pub(super) fn of(ast: &'a Ast) -> Option<Self> {
        let (value, op, right, all) = match ast {
            Ast::AnyOp { left, compare_op, right, is_some: _ } => (left, compare_op, right, false),
            Ast::AllOp { left, compare_op, right } => (left, compare_op, right, true),
            _ => return None,
        };
        let Ast::Subquery(query) = right.as_ref() else { return None };
        Some(Quantified { value, op, query, all })
    }

    /// Value, query, and whether it is `NOT`, if it is an `IN`.
    pub(super) fn as_in(&self) -> Option<(&'a Ast, &'a Query, bool)> {
        match (self.op, self.all) {
            (BinaryOperator::Eq, false) => Some((self.value, self.query, false)),
            (BinaryOperator::NotEq, true) => Some((self.value, self.query, true)),
            _ => None,
        }
    }

    /// What must not be true of any row where all are asked for.
    fn of_any(&self) -> Result<&'static str> {
        Ok(match (self.op, self.all) {
            (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true) => "=",
            (BinaryOperator::NotEq, false) | (BinaryOperator::Eq, true) => "<>",
            (BinaryOperator::Lt, false) | (BinaryOperator::GtEq, true) => "<",
            (BinaryOperator::LtEq, false) | (BinaryOperator::Gt, true) => "<=",
            (BinaryOperator::Gt, false) | (BinaryOperator::LtEq, true) => ">",
            (BinaryOperator::GtEq, false) | (BinaryOperator::Lt, true) => ">=",
            (op, _) => return Err(Error::unsupported(format!("the operator '{op}' with ANY or ALL"))),
        })
    }
}

impl Binder<'_> {
    /// Rows with the truth of a comparison with a query.
    pub(super) fn is_compared(&self, left: Rel, scope: &Scope, compared: &Quantified<'_>) -> Result<(Rel, Expr)> {
        if let Some((value, query, negated)) = compared.as_in() {
            return negate(self.is_in(left, scope, (value, query))?, negated);
        }
        if has_query(compared.value) {
            return Err(Error::unsupported("ANY or ALL of a query, compared with a query"));
        }
        let op = compared.of_any()?;
        let Inner { rel, conditions, items, .. } = self.rows_of((&left, scope), compared.query, true)?;
        let [item] = items.as_slice() else {
            return Err(Error::invalid(format!(
                "ANY and ALL compare a value with the {} columns of a query",
                items.len()
            )));
        };
        let width = left.columns.len();
        if item.columns().iter().any(|column| *column < width) {
            return Err(Error::unsupported("ANY or ALL of a query that selects outer columns"));
        }
        let item = unshifted(item.clone(), width);
        let value = self.exprs(scope, "ANY").bind(compared.value)?;
        let (rel, of_both) = own_applied(rel, conditions, width)?;
        let Paired { rel, pairs } = paired(&left, rel, of_both)?;
        let keys = pairs.iter().enumerate().map(|(k, pair)| (pair.own.clone(), format!("$key{k}")));
        let rows = rel.project(keys.chain([(item.clone(), "$item".to_owned())]).collect());
        let bounds = bounds(op);
        let mut calls = vec![counted(Vec::new())?, counted(vec![pairs.len()])?];
        for name in bounds {
            calls.push(bound(name, pairs.len(), item.ty())?);
        }
        let grouped = rows.aggregate((0..pairs.len()).collect(), calls);
        let equal = pairs.iter().enumerate().map(|(k, pair)| pair.compared(shifted(grouped.column(k), width)));
        let equal = equal.collect::<Result<Vec<_>>>()?;
        let condition = if equal.is_empty() { None } else { Some(combine("and", equal)?) };
        let first = width + pairs.len();
        let rel = left.join(grouped, JoinKind::Left, condition);
        let found = |column: usize| nullable(rel.column(first + column));
        let better = (0..bounds.len()).map(|bound| call(op, vec![value.clone(), found(2 + bound)]));
        let is_one = combine("or", better.collect::<Result<_>>()?)?;
        let truth = is_any(is_one, value, [found(0), found(1)])?;
        negate((rel, truth), compared.all)
    }
}

/// With which values of a query a comparison with any decides.
fn bounds(op: &str) -> &'static [&'static str] {
    match op {
        "<" | "<=" => &["max"],
        ">" | ">=" => &["min"],
        _ => &["min", "max"],
    }
}

fn bound(name: &str, column: usize, of: &LogicalType) -> Result<(AggregateCall, String)> {
    let resolved = flott_functions::aggregate_type(name, std::slice::from_ref(of), false)?;
    let ty = resolved.ty.with_nullable(true);
    let call = AggregateCall { function: resolved.id, args: vec![column], filter: None, distinct: false, ty };
    Ok((call, format!("${name}")))
}

/// True, false or not known, by whether the comparison with the best value is true, and the numbers of rows and of values.
fn is_any(is_one: Expr, value: Expr, [all, known]: [Expr; 2]) -> Result<Expr> {
    let boolean = LogicalType::new(TypeKind::Boolean);
    let unknown = || Expr::literal(Value::Null, boolean.clone());
    let has_rows = call("is true", vec![call(">", vec![all.clone(), zero()])?])?;
    let branches = vec![
        (call("is true", vec![is_one])?, truth(true)),
        (call("not", vec![has_rows])?, truth(false)),
        (call("is null", vec![value])?, unknown()),
        (call("is true", vec![call("<", vec![known, all])?])?, unknown()),
    ];
    Ok(Expr::Case { branches, otherwise: Box::new(truth(false)), ty: boolean })
}
