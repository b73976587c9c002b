//! Which events are read: those of databases and tables whose whole name matches a pattern.
//!
//! Patterns are Java's. What an engine that takes linear time does not have (look-around, back-references, possessive
//! quantifiers), and what it would read in another way, is refused.

use flott_api::options::OptionReader;
use flott_api::{Error, Result};
use regex::bytes::Regex;

use super::Dialect;
use super::envelope::{Parts, mismatch, text_of};
use crate::json::value::Taken;

/// A pattern that a part must match as a whole.
#[derive(Clone)]
pub(super) struct Filter {
    part: usize,
    pattern: Regex,
}

impl Filter {
    /// The filter of an option, if it is set.
    ///
    /// # Errors
    /// If its value is no pattern, or one that is not supported.
    pub(super) fn read(options: &OptionReader<'_>, key: &str, part: usize) -> Result<Option<Self>> {
        let Some(text) = options.text(key) else { return Ok(None) };
        let unsupported = |what: String| {
            Error::unsupported(format!("the pattern '{text}' of option '{key}'")).with_detail(format!("{what}."))
        };
        let written = written(text).map_err(|what| unsupported(format!("It has {what}")))?;
        let pattern = Regex::new(&format!("\\A(?:{written})\\z"));
        let wrong = |e| Error::invalid(format!("option '{key}' is no pattern: '{text}'")).with_source(e);
        Ok(Some(Filter { part, pattern: pattern.map_err(wrong)? }))
    }

    /// Whether the event is to be read.
    pub(super) fn takes(&self, parts: &Parts<'_>, dialect: &Dialect, scratch: &mut Vec<u8>) -> Taken<bool> {
        match parts.written(self.part) {
            Some(value) => Ok(self.pattern.is_match(text_of(value, scratch)?)),
            None => mismatch(format!("the event has no '{}'", dialect.parts[self.part])),
        }
    }
}

/// Java's pattern in the engine's words, or what of it the engine does not have.
fn written(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    // How many brackets of classes are open, and whether a quantifier has just ended.
    let (mut classes, mut quantified) = (0_usize, false);
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let ends_quantifier = classes == 0 && matches!(c, '*' | '+' | '?' | '}');
        match (c, next) {
            ('+', _) if classes == 0 && quantified => return Err("a possessive quantifier".to_owned()),
            ('\\', Some(escaped)) => {
                rest.next();
                out.push_str(&escape(escaped)?);
            }
            ('(', Some('?')) if classes == 0 => {
                let plain = rest.clone().nth(1) == Some(':');
                if !plain {
                    return Err("a group with '(?'".to_owned());
                }
                out.push_str("(?:");
                rest.next();
                rest.next();
            }
            ('{', Some(',')) => return Err("a quantifier without a lower bound".to_owned()),
            ('[', Some(':')) if classes > 0 => return Err("'[:' in a class".to_owned()),
            ('-', Some('-')) | ('~', Some('~')) if classes > 0 => return Err(format!("'{c}{c}' in a class")),
            // Java's line ends.
            ('.', _) if classes == 0 => out.push_str("[^\\n\\r\\x{85}\\x{2028}\\x{2029}]"),
            _ => {
                classes = match c {
                    '[' => classes + 1,
                    ']' => classes.saturating_sub(1),
                    _ => classes,
                };
                out.push(c);
            }
        }
        quantified = ends_quantifier;
    }
    Ok(out)
}

/// What stands behind a backslash; Java's classes have ASCII characters alone.
fn escape(escaped: char) -> Result<String, String> {
    Ok(match escaped {
        'd' => "[0-9]".to_owned(),
        'D' => "[^0-9]".to_owned(),
        'w' => "[A-Za-z0-9_]".to_owned(),
        'W' => "[^A-Za-z0-9_]".to_owned(),
        's' => "[ \\t\\n\\x0B\\f\\r]".to_owned(),
        'S' => "[^ \\t\\n\\x0B\\f\\r]".to_owned(),
        'a' | 'f' | 'n' | 'r' | 't' | 'x' | 'u' => format!("\\{escaped}"),
        c if c.is_ascii_alphanumeric() => return Err(format!("'\\{c}'")),
        c => regex::escape(c.encode_utf8(&mut [0; 4])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Regex::new(&format!("\\A(?:{})\\z", written(pattern).unwrap())).unwrap().is_match(name.as_bytes())
    }

    #[test]
    fn the_whole_name_must_match() {
        assert!(matches("shop|test", "test") && !matches("shop|test", "test2"));
        assert!(matches("order_\\d+", "order_17") && !matches("order_\\d+", "order_١"));
        assert!(matches("[\\w.-]+", "a.b-c") && !matches("[\\w.-]+", "ä"));
        assert!(matches("a.c", "aäc") && !matches("a.c", "a\nc"));
        assert!(matches("a\\.c\\-", "a.c-") && !matches("a\\.c", "abc"));
        assert!(matches("(?:x|y)+?", "xyx") && matches("a{2,}", "aaa"));
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        for pattern in ["a++", "a*+", "(?i)a", "(?=a)", "(a)\\1", "\\ba", "\\p{L}", "a{,3}", "[a--b]", "[[:alpha:]]"] {
            assert!(written(pattern).is_err(), "{pattern}");
        }
    }
}
