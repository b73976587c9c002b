//! Acknowledges checkpoints for a subtask: takes the barrier through the chain, lets it write what has
//! changed between batches, and tells the master when all is stored.

use std::collections::VecDeque;
use std::sync::Arc;

use flott_api::env::Spawner;
use flott_api::{Error, Result};
use tokio::sync::oneshot;

use super::End;
use crate::chain::{Chain, Sealed};
use crate::channel::Barrier;
use crate::report::{News, OperatorPart, ReportLine};

/// A subtask's side of its checkpoints.
pub(super) struct Acknowledge {
    worker: usize,
    /// Whether there are checkpoints at all.
    durable: bool,
    report: ReportLine,
    spawner: Arc<dyn Spawner>,
    /// What the head of the subtask has to say of a barrier that has passed.
    heads: VecDeque<OperatorPart>,
    /// The last checkpoint that is being stored. What there is to tell of each is told in the order of the barriers: a
    /// later one that is complete has all that sinks have handed over before it.
    storing: Option<oneshot::Receiver<()>>,
}

impl Acknowledge {
    pub(super) fn new(worker: usize, durable: bool, report: ReportLine, spawner: Arc<dyn Spawner>) -> Self {
        Acknowledge { worker, durable, report, spawner, heads: VecDeque::new(), storing: None }
    }

    /// A barrier has come. What is left of the one before is written first.
    pub(super) async fn barrier(
        &mut self,
        barrier: Barrier,
        head: Option<OperatorPart>,
        chain: &mut Chain,
    ) -> Result<()> {
        while chain.is_draining() {
            self.drain(chain).await?;
        }
        self.heads.extend(head);
        chain.barrier(barrier).await
    }

    /// Between two batches.
    pub(super) async fn step(&mut self, chain: &mut Chain) -> Result<()> {
        if chain.is_draining() {
            self.drain(chain).await?;
        }
        // What has been drained must be sealed before anything of the new epoch comes into the store.
        if chain.is_draining() { Ok(()) } else { chain.relieve().await }
    }

    async fn drain(&mut self, chain: &mut Chain) -> Result<()> {
        let Some(sealed) = chain.drain().await? else { return Ok(()) };
        let head = self.heads.pop_front();
        self.store(sealed, head);
        Ok(())
    }

    /// Waits beside the subtask until all is stored. An error there is the checkpoint's, not the job's.
    fn store(&mut self, Sealed { barrier, state }: Sealed, head: Option<OperatorPart>) {
        let (done, stored) = oneshot::channel();
        let (worker, report, checkpoint) = (self.worker, self.report.clone(), barrier.checkpoint);
        let before = self.storing.replace(stored);
        let work = async move {
            let (mut state, result) = state.stored().await;
            if let Some(before) = before
                && before.await.is_err()
            {
                return;
            }
            state.operators.splice(0..0, head);
            let what = match result {
                Ok(()) => News::Ack { worker, checkpoint, state },
                Err(error) => News::Decline { worker, checkpoint, error, state },
            };
            report.tell(what).await;
            // A subtask that has gone does not wait for it.
            done.send(()).unwrap_or_default();
        };
        self.spawner.spawn("checkpoint", Box::pin(work)).detach();
    }

    /// The subtask has done its work: what it still owes to checkpoints is told first, so that none gets a
    /// state from behind its barrier.
    pub(super) async fn finish(&mut self, end: End, head: Option<OperatorPart>, chain: &mut Chain) -> Result<()> {
        while chain.is_draining() {
            self.drain(chain).await?;
        }
        if let Some(stored) = self.storing.take() {
            stored.await.map_err(|_| Error::cancelled("a checkpoint was given up"))?;
        }
        let (mut state, stored) = chain.last_state(self.durable && end == End::Stopped).await?.stored().await;
        stored?;
        state.operators.splice(0..0, head);
        state.operators.iter_mut().for_each(|p| p.snapshot.finished = end == End::Finished);
        self.report.tell(News::Finished { worker: self.worker, state }).await;
        Ok(())
    }
}
