//! Sources and sinks of systems outside under the contract suites, which poll once: here every future waits by itself, on
//! a runtime of the test's own, until it is done.

use std::pin::{Pin, pin};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::env::Environment;
use crate::ids::{CheckpointId, JobId};
use crate::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use crate::source::{Boundedness, Discovery, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use crate::{ChangeBatch, Result, Watermark};

/// A runtime that can be waited on.
pub trait BlockOn: Send + Sync {
    /// Runs a future to its end.
    fn block_on(&self, future: Pin<&mut (dyn Future<Output = ()> + Send)>);
}

/// A shared runtime.
pub type Runtime = Arc<dyn BlockOn>;

fn wait<T: Send>(runtime: &dyn BlockOn, work: impl Future<Output = T> + Send) -> T {
    let mut result = None;
    runtime.block_on(pin!(async { result = Some(work.await) }));
    result.expect("the runtime has run the future to its end")
}

/// A source whose futures wait by themselves.
pub struct BlockingSource(pub Box<dyn Source>, pub Runtime);

impl Source for BlockingSource {
    fn boundedness(&self) -> Boundedness {
        self.0.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(Blocking(self.0.enumerator(environment, restored)?, Arc::clone(&self.1))))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(Blocking(self.0.reader(cx)?, Arc::clone(&self.1))))
    }
}

/// A sink whose futures wait by themselves.
#[derive(Clone)]
pub struct BlockingSink(pub Arc<dyn Sink>, pub Runtime);

impl Sink for BlockingSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Blocking(self.0.writer(cx)?, Arc::clone(&self.1))))
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        let committer = self.0.committer(environment)?;
        Ok(committer.map(|committer| Box::new(Blocking(committer, Arc::clone(&self.1))) as _))
    }
}

/// A part of a source or a sink whose futures wait by themselves.
pub struct Blocking<T: ?Sized>(pub Box<T>, pub Runtime);

#[async_trait]
impl SplitEnumerator for Blocking<dyn SplitEnumerator> {
    async fn discover(&mut self) -> Result<Discovery> {
        wait(&*self.1, self.0.discover())
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        self.0.add_back(splits);
    }

    fn on_event(&mut self, subtask: u32, event: Bytes) -> Result<Vec<Bytes>> {
        self.0.on_event(subtask, event)
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.0.snapshot()
    }
}

#[async_trait]
impl SplitReader for Blocking<dyn SplitReader> {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.0.add_splits(splits)
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        wait(&*self.1, self.0.next())
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        self.0.snapshot()
    }

    fn barrier(&mut self, checkpoint: CheckpointId) {
        self.0.barrier(checkpoint);
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        self.0.pause_split(split, paused);
    }

    fn on_event(&mut self, event: Bytes) -> Result<()> {
        self.0.on_event(event)
    }

    async fn checkpoint_complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        wait(&*self.1, self.0.checkpoint_complete(checkpoint))
    }
}

#[async_trait]
impl SinkWriter for Blocking<dyn SinkWriter> {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        wait(&*self.1, self.0.write(batch))
    }

    fn write_watermark(&mut self, watermark: Watermark) {
        self.0.write_watermark(watermark);
    }

    async fn prepare_commit(&mut self, end_of_input: bool) -> Result<Vec<Committable>> {
        wait(&*self.1, self.0.prepare_commit(end_of_input))
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.0.snapshot()
    }

    async fn abort(&mut self) {
        wait(&*self.1, self.0.abort());
    }
}

#[async_trait]
impl Committer for Blocking<dyn Committer> {
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        wait(&*self.1, self.0.recover(job, committables))
    }

    async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        wait(&*self.1, self.0.commit(checkpoint, committables))
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        wait(&*self.1, self.0.discard(committables))
    }

    async fn finish(&mut self) -> Result<()> {
        wait(&*self.1, self.0.finish())
    }
}
