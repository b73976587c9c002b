//! JSON texts become variants, without a tree between.

use flott_api::variant::VariantBuilder;
use flott_api::{Error, Result};

use crate::json::scan::{Kind, Malformed, Scanner};

/// The digits of a decimal, and those behind its point.
const DIGITS_MAX: usize = 38;

/// Writes the value with which a text begins. What follows it is not read, as in Flink.
pub(super) fn build(text: &str, out: &mut VariantBuilder) -> Result<()> {
    value(&mut Scanner::new(text), out)
}

fn value(scanner: &mut Scanner<'_>, out: &mut VariantBuilder) -> Result<()> {
    match scanner.kind().map_err(malformed)? {
        Kind::Object => return object(scanner, out),
        Kind::Array => return array(scanner, out),
        Kind::Text => return out.text(&scanner.string().map_err(malformed)?.text()),
        Kind::Number => {
            let (digits, whole) = scanner.number().map_err(malformed)?;
            number(digits, whole, out);
        }
        word => {
            scanner.literal(word).map_err(malformed)?;
            match word {
                Kind::Null => out.null(),
                word => out.boolean(word == Kind::True),
            }
        }
    }
    Ok(())
}

fn object(scanner: &mut Scanner<'_>, out: &mut VariantBuilder) -> Result<()> {
    scanner.enter().map_err(malformed)?;
    let object = out.begin_object();
    let mut first = true;
    while let Some(name) = scanner.entry(first).map_err(malformed)? {
        out.field(object, &name.text());
        value(scanner, out)?;
        first = false;
    }
    out.end_object(object)
}

fn array(scanner: &mut Scanner<'_>, out: &mut VariantBuilder) -> Result<()> {
    scanner.enter().map_err(malformed)?;
    let array = out.begin_array();
    let mut first = true;
    while scanner.element(first).map_err(malformed)? {
        out.element(array);
        value(scanner, out)?;
        first = false;
    }
    out.end_array(array)
}

/// An integer if it fits, else a decimal if it has no exponent and few enough digits, else a double.
fn number(text: &str, whole: bool, out: &mut VariantBuilder) {
    match text.parse() {
        Ok(integer) if whole => out.integer(integer),
        _ => match decimal(text) {
            Some((unscaled, scale)) => out.decimal(unscaled, scale),
            None => out.double(text.parse().expect("a number of JSON is one of Rust")),
        },
    }
}

fn decimal(text: &str) -> Option<(i128, u8)> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let leading = whole.bytes().chain(fraction.bytes()).take_while(|digit| *digit == b'0').count();
    if fraction.len() > DIGITS_MAX || whole.len() + fraction.len() - leading > DIGITS_MAX {
        return None;
    }
    let mut unscaled = 0_i128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        // No digit: an exponent.
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        unscaled = unscaled * 10 + i128::from(digit);
    }
    Some((if negative { -unscaled } else { unscaled }, fraction.len() as u8))
}

fn malformed(Malformed { at, why }: Malformed) -> Error {
    Error::data(format!("{why} (byte {at})"))
}
