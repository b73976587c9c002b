//! Turns changes by one key into changes by another: those of a sink's primary key.
//!
//! Flink counterpart: `SinkUpsertMaterializer`. All rows of a primary key are remembered in the order in which they
//! came; the newest one is what the sink has. A row that comes gives `+I` if it is the only one of its key, else `+U`; it
//! takes the place of the row with its upsert key, if the query has one. A row that is taken back gives `-D` if no other
//! is left, `+U` of the one before it if it was the newest, and nothing else. One that was never there is ignored: its
//! state may have expired.
//!
//! **State layout**: state `rows`, by the primary key; its one part is a [`ListedRows`], each row known by its upsert key
//! or, without one, by all of its columns.
//!
//! **Does not:** help with long lists: each row of a key is looked at for each of its changes, as in Flink.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::state::{KeyedContainer, StatePart};
use flott_api::{ChangeBatch, Error, Result, RowKind, RowKinds, Schema};
use flott_graph::spec::SinkUpsertMaterializerSpec;
use flott_state::hot::{GroupEntries, GroupTable, KeyedState, KeyedStateOptions, Listed, ListedRows, TtlOptions};
use flott_state::row::{self, RowEncoder};

use crate::emit::{emit, replace_marks};
use crate::factory::FromSpec;

const STATE: &str = "rows";

/// See the module.
pub struct SinkUpsertMaterializer {
    keys: Vec<usize>,
    /// The columns by which a row is known.
    identity: Vec<usize>,
    schema: SchemaRef,
    /// Whether a row takes the place of one of the same identity.
    replaces: bool,
    options: KeyedStateOptions,
    /// Is there from `open` on.
    state: Option<KeyedState<ListedRows>>,
}

impl FromSpec for SinkUpsertMaterializer {
    type Spec = SinkUpsertMaterializerSpec;

    fn from_spec(spec: SinkUpsertMaterializerSpec) -> Result<Self> {
        let width = spec.input.len();
        let (keys, replaces) = (spec.primary_key, spec.upsert_key.is_some());
        let identity = spec.upsert_key.unwrap_or_else(|| (0..width).collect());
        if keys.is_empty() || keys.iter().chain(&identity).any(|k| *k >= width) {
            return Err(Error::internal("changes cannot be turned into those of a key that is not there"));
        }
        let schema = spec.input.arrow();
        // Refuses what cannot be kept now and not with the first row.
        GroupTable::new(keys.iter().map(|k| schema.field(*k).data_type().clone()).collect())?;
        schema.fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        Ok(SinkUpsertMaterializer {
            options: KeyedStateOptions {
                name: STATE.to_owned(),
                keys: keys.iter().map(|k| spec.input.fields[*k].ty.clone()).collect(),
                parts: vec![StatePart {
                    name: format!("rows-{}", row::VERSION),
                    ty: list_type(&spec.input, &identity),
                }],
                ttl: TtlOptions::after(spec.state_ttl_ms),
            },
            keys,
            identity,
            schema,
            replaces,
            state: None,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for SinkUpsertMaterializer {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        state.prefetch(&self.keys(batch), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for SinkUpsertMaterializer {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.options, ListedRows::default())?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let output = self.materialize(&batch, cx.processing_time_ms).await?;
        emit(output, cx).await
    }
}

fn not_open() -> Error {
    Error::internal("a sink materializer was not opened")
}

/// Names and types of the columns, and which of them a row is known by.
pub(crate) fn list_type(input: &Schema, identity: &[usize]) -> String {
    let fields: Vec<String> = input.fields.iter().map(|f| format!("{} {}", f.name, f.ty.kind)).collect();
    let known_by: Vec<&str> = identity.iter().map(|i| input.fields[*i].name.as_str()).collect();
    format!("ARRAY<ROW<{}>> BY {}", fields.join(", "), known_by.join(", "))
}

/// What a change of the batch gives.
enum Given {
    /// This row of the batch.
    Row(usize),
    /// This row that was there before, by its place among those that are read back.
    Earlier(usize),
}

/// What a batch gives, before it is a batch.
#[derive(Default)]
struct Changes {
    given: Vec<Given>,
    kinds: Vec<RowKind>,
    /// How many changes come of the rows before each row.
    offsets: Vec<usize>,
    /// Rows that are read back, one behind the other.
    earlier: Vec<u8>,
    earlier_ends: Vec<usize>,
}

impl Changes {
    fn push(&mut self, row: usize, kind: RowKind) {
        self.given.push(Given::Row(row));
        self.kinds.push(kind);
    }

    fn push_earlier(&mut self, row: &[u8]) {
        self.given.push(Given::Earlier(self.earlier_ends.len()));
        self.kinds.push(RowKind::UpdateAfter);
        self.earlier.extend_from_slice(row);
        self.earlier_ends.push(self.earlier.len());
    }

    fn batch(self, schema: &SchemaRef, batch: &ChangeBatch) -> Result<ChangeBatch> {
        let starts = std::iter::once(0).chain(self.earlier_ends.iter().copied());
        let bytes: Vec<&[u8]> = starts.zip(&self.earlier_ends).map(|(from, to)| &self.earlier[from..*to]).collect();
        let earlier = row::decode(schema, &bytes)?;
        let place = |given: &Given| match given {
            Given::Row(row) => (0, *row),
            Given::Earlier(row) => (1, *row),
        };
        let picked: Vec<(usize, usize)> = self.given.iter().map(place).collect();
        let rows = interleave_record_batch(&[batch.rows(), &earlier], &picked)?;
        let marks = replace_marks(batch.marks(), |row| self.offsets[row]);
        ChangeBatch::new(rows, Some(RowKinds::new(self.kinds)))?.with_marks(marks)
    }
}

impl SinkUpsertMaterializer {
    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    async fn materialize(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        let (keys, identities) = (self.keys(batch), batch.rows().project(&self.identity)?);
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(&keys, batch.len(), now_ms).await?;
        state.touch(&groups)?;
        let encoders = Encoders::new(batch.rows(), &identities)?;
        let (mut changes, mut identity, mut row_bytes) = (Changes::default(), Vec::new(), Vec::new());
        for (row, group) in groups.iter().enumerate() {
            changes.offsets.push(changes.given.len());
            if state.is_expired(*group, now_ms) {
                state.entries_mut().clear(*group);
            }
            encoders.encode(row, &mut identity, &mut row_bytes);
            let listed = Listed { identity: &identity, row: &row_bytes };
            let lists = state.entries_mut();
            let changed = match batch.kind(row).is_retract() {
                true => retract(lists, *group, (row, listed), &mut changes),
                false => add(lists, *group, (row, listed), (self.replaces, &mut changes)),
            };
            if changed {
                state.set_changed(*group, now_ms);
            }
        }
        changes.offsets.push(changes.given.len());
        forget_empty(state, &groups)?;
        state.expire(now_ms)?;
        changes.batch(&self.schema, batch)
    }
}

/// Write a row's identity and the row.
struct Encoders {
    identity: RowEncoder,
    row: RowEncoder,
}

impl Encoders {
    fn new(rows: &RecordBatch, identities: &RecordBatch) -> Result<Self> {
        Ok(Encoders { identity: RowEncoder::new(identities)?, row: RowEncoder::new(rows)? })
    }

    fn encode(&self, row: usize, identity: &mut Vec<u8>, bytes: &mut Vec<u8>) {
        identity.clear();
        self.identity.encode(row, identity);
        bytes.clear();
        self.row.encode(row, bytes);
    }
}

/// A row comes: it is what the sink has now.
fn add(lists: &mut ListedRows, group: u32, (row, listed): (usize, Listed<'_>), to: (bool, &mut Changes)) -> bool {
    let (replaces, changes) = to;
    let is_first = lists.rows(group).next().is_none();
    let found = lists.rows(group).position(|l| l.identity == listed.identity).filter(|_| replaces);
    match found {
        Some(place) => lists.replace(group, place, Some(listed)),
        None => lists.push(group, listed),
    }
    changes.push(row, if is_first { RowKind::Insert } else { RowKind::UpdateAfter });
    true
}

/// A row is taken back: the sink has the newest of those that are left. Whether it was there.
fn retract(lists: &mut ListedRows, group: u32, (row, listed): (usize, Listed<'_>), changes: &mut Changes) -> bool {
    let Some(place) = lists.rows(group).position(|l| l.identity == listed.identity) else { return false };
    let was_newest = place + 1 == lists.rows(group).count();
    lists.replace(group, place, None);
    if was_newest {
        match lists.rows(group).last() {
            None => changes.push(row, RowKind::Delete),
            Some(newest) => changes.push_earlier(newest.row),
        }
    }
    true
}

/// Keys without rows are no keys.
fn forget_empty(state: &mut KeyedState<ListedRows>, groups: &[u32]) -> Result<()> {
    let mut empty: Vec<u32> = groups.iter().copied().filter(|g| state.entries().rows(*g).next().is_none()).collect();
    empty.sort_unstable();
    empty.dedup();
    empty.into_iter().try_for_each(|group| state.remove(group))
}

#[cfg(test)]
mod tests;
