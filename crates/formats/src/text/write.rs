//! Numbers as Java writes them: `Double.toString`, `BigDecimal.toString`.

/// Appends a `DOUBLE`: `1.0`, `1.0E10`, `NaN`, `Infinity`.
pub fn float64(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        java_float(ryu::Buffer::new().format_finite(value), value.abs(), out);
    } else {
        not_finite(value.is_nan(), value < 0.0, out);
    }
}

/// Appends a `FLOAT`.
pub fn float32(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        java_float(ryu::Buffer::new().format_finite(value), f64::from(value.abs()), out);
    } else {
        not_finite(value.is_nan(), value < 0.0, out);
    }
}

fn not_finite(nan: bool, negative: bool, out: &mut Vec<u8>) {
    let text: &[u8] = match (nan, negative) {
        (true, _) => b"NaN",
        (_, true) => b"-Infinity",
        _ => b"Infinity",
    };
    out.extend_from_slice(text);
}

/// Puts ryu's shortest digits (`1.5`, `1e-7`, `12345000000.0`) into Java's shape: plain from 10^-3 to 10^7, else one
/// digit before the point and `E`.
fn java_float(shortest: &str, magnitude: f64, out: &mut Vec<u8>) {
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        debug_assert!(!shortest.contains('e'), "ryu writes {shortest} with an exponent");
        out.extend_from_slice(shortest.as_bytes());
        return;
    }
    let (sign, body) = shortest.strip_prefix('-').map_or((false, shortest), |rest| (true, rest));
    let (mantissa, exponent) = body.split_once('e').unwrap_or((body, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [0_u8; 64];
    let mut count = 0;
    for byte in whole.bytes().chain(fraction.bytes()).take(digits.len()) {
        digits[count] = byte;
        count += 1;
    }
    let leading = digits[..count].iter().take_while(|d| **d == b'0').count();
    let exponent = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - 1 - leading as i32;
    let trailing = digits[leading..count].iter().rev().take_while(|d| **d == b'0').count();
    let significant = &digits[leading..(count - trailing).max(leading + 1)];
    if sign {
        out.push(b'-');
    }
    if (-3..7).contains(&exponent) {
        plain(significant, exponent, out);
        return;
    }
    out.push(significant[0]);
    out.push(b'.');
    out.extend_from_slice(if significant.len() > 1 { &significant[1..] } else { b"0" });
    out.push(b'E');
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

/// `d.ddd` times ten to the `exponent`, without `E`.
fn plain(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits);
        return;
    }
    let whole = exponent as usize + 1;
    out.extend_from_slice(&digits[..whole.min(digits.len())]);
    out.extend(std::iter::repeat_n(b'0', whole.saturating_sub(digits.len())));
    out.push(b'.');
    out.extend_from_slice(if digits.len() > whole { &digits[whole..] } else { b"0" });
}

/// How a decimal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalStyle {
    /// `BigDecimal.toString` after trailing zeros are gone: `1E+2`.
    Scientific,
    /// `BigDecimal.toPlainString` after trailing zeros are gone: `100`.
    Plain,
}

/// Appends a `DECIMAL` without trailing zeros.
pub(crate) fn decimal(unscaled: i128, scale: u8, style: DecimalStyle, out: &mut Vec<u8>) {
    let mut scale = i32::from(scale);
    if unscaled == 0 {
        out.push(b'0');
        return;
    }
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let all = digits_of(unscaled, &mut buffer);
    let zeros = all.iter().rev().take_while(|digit| **digit == b'0').count();
    let digits = &all[..all.len() - zeros];
    scale -= zeros as i32;
    let exponent = digits.len() as i32 - 1 - scale;
    if style == DecimalStyle::Scientific && (scale < 0 || exponent < -6) {
        scientific(digits, exponent, out);
        return;
    }
    if scale <= 0 {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', -scale as usize));
        return;
    }
    let scale = scale as usize;
    if digits.len() > scale {
        out.extend_from_slice(&digits[..digits.len() - scale]);
        out.push(b'.');
        out.extend_from_slice(&digits[digits.len() - scale..]);
        return;
    }
    out.extend_from_slice(b"0.");
    out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
    out.extend_from_slice(digits);
}

/// Appends a `DECIMAL` with all digits of its scale: `100.00`.
pub(crate) fn exact_decimal(unscaled: i128, scale: u8, out: &mut Vec<u8>) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = digits_of(unscaled, &mut buffer);
    let scale = usize::from(scale);
    if scale == 0 {
        out.extend_from_slice(digits);
        return;
    }
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole > 0 { &digits[..whole] } else { b"0" });
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
    out.extend_from_slice(&digits[whole..]);
}

/// The digits of a number without its sign; most have 64 bits, for which divisions are far cheaper.
fn digits_of(value: i128, buffer: &mut itoa::Buffer) -> &[u8] {
    let value = value.unsigned_abs();
    match u64::try_from(value) {
        Ok(value) => buffer.format(value).as_bytes(),
        Err(_) => buffer.format(value).as_bytes(),
    }
}

fn scientific(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.push(b'E');
    if exponent >= 0 {
        out.push(b'+');
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_write_as_java_writes_them() {
        let cases = [
            (1.0, "1.0"),
            (1e6, "1000000.0"),
            (1e7, "1.0E7"),
            (12_345_678.5, "1.23456785E7"),
            (1e-3, "0.001"),
            (1e-4, "1.0E-4"),
            (1.5e-5, "1.5E-5"),
            (-0.0, "-0.0"),
            (1e10, "1.0E10"),
            (-1.7976931348623157e308, "-1.7976931348623157E308"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            float64(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        float32(16_777_216.0, &mut out);
        assert_eq!(out, b"1.6777216E7");
    }

    #[test]
    fn decimals_write_as_java_writes_them() {
        let cases = [
            (10_000, 2, "1E+2", "100"),
            (1000, 10, "1E-7", "0.0000001"),
            (-12_345, 2, "-123.45", "-123.45"),
            (5, 3, "0.005", "0.005"),
            (0, 2, "0", "0"),
            (1_200_000, 0, "1.2E+6", "1200000"),
            (-(10_i128.pow(37)), 2, "-1E+35", "-100000000000000000000000000000000000"),
            (i128::from(u64::MAX) * 10, 1, "18446744073709551615", "18446744073709551615"),
        ];
        for (value, scale, scientific, plain) in cases {
            for (style, expected) in [(DecimalStyle::Scientific, scientific), (DecimalStyle::Plain, plain)] {
                let mut out = Vec::new();
                decimal(value, scale, style, &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected);
            }
        }
    }
}
