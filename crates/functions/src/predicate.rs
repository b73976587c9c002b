//! `NOT`, `AND`, `OR`, `IS NULL`, `IS TRUE` and their opposites.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use flott_api::{LogicalType, Result, TypeKind};

use crate::operand::Args;
use crate::registry::{Body, Function, Give, Infer, Inference, Signature, Take};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("and", Infer::By(infer_logic), Body::Lazy),
    Function::new("or", Infer::By(infer_logic), Body::Lazy),
    Function::new("not", Infer::Table(&[Take::Boolean], 0, Give::Boolean), Body::Plain(not)),
    Function::new("is null", Infer::By(infer_is_null), Body::Plain(is_null)),
    Function::new("is not null", Infer::By(infer_is_null), Body::Plain(is_not_null)),
    Function::new("is true", Infer::By(infer_is), Body::Plain(|a| is(a, true, false))),
    Function::new("is not true", Infer::By(infer_is), Body::Plain(|a| is(a, true, true))),
    Function::new("is false", Infer::By(infer_is), Body::Plain(|a| is(a, false, false))),
    Function::new("is not false", Infer::By(infer_is), Body::Plain(|a| is(a, false, true))),
    Function::new("is unknown", Infer::By(infer_is), Body::Plain(is_null)),
    Function::new("is not unknown", Infer::By(infer_is), Body::Plain(is_not_null)),
];

fn infer_logic(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, usize::MAX)?;
    if !call.args.iter().all(|a| matches!(a.kind, TypeKind::Boolean | TypeKind::Null)) {
        return Err(call.mismatch());
    }
    let nullable = call.args.iter().any(|a| a.nullable || a.kind == TypeKind::Null);
    let args = call.args.iter().map(|a| LogicalType { kind: TypeKind::Boolean, nullable: a.nullable }).collect();
    Ok(Signature { args, ty: LogicalType { kind: TypeKind::Boolean, nullable } })
}

fn infer_is_null(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    Ok(call.unchanged(LogicalType::not_null(TypeKind::Boolean)))
}

fn infer_is(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    match call.args[0].kind {
        TypeKind::Boolean => Ok(call.unchanged(LogicalType::not_null(TypeKind::Boolean))),
        TypeKind::Null => {
            let args = vec![LogicalType::new(TypeKind::Boolean)];
            Ok(Signature { args, ty: LogicalType::not_null(TypeKind::Boolean) })
        }
        _ => Err(call.mismatch()),
    }
}

fn not(args: &Args<'_>) -> Result<ArrayRef> {
    Ok(Arc::new(arrow_arith::boolean::not(args.booleans(0)?)?))
}

fn is_null(args: &Args<'_>) -> Result<ArrayRef> {
    let array = &args.operand(0)?.array;
    // An array of the null type has no null buffer.
    Ok(match array.logical_nulls() {
        Some(nulls) => Arc::new(BooleanArray::new(!nulls.inner(), None)),
        None => Arc::new(arrow_arith::boolean::is_null(array)?),
    })
}

fn is_not_null(args: &Args<'_>) -> Result<ArrayRef> {
    let array = &args.operand(0)?.array;
    Ok(match array.logical_nulls() {
        Some(nulls) => Arc::new(BooleanArray::new(nulls.inner().clone(), None)),
        None => Arc::new(arrow_arith::boolean::is_not_null(array)?),
    })
}

/// Whether a truth value is `wanted` (null is not), or whether it is not.
fn is(args: &Args<'_>, wanted: bool, negated: bool) -> Result<ArrayRef> {
    let array = args.booleans(0)?;
    let equal = if wanted { array.values().clone() } else { !array.values() };
    let equal = match array.nulls() {
        Some(nulls) => &equal & nulls.inner(),
        None => equal,
    };
    Ok(Arc::new(BooleanArray::new(if negated { !&equal } else { equal }, None)))
}
