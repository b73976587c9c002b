//! The JSON functions with clauses of their own.
//!
//! A clause is kept as an operator behind the argument it follows: `'$.x' RETURNING INT DEFAULT 1 ON EMPTY`. It prints
//! as it was written; `ast::view::JsonCall` reads it back.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, Ident, JsonNullClause, ObjectName, WindowType,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::cursor::{are_kws, commas, expect, expect_kw, expect_kws, ident, is_kw, is_token, kw, kws};
use super::error::{PResult, expected};
use super::expr::{bare, binary};
use super::type_grammar;

/// Parses the call whose name comes next.
pub(crate) fn call(p: &mut Parser<'_>, name: &str) -> PResult<Expr> {
    let token = p.next_token();
    let ident = match token.token {
        Token::Word(w) => w.into_ident(token.span),
        _ => Ident::new(name),
    };
    expect(p, &Token::LParen)?;
    let arguments = match name {
        "JSON_OBJECT" | "JSON_OBJECTAGG" => object(p)?,
        _ => path_call(p, name)?,
    };
    expect(p, &Token::RParen)?;
    tail(p, ident, arguments)
}

fn positional(args: Vec<Expr>) -> FunctionArgumentList {
    let args = args.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect();
    FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }
}

/// `input, path clauses`.
fn path_call(p: &mut Parser<'_>, name: &str) -> PResult<FunctionArgumentList> {
    let input = formatted(p)?;
    expect(p, &Token::Comma)?;
    let mut path = p.parse_expr()?;
    if name != "JSON_EXISTS" && kw(p, "RETURNING") {
        let text = type_grammar::data_type(p)?.to_string();
        path = binary(path, "RETURNING", bare(&text));
    }
    if name == "JSON_QUERY" {
        path = wrapper(p, path)?;
    }
    while !is_token(p, 0, &Token::RParen) {
        path = behaviour(p, name, path)?;
    }
    Ok(positional(vec![input, path]))
}

/// `{WITHOUT | WITH [CONDITIONAL | UNCONDITIONAL]} [ARRAY] WRAPPER`; `ARRAY` says nothing and is not kept.
fn wrapper(p: &mut Parser<'_>, path: Expr) -> PResult<Expr> {
    let words = if kw(p, "WITHOUT") {
        "WITHOUT"
    } else if kws(p, &["WITH", "CONDITIONAL"]) {
        "WITH CONDITIONAL"
    } else if kw(p, "WITH") {
        // Unconditional is the default.
        kw(p, "UNCONDITIONAL");
        "WITH UNCONDITIONAL"
    } else {
        return Ok(path);
    };
    kw(p, "ARRAY");
    expect_kw(p, "WRAPPER")?;
    Ok(binary(path, words, bare("WRAPPER")))
}

/// `{NULL | ERROR | DEFAULT e | ..} ON {EMPTY | ERROR}`.
fn behaviour(p: &mut Parser<'_>, name: &str, path: Expr) -> PResult<Expr> {
    let fixed: &[&[&str]] = match name {
        "JSON_EXISTS" => &[&["TRUE"], &["FALSE"], &["UNKNOWN"], &["ERROR"]],
        "JSON_QUERY" => &[&["NULL"], &["ERROR"], &["EMPTY", "ARRAY"], &["EMPTY", "OBJECT"]],
        _ => &[&["NULL"], &["ERROR"]],
    };
    let events: &[&str] = if name == "JSON_EXISTS" { &["ERROR"] } else { &["EMPTY", "ERROR"] };
    if name == "JSON_VALUE" && kw(p, "DEFAULT") {
        let value = p.parse_expr()?;
        return Ok(binary(path, "DEFAULT", binary(value, "ON", on_event(p, events)?)));
    }
    let Some(words) = fixed.iter().find(|words| are_kws(p, words)) else {
        return Err(expected(p, "')' or an ON EMPTY or ON ERROR clause"));
    };
    expect_kws(p, words)?;
    let event = on_event(p, events)?;
    Ok(binary(path, &format!("{} ON", words.join(" ")), event))
}

/// `ON {EMPTY | ERROR}`.
fn on_event(p: &mut Parser<'_>, events: &[&str]) -> PResult<Expr> {
    expect_kw(p, "ON")?;
    let event = super::cursor::one_of(p, events)?;
    Ok(bare(events[event]))
}

/// `e [FORMAT JSON]`.
fn formatted(p: &mut Parser<'_>) -> PResult<Expr> {
    let value = p.parse_expr()?;
    if kws(p, &["FORMAT", "JSON"]) { Ok(binary(value, "FORMAT", bare("JSON"))) } else { Ok(value) }
}

/// `[KEY] k {VALUE | :} v, .. [{NULL | ABSENT} ON NULL]`.
fn object(p: &mut Parser<'_>) -> PResult<FunctionArgumentList> {
    let mut list = positional(Vec::new());
    let empty = is_token(p, 0, &Token::RParen) || is_null_clause(p);
    if !empty {
        list.args = commas(p, entry)?;
    }
    if kws(p, &["NULL", "ON", "NULL"]) {
        list.clauses.push(FunctionArgumentClause::JsonNullClause(JsonNullClause::NullOnNull));
    } else if kws(p, &["ABSENT", "ON", "NULL"]) {
        list.clauses.push(FunctionArgumentClause::JsonNullClause(JsonNullClause::AbsentOnNull));
    }
    Ok(list)
}

fn is_null_clause(p: &Parser<'_>) -> bool {
    are_kws(p, &["NULL", "ON", "NULL"]) || are_kws(p, &["ABSENT", "ON", "NULL"])
}

/// `[KEY] k {VALUE | :} v`.
fn entry(p: &mut Parser<'_>) -> PResult<FunctionArg> {
    // `KEY` is no reserved word: alone it is a column.
    let next = &p.peek_nth_token_ref(1).token;
    let key = is_kw(p, 0, "KEY") && !matches!(next, Token::Colon | Token::Period) && !is_kw(p, 1, "VALUE");
    if key {
        kw(p, "KEY");
    }
    // Above the colon, which sqlparser takes for an operator.
    let name = p.parse_subexpr(21)?;
    // With KEY there is no colon.
    if key || !p.consume_token(&Token::Colon) {
        expect_kw(p, "VALUE")?;
    }
    let arg = FunctionArgExpr::Expr(formatted(p)?);
    Ok(FunctionArg::ExprNamed { name, arg, operator: FunctionArgOperator::Value })
}

/// `[FILTER (WHERE ..)] [OVER ..]` behind the call.
fn tail(p: &mut Parser<'_>, name: Ident, list: FunctionArgumentList) -> PResult<Expr> {
    let mut filter = None;
    if kw(p, "FILTER") {
        expect(p, &Token::LParen)?;
        expect_kw(p, "WHERE")?;
        filter = Some(Box::new(p.parse_expr()?));
        expect(p, &Token::RParen)?;
    }
    let mut over = None;
    if kw(p, "OVER") {
        over = Some(match p.consume_token(&Token::LParen) {
            true => WindowType::WindowSpec(p.parse_window_spec()?),
            false => WindowType::NamedWindow(ident(p)?),
        });
    }
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter,
        null_treatment: None,
        over,
        within_group: Vec::new(),
    }))
}
