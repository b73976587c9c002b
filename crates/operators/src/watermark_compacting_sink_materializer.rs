//! Solves conflicts of a sink's primary key once for each watermark: `ON CONFLICT DO NOTHING` and `ON CONFLICT DO ERROR`.
//!
//! Flink counterpart: `WatermarkCompactingSinkMaterializer`. Changes wait until a watermark has come that is behind the one
//! in force when they passed the [`WatermarkTimestampAssigner`](crate::watermark_timestamp_assigner): by then the
//! `-U` of a change that moved a row to another key is there too. Then the changes of a key are applied to the row that the
//! sink has. If no row is left it gives `-D`; if one is left, `+I`, `+U` or nothing, as it differs from what the sink has;
//! if several are left, that is a conflict: the job fails, or the sink keeps its row, or gets the first one if it has
//! none. What the sink did not get is forgotten: it does not come back when the first row goes.
//!
//! A change takes back an earlier one of the same watermark with equal columns that means the opposite. A row that comes
//! replaces the one with its upsert key, if the query has one; without, rows are known by all of their columns. A row that
//! is taken back and is not there is ignored. No change is late: what counts is when it came, not its time. The end of the
//! input is a watermark.
//!
//! After a restore a change that waits is due with the first watermark behind the one that was restored, and comes
//! before those that come from then on: subtasks may begin anew with an earlier watermark than they had.
//!
//! **State layout**: two states by the primary key, each a [`ListedRows`]. `current` has the row that the sink has, known
//! by its upsert key. `buffer` has the changes that wait, in the order in which they came; what one is known by is
//! described in `buffer`. List `generation` has the number of the run, which says which changes are of an earlier one. A
//! key has an event-time timer one millisecond behind the watermark of each of its changes. With a time to live the changes
//! are kept for 5 s longer than the row, as in Flink.
//!
//! **Does not:** help with many changes of one key under one watermark: each is compared with those before it, as in Flink.

mod buffer;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::expr::Expr;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful, TimeDomain, Timer};
use flott_api::state::{KeyedContainer, Redistribution, StatePart, StateStore};
use flott_api::types::LENGTH_MAX;
use flott_api::{ChangeBatch, Error, LogicalType, Result, RowKind, RowKinds, TypeKind};
use flott_functions::{CompileContext, EvalContext, compile};
use flott_graph::spec::{SinkConflict, WatermarkCompactingSinkMaterializerSpec};
use flott_state::codec::take_i64;
use flott_state::hot::{GroupEntries, GroupTable, KeyedState, KeyedStateOptions, Listed, ListedRows, TtlOptions};
use flott_state::row::{self, RowEncoder};

use self::buffer::{Change, Run};
use crate::emit::emit;
use crate::factory::FromSpec;
use crate::key_timers::KeyTimers;
use crate::sink_upsert_materializer::list_type;

const GENERATION: &str = "generation";
/// So much longer than the row do its changes live: a row without its changes is right, changes without it are not.
const BUFFER_TTL_EXTRA_MS: i64 = 5000;

/// See the module.
pub struct WatermarkCompactingSinkMaterializer {
    spec: WatermarkCompactingSinkMaterializerSpec,
    schema: SchemaRef,
    /// All are there from `open` on.
    states: Option<States>,
    timers: Option<KeyTimers>,
    store: Option<Arc<dyn StateStore>>,
    run: Run,
}

struct States {
    buffer: KeyedState<ListedRows>,
    current: KeyedState<ListedRows>,
}

impl FromSpec for WatermarkCompactingSinkMaterializer {
    type Spec = WatermarkCompactingSinkMaterializerSpec;

    fn from_spec(spec: WatermarkCompactingSinkMaterializerSpec) -> Result<Self> {
        let known_by = spec.upsert_key.iter().flatten();
        if spec.primary_key.is_empty() || spec.primary_key.iter().chain(known_by).any(|k| *k >= spec.output.len()) {
            return Err(Error::internal("conflicts of a key that is not there cannot be solved"));
        }
        let schema = spec.output.arrow();
        // Refuses what cannot be kept now and not with the first row.
        GroupTable::new(spec.primary_key.iter().map(|k| schema.field(*k).data_type().clone()).collect())?;
        schema.fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        let (states, timers, store) = (None, None, None);
        Ok(WatermarkCompactingSinkMaterializer { spec, schema, states, timers, store, run: Run::default() })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

fn not_open() -> Error {
    Error::internal("a compacting sink materializer was not opened")
}

impl Stateful for WatermarkCompactingSinkMaterializer {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let states = self.states.as_ref().ok_or_else(not_open)?;
        states.buffer.prefetch(&self.keys(batch.rows()), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        let states = self.states.iter_mut();
        states.flat_map(|s| [&mut s.buffer as &mut dyn KeyedContainer, &mut s.current]).collect()
    }
}

#[async_trait]
impl Operator for WatermarkCompactingSinkMaterializer {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let ttl_ms = self.spec.state_ttl_ms;
        let buffer_ttl_ms = if ttl_ms > 0 { ttl_ms.saturating_add(BUFFER_TTL_EXTRA_MS) } else { 0 };
        self.states = Some(States {
            buffer: KeyedState::open(cx, &self.options("buffer", buffer_ttl_ms), ListedRows::default())?,
            current: KeyedState::open(cx, &self.options("current", ttl_ms), ListedRows::default())?,
        });
        let types = self.spec.primary_key.iter().map(|k| self.schema.field(*k).data_type().clone()).collect();
        self.timers = Some(KeyTimers::new(cx, types, TimeDomain::Event));
        self.store = Some(Arc::clone(&cx.state));
        Ok(())
    }

    async fn start(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let restored = self.store.as_ref().ok_or_else(not_open)?.list(GENERATION).unwrap_or_default();
        let generations = restored.iter().map(|item| take_i64(&mut &item[..])).collect::<Result<Vec<i64>>>()?;
        let generation = generations.into_iter().max().map_or(0, |g| g.saturating_add(1));
        self.run = Run { generation, begin_ms: cx.watermark.0 };
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.keep(&batch, cx).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let output = self.compact(timers, cx.processing_time_ms).await?;
        emit(output, cx).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let item = Bytes::copy_from_slice(&self.run.generation.to_le_bytes());
        self.store.as_ref().ok_or_else(not_open)?.set_list(GENERATION, Redistribution::Union, vec![item]);
        Ok(())
    }
}

/// What a watermark gives, before it is a batch: rows one behind the other.
#[derive(Default)]
struct Given {
    rows: Vec<u8>,
    ends: Vec<usize>,
    kinds: Vec<RowKind>,
}

impl Given {
    fn push(&mut self, row: &[u8], kind: RowKind) {
        self.rows.extend_from_slice(row);
        self.ends.push(self.rows.len());
        self.kinds.push(kind);
    }

    fn batch(self, schema: &SchemaRef) -> Result<ChangeBatch> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let rows: Vec<&[u8]> = starts.zip(&self.ends).map(|(from, to)| &self.rows[from..*to]).collect();
        ChangeBatch::new(row::decode(schema, &rows)?, Some(RowKinds::new(self.kinds)))
    }
}

impl WatermarkCompactingSinkMaterializer {
    fn options(&self, name: &str, ttl_ms: i64) -> KeyedStateOptions {
        let spec = &self.spec;
        let known_by = spec.upsert_key.clone().unwrap_or_else(|| (0..spec.output.len()).collect());
        KeyedStateOptions {
            name: name.to_owned(),
            keys: spec.primary_key.iter().map(|k| spec.output.fields[*k].ty.clone()).collect(),
            parts: vec![StatePart { name: format!("rows-{}", row::VERSION), ty: list_type(&spec.output, &known_by) }],
            ttl: TtlOptions::after(ttl_ms),
        }
    }

    fn keys(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.spec.primary_key.iter().map(|k| rows.column(*k).clone()).collect()
    }

    /// Remembers changes until a watermark comes.
    async fn keep(&mut self, batch: &ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let now_ms = cx.processing_time_ms;
        let (rows, stamps) = self.apart(batch.rows())?;
        let keys = self.keys(&rows);
        let known_by = rows.project(self.spec.upsert_key.as_deref().unwrap_or(&[]))?;
        let (by_key, by_row) = (RowEncoder::new(&known_by)?, RowEncoder::new(&rows)?);
        let states = self.states.as_mut().ok_or_else(not_open)?;
        let groups = states.buffer.assign(&keys, batch.len(), now_ms).await?;
        states.buffer.touch(&groups)?;
        let (mut upsert_key, mut row_bytes, mut due) = (Vec::new(), Vec::new(), Vec::new());
        for (row, group) in groups.iter().enumerate() {
            if states.buffer.is_expired(*group, now_ms) {
                states.buffer.entries_mut().clear(*group);
            }
            upsert_key.clear();
            by_key.encode(row, &mut upsert_key);
            row_bytes.clear();
            by_row.encode(row, &mut row_bytes);
            let change = Change {
                retracts: batch.kind(row).is_retract(),
                stamp_ms: self.run.stamp(stamps.as_primitive::<Int64Type>().value(row), cx.watermark.0),
                generation: self.run.generation,
                upsert_key: &upsert_key,
                row: &row_bytes,
            };
            buffer::put(states.buffer.entries_mut(), *group, change, &self.run)?;
            states.buffer.set_changed(*group, now_ms);
            due.push((*group, change.stamp_ms, row));
        }
        due.sort_unstable();
        due.dedup_by_key(|(group, stamp_ms, _)| (*group, *stamp_ms));
        due.retain(|(group, ..)| states.buffer.entries().rows(*group).next().is_some());
        let due: Vec<(usize, i64)> = due.into_iter().map(|(_, at, row)| (row, at.saturating_add(1))).collect();
        self.timers.as_ref().ok_or_else(not_open)?.register(&keys, &due, cx.timers)?;
        forget_empty(&mut states.buffer, &groups)?;
        states.buffer.expire(now_ms)?;
        states.current.expire(now_ms)
    }

    /// The rows as the sink gets them, and the watermarks before them.
    fn apart(&self, rows: &RecordBatch) -> Result<(RecordBatch, ArrayRef)> {
        let width = self.schema.fields().len();
        let stamps = rows.columns().get(width).filter(|c| c.as_primitive_opt::<Int64Type>().is_some());
        let stamps = stamps.ok_or_else(|| Error::internal("a change came without the watermark before it"))?;
        Ok((rows.project(&(0..width).collect::<Vec<_>>())?, Arc::clone(stamps)))
    }

    /// What the changes that are due come to, timer by timer.
    async fn compact(&mut self, timers: &[Timer], now_ms: i64) -> Result<ChangeBatch> {
        let keys = self.timers.as_ref().ok_or_else(not_open)?.keys(timers)?;
        let states = self.states.as_mut().ok_or_else(not_open)?;
        let waiting = states.buffer.find(&keys, timers.len(), now_ms).await?;
        let current = states.current.assign(&keys, timers.len(), now_ms).await?;
        let buffered: Vec<u32> = waiting.iter().flatten().copied().collect();
        states.buffer.touch(&buffered)?;
        states.current.touch(&current)?;
        let mut given = Given::default();
        let mut conflict = None;
        for ((timer, group), current) in timers.iter().zip(&waiting).zip(&current) {
            let Some(group) = group.filter(|g| !states.buffer.is_expired(*g, now_ms)) else { continue };
            if states.current.is_expired(*current, now_ms) {
                states.current.entries_mut().clear(*current);
            }
            let due = Due { group, current: *current, up_to_ms: timer.at_ms.saturating_sub(1), now_ms };
            conflict = states.apply(&due, (&self.spec, &self.run), &mut given)?;
            if conflict.is_some() {
                break;
            }
        }
        if let Some(row) = conflict {
            return Err(self.violation(&row)?);
        }
        forget_empty(&mut states.buffer, &buffered)?;
        forget_empty(&mut states.current, &current)?;
        given.batch(&self.schema)
    }

    /// The error of a row that is not alone with its key.
    fn violation(&self, row: &[u8]) -> Result<Error> {
        let rows = row::decode(&self.schema, &[row])?;
        let cx = CompileContext { session_zone: self.spec.session_zone.clone(), environment: None };
        let text = LogicalType::new(TypeKind::Varchar(LENGTH_MAX));
        let mut shown = Vec::new();
        for column in &self.spec.primary_key {
            let field = &self.spec.output.fields[*column];
            let input = Box::new(Expr::column(*column, field.ty.clone()));
            let cast = compile(&Expr::Cast { input, ty: text.clone(), try_cast: false }, &cx)?;
            let value = cast.evaluate(&rows, &EvalContext { processing_time_ms: 0, watermark: i64::MIN })?;
            let value = if value.is_null(0) { "null" } else { value.as_string::<i32>().value(0) };
            shown.push(format!("{}={value}", field.name));
        }
        let message = "primary key constraint violation: several records have the same primary key";
        Ok(Error::data(message)
            .with_detail(format!("Conflicting key: [{}].", shown.join(", ")))
            .with_hint("Use ON CONFLICT DO NOTHING to keep the first record."))
    }
}

/// Whose changes are applied, and how many.
struct Due {
    group: u32,
    current: u32,
    up_to_ms: i64,
    now_ms: i64,
}

impl States {
    /// Applies the changes of a key that are due. Answers a row that is in conflict with others, if that is an error.
    fn apply(
        &mut self,
        due: &Due,
        (spec, run): (&WatermarkCompactingSinkMaterializerSpec, &Run),
        given: &mut Given,
    ) -> Result<Option<Vec<u8>>> {
        let (changes, rest) = buffer::take(self.buffer.entries(), due.group, due.up_to_ms, run)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let previous = self.current.entries().rows(due.current).next();
        let left = buffer::applied(previous, &changes, spec.upsert_key.is_some());
        let next = match (previous, left.as_slice()) {
            (_, [row, _, ..]) if spec.conflict == SinkConflict::Error => return Ok(Some(row.row.to_vec())),
            (None, []) | (Some(_), [_, _, ..]) => None,
            (Some(gone), []) => Some((RowKind::Delete, gone)),
            (None, [first, ..]) => Some((RowKind::Insert, *first)),
            (Some(old), [new]) => (old.row != new.row).then_some((RowKind::UpdateAfter, *new)),
        };
        let next = next.map(|(kind, listed)| (kind, listed.identity.to_vec(), listed.row.to_vec()));
        let rest = rest.into_iter().map(|l| (l.identity.to_vec(), l.row.to_vec())).collect();
        refill(self.buffer.entries_mut(), due.group, rest);
        if let Some((kind, identity, row)) = next {
            given.push(&row, kind);
            let kept = if kind == RowKind::Delete { Vec::new() } else { vec![(identity, row)] };
            refill(self.current.entries_mut(), due.current, kept);
            self.current.set_changed(due.current, due.now_ms);
        }
        Ok(None)
    }
}

/// Puts other rows in the place of all of a group.
fn refill(lists: &mut ListedRows, group: u32, rows: Vec<(Vec<u8>, Vec<u8>)>) {
    lists.clear(group);
    rows.iter().for_each(|(identity, row)| lists.push(group, Listed { identity, row }));
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
