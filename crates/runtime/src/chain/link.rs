//! One operator or sink writer in a chain, with its timers and its watermark.

use std::sync::Arc;

use flott_api::metrics::OperatorMetrics;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, OperatorInstance, TimeDomain, Timer};
use flott_api::sink::{Committable, SinkWriter};
use flott_api::{ChangeBatch, Error, Result, Watermark};

use super::{Below, Emitter};
use crate::channel::SizedBatch;
use crate::checker::Checker;
use crate::timers::TimerQueue;

/// What works on the rows.
enum Body {
    /// An operator.
    Operator(Box<dyn Operator>),
    /// The end of the chain.
    Sink(Box<dyn SinkWriter>),
}

/// A callback.
enum Call<'a> {
    Batch(usize, ChangeBatch),
    Watermark(Watermark),
    Timers(&'a [Timer]),
    BeforeCheckpoint,
    Finish,
}

/// One operator instance in its chain.
pub(crate) struct Link {
    body: Body,
    event_time: EventTime,
    timers: TimerQueue,
    watermark: Watermark,
    checker: Checker,
    pub(super) metrics: Arc<OperatorMetrics>,
    /// Its place in the task.
    pub(super) position: usize,
}

impl Link {
    pub(crate) fn operator(
        instance: OperatorInstance,
        checker: Checker,
        metrics: Arc<OperatorMetrics>,
        position: usize,
    ) -> Self {
        let (timers, watermark) = (TimerQueue::default(), Watermark::MIN);
        let OperatorInstance { operator, event_time } = instance;
        Link { body: Body::Operator(operator), event_time, timers, watermark, checker, metrics, position }
    }

    /// A sink's writer; it does not look at time.
    pub(crate) fn sink(writer: Box<dyn SinkWriter>, metrics: Arc<OperatorMetrics>, position: usize) -> Self {
        let (timers, watermark) = (TimerQueue::default(), Watermark::MIN);
        let checker = Checker::new(&flott_api::Schema::default());
        let event_time = EventTime::Indifferent;
        Link { body: Body::Sink(writer), event_time, timers, watermark, checker, metrics, position }
    }

    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        match &mut self.body {
            Body::Operator(operator) => {
                operator.open(&OpenContext { metrics: Arc::clone(&self.metrics), ..cx.clone() })
            }
            Body::Sink(_) => Ok(()),
        }
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
        self.timers.next_processing_ms()
    }

    /// Fires timers, also those that are set meanwhile and are due already.
    pub(super) async fn fire(&mut self, domain: TimeDomain, until_ms: i64, below: &mut Below<'_>) -> Result<()> {
        loop {
            let due = self.timers.take_due(domain, until_ms);
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
        let operator = match body {
            Body::Operator(operator) => operator,
            Body::Sink(writer) => return write(writer.as_mut(), call).await,
        };
        let processing_time_ms = below.frame.clock.now_ms();
        let output = &mut Emitter { below, metrics, checker, position: *position };
        let mut cx = OperatorContext { output, timers, processing_time_ms, watermark: *watermark, metrics };
        match call {
            Call::Batch(input, batch) => operator.process_batch(input, batch, &mut cx).await,
            Call::Watermark(watermark) => operator.process_watermark(watermark, &mut cx).await,
            Call::Timers(due) => operator.on_timers(due, &mut cx).await,
            Call::BeforeCheckpoint => operator.before_checkpoint(&mut cx).await,
            Call::Finish => operator.finish(&mut cx).await,
        }
    }

    pub(super) async fn prepare_commit(&mut self) -> Result<Option<Vec<Committable>>> {
        match &mut self.body {
            Body::Operator(_) => Ok(None),
            Body::Sink(writer) => writer.prepare_commit(true).await.map(Some),
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
        Call::Batch(0, batch) => writer.write(batch.without_marks()).await,
        Call::Batch(input, _) => Err(Error::internal(format!("a sink has no input {input}"))),
        Call::Watermark(_) | Call::Timers(_) | Call::BeforeCheckpoint | Call::Finish => Ok(()),
    }
}
