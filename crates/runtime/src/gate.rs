//! The input side of a task: merges its channels, fairly, into one sequence.
//!
//! Several edges may end in one input (`UNION ALL`). Watermarks and marks become the task's own: a
//! mark within a batch counts for its channel, and stays in its place only where the task's
//! watermark rises there. A task with one channel gets its batches untouched.

pub(crate) mod alignment;
pub(crate) mod watermarks;

use std::collections::VecDeque;
use std::task::{Context, Poll};

use flott_api::{Mark, Result, Watermark};

use crate::channel::{Barrier, ChannelReceiver, Element, SizedBatch};
use alignment::{Alignment, Command, Event};
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
    /// A barrier has come on every channel.
    Barrier(Barrier),
    /// Every channel has ended.
    End { drained: bool },
}

struct Channel {
    receiver: Box<dyn ChannelReceiver>,
    input: usize,
    blocked: bool,
    ended: bool,
}

/// The channels of one task.
pub(crate) struct Gate {
    channels: Vec<Channel>,
    time: TaskTime,
    alignment: Alignment,
    /// What was found and not yet handed out.
    ready: VecDeque<GateEvent>,
    /// The channel whose turn it is.
    turn: usize,
    drained: bool,
}

impl Gate {
    /// Each channel with the input that it ends in; the watermark is that of the restored checkpoint.
    pub(crate) fn new(receivers: Vec<(usize, Box<dyn ChannelReceiver>)>, watermark: Watermark) -> Self {
        let inputs: Vec<usize> = receivers.iter().map(|(input, _)| *input).collect();
        let channel = |(input, receiver)| Channel { receiver, input, blocked: false, ended: false };
        Gate {
            alignment: Alignment::new(inputs.len()),
            time: TaskTime::new(&inputs, watermark),
            channels: receivers.into_iter().map(channel).collect(),
            ready: VecDeque::new(),
            turn: 0,
            drained: true,
        }
    }

    /// The next event; waits while there is none. Not called again after the end.
    pub(crate) async fn next(&mut self) -> Result<GateEvent> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<GateEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Ok(event));
            }
            let Poll::Ready((channel, element)) = self.poll_channels(cx)? else { return Poll::Pending };
            self.accept(channel, element)?;
        }
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
            if let Poll::Ready(element) = channel.receiver.poll_next(cx) {
                self.turn = (index + 1) % count;
                return Poll::Ready(element.map(|e| (index, e)));
            }
        }
        Poll::Pending
    }

    fn accept(&mut self, channel: usize, element: Element) -> Result<()> {
        match element {
            Element::Batch(batch) => {
                let batch = self.with_task_marks(channel, batch)?;
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
            Element::Barrier(barrier) => self.align(Event::Barrier { channel, barrier }),
            Element::EndOfInput { drained } => self.end(channel, drained),
        }
        Ok(())
    }

    fn push(&mut self, change: TimeChange) {
        self.ready.extend(change.watermark.map(GateEvent::Watermark));
        self.ready.extend(change.idle.map(|idle| GateEvent::Status { idle }));
    }

    /// Puts the task's watermarks where the channel's were.
    fn with_task_marks(&mut self, channel: usize, batch: SizedBatch) -> Result<SizedBatch> {
        if batch.batch.marks().is_empty() {
            return Ok(batch);
        }
        let mut marks: Vec<Mark> = Vec::new();
        for mark in batch.batch.marks() {
            let change = self.time.on_watermark(channel, mark.watermark);
            // The end of an idle channel makes it active: said before the batch, where it changes nothing.
            self.ready.extend(change.idle.map(|idle| GateEvent::Status { idle }));
            marks.extend(change.watermark.map(|watermark| Mark { row: mark.row, watermark }));
        }
        Ok(SizedBatch { batch: batch.batch.without_marks().with_marks(marks)?, ..batch })
    }

    fn align(&mut self, event: Event) {
        for command in self.alignment.on(event) {
            match command {
                Command::Block { channel } => self.channels[channel].blocked = true,
                Command::Unblock { channel } => self.channels[channel].blocked = false,
                Command::Complete(barrier) => self.ready.push_back(GateEvent::Barrier(barrier)),
            }
        }
    }

    fn end(&mut self, channel: usize, drained: bool) {
        self.channels[channel].ended = true;
        self.drained &= drained;
        self.align(Event::End { channel });
        if self.channels.iter().all(|c| c.ended) {
            self.ready.push_back(GateEvent::End { drained: self.drained });
        }
    }
}

#[cfg(test)]
mod tests;
