//! A world that stands still: a clock that a test moves by hand, seeded randomness, a console that
//! remembers, timers and an output that record. It has no files and starts no tasks.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::functions::function_hosts;
use super::lookup::LookupTest;
use super::model::ModelTest;
use super::objects::MemoryObjects;
use super::state::FakeStateStore;
use crate::env::{Clock, Console, ConsoleState, Environment, FileSystem, FileSystems, Rng, Spawner, TaskHandle};
use crate::http::NoHttp;
use crate::ids::Subtask;
use crate::key_group::range_of_subtask;
use crate::metrics::OperatorMetrics;
use crate::model::ModelProviders;
use crate::net::NoNetwork;
use crate::operator::{OpenContext, Output, TimeDomain, Timer, Timers};
use crate::program::NoPrograms;
use crate::state::{StateMemory, StateStore};
use crate::{BoxFuture, ChangeBatch, Error, Result, Watermark};

/// The result of a future that never has to wait.
///
/// # Panics
/// If it waits: everything in this module is at hand at once.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits for something that no fake gives"),
    }
}

/// The world, with handles for the test.
#[derive(Debug, Default)]
pub struct FakeWorld {
    now_ms: AtomicI64,
    seed: AtomicU64,
    stdout: Mutex<Vec<u8>>,
    stderr: Mutex<Vec<u8>>,
    objects: Arc<MemoryObjects>,
}

impl FakeWorld {
    /// A world at this time.
    pub fn at(now_ms: i64) -> Arc<Self> {
        let world = FakeWorld::default();
        world.set_now(now_ms);
        Arc::new(world)
    }

    /// Moves the clock.
    pub fn set_now(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// What was written to standard output.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What was written to standard error.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Its object storage.
    pub fn objects(&self) -> &Arc<MemoryObjects> {
        &self.objects
    }

    /// The environment that operators and connectors get.
    pub fn environment(self: &Arc<Self>) -> Environment {
        Environment {
            clock: Arc::clone(self) as _,
            rng: Arc::clone(self) as _,
            spawner: Arc::clone(self) as _,
            files: Arc::clone(self) as _,
            objects: Arc::new(Arc::clone(&self.objects)),
            http: Arc::new(NoHttp),
            network: Arc::new(NoNetwork),
            programs: Arc::new(NoPrograms),
            console: Arc::clone(self) as _,
            functions: function_hosts(),
            models: ModelProviders::default().with(Arc::new(ModelTest::default())),
        }
    }
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

impl Clock for FakeWorld {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn monotonic_ns(&self) -> u64 {
        (self.now_ms() as u64).wrapping_mul(1_000_000)
    }

    fn sleep_ms(&self, millis: u64) -> BoxFuture<'static, ()> {
        self.now_ms.fetch_add(millis as i64, Ordering::Relaxed);
        Box::pin(async {})
    }
}

impl Rng for FakeWorld {
    /// SplitMix64 (Sebastiano Vigna, public domain).
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.seed.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

struct Done;

impl TaskHandle for Done {
    fn detach(self: Box<Self>) {}
}

impl Spawner for FakeWorld {
    /// Runs the task to its end before it returns.
    fn spawn(&self, _name: &str, future: BoxFuture<'static, ()>) -> Box<dyn TaskHandle> {
        ready(future);
        Box::new(Done)
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        work();
        Box::pin(async {})
    }
}

impl FileSystems for FakeWorld {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        Err(Error::invalid(format!("the fake world has no file '{path}'")))
    }
}

impl Console for FakeWorld {
    fn stdout(&self, lines: Bytes) -> Result<ConsoleState> {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&lines);
        Ok(ConsoleState::Open)
    }

    fn stderr(&self, lines: Bytes) -> Result<ConsoleState> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&lines);
        Ok(ConsoleState::Open)
    }
}

/// What an instance of one subtask learns at `open`, in this world; its state is empty.
pub fn open_context(world: &Arc<FakeWorld>, subtask: Subtask, max_parallelism: u32) -> OpenContext {
    open_context_with(world, subtask, max_parallelism, FakeStateStore::new())
}

/// The same, with state.
pub fn open_context_with(
    world: &Arc<FakeWorld>,
    subtask: Subtask,
    max_parallelism: u32,
    state: Arc<dyn StateStore>,
) -> OpenContext {
    OpenContext {
        subtask,
        max_parallelism,
        environment: world.environment(),
        metrics: Arc::new(OperatorMetrics::default()),
        state,
        key_groups: range_of_subtask(max_parallelism, subtask.parallelism, subtask.index),
        memory: StateMemory::new(usize::MAX, true),
        connectors: Arc::new(LookupTest::default()),
        splits: Arc::default(),
    }
}

/// Timers that fire when the test says so.
#[derive(Clone, Debug, Default)]
pub struct FakeTimers {
    timers: BTreeSet<Timer>,
}

impl FakeTimers {
    /// The timers of checkpoints whose keys are in these key groups. Those without a key are the operator's
    /// own, and not restored.
    pub fn restored(parts: &[&FakeTimers], key_groups: &Range<u32>) -> Self {
        let own = |t: &&Timer| t.key_group.is_some_and(|g| key_groups.contains(&g.0));
        FakeTimers { timers: parts.iter().flat_map(|p| &p.timers).filter(own).cloned().collect() }
    }

    /// Takes the next due timer of a domain out.
    pub fn due(&mut self, domain: TimeDomain, now_ms: i64) -> Option<Timer> {
        let next = self.timers.iter().find(|t| t.domain == domain && t.at_ms <= now_ms).cloned()?;
        self.timers.remove(&next);
        Some(next)
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }
}

impl Timers for FakeTimers {
    fn register(&mut self, timer: Timer) {
        self.timers.insert(timer);
    }

    fn delete(&mut self, timer: &Timer) {
        self.timers.remove(timer);
    }
}

/// What an operator hands on.
#[derive(Clone, Debug)]
pub enum Emitted {
    /// Rows, with marks.
    Batch(ChangeBatch),
    /// A watermark between batches.
    Watermark(Watermark),
}

/// An output that keeps all it gets.
#[derive(Debug, Default)]
pub struct RecordedOutput {
    /// In order.
    pub emitted: Vec<Emitted>,
}

impl Output for RecordedOutput {
    fn emit(&mut self, batch: ChangeBatch) -> BoxFuture<'_, Result<()>> {
        let fits = batch.len() <= crate::BATCH_ROWS_MAX;
        self.emitted.push(Emitted::Batch(batch));
        Box::pin(async move {
            if fits { Ok(()) } else { Err(Error::internal("a batch has more rows than a batch may have")) }
        })
    }

    fn emit_watermark(&mut self, watermark: Watermark) -> BoxFuture<'_, Result<()>> {
        self.emitted.push(Emitted::Watermark(watermark));
        Box::pin(async { Ok(()) })
    }
}
