//! Running a query on either side, each in a process of its own.

use std::path::{Path, PathBuf};

use flott_api::{Error, Result};
use flott_runtime::environment;

use super::PARALLELISM;
use super::outcome::Outcome;
use super::queries::Query;
use super::script::{Engine, How, script, side_input};
use crate::flink::Flink;
use crate::processes::{number, text_by};
use crate::run::{self, Run};

/// A virtual machine is warm behind so many seconds.
const WARM_SECONDS: u32 = 10;
/// Flott may have as much memory as Flink had, which it does not take.
const SETTINGS: [(&str, &str); 2] = [("state.backend.type", "hashmap"), ("taskmanager.memory.managed.size", "10 gb")];

/// What Flink has unless it is measured how little it needs: nothing of a state in memory lies there.
const MANAGED_BYTES: u64 = 64 << 20;

/// What Flink's process is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Its heap.
    pub(crate) heap_mib: u32,
    /// Memory of its state, if that lies outside of the heap.
    pub(crate) managed_bytes: u64,
    /// The job is cancelled behind so many seconds, and what it did until then counts; without a limit 0.
    pub(crate) job_seconds: u64,
    /// The process fails behind so many seconds.
    pub(crate) limit_seconds: Option<u64>,
}

impl Default for Machine {
    fn default() -> Self {
        Machine { heap_mib: 1024, managed_bytes: MANAGED_BYTES, job_seconds: 0, limit_seconds: None }
    }
}

/// Flott and, if it is to be had, Flink.
pub(crate) struct Sides {
    folder: PathBuf,
    flink: Option<Flink>,
}

impl Sides {
    /// Compiles Flink's side into the folder.
    pub(crate) fn new(folder: &Path) -> Result<Sides> {
        Self::of(folder, true)
    }

    fn of(folder: &Path, with_flink: bool) -> Result<Sides> {
        let failed = |e: std::io::Error| Error::external("the folder of the measurement cannot be used").with_source(e);
        std::fs::write(folder.join("side_input.csv"), side_input()).map_err(failed)?;
        let flink = if with_flink { Flink::of_environment(&folder.join("classes"))? } else { None };
        Ok(Sides { folder: folder.to_owned(), flink })
    }

    /// Flott's side only.
    pub(crate) fn alone(folder: &Path) -> Result<Sides> {
        Self::of(folder, false)
    }

    /// Where files of a run may lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn has_flink(&self) -> bool {
        self.flink.is_some()
    }

    /// How a query is run as fast as it goes.
    pub(crate) fn fast(&self, events: u64) -> How<'_> {
        How { events, hash: false, live: None, folder: &self.folder, settings: &[] }
    }

    /// Over so many events, with the result hashed.
    pub(crate) fn hashed(&self, events: u64) -> How<'_> {
        How { hash: true, ..self.fast(events) }
    }

    /// Runs it here; `starter` starts the process and may hold it on some cores.
    pub(crate) fn flott(&self, query: &Query, how: &How<'_>, parallelism: u32, starter: &[String]) -> Result<Outcome> {
        let path = self.write(query, Engine::Flott, how)?;
        let text = text_by(starter, &["nexmark", "job", &parallelism.to_string(), &path.display().to_string()])?;
        text.trim_end().parse()
    }

    /// Runs it here in as many processes at once as there are starters, none with more than one subtask of a task.
    pub(crate) fn flott_at_once(&self, query: &Query, how: &How<'_>, starters: &[Vec<String>]) -> Result<Vec<Outcome>> {
        let path = self.write(query, Engine::Flott, how)?.display().to_string();
        let run = |starter: &Vec<String>| text_by(starter, &["nexmark", "job", "1", &path])?.trim_end().parse();
        std::thread::scope(|threads| {
            let running: Vec<_> = starters.iter().map(|starter| threads.spawn(move || run(starter))).collect();
            let ended = running.into_iter().map(|run| run.join());
            ended.map(|run| run.unwrap_or_else(|_| Err(Error::internal("a measurement panicked")))).collect()
        })
    }

    /// Runs it on Flink, with so large a heap; fails if it takes more seconds.
    pub(crate) fn flink(
        &self,
        query: &Query,
        how: &How<'_>,
        parallelism: u32,
        heap_mib: u32,
        limit_seconds: Option<u64>,
    ) -> Result<Outcome> {
        self.flink_with(query, how, parallelism, &Machine { heap_mib, limit_seconds, ..Machine::default() })
    }

    /// The same, in a process like this.
    pub(crate) fn flink_with(
        &self,
        query: &Query,
        how: &How<'_>,
        parallelism: u32,
        machine: &Machine,
    ) -> Result<Outcome> {
        let flink = self.flink.as_ref().ok_or_else(|| Error::invalid("Flink is not there to be asked"))?;
        let path = self.write(query, Engine::Flink, how)?.display().to_string();
        let Machine { heap_mib, managed_bytes, job_seconds, limit_seconds } = machine;
        let arguments = [
            parallelism.to_string(),
            WARM_SECONDS.to_string(),
            job_seconds.to_string(),
            format!("{managed_bytes}b"),
            path,
        ];
        let lines = flink.lines_within(*limit_seconds, "NexmarkJobs", &format!("{heap_mib}m"), &arguments)?;
        let [line] = lines.as_slice() else {
            return Err(Error::external(format!("Flink's side answered {} lines for {}", lines.len(), query.name)));
        };
        line.parse()
    }

    /// Writes the script of a run and says where it lies.
    pub(crate) fn write(&self, query: &Query, engine: Engine, how: &How<'_>) -> Result<PathBuf> {
        let path = self.folder.join(format!("{}-{engine:?}.sql", query.name));
        let written = std::fs::write(&path, script(query, engine, how));
        written.map_err(|e| Error::external("the script of a measurement cannot be written").with_source(e))?;
        Ok(path)
    }
}

/// Flott's side, in this process: runs the job of a script and gives its line.
pub(crate) fn job(parallelism: &str, path: &str) -> Result<String> {
    let (script, events) = read(path)?;
    let run = run::script_in(environment::real, &script, number(parallelism)?, &SETTINGS)?;
    Ok(format!("{}\n", outcome(&run, events)))
}

/// The script in a file, and how many events its source makes.
pub(super) fn read(path: &str) -> Result<(String, u64)> {
    let script = std::fs::read_to_string(path)
        .map_err(|e| Error::external(format!("the script '{path}' cannot be read")).with_source(e))?;
    let events = script.split("'events.num' = '").nth(1).and_then(|rest| rest.split('\'').next());
    let events = number(events.unwrap_or_default())?;
    Ok((script, events))
}

/// What a run over so many events came to.
pub(super) fn outcome(run: &Run, events: u64) -> Outcome {
    Outcome {
        seconds: run.seconds,
        cpu_seconds: run.cpu_seconds,
        rows: run.rows,
        events,
        events_seconds: run.seconds,
        events_cpu_seconds: run.cpu_seconds,
        peak_kib: run.peak_kib,
        hash: run.hash,
        latencies_ms: run.latencies_ms,
    }
}

/// The hashes of both sides over so many events, which must be the same.
pub(crate) fn check(sides: &Sides, query: &Query, events: u64) -> Result<u64> {
    let how = sides.hashed(events);
    let ours = sides.flott(query, &how, 1, &[])?;
    if !query.depends_on_order() {
        let others = sides.flott(query, &how, PARALLELISM, &[])?;
        differ(query, &format!("Flott at parallelism {PARALLELISM}"), &ours, &others)?;
    }
    if sides.has_flink() {
        differ(query, "Flink", &ours, &sides.flink(query, &how, 1, query.flink_heap_mib, None)?)?;
    }
    Ok(ours.hash)
}

fn differ(query: &Query, who: &str, ours: &Outcome, theirs: &Outcome) -> Result<()> {
    if ours.hash == theirs.hash {
        return Ok(());
    }
    let (ours, theirs) = (ours.hash, theirs.hash);
    Err(Error::internal(format!("{}: {who} gives other rows: hash {theirs:016x} instead of {ours:016x}", query.name)))
}
