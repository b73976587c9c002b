//! `INET_ATON(text)` and `INET_NTOA(number)`: an IPv4 address as a number, and back.
//!
//! `INET_ATON('127.0.0.1')` is `2130706433`. Short forms are filled up as in MySQL: `'127.1'` is `127.0.0.1`.
//! Every part is at most 255. What is no address, or a number outside of 32 bits, gives null.

use std::fmt::Write;

use arrow_array::ArrayRef;
use arrow_array::types::Int64Type;
use flott_api::{LogicalType, Result, TypeKind};

use crate::operand::Args;
use crate::registry::{Inference, Signature};

pub(super) fn infer_aton(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = match &call.args[0].kind {
        TypeKind::Null => LogicalType::string().with_nullable(true),
        kind if kind.is_character() => call.args[0].clone(),
        _ => return Err(call.mismatch()),
    };
    Ok(Signature { args: vec![arg], ty: LogicalType::new(TypeKind::BigInt) })
}

pub(super) fn aton(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.each_number::<Int64Type>(|row| Ok(number(texts.get(row))))
}

fn number(text: &str) -> Option<i64> {
    let mut parts = [0_i64; 4];
    let mut count = 0;
    for part in text.split('.') {
        *parts.get_mut(count)? = decimal(part)?;
        count += 1;
    }
    let last = parts[count - 1];
    let before = parts[..count - 1].iter().enumerate().map(|(i, part)| part << (24 - 8 * i));
    Some(before.sum::<i64>() | last)
}

/// Digits alone, of a number of 8 bits.
fn decimal(part: &str) -> Option<i64> {
    if part.is_empty() {
        return None;
    }
    part.bytes().try_fold(0_i64, |value, digit| {
        let value = value * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        (value <= 255).then_some(value)
    })
}

pub(super) fn infer_ntoa(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    let arg = &call.args[0];
    if !arg.kind.is_integer() && arg.kind != TypeKind::Null {
        return Err(call.mismatch());
    }
    let ty = LogicalType::string().with_nullable(true);
    let nullable = arg.nullable || arg.kind == TypeKind::Null;
    Ok(Signature { args: vec![LogicalType { kind: TypeKind::BigInt, nullable }], ty })
}

pub(super) fn ntoa(args: &Args<'_>) -> Result<ArrayRef> {
    let numbers = args.numbers::<Int64Type>(0)?;
    args.each_text(|row, out| {
        let Ok(number) = u32::try_from(numbers.get(row)) else { return Ok(false) };
        let [a, b, c, d] = number.to_be_bytes();
        // Writing to memory cannot fail.
        Ok(write!(out, "{a}.{b}.{c}.{d}").is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn short_forms_are_filled_up() {
        for (text, expected) in [
            ("127.0.0.1", Some(2_130_706_433)),
            ("127.1", Some(2_130_706_433)),
            ("1.2.3", Some(16_908_291)),
            ("255", Some(255)),
            ("256", None),
            ("256.1", None),
            ("1.2.3.4.5", None),
            ("1..2", None),
            ("", None),
            ("+1", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
