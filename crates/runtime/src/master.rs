//! The master of a job: starts its regions, takes its checkpoints, commits its tables, and starts again
//! what has failed, from the newest checkpoint.
//!
//! What is to be done is decided by state machines ([`crate::coordinator`]); this is the loop that feeds
//! them. Nothing in it waits: what takes time (object storage, commits) is an [`Errand`](vault::Errand)
//! under way beside it, one at a time.

mod checkpoints;
mod prepare;
mod regions;
mod snapshot;
#[cfg(test)]
mod tests;
mod vault;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use flott_api::env::{Clock, Rng};
use flott_api::ids::Attempt;
use flott_api::{Error, ErrorKind, Result};
use flott_graph::NodeId;
use flott_state::checkpoint::manifest::Manifest;
use futures::future::{Either, pending, select, select_all};
use tokio::sync::{mpsc, watch};

use crate::coordinator::checkpoint::{Cause, Event as CheckpointEvent};
use crate::coordinator::commit::Committables;
use crate::coordinator::restart::{RestartDecision, RestartStrategy};
use crate::coordinator::settings::Retention;
use crate::job::{JobStatus, Request, Shared, Wish, copy_of};
use crate::launch::{Launcher, RunningRegion};
use crate::region::Progress;
use crate::region::status::{Ending, Event as RegionEvent};
use crate::report::{News, Report};
use checkpoints::Checkpoints;
pub(crate) use prepare::Preparation;
use snapshot::Collected;
use vault::{Done, Errand, Running, Vault, committables_of};

/// How long a job that is dropped waits for what it was about to store or commit.
const LAST_ERRAND_MS: u64 = 10_000;

/// A region and where it stands.
struct Slot {
    tasks: Vec<usize>,
    /// Its operators.
    nodes: Vec<NodeId>,
    /// Its subtasks.
    workers: BTreeSet<usize>,
    state: SlotState,
    /// The attempt that was last.
    attempt: Option<Attempt>,
}

enum SlotState {
    /// What earlier attempts have left is being removed.
    Recovering,
    /// Its workers are there.
    Running { running: RunningRegion, progress: watch::Receiver<Progress>, done: bool },
    /// It has failed, and waits before it is started again.
    Waiting { until_ms: u64 },
    /// Nothing more comes of it.
    Ended,
}

/// The loop of a job.
pub(crate) struct Master {
    shared: Arc<Shared>,
    launcher: Launcher,
    slots: Vec<Slot>,
    attempts: u32,
    reports: mpsc::Receiver<Report>,
    requests: mpsc::Receiver<Request>,
    wish: watch::Receiver<Wish>,
    /// What was wished last.
    wished: Wish,
    collected: Collected,
    checkpoints: Option<Checkpoints>,
    /// What regions are started from.
    restored: Option<Arc<Manifest>>,
    restart: RestartStrategy,
    vault: Option<Vault>,
    errand: Option<Running>,
    errands: VecDeque<Errand>,
    /// What becomes of the checkpoints; nothing if they stay whatever the end.
    retention: Option<Retention>,
    /// Why the job fails.
    failure: Option<Error>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// What has happened.
enum Event {
    Wish,
    Region(usize, Progress),
    Errand(Box<Vault>, Done),
    Report(Report),
    Request(Request),
    Time,
}

impl Master {
    /// Before the job runs: every region is on its way.
    fn recover_all(&mut self) {
        for region in 0..self.slots.len() {
            self.recover(region);
        }
    }

    /// Runs the job to its end.
    async fn run(mut self) {
        while !self.has_ended() {
            self.step().await;
        }
        self.end().await;
    }

    async fn step(&mut self) {
        self.start_errand();
        let event = self.next().await;
        self.handle(event);
        self.checkpoint_commands();
    }

    fn has_ended(&self) -> bool {
        let ended = |s: &Slot| matches!(s.state, SlotState::Ended);
        let leaving = self.failure.is_some() || self.wished == Wish::Cancel;
        self.slots.iter().all(ended) && (leaving || (self.errands.is_empty() && self.errand.is_none()))
    }

    async fn end(mut self) {
        let status = match (&self.failure, self.wished, self.stopped_with_savepoint()) {
            (Some(_), ..) => JobStatus::Failed,
            (None, Wish::Cancel, _) => JobStatus::Cancelled,
            (None, Wish::Stop { .. }, _) | (None, _, true) => JobStatus::Stopped,
            (None, Wish::Run, false) => JobStatus::Finished,
        };
        if matches!(status, JobStatus::Failed | JobStatus::Cancelled) {
            self.discard().await;
        }
        let drops = self.retention.is_some_and(|retention| retention.drops(status));
        let vault = self.take_vault(drops).await;
        prepare::clean_up(&self.launcher, vault, (status, drops)).await;
        self.shared.end(status, self.failure.take());
    }

    /// Removes what sinks have hidden and no checkpoint has: nobody will commit it, and it may be in the way of others, as an
    /// open transaction is. What cannot be removed in time is removed by the next run of the job.
    async fn discard(&mut self) {
        let Some((mut vault, unstored)) = self.unstored().await else { return };
        let discarded = match select(Box::pin(vault.discard(&unstored)), self.clock.sleep_ms(LAST_ERRAND_MS)).await {
            Either::Left((discarded, _)) => discarded,
            Either::Right(_) => Err(Error::external("it takes too long")),
        };
        if let Err(error) = discarded {
            tracing::warn!(job = %self.shared.id, "what sinks have hidden since the last checkpoint stays: {error}");
        }
        self.vault = Some(vault);
    }

    /// What no stored checkpoint has, if there is any and that is certain.
    async fn unstored(&mut self) -> Option<(Vault, Committables)> {
        if !self.collected.has_unstored() {
            return None;
        }
        if let Some(errand) = self.errand.take() {
            let Either::Left(((vault, done), _)) = select(errand, self.clock.sleep_ms(LAST_ERRAND_MS)).await else {
                tracing::warn!(job = %self.shared.id, "it is not known what sinks have to remove: the store does not answer");
                return None;
            };
            self.vault = Some(vault);
            match done {
                Done::Stored { manifest, log: true, .. } => self.collected.stored(manifest.checkpoint),
                Done::Stored { manifest, log: false, .. } => self.collected.saved(manifest.checkpoint),
                _ => {}
            }
        }
        let unstored = self.collected.take_unstored();
        Some((self.vault.take()?, unstored))
    }

    /// The vault, if no errand has it. Where the job's checkpoints are to go, the errand is waited for, but not for ever.
    async fn take_vault(&mut self, drops: bool) -> Option<Vault> {
        let Some(errand) = self.errand.take() else { return self.vault.take() };
        if !drops {
            return None;
        }
        match select(errand, self.clock.sleep_ms(LAST_ERRAND_MS)).await {
            Either::Left(((vault, _), _)) => Some(vault),
            Either::Right(_) => {
                tracing::warn!(job = %self.shared.id, "the job's checkpoints cannot be removed: the store does not answer");
                None
            }
        }
    }

    fn stopped_with_savepoint(&self) -> bool {
        self.checkpoints.as_ref().is_some_and(Checkpoints::has_stopped)
    }

    fn start_errand(&mut self) {
        if self.errand.is_some() || self.errands.is_empty() {
            return;
        }
        let Some(mut vault) = self.vault.take() else { return };
        vault.protected = self.collected.protected();
        let mut errand = self.errands.pop_front();
        if let Some(Errand::Recover { region, newest, committables, .. }) = &mut errand {
            (*newest, *committables) = (self.restored.clone(), self.owed(*region));
        }
        match errand {
            Some(errand) => self.errand = Some(vault.run(errand)),
            None => self.vault = Some(vault),
        }
    }

    async fn next(&mut self) -> Event {
        let wait_ms = self.wait_ms();
        let clock = Arc::clone(&self.clock);
        let Master { slots, reports, requests, wish, errand, .. } = self;
        tokio::select! {
            biased;
            // What a worker has told comes before its end, see `hear_reports`.
            Some(report) = reports.recv() => Event::Report(report),
            _ = wish.changed() => Event::Wish,
            (region, progress) = changed(slots) => Event::Region(region, progress),
            (vault, done) = under_way(errand) => Event::Errand(Box::new(vault), done),
            Some(request) = requests.recv() => Event::Request(request),
            () = sleep(clock.as_ref(), wait_ms) => Event::Time,
        }
    }

    /// How long until something is due by the clock; nothing if there is nothing.
    fn wait_ms(&self) -> Option<u64> {
        let now_ms = self.monotonic_ms();
        let waiting = self.slots.iter().filter_map(|s| match s.state {
            SlotState::Waiting { until_ms } => Some(until_ms),
            _ => None,
        });
        let checkpoints = self.checkpoints.as_ref().and_then(Checkpoints::wake_ms);
        waiting.chain(checkpoints).min().map(|at| at.saturating_sub(now_ms))
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wish => self.on_wish(),
            Event::Region(region, progress) => {
                self.hear_reports();
                self.on_progress(region, progress);
            }
            Event::Errand(vault, done) => {
                (self.vault, self.errand) = (Some(*vault), None);
                self.on_done(done);
            }
            Event::Report(report) => self.on_report(report),
            Event::Request(request) => self.on_request(request),
            Event::Time => self.on_time(),
        }
    }

    /// Takes all that workers had told before a region came this far. [`next`](Self::next) alone cannot: others may both tell
    /// and end between its look at the reports and its look at the regions, and what they handed over would be lost.
    fn hear_reports(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            self.on_report(report);
        }
    }

    fn on_wish(&mut self) {
        self.wished = *self.wish.borrow_and_update();
        match self.wished {
            Wish::Run => {}
            Wish::Stop { drain } => {
                self.shared.set_status(JobStatus::Stopping);
                self.tell_regions(RegionEvent::Stop { drain });
            }
            Wish::Cancel => {
                self.shared.set_status(JobStatus::Cancelling);
                self.leave();
            }
        }
    }

    /// Everybody goes, and nothing is started again.
    fn leave(&mut self) {
        self.tell(CheckpointEvent::Stopped);
        self.errands.clear();
        self.tell_regions(RegionEvent::Cancel);
        for slot in &mut self.slots {
            if matches!(slot.state, SlotState::Recovering | SlotState::Waiting { .. }) {
                slot.state = SlotState::Ended;
            }
        }
    }

    fn fail(&mut self, error: Error) {
        if self.failure.is_some() || self.wished == Wish::Cancel {
            return;
        }
        self.failure = Some(error);
        self.shared.set_status(JobStatus::Failing);
        self.leave();
    }

    fn tell_regions(&self, event: RegionEvent) {
        for slot in &self.slots {
            if let SlotState::Running { running, .. } = &slot.state {
                running.region.on(event);
            }
        }
    }

    fn on_time(&mut self) {
        let now_ms = self.monotonic_ms();
        for region in 0..self.slots.len() {
            if matches!(self.slots[region].state, SlotState::Waiting { until_ms } if until_ms <= now_ms) {
                self.recover(region);
            }
        }
        self.tick();
    }

    /// First what is left of earlier attempts is removed, and what the restored checkpoint has is committed.
    fn recover(&mut self, region: usize) {
        self.slots[region].state = SlotState::Recovering;
        let (dead, committables) = (self.slots[region].attempt, Committables::new());
        self.errands.push_back(Errand::Recover { region, dead, newest: None, committables });
    }

    /// What the newest checkpoint has of a region to commit.
    fn owed(&self, region: usize) -> Committables {
        let (slot, graph) = (&self.slots[region], &self.launcher.plan.graph);
        let own = |uid: &_| slot.nodes.iter().copied().find(|n| graph.node(*n).uid == *uid);
        self.restored.as_ref().map(|m| committables_of(m, own)).unwrap_or_default()
    }

    fn start(&mut self, region: usize, newest: Option<Arc<Manifest>>) {
        let slot = &mut self.slots[region];
        if !matches!(slot.state, SlotState::Recovering) {
            // The job is leaving.
            return;
        }
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        slot.attempt = Some(attempt);
        match self.launcher.launch(&slot.tasks, attempt, newest) {
            Ok(running) => {
                let mut progress = running.region.progress();
                // It may have come further before anybody listened.
                progress.mark_changed();
                slot.state = SlotState::Running { running, progress, done: false };
                self.workers_up(region);
                self.started();
            }
            Err(error) => {
                slot.state = SlotState::Ended;
                self.fail(error);
            }
        }
    }

    /// A wish that came while a region was down is told now.
    fn started(&mut self) {
        if let Wish::Stop { drain } = self.wished {
            self.tell_regions(RegionEvent::Stop { drain });
        }
        let all_run = self.slots.iter().all(|s| matches!(s.state, SlotState::Running { .. } | SlotState::Ended));
        if all_run && self.shared.status() == JobStatus::Restarting {
            self.restart.on_running(self.monotonic_ms());
            self.shared.set_status(JobStatus::Running);
        }
    }

    fn on_progress(&mut self, region: usize, progress: Progress) {
        match progress {
            Progress::Running => {}
            Progress::Done => self.on_region_done(region),
            Progress::Ended(ending) => self.on_region_ended(region, ending),
        }
    }

    /// All subtasks of a region have done their work. Without checkpoints it is committed by itself.
    fn on_region_done(&mut self, region: usize) {
        if let SlotState::Running { done, .. } = &mut self.slots[region].state {
            *done = true;
        }
        if self.checkpoints.as_ref().is_none_or(Checkpoints::is_finishing) {
            self.commit_region(region);
        }
    }

    fn commit_region(&mut self, region: usize) {
        let committables = self.collected.take_committables(&self.slots[region].nodes);
        let ended = self.collected.have_finished(&self.slots[region].workers);
        self.errands.push_back(Errand::CommitRegion { region, committables, ended });
    }

    fn on_region_ended(&mut self, region: usize, ending: Ending) {
        let SlotState::Running { running, .. } = std::mem::replace(&mut self.slots[region].state, SlotState::Ended)
        else {
            return;
        };
        if ending != Ending::Failed || self.wished == Wish::Cancel || self.failure.is_some() {
            return;
        }
        let error = running.region.take_failure();
        let (workers, nodes) = (self.slots[region].workers.clone(), self.slots[region].nodes.clone());
        self.collected.forget(&workers, &nodes);
        self.tell(CheckpointEvent::WorkersDown { workers: workers.into_iter().collect() });
        match self.restart.on_failure(error.kind(), self.monotonic_ms(), self.rng.next_u64()) {
            RestartDecision::Restart { after_ms } => {
                tracing::warn!(job = %self.shared.id, after_ms, "a region has failed and is started again: {error}");
                self.shared.set_status(JobStatus::Restarting);
                self.shared.count(|c| c.restarts += 1);
                let until_ms = self.monotonic_ms().saturating_add(after_ms);
                self.slots[region].state = SlotState::Waiting { until_ms };
            }
            RestartDecision::Fail { reason } => {
                self.fail(if self.shared.restarts() > 0 { with_reason(error, &reason) } else { error });
            }
        }
    }

    /// Fails every region, so that the restart strategy decides.
    fn fail_regions(&mut self, error: &Error) {
        for slot in &self.slots {
            if let SlotState::Running { running, .. } = &slot.state {
                running.region.on_failure(copy_of(error));
            }
        }
    }

    fn on_report(&mut self, report: Report) {
        let is_current = |s: &Slot| match &s.state {
            SlotState::Running { running, .. } => running.region.attempt == report.attempt,
            _ => false,
        };
        if !self.slots.iter().any(is_current) {
            return;
        }
        match report.what {
            News::Enumerator { node, checkpoint, snapshot } => self.collected.enumerator(node, checkpoint, snapshot),
            News::Ack { worker, checkpoint, state } => {
                self.shared.count(|c| c.note_stop(checkpoint, state.stopped_ns));
                self.collected.ack(worker, checkpoint, state);
                self.tell(CheckpointEvent::Ack { checkpoint, worker });
            }
            News::Left { checkpoint, state } => self.collected.left(checkpoint, state),
            News::Decline { worker, checkpoint, error } => {
                tracing::warn!(checkpoint = checkpoint.0, worker, "a checkpoint cannot be taken: {error}");
                self.tell(CheckpointEvent::Decline { checkpoint, cause: Cause::from(&error) });
            }
            News::Finished { worker, state } => {
                self.collected.finish(worker, state);
                self.tell(CheckpointEvent::WorkerFinished { worker });
            }
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Recovered { region, newest, result } => self.after(result, |master| {
                master.collected.recovered(&master.slots[region].nodes);
                master.start(region, newest);
            }),
            Done::RegionCommitted { region, result } => match result {
                Ok(()) => self.release(region),
                Err(error) => self.fail_region(region, error),
            },
            Done::Stored { manifest, log, savepoint } => self.on_stored(*manifest, log, savepoint),
            Done::NotStored { checkpoint, error } => self.on_not_stored(checkpoint, &error),
            Done::Committed { checkpoint, result } => self.on_committed(checkpoint, result),
        }
    }

    fn after(&mut self, result: Result<()>, then: impl FnOnce(&mut Self)) {
        match result {
            Ok(()) => then(self),
            Err(error) => {
                self.slots.iter_mut().for_each(|s| {
                    if matches!(s.state, SlotState::Recovering) {
                        s.state = SlotState::Ended;
                    }
                });
                self.fail(error);
            }
        }
    }

    fn release(&mut self, region: usize) {
        if let SlotState::Running { running, .. } = &self.slots[region].state {
            running.region.on(RegionEvent::Release);
        }
    }

    fn fail_region(&mut self, region: usize, error: Error) {
        if let SlotState::Running { running, .. } = &self.slots[region].state {
            running.region.on_failure(error);
        }
    }
}

/// What restarting could not mend: why it was given up.
fn with_reason(error: Error, reason: &str) -> Error {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Data | ErrorKind::Fenced => error,
        _ if error.detail().is_none() => error.with_detail(reason.to_owned()),
        _ => error,
    }
}

/// Waits until a region has come further.
async fn changed(slots: &mut [Slot]) -> (usize, Progress) {
    let waiting = slots.iter_mut().enumerate().filter_map(|(region, slot)| match &mut slot.state {
        SlotState::Running { progress, .. } => Some(Box::pin(async move {
            match progress.changed().await {
                Ok(()) => (region, *progress.borrow_and_update()),
                Err(_) => pending().await,
            }
        })),
        _ => None,
    });
    let waiting: Vec<_> = waiting.collect();
    if waiting.is_empty() {
        return pending().await;
    }
    select_all(waiting).await.0
}

async fn sleep(clock: &dyn Clock, wait_ms: Option<u64>) {
    match wait_ms {
        Some(0) => {}
        Some(ms) => clock.sleep_ms(ms).await,
        None => pending().await,
    }
}

/// Waits for an errand, if one is under way.
async fn under_way(errand: &mut Option<Running>) -> (Vault, Done) {
    match errand {
        Some(errand) => errand.await,
        None => pending().await,
    }
}
