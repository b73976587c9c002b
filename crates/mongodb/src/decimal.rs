//! `Decimal128` of BSON: IEEE 754 with its digits as a binary number.

use bson::Decimal128;

const DIGITS_MAX: u128 = 10_u128.pow(34) - 1;
const EXPONENT_BIAS: i32 = 6176;
const EXPONENT_SHIFT: u32 = 113;
const EXPONENT_MASK: u128 = 0x3fff;
/// What a number begins with that is none, or has more digits than there is room for.
const SPECIAL: u128 = 0b11 << 125;
const INFINITE: u128 = 0b11110;
const NOT_A_NUMBER: u128 = 0b11111;

/// What a `Decimal128` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// `digits · 10^exponent`
    Finite {
        digits: i128,
        exponent: i32,
    },
    Infinite,
    NotANumber,
}

/// Takes a `Decimal128` apart.
pub(crate) fn parts(value: Decimal128) -> Parts {
    let bits = u128::from_le_bytes(value.bytes());
    let negative = bits >> 127 == 1;
    if bits & SPECIAL == SPECIAL {
        return match bits >> 122 & 0b11111 {
            INFINITE => Parts::Infinite,
            NOT_A_NUMBER => Parts::NotANumber,
            // More digits than are allowed: 0, says the standard.
            _ => Parts::Finite { digits: 0, exponent: 0 },
        };
    }
    let digits = bits & ((1 << EXPONENT_SHIFT) - 1);
    let exponent = (bits >> EXPONENT_SHIFT & EXPONENT_MASK) as i32 - EXPONENT_BIAS;
    let digits = if digits > DIGITS_MAX { 0 } else { digits as i128 };
    Parts::Finite { digits: if negative { -digits } else { digits }, exponent }
}

/// A number with another scale, rounded half up; nothing if it is too large.
pub(crate) fn rescaled(digits: i128, exponent: i32, scale: u8) -> Option<i128> {
    let shift = exponent + i32::from(scale);
    if digits == 0 {
        return Some(0);
    }
    let factor = 10_i128.checked_pow(shift.unsigned_abs());
    if shift >= 0 {
        return digits.checked_mul(factor?);
    }
    let Some(factor) = factor else { return Some(0) };
    let (whole, rest) = (digits / factor, digits % factor);
    Some(if rest.abs() >= factor - rest.abs() { whole + digits.signum() } else { whole })
}

/// The `Decimal128` of an unscaled value; nothing if it has more than 34 digits.
pub(crate) fn of_unscaled(value: i128, scale: u8) -> Option<Decimal128> {
    let (mut digits, mut exponent) = (value.unsigned_abs(), -i32::from(scale));
    while digits > DIGITS_MAX && digits.is_multiple_of(10) {
        digits /= 10;
        exponent += 1;
    }
    if digits > DIGITS_MAX {
        return None;
    }
    let sign = u128::from(value < 0) << 127;
    let exponent = ((exponent + EXPONENT_BIAS) as u128) << EXPONENT_SHIFT;
    Some(Decimal128::from_bytes((sign | exponent | digits).to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the client's own reading.
    #[test]
    fn numbers_are_taken_apart_and_put_together() {
        let cases = [
            ("0", 0, 0),
            ("-12.50", -1250, -2),
            ("1E+3", 1, 3),
            ("9999999999999999999999999999999999", DIGITS_MAX as i128, 0),
            ("-1E-6176", -1, -6176),
        ];
        for (text, digits, exponent) in cases {
            let value: Decimal128 = text.parse().unwrap();
            assert_eq!(parts(value), Parts::Finite { digits, exponent }, "{text}");
        }
        for (text, expected) in
            [("Infinity", Parts::Infinite), ("-Infinity", Parts::Infinite), ("NaN", Parts::NotANumber)]
        {
            assert_eq!(parts(text.parse().unwrap()), expected);
        }
        let written = |value, scale| of_unscaled(value, scale).map(|d| d.to_string());
        assert_eq!(written(-1250, 2).as_deref(), Some("-12.50"));
        assert_eq!(written(10_i128.pow(37), 0).as_deref(), Some("1.000000000000000000000000000000000E+37"));
        assert_eq!(written(10_i128.pow(37) + 1, 0), None);
    }

    #[test]
    fn scales_change_by_rounding_half_up() {
        assert_eq!(rescaled(125, -2, 1), Some(13));
        assert_eq!(rescaled(-125, -2, 1), Some(-13));
        assert_eq!(rescaled(5, 3, 2), Some(500_000));
        assert_eq!(rescaled(5, 6000, 2), None);
        assert_eq!(rescaled(5, -6000, 2), Some(0));
        assert_eq!(rescaled(0, 6000, 2), Some(0));
    }
}
