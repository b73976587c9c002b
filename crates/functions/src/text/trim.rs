//! `TRIM`, `LTRIM`, `RTRIM` and `BTRIM`: blanks, or the characters given, off the ends.

use arrow_array::ArrayRef;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::Args;
use crate::registry::{Binding, Inference, Kernel, Signature};

/// `TRIM(text)`, or `TRIM({BOTH | LEADING | TRAILING} characters FROM text)` as three arguments.
pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    if !matches!(call.args.len(), 1 | 3) {
        return Err(call.mismatch());
    }
    let text = &call.args[call.args.len() - 1];
    if !call.args.iter().all(|a| a.kind.is_character()) {
        return Err(call.mismatch());
    }
    if call.args.len() == 3 && !matches!(call.literal_text(0), Some("BOTH" | "LEADING" | "TRAILING")) {
        return Err(Error::invalid("TRIM takes BOTH, LEADING or TRAILING"));
    }
    let kind = match text.kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => TypeKind::Varchar(n),
        _ => return Err(call.mismatch()),
    };
    Ok(call.unchanged(LogicalType { kind, nullable: call.nullable() }))
}

#[derive(Clone, Copy)]
struct Ends {
    start: bool,
    end: bool,
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    if binding.args.len() == 1 {
        return Ok(Box::new(both));
    }
    let ends = match binding.text(0) {
        Some("BOTH") => Ends { start: true, end: true },
        Some("LEADING") => Ends { start: true, end: false },
        Some("TRAILING") => Ends { start: false, end: true },
        _ => return Err(Error::invalid("TRIM takes BOTH, LEADING or TRAILING")),
    };
    Ok(Box::new(move |args| cut(args, 2, Some(1), ends)))
}

pub(super) fn both(args: &Args<'_>) -> Result<ArrayRef> {
    cut(args, 0, args.has(1).then_some(1), Ends { start: true, end: true })
}

pub(super) fn leading(args: &Args<'_>) -> Result<ArrayRef> {
    cut(args, 0, args.has(1).then_some(1), Ends { start: true, end: false })
}

pub(super) fn trailing(args: &Args<'_>) -> Result<ArrayRef> {
    cut(args, 0, args.has(1).then_some(1), Ends { start: false, end: true })
}

fn cut(args: &Args<'_>, text: usize, characters: Option<usize>, ends: Ends) -> Result<ArrayRef> {
    let texts = args.text(text)?;
    let characters = characters.map(|index| args.text(index)).transpose()?;
    args.each_text(|row, out| {
        let set = characters.as_ref().map_or(" ", |c| c.get(row));
        let mut text = texts.get(row);
        if ends.start {
            text = text.trim_start_matches(|c| set.contains(c));
        }
        if ends.end {
            text = text.trim_end_matches(|c| set.contains(c));
        }
        out.push(text);
        Ok(true)
    })
}
