//! Flink's recordings once more: each query of `oracle` straight; with a checkpoint, a kill and a restore; and with a
//! checkpoint at parallelism 2 and a restore at 3. The rows are the recorded ones each time.
//!
//! Sources give a row, or a few, every few milliseconds of the virtual clock, so that a kill comes while rows are under way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Clock, Environment};
use flott_api::ids::CheckpointId;
use flott_api::lookup::LookupFactory;
use flott_api::object::ObjectStores;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::{Boundedness, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::testing::{FakeWorld, LookupTest, MemoryObjects, SimExecutor, process_functions};
use flott_api::{ChangeBatch, Error, Result, Schema};
use flott_runtime::environment::LocalFiles;
use flott_runtime::{JobHandle, Plugins, SubmitOptions, TableFactories, submit};
use flott_sql::config::{Configuration, Origin};
use flott_sql::parser::parse_script;
use flott_sql::session::{Job, JobKind, Outcome, Session};
use futures::future::{Either, select};

use crate::known::{chosen, oracle, query_areas, scripts_of};
use crate::scripts::{Answer, difference, fold, fold_mini_batches, recorded};
use crate::session::{AS_RECORDED, Known, row_texts};

/// Before the other statements of a bounded query.
pub(super) const BATCH_MODE: &str = "SET 'execution.runtime-mode' = 'batch'";

const ROW_MS: u64 = 5;
/// A long file comes in so many steps, a short one row by row: enough for some dozens of checkpoints.
const STEPS_PER_BATCH: usize = 150;
/// What a bounded query may take of memory: it does not spill, for which it would need threads.
const BATCH_BYTES_MAX: usize = 1 << 30;
/// As short as it may be.
const CHECKPOINT_MS: u64 = 10;

/// A connector whose sources give few rows at a time, with a pause before each time.
struct Slow(Arc<dyn TableFactory>);

impl TableFactory for Slow {
    fn description(&self) -> &'static ConnectorDescription {
        self.0.description()
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        self.0.describe_source(table)
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        self.0.describe_sink(table)
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(SlowSource(self.0.source(spec)?)))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        self.0.sink(spec)
    }

    fn default_schema(&self) -> Option<Schema> {
        self.0.default_schema()
    }

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        self.0.lookup()
    }
}

struct SlowSource(Box<dyn Source>);

impl Source for SlowSource {
    fn boundedness(&self) -> Boundedness {
        self.0.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(SlowEnumerator(self.0.enumerator(environment, restored)?)))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let clock = Arc::clone(&cx.environment.clock);
        Ok(Box::new(SlowReader { inner: self.0.reader(cx)?, clock, skip: BTreeMap::new(), held: None }))
    }
}

/// A split's state is how many rows of it are to be skipped, and the source's own.
fn wrapped(split: Split, skip: u64) -> Split {
    Split { state: [&skip.to_le_bytes()[..], &split.state].concat().into(), ..split }
}

fn unwrapped(split: Split) -> (Split, u64) {
    let skip = u64::from_le_bytes(split.state[..8].try_into().unwrap());
    (Split { state: split.state.slice(8..), ..split }, skip)
}

struct SlowEnumerator(Box<dyn SplitEnumerator>);

#[async_trait]
impl SplitEnumerator for SlowEnumerator {
    async fn discover(&mut self) -> Result<flott_api::source::Discovery> {
        let mut found = self.0.discover().await?;
        found.splits = found.splits.into_iter().map(|split| wrapped(split, 0)).collect();
        Ok(found)
    }

    fn add_back(&mut self, splits: Vec<Split>) {
        let plain: Vec<Split> = splits
            .into_iter()
            .map(unwrapped)
            .map(|(split, skip)| {
                assert_eq!(skip, 0, "a split that was read in part does not come back");
                split
            })
            .collect();
        self.0.add_back(plain);
    }

    fn on_event(&mut self, subtask: u32, event: Bytes) -> Result<Vec<Bytes>> {
        self.0.on_event(subtask, event)
    }

    fn snapshot(&mut self) -> Result<Bytes> {
        self.0.snapshot()
    }
}

/// A batch of which rows are given one by one.
struct HeldBatch {
    split: String,
    batch: ChangeBatch,
    /// Rows of it that were given or skipped.
    given: usize,
    /// Where the splits stood before it.
    before: Vec<Split>,
}

struct SlowReader {
    inner: Box<dyn SplitReader>,
    clock: Arc<dyn Clock>,
    /// Rows that were given before the restore, by split.
    skip: BTreeMap<String, u64>,
    held: Option<HeldBatch>,
}

#[async_trait]
impl SplitReader for SlowReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        let mut plain = Vec::new();
        for (split, skip) in splits.into_iter().map(unwrapped) {
            self.skip.insert(split.id.clone(), skip);
            plain.push(split);
        }
        self.inner.add_splits(plain)
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        loop {
            if let Some(held) = self.held.as_mut().filter(|held| held.given < held.batch.len()) {
                self.clock.sleep_ms(ROW_MS).await;
                let rows = held.batch.len().div_ceil(STEPS_PER_BATCH).min(held.batch.len() - held.given);
                let (split, batch) = (held.split.clone(), held.batch.slice(held.given, rows));
                held.given += rows;
                return Ok(ReadEvent::Batch { split, batch });
            }
            self.held = None;
            let before = self.inner.snapshot()?;
            match self.inner.next().await? {
                ReadEvent::Batch { split, batch } => {
                    let skip = self.skip.entry(split.clone()).or_default();
                    let given = batch.len().min(*skip as usize);
                    // Where the batch begins there is nothing more to skip than its own.
                    let before = before.into_iter().map(|s| wrapped(s, 0)).collect();
                    *skip -= given as u64;
                    self.held = Some(HeldBatch { split, batch, given, before });
                }
                finished => return Ok(finished),
            }
        }
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        let skip_of = |id: &str| self.skip.get(id).copied().unwrap_or(0);
        let Some(held) = &self.held else {
            let plain = self.inner.snapshot()?;
            return Ok(plain
                .into_iter()
                .map(|s| {
                    let n = skip_of(&s.id);
                    wrapped(s, n)
                })
                .collect());
        };
        let place = |split: &Split| {
            let (plain, _) = unwrapped(split.clone());
            let own = if plain.id == held.split { held.given as u64 } else { 0 };
            let skip = own + skip_of(&plain.id);
            wrapped(plain, skip)
        };
        Ok(held.before.iter().map(place).collect())
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        self.inner.pause_split(split, paused);
    }

    fn on_event(&mut self, event: Bytes) -> Result<()> {
        self.inner.on_event(event)
    }
}

/// What a query's sink has committed, in order, each committable once.
#[derive(Clone, Default)]
struct Committed(Arc<Mutex<Vec<Commit>>>);

/// The id of a committable, and its changes.
type Commit = (String, Vec<String>);

impl Committed {
    fn changes(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().flat_map(|(_, rows)| rows).cloned().collect()
    }
}

impl TableFactory for Committed {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("$collect") }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(Error::internal("a result is not read"))
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
        Err(Error::internal("a result is not read"))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(ResultSink { committed: self.clone(), schema: spec.schema.clone() }))
    }
}

struct ResultSink {
    committed: Committed,
    schema: Schema,
}

impl Sink for ResultSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(ResultWriter { schema: self.schema.clone(), environment: cx.environment, rows: Vec::new() }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(self.committed.clone())))
    }
}

struct ResultWriter {
    schema: Schema,
    environment: Environment,
    rows: Vec<String>,
}

#[async_trait]
impl SinkWriter for ResultWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        self.rows.extend(row_texts(&self.schema, &batch));
        Ok(())
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let payload = Bytes::from(std::mem::take(&mut self.rows).join("\n"));
        Ok(vec![Committable { id: format!("{:016x}", self.environment.rng.next_u64()), payload }])
    }
}

#[async_trait]
impl Committer for Committed {
    async fn commit(&mut self, _: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        let mut committed = self.0.lock().unwrap();
        for Committable { id, payload } in committables {
            if committed.iter().all(|(known, _)| *known != id) {
                committed.push((id, std::str::from_utf8(&payload).unwrap().lines().map(str::to_owned).collect()));
            }
        }
        Ok(())
    }
}

/// What outlives a process.
#[derive(Clone, Default)]
pub(super) struct Outside {
    objects: Arc<MemoryObjects>,
    committed: Committed,
}

/// A session in a process of the simulation.
pub(super) struct Process {
    executor: Arc<SimExecutor>,
    session: Session,
    plugins: Plugins,
}

impl Outside {
    pub(super) fn process(&self, seed: u64, parallelism: u32) -> Process {
        let executor = SimExecutor::new(seed);
        let mut environment = executor.environment(&FakeWorld::at(0));
        environment.objects = Arc::new(Arc::clone(&self.objects)) as Arc<dyn ObjectStores>;
        environment.files = Arc::new(LocalFiles::new());
        let slow = |factory: Box<dyn TableFactory>| (factory.identifier(), Arc::new(Slow(Arc::from(factory))) as _);
        let mut tables: TableFactories = flott_connectors::factories().into_iter().map(slow).collect();
        let batch = flott_batch::BatchFactory::new(tables.clone(), BATCH_BYTES_MAX);
        tables.insert(batch.description().identifier, Arc::new(batch));
        // What is printed is looked at like the result of a query.
        tables.insert("print", Arc::new(self.committed.clone()));
        tables.insert("$collect", Arc::new(self.committed.clone()));
        tables.insert("lookup-test", Arc::new(LookupTest::default()));
        let tables = Arc::new(tables);
        let mut configuration = Configuration::default();
        let parallelism = ("parallelism.default", &parallelism.to_string() as &str);
        for (key, value) in AS_RECORDED.into_iter().chain([parallelism]) {
            configuration.set(key, value, Origin::File).unwrap();
        }
        let files = Arc::clone(&environment.files);
        let session = Session::new(configuration, Arc::new(Known(Arc::clone(&tables))), files).unwrap();
        let plugins = Plugins {
            operators: Arc::new(flott_operators::Factory::new(process_functions())),
            tables,
            environment,
            state_bytes_max: 1,
        };
        Process { executor, session, plugins }
    }
}

impl Process {
    /// Executes what comes before a statement, but no job, and plans the statement; or says what was refused last.
    pub(super) fn planned(&mut self, statements: &[&str]) -> Result<Job, String> {
        let mut last = Err("no statement".to_owned());
        for text in statements {
            let Some(parsed) = parse_script(text).next() else { continue };
            let parsed = parsed.map_err(|e| e.to_string())?;
            last = self.session.execute(&parsed.statement).map_err(|e| e.to_string());
        }
        match last? {
            Outcome::Job(job) if matches!(job.kind, JobKind::Select { .. } | JobKind::Insert { .. }) => Ok(*job),
            _ => Err("no query".to_owned()),
        }
    }

    fn submit(&self, job: &Job, checkpoints: bool) -> JobHandle {
        let mut graph = job.graph.clone();
        if checkpoints {
            for (key, value) in [
                ("execution.checkpointing.interval", &format!("{CHECKPOINT_MS} ms") as &str),
                ("execution.checkpointing.dir", "memory://sim/checkpoints"),
                ("execution.checkpointing.data-inline-threshold", "0 b"),
                ("execution.state-recovery.path", "latest"),
            ] {
                graph.configuration.insert(key.to_owned(), value.to_owned());
            }
        }
        submit(&graph.to_bytes().unwrap(), &self.plugins, SubmitOptions::default()).unwrap()
    }
}

/// The answer of a run that nothing disturbs, and how long it took.
fn straight(statements: &[&str]) -> Option<(Answer, u64)> {
    let (changes, took_ms) = undisturbed(statements, 1, 1).ok()?;
    Some((Answer { changes, ..Answer::default() }, took_ms))
}

/// The same at any parallelism, with what went wrong.
pub(super) fn undisturbed(statements: &[&str], seed: u64, parallelism: u32) -> Result<(Vec<String>, u64), String> {
    let outside = Outside::default();
    let mut process = outside.process(seed, parallelism);
    let job = process.planned(statements)?;
    let handle = process.submit(&job, false);
    process.executor.run(handle.wait()).map_err(|e| e.to_string())?;
    let took_ms = process.executor.monotonic_ns() / 1_000_000;
    Ok((outside.committed.changes(), took_ms))
}

/// The answer of a run that is killed after so long, and goes on with another parallelism; and whether the kill came
/// behind a checkpoint and before the end.
fn disturbed(statements: &[&str], after_ms: u64, parallelism: (u32, u32)) -> (Answer, bool) {
    let Killed { changes, was_in_time, .. } = killed(statements, after_ms, parallelism).unwrap();
    (Answer { changes, ..Answer::default() }, was_in_time)
}

/// The changes of a run that is killed after so long and goes on with another parallelism, or what went wrong.
pub(super) fn disturbed_or_error(
    statements: &[&str],
    after_ms: u64,
    parallelism: (u32, u32),
) -> Result<Vec<String>, String> {
    killed(statements, after_ms, parallelism).map(|killed| killed.changes)
}

/// The rows of a query in batch mode: another way to what the changes of a stream come to.
pub(super) fn bounded(statements: &[&str]) -> Result<Vec<String>, String> {
    let statements: Vec<&str> = [BATCH_MODE].iter().chain(statements).copied().collect();
    undisturbed(&statements, 1, 1).map(|(rows, _)| rows)
}

/// What a query has committed that is cancelled after so long, and whether it was under way.
pub(super) fn cancelled(statements: &[&str], after_ms: u64) -> Result<(Vec<String>, bool), String> {
    let outside = Outside::default();
    let mut process = outside.process(after_ms, 1);
    let job = process.planned(statements)?;
    let handle = process.submit(&job, false);
    let was_under_way = process.executor.run(async {
        let wait = process.executor.sleep_ms(after_ms);
        matches!(select(Box::pin(handle.wait()), wait).await, Either::Right(_))
    });
    handle.cancel();
    let outcome = process.executor.run(handle.wait()).map_err(|e| e.to_string())?;
    if was_under_way != (outcome == flott_runtime::JobOutcome::Cancelled) {
        return Err(format!("it ended as {outcome:?}"));
    }
    Ok((outside.committed.changes(), was_under_way))
}

/// What a run came to that was killed.
pub(super) struct Killed {
    pub(super) changes: Vec<String>,
    /// Of both processes.
    pub(super) checkpoints: u64,
    /// Behind a checkpoint and before the end.
    pub(super) was_in_time: bool,
}

/// The same with what went wrong.
pub(super) fn killed(statements: &[&str], after_ms: u64, (before, after): (u32, u32)) -> Result<Killed, String> {
    let outside = Outside::default();
    let mut process = outside.process(after_ms, before);
    let job = process.planned(statements)?;
    let handle = process.submit(&job, true);
    let has_ended = process.executor.run(async {
        let wait = process.executor.sleep_ms(after_ms);
        matches!(select(Box::pin(handle.wait()), wait).await, Either::Left(_))
    });
    let checkpoints = handle.checkpoints().completed;
    drop(process);
    let mut next = outside.process(after_ms + 1000, after);
    let job = next.planned(statements)?;
    let handle = next.submit(&job, true);
    next.executor.run(handle.wait()).map_err(|e| format!("{e:?}"))?;
    Ok(Killed {
        changes: outside.committed.changes(),
        checkpoints: checkpoints + handle.checkpoints().completed,
        was_in_time: checkpoints > 0 && !has_ended,
    })
}

/// Each statement of a script with its number from 1.
pub(super) fn statements(sql: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = sql;
    while let Some(Ok(parsed)) = parse_script(rest).next() {
        let end = parsed.text_range.end;
        all.push(&rest[parsed.text_range]);
        rest = rest[end..].trim_start().trim_start_matches(';');
    }
    all
}

/// What the three ways of a script's queries come to: how many were compared, and how many of the kills were in time.
fn three_ways(script: &Path) -> (u64, u64) {
    let name = script.display();
    let data = oracle().join("../data");
    let sql = std::fs::read_to_string(script).unwrap();
    let sql = sql.replace("${DATA}", data.to_str().unwrap()).replace("${LOOKUP_FILES}", "filesystem");
    let mut flink = recorded(&std::fs::read_to_string(script.with_extension("out")).unwrap());
    let all = statements(&sql);
    fold_mini_batches(&mut flink, all.iter().copied());
    let (mut compared, mut in_time) = (0, 0);
    for (number, flink) in (1..).zip(&flink).take(all.len()) {
        let statement = all[number - 1];
        // What comes before it: tables, views and options, and no other query.
        let is_query = |text: &&&str| text.trim_start().to_uppercase().starts_with("SELECT");
        let mut until: Vec<&str> = all[..number - 1].iter().filter(|text| !is_query(text)).copied().collect();
        until.push(statement);
        // Which watermark a row meets depends on when it comes; all else does not.
        if flink.failed.is_some() || !is_query(&&statement) || statement.contains("CURRENT_WATERMARK") {
            continue;
        }
        let flink = Answer { changes: flink.changes.clone(), folded: flink.folded, ..Answer::default() };
        let Some((ours, took_ms)) = straight(&until) else { continue };
        // Known differences are listed and told elsewhere. What is over before the first checkpoint cannot be disturbed.
        if difference(&flink, &ours, statement).is_some() || took_ms <= 2 * CHECKPOINT_MS {
            continue;
        }
        compared += 1;
        let what = format!("{name}, statement {number}: {statement}");
        let (ours, was_in_time) = disturbed(&until, took_ms / 2 + 1, (1, 1));
        assert_eq!(difference(&flink, &ours, statement), None, "{what}");
        in_time += u64::from(was_in_time);
        let (ours, was_in_time) = disturbed(&until, took_ms / 2 + 1, (2, 3));
        assert_eq!(fold(&ours.changes), fold(&flink.changes), "{what}");
        in_time += u64::from(was_in_time);
    }
    (compared, in_time)
}

#[test]
fn recorded_queries_survive_a_kill_and_another_parallelism() {
    // A job in batch mode has no checkpoint to begin from.
    let streams =
        |script: &PathBuf| !std::fs::read_to_string(script).unwrap().contains("'execution.runtime-mode' = 'batch'");
    let scripts: Vec<PathBuf> = query_areas().iter().flat_map(|area| scripts_of(area)).filter(streams).collect();
    let (compared, in_time) = (AtomicU64::new(0), AtomicU64::new(0));
    super::for_each(0..scripts.len() as u64, |number| {
        let (queries, kills) = three_ways(&scripts[number as usize]);
        compared.fetch_add(queries, Ordering::Relaxed);
        in_time.fetch_add(kills, Ordering::Relaxed);
    });
    let (compared, in_time) = (compared.into_inner(), in_time.into_inner());
    let enough = chosen().is_some() || compared > 40 && 2 * in_time > 3 * compared;
    assert!(enough, "{compared} queries, {in_time} kills in time");
}

/// What a model answers is asked for while the kill comes: no row is answered twice or lost.
#[test]
fn calls_of_models_survive_a_kill_and_another_parallelism() {
    let (compared, in_time) = three_ways(&oracle().join("model/predict.sql"));
    assert!(compared > 10 && in_time > compared, "{compared} queries, {in_time} kills in time");
}

#[test]
fn queries_beyond_flink_survive_a_kill_and_another_parallelism() {
    let done: Vec<(u64, u64)> = crate::beyond::scripts().iter().map(|script| three_ways(script)).collect();
    let compared: u64 = done.iter().map(|(queries, _)| queries).sum();
    let in_time: u64 = done.iter().map(|(_, kills)| kills).sum();
    assert!(compared > 8 && in_time > compared, "{compared} queries, {in_time} kills in time");
}
