//! Values as text: what the text formats share. Parsers take bytes and never allocate; `None` means "not such a value".

pub(crate) mod base64;
pub(crate) mod constant;
pub(crate) mod number;
pub(crate) mod time;
pub(crate) mod value;
pub(crate) mod write;

/// The text without Java's white space (everything up to a blank) around it.
#[inline]
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let (mut start, mut end) = (0, text.len());
    while start < end && text[start] <= b' ' {
        start += 1;
    }
    while end > start && text[end - 1] <= b' ' {
        end -= 1;
    }
    &text[start..end]
}

/// A piece of a record for a message: short, and readable whatever bytes it has.
pub(crate) fn excerpt(text: &[u8]) -> String {
    const CHARS_MAX: usize = 60;
    let lossy = String::from_utf8_lossy(&text[..text.len().min(CHARS_MAX * 4)]);
    let mut short: String = lossy.chars().take(CHARS_MAX).collect();
    if short.len() < lossy.len() || text.len() > CHARS_MAX * 4 {
        short.push('…');
    }
    short
}
