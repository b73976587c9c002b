//! Folding the rows of a batch into groups of a window.

use flott_api::aggregate::Change;
use flott_api::table::ChangelogMode;
use flott_api::{ChangeBatch, Error, Result, RowKind};

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

/// The places of the groups that are not taken back to the last row.
pub(crate) fn with_rows(groups: &[u32], entries: &Groups) -> Vec<u32> {
    (0..groups.len() as u32).filter(|place| entries.rows[groups[*place as usize] as usize] != 0).collect()
}
