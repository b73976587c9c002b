//! Reading a collection, in splits that are read in the order of `_id`.
//!
//! **State layout.** A split is a document of BSON: `version`, `index`, its range (`from`, `until`) or its chunk (`min`,
//! `max`, `key`), the `last` `_id` that was read, and how many `rows` were. A restored split asks for what lies behind the
//! last `_id`: it goes on exactly where it was, whatever has changed before. Only a chunk of a collection that is sharded by
//! another key is read in the order of that key, and leaves out as many documents as it had.
//!
//! The enumerator remembers the splits that nobody has, and whether they were found.

mod state;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bson::{Bson, Document, RawBsonRef, doc};
use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::ongoing::Ongoing;
use flott_api::source::{
    Boundedness, Discovery, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader,
};
use flott_api::table::SourceSpec;
use flott_api::{ChangeBatch, Error, Result, Schema};
use futures::StreamExt as _;
use mongodb::options::Hint;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};
use tokio::sync::mpsc;

use self::state::{Memory, State};
use crate::bounds::{all_of, class};
use crate::client::{Asked, Link};
use crate::decode::Decoder;
use crate::filter::conditions;
use crate::kinds::{ID, is_plain};
use crate::options::{MongoOptions, Retry, Strategy};
use crate::splits::{Piece, pieces, without_order};

/// So many batches are read ahead.
const AHEAD_MAX: usize = 2;

/// A collection to read.
pub(crate) struct MongoSource {
    shared: Arc<Shared>,
}

struct Shared {
    options: MongoOptions,
    spec: SourceSpec,
    output: Schema,
    conditions: Vec<Document>,
}

impl MongoSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(crate) fn new(options: MongoOptions, spec: &SourceSpec) -> Result<Self> {
        if let Some((key, _)) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'mongodb' has no metadata '{key}'")));
        }
        let output = spec.output_schema();
        let conditions = conditions(&spec.filters, &spec.schema.fields);
        Ok(MongoSource { shared: Arc::new(Shared { options, spec: spec.clone(), output, conditions }) })
    }
}

/// The fields that are asked for, and `_id`; nothing asks for all, where a name would mean something else.
pub(crate) fn projection(output: &Schema) -> Option<Document> {
    if !output.fields.iter().all(|f| is_plain(&f.name)) {
        return None;
    }
    let mut wanted = doc! { ID: 1 };
    wanted.extend(output.fields.iter().map(|f| (f.name.clone(), Bson::Int32(1))));
    Some(wanted)
}

impl Source for MongoSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        let memory = restored.map_or(Ok(Memory::default()), |bytes| Memory::decode(&bytes))?;
        let (shared, environment) = (Arc::clone(&self.shared), environment.clone());
        Ok(Box::new(MongoEnumerator { shared, environment, memory, finding: Ongoing::default() }))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(MongoReader { shared, environment: cx.environment, splits: VecDeque::new() }))
    }
}

/// Cuts the collection once.
struct MongoEnumerator {
    shared: Arc<Shared>,
    environment: Environment,
    memory: Memory,
    finding: Ongoing<Result<Vec<Split>>>,
}

/// The splits of a collection.
async fn find_splits(shared: Arc<Shared>, environment: Environment) -> Result<Vec<Split>> {
    // So few documents are wanted that one question is enough, as in Flink.
    let strategy = if shared.spec.limit.is_some() { Strategy::Single } else { shared.options.scan.strategy };
    let context = |e: Error| e.context(format!("table '{}'", shared.spec.table));
    let pieces = match strategy {
        Strategy::Single => vec![Piece::Range(crate::bounds::Range::default())],
        _ => {
            let mut link = Link::new(&shared.options.place, &environment, Retry::NEVER);
            let asked = link.asked().await.map_err(context)?;
            pieces(&asked, strategy).await.map_err(context)?
        }
    };
    pieces.into_iter().enumerate().map(|(index, piece)| State::new(index, piece).encode()).collect()
}

#[async_trait]
impl SplitEnumerator for MongoEnumerator {
    async fn discover(&mut self) -> Result<Discovery> {
        if !self.memory.found {
            let (shared, environment) = (Arc::clone(&self.shared), self.environment.clone());
            let found = self.finding.run(|| Box::pin(find_splits(shared, environment))).await?;
            self.memory = Memory { found: true, waiting: found };
        }
        Ok(Discovery { splits: std::mem::take(&mut self.memory.waiting), finished: true })
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.memory.waiting.extend(splits);
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.memory.encode()
    }
}

/// Reads its splits one after the other.
struct MongoReader {
    shared: Arc<Shared>,
    environment: Environment,
    splits: VecDeque<Open>,
}

struct Open {
    state: State,
    paused: bool,
    /// What reads it, once it is its turn.
    reading: Option<Reading>,
}

/// Rows, and the `_id` of the last one.
struct Read {
    rows: RecordBatch,
    last: Option<Bson>,
}

/// A task that reads ahead, so that whoever waits for a row may give up without losing one.
///
/// The last message is none: a task that was lost does not look like the end of the collection.
struct Reading {
    rows: mpsc::Receiver<Result<Option<Read>>>,
    _task: Box<dyn TaskHandle>,
}

impl MongoReader {
    fn start(&self, state: &State) -> Reading {
        let (sender, rows) = mpsc::channel(AHEAD_MAX);
        let (shared, environment, state) = (Arc::clone(&self.shared), self.environment.clone(), state.clone());
        let name = format!("mongodb scan {} split {}", shared.spec.table, state.index);
        let read = Box::pin(async move {
            let end = read(&shared, &environment, &state, &sender).await.map(|()| None);
            let end = end.map_err(|e| e.context(format!("table '{}'", shared.spec.table)));
            // Nobody waits any more if the reader has gone.
            sender.send(end).await.unwrap_or_default();
        });
        Reading { rows, _task: self.environment.spawner.spawn(&name, read) }
    }
}

/// Reads a split to its end.
async fn read(
    shared: &Shared,
    environment: &Environment,
    state: &State,
    to: &mpsc::Sender<Result<Option<Read>>>,
) -> Result<()> {
    let limit = shared.spec.limit.map(|limit| limit.saturating_sub(state.rows));
    if limit == Some(0) {
        return Ok(());
    }
    let mut link = Link::new(&shared.options.place, environment, Retry::NEVER);
    let asked = link.asked().await?;
    let mut cursor = shared.ask(&asked, state, limit).await?;
    let mut decoder = Decoder::new(&shared.output);
    let by_id = matches!(state.piece, Piece::Range(_));
    while let Some(batch) = asked.answer(async { cursor.next().await.transpose() }).await? {
        if !hand_on(&batch, &mut decoder, by_id, to).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Hands the documents of an answer on as rows; whether somebody still wants them.
async fn hand_on(
    batch: &RawBatch,
    decoder: &mut Decoder,
    by_id: bool,
    to: &mpsc::Sender<Result<Option<Read>>>,
) -> Result<bool> {
    let damaged = |e: &dyn std::fmt::Display| Error::external(format!("an answer of MongoDB is damaged: {e}"));
    let mut documents = batch.doc_slices().map_err(|e| damaged(&e))?.into_iter().peekable();
    while let Some(document) = documents.next() {
        let Ok(RawBsonRef::Document(document)) = document else { return Err(damaged(&"a document is none")) };
        decoder.push(document)?;
        if decoder.is_full() || documents.peek().is_none() {
            let last = if by_id { Some(position(document)?) } else { None };
            if to.send(Ok(Some(Read { rows: decoder.finish()?, last }))).await.is_err() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The `_id` behind which a restored split goes on.
fn position(document: &bson::RawDocument) -> Result<Bson> {
    let id = document.get(ID).ok().flatten().and_then(|id| Bson::try_from(id).ok());
    let id = id.ok_or_else(|| {
        Error::data("a document has no _id")
            .with_detail("A view that hides it cannot be read: nothing says how far it was.")
    })?;
    if class(&id).is_some() { Ok(id) } else { Err(without_order(&id)) }
}

impl Shared {
    /// Asks for the rest of a split.
    async fn ask(&self, asked: &Asked<'_>, state: &State, limit: Option<u64>) -> Result<RawBatchCursor> {
        let (scan, collection) = (&self.options.scan, asked.collection());
        let mut conditions = self.conditions.clone();
        if let Piece::Range(range) = &state.piece {
            conditions.extend(range.conditions(state.last.as_ref()));
        }
        let mut find = collection.find(all_of(conditions)).batch_size(scan.fetch_rows);
        find = match &state.piece {
            Piece::Range(_) => find.sort(doc! { ID: 1 }).allow_disk_use(true),
            Piece::Chunk(chunk) => {
                find.min(chunk.min.clone()).max(chunk.max.clone()).hint(Hint::Keys(chunk.key.clone())).skip(state.rows)
            }
        };
        if scan.keep_cursor {
            find = find.no_cursor_timeout(true);
        }
        if let Some(wanted) = projection(&self.output) {
            find = find.projection(wanted);
        }
        if let Some(limit) = limit {
            find = find.limit(i64::try_from(limit).unwrap_or(i64::MAX));
        }
        asked.answer(find.batch()).await
    }
}

#[async_trait]
impl SplitReader for MongoReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            self.splits.push_back(Open { state: State::decode(&split)?, paused: false, reading: None });
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        let Some(at) = self.splits.iter().position(|s| !s.paused) else { return std::future::pending().await };
        if self.splits[at].reading.is_none() {
            let reading = self.start(&self.splits[at].state);
            self.splits[at].reading = Some(reading);
        }
        let open = &mut self.splits[at];
        let split = open.state.index.to_string();
        let Some(reading) = &mut open.reading else { return Err(Error::internal("a split is not being read")) };
        let lost = || Err(Error::internal("a task that reads a collection has ended early"));
        match reading.rows.recv().await.unwrap_or_else(lost)? {
            Some(read) => {
                open.state.rows += read.rows.num_rows() as u64;
                open.state.last = read.last.or(open.state.last.take());
                Ok(ReadEvent::Batch { split, batch: ChangeBatch::inserts(read.rows) })
            }
            None => {
                self.splits.remove(at);
                Ok(ReadEvent::Finished { split })
            }
        }
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        self.splits.iter().map(|s| s.state.encode()).collect()
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        for open in self.splits.iter_mut().filter(|s| s.state.index.to_string() == split) {
            open.paused = paused;
        }
    }
}
