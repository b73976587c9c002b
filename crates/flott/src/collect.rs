//! The sink `$collect`: hands a query's changes to whoever shows them.
//!
//! The client opens a result under the id that the planner put into the sink's option `id`; each writer then sends its
//! batches over one bounded channel. A client that shows slowly holds the job back; one that has gone ends it quietly.
//!
//! **State layout.** None. **Does not:** keep rows for a second reader.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::options::{OptionReader, Options};
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::{ChangeBatch, Error, Result};
use tokio::sync::mpsc;

/// The sink's identifier.
pub const COLLECT: &str = "$collect";

/// How many batches may wait for the client.
const BATCHES_MAX: usize = 4;

/// The results that somebody waits for, by id.
#[derive(Debug, Default)]
pub struct Results {
    open: Mutex<BTreeMap<String, mpsc::Sender<ChangeBatch>>>,
}

impl Results {
    /// Waits for the result of that id; to be called before its job is submitted.
    pub fn open(self: &Arc<Self>, id: &str) -> OpenResult {
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        self.lock().insert(id.to_owned(), sender);
        OpenResult { id: id.to_owned(), batches, results: Arc::clone(self) }
    }

    fn sender(&self, id: &str) -> Result<mpsc::Sender<ChangeBatch>> {
        let found = self.lock().get(id).cloned();
        found.ok_or_else(|| Error::cancelled(format!("nobody waits for result '{id}'")))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, mpsc::Sender<ChangeBatch>>> {
        // Nothing panics under the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A result that is being received; dropping it ends the interest in it.
///
/// The channel stays open for writers that are yet to come, so its end is the end of the job.
#[derive(Debug)]
pub struct OpenResult {
    id: String,
    batches: mpsc::Receiver<ChangeBatch>,
    results: Arc<Results>,
}

impl OpenResult {
    /// The next batch.
    pub async fn next(&mut self) -> Option<ChangeBatch> {
        self.batches.recv().await
    }

    /// The next batch, if it is there already: for what is left after the job's end.
    pub fn next_ready(&mut self) -> Option<ChangeBatch> {
        self.batches.try_recv().ok()
    }
}

impl Drop for OpenResult {
    fn drop(&mut self) {
        self.results.lock().remove(&self.id);
    }
}

/// Makes the sink `$collect`.
pub struct CollectFactory {
    results: Arc<Results>,
}

impl CollectFactory {
    /// A factory of sinks for these results.
    pub fn new(results: Arc<Results>) -> Self {
        CollectFactory { results }
    }
}

fn read_id(options: &Options) -> Result<String> {
    let reader = OptionReader::new(options, format!("connector '{COLLECT}'"));
    let id = reader.required("id")?.to_owned();
    reader.finish()?;
    Ok(id)
}

fn no_source() -> Error {
    Error::invalid(format!("connector '{COLLECT}' cannot be read"))
}

impl TableFactory for CollectFactory {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal(COLLECT) }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(no_source())
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        read_id(&table.options)?;
        Ok(SinkDescription {
            changelog: ChangelogMode::ALL,
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            // One reader, one writer: the order per key is the job's.
            parallelism: Some(1),
        })
    }

    fn source(&self, _: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(no_source())
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(CollectSink { id: read_id(&spec.options)?, results: Arc::clone(&self.results) }))
    }
}

struct CollectSink {
    id: String,
    results: Arc<Results>,
}

impl Sink for CollectSink {
    fn writer(&self, _: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(CollectWriter { sender: self.results.sender(&self.id)? }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct CollectWriter {
    sender: mpsc::Sender<ChangeBatch>,
}

#[async_trait]
impl SinkWriter for CollectWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        let sent = self.sender.send(batch).await;
        sent.map_err(|_| Error::cancelled("whoever asked for the result has gone"))
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, RecordBatch};
    use flott_api::ErrorKind;

    use super::*;

    fn batch(n: i32) -> ChangeBatch {
        let column = Arc::new(Int32Array::from_iter_values(0..n)) as _;
        ChangeBatch::inserts(RecordBatch::try_from_iter([("a", column)]).unwrap())
    }

    #[tokio::test]
    async fn batches_arrive_in_order_and_a_gone_reader_cancels() {
        let results = Arc::new(Results::default());
        let mut open = results.open("7");
        let mut writer = CollectWriter { sender: results.sender("7").unwrap() };
        writer.write(batch(1)).await.unwrap();
        writer.write(batch(2)).await.unwrap();
        assert_eq!(open.next().await.unwrap().len(), 1);
        assert_eq!(open.next_ready().unwrap().len(), 2);
        assert!(open.next_ready().is_none());
        drop(open);
        assert_eq!(writer.write(batch(1)).await.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(results.sender("7").unwrap_err().kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn only_the_option_id_is_known() {
        let options =
            |pairs: &[(&str, &str)]| Options(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        assert_eq!(read_id(&options(&[("id", "3")])).unwrap(), "3");
        assert!(read_id(&options(&[])).is_err());
        assert!(read_id(&options(&[("id", "3"), ("x", "y")])).is_err());
    }
}
