//! What one run of a query came to, as the line that either side prints.

use std::fmt;
use std::str::FromStr;

use flott_api::{Error, Result};

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Of the whole job.
    pub(crate) seconds: f64,
    /// Of all threads, in the whole job.
    pub(crate) cpu_seconds: f64,
    /// Rows at the sink.
    pub(crate) rows: u64,
    /// Events of the part that counts: without what a virtual machine takes to get warm.
    pub(crate) events: u64,
    /// How long this part took.
    pub(crate) events_seconds: f64,
    /// CPU seconds of this part.
    pub(crate) events_cpu_seconds: f64,
    /// The most memory that the process ever had.
    pub(crate) peak_kib: u64,
    /// The hash of the result, 0 if it was not asked for.
    pub(crate) hash: u64,
    /// Milliseconds that half, 99 % and all but a thousandth of the rows kept; -1 if they were not measured.
    pub(crate) latencies_ms: [i64; 3],
}

impl Outcome {
    /// Events a second.
    pub(crate) fn rate(&self) -> f64 {
        self.events as f64 / self.events_seconds
    }

    /// Events a second of one core that is busy.
    pub(crate) fn rate_per_core(&self) -> f64 {
        self.events as f64 / self.events_cpu_seconds.max(0.01)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { seconds, cpu_seconds, rows, events, events_seconds, events_cpu_seconds, peak_kib, hash, .. } =
            self;
        write!(f, "{seconds} {cpu_seconds} {rows} {events} {events_seconds} {events_cpu_seconds} {peak_kib} {hash:x}")?;
        self.latencies_ms.iter().try_for_each(|millis| write!(f, " {millis}"))
    }
}

impl FromStr for Outcome {
    type Err = Error;

    fn from_str(line: &str) -> Result<Outcome> {
        let mut cells = line.split_whitespace();
        let mut next = || cells.next().ok_or_else(|| odd(line));
        Ok(Outcome {
            seconds: parsed(next()?, line)?,
            cpu_seconds: parsed(next()?, line)?,
            rows: parsed(next()?, line)?,
            events: parsed(next()?, line)?,
            events_seconds: parsed(next()?, line)?,
            events_cpu_seconds: parsed(next()?, line)?,
            peak_kib: parsed(next()?, line)?,
            hash: u64::from_str_radix(next()?, 16).map_err(|_| odd(line))?,
            latencies_ms: [parsed(next()?, line)?, parsed(next()?, line)?, parsed(next()?, line)?],
        })
    }
}

fn parsed<T: FromStr>(cell: &str, line: &str) -> Result<T> {
    cell.parse().map_err(|_| odd(line))
}

fn odd(line: &str) -> Error {
    Error::external(format!("a measurement answered '{line}'"))
}
