//! Functions that only `OVER` has: their arguments, their types, and what they say of order and frame.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::{Frame, FrameBound, FrameUnit};

use super::super::expr::coerce;
use super::needs_over;

/// The arguments of a function as columns are given, and its type.
pub(super) fn arguments(name: &str, args: Vec<Expr>, bounded: bool) -> Result<(Vec<Expr>, LogicalType)> {
    match name {
        "lag" | "lead" => neighbour(name, args, bounded),
        "ntile" => parts(args),
        _ if !args.is_empty() => Err(Error::invalid(format!("function '{}' takes no arguments", name.to_uppercase()))),
        "percent_rank" | "cume_dist" => Ok((args, LogicalType::not_null(TypeKind::Double))),
        _ => Ok((args, LogicalType::not_null(TypeKind::BigInt))),
    }
}

/// `LAG(value, offset, default)`: the type is that of the value.
fn neighbour(name: &str, args: Vec<Expr>, bounded: bool) -> Result<(Vec<Expr>, LogicalType)> {
    let upper = name.to_uppercase();
    let mut args = args.into_iter();
    let (value, offset, default) = (args.next(), args.next(), args.next());
    let (Some(value), None) = (value, args.next()) else {
        return Err(Error::invalid(format!("function '{upper}' takes 1 to 3 arguments")));
    };
    let mut ty = value.ty().clone().with_nullable(true);
    let offset = offset.map(|offset| rows_apart(&upper, offset, bounded)).transpose()?;
    let default = match default {
        Some(default) => {
            let common = flott_functions::common_type(&[&ty, default.ty()]);
            let fits = common.is_some_and(|common| common.kind == ty.kind);
            let is_cast = bounded && ty.kind.is_numeric() && default.ty().kind.is_numeric();
            if !fits && !is_cast {
                return Err(Error::invalid(format!(
                    "the default of {upper} has the type {}, and the value {}",
                    default.ty().kind,
                    ty.kind
                ))
                .with_hint("Cast the default to the type of the value."));
            }
            ty.nullable = value.ty().nullable || default.ty().nullable;
            Some(coerce(default, &ty))
        }
        None => None,
    };
    Ok((std::iter::once(value).chain(offset).chain(default).collect(), ty))
}

/// How many rows away: a constant. Only of bounded rows it may lead the other way.
fn rows_apart(function: &str, offset: Expr, bounded: bool) -> Result<Expr> {
    match flott_functions::fold_constants(offset, "UTC")? {
        Expr::Literal { value: Value::Int(rows), ty } if ty.kind.is_integer() && (rows >= 0 || bounded) => {
            Ok(Expr::literal(Value::Int(rows), LogicalType::not_null(TypeKind::BigInt)))
        }
        _ => Err(Error::invalid(format!("the offset of {function} is no whole number that is not negative"))
            .with_hint(format!("Write it as a constant: {function}(x, 2)."))),
    }
}

/// `NTILE(parts)`
fn parts(args: Vec<Expr>) -> Result<(Vec<Expr>, LogicalType)> {
    let bigint = LogicalType::not_null(TypeKind::BigInt);
    match args.as_slice() {
        [Expr::Literal { value: Value::Int(parts), ty }] if ty.kind.is_integer() && *parts > 0 => {
            Ok((vec![Expr::literal(Value::Int(*parts), bigint.clone())], bigint))
        }
        [_] => Err(Error::invalid("the argument of NTILE is no whole number above 0")
            .with_hint("Write it as a constant: NTILE(4).")),
        _ => Err(Error::invalid("function 'NTILE' takes 1 argument")),
    }
}

/// The frame of a call without one: the rows up to the row, and with it those of its place in the order.
pub(super) fn default_frame(function: &str, is_unordered: bool, bounded: bool) -> Result<Frame> {
    let takes_any_order = bounded && matches!(function, "lag" | "lead" | "ntile");
    if needs_over(function) && is_unordered && !takes_any_order {
        let upper = function.to_uppercase();
        return Err(Error::invalid(format!("function '{upper}' needs an order")).with_hint("Add ORDER BY to OVER."));
    }
    let unit = if function == "row_number" { FrameUnit::Rows } else { FrameUnit::Range };
    Ok(Frame::up_to_current(unit))
}

/// Refuses a frame where it would say nothing; `NTILE` may have one, as in Flink.
pub(super) fn check_takes_frame(function: &str) -> Result<()> {
    match needs_over(function) && function != "ntile" {
        true => Err(Error::invalid(format!("function '{}' takes no frame", function.to_uppercase()))),
        false => Ok(()),
    }
}

/// Whether a frame may have no rows, as Flink sees it: a distance leads anywhere.
pub(super) fn may_be_empty(frame: &Frame) -> bool {
    [frame.start, frame.end].iter().any(|bound| matches!(bound, FrameBound::Distance { .. }))
}

/// Whether an aggregate of no rows is null.
pub(super) fn is_null_of_none(function: &str) -> bool {
    matches!(function, "sum" | "avg" | "min" | "max" | "first_value" | "last_value" | "stddev" | "variance")
        || flott_functions::is_variance(function)
}
