//! Reads back what sqlparser's tree holds in a form of ours: hints, table arguments, maps, JSON clauses, and the
//! `WITHIN` and `SUBSET` of row patterns.

use std::fmt;

use flott_api::error::{Error, Result};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    Query, Select, SymbolDefinition, TableAlias, TableFactor, Value,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::print::parens;
use super::{SqlOption, SqlType, Text, ident_location};
use crate::parser::dialect::FlinkDialect;
use crate::parser::encode::{SUBSET, WITHIN};
use crate::parser::lexer::lex;

/// `OPTIONS('k' = 'v')`, `BROADCAST(a, b)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    /// Its name as written; hint names ignore case.
    pub name: Ident,
    /// Its arguments.
    pub args: HintArgs,
}

/// The arguments of a hint.
#[derive(Clone, Debug, PartialEq)]
pub enum HintArgs {
    /// No parentheses.
    None,
    /// `'k' = 'v', ..`.
    Options(Vec<SqlOption>),
    /// `a, b`; a string has `'` as its quote.
    Names(Vec<Ident>),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.args {
            HintArgs::None => write!(f, "{}", self.name),
            HintArgs::Options(options) => write!(f, "{}{}", self.name, parens(options)),
            HintArgs::Names(names) => write!(f, "{}{}", self.name, parens(names)),
        }
    }
}

impl Hint {
    /// The hint that an expression of `with_hints` is.
    pub fn of(expr: &Expr) -> Result<Hint> {
        match expr {
            Expr::Identifier(name) => Ok(Hint { name: name.clone(), args: HintArgs::None }),
            Expr::Function(function) => hint_of_call(function),
            other => Err(Error::invalid(format!("hint '{other}' is no hint"))
                .with_hint("Write NAME('key' = 'value') or NAME(table).")),
        }
    }
}

fn hint_of_call(function: &Function) -> Result<Hint> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
        return Err(Error::invalid(format!("hint name '{}' has several parts", function.name)));
    };
    let plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
    let args = positional(function).filter(|_| plain);
    let Some(args) = args else {
        return Err(Error::invalid(format!("arguments of hint '{name}' are not understood")));
    };
    let options: Option<Vec<SqlOption>> = args.iter().map(|e| option_of(e)).collect();
    let names: Option<Vec<Ident>> = args.iter().map(|e| name_of(e)).collect();
    match (options, names) {
        (_, Some(names)) => Ok(Hint { name: name.clone(), args: HintArgs::Names(names) }),
        (Some(options), None) => Ok(Hint { name: name.clone(), args: HintArgs::Options(options) }),
        (None, None) => Err(Error::invalid(format!("arguments of hint '{name}' are neither options nor names"))
            .at(ident_location(name))
            .with_hint("Write 'key' = 'value' with single quotes.")),
    }
}

/// The arguments of a call without names, clauses or DISTINCT.
fn positional(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args.iter().map(unnamed).collect()
}

fn unnamed(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn string_of(expr: &Expr) -> Option<Text> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(s) => {
                let at = flott_api::error::Location { line: v.span.start.line, column: v.span.start.column };
                Some(Text { value: s.clone(), at })
            }
            _ => None,
        },
        _ => None,
    }
}

fn option_of(expr: &Expr) -> Option<SqlOption> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = expr else { return None };
    let key = match &**left {
        Expr::Identifier(key) => Text { value: key.value.clone(), at: ident_location(key) },
        other => string_of(other)?,
    };
    Some(SqlOption { key, value: string_of(right)? })
}

fn name_of(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(name) => Some(name.clone()),
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => Some(Ident::new(n.clone())),
            _ => string_of(expr).map(|s| Ident::with_quote('\'', s.value)),
        },
        _ => None,
    }
}

/// The hints behind a table.
pub fn table_hints(factor: &TableFactor) -> Result<Vec<Hint>> {
    match factor {
        TableFactor::Table { with_hints, .. } => with_hints.iter().map(Hint::of).collect(),
        _ => Ok(Vec::new()),
    }
}

/// The hints behind `SELECT`.
pub fn select_hints(select: &Select) -> Result<Vec<Hint>> {
    let mut hints = Vec::new();
    for hint in &select.optimizer_hints {
        hints.extend(parse_hints(&hint.text)?);
    }
    Ok(hints)
}

/// The hints in a text.
fn parse_hints(text: &str) -> Result<Vec<Hint>> {
    let bad = || Error::invalid("hint is not understood").with_hint("Write NAME('key' = 'value') or NAME(table).");
    let tokens = lex(text, false);
    if tokens.error.is_some() {
        return Err(bad());
    }
    let mut p = Parser::new(&FlinkDialect).with_tokens_with_locations(tokens.tokens);
    let exprs = p.parse_comma_separated(Parser::parse_expr).map_err(|_| bad())?;
    if p.peek_token_ref().token != Token::EOF {
        return Err(bad());
    }
    exprs.iter().map(Hint::of).collect()
}

/// `TABLE t PARTITION BY k ORDER BY ts`: a table as an argument.
#[derive(Clone, Debug, PartialEq)]
pub struct TableArg {
    /// The table or view.
    pub table: ObjectName,
    /// `PARTITION BY`.
    pub partition_by: Vec<Ident>,
    /// `ORDER BY`, with the direction where one was said: true is ascending.
    pub order_by: Vec<(Ident, Option<bool>)>,
}

impl TableArg {
    /// The table argument that an expression is.
    pub fn of(expr: &Expr) -> Option<TableArg> {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Custom(words), right } => {
                let mut arg = TableArg::of(left)?;
                let keys = match &**right {
                    Expr::Tuple(keys) => keys.iter().map(key_of).collect(),
                    Expr::Nested(key) => key_of(key).map(|k| vec![k]),
                    _ => None,
                }?;
                match words.as_str() {
                    "PARTITION BY" => arg.partition_by = keys.into_iter().map(|k| k.0).collect(),
                    "ORDER BY" => arg.order_by = keys,
                    _ => return None,
                }
                Some(arg)
            }
            Expr::Prefixed { .. } => {
                let table = prefixed_name(expr, "TABLE")?;
                Some(TableArg { table, partition_by: Vec::new(), order_by: Vec::new() })
            }
            _ => None,
        }
    }
}

/// A table argument's clauses, and the table or query that they stand behind.
#[derive(Clone, Debug, PartialEq)]
pub struct SetClauses<'a> {
    /// What is partitioned.
    pub of: &'a Expr,
    /// `PARTITION BY`.
    pub partition_by: Vec<Ident>,
    /// `ORDER BY`, with the direction where one was said: true is ascending.
    pub order_by: Vec<(Ident, Option<bool>)>,
}

impl<'a> SetClauses<'a> {
    /// The clauses of an expression; none where there are none.
    pub fn of(expr: &'a Expr) -> SetClauses<'a> {
        let plain = SetClauses { of: expr, partition_by: Vec::new(), order_by: Vec::new() };
        let Expr::BinaryOp { left, op: BinaryOperator::Custom(words), right } = expr else { return plain };
        let keys = match &**right {
            Expr::Tuple(keys) => keys.iter().map(key_of).collect(),
            Expr::Nested(key) => key_of(key).map(|k| vec![k]),
            _ => None,
        };
        match (words.as_str(), keys) {
            ("PARTITION BY", Some(keys)) => {
                SetClauses { partition_by: keys.into_iter().map(|k| k.0).collect(), ..SetClauses::of(left) }
            }
            ("ORDER BY", Some(keys)) => SetClauses { order_by: keys, ..SetClauses::of(left) },
            _ => plain,
        }
    }
}

fn key_of(expr: &Expr) -> Option<(Ident, Option<bool>)> {
    match expr {
        Expr::Identifier(column) => Some((column.clone(), None)),
        Expr::Prefixed { prefix, value } => match &**value {
            Expr::Identifier(direction) => Some((prefix.clone(), Some(direction.value == "ASC"))),
            _ => None,
        },
        _ => None,
    }
}

/// The name behind a word: `TABLE t`, `MODEL m`.
fn prefixed_name(expr: &Expr, word: &str) -> Option<ObjectName> {
    let Expr::Prefixed { prefix, value } = expr else { return None };
    let parts = match &**value {
        Expr::Identifier(name) => vec![name.clone()],
        Expr::CompoundIdentifier(parts) => parts.clone(),
        _ => return None,
    };
    prefix.value.eq_ignore_ascii_case(word).then(|| ObjectName::from(parts))
}

/// The model of `MODEL m`.
pub fn model_arg(expr: &Expr) -> Option<ObjectName> {
    prefixed_name(expr, "MODEL")
}

/// The items of `MAP[k, v, ..]`: keys and values in turn.
pub fn map_items(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Prefixed { prefix, value } if prefix.value.eq_ignore_ascii_case("MAP") => match &**value {
            Expr::Array(array) => Some(&array.elem),
            _ => None,
        },
        _ => None,
    }
}

/// The entries of a `MAP[..]` of texts.
pub fn map_texts(expr: &Expr) -> Option<Vec<(String, String)>> {
    let text = |item: &Expr| match item {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let items = map_items(expr).filter(|items| items.len() % 2 == 0)?;
    items.chunks_exact(2).map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect()
}

/// A call of a table function, however it is written: `TABLE(f(..))`, `LATERAL TABLE(f(..))`, `f(..)`.
#[derive(Clone, Copy, Debug)]
pub struct TableCall<'a> {
    /// `LATERAL`: sees the tables before it.
    pub lateral: bool,
    /// The function.
    pub name: &'a ObjectName,
    /// Its arguments.
    pub args: &'a [FunctionArg],
    /// `WITH ORDINALITY`.
    pub with_ordinality: bool,
    /// `AS t(a, ..)`.
    pub alias: Option<&'a TableAlias>,
}

impl<'a> TableCall<'a> {
    /// The call that a table factor is.
    pub fn of(factor: &'a TableFactor) -> Option<TableCall<'a>> {
        match factor {
            TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => Some(TableCall {
                lateral: false,
                name,
                args: &args.args,
                with_ordinality: *with_ordinality,
                alias: alias.as_ref(),
            }),
            TableFactor::TableFunction { expr: Expr::Function(function), alias } => {
                TableCall::of_function(function, alias.as_ref(), false, false)
            }
            TableFactor::Function { lateral, name, args, with_ordinality, alias } => match args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function)))]
                    if name.to_string().eq_ignore_ascii_case("TABLE") =>
                {
                    TableCall::of_function(function, alias.as_ref(), *lateral, *with_ordinality)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn of_function(
        function: &'a Function,
        alias: Option<&'a TableAlias>,
        lateral: bool,
        with_ordinality: bool,
    ) -> Option<TableCall<'a>> {
        let FunctionArguments::List(list) = &function.args else { return None };
        Some(TableCall { lateral, name: &function.name, args: &list.args, with_ordinality, alias })
    }
}

/// `JSON_VALUE`, `JSON_QUERY` or `JSON_EXISTS` with its clauses.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonCall<'a> {
    /// The JSON.
    pub input: &'a Expr,
    /// The path.
    pub path: &'a Expr,
    /// `RETURNING type`.
    pub returning: Option<SqlType>,
    /// `.. WRAPPER`.
    pub wrapper: Option<JsonWrapper>,
    /// `.. ON EMPTY`.
    pub on_empty: Option<JsonBehaviour<'a>>,
    /// `.. ON ERROR`.
    pub on_error: Option<JsonBehaviour<'a>>,
}

/// The wrapper clause of `JSON_QUERY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonWrapper {
    /// `WITHOUT WRAPPER`.
    Without,
    /// `WITH CONDITIONAL WRAPPER`.
    Conditional,
    /// `WITH [UNCONDITIONAL] WRAPPER`.
    Unconditional,
}

/// What a JSON function does when there is no value, or an error.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonBehaviour<'a> {
    /// Gives null.
    Null,
    /// Fails.
    Error,
    /// Gives this value.
    Default(&'a Expr),
    /// Gives `[]`.
    EmptyArray,
    /// Gives `{}`.
    EmptyObject,
    /// Gives true (`JSON_EXISTS`).
    True,
    /// Gives false (`JSON_EXISTS`).
    False,
    /// Gives unknown (`JSON_EXISTS`).
    Unknown,
}

impl<'a> JsonCall<'a> {
    /// Reads the call; `None` if it is none of the three.
    pub fn of(function: &'a Function) -> Result<Option<JsonCall<'a>>> {
        let name = function.name.to_string().to_ascii_uppercase();
        if !matches!(name.as_str(), "JSON_VALUE" | "JSON_QUERY" | "JSON_EXISTS") {
            return Ok(None);
        }
        let FunctionArguments::List(list) = &function.args else { return Ok(None) };
        let [input, path] = list.args.as_slice() else { return Ok(None) };
        let (Some(input), Some(path)) = (unnamed(input), unnamed(path)) else { return Ok(None) };
        let mut call = JsonCall { input, path, returning: None, wrapper: None, on_empty: None, on_error: None };
        while let Expr::BinaryOp { left, op: BinaryOperator::Custom(words), right } = call.path {
            call.take_clause(words, right)?;
            call.path = left;
        }
        Ok(Some(call))
    }

    fn take_clause(&mut self, words: &str, right: &'a Expr) -> Result<()> {
        let (behaviour, event) = match words {
            "RETURNING" => {
                self.returning = Some(SqlType::parse(&right.to_string())?);
                return Ok(());
            }
            "WITHOUT" | "WITH CONDITIONAL" | "WITH UNCONDITIONAL" => {
                self.wrapper = Some(match words {
                    "WITHOUT" => JsonWrapper::Without,
                    "WITH CONDITIONAL" => JsonWrapper::Conditional,
                    _ => JsonWrapper::Unconditional,
                });
                return Ok(());
            }
            "DEFAULT" => match right {
                Expr::BinaryOp { left, right: event, .. } => (JsonBehaviour::Default(left), &**event),
                _ => return Err(Error::internal("DEFAULT clause of a JSON function is damaged")),
            },
            "NULL ON" => (JsonBehaviour::Null, right),
            "ERROR ON" => (JsonBehaviour::Error, right),
            "EMPTY ARRAY ON" => (JsonBehaviour::EmptyArray, right),
            "EMPTY OBJECT ON" => (JsonBehaviour::EmptyObject, right),
            "TRUE ON" => (JsonBehaviour::True, right),
            "FALSE ON" => (JsonBehaviour::False, right),
            "UNKNOWN ON" => (JsonBehaviour::Unknown, right),
            other => return Err(Error::internal(format!("clause '{other}' of a JSON function is unknown"))),
        };
        let empty = matches!(event, Expr::Identifier(event) if event.value == "EMPTY");
        *(if empty { &mut self.on_empty } else { &mut self.on_error }) = Some(behaviour);
        Ok(())
    }
}

/// `input IS [NOT] JSON kind`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IsJson<'a> {
    /// What is looked at.
    pub input: &'a Expr,
    /// `NOT`.
    pub negated: bool,
    /// `VALUE`, `OBJECT`, `ARRAY` or `SCALAR`.
    pub kind: &'a str,
}

impl<'a> IsJson<'a> {
    /// The predicate that an expression is.
    pub fn of(expr: &'a Expr) -> Option<IsJson<'a>> {
        let Expr::BinaryOp { left, op: BinaryOperator::Custom(words), right } = expr else { return None };
        let negated = match words.as_str() {
            "IS JSON" => false,
            "IS NOT JSON" => true,
            _ => return None,
        };
        match &**right {
            Expr::Identifier(kind) => Some(IsJson { input: left, negated, kind: &kind.value }),
            _ => None,
        }
    }
}

/// The low bound of `BETWEEN SYMMETRIC low AND high`, if it is symmetric.
pub fn symmetric_low(low: &Expr) -> Option<&Expr> {
    match low {
        Expr::Prefixed { prefix, value } if prefix.value == "SYMMETRIC" && prefix.quote_style.is_none() => Some(value),
        _ => None,
    }
}

/// The clauses of `MATCH_RECOGNIZE` behind its pattern.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PatternClauses<'a> {
    /// `WITHIN interval`.
    pub within: Option<&'a Expr>,
    /// `SUBSET name = (a, ..)`.
    pub subsets: Vec<(&'a Ident, Vec<&'a Ident>)>,
    /// `DEFINE name AS condition`.
    pub define: Vec<&'a SymbolDefinition>,
}

impl<'a> PatternClauses<'a> {
    /// Sorts the `symbols` of a `TableFactor::MatchRecognize`.
    pub fn of(symbols: &'a [SymbolDefinition]) -> PatternClauses<'a> {
        let mut clauses = PatternClauses::default();
        for symbol in symbols {
            match symbol.symbol.value.as_str() {
                WITHIN => clauses.within = Some(&symbol.definition),
                SUBSET => clauses.subsets.extend(subset_of(&symbol.definition)),
                _ => clauses.define.push(symbol),
            }
        }
        clauses
    }
}

fn as_ident(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(ident) => Some(ident),
        _ => None,
    }
}

fn subset_of(definition: &Expr) -> Option<(&Ident, Vec<&Ident>)> {
    let Expr::Nested(inner) = definition else { return None };
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = &**inner else { return None };
    let Expr::Identifier(name) = &**left else { return None };
    let members = match &**right {
        Expr::Tuple(members) => members.iter().map(as_ident).collect::<Option<Vec<_>>>()?,
        Expr::Nested(member) => vec![as_ident(member)?],
        _ => return None,
    };
    Some((name, members))
}

/// The text of a query, for catalogs and `SHOW CREATE`.
pub fn query_sql(query: &Query) -> String {
    super::query_text(query)
}

/// The text of an expression.
pub fn expr_sql(expr: &Expr) -> String {
    super::print::expr_text(expr)
}
