//! `flott-bench nexmark scaling`: parallelism 1 held on one core against parallelism 2 on two.

use flott_api::Result;

use super::PARALLELISM;
use super::queries::Query;
use super::sides::Sides;
use crate::processes::on_last_core;

/// Runs each query so often each way, in turns.
pub(crate) fn scaling(
    sides: &Sides,
    queries: &[&'static Query],
    rounds: usize,
    print: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    print("query  one core events/s  two cores events/s  times (spread)\n")?;
    let one_core = on_last_core();
    for query in queries {
        let how = sides.fast(query.events);
        let mut rounds = (0..rounds)
            .map(|_| {
                let one = sides.flott(query, &how, 1, &one_core)?.rate();
                Ok((one, sides.flott(query, &how, PARALLELISM, &[])?.rate()))
            })
            .collect::<Result<Vec<_>>>()?;
        rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let times = |round: &(f64, f64)| round.1 / round.0;
        let middle = &rounds[rounds.len() / 2];
        print(&format!(
            "{:<6} {:>16.3}M {:>18.3}M {:>7.2} ({:.2} to {:.2})\n",
            query.name,
            middle.0 / 1e6,
            middle.1 / 1e6,
            times(middle),
            times(&rounds[0]),
            times(&rounds[rounds.len() - 1])
        ))?;
    }
    Ok(())
}
