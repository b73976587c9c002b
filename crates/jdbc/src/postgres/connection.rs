//! A connection to PostgreSQL.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;
use async_trait::async_trait;
use flott_api::env::{Environment, TaskHandle};
use flott_api::lookup::Found;
use flott_api::types::Field;
use flott_api::{Error, ErrorKind, LogicalType, Result};
use futures::TryStreamExt;
use futures::future::{Either, select};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, RowStream, SimpleQueryMessage, Statement};

use super::decode::{decode_ordinal, decode_row};
use super::encode::{ArrayParameter, array_type};
use super::tls::Tls;
use super::{PostgreSql, conflict_clause, quoted_text, speaks_text};
use crate::columns::{Builders, Kind};
use crate::dialect::{Connection, DbColumn, DbTable, LookupQuery, Rows, ScanQuery, WriteTarget};
use crate::options::Access;

/// How long a connection may be silent before the server is asked whether it is still there.
const ALIVE: Duration = Duration::from_secs(30);
/// A batch of wide rows is handed on before it has all of its rows.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// See the module.
pub(super) struct PostgresConnection {
    client: Client,
    /// For messages.
    place: String,
    statements: HashMap<String, Statement>,
    scan: Option<Scan>,
    /// Lookups are planned for any number of keys, not for the many of one call.
    planned_for_few: bool,
    /// What moves the bytes.
    _task: Box<dyn TaskHandle>,
}

/// A query whose rows are being read.
struct Scan {
    builders: Builders,
    rows: Option<Pin<Box<RowStream>>>,
    /// Of a cursor: what asks for more, how many at once, and how many of them have come.
    fetch: Option<(Statement, u32, u32)>,
}

impl PostgresConnection {
    /// Connects to the first server that answers.
    ///
    /// # Errors
    /// If none does in time, or the user is refused.
    pub(super) async fn open(access: &Access, environment: &Environment) -> Result<Self> {
        let place = access.url.place();
        let mut config = Config::new();
        config.dbname(access.url.database.clone()).user(check(access)?);
        if let Some(password) = &access.password {
            config.password(password.reveal());
        }
        for (host, port) in &access.url.hosts {
            config.host(host.clone()).port(*port);
        }
        config.connect_timeout(Duration::from_millis(access.connect_ms));
        // A server that has vanished without a word is missed.
        config.keepalives_idle(ALIVE).keepalives_interval(ALIVE / 3).keepalives_retries(3).tcp_user_timeout(ALIVE * 2);
        let parameters = Parameters::read(&access.url.parameters)?;
        parameters.apply(&mut config);
        let tls = Tls::new(parameters.roots, environment)?;
        let connecting = pin!(config.connect(tls));
        let late = environment.clock.sleep_ms(access.connect_ms);
        let connected = match select(connecting, late).await {
            Either::Left((connected, _)) => connected.map_err(|e| failed(&place, &e))?,
            Either::Right(_) => {
                let message = format!("{place} did not answer within {} ms", access.connect_ms);
                return Err(Error::new(ErrorKind::External { retry: true }, message));
            }
        };
        let (client, connection) = connected;
        let name = format!("jdbc connection to {place}");
        let task = environment.spawner.spawn(
            &name,
            Box::pin(async move {
                if let Err(e) = connection.await {
                    // Whoever waits for an answer is told, too.
                    tracing::debug!("a connection has ended: {e}");
                }
            }),
        );
        // A time with a zone in a column without one is that of UTC, as it is here, and not of the server's place.
        client.batch_execute("SET TIME ZONE 'UTC'").await.map_err(|e| failed(&place, &e))?;
        let statements = HashMap::new();
        Ok(PostgresConnection { client, place, statements, scan: None, planned_for_few: false, _task: task })
    }

    fn failed(&self, error: &tokio_postgres::Error) -> Error {
        failed(&self.place, error)
    }

    async fn prepared(&mut self, sql: &str, types: &[Type]) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare_typed(sql, types).await.map_err(|e| self.failed(&e))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs a statement that takes a batch as arrays.
    async fn execute_with(&mut self, sql: &str, parameters: Vec<ArrayParameter>) -> Result<()> {
        let types: Vec<Type> = parameters.iter().map(|p| array_type(p.kind)).collect();
        let statement = self.prepared(sql, &types).await?;
        self.client.execute_raw(&statement, parameters).await.map_err(|e| self.failed(&e))?;
        Ok(())
    }

    async fn begin_cursor(&mut self, query: &ScanQuery) -> Result<(Statement, u32, u32)> {
        let declare = format!("BEGIN; DECLARE flott_scan NO SCROLL CURSOR FOR {}", query.sql);
        self.client.batch_execute(&declare).await.map_err(|e| self.failed(&e))?;
        let fetch = format!("FETCH {} FROM flott_scan", query.fetch_size);
        let statement = self.client.prepare(&fetch).await.map_err(|e| self.failed(&e))?;
        Ok((statement, query.fetch_size, 0))
    }

    async fn start(&mut self, statement: &Statement) -> Result<Pin<Box<RowStream>>> {
        let rows = self.client.query_raw(statement, std::iter::empty::<i64>()).await;
        rows.map(Box::pin).map_err(|e| self.failed(&e))
    }
}

/// What the parameters of a URL say.
#[derive(Default)]
struct Parameters<'a> {
    /// As it is written; `prefer` if it is not.
    ssl_mode: Option<&'a str>,
    roots: Option<&'a str>,
    schemas: Option<&'a str>,
    application: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn read(parameters: &'a [(String, String)]) -> Result<Self> {
        let mut read = Parameters::default();
        for (key, value) in parameters {
            match (key.as_str(), value.as_str()) {
                ("sslmode", "disable" | "prefer" | "require" | "verify-full") => read.ssl_mode = Some(value),
                ("sslmode", _) => {
                    return Err(Error::invalid(format!("parameter 'sslmode' of option 'url' has the value '{value}'"))
                        .with_detail("It may be disable, prefer, require or verify-full."));
                }
                ("sslrootcert", file) => read.roots = Some(file),
                ("currentSchema", schemas) => read.schemas = Some(schemas),
                ("ApplicationName", name) => read.application = Some(name),
                // What they ask for is always so here.
                ("reWriteBatchedInserts", "true" | "false") | ("stringtype", "unspecified") => {}
                _ => {
                    return Err(Error::unsupported(format!("parameter '{key}' of option 'url', or this value of it,"))
                        .with_detail(
                            "For PostgreSQL there are sslmode, sslrootcert, currentSchema, ApplicationName, \
                         reWriteBatchedInserts and stringtype=unspecified.",
                        ));
                }
            }
        }
        match (read.ssl_mode == Some("verify-full"), read.roots) {
            (true, None) => Err(Error::invalid("parameter 'sslmode=verify-full' of option 'url' needs 'sslrootcert'")
                .with_detail("It is a file with the certificates, in PEM, of those who may sign for the server.")),
            (false, Some(_)) => {
                Err(Error::invalid("parameter 'sslrootcert' of option 'url' without 'sslmode=verify-full'")
                    .with_detail("No certificate would be checked."))
            }
            _ => Ok(read),
        }
    }

    fn apply(&self, config: &mut Config) {
        if let Some(schemas) = self.schemas {
            // A blank would end the option there.
            config.options(format!("-c search_path={}", schemas.replace('\\', "\\\\").replace(' ', "\\ ")));
        }
        config.application_name(self.application.unwrap_or("flott"));
        config.ssl_mode(match self.ssl_mode {
            Some("disable") => SslMode::Disable,
            None | Some("prefer") => SslMode::Prefer,
            _ => SslMode::Require,
        });
    }
}

/// Checks what can be checked without a server; gives the user.
///
/// # Errors
/// If there is no user, or a parameter of the URL is wrong.
pub(super) fn check(access: &Access) -> Result<&str> {
    Parameters::read(&access.url.parameters)?;
    // Otherwise the name of whoever runs this process would be tried.
    let missing = || Error::invalid(format!("a table of {} needs option 'username'", access.url.place()));
    access.username.as_deref().ok_or_else(missing)
}

/// What went wrong, and whether trying again may help.
fn failed(place: &str, error: &tokio_postgres::Error) -> Error {
    let Some(told) = error.as_db_error() else {
        let is_io = std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        let retry = error.is_closed() || is_io;
        let mut message = format!("{place}: {error}");
        if let Some(source) = std::error::Error::source(error) {
            message = format!("{message}: {source}");
        }
        return Error::new(ErrorKind::External { retry }, message);
    };
    let code = told.code().code();
    let kind = match code {
        "40001" | "40P01" | "55P03" => ErrorKind::External { retry: true },
        "42501" => ErrorKind::External { retry: false },
        _ => match &code[..code.len().min(2)] {
            "08" | "53" | "57" | "58" => ErrorKind::External { retry: true },
            "22" | "23" => ErrorKind::Data,
            "28" | "3D" | "3F" | "42" => ErrorKind::Invalid,
            _ => ErrorKind::External { retry: false },
        },
    };
    let error = Error::new(kind, format!("{place}: {} ({code})", told.message()));
    match code {
        "28P01" | "28000" => error.with_hint("Options 'username' and 'password' say who asks."),
        _ => error,
    }
}

/// A column of rows made of arrays, as what the table's column is.
fn cast(from: &str, column: &DbColumn) -> String {
    match column.base.as_str() {
        // Compared as texts, they would have their blanks at the end.
        "character" => format!("{from}::bpchar"),
        base if speaks_text(base) => format!("{from}::{}", column.ty),
        _ => from.to_owned(),
    }
}

/// `unnest($1, $2)`
fn unnest(columns: usize) -> String {
    let parameters: Vec<String> = (1..=columns).map(|n| format!("${n}")).collect();
    format!("unnest({})", parameters.join(", "))
}

fn made(prefix: &str, columns: usize) -> Vec<String> {
    (0..columns).map(|n| format!("flott_{prefix}{n}")).collect()
}

fn parameters<'a>(rows: &RecordBatch, types: impl Iterator<Item = &'a LogicalType>) -> Result<Vec<ArrayParameter>> {
    let column = |(column, ty): (&Arc<dyn arrow_array::Array>, &LogicalType)| {
        let kind = Kind::of(&Field::new("", ty.clone()))?;
        Ok(ArrayParameter { column: Arc::clone(column), kind })
    };
    rows.columns().iter().zip(types).map(column).collect()
}

#[async_trait]
impl Connection for PostgresConnection {
    async fn table(&mut self, name: &str) -> Result<DbTable> {
        let quoted: Vec<String> = name.split('.').map(PostgreSql::quote).collect();
        let quoted = quoted.join(".");
        // As it is written, where upper case counts for nothing, or else to the letter.
        let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_$.\"".contains(&b));
        let written = if is_plain && !name.starts_with(|c: char| c.is_ascii_digit()) { name } else { &quoted };
        let find = format!(
            "SELECT t::text, t::oid::text FROM COALESCE(to_regclass({}), to_regclass({})) AS t WHERE t IS NOT NULL",
            quoted_text(written),
            quoted_text(&quoted)
        );
        let found = self.texts(&find).await?;
        let [Some(table), Some(oid)] = &found.first().cloned().unwrap_or_default()[..] else {
            return Err(Error::invalid(format!("{} has no table '{name}'", self.place))
                .with_hint("Option 'table-name' is 'table' or 'schema.table'."));
        };
        let columns = self
            .texts(&format!(
                "SELECT a.attname, format_type(a.atttypid, a.atttypmod), \
                 format_type(COALESCE(NULLIF(t.typbasetype, 0), t.oid), NULL), (NOT a.attnotnull)::text \
                 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
                 WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
            ))
            .await?;
        let column = |row: Vec<Option<String>>| {
            let [name, ty, base, nullable] = <[Option<String>; 4]>::try_from(row).ok()?;
            let name = name?;
            let nullable = matches!(nullable.as_deref(), Some("true" | "YES"));
            Some(DbColumn { quoted: PostgreSql::quote(&name), name, ty: ty?, base: base?.to_lowercase(), nullable })
        };
        Ok(DbTable { name: table.clone(), columns: columns.into_iter().filter_map(column).collect() })
    }

    async fn execute(&mut self, sql: &str) -> Result<u64> {
        let answers = self.client.simple_query(sql).await.map_err(|e| self.failed(&e))?;
        let counts = answers.iter().filter_map(|a| match a {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        Ok(counts.last().unwrap_or(0))
    }

    async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let answers = self.client.simple_query(sql).await.map_err(|e| self.failed(&e))?;
        let rows = answers.into_iter().filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    async fn scan(mut self: Box<Self>, query: &ScanQuery) -> Result<Box<dyn Rows>> {
        // The same rows in the same order when they are asked for again: nothing joins another scan half way, or divides
        // the work.
        let order = "SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0";
        self.client.batch_execute(order).await.map_err(|e| self.failed(&e))?;
        let builders = Builders::new(&query.schema)?;
        let (rows, fetch) = if query.fetch_size > 0 {
            let fetch = self.begin_cursor(query).await?;
            (self.start(&fetch.0).await?, Some(fetch))
        } else {
            if !query.auto_commit {
                self.client.batch_execute("BEGIN").await.map_err(|e| self.failed(&e))?;
            }
            let statement = self.prepared(&query.sql, &[]).await?;
            (self.start(&statement).await?, None)
        };
        self.scan = Some(Scan { builders, rows: Some(rows), fetch });
        Ok(self)
    }

    async fn lookup(&mut self, query: &LookupQuery, keys: &RecordBatch) -> Result<Found> {
        if !self.planned_for_few {
            let few = "SET plan_cache_mode = force_generic_plan";
            self.client.batch_execute(few).await.map_err(|e| self.failed(&e))?;
            self.planned_for_few = true;
        }
        let names = made("k", query.keys.len());
        let equal = |((column, _), name): (&(DbColumn, LogicalType), &String)| {
            format!("flott_t.{} = {}", column.quoted, cast(&format!("flott_r.{name}"), column))
        };
        let mut on: Vec<String> = query.keys.iter().zip(&names).map(equal).collect();
        on.extend(query.filter.clone());
        let selected: String = query.selected.iter().map(|s| format!(", flott_t.{s}")).collect();
        let sql = format!(
            "SELECT flott_r.flott_o{selected} FROM {} WITH ORDINALITY AS flott_r({}, flott_o) JOIN {} AS flott_t ON {}",
            unnest(names.len()),
            names.join(", "),
            query.table,
            on.join(" AND ")
        );
        let parameters = parameters(keys, query.keys.iter().map(|(_, ty)| ty))?;
        let types: Vec<Type> = parameters.iter().map(|p| array_type(p.kind)).collect();
        let statement = self.prepared(&sql, &types).await?;
        let rows = self.client.query_raw(&statement, parameters).await.map_err(|e| self.failed(&e))?;
        let mut rows = pin!(rows);
        let (mut builders, mut of) = (Builders::new(&query.schema)?, Vec::new());
        while let Some(row) = rows.try_next().await.map_err(|e| self.failed(&e))? {
            of.push(decode_ordinal(&row)?);
            decode_row(&row, 1, &mut builders)?;
        }
        ordered(Found { rows: builders.finish()?, keys: of })
    }

    async fn upsert(&mut self, target: &WriteTarget, rows: &RecordBatch) -> Result<()> {
        let names = made("c", target.columns.len());
        let columns: Vec<String> = target.columns.iter().map(|c| c.quoted.clone()).collect();
        let values = target.columns.iter().zip(&names).map(|(c, n)| cast(&format!("flott_r.{n}"), c));
        let values: Vec<String> = values.collect();
        let mut sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM {} AS flott_r({})",
            target.table,
            columns.join(", "),
            values.join(", "),
            unnest(names.len()),
            names.join(", ")
        );
        if !target.keys.is_empty() {
            let (keys, others) = target.key_and_others();
            sql.push_str(&conflict_clause(&keys, &others));
        }
        self.execute_with(&sql, parameters(rows, target.schema.fields.iter().map(|f| &f.ty))?).await
    }

    async fn delete(&mut self, target: &WriteTarget, keys: &RecordBatch) -> Result<()> {
        let names = made("k", target.keys.len());
        let equal = target.keys.iter().zip(&names).map(|(key, name)| {
            let column = &target.columns[*key];
            format!("flott_t.{} = {}", column.quoted, cast(&format!("flott_r.{name}"), column))
        });
        let equal: Vec<String> = equal.collect();
        let sql = format!(
            "DELETE FROM {} AS flott_t USING {} AS flott_r({}) WHERE {}",
            target.table,
            unnest(names.len()),
            names.join(", "),
            equal.join(" AND ")
        );
        let types = target.keys.iter().map(|key| &target.schema.fields[*key].ty);
        self.execute_with(&sql, parameters(keys, types)?).await
    }
}

#[async_trait]
impl Rows for PostgresConnection {
    async fn next_rows(&mut self) -> Result<Option<RecordBatch>> {
        let Some(mut scan) = self.scan.take() else { return Ok(None) };
        let mut bytes = 0;
        while let Some(rows) = &mut scan.rows {
            if scan.builders.is_full() || bytes >= BATCH_BYTES_MAX {
                break;
            }
            if let Some(row) = rows.try_next().await.map_err(|e| self.failed(&e))? {
                bytes += row.raw_size_bytes();
                decode_row(&row, 0, &mut scan.builders)?;
                scan.fetch.iter_mut().for_each(|(_, _, come)| *come += 1);
                continue;
            }
            scan.rows = match &mut scan.fetch {
                Some((statement, size, come)) if *come >= *size => {
                    *come = 0;
                    Some(self.start(statement).await?)
                }
                _ => None,
            };
        }
        if scan.builders.rows() == 0 {
            return Ok(None);
        }
        let batch = scan.builders.finish()?;
        self.scan = Some(scan);
        Ok(Some(batch))
    }
}

/// With rows in the order of the keys.
fn ordered(found: Found) -> Result<Found> {
    if found.keys.is_sorted() {
        return Ok(found);
    }
    let mut places: Vec<u32> = (0..found.keys.len() as u32).collect();
    places.sort_by_key(|place| found.keys[*place as usize]);
    let keys = places.iter().map(|place| found.keys[*place as usize]).collect();
    Ok(Found { rows: take_record_batch(&found.rows, &UInt32Array::from(places))?, keys })
}
