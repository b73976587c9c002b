//! The loop of a subtask that gets its rows from others.

use std::future::pending;
use std::sync::Arc;

use flott_api::Result;
use futures::FutureExt;

use super::End;
use super::acknowledge::Acknowledge;
use super::pace::{Pace, sleep_some, sleep_until};
use super::urgency::letting_pass;
use crate::chain::Chain;
use crate::gate::replay::Replay;
use crate::gate::{Gate, GateEvent};
use crate::in_flight::KeptChannel;

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
            let step = self.next((chain.next_timer_ms(), chain.next_drain_ms()), pace).await?;
            pace.waited();
            let rows = match step {
                Step::Event(GateEvent::End { drained: true }) => {
                    chain.finish(true).await?;
                    return Ok(End::Finished);
                }
                Step::Event(GateEvent::End { drained: false }) => {
                    chain.stop().await?;
                    return Ok(End::Stopped);
                }
                Step::Event(event) => self.execute(event, chain, ack).await?,
                Step::TimersDue | Step::Drain => 0,
            };
            self.letting_pass(chain, async |chain| chain.fire_due().await).await?;
            ack.step(rows, chain).await?;
            pace.step(rows).await;
        }
    }

    /// Gives the number of rows.
    async fn execute(&mut self, event: GateEvent, chain: &mut Chain, ack: &mut Acknowledge) -> Result<usize> {
        match event {
            GateEvent::Batch { input, batch } => {
                let rows = batch.batch.len();
                self.look_ahead(chain)?;
                self.letting_pass(chain, async |chain| chain.batch(input, batch).await).await?;
                return Ok(rows);
            }
            GateEvent::Watermark(watermark) => {
                self.letting_pass(chain, async |chain| chain.watermark(watermark).await).await?;
            }
            GateEvent::Status { idle } => chain.status(idle)?,
            GateEvent::Barrier { barrier, overtakes } => ack.barrier(barrier, overtakes, None, chain).await?,
            GateEvent::Kept(rows) => ack.kept(rows).await,
            GateEvent::GivenUp(checkpoint) => ack.given_up(checkpoint),
            GateEvent::End { .. } => {}
        }
        Ok(0)
    }

    /// Works, and comes to the end of it also without room in the channels behind if a barrier waits that overtakes
    /// rows.
    async fn letting_pass(
        &mut self,
        chain: &mut Chain,
        work: impl AsyncFnOnce(&mut Chain) -> Result<()>,
    ) -> Result<()> {
        if !self.gate.hears_early() {
            return work(chain).await;
        }
        let frame = Arc::clone(&chain.frame);
        let GateWorker { gate, ahead } = self;
        let waits = ahead.as_ref().is_some_and(GateEvent::is_urgent);
        letting_pass(&frame.overdraft, work(chain), |cx| Ok(gate.poll_urgent(cx)? || waits)).await
    }

    /// These rows come before all others.
    pub(super) fn replay(&mut self, rows: Vec<KeptChannel>) {
        let replay = Replay::new(rows, self.gate.inputs(), self.gate.watermark());
        self.gate.replay(replay);
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

    async fn next(&mut self, (timer_ms, drain_ms): (Option<i64>, Option<u64>), pace: &Pace) -> Result<Step> {
        if let Some(event) = self.ahead.take() {
            return Ok(Step::Event(event));
        }
        if timer_ms.is_none() && drain_ms.is_none() {
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
            () = sleep_some(pace.clock(), drain_ms) => Ok(Step::Drain),
        }
    }
}
