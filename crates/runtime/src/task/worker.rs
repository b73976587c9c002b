//! What every worker of a region has in common: it ends when the region is cancelled, wherever it waits;
//! its failure or panic becomes the region's and names the operator; and its end is always heard of.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use flott_api::ids::Subtask;
use flott_api::object::ObjectStore;
use flott_api::{Error, Result, Watermark};
use futures::FutureExt;
use futures::future::{Either, select};

use super::acknowledge::Acknowledge;
use super::build::{BuiltTask, Head, build};
use super::{End, Setup};
use crate::chain::{Chain, Frame};
use crate::gate::GateEvent;
use crate::gate::replay::Replay;
use crate::in_flight::restore::RowsUnderWay;
use crate::region::status::Event;
use crate::region::{Control, Region};

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
    region: Arc<Region>,
    is_subtask: bool,
    ended: bool,
}

impl Presence {
    fn finished(&mut self) {
        self.ended = true;
        if self.is_subtask {
            self.region.on(Event::SubtaskFinished);
        }
    }

    fn failed(&mut self, error: Error) {
        self.ended = true;
        self.region.on_failure(error);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if !self.ended {
            self.region.on_failure(Error::cancelled("the process is shutting down"));
        }
        self.region.on(Event::WorkerGone);
    }
}

/// How a worker's work ended.
enum Ended {
    Cancelled,
    Done(Result<()>),
    Panicked(Box<dyn Any + Send>),
}

/// Runs work until it ends or the region is cancelled.
async fn run_until_cancelled(region: &Region, work: impl Future<Output = Result<()>>) -> Ended {
    let mut control = region.control();
    let cancelled = pin!(control.wait_for(|c| *c == Control::Cancel));
    let work = pin!(AssertUnwindSafe(work).catch_unwind());
    match select(cancelled, work).await {
        Either::Left(_) => Ended::Cancelled,
        Either::Right((Ok(result), _)) => Ended::Done(result),
        Either::Right((Err(panic), _)) => Ended::Panicked(panic),
    }
}

/// Tells the region how the work ended.
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

/// The result of work, with a panic as an error; blamed on whom it belongs to.
pub(crate) async fn caught<T>(blame: &Blame, work: impl Future<Output = Result<T>>) -> Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result.map_err(|e| blame.on(e, 0)),
        Err(panic) => Err(blame.on(panic_error(panic.as_ref()), 0)),
    }
}

/// Runs an enumerator.
pub(crate) async fn run_enumerator(region: Arc<Region>, blame: Blame, work: impl Future<Output = Result<()>>) {
    let mut presence = Presence { region: Arc::clone(&region), is_subtask: false, ended: false };
    let ended = run_until_cancelled(&region, work).await;
    report(&mut presence, ended, &blame, 0);
}

/// Runs a subtask.
pub(crate) async fn run_subtask(region: Arc<Region>, setup: Setup, blame: Blame, writes: bool) {
    let mut presence = Presence { region: Arc::clone(&region), is_subtask: true, ended: false };
    let clock = Arc::clone(&setup.plugins.environment.clock);
    let frame = Arc::new(Frame::new(clock, Arc::clone(&setup.task_metrics)));
    let mut built = None;
    let work = Box::pin(async {
        let task = built.insert(build(setup, Arc::clone(&frame))?);
        run_built(task).await
    });
    let ended = run_until_cancelled(&region, work).await;
    let done = matches!(ended, Ended::Done(Ok(())));
    report(&mut presence, ended, &blame, frame.position());
    let Some(mut task) = built else { return };
    if done && !writes {
        return;
    }
    // What a sink wrote may still have to be removed: until the last commit the job may fail.
    if !(done && released(&region).await) {
        task.chain.abort().await;
    }
}

async fn run_built(task: &mut BuiltTask) -> Result<()> {
    let BuiltTask { head, chain, ack, pace, rows } = task;
    if let Head::Ended(gate) = head {
        if let Some(gate) = gate {
            gate.wait_for_end().await?;
        }
        chain.end_again()?;
        return ack.finish(End::Finished, None, chain).await;
    }
    restore_rows(std::mem::take(&mut rows.places), rows.objects.as_ref(), (head, chain), ack).await?;
    let end = match head {
        Head::Source(source) => source.run(chain, pace, ack).await?,
        Head::Gate(gate) => gate.run(chain, pace, ack).await?,
        Head::Nothing | Head::Ended(_) => {
            chain.finish(false).await?;
            End::Finished
        }
    };
    let part = match head {
        Head::Source(source) => Some(source.part()?),
        _ => None,
    };
    ack.finish(end, part, chain).await?;
    pace.worked();
    Ok(())
}

/// Opens the chain, and brings what was under way in the restored checkpoint to where it was on its way to. What
/// is not for the head goes straight to its operator, before anything new: the operator was the head when the
/// checkpoint was taken.
async fn restore_rows(
    places: Vec<(usize, RowsUnderWay)>,
    objects: &dyn ObjectStore,
    (head, chain): (&mut Head, &mut Chain),
    ack: &mut Acknowledge,
) -> Result<()> {
    let mut inside = Vec::new();
    for (position, rows) in places {
        let channels = rows.read(objects).await?;
        match (position, &mut *head) {
            (0, Head::Gate(gate)) => gate.replay(channels),
            _ => inside.push((position, channels)),
        }
    }
    chain.open().await?;
    for (position, channels) in inside {
        let (mut replay, mut events) = (Replay::new(channels, 1, Watermark::MIN), VecDeque::new());
        replay.start(&mut events);
        while !events.is_empty() || replay.next(&mut events)? {
            match events.pop_front() {
                Some(GateEvent::Batch { input, batch }) => chain.batch_at(position, input, batch).await?,
                Some(GateEvent::Watermark(watermark)) => chain.watermark_at(position, watermark).await?,
                _ => {}
            }
            ack.step(0, chain).await?;
        }
    }
    Ok(())
}

/// Waits for the end of the attempt; whether all of its work was done and committed.
async fn released(region: &Region) -> bool {
    let mut control = region.control();
    let end = control.wait_for(|c| matches!(c, Control::Release | Control::Cancel)).await;
    end.is_ok_and(|c| *c == Control::Release)
}
