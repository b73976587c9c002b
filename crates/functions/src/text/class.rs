//! `IS_ALPHA(value)`, `IS_DIGIT(value)` and `IS_DECIMAL(value)`: what a text consists of.
//!
//! * `IS_ALPHA` holds for a text of letters only, of any script.
//! * `IS_DIGIT` holds for a text of decimal digits only, of any script, and for every value of an integer type.
//! * `IS_DECIMAL` holds for a text that is a number as Java reads it (`-1.5`, `1e5`, `NaN`), and for every value of an
//!   integer type, `FLOAT` or `DOUBLE`; not for a `DECIMAL`.
//!
//! None holds for the empty text, or for a null text.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use flott_api::{Error, LogicalType, Result, TypeKind};
use regex::Regex;

use crate::cast::parse_number::read_float;
use crate::registry::{Binding, Inference, Kernel, Signature};

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    if !arg.kind.is_character() && !arg.kind.is_numeric() {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(LogicalType::not_null(TypeKind::Boolean)))
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let kind = &binding.args[0].kind;
    if !kind.is_character() {
        let holds = match binding.name {
            "is_digit" => kind.is_integer(),
            "is_decimal" => kind.is_integer() || matches!(kind, TypeKind::Float | TypeKind::Double),
            _ => false,
        };
        return Ok(Box::new(move |args| Ok(Arc::new(BooleanArray::from(vec![holds; args.rows])) as ArrayRef)));
    }
    let test: Box<dyn Fn(&str) -> bool + Send + Sync> = match binding.name {
        "is_alpha" => all_of("L", |byte| byte.is_ascii_alphabetic())?,
        "is_digit" => all_of("Nd", |byte| byte.is_ascii_digit())?,
        _ => {
            let digits = all_of("Nd", |byte| byte.is_ascii_digit())?;
            Box::new(move |text| read_float(text).is_some() || is_integer(text, &digits))
        }
    };
    Ok(Box::new(move |args| {
        let texts = args.text(0)?;
        let truths = (0..args.rows).map(|row| Some(!texts.is_null(row) && test(texts.get(row))));
        Ok(Arc::new(truths.collect::<BooleanArray>()) as ArrayRef)
    }))
}

/// Whether a text has characters of a class of Unicode only, and any. Java looks at halves of characters, so those
/// beyond the first plane are of no class.
fn all_of(class: &str, ascii: fn(u8) -> bool) -> Result<Box<dyn Fn(&str) -> bool + Send + Sync>> {
    let pattern = Regex::new(&format!(r"^\p{{{class}}}+$"));
    let pattern = pattern.map_err(|e| Error::internal(format!("a class of characters is not known: {e}")))?;
    Ok(Box::new(move |text| match text.is_ascii() {
        true => !text.is_empty() && text.bytes().all(ascii),
        false => pattern.is_match(text) && text.chars().all(|c| c <= '\u{ffff}'),
    }))
}

/// Java's `parseLong`: a sign and decimal digits of any script, of 64 bits. ASCII is a `double` too.
fn is_integer(text: &str, digits: &impl Fn(&str) -> bool) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    !text.is_ascii() && digits(unsigned) && unsigned.chars().count() <= 18
}
