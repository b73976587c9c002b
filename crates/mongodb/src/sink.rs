//! Writing a collection: rows are gathered and written many at once; with a primary key a row changes the document with that
//! `_id`, or makes it.
//!
//! **At least once**, as in Flink: rows are written when there are enough of them, when they have waited long enough, and at
//! each checkpoint. What is written behind the last checkpoint is written again behind a failure, which with a key changes
//! nothing in the end.

mod buffer;
mod requests;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{ChangeBatch, Error, Result, Schema};
use tokio::sync::Mutex;

use self::buffer::Buffer;
use crate::kinds::{ID, is_key, is_plain};
use crate::options::MongoOptions;

/// A collection to write.
pub(crate) struct MongoSink {
    shared: Arc<Shared>,
}

/// What all writers know.
pub(crate) struct Shared {
    options: MongoOptions,
    spec: SinkSpec,
    /// Columns that name the shard of a document.
    shard_keys: Vec<usize>,
    /// Columns that an update leaves out: the id never changes, and what names the shard is written by the condition.
    left_out: Vec<usize>,
}

impl MongoSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(crate) fn new(options: MongoOptions, spec: &SinkSpec) -> Result<Self> {
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'mongodb' cannot write metadata '{key}'")));
        }
        if spec.overwrite {
            return Err(Error::unsupported(format!("INSERT OVERWRITE into table '{}'", spec.table)));
        }
        check(&spec.schema, &spec.primary_key)?;
        if !spec.changelog.is_insert_only() && spec.primary_key.is_empty() {
            let message = format!("table '{}' of connector 'mongodb' takes updates and deletions only", spec.table);
            return Err(Error::invalid(format!("{message} with a primary key"))
                .with_hint("Declare PRIMARY KEY (..) NOT ENFORCED; it becomes the _id of the documents."));
        }
        let place = |name: &String| spec.schema.fields.iter().position(|f| f.name == *name);
        let shard_keys: Option<Vec<usize>> = spec.partition_keys.iter().map(place).collect();
        let shard_keys = shard_keys.ok_or_else(|| Error::internal("a partition key is no column"))?;
        let mut left_out = shard_keys.clone();
        left_out.extend(spec.schema.fields.iter().position(|f| f.name == ID));
        Ok(MongoSink { shared: Arc::new(Shared { options, spec: spec.clone(), shard_keys, left_out }) })
    }
}

/// Checks what becomes of the columns, by Flink's rules.
///
/// # Errors
/// If a name means something else in MongoDB, or a document would have two ids.
pub(crate) fn check(schema: &Schema, primary_key: &[usize]) -> Result<()> {
    if let Some(field) = schema.fields.iter().find(|f| !is_plain(&f.name)) {
        return Err(Error::unsupported(format!("writing column '{}' of connector 'mongodb'", field.name))
            .with_detail("In MongoDB a point in a name leads into a document, and a dollar begins an operator.")
            .with_hint("A field within a document is a field of a ROW here."));
    }
    let id = schema.fields.iter().position(|f| f.name == ID);
    if id.is_some_and(|id| primary_key != [id]) {
        return Err(Error::invalid("a table has the column '_id', but its primary key is another one")
            .with_detail("The primary key becomes the _id of a document, which has only one.")
            .with_hint("Declare PRIMARY KEY (_id) NOT ENFORCED, or give the column another name."));
    }
    for at in primary_key {
        let field = &schema.fields[*at];
        if !is_key(&field.ty.kind) {
            let message = format!("column '{}' of type {} in the primary key", field.name, field.ty);
            return Err(Error::unsupported(format!("{message} of connector 'mongodb'"))
                .with_detail("An _id is made of texts, numbers, booleans and times, in Flink too."));
        }
    }
    Ok(())
}

impl Sink for MongoSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let buffer = Arc::new(Mutex::new(Buffer::new(Arc::clone(&self.shared), &cx.environment)));
        let interval = self.shared.options.sink.interval_ms;
        let ticker = interval.map(|ms| ticker(&cx, Arc::clone(&buffer), ms));
        Ok(Box::new(MongoWriter { buffer, ticker }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
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
    cx.environment.spawner.spawn(&format!("mongodb sink {} flush", cx.subtask), Box::pin(tick))
}

struct MongoWriter {
    buffer: Arc<Mutex<Buffer>>,
    ticker: Option<Box<dyn TaskHandle>>,
}

#[async_trait]
impl SinkWriter for MongoWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        self.buffer.lock().await.add(batch).await
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        self.buffer.lock().await.checkpoint().await?;
        Ok(Vec::new())
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }

    async fn abort(&mut self) {
        // What it is about to write is of no use any more, and may be tried for long.
        self.ticker = None;
        self.buffer.lock().await.forget();
    }
}

#[cfg(test)]
mod tests {
    use flott_api::types::Field;
    use flott_api::{LogicalType, TypeKind};

    use super::*;

    #[test]
    fn a_document_has_one_id() {
        let told = |names: &[&str], key: &[usize]| {
            let fields = names.iter().map(|n| Field::new(*n, LogicalType::new(TypeKind::Int)));
            check(&Schema::new(fields.collect()), key).map_err(|e| e.message().to_owned())
        };
        assert_eq!(told(&["_id", "a"], &[0]), Ok(()));
        assert_eq!(told(&["a", "b"], &[1, 0]), Ok(()));
        assert_eq!(told(&["a", "b"], &[]), Ok(()));
        for key in [&[][..], &[1], &[0, 1]] {
            assert!(told(&["_id", "a"], key).unwrap_err().contains("has the column '_id'"));
        }
        assert!(told(&["a.b"], &[]).unwrap_err().contains("writing column 'a.b'"));
        assert!(told(&["$a"], &[]).is_err());
        let bytes = Schema::new(vec![Field::new("k", LogicalType::bytes())]);
        assert!(check(&bytes, &[0]).unwrap_err().message().contains("in the primary key"));
    }
}
