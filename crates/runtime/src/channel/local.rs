//! Channels within one process: a queue under a lock that both ends take once per batch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use flott_api::{Error, Result, Watermark};

use super::{ChannelId, ChannelReceiver, ChannelSender, Element, OpenBatch, PART_BYTES, SizedBatch, Transport};

/// Makes channels within this process.
#[derive(Clone, Copy, Debug)]
pub struct LocalTransport {
    /// A sender waits while this many bytes or more lie in the channel, so it holds less than this
    /// and one batch.
    pub buffer_bytes_max: usize,
}

impl Transport for LocalTransport {
    fn connect(&self, _: ChannelId) -> Result<(Box<dyn ChannelSender>, Box<dyn ChannelReceiver>)> {
        let (sender, receiver) = self.pair();
        Ok((Box::new(sender), Box::new(receiver)))
    }
}

impl LocalTransport {
    fn pair(self) -> (LocalSender, LocalReceiver) {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let sender = LocalSender { queue: Arc::clone(&queue), buffer_bytes_max: self.buffer_bytes_max };
        (sender, LocalReceiver { queue })
    }
}

#[derive(Debug)]
enum Slot {
    /// Grows while it is the last one.
    Open(OpenBatch),
    Element(Element),
}

#[derive(Default)]
struct Queue {
    slots: VecDeque<Slot>,
    credit_used: usize,
    /// Waits for credit.
    sender: Option<Waker>,
    /// Waits for an element.
    receiver: Option<Waker>,
    sender_gone: bool,
    receiver_gone: bool,
}

impl Queue {
    fn push(&mut self, element: Element) {
        match element {
            Element::Batch(batch) => self.push_batch(batch),
            Element::Watermark(watermark) => self.push_watermark(watermark),
            Element::Status { idle } => match self.slots.back_mut() {
                Some(Slot::Element(Element::Status { idle: last })) => *last = idle,
                _ => self.slots.push_back(Slot::Element(Element::Status { idle })),
            },
            other => self.slots.push_back(Slot::Element(other)),
        }
    }

    fn push_batch(&mut self, batch: SizedBatch) {
        self.credit_used += batch.bytes + PART_BYTES;
        match self.slots.back_mut() {
            Some(Slot::Open(open)) if open.takes(&batch.batch) => open.push(batch),
            _ => self.slots.push_back(Slot::Open(OpenBatch::new(batch))),
        }
    }

    /// Watermarks need no credit, so they may not pile up: one that follows rows becomes a mark
    /// behind them, and one that follows another takes its place.
    fn push_watermark(&mut self, watermark: Watermark) {
        match self.slots.back_mut() {
            Some(Slot::Open(open)) => open.push_watermark(watermark),
            Some(Slot::Element(Element::Watermark(last))) => *last = watermark.max(*last),
            _ => self.slots.push_back(Slot::Element(Element::Watermark(watermark))),
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing panics under the lock; if something did, the job fails by that panic.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

struct LocalSender {
    queue: Arc<Mutex<Queue>>,
    buffer_bytes_max: usize,
}

impl ChannelSender for LocalSender {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut queue = lock(&self.queue);
        if queue.receiver_gone {
            return Poll::Ready(Err(receiver_gone()));
        }
        if queue.credit_used < self.buffer_bytes_max {
            return Poll::Ready(Ok(()));
        }
        queue.sender = Some(cx.waker().clone());
        Poll::Pending
    }

    fn send(&mut self, element: Element) -> Result<()> {
        let mut queue = lock(&self.queue);
        if queue.receiver_gone {
            return Err(receiver_gone());
        }
        queue.push(element);
        let receiver = queue.receiver.take();
        drop(queue);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }
}

fn receiver_gone() -> Error {
    Error::cancelled("the subtask behind a channel is gone")
}

impl Drop for LocalSender {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.sender_gone = true;
        if let Some(receiver) = queue.receiver.take() {
            receiver.wake();
        }
    }
}

struct LocalReceiver {
    queue: Arc<Mutex<Queue>>,
}

impl ChannelReceiver for LocalReceiver {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Element>> {
        let mut queue = lock(&self.queue);
        let Some(slot) = queue.slots.pop_front() else {
            if queue.sender_gone {
                return Poll::Ready(Err(Error::cancelled("the subtask before a channel is gone")));
            }
            queue.receiver = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let open = match slot {
            Slot::Open(open) => open,
            Slot::Element(element) => return Poll::Ready(Ok(element)),
        };
        queue.credit_used -= open.credit();
        let sender = queue.sender.take();
        drop(queue);
        if let Some(sender) = sender {
            sender.wake();
        }
        Poll::Ready(open.close().map(Element::Batch))
    }
}

impl Drop for LocalReceiver {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.receiver_gone = true;
        let unread = std::mem::take(&mut queue.slots);
        let sender = queue.sender.take();
        drop(queue);
        drop(unread);
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}

#[cfg(test)]
mod tests;
