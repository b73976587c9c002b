//! The restart strategy: which failures are tried again, how often and when. A pure state machine.
//!
//! | kind | what happens | why |
//! |---|---|---|
//! | `Invalid` | the job fails | the same statement and options fail again |
//! | `Data` | the job fails | the same record comes again |
//! | `Cancelled` | the job ends | somebody wanted it |
//! | `Fenced` | the job fails here | another run owns it, and goes on |
//! | `Corrupt` | the job fails | the same bytes come again; going on from an older checkpoint is for the user to decide, whose sinks have committed since |
//! | `External` | as the strategy says | the world may be better later |
//! | `Internal` | as the strategy says | a race may go the other way |
//!
//! The strategies are Flink's. With growing pauses, failures that come while a restart is waited for are part of the
//! failure before; the pause is cut to its maximum before chance changes it, so that jobs that failed together
//! are not started together even then.

use std::collections::VecDeque;

use flott_api::ErrorKind;

use super::settings::{Backoff, RestartSettings};

/// What is to be done about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RestartDecision {
    /// Try again.
    Restart { after_ms: u64 },
    /// Give up. `reason` is a sentence.
    Fail { reason: String },
}

/// The restarts of one job.
#[derive(Clone, Debug)]
pub(crate) struct RestartStrategy {
    settings: RestartSettings,
    /// Restarts so far; with growing pauses, since the last quiet time.
    attempts: u32,
    /// When it failed: the last ones that count for the rate.
    failures: VecDeque<u64>,
    running_since: Option<u64>,
    /// When it is to be started again, while it is not.
    restart_at: Option<u64>,
}

impl RestartStrategy {
    pub(crate) fn new(settings: RestartSettings) -> Self {
        let failures = VecDeque::new();
        RestartStrategy { settings, attempts: 0, failures, running_since: None, restart_at: None }
    }

    /// All tasks run. Times are of one clock that never goes back.
    pub(crate) fn on_running(&mut self, now_ms: u64) {
        self.running_since = Some(now_ms);
        self.restart_at = None;
    }

    /// The job, or a part of it, has failed. `random` are any 64 bits.
    pub(crate) fn on_failure(&mut self, kind: ErrorKind, now_ms: u64, random: u64) -> RestartDecision {
        if let Some(reason) = hopeless(kind) {
            return RestartDecision::Fail { reason: reason.to_owned() };
        }
        match self.settings {
            RestartSettings::None => fail("The restart strategy is 'none'."),
            RestartSettings::FixedDelay { attempts, delay_ms } => self.fixed_delay(attempts, delay_ms),
            RestartSettings::FailureRate { failures_max, interval_ms, delay_ms } => {
                self.failures.push_back(now_ms);
                self.failure_rate(failures_max, interval_ms, delay_ms)
            }
            RestartSettings::ExponentialDelay(backoff) => self.exponential_delay(&backoff, now_ms, random),
        }
    }

    fn fixed_delay(&mut self, attempts_max: u32, delay_ms: u64) -> RestartDecision {
        if self.attempts >= attempts_max {
            return fail(format!("It was restarted {attempts_max} times, as often as 'fixed-delay' allows."));
        }
        self.attempts += 1;
        RestartDecision::Restart { after_ms: delay_ms }
    }

    /// The failure that exceeds the rate is the one after `failures_max` others.
    fn failure_rate(&mut self, failures_max: u32, interval_ms: u64, delay_ms: u64) -> RestartDecision {
        let last = *self.failures.back().expect("the failure was just noted");
        self.failures.retain(|at| last.saturating_sub(*at) <= interval_ms);
        if self.failures.len() > failures_max as usize {
            return fail(format!("It has failed more than {failures_max} times within {interval_ms} ms."));
        }
        RestartDecision::Restart { after_ms: delay_ms }
    }

    fn exponential_delay(&mut self, backoff: &Backoff, now_ms: u64, random: u64) -> RestartDecision {
        if let Some(at) = self.restart_at.filter(|at| now_ms < *at) {
            return RestartDecision::Restart { after_ms: at - now_ms };
        }
        let quiet = self.running_since.take().is_some_and(|since| now_ms.saturating_sub(since) >= backoff.reset_ms);
        if quiet {
            self.attempts = 0;
        }
        if self.attempts >= backoff.attempts_max {
            let attempts = backoff.attempts_max;
            return fail(format!(
                "It was restarted {attempts} times in a row, as often as 'exponential-delay' allows."
            ));
        }
        let after_ms = pause_ms(backoff, self.attempts, random);
        self.attempts += 1;
        self.restart_at = Some(now_ms.saturating_add(after_ms));
        RestartDecision::Restart { after_ms }
    }
}

/// Why no strategy would help.
fn hopeless(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Invalid => Some("The same statement and options would fail again."),
        ErrorKind::Data => Some("The same record would come again."),
        ErrorKind::Cancelled => Some("The job was cancelled."),
        ErrorKind::Fenced => Some("Another run owns the job."),
        ErrorKind::Corrupt => Some("The same bytes would be read again."),
        ErrorKind::External { .. } | ErrorKind::Internal => None,
    }
}

fn fail(reason: impl Into<String>) -> RestartDecision {
    RestartDecision::Fail { reason: reason.into() }
}

fn pause_ms(backoff: &Backoff, attempts: u32, random: u64) -> u64 {
    let exponent = i32::try_from(attempts).unwrap_or(i32::MAX);
    // Too large becomes infinite, and infinite the largest number.
    let grown = (backoff.initial_ms as f64 * backoff.multiplier.powi(exponent)) as u64;
    let pause = grown.min(backoff.max_ms);
    let spread = (pause as f64 * backoff.jitter) as u64;
    // From `pause - spread` to `pause + spread`, both included.
    let chance = random % spread.saturating_mul(2).saturating_add(1);
    (pause - spread).saturating_add(chance).clamp(backoff.initial_ms, backoff.max_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTERNAL: ErrorKind = ErrorKind::External { retry: true };

    /// No chance: the middle of the spread is hit by a jitter of 0.
    const BACKOFF: Backoff =
        Backoff { initial_ms: 1000, max_ms: 5000, multiplier: 2.0, reset_ms: 60_000, jitter: 0.0, attempts_max: 5 };

    fn after(ms: u64) -> RestartDecision {
        RestartDecision::Restart { after_ms: ms }
    }

    fn fails(decision: &RestartDecision) -> bool {
        matches!(decision, RestartDecision::Fail { .. })
    }

    #[test]
    fn the_kind_of_the_error_decides_first() {
        let tried_again: Vec<ErrorKind> = [
            ErrorKind::Invalid,
            ErrorKind::Data,
            ErrorKind::Cancelled,
            ErrorKind::Fenced,
            ErrorKind::Corrupt,
            ErrorKind::External { retry: true },
            ErrorKind::External { retry: false },
            ErrorKind::Internal,
        ]
        .into_iter()
        .filter(|kind| {
            let mut strategy = RestartStrategy::new(RestartSettings::FixedDelay { attempts: 9, delay_ms: 1 });
            !fails(&strategy.on_failure(*kind, 0, 0))
        })
        .collect();
        let (external, final_external) = (EXTERNAL, ErrorKind::External { retry: false });
        assert_eq!(tried_again, [external, final_external, ErrorKind::Internal]);
        assert!(fails(&RestartStrategy::new(RestartSettings::None).on_failure(EXTERNAL, 0, 0)));
    }

    #[test]
    fn a_hopeless_failure_costs_no_attempt() {
        let mut strategy = RestartStrategy::new(RestartSettings::FixedDelay { attempts: 1, delay_ms: 7 });
        assert!(fails(&strategy.on_failure(ErrorKind::Data, 0, 0)));
        assert_eq!(strategy.on_failure(EXTERNAL, 0, 0), after(7));
        assert!(fails(&strategy.on_failure(EXTERNAL, 1 << 40, 0)));
    }

    #[test]
    fn a_rate_counts_what_lies_within_its_interval() {
        let rate = RestartSettings::FailureRate { failures_max: 2, interval_ms: 100, delay_ms: 7 };
        let mut strategy = RestartStrategy::new(rate);
        for now in [0, 50, 101, 151, 202] {
            assert_eq!(strategy.on_failure(EXTERNAL, now, 0), after(7), "{now}");
        }
        assert!(fails(&strategy.on_failure(EXTERNAL, 251, 0)));
    }

    #[test]
    fn pauses_grow_to_their_maximum_and_begin_anew_after_a_quiet_time() {
        let mut strategy = RestartStrategy::new(RestartSettings::ExponentialDelay(BACKOFF));
        let mut now = 0;
        for expected in [1000, 2000, 4000, 5000, 5000] {
            strategy.on_running(now);
            assert_eq!(strategy.on_failure(EXTERNAL, now + 10, 0), after(expected));
            now += 10 + expected;
        }
        assert!(fails(&strategy.clone().on_failure(EXTERNAL, now + 59_999, 0)), "has not run");
        strategy.on_running(now);
        assert!(fails(&strategy.clone().on_failure(EXTERNAL, now + 59_999, 0)));
        assert_eq!(strategy.on_failure(EXTERNAL, now + 60_000, 0), after(1000));
    }

    #[test]
    fn failures_while_a_restart_is_waited_for_are_one() {
        let mut strategy = RestartStrategy::new(RestartSettings::ExponentialDelay(BACKOFF));
        assert_eq!(strategy.on_failure(EXTERNAL, 100, 0), after(1000));
        assert_eq!(strategy.on_failure(EXTERNAL, 400, 0), after(700));
        assert_eq!(strategy.on_failure(EXTERNAL, 1100, 0), after(2000), "the restart itself has failed");
    }

    #[test]
    fn chance_stays_within_its_bounds() {
        let backoff = Backoff { jitter: 0.25, ..BACKOFF };
        let pauses = |attempts| -> (u64, u64) {
            let all =
                (0..10_000u64).map(|random| pause_ms(&backoff, attempts, random.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            all.fold((u64::MAX, 0), |(low, high), ms| (low.min(ms), high.max(ms)))
        };
        assert_eq!(pauses(0), (1000, 1250));
        assert_eq!(pauses(1), (1500, 2500));
        assert_eq!(pauses(3), (3750, 5000));
        assert_eq!(pauses(u32::MAX), (3750, 5000));
        let endless = Backoff { jitter: 1.0, max_ms: u64::MAX, ..BACKOFF };
        assert_eq!(pause_ms(&endless, 5000, u64::MAX - 1), u64::MAX - 1);
    }
}
