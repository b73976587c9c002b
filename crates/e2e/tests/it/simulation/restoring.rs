//! A restore moves no state: until the first result comes out, it reads what says where state lies, and the blocks of the
//! keys that it needs. That does not grow with the state.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flott_api::env::Clock;
use flott_api::object::{ObjectStatus, ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::testing::MemoryObjects;
use flott_api::{BoxFuture, Result};
use flott_runtime::JobOutcome;

use super::world::{Outside, Process, Start};

/// Groups with long keys, of which each row has another. The last ones come slowly, and each meets a group that is there.
fn script(groups: u64, rate: u64) -> String {
    let key: Vec<String> = (1..=24).map(|n| format!("CAST((k + {n}) * 998244353 AS STRING)")).collect();
    format!(
        "CREATE TABLE events (
           id BIGINT, k AS id * 7919 % {groups}
         ) WITH (
           'connector' = 'datagen', 'rows-per-second' = '{rate}', 'scan.parallelism' = '1',
           'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{}'
         );
         CREATE TABLE totals (k STRING, n BIGINT, total BIGINT) WITH ('connector' = 'ledger');
         INSERT INTO totals SELECT name, COUNT(*), SUM(id)
           FROM (SELECT CONCAT({}) AS name, id FROM events) GROUP BY name;",
        groups * 20,
        key.join(", '-', "),
    )
}

/// Counts what is read.
#[derive(Default)]
struct Reads {
    objects: Arc<MemoryObjects>,
    state_bytes: AtomicU64,
    other_bytes: AtomicU64,
}

impl Reads {
    fn count(&self, path: &str, bytes: u64) {
        let counter = if path.contains("/shared/") { &self.state_bytes } else { &self.other_bytes };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Of state files, and of manifests and the log.
    fn so_far(&self) -> (u64, u64) {
        (self.state_bytes.load(Ordering::Relaxed), self.other_bytes.load(Ordering::Relaxed))
    }
}

impl ObjectStore for Reads {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        self.objects.put(path, bytes, mode)
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            let found = self.objects.get(path).await?;
            self.count(path, found.iter().map(|bytes| bytes.len() as u64).sum());
            Ok(found)
        })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            let found = self.objects.get_ranges(path, ranges).await?;
            self.count(path, found.iter().flatten().map(|bytes| bytes.len() as u64).sum());
            Ok(found)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        self.objects.list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.objects.delete(path)
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        self.objects.copy(from, to)
    }
}

struct Counting(Arc<Reads>);

impl ObjectStores for Counting {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let (_, path) = Arc::clone(&self.0.objects).resolve(uri)?;
        Ok((Arc::clone(&self.0) as _, path))
    }
}

/// Checkpoints only when they are asked for.
const OPTIONS: [(&str, &str); 2] =
    [("execution.checkpointing.interval", "1 h"), ("execution.checkpointing.num-retained", "1")];

/// Makes state of so many groups at one parallelism, and restores it at another: the bytes of the state, and what was
/// read before the first result (of state files, of all else).
fn restored(groups: u64, (before, after): (u32, u32)) -> (u64, (u64, u64)) {
    let outside = Outside::default();
    let fast = script(groups, groups * 10);
    let start = Start { seed: groups, parallelism: before, script: &fast, options: &OPTIONS, ..Start::default() };
    let Process { executor, job } = outside.start_with(&start, &outside.healthy());
    executor.run(async {
        // All groups are there, and there is more to come.
        while outside.ledger.written() < groups {
            executor.sleep_ms(1).await;
        }
        // With the second one there is little to commit, of which a manifest has everything.
        job.checkpoint().await.unwrap();
        job.checkpoint().await.unwrap();
        job.cancel();
        assert_eq!(job.wait().await.unwrap(), JobOutcome::Cancelled);
    });
    executor.run_until_idle();
    let reports = outside.reports();
    let state_bytes = reports.iter().flat_map(|report| report.files.values()).map(|file| file.size).sum();

    let written = outside.ledger.written();
    let reads = Arc::new(Reads { objects: Arc::clone(&outside.objects), ..Reads::default() });
    let slow = script(groups, 10);
    let start = Start { seed: groups + 1, parallelism: after, script: &slow, options: &OPTIONS, ..Start::default() };
    let Process { executor, job } = outside.start_on(&start, Arc::new(Counting(Arc::clone(&reads))));
    let first = executor.run(async {
        while outside.ledger.written() == written {
            executor.sleep_ms(1).await;
        }
        let first = reads.so_far();
        job.cancel();
        assert_eq!(job.wait().await.unwrap(), JobOutcome::Cancelled);
        first
    });
    (state_bytes, first)
}

/// What a subtask may read of the files of one that was before it: of some files the end (16 KB), the filter and the
/// index of a part (75 KB, as keys are long here and each block has one in the index), and a block.
const READ_BYTES_MAX: u64 = 224 << 10;

/// `FLOTT_GROUPS` sets how many groups the large state has (20,000 by default, 4 MB; nightly runs take 100,000).
#[test]
fn a_restore_reads_metadata_only_however_large_the_state() {
    let groups = super::number_of("FLOTT_GROUPS", 20_000);
    for (before, after) in [(1, 1), (1, 2), (2, 3)] {
        let (small, (small_read, _)) = restored(groups / 10, (before, after));
        let (large, (large_read, other_read)) = restored(groups, (before, after));
        let what = format!(
            "{before} to {after}: {small_read} of {small} and {large_read} of {large} bytes of state, {other_read} besides"
        );
        assert!(large > 8 * small && small_read > 0, "{what}");
        // Contiguous key groups: so many subtasks share something with one that was before.
        let pairs = u64::from(before + after - 1);
        assert!(small_read.max(large_read) < pairs * READ_BYTES_MAX, "{what}");
        assert!(large_read + other_read < large / 12, "{what}");
    }
}
