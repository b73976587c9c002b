//! Numbers as Java reads them: `Integer.parseInt`, `Double.parseDouble`, `new BigDecimal`.

/// A signed integer type that can be parsed.
pub trait Integer: Sized {
    /// The value, if it fits.
    fn from_i64(value: i64) -> Option<Self>;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Integer for $t {
            #[inline]
            fn from_i64(value: i64) -> Option<Self> {
                <$t>::try_from(value).ok()
            }
        }
    )*};
}

integers!(i8, i16, i32, i64);

/// `[+-]digits`, in range.
#[inline]
pub fn integer<T: Integer>(text: &[u8]) -> Option<T> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    if digits.len() <= 18 {
        for digit in digits {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return T::from_i64(if negative { -value } else { value });
    }
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counted downwards, because the smallest number has no positive counterpart.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    T::from_i64(if negative { value } else { value.checked_neg()? })
}

/// A floating point number as Java writes and reads them: decimal or hexadecimal, `NaN`, `Infinity`, with an optional
/// suffix `f` or `d`. Too large is infinite.
pub fn float64(text: &[u8]) -> Option<f64> {
    parse_float(text, hex_float)
}

/// The same for `FLOAT`, rounded once.
pub fn float32(text: &[u8]) -> Option<f32> {
    parse_float(text, |text| hex_float(text).map(|v| v as f32))
}

fn parse_float<T: std::str::FromStr + std::ops::Neg<Output = T> + From<f32>>(
    text: &[u8],
    hex: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let (negative, body) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = match body {
        b"NaN" => T::from(f32::NAN),
        b"Infinity" => T::from(f32::INFINITY),
        [b'0', b'x' | b'X', ..] => hex(strip_suffix(body))?,
        [b'0'..=b'9' | b'.', ..] => std::str::from_utf8(strip_suffix(body)).ok()?.parse().ok()?,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

fn strip_suffix(text: &[u8]) -> &[u8] {
    match text {
        [rest @ .., b'f' | b'F' | b'd' | b'D'] => rest,
        _ => text,
    }
}

/// `0x1.8p3`; the exponent is obligatory, as in Java.
fn hex_float(text: &[u8]) -> Option<f64> {
    let p = text.iter().position(|b| matches!(b, b'p' | b'P'))?;
    let exponent: i32 = integer(&text[p + 1..])?;
    let (mut value, mut scale, mut digits, mut point) = (0.0_f64, 0_i32, 0, false);
    for byte in &text[2..p] {
        if *byte == b'.' && !point {
            point = true;
            continue;
        }
        value = value * 16.0 + f64::from((*byte as char).to_digit(16)?);
        digits += 1;
        scale -= if point { 4 } else { 0 };
    }
    (digits > 0).then(|| value * 2.0_f64.powi(exponent.saturating_add(scale).clamp(-2000, 2000)))
}

/// As many digits fit into 64 bits, whatever they are.
const DIGITS_64: u8 = 19;

/// What a text is as a decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// The unscaled value, rounded half up.
    Value(i128),
    /// A number with too many digits: Flink makes it null.
    Overflow,
    /// No number.
    Malformed,
}

/// `[+-]digits[.digits][e[+-]digits]` as `DECIMAL(precision, scale)`.
pub fn decimal(text: &[u8], precision: u8, scale: u8) -> Decimal {
    let Some(parts) = DecimalParts::of(text) else { return Decimal::Malformed };
    match parts.unscaled_short(scale).or_else(|| parts.unscaled(scale)) {
        Some(value) if is_below(value.unsigned_abs(), precision) => Decimal::Value(value),
        _ => Decimal::Overflow,
    }
}

/// Whether a number has at most so many digits.
fn is_below(value: u128, digits: u8) -> bool {
    match (u64::try_from(value), digits) {
        (Ok(value), ..=DIGITS_64) => value < 10_u64.pow(u32::from(digits)),
        (Ok(_), _) => true,
        (Err(_), _) => value < 10_u128.pow(u32::from(digits)),
    }
}

struct DecimalParts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> DecimalParts<'a> {
    fn of(text: &'a [u8]) -> Option<Self> {
        let (negative, body) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let e = body.iter().position(|b| matches!(b, b'e' | b'E'));
        let (mantissa, exponent) = match e {
            Some(e) => (&body[..e], i64::from(integer::<i32>(&body[e + 1..])?)),
            None => (body, 0),
        };
        let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
        let (whole, fraction) = (&mantissa[..point], mantissa.get(point + 1..).unwrap_or_default());
        let digits = whole.iter().chain(fraction).all(u8::is_ascii_digit) && whole.len() + fraction.len() > 0;
        digits.then_some(DecimalParts { negative, whole, fraction, exponent })
    }

    /// The same, where it is plain and short enough for 64 bits.
    fn unscaled_short(&self, scale: u8) -> Option<i128> {
        let zeros = scale.checked_sub(u8::try_from(self.fraction.len()).ok()?)?;
        if self.exponent != 0 || self.whole.len() + usize::from(scale) > usize::from(DIGITS_64) {
            return None;
        }
        let digits = self.whole.iter().chain(self.fraction);
        let value = digits.fold(0, |value, digit| value * 10 + u64::from(digit - b'0')) * 10_u64.pow(u32::from(zeros));
        Some(if self.negative { -i128::from(value) } else { i128::from(value) })
    }

    /// The value times 10^scale, rounded half up; nothing if it is far too large.
    fn unscaled(&self, scale: u8) -> Option<i128> {
        let keep = self.whole.len() as i64 + self.exponent + i64::from(scale);
        let (mut value, mut seen, mut round) = (0_i128, 0_i64, false);
        for digit in self.whole.iter().chain(self.fraction) {
            let digit = i128::from(digit - b'0');
            if seen < keep {
                value = value.checked_mul(10)?.checked_add(digit)?;
            } else if seen == keep {
                round = digit >= 5;
            }
            seen += 1;
        }
        if value != 0 && keep > seen {
            let zeros = u32::try_from(keep - seen).ok()?;
            value = value.checked_mul(10_i128.checked_pow(zeros)?)?;
        }
        value += i128::from(round);
        Some(if self.negative { -value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_as_java_reads_them() {
        assert_eq!(integer::<i8>(b"-128"), Some(-128));
        assert_eq!(integer::<i8>(b"128"), None);
        assert_eq!(integer::<i32>(b"+1"), Some(1));
        assert_eq!(integer::<i64>(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer::<i64>(b"9223372036854775808"), None);
        assert_eq!(integer::<i64>(b"0000000000000000000000007"), Some(7));
        for bad in ["", "-", "1.5", "1_0", "0x1", " 1"] {
            assert_eq!(integer::<i32>(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn floats_read_as_java_reads_them() {
        assert_eq!(float64(b"1.5d"), Some(1.5));
        assert_eq!(float64(b"-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(float32(b"1e40"), Some(f32::INFINITY));
        assert_eq!(float64(b"0x1p3"), Some(8.0));
        assert_eq!(float64(b"0x1.8p-1f"), Some(0.75));
        assert!(float64(b"NaN").unwrap().is_nan());
        for bad in ["inf", "nan", "", "abc", "infinity", "1e", "0x", "0xp1", "f", "."] {
            assert_eq!(float64(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn decimals_round_half_up_and_overflow_to_null() {
        assert_eq!(decimal(b"1.005", 5, 2), Decimal::Value(101));
        assert_eq!(decimal(b"-1.005", 5, 2), Decimal::Value(-101));
        assert_eq!(decimal(b"999.995", 5, 2), Decimal::Overflow);
        assert_eq!(decimal(b"1e2", 5, 2), Decimal::Value(10_000));
        assert_eq!(decimal(b"1.", 5, 2), Decimal::Value(100));
        assert_eq!(decimal(b".5", 5, 2), Decimal::Value(50));
        assert_eq!(decimal(b"5e-3", 5, 2), Decimal::Value(1));
        assert_eq!(decimal(b"4e-3", 5, 2), Decimal::Value(0));
        assert_eq!(decimal(b"-1000", 5, 2), Decimal::Overflow);
        assert_eq!(decimal(b"-999.9", 5, 2), Decimal::Value(-99_990));
        assert_eq!(decimal(b"0000000000000000000001.5", 5, 2), Decimal::Value(150));
        for digits in 1..=38 {
            let nines = "9".repeat(usize::from(digits));
            for scale in 0..=digits {
                let (whole, fraction) = nines.split_at(usize::from(digits - scale));
                let value = Decimal::Value(nines.parse().unwrap());
                assert_eq!(decimal(format!("{whole}.{fraction}").as_bytes(), digits, scale), value);
                assert_eq!(decimal(format!("1{whole}.{fraction}").as_bytes(), digits, scale), Decimal::Overflow);
            }
        }
        assert_eq!(decimal(b"1e2000000000", 5, 2), Decimal::Overflow);
        assert_eq!(decimal(b"0e2000000000", 5, 2), Decimal::Value(0));
        assert_eq!(decimal(b"1e-2000000000", 5, 2), Decimal::Value(0));
        for bad in ["", "abc", " 1", "1..2", "e5", "1e", "."] {
            assert_eq!(decimal(bad.as_bytes(), 5, 2), Decimal::Malformed, "{bad}");
        }
    }
}
