//! Reads JSON token by token from bytes, without building anything. Strict as RFC 8259, but for control characters in
//! strings, which Flink takes.

/// A text that is no JSON: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// Bytes from the start.
    pub(crate) at: usize,
    /// What was expected.
    pub(crate) what: &'static str,
}

/// The first byte of a value says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// `-` or a digit
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// Deeper nesting is refused, as in Flink, so that no input overflows the stack.
const DEPTH_MAX: usize = 1000;

/// A reader of one document.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

type Scan<T> = Result<T, Syntax>;

impl<'a> Scanner<'a> {
    /// Reads from the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Scanner { bytes, at: 0, depth: 0 }
    }

    /// How far it has read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where a value began. Nesting is as it was there.
    pub(crate) fn back_to(&mut self, at: usize, depth: usize) {
        self.at = at;
        self.depth = depth;
    }

    /// How deep the current value lies.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The bytes from `start` up to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    /// Some bytes of the document.
    pub(crate) fn bytes(&self, range: &std::ops::Range<usize>) -> &'a [u8] {
        &self.bytes[range.clone()]
    }

    /// Whether only white space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.at >= self.bytes.len()
    }

    fn fail<T>(&self, what: &'static str) -> Scan<T> {
        Err(Syntax { at: self.at, what })
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// What comes next.
    #[inline]
    pub(crate) fn kind(&mut self) -> Scan<Kind> {
        self.skip_space();
        Ok(match self.bytes.get(self.at) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            Some(_) => return self.fail("expected a value"),
            None => return self.fail("the text ends where a value should be"),
        })
    }

    /// Takes `true`, `false` or `null`.
    pub(crate) fn literal(&mut self, word: &'static str) -> Scan<()> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fail("expected 'true', 'false' or 'null'");
        }
        self.at += word.len();
        match self.bytes.get(self.at) {
            Some(b) if b.is_ascii_alphanumeric() || *b == b'_' => self.fail("expected 'true', 'false' or 'null'"),
            _ => Ok(()),
        }
    }

    /// Takes a number and gives its text, and whether it is an integer.
    pub(crate) fn number(&mut self) -> Scan<(&'a [u8], bool)> {
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let digits = self.digits();
        if digits == 0 || (leading_zero && digits > 1) {
            return self.fail("this is no number");
        }
        let mut integer = true;
        if self.bytes.get(self.at) == Some(&b'.') {
            integer = false;
            self.at += 1;
            if self.digits() == 0 {
                return self.fail("a number needs a digit behind its point");
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.fail("a number needs a digit in its exponent");
            }
        }
        match self.bytes.get(self.at) {
            None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') => Ok((self.since(start), integer)),
            Some(_) => self.fail("this is no number"),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    /// Takes a string; `scratch` holds it if it had escapes.
    pub(crate) fn string<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Scan<&'b [u8]>
    where
        'a: 'b,
    {
        let raw = self.raw_string()?;
        if !raw.1 {
            return Ok(raw.0);
        }
        let start = self.at - raw.0.len() - 1;
        scratch.clear();
        match unescape(raw.0, scratch) {
            Ok(()) => Ok(scratch.as_slice()),
            Err((at, what)) => Err(Syntax { at: start + at, what }),
        }
    }

    /// Takes a string; gives what lies between its quotes, which is UTF-8, and whether there are escapes in it.
    #[inline]
    fn raw_string(&mut self) -> Scan<(&'a [u8], bool)> {
        let start = self.at + 1;
        let end = start + self.bytes.get(start..).map_or(0, plain_length);
        if self.bytes.get(end) != Some(&b'"') {
            return self.odd_string();
        }
        self.at = end + 1;
        Ok((&self.bytes[start..end], false))
    }

    /// The same, where there are escapes or more than ASCII.
    #[inline(never)]
    fn odd_string(&mut self) -> Scan<(&'a [u8], bool)> {
        let start = self.at + 1;
        let (mut at, mut escapes, mut ascii) = (start, false, true);
        loop {
            at += self.bytes.get(at..).map_or(0, plain_length);
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escapes = true;
                    at += 2;
                }
                Some(_) => {
                    ascii = false;
                    at += 1;
                }
                None => {
                    self.at = self.bytes.len();
                    return self.fail("a string has no closing quote");
                }
            }
        }
        let text = &self.bytes[start..at];
        // What a backslash stands before was not looked at.
        if (escapes || !ascii)
            && let Err(wrong) = std::str::from_utf8(text)
        {
            self.at = start + wrong.valid_up_to();
            return self.fail("this is no UTF-8");
        }
        self.at = at + 1;
        Ok((text, escapes))
    }

    /// Takes the `{` or `[` of a value of that kind.
    pub(crate) fn open(&mut self) -> Scan<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX { self.fail("this is nested too deeply") } else { Ok(()) }
    }

    /// Whether an element or a key comes next; else takes the closing `close`.
    pub(crate) fn more(&mut self, first: bool, close: u8) -> Scan<bool> {
        self.skip_space();
        match self.bytes.get(self.at) {
            Some(b) if *b == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
                match self.bytes.get(self.at) {
                    Some(b) if *b == close => self.fail("a comma must be followed by another element"),
                    _ => Ok(true),
                }
            }
            Some(_) if first => Ok(true),
            Some(_) => self.fail("expected a comma or the closing bracket"),
            None => self.fail("the text ends inside an object or array"),
        }
    }

    /// Takes a key and its colon.
    pub(crate) fn key<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Scan<&'b [u8]>
    where
        'a: 'b,
    {
        if self.bytes.get(self.at) != Some(&b'"') {
            return self.fail("expected a key in double quotes");
        }
        let key = self.string(scratch)?;
        self.skip_space();
        if self.bytes.get(self.at) != Some(&b':') {
            return self.fail("expected a colon behind a key");
        }
        self.at += 1;
        Ok(key)
    }

    /// Takes any value, checking it, and gives its text.
    pub(crate) fn skip(&mut self) -> Scan<&'a [u8]> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Object => self.skip_nested(b'}')?,
            Kind::Array => self.skip_nested(b']')?,
            Kind::String => {
                let (raw, escapes) = self.raw_string()?;
                if escapes {
                    check_escapes(raw).map_err(|(at, what)| Syntax { at: start + 1 + at, what })?;
                }
            }
            Kind::Number => {
                self.number()?;
            }
            Kind::True => self.literal("true")?,
            Kind::False => self.literal("false")?,
            Kind::Null => self.literal("null")?,
        }
        Ok(self.since(start))
    }

    fn skip_nested(&mut self, close: u8) -> Scan<()> {
        self.open()?;
        let mut first = true;
        while self.more(first, close)? {
            first = false;
            if close == b'}' {
                self.skip_key()?;
            }
            self.skip()?;
        }
        Ok(())
    }

    fn skip_key(&mut self) -> Scan<()> {
        let mut none = Vec::new();
        self.key(&mut none).map(|_| ())
    }
}

/// How many bytes lie before the first quote, backslash or byte beyond ASCII. Eight are looked at in one word.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const WORD: usize = size_of::<u64>();
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    // The lowest byte that is marked is zero; those above it may be marked by a borrow.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk::<WORD>() {
        let word = u64::from_le_bytes(*eight);
        let marks = word | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if marks & HIGHS != 0 {
            return at + (marks & HIGHS).trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    let rest = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0x80..));
    rest.map_or(bytes.len(), |more| at + more)
}

type Escape<T> = Result<T, (usize, &'static str)>;

fn check_escapes(raw: &[u8]) -> Escape<()> {
    let mut at = 0;
    while let Some(i) = memchr::memchr(b'\\', &raw[at..]) {
        at += i;
        let (_, length) = escape(raw, at)?;
        at += length;
    }
    Ok(())
}

/// Appends the text with its escapes resolved. Half of a surrogate pair alone becomes `?`, as Java encodes it.
fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Escape<()> {
    let mut at = 0;
    while let Some(i) = memchr::memchr(b'\\', &raw[at..]) {
        out.extend_from_slice(&raw[at..at + i]);
        at += i;
        let (character, length) = escape(raw, at)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        at += length;
    }
    out.extend_from_slice(&raw[at..]);
    Ok(())
}

/// The character of the escape at `at`, and how many bytes it takes.
fn escape(raw: &[u8], at: usize) -> Escape<(char, usize)> {
    let character = match raw.get(at + 1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b @ (b'"' | b'\\' | b'/')) => char::from(*b),
        Some(b'u') => return unicode(raw, at),
        _ => return Err((at, "this escape does not exist")),
    };
    Ok((character, 2))
}

fn unicode(raw: &[u8], at: usize) -> Escape<(char, usize)> {
    let high = hex(raw, at + 2).ok_or((at, "an escape \\u needs four hex digits"))?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    let low = if raw.get(at + 6..at + 8) == Some(b"\\u") { hex(raw, at + 8) } else { None };
    match low {
        Some(low @ 0xdc00..0xe000) if high < 0xdc00 => {
            let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            Ok((char::from_u32(code).unwrap_or('?'), 12))
        }
        _ => Ok(('?', 6)),
    }
}

fn hex(raw: &[u8], at: usize) -> Option<u32> {
    let digits = raw.get(at..at + 4)?;
    digits.iter().try_fold(0, |code, byte| Some(code << 4 | (*byte as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Result<String, Syntax> {
        let mut scanner = Scanner::new(json.as_bytes());
        let mut scratch = Vec::new();
        scanner.kind()?;
        scanner.string(&mut scratch).map(|s| String::from_utf8(s.to_vec()).unwrap())
    }

    fn good(json: &str) -> bool {
        let mut scanner = Scanner::new(json.as_bytes());
        scanner.skip().is_ok() && scanner.is_at_end()
    }

    #[test]
    fn strings_resolve_their_escapes() {
        assert_eq!(text(r#""\u00e4\n\/\"\\""#).unwrap(), "ä\n/\"\\");
        assert_eq!(text(r#""\ud83d\ude00x""#).unwrap(), "😀x");
        assert_eq!(text(r#""\ud83dx""#).unwrap(), "?x");
        assert!(text(r#""\x""#).is_err());
        assert!(text(r#""\u12"#).is_err());
        assert_eq!(text("\"a\tb\"").unwrap(), "a\tb");
        assert!(text(r#""abc\"#).is_err());
    }

    #[test]
    fn a_string_ends_wherever_its_quote_lies() {
        for length in 0..40 {
            for other in ["", "\\n", "ä", "\u{7f}", "\\\""] {
                for at in 0..=length {
                    let (before, behind) = ("x".repeat(at), "y".repeat(length - at));
                    let read = text(&format!("\"{before}{other}{behind}\", \"z"));
                    let plain = other.replace("\\n", "\n").replace("\\\"", "\"");
                    assert_eq!(read.unwrap(), format!("{before}{plain}{behind}"));
                }
            }
        }
        let mut bytes = b"\"0123456789\"".to_vec();
        for at in 1..11 {
            let good = std::mem::replace(&mut bytes[at], 0xff);
            assert_eq!(Scanner::new(&bytes).raw_string(), Err(Syntax { at, what: "this is no UTF-8" }));
            bytes[at] = good;
        }
    }

    #[test]
    fn only_json_is_taken() {
        for json in ["1", "-0", "1.5e+3", "{}", "[]", r#"{"a":[1,{"b":null}],"c":true}"#, " [ 1 , 2 ] "] {
            assert!(good(json), "{json}");
        }
        for json in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "tru",
            "truex",
            "{a:1}",
            "[1,]",
            "{\"a\":1,}",
            "[1 2]",
            "{\"a\"}",
            "\"",
            "1x",
            "NaN",
        ] {
            assert!(!good(json), "{json}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        assert!(!good(&"[".repeat(1_000_000)));
        assert!(good(&format!("{}{}", "[".repeat(400), "]".repeat(400))));
    }
}
