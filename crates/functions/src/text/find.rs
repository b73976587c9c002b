//! Where a text is in another one: `POSITION`, `LOCATE`, `INSTR`, `STARTSWITH`, `ENDSWITH`; and
//! `CHAR_LENGTH`, `ASCII`.

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use flott_api::Result;

use super::column::{byte_lengths, is_ascii};
use crate::operand::Args;

/// Characters, as Flink counts them.
pub(super) fn count(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

pub(super) fn char_length(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    match texts.column().filter(|texts| is_ascii(texts)) {
        Some(texts) => byte_lengths(texts),
        None => args.each_number::<Int32Type>(|row| Ok(Some(count(texts.get(row)) as i32))),
    }
}

/// `POSITION(needle IN text)`
pub(super) fn position(args: &Args<'_>) -> Result<ArrayRef> {
    let (needles, texts) = (args.text(0)?, args.text(1)?);
    args.each_number::<Int32Type>(|row| Ok(Some(find(texts.get(row), needles.get(row), 1))))
}

/// `INSTR(text, needle)`
pub(super) fn instr(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, needles) = (args.text(0)?, args.text(1)?);
    args.each_number::<Int32Type>(|row| Ok(Some(find(texts.get(row), needles.get(row), 1))))
}

/// `LOCATE(needle, text[, start])`
pub(super) fn locate(args: &Args<'_>) -> Result<ArrayRef> {
    if !args.has(2) {
        return position(args);
    }
    let (needles, texts, starts) = (args.text(0)?, args.text(1)?, args.numbers::<Int32Type>(2)?);
    args.each_number::<Int32Type>(|row| Ok(Some(find(texts.get(row), needles.get(row), starts.get(row)))))
}

/// The first place from `start` on, or 0.
fn find(text: &str, needle: &str, start: i32) -> i32 {
    let skipped = start.max(1) as usize - 1;
    let from = if skipped == 0 { Some(0) } else { nth(text, skipped) };
    match from.and_then(|from| text[from..].find(needle).map(|at| count(&text[..from + at]))) {
        Some(before) => before as i32 + 1,
        None => 0,
    }
}

/// The byte where the character after so many begins; the end counts as one.
pub(super) fn nth(text: &str, characters: usize) -> Option<usize> {
    if text.is_ascii() {
        return (characters <= text.len()).then_some(characters);
    }
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(characters)
}

pub(super) fn starts_with(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, starts) = (args.text(0)?, args.text(1)?);
    Ok(args.each_boolean(|row| Some(texts.get(row).starts_with(starts.get(row)))))
}

pub(super) fn ends_with(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, ends) = (args.text(0)?, args.text(1)?);
    Ok(args.each_boolean(|row| Some(texts.get(row).ends_with(ends.get(row)))))
}

/// The first byte as Java has it, signed; 0 of an empty text.
pub(super) fn ascii(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.each_number::<Int32Type>(|row| {
        let first = texts.get(row).bytes().next().map_or(0, |b| i32::from(b as i8));
        Ok(Some(first))
    })
}
