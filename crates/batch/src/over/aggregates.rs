//! Aggregates over frames, each in the cheapest way that gives Flink's values: those of the frame's rows in their order.
//!
//! * A frame that begins with the partition only grows: each row is added once.
//! * Counts, sums of whole numbers and extremes are the same when rows are taken back: each is added and taken back once.
//! * What rounds, joins texts or keeps an order is computed anew for each frame, as Flink does with all of them.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use arrow_select::take::take;
use flott_api::aggregate::Change;
use flott_api::{Error, Result, Schema};
use flott_graph::spec::{AggregateCall, Frame, FrameBound};
use flott_operators::aggregate::groups::{Groups, Plan, Rows};
use flott_state::hot::{GroupEntries, MapViewOptions};

use super::Held;
use crate::columns;
use crate::error::released;

/// So many rows of frames that are computed anew are gathered at once.
const GATHERED_ROWS_MAX: usize = 1 << 16;

/// How the frames of some aggregates are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Growing,
    Moving,
    Anew,
}

const WAYS: [Way; 3] = [Way::Growing, Way::Moving, Way::Anew];

/// Where the values of a call are.
pub(super) struct Place {
    way: usize,
    call: usize,
}

/// The aggregates of an `OVER`.
pub(super) struct Aggregates {
    grows: bool,
    calls: [Vec<AggregateCall>; 3],
    sets: [Option<Set>; 3],
    /// The last frame that has values.
    last: Range<usize>,
}

/// Aggregates of one way, over the columns that they read.
struct Set {
    read: Vec<usize>,
    input: SchemaRef,
    plan: Plan,
    /// That of the partition.
    groups: Groups,
}

/// What the aggregates give.
pub(super) struct Answers([Vec<ArrayRef>; 3]);

impl Answers {
    pub(super) fn of(&self, place: &Place) -> Result<ArrayRef> {
        let values = self.0[place.way].get(place.call).cloned();
        values.ok_or_else(|| Error::internal("an aggregate of OVER has no value"))
    }
}

impl Aggregates {
    pub(super) fn new(frame: &Frame) -> Self {
        let grows = frame.start == FrameBound::Unbounded;
        Aggregates { grows, calls: Default::default(), sets: [None, None, None], last: 0..0 }
    }

    /// One more, before the first row.
    pub(super) fn add(&mut self, input: &Schema, call: &AggregateCall) -> Result<Place> {
        let way = if self.grows {
            Way::Growing
        } else if comes_back(input, call) {
            Way::Moving
        } else {
            Way::Anew
        };
        let way = WAYS.iter().position(|w| *w == way).unwrap_or_default();
        self.calls[way].push(call.clone());
        Ok(Place { way, call: self.calls[way].len() - 1 })
    }

    /// They are complete.
    pub(super) fn plan(&mut self, input: &Schema) -> Result<()> {
        for ((way, calls), set) in WAYS.iter().zip(&self.calls).zip(&mut self.sets) {
            if !calls.is_empty() {
                *set = Some(Set::new(input, calls, *way == Way::Moving)?);
            }
        }
        Ok(())
    }

    /// Before the first row of a partition.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.last = 0..0;
        self.sets.iter_mut().flatten().try_for_each(Set::begin)
    }

    /// The first row that is still needed: to be added, or to be taken back.
    pub(super) fn needs_from(&self) -> usize {
        if self.grows { self.last.end } else { self.last.start }
    }

    /// Where the last frame begins, before which no frame begins that follows.
    pub(super) fn frames_from(&self) -> usize {
        self.last.start
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.sets.iter().flatten().map(|set| set.groups.memory_bytes()).sum()
    }

    /// The values of rows that have these frames.
    pub(super) fn values(&mut self, held: &Held, frames: &[Range<usize>]) -> Result<Answers> {
        let mut answers = Answers(Default::default());
        for ((way, set), values) in WAYS.iter().zip(&mut self.sets).zip(&mut answers.0) {
            let Some(set) = set else { continue };
            *values = match way {
                Way::Growing => set.growing(held, self.last.end, frames)?,
                Way::Moving => set.moving(held, self.last.clone(), frames)?,
                Way::Anew => set.anew(held, frames)?,
            };
        }
        if let Some(last) = frames.last() {
            self.last = last.clone();
        }
        Ok(answers)
    }
}

/// Whether it is the same after a row was added and taken back.
fn comes_back(input: &Schema, call: &AggregateCall) -> bool {
    let is_integer = |column: &usize| input.fields.get(*column).is_some_and(|field| field.ty.kind.is_integer());
    match call.function.name.as_str() {
        "count" | "min" | "max" => true,
        "sum" | "$sum0" | "avg" => call.args.iter().all(is_integer),
        _ => false,
    }
}

impl Set {
    fn new(input: &Schema, calls: &[AggregateCall], retract: bool) -> Result<Self> {
        let mut read: Vec<usize> = calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter)).collect();
        read.sort_unstable();
        read.dedup();
        let own = input.project(&read);
        let place = |column: usize| read.iter().position(|read| *read == column).unwrap_or_default();
        let calls = calls.iter().map(|call| AggregateCall {
            args: call.args.iter().map(|c| place(*c)).collect(),
            filter: call.filter.map(place),
            ..call.clone()
        });
        let plan = Plan::new(&own, &[], &calls.collect::<Vec<_>>(), MapViewOptions { retract, ttl_ms: 0 })?;
        let mut groups = plan.groups()?;
        groups.grow(1);
        Ok(Set { input: columns::loose(&own), read, plan, groups })
    }

    fn begin(&mut self) -> Result<()> {
        self.groups = self.plan.groups()?;
        self.groups.grow(1);
        Ok(())
    }

    /// The columns that are read, of these rows.
    fn picked(&self, held: &Held, rows: &UInt64Array) -> Result<RecordBatch> {
        let taken = self.read.iter().map(|column| take(held.rows.column(*column), rows, None));
        columns::batch(&self.input, taken.collect::<Result<_, _>>()?, rows.len()).map_err(released)
    }

    /// The values of the partition as it is.
    fn now(&mut self) -> Result<Vec<ArrayRef>> {
        self.groups.values(&self.plan, &[0])
    }

    /// The values before rows that come, and behind each of them.
    fn stepwise(&mut self, rows: &RecordBatch, changes: Option<&[Change]>) -> Result<Vec<ArrayRef>> {
        let before = self.now()?;
        let groups = vec![0; rows.num_rows()];
        let rows = Rows { columns: rows, groups: &groups, changes, now_ms: 0 };
        let behind = self.groups.running(&self.plan, &rows)?;
        let all = before.iter().zip(&behind);
        all.map(|(before, behind)| Ok(concat(&[before.as_ref(), behind.after.as_ref()])?)).collect()
    }

    /// Frames that begin with the partition; rows before `added` have been added.
    fn growing(&mut self, held: &Held, added: usize, frames: &[Range<usize>]) -> Result<Vec<ArrayRef>> {
        let end = frames.last().map_or(added, |frame| frame.end);
        let new = UInt64Array::from_iter_values((added..end).map(|row| (row - held.first) as u64));
        let rows = self.picked(held, &new)?;
        // All have the same values: nobody needs those in between, which may be long.
        if frames.first().is_some_and(|frame| frame.end == end) {
            let groups = vec![0; rows.num_rows()];
            self.groups.fold(&self.plan, &Rows { columns: &rows, groups: &groups, changes: None, now_ms: 0 })?;
            return taken(&self.now()?, &UInt64Array::from(vec![0; frames.len()]));
        }
        let values = self.stepwise(&rows, None)?;
        taken(&values, &UInt64Array::from_iter_values(frames.iter().map(|frame| (frame.end - added) as u64)))
    }

    /// Frames that follow each other and `last`: rows are added and taken back.
    fn moving(&mut self, held: &Held, mut last: Range<usize>, frames: &[Range<usize>]) -> Result<Vec<ArrayRef>> {
        let (mut rows, mut changes, mut at) = (Vec::new(), Vec::new(), Vec::with_capacity(frames.len()));
        let mut step = |row: usize, change: Change| {
            rows.push((row - held.first) as u64);
            changes.push(change);
            changes.len() as u64
        };
        let mut done = 0;
        for frame in frames {
            for row in last.start..frame.start.min(last.end) {
                done = step(row, Change::Retract);
            }
            for row in last.end.max(frame.start)..frame.end {
                done = step(row, Change::Add);
            }
            at.push(done);
            last = frame.clone();
        }
        let rows = self.picked(held, &UInt64Array::from(rows))?;
        let values = self.stepwise(&rows, Some(&changes))?;
        taken(&values, &UInt64Array::from(at))
    }

    /// Each frame for itself; neighbours that are equal are computed once.
    fn anew(&mut self, held: &Held, frames: &[Range<usize>]) -> Result<Vec<ArrayRef>> {
        let mut apart = frames.to_vec();
        apart.dedup();
        let mut pieces: Vec<Vec<ArrayRef>> = Vec::new();
        let mut left = apart.as_slice();
        while !left.is_empty() {
            let mut gathered = 0;
            let fits = left.iter().take_while(|frame| {
                gathered += frame.len();
                gathered <= GATHERED_ROWS_MAX
            });
            let (now, rest) = left.split_at(fits.count().max(1));
            pieces.push(self.anew_at_once(held, now)?);
            left = rest;
        }
        let mut number = 0;
        let mut at = Vec::with_capacity(frames.len());
        for (place, frame) in frames.iter().enumerate() {
            number += u64::from(place > 0 && frames[place - 1] != *frame);
            at.push(number);
        }
        let calls = pieces.first().map_or(0, Vec::len);
        let all = (0..calls).map(|call| {
            let values: Vec<_> = pieces.iter().map(|piece| piece[call].as_ref()).collect();
            Ok(concat(&values)?)
        });
        taken(&all.collect::<Result<Vec<_>>>()?, &UInt64Array::from(at))
    }

    fn anew_at_once(&self, held: &Held, frames: &[Range<usize>]) -> Result<Vec<ArrayRef>> {
        let rows = frames.iter().cloned().flatten().map(|row| (row - held.first) as u64);
        let rows = self.picked(held, &UInt64Array::from_iter_values(rows))?;
        let numbers = (0u32..).zip(frames);
        let groups: Vec<u32> = numbers.flat_map(|(n, frame)| std::iter::repeat_n(n, frame.len())).collect();
        let mut own = self.plan.groups()?;
        own.grow(frames.len());
        own.fold(&self.plan, &Rows { columns: &rows, groups: &groups, changes: None, now_ms: 0 })?;
        own.values(&self.plan, &(0..frames.len() as u32).collect::<Vec<_>>())
    }
}

fn taken(values: &[ArrayRef], at: &UInt64Array) -> Result<Vec<ArrayRef>> {
    values.iter().map(|values| Ok(take(values, at, None)?)).collect()
}
