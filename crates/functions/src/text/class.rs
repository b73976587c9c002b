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
    let (class, is_number) = match binding.name {
        "is_alpha" => (Class::new("L", |byte| byte.is_ascii_alphabetic())?, false),
        name => (Class::new("Nd", |byte| byte.is_ascii_digit())?, name != "is_digit"),
    };
    Ok(Box::new(move |args| {
        let texts = args.text(0)?;
        let holds = |text| match is_number {
            true => read_float(text).is_some() || is_integer(text, &class),
            false => class.has_all(text),
        };
        let truths = (0..args.rows).map(|row| Some(!texts.is_null(row) && holds(texts.get(row))));
        Ok(Arc::new(truths.collect::<BooleanArray>()) as ArrayRef)
    }))
}

/// A class of characters of Unicode. Java looks at halves of characters, so those beyond the first plane are of none.
struct Class {
    whole: Regex,
    ascii: fn(&u8) -> bool,
}

impl Class {
    fn new(name: &str, ascii: fn(&u8) -> bool) -> Result<Class> {
        let whole = Regex::new(&format!(r"^\p{{{name}}}+$"));
        let whole = whole.map_err(|e| Error::internal(format!("a class of characters is not known: {e}")))?;
        Ok(Class { whole, ascii })
    }

    /// Whether a text has characters of the class only, and any.
    fn has_all(&self, text: &str) -> bool {
        match text.is_ascii() {
            true => !text.is_empty() && text.as_bytes().iter().all(self.ascii),
            false => self.whole.is_match(text) && text.chars().all(|c| c <= '\u{ffff}'),
        }
    }
}

/// Java's `parseLong`: a sign and decimal digits of any script, of 64 bits. ASCII is a `double` too.
fn is_integer(text: &str, digits: &Class) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    !text.is_ascii() && digits.has_all(unsigned) && unsigned.chars().count() <= 18
}
