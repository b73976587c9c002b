//! Moments of the master's loop that whole jobs meet too rarely to be tested by them.

use flott_graph::Partitioning::Forward;

use super::*;
use crate::SubmitOptions;
use crate::submit::preparation;
use crate::testing::fakes::{Then, World};
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use crate::tests::soon;

/// All subtasks tell what they have written and end, after the master has looked at its reports and before it looks
/// at its regions.
#[tokio::test]
async fn what_is_told_before_a_regions_end_counts_though_the_end_is_seen_first() {
    let world = World::new();
    world.script("s", vec![vec![batch(0..5, &[])], vec![batch(5..9, &[])]], Then::End);
    let mut graph = GraphBuilder::new();
    let (source, sink) = (graph.source("s", 2), graph.sink("t", 2));
    graph.edge(source, sink, Forward);
    let (job, preparation) = preparation(&graph.bytes(), &world.plugins(), SubmitOptions::default()).unwrap();
    let mut master = preparation.prepare().await.unwrap();
    master.recover_all();
    while !matches!(master.slots[0].state, SlotState::Running { .. }) {
        master.step().await;
    }
    let mut seen = (0, Progress::Running);
    while seen.1 == Progress::Running {
        seen = soon(changed(&mut master.slots)).await;
    }
    assert_eq!(seen, (0, Progress::Done));
    assert_eq!(master.reports.len(), 2, "the master has not heard of the end of either subtask");
    assert!(world.committed("t").is_empty());

    master.handle(Event::Region(seen.0, seen.1));
    soon(Box::pin(master.run())).await;
    assert_eq!(job.status(), JobStatus::Finished);
    assert_eq!(world.committed("t"), (0..9).collect::<Vec<_>>());
}
