//! A deterministic executor: one thread, virtual time, and a seed that decides which task is next.
//!
//! The same seed gives the same run, another one another order. Time moves only when no task can run: then the clock
//! jumps to the next moment that somebody waits for. Work that would block runs as a task of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::channel::oneshot;

use super::world::FakeWorld;
use crate::BoxFuture;
use crate::env::{Clock, Environment, Rng, Spawner, TaskHandle};

/// Polls without an end of the virtual time: a task that always wakes itself.
const POLLS_MAX: u64 = 200_000_000;
/// The future that `run` got.
const MAIN: u64 = 0;

/// Runs tasks in an order that a seed decides, and is their clock, randomness and spawner.
#[derive(Debug)]
pub struct SimExecutor {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    seed: u64,
    start_ms: i64,
    now_ns: u64,
    next_task: u64,
    /// Those that can run.
    ready: Vec<u64>,
    tasks: BTreeMap<u64, Task>,
    /// By moment, then in the order in which they were asked for.
    timers: BTreeMap<(u64, u64), Waker>,
    next_timer: u64,
}

struct Task {
    name: String,
    /// Nothing while it runs.
    future: Option<BoxFuture<'static, ()>>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// SplitMix64 (Sebastiano Vigna, public domain).
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn take_ready(&mut self) -> Option<u64> {
        if self.ready.is_empty() {
            return None;
        }
        let place = self.random() as usize % self.ready.len();
        Some(self.ready.swap_remove(place))
    }

    fn make_ready(&mut self, task: u64) {
        if !self.ready.contains(&task) {
            self.ready.push(task);
        }
    }
}

struct WakeTask {
    state: Arc<Mutex<State>>,
    task: u64,
}

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        lock(&self.state).make_ready(self.task);
    }
}

impl SimExecutor {
    /// An executor whose clock begins at 2026-01-01.
    pub fn new(seed: u64) -> Arc<Self> {
        let (tasks, timers, ready) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let start_ms = 1_767_225_600_000;
        let state = State { seed, start_ms, now_ns: 0, next_task: MAIN + 1, ready, tasks, timers, next_timer: 0 };
        Arc::new(SimExecutor { state: Arc::new(Mutex::new(state)) })
    }

    /// A world with this clock, randomness and spawner, and with the files, objects and console of the other.
    pub fn environment(self: &Arc<Self>, world: &Arc<FakeWorld>) -> Environment {
        let (clock, rng, spawner) = (Arc::clone(self) as _, Arc::clone(self) as _, Arc::clone(self) as _);
        Environment { clock, rng, spawner, ..world.environment() }
    }

    /// Runs a future to its end, and the tasks beside it.
    ///
    /// # Panics
    /// If it waits for something that never comes, or runs for ever.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        lock(&self.state).make_ready(MAIN);
        for _ in 0..POLLS_MAX {
            match self.next() {
                Some(MAIN) => {
                    if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&self.waker(MAIN))) {
                        lock(&self.state).ready.retain(|task| *task != MAIN);
                        return value;
                    }
                }
                Some(task) => self.poll(task),
                None => panic!("everybody waits: {:?}", lock(&self.state).tasks),
            }
        }
        panic!("no end after {POLLS_MAX} polls: {:?}", lock(&self.state).tasks);
    }

    /// Runs all tasks until none can go on, however much time that takes.
    pub fn run_until_idle(&self) {
        while let Some(task) = self.next() {
            self.poll(task);
        }
    }

    /// How many tasks are not at their end.
    pub fn tasks(&self) -> usize {
        lock(&self.state).tasks.len()
    }

    /// A task that can run; if there is none, time goes on.
    fn next(&self) -> Option<u64> {
        loop {
            let mut state = lock(&self.state);
            if let Some(task) = state.take_ready() {
                return Some(task);
            }
            let ((moment, _), waker) = state.timers.pop_first()?;
            state.now_ns = state.now_ns.max(moment);
            drop(state);
            waker.wake();
        }
    }

    fn waker(&self, task: u64) -> Waker {
        Arc::new(WakeTask { state: Arc::clone(&self.state), task }).into()
    }

    fn poll(&self, task: u64) {
        let taken = lock(&self.state).tasks.get_mut(&task).and_then(|task| task.future.take());
        let Some(mut future) = taken else { return };
        // Not under the lock: the task may spawn and wake.
        let pending = future.as_mut().poll(&mut Context::from_waker(&self.waker(task))).is_pending();
        let mut state = lock(&self.state);
        match state.tasks.get_mut(&task) {
            Some(slot) if pending => slot.future = Some(future),
            _ => {
                state.tasks.remove(&task);
                drop(state);
                drop(future);
            }
        }
    }
}

impl Clock for SimExecutor {
    fn now_ms(&self) -> i64 {
        let state = lock(&self.state);
        state.start_ms + (state.now_ns / 1_000_000) as i64
    }

    fn monotonic_ns(&self) -> u64 {
        lock(&self.state).now_ns
    }

    fn sleep_ms(&self, millis: u64) -> BoxFuture<'static, ()> {
        let state = Arc::clone(&self.state);
        let until = lock(&state).now_ns + millis * 1_000_000;
        let mut timer = None;
        Box::pin(std::future::poll_fn(move |context| {
            let mut state = lock(&state);
            if let Some(timer) = timer.take() {
                state.timers.remove(&timer);
            }
            if state.now_ns >= until {
                return Poll::Ready(());
            }
            let key = (until, state.next_timer);
            state.next_timer += 1;
            state.timers.insert(key, context.waker().clone());
            timer = Some(key);
            Poll::Pending
        }))
    }
}

impl Rng for SimExecutor {
    fn next_u64(&self) -> u64 {
        lock(&self.state).random()
    }
}

impl Spawner for SimExecutor {
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) -> Box<dyn TaskHandle> {
        let mut state = lock(&self.state);
        let task = state.next_task;
        state.next_task += 1;
        state.tasks.insert(task, Task { name: name.to_owned(), future: Some(future) });
        state.make_ready(task);
        drop(state);
        Box::new(SimTask { state: Some(Arc::clone(&self.state)), task })
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let (sender, receiver) = oneshot::channel();
        let task = async move {
            work();
            // Nobody may wait for it any more.
            _ = sender.send(());
        };
        self.spawn("blocking work", Box::pin(task)).detach();
        Box::pin(async move {
            if receiver.await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

struct SimTask {
    /// Nothing once it is detached.
    state: Option<Arc<Mutex<State>>>,
    task: u64,
}

impl TaskHandle for SimTask {
    fn detach(mut self: Box<Self>) {
        self.state = None;
    }
}

impl Drop for SimTask {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            let task = lock(state).tasks.remove(&self.task);
            // Its future may have handles of its own, so not under the lock.
            drop(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which order three tasks of three steps each run.
    fn order(seed: u64) -> Vec<(u64, u64)> {
        let executor = SimExecutor::new(seed);
        let steps = Arc::new(Mutex::new(Vec::new()));
        for task in 0..3 {
            let (steps, clock) = (Arc::clone(&steps), Arc::clone(&executor));
            let work = async move {
                for step in 0..3 {
                    steps.lock().unwrap().push((task, step));
                    clock.sleep_ms(10).await;
                }
            };
            executor.spawn("a", Box::pin(work)).detach();
        }
        executor.run_until_idle();
        assert_eq!((executor.monotonic_ns(), executor.tasks()), (30_000_000, 0));
        std::mem::take(&mut *steps.lock().unwrap())
    }

    #[test]
    fn the_seed_decides_the_order() {
        assert_eq!(order(1), order(1));
        let different: std::collections::BTreeSet<_> = (0..20).map(order).collect();
        assert!(different.len() > 5);
    }

    #[test]
    fn blocking_work_is_awaited_and_a_dropped_handle_cancels() {
        let executor = SimExecutor::new(7);
        let (sender, receiver) = oneshot::channel::<()>();
        let forever = async move { drop((std::future::pending::<()>().await, sender)) };
        drop(executor.spawn("b", Box::pin(forever)));
        let done = Arc::new(Mutex::new(false));
        let flag = Arc::clone(&done);
        executor.run(async {
            assert!(receiver.await.is_err());
            executor.blocking(Box::new(move || *flag.lock().unwrap() = true)).await;
        });
        assert!(*done.lock().unwrap());
    }

    #[test]
    #[should_panic(expected = "everybody waits")]
    fn a_future_that_waits_for_nothing_is_told() {
        SimExecutor::new(1).run(std::future::pending::<()>());
    }
}
