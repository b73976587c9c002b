//! Values of any type as text: what Flink's converter makes of them for a `STRING`, documents and arrays as extended JSON in
//! its relaxed form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{RawBsonRef as Raw, RawDocument};
use flott_formats::columns::{Moment, write_float64, write_timestamp};

use crate::kinds::Misfit;

/// Servers take documents of at most 100 levels.
const DEPTH_MAX: usize = 200;
/// Until the end of the year 9999 a time is written as a text.
const ISO_MILLIS: std::ops::Range<i64> = 0..253_402_300_800_000;

/// Appends a value as text; whether its type has one.
///
/// # Errors
/// If the value is damaged.
pub(crate) fn put_text(value: &Raw<'_>, out: &mut Vec<u8>) -> Result<bool, Misfit> {
    match value {
        Raw::String(text) | Raw::Symbol(text) | Raw::JavaScriptCode(text) => out.extend_from_slice(text.as_bytes()),
        Raw::JavaScriptCodeWithScope(code) => out.extend_from_slice(code.code.as_bytes()),
        Raw::ObjectId(id) => out.extend_from_slice(&object_id(*id)),
        Raw::Int32(n) => put(out, &n.to_string()),
        Raw::Int64(n) => put(out, &n.to_string()),
        Raw::Double(n) => write_float64(*n, out),
        Raw::Decimal128(n) => put(out, &n.to_string()),
        Raw::Boolean(b) => put(out, if *b { "true" } else { "false" }),
        Raw::DateTime(time) => put_time(time.timestamp_millis(), out),
        Raw::Timestamp(time) => put_time(i64::from(time.time) * 1000, out),
        Raw::Binary(binary) if is_uuid(binary) => put_uuid(binary.bytes, out),
        Raw::Binary(binary) => put_hex(binary.bytes, out),
        Raw::RegularExpression(regex) => put(out, &format!("/{}/{}", regex.pattern, regex.options)),
        Raw::Document(document) => put_document(document, out, 0)?,
        Raw::Array(_) => put_json(value, out, 0)?,
        // The client does not say where a pointer leads; servers have given none out for years.
        Raw::DbPointer(_) | Raw::MinKey | Raw::MaxKey | Raw::Null | Raw::Undefined => return Ok(false),
    }
    Ok(true)
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn put_time(millis: i64, out: &mut Vec<u8>) {
    let nanos = millis.rem_euclid(1000) as u32 * 1_000_000;
    write_timestamp(Moment { seconds: millis.div_euclid(1000), nanos }, b'T', true, out);
}

fn is_uuid(binary: &bson::RawBinaryRef<'_>) -> bool {
    binary.subtype == BinarySubtype::Uuid && binary.bytes.len() == 16
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

fn digits_of(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().flat_map(|b| digits_of(*b)));
}

/// The digits of an ObjectId.
pub(crate) fn object_id(id: ObjectId) -> [u8; 24] {
    let mut digits = [0; 24];
    for (two, byte) in digits.chunks_exact_mut(2).zip(id.bytes()) {
        two.copy_from_slice(&digits_of(byte));
    }
    digits
}

fn put_uuid(bytes: &[u8], out: &mut Vec<u8>) {
    for (at, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if at > 0 {
            out.push(b'-');
        }
        put_hex(&bytes[range], out);
    }
}

fn put_document(document: &RawDocument, out: &mut Vec<u8>, depth: usize) -> Result<(), Misfit> {
    out.push(b'{');
    for (at, element) in document.iter_elements().enumerate() {
        let element = element?;
        if at > 0 {
            put(out, ", ");
        }
        put_quoted(element.key().as_str(), out);
        put(out, ": ");
        put_json(&element.value()?, out, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}

/// A value within a document.
fn put_json(value: &Raw<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Misfit> {
    if depth > DEPTH_MAX {
        return Err(Misfit::new(format!("has more than {DEPTH_MAX} levels")));
    }
    match value {
        Raw::Document(document) => return put_document(document, out, depth),
        Raw::Array(array) => {
            out.push(b'[');
            for (at, element) in array.into_iter().enumerate() {
                if at > 0 {
                    put(out, ", ");
                }
                put_json(&element?, out, depth + 1)?;
            }
            out.push(b']');
        }
        Raw::String(text) => put_quoted(text, out),
        Raw::Null => put(out, "null"),
        Raw::Int32(_) | Raw::Int64(_) | Raw::Boolean(_) => drop(put_text(value, out)?),
        Raw::Double(n) if n.is_finite() => write_float64(*n, out),
        Raw::Double(_) => put_named("$numberDouble", value, out)?,
        Raw::Decimal128(_) => put_named("$numberDecimal", value, out)?,
        Raw::ObjectId(_) => put_named("$oid", value, out)?,
        Raw::Symbol(_) => put_named("$symbol", value, out)?,
        Raw::JavaScriptCode(_) => put_named("$code", value, out)?,
        Raw::DateTime(time) if ISO_MILLIS.contains(&time.timestamp_millis()) => put_named("$date", value, out)?,
        Raw::DateTime(time) => {
            put(out, &format!("{{\"$date\": {{\"$numberLong\": \"{}\"}}}}", time.timestamp_millis()));
        }
        Raw::Timestamp(time) => {
            put(out, &format!("{{\"$timestamp\": {{\"t\": {}, \"i\": {}}}}}", time.time, time.increment));
        }
        Raw::Binary(binary) => {
            let (data, subtype) = (STANDARD.encode(binary.bytes), u8::from(binary.subtype));
            put(out, &format!("{{\"$binary\": {{\"base64\": \"{data}\", \"subType\": \"{subtype:02x}\"}}}}"));
        }
        Raw::RegularExpression(regex) => {
            put(out, "{\"$regularExpression\": {\"pattern\": ");
            put_quoted(regex.pattern.as_str(), out);
            put(out, ", \"options\": ");
            put_quoted(regex.options.as_str(), out);
            put(out, "}}");
        }
        Raw::JavaScriptCodeWithScope(code) => {
            put(out, "{\"$code\": ");
            put_quoted(code.code, out);
            put(out, ", \"$scope\": ");
            put_document(code.scope, out, depth + 1)?;
            out.push(b'}');
        }
        Raw::Undefined => put(out, "{\"$undefined\": true}"),
        Raw::MinKey => put(out, "{\"$minKey\": 1}"),
        Raw::MaxKey => put(out, "{\"$maxKey\": 1}"),
        Raw::DbPointer(_) => return Err(Misfit::new("has a pointer of a kind that is not read")),
    }
    Ok(())
}

/// `{"$oid": ".."}`
fn put_named(name: &str, value: &Raw<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let mut text = Vec::new();
    put_text(value, &mut text)?;
    out.push(b'{');
    put_quoted(name, out);
    put(out, ": ");
    put_quoted(&String::from_utf8_lossy(&text), out);
    out.push(b'}');
    Ok(())
}

fn put_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => put(out, "\\\""),
            '\\' => put(out, "\\\\"),
            '\n' => put(out, "\\n"),
            '\r' => put(out, "\\r"),
            '\t' => put(out, "\\t"),
            '\u{8}' => put(out, "\\b"),
            '\u{c}' => put(out, "\\f"),
            c if c.is_control() => put(out, &format!("\\u{:04x}", u32::from(c))),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
