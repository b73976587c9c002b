//! `REGEXP`, `REGEXP_REPLACE` and `REGEXP_EXTRACT` with Java's patterns.
//!
//! Patterns run in linear time, so what needs backtracking (look-around, back-references, possessive
//! quantifiers) is refused. `\d`, `\w` and `\s` are ASCII, as in Java.

use std::borrow::Cow;

use arrow_array::types::Int32Type;
use flott_api::{Error, Result};
use regex::Regex;

use crate::operand::{Args, Text};
use crate::registry::{Binding, Kernel};

/// A pattern of which the whole text must be, with Java's letters for its flags.
pub(crate) fn whole(pattern: &str, flags: &str) -> Result<Regex> {
    let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    parse(pattern)?;
    parse(&format!("{flags}^(?:{pattern})$"))
}

fn parse(pattern: &str) -> Result<Regex> {
    let refused = |why: &str| {
        Error::unsupported(format!("the regular expression '{pattern}'"))
            .with_detail(format!("It is wrong, or needs backtracking: {why}."))
    };
    let translated = translated(pattern).map_err(refused)?;
    Regex::new(&translated).map_err(|e| refused(last_line(&e.to_string())))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// The same pattern where classes are ASCII, as Java reads them.
fn translated(pattern: &str) -> std::result::Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut classes = 0_usize;
    let mut after_quantifier = false;
    while let Some(c) = chars.next() {
        let quantifier = classes == 0 && matches!(c, '*' | '+' | '?' | '}');
        if quantifier && c == '+' && after_quantifier {
            return Err("possessive quantifiers");
        }
        after_quantifier = quantifier;
        match c {
            '\\' => escape(chars.next(), classes > 0, &mut out)?,
            '[' => {
                classes += 1;
                out.push(c);
            }
            ']' => {
                classes = classes.saturating_sub(1);
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

fn escape(escaped: Option<char>, in_class: bool, out: &mut String) -> std::result::Result<(), &'static str> {
    let class = match escaped {
        Some('d') => "0-9",
        Some('w') => "a-zA-Z0-9_",
        Some('s') => r" \t\n\x0B\x0C\r",
        Some(upper @ ('D' | 'W' | 'S')) if !in_class => {
            out.push_str(match upper {
                'D' => "[^0-9]",
                'W' => "[^a-zA-Z0-9_]",
                _ => r"[^ \t\n\x0B\x0C\r]",
            });
            return Ok(());
        }
        Some('D' | 'W' | 'S') => return Err("a negated class within a class"),
        Some('b') => {
            out.push_str(r"(?-u:\b)");
            return Ok(());
        }
        Some('B') => return Err(r"\B"),
        Some('Z') => return Err(r"\Z"),
        Some(other) => {
            out.push('\\');
            out.push(other);
            return Ok(());
        }
        None => return Err("a backslash at the end"),
    };
    match in_class {
        true => out.push_str(class),
        false => {
            out.push('[');
            out.push_str(class);
            out.push(']');
        }
    }
    Ok(())
}

/// The pattern of each row: a constant one is understood once.
struct Patterns {
    constant: Option<Regex>,
}

impl Patterns {
    fn bind(binding: &Binding<'_>) -> Result<Patterns> {
        Ok(Patterns { constant: binding.text(1).map(parse).transpose()? })
    }

    fn of<'a>(&'a self, args: &Args<'a>) -> Result<RowPatterns<'a>> {
        Ok(RowPatterns { constant: self.constant.as_ref(), texts: args.text(1)?, last: None })
    }
}

struct RowPatterns<'a> {
    constant: Option<&'a Regex>,
    texts: Text<'a>,
    last: Option<(&'a str, Regex)>,
}

impl RowPatterns<'_> {
    fn get(&mut self, row: usize) -> Result<Cow<'_, Regex>> {
        if let Some(constant) = self.constant {
            return Ok(Cow::Borrowed(constant));
        }
        let text = self.texts.get(row);
        match &self.last {
            Some((known, _)) if *known == text => {}
            _ => self.last = Some((text, parse(text)?)),
        }
        self.last.as_ref().map(|(_, r)| Cow::Borrowed(r)).ok_or_else(|| Error::internal("a pattern is missing"))
    }
}

pub(super) fn bind_matches(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        let mut failure = None;
        let truths = args.each_boolean(|row| match patterns.get(row) {
            // Flink finds the empty pattern nowhere.
            Ok(pattern) => Some(!pattern.as_str().is_empty() && pattern.is_match(texts.get(row))),
            Err(e) => {
                failure.get_or_insert(e);
                None
            }
        });
        failure.map_or(Ok(truths), Err)
    }))
}

/// The replacement is plain text: `$1` is no group in Flink.
pub(super) fn bind_replace(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, replacements, mut patterns) = (args.text(0)?, args.text(2)?, patterns.of(args)?);
        args.each_text(|row, out| {
            let text = texts.get(row);
            let mut rest = 0;
            for found in patterns.get(row)?.find_iter(text) {
                out.push(&text[rest..found.start()]);
                out.push(replacements.get(row));
                rest = found.end();
            }
            out.push(&text[rest..]);
            Ok(true)
        })
    }))
}

/// The group of that number of the first match; 0 is the whole match.
pub(super) fn bind_extract(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        let groups = if args.has(2) { Some(args.numbers::<Int32Type>(2)?) } else { None };
        args.each_text(|row, out| {
            let Ok(group) = usize::try_from(groups.as_ref().map_or(0, |g| g.get(row))) else { return Ok(false) };
            let found = patterns.get(row)?.captures(texts.get(row)).and_then(|c| c.get(group).map(|m| m.range()));
            if let Some(range) = &found {
                out.push(&texts.get(row)[range.clone()]);
            }
            Ok(found.is_some())
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ascii_and_backtracking_is_refused() {
        assert_eq!(translated(r"[\d.]+\w\b").unwrap(), r"[0-9.]+[a-zA-Z0-9_](?-u:\b)");
        assert!(!parse(r"^\d$").unwrap().is_match("١"));
        for bad in [r"(a)\1", "(?=a)", "a++", "a(", r"\"] {
            assert!(parse(bad).unwrap_err().message().ends_with("is not supported yet"), "{bad}");
        }
    }
}
