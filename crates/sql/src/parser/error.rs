//! Errors of the grammar: what was found, what was expected, where, and what to do.
//!
//! The grammar runs inside sqlparser's `Parser`, whose error is one string. Ours carry place and hint inside that string
//! and are taken apart at the border; sqlparser's own are read back from their fixed form.

use flott_api::error::{Error, Location};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{ParserOptions, reserved};

/// What the grammar's functions return.
pub(crate) type PResult<T> = Result<T, ParserError>;

/// Parts of our errors inside the string; no text of a user holds it unescaped.
const SEPARATOR: char = '\u{1f}';

/// Where a token begins.
pub(crate) fn location_of(token: &TokenWithSpan) -> Location {
    Location { line: token.span.start.line, column: token.span.start.column }
}

/// An error at a place, with a hint or an empty string.
pub(crate) fn fail(message: impl AsRef<str>, at: Location, hint: impl AsRef<str>) -> ParserError {
    let clean = |s: &str| s.replace(SEPARATOR, " ");
    let (message, hint) = (clean(message.as_ref()), clean(hint.as_ref()));
    ParserError::ParserError(format!(
        "{SEPARATOR}{message}{SEPARATOR}{}{SEPARATOR}{}{SEPARATOR}{hint}",
        at.line, at.column
    ))
}

/// `expected X, found Y` at the next token.
pub(crate) fn expected(p: &Parser<'_>, what: &str) -> ParserError {
    let token = p.peek_token_ref();
    let found = describe(&token.token);
    fail(format!("expected {what}, found {found}"), location_of(token), hint_for(p, what))
}

/// A reserved word stands where a name must.
pub(crate) fn reserved_word(word: &str, at: Location) -> ParserError {
    let hint = format!("Put it in backticks to use it as a name: `{word}`.");
    fail(format!("'{word}' is a reserved word"), at, hint)
}

/// A token as the user knows it.
pub(crate) fn describe(token: &Token) -> String {
    match token {
        Token::EOF => "end of input".to_string(),
        Token::SingleQuotedString(s) => format!("string '{}'", shorten(s)),
        Token::Word(w) if w.quote_style.is_some() => format!("`{}`", shorten(&w.value)),
        Token::Whitespace(_) => "a hint".to_string(),
        other => format!("'{}'", shorten(&other.to_string())),
    }
}

/// The first characters of a long text.
fn shorten(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}

/// The known mistakes that leave such a token where `what` was expected.
fn hint_for(p: &Parser<'_>, what: &str) -> String {
    let index = p.index();
    let before = if index > 0 { &p.token_at(index - 1).token } else { &Token::EOF };
    mistake(&p.peek_token_ref().token, before, what)
}

/// The hint for finding `found` behind `before`, or an empty string.
fn mistake(found: &Token, before: &Token, what: &str) -> String {
    let wants_name = what.contains("name") || what.contains("identifier");
    match (before, found) {
        (Token::Comma, Token::RParen | Token::EOF | Token::SemiColon) => "Remove the comma before it.".to_string(),
        (Token::Comma, Token::Word(w)) if w.quote_style.is_none() && reserved::is_reserved(&w.value) => {
            "Remove the comma before it.".to_string()
        }
        (_, Token::Word(w)) if wants_name && w.quote_style.is_none() && reserved::is_reserved(&w.value) => {
            format!("Put it in backticks to use it as a name: `{}`.", w.value)
        }
        (_, Token::SingleQuotedString(s)) if wants_name => {
            format!("Single quotes make a string; a name takes backticks: `{}`.", shorten(s))
        }
        (Token::Word(w), Token::SingleQuotedString(_)) if w.quote_style.is_none() => {
            "A name takes no single quotes; use backticks.".to_string()
        }
        _ => String::new(),
    }
}

/// Turns an error of the grammar into the user's error.
pub(crate) fn to_error(error: ParserError, p: &Parser<'_>, end: Location, options: &ParserOptions) -> Error {
    match error {
        ParserError::RecursionLimitExceeded => too_deep(options.depth_max).at(location_of(p.peek_token_ref())),
        ParserError::TokenizerError(message) => Error::invalid(message),
        ParserError::ParserError(text) => match text.strip_prefix(SEPARATOR) {
            Some(own) => own_error(own, end),
            None => foreign_error(&text, p, end),
        },
    }
}

/// The statement is nested deeper than `sql.parser.max-depth`.
pub(crate) fn too_deep(depth_max: usize) -> Error {
    Error::invalid("statement is nested too deeply")
        .with_detail(format!("At most {depth_max} levels of parentheses, subqueries and calls are taken."))
        .with_hint("Simplify the statement, or raise `sql.parser.max-depth`.")
}

fn own_error(text: &str, end: Location) -> Error {
    let mut parts = text.split(SEPARATOR);
    let mut next = || parts.next().unwrap_or_default();
    let (message, line, column, hint) = (next(), next(), next(), next());
    finish(message.to_string(), (line, column), hint.to_string(), end)
}

/// A place in figures; nowhere if they are none.
fn location_from((line, column): (&str, &str)) -> Location {
    Location { line: line.parse().unwrap_or(0), column: column.parse().unwrap_or(0) }
}

fn finish(message: String, place: (&str, &str), hint: String, end: Location) -> Error {
    let mut at = location_from(place);
    if at.line == 0 {
        at = end;
    }
    let error = Error::invalid(message).at(at);
    if hint.is_empty() { error } else { error.with_hint(hint) }
}

/// sqlparser's `Expected: X, found: Y at Line: l, Column: c`.
fn foreign_error(text: &str, p: &Parser<'_>, end: Location) -> Error {
    let text = text.trim_end();
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, place.split_once(", Column: ").unwrap_or(("0", "0"))),
        None => (text, ("0", "0")),
    };
    let Some((what, _)) = message.strip_prefix("Expected: ").and_then(|m| m.rsplit_once(", found: ")) else {
        return finish(decapitalise(message), place, String::new(), end);
    };
    let at = location_from(place);
    let mut i = 0;
    while p.token_at(i).token != Token::EOF && location_of(p.token_at(i)) != at {
        i += 1;
    }
    let found = &p.token_at(i).token;
    let before = i.checked_sub(1).map_or(&Token::EOF, |i| &p.token_at(i).token);
    let hint = mistake(found, before, what);
    finish(format!("expected {}, found {}", wanted(what), describe(found)), place, hint, end)
}

/// What sqlparser expected, in our words.
fn wanted(what: &str) -> String {
    match what {
        // What it thinks may follow FOR behind a query.
        "one of UPDATE or SHARE" => "SYSTEM_TIME AS OF".to_string(),
        // Behind a colon, which means nothing in Flink.
        "variant object key name" => "an operator before ':'".to_string(),
        sign if !sign.contains(char::is_alphanumeric) => format!("'{sign}'"),
        other => decapitalise(other),
    }
}

/// The text with a lower-case first letter, unless it begins with a keyword.
fn decapitalise(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().collect::<String>() + chars.as_str()
        }
        (Some(first), _) => first.to_string() + chars.as_str(),
        (None, _) => String::new(),
    }
}
