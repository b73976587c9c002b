//! The changes of a key that wait for a watermark.
//!
//! A change is a row of a list ([`ListedRows`]). What it is known by: one byte, 1 if it takes a row back; the watermark
//! before it in milliseconds, little-endian; the number of the run that it came in, the same way; and the columns of its
//! upsert key.

use flott_api::Result;
use flott_state::codec::{damaged, take_array, take_i64};
use flott_state::hot::{Listed, ListedRows};

/// Since when the operator runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// Counts the restores.
    pub(super) generation: i64,
    /// The watermark at its begin, the one that was restored; milliseconds.
    pub(super) begin_ms: i64,
}

impl Run {
    /// Which watermark a change waits behind that has come with `stamp_ms`. Until the first watermark comes it may be one
    /// that was under way when the run began.
    pub(super) fn stamp(&self, stamp_ms: i64, watermark_ms: i64) -> i64 {
        if watermark_ms == self.begin_ms { stamp_ms.min(self.begin_ms) } else { stamp_ms }
    }

    /// Which watermark a change waits behind now: one of an earlier run does for no other than that of the begin.
    fn epoch(&self, change: &Change<'_>) -> i64 {
        if change.generation < self.generation { change.stamp_ms.min(self.begin_ms) } else { change.stamp_ms }
    }
}

/// A change that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change<'a> {
    /// Whether it takes a row back.
    pub(super) retracts: bool,
    /// The watermark before it.
    pub(super) stamp_ms: i64,
    /// The run that it came in.
    pub(super) generation: i64,
    /// The columns of its upsert key; empty if the query has none.
    pub(super) upsert_key: &'a [u8],
    /// All columns.
    pub(super) row: &'a [u8],
}

impl<'a> Change<'a> {
    fn read(listed: Listed<'a>) -> Result<Self> {
        let mut identity = listed.identity;
        let retracts = match take_array::<1>(&mut identity)? {
            [0] => false,
            [1] => true,
            _ => return Err(damaged("a change that waits neither adds nor retracts")),
        };
        let (stamp_ms, generation) = (take_i64(&mut identity)?, take_i64(&mut identity)?);
        Ok(Change { retracts, stamp_ms, generation, upsert_key: identity, row: listed.row })
    }

    fn known_by(&self) -> Vec<u8> {
        let (stamp, generation) = (self.stamp_ms.to_le_bytes(), self.generation.to_le_bytes());
        [&[u8::from(self.retracts)], &stamp[..], &generation, self.upsert_key].concat()
    }

    /// Whether one undoes the other.
    fn cancels(&self, other: &Change<'_>) -> bool {
        self.retracts != other.retracts && self.row == other.row
    }
}

/// Appends a change to those of its key, or takes away the first one of its watermark that it undoes.
///
/// # Errors
/// If what is there is damaged.
pub(super) fn put(lists: &mut ListedRows, group: u32, change: Change<'_>, run: &Run) -> Result<()> {
    let mut undone = None;
    for (place, listed) in lists.rows(group).enumerate() {
        let earlier = Change::read(listed)?;
        if run.epoch(&earlier) == change.stamp_ms && change.cancels(&earlier) {
            undone = Some(place);
            break;
        }
    }
    match undone {
        Some(place) => lists.replace(group, place, None),
        None => lists.push(group, Listed { identity: &change.known_by(), row: change.row }),
    }
    Ok(())
}

/// The changes of a key that wait behind no later watermark, in the order of their watermarks, and the others.
///
/// # Errors
/// If one is damaged.
pub(super) fn take<'a>(
    lists: &'a ListedRows,
    group: u32,
    up_to_ms: i64,
    run: &Run,
) -> Result<(Vec<Change<'a>>, Vec<Listed<'a>>)> {
    let (mut due, mut rest) = (Vec::new(), Vec::new());
    for listed in lists.rows(group) {
        let change = Change::read(listed)?;
        if run.epoch(&change) <= up_to_ms {
            due.push(change);
        } else {
            rest.push(listed);
        }
    }
    due.sort_by_key(|change| (run.epoch(change), change.generation, change.stamp_ms));
    if due.iter().any(|change| change.generation < run.generation) {
        due = united(due, run);
    }
    Ok((due, rest))
}

/// Undoes what changes that have come to wait behind one watermark undo of each other.
fn united<'a>(changes: Vec<Change<'a>>, run: &Run) -> Vec<Change<'a>> {
    let mut united: Vec<Change<'a>> = Vec::with_capacity(changes.len());
    for change in changes {
        let undone = united.iter().position(|e| run.epoch(e) == run.epoch(&change) && change.cancels(e));
        match undone {
            Some(place) => drop(united.remove(place)),
            None => united.push(change),
        }
    }
    united
}

/// The rows of a key that changes leave of the one that was there.
pub(super) fn applied<'a>(previous: Option<Listed<'a>>, changes: &[Change<'a>], by_key: bool) -> Vec<Listed<'a>> {
    let mut rows: Vec<Listed<'a>> = previous.into_iter().collect();
    for change in changes {
        let listed = Listed { identity: change.upsert_key, row: change.row };
        let same = |row: &Listed<'_>| if by_key { row.identity == listed.identity } else { row.row == listed.row };
        match (rows.iter().position(same), change.retracts) {
            (Some(place), true) => drop(rows.remove(place)),
            (Some(place), false) if by_key => rows[place] = listed,
            (_, false) => rows.push(listed),
            (None, true) => {}
        }
    }
    rows
}
