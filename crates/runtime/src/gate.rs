//! The input side of a task: merges its channels, fairly, into one sequence.
//!
//! Several edges may end in one input (`UNION ALL`). Watermarks and marks become the task's own: a
//! mark within a batch counts for its channel, and stays in its place only where the task's
//! watermark rises there. A task with one channel gets its batches untouched.
//!
//! Before anything from its channels come the rows under way of a restored checkpoint (`replay`). At an
//! unaligned checkpoint the gate keeps what is under way (`keeping`) and reads on.

pub(crate) mod alignment;
mod keeping;
pub(crate) mod replay;
pub(crate) mod watermarks;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use flott_api::env::Clock;
use flott_api::ids::CheckpointId;
use flott_api::{BoxFuture, Error, Mark, Result, Watermark};

use crate::channel::{Announced, Announcements, Barrier, ChannelReceiver, Element, SizedBatch};
use crate::in_flight::{InFlight, Origin};
use alignment::{Alignment, Command, Event};
use keeping::Keeping;
use replay::Replay;
use watermarks::{TaskTime, TimeChange};

/// What a task gets.
#[derive(Debug)]
pub(crate) enum GateEvent {
    /// Rows on an input, with the task's watermarks between them.
    Batch { input: usize, batch: SizedBatch },
    /// The task's watermark has risen.
    Watermark(Watermark),
    /// The task has become idle or active.
    Status { idle: bool },
    /// The snapshot is to be taken: a barrier has come on every channel, or it overtakes what is under way,
    /// which follows then.
    Barrier { barrier: Barrier, overtakes: bool },
    /// Of what was under way at a snapshot that was taken, the next piece.
    Kept(InFlight),
    /// What was under way of a checkpoint will not come: it was given up.
    GivenUp(CheckpointId),
    /// Every channel has ended.
    End { drained: bool },
}

impl GateEvent {
    /// Whether others should not wait for it.
    pub(crate) fn is_urgent(&self) -> bool {
        matches!(self, GateEvent::Barrier { overtakes: true, .. })
    }
}

/// A channel into a task.
pub(crate) struct Inlet {
    pub(crate) receiver: Box<dyn ChannelReceiver>,
    pub(crate) origin: Origin,
    /// Whether its rows can be overtaken, and spread again from a checkpoint that has kept them.
    pub(crate) yields: bool,
}

struct Channel {
    inlet: Inlet,
    input: usize,
    blocked: bool,
    ended: bool,
}

/// How a task hears of barriers before their turn.
struct Early {
    announcements: Arc<Announcements>,
    clock: Arc<dyn Clock>,
    /// When alignment has taken too long.
    due: Option<(CheckpointId, BoxFuture<'static, ()>)>,
}

/// The channels of one task.
pub(crate) struct Gate {
    channels: Vec<Channel>,
    time: TaskTime,
    alignment: Alignment,
    /// Only if barriers may overtake rows.
    early: Option<Early>,
    keeping: Option<Keeping>,
    /// What is kept leaves when it is so much. Bytes.
    piece_bytes: usize,
    replay: Option<Replay>,
    /// What was found and not yet handed out.
    ready: VecDeque<GateEvent>,
    /// The channel whose turn it is.
    turn: usize,
    drained: bool,
}

impl Gate {
    /// The watermark is that of the restored checkpoint.
    pub(crate) fn new(inlets: Vec<Inlet>, watermark: Watermark) -> Self {
        let inputs: Vec<usize> = inlets.iter().map(|i| i.origin.input()).collect();
        let channel = |inlet: Inlet| Channel { input: inlet.origin.input(), inlet, blocked: false, ended: false };
        Gate {
            alignment: Alignment::new(inlets.iter().map(|i| i.yields)),
            time: TaskTime::new(&inputs, watermark),
            channels: inlets.into_iter().map(channel).collect(),
            early: None,
            keeping: None,
            piece_bytes: usize::MAX,
            replay: None,
            ready: VecDeque::new(),
            turn: 0,
            drained: true,
        }
    }

    /// Lets barriers overtake rows, where channels yield. What is kept leaves in pieces of this size.
    pub(crate) fn let_overtake(&mut self, clock: Arc<dyn Clock>, piece_bytes: usize) {
        let announcements = Arc::new(Announcements::default());
        for (index, channel) in self.channels.iter_mut().enumerate() {
            if channel.inlet.yields {
                channel.inlet.receiver.announce_to(&announcements, index);
            }
        }
        self.early = Some(Early { announcements, clock, due: None });
        self.piece_bytes = piece_bytes;
    }

    /// How many inputs the task has.
    pub(crate) fn inputs(&self) -> usize {
        self.channels.iter().map(|c| c.input + 1).max().unwrap_or(0)
    }

    /// The task's watermark.
    pub(crate) fn watermark(&self) -> Watermark {
        self.time.watermark()
    }

    /// These rows come before anything from the channels.
    pub(crate) fn replay(&mut self, mut replay: Replay) {
        replay.start(&mut self.ready);
        self.replay = Some(replay);
    }

    /// The next event; waits while there is none. Not called again after the end.
    pub(crate) async fn next(&mut self) -> Result<GateEvent> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<GateEvent>> {
        loop {
            self.poll_early(cx)?;
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Ok(event));
            }
            if self.replay_next()? {
                continue;
            }
            let Poll::Ready((channel, element)) = self.poll_channels(cx)? else { return Poll::Pending };
            self.accept(channel, element)?;
        }
    }

    /// Whether a barrier waits that others should not wait for; the task is woken by it. Looked at while the task
    /// works on what came before.
    pub(crate) fn poll_urgent(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        self.poll_early(cx)?;
        Ok(self.ready.iter().any(GateEvent::is_urgent))
    }

    /// Whether barriers may come before their turn at all.
    pub(crate) fn hears_early(&self) -> bool {
        self.early.is_some()
    }

    fn poll_early(&mut self, cx: &mut Context<'_>) -> Result<()> {
        loop {
            let Some(early) = &mut self.early else { return Ok(()) };
            if let Some((checkpoint, sleep)) = &mut early.due
                && sleep.as_mut().poll(cx).is_ready()
            {
                let checkpoint = *checkpoint;
                early.due = None;
                self.align(Event::Due { checkpoint })?;
                continue;
            }
            match early.announcements.poll(cx) {
                Some((channel, Announced::Barrier(barrier))) => self.align(Event::Announced { channel, barrier })?,
                Some((channel, Announced::End)) => self.align(Event::EndAnnounced { channel })?,
                None => return Ok(()),
            }
        }
    }

    /// The next of what is replayed; answers nothing when the channels have their turn.
    fn replay_next(&mut self) -> Result<bool> {
        let Some(replay) = &mut self.replay else { return Ok(false) };
        if replay.next(&mut self.ready)? {
            return Ok(true);
        }
        self.time.raise(replay.watermark());
        for (index, channel) in self.channels.iter().enumerate() {
            // What was promised on the channels before holds for those that take their place.
            let Some(floor) = replay.floor(&channel.inlet.origin) else { continue };
            let change = self.time.on_watermark(index, floor);
            self.ready.extend(change.watermark.map(GateEvent::Watermark));
        }
        self.replay = None;
        Ok(true)
    }

    /// Each channel in turn, so that none starves.
    fn poll_channels(&mut self, cx: &mut Context<'_>) -> Poll<Result<(usize, Element)>> {
        let count = self.channels.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let channel = &mut self.channels[index];
            if channel.blocked || channel.ended {
                continue;
            }
            if let Poll::Ready(element) = channel.inlet.receiver.poll_next(cx) {
                self.turn = (index + 1) % count;
                return Poll::Ready(element.map(|e| (index, e)));
            }
        }
        Poll::Pending
    }

    fn accept(&mut self, channel: usize, element: Element) -> Result<()> {
        if let Some(keeping) = &mut self.keeping {
            keeping.on_element(channel, &element);
            let piece = keeping.full_piece(self.piece_bytes);
            self.ready.extend(piece.map(GateEvent::Kept));
        }
        match element {
            Element::Batch(batch) => {
                let Gate { time, ready, .. } = self;
                // The end of an idle channel makes it active: said before the batch, where it changes nothing.
                let status = |idle| ready.push_back(GateEvent::Status { idle });
                let batch = with_task_marks(time, channel, batch, status)?;
                self.ready.push_back(GateEvent::Batch { input: self.channels[channel].input, batch });
            }
            Element::Watermark(watermark) => {
                let change = self.time.on_watermark(channel, watermark);
                self.push(change);
            }
            Element::Status { idle } => {
                let change = self.time.on_status(channel, idle);
                self.push(change);
            }
            Element::Barrier(barrier) => self.align(Event::Barrier { channel, barrier })?,
            Element::EndOfInput { drained } => self.end(channel, drained)?,
        }
        Ok(())
    }

    fn push(&mut self, change: TimeChange) {
        self.ready.extend(change.watermark.map(GateEvent::Watermark));
        self.ready.extend(change.idle.map(|idle| GateEvent::Status { idle }));
    }

    fn align(&mut self, event: Event) -> Result<()> {
        for command in self.alignment.on(event) {
            self.execute(command)?;
        }
        Ok(())
    }

    fn execute(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Block { channel } => self.channels[channel].blocked = true,
            Command::Unblock { channel } => self.channels[channel].blocked = false,
            Command::WakeAt { checkpoint, at_ms } => self.wake_at(checkpoint, at_ms),
            Command::Complete(barrier) => {
                self.ready.push_back(GateEvent::Barrier { barrier, overtakes: false });
            }
            Command::Overtake(barrier) => {
                self.begin_keeping(barrier.checkpoint);
                self.ready.push_back(GateEvent::Barrier { barrier, overtakes: true });
            }
            Command::Keep { channel } => self.keep(channel)?,
            Command::Record { channel } => self.keeping()?.record(channel),
            Command::Kept(_) => {
                let kept = self.keeping.take().map(|mut k| k.piece(true));
                self.ready.extend(kept.map(GateEvent::Kept));
            }
            Command::GiveUp(checkpoint) => {
                self.keeping = None;
                self.ready.push_back(GateEvent::GivenUp(checkpoint));
            }
        }
        Ok(())
    }

    fn wake_at(&mut self, checkpoint: CheckpointId, at_ms: i64) {
        let Some(early) = &mut self.early else { return };
        let waits: BoxFuture<'static, ()> = match u64::try_from(at_ms.saturating_sub(early.clock.now_ms())) {
            Ok(left_ms) if left_ms > 0 => early.clock.sleep_ms(left_ms),
            _ => Box::pin(std::future::ready(())),
        };
        early.due = Some((checkpoint, waits));
    }

    fn begin_keeping(&mut self, checkpoint: CheckpointId) {
        let replay = self.replay.as_ref();
        let mut keeping = Keeping::new(checkpoint, replay.map(Replay::rest).unwrap_or_default());
        for (index, channel) in self.channels.iter().enumerate() {
            let (watermark, idle) = self.time.channel(index);
            let floor = replay.and_then(|r| r.floor(&channel.inlet.origin)).unwrap_or(watermark);
            keeping.add(channel.inlet.origin.clone(), watermark.max(floor), idle);
        }
        self.keeping = Some(keeping);
    }

    fn keep(&mut self, channel: usize) -> Result<()> {
        let checkpoint = self.keeping()?.checkpoint;
        let rest = self.channels[channel].inlet.receiver.overtake(checkpoint)?;
        self.keeping()?.keep(channel, rest);
        Ok(())
    }

    fn keeping(&mut self) -> Result<&mut Keeping> {
        self.keeping.as_mut().ok_or_else(|| Error::internal("rows are kept for no checkpoint"))
    }

    fn end(&mut self, channel: usize, drained: bool) -> Result<()> {
        self.channels[channel].ended = true;
        self.drained &= drained;
        self.align(Event::End { channel })?;
        if self.channels.iter().all(|c| c.ended) {
            self.ready.push_back(GateEvent::End { drained: self.drained });
        }
        Ok(())
    }
}

/// Puts the task's watermarks where the channel's were.
fn with_task_marks(
    time: &mut TaskTime,
    channel: usize,
    batch: SizedBatch,
    mut status: impl FnMut(bool),
) -> Result<SizedBatch> {
    if batch.batch.marks().is_empty() {
        return Ok(batch);
    }
    let mut marks: Vec<Mark> = Vec::new();
    for mark in batch.batch.marks() {
        let change = time.on_watermark(channel, mark.watermark);
        change.idle.into_iter().for_each(&mut status);
        marks.extend(change.watermark.map(|watermark| Mark { row: mark.row, watermark }));
    }
    Ok(SizedBatch { batch: batch.batch.without_marks().with_marks(marks)?, ..batch })
}

#[cfg(test)]
mod tests;
