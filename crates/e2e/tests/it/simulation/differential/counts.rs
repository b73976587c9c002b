//! What has been tried so far, told every now and then: so a run that is cut off tells something, too.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;

/// What one run of a query came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Ran {
    pub(super) operators: Vec<String>,
    pub(super) rows_read: u64,
    pub(super) changes_given: u64,
    pub(super) checkpoints: u64,
    /// Killed behind a checkpoint and before the end.
    pub(super) was_killed: bool,
    /// Why batch mode does not take it.
    pub(super) refused_in_batch: Option<String>,
}

/// The sum of all.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) queries: u64,
    /// The first seed that may not be done, and those behind it that are.
    next: u64,
    done: std::collections::BTreeSet<u64>,
    pub(super) refused: BTreeMap<String, u64>,
    /// How many differ.
    pub(super) differing: Vec<u64>,
    /// How many queries had them, by kind.
    pub(super) operators: BTreeMap<String, u64>,
    rows_read: u64,
    changes_given: u64,
    checkpoints: u64,
    kills: u64,
    /// How many gave the same in batch mode, and what it refuses.
    pub(super) in_batch: u64,
    refused_in_batch: BTreeMap<String, u64>,
    every: u64,
}

impl Counts {
    /// From this seed on, telling every so many queries.
    pub(super) fn new(first: u64, every: u64) -> Counts {
        Counts { next: first, every, ..Counts::default() }
    }

    pub(super) fn ran(&mut self, seed: u64, ran: Ran) {
        let mut kinds = ran.operators;
        kinds.sort();
        kinds.dedup();
        kinds.into_iter().for_each(|kind| *self.operators.entry(kind).or_default() += 1);
        self.rows_read += ran.rows_read;
        self.changes_given += ran.changes_given;
        self.checkpoints += ran.checkpoints;
        self.kills += u64::from(ran.was_killed);
        match ran.refused_in_batch {
            None => self.in_batch += 1,
            Some(why) => *self.refused_in_batch.entry(why).or_default() += 1,
        }
        self.done(seed);
    }

    pub(super) fn refused(&mut self, seed: u64, why: String) {
        *self.refused.entry(why).or_default() += 1;
        self.done(seed);
    }

    pub(super) fn differs(&mut self, seed: u64) {
        self.differing.push(seed);
        self.done(seed);
    }

    fn done(&mut self, seed: u64) {
        self.queries += 1;
        self.done.insert(seed);
        while self.done.remove(&self.next) {
            self.next += 1;
        }
        if self.queries.is_multiple_of(self.every) {
            tell(self);
        }
    }
}

/// Past the harness, which keeps what a test prints until it ends.
pub(super) fn tell(what: &dyn fmt::Display) {
    writeln!(std::io::stderr().lock(), "{what}").unwrap();
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} queries, all seeds below {}; {} rows read, {} changes given, {} checkpoints, {} kills in time; \
             {} in batch mode, refused there: {:?}; differ: {:?}; refused: {:?}; queries by operator: {:?}",
            self.queries,
            self.next,
            self.rows_read,
            self.changes_given,
            self.checkpoints,
            self.kills,
            self.in_batch,
            self.refused_in_batch,
            self.differing,
            self.refused,
            self.operators
        )
    }
}
