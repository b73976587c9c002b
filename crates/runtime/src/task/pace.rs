//! A subtask's time: what it was busy, idle or held back with; and when it lets others run.

use std::sync::Arc;

use flott_api::env::Clock;
use flott_api::metrics::TaskMetrics;

/// After so many rows the thread goes to another task, if one waits. A source that always has rows,
/// before a sink that always has room, would hold it forever, and never hear of a cancellation.
const ROWS_PER_TURN: usize = 8192;
/// The same for elements with few rows.
const STEPS_PER_TURN: u32 = 64;

/// Measures one subtask.
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    metrics: Arc<TaskMetrics>,
    since_ns: u64,
    held_back_ns: u64,
    rows: usize,
    steps: u32,
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>, metrics: Arc<TaskMetrics>) -> Self {
        Pace { since_ns: clock.monotonic_ns(), clock, metrics, held_back_ns: 0, rows: 0, steps: 0 }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Nothing was to be done until now.
    pub(super) fn waited(&mut self) {
        let passed = self.lap();
        self.metrics.idle_ns.add(passed);
    }

    /// Work was done until now; what of it was waiting for credit is counted where it waits.
    pub(super) fn worked(&mut self) {
        let held_back = self.metrics.back_pressured_ns.get();
        let waiting = held_back - std::mem::replace(&mut self.held_back_ns, held_back);
        let passed = self.lap();
        self.metrics.busy_ns.add(passed.saturating_sub(waiting));
    }

    fn lap(&mut self) -> u64 {
        let now = self.clock.monotonic_ns();
        now.saturating_sub(std::mem::replace(&mut self.since_ns, now))
    }

    /// An element with so many rows is done.
    pub(super) async fn step(&mut self, rows: usize) {
        self.worked();
        self.rows += rows;
        self.steps += 1;
        if self.rows >= ROWS_PER_TURN || self.steps >= STEPS_PER_TURN {
            (self.rows, self.steps) = (0, 0);
            tokio::task::yield_now().await;
        }
    }
}

/// Waits so long; not at all for no time, and for ever without one.
pub(super) async fn sleep_some(clock: &dyn Clock, millis: Option<u64>) {
    match millis {
        Some(0) => {}
        Some(millis) => clock.sleep_ms(millis).await,
        None => std::future::pending().await,
    }
}

/// Waits until a moment of the wall clock; in steps, because the wall clock may be set.
pub(super) async fn sleep_until(clock: &dyn Clock, at_ms: i64) {
    const STEP_MS: u64 = 60_000;
    let left = u64::try_from(at_ms.saturating_sub(clock.now_ms())).unwrap_or(0);
    clock.sleep_ms(left.min(STEP_MS)).await;
}
