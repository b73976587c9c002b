//! Folding the rows of a batch into groups of a window.

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use flott_api::aggregate::Change;
use flott_api::table::ChangelogMode;
use flott_api::{ChangeBatch, Error, Result, RowKind};

use hashbrown::HashMap;

use crate::aggregate::groups::{Groups, Plan, Rows};

/// Fails if rows are taken back that were announced as insertions only.
pub(crate) fn check_changelog(batch: &ChangeBatch, changelog: &ChangelogMode) -> Result<()> {
    if changelog.is_insert_only() && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
        return Err(Error::internal("a window aggregation over an insert-only stream got a retraction"));
    }
    Ok(())
}

/// Folds rows into their groups.
pub(crate) fn fold(
    plan: &Plan,
    entries: &mut Groups,
    (rows, groups): (&ChangeBatch, &[u32]),
    now_ms: i64,
) -> Result<()> {
    let change = |kind: RowKind| if kind.is_retract() { Change::Retract } else { Change::Add };
    let changes = rows.kinds().map(|kinds| kinds.iter().map(change).collect::<Vec<_>>());
    for (row, group) in groups.iter().enumerate() {
        let retracts = changes.as_ref().is_some_and(|c| c[row] == Change::Retract);
        entries.rows[*group as usize] += if retracts { -1 } else { 1 };
    }
    entries.fold(plan, &Rows { columns: rows.rows(), groups, changes: changes.as_deref(), now_ms })
}

/// Where the rows of a window aggregation have their keys and their time, and what they are.
pub(crate) struct Incoming {
    keys: Vec<usize>,
    /// The column with states of groups, if a first phase has made these of the rows.
    states: Option<usize>,
}

impl Incoming {
    /// Rows themselves.
    pub(crate) fn rows(keys: &[usize]) -> Self {
        Incoming { keys: keys.to_vec(), states: None }
    }

    /// What the first phase makes of them: so many keys, a time, states.
    pub(crate) fn states(keys: usize) -> Self {
        Incoming { keys: (0..keys).collect(), states: Some(keys + 1) }
    }

    /// The key columns.
    pub(crate) fn keys(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|key| rows.column(*key).clone()).collect()
    }

    /// Fails if rows are taken back that were announced as insertions only.
    pub(crate) fn check(&self, batch: &ChangeBatch, changelog: &ChangelogMode) -> Result<()> {
        match self.states {
            Some(_) => check_changelog(batch, &ChangelogMode::INSERT_ONLY),
            None => check_changelog(batch, changelog),
        }
    }

    /// Folds what comes into its groups.
    pub(crate) fn fold(
        &self,
        plan: &Plan,
        entries: &mut Groups,
        (rows, groups): (&ChangeBatch, &[u32]),
        now_ms: i64,
    ) -> Result<()> {
        let Some(column) = self.states else { return fold(plan, entries, (rows, groups), now_ms) };
        let states = rows.rows().column(column).as_binary_opt::<i32>();
        let states = states.ok_or_else(|| Error::internal("a first phase of a window aggregation gave no bytes"))?;
        let mut partial = plan.read_partial(states, now_ms)?;
        entries.take_up(plan, &mut partial, (groups, &rounds(groups)), now_ms)
    }
}

/// Rows in rounds: in each of them a group comes once, and its rows stay in order.
fn rounds(groups: &[u32]) -> Vec<Vec<u32>> {
    let mut came: HashMap<u32, usize> = HashMap::with_capacity(groups.len());
    let mut rounds: Vec<Vec<u32>> = Vec::new();
    for (row, group) in (0..).zip(groups) {
        let round = came.entry(*group).or_default();
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push(row);
        *round += 1;
    }
    rounds
}

/// The places of the groups that are not taken back to the last row.
pub(crate) fn with_rows(groups: &[u32], entries: &Groups) -> Vec<u32> {
    (0..groups.len() as u32).filter(|place| entries.rows[groups[*place as usize] as usize] != 0).collect()
}
