//! Sources that wait for each other, and splits of one source, by a clock moved by hand.

use flott_api::operator::OpenContext;
use flott_api::splits::{OpenSplits, SubtaskTime};
use flott_graph::{NodeId, WatermarkAlignment};
use tokio::sync::watch;

use super::*;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use crate::{JobHandle, JobOutcome};
use flott_graph::Partitioning::{Forward, Rebalance};

const DRIFT_MS: i64 = 100;
const INTERVAL_MS: i64 = 1000;
/// A row behind which the source is idle.
const IDLE: i64 = -1;

/// The watermark is the value of each row, by split or of all rows, and told as by a watermark assigner.
struct Timekeeper {
    by_split: bool,
    splits: Arc<OpenSplits>,
    reached_ms: Option<i64>,
}

impl flott_api::operator::Stateful for Timekeeper {}

#[async_trait]
impl Operator for Timekeeper {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.splits = Arc::clone(&cx.splits);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let of_batch = values(&batch).into_iter().max();
        let (by_split, idle) = (self.by_split, of_batch == Some(IDLE));
        self.splits.tell(of_batch, SubtaskTime { watermark_ms: self.reached_ms, idle, by_split });
        let told: Option<Vec<i64>> = self.splits.told_by_split().into_iter().map(|(_, watermark)| watermark).collect();
        let least = if by_split { told.and_then(|told| told.into_iter().min()) } else { of_batch };
        self.reached_ms = self.reached_ms.max(least);
        self.splits.tell(of_batch, SubtaskTime { watermark_ms: self.reached_ms, idle, by_split });
        cx.output.emit(batch).await
    }
}

fn world() -> Arc<World> {
    let world = super::world();
    for (name, by_split) in [("whole", false), ("split", true)] {
        let make = move || Timekeeper { by_split, splits: Arc::default(), reached_ms: None };
        world.operator(name, EventTime::Indifferent, make);
    }
    world
}

/// Batches of one row each: `step`, `2 step`, ..
fn steps(step: i64, count: i64) -> Vec<ChangeBatch> {
    (1..=count).map(|n| batch([n * step], &[])).collect()
}

/// `source -> keeper -> sink` of a group.
fn aligned(g: &mut GraphBuilder, source: &str, keeper: &str, sink: NodeId, parallelism: u32) {
    let (s, t) = (g.source(source, parallelism), g.operator(keeper, parallelism));
    let group = "g".to_owned();
    let alignment = WatermarkAlignment { group, max_drift_ms: DRIFT_MS, update_interval_ms: INTERVAL_MS as u64 };
    g.graph.nodes[s.0 as usize].alignment = Some(alignment);
    g.edge(s, t, Forward);
    g.edge(t, sink, Rebalance);
}

/// Lets time go on until something holds.
async fn in_time(world: &World, holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            world.clock.advance(INTERVAL_MS);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// Lets time go on for some intervals: whoever could read on has done it then.
async fn some_time(world: &World) {
    for _ in 0..20 {
        world.clock.advance(INTERVAL_MS);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

fn most(world: &World, table: &str) -> i64 {
    world.written(table).into_iter().max().unwrap_or(0)
}

/// Two sources, whose rows have times 10 by 10, of which a test says how many there are.
struct Pair {
    world: Arc<World>,
    job: JobHandle,
    fast: watch::Sender<usize>,
    slow: watch::Sender<usize>,
}

impl Pair {
    /// Both have read one row each, and the group knows it. `apart` they are regions of their own.
    async fn begun(keeper: &str, apart: bool, rows_of_slow: Vec<ChangeBatch>) -> Self {
        let world = world();
        let fast = world.script_in_turns("fast", vec![steps(10, 100)], Then::End);
        let slow = world.script_in_turns("slow", vec![rows_of_slow], Then::End);
        let mut g = GraphBuilder::new();
        // Sinks come behind what they take.
        for (source, sink) in [("fast", "k"), ("slow", if apart { "l" } else { "k" })] {
            let (s, t, k) = (NodeId(g.graph.nodes.len() as u32), keeper, NodeId(g.graph.nodes.len() as u32 + 2));
            aligned(&mut g, source, t, k, 1);
            assert_eq!((g.sink(sink, 1), s.0 + 2), (k, k.0));
        }
        let job = world.submit(&g);
        let pair = Pair { world, job, fast, slow };
        pair.fast.send_replace(1);
        pair.slow.send_replace(1);
        pair.rows_of_both(2, if apart { "l" } else { "k" }).await;
        some_time(&pair.world).await;
        pair
    }

    async fn rows_of_both(&self, rows: usize, other: &str) {
        let written = || self.world.written("k").len() + if other == "k" { 0 } else { self.world.written(other).len() };
        until(|| written() == rows).await;
    }

    /// Rows that the fast source has given.
    fn read_of_fast(&self) -> u64 {
        self.job.metrics().operators[0].num_records_out
    }
}

#[tokio::test]
async fn a_source_that_is_ahead_waits_for_its_group() {
    for (keeper, apart) in [("whole", false), ("whole", true), ("split", false), ("split", true)] {
        let pair = Pair::begun(keeper, apart, steps(10, 100)).await;
        pair.fast.send_replace(usize::MAX);
        // The slow one is at 10, so what is behind 110 waits, the row that got there excepted.
        until(|| pair.read_of_fast() == 12).await;
        some_time(&pair.world).await;
        assert_eq!((most(&pair.world, "k"), pair.read_of_fast()), (120, 12), "{keeper}");
        pair.slow.send_replace(5);
        in_time(&pair.world, || pair.read_of_fast() == 16).await;
        some_time(&pair.world).await;
        assert_eq!(pair.read_of_fast(), 16, "the slow one is at 50");
        let pauses = pair.world.lines().iter().filter(|line| line.starts_with("pause fast/")).count();
        assert!(if keeper == "split" { pauses >= 2 } else { pauses == 0 }, "{pauses}");
        // The slow one comes to its end, and nobody has to wait for it.
        pair.slow.send_replace(usize::MAX);
        in_time(&pair.world, || pair.job.status().is_terminal()).await;
        assert_eq!(soon(pair.job.wait()).await.unwrap(), JobOutcome::Finished);
        assert_eq!(pair.read_of_fast(), 100);
    }
}

#[tokio::test]
async fn a_source_alone_is_never_stopped_for_good() {
    for keeper in ["whole", "split"] {
        let world = world();
        world.script("s", vec![steps(1_000_000, 50)], Then::End);
        let mut g = GraphBuilder::new();
        aligned(&mut g, "s", keeper, NodeId(2), 1);
        g.sink("k", 1);
        let job = world.submit(&g);
        in_time(&world, || job.status().is_terminal()).await;
        assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    }
}

/// `s`, whose first split is far ahead of its second one, to `k`; with a reader for both, or one for each.
fn two_splits(parallelism: u32, configuration: &[(&str, &str)]) -> GraphBuilder {
    let mut g = GraphBuilder::new();
    g.set("execution.checkpointing.dir", "memory://test/checkpoints");
    configuration.iter().for_each(|(key, value)| g.set(key, value));
    aligned(&mut g, "s", "split", NodeId(2), parallelism);
    g.sink("k", 1);
    g
}

/// A job that has paused the first split at 200, while the second one is at its last row, 50.
async fn paused(world: &Arc<World>, then: Then) -> (JobHandle, watch::Sender<usize>) {
    let there = world.script_in_turns("s", vec![steps(100, 50), steps(1, 50)], then);
    let job = world.submit(&two_splits(1, &[]));
    there.send_replace(1);
    until(|| world.written("k").len() == 2).await;
    some_time(world).await;
    there.send_replace(50);
    until(|| world.written("k").len() == 52).await;
    assert!(world.lines().contains(&"pause s/split-0".to_owned()), "{:?}", world.lines());
    some_time(world).await;
    assert_eq!(most(world, "k"), 200, "it waits for the other one");
    (job, there)
}

#[tokio::test]
async fn a_split_that_is_ahead_waits_for_the_others_of_its_reader() {
    let world = world();
    let (job, there) = paused(&world, Then::End).await;
    let resumed = || world.lines().contains(&"resume s/split-0".to_owned());
    assert!(!resumed());
    // The other one ends: none is left to wait for, and the reader comes to its end.
    there.send_replace(usize::MAX);
    in_time(&world, resumed).await;
    in_time(&world, || job.status().is_terminal()).await;
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    assert_eq!(world.written("k").len(), 100);
}

#[tokio::test]
async fn a_source_that_is_idle_holds_nobody_back_until_it_has_rows_again() {
    for keeper in ["whole", "split"] {
        let slow = vec![batch([10], &[]), batch([IDLE], &[]), batch([20], &[])];
        let pair = Pair::begun(keeper, true, slow).await;
        pair.fast.send_replace(50);
        until(|| pair.read_of_fast() == 12).await;
        pair.slow.send_replace(2);
        in_time(&pair.world, || pair.read_of_fast() == 50).await;
        // It is far behind, and the fast one waits behind the first row that it reads.
        pair.slow.send_replace(3);
        until(|| pair.world.written("l").contains(&20)).await;
        some_time(&pair.world).await;
        pair.fast.send_replace(usize::MAX);
        some_time(&pair.world).await;
        assert_eq!(pair.read_of_fast(), 50);
        pair.slow.send_replace(usize::MAX);
        in_time(&pair.world, || pair.job.status().is_terminal()).await;
        assert_eq!((soon(pair.job.wait()).await.unwrap(), pair.read_of_fast()), (JobOutcome::Finished, 100));
    }
}

#[tokio::test]
async fn a_job_stops_with_a_savepoint_while_a_split_is_paused_and_goes_on_with_more_readers() {
    for (drain, parallelism) in [(false, 1), (true, 1), (false, 2)] {
        let world = world();
        let (job, _there) = paused(&world, Then::Wait).await;
        let path = soon(job.stop_with_savepoint(Some("memory://test/savepoints"), drain)).await.unwrap();
        assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Stopped);
        let there = world.script_in_turns("s", vec![steps(100, 50), steps(1, 50)], Then::End);
        let mut g = two_splits(parallelism, &[("execution.state-recovery.path", path.as_str())]);
        g.graph.name = "another".into();
        let again = world.submit(&g);
        there.send_replace(usize::MAX);
        in_time(&world, || again.status().is_terminal()).await;
        assert_eq!(soon(again.wait()).await.unwrap(), JobOutcome::Finished);
        assert_eq!(world.committed("k"), sorted(steps(100, 50).iter().chain(&steps(1, 50)).flat_map(values).collect()));
    }
}

#[tokio::test]
async fn a_checkpoint_is_taken_while_a_split_is_paused_and_a_restart_begins_anew() {
    let world = world();
    let (job, _there) = paused(&world, Then::Wait).await;
    soon(job.checkpoint()).await.unwrap();
    assert_eq!(world.committed("k").len(), 52);
    job.cancel();
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Cancelled);
    let there = world.script_in_turns("s", vec![steps(100, 50), steps(1, 50)], Then::End);
    let again = world.submit(&two_splits(1, &[("execution.state-recovery.path", "latest")]));
    there.send_replace(3);
    // It is unpaused, and the other one has no row yet to wait for.
    until(|| world.written("k").contains(&300)).await;
    there.send_replace(usize::MAX);
    in_time(&world, || again.status().is_terminal()).await;
    assert_eq!(soon(again.wait()).await.unwrap(), JobOutcome::Finished);
    assert_eq!(world.committed("k").len(), 100);
}
