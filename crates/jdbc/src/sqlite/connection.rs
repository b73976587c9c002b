//! A connection to a file of SQLite. Its library waits for the disk, so it works where waiting holds nobody up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use flott_api::env::{Environment, TaskHandle};
use flott_api::lookup::Found;
use flott_api::{Error, ErrorKind, Result, Schema};
use rusqlite::ErrorCode;
use rusqlite::types::ValueRef;
use tokio::sync::{mpsc, oneshot};

use super::decode::decode_row;
use super::{STYLE, Sqlite};
use crate::columns::Builders;
use crate::dialect::{Connection, DbColumn, DbTable, Dialect, LookupQuery, Rows, ScanQuery, WriteTarget};
use crate::options::Access;
use crate::text_sql::{deletes, inserts, lookups, matched};

/// So many batches are read ahead.
const AHEAD_MAX: usize = 2;

type Database = Arc<Mutex<rusqlite::Connection>>;

/// See the module.
pub(super) struct SqliteConnection {
    database: Database,
    environment: Environment,
    place: String,
    scan: Option<Scan>,
}

/// A query whose rows are being read. The last message is none, so that work that was lost does not look like the end.
struct Scan {
    rows: mpsc::Receiver<Result<Option<RecordBatch>>>,
    _task: Box<dyn TaskHandle>,
}

impl SqliteConnection {
    /// Opens the file; whoever writes makes it, if it is not there.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) async fn open(access: &Access, environment: &Environment) -> Result<Self> {
        let (url, place) = (&access.url, access.url.place());
        let (file, of, wait) = (url.database.clone(), place.clone(), Duration::from_millis(access.connect_ms));
        let opened = blocking(environment, move || {
            let database = rusqlite::Connection::open(&file).map_err(|e| failed(&of, &e))?;
            database.busy_timeout(wait).map_err(|e| failed(&of, &e))?;
            Ok(database)
        });
        let database = Arc::new(Mutex::new(opened.await?));
        Ok(SqliteConnection { database, environment: environment.clone(), place, scan: None })
    }

    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&rusqlite::Connection, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (database, place) = (Arc::clone(&self.database), self.place.clone());
        blocking(&self.environment, move || work(&database.lock().unwrap_or_else(PoisonError::into_inner), &place))
            .await
    }

    async fn run_all(&mut self, statements: Vec<String>) -> Result<()> {
        self.with(move |database, place| {
            for statement in &statements {
                database.execute_batch(statement).map_err(|e| failed(place, &e))?;
            }
            Ok(())
        })
        .await
    }
}

/// Checks where and who.
///
/// # Errors
/// If the URL is none of a file, or there is more.
pub(super) fn check(access: &Access) -> Result<()> {
    let url = &access.url;
    if access.username.is_some() {
        return Err(Error::invalid("option 'username' of a table of SQLite, which has no users"));
    }
    if let Some((key, _)) = url.parameters.first() {
        return Err(Error::unsupported(format!("parameter '{key}' of option 'url'")));
    }
    if url.database.is_empty() || url.database.contains(":memory:") {
        return Err(Error::invalid("option 'url' names no file of SQLite")
            .with_detail("Each reader and writer opens the database by itself, so it cannot lie in memory."));
    }
    Ok(())
}

/// Runs work that waits for the disk.
async fn blocking<T: Send + 'static>(
    environment: &Environment,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let work = Box::new(move || {
        // Whoever asked may have given up.
        drop(sender.send(work()));
    });
    environment.spawner.blocking(work).await;
    receiver.await.map_err(|_| Error::internal("work of SQLite has ended early"))?
}

/// What went wrong, and whether trying again may help.
fn failed(place: &str, error: &rusqlite::Error) -> Error {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::External { retry: true },
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => ErrorKind::Data,
        Some(ErrorCode::Unknown) => ErrorKind::Invalid,
        _ => ErrorKind::External { retry: false },
    };
    // The other errors of the library repeat the statement, which holds rows.
    let what = match error {
        rusqlite::Error::SqliteFailure(code, message) => message.clone().unwrap_or_else(|| code.to_string()),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        _ => "the library of SQLite refused a call".to_owned(),
    };
    Error::new(kind, format!("{place}: {what}"))
}

/// Hands on the rows of a question, a batch at a time; `to` says whether there is somebody to take more.
fn read(
    database: &rusqlite::Connection,
    place: &str,
    (sql, schema): (&str, &Schema),
    to: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let names: Vec<String> = schema.fields.iter().map(|f| f.name.clone()).collect();
    let mut builders = Builders::new(schema)?;
    let mut statement = database.prepare(sql).map_err(|e| failed(place, &e))?;
    let mut rows = statement.query(()).map_err(|e| failed(place, &e))?;
    while let Some(row) = rows.next().map_err(|e| failed(place, &e))? {
        decode_row(row, &names, &mut builders)?;
        if builders.is_full() && !to(builders.finish()?) {
            return Ok(());
        }
    }
    if builders.rows() > 0 {
        to(builders.finish()?);
    }
    Ok(())
}

#[async_trait]
impl Connection for SqliteConnection {
    async fn table(&mut self, name: &str) -> Result<DbTable> {
        let quoted = Sqlite::quote(name);
        let columns = self
            .texts(&format!("SELECT name, type, \"notnull\" FROM pragma_table_info({})", quoted_text(name)))
            .await?;
        if columns.is_empty() {
            return Err(Error::invalid(format!("{} has no table '{name}'", self.place)));
        }
        let column = |row: Vec<Option<String>>| {
            let [name, ty, not_null] = <[Option<String>; 3]>::try_from(row).ok()?;
            let (name, ty) = (name?, ty.unwrap_or_default());
            let base = ty.split('(').next().unwrap_or_default().trim().to_lowercase();
            Some(DbColumn { quoted: Sqlite::quote(&name), name, ty, base, nullable: not_null.as_deref() == Some("0") })
        };
        Ok(DbTable { name: quoted, columns: columns.into_iter().filter_map(column).collect() })
    }

    async fn execute(&mut self, sql: &str) -> Result<u64> {
        let sql = sql.to_owned();
        self.with(move |database, place| {
            database.execute_batch(&sql).map_err(|e| failed(place, &e))?;
            Ok(database.changes())
        })
        .await
    }

    async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let sql = sql.to_owned();
        self.with(move |database, place| {
            let mut statement = database.prepare(&sql).map_err(|e| failed(place, &e))?;
            let columns = statement.column_count();
            let mut rows = statement.query(()).map_err(|e| failed(place, &e))?;
            let mut texts = Vec::new();
            while let Some(row) = rows.next().map_err(|e| failed(place, &e))? {
                let cell = |at| match row.get_ref(at) {
                    Ok(ValueRef::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
                    Ok(ValueRef::Integer(n)) => Some(n.to_string()),
                    _ => None,
                };
                texts.push((0..columns).map(cell).collect());
            }
            Ok(texts)
        })
        .await
    }

    async fn scan(mut self: Box<Self>, query: &ScanQuery) -> Result<Box<dyn Rows>> {
        let (sender, rows) = mpsc::channel(AHEAD_MAX);
        let (database, place) = (Arc::clone(&self.database), self.place.clone());
        let (sql, schema) = (query.sql.clone(), query.schema.clone());
        let work = Box::new(move || {
            let database = database.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = &sender;
            let read =
                read(&database, &place, (&sql, &schema), &mut |batch| sent.blocking_send(Ok(Some(batch))).is_ok());
            // Nobody waits any more if the reader has gone.
            sender.blocking_send(read.map(|()| None)).unwrap_or_default();
        });
        let reading = self.environment.spawner.blocking(work);
        let name = format!("jdbc scan of {}", self.place);
        self.scan = Some(Scan { rows, _task: self.environment.spawner.spawn(&name, reading) });
        Ok(self)
    }

    async fn lookup(&mut self, query: &LookupQuery, keys: &RecordBatch) -> Result<Found> {
        let (statements, schema) = (lookups(&STYLE, query, keys)?, query.schema.clone());
        let places = query.places.clone();
        let batches = self.with(move |database, place| {
            let mut batches = Vec::new();
            for (statement, own) in &statements {
                let mut of_one = Vec::new();
                read(database, place, (statement, &schema), &mut |batch| {
                    of_one.push(batch);
                    true
                })?;
                batches.push(matched(&concat_batches(&schema.arrow(), &of_one)?, &places, own)?.rows);
            }
            Ok(batches)
        });
        let rows = concat_batches(&query.schema.arrow(), &batches.await?)?;
        matched(&rows, &query.places, keys)
    }

    async fn upsert(&mut self, target: &WriteTarget, rows: &RecordBatch) -> Result<()> {
        let conflict = match target.keys.is_empty() {
            true => String::new(),
            false => {
                let (keys, others) = target.key_and_others();
                Sqlite.on_conflict(&keys, &others)
            }
        };
        self.run_all(inserts(&STYLE, target, rows, &conflict)?).await
    }

    async fn delete(&mut self, target: &WriteTarget, keys: &RecordBatch) -> Result<()> {
        self.run_all(deletes(&STYLE, target, keys)?).await
    }
}

#[async_trait]
impl Rows for SqliteConnection {
    async fn next_rows(&mut self) -> Result<Option<RecordBatch>> {
        match &mut self.scan {
            Some(Scan { rows, .. }) => {
                let lost = || Err(Error::internal("a task that reads a file of SQLite has ended early"));
                rows.recv().await.unwrap_or_else(lost)
            }
            None => Ok(None),
        }
    }
}

fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
