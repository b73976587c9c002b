//! The line that tells how far long jobs are: rows, rows a second, bytes, watermark.

use flott_api::Result;
use flott_api::env::Clock;

use crate::jobs::{Done, time_text};
use crate::screen::Screen;

/// A job that ends sooner than this shows nothing.
const FIRST_MS: u64 = 2000;
/// How often the line is written anew.
const EACH_MS: u64 = 1000;

/// Watches over what is being waited for.
pub struct Progress {
    began_ns: u64,
    shown: bool,
    last: Option<(u64, u64)>,
}

impl Progress {
    /// Begins now.
    pub fn new(clock: &dyn Clock) -> Self {
        Progress { began_ns: clock.monotonic_ns(), shown: false, last: None }
    }

    /// How long to wait until the next line.
    pub fn wait_ms(&self) -> u64 {
        if self.shown { EACH_MS } else { FIRST_MS }
    }

    /// Writes the line.
    ///
    /// # Errors
    /// If the zone does not exist.
    pub fn show(&mut self, clock: &dyn Clock, done: Done, zone: &str, screen: &Screen) -> Result<()> {
        self.shown = true;
        let now = clock.monotonic_ns() - self.began_ns;
        // The rate of the last second; at first that of all.
        let (then, rows) = self.last.replace((now, done.rows)).unwrap_or_default();
        let rate = done.rows.saturating_sub(rows) as f64 / ((now - then).max(1) as f64 / 1e9);
        screen.progress(&line(now / 1_000_000_000, done, rate as u64, zone)?);
        Ok(())
    }
}

fn line(seconds: u64, done: Done, rate: u64, zone: &str) -> Result<String> {
    let mut line = format!("{seconds} s  {} rows  {} rows/s  {}", grouped(done.rows), grouped(rate), bytes(done.bytes));
    if let Some(watermark) = done.watermark {
        line.push_str("  watermark ");
        line.push_str(&time_text(watermark, zone)?);
    }
    Ok(line)
}

/// `1,234,567`
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut value = n as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_reads_well() {
        let done = Done { rows: 1_234_567, bytes: 45_200_000, watermark: Some(0) };
        let line = line(12, done, 102_345, "UTC").unwrap();
        assert_eq!(line, "12 s  1,234,567 rows  102,345 rows/s  45.2 MB  watermark 1970-01-01 00:00:00.000");
    }

    #[test]
    fn numbers_and_sizes() {
        assert_eq!([0, 12, 123, 1234, 1_000_000].map(grouped), ["0", "12", "123", "1,234", "1,000,000"]);
        assert_eq!([0, 999, 1000, 1_500_000].map(bytes), ["0 B", "999 B", "1.0 kB", "1.5 MB"]);
    }
}
