//! Channels between subtasks: what lies in them, and the [`Transport`] that makes them.
//!
//! Credits are in bytes: a sender waits while the receiver has as much as it may hold. Only rows
//! need credit. What steers a job (cancel, stop) never goes through a channel, so it never queues
//! behind data.

mod announce;
mod local;
mod open_batch;

use std::sync::Arc;
use std::task::{Context, Poll};

use flott_api::ids::{Attempt, CheckpointId, JobId};
use flott_api::{ChangeBatch, Result, Watermark};

pub use announce::{Announced, Announcements};
pub use local::LocalTransport;
use open_batch::{OpenBatch, PART_BYTES};

/// A batch, and its bytes: measured once, when an operator emits it.
#[derive(Clone, Debug)]
pub struct SizedBatch {
    /// The rows.
    pub batch: ChangeBatch,
    /// What they take.
    pub bytes: usize,
}

impl SizedBatch {
    /// Measures a batch.
    pub fn measure(batch: ChangeBatch) -> Self {
        let bytes = batch.byte_size();
        SizedBatch { batch, bytes }
    }
}

/// Cuts the stream in two: all rows before it belong to the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Of which checkpoint.
    pub checkpoint: CheckpointId,
    /// When the checkpoint began; milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Whether the job shall stop behind it, and then whether the end of time comes before it.
    pub stop: Option<bool>,
    /// How many milliseconds after the begin of the checkpoint it overtakes the rows that lie in channels;
    /// nothing if it never does.
    pub unaligned_after_ms: Option<u64>,
}

impl Barrier {
    /// When it begins to overtake rows, by the wall clock.
    pub fn overtakes_at_ms(&self) -> Option<i64> {
        let after_ms = self.unaligned_after_ms?;
        Some(self.timestamp_ms.saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX)))
    }
}

/// What a channel carries, in order.
#[derive(Clone, Debug)]
pub enum Element {
    /// Rows, with the watermarks between them.
    Batch(SizedBatch),
    /// A watermark behind all rows so far.
    Watermark(Watermark),
    /// Nobody shall wait for this channel's watermark, or shall do so again.
    Status {
        /// Whether it is idle.
        idle: bool,
    },
    /// A barrier.
    Barrier(Barrier),
    /// Nothing comes any more.
    EndOfInput {
        /// Whether the input was read to its end; if not, it was stopped and will be resumed.
        drained: bool,
    },
}

/// Names a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelId {
    /// The job.
    pub job: JobId,
    /// How often the job was started: an end of an older start fits nothing.
    pub attempt: Attempt,
    /// The position of the task edge.
    pub edge: u32,
    /// The producing subtask.
    pub from: u32,
    /// The consuming subtask.
    pub to: u32,
}

/// Makes channels: within the process, or later over the network.
pub trait Transport: Send + Sync {
    /// Both ends of a new channel.
    ///
    /// # Errors
    /// If the other side cannot be reached.
    fn connect(&self, channel: ChannelId) -> Result<(Box<dyn ChannelSender>, Box<dyn ChannelReceiver>)>;
}

/// The end that a producer writes to.
pub trait ChannelSender: Send {
    /// Waits until there is credit for a batch.
    ///
    /// # Errors
    /// If the receiver is gone.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Appends an element. A batch is appended after `poll_ready` only; the others need no credit.
    ///
    /// # Errors
    /// If the receiver is gone.
    fn send(&mut self, element: Element) -> Result<()>;
}

/// The end that a consumer reads from.
pub trait ChannelReceiver: Send {
    /// The next element; waits while there is none. Not polled again after the end of input.
    ///
    /// # Errors
    /// If the sender is gone without an end of input.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Element>>;

    /// From now on barriers that may overtake rows, and the end of input, are told there as soon as they are
    /// sent, by this number of the channel; those that lie in the channel are told at once.
    fn announce_to(&mut self, announcements: &Arc<Announcements>, channel: usize);

    /// Takes the barrier of a checkpoint out of the channel, and answers what lies before it, which stays there
    /// and comes in its turn. Without such a barrier it is all that lies before the end.
    ///
    /// # Errors
    /// If batches cannot become one.
    fn overtake(&mut self, checkpoint: CheckpointId) -> Result<Vec<Element>>;
}
