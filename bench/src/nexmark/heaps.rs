//! `flott-bench nexmark heaps`: the smallest heap with which Flink keeps its speed.

use flott_api::Result;

use super::PARALLELISM;
use super::queries::Query;
use super::sides::Sides;

/// What is tried, in MiB. The last one is what the speed is compared with.
const HEAPS_MIB: [u32; 9] = [384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192];
/// This part of its speed must be left.
const KEPT: f64 = 0.95;

/// Searches for each query, by halves: a run for each size that is tried.
pub(crate) fn heaps(sides: &Sides, queries: &[&'static Query], print: impl Fn(&str) -> Result<()>) -> Result<()> {
    print("query  smallest heap MiB  events/s  peak MB  with all\n")?;
    for query in queries {
        let run = |index: usize| sides.flink(query, &sides.fast(query.events), PARALLELISM, HEAPS_MIB[index]);
        let all = run(HEAPS_MIB.len() - 1)?;
        let (mut low, mut high, mut best) = (0, HEAPS_MIB.len() - 1, all.clone());
        while low < high {
            let middle = (low + high) / 2;
            // A heap that is too small ends the process.
            match run(middle) {
                Ok(outcome) if outcome.rate() >= all.rate() * KEPT => (high, best) = (middle, outcome),
                _ => low = middle + 1,
            }
        }
        print(&format!(
            "{:<6} {:>17} {:>8.3}M {:>8.0} {:>8.3}M\n",
            query.name,
            HEAPS_MIB[high],
            best.rate() / 1e6,
            best.peak_kib as f64 / 1024.0,
            all.rate() / 1e6
        ))?;
    }
    Ok(())
}
