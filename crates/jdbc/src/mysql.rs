//! MySQL and MariaDB: their names, types and statements.
//!
//! Batches travel as constants in one statement ([`crate::text_sql`]). A session is in UTC, strict (a value that does not fit
//! is an error and not cut), and speaks UTF-8, whatever the server's defaults are.

mod connection;
mod decode;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::expr::Value;
use flott_api::types::{Field, LENGTH_MAX};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::columns::Kind;
use crate::dialect::{Connection, DbColumn, DbTable, Dialect, Listing, Staging, WriteTarget};
use crate::options::Access;
use crate::postgres::{decimal_of, lengths, misfit, same_keys, undeclared};
use crate::text_sql::Style;
use crate::time::{date_text, timestamp_text};

const MICROS_OF_MILLI: i64 = 1000;
/// How constants are written.
const STYLE: Style = Style { backslashes: true, infinite: false, values: false };
const TEXTS: [&str; 8] = ["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"];
const BYTES: [&str; 6] = ["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"];

/// The dialect.
pub(crate) struct MySql;

impl MySql {
    /// A name as an identifier.
    fn quote(name: &str) -> String {
        format!("`{}`", name.replace('`', "``"))
    }
}

/// The bytes of a whole number, and whether it has a sign.
fn integer(column: &DbColumn) -> Option<(usize, bool)> {
    let bytes = match column.base.as_str() {
        "tinyint" => 1,
        "smallint" | "year" => 2,
        "mediumint" | "int" => 4,
        "bigint" => 8,
        _ => return None,
    };
    Some((bytes, !column.ty.contains("unsigned")))
}

#[async_trait]
impl Dialect for MySql {
    fn check(&self, access: &Access) -> Result<()> {
        connection::check_parameters(&access.url.parameters)
    }

    fn literal(&self, value: &Value, ty: &LogicalType) -> Option<String> {
        let kind = Kind::of(&Field::new("", ty.clone())).ok()?;
        // Whatever is not 0 is true there, so no boolean goes there.
        Some(match (value, kind) {
            (Value::Int(days), Kind::Date) => format!("DATE '{}'", date_text(*days)),
            (Value::Int(n), _) if kind.integer_bytes().is_some() => n.to_string(),
            // It may take more for equal than we do, never less.
            (Value::String(text), Kind::Text) if !text.contains(['\0', '\\']) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            (Value::Timestamp { millis, nanos }, Kind::Timestamp { .. } | Kind::Ltz { .. }) => {
                let micros = (nanos % 1000 == 0).then(|| i64::from(nanos / 1000))?;
                let text = timestamp_text(millis.checked_mul(MICROS_OF_MILLI)?.checked_add(micros)?);
                format!("TIMESTAMP '{text}'")
            }
            _ => return None,
        })
    }

    fn readable(&self, column: &DbColumn, ty: &LogicalType) -> Result<String> {
        let kind = Kind::of(&Field::new(&column.name, ty.clone()))?;
        let base = column.base.as_str();
        let fits = match kind {
            Kind::Bool => matches!(base, "tinyint" | "bit"),
            Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 => integer(column).is_some_and(|(bytes, signed)| {
                let room = kind.integer_bytes().unwrap_or(0);
                if signed { bytes <= room } else { bytes < room }
            }),
            Kind::F32 => base == "float",
            Kind::F64 => matches!(base, "double" | "float"),
            Kind::Decimal { .. } => base == "decimal" || integer(column).is_some(),
            Kind::Text => TEXTS.contains(&base) || matches!(base, "json" | "uuid" | "inet4" | "inet6"),
            Kind::Bytes => BYTES.contains(&base),
            Kind::Date => base == "date",
            Kind::Time => base == "time",
            Kind::Timestamp { .. } => base == "datetime",
            Kind::Ltz { .. } => base == "timestamp",
        };
        if fits { Ok(column.quoted.clone()) } else { Err(misfit(column, ty)) }
    }

    fn on_conflict(&self, keys: &[String], others: &[String]) -> String {
        // A row that has nothing but its key stays as it is.
        let set = if others.is_empty() { &keys[..1] } else { others };
        let set: Vec<String> = set.iter().map(|c| format!("{c} = VALUES({c})")).collect();
        format!(" ON DUPLICATE KEY UPDATE {}", set.join(", "))
    }

    fn staging(&self) -> &dyn Staging {
        self
    }

    fn listing(&self) -> Option<&dyn Listing> {
        Some(self)
    }

    async fn connect(&self, access: &Access, environment: &Environment) -> Result<Box<dyn Connection>> {
        Ok(Box::new(connection::MySqlConnection::open(access, environment).await?))
    }
}

#[async_trait]
impl Staging for MySql {
    async fn check_target(
        &self,
        connection: &mut dyn Connection,
        (table, target): (&str, &WriteTarget),
        transactional: bool,
    ) -> Result<()> {
        let quoted = table.replace('\\', "\\\\").replace('\'', "''");
        let of_table = format!("WHERE table_schema = DATABASE() AND table_name = '{quoted}'");
        let engines = connection.texts(&format!("SELECT engine FROM information_schema.tables {of_table}")).await?;
        // A view has none, and says itself what it does not take.
        let Some(engine) = engines.into_iter().flatten().flatten().next() else { return Ok(()) };
        if transactional && !engine.eq_ignore_ascii_case("InnoDB") {
            let message = format!("table '{table}' is kept by {engine}, which has no transactions");
            return Err(Error::invalid(message)
                .with_hint("Exactly once needs them: ALTER TABLE .. ENGINE = InnoDB, or take 'at-least-once'."));
        }
        if target.keys.is_empty() {
            return Ok(());
        }
        let indexes = connection
            .texts(&format!(
                "SELECT index_name, column_name, sub_part FROM information_schema.statistics {of_table} AND non_unique = 0"
            ))
            .await?;
        // Nothing for one that looks at a part of a column, or at what is made of it.
        let mut by_name: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
        for row in indexes {
            let [Some(index), column, part] = row.as_slice() else { continue };
            let columns = by_name.entry(index.clone()).or_insert_with(|| Some(BTreeSet::new()));
            match (column, part, &mut *columns) {
                (Some(column), None, Some(columns)) => drop(columns.insert(column.clone())),
                _ => *columns = None,
            }
        }
        let names: Vec<&str> = target.keys.iter().map(|key| target.columns[*key].name.as_str()).collect();
        let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if by_name.values().flatten().any(|columns| *columns == wanted) {
            return Ok(());
        }
        Err(Error::invalid(format!("table '{table}' has no unique key of {}", names.join(", ")))
            .with_detail(
                "These columns are the primary key of the table here, and rows with the same key replace each other.",
            )
            .with_hint("Make such a key in the database, or declare the one that it has."))
    }

    fn create(&self, commits: &str, staged: &str, columns: &[DbColumn]) -> Vec<String> {
        let columns: Vec<String> = columns.iter().map(|c| format!("{} {} NULL", c.quoted, c.ty)).collect();
        let ids = "varchar(120) CHARACTER SET ascii COLLATE ascii_bin";
        // Only InnoDB keeps what a transaction promises.
        vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {commits} (flott_part {ids} PRIMARY KEY, flott_sink varchar(32) NOT NULL, \
                 flott_committed_ms bigint NOT NULL) ENGINE = InnoDB"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {staged} (flott_part {ids} NOT NULL, flott_place bigint NOT NULL, \
                 flott_kind smallint NOT NULL, {}, PRIMARY KEY (flott_part, flott_place)) ENGINE = InnoDB",
                columns.join(", ")
            ),
        ]
    }

    fn begin(&self) -> &'static str {
        "START TRANSACTION"
    }

    fn delete_found(&self, table: &str, keys: &[String], gone: &str) -> String {
        // With a list of keys from a query it would go through the whole table.
        format!("DELETE flott_t FROM {table} AS flott_t JOIN {gone} AND {}", same_keys(keys))
    }

    fn insert_once(&self, table: &str, columns: &str, values: &str) -> String {
        format!("INSERT IGNORE INTO {table} ({columns}) VALUES ({values})")
    }
}

impl Listing for MySql {
    fn databases(&self) -> &'static str {
        "SELECT schema_name FROM information_schema.schemata \
         WHERE schema_name NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY schema_name"
    }

    fn tables(&self) -> &'static str {
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"
    }

    fn primary_key(&self, table: &DbTable) -> String {
        let name = table.name.trim_matches('`').replace("``", "`").replace('\\', "\\\\").replace('\'', "''");
        format!(
            "SELECT column_name FROM information_schema.key_column_usage WHERE constraint_name = 'PRIMARY' \
             AND table_schema = DATABASE() AND table_name = '{name}' ORDER BY ordinal_position"
        )
    }

    fn declared(&self, column: &DbColumn) -> Result<LogicalType> {
        let (first, second) = lengths(&column.ty);
        let signed = !column.ty.contains("unsigned");
        let precision = first.map_or(0, |p| p as u8);
        let kind = match (column.base.as_str(), signed) {
            ("tinyint", _) if first == Some(1) => TypeKind::Boolean,
            ("bit", _) if first == Some(1) => TypeKind::Boolean,
            ("tinyint", true) => TypeKind::TinyInt,
            ("tinyint", false) | ("smallint", true) | ("year", _) => TypeKind::SmallInt,
            ("smallint", false) | ("mediumint", _) | ("int", true) => TypeKind::Int,
            ("int", false) | ("bigint", true) => TypeKind::BigInt,
            ("bigint", false) => TypeKind::Decimal { precision: 20, scale: 0 },
            ("float", _) => TypeKind::Float,
            ("double", _) => TypeKind::Double,
            ("decimal", _) => decimal_of(column, first, second)?,
            ("char", _) => TypeKind::Char(first.unwrap_or(1)),
            ("varchar", _) => TypeKind::Varchar(first.unwrap_or(LENGTH_MAX)),
            ("date", _) => TypeKind::Date,
            ("time", _) => TypeKind::Time(precision),
            ("datetime", _) => TypeKind::Timestamp(precision),
            ("timestamp", _) => TypeKind::TimestampLtz(precision),
            (base, _) if TEXTS.contains(&base) || base == "json" => TypeKind::Varchar(LENGTH_MAX),
            (base, _) if BYTES.contains(&base) => TypeKind::Varbinary(LENGTH_MAX),
            _ => return Err(undeclared(column)),
        };
        Ok(LogicalType::new(kind).with_nullable(column.nullable))
    }
}
