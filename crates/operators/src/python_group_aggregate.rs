//! `GROUP BY` where aggregate functions run in a process beside the job.
//!
//! Flink counterpart: `PythonGroupAggregate`, whose Python gives a group's changes once for all rows of a bundle; here a batch
//! is a bundle, or a mini-batch. **State layout**: state `groups`, by the key columns, as that of
//! [`group_aggregate`](crate::group_aggregate): an aggregate function of a user has its accumulator in it, as bytes of the type that
//! it has declared. So no process has what is not here: it is sent what a function remembers of the groups of a batch, and gives it
//! back. Built-in aggregates beside it are folded here.

mod sorted;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, Int32Array, RecordBatch};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::aggregate::Change;
use flott_api::function::FunctionCall;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, RowKind, Watermark};
use flott_graph::spec::{PythonGroupAggregateSpec, aggregate_calls};
use flott_state::hot::{Encoding, KeyedState, MapViewOptions, TtlOptions};

use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::beside::{Beside, Caller, unnamed};
use crate::emit::emit;
use crate::factory::FromSpec;
use crate::group_aggregate::bundled::Bundled;
use crate::group_aggregate::{joined, retracts};
use crate::mini_batch::MiniBatch;

pub use sorted::{Run, SortedGroups};

const STATE: &str = "groups";

/// See the module.
pub struct PythonGroupAggregate {
    plan: Plan,
    spec: PythonGroupAggregateSpec,
    /// Is there from `open` on.
    state: Option<KeyedState<Groups>>,
    output: SchemaRef,
    beside: Beside,
    /// The functions that run there.
    functions: Vec<Function>,
    /// The rows that came since the last one ended; nothing if each batch is one.
    mini_batch: Option<MiniBatch>,
}

/// An aggregate function that runs beside the job.
struct Function {
    /// Which of the calls it is.
    call: usize,
    /// How its accumulator becomes bytes.
    encoding: Encoding,
}

impl Function {
    fn of((call, of): &(usize, FunctionCall)) -> Result<Self> {
        Ok(Function { call: *call, encoding: Encoding::of(&of.function.remembered()?.arrow())? })
    }
}

impl FromSpec for PythonGroupAggregate {
    type Spec = PythonGroupAggregateSpec;

    fn from_spec(spec: PythonGroupAggregateSpec) -> Result<Self> {
        let groups = &spec.groups;
        if groups.output.len() != groups.keys.len() + groups.aggregates.len() {
            return Err(Error::internal("an aggregation does not give its keys and its aggregates"));
        }
        let retract = !groups.input_changelog.is_insert_only();
        let options = MapViewOptions { retract, ttl_ms: groups.state_ttl_ms };
        let plan = Plan::with_beside(&groups.input, &groups.keys, &groups.aggregates, options)?;
        let calls: Vec<(usize, FunctionCall)> = aggregate_calls(&groups.aggregates);
        let functions = calls.iter().map(Function::of).collect::<Result<_>>()?;
        let calls: Vec<FunctionCall> = calls.into_iter().map(|(_, call)| call).collect();
        Ok(PythonGroupAggregate {
            plan,
            state: None,
            output: groups.output.arrow(),
            beside: Beside::new(&calls, &groups.input)?,
            functions,
            mini_batch: groups.mini_batch_rows_max.map(MiniBatch::new),
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Sliced
    }
}

impl Stateful for PythonGroupAggregate {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        state.prefetch(&self.plan.keys(batch.rows()), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for PythonGroupAggregate {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let ttl = TtlOptions::after(self.spec.groups.state_ttl_ms);
        self.state = Some(KeyedState::open(cx, &self.plan.state(STATE, ttl), self.plan.groups()?)?);
        self.beside.open(&Caller::from(cx), &self.spec.groups.input, &self.spec.session_zone);
        Ok(())
    }

    async fn start(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.beside.start().await
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let insert_only = self.spec.groups.input_changelog.is_insert_only();
        if insert_only && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("an aggregation over an insert-only stream got a retraction"));
        }
        if self.mini_batch.is_none() {
            let output = self.aggregate(&[batch], cx.processing_time_ms).await?;
            return emit(output, cx).await;
        }
        let mut rest = Some(batch);
        while let (Some(batch), Some(mini_batch)) = (&rest, &mut self.mini_batch) {
            rest = mini_batch.take(batch);
            if mini_batch.is_full() {
                self.end_mini_batch(cx).await?;
            }
        }
        Ok(())
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await?;
        cx.output.emit_watermark(watermark).await
    }

    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.end_mini_batch(cx).await?;
        self.beside.close().await
    }
}

impl PythonGroupAggregate {
    async fn end_mini_batch(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (Some(mini_batch), Some(state)) = (&mut self.mini_batch, &mut self.state) else { return Ok(()) };
        let rows_at_once = state.entries_mut().rows_at_once(&self.plan);
        for piece in mini_batch.end(rows_at_once) {
            let output = self.aggregate(&piece, cx.processing_time_ms).await?;
            emit(output, cx).await?;
        }
        Ok(())
    }

    async fn aggregate(&mut self, batches: &[ChangeBatch], now_ms: i64) -> Result<ChangeBatch> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let keys = joined(batches.iter().map(|b| self.plan.keys(b.rows())))?;
        let rows = batches.iter().map(ChangeBatch::len).sum();
        let assigned = state.assign(&keys, rows, now_ms).await?;
        state.touch(&assigned)?;
        let mut bundled = Bundled::begin(&assigned, &self.plan, state, now_ms)?;
        let groups: Vec<u32> = (0..rows).map(|row| bundled.group(row)).collect();
        let changes = bundled.effective(batches.iter().flat_map(retracts));
        let entries = state.entries_mut();
        entries.count(&groups, Some(&changes));
        let (mut from, mut beside) = (0, vec![Vec::with_capacity(rows); self.functions.len()]);
        for batch in batches {
            let range = from..from + batch.len();
            let (groups, changes) = (&groups[range.clone()], Some(&changes[range]));
            let pieces = entries.fold_here(&self.plan, &Rows { columns: batch.rows(), groups, changes, now_ms })?;
            beside.iter_mut().zip(pieces).for_each(|(all, piece)| all.extend(piece));
            from += batch.len();
        }
        let mut after = Vec::new();
        if rows > 0 {
            let arguments = self.beside.arguments(batches)?;
            let sent = sent(&self.functions, arguments, &bundled, &beside, entries)?;
            let given = self.beside.aggregate(sent).await?;
            after = taken(&self.functions, given, &mut bundled, entries)?;
        }
        let mut values = entries.values(&self.plan, bundled.groups())?;
        for (function, after) in self.functions.iter().zip(after) {
            values[function.call] = after;
        }
        let output = (keys.as_slice(), self.spec.groups.emit_update_before, &self.output);
        bundled.end_with(values, state, output, now_ms)
    }
}

/// The batch that the process gets: arguments, the numbers of groups, and for each function what rows do and accumulators.
fn sent(
    functions: &[Function],
    mut columns: Vec<ArrayRef>,
    bundled: &Bundled,
    changes: &[Vec<Change>],
    entries: &mut Groups,
) -> Result<RecordBatch> {
    let places = bundled.places();
    columns.push(Arc::new(Int32Array::from_iter_values(places.iter().map(|place| *place as i32))));
    for (function, changes) in functions.iter().zip(changes) {
        columns.push(signs(changes));
        let accumulators = entries.accumulators(function.call)?;
        let mut seen = 0;
        let first = places.iter().map(|place| {
            let is_first = *place as usize == seen;
            seen += usize::from(is_first);
            let existed = is_first && bundled.existed()[*place as usize];
            existed.then(|| accumulators.get(bundled.groups()[*place as usize]))
        });
        columns.push(function.encoding.decode(first)?);
    }
    unnamed(columns, places.len())
}

/// What rows do, as numbers.
fn signs(changes: &[Change]) -> ArrayRef {
    let sign = |change: &Change| match change {
        Change::Add => 1,
        Change::Skip => 0,
        Change::Retract => -1,
    };
    Arc::new(changes.iter().map(|change| Some(sign(change))).collect::<Int8Array>())
}

/// Keeps the accumulators that the process gives, and gives the values behind the batch.
fn taken(
    functions: &[Function],
    given: Vec<ArrayRef>,
    bundled: &mut Bundled,
    entries: &mut Groups,
) -> Result<Vec<ArrayRef>> {
    let groups = bundled.groups().len();
    if given.len() != 3 * functions.len() || given.iter().any(|column| column.len() != groups) {
        return Err(Error::internal("a process gave other groups than it was given"));
    }
    let mut after = Vec::with_capacity(functions.len());
    for (function, given) in functions.iter().zip(given.chunks_exact(3)) {
        let bytes = function.encoding.encode_nulls(&given[0])?;
        let accumulators = entries.accumulators(function.call)?;
        for (place, group) in bundled.groups().iter().enumerate() {
            accumulators.set(*group, bytes.value(place));
        }
        bundled.set_before(function.call, Arc::clone(&given[1]));
        after.push(Arc::clone(&given[2]));
    }
    Ok(after)
}

fn not_open() -> Error {
    Error::internal("an aggregation was not opened")
}

#[cfg(test)]
mod tests;
