//! What the checkpoint machine is told, and what it tells its driver.

use std::fmt;

use flott_api::ids::CheckpointId;
use flott_api::{Error, ErrorKind};

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    /// A checkpoint now. Several requests may be served by one.
    Checkpoint,
    /// A snapshot that the user owns.
    Savepoint,
    /// A savepoint behind which nothing comes, and the job's end.
    Stop { drain: bool },
}

/// What a checkpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointKind {
    /// The job's own recovery.
    Checkpoint,
    /// The user. It is stored and never committed: a job that fails goes on from its last checkpoint, so rows that
    /// a savepoint had made visible would come twice.
    Savepoint,
    /// The user, and then the job ends. Its barrier is the last thing that sources send, until it is aborted;
    /// with `drain` they send the end of time before it.
    Stop { drain: bool },
    /// The end of a job whose workers have all finished. It needs no barrier.
    Final,
}

impl CheckpointKind {
    /// Whether its sinks are committed.
    pub(crate) fn commits(self) -> bool {
        self != CheckpointKind::Savepoint
    }

    /// Whether the job ends with it.
    pub(crate) fn ends_job(self) -> bool {
        matches!(self, CheckpointKind::Stop { .. } | CheckpointKind::Final)
    }

    fn noun(self) -> &'static str {
        match self {
            CheckpointKind::Checkpoint | CheckpointKind::Final => "checkpoint",
            CheckpointKind::Savepoint | CheckpointKind::Stop { .. } => "savepoint",
        }
    }

    /// Its name in messages: `savepoint 7`.
    pub(crate) fn name(self, id: CheckpointId) -> String {
        format!("{} {}", self.noun(), id.0)
    }
}

/// An error, as far as decisions need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) kind: ErrorKind,
    /// Lower-case, without a full stop.
    pub(crate) reason: String,
}

impl Cause {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Cause { kind, reason: reason.into() }
    }

    /// The world was too slow, or a part of the job went away.
    pub(crate) fn external(reason: impl Into<String>) -> Self {
        Cause::new(ErrorKind::External { retry: true }, reason)
    }
}

impl From<&Error> for Cause {
    fn from(error: &Error) -> Self {
        Cause::new(error.kind(), error.message())
    }
}

/// What has happened. Workers are the subtasks, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Time has passed.
    Tick,
    /// Somebody asks. `request` is a number of the driver's; it is answered exactly once.
    Request { request: u64, kind: Requested },
    /// A worker's snapshot is durable.
    Ack { checkpoint: CheckpointId, worker: usize },
    /// A worker, or an enumerator, could not make its part.
    Decline { checkpoint: CheckpointId, cause: Cause },
    /// A worker has come to its end and handed over its last state: it counts in every checkpoint that it has not
    /// acknowledged, and in all later ones.
    WorkerFinished { worker: usize },
    /// The manifest, and the record that it counts, are durable.
    Stored { checkpoint: CheckpointId },
    /// They are certain not to be: the driver asks until it knows. `Fenced` if another run owns the job.
    StoreFailed { checkpoint: CheckpointId, cause: Cause },
    /// Sinks have committed it, and readers were told.
    Committed { checkpoint: CheckpointId },
    /// A sink could not be committed.
    CommitFailed { checkpoint: CheckpointId, cause: Cause },
    /// The workers of a region have failed and will be started again.
    WorkersDown { workers: Vec<usize> },
    /// They run.
    WorkersUp { workers: Vec<usize> },
    /// The job is failing, or being cancelled.
    Stopped,
    /// A new attempt of all tasks begins: `workers` of them, and the next checkpoint is `next`.
    Restored { next: CheckpointId, workers: usize },
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Snapshot the enumerators, then send barriers.
    Begin { checkpoint: CheckpointId, kind: CheckpointKind },
    /// All parts are in: write the manifest and the record. One at a time.
    Store { checkpoint: CheckpointId },
    /// Commit everything that sinks have handed over up to this checkpoint, and tell the readers.
    Commit { checkpoint: CheckpointId },
    /// Tell the workers to forget it, and delete what they have written for it, except what sinks handed over:
    /// that belongs to the next checkpoint, also if it comes in later.
    Abort { checkpoint: CheckpointId, reason: AbortReason },
    /// Answer somebody.
    Answer { request: u64, outcome: Outcome },
    /// All is done: let the workers end. `last` holds all that sinks handed over and is committed; without it
    /// the job makes no checkpoints, and the driver commits now.
    Finish { last: Option<CheckpointId> },
    /// The job cannot go on like this; the restart strategy decides. Only answers come behind it.
    Fail(Cause),
    /// Send a tick then, instead of what was said before. Always the last one.
    WakeAt { at_ms: u64 },
}

/// Why a checkpoint is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AbortReason {
    /// A later one is stored.
    Subsumed { by: CheckpointId },
    /// It has waited too long for its workers.
    Timeout,
    /// A worker could not make its part.
    Declined(Cause),
    /// It could not be stored.
    NotStored(Cause),
    /// Workers have failed.
    WorkersDown,
    /// The job is failing, or being cancelled.
    Stopped,
}

impl AbortReason {
    /// Why the job has to fail if it does not tolerate that; nothing if it is nobody's fault.
    pub(crate) fn failure(&self) -> Option<ErrorKind> {
        match self {
            AbortReason::Declined(cause) | AbortReason::NotStored(cause) => Some(cause.kind),
            AbortReason::Timeout => Some(ErrorKind::External { retry: true }),
            AbortReason::Subsumed { .. } | AbortReason::WorkersDown | AbortReason::Stopped => None,
        }
    }
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AbortReason::Subsumed { by } => write!(f, "was overtaken by checkpoint {}", by.0),
            AbortReason::Timeout => f.write_str("has timed out"),
            AbortReason::Declined(cause) => write!(f, "was declined: {}", cause.reason),
            AbortReason::NotStored(cause) => write!(f, "could not be stored: {}", cause.reason),
            AbortReason::WorkersDown => f.write_str("was given up because tasks have failed"),
            AbortReason::Stopped => f.write_str("was given up because the job has stopped"),
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This checkpoint is stored, and committed unless it is a plain savepoint.
    Done { checkpoint: CheckpointId },
    /// Lower-case, without a full stop.
    Failed { reason: String },
}
