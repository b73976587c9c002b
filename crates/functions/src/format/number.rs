//! Numbers as Java writes them.

use std::fmt::Write;

use super::{put, put_fmt};

/// `Double.toString`: `1.0`, `1.0E7`, `1.0E-4`.
pub(crate) fn write_double(value: f64, out: &mut dyn Write) {
    if !value.is_finite() || value == 0.0 {
        return put(out, special(value));
    }
    if value.abs() < f64::MIN_POSITIVE {
        return write_subnormal(value, ryu::Buffer::new().format_finite(value), out);
    }
    let mut buffer = ryu::Buffer::new();
    write_shortest(buffer.format_finite(value), out);
}

/// Java never takes fewer than two digits, which shows where there is hardly any precision left.
fn write_subnormal(value: f64, shortest: &str, out: &mut dyn Write) {
    match Digits::parse(shortest.trim_start_matches('-')).len {
        1 => write_shortest(&format!("{value:.1e}"), out),
        _ => write_shortest(shortest, out),
    }
}

/// `Float.toString`.
pub(crate) fn write_float(value: f32, out: &mut dyn Write) {
    if !value.is_finite() || value == 0.0 {
        return put(out, special(f64::from(value)));
    }
    if value.abs() < f32::MIN_POSITIVE {
        return write_subnormal(f64::from(value), ryu::Buffer::new().format_finite(value), out);
    }
    let mut buffer = ryu::Buffer::new();
    write_shortest(buffer.format_finite(value), out);
}

fn special(value: f64) -> &'static str {
    match value {
        v if v.is_nan() => "NaN",
        v if v == f64::INFINITY => "Infinity",
        v if v == f64::NEG_INFINITY => "-Infinity",
        v if v.is_sign_negative() => "-0.0",
        _ => "0.0",
    }
}

/// Digits and the exponent of a number `0.DIGITS * 10^exponent`.
pub(crate) struct Digits {
    digits: [u8; 32],
    len: usize,
    exponent: i32,
}

impl Digits {
    /// The fewest digits that tell a finite number.
    pub(crate) fn of(magnitude: f64) -> Digits {
        Digits::parse(ryu::Buffer::new().format_finite(magnitude))
    }

    /// See the type.
    pub(crate) fn exponent(&self) -> i32 {
        self.exponent
    }

    fn parse(unsigned: &str) -> Digits {
        let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut found = Digits { digits: [0; 32], len: 0, exponent: exponent.parse().unwrap_or(0) };
        let mut point = whole.len() as i32;
        for digit in whole.bytes().chain(fraction.bytes()) {
            if found.len == 0 && digit == b'0' {
                point -= 1;
            } else if found.len < found.digits.len() {
                found.digits[found.len] = digit;
                found.len += 1;
            }
        }
        while found.len > 1 && found.digits[found.len - 1] == b'0' {
            found.len -= 1;
        }
        found.exponent += point;
        found
    }

    pub(crate) fn text(&self, from: usize, to: usize) -> &str {
        // Only ASCII digits are put in.
        std::str::from_utf8(&self.digits[from.min(self.len)..to.min(self.len)]).unwrap_or_default()
    }
}

/// Java writes plainly from 10^-3 up to 10^7, else with an exponent.
fn write_shortest(text: &str, out: &mut dyn Write) {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    put(out, if unsigned.len() < text.len() { "-" } else { "" });
    let found = Digits::parse(unsigned);
    let or_zero = |text| if str::is_empty(text) { "0" } else { text };
    match found.exponent {
        exponent @ -2..=0 => {
            put(out, "0.");
            put(out, &"00"[..exponent.unsigned_abs() as usize]);
            put(out, found.text(0, found.len));
        }
        exponent @ 1..=7 => {
            let point = exponent as usize;
            put(out, found.text(0, point));
            put(out, &"000000"[..point.saturating_sub(found.len)]);
            put(out, ".");
            put(out, or_zero(found.text(point, found.len)));
        }
        exponent => {
            put(out, found.text(0, 1));
            put(out, ".");
            put(out, or_zero(found.text(1, found.len)));
            put_fmt(out, format_args!("E{}", exponent - 1));
        }
    }
}

/// A decimal with all digits of its scale: `1.50`.
pub(crate) fn write_decimal(value: i128, scale: u32, out: &mut dyn Write) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    put(out, if value < 0 { "-" } else { "" });
    if scale == 0 {
        return put(out, digits);
    }
    let scale = scale as usize;
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => {
            put(out, &digits[..whole]);
            put(out, ".");
            put(out, &digits[whole..]);
        }
        _ => {
            put(out, "0.");
            (digits.len()..scale).for_each(|_| put(out, "0"));
            put(out, digits);
        }
    }
}

/// `BigDecimal.toString`: very small ones have an exponent.
pub(crate) fn write_java_decimal(value: i128, scale: u32, out: &mut dyn Write) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    let adjusted = digits.len() as i64 - 1 - i64::from(scale);
    if adjusted >= -6 {
        return write_decimal(value, scale, out);
    }
    put(out, if value < 0 { "-" } else { "" });
    put(out, &digits[..1]);
    if digits.len() > 1 {
        put(out, ".");
        put(out, &digits[1..]);
    }
    put_fmt(out, format_args!("E{adjusted}"));
}
