//! One operator or sink writer in a chain, with its timers and its watermark.

use std::sync::Arc;

use flott_api::metrics::OperatorMetrics;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, OperatorInstance, TimeDomain, Timer};
use flott_api::sink::SinkWriter;
use flott_api::state::MemoryShare;
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_graph::NodeId;
use flott_state::hot::TimerQueue;
use flott_state::store::SegmentStore;

use super::{Below, Emitter};
use crate::channel::SizedBatch;
use crate::checker::Checker;

/// How many timers an operator gets in one call: a watermark that fires millions of windows does not need the
/// memory for all of them twice.
pub(super) const TIMERS_PER_CALL_MAX: usize = 8192;

/// What works on the rows.
pub(super) enum Body {
    /// An operator.
    Operator(Box<dyn Operator>),
    /// The end of the chain.
    Sink(Box<dyn SinkWriter>),
}

/// A callback.
enum Call<'a> {
    Start,
    Batch(usize, ChangeBatch),
    Watermark(Watermark),
    Timers(&'a [Timer]),
    BeforeCheckpoint,
    Finish,
}

/// One operator instance in its chain.
pub(crate) struct Link {
    pub(super) body: Body,
    pub(super) node: NodeId,
    event_time: EventTime,
    /// Of an operator that is open.
    pub(super) timers: Option<TimerQueue>,
    /// Of an operator.
    pub(super) store: Option<Arc<SegmentStore>>,
    /// What the store takes of the memory for state.
    pub(super) beside: Option<MemoryShare>,
    cx: Option<OpenContext>,
    watermark: Watermark,
    checker: Checker,
    pub(super) metrics: Arc<OperatorMetrics>,
    /// Its place in the task.
    pub(super) position: usize,
}

/// Which link it is.
#[derive(Clone)]
pub(crate) struct LinkPlace {
    pub(crate) node: NodeId,
    /// Its place in the task.
    pub(crate) position: usize,
    pub(crate) metrics: Arc<OperatorMetrics>,
    /// The watermark that was in force at the restored checkpoint.
    pub(crate) watermark: Watermark,
}

impl Link {
    pub(crate) fn operator(
        instance: OperatorInstance,
        checker: Checker,
        cx: OpenContext,
        store: Option<Arc<SegmentStore>>,
        place: LinkPlace,
    ) -> Self {
        let OperatorInstance { operator, event_time } = instance;
        let beside = Some(MemoryShare::beside(Arc::clone(&cx.memory)));
        Link { event_time, store, beside, cx: Some(cx), checker, ..Link::of(Body::Operator(operator), place) }
    }

    /// A sink's writer; it does not look at time.
    pub(crate) fn sink(writer: Box<dyn SinkWriter>, place: LinkPlace) -> Self {
        Link::of(Body::Sink(writer), place)
    }

    fn of(body: Body, place: LinkPlace) -> Self {
        let LinkPlace { node, position, metrics, watermark } = place;
        Link {
            body,
            node,
            event_time: EventTime::Indifferent,
            timers: None,
            store: None,
            beside: None,
            cx: None,
            watermark,
            checker: Checker::new(&flott_api::Schema::default()),
            metrics,
            position,
        }
    }

    /// Opens and starts it.
    pub(super) async fn open(&mut self, below: &mut Below<'_>) -> Result<()> {
        below.frame.enter(self.position);
        if let (Body::Operator(operator), Some(cx)) = (&mut self.body, self.cx.take()) {
            operator.open(&cx)?;
            self.timers = Some(TimerQueue::open(&cx).await?);
        }
        self.call(Call::Start, below).await
    }

    /// The watermark in force, if there is one.
    pub(super) fn watermark_in_force(&self) -> Option<i64> {
        Some(self.watermark.0).filter(|w| *w != Watermark::MIN.0)
    }

    pub(super) async fn batch(&mut self, input: usize, batch: SizedBatch, below: &mut Below<'_>) -> Result<()> {
        self.metrics.num_records_in.add(batch.batch.len() as u64);
        self.metrics.num_bytes_in.add(batch.bytes as u64);
        let batch = batch.batch;
        match (self.event_time, batch.last_watermark()) {
            (_, None) => self.call(Call::Batch(input, batch), below).await,
            (EventTime::Sliced, Some(_)) => self.slices(input, &batch, below).await,
            (_, Some(last)) => {
                self.call(Call::Batch(input, batch), below).await?;
                self.enter_time(last);
                self.fire(TimeDomain::Event, last.0, below).await
            }
        }
    }

    pub(super) fn has_containers(&mut self) -> bool {
        match &mut self.body {
            Body::Operator(operator) => !operator.containers().is_empty(),
            Body::Sink(_) => false,
        }
    }

    pub(super) fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        match &self.body {
            Body::Operator(operator) => operator.prefetch(input, batch),
            Body::Sink(_) => Ok(()),
        }
    }

    /// The rows between two marks, then the mark, as if each row came alone.
    async fn slices(&mut self, input: usize, batch: &ChangeBatch, below: &mut Below<'_>) -> Result<()> {
        let mut from = 0;
        for mark in batch.marks() {
            let to = mark.row as usize;
            self.slice(input, batch, from..to, below).await?;
            self.watermark(mark.watermark, below).await?;
            from = to;
        }
        self.slice(input, batch, from..batch.len(), below).await
    }

    async fn slice(
        &mut self,
        input: usize,
        batch: &ChangeBatch,
        rows: std::ops::Range<usize>,
        below: &mut Below<'_>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let slice = batch.slice(rows.start, rows.len()).without_marks();
        self.call(Call::Batch(input, slice), below).await
    }

    /// The watermark rises: timers first, then the operator learns of it and hands it on.
    pub(super) async fn watermark(&mut self, watermark: Watermark, below: &mut Below<'_>) -> Result<()> {
        let before = self.watermark;
        if watermark <= before {
            return Ok(());
        }
        self.enter_time(watermark);
        self.fire(TimeDomain::Event, watermark.0, below).await?;
        // In `process_watermark` the context still tells the one before.
        self.watermark = before;
        let called = self.call(Call::Watermark(watermark), below).await;
        self.watermark = watermark;
        called
    }

    fn enter_time(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark);
        self.metrics.current_input_watermark.set(self.watermark.0);
    }

    pub(super) fn next_processing_ms(&self) -> Option<i64> {
        self.timers.as_ref().and_then(TimerQueue::next_processing_ms)
    }

    /// Fires timers, also those that are set meanwhile and are due already.
    pub(super) async fn fire(&mut self, domain: TimeDomain, until_ms: i64, below: &mut Below<'_>) -> Result<()> {
        loop {
            let Some(timers) = &mut self.timers else { return Ok(()) };
            let due = timers.take_due(domain, until_ms, TIMERS_PER_CALL_MAX);
            if due.is_empty() {
                return Ok(());
            }
            self.call(Call::Timers(&due), below).await?;
            // A timer that always sets another one that is due must not hold up the whole thread.
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn before_checkpoint(&mut self, below: &mut Below<'_>) -> Result<()> {
        self.call(Call::BeforeCheckpoint, below).await
    }

    pub(super) async fn finish(&mut self, below: &mut Below<'_>) -> Result<()> {
        self.call(Call::Finish, below).await?;
        self.checker.on_finish();
        Ok(())
    }

    async fn call(&mut self, call: Call<'_>, below: &mut Below<'_>) -> Result<()> {
        let Link { body, timers, watermark, checker, metrics, position, .. } = self;
        below.frame.enter(*position);
        let (operator, timers) = match (body, timers) {
            (Body::Operator(operator), Some(timers)) => (operator, timers),
            (Body::Operator(_), None) => return Err(Error::internal("an operator is called before it is open")),
            (Body::Sink(writer), _) => return write(writer.as_mut(), call).await,
        };
        let processing_time_ms = below.frame.clock.now_ms();
        let output = &mut Emitter { below, metrics, checker, position: *position };
        let mut cx = OperatorContext { output, timers, processing_time_ms, watermark: *watermark, metrics };
        match call {
            Call::Start => operator.start(&mut cx).await,
            Call::Batch(input, batch) => operator.process_batch(input, batch, &mut cx).await,
            Call::Watermark(watermark) => operator.process_watermark(watermark, &mut cx).await,
            Call::Timers(due) => operator.on_timers(due, &mut cx).await,
            Call::BeforeCheckpoint => operator.before_checkpoint(&mut cx).await,
            Call::Finish => operator.finish(&mut cx).await,
        }
    }

    pub(super) async fn abort(&mut self) {
        if let Body::Sink(writer) = &mut self.body {
            writer.abort().await;
        }
    }
}

/// A writer takes rows; of all else it needs to know nothing.
async fn write(writer: &mut dyn SinkWriter, call: Call<'_>) -> Result<()> {
    match call {
        Call::Batch(0, batch) => {
            let last = batch.last_watermark();
            writer.write(batch.without_marks()).await?;
            last.into_iter().for_each(|w| writer.write_watermark(w));
            Ok(())
        }
        Call::Batch(input, _) => Err(Error::internal(format!("a sink has no input {input}"))),
        Call::Watermark(watermark) => {
            writer.write_watermark(watermark);
            Ok(())
        }
        Call::Start | Call::Timers(_) | Call::BeforeCheckpoint | Call::Finish => Ok(()),
    }
}
