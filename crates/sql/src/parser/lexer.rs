//! Text to tokens, by Flink's lexical rules (Calcite's Java lex): backticks quote identifiers, `'` quotes strings,
//! `"` quotes nothing; `e'\n'`, `U&'\00e9'` and `x'ff'` are literals; `--`, `//` and `/* */` are comments.
//!
//! The tokens are sqlparser's. Blanks and comments are dropped, so a 10 MB `VALUES` costs half; the byte range of each
//! token is kept beside it. A hint `/*+ .. */` behind `SELECT` becomes the comment token that sqlparser reads; elsewhere
//! it becomes `. __FLOTT_HINTS ( .. )`, a part of the table's name (see `encode`). String literals come out unescaped,
//! whatever their notation.

use flott_api::error::{Error, Location};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{self, Span, Token, TokenWithSpan, Whitespace};

use super::encode::{HINTS, MARKER};

mod literal;

/// The tokens of a text.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// The tokens, with lines and columns in characters.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// The byte range of each token.
    pub(crate) ranges: Vec<(u32, u32)>,
    /// Where the text ends.
    pub(crate) end: Location,
    /// What stopped the lexer before the end; the tokens before it are good.
    pub(crate) error: Option<LexError>,
}

/// What the lexer cannot read.
#[derive(Debug)]
pub(crate) struct LexError {
    /// What is wrong and where.
    pub(crate) error: Error,
    /// Whether more text could mend it: an open string, identifier or comment.
    pub(crate) incomplete: bool,
}

type LexResult<T> = Result<T, LexError>;

/// Cuts a text into tokens. `own` is true for text that we printed, where our markers may occur.
pub(crate) fn lex(text: &str, own: bool) -> Tokens {
    let mut lexer = Lexer { text, at: 0, line: 1, column: 1, out: Tokens::default(), in_hint: false, own };
    let error = lexer.run().err();
    let end = lexer.location();
    Tokens { end, error, ..lexer.out }
}

struct Lexer<'a> {
    text: &'a str,
    /// Byte offset of the next character.
    at: usize,
    line: u64,
    column: u64,
    out: Tokens,
    in_hint: bool,
    own: bool,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) -> LexResult<()> {
        while self.skip_blanks()? {
            self.token()?;
        }
        if self.in_hint {
            return Err(self.incomplete("hint is not closed", self.location(), "Add `*/`."));
        }
        Ok(())
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    /// Takes characters while they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&fits) {
            self.bump();
        }
        &self.text[start..self.at]
    }

    fn location(&self) -> Location {
        Location { line: self.line, column: self.column }
    }

    fn error(&self, message: impl Into<String>, at: Location, hint: &str) -> LexError {
        let error = Error::invalid(message).at(at);
        LexError { error: if hint.is_empty() { error } else { error.with_hint(hint) }, incomplete: false }
    }

    fn incomplete(&self, message: impl Into<String>, at: Location, hint: &str) -> LexError {
        LexError { incomplete: true, ..self.error(message, at, hint) }
    }

    /// Skips blanks and comments; false at the end of the text.
    fn skip_blanks(&mut self) -> LexResult<bool> {
        loop {
            match self.peek() {
                None => return Ok(false),
                // A byte order mark is a blank, too.
                Some(c) if c.is_whitespace() || c == '\u{feff}' => {
                    self.bump();
                }
                Some('-') if self.rest().starts_with("--") => self.skip_line(),
                Some('/') if self.rest().starts_with("//") => self.skip_line(),
                Some('/') if self.rest().starts_with("/*") && !self.rest().starts_with("/*+") => {
                    let start = self.location();
                    self.through("*/", "comment is not closed", start)?;
                }
                Some(_) => return Ok(true),
            }
        }
    }

    fn skip_line(&mut self) {
        self.take_while(|c| c != '\n');
    }

    /// Takes everything up to and including `end`.
    fn through(&mut self, end: &str, message: &str, start: Location) -> LexResult<&'a str> {
        let from = self.at;
        let Some(length) = self.rest().find(end) else {
            return Err(self.incomplete(message, start, &format!("Add `{end}`.")));
        };
        let stop = self.at + length + end.len();
        while self.at < stop {
            self.bump();
        }
        Ok(&self.text[from..stop - end.len()])
    }

    fn push(&mut self, token: Token, start: (usize, Location)) {
        let point = |l: Location| tokenizer::Location { line: l.line, column: l.column };
        let span = Span { start: point(start.1), end: point(self.location()) };
        self.out.tokens.push(TokenWithSpan { token, span });
        // The length of a text is bounded far below 4 GB by `ParserOptions`.
        self.out.ranges.push((start.0 as u32, self.at as u32));
    }

    fn here(&self) -> (usize, Location) {
        (self.at, self.location())
    }

    /// Reads one token that begins here.
    fn token(&mut self) -> LexResult<()> {
        let start = self.here();
        let Some(c) = self.peek() else { return Ok(()) };
        match c {
            '\'' => {
                let value = self.quoted('\'', "string")?;
                self.push(Token::SingleQuotedString(value), start);
            }
            '`' => {
                let value = self.quoted('`', "identifier")?;
                self.own_words_only(&value, start.1)?;
                if value.is_empty() {
                    return Err(self.error("identifier is empty", start.1, ""));
                }
                self.push(Token::make_word(&value, Some('`')), start);
            }
            '0'..='9' => self.number(start),
            '.' if self.peek_second().is_some_and(|c| c.is_ascii_digit()) && !self.after_name() => self.number(start),
            c if is_identifier_start(c) => self.word(start)?,
            '/' if self.rest().starts_with("/*+") => self.hint_begin(start)?,
            '*' if self.in_hint && self.rest().starts_with("*/") => {
                self.bump();
                self.bump();
                self.in_hint = false;
                self.push(Token::RParen, start);
            }
            _ => self.operator(c, start)?,
        }
        Ok(())
    }

    /// Whether the last token ends a name or value, so that a `.` behind it is an access and not a number.
    fn after_name(&self) -> bool {
        let last = self.out.tokens.last().map(|t| &t.token);
        matches!(last, Some(Token::Word(_) | Token::RParen | Token::RBracket))
    }

    /// `'it''s'` or `` `a``b` ``, without its quotes.
    fn quoted(&mut self, quote: char, what: &str) -> LexResult<String> {
        let start = self.location();
        self.bump();
        let mut value = String::new();
        loop {
            value.push_str(self.take_while(|c| c != quote));
            if self.bump().is_none() {
                let hint = format!("Close it with a {quote} quote.");
                return Err(self.incomplete(format!("{what} is not closed"), start, &hint));
            }
            if self.peek() != Some(quote) {
                return Ok(value);
            }
            self.bump();
            value.push(quote);
        }
    }

    fn number(&mut self, start: (usize, Location)) {
        let digits = |c: char| c.is_ascii_digit();
        self.take_while(digits);
        if self.peek() == Some('.') {
            self.bump();
            self.take_while(digits);
        }
        let exponent = self.rest().strip_prefix(['e', 'E']).map(|r| r.strip_prefix(['+', '-']).unwrap_or(r));
        if exponent.is_some_and(|r| r.starts_with(digits)) {
            self.bump();
            self.bump();
            self.take_while(digits);
        }
        let text = self.text[start.0..self.at].to_string();
        self.push(Token::Number(text, false), start);
    }

    fn word(&mut self, start: (usize, Location)) -> LexResult<()> {
        if self.prefixed_literal(start)? {
            return Ok(());
        }
        let word = self.take_while(is_identifier_part);
        self.own_words_only(word, start.1)?;
        self.push(Token::make_word(word, None), start);
        Ok(())
    }

    fn own_words_only(&self, word: &str, at: Location) -> LexResult<()> {
        if !self.own && word.starts_with(MARKER) {
            return Err(self.error(format!("identifier '{word}' is not allowed"), at, "The prefix is taken by Flott."));
        }
        Ok(())
    }

    /// `/*+`: behind `SELECT` the whole hint as one token, elsewhere the start of a list.
    fn hint_begin(&mut self, start: (usize, Location)) -> LexResult<()> {
        let after_select = self.out.tokens.last().is_some_and(|t| is_keyword(&t.token, Keyword::SELECT));
        if after_select {
            let text = self.through("*/", "hint is not closed", start.1)?;
            // Without the slash and star, as sqlparser's own tokenizer leaves it.
            let comment = Whitespace::MultiLineComment(text[2..].to_string());
            self.push(Token::Whitespace(comment), start);
            return Ok(());
        }
        if self.in_hint {
            return Err(self.error("hint inside a hint", start.1, ""));
        }
        for _ in 0..3 {
            self.bump();
        }
        self.in_hint = true;
        for token in [Token::Period, Token::make_word(HINTS, None), Token::LParen] {
            self.push(token, start);
        }
        Ok(())
    }

    fn operator(&mut self, c: char, start: (usize, Location)) -> LexResult<()> {
        let (token, length) = match (c, self.peek_second()) {
            ('<', Some('=')) => (Token::LtEq, 2),
            ('<', Some('>')) => (Token::Neq, 2),
            ('>', Some('=')) => (Token::GtEq, 2),
            ('=', Some('>')) => (Token::RArrow, 2),
            ('|', Some('|')) => (Token::StringConcat, 2),
            (':', Some(':')) => return Err(self.stranger(c, Some(':'), start.1)),
            // Between key and value of `JSON_OBJECT`.
            (':', _) => (Token::Colon, 1),
            (c, second) => match single(c) {
                Some(token) => (token, 1),
                None => return Err(self.stranger(c, second, start.1)),
            },
        };
        for _ in 0..length {
            self.bump();
        }
        self.push(token, start);
        Ok(())
    }

    /// The error for a character that begins no token.
    fn stranger(&self, c: char, second: Option<char>, at: Location) -> LexError {
        match (c, second) {
            ('"', _) => self.error(
                "double quotes are not Flink SQL",
                at,
                "Strings take single quotes, as in 'text'; identifiers take backticks, as in `name`.",
            ),
            ('!', Some('=')) => self.error("operator '!=' is not Flink SQL", at, "Write `<>` for not equal."),
            (':', Some(':')) => self.error("operator '::' is not Flink SQL", at, "Write CAST(value AS type)."),
            ('&', Some('&')) => self.error("operator '&&' is not Flink SQL", at, "Write AND."),
            _ => self.error(format!("unexpected character '{c}'"), at, ""),
        }
    }
}

/// The tokens of one character.
fn single(c: char) -> Option<Token> {
    Some(match c {
        '(' => Token::LParen,
        ')' => Token::RParen,
        '[' => Token::LBracket,
        ']' => Token::RBracket,
        '{' => Token::LBrace,
        '}' => Token::RBrace,
        ',' => Token::Comma,
        ';' => Token::SemiColon,
        '.' => Token::Period,
        '=' => Token::Eq,
        '<' => Token::Lt,
        '>' => Token::Gt,
        '+' => Token::Plus,
        '-' => Token::Minus,
        '*' => Token::Mul,
        '/' => Token::Div,
        '%' => Token::Mod,
        '|' => Token::Pipe,
        '^' => Token::Caret,
        // A quantifier of a row pattern.
        '?' => Token::Placeholder("?".to_string()),
        _ => return None,
    })
}

/// Whether a token is that unquoted keyword.
pub(crate) fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(w) if w.keyword == keyword)
}

fn is_identifier_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_identifier_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}
