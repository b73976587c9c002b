//! The groups of a mini-batch: as they were before it, and what came of them.
//!
//! Flink counterparts: `MiniBatchGroupAggFunction` and `MiniBatchGlobalGroupAggFunction`. However many rows there are, a
//! group gives one change: `+I` where it begins, nothing where no result differs, else `-U` and `+U`, and `-D` where
//! its last row is taken back. One that begins and ends within the mini-batch was never there.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use flott_api::aggregate::{Change, Running};
use flott_api::{ChangeBatch, Result};
use flott_state::hot::KeyedState;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::output::Changes;
use super::steps::Effect;
use crate::aggregate::groups::{Groups, Plan};

/// See the module.
pub(crate) struct Bundled {
    /// The place of each row's group.
    places: Vec<u32>,
    /// Each group once, in the order in which they came.
    groups: Vec<u32>,
    /// The first row of each.
    first_rows: Vec<u32>,
    /// Whether each was there before.
    existed: Vec<bool>,
    /// Each aggregate's values before.
    before: Vec<ArrayRef>,
    /// Groups that were over, and have made room.
    expired: Vec<u32>,
}

impl Bundled {
    /// Takes up the groups of the rows; they are touched.
    pub(crate) fn begin(of_rows: &[u32], plan: &Plan, state: &mut KeyedState<Groups>, now_ms: i64) -> Result<Self> {
        let mut bundled = Bundled {
            places: Vec::with_capacity(of_rows.len()),
            groups: Vec::new(),
            first_rows: Vec::new(),
            existed: Vec::new(),
            before: Vec::new(),
            expired: Vec::new(),
        };
        let mut seen: HashMap<u32, u32, FixedState> = HashMap::default();
        for (row, group) in of_rows.iter().enumerate() {
            let place = *seen.entry(*group).or_insert_with(|| bundled.enter(*group, row, state, now_ms));
            bundled.places.push(place);
        }
        bundled.before = state.entries_mut().values(plan, &bundled.groups)?;
        Ok(bundled)
    }

    fn enter(&mut self, mut group: u32, row: usize, state: &mut KeyedState<Groups>, now_ms: i64) -> u32 {
        let mut existed = state.entries().rows[group as usize] != 0;
        if existed && state.is_expired(group, now_ms) {
            self.expired.push(group);
            group = state.renew(group);
            existed = false;
        }
        self.groups.push(group);
        self.first_rows.push(row as u32);
        self.existed.push(existed);
        (self.groups.len() - 1) as u32
    }

    /// The number of each row's group among those of the mini-batch, in the order in which they came.
    pub(crate) fn places(&self) -> &[u32] {
        &self.places
    }

    /// Each group once.
    pub(crate) fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// Whether each was there before.
    pub(crate) fn existed(&self) -> &[bool] {
        &self.existed
    }

    /// Says what the value of an aggregate was before, of each group.
    pub(crate) fn set_before(&mut self, call: usize, values: ArrayRef) {
        self.before[call] = values;
    }

    /// The group of a row.
    pub(crate) fn group(&self, row: usize) -> u32 {
        self.groups[self.places[row] as usize]
    }

    /// What the rows do to the aggregates, of which these are retractions: nothing where there is no group yet.
    pub(crate) fn effective(&self, retracts: impl Iterator<Item = bool>) -> Vec<Change> {
        let mut begun = self.existed.clone();
        let change = |(retracts, place): (bool, &u32)| {
            begun[*place as usize] |= !retracts;
            match (begun[*place as usize], retracts) {
                (false, _) => Change::Skip,
                (true, true) => Change::Retract,
                (true, false) => Change::Add,
            }
        };
        retracts.zip(&self.places).map(change).collect()
    }

    /// The rows in rounds: in each of them a group comes once, and its rows stay in order.
    pub(crate) fn rounds(&self) -> Vec<Vec<u32>> {
        let mut came = vec![0; self.groups.len()];
        let mut rounds: Vec<Vec<u32>> = Vec::new();
        for (row, place) in self.places.iter().enumerate() {
            let round: &mut usize = &mut came[*place as usize];
            if *round == rounds.len() {
                rounds.push(Vec::new());
            }
            rounds[*round].push(row as u32);
            *round += 1;
        }
        rounds
    }

    /// The changes, once the rows were folded in. Groups without rows are forgotten.
    pub(crate) fn end(
        self,
        plan: &Plan,
        state: &mut KeyedState<Groups>,
        output: (&[ArrayRef], bool, &SchemaRef),
        now_ms: i64,
    ) -> Result<ChangeBatch> {
        let after = state.entries_mut().values(plan, &self.groups)?;
        self.end_with(after, state, output, now_ms)
    }

    /// The same with these values of the aggregates.
    pub(crate) fn end_with(
        self,
        after: Vec<ArrayRef>,
        state: &mut KeyedState<Groups>,
        (keys, emit_update_before, schema): (&[ArrayRef], bool, &SchemaRef),
        now_ms: i64,
    ) -> Result<ChangeBatch> {
        let rows: Vec<i64> = self.groups.iter().map(|g| state.entries().rows[*g as usize]).collect();
        let effect = |(existed, rows): (&bool, &i64)| match (existed, rows) {
            (false, 0) => Effect::Ignored,
            (false, _) => Effect::Begins,
            (true, 0) => Effect::Ends,
            (true, _) => Effect::Changes,
        };
        let effects: Vec<Effect> = self.existed.iter().zip(&rows).map(effect).collect();
        let first_rows = UInt32Array::from(self.first_rows);
        let keys = keys.iter().map(|k| Ok(take(k, &first_rows, None)?)).collect::<Result<_>>()?;
        let running = self.before.into_iter().zip(after).map(|(before, after)| Running { before, after }).collect();
        let changes = Changes { keys, running, emit_update_before, emit_unchanged: false };
        let output = changes.batch(&effects, &[], schema)?;
        self.expired.iter().for_each(|group| state.release(*group));
        for (group, rows) in self.groups.iter().zip(rows) {
            match rows {
                0 => state.remove(*group)?,
                _ => state.set_changed(*group, now_ms),
            }
        }
        state.expire(now_ms)?;
        Ok(output)
    }
}
