//! What tells one database from another: how it names and quotes, which types it has, what it says to "insert or update";
//! and a connection to one, which reads and writes batches.

use arrow_array::RecordBatch;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::expr::Value;
use flott_api::lookup::Found;
use flott_api::{Error, LogicalType, Result, Schema};

use crate::options::Access;

/// A kind of database.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    /// Checks where and who, as far as that goes without a server.
    ///
    /// # Errors
    /// If a parameter of the URL is wrong, or somebody must be named.
    fn check(&self, access: &Access) -> Result<()>;

    /// A constant of a filter; nothing if comparing with it may mean something else there than here.
    fn literal(&self, value: &Value, ty: &LogicalType) -> Option<String>;

    /// What a column of a table is read as; a cast where its own type has another form.
    ///
    /// # Errors
    /// If a value of the column is none of the declared type.
    fn readable(&self, column: &DbColumn, ty: &LogicalType) -> Result<String>;

    /// What `INSERT INTO t (..)` ends with, so that a row with the same key is replaced.
    fn on_conflict(&self, keys: &[String], others: &[String]) -> String;

    /// What a catalog asks for, where there are several databases.
    fn listing(&self) -> Option<&dyn Listing>;

    /// The statements of the tables that hold rows until they are committed.
    fn staging(&self) -> &dyn Staging;

    /// A new connection.
    ///
    /// # Errors
    /// If there is none, or the user is refused.
    async fn connect(&self, access: &Access, environment: &Environment) -> Result<Box<dyn Connection>>;
}

/// How a database is written, and keeps rows that are not committed yet.
#[async_trait]
pub(crate) trait Staging: Send + Sync {
    /// Checks that a table, by the name that the user gave, can be written, as far as the database would not say so itself.
    /// `transactional` if what is not committed must vanish.
    async fn check_target(
        &self,
        connection: &mut dyn Connection,
        named: (&str, &WriteTarget),
        transactional: bool,
    ) -> Result<()> {
        let _: (&mut dyn Connection, (&str, &WriteTarget), bool) = (connection, named, transactional);
        Ok(())
    }

    /// Makes the table of commits and that of staged rows, unless they are there.
    fn create(&self, commits: &str, staged: &str, columns: &[DbColumn]) -> Vec<String>;

    /// Begins a transaction that writes.
    fn begin(&self) -> &'static str;

    /// Deletes the rows of a table whose keys are in `gone`: a query in brackets, its name `flott_l`, and `WHERE ..`.
    fn delete_found(&self, table: &str, keys: &[String], gone: &str) -> String {
        let key = keys.join(", ");
        format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {gone})")
    }

    /// `INSERT .. ` of one row into the table of commits, which does nothing and counts nothing if it is there.
    fn insert_once(&self, table: &str, columns: &str, values: &str) -> String;
}

/// How a database tells what is in it.
pub(crate) trait Listing: Send + Sync {
    /// What gives the names of its databases, but for its own.
    fn databases(&self) -> &'static str;

    /// What gives the names of the tables and views of a database, as they may be asked for.
    fn tables(&self) -> &'static str;

    /// What gives the columns of a table's primary key, in their order.
    fn primary_key(&self, table: &DbTable) -> String;

    /// What a column is declared as.
    ///
    /// # Errors
    /// If there is no such type here.
    fn declared(&self, column: &DbColumn) -> Result<LogicalType>;
}

/// A table, as its database has it.
#[derive(Clone, Debug)]
pub(crate) struct DbTable {
    /// Its name, quoted where that is needed.
    pub(crate) name: String,
    /// In its order.
    pub(crate) columns: Vec<DbColumn>,
}

/// A column, as its database has it.
#[derive(Clone, Debug)]
pub(crate) struct DbColumn {
    /// Its name, not quoted.
    pub(crate) name: String,
    /// Its name as an identifier.
    pub(crate) quoted: String,
    /// Its type, as it is written in `CREATE TABLE`.
    pub(crate) ty: String,
    /// Its type without length and precision, in lower case.
    pub(crate) base: String,
    /// Whether there may be nulls in it.
    pub(crate) nullable: bool,
}

impl DbTable {
    /// The columns that a schema names, in its order.
    ///
    /// # Errors
    /// If one is missing.
    pub(crate) fn of_schema(&self, schema: &Schema) -> Result<Vec<DbColumn>> {
        schema.fields.iter().map(|field| self.column(&field.name).cloned()).collect()
    }

    /// A column by its name; one in lower case is found by any case, as the database itself does where names are not
    /// quoted.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn column(&self, name: &str) -> Result<&DbColumn> {
        let exact = self.columns.iter().find(|c| c.name == name);
        exact.or_else(|| self.columns.iter().find(|c| c.name == name.to_lowercase())).ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
            Error::invalid(format!("table {} of the database has no column '{name}'", self.name))
                .with_detail(format!("Its columns are: {}.", names.join(", ")))
        })
    }
}

/// A query whose rows are read one after the other.
#[derive(Clone, Debug)]
pub(crate) struct ScanQuery {
    pub(crate) sql: String,
    /// What comes back.
    pub(crate) schema: Schema,
    /// How many rows are fetched at once; 0 leaves it to the stream.
    pub(crate) fetch_size: u32,
    /// If not, it is a transaction of its own.
    pub(crate) auto_commit: bool,
}

/// What is asked for by key.
#[derive(Clone, Debug)]
pub(crate) struct LookupQuery {
    pub(crate) table: String,
    /// What to read, in order.
    pub(crate) selected: Vec<String>,
    pub(crate) schema: Schema,
    /// The columns of the key, and their declared types.
    pub(crate) keys: Vec<(DbColumn, LogicalType)>,
    /// Where they are among what is read.
    pub(crate) places: Vec<usize>,
    /// Further conditions.
    pub(crate) filter: Option<String>,
}

/// Where rows are written.
#[derive(Clone, Debug)]
pub(crate) struct WriteTarget {
    /// The name, quoted.
    pub(crate) table: String,
    pub(crate) columns: Vec<DbColumn>,
    /// As they were declared.
    pub(crate) schema: Schema,
    /// Places of the key's columns; empty if there is no key.
    pub(crate) keys: Vec<usize>,
}

impl WriteTarget {
    /// The identifiers of the key's columns, and of the others.
    pub(crate) fn key_and_others(&self) -> (Vec<String>, Vec<String>) {
        let quoted = |at: usize| self.columns[at].quoted.clone();
        let others = (0..self.columns.len()).filter(|at| !self.keys.contains(at));
        (self.keys.iter().map(|at| quoted(*at)).collect(), others.map(quoted).collect())
    }
}

/// A connection to a database. What fails for good and what may be tried again is told by the error's kind.
#[async_trait]
pub(crate) trait Connection: Send {
    /// A table by the name that the user gave.
    async fn table(&mut self, name: &str) -> Result<DbTable>;

    /// Runs statements without an answer, one after the other; how many rows the last one changed.
    async fn execute(&mut self, sql: &str) -> Result<u64>;

    /// The few rows of an answer, as text.
    async fn texts(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>>;

    /// Reads; nothing else is done over the connection from then on.
    async fn scan(self: Box<Self>, query: &ScanQuery) -> Result<Box<dyn Rows>>;

    /// The rows that have these keys.
    async fn lookup(&mut self, query: &LookupQuery, keys: &RecordBatch) -> Result<Found>;

    /// Inserts rows; with a key, those that are there are replaced.
    async fn upsert(&mut self, target: &WriteTarget, rows: &RecordBatch) -> Result<()>;

    /// Deletes the rows with these keys.
    async fn delete(&mut self, target: &WriteTarget, keys: &RecordBatch) -> Result<()>;
}

/// The rows of a query, as they come.
#[async_trait]
pub(crate) trait Rows: Send {
    /// The next rows; nothing behind the last.
    async fn next_rows(&mut self) -> Result<Option<RecordBatch>>;
}
