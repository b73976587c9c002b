//! Writing documents: changes are gathered and sent many at once, one request after the other.
//!
//! At least once: what was sent behind the last checkpoint is sent again behind a failure.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{ChangeBatch, Error, Result};
use flott_formats::{Encoded, Encoder, EncoderSpec};

use super::Flavour;
use super::answer::keep_refused;
use super::bulk::Bulk;
use super::ids::{self, Ids};
use super::index::Index;
use super::options::ElasticsearchOptions;
use super::service::Service;
use crate::web::again::Tries;
use crate::web::gathering::{GatheringWriter, Outbox};

/// Changes are sent when there are as many bytes of them, whatever the options say.
const BYTES_MAX: usize = 16 << 20;
/// All that is looked at of an answer.
const PATH: &str = "/_bulk?filter_path=errors,items.*.status,items.*.error";

/// An index to write to.
pub(super) struct ElasticsearchSink {
    shared: Arc<Shared>,
}

struct Shared {
    flavour: Flavour,
    options: Arc<ElasticsearchOptions>,
    index: Index,
    spec: SinkSpec,
}

impl ElasticsearchSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(flavour: Flavour, options: ElasticsearchOptions, spec: &SinkSpec) -> Result<Self> {
        let connector = flavour.identifier();
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector '{connector}' cannot write metadata '{key}'")));
        }
        if spec.overwrite || !spec.partition_keys.is_empty() {
            return Err(Error::invalid(format!("table '{}' of connector '{connector}' has no partitions", spec.table)));
        }
        if !spec.changelog.is_insert_only() && spec.primary_key.is_empty() {
            return Err(Error::invalid(format!(
                "table '{}' of connector '{connector}' takes updates and deletions only with a primary key",
                spec.table
            ))
            .with_hint("Declare PRIMARY KEY (..) NOT ENFORCED: the ids of documents are made of it."));
        }
        for key in &spec.primary_key {
            ids::check(flavour, spec.schema.fields.get(*key))?;
        }
        let index = Index::parse(&options.index, &spec.schema, &spec.session_zone)?;
        Ok(ElasticsearchSink {
            shared: Arc::new(Shared { flavour, options: Arc::new(options), index, spec: spec.clone() }),
        })
    }
}

impl Sink for ElasticsearchSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let options = &self.shared.options;
        let interval_ms = options.interval_ms;
        let encoder = EncoderSpec { schema: self.shared.spec.schema.clone(), line_ends: false };
        let outbox = Documents {
            encoder: options.format.encoder(&encoder)?,
            encoded: Encoded::default(),
            bulk: Bulk::default(),
            service: Service::new(self.shared.flavour, options, cx.subtask.index, &cx.environment)?,
            shared: Arc::clone(&self.shared),
            environment: cx.environment.clone(),
        };
        Ok(Box::new(GatheringWriter::new(Box::new(outbox), interval_ms, cx.subtask, &cx.environment)))
    }

    fn committer(&self, _environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

/// Documents that wait.
struct Documents {
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
    bulk: Bulk,
    shared: Arc<Shared>,
    service: Service,
    environment: Environment,
}

impl Documents {
    /// Sends changes, and keeps those that are to be sent again.
    async fn send(&mut self, waiting: &mut Vec<u32>) -> Result<()> {
        let response = self.service.ask(PATH, Bytes::from(self.bulk.body(waiting))).await?;
        if response.status != 200 {
            return Err(self.service.refused(&response));
        }
        keep_refused(&response.body, &self.bulk, waiting)
    }

    fn is_full(&self) -> bool {
        let options = &self.shared.options;
        let bytes_max = options.bytes_max.unwrap_or(BYTES_MAX).min(BYTES_MAX);
        options.actions_max.is_some_and(|most| self.bulk.len() >= most) || self.bulk.bytes() >= bytes_max
    }
}

#[async_trait]
impl Outbox for Documents {
    async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let spec = &shared.spec;
        let batch = batch.without_marks();
        self.encoded.bytes.clear();
        self.encoded.ends.clear();
        self.encoder.encode(&batch, &mut self.encoded)?;
        let parts = shared.index.parts(batch.rows(), self.environment.clock.now_ms())?;
        let keyed = !spec.primary_key.is_empty();
        let ids = Ids::of(batch.rows(), &spec.schema, &spec.primary_key, &shared.options.delimiter)?;
        let (mut index, mut id, mut start) = (String::new(), String::new(), 0);
        for row in 0..batch.len() {
            if batch.kind(row).is_retract() && parts.is_null(row) {
                let table = &spec.table;
                return Err(shared.index.unknown(&spec.schema).context(format!("table '{table}'")));
            }
            index.clear();
            shared.index.write(&parts, row, &mut index);
            id.clear();
            ids.write(row, &mut id);
            let end = self.encoded.ends.get(row).copied().ok_or_else(|| Error::internal("a row has no document"))?;
            let document = (!batch.kind(row).is_retract()).then(|| &self.encoded.bytes[start..end]);
            self.bulk.add(&index, keyed.then_some(id.as_str()), document);
            start = end;
            if self.is_full() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let mut waiting = self.bulk.waiting();
        let mut tries = Tries::new(self.shared.options.again);
        while !waiting.is_empty() {
            if let Err(e) = self.send(&mut waiting).await {
                let table = &self.shared.spec.table;
                let tried = tries.after(e.context(format!("table '{table}'")), &self.environment).await;
                if tried.is_err() {
                    self.bulk.keep(&waiting);
                    return tried;
                }
            }
        }
        self.bulk.clear();
        Ok(())
    }

    async fn abort(&mut self) {
        self.bulk.clear();
    }
}
