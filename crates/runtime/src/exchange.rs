//! The output side of a task: sends what its last operator emits over the channels of its edges.

pub(crate) mod overdraft;
pub(crate) mod route;

use std::sync::Arc;
use std::task::Poll;

use flott_api::env::Clock;
use flott_api::metrics::TaskMetrics;
use flott_api::{Result, Watermark};

use crate::channel::{Barrier, ChannelSender, Element, SizedBatch};
use overdraft::Overdraft;
use route::Router;

/// One edge, seen from one producing subtask.
pub(crate) struct OutputEdge {
    router: Router,
    channels: Vec<Box<dyn ChannelSender>>,
    /// Reused: what goes where.
    routed: Vec<(usize, Element)>,
}

impl OutputEdge {
    pub(crate) fn new(router: Router, channels: Vec<Box<dyn ChannelSender>>) -> Self {
        OutputEdge { router, channels, routed: Vec::new() }
    }

    fn broadcast(&mut self, element: impl Fn() -> Element) -> Result<()> {
        self.channels.iter_mut().try_for_each(|c| c.send(element()))
    }
}

/// All edges out of one subtask; none for a sink.
pub(crate) struct Exchange {
    edges: Vec<OutputEdge>,
    watermark: Watermark,
    idle: bool,
    clock: Arc<dyn Clock>,
    metrics: Arc<TaskMetrics>,
    overdraft: Arc<Overdraft>,
}

impl Exchange {
    pub(crate) fn new(
        edges: Vec<OutputEdge>,
        clock: Arc<dyn Clock>,
        metrics: Arc<TaskMetrics>,
        overdraft: Arc<Overdraft>,
    ) -> Self {
        Exchange { edges, watermark: Watermark::MIN, idle: false, clock, metrics, overdraft }
    }

    /// Sends rows; waits while a channel has no credit.
    pub(crate) async fn send(&mut self, batch: SizedBatch) -> Result<()> {
        if let Some(watermark) = batch.batch.last_watermark() {
            self.watermark = self.watermark.max(watermark);
        }
        let Some(last) = self.edges.len().checked_sub(1) else { return Ok(()) };
        for edge in 0..last {
            self.send_to(edge, batch.clone()).await?;
        }
        self.send_to(last, batch).await
    }

    async fn send_to(&mut self, edge: usize, batch: SizedBatch) -> Result<()> {
        let Exchange { edges, clock, metrics, overdraft, .. } = self;
        let OutputEdge { router, channels, routed } = &mut edges[edge];
        router.route(batch, channels.len(), routed)?;
        for (target, element) in routed.drain(..) {
            let channel = channels[target].as_mut();
            if let Element::Batch(batch) = &element {
                wait_for_credit(channel, clock.as_ref(), metrics, || overdraft.take(batch.bytes)).await?;
            }
            channel.send(element)?;
        }
        Ok(())
    }

    /// Sends a watermark to everybody, if it is a new one.
    pub(crate) fn send_watermark(&mut self, watermark: Watermark) -> Result<()> {
        if watermark <= self.watermark {
            return Ok(());
        }
        self.watermark = watermark;
        self.broadcast(|| Element::Watermark(watermark))
    }

    /// Says whether anybody shall wait for this subtask's watermark.
    pub(crate) fn send_status(&mut self, idle: bool) -> Result<()> {
        if idle == self.idle {
            return Ok(());
        }
        self.idle = idle;
        self.broadcast(|| Element::Status { idle })
    }

    pub(crate) fn send_barrier(&mut self, barrier: Barrier) -> Result<()> {
        self.broadcast(|| Element::Barrier(barrier))
    }

    pub(crate) fn send_end(&mut self, drained: bool) -> Result<()> {
        self.broadcast(|| Element::EndOfInput { drained })
    }

    fn broadcast(&mut self, element: impl Fn() -> Element) -> Result<()> {
        self.edges.iter_mut().try_for_each(|e| e.broadcast(&element))
    }
}

async fn wait_for_credit(
    channel: &mut dyn ChannelSender,
    clock: &dyn Clock,
    metrics: &TaskMetrics,
    needs_none: impl Fn() -> bool,
) -> Result<()> {
    let mut since = None;
    let ready = std::future::poll_fn(|cx| {
        let ready = channel.poll_ready(cx);
        if ready.is_pending() && needs_none() {
            return Poll::Ready(Ok(()));
        }
        if ready.is_pending() {
            since.get_or_insert_with(|| clock.monotonic_ns());
        }
        ready
    })
    .await;
    if let Some(since) = since {
        metrics.back_pressured_ns.add(clock.monotonic_ns().saturating_sub(since));
    }
    ready
}
