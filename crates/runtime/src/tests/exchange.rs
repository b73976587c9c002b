//! Changelogs over several exchanges, and a source that meets itself again, at parallelism 1, 2 and 3.

use std::collections::BTreeMap;

use flott_api::{Error, RowKind};

use super::*;
use crate::JobOutcome;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::{batch, batch_of_kinds};
use flott_graph::Partitioning::{Forward, Hash, Rebalance};

/// Fails if a value's changes do not come in the order `+I`, `-U`, `+U`, .., `-D`, `+I`, ..
#[derive(Default)]
struct InOrder {
    last: BTreeMap<i64, RowKind>,
}

impl flott_api::operator::Stateful for InOrder {}

#[async_trait]
impl Operator for InOrder {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
        for (row, value) in values(&batch).into_iter().enumerate() {
            let kind = batch.kind(row);
            let follows = match self.last.insert(value, kind) {
                None | Some(Delete) => kind == Insert,
                Some(Insert | UpdateAfter) => kind == UpdateBefore || kind == Delete,
                Some(UpdateBefore) => kind == UpdateAfter,
            };
            if !follows {
                return Err(Error::internal(format!("{kind} of {value} is out of order")));
            }
        }
        cx.output.emit(batch).await
    }
}

/// The life of each of these values, twice, all interleaved, in batches of `rows`.
fn lives(of: std::ops::Range<i64>, rows: usize) -> Vec<ChangeBatch> {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    let life = [Insert, UpdateBefore, UpdateAfter, UpdateBefore, UpdateAfter, Delete];
    let mut changes: Vec<(usize, i64, RowKind)> = Vec::new();
    for value in of {
        let steps = life.into_iter().cycle().take(2 * life.len()).enumerate();
        changes.extend(steps.map(|(step, kind)| (step * (1 + value as usize % 5), value, kind)));
    }
    changes.sort_by_key(|(at, ..)| *at);
    let cut = changes.chunks(rows).map(|c| {
        let kinds: Vec<RowKind> = c.iter().map(|(.., kind)| *kind).collect();
        batch_of_kinds(c.iter().map(|(_, value, _)| *value), &kinds)
    });
    cut.collect()
}

/// Two sources, a check behind each of two exchanges, sinks.
fn checked_twice(world: &Arc<World>, parallelism: (u32, u32), rows: usize) -> GraphBuilder {
    world.operator("in order", EventTime::Indifferent, InOrder::default);
    world.script("s", vec![lives(0..100, rows), lives(100..200, rows)], Then::End);
    let mut g = GraphBuilder::new();
    // A channel holds about one batch, so that every exchange waits for credit.
    g.set("flott.channel.buffer-size", "300 bytes");
    let s = g.source("s", 2);
    let (a, b) = (g.operator("in order", parallelism.0), g.operator("in order", parallelism.1));
    let k = g.sink("k", 2);
    g.edge(s, a, Hash { columns: vec![0] });
    g.edge(a, b, Hash { columns: vec![0] });
    g.edge(b, k, Rebalance);
    g
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changelog_stays_in_order_by_key_across_exchanges() {
    for (first, second) in [(1, 2), (2, 1), (2, 3), (3, 2), (3, 3)] {
        for rows in [1, 7, 1000] {
            let world = world();
            let job = world.submit(&checked_twice(&world, (first, second), rows));
            assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
            let expected = (0..200).flat_map(|v| [v; 12]).collect::<Vec<_>>();
            assert_eq!(sorted(world.written("k")), expected, "{first}, {second}, {rows}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_parts_the_changes_of_a_key_is_found() {
    let world = world();
    let mut g = checked_twice(&world, (2, 2), 7);
    g.graph.edges[0].partitioning = Rebalance;
    let error = soon(world.submit(&g).wait()).await.unwrap_err();
    assert!(error.message().contains("out of order"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_meets_itself_in_a_union_never_waits_for_itself() {
    for parallelism in 1..=3 {
        let world = world();
        let batches = |from: i64| (0..200).map(|n| batch(from + n * 50..from + (n + 1) * 50, &[(50, n)])).collect();
        world.script("s", vec![batches(0), batches(10_000)], Then::End);
        let mut g = GraphBuilder::new();
        g.set("flott.channel.buffer-size", "300 bytes");
        g.set("execution.checkpointing.dir", "memory://test/checkpoints");
        let s = g.source("s", 2);
        let (a, b, c) = (g.operator("pass", parallelism), g.operator("pass", 1), g.operator("pass", parallelism));
        let (u, k) = (g.operator("pass", parallelism), g.sink("k", parallelism));
        // Branches of different lengths, and one without any operator.
        for (from, to) in [(s, a), (s, b), (b, c), (a, u), (c, u), (s, u)] {
            g.edge(from, to, Hash { columns: vec![0] });
        }
        g.edge(u, k, Forward);
        let job = world.submit(&g);
        let mut taken = 0;
        while soon(job.checkpoint()).await.is_ok() {
            taken += 1;
        }
        assert!(taken > 0, "the job ended before a barrier went through it");
        assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
        assert_eq!(sorted(world.written("k")), (0..20_000).flat_map(|v| [v; 3]).collect::<Vec<_>>());
    }
}
