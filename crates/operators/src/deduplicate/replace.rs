//! The row of each key that stays until another one replaces it.

use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take_record_batch;
use flott_api::operator::{OpenContext, OperatorContext};
use flott_api::state::{KeyedContainer, StatePart};
use flott_api::{ChangeBatch, Result, RowKind, RowKinds};
use flott_graph::spec::{DeduplicateKeep, DeduplicateSpec, DeduplicateTime};
use flott_state::hot::{GroupEntries, KeyedState, KeyedStateOptions, Place, RowStore, TtlOptions, Values};
use flott_state::row;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::not_open;
use crate::changelog_normalize::{row_type, same_rows};
use crate::emit::{emit, replace_marks};
use crate::watermark_assigner::null_rowtime;
use crate::window::time::millis;

/// Where a row that comes out lies: among the old rows, or in the batch.
const OLD: usize = 0;
const NEW: usize = 1;

/// Which row of a key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Every row replaces the one before it.
    Last,
    /// A row whose time is as late.
    Latest(usize),
    /// A row whose time is earlier.
    Earliest(usize),
}

/// The row of each key with its time.
struct Kept {
    rows: RowStore,
    times: Vec<i64>,
    schema: SchemaRef,
    rowtime: Option<usize>,
}

impl Kept {
    fn new(schema: SchemaRef, rowtime: Option<usize>) -> Self {
        Kept { rows: RowStore::new(schema.clone()), times: Vec::new(), schema, rowtime }
    }
}

/// An entry's one part is the row; the time is in it.
impl GroupEntries for Kept {
    fn fresh(&self) -> Result<Self> {
        Ok(Kept::new(self.schema.clone(), self.rowtime))
    }

    fn grow(&mut self, end: usize) {
        self.rows.grow(end);
        self.times.resize(self.times.len().max(end), 0);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        self.rows.save(groups, values)
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], now_ms: i64) -> Result<()> {
        self.rows.load(groups, values, now_ms)?;
        let Some(rowtime) = self.rowtime else { return Ok(()) };
        let places: Vec<Place> = groups.iter().filter_map(|g| self.rows.place(*g)).collect();
        let loaded = self.rows.rows(&places, &RecordBatch::new_empty(self.schema.clone()))?;
        let times = millis(loaded.column(rowtime))?;
        groups.iter().zip(times.values()).for_each(|(group, time)| self.times[*group as usize] = *time);
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        self.rows.clear(group);
    }

    fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes() + self.times.len() * size_of::<i64>()
    }

    fn slot_bytes(&self) -> usize {
        self.rows.slot_bytes() + size_of::<i64>()
    }
}

/// What each row of a batch does.
struct Steps {
    /// For each row that is taken up (or takes the old one back) where the old one lies, if there was one.
    rows: Vec<(usize, Option<Place>)>,
    /// The last row of each key that changed, if it has one in the end; in the order of these rows.
    last: Vec<(u32, Option<usize>)>,
}

/// See the module.
pub(super) struct Replace {
    spec: DeduplicateSpec,
    rule: Rule,
    schema: SchemaRef,
    options: KeyedStateOptions,
    state: Option<KeyedState<Kept>>,
}

impl Replace {
    pub(super) fn new(spec: DeduplicateSpec) -> Result<Self> {
        let schema = spec.input.arrow();
        schema.fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        let rule = match (spec.keep, spec.time) {
            (_, DeduplicateTime::Proctime) => Rule::Last,
            (DeduplicateKeep::Last, DeduplicateTime::Rowtime(column)) => Rule::Latest(column),
            (_, DeduplicateTime::Rowtime(column)) => Rule::Earliest(column),
        };
        let options = KeyedStateOptions {
            name: "rows".to_owned(),
            keys: spec.keys.iter().map(|k| spec.input.fields[*k].ty.clone()).collect(),
            parts: vec![StatePart { name: format!("row-{}", row::VERSION), ty: row_type(&spec.input) }],
            ttl: TtlOptions::after(spec.state_ttl_ms),
        };
        Ok(Replace { spec, rule, schema, options, state: None })
    }

    /// Whether nothing needs to be remembered: all rows go out as updates.
    fn is_stateless(&self) -> bool {
        let silent = !self.spec.emit_update_before && !self.spec.emit_insert;
        silent && self.rule == Rule::Last && self.spec.input_changelog.is_insert_only()
    }

    fn rowtime(&self) -> Option<usize> {
        match self.rule {
            Rule::Last => None,
            Rule::Latest(column) | Rule::Earliest(column) => Some(column),
        }
    }

    /// The columns by which rows are equal.
    fn values(&self) -> Vec<usize> {
        (0..self.spec.input.len()).filter(|c| !self.spec.proctime_columns.contains(c)).collect()
    }

    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.spec.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    pub(super) fn prefetch(&self, batch: &ChangeBatch) -> Result<()> {
        if self.is_stateless() {
            return Ok(());
        }
        self.state.as_ref().ok_or_else(not_open)?.prefetch(&self.keys(batch), batch.len())
    }

    pub(super) fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }

    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let kept = Kept::new(self.schema.clone(), self.rowtime());
        self.state = Some(KeyedState::open(cx, &self.options, kept)?);
        Ok(())
    }

    pub(super) async fn process(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let output = if self.is_stateless() {
            let kinds = RowKinds::new(vec![RowKind::UpdateAfter; batch.len()]);
            ChangeBatch::new(batch.rows().clone(), Some(kinds))?.with_marks(batch.marks().to_vec())?
        } else {
            self.replace(batch, cx.processing_time_ms).await?
        };
        emit(output, cx).await
    }

    async fn replace(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        let (keys, times) = (self.keys(batch), self.times(batch)?);
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(&keys, batch.len(), now_ms).await?;
        let steps = steps(state, batch, &groups, (self.rule, times.as_ref()), now_ms);
        state.read(&groups, now_ms)?;
        state.touch(&steps.last.iter().map(|(group, _)| *group).collect::<Vec<_>>())?;
        let output = self.changes(batch, &steps)?;
        let state = self.state.as_mut().ok_or_else(not_open)?;
        keep(state, batch.rows(), &steps, times.as_ref(), now_ms)?;
        state.expire(now_ms)?;
        Ok(output)
    }

    fn times(&self, batch: &ChangeBatch) -> Result<Option<Int64Array>> {
        let Some(column) = self.rowtime() else { return Ok(None) };
        let times = millis(batch.rows().column(column))?;
        match times.null_count() {
            0 => Ok(Some(times)),
            _ => Err(null_rowtime(&self.spec.input.fields[column].name)),
        }
    }

    fn changes(&self, batch: &ChangeBatch, steps: &Steps) -> Result<ChangeBatch> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        let compared = self.rule == Rule::Last && !state.expires();
        // An old row is fetched only if it comes out or is looked at.
        let is_read = |row: usize| compared || self.spec.emit_update_before || batch.kind(row).is_retract();
        let read = || steps.rows.iter().filter_map(|(row, place)| place.filter(|_| is_read(*row)).map(|p| (*row, p)));
        let places: Vec<Place> = read().map(|(_, place)| place).collect();
        let old = state.entries().rows.rows(&places, batch.rows())?;
        let unchanged = match compared {
            true => {
                let new: UInt32Array = read().map(|(row, _)| Some(row as u32)).collect();
                let values = self.values();
                Some(same_rows(&old.project(&values)?, &take_record_batch(&batch.rows().project(&values)?, &new)?)?)
            }
            false => None,
        };
        let (mut picked, mut kinds, mut offsets) = (Vec::new(), Vec::new(), vec![0; batch.len() + 1]);
        let mut old_rows = 0;
        for (row, place) in &steps.rows {
            let mut push = |from: (usize, usize), kind: RowKind| {
                picked.push(from);
                kinds.push(kind);
            };
            match (batch.kind(*row).is_retract(), place) {
                (true, None) => {}
                (true, Some(_)) => push((OLD, old_rows), RowKind::Delete),
                (false, None) => push((NEW, *row), self.kind_of_first()),
                (false, Some(_)) if unchanged.as_ref().is_some_and(|u| u.value(old_rows)) => {}
                (false, Some(_)) => {
                    if self.spec.emit_update_before {
                        push((OLD, old_rows), RowKind::UpdateBefore);
                    }
                    push((NEW, *row), RowKind::UpdateAfter);
                }
            }
            old_rows += usize::from(place.is_some() && is_read(*row));
            offsets[*row + 1] = picked.len();
        }
        // Rows that do nothing have as many changes before them as the row before.
        (1..offsets.len()).for_each(|i| offsets[i] = offsets[i].max(offsets[i - 1]));
        let rows = picked_rows(&old, batch.rows(), &picked)?;
        let marks = replace_marks(batch.marks(), |row| offsets[row]);
        ChangeBatch::new(rows, Some(RowKinds::new(kinds)))?.with_marks(marks)
    }

    fn kind_of_first(&self) -> RowKind {
        let told = self.spec.emit_update_before || self.spec.emit_insert || !self.spec.input_changelog.is_insert_only();
        if told { RowKind::Insert } else { RowKind::UpdateAfter }
    }
}

/// Walks through the batch: a row that is taken up is the old row of the next one of its key.
fn steps(
    state: &KeyedState<Kept>,
    batch: &ChangeBatch,
    groups: &[u32],
    (rule, times): (Rule, Option<&Int64Array>),
    now_ms: i64,
) -> Steps {
    let kept = state.entries();
    let mut last: HashMap<u32, Option<usize>, FixedState> = HashMap::default();
    let mut rows = Vec::with_capacity(groups.len());
    let time = |row: usize| times.map_or(0, |times| times.value(row));
    for (row, group) in groups.iter().enumerate() {
        let before = match last.get(group) {
            Some(before) => before.map(|row| (kept.rows.place_in_batch(row), time(row))),
            None => {
                let place = kept.rows.place(*group).filter(|_| !state.is_expired(*group, now_ms));
                place.map(|place| (place, kept.times[*group as usize]))
            }
        };
        let taken = match (rule, before) {
            (Rule::Last, _) | (_, None) => true,
            (Rule::Latest(_), Some((_, before))) => before <= time(row),
            (Rule::Earliest(_), Some((_, before))) => time(row) < before,
        };
        if taken {
            rows.push((row, before.map(|(place, _)| place)));
            last.insert(*group, Some(row).filter(|_| !batch.kind(row).is_retract()));
        }
    }
    let mut last: Vec<_> = last.into_iter().collect();
    last.sort_unstable_by_key(|(group, row)| (*row, *group));
    Steps { rows, last }
}

/// Rows from before the batch and rows of the batch, which come in its order.
fn picked_rows(old: &RecordBatch, new: &RecordBatch, picked: &[(usize, usize)]) -> Result<RecordBatch> {
    if picked.iter().any(|(from, _)| *from == OLD) {
        return Ok(interleave_record_batch(&[old, new], picked)?);
    }
    some_rows(new, picked.iter().map(|(_, row)| *row))
}

/// Rows of a batch in its order: long runs of them are copied at once, and all of them not at all.
fn some_rows(batch: &RecordBatch, rows: impl ExactSizeIterator<Item = usize>) -> Result<RecordBatch> {
    if rows.len() == batch.num_rows() {
        return Ok(batch.clone());
    }
    let mut kept = vec![false; batch.num_rows()];
    rows.for_each(|row| kept[row] = true);
    Ok(filter_record_batch(batch, &BooleanArray::from(kept))?)
}

/// Remembers each key's row.
fn keep(
    state: &mut KeyedState<Kept>,
    rows: &RecordBatch,
    steps: &Steps,
    times: Option<&Int64Array>,
    now_ms: i64,
) -> Result<()> {
    let (mut groups, mut kept) = (Vec::new(), Vec::new());
    for (group, last) in &steps.last {
        let Some(row) = last else {
            state.remove(*group)?;
            continue;
        };
        state.set_changed(*group, now_ms);
        groups.push(*group);
        kept.push(*row);
        if let Some(times) = times {
            state.entries_mut().times[*group as usize] = times.value(*row);
        }
    }
    state.entries_mut().rows.put(groups, some_rows(rows, kept.into_iter())?)
}
