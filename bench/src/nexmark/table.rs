//! The table: every query on both sides, in turns.

use flott_api::Result;

use super::PARALLELISM;
use super::outcome::Outcome;
use super::queries::Query;
use super::sides::{Sides, check};

/// Events whose result is hashed.
pub(super) const HASHED_EVENTS: u64 = 1_000_000;
/// Events of the CPU seconds that are compared with those of others' publications.
const CPU_EVENTS: u64 = 5_000_000;

/// What is to be measured.
pub(crate) struct Asked {
    pub(crate) queries: Vec<&'static Query>,
    /// How often each side runs each query.
    pub(crate) rounds: usize,
    /// Whether results are compared first.
    pub(crate) hashes: bool,
}

/// Measures, and prints each line when it is there.
pub(crate) fn compare(sides: &Sides, asked: &Asked, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    print(&title(sides.has_flink()))?;
    let mut lines = Vec::new();
    for query in &asked.queries {
        if asked.hashes {
            check(sides, query, HASHED_EVENTS)?;
        }
        let line = measure(sides, query, asked.rounds)?;
        print(&line.text(query))?;
        lines.push(line);
    }
    print(&summary(&lines))
}

/// Compares results only.
pub(crate) fn hashes(sides: &Sides, queries: &[&'static Query], print: impl Fn(&str) -> Result<()>) -> Result<()> {
    for query in queries {
        let hash = check(sides, query, HASHED_EVENTS)?;
        let with = if sides.has_flink() { ", as of Flink's" } else { "" };
        print(&format!("{:<6} the result of {HASHED_EVENTS} events hashes to {hash:016x}{with}\n", query.name))?;
    }
    Ok(())
}

/// What the runs of a query came to: medians, and the spread of the ratio.
struct Line {
    ours: Outcome,
    /// CPU seconds of so many events as others publish.
    cpu_seconds: f64,
    flink: Option<Flink>,
}

struct Flink {
    theirs: Outcome,
    /// Flott's rate over Flink's: least, median, most.
    ratios: [f64; 3],
    /// The same of rates per core.
    per_core: f64,
}

fn measure(sides: &Sides, query: &Query, rounds: usize) -> Result<Line> {
    let how = sides.fast(query.events);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(sides.flott(query, &how, PARALLELISM, &[])?);
        if sides.has_flink() {
            theirs.push(sides.flink(query, &how, PARALLELISM, query.flink_heap_mib, None)?);
        }
    }
    let cpu_seconds = sides.flott(query, &sides.fast(CPU_EVENTS), PARALLELISM, &[])?.cpu_seconds;
    let ratios = sorted(ours.iter().zip(&theirs).map(|(a, b)| a.rate() / b.rate()));
    let per_core = sorted(ours.iter().zip(&theirs).map(|(a, b)| a.rate_per_core() / b.rate_per_core()));
    let flink = median(theirs).map(|theirs| Flink {
        theirs,
        ratios: [ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]],
        per_core: per_core[per_core.len() / 2],
    });
    let ours = median(ours).ok_or_else(|| flott_api::Error::invalid("there must be a round at least"))?;
    Ok(Line { ours, cpu_seconds, flink })
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The run whose rate is in the middle.
fn median(mut runs: Vec<Outcome>) -> Option<Outcome> {
    runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle)
}

fn title(flink: bool) -> String {
    let ours = "query   events  events/s  per core  cpu s of 5 M  peak MB";
    let theirs = "  | Flink's: events/s  per core  peak MB (heap)  | times (spread)      per core  memory";
    format!("{ours}{}\n", if flink { theirs } else { "" })
}

impl Line {
    fn text(&self, query: &Query) -> String {
        let ours = format!(
            "{:<6} {:>6.0}M {:>8.3}M {:>8.3}M {:>13.2} {:>8.0}",
            query.name,
            query.events as f64 / 1e6,
            self.ours.rate() / 1e6,
            self.ours.rate_per_core() / 1e6,
            self.cpu_seconds,
            megabytes(&self.ours)
        );
        let Some(flink) = &self.flink else { return ours + "\n" };
        let [least, middle, most] = flink.ratios;
        format!(
            "{ours}  | {:>16.3}M {:>8.3}M {:>8.0} ({:>5})  | {middle:>5.1} ({least:>5.1} to {most:>5.1}) {:>8.1} {:>7.2}\n",
            flink.theirs.rate() / 1e6,
            flink.theirs.rate_per_core() / 1e6,
            megabytes(&flink.theirs),
            query.flink_heap_mib,
            flink.per_core,
            flink.memory(&self.ours),
        )
    }
}

impl Flink {
    /// Flott's memory as a part of Flink's.
    fn memory(&self, ours: &Outcome) -> f64 {
        megabytes(ours) / megabytes(&self.theirs)
    }
}

fn megabytes(outcome: &Outcome) -> f64 {
    outcome.peak_kib as f64 / 1024.0
}

fn summary(lines: &[Line]) -> String {
    let flink: Vec<(&Line, &Flink)> = lines.iter().filter_map(|l| l.flink.as_ref().map(|f| (l, f))).collect();
    if flink.is_empty() {
        return String::new();
    }
    let mean = |value: &dyn Fn(&(&Line, &Flink)) -> f64| {
        (flink.iter().map(|pair| value(pair).ln()).sum::<f64>() / flink.len() as f64).exp()
    };
    let least = flink.iter().map(|(_, f)| f.ratios[1]).fold(f64::INFINITY, f64::min);
    format!(
        "geometric means of {} queries: {:.2} times Flink's rate ({:.2} per core), {:.3} of its memory; the least ratio is {least:.2}\n",
        flink.len(),
        mean(&|(_, f)| f.ratios[1]),
        mean(&|(_, f)| f.per_core),
        mean(&|(line, f)| f.memory(&line.ours)),
    )
}
