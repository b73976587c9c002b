//! `flott-bench large [keys]`: a job whose state is larger than its memory, its checkpoints and its restart.
//!
//! The query counts, sums and keeps a text of 85 bytes for each of so many keys, which come in an order that is no
//! order of anything else. First every key is new, then every key changes. Each measurement is a process of its own.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flott::plugins::{UserConnectors, plugins};
use flott_api::env::Clock;
use flott_api::{Error, Result};
use flott_runtime::{JobHandle, Plugins, SubmitOptions, environment, submit};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Outcome, Session};

use crate::measure::{Measure, Measured};
use crate::objects::{Counts, watched};
use crate::paced::Paced;
use crate::run::peak_kib;
use crate::state::cpu_nanos;

/// Keys unless the command line says otherwise: some 2 GB of state.
pub(crate) const KEYS: u64 = 8_000_000;
/// A tenth of them: a restart must not take longer with more.
const SMALLER: u64 = 10;
/// Of this part of the keys a checkpoint is measured.
const CHANGED_PART: u64 = 10;
/// How often a measurement looks how far the job has come.
const LOOK_MS: u64 = 2;
/// From the key of one id to that of the next, 2 more the second time: no multiple of 2 or 5, so all keys come, each time
/// in another order.
const STRIDE: u64 = 7919;
/// How long merging may take behind the last write.
const SETTLE_MS: u64 = 5_000;
/// The least number of keys that makes a measurement.
const KEYS_MIN: u64 = 100_000;

/// A way to run the job.
pub(crate) struct Way {
    name: &'static str,
    backend: &'static str,
    memory: &'static str,
    interval: Option<&'static str>,
}

/// All state in memory.
pub(crate) const HASHMAP: Way = Way { name: "hashmap", backend: "hashmap", memory: "16 gb", interval: None };
/// All ways that are measured.
const WAYS: &[Way] = &[
    HASHMAP,
    Way { name: "forst", backend: "forst", memory: "256 mb", interval: None },
    Way { name: "forst-1s", backend: "forst", memory: "256 mb", interval: Some("1 s") },
];

/// What a table of the report begins with.
pub(crate) fn title(keys: u64) -> String {
    format!(
        "state of {keys} keys with a text each: all new, then all changed; hashmap has the memory it wants, forst 256 MB\n\n\
         way        new keys/s   per cpu s   changed/s   per cpu s   peak MB   checkpoints\n"
    )
}

/// The names of all ways.
pub(crate) fn ways() -> impl Iterator<Item = &'static str> {
    WAYS.iter().map(|way| way.name)
}

/// Fewer keys, for what must not depend on how many there are.
pub(crate) fn fewer(keys: u64) -> u64 {
    (keys / SMALLER).max(KEYS_MIN)
}

/// A line of the report: one way.
pub(crate) fn throughput(name: &str, keys: u64, folder: &Path) -> Result<String> {
    let way = WAYS.iter().find(|way| way.name == name);
    let way = way.ok_or_else(|| Error::invalid(format!("there is no way '{name}' to run it")))?;
    block_on(async {
        let world = World::new();
        let job = world.start(way, &script(keys), folder, None)?;
        let fill = world.pass(&job, keys, keys).await?;
        let change = world.pass(&job, 2 * keys, 3 * keys).await?;
        let checkpoints = job.checkpoints();
        job.cancel();
        job.wait().await?;
        Ok(format!(
            "{:<9} {:>10.0}k {:>10.0}k {:>10.0}k {:>10.0}k {:>9} {:>13}\n",
            way.name,
            keys as f64 / fill.seconds / 1e3,
            keys as f64 / fill.cpu_seconds / 1e3,
            keys as f64 / change.seconds / 1e3,
            keys as f64 / change.cpu_seconds / 1e3,
            peak_kib() / 1024,
            checkpoints.completed,
        ))
    })
}

/// Checkpoints of a large state, and a start from the last of them.
pub(crate) fn checkpoints(keys: u64, folder: &Path) -> Result<String> {
    let way = Way { name: "checkpoints", ..WAYS[1] };
    block_on(async {
        let mut report = format!("state of {keys} keys:\n");
        let world = World::new();
        let job = world.start(&way, &script(keys), folder, None)?;
        world.pass(&job, keys, keys).await?;
        world.checkpoint(&job, &mut report, "all is new").await?;
        // Files that were merged since then are new to a checkpoint, too.
        world.clock().sleep_ms(SETTLE_MS).await;
        job.checkpoint().await?;
        let all: u64 = bytes_below(folder)?;
        let changed = keys / CHANGED_PART;
        world.pass(&job, keys + changed, keys + 2 * changed).await?;
        let some = world.checkpoint(&job, &mut report, "a tenth has changed").await?;
        _ = writeln!(
            report,
            "  that is {:.1} % of the {:.1} MB of all files",
            some as f64 * 100.0 / all as f64,
            all as f64 / 1e6
        );
        job.cancel();
        job.wait().await?;
        world.restart(&way, keys + changed, folder, &mut report).await?;
        Ok(report)
    })
}

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|e| Error::external("no threads can be started").with_source(e))?.block_on(work)
}

struct Pass {
    seconds: f64,
    cpu_seconds: f64,
}

/// What all jobs of a measurement share.
pub(crate) struct World {
    plugins: Plugins,
    limit: Arc<AtomicU64>,
    measured: Arc<Measured>,
    objects: Arc<Counts>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (limit, measured, objects) = (Arc::default(), Arc::<Measured>::default(), Arc::<Counts>::default());
        let mut plugins = plugins(watched(environment::real(), &objects, 0), &Arc::default());
        let mut tables = plugins.tables.as_ref().clone();
        tables.insert("measure", Arc::new(Measure(Arc::clone(&measured))));
        tables.insert("paced", Arc::new(Paced(Arc::clone(&limit))));
        plugins.tables = Arc::new(tables);
        World { plugins, limit, measured, objects }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.plugins.environment.clock.as_ref()
    }

    /// Starts the job of a script.
    pub(crate) fn start(&self, way: &Way, script: &str, folder: &Path, from: Option<&str>) -> Result<JobHandle> {
        let mut configuration = Configuration::default();
        let folder = format!("file://{}", folder.display());
        let mut set = |key: &str, value: &str| configuration.set(key, value, Origin::CommandLine);
        set("parallelism.default", "1")?;
        set("state.backend.type", way.backend)?;
        set("taskmanager.memory.managed.size", way.memory)?;
        set("execution.checkpointing.dir", &folder)?;
        set("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION")?;
        if let Some(interval) = way.interval {
            set("execution.checkpointing.interval", interval)?;
        }
        if let Some(from) = from {
            set("execution.state-recovery.path", from)?;
        }
        let connectors = Arc::new(UserConnectors::of(&self.plugins));
        let mut session = Session::new(configuration, connectors, Arc::clone(&self.plugins.environment.files))?;
        for statement in parse_script(script) {
            if let Outcome::Job(job) = session.execute(&statement?.statement)? {
                return submit(&job.graph.to_bytes()?, &self.plugins, SubmitOptions::default());
            }
        }
        Err(Error::internal("the script of the measurement has no job"))
    }

    /// Lets ids below `limit` through, and waits for so many rows at the sink.
    async fn pass(&self, job: &JobHandle, limit: u64, rows: u64) -> Result<Pass> {
        let (started, cpu) = (self.clock().monotonic_ns(), cpu_nanos());
        self.let_through(limit);
        self.wait(job, rows).await?;
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        Ok(Pass {
            seconds: seconds(self.clock().monotonic_ns() - started),
            cpu_seconds: seconds(cpu_nanos() - cpu).max(0.01),
        })
    }

    /// Lets ids below this through.
    pub(crate) fn let_through(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Waits for so many rows at the sink.
    pub(crate) async fn wait(&self, job: &JobHandle, rows: u64) -> Result<()> {
        while self.measured.rows.load(Ordering::Relaxed) < rows {
            if job.status().is_terminal() {
                job.wait().await?;
                return Err(Error::internal("the job has ended before its time"));
            }
            self.clock().sleep_ms(LOOK_MS).await;
        }
        Ok(())
    }

    /// Waits until no row has come for so long.
    pub(crate) async fn settle(&self, millis: u64) {
        let mut seen = u64::MAX;
        while std::mem::replace(&mut seen, self.measured.rows.load(Ordering::Relaxed)) != seen {
            self.clock().sleep_ms(millis).await;
        }
    }

    async fn checkpoint(&self, job: &JobHandle, report: &mut String, what: &str) -> Result<u64> {
        job.checkpoint().await?;
        let counts = job.checkpoints();
        let (bytes, millis) = (counts.latest_bytes, counts.latest_duration_ms);
        let (megabytes, stop) = (bytes as f64 / 1e6, counts.latest_stop_ns as f64 / 1e6);
        _ = writeln!(
            report,
            "  checkpoint, {what:<20} {megabytes:>8.1} MB in {millis:>6} ms, the job stood still {stop:.1} ms"
        );
        Ok(bytes)
    }

    /// Starts from the newest checkpoint, behind ids that were read by then.
    async fn restart(&self, way: &Way, read: u64, folder: &Path, report: &mut String) -> Result<()> {
        let read_before = self.objects.read_bytes.load(Ordering::Relaxed);
        let (rows, started) = (self.measured.rows.load(Ordering::Relaxed), self.clock().monotonic_ns());
        self.limit.store(read + 1, Ordering::Relaxed);
        let script = script(read * CHANGED_PART / (CHANGED_PART + 1));
        let job = self.start(way, &script, folder, Some("latest"))?;
        self.wait(&job, rows + 1).await?;
        let millis = (self.clock().monotonic_ns() - started) / 1_000_000;
        let bytes = self.objects.read_bytes.load(Ordering::Relaxed) - read_before;
        job.cancel();
        job.wait().await?;
        _ = writeln!(
            report,
            "  restart, first row {millis} ms after the start, {:.2} MB read by then",
            bytes as f64 / 1e6
        );
        Ok(())
    }
}

/// Bytes of all files in a folder and below it.
pub(crate) fn bytes_below(folder: &Path) -> Result<u64> {
    let failed = |e| Error::external("the folder of the measurement cannot be read").with_source(e);
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn script(keys: u64) -> String {
    format!(
        "CREATE TABLE ids (id BIGINT) WITH ('connector' = 'paced');
CREATE TABLE counted (k BIGINT, n BIGINT, total BIGINT, text STRING) WITH ('connector' = 'measure');
INSERT INTO counted SELECT k, COUNT(*), SUM(id), MIN(text) FROM (
  SELECT MOD(id * ({STRIDE} + 2 * (id / {keys})), {keys}) AS k, id, CONCAT('{}', CAST(id AS STRING)) AS text FROM ids
) GROUP BY k;",
        "abcdefghijklmnopqrstuvwxyz".repeat(3)
    )
}
