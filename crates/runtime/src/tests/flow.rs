//! Rows: order, exchanges, unions, cuts into batches, commits.

use super::*;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use crate::{JobOutcome, JobStatus};
use flott_graph::Partitioning::{self, Broadcast, Forward, Hash, Pinned, Rebalance, Rescale};

/// Cuts values into batches of `rows`.
fn cut(values: std::ops::Range<i64>, rows: usize) -> Vec<ChangeBatch> {
    let all: Vec<i64> = values.collect();
    all.chunks(rows).map(|c| batch(c.iter().copied(), &[])).collect()
}

async fn finish(world: &Arc<World>, graph: &GraphBuilder) -> crate::JobHandle {
    let job = world.submit(graph);
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    assert_eq!(job.status(), JobStatus::Finished);
    job
}

#[tokio::test]
async fn rows_keep_their_order_through_a_chain_and_through_channels() {
    for chaining in ["true", "false"] {
        let world = world();
        world.script("s", vec![cut(0..1000, 7)], Then::End);
        let mut g = GraphBuilder::new();
        g.set("pipeline.operator-chaining.enabled", chaining);
        let (s, a, b, k) = (g.source("s", 1), g.operator("pass", 1), g.operator("pass", 1), g.sink("k", 1));
        for (from, to) in [(s, a), (a, b), (b, k)] {
            g.edge(from, to, Forward);
        }
        let job = finish(&world, &g).await;
        assert_eq!(world.written("k"), (0..1000).collect::<Vec<_>>());
        let metrics = job.metrics();
        assert_eq!(metrics.tasks.len(), if chaining == "true" { 1 } else { 4 });
        assert_eq!(metrics.operators.len(), 4);
        assert_eq!(metrics.operators[0].num_records_out, 1000);
        assert_eq!((metrics.operators[3].num_records_in, metrics.operators[3].num_bytes_in), (1000, 8000));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_do_not_depend_on_how_they_are_cut_into_batches() {
    let mut results = Vec::new();
    for rows in [1, 7, 8192] {
        let world = world();
        world.script("s", vec![cut(0..10_000, rows), cut(10_000..20_000, rows)], Then::End);
        let mut g = GraphBuilder::new();
        let (s, a, k) = (g.source("s", 2), g.operator("pass", 3), g.sink("k", 3));
        g.edge(s, a, Hash { columns: vec![0] });
        g.edge(a, k, Forward);
        finish(&world, &g).await;
        results.push((0..3).map(|subtask| sorted(world.written_by(subtask))).collect::<Vec<_>>());
    }
    assert_eq!(sorted(results[0].concat()), (0..20_000).collect::<Vec<_>>());
    assert!(results[0].iter().all(|r| r.len() > 5000));
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

/// Rows that each of three sinks gets from two sources.
async fn spread(partitioning: Partitioning) -> Vec<Vec<i64>> {
    let world = world();
    world.script("s", vec![cut(0..6, 1), cut(6..12, 1)], Then::End);
    let mut g = GraphBuilder::new();
    let (s, k) = (g.source("s", 2), g.sink("k", 3));
    g.edge(s, k, partitioning);
    finish(&world, &g).await;
    (0..3).map(|subtask| sorted(world.written_by(subtask))).collect()
}

#[tokio::test]
async fn exchanges_spread_rows() {
    assert_eq!(spread(Rebalance).await, [[0, 3, 8, 11], [1, 4, 6, 9], [2, 5, 7, 10]]);
    assert_eq!(spread(Rescale).await, [vec![0, 2, 4], vec![1, 3, 5], (6..12).collect()]);
    assert_eq!(spread(Pinned).await, [vec![0, 1, 2, 3, 4, 5], (6..12).collect(), vec![]]);
    let all: Vec<i64> = (0..12).collect();
    assert_eq!(spread(Broadcast).await, [all.clone(), all.clone(), all]);
}

#[tokio::test]
async fn a_union_and_a_fork_lose_nothing() {
    let world = world();
    world.script("a", vec![cut(0..50, 7)], Then::End);
    world.script("b", vec![cut(50..100, 7)], Then::End);
    let mut g = GraphBuilder::new();
    let (a, b, u) = (g.source("a", 1), g.source("b", 1), g.operator("pass", 1));
    let (k, l) = (g.sink("k", 1), g.sink("l", 1));
    for (from, to) in [(a, u), (b, u), (u, k), (u, l)] {
        g.edge(from, to, Forward);
    }
    finish(&world, &g).await;
    assert_eq!(sorted(world.written("k")), (0..100).collect::<Vec<_>>());
    assert_eq!(world.written("k"), world.written("l"));
}

/// Tells its inputs apart: negates the second one.
struct Minus {}

impl flott_api::operator::Stateful for Minus {}

#[async_trait]
impl Operator for Minus {
    async fn process_batch(&mut self, input: usize, found: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let sign = if input == 0 { 1 } else { -1 };
        cx.output.emit(batch(values(&found).into_iter().map(|v| v * sign), &[])).await
    }
}

#[tokio::test]
async fn an_operator_knows_its_inputs() {
    let world = world();
    world.operator("minus", EventTime::Indifferent, || Minus {});
    world.script("a", vec![cut(1..4, 1)], Then::End);
    world.script("b", vec![cut(1..4, 2)], Then::End);
    let mut g = GraphBuilder::new();
    let (a, b, m, k) = (g.source("a", 1), g.source("b", 1), g.operator("minus", 1), g.sink("k", 1));
    g.input(a, m, 0, Hash { columns: vec![0] });
    g.input(b, m, 1, Hash { columns: vec![0] });
    g.edge(m, k, Forward);
    finish(&world, &g).await;
    assert_eq!(sorted(world.written("k")), [-3, -2, -1, 1, 2, 3]);
}

#[tokio::test]
async fn a_table_is_committed_once_after_all_of_its_writers() {
    let world = world();
    world.script("s", vec![cut(0..9, 1)], Then::End);
    let mut g = GraphBuilder::new();
    let (s, k, again, l) = (g.source("s", 1), g.sink("k", 2), g.sink("k", 1), g.sink("l", 1));
    for to in [k, again, l] {
        g.edge(s, to, Rebalance);
    }
    finish(&world, &g).await;
    let log = world.lines();
    let at = |line: &str| log.iter().position(|l| l == line).unwrap_or_else(|| panic!("no '{line}' in {log:?}"));
    let commits: Vec<_> = log.iter().filter(|l| l.starts_with("commit")).collect();
    assert_eq!(commits.len(), 2);
    let last = log.iter().rposition(|l| l.starts_with("prepare k")).unwrap();
    assert!(last < at("commit k-0 k-0 k-1") && at("commit k-0 k-0 k-1") < at("finish k"));
    assert!(at("prepare l-0") < at("commit l-0"));
}

#[tokio::test]
async fn a_source_without_splits_ends() {
    let world = world();
    world.script("s", Vec::new(), Then::End);
    let mut g = GraphBuilder::new();
    let (s, k) = (g.source("s", 2), g.sink("k", 2));
    g.edge(s, k, Forward);
    finish(&world, &g).await;
    assert!(world.written("k").is_empty());
}
