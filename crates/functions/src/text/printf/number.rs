//! Numbers in Java's forms.
//!
//! Fractions are rounded half up, from the shortest digits that tell the number: `%.2f` of 1.005 is 1.01.

use std::fmt::Write as _;

use flott_api::Result;

use super::format::Spec;
use crate::format::number::Digits;

/// `%d`.
pub(super) fn decimal(spec: &Spec, value: i64, out: &mut String) {
    let digits = value.unsigned_abs().to_string();
    let body = grouped(spec, &digits);
    signed(spec, value < 0, &body, out);
}

/// `%o` and `%x` of the bits of the number; false if it has a flag of signed ones.
pub(super) fn unsigned(spec: &Spec, value: i64, bits: u32, out: &mut String) -> bool {
    if spec.flags.plus || spec.flags.space || spec.flags.parentheses {
        return false;
    }
    let bits_of = value as u64 & (u64::MAX >> (64 - bits));
    let (prefix, digits) = match spec.conversion {
        'x' => ("0x", format!("{bits_of:x}")),
        _ => ("0", format!("{bits_of:o}")),
    };
    let prefix = if spec.flags.alternate { prefix } else { "" };
    let zeros = match spec.flags.zero {
        true => spec.width.unwrap_or(0).saturating_sub(prefix.len() + digits.len()),
        false => 0,
    };
    let text = format!("{prefix}{}{digits}", "0".repeat(zeros));
    spec.put_padded(&spec.cased(&text), out);
    true
}

/// `%e`, `%f`, `%g` and `%a`.
pub(super) fn floating(spec: &Spec, value: f64, out: &mut String) -> Result<bool> {
    if value.is_nan() {
        spec.put_padded(&spec.cased("NaN"), out);
        return Ok(true);
    }
    let negative = value.is_sign_negative();
    if value.is_infinite() {
        let mut text = String::new();
        sign(spec, negative, &mut text);
        text.push_str("Infinity");
        close(spec, negative, &mut text);
        spec.put_padded(&spec.cased(&text), out);
        return Ok(true);
    }
    let magnitude = value.abs();
    let body = match spec.conversion {
        'f' => grouped(spec, &fixed(magnitude, spec.precision.unwrap_or(6), spec.flags.alternate)),
        'e' => scientific(magnitude, spec.precision.unwrap_or(6), spec.flags.alternate),
        'g' => general(spec, magnitude),
        _ if spec.precision.is_some() => {
            return Err(flott_api::Error::unsupported("a precision of '%a' in PRINTF"));
        }
        _ => hexadecimal(magnitude),
    };
    signed(spec, negative, &spec.cased(&body), out);
    Ok(true)
}

/// Six significant digits, or as many as are asked for, in the form that is shorter.
fn general(spec: &Spec, magnitude: f64) -> String {
    let precision = spec.precision.unwrap_or(6).max(1);
    if magnitude == 0.0 {
        return fixed(magnitude, precision - 1, false);
    }
    let exponent = i64::from(Rounded::significant(magnitude, precision).exponent) - 1;
    match exponent < -4 || exponent >= precision as i64 {
        true => scientific(magnitude, precision - 1, false),
        false => grouped(spec, &fixed(magnitude, (precision as i64 - 1 - exponent) as usize, false)),
    }
}

/// Digits that were rounded: the number `0.DIGITS * 10^exponent`.
struct Rounded {
    digits: Vec<u8>,
    exponent: i32,
}

impl Rounded {
    /// To so many digits.
    fn significant(magnitude: f64, count: usize) -> Rounded {
        let all = Digits::of(magnitude);
        let mut rounded = Rounded { digits: all.text(0, usize::MAX).as_bytes().to_vec(), exponent: all.exponent() };
        rounded.cut(count);
        rounded
    }

    fn cut(&mut self, count: usize) {
        let Some(next) = self.digits.get(count).copied() else { return };
        self.digits.truncate(count);
        if next < b'5' {
            return;
        }
        while let Some(digit) = self.digits.pop() {
            if digit < b'9' {
                self.digits.push(digit + 1);
                return;
            }
        }
        // All were nines.
        self.digits.push(b'1');
        self.exponent += 1;
    }

    fn digit(&self, index: i64) -> char {
        usize::try_from(index).ok().and_then(|i| self.digits.get(i)).map_or('0', |d| char::from(*d))
    }
}

fn fixed(magnitude: f64, decimals: usize, point: bool) -> String {
    let all = Digits::of(magnitude);
    let mut rounded = Rounded { digits: all.text(0, usize::MAX).as_bytes().to_vec(), exponent: all.exponent() };
    if magnitude == 0.0 {
        rounded = Rounded { digits: Vec::new(), exponent: 0 };
    }
    // Digits before the point, negative where zeros follow it.
    match usize::try_from(i64::from(rounded.exponent) + decimals as i64) {
        Ok(kept) => rounded.cut(kept),
        Err(_) => rounded = Rounded { digits: Vec::new(), exponent: 0 },
    }
    let whole = i64::from(rounded.exponent);
    let mut out = String::new();
    match whole {
        1.. => out.extend((0..whole).map(|i| rounded.digit(i))),
        _ => out.push('0'),
    }
    if decimals > 0 || point {
        out.push('.');
    }
    out.extend((0..decimals as i64).map(|i| rounded.digit(whole + i)));
    out
}

fn scientific(magnitude: f64, decimals: usize, point: bool) -> String {
    let mut rounded = Rounded::significant(magnitude, decimals + 1);
    if magnitude == 0.0 {
        rounded = Rounded { digits: Vec::new(), exponent: 1 };
    }
    let mut out = String::from(rounded.digit(0));
    if decimals > 0 || point {
        out.push('.');
    }
    out.extend((1..=decimals as i64).map(|i| rounded.digit(i)));
    let exponent = rounded.exponent - 1;
    _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    out
}

/// `Double.toHexString`.
fn hexadecimal(magnitude: f64) -> String {
    let (fraction, exponent) = (magnitude.to_bits() & ((1 << 52) - 1), (magnitude.to_bits() >> 52) as i64);
    if magnitude == 0.0 {
        return "0x0.0p0".to_owned();
    }
    let digits = format!("{fraction:013x}");
    let digits = digits.trim_end_matches('0');
    let (first, exponent) = if exponent == 0 { (0, -1022) } else { (1, exponent - 1023) };
    format!("0x{first}.{}p{exponent}", if digits.is_empty() { "0" } else { digits })
}

/// With commas between thousands, if they are asked for.
fn grouped(spec: &Spec, text: &str) -> String {
    if !spec.flags.group {
        return text.to_owned();
    }
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::with_capacity(text.len() * 4 / 3 + 1);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(rest);
    out
}

fn sign(spec: &Spec, negative: bool, out: &mut String) {
    match negative {
        true => out.push(if spec.flags.parentheses { '(' } else { '-' }),
        false if spec.flags.plus => out.push('+'),
        false if spec.flags.space => out.push(' '),
        false => {}
    }
}

fn close(spec: &Spec, negative: bool, out: &mut String) {
    if negative && spec.flags.parentheses {
        out.push(')');
    }
}

/// A number with its sign, filled with zeros or blanks.
fn signed(spec: &Spec, negative: bool, body: &str, out: &mut String) {
    let mut text = String::with_capacity(body.len() + 2);
    sign(spec, negative, &mut text);
    if spec.flags.zero {
        let closing = usize::from(negative && spec.flags.parentheses);
        let filled = text.len() + body.len() + closing;
        text.extend(std::iter::repeat_n('0', spec.width.unwrap_or(0).saturating_sub(filled)));
    }
    text.push_str(body);
    close(spec, negative, &mut text);
    spec.put_padded(&text, out);
}
