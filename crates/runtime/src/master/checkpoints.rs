//! The master's checkpoints: feeds the machine that decides, and does what it says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flott_api::ids::CheckpointId;
use flott_api::{Error, ErrorKind, Result};
use flott_graph::{NodeId, Role};
use flott_state::checkpoint::manifest::{Manifest, SnapshotKind};
use tokio::sync::oneshot;

use super::vault::{Errand, committables_of};
use super::{Master, SlotState};
use crate::channel::Barrier;
use crate::coordinator::checkpoint::{
    AbortReason, Cause, CheckpointKind, CheckpointMachine, Command, Event, Outcome, Requested,
};
use crate::coordinator::commit::Committables;
use crate::coordinator::enumerator::Order;
use crate::coordinator::settings::CheckpointSettings;
use crate::job::Request;
use crate::plan::Plan;
use crate::region::status::Event as RegionEvent;

/// The checkpoints of a job, from the master's side.
pub(super) struct Checkpoints {
    machine: CheckpointMachine,
    commands: VecDeque<Command>,
    wake_ms: Option<u64>,
    /// Whether the machine waits for a new attempt of all tasks.
    halted: bool,
    subtasks: usize,
    /// The sources.
    sources: Vec<NodeId>,
    /// Stored as soon as all enumerators have spoken.
    wanted: BTreeSet<CheckpointId>,
    begun: BTreeMap<CheckpointId, Begun>,
    requests: BTreeMap<u64, Asked>,
    next_request: u64,
    /// Where the copies go of savepoints that have not begun, by request.
    targets: VecDeque<(u64, String)>,
    /// Set when the job ends with a savepoint.
    stopped: bool,
    /// Nothing more is to be done but to end; sources are stopped so.
    finishing: bool,
    /// What the checkpoint that is stored last has to commit.
    committing: Committables,
    savepoint_directory: Option<String>,
    /// How long the barriers of checkpoints are aligned before they overtake; nothing if they never do.
    unaligned_after_ms: Option<u64>,
}

#[derive(Clone, Debug)]
struct Begun {
    kind: CheckpointKind,
    /// Where its copy goes.
    target: Option<String>,
    /// Where its copy is.
    path: Option<std::result::Result<String, String>>,
}

/// Somebody who waits for an answer.
enum Asked {
    Checkpoint(oneshot::Sender<Result<CheckpointId>>),
    Savepoint(oneshot::Sender<Result<String>>),
}

impl Checkpoints {
    pub(super) fn new(settings: &CheckpointSettings, plan: &Plan) -> Self {
        let is_source = |id: &NodeId| matches!(plan.graph.node(*id).role, Role::Source(_));
        Checkpoints {
            machine: CheckpointMachine::new(settings.clone()),
            commands: VecDeque::new(),
            wake_ms: None,
            halted: true,
            subtasks: plan.workers(),
            sources: plan.graph.node_ids().filter(is_source).collect(),
            wanted: BTreeSet::new(),
            begun: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: 0,
            targets: VecDeque::new(),
            stopped: false,
            finishing: false,
            committing: Committables::new(),
            savepoint_directory: settings.savepoint_directory.clone(),
            unaligned_after_ms: settings.unaligned_after_ms,
        }
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.stopped
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.finishing
    }

    pub(super) fn wake_ms(&self) -> Option<u64> {
        self.wake_ms
    }

    fn on(&mut self, event: Event, now_ms: u64) {
        self.commands.extend(self.machine.on(event, now_ms));
    }
}

impl Master {
    /// Tells the machine; its commands are done after the event that the master is about.
    pub(super) fn tell(&mut self, event: Event) {
        let now_ms = self.monotonic_ms();
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.on(event, now_ms);
        }
    }

    /// Milliseconds of a clock that never goes back.
    pub(super) fn monotonic_ms(&self) -> u64 {
        self.clock.monotonic_ns() / 1_000_000
    }

    pub(super) fn tick(&mut self) {
        let now_ms = self.monotonic_ms();
        if let Some(checkpoints) = &mut self.checkpoints
            && checkpoints.wake_ms.is_some_and(|at| at <= now_ms)
        {
            checkpoints.wake_ms = None;
            checkpoints.on(Event::Tick, now_ms);
        }
    }

    /// A region runs. The machine begins when all do, and begins anew after it has said that the job must fail.
    pub(super) fn workers_up(&mut self, region: usize) {
        let workers = self.slots[region].workers.iter().copied().collect();
        let all_run = self.slots.iter().all(|s| matches!(s.state, SlotState::Running { .. }));
        match &mut self.checkpoints {
            Some(checkpoints) if checkpoints.halted => {
                if all_run {
                    checkpoints.halted = false;
                    let workers = checkpoints.subtasks;
                    let next = CheckpointId(self.collected.newest().0 + 1);
                    self.tell(Event::Restored { next, workers });
                }
            }
            _ => self.tell(Event::WorkersUp { workers }),
        }
    }

    pub(super) fn on_request(&mut self, request: Request) {
        let Some(checkpoints) = &mut self.checkpoints else {
            return refuse(request, || {
                Error::invalid("the job takes no checkpoints").with_hint("Set 'execution.checkpointing.dir'.")
            });
        };
        checkpoints.next_request += 1;
        let number = checkpoints.next_request;
        let (asked, kind) = match request {
            Request::Checkpoint { answer } => (Asked::Checkpoint(answer), Requested::Checkpoint),
            Request::Savepoint { target, stop, answer } => {
                let target = target.or_else(|| checkpoints.savepoint_directory.clone());
                let Some(target) = target else {
                    let missing = Error::invalid("a savepoint has no place")
                        .with_hint("Set 'execution.checkpointing.savepoint-dir'.");
                    return answer.send(Err(missing)).unwrap_or_default();
                };
                let kind = stop.map_or(Requested::Savepoint, |drain| Requested::Stop { drain });
                checkpoints.targets.push_back((number, target));
                (Asked::Savepoint(answer), kind)
            }
        };
        checkpoints.requests.insert(number, asked);
        self.tell(Event::Request { request: number, kind });
    }

    /// Does what the machine has said since.
    pub(super) fn checkpoint_commands(&mut self) {
        while let Some(command) = self.checkpoints.as_mut().and_then(|c| c.commands.pop_front()) {
            match command {
                Command::Begin { checkpoint, kind } => self.begin(checkpoint, kind),
                Command::Store { checkpoint } => {
                    self.checkpoints.iter_mut().for_each(|c| _ = c.wanted.insert(checkpoint));
                }
                Command::Commit { checkpoint } => self.commit(checkpoint),
                Command::Abort { checkpoint, reason } => self.abort(checkpoint, &reason),
                Command::Answer { request, outcome } => self.answer(request, outcome),
                Command::Finish { last } => self.finish(last),
                Command::Fail(cause) => self.checkpoints_fail(cause),
                Command::WakeAt { at_ms } => {
                    self.checkpoints.iter_mut().for_each(|c| c.wake_ms = Some(at_ms));
                }
            }
        }
        self.store_wanted();
    }

    fn begin(&mut self, checkpoint: CheckpointId, kind: CheckpointKind) {
        let timestamp_ms = self.clock.now_ms();
        let (snapshot, stop) = match kind {
            CheckpointKind::Checkpoint | CheckpointKind::Final => (SnapshotKind::Checkpoint, None),
            CheckpointKind::Savepoint => (SnapshotKind::Savepoint { drained: false }, None),
            CheckpointKind::Stop { drain } => (SnapshotKind::Savepoint { drained: drain }, Some(drain)),
        };
        self.collected.begin(checkpoint, snapshot, timestamp_ms);
        if let Some(checkpoints) = &mut self.checkpoints {
            let is_savepoint = matches!(kind, CheckpointKind::Savepoint | CheckpointKind::Stop { .. });
            // They begin in the order in which they were asked for.
            let target = if is_savepoint { checkpoints.targets.pop_front().map(|(_, t)| t) } else { None };
            let begun = Begun { kind, target, path: None };
            checkpoints.begun.insert(checkpoint, begun);
        }
        // What a user owns must need nothing that is under way.
        let unaligned_after_ms = self.checkpoints.as_ref().and_then(|c| c.unaligned_after_ms);
        let unaligned_after_ms = unaligned_after_ms.filter(|_| kind == CheckpointKind::Checkpoint);
        self.order(Order::Barrier(Barrier { checkpoint, timestamp_ms, stop, unaligned_after_ms }));
    }

    fn order(&mut self, order: Order) {
        let mut lost = false;
        for slot in &self.slots {
            if let SlotState::Running { running, .. } = &slot.state {
                lost |= running.orders.iter().any(|line| line.try_send(order).is_err());
            }
        }
        if let Order::Barrier(Barrier { checkpoint, .. }) = order
            && lost
        {
            let cause = Cause::external("an enumerator takes no orders");
            self.tell(Event::Decline { checkpoint, cause });
        }
    }

    /// Stores what has all acknowledgements and all enumerators' snapshots.
    fn store_wanted(&mut self) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        let ready = |id: &&CheckpointId| self.collected.has_enumerators(**id, &checkpoints.sources);
        let Some(checkpoint) = checkpoints.wanted.iter().find(ready).copied() else { return };
        checkpoints.wanted.remove(&checkpoint);
        let Some(begun) = checkpoints.begun.get(&checkpoint) else { return };
        let (savepoint, log) = (begun.target.clone(), begun.kind.commits());
        let ended = begun.kind == CheckpointKind::Final;
        let Some(manifest) = self.collected.manifest(checkpoint, self.launcher.job, &self.launcher.plan, ended) else {
            return;
        };
        let discarded = if log { self.collected.take_discarded() } else { Vec::new() };
        self.errands.push_back(Errand::Store { manifest: Box::new(manifest), log, savepoint, discarded });
    }

    pub(super) fn on_stored(&mut self, manifest: Manifest, logged: bool, savepoint: Option<Result<String>>) {
        let checkpoint = manifest.checkpoint;
        if let Some(begun) = self.checkpoints.as_mut().and_then(|c| c.begun.get_mut(&checkpoint)) {
            begun.path = savepoint.map(|s| s.map_err(|e| e.to_string()));
        }
        if !logged {
            self.collected.saved(checkpoint);
            return self.tell(Event::Stored { checkpoint });
        }
        self.count(&manifest);
        let graph = &self.launcher.plan.graph;
        let committables = committables_of(&manifest, |uid| graph.node_ids().find(|n| graph.node(*n).uid == *uid));
        self.collected.stored(checkpoint);
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.committing = committables;
        }
        self.restored = Some(std::sync::Arc::new(manifest));
        self.tell(Event::Stored { checkpoint });
    }

    fn count(&self, manifest: &Manifest) {
        let known: BTreeSet<&str> = self.restored.iter().flat_map(|m| m.files()).collect();
        let stores = manifest.operators.iter().flat_map(|o| &o.subtasks).filter_map(|s| s.store.as_ref());
        let (mut bytes, mut seen) = (0, BTreeSet::new());
        for store in stores {
            bytes += store.inline.as_ref().map_or(0, |i| i.bytes.len() as u64);
            let new = store.files.iter().filter(|f| !known.contains(f.path.as_str()));
            bytes += new.filter(|f| seen.insert(f.path.clone())).map(|f| f.size).sum::<u64>();
        }
        let in_flight: u64 = manifest.in_flight().map(|rows| rows.bytes).sum();
        let took_ms = self.clock.now_ms().saturating_sub(manifest.timestamp_ms);
        self.shared.count(|c| {
            c.completed += 1;
            c.latest = Some(manifest.checkpoint);
            c.latest_duration_ms = took_ms;
            c.latest_bytes = bytes + in_flight;
            c.latest_in_flight_bytes = in_flight;
            c.unaligned += u64::from(in_flight > 0);
        });
    }

    pub(super) fn on_not_stored(&mut self, checkpoint: CheckpointId, error: &Error) {
        tracing::warn!(checkpoint = checkpoint.0, "a checkpoint cannot be stored: {error}");
        self.tell(Event::StoreFailed { checkpoint, cause: Cause::from(error) });
    }

    fn commit(&mut self, checkpoint: CheckpointId) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        let committables = std::mem::take(&mut checkpoints.committing);
        self.errands.push_back(Errand::Commit { checkpoint, committables });
    }

    pub(super) fn on_committed(&mut self, checkpoint: CheckpointId, result: Result<()>) {
        match result {
            Ok(()) => {
                self.order(Order::Complete(checkpoint));
                self.tell(Event::Committed { checkpoint });
            }
            Err(error) => {
                tracing::warn!(checkpoint = checkpoint.0, "a checkpoint cannot be committed: {error}");
                self.tell(Event::CommitFailed { checkpoint, cause: Cause::from(&error) });
                // What is in a complete checkpoint is committed by whoever goes on from it.
                self.fail_regions(&error);
            }
        }
    }

    fn abort(&mut self, checkpoint: CheckpointId, reason: &AbortReason) {
        self.collected.abort(checkpoint);
        let Some(checkpoints) = &mut self.checkpoints else { return };
        checkpoints.wanted.remove(&checkpoint);
        let begun = checkpoints.begun.remove(&checkpoint);
        if reason.failure().is_some() {
            self.shared.count(|c| c.failed += 1);
        }
        if begun.is_some_and(|b| matches!(b.kind, CheckpointKind::Stop { .. })) {
            self.order(Order::Resume);
        }
    }

    fn answer(&mut self, request: u64, outcome: Outcome) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        checkpoints.targets.retain(|(waiting, _)| *waiting != request);
        let Some(asked) = checkpoints.requests.remove(&request) else { return };
        let result = match outcome {
            Outcome::Done { checkpoint } => Ok(checkpoint),
            Outcome::Failed { reason } => Err(Error::external(reason)),
        };
        match asked {
            // Who asked may have gone.
            Asked::Checkpoint(answer) => answer.send(result).unwrap_or_default(),
            Asked::Savepoint(answer) => {
                let path = result.and_then(|checkpoint| checkpoints.path_of(checkpoint));
                answer.send(path).unwrap_or_default();
            }
        }
    }

    /// All that was written is committed, or the job ends behind a savepoint: the regions may go.
    fn finish(&mut self, last: Option<CheckpointId>) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        checkpoints.finishing = true;
        let kind = last.and_then(|l| checkpoints.begun.get(&l)).map(|b| b.kind);
        if let Some(CheckpointKind::Stop { drain }) = kind {
            checkpoints.stopped = true;
            self.tell_regions(RegionEvent::Stop { drain });
        }
        for region in 0..self.slots.len() {
            if matches!(self.slots[region].state, SlotState::Running { done: true, .. }) {
                self.commit_region(region);
            }
        }
    }

    /// The machine cannot go on: every region fails, and the restart strategy decides.
    fn checkpoints_fail(&mut self, cause: Cause) {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.halted = true;
            checkpoints.wake_ms = None;
            checkpoints.wanted.clear();
        }
        let error = Error::new(cause.kind, cause.reason);
        if cause.kind == ErrorKind::Fenced { self.fail(error) } else { self.fail_regions(&error) }
    }
}

impl Checkpoints {
    fn path_of(&self, checkpoint: CheckpointId) -> Result<String> {
        match self.begun.get(&checkpoint).and_then(|b| b.path.clone()) {
            Some(Ok(path)) => Ok(path),
            Some(Err(reason)) => Err(Error::external(format!("savepoint {} cannot be copied: {reason}", checkpoint.0))),
            None => Err(Error::internal(format!("savepoint {} has no copy", checkpoint.0))),
        }
    }
}

fn refuse(request: Request, error: impl Fn() -> Error) {
    match request {
        Request::Checkpoint { answer } => answer.send(Err(error())).unwrap_or_default(),
        Request::Savepoint { answer, .. } => answer.send(Err(error())).unwrap_or_default(),
    }
}
