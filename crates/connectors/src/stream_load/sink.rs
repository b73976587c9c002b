//! Loading rows, many at once.
//!
//! **Exactly once**: each load is a transaction of its own, which is prepared before the checkpoint and committed behind it.
//! **At least once**: what was loaded behind the last checkpoint is loaded again behind a failure; one load whose answer was
//! lost is there once all the same, for its label is taken once.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{ChangeBatch, Error, Result, RowKind};
use flott_formats::{Encoded, Encoder, EncoderSpec};

use super::Brand;
use super::committer::StreamLoadCommitter;
use super::labels::{Labels, Place, Prepared, next_of, state, tag_of};
use super::options::LoadOptions;
use super::protocol::{Database, Loaded, State};
use crate::web::again::Tries;
use crate::web::gathering::{GatheringWriter, Outbox};
use crate::web::{may_pass, passing};

/// Columns of a load that say what becomes of a row.
pub(super) const DORIS_DELETE: &str = "__DORIS_DELETE_SIGN__";
pub(super) const STARROCKS_OP: &str = "__op";
/// There are never so many lineages.
const LINEAGES_MAX: u64 = 1_000_000;

/// A table to load into.
pub(super) struct StreamLoadSink {
    options: Arc<LoadOptions>,
    spec: SinkSpec,
    /// Its labels', among those of other sinks of the job.
    tag: u64,
}

impl StreamLoadSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(options: LoadOptions, spec: &SinkSpec) -> Result<Self> {
        let connector = options.brand.identifier();
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
            .with_hint("Declare PRIMARY KEY (..) NOT ENFORCED; the table of the database needs the same one."));
        }
        Ok(StreamLoadSink { options: Arc::new(options), tag: tag_of(spec)?, spec: spec.clone() })
    }

    /// The columns, if loads say of each row what becomes of it.
    fn columns(&self) -> Option<Vec<String>> {
        let names = || self.spec.schema.fields.iter().map(|field| field.name.clone()).collect();
        (!self.spec.primary_key.is_empty() && self.options.deletes).then(names)
    }
}

impl Sink for StreamLoadSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let (options, environment) = (Arc::clone(&self.options), cx.environment.clone());
        let encoder = EncoderSpec { schema: self.spec.schema.clone(), line_ends: false };
        let columns = self.columns();
        let next = cx.restored.iter().find(|state| !state.is_empty()).map(|state| next_of(state)).transpose()?;
        let outbox = Loads {
            encoder: options.format.encoder(&encoder)?,
            encoded: Encoded::default(),
            body: Vec::new(),
            rows: 0,
            says_op: columns.is_some(),
            database: Database::new(&options, columns.as_deref(), cx.subtask.index, &environment)?,
            labels: Labels::new(&options.prefix, cx.job, self.tag),
            next,
            prepared: Vec::new(),
            run: environment.rng.next_u64(),
            loads: 0,
            table: self.spec.table.clone(),
            environment: environment.clone(),
            options: Arc::clone(&options),
        };
        let interval_ms = options.interval_ms.filter(|_| !options.exactly_once);
        Ok(Box::new(GatheringWriter::new(Box::new(outbox), interval_ms, cx.subtask, &environment)))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        if !self.options.exactly_once {
            return Ok(None);
        }
        let database = Database::new(&self.options, None, 0, environment)?;
        let table = &self.spec.table;
        Ok(Some(Box::new(StreamLoadCommitter::new(database, &self.options, table, self.tag, environment))))
    }
}

/// Rows that wait.
struct Loads {
    options: Arc<LoadOptions>,
    environment: Environment,
    table: String,
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
    /// The array that is being written; without its end.
    body: Vec<u8>,
    rows: usize,
    /// Whether each row says what becomes of it.
    says_op: bool,
    database: Database,
    labels: Labels,
    /// The next transaction; nothing without a lineage.
    next: Option<Place>,
    /// What is prepared and not handed over.
    prepared: Vec<String>,
    /// With the number of a load it names one that is no transaction.
    run: u64,
    loads: u64,
}

#[async_trait]
impl Outbox for Loads {
    async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
        let batch = batch.without_marks();
        self.encoded.bytes.clear();
        self.encoded.ends.clear();
        self.encoder.encode(&batch, &mut self.encoded)?;
        let mut start = 0;
        for row in 0..batch.len() {
            let end = self.encoded.ends.get(row).copied().ok_or_else(|| Error::internal("a row has no JSON"))?;
            self.push(start..end, batch.kind(row));
            start = end;
            if self.rows >= self.options.rows_max || self.body.len() >= self.options.bytes_max {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut body = std::mem::take(&mut self.body);
        body.push(b']');
        let body = Bytes::from(body);
        let sent = match self.options.exactly_once {
            true => self.transaction(body.clone()).await,
            false => self.load(body.clone()).await,
        };
        if let Err(e) = sent {
            // They wait still.
            self.body = Vec::from(body);
            self.body.pop();
            return Err(e.context(format!("table '{}'", self.table)));
        }
        self.rows = 0;
        Ok(())
    }

    async fn prepare(&mut self) -> Result<Vec<Committable>> {
        let Some(next) = self.next.filter(|_| self.options.exactly_once) else { return Ok(Vec::new()) };
        // Also without rows: it says where the lineage goes on, which a restore has to know.
        let labels = std::mem::take(&mut self.prepared);
        let id = labels.first().cloned().unwrap_or_else(|| format!("{}_before", self.labels.label(next)));
        Ok(vec![Prepared::new(next, labels).committable(id)?])
    }

    fn snapshot(&self) -> Result<Bytes> {
        self.next.map_or(Ok(Bytes::new()), state)
    }

    async fn abort(&mut self) {
        self.body.clear();
        self.rows = 0;
        for label in std::mem::take(&mut self.prepared) {
            if let Err(e) = self.database.roll_back(&label).await {
                // The next start of the job rolls it back.
                tracing::warn!(%label, "a transaction was left behind: {e}");
            }
        }
    }
}

impl Loads {
    /// Adds a row to the array, or leaves it out, as the options say.
    fn push(&mut self, row: std::ops::Range<usize>, kind: RowKind) {
        let is_left_out = (kind == RowKind::UpdateBefore && self.options.ignores_update_before)
            || (kind.is_retract() && !self.options.deletes);
        if is_left_out {
            return;
        }
        self.body.push(if self.rows == 0 { b'[' } else { b',' });
        self.rows += 1;
        let object = &self.encoded.bytes[row];
        let Some(fields) = object.strip_suffix(b"}").filter(|_| self.says_op) else {
            self.body.extend_from_slice(object);
            return;
        };
        let name = match self.options.brand {
            Brand::Doris => DORIS_DELETE,
            Brand::StarRocks => STARROCKS_OP,
        };
        for part in [fields, b",\"", name.as_bytes(), b"\":", if kind.is_retract() { b"1}" } else { b"0}" }] {
            self.body.extend_from_slice(part);
        }
    }

    /// Loads rows that are seen at once.
    async fn load(&mut self, body: Bytes) -> Result<()> {
        let label = format!("{}_{:016x}_{}", self.labels.all(), self.run, self.loads);
        let mut tries = Tries::new(self.options.again);
        loop {
            let error = match self.database.load(&label, body.clone()).await {
                Ok(Loaded::Done) => break,
                // An earlier try: its answer was lost.
                Ok(Loaded::LabelExists) => match self.database.state(&label).await {
                    Ok(State::Committed) => break,
                    Ok(state) => passing(format!("load '{label}' is there already, and is {state:?}")),
                    Err(e) => e,
                },
                Err(e) => e,
            };
            tries.after(error, &self.environment).await?;
        }
        self.loads += 1;
        Ok(())
    }

    /// Loads rows as the next transaction.
    async fn transaction(&mut self, body: Bytes) -> Result<()> {
        if let Some(next) = self.next {
            if self.prepare_as(next, body.clone(), true).await? {
                return Ok(());
            }
            tracing::warn!(label = self.labels.label(next), "somebody else has this label; a new lineage begins");
            self.next = None;
        }
        for lineage in 0..LINEAGES_MAX {
            let place = Place { lineage, number: 0 };
            let is_free = matches!(self.ask_state(place).await?, State::Unknown | State::Aborted);
            if is_free && self.prepare_as(place, body.clone(), false).await? {
                return Ok(());
            }
        }
        Err(Error::external(format!("there are {LINEAGES_MAX} lineages of labels '{}'", self.labels.all())))
    }

    async fn ask_state(&mut self, place: Place) -> Result<State> {
        let label = self.labels.label(place);
        let mut tries = Tries::new(self.options.again);
        loop {
            match self.database.state(&label).await {
                Ok(state) => return Ok(state),
                Err(e) => tries.after(e, &self.environment).await?,
            }
        }
    }

    /// Prepares a transaction; nothing is done if its label is somebody else's. In a lineage of our own, a label that is there
    /// behind an answer that was lost is ours; in one that several may want it could be anybody's.
    async fn prepare_as(&mut self, place: Place, body: Bytes, owned: bool) -> Result<bool> {
        let label = self.labels.label(place);
        let (mut tries, mut lost) = (Tries::new(self.options.again), false);
        loop {
            let error = match self.database.prepare(&label, body.clone()).await {
                Ok(Loaded::Done) => break,
                Ok(Loaded::LabelExists) if !owned || !lost => return Ok(false),
                Ok(Loaded::LabelExists) => match self.database.state(&label).await {
                    Ok(State::Prepared) => break,
                    Ok(State::Committed) => return Ok(false),
                    Ok(state) => {
                        // What is left of it is in the way.
                        let rolled_back = self.database.roll_back(&label).await;
                        rolled_back.err().unwrap_or_else(|| passing(format!("transaction '{label}' was {state:?}")))
                    }
                    Err(e) => e,
                },
                Err(e) => e,
            };
            lost |= may_pass(&error);
            tries.after(error, &self.environment).await?;
        }
        self.prepared.push(label);
        self.next = Some(Place { number: place.number + 1, ..place });
        Ok(true)
    }
}
