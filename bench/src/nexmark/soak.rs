//! `flott-bench nexmark soak [minutes [interval]]`: whether a job stays as fast and as small as it was, with a checkpoint every
//! 10 s; at shorter intervals, what a checkpoint leaves behind shows sooner.
//!
//! Windows, sessions and a lookup join, in one job without end: what they keep does not grow, so neither may memory.

use std::path::Path;
use std::sync::Arc;

use flott::plugins::UserConnectors;
use flott_api::env::Clock;
use flott_api::{Error, Result};
use flott_runtime::{JobHandle, SubmitOptions, environment, submit};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Outcome, Session};

use super::script::soak_script;
use super::{PARALLELISM, chosen};
use crate::run::{memory_kib, with_measure};
use crate::state::cpu_nanos;

/// Minutes unless the command line says otherwise.
pub(crate) const MINUTES: u64 = 30;
const QUERIES: &str = "q5,q8,q11,q13";
/// Between checkpoints, unless the command line says otherwise.
pub(crate) const INTERVAL: &str = "10 s";
const MINUTE_MS: u64 = 60_000;

/// What a minute came to.
#[derive(Clone, Copy, Debug)]
struct Minute {
    events: u64,
    seconds: f64,
    /// Of all threads: what else the machine does shows in `seconds` alone.
    cpu_seconds: f64,
    resident_mb: f64,
}

/// Runs the job and prints each minute, then the last third of them against the first.
pub(crate) fn soak(minutes: u64, interval: &str, folder: &Path, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    if minutes < 3 {
        return Err(Error::invalid("a soak of less than three minutes shows nothing"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(PARALLELISM as usize).enable_all().build();
    let runtime = runtime.map_err(|e| Error::external("no threads can be started").with_source(e))?;
    runtime.block_on(async {
        let clock = environment::real().clock;
        let job = start(interval, folder)?;
        print("minute  events/s  per core  resident MB  checkpoints  the last took ms  wrote MB\n")?;
        let mut all = Vec::new();
        let mut before = Before { events: 0, nanos: clock.monotonic_ns(), cpu_nanos: cpu_nanos() };
        for minute in 1..=minutes {
            clock.sleep_ms(MINUTE_MS).await;
            if job.status().is_terminal() {
                job.wait().await?;
                return Err(Error::internal("the job of the soak has ended"));
            }
            let measured = before.since(&job, clock.as_ref());
            let counts = job.checkpoints();
            print(&format!(
                "{minute:>6} {:>8.2}M {:>8.2}M {:>12.0} {:>12} {:>17} {:>9.1}\n",
                measured.events as f64 / measured.seconds / 1e6,
                measured.events as f64 / measured.cpu_seconds / 1e6,
                measured.resident_mb,
                counts.completed,
                counts.latest_duration_ms,
                counts.latest_bytes as f64 / 1e6
            ))?;
            all.push(measured);
        }
        let completed = job.checkpoints().completed;
        job.cancel();
        job.wait().await?;
        print(&verdict(&all, completed))
    })
}

fn start(interval: &str, folder: &Path) -> Result<JobHandle> {
    let plugins = with_measure(environment::real(), &Arc::default());
    let mut configuration = Configuration::default();
    let checkpoints = format!("file://{}", folder.join("checkpoints").display());
    for (key, value) in [
        ("parallelism.default", PARALLELISM.to_string().as_str()),
        ("execution.checkpointing.interval", interval),
        ("execution.checkpointing.dir", &checkpoints),
    ] {
        configuration.set(key, value, Origin::CommandLine)?;
    }
    let connectors = Arc::new(UserConnectors::of(&plugins));
    let mut session = Session::new(configuration, connectors, Arc::clone(&plugins.environment.files))?;
    let script = soak_script(&chosen(Some(QUERIES))?, folder);
    for statement in parse_script(&script) {
        if let Outcome::Job(job) = session.execute(&statement?.statement)? {
            return submit(&job.graph.to_bytes()?, &plugins, SubmitOptions::default());
        }
    }
    Err(Error::internal("the script of the soak has no job"))
}

/// The last look.
struct Before {
    events: u64,
    nanos: u64,
    cpu_nanos: u64,
}

impl Before {
    /// What came since then. Events are what the sources gave, which are the operators that nothing comes into.
    fn since(&mut self, job: &JobHandle, clock: &dyn Clock) -> Minute {
        let metrics = job.metrics();
        let sources = metrics.operators.iter().filter(|o| o.num_records_in == 0);
        let events = sources.map(|o| o.num_records_out).sum();
        let now = Before { events, nanos: clock.monotonic_ns(), cpu_nanos: cpu_nanos() };
        let minute = Minute {
            events: now.events - self.events,
            seconds: (now.nanos - self.nanos) as f64 / 1e9,
            cpu_seconds: (now.cpu_nanos - self.cpu_nanos) as f64 / 1e9,
            resident_mb: memory_kib("VmRSS:") as f64 / 1024.0,
        };
        *self = now;
        minute
    }
}

fn verdict(all: &[Minute], completed: u64) -> String {
    let third = all.len() / 3;
    let mean = |minutes: &[Minute], of: fn(&Minute) -> f64| minutes.iter().map(of).sum::<f64>() / third as f64;
    let (first, last) = (&all[..third], &all[all.len() - third..]);
    let times = |of: fn(&Minute) -> f64| mean(last, of) / mean(first, of);
    format!(
        "the last third of {} minutes against the first: {:.3} times the speed ({:.3} per core), {:.3} times the memory; {completed} checkpoints\n",
        all.len(),
        times(|minute| minute.events as f64 / minute.seconds),
        times(|minute| minute.events as f64 / minute.cpu_seconds),
        times(|minute| minute.resident_mb)
    )
}
