//! `REPLACE`, `TRANSLATE`, `OVERLAY`, `REPEAT`, `REVERSE`, `LPAD`, `RPAD` and `CHR`.

use arrow_array::ArrayRef;
use arrow_array::types::{Int32Type, Int64Type};
use flott_api::types::LENGTH_MAX;
use flott_api::{LogicalType, Result, TypeKind};
use memchr::memmem;

use super::column::with_byte_replaced;
use super::find::{count, nth};
use crate::operand::{Args, TextWriter};
use crate::registry::{Inference, Signature};

/// An empty search text is found before every character and at the end, as in Java.
pub(super) fn replace(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, searches, replacements) = (args.text(0)?, args.text(1)?, args.text(2)?);
    if let (Some(texts), Some(search), Some(replacement)) =
        (texts.column(), searches.constant(), replacements.constant())
    {
        match (search.as_bytes(), replacement.as_bytes()) {
            ([from], []) => return with_byte_replaced(texts, *from, None),
            ([from], [to]) => return with_byte_replaced(texts, *from, Some(*to)),
            _ => {}
        }
    }
    // A search text is made ready once, not for every row.
    let finder = searches.constant().filter(|s| !s.is_empty()).map(memmem::Finder::new);
    args.each_text(|row, out| {
        let (text, replacement) = (texts.get(row), replacements.get(row));
        let mut rest = 0;
        let mut found = |at: usize, len: usize, out: &mut TextWriter| {
            out.push(&text[rest..at]);
            out.push(replacement);
            rest = at + len;
        };
        match &finder {
            Some(finder) => {
                finder.find_iter(text.as_bytes()).for_each(|at| found(at, finder.needle().len(), out));
            }
            None => text.match_indices(searches.get(row)).for_each(|(at, search)| found(at, search.len(), out)),
        }
        out.push(&text[rest..]);
        Ok(true)
    })
}

/// Each character of the second text becomes the one at its place in the third, or vanishes.
pub(super) fn translate(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
    args.each_text(|row, out| {
        let (from, to) = (from.get(row), to.get(row));
        for c in texts.get(row).chars() {
            match from.chars().position(|f| f == c) {
                None => out.push_char(c),
                Some(place) => to.chars().nth(place).into_iter().for_each(|c| out.push_char(c)),
            }
        }
        Ok(true)
    })
}

/// `OVERLAY(text PLACING part FROM start [FOR length])`; the lengths add up.
pub(super) fn infer_overlay(call: &Inference<'_>) -> Result<Signature> {
    call.arity(3, 4)?;
    let length = |ty: &LogicalType| match ty.kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => Some(n),
        _ => None,
    };
    let (Some(a), Some(b)) = (length(&call.args[0]), length(&call.args[1])) else {
        return Err(call.mismatch());
    };
    if !call.args[2..].iter().all(|a| a.kind.is_integer()) {
        return Err(call.mismatch());
    }
    let mut args = call.args[..2].to_vec();
    args.extend(call.args[2..].iter().map(|a| LogicalType { kind: TypeKind::BigInt, nullable: a.nullable }));
    let kind = TypeKind::Varchar(a.saturating_add(b).min(LENGTH_MAX));
    Ok(Signature { args, ty: LogicalType { kind, nullable: call.nullable() } })
}

pub(super) fn overlay(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, parts, starts) = (args.text(0)?, args.text(1)?, args.numbers::<Int64Type>(2)?);
    let lengths = if args.has(3) { Some(args.numbers::<Int64Type>(3)?) } else { None };
    args.each_text(|row, out| {
        let (text, part, start) = (texts.get(row), parts.get(row), starts.get(row));
        let total = count(text) as i64;
        if start < 1 || start > total {
            out.push(text);
            return Ok(true);
        }
        let length = lengths.as_ref().map_or(count(part) as i64, |l| l.get(row));
        out.push(&text[..nth(text, start as usize - 1).unwrap_or(0)]);
        out.push(part);
        if length > 0 && start.saturating_add(length) <= total {
            let rest = nth(text, (start + length) as usize - 1);
            out.push(rest.map_or("", |from| &text[from..]));
        }
        Ok(true)
    })
}

pub(super) fn repeat(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, times) = (args.text(0)?, args.numbers::<Int32Type>(1)?);
    args.each_text(|row, out| {
        out.push_repeated(texts.get(row), times.get(row).max(0) as usize);
        Ok(true)
    })
}

pub(super) fn reverse(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.each_text(|row, out| {
        texts.get(row).chars().rev().for_each(|c| out.push_char(c));
        Ok(true)
    })
}

pub(super) fn lpad(args: &Args<'_>) -> Result<ArrayRef> {
    padded(args, true)
}

pub(super) fn rpad(args: &Args<'_>) -> Result<ArrayRef> {
    padded(args, false)
}

/// A text that is too long is cut; a negative length or an empty filling gives null.
fn padded(args: &Args<'_>, before: bool) -> Result<ArrayRef> {
    let (texts, lengths, fillings) = (args.text(0)?, args.numbers::<Int32Type>(1)?, args.text(2)?);
    args.each_text(|row, out| {
        let (text, filling) = (texts.get(row), fillings.get(row));
        let Ok(length) = usize::try_from(lengths.get(row)) else { return Ok(false) };
        if filling.is_empty() {
            return Ok(false);
        }
        let missing = length.saturating_sub(count(text));
        if before {
            fill(filling, missing, out);
        }
        out.push(nth(text, length).map_or(text, |end| &text[..end]));
        if !before {
            fill(filling, missing, out);
        }
        Ok(true)
    })
}

fn fill(filling: &str, missing: usize, out: &mut TextWriter) {
    let width = count(filling);
    out.push_repeated(filling, missing / width);
    out.push(nth(filling, missing % width).map_or("", |end| &filling[..end]));
}

/// The character of a code up to 255; larger codes go around.
pub(super) fn chr(args: &Args<'_>) -> Result<ArrayRef> {
    let codes = args.numbers::<Int64Type>(0)?;
    args.each_text(|row, out| {
        let code = codes.get(row);
        if code >= 0 {
            out.push_char(char::from((code % 256) as u8));
        }
        Ok(true)
    })
}
