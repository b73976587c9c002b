//! How a chain takes part in a checkpoint: at the barrier it emits what it holds, takes from its sink
//! what is to be committed, and closes the epoch of its containers, which takes no time. What has
//! changed in them is written afterwards, piece by piece between batches; then the stores are sealed,
//! and what they give is the chain's acknowledgement.

use std::sync::Arc;

use flott_api::sink::Committable;
use flott_api::state::KeyedContainer;
use flott_api::{BoxFuture, Error, Result};
use flott_graph::NodeId;
use flott_state::checkpoint::manifest::{SubtaskSnapshot, WriterSnapshot};
use flott_state::handle::StoreSnapshot;
use flott_state::store::SegmentStore;

use super::link::Body;
use super::{Below, Chain, Link};
use crate::channel::Barrier;
use crate::report::{OperatorPart, TaskState};

/// So many entries are written for each row between two batches: more than the row can change, or a job that is never
/// idle would write for ever.
const ENTRIES_PER_ROW: usize = 2;
/// How many are written at least, so long as no rows wait.
const ENTRIES_PER_STEP_MIN: usize = 2_048;
/// How many of them before it is looked again whether the stores have room.
const ENTRIES_AT_ONCE: usize = 1_024;
/// After so long it is looked again whether the stores have room.
const ROOM_WAIT_MS: u64 = 1;

/// A barrier that has passed, whose state is not written yet.
pub(super) struct Passed {
    barrier: Barrier,
    parts: Vec<OperatorPart>,
}

/// The state of a chain at a barrier, on its way to the store.
pub(crate) struct Sealed {
    pub(crate) barrier: Barrier,
    pub(crate) state: SealedState,
}

/// The parts of a chain's state, and what the stores still have to do.
pub(crate) struct SealedState {
    parts: Vec<OperatorPart>,
    stores: Vec<(NodeId, Arc<SegmentStore>, BoxFuture<'static, Result<StoreSnapshot>>)>,
}

impl SealedState {
    /// Waits until all is stored. What a sink has handed over is there also if something cannot be stored: the sink
    /// knows nothing of it any more.
    pub(crate) async fn stored(self) -> (TaskState, Result<()>) {
        let mut state = TaskState { operators: self.parts, ..TaskState::default() };
        let mut result = Ok(());
        for (node, store, checkpoint) in self.stores {
            let part = state.operators.iter_mut().find(|p| p.node == node);
            match (checkpoint.await, part) {
                (Ok(snapshot), Some(part)) => part.snapshot.store = Some(snapshot),
                (Ok(_), None) => result = Err(Error::internal("a store belongs to no operator")),
                (Err(error), _) => result = Err(error),
            }
            state.discarded.extend(store.take_discarded());
        }
        (state, result)
    }
}

impl Chain {
    /// All operators emit what they hold outside of state, and their epoch ends; then the barrier goes on.
    pub(crate) async fn barrier(&mut self, barrier: Barrier) -> Result<()> {
        let parts = self.close(Some(barrier)).await?;
        self.passed = Some(Passed { barrier, parts });
        Ok(())
    }

    /// Whether state of a closed epoch is still to be written.
    pub(crate) fn is_draining(&self) -> bool {
        self.passed.is_some()
    }

    /// When the next of it is to be written, if there is any: at once, or after so many milliseconds.
    pub(crate) fn next_drain_ms(&self) -> Option<u64> {
        self.is_draining().then(|| if self.may_drain() { 0 } else { ROOM_WAIT_MS })
    }

    /// Whether some of it can be written without waiting for what was written before; or if rows must wait, because
    /// there is not the memory to go on with them.
    pub(crate) fn may_drain(&self) -> bool {
        self.links.iter().all(Link::has_room) || self.links.iter().any(Link::is_overdrawn)
    }

    /// Writes some of it behind a batch of so many rows; gives the state away when all is written.
    pub(crate) async fn drain(&mut self, rows: usize) -> Result<Option<Sealed>> {
        if self.passed.is_none() || !self.drain_some(ENTRIES_PER_STEP_MIN.max(rows * ENTRIES_PER_ROW)).await? {
            return Ok(None);
        }
        let Some(Passed { barrier, parts }) = self.passed.take() else { return Ok(None) };
        Ok(Some(Sealed { barrier, state: self.seal(parts) }))
    }

    async fn drain_some(&mut self, entries_max: usize) -> Result<bool> {
        for _ in 0..entries_max.div_ceil(ENTRIES_AT_ONCE) {
            if self.drain_links(ENTRIES_AT_ONCE).await? {
                return Ok(true);
            }
            if !self.may_drain() {
                break;
            }
        }
        Ok(false)
    }

    /// The state after all rows. What a sink has left is handed over for good. Keyed state is only worth
    /// keeping where somebody will go on from here.
    pub(crate) async fn last_state(&mut self, keep: bool) -> Result<SealedState> {
        let parts = self.close(None).await?;
        if !keep {
            return Ok(SealedState { parts, stores: Vec::new() });
        }
        while !self.drain_links(usize::MAX).await? {}
        Ok(self.seal(parts))
    }

    async fn close(&mut self, barrier: Option<Barrier>) -> Result<Vec<OperatorPart>> {
        let mut parts = Vec::with_capacity(self.links.len());
        for index in 0..self.links.len() {
            let (link, mut below) = self.at(index);
            parts.push(link.close_epoch(barrier.is_none(), &mut below).await?);
        }
        if let Some(barrier) = barrier {
            self.exchange.send_barrier(barrier)?;
        }
        Ok(parts)
    }

    async fn drain_links(&mut self, entries_max: usize) -> Result<bool> {
        for link in &mut self.links {
            self.frame.enter(link.position);
            if !link.drain(entries_max).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn seal(&self, parts: Vec<OperatorPart>) -> SealedState {
        let stores = self.links.iter().filter_map(|l| l.store.as_ref().map(|s| (l.node, s)));
        SealedState { parts, stores: stores.map(|(node, s)| (node, Arc::clone(s), s.checkpoint())).collect() }
    }

    /// Gives memory back where there is too little.
    pub(crate) async fn relieve(&mut self) -> Result<()> {
        for link in &mut self.links {
            self.frame.enter(link.position);
            link.relieve().await?;
        }
        Ok(())
    }

    /// Gives memory back that costs no write, while state of a closed epoch is being written.
    pub(crate) async fn shed(&mut self) -> Result<()> {
        for link in &mut self.links {
            self.frame.enter(link.position);
            link.shed().await?;
        }
        Ok(())
    }
}

impl Link {
    fn has_room(&self) -> bool {
        self.store.as_ref().is_none_or(|store| store.has_room())
    }

    fn is_overdrawn(&self) -> bool {
        self.beside.as_ref().is_some_and(|beside| beside.memory().is_overdrawn())
    }

    /// Says what the store takes, before the containers are asked what they must give back.
    fn note_memory(&mut self) {
        if let (Some(store), Some(beside)) = (&self.store, &mut self.beside) {
            beside.set(store.memory_bytes());
        }
    }

    async fn close_epoch(&mut self, last: bool, below: &mut Below<'_>) -> Result<OperatorPart> {
        // At the end it has emitted what it held, and may emit nothing more.
        if !last {
            self.before_checkpoint(below).await?;
        }
        let mut snapshot = SubtaskSnapshot { watermark: self.watermark_in_force(), ..SubtaskSnapshot::default() };
        let mut committables: Vec<Committable> = Vec::new();
        match &mut self.body {
            Body::Operator(operator) => {
                operator.containers().into_iter().for_each(|c| c.close_epoch());
                self.timers.iter_mut().for_each(KeyedContainer::close_epoch);
            }
            Body::Sink(writer) => {
                committables = writer.prepare_commit(last).await?;
                snapshot.writer = Some(WriterSnapshot { state: writer.snapshot()? });
            }
        }
        Ok(OperatorPart { node: self.node, snapshot, committables })
    }

    async fn drain(&mut self, entries_max: usize) -> Result<bool> {
        let Body::Operator(operator) = &mut self.body else { return Ok(true) };
        for container in operator.containers() {
            if !container.drain(entries_max).await? {
                return Ok(false);
            }
        }
        match &mut self.timers {
            Some(timers) => timers.drain(entries_max).await,
            None => Ok(true),
        }
    }

    async fn shed(&mut self) -> Result<()> {
        self.note_memory();
        let Body::Operator(operator) = &mut self.body else { return Ok(()) };
        for container in operator.containers() {
            container.shed().await?;
        }
        Ok(())
    }

    async fn relieve(&mut self) -> Result<()> {
        self.note_memory();
        let Body::Operator(operator) = &mut self.body else { return Ok(()) };
        for container in operator.containers() {
            container.relieve().await?;
        }
        Ok(())
    }
}
