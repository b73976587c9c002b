//! Writing a table: rows are gathered and written many at once; with a key, a row replaces the one that is there.
//!
//! **At least once** (the default, as in Flink): rows are written when there are enough of them, when they have waited long
//! enough, and at each checkpoint. What is written behind the last checkpoint is written again behind a failure, which with
//! a key changes nothing in the end.
//!
//! **Exactly once** (`sink.delivery-guarantee`): rows lie in a table beside it until their checkpoint is complete
//! ([`staged`]).

mod buffer;
mod fold;
mod staged;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{ChangeBatch, Error, Result};
use tokio::sync::Mutex;

use self::buffer::Buffer;
use self::staged::{JdbcCommitter, Parts, sink_tag};
use crate::columns::Kind;
use crate::dialect::Dialect;
use crate::options::JdbcOptions;

/// A table to write.
pub(crate) struct JdbcSink {
    shared: Arc<Shared>,
}

/// What writers and committer share.
pub(crate) struct Shared {
    options: JdbcOptions,
    dialect: &'static dyn Dialect,
    spec: SinkSpec,
    /// Tells its staged rows from those of other sinks.
    tag: u64,
}

impl JdbcSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(crate) fn new(options: JdbcOptions, dialect: &'static dyn Dialect, spec: &SinkSpec) -> Result<Self> {
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'jdbc' cannot write metadata '{key}'")));
        }
        if spec.overwrite || !spec.partition_keys.is_empty() {
            return Err(Error::invalid(format!("table '{}' of connector 'jdbc' has no partitions", spec.table)));
        }
        if !spec.changelog.is_insert_only() && spec.primary_key.is_empty() {
            return Err(without_key(&spec.table));
        }
        Kind::of_all(&spec.schema)?;
        let shared = Shared { options, dialect, spec: spec.clone(), tag: sink_tag(spec) };
        Ok(JdbcSink { shared: Arc::new(shared) })
    }
}

/// What Flink says of such a table, too.
fn without_key(table: &str) -> Error {
    Error::invalid(format!("table '{table}' of connector 'jdbc' takes updates and deletions only with a primary key"))
        .with_hint("Declare PRIMARY KEY (..) NOT ENFORCED; the table of the database needs the same one.")
}

impl Sink for JdbcSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let shared = Arc::clone(&self.shared);
        let interval_ms = shared.options.sink.interval_ms;
        let parts = shared.options.sink.exactly_once.then(|| Parts::new(shared.tag, &cx));
        let buffer = Arc::new(Mutex::new(Buffer::new(shared, parts, &cx.environment)));
        let ticker = interval_ms.map(|ms| ticker(&cx, Arc::clone(&buffer), ms));
        Ok(Box::new(JdbcWriter { buffer, ticker }))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        if !self.shared.options.sink.exactly_once {
            return Ok(None);
        }
        Ok(Some(Box::new(JdbcCommitter::new(Arc::clone(&self.shared), environment))))
    }
}

/// Writes what has waited long enough.
fn ticker(cx: &WriterContext, buffer: Arc<Mutex<Buffer>>, interval_ms: u64) -> Box<dyn TaskHandle> {
    let clock = Arc::clone(&cx.environment.clock);
    let tick = async move {
        loop {
            clock.sleep_ms(interval_ms).await;
            let mut buffer = buffer.lock().await;
            if let Err(e) = buffer.flush().await {
                // The next call of the writer says it, and fails the job.
                buffer.fail(e);
                return;
            }
        }
    };
    cx.environment.spawner.spawn(&format!("jdbc sink {} flush", cx.subtask), Box::pin(tick))
}

struct JdbcWriter {
    buffer: Arc<Mutex<Buffer>>,
    ticker: Option<Box<dyn TaskHandle>>,
}

#[async_trait]
impl SinkWriter for JdbcWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        self.buffer.lock().await.add(batch).await
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        self.buffer.lock().await.prepare().await
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }

    async fn abort(&mut self) {
        // What it is about to write is of no use any more, and may be tried for long.
        self.ticker = None;
        self.buffer.lock().await.abort().await;
    }
}
