//! What every worker of a job has in common: it ends when the job is cancelled, wherever it waits;
//! its failure or panic becomes the job's and names the operator; and its end is always heard of.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use flott_api::ids::Subtask;
use flott_api::{Error, Result};
use futures::FutureExt;
use futures::future::{Either, select};

use super::Setup;
use super::build::{BuiltTask, Head, build};
use crate::chain::Frame;
use crate::coordinator::commit::WriterDone;
use crate::job::status::Event;
use crate::job::{Control, Job};

/// Whom to name in an error.
pub(crate) struct Blame {
    /// The operators of the task.
    pub(crate) operators: Vec<String>,
    /// `subtask (1/4)`, `enumerator` or `committer`.
    pub(crate) worker: String,
}

impl Blame {
    pub(crate) fn subtask(operators: Vec<String>, subtask: Subtask) -> Self {
        Blame { operators, worker: format!("subtask {subtask}") }
    }

    fn on(&self, error: Error, position: usize) -> Error {
        let operator = self.operators.get(position).map_or("?", String::as_str);
        error.context(format_args!("operator '{operator}', {}", self.worker))
    }
}

/// Reports that the worker is gone, also when its future is dropped unfinished.
struct Presence {
    job: Arc<Job>,
    ended: bool,
}

impl Presence {
    fn finished(&mut self) {
        self.ended = true;
        self.job.on(Event::WorkerFinished);
    }

    fn failed(&mut self, error: Error) {
        self.ended = true;
        self.job.on_failure(error);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if !self.ended {
            self.job.on_failure(Error::cancelled("the process is shutting down"));
        }
        self.job.on(Event::WorkerGone);
    }
}

/// How a worker's work ended.
enum Ended {
    Cancelled,
    Done(Result<()>),
    Panicked(Box<dyn Any + Send>),
}

/// Runs work until it ends or the job is cancelled.
async fn run_until_cancelled(job: &Job, work: impl Future<Output = Result<()>>) -> Ended {
    let mut control = job.control();
    let cancelled = pin!(control.wait_for(|c| *c == Control::Cancel));
    let work = pin!(AssertUnwindSafe(work).catch_unwind());
    match select(cancelled, work).await {
        Either::Left(_) => Ended::Cancelled,
        Either::Right((Ok(result), _)) => Ended::Done(result),
        Either::Right((Err(panic), _)) => Ended::Panicked(panic),
    }
}

/// Tells the job how the work ended.
fn report(presence: &mut Presence, ended: Ended, blame: &Blame, position: usize) {
    match ended {
        Ended::Cancelled => presence.failed(Error::cancelled("the job is cancelled")),
        Ended::Done(Ok(())) => presence.finished(),
        Ended::Done(Err(error)) => presence.failed(blame.on(error, position)),
        Ended::Panicked(panic) => presence.failed(blame.on(panic_error(panic.as_ref()), position)),
    }
}

fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let text =
        panic.downcast_ref::<&str>().map(|s| (*s).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    let error = Error::internal("a panic").with_hint("This is a bug in Flott; please report it.");
    match text {
        Some(text) => error.with_source(text),
        None => error,
    }
}

/// Runs an enumerator or a committer.
pub(crate) async fn run_worker(job: Arc<Job>, blame: Blame, work: impl Future<Output = Result<()>>) {
    let mut presence = Presence { job: Arc::clone(&job), ended: false };
    let ended = run_until_cancelled(&job, work).await;
    report(&mut presence, ended, &blame, 0);
}

/// Runs a subtask.
pub(crate) async fn run_subtask(job: Arc<Job>, setup: Setup, blame: Blame) {
    let mut presence = Presence { job: Arc::clone(&job), ended: false };
    let frame = Arc::new(Frame::new(Arc::clone(&setup.plugins.environment.clock)));
    let writes = setup.commit.is_some();
    let mut built = None;
    let work = Box::pin(async {
        let task = built.insert(build(setup, Arc::clone(&frame))?);
        run_built(task).await
    });
    let ended = run_until_cancelled(&job, work).await;
    let done = matches!(ended, Ended::Done(Ok(())));
    report(&mut presence, ended, &blame, frame.position());
    let Some(mut task) = built else { return };
    if done && !writes {
        return;
    }
    // What a sink wrote may still have to be removed: until the last commit the job may fail.
    if !(done && released(&job).await) {
        task.chain.abort().await;
    }
}

async fn run_built(task: &mut BuiltTask) -> Result<()> {
    let BuiltTask { head, chain, cx, pace, commit } = task;
    chain.open(cx)?;
    match head {
        Head::Source(source) => source.run(chain, pace).await?,
        Head::Gate(gate) => gate.run(chain, pace).await?,
        Head::Nothing => chain.finish(false).await?,
    }
    if let Some(committables) = chain.prepare_commit().await?
        && let Some(line) = commit
    {
        let done = WriterDone { part: line.part, committables };
        line.done.send(done).await.map_err(|_| Error::cancelled("the committer is gone"))?;
    }
    pace.worked();
    Ok(())
}

/// Waits for the end of the job; whether all of its work was done.
async fn released(job: &Job) -> bool {
    let mut control = job.control();
    let end = control.wait_for(|c| matches!(c, Control::Release | Control::Cancel)).await;
    end.is_ok_and(|c| *c == Control::Release)
}
