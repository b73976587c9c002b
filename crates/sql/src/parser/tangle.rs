//! Refuses parentheses in `FROM` that would be parsed over and over.
//!
//! sqlparser reads `FROM ((` as a subquery first and, if that fails, as a join: the inside of `((SELECT ..) a JOIN b)` is
//! read twice, that of two such parentheses four times, and thirty of them never end. The work is known beforehand:
//! the tokens inside, doubled for each such parenthesis around them.

use flott_api::error::Error;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::location_of;
use super::lexer::is_keyword;

/// How many tokens may be read again and again.
const WORK_MAX: usize = 2_000_000;
/// So many doublings are always allowed.
const DOUBLINGS_FREE: u32 = 2;

/// A parenthesis that is open.
struct Group {
    start: usize,
    /// Whether sqlparser reads it twice.
    doubles: bool,
    /// Whether a query or join is inside, at any depth.
    has_query: bool,
    /// How often, at most, something inside is doubled.
    doublings: u32,
}

/// Refuses a text that needs too much work.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let mut open: Vec<Group> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => {
                let doubles = doubles(tokens, i, open.last());
                open.push(Group { start: i, doubles, has_query: false, doublings: 0 });
            }
            Token::RParen => {
                let Some(group) = open.pop() else { continue };
                let doublings = group.doublings + u32::from(group.doubles && group.has_query);
                if is_too_much(doublings, i - group.start) {
                    return Err(tangled(&tokens[group.start]));
                }
                if let Some(outer) = open.last_mut() {
                    outer.has_query |= group.has_query;
                    outer.doublings = outer.doublings.max(doublings);
                }
            }
            other if is_keyword(other, Keyword::SELECT) || is_keyword(other, Keyword::JOIN) => {
                if let Some(group) = open.last_mut() {
                    group.has_query = true;
                }
            }
            _ => {}
        }
    }
    // What is left open fails in the end, but only after all the work.
    let mut doublings = 0;
    while let Some(group) = open.pop() {
        doublings = group.doublings.max(doublings) + u32::from(group.doubles);
        if is_too_much(doublings, tokens.len() - group.start) {
            return Err(tangled(&tokens[group.start]));
        }
    }
    Ok(())
}

fn is_too_much(doublings: u32, size: usize) -> bool {
    doublings > DOUBLINGS_FREE
        && size.checked_shl(doublings).is_none_or(|work| work > WORK_MAX || work >> doublings != size)
}

/// Whether the parenthesis at `i` may begin a table, and a second one follows.
fn doubles(tokens: &[TokenWithSpan], i: usize, outer: Option<&Group>) -> bool {
    let next = tokens.get(i + 1).is_some_and(|t| t.token == Token::LParen);
    let table = match i.checked_sub(1).map(|before| &tokens[before].token) {
        Some(Token::Comma) => true,
        Some(Token::LParen) => outer.is_some_and(|o| o.doubles),
        Some(Token::Word(w)) => matches!(w.keyword, Keyword::FROM | Keyword::JOIN | Keyword::USING),
        _ => false,
    };
    next && table
}

fn tangled(token: &TokenWithSpan) -> Error {
    Error::invalid("joins and subqueries are too tangled to parse")
        .at(location_of(token))
        .with_hint("Remove parentheses in FROM, or name the inner queries in a WITH clause.")
}
