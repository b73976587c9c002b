//! `ENCODE(text, charset)` and `DECODE(bytes, charset)`: text to bytes and back, in a charset by its name in Java.
//!
//! A character that the charset does not have becomes `?`, bytes that are no character become U+FFFD. A name that is
//! not known is an error when a row has it. `UTF-16` and `UTF-32` are written with the high byte first, `UTF-16` with a
//! byte order mark before it, and read with or without one.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::BinaryBuilder;
use encoding_rs::{Encoder, EncoderResult, Encoding};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::{Args, TextWriter};
use crate::registry::{Body, Function, Infer, Inference, Signature};

/// The functions of this file.
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("encode", Infer::By(infer_encode), Body::Plain(encode)).fallible(),
    Function::new("decode", Infer::By(infer_decode), Body::Plain(decode)).fallible(),
];

fn infer_encode(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    if !call.args.iter().all(|a| a.kind.is_character()) {
        return Err(call.mismatch());
    }
    let bytes = LogicalType::new(TypeKind::Varbinary(i32::MAX as u32));
    Ok(call.unchanged(bytes.with_nullable(call.nullable())))
}

fn infer_decode(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    if !call.args[0].kind.is_binary() || !call.args[1].kind.is_character() {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(LogicalType::string().with_nullable(call.nullable())))
}

fn encode(args: &Args<'_>) -> Result<ArrayRef> {
    let (texts, names) = (args.text(0)?, args.text(1)?);
    let (nulls, mut charsets) = (args.nulls(), Charsets::default());
    let mut out = BinaryBuilder::with_capacity(args.rows, args.rows * 8);
    let mut bytes = Vec::new();
    for row in 0..args.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            out.append_null();
            continue;
        }
        bytes.clear();
        charsets.of(names.get(row))?.encode(texts.get(row), &mut bytes);
        if out.values_slice().len().saturating_add(bytes.len()) > i32::MAX as usize {
            return Err(Error::data("a column of bytes is longer than 2 GiB"));
        }
        out.append_value(&bytes);
    }
    Ok(Arc::new(out.finish()))
}

fn decode(args: &Args<'_>) -> Result<ArrayRef> {
    let (inputs, names) = (args.bytes(0)?, args.text(1)?);
    let mut charsets = Charsets::default();
    args.each_text(|row, out| {
        charsets.of(names.get(row))?.decode(inputs.get(row), out);
        Ok(true)
    })
}

/// Charsets by name; the last one is remembered.
#[derive(Default)]
struct Charsets<'a>(Option<(&'a str, Charset)>);

impl<'a> Charsets<'a> {
    fn of(&mut self, name: &'a str) -> Result<Charset> {
        match self.0 {
            Some((known, charset)) if known == name => Ok(charset),
            _ => {
                let charset = Charset::named(name)
                    .ok_or_else(|| Error::data(format!("there is no charset '{name}'")).with_hint("Try 'UTF-8'."))?;
                self.0 = Some((name, charset));
                Ok(charset)
            }
        }
    }
}

/// How text becomes bytes.
#[derive(Clone, Copy, Debug)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    Utf16 { order: Option<Order> },
    Utf32 { order: Order },
    Other(&'static Encoding),
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    High,
    Low,
}

impl Charset {
    fn named(name: &str) -> Option<Charset> {
        let lower = name.to_ascii_lowercase();
        Some(match lower.as_str() {
            "utf-8" | "utf8" | "unicode-1-1-utf-8" => Charset::Utf8,
            "us-ascii" | "ascii" | "iso646-us" | "646" => Charset::Ascii,
            "iso-8859-1" | "iso8859-1" | "iso8859_1" | "iso_8859-1" | "latin1" | "l1" | "8859_1" => Charset::Latin1,
            "utf-16" | "utf16" | "utf_16" | "unicode" => Charset::Utf16 { order: None },
            "utf-16be" | "utf_16be" | "unicodebigunmarked" => Charset::Utf16 { order: Some(Order::High) },
            "utf-16le" | "utf_16le" | "unicodelittleunmarked" => Charset::Utf16 { order: Some(Order::Low) },
            "utf-32" | "utf32" | "utf_32" | "utf-32be" | "utf_32be" => Charset::Utf32 { order: Order::High },
            "utf-32le" | "utf_32le" => Charset::Utf32 { order: Order::Low },
            _ => Charset::Other(other(&lower)?),
        })
    }

    fn encode(self, text: &str, out: &mut Vec<u8>) {
        let below =
            |limit: u32| text.chars().map(move |c| if u32::from(c) < limit { u32::from(c) as u8 } else { b'?' });
        match self {
            Charset::Utf8 => out.extend_from_slice(text.as_bytes()),
            Charset::Ascii => out.extend(below(0x80)),
            Charset::Latin1 => out.extend(below(0x100)),
            Charset::Utf16 { order } => {
                if order.is_none() && !text.is_empty() {
                    out.extend_from_slice(&[0xfe, 0xff]);
                }
                let low = order == Some(Order::Low);
                out.extend(text.encode_utf16().flat_map(|u| if low { u.to_le_bytes() } else { u.to_be_bytes() }));
            }
            Charset::Utf32 { order } => {
                let bytes =
                    |c: char| if order == Order::Low { (c as u32).to_le_bytes() } else { (c as u32).to_be_bytes() };
                out.extend(text.chars().flat_map(bytes));
            }
            Charset::Other(encoding) => encode_other(encoding.new_encoder(), text, out),
        }
    }

    fn decode(self, bytes: &[u8], out: &mut TextWriter) {
        match self {
            Charset::Utf8 => push_utf8(bytes, out),
            Charset::Ascii => {
                bytes.iter().for_each(|b| out.push_char(if b.is_ascii() { char::from(*b) } else { LOST }))
            }
            Charset::Latin1 => bytes.iter().for_each(|b| out.push_char(char::from(*b))),
            Charset::Utf16 { order: Some(order) } => push_utf16(bytes, order, out),
            Charset::Utf16 { order: None } => match bytes {
                [0xfe, 0xff, rest @ ..] => push_utf16(rest, Order::High, out),
                [0xff, 0xfe, rest @ ..] => push_utf16(rest, Order::Low, out),
                _ => push_utf16(bytes, Order::High, out),
            },
            Charset::Utf32 { order } => push_utf32(bytes, order, out),
            Charset::Other(encoding) => out.push(&encoding.decode_without_bom_handling(bytes).0),
        }
    }
}

/// What stands for bytes that are no character.
const LOST: char = char::REPLACEMENT_CHARACTER;

/// Charsets of single regions, which the web knows by the same names.
fn other(lower: &str) -> Option<&'static Encoding> {
    let canonical: Cow<'_, str> = match lower.strip_prefix("cp125") {
        Some(page) => format!("windows-125{page}").into(),
        None => lower.into(),
    };
    let regional = ["windows-", "iso-8859-", "koi8-", "gb", "big5", "euc-", "shift_jis"];
    if !regional.iter().any(|r| canonical.starts_with(r)) {
        return None;
    }
    Encoding::for_label_no_replacement(canonical.as_bytes())
}

fn encode_other(mut encoder: Encoder, text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let needed = encoder.max_buffer_length_from_utf8_without_replacement(rest.len()).unwrap_or(rest.len() * 4 + 16);
        out.reserve(needed);
        let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, out, true);
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => return,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => out.push(b'?'),
        }
    }
}

/// As Java reads broken UTF-8: U+FFFD for each longest part that could have begun a character, and one for a surrogate.
pub(super) fn push_utf8(bytes: &[u8], out: &mut TextWriter) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Err(e) = std::str::from_utf8(rest).map(|text| out.push(text)) else { return };
        let (good, bad) = rest.split_at(e.valid_up_to());
        out.push(std::str::from_utf8(good).unwrap_or_default());
        out.push_char(LOST);
        let surrogate = matches!(bad, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]);
        let skipped = if surrogate { 3 } else { e.error_len().unwrap_or(bad.len()) };
        rest = &bad[skipped..];
    }
}

fn push_utf16(bytes: &[u8], order: Order, out: &mut TextWriter) {
    let pairs = bytes.chunks_exact(2);
    let is_cut = !pairs.remainder().is_empty();
    let unit = |pair: &[u8]| match order {
        Order::High => u16::from_be_bytes([pair[0], pair[1]]),
        Order::Low => u16::from_le_bytes([pair[0], pair[1]]),
    };
    char::decode_utf16(pairs.map(unit)).for_each(|c| out.push_char(c.unwrap_or(LOST)));
    if is_cut {
        out.push_char(LOST);
    }
}

fn push_utf32(bytes: &[u8], order: Order, out: &mut TextWriter) {
    let words = bytes.chunks_exact(4);
    let is_cut = !words.remainder().is_empty();
    for word in words {
        let word = [word[0], word[1], word[2], word[3]];
        let code = if order == Order::Low { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) };
        out.push_char(char::from_u32(code).unwrap_or(LOST));
    }
    if is_cut {
        out.push_char(LOST);
    }
}
