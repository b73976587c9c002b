//! A chain: the operators of one subtask, which call each other directly.
//!
//! Each operator's output is the next operator; the last one's is the [`Exchange`]. An operator that
//! declares event time gets slices of a batch with watermarks and timers between them, as if its
//! rows were single; one that is indifferent gets the batch whole, with its marks.

mod downstream;
mod link;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flott_api::env::Clock;
use flott_api::metrics::TaskMetrics;
use flott_api::operator::TimeDomain;
use flott_api::splits::OpenSplits;
use flott_api::{ChangeBatch, Error, Result, Watermark};

use crate::channel::SizedBatch;
use crate::exchange::Exchange;
use crate::exchange::overdraft::Overdraft;
pub(crate) use downstream::{Below, Emitter};
pub(crate) use link::{Link, LinkPlace};
use snapshot::Passed;
pub(crate) use snapshot::Sealed;

/// What the operators of a chain share.
pub(crate) struct Frame {
    pub(crate) clock: Arc<dyn Clock>,
    /// What may be sent beyond credit while a barrier waits.
    pub(crate) overdraft: Arc<Overdraft>,
    /// What the source at its head reads.
    pub(crate) splits: Arc<OpenSplits>,
    /// The operator that is at work, as a position in the task. It stays where it was when an
    /// operator fails or panics, so the innermost one is blamed.
    position: AtomicUsize,
}

impl Frame {
    /// Of a task that measures its time there.
    pub(crate) fn new(clock: Arc<dyn Clock>, task: Arc<TaskMetrics>) -> Self {
        let splits = Arc::new(OpenSplits::of(task));
        Frame { clock, overdraft: Arc::default(), splits, position: AtomicUsize::new(0) }
    }

    pub(crate) fn enter(&self, position: usize) {
        self.position.store(position, Ordering::Relaxed);
    }

    pub(crate) fn position(&self) -> usize {
        self.position.load(Ordering::Relaxed)
    }
}

/// The operators of one subtask behind its source or gate.
pub(crate) struct Chain {
    pub(crate) links: Vec<Link>,
    pub(crate) exchange: Exchange,
    pub(crate) frame: Arc<Frame>,
    /// A checkpoint whose state is not written yet.
    passed: Option<Passed>,
}

impl Chain {
    pub(crate) fn new(links: Vec<Link>, exchange: Exchange, frame: Arc<Frame>) -> Self {
        Chain { links, exchange, frame, passed: None }
    }

    /// A link and what lies below it.
    fn at(&mut self, index: usize) -> (&mut Link, Below<'_>) {
        let (link, rest) = self.links[index..].split_first_mut().expect("a position in the chain");
        (link, Below { links: rest, exchange: &mut self.exchange, frame: &self.frame })
    }

    /// The whole chain, as what lies below a source.
    pub(crate) fn below_source(&mut self) -> Below<'_> {
        Below { links: &mut self.links, exchange: &mut self.exchange, frame: &self.frame }
    }

    /// Opens and starts all operators, the last one first: none emits into one that is not open.
    pub(crate) async fn open(&mut self) -> Result<()> {
        for index in (0..self.links.len()).rev() {
            let (link, mut below) = self.at(index);
            link.open(&mut below).await?;
        }
        Ok(())
    }

    /// Rows have come on an input of the head.
    pub(crate) async fn batch(&mut self, input: usize, batch: SizedBatch) -> Result<()> {
        let mut below = self.below_source();
        below.batch(input, batch).await
    }

    /// The operator at a position of the task, as a place to bring rows to that were under way to it.
    pub(crate) async fn batch_at(&mut self, position: usize, input: usize, batch: SizedBatch) -> Result<()> {
        let index = self.index_of(position)?;
        let (link, mut below) = self.at(index);
        link.batch(input, batch, &mut below).await
    }

    /// The same for a watermark.
    pub(crate) async fn watermark_at(&mut self, position: usize, watermark: Watermark) -> Result<()> {
        let index = self.index_of(position)?;
        let (link, mut below) = self.at(index);
        link.watermark(watermark, &mut below).await
    }

    fn index_of(&self, position: usize) -> Result<usize> {
        let index = self.links.iter().position(|l| l.position == position);
        index.ok_or_else(|| Error::internal("rows were under way to an operator that takes none"))
    }

    /// Whether its head has keyed state, which may lie outside of memory.
    pub(crate) fn wants_prefetch(&mut self) -> bool {
        self.links.first_mut().is_some_and(Link::has_containers)
    }

    /// A batch that comes later tells the head which keys it will need.
    pub(crate) fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        self.links.first().map_or(Ok(()), |head| head.prefetch(input, batch))
    }

    /// The watermark has risen.
    pub(crate) async fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.below_source().watermark(watermark).await
    }

    /// The task has become idle or active.
    pub(crate) fn status(&mut self, idle: bool) -> Result<()> {
        self.exchange.send_status(idle)
    }

    /// When the next processing-time timer is due.
    pub(crate) fn next_timer_ms(&self) -> Option<i64> {
        self.links.iter().filter_map(Link::next_processing_ms).min()
    }

    /// Fires the processing-time timers that are due.
    pub(crate) async fn fire_due(&mut self) -> Result<()> {
        let Some(at_ms) = self.next_timer_ms() else { return Ok(()) };
        let now_ms = self.frame.clock.now_ms();
        if at_ms > now_ms {
            return Ok(());
        }
        for index in 0..self.links.len() {
            let (link, mut below) = self.at(index);
            link.fire(TimeDomain::Processing, now_ms, &mut below).await?;
        }
        Ok(())
    }

    /// The end of time flows through, and the rows do not end: what a stop with drain asks for before
    /// its savepoint.
    pub(crate) async fn end_of_time(&mut self) -> Result<()> {
        for index in 0..self.links.len() {
            let (link, mut below) = self.at(index);
            link.watermark(Watermark::MAX, &mut below).await?;
        }
        self.exchange.send_watermark(Watermark::MAX)
    }

    /// All of it had come to its end in an earlier attempt.
    pub(crate) fn end_again(&mut self) -> Result<()> {
        self.exchange.send_watermark(Watermark::MAX)?;
        self.exchange.send_end(true)
    }

    /// The input was read to its end: fires everything, operator by operator, and finishes.
    pub(crate) async fn finish(&mut self, has_input: bool) -> Result<()> {
        for index in 0..self.links.len() {
            let (link, mut below) = self.at(index);
            // An operator that holds watermarks back (an assigner) does not keep the end from others.
            // One without input emits its rows in `finish`, so the end of time comes after them.
            if has_input || index > 0 {
                link.watermark(Watermark::MAX, &mut below).await?;
            }
            link.finish(&mut below).await?;
        }
        self.exchange.send_watermark(Watermark::MAX)?;
        self.exchange.send_end(true)
    }

    /// The input was stopped and will be resumed one day: nothing fires, as in Flink's stop without
    /// drain; what is held outside of state is emitted.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        for index in 0..self.links.len() {
            let (link, mut below) = self.at(index);
            link.before_checkpoint(&mut below).await?;
        }
        self.exchange.send_end(false)
    }

    /// The job has failed or was cancelled.
    pub(crate) async fn abort(&mut self) {
        for link in &mut self.links {
            link.abort().await;
        }
    }
}

#[cfg(test)]
mod tests;
