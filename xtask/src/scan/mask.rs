//! Blanks comments and literals, so that what is left is code, with every byte on its old line.

/// A source in two layers.
#[derive(Debug)]
pub(crate) struct Masked {
    /// The code: comments are spaces, literals are rows of quotes.
    pub(crate) code: String,
    /// The comments: everything else is spaces.
    pub(crate) comments: String,
}

/// Splits a Rust source into code and comments. Both keep the length and the lines of the source.
pub(crate) fn mask(source: &str) -> Masked {
    let bytes = source.as_bytes();
    let (mut code, mut comments) = (bytes.to_vec(), vec![b' '; bytes.len()]);
    for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        comments[at] = *byte;
    }
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = token(bytes, at);
        if kind == Kind::Comment {
            comments[at..end].copy_from_slice(&bytes[at..end]);
        }
        // A line that holds nothing but a piece of text is a line of code: literals become rows of quotes.
        let filler = match kind {
            Kind::Code => None,
            Kind::Comment => Some(b' '),
            Kind::Literal => Some(b'"'),
        };
        if let Some(filler) = filler {
            code[at..end].iter_mut().filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = filler);
        }
        at = end;
    }
    // Literals and comments are replaced whole, so no character is cut.
    Masked { code: lossy(code), comments: lossy(comments) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The piece that starts at `at`: a comment, a literal, or code up to the next byte that could start either.
fn token(bytes: &[u8], at: usize) -> (Kind, usize) {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => (Kind::Comment, at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => (Kind::Comment, at + block_comment(rest)),
        [b'"', ..] => (Kind::Literal, at + quoted(rest, b'"')),
        [b'\'', ..] => char_literal(rest).map_or((Kind::Code, at + 1), |length| (Kind::Literal, at + length)),
        [byte, ..] if is_word(*byte) => {
            let word = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
            raw_string(&rest[..word], &rest[word..])
                .map_or((Kind::Code, at + word), |length| (Kind::Literal, at + word + length))
        }
        _ => (Kind::Code, at + 1),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `'x'` or `'\n'`; a lifetime is none.
fn char_literal(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)]).or_else(|error| {
        // The cut may part a character; what comes before it is enough.
        std::str::from_utf8(&rest[1..=error.valid_up_to()])
    });
    let length = text.ok()?.chars().next()?.len_utf8();
    (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2)
}

/// The length of `#"…"#` after a prefix as `r`, `br` or `cr`.
fn raw_string(prefix: &[u8], rest: &[u8]) -> Option<usize> {
    if !matches!(prefix, b"r" | b"br" | b"cr") {
        return None;
    }
    let hashes = rest.iter().position(|byte| *byte != b'#')?;
    if rest[hashes] != b'"' {
        return None;
    }
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let inside = &rest[hashes + 1..];
    let close = inside.windows(end.len()).position(|window| window == end);
    Some(close.map_or(rest.len(), |at| hashes + 1 + at + end.len()))
}
