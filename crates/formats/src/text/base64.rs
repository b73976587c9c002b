//! Base64 with padding, the alphabet of MIME without line feeds.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the bytes of `text` to `out`; `false` (with `out` as it was) if the text is no Base64.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let good = decode_into(text, out).is_some();
    if !good {
        out.truncate(start);
    }
    good
}

/// Groups of four, between which Jackson takes white space, and each of which may be padded.
fn decode_into(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = without_blanks(text);
    while !rest.is_empty() {
        let (group, behind) = rest.split_at_checked(4)?;
        let padding = group.iter().rev().take_while(|b| **b == b'=').count();
        if padding > 2 {
            return None;
        }
        let mut bits = 0_u32;
        for byte in &group[..4 - padding] {
            bits = bits << 6 | digit(*byte)?;
        }
        bits <<= 6 * padding as u32;
        out.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
        rest = without_blanks(behind);
    }
    Some(())
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| **b <= b' ').count();
    &text[blanks..]
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Appends `bytes` as Base64.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let mut padded = [0, 0, 0, 0];
        padded[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        for i in 0..4 {
            let index = (bits >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= group.len() { ALPHABET[index] } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37)).collect();
            let (mut text, mut back) = (Vec::new(), Vec::new());
            encode(&bytes, &mut text);
            assert!(decode(&text, &mut back));
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn what_jackson_takes_is_taken() {
        for (text, bytes) in [("YWJj\n", "abc"), (" YWJj  YQ==", "abca"), ("YQ==YQ==", "aa"), ("", ""), (" ", "")] {
            let mut out = Vec::new();
            assert!(decode(text.as_bytes(), &mut out), "{text}");
            assert_eq!(out, bytes.as_bytes());
        }
    }

    #[test]
    fn what_flink_refuses_is_refused() {
        for bad in ["YWI", "!!!", "YW Jj", "YWJ_", "=AAA", "A===", "AA=A"] {
            let mut out = vec![7];
            assert!(!decode(bad.as_bytes(), &mut out), "{bad}");
            assert_eq!(out, [7]);
        }
    }
}
