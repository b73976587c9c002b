//! A connection to MySQL or MariaDB.

use std::pin::pin;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::lookup::Found;
use flott_api::{Error, ErrorKind, Result, Schema};
use futures::StreamExt as _;
use futures::future::{Either, select};
use mysql_async::prelude::{Query as _, Queryable as _, WithParams as _};
use mysql_async::{BinaryProtocol, Conn, OptsBuilder, ResultSetStream, Row};

use super::decode::decode_row;
use super::{MySql, STYLE};
use crate::columns::Builders;
use crate::dialect::{Connection, DbColumn, DbTable, Dialect, LookupQuery, Rows, ScanQuery, WriteTarget};
use crate::options::Access;
use crate::text_sql::{deletes, inserts, lookups, matched};

/// How long a connection may be silent before the server is asked whether it is still there.
const ALIVE: Duration = Duration::from_secs(30);
/// What makes all servers alike.
/// A client that the network has swallowed holds its locks no longer than MariaDB is told (MySQL has no such setting).
const SESSION: &str = "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION' \
    /*M!100300 , idle_transaction_timeout = 60 */, NAMES utf8mb4";

/// See the module.
pub(super) struct MySqlConnection {
    /// Nothing while its rows are read: the stream has it then.
    conn: Option<Conn>,
    place: String,
    scan: Option<Scan>,
}

struct Scan {
    rows: ResultSetStream<'static, 'static, 'static, Row, BinaryProtocol>,
    builders: Builders,
}

impl MySqlConnection {
    /// Connects to the first server that answers.
    ///
    /// # Errors
    /// If none does in time, or the user is refused.
    pub(super) async fn open(access: &Access, environment: &Environment) -> Result<Self> {
        let place = access.url.place();
        let mut last = None;
        for (host, port) in &access.url.hosts {
            let options = OptsBuilder::default()
                .ip_or_hostname(host.clone())
                .tcp_port(*port)
                .user(access.username.clone())
                .pass(access.password.as_ref().map(|p| p.reveal().to_owned()))
                .db_name(Some(access.url.database.clone()).filter(|d| !d.is_empty()))
                .prefer_socket(false)
                // A server that has vanished without a word is missed.
                .tcp_keepalive(Some(ALIVE))
                // Each statement has its own constants: none is worth being kept.
                .stmt_cache_size(0)
                .init(vec![SESSION.to_owned()]);
            let connecting = pin!(Conn::new(options));
            let late = environment.clock.sleep_ms(access.connect_ms);
            match select(connecting, late).await {
                Either::Left((Ok(conn), _)) => return Ok(MySqlConnection { conn: Some(conn), place, scan: None }),
                Either::Left((Err(e), _)) => last = Some(failed(&place, &e)),
                Either::Right(_) => {
                    let message = format!("{place} did not answer within {} ms", access.connect_ms);
                    last = Some(Error::new(ErrorKind::External { retry: true }, message));
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::internal("a URL without a host")))
    }

    fn conn(&mut self) -> Result<&mut Conn> {
        self.conn.as_mut().ok_or_else(|| Error::internal("a connection is asked while its rows are read"))
    }

    async fn run_all(&mut self, statements: Vec<String>) -> Result<()> {
        for statement in statements {
            self.execute(&statement).await?;
        }
        Ok(())
    }

    async fn rows(&mut self, sql: &str, schema: &Schema) -> Result<RecordBatch> {
        let place = self.place.clone();
        let mut builders = Builders::new(schema)?;
        let mut rows = self.conn()?.exec_iter(sql, ()).await.map_err(|e| failed(&place, &e))?;
        while let Some(row) = rows.next().await.map_err(|e| failed(&place, &e))? {
            decode_row(&row, &mut builders)?;
        }
        builders.finish()
    }
}

/// Checks the parameters of a URL: what is written there must be what we do anyway.
///
/// # Errors
/// If one is not.
pub(super) fn check_parameters(parameters: &[(String, String)]) -> Result<()> {
    for (key, value) in parameters {
        let lower = value.to_lowercase();
        let known = match key.as_str() {
            "useSSL" | "requireSSL" => lower == "false",
            "sslMode" => lower == "disabled" || lower == "disable",
            "useUnicode" => lower == "true",
            "characterEncoding" => lower == "utf-8" || lower == "utf8",
            "serverTimezone" | "connectionTimeZone" => lower == "utc",
            "rewriteBatchedStatements" | "allowPublicKeyRetrieval" | "autoReconnect" => {
                matches!(lower.as_str(), "true" | "false")
            }
            _ => false,
        };
        if !known {
            return Err(Error::unsupported(format!("parameter '{key}' of option 'url', or this value of it,"))
                .with_detail(
                    "For MySQL there are useSSL=false, sslMode=DISABLED, useUnicode=true, characterEncoding=UTF-8, \
                 serverTimezone=UTC, rewriteBatchedStatements, allowPublicKeyRetrieval and autoReconnect.",
                ));
        }
    }
    Ok(())
}

/// What went wrong, and whether trying again may help.
fn failed(place: &str, error: &mysql_async::Error) -> Error {
    let mysql_async::Error::Server(told) = error else {
        let retry = matches!(error, mysql_async::Error::Io(_) | mysql_async::Error::Driver(_));
        return Error::new(ErrorKind::External { retry }, format!("{place}: {error}"));
    };
    let kind = match told.code {
        // Too many connections, shutting down, lock wait timeout, deadlock, read only for the moment.
        1040 | 1053 | 1205 | 1213 | 1290 | 1927 => ErrorKind::External { retry: true },
        // Refused, or something is not there.
        1044 | 1045 | 1049 | 1054 | 1064 | 1146 => ErrorKind::Invalid,
        _ => match &told.state[..told.state.len().min(2)] {
            "08" => ErrorKind::External { retry: true },
            "22" | "23" => ErrorKind::Data,
            "28" | "42" => ErrorKind::Invalid,
            _ => ErrorKind::External { retry: false },
        },
    };
    let error = Error::new(kind, format!("{place}: {} ({})", told.message, told.code));
    match told.code {
        1044 | 1045 => error.with_hint("Options 'username' and 'password' say who asks."),
        _ => error,
    }
}

#[async_trait]
impl Connection for MySqlConnection {
    async fn table(&mut self, name: &str) -> Result<DbTable> {
        let quoted = name.replace('\\', "\\\\").replace('\'', "''");
        let columns = self
            .texts(&format!(
                "SELECT column_name, CONCAT(column_type, COALESCE(CONCAT(' CHARACTER SET ', character_set_name, \
                 ' COLLATE ', collation_name), '')), data_type, is_nullable FROM information_schema.columns WHERE \
                 table_schema = DATABASE() AND table_name = '{quoted}' ORDER BY ordinal_position"
            ))
            .await?;
        if columns.is_empty() {
            return Err(Error::invalid(format!("{} has no table '{name}'", self.place))
                .with_hint("Option 'table-name' is a table of the database that 'url' names."));
        }
        let column = |row: Vec<Option<String>>| {
            let [name, ty, base, nullable] = <[Option<String>; 4]>::try_from(row).ok()?;
            let name = name?;
            let nullable = matches!(nullable.as_deref(), Some("true" | "YES"));
            Some(DbColumn { quoted: MySql::quote(&name), name, ty: ty?, base: base?.to_lowercase(), nullable })
        };
        Ok(DbTable { name: MySql::quote(name), columns: columns.into_iter().filter_map(column).collect() })
    }

    async fn execute(&mut self, sql: &str) -> Result<u64> {
        let place = self.place.clone();
        let conn = self.conn()?;
        conn.query_drop(sql).await.map_err(|e| failed(&place, &e))?;
        Ok(conn.affected_rows())
    }

    async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let place = self.place.clone();
        let rows: Vec<Row> = self.conn()?.query(sql).await.map_err(|e| failed(&place, &e))?;
        let cell = |value| match value {
            mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            _ => None,
        };
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(cell).collect()).collect())
    }

    async fn scan(mut self: Box<Self>, query: &ScanQuery) -> Result<Box<dyn Rows>> {
        let builders = Builders::new(&query.schema)?;
        if !query.auto_commit {
            self.execute("START TRANSACTION").await?;
        }
        let conn = self.conn.take().ok_or_else(|| Error::internal("a connection is asked while its rows are read"))?;
        let rows = query.sql.clone().with(()).stream::<Row, _>(conn).await.map_err(|e| failed(&self.place, &e))?;
        self.scan = Some(Scan { rows, builders });
        Ok(self)
    }

    async fn lookup(&mut self, query: &LookupQuery, keys: &RecordBatch) -> Result<Found> {
        let mut batches = Vec::new();
        for (statement, own) in lookups(&STYLE, query, keys)? {
            let rows = self.rows(&statement, &query.schema).await?;
            batches.push(matched(&rows, &query.places, &own)?.rows);
        }
        let rows = concat_batches(&query.schema.arrow(), &batches)?;
        matched(&rows, &query.places, keys)
    }

    async fn upsert(&mut self, target: &WriteTarget, rows: &RecordBatch) -> Result<()> {
        let conflict = match target.keys.is_empty() {
            true => String::new(),
            false => {
                let (keys, others) = target.key_and_others();
                MySql.on_conflict(&keys, &others)
            }
        };
        self.run_all(inserts(&STYLE, target, rows, &conflict)?).await
    }

    async fn delete(&mut self, target: &WriteTarget, keys: &RecordBatch) -> Result<()> {
        self.run_all(deletes(&STYLE, target, keys)?).await
    }
}

#[async_trait]
impl Rows for MySqlConnection {
    async fn next_rows(&mut self) -> Result<Option<RecordBatch>> {
        let Some(scan) = &mut self.scan else { return Ok(None) };
        while !scan.builders.is_full() {
            match scan.rows.next().await {
                Some(row) => decode_row(&row.map_err(|e| failed(&self.place, &e))?, &mut scan.builders)?,
                None => break,
            }
        }
        if scan.builders.rows() == 0 {
            self.scan = None;
            return Ok(None);
        }
        scan.builders.finish().map(Some)
    }
}
