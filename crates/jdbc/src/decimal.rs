//! Decimals from their digits, rounded half up to the scale of a column as they come.

/// A number that is read digit by digit. What lies behind its scale decides how it is rounded, and takes no room.
pub(crate) struct Digits {
    unscaled: i128,
    scale: u32,
    wanted: u32,
    /// Whether the digit behind the last one that is wanted was seen.
    rounded: bool,
}

impl Digits {
    /// No digits yet, of a number with at most so many behind the point.
    pub(crate) fn new(wanted: u32) -> Self {
        Digits { unscaled: 0, scale: 0, wanted, rounded: false }
    }

    /// Takes the next digit, before or behind the point; nothing if the number is too large for any column here.
    pub(crate) fn push(&mut self, digit: u8, behind: bool) -> Option<()> {
        if behind && self.scale == self.wanted {
            if !self.rounded && digit >= 5 {
                self.unscaled = self.unscaled.checked_add(1)?;
            }
            self.rounded = true;
            return Some(());
        }
        self.unscaled = self.unscaled.checked_mul(10)?.checked_add(i128::from(digit))?;
        self.scale += u32::from(behind);
        Some(())
    }

    /// The number without its point, and its scale.
    pub(crate) fn finish(self, negative: bool) -> (i128, u32) {
        (if negative { -self.unscaled } else { self.unscaled }, self.scale)
    }
}

/// `-12.50` as a number and its scale, at most the one that is wanted; nothing if it is larger than any column here.
pub(crate) fn decimal(text: &[u8], wanted: u32) -> Result<Option<(i128, u32)>, &'static str> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let (mut number, mut point) = (Digits::new(wanted), false);
    for byte in digits {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                if number.push(byte - b'0', point).is_none() {
                    return Ok(None);
                }
            }
            _ => return Err("is no number"),
        }
    }
    Ok(Some(number.finish(negative)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read() {
        assert_eq!(decimal(b"-12.50", 2), Ok(Some((-1250, 2))));
        assert_eq!(decimal(b"7", 5), Ok(Some((7, 0))));
        assert_eq!(decimal(&[b'9'; 50], 0), Ok(None));
        assert!(decimal(b"1e5", 0).is_err() && decimal(b"1.2.3", 1).is_err());
    }

    #[test]
    fn what_lies_behind_the_scale_rounds_and_takes_no_room() {
        assert_eq!(decimal(b"-0.0451", 2), Ok(Some((-5, 2))));
        assert_eq!(decimal(b"0.0449999", 2), Ok(Some((4, 2))));
        // 19 digits before the point, and 30 behind it.
        let long = b"2000000000000000000.123456789012345678000000000000";
        assert_eq!(decimal(long, 18), Ok(Some((2_000_000_000_000_000_000_123_456_789_012_345_678, 18))));
    }
}
