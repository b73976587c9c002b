//! Where an operator's changes go: the rest of its chain.

use flott_api::metrics::OperatorMetrics;
use flott_api::operator::Output;
use flott_api::{BoxFuture, ChangeBatch, Result, Watermark};

use super::{Frame, Link};
use crate::channel::SizedBatch;
use crate::checker::Checker;
use crate::exchange::Exchange;

/// The links below an operator, and the channels behind them.
pub(crate) struct Below<'a> {
    pub(super) links: &'a mut [Link],
    pub(super) exchange: &'a mut Exchange,
    pub(super) frame: &'a Frame,
}

impl Below<'_> {
    /// Hands rows to the next operator, or to the channels.
    pub(crate) async fn batch(&mut self, input: usize, batch: SizedBatch) -> Result<()> {
        match self.links.split_first_mut() {
            Some((next, rest)) => {
                let mut below = Below { links: rest, exchange: self.exchange, frame: self.frame };
                next.batch(input, batch, &mut below).await
            }
            None => self.exchange.send(batch).await,
        }
    }

    /// Hands a watermark on.
    pub(crate) async fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        match self.links.split_first_mut() {
            Some((next, rest)) => {
                let mut below = Below { links: rest, exchange: self.exchange, frame: self.frame };
                next.watermark(watermark, &mut below).await
            }
            None => self.exchange.send_watermark(watermark),
        }
    }
}

/// An operator's output.
pub(crate) struct Emitter<'a, 'b> {
    pub(crate) below: &'a mut Below<'b>,
    pub(crate) metrics: &'a OperatorMetrics,
    pub(crate) checker: &'a mut Checker,
    /// The position of the operator that emits.
    pub(crate) position: usize,
}

impl Emitter<'_, '_> {
    /// Checks and counts a batch, and hands it on.
    pub(crate) async fn batch(&mut self, batch: ChangeBatch) -> Result<()> {
        let last = batch.last_watermark();
        if batch.is_empty() {
            return match last {
                Some(watermark) => self.watermark(watermark).await,
                None => Ok(()),
            };
        }
        self.checker.on_batch(&batch)?;
        if let Some(watermark) = last {
            self.metrics.current_output_watermark.set(watermark.0);
        }
        let batch = SizedBatch::measure(batch);
        self.metrics.num_records_out.add(batch.batch.len() as u64);
        self.metrics.num_bytes_out.add(batch.bytes as u64);
        self.below.batch(0, batch).await?;
        self.below.frame.enter(self.position);
        Ok(())
    }

    async fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        self.checker.on_watermark(watermark)?;
        self.metrics.current_output_watermark.set(watermark.0);
        self.below.watermark(watermark).await?;
        self.below.frame.enter(self.position);
        Ok(())
    }
}

impl Output for Emitter<'_, '_> {
    fn emit(&mut self, batch: ChangeBatch) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.batch(batch))
    }

    fn emit_watermark(&mut self, watermark: Watermark) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.watermark(watermark))
    }

    fn emit_status(&mut self, idle: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(self.below.exchange.send_status(idle)))
    }
}
