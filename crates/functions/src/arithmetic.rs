//! `+`, `-`, `*`, `/`, `%` and unary minus on numbers and intervals.
//!
//! Integers wrap around and a division by zero fails; decimals follow Flink's precision rules, round
//! half up and become null when they do not fit; floats follow IEEE 754.

mod decimal;
mod integer;

use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};
use crate::time::arithmetic as time_arithmetic;
use crate::typing::common_type::common_number;
use crate::typing::decimal::{self as digits, Digits};

pub(crate) use decimal::{limit, power_of_ten, rescaled};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("+", Infer::By(infer_sum), Body::Bound(bind)),
    Function::new("-", Infer::By(infer_sum), Body::Bound(bind)),
    Function::new("*", Infer::By(infer_product), Body::Bound(bind)),
    Function::new("/", Infer::By(infer_quotient), Body::Bound(bind)).fallible(),
    Function::new("%", Infer::By(infer_remainder), Body::Bound(bind)).fallible(),
    Function::new("negate", Infer::By(infer_negate), Body::Bound(bind_negate)),
];

/// A binary operator on numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    fn parse(name: &str) -> Operator {
        match name {
            "+" => Operator::Add,
            "-" => Operator::Subtract,
            "*" => Operator::Multiply,
            "/" => Operator::Divide,
            _ => Operator::Remainder,
        }
    }
}

fn infer_sum(call: &Inference<'_>) -> Result<Signature> {
    call.arity(if call.name == "+" { 1 } else { 2 }, 2)?;
    if let [only] = call.args {
        return if only.kind.is_numeric() { Ok(call.unchanged(only.clone())) } else { Err(call.mismatch()) };
    }
    match number_pair(call) {
        Some((a, b)) => numeric(call, a, b, digits::sum),
        None => time_arithmetic::infer_plus_minus(call),
    }
}

fn infer_product(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    if let Some((a, b)) = number_pair(call) {
        return numeric(call, a, b, digits::product);
    }
    let (a, b) = (&call.args[0], &call.args[1]);
    let interval = match (a.kind.is_interval(), b.kind.is_interval()) {
        (true, false) if b.kind.is_integer() => a,
        (false, true) if a.kind.is_integer() => b,
        _ => return Err(call.mismatch()),
    };
    let wide = |t: &LogicalType| match t.kind.is_interval() {
        true => t.clone(),
        false => LogicalType { kind: TypeKind::BigInt, nullable: t.nullable },
    };
    let ty = interval.clone().with_nullable(call.nullable());
    Ok(Signature { args: vec![wide(a), wide(b)], ty })
}

fn infer_quotient(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    match number_pair(call) {
        Some((a, b)) => numeric(call, a, b, digits::quotient),
        None => Err(call.mismatch()),
    }
}

fn infer_remainder(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let (a, b) = number_pair(call).ok_or_else(|| call.mismatch())?;
    if !a.is_exact() || !b.is_exact() {
        return Err(call.mismatch_because("The remainder is defined for integers and decimals."));
    }
    let mut signature = numeric(call, a, b, digits::remainder)?;
    // Without digits after the point the result has the type of the divisor.
    let whole = |kind: &TypeKind| Digits::of(kind).is_some_and(|d| d.scale == 0);
    if whole(a) && whole(b) {
        signature.ty.kind = b.clone();
    }
    Ok(signature)
}

fn number_pair<'a>(call: &'a Inference<'_>) -> Option<(&'a TypeKind, &'a TypeKind)> {
    let (a, b) = (&call.args[0].kind, &call.args[1].kind);
    (a.is_numeric() && b.is_numeric()).then_some((a, b))
}

/// Both sides in the type of the result; decimals keep their own digits.
fn numeric(call: &Inference<'_>, a: &TypeKind, b: &TypeKind, rule: fn(Digits, Digits) -> Digits) -> Result<Signature> {
    let nullable = call.nullable();
    let is_decimal = |kind: &TypeKind| matches!(kind, TypeKind::Decimal { .. });
    if a.is_exact() && b.is_exact() && (is_decimal(a) || is_decimal(b)) {
        let (Some(x), Some(y)) = (Digits::of(a), Digits::of(b)) else {
            return Err(call.mismatch());
        };
        let args = vec![x.ty(call.args[0].nullable), y.ty(call.args[1].nullable)];
        return Ok(Signature { args, ty: rule(x, y).ty(nullable) });
    }
    let kind = common_number(a, b);
    let args = call.args.iter().map(|arg| LogicalType { kind: kind.clone(), nullable: arg.nullable }).collect();
    Ok(Signature { args, ty: LogicalType { kind, nullable } })
}

fn infer_negate(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    match arg.kind.is_numeric() || arg.kind.is_interval() {
        true => Ok(call.unchanged(arg.clone())),
        false => Err(call.mismatch()),
    }
}

fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    use TypeKind::*;
    let operator = Operator::parse(binding.name);
    if binding.args.len() == 1 {
        return Ok(Box::new(|args| Ok(args.operand(0)?.array.clone())));
    }
    if binding.args.iter().any(|a| a.kind.is_interval()) {
        return time_arithmetic::bind(binding, operator);
    }
    match (&binding.args[0].kind, &binding.args[1].kind) {
        (Decimal { .. }, Decimal { .. }) => decimal::bind(binding, operator),
        (a, b) if a != b => Err(Error::internal(format!("'{}' has sides of type {a} and {b}", binding.name))),
        (TinyInt, _) => integer::bind::<Int8Type>(operator, &binding.ty.kind),
        (SmallInt, _) => integer::bind::<Int16Type>(operator, &binding.ty.kind),
        (Int, _) => integer::bind::<Int32Type>(operator, &binding.ty.kind),
        (BigInt, _) => integer::bind::<Int64Type>(operator, &binding.ty.kind),
        (Float, _) => Ok(integer::bind_float::<Float32Type>(operator)),
        (Double, _) => Ok(integer::bind_float::<Float64Type>(operator)),
        (other, _) => Err(Error::internal(format!("'{}' is not defined for {other}", binding.name))),
    }
}

fn bind_negate(_: &Binding<'_>) -> Result<Kernel> {
    Ok(Box::new(|args| Ok(arrow_arith::numeric::neg_wrapping(&args.operand(0)?.array)?)))
}

/// What the job fails with.
pub(crate) fn division_by_zero() -> Error {
    Error::data("division by zero")
}
