//! Makes an upsert stream into a full changelog: remembers each key's last row.
//!
//! Flink counterpart: `ChangelogNormalize`. A new key gives `+I`; a key that is there gives nothing if
//! the row is the same (unless state expires), else `-U` of the old row (if anybody needs it) and `+U`;
//! a deletion gives `-D` of the row that was there, whole, and nothing if there was none.
//!
//! **State layout**: key to group, and the last row of each group in a
//! [`RowStore`](flott_state::hot::RowStore). A row of a batch sees the row before it in the batch
//! through the same places.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SchemaRef, SortOptions};
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take_record_batch;
use async_trait::async_trait;
use flott_api::key_group::{hash_keys, key_group};
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::{ChangeBatch, Error, Result, RowKind, RowKinds};
use flott_graph::spec::ChangelogNormalizeSpec;
use flott_state::hot::{GroupTable, Place, RowStore};
use flott_state::key::{self, EncodedKeys};
use flott_state::snapshot::{SnapshotWriter, entries, put_bytes, take_bytes, take_i64};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::emit::{emit, replace_marks};
use crate::expiry::Expiry;
use crate::factory::FromSpec;

/// See the module.
pub struct ChangelogNormalize {
    keys: Vec<usize>,
    schema: SchemaRef,
    emit_update_before: bool,
    table: GroupTable,
    rows: RowStore,
    expiry: Expiry,
    max_parallelism: u32,
    /// Names the state: the columns and the key.
    name: String,
}

impl FromSpec for ChangelogNormalize {
    type Spec = ChangelogNormalizeSpec;

    fn from_spec(spec: ChangelogNormalizeSpec) -> Result<Self> {
        if spec.keys.is_empty() || spec.keys.iter().any(|k| *k >= spec.input.len()) {
            return Err(Error::internal("a changelog cannot be normalized without its primary key"));
        }
        let schema = spec.input.arrow();
        let types: Vec<DataType> = spec.keys.iter().map(|k| schema.field(*k).data_type().clone()).collect();
        let columns: Vec<String> = spec.input.fields.iter().map(|f| f.ty.kind.to_string()).collect();
        Ok(ChangelogNormalize {
            name: format!(
                "last row of ({}) by {:?}, {} expiry, keys {}",
                columns.join(", "),
                spec.keys,
                if spec.state_ttl_ms > 0 { "with" } else { "without" },
                key::VERSION
            ),
            table: GroupTable::new(types)?,
            rows: RowStore::new(schema.clone()),
            expiry: Expiry::new(spec.state_ttl_ms),
            keys: spec.keys,
            schema,
            emit_update_before: spec.emit_update_before,
            max_parallelism: 1,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

#[async_trait]
impl Operator for ChangelogNormalize {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.max_parallelism = cx.max_parallelism;
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let output = self.normalize(&batch, cx.processing_time_ms)?;
        emit(output, cx).await
    }
}

/// What the key's row was before a row of the batch.
struct Before {
    /// Where the old row lies, if there was one.
    places: Vec<Option<Place>>,
    /// Each group's last row of the batch, if it has one in the end; by group.
    last: Vec<(u32, Option<u32>)>,
}

impl ChangelogNormalize {
    fn normalize(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect();
        let groups = self.table.assign(&keys, batch.len())?;
        let before = self.before(batch, &groups, now_ms);
        let output = self.changes(batch, &before)?;
        self.keep(batch.rows(), before, now_ms)?;
        for group in self.expiry.sweep(now_ms) {
            if self.rows.place(group).is_some() {
                self.rows.remove(group);
                self.table.remove(group);
            }
        }
        Ok(output)
    }

    /// Walks through the batch: each row is the old row of the next one of its key.
    fn before(&self, batch: &ChangeBatch, groups: &[u32], now_ms: i64) -> Before {
        let mut last: HashMap<u32, Option<u32>, FixedState> = HashMap::default();
        let mut places = Vec::with_capacity(groups.len());
        for (row, group) in groups.iter().enumerate() {
            let now = Some(row as u32).filter(|_| !batch.kind(row).is_retract());
            places.push(match last.insert(*group, now) {
                Some(row) => row.map(|r| self.rows.place_in_batch(r as usize)),
                None => self.rows.place(*group).filter(|_| !self.expiry.is_expired(*group, now_ms)),
            });
        }
        let mut last: Vec<_> = last.into_iter().collect();
        last.sort_unstable();
        Before { places, last }
    }

    fn changes(&self, batch: &ChangeBatch, before: &Before) -> Result<ChangeBatch> {
        // A row without an old one stands in for it, so that the columns have equal length.
        let places = before.places.iter().enumerate();
        let places: Vec<Place> = places.map(|(r, p)| p.unwrap_or_else(|| self.rows.place_in_batch(r))).collect();
        let old = self.rows.rows(&places, batch.rows())?;
        let same = same_rows(&old, batch.rows())?;
        let (mut picked, mut kinds, mut offsets) = (Vec::new(), Vec::new(), Vec::with_capacity(batch.len() + 1));
        for (row, place) in before.places.iter().enumerate() {
            offsets.push(picked.len());
            let mut push = |side: usize, kind: RowKind| {
                picked.push((side, row));
                kinds.push(kind);
            };
            match (batch.kind(row).is_retract(), place) {
                (true, None) => {}
                (true, Some(_)) => push(0, RowKind::Delete),
                (false, None) => push(1, RowKind::Insert),
                (false, Some(_)) if same.value(row) && !self.expiry.is_on() => {}
                (false, Some(_)) => {
                    if self.emit_update_before {
                        push(0, RowKind::UpdateBefore);
                    }
                    push(1, RowKind::UpdateAfter);
                }
            }
        }
        offsets.push(picked.len());
        let rows = interleave_record_batch(&[&old, batch.rows()], &picked)?;
        let marks = replace_marks(batch.marks(), |row| offsets[row]);
        ChangeBatch::new(rows, Some(RowKinds::new(kinds)))?.with_marks(marks)
    }

    fn keep(&mut self, rows: &RecordBatch, before: Before, now_ms: i64) -> Result<()> {
        let (mut groups, mut kept) = (Vec::new(), Vec::new());
        for (group, last) in &before.last {
            match last {
                Some(row) => {
                    self.expiry.set(*group, now_ms);
                    groups.push(*group);
                    kept.push(*row);
                }
                None => {
                    self.rows.remove(*group);
                    self.table.remove(*group);
                }
            }
        }
        self.rows.put(groups, take_record_batch(rows, &UInt32Array::from(kept))?)
    }

    /// Bytes of memory that the state takes, about.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.rows.memory_bytes()
    }

    /// Its state as bytes.
    ///
    /// # Errors
    /// If a column has a type that cannot be written down yet (lists).
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let groups = self.table.groups();
        let columns = self.table.columns(&groups)?;
        let hashes = hash_keys(&columns, groups.len())?;
        let places: Option<Vec<Place>> = groups.iter().map(|g| self.rows.place(*g)).collect();
        let places = places.ok_or_else(|| Error::internal("a key of a normalized changelog has no row"))?;
        let rows = self.rows.rows(&places, &RecordBatch::new_empty(self.schema.clone()))?;
        let mut encoded = EncodedKeys::default();
        encoded.encode(rows.columns(), rows.num_rows())?;
        let mut writer = SnapshotWriter::new(&self.name);
        for (row, hash) in hashes.iter().enumerate() {
            writer.entry(key_group(*hash, self.max_parallelism).0, |out| {
                out.extend_from_slice(&self.expiry.changed_ms(groups[row]).to_le_bytes());
                put_bytes(out, encoded.get(row));
            });
        }
        Ok(writer.finish())
    }

    /// Takes the keys of these key groups out of snapshots.
    ///
    /// # Errors
    /// If a snapshot is damaged, or of other columns.
    pub fn restore(&mut self, parts: &[Vec<u8>], key_groups: Range<u32>) -> Result<()> {
        let types: Vec<DataType> = self.schema.fields().iter().map(|f| f.data_type().clone()).collect();
        for part in parts {
            let (mut rows, mut changed_ms) = (Vec::new(), Vec::new());
            for mut entry in entries(part, &self.name, &key_groups)? {
                changed_ms.push(take_i64(&mut entry)?);
                rows.push(take_bytes(&mut entry)?);
            }
            let columns = key::decode(&types, &rows)?;
            let rows = RecordBatch::try_new(self.schema.clone(), columns)?;
            let keys: Vec<ArrayRef> = self.keys.iter().map(|k| rows.column(*k).clone()).collect();
            let groups = self.table.assign(&keys, rows.num_rows())?;
            groups.iter().zip(changed_ms).for_each(|(g, at)| self.expiry.set(*g, at));
            self.rows.put(groups, rows)?;
        }
        Ok(())
    }
}

/// Which rows are equal, nulls being equal to each other.
fn same_rows(left: &RecordBatch, right: &RecordBatch) -> Result<BooleanArray> {
    let mut same = vec![true; left.num_rows()];
    for (left, right) in left.columns().iter().zip(right.columns()) {
        let equal = same_values(left, right)?;
        same.iter_mut().zip(equal.values()).for_each(|(s, e)| *s &= e);
    }
    Ok(BooleanArray::from(same))
}

fn same_values(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    if !left.data_type().is_nested() {
        return Ok(not_distinct(left, right)?);
    }
    // Arrow has no kernel for nested values; its comparator is called per row.
    let compare = make_comparator(left.as_ref(), right.as_ref(), SortOptions::default())?;
    Ok((0..left.len()).map(|row| Some(compare(row, row).is_eq())).collect())
}

#[cfg(test)]
mod tests;
