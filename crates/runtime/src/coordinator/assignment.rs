//! Which reader gets which split: the one with the fewest. A pure state machine.

use flott_api::source::{Discovery, Split};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A reader gets splits.
    Assign { reader: usize, splits: Vec<Split> },
    /// There will be no more splits for anyone.
    NoMoreSplits,
}

/// How many splits each reader was given.
#[derive(Debug)]
pub(crate) struct Assignment {
    given: Vec<u64>,
}

impl Assignment {
    pub(crate) fn new(readers: usize) -> Self {
        Assignment { given: vec![0; readers] }
    }

    /// Whether a reader has fewer splits than it may have.
    pub(crate) fn has_room(&self, finished: &[u64], open_max: u64) -> bool {
        self.given.iter().zip(finished).any(|(given, finished)| given.saturating_sub(*finished) < open_max)
    }

    /// Splits were found; `finished[r]` counts those that reader `r` has read to their end.
    pub(crate) fn on_discovery(&mut self, discovery: Discovery, finished: &[u64]) -> Vec<Command> {
        let mut assigned: Vec<Vec<Split>> = vec![Vec::new(); self.given.len()];
        for split in discovery.splits {
            let open = |r: &usize| self.given[*r].saturating_sub(finished[*r]);
            let Some(reader) = (0..self.given.len()).min_by_key(open) else { break };
            self.given[reader] += 1;
            assigned[reader].push(split);
        }
        let assigned = assigned.into_iter().enumerate().filter(|(_, splits)| !splits.is_empty());
        let mut commands: Vec<_> = assigned.map(|(reader, splits)| Command::Assign { reader, splits }).collect();
        if discovery.finished {
            commands.push(Command::NoMoreSplits);
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn splits(names: &str) -> Vec<Split> {
        names.chars().map(|c| Split { id: c.to_string(), state: Bytes::new() }).collect()
    }

    fn assign(reader: usize, names: &str) -> Command {
        Command::Assign { reader, splits: splits(names) }
    }

    #[test]
    fn the_reader_with_the_fewest_splits_gets_the_next() {
        let mut assignment = Assignment::new(2);
        let first = assignment.on_discovery(Discovery { splits: splits("abc"), finished: false }, &[0, 0]);
        assert_eq!(first, [assign(0, "ac"), assign(1, "b")]);
        let second = assignment.on_discovery(Discovery { splits: splits("de"), finished: true }, &[2, 0]);
        assert_eq!(second, [assign(0, "de"), Command::NoMoreSplits]);
        assert!(assignment.has_room(&[2, 0], 2) && !assignment.has_room(&[2, 0], 1));
        assert!(assignment.has_room(&[4, 0], 1));
    }
}
