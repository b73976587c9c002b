//! SQLite: a database that is a file of this machine.
//!
//! Its columns have no types, only values have: a value is read if it is what the declared type is written as. Dates and
//! times are texts as SQLite's own functions write them, booleans 0 and 1. It writes one transaction at a time: others wait.

mod connection;
mod decode;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::expr::Value;
use flott_api::types::Field;
use flott_api::{LogicalType, Result};

use crate::columns::Kind;
use crate::dialect::{Connection, DbColumn, Dialect, Listing, Staging};
use crate::options::Access;
use crate::postgres::conflict_clause;
use crate::text_sql::Style;

/// How constants are written.
const STYLE: Style = Style { backslashes: false, infinite: true, values: true };

/// The dialect.
pub(crate) struct Sqlite;

impl Sqlite {
    /// A name as an identifier.
    fn quote(name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

#[async_trait]
impl Dialect for Sqlite {
    fn check(&self, access: &Access) -> Result<()> {
        connection::check(access)
    }

    fn literal(&self, value: &Value, ty: &LogicalType) -> Option<String> {
        let kind = Kind::of(&Field::new("", ty.clone())).ok()?;
        // Times have several forms there, and whatever is not 0 is true.
        match value {
            Value::Int(n) if kind.integer_bytes().is_some() => Some(n.to_string()),
            Value::String(text) if !text.contains('\0') => Some(format!("'{}'", text.replace('\'', "''"))),
            _ => None,
        }
    }

    fn readable(&self, column: &DbColumn, _: &LogicalType) -> Result<String> {
        Ok(column.quoted.clone())
    }

    fn on_conflict(&self, keys: &[String], others: &[String]) -> String {
        conflict_clause(keys, others)
    }

    fn staging(&self) -> &dyn Staging {
        self
    }

    fn listing(&self) -> Option<&dyn Listing> {
        None
    }

    async fn connect(&self, access: &Access, environment: &Environment) -> Result<Box<dyn Connection>> {
        Ok(Box::new(connection::SqliteConnection::open(access, environment).await?))
    }
}

#[async_trait]
impl Staging for Sqlite {
    fn create(&self, commits: &str, staged: &str, columns: &[DbColumn]) -> Vec<String> {
        let columns: Vec<String> = columns.iter().map(|c| format!("{} {}", c.quoted, c.ty)).collect();
        vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {commits} (flott_part TEXT PRIMARY KEY NOT NULL, flott_sink TEXT NOT NULL, \
                 flott_committed_ms INTEGER NOT NULL)"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {staged} (flott_part TEXT NOT NULL, flott_place INTEGER NOT NULL, \
                 flott_kind INTEGER NOT NULL, {}, PRIMARY KEY (flott_part, flott_place))",
                columns.join(", ")
            ),
        ]
    }

    fn begin(&self) -> &'static str {
        // One that reads first and then writes may find that another has written, and has to give up.
        "BEGIN IMMEDIATE"
    }

    fn insert_once(&self, table: &str, columns: &str, values: &str) -> String {
        format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({values})")
    }
}
