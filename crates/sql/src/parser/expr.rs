//! What an expression may begin with, and the operators that sqlparser does not know.

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArguments, Ident, ObjectName, TimezoneInfo,
    TrimWhereField, TypedString, Value,
};
use sqlparser::dialect::Precedence;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, Word};

use super::cursor::{
    alternatives, commas, expect, expect_kw, expect_kws, ident, idents, is_kw, is_token, kw, kws, word_at,
};
use super::encode::MARKER;
use super::error::{PResult, expected, fail, location_of, reserved_word};
use super::{case, dialect, json, reserved, type_grammar};

/// Parses the beginning of an expression; sqlparser's own rules see only parentheses and signs.
pub(crate) fn prefix(p: &mut Parser<'_>) -> Option<PResult<Expr>> {
    match &p.peek_token_ref().token {
        Token::Number(..) | Token::SingleQuotedString(_) | Token::HexStringLiteral(_) => Some(literal(p)),
        Token::Word(w) => {
            let word = w.clone();
            Some(word_prefix(p, word))
        }
        Token::LParen if is_kw(p, 1, "SELECT") || is_kw(p, 1, "WITH") => Some(subquery(p)),
        Token::LParen | Token::Plus | Token::Minus => None,
        _ => Some(Err(expected(p, "an expression"))),
    }
}

/// A literal of one token.
fn literal(p: &mut Parser<'_>) -> PResult<Expr> {
    let value = p.parse_value()?;
    no_string_alias(p)?;
    Ok(Expr::Value(value))
}

/// A string behind a value, with or without `AS`, would be an alias for sqlparser.
fn no_string_alias(p: &Parser<'_>) -> PResult<()> {
    let next = p.peek_nth_token_ref(usize::from(is_kw(p, 0, "AS")));
    match &next.token {
        Token::SingleQuotedString(s) => {
            let message = format!("string '{s}' is no name");
            Err(fail(message, location_of(next), "A name takes backticks; strings are joined with `||`."))
        }
        _ => Ok(()),
    }
}

/// An expression that begins with a word.
fn word_prefix(p: &mut Parser<'_>, word: Word) -> PResult<Expr> {
    if word.quote_style.is_some() {
        return name_or_call(p);
    }
    if let Some(result) = special(p, &word) {
        return result;
    }
    if !reserved::is_reserved(&word.value) || word.value.starts_with(MARKER) {
        return name_or_call(p);
    }
    if is_token(p, 1, &Token::LParen) && reserved::is_function(&word.value) {
        return name_or_call(p);
    }
    if is_time_unit(&word.value) && in_timestamp_function(p) {
        return name_or_call(p);
    }
    Err(reserved_or_missing(p, &word.value))
}

/// A reserved word where an expression must be: after a comma the comma is too much.
fn reserved_or_missing(p: &Parser<'_>, word: &str) -> ParserError {
    let at = location_of(p.peek_token_ref());
    let after_comma = p.index() > 0 && p.token_at(p.index() - 1).token == Token::Comma;
    let ends_list = ["FROM", "WHERE", "GROUP", "ORDER", "HAVING", "UNION", "LIMIT"];
    match after_comma && ends_list.iter().any(|w| word.eq_ignore_ascii_case(w)) {
        true => fail(format!("expected an expression, found '{word}'"), at, "Remove the comma before it."),
        false => reserved_word(word, at),
    }
}

/// Words that begin an expression of their own form.
fn special(p: &mut Parser<'_>, word: &Word) -> Option<PResult<Expr>> {
    let call = is_token(p, 1, &Token::LParen);
    let string = matches!(p.peek_nth_token_ref(1).token, Token::SingleQuotedString(_));
    let upper = word.value.to_ascii_uppercase();
    let result = match upper.as_str() {
        "TRUE" | "FALSE" | "NULL" => p.parse_value().map(Expr::Value),
        "UNKNOWN" | "DEFAULT" => take_ident(p).map(Expr::Identifier),
        "CASE" => after(p, case::case),
        "CAST" if call => after(p, |p| cast(p, CastKind::Cast)),
        "TRY_CAST" if call => after(p, |p| cast(p, CastKind::TryCast)),
        "EXISTS" => after(p, |p| p.parse_exists_expr(false)),
        "NOT" => after(p, Parser::parse_not),
        "EXTRACT" => after(p, Parser::parse_extract_expr),
        "CEIL" | "CEILING" if call => after(p, |p| p.parse_ceil_floor_expr(true)),
        "FLOOR" if call => after(p, |p| p.parse_ceil_floor_expr(false)),
        "POSITION" => after(p, position),
        "SUBSTRING" | "SUBSTR" if call => p.parse_substring(),
        "OVERLAY" => after(p, Parser::parse_overlay_expr),
        "TRIM" => after(p, trim),
        "INTERVAL" => after(p, interval),
        "DATE" if string => typed_string(p, DataType::Date),
        "TIME" if string => typed_string(p, DataType::Time(None, TimezoneInfo::None)),
        "TIMESTAMP" if string => typed_string(p, DataType::Timestamp(None, TimezoneInfo::None)),
        "ARRAY" if is_token(p, 1, &Token::LBracket) => after(p, |p| {
            expect(p, &Token::LBracket)?;
            p.parse_array_expr(true)
        }),
        "MAP" if is_token(p, 1, &Token::LBracket) => map(p),
        "TABLE" if !call => table_argument(p),
        "MODEL" if matches!(p.peek_nth_token_ref(1).token, Token::Word(_)) && !call => named_argument(p),
        "JSON_VALUE" | "JSON_QUERY" | "JSON_EXISTS" | "JSON_OBJECT" | "JSON_OBJECTAGG" if call => json::call(p, &upper),
        "FINAL" | "RUNNING" if is_token(p, 2, &Token::LParen) && word_at(p, 1).is_some() => named_argument(p),
        "CURRENT_DATE" | "CURRENT_TIME" | "CURRENT_TIMESTAMP" | "LOCALTIME" | "LOCALTIMESTAMP" => niladic(p),
        "CURRENT_USER" | "SESSION_USER" | "SYSTEM_USER" | "CURRENT_CATALOG" | "CURRENT_SCHEMA" | "CURRENT_PATH" => {
            niladic(p)
        }
        "USER" | "CURRENT_ROLE" if !call => niladic(p),
        _ => return None,
    };
    Some(result)
}

/// Parses behind the word.
fn after<'d, T>(p: &mut Parser<'d>, parse: impl FnOnce(&mut Parser<'d>) -> PResult<T>) -> PResult<T> {
    p.advance_token();
    parse(p)
}

/// The next word as it stands, reserved or not.
fn take_ident(p: &mut Parser<'_>) -> PResult<Ident> {
    let token = p.next_token();
    match token.token {
        Token::Word(w) => Ok(w.into_ident(token.span)),
        _ => Err(expected(p, "a name")),
    }
}

/// `a` or `f(..)`; what follows a period is read by sqlparser.
fn name_or_call(p: &mut Parser<'_>) -> PResult<Expr> {
    let ident = take_ident(p)?;
    let expr = match is_token(p, 0, &Token::LParen) {
        true => p.parse_function(ObjectName::from(vec![ident]))?,
        false => Expr::Identifier(ident),
    };
    no_string_alias(p)?;
    Ok(expr)
}

/// `CURRENT_DATE` and its like: calls without parentheses.
fn niladic(p: &mut Parser<'_>) -> PResult<Expr> {
    let ident = take_ident(p)?;
    if is_token(p, 0, &Token::LParen) && is_token(p, 1, &Token::RParen) {
        let hint = format!("Write `{}` without parentheses.", ident.value);
        return Err(fail(format!("'{}' takes no parentheses", ident.value), location_of(p.peek_token_ref()), hint));
    }
    if is_token(p, 0, &Token::LParen) {
        return p.parse_function(ObjectName::from(vec![ident]));
    }
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![ident]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::None,
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }))
}

/// `(expr AS type)` behind `CAST`.
fn cast(p: &mut Parser<'_>, kind: CastKind) -> PResult<Expr> {
    expect(p, &Token::LParen)?;
    let expr = p.parse_expr()?;
    expect_kw(p, "AS")?;
    let data_type = type_grammar::cast_type(p)?.into_sqlparser();
    expect(p, &Token::RParen)?;
    Ok(Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None })
}

/// `(a IN b)` behind `POSITION`.
fn position(p: &mut Parser<'_>) -> PResult<Expr> {
    expect(p, &Token::LParen)?;
    let expr = p.parse_subexpr(precedence(Precedence::Between))?;
    expect_kw(p, "IN")?;
    let within = p.parse_expr()?;
    expect(p, &Token::RParen)?;
    Ok(Expr::Position { expr: Box::new(expr), r#in: Box::new(within) })
}

/// `([BOTH | LEADING | TRAILING] [what] FROM a)` or `(a)` behind `TRIM`. Nothing before `FROM` is a blank.
fn trim(p: &mut Parser<'_>) -> PResult<Expr> {
    expect(p, &Token::LParen)?;
    let wheres = [TrimWhereField::Both, TrimWhereField::Leading, TrimWhereField::Trailing];
    let trim_where = ["BOTH", "LEADING", "TRAILING"].iter().zip(wheres).find(|(w, _)| kw(p, w)).map(|(_, w)| w);
    let mut trim_what = None;
    if trim_where.is_none() || !is_kw(p, 0, "FROM") {
        trim_what = Some(p.parse_expr()?);
    }
    let expr = if kw(p, "FROM") {
        let blank = Value::SingleQuotedString(" ".to_string());
        trim_what.get_or_insert(Expr::Value(blank.with_empty_span()));
        p.parse_expr()?
    } else if let (None, Some(expr)) = (trim_where, trim_what.take()) {
        expr
    } else {
        return Err(expected(p, "FROM"));
    };
    expect(p, &Token::RParen)?;
    let (expr, trim_what) = (Box::new(expr), trim_what.map(Box::new));
    Ok(Expr::Trim { trim_where, trim_what, expr, trim_characters: None })
}

/// What stands behind `INTERVAL`: a string, possibly signed, or a number, then its units.
fn interval(p: &mut Parser<'_>) -> PResult<Expr> {
    let sign = usize::from(is_token(p, 0, &Token::Minus) || is_token(p, 0, &Token::Plus));
    let value = &p.peek_nth_token_ref(sign).token;
    if !matches!(value, Token::SingleQuotedString(_) | Token::Number(..)) {
        return Err(expected(p, "a string after INTERVAL, as in INTERVAL '1' DAY"));
    }
    let unit = p.peek_nth_token_ref(sign + 1);
    if !matches!(&unit.token, Token::Word(w) if is_time_unit(&w.value)) {
        let at = location_of(unit);
        let units = alternatives(&["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"]);
        return Err(fail(format!("expected a time unit, found {}", super::error::describe(&unit.token)), at, units));
    }
    p.parse_interval()
}

/// `DATE '..'`.
fn typed_string(p: &mut Parser<'_>, data_type: DataType) -> PResult<Expr> {
    p.advance_token();
    Ok(Expr::TypedString(TypedString { data_type, value: p.parse_value()?, uses_odbc_syntax: false }))
}

/// `MAP[k, v, ..]`, kept as `MAP` before an array.
fn map(p: &mut Parser<'_>) -> PResult<Expr> {
    let at = location_of(p.peek_token_ref());
    let prefix = take_ident(p)?;
    expect(p, &Token::LBracket)?;
    let value = p.parse_array_expr(false)?;
    if matches!(&value, Expr::Array(array) if array.elem.len() % 2 == 1) {
        return Err(fail("map has a key without a value", at, "Write MAP[key, value, key, value]."));
    }
    Ok(Expr::Prefixed { prefix, value: Box::new(value) })
}

/// `MODEL m`, `FINAL LAST(a.x)`: a word before an expression.
fn named_argument(p: &mut Parser<'_>) -> PResult<Expr> {
    let prefix = take_ident(p)?;
    let model = prefix.value.eq_ignore_ascii_case("MODEL");
    let value = if model { dotted(idents(p)?) } else { name_or_call(p)? };
    Ok(Expr::Prefixed { prefix, value: Box::new(value) })
}

fn dotted(mut parts: Vec<Ident>) -> Expr {
    match parts.len() {
        1 => Expr::Identifier(parts.remove(0)),
        _ => Expr::CompoundIdentifier(parts),
    }
}

/// `TABLE t [PARTITION BY k | (k, ..)] [ORDER BY ..]`.
fn table_argument(p: &mut Parser<'_>) -> PResult<Expr> {
    let prefix = take_ident(p)?;
    let table = Expr::Prefixed { prefix, value: Box::new(dotted(idents(p)?)) };
    set_semantics(p, table)
}

/// `(SELECT ..)`, which is a table argument where `PARTITION BY` stands behind it.
fn subquery(p: &mut Parser<'_>) -> PResult<Expr> {
    expect(p, &Token::LParen)?;
    let query = Expr::Subquery(p.parse_query()?);
    expect(p, &Token::RParen)?;
    if is_kw(p, 0, "PARTITION") && is_kw(p, 1, "BY") { set_semantics(p, query) } else { Ok(query) }
}

/// `[PARTITION BY ..] [ORDER BY ..]` behind a table argument.
fn set_semantics(p: &mut Parser<'_>, table: Expr) -> PResult<Expr> {
    let mut table = table;
    for keyword in ["PARTITION", "ORDER"] {
        if !kws(p, &[keyword, "BY"]) {
            continue;
        }
        let ordered = keyword == "ORDER";
        let keys = if p.consume_token(&Token::LParen) {
            let keys = commas(p, |p| table_key(p, ordered))?;
            expect(p, &Token::RParen)?;
            keys
        } else {
            vec![table_key(p, ordered)?]
        };
        let right = if keys.len() == 1 { Expr::Nested(Box::new(keys[0].clone())) } else { Expr::Tuple(keys) };
        table = binary(table, &format!("{keyword} BY"), right);
    }
    Ok(table)
}

/// A column, with its direction where there is one.
fn table_key(p: &mut Parser<'_>, ordered: bool) -> PResult<Expr> {
    let column = ident(p)?;
    let direction = match if ordered { p.parse_asc_desc() } else { None } {
        Some(true) => "ASC",
        Some(false) => "DESC",
        None => return Ok(Expr::Identifier(column)),
    };
    Ok(Expr::Prefixed { prefix: column, value: Box::new(Expr::Identifier(Ident::new(direction))) })
}

/// `left words right`.
pub(crate) fn binary(left: Expr, words: &str, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Custom(words.to_string()), right: Box::new(right) }
}

/// A word that stands for itself.
pub(crate) fn bare(word: &str) -> Expr {
    Expr::Identifier(Ident::new(word))
}

/// sqlparser's precedence numbers, which Flink shares.
fn precedence(of: Precedence) -> u8 {
    use sqlparser::dialect::Dialect;
    dialect::FlinkDialect.prec_value(of)
}

/// Operators that sqlparser does not know, or reads too freely.
pub(crate) fn infix(p: &mut Parser<'_>, left: &Expr, precedence: u8) -> Option<PResult<Expr>> {
    if is_qualifier(p) {
        return Some(qualified(p, left));
    }
    if let Some(op) = comparison(p)
        && ["ANY", "SOME", "ALL"].iter().any(|word| is_kw(p, 1, word))
        && is_token(p, 2, &Token::LParen)
        && !is_kw(p, 3, "SELECT")
        && !is_kw(p, 3, "WITH")
    {
        return Some(quantified(p, left.clone(), op));
    }
    if is_kw(p, 0, "IS") && (is_kw(p, 1, "JSON") || is_kw(p, 1, "NOT") && is_kw(p, 2, "JSON")) {
        return Some(is_json(p, left.clone()));
    }
    let is_not = usize::from(is_kw(p, 1, "NOT"));
    if is_kw(p, 0, "IS") && is_kw(p, is_not + 1, "DISTINCT") && is_kw(p, is_not + 2, "FROM") {
        return Some(is_distinct(p, left.clone(), precedence));
    }
    let negated = is_kw(p, 0, "NOT");
    let at = usize::from(negated);
    if is_kw(p, at, "BETWEEN") && (is_kw(p, at + 1, "SYMMETRIC") || is_kw(p, at + 1, "ASYMMETRIC")) {
        return Some(between(p, left.clone(), negated, precedence));
    }
    None
}

/// Whether a unit follows a closed parenthesis: `(a - b) DAY`.
pub(crate) fn is_qualifier(p: &Parser<'_>) -> bool {
    const UNITS: &[&str] = &["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];
    let closed = p.index() > 0 && p.get_current_token().token == Token::RParen;
    closed && UNITS.iter().any(|unit| is_kw(p, 0, unit))
}

/// `(a - b) DAY`, `(a - b) DAY TO SECOND`: the last unit stands on the right.
fn qualified(p: &mut Parser<'_>, left: &Expr) -> PResult<Expr> {
    let is_difference = |inner: &Expr| matches!(inner, Expr::BinaryOp { op: BinaryOperator::Minus, .. });
    if !matches!(left, Expr::Nested(inner) if is_difference(inner)) {
        return Err(expected(p, "an operator"));
    }
    let first = take_ident(p)?;
    if is_token(p, 0, &Token::LParen) {
        let at = location_of(p.peek_token_ref());
        return Err(fail("a precision behind a difference is not supported", at, "Write (a - b) DAY."));
    }
    if !kw(p, "TO") {
        return Ok(binary(left.clone(), "", Expr::Identifier(first)));
    }
    let words = format!("{} TO", first.value.to_ascii_uppercase());
    match &p.peek_token_ref().token {
        Token::Word(w) if is_time_unit(&w.value) => Ok(binary(left.clone(), &words, Expr::Identifier(take_ident(p)?))),
        _ => Err(expected(p, "a time unit")),
    }
}

/// The comparison that comes next.
fn comparison(p: &Parser<'_>) -> Option<BinaryOperator> {
    Some(match &p.peek_token_ref().token {
        Token::Eq => BinaryOperator::Eq,
        Token::Neq => BinaryOperator::NotEq,
        Token::Lt => BinaryOperator::Lt,
        Token::LtEq => BinaryOperator::LtEq,
        Token::Gt => BinaryOperator::Gt,
        Token::GtEq => BinaryOperator::GtEq,
        _ => return None,
    })
}

/// `x < ANY (a, b)`: the list stands on the right, as a tuple if it has several items.
fn quantified(p: &mut Parser<'_>, left: Expr, compare_op: BinaryOperator) -> PResult<Expr> {
    p.advance_token();
    let is_all = kw(p, "ALL");
    let is_some = !is_all && kw(p, "SOME");
    if !is_all && !is_some {
        expect_kw(p, "ANY")?;
    }
    expect(p, &Token::LParen)?;
    let mut items = commas(p, |p| p.parse_expr())?;
    expect(p, &Token::RParen)?;
    let right = match (items.len(), items.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            items.push(last);
            Expr::Tuple(items)
        }
        (_, None) => return Err(expected(p, "an expression")),
    };
    let (left, right) = (Box::new(left), Box::new(right));
    Ok(match is_all {
        true => Expr::AllOp { left, compare_op, right },
        false => Expr::AnyOp { left, compare_op, right, is_some },
    })
}

/// `IS [NOT] JSON [VALUE | OBJECT | ARRAY | SCALAR]`.
fn is_json(p: &mut Parser<'_>, left: Expr) -> PResult<Expr> {
    expect_kw(p, "IS")?;
    let words = if kw(p, "NOT") { "IS NOT JSON" } else { "IS JSON" };
    expect_kw(p, "JSON")?;
    let kind = ["VALUE", "OBJECT", "ARRAY", "SCALAR"].into_iter().find(|k| kw(p, k)).unwrap_or("VALUE");
    Ok(binary(left, words, bare(kind)))
}

/// `IS [NOT] DISTINCT FROM`; its right side ends before an `AND` (for sqlparser it does not).
fn is_distinct(p: &mut Parser<'_>, left: Expr, precedence: u8) -> PResult<Expr> {
    expect_kw(p, "IS")?;
    let negated = kw(p, "NOT");
    expect_kws(p, &["DISTINCT", "FROM"])?;
    let (left, right) = (Box::new(left), Box::new(p.parse_subexpr(precedence)?));
    Ok(if negated { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) })
}

/// `[NOT] BETWEEN {SYMMETRIC | ASYMMETRIC} low AND high`; the latter is the default and is not kept.
fn between(p: &mut Parser<'_>, left: Expr, negated: bool, precedence: u8) -> PResult<Expr> {
    if negated {
        expect_kw(p, "NOT")?;
    }
    expect_kws(p, &["BETWEEN"])?;
    let symmetric = kw(p, "SYMMETRIC");
    if !symmetric {
        expect_kw(p, "ASYMMETRIC")?;
    }
    let mut low = p.parse_subexpr(precedence)?;
    if symmetric {
        low = Expr::Prefixed { prefix: Ident::with_span(Span::empty(), "SYMMETRIC"), value: Box::new(low) };
    }
    expect_kw(p, "AND")?;
    let high = p.parse_subexpr(precedence)?;
    Ok(Expr::Between { expr: Box::new(left), negated, low: Box::new(low), high: Box::new(high) })
}

/// Units of time, in one or many.
pub(crate) fn is_time_unit(word: &str) -> bool {
    const UNITS: &[&str] = &[
        "YEAR",
        "QUARTER",
        "MONTH",
        "WEEK",
        "DAY",
        "HOUR",
        "MINUTE",
        "SECOND",
        "MILLISECOND",
        "MICROSECOND",
        "NANOSECOND",
        "DECADE",
        "CENTURY",
        "MILLENNIUM",
        "YEARS",
        "QUARTERS",
        "MONTHS",
        "WEEKS",
        "DAYS",
        "HOURS",
        "MINUTES",
        "SECONDS",
    ];
    UNITS.iter().any(|unit| word.eq_ignore_ascii_case(unit))
}

/// Whether the next word is the first argument of a function that takes a time unit.
fn in_timestamp_function(p: &Parser<'_>) -> bool {
    let i = p.index();
    if i < 2 || p.token_at(i - 1).token != Token::LParen {
        return false;
    }
    let functions = ["TIMESTAMPADD", "TIMESTAMPDIFF", "DATE_DIFF", "TIMESTAMP_DIFF", "TIMESTAMP_ADD"];
    matches!(&p.token_at(i - 2).token, Token::Word(w) if functions.iter().any(|f| w.value.eq_ignore_ascii_case(f)))
}
