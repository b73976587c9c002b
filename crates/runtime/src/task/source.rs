//! The loop of a subtask that reads a source.
//!
//! Splits come from the enumerator; barriers and stop come on lines of their own. Watermarks per
//! split would be merged here, where each batch still names its split; no connector makes them yet.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flott_api::metrics::OperatorMetrics;
use flott_api::source::{ReadEvent, SplitReader};
use flott_api::{ChangeBatch, Error, Result};

use super::SourceLines;
use super::pace::{Pace, sleep_until};
use crate::chain::{Chain, Emitter};
use crate::channel::Barrier;
use crate::checker::Checker;
use crate::coordinator::enumerator::ReaderMessage;
use crate::job::Control;

/// Feeds a chain from a reader.
pub(super) struct SourceWorker {
    reader: Box<dyn SplitReader>,
    lines: SourceLines,
    checker: Checker,
    metrics: Arc<OperatorMetrics>,
    /// Splits that the reader holds.
    open_splits: usize,
    more_splits: bool,
}

enum Step {
    Read(ReadEvent),
    Message(ReaderMessage),
    Barrier(Barrier),
    Stop { drain: bool },
    TimersDue,
}

impl SourceWorker {
    pub(super) fn new(
        reader: Box<dyn SplitReader>,
        lines: SourceLines,
        checker: Checker,
        metrics: Arc<OperatorMetrics>,
    ) -> Self {
        SourceWorker { reader, lines, checker, metrics, open_splits: 0, more_splits: true }
    }

    /// Runs until all splits are read, or the job is stopped.
    pub(super) async fn run(&mut self, chain: &mut Chain, pace: &mut Pace) -> Result<()> {
        while self.more_splits || self.open_splits > 0 {
            chain.frame.enter(0);
            let step = self.next(chain.next_timer_ms(), pace).await?;
            pace.waited();
            let mut rows = 0;
            match step {
                Step::Read(ReadEvent::Batch { batch, .. }) => {
                    rows = batch.len();
                    self.emit(batch, chain).await?;
                }
                Step::Read(ReadEvent::Finished { split }) => self.finish_split(&split)?,
                Step::Message(message) => self.accept(message)?,
                Step::Barrier(barrier) => chain.barrier(barrier).await?,
                Step::Stop { drain: true } => break,
                Step::Stop { drain: false } => return chain.stop().await,
                Step::TimersDue => {}
            }
            chain.fire_due().await?;
            pace.step(rows).await;
        }
        chain.finish(true).await
    }

    /// Each branch loses nothing when another one is taken.
    async fn next(&mut self, timer_ms: Option<i64>, pace: &Pace) -> Result<Step> {
        let timers = async {
            match timer_ms {
                Some(at_ms) => sleep_until(pace.clock(), at_ms).await,
                None => pending().await,
            }
        };
        let SourceLines { enumerator, barriers, control } = &mut self.lines;
        tokio::select! {
            biased;
            drain = stopped(control) => Ok(Step::Stop { drain }),
            Some(barrier) = barriers.recv() => Ok(Step::Barrier(barrier)),
            Some(message) = enumerator.messages.recv() => Ok(Step::Message(message)),
            event = self.reader.next(), if self.open_splits > 0 => event.map(Step::Read),
            () = timers => Ok(Step::TimersDue),
        }
    }

    async fn emit(&mut self, batch: ChangeBatch, chain: &mut Chain) -> Result<()> {
        let mut below = chain.below_source();
        let mut emitter =
            Emitter { below: &mut below, metrics: &self.metrics, checker: &mut self.checker, position: 0 };
        emitter.batch(batch).await
    }

    fn accept(&mut self, message: ReaderMessage) -> Result<()> {
        match message {
            ReaderMessage::AddSplits(splits) => {
                self.open_splits += splits.len();
                self.reader.add_splits(splits)
            }
            ReaderMessage::NoMoreSplits => {
                self.more_splits = false;
                Ok(())
            }
        }
    }

    fn finish_split(&mut self, split: &str) -> Result<()> {
        let more = self.open_splits.checked_sub(1);
        self.open_splits = more.ok_or_else(|| Error::internal(format!("split '{split}' ends twice")))?;
        self.lines.enumerator.finished.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Waits for a stop; answers whether it drains. A cancellation ends the whole subtask elsewhere.
async fn stopped(control: &mut tokio::sync::watch::Receiver<Control>) -> bool {
    match control.wait_for(|c| matches!(c, Control::Stop { .. })).await.map(|c| *c) {
        Ok(Control::Stop { drain }) => drain,
        _ => pending().await,
    }
}
