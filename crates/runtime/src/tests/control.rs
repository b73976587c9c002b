//! Cancel, stop, failure, panic, back-pressure: nothing hangs, and everybody cleans up.

use super::*;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use crate::{JobHandle, JobOutcome, JobStatus, SubmitOptions, submit};
use flott_api::ErrorKind;
use flott_graph::Partitioning::{Forward, Hash, Rebalance};

/// `s -> moody -> k`, over channels.
fn pipeline(world: &Arc<World>, parallelism: u32) -> JobHandle {
    let mut g = GraphBuilder::new();
    g.set("flott.channel.buffer-size", "1 kb");
    let (s, m, k) = (g.source("s", parallelism), g.operator("moody", parallelism), g.sink("k", parallelism));
    g.edge(s, m, Rebalance);
    g.edge(m, k, Hash { columns: vec![0] });
    world.submit(&g)
}

#[tokio::test]
async fn a_slow_sink_bounds_what_is_in_flight() {
    let world = world();
    world.sinks_blocked.send_replace(true);
    world.script("s", vec![(0..1000).map(|n| batch(n * 16..n * 16 + 16, &[])).collect()], Then::End);
    let job = pipeline(&world, 1);
    let read = || job.metrics().operators[0].num_bytes_out;
    until(|| read() > 0).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    // Two channels of 1 kb and a batch, a batch in each of the operator and the sink's hands.
    assert!(read() <= 2 * (1024 + 128) + 2 * (1024 + 128), "{} bytes are in flight", read());
    world.clock.advance(10);
    world.sinks_blocked.send_replace(false);
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    assert_eq!(world.written("k"), (0..16_000).collect::<Vec<_>>());
    assert!(job.metrics().tasks[0].back_pressured_ns >= 10_000_000);
}

#[tokio::test]
async fn a_job_is_cancelled_while_all_wait_for_a_sink() {
    let world = world();
    world.sinks_blocked.send_replace(true);
    world.script("s", vec![vec![batch(0..500, &[])]; 2], Then::Repeat);
    let job = pipeline(&world, 2);
    let read = || job.metrics().operators[0].num_records_out;
    until(|| read() > 0).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    job.cancel();
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Cancelled);
    assert_eq!(sorted_lines(&world, "abort"), ["abort k-0", "abort k-1"]);
    assert_eq!(sorted_lines(&world, "commit"), Vec::<String>::new());
}

fn sorted_lines(world: &World, start: &str) -> Vec<String> {
    let mut lines: Vec<_> = world.lines().into_iter().filter(|l| l.starts_with(start)).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_source_that_never_waits_can_be_cancelled() {
    let world = world();
    world.script("s", vec![vec![batch([1], &[])]], Then::Repeat);
    let mut g = GraphBuilder::new();
    let (s, k) = (g.source("s", 1), g.sink("k", 1));
    g.edge(s, k, Forward);
    let job = world.submit(&g);
    until(|| !world.written("k").is_empty()).await;
    job.cancel();
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Cancelled);
}

#[tokio::test]
async fn dropping_the_handle_cancels() {
    let world = world();
    world.script("s", vec![vec![batch([1], &[])]], Then::Wait);
    let job = pipeline(&world, 1);
    until(|| !world.written("k").is_empty()).await;
    drop(job);
    until(|| world.lines().contains(&"abort k-0".to_owned())).await;
}

#[tokio::test]
async fn a_stop_commits_what_was_read() {
    for drain in [false, true] {
        let world = world();
        world.script("s", vec![vec![batch([1], &[])], vec![batch([2], &[])]], Then::Wait);
        let job = pipeline(&world, 2);
        until(|| world.written("k").len() == 2).await;
        job.stop(drain);
        assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Stopped);
        assert_eq!(job.status(), JobStatus::Stopped);
        assert_eq!(sorted_lines(&world, "commit"), ["commit k-0 k-1"]);
        assert_eq!(sorted_lines(&world, "checkpoint").len(), if drain { 0 } else { 2 });
        let watermark = job.metrics().operators.last().unwrap().current_input_watermark;
        assert_eq!(watermark, if drain { i64::MAX } else { i64::MIN });
    }
}

#[tokio::test]
async fn a_failure_names_the_operator_and_ends_the_job() {
    let world = world();
    // Late enough for everybody to have begun; no second one, so it is clear who fails.
    let mut late_failure = vec![batch([1], &[]); 1000];
    late_failure.extend([batch([-14], &[]), batch([1], &[])]);
    world.script("s", vec![late_failure, vec![batch([1], &[])]], Then::Repeat);
    let job = pipeline(&world, 2);
    for _ in 0..2 {
        let error = soon(job.wait()).await.unwrap_err();
        let message = error.message();
        let named = (1..=2).any(|n| message == format!("operator 'moody', subtask ({n}/2): fourteen"));
        assert!(named, "{message}");
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Data, Some("Send 15.")));
    }
    assert_eq!(job.status(), JobStatus::Failed);
    assert_eq!(sorted_lines(&world, "abort"), ["abort k-0", "abort k-1"]);
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_operator() {
    let world = world();
    world.script("s", vec![vec![batch([-13], &[])]], Then::Wait);
    let mut g = GraphBuilder::new();
    let (s, p, m, k) = (g.source("s", 1), g.operator("pass", 1), g.operator("moody", 1), g.sink("k", 1));
    for (from, to) in [(s, p), (p, m), (m, k)] {
        g.edge(from, to, Forward);
    }
    let error = soon(world.submit(&g).wait()).await.unwrap_err();
    assert_eq!(error.to_string(), "operator 'moody', subtask (1/1): a panic: thirteen");
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn a_commit_that_fails_fails_the_job_and_writers_clean_up() {
    let world = world();
    world.commit_fails.send_replace(true);
    world.script("s", vec![vec![batch([1], &[])]], Then::End);
    let error = soon(pipeline(&world, 1).wait()).await.unwrap_err();
    assert_eq!(error.message(), "operator 'k', committer: no disk");
    assert_eq!(sorted_lines(&world, "abort"), ["abort k-0"]);
}

#[tokio::test]
async fn what_only_a_subtask_finds_fails_the_job() {
    let world = world();
    world.script("s", vec![Vec::new()], Then::Wait);
    let mut g = GraphBuilder::new();
    let (s, o) = (g.source("s", 1), g.operator("unheard of", 1));
    g.edge(s, o, Forward);
    let error = soon(world.submit(&g).wait()).await.unwrap_err();
    assert_eq!(error.message(), "operator 'unheard of', subtask (1/1): no operator 'unheard of'");
    let mut g = GraphBuilder::new();
    g.source("unknown", 1);
    let error = soon(world.submit(&g).wait()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().ends_with("no script 'unknown'"));
    assert!(submit(b"{", &world.plugins(), SubmitOptions::default()).is_err());
}
