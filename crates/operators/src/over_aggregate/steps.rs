//! Steps of aggregation, collected and taken together in columns.

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::take::take;
use flott_api::Result;
use flott_api::aggregate::Change;
use flott_state::hot::RowRef;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::entries::OverEntries;
use super::frames::Frames;
use crate::aggregate::groups::{Plan, Rows};

/// Rows that come into frames and leave them, in order, and which rows come out with the values after which step.
#[derive(Default)]
pub(super) struct Steps {
    rows: Vec<RowRef>,
    groups: Vec<u32>,
    changes: Vec<Change>,
    emitted: Vec<RowRef>,
    values: Vec<u32>,
    members: HashSet<u32, FixedState>,
    /// Where somebody is given all rows of frames.
    frames: Option<Frames>,
}

impl Steps {
    /// Before the first one; `framed` says whether somebody is given all rows of frames.
    pub(super) fn new(framed: bool) -> Self {
        Steps { frames: framed.then(Frames::default), ..Steps::default() }
    }

    /// Before the first step of a group: the rows that are in its frame, so many of the first ones that are remembered.
    pub(super) fn begin(&mut self, entries: &mut OverEntries, group: u32, in_frame: usize) {
        if let Some(frames) = self.frames.as_mut().filter(|frames| !frames.knows(group)) {
            let mut rows = Vec::new();
            entries.timed.rows.range(group, 0..in_frame, &mut rows);
            frames.begin(group, rows);
        }
    }

    fn push(&mut self, group: u32, row: RowRef, change: Change) {
        self.rows.push(row);
        self.groups.push(group);
        self.changes.push(change);
        self.members.insert(group);
        if let Some(frames) = &mut self.frames {
            frames.step(group, row, change);
        }
    }

    /// A row comes into the frame of its group.
    pub(super) fn add(&mut self, group: u32, row: RowRef) {
        self.push(group, row, Change::Add);
    }

    /// A row leaves it.
    pub(super) fn retract(&mut self, group: u32, row: RowRef) {
        self.push(group, row, Change::Retract);
    }

    /// A row comes out with the values after the last step.
    pub(super) fn emit(&mut self, row: RowRef) {
        self.emitted.push(row);
        self.values.push(self.rows.len().saturating_sub(1) as u32);
        if let Some(frames) = &mut self.frames {
            frames.emit();
        }
    }

    /// Whether a step of this group waits to be taken.
    pub(super) fn has(&self, group: u32) -> bool {
        self.members.contains(&group)
    }

    /// The frames of the rows that come out, where somebody is given all rows of them.
    pub(super) fn framed(&mut self) -> Option<Frames> {
        self.frames.take()
    }

    /// Takes the steps: the rows that come out, with their values.
    pub(super) fn take(
        self,
        entries: &mut OverEntries,
        plan: &Plan,
        now_ms: i64,
    ) -> Result<(RecordBatch, Vec<ArrayRef>)> {
        let stepped = entries.timed.rows.rows(&self.rows)?;
        let rows = Rows { columns: &stepped, groups: &self.groups, changes: Some(&self.changes), now_ms };
        let running = entries.aggregates.running(plan, &rows)?;
        let places = UInt32Array::from(self.values);
        let values = running.iter().map(|r| take(&r.after, &places, None)).collect::<Result<Vec<_>, _>>()?;
        Ok((entries.timed.rows.rows(&self.emitted)?, values))
    }
}
