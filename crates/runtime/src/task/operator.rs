//! The loop of a subtask that gets its rows from others.

use std::future::{pending, ready};

use flott_api::Result;
use futures::FutureExt;

use super::End;
use super::acknowledge::Acknowledge;
use super::pace::{Pace, sleep_until};
use crate::chain::Chain;
use crate::gate::{Gate, GateEvent};

/// Feeds a chain from its gate.
pub(super) struct GateWorker {
    gate: Gate,
    /// What comes next, if it was looked at already.
    ahead: Option<GateEvent>,
}

enum Step {
    Event(GateEvent),
    TimersDue,
    Drain,
}

impl GateWorker {
    pub(super) fn new(gate: Gate) -> Self {
        GateWorker { gate, ahead: None }
    }

    /// Reads what is left for a task that had ended before: the end of each channel.
    pub(super) async fn wait_for_end(&mut self) -> Result<()> {
        while !matches!(self.gate.next().await?, GateEvent::End { .. }) {}
        Ok(())
    }

    /// Runs until every channel has ended.
    pub(super) async fn run(&mut self, chain: &mut Chain, pace: &mut Pace, ack: &mut Acknowledge) -> Result<End> {
        loop {
            let step = self.next((chain.next_timer_ms(), chain.is_draining()), pace).await?;
            pace.waited();
            let mut rows = 0;
            match step {
                Step::Event(GateEvent::Batch { input, batch }) => {
                    rows = batch.batch.len();
                    self.look_ahead(chain)?;
                    chain.batch(input, batch).await?;
                }
                Step::Event(GateEvent::Watermark(watermark)) => chain.watermark(watermark).await?,
                Step::Event(GateEvent::Status { idle }) => chain.status(idle)?,
                Step::Event(GateEvent::Barrier(barrier)) => ack.barrier(barrier, None, chain).await?,
                Step::Event(GateEvent::End { drained: true }) => {
                    chain.finish(true).await?;
                    return Ok(End::Finished);
                }
                Step::Event(GateEvent::End { drained: false }) => {
                    chain.stop().await?;
                    return Ok(End::Stopped);
                }
                Step::TimersDue | Step::Drain => {}
            }
            chain.fire_due().await?;
            ack.step(chain).await?;
            pace.step(rows).await;
        }
    }

    /// The next batch, if it is there, tells the operator which state it will need, so that this is loaded
    /// while the batch before is worked on. It is executed in its turn.
    fn look_ahead(&mut self, chain: &mut Chain) -> Result<()> {
        if !chain.wants_prefetch() {
            return Ok(());
        }
        self.ahead = self.gate.next().now_or_never().transpose()?;
        match &self.ahead {
            Some(GateEvent::Batch { input, batch }) => chain.prefetch(*input, &batch.batch),
            _ => Ok(()),
        }
    }

    async fn next(&mut self, (timer_ms, draining): (Option<i64>, bool), pace: &Pace) -> Result<Step> {
        if let Some(event) = self.ahead.take() {
            return Ok(Step::Event(event));
        }
        if timer_ms.is_none() && !draining {
            return self.gate.next().await.map(Step::Event);
        }
        let timers = async {
            match timer_ms {
                Some(at_ms) => sleep_until(pace.clock(), at_ms).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            event = self.gate.next() => event.map(Step::Event),
            () = timers => Ok(Step::TimersDue),
            () = ready(()), if draining => Ok(Step::Drain),
        }
    }
}
