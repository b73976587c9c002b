//! Numbers as texts where Flink builds a tree first: a number with a fraction or an exponent has gone through a `double`, or
//! through a `BigDecimal` if the table has a DECIMAL column.

use crate::text::number;
use crate::text::write::float64;

/// Appends the text that the number of a tree has. `quoted` puts what is no number in JSON in quotes.
pub(super) fn write_tree_number(text: &[u8], exact: bool, quoted: bool, out: &mut Vec<u8>) {
    if text.iter().all(|b| b.is_ascii_digit() || *b == b'-') {
        // There is no negative zero among the integers.
        out.extend_from_slice(if text == b"-0" { b"0" } else { text });
    } else if exact {
        write_big_decimal(text, out);
    } else {
        let value = number::float64(text).unwrap_or(f64::NAN);
        let quote: &[u8] = if quoted && !value.is_finite() { b"\"" } else { b"" };
        out.extend_from_slice(quote);
        float64(value, out);
        out.extend_from_slice(quote);
    }
}

/// Appends a number as `BigDecimal.stripTrailingZeros().toString()` does.
fn write_big_decimal(text: &[u8], out: &mut Vec<u8>) {
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, mantissa),
    };
    let fraction = mantissa.iter().position(|b| *b == b'.').map_or(0, |point| mantissa.len() - point - 1);
    let digits: Vec<u8> = mantissa.iter().copied().filter(|b| *b != b'.').skip_while(|b| *b == b'0').collect();
    let kept = digits.len() - digits.iter().rev().take_while(|b| **b == b'0').count();
    if kept == 0 {
        out.push(b'0');
        return;
    }
    if negative {
        out.push(b'-');
    }
    let scale = fraction as i64 - exponent - (digits.len() - kept) as i64;
    write_scaled(&digits[..kept], scale, out);
}

/// A scale is an `int`; what is beyond is the largest one.
fn exponent(text: &[u8]) -> i64 {
    let largest = if text.first() == Some(&b'-') { -i32::MAX } else { i32::MAX };
    i64::from(number::integer::<i32>(text).unwrap_or(largest))
}

/// Appends digits with so many of them behind the point, with an exponent where Java writes one.
fn write_scaled(digits: &[u8], scale: i64, out: &mut Vec<u8>) {
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale >= 0 && adjusted >= -6 {
        let whole = (adjusted + 1).max(0) as usize;
        if whole == 0 {
            out.push(b'0');
        }
        out.extend_from_slice(&digits[..whole]);
        if scale > 0 {
            out.push(b'.');
            out.extend(std::iter::repeat_n(b'0', scale as usize - (digits.len() - whole)));
            out.extend_from_slice(&digits[whole..]);
        }
        return;
    }
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if adjusted < 0 { b"E" } else { b"E+" });
    out.extend_from_slice(itoa::Buffer::new().format(adjusted).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, exact: bool) -> String {
        let mut out = Vec::new();
        write_tree_number(text.as_bytes(), exact, true, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_have_the_text_of_javas_types() {
        for (text, double, decimal) in [
            ("7", "7", "7"),
            ("-0", "0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890", "123456789012345678901234567890"),
            ("1e2", "100.0", "1E+2"),
            ("1.50", "1.5", "1.5"),
            ("-1.5E-3", "-0.0015", "-0.0015"),
            ("100.0", "100.0", "1E+2"),
            ("0.0000001", "1.0E-7", "1E-7"),
            ("0.000001", "1.0E-6", "0.000001"),
            ("12e-8", "1.2E-7", "1.2E-7"),
            ("0.00", "0.0", "0"),
            ("-0.0", "-0.0", "0"),
            ("1e-99999999999999999999", "0.0", "1E-2147483647"),
            ("1e400", "\"Infinity\"", "1E+400"),
            ("0.1234567890123456789", "0.12345678901234568", "0.1234567890123456789"),
        ] {
            assert_eq!((written(text, false), written(text, true)), (double.to_owned(), decimal.to_owned()), "{text}");
        }
    }
}
