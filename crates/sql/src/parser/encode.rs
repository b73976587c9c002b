//! What Flink's SQL has and sqlparser's tree has no word for: how it is kept there, and how it is printed.
//!
//! - A hint behind a table's name is lexed as `t.__FLOTT_HINTS(..)`; [`settle`] moves it into `with_hints`.
//! - `WITHIN i SUBSET u = (a, b) DEFINE ..` of a row pattern is read as
//!   `DEFINE __FLOTT_WITHIN AS i, __FLOTT_SUBSET AS (u = (a, b)), ..`.
//! - `(SELECT ..) MATCH_RECOGNIZE (..)` is read as `__FLOTT_DERIVED((SELECT ..)) MATCH_RECOGNIZE (..)`.
//!
//! Printing goes the other way: tree, marked text, canonical text.

use std::ops::ControlFlow;

use flott_api::error::Location;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, ObjectNamePartFunction, OptimizerHint,
    OptimizerHintStyle, Query, Select, Spanned, TableFactor, TableVersion, UnaryOperator, Visit, VisitMut, Visitor,
    VisitorMut,
};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Span, Token};

use super::ast::view;
use super::error::fail;
use super::lexer::{Tokens, lex};

/// How all our markers begin.
pub(crate) const MARKER: &str = "__FLOTT_";
/// The last part of a table's name that holds its hints.
pub(crate) const HINTS: &str = "__FLOTT_HINTS";
/// In printing only, the last part of a table's name that holds `FOR SYSTEM_TIME AS OF`.
const VERSION: &str = "__FLOTT_VERSION";
/// The table function that holds a query with row patterns behind it.
pub(crate) const DERIVED: &str = "__FLOTT_DERIVED";
/// The pattern variable that holds `WITHIN`.
pub(crate) const WITHIN: &str = "__FLOTT_WITHIN";
/// The pattern variable that holds one item of `SUBSET`.
pub(crate) const SUBSET: &str = "__FLOTT_SUBSET";

/// Brings a tree fresh from sqlparser into the form that users of the tree see.
pub(crate) fn settle<T: VisitMut>(tree: &mut T) -> Result<(), ParserError> {
    match tree.visit(&mut Settle) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// A query as canonical SQL.
pub(crate) fn query_to_sql(query: &Query) -> String {
    printed(query)
}

/// An expression as canonical SQL.
pub(crate) fn expr_to_sql(expr: &Expr) -> String {
    printed(expr)
}

fn printed<T: Visit + VisitMut + ToString + Clone>(tree: &T) -> String {
    if tree.visit(&mut Settled).is_continue() {
        return decode_text(tree.to_string());
    }
    let mut marked = tree.clone();
    match VisitMut::visit(&mut marked, &mut Unsettle) {
        ControlFlow::Continue(()) | ControlFlow::Break(()) => decode_text(marked.to_string()),
    }
}

/// Stops at what [`Unsettle`] would change: most trees need no copy to be printed.
struct Settled;

impl Visitor for Settled {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { with_hints, version, .. } if !with_hints.is_empty() || version.is_some() => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

struct Settle;

impl VisitorMut for Settle {
    type Break = Box<ParserError>;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        part_signs(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if select.optimizer_hints.is_empty() {
            return ControlFlow::Continue(());
        }
        match view::select_hints(select) {
            Ok(hints) => {
                let hints: Vec<String> = hints.iter().map(ToString::to_string).collect();
                let text = format!(" {} ", hints.join(", "));
                let style = OptimizerHintStyle::MultiLine;
                select.optimizer_hints = vec![OptimizerHint { prefix: String::new(), text, style }];
                ControlFlow::Continue(())
            }
            Err(error) => {
                let at = at(select.select_token.0.span);
                ControlFlow::Break(Box::new(fail(error.message(), at, error.hint().unwrap_or_default())))
            }
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table { name, with_hints, .. } = factor {
            if !with_hints.is_empty() {
                let hint = "Hints are written /*+ OPTIONS('key' = 'value') */.";
                return ControlFlow::Break(Box::new(fail(
                    "WITH behind a table is not Flink SQL",
                    at(name.span()),
                    hint,
                )));
            }
            with_hints.extend(pop_hints(name).unwrap_or_default());
        }
        if let Some(meant) = as_unnest(factor).or_else(|| as_derived(factor)) {
            *factor = meant;
        }
        ControlFlow::Continue(())
    }
}

fn at(span: Span) -> Location {
    Location { line: span.start.line, column: span.start.column }
}

/// Takes the hints off a table's name.
fn pop_hints(name: &mut ObjectName) -> Option<Vec<Expr>> {
    let marked = matches!(name.0.last(), Some(ObjectNamePart::Function(f)) if f.name.value == HINTS);
    let Some(ObjectNamePart::Function(function)) = (if marked { name.0.pop() } else { None }) else { return None };
    let expr = |arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    };
    // An argument of another form leaves too few hints, which the checks notice.
    Some(function.args.into_iter().map(|a| expr(a).unwrap_or(Expr::Tuple(Vec::new()))).collect())
}

/// A query that is marked.
fn as_derived(factor: &mut TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, alias, args: Some(args), .. } = factor else { return None };
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    if ident.value != DERIVED {
        return None;
    }
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(query)))] = args.args.as_slice() else {
        return None;
    };
    Some(TableFactor::Derived { lateral: false, subquery: query.clone(), alias: alias.take(), sample: None })
}

/// `UNNEST(..)`, which sqlparser reads as any table function here.
fn as_unnest(factor: &mut TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality, version: None, sample: None, .. } = factor
    else {
        return None;
    };
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    if ident.quote_style.is_some() || !ident.value.eq_ignore_ascii_case("UNNEST") {
        return None;
    }
    let array_exprs: Option<Vec<Expr>> = args
        .args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect();
    Some(TableFactor::UNNEST {
        alias: alias.take(),
        array_exprs: array_exprs?,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: *with_ordinality,
    })
}

/// Parentheses around the inner of two signs in a row: `--1` would print as a comment.
fn part_signs(expr: &mut Expr) {
    let sign = |op: &UnaryOperator| matches!(op, UnaryOperator::Minus | UnaryOperator::Plus);
    if let Expr::UnaryOp { op, expr: inner } = expr
        && sign(op)
        && matches!(&**inner, Expr::UnaryOp { op, .. } if sign(op))
    {
        let signed = std::mem::replace(&mut **inner, Expr::Tuple(Vec::new()));
        **inner = Expr::Nested(Box::new(signed));
    }
}

struct Unsettle;

impl VisitorMut for Unsettle {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, with_hints, version, .. } = factor else { return ControlFlow::Continue(()) };
        let mut mark = |marker: &str, exprs: Vec<Expr>| {
            let args = exprs.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect();
            name.0.push(ObjectNamePart::Function(ObjectNamePartFunction { name: Ident::new(marker), args }));
        };
        if !with_hints.is_empty() {
            mark(HINTS, std::mem::take(with_hints));
        }
        // sqlparser prints it behind the alias, Flink wants it before.
        if let Some(TableVersion::ForSystemTimeAsOf(time)) = version.take() {
            mark(VERSION, vec![time]);
        }
        ControlFlow::Continue(())
    }
}

/// Takes the markers out of printed text.
pub(crate) fn decode_text(text: String) -> String {
    if !text.contains(MARKER) {
        return text;
    }
    let tokens = lex(&text, true);
    let mut decoder = Decoder { text: &text, tokens: &tokens, at: 0, out: String::with_capacity(text.len()) };
    let mut i = 0;
    while i < tokens.tokens.len() {
        i = decoder.step(i);
    }
    decoder.copy_to(text.len());
    decoder.out
}

struct Decoder<'a> {
    text: &'a str,
    tokens: &'a Tokens,
    /// The byte up to which the text is copied.
    at: usize,
    out: String,
}

impl Decoder<'_> {
    fn start(&self, i: usize) -> usize {
        self.tokens.ranges.get(i).map_or(self.text.len(), |r| r.0 as usize)
    }

    fn end(&self, i: usize) -> usize {
        self.tokens.ranges.get(i).map_or(self.text.len(), |r| r.1 as usize)
    }

    fn is_word(&self, i: usize, word: &str) -> bool {
        matches!(self.tokens.tokens.get(i).map(|t| &t.token), Some(Token::Word(w)) if w.value == word)
    }

    fn copy_to(&mut self, end: usize) {
        self.out.push_str(&self.text[self.at.min(end)..end]);
        self.at = end;
    }

    /// Treats token `i` and gives the next one to treat.
    fn step(&mut self, i: usize) -> usize {
        if self.is_word(i + 1, HINTS) {
            return self.marked_call(i, " /*+ ", " */");
        }
        if self.is_word(i + 1, VERSION) {
            return self.marked_call(i, " FOR SYSTEM_TIME AS OF ", "");
        }
        if self.is_word(i, "DEFINE") && (self.is_word(i + 1, WITHIN) || self.is_word(i + 1, SUBSET)) {
            return self.pattern_clauses(i);
        }
        i + 1
    }

    /// `.__FLOTT_HINTS(..)`, from its period, to what Flink writes around the arguments.
    fn marked_call(&mut self, period: usize, before: &str, after: &str) -> usize {
        self.copy_to(self.start(period));
        let open = period + 2;
        let close = self.closing(open);
        self.out.push_str(before);
        self.at = self.end(open);
        self.copy_to(self.start(close));
        self.out.push_str(after);
        self.at = self.end(close);
        close + 1
    }

    /// `DEFINE __FLOTT_WITHIN AS i, __FLOTT_SUBSET AS (s), a AS ..` to `WITHIN i SUBSET s DEFINE a AS ..`.
    fn pattern_clauses(&mut self, define: usize) -> usize {
        self.copy_to(self.start(define));
        let mut i = define + 1;
        let mut subsets = Vec::new();
        loop {
            let (within, subset) = (self.is_word(i, WITHIN), self.is_word(i, SUBSET));
            if !within && !subset {
                break;
            }
            let comma = self.comma(i);
            // Behind the marker and AS; a subset stands in parentheses.
            if within {
                self.out.push_str(&format!("WITHIN {} ", &self.text[self.start(i + 2)..self.end(comma - 1)]));
            } else {
                subsets.push(&self.text[self.start(i + 3)..self.end(comma - 2)]);
            }
            i = comma + 1;
        }
        if !subsets.is_empty() {
            self.out.push_str(&format!("SUBSET {} ", subsets.join(", ")));
        }
        self.out.push_str("DEFINE ");
        self.at = self.start(i);
        i
    }

    /// The parenthesis that closes the one at `open`.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for (i, token) in self.tokens.tokens.iter().enumerate().skip(open) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 1 => return i,
                Token::RParen => depth -= 1,
                _ => {}
            }
        }
        self.tokens.tokens.len()
    }

    /// The first comma behind `from` outside parentheses.
    fn comma(&self, from: usize) -> usize {
        let mut i = from;
        while i < self.tokens.tokens.len() {
            match self.tokens.tokens[i].token {
                Token::LParen => i = self.closing(i),
                Token::Comma => return i,
                _ => {}
            }
            i += 1;
        }
        i
    }
}
