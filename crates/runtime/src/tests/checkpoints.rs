//! Checkpoints, restarts, savepoints: what is committed is what was read, once.

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use flott_api::operator::OpenContext;
use flott_api::state::{Redistribution, StateStore};

use super::*;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use crate::{JobHandle, JobOutcome, JobStatus};
use flott_api::ErrorKind;
use flott_graph::Partitioning::{Forward, Hash, Rebalance};

/// Emits the sum of all values so far, which it keeps as a list.
#[derive(Default)]
struct Summer {
    sum: i64,
    state: Option<Arc<dyn StateStore>>,
}

impl flott_api::operator::Stateful for Summer {}

#[async_trait]
impl Operator for Summer {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let items = cx.state.list("sum").unwrap_or_default();
        self.sum = items.iter().map(|b| i64::from_le_bytes(b.as_ref().try_into().unwrap())).sum();
        self.state = Some(Arc::clone(&cx.state));
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch_in: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut sums = Vec::new();
        for value in values(&batch_in) {
            self.sum += value;
            sums.push(self.sum);
        }
        cx.output.emit(batch(sums, &[])).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let item = Bytes::copy_from_slice(&self.sum.to_le_bytes());
        self.state.as_ref().unwrap().set_list("sum", Redistribution::Split, vec![item]);
        Ok(())
    }
}

/// Fails, as often as it is told, when it meets the value 1000, as something outside would.
struct Fragile {
    failures: Arc<AtomicI64>,
}

impl flott_api::operator::Stateful for Fragile {}

#[async_trait]
impl Operator for Fragile {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if values(&batch).contains(&1000) && self.failures.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(flott_api::Error::external("the world is unwell"));
        }
        cx.output.emit(batch).await
    }
}

fn world(failures: i64) -> (Arc<World>, Arc<AtomicI64>) {
    let world = super::world();
    let failures = Arc::new(AtomicI64::new(failures));
    world.operator("summer", EventTime::Indifferent, Summer::default);
    let left = Arc::clone(&failures);
    world.operator("fragile", EventTime::Indifferent, move || Fragile { failures: Arc::clone(&left) });
    (world, failures)
}

fn ones(rows: usize) -> Vec<ChangeBatch> {
    (0..rows).map(|_| batch([1], &[])).collect()
}

/// `s -> summer -> fragile -> k`, over channels.
fn graph(configuration: &[(&str, &str)]) -> GraphBuilder {
    let mut g = GraphBuilder::new();
    g.set("execution.checkpointing.dir", "memory://test/checkpoints");
    g.set("restart-strategy.type", "fixed-delay");
    g.set("restart-strategy.fixed-delay.attempts", "3");
    g.set("restart-strategy.fixed-delay.delay", "0 ms");
    for (key, value) in configuration {
        g.set(key, value);
    }
    let (s, m, f, k) = (g.source("s", 1), g.operator("summer", 1), g.operator("fragile", 1), g.sink("k", 2));
    g.edge(s, m, Rebalance);
    g.edge(m, f, Forward);
    g.edge(f, k, Hash { columns: vec![0] });
    g
}

async fn finished(job: &JobHandle) {
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    assert_eq!(job.status(), JobStatus::Finished);
}

fn expected(rows: i64) -> Vec<i64> {
    (1..=rows).collect()
}

#[tokio::test]
async fn a_job_that_fails_goes_on_from_its_checkpoint() {
    let (world, failures) = world(2);
    world.script("s", vec![ones(2000)], Then::End);
    let job = world.submit(&graph(&[]));
    until(|| job.metrics().operators[0].num_records_out > 100).await;
    let checkpoint = soon(job.checkpoint()).await.unwrap();
    finished(&job).await;
    assert_eq!(world.committed("k"), expected(2000));
    assert_eq!((failures.load(Ordering::SeqCst), job.checkpoints().restarts), (-1, 2));
    assert!(job.checkpoints().latest > Some(checkpoint), "the last one comes at the end");
}

#[tokio::test]
async fn without_a_checkpoint_it_begins_anew_and_nothing_comes_twice() {
    let (world, _) = world(1);
    world.script("s", vec![ones(1500)], Then::End);
    finished(&world.submit(&graph(&[]))).await;
    assert_eq!(world.committed("k"), expected(1500));
}

#[tokio::test]
async fn a_strategy_ends_and_errors_of_records_are_not_tried_again() {
    let (world, failures) = world(9);
    world.script("s", vec![ones(1500)], Then::End);
    let job = world.submit(&graph(&[]));
    let error = soon(job.wait()).await.unwrap_err();
    assert_eq!(error.message(), "operator 'fragile', subtask (1/1): the world is unwell");
    assert_eq!((failures.load(Ordering::SeqCst), job.checkpoints().restarts), (5, 3));
    assert_eq!(world.committed("k"), expected(0));
    let (world, _) = self::world(0);
    world.script("s", vec![vec![batch([-14], &[])]], Then::End);
    let mut g = graph(&[]);
    let (s, m) = (g.source("s", 1), g.operator("moody", 1));
    g.edge(s, m, Forward);
    let job = world.submit(&g);
    assert_eq!(soon(job.wait()).await.unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(job.checkpoints().restarts, 0);
}

#[tokio::test]
async fn the_next_run_goes_on_from_the_newest_checkpoint() {
    let (world, _) = world(0);
    world.script("s", vec![ones(500)], Then::Wait);
    let job = world.submit(&graph(&[]));
    until(|| job.metrics().operators[0].num_records_out == 500).await;
    soon(job.checkpoint()).await.unwrap();
    job.cancel();
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Cancelled);
    assert_eq!(world.committed("k"), expected(500));
    world.script("s", vec![ones(900)], Then::End);
    let again = world.submit(&graph(&[("execution.state-recovery.path", "latest")]));
    finished(&again).await;
    assert_eq!(world.committed("k"), expected(900));
    assert!(again.checkpoints().restored.is_some());
    let done = world.submit(&graph(&[("execution.state-recovery.path", "latest")]));
    finished(&done).await;
    assert_eq!(world.committed("k"), expected(900), "a finished job has nothing more to do");
}

#[tokio::test]
async fn a_savepoint_is_where_another_job_goes_on() {
    for drain in [false, true] {
        let (world, _) = world(0);
        world.script("s", vec![ones(300)], Then::Wait);
        let job = world.submit(&graph(&[]));
        until(|| job.metrics().operators[0].num_records_out == 300).await;
        let path = soon(job.stop_with_savepoint(Some("memory://test/savepoints"), drain)).await.unwrap();
        assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Stopped);
        assert_eq!(world.committed("k"), expected(300));
        world.script("s", vec![ones(400)], Then::End);
        let mut g = graph(&[("execution.state-recovery.path", path.as_str())]);
        g.graph.name = "another".into();
        finished(&world.submit(&g)).await;
        assert_eq!(world.committed("k"), expected(400));
    }
}

#[tokio::test]
async fn a_savepoint_can_be_taken_while_the_job_goes_on() {
    let (world, _) = world(0);
    world.script("s", vec![ones(300)], Then::Wait);
    let job = world.submit(&graph(&[]));
    until(|| job.metrics().operators[0].num_records_out == 300).await;
    let path = soon(job.savepoint(Some("memory://test/savepoints"))).await.unwrap();
    assert!(world.objects().all().keys().any(|p| path.contains(p.trim_end_matches("/_metadata"))), "{path}");
    assert_eq!(job.status(), JobStatus::Running);
    job.stop(true);
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Stopped);
    assert_eq!(world.committed("k"), expected(300));
}

#[tokio::test]
async fn periodic_checkpoints_come_by_the_clock() {
    let (world, _) = world(0);
    world.script("s", vec![ones(10)], Then::Wait);
    let job = world.submit(&graph(&[("execution.checkpointing.interval", "1 s")]));
    until(|| job.metrics().operators[0].num_records_out == 10).await;
    for count in 1..4 {
        until(|| world.clock.has_sleepers()).await;
        world.clock.advance(1000);
        until(|| job.checkpoints().completed == count).await;
    }
    assert_eq!(world.committed("k"), expected(10));
}

#[tokio::test]
async fn a_checkpoint_may_come_after_some_tasks_have_finished() {
    let (world, _) = world(0);
    world.script("s", vec![ones(10)], Then::Wait);
    world.script("short", vec![ones(5)], Then::End);
    let mut g = graph(&[]);
    let (s, k) = (g.source("short", 1), g.sink("l", 1));
    g.edge(s, k, Rebalance);
    let job = world.submit(&g);
    until(|| world.lines().iter().any(|l| l.starts_with("prepare l"))).await;
    assert_eq!(world.committed("l"), Vec::<i64>::new());
    soon(job.checkpoint()).await.unwrap();
    assert_eq!(world.committed("l"), [1; 5]);
    job.cancel();
    soon(job.wait()).await.unwrap();
    world.script("s", vec![ones(12)], Then::End);
    g.set("execution.state-recovery.path", "latest");
    finished(&world.submit(&g)).await;
    assert_eq!((world.committed("l"), world.committed("k")), (vec![1; 5], expected(12)));
}

#[tokio::test]
async fn what_neither_checkpoint_nor_savepoint_has_is_discarded_when_the_job_is_cancelled() {
    for saved in [false, true] {
        let (world, _) = world(0);
        world.script("s", vec![ones(10)], Then::Wait);
        world.script("short", vec![ones(5)], Then::End);
        let mut g = graph(&[]);
        let (s, k) = (g.source("short", 1), g.sink("l", 1));
        g.edge(s, k, Rebalance);
        let job = world.submit(&g);
        until(|| world.lines().iter().any(|l| l.starts_with("prepare l"))).await;
        if saved {
            soon(job.savepoint(Some("memory://test/savepoints"))).await.unwrap();
        }
        job.cancel();
        assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Cancelled);
        let lines = world.lines();
        let discarded: Vec<_> = lines.iter().filter(|l| l.starts_with("discard")).collect();
        assert_eq!(discarded, if saved { vec![] } else { vec!["discard l-0"] });
        // Nor is it cleaned up for by a run that goes on from nothing, if somebody may go on from its savepoint.
        world.recovered.lock().unwrap().clear();
        let next = world.submit(&g);
        until(|| !world.recovered.lock().unwrap().is_empty() && next.status() == JobStatus::Running).await;
        assert_eq!(world.recovered.lock().unwrap().contains(&job.id()), !saved);
    }
}

#[tokio::test]
async fn what_a_run_without_a_checkpoint_has_hidden_is_removed_by_the_next() {
    let (world, _) = world(0);
    world.script("s", vec![ones(10)], Then::Wait);
    let latest = graph(&[("execution.state-recovery.path", "latest")]);
    let recovered = || std::mem::take(&mut *world.recovered.lock().unwrap());
    let runs = async |job: &JobHandle| until(|| job.metrics().operators[0].num_records_out == 10).await;
    let first = world.submit(&latest);
    runs(&first).await;
    assert_eq!(recovered(), [first.id()]);
    first.cancel();
    soon(first.wait()).await.unwrap();
    let second = world.submit(&latest);
    runs(&second).await;
    assert_eq!(recovered(), [first.id(), second.id()]);
    second.cancel();
    soon(second.wait()).await.unwrap();
    let third = world.submit(&latest);
    runs(&third).await;
    assert_eq!(recovered(), [second.id(), third.id()], "the first is buried already");
    soon(third.checkpoint()).await.unwrap();
    third.cancel();
    soon(third.wait()).await.unwrap();
    let fourth = world.submit(&latest);
    until(|| fourth.checkpoints().restored.is_some()).await;
    soon(fourth.checkpoint()).await.unwrap();
    assert_eq!(recovered(), [third.id()]);
}

#[tokio::test]
async fn of_two_runs_the_newer_one_owns_the_job() {
    let (world, _) = world(0);
    world.script("s", vec![ones(10)], Then::Wait);
    let old = world.submit(&graph(&[]));
    until(|| old.metrics().operators[0].num_records_out == 10).await;
    soon(old.checkpoint()).await.unwrap();
    let new = world.submit(&graph(&[("execution.state-recovery.path", "latest")]));
    soon(new.checkpoint()).await.unwrap();
    assert!(soon(old.checkpoint()).await.is_err());
    let error = soon(old.wait()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(new.status(), JobStatus::Running);
    assert_eq!(world.committed("k"), expected(10));
}

#[tokio::test]
async fn only_the_region_that_failed_is_started_again() {
    let (world, _) = world(1);
    world.script("s", vec![ones(1500)], Then::End);
    world.script("other", vec![ones(5)], Then::Wait);
    let mut g = graph(&[]);
    let (s, m, k) = (g.source("other", 1), g.operator("moody", 1), g.sink("l", 1));
    g.edge(s, m, Forward);
    g.edge(m, k, Forward);
    let job = world.submit(&g);
    until(|| job.checkpoints().restarts == 1 && world.written("k").contains(&1500)).await;
    assert_eq!(world.written("l"), [1; 5]);
    job.stop(true);
    soon(job.wait()).await.unwrap();
    assert_eq!((world.committed("l"), world.committed("k")), (vec![1; 5], expected(1500)));
}
