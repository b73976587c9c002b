//! `text IS [NOT] JSON [VALUE | OBJECT | ARRAY | SCALAR]`: whether a text is JSON, and of which kind.
//!
//! A null is no JSON. `VALUE` is the default and means any kind.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use flott_api::{LogicalType, Result, TypeKind};

use super::scan::{Kind, Scanner};
use crate::operand::Args;
use crate::registry::{Inference, Signature};

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    match call.args[0].kind.is_character() {
        true => Ok(call.unchanged(LogicalType::not_null(TypeKind::Boolean))),
        false => Err(call.mismatch()),
    }
}

pub(super) fn value(args: &Args<'_>) -> Result<ArrayRef> {
    each(args, |_| true)
}

pub(super) fn object(args: &Args<'_>) -> Result<ArrayRef> {
    each(args, |kind| kind == Kind::Object)
}

pub(super) fn array(args: &Args<'_>) -> Result<ArrayRef> {
    each(args, |kind| kind == Kind::Array)
}

pub(super) fn scalar(args: &Args<'_>) -> Result<ArrayRef> {
    each(args, |kind| !matches!(kind, Kind::Object | Kind::Array))
}

fn each(args: &Args<'_>, wanted: impl Fn(Kind) -> bool) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let is = |row: usize| !texts.is_null(row) && Scanner::new(texts.get(row)).skip().is_ok_and(&wanted);
    Ok(Arc::new((0..args.rows).map(|row| Some(is(row))).collect::<BooleanArray>()))
}
