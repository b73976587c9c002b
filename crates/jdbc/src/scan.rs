//! Reading a table: as a whole, or in ranges of a number column that are read in parallel.
//!
//! **State layout.** A split is JSON: a version, its range, and how many of its rows were read. A restored split asks again
//! and leaves out as many rows: it goes on exactly where it was if the database gives the rows in the same order, as it
//! does for a table that has not changed (nothing is read in parallel there, and no scan joins another one under way).

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::source::{Boundedness, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{ChangeBatch, Error, Result, Schema};
use flott_connectors::fixed_splits::FixedSplits;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::dialect::{Connection, DbTable, Dialect, ScanQuery};
use crate::filter::{FilterColumns, compared, condition};
use crate::options::JdbcOptions;

const VERSION: u32 = 1;
/// So many batches are read ahead.
const AHEAD_MAX: usize = 2;

/// A table to read.
pub(crate) struct JdbcSource {
    shared: Arc<Shared>,
}

struct Shared {
    options: JdbcOptions,
    dialect: &'static dyn Dialect,
    spec: SourceSpec,
    output: Schema,
}

impl JdbcSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(crate) fn new(options: JdbcOptions, dialect: &'static dyn Dialect, spec: &SourceSpec) -> Result<Self> {
        if let Some((key, _)) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'jdbc' has no metadata '{key}'")));
        }
        let output = spec.output_schema();
        Ok(JdbcSource { shared: Arc::new(Shared { options, dialect, spec: spec.clone(), output }) })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    index: usize,
    /// Both ends included; nothing if the table is read whole.
    range: Option<(i64, i64)>,
    /// How many rows were read.
    rows: u64,
}

impl State {
    fn encode(&self) -> Result<Split> {
        let state =
            serde_json::to_vec(self).map_err(|e| Error::internal("a split cannot be written").with_source(e))?;
        Ok(Split { id: self.index.to_string(), state: Bytes::from(state) })
    }

    fn decode(split: &Split) -> Result<Self> {
        let damaged = |e| Error::corrupt(format!("split '{}' of a jdbc table is damaged", split.id)).with_source(e);
        let state: State = serde_json::from_slice(&split.state).map_err(damaged)?;
        if state.version != VERSION {
            return Err(Error::corrupt(format!("split '{}' of a jdbc table has an unknown version", split.id)));
        }
        Ok(state)
    }
}

impl Source for JdbcSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(FixedSplits::new(restored, || {
            let partition = self.shared.options.scan.partition.as_ref();
            let ranges = partition.map_or(vec![None], |p| p.ranges().into_iter().map(Some).collect());
            let state = |(index, range)| State { version: VERSION, index, range, rows: 0 };
            ranges.into_iter().enumerate().map(|r| state(r).encode()).collect()
        })?))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(JdbcReader {
            shared: Arc::clone(&self.shared),
            environment: cx.environment,
            splits: VecDeque::new(),
        }))
    }
}

/// Reads its splits one after the other.
struct JdbcReader {
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

/// A task that reads ahead, so that whoever waits for a row may give up without losing one.
///
/// The last message is none: a task that was lost does not look like the end of the table.
struct Reading {
    rows: mpsc::Receiver<Result<Option<RecordBatch>>>,
    _task: Box<dyn TaskHandle>,
}

impl JdbcReader {
    fn start(&self, state: &State) -> Reading {
        let (sender, rows) = mpsc::channel(AHEAD_MAX);
        let (shared, environment, state) = (Arc::clone(&self.shared), self.environment.clone(), state.clone());
        let name = format!("jdbc scan {} split {}", shared.spec.table, state.index);
        let read = Box::pin(async move {
            let end = read(&shared, &environment, &state, &sender).await.map(|()| None);
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
    to: &mpsc::Sender<Result<Option<RecordBatch>>>,
) -> Result<()> {
    let context = |e: Error| e.context(format!("table '{}'", shared.spec.table));
    let connection = shared.dialect.connect(&shared.options.access, environment).await.map_err(context)?;
    read_with(connection, shared, state, to).await.map_err(context)
}

async fn read_with(
    mut connection: Box<dyn Connection>,
    shared: &Shared,
    state: &State,
    to: &mpsc::Sender<Result<Option<RecordBatch>>>,
) -> Result<()> {
    let table = connection.table(&shared.options.table).await?;
    let Some(query) = shared.query(&table, state)? else { return Ok(()) };
    let mut rows = connection.scan(&query).await?;
    while let Some(batch) = rows.next_rows().await? {
        if to.send(Ok(Some(batch))).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl Shared {
    /// What asks for the rest of a split; nothing if no row is wanted any more.
    fn query(&self, table: &DbTable, state: &State) -> Result<Option<ScanQuery>> {
        let wanted = table.of_schema(&self.output)?;
        let mut selected = Vec::new();
        for (column, field) in wanted.iter().zip(&self.output.fields) {
            selected.push(self.dialect.readable(column, &field.ty)?);
        }
        if selected.is_empty() {
            // There is no list without a column in every database.
            selected.push("1".to_owned());
        }
        let mut conditions = Vec::new();
        if let (Some((from, to)), Some(partition)) = (state.range, &self.options.scan.partition) {
            let column = &table.column(&partition.column)?.quoted;
            conditions.push(if to == partition.upper {
                format!("{column} BETWEEN {from} AND {to}")
            } else {
                // What lies between two whole numbers is of one split, too; in Flink of none.
                format!("{column} >= {from} AND {column} < {}", i128::from(to) + 1)
            });
        }
        if !self.spec.filters.is_empty() {
            let compared = compared(table, &self.spec.schema, "", self.dialect)?;
            let columns =
                FilterColumns { compared: &compared, fields: &self.spec.schema.fields, dialect: self.dialect };
            conditions.extend(condition(&self.spec.filters, &columns));
        }
        let mut sql = format!("SELECT {} FROM {}", selected.join(", "), table.name);
        if !conditions.is_empty() {
            sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        let limit = self.spec.limit.map(|limit| limit.saturating_sub(state.rows));
        if limit == Some(0) {
            return Ok(None);
        }
        if limit.is_some() || state.rows > 0 {
            // MySQL has no OFFSET without a LIMIT.
            sql.push_str(&format!(" LIMIT {}", limit.unwrap_or(i64::MAX as u64)));
        }
        if state.rows > 0 {
            sql.push_str(&format!(" OFFSET {}", state.rows));
        }
        let scan = &self.options.scan;
        let (fetch_size, auto_commit) = (scan.fetch_size, scan.auto_commit);
        Ok(Some(ScanQuery { sql, schema: self.output.clone(), fetch_size, auto_commit }))
    }
}

#[async_trait]
impl SplitReader for JdbcReader {
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
        let lost = || Err(Error::internal("a task that reads a table has ended early"));
        match reading.rows.recv().await.unwrap_or_else(lost)? {
            Some(batch) => {
                open.state.rows += batch.num_rows() as u64;
                Ok(ReadEvent::Batch { split, batch: ChangeBatch::inserts(batch) })
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
