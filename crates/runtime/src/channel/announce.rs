//! What a task must know before its turn: barriers that may overtake rows, and ends of input, by channel.
//! They are told here when they are sent, and lie in their channels all the same.
//!
//! One for all channels of a task, so that it costs a task one look per batch, however many channels it has.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::{Barrier, Element};

/// What was sent and is told ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// A barrier that may overtake rows.
    Barrier(Barrier),
    /// Nothing comes behind what lies there.
    End,
}

impl Announced {
    /// What is to be told of an element ahead of its turn.
    pub fn of(element: &Element) -> Option<Self> {
        match element {
            Element::Barrier(barrier) if barrier.unaligned_after_ms.is_some() => Some(Announced::Barrier(*barrier)),
            Element::EndOfInput { .. } => Some(Announced::End),
            _ => None,
        }
    }
}

/// Where it is told.
#[derive(Debug, Default)]
pub struct Announcements {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    told: VecDeque<(usize, Announced)>,
    reader: Option<Waker>,
}

impl Announcements {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics under the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells, and wakes the task.
    pub fn tell(&self, channel: usize, announced: Announced) {
        let mut inner = self.lock();
        inner.told.push_back((channel, announced));
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The next one, with its channel; if there is none, the task is woken by the next.
    pub fn poll(&self, cx: &Context<'_>) -> Option<(usize, Announced)> {
        let mut inner = self.lock();
        let told = inner.told.pop_front();
        if told.is_none() && !inner.reader.as_ref().is_some_and(|r| r.will_wake(cx.waker())) {
            inner.reader = Some(cx.waker().clone());
        }
        told
    }
}
