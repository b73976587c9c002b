//! Sources: a split enumerator beside the coordinator, split readers in the subtasks.
//!
//! Splits are versioned bytes that only their source understands. Splits handed out after the last
//! complete checkpoint return to the enumerator on failure.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::env::Environment;
use crate::ids::{CheckpointId, Subtask};
use crate::metrics::OperatorMetrics;
use crate::{ChangeBatch, Result};

/// A source, as both sides rebuild it from its specification.
pub trait Source: Send + Sync {
    /// Whether it ends.
    fn boundedness(&self) -> Boundedness;

    /// The enumerator, of which there is one; `restored` is what `SplitEnumerator::snapshot` gave.
    ///
    /// # Errors
    /// If the specification or the snapshot is not usable.
    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>>;

    /// A reader, of which each subtask has one.
    ///
    /// # Errors
    /// If the specification is not usable.
    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>>;
}

/// Whether an input ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundedness {
    /// It ends by itself.
    Bounded,
    /// It goes on until the job is stopped.
    Unbounded,
}

/// A piece of a source, with how far it has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Its lasting name.
    pub id: String,
    /// Position and description, in the source's own versioned encoding.
    pub state: Bytes,
}

/// What `discover` found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Splits not seen before.
    pub splits: Vec<Split>,
    /// Whether there will be no more.
    pub finished: bool,
}

/// Finds splits and says who reads them.
#[async_trait]
pub trait SplitEnumerator: Send {
    /// Waits for splits not seen before. Called until it says `finished`, whenever a reader may have more; dropping the future loses
    /// nothing. It is dropped at every order, so as often as checkpoints come: what takes time goes on where it was
    /// ([`Ongoing`](crate::ongoing::Ongoing)), also waiting.
    async fn discover(&mut self) -> Result<Discovery>;

    /// How many splits a reader has at most that it has not read to their end, 1 at least: with fewer it gets more. So
    /// who reads faster reads more. Holds if `discover` gives one split at a time.
    fn open_splits_max(&self) -> u64 {
        u64::MAX
    }

    /// Takes splits back from a failed reader.
    fn add_back(&mut self, splits: Vec<Split>);

    /// A message from a reader; the answers go to the same reader.
    ///
    /// # Errors
    /// If the message makes no sense.
    fn on_event(&mut self, subtask: u32, event: Bytes) -> Result<Vec<Bytes>> {
        let _: (u32, Bytes) = (subtask, event);
        Ok(Vec::new())
    }

    /// What it must remember, without the splits that readers hold.
    ///
    /// # Errors
    /// If its memory cannot be written.
    fn snapshot(&mut self) -> Result<Bytes>;
}

/// What a reader is given.
#[derive(Clone)]
pub struct ReaderContext {
    /// Which instance it is.
    pub subtask: Subtask,
    /// The world.
    pub environment: Environment,
    /// Its counters; the reader adds the records that its format skipped.
    pub metrics: Arc<OperatorMetrics>,
}

/// Reads splits.
#[async_trait]
pub trait SplitReader: Send {
    /// Takes splits on.
    ///
    /// # Errors
    /// If a split's bytes are not readable.
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()>;

    /// The next thing read; waits while there is nothing. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<ReadEvent>;

    /// The positions of all unfinished splits after exactly what `next` has returned so far.
    ///
    /// # Errors
    /// If a position cannot be written.
    fn snapshot(&mut self) -> Result<Vec<Split>>;

    /// The snapshot that was just taken is that of this checkpoint.
    fn barrier(&mut self, checkpoint: CheckpointId) {
        let _: CheckpointId = checkpoint;
    }

    /// Stops or resumes reading one split (watermark alignment).
    fn pause_split(&mut self, split: &str, paused: bool);

    /// A message from the enumerator.
    ///
    /// # Errors
    /// If the message makes no sense.
    fn on_event(&mut self, event: Bytes) -> Result<()> {
        let _: Bytes = event;
        Ok(())
    }

    /// The checkpoint is durable everywhere: offsets may be acknowledged outside.
    async fn checkpoint_complete(&mut self, checkpoint: CheckpointId) -> Result<()> {
        let _: CheckpointId = checkpoint;
        Ok(())
    }
}

/// What a reader has read.
#[derive(Debug)]
pub enum ReadEvent {
    /// Rows of one split.
    Batch {
        /// Which split.
        split: String,
        /// Its rows.
        batch: ChangeBatch,
    },
    /// A split has ended.
    Finished {
        /// Which split.
        split: String,
    },
}
