//! The world of the simulation: a ledger, an object store that outlives every process, and processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Clock, Environment, Rng};
use flott_api::ids::CheckpointId;
use flott_api::object::ObjectStores;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::testing::objects::FaultyObjects;
use flott_api::testing::{FakeWorld, MemoryObjects, SimExecutor, lines, process_functions};
use flott_api::{ChangeBatch, Error, Result};
use flott_runtime::environment::LocalFiles;
use flott_runtime::{JobHandle, JobOutcome, Plugins, SubmitOptions, TableFactories, submit};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Outcome, Session};
use flott_state::checkpoint::{Report, RoutingObjects, check_contents, check_directory, decode_manifest};
use futures::future::{Either, select};

use crate::session::Known;

/// How long a write takes with unaligned checkpoints: as long as it takes rows to pile up.
const SLOW_WRITE_MS: u64 = 120;

/// Where checkpoints lie.
pub(super) const DIRECTORY: &str = "memory://sim/checkpoints";

#[derive(Clone, Default)]
pub(super) struct Ledger {
    /// What is visible: by the id of the committable, the rows with their table.
    visible: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    /// What will never be: ids of committables.
    discarded: Arc<Mutex<BTreeSet<String>>>,
    written: Arc<AtomicU64>,
    /// How long a write takes.
    write_ms: u64,
}

impl Ledger {
    /// How many rows writers were given, visible or not.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Each row with how often it was put in less how often it was taken out; and how many changes there were.
    pub(super) fn balance(&self) -> (BTreeMap<String, i64>, usize) {
        let mut rows: BTreeMap<String, i64> = BTreeMap::new();
        let mut changes = 0;
        for line in self.visible.lock().unwrap().values().flatten() {
            let (table, change) = line.split_once(' ').unwrap();
            let (kind, row) = change.split_once('|').unwrap();
            *rows.entry(format!("{table}{row}")).or_default() += if kind.trim().starts_with('+') { 1 } else { -1 };
            changes += 1;
        }
        rows.retain(|_, count| *count != 0);
        (rows, changes)
    }
}

impl TableFactory for Ledger {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("ledger") }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(Error::internal("a ledger is not read"))
    }

    fn describe_sink(&self, _: &TableContext) -> Result<SinkDescription> {
        Ok(SinkDescription {
            changelog: ChangelogMode::ALL,
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: None,
        })
    }

    fn source(&self, _: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal("a ledger is not read"))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        let table = spec.table.rsplit('.').next().unwrap_or_default().to_owned();
        Ok(Box::new(LedgerSink { ledger: self.clone(), table }))
    }
}

struct LedgerSink {
    ledger: Ledger,
    table: String,
}

impl Sink for LedgerSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(LedgerWriter {
            table: self.table.clone(),
            rng: cx.environment.rng,
            clock: cx.environment.clock,
            ledger: self.ledger.clone(),
            rows: Vec::new(),
        }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(self.ledger.clone())))
    }
}

struct LedgerWriter {
    table: String,
    rng: Arc<dyn Rng>,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    rows: Vec<String>,
}

#[async_trait]
impl SinkWriter for LedgerWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        if self.ledger.write_ms > 0 {
            self.clock.sleep_ms(self.ledger.write_ms).await;
        }
        self.ledger.written.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.rows.extend(lines(&batch).into_iter().map(|line| format!("{} {line}", self.table)));
        Ok(())
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let payload = Bytes::from(std::mem::take(&mut self.rows).join("\n"));
        Ok(vec![Committable { id: format!("{:016x}", self.rng.next_u64()), payload }])
    }
}

#[async_trait]
impl Committer for Ledger {
    async fn commit(&mut self, _: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        for committable in committables {
            assert!(!self.discarded.lock().unwrap().contains(&committable.id), "what was discarded is in a checkpoint");
            let rows = std::str::from_utf8(&committable.payload).unwrap().lines().map(str::to_owned).collect();
            self.visible.lock().unwrap().insert(committable.id, rows);
        }
        Ok(())
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        self.discarded.lock().unwrap().extend(committables.into_iter().map(|c| c.id));
        Ok(())
    }
}

/// The world that outlives a process.
#[derive(Clone, Default)]
pub(super) struct Outside {
    pub(super) objects: Arc<MemoryObjects>,
    pub(super) ledger: Ledger,
}

/// A process with its own clock, chance and tasks.
pub(super) struct Process {
    pub(super) executor: Arc<SimExecutor>,
    pub(super) job: JobHandle,
}

/// How a job is started.
#[derive(Clone, Copy)]
pub(super) struct Start<'a> {
    pub(super) seed: u64,
    pub(super) parallelism: u32,
    pub(super) script: &'a str,
    /// After how long barriers overtake rows, if they do. Then the ledger is slow and channels are short, so that rows
    /// are under way.
    pub(super) unaligned: Option<&'a str>,
    /// What its configuration says besides.
    pub(super) options: &'a [(&'a str, &'a str)],
}

impl Default for Start<'_> {
    fn default() -> Self {
        Start { seed: 1, parallelism: 1, script: super::SCRIPT, unaligned: None, options: &[] }
    }
}

impl Outside {
    /// Starts the job in a new process, from its newest checkpoint.
    pub(super) fn start(&self, seed: u64, parallelism: u32, store: &Arc<FaultyObjects>) -> Process {
        self.start_with(&Start { seed, parallelism, ..Start::default() }, store)
    }

    /// The same with other options.
    pub(super) fn start_with(&self, start: &Start<'_>, store: &Arc<FaultyObjects>) -> Process {
        self.start_on(start, Arc::new(Arc::clone(store)))
    }

    /// The same on any store.
    pub(super) fn start_on(&self, start: &Start<'_>, stores: Arc<dyn ObjectStores>) -> Process {
        let executor = SimExecutor::new(start.seed);
        let mut environment = executor.environment(&FakeWorld::at(0));
        environment.objects = stores;
        environment.files = Arc::new(LocalFiles::new());
        let mut tables: TableFactories =
            flott_connectors::factories().into_iter().map(|f| (f.identifier(), Arc::from(f))).collect();
        let write_ms = if start.unaligned.is_some() { SLOW_WRITE_MS } else { 0 };
        tables.insert("ledger", Arc::new(Ledger { write_ms, ..self.ledger.clone() }));
        let tables = Arc::new(tables);
        let mut configuration = Configuration::default();
        for (key, value) in [
            ("table.local-time-zone", "UTC"),
            ("execution.checkpointing.interval", "50 ms"),
            ("execution.checkpointing.dir", DIRECTORY),
            ("execution.checkpointing.tolerable-failed-checkpoints", "1000"),
            ("execution.checkpointing.num-retained", "2"),
            ("execution.checkpointing.data-inline-threshold", "0 b"),
            ("execution.state-recovery.path", "latest"),
            ("restart-strategy.exponential-delay.initial-backoff", "10 ms"),
            ("restart-strategy.exponential-delay.max-backoff", "100 ms"),
            ("parallelism.default", &start.parallelism.to_string()),
        ] {
            configuration.set(key, value, Origin::File).unwrap();
        }
        for (key, value) in [
            ("execution.checkpointing.unaligned.enabled", start.unaligned.map(|_| "true")),
            ("execution.checkpointing.aligned-checkpoint-timeout", start.unaligned),
        ] {
            if let Some(value) = value {
                configuration.set(key, value, Origin::File).unwrap();
            }
        }
        for (key, value) in start.options {
            configuration.set(key, value, Origin::CommandLine).unwrap();
        }
        let files = Arc::clone(&environment.files);
        let mut session = Session::new(configuration, Arc::new(Known(Arc::clone(&tables))), files).unwrap();
        let plugins = Plugins {
            operators: Arc::new(flott_operators::Factory::new(process_functions())),
            tables,
            environment,
            state_bytes_max: 1,
        };
        let mut graph = None;
        for statement in parse_script(start.script) {
            if let Outcome::Job(job) = session.execute(&statement.unwrap().statement).unwrap() {
                let mut own = job.graph.clone();
                if start.unaligned.is_some() {
                    own.configuration.insert("flott.channel.buffer-size".into(), "2 kb".into());
                }
                graph = Some(own.to_bytes().unwrap());
            }
        }
        let job = submit(&graph.unwrap(), &plugins, SubmitOptions::default()).unwrap();
        Process { executor, job }
    }

    /// Whether the newest checkpoint has rows under way: then whoever goes on begins with them.
    pub(super) fn has_rows_under_way(&self) -> bool {
        let of = |path: &String| path.split("/chk-").nth(1)?.split('/').next()?.parse::<u64>().ok();
        let all = self.objects.all();
        let newest = all.iter().filter_map(|(path, bytes)| Some((of(path)?, path, bytes))).max();
        let manifest = newest.and_then(|(_, path, bytes)| decode_manifest(path, bytes).ok());
        manifest.is_some_and(|m| m.in_flight().any(|rows| rows.rows > 0))
    }

    /// What the newest checkpoint has and nobody has committed: ids and rows.
    pub(super) fn uncommitted(&self) -> Vec<(String, String)> {
        let of = |path: &String| path.split("/chk-").nth(1)?.split('/').next()?.parse::<u64>().ok();
        let all = self.objects.all();
        let newest = all.iter().filter_map(|(path, bytes)| Some((of(path)?, path, bytes))).max();
        let manifest = newest.and_then(|(_, path, bytes)| decode_manifest(path, bytes).ok());
        let visible = self.ledger.visible.lock().unwrap();
        let waiting = manifest.into_iter().flat_map(|m| m.operators).flat_map(|o| o.committables);
        let waiting = waiting.filter(|c| !visible.contains_key(&c.id));
        waiting.map(|c| (c.id, String::from_utf8(c.payload.to_vec()).unwrap())).collect()
    }

    /// Whether what has this id is committed.
    pub(super) fn has_committed(&self, id: &str) -> bool {
        self.ledger.visible.lock().unwrap().contains_key(id)
    }

    /// The same world once more, which goes its own way from here on.
    pub(super) fn copy(&self) -> Outside {
        let copy = Outside::default();
        self.objects.all().into_iter().for_each(|(path, bytes)| copy.objects.damage(&path, Some(bytes)));
        copy.ledger.visible.lock().unwrap().clone_from(&*self.ledger.visible.lock().unwrap());
        copy
    }

    /// A store in front of the objects that does not fail.
    pub(super) fn healthy(&self) -> Arc<FaultyObjects> {
        FaultyObjects::new(Arc::clone(&self.objects) as _, Vec::new())
    }

    /// Looks into the directory of each job, at every byte.
    pub(super) fn reports(&self) -> Vec<Report> {
        let executor = SimExecutor::new(1);
        let environment = executor.environment(&FakeWorld::at(0));
        let folder = DIRECTORY.split_once("://").map_or(DIRECTORY, |(_, path)| path);
        let jobs: BTreeSet<String> = (self.objects.all().into_keys())
            .filter_map(|path| path.strip_prefix(folder)?.split('/').nth(1).map(str::to_owned))
            .collect();
        let look = |job: String| {
            let stores: Arc<dyn ObjectStores> = Arc::new(Arc::clone(&self.objects));
            let files = RoutingObjects::new(stores, &format!("{DIRECTORY}/{job}")).unwrap();
            executor.run(async {
                let mut report = check_directory(&files, &environment).await.unwrap();
                check_contents(&files, &environment, &mut report).await.unwrap();
                report
            })
        };
        jobs.into_iter().map(look).collect()
    }
}

impl Process {
    /// Runs the job to its end.
    pub(super) fn finish(self) -> Result<JobOutcome> {
        self.executor.run(self.job.wait())
    }

    /// Runs until the store has failed, and is gone then; whether the job ended before.
    pub(super) fn run_until_fault(self, store: &FaultyObjects) -> Option<Result<JobOutcome>> {
        let clock = Arc::clone(&self.executor) as Arc<dyn Clock>;
        let fault = async {
            while store.fired_by_rule().iter().sum::<u64>() == 0 {
                clock.sleep_ms(1).await;
            }
        };
        self.executor.run(async {
            match select(Box::pin(self.job.wait()), Box::pin(fault)).await {
                Either::Left((ended, _)) => Some(ended),
                Either::Right(_) => None,
            }
        })
    }
}
