//! `LIKE`: `%` is any text, `_` one character, and with `ESCAPE` a character that makes them plain.
//!
//! A constant pattern is understood once; simple ones (`abc`, `abc%`, `%abc`, `%abc%`) need no
//! matching by character.

use arrow_array::ArrayRef;
use flott_api::{Error, Result};

use crate::operand::Args;
use crate::registry::{Binding, Kernel};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    One,
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Equal(String),
    Start(String),
    End(String),
    Inside(String),
    Pieces(Vec<Piece>),
}

impl Pattern {
    fn parse(pattern: &str, escape: Option<char>) -> Result<Pattern> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut chars = pattern.chars();
        let mut flush = |text: &mut String, next: Option<Piece>| {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(text)));
            }
            // Several % are one.
            if next.is_some() && !(next == Some(Piece::Any) && pieces.last() == Some(&Piece::Any)) {
                pieces.extend(next);
            }
        };
        while let Some(c) = chars.next() {
            match c {
                c if Some(c) == escape => match chars.next() {
                    Some(plain) if matches!(plain, '%' | '_') || Some(plain) == escape => text.push(plain),
                    _ => return Err(Error::data(format!("invalid escape sequence in the LIKE pattern '{pattern}'"))),
                },
                '%' => flush(&mut text, Some(Piece::Any)),
                '_' => flush(&mut text, Some(Piece::One)),
                c => text.push(c),
            }
        }
        flush(&mut text, None);
        Ok(Pattern::simplified(pieces))
    }

    fn simplified(pieces: Vec<Piece>) -> Pattern {
        match pieces.as_slice() {
            [] => Pattern::Equal(String::new()),
            [Piece::Text(text)] => Pattern::Equal(text.clone()),
            [Piece::Any] => Pattern::Start(String::new()),
            [Piece::Text(text), Piece::Any] => Pattern::Start(text.clone()),
            [Piece::Any, Piece::Text(text)] => Pattern::End(text.clone()),
            [Piece::Any, Piece::Text(text), Piece::Any] => Pattern::Inside(text.clone()),
            _ => Pattern::Pieces(pieces),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Equal(whole) => text == whole,
            Pattern::Start(start) => text.starts_with(start.as_str()),
            Pattern::End(end) => text.ends_with(end.as_str()),
            Pattern::Inside(part) => memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some(),
            Pattern::Pieces(pieces) => matches(pieces, text),
        }
    }
}

/// Goes on greedily; on a mismatch the last `%` takes one character more. Earlier ones need not be
/// tried again, so the time is at most the product of the lengths.
fn matches(pieces: &[Piece], text: &str) -> bool {
    let (mut piece, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let advanced = match pieces.get(piece) {
            None => rest.is_empty().then_some(rest),
            Some(Piece::Any) => {
                retry = Some((piece + 1, rest));
                Some(rest)
            }
            Some(Piece::One) => skip_one(rest),
            Some(Piece::Text(text)) => rest.strip_prefix(text.as_str()),
        };
        match (advanced, retry) {
            (Some(_), _) if piece == pieces.len() => return true,
            (Some(after), _) => (piece, rest) = (piece + 1, after),
            (None, Some((next, from))) => match skip_one(from) {
                Some(from) => {
                    retry = Some((next, from));
                    (piece, rest) = (next, from);
                }
                None => return false,
            },
            (None, None) => return false,
        }
    }
}

fn skip_one(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

pub(super) fn escape_of(text: &str) -> Result<char> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(Error::invalid(format!("invalid escape character '{text}'"))
            .with_hint("An escape character is a single character.")),
    }
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let has_escape = binding.args.len() == 3;
    let escape = binding.text(2).map(escape_of).transpose()?;
    match binding.text(1) {
        Some(pattern) if !has_escape || escape.is_some() => {
            let pattern = Pattern::parse(pattern, escape)?;
            Ok(Box::new(move |args| {
                let texts = args.text(0)?;
                Ok(args.each_boolean(|row| Some(pattern.matches(texts.get(row)))))
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
    let mut last: Option<((&str, &str), Pattern)> = None;
    let mut truths = arrow_array::builder::BooleanBuilder::with_capacity(args.rows);
    for row in 0..args.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            truths.append_null();
            continue;
        }
        let key = (patterns.get(row), escapes.as_ref().map_or("", |e| e.get(row)));
        if last.as_ref().is_none_or(|(known, _)| *known != key) {
            let escape = if has_escape { Some(escape_of(key.1)?) } else { None };
            last = Some((key, Pattern::parse(key.0, escape)?));
        }
        truths.append_option(last.as_ref().map(|(_, pattern)| pattern.matches(texts.get(row))));
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
            ("abc", "_bc", true),
            ("abc", "b", false),
            ("abc", "", false),
            ("", "%", true),
            ("aXbXc", "a%b%c", true),
            ("aXbX", "a%b%c", false),
            ("a.c", "a.c", true),
            ("abc", "abc%%", true),
            ("äöü", "__ü", true),
            ("😀", "_", true),
            ("aab", "%ab", true),
            ("mississippi", "%iss%ip%i", true),
            ("abc", "%_d", false),
            ("a\nb", "a%b", true),
        ] {
            assert_eq!(Pattern::parse(pattern, None).unwrap().matches(text), expected, "{text} LIKE {pattern}");
        }
        let escaped = Pattern::parse("a!%c", Some('!')).unwrap();
        assert!(escaped.matches("a%c") && !escaped.matches("abc"));
        assert!(Pattern::parse("a!b", Some('!')).is_err());
    }
}
