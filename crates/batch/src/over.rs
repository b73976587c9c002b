//! `OVER`: each row with calls over the rows of its partition, which come in their order.
//!
//! Flink counterpart: `OverAggregate` of batch mode, with all of its frames. Rows are held until all that count for them
//! have come: with `ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING` one row longer, with a `RANGE` until those that are equal
//! in the order have come, and where the size of the partition counts (`UNBOUNDED FOLLOWING`, `NTILE`, `PERCENT_RANK`,
//! `CUME_DIST`, no order) until it ends. Then they are let go, but for those that later rows still look back to.
//!
//! Reading order: `places` (which rows count), `calls` (what they give), `aggregates` (how they are summed up), `beside`
//! (functions of users).
//!
//! **Does not:** spill. Rows that are held, count as memory; a partition that has to be held and does not fit ends the
//! query with an error that names the option.

mod aggregates;
mod beside;
mod calls;
mod places;

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use flott_api::{BATCH_ROWS_MAX, Result};
use flott_graph::spec::{AggregateCall, Frame, SortField};

use crate::columns;
use crate::error::released;
use crate::exec::Transform;
use crate::ordered::{Runs, picked};
pub(crate) use beside::OverBeside;
use calls::Calls;
use places::{Peers, Places, Window};

/// What an `OVER` is told.
#[derive(Clone)]
pub(crate) struct OverParts {
    pub(crate) input: flott_api::Schema,
    pub(crate) partition: Vec<usize>,
    pub(crate) order: Vec<SortField>,
    pub(crate) frame: Frame,
    pub(crate) calls: Vec<AggregateCall>,
    pub(crate) output: SchemaRef,
}

/// Rows of a partition that are held. Rows are counted from the first one of the partition.
struct Held {
    rows: RecordBatch,
    /// The number of the first one.
    first: usize,
}

impl Held {
    /// The number behind the last one.
    fn end(&self) -> usize {
        self.first + self.rows.num_rows()
    }

    /// Some of them, as they lie.
    fn copied(&self, rows: Range<usize>) -> Result<RecordBatch> {
        let places = rows.map(|row| (row - self.first) as u64);
        Ok(take_record_batch(&self.rows, &UInt64Array::from_iter_values(places))?)
    }
}

/// Rows that are given.
struct Given {
    /// As they came.
    rows: RecordBatch,
    /// The values of the calls that are made here.
    values: Vec<ArrayRef>,
    /// What the others are given; no windows if there are none.
    framed: Framed,
}

/// The rows that count for some rows.
struct Framed {
    rows: RecordBatch,
    /// Each frame once, over those rows.
    windows: Vec<Range<usize>>,
    /// Which of them is that of each row.
    at: UInt64Array,
    /// Where all rows have one frame: that one.
    only: Option<PlacedFrame>,
}

/// A frame of a query.
#[derive(Clone, PartialEq, Eq)]
struct PlacedFrame {
    /// The number of its partition.
    partition: u64,
    /// Its rows, counted from the first one of the partition.
    rows: Range<usize>,
}

/// See the module.
pub(crate) struct Over {
    partition: Vec<usize>,
    /// Of each call whether it is made beside the job.
    beside: Vec<bool>,
    output: SchemaRef,
    runs: Runs,
    calls: Calls,
    window: Window,
    /// Whether no row is given before its partition ends.
    waits_for_end: bool,
    held: Option<Held>,
    /// What came behind the rows that are held.
    pieces: Vec<RecordBatch>,
    /// How many partitions have ended.
    partitions: u64,
    /// The next row that is given.
    next: usize,
    /// Where the first row that is held stands among its equals.
    peers: Peers,
}

impl Over {
    /// Before the first row.
    pub(crate) fn new(parts: OverParts) -> Result<Self> {
        let OverParts { input, partition, order, frame, calls, output } = parts;
        let beside: Vec<bool> = calls.iter().map(|call| call.function.user.is_some()).collect();
        let (_, here): (Vec<AggregateCall>, Vec<AggregateCall>) =
            calls.into_iter().partition(|call| call.function.user.is_some());
        let calls = Calls::new(&input, &frame, &here)?;
        let window = Window::new(&input, &order, frame)?;
        Ok(Over {
            waits_for_end: calls.wait_for_end() || window.waits_for_end(),
            partition,
            beside,
            output,
            runs: Runs::default(),
            calls,
            window,
            held: None,
            pieces: Vec::new(),
            partitions: 0,
            next: 0,
            peers: Peers::default(),
        })
    }

    /// Rows of the partition at hand.
    fn hold(&mut self, rows: &RecordBatch, range: Range<usize>) -> Result<()> {
        let whole = range.len() == rows.num_rows();
        // Copied, so that the rest of its batch is let go.
        let rows = if whole { rows.clone() } else { Held { rows: rows.clone(), first: 0 }.copied(range)? };
        self.pieces.push(rows);
        Ok(())
    }

    /// All that is held, in one.
    fn gathered(&mut self) -> Result<Option<Held>> {
        let held = self.held.take();
        let first = held.as_ref().map_or(0, |held| held.first);
        let pieces = std::mem::take(&mut self.pieces);
        let all: Vec<&RecordBatch> = held.iter().map(|held| &held.rows).chain(&pieces).collect();
        match all.first() {
            Some(rows) => Ok(Some(Held { rows: concat_batches(&rows.schema(), all.iter().copied())?, first })),
            None => Ok(None),
        }
    }

    /// Gives the rows for which all has come that counts, and lets go what nothing needs any more.
    fn give(&mut self, ended: bool, out: &mut Vec<Given>) -> Result<()> {
        let Some(held) = self.gathered()? else { return Ok(()) };
        let places = Places::new(&held, ended, &self.window, self.peers)?;
        let calls = self.calls.over(&held)?;
        loop {
            let mut frames = Vec::new();
            while frames.len() < BATCH_ROWS_MAX && self.next + frames.len() < held.end() {
                let row = self.next + frames.len();
                let frame = if calls.is_met(row, &places) { self.window.frame(row, &places) } else { None };
                let Some(frame) = frame else { break };
                frames.push(frame);
            }
            if frames.is_empty() {
                break;
            }
            let rows = held.copied(self.next..self.next + frames.len())?;
            let values = self.calls.values(&calls, self.next, &frames, &places)?;
            let asked = if self.asks() { frames.as_slice() } else { &[] };
            out.push(Given { rows, values, framed: Framed::of(&held, asked, self.partitions) });
            self.next += frames.len();
        }
        let back = calls.looks_back();
        if !ended {
            // One row at least, to know its equals by.
            let from = self.next.saturating_sub(back.max(1)).min(self.needs_from()).max(held.first);
            self.peers = places.peers(from);
            self.held = Some(Held { rows: held.copied(from..held.end())?, first: from });
        }
        Ok(())
    }

    /// The partition at hand has ended.
    fn end(&mut self, out: &mut Vec<Given>) -> Result<()> {
        if self.held.is_none() && self.pieces.is_empty() {
            return Ok(());
        }
        self.give(true, out)?;
        self.calls.begin()?;
        self.window.begin();
        self.partitions += 1;
        (self.next, self.peers) = (0, Peers::default());
        Ok(())
    }
}

/// What comes of the rows, for calls that are made here and for others.
impl Over {
    /// Whether calls are made beside the job.
    fn asks(&self) -> bool {
        self.beside.contains(&true)
    }

    /// The first row that may still be looked at.
    fn needs_from(&self) -> usize {
        let here = self.calls.needs_from(&self.window);
        if self.asks() { here.min(self.calls.frames_from()) } else { here }
    }

    /// Takes up rows, and gives those for which all has come that counts.
    fn taken(&mut self, rows: &RecordBatch) -> Result<Vec<Given>> {
        let mut out = Vec::new();
        for run in self.runs.cut(&picked(rows, &self.partition), rows.num_rows())? {
            if run.begins {
                self.end(&mut out)?;
            }
            self.hold(rows, run.rows)?;
        }
        if !self.waits_for_end {
            self.give(false, &mut out)?;
        }
        Ok(out)
    }

    /// The rows that are left when no more come.
    fn rest(&mut self) -> Result<Vec<Given>> {
        let mut out = Vec::new();
        self.end(&mut out)?;
        Ok(out)
    }

    /// Bytes of memory that it takes.
    fn bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(RecordBatch::get_array_memory_size).sum();
        let held = self.held.as_ref().map_or(0, |held| held.rows.get_array_memory_size());
        // They are copied into one when they are complete.
        2 * (pieces + held) + self.calls.memory_bytes()
    }

    fn batches(&self, given: Vec<Given>) -> Result<Vec<RecordBatch>> {
        let batch = |Given { rows, values, .. }: Given| {
            let all = rows.columns().iter().cloned().chain(values).collect();
            columns::batch(&self.output, all, rows.num_rows()).map_err(released)
        };
        given.into_iter().map(batch).collect()
    }
}

impl Framed {
    /// Of rows that have these frames. They lie where they are held: a frame may be the whole partition.
    fn of(held: &Held, frames: &[Range<usize>], partition: u64) -> Self {
        let some = || frames.iter().filter(|frame| !frame.is_empty());
        let from = some().map(|frame| frame.start).min().unwrap_or(held.first);
        let to = some().map(|frame| frame.end).max().unwrap_or(from);
        let (mut windows, mut at): (Vec<Range<usize>>, Vec<u64>) = (Vec::new(), Vec::with_capacity(frames.len()));
        for frame in frames {
            let window = if frame.is_empty() { 0..0 } else { frame.start - from..frame.end - from };
            if windows.last() != Some(&window) {
                windows.push(window);
            }
            at.push(windows.len() as u64 - 1);
        }
        let only = (windows.len() == 1).then_some(PlacedFrame { partition, rows: from..to });
        Framed { rows: held.rows.slice(from - held.first, to - from), windows, at: UInt64Array::from(at), only }
    }
}

impl Transform for Over {
    fn push(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let given = self.taken(&rows)?;
        self.batches(given)
    }

    fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        let given = self.rest()?;
        self.batches(given)
    }

    fn memory_bytes(&self) -> usize {
        self.bytes()
    }
}

#[cfg(test)]
mod tests;
