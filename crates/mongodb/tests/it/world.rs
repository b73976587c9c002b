//! A collection with what the connector makes of it, driven from a test's own thread; and the same collection by the client
//! alone, to see what is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bson::{Document, doc};
use bytes::Bytes;
use flott_api::env::{Clock, Environment};
use flott_api::ids::{JobId, Subtask};
use flott_api::lookup::{LookupCache, LookupFactory, LookupSpec, LookupTable};
use flott_api::options::Options;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::{
    Boundedness, Discovery, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader,
};
use flott_api::table::{ChangelogMode, SinkSpec, SourceSpec, TableContext, TableFactory};
use flott_api::testing::{batch, lines};
use flott_api::types::Field;
use flott_api::{BoxFuture, ChangeBatch, LogicalType, Result, Schema, TypeKind};
use flott_mongodb::MongoDb;
use futures::TryStreamExt;
use tokio::runtime::Runtime;

/// A table, as a statement would make it, of a collection of its own.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) fields: Vec<Field>,
    pub(crate) primary_key: Vec<usize>,
    pub(crate) partition_keys: Vec<String>,
    pub(crate) options: Options,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) environment: Environment,
    client: mongodb::Client,
}

pub(crate) fn field(name: &str, kind: TypeKind) -> Field {
    Field::new(name, LogicalType::new(kind))
}

/// A clock by which all waiting takes a twentieth of its time.
struct Hasty(Arc<dyn Clock>);

impl Clock for Hasty {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.monotonic_ns()
    }

    fn sleep_ms(&self, millis: u64) -> BoxFuture<'static, ()> {
        self.0.sleep_ms(millis / 20)
    }
}

/// `_id INT, name STRING`
pub(crate) fn users() -> Vec<Field> {
    vec![field("_id", TypeKind::Int), Field::new("name", LogicalType::string())]
}

impl Table {
    pub(crate) fn new(port: u16, fields: Vec<Field>, primary_key: &[usize]) -> Self {
        Table::at(&format!("mongodb://127.0.0.1:{port}"), fields, primary_key)
    }

    pub(crate) fn at(uri: &str, fields: Vec<Field>, primary_key: &[usize]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let runtime = Arc::new(Runtime::new().unwrap());
        let environment = {
            let _entered = runtime.enter();
            flott_runtime::environment::real()
        };
        // What is ours alone stands at the end.
        let of_client = uri.split("/?socketTimeoutMS").next().unwrap();
        let client = runtime.block_on(mongodb::Client::with_uri_str(of_client)).unwrap();
        let collection = format!("c{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        // FerretDB does not know cursors that live longer.
        let options =
            [("uri", uri), ("database", "flott"), ("collection", &collection), ("scan.cursor.no-timeout", "false")];
        let options = Options(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let (primary_key, partition_keys) = (primary_key.to_vec(), Vec::new());
        Table { fields, primary_key, partition_keys, options, runtime, environment, client }
    }

    /// With other values of options.
    pub(crate) fn with(mut self, options: &[(&str, &str)]) -> Self {
        self.options.0.extend(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        self
    }

    /// By a clock that goes faster.
    pub(crate) fn hasty(mut self) -> Self {
        self.environment.clock = Arc::new(Hasty(Arc::clone(&self.environment.clock)));
        self
    }

    /// The same collection with other columns.
    pub(crate) fn of(&self, fields: Vec<Field>) -> Self {
        Table { fields, ..self.clone() }
    }

    pub(crate) fn collection(&self) -> mongodb::Collection<Document> {
        self.client.database("flott").collection(&self.options.0["collection"])
    }

    pub(crate) fn insert(&self, documents: &[Document]) {
        for part in documents.chunks(5000) {
            self.runtime.block_on(self.collection().insert_many(part).into_future()).unwrap();
        }
    }

    /// All documents, by `_id`.
    pub(crate) fn documents(&self) -> Vec<Document> {
        let collection = self.collection();
        self.runtime
            .block_on(async { collection.find(doc! {}).sort(doc! { "_id": 1 }).await?.try_collect().await })
            .unwrap()
    }

    pub(crate) fn schema(&self) -> Schema {
        Schema::new(self.fields.clone())
    }

    pub(crate) fn rows(&self, table: &str) -> ChangeBatch {
        batch(&self.schema(), table)
    }

    pub(crate) fn context(&self) -> TableContext {
        TableContext {
            path: "c.d.t".to_owned(),
            schema: self.schema(),
            partition_keys: self.partition_keys.clone(),
            primary_key: self.primary_key.iter().map(|i| self.fields[*i].name.clone()).collect(),
            options: self.options.clone(),
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn source_spec(&self) -> SourceSpec {
        SourceSpec {
            connector: "mongodb".to_owned(),
            table: "c.d.t".to_owned(),
            options: self.options.clone(),
            schema: self.schema(),
            projection: (0..self.fields.len()).collect(),
            read_fields: Vec::new(),
            metadata: Vec::new(),
            filters: Vec::new(),
            limit: None,
            partition_keys: Vec::new(),
            primary_key: self.primary_key.clone(),
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn sink_spec(&self) -> SinkSpec {
        SinkSpec {
            connector: "mongodb".to_owned(),
            table: "c.d.t".to_owned(),
            options: self.options.clone(),
            schema: self.schema(),
            metadata: Vec::new(),
            partition_keys: self.partition_keys.clone(),
            static_partition: BTreeMap::new(),
            primary_key: self.primary_key.clone(),
            changelog: if self.primary_key.is_empty() { ChangelogMode::INSERT_ONLY } else { ChangelogMode::UPSERT },
            overwrite: false,
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn lookup(&self, projection: &[usize], keys: &[usize]) -> Result<Box<dyn LookupTable>> {
        let mut table = self.source_spec();
        table.projection = projection.to_vec();
        let spec = LookupSpec { table, keys: keys.to_vec(), in_flight_max: Some(100), cache: LookupCache::None };
        MongoDb.open(&spec, &self.environment)
    }

    /// What was found, as key number and row.
    pub(crate) fn find(&self, table: &mut dyn LookupTable, keys: &RecordBatch) -> Result<Vec<String>> {
        let found = self.runtime.block_on(table.lookup(keys))?;
        let rows = lines(&ChangeBatch::inserts(found.rows));
        assert_eq!(rows.len(), found.keys.len());
        Ok(found.keys.iter().zip(rows).map(|(key, row)| format!("{key}: {row}")).collect())
    }

    pub(crate) fn sink(&self) -> BlockingSink {
        BlockingSink(Arc::from(MongoDb.sink(&self.sink_spec()).unwrap()), Arc::clone(&self.runtime))
    }

    pub(crate) fn writer(&self) -> BlockingWriter {
        let (environment, metrics) = (self.environment.clone(), Arc::default());
        let subtask = Subtask { index: 0, parallelism: 1 };
        let cx = WriterContext { job: JobId(7), restored: Vec::new(), subtask, environment, metrics };
        BlockingWriter { inner: self.sink().0.writer(cx).unwrap(), runtime: Arc::clone(&self.runtime) }
    }

    pub(crate) fn source(&self) -> Box<dyn Source> {
        Box::new(BlockingSource(MongoDb.source(&self.source_spec()).unwrap(), Arc::clone(&self.runtime)))
    }

    pub(crate) fn splits(&self, spec: &SourceSpec) -> Result<Vec<Split>> {
        let source = MongoDb.source(spec)?;
        Ok(self.runtime.block_on(source.enumerator(&self.environment, None)?.discover())?.splits)
    }

    /// A reader of these splits.
    pub(crate) fn reading(&self, spec: &SourceSpec, splits: Vec<Split>) -> Result<Reading> {
        let source = MongoDb.source(spec)?;
        let (environment, metrics) = (self.environment.clone(), Arc::default());
        let subtask = Subtask { index: 0, parallelism: 1 };
        let mut reader = source.reader(ReaderContext { subtask, environment, metrics })?;
        let open = splits.len();
        reader.add_splits(splits)?;
        Ok(Reading { reader, open, runtime: Arc::clone(&self.runtime) })
    }

    /// All rows, by one reader.
    pub(crate) fn read_spec(&self, spec: &SourceSpec) -> Result<Vec<String>> {
        self.reading(spec, self.splits(spec)?)?.rest()
    }

    pub(crate) fn read(&self) -> Result<Vec<String>> {
        self.read_spec(&self.source_spec())
    }
}

/// A source that is being read.
pub(crate) struct Reading {
    pub(crate) reader: Box<dyn SplitReader>,
    open: usize,
    runtime: Arc<Runtime>,
}

impl Reading {
    /// The rows of the next batch; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<ChangeBatch>> {
        while self.open > 0 {
            match self.runtime.block_on(self.reader.next())? {
                ReadEvent::Batch { batch, .. } => return Ok(Some(batch)),
                ReadEvent::Finished { .. } => self.open -= 1,
            }
        }
        Ok(None)
    }

    /// All rows that are left.
    pub(crate) fn rest(&mut self) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        while let Some(batch) = self.next()? {
            rows.extend(lines(&batch));
        }
        Ok(rows)
    }
}

/// The contract suites poll once: here every future waits by itself until it is done.
pub(crate) struct BlockingSink(Arc<dyn Sink>, Arc<Runtime>);

impl Sink for BlockingSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(BlockingWriter { inner: self.0.writer(cx)?, runtime: Arc::clone(&self.1) }))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        assert!(self.0.committer(environment)?.is_none(), "this sink has no committer");
        Ok(None)
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

    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        let committables = self.runtime.block_on(self.inner.prepare_commit(false))?;
        assert!(committables.is_empty(), "nobody would commit them");
        Ok(())
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

struct BlockingSource(Box<dyn Source>, Arc<Runtime>);

impl Source for BlockingSource {
    fn boundedness(&self) -> Boundedness {
        self.0.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(BlockingEnumerator(self.0.enumerator(environment, restored)?, Arc::clone(&self.1))))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(BlockingReader(self.0.reader(cx)?, Arc::clone(&self.1))))
    }
}

struct BlockingEnumerator(Box<dyn SplitEnumerator>, Arc<Runtime>);

#[async_trait]
impl SplitEnumerator for BlockingEnumerator {
    async fn discover(&mut self) -> Result<Discovery> {
        self.1.block_on(self.0.discover())
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.0.add_back(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.0.snapshot()
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
