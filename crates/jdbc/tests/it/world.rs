//! A table of a database with what the connector makes of it, driven from a test's own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId, Subtask};
use flott_api::lookup::{LookupFactory, LookupSpec, LookupTable};
use flott_api::options::Options;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::{Boundedness, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::{ChangelogMode, SinkSpec, SourceSpec, TableContext, TableFactory};
use flott_api::testing::lines;
use flott_api::types::Field;
use flott_api::{ChangeBatch, LogicalType, Result, Schema, TypeKind};
use flott_jdbc::Jdbc;
use tokio::runtime::Runtime;

use crate::server::Server;

/// Where a database is.
pub(crate) enum Home<'a> {
    Server(&'a Server),
    /// A file of SQLite.
    File(#[expect(dead_code, reason = "the folder is there as long as this is")] tempfile::TempDir),
}

/// A database of its own, with the real environment.
pub(crate) struct World<'a> {
    pub(crate) home: Home<'a>,
    pub(crate) database: String,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) environment: Environment,
    /// More options of the table.
    pub(crate) options: Vec<(String, String)>,
}

pub(crate) fn field(name: &str, kind: TypeKind) -> Field {
    Field::new(name, LogicalType::new(kind))
}

impl<'a> World<'a> {
    /// A new database, in which these statements were run.
    pub(crate) fn new(server: &'a Server, sql: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server.sql(server.first_database(), &format!("CREATE DATABASE {database}"));
        World::at(Home::Server(server), database, sql)
    }

    /// A new file of SQLite.
    pub(crate) fn file(sql: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = folder.path().join("test.db").to_str().unwrap().to_owned();
        World::at(Home::File(folder), file, sql)
    }

    fn at(home: Home<'a>, database: String, sql: &str) -> Self {
        let runtime = Arc::new(Runtime::new().unwrap());
        let environment = {
            let _entered = runtime.enter();
            flott_runtime::environment::real()
        };
        let world = World { home, database, runtime, environment, options: Vec::new() };
        world.sql(sql);
        world
    }

    pub(crate) fn with(mut self, options: &[(&str, &str)]) -> Self {
        self.options.extend(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        self
    }

    /// The answer of the database itself.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        match &self.home {
            Home::Server(server) => server.sql(&self.database, sql),
            Home::File(_) => file_sql(&self.database, sql),
        }
    }

    pub(crate) fn table_options(&self, table: &str) -> Options {
        let mut options = std::collections::BTreeMap::new();
        let mut set = |key: &str, value: &str| drop(options.insert(key.to_owned(), value.to_owned()));
        set("table-name", table);
        match &self.home {
            Home::Server(server) => {
                set("url", &server.url(&self.database));
                set("username", "flott");
                set("password", "flott");
            }
            Home::File(_) => set("url", &format!("jdbc:sqlite:{}", self.database)),
        }
        options.extend(self.options.iter().cloned());
        Options(options)
    }

    pub(crate) fn context(&self, table: &str, fields: &[Field]) -> TableContext {
        TableContext {
            path: format!("c.d.{table}"),
            schema: Schema::new(fields.to_vec()),
            partition_keys: Vec::new(),
            primary_key: Vec::new(),
            options: self.table_options(table),
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn source_spec(&self, table: &str, fields: &[Field]) -> SourceSpec {
        SourceSpec {
            connector: "jdbc".to_owned(),
            table: format!("c.d.{table}"),
            options: self.table_options(table),
            schema: Schema::new(fields.to_vec()),
            projection: (0..fields.len()).collect(),
            read_fields: Vec::new(),
            metadata: Vec::new(),
            filters: Vec::new(),
            limit: None,
            partition_keys: Vec::new(),
            primary_key: Vec::new(),
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn sink_spec(&self, table: &str, fields: &[Field], primary_key: &[usize]) -> SinkSpec {
        SinkSpec {
            connector: "jdbc".to_owned(),
            table: format!("c.d.{table}"),
            options: self.table_options(table),
            schema: Schema::new(fields.to_vec()),
            metadata: Vec::new(),
            partition_keys: Vec::new(),
            static_partition: std::collections::BTreeMap::new(),
            primary_key: primary_key.to_vec(),
            changelog: if primary_key.is_empty() { ChangelogMode::INSERT_ONLY } else { ChangelogMode::UPSERT },
            overwrite: false,
            session_zone: "UTC".to_owned(),
        }
    }

    /// All rows of a source, by its readers one after the other.
    pub(crate) fn read(&self, spec: &SourceSpec) -> Result<Vec<String>> {
        Ok(self.batches(spec)?.iter().flat_map(lines).collect())
    }

    pub(crate) fn batches(&self, spec: &SourceSpec) -> Result<Vec<ChangeBatch>> {
        let source = Jdbc.source(spec)?;
        let mut batches = Vec::new();
        self.runtime.block_on(async {
            let splits = source.enumerator(&self.environment, None)?.discover().await?.splits;
            let (mut left, subtask) = (splits.len(), Subtask { index: 0, parallelism: 1 });
            let (environment, metrics) = (self.environment.clone(), Arc::default());
            let mut reader = source.reader(ReaderContext { subtask, environment, metrics })?;
            reader.add_splits(splits)?;
            while left > 0 {
                match reader.next().await? {
                    ReadEvent::Batch { batch, .. } => batches.push(batch),
                    ReadEvent::Finished { .. } => left -= 1,
                }
            }
            Ok(batches)
        })
    }

    pub(crate) fn lookup(&self, spec: &LookupSpec) -> Box<dyn LookupTable> {
        Jdbc.open(spec, &self.environment).unwrap()
    }

    /// What was found, as key number and row.
    pub(crate) fn find(&self, table: &mut dyn LookupTable, keys: &RecordBatch) -> Result<Vec<String>> {
        let found = self.runtime.block_on(table.lookup(keys))?;
        let rows = lines(&ChangeBatch::inserts(found.rows));
        assert_eq!(rows.len(), found.keys.len());
        Ok(found.keys.iter().zip(rows).map(|(key, row)| format!("{key}: {row}")).collect())
    }

    pub(crate) fn writer(&self, spec: &SinkSpec) -> BlockingWriter {
        let sink = self.sink(spec);
        let (environment, metrics) = (self.environment.clone(), Arc::default());
        let subtask = Subtask { index: 0, parallelism: 1 };
        let cx = WriterContext { job: JobId(7), restored: Vec::new(), subtask, environment, metrics };
        BlockingWriter { inner: sink.0.writer(cx).unwrap(), runtime: Arc::clone(&self.runtime) }
    }

    pub(crate) fn sink(&self, spec: &SinkSpec) -> BlockingSink {
        BlockingSink(Arc::from(Jdbc.sink(spec).unwrap()), Arc::clone(&self.runtime))
    }

    pub(crate) fn source(&self, spec: &SourceSpec) -> Box<dyn Source> {
        Box::new(BlockingSource(Jdbc.source(spec).unwrap(), Arc::clone(&self.runtime)))
    }
}

/// The answer of a file, by its library.
pub(crate) fn file_sql(file: &str, sql: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(file).unwrap();
    if !sql.trim_start().to_uppercase().starts_with("SELECT") {
        database.execute_batch(sql).unwrap();
        return Vec::new();
    }
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query(()).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cell = |at| match row.get_ref(at).unwrap() {
            rusqlite::types::ValueRef::Null => "NULL".to_owned(),
            rusqlite::types::ValueRef::Integer(n) => n.to_string(),
            rusqlite::types::ValueRef::Real(n) => n.to_string(),
            rusqlite::types::ValueRef::Text(t) => String::from_utf8_lossy(t).into_owned(),
            rusqlite::types::ValueRef::Blob(b) => format!("{b:02x?}"),
        };
        lines.push((0..columns).map(cell).collect::<Vec<_>>().join("|"));
    }
    lines
}

/// The contract suites poll once: here every future waits by itself until it is done.
pub(crate) struct BlockingSink(Arc<dyn Sink>, Arc<Runtime>);

impl Sink for BlockingSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(BlockingWriter { inner: self.0.writer(cx)?, runtime: Arc::clone(&self.1) }))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        let inner = self.0.committer(environment)?;
        Ok(inner.map(|inner| Box::new(BlockingCommitter { inner, runtime: Arc::clone(&self.1) }) as _))
    }
}

pub(crate) struct BlockingWriter {
    inner: Box<dyn SinkWriter>,
    runtime: Arc<Runtime>,
}

impl BlockingWriter {
    pub(crate) fn put(&mut self, batch: ChangeBatch) -> Result<()> {
        self.runtime.block_on(self.inner.write(batch))
    }

    pub(crate) fn checkpoint(&mut self) -> Result<Vec<Committable>> {
        self.runtime.block_on(self.inner.prepare_commit(false))
    }
}

#[async_trait]
impl SinkWriter for BlockingWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        self.put(batch)
    }

    async fn prepare_commit(&mut self, end_of_input: bool) -> Result<Vec<Committable>> {
        self.runtime.block_on(self.inner.prepare_commit(end_of_input))
    }

    async fn abort(&mut self) {
        self.runtime.block_on(self.inner.abort());
    }
}

pub(crate) struct BlockingCommitter {
    inner: Box<dyn Committer>,
    runtime: Arc<Runtime>,
}

#[async_trait]
impl Committer for BlockingCommitter {
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        self.runtime.block_on(self.inner.recover(job, committables))
    }

    async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        self.runtime.block_on(self.inner.commit(checkpoint, committables))
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        self.runtime.block_on(self.inner.discard(committables))
    }
}

struct BlockingSource(Box<dyn Source>, Arc<Runtime>);

impl Source for BlockingSource {
    fn boundedness(&self) -> Boundedness {
        self.0.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        self.0.enumerator(environment, restored)
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(BlockingReader(self.0.reader(cx)?, Arc::clone(&self.1))))
    }
}

struct BlockingReader(Box<dyn SplitReader>, Arc<Runtime>);

#[async_trait]
impl SplitReader for BlockingReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.0.add_splits(splits)
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        self.1.block_on(self.0.next())
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        self.0.snapshot()
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        self.0.pause_split(split, paused);
    }
}
