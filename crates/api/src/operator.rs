//! Operators: callback objects that the runtime drives.
//!
//! An operator never spawns, never reads a clock and never sees a barrier. Its callbacks may await
//! three things only: [`Output::emit`] (back-pressure), a batch fetch of a state container, and the answer of
//! a table that it looks up in ([`crate::lookup`]), with the pauses between its attempts, of a model ([`crate::model`]), or of functions
//! that run in a process beside the job ([`crate::function`]). The
//! runtime executes batches, marks, watermarks and barriers strictly in arrival order.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::env::Environment;
use crate::ids::Subtask;
use crate::key_group::KeyGroup;
use crate::lookup::Connectors;
use crate::metrics::OperatorMetrics;
use crate::splits::OpenSplits;
use crate::state::{KeyedContainer, StateMemory, StateStore};
use crate::{BoxFuture, ChangeBatch, Result, Watermark};

/// The keyed state of an operator, as the runtime sees it. One without says no more than that it has none.
pub trait Stateful: Send {
    /// Tells its containers which keys `batch` will need, so that they are loaded while earlier batches
    /// run ([`StateStore::prefetch`](crate::state::StateStore::prefetch)).
    ///
    /// # Errors
    /// If the batch does not fit the operator.
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        let _: (usize, &ChangeBatch) = (input, batch);
        Ok(())
    }

    /// Its containers of keyed state.
    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        Vec::new()
    }
}

/// One parallel instance of one operator.
#[async_trait]
pub trait Operator: Stateful {
    /// Called once, before any other callback.
    ///
    /// # Errors
    /// If the operator cannot work with its specification.
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let _: &OpenContext = cx;
        Ok(())
    }

    /// Called once after `open`, before anything else: sets the first timers, and takes up restored state
    /// that must be known from the begin.
    async fn start(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let _: &mut OperatorContext<'_> = cx;
        Ok(())
    }

    /// Changes have come on an input. The batch has marks only if the operator's [`EventTime`] says
    /// that it wants them; it forwards them then, by their place among the rows that it emits.
    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()>;

    /// The minimum over all inputs has risen. Forwards it by default.
    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit_watermark(watermark).await
    }

    /// Timers are due, in order of their time.
    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let _: (&[Timer], &mut OperatorContext<'_>) = (timers, cx);
        Ok(())
    }

    /// A barrier has come: emit what is buffered outside state, and set lists. The runtime closes the
    /// containers' epoch right after.
    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let _: &mut OperatorContext<'_> = cx;
        Ok(())
    }

    /// Every input has ended, and `Watermark::MAX` has been processed.
    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let _: &mut OperatorContext<'_> = cx;
        Ok(())
    }
}

/// How an operator wants its rows and watermarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// It does not look at time: gets batches whole, with their marks, and keeps them in their place.
    Indifferent,
    /// It gets slices without marks, and `process_watermark` between them, as if rows were single.
    Sliced,
    /// It gets batches whole with their marks and proves that its rows are the same as with slices.
    /// It also gets `process_watermark`, for watermarks that come between batches.
    WholeWithMarks,
}

/// An operator with what the runtime must know of it.
pub struct OperatorInstance {
    /// The operator.
    pub operator: Box<dyn Operator>,
    /// How it wants rows and watermarks.
    pub event_time: EventTime,
}

/// Builds operators from the bytes in a plan.
pub trait OperatorFactory: Send + Sync {
    /// The operator of `kind` with this specification, as the plan's author wrote it.
    ///
    /// # Errors
    /// If there is no such kind, or the bytes are none of its specifications.
    fn create(&self, kind: &str, spec: &[u8]) -> Result<OperatorInstance>;
}

/// What an operator learns at `open`.
#[derive(Clone)]
pub struct OpenContext {
    /// Which instance it is.
    pub subtask: Subtask,
    /// The number of key groups.
    pub max_parallelism: u32,
    /// The world, for what its functions need (`UUID()`, `RAND()`).
    pub environment: Environment,
    /// Its counters.
    pub metrics: Arc<OperatorMetrics>,
    /// Where its state lies.
    pub state: Arc<dyn StateStore>,
    /// The key groups that it owns.
    pub key_groups: Range<u32>,
    /// The budget of its containers.
    pub memory: Arc<StateMemory>,
    /// The connectors of tables that it looks up in.
    pub connectors: Arc<dyn Connectors>,
    /// The splits of the source at the head of its chain; none if there is no source.
    pub splits: Arc<OpenSplits>,
}

/// What an operator has in a callback.
pub struct OperatorContext<'a> {
    /// Where its changes go.
    pub output: &'a mut dyn Output,
    /// Its timers.
    pub timers: &'a mut dyn Timers,
    /// Processing time of this callback; the same for all its rows. Milliseconds.
    pub processing_time_ms: i64,
    /// The watermark in force before this callback; in [`Operator::on_timers`] the one that has fired them.
    pub watermark: Watermark,
    /// Its counters.
    pub metrics: &'a OperatorMetrics,
}

/// Where an operator's changes go.
pub trait Output: Send {
    /// Hands a batch on; waits while there is no room. A batch without rows is dropped, its marks
    /// are not.
    fn emit(&mut self, batch: ChangeBatch) -> BoxFuture<'_, Result<()>>;

    /// Hands a watermark on.
    fn emit_watermark(&mut self, watermark: Watermark) -> BoxFuture<'_, Result<()>>;

    /// Says that this output is idle (nobody waits for its watermark) or active again. Saying it
    /// twice is saying it once. A watermark assigner finds out with a processing-time timer.
    /// An output that knows no idleness takes no notice.
    fn emit_status(&mut self, idle: bool) -> BoxFuture<'_, Result<()>> {
        let _: bool = idle;
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Which time a timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeDomain {
    /// Fires when the watermark reaches it.
    Event,
    /// Fires when the clock reaches it.
    Processing,
}

/// A timer. Equal timers are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer {
    /// When it is due; milliseconds since the epoch.
    pub at_ms: i64,
    /// Which time that is.
    pub domain: TimeDomain,
    /// The key group of its key. Such a timer is part of the checkpoint, and moves with its key. One
    /// without is the instance's own, and set anew in [`Operator::start`].
    pub key_group: Option<KeyGroup>,
    /// What it is for: a key or a window, in the operator's own encoding.
    pub payload: Bytes,
}

impl Timer {
    /// A timer of the instance itself, without a key and a payload.
    pub fn of_instance(at_ms: i64, domain: TimeDomain) -> Self {
        Timer { at_ms, domain, key_group: None, payload: Bytes::new() }
    }
}

/// The timers of one operator instance.
pub trait Timers: Send {
    /// Sets a timer.
    fn register(&mut self, timer: Timer);

    /// Takes a timer back; nothing happens if there is none.
    fn delete(&mut self, timer: &Timer);
}
