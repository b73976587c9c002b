//! The threads that subtasks run on: one for each core, with a queue of its own.
//!
//! Subtasks compute for milliseconds between two awaits and hand batches of megabytes to each other, which is not what the
//! scheduler of tokio is made for. There a subtask that another one wakes waits in a place of that one's thread from which no
//! other may take it, so a core sleeps while its neighbour has two subtasks to run; and a subtask that moves leaves what it
//! works on in the caches of the core that it left. Here each subtask has a home, where it runs, and whoever has nothing to
//! do takes what waits longest in the longest queue, for one turn. Subtasks of a number have the same home, as in a slot of
//! Flink, so of an exchange over n cores an n-th stays on its core.
//!
//! All else (connections, timers, checkpoints, enumerators) stays with tokio; a subtask runs in the context of its runtime.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Wake, Waker};

use flott_api::BoxFuture;
use tokio::runtime::Handle;

/// The threads; they start with the first subtask, and end when this is dropped.
pub(super) struct Cores {
    runtime: Handle,
    shared: OnceLock<Arc<Shared>>,
}

struct Shared {
    queues: Mutex<Queues>,
    /// Wakes the thread of each core.
    calls: Vec<Condvar>,
}

#[derive(Default)]
struct Queues {
    /// Of each core, subtasks that have something to do.
    waiting: Vec<VecDeque<Arc<Turns>>>,
    asleep: Vec<bool>,
    closed: bool,
}

/// A subtask.
struct Turns {
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    status: AtomicU8,
    home: usize,
    shared: Arc<Shared>,
}

/// It waits to be woken.
const IDLE: u8 = 0;
/// It lies in a queue.
const QUEUED: u8 = 1;
/// It has its turn.
const RUNNING: u8 = 2;
/// It has its turn, and was woken meanwhile.
const WOKEN: u8 = 3;
/// It has ended.
const ENDED: u8 = 4;

impl Cores {
    /// As many threads as the runtime has.
    pub(super) fn new(runtime: Handle) -> Self {
        Cores { runtime, shared: OnceLock::new() }
    }

    /// Runs a subtask to its end. Gives it back if there are no threads to run it on.
    pub(super) fn run(&self, home: u64, future: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        let shared = self.shared.get_or_init(|| start(&self.runtime));
        if shared.calls.is_empty() {
            return Err(future);
        }
        let turns = Turns {
            future: Mutex::new(Some(future)),
            status: AtomicU8::new(QUEUED),
            home: (home % shared.calls.len() as u64) as usize,
            shared: Arc::clone(shared),
        };
        shared.push(Arc::new(turns));
        Ok(())
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.get() {
            shared.lock().closed = true;
            shared.calls.iter().for_each(Condvar::notify_one);
        }
    }
}

/// Starts the threads, or as many as there can be.
fn start(runtime: &Handle) -> Arc<Shared> {
    let cores = runtime.metrics().num_workers();
    let calls = (0..cores).map(|_| Condvar::new()).collect();
    let queues = Queues { waiting: vec![VecDeque::new(); cores], asleep: vec![false; cores], closed: false };
    let shared = Arc::new(Shared { queues: Mutex::new(queues), calls });
    for core in 0..cores {
        if let Err(error) = start_thread(runtime.clone(), Arc::clone(&shared), core) {
            tracing::error!("subtasks run on the threads of all else, as they cannot have their own: {error}");
            shared.lock().closed = true;
            shared.calls.iter().for_each(Condvar::notify_one);
            return Arc::new(Shared { queues: Mutex::default(), calls: Vec::new() });
        }
    }
    shared
}

#[expect(clippy::disallowed_methods, reason = "this is the place of the threads that subtasks run on")]
fn start_thread(runtime: Handle, shared: Arc<Shared>, core: usize) -> std::io::Result<()> {
    let work = move || {
        let _context = runtime.enter();
        while let Some(turns) = shared.next(core) {
            turns.take();
        }
    };
    std::thread::Builder::new().name(format!("core-{core}")).spawn(work).map(drop)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        // Nothing panics under the lock.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, turns: Arc<Turns>) {
        let mut queues = self.lock();
        if queues.closed {
            // Dropped here, and not under the lock: it may wake others.
            drop(queues);
            return turns.give_up();
        }
        let home = turns.home;
        queues.waiting[home].push_back(turns);
        let idle = if queues.asleep[home] { Some(home) } else { queues.asleep.iter().position(|asleep| *asleep) };
        if let Some(core) = idle {
            queues.asleep[core] = false;
            self.calls[core].notify_one();
        }
    }

    /// What a core does next; waits for it, and is nothing at the end.
    fn next(&self, core: usize) -> Option<Arc<Turns>> {
        let mut queues = self.lock();
        loop {
            if let Some(turns) = queues.take(core) {
                return Some(turns);
            }
            if queues.closed {
                return None;
            }
            queues.asleep[core] = true;
            while queues.asleep[core] && !queues.closed {
                queues = self.calls[core].wait(queues).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Queues {
    fn take(&mut self, core: usize) -> Option<Arc<Turns>> {
        if let Some(own) = self.waiting[core].pop_front() {
            return Some(own);
        }
        self.waiting.iter_mut().max_by_key(|queue| queue.len())?.pop_front()
    }
}

impl Turns {
    /// One turn.
    fn take(self: Arc<Self>) {
        // All changes of the status read the one before: whoever woke it before has also shown it why.
        self.status.swap(RUNNING, Ordering::AcqRel);
        let waker = Waker::from(Arc::clone(&self));
        let mut future = self.lock();
        let Some(running) = future.as_mut() else { return };
        let turn = || running.as_mut().poll(&mut Context::from_waker(&waker));
        // Subtasks catch their panics; the thread has to outlive others too.
        if catch_unwind(AssertUnwindSafe(turn)).is_ok_and(|turn| turn.is_pending()) {
            drop(future);
            self.wait();
        } else {
            drop(future);
            self.give_up();
        }
    }

    /// Its turn is over, not its work.
    fn wait(self: Arc<Self>) {
        let waits = self.status.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire);
        if waits.is_err() {
            self.status.swap(QUEUED, Ordering::AcqRel);
            let shared = Arc::clone(&self.shared);
            shared.push(self);
        }
    }

    /// There are no more turns.
    fn give_up(&self) {
        self.status.store(ENDED, Ordering::Release);
        let future = self.lock().take();
        // A panic here has nobody to be told to.
        catch_unwind(AssertUnwindSafe(|| drop(future))).unwrap_or_default();
    }

    fn lock(&self) -> MutexGuard<'_, Option<BoxFuture<'static, ()>>> {
        self.future.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        let woken = |status| match status {
            IDLE => Some(QUEUED),
            RUNNING => Some(WOKEN),
            ENDED => None,
            other => Some(other),
        };
        let before = self.status.fetch_update(Ordering::AcqRel, Ordering::Acquire, woken);
        if before == Ok(IDLE) {
            let shared = Arc::clone(&self.shared);
            shared.push(self);
        }
    }
}

#[cfg(test)]
mod tests;
