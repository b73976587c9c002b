//! `flott-bench micro [NAME]`: what a row costs in each container of hot state and in each operator, alone.
//!
//! Rows come in batches of 8192 from a seeded generator, all made before. What is counted is the CPU time of the one thread
//! that works; each number is the median of some rounds behind one that does not count, and each round begins with nothing.

mod cases;
mod chain;
mod containers;
mod fed;
mod operators;
mod rows;
mod world;

use std::path::Path;

use flott_api::{Error, Result};

use self::world::World;

/// How often everything is done; the first time does not count.
const ROUNDS: usize = 5;
/// Batches of each input.
const BATCHES: u64 = 64;

/// What one round took.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// What is told of: rows that came in, or what else was done.
    rows: u64,
    rows_out: u64,
    cpu_nanos: u64,
}

/// Measures what has this in its name; all without one.
pub(crate) fn micro(name: &str, folder: &Path, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Error::external("no thread can be started").with_source(e))?;
    runtime.block_on(async {
        let world = World::new(folder)?;
        print(TITLE)?;
        let containers = containers::measure(&world, name, &print).await?;
        let operators = operators::measure(&world, name, &print).await?;
        if containers + operators == 0 {
            return Err(Error::invalid(format!("there is no container and no operator with '{name}' in its name")));
        }
        Ok(())
    })
}

const TITLE: &str =
    "what                                                          rows  ns a row    rows/s   rows out\n";

/// A line of the table.
fn line(name: &str, rounds: &[Round]) -> String {
    let mut counted = rounds.get(1..).unwrap_or_default().to_vec();
    counted.sort_by_key(|round| round.cpu_nanos);
    let Some(Round { rows, rows_out, cpu_nanos }) = counted.get(counted.len() / 2) else {
        return format!("{name}: nothing was measured\n");
    };
    let nanos_per_row = (*cpu_nanos as f64 / (*rows).max(1) as f64).max(0.01);
    format!("{name:<56} {rows:>9} {nanos_per_row:>9.1} {:>8.2}M {rows_out:>10}\n", 1e3 / nanos_per_row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_does_not_count_and_the_middle_of_the_others_does() {
        let round = |cpu_nanos| Round { rows: 1000, rows_out: 7, cpu_nanos };
        let rounds = [1, 900_000, 100_000, 200_000].map(round);
        assert_eq!(line("table", &rounds), format!("{:<56}      1000     200.0     5.00M          7\n", "table"));
        assert_eq!(line("table", &rounds[..1]), "table: nothing was measured\n");
    }
}
