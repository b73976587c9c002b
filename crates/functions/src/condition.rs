//! `IF`, `COALESCE`, `IFNULL`, `NULLIF`, `GREATEST`, `LEAST`: a choice among the arguments.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Datum};
use flott_api::{LogicalType, Result, TypeKind};

use crate::compare;
use crate::operand::{Args, Operand};
use crate::registry::{Body, Function, Infer, Inference, Signature};
use crate::typing::common_type::common_type;

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("if", Infer::By(infer_if), Body::Lazy),
    Function::new("coalesce", Infer::By(infer_coalesce), Body::Lazy),
    Function::new("ifnull", Infer::By(infer_coalesce), Body::Lazy),
    Function::new("nullif", Infer::By(infer_nullif), Body::Lazy),
    Function::new("greatest", Infer::By(infer_extreme), Body::Plain(greatest)),
    Function::new("least", Infer::By(infer_extreme), Body::Plain(least)),
];

fn infer_if(call: &Inference<'_>) -> Result<Signature> {
    call.arity(3, 3)?;
    let untyped = call.args.iter().any(|a| a.kind == TypeKind::Null);
    if untyped || call.args[0].kind != TypeKind::Boolean {
        return Err(call.mismatch());
    }
    let mut ty = common_type(&[&call.args[1], &call.args[2]]).ok_or_else(|| call.mismatch())?;
    ty.nullable |= call.args[0].nullable;
    Ok(Signature { args: vec![call.args[0].clone(), ty.clone(), ty.clone()], ty })
}

fn infer_coalesce(call: &Inference<'_>) -> Result<Signature> {
    match call.name {
        "ifnull" => call.arity(2, 2)?,
        _ => call.arity(1, usize::MAX)?,
    }
    let ty = common(call)?.with_nullable(call.args.iter().all(|a| a.nullable || a.kind == TypeKind::Null));
    let args = call.args.iter().map(|a| ty.clone().with_nullable(a.nullable)).collect();
    Ok(Signature { args, ty })
}

fn infer_nullif(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    crate::registry::resolve("=", call.args)?;
    Ok(call.unchanged(call.args[0].clone().with_nullable(true)))
}

fn infer_extreme(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, usize::MAX)?;
    let ty = common(call)?;
    if !compare::is_ordered(&ty.kind) {
        return Err(call.mismatch_because("Values of this type have no order."));
    }
    let args = call.args.iter().map(|a| ty.clone().with_nullable(a.nullable)).collect();
    Ok(Signature { args, ty })
}

fn common(call: &Inference<'_>) -> Result<LogicalType> {
    let types: Vec<_> = call.args.iter().collect();
    match common_type(&types) {
        Some(ty) if ty.kind != TypeKind::Null => Ok(ty),
        _ => Err(call.mismatch()),
    }
}

fn greatest(args: &Args<'_>) -> Result<ArrayRef> {
    extreme(args, compare::Comparison::Greater)
}

fn least(args: &Args<'_>) -> Result<ArrayRef> {
    extreme(args, compare::Comparison::Less)
}

fn extreme(args: &Args<'_>, better: compare::Comparison) -> Result<ArrayRef> {
    let mut best = args.operand(0)?.clone();
    for next in &args.operands[1..] {
        let wins = compare::compare_totally(better, next, &best)?;
        let array = arrow_select::zip::zip(&broadcast(wins, args.rows)?, next as &dyn Datum, &best as &dyn Datum)?;
        best = Operand::column(array);
    }
    let array = best.into_array(args.rows)?;
    // One null makes the result null.
    match args.nulls() {
        Some(valid) => {
            let null = BooleanArray::new(!valid.inner(), None);
            Ok(arrow_select::nullif::nullif(&array, &null)?)
        }
        None => Ok(array),
    }
}

fn broadcast(mask: BooleanArray, rows: usize) -> Result<BooleanArray> {
    if mask.len() == rows {
        return Ok(mask);
    }
    let one: ArrayRef = Arc::new(mask);
    Ok(arrow_array::cast::AsArray::as_boolean(&Operand::constant(one).into_array(rows)?).clone())
}
