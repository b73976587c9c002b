//! What every sink promises under checkpoints, failures and restarts, played through in one call.
//!
//! A connector's test gives a world that is new each time, and how to look at it from outside. A sink without a committer
//! is at-least-once: it is only asked to write, to prepare nothing and to be aborted.

use std::thread;

use crate::env::Environment;
use crate::ids::{JobId, Subtask};
use crate::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use crate::{ChangeBatch, Watermark};

use super::world::ready;

/// A system outside, with a sink that writes to it.
pub struct SinkWorld {
    /// A new sink of the same specification, as another process would make it.
    pub sink: Box<dyn Fn() -> Box<dyn Sink>>,
    /// What it works with.
    pub environment: Environment,
    /// The rows that others see, in any order.
    pub visible: Box<dyn Fn() -> Vec<String>>,
    /// How many things there are that others do not see and that may become visible.
    pub hidden: Box<dyn Fn() -> usize>,
}

const JOB: JobId = JobId(0x1111_2222_3333_4444_5555_6666_7777_8888);
const OTHER_JOB: JobId = JobId(0x8888_7777_6666_5555_4444_3333_2222_1111);
/// Two commits at once are tried so often.
const RACES: usize = 20;

/// Plays every life and death of a sink. `batches` are at least two with different rows; `rows` says how the rows of some
/// of them look from outside.
///
/// # Panics
/// If the sink breaks a promise.
pub fn sink_contract(
    world: &dyn Fn() -> SinkWorld,
    batches: &[ChangeBatch],
    rows: &dyn Fn(&[ChangeBatch]) -> Vec<String>,
) {
    assert!(batches.len() >= 2, "the contract needs two batches");
    let contract = Contract { world, batches, rows };
    let probe = world();
    if (probe.sink)().committer(&probe.environment).expect("a committer").is_none() {
        contract.without_committer();
        return;
    }
    contract.every_checkpoint_is_seen_once();
    contract.what_no_checkpoint_has_goes();
    contract.a_commit_goes_on_wherever_it_was_cut();
    contract.two_commit_at_once();
    contract.others_are_left_alone();
    contract.an_abort_leaves_what_was_handed_over();
    contract.writers_become_more_and_fewer();
}

struct Contract<'a> {
    world: &'a dyn Fn() -> SinkWorld,
    batches: &'a [ChangeBatch],
    rows: &'a dyn Fn(&[ChangeBatch]) -> Vec<String>,
}

impl SinkWorld {
    fn writer_of(&self, job: JobId, subtask: Subtask, restored: Vec<bytes::Bytes>) -> Box<dyn SinkWriter> {
        let (environment, metrics) = (self.environment.clone(), std::sync::Arc::default());
        (self.sink)().writer(WriterContext { job, restored, subtask, environment, metrics }).expect("a writer")
    }

    fn writer(&self, job: JobId) -> Box<dyn SinkWriter> {
        self.writer_of(job, Subtask { index: 0, parallelism: 1 }, Vec::new())
    }

    /// The committer of a new process that was restored with these committables, which it has committed.
    fn restored(&self, committables: &[Committable]) -> Box<dyn Committer> {
        let mut committer = self.committer();
        ready(committer.recover(JOB, committables)).expect("recovers");
        ready(committer.commit(None, committables.to_vec())).expect("commits again");
        committer
    }

    fn committer(&self) -> Box<dyn Committer> {
        (self.sink)().committer(&self.environment).expect("a committer").expect("a committer")
    }

    fn sees(&self, mut expected: Vec<String>, when: &str) {
        let mut found = (self.visible)();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{when}");
    }

    fn hides(&self, expected: bool, when: &str) {
        assert_eq!((self.hidden)() > 0, expected, "{when}, so many are hidden: {}", (self.hidden)());
    }
}

/// A batch with a watermark behind it, and a barrier.
fn checkpoint(writer: &mut dyn SinkWriter, batch: &ChangeBatch, end: bool) -> Vec<Committable> {
    ready(writer.write(batch.clone())).expect("writes");
    writer.write_watermark(if end { Watermark::MAX } else { Watermark(0) });
    let committables = ready(writer.prepare_commit(end)).expect("prepares");
    writer.snapshot().expect("a snapshot");
    committables
}

impl Contract<'_> {
    fn of(&self, batches: usize) -> Vec<String> {
        (self.rows)(&self.batches[..batches])
    }

    fn without_committer(&self) {
        let world = (self.world)();
        let mut writer = world.writer(JOB);
        for (i, batch) in self.batches.iter().enumerate() {
            let prepared = checkpoint(&mut *writer, batch, i + 1 == self.batches.len());
            assert!(prepared.is_empty(), "nobody would commit what it hands over");
            world.sees(self.of(i + 1), "everything is seen at the checkpoint");
        }
        ready(writer.abort());
    }

    /// Each checkpoint dies behind its commit; the next process commits it again and goes on.
    fn every_checkpoint_is_seen_once(&self) {
        let world = (self.world)();
        let mut committer = world.restored(&[]);
        for (i, batch) in self.batches.iter().enumerate() {
            let end = i + 1 == self.batches.len();
            let mut writer = world.writer(JOB);
            let prepared = checkpoint(&mut *writer, batch, end);
            assert!(!prepared.is_empty(), "rows were written");
            world.sees(self.of(i), "nothing is seen before it is committed");
            ready(committer.commit(None, prepared.clone())).expect("commits");
            world.sees(self.of(i + 1), "a commit makes everything visible");
            committer = world.restored(&prepared);
            world.sees(self.of(i + 1), "a restored checkpoint is committed again");
        }
        ready(committer.finish()).expect("finishes");
        world.sees(self.of(self.batches.len()), "at the end");
        world.hides(false, "at the end");
    }

    /// The process dies before the checkpoint is durable, with rows prepared and rows being written.
    fn what_no_checkpoint_has_goes(&self) {
        let world = (self.world)();
        drop(world.restored(&[]));
        let mut writer = world.writer(JOB);
        let first = checkpoint(&mut *writer, &self.batches[0], false);
        let _lost = checkpoint(&mut *writer, &self.batches[1], false);
        ready(writer.write(self.batches[1].clone())).expect("writes");
        // As with a kill, nothing of it runs any more.
        std::mem::forget(writer);
        let mut committer = world.restored(&first);
        world.sees(self.of(1), "only the checkpoint is left");
        world.hides(false, "after a restore");
        let mut writer = world.writer(JOB);
        let second = checkpoint(&mut *writer, &self.batches[1], true);
        ready(committer.commit(None, second)).expect("commits");
        world.sees(self.of(2), "the rows were written again, and are there once");
    }

    fn a_commit_goes_on_wherever_it_was_cut(&self) {
        for cut in 0.. {
            let world = (self.world)();
            drop(world.restored(&[]));
            let mut writers = [world.writer(JOB), world.writer(JOB)];
            let mut prepared = checkpoint(&mut *writers[0], &self.batches[0], false);
            prepared.extend(checkpoint(&mut *writers[1], &self.batches[1], false));
            if cut > prepared.len() {
                break;
            }
            ready(world.committer().commit(None, prepared[..cut].to_vec())).expect("commits a part");
            drop(world.restored(&prepared));
            world.sees(self.of(2), "a commit that was cut goes on");
            prepared.reverse();
            drop(world.restored(&prepared));
            world.sees(self.of(2), "the order makes no difference");
        }
    }

    /// A process that was thought dead goes on.
    fn two_commit_at_once(&self) {
        for _ in 0..RACES {
            let world = (self.world)();
            let mut old = world.restored(&[]);
            let mut writer = world.writer(JOB);
            let mut prepared = checkpoint(&mut *writer, &self.batches[0], false);
            prepared.extend(checkpoint(&mut *writer, &self.batches[1], false));
            let mut new = world.committer();
            ready(new.recover(JOB, &prepared)).expect("recovers");
            let again = prepared.clone();
            thread::scope(|scope| {
                let other = scope.spawn(move || ready(old.commit(None, again)));
                ready(new.commit(None, prepared)).expect("the new process commits");
                other.join().expect("no panic").expect("the old process commits");
            });
            world.sees(self.of(2), "two commits at once are one");
            world.hides(false, "after two commits at once");
        }
    }

    fn others_are_left_alone(&self) {
        let world = (self.world)();
        let mut other = world.writer(OTHER_JOB);
        let theirs = checkpoint(&mut *other, &self.batches[0], false);
        drop(world.restored(&[]));
        world.hides(true, "after another job was restored");
        let mut writer = world.writer(JOB);
        let ours = checkpoint(&mut *writer, &self.batches[1], false);
        let mut committer = world.committer();
        ready(committer.recover(OTHER_JOB, &theirs)).expect("recovers");
        ready(committer.commit(None, theirs)).expect("commits");
        drop(world.restored(&ours));
        world.sees(self.of(2), "two jobs write the same table");
    }

    fn an_abort_leaves_what_was_handed_over(&self) {
        let world = (self.world)();
        let mut committer = world.restored(&[]);
        let mut writer = world.writer(JOB);
        let first = checkpoint(&mut *writer, &self.batches[0], false);
        ready(writer.write(self.batches[1].clone())).expect("writes");
        ready(writer.abort());
        ready(committer.commit(None, first)).expect("commits");
        world.sees(self.of(1), "what was handed over survives an abort");
        world.hides(false, "after an abort");
    }

    fn writers_become_more_and_fewer(&self) {
        let world = (self.world)();
        let mut committer = world.restored(&[]);
        let (mut restored, mut seen) = (Vec::new(), Vec::new());
        for parallelism in [2, 1, 3] {
            let (mut prepared, mut snapshots) = (Vec::new(), Vec::new());
            for index in 0..parallelism {
                // Each snapshot goes to one writer.
                let mine = restored.iter().skip(index as usize).step_by(parallelism as usize).cloned().collect();
                let mut writer = world.writer_of(JOB, Subtask { index, parallelism }, mine);
                let batch = &self.batches[index as usize % 2..][..1];
                prepared.extend(checkpoint(&mut *writer, &batch[0], false));
                snapshots.push(writer.snapshot().expect("a snapshot"));
                seen.extend((self.rows)(batch));
            }
            ready(committer.commit(None, prepared.clone())).expect("commits");
            committer = world.restored(&prepared);
            restored = snapshots;
            world.sees(seen.clone(), "with more or fewer writers");
        }
    }
}
