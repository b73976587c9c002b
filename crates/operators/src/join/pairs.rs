//! Rows of a batch with the rows of the other side that have their key.

use std::ops::Range;

use arrow_array::{Array, BooleanArray};
use flott_state::hot::{NO_ROW, RowMultiMap};

/// The pairs of some rows of a batch, in the order of the rows and, for each, of its partners. An equal row that is
/// counted comes as often.
pub(super) struct Pairs {
    rows: Range<usize>,
    /// Where the partners of each row begin; and where the last ones end.
    starts: Vec<usize>,
    partners: Vec<u32>,
}

impl Pairs {
    /// The pairs of rows from `begin` on, until there are `most`.
    pub(super) fn collect(
        groups: &[Option<u32>],
        rows: &RowMultiMap,
        (begin, most): (usize, usize),
        now_ms: i64,
    ) -> Self {
        let (mut starts, mut partners, mut end) = (vec![0], Vec::new(), begin);
        while end < groups.len() && partners.len() < most {
            let mut partner = groups[end].map_or(NO_ROW, |group| rows.first(group));
            while partner != NO_ROW {
                if !rows.is_expired(partner, now_ms) {
                    partners.extend(std::iter::repeat_n(partner, rows.count(partner) as usize));
                }
                partner = rows.next(partner);
            }
            starts.push(partners.len());
            end += 1;
        }
        Pairs { rows: begin..end, starts, partners }
    }

    /// The rows that they are of.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.partners.is_empty()
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

    /// How many partners a row has.
    pub(super) fn count_of(&self, row: usize) -> i32 {
        i32::try_from(self.of(row).len()).unwrap_or(i32::MAX)
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
