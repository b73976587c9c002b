//! `||`, `CONCAT` and `CONCAT_WS`.

use arrow_array::ArrayRef;
use flott_api::types::LENGTH_MAX;
use flott_api::{LogicalType, Result, TypeKind};

use crate::operand::{Args, Text, TextWriter};
use crate::registry::{Inference, Signature};

/// The lengths add up; two `CHAR`s give a `CHAR`.
pub(super) fn infer_operator(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let kind = match (&call.args[0].kind, &call.args[1].kind) {
        (TypeKind::Char(m), TypeKind::Char(n)) => TypeKind::Char(m.saturating_add(*n).min(LENGTH_MAX)),
        (TypeKind::Char(m) | TypeKind::Varchar(m), TypeKind::Char(n) | TypeKind::Varchar(n)) => {
            TypeKind::Varchar(m.saturating_add(*n).min(LENGTH_MAX))
        }
        _ => return Err(call.mismatch_because("|| joins strings and converts nothing.")),
    };
    Ok(call.unchanged(LogicalType { kind, nullable: call.nullable() }))
}

fn all<'a>(args: &Args<'a>) -> Result<Vec<Text<'a>>> {
    (0..args.len()).map(|index| args.text(index)).collect()
}

pub(super) fn concat(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = all(args)?;
    args.each_text(|row, out| {
        texts.iter().for_each(|t| out.push(t.get(row)));
        Ok(true)
    })
}

/// Null only if the separator may be; but Flink counts every argument.
pub(super) fn infer_concat_ws(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, usize::MAX)?;
    if !call.args.iter().all(|a| a.kind.is_character()) {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(LogicalType::string().with_nullable(call.nullable())))
}

/// Null arguments are left out; a null separator gives null.
pub(super) fn concat_ws(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = all(args)?;
    let (separator, rest) =
        texts.split_first().ok_or_else(|| flott_api::Error::internal("CONCAT_WS takes arguments"))?;
    let mut out = TextWriter::new(args.rows);
    for row in 0..args.rows {
        let valid = !separator.is_null(row);
        if valid {
            let mut between = "";
            for text in rest.iter().filter(|t| !t.is_null(row)) {
                out.push(between);
                out.push(text.get(row));
                between = separator.get(row);
            }
        }
        out.end(valid)?;
    }
    out.finish()
}
