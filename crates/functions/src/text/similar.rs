//! `SIMILAR TO`: SQL's regular expressions, as Calcite turns them into Java's.
//!
//! `%` is any text and `_` one character that ends no line; `\` and `$` are plain; all else is as in Java's patterns, also
//! what SQL does not have (`.`, `^`). With `ESCAPE` a character makes a special one plain.
//! **Does not:** what needs backtracking; it is refused, like a wrong pattern, when the query is planned.

use arrow_array::ArrayRef;
use flott_api::{Error, Result};
use regex::Regex;

use crate::operand::Args;
use crate::registry::{Binding, Kernel};

/// What means something in SQL's patterns.
const SPECIAL: &str = "[]()|^-+*_%?{}";
/// What means something in Java's.
const SPECIAL_IN_JAVA: &str = r"[]()|^-+*?{}$\.";
/// One character that ends no line.
const ONE: &str = r"[^\n\r\x{85}\x{2028}\x{2029}]";
/// Names of classes, in upper or lower case, and what is in them.
const CLASSES: [(&str, &str); 7] = [
    ("ALPHA", "a-zA-Z"),
    ("UPPER", "A-Z"),
    ("LOWER", "a-z"),
    ("DIGIT", "0-9"),
    ("SPACE", " "),
    ("WHITESPACE", r" \t\n\x0B\x0C\r"),
    ("ALNUM", "a-zA-Z0-9"),
];

fn wrong(pattern: &str) -> Error {
    Error::data(format!("invalid regular expression '{pattern}' behind SIMILAR TO"))
}

fn wrong_escape(pattern: &str) -> Error {
    Error::data(format!("invalid escape sequence in the pattern '{pattern}' behind SIMILAR TO"))
}

/// The same pattern for the engine, without ends.
fn translated(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() * 2);
    let (mut rest, mut after_quantifier) = (pattern, false);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let is_repeated = std::mem::take(&mut after_quantifier);
        match c {
            c if Some(c) == escape => escaped(&mut rest, escape, &mut out).ok_or_else(|| wrong_escape(pattern))?,
            '_' | '.' => out.push_str(ONE),
            '%' => out.push_str("(?s:.*)"),
            '[' => rest = class(rest, escape, &mut out).ok_or_else(|| wrong(pattern))?,
            ']' => return Err(wrong(pattern)),
            '\\' | '$' => out.extend(['\\', c]),
            '+' if is_repeated => return Err(wrong(pattern).with_detail("Possessive quantifiers need backtracking.")),
            c => {
                after_quantifier = matches!(c, '*' | '+' | '?') || c == '}' && out.contains('{');
                out.push(c);
            }
        }
    }
    Ok(out)
}

/// What follows the escape character: a special one, or itself.
fn escaped(rest: &mut &str, escape: Option<char>, out: &mut String) -> Option<()> {
    let next = rest.chars().next()?;
    if !SPECIAL.contains(next) && Some(next) != escape {
        return None;
    }
    *rest = &rest[next.len_utf8()..];
    if SPECIAL_IN_JAVA.contains(next) {
        out.push('\\');
    }
    out.push(next);
    Some(())
}

/// A list of characters up to its `]`; gives what follows it.
fn class<'p>(mut rest: &'p str, escape: Option<char>, out: &mut String) -> Option<&'p str> {
    out.push('[');
    loop {
        let c = rest.chars().next()?;
        if let Some((name, behind)) = rest.strip_prefix("[:").and_then(|named| named.split_once(":]")) {
            let is_it = |(known, _): &&(&str, &str)| *known == name || known.to_lowercase() == name;
            out.push_str(CLASSES.iter().find(is_it)?.1);
            rest = behind;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            ']' => break,
            c if Some(c) == escape => escaped(&mut rest, escape, out)?,
            '-' | '^' => out.push(c),
            c if SPECIAL.contains(c) => return None,
            // These mean something in a class of the engine.
            '\\' | '&' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(']');
    Some(rest)
}

/// An escape character that is special itself stands before special ones only.
fn check_escape(pattern: &str, escape: char) -> Result<()> {
    if escape == ':' && !(pattern.contains("[:") && pattern.contains(":]")) {
        return Err(wrong_escape(pattern));
    }
    if !SPECIAL.contains(escape) {
        return Ok(());
    }
    let mut pairs = pattern.chars().zip(pattern.chars().skip(1).map(Some).chain([None]));
    let is_wrong = |(c, next): (char, Option<char>)| c == escape && !next.is_some_and(|next| SPECIAL.contains(next));
    if pairs.any(is_wrong) { Err(wrong_escape(pattern)) } else { Ok(()) }
}

fn compiled(pattern: &str, escape: Option<&str>) -> Result<Regex> {
    let escape = escape.map(super::like::escape_of).transpose()?;
    if let Some(escape) = escape {
        check_escape(pattern, escape)?;
    }
    let translated = translated(pattern, escape)?;
    // Parentheses must be closed in the pattern itself, not by those around it.
    let whole = Regex::new(&translated).and_then(|_| Regex::new(&format!(r"\A(?:{translated})\z")));
    whole.map_err(|_| wrong(pattern).with_detail("It is wrong, or needs backtracking."))
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let has_escape = binding.args.len() == 3;
    match (binding.text(1), binding.text(2)) {
        (Some(pattern), escape) if !has_escape || escape.is_some() => {
            let pattern = compiled(pattern, escape)?;
            Ok(Box::new(move |args| {
                let texts = args.text(0)?;
                Ok(args.each_boolean(|row| Some(pattern.is_match(texts.get(row)))))
            }))
        }
        _ => Ok(Box::new(move |args| by_row(args, has_escape))),
    }
}

/// The pattern comes with the row; the last one is kept.
fn by_row(args: &Args<'_>, has_escape: bool) -> Result<ArrayRef> {
    let (texts, patterns) = (args.text(0)?, args.text(1)?);
    let escapes = if has_escape { Some(args.text(2)?) } else { None };
    let nulls = args.nulls();
    let mut last: Option<((&str, Option<&str>), Regex)> = None;
    let mut truths = arrow_array::builder::BooleanBuilder::with_capacity(args.rows);
    for row in 0..args.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            truths.append_null();
            continue;
        }
        let key = (patterns.get(row), escapes.as_ref().map(|e| e.get(row)));
        if last.as_ref().is_none_or(|(known, _)| *known != key) {
            last = Some((key, compiled(key.0, key.1)?));
        }
        truths.append_option(last.as_ref().map(|(_, pattern)| pattern.is_match(texts.get(row))));
    }
    Ok(std::sync::Arc::new(truths.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (text, pattern, expected) in [
            ("abc", "a%", true),
            ("abc", "(b|c)%", false),
            ("abc", "a[b-c]+", true),
            ("abc", "a[^b]c", false),
            ("abc", "a.c", true),
            ("a$", "a$", true),
            ("^a", "^a", false),
            (r"a\b", r"a\b", true),
            ("a5", "a[:DIGIT:]", false),
            ("a5", "a[[:digit:]]", true),
            ("a\nb", "a%b", true),
            ("a\nb", "a_b", false),
            ("a\\", r"a[\]", true),
            ("b", "[abc^b]", true),
            ("a}b", "a}b", true),
            ("", "%", true),
        ] {
            assert_eq!(compiled(pattern, None).unwrap().is_match(text), expected, "{text} SIMILAR TO {pattern}");
        }
    }

    #[test]
    fn an_escape_character_makes_special_ones_plain() {
        for (text, pattern) in [("a%c", "a!%c"), ("a(c", "a!(c"), ("a!c", "a!!c"), ("a]", "a[!]]")] {
            assert!(compiled(pattern, Some("!")).unwrap().is_match(text), "{text} SIMILAR TO {pattern}");
        }
        for (pattern, escape) in [("a!bc", "!"), ("abc!", "!"), ("abc", "!!"), ("abc", ""), ("%b%", "%"), ("a", ":")] {
            assert!(compiled(pattern, Some(escape)).is_err(), "{pattern} ESCAPE {escape}");
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for pattern in ["a[[:BLANK:]]", "a[%]", "a(", "a[", "a)", "a]", "*a", "a{b", "[b-a]", "[]", "a)(b", "a*+"] {
            assert!(compiled(pattern, None).is_err(), "{pattern}");
        }
    }
}
