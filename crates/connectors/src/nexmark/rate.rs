//! When each event takes place: the rate moves between two values in steps, and so does event time.

use super::options::NexmarkOptions;

/// How the rate moves from `first-event.rate` to `next-event.rate` and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RateShape {
    /// Half a period each.
    Square,
    /// In ten steps along a cosine.
    Sine,
}

const SINE_STEPS: u32 = 10;

/// Event numbers to event times.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    base_ms: i64,
    steps: Vec<Step>,
    events_per_period: u64,
    period_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    first_event: u64,
    starts_us: u64,
    delay_us: f64,
}

impl Timeline {
    /// The timeline of a table.
    pub(super) fn new(options: &NexmarkOptions) -> Self {
        let rates = rates(options);
        let step_us = options.rate_period_ms * 1000 / rates.len() as u64;
        let mut steps = Vec::with_capacity(rates.len());
        let (mut first_event, mut starts_us) = (0, 0);
        for rate in &rates {
            steps.push(Step { first_event, starts_us, delay_us: 1_000_000.0 / rate });
            // A step has at least one event, or a slow rate would skip time.
            first_event += ((step_us as f64 / 1_000_000.0 * rate) as u64).max(1);
            starts_us += step_us;
        }
        Timeline { base_ms: options.base_time_ms, steps, events_per_period: first_event, period_us: starts_us }
    }

    /// When an event takes place; milliseconds since the epoch. Never falls as numbers rise.
    pub(super) fn timestamp(&self, event: u64) -> i64 {
        if let [only] = self.steps.as_slice() {
            return self.base_ms + (event as f64 * only.delay_us) as i64 / 1000;
        }
        let (period, within) = (event / self.events_per_period, event % self.events_per_period);
        let step = self.steps.iter().rev().find(|s| s.first_event <= within).unwrap_or(&self.steps[0]);
        let in_step_us = ((within - step.first_event) as f64 * step.delay_us) as u64;
        let limit_us = self.steps.iter().map(|s| s.starts_us).find(|s| *s > step.starts_us).unwrap_or(self.period_us);
        let us = period * self.period_us + (step.starts_us + in_step_us).min(limit_us);
        self.base_ms + (us / 1000) as i64
    }
}

fn rates(options: &NexmarkOptions) -> Vec<f64> {
    let (first, next) = (f64::from(options.first_rate), f64::from(options.next_rate));
    if first == next {
        return vec![first];
    }
    match options.rate_shape {
        RateShape::Square => vec![first, next],
        RateShape::Sine => {
            let (middle, swing) = (f64::midpoint(first, next), (first - next) / 2.0);
            let angle = |step: u32| 2.0 * std::f64::consts::PI * f64::from(step) / f64::from(SINE_STEPS);
            (0..SINE_STEPS).map(|step| middle + swing * angle(step).cos()).collect()
        }
    }
}
