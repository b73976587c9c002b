//! `TO_BASE64(x)`, `FROM_BASE64(text)`, `UNHEX(text)`, `URL_ENCODE(text)` and `URL_DECODE(text)`.
//!
//! Text that is no base 64 is an error; what is no hexadecimal number, or no encoded URL, gives null.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::BinaryBuilder;
use base64::Engine as _;
use base64::alphabet::STANDARD as LETTERS;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::charset::push_utf8;
use crate::operand::{Args, TextWriter};
use crate::registry::{Body, Function, Give, Infer, Inference, Signature, Take};

/// The functions of this file.
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("to_base64", Infer::By(infer_to_base64), Body::Plain(to_base64)),
    Function::new("from_base64", Infer::Table(&[Take::Text], 0, Give::String), Body::Plain(from_base64)).fallible(),
    Function::new("unhex", Infer::By(infer_unhex), Body::Plain(unhex)),
    Function::new("url_encode", Infer::By(infer_url), Body::Plain(url_encode)),
    Function::new("url_decode", Infer::By(infer_url), Body::Plain(url_decode)),
];

fn infer_to_base64(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let kind = &call.args[0].kind;
    if !kind.is_character() && !kind.is_binary() {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(LogicalType::string().with_nullable(call.nullable())))
}

/// A text, or `NULL` as it stands.
fn infer_unhex(call: &Inference<'_>) -> Result<Signature> {
    let bytes = LogicalType::new(TypeKind::Varbinary(i32::MAX as u32));
    Ok(Signature { ty: bytes, ..infer_url(call)? })
}

fn infer_url(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    Ok(Signature { args: vec![call.text_or_null(0)?], ty: LogicalType::string() })
}

fn to_base64(args: &Args<'_>) -> Result<ArrayRef> {
    let (inputs, mut encoded) = (args.bytes(0)?, String::new());
    args.each_text(|row, out| {
        encoded.clear();
        STANDARD.encode_string(inputs.get(row), &mut encoded);
        out.push(&encoded);
        Ok(true)
    })
}

/// Java takes text with and without padding, and ignores what the last letter has too much.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &LETTERS,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn from_base64(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, mut bytes) = (args.text(0)?, Vec::new());
    args.each_text(|row, out| {
        bytes.clear();
        let text = texts.get(row);
        LENIENT
            .decode_vec(text, &mut bytes)
            .map_err(|e| Error::data(format!("FROM_BASE64 got a text that is no base 64: {e}")))?;
        push_utf8(&bytes, out);
        Ok(true)
    })
}

fn unhex(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, nulls) = (args.text(0)?, args.nulls());
    let mut out = BinaryBuilder::with_capacity(args.rows, args.rows * 8);
    let mut bytes = Vec::new();
    for row in 0..args.rows {
        bytes.clear();
        match nulls.as_ref().is_none_or(|n| n.is_valid(row)) && put_unhexed(texts.get(row), &mut bytes) {
            true => out.append_value(&bytes),
            false => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Of an odd number of digits the first one counts as 0, as in Flink.
fn put_unhexed(text: &str, out: &mut Vec<u8>) -> bool {
    let digits = text.as_bytes();
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    out.extend(first.iter().map(|_| 0));
    out.extend(pairs.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])));
    true
}

/// As a form of a web page is sent: a blank is `+`, all but letters, digits, `.`, `-`, `*` and `_` the UTF-8 in `%XX`.
fn url_encode(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
    args.each_text(|row, out| {
        for byte in texts.get(row).bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push_char(char::from(byte)),
                b' ' => out.push_char('+'),
                _ => [b'%'.into(), digit(byte >> 4), digit(byte & 15)].into_iter().for_each(|c| out.push_char(c)),
            }
        }
        Ok(true)
    })
}

fn url_decode(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, mut bytes) = (args.text(0)?, Vec::new());
    args.each_text(|row, out| Ok(put_decoded(texts.get(row), &mut bytes, out).is_some()))
}

/// Runs of `%XX` are UTF-8 of their own; a broken one is none.
fn put_decoded(text: &str, bytes: &mut Vec<u8>, out: &mut TextWriter) -> Option<()> {
    let mut rest = text;
    while let Some(at) = rest.find(['%', '+']) {
        out.push(&rest[..at]);
        rest = &rest[at..];
        if let Some(behind) = rest.strip_prefix('+') {
            out.push_char(' ');
            rest = behind;
            continue;
        }
        bytes.clear();
        while let Some(behind) = rest.strip_prefix('%') {
            // Java reads a sign, too.
            let pair = behind.get(..2)?;
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
            rest = &behind[2..];
        }
        push_utf8(bytes, out);
    }
    out.push(rest);
    Some(())
}
