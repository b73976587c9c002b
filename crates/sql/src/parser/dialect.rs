//! Flink's SQL as a dialect of sqlparser: which switches are on, and who parses what an expression begins with.
//!
//! Whatever is not named here is off. Every prefix of an expression goes through [`expr::prefix`], so sqlparser's own
//! guesses (type names before strings, keywords as names) never run.

use sqlparser::ast::{Expr, Ident, ObjectNamePart};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::encode::HINTS;
use super::{expr, reserved};

/// Flink's SQL.
#[derive(Debug)]
pub(crate) struct FlinkDialect;

/// Whether the word just taken may be an alias.
fn may_alias(p: &Parser<'_>) -> bool {
    match &p.get_current_token().token {
        Token::Word(w) => w.quote_style.is_some() || !reserved::is_reserved(&w.value),
        _ => false,
    }
}

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_' || c == '$'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_' || c == '$'
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        expr::prefix(parser)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        expr::is_qualifier(parser).then(|| Ok(self.prec_value(Precedence::DoubleColon)))
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        expr::infix(parser, left, precedence)
    }

    fn is_select_item_alias(&self, _explicit: bool, _keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        may_alias(parser)
    }

    fn is_table_factor_alias(&self, _explicit: bool, _keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        may_alias(parser)
    }

    fn is_reserved_for_identifier(&self, _keyword: Keyword) -> bool {
        false
    }

    fn is_identifier_generating_function_name(&self, ident: &Ident, _name_parts: &[ObjectNamePart]) -> bool {
        ident.quote_style.is_none() && ident.value == HINTS
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        true
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }
}
