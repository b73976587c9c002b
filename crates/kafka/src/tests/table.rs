//! A table in a broker: written and read as the runtime does it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::ids::{JobId, Subtask};
use flott_api::metrics::OperatorMetrics;
use flott_api::options::Options;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::{ReadEvent, ReaderContext, Source, Split, SplitReader};
use flott_api::table::{ChangelogMode, SinkSpec, SourceSpec};
use flott_api::testing::{batch, lines};
use flott_api::{Field, LogicalType, Result, Schema, TypeKind};

use super::broker::Broker;
use crate::options::Kind;
use crate::sink::{KafkaSink, sink_metadata};
use crate::source::{KafkaSource, source_metadata};

pub(super) const JOB: JobId = JobId(0x77);

/// A table, as a statement would make it.
#[derive(Clone)]
pub(super) struct TestTable {
    pub(super) kind: Kind,
    pub(super) schema: Schema,
    pub(super) primary_key: Vec<usize>,
    pub(super) options: Options,
    pub(super) environment: Environment,
}

/// `id INT, name STRING`
pub(super) fn columns() -> Schema {
    Schema::new(vec![Field::new("id", LogicalType::new(TypeKind::Int)), Field::new("name", LogicalType::string())])
}

impl TestTable {
    /// Of connector `kafka` with format `json`.
    pub(super) fn json(broker: &Broker, topic: &str, more: &[(&str, &str)]) -> Self {
        let mut all =
            vec![("format", "json"), ("scan.startup.mode", "earliest-offset"), ("scan.bounded.mode", "latest-offset")];
        all.retain(|(key, _)| !more.iter().any(|(other, _)| other == key));
        all.extend_from_slice(more);
        let environment = flott_runtime::environment::real();
        let options = broker.options(topic, &all);
        TestTable { kind: Kind::Kafka, schema: columns(), primary_key: Vec::new(), options, environment }
    }

    /// With another value of an option.
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.options.0.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn source(&self, metadata: &[&str]) -> Result<KafkaSource> {
        let all = source_metadata();
        let of = |key: &&str| all.iter().find(|c| c.key == **key).map(|c| (c.key.clone(), c.ty.clone())).unwrap();
        self.source_of(metadata.iter().map(of).collect())
    }

    pub(super) fn source_of(&self, metadata: Vec<(String, LogicalType)>) -> Result<KafkaSource> {
        let spec = SourceSpec {
            connector: self.kind.identifier().to_owned(),
            table: "c.d.t".to_owned(),
            projection: (0..self.schema.len()).collect(),
            read_fields: Vec::new(),
            options: self.options.clone(),
            schema: self.schema.clone(),
            metadata,
            filters: Vec::new(),
            limit: None,
            partition_keys: Vec::new(),
            primary_key: self.primary_key.clone(),
            session_zone: "UTC".to_owned(),
        };
        KafkaSource::new(self.kind, &spec)
    }

    pub(super) fn sink(&self, metadata: &[&str]) -> Result<KafkaSink> {
        let mut schema = self.schema.clone();
        let of = |key: &str| sink_metadata().into_iter().find(|c| c.key == key).unwrap().ty;
        schema.fields.extend(metadata.iter().map(|key| Field::new(*key, of(key))));
        let spec = SinkSpec {
            connector: self.kind.identifier().to_owned(),
            table: "c.d.t".to_owned(),
            options: self.options.clone(),
            schema,
            metadata: metadata.iter().map(|key| (*key).to_owned()).collect(),
            partition_keys: Vec::new(),
            static_partition: BTreeMap::new(),
            primary_key: self.primary_key.clone(),
            changelog: if self.kind == Kind::Upsert { ChangelogMode::UPSERT } else { ChangelogMode::INSERT_ONLY },
            overwrite: false,
            session_zone: "UTC".to_owned(),
        };
        KafkaSink::new(self.kind, &spec)
    }

    pub(super) fn writer(&self) -> Box<dyn SinkWriter> {
        self.writer_of(JOB, 0)
    }

    pub(super) fn writer_of(&self, job: JobId, index: u32) -> Box<dyn SinkWriter> {
        let environment = self.environment.clone();
        let subtask = Subtask { index, parallelism: index + 1 };
        let cx = WriterContext { job, restored: Vec::new(), subtask, environment, metrics: Arc::default() };
        self.sink(&[]).unwrap().writer(cx).unwrap()
    }

    pub(super) fn committer(&self) -> Box<dyn Committer> {
        self.sink(&[]).unwrap().committer(&self.environment).unwrap().unwrap()
    }

    /// The committer of a process that was restored with these committables, which it has committed.
    pub(super) async fn restored(&self, committables: &[Committable]) -> Result<Box<dyn Committer>> {
        let mut committer = self.committer();
        committer.recover(JOB, committables).await?;
        committer.commit(None, committables.to_vec()).await?;
        Ok(committer)
    }

    /// Writes rows and waits until they are in Kafka.
    pub(super) async fn write(&self, rows: &str) {
        let mut writer = self.writer();
        writer.write(batch(&self.schema, rows)).await.unwrap();
        assert!(writer.prepare_commit(true).await.unwrap().is_empty(), "nobody would commit what it hands over");
    }

    /// All rows up to the end that the options say, sorted.
    pub(super) async fn read(&self) -> Vec<String> {
        let mut rows = self.read_with(&[]).await.unwrap();
        rows.sort();
        rows
    }

    pub(super) async fn read_with(&self, metadata: &[&str]) -> Result<Vec<String>> {
        let mut reading = Reading::begin(self, self.source(metadata)?).await?;
        let mut rows = Vec::new();
        while let Some((_, read)) = reading.next().await? {
            rows.extend(read);
        }
        Ok(rows)
    }
}

/// Reads a source with one reader.
pub(super) struct Reading {
    source: KafkaSource,
    environment: Environment,
    pub(super) reader: Box<dyn SplitReader>,
    open: BTreeSet<String>,
}

impl Reading {
    /// From the begin.
    pub(super) async fn begin(table: &TestTable, source: KafkaSource) -> Result<Self> {
        let mut enumerator = source.enumerator(&table.environment, None)?;
        let splits = enumerator.discover().await?.splits;
        Reading::of(table, source, splits)
    }

    /// From these splits.
    pub(super) fn of(table: &TestTable, source: KafkaSource, splits: Vec<Split>) -> Result<Self> {
        let mut reader = source.reader(context(&table.environment))?;
        let open = splits.iter().map(|s| s.id.clone()).collect();
        reader.add_splits(splits)?;
        Ok(Reading { source, environment: table.environment.clone(), reader, open })
    }

    /// The next rows with their split; nothing at the end.
    pub(super) async fn next(&mut self) -> Result<Option<(String, Vec<String>)>> {
        while !self.open.is_empty() {
            match self.reader.next().await? {
                ReadEvent::Batch { split, batch } => return Ok(Some((split, lines(&batch)))),
                ReadEvent::Finished { split } => {
                    self.open.remove(&split);
                }
            }
        }
        Ok(None)
    }

    /// Another reader goes on from where this one is.
    pub(super) fn restart(&mut self) {
        let splits = self.reader.snapshot().unwrap();
        self.reader = self.source.reader(context(&self.environment)).unwrap();
        self.reader.add_splits(splits).unwrap();
    }
}

fn context(environment: &Environment) -> ReaderContext {
    let metrics = Arc::new(OperatorMetrics::default());
    ReaderContext { subtask: Subtask { index: 0, parallelism: 1 }, environment: environment.clone(), metrics }
}
