//! How many rows of its own input a combination had before a row came: whether it came with nulls.

use std::ops::Range;

use arrow_array::ArrayRef;
use flott_api::Result;
use flott_state::hot::{NO_ROW, RowMultiMap};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::check::Check;
use super::combinations::{Combinations, Cursor, Picks, of_batch};
use super::walk::Walk;
use super::{COUNTED_TOGETHER, Meeting, PIECE};

/// What rows of a batch have done to what is remembered of their input.
pub(super) struct Effects {
    /// The rows.
    pub(super) rows: Range<usize>,
    groups: Vec<Option<u32>>,
    /// By how many rows each has made its group larger.
    effects: Vec<i8>,
    /// How many rows its group had before each; no more than matter.
    before: Vec<i64>,
    /// The next row of the same group.
    later: Vec<Option<u32>>,
    /// How many rows each group has now.
    counts: HashMap<u32, i64, FixedState>,
}

impl Effects {
    /// Of rows that are not yet remembered. Without a map nobody will ask.
    pub(super) fn before(rows: Range<usize>, meeting: &Meeting<'_>, map: Option<&RowMultiMap>) -> Self {
        let groups = if map.is_some() { meeting.groups[meeting.input][rows.clone()].to_vec() } else { Vec::new() };
        let (mut later, mut last) = (vec![None; groups.len()], HashMap::<u32, u32, FixedState>::default());
        let mut counts = HashMap::<u32, i64, FixedState>::default();
        for (at, group) in groups.iter().enumerate().rev() {
            let Some(group) = *group else { continue };
            later[at] = last.insert(group, (rows.start + at) as u32);
            if let Some(map) = map {
                // Each row of the batch may take one away.
                counts.entry(group).or_insert_with(|| count_up_to(map, group, rows.len() as i64 + 2));
            }
        }
        let (effects, before) = (vec![0; groups.len()], vec![0; groups.len()]);
        Effects { rows, groups, effects, before, later, counts }
    }

    /// Notes what a row has done; called for all, in order.
    pub(super) fn note(&mut self, row: usize, effect: i8) {
        let at = row - self.rows.start;
        if let Some(count) = self.groups.get(at).copied().flatten().and_then(|group| self.counts.get_mut(&group)) {
            self.before[at] = *count;
            self.effects[at] = effect;
            *count += i64::from(effect);
        }
    }

    /// How many rows each combination had before its row came, if all rows of a group belong to it.
    pub(super) fn counts(&self, combinations: &Combinations) -> Vec<i64> {
        combinations.of.iter().map(|of| self.before[*of as usize - self.rows.start]).collect()
    }

    /// The same if a check decides which belong to it; more than one is any number. What is remembered has all rows of
    /// the batch by now: those from each row on are taken off.
    pub(super) fn tested(&self, combinations: &Combinations, check: &Check, walk: &Walk<'_>) -> Result<Vec<i64>> {
        let enough = COUNTED_TOGETHER as i64 + 2;
        let (mut counts, mut cursor) = (vec![0; combinations.len()], Cursor::default());
        while cursor.at < combinations.len() {
            let group_of = |at: usize| self.groups[combinations.of[at] as usize - self.rows.start];
            let picks = cursor.picks(combinations.len(), walk.own_map(), group_of);
            let own = |column: usize, picks: &Picks| walk.own_map().column(column, &picks.found);
            for from in passing(combinations, check, walk, (picks, &own))?.from {
                counts[from as usize] += 1;
            }
            if cursor.row.is_some() && counts[cursor.at] > enough {
                cursor.skip();
            }
        }
        let mut at = (0, None);
        while at.0 < combinations.len() {
            let picks = self.picked_from(combinations, &mut at);
            let own = |column: usize, picks: &Picks| of_batch(walk.batch(), column, &picks.found);
            let passed = passing(combinations, check, walk, (picks, &own))?;
            for (from, row) in passed.from.iter().zip(&passed.found) {
                counts[*from as usize] -= i64::from(self.effects[*row as usize - self.rows.start]);
            }
        }
        Ok(counts)
    }

    /// For each combination its row and those behind it in the group; `at` is how far that came.
    fn picked_from(&self, combinations: &Combinations, at: &mut (usize, Option<u32>)) -> Picks {
        let mut picks = Picks::default();
        while at.0 < combinations.len() && picks.len() < PIECE {
            let row = at.1.take().unwrap_or(combinations.of[at.0]);
            picks.push(at.0, row);
            at.1 = self.later[row as usize - self.rows.start];
            if at.1.is_none() {
                at.0 += 1;
            }
        }
        picks
    }
}

/// A column of the rows of the input that the batch came from.
type OwnColumn<'a> = &'a dyn Fn(usize, &Picks) -> Result<ArrayRef>;

fn passing(
    combinations: &Combinations,
    check: &Check,
    walk: &Walk<'_>,
    (picks, own): (Picks, OwnColumn<'_>),
) -> Result<Picks> {
    let column = |input: usize, column: usize| match input == walk.input() {
        true => own(column, &picks),
        false => walk.column(combinations, Some(&picks.from), (input, column)),
    };
    let passing = check.passing(picks.len(), column, walk.eval())?;
    Ok(picks.kept(&passing))
}

/// How many rows a group has, equal ones too; at least so many if there are more.
fn count_up_to(map: &RowMultiMap, group: u32, most: i64) -> i64 {
    let (mut count, mut row) = (0, map.first(group));
    while row != NO_ROW && count < most {
        count += i64::from(map.count(row));
        row = map.next(row);
    }
    count
}
