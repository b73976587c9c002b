//! Acknowledges checkpoints for a subtask: takes the barrier through the chain, lets it write what has
//! changed between batches, and tells the master when all is stored, with what was under way if the barrier
//! overtook it.
//!
//! Checkpoints are told in their order, also of those that are given up: what a sink has handed over at one of them
//! must be known before a later one can be complete.

use std::collections::VecDeque;
use std::sync::Arc;

use flott_api::env::Spawner;
use flott_api::ids::CheckpointId;
use flott_api::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use super::End;
use super::urgency::for_barrier;
use crate::chain::{Chain, Sealed};
use crate::channel::Barrier;
use crate::in_flight::InFlight;
use crate::in_flight::store::{InFlightStore, StoredRows};
use crate::report::{News, OperatorPart, ReportLine, TaskState};

/// What a subtask tells through, and where it stores.
pub(super) struct AcknowledgeLines {
    pub(super) report: ReportLine,
    pub(super) spawner: Arc<dyn Spawner>,
    pub(super) rows: InFlightStore,
}

/// A subtask's side of its checkpoints.
pub(super) struct Acknowledge {
    worker: usize,
    /// Whether there are checkpoints at all.
    durable: bool,
    lines: AcknowledgeLines,
    /// What there is besides the chain of barriers that have passed.
    passed: VecDeque<Passed>,
    /// Who stores the rows under way that are still to come.
    keeping: Option<(CheckpointId, mpsc::Sender<InFlight>)>,
    /// The newest checkpoint that is being stored; it is done when all before it are.
    storing: Option<oneshot::Receiver<()>>,
    /// For how long the subtask stood still for a barrier or a part of what was to be written, at most at a time.
    stopped_ns: u64,
}

/// A barrier that has passed.
struct Passed {
    /// What the head of the subtask has to say.
    head: Option<OperatorPart>,
    /// Rows under way, when all are stored.
    rows: Option<oneshot::Receiver<StoredRows>>,
}

/// A checkpoint on its way to the master.
struct Telling {
    worker: usize,
    checkpoint: CheckpointId,
    report: ReportLine,
    before: Option<oneshot::Receiver<()>>,
}

impl Acknowledge {
    pub(super) fn new(worker: usize, durable: bool, lines: AcknowledgeLines) -> Self {
        Acknowledge { worker, durable, lines, passed: VecDeque::new(), keeping: None, storing: None, stopped_ns: 0 }
    }

    /// A barrier has come, or overtakes what is under way. What is left of the one before is written first.
    pub(super) async fn barrier(
        &mut self,
        barrier: Barrier,
        overtakes: bool,
        head: Option<OperatorPart>,
        chain: &mut Chain,
    ) -> Result<()> {
        while chain.is_draining() {
            self.drain(0, chain).await?;
        }
        let began_ns = chain.frame.clock.monotonic_ns();
        let rows = overtakes.then(|| self.keep_rows(barrier.checkpoint));
        self.passed.push_back(Passed { head, rows });
        let frame = Arc::clone(&chain.frame);
        let passes = chain.barrier(barrier);
        for_barrier(&frame.overdraft, frame.clock.as_ref(), barrier.overtakes_at_ms(), passes).await?;
        self.stopped_ns = self.stopped_ns.max(frame.clock.monotonic_ns() - began_ns);
        Ok(())
    }

    /// Stores rows under way as they come, beside the subtask.
    fn keep_rows(&mut self, checkpoint: CheckpointId) -> oneshot::Receiver<StoredRows> {
        let (keeping, pieces) = mpsc::channel(1);
        let (done, stored) = oneshot::channel();
        self.keeping = Some((checkpoint, keeping));
        let store = self.lines.rows.clone();
        let work = async move {
            // Whoever waits may have gone.
            drop(done.send(store.put_all(pieces).await));
        };
        self.lines.spawner.spawn("rows under way", Box::pin(work)).detach();
        stored
    }

    /// A piece of what was under way at a barrier; waits while the one before is being stored.
    pub(super) async fn kept(&mut self, rows: InFlight) {
        let Some((_, keeping)) = self.keeping.as_ref().filter(|(kept, _)| *kept == rows.checkpoint) else { return };
        let last = rows.last;
        // If one could not be stored, nobody takes the others.
        let taken = keeping.send(rows).await.is_ok();
        if last || !taken {
            self.keeping = None;
        }
    }

    /// The rest will never be.
    pub(super) fn given_up(&mut self, checkpoint: CheckpointId) {
        drop(self.keeping.take_if(|(kept, _)| *kept == checkpoint));
    }

    /// Between two batches, behind one of so many rows.
    pub(super) async fn step(&mut self, rows: usize, chain: &mut Chain) -> Result<()> {
        if chain.is_draining() && chain.may_drain() {
            self.drain(rows, chain).await?;
        }
        // What has been drained must be sealed before anything of the new epoch comes into the store.
        if chain.is_draining() { chain.shed().await } else { chain.relieve().await }
    }

    async fn drain(&mut self, rows: usize, chain: &mut Chain) -> Result<()> {
        let clock = Arc::clone(&chain.frame.clock);
        let began_ns = clock.monotonic_ns();
        let sealed = chain.drain(rows).await?;
        self.stopped_ns = self.stopped_ns.max(clock.monotonic_ns() - began_ns);
        let Some(sealed) = sealed else { return Ok(()) };
        let passed = self.passed.pop_front().ok_or_else(|| Error::internal("a barrier has passed unseen"))?;
        self.store(sealed, passed);
        Ok(())
    }

    /// Waits beside the subtask until all is stored. An error there is the checkpoint's, not the job's.
    fn store(&mut self, Sealed { barrier, state }: Sealed, Passed { head, rows }: Passed) {
        let (done, stored) = oneshot::channel();
        let telling = Telling {
            worker: self.worker,
            checkpoint: barrier.checkpoint,
            report: self.lines.report.clone(),
            before: self.storing.replace(stored),
        };
        let stopped_ns = std::mem::take(&mut self.stopped_ns);
        let work = async move {
            let (mut state, stored) = state.stored().await;
            state.stopped_ns = stopped_ns;
            state.operators.splice(0..0, head);
            if telling.tell(state, stored, rows).await {
                // A subtask that has gone does not wait for it.
                done.send(()).unwrap_or_default();
            }
        };
        self.lines.spawner.spawn("checkpoint", Box::pin(work)).detach();
    }

    /// The subtask has done its work: what it still owes to checkpoints is told first, so that none gets a
    /// state from behind its barrier.
    pub(super) async fn finish(&mut self, end: End, head: Option<OperatorPart>, chain: &mut Chain) -> Result<()> {
        while chain.is_draining() {
            self.drain(0, chain).await?;
        }
        if let Some(stored) = self.storing.take() {
            stored.await.map_err(|_| Error::cancelled("a checkpoint was given up"))?;
        }
        let (mut state, stored) = chain.last_state(self.durable && end == End::Stopped).await?.stored().await;
        stored?;
        state.operators.splice(0..0, head);
        state.operators.iter_mut().for_each(|p| p.snapshot.finished = end == End::Finished);
        self.lines.report.tell(News::Finished { worker: self.worker, state }).await;
        Ok(())
    }
}

impl Telling {
    /// Tells it when all is stored; whether it is told.
    async fn tell(self, mut state: TaskState, stored: Result<()>, rows: Option<oneshot::Receiver<StoredRows>>) -> bool {
        let mut ended = Some(Ok(()));
        if let Some(rows) = rows {
            let Ok(rows) = rows.await else { return false };
            ended = take_rows(&mut state, rows, stored.is_ok());
        }
        if let Err(error) = stored {
            ended = Some(Err(error));
        }
        if let Some(before) = self.before
            && before.await.is_err()
        {
            return false;
        }
        let Telling { worker, checkpoint, report, .. } = self;
        match ended {
            Some(Ok(())) => report.tell(News::Ack { worker, checkpoint, state }).await,
            Some(Err(error)) => {
                report.tell(News::Left { checkpoint, state }).await;
                report.tell(News::Decline { worker, checkpoint, error }).await;
            }
            None => report.tell(News::Left { checkpoint, state }).await,
        }
        true
    }
}

/// Rows under way belong to the head of the subtask; those of a checkpoint that will not be, to nobody.
fn take_rows(state: &mut TaskState, rows: StoredRows, wanted: bool) -> Option<Result<()>> {
    if !(wanted && matches!(rows.ended, Some(Ok(())))) {
        state.discarded.extend(rows.files());
        return rows.ended;
    }
    let Some(head) = state.operators.first_mut() else {
        return Some(Err(Error::internal("rows were under way to a task without operators")));
    };
    head.snapshot.in_flight = rows.pieces;
    rows.ended
}
