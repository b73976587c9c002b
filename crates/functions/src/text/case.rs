//! `UPPER`, `LOWER` and `INITCAP`.

use arrow_array::ArrayRef;
use flott_api::Result;

use super::column::{is_ascii, of_same_lengths};
use crate::operand::{Args, TextWriter};

pub(super) fn upper(args: &Args<'_>) -> Result<ArrayRef> {
    if let Some(texts) = args.text(0)?.column().filter(|texts| is_ascii(texts)) {
        return of_same_lengths(texts, |bytes| bytes.make_ascii_uppercase());
    }
    each(args, |text, out| match text.is_ascii() {
        true => text.bytes().for_each(|b| out.push_char(b.to_ascii_uppercase() as char)),
        false => text.chars().flat_map(char::to_uppercase).for_each(|c| out.push_char(c)),
    })
}

pub(super) fn lower(args: &Args<'_>) -> Result<ArrayRef> {
    if let Some(texts) = args.text(0)?.column().filter(|texts| is_ascii(texts)) {
        return of_same_lengths(texts, |bytes| bytes.make_ascii_lowercase());
    }
    each(args, |text, out| match text.is_ascii() {
        true => text.bytes().for_each(|b| out.push_char(b.to_ascii_lowercase() as char)),
        // The whole string decides on a final sigma.
        false => out.push(&text.to_lowercase()),
    })
}

/// Words are runs of ASCII letters and digits, as in Flink; each starts with a capital.
pub(super) fn initcap(args: &Args<'_>) -> Result<ArrayRef> {
    each(args, |text, out| {
        let mut within = false;
        for c in text.chars() {
            out.push_char(if within { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
            within = c.is_ascii_alphanumeric();
        }
    })
}

fn each(args: &Args<'_>, f: impl Fn(&str, &mut TextWriter)) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.each_text(|row, out| {
        f(texts.get(row), out);
        Ok(true)
    })
}
