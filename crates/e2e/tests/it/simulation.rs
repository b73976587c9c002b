//! A whole job in one thread, on a virtual clock and a bad object store, by seed.
//!
//! The job reads a sequence, counts it by key and by window, and writes both into a ledger whose rows
//! are visible only when they are committed. Its state does not fit into memory, so it lies in files.
//! Whatever happens, the ledger holds in the end what an undisturbed run gives, each row once, and the
//! checkpoint directory holds nothing that nobody needs.
//!
//! With every second seed checkpoints are unaligned, at once or after a while, and the ledger is slow, so that rows
//! are under way; a process that goes on may have it the other way.
//!
//! `FLOTT_SEEDS` sets how many seeds (50 by default; nightly runs take 2,000).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Clock, Environment, Rng};
use flott_api::ids::CheckpointId;
use flott_api::object::ObjectStores;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext, TableFactory,
};
use flott_api::testing::objects::{Crash, Fault, FaultKind, FaultRates, FaultRule, FaultyObjects};
use flott_api::testing::{FakeWorld, MemoryObjects, SimExecutor, lines};
use flott_api::{ChangeBatch, Error, ErrorKind, Result};
use flott_runtime::job::CheckpointCounts;
use flott_runtime::{JobHandle, JobOutcome, Plugins, SubmitOptions, TableFactories, submit};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Outcome, Session};
use flott_state::checkpoint::decode_manifest;
use futures::future::{Either, select};

use crate::session::Known;

const ROWS: usize = 400;
const DIRECTORY: &str = "memory://sim/checkpoints";

const SCRIPT: &str = "
    CREATE TABLE events (
      id BIGINT, account AS CAST(id * 7919 % 13 AS INT), moment AS TO_TIMESTAMP_LTZ(id * 100, 3),
      WATERMARK FOR moment AS moment
    ) WITH (
      'connector' = 'datagen', 'rows-per-second' = '1000', 'scan.parallelism' = '1',
      'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '400'
    );
    CREATE TABLE totals (account INT, n BIGINT, total BIGINT) WITH ('connector' = 'ledger');
    CREATE TABLE windows (account INT, window_end TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'ledger');
    CREATE TABLE copies (id BIGINT) WITH ('connector' = 'ledger');
    EXECUTE STATEMENT SET BEGIN
      INSERT INTO copies SELECT id FROM events;
      INSERT INTO totals SELECT account, COUNT(*), SUM(id) FROM events GROUP BY account;
      INSERT INTO windows SELECT account, window_end, COUNT(*)
        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(moment), INTERVAL '5' SECOND))
        GROUP BY account, window_start, window_end;
    END;";

#[derive(Clone, Default)]
struct Ledger {
    /// What is visible: by the id of the committable, the rows with their table.
    visible: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    /// How long a write takes.
    write_ms: u64,
}

impl Ledger {
    /// Each row with how often it was put in less how often it was taken out; and how many changes there were.
    fn balance(&self) -> (BTreeMap<String, i64>, usize) {
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
    fn identifier(&self) -> &'static str {
        "ledger"
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(Error::internal("a ledger is not read"))
    }

    fn describe_sink(&self, _: &TableContext) -> Result<SinkDescription> {
        Ok(SinkDescription { changelog: ChangelogMode::ALL, metadata: Vec::new(), overwrite: false, parallelism: None })
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
            write_ms: self.ledger.write_ms,
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
    /// How long a write takes.
    write_ms: u64,
    rows: Vec<String>,
}

#[async_trait]
impl SinkWriter for LedgerWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        if self.write_ms > 0 {
            self.clock.sleep_ms(self.write_ms).await;
        }
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
            let rows = std::str::from_utf8(&committable.payload).unwrap().lines().map(str::to_owned).collect();
            self.visible.lock().unwrap().insert(committable.id, rows);
        }
        Ok(())
    }
}

/// The world that outlives a process.
#[derive(Clone, Default)]
struct Outside {
    objects: Arc<MemoryObjects>,
    ledger: Ledger,
}

/// How a seed has its checkpoints: nothing if aligned, else after how long they overtake rows.
fn unaligned_after(seed: u64) -> Option<&'static str> {
    match seed % 4 {
        1 => Some("0 ms"),
        3 => Some("15 ms"),
        _ => None,
    }
}

/// How long a write takes with such checkpoints: as long as it takes rows to pile up.
const SLOW_WRITE_MS: u64 = 120;

/// A process with its own clock, chance and tasks.
struct Process {
    executor: Arc<SimExecutor>,
    job: JobHandle,
}

impl Outside {
    /// Whether the newest checkpoint has rows under way: then whoever goes on begins with them.
    fn has_rows_under_way(&self) -> bool {
        let of = |path: &String| path.split("/chk-").nth(1)?.split('/').next()?.parse::<u64>().ok();
        let all = self.objects.all();
        let newest = all.iter().filter_map(|(path, bytes)| Some((of(path)?, path, bytes))).max();
        let manifest = newest.and_then(|(_, path, bytes)| decode_manifest(path, bytes).ok());
        manifest.is_some_and(|m| m.in_flight().any(|rows| rows.rows > 0))
    }

    /// Starts the job in a new process, from its newest checkpoint.
    fn start(&self, seed: u64, parallelism: u32, store: &Arc<FaultyObjects>) -> Process {
        let executor = SimExecutor::new(seed);
        let mut environment = executor.environment(&FakeWorld::at(0));
        environment.objects = Arc::new(Arc::clone(store)) as Arc<dyn ObjectStores>;
        let mut tables: TableFactories =
            flott_connectors::factories().into_iter().map(|f| (f.identifier(), Arc::from(f))).collect();
        let unaligned = unaligned_after(seed);
        let write_ms = if unaligned.is_some() { SLOW_WRITE_MS } else { 0 };
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
            ("parallelism.default", &parallelism.to_string()),
        ] {
            configuration.set(key, value, Origin::File).unwrap();
        }
        for (key, value) in [
            ("execution.checkpointing.unaligned.enabled", unaligned.map(|_| "true")),
            ("execution.checkpointing.aligned-checkpoint-timeout", unaligned),
        ] {
            if let Some(value) = value {
                configuration.set(key, value, Origin::File).unwrap();
            }
        }
        let files = Arc::clone(&environment.files);
        let mut session = Session::new(configuration, Arc::new(Known(Arc::clone(&tables))), files).unwrap();
        let plugins =
            Plugins { operators: Arc::new(flott_operators::Factory), tables, environment, state_bytes_max: 1 };
        let mut graph = None;
        for statement in parse_script(SCRIPT) {
            if let Outcome::Job(job) = session.execute(&statement.unwrap().statement).unwrap() {
                let mut own = job.graph.clone();
                own.configuration.insert("flott.channel.buffer-size".into(), "2 kb".into());
                graph = Some(own.to_bytes().unwrap());
            }
        }
        let job = submit(&graph.unwrap(), &plugins, SubmitOptions::default()).unwrap();
        Process { executor, job }
    }
}

impl Process {
    /// Runs the job to its end.
    fn finish(self) -> Result<JobOutcome> {
        self.finish_counted().0
    }

    /// The same, with what it counts of its checkpoints.
    fn finish_counted(self) -> (Result<JobOutcome>, CheckpointCounts) {
        let ended = self.executor.run(self.job.wait());
        (ended, self.job.checkpoints())
    }

    /// Runs until the store has failed, and is gone then; whether the job ended before.
    fn run_until_fault(self, store: &FaultyObjects) -> Option<Result<JobOutcome>> {
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

/// What an undisturbed run gives.
fn expected() -> (BTreeMap<String, i64>, usize) {
    let outside = Outside::default();
    let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, Vec::new());
    assert_eq!(outside.start(1, 1, &store).finish().unwrap(), JobOutcome::Finished);
    let (rows, changes) = outside.ledger.balance();
    assert_eq!(rows.keys().filter(|r| r.starts_with("copies")).count(), ROWS);
    assert_eq!(rows.keys().filter(|r| r.starts_with("totals")).count(), 13);
    assert!(outside.objects.all().keys().all(|path| !path.contains("/shared/")), "a finished job keeps no state");
    (rows, changes)
}

fn check(outside: &Outside, expected: &(BTreeMap<String, i64>, usize), what: &str) {
    let (rows, changes) = outside.ledger.balance();
    assert_eq!((rows, changes), *expected, "{what}");
}

#[test]
fn a_bad_store_costs_time_and_no_row() {
    let seeds: u64 = std::env::var("FLOTT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let expected = expected();
    let (mut fired, mut unaligned) = (0, 0);
    for seed in 0..seeds {
        let mut run = || {
            let outside = Outside::default();
            let store = FaultyObjects::seeded(Arc::clone(&outside.objects) as _, seed, FaultRates::default());
            let parallelism = 1 + (seed % 3) as u32;
            let mut starts = 0;
            // What the job cannot bear itself, the next process goes on from.
            loop {
                let process = outside.start(seed + starts, parallelism, &store);
                let (ended, counts) = process.finish_counted();
                unaligned += counts.unaligned;
                if ended.is_ok() {
                    return (outside, store);
                }
                starts += 1;
                assert!(starts < 100, "seed {seed} comes to no end");
            }
        };
        let (outside, store) = run();
        check(&outside, &expected, &format!("seed {seed}"));
        fired += [FaultKind::Fail, FaultKind::LoseReply].iter().map(|kind| store.fired(*kind)).sum::<u64>();
        if seed < 5 {
            let (_, again) = run();
            assert_eq!(store.calls(), again.calls(), "seed {seed} is not the same twice");
        }
    }
    assert!(fired > seeds, "{fired} faults");
    assert!(unaligned > seeds / 4, "{unaligned} checkpoints have rows under way");
}

#[test]
fn a_process_may_die_at_every_call_to_the_store() {
    let expected = expected();
    // Seeds of which checkpoints are aligned, or overtake rows at once.
    for (crash, mode) in [(Crash::Before, 0), (Crash::ReplyLost, 0), (Crash::Before, 1), (Crash::ReplyLost, 1)] {
        let (mut died, mut with_rows) = (0, 0);
        // Unaligned ones take longer, and every other call will do.
        let step = if mode == 0 { 1 } else { 2 };
        for nth in (1..).step_by(step) {
            let outside = Outside::default();
            let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, FaultRule::crash(nth, crash));
            let ended = outside.start(4 * nth + mode, 1, &store).run_until_fault(&store);
            store.heal();
            if ended.is_some_and(|e| e.is_ok()) && store.fired_by_rule().iter().sum::<u64>() == 0 {
                break;
            }
            died += 1;
            with_rows += usize::from(outside.has_rows_under_way());
            // With another parallelism, so that state and rows move as well.
            let healthy = FaultyObjects::new(Arc::clone(&outside.objects) as _, Vec::new());
            let next = outside.start(nth + 1000, 2, &healthy).finish();
            let what = format!("{crash:?} at call {nth} of mode {mode}");
            assert_eq!(next.unwrap(), JobOutcome::Finished, "{what}");
            check(&outside, &expected, &what);
            let left: Vec<String> = outside.objects.all().into_keys().filter(|p| p.contains("/shared/")).collect();
            assert_eq!(left, Vec::<String>::new(), "{what}");
        }
        assert!(died * step > 20, "the job died at {died} calls only");
        assert!(mode == 0 || with_rows > 2, "{with_rows} processes left a checkpoint with rows under way");
    }
}

#[test]
fn damaged_state_is_never_used_in_part() {
    let expected = expected();
    let mut refused = 0;
    for fault in [Fault::FlipBit, Fault::ShortRead] {
        for nth in (20..200).step_by(9) {
            let outside = Outside::default();
            let rules = vec![FaultRule::any("").nth(nth).then(fault.clone())];
            let store = FaultyObjects::new(Arc::clone(&outside.objects) as _, rules);
            match outside.start(nth, 2, &store).finish() {
                // The damage was of no consequence, or a second look was right.
                Ok(_) => check(&outside, &expected, &format!("{fault:?} at call {nth}")),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0, "no damage was found");
}
