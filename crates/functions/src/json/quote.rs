//! `JSON_QUOTE(text)` makes a JSON string of a text, with everything but ASCII escaped; `JSON_UNQUOTE(text)` makes a
//! text of a JSON string, and leaves what is none as it is.
//!
//! Both are null of a null. As in Flink, `JSON_QUOTE` writes a character beyond U+FFFF as its number and the second
//! half of its pair.

use arrow_array::ArrayRef;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::scan::Scanner;
use crate::format::put_fmt;
use crate::operand::{Args, TextWriter};
use crate::registry::{Inference, Signature};

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    let args = match arg.kind {
        TypeKind::Null => vec![LogicalType::string()],
        ref kind if kind.is_character() => vec![arg.clone()],
        _ => return Err(call.mismatch()),
    };
    Ok(Signature { args, ty: LogicalType::string().with_nullable(call.nullable()) })
}

pub(super) fn quote(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.each_text(|row, out| {
        out.push("\"");
        texts.get(row).chars().for_each(|c| push_quoted(c, out));
        out.push("\"");
        Ok(true)
    })
}

fn push_quoted(c: char, out: &mut TextWriter) {
    match c {
        '"' => out.push("\\\""),
        '\\' => out.push("\\\\"),
        '/' => out.push("\\/"),
        '\u{8}' => out.push("\\b"),
        '\u{c}' => out.push("\\f"),
        '\n' => out.push("\\n"),
        '\r' => out.push("\\r"),
        '\t' => out.push("\\t"),
        c if c.is_ascii() => out.push_char(c),
        c => {
            let mut units = [0; 2];
            let low = c.encode_utf16(&mut units).get(1).copied();
            put_fmt(out, format_args!("\\u{:04x}", u32::from(c)));
            if let Some(low) = low {
                put_fmt(out, format_args!("\\u{low:04x}"));
            }
        }
    }
}

pub(super) fn unquote(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.each_text(|row, out| {
        let text = texts.get(row);
        match quoted(text) {
            Some(inner) => push_unquoted(inner, out)?,
            None => out.push(text),
        }
        Ok(true)
    })
}

/// What stands between the quotes of a JSON string. The string may end early: `"a" "b"` begins and ends with a quote.
fn quoted(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    Scanner::new(text).skip().is_ok().then_some(inner)
}

fn push_unquoted(text: &str, out: &mut TextWriter) -> Result<()> {
    let illegal = || Error::data(format!("'{text}' has an escape that JSON does not know"));
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push(&rest[..at]);
        let length = escape_length(&rest[at..]).ok_or_else(illegal)?;
        out.push(&super::scan::unescaped(&rest[at..at + length]));
        rest = &rest[at + length..];
    }
    out.push(rest);
    Ok(())
}

/// How long the escape is, a pair of surrogates being one.
fn escape_length(text: &str) -> Option<usize> {
    let is_unit = |from: usize| {
        let unit = text.get(from..from + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(unit, 16).ok()
    };
    match text.as_bytes().get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match (is_unit(0)?, is_unit(6)) {
            (0xd800..=0xdbff, Some(0xdc00..=0xdfff)) => Some(12),
            _ => Some(6),
        },
        _ => None,
    }
}
