//! Rule: conditions without what says nothing, as Calcite simplifies them.

use flott_api::Result;
use flott_api::expr::{Expr, Value};
use flott_api::{LogicalType, TypeKind};

use super::{bottom_up, conjuncts, is_immutable};
use crate::plan::binder::{call, combine};
use crate::plan::rel::{Op, Rel};

/// Simplifies the conditions and columns of the whole tree.
pub(super) fn simplify(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |mut rel| {
        rel.op = match rel.op {
            Op::Filter { condition } => match filtering(simplified(condition)?)? {
                Expr::Literal { value: Value::Boolean(true), .. } => {
                    return Ok(rel.inputs.swap_remove(0));
                }
                condition => Op::Filter { condition },
            },
            Op::Project { exprs } => Op::Project { exprs: exprs.into_iter().map(simplified).collect::<Result<_>>()? },
            Op::Join(mut join) => {
                join.condition = pairing(join.condition)?;
                Op::Join(join)
            }
            Op::TemporalJoin(mut join) => {
                join.condition = pairing(join.condition)?;
                Op::TemporalJoin(join)
            }
            Op::Correlate(mut correlate) => {
                correlate.condition = pairing(correlate.condition)?;
                Op::Correlate(correlate)
            }
            other => other,
        };
        Ok(rel)
    })
}

/// A condition of pairs; nothing if all rows are.
fn pairing(condition: Option<Expr>) -> Result<Option<Expr>> {
    let condition = condition.map(|c| filtering(simplified(c)?)).transpose()?;
    Ok(condition.filter(|c| !matches!(c, Expr::Literal { value: Value::Boolean(true), .. })))
}

/// The expression with every AND, OR and comparison in it simplified.
fn simplified(expr: Expr) -> Result<Expr> {
    let mut failed = None;
    let rewritten = expr.transform(&mut |e| match simplified_node(e.clone()) {
        Ok(simple) => simple,
        Err(error) => {
            failed.get_or_insert(error);
            e
        }
    });
    failed.map_or(Ok(rewritten), Err)
}

fn simplified_node(expr: Expr) -> Result<Expr> {
    let Expr::Call { function, args, ty } = &expr else { return Ok(expr) };
    match (function.name.as_str(), args.as_slice()) {
        ("and", _) => operands("and", expr),
        ("or", _) => operands("or", expr),
        (name, [a, b]) if a == b && is_immutable(a) => match name {
            "=" | "<=" | ">=" => always(a, true, ty),
            "<>" | "<" | ">" => always(a, false, ty),
            "is not distinct from" => Ok(boolean(Some(true))),
            "is distinct from" => Ok(boolean(Some(false))),
            _ => Ok(expr),
        },
        _ => Ok(expr),
    }
}

/// A comparison of a value with itself: the same for every value but null.
fn always(value: &Expr, holds: bool, ty: &LogicalType) -> Result<Expr> {
    if !ty.nullable {
        return Ok(boolean(Some(holds)));
    }
    let value = vec![value.clone()];
    if holds {
        combine("or", vec![call("is not null", value)?, boolean(None)])
    } else {
        combine("and", vec![call("is null", value)?, boolean(None)])
    }
}

/// AND without TRUE, OR without FALSE, both without repetition.
fn operands(name: &str, expr: Expr) -> Result<Expr> {
    let neutral = name == "and";
    let mut kept: Vec<Expr> = Vec::new();
    let mut pending = vec![expr];
    while let Some(next) = pending.pop() {
        match next {
            Expr::Call { function, args, .. } if function.name == name => pending.extend(args.into_iter().rev()),
            Expr::Literal { value: Value::Boolean(value), .. } if value == neutral => {}
            Expr::Literal { value: Value::Boolean(_), .. } => return Ok(boolean(Some(!neutral))),
            operand if kept.contains(&operand) && is_immutable(&operand) => {}
            operand => kept.push(operand),
        }
    }
    if kept.is_empty() { Ok(boolean(Some(neutral))) } else { combine(name, kept) }
}

/// The condition of a filter, for which null is as good as false.
fn filtering(condition: Expr) -> Result<Expr> {
    let known = |e: Expr| match &e {
        Expr::Call { function, args, .. } if function.name == "or" => match args.as_slice() {
            [only, Expr::Literal { value: Value::Null, .. }] => only.clone(),
            _ => e,
        },
        _ => e,
    };
    combine("and", conjuncts(condition).into_iter().map(known).collect())
}

fn boolean(value: Option<bool>) -> Expr {
    let ty = LogicalType { kind: TypeKind::Boolean, nullable: value.is_none() };
    Expr::literal(value.map_or(Value::Null, Value::Boolean), ty)
}
