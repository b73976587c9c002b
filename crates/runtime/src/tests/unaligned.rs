//! Unaligned checkpoints: they need not wait for rows under way, and have them; whoever goes on from one, with as many
//! subtasks or others, gives each row once.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use flott_api::ids::CheckpointId;
use flott_api::key_group::{hash_keys, key_group};
use flott_api::operator::OpenContext;
use flott_graph::Partitioning::{self, Forward, Hash, Rebalance};
use flott_state::checkpoint::{Manifest, decode_manifest};
use futures::FutureExt;
use tokio::sync::Semaphore;

use super::*;
use crate::testing::fakes::Then;
use crate::testing::graph::GraphBuilder;
use crate::testing::rows::batch;
use crate::{JobHandle, JobOutcome};

const SPLITS: i64 = 2;
const BATCHES: i64 = 40;
const ROWS: i64 = 50;
const SUBTASKS_MAX: usize = 3;

/// How many batches each subtask may work on.
#[derive(Clone)]
struct Permits(Arc<Vec<Semaphore>>);

impl Permits {
    fn new() -> Self {
        Permits(Arc::new((0..SUBTASKS_MAX).map(|_| Semaphore::new(0)).collect()))
    }

    /// One more batch for everybody.
    fn one_each(&self) {
        self.0.iter().for_each(|p| p.add_permits(1));
    }

    fn unlimited(&self) {
        self.0.iter().for_each(|p| p.add_permits(1_000_000));
    }
}

/// Needs a permit for each batch; where rows are hashed to it, they must be of its key groups.
struct Slow {
    permits: Permits,
    fails: Arc<AtomicBool>,
    keyed: bool,
    cx: Option<OpenContext>,
}

impl flott_api::operator::Stateful for Slow {}

#[async_trait]
impl Operator for Slow {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.cx = Some(cx.clone());
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let own = self.cx.as_ref().unwrap();
        for hash in hash_keys(batch.rows().columns(), batch.len())? {
            let group = key_group(hash, own.max_parallelism).0;
            assert!(!self.keyed || own.key_groups.contains(&group), "a row is of another subtask");
        }
        self.permits.0[own.subtask.index as usize].acquire().await.unwrap().forget();
        if self.fails.swap(false, Ordering::SeqCst) {
            return Err(flott_api::Error::external("the world is unwell"));
        }
        cx.output.emit(batch).await
    }
}

struct Scene {
    world: Arc<World>,
    permits: Permits,
    /// Set to let a subtask fail once.
    fails: Arc<AtomicBool>,
    partitioning: Partitioning,
    settings: Vec<(&'static str, String)>,
}

impl Scene {
    /// `s -> pass -> slow -> k`, the first edge in turn and the second one like this.
    fn new(partitioning: Partitioning) -> Self {
        let (world, permits) = (world(), Permits::new());
        let keyed = partitioning != Rebalance;
        let own = Mutex::new(permits.clone());
        let fails = Arc::new(AtomicBool::new(false));
        let own_fails = Arc::clone(&fails);
        let make =
            move || Slow { permits: own.lock().unwrap().clone(), fails: Arc::clone(&own_fails), keyed, cx: None };
        world.operator("slow", EventTime::Indifferent, make);
        let split = |s| (0..BATCHES).map(|b| values_of(s, b)).map(|v| batch(v, &[])).collect();
        world.script("s", (0..SPLITS).map(split).collect(), Then::End);
        Scene {
            world,
            permits,
            fails,
            partitioning,
            settings: vec![("execution.checkpointing.unaligned.enabled", "true".into())],
        }
    }

    fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.retain(|(known, _)| *known != key);
        self.settings.push((key, value.into()));
        self
    }

    fn graph(&self, parallelism: u32) -> GraphBuilder {
        let mut g = GraphBuilder::new();
        g.set("execution.checkpointing.dir", "memory://test/checkpoints");
        g.set("flott.channel.buffer-size", "1 kb");
        self.settings.iter().for_each(|(key, value)| g.set(key, value));
        let (s, p) = (g.source("s", parallelism), g.operator("pass", parallelism));
        let (m, k) = (g.operator("slow", parallelism), g.sink("k", parallelism));
        g.edge(s, p, Rebalance);
        g.edge(p, m, self.partitioning.clone());
        g.edge(m, k, Forward);
        g
    }

    fn submit(&self, parallelism: u32) -> JobHandle {
        self.world.submit(&self.graph(parallelism))
    }

    fn resume(&self, parallelism: u32, from: &str) -> JobHandle {
        let mut g = self.graph(parallelism);
        g.set("execution.state-recovery.path", from);
        self.world.submit(&g)
    }

    /// Takes a checkpoint while nobody may work on more than the batch that it has.
    async fn checkpoint(&self, job: &JobHandle) -> CheckpointId {
        pause().await;
        let mut asked = pin!(job.checkpoint());
        assert!(asked.as_mut().now_or_never().is_none());
        pause().await;
        self.permits.one_each();
        soon(asked).await.unwrap()
    }

    async fn finish(&self, job: &JobHandle) {
        self.permits.unlimited();
        assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
        assert_eq!(self.world.committed("k"), all_values());
        let left: Vec<String> = self.world.objects().all().into_keys().filter(|p| p.contains("/shared/")).collect();
        assert_eq!(left, Vec::<String>::new(), "a finished job keeps no rows");
    }

    /// The newest manifest.
    fn manifest(&self, checkpoint: CheckpointId) -> Manifest {
        let end = format!("/chk-{}/_metadata", checkpoint.0);
        let (path, bytes) = self.world.objects().all().into_iter().find(|(p, _)| p.ends_with(&end)).unwrap();
        decode_manifest(&path, &bytes).unwrap()
    }
}

fn values_of(split: i64, batch: i64) -> std::ops::Range<i64> {
    let begin = (split * BATCHES + batch) * ROWS;
    begin..begin + ROWS
}

fn all_values() -> Vec<i64> {
    (0..SPLITS * BATCHES * ROWS).collect()
}

/// Lets everybody come as far as they can.
async fn pause() {
    for _ in 0..3000 {
        tokio::task::yield_now().await;
    }
}

async fn cancelled(job: &JobHandle) {
    job.cancel();
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Cancelled);
}

fn hash() -> Partitioning {
    Hash { columns: vec![0] }
}

#[tokio::test]
async fn an_aligned_checkpoint_waits_for_rows_under_way_and_an_unaligned_one_does_not() {
    let scene = Scene::new(hash()).set("execution.checkpointing.unaligned.enabled", "false");
    let job = scene.submit(2);
    pause().await;
    let mut asked = pin!(job.checkpoint());
    assert!(asked.as_mut().now_or_never().is_none());
    pause().await;
    scene.permits.one_each();
    pause().await;
    assert!(asked.as_mut().now_or_never().is_none(), "what lies in the channels is not worked on yet");
    scene.permits.unlimited();
    soon(asked).await.unwrap();
    assert_eq!((job.checkpoints().latest_in_flight_bytes, job.checkpoints().unaligned), (0, 0));
    scene.finish(&job).await;

    let scene = Scene::new(hash());
    let job = scene.submit(2);
    let checkpoint = scene.checkpoint(&job).await;
    let counts = job.checkpoints();
    assert!(counts.latest_in_flight_bytes > 0 && counts.unaligned == 1, "{counts:?}");
    let manifest = scene.manifest(checkpoint);
    let to: Vec<&str> = manifest.operators.iter().filter(|o| has_rows(o)).map(|o| o.name.as_str()).collect();
    assert_eq!(to, ["pass", "slow"]);
    scene.finish(&job).await;
}

fn has_rows(operator: &flott_state::checkpoint::manifest::OperatorSnapshot) -> bool {
    operator.subtasks.iter().flat_map(|s| &s.in_flight).any(|i| i.rows > 0)
}

#[tokio::test]
async fn with_any_number_of_subtasks_each_row_comes_once() {
    for partitioning in [hash(), Rebalance] {
        for (before, after) in [(1, 1), (2, 2), (1, 2), (2, 3), (3, 1), (3, 2)] {
            let scene = Scene::new(partitioning.clone());
            let job = scene.submit(before);
            scene.checkpoint(&job).await;
            assert!(job.checkpoints().latest_in_flight_bytes > 0);
            cancelled(&job).await;
            let job = scene.resume(after, "latest");
            scene.finish(&job).await;
        }
    }
}

#[tokio::test]
async fn a_region_that_fails_goes_on_with_the_rows_that_were_under_way() {
    let scene = Scene::new(hash())
        .set("restart-strategy.type", "fixed-delay")
        .set("restart-strategy.fixed-delay.attempts", "3")
        .set("restart-strategy.fixed-delay.delay", "0 ms");
    let job = scene.submit(2);
    scene.checkpoint(&job).await;
    for restarts in 1..=2 {
        scene.fails.store(true, Ordering::SeqCst);
        scene.permits.one_each();
        until(|| job.checkpoints().restarts == restarts).await;
    }
    scene.finish(&job).await;
}

#[tokio::test]
async fn a_checkpoint_may_come_before_all_is_read_that_was_under_way() {
    for (before, between, after) in [(2, 2, 2), (2, 3, 1), (3, 1, 2), (1, 2, 3)] {
        let scene = Scene::new(hash());
        let job = scene.submit(before);
        scene.checkpoint(&job).await;
        cancelled(&job).await;
        let job = scene.resume(between, "latest");
        let second = scene.checkpoint(&job).await;
        assert!(scene.manifest(second).in_flight().map(|i| i.rows).sum::<u64>() > 0);
        assert_eq!(job.checkpoints().unaligned, 1);
        cancelled(&job).await;
        let job = scene.resume(after, "latest");
        assert_eq!(scene.checkpoint(&job).await.0, second.0 + 1);
        cancelled(&job).await;
        let job = scene.resume(before, "latest");
        scene.finish(&job).await;
    }
}

#[tokio::test]
async fn a_savepoint_has_no_rows_under_way_also_if_it_is_asked_for_while_some_are_read_again() {
    let scene = Scene::new(hash()).set("execution.checkpointing.savepoint-dir", "memory://test/savepoints");
    let job = scene.submit(2);
    scene.checkpoint(&job).await;
    cancelled(&job).await;
    let job = scene.resume(2, "latest");
    pause().await;
    let mut asked = pin!(job.savepoint(None));
    assert!(asked.as_mut().now_or_never().is_none());
    let mut checkpoint = pin!(job.checkpoint());
    assert!(checkpoint.as_mut().now_or_never().is_none());
    pause().await;
    for _ in 0..200 {
        scene.permits.one_each();
        pause().await;
        if let Some(path) = asked.as_mut().now_or_never() {
            let path = path.unwrap();
            let metadata = format!("{}/_metadata", path.trim_start_matches("memory://test/"));
            let all = scene.world.objects().all();
            let (path, bytes) = all.iter().find(|(p, _)| p.ends_with(&metadata)).unwrap();
            assert_eq!(decode_manifest(path, bytes).unwrap().in_flight().count(), 0);
            // The checkpoint that was asked for behind it waits for it.
            soon(async {
                scene.permits.one_each();
                checkpoint.await.unwrap();
            })
            .await;
            return scene.finish(&job).await;
        }
    }
    panic!("the savepoint is never complete");
}

#[tokio::test]
async fn alignment_that_takes_too_long_becomes_unaligned() {
    let scene = Scene::new(hash()).set("execution.checkpointing.aligned-checkpoint-timeout", "1 s");
    let job = scene.submit(2);
    pause().await;
    let mut asked = pin!(job.checkpoint());
    assert!(asked.as_mut().now_or_never().is_none());
    pause().await;
    scene.permits.one_each();
    pause().await;
    assert!(asked.as_mut().now_or_never().is_none(), "it is aligned for a second");
    scene.world.clock.advance(1000);
    pause().await;
    scene.permits.one_each();
    soon(asked).await.unwrap();
    assert!(job.checkpoints().latest_in_flight_bytes > 0);
    cancelled(&job).await;
    let job = scene.resume(3, "latest");
    scene.finish(&job).await;
}

#[tokio::test]
async fn in_time_it_stays_aligned() {
    let scene = Scene::new(hash()).set("execution.checkpointing.aligned-checkpoint-timeout", "1 s");
    let job = scene.submit(2);
    pause().await;
    let mut asked = pin!(job.checkpoint());
    assert!(asked.as_mut().now_or_never().is_none());
    scene.permits.unlimited();
    soon(asked).await.unwrap();
    assert_eq!(job.checkpoints().unaligned, 0);
    scene.finish(&job).await;
}

#[tokio::test]
async fn rows_lie_in_files_and_one_that_is_damaged_is_passed_by() {
    let scene = Scene::new(hash())
        .set("execution.checkpointing.data-inline-threshold", "0 b")
        .set("execution.checkpointing.num-retained", "2");
    let job = scene.submit(2);
    let first = scene.checkpoint(&job).await;
    let second = scene.checkpoint(&job).await;
    let files = |id| -> Vec<String> { scene.manifest(id).files().map(str::to_owned).collect() };
    assert!(!files(first).is_empty() && !files(second).is_empty());
    cancelled(&job).await;
    let all = scene.world.objects().all();
    let (path, bytes) = all.iter().find(|(p, _)| p.ends_with(&files(second)[0])).unwrap();
    let mut flipped = bytes.to_vec();
    flipped[30] ^= 1;
    scene.world.objects().damage(path, Some(flipped.into()));
    let job = scene.resume(2, "latest");
    scene.permits.unlimited();
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    assert_eq!(job.checkpoints().restored, Some(first));
    // What the second one had committed is there twice: it was complete.
    let mut found = scene.world.committed("k");
    found.dedup();
    assert_eq!(found, all_values());
}

#[tokio::test]
async fn files_of_checkpoints_go_with_them() {
    let scene = Scene::new(hash()).set("execution.checkpointing.data-inline-threshold", "0 b");
    let job = scene.submit(2);
    for _ in 0..3 {
        let checkpoint = scene.checkpoint(&job).await;
        let named: Vec<String> = scene.manifest(checkpoint).files().map(str::to_owned).collect();
        let there: Vec<String> = scene.world.objects().all().into_keys().filter(|p| p.contains("/shared/")).collect();
        assert_eq!(there.len(), named.len(), "{there:?}");
    }
    scene.finish(&job).await;
}

#[tokio::test]
async fn a_job_without_the_edge_is_refused_unless_rows_may_be_left_behind() {
    let scene = Scene::new(hash());
    let job = scene.submit(2);
    scene.checkpoint(&job).await;
    cancelled(&job).await;
    let graph = |ignores: bool| {
        let mut g = GraphBuilder::new();
        g.set("execution.checkpointing.dir", "memory://test/checkpoints");
        g.set("execution.state-recovery.path", "latest");
        g.set("execution.state-recovery.ignore-unclaimed-state", if ignores { "true" } else { "false" });
        let (s, m, k) = (g.source("s", 2), g.operator("slow", 2), g.sink("k", 2));
        g.operator("pass", 1);
        g.edge(s, m, hash());
        g.edge(m, k, Forward);
        g
    };
    let error = soon(scene.world.submit(&graph(false)).wait()).await.unwrap_err();
    assert_eq!(error.kind(), flott_api::ErrorKind::Invalid);
    let message = error.message();
    assert!(message.contains("rows under way from operator 's' to 'pass'"), "{message}");
    scene.permits.unlimited();
    let job = scene.world.submit(&graph(true));
    assert_eq!(soon(job.wait()).await.unwrap(), JobOutcome::Finished);
    let found = scene.world.committed("k");
    assert!(found.len() < all_values().len(), "some rows are left behind");
}

#[tokio::test]
async fn rows_come_to_an_operator_that_is_no_longer_the_first_of_its_task() {
    let scene = Scene::new(Rebalance);
    let job = scene.submit(2);
    scene.checkpoint(&job).await;
    cancelled(&job).await;
    // All in one task.
    let mut g = GraphBuilder::new();
    g.set("execution.checkpointing.dir", "memory://test/checkpoints");
    g.set("execution.state-recovery.path", "latest");
    let (s, p, m, k) = (g.source("s", 1), g.operator("pass", 1), g.operator("slow", 1), g.sink("k", 1));
    for (from, to) in [(s, p), (p, m), (m, k)] {
        g.edge(from, to, Forward);
    }
    let job = scene.world.submit(&g);
    scene.finish(&job).await;
}
