//! A running job: who watches over its workers, and the handle that the user holds.

pub(crate) mod status;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flott_api::ids::JobId;
use flott_api::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, watch};

use crate::MetricsSnapshot;
use crate::channel::Barrier;
use crate::metrics::JobMetrics;
pub use status::JobStatus;
use status::{Command, Event, JobState};

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

/// What the workers are told. A path of its own, so it never queues behind data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Go on.
    Run,
    /// Sources read no more.
    Stop { drain: bool },
    /// Everybody leaves at once.
    Cancel,
    /// All work is done.
    Release,
}

/// The centre of a job, which all of its workers hold.
pub(crate) struct Job {
    pub(crate) id: JobId,
    state: Mutex<State>,
    control: watch::Sender<Control>,
    end: watch::Sender<Option<JobStatus>>,
}

struct State {
    machine: JobState,
    failure: Option<Error>,
}

impl Job {
    pub(crate) fn new(id: JobId, workers: usize) -> Self {
        Job {
            id,
            state: Mutex::new(State { machine: JobState::new(workers), failure: None }),
            control: watch::channel(Control::Run).0,
            end: watch::channel(None).0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the state machine, and does what it says.
    pub(crate) fn on(&self, event: Event) {
        self.apply(event, None);
    }

    /// A worker has failed.
    pub(crate) fn on_failure(&self, error: Error) {
        let consequence = error.kind() == ErrorKind::Cancelled;
        self.apply(Event::WorkerFailed { consequence }, Some(error));
    }

    fn apply(&self, event: Event, error: Option<Error>) {
        let mut state = self.lock();
        let commands = state.machine.on(event);
        let mut error = error;
        for command in commands {
            match command {
                Command::Keep => state.failure = error.take(),
                Command::Cancel => self.tell(Control::Cancel),
                Command::Stop { drain } => self.tell(Control::Stop { drain }),
                Command::Release => self.tell(Control::Release),
                Command::End(status) => {
                    tracing::info!(job = %self.id, ?status, "the job has ended");
                    self.end.send_replace(Some(status));
                }
            }
        }
    }

    fn tell(&self, control: Control) {
        self.control.send_replace(control);
    }

    /// What the workers are told, from now on.
    pub(crate) fn control(&self) -> watch::Receiver<Control> {
        self.control.subscribe()
    }

    fn failure(&self) -> Error {
        let mut state = self.lock();
        match state.failure.take() {
            Some(error) => {
                state.failure = Some(copy_of(&error));
                error
            }
            None => Error::internal("a job has failed without a cause"),
        }
    }
}

/// For the second one who asks: errors below it become text.
fn copy_of(error: &Error) -> Error {
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
    job: Arc<Job>,
    name: String,
    metrics: JobMetrics,
    sources: Vec<mpsc::Sender<Barrier>>,
}

impl JobHandle {
    pub(crate) fn new(job: Arc<Job>, name: String, metrics: JobMetrics, sources: Vec<mpsc::Sender<Barrier>>) -> Self {
        JobHandle { job, name, metrics, sources }
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.job.id
    }

    /// The job's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the job stands.
    pub fn status(&self) -> JobStatus {
        self.job.lock().machine.status()
    }

    /// All counters; also after the end.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.metrics.snapshot()
    }

    /// Waits until the job has ended and all of its workers have cleaned up. Everybody who waits gets
    /// the same answer.
    ///
    /// # Errors
    /// The failure of the job, which names the operator.
    pub async fn wait(&self) -> Result<JobOutcome> {
        let mut end = self.job.end.subscribe();
        let status = end.wait_for(Option::is_some).await.ok().and_then(|s| *s);
        match status {
            Some(JobStatus::Finished) => Ok(JobOutcome::Finished),
            Some(JobStatus::Stopped) => Ok(JobOutcome::Stopped),
            Some(JobStatus::Cancelled) => Ok(JobOutcome::Cancelled),
            _ => Err(self.job.failure()),
        }
    }

    /// Ends the job now: nothing more is written or committed, and sinks remove what they wrote.
    /// A job that has ended takes no notice.
    pub fn cancel(&self) {
        self.job.on(Event::Cancel);
    }

    /// Lets sources read no more, and what they have read flow through; sinks commit it. With
    /// `drain` the end of time flows too, so that windows and timers fire; without, they wait for a
    /// job that goes on from here, as with Flink's `stop --drain` and `stop`.
    pub fn stop(&self, drain: bool) {
        self.job.on(Event::Stop { drain });
    }

    /// Sends a barrier into every source that still reads: each operator emits what it holds outside
    /// of state, in one cut through the graph. Nothing is stored yet.
    pub async fn send_barrier(&self, barrier: Barrier) {
        for source in &self.sources {
            // A source that has ended takes part by its end of input.
            source.send(barrier).await.unwrap_or_default();
        }
    }
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
    fn a_copy_of_an_error_says_the_same() {
        let below = std::io::Error::other("disk");
        let error = Error::external("a").with_detail("B.").with_hint("C.").with_source(below);
        let copy = copy_of(&error);
        assert_eq!(copy.to_string(), error.to_string());
        assert_eq!((copy.kind(), copy.detail(), copy.hint()), (error.kind(), Some("B."), Some("C.")));
    }
}
