//! How long something is tried, and how long it is waited between.

use std::sync::Arc;

use flott_api::env::{Clock, Environment, Rng};
use flott_api::{Error, Result};

use super::failure::is_passing;
use crate::options::ClientSettings;

const NS_PER_MS: u64 = 1_000_000;

/// Waits between tries, twice as long each time, until time is up.
pub(crate) struct Patience {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    next_ms: u64,
    first_ms: u64,
    max_ms: u64,
    /// By the monotonic clock.
    ends_ns: Option<u64>,
}

impl Patience {
    /// Tries for so long, or without an end.
    pub(crate) fn new(environment: &Environment, settings: &ClientSettings, limit_ms: Option<u64>) -> Self {
        let clock = Arc::clone(&environment.clock);
        let ends_ns = limit_ms.map(|ms| clock.monotonic_ns().saturating_add(ms.saturating_mul(NS_PER_MS)));
        let (first_ms, max_ms) = (settings.backoff_ms, settings.backoff_ms_max.max(settings.backoff_ms));
        Patience { clock, rng: Arc::clone(&environment.rng), next_ms: first_ms, first_ms, max_ms, ends_ns }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// The error itself if another try would not help, or comes too late.
    pub(crate) async fn after(&mut self, e: Error) -> Result<()> {
        let late = self.ends_ns.is_some_and(|end| self.clock.monotonic_ns() >= end);
        if late || !is_passing(&e) {
            return Err(e);
        }
        let wait = self.next_wait_ms();
        self.clock.sleep_ms(wait).await;
        Ok(())
    }

    /// How long to wait before the next try: up to a fifth more or less, so that not all come at once.
    pub(crate) fn next_wait_ms(&mut self) -> u64 {
        let wait = self.next_ms;
        self.next_ms = wait.saturating_mul(2).min(self.max_ms);
        let fifth = wait / 5;
        wait - fifth + self.rng.next_u64() % (2 * fifth + 1)
    }

    /// It worked: the next wait is a short one.
    pub(crate) fn reset(&mut self) {
        self.next_ms = self.first_ms;
    }
}
