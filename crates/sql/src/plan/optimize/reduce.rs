//! Rule: aggregates become simpler ones that several of them share.
//!
//! A variance is computed from the sum of squared distances from the mean and a count: there is no other way to run it.
//! `SUM` and `AVG` are a `$SUM0` and a count, which is worth it where fewer aggregates are left. As in Flink it is done
//! for all aggregates of a `GROUP BY` or for none, with all that follows: the sum in an `AVG` has the type of `SUM` then.

mod over;

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_functions::{aggregate_type, is_null_of_nothing, is_variance};
use flott_graph::spec::AggregateCall;

use super::bottom_up;
use crate::plan::binder::call;
use crate::plan::rel::{Column, Op, Rel, schema};
pub(in crate::plan) use over::Squared;

/// Rewrites the aggregations where it is needed or worth it.
pub(super) fn reduce(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| {
        if let Op::Over(_) = rel.op {
            return over::reduced(rel);
        }
        let Some(Parts { calls, results, .. }) = worthwhile(&rel)? else { return Ok(rel) };
        let Rel { op, mut inputs, columns } = rel;
        let (Op::Aggregate { keys, ttl, .. }, Some(input)) = (op, inputs.pop()) else {
            return Err(Error::internal("an aggregation without an input"));
        };
        let first = keys.len();
        let named = calls.into_iter().enumerate().map(|(i, call)| (call, format!("$f{}", first + i)));
        let groups = input.aggregate(keys, named.collect()).keeping(ttl);
        let keys = columns[..first].iter().enumerate().map(|(i, c)| Expr::column(i, c.ty.clone()));
        let exprs = keys.chain(results).collect();
        // Names and types are those that were bound: the variance of one value is null, also where Flink's type says
        // that it is not.
        let columns = columns.into_iter().enumerate().map(|(i, c)| with_properties(c, i, &groups)).collect();
        Ok(Rel { op: Op::Project { exprs }, inputs: vec![groups], columns })
    })
}

/// A key keeps what it is besides its type.
fn with_properties(column: Column, index: usize, groups: &Rel) -> Column {
    match groups.columns.get(index) {
        Some(key) if column.window.is_some() || column.time.is_some() => key.named(&column.name),
        _ => column,
    }
}

/// What takes the place of a node's aggregates; nothing if they should stay.
fn worthwhile(rel: &Rel) -> Result<Option<Parts<'_>>> {
    let (Op::Aggregate { keys, calls, .. }, [input]) = (&rel.op, rel.inputs.as_slice()) else { return Ok(None) };
    let has_variance = calls.iter().any(|c| is_variance(&c.function.name));
    if !has_variance && !calls.iter().any(|c| c.function.name == "avg") {
        return Ok(None);
    }
    let input = schema(&input.columns).fields.into_iter().map(|f| f.ty).collect();
    let mut parts = Parts { input, keys: keys.len(), written: calls, calls: Vec::new(), results: Vec::new() };
    for call in calls {
        let result = parts.result(call)?;
        parts.results.push(result);
    }
    Ok(Some(parts).filter(|parts| has_variance || parts.calls.len() < calls.len()))
}

/// The aggregates that take the place of others.
struct Parts<'a> {
    input: Vec<LogicalType>,
    keys: usize,
    written: &'a [AggregateCall],
    calls: Vec<AggregateCall>,
    /// What each of the others is now.
    results: Vec<Expr>,
}

fn literal(value: i64) -> Expr {
    Expr::literal(Value::Int(value), LogicalType::not_null(TypeKind::Int))
}

impl Parts<'_> {
    fn result(&mut self, of: &AggregateCall) -> Result<Expr> {
        let result = match of.function.name.as_str() {
            "count" => return self.part("count", of),
            "sum" => self.sum(of)?,
            "avg" => {
                let sum = if self.shares_sum(of) { self.sum(of)? } else { self.part("sum", of)? };
                call("/", vec![sum, self.part("count", of)?])?
            }
            "var_pop" => self.variance(of, false)?,
            "var_samp" => self.variance(of, true)?,
            "stddev_pop" => square_root(self.variance(of, false)?)?,
            "stddev_samp" => square_root(self.variance(of, true)?)?,
            _ => return Ok(self.add(of.clone())),
        };
        if result.ty().same_kind(&of.ty) {
            return Ok(result);
        }
        Ok(Expr::Cast { input: Box::new(result), ty: of.ty.clone().with_nullable(true), try_cast: false })
    }

    /// Whether the sum of the same rows is asked for, too.
    fn shares_sum(&self, of: &AggregateCall) -> bool {
        let same = |c: &AggregateCall| (&c.args, c.filter, c.distinct) == (&of.args, of.filter, of.distinct);
        self.written.iter().any(|c| same(c) && matches!(c.function.name.as_str(), "sum" | "$sum0"))
    }

    /// A `$SUM0`, or null where nothing was summed up.
    fn sum(&mut self, of: &AggregateCall) -> Result<Expr> {
        let (sum, nullable) = (self.part("$sum0", of)?, self.typed("sum", of)?.ty.nullable);
        if !nullable {
            return Ok(sum);
        }
        let is_none = call("=", vec![self.part("count", of)?, literal(0)])?;
        let ty = sum.ty().clone().with_nullable(true);
        let none = Expr::literal(Value::Null, ty.clone());
        Ok(Expr::Case { branches: vec![(is_none, none)], otherwise: Box::new(sum), ty })
    }

    /// The mean of the squared distances: of a sample it is over one less, and null for one value.
    fn variance(&mut self, of: &AggregateCall, sample: bool) -> Result<Expr> {
        let (squares, count) = (self.part("$welford_m2$1", of)?, self.part("count", of)?);
        if !sample {
            return call("/", vec![squares, count]);
        }
        let is_one = call("=", vec![count.clone(), literal(1)])?;
        let less = call("-", vec![count, literal(1)])?;
        let ty = LogicalType::new(TypeKind::BigInt);
        let none = Expr::literal(Value::Null, ty.clone());
        let over = Expr::Case { branches: vec![(is_one, none)], otherwise: Box::new(less), ty };
        call("/", vec![squares, over])
    }

    /// Another aggregate of the same rows.
    fn part(&mut self, name: &str, of: &AggregateCall) -> Result<Expr> {
        let part = self.typed(name, of)?;
        Ok(self.add(part))
    }

    fn typed(&self, name: &str, of: &AggregateCall) -> Result<AggregateCall> {
        aggregate_of(name, of, &self.input, self.keys > 0)
    }

    fn add(&mut self, wanted: AggregateCall) -> Expr {
        let ty = wanted.ty.clone();
        let index = self.calls.iter().position(|c| *c == wanted).unwrap_or_else(|| {
            self.calls.push(wanted);
            self.calls.len() - 1
        });
        Expr::column(self.keys + index, ty)
    }
}

/// Another aggregate of the same rows, whose columns have these types; `grouped` if there are no rows without a group.
pub(in crate::plan) fn aggregate_of(
    name: &str,
    of: &AggregateCall,
    input: &[LogicalType],
    grouped: bool,
) -> Result<AggregateCall> {
    let types: Vec<LogicalType> = of.args.iter().map(|a| input[*a].clone()).collect();
    let resolved = aggregate_type(name, &types, of.distinct)?;
    let may_be_empty = is_null_of_nothing(name) && (!grouped || of.filter.is_some());
    let ty = resolved.ty.clone().with_nullable(resolved.ty.nullable || may_be_empty);
    // A count of what is never null is one of rows.
    let counts_rows = name == "count" && !of.distinct && types.iter().all(|t| !t.nullable);
    let args = if counts_rows { Vec::new() } else { of.args.clone() };
    Ok(AggregateCall { function: resolved.id, args, filter: of.filter, distinct: of.distinct, ty })
}

fn square_root(of: Expr) -> Result<Expr> {
    let half = Expr::literal(Value::double(0.5), LogicalType::not_null(TypeKind::Double));
    call("power", vec![of, half])
}
