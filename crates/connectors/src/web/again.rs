//! When to ask again.

use flott_api::env::Environment;
use flott_api::{Error, Result};

use super::may_pass;

/// No wait is longer.
const WAIT_MS_MAX: u64 = 60_000;

/// How often, and after which waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Again {
    /// How often it is asked again.
    pub(crate) most: u32,
    /// Before the first repetition.
    pub(crate) wait_ms: u64,
    /// How much longer each further wait is than the one before.
    pub(crate) factor: f64,
    /// No wait is longer.
    pub(crate) wait_ms_max: u64,
}

impl Again {
    /// Not at all.
    pub(crate) const NEVER: Again = Again { most: 0, wait_ms: 0, factor: 1.0, wait_ms_max: 0 };

    /// With waits of one length.
    pub(crate) fn constant(most: u32, wait_ms: u64) -> Self {
        Again { most, wait_ms, factor: 1.0, wait_ms_max: wait_ms }
    }

    /// With waits that double.
    pub(crate) fn doubling(most: u32, wait_ms: u64) -> Self {
        Again { most, wait_ms, factor: 2.0, wait_ms_max: WAIT_MS_MAX }
    }

    /// The wait before a repetition, of which the first one is 0.
    pub(crate) fn wait_ms(&self, repetition: u32) -> u64 {
        let exponent = i32::try_from(repetition).unwrap_or(i32::MAX);
        let whole = self.wait_ms as f64 * self.factor.powi(exponent);
        (whole as u64).min(self.wait_ms_max.max(self.wait_ms))
    }
}

/// Counts what is asked again for one thing.
#[derive(Debug)]
pub(crate) struct Tries {
    again: Again,
    done: u32,
}

impl Tries {
    /// None yet.
    pub(crate) fn new(again: Again) -> Self {
        Tries { again, done: 0 }
    }

    /// Waits, if there is to be a repetition after this error.
    ///
    /// # Errors
    /// The error, if it would not pass or there were too many repetitions.
    pub(crate) async fn after(&mut self, error: Error, environment: &Environment) -> Result<()> {
        if !may_pass(&error) {
            return Err(error);
        }
        if self.done >= self.again.most {
            return Err(match self.done {
                0 => error,
                1 => error.with_hint("It was tried once more."),
                n => error.with_hint(format!("It was tried {n} times more.")),
            });
        }
        let wait_ms = self.again.wait_ms(self.done);
        self.done += 1;
        tracing::warn!(repetition = self.done, wait_ms, "asking a service again: {error}");
        environment.clock.sleep_ms(wait_ms).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let waits = |again: Again| [0, 1, 2, 40].map(|n| again.wait_ms(n));
        assert_eq!(waits(Again::doubling(9, 50)), [50, 100, 200, WAIT_MS_MAX]);
        assert_eq!(waits(Again::constant(9, 50)), [50; 4]);
        assert_eq!(Again::doubling(9, 50).wait_ms(u32::MAX), WAIT_MS_MAX);
    }
}
