//! What one run came to, as the line that its process prints, and what it was asked to do.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::Ordering;

use flott_api::{Error, Result};

use crate::nexmark::outcome::Outcome;
use crate::objects::Counts;
use crate::processes::number;

/// What a process is asked to run.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) parallelism: u32,
    pub(super) script: &'a str,
    /// 0 if all state must be in memory.
    pub(super) memory_bytes: u64,
    /// Where state lies that is not in memory.
    pub(super) folder: &'a str,
    /// How much longer each request of it takes.
    pub(super) delay_ms: u64,
}

impl<'a> Asked<'a> {
    pub(super) fn read(arguments: &[&'a str]) -> Result<Self> {
        let [parallelism, script, memory, folder, delay] = arguments else {
            return Err(Error::invalid(
                "a run with little memory takes PARALLELISM SCRIPT MEMORY_BYTES FOLDER DELAY_MS",
            ));
        };
        let (parallelism, memory_bytes, delay_ms) = (number(parallelism)?, number(memory)?, number(delay)?);
        Ok(Asked { parallelism, script, memory_bytes, folder, delay_ms })
    }
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) spill: Spill,
}

/// What became of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spill {
    /// The most that it took of memory.
    pub(super) state_bytes: u64,
    /// What it was given; 0 if all it wanted.
    pub(super) memory_bytes: u64,
    /// Files that were written of it.
    pub(super) state_files: u64,
    /// Their bytes.
    pub(super) written_bytes: u64,
    /// Bytes that were read again.
    pub(super) read_bytes: u64,
    /// Requests of the store.
    pub(super) requests: u64,
}

impl Spill {
    pub(super) fn of(counts: &Counts, state_bytes: u64, memory_bytes: u64) -> Self {
        Spill {
            state_bytes,
            memory_bytes,
            state_files: counts.state_files.load(Ordering::Relaxed),
            written_bytes: counts.state_bytes.load(Ordering::Relaxed),
            read_bytes: counts.read_bytes.load(Ordering::Relaxed),
            requests: counts.requests.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spill { state_bytes, memory_bytes, state_files, written_bytes, read_bytes, requests } = &self.spill;
        write!(
            f,
            "{state_bytes} {memory_bytes} {state_files} {written_bytes} {read_bytes} {requests}\n{}",
            self.outcome
        )
    }
}

impl FromStr for Ran {
    type Err = Error;

    fn from_str(lines: &str) -> Result<Ran> {
        let odd = || Error::external(format!("a measurement answered '{lines}'"));
        let (spill, outcome) = lines.trim_end().split_once('\n').ok_or_else(odd)?;
        let cells = spill.split(' ').map(number).collect::<Result<Vec<u64>>>()?;
        let [state_bytes, memory_bytes, state_files, written_bytes, read_bytes, requests] = cells[..] else {
            return Err(odd());
        };
        let spill = Spill { state_bytes, memory_bytes, state_files, written_bytes, read_bytes, requests };
        Ok(Ran { outcome: outcome.parse()?, spill })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_prints_is_read_again() {
        let lines = "6 5 4 3 2 1\n1.5 2.5 7 8 3.5 4.5 9 00ff -1 -1 -1\n";
        let ran: Ran = lines.parse().unwrap();
        assert_eq!((ran.outcome.hash, ran.spill.state_bytes, ran.spill.requests), (255, 6, 1));
        let again: Ran = ran.to_string().parse().unwrap();
        assert_eq!((again.spill, again.outcome.to_string()), (ran.spill, ran.outcome.to_string()));
        for odd in ["", "1 2 3\n1.5 2.5 7 8 3.5 4.5 9 00ff -1 -1 -1", "6 5 4 3 2 1", "6 5 4 3 2 x\n1"] {
            assert!(odd.parse::<Ran>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_process_is_told_all_of_it() {
        let asked = Asked::read(&["2", "a.sql", "1_000", "/f", "10"]).unwrap();
        assert_eq!((asked.parallelism, asked.memory_bytes, asked.delay_ms), (2, 1000, 10));
        assert!(Asked::read(&["2", "a.sql"]).is_err());
    }
}
