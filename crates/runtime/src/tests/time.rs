//! Watermarks, idleness and timers through whole jobs, by a clock moved by hand.

use std::sync::Weak;

use flott_api::Watermark;
use flott_api::operator::{OpenContext, TimeDomain, Timer};
use flott_api::splits::OpenSplits;

use super::*;
use crate::JobOutcome;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use flott_graph::Partitioning::{Forward, Hash, Rebalance, Rescale};

/// Logs watermarks and the rows between them.
struct Watcher {
    world: Arc<World>,
}

impl flott_api::operator::Stateful for Watcher {}

#[async_trait]
impl Operator for Watcher {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.world.log(format!("rows {:?}", values(&batch)));
        cx.output.emit(batch).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.world.log(format!("watermark {}", watermark.0));
        cx.output.emit_watermark(watermark).await
    }
}

/// Says that it is idle 100 ms after its last rows, as a watermark assigner does.
struct Idler {}

impl flott_api::operator::Stateful for Idler {}

#[async_trait]
impl Operator for Idler {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let at_ms = cx.processing_time_ms + 100;
        cx.timers.register(Timer::of_instance(at_ms, TimeDomain::Processing));
        cx.output.emit_status(false).await?;
        cx.output.emit(batch).await
    }

    async fn on_timers(&mut self, _: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit_status(true).await
    }
}

/// Logs the clock of idleness beside the time of processing.
struct Clocked {
    world: Arc<World>,
    splits: Arc<OpenSplits>,
}

impl flott_api::operator::Stateful for Clocked {}

#[async_trait]
impl Operator for Clocked {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.splits = Arc::clone(&cx.splits);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        self.world.log(format!("at {now_ms} it is {}", self.splits.clock_ms(now_ms)));
        cx.output.emit(batch).await
    }
}

/// Holds all watermarks back.
struct Deaf {}

impl flott_api::operator::Stateful for Deaf {}

#[async_trait]
impl Operator for Deaf {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit(batch.without_marks()).await
    }

    async fn process_watermark(&mut self, _: Watermark, _: &mut OperatorContext<'_>) -> Result<()> {
        Ok(())
    }
}

/// Emits a row at its end.
struct Values {}

impl flott_api::operator::Stateful for Values {}

#[async_trait]
impl Operator for Values {
    async fn process_batch(&mut self, _: usize, _: ChangeBatch, _: &mut OperatorContext<'_>) -> Result<()> {
        Ok(())
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit(batch([42], &[])).await
    }
}

fn world() -> Arc<World> {
    let world = super::world();
    let weak = Arc::downgrade(&world);
    let of_clock = Weak::clone(&weak);
    let make = move || Watcher { world: weak.upgrade().unwrap() };
    world.operator("watcher", EventTime::Sliced, make);
    let make = move || Clocked { world: of_clock.upgrade().unwrap(), splits: Arc::default() };
    world.operator("clocked", EventTime::Indifferent, make);
    world.operator("idler", EventTime::Indifferent, || Idler {});
    world.operator("deaf", EventTime::Sliced, || Deaf {});
    world.operator("values", EventTime::Indifferent, || Values {});
    world
}

#[tokio::test]
async fn an_idle_channel_does_not_hold_time_back() {
    let world = world();
    world.script("a", vec![vec![batch([1], &[(1, 50)])]], Then::Wait);
    world.script("b", vec![vec![batch([2], &[(1, 20)])]], Then::Wait);
    let mut g = GraphBuilder::new();
    let (a, b, i) = (g.source("a", 1), g.source("b", 1), g.operator("idler", 1));
    let (w, k) = (g.operator("watcher", 1), g.sink("k", 1));
    for (from, to) in [(b, i), (i, w), (a, w), (w, k)] {
        g.edge(from, to, Forward);
    }
    let job = world.submit(&g);
    let saw = |line: &str| world.lines().contains(&line.to_owned());
    until(|| saw("rows [1]") && saw("watermark 20")).await;
    assert!(!saw("watermark 50"));
    until(|| world.clock.has_sleepers()).await;
    world.clock.advance(100);
    until(|| saw("watermark 50")).await;
    job.stop(false);
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Stopped);
}

#[tokio::test]
async fn the_clock_of_idleness_stands_still_while_rows_wait_for_a_sink() {
    let world = world();
    world.sinks_blocked.send_replace(true);
    let there =
        world.script_in_turns("s", vec![(0..100).map(|n| batch(n * 16..n * 16 + 16, &[])).collect()], Then::End);
    let mut g = GraphBuilder::new();
    g.set("flott.channel.buffer-size", "1 kb");
    let (s, c, k) = (g.source("s", 1), g.operator("clocked", 1), g.sink("k", 1));
    g.edge(s, c, Forward);
    g.edge(c, k, Rebalance);
    let job = world.submit(&g);
    there.send_replace(99);
    let saw = |line: &str| world.lines().contains(&line.to_owned());
    until(|| saw("at 0 it is 0")).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(world.lines().iter().filter(|l| l.starts_with("at ")).count() < 99, "it is held back");
    world.clock.advance(5000);
    world.sinks_blocked.send_replace(false);
    until(|| saw("at 5000 it is 0")).await;
    until(|| world.written("k").len() == 99 * 16).await;
    world.clock.advance(70);
    there.send_replace(usize::MAX);
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    assert!(saw("at 5070 it is 70"), "{:?}", world.lines());
}

#[tokio::test]
async fn rows_and_watermarks_keep_their_order_over_a_channel() {
    let world = world();
    world.script("s", vec![vec![batch([1, 2], &[(1, 10)]), batch([3], &[(0, 20), (1, 30)])]], Then::End);
    let mut g = GraphBuilder::new();
    let (s, w, k) = (g.source("s", 1), g.operator("watcher", 1), g.sink("k", 1));
    g.edge(s, w, Rebalance);
    g.edge(w, k, Forward);
    soon(world.submit(&g).wait()).await.unwrap();
    let log: Vec<_> = world.lines().into_iter().filter(|l| l.starts_with('r') || l.starts_with('w')).collect();
    let end = format!("watermark {}", i64::MAX);
    // Nothing lies between the last mark and the end of time: the channel makes them one.
    let expected = ["rows [1]", "watermark 10", "rows [2]", "watermark 20", "rows [3]", &end];
    assert_eq!(log, expected);
}

/// Checks that no row lies behind the watermark.
struct Punctual {}

impl flott_api::operator::Stateful for Punctual {}

#[async_trait]
impl Operator for Punctual {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let late = values(&batch).into_iter().find(|v| *v <= cx.watermark.0);
        assert_eq!(late, None, "behind watermark {}", cx.watermark.0);
        cx.output.emit(batch).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        assert!(watermark > cx.watermark);
        cx.output.emit_watermark(watermark).await
    }
}

/// Batches of random length with random marks; values rise, and each mark tells those before it.
fn random_splits(seed: u64) -> Vec<Vec<ChangeBatch>> {
    let rng = crate::environment::SeededRandom::from_seed(seed);
    let below = |n: u64| flott_api::env::Rng::next_u64(&rng) % n;
    let mut splits = Vec::new();
    for _ in 0..2 {
        let mut from = 0;
        let batches = (0..200).map(|_| {
            let rows = 1 + below(40) as i64;
            let mut marks: Vec<u32> = (0..below(4)).map(|_| 1 + below(rows as u64) as u32).collect();
            marks.sort_unstable();
            marks.dedup();
            let marks: Vec<_> = marks.into_iter().map(|row| (row, from + i64::from(row) - 1)).collect();
            from += rows;
            batch(from - rows..from, &marks)
        });
        splits.push(batches.collect());
    }
    splits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_exchange_makes_a_row_late() {
    for seed in 0..10 {
        let world = world();
        world.operator("punctual", EventTime::Sliced, || Punctual {});
        world.script("s", random_splits(seed), Then::End);
        let mut g = GraphBuilder::new();
        g.set("flott.channel.buffer-size", "4 kb");
        let (s, a, b, k) = (g.source("s", 2), g.operator("punctual", 3), g.operator("punctual", 2), g.sink("k", 2));
        g.edge(s, a, Hash { columns: vec![0] });
        g.edge(a, b, Rebalance);
        g.edge(b, k, Rescale);
        let job = world.submit(&g);
        soon(job.wait()).await.unwrap();
        let read: u64 = job.metrics().operators[..2].iter().map(|o| o.num_records_out).sum();
        assert_eq!(world.written("k").len() as u64, read);
    }
}

/// Lets its watermark fall.
struct Liar {}

impl flott_api::operator::Stateful for Liar {}

#[async_trait]
impl Operator for Liar {
    async fn process_batch(&mut self, _: usize, _: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit_watermark(Watermark(5)).await?;
        cx.output.emit_watermark(Watermark(4)).await
    }
}

#[tokio::test]
#[cfg_attr(not(debug_assertions), ignore = "only debug builds check promises")]
async fn a_broken_promise_is_a_bug_of_its_operator() {
    let world = world();
    world.operator("liar", EventTime::Indifferent, || Liar {});
    world.script("s", vec![vec![batch([1], &[])]], Then::Wait);
    let mut g = GraphBuilder::new();
    let (s, l, k) = (g.source("s", 1), g.operator("liar", 1), g.sink("k", 1));
    g.edge(s, l, Forward);
    g.edge(l, k, Forward);
    let error = soon(world.submit(&g).wait()).await.unwrap_err();
    assert_eq!(error.message(), "operator 'liar', subtask (1/1): a watermark falls from 5 to 4");
}

#[tokio::test]
async fn the_end_of_time_passes_an_operator_that_holds_watermarks_back() {
    for chaining in ["true", "false"] {
        let world = world();
        world.script("s", vec![vec![batch([1], &[(1, 10)])]], Then::End);
        let mut g = GraphBuilder::new();
        g.set("pipeline.operator-chaining.enabled", chaining);
        let (s, d, w, k) = (g.source("s", 1), g.operator("deaf", 1), g.operator("watcher", 1), g.sink("k", 1));
        for (from, to) in [(s, d), (d, w), (w, k)] {
            g.edge(from, to, Forward);
        }
        soon(world.submit(&g).wait()).await.unwrap();
        let watermarks: Vec<_> = world.lines().into_iter().filter(|l| l.starts_with("watermark")).collect();
        assert_eq!(watermarks, [format!("watermark {}", i64::MAX)]);
    }
}

#[tokio::test]
async fn an_operator_without_input_gives_its_rows_and_ends() {
    let world = world();
    let mut g = GraphBuilder::new();
    let (v, w, k) = (g.operator("values", 1), g.operator("watcher", 1), g.sink("k", 1));
    g.edge(v, w, Forward);
    g.edge(w, k, Forward);
    soon(world.submit(&g).wait()).await.unwrap();
    assert_eq!(world.lines()[..2], ["rows [42]".to_owned(), format!("watermark {}", i64::MAX)]);
    assert_eq!(world.written("k"), [42]);
}
