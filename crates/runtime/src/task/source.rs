//! The loop of a subtask that reads a source.
//!
//! Splits and barriers come from the enumerator, a stop on a line of its own. Which split a batch is of is
//! told to the chain, where a watermark assigner may keep time by split. How far that has come is told to the source's
//! group, if it has one, and what is too far ahead is left alone.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use flott_api::env::Clock;
use flott_api::metrics::OperatorMetrics;
use flott_api::source::{ReadEvent, SplitReader};
use flott_api::{ChangeBatch, Error, Result};
use flott_graph::NodeId;
use flott_state::checkpoint::manifest::{SplitSnapshot, SubtaskSnapshot};

use super::alignment::Alignment;
use super::pace::{Pace, sleep_some, sleep_until};
use super::urgency::{letting_pass, sleep_until_due};
use super::{End, SourceLines};
use crate::chain::{Chain, Emitter};
use crate::channel::Barrier;
use crate::checker::Checker;
use crate::coordinator::enumerator::{EnumeratorLine, ReaderMessage};
use crate::region::Control;
use crate::report::OperatorPart;
use crate::task::acknowledge::Acknowledge;

/// Feeds a chain from a reader.
pub(super) struct SourceWorker {
    node: NodeId,
    reader: Box<dyn SplitReader>,
    lines: SourceLines,
    /// If it waits for others.
    alignment: Option<Alignment>,
    checker: Checker,
    metrics: Arc<OperatorMetrics>,
    /// Splits that the reader holds.
    open_splits: usize,
    more_splits: bool,
    /// Behind the barrier of the savepoint with which the job shall stop, nothing is read.
    paused: bool,
    /// What has come while it was at work.
    inbox: VecDeque<ReaderMessage>,
    /// Whether barriers may overtake rows.
    unaligned: bool,
}

/// What a source needs besides its reader.
pub(super) struct SourceParts {
    pub(super) lines: SourceLines,
    pub(super) checker: Checker,
    pub(super) metrics: Arc<OperatorMetrics>,
    pub(super) unaligned: bool,
}

/// How many messages are taken ahead; as many as may wait in the line.
const INBOX_MAX: usize = 64;

enum Step {
    Read(ReadEvent),
    Message(ReaderMessage),
    Stop {
        drain: bool,
    },
    TimersDue,
    Drain,
    /// It may read further, or less far.
    Bound,
}

impl SourceWorker {
    pub(super) fn new(node: NodeId, reader: Box<dyn SplitReader>, parts: SourceParts) -> Self {
        let SourceParts { mut lines, checker, metrics, unaligned } = parts;
        SourceWorker {
            node,
            reader,
            alignment: lines.alignment.take().map(Alignment::new),
            lines,
            checker,
            metrics,
            open_splits: 0,
            more_splits: true,
            paused: false,
            inbox: VecDeque::new(),
            unaligned,
        }
    }

    /// Runs until all splits are read, or the job is stopped.
    pub(super) async fn run(&mut self, chain: &mut Chain, pace: &mut Pace, ack: &mut Acknowledge) -> Result<End> {
        while self.more_splits || self.open_splits > 0 || self.paused {
            chain.frame.enter(0);
            let step = self.next((chain.next_timer_ms(), chain.next_drain_ms()), pace).await?;
            pace.waited();
            let mut rows = 0;
            match step {
                Step::Read(ReadEvent::Batch { split, batch }) => {
                    rows = batch.len();
                    chain.frame.splits.read(&split);
                    self.letting_pass(chain, async |out, chain| out.emit(batch, chain).await).await?;
                }
                Step::Read(ReadEvent::Finished { split }) => {
                    chain.frame.splits.close(&split);
                    self.finish_split(&split)?;
                }
                Step::Message(message) => self.accept(message, chain, ack).await?,
                Step::Stop { drain: true } => break,
                Step::Stop { drain: false } => {
                    self.hear_no_more();
                    chain.stop().await?;
                    return Ok(End::Stopped);
                }
                Step::TimersDue | Step::Drain | Step::Bound => {}
            }
            self.letting_pass(chain, async |_, chain| chain.fire_due().await).await?;
            self.align(chain);
            ack.step(rows, chain).await?;
            pace.step(rows).await;
        }
        self.hear_no_more();
        // Others need not wait while the end flows through.
        self.alignment = None;
        chain.finish(true).await?;
        Ok(End::Finished)
    }

    /// Nobody listens any more, and the enumerator must not wait until somebody does: it tells every reader of every
    /// checkpoint, and this subtask may stay until the last one has ended.
    fn hear_no_more(&mut self) {
        let messages = &mut self.lines.enumerator.messages;
        messages.close();
        while messages.try_recv().is_ok() {}
        self.inbox.clear();
    }

    /// Each branch loses nothing when another one is taken.
    async fn next(&mut self, (timer_ms, drain_ms): (Option<i64>, Option<u64>), pace: &Pace) -> Result<Step> {
        let timers = async {
            match timer_ms {
                Some(at_ms) => sleep_until(pace.clock(), at_ms).await,
                None => pending().await,
            }
        };
        let SourceWorker { lines: SourceLines { enumerator, control, .. }, inbox, alignment, .. } = self;
        let reads = self.open_splits > 0 && !self.paused && !alignment.as_ref().is_some_and(Alignment::waits);
        let bound = async {
            match alignment {
                Some(alignment) => alignment.changed().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            drain = stopped(control) => Ok(Step::Stop { drain }),
            Some(message) = next_message(inbox, enumerator) => Ok(Step::Message(message)),
            () = bound => Ok(Step::Bound),
            event = self.reader.next(), if reads => event.map(Step::Read),
            () = timers => Ok(Step::TimersDue),
            () = sleep_some(pace.clock(), drain_ms) => Ok(Step::Drain),
        }
    }

    /// Stops reading what is too far ahead, and goes on with what is not any more.
    fn align(&mut self, chain: &Chain) {
        if let Some(alignment) = &mut self.alignment {
            alignment.step(&chain.frame.splits, self.reader.as_mut(), chain.frame.clock.now_ms());
        }
    }

    /// Works, and comes to the end of it also without room in the channels behind if a barrier waits that overtakes
    /// rows.
    async fn letting_pass(
        &mut self,
        chain: &mut Chain,
        work: impl AsyncFnOnce(&mut SourceOutput<'_>, &mut Chain) -> Result<()>,
    ) -> Result<()> {
        let SourceWorker { lines, inbox, checker, metrics, unaligned, .. } = self;
        let mut output = SourceOutput { checker, metrics };
        if !*unaligned {
            return work(&mut output, chain).await;
        }
        let frame = Arc::clone(&chain.frame);
        let mut urgent = pin!(overtaking_barrier(inbox, &mut lines.enumerator, frame.clock.as_ref()));
        let mut waits = false;
        letting_pass(&frame.overdraft, work(&mut output, chain), |cx| {
            waits = waits || urgent.as_mut().poll(cx).is_ready();
            Ok(waits)
        })
        .await
    }

    async fn accept(&mut self, message: ReaderMessage, chain: &mut Chain, ack: &mut Acknowledge) -> Result<()> {
        match message {
            ReaderMessage::AddSplits(splits) => {
                self.open_splits += splits.len();
                splits.iter().for_each(|split| chain.frame.splits.open(&split.id));
                self.reader.add_splits(splits)
            }
            ReaderMessage::NoMoreSplits => {
                self.more_splits = false;
                Ok(())
            }
            ReaderMessage::Barrier(barrier) => self.barrier(barrier, chain, ack).await,
            ReaderMessage::Resume => {
                self.paused = false;
                Ok(())
            }
            ReaderMessage::Complete(checkpoint) => self.reader.checkpoint_complete(checkpoint).await,
        }
    }

    async fn barrier(&mut self, barrier: Barrier, chain: &mut Chain, ack: &mut Acknowledge) -> Result<()> {
        if barrier.stop == Some(true) {
            chain.end_of_time().await?;
        }
        self.paused |= barrier.stop.is_some();
        let part = self.part()?;
        self.reader.barrier(barrier.checkpoint);
        ack.barrier(barrier, false, Some(part), chain).await
    }

    /// What is to be known of the reader.
    pub(super) fn part(&mut self) -> Result<OperatorPart> {
        let splits = self.reader.snapshot()?;
        let splits = splits.into_iter().map(|s| SplitSnapshot { id: s.id, state: s.state }).collect();
        let snapshot = SubtaskSnapshot { splits, ..SubtaskSnapshot::default() };
        Ok(OperatorPart { node: self.node, snapshot, committables: Vec::new() })
    }

    fn finish_split(&mut self, split: &str) -> Result<()> {
        let more = self.open_splits.checked_sub(1);
        self.open_splits = more.ok_or_else(|| Error::internal(format!("split '{split}' ends twice")))?;
        self.lines.enumerator.finish_split();
        Ok(())
    }
}

/// Where a reader's batches go.
struct SourceOutput<'a> {
    checker: &'a mut Checker,
    metrics: &'a OperatorMetrics,
}

impl SourceOutput<'_> {
    async fn emit(&mut self, batch: ChangeBatch, chain: &mut Chain) -> Result<()> {
        let mut below = chain.below_source();
        let mut emitter = Emitter { below: &mut below, metrics: self.metrics, checker: self.checker, position: 0 };
        emitter.batch(batch).await
    }
}

async fn next_message(inbox: &mut VecDeque<ReaderMessage>, line: &mut EnumeratorLine) -> Option<ReaderMessage> {
    match inbox.pop_front() {
        Some(message) => Some(message),
        None => line.messages.recv().await,
    }
}

/// Takes messages ahead until one is a barrier that overtakes rows, and waits until it does.
async fn overtaking_barrier(inbox: &mut VecDeque<ReaderMessage>, line: &mut EnumeratorLine, clock: &dyn Clock) {
    loop {
        let barrier = inbox.iter().find_map(|m| match m {
            ReaderMessage::Barrier(barrier) => barrier.overtakes_at_ms(),
            _ => None,
        });
        if let Some(at_ms) = barrier {
            return sleep_until_due(clock, at_ms).await;
        }
        if inbox.len() >= INBOX_MAX {
            return pending().await;
        }
        match line.messages.recv().await {
            Some(message) => inbox.push_back(message),
            None => return pending().await,
        }
    }
}

/// Waits for a stop; answers whether it drains. A cancellation ends the whole subtask elsewhere.
async fn stopped(control: &mut tokio::sync::watch::Receiver<Control>) -> bool {
    match control.wait_for(|c| matches!(c, Control::Stop { .. })).await.map(|c| *c) {
        Ok(Control::Stop { drain }) => drain,
        _ => pending().await,
    }
}
