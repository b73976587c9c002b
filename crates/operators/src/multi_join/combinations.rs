//! Rows of several inputs that belong together, many at once; and the walk through what a key has remembered.

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_select::take::take;
use flott_api::{ChangeBatch, Result, RowKind};
use flott_state::hot::{NO_ROW, RowMultiMap};

use super::PIECE;

/// Combinations, each of a row of the batch that is there or would be; in the order of those rows.
#[derive(Default)]
pub(super) struct Combinations {
    /// The row of the batch that each is of.
    pub(super) of: Vec<u32>,
    /// What becomes of each.
    pub(super) kinds: Vec<RowKind>,
    /// For each input that is joined already the numbers of its rows, or [`NO_ROW`] for nulls. Those of the input that
    /// the batch came from are places in the batch.
    pub(super) rows: Vec<Vec<u32>>,
}

impl Combinations {
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// These combinations with a row of an input each.
    pub(super) fn extended(&self, picks: Picks, input: usize) -> Combinations {
        let picked = |of: &Vec<u32>| picks.from.iter().map(|from| of[*from as usize]).collect::<Vec<u32>>();
        let filled = |rows: &Vec<u32>| if rows.is_empty() { Vec::new() } else { picked(rows) };
        let mut rows: Vec<Vec<u32>> = self.rows.iter().map(filled).collect();
        let kinds = picks.from.iter().map(|from| self.kinds[*from as usize]).collect();
        let of = picked(&self.of);
        rows[input] = picks.found;
        Combinations { of, kinds, rows }
    }

    /// Adds others behind these.
    pub(super) fn append(&mut self, other: Combinations) {
        self.of.extend(other.of);
        self.kinds.extend(other.kinds);
        for (own, other) in self.rows.iter_mut().zip(other.rows) {
            own.extend(other);
        }
    }
}

/// A column of some rows of a batch; null for [`NO_ROW`].
pub(super) fn of_batch(batch: &ChangeBatch, column: usize, rows: &[u32]) -> Result<ArrayRef> {
    let rows: UInt32Array = rows.iter().map(|row| Some(*row).filter(|row| *row != NO_ROW)).collect();
    Ok(take(batch.rows().column(column), &rows, None)?)
}

/// Rows for combinations, by the places of these.
#[derive(Default)]
pub(super) struct Picks {
    pub(super) from: Vec<u32>,
    pub(super) found: Vec<u32>,
}

impl Picks {
    pub(super) fn len(&self) -> usize {
        self.from.len()
    }

    pub(super) fn push(&mut self, from: usize, found: u32) {
        self.from.push(from as u32);
        self.found.push(found);
    }

    /// Those that pass.
    pub(super) fn kept(self, passing: &BooleanArray) -> Picks {
        let passes = |at: &usize| passing.is_valid(*at) && passing.value(*at);
        let kept: Vec<usize> = (0..self.len()).filter(passes).collect();
        let picked = |all: &[u32]| kept.iter().map(|at| all[*at]).collect();
        Picks { from: picked(&self.from), found: picked(&self.found) }
    }
}

/// How far the rows of an input were walked through.
#[derive(Clone, Copy, Default)]
pub(super) struct Cursor {
    /// The combination in work.
    pub(super) at: usize,
    /// Its next row, and how many equal ones of it are left; nothing before the first.
    pub(super) row: Option<(u32, u32)>,
}

impl Cursor {
    /// The next rows for so many combinations, of the group of each; an equal row that is counted comes as often.
    pub(super) fn picks(
        &mut self,
        combinations: usize,
        map: &RowMultiMap,
        group_of: impl Fn(usize) -> Option<u32>,
    ) -> Picks {
        let mut picks = Picks::default();
        while self.at < combinations && picks.len() < PIECE {
            let counted = |row: u32| (row, if row == NO_ROW { 0 } else { map.count(row) });
            let begin = || counted(group_of(self.at).map_or(NO_ROW, |group| map.first(group)));
            let (mut row, mut left) = self.row.take().unwrap_or_else(begin);
            while row != NO_ROW && picks.len() < PIECE {
                let taken = (left as usize).min(PIECE - picks.len());
                (0..taken).for_each(|_| picks.push(self.at, row));
                left -= taken as u32;
                if left == 0 {
                    (row, left) = counted(map.next(row));
                }
            }
            if row == NO_ROW {
                self.at += 1;
            } else {
                self.row = Some((row, left));
            }
        }
        picks
    }

    /// Leaves the combination in work.
    pub(super) fn skip(&mut self) {
        self.at += 1;
        self.row = None;
    }
}
