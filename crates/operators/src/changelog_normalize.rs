//! Makes an upsert stream into a full changelog: remembers each key's last row.
//!
//! Flink counterpart: `ChangelogNormalize`. A new key gives `+I`; a key that is there gives nothing if
//! the row is the same (unless state expires), else `-U` of the old row (if anybody needs it) and `+U`;
//! a deletion gives `-D` of the row that was there, whole, and nothing if there was none.
//!
//! **State layout**: state `rows`, by the primary key; its one part is the last row, whole, as
//! [`flott_state::row`] writes it. In memory the rows lie in a [`RowStore`]. A row of a batch sees the
//! row before it in the batch through the same places.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_ord::ord::make_comparator;
use arrow_schema::{SchemaRef, SortOptions};
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take_record_batch;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::{KeyedContainer, StatePart};
use flott_api::{ChangeBatch, Error, Result, RowKind, RowKinds, Schema};
use flott_graph::spec::ChangelogNormalizeSpec;
use flott_state::hot::{GroupTable, KeyedState, KeyedStateOptions, Place, RowStore, TtlOptions};
use flott_state::row;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::emit::{emit, replace_marks};
use crate::factory::FromSpec;

const STATE: &str = "rows";

/// See the module.
pub struct ChangelogNormalize {
    keys: Vec<usize>,
    schema: SchemaRef,
    emit_update_before: bool,
    options: KeyedStateOptions,
    /// Is there from `open` on.
    state: Option<KeyedState<RowStore>>,
}

impl FromSpec for ChangelogNormalize {
    type Spec = ChangelogNormalizeSpec;

    fn from_spec(spec: ChangelogNormalizeSpec) -> Result<Self> {
        if spec.keys.is_empty() || spec.keys.iter().any(|k| *k >= spec.input.len()) {
            return Err(Error::internal("a changelog cannot be normalized without its primary key"));
        }
        let schema = spec.input.arrow();
        // Refuses what cannot be kept now and not with the first row.
        GroupTable::new(spec.keys.iter().map(|k| schema.field(*k).data_type().clone()).collect())?;
        schema.fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        Ok(ChangelogNormalize {
            options: KeyedStateOptions {
                name: STATE.to_owned(),
                keys: spec.keys.iter().map(|k| spec.input.fields[*k].ty.clone()).collect(),
                parts: vec![StatePart { name: format!("row-{}", row::VERSION), ty: row_type(&spec.input) }],
                ttl: TtlOptions::after(spec.state_ttl_ms),
            },
            state: None,
            keys: spec.keys,
            schema,
            emit_update_before: spec.emit_update_before,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl flott_api::operator::Stateful for ChangelogNormalize {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        state.prefetch(&self.keys(batch), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for ChangelogNormalize {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.options, RowStore::new(self.schema.clone()))?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let output = self.normalize(&batch, cx.processing_time_ms).await?;
        emit(output, cx).await
    }
}

fn not_open() -> Error {
    Error::internal("a changelog normalization was not opened")
}

/// Names and types of the columns: a row with others is another row.
pub(crate) fn row_type(input: &Schema) -> String {
    let fields: Vec<String> = input.fields.iter().map(|f| format!("{} {}", f.name, f.ty.kind)).collect();
    format!("ROW<{}>", fields.join(", "))
}

/// What the key's row was before a row of the batch.
struct Before {
    /// Where the old row lies, if there was one.
    places: Vec<Option<Place>>,
    /// Each group's last row of the batch, if it has one in the end; by group.
    last: Vec<(u32, Option<u32>)>,
}

impl ChangelogNormalize {
    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    async fn normalize(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        let keys = self.keys(batch);
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(&keys, batch.len(), now_ms).await?;
        state.touch(&groups)?;
        let before = before(state, batch, &groups, now_ms);
        let output = changes(state, batch, &before, self.emit_update_before)?;
        keep(state, batch.rows(), before, now_ms)?;
        state.expire(now_ms)?;
        Ok(output)
    }
}

/// Walks through the batch: each row is the old row of the next one of its key.
fn before(state: &KeyedState<RowStore>, batch: &ChangeBatch, groups: &[u32], now_ms: i64) -> Before {
    let rows = state.entries();
    let mut last: HashMap<u32, Option<u32>, FixedState> = HashMap::default();
    let mut places = Vec::with_capacity(groups.len());
    for (row, group) in groups.iter().enumerate() {
        let now = Some(row as u32).filter(|_| !batch.kind(row).is_retract());
        places.push(match last.insert(*group, now) {
            Some(row) => row.map(|r| rows.place_in_batch(r as usize)),
            None => rows.place(*group).filter(|_| !state.is_expired(*group, now_ms)),
        });
    }
    let mut last: Vec<_> = last.into_iter().collect();
    last.sort_unstable();
    Before { places, last }
}

fn changes(
    state: &KeyedState<RowStore>,
    batch: &ChangeBatch,
    before: &Before,
    emit_update_before: bool,
) -> Result<ChangeBatch> {
    let (store, emit_unchanged) = (state.entries(), state.expires());
    // A row without an old one stands in for it, so that the columns have equal length.
    let places = before.places.iter().enumerate();
    let places: Vec<Place> = places.map(|(r, p)| p.unwrap_or_else(|| store.place_in_batch(r))).collect();
    let old = store.rows(&places, batch.rows())?;
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
            (false, Some(_)) if same.value(row) && !emit_unchanged => {}
            (false, Some(_)) => {
                if emit_update_before {
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

/// Remembers each key's last row.
fn keep(state: &mut KeyedState<RowStore>, rows: &RecordBatch, before: Before, now_ms: i64) -> Result<()> {
    let (mut groups, mut kept) = (Vec::new(), Vec::new());
    for (group, last) in &before.last {
        match last {
            Some(row) => {
                state.set_changed(*group, now_ms);
                groups.push(*group);
                kept.push(*row);
            }
            None => state.remove(*group)?,
        }
    }
    state.entries_mut().put(groups, take_record_batch(rows, &UInt32Array::from(kept))?)
}

/// Which rows are equal, nulls being equal to each other.
pub(crate) fn same_rows(left: &RecordBatch, right: &RecordBatch) -> Result<BooleanArray> {
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
