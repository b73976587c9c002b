//! The changes that are written at once, as what the table has to become: of several of one key the last one counts.

use std::hash::BuildHasher;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use flott_api::{ChangeBatch, Result};
use flott_state::key::EncodedKeys;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Rows that are there in the end, and rows that are not; no key is in both.
pub(super) struct Folded {
    pub(super) upserts: RecordBatch,
    pub(super) deletes: RecordBatch,
}

/// Folds batches of the same columns; without a key all their rows are insertions.
///
/// # Errors
/// If the batches differ, or a key cannot be compared.
pub(super) fn fold(batches: &[ChangeBatch], keys: &[usize]) -> Result<Folded> {
    let schema = batches.first().map(|b| b.rows().schema()).unwrap_or_else(|| arrow_schema::Schema::empty().into());
    let rows = concat_batches(&schema, batches.iter().map(ChangeBatch::rows))?;
    if keys.is_empty() {
        let deletes = RecordBatch::new_empty(rows.schema());
        return Ok(Folded { upserts: rows, deletes });
    }
    let last = last_of_keys(&rows, keys)?;
    let mut kinds = batches.iter().flat_map(|b| (0..b.len()).map(|row| b.kind(row).is_retract()));
    let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
    for (row, last) in (0..).zip(last) {
        let retract = kinds.next().unwrap_or(false);
        if last {
            if retract { &mut deletes } else { &mut upserts }.push(row);
        }
    }
    if deletes.is_empty() && upserts.len() == rows.num_rows() {
        let deletes = RecordBatch::new_empty(rows.schema());
        return Ok(Folded { upserts: rows, deletes });
    }
    let taken = |places: Vec<u32>| take_record_batch(&rows, &UInt32Array::from(places));
    Ok(Folded { upserts: taken(upserts)?, deletes: taken(deletes)? })
}

/// Of each row, whether no later one has its key.
fn last_of_keys(rows: &RecordBatch, keys: &[usize]) -> Result<Vec<bool>> {
    let columns: Vec<_> = keys.iter().map(|key| rows.column(*key).clone()).collect();
    let mut encoded = EncodedKeys::default();
    encoded.encode(&columns, rows.num_rows())?;
    let hasher = RandomState::default();
    let hash = |row: &u32| hasher.hash_one(encoded.get(*row as usize));
    let mut seen: HashTable<u32> = HashTable::with_capacity(rows.num_rows());
    let mut last = vec![false; rows.num_rows()];
    for row in (0..rows.num_rows() as u32).rev() {
        let key = encoded.get(row as usize);
        let of_row = hash(&row);
        if seen.find(of_row, |other| encoded.get(*other as usize) == key).is_none() {
            seen.insert_unique(of_row, row, hash);
            last[row as usize] = true;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{batch, lines};
    use flott_api::types::Field;
    use flott_api::{LogicalType, Schema, TypeKind};

    use super::*;

    fn folded(keys: &[usize]) -> (Vec<String>, Vec<String>) {
        let int = || LogicalType::new(TypeKind::Int);
        let schema = Schema::new(vec![Field::new("k", int()), Field::new("v", int())]);
        let first = batch(&schema, "+I | 1 | 1\n+I | 2 | 2\n+I | 3 | 3\n-D | 2 | 2");
        let second = batch(&schema, "-U | 1 | 1\n+U | 1 | 9\n-D | 3 | 3\n+I | 3 | 7");
        let folded = fold(&[first, second], keys).unwrap();
        let show = |rows: RecordBatch| lines(&ChangeBatch::inserts(rows));
        (show(folded.upserts), show(folded.deletes))
    }

    #[test]
    fn the_last_change_of_a_key_counts() {
        let (upserts, deletes) = folded(&[0]);
        assert_eq!((upserts.len(), deletes.len()), (2, 1), "{upserts:?} {deletes:?}");
        assert!(upserts[0].contains('9') && upserts[1].contains('7'), "{upserts:?}");
        assert!(deletes[0].contains('2'), "{deletes:?}");
    }

    #[test]
    fn without_a_key_nothing_is_folded() {
        assert_eq!(folded(&[]).0.len(), 8);
    }
}
