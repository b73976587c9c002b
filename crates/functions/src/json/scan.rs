//! Reads a JSON text without building anything: what is there, where it is, and whether it is JSON at all.
//!
//! It takes what Flink's parser (Jackson) takes: a value may be followed by anything that it need not read, as in
//! `{} x`; numbers have at most 1000 digits and values nest at most 1000 deep. Bad texts never panic.

use std::borrow::Cow;
use std::ops::Range;

/// A text that is no JSON: where, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

pub(crate) type Scan<T> = Result<T, Malformed>;

/// What a value begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

/// Values nest at most this deep.
const DEPTH_MAX: usize = 1000;
/// Digits before the point of a number, and behind it.
const NUMBER_LENGTH_MAX: usize = 1000;
/// Characters of a name in an object.
const NAME_LENGTH_MAX: usize = 50_000;

/// A place in a text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    depth_max: usize,
}

/// A text between quotes, as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    text: &'a str,
    escaped: bool,
}

impl<'a> Raw<'a> {
    /// The text that it means. Half of a surrogate pair becomes a question mark, as where Java encodes it.
    pub(crate) fn text(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescaped(self.text)) } else { Cow::Borrowed(self.text) }
    }

    pub(crate) fn is(self, name: &str) -> bool {
        if self.escaped { unescaped(self.text) == name } else { self.text == name }
    }
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Scanner { text, at: 0, depth: 0, depth_max: DEPTH_MAX }
    }

    /// At a value within a text that has been read over.
    pub(crate) fn within(text: &'a str, at: usize) -> Self {
        // What is around it does not count again.
        Scanner { text, at, depth: 1, depth_max: DEPTH_MAX + 1 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn text_at(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn fail<T>(&self, why: &'static str) -> Scan<T> {
        Err(Malformed { at: self.at, why })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes to the next value and says what it is.
    pub(crate) fn kind(&mut self) -> Scan<Kind> {
        self.blanks();
        Ok(match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            None => return self.fail("it ends where a value should begin"),
            Some(_) => return self.fail("no value begins with this character"),
        })
    }

    /// Enters the object or array that begins here.
    pub(crate) fn enter(&mut self) -> Scan<()> {
        self.depth += 1;
        if self.depth > self.depth_max {
            return self.fail("values nest more than 1000 deep");
        }
        self.at += 1;
        Ok(())
    }

    /// Goes to the next element, or leaves the array.
    pub(crate) fn element(&mut self, first: bool) -> Scan<bool> {
        self.blanks();
        match self.peek() {
            Some(b']') => self.leave(),
            _ if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => self.fail("neither a comma nor the end of the array"),
        }
    }

    /// Goes to the value of the next entry and gives its name, or leaves the object.
    pub(crate) fn entry(&mut self, first: bool) -> Scan<Option<Raw<'a>>> {
        self.blanks();
        match self.peek() {
            Some(b'}') => return self.leave().map(|_| None),
            Some(b',') if !first => {
                self.at += 1;
                self.blanks();
            }
            _ if first => {}
            _ => return self.fail("neither a comma nor the end of the object"),
        }
        if self.peek() != Some(b'"') {
            return self.fail("a name in quotes should be here");
        }
        let name = self.string()?;
        if name.text.len() > NAME_LENGTH_MAX {
            return self.fail("a name has more than 50000 characters");
        }
        self.blanks();
        if self.peek() != Some(b':') {
            return self.fail("a colon should follow the name");
        }
        self.at += 1;
        Ok(Some(name))
    }

    fn leave(&mut self) -> Scan<bool> {
        self.depth -= 1;
        self.at += 1;
        Ok(false)
    }

    /// The text in quotes that begins here.
    pub(crate) fn string(&mut self) -> Scan<Raw<'a>> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        let (start, mut escaped) = (self.at, false);
        loop {
            match bytes.get(self.at) {
                None => return self.fail("a text has no end"),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(..b' ') => return self.fail("a control character stands in a text"),
                Some(_) => self.at += 1,
            }
        }
        let raw = Raw { text: self.text_at(start..self.at), escaped };
        self.at += 1;
        Ok(raw)
    }

    fn escape(&mut self) -> Scan<()> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match bytes.get(self.at + 2..self.at + 6) {
                Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => self.at += 6,
                _ => return self.fail("four hexadecimal digits should follow"),
            },
            _ => return self.fail("there is no such escape"),
        }
        Ok(())
    }

    /// The number that begins here, and whether it is an integer.
    pub(crate) fn number(&mut self) -> Scan<(&'a str, bool)> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.digits();
        if whole == 0 {
            return self.fail("a digit should be here");
        }
        if whole > 1 && self.text.as_bytes()[self.at - whole] == b'0' {
            return self.fail("a number begins with a superfluous 0");
        }
        let (mut fraction, mut exponent) = (0, None);
        if self.peek() == Some(b'.') {
            self.at += 1;
            fraction = self.digits();
            if fraction == 0 {
                return self.fail("a digit should follow the point");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            exponent = Some(self.exponent()?);
        }
        if whole.max(fraction) > NUMBER_LENGTH_MAX {
            return self.fail("a number has more than 1000 digits");
        }
        let scale = fraction as i64 - exponent.unwrap_or(0);
        if scale.abs() > i64::from(i32::MAX) {
            return self.fail("the exponent of a number is out of range");
        }
        self.end_of_root()?;
        Ok((self.text_at(start..self.at), fraction == 0 && exponent.is_none()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn exponent(&mut self) -> Scan<i64> {
        self.at += 1;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(matches!(self.peek(), Some(b'-' | b'+')));
        let start = self.at;
        if self.digits() == 0 {
            return self.fail("a digit should be in the exponent");
        }
        let digits = self.text_at(start..self.at).trim_start_matches('0');
        match digits {
            "" => Ok(0),
            digits if digits.len() > 10 => self.fail("the exponent of a number is out of range"),
            digits => Ok(digits.parse::<i64>().unwrap_or(i64::MAX) * if negative { -1 } else { 1 }),
        }
    }

    /// A number that is the whole text ends with it, or with a blank.
    fn end_of_root(&self) -> Scan<()> {
        match self.peek() {
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => Ok(()),
            Some(_) if self.depth > 0 => Ok(()),
            Some(_) => self.fail("a number is followed by something else"),
        }
    }

    /// Reads `true`, `false` or `null`.
    pub(crate) fn literal(&mut self, kind: Kind) -> Scan<()> {
        let word = match kind {
            Kind::True => "true",
            Kind::False => "false",
            _ => "null",
        };
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(word) else {
            return self.fail("there is no such word");
        };
        if rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            return self.fail("there is no such word");
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads over the next value.
    pub(crate) fn skip(&mut self) -> Scan<Kind> {
        let kind = self.kind()?;
        self.skip_of(kind)?;
        Ok(kind)
    }

    /// Reads over the value of that kind that begins here.
    pub(crate) fn skip_of(&mut self, kind: Kind) -> Scan<()> {
        match kind {
            Kind::Text => self.string().map(|_| ()),
            Kind::Number => self.number().map(|_| ()),
            Kind::Array => {
                self.enter()?;
                let mut first = true;
                while self.element(first)? {
                    self.skip()?;
                    first = false;
                }
                Ok(())
            }
            Kind::Object => {
                self.enter()?;
                let mut first = true;
                while self.entry(first)?.is_some() {
                    self.skip()?;
                    first = false;
                }
                Ok(())
            }
            word => self.literal(word),
        }
    }
}

/// Takes the escapes out of a text that is well formed.
pub(crate) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut used = at + 2;
        match code {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (c, length) = unicode(&rest[at..]);
                out.push(c);
                used = at + length;
            }
            other => out.push(char::from(other)),
        }
        rest = rest.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character of `\uXXXX`, or of two of them, and how long they are.
fn unicode(text: &str) -> (char, usize) {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(0).unwrap_or(0xfffd);
    if let Some(c) = char::from_u32(first) {
        return (c, 6);
    }
    match unit(6) {
        Some(second @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (char::from_u32(code).unwrap_or('?'), 12)
        }
        _ => ('?', 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(text: &str) -> bool {
        Scanner::new(text).skip().is_ok()
    }

    #[test]
    fn what_cannot_be_read_is_refused_at_every_cut() {
        let text = r#"{"a":[1,-2.5e+3,"x\u00e9\ud83d\ude00",true,false,null,{}],"b":{"c":[]}}"#;
        assert!(is_json(text));
        for cut in 0..text.len() {
            assert!(!is_json(&text[..cut]), "{}", &text[..cut]);
        }
    }

    #[test]
    fn escapes_become_what_they_mean() {
        assert_eq!(unescaped(r#"\"\\\/\b\f\n\r\t"#), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(unescaped(r"\u00e9\ud83d\ude00"), "é😀");
        assert_eq!(unescaped(r"a\ud83dx\ude00\ud83d\ud83d\ude00"), "a?x??😀");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(is_json(&nested(1000)));
        assert!(!is_json(&nested(1001)));
        assert!(!is_json(&"[".repeat(1_000_000)));
    }
}
