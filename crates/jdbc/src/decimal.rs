//! Decimals as texts.

/// `-12.50` as a number and its scale; nothing if it has more digits than any column here.
pub(crate) fn decimal(text: &[u8]) -> Result<Option<(i128, u32)>, &'static str> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let (mut unscaled, mut scale, mut point) = (0i128, 0, false);
    for byte in digits {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                match unscaled.checked_mul(10).and_then(|u| u.checked_add(i128::from(byte - b'0'))) {
                    Some(more) => unscaled = more,
                    None => return Ok(None),
                }
                scale += u32::from(point);
            }
            _ => return Err("is no number"),
        }
    }
    Ok(Some((if negative { -unscaled } else { unscaled }, scale)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read() {
        assert_eq!(decimal(b"-12.50"), Ok(Some((-1250, 2))));
        assert_eq!(decimal(b"7"), Ok(Some((7, 0))));
        assert_eq!(decimal(&[b'9'; 50]), Ok(None));
        assert!(decimal(b"1e5").is_err() && decimal(b"1.2.3").is_err());
    }
}
