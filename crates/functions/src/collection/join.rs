//! `ARRAY_JOIN(array, delimiter[, null_replacement])`: the strings of an array in one, with the delimiter between them.
//!
//! Nulls are left out, or written as the replacement. Where the array, the delimiter or a given replacement is null,
//! so is the result. `ARRAY_JOIN(ARRAY['a', 'b'], '-')` is `a-b`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::element_of;
use super::lists::Lists;
use crate::operand::Args;
use crate::registry::{Inference, Signature};

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 3)?;
    if !element_of(call, 0)?.kind.is_character() {
        return Err(call.mismatch_because("The elements must be strings."));
    }
    let mut args = vec![call.args[0].clone()];
    for text in &call.args[1..] {
        args.push(match &text.kind {
            TypeKind::Null => LogicalType::string(),
            kind if kind.is_character() => text.clone(),
            _ => return Err(call.mismatch()),
        });
    }
    let nullable = args.iter().any(|a| a.nullable);
    Ok(Signature { ty: LogicalType::string().with_nullable(nullable), args })
}

pub(super) fn join(args: &Args<'_>) -> Result<ArrayRef> {
    let (lists, delimiter) = (Lists::of(args, 0)?, args.text(1)?);
    let replacement = if args.has(2) { Some(args.text(2)?) } else { None };
    let texts: &StringArray =
        lists.values.as_string_opt().ok_or_else(|| Error::internal("an array of strings has another layout"))?;
    args.each_text(|row, out| {
        let mut between = "";
        for place in lists.range(row) {
            let text = match (texts.is_null(place), &replacement) {
                (false, _) => texts.value(place),
                (true, Some(replacement)) => replacement.get(row),
                (true, None) => continue,
            };
            out.push(between);
            out.push(text);
            between = delimiter.get(row);
        }
        Ok(true)
    })
}
