//! The Flink SQL parser: text to [`ast::Statement`].
//!
//! [`parse_script`] reads statement after statement; [`parse_statement`] reads one. Statements are Flink's, in a tree of
//! our own; queries and expressions are parsed by sqlparser, led by our dialect. What Flink's parser refuses is refused,
//! and nothing is read and dropped.
//!
//! The way of a text: `lexer` cuts it into tokens; `prepass` checks the limits and brings row patterns into the order
//! that sqlparser reads; `script` finds statements, and `grammar` reads them; `expr`, `json` and `type_grammar` are
//! called back by sqlparser through `dialect`; `encode` settles what sqlparser's tree has no word for; `check` refuses
//! what sqlparser knows and Flink does not. Errors carry line and column, and a hint where the mistake is a known one.

use flott_api::error::Result;
use sqlparser::ast::{Expr, Query};

pub mod ast;
mod case;
mod check;
mod cursor;
mod dialect;
mod encode;
mod error;
mod expr;
mod grammar;
mod json;
mod lexer;
mod prepass;
mod reserved;
mod script;
mod tangle;
mod type_grammar;
mod types;

#[cfg(test)]
mod tests;

pub use script::{FlinkParser, ParsedStatement, is_incomplete};

use ast::Statement;

/// Limits of the parser. A statement beyond one is refused with an error that names the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParserOptions {
    /// How deep parentheses, subqueries, calls and `CASE` may nest: `sql.parser.max-depth`.
    pub depth_max: usize,
    /// How many operators may follow each other on one level, as in `a OR b OR c`: `sql.parser.max-chain`.
    pub chain_max: usize,
    /// How many bytes a text may have: `sql.parser.max-length`.
    pub text_bytes_max: usize,
}

impl Default for ParserOptions {
    fn default() -> Self {
        ParserOptions { depth_max: 128, chain_max: 1000, text_bytes_max: 64 << 20 }
    }
}

/// Reads the statements of a script, one by one, with the default limits.
pub fn parse_script(text: &str) -> FlinkParser {
    FlinkParser::new(text, ParserOptions::default())
}

/// Reads a text that is one statement, with or without a semicolon.
pub fn parse_statement(text: &str) -> Result<Statement> {
    FlinkParser::new(text, ParserOptions::default()).single()
}

/// Reads a text that is one query: the definition of a view.
pub fn parse_query(text: &str) -> Result<Box<Query>> {
    FlinkParser::new(text, ParserOptions::default()).whole(grammar::query)
}

/// Reads a text that is one expression: a computed column.
pub fn parse_expression(text: &str) -> Result<Expr> {
    FlinkParser::new(text, ParserOptions::default()).whole(grammar::expression)
}
