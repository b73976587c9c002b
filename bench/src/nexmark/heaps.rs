//! `flott-bench nexmark heaps`: the smallest heap with which Flink keeps its speed.

use flott_api::Result;

use super::PARALLELISM;
use super::outcome::Outcome;
use super::queries::Query;
use super::sides::Sides;

/// What is tried, in MiB. The last one is what the speed is compared with.
const HEAPS_MIB: [u32; 11] = [384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 10240];
/// This part of its speed must be left.
const KEPT: f64 = 0.95;

/// Searches for each query, from the heap on that was found before: a run for each size that is tried.
pub(crate) fn heaps(sides: &Sides, queries: &[&'static Query], print: impl Fn(&str) -> Result<()>) -> Result<()> {
    print("query  smallest heap MiB  events/s  peak MB  with all\n")?;
    for query in queries {
        let how = sides.fast(query.events);
        let last = HEAPS_MIB.len() - 1;
        let all = sides.flink(query, &how, PARALLELISM, HEAPS_MIB[last], None)?;
        // What takes twice as long has not kept its speed, and may take for ever.
        let limit_seconds = 30 + (all.seconds * 2.0) as u64;
        // A heap that is too small ends the process.
        let kept = |index: usize| {
            let outcome = sides.flink(query, &how, PARALLELISM, HEAPS_MIB[index], Some(limit_seconds)).ok()?;
            (outcome.rate() >= all.rate() * KEPT).then_some(outcome)
        };
        let begin = HEAPS_MIB.iter().position(|heap| *heap >= query.flink_heap_mib).unwrap_or(last).min(last - 1);
        let (index, best) = smallest(begin, last, kept).unwrap_or_else(|| (last, all.clone()));
        print(&format!(
            "{:<6} {:>17} {:>8.3}M {:>8.0} {:>8.3}M\n",
            query.name,
            HEAPS_MIB[index],
            best.rate() / 1e6,
            best.peak_kib as f64 / 1024.0,
            all.rate() / 1e6
        ))?;
    }
    Ok(())
}

/// The first place below `end` with an outcome, where each place behind one with an outcome has one too.
fn smallest(begin: usize, end: usize, kept: impl Fn(usize) -> Option<Outcome>) -> Option<(usize, Outcome)> {
    let Some(mut best) = kept(begin) else {
        return (begin + 1..end).find_map(|index| kept(index).map(|outcome| (index, outcome)));
    };
    let mut index = begin;
    while let Some(outcome) = index.checked_sub(1).and_then(&kept) {
        (index, best) = (index - 1, outcome);
    }
    Some((index, best))
}
