//! `ELT(index, text1, ..)`: the text of that number, counted from 1; null where there is none.
//!
//! `ELT(2, 'a', 'b')` is `b`. The texts may also be bytes, all of one kind.

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::Args;
use crate::registry::{Inference, Signature};
use crate::typing::common_type::common_type;

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, usize::MAX)?;
    let (index, texts) = (&call.args[0], &call.args[1..]);
    let is = |fits: fn(&TypeKind) -> bool| texts.iter().all(|t| fits(&t.kind) || t.kind == TypeKind::Null);
    let one_kind = is(TypeKind::is_character) || is(TypeKind::is_binary);
    let common = common_type(&texts.iter().collect::<Vec<_>>());
    let (true, true, Some(common)) = (index.kind.is_integer(), one_kind, common) else {
        return Err(call.mismatch());
    };
    if call.literal_int(0).is_some_and(|index| index < 0) {
        return Err(Error::invalid("the index of ELT is counted from 1 and not negative"));
    }
    let ty = LogicalType::new(with_null(common.kind, texts.iter().any(|t| t.kind == TypeKind::Null)));
    let index = LogicalType { kind: TypeKind::BigInt, nullable: index.nullable };
    let args = std::iter::once(index).chain(texts.iter().map(|_| ty.clone())).collect();
    Ok(Signature { args, ty })
}

/// Beside a written `NULL` a `CHAR` becomes a `VARCHAR`.
fn with_null(kind: TypeKind, any_null: bool) -> TypeKind {
    match kind {
        TypeKind::Null => TypeKind::Varchar(1),
        TypeKind::Char(length) if any_null => TypeKind::Varchar(length),
        other => other,
    }
}

pub(super) fn elt(args: &Args<'_>) -> Result<ArrayRef> {
    let indices = args.numbers::<Int64Type>(0)?;
    let unknown = args.operand(0)?;
    let null = arrow_array::new_null_array(args.operand(1)?.array.data_type(), 1);
    let sources: Vec<&dyn Array> =
        std::iter::once(null.as_ref()).chain(args.operands[1..].iter().map(|text| text.array.as_ref())).collect();
    let pick = |row: usize| {
        let known = unknown.array.is_valid(row * unknown.stride());
        let index = if known { usize::try_from(indices.get(row)).unwrap_or(0) } else { 0 };
        match args.operands.get(index).filter(|_| index > 0) {
            Some(text) => (index, row * text.stride()),
            None => (0, 0),
        }
    };
    let picks: Vec<(usize, usize)> = (0..args.rows).map(pick).collect();
    match picks.is_empty() {
        true => Ok(null.slice(0, 0)),
        false => Ok(arrow_select::interleave::interleave(&sources, &picks)?),
    }
}
