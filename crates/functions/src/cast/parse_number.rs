//! Text to numbers and truth values.

use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{ArrowPrimitiveType, BooleanArray, Decimal128Array, Float32Array, Float64Array, PrimitiveArray};
use flott_api::{Error, Result, TypeKind};

use super::{Cast, Mode, arc, parsed};
use crate::arithmetic::{limit, power_of_ten};

/// The cast of a text to a number or truth value.
pub(super) fn from_text(to: &TypeKind, mode: Mode) -> Result<Cast> {
    let lenient = mode.lenient;
    Ok(match to {
        TypeKind::Boolean => Box::new(move |a| {
            Ok(arc(parsed::<_, BooleanArray>(a, lenient, read_boolean, |t| format!("cannot parse '{t}' as BOOLEAN"))?))
        }),
        TypeKind::TinyInt => integers::<Int8Type>(lenient),
        TypeKind::SmallInt => integers::<Int16Type>(lenient),
        TypeKind::Int => integers::<Int32Type>(lenient),
        TypeKind::BigInt => integers::<Int64Type>(lenient),
        TypeKind::Float => Box::new(move |a| {
            let read = |t: &str| read_float(t).map(|(_, float)| float);
            Ok(arc(parsed::<_, Float32Array>(a, lenient, read, explain)?))
        }),
        TypeKind::Double => Box::new(move |a| {
            let read = |t: &str| read_float(t).map(|(double, _)| double);
            Ok(arc(parsed::<_, Float64Array>(a, lenient, read, explain)?))
        }),
        TypeKind::Decimal { precision, scale } => decimals(*precision, u32::from(*scale), lenient),
        other => return Err(Error::internal(format!("{other} is no number"))),
    })
}

fn explain(text: &str) -> String {
    format!("for input string: '{text}'")
}

/// `t`, `true`, `y`, `yes`, `1` and their opposites, in any case.
pub(crate) fn read_boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 5]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is_one_of(["t", "true", "y", "yes", "1"]) {
        return Some(true);
    }
    is_one_of(["f", "false", "n", "no", "0"]).then_some(false)
}

fn integers<T: ArrowPrimitiveType>(lenient: bool) -> Cast
where
    T::Native: TryFrom<i64>,
{
    Box::new(move |a| {
        let read = |t: &str| read_integer(t).ok().and_then(|v| T::Native::try_from(v).ok());
        let why = |t: &str| match read_integer(t) {
            Ok(_) => format!("for input string: '{t}': overflow"),
            Err(reason) => format!("for input string: '{t}': {reason}"),
        };
        Ok(arc(parsed::<_, PrimitiveArray<T>>(a, lenient, read, why)?))
    })
}

/// Blanks around it, a sign, digits; a fraction is cut.
pub(crate) fn read_integer(text: &str) -> std::result::Result<i64, &'static str> {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Err("input is empty");
    }
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() {
        return Err("input has only a positive or negative symbol");
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err("invalid character found");
    }
    let mut value = 0_i64;
    for digit in whole.bytes().map(|b| i64::from(b - b'0')) {
        // Counting below zero reaches the smallest number too.
        value = value.checked_mul(10).and_then(|v| v.checked_sub(digit)).ok_or("overflow")?;
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or("overflow") }
}

/// Java's `parseDouble` and `parseFloat`: trimmed, `NaN` and `Infinity` as written, an `f` or `d` at
/// the end, hexadecimal numbers.
pub(crate) fn read_float(text: &str) -> Option<(f64, f32)> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned {
        "NaN" => return Some((f64::NAN, f32::NAN)),
        "Infinity" => return Some((sign * f64::INFINITY, sign as f32 * f32::INFINITY)),
        _ => {}
    }
    let number = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let value = sign * read_hex(&number[2.min(number.len())..])?;
        return Some((value, value as f32));
    }
    let plain = number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !plain || !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let (double, float): (f64, f32) = (number.parse().ok()?, number.parse().ok()?);
    Some((sign * double, sign as f32 * float))
}

/// `1.8p3`: hexadecimal digits and a power of two.
fn read_hex(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut mantissa = 0.0_f64;
    let mut any = false;
    for digit in whole.chars().chain(fraction.chars()) {
        mantissa = mantissa * 16.0 + f64::from(digit.to_digit(16)?);
        any = true;
    }
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    any.then(|| mantissa * 2_f64.powi(exponent))
}

fn decimals(precision: u8, scale: u32, lenient: bool) -> Cast {
    Box::new(move |a| {
        let read = |t: &str| read_decimal(t.trim_matches(|c: char| c <= ' '))?.fit_text(precision, scale);
        let why = |t: &str| format!("for input string: '{t}': no DECIMAL({precision}, {scale})");
        let array: Decimal128Array = parsed(a, lenient, read, why)?;
        Ok(arc(array.with_precision_and_scale(precision, scale as i8)?))
    })
}

/// A decimal number as written: `±DIGITS * 10^exponent`, and whether digits beyond the first 38
/// were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    negative: bool,
    digits: u128,
    exponent: i64,
}

/// Reads `-1.5e3`.
pub(crate) fn read_decimal(text: &str) -> Option<Written> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut written = Written { negative, digits: 0, exponent: i64::from(exponent) };
    for (i, digit) in whole.bytes().chain(fraction.bytes()).enumerate() {
        if !digit.is_ascii_digit() {
            return None;
        }
        let in_fraction = i >= whole.len();
        match written.digits < power_of_ten(37) as u128 {
            true => {
                written.digits = written.digits * 10 + u128::from(digit - b'0');
                written.exponent -= i64::from(in_fraction);
            }
            // Beyond 38 digits only the magnitude counts: what is kept there is no valid decimal,
            // or lies far behind its last digit.
            false => written.exponent += i64::from(!in_fraction),
        }
    }
    Some(written)
}

impl Written {
    /// The unscaled value at a scale, rounded half up; none if it has too many digits.
    pub(crate) fn fit(self, precision: u8, scale: u32) -> Option<i128> {
        self.rounded(scale).filter(|v| v.abs() < limit(precision))
    }

    /// The same as Flink does it for texts: up to 18 digits only the whole part is checked, before
    /// rounding, so that `'999.995'` becomes 1000.00 in `DECIMAL(5, 2)`.
    fn fit_text(self, precision: u8, scale: u32) -> Option<i128> {
        const LONG_DIGITS_MAX: u8 = 18;
        if precision > LONG_DIGITS_MAX {
            return self.fit(precision, scale);
        }
        let whole_digits_max = i64::from(precision) - i64::from(scale);
        if self.digits != 0 && i64::from(count_digits(self.digits)) + self.exponent > whole_digits_max {
            return None;
        }
        self.rounded(scale)
    }

    fn rounded(self, scale: u32) -> Option<i128> {
        let shift = self.exponent + i64::from(scale);
        let magnitude = if self.digits == 0 || shift < -38 {
            0
        } else if shift >= 0 {
            let factor = 10_u128.checked_pow(u32::try_from(shift).ok()?)?;
            self.digits.checked_mul(factor)?
        } else {
            let divisor = power_of_ten(shift.unsigned_abs() as u32) as u128;
            let (q, r) = (self.digits / divisor, self.digits % divisor);
            q + u128::from(r >= divisor - r)
        };
        let magnitude = i128::try_from(magnitude).ok()?;
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

fn count_digits(value: u128) -> u32 {
    value.checked_ilog10().map_or(0, |d| d + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_trimmed_and_cut() {
        assert_eq!(read_integer(" 1.9 "), Ok(1));
        assert_eq!(read_integer("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(read_integer("9223372036854775808"), Err("overflow"));
        assert_eq!(read_integer("1e2"), Err("invalid character found"));
        assert_eq!(read_integer(".5"), Ok(0));
        assert_eq!(read_integer("-"), Err("input has only a positive or negative symbol"));
    }

    #[test]
    fn floats_are_javas() {
        for (text, expected) in [(" 1.5f ", Some(1.5)), ("0x1p3", Some(8.0)), ("5.", Some(5.0)), ("-.5d", Some(-0.5))] {
            assert_eq!(read_float(text).map(|f| f.0), expected, "{text}");
        }
        for text in ["inf", "nan", "infinity", "", "1,5", "e5", "--1", "0x"] {
            assert!(read_float(text).is_none(), "{text}");
        }
    }

    #[test]
    fn decimals_round_half_up() {
        let read = |text: &str| read_decimal(text).and_then(|w| w.fit_text(5, 2));
        assert_eq!(read("-1.005"), Some(-101));
        assert_eq!(read("999.995"), Some(100_000));
        assert_eq!(read("1000"), None);
        assert_eq!(read("1e2"), Some(10_000));
        assert_eq!(read("1e-3"), Some(0));
        assert_eq!(read("1e99999"), None);
        assert_eq!(read("."), None);
    }
}
