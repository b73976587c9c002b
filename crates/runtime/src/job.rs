//! The handle that the user holds of a job.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flott_api::ids::{CheckpointId, JobId};
use flott_api::state::StateMemory;
use flott_api::{Error, Result};
use tokio::sync::{mpsc, oneshot, watch};

use crate::MetricsSnapshot;
use crate::metrics::JobMetrics;

/// How a job ended, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It has read all of its input.
    Finished,
    /// It was cancelled; what was not committed is gone.
    Cancelled,
    /// It was stopped; what was read is committed.
    Stopped,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Its workers are running.
    Running,
    /// Its sources have been stopped, and what they have read flows through.
    Stopping,
    /// Some of its workers have failed, and will be started again.
    Restarting,
    /// A worker has failed; the others are being cancelled.
    Failing,
    /// Its workers are being cancelled on request.
    Cancelling,
    /// It has read all of its input, and all is committed.
    Finished,
    /// It was stopped, and all that was read is committed.
    Stopped,
    /// It has failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl JobStatus {
    /// Whether nothing happens any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, JobStatus::Finished | JobStatus::Stopped | JobStatus::Failed | JobStatus::Cancelled)
    }
}

/// What the user wants of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Run,
    Stop { drain: bool },
    Cancel,
}

/// A question to the master.
#[derive(Debug)]
pub(crate) enum Request {
    /// A checkpoint now.
    Checkpoint { answer: oneshot::Sender<Result<CheckpointId>> },
    /// A savepoint below `target`, or where the configuration says; then the job stops, if `stop` says so, after the end of time or not.
    Savepoint { target: Option<String>, stop: Option<bool>, answer: oneshot::Sender<Result<String>> },
}

/// How many requests may wait.
pub(crate) const REQUESTS_MAX: usize = 16;

/// What a job has to tell of its checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointCounts {
    /// How many are complete.
    pub completed: u64,
    /// How many have failed or timed out.
    pub failed: u64,
    /// From which one the job started or was started again last.
    pub restored: Option<CheckpointId>,
    /// The newest complete one.
    pub latest: Option<CheckpointId>,
    /// For how long a subtask stood still for the newest one that was begun, at most at a time.
    pub latest_stop_ns: u64,
    /// Which one that was.
    stop_of: Option<CheckpointId>,
    /// How long it took, from its trigger on.
    pub latest_duration_ms: i64,
    /// Bytes that were written for it and for none before.
    pub latest_bytes: u64,
    /// Of these, bytes of rows that were under way: 0 if the checkpoint was aligned, or nothing was under way.
    pub latest_in_flight_bytes: u64,
    /// How many of the complete ones have rows under way.
    pub unaligned: u64,
    /// How often a region was started again.
    pub restarts: u64,
}

impl CheckpointCounts {
    /// Notes for how long a subtask stood still for a checkpoint.
    pub(crate) fn note_stop(&mut self, checkpoint: CheckpointId, stopped_ns: u64) {
        let before = if self.stop_of == Some(checkpoint) { self.latest_stop_ns } else { 0 };
        (self.stop_of, self.latest_stop_ns) = (Some(checkpoint), before.max(stopped_ns));
    }
}

/// What master and handles share.
pub(crate) struct Shared {
    pub(crate) id: JobId,
    pub(crate) name: String,
    pub(crate) metrics: Arc<JobMetrics>,
    status: Mutex<JobStatus>,
    failure: Mutex<Option<Error>>,
    checkpoints: Mutex<CheckpointCounts>,
    pub(crate) wish: watch::Sender<Wish>,
    end: watch::Sender<Option<JobStatus>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(id: JobId, name: String, metrics: Arc<JobMetrics>) -> Self {
        Shared {
            id,
            name,
            metrics,
            status: Mutex::new(JobStatus::Running),
            failure: Mutex::default(),
            checkpoints: Mutex::default(),
            wish: watch::channel(Wish::Run).0,
            end: watch::channel(None).0,
        }
    }

    pub(crate) fn set_status(&self, status: JobStatus) {
        *lock(&self.status) = status;
    }

    pub(crate) fn status(&self) -> JobStatus {
        *lock(&self.status)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut CheckpointCounts)) {
        change(&mut lock(&self.checkpoints));
    }

    pub(crate) fn restarts(&self) -> u64 {
        lock(&self.checkpoints).restarts
    }

    /// The job has ended, and everybody who waits is told.
    pub(crate) fn end(&self, status: JobStatus, failure: Option<Error>) {
        *lock(&self.failure) = failure;
        self.set_status(status);
        tracing::info!(job = %self.id, ?status, "the job has ended");
        self.end.send_replace(Some(status));
    }

    fn failure(&self) -> Error {
        let mut failure = lock(&self.failure);
        match failure.take() {
            Some(error) => {
                *failure = Some(copy_of(&error));
                error
            }
            None => Error::internal("a job has failed without a cause"),
        }
    }
}

/// For the second one who asks: errors below it become text.
pub(crate) fn copy_of(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message()).with_location(error.location());
    if let Some(detail) = error.detail() {
        copy = copy.with_detail(detail);
    }
    if let Some(hint) = error.hint() {
        copy = copy.with_hint(hint);
    }
    match std::error::Error::source(error) {
        Some(source) => copy.with_source(source.to_string()),
        None => copy,
    }
}

/// A job that was submitted. Dropping the handle cancels the job.
pub struct JobHandle {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    memory: Arc<StateMemory>,
}

impl JobHandle {
    pub(crate) fn new(shared: Arc<Shared>, requests: mpsc::Sender<Request>, memory: Arc<StateMemory>) -> Self {
        JobHandle { shared, requests, memory }
    }

    /// The id of this run of the job.
    pub fn id(&self) -> JobId {
        self.shared.id
    }

    /// The job's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where the job stands.
    pub fn status(&self) -> JobStatus {
        self.shared.status()
    }

    /// All counters; also after the end.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.shared.metrics.snapshot()
    }

    /// The memory of its state; also after the end.
    pub fn memory(&self) -> &StateMemory {
        &self.memory
    }

    /// What there is to tell of its checkpoints.
    pub fn checkpoints(&self) -> CheckpointCounts {
        *lock(&self.shared.checkpoints)
    }

    /// Waits until the job has ended and all of its workers have cleaned up. Everybody who waits gets
    /// the same answer.
    ///
    /// # Errors
    /// The failure of the job, which names the operator.
    pub async fn wait(&self) -> Result<JobOutcome> {
        let mut end = self.shared.end.subscribe();
        let status = end.wait_for(Option::is_some).await.ok().and_then(|s| *s);
        match status {
            Some(JobStatus::Finished) => Ok(JobOutcome::Finished),
            Some(JobStatus::Stopped) => Ok(JobOutcome::Stopped),
            Some(JobStatus::Cancelled) => Ok(JobOutcome::Cancelled),
            _ => Err(self.shared.failure()),
        }
    }

    /// Ends the job now: nothing more is written or committed, and sinks remove what they wrote.
    /// A job that has ended takes no notice.
    pub fn cancel(&self) {
        self.shared.wish.send_replace(Wish::Cancel);
    }

    /// Lets sources read no more, and what they have read flow through; sinks commit it. With
    /// `drain` the end of time flows too, so that windows and timers fire; without, they wait for a
    /// job that goes on from here, as with Flink's `stop --drain` and `stop`.
    pub fn stop(&self, drain: bool) {
        self.shared.wish.send_if_modified(|wish| {
            let stops = *wish == Wish::Run;
            if stops {
                *wish = Wish::Stop { drain };
            }
            stops
        });
    }

    /// Takes a checkpoint now, and waits until it is complete and committed.
    ///
    /// # Errors
    /// If the job takes none, or this one fails.
    pub async fn checkpoint(&self) -> Result<CheckpointId> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Checkpoint { answer }).await?;
        answered.await.map_err(|_| ended())?
    }

    /// Takes a savepoint below `target`, or in `execution.checkpointing.savepoint-dir`, and answers its path.
    ///
    /// # Errors
    /// If the job takes none, or this one fails.
    pub async fn savepoint(&self, target: Option<&str>) -> Result<String> {
        self.ask_savepoint(target, None).await
    }

    /// Takes such a savepoint and ends the job behind it; with `drain` the end of time flows
    /// through first. Answers the savepoint's path. If the savepoint fails, the job goes on.
    ///
    /// # Errors
    /// If the job takes none, or this one fails.
    pub async fn stop_with_savepoint(&self, target: Option<&str>, drain: bool) -> Result<String> {
        self.ask_savepoint(target, Some(drain)).await
    }

    async fn ask_savepoint(&self, target: Option<&str>, stop: Option<bool>) -> Result<String> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Savepoint { target: target.map(str::to_owned), stop, answer }).await?;
        answered.await.map_err(|_| ended())?
    }

    async fn ask(&self, request: Request) -> Result<()> {
        self.requests.send(request).await.map_err(|_| ended())
    }
}

fn ended() -> Error {
    Error::invalid("the job has ended")
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_stop_is_that_of_the_newest_checkpoint() {
        let mut counts = CheckpointCounts::default();
        for (checkpoint, stopped_ns, longest_ns) in [(1, 5, 5), (1, 3, 5), (1, 9, 9), (2, 4, 4)] {
            counts.note_stop(CheckpointId(checkpoint), stopped_ns);
            assert_eq!(counts.latest_stop_ns, longest_ns);
        }
    }

    #[test]
    fn a_copy_of_an_error_says_the_same() {
        let below = std::io::Error::other("disk");
        let error = Error::external("a").with_detail("B.").with_hint("C.").with_source(below);
        let copy = copy_of(&error);
        assert_eq!(copy.to_string(), error.to_string());
        assert_eq!((copy.kind(), copy.detail(), copy.hint()), (error.kind(), Some("B."), Some("C.")));
    }
}
