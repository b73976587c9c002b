//! What one row does to its partition, in each of Flink's strategies.
//!
//! A place counts the rows before it, a rank is one more. Where ranks are told (`by_rank`) a row that moves others is
//! emitted as an update of every rank that gets another row; else as what leaves the first `end` rows and what enters them.

use std::cmp::Ordering;

use flott_api::{Error, Result};
use flott_graph::spec::{RankRange, RankSpec, RankStrategy};
use flott_state::hot::{RowRef, SortedRows};

use super::changes::Changes;
use super::state::RankRows;

/// A partition and a row of the batch.
type At = (u32, usize);

/// The way in which rows are taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    First,
    Top1,
    Append,
    Update,
    Retract,
}

/// How ranks are given.
pub(super) struct Ranking {
    strategy: Strategy,
    /// The first rank that comes out.
    pub(super) start: usize,
    /// The last one, if it is the same for all partitions.
    end: Option<usize>,
    by_rank: bool,
    /// The key of its input has no columns: all upserts are of one row.
    one_row: bool,
}

impl Ranking {
    pub(super) fn new(spec: &RankSpec) -> Result<Self> {
        let (start, end) = match spec.range {
            RankRange::Constant { start, end } if start >= 1 && start <= end => {
                (usize::try_from(start).unwrap_or(usize::MAX), Some(usize::try_from(end).unwrap_or(usize::MAX)))
            }
            RankRange::Constant { .. } => return Err(Error::internal("a ranking lets no rank out")),
            RankRange::Variable { .. } => (1, None),
        };
        let of_one = (start, end) == (1, Some(1));
        let strategy = match &spec.strategy {
            RankStrategy::AppendFirst => Strategy::First,
            RankStrategy::AppendFast | RankStrategy::UpdateFast { .. } if of_one => Strategy::Top1,
            RankStrategy::AppendFast => Strategy::Append,
            RankStrategy::UpdateFast { .. } => Strategy::Update,
            RankStrategy::Retract => Strategy::Retract,
        };
        let one_row = matches!(&spec.strategy, RankStrategy::UpdateFast { keys } if keys.is_empty());
        Ok(Ranking { strategy, start, end, by_rank: spec.emit_rank || start > 1, one_row })
    }

    /// Whether rows may be taken back.
    pub(super) fn retracts(&self) -> bool {
        self.strategy == Strategy::Retract
    }

    /// Whether a row may change anything, if those before it do not: the rest of the batch need not be looked at.
    pub(super) fn may_enter(&self, entries: &RankRows, group: u32, row: usize) -> bool {
        let end = self.end.unwrap_or_else(|| entries.end(group));
        match self.strategy {
            Strategy::First => entries.seen[group as usize] < end as u64,
            Strategy::Top1 => entries.rows.is_empty(group) || entries.rows.is_before_last(group, row),
            Strategy::Append => entries.rows.len(group) < end || entries.rows.is_before_last(group, row),
            Strategy::Update | Strategy::Retract => true,
        }
    }

    /// Takes up a row; whether the partition has changed.
    pub(super) fn step(&self, entries: &mut RankRows, at: At, retracts: bool, changes: &mut Changes) -> Result<bool> {
        let end = match self.end {
            Some(end) => end,
            None => entries.decide_end(at.0, at.1),
        };
        match self.strategy {
            Strategy::First => Ok(first(entries, at, end, changes)),
            Strategy::Top1 => top1(&mut entries.rows, at, changes),
            Strategy::Append => self.append(&mut entries.rows, at, end, changes),
            Strategy::Update => self.update(&mut entries.rows, at, end, changes),
            Strategy::Retract if retracts => self.retract(&mut entries.rows, at, end, changes),
            Strategy::Retract => self.add(&mut entries.rows, at, end, changes),
        }
    }

    /// A row that was not there, where only the first `end` rows matter.
    fn append(&self, rows: &mut SortedRows, (group, row): At, end: usize, changes: &mut Changes) -> Result<bool> {
        if rows.len(group) >= end && !rows.is_before_last(group, row) {
            return Ok(false);
        }
        if self.by_rank {
            shift_in(rows, (group, row), end, changes);
            rows.insert(group, row)?;
            rows.truncate(group, end);
            return Ok(true);
        }
        rows.insert(group, row)?;
        if rows.len(group) > end {
            changes.delete(rows.remove(group, end)?, 1);
        }
        changes.insert(RowRef::of_batch(row), 1);
        Ok(true)
    }

    /// A row with a name, whose sort key has not become worse if it was there before.
    fn update(&self, rows: &mut SortedRows, at: At, end: usize, changes: &mut Changes) -> Result<bool> {
        let (group, row) = at;
        let old = if self.one_row { (!rows.is_empty(group)).then_some(0) } else { rows.find_named(group, row) };
        let Some(old) = old else {
            return self.append(rows, at, end, changes);
        };
        let (new_row, order) = (RowRef::of_batch(row), rows.compare(group, row, old));
        if order.is_eq() || !self.by_rank {
            let old_row = if order.is_eq() {
                let old_row = rows.nth(group, old);
                rows.replace(group, old, row)?;
                old_row
            } else {
                let old_row = rows.remove(group, old)?;
                rows.insert(group, row)?;
                Some(old_row)
            };
            let rank = if self.by_rank { old + 1 } else { 1 };
            old_row.into_iter().for_each(|old_row| changes.update_before(old_row, rank));
            changes.update_after(new_row, rank);
            return Ok(true);
        }
        let old_row = rows.remove(group, old)?;
        match order {
            Ordering::Less => move_up(rows, at, (old, old_row), changes),
            _ => move_down(rows, at, (old, old_row), changes),
        }
        rows.insert(group, row)?;
        Ok(true)
    }

    /// A row comes, and all rows are remembered.
    fn add(&self, rows: &mut SortedRows, (group, row): At, end: usize, changes: &mut Changes) -> Result<bool> {
        if self.by_rank {
            shift_in(rows, (group, row), end, changes);
        } else if rows.rank(group, row) < end {
            if let Some(leaves) = rows.nth(group, end - 1) {
                changes.delete(leaves, 1);
            }
            changes.insert(RowRef::of_batch(row), 1);
        }
        rows.insert(group, row)?;
        Ok(true)
    }

    /// A row goes; one that is not there is none of ours (its state has expired).
    fn retract(&self, rows: &mut SortedRows, (group, row): At, end: usize, changes: &mut Changes) -> Result<bool> {
        let Some(place) = rows.find_equal(group, row)? else { return Ok(false) };
        let gone = rows.remove(group, place)?;
        if place >= end {
            return Ok(true);
        }
        if self.by_rank {
            shift_out(rows, (group, place), gone, end, changes);
            return Ok(true);
        }
        changes.delete(gone, 1);
        if let Some(enters) = rows.nth(group, end - 1) {
            changes.insert(enters, 1);
        }
        Ok(true)
    }
}

fn first(entries: &mut RankRows, (group, row): At, end: usize, changes: &mut Changes) -> bool {
    let seen = &mut entries.seen[group as usize];
    if *seen >= end as u64 {
        return false;
    }
    *seen += 1;
    changes.insert(RowRef::of_batch(row), *seen as usize);
    true
}

/// The one row of a partition is replaced by a better one.
fn top1(rows: &mut SortedRows, (group, row): At, changes: &mut Changes) -> Result<bool> {
    let new_row = RowRef::of_batch(row);
    if rows.is_empty(group) {
        changes.insert(new_row, 1);
    } else if rows.is_before_last(group, row) {
        changes.update_before(rows.remove(group, 0)?, 1);
        changes.update_after(new_row, 1);
    } else {
        return Ok(false);
    }
    rows.insert(group, row)?;
    Ok(true)
}

/// A row of the batch is about to come: those behind its place get the next rank, up to `end`.
fn shift_in(rows: &mut SortedRows, (group, row): At, end: usize, changes: &mut Changes) {
    let place = rows.rank(group, row);
    let mut behind = Vec::new();
    rows.range(group, place..end, &mut behind);
    let (mut current, mut rank) = (RowRef::of_batch(row), place + 1);
    for old in behind {
        changes.update_before(old, rank);
        changes.update_after(current, rank);
        (current, rank) = (old, rank + 1);
    }
    if rank <= end {
        changes.insert(current, rank);
    }
}

/// A row has gone from this place: those behind it get the rank before.
fn shift_out(rows: &mut SortedRows, (group, place): At, gone: RowRef, end: usize, changes: &mut Changes) {
    let mut behind = Vec::new();
    rows.range(group, place..end, &mut behind);
    let (mut before, mut rank) = (gone, place + 1);
    for next in behind {
        changes.update_before(before, rank);
        changes.update_after(next, rank);
        (before, rank) = (next, rank + 1);
    }
    if rank <= end {
        changes.delete(before, rank);
    }
}

/// A row that was at place `old` is about to come at a better one. Of one key the old row goes before the new one comes.
fn move_up(rows: &mut SortedRows, (group, row): At, (old, old_row): (usize, RowRef), changes: &mut Changes) {
    let place = rows.rank(group, row);
    let mut between = Vec::new();
    rows.range(group, place..old, &mut between);
    let (mut current, mut rank) = (RowRef::of_batch(row), place + 1);
    for before in &between {
        changes.update_before(*before, rank);
        if rank == place + 1 {
            changes.update_before(old_row, old + 1);
        }
        changes.update_after(current, rank);
        (current, rank) = (*before, rank + 1);
    }
    if between.is_empty() {
        changes.update_before(old_row, old + 1);
    }
    changes.update_after(current, old + 1);
}

/// The same at a worse one, which happens only if state before it has expired.
fn move_down(rows: &mut SortedRows, (group, row): At, (old, old_row): (usize, RowRef), changes: &mut Changes) {
    let place = rows.rank(group, row);
    changes.update_before(old_row, old + 1);
    let mut between = Vec::new();
    rows.range(group, old..place, &mut between);
    for (moved, rank) in between.into_iter().zip(old + 1..) {
        changes.update_before(moved, rank + 1);
        changes.update_after(moved, rank);
    }
    changes.update_after(RowRef::of_batch(row), place + 1);
}
