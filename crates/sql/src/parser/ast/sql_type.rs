//! A Flink type as it is written: `ROW<a INT NOT NULL, b ARRAY<STRING>>`.
//!
//! The meaning is given by `SqlType::to_logical`. A type inside `CAST` travels through sqlparser's tree as text;
//! `SqlType::from_sqlparser` reads it back.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName};

use super::Text;
use super::print::{joined, word};

/// A type and whether it takes nulls.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlType {
    /// The type itself.
    pub kind: SqlTypeKind,
    /// False after `NOT NULL`.
    pub nullable: bool,
}

/// The type itself. Synonyms are one: `INTEGER` is `Int`, `NUMERIC` is `Decimal`, `CHARACTER VARYING` is `Varchar`.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlTypeKind {
    /// `CHAR[(n)]`.
    Char(Option<u32>),
    /// `VARCHAR[(n)]`.
    Varchar(Option<u32>),
    /// `STRING`.
    String,
    /// `BINARY[(n)]`.
    Binary(Option<u32>),
    /// `VARBINARY[(n)]`.
    Varbinary(Option<u32>),
    /// `BYTES`.
    Bytes,
    /// `BOOLEAN`.
    Boolean,
    /// `TINYINT`.
    TinyInt,
    /// `SMALLINT`.
    SmallInt,
    /// `INT`.
    Int,
    /// `BIGINT`.
    BigInt,
    /// `DECIMAL[(p[, s])]`.
    Decimal(Option<u32>, Option<u32>),
    /// `FLOAT`.
    Float,
    /// `DOUBLE`.
    Double,
    /// `DATE`.
    Date,
    /// `TIME[(p)]`.
    Time(Option<u32>),
    /// `TIMESTAMP[(p)] [WITH [LOCAL] TIME ZONE]`; `TIMESTAMP_LTZ` is the local one.
    Timestamp(Option<u32>, TimeZoneKind),
    /// `INTERVAL DAY TO SECOND` and the like, with the qualifier as written; only inside `CAST`.
    Interval(String),
    /// `ARRAY<t>`, `t ARRAY`.
    Array(Box<SqlType>),
    /// `MULTISET<t>`, `t MULTISET`.
    Multiset(Box<SqlType>),
    /// `MAP<k, v>`.
    Map(Box<SqlType>, Box<SqlType>),
    /// `ROW<a INT, ..>`, `ROW(a INT, ..)`.
    Row(Vec<RowField>),
    /// `STRUCTURED<'class', a INT, ..>`.
    Structured(Text, Vec<RowField>),
    /// `RAW('class', 'snapshot')`.
    Raw(Text, Text),
    /// `VARIANT`.
    Variant,
    /// `BITMAP`.
    Bitmap,
    /// `NULL`.
    Null,
    /// A type of the user; Flink parses any name and knows none.
    Named(ObjectName),
}

/// What a timestamp knows of time zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeZoneKind {
    /// A wall clock: `TIMESTAMP`.
    Without,
    /// An instant, shown in the session's zone: `TIMESTAMP_LTZ`.
    Local,
    /// A wall clock with an offset: `TIMESTAMP WITH TIME ZONE`.
    With,
}

/// A field of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowField {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub data_type: SqlType,
    /// The string behind the type.
    pub comment: Option<Text>,
}

impl fmt::Display for RowField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.data_type)?;
        match &self.comment {
            Some(comment) => write!(f, " {comment}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        word(f, !self.nullable, " NOT NULL")
    }
}

/// `NAME` or `NAME(n)`.
fn sized(f: &mut fmt::Formatter<'_>, name: &str, size: Option<u32>) -> fmt::Result {
    match size {
        Some(size) => write!(f, "{name}({size})"),
        None => f.write_str(name),
    }
}

impl fmt::Display for SqlTypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlTypeKind::Char(n) => sized(f, "CHAR", *n),
            SqlTypeKind::Varchar(n) => sized(f, "VARCHAR", *n),
            SqlTypeKind::Binary(n) => sized(f, "BINARY", *n),
            SqlTypeKind::Varbinary(n) => sized(f, "VARBINARY", *n),
            SqlTypeKind::Decimal(Some(p), Some(s)) => write!(f, "DECIMAL({p}, {s})"),
            SqlTypeKind::Decimal(p, _) => sized(f, "DECIMAL", *p),
            SqlTypeKind::Time(p) => sized(f, "TIME", *p),
            SqlTypeKind::Timestamp(p, TimeZoneKind::Without) => sized(f, "TIMESTAMP", *p),
            SqlTypeKind::Timestamp(p, TimeZoneKind::Local) => sized(f, "TIMESTAMP_LTZ", *p),
            SqlTypeKind::Timestamp(p, TimeZoneKind::With) => {
                sized(f, "TIMESTAMP", *p)?;
                f.write_str(" WITH TIME ZONE")
            }
            SqlTypeKind::Interval(qualifier) => write!(f, "INTERVAL {qualifier}"),
            SqlTypeKind::Array(element) => write!(f, "ARRAY<{element}>"),
            SqlTypeKind::Multiset(element) => write!(f, "MULTISET<{element}>"),
            SqlTypeKind::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            SqlTypeKind::Row(fields) => write!(f, "ROW<{}>", joined(fields, ", ")),
            SqlTypeKind::Structured(class, fields) if fields.is_empty() => write!(f, "STRUCTURED<{class}>"),
            SqlTypeKind::Structured(class, fields) => write!(f, "STRUCTURED<{class}, {}>", joined(fields, ", ")),
            SqlTypeKind::Raw(class, snapshot) => write!(f, "RAW({class}, {snapshot})"),
            SqlTypeKind::Named(name) => write!(f, "{name}"),
            plain => f.write_str(plain.keyword()),
        }
    }
}

impl SqlTypeKind {
    /// The keyword of a type without parameters.
    fn keyword(&self) -> &'static str {
        match self {
            SqlTypeKind::String => "STRING",
            SqlTypeKind::Bytes => "BYTES",
            SqlTypeKind::Boolean => "BOOLEAN",
            SqlTypeKind::TinyInt => "TINYINT",
            SqlTypeKind::SmallInt => "SMALLINT",
            SqlTypeKind::Int => "INT",
            SqlTypeKind::BigInt => "BIGINT",
            SqlTypeKind::Float => "FLOAT",
            SqlTypeKind::Double => "DOUBLE",
            SqlTypeKind::Date => "DATE",
            SqlTypeKind::Variant => "VARIANT",
            SqlTypeKind::Bitmap => "BITMAP",
            _ => "NULL",
        }
    }
}
