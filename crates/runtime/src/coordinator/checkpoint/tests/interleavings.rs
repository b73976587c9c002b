//! Every order in which acknowledgements, ends, failures, timeouts and requests of a small job may come.
//!
//! The job and the machine are one state; all states that can be reached are visited once. In each one the machine's
//! commands keep the invariants, and a world that is kind from there on brings the job to its end.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;

/// What may happen in a scene.
#[derive(Clone, Debug)]
struct Scene {
    settings: CheckpointSettings,
    workers: usize,
    requests: Vec<Requested>,
    /// No ticks and requests behind so many checkpoints.
    checkpoints_max: usize,
    /// Declines, failed stores and commits, regions going down, and stops of the job.
    faults_max: usize,
    /// Whether workers may finish before they are made to.
    finishes: bool,
    /// Whether the job and its regions may fail.
    restarts: bool,
}

#[derive(Clone, Debug)]
struct World {
    machine: CheckpointMachine,
    now_ms: u64,
    begun: Vec<(CheckpointId, CheckpointKind)>,
    /// The first of `begun` in which each worker takes part.
    first: Vec<usize>,
    acks: BTreeSet<(CheckpointId, usize)>,
    finished: Vec<bool>,
    down: Vec<bool>,
    storing: Option<CheckpointId>,
    committing: Option<CheckpointId>,
    stored: Vec<CheckpointId>,
    /// Aborted, or done with.
    closed: Vec<CheckpointId>,
    committed: Option<CheckpointId>,
    answers: Vec<Option<Outcome>>,
    faults: usize,
    failed: bool,
    stopped: bool,
    done: bool,
}

/// What has happened in all states together, so that a scene cannot be empty.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    aborts: HashSet<&'static str>,
    finished: usize,
    failed: usize,
    answered_done: usize,
}

impl World {
    fn new(scene: &Scene) -> Self {
        let workers = scene.workers;
        let mut world = World {
            machine: CheckpointMachine::new(scene.settings.clone()),
            now_ms: 0,
            begun: Vec::new(),
            first: vec![0; workers],
            acks: BTreeSet::new(),
            finished: vec![false; workers],
            down: vec![false; workers],
            storing: None,
            committing: None,
            stored: Vec::new(),
            closed: Vec::new(),
            committed: None,
            answers: Vec::new(),
            faults: 0,
            failed: false,
            stopped: false,
            done: false,
        };
        world.tell(restored(workers), &mut Seen::default());
        world
    }

    fn halted(&self) -> bool {
        self.failed || self.stopped
    }

    /// All that may happen next.
    fn moves(&self, scene: &Scene) -> Vec<Event> {
        let mut moves = self.progress(scene.finishes);
        if self.faults < scene.faults_max {
            moves.extend(self.faults(scene));
        }
        if self.begun.len() < scene.checkpoints_max {
            moves.extend(self.machine.wake_ms.filter(|_| !self.is_late()).map(|_| Event::Tick));
            if let Some(kind) = scene.requests.get(self.answers.len()) {
                moves.push(Event::Request { request: self.answers.len() as u64, kind: *kind });
            }
        }
        moves
    }

    fn working(&self) -> impl Iterator<Item = usize> {
        (0..self.first.len()).filter(|w| !self.finished[*w] && !self.down[*w] && !self.done)
    }

    /// Snapshots are written beside the rows, so a later one may be done first.
    fn unacked(&self, worker: usize) -> impl Iterator<Item = CheckpointId> {
        let part = self.begun.iter().skip(self.first[worker]).map(|(id, _)| *id);
        part.filter(move |id| !self.acks.contains(&(*id, worker)))
    }

    /// Whether the next tick is a timeout.
    fn is_late(&self) -> bool {
        let mut waiting = self.machine.pending.iter().filter(|p| p.waits_for_workers());
        waiting.any(|p| Some(p.deadline_ms) == self.machine.wake_ms)
    }

    /// What a kind world does.
    fn progress(&self, finishes: bool) -> Vec<Event> {
        let mut moves = Vec::new();
        moves.extend(self.storing.map(|checkpoint| Event::Stored { checkpoint }));
        moves.extend(self.committing.map(|checkpoint| Event::Committed { checkpoint }));
        for worker in self.working() {
            let acks = moves.len();
            moves.extend(self.unacked(worker).map(|checkpoint| Event::Ack { checkpoint, worker }));
            if finishes && moves.len() == acks {
                moves.push(Event::WorkerFinished { worker });
            }
        }
        let down: Vec<usize> = (0..self.down.len()).filter(|w| self.down[*w]).collect();
        if !down.is_empty() {
            moves.push(Event::WorkersUp { workers: down });
        }
        if self.halted() && self.storing.is_none() && self.committing.is_none() {
            let next = self.begun.last().map_or(1, |(id, _)| id.0 + 1);
            moves.push(Event::Restored { next: CheckpointId(next), workers: self.first.len() });
        }
        moves
    }

    fn faults(&self, scene: &Scene) -> Vec<Event> {
        let mut moves = Vec::new();
        if self.is_late() {
            moves.push(Event::Tick);
        }
        for worker in self.working() {
            moves.extend(self.unacked(worker).map(|checkpoint| Event::Decline { checkpoint, cause: cause("x") }));
        }
        for kind in [WORLD, ErrorKind::Fenced] {
            let cause = Cause::new(kind, "x");
            moves.extend(self.storing.map(|checkpoint| Event::StoreFailed { checkpoint, cause: cause.clone() }));
            moves.extend(self.committing.map(|checkpoint| Event::CommitFailed { checkpoint, cause: cause.clone() }));
        }
        // A worker may also finish before the barrier has come to it.
        moves.extend(self.working().filter(|_| scene.finishes).map(|worker| Event::WorkerFinished { worker }));
        if scene.restarts && !self.halted() && !self.done {
            moves.push(Event::Stopped);
            moves.push(Event::WorkersDown { workers: vec![0] });
        }
        moves
    }

    /// Lets it happen; the world changes, too.
    fn happen(&mut self, event: Event, seen: &mut Seen) {
        match &event {
            Event::Tick => {
                self.faults += usize::from(self.is_late());
                self.now_ms = self.machine.wake_ms.expect("a tick was asked for");
            }
            Event::Request { .. } => self.answers.push(None),
            Event::Ack { checkpoint, worker } => {
                self.acks.insert((*checkpoint, *worker));
            }
            Event::WorkerFinished { worker } => {
                let early = self.unacked(*worker).next().is_some();
                self.faults += usize::from(early);
                self.finished[*worker] = true;
            }
            Event::Stored { checkpoint } => {
                self.stored.push(*checkpoint);
                self.storing = None;
            }
            Event::Committed { checkpoint } => {
                self.committed = Some(*checkpoint);
                self.committing = None;
                self.closed.push(*checkpoint);
            }
            Event::Decline { .. } => self.faults += 1,
            Event::StoreFailed { .. } => (self.storing, self.faults) = (None, self.faults + 1),
            Event::CommitFailed { checkpoint, .. } => {
                self.closed.push(*checkpoint);
                (self.committing, self.faults) = (None, self.faults + 1);
            }
            Event::WorkersDown { workers } => {
                self.faults += 1;
                workers.iter().for_each(|w| (self.down[*w], self.finished[*w]) = (true, false));
            }
            Event::WorkersUp { workers } => workers.iter().for_each(|w| self.start(*w)),
            Event::Stopped => (self.stopped, self.faults) = (true, self.faults + 1),
            Event::Restored { .. } => {
                (self.stopped, self.failed) = (false, false);
                self.closed = self.begun.iter().map(|(id, _)| *id).collect();
                (0..self.first.len()).for_each(|w| self.start(w));
            }
        }
        self.tell(event, seen);
    }

    /// A worker that starts knows of no barrier.
    fn start(&mut self, worker: usize) {
        (self.down[worker], self.finished[worker], self.first[worker]) = (false, false, self.begun.len());
    }

    fn tell(&mut self, event: Event, seen: &mut Seen) {
        let commands = self.machine.on(event, self.now_ms);
        let count = commands.len();
        for (index, command) in commands.into_iter().enumerate() {
            let is_answer = matches!(command, Command::Answer { .. });
            let is_end = is_answer || matches!(command, Command::Abort { .. });
            assert!(!self.halted() || is_end, "{command:?} comes after a failure");
            assert!(!self.done || is_answer, "{command:?} comes after the end");
            if let Command::WakeAt { at_ms } = command {
                assert_eq!(index + 1, count, "a wake-up is the last command");
                assert!(at_ms > self.now_ms, "a tick must lead to something");
            }
            self.obey(command, seen);
        }
    }

    fn obey(&mut self, command: Command, seen: &mut Seen) {
        match command {
            Command::Begin { checkpoint, kind } => self.begin(checkpoint, kind),
            Command::Store { checkpoint } => self.store(checkpoint),
            Command::Commit { checkpoint } => self.commit(checkpoint),
            Command::Abort { checkpoint, reason } => {
                assert!(self.begun.iter().any(|(id, _)| *id == checkpoint));
                assert!(!self.stored.contains(&checkpoint) && self.storing != Some(checkpoint));
                assert!(!self.closed.contains(&checkpoint), "aborted twice");
                self.closed.push(checkpoint);
                seen.aborts.insert(match reason {
                    AbortReason::Subsumed { .. } => "subsumed",
                    AbortReason::Timeout => "timeout",
                    AbortReason::Declined(_) => "declined",
                    AbortReason::NotStored(_) => "not stored",
                    AbortReason::WorkersDown => "down",
                    AbortReason::Stopped => "stopped",
                });
            }
            Command::Answer { request, outcome } => {
                if let Outcome::Done { checkpoint } = outcome {
                    assert!(self.stored.contains(&checkpoint));
                    seen.answered_done += 1;
                }
                let earlier = self.answers[request as usize].replace(outcome);
                assert_eq!(earlier, None, "answered twice");
            }
            Command::Finish { last } => {
                let last = last.expect("there are checkpoints");
                assert_eq!(self.committed, Some(last));
                assert!(self.open().next().is_none());
                (self.done, seen.finished) = (true, seen.finished + 1);
            }
            Command::Fail(_) => (self.failed, seen.failed) = (true, seen.failed + 1),
            Command::WakeAt { .. } => {}
        }
    }

    /// Begun, and neither aborted nor done with.
    fn open(&self) -> impl Iterator<Item = (CheckpointId, CheckpointKind)> {
        let stored_savepoint = |id, kind: CheckpointKind| !kind.commits() && self.stored.contains(&id);
        self.begun.iter().copied().filter(move |(id, kind)| !self.closed.contains(id) && !stored_savepoint(*id, *kind))
    }

    fn begin(&mut self, checkpoint: CheckpointId, kind: CheckpointKind) {
        let last = self.begun.last().map_or(0, |(id, _)| id.0);
        assert_eq!(checkpoint.0, last + 1, "ids rise by one");
        assert!(!self.down.contains(&true), "{checkpoint:?} begins while a region restarts");
        assert_eq!(kind == CheckpointKind::Final, !self.finished.contains(&false));
        assert!(self.open().all(|(_, kind)| !kind.ends_job()), "{checkpoint:?} begins behind the last one");
        self.begun.push((checkpoint, kind));
        let periodic = self.open().filter(|(_, kind)| *kind == CheckpointKind::Checkpoint).count();
        assert!(periodic <= self.machine.settings.concurrent_max as usize, "too many at a time");
        if self.machine.settings.unaligned_after_ms.is_some() {
            let gathering = self.machine.pending.iter().filter(|p| p.waits_for_workers());
            let checkpoints = gathering.clone().filter(|p| p.kind == CheckpointKind::Checkpoint).count();
            let savepoints = gathering.count() - checkpoints;
            assert!(checkpoints == 0 || savepoints == 0, "a barrier may overtake that of a savepoint");
        }
    }

    fn store(&mut self, checkpoint: CheckpointId) {
        assert_eq!((self.storing, self.committing), (None, None), "one at a time");
        assert!(!self.closed.contains(&checkpoint) && !self.stored.contains(&checkpoint));
        for worker in 0..self.first.len() {
            assert!(self.finished[worker] || self.acks.contains(&(checkpoint, worker)), "{worker} is missing");
        }
        self.storing = Some(checkpoint);
    }

    fn commit(&mut self, checkpoint: CheckpointId) {
        assert_eq!((self.storing, self.committing), (None, None), "one at a time");
        assert_eq!(self.stored.last(), Some(&checkpoint));
        assert!(self.committed < Some(checkpoint), "commits come in order");
        let kind = self.begun.iter().find(|(id, _)| *id == checkpoint).map(|(_, kind)| *kind);
        assert_ne!(kind, Some(CheckpointKind::Savepoint));
        self.committing = Some(checkpoint);
    }

    /// From here on all goes well: the job must come to its end, with everyone answered.
    fn check_it_can_end(&self) {
        let mut world = self.clone();
        let mut steps = 0;
        while let Some(event) = world.progress(true).into_iter().next() {
            world.happen(event, &mut Seen::default());
            steps += 1;
            assert!(steps < 100, "no end: {world:?}");
        }
        assert!(world.done, "stuck: {world:?}");
        assert!(!world.answers.contains(&None), "somebody waits: {world:?}");
    }

    /// The next periodic checkpoint comes by itself if nothing is in its way.
    fn check_a_tick_is_known(&self) {
        let idle = !self.halted() && !self.done && !self.down.contains(&true) && self.open().next().is_none();
        assert!(!idle || self.machine.wake_ms.is_some(), "asleep: {self:?}");
    }

    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        format!("{self:?}").hash(&mut hasher);
        hasher.finish()
    }
}

fn explore(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let mut known = HashSet::new();
    let mut open = vec![World::new(scene)];
    while let Some(world) = open.pop() {
        if !known.insert(world.key()) {
            continue;
        }
        world.check_a_tick_is_known();
        world.check_it_can_end();
        for event in world.moves(scene) {
            let mut next = world.clone();
            next.happen(event, &mut seen);
            open.push(next);
        }
    }
    seen.states = known.len();
    seen
}

fn scene() -> Scene {
    let settings = settings();
    Scene {
        settings,
        workers: 2,
        requests: Vec::new(),
        checkpoints_max: 2,
        faults_max: 1,
        finishes: false,
        restarts: false,
    }
}

#[track_caller]
fn check_seen(seen: &Seen, aborts: &[&'static str]) {
    assert!(aborts.iter().all(|reason| seen.aborts.contains(reason)), "{seen:?}");
    assert!(seen.states > 100, "{seen:?}");
}

#[test]
fn two_checkpoints_at_a_time_over_three_workers() {
    let settings = CheckpointSettings { concurrent_max: 2, ..settings() };
    let seen = explore(&Scene { settings, workers: 3, faults_max: 2, ..scene() });
    check_seen(&seen, &["subsumed", "timeout", "declined", "not stored"]);
    assert!(seen.failed > 0);
}

#[test]
fn workers_that_finish_at_any_moment() {
    let settings = CheckpointSettings { concurrent_max: 2, ..settings() };
    let seen = explore(&Scene { settings, finishes: true, faults_max: 2, ..scene() });
    check_seen(&seen, &["subsumed", "timeout", "declined", "not stored"]);
    assert!(seen.finished > 0 && seen.failed > 0);
}

#[test]
fn requests_of_every_kind_at_any_moment() {
    for drain in [false, true] {
        let requests = vec![Requested::Checkpoint, Requested::Savepoint, Requested::Stop { drain }];
        let seen = explore(&Scene { requests, checkpoints_max: 3, ..scene() });
        check_seen(&seen, &["timeout", "declined", "not stored"]);
        assert!(seen.finished > 0 && seen.answered_done > 0);
        let requests = vec![Requested::Savepoint, Requested::Stop { drain }, Requested::Checkpoint];
        let seen = explore(&Scene { requests, finishes: true, ..scene() });
        assert!(seen.finished > 0 && seen.answered_done > 0);
    }
}

#[test]
fn unaligned_checkpoints_and_savepoints_do_not_meet() {
    let settings = CheckpointSettings { unaligned_after_ms: Some(0), ..settings() };
    let requests = vec![Requested::Checkpoint, Requested::Savepoint, Requested::Stop { drain: false }];
    let seen = explore(&Scene { settings: settings.clone(), requests, checkpoints_max: 3, ..scene() });
    check_seen(&seen, &["timeout", "declined", "not stored"]);
    assert!(seen.finished > 0 && seen.answered_done > 0);
    let requests = vec![Requested::Savepoint, Requested::Checkpoint, Requested::Savepoint];
    let seen = explore(&Scene { settings, requests, finishes: true, ..scene() });
    assert!(seen.finished > 0 && seen.answered_done > 0);
}

#[test]
fn regions_and_jobs_that_fail_at_any_moment() {
    let requests = vec![Requested::Stop { drain: true }, Requested::Savepoint];
    let seen = explore(&Scene { requests, restarts: true, finishes: true, ..scene() });
    check_seen(&seen, &["down", "stopped"]);
    let settings = CheckpointSettings { failures_tolerable: 0, ..settings() };
    let seen = explore(&Scene { settings, restarts: true, faults_max: 2, ..scene() });
    check_seen(&seen, &["down", "stopped", "declined"]);
    assert!(seen.failed > 0);
}
