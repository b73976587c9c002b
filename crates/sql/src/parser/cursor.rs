//! Small steps over the tokens: keywords by their text, names, strings, numbers.
//!
//! Keywords are compared as text, because sqlparser does not know all of Flink's.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::ast::{SqlOption, Text};
use super::error::{PResult, expected, fail, location_of, reserved_word};
use super::reserved;

/// The unquoted word `n` tokens ahead.
pub(crate) fn word_at<'p>(p: &'p Parser<'_>, n: usize) -> Option<&'p str> {
    match &p.peek_nth_token_ref(n).token {
        Token::Word(w) if w.quote_style.is_none() => Some(&w.value),
        _ => None,
    }
}

/// Whether that keyword stands `n` tokens ahead.
pub(crate) fn is_kw(p: &Parser<'_>, n: usize, keyword: &str) -> bool {
    word_at(p, n).is_some_and(|w| w.eq_ignore_ascii_case(keyword))
}

/// Whether these keywords follow.
pub(crate) fn are_kws(p: &Parser<'_>, keywords: &[&str]) -> bool {
    keywords.iter().enumerate().all(|(n, k)| is_kw(p, n, k))
}

/// Takes a keyword, if it follows.
pub(crate) fn kw(p: &mut Parser<'_>, keyword: &str) -> bool {
    kws(p, &[keyword])
}

/// Takes these keywords, if all follow.
pub(crate) fn kws(p: &mut Parser<'_>, keywords: &[&str]) -> bool {
    let all = are_kws(p, keywords);
    if all {
        for _ in keywords {
            p.advance_token();
        }
    }
    all
}

/// Takes a keyword, or fails.
pub(crate) fn expect_kw(p: &mut Parser<'_>, keyword: &str) -> PResult<()> {
    if kw(p, keyword) { Ok(()) } else { Err(expected(p, keyword)) }
}

/// Takes these keywords, or fails at the first that is missing.
pub(crate) fn expect_kws(p: &mut Parser<'_>, keywords: &[&str]) -> PResult<()> {
    keywords.iter().try_for_each(|k| expect_kw(p, k))
}

/// Takes the one of these keywords that follows, and gives its position in the list.
pub(crate) fn one_of(p: &mut Parser<'_>, keywords: &[&str]) -> PResult<usize> {
    match keywords.iter().position(|k| is_kw(p, 0, k)) {
        Some(position) => {
            p.advance_token();
            Ok(position)
        }
        None => Err(expected(p, &alternatives(keywords))),
    }
}

/// `A, B or C`.
pub(crate) fn alternatives(keywords: &[&str]) -> String {
    match keywords {
        [] => String::new(),
        [one] => (*one).to_string(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Whether that token stands `n` tokens ahead.
pub(crate) fn is_token(p: &Parser<'_>, n: usize, token: &Token) -> bool {
    p.peek_nth_token_ref(n).token == *token
}

/// Takes a token, or fails.
pub(crate) fn expect(p: &mut Parser<'_>, token: &Token) -> PResult<()> {
    if p.consume_token(token) { Ok(()) } else { Err(expected(p, &format!("'{token}'"))) }
}

/// A name: a word that is not reserved, or one in backticks.
pub(crate) fn ident(p: &mut Parser<'_>) -> PResult<Ident> {
    let next = p.peek_token_ref();
    let Token::Word(w) = &next.token else { return Err(expected(p, "a name")) };
    if w.quote_style.is_none() && reserved::is_reserved(&w.value) {
        return Err(reserved_word(&w.value, location_of(next)));
    }
    let ident = w.to_ident(next.span);
    p.advance_token();
    Ok(ident)
}

/// `a.b.c`.
pub(crate) fn idents(p: &mut Parser<'_>) -> PResult<Vec<Ident>> {
    let mut parts = vec![ident(p)?];
    while p.consume_token(&Token::Period) {
        parts.push(ident(p)?);
    }
    Ok(parts)
}

/// The name of an object: at most catalog, database and object.
pub(crate) fn name(p: &mut Parser<'_>) -> PResult<ObjectName> {
    const PARTS_MAX: usize = 3;
    let at = location_of(p.peek_token_ref());
    let parts = idents(p)?;
    if parts.len() > PARTS_MAX {
        return Err(fail("name has more than three parts", at, "A full name is catalog.database.object."));
    }
    Ok(ObjectName(parts.into_iter().map(ObjectNamePart::Identifier).collect()))
}

/// `(item, ..)`.
pub(crate) fn list<T>(p: &mut Parser<'_>, mut item: impl FnMut(&mut Parser<'_>) -> PResult<T>) -> PResult<Vec<T>> {
    expect(p, &Token::LParen)?;
    let items = commas(p, &mut item)?;
    if !p.consume_token(&Token::RParen) {
        return Err(expected(p, "',' or ')'"));
    }
    Ok(items)
}

/// `item, ..`.
pub(crate) fn commas<T>(p: &mut Parser<'_>, mut item: impl FnMut(&mut Parser<'_>) -> PResult<T>) -> PResult<Vec<T>> {
    let mut items = vec![item(p)?];
    while p.consume_token(&Token::Comma) {
        items.push(item(p)?);
    }
    Ok(items)
}

/// A string literal.
pub(crate) fn text(p: &mut Parser<'_>) -> PResult<Text> {
    let next = p.peek_token_ref();
    let Token::SingleQuotedString(value) = &next.token else { return Err(expected(p, "a string in single quotes")) };
    let text = Text { value: value.clone(), at: location_of(next) };
    p.advance_token();
    Ok(text)
}

/// `COMMENT 's'`, if it follows.
pub(crate) fn comment(p: &mut Parser<'_>) -> PResult<Option<Text>> {
    if kw(p, "COMMENT") { text(p).map(Some) } else { Ok(None) }
}

/// A whole number.
pub(crate) fn integer(p: &mut Parser<'_>) -> PResult<u32> {
    let next = p.peek_token_ref();
    let number = match &next.token {
        Token::Number(digits, _) => digits.parse().ok(),
        _ => return Err(expected(p, "a whole number")),
    };
    let Some(number) = number else {
        return Err(fail(format!("number {} is out of range", next.token), location_of(next), ""));
    };
    p.advance_token();
    Ok(number)
}

/// `'k' = 'v'`.
pub(crate) fn option(p: &mut Parser<'_>) -> PResult<SqlOption> {
    let key = text(p)?;
    expect(p, &Token::Eq)?;
    Ok(SqlOption { key, value: text(p)? })
}

/// `('k' = 'v', ..)`; Flink takes an empty list, too.
pub(crate) fn options(p: &mut Parser<'_>) -> PResult<Vec<SqlOption>> {
    if is_token(p, 0, &Token::LParen) && is_token(p, 1, &Token::RParen) {
        p.advance_token();
        p.advance_token();
        return Ok(Vec::new());
    }
    list(p, option)
}

/// `('k', ..)`.
pub(crate) fn keys(p: &mut Parser<'_>) -> PResult<Vec<Text>> {
    if is_token(p, 0, &Token::LParen) && is_token(p, 1, &Token::RParen) {
        p.advance_token();
        p.advance_token();
        return Ok(Vec::new());
    }
    list(p, text)
}

/// `WITH (..)`, if it follows.
pub(crate) fn with_options(p: &mut Parser<'_>) -> PResult<Vec<SqlOption>> {
    if kw(p, "WITH") { options(p) } else { Ok(Vec::new()) }
}

/// `IF NOT EXISTS`, if it follows.
pub(crate) fn if_not_exists(p: &mut Parser<'_>) -> bool {
    kws(p, &["IF", "NOT", "EXISTS"])
}

/// `IF EXISTS`, if it follows.
pub(crate) fn if_exists(p: &mut Parser<'_>) -> bool {
    kws(p, &["IF", "EXISTS"])
}
