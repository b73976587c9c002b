//! The rows that come in: columns by their names, from a seed.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use flott_api::table::SourceSpec;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result, RowKind, RowKinds, Schema};

use crate::state::mix;

/// Keys of column `k`: a group of each has some rows.
pub(super) const KEYS: u64 = 65_536;
/// Keys of column `w`: few of them come twice.
const WIDE_KEYS: u64 = 1 << 20;
/// Keys of column `few`.
const FEW_KEYS: u64 = 100;
/// Values of column `v`.
const VALUES: u64 = 1000;
/// The time of the first row, in milliseconds since the epoch.
const BASE_MS: i64 = 1_767_225_600_000;
/// Rows of a millisecond.
const ROWS_PER_MS: u64 = 10;
/// A row comes so much too late at most.
const LATE_MS: u64 = 500;
/// Of an upsert table, one in so many changes deletes.
const DELETES: u64 = 16;
const INSERTS_ONLY: &str = "insert";

/// So many batches of a table's rows. Tables of other names have other rows.
pub(super) fn batches(spec: &SourceSpec, count: u64) -> Result<Vec<ChangeBatch>> {
    let seed = spec.table.bytes().fold(0, |seed, byte| mix(seed ^ u64::from(byte)));
    let is_upsert = spec.options.0.get("changelog").is_some_and(|changelog| changelog != INSERTS_ONLY);
    let schema = spec.output_schema();
    let batch = |number: u64| {
        let rows = number * BATCH_ROWS_MAX as u64..(number + 1) * BATCH_ROWS_MAX as u64;
        let batch = batch(&schema, seed, rows.clone())?;
        if !is_upsert {
            return Ok(ChangeBatch::inserts(batch));
        }
        let deletes = |row| random(seed, "kind", row).is_multiple_of(DELETES);
        let kinds = rows.map(|row| if deletes(row) { RowKind::Delete } else { RowKind::UpdateAfter });
        ChangeBatch::new(batch, Some(RowKinds::new(kinds.collect())))
    };
    (0..count).map(batch).collect()
}

/// The columns of these rows.
pub(super) fn batch(schema: &Schema, seed: u64, rows: Range<u64>) -> Result<RecordBatch> {
    let columns = schema.fields.iter().map(|field| column(&field.name, seed, rows.clone()));
    Ok(RecordBatch::try_new(schema.arrow(), columns.collect::<Result<_>>()?)?)
}

/// A column by its name.
pub(super) fn column(name: &str, seed: u64, rows: Range<u64>) -> Result<ArrayRef> {
    let among = |end: u64| rows.clone().map(move |row| (random(seed, name, row) % end) as i64);
    let numbers = |numbers: &mut dyn Iterator<Item = i64>| Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef;
    Ok(match name {
        "id" => numbers(&mut rows.map(|row| row as i64)),
        "turn" => numbers(&mut rows.map(|row| (row % KEYS) as i64)),
        "k" => numbers(&mut among(KEYS)),
        "w" => numbers(&mut among(WIDE_KEYS)),
        "few" => numbers(&mut among(FEW_KEYS)),
        "v" => numbers(&mut among(VALUES)),
        "name" => Arc::new(StringArray::from_iter_values(among(KEYS).map(|key| format!("customer-{key:08}")))),
        "line" => Arc::new(StringArray::from_iter_values(
            rows.map(|row| format!("/shop/{:016x}?item={}", random(seed, name, row), row % VALUES)),
        )),
        "ts" => Arc::new(TimestampMillisecondArray::from_iter_values(
            rows.map(|row| BASE_MS + (row / ROWS_PER_MS) as i64 - (random(seed, name, row) % LATE_MS) as i64),
        )),
        other => return Err(Error::internal(format!("nobody knows what is in column '{other}'"))),
    })
}

/// The same for the same column and row.
fn random(seed: u64, column: &str, row: u64) -> u64 {
    mix(seed ^ mix(row) ^ column.bytes().fold(0, |hash, byte| hash * 31 + u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::*;

    #[test]
    fn rows_are_the_same_each_time_and_do_not_depend_on_their_batch() {
        let keys = |rows: Range<u64>| column("k", 7, rows).unwrap().as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(keys(0..100)[50..], keys(50..100));
        assert_ne!(keys(0..100), column("k", 8, 0..100).unwrap().as_primitive::<Int64Type>().values().to_vec());
        assert!(keys(0..1000).iter().all(|key| (0..KEYS as i64).contains(key)));
        assert!(column("colour", 7, 0..1).is_err());
    }
}
