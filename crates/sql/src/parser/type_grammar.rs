//! How a type is written: `ROW<a INT NOT NULL>`, `INT ARRAY`, `TIMESTAMP(3) WITH LOCAL TIME ZONE`.

use flott_api::error::Error;
use sqlparser::ast::{DataType, Ident, ObjectName, TimezoneInfo};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::ast::{RowField, SqlType, SqlTypeKind, Text, TimeZoneKind};
use super::cursor::{expect, expect_kw, ident, integer, is_kw, is_token, kw, kws, name, text, word_at};
use super::dialect::FlinkDialect;
use super::error::{PResult, expected, fail, location_of};
use super::expr::is_time_unit;
use super::lexer::lex;
use super::{ParserOptions, error, reserved};

/// How deep types may nest.
const DEPTH_MAX: usize = 100;

/// Parses a type.
pub(crate) fn data_type(p: &mut Parser<'_>) -> PResult<SqlType> {
    nested(p, 0)
}

/// Parses the type of a `CAST`, which may be an interval.
pub(crate) fn cast_type(p: &mut Parser<'_>) -> PResult<SqlType> {
    if !kw(p, "INTERVAL") {
        return data_type(p);
    }
    let mut qualifier = unit(p)?;
    if kw(p, "TO") {
        qualifier = format!("{qualifier} TO {}", unit(p)?);
    }
    Ok(SqlType { kind: SqlTypeKind::Interval(qualifier), nullable: true })
}

/// `DAY[(2)]`.
fn unit(p: &mut Parser<'_>) -> PResult<String> {
    let Some(word) = word_at(p, 0).filter(|w| is_time_unit(w)) else { return Err(expected(p, "a time unit")) };
    let word = word.to_ascii_uppercase();
    p.advance_token();
    Ok(match size(p)? {
        Some(size) => format!("{word}({size})"),
        None => word,
    })
}

fn nested(p: &mut Parser<'_>, depth: usize) -> PResult<SqlType> {
    if depth > DEPTH_MAX {
        let message = format!("type is nested deeper than {DEPTH_MAX} levels");
        return Err(fail(message, location_of(p.peek_token_ref()), ""));
    }
    let mut kind = base(p, depth)?;
    // `INT NOT NULL ARRAY MULTISET`: each word wraps what stands before it.
    for wraps in 0.. {
        let back = p.index();
        let nullable = nullability(p);
        let wrap: fn(Box<SqlType>) -> SqlTypeKind = if kw(p, "ARRAY") {
            SqlTypeKind::Array
        } else if kw(p, "MULTISET") {
            SqlTypeKind::Multiset
        } else {
            while p.index() > back {
                p.prev_token();
            }
            break;
        };
        if depth + wraps > DEPTH_MAX {
            return nested(p, depth + wraps);
        }
        kind = wrap(Box::new(SqlType { kind, nullable }));
    }
    Ok(SqlType { kind, nullable: nullability(p) })
}

/// `NOT NULL` is false; `NULL` or nothing is true. `NULL ON EMPTY` behind a type is another clause.
fn nullability(p: &mut Parser<'_>) -> bool {
    if kws(p, &["NOT", "NULL"]) {
        return false;
    }
    if !is_kw(p, 1, "ON") {
        kw(p, "NULL");
    }
    true
}

fn base(p: &mut Parser<'_>, depth: usize) -> PResult<SqlTypeKind> {
    let Some(word) = word_at(p, 0) else { return user_type(p) };
    let upper = word.to_ascii_uppercase();
    let angle = is_token(p, 1, &Token::Lt);
    let kind = match upper.as_str() {
        "ARRAY" | "MULTISET" | "MAP" if angle => return collection(p, &upper, depth),
        "ROW" => return row(p, depth),
        "STRUCTURED" => return structured(p, depth),
        "RAW" => return raw(p),
        "STRING" => SqlTypeKind::String,
        "BYTES" => SqlTypeKind::Bytes,
        "BOOLEAN" => SqlTypeKind::Boolean,
        "TINYINT" => SqlTypeKind::TinyInt,
        "SMALLINT" => SqlTypeKind::SmallInt,
        "INT" | "INTEGER" => SqlTypeKind::Int,
        "BIGINT" => SqlTypeKind::BigInt,
        "FLOAT" | "REAL" => SqlTypeKind::Float,
        "DATE" => SqlTypeKind::Date,
        "VARIANT" => SqlTypeKind::Variant,
        "BITMAP" => SqlTypeKind::Bitmap,
        "NULL" => SqlTypeKind::Null,
        "DOUBLE" => {
            p.advance_token();
            kw(p, "PRECISION");
            return Ok(SqlTypeKind::Double);
        }
        "CHAR" | "CHARACTER" | "VARCHAR" | "BINARY" | "VARBINARY" => return sized(p, &upper),
        "DECIMAL" | "DEC" | "NUMERIC" => return decimal(p),
        "TIME" | "TIMESTAMP" | "TIMESTAMP_LTZ" => return temporal(p, &upper),
        _ => return user_type(p),
    };
    p.advance_token();
    Ok(kind)
}

/// A type that is no keyword: a user's.
fn user_type(p: &mut Parser<'_>) -> PResult<SqlTypeKind> {
    match &p.peek_token_ref().token {
        Token::Word(w) if w.quote_style.is_some() || !reserved::is_reserved(&w.value) => {
            name(p).map(SqlTypeKind::Named)
        }
        Token::Word(w) if w.value.eq_ignore_ascii_case("INTERVAL") => {
            let at = location_of(p.peek_token_ref());
            Err(fail("INTERVAL is not a column type", at, "Intervals exist in expressions only."))
        }
        _ => Err(expected(p, "a data type")),
    }
}

/// `(n)`, if it follows.
fn size(p: &mut Parser<'_>) -> PResult<Option<u32>> {
    if !p.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let size = integer(p)?;
    expect(p, &Token::RParen)?;
    Ok(Some(size))
}

fn sized(p: &mut Parser<'_>, word: &str) -> PResult<SqlTypeKind> {
    p.advance_token();
    let varying = kw(p, "VARYING");
    let size = size(p)?;
    Ok(match (word, varying) {
        ("CHAR" | "CHARACTER", false) => SqlTypeKind::Char(size),
        ("CHAR" | "CHARACTER" | "VARCHAR", _) => SqlTypeKind::Varchar(size),
        ("BINARY", false) => SqlTypeKind::Binary(size),
        _ => SqlTypeKind::Varbinary(size),
    })
}

fn decimal(p: &mut Parser<'_>) -> PResult<SqlTypeKind> {
    p.advance_token();
    if !p.consume_token(&Token::LParen) {
        return Ok(SqlTypeKind::Decimal(None, None));
    }
    let precision = integer(p)?;
    let scale = if p.consume_token(&Token::Comma) { Some(integer(p)?) } else { None };
    expect(p, &Token::RParen)?;
    Ok(SqlTypeKind::Decimal(Some(precision), scale))
}

/// `TIME[(p)]`, `TIMESTAMP[(p)] [{WITH [LOCAL] | WITHOUT} TIME ZONE]`.
fn temporal(p: &mut Parser<'_>, word: &str) -> PResult<SqlTypeKind> {
    let at = location_of(p.peek_token_ref());
    p.advance_token();
    let precision = size(p)?;
    let zone = if kws(p, &["WITH", "LOCAL", "TIME", "ZONE"]) {
        TimeZoneKind::Local
    } else if kws(p, &["WITH", "TIME", "ZONE"]) {
        TimeZoneKind::With
    } else {
        kws(p, &["WITHOUT", "TIME", "ZONE"]);
        TimeZoneKind::Without
    };
    match (word, zone) {
        ("TIMESTAMP", zone) => Ok(SqlTypeKind::Timestamp(precision, zone)),
        ("TIME", TimeZoneKind::Without) => Ok(SqlTypeKind::Time(precision)),
        ("TIMESTAMP_LTZ", TimeZoneKind::Without) => Ok(SqlTypeKind::Timestamp(precision, TimeZoneKind::Local)),
        _ => Err(fail(format!("{word} takes no time zone"), at, "")),
    }
}

/// `ARRAY<t>`, `MULTISET<t>`, `MAP<k, v>`.
fn collection(p: &mut Parser<'_>, word: &str, depth: usize) -> PResult<SqlTypeKind> {
    p.advance_token();
    expect(p, &Token::Lt)?;
    let first = Box::new(nested(p, depth + 1)?);
    let kind = match word {
        "ARRAY" => SqlTypeKind::Array(first),
        "MULTISET" => SqlTypeKind::Multiset(first),
        _ => {
            expect(p, &Token::Comma)?;
            SqlTypeKind::Map(first, Box::new(nested(p, depth + 1)?))
        }
    };
    expect(p, &Token::Gt)?;
    Ok(kind)
}

/// `ROW<a INT, ..>`, `ROW(a INT, ..)`.
fn row(p: &mut Parser<'_>, depth: usize) -> PResult<SqlTypeKind> {
    p.advance_token();
    if p.consume_token(&Token::Neq) {
        return Ok(SqlTypeKind::Row(Vec::new()));
    }
    let close = if p.consume_token(&Token::LParen) {
        Token::RParen
    } else {
        expect(p, &Token::Lt)?;
        Token::Gt
    };
    let mut fields = Vec::new();
    while !p.consume_token(&close) {
        if !fields.is_empty() {
            expect(p, &Token::Comma)?;
        }
        fields.push(field(p, depth)?);
    }
    Ok(SqlTypeKind::Row(fields))
}

fn field(p: &mut Parser<'_>, depth: usize) -> PResult<RowField> {
    let name = ident(p)?;
    let data_type = nested(p, depth + 1)?;
    let comment = match p.peek_token_ref().token {
        Token::SingleQuotedString(_) => Some(text(p)?),
        _ => None,
    };
    Ok(RowField { name, data_type, comment })
}

/// `STRUCTURED<'class', a INT, ..>`.
fn structured(p: &mut Parser<'_>, depth: usize) -> PResult<SqlTypeKind> {
    expect_kw(p, "STRUCTURED")?;
    expect(p, &Token::Lt)?;
    let class = text(p)?;
    let mut fields = Vec::new();
    while p.consume_token(&Token::Comma) {
        fields.push(field(p, depth)?);
    }
    expect(p, &Token::Gt)?;
    Ok(SqlTypeKind::Structured(class, fields))
}

/// `RAW('class', 'snapshot')`.
fn raw(p: &mut Parser<'_>) -> PResult<SqlTypeKind> {
    expect_kw(p, "RAW")?;
    expect(p, &Token::LParen)?;
    let class: Text = text(p)?;
    expect(p, &Token::Comma)?;
    let snapshot = text(p)?;
    expect(p, &Token::RParen)?;
    Ok(SqlTypeKind::Raw(class, snapshot))
}

impl SqlType {
    /// Parses a type that stands alone.
    pub fn parse(text: &str) -> Result<SqlType, Error> {
        let options = ParserOptions::default();
        let tokens = lex(text, false);
        if let Some(unread) = tokens.error {
            return Err(unread.error);
        }
        let mut p = Parser::new(&FlinkDialect).with_tokens_with_locations(tokens.tokens);
        let parsed = cast_type(&mut p).and_then(|t| match &p.peek_token_ref().token {
            Token::EOF => Ok(t),
            _ => Err(expected(&p, "the end of the type")),
        });
        parsed.map_err(|e| error::to_error(e, &p, tokens.end, &options))
    }

    /// The type inside a `CAST`, `DATE '..'` and the like of sqlparser's tree.
    pub fn from_sqlparser(data_type: &DataType) -> Result<SqlType, Error> {
        match data_type {
            DataType::Custom(name, modifiers) if modifiers.is_empty() => SqlType::parse(&name.to_string()),
            DataType::Date => Ok(SqlTypeKind::Date.into()),
            DataType::Time(_, TimezoneInfo::None) => Ok(SqlTypeKind::Time(None).into()),
            DataType::Timestamp(_, TimezoneInfo::None) => {
                Ok(SqlTypeKind::Timestamp(None, TimeZoneKind::Without).into())
            }
            other => Err(Error::internal(format!("type '{other}' did not come from the Flink parser"))),
        }
    }

    /// The form in which a type travels through sqlparser's tree: its text.
    pub(crate) fn into_sqlparser(self) -> DataType {
        DataType::Custom(ObjectName::from(vec![Ident::new(self.to_string())]), Vec::new())
    }
}

impl From<SqlTypeKind> for SqlType {
    fn from(kind: SqlTypeKind) -> Self {
        SqlType { kind, nullable: true }
    }
}
