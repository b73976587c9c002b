//! Channels within one process: a queue under a lock that both ends take once per batch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use flott_api::ids::CheckpointId;
use flott_api::{Error, Result, Watermark};

use super::{
    Announced, Announcements, ChannelId, ChannelReceiver, ChannelSender, Element, OpenBatch, PART_BYTES, SizedBatch,
    Transport,
};

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

#[derive(Clone, Debug)]
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
    /// Who is told ahead, and as which channel.
    announcements: Option<(Arc<Announcements>, usize)>,
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
            other => {
                self.announce(&other);
                self.slots.push_back(Slot::Element(other));
            }
        }
    }

    fn announce(&self, element: &Element) {
        if let (Some((announcements, channel)), Some(announced)) = (&self.announcements, Announced::of(element)) {
            announcements.tell(*channel, announced);
        }
    }

    /// How many slots lie before the barrier of a checkpoint, or before the end; and whether it was the barrier.
    fn before(&self, checkpoint: CheckpointId) -> (usize, bool) {
        let is_it = |s: &Slot| matches!(s, Slot::Element(Element::Barrier(b)) if b.checkpoint == checkpoint);
        match self.slots.iter().position(is_it) {
            Some(at) => (at, true),
            None => (self.slots.len(), false),
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
        if let Element::Batch(batch) = &element {
            // What a filter has kept is copied here at the latest, and not under the lock.
            batch.batch.rows();
        }
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

    fn announce_to(&mut self, announcements: &Arc<Announcements>, channel: usize) {
        let mut queue = lock(&self.queue);
        queue.announcements = Some((Arc::clone(announcements), channel));
        for slot in &queue.slots {
            if let Slot::Element(element) = slot {
                queue.announce(element);
            }
        }
    }

    fn overtake(&mut self, checkpoint: CheckpointId) -> Result<Vec<Element>> {
        let mut queue = lock(&self.queue);
        let (count, is_there) = queue.before(checkpoint);
        let before: Vec<Slot> = queue.slots.iter().take(count).cloned().collect();
        if is_there {
            queue.slots.remove(count);
        }
        drop(queue);
        // Small batches become one outside of the lock; the columns are shared with what lies in the channel.
        let rows = |s: &Slot| !matches!(s, Slot::Element(Element::Barrier(_) | Element::EndOfInput { .. }));
        let elements = before.into_iter().filter(rows).map(|slot| match slot {
            Slot::Open(open) => open.close().map(Element::Batch),
            Slot::Element(element) => Ok(element),
        });
        elements.collect()
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
