//! Literals with a letter before the quote: `e'\n'`, `U&'\00e9'`, `x'ff'`.

use flott_api::error::Location;
use sqlparser::tokenizer::Token;

use super::{LexResult, Lexer};

impl Lexer<'_> {
    /// Reads a literal with a prefix, if one begins here.
    pub(super) fn prefixed_literal(&mut self, start: (usize, Location)) -> LexResult<bool> {
        let mut chars = self.rest().chars();
        match (chars.next(), chars.next(), chars.next()) {
            (Some('e' | 'E'), Some('\''), _) => {
                self.bump();
                let value = self.c_string(start.1)?;
                self.push(Token::SingleQuotedString(value), start);
            }
            (Some('x' | 'X'), Some('\''), _) => {
                self.bump();
                let value = self.quoted('\'', "binary literal")?;
                self.check_hex(&value, start.1)?;
                self.push(Token::HexStringLiteral(value), start);
            }
            (Some('u' | 'U'), Some('&'), Some('\'')) => {
                self.bump();
                self.bump();
                let value = self.unicode_string(start.1)?;
                self.push(Token::SingleQuotedString(value), start);
            }
            (Some('n' | 'N'), Some('\''), _) => {
                return Err(self.error("national string literals are not supported", start.1, "Leave out the `N`."));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check_hex(&self, digits: &str, at: Location) -> LexResult<()> {
        if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(self.error("binary literal has a character that is no hexadecimal digit", at, ""));
        }
        if digits.len() % 2 == 1 {
            return Err(self.error("binary literal has an odd number of digits", at, "Two digits make a byte."));
        }
        Ok(())
    }

    /// The body of `e'..'`, from its quote on.
    fn c_string(&mut self, start: Location) -> LexResult<String> {
        self.bump();
        let mut value = String::new();
        loop {
            value.push_str(self.take_while(|c| c != '\'' && c != '\\'));
            match self.bump() {
                None => return Err(self.incomplete("string is not closed", start, "Close it with a ' quote.")),
                Some('\\') => {
                    let at = self.location();
                    let c = self.c_escape(at)?;
                    value.push(c);
                }
                _ if self.peek() == Some('\'') => {
                    self.bump();
                    value.push('\'');
                }
                _ => return Ok(value),
            }
        }
    }

    /// What follows a backslash in `e'..'`.
    fn c_escape(&mut self, at: Location) -> LexResult<char> {
        let Some(c) = self.bump() else {
            return Err(self.incomplete("string is not closed", at, "Close it with a ' quote."));
        };
        Ok(match c {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'x' => return self.code_point(16, 1, 2, at),
            'u' => return self.code_point(16, 4, 4, at),
            'U' => return self.code_point(16, 8, 8, at),
            '0'..='7' => {
                self.at -= 1;
                self.column -= 1;
                return self.code_point(8, 1, 3, at);
            }
            other => other,
        })
    }

    /// A character given by its number, of so many digits.
    fn code_point(&mut self, radix: u32, min: usize, max: usize, at: Location) -> LexResult<char> {
        let digits: String = self.rest().chars().take(max).take_while(|c| c.is_digit(radix)).collect();
        for _ in 0..digits.len() {
            self.bump();
        }
        let number = if digits.len() >= min { u32::from_str_radix(&digits, radix).ok() } else { None };
        number
            .and_then(char::from_u32)
            .ok_or_else(|| self.error("escape in a string names no character", at, "Give the digits of a code point."))
    }

    /// The body of `U&'..'` and its `UESCAPE`, from its quote on.
    fn unicode_string(&mut self, start: Location) -> LexResult<String> {
        let raw = self.quoted('\'', "string")?;
        let escape = self.uescape()?.unwrap_or('\\');
        let mut value = String::new();
        let mut rest = raw.as_str();
        while let Some(at) = rest.find(escape) {
            value.push_str(&rest[..at]);
            rest = &rest[at + escape.len_utf8()..];
            if let Some(after) = rest.strip_prefix(escape) {
                value.push(escape);
                rest = after;
                continue;
            }
            let (digits, length) = match rest.strip_prefix('+') {
                Some(long) => (long, 6),
                None => (rest, 4),
            };
            let c = digits.get(..length).filter(|d| d.chars().all(|c| c.is_ascii_hexdigit()));
            let c = c.and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
            let Some(c) = c else {
                return Err(self.error("escape in a unicode string names no character", start, "Give four digits."));
            };
            value.push(c);
            rest = &digits[length..];
        }
        value.push_str(rest);
        Ok(value)
    }

    /// `UESCAPE 'c'`, if it follows.
    fn uescape(&mut self) -> LexResult<Option<char>> {
        let back = (self.at, self.line, self.column);
        self.skip_blanks()?;
        let word = self.rest().get(..7);
        if !word.is_some_and(|w| w.eq_ignore_ascii_case("uescape")) {
            (self.at, self.line, self.column) = back;
            return Ok(None);
        }
        for _ in 0..7 {
            self.bump();
        }
        self.skip_blanks()?;
        let at = self.location();
        if self.peek() != Some('\'') {
            return Err(self.error("expected a string after UESCAPE", at, ""));
        }
        let text = self.quoted('\'', "string")?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_ascii_hexdigit() && !matches!(c, '+' | '\'' | '"') && !c.is_whitespace() => {
                Ok(Some(c))
            }
            _ => {
                Err(self.error("escape character must be one character that is no digit, sign, quote or blank", at, ""))
            }
        }
    }
}
