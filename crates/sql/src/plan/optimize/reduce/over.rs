//! Variances in `OVER`: of the sums of values and of their squares, in the type of the result, as Calcite writes them there.
//! That is not how they are computed of groups: the last digits differ, and with whole numbers the whole part may.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result};
use flott_functions::is_variance;
use flott_graph::spec::AggregateCall;

use super::{aggregate_of, literal, square_root};
use crate::plan::binder::call;
use crate::plan::rel::{Op, Over, Rel};

/// The same with sums and counts in the place of variances.
pub(super) fn reduced(rel: Rel) -> Result<Rel> {
    let (Op::Over(over), [input]) = (&rel.op, rel.inputs.as_slice()) else { return Ok(rel) };
    if !over.calls.iter().any(|c| is_variance(&c.function.name)) {
        return Ok(rel);
    }
    let width = input.columns.len();
    let mut below: Vec<(Expr, String)> = (0..width).map(|c| (input.column(c), input.columns[c].name.clone())).collect();
    let mut squared = Vec::with_capacity(over.calls.len());
    for of in &over.calls {
        squared.push(if is_variance(&of.function.name) { Some(Squared::of(of, input, &mut below)?) } else { None });
    }
    let below = input.clone().project(below);
    let types: Vec<LogicalType> = below.columns.iter().map(|c| c.ty.clone()).collect();
    let (first, mut calls, mut results) = (types.len(), Vec::new(), Vec::new());
    let mut add = |wanted: AggregateCall| {
        let ty = wanted.ty.clone();
        let place = calls.iter().position(|c| *c == wanted).unwrap_or_else(|| {
            calls.push(wanted);
            calls.len() - 1
        });
        Expr::column(first + place, ty)
    };
    for (of, squared) in over.calls.iter().zip(squared) {
        results.push(match squared {
            Some(squared) => squared.variance(of, &types, &mut add)?,
            None => add(of.clone()),
        });
    }
    let columns: Vec<Expr> = (0..width).map(|c| below.column(c)).collect();
    let values = below.over(Over { calls, ..over.as_ref().clone() });
    let exprs = columns.into_iter().chain(results).collect();
    Ok(Rel { op: Op::Project { exprs }, inputs: vec![values], columns: rel.columns })
}

/// The columns that a variance sums up.
pub(in crate::plan) struct Squared {
    pub(in crate::plan) value: usize,
    pub(in crate::plan) square: usize,
}

impl Squared {
    fn of(of: &AggregateCall, input: &Rel, below: &mut Vec<(Expr, String)>) -> Result<Self> {
        if of.distinct {
            return Err(Error::unsupported("a variance of DISTINCT values in OVER"));
        }
        let [arg] = of.args.as_slice() else { return Err(Error::internal("a variance of not one argument")) };
        let (value, square) = Self::terms(input.column(*arg), &of.ty)?;
        let mut place = |expr: Expr| {
            below.iter().position(|(known, _)| *known == expr).unwrap_or_else(|| {
                let name = format!("$v{}", below.len());
                below.push((expr, name));
                below.len() - 1
            })
        };
        Ok(Squared { value: place(value), square: place(square) })
    }

    /// What is summed up for a variance of a type: the values and their squares.
    pub(in crate::plan) fn terms(of: Expr, ty: &LogicalType) -> Result<(Expr, Expr)> {
        let value = cast(of, ty);
        let square = cast(call("*", vec![value.clone(), value.clone()])?, ty);
        Ok((value, square))
    }

    /// `(SUM(x * x) - SUM(x) * SUM(x) / COUNT(x)) / COUNT(x)`, of a sample `/ (COUNT(x) - 1)`, each step in the result's type.
    pub(in crate::plan) fn variance(
        &self,
        of: &AggregateCall,
        types: &[LogicalType],
        add: &mut dyn FnMut(AggregateCall) -> Expr,
    ) -> Result<Expr> {
        let typed = |expr: Expr| cast(expr, &of.ty);
        let part = |name: &str, column: usize| {
            aggregate_of(name, &AggregateCall { args: vec![column], ..of.clone() }, types, true)
        };
        let squares = typed(add(part("sum", self.square)?));
        let sum = typed(add(part("sum", self.value)?));
        let count = typed(add(part("count", self.value)?));
        let square = typed(call("*", vec![sum.clone(), sum])?);
        let mean = typed(call("/", vec![square, count.clone()])?);
        let apart = typed(call("-", vec![squares, mean])?);
        let over = match of.function.name.as_str() {
            "var_pop" | "stddev_pop" => count,
            _ => {
                let is_one = call("=", vec![count.clone(), literal(1)])?;
                let less = typed(call("-", vec![count, literal(1)])?);
                let ty = less.ty().clone().with_nullable(true);
                let none = Expr::literal(Value::Null, ty.clone());
                Expr::Case { branches: vec![(is_one, none)], otherwise: Box::new(less), ty }
            }
        };
        let variance = typed(call("/", vec![apart, over])?);
        Ok(match of.function.name.as_str() {
            "stddev_pop" | "stddev_samp" => typed(square_root(variance)?),
            _ => variance,
        })
    }
}

fn cast(expr: Expr, ty: &LogicalType) -> Expr {
    let ty = ty.clone().with_nullable(ty.nullable || expr.ty().nullable);
    if expr.ty().same_kind(&ty) {
        return expr;
    }
    Expr::Cast { input: Box::new(expr), ty, try_cast: false }
}
