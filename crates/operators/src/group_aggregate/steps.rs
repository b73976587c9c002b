//! What each row of a batch does to its group: begins it, changes it, ends it, or nothing.

use flott_api::aggregate::Change;
use flott_api::{ChangeBatch, Result};
use flott_state::hot::KeyedState;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use crate::aggregate::groups::Groups;

/// What a row does to its group's place in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Effect {
    /// Nothing: it takes back from a group that does not exist.
    Ignored,
    /// The group's first row.
    Begins,
    /// One of many.
    Changes,
    /// The group's last row is taken back.
    Ends,
}

/// The steps of a batch.
pub(super) struct Steps {
    /// The group of each row. A key that ends and begins again within the batch has several.
    pub(super) groups: Vec<u32>,
    /// The effect of each row.
    pub(super) effects: Vec<Effect>,
    /// What each row does to the aggregates; `None` if all count.
    pub(super) changes: Option<Vec<Change>>,
    /// Groups that lost their last row in this batch, so that their slots are not fresh.
    ended: HashSet<u32, FixedState>,
    /// Groups that a retraction met without rows.
    ignored: Vec<u32>,
    /// Groups of this batch that ended, and the one that the key has since.
    renewed: HashMap<u32, u32, FixedState>,
}

impl Steps {
    /// Counts the rows of each group up and down, row by row. The groups are touched.
    pub(super) fn take(batch: &ChangeBatch, assigned: Vec<u32>, state: &mut KeyedState<Groups>, now_ms: i64) -> Self {
        let mut steps = Steps {
            effects: Vec::with_capacity(assigned.len()),
            groups: assigned,
            changes: None,
            ended: HashSet::default(),
            ignored: Vec::new(),
            renewed: HashMap::default(),
        };
        if batch.kinds().is_none() && !state.expires() {
            steps.insert(state.entries_mut());
        } else {
            steps.change(batch, state, now_ms);
        }
        steps
    }

    /// The fast path: rows only come.
    fn insert(&mut self, groups: &mut Groups) {
        for group in &self.groups {
            let rows = &mut groups.rows[*group as usize];
            self.effects.push(if *rows == 0 { Effect::Begins } else { Effect::Changes });
            *rows += 1;
        }
    }

    fn change(&mut self, batch: &ChangeBatch, state: &mut KeyedState<Groups>, now_ms: i64) {
        let mut changes = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let mut group = self.current(self.groups[row]);
            let retracts = batch.kind(row).is_retract();
            if state.entries().rows[group as usize] != 0 && state.is_expired(group, now_ms) {
                group = self.renew(group, state);
            }
            let rows = &mut state.entries_mut().rows[group as usize];
            let effect = match (retracts, *rows) {
                (true, 0) => Effect::Ignored,
                (true, 1) => Effect::Ends,
                (false, 0) => Effect::Begins,
                _ => Effect::Changes,
            };
            if effect != Effect::Ignored {
                *rows += if retracts { -1 } else { 1 };
                state.set_changed(group, now_ms);
            }
            if effect == Effect::Begins && self.ended.contains(&group) {
                state.entries_mut().rows[group as usize] = 0;
                group = self.renew(group, state);
                state.entries_mut().rows[group as usize] = 1;
                state.set_changed(group, now_ms);
            }
            match effect {
                Effect::Ends => _ = self.ended.insert(group),
                Effect::Ignored => self.ignored.push(group),
                Effect::Begins | Effect::Changes => {}
            }
            changes.push(match effect {
                Effect::Ignored => Change::Skip,
                _ if retracts => Change::Retract,
                _ => Change::Add,
            });
            self.groups[row] = group;
            self.effects.push(effect);
        }
        self.changes = Some(changes);
    }

    fn current(&self, mut group: u32) -> u32 {
        while let Some(next) = self.renewed.get(&group) {
            group = *next;
        }
        group
    }

    /// Gives the key of a group a fresh one; the old one keeps its state until the batch is done.
    fn renew(&mut self, group: u32, state: &mut KeyedState<Groups>) -> u32 {
        let fresh = state.renew(group);
        self.renewed.insert(group, fresh);
        fresh
    }

    /// Forgets the groups that have no rows now.
    pub(super) fn forget(&mut self, state: &mut KeyedState<Groups>) -> Result<()> {
        self.renewed.keys().for_each(|group| state.release(*group));
        self.ended.extend(self.ignored.drain(..));
        for group in &self.ended {
            if state.entries().rows[*group as usize] == 0 && !self.renewed.contains_key(group) {
                state.remove(*group)?;
            }
        }
        Ok(())
    }
}
