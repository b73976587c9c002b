//! Variants as JSON texts.

use std::fmt::Write;

use flott_api::variant::{Elements, Fields, Node, Variant};
use flott_api::{Error, Result};

use crate::format::number::{write_decimal, write_double};
use crate::format::{boolean, put};
use crate::json::string::write_text as write_quoted;

/// Values nest at most this deep: no text that is read has more.
const DEPTH_MAX: usize = 1000;

/// Writes the JSON text of the variant of these bytes.
pub(crate) fn write_text(bytes: &[u8], out: &mut dyn Write) -> Result<()> {
    value(Variant::read(bytes)?, DEPTH_MAX, out)
}

fn value(variant: Variant<'_>, depth: usize, out: &mut dyn Write) -> Result<()> {
    match variant.node()? {
        Node::Null => put(out, "null"),
        Node::Boolean(truth) => put(out, boolean(truth, true)),
        Node::Integer(integer) => put(out, itoa::Buffer::new().format(integer)),
        Node::Double(double) => write_double(double, out),
        Node::Decimal { unscaled, scale } => decimal(unscaled, scale, out),
        Node::Text(text) => write_quoted(text, out),
        Node::Array(elements) => return array(elements, deeper(depth)?, out),
        Node::Object(fields) => return object(fields, deeper(depth)?, out),
    }
    Ok(())
}

fn deeper(depth: usize) -> Result<usize> {
    depth.checked_sub(1).ok_or_else(|| Error::data("bytes of a variant are damaged"))
}

/// Without zeros behind the last digit of the fraction.
fn decimal(mut unscaled: i128, mut scale: u8, out: &mut dyn Write) {
    while scale > 0 && unscaled % 10 == 0 {
        (unscaled, scale) = (unscaled / 10, scale - 1);
    }
    write_decimal(unscaled, scale.into(), out);
}

fn array(elements: Elements<'_>, depth: usize, out: &mut dyn Write) -> Result<()> {
    put(out, "[");
    for i in 0..elements.len() {
        put(out, if i > 0 { "," } else { "" });
        value(elements.get(i)?, depth, out)?;
    }
    put(out, "]");
    Ok(())
}

fn object(fields: Fields<'_>, depth: usize, out: &mut dyn Write) -> Result<()> {
    put(out, "{");
    for i in 0..fields.len() {
        put(out, if i > 0 { "," } else { "" });
        write_quoted(fields.name(i)?, out);
        put(out, ":");
        value(fields.value(i)?, depth, out)?;
    }
    put(out, "}");
    Ok(())
}
