//! A table with what its connector makes of it, driven from a test's own thread.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::{CheckpointId, JobId, Subtask};
use flott_api::lookup::{LookupCache, LookupSpec, LookupTable};
use flott_api::options::Options;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::{ReadEvent, ReaderContext, Source, Split, SplitReader};
use flott_api::table::{ChangelogMode, SinkSpec, SourceSpec, TableContext, TableFactory};
use flott_api::testing::{BlockOn, BlockingSource, batch, lines};
use flott_api::types::Field;
use flott_api::{ChangeBatch, LogicalType, Result, Schema, TypeKind};
use tokio::runtime::Runtime;

/// A table, as a statement would make it.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) connector: &'static str,
    pub(crate) fields: Vec<Field>,
    pub(crate) primary_key: Vec<usize>,
    pub(crate) options: Options,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) environment: Environment,
}

pub(crate) fn field(name: &str, kind: TypeKind) -> Field {
    Field::new(name, LogicalType::new(kind))
}

/// `id INT, name STRING`
pub(crate) fn users() -> Vec<Field> {
    vec![field("id", TypeKind::Int), Field::new("name", LogicalType::string())]
}

impl Table {
    pub(crate) fn new(connector: &'static str, fields: Vec<Field>, primary_key: &[usize]) -> Self {
        let runtime = Arc::new(Runtime::new().unwrap());
        let environment = {
            let _entered = runtime.enter();
            flott_runtime::environment::real()
        };
        let primary_key = primary_key.to_vec();
        Table { connector, fields, primary_key, options: Options::default(), runtime, environment }
    }

    /// With other values of options.
    pub(crate) fn with(mut self, options: &[(&str, &str)]) -> Self {
        self.options.0.extend(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        self
    }

    pub(crate) fn factory(&self) -> Box<dyn TableFactory> {
        flott_brokers::factories().into_iter().find(|f| f.identifier() == self.connector).unwrap()
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
            partition_keys: Vec::new(),
            primary_key: self.primary_key.iter().map(|i| self.fields[*i].name.clone()).collect(),
            options: self.options.clone(),
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn source_spec(&self, metadata: &[&str]) -> SourceSpec {
        let offered = if metadata.is_empty() {
            Vec::new()
        } else {
            self.factory().describe_source(&self.context()).unwrap().metadata
        };
        let of = |key: &&str| offered.iter().find(|c| c.key == **key).map(|c| (c.key.clone(), c.ty.clone())).unwrap();
        SourceSpec {
            connector: self.connector.to_owned(),
            table: "c.d.t".to_owned(),
            options: self.options.clone(),
            schema: self.schema(),
            projection: (0..self.fields.len()).collect(),
            read_fields: Vec::new(),
            metadata: metadata.iter().map(of).collect(),
            filters: Vec::new(),
            limit: None,
            partition_keys: Vec::new(),
            primary_key: self.primary_key.clone(),
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn sink_spec(&self, metadata: &[&str]) -> SinkSpec {
        let mut schema = self.schema();
        if !metadata.is_empty() {
            let offered = self.factory().describe_sink(&self.context()).unwrap().metadata;
            let of = |key: &&str| Field::new(*key, offered.iter().find(|c| c.key == **key).unwrap().ty.clone());
            schema.fields.extend(metadata.iter().map(of));
        }
        SinkSpec {
            connector: self.connector.to_owned(),
            table: "c.d.t".to_owned(),
            options: self.options.clone(),
            schema,
            metadata: metadata.iter().map(|key| (*key).to_owned()).collect(),
            partition_keys: Vec::new(),
            static_partition: BTreeMap::new(),
            primary_key: self.primary_key.clone(),
            changelog: if self.primary_key.is_empty() { ChangelogMode::INSERT_ONLY } else { ChangelogMode::UPSERT },
            overwrite: false,
            session_zone: "UTC".to_owned(),
        }
    }

    pub(crate) fn lookup(&self, projection: &[usize], keys: &[usize]) -> Result<Box<dyn LookupTable>> {
        let mut table = self.source_spec(&[]);
        table.projection = projection.to_vec();
        let spec = LookupSpec { table, keys: keys.to_vec(), in_flight_max: Some(100), cache: LookupCache::None };
        self.factory().lookup().unwrap().open(&spec, &self.environment)
    }

    /// What was found, as key number and row.
    pub(crate) fn find(&self, table: &mut dyn LookupTable, keys: &RecordBatch) -> Result<Vec<String>> {
        let found = self.runtime.block_on(table.lookup(keys))?;
        let rows = lines(&ChangeBatch::inserts(found.rows));
        assert_eq!(rows.len(), found.keys.len());
        Ok(found.keys.iter().zip(rows).map(|(key, row)| format!("{key}: {row}")).collect())
    }

    pub(crate) fn sink(&self) -> BlockingSink {
        let sink = self.factory().sink(&self.sink_spec(&[])).unwrap();
        BlockingSink(Arc::from(sink), Arc::clone(&self.runtime))
    }

    pub(crate) fn writer(&self) -> BlockingWriter {
        self.writer_with(&[])
    }

    pub(crate) fn writer_with(&self, metadata: &[&str]) -> BlockingWriter {
        let sink = self.factory().sink(&self.sink_spec(metadata)).unwrap();
        let (environment, metrics) = (self.environment.clone(), Arc::default());
        let subtask = Subtask { index: 0, parallelism: 1 };
        let cx = WriterContext { job: JobId(7), restored: Vec::new(), subtask, environment, metrics };
        BlockingWriter { inner: sink.writer(cx).unwrap(), runtime: Arc::clone(&self.runtime) }
    }

    pub(crate) fn source(&self, metadata: &[&str]) -> Box<dyn Source> {
        let source = self.factory().source(&self.source_spec(metadata)).unwrap();
        Box::new(BlockingSource(source, Arc::new(Tokio(Arc::clone(&self.runtime)))))
    }

    /// A reader with all splits of a new enumerator.
    pub(crate) fn reading(&self, metadata: &[&str]) -> Result<Reading> {
        let source = self.factory().source(&self.source_spec(metadata))?;
        let splits = self.runtime.block_on(source.enumerator(&self.environment, None)?.discover())?.splits;
        self.reading_of(splits, metadata)
    }

    /// A reader with these splits.
    pub(crate) fn reading_of(&self, splits: Vec<Split>, metadata: &[&str]) -> Result<Reading> {
        let source = self.factory().source(&self.source_spec(metadata))?;
        self.reading_by(&*source, splits)
    }

    fn reading_by(&self, source: &dyn Source, splits: Vec<Split>) -> Result<Reading> {
        let (environment, metrics) = (self.environment.clone(), Arc::default());
        let subtask = Subtask { index: 0, parallelism: 1 };
        let mut reader = source.reader(ReaderContext { subtask, environment, metrics })?;
        let open = splits.len();
        reader.add_splits(splits)?;
        Ok(Reading { reader, open, runtime: Arc::clone(&self.runtime) })
    }

    /// All rows of a source that ends.
    pub(crate) fn read(&self, metadata: &[&str]) -> Result<Vec<String>> {
        self.read_spec(&self.source_spec(metadata))
    }

    pub(crate) fn read_spec(&self, spec: &SourceSpec) -> Result<Vec<String>> {
        let source = self.factory().source(spec)?;
        let splits = self.runtime.block_on(source.enumerator(&self.environment, None)?.discover())?.splits;
        let mut reading = self.reading_by(&*source, splits)?;
        let mut rows = Vec::new();
        while let Some(more) = reading.next()? {
            rows.extend(more);
        }
        Ok(rows)
    }
}

/// A source that is being read.
pub(crate) struct Reading {
    pub(crate) reader: Box<dyn SplitReader>,
    open: usize,
    runtime: Arc<Runtime>,
}

impl Reading {
    /// The next batch; nothing at the end.
    pub(crate) fn batch(&mut self) -> Option<ChangeBatch> {
        while self.open > 0 {
            match self.runtime.block_on(self.reader.next()).unwrap() {
                ReadEvent::Batch { batch, .. } => return Some(batch),
                ReadEvent::Finished { .. } => self.open -= 1,
            }
        }
        None
    }

    /// The rows of the next batch; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<String>>> {
        while self.open > 0 {
            match self.runtime.block_on(self.reader.next())? {
                ReadEvent::Batch { batch, .. } => return Ok(Some(lines(&batch))),
                ReadEvent::Finished { .. } => self.open -= 1,
            }
        }
        Ok(None)
    }

    /// At least so many rows.
    pub(crate) fn take(&mut self, rows: usize) -> Result<Vec<String>> {
        let mut all = Vec::new();
        while all.len() < rows {
            all.extend(self.next()?.expect("there are more rows"));
        }
        Ok(all)
    }

    /// The rows of the next batch, if one comes in time.
    pub(crate) fn soon(&mut self, millis: u64) -> Option<Vec<String>> {
        let waiting = async { tokio_timeout(millis, self.reader.next()).await };
        match self.runtime.block_on(waiting)?.unwrap() {
            ReadEvent::Batch { batch, .. } => Some(lines(&batch)),
            ReadEvent::Finished { .. } => None,
        }
    }

    /// Whether a split ends in time, and nothing else comes before.
    pub(crate) fn ends_within(&mut self, millis: u64) -> bool {
        let waiting = async { tokio_timeout(millis, self.reader.next()).await };
        match self.runtime.block_on(waiting).map(Result::unwrap) {
            None => false,
            Some(ReadEvent::Batch { batch, .. }) => panic!("more comes: {:?}", lines(&batch)),
            Some(ReadEvent::Finished { .. }) => {
                self.open -= 1;
                true
            }
        }
    }

    /// Whether nothing comes for a while.
    pub(crate) fn is_quiet(&mut self, millis: u64) -> bool {
        self.soon(millis).is_none()
    }

    /// A checkpoint, which completes.
    pub(crate) fn checkpoint(&mut self, id: u64) -> Vec<Split> {
        let splits = self.begin_checkpoint(id);
        self.complete(id).unwrap();
        splits
    }

    pub(crate) fn begin_checkpoint(&mut self, id: u64) -> Vec<Split> {
        let splits = self.reader.snapshot().unwrap();
        self.reader.barrier(CheckpointId(id));
        splits
    }

    pub(crate) fn complete(&mut self, id: u64) -> Result<()> {
        self.runtime.block_on(self.reader.checkpoint_complete(CheckpointId(id)))
    }
}

#[expect(clippy::disallowed_methods, reason = "servers live by the real clock")]
async fn tokio_timeout<T>(millis: u64, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(std::time::Duration::from_millis(millis), work).await.ok()
}

/// The contract suites poll once: here every future waits by itself until it is done.
#[derive(Clone)]
pub(crate) struct BlockingSink(Arc<dyn Sink>, Arc<Runtime>);

impl Sink for BlockingSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(BlockingWriter { inner: self.0.writer(cx)?, runtime: Arc::clone(&self.1) }))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        let committer = self.0.committer(environment)?;
        let blocking = |inner| Box::new(BlockingCommitter(inner, Arc::clone(&self.1))) as Box<dyn Committer>;
        Ok(committer.map(blocking))
    }
}

pub(crate) struct BlockingCommitter(Box<dyn Committer>, Arc<Runtime>);

#[async_trait]
impl Committer for BlockingCommitter {
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        self.1.block_on(self.0.recover(job, committables))
    }

    async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        self.1.block_on(self.0.commit(checkpoint, committables))
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        self.1.block_on(self.0.discard(committables))
    }

    async fn finish(&mut self) -> Result<()> {
        self.1.block_on(self.0.finish())
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
}

#[async_trait]
impl SinkWriter for BlockingWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        self.put(batch)
    }

    async fn prepare_commit(&mut self, end_of_input: bool) -> Result<Vec<Committable>> {
        self.runtime.block_on(self.inner.prepare_commit(end_of_input))
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.inner.snapshot()
    }

    async fn abort(&mut self) {
        self.runtime.block_on(self.inner.abort());
    }
}

/// A runtime that the shared wrappers of the contract suites wait on.
struct Tokio(Arc<Runtime>);

impl BlockOn for Tokio {
    fn block_on(&self, future: Pin<&mut (dyn Future<Output = ()> + Send)>) {
        self.0.block_on(future);
    }
}
