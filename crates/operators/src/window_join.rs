//! Joins the rows of two inputs that come with their windows: equal windows, equal keys, and a condition.
//!
//! Flink counterpart: `WindowJoin`. The rows of a window come out when the watermark reaches its last millisecond:
//! pairs, and for outer joins rows without one, padded with nulls; for semi and anti joins left rows alone. Inputs
//! are insertions, and so is what comes out; a row whose window is over is counted and dropped. A null key joins
//! nothing unless it is compared with `IS NOT DISTINCT FROM`.
//!
//! **State layout**: states `left` and `right`, by the window's end and the key columns: the rows
//! ([`RowLists`]); a window that is over is cleared as a whole. List `windows` has the ends of the open ones, `i64`
//! little-endian. Batches come whole with their marks; which row is late is decided by row. When a window is over
//! its left keys are gone through in parts, the right rows of which are fetched together; pairs are tried and
//! emitted a batch at a time, however many rows a key has.

mod matching;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::{KeyedContainer, StateStore};
use flott_api::{ChangeBatch, Error, Result, Watermark};
use flott_functions::{CompileContext, compile};
use flott_graph::spec::{JoinKind, WindowJoinInput, WindowJoinSpec};
use flott_state::hot::{KeyedStateOptions, RowLists, WindowedState};

use crate::factory::FromSpec;
use crate::window::attached::{Attached, OpenWindows};
use crate::window::outgoing::{EmitsWindows, Outgoing, pass_marks, pass_watermark};
use crate::window::walk::Walk;
use crate::window_rank::kept_rows;
use matching::{Matcher, Pairing, Sides};

/// The names of the states.
const STATES: [&str; 2] = ["left", "right"];
const RIGHT: usize = 1;

/// See the module.
pub struct WindowJoin {
    spec: WindowJoinSpec,
    sides: [Side; 2],
    open: OpenWindows,
    output: SchemaRef,
    /// Is there from `open` on, as is the store.
    matcher: Option<Matcher>,
    store: Option<Arc<dyn StateStore>>,
}

struct Side {
    keys: Vec<usize>,
    schema: SchemaRef,
    attached: Attached,
    options: KeyedStateOptions,
    /// Is there from `open` on.
    state: Option<WindowedState<RowLists>>,
}

impl Side {
    fn new(input: &WindowJoinInput, zone: &str, name: &str) -> Result<Self> {
        if input.keys.iter().any(|k| *k >= input.schema.len()) {
            return Err(Error::internal("a key of a window join does not exist"));
        }
        Ok(Side {
            keys: input.keys.clone(),
            schema: input.schema.arrow(),
            attached: Attached::new(&input.schema, input.window_end, zone)?,
            options: kept_rows(name, &input.schema, &input.keys)?,
            state: None,
        })
    }

    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    fn state(&mut self) -> Result<&mut WindowedState<RowLists>> {
        self.state.as_mut().ok_or_else(not_open)
    }
}

fn not_open() -> Error {
    Error::internal("a window join was not opened")
}

impl FromSpec for WindowJoin {
    type Spec = WindowJoinSpec;

    fn from_spec(spec: WindowJoinSpec) -> Result<Self> {
        let (left, right) = (&spec.left, &spec.right);
        let types = |input: &WindowJoinInput| -> Vec<_> {
            input.keys.iter().filter_map(|k| input.schema.fields.get(*k)).map(|f| f.ty.arrow()).collect()
        };
        if types(left) != types(right) || spec.filter_nulls.len() != left.keys.len() {
            return Err(Error::internal("the keys of a window join are not of one type"));
        }
        let width = match spec.kind {
            JoinKind::Semi | JoinKind::Anti => left.schema.len(),
            _ => left.schema.len() + right.schema.len(),
        };
        if spec.output.len() != width {
            return Err(Error::internal("a window join does not give the columns of its inputs"));
        }
        Ok(WindowJoin {
            sides: [Side::new(left, &spec.zone, STATES[0])?, Side::new(right, &spec.zone, STATES[RIGHT])?],
            open: OpenWindows::default(),
            output: spec.output.arrow(),
            matcher: None,
            store: None,
            spec,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::WholeWithMarks
    }
}

impl flott_api::operator::Stateful for WindowJoin {
    fn prefetch(&self, input: usize, batch: &ChangeBatch) -> Result<()> {
        let side = self.sides.get(input).ok_or_else(|| no_input(input))?;
        let state = side.state.as_ref().ok_or_else(not_open)?;
        if !state.has_spilled() {
            return Ok(());
        }
        for (end_ms, rows) in side.attached.all(batch)? {
            let rows = rows.of(batch)?;
            state.prefetch(end_ms, &side.keys(&rows), rows.len())?;
        }
        Ok(())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.sides.iter_mut().filter_map(|side| side.state.as_mut()).map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

fn no_input(input: usize) -> Error {
    Error::internal(format!("a window join has no input {input}"))
}

#[async_trait]
impl Operator for WindowJoin {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        for side in &mut self.sides {
            side.state = Some(WindowedState::open(cx, &side.options, RowLists::new(side.schema.clone()))?);
        }
        let compile_cx =
            CompileContext { session_zone: self.spec.session_zone.clone(), environment: Some(cx.environment.clone()) };
        let condition = self.spec.condition.as_ref().map(|c| compile(c, &compile_cx)).transpose()?;
        let schemas = self.sides.each_ref().map(|side| side.schema.clone());
        self.matcher = Some(Matcher::new(self.spec.kind, condition, schemas, self.output.clone()));
        self.store = Some(Arc::clone(&cx.state));
        Ok(())
    }

    async fn start(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let store = self.store.as_ref().ok_or_else(not_open)?;
        for end_ms in OpenWindows::restored(store)? {
            for side in &mut self.sides {
                side.state()?.restore(end_ms)?;
            }
            self.open.expect(end_ms, &self.sides[0].attached)?;
        }
        Ok(())
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let side = self.sides.get_mut(input).ok_or_else(|| no_input(input))?;
        for (end_ms, rows) in side.attached.arrivals(&batch, cx)? {
            let rows = rows.of(&batch)?;
            let keys = side.keys(&rows);
            let state = side.state()?;
            state.begin(end_ms)?;
            let groups = state.assign(end_ms, &keys, rows.len(), cx.processing_time_ms).await?;
            state.entries_mut(end_ms)?.append(&groups, rows.rows().clone())?;
            self.open.expect(end_ms, &side.attached)?;
        }
        pass_marks(self, &batch, cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        pass_watermark(self, watermark, cx).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.open.save(self.store.as_ref().ok_or_else(not_open)?);
        Ok(())
    }
}

#[async_trait]
impl EmitsWindows for WindowJoin {
    fn output(&self) -> &SchemaRef {
        &self.output
    }

    async fn pass(&mut self, watermark: Watermark, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<()> {
        while let Some(end_ms) = self.open.take_due(watermark) {
            for side in &mut self.sides {
                side.state()?.begin(end_ms)?;
            }
            let paired = self.left(end_ms, to, cx).await?;
            self.right(end_ms, &paired, to, cx).await?;
            for side in &mut self.sides {
                side.state()?.clear(end_ms);
            }
        }
        Ok(())
    }
}

impl WindowJoin {
    /// Goes through the left keys of a window with the right rows of each; the right groups that were met.
    async fn left(&mut self, end_ms: i64, to: &mut Outgoing, cx: &mut OperatorContext<'_>) -> Result<Vec<bool>> {
        let matcher = self.matcher.as_ref().ok_or_else(not_open)?;
        let [left, right] = &mut self.sides;
        let (left, right) = (left.state()?, right.state()?);
        let (mut walk, mut met) = (Walk::default(), Vec::new());
        while let Some(mut part) = walk.next(left, end_ms).await? {
            let (keys, groups) = (std::mem::take(&mut part.keys), std::mem::take(&mut part.groups));
            let joins = joins(&keys, &self.spec.filter_nulls, groups.len());
            // Keys that the right side has not get an empty group: the window is about to go anyway.
            let others = right.assign(end_ms, &keys, groups.len(), cx.processing_time_ms).await?;
            let lists = right.entries_mut(end_ms)?;
            let keyed: Vec<Pairing> = (0..groups.len())
                .map(|key| Pairing { left: groups[key], right: joins.value(key).then_some(others[key]) })
                .collect();
            met.resize(met.len().max(others.iter().max().map_or(0, |g| *g as usize + 1)), false);
            keyed.iter().filter_map(|p| p.right).for_each(|group| met[group as usize] = true);
            let mut sides = Sides { left: part.entries(left, end_ms)?, right: lists };
            matcher.join(&keyed, &mut sides, to, cx).await?;
        }
        Ok(met)
    }

    /// Emits the right rows of keys that no left row has, if they are asked for.
    async fn right(
        &mut self,
        end_ms: i64,
        met: &[bool],
        to: &mut Outgoing,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        let matcher = self.matcher.as_ref().ok_or_else(not_open)?;
        if !matcher.keeps_right() {
            return Ok(());
        }
        let right = self.sides[RIGHT].state()?;
        let (mut walk, mut in_memory) = (Walk::default(), true);
        while let Some(mut part) = walk.next(right, end_ms).await? {
            let mut groups = std::mem::take(&mut part.groups);
            // What is not in memory was met by no left key.
            if std::mem::replace(&mut in_memory, false) {
                groups.retain(|group| !met.get(*group as usize).copied().unwrap_or(false));
            }
            matcher.alone(RIGHT, &groups, part.entries(right, end_ms)?, to, cx).await?;
        }
        Ok(())
    }
}

/// Which keys can equal another one.
fn joins(keys: &[ArrayRef], filter_nulls: &[bool], rows: usize) -> BooleanArray {
    let filtered = keys.iter().zip(filter_nulls).filter(|(key, filter)| **filter && key.null_count() > 0);
    let filtered: Vec<&ArrayRef> = filtered.map(|(key, _)| key).collect();
    (0..rows).map(|row| Some(filtered.iter().all(|key| key.is_valid(row)))).collect()
}

#[cfg(test)]
mod tests;
