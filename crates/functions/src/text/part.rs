//! `SUBSTRING`, `LEFT`, `RIGHT` and `SPLIT_INDEX`.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef};
use flott_api::{LogicalType, Result, TypeKind};

use super::column::each_piece;
use super::find::{count, nth};
use crate::operand::{Args, TextWriter};
use crate::registry::{Inference, Signature};

/// A text, a start and perhaps a length; the result has the text's length and may be null.
pub(super) fn infer_substring(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 3)?;
    let kind = match call.args[0].kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => TypeKind::Varchar(n),
        _ => return Err(call.mismatch()),
    };
    if !call.args[1..].iter().all(|a| a.kind.is_integer()) {
        return Err(call.mismatch());
    }
    let mut args = vec![call.args[0].clone()];
    args.extend(call.args[1..].iter().map(|a| LogicalType { kind: TypeKind::Int, nullable: a.nullable }));
    Ok(Signature { args, ty: LogicalType::new(kind) })
}

/// The start counts from 1, or from the end if negative; 0 is the first too. A negative length
/// gives null.
pub(super) fn substring(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (args.text(0)?, args.numbers::<Int32Type>(1)?);
    let lengths = if args.has(2) { Some(args.numbers::<Int32Type>(2)?) } else { None };
    args.each_text(|row, out| {
        let length = lengths.as_ref().map_or(i32::MAX, |l| l.get(row));
        if length < 0 {
            return Ok(false);
        }
        out.push(part(texts.get(row), starts.get(row), length as usize));
        Ok(true)
    })
}

fn part(text: &str, start: i32, length: usize) -> &str {
    let skipped = match start {
        1.. => start as usize - 1,
        0 => 0,
        _ => match count(text).checked_sub(start.unsigned_abs() as usize) {
            Some(skipped) => skipped,
            None => return "",
        },
    };
    let rest = nth(text, skipped).map_or("", |from| &text[from..]);
    nth(rest, length).map_or(rest, |end| &rest[..end])
}

pub(super) fn left(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, lengths) = (args.text(0)?, args.numbers::<Int32Type>(1)?);
    args.each_text(|row, out| {
        out.push(part(texts.get(row), 1, lengths.get(row).max(0) as usize));
        Ok(true)
    })
}

pub(super) fn right(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, lengths) = (args.text(0)?, args.numbers::<Int32Type>(1)?);
    args.each_text(|row, out| {
        let text = texts.get(row);
        let length = lengths.get(row).max(0) as usize;
        let skipped = count(text).saturating_sub(length);
        out.push(nth(text, skipped).map_or("", |from| &text[from..]));
        Ok(true)
    })
}

/// A text, a separator (a text or the code of a character), and an index from 0.
pub(super) fn infer_split_index(call: &Inference<'_>) -> Result<Signature> {
    call.arity(3, 3)?;
    let (text, separator, index) = (&call.args[0], &call.args[1], &call.args[2]);
    let known = separator.kind.is_character() || separator.kind.is_integer();
    if !text.kind.is_character() || !known || !index.kind.is_integer() {
        return Err(call.mismatch());
    }
    let int = |ty: &LogicalType| LogicalType { kind: TypeKind::Int, nullable: ty.nullable };
    let separator = if separator.kind.is_integer() { int(separator) } else { separator.clone() };
    Ok(Signature { args: vec![text.clone(), separator, int(index)], ty: LogicalType::string() })
}

pub(super) fn split_index(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, indices) = (args.text(0)?, args.numbers::<Int32Type>(2)?);
    let separator = args.operand(1)?;
    let codes = separator.array.as_primitive_opt::<Int32Type>();
    let words = if codes.is_none() { Some(args.text(1)?) } else { None };
    if let Some(array) = split_index_by_byte(args)? {
        return Ok(array);
    }
    args.each_text(|row, out| {
        let mut buffer = [0; 4];
        let separator = match (&words, codes) {
            (Some(words), _) => words.get(row),
            (None, Some(codes)) => match code(codes.value(row * separator.stride())) {
                Some(c) => c.encode_utf8(&mut buffer),
                None => return Ok(false),
            },
            (None, None) => return Ok(false),
        };
        let piece = usize::try_from(indices.get(row)).ok().and_then(|i| piece(texts.get(row), separator, i));
        out.push(piece.unwrap_or_default());
        Ok(piece.is_some())
    })
}

/// The same for a constant separator of one byte and a constant index: the separators of the whole column are found
/// at once.
fn split_index_by_byte(args: &Args<'_>) -> Result<Option<ArrayRef>> {
    let (separator, index) = (args.operand(1)?, args.operand(2)?);
    if !separator.constant || !index.constant || separator.array.is_null(0) || index.array.is_null(0) {
        return Ok(None);
    }
    let separator = match separator.array.as_primitive_opt::<Int32Type>() {
        Some(codes) => u8::try_from(codes.value(0)).ok().filter(|&c| c > 0 && c.is_ascii()),
        None => match args.text(1)?.get(0).as_bytes() {
            [] => Some(b' '),
            [byte] => Some(*byte),
            _ => None,
        },
    };
    let index = usize::try_from(args.numbers::<Int32Type>(2)?.get(0)).ok();
    let (Some(texts), Some(separator), Some(index)) = (args.text(0)?.column(), separator, index) else {
        return Ok(None);
    };
    let mut out = TextWriter::new(texts.len());
    each_piece(texts, separator, index, |row, piece| {
        // An empty text has no pieces.
        let piece = piece.filter(|_| texts.is_valid(row) && !texts.value(row).is_empty());
        out.push(piece.unwrap_or_default());
        out.end(piece.is_some())
    })?;
    out.finish().map(Some)
}

fn code(code: i32) -> Option<char> {
    u8::try_from(code).ok().filter(|&c| c > 0).map(char::from)
}

/// An empty text has no pieces; an empty separator stands for blanks.
fn piece<'t>(text: &'t str, separator: &str, index: usize) -> Option<&'t str> {
    if text.is_empty() {
        return None;
    }
    text.split(if separator.is_empty() { " " } else { separator }).nth(index)
}
