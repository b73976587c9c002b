//! PostgreSQL: its names, types and statements.
//!
//! Batches travel as arrays: `unnest` makes rows of them there, so that a batch of any size is one statement that is
//! planned once.

mod connection;
mod decode;
mod encode;
mod tls;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::expr::Value;
use flott_api::types::{DECIMAL_PRECISION_MAX, Field, LENGTH_MAX};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::columns::Kind;
use crate::dialect::{Connection, DbColumn, DbTable, Dialect, Listing, Staging};
use crate::options::Access;
use crate::time::{date_text, timestamp_text};

const MICROS_OF_MILLI: i64 = 1000;
/// The precision of times that say none.
const MICROS_PRECISION: u8 = 6;

/// The dialect.
pub(crate) struct PostgreSql;

impl PostgreSql {
    /// A name as an identifier.
    fn quote(name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Types of texts that are read and compared as they are.
const TEXTS: [&str; 4] = ["text", "character varying", "character", "name"];
/// Types that are no text, and that nothing else than themselves can be read as.
const NO_TEXTS: [&str; 15] = [
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "boolean",
    "bytea",
    "date",
    "time without time zone",
    "time with time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "money",
    "oid",
];

/// Whether a type's values go in and out as text, though it is none: `uuid`, `jsonb`, an enum.
fn speaks_text(base: &str) -> bool {
    !TEXTS.contains(&base) && !NO_TEXTS.contains(&base) && !base.ends_with("[]")
}

#[async_trait]
impl Dialect for PostgreSql {
    fn check(&self, access: &Access) -> Result<()> {
        connection::check(access).map(drop)
    }

    fn literal(&self, value: &Value, ty: &LogicalType) -> Option<String> {
        let kind = Kind::of(&Field::new("", ty.clone())).ok()?;
        Some(match (value, kind) {
            (Value::Boolean(b), Kind::Bool) => b.to_string().to_uppercase(),
            (Value::Int(days), Kind::Date) => format!("DATE '{}'", date_text(*days)),
            (Value::Int(n), _) if kind.integer_bytes().is_some() => n.to_string(),
            (Value::String(text), Kind::Text) if !text.contains(['\0', '\\']) => quoted_text(text),
            (Value::Timestamp { millis, nanos }, Kind::Timestamp { .. } | Kind::Ltz { .. }) => {
                // Finer than what is kept there: no row would be equal to it, but some may lie beside it.
                let micros = (nanos % 1000 == 0).then(|| i64::from(nanos / 1000))?;
                let text = timestamp_text(millis.checked_mul(MICROS_OF_MILLI)?.checked_add(micros)?);
                match kind {
                    Kind::Ltz { .. } => format!("TIMESTAMPTZ '{text}+00'"),
                    _ => format!("TIMESTAMP '{text}'"),
                }
            }
            _ => return None,
        })
    }

    fn readable(&self, column: &DbColumn, ty: &LogicalType) -> Result<String> {
        let (quoted, base) = (&column.quoted, column.base.as_str());
        let kind = Kind::of(&Field::new(&column.name, ty.clone()))?;
        let cast = match (kind, base) {
            (Kind::Bool, "boolean")
            | (Kind::I8 | Kind::I16, "smallint")
            | (Kind::I32, "integer" | "smallint")
            | (Kind::I64, "bigint" | "integer" | "smallint")
            | (Kind::F32, "real")
            | (Kind::F64, "double precision")
            | (Kind::Decimal { .. }, "numeric")
            | (Kind::Bytes, "bytea")
            | (Kind::Date, "date")
            | (Kind::Time, "time without time zone")
            | (Kind::Timestamp { .. }, "timestamp without time zone")
            | (Kind::Ltz { .. }, "timestamp with time zone") => "",
            (Kind::Text, base) if TEXTS.contains(&base) => "",
            (Kind::F64, "real") => "::float8",
            (Kind::Decimal { .. }, "smallint" | "integer" | "bigint") => "::numeric",
            (Kind::Text, base) if speaks_text(base) => "::text",
            _ => return Err(misfit(column, ty)),
        };
        Ok(format!("{quoted}{cast}"))
    }

    fn on_conflict(&self, keys: &[String], others: &[String]) -> String {
        conflict_clause(keys, others)
    }

    fn staging(&self) -> &dyn Staging {
        self
    }

    fn listing(&self) -> Option<&dyn Listing> {
        Some(self)
    }

    async fn connect(&self, access: &Access, environment: &Environment) -> Result<Box<dyn Connection>> {
        Ok(Box::new(connection::PostgresConnection::open(access, environment).await?))
    }
}

/// `ON CONFLICT .. DO UPDATE`, as PostgreSQL and SQLite have it.
pub(crate) fn conflict_clause(keys: &[String], others: &[String]) -> String {
    let set: Vec<String> = others.iter().map(|c| format!("{c} = EXCLUDED.{c}")).collect();
    match set.is_empty() {
        true => format!(" ON CONFLICT ({}) DO NOTHING", keys.join(", ")),
        false => format!(" ON CONFLICT ({}) DO UPDATE SET {}", keys.join(", "), set.join(", ")),
    }
}

/// That a row of `flott_t` has the key of one of `flott_l`.
pub(crate) fn same_keys(keys: &[String]) -> String {
    let same: Vec<String> = keys.iter().map(|key| format!("flott_t.{key} = flott_l.{key}")).collect();
    same.join(" AND ")
}

/// A text as a constant.
fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A column whose type is not what was declared.
pub(crate) fn misfit(column: &DbColumn, ty: &LogicalType) -> Error {
    let error = Error::invalid(format!(
        "column '{}' is of type {} in the database and cannot be {} here",
        column.name, column.ty, ty.kind
    ));
    let hint = match column.base.as_str() {
        "smallint" => "SMALLINT",
        "integer" | "int" | "mediumint" => "INT",
        "bigint" => "BIGINT",
        "numeric" | "decimal" => "DECIMAL",
        "timestamp with time zone" => "TIMESTAMP_LTZ(6)",
        "timestamp without time zone" => "TIMESTAMP(6)",
        _ => return error.with_hint("Which types fit together is listed in docs/jdbc.md."),
    };
    error.with_hint(format!("Declare it as {hint}, and CAST it in the query."))
}

#[async_trait]
impl Staging for PostgreSql {
    fn create(&self, commits: &str, staged: &str, columns: &[DbColumn]) -> Vec<String> {
        let columns: Vec<String> = columns.iter().map(|c| format!("{} {}", c.quoted, c.ty)).collect();
        vec![
            // Two that create the same table at once would see each other half done.
            "BEGIN".to_owned(),
            "SELECT pg_advisory_xact_lock(7163371923)".to_owned(),
            format!(
                "CREATE TABLE IF NOT EXISTS {commits} (flott_part text PRIMARY KEY, flott_sink text NOT NULL, \
                 flott_committed_ms bigint NOT NULL)"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {staged} (flott_part text COLLATE \"C\" NOT NULL, flott_place bigint NOT NULL, \
                 flott_kind smallint NOT NULL, {}, PRIMARY KEY (flott_part, flott_place))",
                columns.join(", ")
            ),
            "COMMIT".to_owned(),
        ]
    }

    fn begin(&self) -> &'static str {
        // A client that the network has swallowed holds its locks no longer.
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '60s'"
    }

    fn delete_found(&self, table: &str, keys: &[String], gone: &str) -> String {
        format!("DELETE FROM {table} AS flott_t USING {gone} AND {}", same_keys(keys))
    }

    fn insert_once(&self, table: &str, columns: &str, values: &str) -> String {
        format!("INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING")
    }
}

impl Listing for PostgreSql {
    fn databases(&self) -> &'static str {
        "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname"
    }

    fn tables(&self) -> &'static str {
        "SELECT table_schema || '.' || table_name FROM information_schema.tables \
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY table_schema, table_name"
    }

    fn primary_key(&self, table: &DbTable) -> String {
        format!(
            "SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, o) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
             WHERE i.indrelid = {}::regclass AND i.indisprimary ORDER BY k.o",
            quoted_text(&table.name)
        )
    }

    fn declared(&self, column: &DbColumn) -> Result<LogicalType> {
        let (first, second) = lengths(&column.ty);
        let time = |make: fn(u8) -> TypeKind| make(first.map_or(MICROS_PRECISION, |p| p as u8));
        let kind = match column.base.as_str() {
            "boolean" => TypeKind::Boolean,
            "smallint" => TypeKind::SmallInt,
            "integer" => TypeKind::Int,
            "bigint" => TypeKind::BigInt,
            "real" => TypeKind::Float,
            "double precision" => TypeKind::Double,
            "numeric" => decimal_of(column, first, second)?,
            "character" => TypeKind::Char(first.unwrap_or(1)),
            "character varying" => TypeKind::Varchar(first.unwrap_or(LENGTH_MAX)),
            "bytea" => TypeKind::Varbinary(LENGTH_MAX),
            "date" => TypeKind::Date,
            "time without time zone" => time(TypeKind::Time),
            "timestamp without time zone" => time(TypeKind::Timestamp),
            "timestamp with time zone" => time(TypeKind::TimestampLtz),
            "text" | "name" => TypeKind::Varchar(LENGTH_MAX),
            base if speaks_text(base) => TypeKind::Varchar(LENGTH_MAX),
            _ => return Err(undeclared(column)),
        };
        Ok(LogicalType::new(kind).with_nullable(column.nullable))
    }
}

/// `decimal(10, 2)`; without digits it is what Flink makes of it.
pub(crate) fn decimal_of(column: &DbColumn, precision: Option<u32>, scale: Option<u32>) -> Result<TypeKind> {
    let Some(precision) = precision else { return Ok(TypeKind::Decimal { precision: 38, scale: 18 }) };
    let (precision, scale) = (u8::try_from(precision), u8::try_from(scale.unwrap_or(0)));
    match (precision, scale) {
        (Ok(precision @ 1..=DECIMAL_PRECISION_MAX), Ok(scale)) if scale <= precision => {
            Ok(TypeKind::Decimal { precision, scale })
        }
        _ => Err(undeclared(column)),
    }
}

/// A column whose type no column here has.
pub(crate) fn undeclared(column: &DbColumn) -> Error {
    Error::unsupported(format!("column '{}' of type {} in the database", column.name, column.ty))
        .with_hint("Declare the table with CREATE TABLE, without that column.")
}

/// The numbers in `numeric(10,2)` or `timestamp(3) without time zone`.
pub(crate) fn lengths(ty: &str) -> (Option<u32>, Option<u32>) {
    let inner = ty.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inner, _)| inner);
    let mut numbers = inner.into_iter().flat_map(|i| i.split(',')).map(|n| n.trim().parse().ok());
    (numbers.next().flatten(), numbers.next().flatten())
}
