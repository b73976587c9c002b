//! A script, statement by statement.
//!
//! A statement ends where its grammar ends, and then a `;` or the end of the text must follow. So a semicolon inside a
//! string, a comment or a statement set is no end.

use std::ops::Range;

use flott_api::error::{Error, Location, Result};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::Statement;
use super::dialect::FlinkDialect;
use super::error::{PResult, expected, location_of, to_error};
use super::lexer::{self, LexError, is_keyword};
use super::{ParserOptions, grammar, prepass, tangle};

/// A statement and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedStatement {
    /// The statement.
    pub statement: Statement,
    /// Its bytes in the text, without the semicolon.
    pub text_range: Range<usize>,
    /// Where it begins.
    pub start: Location,
}

/// The parser of a script: an iterator over its statements, which ends after the first error.
pub struct FlinkParser {
    parser: Parser<'static>,
    /// The byte range of each token.
    ranges: Vec<(u32, u32)>,
    /// Where the text ends.
    end: Location,
    /// What is wrong with the text as a whole.
    failure: Option<Error>,
    /// What the lexer could not read, behind the last token.
    unread: Option<LexError>,
    options: ParserOptions,
}

impl FlinkParser {
    /// A parser of this text.
    pub fn new(text: &str, options: ParserOptions) -> Self {
        if text.len() > options.text_bytes_max {
            let error = Error::invalid(format!("text of {} bytes is too long", text.len()))
                .with_detail(format!("At most {} bytes are taken.", options.text_bytes_max))
                .with_hint("Split it, or raise `sql.parser.max-length`.");
            return FlinkParser::of(lexer::Tokens::default(), Some(error), options);
        }
        let mut tokens = lexer::lex(text, false);
        let limits = prepass::check_limits(&tokens.tokens, &options);
        let failure = limits.and_then(|()| tangle::check(&tokens.tokens)).err();
        if failure.is_some() {
            return FlinkParser::of(lexer::Tokens::default(), failure, options);
        }
        prepass::reorder(&mut tokens);
        FlinkParser::of(tokens, None, options)
    }

    fn of(tokens: lexer::Tokens, failure: Option<Error>, options: ParserOptions) -> Self {
        // One level may take several steps of recursion; levels are counted by the pre-pass, and this guards the rest.
        const STEPS_PER_LEVEL: usize = 8;
        let parser = Parser::new(&FlinkDialect)
            .with_recursion_limit(options.depth_max.saturating_mul(STEPS_PER_LEVEL))
            .with_tokens_with_locations(tokens.tokens);
        FlinkParser { parser, ranges: tokens.ranges, end: tokens.end, failure, unread: tokens.error, options }
    }

    /// The only statement of the text.
    pub(super) fn single(mut self) -> Result<Statement> {
        let first = self.next().unwrap_or_else(|| Err(Error::invalid("text holds no statement")))?;
        self.skip_semicolons();
        if let Some(error) = self.take_unread() {
            return Err(error);
        }
        match &self.parser.peek_token_ref().token {
            Token::EOF => Ok(first.statement),
            _ => {
                let error = expected(&self.parser, "the end of the statement");
                Err(self.report(error, 0).with_hint("Only one statement is taken here."))
            }
        }
    }

    /// The whole text by one rule of the grammar.
    pub(super) fn whole<T>(mut self, rule: impl FnOnce(&mut Parser<'_>) -> PResult<T>) -> Result<T> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let result = rule(&mut self.parser);
        let result = result.and_then(|parsed| match self.parser.peek_token_ref().token {
            Token::EOF => Ok(parsed),
            _ => Err(expected(&self.parser, "the end of the text")),
        });
        let at_end = self.parser.peek_token_ref().token == Token::EOF;
        match self.take_unread().filter(|_| at_end) {
            Some(error) => Err(error),
            None => result.map_err(|e| self.report(e, 0)),
        }
    }

    fn skip_semicolons(&mut self) {
        while self.parser.consume_token(&Token::SemiColon) {}
    }

    fn take_unread(&mut self) -> Option<Error> {
        self.unread.take().map(|e| e.error)
    }

    /// The user's error, with everything else thrown away so that the iterator ends.
    fn report(&mut self, error: ParserError, start: usize) -> Error {
        let error = refine(error, &self.parser, start);
        let error = to_error(error, &self.parser, self.end, &self.options);
        self.parser = Parser::new(&FlinkDialect);
        self.unread = None;
        error
    }

    /// Reads one statement and what must follow it.
    fn statement(&mut self) -> Result<ParsedStatement> {
        let first = self.parser.index();
        let start = location_of(self.parser.peek_token_ref());
        let parsed = grammar::statement(&mut self.parser);
        let last = self.parser.index().min(self.ranges.len()).saturating_sub(1);
        let parsed = parsed.and_then(|statement| match self.parser.peek_token_ref().token {
            Token::EOF => Ok(statement),
            Token::SemiColon => {
                self.parser.advance_token();
                Ok(statement)
            }
            _ => Err(expected(&self.parser, "';' or the end of input")),
        });
        // A statement that reaches the place where the lexer gave up is not whole.
        let reached_end = self.parser.token_at(self.parser.index()).token == Token::EOF;
        let closed = self.parser.index() > 0 && self.parser.token_at(self.parser.index() - 1).token == Token::SemiColon;
        if reached_end
            && !(parsed.is_ok() && closed)
            && let Some(error) = self.take_unread()
        {
            self.parser = Parser::new(&FlinkDialect);
            return Err(error);
        }
        let statement = parsed.map_err(|e| self.report(e, first))?;
        let text_range = self.ranges[first].0 as usize..self.ranges[last].1 as usize;
        Ok(ParsedStatement { statement, text_range, start })
    }
}

impl Iterator for FlinkParser {
    type Item = Result<ParsedStatement>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        self.skip_semicolons();
        match self.parser.peek_token_ref().token {
            Token::EOF => self.take_unread().map(Err),
            _ => Some(self.statement()),
        }
    }
}

/// Finds the true place of an error.
///
/// sqlparser tries a parenthesis in `FROM` as a subquery first and forgets why that failed; it also forgets what was
/// wrong behind the `=>` of an argument. So the innermost subquery around the error is parsed again, alone.
fn refine(error: ParserError, p: &Parser<'_>, start: usize) -> ParserError {
    const ROUNDS_MAX: usize = 64;
    let mut error = error;
    let mut tried = None;
    for _ in 0..ROUNDS_MAX {
        let at = place_of(&error, p, start);
        let Some(again) = suspect(p, start, at).filter(|s| tried.is_none_or(|t| *s > t)) else { break };
        tried = Some(again);
        let Some(better) = parse_again(p, again) else { break };
        error = better;
    }
    error
}

/// The token that an error names.
fn place_of(error: &ParserError, p: &Parser<'_>, start: usize) -> usize {
    let error = to_error(error.clone(), p, Location::default(), &ParserOptions::default());
    let mut i = start;
    while p.token_at(i).token != Token::EOF && Some(location_of(p.token_at(i))) != error.location() {
        i += 1;
    }
    i
}

/// Where the innermost query or argument around a token begins.
fn suspect(p: &Parser<'_>, start: usize, at: usize) -> Option<usize> {
    if p.token_at(at).token == Token::RArrow {
        return Some(at + 1);
    }
    let mut open = Vec::new();
    for i in start..at.max(start) {
        match p.token_at(i).token {
            Token::LParen => open.push(i),
            Token::RParen => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().rev().map(|i| i + 1).find(|i| begins_query(&p.token_at(*i).token))
}

fn begins_query(token: &Token) -> bool {
    [Keyword::SELECT, Keyword::WITH, Keyword::VALUES].iter().any(|k| is_keyword(token, *k))
}

/// The error of the query or argument that begins at a token, if it has one.
fn parse_again(p: &Parser<'_>, from: usize) -> Option<ParserError> {
    let mut rest: Vec<TokenWithSpan> = Vec::new();
    let mut i = from;
    while !matches!(p.token_at(i).token, Token::EOF | Token::SemiColon) {
        rest.push(p.token_at(i).clone());
        i += 1;
    }
    // The semicolon, so that an error at the end has a place.
    rest.push(p.token_at(i).clone());
    let query = begins_query(&p.token_at(from).token);
    let mut again = Parser::new(&FlinkDialect).with_recursion_limit(1000).with_tokens_with_locations(rest);
    let result =
        if query { grammar::query(&mut again).map(|_| ()) } else { grammar::expression(&mut again).map(|_| ()) };
    let closed = matches!(again.peek_token_ref().token, Token::RParen | Token::Comma);
    match result {
        Err(error) => Some(error),
        Ok(()) if !closed && query => Some(expected(&again, "')'")),
        Ok(()) => None,
    }
}

/// Whether more lines must follow: the text ends inside a string, comment, statement or statement set.
///
/// For a shell that reads lines until the statement is whole. A text of blanks and comments is not incomplete.
pub fn is_incomplete(text: &str) -> bool {
    let tokens = lexer::lex(text, false);
    if let Some(error) = &tokens.error {
        // What cannot be mended by more text is for the parser to report.
        return error.incomplete;
    }
    let mut open = Open::default();
    for i in 0..tokens.tokens.len() {
        open.token(&tokens.tokens, i);
    }
    open.tokens > 0
}

/// What is open at a point of a script.
#[derive(Default)]
struct Open {
    /// Tokens of the statement so far.
    tokens: usize,
    /// Inside `STATEMENT SET BEGIN .. END` or `BEGIN STATEMENT SET; .. END`.
    in_set: bool,
    /// `CASE`s whose `END` is to come.
    cases: usize,
}

impl Open {
    fn token(&mut self, tokens: &[TokenWithSpan], i: usize) {
        let token = &tokens[i].token;
        if *token == Token::SemiColon && !self.in_set {
            *self = Open::default();
            return;
        }
        if *token == Token::SemiColon && self.tokens == 0 {
            return;
        }
        self.tokens += 1;
        let word = |i: usize, w: &str| match &tokens[i].token {
            Token::Word(x) => x.quote_style.is_none() && x.value.eq_ignore_ascii_case(w),
            _ => false,
        };
        let are = |from: usize, words: &[&str]| words.iter().enumerate().all(|(n, w)| word(from + n, w));
        let begins_set = self.tokens == 3 && are(i - 2, &["BEGIN", "STATEMENT", "SET"]);
        if begins_set || self.tokens >= 3 && are(i - 2, &["STATEMENT", "SET", "BEGIN"]) {
            self.in_set = true;
        } else if word(i, "CASE") {
            self.cases += 1;
        } else if word(i, "END") && self.cases > 0 {
            self.cases -= 1;
        } else if word(i, "END") {
            self.in_set = false;
        }
    }
}
