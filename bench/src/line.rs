//! A line of the report.

use std::fmt;

/// The clock is exact, but a job that is shorter has not begun.
const SECONDS_MIN: f64 = 0.01;
/// CPU time is counted in hundredths of a second.
const CPU_SECONDS_MIN: f64 = 0.05;

/// What something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    /// Of all threads.
    pub(crate) cpu_seconds: f64,
}

impl Cost {
    /// The least of several runs: what else the machine does only adds.
    pub(crate) fn least(runs: impl Iterator<Item = Cost>) -> Cost {
        runs.fold(Cost { seconds: f64::INFINITY, cpu_seconds: f64::INFINITY }, |a, b| Cost {
            seconds: a.seconds.min(b.seconds),
            cpu_seconds: a.cpu_seconds.min(b.cpu_seconds),
        })
    }

    /// Without what `part` of it takes.
    pub(crate) fn without(self, part: Cost) -> Cost {
        let rest = |all: f64, part: f64| (all - part).max(f64::EPSILON);
        Cost { seconds: rest(self.seconds, part.seconds), cpu_seconds: rest(self.cpu_seconds, part.cpu_seconds) }
    }
}

/// What Flink took.
#[derive(Clone, Debug)]
pub(crate) enum Other {
    /// It was not asked.
    Unasked,
    /// It was not asked about this, and why.
    Left(&'static str),
    /// It had so many bytes, and took that.
    Took(u64, Cost),
}

/// One thing that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) way: &'static str,
    pub(crate) rows: u64,
    /// Nothing if none are made.
    pub(crate) bytes: u64,
    pub(crate) ours: Cost,
    pub(crate) flink: Other,
}

impl Line {
    pub(crate) const TITLE: &str = "what                              way          MB      rows/s    MB/s";
    /// Flink's rates, and how many times as fast Flott is by the clock and by CPU time.
    pub(crate) const FLINK_TITLE: &str = "   Flink's rows/s    MB/s   times   by CPU";
}

/// How many times as long something takes, if the other is long enough to be measured.
fn times(seconds: f64, other: f64, least: f64) -> String {
    if other < least { "-".to_owned() } else { format!("{:.1}", seconds / other) }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |cost: Cost| self.rows as f64 / cost.seconds / 1e6;
        let megabytes = |bytes: u64, cost: Cost| bytes as f64 / 1e6 / cost.seconds;
        let (rows, bytes) = (rate(self.ours), self.bytes as f64 / 1e6);
        let a_second = megabytes(self.bytes, self.ours);
        write!(f, "{:<33} {:<7} {bytes:>8.0} {rows:>10.2}M {a_second:>7.0}", self.name, self.way)?;
        match &self.flink {
            Other::Unasked => writeln!(f),
            Other::Left(why) => writeln!(f, "   {why}"),
            Other::Took(bytes, cost) => writeln!(
                f,
                "   {:>13.2}M {:>7.0} {:>7} {:>8}",
                rate(*cost),
                megabytes(*bytes, *cost),
                times(cost.seconds, self.ours.seconds, SECONDS_MIN),
                times(cost.cpu_seconds, self.ours.cpu_seconds, CPU_SECONDS_MIN)
            ),
        }
    }
}
