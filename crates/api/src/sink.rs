//! Sinks: a writer in each subtask that returns committables, and one committer beside the
//! coordinator that makes them visible, idempotent by id.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::env::Environment;
use crate::ids::{CheckpointId, JobId, Subtask};
use crate::metrics::OperatorMetrics;
use crate::{ChangeBatch, Result, Watermark};

/// A sink, as both sides rebuild it from its specification.
pub trait Sink: Send + Sync {
    /// A writer, of which each subtask has one.
    ///
    /// # Errors
    /// If the specification is not usable.
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>>;

    /// The committer, of which a table has one; nothing for a sink whose writes are visible at once.
    ///
    /// # Errors
    /// If the specification is not usable.
    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>>;
}

/// What a writer is given.
#[derive(Clone)]
pub struct WriterContext {
    /// The job; part of the names of files not yet visible. It lasts over restarts and restores.
    pub job: JobId,
    /// What the writers of a restored checkpoint said in `snapshot`; each to one writer.
    pub restored: Vec<Bytes>,
    /// Which instance it is.
    pub subtask: Subtask,
    /// The world.
    pub environment: Environment,
    /// Its counters.
    pub metrics: Arc<OperatorMetrics>,
}

/// What was written and is not visible yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committable {
    /// Its lasting name: committing it twice is committing it once.
    pub id: String,
    /// What the committer must know, in the sink's own versioned encoding.
    pub payload: Bytes,
}

/// Writes changes.
#[async_trait]
pub trait SinkWriter: Send {
    /// Takes a batch; waits while the system outside has no room.
    async fn write(&mut self, batch: ChangeBatch) -> Result<()>;

    /// The watermark has risen: a sink that acts by event time (partition commit) takes note.
    fn write_watermark(&mut self, watermark: Watermark) {
        let _: Watermark = watermark;
    }

    /// Hands over what is to be committed. After `end_of_input` nothing more is written.
    async fn prepare_commit(&mut self, end_of_input: bool) -> Result<Vec<Committable>>;

    /// What a restored writer must know.
    ///
    /// # Errors
    /// If its state cannot be written.
    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }

    /// The job has failed or was cancelled: removes what will never be committed, as far as possible.
    async fn abort(&mut self) {}
}

/// Makes committables visible.
#[async_trait]
pub trait Committer: Send {
    /// Called once, before any writer of this attempt begins: earlier attempts of the job may have left
    /// something that is in no checkpoint. `committables` are those of the restored checkpoint; they are
    /// committed next, and all else that the job has hidden is removed.
    async fn recover(&mut self, job: JobId, committables: &[Committable]) -> Result<()> {
        let _: (JobId, &[Committable]) = (job, committables);
        Ok(())
    }

    /// Commits all committables of one table for one checkpoint together. Must be idempotent; one
    /// whose reply was lost is asked about, never assumed.
    async fn commit(&mut self, checkpoint: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()>;

    /// The job has failed or was cancelled, and these are in no checkpoint and never will be: removes what they have hidden,
    /// as far as possible. Another run of the job may have begun, and what is its own must stay.
    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        let _: Vec<Committable> = committables;
        Ok(())
    }

    /// The job's input has ended and its last commit is done.
    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
