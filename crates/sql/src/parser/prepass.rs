//! Between lexer and grammar: the limits that keep parsing safe, and the tokens that are put in another order.

use flott_api::error::Error;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::ParserOptions;
use super::encode::{DERIVED, SUBSET, WITHIN};
use super::error::{location_of, too_deep};
use super::lexer::{Tokens, is_keyword};

/// Refuses what would need too much stack, before anything recurses.
///
/// A chain is a run of operators on one level, `a OR b OR c`: sqlparser reads it in a loop, but the tree is as deep as
/// the chain is long, and a tree is walked and freed by recursion.
pub(crate) fn check_limits(tokens: &[TokenWithSpan], options: &ParserOptions) -> Result<(), Error> {
    let mut levels = vec![Level::default()];
    for (i, token) in tokens.iter().enumerate() {
        let before = levels.len();
        match &token.token {
            Token::LParen if begins_query(tokens, i + 1) => levels.push(Level::of(SUBQUERY_WEIGHT, false)),
            Token::LParen | Token::LBracket => levels.push(Level::of(1, false)),
            Token::RParen | Token::RBracket => close(&mut levels, false),
            Token::SemiColon => levels = vec![Level::default()],
            Token::Word(w) if w.keyword == Keyword::CASE => levels.push(Level::of(1, true)),
            Token::Word(w) if w.keyword == Keyword::END => close(&mut levels, true),
            other => {
                let after_distinct = i > 0 && is_keyword(&tokens[i - 1].token, Keyword::DISTINCT);
                if let Some(level) = levels.last_mut() {
                    level.count(other, after_distinct);
                    if level.operators > options.chain_max {
                        return Err(too_long("operators", options.chain_max).at(location_of(token)));
                    }
                    if level.queries > options.chain_max {
                        let max = options.chain_max / QUERY_WEIGHT;
                        return Err(too_long("set operations", max).at(location_of(token)));
                    }
                }
            }
        }
        if levels.len() > before && levels.iter().map(|l| l.weight).sum::<usize>() > options.depth_max {
            return Err(too_deep(options.depth_max).at(location_of(token)));
        }
    }
    Ok(())
}

/// A subquery counts as so many levels: its tree is that much dearer to walk.
const SUBQUERY_WEIGHT: usize = 4;

/// A set operation counts as so many operators, for the same reason.
const QUERY_WEIGHT: usize = 10;

fn begins_query(tokens: &[TokenWithSpan], i: usize) -> bool {
    let is = |keyword| tokens.get(i).is_some_and(|t| is_keyword(&t.token, keyword));
    is(Keyword::SELECT) || is(Keyword::WITH) || is(Keyword::VALUES)
}

/// Leaves a `CASE`, or a parenthesis with every `CASE` left open in it.
fn close(levels: &mut Vec<Level>, is_case: bool) {
    if is_case {
        if levels.last().is_some_and(|l| l.is_case) {
            levels.pop();
        }
        return;
    }
    while levels.len() > 1 && levels.pop().is_some_and(|l| l.is_case) {}
}

fn too_long(what: &str, max: usize) -> Error {
    Error::invalid(format!("statement has too many {what} in a row"))
        .with_detail(format!("At most {max} may follow each other on one level."))
        .with_hint("Use IN for a long list of alternatives, put parts in parentheses, or raise `sql.parser.max-chain`.")
}

/// The operators seen on one level of parentheses, or in one `CASE`.
#[derive(Default)]
struct Level {
    /// How many levels it counts as.
    weight: usize,
    is_case: bool,
    /// In the expression that is open.
    operators: usize,
    /// Between queries, and of table factors that nest.
    queries: usize,
}

impl Level {
    fn of(weight: usize, is_case: bool) -> Self {
        Level { weight, is_case, ..Level::default() }
    }

    fn count(&mut self, token: &Token, after_distinct: bool) {
        match token {
            Token::Comma => self.operators = 0,
            Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => self.operators += 1,
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => self.operators += 1,
            Token::StringConcat | Token::Pipe | Token::Placeholder(_) | Token::LBrace => self.operators += 1,
            Token::Word(w) => self.count_word(w.keyword, after_distinct),
            _ => {}
        }
    }

    fn count_word(&mut self, keyword: Keyword, after_distinct: bool) {
        match keyword {
            Keyword::AND | Keyword::OR | Keyword::IS | Keyword::IN | Keyword::LIKE | Keyword::ILIKE => {
                self.operators += 1;
            }
            Keyword::BETWEEN | Keyword::SIMILAR | Keyword::RLIKE | Keyword::OVERLAPS | Keyword::AT => {
                self.operators += 1;
            }
            Keyword::NOT | Keyword::ARRAY | Keyword::MULTISET => self.operators += 1,
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::PIVOT | Keyword::UNPIVOT => {
                self.queries += QUERY_WEIGHT;
            }
            Keyword::SELECT | Keyword::WHERE | Keyword::ON | Keyword::HAVING | Keyword::QUALIFY => {
                self.operators = 0;
            }
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE if self.is_case => self.operators = 0,
            Keyword::FROM if !after_distinct => self.operators = 0,
            _ => {}
        }
    }
}

/// Puts the clauses of row patterns in the order that sqlparser reads.
pub(crate) fn reorder(tokens: &mut Tokens) {
    let mut at = 0;
    while at < tokens.tokens.len() {
        if is_keyword(&tokens.tokens[at].token, Keyword::MATCH_RECOGNIZE) {
            at += mark_query(tokens, at);
            row_pattern(tokens, at + 1);
        }
        at += 1;
    }
}

/// A query with row patterns behind it, `(SELECT ..) AS q MATCH_RECOGNIZE`, is marked as a call: sqlparser takes patterns behind
/// names only. How many tokens come in front of `at`.
fn mark_query(tokens: &mut Tokens, at: usize) -> usize {
    let token = |i: usize| tokens.tokens.get(i).map(|t| &t.token);
    let mut end = at;
    if matches!(token(end.wrapping_sub(1)), Some(Token::Word(_))) {
        end -= 1;
        if token(end.wrapping_sub(1)).is_some_and(|t| is_keyword(t, Keyword::AS)) {
            end -= 1;
        }
    }
    let Some(close) = end.checked_sub(1).filter(|close| token(*close) == Some(&Token::RParen)) else { return 0 };
    let mut depth = 0usize;
    let open = (0..=close).rev().find(|i| {
        match token(*i) {
            Some(Token::RParen) => depth += 1,
            Some(Token::LParen) => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let Some(open) = open.filter(|open| begins_query(&tokens.tokens, open + 1)) else { return 0 };
    // Behind a name, it is an argument.
    let before = open.checked_sub(1).and_then(token);
    if before.is_some_and(|t| matches!(t, Token::Word(w) if w.keyword != Keyword::FROM && w.keyword != Keyword::JOIN)) {
        return 0;
    }
    let (span, range) = (tokens.tokens[close].span, tokens.ranges[close]);
    tokens.tokens.insert(close + 1, TokenWithSpan { token: Token::RParen, span });
    tokens.ranges.insert(close + 1, range);
    insert(tokens, open, Token::LParen);
    insert(tokens, open, Token::make_word(DERIVED, None));
    3
}

/// Treats `( .. SKIP TO v .. PATTERN (..) WITHIN i SUBSET u = (..) DEFINE .. )`, whose parenthesis is at `open`.
fn row_pattern(tokens: &mut Tokens, open: usize) {
    let mut depth = 0usize;
    let (mut within, mut subset) = (None, None);
    let mut i = open;
    while i < tokens.tokens.len() {
        let variable = skip_to_variable(tokens, i);
        if depth > 1 && is_bare_exclusion(tokens, i) {
            // Behind a symbol, sqlparser takes the brace for a quantifier; not behind a parenthesis.
            insert(tokens, i, Token::LParen);
            close_exclusion(tokens, i);
        }
        match &mut tokens.tokens[i].token {
            Token::LParen => depth += 1,
            Token::RParen if depth <= 1 => return,
            Token::RParen => depth -= 1,
            // sqlparser knows it in capitals only.
            Token::Word(w) if depth > 1 && is_unquoted(w, "PERMUTE") => w.value.make_ascii_uppercase(),
            Token::Word(w) if depth == 1 && is_unquoted(w, "WITHIN") => within = Some(i),
            Token::Word(w) if depth == 1 && is_unquoted(w, "SUBSET") => subset = Some(i),
            Token::Word(w) if depth == 1 && is_unquoted(w, "DEFINE") => {
                return move_clauses(tokens, within, subset, i);
            }
            Token::Word(_) if depth == 1 && variable => insert(tokens, i + 1, Token::make_word("LAST", None)),
            _ => {}
        }
        i += 1;
    }
}

/// Whether `TO` at `i` is that of `SKIP TO v`, which means `SKIP TO LAST v`.
fn skip_to_variable(tokens: &Tokens, i: usize) -> bool {
    let token = |i: usize| tokens.tokens.get(i).map(|t| &t.token);
    let is = |i: usize, keyword| token(i).is_some_and(|t| is_keyword(t, keyword));
    let skips = i > 0 && is(i - 1, Keyword::SKIP) && is(i, Keyword::TO);
    // `SKIP TO LAST` and `SKIP TO FIRST` name a variable behind them; alone, the words are variables.
    let is_word = |t: Option<&Token>| matches!(t, Some(Token::Word(_)));
    skips && is_word(token(i + 1)) && is(i + 2, Keyword::PATTERN)
}

/// Whether `{-` stands at `i`, and not behind `(`.
fn is_bare_exclusion(tokens: &Tokens, i: usize) -> bool {
    let token = |i: usize| tokens.tokens.get(i).map(|t| &t.token);
    token(i) == Some(&Token::LBrace) && token(i + 1) == Some(&Token::Minus) && token(i - 1) != Some(&Token::LParen)
}

/// Puts `)` behind the first `}` from `i` on.
fn close_exclusion(tokens: &mut Tokens, i: usize) {
    if let Some(length) = tokens.tokens[i..].iter().position(|t| t.token == Token::RBrace) {
        let brace = i + length;
        let (span, range) = (tokens.tokens[brace].span, tokens.ranges[brace]);
        tokens.tokens.insert(brace + 1, TokenWithSpan { token: Token::RParen, span });
        tokens.ranges.insert(brace + 1, range);
    }
}

fn is_unquoted(word: &Word, text: &str) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text)
}

fn insert(tokens: &mut Tokens, at: usize, token: Token) {
    let span = tokens.tokens[at].span;
    let range = tokens.ranges[at];
    tokens.tokens.insert(at, TokenWithSpan { token, span });
    tokens.ranges.insert(at, range);
}

/// Moves `WITHIN ..` and `SUBSET ..`, which end before `define`, behind it.
fn move_clauses(tokens: &mut Tokens, within: Option<usize>, subset: Option<usize>, define: usize) {
    let Some(start) = [within, subset].into_iter().flatten().min() else { return };
    let clause = |from: Option<usize>, other: Option<usize>| {
        from.map(|from| (from + 1, other.filter(|o| *o > from).unwrap_or(define)))
    };
    let (within, subset) = (clause(within, subset), clause(subset, within));
    let mut moved = Moved::new(tokens, define);
    if let Some((from, to)) = within {
        moved.item(WITHIN, from, to, false);
    }
    if let Some((from, to)) = subset {
        for (from, to) in split_commas(&moved.from.tokens, from, to) {
            moved.item(SUBSET, from, to, true);
        }
    }
    let (new_tokens, new_ranges) = (moved.tokens, moved.ranges);
    tokens.tokens.splice(start..=define, new_tokens);
    tokens.ranges.splice(start..=define, new_ranges);
}

/// The parts between commas outside parentheses.
fn split_commas(tokens: &[TokenWithSpan], from: usize, to: usize) -> Vec<(usize, usize)> {
    let (mut depth, mut start, mut parts) = (0usize, from, Vec::new());
    for (i, token) in tokens.iter().enumerate().take(to).skip(from) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                parts.push((start, i));
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push((start, to));
    parts
}

/// The new order: `DEFINE`, then the marked items.
struct Moved<'a> {
    from: &'a Tokens,
    define: usize,
    tokens: Vec<TokenWithSpan>,
    ranges: Vec<(u32, u32)>,
}

impl<'a> Moved<'a> {
    fn new(from: &'a Tokens, define: usize) -> Self {
        let mut moved = Moved { from, define, tokens: Vec::new(), ranges: Vec::new() };
        moved.copy(define);
        moved
    }

    fn copy(&mut self, i: usize) {
        self.tokens.push(self.from.tokens[i].clone());
        self.ranges.push(self.from.ranges[i]);
    }

    fn add(&mut self, token: Token) {
        self.tokens.push(TokenWithSpan { token, span: self.from.tokens[self.define].span });
        self.ranges.push(self.from.ranges[self.define]);
    }

    /// `marker AS tokens,`, in parentheses if asked.
    fn item(&mut self, marker: &str, from: usize, to: usize, parens: bool) {
        self.add(Token::make_word(marker, None));
        self.add(Token::make_word("AS", None));
        if parens {
            self.add(Token::LParen);
        }
        (from..to).for_each(|i| self.copy(i));
        if parens {
            self.add(Token::RParen);
        }
        self.add(Token::Comma);
    }
}
