//! What is remembered of a partition, and what all ways of `OVER` do with it.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use flott_api::aggregate::Running;
use flott_api::operator::OpenContext;
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, Schema};
use flott_graph::spec::{AggregateCall, OverAggregateSpec, SortField};
use flott_state::hot::{
    Cursor, GroupEntries, KeyedState, KeyedStateOptions, MapViewOptions, TtlOptions, Values, take_part,
};

use super::steps::Steps;
use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::emit::record_batch;
use crate::python_over::PythonOver;
use crate::timed_rows::{self, TimedRows};

/// The time of the last rows that came out.
pub(super) const LAST: usize = 0;
/// When the partition is forgotten if no row comes, in the time of the order.
pub(super) const CLEANUP: usize = 1;
/// The same in processing time, for a time to live.
pub(super) const EXPIRES: usize = 2;
/// No time: how many rows of the frame came out.
pub(super) const IN_FRAME: usize = 3;
const MOMENTS: [&str; 4] = ["last", "cleanup", "expires", "in frame"];

/// Aggregates, rows and moments.
pub(super) struct OverEntries {
    pub(super) aggregates: Groups,
    pub(super) timed: TimedRows<4>,
    /// How many parts the aggregates have.
    aggregate_parts: usize,
}

impl OverEntries {
    /// How many rows of a frame that moves came out.
    pub(super) fn in_frame(&self, group: u32) -> usize {
        usize::try_from(self.timed.moments(group)[IN_FRAME]).unwrap_or(0)
    }

    pub(super) fn set_in_frame(&mut self, group: u32, rows: usize) {
        self.timed.moments_mut(group)[IN_FRAME] = rows as i64;
    }
}

impl GroupEntries for OverEntries {
    fn fresh(&self) -> Result<Self> {
        let (aggregates, timed) = (self.aggregates.fresh()?, self.timed.fresh()?);
        Ok(OverEntries { aggregates, timed, aggregate_parts: self.aggregate_parts })
    }

    fn grow(&mut self, end: usize) {
        self.aggregates.grow(end);
        self.timed.grow(end);
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        let (mut aggregates, mut timed) = (Values::default(), Values::default());
        self.aggregates.save(groups, &mut aggregates)?;
        self.timed.save(groups, &mut timed)?;
        for place in 0..groups.len() {
            values.append(aggregates.get(place));
            values.append(timed.get(place));
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], now_ms: i64) -> Result<()> {
        let (mut aggregates, mut timed) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
        for value in values {
            let mut rest = *value;
            for _ in 0..self.aggregate_parts {
                take_part(&mut rest)?;
            }
            aggregates.push(&value[..value.len() - rest.len()]);
            timed.push(rest);
        }
        self.aggregates.load(groups, &aggregates, now_ms)?;
        self.timed.load(groups, &timed, now_ms)
    }

    fn clear(&mut self, group: u32) {
        self.aggregates.clear(group);
        self.timed.clear(group);
    }

    fn memory_bytes(&self) -> usize {
        self.aggregates.memory_bytes() + self.timed.memory_bytes()
    }

    fn slot_bytes(&self) -> usize {
        self.aggregates.slot_bytes() + self.timed.slot_bytes()
    }
}

/// The common part of all ways.
pub(super) struct Over {
    pub(super) spec: OverAggregateSpec,
    pub(super) plan: Plan,
    pub(super) output: SchemaRef,
    /// The rows as they are remembered.
    pub(super) kept: Schema,
    order: Vec<SortField>,
    options: KeyedStateOptions,
    state: Option<KeyedState<OverEntries>>,
    /// The calls that are made beside the job, if there are any.
    pub(super) beside: Option<PythonOver>,
}

impl Over {
    /// Remembers rows of the columns `kept` (the input columns, and perhaps some more) in this order. `moves` says whether rows
    /// leave the frame.
    pub(super) fn new(
        spec: OverAggregateSpec,
        kept: Schema,
        order: Vec<SortField>,
        moves: bool,
        ttl: TtlOptions,
    ) -> Result<Self> {
        let options = MapViewOptions { retract: moves, ttl_ms: 0 };
        let here: Vec<AggregateCall> = spec.aggregates.iter().filter(|c| c.function.user.is_none()).cloned().collect();
        let plan = Plan::new(&spec.input, &spec.partition, &here, options)?;
        // Refuses what cannot be kept now and not with the first row.
        TimedRows::<4>::new(&kept, &order)?;
        let mut options = plan.state("over", ttl);
        options.parts.extend(timed_rows::parts(&kept, &order, &MOMENTS));
        Ok(Over { output: spec.output.arrow(), plan, kept, order, options, state: None, beside: None, spec })
    }

    pub(super) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let entries = OverEntries {
            aggregates: self.plan.groups()?,
            timed: TimedRows::new(&self.kept, &self.order)?,
            aggregate_parts: self.options.parts.len() - MOMENTS.len() - 1,
        };
        self.state = Some(KeyedState::open(cx, &self.options, entries)?);
        Ok(())
    }

    pub(super) fn prefetch(&self, batch: &ChangeBatch) -> Result<()> {
        self.state.as_ref().ok_or_else(not_open)?.prefetch(&self.plan.keys(batch.rows()), batch.len())
    }

    pub(super) fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }

    pub(super) fn state(&mut self) -> Result<&mut KeyedState<OverEntries>> {
        self.state.as_mut().ok_or_else(not_open)
    }

    pub(super) fn entries(&mut self) -> Result<&mut OverEntries> {
        self.state().map(KeyedState::entries_mut)
    }

    /// The groups of these keys, touched, and fresh if their time to live is over.
    pub(super) async fn groups(&mut self, keys: &[ArrayRef], rows: usize, now_ms: i64) -> Result<Vec<u32>> {
        let state = self.state()?;
        let groups = state.assign(keys, rows, now_ms).await?;
        state.touch(&groups)?;
        for group in &groups {
            if state.is_expired(*group, now_ms) {
                state.entries_mut().clear(*group);
            }
            state.set_changed(*group, now_ms);
        }
        state.expire(now_ms)?;
        Ok(groups)
    }

    /// Takes steps: the rows that come out, with their values.
    pub(super) async fn take(&mut self, mut steps: Steps, now_ms: i64) -> Result<(RecordBatch, Vec<ArrayRef>)> {
        let entries = self.state.as_mut().ok_or_else(not_open)?.entries_mut();
        let frames = steps.framed();
        let (rows, here) = steps.take(entries, &self.plan, now_ms)?;
        let framed = frames.map(|frames| frames.laid_out(entries)).transpose()?;
        let (Some(beside), Some(framed)) = (&mut self.beside, framed) else { return Ok((rows, here)) };
        let (mut here, mut there) = (here.into_iter(), framed.values(beside).await?.into_iter());
        let value = |call: &AggregateCall| if call.function.user.is_some() { there.next() } else { here.next() };
        Ok((rows, self.spec.aggregates.iter().filter_map(value).collect()))
    }

    /// Steps before the first one.
    pub(super) fn steps(&self) -> Steps {
        Steps::new(self.beside.is_some())
    }

    /// Aggregates rows of the input as they come: the values around each of them.
    pub(super) fn running(&mut self, rows: &Rows<'_>) -> Result<Vec<Running>> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        state.entries_mut().aggregates.running(&self.plan, rows)
    }

    /// Brings into memory all that is only in the store.
    pub(super) async fn load_all(&mut self, now_ms: i64) -> Result<()> {
        let state = self.state()?;
        let (mut cursor, mut keys) = (Cursor::default(), Vec::new());
        while let Some(page) = state.next_page(&mut cursor, now_ms).await? {
            keys.push((page.keys, page.len));
        }
        for (keys, rows) in keys {
            state.assign(&keys, rows, now_ms).await?;
        }
        Ok(())
    }

    /// Input rows with their values.
    pub(super) fn rows(&self, rows: &RecordBatch, values: Vec<ArrayRef>) -> Result<RecordBatch> {
        let input = &rows.columns()[..self.spec.input.len()];
        record_batch(&self.output, [input, &values].concat(), rows.num_rows())
    }
}

pub(super) fn not_open() -> Error {
    Error::internal("an OVER aggregation was not opened")
}
