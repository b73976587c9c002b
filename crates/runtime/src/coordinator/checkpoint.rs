//! The checkpoint coordinator: when a checkpoint begins, when it is complete, and what that is followed by. A pure
//! state machine; a driver tells it what has happened and does what it says.
//!
//! A checkpoint gathers its workers' acknowledgements, is stored, and then committed: one at a time, and the next one
//! is stored when the commit before has been answered. One that is still gathering when a later one is stored
//! is given up (subsumed); its sinks' committables go with the later one. Savepoints neither subsume nor are
//! subsumed, are not committed, and no periodic checkpoint waits for them, unless checkpoints may be unaligned:
//! then the one begins when the other has all of its workers' acknowledgements, as with Flink.
//!
//! A failed checkpoint costs nothing unless too many fail in a row. Three failures cannot be made up for by a next
//! checkpoint, and fail the job at once: another run owns it; the last checkpoint of a job that ends is not stored or
//! not committed; the savepoint of a stop with drain fails, when sources have told the end of time already.
//!
//! Invariants: a checkpoint is stored only if every worker has acknowledged it or finished, committed only if it is
//! stored, and never stored when it was aborted; commits come in the order of ids; every request is answered once;
//! after a failure only answers come, and the end of what was being stored.

mod protocol;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::mem;

use flott_api::ErrorKind;
use flott_api::ids::CheckpointId;

pub(crate) use self::protocol::{AbortReason, Cause, CheckpointKind, Command, Event, Outcome, Requested};
use super::settings::CheckpointSettings;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worker {
    Running,
    /// Its region is being restarted.
    Down,
    Finished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The last commit is done; savepoints that have begun before are waited for.
    Ending {
        last: Option<CheckpointId>,
    },
    Finished,
    /// Nothing begins until there is a new attempt.
    Halted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for workers, or for its turn to be stored.
    Gathering,
    Storing,
    Committing,
}

#[derive(Clone, Debug)]
struct Pending {
    id: CheckpointId,
    kind: CheckpointKind,
    stage: Stage,
    /// Workers that have neither acknowledged it nor finished.
    missing: BTreeSet<usize>,
    deadline_ms: u64,
    /// Who is answered when it is done.
    requests: Vec<u64>,
}

impl Pending {
    fn is_gathering(&self) -> bool {
        self.stage == Stage::Gathering
    }

    fn waits_for_workers(&self) -> bool {
        self.is_gathering() && !self.missing.is_empty()
    }

    fn is_complete(&self) -> bool {
        self.is_gathering() && self.missing.is_empty()
    }

    fn name(&self) -> String {
        self.kind.name(self.id)
    }
}

/// The checkpoints of one job.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointMachine {
    settings: CheckpointSettings,
    phase: Phase,
    workers: Vec<Worker>,
    next: CheckpointId,
    /// By id.
    pending: Vec<Pending>,
    /// Requests for which nothing has begun, oldest first.
    waiting: Vec<(u64, Requested)>,
    /// Failed checkpoints in a row.
    failures: u32,
    /// When the next periodic checkpoint begins, if nothing is in its way.
    due_ms: Option<u64>,
    /// No periodic checkpoint begins before.
    pause_until_ms: u64,
    now_ms: u64,
    /// The tick that was asked for.
    wake_ms: Option<u64>,
    commands: Vec<Command>,
}

impl CheckpointMachine {
    /// A machine that waits for [`Event::Restored`].
    pub(crate) fn new(settings: CheckpointSettings) -> Self {
        CheckpointMachine {
            settings,
            phase: Phase::Halted,
            workers: Vec::new(),
            next: CheckpointId(1),
            pending: Vec::new(),
            waiting: Vec::new(),
            failures: 0,
            due_ms: None,
            pause_until_ms: 0,
            now_ms: 0,
            wake_ms: None,
            commands: Vec::new(),
        }
    }

    /// What an event leads to. `now_ms` is of one clock that never goes back.
    pub(crate) fn on(&mut self, event: Event, now_ms: u64) -> Vec<Command> {
        self.now_ms = self.now_ms.max(now_ms);
        self.apply(event);
        self.expire();
        self.begin_what_is_due();
        self.store_next();
        self.finish();
        self.wake();
        mem::take(&mut self.commands)
    }

    fn apply(&mut self, event: Event) {
        match event {
            // The tick that was asked for is used up.
            Event::Tick => self.wake_ms = None,
            Event::Request { request, kind } => self.on_request(request, kind),
            Event::Ack { checkpoint, worker } => self.on_ack(checkpoint, worker),
            Event::Decline { checkpoint, cause } => self.on_decline(checkpoint, cause),
            Event::WorkerFinished { worker } => self.on_worker_finished(worker),
            Event::Stored { checkpoint } => self.on_stored(checkpoint),
            Event::StoreFailed { checkpoint, cause } => self.on_store_failed(checkpoint, cause),
            Event::Committed { checkpoint } => self.on_committed(checkpoint),
            Event::CommitFailed { checkpoint, cause } => self.on_commit_failed(checkpoint, &cause),
            Event::WorkersDown { workers } => self.on_workers_down(&workers),
            Event::WorkersUp { workers } => self.set_workers(&workers, Worker::Running),
            Event::Stopped => self.halt(),
            Event::Restored { next, workers } => self.on_restored(next, workers),
        }
    }

    fn on_request(&mut self, request: u64, kind: Requested) {
        let refusal = match self.phase {
            Phase::Running if self.is_stopping() => "the job is coming to its end",
            Phase::Running => return self.waiting.push((request, kind)),
            Phase::Ending { .. } | Phase::Finished => "the job has ended",
            Phase::Halted => "the job is not running",
        };
        self.answer_failed(request, refusal);
    }

    fn on_ack(&mut self, checkpoint: CheckpointId, worker: usize) {
        if let Some(pending) = self.pending.iter_mut().find(|p| p.id == checkpoint) {
            pending.missing.remove(&worker);
        }
    }

    fn on_decline(&mut self, checkpoint: CheckpointId, cause: Cause) {
        // Behind the acknowledgement of all workers there is none that could decline.
        if let Some(index) = self.position(|p| p.id == checkpoint && p.waits_for_workers()) {
            self.abort(index, AbortReason::Declined(cause));
        }
    }

    fn on_worker_finished(&mut self, worker: usize) {
        match self.workers.get_mut(worker) {
            Some(state) if *state == Worker::Running => *state = Worker::Finished,
            _ => return,
        }
        for pending in &mut self.pending {
            pending.missing.remove(&worker);
        }
    }

    fn on_stored(&mut self, checkpoint: CheckpointId) {
        let Some(index) = self.in_stage(checkpoint, Stage::Storing) else { return };
        if self.phase == Phase::Halted || !self.pending[index].kind.commits() {
            return self.settle(index);
        }
        self.pending[index].stage = Stage::Committing;
        while let Some(older) = self.position(|p| p.id < checkpoint && p.is_gathering() && p.kind.commits()) {
            self.abort(older, AbortReason::Subsumed { by: checkpoint });
        }
        self.commands.push(Command::Commit { checkpoint });
    }

    fn on_store_failed(&mut self, checkpoint: CheckpointId, cause: Cause) {
        if let Some(index) = self.in_stage(checkpoint, Stage::Storing) {
            self.abort(index, AbortReason::NotStored(cause));
        }
    }

    fn on_committed(&mut self, checkpoint: CheckpointId) {
        let Some(index) = self.in_stage(checkpoint, Stage::Committing) else { return };
        let kind = self.pending[index].kind;
        self.settle(index);
        if self.phase == Phase::Halted {
            return;
        }
        self.failures = 0;
        self.pause_until_ms = self.now_ms.saturating_add(self.settings.pause_min_ms);
        if kind.ends_job() {
            self.refuse_waiting("the job has ended");
            self.phase = Phase::Ending { last: Some(checkpoint) };
        }
    }

    /// What was not committed stays with the driver, and goes with the next checkpoint if there is one.
    fn on_commit_failed(&mut self, checkpoint: CheckpointId, cause: &Cause) {
        let Some(index) = self.in_stage(checkpoint, Stage::Committing) else { return };
        let pending = self.pending.remove(index);
        let reason = format!("{} is stored but could not be committed: {}", pending.name(), cause.reason);
        self.answer_all_failed(&pending.requests, &reason);
        self.pause_until_ms = self.now_ms.saturating_add(self.settings.pause_min_ms);
        if cause.kind == ErrorKind::Fenced || pending.kind.ends_job() {
            self.fail(Cause::new(cause.kind, reason));
        } else {
            self.count_failure(cause.kind, reason);
        }
    }

    fn on_workers_down(&mut self, workers: &[usize]) {
        self.set_workers(workers, Worker::Down);
        self.abort_gathering(&AbortReason::WorkersDown);
    }

    fn on_restored(&mut self, next: CheckpointId, workers: usize) {
        self.halt();
        for pending in mem::take(&mut self.pending) {
            let reason = format!("the job was restarted before it was known what became of {}", pending.name());
            self.answer_all_failed(&pending.requests, &reason);
        }
        self.phase = Phase::Running;
        self.workers = vec![Worker::Running; workers];
        self.next = next;
        self.failures = 0;
        self.due_ms = self.settings.interval_ms.map(|interval| self.now_ms.saturating_add(interval));
        self.pause_until_ms = 0;
    }

    fn expire(&mut self) {
        while let Some(late) = self.position(|p| p.waits_for_workers() && p.deadline_ms <= self.now_ms) {
            self.abort(late, AbortReason::Timeout);
        }
    }

    fn begin_what_is_due(&mut self) {
        if self.phase != Phase::Running || self.workers.contains(&Worker::Down) {
            return;
        }
        if self.all_finished() {
            self.refuse_waiting("the job has done its work");
            return self.begin_final();
        }
        if !self.allows_finished() {
            return self.refuse_waiting("a task has finished, and there are no checkpoints after that");
        }
        self.begin_requested();
        self.begin_checkpoint();
    }

    fn begin_final(&mut self) {
        if self.pending.iter().any(|p| p.kind.ends_job()) {
            return;
        }
        if self.settings.has_final() {
            self.begin(CheckpointKind::Final, Vec::new());
        } else {
            self.phase = Phase::Ending { last: None };
        }
    }

    /// Begins savepoints; requests for checkpoints wait on, unless the job is to stop: then they are served by that.
    fn begin_requested(&mut self) {
        for (request, kind) in mem::take(&mut self.waiting) {
            match kind {
                Requested::Checkpoint => self.waiting.push((request, kind)),
                _ if !self.may_gather(false) => self.waiting.push((request, kind)),
                Requested::Savepoint => self.begin(CheckpointKind::Savepoint, vec![request]),
                Requested::Stop { drain } => {
                    let mut requests = self.take_waiting();
                    requests.push(request);
                    self.begin(CheckpointKind::Stop { drain }, requests);
                }
            }
        }
    }

    fn begin_checkpoint(&mut self) {
        let due = self.periodic_at().is_some_and(|at| at <= self.now_ms);
        let wanted = due || !self.waiting.is_empty();
        if !wanted || self.is_stopping() || !self.has_room() || !self.may_gather(true) {
            return;
        }
        if due {
            self.due_ms = self.settings.interval_ms.map(|interval| self.now_ms.saturating_add(interval));
        }
        let requests = self.take_waiting();
        self.begin(CheckpointKind::Checkpoint, requests);
    }

    fn begin(&mut self, kind: CheckpointKind, requests: Vec<u64>) {
        let checkpoint = self.next;
        self.next = CheckpointId(checkpoint.0 + 1);
        let running = self.workers.iter().enumerate().filter(|(_, state)| **state == Worker::Running);
        self.pending.push(Pending {
            id: checkpoint,
            kind,
            stage: Stage::Gathering,
            missing: running.map(|(worker, _)| worker).collect(),
            deadline_ms: self.now_ms.saturating_add(self.settings.timeout_ms),
            requests,
        });
        self.commands.push(Command::Begin { checkpoint, kind });
    }

    fn store_next(&mut self) {
        if self.phase == Phase::Halted || self.pending.iter().any(|p| !p.is_gathering()) {
            return;
        }
        if let Some(pending) = self.pending.iter_mut().find(|p| p.is_complete()) {
            pending.stage = Stage::Storing;
            self.commands.push(Command::Store { checkpoint: pending.id });
        }
    }

    fn finish(&mut self) {
        if let Phase::Ending { last } = self.phase
            && self.pending.is_empty()
        {
            self.phase = Phase::Finished;
            self.commands.push(Command::Finish { last });
        }
    }

    fn wake(&mut self) {
        let deadlines = self.pending.iter().filter(|p| p.waits_for_workers()).map(|p| p.deadline_ms);
        let periodic = self.periodic_at().filter(|_| self.may_begin_periodic());
        let wake = deadlines.chain(periodic).min();
        if wake == self.wake_ms {
            return;
        }
        self.wake_ms = wake;
        if let Some(at_ms) = wake {
            self.commands.push(Command::WakeAt { at_ms });
        }
    }

    fn periodic_at(&self) -> Option<u64> {
        self.due_ms.map(|due| due.max(self.pause_until_ms))
    }

    /// Whether it is only a matter of time.
    fn may_begin_periodic(&self) -> bool {
        let up = self.phase == Phase::Running && !self.workers.contains(&Worker::Down) && !self.all_finished();
        up && self.allows_finished() && !self.is_stopping() && self.has_room() && self.may_gather(true)
    }

    /// A barrier that overtakes rows would overtake the barrier of a savepoint too, so neither begins while the
    /// other waits for its workers.
    fn may_gather(&self, is_checkpoint: bool) -> bool {
        let other = |p: &Pending| p.waits_for_workers() && (p.kind == CheckpointKind::Checkpoint) != is_checkpoint;
        self.settings.unaligned_after_ms.is_none() || !self.pending.iter().any(other)
    }

    fn is_stopping(&self) -> bool {
        self.pending.iter().any(|p| p.kind.ends_job())
            || self.waiting.iter().any(|(_, kind)| matches!(kind, Requested::Stop { .. }))
    }

    fn all_finished(&self) -> bool {
        self.workers.iter().all(|state| *state == Worker::Finished)
    }

    fn allows_finished(&self) -> bool {
        self.settings.after_tasks_finish || !self.workers.contains(&Worker::Finished)
    }

    fn has_room(&self) -> bool {
        let pending = self.pending.iter().filter(|p| p.kind == CheckpointKind::Checkpoint).count();
        pending < self.settings.concurrent_max as usize
    }

    fn position(&self, is_it: impl Fn(&Pending) -> bool) -> Option<usize> {
        self.pending.iter().position(is_it)
    }

    fn in_stage(&self, checkpoint: CheckpointId, stage: Stage) -> Option<usize> {
        self.position(|p| p.id == checkpoint && p.stage == stage)
    }

    fn set_workers(&mut self, workers: &[usize], state: Worker) {
        for worker in workers {
            if let Some(known) = self.workers.get_mut(*worker) {
                *known = state;
            }
        }
    }

    fn abort_gathering(&mut self, reason: &AbortReason) {
        while let Some(index) = self.position(Pending::is_gathering) {
            self.abort(index, reason.clone());
        }
    }

    fn abort(&mut self, index: usize, reason: AbortReason) {
        let pending = self.pending.remove(index);
        let (text, failure) = (format!("{} {reason}", pending.name()), reason.failure());
        match reason {
            // Who asked for it is served by the later one, too.
            AbortReason::Subsumed { by } => self.hand_over(by, pending.requests),
            _ => self.answer_all_failed(&pending.requests, &text),
        }
        self.commands.push(Command::Abort { checkpoint: pending.id, reason });
        match (pending.kind, failure) {
            (CheckpointKind::Stop { drain: true }, _) => {
                let kind = failure.unwrap_or(ErrorKind::External { retry: true });
                self.fail(Cause::new(kind, format!("{text}; its sources have told the end of time already")));
            }
            (CheckpointKind::Final, Some(kind)) | (_, Some(kind @ ErrorKind::Fenced)) => {
                self.fail(Cause::new(kind, text));
            }
            (CheckpointKind::Checkpoint, Some(kind)) => self.count_failure(kind, text),
            _ => {}
        }
    }

    fn hand_over(&mut self, to: CheckpointId, requests: Vec<u64>) {
        if let Some(pending) = self.pending.iter_mut().find(|p| p.id == to) {
            pending.requests.extend(requests);
        }
    }

    /// It is stored, and committed as far as it will be.
    fn settle(&mut self, index: usize) {
        let pending = self.pending.remove(index);
        let halted_stop = self.phase == Phase::Halted && pending.kind.ends_job();
        for request in &pending.requests {
            if halted_stop {
                self.answer_failed(
                    *request,
                    &format!("{} is stored, but the job has not ended with it", pending.name()),
                );
            } else {
                let outcome = Outcome::Done { checkpoint: pending.id };
                self.commands.push(Command::Answer { request: *request, outcome });
            }
        }
    }

    fn count_failure(&mut self, kind: ErrorKind, reason: String) {
        self.failures = self.failures.saturating_add(1);
        let tolerable = self.settings.failures_tolerable;
        if self.failures > tolerable {
            self.fail(Cause::new(kind, format!("{reason}; {tolerable} failed checkpoints in a row are tolerated")));
        }
    }

    fn fail(&mut self, cause: Cause) {
        if self.phase != Phase::Halted {
            self.halt();
            self.commands.push(Command::Fail(cause));
        }
    }

    /// Gives up what is not being stored. What is may become durable, so its answer comes when that is known.
    fn halt(&mut self) {
        self.phase = Phase::Halted;
        self.abort_gathering(&AbortReason::Stopped);
        self.refuse_waiting("the job has stopped");
    }

    fn take_waiting(&mut self) -> Vec<u64> {
        mem::take(&mut self.waiting).into_iter().map(|(request, _)| request).collect()
    }

    fn refuse_waiting(&mut self, reason: &str) {
        let requests = self.take_waiting();
        self.answer_all_failed(&requests, reason);
    }

    fn answer_all_failed(&mut self, requests: &[u64], reason: &str) {
        for request in requests {
            self.answer_failed(*request, reason);
        }
    }

    fn answer_failed(&mut self, request: u64, reason: &str) {
        let outcome = Outcome::Failed { reason: reason.to_owned() };
        self.commands.push(Command::Answer { request, outcome });
    }
}
