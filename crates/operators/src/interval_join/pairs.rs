//! Rows of a batch with those of the other side that have their key and a time near theirs.

use std::ops::Range;

use arrow_array::{Array, BooleanArray};
use flott_api::Result;
use flott_state::hot::{NO_ROW, RowMultiMap};

use super::cache::{Arrivals, Cache};

/// The pairs of some rows of a batch, in the order of the rows and, for each, of the times of its partners.
pub(super) struct Pairs {
    rows: Range<usize>,
    /// Where the partners of each row begin; and where the last ones end.
    starts: Vec<usize>,
    partners: Vec<u32>,
    /// The last row and its group, if some of that are over and leave it when they have met the row.
    pub(super) leaving: Option<(usize, u32)>,
    /// Those of them.
    pub(super) expired: Vec<u32>,
}

impl Pairs {
    /// The pairs of rows from `begin` on, until there are `most`, or some partners are over.
    pub(super) fn collect(
        (groups, arrivals): (&[Option<u32>], &Arrivals),
        other: &Cache,
        (begin, most): (usize, usize),
        operator_ms: i64,
    ) -> Result<Self> {
        let rows = other.rows()?;
        let mut pairs =
            Pairs { rows: begin..begin, starts: vec![0], partners: Vec::new(), leaving: None, expired: Vec::new() };
        while pairs.end() < groups.len() && pairs.partners.len() < most && pairs.leaving.is_none() {
            let row = pairs.end();
            if let (Some(group), Some(times)) = (groups[row], arrivals.times_of_partners(row, other.bounds())) {
                pairs.add_between(rows, group, times);
                pairs.expired = other.expired(group, operator_ms)?;
                pairs.leaving = (!pairs.expired.is_empty()).then_some((row, group));
            }
            pairs.starts.push(pairs.partners.len());
            pairs.rows.end += 1;
        }
        Ok(pairs)
    }

    /// Adds the rows of a group between two times. Most meet late ones: it goes back from the last.
    fn add_between(&mut self, rows: &RowMultiMap, group: u32, (from, to): (i64, i64)) {
        let begin = self.partners.len();
        let mut partner = rows.last(group);
        while partner != NO_ROW && rows.time(partner) >= from {
            if rows.time(partner) <= to {
                self.partners.push(partner);
            }
            partner = rows.previous(partner);
        }
        self.partners[begin..].reverse();
    }

    /// The rows that they are of.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The first row behind them.
    pub(super) fn end(&self) -> usize {
        self.rows.end
    }

    /// The partners of a row.
    pub(super) fn of(&self, row: usize) -> &[u32] {
        let at = row - self.rows.start;
        &self.partners[self.starts[at]..self.starts[at + 1]]
    }

    /// All partners, and the row of each.
    pub(super) fn both(&self) -> (Vec<u32>, &[u32]) {
        let mut rows = Vec::with_capacity(self.partners.len());
        for (row, ends) in self.rows.clone().zip(self.starts.windows(2)) {
            rows.extend(std::iter::repeat_n(row as u32, ends[1] - ends[0]));
        }
        (rows, &self.partners)
    }

    /// Keeps the pairs that pass.
    pub(super) fn keep(&mut self, passing: &BooleanArray) {
        let mut kept = Vec::with_capacity(self.partners.len());
        let mut starts = vec![0];
        for ends in self.starts.windows(2) {
            let pass = (ends[0]..ends[1]).filter(|at| passing.is_valid(*at) && passing.value(*at));
            kept.extend(pass.map(|at| self.partners[at]));
            starts.push(kept.len());
        }
        (self.starts, self.partners) = (starts, kept);
    }
}

/// What is emitted: a row of the batch or nulls, with one of the other side or nulls.
#[derive(Default)]
pub(super) struct Output {
    pub(super) own: Vec<Option<u32>>,
    pub(super) other: Vec<u32>,
}

impl Output {
    #[inline]
    pub(super) fn push(&mut self, own: Option<usize>, other: u32) {
        self.own.push(own.map(|row| row as u32));
        self.other.push(other);
    }
}
