//! Sources and sinks that follow a script, operators made of closures, and a log of all they do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Environment, Rng};
use flott_api::ids::{CheckpointId, JobId};
use flott_api::operator::{EventTime, Operator, OperatorFactory, OperatorInstance};
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::{
    Boundedness, Discovery, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader,
};
use flott_api::table::{
    ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext, TableFactory,
};
use flott_api::testing::MemoryObjects;
use flott_api::{ChangeBatch, Error, Result};
use tokio::sync::watch;

use super::rows::values;
use super::world::{ManualClock, environment};
use crate::environment::SeededRandom;
use crate::{JobHandle, Plugins, SubmitOptions, submit};

/// What a source does after its splits' batches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    End,
    Wait,
    /// The last batch again and again, with no more await than that.
    Repeat,
}

#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) splits: Vec<Vec<ChangeBatch>>,
    pub(crate) then: Then,
    /// Whether a reader reads its splits in turns, not one after the other.
    turns: bool,
    /// How many batches there are of each split for now.
    there: watch::Receiver<usize>,
}

type Make = Box<dyn Fn() -> (Box<dyn Operator>, EventTime) + Send + Sync>;

/// Everything that the fakes share.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    scripts: Mutex<BTreeMap<String, Script>>,
    operators: Mutex<BTreeMap<String, Make>>,
    log: Mutex<Vec<String>>,
    written: Mutex<Vec<(String, u32, Vec<i64>)>>,
    /// By the id of the committable.
    committed: Mutex<BTreeMap<String, Vec<i64>>>,
    objects: Arc<MemoryObjects>,
    /// One for all jobs: what two of them draw is not the same.
    rng: Arc<SeededRandom>,
    /// While true, sinks take nothing.
    pub(crate) sinks_blocked: watch::Sender<bool>,
    /// Panics where a table's name says so.
    pub(crate) commit_fails: watch::Sender<bool>,
    /// As which jobs committers were asked to clean up.
    pub(crate) recovered: Mutex<Vec<JobId>>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(World {
            clock: Arc::default(),
            scripts: Mutex::default(),
            operators: Mutex::default(),
            log: Mutex::default(),
            written: Mutex::default(),
            committed: Mutex::default(),
            objects: MemoryObjects::new(),
            rng: Arc::new(SeededRandom::from_seed(1)),
            sinks_blocked: watch::channel(false).0,
            commit_fails: watch::channel(false).0,
            recovered: Mutex::default(),
        })
    }

    pub(crate) fn script(&self, source: &str, splits: Vec<Vec<ChangeBatch>>, then: Then) {
        let there = watch::channel(usize::MAX).1;
        self.scripts.lock().unwrap().insert(source.into(), Script { splits, then, turns: false, there });
    }

    /// The same of a source that reads its splits in turns, and of each no more batches than the test says there are.
    pub(crate) fn script_in_turns(
        &self,
        source: &str,
        splits: Vec<Vec<ChangeBatch>>,
        then: Then,
    ) -> watch::Sender<usize> {
        let (sender, there) = watch::channel(0);
        self.scripts.lock().unwrap().insert(source.into(), Script { splits, then, turns: true, there });
        sender
    }

    pub(crate) fn operator<O: Operator + 'static>(
        &self,
        kind: &str,
        event_time: EventTime,
        make: impl Fn() -> O + Send + Sync + 'static,
    ) {
        let make: Make = Box::new(move || (Box::new(make()), event_time));
        self.operators.lock().unwrap().insert(kind.into(), make);
    }

    pub(crate) fn log(&self, line: impl Into<String>) {
        self.log.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// All rows that sinks of a table have taken, in order of their arrival.
    pub(crate) fn written(&self, table: &str) -> Vec<i64> {
        let written = self.written.lock().unwrap();
        written.iter().filter(|(t, ..)| t == table).flat_map(|(_, _, v)| v.clone()).collect()
    }

    /// All rows of a table that are visible, sorted.
    pub(crate) fn committed(&self, table: &str) -> Vec<i64> {
        let committed = self.committed.lock().unwrap();
        let of_table = committed.iter().filter(|(id, _)| id.starts_with(&format!("{table}-")));
        let mut rows: Vec<i64> = of_table.flat_map(|(_, rows)| rows.clone()).collect();
        rows.sort_unstable();
        rows
    }

    /// Its object storage.
    pub(crate) fn objects(&self) -> &Arc<MemoryObjects> {
        &self.objects
    }

    /// The same, of one subtask.
    pub(crate) fn written_by(&self, subtask: u32) -> Vec<i64> {
        let written = self.written.lock().unwrap();
        written.iter().filter(|(_, s, _)| *s == subtask).flat_map(|(_, _, v)| v.clone()).collect()
    }

    pub(crate) fn plugins(self: &Arc<Self>) -> Plugins {
        let tables: Arc<dyn TableFactory> = Arc::new(FakeTables { world: Arc::clone(self) });
        Plugins {
            operators: Arc::new(FakeOperators { world: Arc::clone(self) }),
            tables: Arc::new(BTreeMap::from([("fake", tables)])),
            environment: environment(Arc::clone(&self.clock), Arc::clone(&self.objects), Arc::clone(&self.rng)),
            state_bytes_max: 64 << 20,
        }
    }

    pub(crate) fn submit(self: &Arc<Self>, graph: &super::graph::GraphBuilder) -> JobHandle {
        submit(&graph.bytes(), &self.plugins(), SubmitOptions::default()).unwrap()
    }
}

struct FakeOperators {
    world: Arc<World>,
}

impl OperatorFactory for FakeOperators {
    fn create(&self, kind: &str, _: &[u8]) -> Result<OperatorInstance> {
        let operators = self.world.operators.lock().unwrap();
        let make = operators.get(kind).ok_or_else(|| Error::internal(format!("no operator '{kind}'")))?;
        let (operator, event_time) = make();
        Ok(OperatorInstance { operator, event_time })
    }
}

struct FakeTables {
    world: Arc<World>,
}

impl TableFactory for FakeTables {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("fake") }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(Error::unsupported("planning"))
    }

    fn describe_sink(&self, _: &TableContext) -> Result<SinkDescription> {
        Err(Error::unsupported("planning"))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        let script = self.world.scripts.lock().unwrap().get(&spec.table).cloned();
        let script = script.ok_or_else(|| Error::invalid(format!("no script '{}'", spec.table)))?;
        Ok(Box::new(FakeSource { world: Arc::clone(&self.world), table: spec.table.clone(), script }))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        Ok(Box::new(FakeSink { world: Arc::clone(&self.world), table: spec.table.clone() }))
    }
}

struct FakeSource {
    world: Arc<World>,
    table: String,
    script: Script,
}

impl Source for FakeSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &Environment, _: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        let splits = 0..self.script.splits.len() as u8;
        Ok(Box::new(FakeEnumerator { splits: splits.map(|n| split(format!("split-{n}"), n as usize, 0)).collect() }))
    }

    fn reader(&self, _: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let (world, table, script) = (Arc::clone(&self.world), self.table.clone(), self.script.clone());
        Ok(Box::new(FakeReader { world, table, script, open: Vec::new(), paused: BTreeSet::new() }))
    }
}

/// A split's bytes are its number and the position of its next batch.
fn split(id: String, number: usize, at: usize) -> Split {
    let mut state = (number as u32).to_le_bytes().to_vec();
    state.extend_from_slice(&(at as u32).to_le_bytes());
    Split { id, state: Bytes::from(state) }
}

fn number(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes.try_into().unwrap()) as usize
}

struct FakeEnumerator {
    splits: Vec<Split>,
}

#[async_trait]
impl SplitEnumerator for FakeEnumerator {
    async fn discover(&mut self) -> Result<Discovery> {
        Ok(Discovery { splits: std::mem::take(&mut self.splits), finished: true })
    }

    fn add_back(&mut self, _: Vec<Split>) {}

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }
}

struct FakeReader {
    world: Arc<World>,
    table: String,
    script: Script,
    /// Split, and the position of its next batch.
    open: Vec<(String, usize, usize)>,
    paused: BTreeSet<String>,
}

impl FakeReader {
    /// What is there at once of the first split, or of the first one whose turn it is.
    fn look(&mut self, there: usize) -> Option<ReadEvent> {
        let tried = if self.script.turns { self.open.len() } else { 1 };
        for place in 0..tried {
            let (split, index, at) = &mut self.open[place];
            let batches = &self.script.splits[*index];
            if self.paused.contains(split) || *at >= there {
                continue;
            }
            let split = split.clone();
            if *at < batches.len() {
                *at += 1;
                let batch = batches[*at - 1].clone();
                if self.script.turns {
                    self.open[place..].rotate_left(1);
                }
                return Some(ReadEvent::Batch { split, batch });
            }
            match self.script.then {
                Then::End => {
                    self.open.remove(place);
                    return Some(ReadEvent::Finished { split });
                }
                Then::Wait => {}
                Then::Repeat => return Some(ReadEvent::Batch { split, batch: batches[batches.len() - 1].clone() }),
            }
        }
        None
    }
}

#[async_trait]
impl SplitReader for FakeReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.open.extend(splits.into_iter().map(|s| (s.id, number(&s.state[..4]), number(&s.state[4..]))));
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        assert!(!self.open.is_empty(), "never asked without a split");
        loop {
            let there = *self.script.there.borrow_and_update();
            if let Some(event) = self.look(there) {
                return Ok(event);
            }
            if self.script.there.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        Ok(self.open.iter().map(|(id, index, at)| split(id.clone(), *index, *at)).collect())
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        let changed = if paused { self.paused.insert(split.into()) } else { self.paused.remove(split) };
        assert!(changed, "never told twice");
        self.world.log(format!("{} {}/{split}", if paused { "pause" } else { "resume" }, self.table));
    }
}

struct FakeSink {
    world: Arc<World>,
    table: String,
}

impl Sink for FakeSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let (world, table, subtask) = (Arc::clone(&self.world), self.table.clone(), cx.subtask.index);
        Ok(Box::new(FakeWriter { world, table, subtask, rng: cx.environment.rng, rows: Vec::new() }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(FakeCommitter { world: Arc::clone(&self.world), table: self.table.clone() })))
    }
}

struct FakeWriter {
    world: Arc<World>,
    table: String,
    subtask: u32,
    rng: Arc<dyn Rng>,
    /// Not yet handed over.
    rows: Vec<i64>,
}

#[async_trait]
impl SinkWriter for FakeWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        let mut blocked = self.world.sinks_blocked.subscribe();
        blocked.wait_for(|b| !*b).await.unwrap();
        assert!(batch.marks().is_empty());
        self.rows.extend(values(&batch));
        self.world.written.lock().unwrap().push((self.table.clone(), self.subtask, values(&batch)));
        Ok(())
    }

    async fn prepare_commit(&mut self, end_of_input: bool) -> Result<Vec<Committable>> {
        if end_of_input {
            self.world.log(format!("prepare {}-{}", self.table, self.subtask));
        } else if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let payload: Vec<u8> = self.rows.drain(..).flat_map(i64::to_le_bytes).collect();
        let id = format!("{}-{}#{:x}", self.table, self.subtask, self.rng.next_u64());
        Ok(vec![Committable { id, payload: Bytes::from(payload) }])
    }

    async fn abort(&mut self) {
        self.world.log(format!("abort {}-{}", self.table, self.subtask));
    }
}

struct FakeCommitter {
    world: Arc<World>,
    table: String,
}

#[async_trait]
impl Committer for FakeCommitter {
    async fn recover(&mut self, job: JobId, _: &[Committable]) -> Result<()> {
        self.world.recovered.lock().unwrap().push(job);
        Ok(())
    }

    async fn commit(&mut self, _: Option<CheckpointId>, committables: Vec<Committable>) -> Result<()> {
        if *self.world.commit_fails.borrow() {
            return Err(Error::external("no disk"));
        }
        let mut ids: Vec<String> = Vec::new();
        for committable in committables {
            let rows = committable.payload.chunks(8).map(|c| i64::from_le_bytes(c.try_into().unwrap())).collect();
            ids.push(committable.id.split('#').next().unwrap_or_default().to_owned());
            self.world.committed.lock().unwrap().insert(committable.id, rows);
        }
        ids.sort();
        self.world.log(format!("commit {}", ids.join(" ")));
        Ok(())
    }

    async fn discard(&mut self, committables: Vec<Committable>) -> Result<()> {
        let ids = committables.iter().map(|c| c.id.split('#').next().unwrap_or_default());
        let mut ids: Vec<&str> = ids.collect();
        ids.sort_unstable();
        self.world.log(format!("discard {}", ids.join(" ")));
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        self.world.log(format!("finish {}", self.table));
        Ok(())
    }
}
