//! Every order in which rows, barriers and ends are sent and read on two or three channels: a snapshot and what is
//! kept are together all that was before the barriers, each row once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// What a producer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Row,
    Barrier(u64),
    End,
}

use Item::{Barrier as B, End, Row};

/// A row by its channel and its place there.
type Rows = BTreeSet<(usize, usize)>;

#[derive(Clone, Debug, Default)]
struct Snapshot {
    worked: Rows,
    kept: Rows,
    overtook: bool,
    done: bool,
}

#[derive(Clone, Debug)]
struct Channel {
    script: &'static [Item],
    sent: usize,
    queue: VecDeque<usize>,
    yields: bool,
    blocked: bool,
    records: bool,
}

/// A gate without anything else.
#[derive(Clone, Debug)]
struct Model {
    alignment: Alignment,
    channels: Vec<Channel>,
    after_ms: Option<u64>,
    worked: Rows,
    keeping: Option<u64>,
    snapshots: BTreeMap<u64, Snapshot>,
    given_up: BTreeSet<u64>,
    /// Checkpoints that will be due.
    wakes: Vec<CheckpointId>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize),
    Read(usize),
    Due(usize),
}

impl Model {
    fn new(scripts: &[(bool, &'static [Item])], after_ms: Option<u64>) -> Self {
        let channel = |(yields, script): &(bool, &'static [Item])| Channel {
            script,
            sent: 0,
            queue: VecDeque::new(),
            yields: *yields,
            blocked: false,
            records: false,
        };
        Model {
            alignment: Alignment::new(scripts.iter().map(|(yields, _)| *yields)),
            channels: scripts.iter().map(channel).collect(),
            after_ms,
            worked: Rows::new(),
            keeping: None,
            snapshots: BTreeMap::new(),
            given_up: BTreeSet::new(),
            wakes: Vec::new(),
        }
    }

    fn barrier(&self, id: u64) -> Barrier {
        Barrier { checkpoint: CheckpointId(id), timestamp_ms: 0, stop: None, unaligned_after_ms: self.after_ms }
    }

    fn steps(&self) -> Vec<Step> {
        let sends = (0..self.channels.len()).filter(|c| self.channels[*c].sent < self.channels[*c].script.len());
        let can_read = |c: &usize| !self.channels[*c].blocked && !self.channels[*c].queue.is_empty();
        let reads = (0..self.channels.len()).filter(can_read);
        let wakes = (0..self.wakes.len()).map(Step::Due);
        sends.map(Step::Send).chain(reads.map(Step::Read)).chain(wakes).collect()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(channel) => self.send(channel),
            Step::Read(channel) => self.read(channel),
            Step::Due(index) => {
                let checkpoint = self.wakes.remove(index);
                self.tell(Event::Due { checkpoint });
            }
        }
    }

    fn send(&mut self, channel: usize) {
        let own = &mut self.channels[channel];
        let (at, yields) = (own.sent, own.yields);
        own.queue.push_back(at);
        own.sent += 1;
        match own.script[at] {
            B(id) if yields && self.after_ms.is_some() => {
                let barrier = self.barrier(id);
                self.tell(Event::Announced { channel, barrier });
            }
            End if yields => self.tell(Event::EndAnnounced { channel }),
            _ => {}
        }
    }

    fn read(&mut self, channel: usize) {
        let own = &mut self.channels[channel];
        let at = own.queue.pop_front().unwrap();
        match own.script[at] {
            Row => {
                assert!(self.worked.insert((channel, at)));
                if let (true, Some(checkpoint)) = (own.records, self.keeping) {
                    assert!(self.snapshots.get_mut(&checkpoint).unwrap().kept.insert((channel, at)));
                }
            }
            B(id) => {
                let barrier = self.barrier(id);
                self.tell(Event::Barrier { channel, barrier });
            }
            End => self.tell(Event::End { channel }),
        }
    }

    fn tell(&mut self, event: Event) {
        for command in self.alignment.on(event) {
            self.execute(command);
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Block { channel } => assert!(!std::mem::replace(&mut self.channels[channel].blocked, true)),
            Command::Unblock { channel } => assert!(std::mem::replace(&mut self.channels[channel].blocked, false)),
            Command::WakeAt { checkpoint, .. } => self.wakes.push(checkpoint),
            Command::Complete(barrier) => self.snapshot(barrier, false),
            Command::Overtake(barrier) => {
                self.snapshot(barrier, true);
                self.keeping = Some(barrier.checkpoint.0);
            }
            Command::Keep { channel } => self.keep(channel),
            Command::Record { channel } => self.channels[channel].records = true,
            Command::Kept(CheckpointId(id)) => {
                assert_eq!(self.keeping.take(), Some(id));
                self.snapshots.get_mut(&id).unwrap().done = true;
                assert!(self.channels.iter().all(|c| !c.records || c.queue.is_empty()));
                self.channels.iter_mut().for_each(|c| c.records = false);
            }
            Command::GiveUp(CheckpointId(id)) => {
                assert_eq!(self.keeping.take(), Some(id));
                self.channels.iter_mut().for_each(|c| c.records = false);
                self.snapshots.remove(&id);
                self.given_up.insert(id);
            }
        }
    }

    fn snapshot(&mut self, barrier: Barrier, overtook: bool) {
        let snapshot = Snapshot { worked: self.worked.clone(), kept: Rows::new(), overtook, done: !overtook };
        assert!(self.snapshots.insert(barrier.checkpoint.0, snapshot).is_none());
    }

    fn keep(&mut self, channel: usize) {
        let id = self.keeping.unwrap();
        let own = &mut self.channels[channel];
        own.records = false;
        let is_it = |at: &usize| own.script[*at] == B(id);
        let (before, is_there) = match own.queue.iter().position(is_it) {
            Some(at) => (at, true),
            None => (own.queue.len(), false),
        };
        let rows: Vec<usize> = own.queue.iter().take(before).copied().filter(|at| own.script[*at] == Row).collect();
        if is_there {
            own.queue.remove(before);
        }
        let kept = &mut self.snapshots.get_mut(&id).unwrap().kept;
        rows.into_iter().for_each(|at| assert!(kept.insert((channel, at))));
    }

    /// All rows that come before a checkpoint's barriers.
    fn before(&self, id: u64) -> Rows {
        let rows = self.channels.iter().enumerate().flat_map(|(channel, own)| {
            let before = own.script.iter().enumerate().take_while(move |(_, item)| **item != B(id));
            before.filter(|(_, item)| **item == Row).map(move |(at, _)| (channel, at))
        });
        rows.collect()
    }

    fn check(&self) {
        assert!(self.channels.iter().all(|c| c.queue.is_empty() && !c.blocked), "a channel stays blocked");
        let all: Rows = self.before(u64::MAX);
        assert_eq!(self.worked, all, "every row is worked on once");
        assert!(self.keeping.is_none());
        for (id, snapshot) in &self.snapshots {
            assert!(snapshot.done, "checkpoint {id} is never complete");
            assert!(snapshot.worked.is_disjoint(&snapshot.kept), "checkpoint {id} has a row twice");
            let both: Rows = snapshot.worked.union(&snapshot.kept).copied().collect();
            assert_eq!(both, self.before(*id), "checkpoint {id}");
        }
    }
}

/// Takes all steps in all orders; `check` sees each end.
fn every_order(model: &Model, check: &mut impl FnMut(&Model)) {
    let steps = model.steps();
    // What is due has no end of its own: a run may end without it.
    if steps.iter().all(|s| matches!(s, Step::Due(_))) {
        model.check();
        check(model);
    }
    for step in steps {
        let mut next = model.clone();
        next.step(step);
        every_order(&next, check);
    }
}

/// In how many ends checkpoints were aligned, and in how many they overtook something.
fn run(scripts: &[(bool, &'static [Item])], after_ms: Option<u64>, ids: &[u64]) -> (usize, usize) {
    let (mut aligned, mut overtook) = (0, 0);
    every_order(&Model::new(scripts, after_ms), &mut |model| {
        let found: Vec<u64> = model.snapshots.keys().copied().collect();
        assert_eq!(found, ids, "{model:?}");
        aligned += usize::from(model.snapshots.values().all(|s| !s.overtook));
        overtook += usize::from(model.snapshots.values().any(|s| !s.kept.is_empty()));
    });
    (aligned, overtook)
}

#[test]
fn aligned_every_barrier_completes_once_and_in_order_whatever_comes_first() {
    let (aligned, overtook) = run(&[(true, &[Row, B(1), Row]), (true, &[Row, B(1)])], None, &[1]);
    assert!(aligned > 0 && overtook == 0);
    run(&[(true, &[B(1), B(2)]), (true, &[B(1), Row, B(2)])], None, &[1, 2]);
    run(&[(true, &[Row, B(1)]), (true, &[B(1)]), (false, &[B(1)])], None, &[1]);
}

#[test]
fn an_ended_channel_holds_nobody_up() {
    run(&[(true, &[Row, B(1), End]), (true, &[Row, End])], None, &[1]);
    let (_, overtook) = run(&[(true, &[Row, B(1), End]), (true, &[Row, End])], Some(0), &[1]);
    assert!(overtook > 0);
    run(&[(true, &[B(1), End]), (true, &[End]), (true, &[Row, End])], Some(0), &[1]);
}

#[test]
fn unaligned_a_snapshot_and_what_is_kept_are_all_before_the_barriers() {
    let (_, overtook) = run(&[(true, &[Row, B(1), Row]), (true, &[Row, B(1)])], Some(0), &[1]);
    assert!(overtook > 0);
    run(&[(true, &[Row, B(1)]), (true, &[B(1)]), (true, &[B(1)])], Some(0), &[1]);
}

#[test]
fn unaligned_a_second_checkpoint_follows_or_gives_the_first_one_up() {
    let (mut both, mut second) = (0, 0);
    let scripts: &[(bool, &[Item])] = &[(true, &[B(1), Row, B(2)]), (true, &[Row, B(1), B(2)])];
    every_order(&Model::new(scripts, Some(0)), &mut |model| match (model.snapshots.len(), model.given_up.len()) {
        (2, 0) => both += 1,
        (1, 1) if model.snapshots.contains_key(&2) => second += 1,
        _ => panic!("{model:?}"),
    });
    assert!(both > 0 && second > 0);
}

#[test]
fn what_cannot_be_overtaken_is_waited_for() {
    let scripts: &[(bool, &[Item])] = &[(true, &[Row, B(1), Row]), (false, &[Row, B(1), Row])];
    let (aligned, overtook) = run(scripts, Some(0), &[1]);
    assert!(aligned > 0 && overtook > 0);
    every_order(&Model::new(scripts, Some(0)), &mut |model| {
        assert!(model.snapshots[&1].kept.iter().all(|(channel, _)| *channel == 0));
    });
    let (_, overtook) = run(&[(false, &[Row, B(1)]), (false, &[Row, B(1)])], Some(0), &[1]);
    assert_eq!(overtook, 0);
}

#[test]
fn alignment_that_takes_too_long_becomes_unaligned() {
    let (aligned, overtook) = run(&[(true, &[Row, B(1), Row]), (true, &[Row, B(1)])], Some(5), &[1]);
    assert!(aligned > 0 && overtook > 0);
}

#[test]
fn a_newer_barrier_gives_an_older_checkpoint_up() {
    // Without its barrier on the second channel the first checkpoint cannot be complete.
    for after_ms in [None, Some(0), Some(5)] {
        let scripts: &[(bool, &[Item])] = &[(true, &[B(1), Row, B(2)]), (true, &[Row, B(2)])];
        every_order(&Model::new(scripts, after_ms), &mut |model| {
            assert_eq!(model.snapshots.keys().copied().collect::<Vec<_>>(), [2]);
        });
    }
}

#[test]
fn a_lone_channel_completes_at_once() {
    let mut model = Model::new(&[(true, &[Row, B(1)])], None);
    let barrier = model.barrier(1);
    let commands = model.alignment.on(Event::Barrier { channel: 0, barrier });
    let block = Command::Block { channel: 0 };
    assert_eq!(commands, [block, Command::Complete(barrier), Command::Unblock { channel: 0 }]);
}
