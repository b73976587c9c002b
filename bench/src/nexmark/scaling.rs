//! `flott-bench nexmark scaling`: parallelism 1 held on one core against parallelism 2 on two.
//!
//! Beside it what the machine gives: two jobs of parallelism 1 at once, each held on a core of its own, which share nothing but
//! the machine. Cores of a virtual machine are not always whole ones, and no job can be faster than these two together.

use flott_api::Result;

use super::PARALLELISM;
use super::queries::Query;
use super::sides::Sides;
use crate::processes::{on_first_core, on_last_core};

/// A run takes so many seconds or more: what a job does once is little then.
const SECONDS_MIN: f64 = 2.0;

/// Events a second of one round.
struct Round {
    one: f64,
    two: f64,
    /// Of two jobs at once, in sum.
    side_by_side: f64,
}

impl Round {
    fn times(&self) -> f64 {
        self.two / self.one
    }

    fn machine(&self) -> f64 {
        self.side_by_side / self.one
    }
}

/// Runs each query so often each way, in turns.
pub(crate) fn scaling(
    sides: &Sides,
    queries: &[&'static Query],
    rounds: usize,
    print: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    print("query  one core events/s  two cores events/s  times (spread)         two jobs side by side (spread)\n")?;
    let cores = [on_first_core(), on_last_core()];
    for query in queries {
        let seconds = sides.flott(query, &sides.fast(query.events), 1, &cores[1])?.seconds;
        let how = sides.fast(query.events * (SECONDS_MIN / seconds).ceil() as u64);
        let mut rounds = (0..rounds)
            .map(|_| {
                let one = sides.flott(query, &how, 1, &cores[1])?.rate();
                let side_by_side = sides.flott_at_once(query, &how, &cores)?.iter().map(|run| run.rate()).sum();
                Ok(Round { one, two: sides.flott(query, &how, PARALLELISM, &[])?.rate(), side_by_side })
            })
            .collect::<Result<Vec<_>>>()?;
        let machine = spread(&mut rounds, Round::machine);
        let times = spread(&mut rounds, Round::times);
        let Round { one, two, .. } = &rounds[rounds.len() / 2];
        print(&format!("{:<6} {:>16.3}M {:>18.3}M  {times:<22} {machine}\n", query.name, one / 1e6, two / 1e6))?;
    }
    Ok(())
}

/// Sorts the rounds by what is asked, and tells its median, least and most.
fn spread(rounds: &mut [Round], of: impl Fn(&Round) -> f64) -> String {
    rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
    let (middle, least, most) = (&rounds[rounds.len() / 2], &rounds[0], &rounds[rounds.len() - 1]);
    format!("{:.2} ({:.2} to {:.2})", of(middle), of(least), of(most))
}
