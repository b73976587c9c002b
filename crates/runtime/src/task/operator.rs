//! The loop of a subtask that gets its rows from others.

use flott_api::Result;

use super::pace::{Pace, sleep_until};
use crate::chain::Chain;
use crate::gate::{Gate, GateEvent};

/// Feeds a chain from its gate.
pub(super) struct GateWorker {
    gate: Gate,
}

enum Step {
    Event(GateEvent),
    TimersDue,
}

impl GateWorker {
    pub(super) fn new(gate: Gate) -> Self {
        GateWorker { gate }
    }

    /// Runs until every channel has ended.
    pub(super) async fn run(&mut self, chain: &mut Chain, pace: &mut Pace) -> Result<()> {
        loop {
            let step = self.next(chain.next_timer_ms(), pace).await?;
            pace.waited();
            let mut rows = 0;
            match step {
                Step::Event(GateEvent::Batch { input, batch }) => {
                    rows = batch.batch.len();
                    chain.batch(input, batch).await?;
                }
                Step::Event(GateEvent::Watermark(watermark)) => chain.watermark(watermark).await?,
                Step::Event(GateEvent::Status { idle }) => chain.status(idle)?,
                Step::Event(GateEvent::Barrier(barrier)) => chain.barrier(barrier).await?,
                Step::Event(GateEvent::End { drained: true }) => return chain.finish(true).await,
                Step::Event(GateEvent::End { drained: false }) => return chain.stop().await,
                Step::TimersDue => {}
            }
            chain.fire_due().await?;
            pace.step(rows).await;
        }
    }

    async fn next(&mut self, timer_ms: Option<i64>, pace: &Pace) -> Result<Step> {
        let Some(at_ms) = timer_ms else { return self.gate.next().await.map(Step::Event) };
        tokio::select! {
            biased;
            event = self.gate.next() => event.map(Step::Event),
            () = sleep_until(pace.clock(), at_ms) => Ok(Step::TimersDue),
        }
    }
}
