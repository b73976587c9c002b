//! Rows that wait to be written.

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::sink::Committable;
use flott_api::{ChangeBatch, Error, Result};

use super::Shared;
use super::fold::{Folded, fold};
use super::staged::{Parts, Staged};
use crate::dialect::{Connection, WriteTarget};
use crate::retry::{Attempt, Lasting};

/// Rows are written when there are as many bytes of them, whatever the options say.
const BYTES_MAX: usize = 16 << 20;

/// The rows of one writer.
pub(super) struct Buffer {
    shared: Arc<Shared>,
    waiting: Vec<ChangeBatch>,
    rows: u64,
    bytes: usize,
    connection: Lasting,
    /// Where rows go; known when the database is first asked.
    target: Option<WriteTarget>,
    /// Where they lie until they are committed, and under which names, if that is asked for.
    parts: Option<Parts>,
    /// What went wrong while nobody was waiting.
    failure: Option<Error>,
}

impl Buffer {
    pub(super) fn new(shared: Arc<Shared>, parts: Option<Parts>, environment: &Environment) -> Self {
        let options = &shared.options;
        let connection = Lasting::new(shared.dialect, &options.access, environment, options.sink.retries);
        Buffer { shared, waiting: Vec::new(), rows: 0, bytes: 0, connection, target: None, parts, failure: None }
    }

    /// Takes rows, and writes them if there are enough.
    pub(super) async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
        self.passed()?;
        self.rows += batch.len() as u64;
        self.bytes += batch.byte_size();
        self.waiting.push(batch.without_marks());
        let full = self.shared.options.sink.rows_max.is_some_and(|most| self.rows >= most);
        if full || self.bytes >= BYTES_MAX { self.flush().await } else { Ok(()) }
    }

    /// Remembers a failure for the next call.
    pub(super) fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    fn passed(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Writes all rows that wait.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let keys = &self.shared.spec.primary_key;
        let folded = fold(&self.waiting, keys)?;
        let context = |e: Error| e.context(format!("table '{}'", self.shared.spec.table));
        match &mut self.parts {
            None => {
                let mut write = Write { shared: &self.shared, target: &mut self.target, folded: &folded };
                self.connection.run(&mut write).await.map_err(context)?;
            }
            Some(parts) => {
                let mut write = Staged::new(&self.shared, parts, &folded)?;
                self.connection.run(&mut write).await.map_err(context)?;
                parts.written(folded.upserts.num_rows() + folded.deletes.num_rows());
            }
        }
        self.waiting.clear();
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Writes all rows; hands over what is to be committed.
    pub(super) async fn prepare(&mut self) -> Result<Vec<Committable>> {
        self.passed()?;
        self.flush().await?;
        self.parts.as_mut().map_or(Ok(Vec::new()), |parts| Ok(parts.end()?.into_iter().collect()))
    }

    /// Forgets what waits, and removes what was not handed over.
    pub(super) async fn abort(&mut self) {
        self.waiting.clear();
        (self.rows, self.bytes) = (0, 0);
        let Some(mut forget) = self.parts.as_mut().and_then(Parts::forget) else { return };
        if let Err(e) = self.connection.run(&mut forget).await {
            // The next start of the job removes them.
            tracing::warn!("staged rows were left behind: {e}");
        }
    }
}

/// One writing into the table itself.
struct Write<'a> {
    shared: &'a Shared,
    target: &'a mut Option<WriteTarget>,
    folded: &'a Folded,
}

#[async_trait]
impl Attempt for Write<'_> {
    type Output = ();

    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<()> {
        let target = match &*self.target {
            Some(target) => target,
            None => self.target.insert(find_target(self.shared, connection).await?),
        };
        let (upserts, deletes) = (&self.folded.upserts, self.folded.deletes.project(&target.keys)?);
        match (upserts.num_rows() > 0, deletes.num_rows() > 0) {
            (true, false) => connection.upsert(target, upserts).await,
            (false, true) => connection.delete(target, &deletes).await,
            (false, false) => Ok(()),
            (true, true) => both(self.shared, connection, target, upserts, &deletes).await,
        }
    }
}

/// Others see both or nothing.
async fn both(
    shared: &Shared,
    connection: &mut dyn Connection,
    target: &WriteTarget,
    upserts: &RecordBatch,
    deletes: &RecordBatch,
) -> Result<()> {
    connection.execute(shared.dialect.staging().begin()).await?;
    connection.delete(target, deletes).await?;
    connection.upsert(target, upserts).await?;
    connection.execute("COMMIT").await?;
    Ok(())
}

/// The table of the database, with the columns that are written.
pub(super) async fn find_target(shared: &Shared, connection: &mut dyn Connection) -> Result<WriteTarget> {
    let table = connection.table(&shared.options.table).await?;
    let columns = table.of_schema(&shared.spec.schema)?;
    let (schema, keys) = (shared.spec.schema.clone(), shared.spec.primary_key.clone());
    let target = WriteTarget { table: table.name, columns, schema, keys };
    let named = (shared.options.table.as_str(), &target);
    shared.dialect.staging().check_target(connection, named, shared.options.sink.exactly_once).await?;
    Ok(target)
}
