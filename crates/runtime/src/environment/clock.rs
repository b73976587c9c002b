//! The machine's clock.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the real clock that everybody else reaches through `flott_api::env::Clock`"
)]

use std::time::{Duration, Instant, SystemTime};

use flott_api::BoxFuture;
use flott_api::env::Clock;

/// The machine's clock; sleeping needs a tokio runtime with time.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The clock; its monotonic time counts from now.
    pub fn new() -> Self {
        SystemClock { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn sleep_ms(&self, millis: u64) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(millis)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_moves_both_clocks() {
        let clock = SystemClock::new();
        let (wall, monotonic) = (clock.now_ms(), clock.monotonic_ns());
        clock.sleep_ms(5).await;
        assert!(clock.monotonic_ns() >= monotonic + 5_000_000);
        assert!(wall > 1_600_000_000_000);
    }
}
