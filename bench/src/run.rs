//! One measurement: a script in this process, embedded as `flott run` does it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flott::plugins::{UserConnectors, plugins};
use flott_api::env::Environment;
use flott_api::{Error, Result};
use flott_runtime::{Plugins, SubmitOptions, environment, submit};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Outcome, Session};

use crate::measure::{Measure, Measured};
use crate::state::cpu_nanos;

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Run {
    /// Seconds from submission to the end of the job.
    pub(crate) seconds: f64,
    /// CPU seconds of all threads in this time.
    pub(crate) cpu_seconds: f64,
    /// Rows at the sink.
    pub(crate) rows: u64,
    /// Bytes at the sink.
    pub(crate) bytes: u64,
    /// The most memory that the process ever had, in KiB.
    pub(crate) peak_kib: u64,
    /// The hash of the output; 0 if it was not asked for.
    pub(crate) hash: u64,
    /// Milliseconds that half, 99 % and all but a thousandth of the rows kept; -1 if they were not measured.
    pub(crate) latencies_ms: [i64; 3],
    /// The most that the state of a job ever took of memory.
    pub(crate) state_bytes: u64,
}

/// Runs all statements of a script.
pub(crate) fn script(script: &str, parallelism: u32) -> Result<Run> {
    script_in(environment::real, script, parallelism, &[])
}

/// The same in this world, which is made within the runtime, with more configuration, as of the command line.
pub(crate) fn script_in(
    world: impl FnOnce() -> Environment,
    script: &str,
    parallelism: u32,
    settings: &[(&str, &str)],
) -> Result<Run> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(parallelism as usize)
        .enable_all()
        .build()
        .map_err(|e| Error::external("no threads can be started").with_source(e))?;
    runtime.block_on(async {
        let (world, measured) = (world(), Arc::new(Measured::default()));
        let plugins = with_measure(world.clone(), &measured);
        let mut configuration = Configuration::default();
        configuration.set("parallelism.default", &parallelism.to_string(), Origin::CommandLine)?;
        for (key, value) in settings {
            configuration.set(key, value, Origin::CommandLine)?;
        }
        let connectors = Arc::new(UserConnectors::of(&plugins));
        let mut session = Session::new(configuration, connectors, Arc::clone(&world.files))?;
        let (mut nanos, mut cpu, mut state_bytes) = (0, 0, 0);
        for statement in parse_script(script) {
            if let Outcome::Job(job) = session.execute(&statement?.statement)? {
                let (started, cpu_started) = (world.clock.monotonic_ns(), cpu_nanos());
                let job = submit(&job.graph.to_bytes()?, &plugins, SubmitOptions::default())?;
                job.wait().await?;
                nanos += world.clock.monotonic_ns() - started;
                cpu += cpu_nanos() - cpu_started;
                state_bytes = state_bytes.max(job.memory().peak_bytes() as u64);
            }
        }
        Ok(Run {
            seconds: nanos as f64 / 1e9,
            cpu_seconds: cpu as f64 / 1e9,
            rows: measured.rows.load(Ordering::Relaxed),
            bytes: measured.bytes.load(Ordering::Relaxed),
            peak_kib: peak_kib(),
            hash: measured.hash.load(Ordering::Relaxed),
            latencies_ms: [0.5, 0.99, 0.999].map(|part| measured.latency_ms(part)),
            state_bytes,
        })
    })
}

/// Connectors and all, with the sink that measures.
pub(crate) fn with_measure(world: Environment, measured: &Arc<Measured>) -> Plugins {
    let mut plugins = plugins(world, &Arc::default());
    let mut tables = plugins.tables.as_ref().clone();
    tables.insert("measure", Arc::new(Measure(Arc::clone(measured))));
    plugins.tables = Arc::new(tables);
    plugins
}

/// The most memory that this process ever had.
pub(crate) fn peak_kib() -> u64 {
    memory_kib("VmHWM:")
}

/// A line of what the system says of this process.
pub(crate) fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
